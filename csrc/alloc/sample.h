// Which allocations the heap profile samples (malloc.go:nextSample, profilealloc).
//
// A countdown in bytes of slots runs until the next sample; the object with which it falls below zero is sampled, and the next countdown is drawn
// from the exponential distribution whose mean is the rate. Go has one countdown for each P. Here each mutator has one for each span class:
// independent Poisson processes of one rate add up to one of that rate, so an object is caught with the same probability as in Go.
//
// So nothing counts on the inline path. A window ends before the slot in which its class's countdown runs out (sample_cut), and that slot is then a
// window of its own: whoever takes it has come the long way. What was taken is counted when a window is closed.
#pragma once

#include "alloc/mcache.h"

// The length of a countdown of this mean, by 26 random bits; 0 for a rate of 1: everything is sampled.
CORE uint32_t sample_interval(uint64_t rate, uint32_t random);

// The countdowns are drawn anew. Mutators with other ids get others.
CORE void sample_reset(struct mutator *m);

// The free slots of a window that may be handed out before the next sample; or the one that is sampled. `free_index` is set behind them.
CORE COLD uint64_t sample_cut(struct mutator *m, gcsim_span *s, uint64_t free);

// Slots were taken from a window that is being closed.
CORE_INLINE void sample_count(struct mutator *m, const gcsim_span *s, uint32_t taken)
{
    if (mheap_of(m)->sample_rate)
        m->until_sample[s->span_class] -= taken * s->slot_bytes32;
}

// The window of this class is used up: is the next slot sampled?
CORE bool sample_is_next(struct mutator *m, unsigned span_class, uint64_t slot_bytes);

CORE void sample_large(struct mutator *m, const gcsim_span *s);
