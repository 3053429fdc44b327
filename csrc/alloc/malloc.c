#include "alloc/malloc.h"

#include "alloc/door.h"
#include "alloc/sample.h"
#include "base/bits.h"
#include "base/poison.h"

// Pointer bits of `count` elements laid side by side in a slot of at most 64 words.
static uint64_t slot_ptr_bits(const gcsim_type *t, uint64_t count)
{
    if (t->ptr_bytes == 0)
        return 0;
    uint64_t bits = 0, words = t->bytes / 8, mask = t->mask[0];
    for (uint64_t i = 0; i < count; i++)
        bits |= mask << (i * words);
    return bits;
}

CORE void malloc_resolve_type(gcsim_type *t)
{
    bool noscan = type_noscan(t);
    struct sizeclass_rule rule = sizeclass_resolve(t->bytes, noscan);
    t->slot_bytes = rule.slot_bytes;
    t->span_class = (uint16_t)span_class_of(rule.size_class, noscan);
    t->fast_class = 0;
    if (t->bytes == 0 || rule.tiny || rule.large || rule.header_bytes ||
        rule.slot_bytes > WINDOW_ZERO_MAX)
        return;
    t->fast_class = t->span_class;
    t->slot_ptrs = rule.slot_bytes > 8 ? slot_ptr_bits(t, 1)
                                       : 0; // objects of one word have their bits for good
}

// A slot of a span class, zeroed, with these pointer bits (if the span keeps any).
CORE_INLINE char *take_slot(struct mutator *m, unsigned span_class, uint64_t ptrs)
{
    gcsim_span *s = mcache_spans(m)[span_class];
    if (!s->free && !(s = mcache_next(m, span_class, ptrs)))
        return NULL;
    char *p = gcsim_span_take(s);
    if (s->slot_bytes32 > WINDOW_ZERO_MAX && s->needzero)
        memset(p, 0, s->slot_bytes32);
    if (ptrs != s->window_ptrs)
        gcsim_set_slot_ptrs(s, p, ptrs);
    return p;
}

#define TOLD_BY_OBJECT (EVENT_BIT(ALLOC_TYPE) | EVENT_BIT(ALLOC_SITE) | EVENT_BIT(ALLOC_REQUEST))

static COLD void tell_of_tiny(struct mutator *m, const char *p, uint64_t bytes)
{
    struct mheap *h = mheap_of(m);
    EMIT(h, ALLOC_REQUEST, m->pub.id, arena_offset(h, p), bytes);
    EMIT(h, ALLOC_TINY, m->pub.id, arena_offset(h, p), bytes);
}

// Several tiny objects share a block (malloc.go:mallocgcTiny). A place in the present one, NULL if it has too little room.
CORE_INLINE char *tiny_place(struct mutator *m, uint64_t bytes)
{
    uint64_t align = bytes & -bytes; // 8, 4, 2 or 1, as it divides by them
    uint64_t offset = round_up(m->tiny_offset, align);
    if (!m->tiny || offset + bytes > TINY_BYTES)
        return NULL;
    m->tiny_offset = offset + bytes;
    m->tiny_allocs++;
    if (EVENTS_ON(mheap_of(m), EVENT_BIT(ALLOC_TINY) | EVENT_BIT(ALLOC_REQUEST)))
        tell_of_tiny(m, m->tiny + offset, bytes);
    return m->tiny + offset;
}

// A new block, with the object at its start. Of the two blocks the one with more room left is kept.
static char *tiny_new_block(struct mutator *m, uint64_t bytes)
{
    struct mheap *h = mheap_of(m);
    char *block = take_slot(m, TINY_SPAN_CLASS, 0);
    if (!block)
        return NULL;
    if (!m->tiny || bytes < m->tiny_offset) {
        m->tiny = block;
        m->tiny_offset = bytes;
    }
    EMIT(h, ALLOC_REQUEST, m->pub.id, arena_offset(h, block), bytes);
    STEP(h, ALLOC, m->pub.id, arena_offset(h, block), TINY_BYTES);
    return block;
}

CORE_INLINE void *malloc_tiny(struct mutator *m, uint64_t bytes)
{
    char *p = tiny_place(m, bytes);
    return p ? p : tiny_new_block(m, bytes);
}

