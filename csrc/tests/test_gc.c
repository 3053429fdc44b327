// instantiations: fast step
//
// Collections: what survives and what dies, when a cycle starts, what its record says, and that an interrupted one has not been.
#include "harness.h"

static void *field(void *object, int i) { return ((void **)object)[i]; }
static void set(mut *m, void *object, int i, void *to) { gcsim_store(m, (void **)object + i, to); }

static gcsim_options with_percent(int32_t percent)
{
    gcsim_options options = small_heap;
    options.gc_percent = percent;
    return options;
}

static gcsim_options stopped_with_percent(int32_t percent)
{
    gcsim_options options = with_percent(percent);
    options.stop_the_world = 1;
    return options;
}

static void reachability(uint32_t engine)
{
    gcsim_options options = small_heap;
    options.mark_engine = engine + 1;
    mut *m = open_heap(options);
    gcsim_heap *heap = m->heap;
    const gcsim_type *node = make_type(heap, "node", 2, 3),
                     *buffer = make_bytes(heap, "buffer", 100);
    gcsim_handle *root = API->handle_new(m, NULL);
    void *dead_pair[2], *chain_end = NULL;
    for (int i = 0; i < 10000; i++) {
        void *p = gcsim_new(m, node);
        set(m, p, 0, root->ptr);
        gcsim_store(m, &root->ptr, p);
        chain_end = chain_end ? chain_end : p;
    }
    for (int i = 0; i < 2; i++)
        dead_pair[i] = gcsim_new(m, node);
    set(m, dead_pair[0], 0, dead_pair[1]);
    set(m, dead_pair[1], 0, dead_pair[0]);
    char *held_inside = gcsim_new(m, buffer), *scalar = gcsim_new(m, node);
    set(m, chain_end, 1, held_inside + 99);
    check(marks_verify(m), "engine %u: marks are what the second trace reaches", engine);
    check(API->collect(m) == GCSIM_OK, "engine %u: a full collection", engine);
    check(count_objects(m) == 10001 && is_object(heap, chain_end),
          "engine %u: a chain of 10,000 lives", engine);
    check(!is_object(heap, dead_pair[0]) && !is_object(heap, dead_pair[1]) &&
              !is_object(heap, scalar),
          "engine %u: a ring without a root dies", engine);
    check(is_object(heap, held_inside), "engine %u: a pointer to the last byte keeps the object",
          engine);
    set(m, chain_end, 1, NULL);
    gcsim_store(m, &root->ptr, field(field(root->ptr, 0), 0));
    API->collect(m);
    check(count_objects(m) == 9998, "engine %u: what is unlinked dies at the next collection",
          engine);
    check(verifies(m), "engine %u: the heap verifies", engine);
    close_heap(m);
}

// Objects above 128 KiB are marked in pieces: a pointer in any of them keeps its object.
static void oblets(uint32_t engine)
{
    gcsim_options options = small_heap;
    options.mark_engine = engine + 1;
    mut *m = open_heap(options);
    const gcsim_type *link = make_type(m->heap, "link", 3, 2),
                     *node = make_type(m->heap, "node", 2, 1);
    enum { COUNT = 100000 }; // 2.4 MB
    gcsim_handle *root = API->handle_new(m, API->new_array(m, link, COUNT));
    uint64_t kept = 0;
    for (int i = 0; i < COUNT; i += 97, kept++)
        set(m, root->ptr, 3 * i + 1, gcsim_new(m, node));
    for (int i = 0; i < COUNT; i += 89)
        ((void **)root->ptr)[3 * i] = gcsim_new(m, node); // not a pointer word
    check(marks_verify(m), "engine %u: marks of a large object are right", engine);
    API->collect(m);
    check(count_objects(m) == kept + 1,
          "engine %u: every piece of a large object is scanned, and its pointer words alone",
          engine);
    for (int i = 0; i < COUNT; i += 89)
        ((void **)root->ptr)[3 * i] = NULL;
    check(verifies(m), "engine %u: the heap verifies", engine);
    close_heap(m);
}

