// Grey objects: marked, not yet scanned. A stack of 2 KiB buffers in manual spans of 32 KiB (mgcwork.go).
//
// Running out of memory for buffers is an ordinary case: the object is forgotten and `overflow` set; marking then ends with a pass over
// all marked objects (gc/mark.c:mark_rescan), as often as needed.
#pragma once

#include "gc/heap.h"

CORE bool work_push_slow(struct mheap *h);
CORE void *work_pop_slow(struct mheap *h);

enum { WORKBUF_OBJECTS = (WORKBUF_BYTES - 16) / 8 };

CORE_INLINE void work_push(struct mheap *h, void *object)
{
    struct work *w = &heap_of(h)->gc.work;
    if (UNLIKELY(!w->current || w->current->n == WORKBUF_OBJECTS) && !work_push_slow(h))
        return;
    w->current->objects[w->current->n++] = object;
}

CORE_INLINE void *work_pop(struct mheap *h) // NULL: none
{
    struct workbuf *buf = heap_of(h)->gc.work.current;
    if (UNLIKELY(!buf || buf->n == 0))
        return work_pop_slow(h);
    return buf->objects[--buf->n];
}

CORE void work_discard(struct mheap *h); // forget what is queued
CORE void work_free(
    struct mheap *h); // give the buffers back to the page heap; the queue must be empty
