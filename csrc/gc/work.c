#include "gc/work.h"

enum { WORK_SPAN_PAGES = 4 };

static struct workbuf *workbuf_get(struct mheap *h)
{
    struct work *w = &heap_of(h)->gc.work;
    if (!w->empty) {
        gcsim_status status;
        gcsim_span *s = mheap_alloc_manual(h, WORK_SPAN_PAGES, GCSIM_MANUAL_WORKBUF, &status);
        if (!s)
            return NULL;
        s->next = w->spans ? span_page(h, w->spans) + 1 : 0;
        w->spans = s;
        for (uint32_t i = 0; i < WORK_SPAN_PAGES * PAGE_BYTES / WORKBUF_BYTES; i++) {
            struct workbuf *buf = (struct workbuf *)(void *)(s->base + i * WORKBUF_BYTES);
            buf->n = 0;
            buf->next = w->empty;
            w->empty = buf;
        }
    }
    struct workbuf *buf = w->empty;
    w->empty = buf->next;
    buf->next = NULL;
    return buf;
}

CORE COLD bool work_push_slow(struct mheap *h)
{
    struct work *w = &heap_of(h)->gc.work;
    struct workbuf *buf = workbuf_get(h);
    if (!buf) {
        w->overflow = true;
        return false;
    }
    if (w->current) {
        w->current->next = w->full;
        w->full = w->current;
    }
    w->current = buf;
    return true;
}

CORE COLD void *work_pop_slow(struct mheap *h)
{
    struct work *w = &heap_of(h)->gc.work;
    if (!w->full)
        return NULL;
    w->current->next = w->empty;
    w->empty = w->current;
    w->current = w->full;
    w->full = w->current->next;
    w->current->next = NULL;
    return w->current->objects[--w->current->n];
}

CORE void work_discard(struct mheap *h)
{
    while (work_pop(h))
        ;
    heap_of(h)->gc.work.overflow = false;
}

CORE void work_free(struct mheap *h)
{
    struct work *w = &heap_of(h)->gc.work;
    INVARIANT(!w->full && (!w->current || w->current->n == 0));
    w->current = w->empty = NULL;
    while (w->spans) {
        gcsim_span *s = w->spans;
        w->spans = s->next ? &h->spans[s->next - 1] : NULL;
        s->next = 0;
        mheap_free(h, s);
    }
}