#if !GCSIM_DEBUG // there verify runs in every cycle, and such pointers are violations
// Words that point to no object mark nothing: the unused end of a span, the core's own memory, pages without a span, other memory.
static void pointers_to_no_object(uint32_t engine)
{
    gcsim_options options = small_heap;
    options.mark_engine = engine + 1;
    mut *m = open_heap(options);
    const gcsim_type *node = make_type(m->heap, "node", 6, 63);
    gcsim_goroutine *g = API->goroutine_new(m, 0);
    void **p = gcsim_new(m, node);
    API->handle_new(m, p);
    gcsim_span *s = span_of(H(m->heap), p);
    void *words[] = {s->limit,      s->base + PAGE_BYTES - 1,
                     g->stack + 40, H(m->heap)->arena + (H(m->heap)->grown_pages << PAGE_SHIFT) - 8,
                     &words,        (void *)8};
    for (int i = 0; i < 6; i++)
        p[i] = words[i];
    check(API->collect(m) == GCSIM_OK && m->heap->gc.objects_marked == 1,
          "engine %u: words that point to no object mark nothing", engine);
    memset(p, 0, 48);
    check(verifies(m) && count_objects(m) == 1, "engine %u: the heap verifies", engine);
    close_heap(m);
}
#endif

static void engines_agree(void)
{
    gcsim_options options = small_heap;
    options.reserve_bytes = 256 << 20;
    mut *m = open_heap(options);
    enum { COUNT = 50000 };
    const gcsim_type *types[] = {make_type(m->heap, "a", 2, 3), make_type(m->heap, "b", 8, 129),
                                 make_type(m->heap, "c", 100, 5)};
    uint64_t random = 11;
    uint8_t *type_of = malloc(COUNT);
    uint32_t *source = malloc(COUNT * 4), *zero = calloc(COUNT, 4);
    int32_t *target = malloc(COUNT * 4);
    for (int i = 0; i < COUNT; i++) {
        type_of[i] = (uint8_t)below(&random, 3);
        source[i] = (uint32_t)i;
        zero[i] = type_of[i] == 2 ? 8 : 0; // behind the header
        target[i] = (int32_t)below(&random, COUNT);
    }
    gcsim_build build = {.count = COUNT, .types = types, .ntypes = 3, .type_of = type_of};
    gcsim_batch *batch = API->build(m, &build);
    gcsim_edges edges = {.count = COUNT, .source = source, .source_offset = zero, .target = target};
    check(batch && API->link_edges(m, batch, &edges) == GCSIM_OK,
          "a random graph of 50,000 objects");
    batch->strong = 0;
    for (int i = 0; i < 20; i++)
        API->handle_new(m, batch->objects[below(&random, COUNT)]);
    for (uint32_t engine = 0; engine < GCSIM_MARK_ENGINES; engine++) {
        mark_choose_engine(&m->heap->mheap, engine);
        check(marks_verify(m), "engine %u marks what the second trace reaches in it", engine);
    }
    check(verifies(m) && API->collect(m) == GCSIM_OK && verifies(m),
          "it verifies before and after the collection");
    free(type_of), free(source), free(zero), free(target);
    close_heap(m);
}

// The goal is that of the pacer, and no cycle starts before heap_live has reached it.
static void pacing(void)
{
    mut *m = open_heap(stopped_with_percent(100));
    const gcsim_type *node = make_type(m->heap, "node", 8, 1);
    gcsim_handle *list = API->handle_new(m, NULL);
    bool at_trigger = true, goals = true, numbered = true;
    uint64_t seen = 0;
    for (int i = 0; i < 400000; i++) {
        void *p = gcsim_new(m, node);
        if (i % 2) {
            set(m, p, 0, list->ptr);
            gcsim_store(m, &list->ptr, p);
        }
        gcsim_cycle c;
        if (m->heap->gc.cycles == seen)
            continue;
        seen = m->heap->gc.cycles;
        numbered &= API->cycle_info(m->heap, 0, &c) == GCSIM_OK && c.number == seen &&
                    c.trigger == GCSIM_TRIGGER_HEAP && c.gc_percent == 100;
        at_trigger &= c.heap_live >= c.trigger_bytes &&
                      c.heap_live <= c.trigger_bytes + PAGE_BYTES && // one span late at most
                      c.trigger_bytes < c.goal;
        goals &= c.next_goal == pacer_goal(c.heap_marked, c.stack_scan, c.globals_scan, 100) &&
                 c.next_goal >= 4 << 20;
    }
    check(seen >= 2 && at_trigger,
          "%" PRIu64 " cycles by the heap trigger, each as soon as it is reached", seen);
    check(goals, "each goal is twice what was marked, at least 4 MiB");
    check(numbered, "each cycle has a record under its number");
    gcsim_cycle none;
    check(API->cycle_info(m->heap, seen + 1, &none) == GCSIM_BAD_SIZE,
          "there is no record of a cycle that was not");
    check(pacer_goal(100 << 20, 0, 0, 100) == 200 << 20 &&
              pacer_goal(100 << 20, 1 << 20, 1 << 20, 50) == 151 << 20 &&
              pacer_goal(0, 0, 0, 50) == 2 << 20 && pacer_goal(1, 1, 1, -1) == UINT64_MAX,
          "the pacer's arithmetic");

    check(API->set_gc_percent(m, -1) == 100 && API->set_gc_percent(m, -5) == -1,
          "set_gc_percent returns what was");
    seen = m->heap->gc.cycles;
    for (int i = 0; i < 100000; i++)
        gcsim_new(m, node);
    check(m->heap->gc.cycles == seen && verifies(m), "with collection off no cycle starts");
    close_heap(m);
}

