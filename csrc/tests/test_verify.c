// instantiations: fast step
//
// That verify can fail: each rule of watch/invariants.def is broken on purpose and must be reported under its number; when it is mended
// the heap verifies again.
#include "harness.h"

static uint64_t broken[VERIFY_RULES]; // times each rule was broken and found

enum { ROOM = 4096 };
static gcsim_violation found[ROOM];

static bool reported(uint64_t n, uint32_t rule)
{
    for (uint64_t i = 0; i < n && i < ROOM; i++)
        if (found[i].invariant == rule)
            return true;
    return false;
}

static void expect_report(struct mheap *h, uint32_t rule, const char *what)
{
    uint64_t n = verify_heap(h, found, ROOM);
    bool ok = reported(n, rule);
    check(ok, "rule %u (%s): %s", rule, verify_rule_name(rule), what);
    if (!ok)
        for (uint64_t i = 0; i < n && i < 8; i++)
            printf("      instead rule %u: %s\n", found[i].invariant, found[i].message);
    broken[rule] += ok;
}

static void expect_mended(struct mheap *h)
{
    uint64_t n = verify_heap(h, found, ROOM);
    if (!EXPECT(n == 0))
        printf("      mended, and still rule %u: %s\n", found[0].invariant, found[0].message);
}

// Overwrite a place, look, and put back what was there.
#define BREAK(RULE, place, value)                                                                  \
    do {                                                                                           \
        __typeof__(place) saved_ = (place);                                                        \
        *(__typeof__(saved_) *)(uintptr_t)&(place) = (__typeof__(saved_))(value);                  \
        expect_report(h, RULE_##RULE, #place " = " #value);                                        \
        *(__typeof__(saved_) *)(uintptr_t)&(place) = saved_;                                       \
        expect_mended(h);                                                                          \
    } while (0)

// A heap with some of everything, most of it alive.
struct rich {
    mut *m;
    const gcsim_type *node, *pair, *wide, *huge, *bytes, *word;
    gcsim_handle *list, *arrays[4];
    gcsim_goroutine *g;
    gcsim_batch *batch;
    gcsim_global *global;
    gcsim_weak *weak;
};

static void *must(void *p)
{
    INVARIANT(p);
    return p;
}

static struct rich make_rich(void)
{
    gcsim_options options = small_heap;
    options.stop_the_world = 1; // spans stay unswept
    options.events = 100;
    struct rich r = {.m = open_heap(options)};
    mut *m = r.m;
    gcsim_heap *heap = m->heap;
    r.node = make_type(heap, "node", 2, 1);  // 16 B
    r.pair = make_type(heap, "pair", 2, 3);  // 16 B, other bits
    r.wide = make_type(heap, "wide", 80, 5); // 640 B with a header
    r.huge = make_type(heap, "huge", 64, 1); // 512 B; many make a large object
    r.word = make_type(heap, "word", 1, 1);  // 8 B
    r.bytes = make_bytes(heap, "bytes", 100);
    const gcsim_type *tiny = make_bytes(heap, "tiny", 3);
    uint32_t name;
    INVARIANT(API->name_intern(heap, "main", &name) == GCSIM_OK);
    // The heap is all alive: garbage would make it depend on when it is swept.
    r.list = must(API->handle_new(m, NULL));
    r.g = must(API->goroutine_new(m, name));
    for (int i = 0; i < 3; i++)
        INVARIANT(API->frame_push(m, r.g, r.pair, name) != UINT64_MAX);
    r.global = must(API->global_new(m, name));
    for (int i = 0; i < 700; i++) {
        void **p = must(gcsim_new(m, r.node));
        gcsim_store(m, p, r.list->ptr);
        gcsim_store(m, &r.list->ptr, p);
    }
    gcsim_type const *const kinds[] = {r.wide, r.word, r.bytes, r.wide};
    for (int i = 0; i < 4; i++)
        r.arrays[i] = must(API->handle_new(m, must(gcsim_new(m, kinds[i]))));
    gcsim_store(m, &r.arrays[3]->ptr, must(API->new_array(m, r.huge, 100))); // 51,200 B: large
    gcsim_store(m, &r.global->words[0], must(gcsim_new(m, tiny)));
    gcsim_build build = {.count = 300, .types = &r.pair, .ntypes = 1};
    r.batch = must(API->build(m, &build));
    r.weak = must(API->weak_new(m, r.list->ptr));
    INVARIANT(API->finalizer_set(m, r.list->ptr, NULL, NULL));
    INVARIANT(API->cleanup_add(m, r.list->ptr, NULL, NULL));
    INVARIANT(API->cleanup_add(m, (char *)r.list->ptr + 8, NULL, NULL));
    return r;
}

static gcsim_span *span_with(struct mheap *h, const void *p) { return span_of(h, p); }

static void *free_slot(struct mheap *h, const gcsim_span *s)
{
    for (uint32_t i = 0; i < s->nelems; i++)
        if (span_is_free(h, s, i))
            return span_slot(s, i);
    INVARIANT(!"a span with a free slot");
    return NULL;
}

static void break_records(struct mheap *h)
{
    BREAK(REGIONS, h->world->regions[REGION_META].committed,
          h->world->regions[REGION_META].reserved + 1);
    BREAK(REGIONS, h->world->regions[REGION_SPANS].committed, 0);
    BREAK(META_FREE, h->meta.free[6], 65);
    BREAK(META_FREE, h->meta.free[6], h->meta.used);
    BREAK(META_BYTES, h->meta.in_use, h->meta.in_use + 16);
    BREAK(NAMES, h->types.names[1], h->types.names[2]);
    BREAK(TYPES, h->types.by_id[0], h->types.by_id[1]);
    BREAK(TYPES, h->types.by_id[0]->span_class, 9);
    BREAK(TYPES, h->types.by_id[0]->slot_ptrs, 2);
#if GCSIM_STEPS
    BREAK(LOCKS, heap_of(h)->gc.roots_lock.holder, 3);
    BREAK(LOCKS, h->central[7].lock.holder, 1);
#else
    BREAK(LOCKS, heap_of(h)->gc.roots_lock.futex, 1);
    BREAK(LOCKS, h->central[7].lock.futex, 1);
#endif
}

static void break_pages(struct mheap *h, struct rich *r)
{
    gcsim_span *large = span_with(h, r->arrays[3]->ptr), *stack = span_with(h, r->g->stack);
    uint64_t page = span_page(h, large);
    struct pagealloc_chunk *chunk = &h->pages.chunks[page / CHUNK_PAGES];
    BREAK(PAGE_OWNER, chunk->allocated[page % CHUNK_PAGES / 64],
          chunk->allocated[page % CHUNK_PAGES / 64] & ~(1ull << page % 64));
    BREAK(PAGE_TABLE, h->page_span[page + 1], 0);
    BREAK(PAGE_TABLE, h->page_span[page], page + 2);
    BREAK(PAGE_TABLE, h->page_class[page], 9);
    BREAK(PAGE_TABLE, h->page_class[h->grown_pages - 1], 9);
    BREAK(PAGE_TABLE, large->base, large->base + PAGE_BYTES);
    BREAK(PAGEALLOC, h->pages.free_pages, h->pages.free_pages + 1);
    BREAK(PAGEALLOC, h->pages.summaries[0][0], 0);
    struct mutator *m = mutator_of(r->m);
    INVARIANT(m->pages.cache);
    BREAK(PAGE_CACHE, m->pages.scav, ~m->pages.cache);
    BREAK(PAGE_OWNER, m->pages.cache, m->pages.cache & (m->pages.cache - 1));
    BREAK(PAGE_BYTES, h->bytes.free, h->bytes.free + PAGE_BYTES);
    BREAK(PAGE_BYTES, h->bytes.stacks, 0);
    BREAK(SPAN_COUNT, h->spans_in_use, h->spans_in_use - 1);
    BREAK(DEAD_SPAN, h->spans[page + 2].state, GCSIM_SPAN_IN_USE);
    BREAK(DEAD_SPAN, h->spans[h->grown_pages - 1].limit, h->arena);
    BREAK(SPAN_STATE, stack->purpose, 9);
    BREAK(SPAN_STATE, stack->limit, stack->base + 8);
    BREAK(SPAN_STATE, large->state, 7);
}

static void break_spans(struct mheap *h, struct rich *r)
{
    gcsim_span *large = span_with(h, r->arrays[3]->ptr), *wide = span_with(h, r->arrays[0]->ptr),
               *word = span_with(h, r->arrays[1]->ptr);
    gcsim_span *nodes = span_with(h, r->list->ptr);          // cached, with a window
    gcsim_span *full = span_with(h, r->batch->objects[200]); // full: pairs came after nodes
    BREAK(GEOMETRY, nodes->nelems, nodes->nelems - 1);
    BREAK(GEOMETRY, nodes->marks, nodes->marks + 1);
    BREAK(GEOMETRY, wide->div_magic, wide->div_magic + 1);
    BREAK(GEOMETRY, large->slot_bytes, large->slot_bytes - PAGE_BYTES);
    BREAK(LARGE, large->large_count, large->large_count + 1);
    BREAK(LARGE, large->large_type, NULL);
    BREAK(LARGE, large->limit, large->base + 8);
    BREAK(SWEEPGEN, large->sweepgen, h->sweepgen - 1);
    BREAK(SWEEPGEN, large->sweepgen, h->sweepgen + 1);
    gcsim_span *cached = mcache_spans(mutator_of(r->m))[r->node->span_class];
    INVARIANT(cached->loaded && cached->free);
    BREAK(WINDOW, cached->loaded, cached->free & (cached->free - 1));
    BREAK(WINDOW, cached->free_index, cached->free_index - 1);
    BREAK(WINDOW, cached->window, cached->window + 16);
    BREAK(WINDOW, cached->free, cached->loaded ^ (cached->free & -cached->free));
    BREAK(WINDOW_ZERO, *(uint64_t *)(void *)(cached->window + bits_lowest(cached->free) * 16 + 8),
          1);
    uint64_t at = (uint64_t)(cached->window - cached->base) / 8 + bits_highest(cached->free) * 2;
    uint8_t *bits = (uint8_t *)cached->base + cached->heap_bits;
    BREAK(WINDOW_ZERO, bits[at / 8], bits[at / 8] ^ 1 << at % 8);
    INVARIANT(!wide->needzero);
    BREAK(FRESH, *(uint64_t *)(void *)(span_slot(wide, wide->nelems - 1) + 632), 1);
    BREAK(ALLOC_COUNT, cached->alloc_count, cached->alloc_count + 1);
    BREAK(ALLOC_COUNT, large->alloc_count, 0);
    uint64_t *alloc = span_alloc_bits(h, cached);
    BREAK(ALLOC_BITS, alloc[cached->nelems / 64],
          alloc[cached->nelems / 64] | 1ull << cached->nelems % 64);
    BREAK(COUNTED, large->counted, 0);
    BREAK(COUNTED, cached->counted, cached->nelems + 1);
    at = (uint64_t)(cached->limit - cached->base) / 8;
    BREAK(POINTER_BITS, bits[at / 8], bits[at / 8] | 1 << at % 8);
    BREAK(POINTER_BITS, ((uint8_t *)word->base)[word->heap_bits + 5], 0xf7);
    BREAK(MARKS, nodes->marks[0], 1);
    BREAK(MARKS, large->marks[0], 1);
    BREAK(INLINE_SCANS, nodes->base[nodes->inline_marks + 3], 1);
    void **header = (void **)(void *)((char *)r->arrays[0]->ptr - 8);
    BREAK(HEADER, *header, NULL);
    BREAK(HEADER, *header, h->types.by_id[r->bytes->id]);
    gcsim_span *first = span_with(h, *(void **)r->list->ptr);
    INVARIANT(first == full || !first->mixed);
    uint32_t last = span_index(nodes, r->list->ptr);
    bits = (uint8_t *)nodes->base + nodes->heap_bits + last * 2 / 8;
    if (nodes->mixed)
        BREAK(UNIFORM, nodes->mixed, 0);
    else
        BREAK(UNIFORM, *bits, *bits ^ 1 << last * 2 % 8);
}

static struct span_list *nonempty(struct mheap *h, bool full, unsigned *spc)
{
    for (unsigned c = 2; c < NUM_SPAN_CLASSES; c++)
        for (unsigned side = 0; side < 2; side++) {
            struct span_list *list =
                full ? &h->central[c].full[side] : &h->central[c].partial[side];
            if (list->head) {
                *spc = c;
                return list;
            }
        }
    INVARIANT(!"a list with a span");
    return NULL;
}

static void break_lists(struct mheap *h, struct rich *r)
{
    unsigned spc;
    struct span_list *list = nonempty(h, true, &spc);
    struct mcentral *c = &h->central[spc];
    unsigned side = list == &c->full[1];
    BREAK(LIST, list->count, list->count + 1);
    BREAK(LIST, list->tail, 0);
    BREAK(LIST, h->spans[list->tail - 1].next, list->head);
    BREAK(LIST, h->spans[list->head - 1].before, list->head);
    BREAK(LIST_MEMBER, *list, (c->partial[side])); // an empty list in its place
    BREAK(LIST_SIDE, *c, ((struct mcentral){.lock = c->lock, .full = {c->full[1], c->full[0]}}));
    BREAK(LIST_SIDE, *c, ((struct mcentral){.lock = c->lock, .partial = {c->full[0], c->full[1]}}));
    struct mutator *m = mutator_of(r->m);
    gcsim_span **entry = &mcache_spans(m)[r->node->span_class];
    BREAK(CACHED, *entry, &h->full_span);
    BREAK(CACHED, (*entry)->sweepgen, h->sweepgen);
    BREAK(CACHED, mcache_spans(m)[9], *entry);
    BREAK(FULL_SPAN, h->full_span.free, 1);
    BREAK(FULL_SPAN, h->full_span.window_ptrs, 1);
    BREAK(MUTATORS, m->pub.id, 1000);
    BREAK(MUTATORS, m->pub.heap, NULL);
    INVARIANT(m->tiny);
    BREAK(TINY, m->tiny, m->tiny + 4);
    BREAK(TINY, m->tiny_offset, 17);
}

static void break_numbers(struct mheap *h)
{
    struct gc *gc = &heap_of(h)->gc;
    BREAK(HEAP_LIVE, h->heap_live, 0);
    BREAK(HEAP_LIVE, h->heap_live, -8);
    BREAK(TRIGGER, h->trigger, 1000);
    BREAK(TRIGGER, gc->goal, 1000);
    BREAK(MEMSTATS, h->history->pause_total_ns, 1);
    BREAK(MEMSTATS, h->history->last_gc_ns, 1);
    BREAK(MEMSTATS, h->history->forced_cycles, 1);
    BREAK(OBJECT_COUNTS, h->history->counts.small_allocs[2],
          h->history->counts.small_allocs[2] + 1);
    BREAK(OBJECT_COUNTS, h->history->counts.large_alloc_bytes,
          h->history->counts.large_alloc_bytes + PAGE_BYTES);
    BREAK(EVENTS, h->history->events.room, 100);
}

static void break_scavenger(struct mheap *h)
{
    struct scav_index *x = &h->pages.scav;
    struct scavenger *s = &h->scavenger;
    gcsim_status status;
    mheap_free(h, mheap_alloc_manual(h, 40, GCSIM_MANUAL_STACK, &status)); // pages that had memory
    uint64_t free = 0; // the highest page that could go back
    for (uint64_t page = 0; page < h->grown_pages; page++)
        if (pagealloc_is_free(&h->pages, page) && !pagealloc_is_scavenged(&h->pages, page))
            free = page;
    if (!check(free != 0 && x->forced > free, "there is something to give back, at page %u of %u",
               (unsigned)free, (unsigned)h->grown_pages))
        return;
    BREAK(SCAV_INDEX, x->chunks[0].in_use, x->chunks[0].in_use + 1);
    struct scav_chunk *chunk = &x->chunks[free / CHUNK_PAGES], saved = *chunk;
    chunk->last_in_use = 513;
    expect_report(h, RULE_SCAV_INDEX, "a chunk was too full");
    *chunk = saved;
    chunk->has_free = 0;
    expect_report(h, RULE_SCAV_INDEX, "a chunk is called empty");
    *chunk = saved;
    expect_mended(h);
    BREAK(SCAV_INDEX, x->forced, free);
    BREAK(SCAV_INDEX, x->background, h->grown_pages + 1);
    BREAK(SCAV_INDEX, x->freed_high, h->grown_pages + 1);
    BREAK(SCAV_INDEX, x->min_chunk, 1);
    BREAK(SCAVENGER, s->in_transit, 1);
    BREAK(SCAVENGER, s->goals.gc_percent, 12345);
    s->memory_limit = 1 << 20;
    BREAK(SCAVENGER, s->goals.memory_limit, 1 << 21);
    s->memory_limit = SCAVENGE_NO_LIMIT;
    BREAK(SCAVENGER, s->last_in_use, h->grown_pages * PAGE_BYTES + 1);
    BREAK(SCAVENGER, s->sleep.ratio, 0);
    BREAK(SCAVENGER, s->sleep.cooldown_ns, -1);
    BREAK(SCAVENGER, s->worked_ns, -1);
    s->asleep_ns = 100;
    BREAK(SCAVENGER, s->next_ns, 99);
    s->asleep_ns = 0;
}

static void break_roots(struct mheap *h, struct rich *r)
{
    struct gc *gc = &heap_of(h)->gc;
    BREAK(HANDLES, r->list->link, 0);
    BREAK(HANDLES, mutator_of(r->m)->free_handles, NULL);
    BREAK(HANDLES, mutator_of(r->m)->free_handles->ptr, r->list->ptr);
    BREAK(HANDLES, gc->dropped_handles, mutator_of(r->m)->free_handles);
    BREAK(GLOBALS, gc->globals_scan, 0);
    BREAK(GLOBALS, (r->global + 1)->words[0], r->list->ptr);
    BREAK(GLOBALS, r->global->name, 9999);
    BREAK(FRAMES, r->g->depth, 4);
    BREAK(FRAMES, r->g->used, r->g->used - 8);
    BREAK(FRAMES, gcsim_frame_at(r->g, r->g->top)->caller, UINT64_MAX);
    BREAK(FRAMES, gcsim_frame_at(r->g, r->g->top)->serial, 1);
    BREAK(STACKS, r->g->stack_bytes, r->g->stack_bytes * 2);
    BREAK(STACKS, gc->goroutines, NULL);
    BREAK(BATCHES, r->batch->count, 5000);
    BREAK(BATCHES, r->batch->pages, 7);
    BREAK(SPECIALS, r->weak->special.ptr, r->arrays[0]->ptr);
    BREAK(SPECIALS, r->weak->special.ptr,
          free_slot(h, mcache_spans(mutator_of(r->m))[r->node->span_class]));
    BREAK(WEAK, r->weak->special.refs, 0);
    BREAK(WORK, gc->phase, GC_MARK);
    BREAK(WORK, mutator_of(r->m)->pub.shade_next, mutator_of(r->m)->shade_buffer + 1);
    BREAK(WORK, gc->work.overflow, true);
    BREAK(WORK, gc->work.spans, span_with(h, r->g->stack));
}

// A goroutine that waits for two things, and then goes on.
static void break_blocked(struct mheap *h, struct rich *r)
{
    mut *m = r->m;
    struct goroutine *g = (struct goroutine *)r->g;
    BREAK(BLOCKED, r->g->leaked, 1);
    BREAK(BLOCKED, g->held_back, true);
    BREAK(BLOCKED, r->g->waiting, (gcsim_wait *)must(gcsim_new(m, r->pair)));
    gcsim_wait *first = must(gcsim_new(m, r->pair)), *second = must(gcsim_new(m, r->pair));
    gcsim_store(m, &first->object, r->list->ptr);
    gcsim_store(m, (void **)&first->link, second);
    void *dead = free_slot(h, mcache_spans(mutator_of(m))[r->pair->span_class]);
    API->goroutine_park(m, r->g, GCSIM_WAIT_SELECT, first);
    expect_mended(h);
    BREAK(BLOCKED, r->g->wait_reason, GCSIM_WAIT_NONE);
    BREAK(BLOCKED, r->g->wait_reason, GCSIM_WAIT_REASONS);
    BREAK(BLOCKED, r->g->param, first);
    BREAK(BLOCKED, r->g->leaked, 2);
    BREAK(BLOCKED, g->held_back, true);
    BREAK(BLOCKED, r->g->waiting, (gcsim_wait *)dead);
    BREAK(BLOCKED, r->g->waiting, (gcsim_wait *)(void *)&first->link);
    BREAK(BLOCKED, r->g->waiting, (gcsim_wait *)r->list->ptr); // its second word is no pointer
    BREAK(BLOCKED, r->g->waiting, (gcsim_wait *)(void *)&r->g->id);
    BREAK(BLOCKED, first->link, (gcsim_wait *)dead);
    BREAK(BLOCKED, first->link, first);
    BREAK(BLOCKED, second->link, first);
    BREAK(BLOCKED, second->link, second);
    r->g->leaked = 1;
    expect_mended(h); // as far as one goroutine can say
    r->g->wait_reason = GCSIM_WAIT_SLEEP;
    expect_report(h, RULE_BLOCKED, "a sleeper is called a leak");
    API->goroutine_ready(m, r->g, NULL);
    expect_mended(h);
}

static void break_pointers(struct mheap *h, struct rich *r)
{
    void *dead = free_slot(h, mcache_spans(mutator_of(r->m))[r->node->span_class]);
    void **field = r->list->ptr, **in_wide = r->arrays[0]->ptr, **in_large = r->arrays[3]->ptr;
    BREAK(HEAP_POINTER, field[0], dead);
    BREAK(HEAP_POINTER, in_wide[2], dead);
    BREAK(HEAP_POINTER, in_large[64 * 99], dead);
    BREAK(HEAP_POINTER, field[0], h->arena + (h->grown_pages << PAGE_SHIFT) - 8); // a free page
    BREAK(HEAP_POINTER, field[0], span_with(h, field)->limit);
    BREAK(HEAP_POINTER, field[0], r->g->stack);
    BREAK(ROOT_POINTER, r->arrays[1]->ptr, dead);
    BREAK(ROOT_POINTER, r->global->words[0], dead);
    BREAK(ROOT_POINTER, ((void **)gcsim_frame_slots(r->g, 0))[1], dead);
    BREAK(ROOT_POINTER, r->batch->objects[7], dead);
}

// The marks, in the middle of a cycle that is then forgotten.
static void break_marks(struct mheap *h, void *ctx)
{
    struct rich *r = ctx;
    struct gc *gc = &heap_of(h)->gc;
    void *slot = r->batch->objects[3];
    gcsim_span *s = span_with(h, slot);
    uint32_t index = span_index(s, slot);
    uint64_t saved = s->marks[index / 64];

    check(verify_marks(h, found, ROOM) == 0, "marks verify before anything is broken");
    s->marks[index / 64] &= ~(1ull << index % 64);
    broken[RULE_MARKED] += check(reported(verify_marks(h, found, ROOM), RULE_MARKED),
                                 "rule %u: a mark is missing", RULE_MARKED);
    s->marks[index / 64] = saved;
    gc->objects_marked++;
    broken[RULE_MARK_COUNTS] += check(reported(verify_marks(h, found, ROOM), RULE_MARK_COUNTS),
                                      "rule %u: one object more is counted", RULE_MARK_COUNTS);
    gc->objects_marked--;
    gc->bytes_marked -= 8;
    check(reported(verify_marks(h, found, ROOM), RULE_MARK_COUNTS),
          "rule %u: fewer bytes are counted", RULE_MARK_COUNTS);
    gc->bytes_marked += 8;

    void *kept = r->batch->objects[3]; // now nothing reaches it, and it is marked
    r->batch->objects[3] = NULL;
    broken[RULE_REACHABLE] += check(reported(verify_marks(h, found, ROOM), RULE_REACHABLE),
                                    "rule %u: a mark too many", RULE_REACHABLE);
    r->batch->objects[3] = kept;
    check(verify_marks(h, found, ROOM) == 0, "marks verify when they are mended");
}

// The same under the engine `span`.
static void break_scans(struct mheap *h, void *ctx)
{
    struct rich *r = ctx;
    gcsim_span *s = span_with(h, r->batch->objects[3]);
    uint32_t index = span_index(s, r->batch->objects[3]);
    check(verify_marks(h, found, ROOM) == 0, "scan bits verify before anything is broken");
    span_scans(s)[index / 64] ^= 1ull << index % 64;
    broken[RULE_SCANNED] += check(reported(verify_marks(h, found, ROOM), RULE_SCANNED),
                                  "rule %u: a marked object is not scanned", RULE_SCANNED);
    span_scans(s)[index / 64] ^= 1ull << index % 64;
    check(verify_marks(h, found, ROOM) == 0, "scan bits verify when they are mended");
}

// Marks in spans that wait to be swept: half of the objects are dead.
static void break_unswept(struct rich *r)
{
    mut *m = r->m;
    struct mheap *h = H(m->heap);
    struct gc *gc = &heap_of(h)->gc;
    for (int i = 0; i < 2000; i++) // several spans of which one object each lives
        if (!(i % 490))
            API->handle_new(m, must(gcsim_new(m, r->node)));
        else
            must(gcsim_new(m, r->node));
    mcache_flush(mutator_of(m));
    cycle_run(mutator_of(m), GCSIM_TRIGGER_HEAP); // nothing: the trigger is off
    h->trigger = 0, gc->goal = 0, gc->pacer.gc_percent = 100;
    EXPECT(cycle_run(mutator_of(m), GCSIM_TRIGGER_HEAP) == GCSIM_OK);
    expect_mended(h);
    gcsim_span *s = NULL;
    for (uint64_t page = 0; page < h->grown_pages && !s; page++)
        if (h->page_span[page] == page + 1 && h->spans[page].span_class == r->node->span_class &&
            h->spans[page].sweepgen == h->sweepgen - 2)
            s = &h->spans[page];
    if (!check(s != NULL, "after a cycle by the trigger spans wait to be swept"))
        return;
    BREAK(SWEEP_CLASS, gc->sweep_class, NUM_SPAN_CLASSES);
    BREAK(LIST_SIDE, s->sweepgen, h->sweepgen);
    BREAK(SWEEPGEN, s->sweepgen, h->sweepgen - 1);
    BREAK(ALLOC_COUNT, s->alloc_count, s->alloc_count - 1);
    // A root to an object that is dead but not yet swept.
    for (uint32_t i = 0; i < s->nelems; i++)
        if (!mark_is_set(s, i)) {
            BREAK(ROOT_POINTER, r->arrays[0]->ptr, span_slot(s, i));
            break;
        }
    s->free_index = 0; // the front half of the slots becomes free, some of them marked
    expect_report(h, RULE_MARKS, "a free slot is marked");
    s->free_index = s->nelems;
    expect_mended(h);
    API->sweep_all(m);
    check(verifies(m), "after the sweep the heap verifies");
}

// Of the list's first node: a finalizer, a weak reference, two cleanups; and two callbacks that wait.
static void break_specials(struct mheap *h, struct rich *r)
{
    mut *m = r->m;
    struct gc *gc = &heap_of(h)->gc;
    INVARIANT(API->finalizer_set(m, must(gcsim_new(m, r->node)), NULL, NULL));
    INVARIANT(API->cleanup_add(m, must(gcsim_new(m, r->node)), NULL, NULL));
    EXPECT(API->collect(m) == GCSIM_OK && gc->ready_count == 2);
    gcsim_span *s = span_of(h, r->list->ptr);
    gcsim_special *first = s->specials, *third = first->next->next;
    struct callback *cleanup = (struct callback *)third, *waiting = (struct callback *)gc->ready;
    expect_mended(h);
    BREAK(SPECIALS, first->kind, SPECIAL_CLEANUP);
    BREAK(SPECIALS, first->ptr, s->limit);
    BREAK(SPECIALS, third->next, (gcsim_special *)(void *)h->arena);
    BREAK(SPECIALS, third->kind, 7);
    BREAK(WEAK, third->kind, SPECIAL_WEAK);
    BREAK(SPECIAL_PAGES, h->page_specials[span_page(h, s) / 64], 0);
    BREAK(SPECIAL_PAGES, s->specials, NULL);
    BREAK(SPECIAL_PAGES, h->page_specials[h->grown_pages / 64 - 1], 1ull << 63);
    BREAK(FINALIZER, first->ptr, (char *)first->ptr + 1);
    BREAK(FINALIZER, first->next->kind, SPECIAL_FINALIZER);
    BREAK(READY, gc->ready_count, 1);
    BREAK(READY, gc->last_ready, gc->ready);
    BREAK(READY, gc->ready->kind, SPECIAL_WEAK);
    BREAK(READY, gc->ready->next, (gcsim_special *)(void *)h->arena);
    gcsim_special *finalizer = gc->ready->kind == SPECIAL_FINALIZER ? gc->ready : gc->last_ready;
    BREAK(READY, finalizer->ptr, r->g->stack);
    BREAK(CALLBACK_IDS, cleanup->id, 0);
    BREAK(CALLBACK_IDS, cleanup->id, gc->callback_ids + 1);
    BREAK(CALLBACK_IDS, cleanup->id, waiting->id);
    BREAK(HEAP_LIVE, gc->revived_bytes, -h->heap_live);
}

static void break_memprofile(struct mheap *h, struct rich *r)
{
    mut *m = r->m;
    struct memprofile *p = &heap_of(h)->gc.memprofile;
    API->set_mem_profile_rate(m, 1);
    gcsim_handle *root = API->handle_new(m, must(gcsim_new(m, r->node)));
    API->set_mem_profile_rate(m, 0);
    gcsim_special *special = span_of(h, root->ptr)->specials;
    while (special->kind != SPECIAL_PROFILE || special->ptr != root->ptr)
        special = special->next;
    struct sample *sample = (struct sample *)special;
    struct bucket *b = sample->bucket;
    expect_mended(h);
    BREAK(MEM_PROFILE, sample->bucket, NULL);
    BREAK(MEM_PROFILE, b->key.slot_bytes, 24);
    BREAK(MEM_PROFILE, b->active.frees, b->active.frees + 1);
    BREAK(MEM_PROFILE, b->older, (struct bucket *)(void *)h->arena);
    BREAK(MEM_PROFILE, p->buckets, p->buckets + 1);
    BREAK(MEM_PROFILE, p->all, NULL);
}

int main(void)
{
    struct rich r = make_rich();
    struct mheap *h = H(r.m->heap);
    if (!check(verifies(r.m), "a heap with some of everything verifies"))
        return finish();
    break_records(h);
    break_pages(h, &r);
    break_spans(h, &r);
    break_lists(h, &r);
    break_numbers(h);
    break_scavenger(h);
    break_roots(h, &r);
    break_blocked(h, &r);
    break_pointers(h, &r);
    EXPECT(cycle_rehearse(mutator_of(r.m), break_marks, &r) == GCSIM_OK);
    check(verifies(r.m), "a rehearsed cycle leaves nothing behind");
    mark_choose_engine(h, GCSIM_MARK_SPAN);
    EXPECT(cycle_rehearse(mutator_of(r.m), break_scans, &r) == GCSIM_OK);
    check(verifies(r.m), "nor does one that marks span by span");
    mark_choose_engine(h, GCSIM_MARK_OBJECT);
    break_unswept(&r);
    break_specials(h, &r);
    break_memprofile(h, &r);

    os_fail_after(1);
    uint64_t n = verify_heap(h, found, ROOM);
    check(n == 1 && found[0].invariant == RULE_NO_MEMORY,
          "no memory for verify is reported as such");
    check(verify_heap(h, NULL, 0) == 0, "violations are counted without room for them");
    for (uint32_t rule = 1; rule < VERIFY_RULES; rule++)
        if (!broken[rule])
            check(false, "rule %u (%s) was never broken", rule, verify_rule_name(rule));
    check(verify_rule_name(VERIFY_RULES) == NULL && strlen(verify_rule_statement(1)) > 20,
          "rules have names and statements");
    close_heap(r.m);
    return finish();
}
