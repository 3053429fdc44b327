#include "gc/specials.h"

#include "base/bits.h"
#include "gc/barrier.h"
#include "gc/mark.h"
#include "gc/memprofile.h"
#include "gc/roots.h"
#include "gc/work.h"

// --- lists -------------------------------------------------------------------------------------------------------

// In Go's order: by offset, then by kind (mheap.go:specialFindSplicePoint).
static bool comes_before(const gcsim_special *a, const void *ptr, enum special_kind kind)
{
    return a->ptr != ptr ? (const char *)a->ptr < (const char *)ptr : a->kind < kind;
}

// Where a record of this place and kind is, or would go.
static gcsim_special **splice_point(gcsim_span *s, const void *ptr, enum special_kind kind)
{
    gcsim_special **link = &s->specials;
    while (*link && comes_before(*link, ptr, kind))
        link = &(*link)->next;
    return link;
}

static bool is_there(const gcsim_special *special, const void *ptr, enum special_kind kind)
{
    return special && special->ptr == ptr && special->kind == kind;
}

static void page_bit_set(struct mheap *h, const gcsim_span *s, bool on)
{
    uint64_t page = span_page(h, s), bit = 1ull << page % 64, *word = h->page_specials + page / 64;
    GCSIM_STORE(word, on ? *word | bit : *word & ~bit);
}

// The links are stored with release: who sweeps the span and finds no record asks for no lock, and may free it.
static void special_insert(struct mheap *h, gcsim_span *s, gcsim_special **link,
                           gcsim_special *special)
{
    if (!s->specials)
        page_bit_set(h, s, true);
    special->next = *link;
    __atomic_store_n(link, special, __ATOMIC_RELEASE);
}

static gcsim_special *special_unlink(struct mheap *h, gcsim_span *s, gcsim_special **link)
{
    gcsim_special *special = *link, *next = special->next;
    if (!next && link == &s->specials)
        page_bit_set(h, s, false);
    special->next = NULL;
    __atomic_store_n(link, next, __ATOMIC_RELEASE);
    return special;
}

CORE void special_add(struct mheap *h, gcsim_span *s, gcsim_special *special)
{
    special_insert(h, s, splice_point(s, special->ptr, (enum special_kind)special->kind), special);
}

CORE bool waits_for_sweep(struct mheap *h, const gcsim_span *s)
{
    return __atomic_load_n(&s->sweepgen, __ATOMIC_ACQUIRE) == h->sweepgen - 2;
}

// The span of an object's address; NULL if there is no object and *status says whether that is an error: the core's own memory is one,
// what lies outside all pages is not.
static gcsim_span *object_span(struct mheap *h, const void *ptr, gcsim_status *status)
{
    gcsim_span *s = span_of(h, ptr);
    bool outside = arena_offset(h, ptr) >> PAGE_SHIFT >= h->arena_pages;
    *status = outside ? GCSIM_OK : GCSIM_BAD_ADDRESS;
    if (!s || s->state != GCSIM_SPAN_IN_USE || (const char *)ptr >= GCSIM_LOAD(&s->limit))
        return NULL;
    *status = GCSIM_OK;
    return s;
}

CORE void specials_lock(struct mheap *h) { rt_lock(&h->rt, &heap_of(h)->gc.specials_lock); }
CORE void specials_unlock(struct mheap *h) { rt_unlock(&h->rt, &heap_of(h)->gc.specials_lock); }

// --- weak references ---------------------------------------------------------------------------------------------

// Equal pointers share one reference, other offsets have others (mheap.go:getOrAddWeakHandle). An address outside every object never dies.
CORE gcsim_weak *weak_make(struct mutator *m, void *ptr)
{
    struct mheap *h = mheap_of(m);
    gcsim_status status;
    gcsim_span *s = object_span(h, ptr, &status);
    gcsim_weak *w = NULL;
    specials_lock(h);
    gcsim_special **link = s ? splice_point(s, ptr, SPECIAL_WEAK) : NULL;
    if (link && is_there(*link, ptr, SPECIAL_WEAK)) {
        w = (gcsim_weak *)*link;
    } else if ((w = meta_alloc(&h->meta, &h->rt, sizeof *w))) {
        w->special.ptr = ptr;
        w->special.kind = SPECIAL_WEAK;
        if (link)
            special_insert(h, s, link, &w->special);
    }
    if (w)
        w->special.refs++;
    else
        m->pub.status = GCSIM_NO_MEMORY;
    specials_unlock(h);
    return w;
}