// What the allocation that starts a cycle returns lives through it.
static void returned_object_lives(void)
{
    mut *m = open_heap(with_percent(1));
    const gcsim_type *kinds[] = {make_type(m->heap, "node", 2, 1),
                                 make_type(m->heap, "wide", 90, 1),
                                 make_bytes(m->heap, "bytes", 700), make_bytes(m->heap, "tiny", 3),
                                 make_bytes(m->heap, "large", 50000)};
    bool alive = true;
    uint64_t cycles = 0;
    for (int i = 0; i < 20000; i++) {
        const gcsim_type *t = kinds[i % 5];
        uint64_t before = m->heap->gc.cycles;
        char *p = gcsim_new(m, t);
        if (m->heap->gc.cycles != before) {
            cycles++;
            gcsim_object object;
            alive &= API->find_object(m->heap, p, &object) == GCSIM_OK;
            memset(p + (t->ptr_bytes ? 8 : 0), 1, t->bytes - (t->ptr_bytes ? 8 : 0));
        }
    }
    check(cycles > 100 && alive && verifies(m),
          "the object of the allocation that collects survives, %" PRIu64 " times", cycles);
    close_heap(m);
}

// Marked, and nothing of it swept.
static void end_cycle_unswept(mut *m)
{
    mcache_flush(mutator_of(m)); // else its spans are swept at once
    API->set_gc_percent(m, 100);
    H(m->heap)->trigger = m->heap->gc.goal = 0;
    check(cycle_run(mutator_of(m), GCSIM_TRIGGER_HEAP) == GCSIM_OK, "a cycle by the trigger");
}

static void lazy_sweep(void)
{
    mut *m = open_heap(stopped_with_percent(-1));
    const gcsim_type *node = make_type(m->heap, "node", 2, 1);
    void *objects[5000];
    for (int i = 0; i < 5000; i++) {
        objects[i] = gcsim_new(m, node);
        if (i % 100 == 0)
            API->handle_new(m, objects[i]);
    }
    gcsim_weak *alive = API->weak_new(m, objects[100]), *dead = API->weak_new(m, objects[101]);
    end_cycle_unswept(m);
    check(verifies(m), "the heap verifies with nothing swept");
    check(is_object(m->heap, objects[200]) && !is_object(m->heap, objects[201]),
          "a dead object is none before its span is swept");
    check(count_objects(m) == 50, "nor is it listed");
    check(API->weak_get(m, alive) == objects[100] && API->weak_get(m, dead) == NULL,
          "a weak reference knows before the sweep");
    gcsim_cycle c;
    API->cycle_info(m->heap, 0, &c);
    check(c.freed_objects == 0 && c.objects_marked == 50,
          "the record counts marks, and nothing freed yet");
    for (int i = 0; i < 100; i++)
        gcsim_new(m, node);
    API->cycle_info(m->heap, 0, &c);
    check(c.freed_objects > 0 && c.freed_objects < 4950,
          "an allocation sweeps as far as it needs to");
    check(verifies(m), "the heap verifies half swept");
    API->sweep_all(m);
    API->cycle_info(m->heap, 0, &c);
    check(c.freed_objects == 4950 && c.freed_bytes == 4950 * 16,
          "in the end everything dead is freed and counted");
    check(API->weak_get(m, dead) == NULL && verifies(m), "the heap verifies swept");
    close_heap(m);
}

