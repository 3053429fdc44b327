#include "alloc/mheap.h"

#include "alloc/door.h"
#include "alloc/mcache.h"
#include "alloc/scavenge.h"
#include "base/bits.h"
#include "base/os.h"
#include "base/poison.h"

CORE bool span_is_free(const struct mheap *h, const gcsim_span *s, uint32_t index)
{
    if (s->loaded && index >= s->window_index && index < s->window_index + 64u) {
        uint64_t bit = 1ull << (index - s->window_index);
        if (s->loaded & bit)
            return s->free & bit;
    }
    return index >= s->free_index && !bits_test(span_alloc_bits(h, s), index);
}

CORE uint32_t span_in_use(const gcsim_span *s)
{
    return s->alloc_count + bits_count(s->loaded & ~s->free);
}

CORE bool span_check(const struct mheap *h, const gcsim_span *s)
{
    uint64_t page = span_page(h, s);
    if (s->base != h->arena + (page << PAGE_SHIFT) || s->npages == 0 ||
        s->npages > GCSIM_LOAD(&h->grown_pages) - page || h->page_span[page] != page + 1 ||
        h->page_span[page + s->npages - 1] != page + 1)
        return false;
    if (s->state == GCSIM_SPAN_MANUAL)
        return s->purpose != 0 && s->nelems == 0 && !s->specials;
    if (s->state != GCSIM_SPAN_IN_USE || s->limit > s->base + ((uint64_t)s->npages << PAGE_SHIFT))
        return false;
    if (s->loaded &&
        (s->window != span_slot(s, s->window_index) || s->free_index <= s->window_index))
        return false;
    return !(s->free & ~s->loaded) && s->free_index <= s->nelems && span_in_use(s) <= s->nelems;
}

CORE void span_list_push(struct mheap *h, struct span_list *list, gcsim_span *s)
{
    uint32_t number = span_page(h, s) + 1;
    s->next = 0;
    s->before = list->tail;
    if (list->tail)
        h->spans[list->tail - 1].next = number;
    else
        GCSIM_STORE(&list->head, number);
    list->tail = number;
    list->count++;
}

CORE void span_list_remove(struct mheap *h, struct span_list *list, gcsim_span *s)
{
    // Release: who finds the list empty sees what was done before the last one was taken.
    __atomic_store_n(s->before ? &h->spans[s->before - 1].next : &list->head, s->next,
                     __ATOMIC_RELEASE);
    *(s->next ? &h->spans[s->next - 1].before : &list->tail) = s->before;
    s->next = 0;
    s->window = NULL;
    list->count--;
}

CORE gcsim_span *span_list_pop(struct mheap *h, struct span_list *list)
{
    gcsim_span *s = list->head ? &h->spans[list->head - 1] : NULL;
    if (s)
        span_list_remove(h, list, s);
    return s;
}

enum {
    HUGE_FROM_PAGES = 2048, // 16 MiB
    TRANSIT_NS = 20000,
};

// --- growth ------------------------------------------------------------------------------------------------------

static bool commit_pagealloc(void *ctx, enum pagealloc_part part, size_t from, size_t to)
{
    static const uint8_t region[PAGEALLOC_PARTS] = {
        [PAGEALLOC_PART_CHUNKS] = REGION_CHUNKS,
        [PAGEALLOC_PART_RANGES] = REGION_RANGES,
        [PAGEALLOC_PART_SCAV_INDEX] = REGION_SCAV_INDEX,
        [PAGEALLOC_PART_LEVEL_0] = REGION_SUMMARY_0,
        [PAGEALLOC_PART_LEVEL_0 + 1] = REGION_SUMMARY_1,
        [PAGEALLOC_PART_LEVEL_0 + 2] = REGION_SUMMARY_2,
        [PAGEALLOC_PART_LEVEL_0 + 3] = REGION_SUMMARY_3,
        [PAGEALLOC_PART_LEVEL_0 + 4] = REGION_SUMMARY_4,
    };
    (void)from;
    return world_commit(ctx, region[part], to);
}

