// instantiations: fast step
//
// Finalizers, cleanups, weak references: what runs, in which order, how often, and what is kept until then. The ideas are those of Go's
// mfinal_test, mcleanup_test and weak/pointer_test.
#include "harness.h"

static const gcsim_type *node, *wide, *large, *tiny, *nothing;

static mut *open_with_types(gcsim_options options)
{
    mut *m = open_heap(options);
    node = make_type(m->heap, "node", 2, 1);
    wide = make_type(m->heap, "wide", 80, 1);      // has a header
    large = make_type(m->heap, "large", 64, 0xff); // many make a large object
    tiny = make_bytes(m->heap, "tiny", 4);
    nothing = make_bytes(m->heap, "nothing", 0);
    return m;
}

static void *fresh(mut *m, const gcsim_type *type)
{
    void *p = gcsim_new(m, type);
    INVARIANT(p);
    return p;
}

// --- a log of what ran -------------------------------------------------------------------------------------------

static struct {
    const char *what;
    void *object;
} ran[64];
static uint64_t nran;

static void note_run(mut *m, void *object, void *arg)
{
    (void)m;
    if (nran < 64) {
        ran[nran].what = arg;
        ran[nran].object = object;
    }
    nran++;
}

static uint64_t finalizer(mut *m, void *p, const char *what)
{
    return API->finalizer_set(m, p, note_run, (void *)(uintptr_t)what);
}

static uint64_t cleanup(mut *m, void *p, const char *what)
{
    return API->cleanup_add(m, p, note_run, (void *)(uintptr_t)what);
}

static bool ran_is(uint64_t i, const char *what, const void *object)
{
    return i < nran && strcmp(ran[i].what, what) == 0 && ran[i].object == object;
}

// Collect, and run what is ready; how many ran.
static uint64_t collect_and_run(mut *m)
{
    EXPECT(API->collect(m) == GCSIM_OK);
    EXPECT(verifies(m));
    nran = 0;
    uint64_t n = gcsim_run_callbacks(m);
    EXPECT(verifies(m));
    return n;
}

static gcsim_callback_counts counts_of(mut *m)
{
    gcsim_callback_counts counts;
    API->callback_counts(m->heap, &counts);
    return counts;
}

// --- finalizers --------------------------------------------------------------------------------------------------

static void one_finalizer(const gcsim_type *type, uint64_t count, const char *what)
{
    mut *m = open_with_types(small_heap);
    if (type == (void *)1)
        type = wide;
    else
        type = type ? large : node;
    void **p = API->new_array(m, type, count), *child = fresh(m, node);
    gcsim_store(m, p, child);
    gcsim_handle *root = API->handle_new(m, p);
    check(finalizer(m, p, "f") != 0 && collect_and_run(m) == 0,
          "%s: no finalizer runs while its object lives", what);
    API->handle_drop(m->heap, root);
    API->collect(m);
    uint64_t live = H(m->heap)->heap_live;
    check(count_objects(m) == 2 && is_object(m->heap, p) && is_object(m->heap, child) &&
              *p == child && counts_of(m).ready == 1,
          "%s: the object is revived with what it reaches", what);
    API->collect(m);
    check(count_objects(m) == 2 && H(m->heap)->heap_live > live && verifies(m),
          "%s: both stay until the finalizer has run, and count as live from the next cycle on",
          what);
    nran = 0;
    check(gcsim_run_callbacks(m) == 1 && ran_is(0, "f", p), "%s: it gets the object", what);
    check(collect_and_run(m) == 0 && count_objects(m) == 0, "%s: then both die, for good", what);
    gcsim_memstats s;
    API->memstats(m, &s);
    check(s.mallocs == s.frees && s.heap_objects == 0, "%s: allocations and frees balance", what);
    close_heap(m);
}

