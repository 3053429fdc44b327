// Rules 42 to 48, 56 to 60, 62 and 63: handles, globals, goroutines and their stacks, batches, work buffers, specials.
#include "watch/verify_parts.h"

#include "alloc/mcache.h"
#include "gc/stack.h"

#include <sched.h>

enum {
    HANDLE_TRIES = 1000
}; // handles may be dropped by threads that no stop waits for: what looks wrong is looked at again

// --- handles: bit i of the maps stands for a handle at byte 16 i + 8 of the records, where chunks keep their slots

struct handle_maps {
    uint8_t *slot, *listed;
    uint64_t slots;
};

static uint64_t handle_number(const struct mheap *h, const void *p)
{
    return (uint64_t)((const char *)p - world_at(h->world, REGION_META)) / 16;
}

static const char *map_chunks(struct verify *v, struct handle_maps *maps)
{
    for (struct handle_chunk *c = heap_of(v->h)->gc.handle_chunks; c; c = c->next) {
        if (!verify_is_record(v->h, c, sizeof *c) || (uintptr_t)c % 16 ||
            maps->slots > v->h->meta.used / 16)
            return "the list of chunks is broken";
        for (int i = 0; i < HANDLES_PER_CHUNK; i++) {
            uint64_t n = handle_number(v->h, &c->slots[i]);
            maps->slot[n / 8] |= (uint8_t)(1 << n % 8);
        }
        maps->slots += HANDLES_PER_CHUNK;
    }
    return NULL;
}

static const char *map_list(struct verify *v, struct handle_maps *maps, const gcsim_handle *list,
                            bool free)
{
    for (const gcsim_handle *handle = list; handle;
         handle = (const gcsim_handle *)GCSIM_LOAD(&handle->link)) {
        uint64_t n = handle_number(v->h, handle);
        if (!verify_is_record(v->h, handle, sizeof *handle) || (uintptr_t)handle % 16 != 8 ||
            !(maps->slot[n / 8] >> n % 8 & 1))
            return "a list leaves the chunks";
        if (maps->listed[n / 8] >> n % 8 & 1)
            return "a handle is on two lists";
        maps->listed[n / 8] |= (uint8_t)(1 << n % 8);
        if (free && handle->ptr)
            return "a free handle holds a pointer";
    }
    return NULL;
}

// NULL if all is well.
static const char *look_at_handles(struct verify *v, struct handle_maps *maps)
{
    struct gc *gc = &heap_of(v->h)->gc;
    const char *why = map_chunks(v, maps);
    if (!why)
        why = map_list(v, maps, __atomic_load_n(&gc->dropped_handles, __ATOMIC_ACQUIRE), false);
    if (!why)
        why = map_list(v, maps, gc->free_handles, true);
    for (struct mutator *m = v->h->mutators; m && !why; m = m->next)
        why = map_list(v, maps, m->free_handles, true);
    for (struct handle_chunk *c = gc->handle_chunks; c && !why; c = c->next)
        for (int i = 0; i < HANDLES_PER_CHUNK; i++) {
            uint64_t n = handle_number(v->h, &c->slots[i]);
            if ((GCSIM_LOAD(&c->slots[i].link) == HANDLE_LIVE) ==
                (maps->listed[n / 8] >> n % 8 & 1))
                why = "a handle is neither live nor on a list, or both";
        }
    return why;
}

static void check_handles(struct verify *v)
{
    uint64_t bytes = v->h->meta.used / 16 / 8 + 1;
    uint8_t *memory = verify_memory(v, bytes * 2);
    if (!memory)
        return;
    const char *why = "";
    for (int tries = 0; why && tries < HANDLE_TRIES; tries++) {
        if (tries)
            sched_yield();
        memset(memory, 0, bytes * 2);
        struct handle_maps maps = {memory, memory + bytes, 0};
        why = look_at_handles(v, &maps);
    }
    HOLDS(v, HANDLES, !why, "%s", why);
    free(memory);
}

// --- globals, goroutines, batches --------------------------------------------------------------------------------

static void check_globals(struct verify *v)
{
    struct gc *gc = &heap_of(v->h)->gc;
    uint64_t in_use = 0, chunks = 0;
    for (struct global_chunk *c = gc->global_chunks; c; c = c->next) {
        if (!HOLDS(v, GLOBALS,
                   verify_is_record(v->h, c, sizeof *c) && ++chunks * sizeof *c <= v->h->meta.used,
                   "the list of chunks is broken"))
            return;
        for (int i = 0; i < GLOBALS_PER_CHUNK; i++) {
            in_use += c->slots[i].in_use != 0;
            HOLDS(v, GLOBALS,
                  c->slots[i].in_use ? c->slots[i].name < v->h->types.nnames
                                     : !c->slots[i].words[0],
                  "slot %d of chunk %llu: name %u, in use %u", i, (ull)chunks, c->slots[i].name,
                  c->slots[i].in_use);
        }
    }
    HOLDS(v, GLOBALS, gc->globals_scan == in_use * 24, "%llu bytes counted, %llu in use",
          (ull)gc->globals_scan, (ull)in_use);
}

