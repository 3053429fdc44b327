#include "watch/snapshot.h"

#include "base/bits.h"
#include "base/os.h"
#include "gc/mark.h"
#include "gc/world.h"
#include "watch/fragmentation.h"
#include "watch/objects.h"
#include "watch/stats.h"

#define NO_NUMBER UINT32_MAX
enum { POLL_OBJECTS = 1 << 16 };

// --- buffers -----------------------------------------------------------------------------------------------------

struct column {
    char *items;
    uint64_t n, room, item_bytes;
};

static bool column_reserve(struct column *c, uint64_t more)
{
    if (LIKELY(c->room - c->n >= more))
        return true;
    uint64_t room = c->n + more > 2 * c->room ? c->n + more : 2 * c->room;
    char *items = os_fault() ? NULL : realloc(c->items, room * c->item_bytes);
    if (!items)
        return false;
    c->items = items;
    c->room = room;
    return true;
}

// Room for n more items, which count from now on. NULL: no memory.
static void *column_add(struct column *c, uint64_t n)
{
    if (UNLIKELY(!column_reserve(c, n)))
        return NULL;
    void *at = c->items + c->n * c->item_bytes;
    c->n += n;
    return at;
}

static void *array_new(uint64_t count, uint64_t item_bytes)
{
    return os_fault() ? NULL : malloc((count ? count : 1) * item_bytes);
}

// --- during the stop ---------------------------------------------------------------------------------------------

struct copied_span {
    uint64_t slot_bytes, end; // end: of its last object
    uint64_t first_word;      // of its live bits
    uint64_t first_object;    // known after the stop
    uint32_t page, npages, nelems, div_magic;
    uint32_t type; // of a large object
    uint8_t span_class;
    bool noscan, has_header;
};

struct copied_root {
    gcsim_snapshot_root row;
    void *ptr;
};

struct copy {
    struct mheap *h;
    gcsim_snapshot *out;
    struct column spans;   // struct copied_span
    struct column live;    // uint64_t: a bit per slot
    struct column counts;  // uint32_t per object with pointers: how many are not nil
    struct column types;   // uint32_t per object with a header
    struct column offsets; // uint32_t per pointer
    struct column targets; // void * per pointer
    struct column roots;   // struct copied_root
    struct column goroutines, specials;
    struct copied_root root; // whose slots are being looked at
    char *base;              // ... or of which object
    gcsim_status status;
};

static void copy_fail(struct copy *c, gcsim_status status)
{
    if (c->status == GCSIM_OK)
        c->status = status;
}

static void copy_slot(struct mheap *h, void **slot, void *ctx)
{
    struct copy *c = ctx;
    (void)h;
    void *ptr = GCSIM_LOAD(slot);
    uint64_t offset = (uint64_t)((char *)slot - c->base);
    if (!ptr || c->status != GCSIM_OK)
        return;
    if (offset > UINT32_MAX)
        return copy_fail(c, GCSIM_BAD_SIZE);
    uint32_t *offsets = column_add(&c->offsets, 1);
    void **targets = column_add(&c->targets, 1);
    if (!offsets || !targets)
        return copy_fail(c, GCSIM_NO_MEMORY);
    *offsets = (uint32_t)offset;
    *targets = ptr;
}

// Where the pointers lie in a slot of at most 512 bytes. As marking reads it (mark.c:walk_object).
CORE_INLINE uint64_t pointer_bits(const gcsim_span *s, const char *base)
{
    if (!s->mixed)
        return s->window_ptrs;
    return bits_get((const uint64_t *)(const void *)(s->base + s->heap_bits),
                    (uint64_t)(base - s->base) / 8, s->slot_bytes32 / 8);
}

