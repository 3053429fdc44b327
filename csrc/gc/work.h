// Grey objects: marked, not yet scanned (mgcwork.go). Buffers of 2 KiB, cut from manual spans of 32 KiB. A mutator has two of its own
// (struct gcwork in alloc/mcache.h); full ones go to a shared list, from which who has nothing takes.
//
// A grey object is in exactly one buffer: a mutator's, or one on the shared list. Under the engine `span` most are not, but their spans are in
// a queue (gc/spanq.h), which a mutator has beside its buffers. Marking is complete when all of them are empty (gc/cycle.c: mark_done).
//
// Running out of memory for buffers is an ordinary case: the object is forgotten and `overflow` set; marking then ends with a pass over
// all marked objects, as often as needed.
#pragma once

#include "gc/heap.h"

enum { WORKBUF_OBJECTS = (WORKBUF_BYTES - 16) / 8 };

CORE bool work_push_slow(struct mheap *h, struct gcwork *w);
CORE void *work_pop_slow(struct mheap *h, struct gcwork *w);

CORE_INLINE void work_push(struct mheap *h, struct gcwork *w, void *object)
{
    if (UNLIKELY(!w->current || w->current->n == WORKBUF_OBJECTS) && !work_push_slow(h, w))
        return;
    w->current->objects[w->current->n++] = object;
}

CORE_INLINE bool work_is_here(const struct gcwork *w) // in the first buffer
{
    return w->current && w->current->n;
}

CORE_INLINE void *work_pop(struct mheap *h, struct gcwork *w) // NULL: none here and none shared
{
    struct workbuf *buf = w->current;
    if (UNLIKELY(!buf || buf->n == 0))
        return work_pop_slow(h, w);
    void *object = buf->objects[--buf->n];
    if (!object)
        __builtin_unreachable(); // saves the caller a test
    return object;
}

// Have a buffer to begin with: who needs the first one in a stop may have to wait there for memory that nobody touched before, and the
// system clears 2 MiB of it at once.
CORE void work_prepare(struct mheap *h, struct gcwork *w);
// Half of what this one has goes to the shared list, for others who have nothing (mgcwork.go:balance).
CORE void work_share(struct mheap *h, struct gcwork *w);
// A part of the shared spans comes into this one's queue; false: it is empty.
CORE bool work_steal_spans(struct mheap *h, struct gcwork *w);
// Everything goes: objects and spans to the shared lists, counters to the collector's. True if there was something to scan.
CORE bool work_hand_over(struct mheap *h, struct gcwork *w);
// Counters only.
CORE void work_publish(struct mheap *h, struct gcwork *w);
CORE bool work_is_shared(struct mheap *h); // a shared list is not empty
// For an interrupted cycle: forget what is queued anywhere. World stopped.
CORE void work_discard(struct mheap *h);
// Give the buffers back to the page heap; none may hold an object. World stopped.
CORE void work_free(struct mheap *h);
