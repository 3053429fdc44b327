// A page allocator of its own behind an opaque handle and plain integers, for white-box tests: it
// replays operation scripts (recorded from Go's allocator, or random) and tells its state as counts
// and hashes.
//
// Owns its memory, sparse over any capacity up to Go's 48-bit space (2^26 chunks: 8.5 GiB reserved,
// almost nothing committed). Nothing in a heap uses it. Pages and chunks are absolute; -1 is "none"
// or "failed".
#pragma once

#include "alloc/pagealloc.h"

// FNV-1a 64 over 64-bit words, low byte first.
CORE uint64_t pagealloc_hash_words(uint64_t hash, const uint64_t *words, size_t n);
#define PAGEALLOC_HASH_START 14695981039346656037ull

// The allocation words, or the scavenged words, of every grown chunk by rising address.
CORE uint64_t pagealloc_hash_alloc(const struct pagealloc *p);
CORE uint64_t pagealloc_hash_scav(const struct pagealloc *p);
// Root to leaf, range by range, each summary that the range touches (once for each range).
CORE uint64_t pagealloc_hash_summaries(const struct pagealloc *p);

struct pagealloc_replay;

// levels = 0: as few as the capacity needs. NULL if there is no address space.
CORE struct pagealloc_replay *pagealloc_replay_new(uint64_t base_chunk, uint64_t capacity_chunks,
                                                   unsigned levels);
CORE void pagealloc_replay_delete(struct pagealloc_replay *r);

// Shapes: a chunk whose pages are all free and resident, then ranges of it allocated or scavenged.
CORE int pagealloc_replay_init_chunk(struct pagealloc_replay *r, uint64_t chunk);
CORE int pagealloc_replay_init_range(struct pagealloc_replay *r, uint64_t page, uint64_t npages,
                                     int scavenged);

// 1, or 0 if growth failed. After fail_commit(n) the n-th next commit fails (0: none does).
CORE int pagealloc_replay_grow(struct pagealloc_replay *r, uint64_t chunk, uint64_t nchunks);
CORE void pagealloc_replay_fail_commit(struct pagealloc_replay *r, uint64_t nth);

// These set PAGEALLOC_REPLAY_RESULT_SCAVENGED, in pages.
CORE int64_t pagealloc_replay_alloc(struct pagealloc_replay *r, uint64_t npages);
CORE int64_t pagealloc_replay_alloc_range(struct pagealloc_replay *r, uint64_t page,
                                          uint64_t npages);
CORE int64_t pagealloc_replay_cachealloc(struct pagealloc_replay *r, uint64_t npages);
CORE int64_t pagealloc_replay_scavenge_range(struct pagealloc_replay *r, uint64_t page,
                                             uint64_t npages);
// The candidate at or below `page` in its chunk: first page, and its length in RESULT_PAGES.
CORE int64_t pagealloc_replay_scavenge_candidate(struct pagealloc_replay *r, uint64_t page,
                                                 uint32_t min_pages, uint32_t max_pages,
                                                 uint32_t huge_pages);

CORE void pagealloc_replay_free(struct pagealloc_replay *r, uint64_t page, uint64_t npages);
// The first page of the block, -1 if nothing is free. A cache that is held is flushed first.
CORE int64_t pagealloc_replay_tocache(struct pagealloc_replay *r);
CORE void pagealloc_replay_flush(struct pagealloc_replay *r);

enum pagealloc_replay_value {
    PAGEALLOC_REPLAY_RESULT_SCAVENGED,
    PAGEALLOC_REPLAY_RESULT_PAGES,
    PAGEALLOC_REPLAY_CACHE_BASE,
    PAGEALLOC_REPLAY_CACHE_BITS,
    PAGEALLOC_REPLAY_CACHE_SCAV,
    PAGEALLOC_REPLAY_FREE_PAGES,
    PAGEALLOC_REPLAY_SCAVENGED_PAGES,
    PAGEALLOC_REPLAY_SEARCH_PAGE, // UINT64_MAX: nothing is free
    PAGEALLOC_REPLAY_END_CHUNK,
    PAGEALLOC_REPLAY_LEVELS,
    PAGEALLOC_REPLAY_ALLOC_HASH,
    PAGEALLOC_REPLAY_SCAV_HASH,
    PAGEALLOC_REPLAY_SUMMARY_HASH,
    PAGEALLOC_REPLAY_VALUES,
};

CORE uint64_t pagealloc_replay_state(const struct pagealloc_replay *r, int value);
// -1 if not grown, else free | scavenged << 1.
CORE int pagealloc_replay_page_state(const struct pagealloc_replay *r, uint64_t page);
CORE int pagealloc_replay_check(const struct pagealloc_replay *r, char *why, size_t why_bytes);
