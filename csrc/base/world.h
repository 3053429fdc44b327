// The world: the one block of address space in which all state of a heap lives.
//
// It is cut into regions, each a reserved range whose front is committed as it grows. A region belongs to one of two zones:
// *state*, which decisions read, and *history* (statistics, events, clocks, ids), which no decision reads. A snapshot copies
// both, a state's hash covers the first. The region table itself is the first thing in the world, so it is rewound with it;
// what the system has really mapped is remembered outside, in `mapped`, because rewinding cannot unmap.
#pragma once

#include "base/core.h"

enum world_region {
    REGION_HEAP, // struct heap: everything small
    REGION_META, // records that come and go: types, names, mutators, handles, specials (base/meta.h)
    REGION_SPANS,        // struct gcsim_span, one per page, used at a span's first page
    REGION_PAGES,        // page -> first page of its span + 1
    REGION_PAGE_CLASSES, // a byte per page: span class, if the span has inline mark bits; else 0
    REGION_SPECIALS,     // a bit per page: the span that begins there has specials
    REGION_ALLOC_BITS,   // 128 bytes per page: slots in use as of the last sweep
    REGION_MARK_BITS,    // 128 bytes per page: marks of spans that have no inline ones
    REGION_INLINE_MARKS, // 64 bytes per page: inline mark bits
    REGION_CHECK_MARKS,  // 128 bytes per page: what checkmark reached; only where it is on
    REGION_CHUNKS,       // page allocator: bitmaps
    REGION_RANGES,       // page allocator: ranges of chunks in use
    REGION_SCAV_INDEX,   // page allocator: what the scavenger knows of each chunk
    REGION_SUMMARY_0,    // page allocator: summaries, root first
    REGION_SUMMARY_1,
    REGION_SUMMARY_2,
    REGION_SUMMARY_3,
    REGION_SUMMARY_4,
    REGION_HISTORY,    // struct history, events
    REGION_ARENA,      // the objects' pages
    REGION_COROUTINES, // stacks: of coroutines, or of the collector's own threads. Last: their size depends on the build, and no offset in an event shall
    WORLD_REGIONS
};

struct world_range {
    uint64_t offset;    // from the world's base
    uint64_t reserved;  // bytes
    uint64_t committed; // bytes usable from the front
};

struct world {
    char *base;
    uint64_t bytes;
    struct world_range regions[WORLD_REGIONS];
};

// Reserve a world whose regions have the given sizes (multiples of 64 KiB are made of them); NULL if the system refuses.
// The arena is aligned to 64 MiB, Go's arena size on linux/amd64 (malloc.go:heapArenaBytes).
CORE struct world *world_create(const uint64_t reserved[WORLD_REGIONS]);
CORE void world_destroy(struct world *w);

// Bytes usable; any thread may ask while another one commits.
CORE_INLINE uint64_t world_committed(const struct world *w, enum world_region region)
{
    return __atomic_load_n(&w->regions[region].committed, __ATOMIC_RELAXED);
}

// Make the first `bytes` of a region usable. False: refused by the system or past the reservation; nothing changed.
CORE bool world_commit(struct world *w, enum world_region region, uint64_t bytes);

CORE_INLINE char *world_at(const struct world *w, enum world_region region)
{
    return w->base + w->regions[region].offset;
}

// --- snapshots: changed 64-byte lines of every committed region, restored to the same addresses.
struct world_log;
// What need not be looked at. The log keeps the pointer; NULL: everything matters.
struct world_limits {
    void *arg;
    uint64_t (*arena)(void *arg); // bytes of the arena, from its front, that were ever used
    // What is alive of the i-th stack, in bytes from the region's start (`to` a multiple of 64); false: there are no more.
    bool (*stack)(void *arg, uint32_t i, uint64_t *from, uint64_t *to);
};
CORE struct world_log *world_log_create(struct world *w,
                                        const struct world_limits *limits); // NULL: out of memory
CORE void world_log_destroy(struct world_log *log);
// A snapshot, behind the mark that was made or gone to last; those that were behind it are forgotten. Its number 0, 1, ...; -1: out of memory.
CORE int64_t world_log_mark(struct world_log *log);
// Back to a mark, or forward to one that is still kept. False: there is none, or no memory; nothing has changed then.
CORE bool world_log_rewind(struct world_log *log, int64_t mark);
// Does the world differ from the mark that was made or gone to last? (Also true without memory to tell.)
CORE bool world_log_changed(struct world_log *log);
CORE void world_log_forget(struct world_log *log); // what is behind that mark
// set_aside keeps what is behind that mark from being forgotten by the next mark; take_back takes that one mark back and has the others
// behind it again; drop_aside lets go of them. The world stays as it is. False: out of memory.
CORE bool world_log_set_aside(struct world_log *log);
CORE void world_log_take_back(struct world_log *log);
CORE void world_log_drop_aside(struct world_log *log);
CORE uint64_t world_log_lines(const struct world_log *log); // lines kept by all marks
CORE uint64_t world_log_bytes(const struct world_log *log); // memory for all of it
// FNV-1a style hash of the non-zero words of the state zone. Taken between calls, when no coroutine is live: its stacks are then dead bytes.
CORE uint64_t world_hash(const struct world *w);
