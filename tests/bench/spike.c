// After a spike: how long until resident memory is near the heap goal again. The same in tests/bench/go/spike.go.
//
//   spike HIGH LOW PATIENCE     live bytes at the top and after the fall; seconds to wait at most
//
// A list of 1 KiB blocks grows to HIGH bytes; its oldest LOW bytes are kept, and one collection sees the rest die. The program then goes on
// gently: every 2 ms it makes 64 blocks and drops them (memory that the last cycle freed is given back only after the next). The goal is for the heap alone: what the collector keeps beside it (Sys - HeapSys: records of
// spans, bitmaps) and what the process had at the start are added to it.
#include "bench.h"

#include <unistd.h>

enum { WORDS = 128 };

struct block {
    struct block *next;
    uint64_t words[WORDS - 1];
};

// The second number of statm (proc(5)): cheap, so it may be read often.
static uint64_t resident_now(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;
    if (!f || fscanf(f, "%*u %lu", &pages) != 1)
        die("cannot read /proc/self/statm");
    fclose(f);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static struct block *make(struct bench *b, const gcsim_type *t, uint64_t number)
{
    struct block *p = bench_new(b->m, t);
    for (int i = 0; i < WORDS - 1; i++)
        p->words[i] = number;
    return p;
}

static void build(struct bench *b, const gcsim_type *t, void **slots, uint64_t low, uint64_t high)
{
    for (uint64_t live = 0; live < high; live += 8 * WORDS) {
        struct block *p = make(b, t, live);
        gcsim_store(b->m, &p->next, slots[0]);
        slots[0] = p;
        if (live < low)
            slots[1] = p;
    }
}

static void go_on(struct bench *b, const gcsim_type *t)
{
    struct timespec nap = {0, 2000000};
    for (uint64_t i = 0; i < 64; i++)
        make(b, t, i);
    gcsim_leave(b->m);
    nanosleep(&nap, NULL);
    gcsim_enter(b->m);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        die("usage: spike HIGH LOW PATIENCE");
    uint64_t patience = number(argv[3]) * 1000000000u, before = resident_now();
    struct bench b = bench_open(0, 0, false);
    static const uint64_t first = 1;
    const gcsim_type *t = bench_type(&b, "block", WORDS, &first, 1);
    void **slots = bench_frame(&b, 2);
    build(&b, t, slots, number(argv[2]), number(argv[1]));
    uint64_t peak = resident_now(), start = now_ns();
    slots[0] = slots[1];
    bench_collect(&b);
    gcsim_memstats s;
    b.api->memstats(b.m, &s);
    uint64_t beside = s.sys - s.heap_sys + before, bound = (s.next_gc + beside) * 11 / 10;
    uint64_t rss = resident_now(), collected = now_ns() - start;
    while (rss > bound && now_ns() - start < patience) {
        go_on(&b, t);
        rss = resident_now();
    }
    printf("{\"seconds\": %.4f, \"collect_seconds\": %.4f, \"reached\": %s, \"goal\": %lu, "
           "\"beside\": %lu, \"peak\": %lu, \"rss\": %lu}\n",
           (double)(now_ns() - start) / 1e9, (double)collected / 1e9,
           rss <= bound ? "true" : "false", s.next_gc, beside, peak, rss);
    bench_close(&b);
    return 0;
}
