// Rules 7 to 41, 54 and 55: pages, spans, central lists, mutators, and the numbers that follow from them.
#include "watch/verify_parts.h"

#include "alloc/mcache.h"
#include "alloc/scavenge.h"
#include "base/os.h"
#include "watch/stats.h"

// --- pages -------------------------------------------------------------------------------------------------------

// Mutators that can be followed: on the list once, in the records, of this heap.
static void check_mutators(struct verify *v)
{
    struct mheap *h = v->h;
    uint64_t n = 0, most = h->meta.used / sizeof(struct mutator) + 1;
    for (struct mutator *m = h->mutators; m; m = m->next) {
        if (!HOLDS(v, MUTATORS, verify_is_record(h, m, sizeof *m) && ++n <= most,
                   "the list of mutators is broken"))
            return;
        HOLDS(v, MUTATORS, m->pub.heap == heap_of(h) && m->pub.stop == &h->stop && m->attached,
              "mutator %u is not of this heap", m->pub.id);
        HOLDS(v, MUTATORS,
              m->pub.id <= h->next_mutator_id && (!m->next || m->next->pub.id < m->pub.id),
              "number %u is not in order", m->pub.id);
#if GCSIM_STEPS
        for (unsigned spc = 0; spc < NUM_SPAN_CLASSES; spc++)
            HOLDS(v, MUTATORS, m->pub.alloc[spc] == &h->full_span && m->pub.barrier,
                  "mutator %u: an inline path is open", m->pub.id);
#endif
    }
}

static void check_page_cache(struct verify *v, const struct mutator *m)
{
    struct mheap *h = v->h;
    const struct pagecache *c = &m->pages;
    if (!c->cache) {
        HOLDS(v, PAGE_CACHE, !c->scav, "mutator %u: an empty cache has scavenged pages", m->pub.id);
        return;
    }
    if (!HOLDS(v, PAGE_CACHE,
               c->base % 64 == 0 && c->base + 64 <= h->grown_pages && !(c->scav & ~c->cache),
               "mutator %u: cache at page %llu, %llx, scavenged %llx", m->pub.id, (ull)c->base,
               (ull)c->cache, (ull)c->scav))
        return;
    for (unsigned i = 0; i < 64; i++)
        if (c->cache >> i & 1)
            v->claimed[c->base + i]++;
    v->cached_pages += bits_count(c->cache);
    v->cached_released += bits_count(c->scav);
}

// The span at `page`, and what the table says of its pages.
static void check_span_pages(struct verify *v, uint64_t page)
{
    struct mheap *h = v->h;
    const gcsim_span *s = &h->spans[page];
    if (!HOLDS(v, PAGE_TABLE,
               h->page_span[page] == page + 1 && s->state != GCSIM_SPAN_DEAD && s->npages &&
                   s->npages <= h->grown_pages - page && s->base == h->arena + page * PAGE_BYTES,
               "page %llu: table names page %u, span of %u pages in state %u", (ull)page,
               h->page_span[page] - 1, s->npages, s->state))
        return;
    for (uint64_t i = page; i < page + s->npages; i++) {
        HOLDS(v, PAGE_TABLE, h->page_span[i] == page + 1,
              "page %llu of the span at %llu: table names page %u", (ull)i, (ull)page,
              h->page_span[i] - 1);
        HOLDS(v, PAGE_TABLE, h->page_class[i] == (s->inline_marks ? s->span_class : 0),
              "page %llu of the span at %llu: class %u", (ull)i, (ull)page, h->page_class[i]);
        HOLDS(v, PAGE_OWNER, !pagealloc_is_free(&h->pages, i),
              "page %llu of the span at %llu is free", (ull)i, (ull)page);
        HOLDS(v, PAGE_OWNER, !v->claimed[i], "page %llu of the span at %llu is in a page cache",
              (ull)i, (ull)page);
        HOLDS(v, DEAD_SPAN, i == page || h->spans[i].state == GCSIM_SPAN_DEAD,
              "inside the span at %llu, at page %llu", (ull)page, (ull)i);
    }
    v->spans++;
    v->bytes[s->state == GCSIM_SPAN_MANUAL && s->purpose <= GCSIM_MANUAL_BATCH ? s->purpose : 0] +=
        (uint64_t)s->npages * PAGE_BYTES;
}

