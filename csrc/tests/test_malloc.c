// instantiations: fast step
//
// Allocation: what a request gets (slot, zeroed memory, pointer bits, header), and that every error leaves a usable heap.
#include "harness.h"

static const uint64_t sizes[] = {8,     16,    24,    32,    40,     48,     64,    96,    112,
                                 128,   248,   256,   480,   504,    512,    520,   528,   568,
                                 600,   640,   1000,  1016,  1024,   1032,   1280,  1408,  2048,
                                 4096,  5000,  8184,  8192,  10000,  16376,  20000, 27000, 32752,
                                 32760, 32768, 40000, 65536, 200000, 1 << 20};
enum { SIZES = sizeof sizes / sizeof *sizes };

// A type of so many bytes whose every third word is a pointer; pointer-free if noscan.
static const gcsim_type *type_of_bytes(gcsim_heap *heap, uint64_t bytes, bool noscan)
{
    uint64_t words = bytes / 8, *mask = calloc(words / 64 + 1, 8), last = (words - 1) / 3 * 3;
    for (uint64_t i = 0; i < words; i += 3)
        bits_set(mask, i);
    gcsim_type_desc desc = {.name = "t",
                            .bytes = bytes,
                            .ptr_bytes = noscan ? 0 : (last + 1) * 8,
                            .mask = mask,
                            .align = 8};
    gcsim_status status;
    const gcsim_type *t = API->type_new(heap, &desc, &status);
    INVARIANT(t);
    free(mask);
    return t;
}

// Bytes that belong to one object: all of its slot, unless it shares it.
static uint64_t usable(const gcsim_type *t)
{
    struct sizeclass_rule rule = sizeclass_resolve(t->bytes, t->ptr_bytes == 0);
    return rule.tiny ? t->bytes : rule.usable_bytes;
}

static bool all_zero(const char *p, uint64_t bytes)
{
    return bytes == 0 || (!p[0] && !memcmp(p, p + 1, bytes - 1));
}

// The pointer slots that find_object and pointer_slots tell are those of the mask, `count` times.
static bool slots_are_right(gcsim_heap *heap, const void *p, const gcsim_type *t, uint64_t count)
{
    gcsim_object object;
    if (API->find_object(heap, p, &object) != GCSIM_OK)
        return false;
    uint64_t words = object.slot_bytes / 8, n = API->pointer_slots(heap, &object, NULL, 0),
             expected = 0, seen = 0;
    uint32_t *offsets = malloc((n + 1) * sizeof *offsets);
    bool *is_pointer = calloc(words + 1, 1), ok = true;
    API->pointer_slots(heap, &object, offsets, n);
    for (uint64_t i = 0; i < n; i++) {
        ok &= offsets[i] % 8 == 0 && offsets[i] < object.slot_bytes && !is_pointer[offsets[i] / 8];
        is_pointer[offsets[i] / 8] = true;
    }
    for (uint64_t e = 0; e < count; e++)
        for (uint64_t w = 0; w < t->ptr_bytes / 8; w++)
            if (bits_test(t->mask, w)) {
                expected++;
                seen += is_pointer[(object.header_bytes + e * t->bytes) / 8 + w];
            }
    ok &= seen == expected;
    // Behind the last element only a header's type goes on, over words that stay zero.
    for (uint64_t i = 0; i < n && !object.header_bytes; i++)
        ok &= offsets[i] < count * t->bytes;
    free(offsets);
    free(is_pointer);
    return ok;
}

