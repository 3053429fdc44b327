// How much memory the scavenger gives back and how often it comes: values and pure functions over
// them, no clock and no heap (mgcscavenge.go, mheap.go:allocSpan).
#pragma once

#include "base/core.h"

#define SCAVENGE_OFF      UINT64_MAX // no goal
#define SCAVENGE_NO_LIMIT INT64_MAX  // no memory limit

enum {
    SCAVENGE_QUANTUM_BYTES = 64 << 10, // released between two looks at what else is wanted
    SCAVENGE_TURN_NS = 1000000,        // of work between two sleeps (minScavWorkTime)
    SCAVENGE_PAGE_NS = 10000,          // assumed per physical page where the clock saw nothing pass
};

// --- goals

struct scavenge_inputs {
    int64_t memory_limit;
    uint64_t heap_goal, last_heap_goal; // bytes; last: of the cycle that just ended, 0 = none yet
    uint64_t last_in_use;               // bytes of spans in use when its marking ended
    uint64_t retained;                  // bytes of spans in use and of free pages with memory
    uint64_t mapped_ready;              // bytes of everything that has memory
    uint64_t physical_bytes;            // of a physical page
};

// Bytes that the background scavenger goes down to; SCAVENGE_OFF where that is reached already.
struct scavenge_goals {
    uint64_t gc_percent;   // for retained
    uint64_t memory_limit; // for mapped_ready
};

// mgcscavenge.go:gcPaceScavenger.
CORE struct scavenge_goals scavenge_goals(const struct scavenge_inputs *in);

CORE_INLINE bool scavenge_goals_reached(struct scavenge_goals goals, uint64_t retained,
                                        uint64_t mapped_ready)
{
    return retained <= goals.gc_percent && mapped_ready <= goals.memory_limit;
}

// What an allocation has to release first.
struct scavenge_demand {
    uint64_t bytes;
    bool force;
};

// About to use `released` bytes that have no memory, after the heap grew by `growth`
// (mheap.go:allocSpan). limited: the CPU limiter is on, so the memory limit has to wait.
CORE struct scavenge_demand scavenge_demand(const struct scavenge_inputs *in,
                                            struct scavenge_goals goals, uint64_t released,
                                            uint64_t growth, bool limited);

// --- pace

// A proportional-integral controller with its output in [min, max] (mgcscavenge.go:piController).
struct pi_controller {
    double kp, ti, tt; // proportional constant, integral time, reset time
    double min, max;
    double err_integral;
};

// The next output for a sample `input` of what should be `setpoint`, `period` after the last one.
// False: too large for a double; the controller starts anew, and *output is its min.
CORE bool pi_next(struct pi_controller *c, double input, double setpoint, double period,
                  double *output);

// How long the background scavenger sleeps for what it worked, so that it takes 1 % of procs
// processors.
struct scavenge_sleep {
    struct pi_controller controller;
    double ratio;        // work per sleep
    int64_t cooldown_ns; // > 0: the controller failed and is left alone so long
    uint64_t resets;     // times it failed
};

CORE struct scavenge_sleep scavenge_sleep_init(void);
// ns to sleep after so many ns of work; *worked_ns becomes what is counted (at least a turn).
CORE uint64_t scavenge_sleep_ns(const struct scavenge_sleep *s, double *worked_ns);
// It worked and slept so long.
CORE void scavenge_slept(struct scavenge_sleep *s, double worked_ns, uint64_t slept_ns,
                         uint32_t procs);
