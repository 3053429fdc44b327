// instantiations: fast step
//
// The world as a value: snapshots are bit-exact, back and forth, also over growth and collections; hashes tell states apart.
#include "harness.h"

// --- a copy of our own: every committed byte of every region ----------------------------------------------------

struct copy {
    uint64_t bytes[WORLD_REGIONS];
    char *region[WORLD_REGIONS];
};

static struct copy copy_world(const struct world *w)
{
    struct copy c;
    for (int r = 0; r < WORLD_REGIONS; r++) {
        c.bytes[r] = w->regions[r].committed;
        c.region[r] = malloc(c.bytes[r] + 1);
        memcpy(c.region[r], world_at(w, r), c.bytes[r]);
    }
    return c;
}

static void free_copy(struct copy *c)
{
    for (int r = 0; r < WORLD_REGIONS; r++)
        free(c->region[r]);
}

static bool is_copy_but(const struct world *w, const struct copy *c, int but)
{
    for (int r = 0; r < WORLD_REGIONS; r++)
        if (r != but && (w->regions[r].committed != c->bytes[r] ||
                         memcmp(world_at(w, r), c->region[r], c->bytes[r]) != 0))
            return false;
    return true;
}

static bool is_copy(const struct world *w, const struct copy *c) { return is_copy_but(w, c, -1); }

// --- a world without a heap --------------------------------------------------------------------------------------

static void scribble(struct world *w, uint64_t *random)
{
    for (int i = 0; i < 30; i++) {
        enum world_region r = (enum world_region)(1 + below(random, WORLD_REGIONS - 1));
        if (below(random, 5) == 0)
            world_commit(w, r, w->regions[r].committed + below(random, 100000));
        if (w->regions[r].committed)
            world_at(w, r)[below(random, w->regions[r].committed)] = (char)next_random(random);
    }
}

static void bare_world(uint64_t seed)
{
    enum { MARKS = 40 };
    uint64_t reserved[WORLD_REGIONS], random = seed;
    for (int r = 0; r < WORLD_REGIONS; r++)
        reserved[r] = 1 << 20;
    struct world *w = world_create(reserved);
    struct world_log *log = world_log_create(w, NULL);
    struct copy copies[MARKS];
    uint64_t n = 0, at = 0;
    bool exact = true;
    for (int i = 0; i < 400; i++) {
        scribble(w, &random);
        if ((n == 0 || at + 1 < MARKS) && below(&random, 3)) {
            while (n > at + 1) // those behind are forgotten
                free_copy(&copies[--n]);
            exact &= world_log_mark(log) == (int64_t)n;
            copies[at = n++] = copy_world(w);
            exact &= !world_log_changed(log);
        } else if (n && below(&random, 3)) { // back, or forward
            at = below(&random, n);
            exact &= world_log_rewind(log, (int64_t)at) && is_copy(w, &copies[at]);
        } else if (n) { // a mark in between, which is taken back
            exact &= world_log_set_aside(log) && world_log_mark(log) == (int64_t)at + 1;
            world_log_take_back(log);
        }
    }
    check(exact,
          "seed %" PRIu64 ": 400 random marks and ways back and forth between them in a bare world",
          seed);
    check(!world_log_rewind(log, (int64_t)n) && !world_log_rewind(log, -1),
          "there is no way to a mark that is not kept");
    while (n)
        free_copy(&copies[--n]);
    world_log_destroy(log);
    world_destroy(w);
}

static void regions_and_limits(void)
{
    uint64_t reserved[WORLD_REGIONS] = {
        [REGION_HEAP] = 10000, [REGION_META] = 100000, [REGION_ARENA] = 1 << 20};
    struct world *w = world_create(reserved);
    check((uintptr_t)world_at(w, REGION_ARENA) % (64 << 20) == 0, "the arena is aligned to 64 MiB");
    check(!world_commit(w, REGION_META, 1 << 20) && world_commit(w, REGION_META, 100000) &&
              world_commit(w, REGION_META, 5),
          "a region grows to what it reserved, and no further");
    bool zero = true;
    for (int i = 0; i < 100000; i++)
        zero &= world_at(w, REGION_META)[i] == 0;
    check(zero, "what it grows by is zero");
    uint64_t empty = world_hash(w);
    world_commit(w, REGION_ARENA, 1 << 20);
    check(world_hash(w) == empty, "a hash does not depend on how much is committed");
    world_at(w, REGION_ARENA)[77] = 1;
    uint64_t one = world_hash(w);
    world_at(w, REGION_ARENA)[77] = 0;
    world_at(w, REGION_ARENA)[85] = 1;
    check(one != empty && world_hash(w) != empty && world_hash(w) != one,
          "it tells a byte, and where it is");
    world_destroy(w);
}

// --- a heap, between calls ---------------------------------------------------------------------------------------
//
// Not under AddressSanitizer in the fast instantiation: free memory is poisoned there and cannot be copied.

#if GCSIM_STEPS || !defined(CORE_ASAN)
static const gcsim_type *node, *wide;

