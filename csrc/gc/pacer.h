// When the next cycle starts: pure functions of numbers (mgcpacer.go). While collections stop the world the trigger is the goal.
#pragma once

#include "base/core.h"

#define HEAP_MINIMUM_BYTES (4ull << 20) // mgcpacer.go:defaultHeapMinimum, at 100 percent

// marked + (marked + stacks + globals) * percent / 100, at least 4 MiB * percent / 100; UINT64_MAX when percent is negative.
CORE uint64_t pacer_goal(uint64_t marked, uint64_t stack_scan, uint64_t globals_scan,
                         int32_t percent);
