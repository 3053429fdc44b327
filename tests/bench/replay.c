// A program in virtual time that allocates, keeps, computes and idles as a recorded one did, on a heap whose marking is as fast as there:
// tests/bench/virtual.py. Standard input has one line for each stretch of the recording:
//
//   bytes allocated, bytes live at its end, share of them with pointers, ps of computing and ps of idling per byte, ps of marking per byte with
//   pointers
//
//   replay PROCS GC_PERCENT GLOBALS STACKS SEED
//
// All objects have 64 bytes. One with pointers leads to the next and to some without; the lists grow at one end and are dropped from the other.
#include "bench.h"

#include "gcsim/steps.h"
#include "workloads/run.h"

enum { STRETCHES = 4096, LISTS = 32, LEAVES = 7, OBJECT = 64, NAP_NS = 100000 };

static struct stretch {
    double bytes, live, pointers, compute_ps, idle_ps, mark_ps;
} stretches[STRETCHES];
static uint32_t nstretches;

struct cell {
    struct cell *next;
    void *leaves[LEAVES];
};

struct replay {
    gcsim_mutator *m;
    gcsim_work *w;
    void **heads, **tails;
    const gcsim_type *cell, *leaf;
    uint64_t kept, added, dropped; // cells
    double owed_leaves, idle_ps;
};

// A cell at the end of a list, with leaves; returns its bytes, 0 for no memory.
static uint64_t add(struct replay *r, double leaves)
{
    uint64_t list = r->added++ % LISTS, n = 0;
    struct cell *c = gcsim_new(r->m, r->cell);
    if (!c)
        return 0;
    if (r->tails[list])
        gcsim_store(r->m, &((struct cell *)r->tails[list])->next, c);
    else
        r->heads[list] = c;
    r->tails[list] = c;
    for (r->owed_leaves += leaves; r->owed_leaves >= 1 && n < LEAVES; r->owed_leaves--) {
        void *leaf = gcsim_new(r->m, r->leaf);
        if (!leaf)
            return 0;
        gcsim_store(r->m, &((struct cell *)r->tails[list])->leaves[n++], leaf);
    }
    return OBJECT * (1 + n);
}

static void drop(struct replay *r)
{
    uint64_t list = r->dropped++ % LISTS;
    struct cell *c = r->heads[list];
    r->kept -= OBJECT;
    for (int i = 0; i < LEAVES && c->leaves[i]; i++)
        r->kept -= OBJECT;
    r->heads[list] = c->next;
    if (!c->next)
        r->tails[list] = NULL;
}

static bool replay_stretch(struct replay *r, const struct stretch *s, double from, double leaves)
{
    double share = 1.0 / r->w->threads, total = s->bytes * share;
    gcsim_stepping()->virtual_work(r->m->heap, (uint64_t)(s->compute_ps * OBJECT),
                                   (uint64_t)(s->mark_ps * OBJECT / (1 + leaves)));
    for (double done = 0; done < total;) {
        uint64_t bytes = add(r, leaves);
        if (!bytes)
            return false;
        done += (double)bytes;
        r->kept += bytes;
        double live = (from + (s->live - from) * done / total) * share;
        while ((double)r->kept > live && r->dropped < r->added)
            drop(r);
        r->idle_ps += s->idle_ps * (double)bytes;
        if (r->idle_ps > NAP_NS * 1000.0) {
            r->idle_ps -= NAP_NS * 1000.0;
            gcsim_work_sleep(r->m, r->w, NAP_NS);
        }
    }
    return true;
}

