#include "gc/barrier.h"

#include "base/bits.h"
#include "gc/mark.h"

// --- the buffer --------------------------------------------------------------------------------------------------

static void **buffer_end(struct mutator *m)
{
    return m->shade_buffer + heap_of(mheap_of(m))->gc.shade_entries;
}

// Marking may be on already.
CORE void barrier_init(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    m->pub.shade_next = m->shade_buffer;
    m->pub.shade_end = GCSIM_STEPS ? m->shade_buffer : buffer_end(m);
    m->pub.barrier =
        (GCSIM_STEPS ? GCSIM_BARRIER_STEPS : 0) | (h->blacken ? GCSIM_BARRIER_MARKING : 0);
}

CORE void barrier_switch(struct mheap *h, bool on)
{
    GCSIM_STORE(&h->blacken, (uint32_t)on);
    for (struct mutator *m = h->mutators; m; m = m->next)
        barrier_init(m);
}

CORE void barrier_flush(struct mutator *m)
{
    void **end = m->pub.shade_next;
    m->pub.shade_next = m->shade_buffer;
    for (void **p = m->shade_buffer; p < end; p++)
        mark_shade(m, *p);
    STEP(mheap_of(m), BARRIER_FLUSH, m->pub.id, 0, (uint64_t)(end - m->shade_buffer));
}

// Note a pointer; with a buffer of no entries it is shaded at once.
static void note(struct mutator *m, void *ptr)
{
    if (!ptr)
        return;
    if (m->pub.shade_next == buffer_end(m))
        barrier_flush(m);
    if (m->pub.shade_next == buffer_end(m))
        mark_shade(m, ptr);
    else
        *m->pub.shade_next++ = ptr;
}

// --- one store, as a list of actions -----------------------------------------------------------------------------

#define AT(m, slot, ptr, kind)                                                                     \
    STEP(mheap_of(m), kind, (m)->pub.id, arena_offset(mheap_of(m), slot),                          \
         (ptr) ? arena_offset(mheap_of(m), ptr) : 0)
#define SHADE_OLD(m, slot, ptr)                                                                    \
    (AT(m, slot, GCSIM_LOAD(slot), SHADE_OLD), note(m, GCSIM_LOAD(slot)))
#define SHADE_NEW(m, slot, ptr) (AT(m, slot, ptr, SHADE_NEW), note(m, ptr))
#define STORE(m, slot, ptr)     (AT(m, slot, ptr, STORE), GCSIM_STORE(slot, ptr))

#define HYBRID(m, slot, ptr) (SHADE_OLD(m, slot, ptr), SHADE_NEW(m, slot, ptr), STORE(m, slot, ptr))

CORE void barrier_store(struct mutator *m, void **slot, void *ptr)
{
    if (m->pub.barrier & GCSIM_BARRIER_MARKING)
        HYBRID(m, slot, ptr);
    else
        STORE(m, slot, ptr);
}

CORE void barrier_root(struct mutator *m, void **slot, void *ptr)
{
    if (UNLIKELY(m->pub.barrier & GCSIM_BARRIER_MARKING)) {
        note(m, GCSIM_LOAD(slot));
        note(m, ptr);
    }
    GCSIM_STORE(slot, ptr);
}

// --- many (mbitmap.go:bulkBarrierPreWrite) -----------------------------------------------------------------------

// Before anything is written: the old pointers of the destination and, if there is a source, the new ones.
static void note_all(struct mutator *m, const gcsim_type *t, void **to, void *const *from,
                     uint64_t count)
{
    for (uint64_t i = 0; i < count; i++, to += t->bytes / 8, from += from ? t->bytes / 8 : 0)
        for (uint64_t w = 0; w < divide_up(t->ptr_bytes / 8, 64); w++)
            for (uint64_t bits = t->mask[w]; bits; bits &= bits - 1) {
                uint64_t at = w * 64 + bits_lowest(bits);
                note(m, GCSIM_LOAD(to + at));
                note(m, from ? GCSIM_LOAD(from + at) : NULL);
            }
}

CORE void barrier_copy(struct mutator *m, const gcsim_type *t, void *to, const void *from,
                       uint64_t count)
{
    if (type_noscan(t)) {
        memmove(to, from, t->bytes * count);
        return;
    }
    if (m->pub.barrier & GCSIM_BARRIER_MARKING)
        note_all(m, t, to, from, count);
    uint64_t *d = to;
    const uint64_t *s = from;
    uint64_t words = t->bytes / 8 * count;
    if ((uintptr_t)d <= (uintptr_t)s || (uintptr_t)d >= (uintptr_t)(s + words))
        for (uint64_t i = 0; i < words; i++)
            GCSIM_STORE(d + i, GCSIM_LOAD(s + i));
    else
        for (uint64_t i = words; i-- > 0;)
            GCSIM_STORE(d + i, GCSIM_LOAD(s + i));
}

CORE void barrier_clear(struct mutator *m, const gcsim_type *t, void *to, uint64_t count)
{
    if (type_noscan(t)) {
        memset(to, 0, t->bytes * count);
        return;
    }
    if (m->pub.barrier & GCSIM_BARRIER_MARKING)
        note_all(m, t, to, NULL, count);
    uint64_t *d = to;
    for (uint64_t i = 0; i < t->bytes / 8 * count; i++)
        GCSIM_STORE(d + i, 0);
}