static void rules_of_addresses(void)
{
    mut *m = open_with_types(small_heap);
    char *p = fresh(m, node), *w = fresh(m, wide);
    gcsim_handle *h[] = {API->handle_new(m, p), API->handle_new(m, w)};
    check(!finalizer(m, p + 8, "x") && m->status == GCSIM_BAD_ADDRESS,
          "a finalizer is set at an object's first byte");
    check(!finalizer(m, w - 8, "x") && m->status == GCSIM_BAD_ADDRESS && finalizer(m, w, "w"),
          "which comes after its header");
    check(finalizer(m, p, "first") && !finalizer(m, p, "second") && m->status == GCSIM_BAD_STATE,
          "an object has one finalizer");
    void *arg = NULL;
    check(API->finalizer_clear(m, p, &arg) == 1 && strcmp(arg, "first") == 0 &&
              API->finalizer_clear(m, p, &arg) == 0 && verifies(m),
          "it can be taken away, once");
    check(finalizer(m, p, "third") != 0, "and then set anew");
    check(!finalizer(m, fresh(m, nothing), "x") && m->status == GCSIM_OK &&
              !cleanup(m, fresh(m, nothing), "x") && m->status == GCSIM_OK,
          "of an object of size zero nothing ever comes");
    int outside;
    check(!finalizer(m, &outside, "x") && m->status == GCSIM_OK && !finalizer(m, NULL, "x") &&
              m->status == GCSIM_OK && !cleanup(m, &outside, "x") && m->status == GCSIM_OK,
          "nor of memory that is not the heap's");
    gcsim_goroutine *g = API->goroutine_new(m, 0);
    char *end = API->arena(m->heap, NULL) + (H(m->heap)->grown_pages << PAGE_SHIFT) - 8;
    check(!finalizer(m, g->stack, "x") && m->status == GCSIM_BAD_ADDRESS &&
              !cleanup(m, g->stack, "x") && m->status == GCSIM_BAD_ADDRESS &&
              !cleanup(m, end, "x") && m->status == GCSIM_BAD_ADDRESS,
          "the core's own memory and free pages are refused");
    for (int i = 0; i < 2; i++)
        API->handle_drop(m->heap, h[i]);
    check(collect_and_run(m) == 2 && ran_is(0, "third", p) && ran_is(1, "w", w),
          "what was set in the end is what runs");
    close_heap(m);
}

// Objects below 16 bytes without pointers share blocks, and a block dies as a whole.
static void tiny_objects(void)
{
    mut *m = open_with_types(small_heap);
    char *p[4];
    for (int i = 0; i < 4; i++)
        p[i] = fresh(m, tiny);
    check(p[3] == p[0] + 12, "four share a block");
    static const char *const names[] = {"0", "1", "2", "3"};
    for (int i = 3; i >= 0; i--)
        EXPECT(i == 2 ? cleanup(m, p[i], names[i]) : finalizer(m, p[i], names[i]));
    gcsim_weak *weak = API->weak_new(m, p[1]);
    mcache_flush(mutator_of(m)); // the block that is being filled is a root
    gcsim_handle *root = API->handle_new(m, p[2]);
    check(collect_and_run(m) == 0, "while one is reachable, nothing of the block runs");
    API->handle_drop(m->heap, root);
    check(collect_and_run(m) == 3 && ran_is(0, "0", p[0]) && ran_is(1, "1", p[1]) &&
              ran_is(2, "3", p[3]) && API->weak_get(m, weak) == NULL,
          "when the block dies all its finalizers are ready at once");
    check(collect_and_run(m) == 1 && ran_is(0, "2", NULL) && count_objects(m) == 0,
          "and cleanups when it is gone");
    API->weak_drop(m, weak);
    check(verifies(m), "nothing is left");
    close_heap(m);
}

static void chains_and_cycles(void)
{
    mut *m = open_with_types(small_heap);
    static const char *const names[] = {"a", "b", "c", "d"};
    void *p[4];
    for (int i = 3; i >= 0; i--) {
        p[i] = fresh(m, node);
        gcsim_store(m, p[i], i < 3 ? p[i + 1] : NULL);
        EXPECT(finalizer(m, p[i], names[i]));
    }
    for (int i = 0; i < 4; i++)
        check(collect_and_run(m) == 1 && ran_is(0, names[i], p[i]),
              "of a chain one object a cycle, the outer one first: %s", names[i]);
    check(collect_and_run(m) == 0 && count_objects(m) == 0, "then all of it is gone");

    void *x = fresh(m, node), *y = fresh(m, node), *self = fresh(m, node);
    gcsim_store(m, x, y);
    gcsim_store(m, y, x);
    gcsim_store(m, self, self);
    EXPECT(finalizer(m, x, "x") && finalizer(m, self, "self"));
    for (int i = 0; i < 4; i++)
        EXPECT(collect_and_run(m) == 0);
    check(count_objects(m) == 3, "a cycle with a finalizer never dies");
    gcsim_store(m, y, NULL);
    check(collect_and_run(m) == 1 && ran_is(0, "x", x), "unless it is broken");
    close_heap(m);
}

