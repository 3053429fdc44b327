// Rules 49 to 53, and what they rest on: a second way from an address to an object, a second walk over pointers, a second trace.
//
// Nothing here calls gc/mark.c, span_of, span_index, span_is_free or the word-wise bit tricks: it divides, and looks at one bit at a time.
#include "watch/verify_parts.h"

#include "alloc/mcache.h"
#include "base/os.h"

// --- addresses ---------------------------------------------------------------------------------------------------

static bool vector_bit(const char *bits, uint64_t i) { return bits[i / 8] >> i % 8 & 1; }

CORE bool verify_allocated(const struct mheap *h, const gcsim_span *s, uint32_t index)
{
    if (s->loaded && index >= s->window_index && index - s->window_index < 64 &&
        s->loaded >> (index - s->window_index) & 1)
        return !(s->free >> (index - s->window_index) & 1);
    return index < s->free_index ||
           vector_bit(world_at(h->world, REGION_ALLOC_BITS) + (s - h->spans) * MARK_BYTES_PER_PAGE,
                      index);
}

CORE bool verify_marked(const struct mheap *h, const gcsim_span *s, uint32_t index)
{
    uint64_t page = (uint64_t)(s - h->spans);
    return s->inline_marks
               ? vector_bit(world_at(h->world, REGION_INLINE_MARKS) + page * 64, index)
               : vector_bit(world_at(h->world, REGION_MARK_BITS) + page * MARK_BYTES_PER_PAGE,
                            index);
}

CORE bool verify_live(const struct mheap *h, const gcsim_span *s, uint32_t index)
{
    return verify_allocated(h, s, index) &&
           (s->sweepgen != h->sweepgen - 2 || verify_marked(h, s, index));
}

CORE struct located verify_locate(const struct mheap *h, const void *p)
{
    uint64_t offset = (uint64_t)((const char *)p - h->arena), page = offset / PAGE_BYTES;
    if (page >= h->grown_pages)
        return (struct located){.place = PLACE_OUTSIDE};
    if (!h->page_span[page])
        return (struct located){.place = PLACE_DANGLING, .why = "a page without a span"};
    gcsim_span *s = &h->spans[h->page_span[page] - 1];
    if (s->state != GCSIM_SPAN_IN_USE)
        return (struct located){.place = PLACE_DANGLING, .why = "the core's own memory"};
    if ((const char *)p >= s->limit)
        return (struct located){.place = PLACE_DANGLING,
                                .why = "what lies behind the last object of a span"};
    uint32_t index = (uint32_t)((uint64_t)((const char *)p - s->base) / s->slot_bytes);
    if (!verify_allocated(h, s, index))
        return (struct located){.place = PLACE_DANGLING, .why = "a free slot"};
    if (!verify_live(h, s, index))
        return (struct located){.place = PLACE_DANGLING,
                                .why = "a dead object that waits to be swept"};
    return (struct located){PLACE_OBJECT, s, index, NULL};
}

// --- pointers ----------------------------------------------------------------------------------------------------

// Elements of a type side by side, looked at word by word.
CORE void verify_type_pointers(struct verify *v, const gcsim_type *t, char *data, uint64_t bytes,
                               verify_visit visit, void *ctx)
{
    if (!t->ptr_bytes)
        return;
    uint64_t inside = 0; // offset in the element
    for (uint64_t at = 0; at + 8 <= bytes;
         at += 8, inside = inside + 8 == t->bytes ? 0 : inside + 8)
        if (inside < t->ptr_bytes && vector_bit((const char *)t->mask, inside / 8))
            visit(v, (void **)(void *)(data + at), ctx);
}

CORE void verify_object_pointers(struct verify *v, const gcsim_span *s, uint32_t index,
                                 verify_visit visit, void *ctx)
{
    char *slot = s->base + index * s->slot_bytes;
    if (s->span_class & 1)
        return;
    if (s->span_class == 0) {
        verify_type_pointers(v, s->large_type, slot, (uint64_t)(s->limit - s->base), visit, ctx);
    } else if (s->slot_bytes > 512) {
        verify_type_pointers(v, *(const gcsim_type **)(void *)slot, slot + 8, s->slot_bytes - 8,
                             visit, ctx);
    } else {
        uint64_t first = (uint64_t)(slot - s->base) / 8;
        for (uint64_t word = 0; word < s->slot_bytes / 8; word++)
            if (vector_bit(s->base + s->heap_bits, first + word))
                visit(v, (void **)(void *)(slot + word * 8), ctx);
    }
}

