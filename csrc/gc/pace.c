#include "gc/pace.h"

#include "alloc/scavenge.h"
#include "gc/processor.h"
#include "gc/roots.h"
#include "gc/sweep.h"

enum {
    SLICE_NS = 100000, // of background marking
    SLICE_LEAST_NS = 10000,
};

// Doubles that threads read while the pacer changes them.
static double load_double(const double *p)
{
    double x;
    __atomic_load(p, &x, __ATOMIC_RELAXED);
    return x;
}

static void store_double(double *p, double x) { __atomic_store(p, &x, __ATOMIC_RELAXED); }

CORE double pace_work_per_byte(struct mheap *h)
{
    return load_double(&heap_of(h)->gc.work_per_byte);
}
CORE double pace_bytes_per_work(struct mheap *h)
{
    return load_double(&heap_of(h)->gc.bytes_per_work);
}
CORE double pace_sweep_ratio(struct mheap *h) { return load_double(&heap_of(h)->gc.sweep_ratio); }
CORE bool pace_limited(struct mheap *h) { return GCSIM_LOAD(&heap_of(h)->gc.limited); }

// --- what the pacer is told --------------------------------------------------------------------------------------

// Until the three agree (mgcpacer.go:memoryLimitHeapGoal): others allocate meanwhile.
static void feed_memory(struct mheap *h, struct pacer *p)
{
    enum { TRIES = 100 };
    for (int i = 0; i < TRIES; i++) {
        p->heap_free = GCSIM_LOAD(&h->bytes.free);
        p->total_free = GCSIM_LOAD(&h->total_free);
        p->total_alloc = GCSIM_LOAD(&h->total_alloc);
        p->mapped_ready = mheap_mapped_ready(h);
        if (p->heap_free + p->total_alloc - p->total_free <= p->mapped_ready)
            return;
    }
    p->heap_free = p->total_alloc = p->total_free = 0; // all of it counts as not the heap's
}

static void feed(struct mheap *h)
{
    struct gc *gc = &heap_of(h)->gc;
    struct pacer *p = &gc->pacer;
    p->heap_live = GCSIM_LOAD(&h->heap_live);
    p->heap_scan = GCSIM_LOAD(&h->heap_scan);
    p->max_stack_scan =
        GCSIM_LOAD(&gc->go_stacks) + gc->extra_stacks; // (mgcpacer.go:addScannableStack)
    p->globals_scan = GCSIM_LOAD(&gc->globals_scan) + gc->extra_globals;
    if (gc->phase == GC_MARK) {
        p->heap_scan_work = (int64_t)GCSIM_LOAD(&gc->scan_work);
        p->stack_scan_work = (int64_t)GCSIM_LOAD(&gc->stack_work);
        p->globals_scan_work = (int64_t)GCSIM_LOAD(&gc->globals_work);
    }
    if (gc->pacer_kind != GCSIM_PACER_RUNWAY) { // they knew of the heap alone
        p->max_stack_scan = p->globals_scan = 0;
        p->stack_scan_work = p->globals_scan_work = 0;
    }
    if (p->memory_limit != PACER_NO_MEMORY_LIMIT)
        feed_memory(h, p);
}

// --- what it says ------------------------------------------------------------------------------------------------

static bool has_goal(const struct pacer *p)
{
    return p->gc_percent >= 0 || p->memory_limit != PACER_NO_MEMORY_LIMIT;
}

// The goal is the same in all.
static struct pacer_trigger trigger_of(const struct gc *gc)
{
    const struct pacer *p = &gc->pacer;
    struct pacer_trigger t = pacer_trigger(p);
    uint64_t least = pacer_heap_goal(p).min_trigger;
    if (least < p->heap_minimum)
        least = p->heap_minimum;
    if (gc->pacer_kind == GCSIM_PACER_AT_GOAL)
        t.trigger = t.goal;
    else if (gc->pacer_kind == GCSIM_PACER_RATIO && p->gc_percent >= 0)
        t.trigger = trigger_ratio_bytes(gc->trigger_ratio, (double)p->gc_percent / 100,
                                        p->heap_marked, least);
    if (t.trigger > t.goal)
        t.trigger = t.goal;
    return t;
}

