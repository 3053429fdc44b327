// instantiations: fast step
//
// The runtime layer: locks, waiting, stopping the world, coroutines and their clock; and the two small parts on top of it, records and events.
#include "harness.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

// True if `fn` dies of a broken invariant.
static bool dies(void (*fn)(mut *), mut *m)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        freopen("/dev/null", "w", stderr);
        signal(SIGABRT, SIG_DFL);
        fn(m);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) == SIGABRT
                               : WEXITSTATUS(status) != 0; // sanitizers turn it into an exit
}

static void records(void)
{
    mut *m = open_heap(small_heap);
    struct mheap *h = H(m->heap);
    enum { COUNT = 2000 };
    static struct {
        char *at;
        uint64_t bytes;
    } block[COUNT];
    uint64_t random = 5, in_use = h->meta.in_use;
    bool zero = true, aligned = true, whole = true, failed = true;
    for (int i = 0; i < 40000; i++) {
        int k = (int)below(&random, COUNT);
        if (block[k].at) {
            for (uint64_t b = 0; b < block[k].bytes; b++)
                whole &= block[k].at[b] == (char)k;
            meta_free(&h->meta, &h->rt, block[k].at, block[k].bytes);
            block[k].at = NULL;
        } else {
            block[k].bytes = 1 + below(&random, below(&random, 20) ? 200 : 20000);
            block[k].at = meta_alloc(&h->meta, &h->rt, block[k].bytes);
            INVARIANT(block[k].at);
            aligned &= (uintptr_t)block[k].at % 16 == 0;
            for (uint64_t b = 0; b < block[k].bytes; b++)
                zero &= block[k].at[b] == 0;
            memset(block[k].at, k, block[k].bytes);
        }
    }
    check(zero && aligned, "records are zero and aligned");
    check(whole, "they do not overlap");
    check(verifies(m), "their lists and bytes verify");
    failed &=
        !meta_alloc(&h->meta, &h->rt, 1ull << 38) && !meta_alloc(&h->meta, &h->rt, 1ull << 45);
    for (int k = 0; k < COUNT; k++)
        meta_free(&h->meta, &h->rt, block[k].at, block[k].bytes);
    check(failed && h->meta.in_use == in_use && verifies(m),
          "too large ones are refused, all are given back");
    close_heap(m);
}

static void events(void)
{
    gcsim_options options = small_heap;
    options.events = 100; // rounded up to 128
    mut *m = open_heap(options);
    const gcsim_type *node = make_type(m->heap, "node", 2, 1);
    static gcsim_event e[300];
    uint64_t n = API->events(m->heap, e, 300);
    for (int i = 0; i < 2000; i++)
        gcsim_new(m, node);
    for (int i = 0; i < 50; i++)
        API->collect(m);
    n = API->events(m->heap, e, 300);
    bool rising = true, named = true;
    for (uint64_t i = 0; i < n; i++) {
        rising &= i == 0 || e[i].time_ns >= e[i - 1].time_ns;
        named &= API->event_name(e[i].kind) != NULL;
    }
    check(n == 128 && rising && named, "the ring keeps the last 128 events in order");
    check(e[n - 1].kind == EVENT_SWEEP_DONE && !API->event_name(EVENT_KINDS),
          "the last is the end of the collection");
    check(API->events(m->heap, e, 5) == 5 && e[4].kind == EVENT_SWEEP_DONE,
          "with room for five: the last five");
    gcsim_event *records = H(m->heap)->history->events.records, newest = e[4];
    e[4] = records[5];
    records[5] = records[6];
    records[6] = e[4];
    n = API->events(m->heap, e, 300);
    rising = true;
    for (uint64_t i = 1; i < n; i++)
        rising &= e[i].time_ns >= e[i - 1].time_ns;
    check(rising && e[n - 1].time_ns == newest.time_ns,
          "two that took their places in the other order are read in the order of their times");
    close_heap(m);
    m = open_heap(small_heap);
    check(API->events(m->heap, e, 300) == 0, "without a ring there are none");
    close_heap(m);
}

