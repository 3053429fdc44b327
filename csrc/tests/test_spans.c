// instantiations: fast step
// whole core
//
// Marking span by span: kernels, ownership, queues, that it marks what the other engines mark, and, where every interleaving can be had, that
// no hand-over loses an object.
#include "harness.h"

// --- kernels -----------------------------------------------------------------------------------------------------

static char *page[SCAN_WORDS] __attribute__((aligned(64)));

static void fill_page(uint64_t *random, uint64_t nil_percent)
{
    for (int i = 0; i < SCAN_WORDS; i++)
        page[i] = below(random, 100) < nil_percent ? NULL : (char *)(uintptr_t)next_random(random);
}

static void kernels_agree(void)
{
    uint64_t random = 5, tried = 0;
    for (uint32_t i = 0; scan_kind_at(i); i++) {
        const struct scan_kind *kind = scan_kind_at(i);
        if (!kind->fits()) {
            printf("      this processor has no %s\n", kind->name);
            continue;
        }
        bool same = true, room = true;
        for (int round = 0; round < 3000; round++) {
            uint64_t masks[SCAN_MASKS], n = 0, density = below(&random, 101);
            char *expected[SCAN_WORDS], *out[SCAN_ROOM + 1];
            fill_page(&random, round % 4 * 33);
            memset(masks, 0, sizeof masks);
            for (size_t at = 0; at < SCAN_WORDS; at++)
                if (below(&random, 100) < density) {
                    bits_set(masks, at);
                    expected[n] = page[at];
                    n += page[at] != NULL;
                }
            out[SCAN_ROOM] = (char *)page;
            char **end = kind->scan(page, masks, out);
            same &= end == out + n && memcmp(out, expected, n * sizeof *out) == 0;
            room &= out[SCAN_ROOM] == (char *)page;
        }
        check(same && room, "%s collects the pointers of random spans as they lie there",
              kind->name);
        tried++;
    }
    check(tried > 0 && scan_choose() != NULL, "%" PRIu64 " kernels were tried", tried);
}

static void objects_become_words(void)
{
    uint64_t random = 9;
    bool right = true;
    for (unsigned c = 2; c <= 26; c++)
        for (int round = 0; round < 40; round++) {
            struct span_geometry g = span_geometry(c, false, true);
            uint32_t words = size_class_slot_bytes[c] / 8;
            uint64_t objects[SPAN_WORDS] = {0}, masks[SCAN_MASKS], expected[SCAN_MASKS] = {0};
            for (uint32_t i = 0; i < g.nelems; i++)
                if (below(&random, 40) < (uint64_t)round) {
                    bits_set(objects, i);
                    bits_fill(expected, i * words, words, true);
                }
            scan_expand(objects, g.nelems, words, masks);
            right &= memcmp(masks, expected, sizeof masks) == 0;
        }
    check(right, "the bits of objects become those of their words, for every size");
}

// --- owners and queues -------------------------------------------------------------------------------------------

static void owners(void)
{
    for (int alone = 0; alone < 2; alone++) {
        uint8_t owner = SPAN_FREE;
        check(span_acquire(&owner, false, alone) && owner == SPAN_OWNED_FOR_ONE,
              "who marks first has the span");
        check(span_release(&owner, alone) == SPAN_OWNED_FOR_ONE && owner == SPAN_FREE,
              "it was for one object");
        check(span_acquire(&owner, false, alone) && !span_acquire(&owner, false, alone) &&
                  !span_acquire(&owner, false, alone) && owner == SPAN_OWNED_FOR_MANY,
              "later ones have not");
        check(span_release(&owner, alone) == SPAN_OWNED_FOR_MANY && owner == SPAN_FREE,
              "it was for many");
        check(span_acquire(&owner, true, alone) && !span_acquire(&owner, false, alone) &&
                  span_release(&owner, alone) == SPAN_OWNED_FOR_MANY,
              "who marks several at once has it for many");
        check(span_acquire(&owner, false, alone) && !span_acquire(&owner, true, alone) &&
                  span_release(&owner, alone) == SPAN_OWNED_FOR_MANY,
              "as it is for many when several come later");
    }
}

static uint32_t numbers[1000];

// The spans of a queue in their order; its links and counts hold together.
static uint64_t read_queue(const struct mheap *h, const struct span_queue *q, uint32_t *out)
{
    uint64_t n = 0;
    for (uint32_t at = q->first; at; at = h->spans[at - 1].grey_next) {
        INVARIANT(n < 1000 && (h->spans[at - 1].grey_next || q->last == at));
        out[n++] = at;
    }
    INVARIANT(n == q->n);
    return n;
}