static struct pacer_trigger publish(struct mheap *h)
{
    struct gc *gc = &heap_of(h)->gc;
    struct pacer *p = &gc->pacer;
    bool marking = gc->phase == GC_MARK, off = !has_goal(p);
    struct pacer_trigger t = trigger_of(gc);
    uint64_t goal = off ? UINT64_MAX : t.goal;
    if (goal != gc->goal)
        EMIT(h, HEAP_GOAL, 0, 0, goal);
    GCSIM_STORE(&gc->goal, goal);
    uint64_t trigger = t.trigger;
    if (gc->stress_bytes && trigger > p->heap_marked + gc->stress_bytes)
        trigger = p->heap_marked + gc->stress_bytes;
    GCSIM_STORE(&h->trigger, off || gc->holds || gc->sbrk || marking ? UINT64_MAX : trigger);
    store_double(&gc->work_per_byte, p->assist_work_per_byte);
    store_double(&gc->bytes_per_work, p->assist_bytes_per_work);
    GCSIM_STORE(&h->watched, marking || p->memory_limit != PACER_NO_MEMORY_LIMIT);
    return t;
}

static void pace_scavenging(struct mheap *h, struct pacer_trigger t)
{
    const struct pacer *p = &heap_of(h)->gc.pacer;
    scavenge_pace(h, p->memory_limit, t.goal, p->last_heap_goal);
}

static bool all_is_swept(struct mheap *h) { return !sweep_is_on(h) && !GCSIM_LOAD(&h->sweeping); }

CORE void pace_init(struct mheap *h, const gcsim_options *options)
{
    struct gc *gc = &heap_of(h)->gc;
    int32_t percent = options->gc_percent == 0 ? 100 : options->gc_percent;
    gc->pacer = pacer_init(percent, options->memory_limit > 0 ? options->memory_limit
                                                              : PACER_NO_MEMORY_LIMIT);
    gc->pacer_kind = options->pacer;
    gc->trigger_ratio = TRIGGER_RATIO_FIRST;
    gc->extra_globals = options->extra_globals_bytes;
    gc->extra_stacks = options->extra_stack_bytes;
    gc->limiter = limiter_init((int64_t)rt_now_ns(&h->rt), (int32_t)gc->procs);
    pace_commit(h);
}

CORE void pace_commit(struct mheap *h)
{
    struct gc *gc = &heap_of(h)->gc;
    rt_lock(&h->rt, &gc->pace_lock);
    feed(h);
    pacer_commit(&gc->pacer, all_is_swept(h));
    if (gc->phase == GC_MARK)
        pacer_revise(&gc->pacer);
    pace_scavenging(h, publish(h));
    rt_unlock(&h->rt, &gc->pace_lock);
}

CORE int32_t pace_set_gc_percent(struct mheap *h, int32_t percent)
{
    int32_t before = pacer_set_gc_percent(&heap_of(h)->gc.pacer, percent);
    pace_commit(h);
    return before;
}

CORE int64_t pace_set_memory_limit(struct mheap *h, int64_t limit)
{
    int64_t before = pacer_set_memory_limit(&heap_of(h)->gc.pacer, limit);
    if (limit >= 0 && limit != before)
        EMIT(h, HEAP_LIMIT, 0, 0, (uint64_t)limit);
    pace_commit(h);
    return before;
}

// Who is second need not: the counters are as good a moment later.
CORE void pace_moved(struct mheap *h)
{
    struct gc *gc = &heap_of(h)->gc;
    if (!rt_try_lock(&h->rt, &gc->pace_lock))
        return;
    feed(h);
    if (gc->phase == GC_MARK)
        pacer_revise(&gc->pacer);
    publish(h);
    rt_unlock(&h->rt, &gc->pace_lock);
}

