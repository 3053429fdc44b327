// A heap in the middle of marking, for tests of what mutators do meanwhile: begin() starts a cycle that nobody ends, mark_on() marks as far as
// there is something grey, end() ends it. checkmark and verify are on, and no thread of the collector's own runs.
#pragma once

#include "harness.h"

struct scene {
    mut *m;
    gcsim_heap *heap;
    struct mheap *h;
    const gcsim_type *node, *wide; // 8 words, 90 words; 8 pointers in front
    gcsim_goroutine *g;            // one frame of 8 pointers
    gcsim_handle *root;            // of a node
};

static void **frame(struct scene *s) { return gcsim_frame_slots(s->g, s->g->top); }
static void **field(void *object, int i) { return (void **)object + i; }

static struct scene open_scene(gcsim_options options)
{
    options.bytes = small_heap.bytes;
    options.reserve_bytes = small_heap.reserve_bytes;
    options.gc_percent = small_heap.gc_percent;
    options.check_mark = options.verify_phases = options.clobber_free = 1;
    options.events = 1 << 16;
    struct scene s = {.m = open_heap(options)};
    s.heap = s.m->heap;
    s.h = H(s.heap);
    s.heap->gc.workers.stop = 1;
    s.node = make_type(s.heap, "node", 8, 0xff);
    s.wide = make_type(s.heap, "wide", 90, 0xff);
    s.g = API->goroutine_new(s.m, 0);
    API->frame_push(s.m, s.g, s.node, 0);
    s.root = API->handle_new(s.m, gcsim_new(s.m, s.node));
    return s;
}

static void begin(struct scene *s)
{
    INVARIANT(s->heap->gc.phase == GC_OFF);
    s->h->trigger = s->h->heap_live;
    INVARIANT(cycle_run(mutator_of(s->m), GCSIM_TRIGGER_HEAP) == GCSIM_OK);
    INVARIANT(s->heap->gc.phase == GC_MARK);
    s->heap->gc.draining++; // as if somebody were marking: no assist ends it
}

// Everything that is grey now becomes black; marking goes on.
static void mark_on(struct scene *s)
{
    struct drain drain = {.work = UINT64_MAX};
    INVARIANT(mark_drain(mutator_of(s->m), &drain) == DRAINED && s->heap->gc.phase == GC_MARK);
}

CORE_LOCAL bool has_mark(struct scene *s, const void *p)
{
    gcsim_span *span = span_of(s->h, p);
    return mark_is_set(span, span_index(span, p));
}

// Nothing is swept yet.
static void end_marking(struct scene *s)
{
    uint64_t number = s->heap->gc.cycles;
    s->heap->gc.draining--;
    for (int i = 0; s->heap->gc.phase == GC_MARK && i < 1000; i++) {
        mark_on(s);
        cycle_mark_done(mutator_of(s->m));
    }
    INVARIANT(s->heap->gc.phase == GC_OFF && s->heap->gc.cycles == number);
}

CORE_LOCAL void end(struct scene *s)
{
    end_marking(s);
    API->sweep_all(s->m);
}
