#include "gc/mark.h"

#include "base/bits.h"
#include "gc/assist.h"
#include "gc/roots.h"
#include "gc/specials.h"
#include "gc/work.h"
#include "gc/world.h"

enum {
    OBLET_BYTES = 128 << 10, // larger objects are scanned in pieces (mgcmark.go:maxObletBytes)
    CHECK_WORK = 2000, // scan work between two looks at the limits (mgcpacer.go:gcCreditSlack)
    POLL_CHECKS = 64,  // such looks between two calls of the poll callback
    PREFETCH_DISTANCE = 16,
};

// --- walking -----------------------------------------------------------------------------------------------------

// Elements of `t` tiled over [data, data + bytes), looking at [from, to) only.
CORE_INLINE void tiled_pointers(struct mheap *h, const gcsim_type *t, char *data, uint64_t bytes,
                                uint64_t from, uint64_t to, mark_visit visit, void *ctx)
{
    if (to > bytes)
        to = bytes;
    uint64_t mask_words = divide_up(t->ptr_bytes / 8, 64);
    for (uint64_t at = from / t->bytes * t->bytes; at < to; at += t->bytes) {
        uint64_t first = from > at ? (from - at) / 512 : 0; // a mask word covers 512 bytes
        for (uint64_t w = first; w < mask_words; w++)
            for (uint64_t bits = t->mask[w]; bits; bits &= bits - 1) {
                uint64_t offset = at + w * 512 + bits_lowest(bits) * 8;
                if (offset >= to)
                    return;
                if (offset >= from)
                    visit(h, (void **)(void *)(data + offset), ctx);
            }
    }
}

// Bytes from an object's start to behind its last pointer, which lie in the first `bytes` of elements of `t` side by side.
CORE_INLINE uint64_t tiled_extent(const gcsim_type *t, uint64_t bytes)
{
    uint64_t rest = bytes % t->bytes, whole = bytes - rest;
    if (rest)
        return whole + (rest < t->ptr_bytes ? rest : t->ptr_bytes);
    return bytes - t->bytes + t->ptr_bytes;
}

// Returns the scan work: what lies before and up to the last pointer (mgcmark.go:scanObject).
CORE_INLINE uint64_t walk_object(struct mheap *h, gcsim_span *s, char *base, uint64_t from,
                                 uint64_t to, mark_visit visit, void *ctx)
{
    if (LIKELY(s->heap_bits)) {
        // In this order: who loads another window makes the span mixed first.
        uint64_t bits = __atomic_load_n(&s->window_ptrs, __ATOMIC_ACQUIRE);
        if (UNLIKELY(GCSIM_LOAD(&s->mixed)))
            bits = bits_get((const uint64_t *)(s->base + s->heap_bits),
                            (uint64_t)(base - s->base) / 8, s->slot_bytes32 / 8);
        uint64_t extent = 8 * (bits_highest(bits | 1) + 1ull);
        for (; bits; bits &= bits - 1)
            visit(h, (void **)(void *)(base + bits_lowest(bits) * 8), ctx);
        return extent;
    }
    const gcsim_type *t;
    if (s->slot_bytes32) {
        t = *(const gcsim_type **)(void *)base; // the header
        to = s->slot_bytes - MALLOC_HEADER_BYTES;
        tiled_pointers(h, t, base + MALLOC_HEADER_BYTES, to, 0, to, visit, ctx);
        return tiled_extent(t, to) + MALLOC_HEADER_BYTES;
    }
    t = __atomic_load_n(&s->large_type, __ATOMIC_ACQUIRE);
    if (!t)
        return 0;
    tiled_pointers(h, t, base, t->bytes * s->large_count, from, to, visit, ctx);
    uint64_t extent = tiled_extent(t, t->bytes * s->large_count);
    return (to < extent ? to : extent) - (from < extent ? from : extent);
}

CORE void object_pointers(struct mheap *h, gcsim_span *s, char *base, uint64_t from, uint64_t to,
                          mark_visit visit, void *ctx)
{
    if (!span_noscan(s))
        walk_object(h, s, base, from, to, visit, ctx);
}

