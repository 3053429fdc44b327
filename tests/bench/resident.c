// Resident memory, as the kernel counts it.
//
//   resident empty           what a heap adds to the process: made; with a mutator and one object
//   resident objects COUNT   a list of 16-byte objects: what they take over their own bytes, before and after a collection
//   resident heaps COUNT     heaps created, used and destroyed in turn: how much memory grew over the last nine tenths
#include "bench.h"

struct pair {
    struct pair *next, *other;
};

static const uint64_t both = 3;

static gcsim_heap *make(void)
{
    gcsim_status status;
    gcsim_heap *heap = gcsim_fast()->heap_create(NULL, &status);
    if (!heap)
        die(gcsim_fast()->status_text(status));
    return heap;
}

static void empty(void)
{
    // What stays: the pages of code that a heap and a reading bring in, by the kernel's grain of 64 KiB.
    gcsim_fast()->heap_destroy(make());
    resident_bytes();

    uint64_t before = resident_bytes();
    gcsim_heap *heap = make();
    uint64_t made = resident_bytes();
    gcsim_fast()->heap_destroy(heap);

    uint64_t between = resident_bytes();
    struct bench b = bench_open(0, 0, false);
    bench_new(b.m, bench_type(&b, "pair", 2, &both, 2));
    uint64_t used = resident_bytes();
    printf("{\"empty_bytes\": %ld, \"used_bytes\": %ld}\n", (long)(made - before),
           (long)(used - between));
    bench_close(&b);
}

static void objects(uint64_t n)
{
    uint64_t before = resident_bytes();
    struct bench b = bench_open(-1, 0, false);
    const gcsim_type *t = bench_type(&b, "pair", 2, &both, 2);
    struct pair **head = (struct pair **)bench_frame(&b, 1);
    for (uint64_t i = 0; i < n; i++) {
        struct pair *p = bench_new(b.m, t);
        gcsim_store(b.m, &p->next, *head);
        *head = p;
    }
    uint64_t built = resident_bytes() - before;
    bench_collect(&b);
    if (bench_cycle(&b).objects_marked != n)
        die("the collection did not mark the whole list");
    uint64_t collected = resident_bytes() - before;
    double payload = (double)n * sizeof(struct pair);
    printf("{\"payload_ratio\": %.6f, \"collected_ratio\": %.6f}\n", (double)built / payload,
           (double)collected / payload);
    bench_close(&b);
}

static void heaps(uint64_t n)
{
    uint64_t early = 0, early_reserved = 0, start = now_ns();
    for (uint64_t i = 1; i <= n; i++) {
        struct bench b = bench_open(0, 0, false);
        bench_new(b.m, bench_type(&b, "pair", 2, &both, 2));
        bench_close(&b);
        if (i == n / 10) {
            early_reserved = reserved_bytes();
            early = resident_bytes();
        }
    }
    double ns = (double)(now_ns() - start) / (double)n;
    printf("{\"growth_bytes\": %ld, \"reserved_growth_bytes\": %ld, \"ns_per_heap\": %.1f}\n",
           (long)(resident_bytes() - early), (long)(reserved_bytes() - early_reserved), ns);
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "empty"))
        empty();
    else if (argc == 3 && !strcmp(argv[1], "objects"))
        objects(number(argv[2]));
    else if (argc == 3 && !strcmp(argv[1], "heaps") && number(argv[2]) >= 10)
        heaps(number(argv[2]));
    else
        die("usage: resident empty | objects COUNT | heaps COUNT (at least 10)");
    return 0;
}