// New spans take the place of dead ones, of whatever class, however late the sweep would come to those.
static void reclaims_before_growing(void)
{
    enum { OLD = 1000, KEPT = OLD / 4, DEAD = OLD - KEPT }; // each has a page of its own
    mut *m = open_heap(stopped_with_percent(-1));
    struct mheap *h = H(m->heap);
    struct gc *gc = &m->heap->gc;
    const gcsim_type *old = make_bytes(m->heap, "old", PAGE_BYTES),
                     *fresh = make_type(m->heap, "fresh", PAGE_BYTES / 8 - 1, 1);
    void *kept = NULL;
    for (int i = 0; i < OLD; i++) {
        void *p = gcsim_new(m, old);
        if (i % (OLD / KEPT) == 0)
            API->handle_new(m, kept = p);
    }
    end_cycle_unswept(m);
    API->set_gc_percent(m, -1); // no other cycle
    h->sweep_owed = 0;          // or allocation would sweep all of it soon
    uint64_t in_use = h->bytes.in_use, grown = h->grown_pages, most = 0;
    gcsim_new(m, fresh);
    uint64_t swept = gc->pages_swept, credit = gc->reclaim_credit;
    check(swept > 0 && swept <= CHUNK_PAGES && credit == swept - 1,
          "a new span sweeps what is dead in one chunk: %" PRIu64 " pages", swept);
    check(span_of(h, kept)->sweepgen == h->sweepgen - 2, "a span with a mark still waits");
    check(verifies(m), "the heap verifies with spans taken from the middle of their list");
    gcsim_new(m, fresh);
    check(gc->pages_swept == swept && gc->reclaim_credit == credit - 1,
          "the next one lives on the pages that were too many");
    for (int i = 2; i < DEAD; i++) {
        gcsim_new(m, fresh);
        most = h->bytes.in_use > most ? h->bytes.in_use : most;
    }
    check(most <= in_use && h->grown_pages == grown && gc->pages_swept == DEAD,
          "as many new spans as there were dead ones: the heap is no larger");
    gcsim_new(m, fresh);
    check(h->bytes.in_use == in_use + PAGE_BYTES, "one more, and it grows");
    API->sweep_all(m);
    check(gc->pages_swept == OLD && verifies(m), "the sweep finds what is left");
    close_heap(m);
}

// What a sweep frees on its own also counts for the spans that come after it.
static void sweeping_earns_credit(void)
{
    mut *m = open_heap(stopped_with_percent(-1));
    struct gc *gc = &m->heap->gc;
    const gcsim_type *old = make_bytes(m->heap, "old", PAGE_BYTES),
                     *fresh = make_type(m->heap, "fresh", PAGE_BYTES / 8 - 1, 1);
    for (int i = 0; i < 10; i++)
        gcsim_new(m, old);
    end_cycle_unswept(m);
    sweep_one(H(m->heap));
    gcsim_new(m, fresh);
    check(gc->pages_swept == 1 && gc->reclaim_credit == 0 && gc->reclaim_page == 0,
          "a page that was swept anyway is a page that needs no search");
    close_heap(m);
}

#if GCSIM_STEPS // whose clock counts steps: an object scanned is a ns
static void pay_on_a_coroutine(void *m) { assist_pay(m); }

// Whatever an assist owes, it looks at the limiter after each slice, and the limiter has learned of it.
static void assists_stop_for_the_limiter(void)
{
    enum { NODES = 400000 }; // the slice of an assist is 100,000 ns
    mut *m = open_heap(small_heap);
    struct gc *gc = &m->heap->gc;
    const gcsim_type *node = make_type(m->heap, "node", 2, 1),
                     *pointer = make_type(m->heap, "pointer", 1, 1);
    gcsim_handle *root = API->handle_new(m, API->new_array(m, pointer, NODES));
    for (int i = 0; i < NODES; i++)
        set(m, root->ptr, i, gcsim_new(m, node));
    API->set_gc_percent(m, 100);
    H(m->heap)->trigger = gc->goal = 0;
    check(cycle_run(mutator_of(m), GCSIM_TRIGGER_HEAP) == GCSIM_OK && gc->phase == GC_MARK,
          "marking has begun");
    gc->limiter.fill = gc->limiter.capacity - 1000;
    mutator_of(m)->assist_bytes = -(1ll << 40);
    rt_call(&H(m->heap)->rt, pay_on_a_coroutine, mutator_of(m)); // the clock stands still outside
    uint64_t assisted = gc->mark_ns[MARK_ASSIST];
    check(gc->limited && gc->phase == GC_MARK && mutator_of(m)->assist_bytes < 0,
          "a full bucket ends an assist, though it owes more");
    check(assisted > 1000 && assisted < NODES / 2, "within a slice: %" PRIu64 " ns", assisted);
    // A nanosecond of it fills the bucket and is none of the program, which would empty it.
    check(gc->limiter.overflow <= 2 * assisted, "so the bucket overflows by no more");
    assist_pay(mutator_of(m));
    check(gc->mark_ns[MARK_ASSIST] == assisted, "and no other assist begins");
    API->collect(m);
    check(verifies(m), "the heap verifies");
    close_heap(m);
}

