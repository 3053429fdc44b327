// The two words the page allocator thinks in: a chunk (bitmaps of 512 pages) and a summary of free
// runs.
//
// Pure functions over bits. Used by pagealloc.c; a scavenger may use them on a chunk that it reads
// under the heap lock.
#pragma once

#include "base/bits.h"

enum {
    CHUNK_PAGES_SHIFT = 9,
    CHUNK_PAGES = 1 << CHUNK_PAGES_SHIFT, // 4 MiB of 8 KiB pages (mpagealloc.go:pallocChunkPages)
    CHUNK_WORDS = CHUNK_PAGES / 64,
    SUMMARY_FIELD_BITS = 21,
    SUMMARY_FIELD_MAX = 1 << SUMMARY_FIELD_BITS,
};

#define CHUNK_PAGE_NONE UINT32_MAX

// A set bit is an allocated page, or a page whose memory the OS has taken back. Scavenged pages are
// free.
struct pagealloc_chunk {
    uint64_t allocated[CHUNK_WORDS];
    uint64_t scavenged[CHUNK_WORDS];
};

// Free runs of a region, in pages: at its low end, the longest, at its high end.
struct free_runs {
    uint32_t start, most, end;
};

// Packed: start | most << 21 | end << 42. Only a fully free region of 2^21 pages does not fit; it
// is bit 63 alone (mpagealloc.go:packPallocSum). 0 means that nothing is free.
CORE_INLINE uint64_t summary_pack(struct free_runs r)
{
    if (r.most == SUMMARY_FIELD_MAX)
        return 1ull << 63;
    return r.start | (uint64_t)r.most << SUMMARY_FIELD_BITS |
           (uint64_t)r.end << 2 * SUMMARY_FIELD_BITS;
}

CORE_INLINE uint32_t summary_field(uint64_t summary, unsigned shift)
{
    if (summary >> 63)
        return SUMMARY_FIELD_MAX;
    return (uint32_t)(summary >> shift) & (SUMMARY_FIELD_MAX - 1);
}

CORE_INLINE uint32_t summary_start(uint64_t summary) { return summary_field(summary, 0); }
CORE_INLINE uint32_t summary_most(uint64_t summary)
{
    return summary_field(summary, SUMMARY_FIELD_BITS);
}
CORE_INLINE uint32_t summary_end(uint64_t summary)
{
    return summary_field(summary, 2 * SUMMARY_FIELD_BITS);
}

// One summary of n adjacent regions of `pages` pages each.
CORE_LOCAL uint64_t summary_merge(const uint64_t *summaries, unsigned n, uint32_t pages)
{
    struct free_runs all = {0};
    for (unsigned i = 0; i < n; i++) {
        uint64_t s = summaries[i];
        uint32_t start = summary_start(s), most = summary_most(s), end = summary_end(s);
        if (all.start == i * pages)
            all.start += start;
        if (all.most < all.end + start)
            all.most = all.end + start;
        if (all.most < most)
            all.most = most;
        all.end = end == pages ? all.end + pages : end;
    }
    return summary_pack(all);
}

// The bits of `free` at which n consecutive set bits begin, 1 <= n <= 64: each step doubles the run
// that a surviving bit vouches for.
CORE_INLINE uint64_t bits_run_starts(uint64_t free, unsigned n)
{
    for (unsigned have = 1; have < n;) {
        unsigned step = have < n - have ? have : n - have;
        free &= free >> step;
        have += step;
    }
    return free;
}

CORE_INLINE unsigned bits_trailing_zeros(uint64_t x)
{
    return x ? (unsigned)__builtin_ctzll(x) : 64;
}
CORE_INLINE unsigned bits_leading_zeros(uint64_t x)
{
    return x ? (unsigned)__builtin_clzll(x) : 64;
}

CORE_LOCAL uint64_t chunk_summary(const uint64_t allocated[CHUNK_WORDS])
{
    // Runs that touch a word's edge first; they are usually the long ones and make the look inside
    // short.
    struct free_runs runs = {0};
    uint32_t run = 0;
    bool broken = false;
    for (unsigned i = 0; i < CHUNK_WORDS; i++) {
        uint64_t x = allocated[i];
        if (x == 0) {
            run += 64;
            continue;
        }
        run += bits_trailing_zeros(x);
        if (!broken)
            runs.start = run;
        broken = true;
        if (runs.most < run)
            runs.most = run;
        run = bits_leading_zeros(x);
    }
    runs.end = run;
    if (!broken)
        runs.start = run;
    if (runs.most < run)
        runs.most = run;
    // A run strictly inside a word has at most 62 pages.
    for (unsigned i = 0; i < CHUNK_WORDS && runs.most < 62; i++)
        for (uint64_t s = bits_run_starts(~allocated[i], runs.most + 1); s; s &= s >> 1)
            runs.most++;
    return summary_pack(runs);
}