CORE void typed_pointers(struct mheap *h, const gcsim_type *t, char *data, uint64_t count,
                         mark_visit visit, void *ctx)
{
    if (t->ptr_bytes)
        tiled_pointers(h, t, data, t->bytes * count, 0, t->bytes * count, visit, ctx);
}

// --- claiming ----------------------------------------------------------------------------------------------------

CORE bool mark_is_set(const gcsim_span *s, uint32_t index)
{
    return GCSIM_LOAD(&s->marks[index / 64]) >> index % 64 & 1;
}

// Test before writing; not atomic where one thread marks alone.
CORE_INLINE bool mark_claim(gcsim_span *s, uint32_t index, bool alone)
{
    uint64_t *word = s->marks + index / 64, bit = 1ull << (index % 64), old = GCSIM_LOAD(word);
    if (old & bit)
        return false;
    if (!alone)
        return !(__atomic_fetch_or(word, bit, __ATOMIC_RELAXED) & bit);
    GCSIM_STORE(word, old | bit);
    return true;
}

// Mark the object that an address of the grown arena lies in, if it lies in one, and queue it. Spans without objects have no limit above
// their base, so one comparison turns away the core's own memory, unused tails and free pages.
CORE_INLINE void shade_page(struct mheap *h, struct gcwork *w, char *p, uint64_t page, bool alone)
{
    uint32_t first = __atomic_load_n(&h->page_span[page], __ATOMIC_ACQUIRE); // mheap.c: span_make
    gcsim_span *s = &h->spans[(uint64_t)first - 1];
    if (UNLIKELY(!first || p >= GCSIM_LOAD(&s->limit)))
        return;
    uint32_t index = span_index(s, p);
    if (!mark_claim(s, index, alone))
        return;
    uint64_t slot_bytes = LIKELY(s->slot_bytes32) ? s->slot_bytes32 : s->slot_bytes;
    char *base = s->base + (uint64_t)index * s->slot_bytes32;
    w->bytes_marked += slot_bytes;
    w->objects_marked++;
    STEP(h, SHADE, 0, arena_offset(h, base), slot_bytes);
    if (!span_noscan(s))
        work_push(h, w, base);
}

CORE_INLINE void shade(struct mheap *h, struct gcwork *w, void *p, bool alone)
{
    uint64_t page = arena_offset(h, p) >> PAGE_SHIFT;
    if (LIKELY(page < GCSIM_LOAD(&h->grown_pages))) // else nil, a type word, the core's own memory
        shade_page(h, w, p, page, alone);
}

CORE void mark_shade(struct mutator *m, void *p) { shade(mheap_of(m), &m->work, p, false); }

// --- engines -----------------------------------------------------------------------------------------------------

// What a visit needs: whose buffers, and addresses found but not yet looked at (empty places hold NULL).
struct marker {
    struct gcwork *work;
    bool alone; // gc->alone; in each copy of an engine a constant
    uint32_t next;
    void *at[PREFETCH_DISTANCE]; // a power of two
};

CORE_INLINE void visit_now(struct mheap *h, void **slot, void *ctx)
{
    struct marker *k = ctx;
    void *p = GCSIM_LOAD(slot);
    if (p) {
        k->work->pointers++;
        shade(h, k->work, p, k->alone);
    }
}

// What shading p will read: its mark bits (inside its page) and its object. Pointer bits are read in mixed spans only.
CORE_INLINE void prefetch_for(const void *p)
{
    const char *page = (const char *)((uintptr_t)p & ~(uintptr_t)(PAGE_BYTES - 1));
    __builtin_prefetch(p);
    __builtin_prefetch(page + PAGE_BYTES - SPAN_INLINE_MARKS_BYTES / 2);
}

