// The page allocator. See pagealloc.h for what it is; here in the order: geometry, growth,
// summaries, search, allocation, page cache, check. Inside, chunks and pages are relative to
// base_chunk.
#include "alloc/pagealloc.h"

#include <stdarg.h>

_Static_assert(sizeof(struct pagealloc_chunk) == 128, "two bitmaps of 512 bits");
_Static_assert(sizeof(struct scav_chunk) == 8, "one word per chunk");
_Static_assert(CHUNK_PAGES_SHIFT + PAGEALLOC_FANOUT_SHIFT * (PAGEALLOC_MAX_LEVELS - 1) ==
                   SUMMARY_FIELD_BITS,
               "a root entry of the deepest tree is the largest summary");

// --- Geometry ---

// log2 of the chunks, or pages, of one entry.
CORE_INLINE unsigned pagealloc_chunk_shift(const struct pagealloc *p, unsigned level)
{
    return PAGEALLOC_FANOUT_SHIFT * (p->levels - 1 - level);
}

CORE_INLINE unsigned pagealloc_page_shift(const struct pagealloc *p, unsigned level)
{
    return pagealloc_chunk_shift(p, level) + CHUNK_PAGES_SHIFT;
}

CORE_INLINE uint64_t *pagealloc_leaves(const struct pagealloc *p)
{
    return p->summaries[p->levels - 1];
}

CORE_INLINE uint64_t pagealloc_relative(const struct pagealloc *p, uint64_t page)
{
    return page - (p->base_chunk << CHUNK_PAGES_SHIFT);
}

CORE_INLINE uint64_t pagealloc_absolute(const struct pagealloc *p, uint64_t page)
{
    return page + (p->base_chunk << CHUNK_PAGES_SHIFT);
}

// The search reads below the root in whole blocks of 8, so such levels are that much longer.
static uint64_t pagealloc_level_entries(uint64_t capacity_chunks, unsigned levels, unsigned level)
{
    uint64_t entries =
        divide_up(capacity_chunks, 1ull << PAGEALLOC_FANOUT_SHIFT * (levels - 1 - level));
    return level == 0 ? entries : round_up(entries, PAGEALLOC_FANOUT);
}

CORE unsigned pagealloc_levels_for(uint64_t capacity_chunks)
{
    unsigned levels = 1;
    while (levels < PAGEALLOC_MAX_LEVELS &&
           pagealloc_level_entries(capacity_chunks, levels, 0) > PAGEALLOC_FANOUT)
        levels++;
    return levels;
}

CORE size_t pagealloc_part_bytes(uint64_t capacity_chunks, unsigned levels,
                                 enum pagealloc_part part)
{
    if (levels == 0)
        levels = pagealloc_levels_for(capacity_chunks);
    if (part == PAGEALLOC_PART_CHUNKS)
        return capacity_chunks * sizeof(struct pagealloc_chunk);
    if (part == PAGEALLOC_PART_RANGES)
        return divide_up(capacity_chunks, 2) * sizeof(struct pagealloc_range);
    if (part == PAGEALLOC_PART_SCAV_INDEX)
        return capacity_chunks * sizeof(struct scav_chunk);
    unsigned level = part - PAGEALLOC_PART_LEVEL_0;
    return level < levels
               ? pagealloc_level_entries(capacity_chunks, levels, level) * sizeof(uint64_t)
               : 0;
}

CORE void pagealloc_init(struct pagealloc *p, uint64_t base_chunk, uint64_t capacity_chunks,
                         unsigned levels, void *const part[PAGEALLOC_PARTS])
{
    if (levels == 0)
        levels = pagealloc_levels_for(capacity_chunks);
    INVARIANT(levels <= PAGEALLOC_MAX_LEVELS);
    INVARIANT(capacity_chunks > 0 && capacity_chunks <= PAGEALLOC_MAX_CHUNKS);
    INVARIANT(base_chunk % (1ull << PAGEALLOC_FANOUT_SHIFT * (levels - 1)) == 0);
    *p = (struct pagealloc){
        .chunks = part[PAGEALLOC_PART_CHUNKS],
        .ranges = part[PAGEALLOC_PART_RANGES],
        .base_chunk = base_chunk,
        .capacity_chunks = (uint32_t)capacity_chunks,
        .levels = levels,
        .search_page = PAGEALLOC_NONE,
        .scav = {.chunks = part[PAGEALLOC_PART_SCAV_INDEX]},
    };
    for (unsigned level = 0; level < levels; level++)
        p->summaries[level] = part[PAGEALLOC_PART_LEVEL_0 + level];
}

// --- Which chunks exist ---