// A forked child inherits copies of all heaps. What another thread was in the middle of stays closed.
static int child_with(mut *m, bool whole)
{
    gcsim_status status;
    gcsim_heap *heap = m->heap, *fresh = API->heap_create(&small_heap, &status);
    void *p = NULL;
    gcsim_object found;
    bool ok = fresh && heap->forked && API->handles(heap, &p, 1) == 1;
    ok &= API->find_object(heap, p, &found) == GCSIM_OK; // reading goes on
    if (whole) {
        ok &= API->after_fork(heap) == GCSIM_OK && !heap->forked;
        gcsim_enter(m);
        ok &=
            API->collect(m) == GCSIM_OK && gcsim_new(m, heap->mheap.types.by_id[0]) && verifies(m);
        close_heap(m);
    } else {
        ok &= API->after_fork(heap) == GCSIM_BAD_STATE && heap->forked;
        API->heap_destroy(heap);
    }
    API->heap_destroy(fresh);
    return ok ? 0 : 1;
}

static void forking(void)
{
    for (int whole = 0; whole < 2; whole++) {
        mut *m = open_heap(small_heap);
        API->handle_new(m, gcsim_new(m, make_type(m->heap, "node", 2, 1)));
        if (whole)
            gcsim_leave(m);
        fflush(stdout);
        pid_t child = fork();
        if (child == 0)
            _exit(child_with(m, whole));
        int status;
        waitpid(child, &status, 0);
        check(WIFEXITED(status) && WEXITSTATUS(status) == 0,
              whole ? "a forked child uses its copy of a heap after after_fork"
                    : "a heap that a fork cut in the middle of a call is refused");
        if (whole)
            gcsim_enter(m);
        check(!m->heap->forked && API->collect(m) == GCSIM_OK && count_objects(m) == 1 &&
                  verifies(m),
              "the parent notices nothing");
        close_heap(m);
    }
}

static int host_calls;
static int on_host(void *arg)
{
    host_calls++;
    *(char **)arg = (char *)__builtin_frame_address(0);
    return 17;
}

struct call {
    struct rt *rt;
    char *frame, *host_frame;
    int result;
};

static void in_call(void *arg)
{
    struct call *c = arg;
    c->frame = (char *)__builtin_frame_address(0);
    c->result = rt_on_host(c->rt, on_host, &c->host_frame);
}

static void outer_call(void *arg)
{
    struct call *c = arg;
    rt_call(c->rt, in_call, c);
}

static bool near(const char *a, const char *b) { return a - b < 1 << 20 && b - a < 1 << 20; }

static void calls_and_callbacks(void)
{
    mut *m = open_heap(small_heap);
    struct call c = {.rt = &H(m->heap)->rt};
    char *here = (char *)__builtin_frame_address(0);
    rt_call(c.rt, outer_call, &c);
    check(host_calls == 1 && c.result == 17 && near(here, c.host_frame),
          "a callback runs on the caller's own stack");
    check(near(here, c.frame) == !GCSIM_STEPS,
          GCSIM_STEPS ? "a call runs on a stack in the world, and so does a call that it makes"
                      : "a call is a call");
    close_heap(m);
}

#if GCSIM_STEPS
static void lock_and_wait(mut *m)
{
    heap_of(H(m->heap))->gc.roots_lock.holder = 9; // by a coroutine that is not there
    API->global_new(m, 0);
}

static void unlock_what_is_free(mut *m) { rt_unlock(&H(m->heap)->rt, &H(m->heap)->lock); }

static uint64_t steps_of_a_life(uint64_t *events)
{
    gcsim_options options = small_heap;
    options.gc_percent = 5;
    options.events = 1 << 16;
    mut *m = open_heap(options);
    const gcsim_type *node = make_type(m->heap, "node", 2, 1);
    gcsim_handle *list = API->handle_new(m, NULL);
    for (int i = 0; i < 5000; i++) {
        void *p = gcsim_new(m, node);
        if (i % 3 == 0) {
            gcsim_store(m, p, list->ptr);
            gcsim_store(m, &list->ptr, p);
        }
    }
    uint64_t steps = H(m->heap)->history->steps;
    *events = H(m->heap)->history->events.written;
    close_heap(m);
    return steps;
}