static void every_size(bool no_green_tea)
{
    gcsim_options options = small_heap;
    options.reserve_bytes = 256 << 20;
    options.no_green_tea = no_green_tea;
    mut *m = open_heap(options);
    gcsim_heap *heap = m->heap;
    bool found = true, zero = true, slots = true, ruled = true, apart = true;
    for (int i = 0; i < SIZES * 2; i++) {
        bool noscan = i & 1;
        const gcsim_type *t = type_of_bytes(heap, sizes[i / 2], noscan);
        struct sizeclass_rule rule = sizeclass_resolve(t->bytes, noscan);
        char *last = NULL;
        for (int k = 0; k < (t->bytes > 30000 ? 3 : 70); k++) {
            char *p = gcsim_new(m, t);
            gcsim_object object = {0};
            INVARIANT(p);
            found &= API->find_object(heap, p, &object) == GCSIM_OK &&
                     (rule.tiny ? object.base <= p : object.base + object.header_bytes == p) &&
                     API->find_object(heap, p + t->bytes - 1, &object) == GCSIM_OK;
            ruled &= object.slot_bytes == rule.slot_bytes &&
                     object.header_bytes == rule.header_bytes &&
                     object.span_class == rule.size_class * 2 + noscan &&
                     t->slot_bytes == rule.slot_bytes && object.noscan == noscan;
            ruled &= object.type == (noscan || (!rule.header_bytes && !rule.large) ? NULL : t);
            zero &= all_zero(p, usable(t));
            slots &= noscan || slots_are_right(heap, p, t, 1);
            apart &= !last || p >= last + t->bytes || p + t->bytes <= last;
            last = p;
        }
    }
    const char *how = no_green_tea ? " without Green Tea" : "";
    check(found, "every address of an object is found%s", how);
    check(ruled, "slots, headers and span classes are those of sizeclass_resolve%s", how);
    check(zero, "new memory is zero%s", how);
    check(slots, "pointer slots are those of the type%s", how);
    check(apart, "objects do not overlap%s", how);
    check(verifies(m), "the heap verifies%s", how);
    close_heap(m);
}

static void arrays(void)
{
    gcsim_options options = small_heap;
    options.reserve_bytes = 256 << 20;
    mut *m = open_heap(options);
    bool zero = true, slots = true, counted = true;
    static const uint64_t elements[] = {8, 16, 24, 40, 72, 600};
    for (int e = 0; e < 6; e++) {
        const gcsim_type *t = type_of_bytes(m->heap, elements[e], false);
        for (uint64_t count = 1; count < 6000; count += 1 + count / 2) {
            char *p = API->new_array(m, t, count);
            struct sizeclass_rule rule = sizeclass_resolve(t->bytes * count, false);
            INVARIANT(p);
            gcsim_object object;
            counted &= API->find_object(m->heap, p, &object) == GCSIM_OK &&
                       object.slot_bytes == rule.slot_bytes;
            zero &= all_zero(p, rule.usable_bytes);
            slots &= slots_are_right(m->heap, p, t, count);
        }
    }
    check(zero, "arrays are zero");
    check(counted, "an array takes the slot of its whole size");
    check(slots, "each element of an array has the pointer slots of its type");
    check(verifies(m), "the heap verifies");
    close_heap(m);
}

// Two types of one span class, and arrays, in turn: the bits of each slot are its own.
static void mixed_spans(void)
{
    mut *m = open_heap(small_heap);
    const gcsim_type *kinds[] = {make_type(m->heap, "a", 6, 1), make_type(m->heap, "b", 6, 32 | 4),
                                 make_type(m->heap, "c", 2, 2)};
    uint64_t random = 7;
    struct {
        void *p;
        const gcsim_type *t;
        uint64_t count;
    } made[2000];
    bool ok = true;
    for (int round = 0; round < 4; round++) { // in fresh spans, and in swept ones with old bits
        for (int i = 0; i < 2000; i++) {
            const gcsim_type *t =
                kinds[round == 0 ? (uint64_t)i / 64 % 3
                                 : below(&random, 3)]; // first in runs of a whole window
            uint64_t count = t == kinds[2] ? 3 : 1;
            made[i].p = count == 1 ? gcsim_new(m, t) : API->new_array(m, t, count);
            made[i].t = t;
            made[i].count = count;
            INVARIANT(made[i].p);
        }
        for (int i = 0; i < 2000; i++)
            ok &= slots_are_right(m->heap, made[i].p, made[i].t, made[i].count);
        ok &= verifies(m);
        API->handle_new(m, made[100].p);
        ok &= API->collect(m) == GCSIM_OK;
    }
    check(ok, "types of one span class that take turns keep their own pointer bits");
    close_heap(m);
}

