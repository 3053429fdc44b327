#include "watch/objects.h"

#include "base/bits.h"
#include "gc/mark.h"

static const gcsim_type *object_type(const gcsim_span *s, const char *base)
{
    if (!s->slot_bytes32)
        return s->large_type;
    return span_has_header(s) ? *(const gcsim_type *const *)(const void *)base : NULL;
}

CORE bool span_is_unswept(const struct mheap *h, const gcsim_span *s)
{
    uint32_t sweepgen = GCSIM_LOAD(&s->sweepgen); // the second: cached since before the sweep began
    return sweepgen == h->sweepgen - 2 || sweepgen == h->sweepgen + 1;
}

// The 64 slots from 64 * word on that hold an object as the allocator sees it (mheap.c:span_is_free, for a whole word).
static uint64_t allocated_word(const struct mheap *h, const gcsim_span *s, uint32_t word)
{
    uint32_t first = word * 64, given = s->free_index > first ? s->free_index - first : 0;
    uint64_t bits = span_alloc_bits(h, s)[word] | bits_low(given);
    if (s->loaded && s->window_index / 64 == word)
        bits = (bits & ~s->loaded) | (s->loaded & ~s->free);
    return s->nelems - first < 64 ? bits & bits_low(s->nelems - first) : bits;
}

CORE uint32_t span_live(const struct mheap *h, const gcsim_span *s, uint64_t *live)
{
    bool unswept = span_is_unswept(h, s);
    uint32_t freed = 0;
    for (uint32_t word = 0; word < span_mark_words(s); word++) {
        live[word] = allocated_word(h, s, word);
        uint64_t dead = unswept ? live[word] & ~GCSIM_LOAD(&s->marks[word]) : 0;
        live[word] &= ~dead;
        freed += bits_count(dead);
    }
    for (gcsim_special *special = unswept ? s->specials : NULL; special; special = special->next) {
        uint32_t index = span_index(s, special->ptr);
        if (special->kind == SPECIAL_FINALIZER && !bits_test(live, index)) { // it is revived
            bits_set(live, index);
            freed--;
        }
    }
    return freed;
}

CORE uint64_t span_bits_bytes(const gcsim_span *s)
{
    return (s->heap_bits ? (uint64_t)SPAN_HEAP_BITS_BYTES : 0) +
           (s->inline_marks ? (uint64_t)SPAN_INLINE_MARKS_BYTES : 0);
}

static void describe(struct mheap *h, gcsim_span *s, uint32_t index, gcsim_object *out)
{
    char *base = span_slot(s, index);
    *out = (gcsim_object){.base = base,
                          .slot_bytes = s->slot_bytes,
                          .type = object_type(s, base),
                          .span_page = span_page(h, s),
                          .index = index,
                          .header_bytes = span_has_header(s) ? MALLOC_HEADER_BYTES : 0,
                          .noscan = span_noscan(s),
                          .marked = mark_is_set(s, index),
                          .span_class = s->span_class,
                          .unswept = span_is_unswept(h, s)};
}

CORE gcsim_status object_find(struct mheap *h, const void *address, gcsim_object *out)
{
    gcsim_span *s = span_of(h, address);
    if (!s || s->state != GCSIM_SPAN_IN_USE || (const char *)address >= s->limit)
        return GCSIM_BAD_ADDRESS;
    uint32_t index = span_index(s, address), sweepgen;
    bool lives;
    do { // again if another thread sweeps the span meanwhile
        while ((sweepgen = __atomic_load_n(&s->sweepgen, __ATOMIC_ACQUIRE)) == h->sweepgen - 1)
            rt_yield(&h->rt);
        describe(h, s, index, out);
        // Where a span waits to be swept, a slot without a mark holds no object any more.
        lives = out->unswept ? out->marked : !span_is_free(h, s, index);
    } while (__atomic_load_n(&s->sweepgen, __ATOMIC_ACQUIRE) != sweepgen);
    return lives ? GCSIM_OK : GCSIM_BAD_ADDRESS;
}

// The cursor is page << 16 | slot number of the next candidate.
CORE uint64_t object_list(struct mheap *h, uint64_t *cursor, gcsim_object *out, uint64_t room)
{
    uint64_t n = 0, page = *cursor >> 16;
    uint32_t index = *cursor & 0xffff;
    while (page < h->grown_pages && n < room) {
        gcsim_span *s = h->page_span[page] ? &h->spans[page] : NULL;
        if (s && s->state == GCSIM_SPAN_IN_USE)
            for (; index < s->nelems && n < room; index++)
                if (!span_is_free(h, s, index)) {
                    describe(h, s, index, &out[n]);
                    n += !(out[n].unswept && !out[n].marked);
                }
        if (s && s->state == GCSIM_SPAN_IN_USE && index < s->nelems)
            break;
        page += s ? s->npages : 1;
        index = 0;
    }
    *cursor = page << 16 | index;
    return n;
}

CORE uint64_t span_list_all(struct mheap *h, uint64_t *cursor, gcsim_span_info *out, uint64_t room)
{
    uint64_t n = 0;
    while (*cursor < h->grown_pages && n < room) {
        gcsim_span *s = h->page_span[*cursor] ? &h->spans[*cursor] : NULL;
        if (s)
            out[n++] = (gcsim_span_info){.first_page = *cursor,
                                         .npages = s->npages,
                                         .nelems = s->nelems,
                                         .allocated = span_in_use(s),
                                         .free_index = s->free_index,
                                         .slot_bytes = s->slot_bytes,
                                         .span_class = s->span_class,
                                         .state = s->state,
                                         .sweep = s->sweepgen - h->sweepgen,
                                         .needzero = s->needzero,
                                         .cached = s->sweepgen == h->sweepgen + 3,
                                         .purpose = s->purpose};
        *cursor += s ? s->npages : 1;
    }
    return n;
}

struct slot_collector {
    const char *base;
    uint32_t *out;
    uint64_t room, n;
};

static void collect_slot(struct mheap *h, void **slot, void *ctx)
{
    struct slot_collector *c = ctx;
    (void)h;
    if (c->n < c->room)
        c->out[c->n] = (uint32_t)((char *)slot - c->base);
    c->n++;
}

CORE uint64_t object_pointer_slots(struct mheap *h, const gcsim_object *object, uint32_t *out,
                                   uint64_t room)
{
    struct slot_collector c = {object->base, out, room, 0};
    object_pointers(h, &h->spans[object->span_page], object->base, 0, object->slot_bytes,
                    collect_slot, &c);
    return c.n;
}