static gcsim_handle *saved;
static void resurrect(mut *m, void *object, void *arg)
{
    saved = API->handle_new(m, object);
    EXPECT(finalizer(m, object, "again"));
    note_run(m, object, arg);
    EXPECT(API->collect(m) == GCSIM_OK && is_object(m->heap, object)); // callbacks may collect
    for (int i = 0; i < 1000; i++)
        fresh(m, node);
}

static void resurrection(void)
{
    mut *m = open_with_types(small_heap);
    void *p = fresh(m, node);
    EXPECT(API->finalizer_set(m, p, resurrect, (void *)(uintptr_t)"once"));
    check(collect_and_run(m) == 1 && ran_is(0, "once", p) && saved->ptr == p,
          "a finalizer may save its object");
    check(collect_and_run(m) == 0 && count_objects(m) >= 1, "which then lives on");
    API->handle_drop(m->heap, saved);
    check(collect_and_run(m) == 1 && ran_is(0, "again", p), "and may get another one");
    check(collect_and_run(m) == 0 && count_objects(m) == 0, "which runs once as well");
    close_heap(m);
}

// --- cleanups ----------------------------------------------------------------------------------------------------

static void cleanups(void)
{
    mut *m = open_with_types(small_heap);
    char *p = fresh(m, node);
    gcsim_handle *root = API->handle_new(m, p);
    EXPECT(cleanup(m, p + 8, "inside") && cleanup(m, p, "one") && cleanup(m, p, "two") &&
           cleanup(m, p + 15, "end") && cleanup(m, p, "three"));
    check(collect_and_run(m) == 0, "cleanups wait while the object lives");
    API->handle_drop(m->heap, root);
    API->collect(m);
    check(count_objects(m) == 0 && counts_of(m).ready == 5, "they keep nothing alive");
    nran = 0;
    check(gcsim_run_callbacks(m) == 5 && ran_is(0, "one", NULL) && ran_is(1, "two", NULL) &&
              ran_is(2, "three", NULL) && ran_is(3, "inside", NULL) && ran_is(4, "end", NULL),
          "each runs, by address and age");
    check(collect_and_run(m) == 0, "once");

    uint64_t id[4];
    void *arg;
    static const char *const names[] = {"0", "1", "2", "3"};
    for (int order = 0; order < 4; order++) { // each of three is stopped, and none
        p = fresh(m, node);
        root = API->handle_new(m, p);
        for (int i = 0; i < 3; i++)
            id[i] = cleanup(m, p, names[i]);
        EXPECT(id[1] > id[0] && id[2] > id[1]);
        EXPECT(order == 3 || (API->cleanup_stop(m, p, id[order], &arg) == 1 &&
                              arg == (const void *)names[order] && verifies(m)));
        EXPECT(order == 3 || API->cleanup_stop(m, p, id[order], NULL) == 0);
        API->handle_drop(m->heap, root);
        EXPECT(collect_and_run(m) == (order == 3 ? 3 : 2));
        for (int i = 0; i < 3; i++)
            EXPECT(API->cleanup_stop(m, p, id[i], NULL) ==
                   0); // the page is another span's, or none's
        for (uint64_t i = 0; i < nran; i++)
            EXPECT(order == 3 || strcmp(ran[i].what, names[order]) != 0);
    }
    p = fresh(m, node);
    id[0] = cleanup(m, p, "x");
    check(!API->cleanup_stop(m, p + 1, id[0], NULL) && !API->cleanup_stop(m, p, id[0] + 1, NULL) &&
              !API->cleanup_stop(m, &id, id[0], NULL) && !API->cleanup_stop(m, NULL, id[0], NULL),
          "stop takes the address and the id");
    check(API->cleanup_stop(m, p, id[0], NULL) && collect_and_run(m) == 0,
          "a stopped cleanup does not run");
    close_heap(m);
}

