// instantiations: fast step
//
// Seeded random operation streams against a plain model: fuzz_heap [seed] [operations] [streams].
//
// The model keeps for every object its type, where its pointers lead and what its other words hold, and for every kind of root what it
// points to. It only ever uses objects that it reaches from roots, as a program would. After each full collection exactly the objects that
// the model reaches are left, each with its contents. Stream k depends on seed + k alone; a failing one is printed and replays with
// `fuzz_heap SEED+k OPERATIONS 1`.
//
// `fuzz_heap tell [seed] [operations] [streams]` runs streams with one mutator that are collected by collect() alone, and tells after each
// collection what it left: the graph by the numbers under which objects were made, marks and MemStats, times aside. Streams of even seeds sweep
// with the world stopped: then offsets of all objects and pointers, and numbers of spans, are told too. Else a thread sweeps as well, and in which
// order, and so where later objects lie, is a matter of time. `make equality` compares what the two instantiations tell.
#include "fold.h"
#include "harness.h"

enum {
    OBJECTS = 40000,
    ROOTS = 600,
    GOROUTINES = 4,
    FRAMES = 60,
    FRAME_SLOTS = 4,
    BATCHES = 6,
    WEAKS = 200,
    KINDS = 14,
    MUTATORS = 2
};

struct kind {
    const gcsim_type *type;
    uint64_t bytes, nptr;
    uint32_t at[8]; // offsets of the pointers in one element
};

// Where a slot leads: an object of the model + 1 (0: nil) and how far into it.
struct link {
    uint32_t object, offset;
};

struct object {
    char *base; // NULL: this entry is free
    uint32_t kind, count;
    uint64_t stamp;
    struct link *to;
    bool reached, tiny;
};

struct frame {
    uint64_t offset;
    uint32_t kind;
    struct link to[FRAME_SLOTS];
};

// How a span's visit counts its scan work depends on how many of its objects are scanned at once, and so on time.
enum { ENGINES_THAT_TELL = GCSIM_MARK_OBJECT + 1 };

struct model {
    mut *m[MUTATORS], *now;
    gcsim_heap *heap;
    uint64_t random;
    struct kind kinds[KINDS];
    struct object *objects;
    uint32_t nobjects, free[OBJECTS], nfree;
    struct {
        gcsim_handle *handle;
        struct link to;
    } roots[ROOTS];
    uint32_t nroots;
    struct {
        gcsim_global *global;
        struct link to;
    } globals[8];
    struct {
        gcsim_goroutine *g;
        struct frame frames[FRAMES];
        uint32_t depth;
    } goroutines[GOROUTINES];
    struct {
        gcsim_batch *batch;
        uint32_t *objects;
        uint64_t n;
        bool strong;
    } batches[BATCHES];
    struct {
        gcsim_weak *weak;
        struct link to;
        bool dead;
    } weaks[WEAKS];
    uint32_t nweaks, name;
    uint64_t collections, cycles_seen;
    char *tiny[MUTATORS];
    bool tells; // one mutator, no collection but by collect()
    bool sweeps_alone;
    uint64_t told;
};

static uint64_t choose(struct model *f, uint64_t n) { return below(&f->random, n); }
static bool chance(struct model *f, unsigned percent) { return below(&f->random, 100) < percent; }

static void define_kind(struct model *f, int k, uint64_t bytes, uint32_t align, uint64_t nptr,
                        const uint32_t *at)
{
    uint64_t mask[32] = {0};
    for (uint64_t i = 0; i < nptr; i++)
        bits_set(mask, at[i] / 8);
    char name[16];
    snprintf(name, sizeof name, "kind%d", k);
    gcsim_type_desc desc = {.name = name,
                            .bytes = bytes,
                            .ptr_bytes = nptr ? at[nptr - 1] + 8 : 0,
                            .mask = mask,
                            .align = align,
                            .kind = GCSIM_KIND_STRUCT};
    gcsim_status status;
    f->kinds[k] =
        (struct kind){.type = API->type_new(f->heap, &desc, &status), .bytes = bytes, .nptr = nptr};
    INVARIANT(f->kinds[k].type);
    for (uint64_t i = 0; i < nptr; i++)
        f->kinds[k].at[i] = at[i];
}

