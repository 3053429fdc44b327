// Busy threads over a live heap: each has a table of blocks of seven leaves (64 bytes each, so 512 a block) and replaces leaves, now and
// then a block with all its leaves. The stops are as the collector tells them.
#include "work.h"

enum { LEAVES = 7, BLOCK_BYTES = 64, ENTRY_BYTES = (1 + LEAVES) * BLOCK_BYTES, RENEW = 64 };

struct block {
    void *leaves[LEAVES];
    uint64_t number;
};

struct stops {
    struct kind block, leaf;
    uint64_t entries, steps; // per thread
    uint64_t checks[MOST_THREADS];
};

static struct block *fill(struct thread *t, const struct stops *x, uint64_t number)
{
    struct block *b = t->roots[1] = make(t, x->block);
    b->number = number;
    for (int i = 0; i < LEAVES; i++)
        put(t, &b->leaves[i], make(t, x->leaf));
    return b;
}

static void empty(struct block *b)
{
    for (int i = 0; i < LEAVES && MEMORY_FREES; i++)
        drop(b->leaves[i]);
    drop(b);
}

static void busy(struct thread *t, unsigned index, void *arg)
{
    struct stops *x = arg;
    void **table = t->roots[0] = make_array(t, x->entries);
    uint64_t seed = index, check = 0;
    for (uint64_t i = 0; i < x->entries; i++)
        put(t, &table[i], fill(t, x, i));
    for (uint64_t i = 0; i < x->steps; i++) {
        uint64_t at = bench_below(&seed, (uint32_t)x->entries);
        struct block *b = table[at];
        check += b->number;
        if (i % RENEW == 0) {
            put(t, &table[at], fill(t, x, i));
            if (MEMORY_FREES)
                empty(b);
        } else {
            void *leaf = make(t, x->leaf); // the block stays in the table
            if (MEMORY_FREES)
                drop(b->leaves[i % LEAVES]);
            put(t, &b->leaves[i % LEAVES], leaf);
        }
    }
    x->checks[index] = check;
}

uint64_t work_stops(struct thread *t, char **words)
{
    unsigned threads = thread_count(words[1]);
    static struct stops x;
    x = (struct stops){kind_of(t, BLOCK_BYTES, LEAVES),
                       kind_of(t, BLOCK_BYTES, 1),
                       number(words[0]) / ENTRY_BYTES / threads,
                       number(words[2]) / threads,
                       {0}};
    if (x.entries < 1 || x.entries >> 32)
        die("another number of live bytes");
    uint64_t start = now_ns(), check = 0;
    run_threads(t, threads, busy, &x);
    print_seconds(start);
    print_stops(t);
    for (unsigned i = 0; i < threads; i++)
        check += x.checks[i];
    return check;
}
