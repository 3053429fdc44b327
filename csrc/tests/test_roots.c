// instantiations: fast step
//
// Roots: handles, globals, goroutines and frames, batches, weak references; what each keeps alive, and what it costs when it is gone.
#include "harness.h"

#include <pthread.h>

static const gcsim_type *node;

static void *fresh(mut *m) // alone in its block
{
    void *p = gcsim_new(m, node);
    INVARIANT(p);
    return p;
}

static void handles(void)
{
    mut *m = open_heap(small_heap);
    node = make_type(m->heap, "node", 2, 1);
    enum { COUNT = 5000 };
    static gcsim_handle *h[COUNT];
    static void *p[COUNT], *listed[COUNT + 1];
    for (int i = 0; i < COUNT; i++)
        h[i] = API->handle_new(m, p[i] = fresh(m));
    check(API->handles(m->heap, listed, COUNT + 1) == COUNT &&
              API->handles(m->heap, NULL, 0) == COUNT,
          "handles are listed");
    API->collect(m);
    check(count_objects(m) == COUNT && verifies(m), "each keeps its object");
    for (int i = 0; i < COUNT; i += 2)
        API->handle_drop(m->heap, h[i]);
    check(API->handles(m->heap, NULL, 0) == COUNT / 2 && verifies(m), "a dropped handle is none");
    API->collect(m);
    check(count_objects(m) == COUNT / 2 && !is_object(m->heap, p[0]) && is_object(m->heap, p[1]),
          "its object dies at the next collection");
    uint64_t meta = H(m->heap)->meta.used;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < COUNT; i += 2)
            h[i] = API->handle_new(m, p[1]);
        for (int i = 0; i < COUNT; i += 2)
            API->handle_drop(m->heap, h[i]);
    }
    check(H(m->heap)->meta.used == meta && verifies(m), "dropped handles are used again");
    gcsim_handle *nil = API->handle_new(m, NULL);
    check(nil && nil->ptr == NULL && API->collect(m) == GCSIM_OK, "a handle may be nil");
    close_heap(m);
}

struct dropper {
    gcsim_heap *heap;
    gcsim_handle **handles;
    int from, to;
};

static void *drop_all(void *arg)
{
    struct dropper *d = arg;
    for (int i = d->from; i < d->to; i++)
        API->handle_drop(d->heap, d->handles[i]);
    return NULL;
}

// Handles may be dropped by any thread at any time, also while others are made and collected.
static void drops_from_other_threads(void)
{
    mut *m = open_heap(small_heap);
    node = make_type(m->heap, "node", 2, 1);
    enum { COUNT = 20000, THREADS = 3 };
    static gcsim_handle *h[COUNT];
    for (int i = 0; i < COUNT; i++)
        h[i] = API->handle_new(m, fresh(m));
    pthread_t threads[THREADS];
    struct dropper droppers[THREADS];
    for (int t = 0; t < THREADS; t++) {
        droppers[t] = (struct dropper){m->heap, h, COUNT * t / THREADS, COUNT * (t + 1) / THREADS};
        INVARIANT(pthread_create(&threads[t], NULL, drop_all, &droppers[t]) == 0);
    }
    bool ok = true;
    for (int i = 0; i < 20; i++) {
        API->handle_new(m, fresh(m));
        ok &= API->collect(m) == GCSIM_OK && verifies(m);
    }
    for (int t = 0; t < THREADS; t++)
        pthread_join(threads[t], NULL);
    API->collect(m);
    check(ok && count_objects(m) == 20 && API->handles(m->heap, NULL, 0) == 20,
          "handles dropped by three other threads");
    close_heap(m);
}

static void globals(void)
{
    mut *m = open_heap(small_heap);
    node = make_type(m->heap, "node", 2, 1);
    gcsim_global *g[200];
    char text[16];
    bool ok = true;
    for (int i = 0; i < 200; i++) {
        uint32_t name;
        snprintf(text, sizeof text, "g%d", i);
        API->name_intern(m->heap, text, &name);
        g[i] = API->global_new(m, name);
        gcsim_store(m, &g[i]->words[0], fresh(m));
    }
    uint64_t n = 0;
    for (gcsim_global *at = NULL; (at = API->global_next(m->heap, at)); n++)
        ok &= at == g[n] && atoi(API->name_text(m->heap, at->name) + 1) == (int)n;
    check(ok && n == 200, "globals are listed in the order in which they were made");
    API->collect(m);
    check(count_objects(m) == 200 && m->heap->gc.globals_scan == 200 * 24 && verifies(m),
          "each keeps its object");
    for (int i = 0; i < 200; i += 3)
        API->global_drop(m, g[i]);
    API->collect(m);
    check(count_objects(m) == 133 && verifies(m), "a dropped one does not");
    gcsim_global *again = API->global_new(m, g[1]->name);
    check(again == g[198] && !again->words[0] && !again->words[1],
          "the place that was given back last is used again, empty");
    n = 0;
    for (gcsim_global *at = NULL; (at = API->global_next(m->heap, at)); n++)
        ;
    check(n == 134, "and listed again");
    close_heap(m);
}