// Of at most 512 bytes. There is room for all pointers of its span, so that nothing is asked for each.
CORE_INLINE void copy_small(struct copy *c, gcsim_span *s, uint32_t index, uint32_t *count)
{
    char *base = span_slot(s, index);
    uint32_t *offsets = (uint32_t *)(void *)c->offsets.items + c->offsets.n;
    void **targets = (void **)(void *)c->targets.items + c->targets.n;
    uint32_t n = 0;
    for (uint64_t bits = pointer_bits(s, base); bits; bits &= bits - 1) {
        unsigned word = bits_lowest(bits);
        void *ptr = GCSIM_LOAD((void **)(void *)base + word);
        offsets[n] = word * 8;
        targets[n] = ptr;
        n += ptr != NULL;
    }
    c->offsets.n += n;
    c->targets.n += n;
    *count = n;
}

static void copy_large(struct copy *c, gcsim_span *s, uint32_t index, uint32_t *count)
{
    uint64_t before = c->offsets.n;
    c->base = span_slot(s, index);
    uint32_t *type = span_has_header(s) ? column_add(&c->types, 1) : NULL;
    if (type)
        *type = (*(const gcsim_type *const *)(const void *)c->base)->id;
    else if (span_has_header(s))
        copy_fail(c, GCSIM_NO_MEMORY);
    object_pointers(c->h, s, c->base, 0, s->slot_bytes, copy_slot, c);
    *count = (uint32_t)(c->offsets.n - before);
}

static void copy_objects(struct copy *c, gcsim_span *s, const uint64_t *live)
{
    uint64_t objects = 0, words = span_mark_words(s);
    for (uint64_t word = 0; word < words; word++)
        objects += bits_count(live[word]);
    uint64_t pointers = s->heap_bits ? PAGE_BYTES / 8 : 0;
    uint32_t *count = column_add(&c->counts, objects);
    if (!count || !column_reserve(&c->offsets, pointers) || !column_reserve(&c->targets, pointers))
        return copy_fail(c, GCSIM_NO_MEMORY);
    for (uint64_t word = 0; word < words && c->status == GCSIM_OK; word++)
        for (uint64_t bits = live[word]; bits; bits &= bits - 1, count++) {
            uint32_t index = (uint32_t)(word * 64 + bits_lowest(bits));
            if (LIKELY(s->heap_bits))
                copy_small(c, s, index, count);
            else
                copy_large(c, s, index, count);
        }
}

static void copy_span(struct copy *c, gcsim_span *s)
{
    uint64_t words = span_mark_words(s), first_word = c->live.n;
    struct copied_span *row = column_add(&c->spans, 1);
    uint64_t *live = column_add(&c->live, words);
    if (!row || !live)
        return copy_fail(c, GCSIM_NO_MEMORY);
    *row = (struct copied_span){.slot_bytes = s->slot_bytes,
                                .end = arena_offset(c->h, s->limit),
                                .first_word = first_word,
                                .page = span_page(c->h, s),
                                .npages = s->npages,
                                .nelems = s->nelems,
                                .div_magic = s->div_magic,
                                .type = s->large_type ? s->large_type->id : NO_NUMBER,
                                .span_class = s->span_class,
                                .noscan = span_noscan(s),
                                .has_header = span_has_header(s)};
    c->out->where.unswept += span_live(c->h, s, live) * s->slot_bytes;
    if (!span_noscan(s))
        copy_objects(c, s, live);
}

static void copy_root(struct copy *c, void *ptr)
{
    struct copied_root *to = ptr ? column_add(&c->roots, 1) : NULL;
    if (to)
        *to = (struct copied_root){c->root.row, ptr};
    else if (ptr)
        copy_fail(c, GCSIM_NO_MEMORY);
}

static void copy_root_slot(struct mheap *h, void **slot, void *ctx)
{
    struct copy *c = ctx;
    (void)h;
    c->root.row.offset = (uint64_t)((char *)slot - c->base);
    copy_root(c, GCSIM_LOAD(slot));
}

static void root_begin(struct copy *c, gcsim_kept_by kind)
{
    c->root.row = (gcsim_snapshot_root){.kind = kind,
                                        .goroutine = NO_NUMBER,
                                        .frame = NO_NUMBER,
                                        .type = NO_NUMBER,
                                        .object = NO_NUMBER};
}