// --- a cycle -----------------------------------------------------------------------------------------------------

static enum pacer_start start_of(gcsim_trigger why)
{
    return why == GCSIM_TRIGGER_HEAP       ? PACER_START_HEAP
           : why == GCSIM_TRIGGER_PERIODIC ? PACER_START_TIME
                                           : PACER_START_FORCED;
}

CORE void pace_start(struct mheap *h, gcsim_trigger why, gcsim_cycle *cycle)
{
    struct gc *gc = &heap_of(h)->gc;
    struct pacer *p = &gc->pacer;
    rt_lock(&h->rt, &gc->pace_lock);
    gc->pacer_before = *p;
    gc->credit = 0;
    for (int kind = 0; kind < MARK_KINDS; kind++)
        gc->mark_ns[kind] = 0;
    feed(h);
    struct pacer_goals goals = pacer_heap_goal(p);
    cycle->trigger_bytes = GCSIM_LOAD(&h->trigger);
    cycle->goal = has_goal(p) ? goals.goal : UINT64_MAX;
    cycle->gc_percent = (int32_t)p->gc_percent;
    cycle->memory_limit = (uint64_t)p->memory_limit;
    cycle->limit_goal =
        p->memory_limit == PACER_NO_MEMORY_LIMIT ? UINT64_MAX : pacer_memory_limit_goal(p);
    cycle->marked_before = p->heap_marked;
    cycle->stack_scan = p->last_stack_scan;
    cycle->globals_scan = p->globals_scan;
    cycle->heap_scan_before = p->last_heap_scan;
    cycle->heap_scan = p->heap_scan;
    cycle->runway = p->runway;
    cycle->cons_mark = p->cons_mark;
    pacer_start_cycle(p, (int64_t)rt_now_ns(&h->rt), (int32_t)gc->procs, start_of(why),
                      gc->stop_the_world != 0);
    cycle->assist_ratio = p->assist_work_per_byte;
    cycle->dedicated_workers = (uint64_t)p->dedicated_mark_workers_needed;
    cycle->fractional_goal = p->fractional_utilization_goal;
    GCSIM_STORE(&gc->mark_start_ns, (uint64_t)p->mark_start_time);
    publish(h);
    rt_unlock(&h->rt, &gc->pace_lock);
}

static void fill_end(struct gc *gc, gcsim_cycle *cycle, uint64_t now_ns)
{
    struct pacer *p = &gc->pacer;
    cycle->mark_ns = now_ns - gc->mark_start_ns;
    cycle->dedicated_ns = gc->mark_ns[MARK_DEDICATED];
    cycle->fractional_ns = gc->mark_ns[MARK_FRACTIONAL];
    cycle->background_ns = cycle->dedicated_ns + cycle->fractional_ns;
    cycle->idle_ns = gc->mark_ns[MARK_IDLE];
    cycle->assist_ns = gc->mark_ns[MARK_ASSIST];
    cycle->heap_end = p->heap_live;
    cycle->end_goal = has_goal(p) ? p->last_heap_goal : UINT64_MAX;
    cycle->utilization = pacer_utilization(p, (int64_t)now_ns, (int32_t)gc->procs);
    cycle->cons_mark_after = p->cons_mark;
    cycle->scan_work = gc->scan_work;
    cycle->stack_work = gc->stack_work;
    cycle->globals_work = gc->globals_work;
}

// From here to the trigger what is left must be swept (mgcsweep.go:gcPaceSweeper).
static void pace_sweeping(struct mheap *h, uint64_t trigger, gcsim_cycle *cycle)
{
    struct gc *gc = &heap_of(h)->gc;
    uint64_t pages = GCSIM_LOAD(&h->bytes.in_use) >> PAGE_SHIFT;
    gc->pages_swept = 0;
    gc->sweep_live_basis = h->heap_live;
    cycle->sweep_ratio = pacer_sweep_pages_per_byte(trigger, h->heap_live, pages, 0);
    store_double(&gc->sweep_ratio, cycle->sweep_ratio);
    GCSIM_STORE(&h->sweep_owed, cycle->sweep_ratio > 0);
}

