// Specials: what is attached to one object from outside (mheap.go:special): finalizers, weak references, cleanups, and samples of the heap profile
// (gc/memprofile.h), which are of no effect.
//
// A span's list holds the records of its objects, sorted by offset and, at one offset, by kind: finalizer, weak reference, sample, cleanups in
// the order in which they were added. A bit for each span that has records tells the root jobs where to look. A record leaves the
// list when its object dies: a finalizer or cleanup goes to the queue of ready callbacks as it is, so nothing is allocated
// there; a weak reference becomes nil. The core never calls back by itself: callbacks wait until somebody takes them.
//
// Invariants. While marking, all that an object with a finalizer reaches is marked, but not the object itself (mgcmark.go:
// markrootSpans); a queued finalizer's object is a root until who took it says that it has run. What a cleanup is given is the caller's
// and no root of ours. `specials_lock` guards the lists, the bits and the queue.
//
// No span is swept before its list is touched (Go: ensureSwept; spans are on lists here from which they cannot be taken in the
// middle). Instead a sweep settles a whole span's list under the lock before it touches the marks, and who looks at a span that
// waits to be swept asks the marks: an unmarked object is dead, whatever its list still says.
#pragma once

#include "gc/heap.h"
#include "gc/mark.h"

CORE void specials_lock(struct mheap *h);
CORE void specials_unlock(struct mheap *h);
// A record whose place and kind are set, on the list of its span. The lock is held.
CORE void special_add(struct mheap *h, gcsim_span *s, gcsim_special *special);

CORE gcsim_weak *weak_make(struct mutator *m, void *ptr);
CORE void weak_release(struct mutator *m, gcsim_weak *weak);
// The object in *out, NULL if it is dead. False: mark termination is being decided, and a grey object that turned up now would undo it
// (mheap.go:internal_weak_runtime_makeStrongFromWeak waits). Not so for objects that are marked already. Ask again when marking has ended.
CORE bool weak_try_read(struct mutator *m, gcsim_weak *weak, void **out);

// 0 with m->status: GCSIM_OK if the address lies in no object, so that nothing can ever happen (zero-size objects; malloc.go:zerobase).
CORE uint64_t finalizer_add(struct mutator *m, void *ptr, gcsim_callback_run run, void *arg);
CORE bool finalizer_remove(struct mutator *m, void *ptr, void **arg);
CORE uint64_t cleanup_attach(struct mutator *m, void *ptr, gcsim_callback_run run, void *arg);
CORE bool cleanup_detach(struct mutator *m, const void *ptr, uint64_t id, void **arg);

CORE bool callback_pop(struct mutator *m, gcsim_callback *out);
CORE void callback_finish(gcsim_heap *heap, gcsim_callback *callback);
CORE void callback_count(gcsim_heap *heap, gcsim_callback_counts *out);

// Sweep, before the marks are taken: the records of dead objects. An object with a finalizer is revived: marked after all. Returns how many weak
// references became nil.
CORE uint64_t specials_sweep(struct mheap *h, gcsim_span *s);

CORE bool waits_for_sweep(struct mheap *h, const gcsim_span *s);

// Root jobs: one for so many pages, and one for so many records of the queue (mgcmark.go: pagesPerSpanRoot).
enum { SPECIALS_SHARD_PAGES = 512, READY_PER_JOB = 256 };
CORE void specials_prepare(struct mheap *h);
CORE void specials_forget(struct mheap *h); // jobs that nobody will do
CORE bool specials_are_left(struct mheap *h);
CORE bool specials_next(struct mutator *m, mark_visit visit, void *ctx); // false: none is left
// Once more, for objects forgotten when the work buffers overflowed. World stopped.
CORE void specials_rescan(struct mheap *h, gcsim_span *s, mark_visit visit, void *ctx);