static void coroutines(void)
{
    uint64_t events, again, steps = steps_of_a_life(&events);
    check(steps > 5000 && steps_of_a_life(&again) == steps && again == events,
          "the same program takes the same %" PRIu64 " steps", steps);
    mut *m = open_heap(small_heap);
    lock_and_wait(m);
    check(strstr(H(m->heap)->history->dead, "waits for the roots' lock") != NULL,
          "when nobody can run, that is said: %s", H(m->heap)->history->dead);
    close_heap(m);
    m = open_heap(small_heap);
    check(dies(unlock_what_is_free, m), "unlocking what is not locked is found");
    bool free = true;
    struct rt *rt = &H(m->heap)->rt;
    for (uint32_t i = 0; i < rt->used; i++)
        free &= coroutine_at(rt, i)->status == COROUTINE_FREE;
    check(free && !H(m->heap)->rt.current, "between calls no coroutine is live");
    close_heap(m);
}
#else
struct counter {
    mut *m;
    struct rt_lock lock;
    uint64_t value, inside_writes;
    uint32_t flag, ready;
    bool done;
};

static void *count_under_lock(void *arg)
{
    struct counter *c = arg;
    struct rt *rt = &H(c->m->heap)->rt;
    for (int i = 0; i < 50000; i++) {
        rt_lock(rt, &c->lock);
        c->value++;
        rt_unlock(rt, &c->lock);
    }
    return NULL;
}

static void *wait_for_flag(void *arg)
{
    struct counter *c = arg;
    __atomic_fetch_add(&c->ready, 1, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&c->flag, __ATOMIC_ACQUIRE))
        rt_wait(&H(c->m->heap)->rt, &c->flag, 0);
    return NULL;
}

static void locks_and_waits(void)
{
    enum { THREADS = 4 };
    mut *m = open_heap(small_heap);
    struct counter c = {.m = m};
    pthread_t t[THREADS];
    rt_lock_init(&c.lock);
    for (int i = 0; i < THREADS; i++)
        INVARIANT(pthread_create(&t[i], NULL, count_under_lock, &c) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    check(c.value == THREADS * 50000, "a lock excludes: four threads count to 200,000");
    for (int i = 0; i < THREADS; i++)
        INVARIANT(pthread_create(&t[i], NULL, wait_for_flag, &c) == 0);
    while (__atomic_load_n(&c.ready, __ATOMIC_ACQUIRE) < THREADS)
        ;
    __atomic_store_n(&c.flag, 1, __ATOMIC_RELEASE);
    rt_wake_all(&H(m->heap)->rt, &c.flag);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    check(true, "all that wait are woken");
    close_heap(m);
}

// Writes plainly while inside: if anybody ever did so while the world is stopped, a change would be seen (or a race, by TSan).
static void *write_inside(void *arg)
{
    struct counter *c = arg;
    gcsim_status status;
    mut *m = API->mutator_attach(c->m->heap, &status);
    INVARIANT(m);
    while (!__atomic_load_n(&c->done, __ATOMIC_ACQUIRE)) {
        gcsim_enter(m);
        for (int i = 0; i < 50; i++) {
            __atomic_store_n(&c->inside_writes, c->inside_writes + 1, __ATOMIC_RELAXED);
            gcsim_safepoint(m);
        }
        gcsim_leave(m);
    }
    API->mutator_detach(m);
    return NULL;
}

static void stopping(bool membarrier)
{
    mut *m = open_heap(small_heap);
    struct mheap *h = H(m->heap);
    if (!membarrier) { // as on a system that has none: rt_init
        h->rt.no_membarrier = 1;
        h->stop = STOP_FENCE;
    }
    struct counter c = {.m = m};
    pthread_t t;
    INVARIANT(pthread_create(&t, NULL, write_inside, &c) == 0);
    bool still = true;
    for (int i = 0; i < 2000; i++) {
        world_stop(mutator_of(m));
        uint64_t before = c.inside_writes;
        for (int k = 0; k < 200; k++)
            still &= __atomic_load_n(&c.inside_writes, __ATOMIC_RELAXED) == before;
        world_start(mutator_of(m));
    }
    __atomic_store_n(&c.done, true, __ATOMIC_RELEASE);
    gcsim_leave(m);
    pthread_join(t, NULL);
    gcsim_enter(m);
    check(still, "while the world is stopped nobody is inside (2,000 stops, %s membarrier)",
          membarrier ? "with" : "without");
    close_heap(m);
}
#endif

int main(void)
{
    records();
    events();
    forking();
    calls_and_callbacks();
#if GCSIM_STEPS
    coroutines();
#else
    locks_and_waits();
    stopping(true);
    stopping(false);
    (void)dies;
#endif
    return finish();
}
