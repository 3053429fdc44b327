// What runtime/metrics tells, without stopping the world (metrics.go). The caller is outside.
//
// A stop holds mutators_lock from its request to its end. So with that lock held the world runs, and what changes in a stop only
// (the cycle's results, the times of stops) stays as it is; `lock` keeps the page heap's bytes as they are. Allocation counters move all the
// time: they are read until two readings agree, which makes them those of one moment, for no counter ever falls.
#pragma once

#include "gc/heap.h"

CORE void metrics_read(struct mheap *h, gcsim_metrics *out);
