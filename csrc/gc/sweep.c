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
        live += bits_count(marks[w]);
    }
    INVARIANT(live <= s->alloc_count);
    uint32_t freed = s->alloc_count - live;
    if (freed && (h->clobber_free || GCSIM_DEBUG))
        for (uint32_t i = 0; i < s->nelems; i++)
            if (!bits_test(marks, i) && !span_is_free(h, s, i)) {
                clobber(span_slot(s, i), s->slot_bytes);
                poison(span_slot(s, i), s->slot_bytes);
            }
    memcpy(used, marks, span_mark_words(s) * 8);
    for (uint32_t w = 0; w < span_mark_words(s); w++)
        GCSIM_STORE(&marks[w], 0); // who looks for an object may be reading them
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

static enum swept sweep_counted(struct mheap *h, gcsim_span *s, bool preserve)
{
    uint32_t waits = h->sweepgen - 2;
    if (!__atomic_compare_exchange_n(&s->sweepgen, &waits, h->sweepgen - 1, false, __ATOMIC_ACQUIRE,
                                     __ATOMIC_RELAXED))
        return SWEPT_BY_OTHER;
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
    if (GCSIM_LOAD(&gc->sweep_class) < NUM_SPAN_CLASSES || GCSIM_LOAD(&h->sweeping) ||
        gc->phase == GC_MARK || !gc->cycles)
        return;
    gcsim_cycle *cycle = current_cycle(h);
    uint64_t not_yet = 0, live = GCSIM_LOAD(&h->heap_live);
    if (!__atomic_compare_exchange_n(&cycle->sweep_live, &not_yet, live ? live : 1, false,
                                     __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        return;
    GCSIM_STORE(&cycle->pages_swept, GCSIM_LOAD(&gc->pages_swept));
    EMIT(h, SWEPT, 0, 0, live);
    trace_put(&h->history->traces, &h->rt, TRACE_SWEPT, cycle);
    mheap_note_scav(h, false);
}

CORE enum swept sweep_span(struct mheap *h, gcsim_span *s, bool preserve)
{
    enum swept swept = sweep_counted(h, s, preserve);
    __atomic_fetch_sub(&h->sweeping, 1, __ATOMIC_RELEASE);
    note_swept(h);
    return swept;
}

// Nothing waits any more: free pages may go back to the system, by a thread of the collector's if there is one.
static void sweep_is_done(struct mheap *h)
{
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
        gcsim_span *s = mcentral_pop_unswept(h, spc);
        if (!s) {
            if (__atomic_compare_exchange_n(&gc->sweep_class, &spc, spc + 1, false,
                                            __ATOMIC_RELAXED, __ATOMIC_RELAXED) &&
                spc == NUM_SPAN_CLASSES - 1)
                sweep_is_done(h);
            continue;
        }
        uint32_t npages = s->npages;
        enum swept swept = sweep_span(h, s, false);
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

CORE void sweep_rest(struct mheap *h)
{
    while (sweep_one(h) != UINT64_MAX)
        ;
}