static void check_page_bytes(struct verify *v)
{
    struct mheap *h = v->h;
    const struct page_bytes *b = &h->bytes;
    const struct {
        const char *name;
        uint64_t counted, found;
    } uses[] = {
        {"objects", b->in_use, v->bytes[0]},
        {"stacks", b->stacks, v->bytes[GCSIM_MANUAL_STACK]},
        {"work buffers", b->workbufs, v->bytes[GCSIM_MANUAL_WORKBUF]},
        {"batches", b->batches, v->bytes[GCSIM_MANUAL_BATCH]},
        {"free", b->free,
         (h->pages.free_pages - h->pages.scavenged_pages + v->cached_pages - v->cached_released) *
             PAGE_BYTES},
        {"released", b->released, (h->pages.scavenged_pages + v->cached_released) * PAGE_BYTES},
    };
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
        sum += uses[i].counted;
        HOLDS(v, PAGE_BYTES, uses[i].counted == uses[i].found, "%s: %llu counted, %llu found",
              uses[i].name, (ull)uses[i].counted, (ull)uses[i].found);
    }
    HOLDS(v, PAGE_BYTES, sum == h->grown_pages * PAGE_BYTES,
          "they sum to %llu, %llu pages are grown", (ull)sum, (ull)h->grown_pages);
    HOLDS(v, SPAN_COUNT, h->spans_in_use == v->spans, "%llu counted, %llu found",
          (ull)h->spans_in_use, (ull)v->spans);
}

CORE void verify_pages(struct verify *v)
{
    struct mheap *h = v->h;
    check_mutators(v);
    if (v->broken)
        return;
    char why[160];
    HOLDS(v, PAGEALLOC, pagealloc_check(&h->pages, why, sizeof why), "%s", why);
    HOLDS(v, PAGEALLOC,
          (uint64_t)h->pages.end_chunk * CHUNK_PAGES == h->grown_pages &&
              h->pages.range_count == (h->grown_pages != 0),
          "%u chunks, %llu pages grown", h->pages.end_chunk, (ull)h->grown_pages);
    if (v->broken)
        return;
    HOLDS(v, SCAV_INDEX, scav_index_check(&h->pages, h->scavenger.min_pages, why, sizeof why), "%s",
          why);
    for (struct mutator *m = h->mutators; m; m = m->next)
        check_page_cache(v, m);
    for (uint64_t page = 0; page < h->grown_pages && !v->broken;) {
        if (h->page_span[page]) {
            check_span_pages(v, page);
            page += h->spans[page].npages;
            continue;
        }
        HOLDS(v, PAGE_TABLE, !h->page_class[page], "page %llu without a span: class %u", (ull)page,
              h->page_class[page]);
        bool free = pagealloc_is_free(&h->pages, page);
        HOLDS(v, PAGE_OWNER, free + v->claimed[page] == 1, "page %llu has %d owners", (ull)page,
              free + v->claimed[page]);
        HOLDS(v, DEAD_SPAN,
              h->spans[page].state == GCSIM_SPAN_DEAD &&
                  h->spans[page].limit == h->spans[page].base,
              "at page %llu, where no span is", (ull)page);
        page++;
    }
    if (!v->broken)
        check_page_bytes(v);
    memset(v->claimed, 0, h->grown_pages); // from here on: spans claimed by roots
}

// --- spans -------------------------------------------------------------------------------------------------------

static ull page_of(const struct verify *v, const gcsim_span *s) { return (ull)(s - v->h->spans); }

static void check_manual(struct verify *v, const gcsim_span *s)
{
    HOLDS(v, SPAN_STATE,
          s->purpose >= GCSIM_MANUAL_STACK &&
              s->purpose <= (v->h->efence ? GCSIM_MANUAL_FENCE : GCSIM_MANUAL_BATCH),
          "manual span at %llu for purpose %u", page_of(v, s), s->purpose);
    HOLDS(v, SPAN_STATE,
          !s->nelems && !s->specials && s->limit == s->base && !s->marks && !s->loaded && !s->free,
          "manual span at %llu has slots or specials", page_of(v, s));
}

static const char *marks_of_page(const struct verify *v, const gcsim_span *s)
{
    uint64_t page = (uint64_t)(s - v->h->spans);
    return s->inline_marks ? world_at(v->h->world, REGION_INLINE_MARKS) + page * 64
                           : world_at(v->h->world, REGION_MARK_BITS) + page * MARK_BYTES_PER_PAGE;
}

