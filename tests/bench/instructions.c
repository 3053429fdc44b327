// Work whose instructions are counted under valgrind by tests/bench/instructions.py: only what `measured` does is counted, once for each
// WHAT, and the difference between two lengths of its loop leaves out everything but the loop's body.
//
//   instructions WHAT COUNT [WHAT COUNT]...
#include "bench.h"
#include "ffi/cdef.h"

enum {
    OBJECTS = 1
        << 18, // prepared for the modes that re-use slots; COUNT stays below what is freed of them
    LARGE_WORDS = 5 * 8192 / 8,
};

struct work {
    struct bench b;
    const gcsim_type *type, *other;
    void **slots;
    void **notes; // where the mutator's own buffer begins, if it has another one meanwhile
    uint64_t count;
    void **all; // objects, outside the heap
    struct pagealloc_replay *pages;
    void (*run)(struct work *w);
};

// --- what is measured ---

// Functions that the compiler calls as they are written, knowing nothing about their callers or bodies.
#if defined(__clang__)
#define OPAQUE __attribute__((noinline))
#else
#define OPAQUE __attribute__((noipa))
#endif

OPAQUE void *new_object(gcsim_mutator *m, const gcsim_type *t);
OPAQUE void *new_nothing(gcsim_mutator *m, const gcsim_type *t);
OPAQUE void store(gcsim_mutator *m, void *slot, void *ptr);
OPAQUE void store_nothing(gcsim_mutator *m, void *slot, void *ptr);

OPAQUE void *new_object(gcsim_mutator *m, const gcsim_type *t) { return gcsim_new(m, t); }

OPAQUE void store(gcsim_mutator *m, void *slot, void *ptr) { gcsim_store(m, slot, ptr); }

// One instruction, to return: what calls take that do the same without the two above.
OPAQUE void *new_nothing(gcsim_mutator *m, const gcsim_type *t)
{
    void *p;
    __asm__ volatile("" : "=a"(p) : "r"(m), "r"(t));
    return p;
}

OPAQUE void store_nothing(gcsim_mutator *m, void *slot, void *ptr)
{
    __asm__ volatile("" ::"r"(m), "r"(slot), "r"(ptr));
}

// The slot is written so that the object is not optimised away; `loop` counts the store and the loop.
static void run_new(struct work *w)
{
    gcsim_mutator *m = w->b.m;
    const gcsim_type *t = w->type;
    void *volatile *last = w->slots;
    for (uint64_t n = w->count; n; n--)
        *last = gcsim_new(m, t);
}

static void run_loop(struct work *w)
{
    void *volatile *last = w->slots;
    for (uint64_t n = w->count; n; n--)
        *last = NULL;
}

static void run_new_in_turn(struct work *w)
{
    gcsim_mutator *m = w->b.m;
    void *volatile *last = w->slots;
    for (uint64_t n = w->count / 2; n; n--) {
        *last = gcsim_new(m, w->type);
        *last = gcsim_new(m, w->other);
    }
}

static void run_calls(struct work *w)
{
    for (uint64_t n = w->count; n; n--)
        new_object(w->b.m, w->type);
}

static void run_no_calls(struct work *w)
{
    for (uint64_t n = w->count; n; n--)
        new_nothing(w->b.m, w->type);
}

static void run_stores(struct work *w)
{
    for (uint64_t n = w->count; n; n--)
        store(w->b.m, w->slots[1], w->slots);
}

static void run_no_stores(struct work *w)
{
    for (uint64_t n = w->count; n; n--)
        store_nothing(w->b.m, w->slots[1], w->slots);
}

// The object into itself: after the first one both pointers have their marks, as most have.
static void run_barriers(struct work *w)
{
    for (uint64_t n = w->count; n; n--)
        store(w->b.m, w->slots[1], w->slots[1]);
}

// A white object each time: the old pointer has its mark, the new one gets it.
static void run_white_barriers(struct work *w)
{
    void **white = w->all;
    for (uint64_t n = w->count; n; n--)
        store(w->b.m, w->slots[1], *white++);
}

