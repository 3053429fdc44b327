#include "steps/view.h"

#include "gc/mark.h"
#include "gc/roots.h"
#include "gc/work.h"
#include "steps/actor.h"
#include "steps/timeline.h"
#include "watch/objects.h"

CORE gcsim_step_phase view_phase(gcsim_heap *heap)
{
    struct gc *gc = &heap->gc;
    bool barrier_off =
        !heap->mheap.blacken && !gc->stopped; // again: the second stop has closed marking
    if (gc->phase == GC_MARK)
        return gc->weak_blocked || barrier_off ? GCSIM_PHASE_MARK_TERMINATION : GCSIM_PHASE_MARK;
    return gc->cycles && (gc->sweep_class < NUM_SPAN_CLASSES || gc->clearing) ? GCSIM_PHASE_SWEEP
                                                                              : GCSIM_PHASE_OFF;
}

// --- the queue ---------------------------------------------------------------------------------------------------

struct addresses {
    void **out;
    uint64_t room, n;
};

static void add_address(struct addresses *a, void *p)
{
    if (a->n < a->room)
        a->out[a->n] = p;
    a->n++;
}

static void add_buffer(struct addresses *a, const struct workbuf *buf)
{
    for (uint64_t i = buf ? buf->n : 0; i-- > 0;) // last in, first out
        add_address(a, buf->objects[i]);
}

static void add_objects(struct addresses *a, const gcsim_span *s, const uint64_t *bits)
{
    for (uint32_t i = 0; i < s->nelems; i++)
        if (bits_test(bits, i))
            add_address(a, span_slot(s, i));
}

// Of queued spans, what is marked and not yet scanned.
static void add_spans(struct addresses *a, const struct mheap *h, const struct span_queue *q)
{
    for (uint32_t next = q->first; next; next = h->spans[next - 1].grey_next) {
        const gcsim_span *s = &h->spans[next - 1];
        uint64_t bits[SPAN_INLINE_MARKS_BYTES / 2 / 8];
        for (uint64_t w = 0; w < span_mark_words(s); w++)
            bits[w] = s->marks[w] & ~span_scans(s)[w];
        add_objects(a, s, bits);
    }
}

// Pieces of large objects are in it too, as addresses inside.
CORE uint64_t view_queue(gcsim_heap *heap, void **out, uint64_t room)
{
    struct addresses a = {out, room, 0};
    for (struct mutator *m = heap->mheap.mutators; m; m = m->next) {
        add_buffer(&a, m->work.current);
        add_buffer(&a, m->work.spare);
        add_spans(&a, &heap->mheap, &m->work.spans);
        if (m->work.visited)
            add_objects(&a, m->work.visited, m->work.to_scan);
    }
    for (const struct workbuf *buf = heap->gc.work.full; buf; buf = buf->next)
        add_buffer(&a, buf);
    add_spans(&a, &heap->mheap, &heap->gc.work.grey_spans);
    return a.n;
}

// --- objects -----------------------------------------------------------------------------------------------------

static int by_address(const void *a, const void *b)
{
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    return (x > y) - (x < y);
}