static bool check_large(struct verify *v, const gcsim_span *s)
{
    uint64_t bytes = (uint64_t)(s->limit - s->base), span_bytes = (uint64_t)s->npages * PAGE_BYTES;
    bool noscan = s->span_class & 1;
    bool ok = HOLDS(v, GEOMETRY,
                    s->nelems == 1 && s->slot_bytes == span_bytes && !s->slot_bytes32 &&
                        !s->div_magic && !s->heap_bits && !s->inline_marks,
                    "large span at %llu", page_of(v, s));
    ok &= HOLDS(v, GEOMETRY, (const char *)s->marks == marks_of_page(v, s),
                "marks of the large span at %llu", page_of(v, s));
    ok &= HOLDS(v, LARGE,
                (bytes > MAX_SMALL_BYTES || v->h->efence) && bytes <= span_bytes &&
                    span_bytes - bytes < PAGE_BYTES,
                "object of %llu bytes in the span at %llu of %llu", (ull)bytes, page_of(v, s),
                (ull)span_bytes);
    if (noscan)
        return HOLDS(v, LARGE, !s->large_type && !s->large_count,
                     "pointer-free span at %llu has a type", page_of(v, s)) &&
               ok;
    const gcsim_type *t = s->large_type;
    bool known = verify_is_record(v->h, t, sizeof *t) && t->id < v->h->types.ntypes &&
                 v->h->types.by_id[t->id] == t;
    return HOLDS(v, LARGE, known && t->ptr_bytes && t->bytes * s->large_count == bytes,
                 "type of the span at %llu", page_of(v, s)) &&
           ok;
}

static bool check_geometry(struct verify *v, const gcsim_span *s)
{
    unsigned c = s->span_class / 2;
    if (!HOLDS(v, SPAN_STATE,
               s->state == GCSIM_SPAN_IN_USE && s->purpose == 0 && s->span_class < NUM_SPAN_CLASSES,
               "span at %llu: state %u, purpose %u, class %u", page_of(v, s), s->state, s->purpose,
               s->span_class))
        return false;
    if (c == LARGE_SIZE_CLASS)
        return check_large(v, s);
    struct span_geometry g = span_geometry(c, s->span_class & 1, v->h->green_tea);
    return HOLDS(v, GEOMETRY,
                 s->npages == size_class_pages[c] && s->slot_bytes == size_class_slot_bytes[c] &&
                     s->slot_bytes32 == s->slot_bytes && s->div_magic == size_class_div_magic[c] &&
                     s->nelems == g.nelems && s->limit == s->base + g.limit_bytes &&
                     s->heap_bits == (g.heap_bits_offset == NO_OFFSET ? 0 : g.heap_bits_offset) &&
                     s->inline_marks ==
                         (g.inline_marks_offset == NO_OFFSET ? 0 : g.inline_marks_offset) &&
                     (const char *)s->marks == marks_of_page(v, s) && s->mixed <= 1 &&
                     (s->mixed || c != 1 || s->span_class & 1) && !s->large_type &&
                     (s->inline_marks || !s->large_count),
                 "span at %llu of class %u", page_of(v, s), s->span_class);
}

static bool bit_at(const void *bits, uint64_t i)
{
    return ((const uint8_t *)bits)[i / 8] >> i % 8 & 1;
}

static void check_window(struct verify *v, const gcsim_span *s)
{
    const uint64_t *alloc = (const uint64_t *)(world_at(v->h->world, REGION_ALLOC_BITS) +
                                               (s - v->h->spans) * MARK_BYTES_PER_PAGE);
    bool cached = s->sweepgen == v->h->sweepgen + 3;
    HOLDS(v, WINDOW,
          s->free_index <= s->nelems && !(s->free & ~s->loaded) && (cached || !s->loaded),
          "span at %llu: free index %u of %u, window %llx of %llx", page_of(v, s), s->free_index,
          s->nelems, (ull)s->free, (ull)s->loaded);
    if (!s->loaded)
        return;
    uint32_t end = s->free_index; // before the next slot that is sampled, if that is among the 64
    if (!HOLDS(v, WINDOW,
               s->window_index % 64 == 0 && s->window_index < end && end - s->window_index <= 64 &&
                   s->window == s->base + s->window_index * s->slot_bytes,
               "span at %llu: window of slot %u, free index %u", page_of(v, s), s->window_index,
               s->free_index))
        return;
    HOLDS(v, WINDOW,
          !(s->loaded & alloc[s->window_index / 64]) &&
              !(s->loaded & ~bits_low(end - s->window_index)),
          "span at %llu: the window of slot %u has slots that were not free", page_of(v, s),
          s->window_index);
    uint64_t taken = s->loaded & ~s->free;
    HOLDS(v, WINDOW, !taken || !s->free || bits_highest(taken) < bits_lowest(s->free),
          "span at %llu: taken %llx, free %llx", page_of(v, s), (ull)taken, (ull)s->free);
}

