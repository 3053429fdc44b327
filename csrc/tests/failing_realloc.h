// An allocator that fails when it is told to.
#pragma once

#include <stdlib.h>

static long allocations_left = -1; // -1: no failure

static void *failing_realloc(void *p, size_t size)
{
    if (allocations_left == 0)
        return NULL;
    if (allocations_left > 0)
        allocations_left--;
    return realloc(p, size);
}
