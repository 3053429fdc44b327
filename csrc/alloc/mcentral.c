#include "alloc/mcentral.h"

#include "alloc/door.h"

enum {
    SWEEP_BUDGET = 100
}; // spans swept at most in search of a free slot before the heap grows (mcentral.go:cacheSpan)

static gcsim_span *pop(struct mheap *h, struct mcentral *c, struct span_list *list)
{
    if (span_list_is_empty(list))
        return NULL;
    rt_lock(&h->rt, &c->lock);
    gcsim_span *s = span_list_pop(h, list);
    rt_unlock(&h->rt, &c->lock);
    return s;
}

// To be swept. Counted before the list looks empty: who finds nothing left and nobody counted knows that all is swept.
static gcsim_span *pop_unswept(struct mheap *h, struct mcentral *c, struct span_list *list)
{
    if (span_list_is_empty(list))
        return NULL;
    rt_lock(&h->rt, &c->lock);
    if (list->head)
        __atomic_fetch_add(&h->sweeping, 1, __ATOMIC_RELAXED);
    gcsim_span *s = span_list_pop(h, list);
    rt_unlock(&h->rt, &c->lock);
    return s;
}

static void file(struct mheap *h, gcsim_span *s, unsigned side)
{
    struct mcentral *c = &h->central[s->span_class];
    bool full = s->alloc_count == s->nelems;
    rt_lock(&h->rt, &c->lock);
    span_list_push(h, full ? &c->full[side] : &c->partial[side], s);
    rt_unlock(&h->rt, &c->lock);
}

CORE void mcentral_file(struct mheap *h, gcsim_span *s) { file(h, s, swept_side(h)); }

CORE unsigned mcentral_unswept_class(const struct mheap *h, unsigned from)
{
    unsigned side = !swept_side(h), spc = from;
    while (spc < NUM_SPAN_CLASSES && span_list_is_empty(&h->central[spc].full[side]) &&
           span_list_is_empty(&h->central[spc].partial[side]))
        spc++;
    return spc;
}

CORE gcsim_span *mcentral_pop_unswept(struct mheap *h, unsigned span_class)
{
    struct mcentral *c = &h->central[span_class];
    gcsim_span *s = pop_unswept(h, c, &c->full[!swept_side(h)]);
    return s ? s : pop_unswept(h, c, &c->partial[!swept_side(h)]);
}

CORE void mcentral_unlist_unswept(struct mheap *h, gcsim_span *s)
{
    struct mcentral *c = &h->central[s->span_class];
    bool full = s->alloc_count == s->nelems;
    rt_lock(&h->rt, &c->lock);
    struct span_list *list = full ? &c->full[!swept_side(h)] : &c->partial[!swept_side(h)];
    if (s->before || s->next || list->head == span_page(h, s) + 1)
        span_list_remove(h, list, s);
    rt_unlock(&h->rt, &c->lock);
}

CORE gcsim_span *mcentral_cache(struct mheap *h, struct mutator *m, unsigned span_class,
                                gcsim_status *status)
{
    struct mcentral *c = &h->central[span_class];
    gcsim_span *s = pop(h, c, &c->partial[swept_side(h)]);
    if (s)
        return s;
    int budget = door_may_sweep(h) ? SWEEP_BUDGET : -1;
    for (; budget >= 0; budget--) { // these have a free slot even before they are swept
        s = pop_unswept(h, c, &c->partial[!swept_side(h)]);
        if (!s)
            break;
        if (door_sweep_span(h, s, true))
            return s;
    }
    for (; budget >= 0; budget--) {
        s = pop_unswept(h, c, &c->full[!swept_side(h)]);
        if (!s)
            break;
        if (!door_sweep_span(h, s, true))
            continue;
        if (s->alloc_count < s->nelems)
            return s;
        mcentral_file(h, s);
    }
    return mheap_alloc(h, m, size_class_pages[span_class_size_class(span_class)], span_class,
                       status);
}

CORE void mcentral_uncache(struct mheap *h, gcsim_span *s)
{
    if (s->sweepgen == h->sweepgen + 1) { // cached since before this sweep began
        GCSIM_STORE(&s->sweepgen, h->sweepgen - 2);
        if (!door_may_sweep(h)) {
            file(h, s, !swept_side(h));
            return;
        }
        __atomic_fetch_add(&h->sweeping, 1, __ATOMIC_RELAXED);
        door_sweep_span(h, s, false);
    } else {
        GCSIM_STORE(&s->sweepgen, h->sweepgen);
        mcentral_file(h, s);
    }
}