// Reads what has been zeroed: nothing else of a free slot may be touched (AddressSanitizer).
static bool slot_is_zero(const gcsim_span *s, uint32_t index)
{
    const char *slot = s->base + index * s->slot_bytes;
    return !slot[0] && !memcmp(slot, slot + 1, s->slot_bytes - 1);
}

static bool slot_has_bits(const gcsim_span *s, uint32_t index, uint64_t bits)
{
    uint64_t words = s->slot_bytes / 8;
    for (uint64_t word = 0; word < words; word++)
        if (bit_at(s->base + s->heap_bits, index * words + word) != (bits >> word & 1))
            return false;
    return true;
}

static void check_slots(struct verify *v, const gcsim_span *s, uint32_t *in_use)
{
    bool bitmap = s->heap_bits && s->slot_bytes > 8;
    for (uint32_t i = 0; i < s->nelems; i++) {
        bool allocated = verify_allocated(v->h, s, i);
        *in_use += allocated;
        if (!allocated && s->loaded && i >= s->window_index && i < s->free_index)
            HOLDS(v, WINDOW_ZERO,
                  (s->slot_bytes > 1024 || slot_is_zero(s, i)) &&
                      (!bitmap || slot_has_bits(s, i, s->window_ptrs)),
                  "slot %u of the span at %llu", i, page_of(v, s));
        else
            HOLDS(v, UNIFORM, !bitmap || s->mixed || slot_has_bits(s, i, s->window_ptrs),
                  "slot %u of the span at %llu has not the bits %llx", i, page_of(v, s),
                  (ull)s->window_ptrs);
        if (!allocated && !s->needzero)
            HOLDS(v, FRESH, slot_is_zero(s, i), "slot %u of the span at %llu", i, page_of(v, s));
    }
}

static void check_counts(struct verify *v, const gcsim_span *s, uint32_t in_use)
{
    uint32_t counted_in = s->alloc_count + bits_count(s->loaded & ~s->free);
    HOLDS(v, ALLOC_COUNT, counted_in == in_use, "span at %llu: %u counted, %u slots in use",
          page_of(v, s), counted_in, in_use);
    bool cached = s->sweepgen == v->h->sweepgen + 3;
    HOLDS(v, COUNTED, cached ? s->counted <= in_use : s->counted == in_use,
          "span at %llu: %u of %u", page_of(v, s), s->counted, in_use);
}

static void check_bits(struct verify *v, const gcsim_span *s)
{
    const char *alloc =
        world_at(v->h->world, REGION_ALLOC_BITS) + (s - v->h->spans) * MARK_BYTES_PER_PAGE;
    for (uint32_t i = s->nelems; i < MARK_BYTES_PER_PAGE * 8; i++)
        if (!HOLDS(v, ALLOC_BITS, !bit_at(alloc, i), "slot %u of the span at %llu, which has %u", i,
                   page_of(v, s), s->nelems))
            break;
    if (s->heap_bits && s->slot_bytes == 8)
        for (unsigned i = 0; i < SPAN_HEAP_BITS_BYTES; i++)
            HOLDS(v, POINTER_BITS, (uint8_t)s->base[s->heap_bits + i] == 0xff,
                  "span at %llu of pointers, byte %u", page_of(v, s), i);
    else if (s->heap_bits)
        for (uint64_t i = (uint64_t)(s->limit - s->base) / 8; i < SPAN_HEAP_BITS_BYTES * 8; i++)
            HOLDS(v, POINTER_BITS, !bit_at(s->base + s->heap_bits, i), "span at %llu, word %llu",
                  page_of(v, s), (ull)i);
}