CORE_INLINE void visit_later(struct mheap *h, void **slot, void *ctx)
{
    struct marker *k = ctx;
    void *p = GCSIM_LOAD(slot);
    if (UNLIKELY(arena_offset(h, p) >> PAGE_SHIFT >= GCSIM_LOAD(&h->grown_pages)))
        return;
    k->work->pointers++;
    prefetch_for(p);
    void *old = k->at[k->next];
    k->at[k->next] = p;
    k->next = (k->next + 1) % PREFETCH_DISTANCE;
    if (LIKELY(old))
        shade_page(h, k->work, old, arena_offset(h, old) >> PAGE_SHIFT, k->alone);
}

// Everything that the queue still holds; false if it was empty.
CORE_INLINE bool queue_flush(struct mheap *h, struct marker *k)
{
    bool any = false;
    for (uint32_t i = 0; i < PREFETCH_DISTANCE; i++) {
        uint32_t at = (k->next + i) % PREFETCH_DISTANCE;
        void *p = k->at[at];
        k->at[at] = NULL;
        if (p) {
            any = true;
            shade(h, k->work, p, k->alone);
        }
    }
    return any;
}

// An object from the work buffers, or a piece of a large one: the base of a large object queues its other pieces first. Of a small span
// only the first line is read.
CORE_INLINE void scan(struct mheap *h, struct gcwork *w, char *object, mark_visit visit, void *ctx)
{
    gcsim_span *s = &h->spans[GCSIM_LOAD(&h->page_span[arena_offset(h, object) >> PAGE_SHIFT]) - 1];
    uint64_t from = 0, bytes = s->slot_bytes32;
    if (UNLIKELY(!bytes)) {
        from = (uint64_t)(object - s->base);
        if (from == 0)
            for (uint64_t at = OBLET_BYTES; at < s->slot_bytes; at += OBLET_BYTES)
                work_push(h, w, s->base + at);
        bytes = s->slot_bytes - from < OBLET_BYTES ? s->slot_bytes - from : OBLET_BYTES;
        object = s->base;
    }
    STEP(h, SCAN, 0, arena_offset(h, object), s->slot_bytes);
    w->scan_work += walk_object(h, s, object, from, from + bytes, visit, ctx);
}

// Publish what was done, help the hungry, and say whether to go on.
static COLD enum drained drain_check(struct mutator *m, struct drain *limit, uint32_t *checks)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    uint64_t done = m->work.scan_work;
    limit->done += done;
    work_publish(h, &m->work);
    if (limit->background)
        assist_credit(h, done);
    if (limit->stopped)
        return ++*checks % POLL_CHECKS == 0 && world_interrupted(m, true) ? DRAIN_ABANDONED
                                                                          : DRAINED;
    if (GCSIM_LOAD(&gc->work.hungry) && !work_is_shared(h))
        work_share(h, &m->work);
    if (world_wanted(h) || limit->done >= limit->work)
        return DRAIN_ENOUGH;
    return limit->until_ns && rt_now_ns(&h->rt) >= limit->until_ns ? DRAIN_ENOUGH : DRAINED;
}

// Scan until there is nothing or the limit says so. Each engine has two copies of its own, with its visit inlined.
CORE_INLINE enum drained drain_objects(struct mutator *m, struct drain *limit, struct marker *given,
                                       mark_visit visit, bool alone)
{
    struct mheap *h = mheap_of(m);
    struct gcwork *w = &m->work;
    struct marker k = *given; // its place stays in a register
    k.alone = alone;
    enum drained result = DRAINED;
    uint32_t checks = 0;
    for (;;) {
        char *object = work_pop(h, w);
        if (UNLIKELY(!object)) {
            if (queue_flush(h, &k))
                continue;
            break;
        }
        scan(h, w, object, visit, &k);
        if (UNLIKELY(w->scan_work >= CHECK_WORK) &&
            (result = drain_check(m, limit, &checks)) != DRAINED)
            break;
    }
    queue_flush(h, &k);
    *given = k;
    return result;
}

static enum drained drain_field(struct mutator *m, struct drain *limit, struct marker *k)
{
    return k->alone ? drain_objects(m, limit, k, visit_now, true)
                    : drain_objects(m, limit, k, visit_now, false);
}

