// Work whose instructions are counted under valgrind by tests/bench/instructions.py: only what `measured` does is counted, and the
// difference between two lengths of its loop leaves out everything but the loop's body.
//
//   instructions WHAT COUNT
#include "bench.h"

enum {
    OBJECTS = 1
        << 18, // prepared for the modes that re-use slots; COUNT stays below what is freed of them
};

struct work {
    struct bench b;
    const gcsim_type *type, *other;
    void **slots;
    uint64_t count;
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

static void run_no_barriers(struct work *w)
{
    for (uint64_t n = w->count; n; n--)
        store_nothing(w->b.m, w->slots[1], w->slots[1]);
}

static void run_nothing(struct work *w) { (void)w; }

// A full collection, with its sweep, of as many objects as are counted.
static void run_collect(struct work *w) { bench_collect(&w->b); }

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

// `count` objects of two links, all of which live: each links to the one before and to another.
static void all_live(struct work *w)
{
    void **all = malloc(w->count * sizeof *all);
    if (!all)
        die("no memory");
    uint64_t seed = 1;
    for (uint64_t i = 0; i < w->count; i++) {
        void **p = all[i] = bench_new(w->b.m, w->type);
        gcsim_store(w->b.m, &p[0], i ? all[i - 1] : NULL);
        gcsim_store(w->b.m, &p[1], all[bench_below(&seed, (uint32_t)i + 1)]);
    }
    w->slots[1] = all[w->count - 1];
    free(all);
    bench_collect(&w->b);
}

// A window that has been loaded, with free slots for every hit.
static void window(struct work *w)
{
    w->slots[1] = bench_new(w->b.m, w->type);
    if ((uint64_t)__builtin_popcountll(w->b.m->alloc[w->type->fast_class]->free) < w->count)
        die("the window has too few free slots to count hits only");
}

// The same with the write barrier on, and room in its buffer for every store.
static void marking(struct work *w)
{
    static void *notes[4096];
    window(w);
    if (2 * w->count > sizeof notes / sizeof *notes)
        die("the barrier's buffer has too little room to count the fast path only");
    w->b.m->barrier = GCSIM_BARRIER_MARKING;
    w->b.m->shade_next = notes;
    w->b.m->shade_end = notes + sizeof notes / sizeof *notes;
}

// With the mutator's own buffer, which is flushed whenever it is full.
static void inline_barrier(struct work *w)
{
    w->slots[1] = bench_new(w->b.m, w->type);
    w->b.m->barrier = GCSIM_BARRIER_MARKING;
}

// No room for the inline path, which knows the hybrid barrier only: all of them go the same way.
static void called_barrier(struct work *w)
{
    inline_barrier(w);
    w->b.m->shade_end = w->b.m->shade_next;
}

static const struct mode {
    const char *name;
    uint64_t words;
    void (*prepare)(struct work *w);
    void (*run)(struct work *w);
    uint32_t barrier;
} modes[] = {
    {"new_16_fresh", 2, fresh, run_new},
    {"new_16_reused", 2, emptied, run_new},
    {"new_16_eighth_lives", 2, eighth_lives, run_new},
    {"new_16_half_lives", 2, half_lives, run_new},
    {"new_16_two_types", 2, emptied, run_new_in_turn},
    {"new_64_fresh", 8, fresh, run_new},
    {"new_64_reused", 8, emptied, run_new},
    {"loop", 2, fresh, run_loop},
    {"hit_16", 2, window, run_calls},
    {"hit_64", 8, window, run_calls},
    {"no_hit", 2, window, run_no_calls},
    {"store", 2, window, run_stores},
    {"store_marking", 2, marking, run_stores},
    {"no_store", 2, window, run_no_stores},
    {"barrier_inline", 2, inline_barrier, run_barriers, GCSIM_BARRIER_HYBRID},
    {"barrier_hybrid", 2, called_barrier, run_barriers, GCSIM_BARRIER_HYBRID},
    {"barrier_conditional", 2, called_barrier, run_barriers, GCSIM_BARRIER_HYBRID_CONDITIONAL},
    {"barrier_dijkstra", 2, called_barrier, run_barriers, GCSIM_BARRIER_DIJKSTRA},
    {"barrier_yuasa", 2, called_barrier, run_barriers, GCSIM_BARRIER_YUASA},
    {"barrier_steele", 2, called_barrier, run_barriers, GCSIM_BARRIER_STEELE},
    {"barrier_none", 2, called_barrier, run_barriers, GCSIM_BARRIER_NONE},
    {"no_barrier", 2, called_barrier, run_no_barriers, GCSIM_BARRIER_NONE},
    {"mark_16", 2, all_live, run_collect},
    {"nothing", 2, all_live, run_nothing},
};

int main(int argc, char **argv)
{
    if (argc != 3)
        die("usage: instructions WHAT COUNT");
    const struct mode *mode = modes, *end = modes + sizeof modes / sizeof *modes;
    while (mode < end && strcmp(mode->name, argv[1]))
        mode++;
    if (mode == end)
        die("no such work");
    uint64_t both = 3, first = 1;
    struct bench b = bench_open_with(
        (gcsim_options){.gc_percent = -1, .stop_the_world = true, .barrier = mode->barrier});
    struct work w = {.b = b, .count = number(argv[2]), .run = mode->run};
    w.type = bench_type(&w.b, "object", mode->words, &both, 2);
    w.other = bench_type(&w.b, "other", mode->words, &first, 1);
    w.slots = bench_frame(&w.b, 2);
    mode->prepare(&w);
    gcsim_cycle before = {0}, after = {0};
    w.b.api->cycle_info(w.b.heap, 0, &before);
    measured(&w);
    w.b.api->cycle_info(w.b.heap, 0, &after);
    if (after.number - before.number != (mode->run == run_collect))
        die("a collection ran where only allocation is counted, or none where one is");
    bench_close(&w.b);
    return 0;
}