// Spans in which every slot has the same pointer bits, in use or free (rule UNIFORM of verify): fresh, half emptied, emptied and taken by
// another type. Slots of three or six words straddle the words of the bitmap.
static void uniform_spans(void)
{
    enum { OBJECTS = 1200, KEPT = OBJECTS / 3 };
    static const uint64_t words[] = {2, 3, 4, 6, 8, 10, 14, 36, 48, 52, 60, 64};
    bool slots = true, verified = true, zero = true;
    for (uint64_t k = 0; k < sizeof words / sizeof *words; k++) {
        mut *m = open_heap(small_heap);
        uint64_t w = words[k];
        const gcsim_type *kinds[] = {make_type(m->heap, "first", w, 1 | 1ull << (w - 1)),
                                     make_type(m->heap, "second", w, 2)};
        gcsim_handle *kept[KEPT];
        for (int round = 0; round < 4; round++) {
            const gcsim_type *t = kinds[round == 3]; // the last finds empty spans
            for (int i = 0; i < OBJECTS; i++) {
                char *p = gcsim_new(m, t);
                INVARIANT(p);
                slots &= slots_are_right(m->heap, p, t, 1);
                zero &= all_zero(p, t->bytes);
                for (uint64_t at = 0; at < w; at++) // pointers to itself, and dirt
                    ((uint64_t *)(void *)p)[at] =
                        at < t->ptr_bytes / 8 && bits_test(t->mask, at) ? (uintptr_t)p : 7;
                if (round == 0 && i % 3 == 0) // survivors, each between two that die
                    kept[i / 3] = API->handle_new(m, p);
            }
            verified &= verifies(m);
            if (round == 2)
                for (int i = 0; i < KEPT; i++)
                    API->handle_drop(m->heap, kept[i]);
            verified &= API->collect(m) == GCSIM_OK && verifies(m);
        }
        close_heap(m);
    }
    check(slots, "objects of one type have its pointer slots, whatever the span held before");
    check(zero, "and are zero, between survivors too");
    check(verified, "while no other type comes, free slots have the bits already");
}

static void tiny_objects(void)
{
    mut *m = open_heap(small_heap);
    const gcsim_type *one = make_bytes(m->heap, "one", 1), *three = make_bytes(m->heap, "three", 3),
                     *nine = make_bytes(m->heap, "nine", 9);
    gcsim_type_desc desc = {.name = "eight", .bytes = 8, .align = 8};
    gcsim_status status;
    const gcsim_type *eight = API->type_new(m->heap, &desc, &status);
    char *a = gcsim_new(m, one), *b = gcsim_new(m, three), *c = gcsim_new(m, eight),
         *d = gcsim_new(m, one);
    check(b == a + 1 && c == a + 8, "tiny objects share a block, each aligned as its size allows");
    check(d != a + 4 && is_object(m->heap, d),
          "a block is left when the next does not fit, and not gone back to");
    char *e = gcsim_new(m, nine); // fits behind d: ten bytes of that block are used
    char *f = gcsim_new(m, nine);
    check(e == d + 1 && f == (char *)((uintptr_t)f & ~15ull),
          "a new block becomes the current one when more is left in it");
    char *g = gcsim_new(m, nine), *rest = gcsim_new(m, one);
    check(g != f && rest == f + 9, "and not when as much is left in the old one");
    check(verifies(m), "the heap verifies with tiny blocks");
    gcsim_memstats before, after;
    API->memstats(m, &before);
    for (int i = 0; i < 160; i++)
        gcsim_new(m, one);
    API->memstats(m, &after);
    check(after.mallocs - before.mallocs == 160, "each tiny object counts as an allocation");
    check(after.heap_objects - before.heap_objects <= 11,
          "a tiny block counts once in what is alive");
    API->handle_new(m, b);
    API->collect(m);
    check(is_object(m->heap, a) && is_object(m->heap, c), "one live tiny object keeps its block");
    close_heap(m);
}