static void copy_goroutine(struct copy *c, gcsim_goroutine *g)
{
    gcsim_snapshot_goroutine row = {.id = g->id, .name = g->name};
    for (uint64_t at = g->top; at != UINT64_MAX; at = gcsim_frame_at(g, at)->caller) {
        const gcsim_frame *frame = gcsim_frame_at(g, at);
        root_begin(c, GCSIM_KEPT_BY_FRAME);
        c->root.row.name = frame->name;
        c->root.row.goroutine = (uint32_t)c->goroutines.n;
        c->root.row.frame = row.frames++;
        c->root.row.type = frame->type->id;
        c->base = (char *)gcsim_frame_slots(g, at);
        typed_pointers(c->h, frame->type, c->base, 1, copy_root_slot, c);
    }
    root_begin(c, GCSIM_KEPT_BY_WAITING);
    c->root.row.goroutine = (uint32_t)c->goroutines.n;
    copy_root(c, g->waiting);
    copy_root(c, g->param);
    gcsim_snapshot_goroutine *to = column_add(&c->goroutines, 1);
    if (to)
        *to = row;
    else
        copy_fail(c, GCSIM_NO_MEMORY);
}

static void copy_handles(struct copy *c, struct gc *gc)
{
    root_begin(c, GCSIM_KEPT_BY_HANDLE);
    for (struct handle_chunk *chunk = gc->handle_chunks; chunk; chunk = chunk->next)
        for (int i = 0; i < HANDLES_PER_CHUNK; i++)
            if (GCSIM_LOAD(&chunk->slots[i].link) == HANDLE_LIVE)
                copy_root(c, GCSIM_LOAD(&chunk->slots[i].ptr));
}

static void copy_mutator_roots(struct copy *c, const struct mutator *m)
{
    root_begin(c, GCSIM_KEPT_BY_TINY);
    copy_root(c, m->tiny);
    root_begin(c, GCSIM_KEPT_BY_NEW);
    copy_root(c, m->keep);
    if (m->tiny)
        c->out->where.tiny_free += TINY_BYTES - m->tiny_offset;
}

static void copy_roots(struct copy *c)
{
    struct gc *gc = &heap_of(c->h)->gc;
    root_begin(c, GCSIM_KEPT_BY_GLOBAL);
    for (struct global_chunk *chunk = gc->global_chunks; chunk; chunk = chunk->next)
        for (int i = 0; i < GLOBALS_PER_CHUNK; i++) {
            c->root.row.name = chunk->slots[i].name;
            copy_root(c, GCSIM_LOAD(&chunk->slots[i].words[0]));
        }
    for (struct goroutine *g = gc->goroutines; g; g = g->next)
        copy_goroutine(c, &g->pub);
    root_begin(c, GCSIM_KEPT_BY_BATCH);
    for (struct batch *b = gc->batches; b; b = b->next)
        for (uint64_t i = 0; b->pub.strong && i < b->pub.count; i++) {
            c->root.row.offset = i;
            copy_root(c, GCSIM_LOAD(&b->pub.objects[i]));
        }
    for (const struct mutator *m = c->h->mutators; m; m = m->next)
        copy_mutator_roots(c, m);
    root_begin(c, GCSIM_KEPT_BY_QUEUED);
    for (gcsim_special *special = gc->ready; special; special = special->next)
        if (special->kind == SPECIAL_FINALIZER)
            copy_root(c, special->ptr);
}

// A finalizer or cleanup; its object goes by its address until objects have numbers.
struct copied_special {
    gcsim_snapshot_special row;
    void *ptr;
};

