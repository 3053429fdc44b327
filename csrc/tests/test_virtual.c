// links: core_fast core_step
//
// Whole workloads in virtual time: the same events whenever and wherever they run, the threaded heap's decisions at 2 processors, from 1 to
// 256 processors, real waiting, and a deadlock that is told.
//
//   test_virtual            the tests
//   test_virtual hash       one line: hashes of all events of some runs, for comparing builds
//   test_virtual WORKLOAD PROCS THREADS   what one run was like, in virtual time and with threads
#include <assert.h>
#include <inttypes.h>
#include <time.h>

#include "gcsim/steps.h"
#include "workloads/workloads.c"

static int failures;
#define EXPECT(cond)                                                                               \
    ((cond) ? true : (printf("FAIL  %s:%d: %s\n", __FILE__, __LINE__, #cond), failures++, false))

static const struct {
    const char *name;
    int64_t params[4];
} work[] = {{"binary-trees", {12}},        {"graph", {4 << 20, 64, 40000}},
            {"list", {3, 20000, 3000}},    {"lru", {5000, 4096, 256, 60000}},
            {"ring", {2000, 200, 200000}}, {"spikes", {12 << 20, 1 << 20, 2}}};
enum { WORK = sizeof work / sizeof *work };

struct outcome {
    uint64_t hash, cycles, goals, wall_ns, cpu_ns, checksum, worst_stop_ns, total_stop_ns;
    double real_s;
};

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static const gcsim_workload *workload_named(const char *name)
{
    const gcsim_workload *w = NULL;
    for (uint32_t i = 0; (w = gcsim_workload_builtin(i)) && strcmp(w->name, name) != 0; i++)
        ;
    return w;
}

static uint64_t mean_goal(const gcsim_api *api, gcsim_heap *heap, uint64_t cycles)
{
    uint64_t sum = 0, n = 0;
    gcsim_cycle c;
    for (uint64_t i = 1; i <= cycles; i++)
        if (api->cycle_info(heap, i, &c) == GCSIM_OK && ++n)
            sum += c.goal;
    return n ? sum / n : 0;
}

static gcsim_heap *open_heap(bool is_virtual, uint32_t procs, uint64_t seed, bool stopped)
{
    gcsim_options options = {.bytes = sizeof options,
                             .procs = procs,
                             .virtual_time = is_virtual,
                             .virtual_seed = seed,
                             .stop_the_world = stopped};
    gcsim_status status;
    gcsim_heap *heap = (is_virtual ? gcsim_steps() : gcsim_fast())->heap_create(&options, &status);
    assert(heap);
    return heap;
}

static struct outcome run_heap(const gcsim_workload *w, const int64_t *params, gcsim_heap *heap,
                               bool is_virtual, uint32_t threads)
{
    const gcsim_api *api = is_virtual ? gcsim_steps() : gcsim_fast();
    double from = seconds();
    struct run *r = run_new(w, api, heap, threads, 7, params);
    assert(r);
    EXPECT(run_start(r) == GCSIM_OK);
    while (!run_wait(r, 1000000))
        ;
    EXPECT(r->status == GCSIM_OK && r->leader.result == 0);
    for (uint32_t t = 0; t < threads; t++)
        EXPECT(r->each[t].status == GCSIM_OK && r->each[t].result == 0);
    struct outcome o = {.cycles = r->totals.cycles,
                        .wall_ns = r->wall_ns,
                        .cpu_ns = r->cpu_ns,
                        .checksum = r->checksum,
                        .worst_stop_ns = r->totals.worst_stop_ns,
                        .total_stop_ns = r->totals.total_stop_ns,
                        .real_s = seconds() - from};
    o.hash = is_virtual ? gcsim_stepping()->virtual_hash(heap) : 0;
    o.goals = mean_goal(api, heap, o.cycles);
    run_free(r);
    gcsim_status status;
    gcsim_violation v;
    gcsim_mutator *m = api->mutator_attach(heap, &status);
    gcsim_enter(m);
    if (!EXPECT(api->verify(m, &v, 1) == 0))
        printf("      rule %u: %s\n", v.invariant, v.message);
    gcsim_leave(m);
    api->mutator_detach(m);
    api->heap_destroy(heap);
    return o;
}

static struct outcome run_one(const gcsim_workload *w, const int64_t *params, bool is_virtual,
                              uint32_t procs, uint32_t threads, uint64_t seed)
{
    return run_heap(w, params, open_heap(is_virtual, procs, seed, false), is_virtual, threads);
}

static void print_outcome(const char *how, const struct outcome *o)
{
    printf("      %-8s %" PRIu64 " cycles, mean goal %" PRIu64 ", wall %.3f ms, CPU %.3f ms, worst "
           "stop %.3f ms, in %.2f s\n",
           how, o->cycles, o->goals, (double)o->wall_ns / 1e6, (double)o->cpu_ns / 1e6,
           (double)o->worst_stop_ns / 1e6, o->real_s);
}

// --- the tests

static void test_same_events(void)
{
    for (int i = 0; i < WORK; i++) {
        const gcsim_workload *w = workload_named(work[i].name);
        struct outcome a = run_one(w, work[i].params, true, 4, 3, 7),
                       b = run_one(w, work[i].params, true, 4, 3, 7),
                       c = run_one(w, work[i].params, true, 4, 3, 8);
        EXPECT(a.hash == b.hash && a.hash != 0 && a.wall_ns == b.wall_ns && a.cycles == b.cycles);
        EXPECT(a.checksum == c.checksum && a.checksum != 0);
        EXPECT(a.hash != c.hash); // the seed does something
    }
}

static void test_processors(void)
{
    static const uint32_t procs[] = {1, 2, 4, 8, 64, 256};
    const gcsim_workload *w = workload_named("binary-trees");
    int64_t params[] = {8};
    uint64_t before = UINT64_MAX, checksum = 0;
    for (int i = 0; i < 6; i++) {
        struct outcome o = run_one(w, params, true, procs[i], 16, 7);
        printf("ok    binary-trees, 16 threads, %u processors\n", (unsigned)procs[i]);
        print_outcome("virtual", &o);
        EXPECT(o.wall_ns < before || procs[i] > 16); // more processors, less time
        EXPECT(o.cpu_ns <=
               o.wall_ns * (procs[i] + 1)); // the collector's threads have no more than there are
        EXPECT(o.cpu_ns >= o.wall_ns * (procs[i] < 8 ? procs[i] : 1) / 2);
        EXPECT(checksum == 0 || checksum == o.checksum);
        checksum = o.checksum;
        before = o.wall_ns;
    }
}

static bool near(uint64_t a, uint64_t b, double share)
{
    double d = (double)a - (double)b;
    return (d < 0 ? -d : d) <= share * (double)(a > b ? a : b);
}

// What time does not decide is the same: with the world stopped all cycles and their goals. What it does decide differs from one threaded run to
// the next, the more the busier the machine is, and is printed; tests/bench/virtual.py says how far it is apart.
static void test_like_threads(void)
{
    for (int i = 0; i < WORK; i++) {
        const gcsim_workload *w = workload_named(work[i].name);
        struct outcome of[4]; // threads, virtual; the world stopped: threads, virtual
        for (int k = 0; k < 4; k++)
            of[k] = run_heap(w, work[i].params, open_heap(k % 2, 2, 7, k > 1), k % 2, 1);
        printf("ok    %s\n", work[i].name);
        print_outcome("threads", &of[0]);
        print_outcome("virtual", &of[1]);
        print_outcome("threads, the world stopped", &of[2]);
        print_outcome("virtual, the world stopped", &of[3]);
        EXPECT(of[0].checksum == of[1].checksum && of[2].checksum == of[3].checksum &&
               of[0].checksum == of[2].checksum);
        EXPECT((of[0].cycles == 0) == (of[1].cycles == 0));
        EXPECT(of[2].cycles == of[3].cycles && near(of[2].goals, of[3].goals, 0.001));
    }
}

// --- waiting

static int sleep_run(const gcsim_api *api, gcsim_mutator *m, void *arg)
{
    gcsim_work *w = arg;
    (void)api;
    gcsim_work_sleep(m, w, 1000000000ull * (w->thread + 1));
    return 0;
}

static void test_sleep(void)
{
    const gcsim_workload sleeper = {
        .version = GCSIM_WORKLOAD_VERSION, .name = "sleeper", .about = "sleeps", .run = sleep_run};
    struct outcome o = run_one(&sleeper, NULL, true, 2, 3, 7);
    EXPECT(o.wall_ns >= 3000000000u && o.wall_ns < 3200000000u && o.real_s < 1.0);
}

// Somebody who never comes to a safe point, and another who wants to stop the world: the first waits for ever inside.
static void wait_inside(void *arg)
{
    gcsim_heap *heap = arg;
    gcsim_status status;
    gcsim_mutator *m = gcsim_steps()->mutator_attach(heap, &status);
    gcsim_enter(m);
    gcsim_stepping()->virtual_sleep(heap, UINT64_MAX);
}

static void collect_meanwhile(void *arg)
{
    gcsim_heap *heap = arg;
    gcsim_status status;
    EXPECT(gcsim_stepping()->virtual_go(heap, wait_inside, heap) == GCSIM_OK);
    gcsim_stepping()->virtual_sleep(heap, 1000000);
    gcsim_mutator *m = gcsim_steps()->mutator_attach(heap, &status);
    gcsim_enter(m);
    gcsim_steps()->collect(m);
    printf("FAIL  the world was stopped with a mutator inside\n");
    failures++;
}

static void test_deadlock(void)
{
    gcsim_heap *heap = open_heap(true, 2, 1, false);
    EXPECT(gcsim_stepping()->deadlock(heap) == NULL);
    EXPECT(gcsim_stepping()->virtual_call(heap, collect_meanwhile, heap) == GCSIM_DEADLOCK);
    const char *text = gcsim_stepping()->deadlock(heap);
    EXPECT(text && strstr(text, "deadlock") && strstr(text, "mutator 1 to leave"));
    printf("ok    %s\n", text ? text : "");
    EXPECT(gcsim_stepping()->virtual_call(heap, collect_meanwhile, heap) == GCSIM_DEADLOCK);
    gcsim_steps()->heap_destroy(heap);
}

// The same without clocks: one mutator stays inside, another collects; then a collector that is stepped.
static void test_deadlock_of_steps(void)
{
    gcsim_status status;
    gcsim_options options = {.bytes = sizeof options};
    gcsim_heap *heap = gcsim_steps()->heap_create(&options, &status);
    gcsim_mutator *inside = gcsim_steps()->mutator_attach(heap, &status);
    gcsim_mutator *m = gcsim_steps()->mutator_attach(heap, &status);
    gcsim_enter(inside);
    gcsim_actor actor;
    gcsim_taken taken[1000];
    gcsim_schedule schedule = {.kind = GCSIM_SCHEDULE_ROUND_ROBIN};
    uint64_t done;
    EXPECT(gcsim_stepping()->actor_collect(heap, &status) == 0);
    EXPECT(gcsim_stepping()->run(heap, &schedule, 1000, 0, taken, &done) == GCSIM_RUN_DEADLOCK);
    EXPECT(gcsim_stepping()->actors(heap, &actor, 1) == 1 && actor.state == GCSIM_ACTOR_WAITING);
    EXPECT(strcmp(actor.waits_for, "mutator 1 to leave") == 0);
    EXPECT(gcsim_stepping()->deadlock(heap) == NULL);
    gcsim_enter(m); // the world is being stopped: this never ends
    const char *text = gcsim_stepping()->deadlock(heap);
    EXPECT(text && strstr(text, "waits for mutator 1 to leave") &&
           strstr(text, "waits for the world to start"));
    EXPECT(gcsim_steps()->mutator_attach(heap, &status) == NULL && status == GCSIM_DEADLOCK);
    printf("ok    %s\n", text ? text : "");
    gcsim_steps()->collect(m); // nothing happens
    gcsim_steps()->heap_destroy(heap);
}

static void test_costs(void)
{
    gcsim_cost costs[] = {{0, 5000000, 0}};
    gcsim_options options = {
        .bytes = sizeof options, .virtual_time = 1, .costs = costs, .ncosts = 1};
    gcsim_status status;
    gcsim_heap *heap = gcsim_steps()->heap_create(&options, &status);
    EXPECT(heap);
    gcsim_steps()->heap_destroy(heap);
    costs[0] = (gcsim_cost){1000, 1000, 0};
    EXPECT(!gcsim_steps()->heap_create(&options, &status) && status == GCSIM_BAD_SIZE);
    EXPECT(!gcsim_fast()->heap_create(&options, &status) && status != GCSIM_OK);
}

static void print_hashes(void)
{
    for (int i = 0; i < WORK; i++)
        printf("%016" PRIx64 " ",
               run_one(workload_named(work[i].name), work[i].params, true, 3, 2, 7).hash);
    printf("\n");
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "hash") == 0) {
        print_hashes();
        return failures != 0;
    }
    if (argc == 4) {
        for (int i = 0; i < WORK; i++)
            if (strcmp(work[i].name, argv[1]) == 0)
                for (int how = 1; how >= 0; how--) {
                    struct outcome o = run_one(workload_named(argv[1]), work[i].params, how,
                                               (uint32_t)atoi(argv[2]), (uint32_t)atoi(argv[3]), 7);
                    print_outcome(how ? "virtual" : "threads", &o);
                }
        return failures != 0;
    }
    test_same_events();
    test_processors();
    test_like_threads();
    test_sleep();
    test_deadlock();
    test_deadlock_of_steps();
    test_costs();
    printf("%s\n", failures ? "FAILED" : "passed");
    return failures != 0;
}