// A span that waits to be swept may hold an object that is dead already: its mark tells. The lock keeps the mark: a sweep takes it, to
// settle the list, before it touches marks or frees the span.
CORE bool weak_try_read(struct mutator *m, gcsim_weak *w, void **out)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    for (;;) {
        specials_lock(h);
        void *p = w->special.ptr;
        gcsim_span *s = p ? span_of(h, p) : NULL;
        bool object = s && s->state == GCSIM_SPAN_IN_USE;
        uint32_t sweepgen = object ? __atomic_load_n(&s->sweepgen, __ATOMIC_ACQUIRE) : h->sweepgen;
        if (sweepgen == h->sweepgen - 2 && !mark_is_set(s, span_index(s, p)))
            p = NULL;
        bool grey = p && object && h->blacken && !mark_is_set(s, span_index(s, p));
        bool wait = grey && GCSIM_LOAD(&gc->weak_blocked);
        if (grey && !wait && !PLANTED(WEAK_READ)) // it may be reachable in no other way
            mark_shade(m, p);
        specials_unlock(h);
        *out = p;
        if (sweepgen != h->sweepgen - 1)
            return !wait;
        rt_yield(&h->rt); // another thread is sweeping it: what is left afterwards is alive
    }
}

CORE void weak_release(struct mutator *m, gcsim_weak *w)
{
    struct mheap *h = mheap_of(m);
    specials_lock(h);
    bool last = --w->special.refs == 0;
    gcsim_span *s = last && w->special.ptr ? span_of(h, w->special.ptr) : NULL;
    if (s && s->state == GCSIM_SPAN_IN_USE) {
        gcsim_special **link = splice_point(s, w->special.ptr, SPECIAL_WEAK);
        if (*link == &w->special)
            special_unlink(h, s, link);
    }
    specials_unlock(h);
    if (last)
        meta_free(&h->meta, &h->rt, w, sizeof *w);
}

// --- finalizers and cleanups -------------------------------------------------------------------------------------

static uint64_t callback_attach(struct mutator *m, gcsim_span *s, void *ptr, enum special_kind kind,
                                gcsim_callback_run run, void *arg)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    struct callback *c = meta_alloc(&h->meta, &h->rt, sizeof *c);
    if (!c) {
        m->pub.status = GCSIM_NO_MEMORY;
        return 0;
    }
    *c = (struct callback){.special = {.ptr = ptr, .kind = kind}, .run = run, .arg = arg};
    specials_lock(h);
    gcsim_special **link = splice_point(s, ptr, kind);
    bool taken = kind == SPECIAL_FINALIZER && is_there(*link, ptr, kind);
    while (is_there(*link, ptr, kind)) // cleanups of one place keep their order
        link = &(*link)->next;
    if (!taken) {
        c->id = ++gc->callback_ids;
        special_insert(h, s, link, &c->special);
    }
    uint64_t id = c->id;
    specials_unlock(h);
    if (taken) {
        meta_free(&h->meta, &h->rt, c, sizeof *c);
        m->pub.status = GCSIM_BAD_STATE;
    }
    return id;
}

static void callback_free(struct mheap *h, struct callback *c, void **arg)
{
    if (arg)
        *arg = c->arg;
    meta_free(&h->meta, &h->rt, c, sizeof *c);
}

// Everything that the object reaches is to be marked, but not the object: it is scanned without a mark.
static void finalizer_reach(struct mheap *h, struct gcwork *w, gcsim_span *s, const void *ptr)
{
    if (!span_noscan(s))
        work_push(h, w, span_slot(s, span_index(s, ptr)));
}

