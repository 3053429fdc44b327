// A timeline: one cycle forwards and backwards, with what was done from outside in between (steps.h).
#pragma once

#include "gc/heap.h"
#include "gcsim/steps.h"

CORE gcsim_timeline *timeline_new(gcsim_heap *heap, const gcsim_schedule *schedule);
CORE void timeline_free(gcsim_timeline *t);
CORE void timeline_touch(gcsim_timeline *t);
CORE int timeline_notice(gcsim_timeline *t);
CORE uint32_t timeline_run(gcsim_timeline *t, uint64_t n, uint64_t points, uint64_t *done);
CORE uint32_t timeline_by_hand(gcsim_timeline *t, gcsim_taken taken);
CORE gcsim_status timeline_goto(gcsim_timeline *t, uint64_t k);
