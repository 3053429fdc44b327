#include "gc/stack.h"

#include "base/bits.h"

// The stack pointer is compared with the guard before a small frame, with the frame already taken off before a larger one.
CORE bool stack_is_short(uint64_t size, uint64_t used, uint64_t frame)
{
    uint64_t beyond = frame <= STACK_SMALL ? 0 : frame - STACK_SMALL;
    return used > size || size - used <= STACK_GUARD + beyond;
}

CORE uint64_t stack_grown(uint64_t size, uint64_t used, uint64_t frame)
{
    uint64_t grown = size * 2;
    while (grown <= STACK_MAX && (grown < used || grown - used < frame + STACK_GUARD))
        grown *= 2;
    return grown <= STACK_MAX ? grown : 0;
}

CORE uint64_t stack_shrunk(uint64_t size, uint64_t used)
{
    bool fits = size / 2 >= STACK_MIN && used + STACK_NOSPLIT < size / 4;
    return fits ? size / 2 : size;
}

CORE uint64_t stack_starting(uint64_t scanned_bytes, uint64_t scanned_stacks)
{
    if (!scanned_stacks)
        return STACK_MIN;
    uint64_t mean = scanned_bytes / scanned_stacks + STACK_GUARD;
    mean = mean < STACK_MIN ? STACK_MIN : mean > STACK_MAX ? STACK_MAX : mean;
    return 2ull << bits_highest(mean - 1);
}