#define KIND(k, bytes, align, ...)                                                                 \
    define_kind(f, k, bytes, align, sizeof((uint32_t[]){__VA_ARGS__}) / 4,                         \
                (uint32_t[]){__VA_ARGS__})
static void define_kinds(struct model *f)
{
    KIND(0, 16, 8, 0);    // small, with pointers: bits in the span
    KIND(1, 16, 8, 0, 8); // the same span class, other bits
    KIND(2, 8, 8, 0);
    KIND(3, 24, 8, 8, 16);
    KIND(4, 480, 8, 0, 40, 472);   // bits that straddle words
    KIND(5, 640, 8, 16, 248, 632); // a header
    KIND(6, 1600, 8, 0, 1000);     // a mask of several words
    KIND(7, 1016, 8, 504, 1008);
    define_kind(f, 8, 3, 1, 0, NULL); // tiny
    define_kind(f, 9, 12, 4, 0, NULL);
    define_kind(f, 10, 100, 1, 0, NULL);
    define_kind(f, 11, 3000, 8, 0, NULL);
    define_kind(f, 12, 0, 1, 0, NULL);
    KIND(13, 80, 8, 0, 8, 16, 24, 64);
}

// --- the model's side --------------------------------------------------------------------------------------------

static uint64_t bytes_of(const struct model *f, const struct object *o)
{
    return f->kinds[o->kind].bytes * o->count;
}
static uint64_t slots_of(const struct model *f, const struct object *o)
{
    return f->kinds[o->kind].nptr * o->count;
}

static void **slot_of(const struct model *f, const struct object *o, uint64_t i)
{
    const struct kind *k = &f->kinds[o->kind];
    return (void **)(void *)(o->base + i / k->nptr * k->bytes + k->at[i % k->nptr]);
}

static void *address_of(const struct model *f, struct link to)
{
    return to.object ? f->objects[to.object - 1].base + to.offset : NULL;
}

// A link to an object, to its front or somewhere inside.
static struct link link_to(struct model *f, uint32_t object)
{
    uint64_t bytes = object ? bytes_of(f, &f->objects[object - 1]) : 0;
    return (struct link){object, bytes && chance(f, 20) ? (uint32_t)choose(f, bytes) : 0};
}

// Something that a root leads to, some links away; 0 if there is nothing.
static uint32_t reachable(struct model *f)
{
    uint32_t at = 0;
    for (int tries = 0; tries < 8 && !at; tries++) {
        uint64_t g;
        switch (choose(f, 4)) {
        case 0:
            at = f->globals[choose(f, 8)].to.object;
            break;
        case 1:
            g = choose(f, GOROUTINES);
            if (f->goroutines[g].depth)
                at = f->goroutines[g]
                         .frames[choose(f, f->goroutines[g].depth)]
                         .to[choose(f, FRAME_SLOTS)]
                         .object;
            break;
        default:
            if (f->nroots)
                at = f->roots[choose(f, f->nroots)].to.object;
        }
    }
    for (uint64_t steps = choose(f, 12); at && steps > 0; steps--) {
        const struct object *o = &f->objects[at - 1];
        uint64_t slots = slots_of(f, o);
        uint32_t next = slots ? o->to[choose(f, slots)].object : 0;
        if (next)
            at = next;
    }
    return at;
}

static void model_reach(struct model *f, uint32_t *todo, uint64_t *n, uint32_t object)
{
    if (object && !f->objects[object - 1].reached) {
        f->objects[object - 1].reached = true;
        todo[(*n)++] = object - 1;
    }
}

