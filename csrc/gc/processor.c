#include "gc/processor.h"

#define YIELD_NS 10000000u // a mutator's slice while others wait (proc.go:forcePreemptNS)

static bool counted(struct mheap *h) { return GCSIM_LOAD(&h->stop) & GCSIM_STOP_TOKENS; }

CORE void processor_ask(struct mheap *h)
{
    if (!(GCSIM_LOAD(&h->stop) & GCSIM_STOP_YIELD))
        __atomic_fetch_or(&h->stop, GCSIM_STOP_YIELD, __ATOMIC_RELAXED);
}

CORE void processor_answered(struct mheap *h)
{
    if (GCSIM_LOAD(&h->stop) & GCSIM_STOP_YIELD)
        __atomic_fetch_and(&h->stop, ~GCSIM_STOP_YIELD, __ATOMIC_RELAXED);
}

// Takes a token if one is free; else queues the mutator, if it wants.
static bool take(struct processors *p, struct mutator *m, bool queue)
{
    if (p->free && !p->first) {
        p->free--;
        p->by_workers += m->worker;
        GCSIM_STORE(&m->processor, 1u);
        return true;
    }
    if (!queue)
        return false;
    m->next_waiting = NULL;
    if (p->last)
        p->last->next_waiting = m;
    else
        p->first = m;
    p->last = m;
    return false;
}

CORE void processor_acquire(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    struct processors *p = &heap_of(h)->gc.processors;
    rt_lock(&h->rt, &p->lock);
    bool has = take(p, m, true), from_worker = p->by_workers != 0;
    rt_unlock(&h->rt, &p->lock);
    if (!has && from_worker) // it is no program's: it lets go at once
        processor_ask(h);
    while (!__atomic_load_n(&m->processor, __ATOMIC_ACQUIRE)) {
        rt_wait_for(&h->rt, &m->processor, 0, YIELD_NS);
        if (!__atomic_load_n(&m->processor, __ATOMIC_ACQUIRE))
            processor_ask(h);
    }
}

CORE void processor_release(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    struct processors *p = &heap_of(h)->gc.processors;
    if (!GCSIM_LOAD(&m->processor))
        return;
    rt_lock(&h->rt, &p->lock);
    GCSIM_STORE(&m->processor, 0u);
    DEBUG_CHECK(p->by_workers >= m->worker);
    p->by_workers -= m->worker;
    struct mutator *next = p->first;
    if (!next) {
        p->free++;
    } else {
        p->first = next->next_waiting;
        if (!p->first)
            p->last = NULL;
        p->by_workers += next->worker;
        __atomic_store_n(&next->processor, 1u, __ATOMIC_RELEASE);
    }
    rt_unlock(&h->rt, &p->lock);
    if (next)
        rt_wake_all(&h->rt, &next->processor);
}

// Workers inside are counted too: each leaves before the next comes.
static bool one_is_free(struct mheap *h, const struct mutator *worker)
{
    uint32_t inside = 0;
    if (!rt_try_lock(&h->rt, &h->mutators_lock))
        return false;
    for (struct mutator *m = h->mutators; m; m = m->next)
        inside += m != worker && __atomic_load_n(&m->pub.inside, __ATOMIC_ACQUIRE);
    rt_unlock(&h->rt, &h->mutators_lock);
    return inside < heap_of(h)->gc.procs;
}

CORE bool processor_try(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    struct processors *p = &heap_of(h)->gc.processors;
    if (!counted(h))
        return one_is_free(h, m);
    rt_lock(&h->rt, &p->lock);
    bool has = take(p, m, false);
    rt_unlock(&h->rt, &p->lock);
    return has;
}

CORE void processor_reset(struct mheap *h)
{
    struct processors *p = &heap_of(h)->gc.processors;
    rt_lock(&h->rt,
            &p->lock); // a worker takes its token outside, as soon as it sees that they are counted
    p->free = heap_of(h)->gc.procs;
    p->by_workers = 0;
    p->first = p->last = NULL;
    for (struct mutator *m = h->mutators; m; m = m->next)
        GCSIM_STORE(&m->processor, 0u);
    rt_unlock(&h->rt, &p->lock);
}

CORE void processor_marking(struct mheap *h)
{
    if (counted(h) && GCSIM_LOAD(&h->blacken))
        __atomic_fetch_or(&h->stop, GCSIM_STOP_MARKING, __ATOMIC_RELAXED);
    else
        __atomic_fetch_and(&h->stop, ~GCSIM_STOP_MARKING, __ATOMIC_RELAXED);
}
