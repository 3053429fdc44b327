#include "alloc/mcache.h"

#include "alloc/door.h"
#include "alloc/mcentral.h"
#include "alloc/sample.h"
#include "base/bits.h"
#include "base/poison.h"

CORE void mcache_init(struct mutator *m, struct mheap *h)
{
    for (unsigned spc = 0; spc < NUM_SPAN_CLASSES; spc++) {
        m->pub.alloc[spc] = &h->full_span;
        mcache_spans(m)[spc] = &h->full_span;
    }
}

// Give the slots [from, from + n) of a span the same pointer bits. The bitmap repeats every `words` bits: each word of it is a shifted view of
// the pattern.
static void fill_slot_ptrs(gcsim_span *s, uint64_t from, uint64_t n, uint64_t ptrs)
{
    uint64_t *bitmap = (uint64_t *)(s->base + s->heap_bits);
    unsigned words = s->slot_bytes32 / 8, phase = 0;
    for (unsigned filled = words; filled < 64; filled *= 2)
        ptrs |= ptrs << filled;
    for (uint64_t at = from * words, end = at + n * words; at < end;) {
        unsigned shift = at % 64, take = end - at < 64 - shift ? (unsigned)(end - at) : 64 - shift;
        uint64_t bits = phase ? ptrs >> phase | ptrs << (words - phase) : ptrs;
        uint64_t mask = bits_low(take) << shift, *word = &bitmap[at / 64];
        // A whole word is not read first: in fresh memory that would map the page of zeros, which the store then has to replace.
        uint64_t others = take == 64 ? 0 : GCSIM_LOAD(word) & ~mask;
        GCSIM_STORE(word, others | (bits << shift & mask));
        at += take;
        phase = (phase + take) % words;
    }
}

// How many free slots lie side by side from the lowest one on.
static unsigned lowest_run(uint64_t free)
{
    uint64_t rest = ~(free >> bits_lowest(free));
    return rest ? bits_lowest(rest) : 64;
}

// The free slots of a window get the pointer bits of the type at hand. While a span is not mixed all its slots have the same, the free ones
// too, so that most windows find theirs there.
static void window_set_ptrs(gcsim_span *s, uint64_t ptrs)
{
    if (LIKELY(!s->mixed && ptrs == s->window_ptrs))
        return;
    bool mixed = s->alloc_count != 0;
    GCSIM_STORE(&s->mixed, mixed);
    __atomic_store_n(&s->window_ptrs, ptrs, __ATOMIC_RELEASE); // a marker reads it before `mixed`
    if (!mixed)
        fill_slot_ptrs(s, 0, s->nelems, ptrs);
    for (uint64_t free = mixed ? s->loaded : 0; free;) {
        unsigned first = bits_lowest(free), n = lowest_run(free);
        fill_slot_ptrs(s, s->window_index + first, n, ptrs);
        free &= ~(bits_low(n) << first);
    }
}

CORE_INLINE void zero_slots(char *window, uint64_t free, uint64_t bytes)
{
    for (; free; free &= free - 1)
        memset(window + (uint64_t)bits_lowest(free) * bytes, 0, bytes);
}

// Free slots side by side are zeroed at once, those between survivors one by one.
static void window_zero(gcsim_span *s)
{
    uint64_t bytes = s->slot_bytes32;
    unsigned first = bits_lowest(s->loaded), n = lowest_run(s->loaded);
    if (s->loaded == bits_low(n) << first)
        memset(s->window + first * bytes, 0, n * bytes);
    else if (bytes == 16)
        zero_slots(s->window, s->loaded, 16); // two stores each
    else
        zero_slots(s->window, s->loaded, bytes);
}

static void window_prepare(gcsim_span *s, uint64_t ptrs)
{
    for (uint64_t free = s->loaded; free; free &= free - 1)
        unpoison(s->window + (uint64_t)bits_lowest(free) * s->slot_bytes32, s->slot_bytes32);
    if (s->needzero && s->slot_bytes32 <= WINDOW_ZERO_MAX)
        window_zero(s);
    if (s->heap_bits && s->slot_bytes32 > 8)
        window_set_ptrs(s, ptrs);
}

// While marking, a window's free slots are marked when it is loaded, so that the inline path hands out black objects without looking
// (malloc.go:gcmarknewobject), and unmarked if they come back unused. A window is one word of the mark bits; others mark its other slots.
static void window_mark(struct mutator *m, gcsim_span *s, bool black)
{
    struct mheap *h = mheap_of(m);
    if (h->allocate_white)
        return;
    uint64_t *word = &s->marks[s->window_index / 64], n = bits_count(s->free);
    if (black && h->queues_spans && s->inline_marks) // before the marks: nothing is to be scanned
        __atomic_fetch_or(&span_scans(s)[s->window_index / 64], s->free, __ATOMIC_RELAXED);
    if (black)
        __atomic_fetch_or(word, s->free, __ATOMIC_RELEASE);
    else
        __atomic_fetch_and(word, ~s->free, __ATOMIC_RELAXED);
    n = black ? n : -n;
    m->work.objects_marked += n;
    m->work.bytes_marked += n * s->slot_bytes;
}

