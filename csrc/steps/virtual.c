// Virtual time from outside: whole programs as coroutines of a heap (base/rt_virtual.c has the clocks).
#include "gc/waits.h"
#include "steps/actor.h"

static gcsim_status steps_virtual_call(gcsim_heap *heap, gcsim_virtual_fn fn, void *arg)
{
    struct rt *rt = &heap->mheap.rt;
    if (!rt->virtual)
        return GCSIM_BAD_STATE;
    rt_call(rt, fn, arg);
    return rt->dead[0] ? GCSIM_DEADLOCK : GCSIM_OK;
}

static gcsim_status steps_virtual_go(gcsim_heap *heap, gcsim_virtual_fn fn, void *arg)
{
    struct rt *rt = &heap->mheap.rt;
    if (!rt->virtual || !rt->current)
        return GCSIM_BAD_STATE;
    return rt_virtual_go(rt, fn, arg) ? GCSIM_OK : GCSIM_NO_MEMORY;
}

static void steps_virtual_wait(gcsim_heap *heap, uint32_t *word, uint32_t value, uint64_t ns)
{
    if (heap->mheap.rt.virtual && heap->mheap.rt.current)
        rt_wait_for(&heap->mheap.rt, word, value, ns);
}

static void steps_virtual_wake(gcsim_heap *heap, uint32_t *word)
{
    if (heap->mheap.rt.virtual)
        rt_wake_all(&heap->mheap.rt, word);
}

static void steps_virtual_sleep(gcsim_heap *heap, uint64_t ns)
{
    uint32_t never = 0;
    steps_virtual_wait(heap, &never, 0, ns ? ns : 100); // 0: a short while, so that the clock moves
}

static uint64_t steps_virtual_now(gcsim_heap *heap) { return rt_now_ns(&heap->mheap.rt); }

static uint64_t steps_virtual_cpu(gcsim_heap *heap, uint32_t all)
{
    return heap->mheap.rt.virtual ? rt_virtual_cpu_ns(&heap->mheap.rt, all != 0) : 0;
}

static void steps_virtual_work(gcsim_heap *heap, uint64_t op_ps, uint64_t shade_ps)
{
    if (!heap->mheap.rt.virtual)
        return;
    rt_virtual_suggest(&heap->mheap.rt, EVENT_OP, op_ps);
    if (shade_ps)
        rt_virtual_suggest(&heap->mheap.rt, EVENT_SHADE, shade_ps);
}

static void steps_virtual_op(gcsim_heap *heap) { POINT(&heap->mheap, OP, 0, 0); }

static uint64_t steps_virtual_passed(gcsim_heap *heap, uint32_t kind, uint64_t *units)
{
    struct rt_virtual *v = heap->mheap.rt.virtual;
    bool has = v && kind < EVENT_KINDS;
    *units = has ? v->units[kind] : 0;
    return has ? v->passed[kind] : 0;
}

static uint64_t steps_virtual_hash(gcsim_heap *heap)
{
    return heap->mheap.rt.virtual ? heap->mheap.rt.virtual->hash : 0;
}

static const char *steps_deadlock(gcsim_heap *heap)
{
    return heap->mheap.rt.dead[0] ? heap->mheap.rt.dead : NULL;
}

static uint32_t steps_is_virtual(gcsim_heap *heap) { return heap->mheap.rt.virtual != NULL; }