CORE void pace_end(struct mheap *h, gcsim_cycle *cycle)
{
    struct gc *gc = &heap_of(h)->gc;
    struct pacer *p = &gc->pacer;
    rt_lock(&h->rt, &gc->pace_lock);
    feed(h);
    uint64_t now_ns = rt_now_ns(&h->rt);
    p->assist_time = (int64_t)gc->mark_ns[MARK_ASSIST];
    p->dedicated_mark_time = (int64_t)gc->mark_ns[MARK_DEDICATED];
    p->fractional_mark_time = (int64_t)gc->mark_ns[MARK_FRACTIONAL];
    p->idle_mark_time = (int64_t)gc->mark_ns[MARK_IDLE];
    pacer_end_cycle(p, (int64_t)now_ns, (int32_t)gc->procs);
    fill_end(gc, cycle, now_ns);
    if (p->gc_percent >= 0 &&
        cycle->trigger != GCSIM_TRIGGER_FORCED) // of a forced one nothing is learnt
        gc->trigger_ratio = trigger_ratio_next(gc->trigger_ratio, (double)p->gc_percent / 100,
                                               p->heap_marked, p->heap_live, cycle->utilization);
    pacer_reset_live(p, gc->bytes_marked);
    GCSIM_STORE(&h->heap_live, p->heap_live);
    EMIT(h, HEAP_LIVE, 0, 0, p->heap_live);
    GCSIM_STORE(&h->heap_scan, p->heap_scan);
    gc->phase = GC_OFF;
    feed(h); // bytes that the mutators' caches gave back are not subtracted yet: as in Go
    pacer_commit(p, false);
    struct pacer_trigger t = publish(h);
    cycle->heap_marked = p->heap_marked;
    cycle->next_goal = gc->goal;
    cycle->next_trigger = h->trigger;
    pace_sweeping(h, t.trigger, cycle);
    pace_scavenging(h, t);
    // Times do not stay in the state.
    p->mark_start_time = p->assist_time = p->dedicated_mark_time = p->fractional_mark_time =
        p->idle_mark_time = 0;
    gc->mark_start_ns = 0;
    rt_unlock(&h->rt, &gc->pace_lock);
}

// Settings that were changed meanwhile stay.
CORE void pace_undo(struct mheap *h)
{
    struct gc *gc = &heap_of(h)->gc;
    rt_lock(&h->rt, &gc->pace_lock);
    int32_t percent = (int32_t)gc->pacer.gc_percent;
    int64_t limit = gc->pacer.memory_limit;
    gc->pacer = gc->pacer_before;
    bool changed = gc->pacer.gc_percent != percent || gc->pacer.memory_limit != limit;
    pacer_set_gc_percent(&gc->pacer, percent);
    pacer_set_memory_limit(&gc->pacer, limit);
    if (changed)
        pacer_commit(&gc->pacer, all_is_swept(h));
    feed(h);
    publish(h);
    gc->mark_start_ns = 0;
    gc->credit = 0;
    rt_unlock(&h->rt, &gc->pace_lock);
}

// --- the limiter -------------------------------------------------------------------------------------------------

// What the limiter has not counted of the mutator's assist under way is counted now, so that a window gets what happened in it: time that
// came later, when the bucket may be full, would be lost (mgclimit.go:limiterEvent.consume).
static void count_assist(struct gc *gc, struct mutator *m, uint64_t now_ns)
{
    uint64_t from = GCSIM_LOAD(&m->assist_from_ns);
    if (from && from < now_ns &&
        __atomic_compare_exchange_n(&m->assist_from_ns, &from, now_ns, false, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED))
        count_add(&gc->assist_pool_ns, now_ns - from);
}

