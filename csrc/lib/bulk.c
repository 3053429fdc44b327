#include "lib/bulk.h"

#include "base/bits.h"
#include "gc/barrier.h"
#include "gc/cycle.h"
#include "gc/roots.h"
#include "gc/world.h"
#include "watch/objects.h"

enum { POLL_EVERY = 1 << 14 };

static bool poll_due(struct mutator *m, uint64_t i)
{
    return UNLIKELY(i % POLL_EVERY == POLL_EVERY - 1) && world_interrupted(m, false);
}

static uint64_t type_number(const gcsim_build *what, uint64_t i)
{
    if (!what->type_of)
        return 0;
    return what->type_of_bytes == 4 ? ((const uint32_t *)what->type_of)[i]
                                    : ((const uint8_t *)what->type_of)[i];
}

// Objects from..to; how many could be made.
static uint64_t build_piece(struct mutator *m, const gcsim_build *what, void **objects,
                            uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        const gcsim_type *t = what->types[type_number(what, i)];
        void *p = !what->counts || what->counts[i] == 1 ? gcsim_new(&m->pub, t)
                                                        : malloc_array(m, t, what->counts[i]);
        if (UNLIKELY(!p))
            return i - from;
        GCSIM_STORE(&objects[i], p); // a marker may be reading the batch
    }
    return to - from;
}

// Objects in free slots of the window, at most `room` of them; how many. As gcsim_new makes them one by one, which it is left to where the
// window is used up or was prepared for other pointer bits.
static uint64_t take_from_window(gcsim_span *s, const gcsim_type *t, void **objects, uint64_t room)
{
    uint64_t free = s->free, slot_bytes = s->slot_bytes32, n = 0;
    if (UNLIKELY(!free || t->slot_ptrs != s->window_ptrs))
        return 0;
    char *p = s->window + bits_lowest(free) * slot_bytes;
    uint64_t run = free >> bits_lowest(free);
    if (!(run & (run + 1))) { // one free slot behind the other, as in memory that is new
        uint64_t slots = bits_highest(run) + 1;
        for (slots = slots < room ? slots : room; n < slots; n++, p += slot_bytes)
            GCSIM_STORE(&objects[n], p);
        free &= ~(bits_low((unsigned)n) << bits_lowest(free));
    } else {
        for (char *window = s->window; free && n < room; free &= free - 1)
            GCSIM_STORE(&objects[n++], window + bits_lowest(free) * slot_bytes);
    }
    s->free = free;
    return n;
}

// The same as build_piece for the common case: all of one type.
static uint64_t build_piece_alike(struct mutator *m, const gcsim_type *t, void **objects,
                                  uint64_t from, uint64_t to)
{
    for (uint64_t i = from, n; i < to; i += n) {
        n = take_from_window(m->pub.alloc[t->fast_class], t, objects + i, to - i);
        if (n)
            continue;
        void *p = gcsim_new(&m->pub, t);
        if (UNLIKELY(!p))
            return i - from;
        GCSIM_STORE(&objects[i], p);
        n = 1;
    }
    return to - from;
}

// Cycles that others start find the objects in the batch, which is strong.
static gcsim_status build_objects(struct mutator *m, const gcsim_build *what, gcsim_batch *batch)
{
    bool alike = !what->type_of && !what->counts;
    for (uint64_t from = 0, to; from < what->count; from = to) {
        to = what->count - from < POLL_EVERY ? what->count : from + POLL_EVERY;
        uint64_t made = alike ? build_piece_alike(m, what->types[0], batch->objects, from, to)
                              : build_piece(m, what, batch->objects, from, to);
        if (made != to - from)
            return m->pub.status;
        if (made == POLL_EVERY && world_interrupted(m, false))
            return GCSIM_INTERRUPTED;
    }
    return GCSIM_OK;
}

CORE gcsim_batch *bulk_build(struct mutator *m, const gcsim_build *what)
{
    bool bad = what->ntypes == 0 || (what->type_of_bytes > 1 && what->type_of_bytes != 4);
    for (uint64_t i = 0; !bad && what->type_of && i < what->count; i++)
        bad = type_number(what, i) >= what->ntypes;
    if (bad) {
        m->pub.status = GCSIM_BAD_SIZE;
        return NULL;
    }
    gcsim_batch *batch = batch_make(m, what->count);
    if (!batch)
        return NULL;
    uint64_t held = cycle_hold(m);
    gcsim_status status = build_objects(m, what, batch);
    cycle_release(m, held);
    if (status == GCSIM_OK)
        return batch;
    batch_release(m, batch);
    m->pub.status = status;
    return NULL;
}

// Bytes that a program may use behind an object's address; 0 for none (zero-size objects).
static uint64_t usable_bytes(struct mheap *h, const void *p)
{
    gcsim_span *s = span_of(h, p);
    if (!s || s->state != GCSIM_SPAN_IN_USE)
        return 0;
    return s->slot_bytes - (uint64_t)((const char *)p - span_slot(s, span_index(s, p)));
}