static void zero_size(void)
{
    mut *m = open_heap(small_heap);
    const gcsim_type *nothing = make_bytes(m->heap, "nothing", 0),
                     *node = make_type(m->heap, "node", 2, 1);
    gcsim_memstats before, after;
    API->memstats(m, &before);
    void *a = gcsim_new(m, nothing), *b = gcsim_new(m, nothing), *c = API->new_array(m, node, 0);
    API->memstats(m, &after);
    check(a && a == b && b == c, "objects of size 0 share one address");
    check(before.mallocs == after.mallocs, "objects of size 0 are not counted");
    void **p = gcsim_new(m, node);
    gcsim_store(m, p, a);
    API->handle_new(m, p);
    API->handle_new(m, a);
    check(API->collect(m) == GCSIM_OK && verifies(m),
          "pointers to them are nothing to the collector");
    close_heap(m);
}

// Memory that held other things is zero again when it is handed out, whatever the sizes before and after.
static void reuse(void)
{
    gcsim_options options = small_heap;
    options.clobber_free = 1;
    mut *m = open_heap(options);
    const gcsim_type *types[SIZES * 2];
    for (int i = 0; i < SIZES * 2; i++)
        types[i] = type_of_bytes(m->heap, sizes[i / 2], i & 1);
    bool zero = true, verified = true;
    uint64_t random = 42;
    for (int round = 0; round < 6; round++) {
        for (int k = 0; k < 800; k++) {
            const gcsim_type *t = types[below(&random, SIZES * 2)];
            if (t->bytes > 20000 && k % 16)
                continue;
            char *p = gcsim_new(m, t);
            if (!EXPECT(p != NULL))
                break;
            zero &= all_zero(p, usable(t));
            if (t->ptr_bytes == 0)
                memset(p, 0xa5, t->bytes);
            else
                for (uint64_t w = 0; w < t->bytes / 8; w++)
                    if (w >= t->ptr_bytes / 8 || !bits_test(t->mask, w))
                        memset(p + w * 8, 0x5a, 8);
                    else
                        gcsim_store(m, p + w * 8, p);
            if (k % 20 == 0)
                API->handle_new(m, p);
        }
        verified &= verifies(m);
        zero &= API->collect(m) == GCSIM_OK;
        verified &= verifies(m);
    }
    check(zero, "reused memory is zero again");
    check(verified, "the heap verifies while memory is reused");
    close_heap(m);
}

// What is at hand, and nothing else: new_at_once takes no span, and while marking no window either.
static void at_once(void)
{
    gcsim_options options = small_heap;
    options.mem_profile_rate = -1; // an object that is sampled is not at hand
    mut *m = open_heap(options);
    struct mheap *h = mheap_of(mutator_of(m));
    bool refused = true, right = true, all = true, while_marking = true;
    for (int i = 0; i < SIZES * 2; i++) {
        const gcsim_type *t = type_of_bytes(m->heap, sizes[i / 2], i & 1);
        struct sizeclass_rule rule = sizeclass_resolve(t->bytes, i & 1);
        API->collect(m); // gives all cached spans back
        refused &= !API->new_at_once(m, t);
        EXPECT(gcsim_new(m, t) != NULL);
        if (rule.large) {
            refused &= !API->new_at_once(m, t);
            continue;
        }
        const gcsim_span *s = mcache_spans(mutator_of(m))[t->span_class];
        uint64_t n = 0, room = s->nelems - span_in_use(s);
        gcsim_handle *handle;
        for (; (handle = API->new_at_once(m, t)); n++) {
            right &= all_zero(handle->ptr, usable(t));
            right &= t->ptr_bytes == 0 || slots_are_right(m->heap, handle->ptr, t, 1);
            API->handle_drop(m->heap, handle);
            if (s->free || span_in_use(s) == s->nelems)
                continue;
            GCSIM_STORE(&h->blacken, 1u);
            while_marking &= rule.tiny || !API->new_at_once(m, t);
            GCSIM_STORE(&h->blacken, 0u);
        }
        all &= rule.tiny ? n >= room : n == room;
        all &= span_in_use(s) == s->nelems;
    }
    check(refused, "without a span at hand nothing is allocated at once, and nothing large ever");
    check(right, "what is allocated at once is zero and has its pointer slots");
    check(all, "all of the cached span is at hand");
    check(while_marking, "while marking only its window is");
    check(verifies(m), "the heap verifies after allocating at once");
    close_heap(m);
}

