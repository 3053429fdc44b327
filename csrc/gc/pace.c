#include "gc/pace.h"

#include "gc/pacer.h"

CORE void pace_init(struct mheap *h) { pace_commit(h); }

CORE void pace_commit(struct mheap *h)
{
    struct gc *gc = &heap_of(h)->gc;
    gc->goal = pacer_goal(gc->heap_marked, gc->last_stack_scan, gc->globals_scan, gc->gc_percent);
    uint64_t trigger = gc->goal == UINT64_MAX
                           ? UINT64_MAX
                           : gc->heap_marked + (gc->goal - gc->heap_marked) / 64 * 61;
    if (gc->stop_the_world)
        trigger = gc->goal;
    GCSIM_STORE(&h->trigger, gc->holds || gc->phase == GC_MARK ? UINT64_MAX : trigger);
}

CORE void pace_start(struct mheap *h, gcsim_trigger why)
{
    (void)why;
    struct gc *gc = &heap_of(h)->gc;
    GCSIM_STORE(&h->trigger, UINT64_MAX);
    gc->credit = 0;
    gc->assist_ns = gc->background_ns = 0;
    pace_revise(h);
}

CORE void pace_end(struct mheap *h) { (void)h; }

CORE void pace_revise(struct mheap *h)
{
    struct gc *gc = &heap_of(h)->gc;
    double left = (double)gc->last_heap_scan - (double)gc->scan_work;
    double room = (double)gc->goal - (double)h->heap_live;
    if (left < 1000)
        left = 1000;
    if (room < 1)
        room = 1;
    gc->work_per_byte = left / room;
    gc->bytes_per_work = room / left;
}

CORE double pace_work_per_byte(struct mheap *h) { return heap_of(h)->gc.work_per_byte; }
CORE double pace_bytes_per_work(struct mheap *h) { return heap_of(h)->gc.bytes_per_work; }
CORE bool pace_limited(struct mheap *h)
{
    (void)h;
    return false;
}