static void copy_special(struct copy *c, const gcsim_span *s, const gcsim_special *special)
{
    if (special->kind != SPECIAL_FINALIZER && special->kind != SPECIAL_CLEANUP)
        return; // weak references, samples of the heap profile
    const struct callback *callback = (const struct callback *)special;
    bool is_finalizer = special->kind == SPECIAL_FINALIZER;
    struct copied_special *to = column_add(&c->specials, 1);
    if (!to)
        return copy_fail(c, GCSIM_NO_MEMORY);
    *to = (struct copied_special){.row = {.kind = is_finalizer ? GCSIM_FINALIZER : GCSIM_CLEANUP,
                                          .id = callback->id,
                                          .arg = callback->arg},
                                  .ptr = special->ptr};
    if (is_finalizer && span_is_unswept(c->h, s) && !mark_is_set(s, span_index(s, special->ptr)))
        copy_root(c, special->ptr); // the sweep queues it
}

static void copy_specials(struct copy *c)
{
    root_begin(c, GCSIM_KEPT_BY_QUEUED);
    for (uint64_t word = 0; word * 64 < c->h->grown_pages; word++)
        for (uint64_t bits = GCSIM_LOAD(&c->h->page_specials[word]); bits; bits &= bits - 1) {
            const gcsim_span *s = &c->h->spans[word * 64 + bits_lowest(bits)];
            for (gcsim_special *special = s->specials; special; special = special->next)
                copy_special(c, s, special);
        }
}

static void count_span(struct copy *c, const gcsim_span *s)
{
    gcsim_breakdown *b = &c->out->where;
    uint64_t bytes = (uint64_t)s->npages << PAGE_SHIFT;
    if (s->state == GCSIM_SPAN_MANUAL) {
        b->fences += s->purpose == GCSIM_MANUAL_FENCE ? bytes : 0;
        return;
    }
    uint64_t bits = span_bits_bytes(s);
    b->span_bits += bits;
    b->span_tails += bytes - s->nelems * s->slot_bytes - bits;
    b->free_slots += (s->nelems - span_in_use(s)) * s->slot_bytes;
}

// What does not hang on which objects are live.
static void count_bytes(struct copy *c)
{
    struct mheap *h = c->h;
    gcsim_breakdown *b = &c->out->where;
    gcsim_memstats stats = {0};
    stats_bytes(h, &stats);
    for (struct goroutine *g = heap_of(h)->gc.goroutines; g; g = g->next)
        b->stacks += g->pub.used;
    b->stacks_free = h->bytes.stacks - b->stacks;
    b->free_pages = h->bytes.free;
    b->released = h->bytes.released;
    b->work_buffers = h->bytes.workbufs;
    b->batches = h->bytes.batches;
    b->span_structs = stats.mspan_sys;
    b->mutators = stats.mcache_sys;
    b->mark_bits = stats.gc_sys - b->work_buffers;
    b->profile = stats.buck_hash_sys;
    b->other = stats.other_sys - b->batches;
    b->sys = stats.sys;
}

static void copy_heap(struct copy *c)
{
    struct mheap *h = c->h;
    for (uint64_t page = 0; page < h->grown_pages && c->status == GCSIM_OK;) {
        gcsim_span *s = h->page_span[page] ? &h->spans[page] : NULL;
        if (s)
            count_span(c, s);
        if (s && s->state == GCSIM_SPAN_IN_USE)
            copy_span(c, s);
        page += s ? s->npages : 1;
    }
    copy_roots(c);
    copy_specials(c);
    copy_handles(c, &heap_of(h)->gc);
    count_bytes(c);
}

// Buffers as large as they will be, as far as the counters know, with memory behind them: what is touched for the first time takes ten times
// as long. Whatever is too small grows.
static bool copy_prepare(struct copy *c)
{
    struct mheap *h = c->h;
    uint64_t pages = GCSIM_LOAD(&h->grown_pages), live = GCSIM_LOAD(&h->heap_live);
    uint64_t scan = GCSIM_LOAD(&h->heap_scan), words = (scan < live ? scan : live) / 8;
    const struct {
        struct column *column;
        uint64_t item_bytes, room;
    } columns[] = {
        {&c->spans, sizeof(struct copied_span), pages + 16},
        {&c->live, sizeof(uint64_t), 2 * pages + 64},
        {&c->counts, sizeof(uint32_t), words / 2 + 1024},
        {&c->types, sizeof(uint32_t), 1024},
        {&c->offsets, sizeof(uint32_t), words / 2 + 1024},
        {&c->targets, sizeof(void *), words / 2 + 1024},
        {&c->roots, sizeof(struct copied_root), 1024},
        {&c->goroutines, sizeof(gcsim_snapshot_goroutine), 64},
        {&c->specials, sizeof(struct copied_special), 64},
    };
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        columns[i].column->item_bytes = columns[i].item_bytes;
        if (!column_reserve(columns[i].column, columns[i].room))
            return false;
        memset(columns[i].column->items, 0, columns[i].room * columns[i].item_bytes);
    }
    return true;
}