// A finalizer is set at an object's first byte. Tiny objects share a block, so there it may be any (mfinal.go:SetFinalizer).
static gcsim_span *finalizer_span(struct mutator *m, const void *ptr)
{
    gcsim_span *s = object_span(mheap_of(m), ptr, &m->pub.status);
    if (!s || s->span_class == TINY_SPAN_CLASS)
        return s;
    const char *first = span_slot(s, span_index(s, ptr));
    if (span_has_header(s))
        first += MALLOC_HEADER_BYTES;
    if (ptr == first)
        return s;
    m->pub.status = GCSIM_BAD_ADDRESS;
    return NULL;
}

CORE uint64_t finalizer_add(struct mutator *m, void *ptr, gcsim_callback_run run, void *arg)
{
    gcsim_span *s = finalizer_span(m, ptr);
    uint64_t id = s ? callback_attach(m, s, ptr, SPECIAL_FINALIZER, run, arg) : 0;
    if (id &&
        mheap_of(m)->blacken) // the span's root job may have been done (mheap.go:addfinalizer)
        finalizer_reach(mheap_of(m), &m->work, s, ptr);
    return id;
}

CORE bool finalizer_remove(struct mutator *m, void *ptr, void **arg)
{
    struct mheap *h = mheap_of(m);
    gcsim_span *s = finalizer_span(m, ptr);
    struct callback *c = NULL;
    if (!s)
        return false;
    specials_lock(h);
    gcsim_special **link = splice_point(s, ptr, SPECIAL_FINALIZER);
    if (is_there(*link, ptr, SPECIAL_FINALIZER))
        c = (struct callback *)special_unlink(h, s, link);
    specials_unlock(h);
    if (c)
        callback_free(h, c, arg);
    return c;
}

CORE uint64_t cleanup_attach(struct mutator *m, void *ptr, gcsim_callback_run run, void *arg)
{
    gcsim_span *s = object_span(mheap_of(m), ptr, &m->pub.status);
    return s ? callback_attach(m, s, ptr, SPECIAL_CLEANUP, run, arg) : 0;
}

static gcsim_special **cleanup_find(struct mheap *h, gcsim_span *s, const void *ptr, uint64_t id)
{
    gcsim_special **link = splice_point(s, ptr, SPECIAL_CLEANUP);
    while (is_there(*link, ptr, SPECIAL_CLEANUP) && ((struct callback *)*link)->id != id)
        link = &(*link)->next;
    bool found = is_there(*link, ptr, SPECIAL_CLEANUP);
    // What is dead and waits to be swept is too late to stop.
    return found && !(waits_for_sweep(h, s) && !mark_is_set(s, span_index(s, ptr))) ? link : NULL;
}

// The object may be gone, and its page may be another span's by now: the page heap's lock keeps the page table.
CORE bool cleanup_detach(struct mutator *m, const void *ptr, uint64_t id, void **arg)
{
    struct mheap *h = mheap_of(m);
    struct callback *c = NULL;
    specials_lock(h);
    rt_lock(&h->rt, &h->lock);
    gcsim_span *s = span_of(h, ptr);
    gcsim_special **link = s && s->state == GCSIM_SPAN_IN_USE ? cleanup_find(h, s, ptr, id) : NULL;
    if (link)
        c = (struct callback *)special_unlink(h, s, link);
    rt_unlock(&h->rt, &h->lock);
    specials_unlock(h);
    if (c)
        callback_free(h, c, arg);
    return c;
}

// --- the queue ---------------------------------------------------------------------------------------------------

// First come, first served. `specials_lock` is held.
static void callback_queue(struct mheap *h, gcsim_special *special)
{
    struct gc *gc = &heap_of(h)->gc;
    struct callback *c = (struct callback *)special;
    bool finalizer = special->kind == SPECIAL_FINALIZER;
    struct history *counts = h->history;
    if (gc->last_ready)
        gc->last_ready->next = special;
    else
        gc->ready = special;
    gc->last_ready = special;
    GCSIM_STORE(&gc->ready_count, gc->ready_count + 1);
    count_add(finalizer ? &counts->finalizers_queued : &counts->cleanups_queued, 1);
    if (finalizer)
        EMIT(h, FINALIZER, 0, arena_offset(h, special->ptr), c->id);
    else
        EMIT(h, CLEANUP, 0, arena_offset(h, special->ptr), c->id);
}