static void heap_full(void)
{
    mut *m = open_heap(small_heap);
    const gcsim_type *node = make_type(m->heap, "node", 2, 1),
                     *block = make_bytes(m->heap, "block", 1 << 20);
    gcsim_handle *list = API->handle_new(m, NULL);
    uint64_t n = 0, blocks = 0;
    gcsim_handle *held[64];
    void *p;
    while ((p = gcsim_new(m, block)) && blocks < 64)
        held[blocks++] = API->handle_new(m, p);
    check(!p && m->status == GCSIM_HEAP_FULL && blocks > 50,
          "large objects fill the heap: %" PRIu64 " MiB of 64", blocks);
    while ((p = gcsim_new(m, node))) {
        *(void **)p = list->ptr;
        gcsim_store(m, &list->ptr, p);
        n++;
    }
    check(m->status == GCSIM_HEAP_FULL, "small objects fill what is left: %" PRIu64, n);
    check(!API->new_array(m, block, 70) && m->status == GCSIM_HEAP_FULL,
          "an object larger than the heap is refused as such");
    check(verifies(m), "a full heap verifies");
    gcsim_store(m, &list->ptr, NULL);
    for (uint64_t i = 0; i < blocks; i += 2)
        API->handle_drop(m->heap, held[i]);
    check(API->collect(m) == GCSIM_OK && gcsim_new(m, node) && gcsim_new(m, block),
          "after a collection there is room again");
    check(m->status == GCSIM_OK && verifies(m), "and the heap verifies");
    close_heap(m);
}

