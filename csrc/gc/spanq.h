// Grey spans: what the mark engine `span` queues in place of objects (mgcmark_greenteagc.go). Only spans with inline mark bits and
// pointers are eligible: slots of 16 to 512 bytes, one page.
//
// A span has two bit sets, marks and scans. What marks has and scans has not is to be scanned. Who sets a mark tries to become the span's
// owner and, if it does, queues the span; later marks find an owner and leave it at that, so that one visit scans many objects. A visit
// gives the span up first and then takes what is to be scanned:
//
//   marker:   set the mark, then look at the owner       (a later mark than the visit saw: the span is queued again)
//   visitor:  clear the owner, then look at the marks    (an owner that the marker saw: the visitor sees the mark)
//
// Both are sequentially consistent, so at least one of them sees the other. Hence the invariant that termination rests on
// (gc/cycle.c: mark_done): a span with a mark that is to be scanned has an owner, whose span is in exactly one queue (a mutator's, or the
// shared one) or being visited, unless its marker is between its two steps, and then it is counted in gc->draining, or inside and
// not at a safe point. A span is on one queue at most, so the queues are links in the span structs: they need no memory and cannot overflow.
//
// An object that is found while nothing else waits is queued itself, with its scan bit set (gc/mark.c: is_next): so a list is followed with two
// changes of shared words for each object instead of four.
#pragma once

#include "gc/heap.h"

// Of a span: nobody's, queued for one object, queued for more than that. Go keeps it with the scan bits; here it is the last byte of the mark
// bits (no span has so many slots), because markers need that line anyway.
enum span_owner { SPAN_FREE, SPAN_OWNED_FOR_ONE, SPAN_OWNED_FOR_MANY };

// The owner of a page with inline mark bits.
CORE_INLINE uint8_t *page_owner(const struct mheap *h, uint64_t page)
{
    return (uint8_t *)page_marks(h, page) + SPAN_INLINE_MARKS_BYTES / 2 - 1;
}

// After a mark was set, or several. True: the caller has the span now, and queues it.
CORE_INLINE bool span_acquire(uint8_t *owner, bool several, bool alone)
{
    uint8_t old = __atomic_load_n(owner, __ATOMIC_SEQ_CST);
    uint8_t first = several ? SPAN_OWNED_FOR_MANY : SPAN_OWNED_FOR_ONE;
    if (LIKELY(old == SPAN_OWNED_FOR_MANY))
        return false;
    if (alone) {
        GCSIM_STORE(owner, old ? (uint8_t)SPAN_OWNED_FOR_MANY : first);
        return !old;
    }
    while (old != SPAN_OWNED_FOR_MANY)
        if (__atomic_compare_exchange_n(owner, &old, old ? (uint8_t)SPAN_OWNED_FOR_MANY : first,
                                        false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            return !old;
    return false;
}

// From here on others may queue it again. Tells for how many objects it was queued.
CORE_INLINE enum span_owner span_release(uint8_t *owner, bool alone)
{
    if (!alone)
        return (enum span_owner)__atomic_exchange_n(owner, SPAN_FREE, __ATOMIC_SEQ_CST);
    enum span_owner old = (enum span_owner)GCSIM_LOAD(owner);
    GCSIM_STORE(owner, (uint8_t)SPAN_FREE);
    return old;
}

// The caller owns the span.
CORE_INLINE void spanq_push(struct mheap *h, struct span_queue *q, gcsim_span *s, uint32_t index)
{
    uint32_t number = span_page(h, s) + 1;
    s->grey_slot = (uint16_t)index;
    s->grey_next = 0;
    if (q->first)
        h->spans[q->last - 1].grey_next = number;
    else
        GCSIM_STORE(&q->first, number);
    q->last = number;
    q->n++;
}

// NULL: there is none. The span keeps its owner.
CORE_INLINE gcsim_span *spanq_pop(struct mheap *h, struct span_queue *q)
{
    if (!q->first)
        return NULL;
    gcsim_span *s = &h->spans[q->first - 1];
    uint32_t next = s->grey_next;
    if (LIKELY(next)) { // is asked for now, while this one is scanned
        const char *end = h->arena + ((uint64_t)next << PAGE_SHIFT);
        __builtin_prefetch(&h->spans[next - 1]);
        __builtin_prefetch(&h->spans[next - 1].grey_next);
        __builtin_prefetch(page_marks(h, next - 1));
        __builtin_prefetch(end - SPAN_INLINE_MARKS_BYTES);                        // scans
        __builtin_prefetch(end - SPAN_INLINE_MARKS_BYTES - SPAN_HEAP_BITS_BYTES); // pointer bits
        __builtin_prefetch(end - SPAN_INLINE_MARKS_BYTES - SPAN_HEAP_BITS_BYTES / 2);
    }
    GCSIM_STORE(&q->first, next);
    q->n--;
    return s;
}