static bool is_part(const uint32_t *part, uint64_t from, uint64_t n)
{
    return memcmp(part, numbers + from, n * sizeof *part) == 0;
}

static void queues(void)
{
    enum { SPANS = 300, HALF = 128 };
    mut *m = open_heap(small_heap);
    struct mheap *h = H(m->heap);
    struct gcwork *w = &mutator_of(m)->work;
    struct span_queue *shared = &m->heap->gc.work.grey_spans;
    const gcsim_type *t = make_type(m->heap, "half a KiB", 64, 1);
    uint32_t at[1000];
    uint64_t n = 0;
    while (n < SPANS) {
        gcsim_span *s = span_of(h, gcsim_new(m, t));
        if (n && numbers[n - 1] == span_page(h, s) + 1)
            continue;
        numbers[n++] = span_page(h, s) + 1;
        spanq_push(h, &w->spans, s, 0);
    }
    check(read_queue(h, &w->spans, at) == SPANS && is_part(at, 0, SPANS), "first in, first out");
    work_share(h, w);
    check(read_queue(h, shared, at) == HALF && is_part(at, 0, HALF) && work_is_shared(h),
          "the oldest are given away, not more than 128 at once");
    check(read_queue(h, &w->spans, at) == SPANS - HALF && is_part(at, HALF, SPANS - HALF),
          "the others stay");
    struct gcwork thief = {0};
    check(work_steal_spans(h, &thief) && read_queue(h, &thief.spans, at) == HALF / 2 &&
              is_part(at, 0, HALF / 2),
          "a thief takes half, the oldest");
    check(read_queue(h, shared, at) == HALF / 2 && is_part(at, HALF / 2, HALF / 2),
          "and leaves half");
    check(spanq_pop(h, &thief.spans) == &h->spans[numbers[0] - 1], "it scans the oldest first");
    check(work_hand_over(h, w) && !w->spans.first && !w->spans.n &&
              read_queue(h, shared, at) == SPANS - HALF / 2 &&
              is_part(at, HALF / 2, SPANS - HALF / 2),
          "who hands over keeps none");
    while (work_steal_spans(h, &thief))
        while (spanq_pop(h, &thief.spans))
            n--;
    check(n == 1 && !work_is_shared(h) && !work_steal_spans(h, w), "none is lost or found twice");
    close_heap(m);
}

// --- the same marks as the other engines -----------------------------------------------------------------------------

enum { OBJECTS = 12000, KINDS = 14 };

struct marks {
    uint64_t objects, bytes;
    uint64_t hash; // of the mark bits of all spans
};

static void note_marks(struct mheap *h, void *ctx)
{
    struct marks *out = ctx;
    struct gc *gc = &heap_of(h)->gc;
    *out = (struct marks){gc->objects_marked, gc->bytes_marked, 1};
    for (uint64_t i = 0; i < h->grown_pages; i += h->page_span[i] ? h->spans[i].npages : 1) {
        const gcsim_span *s = &h->spans[i];
        for (uint32_t k = 0; h->page_span[i] && k < s->nelems; k++)
            if (mark_is_set(s, k))
                out->hash = (out->hash ^ (i << 12 ^ k)) * 0x100000001b3;
    }
}

static void link_at_random(mut *m, void **objects, const gcsim_type *const *types, uint64_t *random)
{
    for (int i = 0; i < OBJECTS; i++)
        for (uint64_t at = 0; at < types[i]->ptr_bytes / 8 && at < 64; at++) {
            uint64_t to = below(random, OBJECTS);
            if (types[i]->mask[0] >> at & 1 && below(random, 3))
                gcsim_store(m, (void **)objects[i] + at,
                            (char *)objects[to] + below(random, types[to]->bytes));
        }
}

// Arrays of pointers, of one piece and of several, the last page of each cut short: some lead into objects, most are nil.
static void hold_in_arrays(mut *m, void **objects, const gcsim_type *const *types, uint64_t *random)
{
    const gcsim_type *pointer = make_type(m->heap, "pointer", 1, 1);
    const uint64_t lengths[] = {4097, 16384, 16385, 50001};
    for (int i = 0; i < 4; i++) {
        void **array = API->new_array(m, pointer, lengths[i]);
        INVARIANT(API->handle_new(m, array));
        for (uint64_t at = lengths[i] - 400; at < lengths[i]; at++) {
            uint64_t to = below(random, OBJECTS), next = at % 3 ? below(random, lengths[i]) : at;
            gcsim_store(m, array + next, (char *)objects[to] + below(random, types[to]->bytes));
        }
        gcsim_store(m, array, gcsim_new(m, pointer)); // what nothing else leads to
        gcsim_store(m, array + lengths[i] - 1, gcsim_new(m, pointer));
    }
}