static void model_trace(struct model *f)
{
    uint32_t *todo = malloc(OBJECTS * sizeof *todo);
    uint64_t n = 0;
    for (uint32_t i = 0; i < f->nobjects; i++)
        f->objects[i].reached = false;
    for (uint32_t i = 0; i < f->nroots; i++)
        model_reach(f, todo, &n, f->roots[i].to.object);
    for (int i = 0; i < 8; i++)
        model_reach(f, todo, &n, f->globals[i].to.object);
    for (int g = 0; g < GOROUTINES; g++)
        for (uint32_t d = 0; d < f->goroutines[g].depth; d++)
            for (int s = 0; s < FRAME_SLOTS; s++)
                model_reach(f, todo, &n, f->goroutines[g].frames[d].to[s].object);
    for (int b = 0; b < BATCHES; b++)
        for (uint64_t i = 0; f->batches[b].strong && i < f->batches[b].n; i++)
            model_reach(f, todo, &n, f->batches[b].objects[i]);
    while (n) {
        const struct object *o = &f->objects[todo[--n]];
        for (uint64_t i = 0; i < slots_of(f, o); i++)
            model_reach(f, todo, &n, o->to[i].object);
    }
    free(todo);
}

// --- comparison --------------------------------------------------------------------------------------------------

static uint64_t stamp_word(const struct object *o, uint64_t i)
{
    return (o->stamp + i) * 0x9e3779b97f4a7c15;
}

static bool is_pointer(const struct kind *k, uint64_t offset)
{
    for (uint64_t i = 0; i < k->nptr; i++)
        if (k->at[i] == offset % k->bytes)
            return true;
    return false;
}

// What is not a pointer is stamped, byte by byte: tiny objects are not aligned.
static void stamp_object(const struct model *f, const struct object *o)
{
    const struct kind *k = &f->kinds[o->kind];
    for (uint64_t at = 0; at < bytes_of(f, o); at++)
        if (!k->nptr || !is_pointer(k, at & ~7ull))
            o->base[at] = (char)(stamp_word(o, at / 8) >> at % 8 * 8);
}

static bool contents_right(const struct model *f, const struct object *o)
{
    const struct kind *k = &f->kinds[o->kind];
    for (uint64_t at = 0; at < bytes_of(f, o); at++)
        if ((!k->nptr || !is_pointer(k, at & ~7ull)) &&
            o->base[at] != (char)(stamp_word(o, at / 8) >> at % 8 * 8))
            return false;
    for (uint64_t i = 0; i < slots_of(f, o); i++)
        if (*slot_of(f, o, i) != address_of(f, o->to[i]))
            return false;
    return true;
}

static int by_place(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return *x < *y ? -1 : *x > *y;
}

// The slots that hold what the model reaches: each once, however many tiny objects share it.
static uint64_t slots_reached(struct model *f)
{
    char **slots = malloc((OBJECTS + MUTATORS) * sizeof *slots);
    uint64_t n = 0, distinct = 0;
    gcsim_object found;
    for (uint32_t i = 0; i < f->nobjects; i++) {
        const struct object *o = &f->objects[i];
        if (!o->base || !o->reached || !bytes_of(f, o))
            continue;
        EXPECT(API->find_object(f->heap, o->base, &found) == GCSIM_OK);
        EXPECT(found.slot_bytes >= bytes_of(f, o) &&
               (f->kinds[o->kind].nptr != 0) == !found.noscan);
        EXPECT(contents_right(f, o));
        slots[n++] = found.base;
    }
    for (int i = 0; i < MUTATORS; i++) // the blocks that were current when the collection began
        if (f->tiny[i])
            slots[n++] = f->tiny[i];
    qsort(slots, n, sizeof *slots, by_place);
    for (uint64_t i = 0; i < n; i++)
        distinct += i == 0 || slots[i] != slots[i - 1];
    free(slots);
    return distinct;
}

static void forget_dead(struct model *f)
{
    for (uint32_t i = 0; i < f->nobjects; i++) {
        struct object *o = &f->objects[i];
        if (!o->base || o->reached)
            continue;
        free(o->to);
        *o = (struct object){0};
        f->free[f->nfree++] = i;
    }
}

