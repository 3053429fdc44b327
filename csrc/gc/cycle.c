#include "gc/cycle.h"

#include "alloc/scavenge.h"
#include "gc/assist.h"
#include "gc/barrier.h"
#include "gc/checkmark.h"
#include "gc/leaks.h"
#include "gc/mark.h"
#include "gc/memprofile.h"
#include "gc/pace.h"
#include "gc/roots.h"
#include "gc/stack.h"
#include "gc/specials.h"
#include "gc/sweep.h"
#include "gc/team.h"
#include "gc/worker.h"
#include "gc/work.h"
#include "gc/world.h"

enum { FREE_SLICE_BYTES = 4 << 20 }; // released between two safe points

// An edge of a cycle: debug builds verify the heap there, others where that is asked for.
static void at_phase(struct mheap *h, enum cycle_phase phase)
{
    struct gc *gc = &heap_of(h)->gc;
    if ((GCSIM_DEBUG || gc->verify_phases) && !gc->unsound && !gc->exploring)
        cycle_check_phase(h, phase);
}

CORE uint64_t cycle_hold(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    world_stop(m);
    heap_of(h)->gc.holds++;
    pace_commit(h);
    uint64_t live = h->heap_live;
    world_start(m);
    return live;
}

CORE void cycle_release(struct mutator *m, uint64_t held)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    world_stop(m);
    gc->holds--;
    uint64_t grown = h->heap_live > held ? h->heap_live - held : 0;
    struct pacer *p = &gc->pacer;
    p->heap_marked += grown;
    p->last_heap_scan += grown;
    if (p->last_heap_scan > h->heap_scan) // what of it has no pointers is not scanned
        p->last_heap_scan = h->heap_scan;
    pace_commit(h);
    world_start(m);
}

CORE int32_t cycle_set_percent(struct mutator *m, int32_t percent)
{
    world_stop(m);
    int32_t before = pace_set_gc_percent(mheap_of(m), percent);
    world_start(m);
    return before;
}

CORE int64_t cycle_set_memory_limit(struct mutator *m, int64_t limit)
{
    world_stop(m);
    int64_t before = pace_set_memory_limit(mheap_of(m), limit);
    world_start(m);
    return before;
}

CORE gcsim_status cycle_read(gcsim_heap *heap, uint64_t number, gcsim_cycle *out)
{
    uint64_t last = heap->gc.cycles - (heap->gc.phase == GC_MARK); // when its marking has ended
    if (number == 0)
        number = last;
    if (number == 0 || number > last || last - number >= 256)
        return GCSIM_BAD_SIZE;
    // Another thread that sweeps writes to the last one at any time.
    _Static_assert(sizeof *out % 8 == 0, "a record is words");
    copy_words(out, &heap->mheap.history->cycles[(number - 1) % 256], sizeof *out);
    return out->number == number ? GCSIM_OK : GCSIM_BAD_SIZE; // an interrupted cycle took its place
}

static gcsim_cycle *cycle_record(struct mheap *h)
{
    return &h->history->cycles[(heap_of(h)->gc.cycles - 1) % 256];
}

// Starting one attaches a mutator, for which nobody may wait inside.
static void start_workers(struct mutator *m)
{
    gcsim_leave(&m->pub);
    worker_start_all(m);
    gcsim_enter(&m->pub);
}

// They are there, and awake if there is enough to do: where somebody waits for the cycle, it does what little there is sooner than it
// could wake another.
static void wake_workers(struct mutator *m, bool little)
{
    struct mheap *h = mheap_of(m);
    if (heap_of(h)->gc.stop_the_world)
        return;
    start_workers(m);
    if (!little)
        worker_notify(h);
}

// The world is going to stand still while a large heap is marked: those who will help must be there before.
static void start_team(struct mutator *m)
{
    enum { LARGE_BYTES = 1 << 20 };
    struct mheap *h = mheap_of(m);
    if (heap_of(h)->gc.stop_the_world && GCSIM_LOAD(&h->heap_live) >= LARGE_BYTES)
        start_workers(m);
}

