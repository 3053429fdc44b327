// A solution of 26_sweep_in_c.
#include <stddef.h>
#include <stdint.h>

struct span {
    uint64_t nelems, alloc_count, free_index;
    uint64_t *alloc_bits, *mark_bits;
    uint32_t sweepgen, needzero;
};

enum fate {
    SPAN_FREE,
    SPAN_PARTIAL,
    SPAN_FULL,
    SPAN_ZOMBIE,
};

int acquire(struct span *s, uint32_t heap)
{
    uint32_t waits = heap - 2;
    return __atomic_compare_exchange_n(&s->sweepgen, &waits, heap - 1, 0, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

int uncache(struct span *s, uint32_t heap)
{
    int stale = s->sweepgen == heap + 1;
    __atomic_store_n(&s->sweepgen, stale ? heap - 1 : heap, __ATOMIC_RELEASE);
    return stale;
}

// Word w of the slots in use.
static uint64_t in_use(const struct span *s, uint64_t w)
{
    if (s->free_index >= 64 * (w + 1))
        return ~(uint64_t)0;
    uint64_t below = s->free_index > 64 * w ? ((uint64_t)1 << (s->free_index - 64 * w)) - 1 : 0;
    return s->alloc_bits[w] | below;
}

enum fate sweep(struct span *s, uint32_t gen, uint64_t *zeros, uint64_t *freed)
{
    uint64_t live = 0;
    for (uint64_t w = 0; w < (s->nelems + 63) / 64; w++) {
        if (s->mark_bits[w] & ~in_use(s, w))
            return SPAN_ZOMBIE;
        live += (uint64_t)__builtin_popcountll(s->mark_bits[w]);
    }
    *freed = s->alloc_count - live;
    s->alloc_count = live;
    s->free_index = 0;
    s->alloc_bits = s->mark_bits;
    s->mark_bits = zeros;
    if (*freed)
        s->needzero = 1;
    __atomic_store_n(&s->sweepgen, gen, __ATOMIC_RELEASE);
    return live == 0 ? SPAN_FREE : live == s->nelems ? SPAN_FULL : SPAN_PARTIAL;
}

uint64_t next_free(struct span *s)
{
    for (uint64_t i = s->free_index; i < s->nelems; i = (i / 64 + 1) * 64) {
        uint64_t free = ~s->alloc_bits[i / 64] >> i % 64 << i % 64;
        if (!free)
            continue;
        uint64_t slot = i / 64 * 64 + (uint64_t)__builtin_ctzll(free);
        if (slot >= s->nelems)
            break;
        s->alloc_count++;
        s->free_index = slot + 1;
        return slot;
    }
    s->free_index = s->nelems;
    return s->nelems;
}