// One look at what is on for all three.
static COLD void tell_what_and_where(struct mutator *m, const char *slot, const gcsim_type *t,
                                     uint64_t bytes)
{
    struct mheap *h = mheap_of(m);
    EMIT(h, ALLOC_TYPE, m->pub.id, arena_offset(h, slot), t->id);
    EMIT(h, ALLOC_SITE, m->pub.id, arena_offset(h, slot), m->pub.site);
    EMIT(h, ALLOC_REQUEST, m->pub.id, arena_offset(h, slot), bytes);
}

CORE_INLINE void *malloc_small(struct mutator *m, const gcsim_type *t, uint64_t count,
                               struct sizeclass_rule rule)
{
    struct mheap *h = mheap_of(m);
    bool in_span = !type_noscan(t) && !rule.header_bytes && rule.slot_bytes > 8;
    char *p = take_slot(m, span_class_of(rule.size_class, type_noscan(t)),
                        in_span ? slot_ptr_bits(t, count) : 0);
    if (!p)
        return NULL;
    if (rule.header_bytes)
        *(const gcsim_type **)(void *)p = t;
    if (EVENTS_ON(h, TOLD_BY_OBJECT))
        tell_what_and_where(m, p, t, t->bytes * count);
    STEP(h, ALLOC, m->pub.id, arena_offset(h, p), rule.slot_bytes);
    return p + rule.header_bytes;
}

// A span of its own (mcache.go:allocLarge). The type is set after the memory is zeroed: until then there is nothing to scan.
static void *malloc_large(struct mutator *m, const gcsim_type *t, uint64_t count, uint64_t bytes)
{
    struct mheap *h = mheap_of(m);
    uint64_t npages = divide_up(bytes, PAGE_BYTES);
    if (UNLIKELY(GCSIM_LOAD(&h->sweep_owed)))
        door_sweep_credit(h, npages << PAGE_SHIFT, npages);
    gcsim_span *s =
        mheap_alloc(h, m, npages, span_class_of(LARGE_SIZE_CLASS, type_noscan(t)), &m->pub.status);
    if (!s)
        return NULL;
    GCSIM_STORE(&s->limit, s->base + bytes);
    s->free_index = s->alloc_count = 1;
    s->counted = 1;
    count_add(&h->history->counts.large_allocs, 1);
    count_add(&h->history->counts.large_alloc_bytes, s->slot_bytes);
    count_add(&h->total_alloc, s->slot_bytes);
    count_add(&h->heap_live, s->slot_bytes);
    if (!type_noscan(t) && !h->blacken)
        count_add(&h->heap_scan, s->slot_bytes);
    if (s->needzero)
        memset(s->base, 0, s->slot_bytes);
    if (!type_noscan(t)) {
        s->large_count = count;
        __atomic_store_n(&s->large_type, t, __ATOMIC_RELEASE);
    }
    if (UNLIKELY(h->blacken)) { // before any list has it, so that nobody else marks
        if (!h->allocate_white) {
            __atomic_fetch_or(s->marks, 1, __ATOMIC_RELAXED);
            m->work.objects_marked++;
            m->work.bytes_marked += s->slot_bytes;
        }
        m->assist_bytes -= (int64_t)s->slot_bytes;
    }
    mcentral_file(h, s);
    m->settle |= SETTLE_REFILL;
    sample_large(m, s);
    if (EVENTS_ON(h, TOLD_BY_OBJECT))
        tell_what_and_where(m, s->base, t, bytes);
    STEP(h, ALLOC_LARGE, m->pub.id, arena_offset(h, s->base), bytes);
    return s->base;
}

// A span was taken: heap_live moves nowhere else, so the trigger is tested nowhere else (malloc.go:mallocgc).
static void after_refill(struct mutator *m, void *p)
{
    struct mheap *h = mheap_of(m);
    EMIT(h, HEAP_LIVE, m->pub.id, 0, GCSIM_LOAD(&h->heap_live));
    if (GCSIM_LOAD(&h->watched))
        door_moved(h);
    if (GCSIM_LOAD(&h->heap_live) >= GCSIM_LOAD(&h->trigger))
        m->pub.status = door_collect(m, p);
}

static COLD void settle(struct mutator *m, void *p, const gcsim_type *t, uint64_t bytes)
{
    if (m->settle & SETTLE_SAMPLE)
        door_sample(m, p, t, bytes);
    if (m->settle & SETTLE_REFILL)
        after_refill(m, p);
}

