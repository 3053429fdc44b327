// Where the arena's pages come from: huge pages or not, which node of memory. Asked for once, before the first page is touched; the kernel
// keeps to it from then on, also where memory was given back and comes again. Decisions of the allocator do not read any of it.
#pragma once

#include "alloc/mheap.h"

CORE gcsim_status placement_init(struct mheap *h, const gcsim_options *options);
CORE void placement_read(const struct mheap *h, gcsim_placement *out);
CORE gcsim_status placement_page_nodes(const struct mheap *h, const void *address, uint64_t n,
                                       int32_t *nodes);
// World stopped, both.
CORE uint64_t placement_cached_spans(const struct mheap *h, gcsim_cached_span *out, uint64_t room);
CORE gcsim_status placement_collapse(struct mheap *h, uint64_t *page, uint64_t *bytes);
