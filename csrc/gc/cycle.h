// A collection from end to end. In this version the world is stopped from the first root to the last mark; sweeping is lazy.
#pragma once

#include "gc/heap.h"

// Run a cycle. heap: unless another one made it needless; forced: always, and sweep everything afterwards (runtime.GC).
CORE gcsim_status cycle_run(struct mutator *m, gcsim_trigger why);
CORE int32_t cycle_set_percent(struct mutator *m, int32_t percent); // returns the old one
CORE void cycle_commit_goal(struct mheap *h);
CORE gcsim_status cycle_read(gcsim_heap *heap, uint64_t number, gcsim_cycle *out);

// Mark, let `look` see the marks, and forget them: what an interrupted cycle leaves behind, which is nothing.
CORE gcsim_status cycle_rehearse(struct mutator *m, void (*look)(struct mheap *h, void *ctx),
                                 void *ctx);

// The edges of a cycle, where debug builds verify the heap. Implemented by watch/verify.c, which looks in from above.
enum cycle_phase {
    CYCLE_QUIET,  // the world is stopped and no cycle is under way
    CYCLE_MARKED, // marks are complete, nothing waits to be swept yet
};
CORE void cycle_check_phase(struct mheap *h, enum cycle_phase phase);

// For calls that allocate much that is all alive (bulk building): no heap trigger inside, and afterwards the goal
// is what it would be had a cycle just found all of it. hold returns heap_live as it was.
CORE uint64_t cycle_hold(struct mutator *m);
CORE void cycle_release(struct mutator *m, uint64_t held);
