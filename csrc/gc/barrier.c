#include "gc/barrier.h"

#include "base/bits.h"
#include "gc/mark.h"
#include "gc/processor.h"
#include "gc/world.h"

// --- the buffer --------------------------------------------------------------------------------------------------

static void **buffer_end(struct mutator *m)
{
    return m->shade_buffer + heap_of(mheap_of(m))->gc.shade_entries;
}

// The inline path knows the hybrid barrier; for any other one its buffer looks full.
static bool leaves_inline(const struct gc *gc)
{
    return GCSIM_STEPS || gc->barrier != GCSIM_BARRIER_HYBRID;
}

// Marking may be on already.
CORE void barrier_init(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    m->pub.shade_next = m->shade_buffer;
    m->pub.shade_end = leaves_inline(&heap_of(h)->gc) ? m->shade_buffer : buffer_end(m);
    m->pub.barrier =
        (GCSIM_STEPS ? GCSIM_BARRIER_STEPS : 0) | (h->blacken ? GCSIM_BARRIER_MARKING : 0);
}

CORE void barrier_switch(struct mheap *h, bool on)
{
    GCSIM_STORE(&h->blacken, (uint32_t)on);
    processor_marking(h);
    for (struct mutator *m = h->mutators; m; m = m->next) {
        barrier_init(m);
        if (heap_of(h)->gc.late_barrier)
            m->pub.barrier &= (uint8_t)~GCSIM_BARRIER_MARKING;
    }
}

CORE void barrier_switch_late(struct mheap *h)
{
    rt_lock(&h->rt, &h->mutators_lock);
    for (struct mutator *m = h->mutators; m && h->blacken; m = m->next) { // else abandoned
        STEP(h, BARRIER_ON, m->pub.id, 0, m->pub.id);
        m->pub.barrier |= GCSIM_BARRIER_MARKING;
    }
    rt_unlock(&h->rt, &h->mutators_lock);
}

// Stepped, and where objects may have been lost, one by one, each noted until it is taken: what is noted says all that is left.
CORE void barrier_flush(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    uint64_t n = (uint64_t)(m->pub.shade_next - m->shade_buffer);
    if (GCSIM_STEPS || heap_of(h)->gc.unsound) {
        while (m->pub.shade_next > m->shade_buffer)
            mark_shade(m, *--m->pub.shade_next);
    } else {
        m->pub.shade_next = m->shade_buffer;
        mark_shade_all(m, m->shade_buffer, n);
    }
    STEP(h, BARRIER_FLUSH, m->pub.id, 0, n);
}

// Note a pointer; with a buffer of no entries it is shaded at once.
static void note(struct mutator *m, void *ptr)
{
    if (!ptr)
        return;
    if (m->pub.shade_next == buffer_end(m)) {
        barrier_flush(m);
        if (PLANTED(FULL_BUFFER))
            return;
    }
    if (m->pub.shade_next == buffer_end(m))
        mark_shade(m, ptr);
    else
        *m->pub.shade_next++ = ptr;
}

// --- the actions -------------------------------------------------------------------------------------------------

// A pointer that is being written. Of many words, what the list has before the store is done for all, then they are written, then the rest.
enum part { WHOLE, BEFORE, AFTER };
struct store {
    struct mutator *m;
    void **slot;
    void *ptr;
    enum part part;
    bool event; // a program's own store, not one of many or one of the core's
    bool on;    // this part has begun and not ended
};

#define AT(s, kind, p)                                                                             \
    do {                                                                                           \
        struct mheap *h_ = mheap_of((s)->m);                                                       \
        uint64_t slot_ = arena_offset(h_, (s)->slot);                                              \
        const void *p_ = (p);                                                                      \
        uint64_t target_ = p_ ? arena_offset(h_, p_) : UINT64_MAX; /* 0 is an object */            \
        if ((s)->event)                                                                            \
            EMIT(h_, kind, (s)->m->pub.id, slot_, target_);                                        \
        do                                                                                         \
            POINT(h_, kind, slot_, target_);                                                       \
        while (stopped_here(s));                                                                   \
        (void)slot_, (void)target_;                                                                \
    } while (0)

