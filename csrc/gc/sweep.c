#include "gc/sweep.h"

#include "alloc/scavenge.h"
#include "base/bits.h"
#include "base/poison.h"
#include "gc/pace.h"
#include "gc/specials.h"
#include "gc/worker.h"

static gcsim_cycle *current_cycle(struct mheap *h)
{
    return &h->history->cycles[(heap_of(h)->gc.cycles + 255) % 256];
}

// A marked slot that holds no object: something kept a pointer that it should not have (mgcsweep.go:reportZombies).
static COLD void report_zombie(struct mheap *h, gcsim_span *s, uint32_t index)
{
    fprintf(stderr,
            "gcsim: pointer to a free object: slot %u of the span at page %u, %llu-byte slots\n",
            index, span_page(h, s), (unsigned long long)s->slot_bytes);
    core_die(__FILE__, __LINE__, "marked free object in span");
}

// Marks become alloc bits; returns how many slots were freed.
static uint32_t take_marks(struct mheap *h, gcsim_span *s)
{
    uint64_t *marks = s->marks, *used = span_alloc_bits(h, s);
    uint32_t live = 0;
    for (uint32_t w = 0; w < span_mark_words(s); w++) {
        for (uint64_t zombies = marks[w] & ~used[w]; zombies; zombies &= zombies - 1) {
            uint32_t index = w * 64 + bits_lowest(zombies);
            if (span_is_free(h, s, index))
                report_zombie(h, s, index);
        }
        live += bits_count(PLANTED(SWEEP_COUNT) && w == 0 ? marks[w] & ~1ull : marks[w]);
    }
    INVARIANT(live <= s->alloc_count);
    uint32_t freed = s->alloc_count - live;
    if (freed && (h->clobber_free || GCSIM_DEBUG))
        for (uint32_t i = 0; i < s->nelems; i++)
            if (!bits_test(marks, i) && !span_is_free(h, s, i)) {
                clobber(span_slot(s, i), s->slot_bytes);
                poison(span_slot(s, i), s->slot_bytes);
            }
    if (freed && UNLIKELY(GCSIM_LOAD(&h->events_on) & EVENT_BIT(FREE)))
        for (uint32_t i = 0; i < s->nelems; i++)
            if (!bits_test(marks, i) && !span_is_free(h, s, i))
                EMIT(h, FREE, 0, arena_offset(h, span_slot(s, i)), s->slot_bytes);
    memcpy(used, marks, span_mark_words(s) * 8);
    for (uint32_t w = 0; w < span_mark_words(s); w++)
        GCSIM_STORE(&marks[w], 0); // who looks for an object may be reading them
    if (s->inline_marks)
        memset(span_scans(s), 0, SPAN_INLINE_MARKS_BYTES / 2);
    s->alloc_count = s->counted = (uint16_t)live;
    s->free_index = 0;
    s->loaded = s->free = 0;
    return freed;
}

static void count_freed(struct mheap *h, gcsim_span *s, uint32_t freed)
{
    unsigned size_class = span_class_size_class(s->span_class);
    struct alloc_counts *counts = &h->history->counts;
    if (size_class == LARGE_SIZE_CLASS) {
        count_add(&counts->large_frees, freed);
        count_add(&counts->large_free_bytes, freed * s->slot_bytes);
    } else {
        count_add(&counts->small_frees[size_class], freed);
    }
    gcsim_cycle *cycle = current_cycle(h);
    count_add(&cycle->freed_objects, freed);
    count_add(&cycle->freed_bytes, freed * s->slot_bytes);
    count_add(&h->total_free, freed * s->slot_bytes);
}