CORE gcsim_status mheap_init(struct mheap *h, struct world *w, uint64_t arena_bytes)
{
    h->world = w;
    h->arena = world_at(w, REGION_ARENA);
    h->arena_pages = arena_bytes >> PAGE_SHIFT;
    h->page_span = (uint32_t *)world_at(w, REGION_PAGES);
    h->spans = (gcsim_span *)world_at(w, REGION_SPANS);
    h->page_class = (uint8_t *)world_at(w, REGION_PAGE_CLASSES);
    h->inline_marks = (uint64_t *)world_at(w, REGION_INLINE_MARKS);
    h->page_specials = (uint64_t *)world_at(w, REGION_SPECIALS);
    h->trigger = UINT64_MAX;
    h->sweepgen = 2; // so that h - 2 is a generation too
    h->full_span.sweepgen = h->sweepgen;
    void *parts[PAGEALLOC_PARTS];
    parts[PAGEALLOC_PART_CHUNKS] = world_at(w, REGION_CHUNKS);
    parts[PAGEALLOC_PART_RANGES] = world_at(w, REGION_RANGES);
    parts[PAGEALLOC_PART_SCAV_INDEX] = world_at(w, REGION_SCAV_INDEX);
    for (int level = 0; level < PAGEALLOC_MAX_LEVELS; level++)
        parts[PAGEALLOC_PART_LEVEL_0 + level] =
            world_at(w, (enum world_region)(REGION_SUMMARY_0 + level));
    pagealloc_init(&h->pages, 0, h->arena_pages >> CHUNK_PAGES_SHIFT, 0, parts);
    scavenge_init(h);
    return GCSIM_OK;
}

// Make whole chunks of 4 MiB usable, all counted as released until they are allocated (mheap.go:grow).
static gcsim_status mheap_grow(struct mheap *h, uint64_t npages)
{
    uint64_t ask = round_up(npages, CHUNK_PAGES), to = h->grown_pages + ask;
    if (ask < npages || to > h->arena_pages)
        return GCSIM_HEAP_FULL;
    struct world *w = h->world;
    struct pagealloc_commit commit = {commit_pagealloc, w};
    // Committing more than needed does no harm, so a failure half-way leaves nothing to undo.
    if (!world_commit(w, REGION_PAGES, to * sizeof *h->page_span) ||
        !world_commit(w, REGION_SPANS, to * sizeof *h->spans) ||
        !world_commit(w, REGION_PAGE_CLASSES, to) || !world_commit(w, REGION_SPECIALS, to / 8) ||
        !world_commit(w, REGION_ALLOC_BITS, to * MARK_BYTES_PER_PAGE) ||
        !world_commit(w, REGION_MARK_BITS, to * MARK_BYTES_PER_PAGE) ||
        !world_commit(w, REGION_INLINE_MARKS, to * (SPAN_INLINE_MARKS_BYTES / 2)) ||
        (h->check_mark && !world_commit(w, REGION_CHECK_MARKS, to * MARK_BYTES_PER_PAGE)) ||
        !world_commit(w, REGION_ARENA, to << PAGE_SHIFT) ||
        !pagealloc_grow(&h->pages, h->grown_pages, ask, &commit))
        return GCSIM_NO_MEMORY;
    // Huge pages save most of the page faults and TLB misses of a large heap; a small one would pay for 2 MiB to use a few pages.
    if (h->placement.huge_pages == GCSIM_HUGE_LARGE && h->grown_pages >= HUGE_FROM_PAGES)
        os_prefer_huge_pages(h->arena + (h->grown_pages << PAGE_SHIFT), ask << PAGE_SHIFT);
    EMIT(h, GROW, 0, h->grown_pages << PAGE_SHIFT, ask);
    count_add(&h->bytes.released, ask << PAGE_SHIFT);
    __atomic_store_n(&h->grown_pages, to, __ATOMIC_RELEASE);
    return GCSIM_OK;
}

CORE void emit_event(struct mheap *h, enum event_kind kind, uint32_t mutator, uint64_t where,
                     uint64_t arg)
{
    struct recording *r = &h->history->recording;
    if (GCSIM_LOAD(&r->kinds) >> kind & 1)
        recording_write(r, rt_ticks(&h->rt), kind, mutator, where, arg);
    if (h->history->events.room)
        event_write(&h->history->events, rt_event_ns(&h->rt), kind, mutator, where, arg);
}

