// links: core_fast core_step
//
// Running workloads without Python: all built-in ones in both instantiations, what a workload may get wrong, and what is said of one that
// comes to no poll.
#include <assert.h>
#include <inttypes.h>
#include <time.h>

#include "workloads/workloads.c"

// The thread sanitizer finds nothing in the step instantiation and takes its time (Makefile).
#ifdef __SANITIZE_THREAD__
enum { INSTANTIATIONS = 1 };
#else
enum { INSTANTIATIONS = 2 };
#endif

static int failures;
#define EXPECT(cond)                                                                               \
    ((cond) ? true : (printf("FAIL  %s:%d: %s\n", __FILE__, __LINE__, #cond), failures++, false))

static gcsim_heap *open_heap(const gcsim_api *api, uint64_t reserve_bytes)
{
    gcsim_options options = {.bytes = sizeof options, .reserve_bytes = reserve_bytes, .procs = 2};
    gcsim_status status;
    gcsim_heap *heap = api->heap_create(&options, &status);
    assert(heap);
    return heap;
}

static void check_heap(const gcsim_api *api, gcsim_heap *heap)
{
    gcsim_status status;
    gcsim_violation v;
    gcsim_mutator *m = api->mutator_attach(heap, &status);
    gcsim_enter(m);
    EXPECT(api->goroutine_next(heap, NULL) == NULL); // threads took theirs with them
    EXPECT(api->collect(m) == GCSIM_OK);
    if (!EXPECT(api->verify(m, &v, 1) == 0))
        printf("      rule %u: %s\n", v.invariant, v.message);
    gcsim_leave(m);
    api->mutator_detach(m);
}

static struct run *run_whole(const gcsim_workload *w, const gcsim_api *api, gcsim_heap *heap,
                             uint32_t threads, const int64_t *params)
{
    struct run *r = run_new(w, api, heap, threads, 7, params);
    assert(r);
    EXPECT(run_start(r) == GCSIM_OK);
    while (!run_wait(r, 1000000))
        ;
    return r;
}

// --- the built-in ones

static const struct {
    const char *name;
    int64_t params[4];
} small[] = {{"binary-trees", {8}},
             {"graph", {1 << 20, 64, 5000}},
             {"idle", {2, 1 << 20, 1}},
             {"list", {3, 5000, 300}},
             {"lru", {500, 4096, 256, 10000}},
             {"ring", {1000, 100, 30000}},
             {"spikes", {3 << 20, 1 << 19, 2}}};

static void test_built_in(const gcsim_api *api)
{
    for (uint32_t i = 0; i < sizeof small / sizeof *small; i++) {
        const gcsim_workload *w = gcsim_workload_builtin(i);
        assert(w && strcmp(w->name, small[i].name) == 0);
        uint64_t sums[2];
        for (int round = 0; round < 2; round++) {
            gcsim_heap *heap = open_heap(api, 0);
            struct run *r = run_whole(w, api, heap, 3, small[i].params);
            EXPECT(r->status == GCSIM_OK && r->leader.result == 0);
            for (int t = 0; t < 3; t++)
                if (!EXPECT(r->each[t].status == GCSIM_OK && r->each[t].result == 0))
                    printf("      %s: %s\n", w->name, r->each[t].work.error);
            EXPECT(r->totals.alloc_bytes > 0 && r->totals.peak_bytes > 0);
            sums[round] = r->checksum;
            run_free(r);
            check_heap(api, heap);
            api->heap_destroy(heap);
        }
        EXPECT(sums[0] == sums[1]);
    }
    EXPECT(gcsim_workload_builtin(sizeof small / sizeof *small) == NULL);
}

// --- what one may get wrong

static int fail_run(const gcsim_api *api, gcsim_mutator *m, void *arg)
{
    gcsim_work *w = arg;
    (void)api, (void)m;
    return w->thread == 1 ? gcsim_work_fail(w, "thread %u of %u", w->thread, w->threads) : 0;
}

static uint32_t finishes, failed_seen;

static int fail_finish(const gcsim_api *api, gcsim_mutator *m, void *arg)
{
    (void)api, (void)m;
    finishes++;
    failed_seen = ((gcsim_work *)arg)->failed;
    return 0;
}

static void test_failure(const gcsim_api *api)
{
    gcsim_workload w = {
        .version = 1, .name = "fails", .about = "", .run = fail_run, .finish = fail_finish};
    gcsim_heap *heap = open_heap(api, 0);
    finishes = 0;
    struct run *r = run_whole(&w, api, heap, 3, NULL);
    EXPECT(r->each[1].result == 1 && strcmp(r->each[1].work.error, "thread 1 of 3") == 0);
    EXPECT(r->each[0].result == 0 && r->each[2].result == 0 && finishes == 1 && failed_seen == 1);
    run_free(r);
    w.prepare = fail_run; // of the leader, whose number is 3 = threads
    w.run = NULL;         // must not be called
    r = run_new(&w, api, heap, 1, 7, NULL);
    EXPECT(run_start(r) == GCSIM_OK && run_wait(r, UINT64_C(20000000000)));
    EXPECT(r->leader.result == 1 && finishes == 1); // prepare failed: nothing else ran
    run_free(r);
    check_heap(api, heap);
    api->heap_destroy(heap);
}

// Left the heap, pushed frames that it never popped.
static int untidy_run(const gcsim_api *api, gcsim_mutator *m, void *arg)
{
    gcsim_work *w = arg;
    for (int i = 0; i < 100; i++)
        if (!gcsim_work_slots(api, m, w, 64))
            return gcsim_work_no_memory(m, w);
    gcsim_leave(m);
    return 0;
}

static void test_untidy(const gcsim_api *api)
{
    gcsim_workload w = {.version = 1, .name = "untidy", .about = "", .run = untidy_run};
    gcsim_heap *heap = open_heap(api, 0);
    struct run *r = run_whole(&w, api, heap, 2, NULL);
    EXPECT(r->each[0].result == 0 && r->each[1].result == 0);
    run_free(r);
    check_heap(api, heap);
    api->heap_destroy(heap);
}

static int full_run(const gcsim_api *api, gcsim_mutator *m, void *arg)
{
    gcsim_work *w = arg;
    uint64_t first = 1;
    const gcsim_type *t = gcsim_work_type(api, m, "chained", 1024, &first, 1);
    void **slots = gcsim_work_slots(api, m, w, 1);
    for (void **p; t && slots; slots[0] = p)
        if (!(p = gcsim_new(m, t)))
            return gcsim_work_no_memory(m, w);
        else
            gcsim_store(m, p, slots[0]);
    return 0;
}

// What lives fills the reserved space: every thread is told, and all is free again afterwards.
static void test_heap_full(const gcsim_api *api)
{
    gcsim_workload w = {.version = 1, .name = "full", .about = "", .run = full_run};
    gcsim_heap *heap = open_heap(api, 64 << 20);
    for (int round = 0; round < 2; round++) {
        struct run *r = run_whole(&w, api, heap, 2, NULL);
        for (int t = 0; t < 2; t++)
            EXPECT(r->each[t].result == 1 && r->each[t].work.error[0]);
        run_free(r);
        check_heap(api, heap);
    }
    api->heap_destroy(heap);
}

// --- stopping, and being stuck

static uint32_t allocations;

static int endless_run(const gcsim_api *api, gcsim_mutator *m, void *arg)
{
    gcsim_work *w = arg;
    gcsim_work_phase(w, "for ever");
    const gcsim_type *t = gcsim_work_bytes(api, m, "garbage", 4096);
    while (t && !gcsim_work_poll(m, w)) {
        if (!gcsim_new(m, t))
            return gcsim_work_no_memory(m, w);
        __atomic_fetch_add(&allocations, 1, __ATOMIC_RELAXED);
    }
    return t ? 0 : gcsim_work_no_memory(m, w);
}

static void test_stop(const gcsim_api *api)
{
    gcsim_workload w = {.version = 1, .name = "endless", .about = "", .run = endless_run};
    gcsim_heap *heap = open_heap(api, 0);
    struct run *r = run_new(&w, api, heap, 2, 7, NULL);
    struct run_stuck stuck;
    __atomic_store_n(&allocations, 0u, __ATOMIC_RELAXED);
    EXPECT(run_start(r) == GCSIM_OK);
    while (__atomic_load_n(&allocations, __ATOMIC_RELAXED) < 3000) // 12 MB: past the first triggers
        EXPECT(!run_wait(r, 10000000));
    EXPECT(!run_stuck(r, UINT64_C(5000000000), &stuck)); // it polls
    run_ask_to_stop(r);
    EXPECT(run_wait(r, UINT64_C(60000000000)) && r->each[0].result == 0);
    EXPECT(r->totals.cycles > 0 && r->totals.alloc_bytes > 4 << 20);
    run_free(r);
    check_heap(api, heap);
    api->heap_destroy(heap);
}

static uint32_t released;

// Thread 0 allocates, thread 1 comes to no poll before it is released.
static int deaf_run(const gcsim_api *api, gcsim_mutator *m, void *arg)
{
    gcsim_work *w = arg;
    if (w->thread == 0)
        return endless_run(api, m, arg);
    gcsim_work_phase(w, "deaf");
    while (!__atomic_load_n(&released, __ATOMIC_ACQUIRE))
        ;
    return 0;
}

static void test_stuck(const gcsim_api *api)
{
    gcsim_workload w = {.version = 1, .name = "deaf", .about = "", .run = deaf_run};
    gcsim_heap *heap = open_heap(api, 0);
    struct run *r = run_new(&w, api, heap, 2, 7, NULL);
    struct run_stuck stuck = {99, NULL, 0};
    __atomic_store_n(&released, 0u, __ATOMIC_RELEASE);
    EXPECT(run_start(r) == GCSIM_OK);
    bool found = false;
    for (int i = 0; i < 3000 && !found; i++)
        found = run_wait(r, 10000000) || run_stuck(r, 200000000, &stuck);
    EXPECT(found && stuck.thread == 1 && strcmp(stuck.phase, "deaf") == 0 && stuck.seconds >= 0.2);
    for (int i = 0; i < 50; i++)
        EXPECT(!run_wait(r, 10000000) && !run_stuck(r, 200000000, &stuck)); // said once
    run_ask_to_stop(r); // the other thread waits for the world: it is not to blame
    bool again = false;
    for (int i = 0; i < 3000 && !again; i++)
        again = run_wait(r, 10000000) || run_stuck(r, 200000000, &stuck);
    EXPECT(again && stuck.thread == 1);
    __atomic_store_n(&released, 1u, __ATOMIC_RELEASE);
    EXPECT(run_wait(r, UINT64_C(60000000000)));
    run_free(r);
    check_heap(api, heap);
    api->heap_destroy(heap);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    const gcsim_api *apis[] = {gcsim_fast(), gcsim_steps()};
    for (int i = 0; i < INSTANTIATIONS; i++) {
        test_built_in(apis[i]);
        test_failure(apis[i]);
        test_untidy(apis[i]);
        test_heap_full(apis[i]);
        test_stop(apis[i]);
    }
    test_stuck(apis[0]); // in steps nobody waits for a thread
    printf(failures ? "%d checks failed\n" : "all checks passed\n", failures);
    return failures != 0;
}
