// Marking by mutators, at their safe points. What they allocate while marking is on they pay for in scan work (assists, mgcmark.go:
// gcAssistAlloc); and where no processor is free for a worker, background marking gets its share of their time.
#pragma once

#include "gc/heap.h"

// Marking is on: pay what is owed, give what background marking lacks. The caller is at a safe point.
CORE COLD void assist_safepoint(struct mutator *m);
// Background marking did so much scan work.
CORE void assist_credit(struct mheap *h, uint64_t work);
// Ns of marking that workers and mutators owe the background since it began: its share of all processors (mgcpacer.go:gcBackgroundUtilization).
CORE uint64_t assist_background_share(struct mheap *h, uint64_t now_ns);
