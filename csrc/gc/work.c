#include "gc/work.h"

#include "gc/spanq.h"

enum {
    WORK_SPAN_PAGES = 4,
    MOST_SPANS_MOVED = 128, // at once (mgcmark_greenteagc.go:spanQueue)
};

// --- the shared lists --------------------------------------------------------------------------------------------

// `lock` is held.
static bool work_grow(struct mheap *h, struct work *shared)
{
    gcsim_status status;
    gcsim_span *s = mheap_alloc_manual(h, WORK_SPAN_PAGES, GCSIM_MANUAL_WORKBUF, &status);
    if (!s)
        return false;
    s->next = shared->spans ? span_page(h, shared->spans) + 1 : 0;
    shared->spans = s;
    for (uint32_t i = 0; i < WORK_SPAN_PAGES * PAGE_BYTES / WORKBUF_BYTES; i++) {
        struct workbuf *buf = (struct workbuf *)(void *)(s->base + i * WORKBUF_BYTES);
        buf->n = 0;
        buf->next = shared->empty;
        shared->empty = buf;
    }
    return true;
}

static struct workbuf *workbuf_pop(struct workbuf **list)
{
    struct workbuf *buf = *list;
    if (buf) {
        GCSIM_STORE(list, buf->next);
        buf->next = NULL;
    }
    return buf;
}

static void workbuf_push(struct workbuf **list, struct workbuf *buf)
{
    buf->next = *list;
    GCSIM_STORE(list, buf);
}

static struct workbuf *workbuf_get_empty(struct mheap *h)
{
    struct work *shared = &heap_of(h)->gc.work;
    rt_lock(&h->rt, &shared->lock);
    if (!shared->empty)
        work_grow(h, shared);
    struct workbuf *buf = workbuf_pop(&shared->empty);
    rt_unlock(&h->rt, &shared->lock);
    return buf;
}

// Something was shared: whoever waits for it is told.
static void feed_hungry(struct mheap *h)
{
    struct work *shared = &heap_of(h)->gc.work;
    if (!GCSIM_LOAD(&shared->hungry))
        return;
    __atomic_fetch_add(&shared->news, 1, __ATOMIC_RELEASE);
    rt_wake_all(&h->rt, &shared->news);
}

static void workbuf_put(struct mheap *h, struct workbuf *buf)
{
    struct work *shared = &heap_of(h)->gc.work;
    bool full = buf->n != 0;
    rt_lock(&h->rt, &shared->lock);
    workbuf_push(full ? &shared->full : &shared->empty, buf);
    rt_unlock(&h->rt, &shared->lock);
    if (full)
        feed_hungry(h);
}

// All spans of a queue, or the older half, cut off.
static struct span_queue spans_cut(struct mheap *h, struct span_queue *from, bool half)
{
    struct span_queue cut = *from;
    if (half && cut.n > 1) {
        cut.n = cut.n < 2 * MOST_SPANS_MOVED ? divide_up(cut.n, 2) : MOST_SPANS_MOVED;
        cut.last = cut.first;
        for (uint64_t i = 1; i < cut.n; i++)
            cut.last = h->spans[cut.last - 1].grey_next;
        GCSIM_STORE(&from->first, h->spans[cut.last - 1].grey_next);
        h->spans[cut.last - 1].grey_next = 0;
    } else {
        GCSIM_STORE(&from->first, 0);
    }
    from->n -= cut.n;
    return cut;
}

// From one queue to another, of which one is the shared one.
static void spans_move(struct mheap *h, struct span_queue *from, struct span_queue *to, bool half)
{
    struct work *shared = &heap_of(h)->gc.work;
    rt_lock(&h->rt, &shared->lock);
    struct span_queue cut = spans_cut(h, from, half);
    if (to->first)
        h->spans[to->last - 1].grey_next = cut.first;
    else
        GCSIM_STORE(&to->first, cut.first);
    to->last = cut.first ? cut.last : to->last;
    to->n += cut.n;
    rt_unlock(&h->rt, &shared->lock);
}

static void spans_put(struct mheap *h, struct span_queue *from, bool half)
{
    spans_move(h, from, &heap_of(h)->gc.work.grey_spans, half);
    feed_hungry(h);
}

CORE bool work_is_shared(struct mheap *h)
{
    struct work *shared = &heap_of(h)->gc.work;
    return __atomic_load_n(&shared->full, __ATOMIC_ACQUIRE) ||
           __atomic_load_n(&shared->grey_spans.first, __ATOMIC_ACQUIRE);
}

// --- one mutator's -----------------------------------------------------------------------------------------------

static void swap_buffers(struct gcwork *w)
{
    struct workbuf *buf = w->current;
    w->current = w->spare;
    w->spare = buf;
}

