// The event ring of a heap: fixed-size records, oldest overwritten, kept in the history zone. No decision reads it.
//
// Off (the default) it costs one predictable branch at the places that are no fast path anyway, and nothing on the
// allocation fast path.
#pragma once

#include "base/core.h"
#include "gcsim/gcsim.h"

enum event_kind {
#define EVENT(NAME, text, meaning) EVENT_##NAME,
#include "base/events.def"
#undef EVENT
    EVENT_KINDS
};

_Static_assert(EVENT_KINDS <= 64, "sets of kinds are words");
#define EVENT_BIT(kind) (1ull << EVENT_##kind)
#define ALL_EVENTS      (UINT64_MAX >> (64 - EVENT_KINDS))
#define RING_EVENTS     (ALL_EVENTS & ~EVENT_BIT(ALLOC_REQUEST)) // kept without being asked for

struct event_ring {
    uint64_t room;    // records the ring can hold, a power of two; 0 = off
    uint64_t written; // ever; the newest is (written - 1) % room
    gcsim_event *records;
};

// What is recorded from one moment to another, of chosen kinds. Mutators write to rings of their own; ring 0 is for what no mutator does, and
// for those that no ring is left for. Until it is settled, times are the processor's ticks, which take half as long as the
// clock, and beside a kind stands a check of the record.
struct recording {
    uint64_t kinds; // a bit per kind; 0: nothing is recorded
    uint64_t from_ns, from_ticks, to_ns, to_ticks;
    uint32_t nrings; // a power of two
    struct recording_ring {
        _Alignas(64) struct event_ring ring;
        uint64_t first, n; // once it is settled: what is kept
    } rings[GCSIM_STEPS ? 1 : 64];
};

// Word by word, for records that other threads write to meanwhile: what is torn is a record, never a number.
CORE_INLINE void copy_words(void *to, const void *from, size_t bytes)
{
    for (size_t i = 0; i < bytes / 8; i++)
        GCSIM_STORE((uint64_t *)to + i, GCSIM_LOAD((const uint64_t *)from + i));
}

CORE const char *event_name_of(uint32_t kind);
CORE void event_write(struct event_ring *ring, uint64_t time_ns, enum event_kind kind,
                      uint32_t mutator, uint64_t where, uint64_t arg);
// Copy the newest min(room, kept) records in the order of their times, oldest first; returns how many.
CORE uint64_t event_read(const struct event_ring *ring, gcsim_event *out, uint64_t room);

CORE void recording_write(struct recording *r, uint64_t ticks, enum event_kind kind,
                          uint32_t mutator, uint64_t where, uint64_t arg);
// Nobody writes any more. What is kept is whole and in order; out: how much, and from when to when.
CORE void recording_settle(struct recording *r, gcsim_recorded *out);
// All of it in the order of times, which are ns from now on; once.
CORE void recording_read(struct recording *r, gcsim_event *out);
