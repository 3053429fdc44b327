// The central lists: spans that no mutator has cached, by span class (mcentral.go).
//
//   unswept full/partial --sweep--> swept full/partial --mcentral_cache--> cached by a mutator --mcentral_uncache--> swept lists
//
// sweepgen += 2 at each cycle swaps the roles of the swept and unswept lists without moving a span.
#pragma once

#include "alloc/mheap.h"

CORE_INLINE unsigned swept_side(const struct mheap *h) { return h->sweepgen / 2 % 2; }

// A swept span with a free slot, taken off the lists; sweeps and grows as needed. NULL with *status.
CORE gcsim_span *mcentral_cache(struct mheap *h, struct mutator *m, unsigned span_class,
                                gcsim_status *status);
// Take a span back from a mutator; one that was cached since before the sweep began is swept first.
CORE void mcentral_uncache(struct mheap *h, gcsim_span *s);
// File a swept span by whether it has a free slot.
CORE void mcentral_file(struct mheap *h, gcsim_span *s);
// The next span of a class that waits to be swept, taken off its list; NULL if there is none. Full ones first (mgcsweep.go:sweepone).
CORE gcsim_span *mcentral_pop_unswept(struct mheap *h, unsigned span_class);
// The first span class from `from` on with such spans; NUM_SPAN_CLASSES: none.
CORE unsigned mcentral_unswept_class(const struct mheap *h, unsigned from);
// Take a span off the unswept list that it is on, if any: the caller sweeps it, so who has just taken it leaves it alone.
CORE void mcentral_unlist_unswept(struct mheap *h, gcsim_span *s);