static void *malloc_bytes(struct mutator *m, const gcsim_type *t, uint64_t count, uint64_t bytes)
{
    struct mheap *h = mheap_of(m);
    if (UNLIKELY((GCSIM_LOAD(&h->stop) & ~GCSIM_STOP_STANDING) | GCSIM_LOAD(&h->blacken)))
        door_safepoint(m);
    if (bytes == 0)
        return &h->zerobase;
    m->settle = 0;
    void *p;
    struct sizeclass_rule rule = sizeclass_resolve(bytes, type_noscan(t));
    if (UNLIKELY(rule.large || h->efence))
        p = malloc_large(m, t, count, bytes);
    else if (rule.tiny)
        p = malloc_tiny(m, bytes);
    else
        p = malloc_small(m, t, count, rule);
    if (UNLIKELY(m->settle && p))
        settle(m, p, t, bytes);
    return LIKELY(m->pub.status == GCSIM_OK) ? p : NULL;
}

CORE void *malloc_new(struct mutator *m, const gcsim_type *t)
{
    m->pub.status = GCSIM_OK;
    return malloc_bytes(m, t, 1, t->bytes);
}

// Has the cached span of a class a free slot? While marking only its window is asked: the next one is loaded at a safe point then, where
// its mutator helps. A slot that the heap profile samples is left to who has said for which site, and so is each one while sites are recorded.
CORE_INLINE bool slot_at_hand(struct mutator *m, unsigned span_class, uint64_t ptrs)
{
    const gcsim_span *s = mcache_spans(m)[span_class];
    return s->free ||
           (!GCSIM_LOAD(&mheap_of(m)->blacken) && !GCSIM_LOAD(&mheap_of(m)->sites_recorded) &&
            !sample_is_next(m, span_class, s->slot_bytes32) &&
            mcache_next_window(m, span_class, ptrs));
}

// Not inline, both: who finds an object in the window or the tiny block, which is nearly everybody, shall not save registers for this.
static __attribute__((noinline)) void *tiny_at_hand(struct mutator *m, uint64_t bytes)
{
    return slot_at_hand(m, TINY_SPAN_CLASS, 0) ? tiny_new_block(m, bytes) : NULL;
}

static __attribute__((noinline)) void *small_at_hand(struct mutator *m, const gcsim_type *t)
{
    if (span_class_size_class(t->span_class) == LARGE_SIZE_CLASS ||
        !slot_at_hand(m, t->span_class, t->slot_ptrs))
        return NULL;
    return malloc_small(m, t, 1, sizeclass_resolve(t->bytes, type_noscan(t)));
}

CORE void *malloc_at_once(struct mutator *m, const gcsim_type *t)
{
    if (LIKELY(m->pub.alloc[t->fast_class]->free))
        return gcsim_new(&m->pub, t);
    if (t->span_class != TINY_SPAN_CLASS || t->bytes >= TINY_BYTES)
        return small_at_hand(m, t);
    char *p = tiny_place(m, t->bytes);
    return p ? p : tiny_at_hand(m, t->bytes);
}

CORE bool malloc_wants_site(struct mutator *m, const gcsim_type *t, uint64_t count)
{
    uint64_t bytes;
    if (__builtin_mul_overflow(t->bytes, count, &bytes) || bytes == 0 || bytes > TYPE_MAX_BYTES)
        return false;
    struct sizeclass_rule rule = sizeclass_resolve(bytes, type_noscan(t));
    if (GCSIM_LOAD(&mheap_of(m)->sites_recorded) && !rule.tiny)
        return true;
    if (rule.large || mheap_of(m)->efence)
        return sample_is_next(m, span_class_of(LARGE_SIZE_CLASS, type_noscan(t)),
                              round_up(bytes, PAGE_BYTES));
    if (rule.tiny && m->tiny && round_up(m->tiny_offset, bytes & -bytes) + bytes <= TINY_BYTES)
        return false;
    unsigned spc = rule.tiny ? TINY_SPAN_CLASS : span_class_of(rule.size_class, type_noscan(t));
    return !mcache_spans(m)[spc]->free && sample_is_next(m, spc, rule.slot_bytes);
}

CORE void *malloc_array(struct mutator *m, const gcsim_type *element, uint64_t count)
{
    m->pub.status = GCSIM_OK;
    uint64_t bytes;
    if (__builtin_mul_overflow(element->bytes, count, &bytes) || bytes > TYPE_MAX_BYTES) {
        m->pub.status = GCSIM_BAD_SIZE;
        return NULL;
    }
    return malloc_bytes(m, element, count, bytes);
}
