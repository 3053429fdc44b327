// When a cycle started before Go 1.18 (mgc.go, later mgcpacer.go:gcControllerState of Go 1.5 to 1.17; design: golang.org/s/go15gcpacing): at
// heap_marked * (1 + trigger ratio), and the ratio is moved at the end of each cycle by half of its error, so that the heap is at its goal
// when marking ends and marking takes a quarter of the processors. Pure functions, like those of gc/pacer.h.
//
// Left out: 1.10 to 1.17 aim at 30 percent, as a quarter is the background's alone, and keep the ratio above 0.6 of the goal.
#pragma once

#include "base/core.h"

#define TRIGGER_RATIO_FIRST 0.875 // mgc.go:gcinit
#define TRIGGER_RATIO_GAIN  0.5   // mgc.go:triggerGain
#define TRIGGER_RATIO_MOST  0.95  // of the goal's growth: there is some room to finish in

// The next ratio. growth: that of the goal, percent / 100. live: at the end of marking, where `marked` is what the cycle before had marked.
// utilization: share of the processors that marking took, background and assists.
CORE double trigger_ratio_next(double ratio, double growth, uint64_t marked, uint64_t live,
                               double utilization);
// heap_live at which a cycle starts; at least `least`, the smallest heap.
CORE uint64_t trigger_ratio_bytes(double ratio, double growth, uint64_t marked, uint64_t least);
