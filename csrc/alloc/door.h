// The one door from the allocator up to the collector. gc/door.c implements it; nothing else in alloc/ knows that there is a collector.
#pragma once

#include "alloc/mheap.h"

// Somebody wants the world, or marking is on: stop as long as asked, pay for what was allocated, give marking its share of the time.
CORE COLD void door_safepoint(struct mutator *m);
CORE COLD void door_poll(struct mutator *m); // the same for loops that poll often
// heap_live has reached the trigger: start a cycle (GCSIM_INTERRUPTED: it ran with the world stopped, and the poll callback stopped
// it). `keep` is the object that the allocation is about to return.
CORE COLD gcsim_status door_collect(struct mutator *m, void *keep);
// Sweeping has begun. Until then spans that wait stay on their lists.
CORE bool door_may_sweep(const struct mheap *h);
// Sweep a span that waits for it. preserve: the caller keeps it (it is on no list afterwards); else it is filed or freed.
// Returns false if another thread has it or has had it.
CORE bool door_sweep_span(struct mheap *h, gcsim_span *s, bool preserve);
// heap_live has moved while the pacer watches it (h->watched).
CORE void door_moved(struct mheap *h);
// So many bytes are about to be allocated while sweeping is behind (h->sweep_owed): sweep what they owe, less the pages that they will
// take for themselves (mgcsweep.go:deductSweepCredit).
CORE COLD void door_sweep_credit(struct mheap *h, uint64_t bytes, uint64_t pages);
// A span of so many pages is about to be made: give back at least as many by sweeping, while there are any (mheap.go:alloc).
CORE void door_reclaim(struct mheap *h, uint64_t npages);
// The CPU limiter is on: the memory limit has to wait.
CORE bool door_limited(struct mheap *h);
// An allocation took so long to release memory.
CORE void door_released(struct mheap *h, uint64_t ns);
// The heap profile samples the object of `bytes` (as asked for) that the running allocation is about to return.
CORE COLD void door_sample(struct mutator *m, void *p, const gcsim_type *type, uint64_t bytes);
