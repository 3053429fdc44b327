// What must hold while a stage is explored: nothing that a root reaches is lost when marking or a cycle ends, and, where a search asks
// for it, the tri-colour invariant at every state in which the world runs and marks.
//
// What will be scanned is known exactly: queued objects (work buffers), pointers that the barrier noted, root jobs that are left, frames of
// grey stacks, and of what a marker is at, the slots from the one on before which it stands.
#include "steps/actor.h"

#include "gc/mark.h"
#include "gc/roots.h"
#include "gc/work.h"

// --- walking -----------------------------------------------------------------------------------------------------

enum { SET_OBJECTS = STAGE_OBJECTS * 8 };

struct reached {
    char *base;
    gcsim_span *span; // NULL: the pointer leads to a span that was freed
};

struct set {
    uint32_t n;
    struct reached objects[SET_OBJECTS];
};

// The object that an address lies in; base = NULL: it lies in none.
static struct reached object_of(struct mheap *h, char *p)
{
    gcsim_span *s = span_of(h, p);
    if (!s || s->state != GCSIM_SPAN_IN_USE || p >= s->limit)
        return (struct reached){0};
    return (struct reached){span_slot(s, span_index(s, p)), s};
}

static bool is_white(struct reached o)
{
    return !o.span || !mark_is_set(o.span, span_index(o.span, o.base));
}

static bool is_free(struct mheap *h, struct reached o)
{
    return !o.span || span_is_free(h, o.span, span_index(o.span, o.base));
}

static bool set_has(const struct set *set, const char *base)
{
    for (uint32_t i = 0; i < set->n; i++)
        if (set->objects[i].base == base)
            return true;
    return false;
}

static void set_add(struct set *set, struct reached o)
{
    if (o.base && set->n < SET_OBJECTS && !set_has(set, o.base))
        set->objects[set->n++] = o;
}

static void add_any(struct mheap *h, void **slot, void *ctx)
{
    struct reached o = object_of(h, *slot);
    if (!o.base && arena_offset(h, *slot) >> PAGE_SHIFT < h->grown_pages)
        o.base = *slot;
    set_add(ctx, o);
}

static void add_white(struct mheap *h, void **slot, void *ctx)
{
    struct reached o = object_of(h, *slot);
    if (o.base && is_white(o))
        set_add(ctx, o);
}

static void each_slot(struct mheap *h, struct reached o, mark_visit visit, void *ctx)
{
    if (o.span)
        object_pointers(h, o.span, o.base, 0, o.span->slot_bytes, visit, ctx);
}

// What the members of a set lead to joins it.
static void set_close(struct mheap *h, struct set *set, mark_visit add)
{
    for (uint32_t i = 0; i < set->n; i++)
        each_slot(h, set->objects[i], add, set);
}

// Not as marking walks them (roots.c:goroutine_visit): what is checked must not be what checks.
static void each_frame(struct mheap *h, gcsim_goroutine *g, mark_visit visit, void *ctx)
{
    for (uint64_t at = g->top; at != UINT64_MAX; at = gcsim_frame_at(g, at)->caller)
        typed_pointers(h, gcsim_frame_at(g, at)->type, gcsim_frame_slots(g, at), 1, visit, ctx);
    if (g->waiting)
        visit(h, (void **)&g->waiting, ctx);
    if (g->param)
        visit(h, &g->param, ctx);
}

// Slots of globals and handles from a chunk on.
static void each_global(struct mheap *h, struct global_chunk *c, mark_visit visit, void *ctx)
{
    for (; c; c = c->next)
        for (int i = 0; i < GLOBALS_PER_CHUNK; i++)
            if (c->slots[i].in_use)
                visit(h, &c->slots[i].words[0], ctx);
}

// A dropped handle is no root, but until it is taken a marker still looks at it.
static void each_handle(struct mheap *h, struct handle_chunk *c, bool dropped, mark_visit visit,
                        void *ctx)
{
    for (; c; c = c->next)
        for (int i = 0; i < HANDLES_PER_CHUNK; i++)
            if (dropped || c->slots[i].link == HANDLE_LIVE)
                visit(h, &c->slots[i].ptr, ctx);
}