static void frames(void)
{
    mut *m = open_heap(small_heap);
    node = make_type(m->heap, "node", 2, 1);
    const gcsim_type *two = make_type(m->heap, "two", 3, 5), *none = make_bytes(m->heap, "none", 5),
                     *wide = make_type(m->heap, "wide", 60, 1);
    uint32_t name;
    API->name_intern(m->heap, "f", &name);
    gcsim_goroutine *g = API->goroutine_new(m, name), *other = API->goroutine_new(m, name);
    check(API->frame_pop(m, g) == GCSIM_BAD_STATE, "there is nothing to pop");
    uint64_t offsets[1000];
    uint32_t serial = 0;
    bool ok = true;
    for (int i = 0; i < 1000; i++) { // grows the stack five times or so
        const gcsim_type *t = i % 3 == 0 ? two : i % 3 == 1 ? none : wide;
        offsets[i] = API->frame_push(m, g, t, name);
        gcsim_frame *f = gcsim_frame_at(g, offsets[i]);
        ok &= offsets[i] != UINT64_MAX && f->type == t && f->serial > serial &&
              g->depth == (uint32_t)i + 1 && g->top == offsets[i];
        serial = f->serial;
        void **slots = gcsim_frame_slots(g, offsets[i]);
        for (uint64_t w = 0; w < t->bytes / 8; w++)
            ok &= !slots[w];
        if (t == two) {
            slots[2] = fresh(m);
            slots[1] = fresh(m); // not a pointer
        }
    }
    check(ok, "1,000 frames, each zeroed and younger than the one below");
    check(verifies(m), "the heap verifies");
    API->collect(m);
    check(count_objects(m) == 334, "pointer slots of frames keep their objects, others do not");
    ok = true;
    for (int i = 999; i >= 500; i--) {
        ok &= g->top == offsets[i];
        ok &= API->frame_pop(m, g) == GCSIM_OK;
    }
    API->collect(m);
    check(ok && g->depth == 500 && count_objects(m) == 167, "popped frames do not");
    uint64_t at = API->frame_push(m, g, two, name);
    check(gcsim_frame_at(g, at)->serial > serial && !((void **)gcsim_frame_slots(g, at))[2],
          "a frame in the place of another is told from it, and empty");
    check(API->frame_push(m, g, &(gcsim_type){.bytes = 1ull << 31}, name) == UINT64_MAX &&
              m->status == GCSIM_BAD_SIZE,
          "a frame of 2 GiB is refused");
    check(API->frame_push(m, g, make_bytes(m->heap, "stack", 60 << 20), name) == UINT64_MAX &&
              m->status == GCSIM_HEAP_FULL && verifies(m),
          "and one that does not fit the heap");
    check(API->goroutine_next(m->heap, NULL) == g && API->goroutine_next(m->heap, g) == other &&
              !API->goroutine_next(m->heap, other) && other->id == 2,
          "goroutines are listed");
    gcsim_goroutine_info listed[2] = {0};
    check(API->goroutine_list(m, listed, 1) == 2 && listed[0].g == g && !listed[1].g &&
              API->goroutine_list(m, listed, 2) == 2 && listed[1].g == other &&
              listed[0].id == g->id && listed[1].id == other->id && listed[1].name == other->name,
          "as many as there is room for");
    uint64_t stacks = H(m->heap)->bytes.stacks;
    API->goroutine_end(m, g);
    API->collect(m);
    check(count_objects(m) == 0 && H(m->heap)->bytes.stacks < stacks && verifies(m),
          "what an ended goroutine held dies, and its stack is given back");
    gcsim_goroutine *third = API->goroutine_new(m, name);
    check(third->id == 3 && third->depth == 0 && verifies(m), "a new one has a number of its own");
    close_heap(m);
}