// Set before or after each other: finalizer first, with the weak reference nil already; cleanups when the object is gone.
static gcsim_weak *asked;
static bool weak_was_nil;
static void ask_weak(mut *m, void *object, void *arg)
{
    weak_was_nil = API->weak_get(m, asked) == NULL;
    note_run(m, object, arg);
}

static void order(void)
{
    mut *m = open_with_types(small_heap);
    for (int first = 0; first < 2; first++) {
        void *p = fresh(m, node);
        gcsim_weak *new_weak;
        if (first)
            EXPECT(cleanup(m, p, "cleanup"));
        EXPECT(API->finalizer_set(m, p, ask_weak, (void *)(uintptr_t)"finalizer"));
        asked = API->weak_new(m, p);
        if (!first)
            EXPECT(cleanup(m, p, "cleanup"));
        weak_was_nil = false;
        check(collect_and_run(m) == 1 && ran_is(0, "finalizer", p) && weak_was_nil,
              "the finalizer first, and weak references are nil before it runs");
        check((new_weak = API->weak_new(m, p)) != asked && API->weak_get(m, new_weak) == p &&
                  API->weak_get(m, asked) == NULL && verifies(m),
              "a weak reference to a revived object is another one");
        check(collect_and_run(m) == 1 && ran_is(0, "cleanup", NULL) &&
                  API->weak_get(m, new_weak) == NULL,
              "the cleanup when the object is gone");
        API->weak_drop(m, asked);
        API->weak_drop(m, new_weak);
    }
    gcsim_callback_counts c = counts_of(m);
    check(c.finalizers_queued == 2 && c.finalizers_executed == 2 && c.cleanups_queued == 2 &&
              c.cleanups_executed == 2 && c.ready == 0,
          "each is counted when it is queued and when it ran");
    close_heap(m);
}

// --- many, and at any time ---------------------------------------------------------------------------------------

static void count_run(mut *m, void *object, void *arg)
{
    (void)m, (void)object;
    ++*(uint64_t *)arg;
}

static void none_is_lost(void)
{
    mut *m = open_with_types(small_heap);
    enum { COUNT = 10000 };
    static uint64_t times[COUNT];
    memset(times, 0, sizeof times);
    const gcsim_type *const types[] = {node, wide, tiny, large};
    for (int i = 0; i < COUNT; i++) {
        void *p = fresh(m, types[i % 4]);
        EXPECT(i % 3 ? API->cleanup_add(m, p, count_run, &times[i])
                     : API->finalizer_set(m, p, count_run, &times[i]));
    }
    EXPECT(verifies(m));
    mcache_flush(mutator_of(m));
    uint64_t total = 0;
    for (int i = 0; i < 3; i++)
        total += collect_and_run(m);
    bool once = true;
    for (int i = 0; i < COUNT; i++)
        once &= times[i] == 1;
    check(once && total == COUNT && count_objects(m) == 0, "of %d callbacks each ran once", COUNT);
    close_heap(m);
}

// The queue is looked at in several root jobs, and may shrink while they are done.
static void a_long_queue(void)
{
    mut *m = open_with_types(small_heap);
    enum { COUNT = 4 * READY_PER_JOB + 7 };
    static uint64_t times[COUNT];
    for (int i = 0; i < COUNT; i++) {
        void *p = fresh(m, node);
        gcsim_store(m, p, fresh(m, node));
        EXPECT(API->finalizer_set(m, p, count_run, &times[i]));
    }
    API->collect(m);
    check(counts_of(m).ready == COUNT && verifies(m), "%d wait", COUNT);
    API->collect(m);
    check(count_objects(m) == 2 * COUNT && verifies(m), "and keep their objects");
    gcsim_callback c = {0};
    void *objects[COUNT / 2];
    API->set_gc_percent(m, 100);
    H(m->heap)->trigger = m->heap->gc.goal = 0;
    EXPECT(cycle_run(mutator_of(m), GCSIM_TRIGGER_HEAP) == GCSIM_OK);
    for (int i = 0; i < COUNT / 2; i++) { // while marking is under way
        EXPECT(API->callback_take(m, &c) && c.kind == GCSIM_FINALIZER && c.object->ptr);
        objects[i] = c.object->ptr;
        if (i % 2)
            API->callback_done(m->heap, &c);
    }
    void *q = fresh(m, node);
    for (int i = 0; i < COUNT / 2; i++) // in the memory of those that were taken
        EXPECT(cleanup(m, q, "other"));
    API->collect(m);
    bool alive = true;
    for (int i = 0; i < COUNT / 2; i += 2)
        alive &= is_object(m->heap, objects[i]) && is_object(m->heap, *(void **)objects[i]);
    check(alive && verifies(m), "an object is a root until its finalizer is done");
    close_heap(m);
}

