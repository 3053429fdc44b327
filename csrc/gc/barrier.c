#include "gc/barrier.h"

CORE void barrier_store(struct mutator *m, void **slot, void *ptr)
{
    struct mheap *h = mheap_of(m);
    STEP(h, STORE, m->pub.id, arena_offset(h, slot), ptr ? arena_offset(h, ptr) : 0);
    GCSIM_STORE(slot, ptr);
}

CORE void barrier_copy(struct mutator *m, const gcsim_type *t, void *to, const void *from,
                       uint64_t count)
{
    (void)m;
    if (type_noscan(t)) {
        memmove(to, from, t->bytes * count);
        return;
    }
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
    (void)m;
    if (type_noscan(t)) {
        memset(to, 0, t->bytes * count);
        return;
    }
    uint64_t *d = to;
    for (uint64_t i = 0; i < t->bytes / 8 * count; i++)
        GCSIM_STORE(d + i, 0);
}
