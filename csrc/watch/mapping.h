// Files as memory outside of any heap. The collector knows nothing of them: an address that is not in the arena is none of its objects. What has
// to be known is whether a heap still has pointers into one before it goes away, and that a stopped world tells.
#pragma once

#include "gc/heap.h"

CORE gcsim_status mapping_make(int fd, uint64_t offset, uint64_t bytes, gcsim_mapping *out);
CORE gcsim_status mapping_close(struct mutator *m, gcsim_mapping *mapping, uint64_t *pointers);
CORE void mapping_unmake(gcsim_mapping *mapping);