// Go's compiler sees to it that nobody is preempted here (cmd/compile/internal/liveness/plive.go:markUnsafePoints). This is what it is for.
CORE_INLINE bool stopped_here(struct store *s)
{
    struct mheap *h = mheap_of(s->m);
    if (!GCSIM_STEPS || !heap_of(h)->gc.preempt_barrier || !(s->event || s->part != WHOLE) ||
        !world_wanted(h))
        return false;
    world_poll(s->m);
    s->on = s->on && s->m->pub.barrier & GCSIM_BARRIER_MARKING; // else marking has ended meanwhile
    return true;
}

CORE_INLINE void do_shade_old(struct store *s)
{
    if (!s->on)
        return;
    AT(s, SHADE_OLD, GCSIM_LOAD(s->slot));
    if (s->on)
        note(s->m, GCSIM_LOAD(s->slot));
}

CORE_INLINE void do_shade_new(struct store *s)
{
    if (!s->on)
        return;
    AT(s, SHADE_NEW, s->ptr);
    if (s->on)
        note(s->m, s->ptr);
}

CORE_INLINE void do_shade_new_if_grey(struct store *s)
{
    if (s->m->stacks_grey)
        do_shade_new(s);
}

// A root is no object: what is put there is shaded instead.
CORE_INLINE void do_shade_source(struct store *s)
{
    if (!s->on)
        return;
    AT(s, SHADE_SOURCE, s->ptr);
    if (s->on && !mark_again(s->m, s->slot))
        note(s->m, s->ptr);
}

CORE_INLINE void do_store(struct store *s)
{
    s->on = s->part != BEFORE;
    if (s->part != WHOLE)
        return;
    AT(s, STORE, s->ptr);
    GCSIM_STORE(s->slot, s->ptr);
}

static void act(struct store s)
{
    s.on = s.part != AFTER;
    switch (heap_of(mheap_of(s.m))->gc.barrier) {
#define DO(action) do_##action(&s);
#define BARRIER(NAME, name, sound, rescan, actions)                                                \
    case GCSIM_BARRIER_##NAME:                                                                     \
        actions break;
#include "gc/barrier.def"
#undef BARRIER
#undef DO
    default:
        break;
    }
}

// --- which one it is ---------------------------------------------------------------------------------------------

enum sound { NOT, BLACK_STACKS, ANY_STACKS };

static const struct {
    uint8_t sound; // enum sound
    bool rescan;
} barrier_rules[GCSIM_BARRIERS] = {
#define BARRIER(NAME, name, sound, rescan, actions) [GCSIM_BARRIER_##NAME] = {sound, rescan},
#include "gc/barrier.def"
#undef BARRIER
};

CORE bool barrier_options_fit(const gcsim_options *o)
{
    return o->barrier < GCSIM_BARRIERS && o->stacks < GCSIM_STACKS_ORDERS &&
           o->rescan_stacks <= 2 &&
           (GCSIM_STEPS || !(o->stacks | o->late_barrier | o->preempt_barrier));
}

CORE void barrier_choose(struct gc *gc, const gcsim_options *o)
{
    uint8_t sound = barrier_rules[o->barrier].sound;
    bool needs_rescan = barrier_rules[o->barrier].rescan;
    gc->barrier = o->barrier;
    gc->stacks = o->stacks;
    gc->rescan_stacks = o->rescan_stacks ? o->rescan_stacks == 1 : needs_rescan;
    gc->no_final_flush = o->no_final_flush;
    gc->late_barrier = o->late_barrier;
    gc->preempt_barrier = o->preempt_barrier;
    gc->unsound = sound == NOT || (sound == BLACK_STACKS && o->stacks) ||
                  (needs_rescan && !gc->rescan_stacks) || o->allocate_white || o->no_final_flush ||
                  o->late_barrier || o->preempt_barrier;
}

// --- one store ---------------------------------------------------------------------------------------------------

CORE void barrier_store(struct mutator *m, void **slot, void *ptr)
{
    struct store s = {m, slot, ptr, WHOLE, true, true};
    if ((m->pub.barrier & GCSIM_BARRIER_MARKING) && !(PLANTED(STORE_NIL) && !ptr))
        act(s);
    else
        do_store(&s);
}