CORE gcsim_status cycle_at_start(struct mutator *m, gcsim_cycle_start run, void *arg)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    uint32_t i = 0;
    rt_lock(&h->rt, &gc->roots_lock); // the caller is inside: no cycle begins meanwhile
    while (i < GCSIM_CYCLE_STARTS && gc->starts[i].run &&
           (gc->starts[i].run != run || gc->starts[i].arg != arg))
        i++;
    if (i < GCSIM_CYCLE_STARTS)
        gc->starts[i] = (struct cycle_start){run, arg};
    rt_unlock(&h->rt, &gc->roots_lock);
    return i < GCSIM_CYCLE_STARTS ? GCSIM_OK : GCSIM_HEAP_FULL;
}

// Before anything is marked, as Go clears its pools (mgc.go:clearpools).
static void tell_of_start(gcsim_heap *heap)
{
    for (int i = 0; i < GCSIM_CYCLE_STARTS && heap->gc.starts[i].run; i++)
        heap->gc.starts[i].run(heap, heap->gc.starts[i].arg);
}

// --- the stop that begins it -------------------------------------------------------------------------------------

// Sweep termination: what waits is swept, what was dropped is no root any more, the record is opened. Then the barrier goes on, allocation
// is black, frames are scanned. stopped: the program will not run until marking ends.
CORE gcsim_cycle *cycle_open(struct mutator *m, gcsim_trigger why, uint64_t start_ns, bool stopped)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    sweep_rest(h);
    handles_take_dropped(m);
    gc->bytes_marked = gc->objects_marked = gc->scan_work = gc->pointers = gc->rescans = 0;
    gc->stack_work = roots_stack_bytes(heap_of(h)) + gc->extra_stacks;
    gc->globals_work = gc->extra_globals;
    roots_count_stacks(heap_of(h));
    gc->cycles++;
    gcsim_cycle *cycle = cycle_record(h);
    *cycle = (gcsim_cycle){.number = gc->cycles,
                           .trigger = why,
                           .heap_live = h->heap_live,
                           .procs = gc->procs,
                           .stopped = stopped,
                           .start_ns = rt_epoch_ns(&h->rt),
                           .since_ns = start_ns - h->history->created_ns,
                           .stop_ns = rt_now_ns(&h->rt) - start_ns};
    STEP(h, CYCLE_START, m->pub.id, 0, gc->cycles);
    pace_transition(h, true);
    gc->phase = GC_MARK;
    gc->stopped = gc->alone = stopped;
    barrier_switch(h, !stopped);
    gc->stacks_wait = stopped ? GCSIM_STACKS_STOPPED : gc->stacks;
    for (struct mutator *other = h->mutators; other; other = other->next) {
        other->assist_bytes = 0;
        other->stacks_grey = gc->stacks_wait != GCSIM_STACKS_STOPPED;
        if (!stopped && !other->worker && !PLANTED(OPEN_WINDOWS))
            mcache_blacken(other);
    }
    roots_prepare(h);
    pace_start(h, why, cycle);
    STEP(h, MARK_START, m->pub.id, 0, 0);
    mark_stopped_roots(m);
    return cycle;
}

// --- the stop that ends it ---------------------------------------------------------------------------------------

static void cycle_fill_record(struct mheap *h, gcsim_cycle *cycle)
{
    struct gc *gc = &heap_of(h)->gc;
    uint64_t from_ns = h->history->created_ns + cycle->since_ns + cycle->pause1_ns;
    if (!cycle->stopped)
        cycle->mark_ns = h->history->stops.asked_ns - from_ns;
    cycle->objects_marked = gc->objects_marked;
    cycle->roots = gc->root_slots;
    cycle->pointers = gc->pointers;
    cycle->rescans = gc->rescans;
    cycle->limiter_fill = gc->limiter.fill;
    cycle->limiter_capacity = gc->limiter.capacity;
    cycle->limited = gc->limiter.times_limited;
}

