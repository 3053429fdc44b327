#include "watch/metrics.h"

#include "gc/roots.h"
#include "watch/stats.h"

enum { READINGS = 100 }; // before giving up: then the counters are those of a few moments

static void metrics_counts(struct mheap *h, gcsim_metrics *out)
{
    struct alloc_counts c, again;
    copy_words(&c, &h->history->counts, sizeof c);
    for (int i = 0; i < READINGS; i++) {
        copy_words(&again, &h->history->counts, sizeof again);
        if (!memcmp(&c, &again, sizeof c))
            break;
        c = again;
    }
    out->alloc_bytes = c.large_alloc_bytes;
    out->free_bytes = c.large_free_bytes;
    out->allocs[LARGE_SIZE_CLASS] = c.large_allocs;
    out->frees[LARGE_SIZE_CLASS] = c.large_frees;
    for (unsigned i = 1; i < NUM_SIZE_CLASSES; i++) {
        out->allocs[i] = c.small_allocs[i];
        out->frees[i] = c.small_frees[i];
        out->alloc_bytes += c.small_allocs[i] * size_class_slot_bytes[i];
        out->free_bytes += c.small_frees[i] * size_class_slot_bytes[i];
    }
    out->tiny_allocs = c.tiny_allocs;
}

static void metrics_bytes(struct mheap *h, gcsim_metrics *out)
{
    gcsim_memstats m = {0};
    stats_bytes(h, &m);
    out->heap_inuse = m.heap_inuse;
    out->heap_free = m.heap_idle - m.heap_released;
    out->heap_released = m.heap_released;
    out->stacks = m.stack_inuse;
    out->mspan_inuse = m.mspan_inuse;
    out->mspan_sys = m.mspan_sys;
    out->mcache_inuse = m.mcache_inuse;
    out->mcache_sys = m.mcache_sys;
    out->buck_hash_sys = m.buck_hash_sys;
    out->gc_sys = m.gc_sys;
    out->other_sys = m.other_sys;
}

static void metrics_collector(const struct mheap *h, const struct gc *gc, gcsim_metrics *out)
{
    const struct history *history = h->history;
    const struct cpu_times *cpu = &history->cpu;
    out->assist_ns = cpu->assist_ns;
    out->dedicated_ns = cpu->dedicated_ns;
    out->idle_mark_ns = cpu->idle_mark_ns;
    out->gc_pause_ns = cpu->pause_ns;
    out->scavenge_assist_ns = cpu->scavenge_assist_ns;
    out->scavenge_background_ns = cpu->scavenge_background_ns;
    out->idle_ns = cpu->idle_ns;
    out->total_ns = cpu->total_ns;
    out->finalizers_executed = GCSIM_LOAD(&history->finalizers_run);
    out->finalizers_queued = GCSIM_LOAD(&history->finalizers_queued);
    out->cleanups_executed = GCSIM_LOAD(&history->cleanups_run);
    out->cleanups_queued = GCSIM_LOAD(&history->cleanups_queued);
    out->cycles = gc->cycles - (gc->phase == GC_MARK);
    out->forced_cycles = history->forced_cycles;
    out->gc_percent = gc->pacer.gc_percent;
    out->memory_limit = gc->pacer.memory_limit;
    out->heap_goal = GCSIM_LOAD(&gc->goal);
    out->heap_live = gc->pacer.heap_marked;
    out->limiter_last_enabled = GCSIM_LOAD(&gc->limited_cycle);
    out->heap_scan = GCSIM_LOAD(&h->heap_scan);
    out->stack_scan = gc->pacer.last_stack_scan;
    out->globals_scan = GCSIM_LOAD(&gc->globals_scan) + gc->extra_globals;
    out->procs = gc->procs;
    out->stopping_gc = history->stops.stopping_gc;
    out->stopping_other = history->stops.stopping_other;
    out->pauses_gc = history->stops.total_gc;
    out->pauses_other = history->stops.total_other;
}

static void metrics_goroutines(struct mheap *h, struct gc *gc, gcsim_metrics *out)
{
    rt_lock(&h->rt, &gc->roots_lock);
    for (const struct goroutine *g = gc->goroutines; g; g = g->next)
        out->goroutines++;
    out->goroutines_created = gc->next_goroutine_id;
    rt_unlock(&h->rt, &gc->roots_lock);
    out->starting_stack_bytes = PAGE_BYTES; // roots.c:goroutine_make
    out->threads = GCSIM_LOAD(&gc->workers.started);
}

CORE void metrics_read(struct mheap *h, gcsim_metrics *out)
{
    struct gc *gc = &heap_of(h)->gc;
    memset(out, 0, sizeof *out);
    rt_lock(&h->rt, &h->mutators_lock);
    metrics_collector(h, gc, out);
    metrics_goroutines(h, gc, out);
    rt_lock(&h->rt, &h->lock);
    metrics_bytes(h, out);
    metrics_counts(h, out);
    rt_unlock(&h->rt, &h->lock);
    rt_unlock(&h->rt, &h->mutators_lock);
    uint64_t objects = out->alloc_bytes - out->free_bytes;
    if (objects > out->heap_inuse) // only if the readings never agreed
        out->free_bytes = out->alloc_bytes - out->heap_inuse;
}
