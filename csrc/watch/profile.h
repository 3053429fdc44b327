// Heap profiles: what samples stand for.
#pragma once

#include "base/core.h"

// Of `count` objects with `bytes` together that sampling with one sample per `rate` bytes caught, how many objects and bytes there were,
// as runtime/pprof estimates it (protomem.go:scaleHeapSample). A rate of 1 or less: all were caught.
struct profile_estimate {
    int64_t count, bytes;
};
CORE struct profile_estimate profile_scale(int64_t count, int64_t bytes, int64_t rate);