static void check_weaks(struct model *f, bool collected)
{
    for (uint32_t i = 0; i < f->nweaks; i++) {
        void *p = API->weak_get(f->now, f->weaks[i].weak);
        bool reached = !f->weaks[i].dead && f->objects[f->weaks[i].to.object - 1].reached;
        if (reached)
            EXPECT(p == address_of(f, f->weaks[i].to));
        else if (collected || f->weaks[i].dead)
            EXPECT(p == NULL);
        f->weaks[i].dead |= !reached && collected;
    }
    for (int b = 0; b < BATCHES && collected; b++)
        for (uint64_t i = 0; !f->batches[b].strong && i < f->batches[b].n; i++) {
            uint32_t object = f->batches[b].objects[i];
            bool reached = object && f->objects[object - 1].reached;
            EXPECT(gcsim_batch_at(f->now, f->batches[b].batch, i) ==
                   (reached ? f->objects[object - 1].base : NULL));
            if (!reached)
                f->batches[b].objects[i] = 0;
        }
}

// --- what both instantiations must agree in ----------------------------------------------------------------------

static uint64_t place(const struct model *f, const void *p)
{
    uint64_t bytes;
    uint64_t offset = (uint64_t)((const char *)p - API->arena(f->heap, &bytes));
    return !p ? 0 : offset < bytes ? offset + 1 : UINT64_MAX; // zerobase lies outside
}

// What the program can see: every reachable object by the number under which it was made, and where its pointers lead. That they really lead
// there is checked (contents_right). With `places` also where it lies, read from the heap.
static uint64_t graph_hash(const struct model *f, bool places)
{
    uint64_t hash = 1;
    for (uint32_t i = 0; i < f->nobjects; i++) {
        const struct object *o = &f->objects[i];
        if (!o->base || !o->reached)
            continue;
        fold(&hash, i);
        if (places)
            fold(&hash, place(f, o->base));
        for (uint64_t k = 0; k < slots_of(f, o); k++)
            fold(&hash, places ? place(f, *slot_of(f, o, k))
                               : (uint64_t)o->to[k].object << 32 | o->to[k].offset);
    }
    return hash;
}

static uint64_t live_hash(const struct model *f)
{
    gcsim_object found[256];
    uint64_t hash = 1, cursor = 0, n;
    while ((n = API->objects(f->now, &cursor, found, 256)))
        for (uint64_t i = 0; i < n; i++) {
            fold(&hash, place(f, found[i].base));
            fold(&hash, found[i].slot_bytes);
            fold(&hash,
                 (uint64_t)found[i].span_class << 2 | found[i].marked << 1 | found[i].unswept);
        }
    return hash;
}

#define TELL(field) printf(" " #field " %" PRIu64, (uint64_t)s->field);
static void tell_stats(const gcsim_memstats *s)
{
    TELL(alloc) TELL(total_alloc) TELL(lookups) TELL(mallocs) TELL(frees) TELL(heap_alloc);
    TELL(heap_objects) TELL(stack_inuse) TELL(stack_sys) TELL(buck_hash_sys) TELL(next_gc);
    TELL(num_gc) TELL(num_forced_gc) TELL(enable_gc) TELL(debug_gc);
    uint64_t hash = 1;
    for (int c = 0; c < 61; c++) {
        fold(&hash, s->by_size[c].size);
        fold(&hash, s->by_size[c].mallocs);
        fold(&hash, s->by_size[c].frees);
    }
    printf(" by_size %016" PRIx64, hash);
}

// The rest of MemStats but times; heap_released, because a background thread decides when memory goes back; and mcache_inuse, mcache_sys,
// other_sys and sys, because a mutator's record has more fields in the step instantiation.
static void tell_places(const struct model *f, const gcsim_memstats *s)
{
    printf("; offsets %016" PRIx64 " live %016" PRIx64, graph_hash(f, true), live_hash(f));
    TELL(heap_sys) TELL(heap_idle) TELL(heap_inuse) TELL(mspan_inuse) TELL(mspan_sys) TELL(gc_sys);
}
#undef TELL

static void tell_collection(struct model *f, const gcsim_memstats *stats)
{
    gcsim_cycle cycle;
    EXPECT(API->cycle_info(f->heap, 0, &cycle) == GCSIM_OK);
    printf("collection %" PRIu64 ": graph %016" PRIx64 " marked %" PRIu64 " objects, %" PRIu64
           " bytes; pointers %" PRIu64 ", scan work %" PRIu64 ";",
           f->collections, graph_hash(f, false), cycle.objects_marked, cycle.heap_marked,
           cycle.pointers, cycle.scan_work);
    tell_stats(stats);
    if (f->sweeps_alone)
        tell_places(f, stats);
    printf("\n");
    f->told += stats->heap_objects;
}

