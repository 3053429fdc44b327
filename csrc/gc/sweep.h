// Sweeping: the marks of a finished cycle become the slots in use, everything else is free (mgcsweep.go).
//
// A span's sweepgen says where it stands relative to the heap's h: h-2 waits, h-1 is being swept, h is swept. Who moves it from h-2
// to h-1 sweeps it. Swept lazily, by allocations that look for a free slot, and fully before the next cycle and by collect.
#pragma once

#include "gc/heap.h"

enum swept {
    SWEPT_BY_OTHER = 0,
    SWEPT,
    SWEPT_AND_FREED
}; // freed: the span is gone, it may be another one already
// The caller took the span from a list, or counted itself in h->sweeping.
CORE enum swept sweep_span(struct mheap *h, gcsim_span *s, bool preserve);
CORE uint64_t sweep_one(struct mheap *h); // pages freed; UINT64_MAX: nothing waits
CORE void sweep_rest(struct mheap *h);    // until nothing waits
CORE_INLINE bool sweep_is_on(struct mheap *h)
{
    return GCSIM_LOAD(&heap_of(h)->gc.sweep_class) < NUM_SPAN_CLASSES;
}
// Before so many pages are allocated: sweep spans without a marked object until as many are free again, or none is left.
CORE void sweep_reclaim(struct mheap *h, uint64_t npages);
// Before so many bytes are allocated: sweep until sweeping keeps up with allocation, `pages` of which the caller answers for.
CORE void sweep_owed(struct mheap *h, uint64_t bytes, uint64_t pages);