// Of every class, with pointers and without, with unlike pointer bits in one span, with pointers into the middle of objects.
static void engines_agree(uint64_t seed)
{
    mut *m = open_heap((gcsim_options){.bytes = sizeof(gcsim_options),
                                       .gc_percent = -1,
                                       .reserve_bytes = 1 << 28,
                                       .stop_the_world = 1});
    struct mheap *h = H(m->heap);
    const uint64_t words[KINDS] = {1, 2, 2, 2, 3, 3, 4, 6, 8, 13, 31, 64, 66, 5000};
    const gcsim_type *types[KINDS];
    static const gcsim_type *chosen[OBJECTS];
    static uint8_t type_of[OBJECTS];
    uint64_t random = seed;
    for (int i = 0; i < KINDS; i++)
        types[i] =
            make_type(m->heap, "kind", words[i],
                      i % 5 == 3 ? 0 : bits_low((unsigned)words[i]) & (next_random(&random) | 1));
    for (int i = 0; i < OBJECTS; i++)
        chosen[i] = types[type_of[i] = (uint8_t)below(&random, i % 1000 ? KINDS - 1 : KINDS)];
    gcsim_batch *all = API->build(
        m, &(gcsim_build){.count = OBJECTS, .types = types, .ntypes = KINDS, .type_of = type_of});
    INVARIANT(all);
    link_at_random(m, all->objects, chosen, &random);
    for (int i = 0; i < 40; i++)
        API->handle_new(m, all->objects[below(&random, OBJECTS)]);
    hold_in_arrays(m, all->objects, chosen, &random);
    all->strong = 0;
    struct marks marks[GCSIM_MARK_ENGINES];
    bool same = true;
    for (uint32_t engine = 0; engine < GCSIM_MARK_ENGINES; engine++) {
        mark_choose_engine(h, engine);
        INVARIANT(cycle_rehearse(mutator_of(m), note_marks, &marks[engine]) == GCSIM_OK);
        same &=
            memcmp(&marks[engine], &marks[0], sizeof *marks) == 0 && marks_verify(m) && verifies(m);
    }
    check(same && marks[0].objects > OBJECTS / 10,
          "all engines mark the same %" PRIu64 " of %d objects", marks[0].objects, OBJECTS);
    close_heap(m);
}

// One visit finds two objects side by side, and nothing else in their span: both are scanned, whichever it was queued for.
static void two_at_once(void)
{
    enum { MANY = 64 };
    gcsim_options options = small_heap;
    options.mark_engine = GCSIM_MARK_SPAN + 1;
    mut *m = open_heap(options);
    const gcsim_type *found = make_type(m->heap, "found", 3, 1),
                     *from = make_type(m->heap, "from", 2, 1),
                     *behind = make_type(m->heap, "behind", 4, 1);
    gcsim_handle *root = API->handle_new(m, gcsim_new(m, make_type(m->heap, "root", MANY, ~0ull)));
    for (int i = 0; i < MANY; i++)
        gcsim_store(m, (void **)root->ptr + i, gcsim_new(m, from));
    for (int i = 0; i < 2; i++) {
        gcsim_handle *one = API->handle_new(m, gcsim_new(m, found));
        gcsim_store(m, one->ptr, gcsim_new(m, behind));
        for (int j = i; j < MANY; j += 2)
            gcsim_store(m, ((void **)root->ptr)[j], one->ptr);
        API->handle_drop(m->heap, one);
    }
    gcsim_cycle c;
    EXPECT(API->collect(m) == GCSIM_OK && API->cycle_info(m->heap, 0, &c) == GCSIM_OK);
    check(c.objects_marked == 1 + MANY + 2 + 2 && verifies(m),
          "two that are found at once are both scanned: %" PRIu64, c.objects_marked);
    close_heap(m);
}

