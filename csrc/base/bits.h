// Bit tricks: counts, rounding, ranges of bits in vectors of 64-bit words.
#pragma once

#include "base/core.h"

// In place: where the compiler may not count on an instruction for it, its builtin is a call.
CORE_INLINE unsigned bits_count(uint64_t x)
{
    x -= (x >> 1) & 0x5555555555555555;
    x = (x & 0x3333333333333333) + ((x >> 2) & 0x3333333333333333);
    return (unsigned)(((x + (x >> 4)) & 0x0F0F0F0F0F0F0F0F) * 0x0101010101010101 >> 56);
}
CORE_INLINE unsigned bits_lowest(uint64_t x) { return (unsigned)__builtin_ctzll(x); } // x != 0
CORE_INLINE unsigned bits_highest(uint64_t x)
{
    return 63u - (unsigned)__builtin_clzll(x);
} // x != 0

CORE_INLINE uint64_t round_up(uint64_t x, uint64_t power_of_two)
{
    return (x + power_of_two - 1) & ~(power_of_two - 1);
}
CORE_INLINE uint64_t round_down(uint64_t x, uint64_t power_of_two)
{
    return x & ~(power_of_two - 1);
}
CORE_INLINE uint64_t divide_up(uint64_t x, uint64_t by) { return (x + by - 1) / by; }

// The low n bits set, 0 <= n <= 64.
CORE_INLINE uint64_t bits_low(unsigned n) { return n >= 64 ? ~0ull : (1ull << n) - 1; }

CORE_INLINE bool bits_test(const uint64_t *words, size_t i)
{
    return (words[i / 64] >> (i % 64)) & 1;
}
CORE_INLINE void bits_set(uint64_t *words, size_t i) { words[i / 64] |= 1ull << (i % 64); }
CORE_INLINE void bits_clear(uint64_t *words, size_t i) { words[i / 64] &= ~(1ull << (i % 64)); }

// Apply `value` to the bits [from, from + n).
CORE_LOCAL void bits_fill(uint64_t *words, size_t from, size_t n, bool value)
{
    while (n > 0) {
        unsigned at = from % 64, take = 64 - at < n ? 64 - at : (unsigned)n;
        uint64_t mask = bits_low(take) << at;
        if (value)
            words[from / 64] |= mask;
        else
            words[from / 64] &= ~mask;
        from += take;
        n -= take;
    }
}

// Bits [from, from + n) as one word, n <= 64; the vector must cover them. Others may be writing the bits beside them.
CORE_INLINE uint64_t bits_get(const uint64_t *words, size_t from, unsigned n)
{
    unsigned at = from % 64;
    uint64_t low = __atomic_load_n(words + from / 64, __ATOMIC_RELAXED) >> at;
    if (at + n > 64)
        low |= __atomic_load_n(words + from / 64 + 1, __ATOMIC_RELAXED) << (64 - at);
    return low & bits_low(n);
}
