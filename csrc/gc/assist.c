#include "gc/assist.h"

#include "gc/cycle.h"
#include "gc/mark.h"
#include "gc/pace.h"
#include "gc/worker.h"
#include "gc/world.h"

enum {
    OVER_ASSIST_WORK = 64
        << 10, // an assist does at least so much, to do the next one's too (mgcpacer.go:gcOverAssistWork)
    ASSIST_SLICE_NS = 100000, // of an assist, before it looks whether it may go on
    PARK_NS = 1000000,        // between two looks of one who waits
};

// What work earns in bytes to allocate. Where no work was expected, as in a first cycle, the ratio may be beyond any number (in Go the sum
// wraps around): then it is more than a heap can hold.
static int64_t bytes_earned(double bytes_per_work, uint64_t work)
{
    int64_t most = 1ll << 60;
    double bytes = bytes_per_work * (double)work;
    return bytes < (double)most ? (int64_t)bytes : most;
}

// --- the queue ---------------------------------------------------------------------------------------------------

// Its lock is held.
static void queue_push(struct assists *q, struct mutator *m)
{
    m->next_waiting = NULL;
    if (q->last)
        q->last->next_waiting = m;
    else
        GCSIM_STORE(&q->first, m);
    q->last = m;
}

static struct mutator *queue_pop(struct assists *q)
{
    struct mutator *m = q->first;
    GCSIM_STORE(&q->first, m->next_waiting);
    if (!m->next_waiting)
        q->last = NULL;
    return m;
}

static void queue_remove(struct assists *q, struct mutator *gone)
{
    struct assists rest = {0}; // its lock is not used
    while (q->first) {
        struct mutator *m = queue_pop(q);
        if (m != gone)
            queue_push(&rest, m);
    }
    GCSIM_STORE(&q->first, rest.first);
    q->last = rest.last;
}

static void unpark(struct mheap *h, struct mutator *m)
{
    __atomic_store_n(&m->parked, 0u, __ATOMIC_RELEASE);
    rt_wake_all(&h->rt, &m->parked);
}

CORE void assist_credit(struct mheap *h, uint64_t work)
{
    struct gc *gc = &heap_of(h)->gc;
    struct assists *q = &gc->assists;
    int64_t credit = (int64_t)work;
    if (UNLIKELY(GCSIM_LOAD(&q->first))) { // mgcmark.go:gcFlushBgCredit
        rt_lock(&h->rt, &q->lock);
        int64_t bytes = bytes_earned(pace_bytes_per_work(h), work);
        while (q->first && bytes > 0) {
            struct mutator *m = queue_pop(q);
            bool paid = bytes + m->assist_bytes >= 0;
            int64_t pays = paid ? -m->assist_bytes : bytes;
            m->assist_bytes += pays;
            bytes -= pays;
            if (paid)
                unpark(h, m);
            else
                queue_push(q, m); // at the end, so that large debts do not stand in the way
        }
        credit = bytes > 0 ? (int64_t)(pace_work_per_byte(h) * (double)bytes) : 0;
        rt_unlock(&h->rt, &q->lock);
    }
    __atomic_fetch_add(&gc->credit, credit, __ATOMIC_RELAXED);
}

CORE void assist_wake_all(struct mheap *h)
{
    struct assists *q = &heap_of(h)->gc.assists;
    rt_lock(&h->rt, &q->lock);
    while (q->first)
        unpark(h, queue_pop(q));
    rt_unlock(&h->rt, &q->lock);
}

CORE void assist_forget_all(struct mheap *h)
{
    heap_of(h)->gc.assists.first = heap_of(h)->gc.assists.last = NULL;
    for (struct mutator *m = h->mutators; m; m = m->next)
        m->parked = 0;
}

