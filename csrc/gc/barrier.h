// Stores into the heap. The write barrier is off while collections stop the world: the entry points are here, the shading is not yet.
#pragma once

#include "gc/heap.h"

CORE void barrier_store(struct mutator *m, void **slot, void *ptr);
// count elements of a type, copied (ranges may overlap) or cleared, one word at a time: a pointer is never seen half-written.
CORE void barrier_copy(struct mutator *m, const gcsim_type *t, void *to, const void *from,
                       uint64_t count);
CORE void barrier_clear(struct mutator *m, const gcsim_type *t, void *to, uint64_t count);