static void run_no_barriers(struct work *w)
{
    for (uint64_t n = w->count; n; n--)
        store_nothing(w->b.m, w->slots[1], w->slots[1]);
}

// A full collection, with its sweep, of as many objects as are counted.
static void run_collect(struct work *w) { bench_collect(&w->b); }

static void run_collects(struct work *w)
{
    for (uint64_t n = w->count; n; n--)
        bench_collect(&w->b);
}

static void run_sweep(struct work *w)
{
    if (w->b.api->sweep_all(w->b.m) != GCSIM_OK)
        die("sweeping failed");
}

static void run_page(struct work *w)
{
    const gcsim_whitebox *wb = gcsim_whitebox_fast();
    for (uint64_t n = w->count; n; n--)
        if (wb->replay_alloc(w->pages, 1) < 0)
            die("no page was found");
}

static void run_cached_page(struct work *w)
{
    const gcsim_whitebox *wb = gcsim_whitebox_fast();
    for (uint64_t n = w->count; n; n--)
        if (wb->replay_cachealloc(w->pages, 1) <= 0 &&
            (wb->replay_tocache(w->pages) < 0 || wb->replay_cachealloc(w->pages, 1) <= 0))
            die("no page was found");
}

__attribute__((noinline)) static void measured(struct work *w)
{
    w->run(w);
    __asm__ volatile("" ::: "memory"); // no tail call: the tool watches this function return
}

// --- what is prepared ---

// OBJECTS objects, of which every `keep`-th survives (0: none), spread by chance but the same each time; then a full collection.
static void used_before(struct work *w, uint64_t keep)
{
    const gcsim_type *t = w->type;
    uint64_t seed = 1;
    for (uint64_t i = 0; i < OBJECTS; i++) {
        void **p = bench_new(w->b.m, t);
        memset(p, 0, t->bytes);
        if (keep && bench_below(&seed, (uint32_t)keep) == 0) {
            p[0] = w->slots[1]; // a list
            w->slots[1] = p;
        }
    }
    bench_collect(&w->b);
}

static void fresh(struct work *w) { (void)w; }

static void emptied(struct work *w) { used_before(w, 0); }

static void eighth_lives(struct work *w) { used_before(w, 8); }

static void half_lives(struct work *w) { used_before(w, 2); }

// `count` objects of w->type, which nothing reaches, in w->all.
static void make_all(struct work *w)
{
    w->all = sure(malloc(w->count * sizeof *w->all));
    for (uint64_t i = 0; i < w->count; i++)
        w->all[i] = bench_new(w->b.m, w->type);
}

// They live: each links to the one before and to another.
static void all_linked(struct work *w)
{
    make_all(w);
    uint64_t seed = 1;
    for (uint64_t i = 0; i < w->count; i++) {
        void **p = w->all[i];
        gcsim_store(w->b.m, &p[0], i ? w->all[i - 1] : NULL);
        gcsim_store(w->b.m, &p[1], w->all[bench_below(&seed, (uint32_t)i + 1)]);
    }
    w->slots[1] = w->all[w->count - 1];
    bench_collect(&w->b);
}

// They live: an array of `count` pointers leads to one each, or, if `same`, to the first of them.
static void pointed_to(struct work *w, bool same)
{
    make_all(w);
    uint64_t mask = 1;
    const gcsim_type *pointer = bench_type(&w->b, "pointer", 1, &mask, 1);
    void **array = sure(w->b.api->new_array(w->b.m, pointer, w->count));
    for (uint64_t i = 0; i < w->count; i++)
        gcsim_store(w->b.m, &array[i], w->all[same ? 0 : i]);
    w->slots[1] = array;
    bench_collect(&w->b);
}

static void each_pointed_to(struct work *w) { pointed_to(w, false); }

static void one_pointed_to(struct work *w) { pointed_to(w, true); }

