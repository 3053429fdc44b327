#include "gc/limiter.h"

#include "gc/pacer.h"

// Sums of times wrap as in Go, whatever the clock says.
static int64_t ns_add(int64_t a, int64_t b) { return (int64_t)((uint64_t)a + (uint64_t)b); }
static int64_t ns_sub(int64_t a, int64_t b) { return (int64_t)((uint64_t)a - (uint64_t)b); }

static int64_t limiter_window(const struct limiter *l, int64_t now)
{
    return (int64_t)((uint64_t)ns_sub(now, l->last_update) * (uint64_t)l->nprocs);
}

static void limiter_switch_on(struct limiter *l)
{
    l->limiting = 1;
    l->times_limited++;
}

// The one place where the bucket changes by time (mgclimit.go:accumulate).
static void limiter_accumulate(struct limiter *l, int64_t mutator_ns, int64_t gc_ns)
{
    uint64_t headroom = l->capacity - l->fill;
    bool was_full = headroom == 0;
    int64_t change = ns_sub(gc_ns, mutator_ns);
    if (change > 0 && headroom <= (uint64_t)change) {
        l->overflow += (uint64_t)change - headroom;
        l->fill = l->capacity;
        if (!was_full)
            limiter_switch_on(l);
        return;
    }
    uint64_t drain = 0 - (uint64_t)change;
    if (change < 0 && l->fill <= drain)
        l->fill = 0;
    else
        l->fill -= drain;
    if (change != 0 && was_full)
        l->limiting = 0;
}

static void limiter_settle(struct limiter *l, int64_t now)
{
    if (now < l->last_update)
        return; // another thread read a later clock first
    int64_t total = limiter_window(l, now);
    l->last_update = now;
    int64_t gc = l->assist_pool, idle = l->idle_pool;
    l->assist_pool = l->idle_pool = 0;
    if (l->gc_enabled)
        gc = ns_add(gc, pacer_int64((double)total * PACER_UTILIZATION));
    limiter_accumulate(l, ns_sub(ns_sub(total, idle), gc), gc);
}

CORE struct limiter limiter_init(int64_t now, int32_t nprocs)
{
    struct limiter l = {.last_update = now};
    limiter_reset_capacity(&l, now, nprocs);
    return l;
}

CORE void limiter_update(struct limiter *l, int64_t now)
{
    if (!l->transitioning)
        limiter_settle(l, now);
}

CORE bool limiter_need_update(const struct limiter *l, int64_t now)
{
    return ns_sub(now, l->last_update) > LIMITER_UPDATE_PERIOD_NS;
}

CORE bool limiter_limiting(const struct limiter *l) { return l->limiting != 0; }

CORE void limiter_start_transition(struct limiter *l, bool enable, int64_t now)
{
    INVARIANT(!l->transitioning && l->gc_enabled != enable);
    limiter_settle(l, now);
    l->gc_enabled = enable;
    l->transitioning = 1;
}

CORE void limiter_finish_transition(struct limiter *l, int64_t now)
{
    INVARIANT(l->transitioning);
    if (now >= l->last_update)
        limiter_accumulate(l, 0, limiter_window(l, now));
    l->last_update = now;
    l->transitioning = 0;
}

CORE void limiter_reset_capacity(struct limiter *l, int64_t now, int32_t nprocs)
{
    INVARIANT(!l->transitioning);
    limiter_settle(l, now);
    l->nprocs = nprocs;
    l->capacity = (uint64_t)(int64_t)nprocs * LIMITER_CAPACITY_NS_PER_PROC;
    if (l->fill > l->capacity) {
        l->fill = l->capacity;
        limiter_switch_on(l);
    } else if (l->fill < l->capacity) {
        l->limiting = 0;
    }
}

CORE void limiter_add_assist(struct limiter *l, int64_t ns)
{
    l->assist_pool = ns_add(l->assist_pool, ns);
}

CORE void limiter_add_idle(struct limiter *l, int64_t ns)
{
    l->idle_pool = ns_add(l->idle_pool, ns);
}