static struct callback *callback_unqueue(struct gc *gc)
{
    gcsim_special *special = gc->ready;
    if (!special)
        return NULL;
    if (gc->next_ready == special) // it needs no root job: who takes it shades the object
        GCSIM_STORE(&gc->next_ready, special->next);
    gc->ready = special->next;
    if (!gc->ready)
        gc->last_ready = NULL;
    GCSIM_STORE(&gc->ready_count, gc->ready_count - 1);
    return (struct callback *)special;
}

// The object goes from one root, the queue, to another, a handle; there is no safe point in between.
CORE bool callback_pop(struct mutator *m, gcsim_callback *out)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    m->pub.status = GCSIM_OK;
    gcsim_handle *handle = GCSIM_LOAD(&gc->ready_count) ? handle_make(m, NULL) : NULL;
    if (!handle)
        return false;
    specials_lock(h);
    struct callback *c = callback_unqueue(gc);
    specials_unlock(h);
    bool finalizer = c && c->special.kind == SPECIAL_FINALIZER;
    if (finalizer)
        barrier_root(m, &handle->ptr, c->special.ptr);
    else
        handle_release(heap_of(h), handle);
    if (!c)
        return false;
    *out = (gcsim_callback){.kind = finalizer ? GCSIM_FINALIZER : GCSIM_CLEANUP,
                            .id = c->id,
                            .run = c->run,
                            .arg = c->arg,
                            .object = finalizer ? handle : NULL};
    EMIT(h, CALLBACK, m->pub.id, arena_offset(h, c->special.ptr), c->id);
    meta_free(&h->meta, &h->rt, c, sizeof *c);
    return true;
}

CORE void callback_finish(gcsim_heap *heap, gcsim_callback *callback)
{
    struct history *counts = heap->mheap.history;
    count_add(callback->kind == GCSIM_FINALIZER ? &counts->finalizers_run : &counts->cleanups_run,
              1);
    if (callback->object)
        handle_release(heap, callback->object);
    callback->object = NULL;
}

CORE void callback_count(gcsim_heap *heap, gcsim_callback_counts *out)
{
    const struct history *counts = heap->mheap.history;
    *out = (gcsim_callback_counts){.finalizers_queued = GCSIM_LOAD(&counts->finalizers_queued),
                                   .finalizers_executed = GCSIM_LOAD(&counts->finalizers_run),
                                   .cleanups_queued = GCSIM_LOAD(&counts->cleanups_queued),
                                   .cleanups_executed = GCSIM_LOAD(&counts->cleanups_run),
                                   .ready = GCSIM_LOAD(&heap->gc.ready_count)};
}

// --- sweeping (mgcsweep.go:sweep) --------------------------------------------------------------------------------

static void weak_clear(struct mheap *h, gcsim_special *weak, uint64_t *cleared)
{
    EMIT(h, WEAK_CLEAR, 0, arena_offset(h, weak->ptr), 0);
    if (!PLANTED(WEAK_KEPT))
        GCSIM_STORE(&weak->ptr, NULL);
    ++*cleared;
}

// The records of one dead object, from *link on: with a finalizer among them all finalizers are queued (a tiny block may have several), and
// cleanups and samples stay until the object dies for good; else cleanups are queued. Weak references know at once, before any callback runs.
static gcsim_special **object_died(struct mheap *h, gcsim_span *s, gcsim_special **link,
                                   uint32_t index, bool revived, uint64_t *cleared)
{
    while (*link && span_index(s, (*link)->ptr) == index) {
        if (revived && (*link)->kind >= SPECIAL_PROFILE) {
            link = &(*link)->next;
            continue;
        }
        gcsim_special *special = special_unlink(h, s, link);
        if (special->kind == SPECIAL_WEAK)
            weak_clear(h, special, cleared);
        else if (special->kind == SPECIAL_PROFILE)
            memprofile_free(h, special);
        else
            callback_queue(h, special);
    }
    return link;
}

static bool has_finalizer(const gcsim_span *s, const gcsim_special *special, uint32_t index)
{
    while (special && span_index(s, special->ptr) == index && special->kind != SPECIAL_FINALIZER)
        special = special->next;
    return special && span_index(s, special->ptr) == index;
}

