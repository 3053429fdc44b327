// Whole graphs at once: objects from counts and types, links from index arrays, and the way back.
#pragma once

#include "gc/heap.h"

CORE gcsim_batch *bulk_build(struct mutator *m, const gcsim_build *what);
CORE gcsim_status bulk_link(struct mutator *m, gcsim_batch *batch, const gcsim_links *links);
CORE gcsim_status bulk_link_edges(struct mutator *m, gcsim_batch *batch, const gcsim_edges *edges);
CORE gcsim_status bulk_read_links(struct mutator *m, gcsim_batch *batch, uint64_t offset,
                                  int64_t *index);
