// The page allocator: first fit by address over bitmaps, found through a radix tree of summaries.
//
// A value over memory that the caller provides. It knows nothing of the OS, of spans or of locks: a
// heap embeds one and calls it under its own lock; conformance tests build one over Go's whole
// 48-bit space.
//
// Memory is split into chunks of 512 pages. Each chunk that was grown has a bitmap of allocated and
// one of scavenged pages, and a word of the scavenge index (scavindex.h). Level 0 of the tree is the root, the last level has one summary per
// chunk, and each entry summarises 8 of the next level. Chunks that were not grown count as
// allocated (their summary is 0).
//
// Pages are numbered like addresses: page = address / 8 KiB, chunk = page / 512. The numbering
// begins at base_chunk.
//
// Invariants (pagealloc_check): every summary is that of the bits below it; nothing is free below
// search_page; scavenged pages are free; the two counters are the bits' counts.
#pragma once

#include "alloc/scavindex.h"

enum {
    PAGEALLOC_MAX_LEVELS = 5, // more would not fit a summary's fields (mpagealloc.go)
    PAGEALLOC_FANOUT_SHIFT = 3,
    PAGEALLOC_FANOUT = 1 << PAGEALLOC_FANOUT_SHIFT,
    PAGEALLOC_MAX_CHUNKS = 1 << 26, // 48-bit address space
    PAGECACHE_PAGES = 64,
};

#define PAGEALLOC_NONE UINT64_MAX

// The arrays of a page allocator. Each is contiguous, reserved whole and committed piece by piece.
enum pagealloc_part {
    PAGEALLOC_PART_CHUNKS,
    PAGEALLOC_PART_RANGES,
    PAGEALLOC_PART_SCAV_INDEX,
    PAGEALLOC_PART_LEVEL_0,
    PAGEALLOC_PARTS = PAGEALLOC_PART_LEVEL_0 + PAGEALLOC_MAX_LEVELS,
};

// Makes bytes [from_bytes, to_bytes) of a part usable. Bytes that were not committed before must
// read as zero; those that were must keep their content (the ranges asked for overlap). Returns
// false if there is no memory.
struct pagealloc_commit {
    bool (*commit)(void *ctx, enum pagealloc_part part, size_t from_bytes, size_t to_bytes);
    void *ctx;
};

// A maximal range of adjacent chunks that were grown, relative to base_chunk.
struct pagealloc_range {
    uint32_t from_chunk, to_chunk;
};

// All chunks and pages inside are relative to base_chunk; the functions take and return absolute
// pages.
struct pagealloc {
    struct pagealloc_chunk *chunks;
    uint64_t *summaries[PAGEALLOC_MAX_LEVELS];
    struct pagealloc_range *ranges; // by rising chunk, not touching each other
    uint64_t base_chunk;
    uint32_t capacity_chunks;
    uint32_t levels;
    uint32_t range_count;
    uint32_t end_chunk;       // above every grown chunk
    uint64_t search_page;     // no page below is free; in a grown chunk, or PAGEALLOC_NONE
    uint64_t free_pages;      // without those held by page caches
    uint64_t scavenged_pages; // of these
    struct scav_index scav;
};

// The fewest levels with at most 8 root entries, or 5.
CORE unsigned pagealloc_levels_for(uint64_t capacity_chunks);

// Bytes to reserve for a part (0 for a level that is not used).
CORE size_t pagealloc_part_bytes(uint64_t capacity_chunks, unsigned levels,
                                 enum pagealloc_part part);

// An empty allocator for chunks [base_chunk, base_chunk + capacity_chunks). The parts are reserved,
// 8-byte aligned, and need not be committed. base_chunk is a multiple of a root entry, 8^(levels-1)
// chunks, so that summaries have the same shape at any base. levels = 0 takes pagealloc_levels_for.
CORE void pagealloc_init(struct pagealloc *p, uint64_t base_chunk, uint64_t capacity_chunks,
                         unsigned levels, void *const part[PAGEALLOC_PARTS]);

