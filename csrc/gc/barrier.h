// Stores into the heap. While marking is on, the write barrier notes pointers in the mutator's buffer; full buffers are shaded.
//
// Which barrier that is, the heap's options say; barrier.def lists them. The default is Go's, the only one that the inline path knows.
//
// Hybrid barrier (mbarrier.go; on from Go 1.8): `*slot = ptr` shades the old pointer and the new one, then stores. Shading the old one keeps
// what was reachable when marking began (a black stack may still get it); shading the new one keeps what a stack that is not yet
// scanned hides. Handles and globals are heap locations; frames are stacks and have no barrier: they are black from the first stop on.
#pragma once

#include "gc/heap.h"

CORE void barrier_store(struct mutator *m, void **slot, void *ptr);
CORE bool barrier_cas(struct mutator *m, void **slot, void *old, void *ptr);
// The same for the core's own root slots, whatever the instantiation.
CORE void barrier_root(struct mutator *m, void **slot, void *ptr);
// count elements of a type, copied (ranges may overlap) or cleared, one word at a time: a pointer is never seen half-written.
CORE void barrier_copy(struct mutator *m, const gcsim_type *t, void *to, const void *from,
                       uint64_t count);
CORE void barrier_clear(struct mutator *m, const gcsim_type *t, void *to, uint64_t count);

// Shade what the buffer holds (mwbbuf.go:wbBufFlush1).
CORE void barrier_flush(struct mutator *m);
CORE bool barrier_options_fit(const gcsim_options *o);
CORE void barrier_choose(struct gc *gc, const gcsim_options *o);
// World stopped. With late_barrier `on` leaves stores as they are until barrier_switch_late, which waits for nobody.
CORE void barrier_switch_late(struct mheap *h);
CORE void barrier_switch(struct mheap *h, bool on);
CORE void barrier_init(struct mutator *m);