// The manual span that begins at `base` and serves `purpose`, claimed once more; NULL if there is none.
static gcsim_span *claim(struct verify *v, const void *base, gcsim_manual purpose)
{
    struct mheap *h = v->h;
    uint64_t offset = (uint64_t)((const char *)base - h->arena), page = offset / PAGE_BYTES;
    if (offset % PAGE_BYTES || page >= h->grown_pages || h->page_span[page] != page + 1)
        return NULL;
    gcsim_span *s = &h->spans[page];
    if (s->state != GCSIM_SPAN_MANUAL || s->purpose != purpose)
        return NULL;
    v->claimed[page] += v->claimed[page] < 2;
    return s;
}

static void check_frames(struct verify *v, const gcsim_goroutine *g)
{
    uint64_t end = g->used, depth = 0;
    uint32_t younger = UINT32_MAX;
    if (!HOLDS(v, FRAMES, g->used <= g->stack_bytes, "goroutine %u uses %llu bytes of %llu", g->id,
               (ull)g->used, (ull)g->stack_bytes))
        return;
    for (uint64_t at = g->top; at != UINT64_MAX; depth++) {
        if (!HOLDS(v, FRAMES, at % 8 == 0 && at < end && end - at >= sizeof(gcsim_frame),
                   "goroutine %u: frame %llu from the top at %llu, the next at %llu", g->id,
                   (ull)depth, (ull)at, (ull)end))
            return;
        const gcsim_frame *f = (const gcsim_frame *)(const void *)(g->stack + at);
        const struct types *types = &v->h->types;
        bool known = verify_is_record(v->h, f->type, sizeof *f->type) &&
                     f->type->id < types->ntypes && types->by_id[f->type->id] == f->type;
        if (!HOLDS(v, FRAMES,
                   known && at + sizeof *f + round_up(f->type->bytes, 8) == end &&
                       f->serial < younger && f->name < types->nnames,
                   "goroutine %u: frame at %llu, serial %u, ends not at %llu", g->id, (ull)at,
                   f->serial, (ull)end))
            return;
        younger = f->serial;
        end = at;
        at = f->caller;
    }
    HOLDS(v, FRAMES, end == 0 && depth == g->depth, "goroutine %u: %llu frames of %u above %llu",
          g->id, (ull)depth, g->depth, (ull)end);
}

// --- what goroutines wait for ------------------------------------------------------------------------------------

// Finalizers are set at an object's first byte, as what a goroutine waits for is, which comes after the header that objects above 512 bytes with pointers have.
static bool begins_object(const gcsim_span *s, const char *ptr)
{
    uint64_t inside = (uint64_t)(ptr - s->base) % s->slot_bytes;
    bool header = s->span_class > 1 && s->slot_bytes > 512 && !(s->span_class & 1);
    return inside == (header ? 8u : 0u) || s->span_class == 5;
}

struct wait_words {
    gcsim_wait *wait;
    uint32_t found;
};

static void note_wait_word(struct verify *v, void **slot, void *ctx)
{
    (void)v;
    struct wait_words *words = ctx;
    words->found += slot == &words->wait->object || slot == (void **)&words->wait->link;
}

// A live object that begins with what a search reads (gc/leaks.c:may_run), both words pointers to the collector.
static bool is_wait(struct verify *v, gcsim_wait *w)
{
    struct located at = verify_locate(v->h, w);
    struct wait_words words = {.wait = w};
    if (at.place != PLACE_OBJECT || !begins_object(at.span, (const char *)w))
        return false;
    verify_object_pointers(v, at.span, at.index, note_wait_word, &words);
    return words.found == 2;
}

static void check_waiting(struct verify *v, const gcsim_goroutine *g)
{
    const gcsim_wait *slow = g->waiting; // half as far: who goes in a ring meets it
    uint64_t n = 0;
    for (gcsim_wait *w = g->waiting; w; w = w->link, n++) {
        if (n && n % 2 == 0)
            slow = slow->link;
        if (!HOLDS(v, BLOCKED, is_wait(v, w) && (n == 0 || w != slow),
                   "goroutine %u: item %llu of what it waits for is no object for that, or there "
                   "again",
                   g->id, (ull)n))
            return;
    }
}

