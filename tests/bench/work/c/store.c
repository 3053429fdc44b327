// Pointer stores while another thread keeps collecting a long list. Batches of stores are timed; one counts as marking (or not) if the
// barrier was on (or off) both before and after it. What is printed is the median batch's time for one store.
#include "work.h"

enum { BATCH = 1 << 14, LIST = 1 << 19, LEAST = 20, MOST = 1 << 16 };

struct store {
    uint64_t slots, until;
    bool random;
    bool stop;
    uint64_t batches[2];
    double ns[2][MOST]; // of a batch
};

static void keep_collecting(struct thread *t, unsigned index, void *arg)
{
    struct store *x = arg;
    (void)index;
    struct kind k = kind_of(t, 16, 2);
    void **last = t->roots[0] = make(t, k);
    for (uint64_t i = 0; i < LIST; i++) {
        void **next = make(t, k);
        put(t, last, next);
        last = next;
    }
    while (!GCSIM_LOAD(&x->stop)) {
        collect(t);
        thread_pause(t); // between two cycles the barrier is off for a while
        nanosleep(&(struct timespec){0, 5000000}, NULL);
        thread_resume(t);
    }
}

static uint64_t next(uint64_t *from)
{
    *from = *from * 6364136223846793005u + 1442695040888963407u;
    return *from >> 33;
}

static void batch(struct thread *t, const struct store *x, void **array, uint64_t *seed)
{
    struct thread here = *t; // no store reaches it, so it stays in registers
    uint64_t mask = x->slots - 1, from = *seed;
    void *one = t->roots[2], *two = t->roots[3];
    if (x->random)
        for (uint64_t i = 0; i < BATCH; i += 2) {
            put(&here, &array[next(&from) & mask], one);
            put(&here, &array[next(&from) & mask], two);
        }
    else
        for (uint64_t i = 0; i < BATCH; i += 2) {
            put(&here, &array[i & mask], one);
            put(&here, &array[(i + 1) & mask], two);
        }
    *seed = from;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

uint64_t work_store(struct thread *t, char **words)
{
    static struct store x;
    x.slots = number(words[0]);
    x.random = !strcmp(words[1], "random");
    if (x.slots < 2 || x.slots & (x.slots - 1))
        die("the number of slots is a power of two");
    collect_by_hand(t);
    void **array = t->roots[1] = make_array(t, x.slots);
    t->roots[2] = make(t, kind_of(t, 16, 2));
    t->roots[3] = make(t, kind_of(t, 16, 2));
    struct job collector;
    job_start(&collector, t, keep_collecting, 0, &x);
    uint64_t seed = 1, start = now_ns(), ends = start + number(words[2]) * 10000000u;
    while (now_ns() < ends || x.batches[0] < LEAST || x.batches[1] < LEAST) {
        if (now_ns() > ends + 20000000000u)
            die("marking was hardly ever on, or hardly ever off");
        int on = is_marking(t);
        uint64_t began = now_ns();
        batch(t, &x, array, &seed);
        uint64_t took = now_ns() - began;
        if (!on == !is_marking(t) && x.batches[!!on] < MOST)
            x.ns[!!on][x.batches[!!on]++] = (double)took;
        poll(t);
    }
    GCSIM_STORE(&x.stop, true);
    job_join(&collector, t);
    for (int on = 0; on < 2; on++) {
        qsort(x.ns[on], x.batches[on], sizeof *x.ns[on], by_size);
        printf("\"ns_%s\": %.4f, ", on ? "on" : "off", x.ns[on][x.batches[on] / 2] / BATCH);
    }
    return 0;
}
