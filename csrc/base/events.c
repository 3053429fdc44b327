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

CORE void event_write(struct event_ring *ring, uint64_t time_ns, enum event_kind kind,
                      uint32_t mutator, uint64_t where, uint64_t arg)
{
    uint64_t n = __atomic_fetch_add(&ring->written, 1, __ATOMIC_RELAXED);
    gcsim_event event = {
        .time_ns = time_ns, .kind = (uint32_t)kind, .mutator = mutator, .where = where, .arg = arg};
    copy_words(&ring->records[n & (ring->room - 1)], &event, sizeof event);
}

// Threads read the clock before they take a place in the ring, so neighbours may stand a little out of order.
static void sort_by_time(gcsim_event *events, uint64_t n)
{
    for (uint64_t i = 1; i < n; i++) {
        gcsim_event event = events[i];
        uint64_t to = i;
        for (; to > 0 && events[to - 1].time_ns > event.time_ns; to--)
            events[to] = events[to - 1];
        events[to] = event;
    }
}

CORE uint64_t event_read(const struct event_ring *ring, gcsim_event *out, uint64_t room)
{
    uint64_t written = __atomic_load_n(&ring->written, __ATOMIC_RELAXED);
    uint64_t kept = written < ring->room ? written : ring->room;
    uint64_t n = kept < room ? kept : room;
    for (uint64_t i = 0; i < n; i++)
        copy_words(&out[i], &ring->records[(written - n + i) & (ring->room - 1)], sizeof *out);
    sort_by_time(out, n);
    return n;
}