// Mark termination: marks are final, nothing is grey. The barrier goes off, mutators' spans are taken from them, everything waits to be swept.
static void cycle_close_marking(struct mheap *h)
{
    struct gc *gc = &heap_of(h)->gc;
    for (struct mutator *m = h->mutators; m; m = m->next) {
        work_hand_over(h, &m->work); // empty ones
        m->scan_alloc = 0;           // counted as marked
    }
    at_phase(h, CYCLE_MARKED);
    gcsim_cycle *cycle = cycle_record(h);
    h->history->last_end_ns = rt_now_ns(&h->rt);
    if (gc->stopped)
        gc->mark_ns[MARK_DEDICATED] += h->history->last_end_ns - gc->mark_start_ns;
    assist_wake_all(h);
    gc->revived_bytes = 0;
    gc->weak_blocked = 0;
    gc->starting_stack = stack_starting(gc->scanned_stack_bytes, gc->scanned_stacks);
    barrier_switch(h, false);
    gc->stopped = gc->alone = false;
    STEP(h, MARK_DONE, 0, 0, gc->bytes_marked);
    work_free(h);
    memprofile_next_cycle(h); // before anything is swept
    h->sweepgen += 2;
    GCSIM_STORE(&gc->sweep_class, 0);
    gc->reclaim_page = gc->reclaim_credit = 0;
    roots_begin_clearing(h);
    while (gc->stop_the_world && roots_clear_piece(h))
        ;
    scavenge_next_generation(h);
    pace_end(h, cycle);
    for (struct mutator *m = h->mutators; m; m = m->next) {
        if (m->worker) // has never allocated
            continue;
        // Their spans are swept first (mcache.go:prepareForSweep).
        if (!PLANTED(STALE_CACHE))
            mcache_flush(m);
        mcache_flush_pages(m);
    }
    cycle_fill_record(h, cycle);
}

// The CPU time of a cycle joins the sums, as at each mark termination of Go (mstats.go:cpuStats.accumulate).
static void count_cpu(struct mheap *h, gcsim_cycle *cycle)
{
    struct cpu_times *cpu = &h->history->cpu;
    world_stop_is_gc(h);
    cpu->pause_ns = h->history->stops.gc_cpu_ns;
    cpu->scavenge_assist_ns = GCSIM_LOAD(&h->history->scavenged.assist_ns);
    cpu->scavenge_background_ns = GCSIM_LOAD(&h->history->scavenged.background_ns);
    cpu->idle_ns = GCSIM_LOAD(&h->history->idle_ns);
    cpu->assist_ns += cycle->assist_ns;
    if (!cycle->stopped) // else it is in the pause
        cpu->dedicated_ns += cycle->background_ns;
    cpu->idle_mark_ns += cycle->idle_ns;
    cpu->total_ns = (rt_now_ns(&h->rt) - h->history->created_ns) * heap_of(h)->gc.procs;
    uint64_t taken = cpu->assist_ns + cpu->dedicated_ns + cpu->pause_ns;
    cycle->gc_cpu_fraction = cpu->total_ns ? (double)taken / (double)cpu->total_ns : 0;
    h->history->gc_cpu_fraction = cycle->gc_cpu_fraction;
}

static void count_pauses(struct mheap *h, gcsim_cycle *cycle)
{
    struct history *history = h->history;
    cycle->pause_ns = cycle->pause1_ns + cycle->pause2_ns;
    cycle->stopping2_ns = history->stops.stood_ns - history->stops.asked_ns;
    history->forced_cycles += cycle->trigger == GCSIM_TRIGGER_FORCED;
    history->pause_total_ns += cycle->pause_ns;
    history->last_gc_ns = rt_epoch_ns(&h->rt);
    history->pause_ns[(cycle->number - 1) % 256] = cycle->pause_ns;
    history->pause_end[(cycle->number - 1) % 256] = history->last_gc_ns;
}

// World stopped: buffers overflowed for want of memory, so make up for what was forgotten, however long it takes.
static void mark_forgotten(struct mutator *m)
{
    while (mark_rescan(m))
        while (team_mark(m) != DRAINED)
            ;
}