static void full_collection(struct model *f)
{
    EXPECT(verifies(f->now)); // also ends a cycle that is under way, which drops the current blocks
    for (int i = 0; i < MUTATORS; i++)
        f->tiny[i] = f->m[i] ? mutator_of(f->m[i])->tiny : NULL;
    EXPECT(API->collect(f->now) == GCSIM_OK);
    f->collections++;
    model_trace(f);
    uint64_t expected = slots_reached(f), there = count_objects(f->now);
    if (!EXPECT(expected == there))
        printf("      the model reaches %" PRIu64 " slots, the heap holds %" PRIu64 "\n", expected,
               there);
    check_weaks(f, true);
    forget_dead(f);
    gcsim_memstats stats;
    API->memstats(f->now, &stats);
    EXPECT(stats.heap_objects == there);
    if (f->tells)
        tell_collection(f, &stats);
    EXPECT(verifies(f->now));
}

// --- operations --------------------------------------------------------------------------------------------------

static void set_object_slot(struct model *f, uint32_t object, uint64_t i, struct link to)
{
    struct object *o = &f->objects[object - 1];
    gcsim_store(f->now, slot_of(f, o, i), address_of(f, to));
    o->to[i] = to;
}

// A new object in the model; 0 when there is no room for it.
static uint32_t adopt(struct model *f, char *base, uint32_t kind, uint32_t count)
{
    if (!f->nfree && f->nobjects == OBJECTS)
        return 0;
    uint32_t i = f->nfree ? f->free[--f->nfree] : f->nobjects++;
    struct object *o = &f->objects[i];
    *o = (struct object){
        .base = base, .kind = kind, .count = count, .stamp = next_random(&f->random)};
    o->to = calloc(slots_of(f, o) + 1, sizeof *o->to);
    EXPECT((uintptr_t)base % f->kinds[kind].type->align == 0);
    for (uint64_t at = 0; at < bytes_of(f, o); at++)
        if (!EXPECT(base[at] == 0)) // new memory is zero
            break;
    stamp_object(f, o);
    return i + 1;
}

static uint32_t allocate(struct model *f)
{
    uint32_t kind = (uint32_t)choose(f, KINDS), count = 1;
    if (chance(f, 25))
        count = (uint32_t)choose(f, chance(f, 5) ? 3000 : 40);
    const gcsim_type *t = f->kinds[kind].type;
    char *p = count == 1 ? gcsim_new(f->now, t) : API->new_array(f->now, t, count);
    EXPECT(p != NULL);
    return p ? adopt(f, p, kind, count) : 0;
}

static void drop_root(struct model *f, uint64_t i)
{
    API->handle_drop(f->heap, f->roots[i].handle);
    f->roots[i] = f->roots[--f->nroots];
}

static void hold(struct model *f, struct link to)
{
    if (f->nroots == ROOTS)
        drop_root(f, choose(f, f->nroots));
    gcsim_handle *h = API->handle_new(f->now, address_of(f, to));
    if (EXPECT(h != NULL)) {
        f->roots[f->nroots].handle = h;
        f->roots[f->nroots++].to = to;
    }
}

static void op_allocate(struct model *f)
{
    uint32_t object = allocate(f), from = reachable(f);
    if (!object || chance(f, 10)) // garbage
        return;
    uint64_t slots = from ? slots_of(f, &f->objects[from - 1]) : 0;
    if (slots && chance(f, 70))
        set_object_slot(f, from, choose(f, slots), link_to(f, object));
    else
        hold(f, link_to(f, object));
}

static void op_link(struct model *f)
{
    uint32_t from = reachable(f), to = chance(f, 80) ? reachable(f) : 0;
    uint64_t slots = from ? slots_of(f, &f->objects[from - 1]) : 0;
    if (slots)
        set_object_slot(f, from, choose(f, slots), link_to(f, to));
}

