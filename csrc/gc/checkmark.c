#include "gc/checkmark.h"

#include "base/bits.h"
#include "gc/mark.h"
#include "gc/roots.h"
#include "gc/work.h"

typedef unsigned long long ull; // for printf

static uint64_t *reached_bits(const struct mheap *h, const gcsim_span *s)
{
    return (uint64_t *)(void *)(world_at(h->world, REGION_CHECK_MARKS) +
                                (uint64_t)span_page(h, s) * MARK_BYTES_PER_PAGE);
}

static const char *manual_name(unsigned purpose)
{
    return purpose == GCSIM_MANUAL_STACK   ? "goroutine stack"
           : purpose == GCSIM_MANUAL_BATCH ? "strong batch"
                                           : "manual span";
}

// Where a pointer lies: in an object, a stack, a batch, or a record of the core's (handle, global, mutator).
static COLD void print_place(const struct mheap *h, const void *slot)
{
    gcsim_span *s = span_of(h, slot);
    if (!s) {
        fprintf(stderr, "a root at world offset %llu\n",
                (ull)((const char *)slot - h->world->base));
    } else if (s->state != GCSIM_SPAN_IN_USE) {
        fprintf(stderr, "offset %llu of the %s at page %u\n", (ull)((const char *)slot - s->base),
                manual_name(s->purpose), span_page(h, s));
    } else {
        uint32_t index = span_index(s, slot);
        fprintf(stderr, "offset %llu of slot %u of the span at page %u (%llu-byte slots%s)\n",
                (ull)((const char *)slot - span_slot(s, index)), index, span_page(h, s),
                (ull)s->slot_bytes, mark_is_set(s, index) ? ", marked" : "");
    }
}

// As mcheckmark.go:setCheckmark does: who points where.
static COLD void report_unmarked(const struct mheap *h, const gcsim_span *s, uint32_t index,
                                 const void *slot)
{
    fprintf(stderr,
            "gcsim: checkmark: reachable object that is not marked: offset %llu of the arena, slot "
            "%u of the span at page %u (%llu-byte slots, span class %u, sweepgen h%+d)\n"
            "gcsim: checkmark: the pointer to it lies at ",
            (ull)arena_offset(h, span_slot(s, index)), index, span_page(h, s), (ull)s->slot_bytes,
            s->span_class, (int)(s->sweepgen - h->sweepgen));
    print_place(h, slot);
    core_die(__FILE__, __LINE__, "checkmark found an unmarked object");
}

static void visit_reached(struct mheap *h, void **slot, void *ctx)
{
    struct gcwork *w = ctx;
    char *p = GCSIM_LOAD(slot);
    gcsim_span *s = span_of(h, p);
    if (!s || p >= s->limit)
        return;
    uint32_t index = span_index(s, p);
    if (heap_of(h)->gc.conservative_stacks && span_is_free(h, s, index))
        return; // a word of a frame that is no pointer
    if (!mark_is_set(s, index))
        report_unmarked(h, s, index, slot);
    uint64_t *word = reached_bits(h, s) + index / 64, bit = 1ull << (index % 64);
    if (*word & bit)
        return;
    *word |= bit;
    if (!span_noscan(s))
        work_push(h, w, span_slot(s, index));
}

static void scan_object(struct mheap *h, char *object, struct gcwork *w)
{
    gcsim_span *s = span_of(h, object);
    object_pointers(h, s, object, 0, s->slot_bytes, visit_reached, w);
}

// No memory for a work buffer: objects were forgotten. They are among those with a bit.
static void scan_all_checked(struct mheap *h, struct gcwork *w)
{
    for (uint64_t page = 0; page < h->grown_pages;) {
        gcsim_span *s = h->page_span[page] ? &h->spans[page] : NULL;
        if (s && s->state == GCSIM_SPAN_IN_USE && !span_noscan(s))
            for (uint32_t i = 0; i < s->nelems; i++)
                if (bits_test(reached_bits(h, s), i))
                    scan_object(h, span_slot(s, i), w);
        page += s ? s->npages : 1;
    }
}

CORE void checkmark(struct mutator *m)
{
    struct mheap *h = mheap_of(m);
    struct gc *gc = &heap_of(h)->gc;
    struct gcwork *w = &m->work, counted = *w; // empty; specials put what they find there too
    uint64_t globals_work = gc->globals_work;  // the pacer counts them once
    roots_prepare(h);
    roots_visit_stopped(h, visit_reached, w);
    while (roots_next(m, visit_reached, w))
        ;
    for (;;) {
        for (char *object; (object = work_pop(h, w));)
            scan_object(h, object, w);
        if (!gc->work.overflow)
            break;
        gc->work.overflow = false;
        scan_all_checked(h, w);
    }
    counted.current = w->current;
    counted.spare = w->spare;
    *w = counted;
    gc->globals_work = globals_work;
    memset(world_at(h->world, REGION_CHECK_MARKS), 0, h->grown_pages * MARK_BYTES_PER_PAGE);
}