// mgcsweep.go:sweepLocker.tryAcquire.
static bool acquire(struct mheap *h, gcsim_span *s)
{
    uint32_t waits = h->sweepgen - 2;
    return __atomic_compare_exchange_n(&s->sweepgen, &waits, h->sweepgen - 1, false,
                                       __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static enum swept sweep_acquired(struct mheap *h, gcsim_span *s, bool preserve)
{
    if (__atomic_load_n(&s->specials,
                        __ATOMIC_ACQUIRE)) // one that is made meanwhile is to a live object
        count_add(&current_cycle(h)->weak_cleared, specials_sweep(h, s));
    uint32_t freed = take_marks(h, s);
    if (freed) {
        s->needzero = 1;
        count_freed(h, s, freed);
    }
    count_add(&heap_of(h)->gc.pages_swept, s->npages);
    DEBUG_CHECK(span_check(h, s) && !s->loaded);
    STEP(h, SWEEP_SPAN, 0, arena_offset(h, s->base), freed);
    __atomic_store_n(&s->sweepgen, h->sweepgen, __ATOMIC_RELEASE);
    if (preserve)
        return SWEPT;
    if (s->alloc_count == 0) {
        if (h->efence)
            mheap_fence(h, s);
        else
            mheap_free(h, s);
        return SWEPT_AND_FREED;
    }
    mcentral_file(h, s);
    return SWEPT;
}

// No span waits and nobody is at one: whoever notices first says so (mgcsweep.go:activeSweep.end).
static void note_swept(struct mheap *h)
{
    struct gc *gc = &heap_of(h)->gc;
    if (sweep_is_on(h) || GCSIM_LOAD(&h->sweeping) || gc->phase == GC_MARK || !gc->cycles)
        return;
    gcsim_cycle *cycle = current_cycle(h);
    uint64_t noted = GCSIM_LOAD(&gc->sweep_noted), live = GCSIM_LOAD(&h->heap_live);
    if (noted == gc->cycles ||
        !__atomic_compare_exchange_n(&gc->sweep_noted, &noted, gc->cycles, false, __ATOMIC_RELAXED,
                                     __ATOMIC_RELAXED))
        return;
    GCSIM_STORE(&cycle->sweep_live, live ? live : 1);
    GCSIM_STORE(&cycle->pages_swept, GCSIM_LOAD(&gc->pages_swept));
    EMIT(h, SWEPT, 0, 0, live);
    trace_put(&h->history->traces, &h->rt, TRACE_SWEPT, cycle);
    mheap_note_scav(h, false);
}

static void leave(struct mheap *h)
{
    __atomic_fetch_sub(&h->sweeping, 1, __ATOMIC_RELEASE);
    note_swept(h);
}

CORE enum swept sweep_span(struct mheap *h, gcsim_span *s, bool preserve)
{
    enum swept swept = acquire(h, s) ? sweep_acquired(h, s, preserve) : SWEPT_BY_OTHER;
    leave(h);
    return swept;
}

// Nothing waits any more: free pages may go back to the system, by a thread of the collector's if there is one.
static void sweep_is_done(struct mheap *h)
{
    if (scavenge_at_goals(h))
        return;
    scavenge_ready(h);
    if (!worker_notify(h))
        scavenge_to_goals(h);
}

CORE uint64_t sweep_one(struct mheap *h)
{
    struct gc *gc = &heap_of(h)->gc;
    if (UNLIKELY(roots_clear_piece(h)))
        return 0;
    for (uint32_t spc; (spc = GCSIM_LOAD(&gc->sweep_class)) < NUM_SPAN_CLASSES;) {
        uint32_t next = mcentral_unswept_class(h, spc);
        if (next != spc) {
            if (__atomic_compare_exchange_n(&gc->sweep_class, &spc, next, false, __ATOMIC_RELAXED,
                                            __ATOMIC_RELAXED) &&
                next == NUM_SPAN_CLASSES)
                sweep_is_done(h);
            continue;
        }
        gcsim_span *s = mcentral_pop_unswept(h, spc);
        if (!s)
            continue; // the last one was taken meanwhile
        uint32_t npages = 0;
        enum swept swept = SWEPT_BY_OTHER;
        if (acquire(h, s)) {
            npages = s->npages; // not before: reclaim may have freed it, and its pages be another's
            swept = sweep_acquired(h, s, false);
        }
        leave(h);
        if (swept == SWEPT_AND_FREED)
            count_add(&gc->reclaim_credit, npages);
        if (swept != SWEPT_BY_OTHER)
            return swept == SWEPT_AND_FREED ? npages : 0;
    }
    note_swept(h);
    return UINT64_MAX;
}

CORE void sweep_owed(struct mheap *h, uint64_t bytes, uint64_t pages)
{
    struct gc *gc = &heap_of(h)->gc;
    double ratio = pace_sweep_ratio(h);
    int64_t allocated = (int64_t)(GCSIM_LOAD(&h->heap_live) - gc->sweep_live_basis + bytes);
    int64_t target = (int64_t)(ratio * (double)allocated) - (int64_t)pages;
    while ((int64_t)GCSIM_LOAD(&gc->pages_swept) < target && !GCSIM_LOAD(&gc->clearing))
        if (sweep_one(h) == UINT64_MAX) {
            GCSIM_STORE(&h->sweep_owed, 0);
            return;
        }
}

// --- whole spans -------------------------------------------------------------------------------------------------

// Go keeps a bit per page for this (mheap.go:pageMarks), which markers set; here they need not.
static bool has_marks(const gcsim_span *s)
{
    uint64_t any = 0;
    for (uint32_t w = 0; w < span_mark_words(s) && !any; w++)
        any = GCSIM_LOAD(&s->marks[w]);
    return any != 0;
}

// The first span from *page on, below `end`, that waits and has no marked object, acquired: its sweep frees it unless a finalizer revives
// one. Under the heap lock, so that none is made or freed meanwhile.
static gcsim_span *acquire_unmarked(struct mheap *h, uint64_t *page, uint64_t end)
{
    gcsim_span *found = NULL;
    rt_lock(&h->rt, &h->lock);
    while (!found && *page < end) {
        gcsim_span *s = h->page_span[*page] == *page + 1 ? &h->spans[*page] : NULL;
        *page += s ? s->npages : 1;
        if (s && s->state == GCSIM_SPAN_IN_USE && GCSIM_LOAD(&s->sweepgen) == h->sweepgen - 2 &&
            !has_marks(s) && acquire(h, s))
            found = s;
    }
    rt_unlock(&h->rt, &h->lock);
    return found;
}

// mheap.go:reclaimChunk. Returns the pages freed.
static uint64_t reclaim_chunk(struct mheap *h, uint64_t page)
{
    uint64_t freed = 0, end = page + CHUNK_PAGES;
    if (end > GCSIM_LOAD(&h->grown_pages))
        end = GCSIM_LOAD(&h->grown_pages);
    __atomic_fetch_add(&h->sweeping, 1, __ATOMIC_RELAXED);
    for (gcsim_span *s; (s = acquire_unmarked(h, &page, end));) {
        uint32_t npages = s->npages;
        mcentral_unlist_unswept(h, s);
        if (sweep_acquired(h, s, false) == SWEPT_AND_FREED)
            freed += npages;
    }
    leave(h);
    return freed;
}

static uint64_t take_credit(struct gc *gc, uint64_t npages)
{
    uint64_t credit = GCSIM_LOAD(&gc->reclaim_credit), take;
    do
        take = credit < npages ? credit : npages;
    while (take && !__atomic_compare_exchange_n(&gc->reclaim_credit, &credit, credit - take, false,
                                                __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return take;
}

// mheap.go:reclaim. Chunks are handed out one by one, so that several threads share the heap.
CORE void sweep_reclaim(struct mheap *h, uint64_t npages)
{
    struct gc *gc = &heap_of(h)->gc;
    uint64_t found = take_credit(gc, npages);
    while (found < npages && sweep_is_on(h) && !GCSIM_LOAD(&gc->clearing) &&
           GCSIM_LOAD(&gc->reclaim_page) < GCSIM_LOAD(&h->grown_pages))
        found +=
            reclaim_chunk(h, __atomic_fetch_add(&gc->reclaim_page, CHUNK_PAGES, __ATOMIC_RELAXED));
    if (found > npages)
        count_add(&gc->reclaim_credit, found - npages);
}

CORE void sweep_rest(struct mheap *h)
{
    while (sweep_one(h) != UINT64_MAX)
        ;
}