// All that an object with a finalizer reaches is kept, also when it is itself dead and waits for the sweep that queues it.
static void visit_finalizers(struct verify *v, verify_visit visit, void *ctx)
{
    struct mheap *h = v->h;
    for (uint64_t page = 0; page < h->grown_pages; page++) {
        const gcsim_span *s = &h->spans[page];
        if (h->page_span[page] != page + 1 || s->state != GCSIM_SPAN_IN_USE)
            continue;
        for (gcsim_special *special = s->specials; special; special = special->next)
            if (special->kind == SPECIAL_FINALIZER)
                verify_object_pointers(
                    v, s, (uint32_t)((uint64_t)((char *)special->ptr - s->base) / s->slot_bytes),
                    visit, ctx);
    }
    for (gcsim_special *special = heap_of(h)->gc.ready; special; special = special->next)
        if (special->kind == SPECIAL_FINALIZER)
            visit(v, &special->ptr, ctx);
}

CORE void verify_root_pointers(struct verify *v, bool weak_batches, verify_visit visit, void *ctx)
{
    struct gc *gc = &heap_of(v->h)->gc;
    for (struct handle_chunk *c = gc->handle_chunks; c; c = c->next)
        for (int i = 0; i < HANDLES_PER_CHUNK; i++) // dropped ones too, until a mutator takes them
            visit(v, &c->slots[i].ptr, ctx);
    for (struct global_chunk *c = gc->global_chunks; c; c = c->next)
        for (int i = 0; i < GLOBALS_PER_CHUNK; i++)
            visit(v, &c->slots[i].words[0], ctx);
    for (struct goroutine *g = gc->goroutines; g; g = g->next)
        for (uint64_t at = g->pub.top; at != UINT64_MAX;) {
            gcsim_frame *f = (gcsim_frame *)(void *)(g->pub.stack + at);
            verify_type_pointers(v, f->type, (char *)(f + 1), f->type->bytes, visit, ctx);
            at = f->caller;
        }
    for (struct goroutine *g = gc->goroutines; g; g = g->next) {
        visit(v, (void **)&g->pub.waiting, ctx);
        visit(v, &g->pub.param, ctx);
    }
    for (struct batch *b = gc->batches; b; b = b->next)
        for (uint64_t i = 0; i < b->pub.count; i++)
            if (b->pub.strong || (weak_batches && !b->pub.clearing))
                visit(v, &b->pub.objects[i], ctx);
    for (struct mutator *m = v->h->mutators; m; m = m->next) {
        visit(v, (void **)&m->tiny, ctx);
        visit(v, &m->keep, ctx);
    }
    visit_finalizers(v, visit, ctx);
}

struct where {
    const gcsim_span *span; // NULL: a root
    uint32_t index;
};

static void check_pointer(struct verify *v, void **slot, void *ctx)
{
    struct mheap *h = v->h;
    const struct where *from = ctx;
    if (!*slot)
        return;
    struct located to = verify_locate(h, *slot);
    if (LIKELY(to.place != PLACE_DANGLING))
        return;
    uint64_t target = (uint64_t)((char *)*slot - h->arena);
    if (!from)
        violation(v, RULE_ROOT_POINTER, "it points to %s, at offset %llx", to.why, (ull)target);
    else
        violation(v, RULE_HEAP_POINTER,
                  "slot %u of the span at page %llu (%llu bytes) points at its offset %llu to %s, "
                  "at offset %llx",
                  from->index, (ull)(from->span - h->spans), (ull)from->span->slot_bytes,
                  (ull)((char *)slot - (from->span->base + from->index * from->span->slot_bytes)),
                  to.why, (ull)target);
}

CORE void verify_pointers(struct verify *v)
{
    struct mheap *h = v->h;
    for (uint64_t page = 0; page < h->grown_pages;
         page += h->page_span[page] ? h->spans[page].npages : 1) {
        const gcsim_span *s = &h->spans[page];
        if (!h->page_span[page] || s->state != GCSIM_SPAN_IN_USE || s->span_class & 1)
            continue;
        for (uint32_t i = 0; i < s->nelems; i++)
            if (verify_live(h, s, i))
                verify_object_pointers(v, s, i, check_pointer, &(struct where){s, i});
    }
    verify_root_pointers(v, true, check_pointer, NULL);
}

