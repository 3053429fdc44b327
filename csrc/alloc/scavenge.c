#include "alloc/scavenge.h"

#include "alloc/door.h"
#include "base/bits.h"
#include "base/os.h"

CORE void scavenge_init(struct mheap *h)
{
    struct scavenger *s = &h->scavenger;
    uint32_t physical = os_page_bytes();
    // The step instantiation decides alike on every machine.
    uint64_t huge = GCSIM_STEPS ? 2 << 20 : os_huge_page_bytes();
    s->min_pages = physical > PAGE_BYTES ? physical / PAGE_BYTES : 1;
    s->huge_pages = huge > PAGE_BYTES && huge > physical && huge <= CHUNK_PAGES * PAGE_BYTES
                        ? (uint32_t)(huge / PAGE_BYTES)
                        : 0;
    s->memory_limit = SCAVENGE_NO_LIMIT;
    s->goals = (struct scavenge_goals){SCAVENGE_OFF, SCAVENGE_OFF};
    s->next_ns = UINT64_MAX;
    s->sleep = scavenge_sleep_init();
}

CORE uint64_t mheap_retained(const struct mheap *h)
{
    return GCSIM_LOAD(&h->bytes.in_use) + GCSIM_LOAD(&h->bytes.free);
}

static struct scavenge_inputs inputs_now(const struct mheap *h)
{
    return (struct scavenge_inputs){
        .memory_limit = h->scavenger.memory_limit,
        .last_in_use = h->scavenger.last_in_use,
        .retained = mheap_retained(h),
        .mapped_ready = mheap_mapped_ready(h),
        .physical_bytes = os_page_bytes(),
    };
}

CORE void scavenge_next_generation(struct mheap *h)
{
    rt_lock(&h->rt, &h->lock);
    h->scavenger.last_in_use = h->bytes.in_use;
    scav_index_next_generation(&h->pages.scav);
    rt_unlock(&h->rt, &h->lock);
}

CORE void scavenge_pace(struct mheap *h, int64_t memory_limit, uint64_t heap_goal,
                        uint64_t last_heap_goal)
{
    rt_lock(&h->rt, &h->lock);
    h->scavenger.memory_limit = memory_limit;
    struct scavenge_inputs in = inputs_now(h);
    in.heap_goal = heap_goal;
    in.last_heap_goal = last_heap_goal;
    h->scavenger.goals = scavenge_goals(&in);
    rt_unlock(&h->rt, &h->lock);
}

// --- one range ---------------------------------------------------------------------------------------------------

struct page_run {
    uint64_t page, npages;
};

// The next range to release; false: there is none. Holds the heap lock.
static bool find_candidate(struct mheap *h, uint64_t most_pages, bool force, struct page_run *run)
{
    struct pagealloc *p = &h->pages;
    const struct scavenger *s = &h->scavenger;
    uint32_t most = most_pages < CHUNK_PAGES ? (uint32_t)most_pages : CHUNK_PAGES;
    uint64_t page;
    while (scav_index_find(&p->scav, force, &page)) {
        uint64_t chunk = page >> CHUNK_PAGES_SHIFT;
        struct chunk_pages found = chunk_scavenge_candidate(&p->chunks[chunk], page % CHUNK_PAGES,
                                                            s->min_pages, most, s->huge_pages);
        if (found.npages) {
            *run = (struct page_run){(chunk << CHUNK_PAGES_SHIFT) + found.page, found.npages};
            return true;
        }
        bool all = !chunk_scavenge_candidate(&p->chunks[chunk], CHUNK_PAGES - 1, s->min_pages, 1, 0)
                        .npages;
        scav_index_pass(&p->scav, force, chunk, all);
    }
    return false;
}

static void take_out(struct mheap *h, struct page_run run)
{
    pagealloc_take_out(&h->pages, run.page, run.npages);
    GCSIM_STORE(&h->scavenger.in_transit, h->scavenger.in_transit + (uint32_t)run.npages);
}

static void put_back(struct mheap *h, struct page_run run, bool scavenged)
{
    pagealloc_put_back(&h->pages, run.page, run.npages, scavenged);
    GCSIM_STORE(&h->scavenger.in_transit, h->scavenger.in_transit - (uint32_t)run.npages);
}