// Finalizers that are set while marking runs: what their objects reach is kept although the objects' own root jobs are over.
static void set_while_marking(uint32_t shades)
{
    gcsim_options options = small_heap;
    options.shade_entries = shades;
    options.procs = 1; // the mutator is inside, so no worker takes its turn
    mut *m = open_with_types(options);
    enum { COUNT = 200 };
    void *p[COUNT], *child[COUNT];
    gcsim_handle *h[COUNT];
    for (int i = 0; i < COUNT; i++) {
        child[i] = fresh(m, node);
        p[i] = fresh(m, node);
        gcsim_store(m, p[i], child[i]);
        h[i] = API->handle_new(m, p[i]);
    }
    API->collect(m);
    uint64_t cycles = m->heap->gc.cycles;
    API->set_gc_percent(m, 100);
    H(m->heap)->trigger = m->heap->gc.goal = 0;
    EXPECT(cycle_run(mutator_of(m), GCSIM_TRIGGER_HEAP) == GCSIM_OK);
    check(m->heap->gc.cycles == cycles + 1 && (!GCSIM_STEPS || m->heap->gc.phase == GC_MARK),
          "marking has begun");
    while (GCSIM_STEPS && specials_next(mutator_of(m), NULL, NULL)) // no finalizer yet, no queue
        ;
    for (int i = 0; i < COUNT; i++) {
        EXPECT(finalizer(m, p[i], "late"));
        API->handle_drop(m->heap, h[i]);
    }
    EXPECT(API->collect(m) == GCSIM_OK); // ends that cycle, and runs another
    bool kept = true;
    for (int i = 0; i < COUNT; i++)
        kept &=
            is_object(m->heap, p[i]) && is_object(m->heap, child[i]) && *(void **)p[i] == child[i];
    check(kept && verifies(m) && counts_of(m).ready == COUNT,
          "finalizers set while marking keep what their objects reach");
    nran = 0;
    check(gcsim_run_callbacks(m) == COUNT && collect_and_run(m) == 0 && count_objects(m) == 0,
          "and run");
    close_heap(m);
}

// The same where a root job is all that reaches the children: the object itself is not marked, and one cycle must do.
static void only_the_root_job(void)
{
    gcsim_options options = small_heap;
    options.stop_the_world = 1;
    mut *m = open_with_types(options);
    void **p = API->new_array(m, large, 5000); // 2.5 MB: scanned in pieces
    gcsim_handle *root = API->handle_new(m, p);
    for (int i = 0; i < 5000; i++)
        gcsim_store(m, p + i * 64, fresh(m, node));
    EXPECT(finalizer(m, p, "large"));
    check(marks_verify(m), "the marks are right while the object lives");
    API->handle_drop(m->heap, root);
    check(marks_verify(m), "and when it is dead");
    API->collect(m);
    check(count_objects(m) == 5001 && verifies(m), "pieces of large objects are found");
    nran = 0;
    check(gcsim_run_callbacks(m) == 1 && collect_and_run(m) == 0 && count_objects(m) == 0,
          "and die with it");
    close_heap(m);
}