static void copy_free(struct copy *c)
{
    struct column *const columns[] = {&c->spans, &c->live,       &c->counts,
                                      &c->types, &c->offsets,    &c->targets,
                                      &c->roots, &c->goroutines, &c->specials};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        free(columns[i]->items);
}

// --- after the stop ----------------------------------------------------------------------------------------------

// Which object an address lies in: the span of its page, the slot in the span, and how many objects come before.
struct finder {
    const char *arena;
    uint64_t pages;
    uint32_t *span_of_page; // + 1
    uint32_t *before;       // objects before each word of live bits, in its span
    const struct copied_span *spans;
    const uint64_t *live;
};

CORE_INLINE uint32_t find_object(const struct finder *f, const void *ptr, uint32_t *offset)
{
    uint64_t at = (uint64_t)((const char *)ptr - f->arena), page = at >> PAGE_SHIFT;
    if (page >= f->pages || !f->span_of_page[page])
        return NO_NUMBER;
    const struct copied_span *s = &f->spans[f->span_of_page[page] - 1];
    uint64_t inside = at - ((uint64_t)s->page << PAGE_SHIFT);
    if (at >= s->end)
        return NO_NUMBER;
    uint32_t index = (uint32_t)((uint64_t)(uint32_t)inside * s->div_magic >> 32);
    uint64_t word = s->first_word + index / 64;
    if (!(f->live[word] >> index % 64 & 1))
        return NO_NUMBER;
    inside -= index * s->slot_bytes;
    *offset = inside < UINT32_MAX ? (uint32_t)inside : UINT32_MAX;
    return (uint32_t)(s->first_object + f->before[word] +
                      bits_count(f->live[word] & bits_low(index % 64)));
}

static bool is_interrupted(struct copy *c, uint64_t object)
{
    struct gc *gc = &heap_of(c->h)->gc;
    if (LIKELY(object % POLL_OBJECTS || !gc->poll) ||
        !rt_on_host(&c->h->rt, gc->poll, gc->poll_arg))
        return false;
    copy_fail(c, GCSIM_INTERRUPTED);
    return true;
}

static bool finder_make(struct copy *c, struct finder *f)
{
    struct copied_span *spans = (void *)c->spans.items;
    const uint64_t *live = (void *)c->live.items;
    uint64_t objects = 0;
    *f = (struct finder){.arena = c->h->arena, .spans = spans, .live = live};
    for (uint64_t i = 0; i < c->spans.n; i++) // the pages of large objects go on behind their first
        f->pages = divide_up(spans[i].end, PAGE_BYTES);
    f->span_of_page = os_fault() ? NULL : calloc(f->pages + 1, sizeof *f->span_of_page);
    f->before = array_new(c->live.n, sizeof *f->before);
    if (!f->span_of_page || !f->before)
        return copy_fail(c, GCSIM_NO_MEMORY), false;
    for (uint64_t i = 0; i < c->spans.n; i++) {
        struct copied_span *s = &spans[i];
        s->first_object = objects;
        for (uint64_t page = s->page; page << PAGE_SHIFT < s->end; page++)
            f->span_of_page[page] = (uint32_t)i + 1;
        for (uint64_t word = 0; word < divide_up(s->nelems, 64); word++) {
            f->before[s->first_word + word] = (uint32_t)(objects - s->first_object);
            objects += bits_count(live[s->first_word + word]);
        }
    }
    c->out->objects = objects;
    if (objects >= NO_NUMBER - 1)
        return copy_fail(c, GCSIM_BAD_SIZE), false;
    return true;
}

