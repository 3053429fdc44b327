// Durations by Go's time buckets (runtime/histogram.go:timeHistogram).
#pragma once

#include "base/bits.h"
#include "gcsim/gcsim.h"

enum { TIME_FIRST_BIT = 8, TIME_LAST_BIT = 47, TIME_SUB_BITS = 2 };

// Buckets are told apart by the highest bit of a duration and the two bits behind it.
CORE_INLINE unsigned time_bucket(uint64_t ns)
{
    bool small = ns < 1u << TIME_FIRST_BIT;
    unsigned bit = small ? TIME_FIRST_BIT : bits_highest(ns);
    unsigned row = small ? 0 : bit - TIME_FIRST_BIT + 1, part = ns >> (bit - TIME_SUB_BITS) & 3;
    return bit >= TIME_LAST_BIT ? GCSIM_TIME_BUCKETS - 1 : 1 + (row << TIME_SUB_BITS) + part;
}

CORE_INLINE void time_count(gcsim_time_histogram *h, uint64_t ns) { h->counts[time_bucket(ns)]++; }
