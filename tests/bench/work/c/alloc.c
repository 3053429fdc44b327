// Allocation alone: objects of one size, dropped at once or kept in a ring until they are overwritten. What is printed is the time that a
// thread takes for one object, its share of collections included. The first rounds are warm-up: until the heap has its size, the system is busy
// with zeroing memory that is touched for the first time.
#include "work.h"

enum {
    WARM_UP = 3,
    MOST_ROUNDS = 64,
    RING = 1 << 16,
    RING_BYTES = 64 << 20,
    ROUND_BYTES = 128 << 20
};

struct alloc {
    struct kind kind;
    uint64_t n, ring; // objects a thread makes in a round; entries of its ring, 0: dropped at once
};

static void dropped(struct thread *t, struct kind k, uint64_t n)
{
    struct thread here = *t; // no store reaches it, so it stays in registers
    void *volatile *last = t->roots;
    for (uint64_t i = 0; i < n; i++) {
        void *p = make(&here, k);
        *last = p;
        drop(p);
    }
    *last = NULL;
}

static void in_a_ring(struct thread *t, struct kind k, uint64_t n, uint64_t entries)
{
    struct thread here = *t;
    void **ring = t->roots[1] = make_array(t, entries);
    for (uint64_t i = 0; i < n; i++) {
        void **slot = &ring[i & (entries - 1)];
        if (MEMORY_FREES)
            drop(*slot);
        put(&here, slot, make(&here, k));
    }
    for (uint64_t i = 0; i < entries && MEMORY_FREES; i++)
        drop(ring[i]);
    drop(ring);
    t->roots[1] = NULL;
}

static void share(struct thread *t, unsigned index, void *arg)
{
    const struct alloc *a = arg;
    (void)index;
    if (a->ring)
        in_a_ring(t, a->kind, a->n, a->ring);
    else
        dropped(t, a->kind, a->n);
}

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

uint64_t work_alloc(struct thread *t, char **words)
{
    bool pointers = !strcmp(words[1], "pointers"), ring = !strcmp(words[2], "ring");
    unsigned threads = thread_count(words[3]);
    uint64_t rounds = number(words[4]), check = 0;
    if (rounds < 1 || rounds > MOST_ROUNDS)
        die("1 to 64 rounds");
    for (char *size = strtok(words[0], ","); size; size = strtok(NULL, ",")) {
        uint64_t bytes = number(size);
        if (bytes < 16 || bytes > 1 << 20 || bytes % 8)
            die("sizes are multiples of 8 from 16 to 1048576");
        struct alloc a = {kind_of(t, bytes, pointers ? 2 : 0), least(2000000, ROUND_BYTES / bytes),
                          ring ? least(RING, RING_BYTES / bytes) : 0};
        double ns[MOST_ROUNDS];
        for (uint64_t i = 0; i < WARM_UP + rounds; i++) {
            uint64_t start = now_ns();
            run_threads(t, threads, share, &a);
            if (i >= WARM_UP)
                ns[i - WARM_UP] = (double)(now_ns() - start) / (double)a.n;
            check += a.n * threads;
        }
        char name[32];
        snprintf(name, sizeof name, "ns_%lu", bytes);
        print_list(name, ns, (unsigned)rounds);
        printf(", ");
    }
    return check;
}