#if GCSIM_STEPS // one thread: nobody else ends the cycle
// Mark termination is not undone by those who turn weak references into strong ones: they wait.
static void weak_reads_wait(void)
{
    gcsim_options options = small_heap;
    options.procs = 1;
    mut *m = open_with_types(options);
    struct gc *gc = &m->heap->gc;
    void *p = fresh(m, node), *q = fresh(m, node), *out;
    gcsim_handle *held = API->handle_new(m, q);
    gcsim_weak *dead = API->weak_new(m, p), *alive = API->weak_new(m, q);
    mcache_flush(mutator_of(m));
    API->set_gc_percent(m, 100);
    H(m->heap)->trigger = m->heap->gc.goal = 0;
    EXPECT(cycle_run(mutator_of(m), GCSIM_TRIGGER_HEAP) == GCSIM_OK && gc->phase == GC_MARK);
    GCSIM_STORE(&gc->weak_blocked, 1);
    check(!API->weak_try(m, dead, &out), "an unmarked object is not given while marks are decided");
    mark_shade(mutator_of(m), q);
    check(API->weak_try(m, alive, &out) && out == q, "a marked one is");
    check(API->weak_get(m, dead) == NULL && gc->phase != GC_MARK && !gc->weak_blocked,
          "weak_get helps until the decision, and then knows");
    check(API->weak_get(m, alive) == q && verifies(m), "others are as they were");
    API->handle_drop(m->heap, held);
    API->collect(m);
    check(API->weak_get(m, alive) == NULL, "until they die");
    API->weak_drop(m, alive);
    API->weak_drop(m, dead);
    close_heap(m);
}

// An attempt to end marking that fails, as another mutator's barrier had noted a pointer: from then on weak reads wait.
static void a_failed_attempt_to_end(void)
{
    mut *m = open_with_types(small_heap);
    struct gc *gc = &m->heap->gc;
    gcsim_status status;
    struct mutator *other = mutator_of(API->mutator_attach(m->heap, &status));
    void *p = fresh(m, node), *q = fresh(m, node), *out;
    gcsim_weak *weak = API->weak_new(m, p);
    mcache_flush(mutator_of(m));
    API->set_gc_percent(m, 100);
    H(m->heap)->trigger = gc->goal = 0;
    EXPECT(cycle_run(mutator_of(m), GCSIM_TRIGGER_HEAP) == GCSIM_OK && gc->phase == GC_MARK);
    *other->pub.shade_next++ = q;
    struct drain drain = {.work = UINT64_MAX};
    EXPECT(mark_drain(mutator_of(m), &drain) == DRAINED && !gc->weak_blocked);
    check(cycle_mark_done(mutator_of(m)) && gc->phase == GC_MARK && gc->weak_blocked &&
              !API->weak_try(m, weak, &out),
          "an attempt to end marking blocks weak reads, and goes on doing so when it fails");
    check(API->weak_get(m, weak) == NULL && gc->phase != GC_MARK && verifies(m),
          "until marking has ended");
    API->weak_drop(m, weak);
    API->mutator_detach(&other->pub);
    close_heap(m);
}
#endif

// A dead object in a span that nobody has swept: what is attached to it is settled, whoever asks first.
static void before_the_sweep(void)
{
    gcsim_options options = small_heap;
    options.stop_the_world = 1;
    mut *m = open_with_types(options);
    void *p = fresh(m, node), *q = fresh(m, node), *r = fresh(m, node);
    gcsim_handle *held = API->handle_new(m, r);
    gcsim_store(m, q, p);
    uint64_t dead = cleanup(m, p, "dead"), alive = cleanup(m, r, "alive");
    gcsim_weak *weak = API->weak_new(m, q);
    mcache_flush(mutator_of(m));
    API->set_gc_percent(m, 100);
    H(m->heap)->trigger = m->heap->gc.goal = 0;
    EXPECT(cycle_run(mutator_of(m), GCSIM_TRIGGER_HEAP) == GCSIM_OK && verifies(m));
    check(waits_for_sweep(H(m->heap), span_of(H(m->heap), p)) && counts_of(m).ready == 0,
          "a span waits to be swept");
    check(!API->cleanup_stop(m, p, dead, NULL) && API->cleanup_stop(m, r, alive, NULL),
          "a dead object's cleanup is too late to stop");
    check(API->weak_get(m, weak) == NULL && finalizer(m, r, "fin") && cleanup(m, r, "new"),
          "weak references know, and to the living more can be attached");
    API->sweep_all(m);
    check(counts_of(m).ready == 1 && verifies(m), "the sweep queues what is due");
    nran = 0;
    check(gcsim_run_callbacks(m) == 1 && ran_is(0, "dead", NULL), "and nothing else");
    API->handle_drop(m->heap, held);
    check(collect_and_run(m) == 1 && ran_is(0, "fin", r) && collect_and_run(m) == 1 &&
              ran_is(0, "new", NULL),
          "what was attached meanwhile counts");
    API->weak_drop(m, weak);
    close_heap(m);
}

