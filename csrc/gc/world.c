#include "gc/world.h"

#include "alloc/sample.h"
#include "base/histogram.h"
#include "gc/barrier.h"
#include "gc/processor.h"
#include "gc/roots.h"
#include "gc/work.h"

static const gcsim_api api_table; // api.c

// --- everybody out -----------------------------------------------------------------------------------------------

enum { STOP_SPINS = 2000 }; // looks at a mutator that is about to leave, before its thread sleeps

static void wait_until_outside(struct mheap *h, struct mutator *m)
{
    for (int i = 0; RT_HAS_THREADS && i < STOP_SPINS; i++) {
        if (!__atomic_load_n(&m->pub.inside, __ATOMIC_ACQUIRE))
            return;
        rt_relax();
    }
    while (__atomic_load_n(&m->pub.inside, __ATOMIC_ACQUIRE))
        rt_wait(&h->rt, &m->pub.inside, 1);
}

// The caller is outside. Returns the time from which on the others were asked.
static uint64_t stop_all(struct mheap *h)
{
    rt_lock(&h->rt, &heap_of(h)->gc.cycle_lock);
    rt_lock(&h->rt, &h->mutators_lock);
    uint64_t asked_ns = rt_now_ns(&h->rt); // waiting for another thread's cycle is no pause of ours
    __atomic_fetch_or(&h->stop, STOP_NOW, __ATOMIC_SEQ_CST);
    rt_fence_heavy(&h->rt);
    for (struct mutator *m = h->mutators; m; m = m->next)
        wait_until_outside(h, m);
    return asked_ns;
}

static void start_all(struct mheap *h)
{
    __atomic_fetch_and(&h->stop, ~STOP_NOW, __ATOMIC_SEQ_CST);
    rt_wake_all(&h->rt, &h->stop);
    rt_unlock(&h->rt, &h->mutators_lock);
    rt_unlock(&h->rt, &heap_of(h)->gc.cycle_lock);
}

// --- coming and going --------------------------------------------------------------------------------------------

// There are more mutators than processors: who is inside from now on holds a token.
static COLD void count_processors(struct mheap *h)
{
    stop_all(h);
    if (!(GCSIM_LOAD(&h->stop) & GCSIM_STOP_TOKENS)) {
        processor_reset(h);
        __atomic_fetch_or(&h->stop, GCSIM_STOP_TOKENS, __ATOMIC_SEQ_CST);
        processor_marking(h);
    }
    start_all(h);
}

CORE gcsim_mutator *world_attach(gcsim_heap *heap, bool worker, gcsim_status *status)
{
    struct mheap *h = &heap->mheap;
    struct mutator *m = meta_alloc(&h->meta, &h->rt, sizeof *m);
    if (!m) {
        *status = GCSIM_NO_MEMORY;
        return NULL;
    }
    m->pub.api = &api_table;
    m->pub.heap = heap;
    m->pub.stop = &h->stop;
    mcache_init(m, h);
    rt_lock(&h->rt, &h->mutators_lock);
    barrier_init(m);
    m->pub.id = ++h->next_mutator_id;
    sample_reset(m);
    m->attached = true;
    m->worker = worker;
    m->next = h->mutators;
    h->mutators = m;
    heap->gc.processors.mutators += !worker;
    EMIT(h, ATTACH, m->pub.id, 0, worker);
    bool too_many = heap->gc.processors.mutators > heap->gc.procs;
    rt_unlock(&h->rt, &h->mutators_lock);
    if (rt_has_threads(&h->rt) && too_many && !(GCSIM_LOAD(&h->stop) & GCSIM_STOP_TOKENS))
        count_processors(h);
    *status = GCSIM_OK;
    return &m->pub;
}

CORE void world_detach(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    gcsim_enter(&m->pub);
    mcache_flush(m);
    mcache_flush_pages(m);
    handles_give_back(m);
    if (!PLANTED(DETACH_STACKS))
        mark_stacks(m);
    goroutines_disown(m);
    if (!PLANTED(DETACH_BARRIER))
        barrier_flush(m);
    if (!PLANTED(DETACH_WORK))
        work_hand_over(h, &m->work);
    gcsim_leave(&m->pub);
    rt_lock(&h->rt, &h->mutators_lock);
    struct mutator **link = &h->mutators;
    while (*link != m)
        link = &(*link)->next;
    *link = m->next;
    m->attached = false;
    heap_of(h)->gc.processors.mutators -= !m->worker;
    rt_unlock(&h->rt, &h->mutators_lock);
    meta_free(&h->meta, &h->rt, m, sizeof *m);
}

// --- the ragged barrier ------------------------------------------------------------------------------------------

// The mutator passes its safe point itself, unless that was done for it while it was outside.
static COLD void ragged_answer(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    rt_lock(&h->rt, &gc->ragged_lock);
    if (m->ragged) {
        gc->ragged_pass(m);
        m->ragged = 0;
        rt_wake_all(&h->rt, &m->pub.inside);
    }
    rt_unlock(&h->rt, &gc->ragged_lock);
}

