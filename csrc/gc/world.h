// Inside, outside, and stopping the world. No signals: mutators are waited for at leave and at polls.
//
//   outside --enter--> inside --leave--> outside          stop bit 0 set: enter waits, polls leave and wait
//
// Enter stores `inside` and then loads `stop`; the stopper stores `stop` and then loads every `inside`. Between each pair a full
// fence is needed, or both could miss each other. The mutator's side is only a compiler fence: the stopper's
// rt_fence_heavy (membarrier) makes every running thread pass a full one. Without membarrier, bit 1 of `stop` is set for
// good: then every enter takes enter_slow, which fences itself.
#pragma once

#include "gc/heap.h"

#define STOP_NOW    GCSIM_STOP_NOW
#define STOP_FENCE  GCSIM_STOP_FENCE
#define STOP_RAGGED GCSIM_STOP_RAGGED

// worker: it is one of the collector's own and counts as none of the program's.
CORE gcsim_mutator *world_attach(gcsim_heap *heap, bool worker, gcsim_status *status);
CORE void world_detach(struct mutator *m);
CORE void world_enter_slow(struct mutator *m);
CORE void world_leave_slow(struct mutator *m);
CORE void world_poll(struct mutator *m);

// Somebody waits for this thread to pass a safe point, or to let go of its processor.
CORE_INLINE bool world_wanted(const struct mheap *h)
{
    return UNLIKELY(GCSIM_LOAD(&h->stop) & ~GCSIM_STOP_STANDING);
}

// The ragged barrier: `pass` has been called for every mutator when this returns, each at its own safe point or, if it is outside, by the
// caller in its place (proc.go:forEachP). The caller is inside, at a safe point, and the only one to try (mark_done_lock).
CORE void world_ragged(struct mutator *m, void (*pass)(struct mutator *m));

// Stop every other mutator. The caller is inside; it counts as outside while it waits, so another cycle may run before this
// returns. Returns the time from which on the others were asked to stop. Between stop and start no mutator runs and none is attached or detached.
CORE uint64_t world_stop(struct mutator *m);
CORE void world_start(struct mutator *m);
// World stopped: the stop is the collector's own, and its CPU time so far is charged to collecting (mstats.go:accumulateGCPauseTime).
CORE void world_stop_is_gc(struct mheap *h);

// Ask the poll callback whether to go on, from a place where the caller's heap pointers are rooted. stopped: the world is
// (the callback must then not wait for it); otherwise the caller is outside for the time of the call.
CORE bool world_interrupted(struct mutator *m, bool stopped);
