// Runs one built-in workload with threads or in virtual time and prints what happened as JSON: tests/bench/virtual.py.
//
//   virtual threads|cpu|virtual WORKLOAD PROCS THREADS SEED GC_PERCENT STOP_THE_WORLD [PARAMETER ...]
//
// cpu: threads, and every clock is the CPU time of the process. With one processor and the world stopped, where one thread runs at a time, that
// is exact on a busy machine too. A parameter of "-" is the standard one. GC_PERCENT -1 is off. STOP_THE_WORLD 1: one thread marks.
#include "bench.h"

#include "gcsim/steps.h"
#include "workloads/run.h"

enum { PARAMS = 16, COSTS = 32 };

static bool clock_is_cpu;
int __real_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_clock_gettime(clockid_t clock,
                         struct timespec *t); // the linker sends every call here (programs.py)
int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
    return __real_clock_gettime(
        clock_is_cpu && clock == CLOCK_MONOTONIC ? CLOCK_PROCESS_CPUTIME_ID : clock, t);
}

// A deadline by that clock says nothing: a short while, so that who waits costs nothing.
int __real_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *lock,
                                  const struct timespec *t);
int __wrap_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *lock,
                                  const struct timespec *t);
int __wrap_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *lock,
                                  const struct timespec *t)
{
    struct timespec soon;
    if (clock_is_cpu) {
        __real_clock_gettime(CLOCK_MONOTONIC, &soon);
        soon.tv_sec += 1;
        t = &soon;
    }
    return __real_pthread_cond_timedwait(c, lock, t);
}

static const gcsim_workload *workload_named(const char *name)
{
    const gcsim_workload *w;
    for (uint32_t i = 0; (w = gcsim_workload_builtin(i)) && strcmp(w->name, name) != 0; i++)
        ;
    if (!w)
        die("there is no such workload");
    return w;
}

// From inside, as records are written while the world is stopped. Returns the number of the last.
static uint64_t print_cycles(const gcsim_api *api, gcsim_mutator *m, uint64_t seen)
{
    gcsim_cycle c;
    gcsim_enter(m);
    while (api->cycle_info(m->heap, seen + 1, &c) == GCSIM_OK)
        printf("%s{\"goal\": %lu, \"trigger\": %lu, \"heap_live\": %lu, \"marked\": %lu, "
               "\"heap_end\": %lu, \"work\": %lu, "
               "\"dedicated_ns\": %lu, \"fractional_ns\": %lu, \"idle_ns\": %lu, \"assist_ns\": "
               "%lu, \"mark_ns\": %lu, "
               "\"utilization\": %.6f, \"cons_mark\": %.6f}",
               seen++ ? ",\n " : "", c.goal, c.trigger_bytes, c.heap_live, c.heap_marked,
               c.heap_end, c.scan_work, c.dedicated_ns, c.fractional_ns, c.idle_ns, c.assist_ns,
               c.mark_ns, c.utilization, c.cons_mark);
    if (api->cycle_info(m->heap, 0, &c) == GCSIM_OK && c.number > seen)
        die("the records of some cycles were overwritten before they were read");
    gcsim_leave(m);
    return seen;
}

static void print_points(gcsim_heap *heap)
{
    const char *name;
    printf("\"points\": {");
    for (uint32_t kind = 0; (name = gcsim_steps()->event_name(kind)); kind++) {
        uint64_t units, n = gcsim_stepping()->virtual_passed(heap, kind, &units);
        printf("%s\"%s\": [%lu, %lu]", kind ? ", " : "", name, n, units);
    }
    printf("},\n");
}