CORE uint64_t mheap_mapped_ready(const struct mheap *h)
{
    uint64_t bytes = GCSIM_LOAD(&h->grown_pages) << PAGE_SHIFT;
    for (int r = 0; r < WORLD_REGIONS; r++)
        if (r != REGION_ARENA)
            bytes += world_committed(h->world, (enum world_region)r);
    return bytes - GCSIM_LOAD(&h->bytes.released);
}

// --- spans -------------------------------------------------------------------------------------------------------

// The lowest run of pages, through the mutator's page cache when it is short (mheap.go:allocSpan). Holds the lock.
static gcsim_status find_pages(struct mheap *h, struct mutator *m, uint64_t npages, uint64_t *page,
                               uint64_t *scavenged)
{
    if (m && npages < PAGECACHE_PAGES / 4) {
        if (!m->pages.cache)
            m->pages = pagealloc_to_cache(&h->pages);
        *page = pagecache_alloc(&m->pages, npages, scavenged);
        if (*page != PAGEALLOC_NONE)
            return GCSIM_OK;
    }
    *page = pagealloc_alloc(&h->pages, npages, scavenged);
    if (*page != PAGEALLOC_NONE)
        return GCSIM_OK;
    gcsim_status status = mheap_grow(h, npages);
    if (status == GCSIM_OK)
        *page = pagealloc_alloc(&h->pages, npages, scavenged);
    return status;
}

// The same; pages that the scavenger has taken out are waited for before the heap is called full. The lock is let go of
// while it releases memory to make room.
static gcsim_status take_pages(struct mheap *h, struct mutator *m, uint64_t npages,
                               unsigned purpose, uint64_t *page, uint64_t *scavenged)
{
    gcsim_status status;
    uint64_t grown;
    while (grown = h->grown_pages,
           (status = find_pages(h, m, npages, page, scavenged)) != GCSIM_OK) {
        uint32_t in_transit = h->scavenger.in_transit;
        if (!in_transit)
            return status;
        rt_unlock(&h->rt, &h->lock);
        rt_wait_for(&h->rt, &h->scavenger.in_transit, in_transit, TRANSIT_NS);
        rt_lock(&h->rt, &h->lock);
    }
    if (purpose != GCSIM_MANUAL_WORKBUF) // marking does not wait for the system
        scavenge_eager(h, *scavenged << PAGE_SHIFT, (h->grown_pages - grown) << PAGE_SHIFT);
    return GCSIM_OK;
}

static uint64_t *bytes_of_purpose(struct mheap *h, unsigned purpose)
{
    switch (purpose) {
    case GCSIM_MANUAL_STACK:
        return &h->bytes.stacks;
    case GCSIM_MANUAL_WORKBUF:
        return &h->bytes.workbufs;
    case GCSIM_MANUAL_BATCH:
        return &h->bytes.batches;
    default:
        return &h->bytes.in_use;
    }
}

