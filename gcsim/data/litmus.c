// Litmus tests on real threads, over variables that lie on the heap: for gcsim/litmus.py, which says what each test asks and what C11 forbids.
//
// A run is `count` rounds. A round has two variables of its own, x and y, each in a cache line of its own and nil or 0 at first. All threads meet, wait
// a random moment, and do their two operations; what they read is noted beside, and added up when all have ended. Nothing but the operations
// of the test orders them: the meeting is before them, the sum after.
//
// Thread t's checksum holds four of the counts, 16 bits each: of the outcomes 4t to 4t + 3. An outcome's number has bit i set if register i
// read 1 (or, where an object is published, register 0 the object). Threads wait for each other, so this is for heaps with threads only, with a processor for each thread.
#include <gcsim/workload.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum test { STORE_BUFFERING, MESSAGE_PASSING, LOAD_BUFFERING, IRIW, COHERENCE, PUBLISH };
enum order { RELAXED, ACQUIRE_RELEASE, SEQ_CST, ASYMMETRIC };
enum { MOST = 65535, OUTCOMES = 16, SPINS = 2000, LONGEST_DELAY = 64 };

struct cell {
    uint64_t x, not_x[7];
    uint64_t y, not_y[7];
};
struct pair { // of pointers, where an object is published
    void *global, *rest[7];
};
struct run {
    char *cells; // an array of cells or pairs, in a frame of prepare's
    uint32_t meeting;
    uint8_t *read; // one byte for each round and thread: its registers, at their bits
};

static void put(uint64_t *variable, enum order order)
{
    if (order == SEQ_CST)
        __atomic_store_n(variable, 1, __ATOMIC_SEQ_CST);
    else if (order == ACQUIRE_RELEASE)
        __atomic_store_n(variable, 1, __ATOMIC_RELEASE);
    else
        __atomic_store_n(variable, 1, __ATOMIC_RELAXED);
}

static unsigned get(const uint64_t *variable, enum order order)
{
    if (order == SEQ_CST)
        return (unsigned)__atomic_load_n(variable, __ATOMIC_SEQ_CST);
    if (order == ACQUIRE_RELEASE)
        return (unsigned)__atomic_load_n(variable, __ATOMIC_ACQUIRE);
    return (unsigned)__atomic_load_n(variable, __ATOMIC_RELAXED);
}

static void fence(enum order order) // beside a store or load that is relaxed: gcsim_store is
{
    if (order == SEQ_CST)
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    else if (order == ACQUIRE_RELEASE)
        __atomic_thread_fence(__ATOMIC_ACQ_REL);
}

// One side pays for both, as who stops the world does (base/rt_threads.c:rt_fence_heavy): after it every other thread of the process has fenced, too.
static void heavy_fence(void)
{
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0))
        abort(); // prepare has seen that there is one
}

// What the threads do. The result is what they read, register i at bit i.
static unsigned store_buffering(unsigned thread, struct cell *c, enum order order)
{
    put(thread ? &c->y : &c->x, order);
    if (order == ASYMMETRIC && thread)
        heavy_fence();
    else
        __atomic_signal_fence(__ATOMIC_SEQ_CST); // for the compiler
    return get(thread ? &c->x : &c->y, order) << thread;
}

static unsigned message_passing(unsigned thread, struct cell *c, enum order order)
{
    if (thread) {
        unsigned flag = get(&c->y, order);
        return flag | get(&c->x, order) << 1;
    }
    put(&c->x, order);
    put(&c->y, order);
    return 0;
}

static unsigned load_buffering(unsigned thread, struct cell *c, enum order order)
{
    unsigned read = get(thread ? &c->y : &c->x, order) << thread;
    put(thread ? &c->x : &c->y, order);
    return read;
}

static unsigned iriw(unsigned thread, struct cell *c, enum order order)
{
    if (thread < 2) {
        put(thread ? &c->y : &c->x, order);
        return 0;
    }
    unsigned first = get(thread == 2 ? &c->x : &c->y, order);
    return (first | get(thread == 2 ? &c->y : &c->x, order) << 1) << (2 * thread - 4);
}

static unsigned coherence(unsigned thread, struct cell *c, enum order order)
{
    if (thread) {
        unsigned first = get(&c->x, order);
        return first | get(&c->x, order) << 1;
    }
    put(&c->x, order);
    return 0;
}

// An object is made, its field set, and a pointer to it stored where the other looks. False: no memory.
static int publish(gcsim_mutator *m, const gcsim_type *type, struct pair *p, enum order order)
{
    uint64_t *object = gcsim_new(m, type);
    if (!object)
        return 0;
    __atomic_store_n(object, 1, __ATOMIC_RELAXED);
    fence(order);
    gcsim_store(m, &p->global, object);
    return 1;
}

static unsigned look(const struct pair *p, enum order order)
{
    const uint64_t *object = GCSIM_LOAD((uint64_t *const *)&p->global);
    fence(order);
    return object ? 1u | (unsigned)__atomic_load_n(object, __ATOMIC_RELAXED) << 1 : 0;
}

static unsigned operate(enum test test, unsigned thread, struct cell *c, enum order order)
{
    switch (test) {
    case STORE_BUFFERING:
        return store_buffering(thread, c, order);
    case MESSAGE_PASSING:
        return message_passing(thread, c, order);
    case LOAD_BUFFERING:
        return load_buffering(thread, c, order);
    case IRIW:
        return iriw(thread, c, order);
    default:
        return coherence(thread, c, order);
    }
}