static int replay_run(const gcsim_api *api, gcsim_mutator *m, void *arg)
{
    gcsim_work *w = arg;
    uint64_t all = 0xff;
    struct replay r = {.m = m,
                       .w = w,
                       .cell = gcsim_work_type(api, m, "cell", 8, &all, 8),
                       .leaf = gcsim_work_bytes(api, m, "leaf", OBJECT),
                       .heads = gcsim_work_slots(api, m, w, 2 * LISTS)};
    if (!r.cell || !r.leaf || !r.heads)
        return gcsim_work_no_memory(m, w);
    r.tails = r.heads + LISTS;
    double from = 0;
    for (uint32_t i = 0; i < nstretches; from = stretches[i++].live) {
        double p = stretches[i].pointers, leaves = p > 0.125 ? (1 - p) / p : LEAVES;
        if (!replay_stretch(&r, &stretches[i], from, leaves < 0 ? 0 : leaves))
            return gcsim_work_no_memory(m, w);
    }
    return 0;
}

static void read_stretches(void)
{
    struct stretch s;
    while (nstretches < STRETCHES && scanf("%lf %lf %lf %lf %lf %lf", &s.bytes, &s.live,
                                           &s.pointers, &s.compute_ps, &s.idle_ps, &s.mark_ps) == 6)
        stretches[nstretches++] = s;
}

static uint32_t kind_of(const char *name)
{
    uint32_t kind = 0;
    while (strcmp(gcsim_steps()->event_name(kind), name) != 0)
        kind++;
    return kind;
}

int main(int argc, char **argv)
{
    static const gcsim_workload replay = {.version = GCSIM_WORKLOAD_VERSION,
                                          .name = "replay",
                                          .about = "a recording",
                                          .run = replay_run};
    if (argc != 6)
        die("usage: replay PROCS GC_PERCENT GLOBALS STACKS SEED < STRETCHES");
    read_stretches();
    // What the recorded program's time is made of is in the stretches.
    static const char *const free_of_charge[] = {"alloc", "scan", "window", "span cache",
                                                 "sweep span"};
    gcsim_cost costs[sizeof free_of_charge / sizeof *free_of_charge];
    for (uint32_t i = 0; i < sizeof costs / sizeof *costs; i++)
        costs[i] = (gcsim_cost){kind_of(free_of_charge[i]), 0, 0};
    gcsim_options options = {.bytes = sizeof options,
                             .procs = (uint32_t)number(argv[1]),
                             .gc_percent = (int32_t)number(argv[2]),
                             .extra_globals_bytes = number(argv[3]),
                             .extra_stack_bytes = number(argv[4]),
                             .virtual_time = 1,
                             .virtual_seed = number(argv[5]),
                             .ncosts = sizeof costs / sizeof *costs,
                             .costs = costs};
    gcsim_status status;
    const gcsim_api *api = gcsim_steps();
    gcsim_heap *heap = api->heap_create(&options, &status);
    gcsim_mutator *m = heap ? api->mutator_attach(heap, &status) : NULL;
    struct run *r = m ? run_new(&replay, api, heap, options.procs, number(argv[5]), NULL) : NULL;
    if (!r || run_start(r) != GCSIM_OK)
        die("no memory, or no thread");
    while (!run_wait(r, 1000000000))
        ;
    if (r->status != GCSIM_OK || r->each[0].result)
        die(r->status != GCSIM_OK ? api->status_text(r->status) : r->each[0].work.error);
    printf("{\"wall_s\": %.9f, \"cpu_s\": %.9f, \"cycles\": [", (double)r->wall_ns / 1e9,
           (double)r->cpu_ns / 1e9);
    gcsim_cycle c;
    gcsim_enter(m);
    for (uint64_t i = 1; api->cycle_info(heap, i, &c) == GCSIM_OK; i++)
        printf("%s{\"trigger\": %lu, \"heap_end\": %lu, \"marked\": %lu, \"goal\": %lu, \"work\": "
               "%lu, "
               "\"utilization\": %.4f, \"cons_mark\": %.4f}",
               i > 1 ? ",\n " : "", c.heap_live, c.heap_end, c.heap_marked, c.next_goal,
               c.scan_work, c.utilization, c.cons_mark);
    gcsim_leave(m);
    printf("]}\n");
    run_free(r);
    api->mutator_detach(m);
    api->heap_destroy(heap);
    return 0;
}