static bool columns_make(struct copy *c, gcsim_snapshot *out)
{
    uint64_t n = out->objects, m = c->offsets.n;
    out->address = array_new(n, sizeof *out->address);
    out->slot_bytes = array_new(n, sizeof *out->slot_bytes);
    out->noscan = array_new(n, sizeof *out->noscan);
    out->type = array_new(n, sizeof *out->type);
    out->edge_start = array_new(n + 1, sizeof *out->edge_start);
    out->edge_dst = array_new(m, sizeof *out->edge_dst);
    out->edge_dst_off = array_new(m, sizeof *out->edge_dst_off);
    if (out->address && out->slot_bytes && out->noscan && out->type && out->edge_start &&
        out->edge_dst && out->edge_dst_off)
        return true;
    return copy_fail(c, GCSIM_NO_MEMORY), false;
}

// The pointers of one object, without those that lead to none. The offsets move to the front where they are.
static void object_edges(struct copy *c, const struct finder *f, uint64_t *taken, uint32_t count)
{
    gcsim_snapshot *out = c->out;
    uint32_t *offsets = (void *)c->offsets.items;
    void *const *targets = (void *)c->targets.items;
    for (uint64_t end = *taken + count; *taken < end; ++*taken) {
        uint64_t at = out->edges;
        out->edge_dst[at] = find_object(f, targets[*taken], &out->edge_dst_off[at]);
        offsets[at] = offsets[*taken];
        out->edges += out->edge_dst[at] != NO_NUMBER;
    }
}

static void resolve_objects(struct copy *c, const struct finder *f)
{
    gcsim_snapshot *out = c->out;
    const uint32_t *counts = (void *)c->counts.items, *types = (void *)c->types.items;
    uint64_t taken = 0, i = 0;
    for (uint64_t k = 0; k < c->spans.n; k++) {
        const struct copied_span *s = &f->spans[k];
        for (uint32_t index = 0; index < s->nelems; index++) {
            if (!bits_test(f->live + s->first_word, index))
                continue;
            if (is_interrupted(c, i))
                return;
            out->address[i] = ((uint64_t)s->page << PAGE_SHIFT) + index * s->slot_bytes;
            out->slot_bytes[i] = s->slot_bytes;
            out->noscan[i] = s->noscan;
            out->type[i] = s->has_header ? *types++ : s->type;
            out->edge_start[i++] = out->edges;
            if (!s->noscan)
                object_edges(c, f, &taken, *counts++);
        }
    }
    out->edge_start[i] = out->edges;
    out->edge_off = (void *)c->offsets.items;
    c->offsets.items = NULL;
}

static void resolve_specials(struct copy *c, const struct finder *f)
{
    gcsim_snapshot *out = c->out;
    const struct copied_special *from = (void *)c->specials.items;
    out->special = array_new(c->specials.n, sizeof *out->special);
    if (!out->special)
        return copy_fail(c, GCSIM_NO_MEMORY);
    for (uint64_t i = 0; i < c->specials.n; i++) {
        gcsim_snapshot_special *to = &out->special[out->specials];
        *to = from[i].row;
        to->object = find_object(f, from[i].ptr, &(uint32_t){0});
        out->specials += to->object != NO_NUMBER;
    }
}

