// instantiations: fast step
//
// Every fallible call fails once: the n-th request to the system from the start of an operation is refused, for every n. The operation
// then either says so clearly or does its work all the same; nothing is leaked, and the heap verifies and can be used.
#include "harness.h"

struct scene {
    mut *m;
    const gcsim_type *node, *wide, *large;
    gcsim_goroutine *g;
    gcsim_batch *batch;
    gcsim_handle *list;
    uint32_t name;
};

// Fill the pages that are there, so that the operation has to ask for more. What fills them stays alive.
static void use_up_pages(struct scene *s)
{
    struct mheap *h = H(s->m->heap);
    mcache_flush_pages(mutator_of(s->m));
    const gcsim_type *page = s->m->heap->mheap.types.by_id[3];
    while (h->pages.free_pages || mutator_of(s->m)->pages.cache) {
        void *p = gcsim_new(s->m, page);
        INVARIANT(p);
        API->handle_new(s->m, p);
    }
}

static struct scene make_scene(bool full)
{
    struct scene s = {.m = open_heap(small_heap)};
    gcsim_heap *heap = s.m->heap;
    s.node = make_type(heap, "node", 2, 1);
    s.wide = make_type(heap, "wide", 80, 1);
    s.large = make_bytes(heap, "large", 100000);
    make_bytes(heap, "page", 8192);
    INVARIANT(API->name_intern(heap, "f", &s.name) == GCSIM_OK);
    s.list = API->handle_new(s.m, NULL);
    s.g = API->goroutine_new(s.m, s.name);
    gcsim_build build = {.count = 100, .types = &s.node, .ntypes = 1};
    s.batch = API->build(s.m, &build);
    if (full)
        use_up_pages(&s);
    return s;
}

static gcsim_status status_of(const struct scene *s, const void *result)
{
    return result ? GCSIM_OK : s->m->status;
}

// --- operations: each returns GCSIM_OK or the status that it was told
static gcsim_status attach(struct scene *s)
{
    gcsim_status status = GCSIM_OK;
    mut *m = API->mutator_attach(s->m->heap, &status);
    if (m)
        API->mutator_detach(m);
    return status;
}
static gcsim_status many_names(struct scene *s)
{
    char text[300];
    for (int i = 0; i < 400; i++) {
        uint32_t name;
        snprintf(text, sizeof text, "%0250d", i);
        gcsim_status status = API->name_intern(s->m->heap, text, &name);
        if (status != GCSIM_OK)
            return status;
    }
    return GCSIM_OK;
}
static gcsim_status many_types(struct scene *s)
{
    char text[32];
    static uint64_t mask[2000];
    mask[1999] = 1;
    for (int i = 0; i < 60; i++) {
        snprintf(text, sizeof text, "type %d", i);
        gcsim_type_desc desc = {.name = text,
                                .bytes = 2000 * 512,
                                .ptr_bytes = 1999 * 512 + 8,
                                .mask = mask,
                                .align = 8};
        gcsim_status status;
        if (!API->type_new(s->m->heap, &desc, &status))
            return status;
    }
    return GCSIM_OK;
}
static gcsim_status new_nodes(struct scene *s)
{
    for (int i = 0; i < 1000; i++)
        if (!gcsim_new(s->m, s->node))
            return s->m->status;
    return GCSIM_OK;
}
static gcsim_status new_wide(struct scene *s) { return status_of(s, gcsim_new(s->m, s->wide)); }
static gcsim_status new_large(struct scene *s) { return status_of(s, gcsim_new(s->m, s->large)); }
static gcsim_status new_array(struct scene *s)
{
    return status_of(s, API->new_array(s->m, s->wide, 5000));
}
static gcsim_status new_tiny(struct scene *s)
{
    const gcsim_type *tiny = s->m->heap->mheap.types.ntypes > 4 ? s->m->heap->mheap.types.by_id[4]
                                                                : make_bytes(s->m->heap, "tiny", 3);
    for (int i = 0; i < 3000; i++)
        if (!gcsim_new(s->m, tiny))
            return s->m->status;
    return GCSIM_OK;
}
static gcsim_status handles(struct scene *s)
{
    for (int i = 0; i < 3000; i++)
        if (!API->handle_new(s->m, s->list->ptr))
            return s->m->status;
    return GCSIM_OK;
}
static gcsim_status globals(struct scene *s)
{
    for (int i = 0; i < 300; i++)
        if (!API->global_new(s->m, s->name))
            return s->m->status;
    return GCSIM_OK;
}
static gcsim_status goroutines(struct scene *s)
{
    for (int i = 0; i < 600; i++)
        if (!API->goroutine_new(s->m, s->name))
            return s->m->status;
    return GCSIM_OK;
}
static gcsim_status deep_stack(struct scene *s)
{
    for (int i = 0; i < 300; i++)
        if (API->frame_push(s->m, s->g, s->wide, s->name) == UINT64_MAX)
            return s->m->status;
    return GCSIM_OK;
}
static gcsim_status specials(struct scene *s)
{
    gcsim_callback callback;
    for (int i = 0; i < 1500; i++) {
        void *p = gcsim_new(s->m, s->node);
        if (!p || !API->finalizer_set(s->m, p, NULL, NULL) ||
            !API->cleanup_add(s->m, p, NULL, NULL))
            return s->m->status;
    }
    gcsim_status status = API->collect(s->m);
    while (API->callback_take(s->m, &callback))
        if (callback.id % 2)
            API->callback_done(s->m->heap, &callback);
    return status == GCSIM_OK ? s->m->status : status;
}
static gcsim_status weak_references(struct scene *s)
{
    for (uint64_t i = 0; i < 2000; i++)
        if (!API->weak_new(s->m, (char *)s->batch->objects[i % 100] + i / 100 % 16))
            return s->m->status;
    return GCSIM_OK;
}
static gcsim_status build(struct scene *s)
{
    gcsim_build what = {.count = 300000, .types = &s->node, .ntypes = 1};
    return status_of(s, API->build(s->m, &what));
}
static gcsim_status read_links(struct scene *s)
{
    static int64_t index[100];
    return API->read_links(s->m, s->batch, 0, index);
}
static gcsim_status record(struct scene *s)
{
    gcsim_recorded r;
    static gcsim_event out[1 << 16];
    gcsim_status status = API->record_begin(s->m, EVENT_BIT(ATTACH), 1 << 14);
    if (status != GCSIM_OK) {
        EXPECT(API->record_end(s->m, &r) == GCSIM_BAD_STATE);
        return status;
    }
    EXPECT(API->record_end(s->m, &r) == GCSIM_OK && r.kept >= 1 && r.kept <= 1 << 16);
    API->record_read(s->m->heap, out);
    return GCSIM_OK;
}
static gcsim_status collect(struct scene *s) { return API->collect(s->m); }
static gcsim_status detach_all(struct scene *s)
{
    gcsim_status status;
    for (int i = 0; i < 3; i++) {
        mut *m = API->mutator_attach(s->m->heap, &status);
        if (!m)
            return status;
        gcsim_leave(s->m);
        gcsim_enter(m);
        void *p = gcsim_new(m, s->wide);
        status = m->status;
        gcsim_leave(m);
        API->mutator_detach(m);
        gcsim_enter(s->m);
        if (!p)
            return status;
    }
    return GCSIM_OK;
}