static void add_reachable(gcsim_heap *heap, struct set *set)
{
    struct mheap *h = &heap->mheap;
    for (struct goroutine *g = heap->gc.goroutines; g; g = g->next)
        each_frame(h, &g->pub, add_any, set);
    each_global(h, heap->gc.global_chunks, add_any, set);
    each_handle(h, heap->gc.handle_chunks, false, add_any, set);
    set_close(h, set, add_any);
}

// --- at the end --------------------------------------------------------------------------------------------------

CORE bool invariant_nothing_lost(gcsim_heap *heap, bool swept, char *what, uint64_t room)
{
    struct set all = {0};
    add_reachable(heap, &all);
    uint32_t lost = 0;
    for (uint32_t i = 0; i < all.n; i++)
        lost += swept ? is_free(&heap->mheap, all.objects[i]) : is_white(all.objects[i]);
    if (lost)
        snprintf(what, room,
                 swept ? "the cycle has ended, and %u of %u reachable objects are free"
                       : "marking has ended, and %u of %u reachable objects have no mark",
                 lost, all.n);
    return !lost;
}

// --- at every state ----------------------------------------------------------------------------------------------

static void add_queued(struct set *set, struct mheap *h, const struct workbuf *b)
{
    for (uint64_t i = 0; b && i < b->n; i++)
        set_add(set, object_of(h, b->objects[i]));
}

static void add_all_queued(gcsim_heap *heap, struct set *set)
{
    struct mheap *h = &heap->mheap;
    for (struct mutator *m = h->mutators; m; m = m->next) {
        add_queued(set, h, m->work.current);
        add_queued(set, h, m->work.spare);
    }
    for (const struct workbuf *b = heap->gc.work.full; b; b = b->next)
        add_queued(set, h, b);
}

static void add_noted(gcsim_heap *heap, struct set *set)
{
    for (struct mutator *m = heap->mheap.mutators; m; m = m->next)
        for (void **p = m->shade_buffer; p < m->pub.shade_next; p++)
            add_white(&heap->mheap, p, set);
}

// The slots that an actor is about to scan: from the one at which it stands to the end of its object or chunk. Empty: none.
struct hand {
    char *from, *end;
};

static struct hand hand_of(gcsim_heap *heap, struct actor *a)
{
    struct coroutine *co = coroutine_at(&heap->mheap.rt, a->coroutine);
    if (a->ended || co->point != EVENT_FIELD)
        return (struct hand){0};
    char *slot = heap->mheap.arena + co->where;
    struct reached o = object_of(&heap->mheap, slot);
    if (o.base)
        return (struct hand){slot, o.base + o.span->slot_bytes};
    for (struct global_chunk *c = heap->gc.global_chunks; c; c = c->next)
        if ((uint64_t)(slot - (char *)c) < sizeof *c)
            return (struct hand){slot, (char *)(c + 1)};
    for (struct handle_chunk *c = heap->gc.handle_chunks; c; c = c->next)
        if ((uint64_t)(slot - (char *)c) < sizeof *c)
            return (struct hand){slot, (char *)(c + 1)};
    return (struct hand){0}; // a frame: its stack counts as grey till the last is scanned
}

struct in_hand {
    struct hand hands[MAX_ACTORS];
    uint32_t n;
    struct set *set; // takes their white targets
};

static bool is_in_hand(const struct in_hand *in, void **slot)
{
    for (uint32_t i = 0; i < in->n; i++)
        if ((char *)slot >= in->hands[i].from && (char *)slot < in->hands[i].end)
            return true;
    return false;
}

static void add_white_in_hand(struct mheap *h, void **slot, void *ctx)
{
    struct in_hand *in = ctx;
    if (is_in_hand(in, slot))
        add_white(h, slot, in->set);
}

