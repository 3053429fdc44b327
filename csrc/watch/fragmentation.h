// How a heap is cut up: slots in use and free by class, free pages by how many lie in a row, what moving objects together would give back.
//
// One walk over all pages while the world is stopped; nothing is changed. Live is what a sweep would leave, so that what it counts does
// not hang on how far sweeping has come. Its sums are those of stats.h: used slots are heap_alloc, pages of spans heap_inuse, the rest
// heap_idle.
#pragma once

#include "base/bits.h"
#include "gc/heap.h"

// Spans of a class that its live objects could do without, if they lay side by side.
CORE_INLINE uint64_t spans_to_spare(uint64_t spans, uint64_t live, uint64_t slots_of_a_span)
{
    return spans - divide_up(live, slots_of_a_span);
}

// See api.def: fragmentation.
CORE uint64_t fragmentation_read(const struct mheap *h, gcsim_fragmentation *out,
                                 const gcsim_page_map *map);
