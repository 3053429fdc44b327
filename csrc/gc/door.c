// What an allocation asks of the collector: the other side of alloc/door.h.
#include "alloc/door.h"

#include "gc/assist.h"
#include "gc/cycle.h"
#include "gc/memprofile.h"
#include "gc/pace.h"
#include "gc/sweep.h"
#include "gc/world.h"

CORE COLD void door_safepoint(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    if (world_wanted(h))
        world_poll(m);
    if (!GCSIM_LOAD(&h->blacken))
        return;
    assist_safepoint(m);
    if (world_wanted(h))
        world_poll(m);
}

CORE COLD void door_poll(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    if (RT_HAS_THREADS && !world_wanted(h) && GCSIM_LOAD(&h->blacken) && assist_passes_over(m))
        return;
    door_safepoint(m);
}

CORE COLD gcsim_status door_collect(struct mutator *m, void *keep)
{
    m->keep = keep;
    gcsim_status status = cycle_run(m, GCSIM_TRIGGER_HEAP);
    m->keep = NULL;
    return status;
}

CORE bool door_may_sweep(const struct mheap *h)
{
    return !__atomic_load_n(&heap_of((struct mheap *)h)->gc.clearing, __ATOMIC_ACQUIRE);
}

CORE bool door_sweep_span(struct mheap *h, gcsim_span *s, bool preserve)
{
    return sweep_span(h, s, preserve) != SWEPT_BY_OTHER;
}

CORE void door_moved(struct mheap *h) { pace_moved(h); }

CORE COLD void door_sweep_credit(struct mheap *h, uint64_t bytes, uint64_t pages)
{
    sweep_owed(h, bytes, pages);
}

CORE void door_reclaim(struct mheap *h, uint64_t npages)
{
    if (UNLIKELY(sweep_is_on(h)))
        sweep_reclaim(h, npages);
}

CORE bool door_limited(struct mheap *h) { return pace_limited(h); }
CORE void door_released(struct mheap *h, uint64_t ns) { pace_released(h, ns); }

CORE COLD void door_sample(struct mutator *m, void *p, const gcsim_type *type, uint64_t bytes)
{
    memprofile_sample(m, p, type, bytes);
}