// --- the trace ---------------------------------------------------------------------------------------------------

struct trace {
    uint8_t *reached; // MARK_BYTES_PER_PAGE a page, as the vectors of the heap
    struct where *todo;
    uint64_t n, room;
    bool out_of_memory;
};

static void reach(struct verify *v, void **slot, void *ctx)
{
    struct trace *t = ctx;
    struct located to = verify_locate(v->h, *slot);
    if (to.place != PLACE_OBJECT)
        return; // a dangling pointer is reported by rules 49 and 50
    uint64_t bit = (uint64_t)(to.span - v->h->spans) * MARK_BYTES_PER_PAGE * 8 + to.index;
    if (t->reached[bit / 8] >> bit % 8 & 1)
        return;
    t->reached[bit / 8] |= (uint8_t)(1 << bit % 8);
    if (t->n == t->room) {
        uint64_t room = t->room ? t->room * 2 : 1024;
        struct where *todo = os_fault() ? NULL : realloc(t->todo, room * sizeof *todo);
        if (!todo) {
            t->out_of_memory = true;
            return;
        }
        t->todo = todo;
        t->room = room;
    }
    t->todo[t->n++] = (struct where){to.span, to.index};
}

static void compare_marks(struct verify *v, const struct trace *t)
{
    struct mheap *h = v->h;
    // Else what died while marking ran may be marked (it floats), or all is.
    bool exact =
        heap_of(h)->gc.stopped && !heap_of(h)->gc.sbrk && !heap_of(h)->gc.conservative_stacks;
    uint64_t scans = heap_of(h)->gc.sbrk ? 0 : h->queues_spans;
    uint64_t objects = 0, bytes = 0;
    for (uint64_t page = 0; page < h->grown_pages;
         page += h->page_span[page] ? h->spans[page].npages : 1) {
        const gcsim_span *s = &h->spans[page];
        if (!h->page_span[page] || s->state != GCSIM_SPAN_IN_USE)
            continue;
        for (uint32_t i = 0; i < s->nelems; i++) {
            bool reached = vector_bit((const char *)t->reached, page * MARK_BYTES_PER_PAGE * 8 + i),
                 marked = verify_marked(h, s, i);
            objects += marked;
            bytes += marked ? s->slot_bytes : 0;
            HOLDS(v, MARKED, marked || !reached, "slot %u of the span at page %llu (%llu bytes)", i,
                  (ull)page, (ull)s->slot_bytes);
            HOLDS(v, REACHABLE, !marked || reached || !exact,
                  "slot %u of the span at page %llu (%llu bytes)", i, (ull)page,
                  (ull)s->slot_bytes);
            HOLDS(v, SCANNED,
                  !marked || s->slot_bytes > scans || !s->inline_marks || s->span_class & 1 ||
                      vector_bit(s->base + s->inline_marks, i),
                  "slot %u of the span at page %llu (%llu bytes)", i, (ull)page,
                  (ull)s->slot_bytes);
        }
    }
    const struct gc *gc = &heap_of(h)->gc;
    HOLDS(v, MARK_COUNTS, gc->objects_marked == objects && gc->bytes_marked == bytes,
          "%llu objects of %llu bytes counted, %llu of %llu marked", (ull)gc->objects_marked,
          (ull)gc->bytes_marked, (ull)objects, (ull)bytes);
}

CORE void verify_trace(struct verify *v)
{
    struct trace t = {.reached = verify_memory(v, v->h->grown_pages * MARK_BYTES_PER_PAGE)};
    if (!t.reached)
        return;
    verify_root_pointers(v, false, reach, &t);
    while (t.n > 0 && !t.out_of_memory) {
        struct where from = t.todo[--t.n];
        verify_object_pointers(v, from.span, from.index, reach, &t);
    }
    if (t.out_of_memory)
        violation(v, RULE_NO_MEMORY, "%llu objects to look at", (ull)t.room);
    else
        compare_marks(v, &t);
    free(t.todo);
    free(t.reached);
}