// In the middle of a cycle marks may be anywhere; that they are right is rules 51 and 52.
static void check_marks(struct verify *v, const gcsim_span *s)
{
    bool waits = s->sweepgen == v->h->sweepgen - 2 || v->phase == CYCLE_MARKED;
    uint32_t room = s->inline_marks ? 64 * 8 : MARK_BYTES_PER_PAGE * 8;
    for (uint32_t i = 0; i < room; i++)
        if (verify_marked(v->h, s, i))
            HOLDS(v, MARKS, waits && i < s->nelems && verify_allocated(v->h, s, i),
                  "slot %u of the span at %llu (sweepgen %d)", i, page_of(v, s),
                  (int)(s->sweepgen - v->h->sweepgen));
    for (unsigned i = 0; s->inline_marks && i < 64; i++)
        HOLDS(v, INLINE_SCANS, waits || !s->base[s->inline_marks + i], "span at %llu, byte %u",
              page_of(v, s), i);
}

static void check_headers(struct verify *v, const gcsim_span *s)
{
    if (s->span_class & 1 || s->slot_bytes32 <= MAX_HEAP_BITS_SLOT_BYTES)
        return;
    const struct types *types = &v->h->types;
    for (uint32_t i = 0; i < s->nelems; i++) {
        if (!verify_live(v->h, s, i))
            continue;
        const gcsim_type *t =
            *(const gcsim_type *const *)(const void *)(s->base + i * s->slot_bytes);
        bool known = verify_is_record(v->h, t, sizeof *t) && t->id < types->ntypes &&
                     types->by_id[t->id] == t;
        if (!HOLDS(v, HEADER, known && t->ptr_bytes && t->bytes <= s->slot_bytes - 8,
                   "slot %u of the span at %llu", i, page_of(v, s)))
            continue;
        // As many elements as fit: had it been fewer, they would still have come to this class.
        uint64_t most = (s->slot_bytes - 8) / t->bytes * t->bytes;
        struct sizeclass_rule rule = sizeclass_resolve(most, false);
        HOLDS(v, HEADER, most > 512 && rule.size_class == s->span_class / 2,
              "slot %u of the span at %llu: elements of %llu bytes in a slot of %llu", i,
              page_of(v, s), (ull)t->bytes, (ull)s->slot_bytes);
    }
}

// What heap_live counts of a span: its live slots, or all of it while it is cached (mcache.go:refill).
static void add_up(struct verify *v, const gcsim_span *s, uint32_t in_use)
{
    v->slots[s->span_class / 2] += in_use;
    v->slot_bytes += in_use * s->slot_bytes;
    if (s->sweepgen == v->h->sweepgen + 3)
        v->live_floor += (uint64_t)s->npages * PAGE_BYTES;
    else
        for (uint32_t i = 0; i < s->nelems; i++)
            v->live_floor += verify_live(v->h, s, i) ? s->slot_bytes : 0;
}

static void check_span(struct verify *v, gcsim_span *s)
{
    if (s->state == GCSIM_SPAN_MANUAL) {
        check_manual(v, s);
        return;
    }
    if (!check_geometry(v, s))
        return;
    struct mheap *h = v->h;
    HOLDS(v, SWEEPGEN,
          s->sweepgen == h->sweepgen || s->sweepgen == h->sweepgen - 2 ||
              s->sweepgen == h->sweepgen + 3,
          "span at %llu: %d", page_of(v, s), (int)(s->sweepgen - h->sweepgen));
    uint32_t in_use = 0;
    check_window(v, s);
    check_slots(v, s, &in_use);
    check_counts(v, s, in_use);
    check_bits(v, s);
    check_marks(v, s);
    check_headers(v, s);
    add_up(v, s, in_use);
}

CORE void verify_spans(struct verify *v)
{
    struct mheap *h = v->h;
    for (uint64_t page = 0; page < h->grown_pages;
         page += h->page_span[page] ? h->spans[page].npages : 1)
        if (h->page_span[page])
            check_span(v, &h->spans[page]);
}

// --- lists and caches --------------------------------------------------------------------------------------------

