// Replays of page allocator scripts for white-box tests. See pagealloc_replay.h.
#include "alloc/pagealloc_replay.h"
#include "alloc/pagealloc.h"
#include "base/os.h"

#define REPLAY_GRAIN (64u << 10) // a multiple of every system page in use

struct pagealloc_replay {
    struct pagealloc p;
    struct pagecache cache;
    void *part[PAGEALLOC_PARTS];
    size_t part_bytes[PAGEALLOC_PARTS];
    uint64_t fail_countdown;
    uint64_t result_scavenged, result_pages;
};

CORE uint64_t pagealloc_hash_words(uint64_t hash, const uint64_t *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (unsigned shift = 0; shift < 64; shift += 8)
            hash = (hash ^ (words[i] >> shift & 0xff)) * 1099511628211ull;
    return hash;
}

static uint64_t pagealloc_hash_bitmaps(const struct pagealloc *p, bool scavenged)
{
    uint64_t hash = PAGEALLOC_HASH_START;
    for (uint32_t r = 0; r < p->range_count; r++)
        for (uint64_t c = p->ranges[r].from_chunk; c < p->ranges[r].to_chunk; c++)
            hash = pagealloc_hash_words(
                hash, scavenged ? p->chunks[c].scavenged : p->chunks[c].allocated, CHUNK_WORDS);
    return hash;
}

CORE uint64_t pagealloc_hash_alloc(const struct pagealloc *p)
{
    return pagealloc_hash_bitmaps(p, false);
}
CORE uint64_t pagealloc_hash_scav(const struct pagealloc *p)
{
    return pagealloc_hash_bitmaps(p, true);
}

CORE uint64_t pagealloc_hash_summaries(const struct pagealloc *p)
{
    uint64_t hash = PAGEALLOC_HASH_START;
    for (unsigned level = 0; level < p->levels; level++) {
        unsigned shift = PAGEALLOC_FANOUT_SHIFT * (p->levels - 1 - level);
        for (uint32_t r = 0; r < p->range_count; r++) {
            uint64_t first = p->ranges[r].from_chunk >> shift;
            uint64_t last = (p->ranges[r].to_chunk - 1ull) >> shift;
            hash = pagealloc_hash_words(hash, &p->summaries[level][first], last - first + 1);
        }
    }
    return hash;
}

static bool pagealloc_replay_commit(void *ctx, enum pagealloc_part part, size_t from_bytes,
                                    size_t to_bytes)
{
    struct pagealloc_replay *r = ctx;
    INVARIANT(from_bytes < to_bytes && to_bytes <= r->part_bytes[part]);
    if (r->fail_countdown > 0 && --r->fail_countdown == 0)
        return false;
    uint64_t from = round_down(from_bytes, REPLAY_GRAIN), to = round_up(to_bytes, REPLAY_GRAIN);
    return os_commit((char *)r->part[part] + from, to - from);
}

CORE struct pagealloc_replay *pagealloc_replay_new(uint64_t base_chunk, uint64_t capacity_chunks,
                                                   unsigned levels)
{
    struct pagealloc_replay *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    for (int part = 0; part < PAGEALLOC_PARTS; part++) {
        size_t bytes = pagealloc_part_bytes(capacity_chunks, levels, (enum pagealloc_part)part);
        if (bytes == 0)
            continue;
        void *at = os_reserve(round_up(bytes, REPLAY_GRAIN), REPLAY_GRAIN);
        if (!at) {
            pagealloc_replay_delete(r);
            return NULL;
        }
        r->part[part] = at;
        r->part_bytes[part] = bytes;
    }
    pagealloc_init(&r->p, base_chunk, capacity_chunks, levels, r->part);
    return r;
}

CORE void pagealloc_replay_delete(struct pagealloc_replay *r)
{
    for (int part = 0; r && part < PAGEALLOC_PARTS; part++)
        if (r->part[part])
            os_unreserve(r->part[part], round_up(r->part_bytes[part], REPLAY_GRAIN));
    free(r);
}

CORE int pagealloc_replay_grow(struct pagealloc_replay *r, uint64_t chunk, uint64_t nchunks)
{
    struct pagealloc_commit commit = {pagealloc_replay_commit, r};
    return pagealloc_grow(&r->p, chunk << CHUNK_PAGES_SHIFT, nchunks << CHUNK_PAGES_SHIFT, &commit);
}

CORE void pagealloc_replay_fail_commit(struct pagealloc_replay *r, uint64_t nth)
{
    r->fail_countdown = nth;
}

CORE int pagealloc_replay_init_chunk(struct pagealloc_replay *r, uint64_t chunk)
{
    if (!pagealloc_replay_grow(r, chunk, 1))
        return 0;
    pagealloc_unscavenge_range(&r->p, chunk << CHUNK_PAGES_SHIFT, CHUNK_PAGES);
    return 1;
}