// Whoever finds the flag set when it enters waits for the lock, so who is outside while we hold it stays there.
static bool ragged_pass_outside(struct mheap *h, struct gc *gc, struct mutator *other)
{
    rt_lock(&h->rt, &gc->ragged_lock);
    if (other->ragged && !__atomic_load_n(&other->pub.inside, __ATOMIC_ACQUIRE)) {
        if (!PLANTED(RAGGED_OUTSIDE))
            gc->ragged_pass(other);
        other->ragged = 0;
    }
    bool passed = !other->ragged;
    rt_unlock(&h->rt, &gc->ragged_lock);
    return passed;
}

CORE void world_ragged(struct mutator *m, void (*pass)(struct mutator *m))
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    gcsim_leave(&m->pub);               // who holds the lock may be stopping the world
    rt_lock(&h->rt, &h->mutators_lock); // none comes or goes, and the world is not stopped
    rt_lock(&h->rt, &gc->ragged_lock);
    gc->ragged_pass = pass;
    for (struct mutator *other = h->mutators; other; other = other->next)
        other->ragged = 1;
    rt_unlock(&h->rt, &gc->ragged_lock);
    __atomic_fetch_or(&h->stop, STOP_RAGGED, __ATOMIC_SEQ_CST);
    rt_fence_heavy(&h->rt);
    for (struct mutator *other = h->mutators; other; other = other->next)
        while (!ragged_pass_outside(h, gc, other) &&
               !PLANTED(RAGGED_EARLY)) // it wakes us when it passes or leaves
            rt_wait_for(&h->rt, &other->pub.inside, 1, 100000);
    __atomic_fetch_and(&h->stop, ~STOP_RAGGED, __ATOMIC_SEQ_CST);
    rt_unlock(&h->rt, &h->mutators_lock);
    gcsim_enter(&m->pub);
}

// --- in and out --------------------------------------------------------------------------------------------------

// The mutator is outside. The fence: see the stopper's flag, or have it see us there.
CORE void world_leave_slow(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    processor_release(m);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (__atomic_load_n(&h->stop, __ATOMIC_RELAXED) & (STOP_NOW | STOP_RAGGED))
        rt_wake_all(&h->rt, &m->pub.inside);
}

CORE void world_enter_slow(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    for (;;) {
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        uint32_t stop = __atomic_load_n(&h->stop, __ATOMIC_ACQUIRE);
        bool wants = (stop & GCSIM_STOP_TOKENS) && !GCSIM_LOAD(&m->processor);
        if (!wants && (stop & STOP_RAGGED))
            ragged_answer(m);
        if (!wants && !(stop & STOP_NOW))
            return;
        __atomic_store_n(&m->pub.inside, 0u, __ATOMIC_RELEASE);
        world_leave_slow(m);
        if (stop & STOP_NOW) {
            rt_wait(&h->rt, &h->stop, stop);
        } else {
            processor_acquire(m);
        }
        __atomic_store_n(&m->pub.inside, 1u, __ATOMIC_RELAXED);
    }
}

CORE void world_poll(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    processor_answered(h);
    gcsim_leave(&m->pub);
    gcsim_enter(&m->pub);
}

CORE uint64_t world_stop(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    gcsim_leave(&m->pub);
    uint64_t asked_ns = stop_all(h);
    h->history->stops.asked_ns = asked_ns;
    h->history->stops.stood_ns = rt_now_ns(&h->rt);
    h->history->stops.for_gc = false;
    STEP(h, WORLD_STOP, m->pub.id, 0, h->history->stops.stood_ns - asked_ns);
    return asked_ns;
}

CORE void world_stop_is_gc(struct mheap *h)
{
    struct stops *stops = &h->history->stops;
    uint64_t stopping = stops->stood_ns - stops->asked_ns;
    stops->for_gc = true;
    stops->gc_cpu_ns += stopping + (rt_now_ns(&h->rt) - stops->stood_ns) * heap_of(h)->gc.procs;
}

static void count_stop(struct mheap *h, uint64_t now)
{
    struct stops *stops = &h->history->stops;
    time_count(stops->for_gc ? &stops->stopping_gc : &stops->stopping_other,
               stops->stood_ns - stops->asked_ns);
    time_count(stops->for_gc ? &stops->total_gc : &stops->total_other, now - stops->asked_ns);
}

CORE void world_start(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    uint64_t now = rt_now_ns(&h->rt);
    count_stop(h, now);
    EMIT(h, WORLD_START, m->pub.id, 0, now - h->history->stops.asked_ns);
    start_all(h);
    gcsim_enter(&m->pub);
}

CORE bool world_interrupted(struct mutator *m, bool stopped)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    if (m->worker) // no thread of the program's: it hears of what the callback told another
        return stopped && GCSIM_LOAD(&gc->team.interrupted);
    if (!gc->poll)
        return false;
    if (stopped)
        return rt_on_host(&h->rt, gc->poll, gc->poll_arg) != 0;
    gcsim_leave(&m->pub);
    bool stop = rt_on_host(&h->rt, gc->poll, gc->poll_arg) != 0;
    gcsim_enter(&m->pub);
    return stop;
}