static void check_list(struct verify *v, unsigned spc, const struct span_list *list, bool full,
                       unsigned side)
{
    struct mheap *h = v->h;
    uint32_t last = 0;
    uint64_t n = 0;
    for (uint32_t at = list->head; at; at = h->spans[at - 1].next) {
        bool inside = at <= h->grown_pages && h->page_span[at - 1] == at && n < list->count &&
                      h->spans[at - 1].before == last;
        if (!HOLDS(v, LIST, inside && h->spans[at - 1].span_class == spc,
                   "class %u: entry %llu of %llu is page %u", spc, (ull)n, (ull)list->count,
                   at - 1))
            return;
        v->listed[at - 1] += v->listed[at - 1] < 2;
        v->list_place[at - 1] = (uint8_t)(full | (side == (h->sweepgen >> 1 & 1)) << 1);
        last = at;
        n++;
    }
    HOLDS(v, LIST, n == list->count && last == list->tail,
          "class %u: %llu spans of %llu, the last is %u, the tail %u", spc, (ull)n,
          (ull)list->count, last, list->tail);
}

static void check_cached(struct verify *v, struct mutator *m, unsigned spc)
{
    struct mheap *h = v->h;
    const gcsim_span *s = mcache_spans(m)[spc];
    if (s == &h->full_span)
        return;
    bool inside = s >= h->spans && s < h->spans + h->grown_pages &&
                  (uintptr_t)((const char *)s - (const char *)h->spans) % sizeof *s == 0 &&
                  h->page_span[s - h->spans] == s - h->spans + 1;
    if (!HOLDS(v, CACHED,
               inside && s->span_class == spc && s->sweepgen == h->sweepgen + 3 && spc >= 2,
               "mutator %u, class %u", m->pub.id, spc))
        return;
    v->cached[s - h->spans] += v->cached[s - h->spans] < 2;
}

static void check_tiny(struct verify *v, const struct mutator *m)
{
    if (!m->tiny)
        return;
    struct located at = verify_locate(v->h, m->tiny);
    HOLDS(v, TINY,
          at.place == PLACE_OBJECT && at.span->span_class == TINY_SPAN_CLASS &&
              m->tiny == at.span->base + at.index * TINY_BYTES && m->tiny_offset <= TINY_BYTES,
          "mutator %u: %llu bytes used", m->pub.id, (ull)m->tiny_offset);
}

static void check_membership(struct verify *v, const gcsim_span *s)
{
    struct mheap *h = v->h;
    uint64_t page = (uint64_t)(s - h->spans);
    bool object = s->state == GCSIM_SPAN_IN_USE, cached = object && s->sweepgen == h->sweepgen + 3;
    HOLDS(v, CACHED, v->cached[page] == cached, "the span at %llu, sweepgen %d, is in %u caches",
          (ull)page, (int)(s->sweepgen - h->sweepgen), v->cached[page]);
    HOLDS(v, LIST_MEMBER, v->listed[page] == (object && !cached), "the span at %llu is on %u lists",
          (ull)page, v->listed[page]);
    if (!object || cached || v->listed[page] != 1)
        return;
    bool full = v->list_place[page] & 1, swept = v->list_place[page] & 2;
    HOLDS(v, LIST_SIDE,
          swept == (s->sweepgen == h->sweepgen) && full == (s->alloc_count == s->nelems),
          "the span at %llu, sweepgen %d, %u of %u slots in use, is among the %s %s", (ull)page,
          (int)(s->sweepgen - h->sweepgen), s->alloc_count, s->nelems, swept ? "swept" : "unswept",
          full ? "full" : "partial");
    HOLDS(v, SWEEP_CLASS,
          swept || s->span_class >= heap_of(h)->gc.sweep_class || v->phase == CYCLE_MARKED,
          "the span at %llu of class %u waits, position %u", (ull)page, s->span_class,
          heap_of(h)->gc.sweep_class);
}