// As in Go, heap_live does not learn of it before the next cycle marks the object.
static void revive(struct mheap *h, gcsim_span *s, uint32_t index)
{
    uint64_t *word = s->marks + index / 64;
    GCSIM_STORE(word, *word | 1ull << index % 64);
    count_add(&heap_of(h)->gc.revived_bytes, s->slot_bytes);
}

CORE uint64_t specials_sweep(struct mheap *h, gcsim_span *s)
{
    uint64_t cleared = 0;
    specials_lock(h);
    for (gcsim_special **link = &s->specials; *link;) {
        uint32_t index = span_index(s, (*link)->ptr);
        if (mark_is_set(s, index)) {
            link = &(*link)->next;
            continue;
        }
        bool revived = has_finalizer(s, *link, index);
        link = object_died(h, s, link, index, revived, &cleared);
        if (revived)
            revive(h, s, index);
    }
    specials_unlock(h);
    return cleared;
}

// --- root jobs ---------------------------------------------------------------------------------------------------

// Spans that are made later need no job: what is attached to their objects is looked at then. Nothing is queued while marking.
CORE void specials_prepare(struct mheap *h)
{
    struct gc *gc = &heap_of(h)->gc;
    gc->next_shard = 0;
    gc->shards = divide_up(h->grown_pages, SPECIALS_SHARD_PAGES);
    gc->next_ready = gc->ready;
}

CORE void specials_forget(struct mheap *h)
{
    struct gc *gc = &heap_of(h)->gc;
    gc->next_shard = gc->shards;
    gc->next_ready = NULL;
}

CORE bool specials_are_left(struct mheap *h)
{
    struct gc *gc = &heap_of(h)->gc;
    return GCSIM_LOAD(&gc->next_shard) < gc->shards || GCSIM_LOAD(&gc->next_ready);
}

static void reach_from_span(struct mheap *h, struct gcwork *w, gcsim_span *s)
{
    for (gcsim_special *special = s->specials; special; special = special->next)
        if (special->kind == SPECIAL_FINALIZER)
            finalizer_reach(h, w, s, special->ptr);
}

static void shard_job(struct mheap *h, struct gcwork *w, uint64_t shard)
{
    uint64_t first = shard * (SPECIALS_SHARD_PAGES / 64);
    for (uint64_t word = first; word < first + SPECIALS_SHARD_PAGES / 64; word++) {
        if (!GCSIM_LOAD(h->page_specials + word)) // one that is set now is looked at by who sets it
            continue;
        specials_lock(h);
        for (uint64_t bits = h->page_specials[word]; bits; bits &= bits - 1)
            reach_from_span(h, w, &h->spans[word * 64 + bits_lowest(bits)]);
        specials_unlock(h);
    }
}

static void ready_job(struct mheap *h, mark_visit visit, void *ctx)
{
    struct gc *gc = &heap_of(h)->gc;
    gcsim_special *special = gc->next_ready;
    for (int i = 0; special && i < READY_PER_JOB; i++, special = special->next)
        if (special->kind == SPECIAL_FINALIZER)
            visit(h, &special->ptr, ctx);
    GCSIM_STORE(&gc->next_ready, special);
}

CORE bool specials_next(struct mutator *m, mark_visit visit, void *ctx)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    if (!specials_are_left(h))
        return false;
    specials_lock(h);
    uint64_t shard = gc->next_shard;
    bool shards_left = shard < gc->shards, left = specials_are_left(h);
    if (shards_left)
        GCSIM_STORE(&gc->next_shard, shard + 1);
    else if (left)
        ready_job(h, visit, ctx);
    specials_unlock(h);
    if (shards_left)
        shard_job(h, &m->work, shard);
    return left;
}

CORE void specials_rescan(struct mheap *h, gcsim_span *s, mark_visit visit, void *ctx)
{
    for (gcsim_special *special = s->specials; special; special = special->next)
        if (special->kind == SPECIAL_FINALIZER)
            object_pointers(h, s, span_slot(s, span_index(s, special->ptr)), 0, s->slot_bytes,
                            visit, ctx);
}