static void check_blocked(struct verify *v, const struct goroutine *g)
{
    const gcsim_goroutine *pub = &g->pub;
    uint32_t reason = pub->wait_reason;
    bool for_ever = reason >= GCSIM_WAIT_CHAN_RECEIVE_NIL && reason < GCSIM_WAIT_REASONS;
    HOLDS(v, BLOCKED,
          reason < GCSIM_WAIT_REASONS && (reason == GCSIM_WAIT_NONE ? !pub->waiting : !pub->param),
          "goroutine %u: reason %u, waits for %p, woken by %p", pub->id, reason,
          (void *)pub->waiting, pub->param);
    HOLDS(v, BLOCKED, pub->leaked <= for_ever, "goroutine %u: reason %u, leaked %u", pub->id,
          reason, pub->leaked);
    HOLDS(v, BLOCKED, !g->held_back || (for_ever && heap_of(v->h)->gc.leaks.searching),
          "goroutine %u: reason %u, its stack is held back", pub->id, reason);
    check_waiting(v, pub);
}

static void check_goroutines(struct verify *v)
{
    struct gc *gc = &heap_of(v->h)->gc;
    uint64_t n = 0, most = v->h->meta.used / sizeof(struct goroutine) + 1, go_stacks = 0;
    for (struct goroutine *g = gc->goroutines; g; g = g->next) {
        if (!HOLDS(v, STACKS, verify_is_record(v->h, g, sizeof *g) && ++n <= most && g->pub.in_use,
                   "the list of goroutines is broken"))
            return;
        gcsim_span *s = claim(v, g->pub.stack, GCSIM_MANUAL_STACK);
        if (HOLDS(v, STACKS, s && (uint64_t)s->npages * PAGE_BYTES == g->pub.stack_bytes,
                  "goroutine %u: %llu bytes", g->pub.id, (ull)g->pub.stack_bytes))
            check_frames(v, &g->pub);
        HOLDS(v, STACKS,
              g->pub.go_stack >= STACK_MIN && !(g->pub.go_stack & (g->pub.go_stack - 1)) &&
                  g->pub.used < g->pub.go_stack,
              "goroutine %u: %llu bytes in Go's stack of %llu", g->pub.id, (ull)g->pub.used,
              (ull)g->pub.go_stack);
        go_stacks += g->pub.go_stack;
        check_blocked(v, g);
    }
    HOLDS(v, STACKS, go_stacks == gc->go_stacks, "%llu bytes of Go's stacks, %llu are counted",
          (ull)go_stacks, (ull)gc->go_stacks);
    for (struct goroutine *g = gc->dead_goroutines; g; g = g->next)
        if (!HOLDS(v, STACKS,
                   verify_is_record(v->h, g, sizeof *g) && ++n <= most && !g->pub.in_use &&
                       !g->pub.stack,
                   "the list of ended goroutines is broken"))
            return;
}

static void check_batches(struct verify *v)
{
    struct gc *gc = &heap_of(v->h)->gc;
    uint64_t n = 0, most = v->h->meta.used / sizeof(struct batch) + 1;
    for (struct batch *b = gc->batches; b; b = b->next) {
        if (!HOLDS(v, BATCHES, verify_is_record(v->h, b, sizeof *b) && ++n <= most && b->pub.in_use,
                   "the list of batches is broken"))
            return;
        gcsim_span *s = claim(v, b->pub.objects, GCSIM_MANUAL_BATCH);
        HOLDS(v, BATCHES,
              s && s == b->span && s->npages == b->pub.pages &&
                  b->pub.count <= (uint64_t)s->npages * PAGE_BYTES / 8,
              "batch of %llu objects in %u pages", (ull)b->pub.count, b->pub.pages);
    }
    for (struct batch *b = gc->dead_batches; b; b = b->next)
        if (!HOLDS(v, BATCHES,
                   verify_is_record(v->h, b, sizeof *b) && ++n <= most && !b->pub.in_use,
                   "the list of dropped batches is broken"))
            return;
}

// --- specials, work buffers, spans that nobody claims -----------------------------------------------------

static void check_id(struct verify *v, const gcsim_special *special, uint8_t *ids)
{
    uint64_t id = ((const struct callback *)(const void *)special)->id,
             most = heap_of(v->h)->gc.callback_ids;
    if (!HOLDS(v, CALLBACK_IDS, id && id <= most, "%llu of %llu", (ull)id, (ull)most) || !ids)
        return;
    HOLDS(v, CALLBACK_IDS, !(ids[id / 8] >> id % 8 & 1), "%llu is there twice", (ull)id);
    ids[id / 8] |= (uint8_t)(1 << id % 8);
}