CORE int pagealloc_replay_init_range(struct pagealloc_replay *r, uint64_t page, uint64_t npages,
                                     int scavenged)
{
    for (uint64_t i = 0; i < npages; i++)
        if (!pagealloc_is_free(&r->p, page + i))
            return 0;
    if (scavenged)
        pagealloc_scavenge_range(&r->p, page, npages);
    else
        pagealloc_alloc_range(&r->p, page, npages);
    return 1;
}

CORE int64_t pagealloc_replay_alloc(struct pagealloc_replay *r, uint64_t npages)
{
    r->result_scavenged = 0;
    return (int64_t)pagealloc_alloc(&r->p, npages, &r->result_scavenged);
}

CORE int64_t pagealloc_replay_alloc_range(struct pagealloc_replay *r, uint64_t page,
                                          uint64_t npages)
{
    r->result_scavenged = pagealloc_alloc_range(&r->p, page, npages);
    return (int64_t)page;
}

CORE void pagealloc_replay_free(struct pagealloc_replay *r, uint64_t page, uint64_t npages)
{
    pagealloc_free(&r->p, page, npages);
}

CORE int64_t pagealloc_replay_tocache(struct pagealloc_replay *r)
{
    pagecache_flush(&r->cache, &r->p);
    r->cache = pagealloc_to_cache(&r->p);
    return r->cache.cache ? (int64_t)r->cache.base : -1;
}

CORE int64_t pagealloc_replay_cachealloc(struct pagealloc_replay *r, uint64_t npages)
{
    r->result_scavenged = 0;
    return (int64_t)pagecache_alloc(&r->cache, npages, &r->result_scavenged);
}

CORE void pagealloc_replay_flush(struct pagealloc_replay *r) { pagecache_flush(&r->cache, &r->p); }

CORE int64_t pagealloc_replay_scavenge_range(struct pagealloc_replay *r, uint64_t page,
                                             uint64_t npages)
{
    r->result_scavenged = pagealloc_scavenge_range(&r->p, page, npages);
    return (int64_t)page;
}

CORE int64_t pagealloc_replay_scavenge_candidate(struct pagealloc_replay *r, uint64_t page,
                                                 uint32_t min_pages, uint32_t max_pages,
                                                 uint32_t huge_pages)
{
    const struct pagealloc_chunk *chunk = pagealloc_chunk_of(&r->p, page);
    r->result_pages = 0;
    if (!chunk)
        return -1;
    struct chunk_pages found =
        chunk_scavenge_candidate(chunk, page % CHUNK_PAGES, min_pages, max_pages, huge_pages);
    r->result_pages = found.npages;
    return found.npages ? (int64_t)(round_down(page, CHUNK_PAGES) + found.page) : -1;
}

CORE uint64_t pagealloc_replay_state(const struct pagealloc_replay *r, int value)
{
    switch ((enum pagealloc_replay_value)value) {
    case PAGEALLOC_REPLAY_RESULT_SCAVENGED:
        return r->result_scavenged;
    case PAGEALLOC_REPLAY_RESULT_PAGES:
        return r->result_pages;
    case PAGEALLOC_REPLAY_CACHE_BASE:
        return r->cache.base;
    case PAGEALLOC_REPLAY_CACHE_BITS:
        return r->cache.cache;
    case PAGEALLOC_REPLAY_CACHE_SCAV:
        return r->cache.scav;
    case PAGEALLOC_REPLAY_FREE_PAGES:
        return pagealloc_free_pages(&r->p);
    case PAGEALLOC_REPLAY_SCAVENGED_PAGES:
        return pagealloc_scavenged_pages(&r->p);
    case PAGEALLOC_REPLAY_SEARCH_PAGE:
        return pagealloc_search_page(&r->p);
    case PAGEALLOC_REPLAY_END_CHUNK:
        return r->p.base_chunk + r->p.end_chunk;
    case PAGEALLOC_REPLAY_LEVELS:
        return r->p.levels;
    case PAGEALLOC_REPLAY_ALLOC_HASH:
        return pagealloc_hash_alloc(&r->p);
    case PAGEALLOC_REPLAY_SCAV_HASH:
        return pagealloc_hash_scav(&r->p);
    case PAGEALLOC_REPLAY_SUMMARY_HASH:
        return pagealloc_hash_summaries(&r->p);
    case PAGEALLOC_REPLAY_VALUES:
        break;
    }
    return UINT64_MAX;
}

CORE int pagealloc_replay_page_state(const struct pagealloc_replay *r, uint64_t page)
{
    if (!pagealloc_is_grown(&r->p, page))
        return -1;
    return pagealloc_is_free(&r->p, page) | pagealloc_is_scavenged(&r->p, page) << 1;
}

CORE int pagealloc_replay_check(const struct pagealloc_replay *r, char *why, size_t why_bytes)
{
    return pagealloc_check(&r->p, why, why_bytes);
}
