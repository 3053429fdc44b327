#include "gc/pacer.h"

CORE uint64_t pacer_goal(uint64_t marked, uint64_t stack_scan, uint64_t globals_scan,
                         int32_t percent)
{
    if (percent < 0)
        return UINT64_MAX;
    uint64_t goal = marked + (marked + stack_scan + globals_scan) * (uint64_t)percent / 100;
    uint64_t minimum = HEAP_MINIMUM_BYTES * (uint64_t)percent / 100;
    return goal > minimum ? goal : minimum;
}
