// The pacer's place in the heap: feeds it with the heap's counters and publishes what it says (goal, trigger, assist ratio).
#pragma once

#include "gc/heap.h"

CORE void pace_init(struct mheap *h);
// World stopped, or heap not yet shared: goal and trigger from what the last cycle left.
CORE void pace_commit(struct mheap *h);
CORE void pace_start(struct mheap *h, gcsim_trigger why); // marking begins
CORE void pace_end(struct mheap *h);                      // marking is complete
CORE void pace_revise(struct mheap *h);                   // heap_live has moved while marking
CORE double pace_work_per_byte(struct mheap *h);
CORE double pace_bytes_per_work(struct mheap *h);
CORE bool pace_limited(struct mheap *h); // the CPU limiter forbids assists
