#include "gc/mark.h"

#include "base/bits.h"
#include "gc/roots.h"
#include "gc/work.h"
#include "gc/world.h"

enum {
    OBLET_BYTES = 128 << 10, // larger objects are scanned in pieces (mgcmark.go:maxObletBytes)
    POLL_OBJECTS = 1 << 14,  // scanned between two polls
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

CORE_INLINE void walk_object(struct mheap *h, gcsim_span *s, char *base, uint64_t from, uint64_t to,
                             mark_visit visit, void *ctx)
{
    if (LIKELY(s->heap_bits)) {
        uint64_t bits = s->window_ptrs;
        if (UNLIKELY(s->mixed))
            bits = bits_get((const uint64_t *)(s->base + s->heap_bits),
                            (uint64_t)(base - s->base) / 8, s->slot_bytes32 / 8);
        for (; bits; bits &= bits - 1)
            visit(h, (void **)(void *)(base + bits_lowest(bits) * 8), ctx);
    } else if (s->slot_bytes32) {
        const gcsim_type *t = *(const gcsim_type **)(void *)base; // the header
        tiled_pointers(h, t, base + MALLOC_HEADER_BYTES, s->slot_bytes - MALLOC_HEADER_BYTES, 0,
                       s->slot_bytes, visit, ctx);
    } else {
        const gcsim_type *t = __atomic_load_n(&s->large_type, __ATOMIC_ACQUIRE);
        if (t)
            tiled_pointers(h, t, base, t->bytes * s->large_count, from, to, visit, ctx);
    }
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

CORE bool mark_is_set(const gcsim_span *s, uint32_t index) { return bits_test(s->marks, index); }

// Test before writing; not atomic, because one worker runs alone.
CORE_INLINE bool mark_claim(gcsim_span *s, uint32_t index)
{
    uint64_t *word = s->marks + index / 64, bit = 1ull << (index % 64), old = GCSIM_LOAD(word);
    if (old & bit)
        return false;
    GCSIM_STORE(word, old | bit);
    return true;
}

// Mark the object that an address of the grown arena lies in, if it lies in one, and queue it. Spans without objects have no limit above
// their base, so one comparison turns away the core's own memory, unused tails and free pages.
CORE_INLINE void shade_page(struct mheap *h, char *p, uint64_t page)
{
    uint32_t first = h->page_span[page];
    gcsim_span *s = &h->spans[(uint64_t)first - 1];
    if (UNLIKELY(!first || p >= s->limit))
        return;
    uint32_t index = span_index(s, p);
    if (!mark_claim(s, index))
        return;
    struct gc *gc = &heap_of(h)->gc;
    uint64_t slot_bytes = LIKELY(s->slot_bytes32) ? s->slot_bytes32 : s->slot_bytes;
    char *base = s->base + (uint64_t)index * s->slot_bytes32;
    gc->bytes_marked += slot_bytes;
    gc->objects_marked++;
    STEP(h, SHADE, 0, arena_offset(h, base), slot_bytes);
    if (!span_noscan(s))
        work_push(h, base);
}

CORE_INLINE void shade(struct mheap *h, void *p)
{
    uint64_t page = arena_offset(h, p) >> PAGE_SHIFT;
    if (LIKELY(page < h->grown_pages)) // else nil, a type word, the core's own memory
        shade_page(h, p, page);
}

// --- engines -----------------------------------------------------------------------------------------------------

// Addresses found but not yet looked at. A power of two; empty places hold NULL.
struct prefetch_queue {
    void *at[PREFETCH_DISTANCE];
    uint32_t next;
    uint64_t pointers; // seen so far
};

CORE_INLINE void visit_now(struct mheap *h, void **slot, void *ctx)
{
    struct prefetch_queue *queue = ctx;
    void *p = GCSIM_LOAD(slot);
    if (p) {
        queue->pointers++;
        shade(h, p);
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
    struct prefetch_queue *queue = ctx;
    void *p = GCSIM_LOAD(slot);
    if (UNLIKELY(arena_offset(h, p) >> PAGE_SHIFT >= h->grown_pages))
        return;
    queue->pointers++;
    prefetch_for(p);
    void *old = queue->at[queue->next];
    queue->at[queue->next] = p;
    queue->next = (queue->next + 1) % PREFETCH_DISTANCE;
    if (LIKELY(old))
        shade_page(h, old, arena_offset(h, old) >> PAGE_SHIFT);
}

// Everything that the queue still holds; false if it was empty.
CORE_INLINE bool queue_flush(struct mheap *h, struct prefetch_queue *queue)
{
    bool any = false;
    for (uint32_t i = 0; i < PREFETCH_DISTANCE; i++) {
        uint32_t at = (queue->next + i) % PREFETCH_DISTANCE;
        void *p = queue->at[at];
        queue->at[at] = NULL;
        if (p) {
            any = true;
            shade(h, p);
        }
    }
    return any;
}

// An object from the work buffers, or a piece of a large one: the base of a large object queues its other pieces first.
CORE_INLINE void scan(struct mheap *h, char *object, mark_visit visit, void *ctx)
{
    gcsim_span *s = &h->spans[h->page_span[arena_offset(h, object) >> PAGE_SHIFT] - 1];
    uint64_t from = 0, to = s->slot_bytes;
    if (UNLIKELY(to > OBLET_BYTES)) {
        from = (uint64_t)(object - s->base);
        if (from == 0)
            for (uint64_t at = OBLET_BYTES; at < s->slot_bytes; at += OBLET_BYTES)
                work_push(h, s->base + at);
        to = from + OBLET_BYTES;
        object = s->base;
    }
    heap_of(h)->gc.scan_work += (to < s->slot_bytes ? to : s->slot_bytes) - from;
    STEP(h, SCAN, 0, arena_offset(h, object), s->slot_bytes);
    walk_object(h, s, object, from, to, visit, ctx);
}

static bool drain_field(struct mutator *m, struct prefetch_queue *queue)
{
    struct mheap *h = mheap_of(m);
    void *object;
    for (uint32_t n = 1; (object = work_pop(h)); n++) {
        scan(h, object, visit_now, queue);
        if (n % POLL_OBJECTS == 0 && world_interrupted(m, true))
            return false;
    }
    return true;
}

static bool drain_object(struct mutator *m, struct prefetch_queue *queue)
{
    struct mheap *h = mheap_of(m);
    struct prefetch_queue local = *queue; // its place and counter stay in registers
    bool finished = false;
    for (uint32_t n = 1;; n++) {
        void *object = work_pop(h);
        if (UNLIKELY(!object)) {
            if (queue_flush(h, &local))
                continue;
            finished = true;
            break;
        }
        scan(h, object, visit_later, &local);
        if (UNLIKELY(n % POLL_OBJECTS == 0) && world_interrupted(m, true))
            break;
    }
    *queue = local;
    return finished;
}

// --- overflow, interruption --------------------------------------------------------------------------------------

typedef void (*span_visit)(struct mheap *h, gcsim_span *s, struct prefetch_queue *queue);

static void each_object_span(struct mheap *h, span_visit visit, struct prefetch_queue *queue)
{
    for (uint64_t page = 0; page < h->grown_pages;) {
        gcsim_span *s = h->page_span[page] ? &h->spans[page] : NULL;
        if (s && s->state == GCSIM_SPAN_IN_USE)
            visit(h, s, queue);
        page += s ? s->npages : 1;
    }
}

// Scan every marked object once more: those that were forgotten when the buffers overflowed are among them.
static void rescan_span(struct mheap *h, gcsim_span *s, struct prefetch_queue *queue)
{
    if (span_noscan(s))
        return;
    for (uint32_t i = 0; i < s->nelems; i++)
        if (mark_is_set(s, i))
            walk_object(h, s, span_slot(s, i), 0, s->slot_bytes, visit_now, queue);
}

// An engine: how a pointer that was found is treated, and how what is grey is worked off.
static const struct mark_engine {
    mark_visit visit;
    bool (*drain)(struct mutator *m, struct prefetch_queue *queue);
} mark_engines[GCSIM_MARK_ENGINES] = {
    [GCSIM_MARK_FIELD] = {visit_now, drain_field},
    [GCSIM_MARK_OBJECT] = {visit_later, drain_object},
};

CORE bool mark_from_roots(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    const struct mark_engine *engine = &mark_engines[gc->mark_engine];
    struct prefetch_queue queue = {{NULL}, 0, 0};
    roots_visit(h, engine->visit, &queue);
    gc->root_slots = queue.pointers;
    bool finished;
    while ((finished = engine->drain(m, &queue)) && gc->work.overflow) {
        gc->work.overflow = false;
        gc->rescans++;
        each_object_span(h, rescan_span, &queue);
    }
    gc->pointers = queue.pointers;
    return finished;
}

static void clear_marks(struct mheap *h, gcsim_span *s, struct prefetch_queue *queue)
{
    (void)h, (void)queue;
    memset(s->marks, 0, span_mark_words(s) * 8);
}

CORE void mark_abandon(struct mheap *h)
{
    work_discard(h);
    each_object_span(h, clear_marks, NULL);
}