// World stopped, marking is complete but for what the barrier does not see: pointers that frames have got since they were scanned.
static void mark_stacks_again(struct mutator *m)
{
    mark_all_stacks(m);
    while (team_mark(m) != DRAINED)
        ;
}

// World stopped: the search for leaks, where it could not be made while the program ran, because something was forgotten.
static void find_leaks(struct mutator *m)
{
    while (leaks_find(m)) {
        while (team_mark(m) != DRAINED)
            ;
        mark_forgotten(m);
    }
}

// What GODEBUG traces say about a cycle's beginning and its end. Lines are written later, by tell.
static void note_start(struct mheap *h, const gcsim_cycle *cycle)
{
    struct traces *traces = &h->history->traces;
    if (cycle->trigger == GCSIM_TRIGGER_PERIODIC)
        trace_put(traces, &h->rt, TRACE_FORCED, NULL);
    trace_put(traces, &h->rt, TRACE_MARK_START, cycle);
}

static void note_end(struct mheap *h, const gcsim_cycle *cycle)
{
    struct traces *traces = &h->history->traces;
    if (cycle->heap_end > cycle->heap_live)
        trace_put(traces, &h->rt, TRACE_MARK_END, cycle);
    trace_put(traces, &h->rt, TRACE_CYCLE, cycle);
}

// A reader that is slow keeps nobody from stopping the world.
static void tell(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    if (!GCSIM_LOAD(&h->history->traces.kept))
        return;
    gcsim_leave(&m->pub);
    trace_flush(&h->history->traces, &h->rt);
    gcsim_enter(&m->pub);
}

// World stopped since `stop_ns`: close, and let it run.
CORE void cycle_end(struct mutator *m, uint64_t stop_ns)
{
    enum { FEW_SPANS = 64 };
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    gcsim_cycle *cycle = cycle_record(h);
    pace_transition(h, false);
    for (struct mutator *other = h->mutators; other; other = other->next)
        if (!other->worker) // first of all: what they still hold is marked and no object
            mcache_return_windows(other);
    if (gc->rescan_stacks && !gc->stopped)
        mark_stacks_again(m);
    mark_forgotten(m);
    find_leaks(m);
    if (h->check_mark && !gc->unsound)
        checkmark(m);
    if (gc->sbrk)
        mark_everything(m);
    cycle_close_marking(h);
    if (gc->stop_the_world == 2) {
        sweep_rest(h);
        memprofile_post_sweep(h);
    }
    cycle->pause2_ns = rt_now_ns(&h->rt) - stop_ns;
    count_cpu(h, cycle);
    count_pauses(h, cycle);
    note_end(h, cycle);
    EMIT(h, CYCLE_END, m->pub.id, 0, cycle->number);
    at_phase(h, CYCLE_QUIET);
    __atomic_store_n(&gc->ended, (uint32_t)gc->cycles, __ATOMIC_RELEASE);
    pace_transition_done(h);
    bool little = cycle->trigger == GCSIM_TRIGGER_FORCED && h->spans_in_use < FEW_SPANS;
    world_start(m);
    memprofile_flush(h);
    rt_wake_all(&h->rt, &gc->ended);
    wake_workers(m, little); // to sweep
    tell(m);
}

// --- in between --------------------------------------------------------------------------------------------------

static bool grey_is_left(struct mheap *h)
{
    return roots_are_left(h) || (!PLANTED(SHARED_WORK) && work_is_shared(h));
}

static void hand_over(struct mutator *m)
{
    if (!heap_of(mheap_of(m))->gc.no_final_flush)
        barrier_flush(m);
    if (!PLANTED(LEFT_WORK))
        work_hand_over(mheap_of(m), &m->work);
}

static void hand_over_stacks(struct mutator *m)
{
    mark_stacks(m);
    hand_over(m);
}