// What the core keeps for each page of a chunk, in one region: all of it is zero, or written before it is read again.
static void release_records(struct mheap *h, enum world_region region, uint64_t chunk,
                            uint64_t bytes_per_page)
{
    uint64_t each = bytes_per_page << CHUNK_PAGES_SHIFT, grain = os_page_bytes();
    uint64_t from = round_up(chunk * each, grain), to = round_down((chunk + 1) * each, grain);
    if (from < to)
        os_release(world_at(h->world, region) + from, to - from);
}

// A chunk without a page in use needs no span structs and no bits: without this, what they took would stay as large as the heap
// once was. Go keeps them. Holds the heap lock, and lets go of it meanwhile.
static void release_records_of(struct mheap *h, uint64_t chunk)
{
    struct page_run all = {chunk << CHUNK_PAGES_SHIFT, CHUNK_PAGES};
    take_out(h, all);
    rt_unlock(&h->rt, &h->lock);
    release_records(h, REGION_SPANS, chunk, sizeof(gcsim_span));
    release_records(h, REGION_ALLOC_BITS, chunk, MARK_BYTES_PER_PAGE);
    release_records(h, REGION_MARK_BITS, chunk, MARK_BYTES_PER_PAGE);
    release_records(h, REGION_INLINE_MARKS, chunk, SPAN_INLINE_MARKS_BYTES / 2);
    rt_lock(&h->rt, &h->lock);
    put_back(h, all, true);
}

// Release one range of at most so many pages, or a little more to keep a huge page whole. Returns its bytes, 0 if
// there is nothing to release or the system would not (mgcscavenge.go:scavengeOne).
CORE uint64_t scavenge_one(struct mheap *h, uint64_t most_pages, bool force, bool *refused)
{
    struct page_run run;
    rt_lock(&h->rt, &h->lock);
    if (!find_candidate(h, most_pages, force, &run)) {
        rt_unlock(&h->rt, &h->lock);
        return 0;
    }
    take_out(h, run);
    rt_unlock(&h->rt, &h->lock);

    uint64_t bytes = run.npages << PAGE_SHIFT, offset = run.page << PAGE_SHIFT;
    STEP(h, SCAVENGE, 0, offset, run.npages);
    bool released = os_release(h->arena + offset, bytes);

    rt_lock(&h->rt, &h->lock);
    put_back(h, run, released);
    if (released) {
        count_add(&h->bytes.free, -bytes);
        count_add(&h->bytes.released, bytes);
        if (pagealloc_chunk_is_empty(&h->pages, run.page >> CHUNK_PAGES_SHIFT))
            release_records_of(h, run.page >> CHUNK_PAGES_SHIFT);
    } else {
        count_add(&h->history->scavenged.refused, 1);
        *refused = true;
    }
    rt_unlock(&h->rt, &h->lock);
    return released ? bytes : 0;
}

// Release so many bytes; less only if nothing more is there, the system would not, or `stop` says so.
static uint64_t scavenge(struct mheap *h, uint64_t bytes, bool force, bool (*stop)(struct mheap *h),
                         bool *refused)
{
    uint64_t released = 0;
    while (released < bytes) {
        uint64_t rest = bytes - released, pages = (rest >> PAGE_SHIFT) + (rest % PAGE_BYTES != 0);
        uint64_t n = scavenge_one(h, pages, force, refused);
        released += n;
        if (n == 0 || (stop && stop(h)))
            break;
    }
    return released;
}

// --- the background ----------------------------------------------------------------------------------------------

CORE bool scavenge_at_goals(struct mheap *h)
{
    rt_lock(&h->rt, &h->lock);
    bool reached =
        scavenge_goals_reached(h->scavenger.goals, mheap_retained(h), mheap_mapped_ready(h));
    rt_unlock(&h->rt, &h->lock);
    return reached;
}

static bool world_is_wanted(struct mheap *h) { return GCSIM_LOAD(&h->stop) & ~GCSIM_STOP_STANDING; }

// One quantum; how long it took.
static uint64_t scavenge_quantum(struct mheap *h, uint64_t *released)
{
    bool refused = false;
    uint64_t from = rt_now_ns(&h->rt);
    *released = scavenge(h, SCAVENGE_QUANTUM_BYTES, false, NULL, &refused);
    uint64_t ns = rt_now_ns(&h->rt) - from;
    count_add(&h->history->scavenged.background_ns, ns);
    count_add(&h->history->scavenged.background_bytes, *released);
    return ns ? ns : *released / os_page_bytes() * SCAVENGE_PAGE_NS;
}