// Processors that program mutators are on now: an estimate, as they come and go.
static uint32_t look_at_mutators(struct mheap *h, uint64_t now_ns)
{
    uint32_t busy = 0;
    if (!rt_try_lock(&h->rt, &h->mutators_lock))
        return heap_of(h)->gc.procs; // the world is being stopped
    for (struct mutator *m = h->mutators; m; m = m->next) {
        busy += !m->worker && __atomic_load_n(&m->pub.inside, __ATOMIC_ACQUIRE);
        count_assist(&heap_of(h)->gc, m, now_ns);
    }
    rt_unlock(&h->rt, &h->mutators_lock);
    return busy;
}

// What was counted since the last update. A processor that no mutator was on is idle, but for background marking that it did. A slice of
// that may have begun before the last update: what is more than the window holds is left for the next.
static void feed_limiter(struct mheap *h, uint64_t now_ns)
{
    struct gc *gc = &heap_of(h)->gc;
    struct limiter *l = &gc->limiter;
    uint32_t busy = look_at_mutators(h, now_ns);
    int64_t window = (int64_t)now_ns - l->last_update, idle = 0;
    if (window > 0 && busy < gc->procs)
        idle = window * (int64_t)(gc->procs - busy);
    int64_t marked = (int64_t)GCSIM_LOAD(&gc->own_thread_ns);
    if (marked > idle)
        marked = idle;
    count_add(&gc->own_thread_ns, (uint64_t)-marked);
    idle -= marked;
    if (idle > 0) {
        limiter_add_idle(l, idle);
        count_add(&h->history->idle_ns, (uint64_t)idle);
    }
    limiter_add_assist(l, (int64_t)__atomic_exchange_n(&gc->assist_pool_ns, 0, __ATOMIC_RELAXED));
}

static void publish_limiter(struct gc *gc)
{
    bool limiting = limiter_limiting(&gc->limiter);
    if (limiting && !gc->limited)
        gc->limited_cycle = gc->cycles + (gc->phase != GC_MARK);
    GCSIM_STORE(&gc->limited, limiting);
    GCSIM_STORE(&gc->limiter_checked_ns, (uint64_t)gc->limiter.last_update);
}

CORE void pace_update_limiter(struct mheap *h, uint64_t now_ns)
{
    struct gc *gc = &heap_of(h)->gc;
    if (!rt_try_lock(&h->rt, &gc->pace_lock))
        return; // whoever is second: the next one counts it
    feed_limiter(h, now_ns);
    limiter_update(&gc->limiter, (int64_t)now_ns);
    publish_limiter(gc);
    rt_unlock(&h->rt, &gc->pace_lock);
}

CORE void pace_check_limiter(struct mheap *h, uint64_t now_ns)
{
    int64_t since = (int64_t)(now_ns - GCSIM_LOAD(&heap_of(h)->gc.limiter_checked_ns));
    if (since >= LIMITER_UPDATE_PERIOD_NS)
        pace_update_limiter(h, now_ns);
}

CORE void pace_transition(struct mheap *h, bool on)
{
    struct gc *gc = &heap_of(h)->gc;
    uint64_t now_ns = rt_now_ns(&h->rt);
    rt_lock(&h->rt, &gc->pace_lock);
    feed_limiter(h, now_ns);
    limiter_start_transition(&gc->limiter, on, (int64_t)now_ns);
    publish_limiter(gc);
    rt_unlock(&h->rt, &gc->pace_lock);
}

CORE void pace_transition_done(struct mheap *h)
{
    struct gc *gc = &heap_of(h)->gc;
    rt_lock(&h->rt, &gc->pace_lock);
    limiter_finish_transition(&gc->limiter, (int64_t)rt_now_ns(&h->rt));
    publish_limiter(gc);
    rt_unlock(&h->rt, &gc->pace_lock);
}

// --- the time of marking -----------------------------------------------------------------------------------------