// Marking has begun and nothing else is grey yet. The lock: one ragged barrier at a time. Who holds it may wait for us.
static void mark_stacks_first(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    POINT(h, STACKS, 0, m->pub.id); // the barrier is on, and no stack is asked for yet
    gcsim_leave(&m->pub);
    rt_lock(&h->rt, &gc->mark_done_lock);
    gcsim_enter(&m->pub);
    if (gc->stacks_wait == GCSIM_STACKS_FIRST) { // else abandoned meanwhile
        world_ragged(m, mark_stacks);
        gc->stacks_wait = GCSIM_STACKS_STOPPED;
    }
    rt_unlock(&h->rt, &gc->mark_done_lock);
}

// Grey objects are in the buffers of mutators, in those of the barrier, or shared. All mutators hand theirs over at a safe point; if nothing
// turns up, the world is stopped and they do so once more: what turns up then was shaded in between. If nothing does, no object is grey,
// none can become so, and marking ends (mgc.go:gcMarkDone). True: marking ended, or there is work again.
CORE bool cycle_mark_done(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    if (gc->phase != GC_MARK || GCSIM_LOAD(&gc->draining) ||
        gc->stacks_wait == GCSIM_STACKS_FIRST || !rt_try_lock(&h->rt, &gc->mark_done_lock))
        return false;
    if (!grey_is_left(h)) {
        // Until marking ends: what weak references shade would undo the decision, time and again.
        GCSIM_STORE(&gc->weak_blocked, 1);
        world_ragged(m, hand_over);
    }
    if (!grey_is_left(h) && gc->stacks_wait) {
        world_ragged(m, hand_over_stacks);
        gc->stacks_wait = GCSIM_STACKS_STOPPED; // in the next attempt everything is black
    } else if (!grey_is_left(h)) {
        if (PLANTED(BARRIER_OFF))
            barrier_switch(h, false);
        uint64_t stop_ns = world_stop(m);
        if (gc->phase == GC_MARK) // else abandoned meanwhile
            for (struct mutator *other = h->mutators; other; other = other->next)
                hand_over(other);
        if (gc->phase != GC_MARK || grey_is_left(h) || (!gc->work.overflow && leaks_find(m))) {
            world_stop_is_gc(h);
            world_start(m);
        } else {
            cycle_end(m, stop_ns);
        }
    }
    rt_unlock(&h->rt, &gc->mark_done_lock);
    return true;
}

// What an interrupted cycle leaves behind is nothing: no mark, no free slot, and its number is free again.
CORE void cycle_undo(struct mheap *h)
{
    struct gc *gc = &heap_of(h)->gc;
    mark_abandon(h);
    work_free(h);
    roots_forget(h);
    gc->weak_blocked = 0;
    gc->stacks_wait = GCSIM_STACKS_STOPPED;
    for (struct mutator *m = h->mutators; m; m = m->next)
        m->stacks_grey = false;
    gc->phase = GC_OFF;
    gc->stopped = gc->alone = false;
    barrier_switch(h, false);
    assist_wake_all(h);
    gc->cycles--;
    pace_transition(h, false);
    pace_transition_done(h);
    pace_undo(h);
}

// Mark as a worker does until the marking of cycle `number` is over; the poll callback is asked between slices.
static gcsim_status help_marking(struct mutator *m, uint64_t number)
{
    enum { FIRST_WORK = 64 << 10, SLICE_WORK = 1 << 20, OTHERS_NS = 100000 };
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    bool called = false; // the collector's threads
    while (gc->phase == GC_MARK && gc->cycles == number) {
        uint32_t ended = GCSIM_LOAD(&gc->ended);
        enum drained result = DRAINED;
        // The processor is ours, and idle otherwise.
        bool marked = worker_mark(m, true, called ? SLICE_WORK : FIRST_WORK, &result);
        if (!called && !(marked && result == DRAINED)) {
            called = true;
            worker_notify(h);
        }
        if (result == DRAINED && !cycle_mark_done(m)) {
            gcsim_leave(&m->pub);
            rt_wait_for(&h->rt, &gc->ended, ended, OTHERS_NS);
            gcsim_enter(&m->pub);
        } else if (world_wanted(h)) {
            world_poll(m);
        }
        if (world_interrupted(m, false))
            return GCSIM_INTERRUPTED;
    }
    return GCSIM_OK;
}