// All threads are here before any goes on. True: the run is to end.
static int meet(gcsim_mutator *m, gcsim_work *w, struct run *r, uint32_t number)
{
    __atomic_fetch_add(&r->meeting, 1, __ATOMIC_ACQ_REL);
    for (unsigned i = 1; __atomic_load_n(&r->meeting, __ATOMIC_ACQUIRE) < number * w->threads;
         i++) {
        if (gcsim_work_poll(m, w))
            return 1;
        if (i % SPINS == 0)
            gcsim_work_yield(m, w);
    }
    for (volatile uint64_t i = gcsim_below(&w->random, LONGEST_DELAY); i; i--)
        ;
    return 0;
}

static int rounds(gcsim_mutator *m, gcsim_work *w, struct run *r, const gcsim_type *object)
{
    enum test test = (enum test)w->params[0];
    enum order order = (enum order)w->params[1];
    uint8_t *read = r->read + w->thread * (uint64_t)w->params[2];
    for (uint32_t i = 0; i < w->params[2]; i++) {
        if (meet(m, w, r, i + 1))
            return gcsim_work_fail(w, "stopped");
        struct cell *c = (struct cell *)(void *)r->cells + i;
        struct pair *p = (struct pair *)(void *)r->cells + i;
        if (test != PUBLISH)
            read[i] = (uint8_t)operate(test, w->thread, c, order);
        else if (w->thread)
            read[i] = (uint8_t)look(p, order);
        else if (!publish(m, object, p, order))
            return gcsim_work_no_memory(m, w);
    }
    return meet(m, w, r, (uint32_t)w->params[2] + 1);
}

// On a processor of its own, if there is one: two threads that take turns on one see no more than the step scheduler does.
static void spread(uint32_t thread)
{
    cpu_set_t ours, mine;
    if (sched_getaffinity(0, sizeof ours, &ours) || CPU_COUNT(&ours) < 2)
        return;
    int left = (int)thread % CPU_COUNT(&ours);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &ours) && left-- == 0) {
            CPU_ZERO(&mine);
            CPU_SET(cpu, &mine);
            sched_setaffinity(0, sizeof mine, &mine); // of this thread, which ends with the run
        }
}

static int run(const gcsim_api *api, gcsim_mutator *m, void *arg)
{
    gcsim_work *w = arg;
    struct run *r = w->shared;
    const gcsim_type *object = gcsim_work_bytes(api, m, "message", 64);
    if (w->threads != (w->params[0] == IRIW ? 4 : 2))
        return gcsim_work_fail(w, "%u threads, but the test is of %d", w->threads,
                               w->params[0] == IRIW ? 4 : 2);
    if (!object)
        return gcsim_work_no_memory(m, w);
    spread(w->thread);
    if (rounds(m, w, r, object))
        return 1;
    uint64_t count[OUTCOMES] = {0}, n = (uint64_t)w->params[2];
    for (uint64_t i = 0; i < n; i++) {
        unsigned outcome = 0;
        for (uint32_t t = 0; t < w->threads; t++)
            outcome |= r->read[t * n + i];
        count[outcome]++;
    }
    for (unsigned i = 0; i < 4; i++)
        w->checksum |= count[4 * w->thread + i] << 16 * i;
    return 0;
}

static int prepare(const gcsim_api *api, gcsim_mutator *m, void *arg)
{
    gcsim_work *w = arg;
    struct run *r = w->shared;
    uint64_t n = (uint64_t)w->params[2], first = 1;
    const gcsim_type *cells = w->params[0] == PUBLISH
                                  ? gcsim_work_type(api, m, "pair", 8, &first, 1)
                                  : gcsim_work_bytes(api, m, "cell", sizeof(struct cell));
    void **slots = gcsim_work_slots(api, m, w, 1);
    if (!cells || !slots || !(slots[0] = api->new_array(m, cells, n)))
        return gcsim_work_no_memory(m, w);
    if (w->params[1] == ASYMMETRIC &&
        (w->params[0] != STORE_BUFFERING ||
         syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0)))
        return gcsim_work_fail(w, "the asymmetric fence is for store buffering, on a system with "
                                  "membarrier");
    r->cells = slots[0];
    r->read = calloc(4, n);
    return r->read ? 0 : gcsim_work_fail(w, "no memory");
}

static int finish(const gcsim_api *api, gcsim_mutator *m, void *arg)
{
    (void)api, (void)m;
    free(((struct run *)((gcsim_work *)arg)->shared)->read);
    return 0;
}

static const gcsim_work_param params[] = {
    {"test", "",
     "0 store buffering, 1 message passing, 2 load buffering, 3 IRIW, 4 coherence, "
     "5 publish",
     0, 0, PUBLISH},
    {"order", "", "0 relaxed, 1 acquire and release, 2 sequentially consistent, 3 asymmetric", 0, 0,
     ASYMMETRIC},
    {"count", "", "rounds", 20000, 1, MOST},
};
GCSIM_WORKLOAD(.name = "litmus", .about = "what threads may see of each other's stores",
               .prepare = prepare, .run = run, .finish = finish, .shared_bytes = sizeof(struct run),
               GCSIM_PARAMS(params));