// What a scan reads of a slot of the window: up to its last pointer, or all of it where the slot has no bits of its own
// (mbitmap.go:heapSetTypeNoHeader and its siblings).
static uint64_t slot_scan_bytes(const gcsim_span *s)
{
    if (span_noscan(s))
        return 0;
    if (!s->heap_bits || s->slot_bytes32 == 8)
        return s->slot_bytes;
    return s->window_ptrs ? (bits_highest(s->window_ptrs) + 1) * 8ull : 0;
}

// The window is used up or given back: its slots that were taken are in use.
static void window_close(struct mutator *m, gcsim_span *s)
{
    uint32_t in_use = span_in_use(s), taken = in_use - s->alloc_count;
    m->scan_alloc += taken * slot_scan_bytes(s);
    sample_count(m, s, taken);
    s->alloc_count = (uint16_t)in_use;
}

// Load the next window with a free slot; false: the span is used up.
CORE_INLINE bool window_next(struct mutator *m, gcsim_span *s, uint64_t ptrs)
{
    struct mheap *h = mheap_of(m);
    const uint64_t *used = span_alloc_bits(h, s);
    window_close(m, s);
    s->loaded = s->free = 0;
    while (s->free_index < s->nelems) {
        uint32_t index = s->free_index & ~63u;
        uint64_t free = ~used[index / 64] & ~bits_low(s->free_index % 64);
        if (s->nelems - index < 64)
            free &= bits_low(s->nelems - index);
        s->free_index = (uint16_t)(index + 64 < s->nelems ? index + 64 : s->nelems);
        if (!free)
            continue;
        if (!GCSIM_STEPS && UNLIKELY(GCSIM_LOAD(&h->slot_by_slot))) {
            free &= -free;
            s->free_index = (uint16_t)(index + bits_lowest(free) + 1);
        }
        s->window_index = index;
        s->window = span_slot(s, index);
        if (h->sample_rate && m->until_sample[s->span_class] < 64ull * s->slot_bytes32)
            free = sample_cut(m, s, free);
        s->loaded = s->free = free;
        window_prepare(s, ptrs);
        if (UNLIKELY(h->blacken)) {
            window_mark(m, s, true);
            m->assist_bytes -= (int64_t)(bits_count(free) * s->slot_bytes);
        }
        return true;
    }
    return false;
}

// Give a window back: free_index returns to its first slot that was not taken. Slots below it are in use.
static void window_return(struct mutator *m, gcsim_span *s)
{
    window_close(m, s);
    if (s->free) {
        s->free_index = (uint16_t)(s->window_index + bits_lowest(s->free));
        if (UNLIKELY(mheap_of(m)->blacken))
            window_mark(m, s, false);
    }
    s->loaded = s->free = 0;
    s->window = NULL; // a list has its link there
}

CORE void mcache_blacken(struct mutator *m)
{
    for (unsigned spc = 0; spc < NUM_SPAN_CLASSES; spc++)
        if (mcache_spans(m)[spc]->free)
            window_mark(m, mcache_spans(m)[spc], true);
}

CORE void mcache_return_windows(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    for (unsigned spc = 0; spc < NUM_SPAN_CLASSES; spc++)
        if (mcache_spans(m)[spc] != &h->full_span)
            window_return(m, mcache_spans(m)[spc]);
}

// The counters that statistics and the pacer read learn of what was allocated while the span was cached.
static void publish_counts(struct mheap *h, struct mutator *m, gcsim_span *s)
{
    unsigned size_class = span_class_size_class(s->span_class);
    uint64_t fresh = (uint64_t)(s->alloc_count - s->counted);
    count_add(&h->history->counts.small_allocs[size_class], fresh);
    count_add(&h->total_alloc, fresh * s->slot_bytes);
    s->counted = s->alloc_count;
    if (s->span_class == TINY_SPAN_CLASS) {
        count_add(&h->history->counts.tiny_allocs, m->tiny_allocs);
        m->tiny_allocs = 0;
    }
}

