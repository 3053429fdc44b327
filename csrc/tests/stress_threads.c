// instantiations: fast
//
// Threads: two on two heaps, several on one heap with collections by all of them, handles dropped by a thread that is no mutator, types and
// names made by threads that no stop waits for. stress_threads [rounds] [seed]. Clean under the thread sanitizer.
#include "harness.h"

#include <pthread.h>

enum { THREADS = 3, LIST = 2000, SHARED = 64, WATCHED = 40 };

struct worker {
    gcsim_heap *heap;
    const gcsim_type *node, *wide, *bytes;
    uint64_t seed, rounds, failures, cycles;
    gcsim_handle *shared; // an array of pointers that all threads write
    gcsim_handle **mailbox;
    pthread_t thread;
    int number;
};

#define WORKER_EXPECT(w, cond)                                                                     \
    ((cond) ? (void)0                                                                              \
            : (printf("FAIL  %s:%d: thread %d: %s\n", __FILE__, __LINE__, (w)->number, #cond),     \
               (void)(w)->failures++))

// A list whose nodes count down; its length.
static uint64_t list_length(struct worker *w, void *list)
{
    uint64_t n = 0, last = 0;
    for (uint64_t *p = list; p; p = *(uint64_t **)(void *)p, n++) {
        WORKER_EXPECT(w, n == 0 || p[1] == last - 1);
        last = p[1];
    }
    return n;
}

static void grow_list(struct worker *w, mut *m, gcsim_handle *list, uint64_t *random)
{
    for (int i = 0; i < LIST; i++) {
        uint64_t *p = gcsim_new(m, w->node);
        WORKER_EXPECT(w, p && !p[0] && !p[1]);
        if (!p)
            return;
        p[1] = (uint64_t)i;
        gcsim_store(m, p, list->ptr);
        gcsim_store(m, &list->ptr, p);
        if (below(random, 4) == 0) { // garbage of other classes
            char *b = API->new_array(m, below(random, 2) ? w->wide : w->bytes,
                                     1 + below(random, below(random, 50) ? 10 : 500));
            WORKER_EXPECT(w, b && !b[0]);
        }
    }
}

static void use_shared(struct worker *w, mut *m, uint64_t *random)
{
    void **shared = w->shared->ptr;
    for (int i = 0; i < 200; i++) {
        // Release and acquire are the program's own: gcsim_store orders nothing. What others put there is alive while we are inside.
        uint64_t *p = __atomic_load_n(&shared[below(random, SHARED)], __ATOMIC_ACQUIRE);
        WORKER_EXPECT(w, !p || p[1] == ~(uint64_t)(uintptr_t)p);
        p = gcsim_new(m, w->node);
        WORKER_EXPECT(w, p != NULL);
        p[1] = ~(uint64_t)(uintptr_t)p;
        __atomic_store_n(&shared[below(random, SHARED)], p, __ATOMIC_RELEASE);
    }
}

// Weak references to garbage, asked while other threads sweep it away: what they give is the object or nothing.
static void make_garbage(struct worker *w, mut *m, gcsim_weak *watched[WATCHED])
{
    for (int i = 0; i < WATCHED; i++) {
        uint64_t *p =
            API->new_array(m, w->node, i % 2 ? 100 : 3000); // a large object dies with its span
        WORKER_EXPECT(w, p != NULL);
        p[1] = ~(uint64_t)(uintptr_t)p;
        watched[i] = API->weak_new(m, p);
    }
}

static void ask_garbage(struct worker *w, mut *m, gcsim_weak *watched[WATCHED])
{
    for (int i = 0; i < WATCHED; i++) {
        uint64_t *p = API->weak_get(m, watched[i]);
        WORKER_EXPECT(w, !p || p[1] == ~(uint64_t)(uintptr_t)p);
    }
}

static void drop_garbage(mut *m, gcsim_weak *watched[WATCHED])
{
    for (int i = 0; i < WATCHED; i++)
        API->weak_drop(m, watched[i]);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    gcsim_status status;
    uint64_t random = w->seed;
    mut *m = API->mutator_attach(w->heap, &status);
    INVARIANT(m);
    for (uint64_t round = 0; round < w->rounds; round++) {
        gcsim_enter(m);
        gcsim_handle *list = API->handle_new(m, NULL);
        WORKER_EXPECT(w, list != NULL);
        grow_list(w, m, list, &random);
        gcsim_weak *watched[WATCHED];
        make_garbage(w, m, watched);
        if (w->shared)
            use_shared(w, m, &random);
        for (int i = 0; i < 50; i++) {
            ask_garbage(w, m, watched);
            gcsim_safepoint(m);
        }
        drop_garbage(m, watched);
        gcsim_weak *weak = API->weak_new(m, list->ptr);
        if (below(&random, 3) == 0)
            WORKER_EXPECT(w, API->collect(m) == GCSIM_OK);
        WORKER_EXPECT(w, API->weak_get(m, weak) == list->ptr);
        API->weak_drop(m, weak);
        WORKER_EXPECT(w, list_length(w, list->ptr) == LIST);
        if (below(&random, 4) == 0) {
            gcsim_violation v;
            uint64_t n = API->verify(m, &v, 1);
            if (n)
                printf("      rule %u: %s\n", v.invariant, v.message);
            WORKER_EXPECT(w, n == 0);
        }
        gcsim_memstats s;
        if (below(&random, 4) == 0) {
            API->memstats(m, &s);
            WORKER_EXPECT(w, s.heap_objects == s.mallocs - s.frees && s.heap_objects >= LIST);
        }
        gcsim_leave(m);
        gcsim_handle *old = w->mailbox ? __atomic_exchange_n(w->mailbox, list, __ATOMIC_ACQ_REL)
                                       : list; // the dropper's turn
        if (old)
            API->handle_drop(w->heap, old);
        if (below(&random, 5) == 0) {
            API->mutator_detach(m);
            m = API->mutator_attach(w->heap, &status);
            INVARIANT(m);
        }
    }
    API->mutator_detach(m);
    return NULL;
}

static struct worker make_worker(mut *m, int number, uint64_t seed, uint64_t rounds)
{
    return (struct worker){.heap = m->heap,
                           .node = make_type(m->heap, "node", 2, 1),
                           .wide = make_type(m->heap, "wide", 90, 1),
                           .bytes = make_bytes(m->heap, "bytes", 40),
                           .seed = seed + (uint64_t)number * 1000,
                           .rounds = rounds,
                           .number = number};
}

static void two_heaps(uint64_t seed, uint64_t rounds)
{
    mut *m[2];
    struct worker w[2];
    gcsim_options options = small_heap;
    options.gc_percent = 20;
    for (int i = 0; i < 2; i++) {
        m[i] = open_heap(options);
        w[i] = make_worker(m[i], i, seed, rounds);
        gcsim_leave(m[i]);
        INVARIANT(pthread_create(&w[i].thread, NULL, work, &w[i]) == 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(w[i].thread, NULL);
        gcsim_enter(m[i]);
        check(w[i].failures == 0 && verifies(m[i]),
              "heap %d: %" PRIu64 " cycles beside another heap", i, m[i]->heap->gc.cycles);
        API->collect(m[i]);
        check(count_objects(m[i]) == 0, "heap %d: nothing is left", i);
        close_heap(m[i]);
    }
}

struct outsider {
    gcsim_heap *heap;
    gcsim_handle **mailboxes[THREADS];
    bool done;
    uint64_t dropped, made;
};

static void *drop_and_make(void *arg)
{
    struct outsider *o = arg;
    while (!__atomic_load_n(&o->done, __ATOMIC_ACQUIRE)) {
        for (int i = 0; i < THREADS; i++) {
            gcsim_handle *h = __atomic_exchange_n(o->mailboxes[i], NULL, __ATOMIC_ACQ_REL);
            if (h) {
                API->handle_drop(o->heap, h);
                o->dropped++;
            }
        }
        char name[32];
        snprintf(name, sizeof name, "type %" PRIu64, o->made % 500);
        const gcsim_type *t = make_type(o->heap, name, 1 + o->made % 20, 1);
        INVARIANT(t);
        o->made++;
        struct timespec pause = {0, 200000};
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static void one_heap(uint64_t seed, uint64_t rounds, int32_t percent)
{
    gcsim_options options = small_heap;
    options.gc_percent = percent;
    options.reserve_bytes = 256 << 20;
    mut *m = open_heap(options);
    struct worker w[THREADS];
    struct outsider o = {.heap = m->heap};
    gcsim_handle *mail[THREADS] = {NULL};
    const gcsim_type *pointer = make_type(m->heap, "pointer", 1, 1);
    gcsim_handle *shared = API->handle_new(m, API->new_array(m, pointer, SHARED));
    gcsim_leave(m);
    for (int i = 0; i < THREADS; i++) {
        w[i] = make_worker(m, i, seed, rounds);
        w[i].shared = shared;
        w[i].mailbox = o.mailboxes[i] = &mail[i];
    }
    for (int i = 0; i < THREADS; i++)
        INVARIANT(pthread_create(&w[i].thread, NULL, work, &w[i]) == 0);
    pthread_t outsider;
    INVARIANT(pthread_create(&outsider, NULL, drop_and_make, &o) == 0);
    uint64_t failed = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(w[i].thread, NULL);
        failed += w[i].failures;
    }
    __atomic_store_n(&o.done, true, __ATOMIC_RELEASE);
    pthread_join(outsider, NULL);
    gcsim_enter(m);
    check(failed == 0 && verifies(m),
          "%d threads on one heap at %d percent: %" PRIu64 " cycles, %" PRIu64
          " handles dropped and %" PRIu64 " types made from outside",
          THREADS, percent, m->heap->gc.cycles, o.dropped, o.made);
    for (int i = 0; i < THREADS; i++)
        if (mail[i])
            API->handle_drop(m->heap, mail[i]);
    uint64_t kept = 1;
    void *seen[SHARED];
    for (int i = 0; i < SHARED; i++) {
        void *p = ((void **)shared->ptr)[i];
        bool again = !p;
        for (int k = 0; k < i; k++)
            again |= seen[k] == p;
        seen[i] = p;
        kept += !again;
    }
    API->collect(m);
    check(count_objects(m) == kept && marks_verify(m),
          "what the shared array holds is all that is left");
    close_heap(m);
}

int main(int argc, char **argv)
{
    bool soak = getenv("GCSIM_SOAK") != NULL;
    uint64_t rounds = argc > 1 ? strtoull(argv[1], NULL, 10) : soak ? 3000 : GCSIM_DEBUG ? 6 : 60;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    printf("      seed %" PRIu64 ", %" PRIu64 " rounds\n", seed, rounds);
    two_heaps(seed, rounds);
    one_heap(seed, rounds, 100);
    one_heap(seed + 1, rounds, 5);
    one_heap(seed + 2, rounds, -1);
    return finish();
}
