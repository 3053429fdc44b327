// A full collection of randomly linked 16-byte objects, allocated in address order, two links each, reached from one root. About
// four fifths of them are reachable; the time is per marked object. The same work in Go: tests/bench/go/mark.go.
//
//   mark COUNT SEED ROUNDS object|field stopped|concurrent
#include "bench.h"

enum { MAX_ROUNDS = 64 };

// The oracle: how many objects the links reach from object 0.
static uint64_t reachable(const uint32_t *links, uint32_t n)
{
    bool *seen = calloc(n, sizeof *seen);
    uint32_t *todo = malloc(n * sizeof *todo);
    uint64_t reached = 1, waiting = 1;
    if (!seen || !todo)
        die("no memory");
    todo[0] = 0;
    seen[0] = true;
    while (waiting) {
        uint32_t at = todo[--waiting];
        for (int k = 0; k < 2; k++) {
            uint32_t to = links[2 * (uint64_t)at + k];
            if (!seen[to]) {
                seen[to] = true;
                reached++;
                todo[waiting++] = to;
            }
        }
    }
    free(seen);
    free(todo);
    return reached;
}

int main(int argc, char **argv)
{
    if (argc != 6 || (strcmp(argv[4], "object") && strcmp(argv[4], "field")))
        die("usage: mark COUNT SEED ROUNDS object|field stopped|concurrent");
    uint32_t n = (uint32_t)number(argv[1]);
    uint64_t seed = number(argv[2]), rounds = number(argv[3]), both = 3, one = 1;
    if (n < 1000 || rounds < 1 || rounds > MAX_ROUNDS)
        die("at least 1000 objects, 1 to 64 rounds");
    struct bench b =
        bench_open(-1, (strcmp(argv[4], "field") ? GCSIM_MARK_OBJECT : GCSIM_MARK_FIELD) + 1,
                   is_stopped(argv[5]));
    const gcsim_type *node = bench_type(&b, "node", 2, &both, 2),
                     *pointer = bench_type(&b, "pointer", 1, &one, 1);
    void **slots = bench_frame(&b, 2);
    void **all = slots[0] = b.api->new_array(b.m, pointer, n);
    if (!all)
        die(b.api->status_text(b.m->status));
    for (uint32_t i = 0; i < n; i++)
        gcsim_store(b.m, &all[i], bench_new(b.m, node));

    uint32_t *links = malloc((uint64_t)n * 2 * sizeof *links);
    if (!links)
        die("no memory");
    for (uint64_t i = 0; i < 2 * (uint64_t)n; i++) {
        links[i] = bench_below(&seed, n);
        gcsim_store(b.m, (void **)all[i / 2] + i % 2, all[links[i]]);
    }
    uint64_t reached = reachable(links, n);
    free(links);
    slots[1] = all[0];
    slots[0] = NULL;
    bench_collect(&b); // warm-up; frees the array and what cannot be reached

    double ns[MAX_ROUNDS], mark_ns[MAX_ROUNDS];
    for (uint64_t i = 0; i < rounds; i++) {
        uint64_t start = now_ns();
        bench_collect(&b);
        ns[i] = (double)(now_ns() - start) / (double)reached;
        gcsim_cycle cycle = bench_cycle(&b);
        if (cycle.objects_marked != reached)
            die("the collection marked another number of objects than the links reach");
        mark_ns[i] = (double)cycle.mark_ns / (double)reached;
    }
    printf("{\"check\": %lu, ", reached);
    print_list("ns_per_object", ns, (unsigned)rounds);
    printf(", ");
    print_list("mark_ns_per_object", mark_ns, (unsigned)rounds);
    printf("}\n");
    bench_close(&b);
    return 0;
}
