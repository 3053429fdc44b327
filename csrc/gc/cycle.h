// A collection from end to end (mgc.go): a stop that turns the barrier on, marking while the program runs, a stop that turns it off,
// sweeping. With stop_the_world the world stays stopped in between.
#pragma once

#include "gc/heap.h"

// heap, periodic: start a cycle, unless one runs or came first. forced: run one from beginning to end and sweep everything (runtime.GC).
// The caller is at a safe point.
CORE gcsim_status cycle_run(struct mutator *m, gcsim_trigger why);
// cycle_run, forced, which also searches for leaked goroutines (mgc.go:goroutineLeakGC).
CORE gcsim_status cycle_find_leaks(struct mutator *m);
// A marker found nothing grey: end marking if that is true everywhere. False: it is not, and others are at work.
CORE bool cycle_mark_done(struct mutator *m);
// cycle_run, forced, and then all free memory back to the system (runtime/debug.FreeOSMemory). *released is how much went in the end.
// GCSIM_NO_MEMORY: the system would not take some.
CORE gcsim_status cycle_free_memory(struct mutator *m, uint64_t *released);
// What a weak reference refers to, after helping to end the marking that may have to come first. A safe point.
CORE void *cycle_read_weak(struct mutator *m, gcsim_weak *weak);
CORE bool cycle_is_due(struct mheap *h); // for want of a cycle in a long time
// Stop the world where no marking is under way, after helping with it. world_start ends it.
CORE uint64_t cycle_stop_quiet(struct mutator *m);
// Marking that nobody will finish (fork): forget it. World stopped.
CORE void cycle_undo(struct mheap *h);
CORE int32_t cycle_set_percent(struct mutator *m, int32_t percent); // returns the old one
CORE int64_t cycle_set_memory_limit(struct mutator *m,
                                    int64_t limit); // the same; negative: only tell
CORE gcsim_status cycle_read(gcsim_heap *heap, uint64_t number, gcsim_cycle *out);

// gcsim_api.at_cycle_start. cycle_rehearse is no cycle.
CORE gcsim_status cycle_at_start(struct mutator *m, gcsim_cycle_start run, void *arg);

// The parts of a cycle that stops the world: what begins it, in the stop that began at start_ns; marking, false if it was interrupted; its end.
CORE gcsim_cycle *cycle_open(struct mutator *m, gcsim_trigger why, uint64_t start_ns, bool stopped);
CORE bool cycle_mark_stopped(struct mutator *m);
CORE void cycle_end(struct mutator *m, uint64_t stop_ns);

// Mark, let `look` see the marks, and forget them: what an interrupted cycle leaves behind, which is nothing.
CORE gcsim_status cycle_rehearse(struct mutator *m, void (*look)(struct mheap *h, void *ctx),
                                 void *ctx);

// The edges of a cycle, where debug builds verify the heap, and others if verify_phases is set. Implemented by watch/verify.c, which looks in from above.
enum cycle_phase {
    CYCLE_QUIET,  // the world is stopped and no cycle is under way
    CYCLE_MARKED, // marks are complete, nothing waits to be swept yet
};
CORE void cycle_check_phase(struct mheap *h, enum cycle_phase phase);

// For calls that allocate much that is all alive (bulk building): no heap trigger inside, and afterwards the goal
// is what it would be had a cycle just found all of it. hold returns heap_live as it was.
CORE uint64_t cycle_hold(struct mutator *m);
CORE void cycle_release(struct mutator *m, uint64_t held);