static void batches(void)
{
    mut *m = open_heap(small_heap);
    node = make_type(m->heap, "node", 2, 1);
    enum { COUNT = 3000 };
    gcsim_build build = {.count = COUNT, .types = &node, .ntypes = 1};
    gcsim_batch *batch = API->build(m, &build);
    static int32_t index[COUNT];
    static int64_t back[COUNT];
    for (int i = 0; i < COUNT; i++)
        index[i] = i % 10 == 9 ? -1 : i + 1; // chains of ten
    gcsim_links links = {.index = index, .index_bytes = 4};
    check(batch && batch->strong && API->link(m, batch, &links) == GCSIM_OK,
          "a batch of 300 chains");
    bool same = API->read_links(m, batch, 0, back) == GCSIM_OK;
    for (int i = 0; i < COUNT; i++)
        same &= back[i] == index[i];
    check(same, "its links are read back");
    API->collect(m);
    check(count_objects(m) == COUNT && verifies(m), "a strong batch keeps its objects");
    API->handle_new(m, batch->objects[500]);
    batch->strong = 0;
    API->collect(m);
    bool right = true;
    for (int i = 0; i < COUNT; i++)
        right &= (batch->objects[i] != NULL) == (i >= 500 && i < 510);
    check(right && count_objects(m) == 10 && verifies(m),
          "a weak one forgets those that die, and no others");
    check(API->read_links(m, batch, 0, back) == GCSIM_OK && back[500] == 501 && back[0] == -1,
          "its links can still be read");
    index[3] = COUNT;
    check(API->link(m, batch, &links) == GCSIM_BAD_SIZE, "an index out of range is refused");
    index[3] = 4;
    links.offset = 16;
    check(API->link(m, batch, &links) == GCSIM_BAD_SIZE, "and a slot behind the object");
    uint64_t bytes = H(m->heap)->bytes.batches;
    API->batch_drop(m, batch);
    check(H(m->heap)->bytes.batches < bytes && verifies(m),
          "a dropped batch gives its memory back");
    build.ntypes = 0;
    check(!API->build(m, &build) && m->status == GCSIM_BAD_SIZE,
          "a batch without types is refused");
    build.ntypes = 1;
    build.count = 1ull << 60;
    check(!API->build(m, &build) && m->status != GCSIM_OK && verifies(m),
          "and one of 2^60 objects");
    build.count = 0;
    batch = API->build(m, &build);
    check(batch && batch->count == 0 && verifies(m), "an empty one is allowed");
    close_heap(m);
}

static void weak_references(void)
{
    mut *m = open_heap(small_heap);
    node = make_type(m->heap, "node", 2, 1);
    void *p = fresh(m), *q = fresh(m);
    gcsim_handle *h = API->handle_new(m, p);
    gcsim_weak *a = API->weak_new(m, p), *b = API->weak_new(m, p),
               *inside = API->weak_new(m, (char *)p + 8), *c = API->weak_new(m, q),
               *nil = API->weak_new(m, NULL);
    check(a == b && a != inside && a != c, "equal pointers share a weak reference");
    check(API->weak_get(m, a) == p && API->weak_get(m, inside) == (char *)p + 8 &&
              API->weak_get(m, c) == q && API->weak_get(m, nil) == NULL,
          "it leads to its object");
    API->collect(m);
    check(API->weak_get(m, a) == p && API->weak_get(m, c) == NULL && verifies(m),
          "and keeps nothing alive");
    gcsim_cycle cycle;
    API->cycle_info(m->heap, 0, &cycle);
    check(cycle.weak_cleared == 1, "the record counts those that were cleared");
    API->weak_drop(m, a);
    check(API->weak_get(m, b) == p && verifies(m),
          "a shared one lives until its last owner drops it");
    API->weak_drop(m, b);
    API->weak_drop(m, c);
    check(verifies(m), "also when its object is dead");
    API->handle_drop(m->heap, h);
    API->collect(m);
    check(API->weak_get(m, inside) == NULL && count_objects(m) == 0 && verifies(m),
          "several references to one object are cleared together");
    uint64_t meta = H(m->heap)->meta.in_use;
    API->weak_drop(m, inside);
    API->weak_drop(m, nil);
    check(H(m->heap)->meta.in_use == meta - 2 * 32, "dropped references give their memory back");
    gcsim_weak *w[1000];
    for (int i = 0; i < 1000; i++) {
        w[i] = API->weak_new(m, fresh(m));
        if (i % 2)
            API->handle_new(m, API->weak_get(m, w[i]));
    }
    API->collect(m);
    bool right = true;
    for (int i = 0; i < 1000; i++) {
        right &= (API->weak_get(m, w[i]) != NULL) == (i % 2);
        API->weak_drop(m, w[i]);
    }
    check(right && verifies(m), "1,000 of them");
    close_heap(m);
}

int main(void)
{
    handles();
    drops_from_other_threads();
    globals();
    frames();
    batches();
    weak_references();
    return finish();
}