static void check_special(struct verify *v, const gcsim_span *s, const gcsim_special *special,
                          const gcsim_special *before)
{
    ull page = (ull)(s - v->h->spans);
    const char *ptr = special->ptr;
    // The object may be dead and wait to be swept: the sweep settles it.
    bool here = ptr >= s->base && ptr < s->limit;
    uint64_t index = here ? (uint64_t)(ptr - s->base) / s->slot_bytes : 0;
    HOLDS(v, SPECIALS, here && verify_allocated(v->h, s, (uint32_t)index),
          "on the list of the span at %llu, of %s", page, here ? "a free slot" : "another place");
    bool same = before && before->ptr == special->ptr;
    HOLDS(
        v, SPECIALS,
        special->kind >= SPECIAL_FINALIZER && special->kind <= SPECIAL_CLEANUP &&
            (!before || (const char *)before->ptr < ptr || (same && before->kind <= special->kind)),
        "on the list of the span at %llu, in no order", page);
    bool twice = same && before->kind == special->kind;
    HOLDS(v, MEM_PROFILE, special->kind != SPECIAL_PROFILE || !twice,
          "an object of the span at %llu was sampled twice", page);
    if (special->kind == SPECIAL_WEAK)
        HOLDS(v, WEAK, special->refs && !twice, "at the span at %llu: %u owners", page,
              special->refs);
    if (special->kind == SPECIAL_FINALIZER)
        HOLDS(v, FINALIZER, !twice && begins_object(s, ptr), "at the span at %llu: %s", page,
              twice ? "a second one" : "inside an object");
}

// One more object of its bucket. Buckets are looked up by where they lie: they have at least 64 bytes.
static void count_sample(struct verify *v, const gcsim_span *s, const gcsim_special *special,
                         uint32_t *samples)
{
    const struct bucket *b = ((const struct sample *)(const void *)special)->bucket;
    uint64_t at = (uint64_t)((const char *)b - world_at(v->h->world, REGION_META));
    if (HOLDS(v, MEM_PROFILE,
              verify_is_record(v->h, b, sizeof *b) && at % 64 == 0 &&
                  b->key.slot_bytes == s->slot_bytes,
              "a sample in the span at %llu has no bucket", (ull)(s - v->h->spans)) &&
        samples)
        samples[at / 64]++;
}

static void check_buckets(struct verify *v, const uint32_t *samples)
{
    const struct memprofile *p = &heap_of(v->h)->gc.memprofile;
    uint64_t n = 0, most = v->h->meta.used / sizeof(struct bucket) + 1;
    for (const struct bucket *b = p->all; b; b = b->older) {
        if (!HOLDS(v, MEM_PROFILE, verify_is_record(v->h, b, sizeof *b) && ++n <= most,
                   "the list of buckets is broken"))
            return;
        uint64_t allocs = b->active.allocs, frees = b->active.frees;
        for (int i = 0; i < BUCKET_CYCLES; i++) {
            allocs += b->future[i].allocs;
            frees += b->future[i].frees;
        }
        uint64_t at = (uint64_t)((const char *)b - world_at(v->h->world, REGION_META)) / 64;
        HOLDS(v, MEM_PROFILE, !samples || allocs == frees + samples[at],
              "a bucket of %llu bytes: %llu allocations, %llu frees, %u samples",
              (ull)b->key.slot_bytes, (ull)allocs, (ull)frees, samples ? samples[at] : 0);
    }
    HOLDS(v, MEM_PROFILE, n == p->buckets, "%llu buckets of %llu", (ull)n, (ull)p->buckets);
}

static void check_specials(struct verify *v, const gcsim_span *s, uint8_t *ids, uint32_t *samples)
{
    struct mheap *h = v->h;
    uint64_t most = h->meta.used / sizeof(gcsim_special), page = (uint64_t)(s - h->spans);
    const gcsim_special *before = NULL;
    for (const gcsim_special *special = s->specials; special; special = special->next) {
        if (!HOLDS(v, SPECIALS, verify_is_record(h, special, sizeof *special) && most-- > 0,
                   "the list of the span at %llu is broken", (ull)page))
            return;
        check_special(v, s, special, before);
        if (special->kind == SPECIAL_PROFILE)
            count_sample(v, s, special, samples);
        else if (special->kind != SPECIAL_WEAK)
            check_id(v, special, ids);
        before = special;
    }
}

