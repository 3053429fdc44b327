// Allocation: which path a request takes, and the slow half of each (malloc.go:mallocgc).
//
//   size 0          one shared address, not counted
//   tiny            pointer-free, below 16 B: part of a 16-byte block
//   small           a slot of a cached span; with pointers: bits in the span up to 512 B, a type word in front above
//   large           over 32,760 B: a span of its own; with efence every object
#pragma once

#include "alloc/mcache.h"

// Fill in what the inline path reads: span class, pointer bits of a slot, whether the fast path may be used.
CORE void malloc_resolve_type(gcsim_type *t);
// One object of a type; count elements of it. NULL with m->pub.status set.
CORE void *malloc_new(struct mutator *m, const gcsim_type *t);
// One object of what the mutator has cached, if it has: no safe point, no wait, no collection. NULL without a status otherwise.
CORE void *malloc_at_once(struct mutator *m, const gcsim_type *t);
CORE void *malloc_array(struct mutator *m, const gcsim_type *element, uint64_t count);
// Will the heap profile sample what malloc_new (count 1) or malloc_array makes next, or a recording ask for its site?
CORE bool malloc_wants_site(struct mutator *m, const gcsim_type *t, uint64_t count);
