// The inline fast paths: allocation, store, enter and leave. Included by gcsim.h.
//
// In the step instantiation they always leave: every cached-span entry of the public mutator is the full span, the barrier
// flag is set, and the slow functions run the same bodies (gcsim_span_take) between step points.
#ifndef GCSIM_INLINE_H
#define GCSIM_INLINE_H

/* Slot and mark words that the collector also reads are relaxed atomics on both sides; this compiles to a plain move. */
#define GCSIM_LOAD(p)     __atomic_load_n((p), __ATOMIC_RELAXED)
#define GCSIM_STORE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define GCSIM_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Give the slot at p other pointer bits than its window has. One or two words of the span's bitmap: a slot has at most 64 bits. */
static inline void gcsim_set_slot_ptrs(gcsim_span *s, char *p, uint64_t ptrs)
{
    uint64_t at = (uint64_t)(p - s->base) / 8, shift = at % 64, words = s->slot_bytes32 / 8;
    uint64_t mask = words < 64 ? ((uint64_t)1 << words) - 1 : ~(uint64_t)0;
    uint64_t *bitmap = (uint64_t *)(void *)(s->base + s->heap_bits) + at / 64;
    GCSIM_STORE(&s->mixed, 1);
    GCSIM_STORE(bitmap, (GCSIM_LOAD(bitmap) & ~(mask << shift)) | ptrs << shift);
    if (shift + words > 64)
        GCSIM_STORE(bitmap + 1,
                    (GCSIM_LOAD(bitmap + 1) & ~(mask >> (64 - shift))) | ptrs >> (64 - shift));
}

/* Take the lowest free slot of the span's window, which must have one. */
static inline char *gcsim_span_take(gcsim_span *s)
{
    uint64_t free = s->free;
    char *p = s->window + (uint64_t)(unsigned)__builtin_ctzll(free) * s->slot_bytes32;
    s->free = free & (free - 1);
    return p;
}

/* A zeroed object of `type`, or NULL with m->status set. `make bench` prints its instructions, all slow paths included (a test keeps
   16 B with pointers at or below 30). Zeroing and pointer bits are prepared for a whole window, for the type that loaded it. */
static inline void *gcsim_new(gcsim_mutator *m, const gcsim_type *type)
{
    gcsim_span *s = m->alloc[type->fast_class];
    if (GCSIM_UNLIKELY(!s->free))
        return m->api->new_slow(m, type);
    char *p = gcsim_span_take(s);
    if (GCSIM_UNLIKELY(type->slot_ptrs != s->window_ptrs))
        gcsim_set_slot_ptrs(s, p, type->slot_ptrs);
    return p;
}

/* *slot = ptr, through the write barrier: while marking, the old and the new pointer are noted before the store (Go: mbarrier.go). */
static inline void gcsim_store(gcsim_mutator *m, void *slot, void *ptr)
{
    if (GCSIM_UNLIKELY(m->barrier)) {
        void **note = m->shade_next;
        if ((uintptr_t)(note + 2) > (uintptr_t)m->shade_end) { /* full, or the step instantiation */
            m->api->store_slow(m, (void **)slot, ptr);
            return;
        }
        note[0] = GCSIM_LOAD((void **)slot);
        note[1] = ptr;
        m->shade_next = note + 2;
        GCSIM_STORE((void **)slot, ptr); /* here too: saves a jump */
        return;
    }
    GCSIM_STORE((void **)slot, ptr);
}

/* Enter: afterwards the world is not being stopped and will wait for us. The stopper's membarrier makes the light fence safe
   (gc/world.c: stop). */
static inline void gcsim_enter(gcsim_mutator *m)
{
    GCSIM_STORE(&m->inside, 1u);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (GCSIM_UNLIKELY(__atomic_load_n(m->stop, __ATOMIC_ACQUIRE)))
        m->api->enter_slow(m);
}

static inline void gcsim_leave(gcsim_mutator *m)
{
    __atomic_store_n(&m->inside, 0u, __ATOMIC_RELEASE);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (GCSIM_UNLIKELY(GCSIM_LOAD(m->stop)))
        m->api->leave_slow(m);
}

/* A poll for loops that do not allocate. */
static inline void gcsim_safepoint(gcsim_mutator *m)
{
    if (GCSIM_UNLIKELY(GCSIM_LOAD(m->stop) & GCSIM_STOP_POLL))
        m->api->safepoint(m);
}

/* Object i of a batch, NULL if it is dead. The mutator is inside; the object stays until its next poll, wherever the caller puts it: while
   marking it is shaded, as a weak reference is that becomes a strong one. */
static inline void *gcsim_batch_at(gcsim_mutator *m, gcsim_batch *batch, uint64_t i)
{
    if (GCSIM_UNLIKELY(m->barrier || __atomic_load_n(&batch->clearing, __ATOMIC_ACQUIRE)))
        return m->api->batch_at(m, batch, i);
    return GCSIM_LOAD(&batch->objects[i]);
}

/* Run the callbacks that are ready now, on this thread, with m inside; returns how many ran. They may use the heap as they like. A C
   program calls this at its own safe points. (Callbacks of a heap that Python made are Python's to run.) */
static inline uint64_t gcsim_run_callbacks(gcsim_mutator *m)
{
    gcsim_callback_counts counts;
    gcsim_callback callback;
    uint64_t n = 0;
    m->api->callback_counts(m->heap, &counts);
    while (n < counts.ready && m->api->callback_take(m, &callback)) {
        if (callback.run)
            callback.run(m, callback.object ? callback.object->ptr : NULL, callback.arg);
        m->api->callback_done(m->heap, &callback);
        n++;
    }
    return n;
}

static inline gcsim_frame *gcsim_frame_at(gcsim_goroutine *g, uint64_t offset)
{
    return (gcsim_frame *)(void *)(g->stack + offset);
}

static inline void *gcsim_frame_slots(gcsim_goroutine *g, uint64_t offset)
{
    return g->stack + offset + sizeof(gcsim_frame);
}

#endif
