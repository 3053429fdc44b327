#include "base/events.h"

static const char *const event_names[EVENT_KINDS] = {
#define EVENT(NAME, text, meaning) text,
#include "base/events.def"
#undef EVENT
};

CORE const char *event_name_of(uint32_t kind)
{
    return kind < EVENT_KINDS ? event_names[kind] : NULL;
}

static uint64_t count_place(struct event_ring *ring)
{
    return __atomic_fetch_add(&ring->written, 1, __ATOMIC_RELAXED);
}

CORE void event_write(struct event_ring *ring, uint64_t time_ns, enum event_kind kind,
                      uint32_t mutator, uint64_t where, uint64_t arg)
{
    uint64_t n = count_place(ring);
    gcsim_event event = {
        .time_ns = time_ns, .kind = (uint32_t)kind, .mutator = mutator, .where = where, .arg = arg};
    copy_words(&ring->records[n & (ring->room - 1)], &event, sizeof event);
}

// Threads read the clock before they take a place in the ring, so neighbours may stand a little out of order.
// The i-th record is events[(first + i) & mask].
static void sort_by_time(gcsim_event *events, uint64_t first, uint64_t mask, uint64_t n)
{
    for (uint64_t i = 1; i < n; i++) {
        gcsim_event event = events[(first + i) & mask];
        uint64_t to = i;
        for (; to > 0 && events[(first + to - 1) & mask].time_ns > event.time_ns; to--)
            events[(first + to) & mask] = events[(first + to - 1) & mask];
        events[(first + to) & mask] = event;
    }
}

CORE uint64_t event_read(const struct event_ring *ring, gcsim_event *out, uint64_t room)
{
    uint64_t written = __atomic_load_n(&ring->written, __ATOMIC_RELAXED);
    uint64_t kept = written < ring->room ? written : ring->room;
    uint64_t n = kept < room ? kept : room;
    for (uint64_t i = 0; i < n; i++)
        copy_words(&out[i], &ring->records[(written - n + i) & (ring->room - 1)], sizeof *out);
    sort_by_time(out, 0, UINT64_MAX, n);
    return n;
}

// --- recordings --------------------------------------------------------------------------------------------------

enum { KIND_BITS = 8 };

// Of all that the n-th record of a ring says: 24 bits.
static uint32_t check_of(const gcsim_event *e, uint64_t n)
{
    uint64_t mixed = e->time_ns ^ e->where << 20 ^ (e->arg << 33 | e->arg >> 31) ^ n << 40 ^
                     (uint64_t)e->mutator << 8;
    return (uint32_t)(mixed * 0x9e3779b97f4a7c15u >> 40);
}

CORE void recording_write(struct recording *r, uint64_t ticks, enum event_kind kind,
                          uint32_t mutator, uint64_t where, uint64_t arg)
{
    bool own = mutator && mutator < r->nrings;
    struct event_ring *ring = &r->rings[own ? mutator : 0].ring;
    uint64_t n = own ? GCSIM_LOAD(&ring->written) : count_place(ring);
    if (LIKELY(own)) // a locked addition would wait until the record before has reached the cache
        GCSIM_STORE(&ring->written, n + 1);
    gcsim_event event = {.time_ns = ticks, .mutator = mutator, .where = where, .arg = arg};
    event.kind = (uint32_t)kind | check_of(&event, n) << KIND_BITS;
    copy_words(&ring->records[n & (ring->room - 1)], &event, sizeof event);
}

static gcsim_event *ring_at(const struct event_ring *ring, uint64_t i)
{
    return &ring->records[i & (ring->room - 1)];
}

// Where several write to one ring, one that was kept waiting in the middle of a record may write over a newer one.
static void settle_ring(struct recording_ring *of)
{
    const struct event_ring *ring = &of->ring;
    of->first = ring->written < ring->room ? 0 : ring->written - ring->room;
    of->n = 0;
    for (uint64_t i = of->first; i < ring->written; i++) {
        gcsim_event event = *ring_at(ring, i);
        if (check_of(&event, i) != event.kind >> KIND_BITS)
            continue;
        event.kind &= (1u << KIND_BITS) - 1;
        *ring_at(ring, of->first + of->n++) = event;
    }
    sort_by_time(ring->records, of->first, ring->room - 1, of->n);
}

CORE void recording_settle(struct recording *r, gcsim_recorded *out)
{
    *out = (gcsim_recorded){.from_ns = r->from_ns, .to_ns = r->to_ns};
    for (uint32_t i = 0; i < r->nrings; i++) {
        settle_ring(&r->rings[i]);
        out->kept += r->rings[i].n;
        out->dropped += r->rings[i].ring.written - r->rings[i].n;
    }
}

// Both clocks were read at both ends; between them a tick is always as long.
static uint64_t ns_of_ticks(const struct recording *r, uint64_t ticks)
{
    uint64_t span = r->to_ticks - r->from_ticks, at = ticks - r->from_ticks;
    if (ticks < r->from_ticks || !span) // a reader of the clock that was kept waiting
        return r->from_ns;
    return r->from_ns + (uint64_t)((__uint128_t)(r->to_ns - r->from_ns) * at / span);
}

// Of the rings with a record that is not taken yet, the one whose is oldest.
static struct recording_ring *oldest_ring(struct recording *r)
{
    struct recording_ring *first = NULL;
    for (uint32_t i = 0; i < r->nrings; i++) {
        struct recording_ring *of = &r->rings[i];
        if (of->n && (!first || ring_at(&of->ring, of->first)->time_ns <
                                    ring_at(&first->ring, first->first)->time_ns))
            first = of;
    }
    return first;
}

CORE void recording_read(struct recording *r, gcsim_event *out)
{
    for (struct recording_ring *of; (of = oldest_ring(r)); of->n--, out++) {
        *out = *ring_at(&of->ring, of->first++);
        out->time_ns = ns_of_ticks(r, out->time_ns);
    }
}