CORE void *cycle_read_weak(struct mutator *m, gcsim_weak *weak)
{
    struct gc *gc = &heap_of(mheap_of(m))->gc;
    void *p;
    while (!weak_try_read(m, weak, &p))
        help_marking(m, gc->cycles);
    return p;
}

// --- from end to end ---------------------------------------------------------------------------------------------

// Marks with the world stopped; false if the poll callback interrupted.
CORE bool cycle_mark_stopped(struct mutator *m)
{
    do
        if (team_mark(m) == DRAIN_ABANDONED)
            return false;
    while (mark_rescan(m) || leaks_find(m));
    return true;
}

static bool is_needed(struct mheap *h, gcsim_trigger why)
{
    if (heap_of(h)->gc.phase == GC_MARK)
        return false;
    return why == GCSIM_TRIGGER_HEAP       ? GCSIM_LOAD(&h->heap_live) >= GCSIM_LOAD(&h->trigger)
           : why == GCSIM_TRIGGER_PERIODIC ? cycle_is_due(h)
                                           : true;
}

// World stopped, no cycle: the buffers that some have prepared for one.
static void free_prepared(struct mheap *h)
{
    for (struct mutator *m = h->mutators; m; m = m->next)
        work_hand_over(h, &m->work);
    work_free(h);
}

// Begin a cycle; where the world stays stopped, end it too. *number is 0 if it was not needed after all.
static gcsim_status cycle_start(struct mutator *m, gcsim_trigger why, uint64_t *number)
{
    enum { PREPARE_BYTES = 64 << 10 }; // a smaller heap may do without a buffer
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    *number = 0;
    while (is_needed(h, why) && sweep_one(h) != UINT64_MAX)
        if (world_wanted(h))
            world_poll(m);
    handles_take_dropped(m); // little of both is left for the stop
    if (GCSIM_LOAD(&h->heap_live) >= PREPARE_BYTES && roots_may_wait(m))
        work_prepare(h, &m->work);
    start_team(m);
    uint64_t stop_ns = world_stop(m);
    if (!is_needed(h, why)) {
        if (gc->phase != GC_MARK)
            free_prepared(h);
        world_start(m);
        return GCSIM_OK;
    }
    at_phase(h, CYCLE_QUIET);
    tell_of_start(heap_of(h));
    bool stopped = leaks_begin(h) || gc->stop_the_world;
    gcsim_cycle *cycle = cycle_open(m, why, stop_ns, stopped);
    *number = gc->cycles;
    pace_transition_done(h);
    if (!gc->stopped) {
        cycle->pause1_ns = rt_now_ns(&h->rt) - stop_ns;
        cycle->stopping1_ns = h->history->stops.stood_ns - stop_ns;
        note_start(h, cycle);
        world_stop_is_gc(h);
        world_start(m);
        if (gc->late_barrier)
            barrier_switch_late(h);
        if (gc->stacks == GCSIM_STACKS_FIRST)
            mark_stacks_first(m);
        wake_workers(m, why == GCSIM_TRIGGER_FORCED); // help_marking calls them
        tell(m);
        return GCSIM_OK;
    }
    if (cycle_mark_stopped(m)) {
        note_start(h, cycle);
        cycle_end(m, stop_ns);
        return GCSIM_OK;
    }
    cycle_undo(h);
    at_phase(h, CYCLE_QUIET);
    world_start(m);
    return GCSIM_INTERRUPTED;
}

static void sweep_all_politely(struct mutator *m, uint64_t number)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    uint64_t from = rt_now_ns(&h->rt);
    for (uint32_t n = 1; gc->cycles == number && sweep_one(h) != UINT64_MAX; n++)
        if (n % 32 == 0 && world_wanted(h))
            world_poll(m);
    while (gc->cycles == number &&
           __atomic_load_n(&h->sweeping, __ATOMIC_ACQUIRE)) { // others are at their last spans
        gcsim_leave(&m->pub);
        rt_wait_for(&h->rt, &h->sweeping, GCSIM_LOAD(&h->sweeping), 20000);
        gcsim_enter(&m->pub);
    }
    if (gc->cycles == number)
        GCSIM_STORE(&cycle_record(h)->sweep_ns, rt_now_ns(&h->rt) - from);
    if (gc->cycles == number || (gc->phase == GC_MARK && gc->cycles == number + 1))
        memprofile_post_sweep(h); // else another marking has ended (mgc.go:GC)
    EMIT(h, SWEEP_DONE, m->pub.id, 0, number);
}

