// Objects with pointers that are dropped at once: the last one lives in a frame slot. The same work in Go: tests/bench/go/alloc.go.
//
//   alloc 16|64 COUNT ROUNDS stopped|concurrent
#include "bench.h"

enum { MAX_ROUNDS = 64 };

int main(int argc, char **argv)
{
    if (argc != 5)
        die("usage: alloc 16|64 COUNT ROUNDS stopped|concurrent");
    uint64_t bytes = number(argv[1]), n = number(argv[2]), rounds = number(argv[3]), mask = 3;
    if ((bytes != 16 && bytes != 64) || n < 1 || rounds < 1 || rounds > MAX_ROUNDS)
        die("objects of 16 or 64 bytes, at least one, 1 to 64 rounds");
    struct bench b = bench_open(100, 0, is_stopped(argv[4]));
    const gcsim_type *t = bench_type(&b, "object", bytes / 8, &mask, 2);
    void *volatile *last = bench_frame(&b, 1);
    double ns[MAX_ROUNDS];
    for (uint64_t i = 0; i < rounds; i++) {
        uint64_t start = now_ns();
        for (uint64_t k = 0; k < n; k++)
            *last = bench_new(b.m, t);
        ns[i] = (double)(now_ns() - start) / (double)n;
    }
    printf("{");
    print_list("ns_per_object", ns, (unsigned)rounds);
    printf(", \"collections\": %lu}\n", bench_cycle(&b).number);
    bench_close(&b);
    return 0;
}