// Objects start at the front; what the class keeps back lies at the end (mheap.go:initSpan).
static void init_object_span(struct mheap *h, gcsim_span *s, unsigned span_class)
{
    unsigned size_class = span_class_size_class(span_class);
    bool noscan = span_class_is_noscan(span_class);
    s->span_class = (uint8_t)span_class;
    s->marks = (uint64_t *)(world_at(h->world, REGION_MARK_BITS) +
                            (uint64_t)span_page(h, s) * MARK_BYTES_PER_PAGE);
    if (size_class == LARGE_SIZE_CLASS) { // limit and type are set by malloc_large
        s->nelems = 1;
        s->slot_bytes = (uint64_t)s->npages << PAGE_SHIFT;
        s->limit = s->base + s->slot_bytes;
        return;
    }
    struct span_geometry g = span_geometry(size_class, noscan, h->green_tea);
    s->slot_bytes = s->slot_bytes32 = size_class_slot_bytes[size_class];
    s->div_magic = size_class_div_magic[size_class];
    s->nelems = (uint16_t)g.nelems;
    s->limit = s->base + g.limit_bytes;
    s->heap_bits = g.heap_bits_offset == NO_OFFSET ? 0 : (uint16_t)g.heap_bits_offset;
    s->inline_marks = g.inline_marks_offset == NO_OFFSET ? 0 : (uint16_t)g.inline_marks_offset;
    if (s->inline_marks)
        s->marks = page_marks(h, span_page(h, s));
    // Metadata inside the span starts clear; objects of one word in scan spans are all pointers, for good (initHeapBits).
    if (s->needzero && (s->heap_bits || s->inline_marks)) {
        uint32_t from = s->heap_bits ? s->heap_bits : s->inline_marks;
        memset(s->base + from, 0, PAGE_BYTES - from);
    }
    if (s->heap_bits && s->slot_bytes32 == 8) {
        memset(s->base + s->heap_bits, 0xff, SPAN_HEAP_BITS_BYTES);
        s->mixed = 1; // the bitmap is the truth, not window_ptrs
    }
}

// All but the generation, which is swept: who took a span from its list and lost it to whoever freed it may still be about to look at it
// (gc/sweep.c:acquire).
static void span_clear(struct mheap *h, gcsim_span *s)
{
    enum { GEN = offsetof(gcsim_span, sweepgen), BEHIND = GEN + sizeof s->sweepgen };
    memset(s, 0, GEN);
    __atomic_store_n(&s->sweepgen, h->sweepgen, __ATOMIC_RELAXED);
    memset((char *)s + BEHIND, 0, sizeof *s - BEHIND);
}

static gcsim_span *span_make(struct mheap *h, struct mutator *m, uint64_t npages,
                             unsigned span_class, unsigned purpose, gcsim_status *status)
{
    uint64_t page, scavenged = 0;
    if (npages == 0 || npages > h->arena_pages) {
        *status = GCSIM_HEAP_FULL;
        return NULL;
    }
    rt_lock(&h->rt, &h->lock);
    *status = take_pages(h, m, npages, purpose, &page, &scavenged);
    if (*status != GCSIM_OK) {
        rt_unlock(&h->rt, &h->lock);
        return NULL;
    }
    uint64_t bytes = npages << PAGE_SHIFT, released = scavenged << PAGE_SHIFT;
    count_add(&h->bytes.released, -released); // the pacer reads them without the lock
    count_add(&h->bytes.free, released - bytes);
    count_add(bytes_of_purpose(h, purpose), bytes);
    h->spans_in_use++;
#if GCSIM_STEPS
    if (h->used_pages < page + npages)
        h->used_pages = page + npages;
#endif

    gcsim_span *s = &h->spans[page];
    char *base = h->arena + (page << PAGE_SHIFT);
    unpoison(base, bytes);
    span_clear(h, s);
    s->base = base;
    s->npages = (uint32_t)npages;
    s->purpose = (uint16_t)purpose;
    // Pages that the system gave fresh (scavenged ones) read as zero (malloc.go:allocNeedsZero).
    s->needzero = scavenged != npages;
    memset(span_alloc_bits(h, s), 0, MARK_BYTES_PER_PAGE);
    s->limit = base; // until it holds objects nothing in it is one
    if (purpose == 0)
        init_object_span(h, s, span_class);
    // A marker may meet an object of the span as soon as there is one: what it reads through the table is as set above.
    for (uint64_t i = 0; i < npages; i++)
        __atomic_store_n(&h->page_span[page + i], (uint32_t)page + 1, __ATOMIC_RELEASE);
    if (s->inline_marks)
        __atomic_store_n(&h->page_class[page], s->span_class, __ATOMIC_RELEASE);
    // Readers that find the span through the table trust nothing before its state (mheap.go:initSpan).
    __atomic_store_n(&s->state, purpose ? GCSIM_SPAN_MANUAL : GCSIM_SPAN_IN_USE, __ATOMIC_RELEASE);
    rt_unlock(&h->rt, &h->lock);
    DEBUG_CHECK(span_check(h, s));
    EMIT(h, SPAN_ALLOC, m ? m->pub.id : 0, arena_offset(h, base), npages);
    return s;
}

