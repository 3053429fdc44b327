// Marking: one way to claim a mark bit, one way to walk an object's pointers, two engines over both.
//
//   white   mark bit 0
//   grey    mark bit 1, in the work buffers (or in the engine's queue of prefetched addresses)
//   black   mark bit 1, scanned
//
// `field` takes one object and shades its fields one by one: the reference, and what is stepped. `object` looks at a pointer's span and mark bit
// only 16 pointers after it was found, when the lines that it asked for have arrived.
#pragma once

#include "gc/heap.h"

// Where the pointers of an object lie. Slots whose word is at [from, to) bytes from the slot's base are visited.
typedef void (*mark_visit)(struct mheap *h, void **slot, void *ctx);
CORE void object_pointers(struct mheap *h, gcsim_span *s, char *base, uint64_t from, uint64_t to,
                          mark_visit visit, void *ctx);
// The same for memory laid out as count elements of a type (frames, globals).
CORE void typed_pointers(struct mheap *h, const gcsim_type *t, char *data, uint64_t count,
                         mark_visit visit, void *ctx);

CORE bool mark_is_set(const gcsim_span *s, uint32_t index);

// Mark everything that the roots reach. False: the poll callback interrupted, marks are incomplete.
CORE bool mark_from_roots(struct mutator *m);
// Forget all marks of an interrupted cycle.
CORE void mark_abandon(struct mheap *h);