static int64_t index_at(const gcsim_links *links, uint64_t i)
{
    return links->index_bytes == 4 ? ((const int32_t *)links->index)[i]
                                   : ((const int64_t *)links->index)[i];
}

CORE gcsim_status bulk_link(struct mutator *m, gcsim_batch *batch, const gcsim_links *links)
{
    struct mheap *h = mheap_of(m);
    if (links->offset % 8 || (links->index_bytes != 4 && links->index_bytes != 8))
        return GCSIM_BAD_SIZE;
    for (uint64_t i = 0; i < batch->count; i++) { // all is checked before anything is written
        int64_t to = index_at(links, i);
        if (to < -1 || to >= (int64_t)batch->count)
            return GCSIM_BAD_SIZE;
        if (to >= 0 && batch->objects[i] && links->offset + 8 > usable_bytes(h, batch->objects[i]))
            return GCSIM_BAD_SIZE;
    }
    for (uint64_t i = 0; i < batch->count; i++) {
        int64_t to = index_at(links, i);
        if (batch->objects[i] && links->offset + 8 <= usable_bytes(h, batch->objects[i]))
            gcsim_store(&m->pub, (char *)batch->objects[i] + links->offset,
                        to < 0 ? NULL : batch->objects[to]);
        if (poll_due(m, i))
            return GCSIM_INTERRUPTED;
    }
    return GCSIM_OK;
}

static char *slot_base(struct mheap *h, void *p)
{
    gcsim_span *s = span_of(h, p);
    return s && s->state == GCSIM_SPAN_IN_USE ? span_slot(s, span_index(s, p)) : p;
}

static bool edge_valid(struct mheap *h, const gcsim_batch *batch, const gcsim_edges *e, uint64_t k)
{
    if (e->source[k] >= batch->count || e->target[k] < -1 ||
        e->target[k] >= (int64_t)batch->count || e->source_offset[k] % 8)
        return false;
    void *from = batch->objects[e->source[k]],
         *to = e->target[k] < 0 ? NULL : batch->objects[e->target[k]];
    if (!from || (uint64_t)e->source_offset[k] + 8 > usable_bytes(h, slot_base(h, from)))
        return false;
    return !to || (e->target_offset ? e->target_offset[k] : 0) < usable_bytes(h, slot_base(h, to));
}

CORE gcsim_status bulk_link_edges(struct mutator *m, gcsim_batch *batch, const gcsim_edges *e)
{
    struct mheap *h = mheap_of(m);
    for (uint64_t k = 0; k < e->count; k++)
        if (!edge_valid(h, batch, e, k))
            return GCSIM_BAD_SIZE;
    for (uint64_t k = 0; k < e->count; k++) {
        char *to = e->target[k] < 0 ? NULL
                                    : slot_base(h, batch->objects[e->target[k]]) +
                                          (e->target_offset ? e->target_offset[k] : 0);
        gcsim_store(&m->pub, slot_base(h, batch->objects[e->source[k]]) + e->source_offset[k], to);
        if (poll_due(m, k))
            return GCSIM_INTERRUPTED;
    }
    return GCSIM_OK;
}

// --- the way back ------------------------------------------------------------------------------------------------

struct numbered {
    char *base;
    uint64_t number;
};

static int by_base(const void *a, const void *b)
{
    const struct numbered *x = a, *y = b;
    return x->base < y->base ? -1 : x->base > y->base;
}

static int64_t number_of(const struct numbered *sorted, uint64_t n, const char *base)
{
    uint64_t low = 0, high = n;
    while (low < high) {
        uint64_t mid = low + (high - low) / 2;
        if (sorted[mid].base < base)
            low = mid + 1;
        else
            high = mid;
    }
    return low < n && sorted[low].base == base ? (int64_t)sorted[low].number : -2;
}

CORE gcsim_status bulk_read_links(struct mutator *m, gcsim_batch *batch, uint64_t offset,
                                  int64_t *index)
{
    struct mheap *h = mheap_of(m);
    if (offset % 8)
        return GCSIM_BAD_SIZE;
    struct numbered *sorted = os_fault() ? NULL : malloc((batch->count + 1) * sizeof *sorted);
    if (!sorted)
        return GCSIM_NO_MEMORY;
    bool rising = true;
    for (uint64_t i = 0; i < batch->count; i++) {
        void *p = gcsim_batch_at(&m->pub, batch, i);
        sorted[i] = (struct numbered){p ? slot_base(h, p) : NULL, i};
        rising &= i == 0 || sorted[i - 1].base <= sorted[i].base;
    }
    if (!rising)
        qsort(sorted, batch->count, sizeof *sorted, by_base);
    for (uint64_t i = 0; i < batch->count; i++) {
        void *from = gcsim_batch_at(&m->pub, batch, i), *to = NULL;
        if (from && offset + 8 <= usable_bytes(h, from))
            to = GCSIM_LOAD((void **)(void *)((char *)from + offset));
        index[i] = to ? number_of(sorted, batch->count, slot_base(h, to)) : -1;
    }
    free(sorted);
    return GCSIM_OK;
}
