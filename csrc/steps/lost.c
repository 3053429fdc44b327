#include "steps/lost.h"

#include "alloc/mheap.h"

// Event number i, counted back from the newest, which is 0.
static const gcsim_event *event_back(const struct event_ring *ring, uint64_t i)
{
    return &ring->records[(ring->written - 1 - i) & (ring->room - 1)];
}

static void note_store(gcsim_lost *lost, enum gcsim_lost_how how, const gcsim_event *e)
{
    lost->store = how;
    lost->store_mutator = e->mutator;
    lost->store_slot = e->where;
    lost->store_time = e->time_ns;
}

// The store that lost the object, as far as the ring goes back: the one that overwrote a pointer to it while its cycle was under way, so that the
// marker did not come by; else the one that put it behind something black. Few pointers to it are looked at: this is for a message.
static void find_store(const struct mheap *h, gcsim_lost *lost)
{
    enum { POINTERS = 64 };
    const struct event_ring *ring = &h->history->events;
    uint64_t kept = ring->written < ring->room ? ring->written : ring->room, begin = 0,
             pointers = 0;
    while (begin < kept && !(event_back(ring, begin)->kind == EVENT_CYCLE_START &&
                             event_back(ring, begin)->arg == lost->cycle))
        begin++;
    for (uint64_t i = 0; i < kept && pointers < POINTERS; i++) {
        const gcsim_event *e = event_back(ring, i);
        if (e->kind != EVENT_STORE || !e->arg || e->arg - lost->slot_offset >= lost->slot_bytes)
            continue;
        if (pointers++ == 0 && i < begin)
            note_store(lost, GCSIM_LOST_STORED, e);
        for (uint64_t k = i; k-- > 0;) // what became of that pointer
            if (event_back(ring, k)->kind == EVENT_STORE &&
                event_back(ring, k)->where == e->where) {
                if (k < begin) {
                    note_store(lost, GCSIM_LOST_OVERWRITTEN, event_back(ring, k));
                    return;
                }
                break;
            }
    }
}

CORE bool lost_find(gcsim_heap *heap, const void *address, gcsim_lost *out)
{
    struct mheap *h = &heap->mheap;
    const char *p = address;
    if (!heap->gc.unsound || p < h->arena || p >= h->arena + (h->grown_pages << PAGE_SHIFT))
        return false;
    gcsim_span *s = span_of(h, p);
    bool in_use = s && s->state == GCSIM_SPAN_IN_USE && p < s->limit;
    uint32_t index = in_use ? span_index(s, p) : 0;
    if (in_use && !span_is_free(h, s, index))
        return false;
    *out = (gcsim_lost){.cycle = heap->gc.cycles - (heap->gc.phase == GC_MARK),
                        .offset = arena_offset(h, p),
                        .span_page = arena_offset(h, in_use ? s->base : p) >> PAGE_SHIFT};
    out->slot_offset = out->offset;
    out->slot_bytes = 1;
    if (in_use) {
        out->index = index;
        out->slot_bytes = s->slot_bytes;
        out->slot_offset = arena_offset(h, span_slot(s, index));
    }
    find_store(h, out);
    return true;
}

static uint32_t steps_unsound(gcsim_heap *heap) { return heap->gc.unsound; }
static uint32_t steps_lost(gcsim_heap *heap, const void *address, gcsim_lost *out)
{
    return lost_find(heap, address, out);
}
