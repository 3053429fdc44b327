// Marking: one way to claim a mark bit, one way to walk an object's pointers, engines over both.
//
//   white   mark bit 0
//   grey    mark bit 1, in the work buffers (or in the engine's ring of prefetched objects), or its span is queued (gc/spanq.h)
//   black   mark bit 1, scanned
//
// `field` takes one object and shades its fields one by one: the reference, and what is stepped. `object` looks at a pointer's span and mark bit
// only 8 pointers after it was found, and at a grey object 8 objects after it left the buffers, when the lines that it asked for have arrived.
// `span` scans what was marked in a span since its last visit (gc/spanq.h); `mixed` does so where slots are small.
//
// While the world runs, mutators set marks too (objects handed out black, the write barrier), so a claim is an atomic or; it tests first.
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

// Mark the object that a pointer lies in, if it lies in one, and queue it in the mutator's buffers.
CORE void mark_shade(struct mutator *m, void *p);
// The same for many, some of them over and over: what the write barrier has noted.
CORE void mark_shade_all(struct mutator *m, void *const *pointers, uint64_t n);

// The object that a slot lies in is to be scanned again, if it is marked. False: it lies in no object.
CORE bool mark_again(struct mutator *m, void *slot);

// How far a drain goes. All zero but `work`: until nothing is left.
struct drain {
    uint64_t work;     // units of scan work wanted; UINT64_MAX = no limit
    uint64_t until_ns; // 0 = no limit
    bool stopped;      // the world is: nobody can want it, but the poll callback is asked
    bool background;   // what is done is credit for assists
    uint64_t done;     // out: scan work
};
enum drained {
    DRAINED,         // nothing is left here and on the shared list
    DRAIN_ENOUGH,    // a limit was reached, or somebody wants the world
    DRAIN_ABANDONED, // the poll callback interrupted
};
// Root jobs, then grey objects. The caller is counted in gc->draining meanwhile.
CORE enum drained mark_drain(struct mutator *m, struct drain *limit);
// World stopped: the roots that cannot be scanned while it runs.
CORE void mark_stopped_roots(struct mutator *m);
// The frames of a mutator's goroutines, if they are grey: by itself at a safe point, or by others while it is outside.
CORE void mark_stacks(struct mutator *m);
// The frames of one goroutine, that nobody uses meanwhile. What they lead to is queued for `m`, which is at a safe point or runs.
CORE void mark_stack(struct mutator *m, gcsim_goroutine *g);
// World stopped: the frames of all goroutines.
CORE void mark_all_stacks(struct mutator *m);
// World stopped and nothing grey: make up for what was forgotten when buffers overflowed; false if nothing was.
CORE bool mark_rescan(struct mutator *m);
// World stopped, nothing grey: mark every object there is, reachable or not (sbrk).
CORE void mark_everything(struct mutator *m);
// While nothing is being marked.
CORE void mark_choose_engine(struct mheap *h, uint32_t engine);
// Forget all marks and all that is grey. World stopped.
CORE void mark_abandon(struct mheap *h);