CORE void verify_lists(struct verify *v)
{
    struct mheap *h = v->h;
    for (unsigned spc = 0; spc < NUM_SPAN_CLASSES; spc++)
        for (unsigned side = 0; side < 2; side++) {
            check_list(v, spc, &h->central[spc].partial[side], false, side);
            check_list(v, spc, &h->central[spc].full[side], true, side);
        }
    for (struct mutator *m = h->mutators; m; m = m->next) {
        for (unsigned spc = 0; spc < NUM_SPAN_CLASSES; spc++)
            check_cached(v, m, spc);
        check_tiny(v, m);
    }
    for (uint64_t page = 0; page < h->grown_pages;
         page += h->page_span[page] ? h->spans[page].npages : 1)
        if (h->page_span[page])
            check_membership(v, &h->spans[page]);
    gcsim_span full = {.sweepgen = h->full_span.sweepgen};
    HOLDS(v, FULL_SPAN, memcmp(&full, &h->full_span, sizeof full) == 0,
          "window %llx of %llx, %u slots", (ull)h->full_span.free, (ull)h->full_span.loaded,
          h->full_span.nelems);
}

// --- numbers -----------------------------------------------------------------------------------------------------

// golden/memstats-fields.csv lists the identities that Go's MemStats obey.
static void check_memstats(struct verify *v, const gcsim_memstats *s)
{
    struct mheap *h = v->h;
    uint64_t committed = h->grown_pages * PAGE_BYTES, pauses = 0, allocated = 0;
    for (int r = 0; r < WORLD_REGIONS; r++)
        committed += r == REGION_ARENA ? 0 : world_committed(h->world, (enum world_region)r);
    uint64_t stacks = world_committed(h->world, REGION_COROUTINES); // workers may be starting
    for (unsigned i = 0; i < 256; i++)
        pauses += s->pause_ns[i];
    for (unsigned i = 0; i < 61; i++)
        allocated += s->by_size[i].mallocs;
    const struct {
        const char *identity;
        bool holds;
    } identities[] = {
        {"Alloc == HeapAlloc", s->alloc == s->heap_alloc},
        {"HeapAlloc <= HeapInuse", s->heap_alloc <= s->heap_inuse},
        {"Alloc <= TotalAlloc", s->alloc <= s->total_alloc},
        {"Sys == HeapSys + StackSys + MSpanSys + MCacheSys + BuckHashSys + GCSys + OtherSys",
         s->sys == s->heap_sys + s->stack_sys + s->mspan_sys + s->mcache_sys + s->buck_hash_sys +
                       s->gc_sys + s->other_sys},
        {"Sys is what the world has committed",
         s->sys <= committed && s->sys >= committed - stacks},
        {"Lookups == 0", s->lookups == 0},
        {"Frees <= Mallocs", s->frees <= s->mallocs},
        {"HeapObjects == Mallocs - Frees", s->heap_objects == s->mallocs - s->frees},
        {"HeapSys == HeapIdle + HeapInuse", s->heap_sys == s->heap_idle + s->heap_inuse},
        {"HeapReleased <= HeapIdle", s->heap_released <= s->heap_idle},
        {"StackInuse <= StackSys", s->stack_inuse <= s->stack_sys},
        {"MSpanInuse <= MSpanSys", s->mspan_inuse <= s->mspan_sys},
        {"MCacheInuse <= MCacheSys", s->mcache_inuse <= s->mcache_sys},
        {"LastGC == PauseEnd[(NumGC+255)%256]",
         s->last_gc == (s->num_gc ? s->pause_end[(s->num_gc + 255) % 256] : 0)},
        {"PauseTotalNs == sum(PauseNs)",
         s->num_gc < 256 ? s->pause_total_ns == pauses : s->pause_total_ns >= pauses},
        {"NumForcedGC <= NumGC", s->num_forced_gc <= s->num_gc},
        {"0 <= GCCPUFraction <= 1", s->gc_cpu_fraction >= 0 && s->gc_cpu_fraction <= 1},
        {"EnableGC", s->enable_gc == 1 && s->debug_gc == 0},
        {"sum(BySize.Mallocs) <= Mallocs", allocated <= s->mallocs},
        {"mappedReady == Sys - HeapReleased", mheap_mapped_ready(h) == s->sys - s->heap_released},
        {"NextGC is the goal", s->next_gc == heap_of(h)->gc.goal},
    };
    for (size_t i = 0; i < sizeof identities / sizeof *identities; i++)
        HOLDS(v, MEMSTATS, identities[i].holds, "%s", identities[i].identity);
}

