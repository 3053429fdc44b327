#include "gc/assist.h"

#include "gc/cycle.h"
#include "gc/mark.h"
#include "gc/pace.h"
#include "gc/world.h"

enum {
    OVER_ASSIST_WORK = 64
        << 10, // an assist does at least so much, to do the next one's too (mgcpacer.go:gcOverAssistWork)
    SLICE_NS = 100000, // of background marking on a mutator's own thread
    SLICE_LEAST_NS = 10000,
};

CORE void assist_credit(struct mheap *h, uint64_t work)
{
    struct gc *gc = &heap_of(h)->gc;
    __atomic_fetch_add(&gc->credit, (int64_t)work, __ATOMIC_RELAXED);
}

CORE uint64_t assist_background_share(struct mheap *h, uint64_t now_ns)
{
    struct gc *gc = &heap_of(h)->gc;
    return (now_ns - gc->mark_start_ns) * gc->procs / 4;
}

// Take what the background has done already; returns the work that is left to do.
static int64_t use_credit(struct gc *gc, struct mutator *m, int64_t work, double bytes_per_work)
{
    int64_t credit = GCSIM_LOAD(&gc->credit);
    if (credit <= 0)
        return work;
    int64_t stolen = credit < work ? credit : work; // two may take the same: then it goes below 0
    __atomic_fetch_sub(&gc->credit, stolen, __ATOMIC_RELAXED);
    m->assist_bytes += 1 + (int64_t)(bytes_per_work * (double)stolen);
    return work - stolen;
}

static void pay(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    double bytes_per_work = pace_bytes_per_work(h);
    int64_t work = (int64_t)(pace_work_per_byte(h) * (double)-m->assist_bytes);
    if (work < OVER_ASSIST_WORK)
        work = OVER_ASSIST_WORK;
    work = use_credit(gc, m, work, bytes_per_work);
    if (work == 0 || pace_limited(h))
        return;
    uint64_t from = rt_now_ns(&h->rt);
    struct drain drain = {.work = (uint64_t)work};
    enum drained result = mark_drain(m, &drain);
    m->assist_bytes += 1 + (int64_t)(bytes_per_work * (double)drain.done);
    uint64_t ns = rt_now_ns(&h->rt) - from;
    m->assist_ns += ns;
    count_add(&gc->assist_ns, ns);
    EMIT(h, ASSIST, m->pub.id, 0, ns);
    if (result == DRAINED)
        cycle_mark_done(m);
}

static void give_time(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    uint64_t now = rt_now_ns(&h->rt), share = assist_background_share(h, now);
    uint64_t done = GCSIM_LOAD(&gc->background_ns);
    if (done + SLICE_LEAST_NS > share)
        return;
    uint64_t slice = share - done < SLICE_NS ? share - done : SLICE_NS;
    count_add(&gc->background_ns, slice); // at once, so that others do not give the same
    struct drain drain = {.work = UINT64_MAX, .until_ns = now + slice, .background = true};
    enum drained result = mark_drain(m, &drain);
    count_add(&gc->background_ns, rt_now_ns(&h->rt) - now - slice);
    if (result == DRAINED)
        cycle_mark_done(m);
}

CORE COLD void assist_safepoint(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    if (m->assist_bytes < 0)
        pay(m);
    if (h->blacken)
        give_time(m);
}