static void check_ready(struct verify *v, uint8_t *ids)
{
    struct gc *gc = &heap_of(v->h)->gc;
    uint64_t n = 0, most = v->h->meta.used / sizeof(struct callback) + 1;
    const gcsim_special *last = NULL;
    for (const gcsim_special *special = gc->ready; special; special = special->next) {
        if (!HOLDS(v, READY,
                   verify_is_record(v->h, special, sizeof(struct callback)) && ++n <= most,
                   "the queue is broken"))
            return;
        bool finalizer = special->kind == SPECIAL_FINALIZER;
        HOLDS(v, READY,
              special->kind == SPECIAL_CLEANUP ||
                  (finalizer && verify_locate(v->h, special->ptr).place == PLACE_OBJECT),
              "number %llu, of kind %u", (ull)n, special->kind);
        check_id(v, special, ids);
        last = special;
    }
    HOLDS(v, READY, n == gc->ready_count && last == gc->last_ready,
          "%llu counted, %llu in the queue", (ull)gc->ready_count, (ull)n);
}

// Spans by their lists, and pages by their bits.
static void check_all_specials(struct verify *v)
{
    struct mheap *h = v->h;
    enum { MOST_IDS = 1 << 28 }; // else their numbers are not compared with each other
    uint64_t given = heap_of(h)->gc.callback_ids;
    uint8_t *ids = given < MOST_IDS ? verify_memory(v, given / 8 + 1) : NULL;
    uint32_t *samples = heap_of(h)->gc.memprofile.all
                            ? verify_memory(v, (h->meta.used / 64 + 1) * sizeof *samples)
                            : NULL;
    for (uint64_t page = 0; page < h->grown_pages; page++) {
        const gcsim_span *s = &h->spans[page];
        bool begins = h->page_span[page] == page + 1 && s->state == GCSIM_SPAN_IN_USE,
             bit = h->page_specials[page / 64] >> page % 64 & 1;
        HOLDS(v, SPECIAL_PAGES, bit == (begins && s->specials), "page %llu: %d", (ull)page, bit);
        if (begins)
            check_specials(v, s, ids, samples);
    }
    check_ready(v, ids);
    check_buckets(v, samples);
    free(samples);
    free(ids);
}

static void check_work(struct verify *v)
{
    struct gc *gc = &heap_of(v->h)->gc;
    const struct work *w = &gc->work;
    uint64_t most = v->h->grown_pages;
    bool grey = w->overflow || w->full || w->grey_spans.first;
    uint64_t held = 0, spans = 0;
    for (const struct mutator *m = v->h->mutators; m; m = m->next) {
        const struct workbuf *bufs[] = {m->work.current, m->work.spare};
        for (int i = 0; i < 2; i++)
            grey |= bufs[i] && bufs[i]->n, held += bufs[i] != NULL;
        grey |= m->work.spans.first != 0;
        grey |= m->pub.shade_next != m->shade_buffer;
    }
    HOLDS(v, WORK, !grey && (v->phase == CYCLE_MARKED) == (gc->phase == GC_MARK),
          "grey objects are left");
    for (gcsim_span *s = w->spans; s; s = s->next ? &v->h->spans[s->next - 1] : NULL, spans++)
        if (!HOLDS(v, WORK,
                   s >= v->h->spans && s < v->h->spans + v->h->grown_pages && most-- > 0 &&
                       claim(v, s->base, GCSIM_MANUAL_WORKBUF),
                   "the list of buffers is broken"))
            return;
    // Who is about to begin a cycle may hold one, cut from a span that was made for it (work_prepare).
    HOLDS(v, WORK, v->phase == CYCLE_MARKED || (spans <= held && (spans || !w->empty)),
          "buffers are left");
}

static void check_claims(struct verify *v)
{
    struct mheap *h = v->h;
    static const enum verify_rule rules[] = {[GCSIM_MANUAL_STACK] = RULE_STACKS,
                                             [GCSIM_MANUAL_WORKBUF] = RULE_WORK,
                                             [GCSIM_MANUAL_BATCH] = RULE_BATCHES};
    for (uint64_t page = 0; page < h->grown_pages;
         page += h->page_span[page] ? h->spans[page].npages : 1) {
        const gcsim_span *s = &h->spans[page];
        if (h->page_span[page] && s->state == GCSIM_SPAN_MANUAL &&
            s->purpose != GCSIM_MANUAL_FENCE && v->claimed[page] != 1)
            violation(v, rules[s->purpose], "the span at page %llu has %u owners", (ull)page,
                      v->claimed[page]);
    }
}

CORE void verify_roots(struct verify *v)
{
    check_handles(v);
    check_globals(v);
    check_goroutines(v);
    check_batches(v);
    check_work(v);
    check_claims(v);
    check_all_specials(v);
}
