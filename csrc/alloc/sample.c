#include "alloc/sample.h"

#include "base/bits.h"

enum { RANDOM_BITS = 26, LARGEST_MEAN = 0x7000000 }; // malloc.go:fastexprand

#define LN2 0.6931471805599453

// The natural logarithm of 1 to 2^26, to 1e-8: 2 atanh(z) = 2 (z + z^3/3 + z^5/5 + ...). With that of the C library a heap that holds a single
// object would bring half of libm into memory, and different machines would sample different objects. (Go: fastlog2.go.)
static double log_of(uint32_t n)
{
    unsigned shift = bits_highest(n);
    double m = (double)n / (double)(1u << shift), z = (m - 1) / (m + 1), z2 = z * z;
    double sum = 1.0 / 13;
    for (int odd = 11; odd > 0; odd -= 2)
        sum = sum * z2 + 1.0 / odd;
    return shift * LN2 + 2 * z * sum;
}

CORE uint32_t sample_interval(uint64_t rate, uint32_t random)
{
    if (rate == 1)
        return 0;
    double mean = rate < LARGEST_MEAN ? (double)rate : LARGEST_MEAN;
    double x = RANDOM_BITS * LN2 - log_of((random & ((1u << RANDOM_BITS) - 1)) + 1);
    return x > 0 ? (uint32_t)(x * mean) + 1 : 1;
}

// splitmix64
static uint64_t sample_mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static uint32_t draw(struct mutator *m)
{
    m->sample_random += 0x9e3779b97f4a7c15;
    return sample_interval(mheap_of(m)->sample_rate,
                           (uint32_t)(sample_mix(m->sample_random) >> (64 - RANDOM_BITS)));
}

CORE void sample_reset(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    m->sample_random = sample_mix(h->sample_seed ^ sample_mix(m->pub.id));
    for (unsigned spc = 0; h->sample_rate && spc < NUM_SPAN_CLASSES; spc++)
        m->until_sample[spc] = draw(m);
}

CORE COLD uint64_t sample_cut(struct mutator *m, gcsim_span *s, uint64_t free)
{
    uint32_t *until = &m->until_sample[s->span_class];
    uint64_t before = *until / s->slot_bytes32, kept = 0;
    if (before >= bits_count(free))
        return free;
    if (before == 0) {
        m->settle |= SETTLE_SAMPLE;
        *until = draw(m) + s->slot_bytes32; // its own bytes are counted when the window is closed
        before = 1;
    }
    for (; before; before--, free &= free - 1)
        kept |= free & -free;
    s->free_index = (uint16_t)(s->window_index + bits_highest(kept) + 1);
    return kept;
}

CORE bool sample_is_next(struct mutator *m, unsigned span_class, uint64_t slot_bytes)
{
    const gcsim_span *s = mcache_spans(m)[span_class];
    uint64_t taken = bits_count(s->loaded) * s->slot_bytes;
    return mheap_of(m)->sample_rate && m->until_sample[span_class] < taken + slot_bytes;
}

CORE void sample_large(struct mutator *m, const gcsim_span *s)
{
    if (!mheap_of(m)->sample_rate)
        return;
    uint32_t *until = &m->until_sample[s->span_class];
    if (*until >= s->slot_bytes) {
        *until -= (uint32_t)s->slot_bytes;
        return;
    }
    m->settle |= SETTLE_SAMPLE;
    *until = draw(m);
}
