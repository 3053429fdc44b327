// What events cost: `tracing events THREADS` prints the processor's time for one record in ns, written by so many threads at once; `tracing trees DEPTH`
// makes and drops binary trees, recording nothing. tests/bench/tracing.py builds it twice, once without any event in the core.
#include "core_fast.c"

#include <pthread.h>

enum { EVENTS = 1 << 22, MOST = 16 };

static gcsim_heap *open_heap(void)
{
    gcsim_options options = {.bytes = sizeof options};
    gcsim_status status;
    gcsim_heap *heap = api_table.heap_create(&options, &status);
    INVARIANT(heap);
    return heap;
}

// Of this thread: others may run meanwhile.
static uint64_t cpu_ns(void) { return clock_ns(CLOCK_THREAD_CPUTIME_ID); }

static uint64_t write_events(gcsim_mutator *m)
{
    struct mheap *h = mheap_of(mutator_of(m));
    uint64_t from = cpu_ns();
    for (uint64_t i = 0; i < EVENTS; i++)
        EMIT(h, SHADE, m->id, i * 32, 32);
    return cpu_ns() - from;
}

static void *thread(void *arg)
{
    static uint64_t took[MOST];
    gcsim_mutator *m = arg;
    uint64_t *mine = &took[m->id % MOST];
    *mine = write_events(m);
    return mine;
}

static int cost_of_events(int threads)
{
    gcsim_heap *heap = open_heap();
    gcsim_mutator *m[MOST];
    gcsim_status status;
    gcsim_recorded r;
    pthread_t id[MOST];
    uint64_t ns = 0;
    for (int i = 0; i < threads; i++)
        m[i] = api_table.mutator_attach(heap, &status);
    gcsim_enter(m[0]);
    INVARIANT(api_table.record_begin(m[0], EVENT_BIT(SHADE), 1 << 16) == GCSIM_OK);
    write_events(m[0]); // touch its memory
    for (int i = 0; i < threads; i++)
        pthread_create(&id[i], NULL, thread, m[i]);
    for (int i = 0; i < threads; i++) {
        void *mine;
        pthread_join(id[i], &mine);
        ns += *(uint64_t *)mine;
    }
    INVARIANT(api_table.record_end(m[0], &r) == GCSIM_OK);
    INVARIANT(r.kept + r.dropped == (uint64_t)(threads + 1) * EVENTS);
    gcsim_leave(m[0]);
    printf("%.2f\n", (double)ns / threads / EVENTS);
    return 0;
}

static void *build(gcsim_mutator *m, const gcsim_type *node, gcsim_handle **slots, int depth)
{
    if (depth == 0)
        return gcsim_new(m, node);
    for (int i = 0; i < 2; i++)
        gcsim_store(m, &slots[2 * depth + i]->ptr, build(m, node, slots, depth - 1));
    void **t = gcsim_new(m, node);
    INVARIANT(t);
    for (int i = 0; i < 2; i++) {
        gcsim_store(m, t + i, slots[2 * depth + i]->ptr);
        gcsim_store(m, &slots[2 * depth + i]->ptr, NULL);
    }
    return t;
}

static int trees(int depth)
{
    gcsim_heap *heap = open_heap();
    gcsim_status status;
    gcsim_mutator *m = api_table.mutator_attach(heap, &status);
    uint64_t mask = 3;
    gcsim_type_desc desc = {
        .name = "tree", .bytes = 16, .ptr_bytes = 16, .mask = &mask, .align = 8};
    const gcsim_type *node = api_table.type_new(heap, &desc, &status);
    gcsim_handle *slots[64], *root;
    gcsim_enter(m);
    root = api_table.handle_new(m, NULL);
    for (int i = 0; i < 64; i++)
        slots[i] = api_table.handle_new(m, NULL);
    gcsim_store(m, &root->ptr, build(m, node, slots, depth)); // lives on
    for (int d = 4; d <= depth; d += 2)
        for (int n = 1 << (depth - d); n; n--)
            build(m, node, slots, d);
    printf("%" PRIu64 " cycles\n", heap->gc.cycles);
    gcsim_leave(m);
    return 0;
}

int main(int argc, char **argv)
{
    int n = argc > 2 ? atoi(argv[2]) : 0;
    if (argc > 2 && strcmp(argv[1], "events") == 0 && n >= 1 && n <= MOST)
        return cost_of_events(n);
    if (argc > 2 && strcmp(argv[1], "trees") == 0 && n >= 1 && n < 30)
        return trees(n);
    fprintf(stderr, "tracing events THREADS | tracing trees DEPTH\n");
    return 2;
}
