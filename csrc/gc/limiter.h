// Keeps collection below half of the CPU: a leaky bucket of CPU time (mgclimit.go:gcCPULimiterState) as functions over one plain
// value. Marking, assists and stops fill it, the program's own time drains it, at 1:1; while it is full, `limiting` is set and
// assists must not run.
//
// No clock, no lock, no atomics. Who keeps it for a heap makes sure that one thread at a time changes it: between
// limiter_start_transition and limiter_finish_transition that is the one that starts or ends the cycle, and limiter_update is nothing.
#pragma once

#include "base/core.h"

#define LIMITER_UPDATE_PERIOD_NS     10000000   // mgclimit.go:gcCPULimiterUpdatePeriod
#define LIMITER_CAPACITY_NS_PER_PROC 1000000000 // mgclimit.go:capacityPerProc

// clang-format off
// Type and name of each field, 8 bytes each. Times in ns, CPU time in ns summed over processors.
#define LIMITER_FIELDS(F)                                                                                      \
    F(uint64_t, fill)               /* of the bucket, at most capacity */                                      \
    F(uint64_t, capacity)                                                                                      \
    F(uint64_t, overflow)           /* what did not fit, ever */                                               \
    F(uint64_t, limiting)           /* 1: the bucket is full */                                                \
    F(uint64_t, times_limited)      /* how often limiting was switched on */                                   \
    F(uint64_t, gc_enabled)         /* 1: a cycle marks, which takes a quarter of each window */               \
    F(uint64_t, transitioning)      /* 1: the world is stopped to start or end a cycle */                      \
    F(int64_t, assist_pool)         /* reported since the last update */                                       \
    F(int64_t, idle_pool)                                                                                      \
    F(int64_t, last_update)                                                                                    \
    F(int64_t, nprocs)
// clang-format on

struct limiter {
#define LIMITER_FIELD(type, name) type name;
    LIMITER_FIELDS(LIMITER_FIELD)
#undef LIMITER_FIELD
};

CORE struct limiter limiter_init(int64_t now, int32_t nprocs);
// Accounts for the time since the last update; nothing if now lies before it or in a transition.
CORE void limiter_update(struct limiter *l, int64_t now);
CORE bool limiter_need_update(const struct limiter *l, int64_t now);
CORE bool limiter_limiting(const struct limiter *l);
// Around the stop that starts (enable) or ends marking: all CPU time between the two is the collector's.
CORE void limiter_start_transition(struct limiter *l, bool enable, int64_t now);
CORE void limiter_finish_transition(struct limiter *l, int64_t now);
// Another number of processors.
CORE void limiter_reset_capacity(struct limiter *l, int64_t now, int32_t nprocs);
// CPU time spent since the last update: assisting; or idle, also in idle mark workers (those take nothing from the program).
CORE void limiter_add_assist(struct limiter *l, int64_t ns);
CORE void limiter_add_idle(struct limiter *l, int64_t ns);