CORE gcsim_span *mheap_alloc(struct mheap *h, struct mutator *m, uint64_t npages,
                             unsigned span_class, gcsim_status *status)
{
    door_reclaim(h, npages);
    return span_make(h, m, npages, span_class, 0, status);
}

CORE gcsim_span *mheap_alloc_manual(struct mheap *h, uint64_t npages, gcsim_manual purpose,
                                    gcsim_status *status)
{
    return span_make(h, NULL, npages, 0, purpose, status);
}

CORE void mheap_free(struct mheap *h, gcsim_span *s)
{
    uint64_t bytes = (uint64_t)s->npages << PAGE_SHIFT, page = span_page(h, s);
    INVARIANT(s->state != GCSIM_SPAN_DEAD && !GCSIM_LOAD(&s->specials));
    DEBUG_CHECK(span_check(h, s));
    EMIT(h, SPAN_FREE, 0, arena_offset(h, s->base), s->npages);
    rt_lock(&h->rt, &h->lock);
    count_add(bytes_of_purpose(h, s->purpose), -bytes);
    count_add(&h->bytes.free, bytes);
    h->spans_in_use--;
    __atomic_store_n(&s->state, GCSIM_SPAN_DEAD, __ATOMIC_RELEASE);
    s->limit = s->base;
    GCSIM_STORE(&h->page_class[page], (uint8_t)0);
    for (uint64_t i = 0; i < s->npages; i++)
        GCSIM_STORE(&h->page_span[page + i], 0u);
    poison(s->base, bytes);
    pagealloc_free(&h->pages, page, s->npages);
    rt_unlock(&h->rt, &h->lock);
}

// What a counter grew by since it was told last.
static uint64_t since(const uint64_t *counter, uint64_t *told)
{
    uint64_t now = GCSIM_LOAD(counter);
    return now - __atomic_exchange_n(told, now, __ATOMIC_RELAXED);
}

CORE void mheap_note_scav(struct mheap *h, bool forced)
{
    struct history *history = h->history;
    if (!trace_wanted(&history->traces, GCSIM_TRACE_SCAV))
        return;
    rt_lock(&h->rt, &h->lock);
    const struct page_bytes *b = &h->bytes;
    struct trace_scav scav = {
        .released = b->released,
        .in_use = b->in_use,
        .retained = b->in_use + b->stacks + b->workbufs + b->batches + b->free,
        .forced = forced,
    };
    rt_unlock(&h->rt, &h->lock);
    const struct scavenge_counts *now = &history->scavenged;
    scav.background_bytes = since(&now->background_bytes, &history->told.background_bytes);
    scav.eager_bytes = since(&now->eager_bytes, &history->told.eager_bytes);
    trace_put(&history->traces, &h->rt, TRACE_SCAV, &scav);
}

// The pages count as in use for good, as in Go (mgcsweep.go:sweep). The step instantiation reads the whole world to take snapshots, so there
// they stay readable and are filled instead.
CORE void mheap_fence(struct mheap *h, gcsim_span *s)
{
    uint64_t bytes = (uint64_t)s->npages << PAGE_SHIFT;
    INVARIANT(s->state == GCSIM_SPAN_IN_USE && s->alloc_count == 0 &&
              GCSIM_LOAD(&s->specials) == 0);
    EMIT(h, SPAN_FREE, 0, arena_offset(h, s->base), s->npages);
    rt_lock(&h->rt, &h->lock);
    __atomic_store_n(&s->state, GCSIM_SPAN_MANUAL, __ATOMIC_RELEASE);
    s->purpose = GCSIM_MANUAL_FENCE;
    s->limit = s->base;
    GCSIM_STORE(&h->page_class[span_page(h, s)], (uint8_t)0);
    s->marks = NULL;
    s->nelems = 0;
    rt_unlock(&h->rt, &h->lock);
    if (GCSIM_STEPS)
        clobber(s->base, bytes);
    else
        os_fence(s->base, bytes);
}