static void bad_requests(void)
{
    mut *m = open_heap(small_heap);
    gcsim_heap *heap = m->heap;
    const gcsim_type *node = make_type(heap, "node", 2, 1);
    check(!API->new_array(m, node, UINT64_MAX) && m->status == GCSIM_BAD_SIZE,
          "a count that overflows");
    check(!API->new_array(m, node, 1ull << 60) && m->status == GCSIM_BAD_SIZE,
          "a count that overflows by the element");
    check(!API->new_array(m, node, 1ull << 36) && m->status == GCSIM_HEAP_FULL,
          "a count larger than the heap");
    check(gcsim_new(m, node) && API->new_array(m, node, 3) && m->status == GCSIM_OK,
          "the next request succeeds");
    gcsim_status status;
    uint64_t mask = 2, first = 1;
    const struct {
        const char *what;
        gcsim_type_desc desc;
    } bad[] = {
        {"no name", {.bytes = 8, .align = 8}},
        {"pointers behind its end",
         {.name = "x", .bytes = 8, .ptr_bytes = 16, .mask = &mask, .align = 8}},
        {"a mask that does not end with a pointer",
         {.name = "x", .bytes = 16, .ptr_bytes = 16, .mask = &first, .align = 8}},
        {"no mask", {.name = "x", .bytes = 16, .ptr_bytes = 16, .align = 8}},
        {"an alignment of 0", {.name = "x", .bytes = 16}},
        {"an alignment of 3", {.name = "x", .bytes = 12, .align = 3}},
        {"a size that its alignment does not divide", {.name = "x", .bytes = 12, .align = 8}},
        {"pointers in 12 bytes",
         {.name = "x", .bytes = 12, .ptr_bytes = 8, .mask = &first, .align = 4}},
        {"an absurd size", {.name = "x", .bytes = UINT64_MAX - 7, .align = 8}},
        {"half a pointer", {.name = "x", .bytes = 16, .ptr_bytes = 12, .mask = &mask, .align = 4}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        check(!API->type_new(heap, &bad[i].desc, &status) && status == GCSIM_BAD_TYPE,
              "a type with %s", bad[i].what);
    static const uint64_t absurd[] = {1ull << 62, UINT64_MAX};
    for (int i = 0; i < 2; i++) {
        gcsim_options options = {.bytes = sizeof options, .reserve_bytes = absurd[i]};
        check(!API->heap_create(&options, &status) && status == GCSIM_BAD_SIZE,
              "a heap of %" PRIu64 " bytes", absurd[i]);
    }
    check(verifies(m), "the heap verifies after all errors");
    close_heap(m);
}

static void names_and_types(void)
{
    mut *m = open_heap(small_heap);
    uint32_t a, b, c;
    bool ok = API->name_intern(m->heap, "alpha", &a) == GCSIM_OK &&
              API->name_intern(m->heap, "beta", &b) == GCSIM_OK &&
              API->name_intern(m->heap, "alpha", &c) == GCSIM_OK;
    check(ok && a == c && a != b && strcmp(API->name_text(m->heap, a), "alpha") == 0,
          "equal names are interned once");
    char text[32];
    for (int i = 0; i < 3000; i++) {
        uint32_t n;
        snprintf(text, sizeof text, "name %d", i);
        ok &= API->name_intern(m->heap, text, &n) == GCSIM_OK &&
              strcmp(API->name_text(m->heap, n), text) == 0;
        ok &= make_type(m->heap, text, 1 + i % 30, 1)->id == (uint32_t)i &&
              API->type_by_id(m->heap, (uint32_t)i)->name == n;
    }
    check(ok && !API->type_by_id(m->heap, 3000) && !API->name_text(m->heap, 1 << 30),
          "3,000 names and types are found again");
    check(verifies(m), "their tables verify");
    close_heap(m);
}

// Allocations minus frees, class by class, against a count of our own.
static void statistics(void)
{
    mut *m = open_heap(small_heap);
    uint64_t random = 3, objects = 0, bytes = 0, by_class[NUM_SIZE_CLASSES] = {0};
    for (int i = 0; i < 3000; i++) {
        const gcsim_type *t =
            type_of_bytes(m->heap, sizes[below(&random, SIZES - 3)], below(&random, 2));
        INVARIANT(gcsim_new(m, t));
        struct sizeclass_rule rule = sizeclass_resolve(t->bytes, t->ptr_bytes == 0);
        if (rule.tiny)
            continue;
        objects++;
        bytes += rule.slot_bytes;
        by_class[rule.size_class]++;
    }
    gcsim_memstats s;
    API->memstats(m, &s);
    uint64_t blocks = s.by_size[TINY_SIZE_CLASS].mallocs - by_class[TINY_SIZE_CLASS];
    bool right = s.heap_objects == objects + blocks && s.heap_alloc == bytes + blocks * 16 &&
                 s.total_alloc == s.heap_alloc;
    for (int c = 3; c < 61; c++)
        right &= s.by_size[c].mallocs == by_class[c] && s.by_size[c].frees == 0;
    check(right, "MemStats counts what was allocated");
    API->collect(m); // the current tiny block lives on
    API->collect(m);
    API->memstats(m, &s);
    check(s.heap_objects == 0 && s.heap_alloc == 0 && s.frees == s.mallocs && s.heap_inuse == 0,
          "and what was freed: nothing is left");
    close_heap(m);
}

int main(void)
{
    every_size(false);
    every_size(true);
    arrays();
    mixed_spans();
    uniform_spans();
    tiny_objects();
    zero_size();
    reuse();
    at_once();
    heap_full();
    bad_requests();
    names_and_types();
    statistics();
    return finish();
}
