#include "gc/team.h"

#include "gc/worker.h"
#include "gc/work.h"
#include "gc/world.h"

enum {
    ALONE_WORK = 64 << 10, // scan work before others are called
    IDLE_SPINS = 1000,     // looks for something to do, before a member's thread sleeps
    IDLE_NS = 100000,
};

// Nothing to do, but others are busy. Returns whether the thread slept.
static bool wait_for_work(struct mheap *h)
{
    struct team *t = &heap_of(h)->gc.team;
    struct work *shared = &heap_of(h)->gc.work;
    uint32_t news = __atomic_load_n(&shared->news, __ATOMIC_ACQUIRE);
    bool wait = true;
    __atomic_fetch_add(&shared->hungry, 1, __ATOMIC_RELAXED);
    for (int i = 0; wait && i < (RT_HAS_THREADS ? IDLE_SPINS : 1); i++) {
        wait = GCSIM_LOAD(&t->open) && GCSIM_LOAD(&t->busy) && !work_is_shared(h);
        rt_relax();
    }
    if (wait)
        rt_wait_for(&h->rt, &shared->news, news, IDLE_NS);
    __atomic_fetch_sub(&shared->hungry, 1, __ATOMIC_RELAXED);
    return wait;
}

// Its lock is held.
static void close_team(struct mheap *h, bool interrupted)
{
    struct team *t = &heap_of(h)->gc.team;
    struct work *shared = &heap_of(h)->gc.work;
    GCSIM_STORE(&t->interrupted, t->interrupted | interrupted);
    GCSIM_STORE(&t->open, 0u);
    __atomic_fetch_add(&shared->news, 1, __ATOMIC_RELEASE);
    if (GCSIM_LOAD(&shared->hungry))
        rt_wake_all(&h->rt, &shared->news);
}

static void interrupt(struct mheap *h)
{
    struct team *t = &heap_of(h)->gc.team;
    rt_lock(&h->rt, &t->lock);
    close_team(h, true);
    rt_unlock(&h->rt, &t->lock);
}

// Be busy once there is something to do. False: the team is closed, by whoever found out first that all is done.
static bool become_busy(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    struct team *t = &heap_of(h)->gc.team;
    for (;;) {
        rt_lock(&h->rt, &t->lock);
        bool more = t->open && work_is_shared(h), done = t->open && !more && !t->busy;
        if (more)
            GCSIM_STORE(&t->busy, t->busy + 1);
        if (done)
            close_team(h, false);
        bool closed = !t->open;
        rt_unlock(&h->rt, &t->lock);
        if (more || closed)
            return more;
        if (wait_for_work(h) && !m->worker && world_interrupted(m, true))
            interrupt(h);
    }
}

// One busy turn. What an interrupted member holds is left for others. The time of who stopped the world is counted with the stop.
static void mark_turn(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    struct drain drain = {.work = UINT64_MAX, .stopped = true};
    uint64_t from_ns = rt_now_ns(&h->rt);
    EMIT(h, WORKER_START, m->pub.id, 0, MARK_DEDICATED);
    if (mark_drain(m, &drain) == DRAIN_ABANDONED) {
        work_hand_over(h, &m->work);
        if (!m->worker) // it was asked itself
            interrupt(h);
    }
    uint64_t ns = rt_now_ns(&h->rt) - from_ns;
    EMIT(h, WORKER, m->pub.id, 0, ns);
    if (m->worker)
        count_add(&gc->mark_ns[MARK_DEDICATED], ns);
    rt_lock(&h->rt, &gc->team.lock);
    __atomic_store_n(&gc->team.busy, gc->team.busy - 1, __ATOMIC_RELEASE);
    rt_unlock(&h->rt, &gc->team.lock);
}

CORE bool team_join(struct mutator *m)
{
    if (!GCSIM_LOAD(&heap_of(mheap_of(m))->gc.team.open))
        return false;
    while (become_busy(m))
        mark_turn(m);
    return true;
}

static void open_team(struct mheap *h)
{
    struct gc *gc = &heap_of(h)->gc;
    gc->alone = false;
    rt_lock(&h->rt, &gc->team.lock);
    GCSIM_STORE(&gc->team.interrupted, 0u);
    GCSIM_STORE(&gc->team.busy, 1u);
    GCSIM_STORE(&gc->team.open, 1u);
    rt_unlock(&h->rt, &gc->team.lock);
    worker_call(h);
}

CORE enum drained team_mark(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    struct team *t = &heap_of(h)->gc.team;
    bool others = GCSIM_LOAD(&heap_of(h)->gc.workers.started);
    struct drain first = {.work = others ? ALONE_WORK : UINT64_MAX, .stopped = true};
    enum drained result = mark_drain(m, &first);
    if (result != DRAIN_ENOUGH)
        return result;
    open_team(h);
    do
        mark_turn(m);
    while (become_busy(m));
    while (
        __atomic_load_n(&t->busy, __ATOMIC_ACQUIRE)) // interrupted: others stop at their next look
        rt_wait_for(&h->rt, &t->busy, GCSIM_LOAD(&t->busy), IDLE_NS);
    return t->interrupted ? DRAIN_ABANDONED : DRAINED;
}

CORE void team_forget(struct mheap *h)
{
    struct gc *gc = &heap_of(h)->gc;
    gc->team = (struct team){0};
    gc->work.hungry = 0;
}
