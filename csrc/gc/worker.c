#include "gc/worker.h"

#include "alloc/scavenge.h"
#include "gc/cycle.h"
#include "gc/mark.h"
#include "gc/pace.h"
#include "gc/processor.h"
#include "gc/sweep.h"
#include "gc/team.h"
#include "gc/world.h"

enum {
    SWEEP_SLICE = 32, // spans
    NO_PROCESSOR_NS = 500000,
    NOT_WANTED_NS = 50000,
    HUNGRY_NS = 100000,
};
#define IDLE_NS  1000000000ull    // between two looks whether a cycle is due
#define SLEEP_NS 3600000000000ull // of those who do not look

CORE bool worker_mark(struct mutator *m, bool own_thread, uint64_t work, enum drained *result)
{
    struct mheap *h = mheap_of(m);
    struct mark_slice slice;
    if (!pace_slice_begin(h, own_thread, &slice))
        return false;
    EMIT(h, WORKER_START, m->pub.id, 0, slice.kind);
    struct drain drain = {.work = work, .until_ns = slice.until_ns, .background = true};
    *result = mark_drain(m, &drain);
    pace_slice_end(h, &slice);
    EMIT(h, WORKER, m->pub.id, 0, rt_now_ns(&h->rt) - slice.from_ns);
    return true;
}

// A slice of marking. Returns how long to wait: for others' grey objects if nothing was left, for the time when a worker is wanted again.
static uint64_t mark_slice(struct mutator *m)
{
    enum drained result;
    if (!worker_mark(m, true, UINT64_MAX, &result))
        return NOT_WANTED_NS;
    return result == DRAINED && !cycle_mark_done(m) ? HUNGRY_NS : 0;
}

static bool sweep_slice(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    for (int i = 0; i < SWEEP_SLICE; i++)
        if (sweep_one(h) == UINT64_MAX)
            return false;
    return true;
}

// The first one looks after the period; all are woken when there is something to do.
static uint64_t idle_ns(const struct mutator *m)
{
    struct gc *gc = &heap_of(mheap_of(m))->gc;
    if (gc->workers.mutators[0] != m)
        return SLEEP_NS;
    return gc->periodic_ns && gc->periodic_ns < IDLE_NS ? gc->periodic_ns : IDLE_NS;
}

// Marking or sweeping, whichever there is. Returns how long to wait before the next look; 0 = go on.
static uint64_t work_slice(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    if (!processor_try(m)) {
        if (GCSIM_LOAD(&h->blacken)) // then who has one gives marking its share
            processor_ask(h);
        return NO_PROCESSOR_NS;
    }
    processor_answered(h); // one was free: nobody needs to let go, and no slice is to end for it
    uint64_t wait = 0;
    gcsim_enter(&m->pub);
    if (gc->phase == GC_MARK)
        wait = mark_slice(m);
    else if (sweep_is_on(h))
        wait = sweep_slice(m) ? 0 : idle_ns(m);
    else if (cycle_is_due(h))
        cycle_run(m, GCSIM_TRIGGER_PERIODIC);
    else
        wait = idle_ns(m);
    gcsim_leave(&m->pub);
    return wait;
}

// In between, the scavenger's turn when it is due: 1 % of the processors' time, whether they are free or not. Returns how long to wait.
static uint64_t scavenge_turn(struct mutator *m, uint64_t wait)
{
    struct mheap *h = mheap_of(m);
    uint64_t next = scavenge_wait_ns(h);
    if (next == 0) {
        processor_answered(h); // else each turn would be cut short where nobody polls
        gcsim_enter(&m->pub);
        next = scavenge_background(h, heap_of(h)->gc.procs);
        gcsim_leave(&m->pub);
    }
    return next < wait ? next : wait;
}

static void *worker_main(void *arg)
{
    struct mutator *m = arg;
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    struct workers *workers = &gc->workers;
    for (;;) {
        uint32_t seen = __atomic_load_n(&workers->news, __ATOMIC_ACQUIRE);
        uint32_t shared = __atomic_load_n(&gc->work.news, __ATOMIC_ACQUIRE);
        if (__atomic_load_n(&workers->stop, __ATOMIC_ACQUIRE))
            return NULL;
        if (team_join(m))
            continue;
        uint64_t wait = gc->stop_the_world ? SLEEP_NS : work_slice(m);
        if (wait && wait != HUNGRY_NS && !gc->stop_the_world)
            wait = scavenge_turn(m, wait);
        if (wait == HUNGRY_NS) {
            __atomic_fetch_add(&gc->work.hungry, 1, __ATOMIC_RELAXED);
            rt_wait_for(&h->rt, &gc->work.news, shared, wait);
            __atomic_fetch_sub(&gc->work.hungry, 1, __ATOMIC_RELAXED);
        } else if (wait) {
            rt_wait_for(&h->rt, &workers->news, seen, wait);
        }
    }
}

// One more. Whoever sees started grow has made it, so each index is used once.
static bool worker_start(struct mheap *h, uint32_t i)
{
    struct workers *workers = &heap_of(h)->gc.workers;
    gcsim_status status;
    // Not while the world is stopped: who verifies it counts what is committed.
    rt_lock(&h->rt, &h->mutators_lock);
    bool has = world_commit(h->world, REGION_COROUTINES, (uint64_t)(i + 1) * RT_STACK_BYTES);
    rt_unlock(&h->rt, &h->mutators_lock);
    if (!has)
        return false;
    gcsim_mutator *m = world_attach(heap_of(h), true, &status);
    if (!m)
        return false;
    char *stack = world_at(h->world, REGION_COROUTINES) + (uint64_t)i * RT_STACK_BYTES;
    workers->mutators[i] = mutator_of(m);
    if (rt_spawn(&h->rt, &workers->threads[i], stack, worker_main, m))
        return true;
    world_detach(mutator_of(m));
    return false;
}

CORE void worker_call(struct mheap *h)
{
    struct workers *workers = &heap_of(h)->gc.workers;
    __atomic_fetch_add(&workers->news, 1, __ATOMIC_RELEASE);
    rt_wake_all(&h->rt, &workers->news);
}

CORE bool worker_notify(struct mheap *h)
{
    struct gc *gc = &heap_of(h)->gc;
    if (gc->stop_the_world)
        return false;
    worker_call(h);
    return GCSIM_LOAD(&gc->workers.started) != 0;
}

CORE void worker_start_all(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    struct workers *workers = &gc->workers;
    uint32_t n = gc->procs - (gc->stop_the_world != 0); // who stopped the world marks too
    if (!rt_has_threads(&h->rt) || m->worker || GCSIM_LOAD(&workers->started) >= n)
        return;
    rt_lock(&h->rt, &workers->lock);
    while (workers->started < n && !workers->stop && worker_start(h, workers->started))
        GCSIM_STORE(&workers->started, workers->started + 1);
    rt_unlock(&h->rt, &workers->lock);
}

CORE void worker_stop_all(struct mheap *h)
{
    struct gc *gc = &heap_of(h)->gc;
    struct workers *workers = &gc->workers;
    __atomic_store_n(&workers->stop, 1u, __ATOMIC_RELEASE);
    worker_call(h);
    for (uint32_t i = 0; i < workers->started; i++)
        rt_join(&h->rt, &workers->threads[i]);
    workers->started = 0;
}

// Their mutators stay attached: they hold nothing.
CORE void worker_forget_all(struct mheap *h)
{
    struct workers *workers = &heap_of(h)->gc.workers;
    for (uint32_t i = 0; i < workers->started; i++)
        workers->mutators[i]->pub.inside = 0;
    *workers = (struct workers){0};
    team_forget(h);
}