static void find_hands(gcsim_heap *heap, struct in_hand *in)
{
    for (uint32_t i = 0; i < heap->actors->n; i++) {
        struct hand hand = hand_of(heap, &heap->actors->each[i]);
        if (hand.from)
            in->hands[in->n++] = hand;
    }
}

// White objects that marking will come to: through what is grey, and white ones from there.
static void add_promised(gcsim_heap *heap, const struct set *grey, struct in_hand *in,
                         struct set *set)
{
    struct mheap *h = &heap->mheap;
    struct gc *gc = &heap->gc;
    in->set = set;
    for (uint32_t i = 0; i < grey->n; i++)
        each_slot(h, grey->objects[i], add_white, set);
    for (uint32_t i = 0; i < in->n; i++) {
        struct reached o = object_of(h, in->hands[i].from);
        if (o.base)
            each_slot(h, o, add_white_in_hand, in);
    }
    each_global(h, gc->global_chunks, add_white_in_hand, in);
    each_handle(h, gc->handle_chunks, true, add_white_in_hand, in);
    each_global(h, gc->next_globals, add_white, set);
    each_handle(h, gc->next_handles, true, add_white, set);
    for (struct goroutine *g = gc->goroutines; g; g = g->next)
        if (gc->rescan_stacks || (g->owner && g->owner->stacks_grey))
            each_frame(h, &g->pub, add_white, set);
    add_noted(heap, set);
    set_close(h, set, add_white);
}

// Pointers to white objects that nobody will look at again, from where the strong invariant allows none.
struct strong {
    struct in_hand *in;
    struct set noted;
    uint32_t broken;
};

static void count_white(struct mheap *h, void **slot, void *ctx)
{
    struct strong *s = ctx;
    struct reached o = object_of(h, *slot);
    s->broken += o.base && is_white(o) && !is_in_hand(s->in, slot) && !set_has(&s->noted, o.base);
}

// Of objects: roots that were scanned are black too, but what they may hold is for the weak invariant to say.
static uint32_t count_strong(gcsim_heap *heap, const struct set *all, const struct set *grey,
                             struct in_hand *in)
{
    struct strong s = {.in = in};
    add_noted(heap, &s.noted);
    for (uint32_t i = 0; i < all->n; i++) {
        struct reached o = all->objects[i];
        if (!is_white(o) && !set_has(grey, o.base))
            each_slot(&heap->mheap, o, count_white, &s);
    }
    return s.broken;
}

// Nobody is inside, nor comes there: the collector is between two of its own steps.
static bool world_stands(struct mheap *h)
{
    bool inside = false;
    for (struct mutator *m = h->mutators; m; m = m->next)
        inside |= m->pub.inside;
    return h->stop & GCSIM_STOP_NOW && !inside;
}

CORE bool invariant_holds(gcsim_heap *heap, uint32_t level, char *what, uint64_t room)
{
    struct gc *gc = &heap->gc;
    if (gc->phase != GC_MARK || world_stands(&heap->mheap) || gc->stacks_wait == GCSIM_STACKS_FIRST)
        return true;
    struct set all = {0}, grey = {0}, promised = {0};
    struct in_hand in = {0};
    add_reachable(heap, &all);
    add_all_queued(heap, &grey);
    find_hands(heap, &in);
    add_promised(heap, &grey, &in, &promised);
    uint32_t forgotten = 0;
    for (uint32_t i = 0; i < all.n; i++)
        forgotten += is_white(all.objects[i]) && !set_has(&promised, all.objects[i].base);
    if (forgotten) {
        snprintf(what, room,
                 "the weak tri-colour invariant is broken: %u of %u reachable objects are white, "
                 "and no grey object leads to them",
                 forgotten, all.n);
        return false;
    }
    uint32_t broken = level >= 2 ? count_strong(heap, &all, &grey, &in) : 0;
    if (broken)
        snprintf(what, room,
                 "the strong tri-colour invariant is broken: %u pointers from black objects to "
                 "white ones",
                 broken);
    return !broken;
}