// "name=ps,ps_per_unit;..." of the environment's COSTS: what differs from the table.
static uint32_t costs_given(gcsim_cost costs[COSTS])
{
    const char *text = getenv("COSTS");
    uint32_t n = 0;
    for (char name[32]; text && *text && n < COSTS;
         text += strcspn(text, ";"), text += *text == ';') {
        unsigned long ps = 0, unit = 0;
        const char *known;
        if (sscanf(text, "%31[^=]=%lu,%lu", name, &ps, &unit) < 2)
            die("COSTS is not name=ps,ps_per_unit;...");
        uint32_t kind = 0;
        while ((known = gcsim_steps()->event_name(kind)) && strcmp(known, name) != 0)
            kind++;
        costs[n++] = (gcsim_cost){kind, ps, unit};
    }
    return n;
}

int main(int argc, char **argv)
{
    if (argc < 8 || argc > 8 + PARAMS)
        die("usage: virtual threads|cpu|virtual WORKLOAD PROCS THREADS SEED GC_PERCENT "
            "STOP_THE_WORLD "
            "[PARAMETER ...]");
    bool is_virtual = strcmp(argv[1], "virtual") == 0;
    clock_is_cpu = strcmp(argv[1], "cpu") == 0;
    const gcsim_api *api = is_virtual ? gcsim_steps() : gcsim_fast();
    const gcsim_workload *w = workload_named(argv[2]);
    gcsim_options options = {.bytes = sizeof options,
                             .procs = (uint32_t)number(argv[3]),
                             .gc_percent = (int32_t)strtol(argv[6], NULL, 10),
                             .stop_the_world = (uint32_t)number(argv[7]),
                             .virtual_time = is_virtual,
                             .virtual_seed = number(argv[5])};
    gcsim_cost costs[COSTS];
    if (is_virtual) {
        options.ncosts = costs_given(costs);
        options.costs = costs;
    }
    int64_t params[PARAMS];
    for (uint32_t i = 0; i < w->nparams; i++)
        params[i] = 8 + (int)i < argc && strcmp(argv[8 + i], "-") != 0
                        ? strtoll(argv[8 + i], NULL, 10)
                        : w->params[i].standard;
    gcsim_status status;
    gcsim_heap *heap = api->heap_create(&options, &status);
    gcsim_mutator *m = heap ? api->mutator_attach(heap, &status) : NULL;
    struct run *r =
        m ? run_new(w, api, heap, (uint32_t)number(argv[4]), number(argv[5]), params) : NULL;
    uint64_t began = now_ns(), seen = 0;
    if (!r || run_start(r) != GCSIM_OK)
        die("no memory, or no thread");
    printf("{\"cycles\": [");
    while (!run_wait(r, 20000000))
        if (!is_virtual) // one thread at a time in a heap of coroutines
            seen = print_cycles(api, m, seen);
    print_cycles(api, m, seen);
    if (r->each[0].result || r->status != GCSIM_OK || r->each[0].status != GCSIM_OK)
        die(r->status != GCSIM_OK ? api->status_text(r->status) : r->each[0].work.error);
    const struct run_totals *t = &r->totals;
    printf(
        "],\n\"wall_s\": %.9f, \"cpu_s\": %.9f, \"mark_cpu_s\": %.9f, \"assist_cpu_s\": %.9f, "
        "\"worst_stop_s\": %.9f, \"total_stop_s\": %.9f, \"alloc_bytes\": %lu, \"op_ps\": %lu,\n",
        (double)r->wall_ns / 1e9, (double)r->cpu_ns / 1e9, (double)t->mark_cpu_ns / 1e9,
        (double)t->assist_cpu_ns / 1e9, (double)t->worst_stop_ns / 1e9,
        (double)t->total_stop_ns / 1e9, t->alloc_bytes, w->op_ps);
    if (is_virtual)
        print_points(heap);
    printf("\"hash\": %lu, \"checksum\": %lu, \"real_s\": %.6f}\n",
           is_virtual ? gcsim_stepping()->virtual_hash(heap) : 0, r->checksum,
           (double)(now_ns() - began) / 1e9);
    run_free(r);
    api->mutator_detach(m);
    api->heap_destroy(heap);
    return 0;
}