static const struct operation {
    const char *name;
    gcsim_status (*run)(struct scene *s);
    bool full;         // in a heap without a free page
    uint64_t at_least; // fallible calls: the test would be void if it met none
} operations[] = {
    {"attach a mutator", attach, false, 0},
    {"intern 400 long names", many_names, false, 1},
    {"make 60 types with long masks", many_types, false, 2},
    {"small objects", new_nodes, true, 1},
    {"an object with a header", new_wide, true, 1},
    {"a large object", new_large, true, 1},
    {"a large array", new_array, true, 1},
    {"tiny objects", new_tiny, true, 1},
    {"3,000 handles", handles, false, 1},
    {"300 globals", globals, false, 1},
    {"600 goroutines", goroutines, true, 2},
    {"a deep stack", deep_stack, true, 1},
    {"2,000 weak references", weak_references, false, 1},
    {"3,000 finalizers and cleanups", specials, false, 2},
    {"a batch of 300,000", build, true, 4},
    {"reading links back", read_links, false, 1},
    {"a collection", collect, true, 0},
    {"mutators that come and go", detach_all, true, 1},
    {"a recording of events", record, false, 1},
};

// The n-th fallible call fails, n = 1, 2, ..., until the operation ends before its n-th.
static void fail_each(const struct operation *op)
{
    uint64_t n = 0, refused = 0, in_spite = 0;
    bool clear = true, sound = true, usable = true;
    for (bool reached = true; reached && n < 1000;) {
        n++;
        struct scene s = make_scene(op->full);
        os_fail_after(n);
        gcsim_status status = op->run(&s);
        reached = os_fail_after(0) == 0;
        clear &= status == GCSIM_OK || (reached && status == GCSIM_NO_MEMORY);
        refused += status != GCSIM_OK;
        in_spite += reached && status == GCSIM_OK;
        sound &= verifies(s.m);
        s.m->status = GCSIM_OK;
        usable &= op->run(&s) == GCSIM_OK && API->collect(s.m) == GCSIM_OK && verifies(s.m);
        close_heap(s.m);
    }
    check(clear && sound && usable && n > op->at_least,
          "%s: %" PRIu64 " calls failed in turn, %" PRIu64 " were told, %" PRIu64
          " went on without",
          op->name, n - 1, refused, in_spite);
}

