// What the files of verify share: the report, the second way from an address to an object, the parts in the order in which they run.
#pragma once

#include "watch/verify.h"

struct verify {
    struct mheap *h;
    enum cycle_phase phase;
    gcsim_violation *out;
    uint64_t room, n;
    bool broken; // the structure that later parts lean on

    // By page, filled by verify_pages and verify_lists.
    uint8_t *listed;     // times on a central list (at most 2 are told apart)
    uint8_t *list_place; // full | swept << 1 of the list where it was last seen
    uint8_t *cached;     // times in a mutator's cache
    uint8_t
        *claimed; // times claimed: by page caches, then by goroutines, batches and the work buffers

    // Added up from the spans.
    uint64_t spans, live_floor;                   // live_floor: what heap_live counts at least
    uint64_t bytes[GCSIM_MANUAL_BATCH + 1];       // of pages, by purpose; 0 = objects
    uint64_t slots[NUM_SIZE_CLASSES], slot_bytes; // in use
    uint64_t cached_pages, cached_released;       // in the page caches of mutators
};

CORE void violation(struct verify *v, enum verify_rule rule, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define HOLDS(v, rule, cond, ...) ((cond) ? true : (violation(v, RULE_##rule, __VA_ARGS__), false))
typedef unsigned long long ull; // for printf

// Zeroed memory of the process; NULL after reporting that there is none.
CORE void *verify_memory(struct verify *v, uint64_t bytes);

// --- a second opinion about addresses and objects (verify_trace.c)
enum place { PLACE_OUTSIDE, PLACE_OBJECT, PLACE_DANGLING };
struct located {
    enum place place;
    gcsim_span *span; // PLACE_OBJECT
    uint32_t index;
    const char *why; // PLACE_DANGLING
};
CORE struct located verify_locate(const struct mheap *h, const void *p);
CORE bool verify_allocated(const struct mheap *h, const gcsim_span *s, uint32_t index);
CORE bool verify_marked(const struct mheap *h, const gcsim_span *s, uint32_t index);
CORE bool verify_live(const struct mheap *h, const gcsim_span *s,
                      uint32_t index); // allocated, and marked if it waits to be swept

typedef void (*verify_visit)(struct verify *v, void **slot, void *ctx);
CORE void verify_object_pointers(struct verify *v, const gcsim_span *s, uint32_t index,
                                 verify_visit visit, void *ctx);
CORE void verify_type_pointers(struct verify *v, const gcsim_type *t, char *data, uint64_t bytes,
                               verify_visit visit, void *ctx);
CORE void verify_root_pointers(struct verify *v, bool weak_batches, verify_visit visit, void *ctx);

// --- the parts
CORE void verify_records(struct verify *v);  // rules 1 to 6 (verify_records.c)
CORE void verify_pages(struct verify *v);    // 7 to 13, 54  (verify_alloc.c)
CORE void verify_spans(struct verify *v);    // 14 to 28
CORE void verify_lists(struct verify *v);    // 29 to 36
CORE void verify_numbers(struct verify *v);  // 37 to 41, 55
CORE void verify_roots(struct verify *v);    // 42 to 48, 56 to 60, 62, 63 (verify_roots.c)
CORE void verify_pointers(struct verify *v); // 49, 50       (verify_trace.c)
CORE void verify_trace(struct verify *v);    // 51 to 53

// Is [p, p + bytes) a block of the core's records?
CORE_INLINE bool verify_is_record(const struct mheap *h, const void *p, uint64_t bytes)
{
    uint64_t at = (uint64_t)((const char *)p - world_at(h->world, REGION_META));
    return at >= 64 && at % 8 == 0 && at < h->meta.used && bytes <= h->meta.used - at;
}
