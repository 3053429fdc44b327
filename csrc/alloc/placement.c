#include "alloc/placement.h"

#include "alloc/mcache.h"
#include "base/bits.h"
#include "base/os.h"

#include <errno.h>

enum { COLLAPSED_AT_ONCE = 4 }; // huge pages: a stop of a millisecond or two

_Static_assert((int)GCSIM_PLACE_DEFAULT == OS_PLACE_DEFAULT &&
                   (int)GCSIM_PLACE_LOCAL == OS_PLACE_LOCAL &&
                   (int)GCSIM_PLACE_INTERLEAVED == OS_PLACE_INTERLEAVED &&
                   (int)GCSIM_PLACE_BOUND == OS_PLACE_BOUND,
               "os.h has the same places");

CORE gcsim_status placement_init(struct mheap *h, const gcsim_options *options)
{
    uint64_t bytes = h->arena_pages << PAGE_SHIFT;
    h->placement.huge_pages = options->huge_pages;
    h->placement.place = options->place;
    h->placement.nodes = options->place_nodes;
    if (options->huge_pages != GCSIM_HUGE_LARGE)
        h->placement.huge_refused = os_huge_pages(
            h->arena, bytes,
            options->huge_pages == GCSIM_HUGE_ALWAYS ? OS_HUGE_PREFER : OS_HUGE_NEVER);
    if (options->place == GCSIM_PLACE_DEFAULT)
        return GCSIM_OK;
    int failed = os_place(h->arena, bytes, (enum os_place)options->place, options->place_nodes);
    return failed == 0 ? GCSIM_OK : failed == ENOMEM ? GCSIM_NO_MEMORY : GCSIM_NO_PLACE;
}

CORE void placement_read(const struct mheap *h, gcsim_placement *out)
{
    enum os_place noted = OS_PLACE_DEFAULT;
    *out = (gcsim_placement){.arena = h->arena,
                             .bytes = h->grown_pages << PAGE_SHIFT,
                             .reserved = h->arena_pages << PAGE_SHIFT,
                             .page_bytes = os_page_bytes(),
                             .huge_page_bytes = os_huge_page_bytes(),
                             .huge_pages = h->placement.huge_pages,
                             .huge_refused = h->placement.huge_refused,
                             .place = h->placement.place,
                             .place_nodes = h->placement.nodes,
                             .node_here = os_node_here()};
    out->not_noted = os_place_of(h->arena, &noted, &out->noted_nodes);
    out->noted_place = (uint32_t)noted;
}

CORE gcsim_status placement_page_nodes(const struct mheap *h, const void *address, uint64_t n,
                                       int32_t *nodes)
{
    uint64_t page_bytes = os_page_bytes(), grown = GCSIM_LOAD(&h->grown_pages) << PAGE_SHIFT;
    uint64_t offset = round_down(arena_offset(h, address), page_bytes);
    if (offset >= grown || n > (grown - offset) / page_bytes)
        return GCSIM_BAD_ADDRESS;
    return os_page_nodes(h->arena + offset, n, nodes) == 0 ? GCSIM_OK : GCSIM_NO_PLACE;
}

CORE uint64_t placement_cached_spans(const struct mheap *h, gcsim_cached_span *out, uint64_t room)
{
    uint64_t n = 0;
    for (struct mutator *m = h->mutators; m; m = m->next)
        for (unsigned spc = 0; spc < NUM_SPAN_CLASSES; spc++) {
            const gcsim_span *s = mcache_spans(m)[spc];
            if (s == &h->full_span)
                continue;
            if (n < room)
                out[n] = (gcsim_cached_span){m->pub.id, span_page(h, s), s->npages, s->span_class};
            n++;
        }
    return n;
}

// --- huge pages now ----------------------------------------------------------------------------------------------

// Has every page memory, as the allocator counts it? Where one has not, a huge page would take back what the scavenger gave away.
static bool all_have_memory(const struct mheap *h, uint64_t page, uint64_t end)
{
    for (; page < end; page++)
        if (pagealloc_is_scavenged(&h->pages, page) || mcache_page_is_released(h, page))
            return false;
    return true;
}

CORE gcsim_status placement_collapse(struct mheap *h, uint64_t *page, uint64_t *bytes)
{
    uint64_t huge = os_huge_page_bytes() >> PAGE_SHIFT;
    if (huge == 0 || huge > h->arena_pages)
        return GCSIM_NO_PLACE;
    for (unsigned made = 0; *page < h->grown_pages && made < COLLAPSED_AT_ONCE; *page += huge) {
        if (*page + huge > h->grown_pages || !all_have_memory(h, *page, *page + huge))
            continue;
        if (os_huge_pages(h->arena + (*page << PAGE_SHIFT), huge << PAGE_SHIFT, OS_HUGE_COLLAPSE))
            return GCSIM_NO_PLACE;
        *bytes += huge << PAGE_SHIFT;
        made++;
    }
    return GCSIM_OK;
}