static void create_and_close(gcsim_options options, const char *what)
{
    uint64_t n = 0, created = 0, space = reserved_bytes();
    bool clear = true, reached = true;
    while (reached && n < 100) {
        gcsim_status status = GCSIM_OK;
        os_fail_after(++n);
        gcsim_heap *heap = API->heap_create(&options, &status);
        reached = os_fail_after(0) == 0;
        clear &= heap ? status == GCSIM_OK : reached && status == GCSIM_NO_MEMORY;
        if (heap) {
            mut *m = API->mutator_attach(heap, &status);
            gcsim_enter(m);
            clear &= verifies(m);
            close_heap(m);
            created++;
        }
    }
    check(clear && n > 4 && created >= 1, "%s: %" PRIu64 " calls failed in turn", what, n - 1);
    check(reserved_bytes() <= space, "and no address space is kept");
}

// A random graph in a heap without a free page, marked with no memory at all for work buffers: marking goes on from the marks. Queues of
// spans need none.
static void mark_without_buffers(uint32_t engine, uint64_t words, uint64_t seed)
{
    enum { COUNT = 60000 };
    struct scene s = make_scene(false);
    mut *m = s.m;
    mark_choose_engine(&m->heap->mheap, engine);
    uint64_t random = seed, live = 0;
    const gcsim_type *pair = make_type(m->heap, "pair", words, 3);
    gcsim_build what = {.count = COUNT, .types = &pair, .ntypes = 1};
    gcsim_batch *batch = API->build(m, &what);
    static int32_t index[COUNT];
    static uint32_t todo[COUNT];
    static bool reached[COUNT];
    static int32_t to[COUNT][2];
    INVARIANT(batch);
    for (int field = 0; field < 2; field++) {
        for (int i = 0; i < COUNT; i++)
            to[i][field] = index[i] =
                below(&random, 100) < 55 ? (int32_t)below(&random, COUNT) : -1;
        gcsim_links links = {.offset = 8 * (uint64_t)field, .index = index, .index_bytes = 4};
        INVARIANT(API->link(m, batch, &links) == GCSIM_OK);
    }
    memset(reached, 0, sizeof reached);
    uint32_t n = 0;
    for (int i = 0; i < 5; i++) {
        uint32_t root = (uint32_t)below(&random, COUNT);
        API->handle_new(m, batch->objects[root]);
        if (!reached[root])
            todo[n++] = root;
        reached[root] = true;
    }
    while (n) {
        uint32_t at = todo[--n];
        live++;
        for (int field = 0; field < 2; field++)
            if (to[at][field] >= 0 && !reached[to[at][field]]) {
                reached[to[at][field]] = true;
                todo[n++] = (uint32_t)to[at][field];
            }
    }
    batch->strong = 0;
    use_up_pages(&s);
    uint64_t before = count_objects(m), kept = H(m->heap)->arena_pages;
    gcsim_cycle c;
    H(m->heap)->arena_pages =
        H(m->heap)->grown_pages; // the heap is full: every request for a buffer fails
    bool right = marks_verify(m), queued = words * 8 <= H(m->heap)->queues_spans;
    check(right && (m->heap->gc.rescans > 0) == !queued,
          "engine %u: without buffers the marks are right, after %" PRIu64 " passes over them",
          engine, m->heap->gc.rescans);
    gcsim_status status = API->collect(m);
    H(m->heap)->arena_pages = kept;
    API->cycle_info(m->heap, 0, &c);
    bool exact = true;
    for (int i = 0; i < COUNT; i++)
        exact &= (batch->objects[i] != NULL) == reached[i];
    check(status == GCSIM_OK && exact && count_objects(m) < before,
          "engine %u: exactly the %" PRIu64 " reachable objects of 60,000 survive", engine, live);
    check((c.rescans > 0) == !queued, "engine %u: its record counts the passes", engine);
    check(verifies(m), "engine %u: the heap verifies", engine);
    close_heap(m);
}

int main(void)
{
    uint64_t space;
    create_and_close(small_heap, "create a heap of 64 MiB");
    create_and_close((gcsim_options){.bytes = sizeof(gcsim_options)},
                     "create a heap of as much as there is");
    create_and_close(
        (gcsim_options){.bytes = sizeof(gcsim_options), .events = 100000, .reserve_bytes = 1},
        "create one with events");
    close_heap(make_scene(true).m);
    space = reserved_bytes();
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        fail_each(&operations[i]);
    for (uint32_t engine = 0; engine < GCSIM_MARK_ENGINES; engine++)
        mark_without_buffers(engine, 2, 77 + 3 * engine);
    mark_without_buffers(GCSIM_MARK_SPAN, 66, 77);
    for (int i = 0; i < 300; i++)
        close_heap(make_scene(false).m);
    uint64_t now = reserved_bytes();
    check(now <= space, "after hundreds of heaps no address space is kept: %" PRIu64 " KiB more",
          (now - space) / 1024);
    return finish();
}