// Dedicated first, then fractional (mgcpacer.go:assignWaitingGCWorker), then idle. *behind_ns: what the kind still lacks.
static enum mark_kind kind_now(struct gc *gc, uint64_t now_ns, bool own_thread, int64_t *behind_ns)
{
    uint64_t elapsed = now_ns - GCSIM_LOAD(&gc->mark_start_ns);
    const struct pacer *p = &gc->pacer;
    *behind_ns = (int64_t)(elapsed * (uint64_t)p->dedicated_mark_workers_needed -
                           GCSIM_LOAD(&gc->mark_ns[MARK_DEDICATED]));
    if (*behind_ns >= SLICE_LEAST_NS)
        return MARK_DEDICATED;
    double share = p->fractional_utilization_goal * (double)gc->procs;
    *behind_ns =
        (int64_t)((uint64_t)(share * (double)elapsed) - GCSIM_LOAD(&gc->mark_ns[MARK_FRACTIONAL]));
    if (*behind_ns >= SLICE_LEAST_NS)
        return MARK_FRACTIONAL;
    *behind_ns = SLICE_NS;
    return own_thread && (int64_t)GCSIM_LOAD(&gc->idle_markers) < p->max_idle_mark_workers
               ? MARK_IDLE
               : MARK_NONE;
}

// The time is counted at once, so that others do not give the same.
CORE bool pace_slice_begin(struct mheap *h, bool own_thread, struct mark_slice *slice)
{
    struct gc *gc = &heap_of(h)->gc;
    int64_t behind;
    slice->from_ns = rt_now_ns(&h->rt);
    slice->own_thread = own_thread;
    slice->kind = kind_now(gc, slice->from_ns, own_thread, &behind);
    pace_check_limiter(h, slice->from_ns);
    if (slice->kind == MARK_NONE)
        return false;
    uint64_t ns = behind < SLICE_NS ? (uint64_t)behind : SLICE_NS;
    slice->until_ns = slice->from_ns + ns;
    count_add(&gc->mark_ns[slice->kind], ns);
    if (slice->kind == MARK_IDLE)
        __atomic_fetch_add(&gc->idle_markers, 1, __ATOMIC_RELAXED);
    return true;
}

CORE void pace_slice_end(struct mheap *h, const struct mark_slice *slice)
{
    struct gc *gc = &heap_of(h)->gc;
    uint64_t ns = rt_now_ns(&h->rt) - slice->from_ns;
    count_add(&gc->mark_ns[slice->kind], ns - (slice->until_ns - slice->from_ns));
    if (slice->kind == MARK_IDLE)
        __atomic_fetch_sub(&gc->idle_markers, 1, __ATOMIC_RELAXED);
    else if (slice->own_thread)
        count_add(&gc->own_thread_ns, ns);
}

CORE uint64_t pace_assist_begin(struct mutator *m)
{
    uint64_t now_ns = rt_now_ns(&mheap_of(m)->rt);
    GCSIM_STORE(&m->assist_from_ns, now_ns);
    return now_ns;
}

// The limiter learns of each assist at once (mgcmark.go:gcAssistAlloc1): in the period of its other updates a full bucket would
// overflow by many times what it loses meanwhile, and collection would take far more than half.
CORE uint64_t pace_assist_end(struct mutator *m, uint64_t from_ns)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    uint64_t now_ns = rt_now_ns(&h->rt);
    uint64_t uncounted_ns = __atomic_exchange_n(&m->assist_from_ns, 0, __ATOMIC_RELAXED);
    if (uncounted_ns < now_ns)
        count_add(&gc->assist_pool_ns, now_ns - uncounted_ns);
    count_add(&gc->mark_ns[MARK_ASSIST], now_ns - from_ns);
    pace_update_limiter(h, now_ns);
    return now_ns - from_ns;
}

CORE void pace_released(struct mheap *h, uint64_t ns)
{
    count_add(&heap_of(h)->gc.assist_pool_ns, ns);
}