// Wait a while for credit, outside; not where there are no threads that could earn it.
static void park(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    struct assists *q = &gc->assists;
    if (!GCSIM_LOAD(&gc->workers.started))
        return;
    rt_lock(&h->rt, &q->lock);
    bool wait = GCSIM_LOAD(&gc->credit) <= 0;
    if (wait) {
        GCSIM_STORE(&m->parked, 1u);
        queue_push(q, m);
    }
    rt_unlock(&h->rt, &q->lock);
    if (!wait)
        return;
    gcsim_leave(&m->pub);
    rt_wait_for(&h->rt, &m->parked, 1, PARK_NS);
    rt_lock(&h->rt, &q->lock);
    if (GCSIM_LOAD(&m->parked)) {
        queue_remove(q, m);
        GCSIM_STORE(&m->parked, 0u);
    }
    rt_unlock(&h->rt, &q->lock);
    gcsim_enter(&m->pub);
}

// --- paying ------------------------------------------------------------------------------------------------------

// Take what the background has done already; returns the work that is left to do.
static int64_t use_credit(struct gc *gc, struct mutator *m, int64_t work, double bytes_per_work)
{
    int64_t credit = GCSIM_LOAD(&gc->credit);
    if (credit <= 0)
        return work;
    int64_t stolen = credit < work ? credit : work; // two may take the same: then it goes below 0
    __atomic_fetch_sub(&gc->credit, stolen, __ATOMIC_RELAXED);
    m->assist_bytes += 1 + bytes_earned(bytes_per_work, (uint64_t)stolen);
    return work - stolen;
}

// A slice: a debt from the time when the CPU limiter forbade assists may be large, and the limiter may come on meanwhile
// (mgcmark.go:gcDrainN asks after each object, and the scheduler ends it in time). Returns whether nothing was left to mark.
static bool mark_for(struct mutator *m, int64_t work, double bytes_per_work)
{
    struct mheap *h = mheap_of(m);
    uint64_t from = pace_assist_begin(m);
    struct drain drain = {.work = (uint64_t)work, .until_ns = from + ASSIST_SLICE_NS};
    bool drained = mark_drain(m, &drain) == DRAINED;
    m->assist_bytes += 1 + bytes_earned(bytes_per_work, drain.done);
    uint64_t ns = pace_assist_end(m, from);
    EMIT(h, ASSIST, m->pub.id, 0, ns);
    return drained;
}

CORE void assist_pay(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    while (h->blacken && m->assist_bytes < 0 && !pace_limited(h)) {
        double bytes_per_work = pace_bytes_per_work(h);
        int64_t work = (int64_t)(pace_work_per_byte(h) * (double)-m->assist_bytes);
        if (work < OVER_ASSIST_WORK)
            work = OVER_ASSIST_WORK;
        work = use_credit(gc, m, work, bytes_per_work);
        if (work == 0)
            return;
        if (!mark_for(m, work, bytes_per_work)) {
            if (world_wanted(h))
                world_poll(m);
            continue;
        }
        cycle_mark_done(m);
        if (!h->blacken || m->assist_bytes >= 0 || !GCSIM_LOAD(&gc->workers.started))
            return;
        park(m);
    }
}

static void give_time(struct mutator *m)
{
    enum drained result;
    if (worker_mark(m, false, UINT64_MAX, &result) && result == DRAINED)
        cycle_mark_done(m);
}

CORE COLD void assist_safepoint(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    if (m->assist_bytes < 0)
        assist_pay(m);
    if (h->blacken)
        give_time(m);
}

CORE bool assist_passes_over(struct mutator *m)
{
    enum { LOOK_NS = 4000, MOST_POLLS = 15 };
    if (m->polls_left) {
        m->polls_left--;
        return true;
    }
    uint64_t now_ns = rt_now_ns(&mheap_of(m)->rt), since_ns = now_ns - m->looked_ns;
    if (since_ns < LOOK_NS / 2)
        m->polls = m->polls < MOST_POLLS ? 2 * m->polls + 1 : MOST_POLLS;
    else if (since_ns > LOOK_NS)
        m->polls /= 2;
    m->polls_left = m->polls;
    m->looked_ns = now_ns;
    return false;
}
