// A heap's columns as of one moment: copied in one stop of the world, understood after it.
//
// While the world stands still nothing is asked but what could change: which slots hold objects, which pointers are not nil, what the roots hold.
// It is copied in the order of addresses into buffers that were made, and touched, before; a buffer that turns out too small grows, with no lock
// of the heap held. Numbering the objects, and finding which one an address lies in, waits until the program runs again.
//
// The objects are what a sweep would leave: where a span waits for it, a slot without a mark is none, unless a finalizer revives it.
#pragma once

#include "gc/heap.h"

// The caller is inside; it is outside for most of the call. Everything in *out is the caller's, for snapshot_free; after a failure it is empty.
// GCSIM_NO_MEMORY; GCSIM_BAD_SIZE: a pointer that lies 4 GiB behind the start of its object, or 2^32 - 2 objects; GCSIM_INTERRUPTED.
CORE gcsim_status snapshot_take(struct mutator *m, gcsim_snapshot *out);
CORE void snapshot_free(gcsim_snapshot *s);

// World stopped for `then`, which may use *count: pointers of live objects and of roots into [from, from + bytes), counted before in the same stop.
CORE gcsim_status snapshot_count_into(struct mutator *m, const char *from, uint64_t bytes,
                                      uint64_t *count, void (*then)(void *arg), void *arg);
