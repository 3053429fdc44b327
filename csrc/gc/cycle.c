#include "gc/cycle.h"

#include "gc/mark.h"
#include "gc/pacer.h"
#include "gc/roots.h"
#include "gc/sweep.h"
#include "gc/work.h"
#include "gc/world.h"

#if GCSIM_DEBUG
#define CHECK_PHASE(h, phase) cycle_check_phase(h, phase)
#else
#define CHECK_PHASE(h, phase) ((void)0)
#endif

CORE void cycle_commit_goal(struct mheap *h)
{
    struct gc *gc = &heap_of(h)->gc;
    gc->goal = pacer_goal(gc->heap_marked, gc->last_stack_scan, gc->globals_scan, gc->gc_percent);
    __atomic_store_n(&h->trigger, gc->holds ? UINT64_MAX : gc->goal, __ATOMIC_RELAXED);
}

CORE uint64_t cycle_hold(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    world_stop(m);
    heap_of(h)->gc.holds++;
    cycle_commit_goal(h);
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
    gc->heap_marked += h->heap_live > held ? h->heap_live - held : 0;
    cycle_commit_goal(h);
    world_start(m);
}

CORE int32_t cycle_set_percent(struct mutator *m, int32_t percent)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    world_stop(m);
    int32_t old = gc->gc_percent;
    gc->gc_percent = percent < 0 ? -1 : percent;
    cycle_commit_goal(h);
    world_start(m);
    return old;
}

// Word by word, because another thread that sweeps writes to the last one at any time.
static void record_read(gcsim_cycle *out, const gcsim_cycle *from)
{
    _Static_assert(sizeof *out % 8 == 0, "a record is words");
    const uint64_t *words = (const uint64_t *)from;
    for (size_t i = 0; i < sizeof *out / 8; i++)
        ((uint64_t *)out)[i] = GCSIM_LOAD(words + i);
}

CORE gcsim_status cycle_read(gcsim_heap *heap, uint64_t number, gcsim_cycle *out)
{
    uint64_t last = heap->gc.cycles;
    if (number == 0)
        number = last;
    if (number == 0 || number > last || last - number >= 256)
        return GCSIM_BAD_SIZE;
    record_read(out, &heap->mheap.history->cycles[(number - 1) % 256]);
    return out->number == number ? GCSIM_OK : GCSIM_BAD_SIZE; // an interrupted cycle took its place
}

// Sweep termination: what waits is swept, what was dropped is no root any more, the record is opened.
static gcsim_cycle *cycle_open(struct mutator *m, gcsim_trigger why, uint64_t start_ns)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    sweep_rest(h);
    handles_take_dropped(m);
    gc->bytes_marked = gc->objects_marked = gc->scan_work = gc->stack_work = 0;
    gc->pointers = gc->root_slots = gc->rescans = 0;
    gc->cycles++;
    gcsim_cycle *cycle = &h->history->cycles[(gc->cycles - 1) % 256];
    *cycle = (gcsim_cycle){.number = gc->cycles,
                           .trigger = why,
                           .gc_percent = gc->gc_percent,
                           .heap_live = h->heap_live,
                           .goal = gc->goal,
                           .marked_before = gc->heap_marked,
                           .stack_scan = gc->last_stack_scan,
                           .globals_scan = gc->globals_scan,
                           .start_ns = rt_epoch_ns(&h->rt),
                           .stop_ns = rt_now_ns(&h->rt) - start_ns};
    STEP(h, CYCLE_START, m->pub.id, 0, gc->cycles);
    return cycle;
}

static bool cycle_mark(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    gc->marking = true;
    STEP(h, MARK_START, m->pub.id, 0, 0);
    gc->stack_work = roots_stack_bytes(heap_of(h));
    bool finished = mark_from_roots(m);
    gc->marking = false;
    return finished;
}