// The first range that ends above `chunk`; range_count if there is none.
static uint32_t pagealloc_range_above(const struct pagealloc *p, uint64_t chunk)
{
    uint32_t low = 0, high = p->range_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (p->ranges[middle].to_chunk > chunk)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

// The lowest page >= page in a grown chunk, or PAGEALLOC_NONE (mpagealloc.go:findMappedAddr).
static uint64_t pagealloc_first_grown(const struct pagealloc *p, uint64_t page)
{
    uint32_t i = pagealloc_range_above(p, page >> CHUNK_PAGES_SHIFT);
    if (i == p->range_count)
        return PAGEALLOC_NONE;
    uint64_t from_page = (uint64_t)p->ranges[i].from_chunk << CHUNK_PAGES_SHIFT;
    return page > from_page ? page : from_page;
}

static bool pagealloc_chunk_is_grown(const struct pagealloc *p, uint64_t chunk)
{
    uint32_t i = pagealloc_range_above(p, chunk);
    return i < p->range_count && p->ranges[i].from_chunk <= chunk;
}

static void pagealloc_add_range(struct pagealloc *p, uint32_t from_chunk, uint32_t to_chunk)
{
    uint32_t i = pagealloc_range_above(p, from_chunk);
    struct pagealloc_range *at = &p->ranges[i];
    bool joins_low = i > 0 && at[-1].to_chunk == from_chunk;
    bool joins_high = i < p->range_count && at->from_chunk == to_chunk;
    if (joins_low && joins_high) {
        at[-1].to_chunk = at->to_chunk;
        memmove(at, at + 1, (--p->range_count - i) * sizeof *at);
    } else if (joins_low) {
        at[-1].to_chunk = to_chunk;
    } else if (joins_high) {
        at->from_chunk = from_chunk;
    } else {
        memmove(at + 1, at, (p->range_count++ - i) * sizeof *at);
        *at = (struct pagealloc_range){from_chunk, to_chunk};
    }
    if (p->end_chunk < to_chunk)
        p->end_chunk = to_chunk;
}

// --- Summaries ---

// Brings the tree up to date after the bits of [page, page + npages) changed. Where that is more
// than one chunk, all of the bits changed to one value (a page cache stays inside its chunk), so
// that the chunks strictly inside have the summary `inside`.
static void pagealloc_update(struct pagealloc *p, uint64_t page, uint64_t npages, uint64_t inside)
{
    uint64_t first = page >> CHUNK_PAGES_SHIFT, last = (page + npages - 1) >> CHUNK_PAGES_SHIFT;
    uint64_t *leaves = pagealloc_leaves(p);
    uint64_t summary = chunk_summary(p->chunks[first].allocated);
    if (first == last && leaves[first] == summary)
        return;
    leaves[first] = summary;
    for (uint64_t chunk = first + 1; chunk < last; chunk++)
        leaves[chunk] = inside;
    if (first != last)
        leaves[last] = chunk_summary(p->chunks[last].allocated);

    bool changed = true;
    for (unsigned level = p->levels - 1; level-- > 0 && changed;) {
        uint32_t child_pages = 1u << pagealloc_page_shift(p, level + 1);
        unsigned shift = pagealloc_chunk_shift(p, level);
        changed = false;
        for (uint64_t i = first >> shift; i <= last >> shift; i++) {
            const uint64_t *children = &p->summaries[level + 1][i << PAGEALLOC_FANOUT_SHIFT];
            summary = summary_merge(children, PAGEALLOC_FANOUT, child_pages);
            changed |= p->summaries[level][i] != summary;
            p->summaries[level][i] = summary;
        }
    }
}

static const struct free_runs chunk_all_free = {CHUNK_PAGES, CHUNK_PAGES, CHUNK_PAGES};

// --- Bits ---

enum chunk_bitmap { CHUNK_ALLOCATED, CHUNK_SCAVENGED };

static uint64_t *pagealloc_words(const struct pagealloc *p, uint64_t page, enum chunk_bitmap which)
{
    struct pagealloc_chunk *chunk = &p->chunks[page >> CHUNK_PAGES_SHIFT];
    return which == CHUNK_ALLOCATED ? chunk->allocated : chunk->scavenged;
}

static uint32_t pagealloc_piece(uint64_t page, uint64_t npages)
{
    uint64_t rest = CHUNK_PAGES - page % CHUNK_PAGES;
    return (uint32_t)(rest < npages ? rest : npages);
}

static uint64_t pagealloc_count(const struct pagealloc *p, uint64_t page, uint64_t npages,
                                enum chunk_bitmap which)
{
    uint64_t count = 0;
    while (npages > 0) {
        uint32_t take = pagealloc_piece(page, npages);
        count += chunk_count(pagealloc_words(p, page, which), page % CHUNK_PAGES, take);
        page += take;
        npages -= take;
    }
    return count;
}

static void pagealloc_fill(struct pagealloc *p, uint64_t page, uint64_t npages,
                           enum chunk_bitmap which, bool value)
{
    while (npages > 0) {
        uint32_t take = pagealloc_piece(page, npages);
        bits_fill(pagealloc_words(p, page, which), page % CHUNK_PAGES, take, value);
        page += take;
        npages -= take;
    }
}

static void pagealloc_index_alloc(struct pagealloc *p, uint64_t page, uint64_t npages)
{
    while (npages > 0) {
        uint32_t take = pagealloc_piece(page, npages);
        scav_index_alloc(&p->scav, page >> CHUNK_PAGES_SHIFT, take);
        page += take;
        npages -= take;
    }
}

static void pagealloc_index_free(struct pagealloc *p, uint64_t page, uint64_t npages)
{
    while (npages > 0) {
        uint32_t take = pagealloc_piece(page, npages);
        scav_index_free(&p->scav, page + take - 1, take);
        page += take;
        npages -= take;
    }
}

// --- Growth ---

static bool pagealloc_commit_part(const struct pagealloc_commit *commit, enum pagealloc_part part,
                                  size_t from, size_t to, size_t entry_bytes)
{
    return commit->commit(commit->ctx, part, from * entry_bytes, to * entry_bytes);
}

static bool pagealloc_commit_chunks(const struct pagealloc *p, uint64_t from_chunk,
                                    uint64_t to_chunk, const struct pagealloc_commit *commit)
{
    if (!pagealloc_commit_part(commit, PAGEALLOC_PART_CHUNKS, from_chunk, to_chunk,
                               sizeof(struct pagealloc_chunk)) ||
        !pagealloc_commit_part(commit, PAGEALLOC_PART_RANGES, 0, p->range_count + 1,
                               sizeof(struct pagealloc_range)))
        return false;
    // The scavenger walks down over the gaps between ranges too: their words are zero.
    bool first = p->range_count == 0;
    uint64_t low = first || p->scav.min_chunk > from_chunk ? from_chunk : p->scav.min_chunk;
    uint64_t high = first || p->end_chunk < to_chunk ? to_chunk : p->end_chunk;
    if (!pagealloc_commit_part(commit, PAGEALLOC_PART_SCAV_INDEX, low, high,
                               sizeof(struct scav_chunk)))
        return false;
    for (unsigned level = 0; level < p->levels; level++) {
        unsigned shift = pagealloc_chunk_shift(p, level);
        uint64_t from = round_down(from_chunk >> shift, PAGEALLOC_FANOUT);
        uint64_t to = round_up(((to_chunk - 1) >> shift) + 1, PAGEALLOC_FANOUT);
        if (level == 0) { // the search walks all of the root
            from = 0;
            to = pagealloc_level_entries(p->capacity_chunks, p->levels, 0);
        }
        if (!pagealloc_commit_part(commit, PAGEALLOC_PART_LEVEL_0 + level, from, to,
                                   sizeof(uint64_t)))
            return false;
    }
    return true;
}

CORE bool pagealloc_grow(struct pagealloc *p, uint64_t page, uint64_t npages,
                         const struct pagealloc_commit *commit)
{
    uint64_t capacity_pages = (uint64_t)p->capacity_chunks << CHUNK_PAGES_SHIFT;
    page = pagealloc_relative(p, page);
    if (npages == 0 || page >= capacity_pages || npages > capacity_pages - page)
        return false;
    uint64_t from_chunk = page >> CHUNK_PAGES_SHIFT;
    uint64_t to_chunk = ((page + npages - 1) >> CHUNK_PAGES_SHIFT) + 1;
    uint32_t next = pagealloc_range_above(p, from_chunk);
    INVARIANT(next == p->range_count || p->ranges[next].from_chunk >= to_chunk);
    if (!pagealloc_commit_chunks(p, from_chunk, to_chunk, commit))
        return false;

    page = from_chunk << CHUNK_PAGES_SHIFT;
    npages = (to_chunk - from_chunk) << CHUNK_PAGES_SHIFT;
    if (p->range_count == 0 || p->scav.min_chunk > from_chunk)
        p->scav.min_chunk = from_chunk;
    pagealloc_add_range(p, (uint32_t)from_chunk, (uint32_t)to_chunk);
    memset(&p->chunks[from_chunk], 0, (to_chunk - from_chunk) * sizeof(struct pagealloc_chunk));
    pagealloc_fill(p, page, npages, CHUNK_SCAVENGED, true);
    p->free_pages += npages;
    p->scavenged_pages += npages;
    if (page < p->search_page)
        p->search_page = page;
    pagealloc_update(p, page, npages, summary_pack(chunk_all_free));
    return true;
}

// --- Search ---

// The smallest region so far that is known to hold the lowest free page.
struct free_window {
    uint64_t from, to; // pages
};

// Regions are seen from large to small and each lies inside the window or outside, so the window
// only narrows.
static void free_window_narrow(struct free_window *w, uint64_t from, uint64_t npages)
{
    if (w->from <= from && from + npages <= w->to)
        *w = (struct free_window){from, from + npages};
}

// What a block of one level says about a request: a run that crosses entries (page), or an entry to
// descend into.
struct summary_block {
    bool found;
    bool descend;
    uint64_t page;
    uint64_t entry;
};

static struct summary_block summary_block_find(const struct pagealloc *p, unsigned level,
                                               uint64_t from, uint64_t to, uint64_t npages,
                                               struct free_window *window)
{
    unsigned page_shift = pagealloc_page_shift(p, level);
    uint64_t entry_pages = 1ull << page_shift, run = 0;
    for (uint64_t i = from; i < to; i++) {
        uint64_t summary = p->summaries[level][i];
        if (summary == 0) {
            run = 0;
            continue;
        }
        free_window_narrow(window, i << page_shift, entry_pages);
        uint64_t start = summary_start(summary);
        if (run + start >= npages)
            return (struct summary_block){.found = true, .page = (i << page_shift) - run};
        if (summary_most(summary) >= npages)
            return (struct summary_block){.descend = true, .entry = i};
        run = start == entry_pages ? run + entry_pages : summary_end(summary);
    }
    return (struct summary_block){0};
}

// The lowest npages free pages in a row, by walking the tree from the root (mpagealloc.go:find).
// *lower_bound is a valid new search_page. Both are PAGEALLOC_NONE if there is no such run.
static uint64_t summary_tree_find(const struct pagealloc *p, uint64_t npages, uint64_t *lower_bound)
{
    struct free_window window = {0, UINT64_MAX};
    uint64_t from = 0, to = ((p->end_chunk - 1) >> pagealloc_chunk_shift(p, 0)) + 1;
    struct summary_block found = {0};
    for (unsigned level = 0; level < p->levels; level++) {
        if (level > 0) {
            from = found.entry << PAGEALLOC_FANOUT_SHIFT;
            to = from + PAGEALLOC_FANOUT;
        }
        uint64_t hint = p->search_page >> pagealloc_page_shift(p, level);
        if (hint > from && hint < to)
            from = hint;
        found = summary_block_find(p, level, from, to, npages, &window);
        if (found.found) {
            *lower_bound = pagealloc_first_grown(p, window.from);
            return found.page;
        }
        if (!found.descend) {
            INVARIANT(level == 0); // else the level above promised a run that is not there
            *lower_bound = PAGEALLOC_NONE;
            return PAGEALLOC_NONE;
        }
    }
    // The last level named a chunk whose longest run is long enough.
    uint32_t first_free;
    uint64_t base = found.entry << CHUNK_PAGES_SHIFT;
    uint32_t at = chunk_find(p->chunks[found.entry].allocated, (uint32_t)npages, 0, &first_free);
    INVARIANT(at != CHUNK_PAGE_NONE);
    free_window_narrow(&window, base + first_free, CHUNK_PAGES - first_free);
    *lower_bound = pagealloc_first_grown(p, window.from);
    return base + at;
}

// --- Allocation ---

static uint64_t pagealloc_take(struct pagealloc *p, uint64_t page, uint64_t npages)
{
    DEBUG_CHECK(pagealloc_count(p, page, npages, CHUNK_ALLOCATED) == 0);
    uint64_t scavenged = pagealloc_count(p, page, npages, CHUNK_SCAVENGED);
    pagealloc_fill(p, page, npages, CHUNK_ALLOCATED, true);
    if (scavenged > 0)
        pagealloc_fill(p, page, npages, CHUNK_SCAVENGED, false);
    p->free_pages -= npages;
    p->scavenged_pages -= scavenged;
    pagealloc_index_alloc(p, page, npages);
    pagealloc_update(p, page, npages, 0);
    return scavenged;
}

CORE uint64_t pagealloc_alloc(struct pagealloc *p, uint64_t npages, uint64_t *scavenged_pages)
{
    INVARIANT(npages > 0);
    if (p->search_page == PAGEALLOC_NONE)
        return PAGEALLOC_NONE;

    uint64_t page = PAGEALLOC_NONE, lower_bound = 0;
    uint64_t chunk = p->search_page >> CHUNK_PAGES_SHIFT;
    uint32_t from = p->search_page % CHUNK_PAGES;
    if (npages <= CHUNK_PAGES - from && summary_most(pagealloc_leaves(p)[chunk]) >= npages) {
        uint32_t first_free;
        uint32_t at = chunk_find(p->chunks[chunk].allocated, (uint32_t)npages, from, &first_free);
        INVARIANT(at != CHUNK_PAGE_NONE);
        page = (chunk << CHUNK_PAGES_SHIFT) + at;
        lower_bound = (chunk << CHUNK_PAGES_SHIFT) + first_free;
    } else {
        page = summary_tree_find(p, npages, &lower_bound);
        if (page == PAGEALLOC_NONE) {
            if (npages == 1) // not one page: nothing is free at all
                p->search_page = PAGEALLOC_NONE;
            return PAGEALLOC_NONE;
        }
    }
    uint64_t scavenged = pagealloc_take(p, page, npages);
    if (scavenged_pages)
        *scavenged_pages = scavenged;
    if (p->search_page < lower_bound)
        p->search_page = lower_bound;
    return pagealloc_absolute(p, page);
}

CORE uint64_t pagealloc_alloc_range(struct pagealloc *p, uint64_t page, uint64_t npages)
{
    return npages == 0 ? 0 : pagealloc_take(p, pagealloc_relative(p, page), npages);
}

CORE void pagealloc_free(struct pagealloc *p, uint64_t page, uint64_t npages)
{
    if (npages == 0)
        return;
    page = pagealloc_relative(p, page);
    DEBUG_CHECK(pagealloc_count(p, page, npages, CHUNK_ALLOCATED) == npages);
    if (page < p->search_page)
        p->search_page = page;
    pagealloc_fill(p, page, npages, CHUNK_ALLOCATED, false);
    p->free_pages += npages;
    pagealloc_index_free(p, page, npages);
    pagealloc_update(p, page, npages, summary_pack(chunk_all_free));
}

static uint64_t pagealloc_set_scavenged(struct pagealloc *p, uint64_t page, uint64_t npages,
                                        bool value)
{
    page = pagealloc_relative(p, page);
    DEBUG_CHECK(pagealloc_count(p, page, npages, CHUNK_ALLOCATED) == 0);
    uint64_t before = pagealloc_count(p, page, npages, CHUNK_SCAVENGED);
    pagealloc_fill(p, page, npages, CHUNK_SCAVENGED, value);
    return value ? npages - before : before;
}

CORE uint64_t pagealloc_scavenge_range(struct pagealloc *p, uint64_t page, uint64_t npages)
{
    uint64_t changed = pagealloc_set_scavenged(p, page, npages, true);
    p->scavenged_pages += changed;
    return changed;
}

CORE uint64_t pagealloc_unscavenge_range(struct pagealloc *p, uint64_t page, uint64_t npages)
{
    uint64_t changed = pagealloc_set_scavenged(p, page, npages, false);
    p->scavenged_pages -= changed;
    page = pagealloc_relative(p, page);
    for (uint32_t take; npages > 0; page += take, npages -= take) {
        take = pagealloc_piece(page, npages);
        scav_index_offer(&p->scav, page + take - 1);
    }
    return changed;
}

CORE void pagealloc_take_out(struct pagealloc *p, uint64_t page, uint64_t npages)
{
    page = pagealloc_relative(p, page);
    DEBUG_CHECK(pagealloc_piece(page, npages) == npages &&
                pagealloc_count(p, page, npages, CHUNK_ALLOCATED) == 0);
    p->free_pages -= npages;
    p->scavenged_pages -= pagealloc_count(p, page, npages, CHUNK_SCAVENGED);
    pagealloc_fill(p, page, npages, CHUNK_ALLOCATED, true);
    pagealloc_fill(p, page, npages, CHUNK_SCAVENGED, false);
    pagealloc_update(p, page, npages, 0);
}

CORE void pagealloc_put_back(struct pagealloc *p, uint64_t page, uint64_t npages, bool scavenged)
{
    page = pagealloc_relative(p, page);
    DEBUG_CHECK(pagealloc_count(p, page, npages, CHUNK_ALLOCATED) == npages);
    if (page < p->search_page)
        p->search_page = page;
    pagealloc_fill(p, page, npages, CHUNK_ALLOCATED, false);
    p->free_pages += npages;
    if (scavenged) {
        pagealloc_fill(p, page, npages, CHUNK_SCAVENGED, true);
        p->scavenged_pages += npages;
    } else { // others may have passed by the chunk meanwhile
        scav_index_offer(&p->scav, page + npages - 1);
    }
    pagealloc_update(p, page, npages, summary_pack(chunk_all_free));
}

CORE bool pagealloc_chunk_is_empty(const struct pagealloc *p, uint64_t chunk)
{
    const struct pagealloc_chunk *c = &p->chunks[chunk - p->base_chunk];
    for (unsigned i = 0; i < CHUNK_WORDS; i++)
        if (c->allocated[i] || ~c->scavenged[i])
            return false;
    return true;
}

// --- Looking ---

CORE const struct pagealloc_chunk *pagealloc_chunk_of(const struct pagealloc *p, uint64_t page)
{
    uint64_t chunk = pagealloc_relative(p, page) >> CHUNK_PAGES_SHIFT;
    return pagealloc_chunk_is_grown(p, chunk) ? &p->chunks[chunk] : NULL;
}

CORE bool pagealloc_is_grown(const struct pagealloc *p, uint64_t page)
{
    return pagealloc_chunk_of(p, page) != NULL;
}

CORE bool pagealloc_is_free(const struct pagealloc *p, uint64_t page)
{
    const struct pagealloc_chunk *chunk = pagealloc_chunk_of(p, page);
    return chunk && !bits_test(chunk->allocated, page % CHUNK_PAGES);
}

CORE bool pagealloc_is_scavenged(const struct pagealloc *p, uint64_t page)
{
    const struct pagealloc_chunk *chunk = pagealloc_chunk_of(p, page);
    return chunk && bits_test(chunk->scavenged, page % CHUNK_PAGES);
}

// --- Page cache ---

CORE struct pagecache pagealloc_to_cache(struct pagealloc *p)
{
    struct pagecache c = {0};
    if (p->search_page == PAGEALLOC_NONE)
        return c;

    uint64_t chunk = p->search_page >> CHUNK_PAGES_SHIFT, page;
    if (pagealloc_leaves(p)[chunk] != 0) {
        uint32_t first_free, from = p->search_page % CHUNK_PAGES;
        uint32_t at = chunk_find(p->chunks[chunk].allocated, 1, from, &first_free);
        INVARIANT(at != CHUNK_PAGE_NONE);
        page = (chunk << CHUNK_PAGES_SHIFT) + at;
    } else {
        uint64_t lower_bound;
        page = summary_tree_find(p, 1, &lower_bound);
        if (page == PAGEALLOC_NONE) {
            p->search_page = PAGEALLOC_NONE;
            return c;
        }
    }
    page = round_down(page, PAGECACHE_PAGES);
    uint64_t *allocated = &pagealloc_words(p, page, CHUNK_ALLOCATED)[page % CHUNK_PAGES / 64];
    uint64_t *scavenged = &pagealloc_words(p, page, CHUNK_SCAVENGED)[page % CHUNK_PAGES / 64];
    c = (struct pagecache){pagealloc_absolute(p, page), ~*allocated, *scavenged};
    *allocated = ~0ull;
    *scavenged = 0; // all of them were free, so the cache has them now
    p->free_pages -= bits_count(c.cache);
    p->scavenged_pages -= bits_count(c.scav);
    scav_index_alloc(&p->scav, page >> CHUNK_PAGES_SHIFT, bits_count(c.cache));
    pagealloc_update(p, page, PAGECACHE_PAGES, 0);
    // Nothing is free up to the end of the block. Not one page further: that chunk may not exist.
    p->search_page = page + PAGECACHE_PAGES - 1;
    return c;
}

CORE uint64_t pagecache_alloc(struct pagecache *c, uint64_t npages, uint64_t *scavenged_pages)
{
    INVARIANT(npages > 0);
    uint64_t starts = npages <= PAGECACHE_PAGES ? bits_run_starts(c->cache, (unsigned)npages) : 0;
    if (starts == 0)
        return PAGEALLOC_NONE;
    unsigned at = bits_lowest(starts);
    uint64_t mask = bits_low((unsigned)npages) << at;
    if (scavenged_pages)
        *scavenged_pages = bits_count(c->scav & mask);
    c->cache &= ~mask;
    c->scav &= ~mask;
    return c->base + at;
}

CORE void pagecache_flush(struct pagecache *c, struct pagealloc *p)
{
    if (c->cache == 0)
        return;
    uint64_t page = pagealloc_relative(p, c->base);
    pagealloc_words(p, page, CHUNK_ALLOCATED)[page % CHUNK_PAGES / 64] &= ~c->cache;
    pagealloc_words(p, page, CHUNK_SCAVENGED)[page % CHUNK_PAGES / 64] |= c->scav;
    p->free_pages += bits_count(c->cache);
    p->scavenged_pages += bits_count(c->scav);
    scav_index_free(&p->scav, page + bits_highest(c->cache), bits_count(c->cache));
    if (page < p->search_page)
        p->search_page = page;
    pagealloc_update(p, page, PAGECACHE_PAGES, 0);
    *c = (struct pagecache){0};
}

// --- Check: nothing below uses the code above, except the geometry ---

static bool __attribute__((format(printf, 3, 4))) pagealloc_check_failed(char *why,
                                                                         size_t why_bytes,
                                                                         const char *format, ...)
{
    if (why_bytes > 0) {
        va_list args;
        va_start(args, format);
        vsnprintf(why, why_bytes, format, args);
        va_end(args);
    }
    return false;
}

// A walk over pages in order, counting runs one page at a time (or a word, where it is uniform).
struct run_walk {
    uint64_t start, most, run;
    bool broken;
};

static void run_walk_free(struct run_walk *w, uint64_t npages)
{
    w->run += npages;
    if (w->most < w->run)
        w->most = w->run;
}

static void run_walk_allocated(struct run_walk *w)
{
    if (!w->broken)
        w->start = w->run;
    w->broken = true;
    w->run = 0;
}

static void run_walk_chunk(struct run_walk *w, const struct pagealloc_chunk *chunk)
{
    for (unsigned i = 0; i < CHUNK_WORDS; i++) {
        uint64_t x = chunk->allocated[i];
        if (x == 0) {
            run_walk_free(w, 64);
        } else if (~x == 0) {
            run_walk_allocated(w);
        } else {
            for (unsigned bit = 0; bit < 64; bit++) {
                if (x >> bit & 1)
                    run_walk_allocated(w);
                else
                    run_walk_free(w, 1);
            }
        }
    }
}

// The summary of chunks [from, to) from their bits alone.
static uint64_t pagealloc_expected_summary(const struct pagealloc *p, uint64_t from, uint64_t to)
{
    struct run_walk w = {0};
    uint64_t chunk = from;
    for (uint32_t i = 0; i < p->range_count && p->ranges[i].from_chunk < to; i++) {
        if (p->ranges[i].to_chunk <= chunk)
            continue;
        if (p->ranges[i].from_chunk > chunk) {
            run_walk_allocated(&w);
            chunk = p->ranges[i].from_chunk;
        }
        for (; chunk < to && chunk < p->ranges[i].to_chunk; chunk++)
            run_walk_chunk(&w, &p->chunks[chunk]);
    }
    if (chunk < to)
        run_walk_allocated(&w);
    uint64_t start = w.broken ? w.start : w.run, end = w.run;
    return w.most == 1ull << 21 ? 1ull << 63 : start | w.most << 21 | end << 42;
}

static bool pagealloc_check_summaries(const struct pagealloc *p, char *why, size_t why_bytes)
{
    for (unsigned level = 0; level < p->levels; level++) {
        unsigned shift = pagealloc_chunk_shift(p, level);
        uint64_t done = 0;
        for (uint32_t r = 0; r < p->range_count; r++) {
            // Every entry of every block that the range touches; in the root, all up to the last.
            uint64_t from = round_down(p->ranges[r].from_chunk >> shift, PAGEALLOC_FANOUT);
            uint64_t to = round_up(((p->ranges[r].to_chunk - 1ull) >> shift) + 1, PAGEALLOC_FANOUT);
            if (level == 0) {
                from = 0;
                to = ((p->ranges[r].to_chunk - 1ull) >> shift) + 1;
            }
            for (uint64_t i = from > done ? from : done; i < to; i++) {
                uint64_t expected = pagealloc_expected_summary(p, i << shift, (i + 1) << shift);
                if (p->summaries[level][i] != expected)
                    return pagealloc_check_failed(
                        why, why_bytes,
                        "pagealloc: level %u summary %llu is %llx, its pages say %llx", level,
                        (unsigned long long)i, (unsigned long long)p->summaries[level][i],
                        (unsigned long long)expected);
            }
            done = to > done ? to : done;
        }
    }
    return true;
}

static bool pagealloc_check_ranges(const struct pagealloc *p, char *why, size_t why_bytes)
{
    uint64_t above = 0;
    for (uint32_t r = 0; r < p->range_count; r++) {
        const struct pagealloc_range *range = &p->ranges[r];
        bool apart = r == 0 || range->from_chunk > above;
        if (!apart || range->from_chunk >= range->to_chunk || range->to_chunk > p->capacity_chunks)
            return pagealloc_check_failed(
                why, why_bytes, "pagealloc: range %u is %u..%u after chunk %llu", r,
                range->from_chunk, range->to_chunk, (unsigned long long)above);
        above = range->to_chunk;
    }
    if (p->end_chunk != above)
        return pagealloc_check_failed(why, why_bytes,
                                      "pagealloc: end chunk is %u, the last range ends at %llu",
                                      p->end_chunk, (unsigned long long)above);
    return true;
}

CORE bool pagealloc_check(const struct pagealloc *p, char *why, size_t why_bytes)
{
    if (!pagealloc_check_ranges(p, why, why_bytes))
        return false;
    uint64_t free = 0, scavenged = 0, lowest_free = PAGEALLOC_NONE;
    bool search_grown = p->search_page == PAGEALLOC_NONE;
    for (uint32_t r = 0; r < p->range_count; r++) {
        for (uint64_t chunk = p->ranges[r].from_chunk; chunk < p->ranges[r].to_chunk; chunk++) {
            search_grown |= p->search_page / CHUNK_PAGES == chunk;
            for (unsigned i = 0; i < CHUNK_WORDS; i++) {
                uint64_t x = ~p->chunks[chunk].allocated[i], s = p->chunks[chunk].scavenged[i];
                if (s & ~x)
                    return pagealloc_check_failed(
                        why, why_bytes, "pagealloc: chunk %llu: allocated pages scavenged",
                        (unsigned long long)chunk);
                if (x && lowest_free == PAGEALLOC_NONE)
                    lowest_free = chunk * CHUNK_PAGES + i * 64 + bits_lowest(x);
                free += bits_count(x);
                scavenged += bits_count(s);
            }
        }
    }
    if (free != p->free_pages || scavenged != p->scavenged_pages)
        return pagealloc_check_failed(
            why, why_bytes, "pagealloc: counted %llu free, %llu scavenged; bits say %llu, %llu",
            (unsigned long long)p->free_pages, (unsigned long long)p->scavenged_pages,
            (unsigned long long)free, (unsigned long long)scavenged);
    if (lowest_free < p->search_page || !search_grown)
        return pagealloc_check_failed(
            why, why_bytes, "pagealloc: search page %llu, lowest free page %llu",
            (unsigned long long)p->search_page, (unsigned long long)lowest_free);
    return pagealloc_check_summaries(p, why, why_bytes);
}

// Is the aligned group of min_pages that holds a page of the chunk free and resident?
static bool may_be_released(const struct pagealloc_chunk *chunk, uint32_t page, uint32_t min_pages)
{
    uint32_t first = page / min_pages * min_pages;
    for (uint32_t i = first; i < first + min_pages; i++)
        if ((chunk->allocated[i / 64] | chunk->scavenged[i / 64]) >> i % 64 & 1)
            return false;
    return true;
}

CORE bool scav_index_check(const struct pagealloc *p, uint32_t min_pages, char *why,
                           size_t why_bytes)
{
    const struct scav_index *x = &p->scav;
    uint64_t highest = 0; // + 1
    for (uint32_t r = 0; r < p->range_count; r++) {
        for (uint64_t at = p->ranges[r].from_chunk; at < p->ranges[r].to_chunk; at++) {
            const struct scav_chunk *c = &x->chunks[at];
            uint32_t in_use = 0;
            bool has_free = false;
            for (uint32_t page = 0; page < CHUNK_PAGES; page++) {
                in_use += p->chunks[at].allocated[page / 64] >> page % 64 & 1;
                if (may_be_released(&p->chunks[at], page, min_pages)) {
                    has_free = true;
                    highest = at * CHUNK_PAGES + page + 1;
                }
            }
            if (c->in_use != in_use || c->last_in_use > CHUNK_PAGES || (has_free && !c->has_free))
                return pagealloc_check_failed(
                    why, why_bytes,
                    "scavenge index: chunk %llu: %u pages in use of %u, %u before, has free %u %u",
                    (unsigned long long)at, c->in_use, in_use, c->last_in_use, c->has_free,
                    has_free);
        }
    }
    uint64_t end = (uint64_t)p->end_chunk * CHUNK_PAGES;
    if (x->forced < highest || x->forced > end || x->background > end || x->freed_high > end ||
        (p->range_count && x->min_chunk != p->ranges[0].from_chunk))
        return pagealloc_check_failed(
            why, why_bytes,
            "scavenge index: cursors %llu, forced %llu, freed %llu; to give back below %llu",
            (unsigned long long)x->background, (unsigned long long)x->forced,
            (unsigned long long)x->freed_high, (unsigned long long)highest);
    return true;
}