// Adds pages, rounded outwards to chunks, as free and scavenged; none may have been added before.
// False if they lie outside the capacity or a commit failed: then nothing changed.
CORE bool pagealloc_grow(struct pagealloc *p, uint64_t page, uint64_t npages,
                         const struct pagealloc_commit *commit);

// The lowest npages > 0 free pages in a row, or PAGEALLOC_NONE. *scavenged_pages (may be NULL) is
// how many of them have no memory behind them; their scavenged bits are cleared.
CORE uint64_t pagealloc_alloc(struct pagealloc *p, uint64_t npages, uint64_t *scavenged_pages);

// Allocated pages become free; their scavenged bits stay clear.
CORE void pagealloc_free(struct pagealloc *p, uint64_t page, uint64_t npages);

// Given free pages become allocated; returns how many were scavenged. Does not move search_page.
CORE uint64_t pagealloc_alloc_range(struct pagealloc *p, uint64_t page, uint64_t npages);

// Given free pages become scavenged, or resident again; returns how many changed.
CORE uint64_t pagealloc_scavenge_range(struct pagealloc *p, uint64_t page, uint64_t npages);
CORE uint64_t pagealloc_unscavenge_range(struct pagealloc *p, uint64_t page, uint64_t npages);

// A scavenger takes free pages of one chunk out, so that nobody allocates them while it releases
// their memory, and puts them back, all scavenged or all resident. The index does not count them as
// allocated meanwhile.
CORE void pagealloc_take_out(struct pagealloc *p, uint64_t page, uint64_t npages);
CORE void pagealloc_put_back(struct pagealloc *p, uint64_t page, uint64_t npages, bool scavenged);
// Is all of a grown chunk free and scavenged?
CORE bool pagealloc_chunk_is_empty(const struct pagealloc *p, uint64_t chunk);

// Recomputes what the scavenge index must say, page by page, for physical pages of min_pages. On
// failure returns false with one line in `why`.
CORE bool scav_index_check(const struct pagealloc *p, uint32_t min_pages, char *why,
                           size_t why_bytes);

CORE_INLINE uint64_t pagealloc_free_pages(const struct pagealloc *p) { return p->free_pages; }
CORE_INLINE uint64_t pagealloc_scavenged_pages(const struct pagealloc *p)
{
    return p->scavenged_pages;
}
CORE_INLINE uint64_t pagealloc_search_page(const struct pagealloc *p)
{
    if (p->search_page == PAGEALLOC_NONE)
        return PAGEALLOC_NONE;
    return p->search_page + (p->base_chunk << CHUNK_PAGES_SHIFT);
}

CORE bool pagealloc_is_grown(const struct pagealloc *p, uint64_t page);
CORE bool pagealloc_is_free(const struct pagealloc *p, uint64_t page);      // false if not grown
CORE bool pagealloc_is_scavenged(const struct pagealloc *p, uint64_t page); // false if not grown
// The bitmaps of the chunk that holds `page`; NULL if not grown.
CORE const struct pagealloc_chunk *pagealloc_chunk_of(const struct pagealloc *p, uint64_t page);

// Up to 64 free pages that were taken out at once, to be handed out without the heap lock
// (mpagecache.go). Bit i is page base + i; base is a multiple of 64; empty when cache is 0.
struct pagecache {
    uint64_t base;
    uint64_t cache; // free
    uint64_t scav;  // of these, scavenged
};

// Takes all free pages of the block of 64 that holds the lowest free page; empty if nothing is
// free.
CORE struct pagecache pagealloc_to_cache(struct pagealloc *p);
// The lowest npages > 0 in a row of the cache, or PAGEALLOC_NONE.
CORE uint64_t pagecache_alloc(struct pagecache *c, uint64_t npages, uint64_t *scavenged_pages);
// Gives what is left back and empties the cache.
CORE void pagecache_flush(struct pagecache *c, struct pagealloc *p);

// Recomputes every summary, count and bound page by page, sharing no code with what it checks. On
// failure returns false with one line in `why` (if why_bytes > 0).
CORE bool pagealloc_check(const struct pagealloc *p, char *why, size_t why_bytes);