static void op_copy(struct model *f) // elements of one object onto others of the same object
{
    uint32_t at = reachable(f);
    struct object *o = at ? &f->objects[at - 1] : NULL;
    if (!o || o->count < 2 || !f->kinds[o->kind].nptr)
        return;
    uint64_t nptr = f->kinds[o->kind].nptr, bytes = f->kinds[o->kind].bytes,
             n = 1 + choose(f, o->count - 1);
    uint64_t from = choose(f, o->count - n + 1), to = choose(f, o->count - n + 1);
    if (chance(f, 30)) {
        API->clear(f->now, f->kinds[o->kind].type, o->base + to * bytes, n);
        memset(o->to + to * nptr, 0, n * nptr * sizeof *o->to);
    } else {
        API->copy(f->now, f->kinds[o->kind].type, o->base + to * bytes, o->base + from * bytes, n);
        memmove(o->to + to * nptr, o->to + from * nptr, n * nptr * sizeof *o->to);
    }
    stamp_object(f, o);
}

static void op_handle(struct model *f)
{
    uint32_t object = reachable(f);
    if (f->nroots && chance(f, 55))
        drop_root(f, choose(f, f->nroots));
    else if (object)
        hold(f, link_to(f, object));
}

static void op_global(struct model *f)
{
    uint64_t i = choose(f, 8);
    if (!f->globals[i].global) {
        f->globals[i].global = API->global_new(f->now, f->name);
        EXPECT(f->globals[i].global != NULL);
    } else if (chance(f, 15)) {
        API->global_drop(f->now, f->globals[i].global);
        f->globals[i].global = NULL;
        f->globals[i].to = (struct link){0};
    } else {
        f->globals[i].to = link_to(f, reachable(f));
        gcsim_store(f->now, &f->globals[i].global->words[0], address_of(f, f->globals[i].to));
    }
}

static void op_goroutine(struct model *f)
{
    uint64_t i = choose(f, GOROUTINES);
    gcsim_goroutine *g = f->goroutines[i].g;
    uint32_t depth = f->goroutines[i].depth;
    if (!g) {
        f->goroutines[i].g = API->goroutine_new(f->now, f->name);
        EXPECT(f->goroutines[i].g != NULL);
    } else if (chance(f, 3)) {
        API->goroutine_end(f->now, g);
        f->goroutines[i].g = NULL;
        f->goroutines[i].depth = 0;
    } else if (chance(f, 40) && depth < FRAMES) {
        static const uint32_t kinds[] = {1, 5, 6, 13}; // with two to five pointers
        uint32_t kind = kinds[choose(f, 4)];
        uint64_t offset = API->frame_push(f->now, g, f->kinds[kind].type, f->name);
        if (EXPECT(offset != UINT64_MAX)) {
            f->goroutines[i].frames[depth] = (struct frame){.offset = offset, .kind = kind};
            f->goroutines[i].depth++;
        }
    } else if (depth && chance(f, 40)) {
        EXPECT(API->frame_pop(f->now, g) == GCSIM_OK);
        f->goroutines[i].depth--;
    } else if (depth) {
        struct frame *frame = &f->goroutines[i].frames[choose(f, depth)];
        const struct kind *k = &f->kinds[frame->kind];
        uint64_t s = choose(f, k->nptr < FRAME_SLOTS ? k->nptr : FRAME_SLOTS);
        frame->to[s] = link_to(f, reachable(f));
        *(void **)(void *)((char *)gcsim_frame_slots(g, frame->offset) + k->at[s]) =
            address_of(f, frame->to[s]);
    }
}

static void op_weak(struct model *f)
{
    uint32_t object = reachable(f);
    if (f->nweaks && chance(f, 45)) {
        uint64_t i = choose(f, f->nweaks);
        if (chance(f, 50)) {
            API->weak_drop(f->now, f->weaks[i].weak);
            f->weaks[i] = f->weaks[--f->nweaks];
        } else if (!f->weaks[i].dead) { // what is not yet collected may be held again
            void *p = API->weak_get(f->now, f->weaks[i].weak);
            if (p && EXPECT(p == address_of(f, f->weaks[i].to)))
                hold(f, f->weaks[i].to);
        }
    } else if (object && f->nweaks < WEAKS &&
               bytes_of(f, &f->objects[object - 1]) >= 16) { // a tiny object dies with its block
        struct link to = link_to(f, object);
        f->weaks[f->nweaks].weak = API->weak_new(f->now, address_of(f, to));
        f->weaks[f->nweaks].to = to;
        if (EXPECT(f->weaks[f->nweaks].weak != NULL))
            f->weaks[f->nweaks++].dead = false;
    }
}