// Not the object that has a finalizer is kept for it, but what it points to (mgcmark.go:markrootSpans).
static uint64_t finalizer_roots(const gcsim_snapshot *s, gcsim_snapshot_root *out)
{
    uint64_t n = 0;
    for (uint64_t i = 0; i < s->specials; i++) {
        uint32_t object = s->special[i].object;
        if (s->special[i].kind != GCSIM_FINALIZER)
            continue;
        for (uint64_t e = s->edge_start[object]; e < s->edge_start[object + 1]; e++, n++)
            if (out)
                out[n] = (gcsim_snapshot_root){.kind = GCSIM_KEPT_BY_FINALIZER,
                                               .goroutine = NO_NUMBER,
                                               .frame = NO_NUMBER,
                                               .type = NO_NUMBER,
                                               .object = object,
                                               .dst = s->edge_dst[e],
                                               .dst_off = s->edge_dst_off[e],
                                               .offset = s->edge_off[e]};
    }
    return n;
}

static void resolve_roots(struct copy *c, const struct finder *f)
{
    gcsim_snapshot *out = c->out;
    const struct copied_root *from = (void *)c->roots.items;
    out->root = array_new(c->roots.n + finalizer_roots(out, NULL), sizeof *out->root);
    if (!out->root)
        return copy_fail(c, GCSIM_NO_MEMORY);
    bool done = false;
    for (uint64_t i = 0; i <= c->roots.n; i++) {
        if (!done && (i == c->roots.n || from[i].row.kind == GCSIM_KEPT_BY_HANDLE)) {
            out->roots += finalizer_roots(out, out->root + out->roots); // handles come last
            done = true;
        }
        if (i == c->roots.n)
            break;
        gcsim_snapshot_root *to = &out->root[out->roots];
        *to = from[i].row;
        to->dst = find_object(f, from[i].ptr, &to->dst_off);
        out->roots += to->dst != NO_NUMBER;
    }
    out->goroutines = c->goroutines.n;
    out->goroutine = (void *)c->goroutines.items;
    c->goroutines.items = NULL;
}

// --- where the memory is -----------------------------------------------------------------------------------------

// A bit per object that a root reaches. Each object is on the stack once at most.
static void mark_reached(const gcsim_snapshot *s, uint64_t *reached, uint32_t *stack)
{
    for (uint64_t r = 0, depth = 0; r < s->roots; r++) {
        if (!bits_test(reached, s->root[r].dst)) {
            bits_set(reached, s->root[r].dst);
            stack[depth++] = s->root[r].dst;
        }
        while (depth) {
            uint32_t from = stack[--depth];
            for (uint64_t e = s->edge_start[from]; e < s->edge_start[from + 1]; e++)
                if (!bits_test(reached, s->edge_dst[e])) {
                    bits_set(reached, s->edge_dst[e]);
                    stack[depth++] = s->edge_dst[e];
                }
        }
    }
}

struct class_use {
    uint64_t spans, span_bytes, nelems, live;
};

// Pages that each class would need less if what is live lay in as few spans as possible.
static uint64_t compaction(const struct class_use *classes)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < NUM_SPAN_CLASSES; i++)
        if (span_class_size_class(i) != LARGE_SIZE_CLASS && classes[i].spans)
            bytes += spans_to_spare(classes[i].spans, classes[i].live, classes[i].nelems) *
                     classes[i].span_bytes;
    return bytes;
}

static void count_live(struct copy *c, const uint64_t *reached)
{
    gcsim_breakdown *b = &c->out->where;
    struct class_use classes[NUM_SPAN_CLASSES] = {0};
    const struct copied_span *spans = (void *)c->spans.items;
    for (uint64_t k = 0; k < c->spans.n; k++) {
        const struct copied_span *s = &spans[k];
        uint64_t behind = k + 1 < c->spans.n ? spans[k + 1].first_object : c->out->objects;
        uint64_t live = 0;
        for (uint64_t i = s->first_object; i < behind; i++)
            live += bits_test(reached, i);
        b->live += live * s->slot_bytes;
        b->dead += (behind - s->first_object - live) * s->slot_bytes;
        if (span_class_size_class(s->span_class) == LARGE_SIZE_CLASS && live)
            b->large_tails += ((uint64_t)s->page << PAGE_SHIFT) + s->slot_bytes - s->end;
        struct class_use *use = &classes[s->span_class];
        *use = (struct class_use){use->spans + 1, (uint64_t)s->npages << PAGE_SHIFT, s->nelems,
                                  use->live + live};
    }
    b->live -= b->large_tails + b->tiny_free;
    b->compaction = compaction(classes);
}

