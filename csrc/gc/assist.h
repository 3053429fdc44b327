// Marking by mutators, at their safe points. What they allocate while marking is on they pay for in scan work (assists, mgcmark.go:
// gcAssistAlloc); and where no processor is free for a worker, background marking gets its share of their time.
//
// A mutator in debt takes credit that background marking left, then marks itself, and if there is nothing to mark and it still owes, it
// waits in a queue, outside, until background marking has paid for it.
#pragma once

#include "gc/heap.h"

// Marking is on: pay what is owed, give what background marking lacks. The caller is at a safe point.
CORE COLD void assist_safepoint(struct mutator *m);
// Polls in a loop may be a few ns apart, and reading the clock takes longer: whether this one need not look whether marking lacks time.
CORE bool assist_passes_over(struct mutator *m);
CORE void assist_pay(struct mutator *m); // what is owed
// Background marking did so much scan work: for who waits, the rest is credit.
CORE void assist_credit(struct mheap *h, uint64_t work);
CORE void assist_wake_all(struct mheap *h); // marking is over: nobody owes any more. World stopped
CORE void assist_forget_all(struct mheap *h); // in a forked child, where who waited is gone
