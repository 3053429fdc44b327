#include "watch/fragmentation.h"

#include "alloc/mcache.h"
#include "base/bits.h"
#include "watch/objects.h"

enum { SLOT_WORDS = MARK_BYTES_PER_PAGE / 8 };

// --- free pages --------------------------------------------------------------------------------------------------

// All free pages from `page` on.
static gcsim_page_run free_run(const struct mheap *h, uint64_t page, gcsim_fragmentation *out)
{
    gcsim_page_run run = {.page = (uint32_t)page, .kind = GCSIM_RUN_FREE};
    const struct pagealloc_chunk *chunk = NULL;
    for (; page < h->grown_pages && !h->page_span[page]; page++, run.npages++) {
        if (!chunk || page % CHUNK_PAGES == 0)
            chunk = pagealloc_chunk_of(&h->pages, page);
        bool cached = bits_test(chunk->allocated, page % CHUNK_PAGES);
        out->cached_pages += cached;
        run.live += cached ? mcache_page_is_released(h, page)
                           : bits_test(chunk->scavenged, page % CHUNK_PAGES);
    }
    return run;
}

static void count_free(gcsim_fragmentation *out, const gcsim_page_run *run)
{
    unsigned k = bits_highest(run->npages);
    out->free_runs[k]++;
    out->free_run_pages[k] += run->npages;
    out->free_pages += run->npages;
    out->released_pages += run->live;
    if (out->largest_run < run->npages)
        out->largest_run = run->npages;
}

// --- spans -------------------------------------------------------------------------------------------------------

// What was asked for, of an object behind a header: so many elements that no smaller class would have done. 0: several numbers would.
static uint64_t asked_with_header(const gcsim_span *s, uint32_t index)
{
    const gcsim_type *t = *(const gcsim_type *const *)(const void *)span_slot(s, index);
    uint64_t below = size_class_slot_bytes[span_class_size_class(s->span_class) - 1];
    uint64_t most = (s->slot_bytes - MALLOC_HEADER_BYTES) / t->bytes;
    uint64_t least = (below - MALLOC_HEADER_BYTES) / t->bytes + 1;
    return most == least ? most * t->bytes : 0;
}

static void count_asked(gcsim_class_use *use, const gcsim_span *s, const uint64_t *live)
{
    if (!span_has_header(s))
        return; // the slot does not tell
    for (uint32_t word = 0; word < span_mark_words(s); word++)
        for (uint64_t bits = live[word]; bits; bits &= bits - 1) {
            uint64_t asked = asked_with_header(s, word * 64 + bits_lowest(bits));
            use->known += asked != 0;
            use->asked += asked;
        }
}

static gcsim_page_run count_in_span(const struct mheap *h, const gcsim_span *s,
                                    gcsim_fragmentation *out, uint64_t live[SLOT_WORDS])
{
    gcsim_class_use *use = &out->classes[s->span_class];
    bool large = span_class_size_class(s->span_class) == LARGE_SIZE_CLASS;
    uint64_t bytes = (uint64_t)s->npages << PAGE_SHIFT;
    uint32_t n = 0;
    span_live(h, s, live);
    for (uint32_t word = 0; word < span_mark_words(s); word++)
        n += bits_count(live[word]);
    use->slot_bytes = s->slot_bytes32;
    use->spans++;
    use->span_bytes += bytes;
    use->slots += s->nelems;
    use->used += span_in_use(s);
    use->live += n;
    use->used_bytes += span_in_use(s) * s->slot_bytes;
    use->live_bytes += n * s->slot_bytes;
    use->cached += s->sweepgen == h->sweepgen + 3 || s->sweepgen == h->sweepgen + 1;
    use->empty += n == 0;
    use->single += n == 1 && !large;
    use->bits += span_bits_bytes(s);
    use->tails += bytes - s->nelems * s->slot_bytes - span_bits_bytes(s);
    if (large && n) {
        use->known++;
        use->asked += (uint64_t)(s->limit - s->base);
    }
    count_asked(use, s, live);
    return (gcsim_page_run){
        .kind = GCSIM_RUN_OBJECTS, .span_class = s->span_class, .slots = s->nelems, .live = n};
}

static gcsim_page_run count_manual(const gcsim_span *s, gcsim_fragmentation *out)
{
    bool fenced = s->purpose == GCSIM_MANUAL_FENCE;
    *(fenced ? &out->fenced_pages : &out->manual_pages) += s->npages;
    return (gcsim_page_run){.kind = fenced ? GCSIM_RUN_FENCED : GCSIM_RUN_MANUAL};
}

// As few spans as the live objects of each class need, and what that spares of the spans that have any.
static void count_compaction(gcsim_fragmentation *out)
{
    for (unsigned i = 0; i < NUM_SPAN_CLASSES; i++) {
        gcsim_class_use *use = &out->classes[i];
        if (span_class_size_class(i) == LARGE_SIZE_CLASS || !use->spans) {
            use->fewest = use->live;
            continue;
        }
        uint64_t used = use->spans - use->empty;
        uint64_t spare = spans_to_spare(used, use->live, use->slots / use->spans);
        use->fewest = used - spare;
        out->compaction += spare * (use->span_bytes / use->spans);
    }
}

CORE uint64_t fragmentation_read(const struct mheap *h, gcsim_fragmentation *out,
                                 const gcsim_page_map *map)
{
    uint64_t n = 0, bits[SLOT_WORDS];
    *out = (gcsim_fragmentation){.pages = h->grown_pages};
    for (uint64_t page = 0; page < h->grown_pages; n++) {
        const gcsim_span *s = h->page_span[page] ? &h->spans[page] : NULL;
        gcsim_page_run run;
        if (!s) {
            run = free_run(h, page, out);
            count_free(out, &run);
        } else if (s->state == GCSIM_SPAN_IN_USE) {
            run = count_in_span(h, s, out,
                                page < map->slot_pages ? map->slots + page * SLOT_WORDS : bits);
        } else {
            run = count_manual(s, out);
        }
        run.page = (uint32_t)page;
        run.npages = s ? s->npages : run.npages;
        page += run.npages;
        if (n < map->room)
            map->runs[n] = run;
    }
    count_compaction(out);
    return n;
}