// The limiter's window has what happened in it: an assist under way counts as far as it has come, and once.
static void assists_count_while_they_run(void)
{
    gcsim_options options = small_heap;
    options.procs = 2;
    mut *m = open_heap(options); // the other processor is idle
    struct gc *gc = &m->heap->gc;
    uint64_t from = (uint64_t)gc->limiter.last_update + 50;
    mutator_of(m)->assist_from_ns = from;
    pace_update_limiter(H(m->heap), from);
    check(gc->limiter.fill == 0, "before it begins nothing fills the bucket");
    pace_update_limiter(H(m->heap), from + 300);
    check(gc->limiter.fill == 300, "then it does, though the assist has not ended");
    pace_update_limiter(H(m->heap), from + 400);
    check(gc->limiter.fill == 400, "and each time by what is new");
    mutator_of(m)->assist_from_ns = 0;
    close_heap(m);
}

// A slice of marking on an idle processor may end long after the limiter looked: it is marking all the same.
static void marking_is_not_idle(void)
{
    gcsim_options options = small_heap;
    options.procs = 2;
    mut *m = open_heap(options); // one of them
    struct mheap *h = H(m->heap);
    struct gc *gc = &m->heap->gc;
    uint64_t from = (uint64_t)gc->limiter.last_update, idle = h->history->idle_ns;
    gc->own_thread_ns = 1000;
    pace_update_limiter(h, from + 300);
    check(h->history->idle_ns == idle && gc->own_thread_ns == 700,
          "the window has no more idle time than it is long");
    pace_update_limiter(h, from + 1100);
    check(h->history->idle_ns == idle + 100 && gc->own_thread_ns == 0,
          "the rest is taken from the next");
    close_heap(m);
}
#endif

static uint64_t polls, stop_at;
static int poll(void *arg)
{
    (void)arg;
    return ++polls == stop_at;
}

static void interruption(void)
{
    gcsim_options options = stopped_with_percent(-1);
    options.poll = poll;
    mut *m = open_heap(options);
    const gcsim_type *node = make_type(m->heap, "node", 2, 1);
    gcsim_handle *list = API->handle_new(m, NULL);
    for (int i = 0; i < 100000; i++) {
        void *p = gcsim_new(m, node);
        set(m, p, 0, list->ptr);
        gcsim_store(m, &list->ptr, p);
        gcsim_new(m, node);
    }
    API->collect(m);
    uint64_t before = count_objects(m), cycles = m->heap->gc.cycles;
    for (int i = 0; i < 1000; i++)
        gcsim_new(m, node);
    for (uint64_t at = 1; at <= 5; at++) {
        polls = 0;
        stop_at = at;
        check(API->collect(m) == GCSIM_INTERRUPTED && count_objects(m) == before + 1000,
              "a collection interrupted at poll %" PRIu64 " frees nothing", at);
        check(verifies(m) && m->heap->gc.cycles == cycles, "and leaves no trace");
    }
    gcsim_cycle c;
    check(API->cycle_info(m->heap, 0, &c) == GCSIM_OK && c.number == cycles,
          "the last record is that of the last cycle");
    stop_at = 0;
    check(API->collect(m) == GCSIM_OK && count_objects(m) == before, "the next one does its work");

    gcsim_build build = {.count = 200000, .types = &node, .ntypes = 1};
    polls = 0;
    stop_at = 3;
    check(!API->build(m, &build) && m->status == GCSIM_INTERRUPTED,
          "an interrupted build is undone");
    stop_at = 0;
    API->collect(m);
    check(count_objects(m) == before && verifies(m), "nothing of it is left");
    close_heap(m);
}