// First fit: the first of npages free pages in a row (1..512) or CHUNK_PAGE_NONE, looking from the
// word that holds page `from`. *first_free is the first free page seen on the way, a lower bound
// for the next search.
CORE_LOCAL uint32_t chunk_find(const uint64_t allocated[CHUNK_WORDS], uint32_t npages,
                               uint32_t from, uint32_t *first_free)
{
    uint32_t run = 0; // free pages directly below this word
    *first_free = CHUNK_PAGE_NONE;
    for (uint32_t i = from / 64; i < CHUNK_WORDS; i++) {
        uint64_t x = allocated[i];
        if (~x == 0) {
            run = 0;
            continue;
        }
        if (*first_free == CHUNK_PAGE_NONE)
            *first_free = i * 64 + bits_lowest(~x);
        unsigned low = bits_trailing_zeros(x);
        if (run + low >= npages)
            return i * 64 - run;
        if (low == 64) {
            run += 64;
            continue;
        }
        uint64_t starts = npages <= 64 ? bits_run_starts(~x, npages) : 0;
        if (starts)
            return i * 64 + bits_lowest(starts);
        run = bits_leading_zeros(x);
    }
    return CHUNK_PAGE_NONE;
}

CORE_LOCAL uint32_t chunk_count(const uint64_t words[CHUNK_WORDS], uint32_t from, uint32_t npages)
{
    uint32_t count = 0;
    while (npages > 0) {
        uint32_t at = from % 64, take = 64 - at < npages ? 64 - at : npages;
        count += bits_count(words[from / 64] >> at & bits_low(take));
        from += take;
        npages -= take;
    }
    return count;
}

// Where a group of group_pages (a power of two up to 64) aligned pages has a bit set, set them all.
CORE_INLINE uint64_t bits_fill_groups(uint64_t x, unsigned group_pages)
{
    if (group_pages == 1)
        return x;
    for (unsigned step = 1; step < group_pages; step *= 2)
        x |= x >> step;
    uint64_t one_group = bits_low(group_pages);
    return (x & ~0ull / one_group) * one_group;
}

struct chunk_pages {
    uint32_t page, npages; // npages = 0: none
};

// What to scavenge next in a chunk (mgcscavenge.go:findScavengeCandidate): the highest run of pages
// that are free and not scavenged, at or below the word of page `from`, its highest max_pages at
// most (0 means min_pages), in whole aligned groups of min_pages (a physical page). If the cut
// would break a huge page that lies wholly inside the run, the range is extended down to take all
// of it (huge_pages = pages per huge page, 0 = none).
CORE_LOCAL struct chunk_pages chunk_scavenge_candidate(const struct pagealloc_chunk *chunk,
                                                       uint32_t from, uint32_t min_pages,
                                                       uint32_t max_pages, uint32_t huge_pages)
{
    uint32_t run = 0, end = 0;
    for (uint32_t i = from / 64 + 1; i-- > 0;) {
        uint64_t busy = bits_fill_groups(chunk->allocated[i] | chunk->scavenged[i], min_pages);
        unsigned above = 0; // busy pages above the run in the word where it ends
        if (run == 0) {
            if (~busy == 0)
                continue;
            above = bits_leading_zeros(~busy);
            end = i * 64 + 64 - above;
            busy <<= above;
        }
        unsigned free = bits_leading_zeros(busy);
        run += free < 64 - above ? free : 64 - above;
        if (busy != 0)
            break;
    }
    if (run == 0)
        return (struct chunk_pages){0, 0};

    uint32_t most = max_pages == 0 ? min_pages : (uint32_t)round_up(max_pages, min_pages);
    uint32_t start = end - (run < most ? run : most);
    if (huge_pages > 1) {
        uint32_t huge_below = (uint32_t)round_down(start, huge_pages);
        uint32_t huge_above = (uint32_t)round_up(start, huge_pages);
        if (huge_above <= end && huge_below >= end - run)
            start = huge_below;
    }
    return (struct chunk_pages){start, end - start};
}