// Mark termination: marks are final. Everything waits to be swept, and the spans that mutators hold are swept at once (they are flushed).
static void cycle_close_marking(struct mheap *h, gcsim_cycle *cycle)
{
    struct gc *gc = &heap_of(h)->gc;
    roots_clear_batches(h);
    CHECK_PHASE(h, CYCLE_MARKED);
    gc->heap_marked = gc->bytes_marked;
    gc->last_stack_scan = gc->stack_work;
    gc->last_heap_scan = gc->scan_work;
    __atomic_store_n(&h->heap_live, gc->bytes_marked, __ATOMIC_RELAXED);
    STEP(h, MARK_DONE, 0, 0, gc->bytes_marked);
    work_free(h);
    h->sweepgen += 2;
    gc->sweep_class = 0;
    cycle_commit_goal(h);
    for (struct mutator *m = h->mutators; m; m = m->next) {
        mcache_flush(m);
        mcache_flush_pages(m);
    }
    cycle->heap_marked = gc->heap_marked;
    cycle->next_goal = gc->goal;
    cycle->objects_marked = gc->objects_marked;
    cycle->roots = gc->root_slots;
    cycle->pointers = gc->pointers;
    cycle->scan_work = gc->scan_work;
    cycle->rescans = gc->rescans;
}

static void count_pause(struct mheap *h, gcsim_cycle *cycle, uint64_t pause_ns)
{
    struct history *history = h->history;
    cycle->pause_ns = pause_ns;
    history->forced_cycles += cycle->trigger == GCSIM_TRIGGER_FORCED;
    history->pause_total_ns += pause_ns;
    history->gc_ns += pause_ns;
    history->last_gc_ns = rt_epoch_ns(&h->rt);
    history->pause_ns[(cycle->number - 1) % 256] = pause_ns;
    history->pause_end[(cycle->number - 1) % 256] = history->last_gc_ns;
}

// The cycle that was interrupted has not been: no mark is left, nothing was freed, its number is free again.
static void cycle_undo(struct mheap *h)
{
    struct gc *gc = &heap_of(h)->gc;
    mark_abandon(h);
    work_free(h);
    gc->cycles--;
}

static void sweep_all_politely(struct mutator *m, gcsim_cycle *cycle)
{
    struct mheap *h = mheap_of(m);
    uint64_t from = rt_now_ns(&h->rt), number = cycle->number;
    for (uint32_t n = 1; sweep_one(h) != UINT64_MAX; n++)
        if (n % 128 == 0)
            gcsim_safepoint(&m->pub);
    if (cycle->number == number)
        GCSIM_STORE(&cycle->sweep_ns, rt_now_ns(&h->rt) - from);
    EMIT(h, SWEEP_DONE, m->pub.id, 0, number);
}

CORE gcsim_status cycle_run(struct mutator *m, gcsim_trigger why)
{
    struct mheap *h = mheap_of(m);
    uint64_t start = world_stop(m);
    if (why == GCSIM_TRIGGER_HEAP &&
        h->heap_live < h->trigger) { // another thread's cycle came first
        world_start(m);
        return GCSIM_OK;
    }
    CHECK_PHASE(h, CYCLE_QUIET);
    gcsim_cycle *cycle = cycle_open(m, why, start);
    uint64_t mark_start = rt_now_ns(&h->rt);
    bool finished = cycle_mark(m);
    if (finished) {
        cycle_close_marking(h, cycle);
        cycle->mark_ns = rt_now_ns(&h->rt) - mark_start;
        count_pause(h, cycle, rt_now_ns(&h->rt) - start);
        EMIT(h, CYCLE_END, m->pub.id, 0, cycle->number);
    } else {
        cycle_undo(h);
    }
    CHECK_PHASE(h, CYCLE_QUIET);
    world_start(m);
    if (!finished)
        return GCSIM_INTERRUPTED;
    if (why == GCSIM_TRIGGER_FORCED)
        sweep_all_politely(m, cycle);
    return GCSIM_OK;
}

CORE gcsim_status cycle_rehearse(struct mutator *m, void (*look)(struct mheap *h, void *ctx),
                                 void *ctx)
{
    struct mheap *h = mheap_of(m);
    cycle_open(m, GCSIM_TRIGGER_FORCED, world_stop(m));
    bool finished = cycle_mark(m);
    if (finished)
        look(h, ctx);
    cycle_undo(h);
    world_start(m);
    return finished ? GCSIM_OK : GCSIM_INTERRUPTED;
}