static void check_object_counts(struct verify *v, const gcsim_memstats *s)
{
    uint64_t objects = 0;
    for (unsigned c = 0; c < NUM_SIZE_CLASSES; c++) {
        objects += v->slots[c];
        if (c > 0 && c < 61)
            HOLDS(v, OBJECT_COUNTS, s->by_size[c].mallocs - s->by_size[c].frees == v->slots[c],
                  "class %u: %llu allocated, %llu freed, %llu in use", c,
                  (ull)s->by_size[c].mallocs, (ull)s->by_size[c].frees, (ull)v->slots[c]);
    }
    HOLDS(v, OBJECT_COUNTS, s->heap_objects == objects,
          "HeapObjects is %llu, %llu slots are in use", (ull)s->heap_objects, (ull)objects);
    HOLDS(v, OBJECT_COUNTS, s->heap_alloc == v->slot_bytes,
          "HeapAlloc is %llu, slots of %llu bytes are in use", (ull)s->heap_alloc,
          (ull)v->slot_bytes);
}

static void check_scavenger(struct verify *v)
{
    const struct mheap *h = v->h;
    const struct scavenger *s = &h->scavenger;
    const struct scavenge_goals *goals = &s->goals;
    HOLDS(v, SCAVENGER, s->in_transit == 0, "%u pages are taken out", s->in_transit);
    HOLDS(v, SCAVENGER,
          (goals->gc_percent == SCAVENGE_OFF || goals->gc_percent % os_page_bytes() == 0) &&
              (goals->memory_limit == SCAVENGE_OFF ||
               goals->memory_limit <= (uint64_t)s->memory_limit) &&
              s->memory_limit >= 0 && s->last_in_use <= h->grown_pages * PAGE_BYTES,
          "goals %llu and %llu, limit %lld, %llu bytes in use at the last mark termination",
          (ull)goals->gc_percent, (ull)goals->memory_limit, (long long)s->memory_limit,
          (ull)s->last_in_use);
    HOLDS(v, SCAVENGER,
          s->sleep.ratio >= s->sleep.controller.min && s->sleep.ratio <= s->sleep.controller.max &&
              s->sleep.cooldown_ns >= 0 && s->worked_ns >= 0 && s->next_ns >= s->asleep_ns,
          "ratio %g, %lld ns to cool down, %g ns worked, asleep since %llu until %llu",
          s->sleep.ratio, (long long)s->sleep.cooldown_ns, s->worked_ns, (ull)s->asleep_ns,
          (ull)s->next_ns);
}

static void check_ring(struct verify *v, const struct event_ring *ring)
{
    const struct world *w = v->h->world;
    const char *history = world_at(w, REGION_HISTORY), *records = (const char *)ring->records;
    HOLDS(v, EVENTS,
          (ring->room & (ring->room - 1)) == 0 &&
              (!ring->room ||
               (records >= history && records + ring->room * sizeof(gcsim_event) <=
                                          history + w->regions[REGION_HISTORY].committed)),
          "room for %llu", (ull)ring->room);
}

CORE void verify_numbers(struct verify *v)
{
    struct mheap *h = v->h;
    const struct gc *gc = &heap_of(h)->gc;
    check_ring(v, &h->history->events);
    for (uint32_t i = 0; i < h->history->recording.nrings; i++)
        check_ring(v, &h->history->recording.rings[i].ring);
    check_scavenger(v);
    HOLDS(v, TRIGGER,
          (gc->holds || gc->sbrk || gc->phase == GC_MARK
               ? h->trigger == UINT64_MAX
               : h->trigger <= gc->goal &&
                     h->trigger >=
                         (gc->pacer.heap_marked < gc->goal ? gc->pacer.heap_marked : gc->goal)) &&
              (gc->pacer.gc_percent >= 0 || gc->pacer.memory_limit != PACER_NO_MEMORY_LIMIT ||
               gc->goal == UINT64_MAX),
          "trigger %llu, goal %llu, %d percent, %u holds", (ull)h->trigger, (ull)gc->goal,
          (int)gc->pacer.gc_percent, gc->holds);
    if (v->phase !=
        CYCLE_QUIET) // a cycle is counted when it starts; its pause, and what it leaves, when it ends
        return;
    HOLDS(v, HEAP_LIVE,
          h->heap_live + gc->revived_bytes >= v->live_floor && h->heap_live < 1ull << 62,
          "%llu counted, at least %llu are", (ull)h->heap_live, (ull)v->live_floor);
    gcsim_memstats stats;
    stats_memstats(h, &stats);
    check_memstats(v, &stats);
    check_object_counts(v, &stats);
}
