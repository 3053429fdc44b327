// instantiations: fast step
//
// lib/iface and lib/closure: which values a conversion to an interface allocates for and what for, as Go 1.26 printed; func values and
// what they capture. What is boxed or captured lives as long as the box.
#include "harness.h"

#include "lib/closure.c"
#include "lib/iface.c"

static const gcsim_type *a_type(mut *m, uint64_t bytes, uint32_t align, uint64_t ptr_bytes,
                                uint64_t mask)
{
    gcsim_status status;
    gcsim_type_desc desc = {
        .name = "t", .bytes = bytes, .ptr_bytes = ptr_bytes, .mask = &mask, .align = align};
    const gcsim_type *t = API->type_new(m->heap, &desc, &status);
    INVARIANT(t);
    return t;
}

static uint64_t objects_now(mut *m) { return count_objects(m); }

// bytes that making it allocates, or 0
static uint64_t made_for(mut *m, const gcsim_type *t, uint32_t sole, const void *value,
                         bool escapes, void **data)
{
    enum iface_way way = iface_way(t, sole, false, escapes);
    bool allocates = iface_allocates(way, t, value);
    gcsim_memstats before, after;
    API->memstats(m, &before);
    INVARIANT(iface_data(m, way, t, value, data) == GCSIM_OK);
    API->memstats(m, &after);
    INVARIANT(allocates == (after.mallocs > before.mallocs));
    return allocates ? t->bytes : 0;
}

enum { K_NONE = GCSIM_KIND_STRUCT };

static void conversions_allocate_as_go_s(mut *m)
{
    static int pointee;
    static const struct {
        const char *what;
        uint64_t bytes;
        uint32_t align, sole;
        uint64_t ptr_bytes, mask, allocates;
        uint64_t value[3];
    } go[] = {
        {"bool true", 1, 1, GCSIM_KIND_BOOL, 0, 0, 0, {1}},
        {"uint8 255", 1, 1, GCSIM_KIND_UINT8, 0, 0, 0, {255}},
        {"int8 -1", 1, 1, GCSIM_KIND_INT8, 0, 0, 0, {255}},
        {"int16 255", 2, 2, GCSIM_KIND_INT16, 0, 0, 0, {255}},
        {"int16 256", 2, 2, GCSIM_KIND_INT16, 0, 0, 2, {256}},
        {"int16 -1", 2, 2, GCSIM_KIND_INT16, 0, 0, 2, {0xffff}},
        {"uint32 255", 4, 4, GCSIM_KIND_UINT32, 0, 0, 0, {255}},
        {"uint32 256", 4, 4, GCSIM_KIND_UINT32, 0, 0, 4, {256}},
        {"float64 0", 8, 8, GCSIM_KIND_FLOAT64, 0, 0, 0, {0}},
        {"float64 1", 8, 8, GCSIM_KIND_FLOAT64, 0, 0, 8, {0x3ff0000000000000}},
        {"complex64 0", 8, 4, GCSIM_KIND_COMPLEX64, 0, 0, 8, {0}},
        {"complex128", 16, 8, GCSIM_KIND_COMPLEX128, 0, 0, 16, {0}},
        {"[2]byte{}", 2, 1, GCSIM_KIND_ARRAY, 0, 0, 2, {0}},
        {"[8]byte{}", 8, 1, GCSIM_KIND_ARRAY, 0, 0, 8, {0}},
        {"struct{uint32; uint32}", 8, 4, K_NONE, 0, 0, 8, {0}},
        {"\"\"", 16, 8, GCSIM_KIND_STRING, 8, 1, 0, {0}},
        {"a string", 16, 8, GCSIM_KIND_STRING, 8, 1, 16, {(uintptr_t)&pointee, 1}},
        {"nil slice", 24, 8, GCSIM_KIND_SLICE, 8, 1, 0, {0}},
        {"empty slice", 24, 8, GCSIM_KIND_SLICE, 8, 1, 24, {(uintptr_t)&pointee}},
        {"*int", 8, 8, GCSIM_KIND_POINTER, 8, 1, 0, {(uintptr_t)&pointee}},
        {"struct{*int; struct{}}", 16, 8, K_NONE, 8, 1, 16, {0}},
        {"struct{*int; int}", 16, 8, K_NONE, 8, 1, 16, {0}},
        {"struct{}", 0, 1, K_NONE, 0, 0, 0, {0}},
    };
    for (unsigned i = 0; i < sizeof go / sizeof *go; i++) {
        void *data, *temporary;
        const gcsim_type *t = a_type(m, go[i].bytes, go[i].align, go[i].ptr_bytes, go[i].mask);
        uint64_t escaping = made_for(m, t, go[i].sole, go[i].value, true, &data);
        uint64_t staying = made_for(m, t, go[i].sole, go[i].value, false, &temporary);
        check(escaping == go[i].allocates && staying == 0, "%s allocates %d bytes", go[i].what,
              (int)go[i].allocates);
        EXPECT(memcmp(iface_value(t, &data), go[i].value, go[i].bytes) == 0);
        EXPECT(memcmp(iface_value(t, &temporary), go[i].value, go[i].bytes) == 0);
    }
    static uint64_t large[160];
    void *data;
    const gcsim_type *kib = a_type(m, 1024, 1, 0, 0), *more = a_type(m, 1025, 1, 0, 0);
    check(made_for(m, kib, K_NONE, large, false, &data) == 0 && data == large &&
              made_for(m, more, K_NONE, large, false, &data) == 1025 && data != large,
          "what does not escape is a temporary of the caller's up to 1,024 bytes");
    check(iface_way(more, K_NONE, true, true) == IFACE_CONSTANT &&
              iface_data(m, IFACE_CONSTANT, more, large, &data) == GCSIM_OK && data == large,
          "a constant lies where it lies");
}