CORE void barrier_root(struct mutator *m, void **slot, void *ptr)
{
    if (UNLIKELY(m->pub.barrier & GCSIM_BARRIER_MARKING))
        act((struct store){m, slot, ptr, WHOLE, false, true});
    else
        GCSIM_STORE(slot, ptr);
}

// --- many (mbitmap.go:bulkBarrierPreWrite) -----------------------------------------------------------------------

// What the list has before or after the store, for each pointer: the old ones of the destination and, if there is a source, the new ones.
static void act_on_all(struct mutator *m, enum part part, const gcsim_type *t, void **to,
                       void *const *from, uint64_t count)
{
    for (uint64_t i = 0; i < count * (t->bytes / 8); i += t->bytes / 8)
        for (uint64_t w = 0; w < divide_up(t->ptr_bytes / 8, 64); w++)
            for (uint64_t bits = t->mask[w]; bits; bits &= PLANTED(COPY_ONE_WORD) ? 0 : bits - 1) {
                uint64_t at = w * 64 + bits_lowest(bits);
                void *ptr = from ? GCSIM_LOAD(from + i + at) : NULL;
                act((struct store){m, to + i + at, ptr, part, false, true});
            }
}

// One pointer that is stored only if its slot has `old`. Whether or not it is, both are shaded (atomic_pointer.go:atomicwb).
CORE bool barrier_cas(struct mutator *m, void **slot, void *old, void *ptr)
{
    static const uint64_t mask = 1;
    const gcsim_type word = {.bytes = 8, .ptr_bytes = 8, .mask = &mask};
    struct store s = {m, slot, ptr, BEFORE, false, true};
    if (m->pub.barrier & GCSIM_BARRIER_MARKING)
        act_on_all(m, BEFORE, &word, slot, &ptr, 1);
    AT(&s, STORE, ptr);
    bool done =
        __atomic_compare_exchange_n(slot, &old, ptr, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    if (m->pub.barrier & GCSIM_BARRIER_MARKING)
        act_on_all(m, AFTER, &word, slot, &ptr, 1);
    return done;
}

// A word of them: others may see some written and some not yet.
CORE_INLINE void store_word(struct mutator *m, uint64_t *to, uint64_t word)
{
    do
        POINT(mheap_of(m), STORE, arena_offset(mheap_of(m), to),
              word ? arena_offset(mheap_of(m), (void *)(uintptr_t)word) : UINT64_MAX);
    while (stopped_here(&(struct store){.m = m, .event = true}));
    GCSIM_STORE(to, word);
}

CORE void barrier_copy(struct mutator *m, const gcsim_type *t, void *to, const void *from,
                       uint64_t count)
{
    if (type_noscan(t)) {
        memmove(to, from, t->bytes * count);
        return;
    }
    bool marking = (m->pub.barrier & GCSIM_BARRIER_MARKING) && !PLANTED(COPY);
    if (marking)
        act_on_all(m, BEFORE, t, to, from, count);
    uint64_t *d = to;
    const uint64_t *s = from;
    uint64_t words = t->bytes / 8 * count;
    if ((uintptr_t)d <= (uintptr_t)s || (uintptr_t)d >= (uintptr_t)(s + words))
        for (uint64_t i = 0; i < words; i++)
            store_word(m, d + i, GCSIM_LOAD(s + i));
    else
        for (uint64_t i = words; i-- > 0;)
            store_word(m, d + i, GCSIM_LOAD(s + i));
    if (marking) // the ranges may overlap: what was stored is in its place
        act_on_all(m, AFTER, t, to, to, count);
}

CORE void barrier_clear(struct mutator *m, const gcsim_type *t, void *to, uint64_t count)
{
    if (type_noscan(t)) {
        memset(to, 0, t->bytes * count);
        return;
    }
    bool marking = (m->pub.barrier & GCSIM_BARRIER_MARKING) && !PLANTED(CLEAR);
    if (marking)
        act_on_all(m, BEFORE, t, to, NULL, count);
    uint64_t *d = to;
    for (uint64_t i = 0; i < t->bytes / 8 * count; i++)
        store_word(m, d + i, 0);
    if (marking)
        act_on_all(m, AFTER, t, to, NULL, count);
}