static void drop_batch(struct model *f, uint64_t b)
{
    API->batch_drop(f->now, f->batches[b].batch);
    free(f->batches[b].objects);
    memset(&f->batches[b], 0, sizeof f->batches[b]);
}

static void op_batch(struct model *f)
{
    uint64_t b = choose(f, BATCHES), n = choose(f, 60), kinds = 3;
    if (f->batches[b].batch) {
        if (f->batches[b].strong && chance(f, 60))
            f->batches[b].batch->strong = f->batches[b].strong = false;
        else
            drop_batch(f, b);
        return;
    }
    const gcsim_type *types[] = {f->kinds[0].type, f->kinds[1].type, f->kinds[5].type};
    uint8_t *type_of = malloc(n + 1);
    int32_t *index = malloc((n + 1) * sizeof *index);
    for (uint64_t i = 0; i < n; i++) {
        type_of[i] = (uint8_t)choose(f, kinds);
        index[i] = (int32_t)choose(f, n + 1) - 1;
    }
    gcsim_build build = {.count = n, .types = types, .ntypes = kinds, .type_of = type_of};
    gcsim_batch *batch = API->build(f->now, &build);
    if (EXPECT(batch != NULL)) {
        f->batches[b].batch = batch;
        f->batches[b].n = n;
        f->batches[b].strong = true;
        f->batches[b].objects = calloc(n + 1, sizeof(uint32_t));
        bool whole = true;
        for (uint64_t i = 0; i < n; i++) {
            static const uint32_t kind_of[] = {0, 1, 5};
            f->batches[b].objects[i] = adopt(f, batch->objects[i], kind_of[type_of[i]], 1);
            whole &= f->batches[b].objects[i] != 0;
        }
        // Of the three types the first pointer of kinds 0 and 1 lies at 0; kind 5 has none there.
        gcsim_edges edges = {.count = 0};
        uint32_t source[64], source_offset[64] = {0};
        int32_t target[64];
        for (uint64_t i = 0; i < n && whole; i++)
            if (type_of[i] < 2) {
                source[edges.count] = (uint32_t)i;
                target[edges.count++] = index[i];
                f->objects[f->batches[b].objects[i] - 1].to[0] =
                    (struct link){index[i] < 0 ? 0 : f->batches[b].objects[index[i]], 0};
            }
        edges.source = source, edges.source_offset = source_offset, edges.target = target;
        // Edges lead to the base of a slot, which is 8 bytes before an object with a header.
        for (uint64_t k = 0; k < edges.count; k++)
            if (target[k] >= 0 && type_of[target[k]] == 2) {
                f->objects[f->batches[b].objects[source[k]] - 1].to[0] = (struct link){0};
                target[k] = -1;
            }
        EXPECT(!whole || API->link_edges(f->now, batch, &edges) == GCSIM_OK);
        if (!whole)
            drop_batch(f, b);
    }
    free(type_of);
    free(index);
}

static void op_change_mutator(struct model *f)
{
    uint64_t i = choose(f, f->tells ? 1 : MUTATORS);
    gcsim_leave(f->now);
    if (chance(f, 20)) { // another one in its place
        gcsim_status status;
        API->mutator_detach(f->m[i]);
        f->m[i] = API->mutator_attach(f->heap, &status);
        INVARIANT(f->m[i]);
    }
    f->now = f->m[i];
    gcsim_enter(f->now);
}

static void op_tune(struct model *f)
{
    static const int32_t percents[] = {1, 5, 20, 100, 400, -1};
    int32_t percent = percents[choose(f, 6)];
    if (!f->tells)
        API->set_gc_percent(f->now, percent);
    GCSIM_INSTANTIATION(_whitebox)()->set_mark_engine(
        f->heap, (uint32_t)choose(f, f->tells ? ENGINES_THAT_TELL : GCSIM_MARK_ENGINES));
    if (chance(f, 30))
        API->sweep_all(f->now);
}