// A whole cycle that began after the call (mgc.go:GC): whichever thread starts it.
static gcsim_status cycle_force(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    gcsim_status status = GCSIM_OK;
    uint64_t before = gc->cycles, mine;
    while (status == GCSIM_OK && gc->phase == GC_MARK && gc->cycles == before)
        status = help_marking(m, before);
    for (mine = 0; status == GCSIM_OK && mine == 0 && gc->cycles == before;)
        status = cycle_start(m, GCSIM_TRIGGER_FORCED, &mine);
    if (status == GCSIM_OK)
        status = help_marking(m, mine ? mine : before + 1);
    if (status == GCSIM_OK) {
        sweep_all_politely(m, mine ? mine : before + 1);
    } else if (mine) {
        world_stop(m);
        if (gc->phase == GC_MARK && gc->cycles == mine)
            cycle_undo(h);
        world_start(m);
    }
    return status;
}

CORE gcsim_status cycle_find_leaks(struct mutator *m)
{
    struct leaks *leaks = &heap_of(mheap_of(m))->gc.leaks;
    uint32_t done = GCSIM_LOAD(&leaks->done);
    gcsim_status status = GCSIM_OK;
    while (status == GCSIM_OK && GCSIM_LOAD(&leaks->done) == done) { // else another thread undid it
        GCSIM_STORE(&leaks->wanted, 1u);
        status = cycle_force(m);
    }
    return status;
}

CORE gcsim_status cycle_run(struct mutator *m, gcsim_trigger why)
{
    uint64_t number;
    return why == GCSIM_TRIGGER_FORCED ? cycle_force(m) : cycle_start(m, why, &number);
}

CORE bool cycle_is_due(struct mheap *h)
{
    struct gc *gc = &heap_of(h)->gc;
    uint64_t last = h->history->last_end_ns;
    return gc->pacer.gc_percent >= 0 && last && rt_now_ns(&h->rt) - last > gc->periodic_ns;
}

CORE uint64_t cycle_stop_quiet(struct mutator *m)
{
    struct gc *gc = &heap_of(mheap_of(m))->gc;
    for (;;) {
        while (gc->phase == GC_MARK)
            help_marking(m, gc->cycles);
        uint64_t stop_ns = world_stop(m);
        if (gc->phase != GC_MARK)
            return stop_ns;
        world_start(m);
    }
}

CORE gcsim_status cycle_rehearse(struct mutator *m, void (*look)(struct mheap *h, void *ctx),
                                 void *ctx)
{
    struct mheap *h = mheap_of(m);
    cycle_open(m, GCSIM_TRIGGER_FORCED, cycle_stop_quiet(m), true);
    pace_transition_done(h);
    bool finished = cycle_mark_stopped(m);
    if (finished)
        look(h, ctx);
    cycle_undo(h);
    world_start(m);
    return finished ? GCSIM_OK : GCSIM_INTERRUPTED;
}

CORE gcsim_status cycle_free_memory(struct mutator *m, uint64_t *released)
{
    struct mheap *h = mheap_of(m);
    gcsim_status status = cycle_force(m);
    uint64_t bytes = FREE_SLICE_BYTES;
    bool refused = false;
    *released = 0;
    while (status == GCSIM_OK && bytes >= FREE_SLICE_BYTES) {
        bytes = scavenge_forced(h, FREE_SLICE_BYTES, &refused);
        *released += bytes;
        if (world_wanted(h))
            world_poll(m);
        if (world_interrupted(m, false))
            status = GCSIM_INTERRUPTED;
    }
    mheap_note_scav(h, true);
    tell(m);
    return refused ? GCSIM_NO_MEMORY : status;
}