// A cycle of which `count` spans wait to be swept; in each every `keep`-th object lives (0: none).
static void unswept(struct work *w, uint64_t keep)
{
    uint64_t rule[7], span[4];
    gcsim_whitebox_fast()->sizeclass_resolve(w->type->bytes, 0, rule);
    gcsim_whitebox_fast()->span_geometry((uint32_t)rule[0], 0, 1, span);
    for (uint64_t i = 0; i < w->count * span[0]; i++) {
        void **p = bench_new(w->b.m, w->type);
        if (keep && i % keep == 0) {
            p[0] = w->slots[1];
            w->slots[1] = p;
        }
    }
    gcsim_mutator *m = w->b.m;
    w->b.api->set_gc_percent(m, 1);
    bench_new(m, bench_type(&w->b, "large", LARGE_WORDS, NULL, 0)); // it reaches the trigger
    w->b.api->set_gc_percent(m, -1);
    if (bench_cycle(&w->b).number != 1)
        die("no cycle has run whose spans could wait");
}

static void unswept_empty(struct work *w) { unswept(w, 0); }

static void unswept_half(struct work *w) { unswept(w, 2); }

// A page allocator of its own with room enough.
static void free_pages(struct work *w)
{
    enum { CHUNK = 1 << 18, CHUNK_PAGES = 512 };
    const gcsim_whitebox *wb = gcsim_whitebox_fast();
    uint64_t chunks = w->count / CHUNK_PAGES + 2;
    w->pages = wb->replay_new(CHUNK, chunks, 0);
    if (!w->pages || !wb->replay_grow(w->pages, CHUNK, chunks))
        die("no page allocator");
}

// A window that has been loaded, with free slots for every hit.
static void window(struct work *w)
{
    w->slots[1] = bench_new(w->b.m, w->type);
    if ((uint64_t)__builtin_popcountll(w->b.m->alloc[w->type->fast_class]->free) < w->count)
        die("the window has too few free slots to count hits only");
}

// The write barrier is on, and its buffer has room for every store.
static void marking(struct work *w)
{
    static void *notes[1 << 18];
    w->slots[1] = bench_new(w->b.m, w->type);
    if (2 * w->count > sizeof notes / sizeof *notes)
        die("the barrier's buffer has too little room for every store");
    w->b.m->barrier = GCSIM_BARRIER_MARKING;
    w->notes = w->b.m->shade_next;
    w->b.m->shade_next = notes;
    w->b.m->shade_end = notes + sizeof notes / sizeof *notes;
}

// With the mutator's own buffer, which is flushed whenever it is full.
static void inline_barrier(struct work *w)
{
    w->slots[1] = bench_new(w->b.m, w->type);
    w->b.m->barrier = GCSIM_BARRIER_MARKING;
}

// The same, and white objects to store.
static void white_barrier(struct work *w)
{
    inline_barrier(w);
    make_all(w);
}

// No room for the inline path, which knows the hybrid barrier only: all of them go the same way.
static void called_barrier(struct work *w)
{
    inline_barrier(w);
    w->b.m->shade_end = w->b.m->shade_next;
}