// Is one of the sorted addresses in the object?
static bool any_in(void **sorted, uint64_t n, const gcsim_object *o)
{
    uint64_t low = 0, high = n;
    while (low < high) {
        uint64_t middle = (low + high) / 2;
        if ((const char *)sorted[middle] < o->base)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && (const char *)sorted[low] < o->base + o->slot_bytes;
}

static bool lies_in(const void *p, const gcsim_object *o)
{
    return (const char *)p >= o->base && (const char *)p < o->base + o->slot_bytes;
}

static bool is_scanned_now(struct mheap *h, const gcsim_object *o)
{
    for (struct mutator *m = h->mutators; m; m = m->next)
        if (lies_in(m->work.scanning, o))
            return true;
    return false;
}

static bool is_shaded_now(struct mheap *h, const gcsim_object *o)
{
    for (struct mutator *m = h->mutators; m; m = m->next)
        if (lies_in(m->work.shading, o))
            return true;
    return false;
}

CORE uint64_t view_objects(gcsim_heap *heap, gcsim_view_object *out, uint64_t room)
{
    struct mheap *h = &heap->mheap;
    uint64_t queued = view_queue(heap, NULL, 0), n = 0, cursor = 0;
    void **grey = malloc((queued + 1) * sizeof *grey);
    if (!grey)
        return UINT64_MAX;
    view_queue(heap, grey, queued);
    qsort(grey, queued, sizeof *grey, by_address);
    for (gcsim_object o; object_list(h, &cursor, &o, 1); n++) {
        if (n >= room)
            continue;
        bool scanning = is_scanned_now(h, &o);
        bool is_grey = scanning || is_shaded_now(h, &o) || any_in(grey, queued, &o);
        uint32_t colour = !o.marked ? GCSIM_WHITE : is_grey ? GCSIM_GREY : GCSIM_BLACK;
        out[n] = (gcsim_view_object){.object = o, .colour = colour, .scanning = scanning};
    }
    free(grey);
    return n;
}

// --- roots -------------------------------------------------------------------------------------------------------

struct roots_seen {
    gcsim_view_root *out;
    uint64_t room, n;
    gcsim_view_root now; // what the slots at hand have in common
    const char *base;    // of them
};

static void add_root(struct roots_seen *r, uint64_t offset, void *const *slot)
{
    if (r->n < r->room) {
        r->out[r->n] = r->now;
        r->out[r->n].offset = offset;
        r->out[r->n].at = slot;
        r->out[r->n].target = *slot;
    }
    r->n++;
}

static void add_slot(struct mheap *h, void **slot, void *ctx)
{
    struct roots_seen *r = ctx;
    (void)h;
    add_root(r, (uint64_t)((char *)slot - r->base), slot);
}

static void add_frames(struct mheap *h, struct roots_seen *r, bool scanned)
{
    for (struct goroutine *g = heap_of(h)->gc.goroutines; g; g = g->next)
        for (uint64_t at = g->pub.top; at != UINT64_MAX; at = gcsim_frame_at(&g->pub, at)->caller) {
            const gcsim_frame *frame = gcsim_frame_at(&g->pub, at);
            r->now = (gcsim_view_root){.kind = GCSIM_ROOT_FRAME,
                                       .owner = g->pub.id,
                                       .owner_name = g->pub.name,
                                       .name = frame->name,
                                       .type = frame->type,
                                       .frame = at,
                                       .scanned = scanned};
            r->base = (const char *)gcsim_frame_slots(&g->pub, at);
            typed_pointers(h, frame->type, (char *)(uintptr_t)r->base, 1, add_slot, r);
        }
}

// A chunk is left for later as long as it comes behind the next one.
static bool global_is_left(struct gc *gc, const struct global_chunk *chunk)
{
    for (struct global_chunk *c = gc->next_globals; c; c = c->next)
        if (c == chunk)
            return true;
    return false;
}

static bool handle_is_left(struct gc *gc, const struct handle_chunk *chunk)
{
    for (struct handle_chunk *c = gc->next_handles; c; c = c->next)
        if (c == chunk)
            return true;
    return false;
}

static void add_globals(struct gc *gc, struct roots_seen *r, bool marking)
{
    for (struct global_chunk *chunk = gc->global_chunks; chunk; chunk = chunk->next)
        for (int i = 0; i < GLOBALS_PER_CHUNK; i++) {
            gcsim_global *global = &chunk->slots[i];
            r->now = (gcsim_view_root){.kind = GCSIM_ROOT_GLOBAL,
                                       .name = global->name,
                                       .scanned = marking && !global_is_left(gc, chunk)};
            if (global->in_use)
                add_root(r, 0, &global->words[0]);
        }
}

static void add_handles(struct gc *gc, struct roots_seen *r, bool marking)
{
    for (struct handle_chunk *chunk = gc->handle_chunks; chunk; chunk = chunk->next)
        for (int i = 0; i < HANDLES_PER_CHUNK; i++) {
            gcsim_handle *handle = &chunk->slots[i];
            r->now = (gcsim_view_root){.kind = GCSIM_ROOT_HANDLE,
                                       .slot = handle,
                                       .scanned = marking && !handle_is_left(gc, chunk)};
            if (handle->link == HANDLE_LIVE)
                add_root(r, 0, &handle->ptr);
        }
}

CORE uint64_t view_roots(gcsim_heap *heap, gcsim_view_root *out, uint64_t room)
{
    struct mheap *h = &heap->mheap;
    struct gc *gc = &heap->gc;
    struct roots_seen r = {.out = out, .room = room};
    bool marking = gc->phase == GC_MARK;
    // Frames are scanned in the stop that begins the cycle; the one that ends it comes when weak references wait.
    bool first_stop = (h->stop & GCSIM_STOP_NOW) && !gc->weak_blocked;
    add_frames(h, &r, marking && !first_stop);
    add_globals(gc, &r, marking);
    add_handles(gc, &r, marking);
    for (struct mutator *m = h->mutators; m; m = m->next) {
        r.now = (gcsim_view_root){
            .kind = GCSIM_ROOT_TINY, .owner = m->pub.id, .scanned = marking && !first_stop};
        if (m->tiny)
            add_root(&r, 0, (void *const *)&m->tiny);
    }
    return r.n;
}

CORE uint64_t view_buffers(gcsim_heap *heap, gcsim_view_buffer *out, uint64_t room)
{
    uint64_t n = 0;
    for (struct mutator *m = heap->mheap.mutators; m; m = m->next, n++)
        if (n < room)
            out[n] =
                (gcsim_view_buffer){.mutator = m->pub.id,
                                    .n = (uint32_t)((void **)m->pub.shade_next - m->shade_buffer),
                                    .capacity = heap->gc.shade_entries,
                                    .entries = m->shade_buffer};
    return n;
}

// --- the table ---------------------------------------------------------------------------------------------------

static uint32_t steps_view_phase(gcsim_heap *heap) { return view_phase(heap); }
static uint64_t steps_view_objects(gcsim_heap *heap, gcsim_view_object *out, uint64_t room)
{
    return view_objects(heap, out, room);
}
static uint64_t steps_view_roots(gcsim_heap *heap, gcsim_view_root *out, uint64_t room)
{
    return view_roots(heap, out, room);
}
static uint64_t steps_view_queue(gcsim_heap *heap, void **out, uint64_t room)
{
    return view_queue(heap, out, room);
}
static uint64_t steps_view_buffers(gcsim_heap *heap, gcsim_view_buffer *out, uint64_t room)
{
    return view_buffers(heap, out, room);
}
