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
    ring->records[n & (ring->room - 1)] = (gcsim_event){
        .time_ns = time_ns, .kind = (uint32_t)kind, .mutator = mutator, .where = where, .arg = arg};
}

CORE uint64_t event_read(const struct event_ring *ring, gcsim_event *out, uint64_t room)
{
    uint64_t kept = ring->written < ring->room ? ring->written : ring->room;
    uint64_t n = kept < room ? kept : room;
    for (uint64_t i = 0; i < n; i++)
        out[i] = ring->records[(ring->written - n + i) & (ring->room - 1)];
    return n;
}