CORE COLD bool work_push_slow(struct mheap *h, struct gcwork *w)
{
    if (w->current)
        swap_buffers(w);
    if (w->current && w->current->n < WORKBUF_OBJECTS)
        return true;
    struct workbuf *buf = workbuf_get_empty(h);
    if (!buf) {
        if (w->current && w->spare && w->spare->n < WORKBUF_OBJECTS) {
            swap_buffers(w);
            return true;
        }
        __atomic_store_n(&heap_of(h)->gc.work.overflow, true, __ATOMIC_RELAXED);
        return false;
    }
    if (w->current)
        workbuf_put(h, w->current);
    w->current = buf;
    return true;
}

CORE void work_prepare(struct mheap *h, struct gcwork *w)
{
    if (!w->current)
        w->current = workbuf_get_empty(h);
}

CORE COLD void *work_pop_slow(struct mheap *h, struct gcwork *w)
{
    if (w->spare && w->spare->n) {
        swap_buffers(w);
        return w->current->objects[--w->current->n];
    }
    struct work *shared = &heap_of(h)->gc.work;
    if (!__atomic_load_n(&shared->full, __ATOMIC_ACQUIRE))
        return NULL;
    rt_lock(&h->rt, &shared->lock);
    struct workbuf *buf = workbuf_pop(&shared->full);
    if (buf && w->current)
        workbuf_push(&shared->empty, w->current);
    rt_unlock(&h->rt, &shared->lock);
    if (!buf)
        return NULL;
    w->current = buf;
    return buf->objects[--buf->n];
}

CORE bool work_steal_spans(struct mheap *h, struct gcwork *w)
{
    struct span_queue *shared = &heap_of(h)->gc.work.grey_spans;
    if (GCSIM_LOAD(&shared->first))
        spans_move(h, shared, &w->spans, true);
    return w->spans.first != 0;
}

CORE void work_share(struct mheap *h, struct gcwork *w)
{
    if (w->spans.n > 1) {
        spans_put(h, &w->spans, true);
        return;
    }
    if (w->spare && w->spare->n) {
        workbuf_put(h, w->spare);
        w->spare = NULL;
        return;
    }
    if (!w->current || w->current->n <= 4)
        return;
    struct workbuf *half = w->spare ? w->spare : workbuf_get_empty(h);
    w->spare = NULL;
    if (!half)
        return;
    uint64_t n = w->current->n / 2; // the older half stays behind in the buffer that is given away
    memcpy(half->objects, w->current->objects + w->current->n - n, n * sizeof half->objects[0]);
    half->n = n;
    w->current->n -= n;
    workbuf_put(h, w->current);
    w->current = half;
}

CORE void work_publish(struct mheap *h, struct gcwork *w)
{
    struct gc *gc = &heap_of(h)->gc;
    count_add(&gc->bytes_marked, w->bytes_marked);
    count_add(&gc->objects_marked, w->objects_marked);
    count_add(&gc->scan_work, w->scan_work);
    count_add(&gc->pointers, w->pointers);
    w->bytes_marked = w->objects_marked = w->scan_work = w->pointers = 0;
}

CORE bool work_hand_over(struct mheap *h, struct gcwork *w)
{
    bool any = false;
    struct workbuf *bufs[] = {w->current, w->spare};
    w->current = w->spare = NULL;
    for (int i = 0; i < 2; i++)
        if (bufs[i]) {
            any |= bufs[i]->n != 0;
            workbuf_put(h, bufs[i]);
        }
    if (w->spans.first) {
        any = true;
        spans_put(h, &w->spans, false);
    }
    work_publish(h, w);
    return any;
}

// --- the end -----------------------------------------------------------------------------------------------------

CORE void work_discard(struct mheap *h)
{
    struct work *shared = &heap_of(h)->gc.work;
    for (struct mutator *m = h->mutators; m; m = m->next)
        m->work = (struct gcwork){0};
    GCSIM_STORE(&shared->full, NULL); // the spans have them all
    GCSIM_STORE(&shared->empty, NULL);
    GCSIM_STORE(&shared->grey_spans.first, 0u);
    shared->grey_spans.n = 0;
    shared->overflow = false;
}

CORE void work_free(struct mheap *h)
{
    struct work *shared = &heap_of(h)->gc.work;
    INVARIANT(!shared->full && !shared->grey_spans.first && !shared->overflow);
    shared->empty = NULL;
    while (shared->spans) {
        gcsim_span *s = shared->spans;
        shared->spans = s->next ? &h->spans[s->next - 1] : NULL;
        s->next = 0;
        mheap_free(h, s);
    }
}
