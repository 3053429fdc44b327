// Runs one workload (the unit that is linked beside) on one thread and prints every cycle's record as JSON: tests/bench/closed_loop.py.
//
//   closed_loop PROCS STOP_THE_WORLD SEED EXTRA_GLOBALS EXTRA_STACKS OWN
//
// The workload switches the collector on itself, when its data stand.
#include "bench.h"

#include "workloads/run.h"

extern const gcsim_workload gcsim_workload_main;

static void print_cycle(const gcsim_cycle *c)
{
    printf("%s\n{\"number\": %lu, \"trigger\": %u, \"trigger_bytes\": %lu, \"heap_live\": %lu, "
           "\"goal\": %lu, \"marked_before\": %lu, \"stack_scan\": %lu, \"globals_scan\": %lu, "
           "\"heap_end\": %lu, \"heap_marked\": %lu, \"next_goal\": %lu, \"next_trigger\": %lu}",
           c->number > 1 ? "," : "", c->number, c->trigger, c->trigger_bytes, c->heap_live, c->goal,
           c->marked_before, c->stack_scan, c->globals_scan, c->heap_end, c->heap_marked,
           c->next_goal, c->next_trigger);
}

// Records from `seen` on; the last number. Records are written while the world is stopped, so look from inside.
static uint64_t print_cycles(const gcsim_api *api, gcsim_mutator *m, uint64_t seen)
{
    gcsim_cycle c;
    gcsim_enter(m);
    while (api->cycle_info(m->heap, seen + 1, &c) == GCSIM_OK) {
        seen++;
        print_cycle(&c);
    }
    if (api->cycle_info(m->heap, 0, &c) == GCSIM_OK && c.number > seen)
        die("the records of some cycles were overwritten before they were read");
    gcsim_leave(m);
    return seen;
}

int main(int argc, char **argv)
{
    if (argc != 7)
        die("usage: closed_loop PROCS STOP_THE_WORLD SEED EXTRA_GLOBALS EXTRA_STACKS OWN");
    const gcsim_api *api = gcsim_fast();
    gcsim_options options = {.bytes = sizeof options,
                             .gc_percent = -1,
                             .procs = (uint32_t)number(argv[1]),
                             .stop_the_world = (uint32_t)number(argv[2]),
                             .extra_globals_bytes = number(argv[4]),
                             .extra_stack_bytes = number(argv[5])};
    int64_t own = (int64_t)number(argv[6]);
    gcsim_status status;
    gcsim_heap *heap = api->heap_create(&options, &status);
    gcsim_mutator *m = heap ? api->mutator_attach(heap, &status) : NULL;
    struct run *r = m ? run_new(&gcsim_workload_main, api, heap, 1, number(argv[3]), &own) : NULL;
    if (!r || run_start(r) != GCSIM_OK)
        die("no memory, or no thread");
    uint64_t seen = 0;
    printf("{\"cycles\": [");
    while (!run_wait(r, 50000000))
        seen = print_cycles(api, m, seen);
    print_cycles(api, m, seen);
    if (r->each[0].result || r->each[0].status != GCSIM_OK)
        die(r->each[0].work.error);
    printf("],\n\"checksum\": %lu, \"alloc_bytes\": %lu, \"wall_s\": %.6f}\n", r->checksum,
           r->totals.alloc_bytes, (double)r->wall_ns / 1e9);
    run_free(r);
    api->mutator_detach(m);
    api->heap_destroy(heap);
    return 0;
}