static void op_check(struct model *f)
{
    EXPECT(verifies(f->now));
    if (chance(f, 30))
        EXPECT(marks_verify(f->now));
    model_trace(f);
    check_weaks(f, false);
}

static const struct {
    void (*run)(struct model *);
    unsigned weight;
} operations[] = {
    {op_allocate, 500},      {op_link, 250},     {op_copy, 30}, {op_handle, 60},
    {op_global, 30},         {op_goroutine, 60}, {op_weak, 30}, {op_batch, 8},
    {op_change_mutator, 10}, {op_tune, 2},       {op_check, 1}, {full_collection, 3},
};

static bool run_stream(uint64_t count, uint64_t seed, bool tells)
{
    static struct model model;
    struct model *f = &model;
    int before = failures;
    memset(f, 0, sizeof *f);
    f->random = seed;
    f->tells = tells;
    f->objects = calloc(OBJECTS, sizeof *f->objects);
    gcsim_options options = small_heap;
    options.reserve_bytes = 1ull << 30;
    options.gc_percent = tells ? -1 : 20;
    options.mem_profile_rate = tells ? -1 : 0; // which slots are sampled depends on the windows
    options.no_green_tea = chance(f, 20);
    options.clobber_free = chance(f, 50);
    options.events = chance(f, 30) ? 4096 : 0;
    options.stop_the_world = chance(f, 20) ? 1 + (uint32_t)choose(f, 2) : 0;
    if (tells) {
        options.stop_the_world = seed % 2 ? 0 : 2;
        options.mark_engine = 1 + (uint32_t)choose(f, ENGINES_THAT_TELL);
    }
    f->sweeps_alone = options.stop_the_world == 2;
    options.shade_entries = chance(f, 50) ? 1 + (uint32_t)choose(f, 4) : 0;
    f->now = f->m[0] = open_heap(options);
    f->heap = f->now->heap;
    gcsim_status status;
    if (!tells)
        f->m[1] = API->mutator_attach(f->heap, &status);
    API->name_intern(f->heap, "fuzz", &f->name);
    define_kinds(f);
    unsigned total = 0;
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        total += operations[i].weight;
    for (uint64_t n = 0; n < count && failures == before; n++) {
        uint64_t at = choose(f, total), i = 0;
        while (at >= operations[i].weight)
            at -= operations[i++].weight;
        operations[i].run(f);
        if (failures != before)
            printf("      in operation %" PRIu64 " (kind %" PRIu64 ") of seed %" PRIu64 "\n", n, i,
                   seed);
    }
    if (failures == before)
        full_collection(f);
    uint64_t cycles = f->heap->gc.cycles;
    for (uint32_t i = 0; i < f->nobjects; i++)
        free(f->objects[i].to);
    for (int b = 0; b < BATCHES; b++)
        free(f->batches[b].objects);
    free(f->objects);
    gcsim_leave(f->now);
    API->mutator_detach(f->m[0]);
    if (f->m[1])
        API->mutator_detach(f->m[1]);
    API->heap_destroy(f->heap);
    return check(failures == before,
                 "seed %" PRIu64 ": %" PRIu64 " operations, %" PRIu64 " cycles, %" PRIu64
                 " full collections, %" PRIu64 " objects told",
                 seed, count, cycles, f->collections, f->told);
}

int main(int argc, char **argv)
{
    bool soak = getenv("GCSIM_SOAK") != NULL, tells = argc > 1 && strcmp(argv[1], "tell") == 0;
    argc -= tells, argv += tells;
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t usual = tells ? (GCSIM_DEBUG ? 250 : 500) : soak ? 200000 : GCSIM_DEBUG ? 2000 : 4000;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : usual;
    uint64_t times = tells ? (soak ? 2000 : 200) : soak ? 200 : 5;
    uint64_t streams = argc > 3 ? strtoull(argv[3], NULL, 10) : times;
    for (uint64_t k = 0; k < streams; k++)
        if (!run_stream(count, seed + k, tells))
            break;
    return finish();
}
