// The scavenge index: which chunks may have pages to give back, and where to look next
// (mgcscavenge.go:scavengeIndex).
//
// A value over memory that the caller provides, one word per chunk; it is kept by the page allocator
// beside its bitmaps. Calls are serialised by the heap lock, so the cursors are plain words: what Go
// does with marked addresses settles races that cannot happen here.
//
// A generation is a cycle: it begins at mark termination, where the heap in use is at its peak. A
// chunk that was dense at any time since the generation before is left alone, because releasing the
// few free pages of a chunk would break its huge pages and the next allocation takes them back.
// Whoever forces does not care.
//
// Invariants (scav_index_check): in_use is the number of allocated pages; a chunk with something to
// give back says has_free; nothing to give back lies above the forced cursor.
#pragma once

#include "alloc/pagebits.h"

enum {
    SCAV_DENSE_PAGES = 496, // 96.875 % of a chunk (mgcscavenge.go:scavChunkHiOccPages)
};

// Zero is a chunk that was just grown: nothing allocated, and its memory not there yet.
struct scav_chunk {
    uint16_t in_use;           // pages allocated
    uint16_t last_in_use : 10; // as the generation `gen` began
    uint16_t has_free : 1;     // there may be something to give back
    uint32_t gen;              // of the last change
};

struct scav_index {
    struct scav_chunk *chunks;
    uint64_t min_chunk; // no grown chunk lies below
    // The highest page that may have something to give back, + 1; 0 = nothing has. The background's
    // rises when a generation begins only, so that what the program uses again soon is left to it.
    uint64_t background, forced;
    uint64_t freed_high; // highest page freed in this generation, + 1
    uint32_t gen;
};

// mgcscavenge.go:shouldScavenge.
CORE_INLINE bool scav_chunk_is_due(struct scav_chunk c, uint32_t gen, bool force)
{
    if (!c.has_free)
        return false;
    return force ||
           (c.in_use < SCAV_DENSE_PAGES && (c.gen != gen || c.last_in_use < SCAV_DENSE_PAGES));
}

// The chunk's first change in a generation notes how full it was before.
CORE_INLINE struct scav_chunk *scav_chunk_touch(struct scav_index *x, uint64_t chunk)
{
    struct scav_chunk *c = &x->chunks[chunk];
    if (c->gen != x->gen) {
        c->last_in_use = c->in_use & 1023;
        c->gen = x->gen;
    }
    return c;
}

// npages of a chunk were allocated.
CORE_LOCAL void scav_index_alloc(struct scav_index *x, uint64_t chunk, uint32_t npages)
{
    struct scav_chunk *c = scav_chunk_touch(x, chunk);
    INVARIANT(c->in_use + npages <= CHUNK_PAGES);
    c->in_use = (uint16_t)(c->in_use + npages);
    if (c->in_use == CHUNK_PAGES)
        c->has_free = 0;
}

// There is something to give back, no page of it above `page`.
CORE_LOCAL void scav_index_offer(struct scav_index *x, uint64_t page)
{
    x->chunks[page >> CHUNK_PAGES_SHIFT].has_free = 1;
    if (x->forced <= page)
        x->forced = page + 1;
    if (x->freed_high <= page)
        x->freed_high = page + 1;
}

// npages of one chunk were freed; last_page is the highest of them.
CORE_LOCAL void scav_index_free(struct scav_index *x, uint64_t last_page, uint32_t npages)
{
    struct scav_chunk *c = scav_chunk_touch(x, last_page >> CHUNK_PAGES_SHIFT);
    INVARIANT(npages <= c->in_use);
    c->in_use = (uint16_t)(c->in_use - npages);
    scav_index_offer(x, last_page);
}

CORE_INLINE uint64_t *scav_index_cursor(struct scav_index *x, bool force)
{
    return force ? &x->forced : &x->background;
}

// The highest page, at or below the cursor, of a chunk that may have something to give back. The
// cursor goes down to it; false: there is none.
CORE_LOCAL bool scav_index_find(struct scav_index *x, bool force, uint64_t *page)
{
    uint64_t *cursor = scav_index_cursor(x, force);
    for (uint64_t end = *cursor; end > x->min_chunk << CHUNK_PAGES_SHIFT;
         end = round_down(end - 1, CHUNK_PAGES)) {
        if (scav_chunk_is_due(x->chunks[(end - 1) >> CHUNK_PAGES_SHIFT], x->gen, force)) {
            *cursor = end;
            *page = end - 1;
            return true;
        }
    }
    *cursor = 0;
    return false;
}

// A search at or below the cursor found nothing in its chunk: go on below. all: nor is there anything
// above. (Go calls the chunk empty either way, and then overlooks what was freed above the cursor
// until the chunk's next free: mgcscavenge.go:scavengeOne.)
CORE_LOCAL void scav_index_pass(struct scav_index *x, bool force, uint64_t chunk, bool all)
{
    uint64_t *cursor = scav_index_cursor(x, force), first = chunk << CHUNK_PAGES_SHIFT;
    if (all)
        x->chunks[chunk].has_free = 0;
    else if (*cursor > first)
        *cursor = first;
}

// Mark termination. What was freed since the last one is now the background's too.
CORE_LOCAL void scav_index_next_generation(struct scav_index *x)
{
    x->gen++;
    if (x->background < x->freed_high)
        x->background = x->freed_high;
    x->freed_high = 0;
}