static void boxes_keep_what_is_in_them(mut *m)
{
    const gcsim_type *pair = make_type(m->heap, "pair", 2, 1),
                     *any = make_type(m->heap, "any", 2, 2);
    void *inner = gcsim_new(m, pair);
    gcsim_handle *root = API->handle_new(m, inner);
    void *value[2] = {inner, NULL}, *data, *small;
    INVARIANT(iface_data(m, iface_way(pair, K_NONE, false, true), pair, value, &data) == GCSIM_OK);
    gcsim_handle *box_root = API->handle_new(m, data);
    const gcsim_type *number = a_type(m, 8, 8, 0, 0);
    INVARIANT(iface_data(m, IFACE_8, number, (uint64_t[]){7}, &small) == GCSIM_OK);
    struct iface *held = gcsim_new(m, any); // two interfaces would not fit: one after the other
    gcsim_handle *held_root = API->handle_new(m, held);
    held->type = iface_word(pair);
    gcsim_store(m, &held->data, data);
    API->handle_drop(m->heap, root);
    API->handle_drop(m->heap, box_root);
    INVARIANT(API->collect(m) == GCSIM_OK);
    check(is_object(m->heap, data) && is_object(m->heap, inner) && *(void **)data == inner,
          "an interface keeps its box, and the box what it points to");
    check(iface_type(held->type) == pair && held->type != (uintptr_t)pair,
          "the first word says which type, and that a value of it is held");
    held->type = iface_word(number);
    gcsim_store(m, &held->data, small);
    INVARIANT(API->collect(m) == GCSIM_OK);
    check(!is_object(m->heap, data) && *(uint64_t *)held->data == 7 && verifies(m),
          "a number from the table is no object, and no harm to marking");
    API->handle_drop(m->heap, held_root);
}

static void closures_hold_their_captures(mut *m)
{
    static const uint64_t code = 17;
    void *f, *g;
    check(closure_by_value(128, false, false) && !closure_by_value(129, false, false) &&
              !closure_by_value(8, true, false) && !closure_by_value(8, false, true),
          "captured by value: up to 128 bytes, never written later, no address taken");
    uint64_t before = objects_now(m);
    INVARIANT(closure_make(m, NULL, &code, NULL, 0, &f) == GCSIM_OK);
    check(f == &code && closure_code(f) == 17 && closure_code(NULL) == 0 &&
              objects_now(m) == before,
          "without captures there is no object");
    // struct { F uintptr; X0 int; X1 *pair }
    const gcsim_type *pair = make_type(m->heap, "pair", 2, 1),
                     *object = make_type(m->heap, "closure", 3, 4), *number = a_type(m, 8, 8, 0, 0),
                     *pointer = a_type(m, 8, 8, 8, 1);
    void *p = gcsim_new(m, pair);
    gcsim_handle *root = API->handle_new(m, p);
    const uint64_t n = 42;
    struct closure_capture captures[] = {{number, &n, 8}, {pointer, &p, 16}};
    INVARIANT(closure_make(m, object, &code, captures, 2, &g) == GCSIM_OK);
    gcsim_handle *kept = API->handle_new(m, g);
    API->handle_drop(m->heap, root);
    INVARIANT(API->collect(m) == GCSIM_OK);
    check(closure_code(g) == 17 && ((uint64_t *)g)[1] == 42 && ((void **)g)[2] == p &&
              is_object(m->heap, p),
          "a closure keeps what it has captured by reference, and copies what by value");
    API->handle_drop(m->heap, kept);
    INVARIANT(API->collect(m) == GCSIM_OK);
    check(!is_object(m->heap, p) && verifies(m), "and lets it go");
}

int main(void)
{
    gcsim_options options = small_heap;
    options.check_mark = options.verify_phases = options.clobber_free = 1;
    mut *m = open_heap(options);
    conversions_allocate_as_go_s(m);
    boxes_keep_what_is_in_them(m);
    closures_hold_their_captures(m);
    close_heap(m);
    return finish();
}