static enum drained drain_prefetched(struct mutator *m, struct drain *limit, struct marker *k)
{
    return k->alone ? drain_objects(m, limit, k, visit_later, true)
                    : drain_objects(m, limit, k, visit_later, false);
}

// An engine: how a pointer that was found is treated, and how what is grey is worked off.
static const struct mark_engine {
    mark_visit visit;
    enum drained (*drain)(struct mutator *m, struct drain *limit, struct marker *k);
} mark_engines[GCSIM_MARK_ENGINES] = {
    [GCSIM_MARK_FIELD] = {visit_now, drain_field},
    [GCSIM_MARK_OBJECT] = {visit_later, drain_prefetched},
};

CORE enum drained mark_drain(struct mutator *m, struct drain *limit)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    const struct mark_engine *engine = &mark_engines[gc->mark_engine];
    struct marker k = {.work = &m->work, .alone = gc->alone};
    enum drained result = DRAINED;
    __atomic_fetch_add(&gc->draining, 1, __ATOMIC_RELAXED);
    uint64_t pointers = m->work.pointers;
    while (result == DRAINED && roots_next(m, engine->visit, &k))
        if (!limit->stopped && world_wanted(h))
            result = DRAIN_ENOUGH;
    count_add(&gc->root_slots, m->work.pointers - pointers);
    if (result == DRAINED)
        result = engine->drain(m, limit, &k);
    else
        queue_flush(h, &k);
    uint64_t done = m->work.scan_work;
    limit->done += done;
    work_publish(h, &m->work);
    if (limit->background)
        assist_credit(h, done);
    __atomic_fetch_sub(&gc->draining, 1, __ATOMIC_RELEASE);
    return result;
}

CORE void mark_stopped_roots(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    struct marker k = {.work = &m->work, .alone = gc->alone};
    roots_visit_stopped(h, mark_engines[gc->mark_engine].visit, &k);
    queue_flush(h, &k);
    gc->root_slots = m->work.pointers;
}

// --- whole heap: overflow, sbrk, interruption ------------------------------------------------------------------------

typedef void (*span_visit)(struct mheap *h, gcsim_span *s, struct marker *k);

static void each_object_span(struct mheap *h, span_visit visit, struct marker *k)
{
    for (uint64_t page = 0; page < h->grown_pages;) {
        gcsim_span *s = h->page_span[page] ? &h->spans[page] : NULL;
        if (s && s->state == GCSIM_SPAN_IN_USE)
            visit(h, s, k);
        page += s ? s->npages : 1;
    }
}

// Scan every marked object once more: those that were forgotten when the buffers overflowed are among them.
static void rescan_span(struct mheap *h, gcsim_span *s, struct marker *k)
{
    if (span_noscan(s))
        return;
    for (uint32_t i = 0; i < s->nelems; i++)
        if (mark_is_set(s, i))
            walk_object(h, s, span_slot(s, i), 0, s->slot_bytes, visit_now, k);
    specials_rescan(h, s, visit_now, k);
}

CORE bool mark_rescan(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    if (!gc->work.overflow)
        return false;
    gc->work.overflow = false;
    gc->rescans++;
    each_object_span(h, rescan_span, &(struct marker){.work = &m->work, .alone = gc->alone});
    return true;
}

static void mark_all_slots(struct mheap *h, gcsim_span *s, struct marker *k)
{
    for (uint32_t i = 0; i < s->nelems; i++)
        if (!span_is_free(h, s, i) && mark_claim(s, i, true)) {
            k->work->objects_marked++;
            k->work->bytes_marked += s->slot_bytes;
        }
}

CORE void mark_everything(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    each_object_span(h, mark_all_slots, &(struct marker){.work = &m->work});
    work_publish(h, &m->work);
}

static void clear_marks(struct mheap *h, gcsim_span *s, struct marker *k)
{
    (void)h, (void)k;
    memset(s->marks, 0, span_mark_words(s) * 8);
}

CORE void mark_abandon(struct mheap *h)
{
    work_discard(h);
    each_object_span(h, clear_marks, NULL);
}
