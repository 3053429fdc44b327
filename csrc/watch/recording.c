#include "watch/recording.h"

#include "base/bits.h"
#include "gc/world.h"

// One for each mutator and each of the collector's threads there may be, as far as rings go.
static uint32_t rings_wanted(const struct mheap *h)
{
    const struct recording *r = &h->history->recording;
    uint32_t n = 1, most = sizeof r->rings / sizeof *r->rings;
    while (n < most && n <= h->next_mutator_id + heap_of((struct mheap *)(uintptr_t)h)->gc.procs)
        n *= 2;
    return n;
}

// The rings lie behind the heap's own.
static gcsim_status make_rings(struct mheap *h, uint64_t room)
{
    struct recording *r = &h->history->recording;
    const struct world_range *region = &h->world->regions[REGION_HISTORY];
    uint64_t at = round_up(sizeof *h->history, 64) + h->history->events.room * sizeof(gcsim_event);
    uint32_t nrings = rings_wanted(h);
    uint64_t each = room * sizeof(gcsim_event);
    if (each > region->reserved || at + nrings * each > region->reserved)
        return GCSIM_HEAP_FULL;
    if (!world_commit(h->world, REGION_HISTORY, at + nrings * each))
        return GCSIM_NO_MEMORY;
    r->nrings = nrings;
    for (uint32_t i = 0; i < nrings; i++)
        r->rings[i].ring = (struct event_ring){
            .room = room,
            .records = (gcsim_event *)(void *)(world_at(h->world, REGION_HISTORY) + at + i * each)};
    return GCSIM_OK;
}

static void write_state(struct mheap *h, uint64_t kinds, enum event_kind kind, uint32_t mutator,
                        uint64_t arg)
{
    struct recording *r = &h->history->recording;
    if (kinds >> kind & 1)
        recording_write(r, r->from_ticks, kind, mutator, 0, arg);
}

// What later records build on.
static void write_first(struct mheap *h, uint64_t kinds)
{
    const struct gc *gc = &heap_of(h)->gc;
    for (const struct mutator *m = h->mutators; m; m = m->next)
        write_state(h, kinds, EVENT_ATTACH, m->pub.id, m->worker);
    write_state(h, kinds, EVENT_HEAP_LIVE, 0, h->heap_live);
    write_state(h, kinds, EVENT_HEAP_GOAL, 0, gc->goal);
    write_state(h, kinds, EVENT_HEAP_LIMIT, 0, (uint64_t)gc->pacer.memory_limit);
}

static void switch_to(struct mheap *h, uint64_t kinds)
{
    GCSIM_STORE(&h->history->recording.kinds, kinds);
    GCSIM_STORE(&h->events_on, kinds | (h->history->events.room ? RING_EVENTS : 0));
}

// An allocation that finds a slot in its window is told of by nobody.
static void take_windows(struct mheap *h)
{
    for (struct mutator *m = h->mutators; m; m = m->next)
        if (!m->worker)
            mcache_return_windows(m);
}

// The stop that makes the rings, and the one below, are no part of what is recorded. Whoever sees the bits has entered since.
CORE gcsim_status recording_begin(struct mutator *m, uint64_t kinds, uint64_t room)
{
    struct mheap *h = mheap_of(m);
    struct recording *r = &h->history->recording;
    if (!kinds || kinds & ~ALL_EVENTS || !room || room > 1ull << 40)
        return GCSIM_BAD_SIZE;
    room = 1ull << (bits_highest(room) + ((room & (room - 1)) != 0));
    switch_to(h, 0);
    world_stop(m);
    gcsim_status status = make_rings(h, room);
    if (status == GCSIM_OK) {
        r->from_ticks = rt_ticks(&h->rt);
        r->from_ns = rt_event_ns(&h->rt);
        write_first(h, kinds);
        GCSIM_STORE(&h->sites_recorded, (kinds & EVENT_BIT(ALLOC_SITE)) != 0);
        GCSIM_STORE(&h->slot_by_slot,
                    (kinds & (EVENT_BIT(ALLOC) | EVENT_BIT(ALLOC_TYPE) | EVENT_BIT(ALLOC_SITE) |
                              EVENT_BIT(ALLOC_REQUEST))) != 0);
        if (h->slot_by_slot)
            take_windows(h);
    }
    world_start(m);
    if (status == GCSIM_OK)
        switch_to(h, kinds);
    return status;
}

// Nobody begins a record once the bits are off, and while the world stands nobody is in the middle of one.
CORE gcsim_status recording_end(struct mutator *m, gcsim_recorded *out)
{
    struct mheap *h = mheap_of(m);
    struct recording *r = &h->history->recording;
    if (!GCSIM_LOAD(&r->kinds))
        return GCSIM_BAD_STATE;
    switch_to(h, 0);
    GCSIM_STORE(&h->slot_by_slot, 0);
    GCSIM_STORE(&h->sites_recorded, 0);
    world_stop(m);
    r->to_ticks = rt_ticks(&h->rt);
    r->to_ns = rt_event_ns(&h->rt);
    world_start(m);
    recording_settle(r, out);
    return GCSIM_OK;
}