static void many_cycles(void)
{
    mut *m = open_heap(with_percent(-1));
    const gcsim_type *node = make_type(m->heap, "node", 2, 1);
    bool ok = true;
    gcsim_cycle c;
    for (uint64_t n = 1; n <= 300; n++) {
        for (int i = 0; i < 20; i++)
            gcsim_new(m, node);
        ok &= API->collect(m) == GCSIM_OK && API->cycle_info(m->heap, n, &c) == GCSIM_OK &&
              c.number == n && c.trigger == GCSIM_TRIGGER_FORCED;
        ok &= c.freed_objects == 20 && c.objects_marked == 0;
    }
    check(ok, "300 forced cycles, each recorded");
    check(API->cycle_info(m->heap, 44, &c) == GCSIM_BAD_SIZE &&
              API->cycle_info(m->heap, 45, &c) == GCSIM_OK,
          "the last 256 records are kept");
    gcsim_memstats s;
    API->memstats(m, &s);
    check(s.num_gc == 300 && s.num_forced_gc == 300 && verifies(m), "MemStats counts them");
    close_heap(m);
}

// heap_live counts a cached span whole, and takes back what was not used when it is given back (mcache.go:refill, releaseAll).
static void live_bytes(void)
{
    mut *m = open_heap(with_percent(-1));
    struct mheap *h = H(m->heap);
    const gcsim_type *node = make_type(m->heap, "node", 2, 1),
                     *large = make_bytes(m->heap, "large", 40000);
    uint64_t tail = PAGE_BYTES - (uint64_t)span_geometry(2, false, true).limit_bytes;
    gcsim_handle *list = API->handle_new(m, NULL);
    for (int i = 0; i < 100; i++) {
        void *p = gcsim_new(m, node);
        set(m, p, 0, list->ptr);
        gcsim_store(m, &list->ptr, p);
    }
    check(h->heap_live == PAGE_BYTES, "a cached span counts whole");
    mcache_flush(mutator_of(m));
    check(h->heap_live == 100 * 16 + tail,
          "given back it counts its objects, its tail and metadata");
    gcsim_new(m, node);
    check(h->heap_live == PAGE_BYTES + tail,
          "taken again it counts its free slots too"); // and its tail a second time, as in Go
    API->handle_new(m, gcsim_new(m, large));
    check(h->heap_live == 6 * PAGE_BYTES + tail, "a large object counts its pages");
    API->collect(m);
    check(h->heap_live == 100 * 16 + 5 * PAGE_BYTES &&
              m->heap->gc.pacer.heap_marked == h->heap_live,
          "after a collection what was marked is what lives");
    gcsim_new(m, node);
    check(h->heap_live == 6 * PAGE_BYTES,
          "a swept span that is cached counts its free slots and its tail");
    check(verifies(m), "the heap verifies");
    close_heap(m);
}

static void two_mutators(void)
{
    mut *a = open_heap(with_percent(-1));
    gcsim_status status;
    mut *b = API->mutator_attach(a->heap, &status);
    const gcsim_type *node = make_type(a->heap, "node", 2, 1);
    void *of_a = gcsim_new(a, node);
    API->handle_new(a, of_a);
    gcsim_leave(a);
    gcsim_enter(b);
    for (int i = 0; i < 100; i++)
        gcsim_new(b, node);
    void *of_b = gcsim_new(b, node);
    API->handle_new(b, of_b);
    check(verifies(b), "a heap with two mutators verifies");
    check(API->collect(b) == GCSIM_OK && is_object(a->heap, of_a) && is_object(a->heap, of_b) &&
              count_objects(b) == 2,
          "a collection looks into the spans of both");
    gcsim_leave(b);
    API->mutator_detach(b);
    gcsim_enter(a);
    check(verifies(a) && API->collect(a) == GCSIM_OK && count_objects(a) == 2,
          "objects and handles outlive the mutator that made them");
    check(API->mutator_attach(a->heap, &status) != NULL && verifies(a), "another takes its place");
    close_heap(a);
}

int main(void)
{
    for (uint32_t engine = 0; engine < GCSIM_MARK_ENGINES; engine++) {
        reachability(engine);
        oblets(engine);
#if !GCSIM_DEBUG
        pointers_to_no_object(engine);
#endif
    }
    engines_agree();
    pacing();
    returned_object_lives();
    lazy_sweep();
    reclaims_before_growing();
    sweeping_earns_credit();
#if GCSIM_STEPS
    assists_stop_for_the_limiter();
    assists_count_while_they_run();
    marking_is_not_idle();
#endif
    interruption();
    many_cycles();
    live_bytes();
    two_mutators();
    return finish();
}
