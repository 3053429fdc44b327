#include "watch/stats.h"

#include "alloc/scavenge.h"
#include "gc/pacer.h"

// Slots taken from cached spans that the counters have not seen yet.
static void add_cached(struct mheap *h, uint64_t small_allocs[NUM_SIZE_CLASSES], uint64_t *tiny)
{
    for (struct mutator *m = h->mutators; m; m = m->next) {
        *tiny += m->tiny_allocs;
        for (unsigned spc = 0; spc < NUM_SPAN_CLASSES; spc++) {
            const gcsim_span *s = mcache_spans(m)[spc];
            if (s != &h->full_span)
                small_allocs[span_class_size_class(spc)] += span_in_use(s) - s->counted;
        }
    }
}

CORE void stats_bytes(const struct mheap *h, gcsim_memstats *out)
{
    const struct world *w = h->world;
    const struct page_bytes *b = &h->bytes;
    out->heap_inuse = b->in_use;
    out->heap_released = b->released;
    out->heap_idle = b->free + b->released;
    out->heap_sys = out->heap_inuse + out->heap_idle;
    out->stack_inuse = out->stack_sys = b->stacks;
    out->mspan_inuse = h->spans_in_use * sizeof(gcsim_span);
    out->mspan_sys = world_committed(w, REGION_SPANS);
    for (const struct mutator *m = h->mutators; m; m = m->next)
        out->mcache_inuse += sizeof *m;
    out->mcache_sys = out->mcache_inuse;
    out->gc_sys = b->workbufs + world_committed(w, REGION_ALLOC_BITS) +
                  world_committed(w, REGION_MARK_BITS) + world_committed(w, REGION_INLINE_MARKS) +
                  world_committed(w, REGION_CHECK_MARKS);
    out->buck_hash_sys = GCSIM_LOAD(&((const gcsim_heap *)h)->gc.memprofile.bytes);
    uint64_t meta = world_committed(w, REGION_META), named = out->mcache_sys + out->buck_hash_sys;
    out->other_sys = b->batches + world_committed(w, REGION_HEAP) +
                     world_committed(w, REGION_HISTORY) + world_committed(w, REGION_PAGES) +
                     world_committed(w, REGION_PAGE_CLASSES) + world_committed(w, REGION_SPECIALS) +
                     world_committed(w, REGION_COROUTINES) + (meta > named ? meta - named : 0);
    for (int r = REGION_CHUNKS; r <= REGION_SUMMARY_4; r++)
        out->other_sys += world_committed(w, (enum world_region)r);
    out->sys = out->heap_sys + out->stack_sys + out->mspan_sys + out->mcache_sys +
               out->buck_hash_sys + out->gc_sys + out->other_sys;
}

// mstats.go:readmemstats_m. A tiny object counts in mallocs, and in frees at once: its block is what is freed.
static void fill_counts(struct mheap *h, gcsim_memstats *out)
{
    const struct alloc_counts *c = &h->history->counts;
    uint64_t small[NUM_SIZE_CLASSES], tiny = c->tiny_allocs, freed_bytes = c->large_free_bytes;
    memcpy(small, c->small_allocs, sizeof small);
    add_cached(h, small, &tiny);
    out->total_alloc = c->large_alloc_bytes;
    out->mallocs = c->large_allocs + tiny;
    out->frees = c->large_frees + tiny;
    for (unsigned i = 0; i < NUM_SIZE_CLASSES; i++) {
        out->total_alloc += small[i] * size_class_slot_bytes[i];
        out->mallocs += small[i];
        out->frees += c->small_frees[i];
        freed_bytes += c->small_frees[i] * size_class_slot_bytes[i];
        if (i < 61) { // the size of MemStats.BySize
            out->by_size[i].size = size_class_slot_bytes[i];
            out->by_size[i].mallocs = small[i];
            out->by_size[i].frees = c->small_frees[i];
        }
    }
    out->alloc = out->heap_alloc = out->total_alloc - freed_bytes;
    out->heap_objects = out->mallocs - out->frees;
}

static void fill_cycles(struct mheap *h, gcsim_memstats *out)
{
    const struct history *history = h->history;
    const struct gc *gc = &heap_of(h)->gc;
    out->next_gc = gc->goal;
    out->num_gc = (uint32_t)(gc->cycles - (gc->phase == GC_MARK));
    out->num_forced_gc = (uint32_t)history->forced_cycles;
    out->last_gc = history->last_gc_ns;
    out->pause_total_ns = history->pause_total_ns;
    memcpy(out->pause_ns, history->pause_ns, sizeof out->pause_ns);
    memcpy(out->pause_end, history->pause_end, sizeof out->pause_end);
    out->gc_cpu_fraction = history->gc_cpu_fraction;
    out->enable_gc = 1; // always true, as in Go
}

CORE void stats_memstats(struct mheap *h, gcsim_memstats *out)
{
    memset(out, 0, sizeof *out);
    stats_bytes(h, out);
    fill_counts(h, out);
    fill_cycles(h, out);
}

CORE void stats_scavenger(struct mheap *h, gcsim_scavenger *out)
{
    const struct scavenge_counts *counts = &h->history->scavenged;
    const struct scavenge_goals *goals = &h->scavenger.goals;
    *out = (gcsim_scavenger){
        .background_bytes = counts->background_bytes,
        .eager_bytes = counts->eager_bytes,
        .forced_bytes = counts->forced_bytes,
        .background_ns = counts->background_ns,
        .assist_ns = counts->assist_ns,
        .refused = counts->refused,
        .resets = counts->resets,
        .retained = mheap_retained(h),
        .mapped_ready = mheap_mapped_ready(h),
        .gc_percent_goal = goals->gc_percent,
        .memory_limit_goal = goals->memory_limit,
    };
}