// A deterministic piece of life: what it does depends on `seed` and the heap alone.
static void live_a_little(mut *m, gcsim_handle *list, uint64_t seed)
{
    uint64_t random = seed;
    for (int i = 0; i < 400; i++) {
        uint64_t what = below(&random, 100);
        void **p = what < 5 ? API->new_array(m, wide, 1 + below(&random, 300))
                            : gcsim_new(m, what < 20 ? wide : node);
        INVARIANT(p);
        if (what % 3 == 0) {
            gcsim_store(m, p, list->ptr);
            gcsim_store(m, &list->ptr, p);
        }
        if (what == 50)
            gcsim_store(m, &list->ptr, NULL);
    }
    if (seed % 3 == 0)
        INVARIANT(API->collect(m) == GCSIM_OK);
    if (seed % 5 == 0)
        API->handle_drop(m->heap, API->handle_new(m, list->ptr));
    if (seed % 7 == 0) {
        uint32_t name;
        char text[24];
        snprintf(text, sizeof text, "name %" PRIu64, seed);
        INVARIANT(API->name_intern(m->heap, text, &name) == GCSIM_OK);
        gcsim_goroutine *g = API->goroutine_new(m, name);
        INVARIANT(API->frame_push(m, g, wide, name) != UINT64_MAX);
    }
}

static void heap_back_and_forth(int32_t percent)
{
    enum { MARKS = 16 };
    gcsim_options options = small_heap;
    options.gc_percent = percent;
    options.events = 256;
    options.stop_the_world = 2; // no thread changes it meanwhile
    options.procs = 1;          // and none has its stack in it
    mut *m = open_heap(options);
    struct world *w = H(m->heap)->world;
    node = make_type(m->heap, "node", 2, 1);
    wide = make_type(m->heap, "wide", 90, 1);
    gcsim_handle *list = API->handle_new(m, NULL);
    struct world_log *log = world_log_create(w, NULL);
    struct copy copies[MARKS];
    uint64_t hashes[MARKS];
    bool exact = true, verified = true, different = true, forward = true;
    for (int i = 0; i < MARKS; i++) {
        exact &= world_log_mark(log) == i;
        copies[i] = copy_world(w);
        hashes[i] = world_hash(w);
        different &= i == 0 || hashes[i] != hashes[i - 1];
        live_a_little(m, list, (uint64_t)i);
    }
    uint64_t grown = H(m->heap)->grown_pages, cycles = m->heap->gc.cycles;
    check(grown > (percent > 50 ? CHUNK_PAGES : 0) && cycles > 5,
          "a life of %" PRIu64 " pages and %" PRIu64 " cycles", grown, cycles);
    check(different, "its states have different hashes");
    for (int i = MARKS - 1; i >= 0; i--) {
        exact &= world_log_rewind(log, i) && is_copy(w, &copies[i]) && world_hash(w) == hashes[i];
        verified &= verifies(m); // which counts a few steps and leaves all else alone
        exact &= world_log_rewind(log, i) && is_copy(w, &copies[i]);
    }
    check(exact, "each state comes back bit by bit, from the last to the first");
    check(verified, "and verifies");
    for (int i = 0; i < MARKS; i++) { // and forth again
        if (GCSIM_STEPS) // else the clocks differ, by which the pacer decides. What lies on the stacks of finished calls is not state
            forward &= world_hash(w) == hashes[i] && is_copy_but(w, &copies[i], REGION_COROUTINES);
        live_a_little(m, list, (uint64_t)i);
    }
    check(forward, "the same life leads through the same states again");
    check(verifies(m) && H(m->heap)->grown_pages == grown && m->heap->gc.cycles == cycles,
          "to the same end");
    for (int i = 0; i < MARKS; i++)
        free_copy(&copies[i]);
    world_log_destroy(log);
    close_heap(m);
}

static void log_is_small(void)
{
    mut *m = open_heap(small_heap);
    node = make_type(m->heap, "node", 2, 1);
    for (int i = 0; i < 50000; i++)
        gcsim_new(m, node);
    struct world_log *log = world_log_create(H(m->heap)->world, NULL);
    world_log_mark(log);
    uint64_t lines = world_log_lines(log);
    gcsim_new(m, node);
    world_log_mark(log);
    check(world_log_lines(log) - lines < 64, "a mark keeps the %" PRIu64 " lines that changed",
          world_log_lines(log) - lines);
    world_log_mark(log);
    check(world_log_lines(log) - lines < 64, "and none where nothing did");
    world_log_destroy(log);
    close_heap(m);
}

// Rewinding one heap brings nothing of other heaps back.
static void other_heaps_stay(void)
{
    gcsim_status status;
    mut *m = open_heap(small_heap);
    gcsim_heap *before = API->heap_create(&small_heap, &status);
    struct world_log *log = world_log_create(H(m->heap)->world, NULL);
    world_log_mark(log);
    API->heap_destroy(before);
    gcsim_heap *after = API->heap_create(&small_heap, &status);
    check(world_log_rewind(log, 0) && verifies(m),
          "a heap goes back to before another was closed and a third one opened");
    world_log_destroy(log);
    close_heap(m);
    API->heap_destroy(after);
    check(true, "both are closed");
}
#endif

int main(void)
{
    regions_and_limits();
    for (uint64_t seed = 1; seed <= 4; seed++)
        bare_world(seed);
#if GCSIM_STEPS || !defined(CORE_ASAN)
    heap_back_and_forth(100);
    heap_back_and_forth(5);
    log_is_small();
    other_heaps_stay();
#endif
    return finish();
}