static void without_inline_marks(void)
{
    gcsim_options options = small_heap;
    options.no_green_tea = 1;
    options.mark_engine = GCSIM_MARK_SPAN + 1;
    mut *m = open_heap(options);
    const gcsim_type *t = make_type(m->heap, "node", 2, 1);
    gcsim_handle *root = API->handle_new(m, NULL);
    for (int i = 0; i < 3000; i++) {
        void **p = gcsim_new(m, t);
        gcsim_store(m, p, root->ptr);
        gcsim_store(m, &root->ptr, p);
    }
    gcsim_cycle c;
    EXPECT(API->collect(m) == GCSIM_OK && API->cycle_info(m->heap, 0, &c) == GCSIM_OK);
    check(c.objects_marked == 3000 && verifies(m),
          "where spans keep no mark bits, objects are queued: %" PRIu64, c.objects_marked);
    close_heap(m);
}

// Scan bits tell which spans were visited.
static void note_scans(struct mheap *h, void *ctx)
{
    for (uint64_t page = 0; page < h->grown_pages; page++)
        if (h->page_class[page])
            for (int w = 0; w < SPAN_WORDS; w++)
                if (span_scans(&h->spans[page])[w])
                    bits_set(ctx, h->spans[page].slot_bytes32 / 8);
}

// Which engine queues spans of which slots; objects in any other are queued themselves.
static void what_is_queued(void)
{
    static const uint64_t expected[GCSIM_MARK_ENGINES][3] = {
        [GCSIM_MARK_SPAN] = {1 << 2 | 1 << 4 | 1 << 6, 1}, [GCSIM_MARK_MIXED] = {1 << 2 | 1 << 4}};
    mut *m = open_heap(small_heap);
    const uint64_t sizes[] = {1, 2, 4, 6, 64, 90};
    for (int i = 0; i < 6; i++)
        API->handle_new(m, gcsim_new(m, make_type(m->heap, "size", sizes[i], 1)));
    for (uint32_t engine = 0; engine < GCSIM_MARK_ENGINES; engine++) {
        uint64_t visited[3] = {0};
        mark_choose_engine(H(m->heap), engine);
        INVARIANT(cycle_rehearse(mutator_of(m), note_scans, visited) == GCSIM_OK);
        check(memcmp(visited, expected[engine], sizeof visited) == 0,
              "engine %u queues the spans that it should", engine);
    }
    close_heap(m);
}

// --- every interleaving ------------------------------------------------------------------------------------------

#if GCSIM_STEPS
enum { X, Y, Z };
#define OP_(code, a, b, c, ...) {GCSIM_OP_##code, a, b, c}
#define OP(...)                 OP_(__VA_ARGS__, 0, 0, 0)

// All objects of a stage lie in one span.
static void explored(const char *what, gcsim_stage stage, uint32_t entries)
{
    stage.bytes = sizeof stage;
    gcsim_heap *heap = stage_heap(
        (gcsim_options){.shade_entries = 1 + entries, .mark_engine = GCSIM_MARK_SPAN + 1}, &stage);
    gcsim_found found = explore_stage(
        heap, (gcsim_search){.points = STAGE_POINTS | 1ull << EVENT_SCAN | 1ull << EVENT_SHADE});
    check(found.verdict == GCSIM_SOUND && found.paths,
          "%s: %" PRIu64 " states, closed and sound %s", what, found.states, found.what);
    API->heap_destroy(heap);
}

static void interleavings(void)
{
    // The third object leads to the fourth. The mutator takes it from the heap while the span is visited for the first two.
    const gcsim_op take[] = {
        OP(LOAD_GLOBAL, X, 0), OP(LOAD, Y, X, 0), OP(STORE, X, 0, GCSIM_NIL), {0}};
    const gcsim_op *programs[] = {take};
    gcsim_stage stage = {.objects = 4,
                         .fields = 2, // with one the span would not be eligible
                         .globals = 2,
                         .locals = 2,
                         .mutators = 1,
                         .programs = programs,
                         .field_targets = (const uint8_t[]){3, 0, 0, 0, 4, 0, 0, 0},
                         .global_targets = (const uint8_t[]){1, 2},
                         .local_targets = (const uint8_t[]){0, 0}};
    explored("an object is marked while its span is visited", stage, 0);
    explored("and while its pointer waits in the barrier", stage, 2);
    // New objects are black, with scan bits, in the span that is visited.
    const gcsim_op make[] = {OP(NEW, Y), OP(LOAD_GLOBAL, X, 0), OP(STORE, X, 0, Y), {0}};
    programs[0] = make;
    explored("new objects in a span that is visited", stage, 0);
}
#endif

int main(void)
{
    kernels_agree();
    objects_become_words();
    owners();
    queues();
    for (uint64_t seed = 1; seed <= 6; seed++)
        engines_agree(seed);
    two_at_once();
    without_inline_marks();
    what_is_queued();
#if GCSIM_STEPS
    interleavings();
#endif
    return finish();
}