// A cycle that is abandoned leaves no trace, and what was to be revived is as it was.
static int stop_at_once(void *arg) { return *(int *)arg; }

static void abandoned_cycle(void)
{
    int stop = 1;
    gcsim_options options = small_heap;
    options.stop_the_world = 1;
    options.poll = stop_at_once;
    options.poll_arg = &stop;
    mut *m = open_with_types(options);
    void *p = fresh(m, node), *list = NULL;
    EXPECT(finalizer(m, p, "f") && cleanup(m, p, "c"));
    gcsim_handle *root = API->handle_new(m, NULL);
    for (int i = 0; i < 100000; i++) {
        list = fresh(m, node);
        gcsim_store(m, list, root->ptr);
        gcsim_store(m, &root->ptr, list);
    }
    check(API->collect(m) == GCSIM_INTERRUPTED && verifies(m) && counts_of(m).ready == 0,
          "an interrupted collection queues nothing");
    stop = 0;
    check(collect_and_run(m) == 1 && ran_is(0, "f", p) && collect_and_run(m) == 1 &&
              ran_is(0, "c", NULL),
          "the next ones do");
    close_heap(m);
}

// No memory for grey objects: finalizers' objects are among those that are made up for.
static void overflow(void)
{
    gcsim_options options = small_heap;
    options.stop_the_world = 1;
    mut *m = open_with_types(options);
    enum { COUNT = 3000 };
    void *p[COUNT];
    for (int i = 0; i < COUNT; i++) {
        p[i] = fresh(m, node);
        gcsim_store(m, p[i], fresh(m, node));
        gcsim_store(m, *(void **)p[i], fresh(m, node));
        EXPECT(finalizer(m, p[i], "f"));
    }
    struct mheap *h = H(m->heap);
    const gcsim_type *page = make_bytes(m->heap, "page", PAGE_BYTES);
    mcache_flush_pages(mutator_of(m));
    while (h->pages.free_pages || mutator_of(m)->pages.cache)
        API->handle_new(m, fresh(m, page));
    uint64_t reserved = h->arena_pages;
    h->arena_pages = h->grown_pages; // the heap is full: no request for a buffer is granted
    gcsim_status status = API->collect(m);
    h->arena_pages = reserved;
    uint64_t children = 0;
    for (int i = 0; i < COUNT; i++)
        children += is_object(m->heap, p[i]) && is_object(m->heap, *(void **)p[i]) &&
                    is_object(m->heap, **(void ***)p[i]);
    check(status == GCSIM_OK && m->heap->gc.rescans && children == COUNT &&
              counts_of(m).ready == COUNT,
          "what finalizers' objects reach is kept without memory for grey objects (%" PRIu64
          " passes)",
          m->heap->gc.rescans);
    check(verifies(m), "and the heap verifies");
    close_heap(m);
}

int main(void)
{
    one_finalizer(NULL, 1, "16 bytes");
    one_finalizer((void *)1, 1, "640 bytes");
    one_finalizer((void *)2, 200, "a large object");
    rules_of_addresses();
    tiny_objects();
    chains_and_cycles();
    resurrection();
    cleanups();
    order();
    none_is_lost();
    a_long_queue();
    set_while_marking(0);
    set_while_marking(1);
    only_the_root_job();
#if GCSIM_STEPS
    weak_reads_wait();
    a_failed_attempt_to_end();
#endif
    before_the_sweep();
    abandoned_cycle();
    overflow();
    return finish();
}
