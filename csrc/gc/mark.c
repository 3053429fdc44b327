#include "gc/mark.h"

#include "base/bits.h"
#include "gc/assist.h"
#include "gc/roots.h"
#include "gc/scan.h"
#include "gc/spanq.h"
#include "gc/specials.h"
#include "gc/work.h"
#include "gc/world.h"

enum {
    OBLET_BYTES = 128 << 10, // larger objects are scanned in pieces (mgcmark.go:maxObletBytes)
    CHECK_WORK = 2000,     // scan work between two looks at the limits (mgcpacer.go:gcCreditSlack)
    CLOCK_CHECKS = 8,      // such looks between two at the clock
    POLL_CHECKS = 64,      // and between two calls of the poll callback
    PREFETCH_DISTANCE = 8, // as many lines as a core waits for at once
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

// Where the pointers lie in a slot of a span with a pointer bitmap; false: not the same in all of its slots.
CORE_INLINE bool uniform_ptrs(const gcsim_span *s, uint64_t *ptrs)
{
    // In this order: who loads another window makes the span mixed first.
    *ptrs = __atomic_load_n(&s->window_ptrs, __ATOMIC_ACQUIRE);
    return LIKELY(!GCSIM_LOAD(&s->mixed));
}

CORE_INLINE uint64_t slot_ptrs(const gcsim_span *s, const char *base)
{
    return bits_get((const uint64_t *)(s->base + s->heap_bits), (uint64_t)(base - s->base) / 8,
                    s->slot_bytes32 / 8);
}

// Returns the scan work: what lies before and up to the last pointer (mgcmark.go:scanObject).
CORE_INLINE uint64_t walk_object(struct mheap *h, gcsim_span *s, char *base, uint64_t from,
                                 uint64_t to, mark_visit visit, void *ctx)
{
    if (LIKELY(s->heap_bits)) {
        uint64_t bits;
        if (!uniform_ptrs(s, &bits))
            bits = slot_ptrs(s, base);
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

// A mark bit, or a scan bit. Test before writing; not atomic where one thread marks alone. Acquire: see mark_again; sequentially consistent: see gc/spanq.h.
CORE_INLINE bool mark_claim(uint64_t *bits, uint32_t index, bool alone)
{
    uint64_t *word = bits + index / 64, bit = 1ull << (index % 64), old = GCSIM_LOAD(word);
    if (old & bit)
        return false;
    if (!alone)
        return !(__atomic_fetch_or(word, bit, __ATOMIC_SEQ_CST) & bit);
    GCSIM_STORE(word, old | bit);
    return true;
}

// Nothing else waits here, as in a list: its span, queued, would be taken at once, before others in it are found. So the object is, if there
// is a buffer for it.
CORE_INLINE bool is_next(const struct gcwork *w)
{
    return w->current && !w->current->n && !w->spans.first;
}

// Somebody wants to know of each object.
static bool marks_are_watched(const struct mheap *h)
{
    return GCSIM_LOAD(&h->events_on) & (EVENT_BIT(SHADE) | EVENT_BIT(SCAN));
}

// Whose it is.
CORE_INLINE uint32_t work_mutator(const struct gcwork *w)
{
    return ((const struct mutator *)(const void *)((const char *)w -
                                                   offsetof(struct mutator, work)))
        ->pub.id;
}

// An object was marked: it is counted, and if it has pointers it is queued, or with `spans` its span is, unless somebody did so already.
CORE_INLINE void shaded(struct mheap *h, struct gcwork *w, char *base, uint64_t slot_bytes,
                        bool noscan, uint32_t index, bool alone, bool spans)
{
    w->bytes_marked += slot_bytes;
    w->objects_marked++;
#if GCSIM_STEPS
    w->shading = noscan ? NULL : base;
#endif
    STEP(h, SHADE, work_mutator(w), arena_offset(h, base), slot_bytes);
    if (noscan)
        return;
    gcsim_span *s = &h->spans[arena_offset(h, base) >> PAGE_SHIFT]; // if `spans`
    if (!spans)
        work_push(h, w, base);
    else if (is_next(w)) {
        if (mark_claim(span_scans(s), index, alone))
            work_push(h, w, base);
    } else if (span_acquire(page_owner(h, span_page(h, s)), false, alone))
        spanq_push(h, &w->spans, s, index);
#if GCSIM_STEPS
    w->shading = NULL;
#endif
}

// The span says where the mark bit is. Spans without objects have no limit above their base, so one comparison turns away the core's own
// memory and unused tails.
static void shade_by_span(struct mheap *h, struct gcwork *w, char *p, bool alone)
{
    gcsim_span *s = span_of(h, p);
    if (UNLIKELY(!s || p >= GCSIM_LOAD(&s->limit)))
        return;
    uint32_t index = span_index(s, p);
    if (mark_claim(s->marks, index, alone))
        shaded(h, w, s->base + (uint64_t)index * s->slot_bytes32, s->slot_bytes, span_noscan(s),
               index, alone, false);
}

// Where inline mark bits are, an address's page and that page's class say which object it lies in.
struct spot {
    uint64_t page;
    const struct inline_class *class;
    unsigned span_class;
    uint32_t at, index; // bytes into the page; the object's number in it
};
enum spot_kind { SPOT_NOWHERE, SPOT_BY_SPAN, SPOT_INLINE };
CORE_INLINE enum spot_kind spot_find(struct mheap *h, const char *p, struct spot *o)
{
    uint64_t offset = arena_offset(h, p);
    o->page = offset >> PAGE_SHIFT;
    if (UNLIKELY(o->page >= GCSIM_LOAD(&h->grown_pages))) // nil, a type word, the core's own memory
        return SPOT_NOWHERE;
    o->span_class = __atomic_load_n(&h->page_class[o->page], __ATOMIC_ACQUIRE); // span_make
    o->class = &inline_classes[o->span_class];
    o->at = offset % PAGE_BYTES;
    if (UNLIKELY(o->at >= o->class->limit_bytes))
        return o->span_class ? SPOT_NOWHERE : SPOT_BY_SPAN;
    o->index = (uint32_t)((uint64_t)o->at * o->class->div_magic >> 32);
    return SPOT_INLINE;
}

// Mark the object that an address lies in, if it lies in one, and queue it.
CORE_INLINE void shade(struct mheap *h, struct gcwork *w, char *p, bool alone, uint32_t spans)
{
    struct spot o;
    enum spot_kind kind = spot_find(h, p, &o);
    if (UNLIKELY(kind != SPOT_INLINE)) {
        if (kind == SPOT_BY_SPAN)
            shade_by_span(h, w, p, alone);
    } else if (mark_claim(page_marks(h, o.page), o.index, alone)) {
        uint64_t slot_bytes = o.class->slot_bytes;
        shaded(h, w, p - o.at + o.index * slot_bytes, slot_bytes, o.span_class & 1, o.index, alone,
               spans && slot_bytes <= spans);
    }
}

// Does a pointer lead to a free slot? Where objects may have been lost (gc->unsound) that is asked before each is shaded: a mark there
// would make an object of it. What mutators take from their windows meanwhile makes the answer a guess, in threads; such a heap has worse things.
static bool is_dangling(const struct mheap *h, const char *p)
{
    gcsim_span *s = span_of(h, p);
    return s && p < GCSIM_LOAD(&s->limit) && span_is_free(h, s, span_index(s, p));
}

CORE void mark_shade(struct mutator *m, void *p)
{
    struct mheap *h = mheap_of(m);
    if (LIKELY(!heap_of(h)->gc.unsound) || !is_dangling(h, p))
        shade(h, &m->work, p, false, h->queues_spans);
}

// What was stored is seen by whoever claims the mark after this look at it: both are changes of one word, one after the other.
static bool mark_is_set_by_now(gcsim_span *s, uint32_t index)
{
    return __atomic_fetch_or(s->marks + index / 64, 0, __ATOMIC_RELEASE) >> index % 64 & 1;
}

CORE bool mark_again(struct mutator *m, void *slot)
{
    struct mheap *h = mheap_of(m);
    gcsim_span *s = span_of(h, slot);
    if (!s || (char *)slot >= GCSIM_LOAD(&s->limit))
        return false;
    uint32_t index = span_index(s, slot);
    void *object = span_slot(s, index);
    const struct workbuf *last = m->work.current;
    if (mark_is_set_by_now(s, index) &&
        !(last && last->n && last->objects[last->n - 1] == object)) // waits already
        work_push(h, &m->work, object);
    return true;
}

// --- engines -----------------------------------------------------------------------------------------------------

// First in, first out: what waits for the cache lines that were asked for when it came.
struct ring {
    char *items[PREFETCH_DISTANCE];
    uint32_t oldest, n;
};
struct rings {
    struct ring found, grey; // pointers, for their mark bits; objects, for their first line
};

// The oldest in the ring; NULL: it is empty.
CORE_INLINE char *ring_pop(struct ring *r)
{
    if (!r->n)
        return NULL;
    char *item = r->items[r->oldest];
    r->oldest = (r->oldest + 1) % PREFETCH_DISTANCE;
    r->n--;
    return item;
}

// Returns the oldest, in whose place this one comes, or NULL while there is room.
CORE_INLINE char *ring_push(struct ring *r, char *item)
{
    if (UNLIKELY(r->n < PREFETCH_DISTANCE)) {
        r->items[(r->oldest + r->n++) % PREFETCH_DISTANCE] = item;
        return NULL;
    }
    char *old = r->items[r->oldest];
    r->items[r->oldest] = item;
    r->oldest = (r->oldest + 1) % PREFETCH_DISTANCE;
    return old;
}

// What a visit needs. An engine has a copy of its own, whose members are registers and constants to it.
struct marker {
    struct gcwork *work;
    struct rings *rings;
    bool alone;     // gc->alone
    uint32_t spans; // mheap->queues_spans
    scan_kernel scan;
};

CORE_INLINE void visit_slot(struct mheap *h, void **slot, struct marker *k, bool carefully)
{
    POINT(h, FIELD, arena_offset(h, slot), 0);
    void *p = GCSIM_LOAD(slot);
    if (p && !(carefully && is_dangling(h, p))) {
        k->work->pointers++;
        shade(h, k->work, p, k->alone, k->spans);
    }
}

CORE_INLINE void visit_now(struct mheap *h, void **slot, void *ctx)
{
    visit_slot(h, slot, ctx, false);
}

CORE_INLINE void visit_carefully(struct mheap *h, void **slot, void *ctx)
{
    visit_slot(h, slot, ctx, true);
}

// Asks for the mark bits where the page's number tells them, else for the span; for the object only if it turns out to be white.
CORE_INLINE void visit_later(struct mheap *h, void **slot, void *ctx)
{
    struct marker *k = ctx;
    char *p = GCSIM_LOAD(slot);
    uint64_t page = arena_offset(h, p) >> PAGE_SHIFT;
    if (UNLIKELY(page >= GCSIM_LOAD(&h->grown_pages)))
        return;
    k->work->pointers++;
    __builtin_prefetch(LIKELY(GCSIM_LOAD(&h->page_class[page]))
                           ? (void *)page_marks(h, page)
                           : &h->spans[GCSIM_LOAD(&h->page_span[page]) - (uint64_t)1]);
    char *old = ring_push(&k->rings->found, p);
    if (LIKELY(old))
        shade(h, k->work, old, k->alone, k->spans);
}

// All pointers found; false if there were none.
CORE_INLINE bool found_flush(struct mheap *h, struct marker *k)
{
    bool any = k->rings->found.n;
    for (char *p; (p = ring_pop(&k->rings->found));)
        shade(h, k->work, p, k->alone, k->spans);
    return any;
}

// A program stores the same few pointers often, and overwrites what it has just stored: who was among the last ones is passed over.
CORE void mark_shade_all(struct mutator *m, void *const *pointers, uint64_t n)
{
    enum { LAST = 32 };
    struct mheap *h = mheap_of(m);
    void *last[LAST] = {0};
    struct rings rings = {0};
    struct marker k = {.work = &m->work, .rings = &rings, .spans = h->queues_spans};
    uint64_t counted = m->work.pointers;
    for (uint64_t i = 0; i < n; i++) {
        void *p = pointers[i], **place = &last[(uintptr_t)p / 16 % LAST];
        if (*place == p)
            continue;
        *place = p;
        visit_later(h, &p, &k);
    }
    found_flush(h, &k);
    m->work.pointers = counted; // of those that a scan finds
}

// Marks of one word, set together: pointers that lie side by side often lead to neighbours, and a change of a shared word takes as long as all
// else that there is to do for an object.
struct bunch {
    uint64_t *word, bits; // NULL: none
    uint64_t page;
    uint32_t first; // index of the word's first object
    unsigned span_class;
};

// Those of the bits that were not set.
CORE_INLINE uint64_t bunch_claim(const struct bunch *b, bool alone)
{
    uint64_t old = GCSIM_LOAD(b->word), fresh = b->bits & ~old;
    if (fresh && !alone)
        return fresh & ~__atomic_fetch_or(b->word, fresh, __ATOMIC_SEQ_CST);
    if (fresh)
        GCSIM_STORE(b->word, old | fresh);
    return fresh;
}

CORE_INLINE void bunch_shade(struct mheap *h, struct marker *k, const struct bunch *b)
{
    struct gcwork *w = k->work;
    uint64_t fresh = b->word ? bunch_claim(b, k->alone) : 0, n = bits_count(fresh);
    if (!n)
        return;
    uint64_t slot_bytes = inline_classes[b->span_class].slot_bytes;
    w->bytes_marked += n * slot_bytes;
    w->objects_marked += n;
    if (b->span_class & 1)
        return;
    if (slot_bytes <= k->spans) {
        if (span_acquire(page_owner(h, b->page), n > 1, k->alone))
            spanq_push(h, &w->spans, &h->spans[b->page], b->first + bits_lowest(fresh));
        return;
    }
    for (char *base = h->arena + (b->page << PAGE_SHIFT); fresh; fresh &= fresh - 1)
        work_push(h, w, base + (b->first + bits_lowest(fresh)) * slot_bytes);
}

// What a kernel found, each a little after its mark bits were asked for. Behind `end` there is room for PREFETCH_DISTANCE more.
CORE_INLINE void shade_found(struct mheap *h, struct marker *k, char **found, char **end)
{
    struct bunch b = {0};
    k->work->pointers += (uint64_t)(end - found);
    for (uint32_t i = 0; i < PREFETCH_DISTANCE; i++)
        end[i] = h->arena;
    for (char **p = found; p < end; p++) {
        __builtin_prefetch(page_marks(h, arena_offset(h, p[PREFETCH_DISTANCE]) >> PAGE_SHIFT));
        struct spot o;
        enum spot_kind kind = spot_find(h, *p, &o);
        if (UNLIKELY(kind != SPOT_INLINE)) {
            if (kind == SPOT_BY_SPAN)
                shade_by_span(h, k->work, *p, k->alone);
            continue;
        }
        uint64_t *word = page_marks(h, o.page) + o.index / 64;
        if (word != b.word) {
            bunch_shade(h, k, &b);
            b = (struct bunch){word, 0, o.page, o.index / 64 * 64, o.span_class};
        }
        b.bits |= 1ull << o.index % 64;
    }
    bunch_shade(h, k, &b);
}

// A piece of a large array of pointers, page by page.
CORE_INLINE uint64_t scan_array(struct mheap *h, struct marker *k, const gcsim_span *s,
                                uint64_t from, uint64_t to)
{
    char *found[SCAN_ROOM + PREFETCH_DISTANCE];
    if (to > s->large_count * 8)
        to = s->large_count * 8;
    for (uint64_t at = from; at < to; at += PAGE_BYTES) {
        uint64_t masks[SCAN_MASKS] = {0}, words = (to - at) / 8;
        bits_fill(masks, 0, words < SCAN_WORDS ? words : SCAN_WORDS, true);
        shade_found(h, k, found, k->scan((char *const *)(void *)(s->base + at), masks, found));
    }
    return to - (from < to ? from : to);
}

// A large object, or a piece of it: its base queues its other pieces first.
CORE_INLINE uint64_t walk_piece(struct mheap *h, struct gcwork *w, gcsim_span *s, char *piece,
                                mark_visit visit, void *ctx)
{
    uint64_t from = (uint64_t)(piece - s->base), to = from + OBLET_BYTES;
    if (from == 0)
        for (uint64_t at = OBLET_BYTES; at < s->slot_bytes; at += OBLET_BYTES)
            work_push(h, w, s->base + at);
    to = to < s->slot_bytes ? to : s->slot_bytes;
    if (!GCSIM_STEPS && visit == visit_later && !marks_are_watched(h)) {
        const gcsim_type *t = __atomic_load_n(&s->large_type, __ATOMIC_ACQUIRE);
        if (t && t->bytes == 8)
            return scan_array(h, ctx, s, from, to);
    }
    return walk_object(h, s, s->base, from, to, visit, ctx);
}

// What the work buffers held. Of a small span only the first line is read.
CORE_INLINE void scan(struct mheap *h, struct gcwork *w, char *object, mark_visit visit, void *ctx)
{
    gcsim_span *s = &h->spans[GCSIM_LOAD(&h->page_span[arena_offset(h, object) >> PAGE_SHIFT]) - 1];
#if GCSIM_STEPS
    w->scanning = object;
#endif
    STEP(h, SCAN, work_mutator(w), arena_offset(h, s->slot_bytes32 ? object : s->base),
         s->slot_bytes);
    w->scan_work += LIKELY(s->heap_bits || s->slot_bytes32)
                        ? walk_object(h, s, object, 0, s->slot_bytes32, visit, ctx)
                        : walk_piece(h, w, s, object, visit, ctx);
#if GCSIM_STEPS
    w->scanning = NULL;
#endif
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
    if (GCSIM_LOAD(&gc->work.hungry) && !work_is_shared(h))
        work_share(h, &m->work);
    if (limit->done >= limit->work)
        return DRAIN_ENOUGH;
    ++*checks;
    if (limit->stopped)
        return *checks % POLL_CHECKS == 0 && world_interrupted(m, true) ? DRAIN_ABANDONED : DRAINED;
    if (world_wanted(h))
        return DRAIN_ENOUGH;
    bool late =
        limit->until_ns && *checks % CLOCK_CHECKS == 0 && rt_now_ns(&h->rt) >= limit->until_ns;
    return late ? DRAIN_ENOUGH : DRAINED;
}

// Something grey to scan; NULL: nothing is left here or shared. Prefetching, what comes from the buffers waits in the ring.
CORE_INLINE char *next_grey(struct mheap *h, struct marker *k, bool prefetching)
{
    if (!prefetching)
        return work_pop(h, k->work);
    for (char *object;;)
        if (LIKELY(work_is_here(k->work)) || // else what the rings hold, before others are asked
            (!k->rings->grey.n && !found_flush(h, k))) {
            if (!(object = work_pop(h, k->work)))
                return NULL;
            __builtin_prefetch(object);
            __builtin_prefetch(&h->spans[arena_offset(h, object) >> PAGE_SHIFT]);
            if (LIKELY((object = ring_push(&k->rings->grey, object))))
                return object;
        } else if ((object = ring_pop(&k->rings->grey))) {
            return object;
        }
}

// One object in the buffers and nothing in the rings: while its lines come there is nothing else to do.
CORE_INLINE bool is_alone_here(const struct marker *k)
{
    const struct workbuf *buf = k->work->current;
    return buf && buf->n == 1 && !k->rings->grey.n && !k->rings->found.n;
}

// What the rings hold becomes grey in the buffers, where others find it.
CORE_INLINE void rings_flush(struct mheap *h, struct marker *k)
{
    found_flush(h, k);
    for (char *object; (object = ring_pop(&k->rings->grey));)
        work_push(h, k->work, object);
}

// Scan until there is nothing or the limit says so. Each engine has two copies of its own, with its visit inlined.
CORE_INLINE enum drained drain_objects(struct mutator *m, struct drain *limit, struct marker *given,
                                       mark_visit visit, bool alone)
{
    struct mheap *h = mheap_of(m);
    struct marker k = *given;
    k.alone = alone;
    k.spans = 0;
    enum drained result = DRAINED;
    uint32_t checks = 0;
    char *object;
    while (result == DRAINED && (object = next_grey(h, &k, visit == visit_later))) {
        scan(h, k.work, object, visit, &k);
        if (UNLIKELY(k.work->scan_work >= CHECK_WORK))
            result = drain_check(m, limit, &checks);
    }
    rings_flush(h, &k);
    *given = k;
    return result;
}

static enum drained drain_field(struct mutator *m, struct drain *limit, struct marker *k)
{
    return k->alone ? drain_objects(m, limit, k, visit_now, true)
                    : drain_objects(m, limit, k, visit_now, false);
}

static enum drained drain_carefully(struct mutator *m, struct drain *limit, struct marker *k)
{
    return drain_objects(m, limit, k, visit_carefully, false);
}

static enum drained drain_prefetched(struct mutator *m, struct drain *limit, struct marker *k)
{
    return k->alone ? drain_objects(m, limit, k, visit_later, true)
                    : drain_objects(m, limit, k, visit_later, false);
}

// --- span by span --------------------------------------------------------------------------------------------------

enum {
    SPAN_BITS = SPAN_INLINE_MARKS_BYTES / 2 *
        8, // of marks, or of scans; the last byte is the owner
    SPAN_WORDS = SPAN_BITS / 64,
    FEW_OBJECTS = 8, // are scanned one by one
    MIXED_SPAN_SLOT_BYTES =
        32, // with larger slots visits find few objects: one by one they are marked faster
};

// What one visit of a span scans.
struct visit {
    gcsim_span *span;
    uint64_t objects[SPAN_WORDS]; // a bit for each
    uint32_t n;
};

// Marks become scans. What was not yet scanned is the visit's: others may set scan bits too, so only whoever sets one scans the object.
static void take_unscanned(struct visit *v, bool alone)
{
    uint64_t *marks = v->span->marks, *scans = span_scans(v->span);
    for (uint64_t w = 0; w < span_mark_words(v->span); w++) {
        uint64_t fresh = __atomic_load_n(&marks[w], __ATOMIC_SEQ_CST); // gc/spanq.h
        if (w == SPAN_WORDS - 1)
            fresh &= bits_low(SPAN_BITS - 8 - w * 64);
        uint64_t old = GCSIM_LOAD(&scans[w]);
        fresh &= ~old;
        if (fresh && alone)
            GCSIM_STORE(&scans[w], old | fresh);
        else if (fresh)
            fresh &= ~__atomic_fetch_or(&scans[w], fresh, __ATOMIC_RELAXED);
        v->objects[w] = fresh;
        v->n += bits_count(fresh);
    }
}

// The lines of single objects are asked for; where there are many, the processor sees that by itself.
CORE_INLINE void prefetch_objects(const struct visit *v)
{
    for (uint64_t w = 0; w < span_mark_words(v->span); w++)
        for (uint64_t bits = v->objects[w]; bits; bits &= bits - 1)
            __builtin_prefetch(v->span->base +
                               (w * 64ull + bits_lowest(bits)) * (uint64_t)v->span->slot_bytes32);
}

// Object by object; their pointers wait for their mark bits as they do in the engine `object`.
CORE_INLINE void scan_each(struct mheap *h, struct marker *k, const struct visit *v)
{
    prefetch_objects(v);
    for (uint64_t w = 0; w < span_mark_words(v->span); w++)
        for (uint64_t bits = v->objects[w]; bits; bits &= bits - 1) {
            char *base = span_slot(v->span, (uint32_t)w * 64 + bits_lowest(bits));
#if GCSIM_STEPS
            k->work->visited = v->span;
            memcpy(k->work->to_scan, v->objects, sizeof v->objects);
            memset(k->work->to_scan, 0, w * sizeof *v->objects);
            k->work->to_scan[w] = bits & (bits - 1);
#endif
            scan(h, k->work, base, GCSIM_STEPS ? visit_now : visit_later, k);
        }
#if GCSIM_STEPS
    k->work->visited = NULL;
#endif
}

// All at once: a kernel collects the pointers, whose mark bits are asked for a little before they are shaded.
CORE_INLINE void scan_many(struct mheap *h, struct marker *k, const struct visit *v)
{
    gcsim_span *s = v->span;
    uint64_t masks[SCAN_MASKS], ptrs;
    const uint64_t *bitmap = (const uint64_t *)(const void *)(s->base + s->heap_bits);
    char *pointers[SCAN_ROOM + PREFETCH_DISTANCE];
    if (v->n < s->nelems / 8u)
        prefetch_objects(v);
    bool uniform = uniform_ptrs(s, &ptrs);
    k->work->scan_work += v->n * (uniform ? 8 * (bits_highest(ptrs | 1) + 1ull) : s->slot_bytes);
    scan_expand(v->objects, s->nelems, s->slot_bytes32 / 8, masks);
    for (uint32_t w = 0; w < SCAN_MASKS; w++)
        masks[w] &= GCSIM_LOAD(&bitmap[w]);
    shade_found(h, k, pointers, k->scan((char *const *)(void *)s->base, masks, pointers));
}

// What was marked since the last visit (mgcmark_greenteagc.go:scanSpan). The object that it was queued for is read before the span is given
// up: who queues it next notes another.
CORE_INLINE void scan_span(struct mheap *h, struct marker *k, gcsim_span *s)
{
    uint32_t index = s->grey_slot;
    enum span_owner owner = span_release(page_owner(h, span_page(h, s)), k->alone);
    POINT(h, SCAN, arena_offset(h, s->base), 0);
    if (owner == SPAN_OWNED_FOR_ONE) {
        if (mark_claim(span_scans(s), index, k->alone))
            scan(h, k->work, span_slot(s, index), visit_now, k);
        return;
    }
    struct visit v = {.span = s};
    take_unscanned(&v, k->alone);
    if (v.n < FEW_OBJECTS || GCSIM_STEPS || marks_are_watched(h))
        scan_each(h, k, &v);
    else
        scan_many(h, k, &v);
}

// Grey objects first, as they come in few; then spans, for as long as possible without a look at what the rings hold: that asks for lines and
// does not wait for them.
CORE_INLINE enum drained drain_spans_as(struct mutator *m, struct drain *limit,
                                        struct marker *given, bool alone)
{
    struct mheap *h = mheap_of(m);
    struct marker k = *given;
    k.alone = alone;
    k.spans = h->queues_spans;
    enum drained result = DRAINED;
    uint32_t checks = 0;
    while (result == DRAINED) {
        gcsim_span *s = work_is_here(k.work) ? NULL : spanq_pop(h, &k.work->spans);
        char *object;
        if (s)
            scan_span(h, &k, s);
        else if (is_alone_here(&k))
            scan(h, k.work, work_pop(h, k.work), visit_now, &k);
        else if ((object = next_grey(h, &k, true)))
            scan(h, k.work, object, visit_later, &k);
        else if (!k.work->spans.first && !work_steal_spans(h, k.work))
            break;
        if (UNLIKELY(k.work->scan_work >= CHECK_WORK))
            result = drain_check(m, limit, &checks);
    }
    rings_flush(h, &k);
    *given = k;
    return result;
}

static enum drained drain_spans(struct mutator *m, struct drain *limit, struct marker *k)
{
    return k->alone ? drain_spans_as(m, limit, k, true) : drain_spans_as(m, limit, k, false);
}

// --- the choice of an engine ---------------------------------------------------------------------------------------

// An engine: how a pointer that was found is treated, and how what is grey is worked off.
static const struct mark_engine {
    mark_visit visit;
    enum drained (*drain)(struct mutator *m, struct drain *limit, struct marker *k);
} mark_engines[] =
    {
        [GCSIM_MARK_FIELD] = {visit_now, drain_field},
        [GCSIM_MARK_OBJECT] = {visit_later, drain_prefetched},
        [GCSIM_MARK_SPAN] = {visit_later, drain_spans},
    },
  careful_engine = {visit_carefully, drain_carefully};

CORE void mark_choose_engine(struct mheap *h, uint32_t engine)
{
    struct gc *gc = &heap_of(h)->gc;
    gc->mark_engine = engine;
    uint32_t bytes = engine == GCSIM_MARK_SPAN    ? MAX_HEAP_BITS_SLOT_BYTES
                     : engine == GCSIM_MARK_MIXED ? MIXED_SPAN_SLOT_BYTES
                                                  : 0;
    h->queues_spans = h->green_tea && !gc->unsound && !gc->conservative_stacks ? bytes : 0;
    gc->scan = scan_choose();
}

static const struct mark_engine *engine_of(const struct mheap *h)
{
    const struct gc *gc = &heap_of((struct mheap *)(uintptr_t)h)->gc;
    if (gc->unsound || gc->conservative_stacks)
        return &careful_engine;
    return h->queues_spans ? &mark_engines[GCSIM_MARK_SPAN]
           : gc->mark_engine == GCSIM_MARK_FIELD
               ? &mark_engines[GCSIM_MARK_FIELD]
               : &mark_engines[GCSIM_MARK_OBJECT]; // for no span has inline mark bits
}

static struct marker marker_of(struct mutator *m, struct rings *rings)
{
    struct mheap *h = mheap_of(m);
    return (struct marker){.work = &m->work,
                           .rings = rings,
                           .alone = heap_of(h)->gc.alone,
                           .spans = h->queues_spans,
                           .scan = heap_of(h)->gc.scan};
}

CORE enum drained mark_drain(struct mutator *m, struct drain *limit)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    const struct mark_engine *engine = engine_of(h);
    struct rings rings = {0};
    struct marker k = marker_of(m, &rings);
    enum drained result = DRAINED;
    if (gc->stacks_wait == GCSIM_STACKS_FIRST)
        return DRAINED;
    __atomic_fetch_add(&gc->draining, 1, __ATOMIC_RELAXED);
    uint64_t pointers = m->work.pointers;
    while (result == DRAINED && roots_next(m, engine->visit, &k))
        if (!limit->stopped && world_wanted(h))
            result = DRAIN_ENOUGH;
    count_add(&gc->root_slots, m->work.pointers - pointers);
    if (result == DRAINED)
        result = engine->drain(m, limit, &k);
    else
        rings_flush(h, &k);
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
    struct rings rings = {0};
    struct marker k = marker_of(m, &rings);
    roots_visit_stopped(h, engine_of(h)->visit, &k);
    rings_flush(h, &k);
    gc->root_slots = m->work.pointers;
}

// Frames of one owner, or of all. Work is queued for `m`.
static void mark_frames(struct mutator *m, const struct mutator *owner)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    struct rings rings = {0};
    struct marker k = marker_of(m, &rings);
    uint64_t pointers = m->work.pointers;
    roots_visit_frames(h, owner, engine_of(h)->visit, &k);
    rings_flush(h, &k);
    count_add(&gc->root_slots, m->work.pointers - pointers);
}

CORE void mark_stacks(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    if (!m->stacks_grey)
        return;
    STEP(h, STACKS, m->pub.id, 0, m->pub.id);
    mark_frames(m, m);
    m->stacks_grey = false;
}

CORE void mark_all_stacks(struct mutator *m) { mark_frames(m, NULL); }

CORE void mark_stack(struct mutator *m, gcsim_goroutine *g)
{
    struct mheap *h = mheap_of(m);
    struct rings rings = {0};
    struct marker k = marker_of(m, &rings);
    uint64_t pointers = m->work.pointers;
    goroutine_visit(h, g, engine_of(h)->visit, &k);
    rings_flush(h, &k);
    count_add(&heap_of(h)->gc.root_slots, m->work.pointers - pointers);
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
    mark_visit visit = engine_of(h)->visit;
    for (uint32_t i = 0; i < s->nelems; i++)
        if (mark_is_set(s, i))
            walk_object(h, s, span_slot(s, i), 0, s->slot_bytes, visit, k);
    specials_rescan(h, s, visit, k);
}

CORE bool mark_rescan(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    if (!gc->work.overflow)
        return false;
    gc->work.overflow = false;
    gc->rescans++;
    struct rings rings = {0};
    struct marker k = marker_of(m, &rings);
    each_object_span(h, rescan_span, &k);
    rings_flush(h, &k);
    return true;
}

static void mark_all_slots(struct mheap *h, gcsim_span *s, struct marker *k)
{
    for (uint32_t i = 0; i < s->nelems; i++)
        if (!span_is_free(h, s, i) && mark_claim(s->marks, i, true)) {
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
    if (s->inline_marks) {
        memset(span_scans(s), 0, SPAN_INLINE_MARKS_BYTES / 2);
        *page_owner(h, span_page(h, s)) = SPAN_FREE;
    }
}

CORE void mark_abandon(struct mheap *h)
{
    work_discard(h);
    each_object_span(h, clear_marks, NULL);
}