static const struct mode {
    const char *name;
    uint64_t words, ptr_words;
    void (*prepare)(struct work *w);
    void (*run)(struct work *w);
    uint32_t barrier;
    uint32_t engine; // gcsim_mark_engine + 1
} modes[] = {
    {"loop", 2, 2, fresh, run_loop},
    {"new_16_fresh", 2, 2, fresh, run_new},
    {"new_16_reused", 2, 2, emptied, run_new},
    {"new_16_eighth_lives", 2, 2, eighth_lives, run_new},
    {"new_16_half_lives", 2, 2, half_lives, run_new},
    {"new_16_two_types", 2, 2, emptied, run_new_in_turn},
    {"new_16_noscan", 2, 0, fresh, run_new},
    {"new_64_fresh", 8, 2, fresh, run_new},
    {"new_64_reused", 8, 2, emptied, run_new},
    {"new_64_noscan", 8, 0, fresh, run_new},
    {"new_64_noscan_reused", 8, 0, emptied, run_new},
    {"new_large", LARGE_WORDS, 0, fresh, run_new},
    {"hit_16", 2, 2, window, run_calls},
    {"hit_64", 8, 2, window, run_calls},
    {"no_hit", 2, 2, window, run_no_calls},
    {"page_searched", 2, 2, free_pages, run_page},
    {"page_cached", 2, 2, free_pages, run_cached_page},
    {"store", 2, 2, window, run_stores},
    {"store_marking", 2, 2, marking, run_stores},
    {"no_store", 2, 2, window, run_no_stores},
    {"barrier_roomy", 2, 2, marking, run_barriers},
    {"barrier_inline", 2, 2, inline_barrier, run_barriers},
    {"barrier_white", 2, 2, white_barrier, run_white_barriers},
    {"barrier_hybrid", 2, 2, called_barrier, run_barriers},
    {"barrier_conditional", 2, 2, called_barrier, run_barriers, GCSIM_BARRIER_HYBRID_CONDITIONAL},
    {"barrier_dijkstra", 2, 2, called_barrier, run_barriers, GCSIM_BARRIER_DIJKSTRA},
    {"barrier_yuasa", 2, 2, called_barrier, run_barriers, GCSIM_BARRIER_YUASA},
    {"barrier_steele", 2, 2, called_barrier, run_barriers, GCSIM_BARRIER_STEELE},
    {"barrier_none", 2, 2, called_barrier, run_barriers, GCSIM_BARRIER_NONE},
    {"no_barrier", 2, 2, called_barrier, run_no_barriers, GCSIM_BARRIER_NONE},
#define MARKED_BY(name, number)                                                                    \
    {"mark_same_" name, 2, 0, one_pointed_to, run_collect, .engine = (number) + 1},                \
        {"mark_leaves_" name, 2, 0, each_pointed_to, run_collect, .engine = (number) + 1},         \
        {"mark_objects_" name, 2, 2, each_pointed_to, run_collect, .engine = (number) + 1},        \
        {"mark_linked_" name, 2, 2, all_linked, run_collect, .engine = (number) + 1}
    MARKED_BY("field", GCSIM_MARK_FIELD),
    MARKED_BY("object", GCSIM_MARK_OBJECT),
    MARKED_BY("span", GCSIM_MARK_SPAN),
    {"sweep_empty", 2, 2, unswept_empty, run_sweep},
    {"sweep_half", 2, 2, unswept_half, run_sweep},
    {"collect", 2, 2, fresh, run_collects},
};

static const struct mode *mode_of(const char *name)
{
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (!strcmp(modes[i].name, name))
            return &modes[i];
    fprintf(stderr, "%s: ", name);
    die("no such work");
}

// World stopped: only then does a collection take the same steps each time.
static void count(const struct mode *mode, uint64_t n)
{
    uint64_t both = 3, first = 1;
    // One processor: what other threads do is not counted.
    struct bench b = bench_open_with((gcsim_options){.gc_percent = -1,
                                                     .procs = 1,
                                                     .stop_the_world = true,
                                                     .mark_engine = mode->engine,
                                                     .barrier = mode->barrier});
    struct work w = {.b = b, .count = n, .run = mode->run};
    w.type = bench_type(&w.b, "object", mode->words, &both, mode->ptr_words);
    w.other = bench_type(&w.b, "other", mode->words, &first, mode->ptr_words ? 1 : 0);
    w.slots = bench_frame(&w.b, 2);
    mode->prepare(&w);
    gcsim_cycle before = {0}, after = {0};
    b.api->cycle_info(b.heap, 0, &before);
    measured(&w);
    if (w.notes)
        w.b.m->shade_next = w.notes;
    b.api->cycle_info(b.heap, 0, &after);
    uint64_t cycles = mode->run == run_collects ? n : mode->run == run_collect;
    if (after.number - before.number != cycles)
        die("a collection ran where only allocation is counted, or none where one is");
    if (w.pages)
        gcsim_whitebox_fast()->replay_delete(w.pages);
    free(w.all);
    bench_close(&b);
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc % 2 == 0)
        die("usage: instructions WHAT COUNT [WHAT COUNT]...");
    for (int i = 1; i < argc; i += 2)
        count(mode_of(argv[i]), number(argv[i + 1]));
    return 0;
}