static void uncache(struct mheap *h, struct mutator *m, gcsim_span *s)
{
    DEBUG_CHECK(span_check(h, s));
    window_return(m, s);
    publish_counts(h, m, s);
    DEBUG_CHECK(span_check(h, s) && s->counted == s->alloc_count);
    EMIT(h, SPAN_UNCACHE, m->pub.id, arena_offset(h, s->base), s->nelems - s->alloc_count);
    mcentral_uncache(h, s);
}

// While marking, what is allocated is not scanned: the pacer does not count it (mgcpacer.go:update).
static void publish_scan(struct mheap *h, struct mutator *m)
{
    if (!h->blacken)
        count_add(&h->heap_scan, m->scan_alloc);
    m->scan_alloc = 0;
}

// Replace a used-up span by one with a free slot (mcache.go:refill).
static gcsim_span *mcache_refill(struct mutator *m, unsigned spc)
{
    struct mheap *h = mheap_of(m);
    gcsim_span **entry = &mcache_spans(m)[spc];
    if (*entry != &h->full_span) {
        INVARIANT((*entry)->sweepgen == h->sweepgen + 3);
        uncache(h, m, *entry);
        *entry = &h->full_span;
    }
    publish_scan(h, m);
    if (UNLIKELY(GCSIM_LOAD(&h->sweep_owed)))
        door_sweep_credit(h, (uint64_t)size_class_pages[span_class_size_class(spc)] << PAGE_SHIFT,
                          0);
    gcsim_span *s = mcentral_cache(h, m, spc, &m->pub.status);
    if (!s)
        return NULL;
    DEBUG_CHECK(span_check(h, s) && s->sweepgen == h->sweepgen && !s->loaded && s->next == 0 &&
                s->alloc_count < s->nelems);
    GCSIM_STORE(&s->sweepgen, h->sweepgen + 3); // weak references read it without a lock
    s->counted = s->alloc_count;
    // Every free slot counts as live from now on, and so do the span's tail and metadata (mcache.go:refill).
    count_add(&h->heap_live,
              ((uint64_t)s->npages << PAGE_SHIFT) - (uint64_t)s->alloc_count * s->slot_bytes);
    *entry = s;
    m->settle |= SETTLE_REFILL;
    STEP(h, SPAN_CACHE, m->pub.id, arena_offset(h, s->base), s->nelems - s->alloc_count);
    return s;
}

// Inline in both of its users: the ordinary one shall not pay for the other.
CORE_INLINE gcsim_span *next_window(struct mutator *m, unsigned spc, uint64_t ptrs)
{
    struct mheap *h = mheap_of(m);
    gcsim_span *s = mcache_spans(m)[spc];
    if (s == &h->full_span || !window_next(m, s, ptrs))
        return NULL;
    STEP(h, WINDOW, m->pub.id, arena_offset(h, s->window), bits_count(s->free));
    return s;
}

CORE gcsim_span *mcache_next_window(struct mutator *m, unsigned spc, uint64_t ptrs)
{
    return next_window(m, spc, ptrs);
}

CORE gcsim_span *mcache_next(struct mutator *m, unsigned spc, uint64_t ptrs)
{
    gcsim_span *s = mcache_spans(m)[spc];
    while (!s->free && !next_window(m, spc, ptrs))
        if (!(s = mcache_refill(m, spc)))
            return NULL;
    return s;
}

CORE void mcache_flush(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    for (unsigned spc = 0; spc < NUM_SPAN_CLASSES; spc++) {
        gcsim_span *s = mcache_spans(m)[spc];
        if (s == &h->full_span)
            continue;
        mcache_spans(m)[spc] = &h->full_span;
        // What was counted as live in advance and was not used. A stale span was counted in the cycle before: resetLive dropped it.
        if (s->sweepgen != h->sweepgen + 1)
            __atomic_fetch_sub(&h->heap_live,
                               (uint64_t)(s->nelems - span_in_use(s)) * s->slot_bytes,
                               __ATOMIC_RELAXED);
        uncache(h, m, s);
    }
    publish_scan(h, m);
    m->tiny = NULL;
    m->tiny_offset = 0;
    count_add(&h->history->counts.tiny_allocs, m->tiny_allocs);
    m->tiny_allocs = 0;
}

CORE void mcache_flush_pages(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    rt_lock(&h->rt, &h->lock);
    if (m->pages.cache)
        pagecache_flush(&m->pages, &h->pages);
    rt_unlock(&h->rt, &h->lock);
}

CORE bool mcache_page_is_released(const struct mheap *h, uint64_t page)
{
    for (const struct mutator *m = h->mutators; m; m = m->next)
        if (m->pages.base == page / PAGECACHE_PAGES * PAGECACHE_PAGES &&
            m->pages.cache >> page % PAGECACHE_PAGES & 1)
            return m->pages.scav >> page % PAGECACHE_PAGES & 1;
    return false;
}
