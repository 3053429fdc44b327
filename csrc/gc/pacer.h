// When a cycle starts, how large the heap may grow meanwhile, and how hard allocation must help: the arithmetic of Go 1.26
// (mgcpacer.go:gcControllerState) as functions over one plain value, equal to Go on amd64 in every bit.
//
// Nothing here reads a clock or a heap, and no field is atomic: who keeps a pacer for a heap feeds its counters and publishes what
// it decides. Every field is 8 bytes wide, so each can be loaded and stored whole. Sums wrap as in Go.
#pragma once

#include "base/core.h"

#define HEAP_MINIMUM_BYTES    (4ull << 20) // mgcpacer.go:defaultHeapMinimum, at 100 percent
#define PACER_NOT_TRIGGERED   UINT64_MAX   // mgcpacer.go:resetLive
#define PACER_NO_MEMORY_LIMIT INT64_MAX    // mgcpacer.go:readGOMEMLIMIT
#define PACER_UTILIZATION     0.25         // mgcpacer.go:gcGoalUtilization, gcBackgroundUtilization

// clang-format off
// Type and name of each field; Go's names. Bytes, and times in ns.
#define PACER_FIELDS(F)                                                                                        \
    /* settings */                                                                                             \
    F(int64_t, gc_percent)                   /* -1: off */                                                     \
    F(int64_t, memory_limit)                                                                                   \
    F(uint64_t, heap_minimum)                /* HEAP_MINIMUM_BYTES * gc_percent / 100 */                       \
    /* the heap's counters */                                                                                  \
    F(uint64_t, heap_live)                                                                                     \
    F(uint64_t, heap_scan)                   /* scannable part of heap_live */                                 \
    F(uint64_t, max_stack_scan)              /* bytes of all stacks */                                         \
    F(uint64_t, globals_scan)                                                                                  \
    F(uint64_t, heap_free)                   /* in no span and not released */                                 \
    F(uint64_t, total_alloc)                                                                                   \
    F(uint64_t, total_free)                                                                                    \
    F(uint64_t, mapped_ready)                /* mapped and not released */                                     \
    /* what the cycle before left */                                                                           \
    F(uint64_t, heap_marked)                                                                                   \
    F(uint64_t, last_heap_scan)                                                                                \
    F(uint64_t, last_stack_scan)                                                                               \
    F(uint64_t, last_heap_goal)                                                                                \
    F(double, cons_mark)                     /* bytes allocated per byte marked, per CPU: largest of five */   \
    /* what pacer_commit decided */                                                                            \
    F(uint64_t, gc_percent_heap_goal)                                                                          \
    F(uint64_t, sweep_dist_min_trigger)                                                                        \
    F(uint64_t, runway)                                                                                        \
    /* the cycle under way */                                                                                  \
    F(uint64_t, triggered)                   /* heap_live at its start, or PACER_NOT_TRIGGERED */              \
    F(int64_t, mark_start_time)                                                                                \
    F(int64_t, heap_scan_work)                                                                                 \
    F(int64_t, stack_scan_work)                                                                                \
    F(int64_t, globals_scan_work)                                                                              \
    F(int64_t, bg_scan_credit)                                                                                 \
    F(int64_t, assist_time)                                                                                    \
    F(int64_t, dedicated_mark_time)                                                                            \
    F(int64_t, fractional_mark_time)                                                                           \
    F(int64_t, idle_mark_time)                                                                                 \
    F(int64_t, dedicated_mark_workers_needed)                                                                  \
    F(int64_t, max_idle_mark_workers)                                                                          \
    F(double, fractional_utilization_goal)   /* share of each processor */                                     \
    F(double, assist_work_per_byte)                                                                            \
    F(double, assist_bytes_per_work)
// clang-format on

struct pacer {
#define PACER_FIELD(type, name) type name;
    PACER_FIELDS(PACER_FIELD)
#undef PACER_FIELD
    double last_cons_mark[4]; // as measured, oldest first
};

struct pacer_trigger {
    uint64_t trigger, goal;
};

struct pacer_goals {
    uint64_t goal, min_trigger;
};

enum pacer_start {
    PACER_START_HEAP,
    PACER_START_TIME,   // periodic: no more idle workers than it takes to finish
    PACER_START_FORCED, // idle workers as for the heap trigger
};

// Settings as for a new heap, committed without a sweep phase (mgcpacer.go:init).
CORE struct pacer pacer_init(int32_t gc_percent, int64_t memory_limit);
// Negative percent: off. Negative limit: unchanged. Return the setting before; the caller commits, and revises while marking.
CORE int32_t pacer_set_gc_percent(struct pacer *p, int32_t percent);
CORE int64_t pacer_set_memory_limit(struct pacer *p, int64_t limit);

// The numbers that hold until the next commit: the goal by percent, the sweep distance, the runway (mgcpacer.go:commit).
CORE void pacer_commit(struct pacer *p, bool sweep_done);

// marked + (marked + stacks + globals) * percent / 100, at least 4 MiB * percent / 100; UINT64_MAX when percent is negative.
CORE uint64_t pacer_goal(uint64_t marked, uint64_t stack_scan, uint64_t globals_scan,
                         int32_t percent);
// The goal in force: by percent or by the memory limit, whichever is lower (mgcpacer.go:heapGoalInternal).
CORE struct pacer_goals pacer_heap_goal(const struct pacer *p);
// What the memory limit leaves to the heap (mgcpacer.go:memoryLimitHeapGoal). The caller reads heap_free, total_alloc, total_free
// and mapped_ready such that heap_free + alloc - free <= mapped_ready.
CORE uint64_t pacer_memory_limit_goal(const struct pacer *p);
// The heap_live at which a cycle starts, and the goal that it follows from (mgcpacer.go:trigger).
CORE struct pacer_trigger pacer_trigger(const struct pacer *p);

// A cycle begins: clears its counters, settles the workers, revises (mgcpacer.go:startCycle). procs >= 1. With all_dedicated
// (gcstoptheworld) every processor marks.
CORE void pacer_start_cycle(struct pacer *p, int64_t now, int32_t procs, enum pacer_start why,
                            bool all_dedicated);
// The two assist ratios from the counters as they are (mgcpacer.go:revise).
CORE void pacer_revise(struct pacer *p);
// Marking is over: the new cons_mark (mgcpacer.go:endCycle). Before pacer_reset_live.
CORE void pacer_end_cycle(struct pacer *p, int64_t now, int32_t procs);
// Share of all CPU time that background marking and assists took until now, as pacer_end_cycle counts it.
CORE double pacer_utilization(const struct pacer *p, int64_t now, int32_t procs);
// The heap is what was marked; no cycle is under way (mgcpacer.go:resetLive).
CORE void pacer_reset_live(struct pacer *p, uint64_t bytes_marked);

// Pages that allocation must sweep per byte, so that sweeping is done 1 MiB before the trigger (mgcsweep.go:gcPaceSweeper); 0 if
// nothing is left to sweep.
CORE double pacer_sweep_pages_per_byte(uint64_t trigger, uint64_t heap_live, uint64_t pages_in_use,
                                       uint64_t pages_swept);

// A double as an integer, as amd64 converts it: what does not fit, and NaN, is INT64_MIN. The cast itself would be undefined.
CORE int64_t pacer_int64(double x);
// The same for uint64: Go subtracts 2^63 first if x >= 2^63, so what does not fit is 0 and negative numbers wrap.
CORE uint64_t pacer_uint64(double x);