// A turn's work; false: somebody wants the world, and the turn is not over (mgcscavenge.go:run).
static bool work_a_turn(struct mheap *h)
{
    struct scavenger *s = &h->scavenger;
    while (s->worked_ns < SCAVENGE_TURN_NS && !scavenge_at_goals(h)) {
        if (world_is_wanted(h))
            return false;
        uint64_t released;
        s->worked_ns += (double)scavenge_quantum(h, &released);
        s->turn_bytes += released;
        if (released < SCAVENGE_QUANTUM_BYTES)
            break;
    }
    return true;
}

// mgcscavenge.go:bgscavenge. Holds the background's lock.
static void take_turn(struct mheap *h, uint64_t now, uint32_t procs)
{
    struct scavenger *s = &h->scavenger;
    if (s->asleep_ns) {
        scavenge_slept(&s->sleep, s->worked_ns, now - s->asleep_ns, procs);
        GCSIM_STORE(&h->history->scavenged.resets, s->sleep.resets);
        s->asleep_ns = s->turn_bytes = 0;
        s->worked_ns = 0;
    }
    uint64_t next = 0;
    if (work_a_turn(h)) {
        next = UINT64_MAX;
        if (s->turn_bytes) {
            s->asleep_ns = rt_now_ns(&h->rt);
            next = s->asleep_ns + scavenge_sleep_ns(&s->sleep, &s->worked_ns);
        } else {
            s->worked_ns = 0;
        }
    }
    GCSIM_STORE(&s->next_ns, next);
}

CORE void scavenge_ready(struct mheap *h)
{
    __atomic_store_n(&h->scavenger.ready, 1u, __ATOMIC_RELEASE);
}

CORE uint64_t scavenge_wait_ns(struct mheap *h)
{
    const struct scavenger *s = &h->scavenger;
    if (GCSIM_LOAD(&s->ready))
        return 0;
    uint64_t next = GCSIM_LOAD(&s->next_ns), now = next == UINT64_MAX ? 0 : rt_now_ns(&h->rt);
    return next == UINT64_MAX ? next : next > now ? next - now : 0;
}

CORE uint64_t scavenge_background(struct mheap *h, uint32_t procs)
{
    struct scavenger *s = &h->scavenger;
    if (scavenge_wait_ns(h) == 0 && rt_try_lock(&h->rt, &s->lock)) {
        if (__atomic_exchange_n(&s->ready, 0u, __ATOMIC_ACQUIRE) || scavenge_wait_ns(h) == 0)
            take_turn(h, rt_now_ns(&h->rt), procs);
        rt_unlock(&h->rt, &s->lock);
        return scavenge_wait_ns(h);
    }
    uint64_t wait = scavenge_wait_ns(h);
    return wait ? wait : UINT64_MAX; // another thread is at it
}

CORE void scavenge_to_goals(struct mheap *h)
{
    uint64_t released = SCAVENGE_QUANTUM_BYTES;
    while (released >= SCAVENGE_QUANTUM_BYTES && !scavenge_at_goals(h))
        scavenge_quantum(h, &released);
}

// --- on demand ---------------------------------------------------------------------------------------------------

CORE void scavenge_eager(struct mheap *h, uint64_t released, uint64_t growth)
{
    const struct scavenger *s = &h->scavenger;
    if (LIKELY(s->memory_limit == SCAVENGE_NO_LIMIT &&
               (growth == 0 || s->goals.gc_percent == SCAVENGE_OFF)))
        return;
    struct scavenge_inputs in = inputs_now(h);
    struct scavenge_demand demand =
        scavenge_demand(&in, s->goals, released, growth, door_limited(h));
    if (demand.bytes == 0)
        return;
    bool refused = false;
    rt_unlock(&h->rt, &h->lock);
    uint64_t from = rt_now_ns(&h->rt);
    uint64_t bytes = scavenge(h, demand.bytes, demand.force, door_limited, &refused);
    uint64_t ns = rt_now_ns(&h->rt) - from;
    door_released(h, ns);
    count_add(&h->history->scavenged.assist_ns, ns);
    count_add(&h->history->scavenged.eager_bytes, bytes);
    rt_lock(&h->rt, &h->lock);
}

CORE uint64_t scavenge_forced(struct mheap *h, uint64_t bytes, bool *refused)
{
    uint64_t released = scavenge(h, bytes, true, NULL, refused);
    count_add(&h->history->scavenged.forced_bytes, released);
    return released;
}