static void resolve_breakdown(struct copy *c)
{
    uint64_t words = c->out->objects / 64 + 1;
    uint64_t *reached = os_fault() ? NULL : calloc(words, sizeof *reached);
    uint32_t *stack = array_new(c->out->objects, sizeof *stack);
    if (reached && stack) {
        mark_reached(c->out, reached, stack);
        count_live(c, reached);
    } else {
        copy_fail(c, GCSIM_NO_MEMORY);
    }
    free(reached);
    free(stack);
}

// --- all of it ---------------------------------------------------------------------------------------------------

static void resolve(struct copy *c)
{
    struct finder f = {0};
    if (c->status == GCSIM_OK && finder_make(c, &f) && columns_make(c, c->out)) {
        void (*const steps[])(struct copy *, const struct finder *) = {
            resolve_objects, resolve_specials, resolve_roots};
        for (size_t i = 0; i < sizeof steps / sizeof *steps && c->status == GCSIM_OK; i++)
            steps[i](c, &f);
        if (c->status == GCSIM_OK)
            resolve_breakdown(c);
    }
    free(f.span_of_page);
    free(f.before);
}

CORE gcsim_status snapshot_take(struct mutator *m, gcsim_snapshot *out)
{
    struct mheap *h = mheap_of(m);
    struct copy c = {.h = h, .out = out};
    *out = (gcsim_snapshot){0};
    gcsim_leave(&m->pub);
    if (!copy_prepare(&c))
        copy_fail(&c, GCSIM_NO_MEMORY);
    gcsim_enter(&m->pub);
    if (c.status == GCSIM_OK) {
        uint64_t asked = world_stop(m), stood = rt_now_ns(&h->rt);
        copy_heap(&c);
        uint64_t copied = rt_now_ns(&h->rt);
        world_start(m);
        out->stop_ns = copied - asked;
        out->copy_ns = copied - stood;
    }
    gcsim_leave(&m->pub);
    resolve(&c);
    copy_free(&c);
    if (c.status != GCSIM_OK)
        snapshot_free(out);
    gcsim_enter(&m->pub);
    return c.status;
}

static uint64_t count_into(const struct copy *c, const char *from, uint64_t bytes)
{
    const struct copied_root *roots = (const void *)c->roots.items;
    char *const *targets = (char *const *)(const void *)c->targets.items;
    uint64_t n = 0;
    for (uint64_t i = 0; i < c->roots.n; i++)
        n += (uint64_t)((const char *)roots[i].ptr - from) < bytes;
    for (uint64_t i = 0; i < c->targets.n; i++)
        n += (uint64_t)(targets[i] - from) < bytes;
    return n;
}

CORE gcsim_status snapshot_count_into(struct mutator *m, const char *from, uint64_t bytes,
                                      uint64_t *count, void (*then)(void *arg), void *arg)
{
    gcsim_snapshot unused = {0};
    struct copy c = {.h = mheap_of(m), .out = &unused};
    gcsim_leave(&m->pub);
    if (!copy_prepare(&c))
        copy_fail(&c, GCSIM_NO_MEMORY);
    gcsim_enter(&m->pub);
    if (c.status == GCSIM_OK) {
        world_stop(m);
        copy_heap(&c);
        *count = count_into(&c, from, bytes);
        if (c.status == GCSIM_OK)
            then(arg);
        world_start(m);
    }
    copy_free(&c);
    return c.status;
}

CORE void snapshot_free(gcsim_snapshot *s)
{
    void *const arrays[] = {s->address,    s->slot_bytes, s->noscan,   s->type,
                            s->edge_start, s->edge_off,   s->edge_dst, s->edge_dst_off,
                            s->root,       s->goroutine,  s->special};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        free(arrays[i]);
    *s = (gcsim_snapshot){0};
}
