// instantiations: fast step
//
// A snapshot against what the listing functions say, at every moment that a heap can be in: windows half used, marking, spans that wait to be swept,
// finalizers queued and not, frames, batches, tiny blocks, objects of all kinds of spans. The breakdown adds up to Sys at each of them. Every
// allocation that fails; and, with threads, mutators that change the heap while it is read: pairs of pointers that are never stopped between.
#include "scene.h"

#if !GCSIM_STEPS
#include <pthread.h>
#include <sched.h>
#endif

static uint64_t sum_of_parts(const gcsim_breakdown *b)
{
    return b->live + b->dead + b->unswept + b->tiny_free + b->large_tails + b->free_slots +
           b->span_bits + b->span_tails + b->fences + b->free_pages + b->released + b->stacks +
           b->stacks_free + b->work_buffers + b->batches + b->span_structs + b->mutators +
           b->mark_bits + b->profile + b->other;
}

// The runs are all pages, in order; their slots are what they say, and the sums of classes are theirs.
static bool check_runs(const gcsim_fragmentation *f, const gcsim_page_map *map, uint64_t n)
{
    uint64_t spans[GCSIM_SPAN_CLASSES] = {0}, live[GCSIM_SPAN_CLASSES] = {0};
    uint64_t page = 0, sums[4] = {0}, released = 0, spare = 0;
    uint64_t left[GCSIM_SPAN_CLASSES] = {0}; // slots of the spans that were needed so far
    bool ok = EXPECT(n <= map->room);
    for (uint64_t i = 0; i < n && ok; i++) {
        const gcsim_page_run *run = &map->runs[i];
        ok = EXPECT(run->page == page && run->npages > 0 && run->kind <= GCSIM_RUN_FENCED) &&
             EXPECT(i == 0 || run->kind != GCSIM_RUN_FREE || run[-1].kind != GCSIM_RUN_FREE);
        page += run->npages;
        sums[run->kind] += run->npages;
        released += run->kind == GCSIM_RUN_FREE ? run->live : 0;
        if (run->kind != GCSIM_RUN_OBJECTS)
            continue;
        uint64_t bits = 0;
        for (uint32_t k = 0; k < run->slots; k++)
            bits += bits_test(map->slots + (uint64_t)run->page * 16, k);
        ok = EXPECT(bits == run->live);
        spans[run->span_class]++;
        live[run->span_class] += run->live;
        if (run->span_class > 1 && run->live && run->live <= left[run->span_class]) {
            left[run->span_class] -= run->live; // they would fit into those
            spare += run->npages;
        } else if (run->live) {
            left[run->span_class] += run->slots - run->live;
        }
    }
    for (int c = 0; c < GCSIM_SPAN_CLASSES; c++)
        ok &= EXPECT(f->classes[c].spans == spans[c] && f->classes[c].live == live[c]);
    return ok && EXPECT(spare * PAGE_BYTES == f->compaction) &&
           EXPECT(page == f->pages && released == f->released_pages) &&
           EXPECT(sums[0] == f->free_pages && sums[2] == f->manual_pages &&
                  sums[3] == f->fenced_pages);
}

// How the heap is cut up, against the breakdown and the statistics.
static bool check_fragmentation(mut *m, const gcsim_breakdown *b)
{
    enum { ROOM = 1 << 14 };
    static gcsim_page_run runs[ROOM];
    static uint64_t slots[ROOM * 16];
    gcsim_page_map map = {runs, ROOM, slots, ROOM};
    gcsim_fragmentation f;
    gcsim_memstats stats;
    memset(slots, 0, sizeof slots);
    uint64_t n = API->fragmentation(m, &f, &map);
    API->memstats(m, &stats);
    gcsim_class_use all = {0};
    uint64_t free_slots = 0, free_runs = 0;
    for (int c = 0; c < GCSIM_SPAN_CLASSES; c++) {
        const gcsim_class_use *use = &f.classes[c];
        all.span_bytes += use->span_bytes;
        all.used_bytes += use->used_bytes;
        all.live_bytes += use->live_bytes;
        all.bits += use->bits;
        all.tails += use->tails;
        free_slots += (use->slots - use->used) * use->slot_bytes;
    }
    for (int k = 0; k < GCSIM_RUN_LENGTHS; k++)
        free_runs += f.free_run_pages[k];
    return EXPECT(all.used_bytes == stats.heap_alloc) &&
           EXPECT(all.span_bytes + f.fenced_pages * PAGE_BYTES == stats.heap_inuse) &&
           EXPECT(f.free_pages * PAGE_BYTES == stats.heap_idle && free_runs == f.free_pages) &&
           EXPECT(f.released_pages * PAGE_BYTES == stats.heap_released) &&
           EXPECT(all.live_bytes == b->live + b->dead + b->tiny_free + b->large_tails) &&
           EXPECT(all.used_bytes - all.live_bytes == b->unswept && all.bits == b->span_bits) &&
           EXPECT(all.tails == b->span_tails && free_slots == b->free_slots) &&
           check_runs(&f, &map, n);
}

static bool check_breakdown(mut *m, const gcsim_snapshot *s)
{
    gcsim_memstats stats;
    API->memstats(m, &stats);
    const gcsim_breakdown *b = &s->where;
    uint64_t in_use = b->live + b->dead + b->unswept + b->tiny_free + b->large_tails +
                      b->free_slots + b->span_bits + b->span_tails + b->fences;
    return EXPECT(sum_of_parts(b) == b->sys) && EXPECT(b->sys == stats.sys) &&
           EXPECT(in_use == stats.heap_inuse) &&
           EXPECT(b->compaction <= in_use && b->free_pages + b->released == stats.heap_idle) &&
           check_fragmentation(m, b);
}

// The number of the object that an address lies in, by searching; UINT32_MAX: none.
static uint32_t number_of(const gcsim_snapshot *s, uint64_t address)
{
    for (uint64_t i = 0; i < s->objects; i++)
        if (address >= s->address[i] && address < s->address[i] + s->slot_bytes[i])
            return (uint32_t)i;
    return UINT32_MAX;
}

// Its pointers, as another walk finds them.
static bool check_edges(mut *m, const gcsim_snapshot *s, uint64_t i, const gcsim_object *o)
{
    static uint32_t slots[1 << 12];
    uint64_t n = API->pointer_slots(m->heap, o, slots, 1 << 12), e = s->edge_start[i];
    struct mheap *h = H(m->heap);
    bool ok = EXPECT(n <= 1 << 12);
    for (uint64_t k = 0; k < n && ok; k++) {
        char *to = *(char **)(void *)(o->base + slots[k]);
        uint32_t dst = to ? number_of(s, (uint64_t)(to - h->arena)) : UINT32_MAX;
        if (dst == UINT32_MAX)
            continue;
        ok = EXPECT(e < s->edge_start[i + 1] && s->edge_off[e] == slots[k] &&
                    s->edge_dst[e] == dst) &&
             EXPECT(s->edge_dst_off[e] == (uint64_t)(to - h->arena) - s->address[dst]);
        e++;
    }
    return ok & EXPECT(e == s->edge_start[i + 1]);
}

static bool is_queued(const gcsim_snapshot *s, uint64_t object)
{
    for (uint64_t r = 0; r < s->roots; r++)
        if (s->root[r].kind == GCSIM_KEPT_BY_QUEUED && s->root[r].dst == object)
            return true;
    return false;
}

// The objects are those listed, and those that a finalizer keeps although no mark does: how many of these, or -1 if something is wrong.
static int revived(mut *m)
{
    gcsim_snapshot s;
    static gcsim_object all[1 << 14];
    uint64_t cursor = 0, at = 0;
    int extra = 0;
    if (!EXPECT(API->snapshot(m, &s) == GCSIM_OK))
        return -1;
    uint64_t n = API->objects(m, &cursor, all, 1 << 14);
    bool ok = check_breakdown(m, &s) &&
              EXPECT(s.edge_start[0] == 0 && s.edge_start[s.objects] == s.edges);
    for (uint64_t i = 0; i < s.objects && ok; i++) {
        if (at == n || (uint64_t)(all[at].base - H(m->heap)->arena) != s.address[i]) {
            ok = EXPECT(is_queued(&s, i));
            extra++;
            continue;
        }
        const gcsim_object *o = &all[at++];
        ok = EXPECT(s.slot_bytes[i] == o->slot_bytes && s.noscan[i] == o->noscan) &&
             EXPECT(s.type[i] == (o->type ? o->type->id : UINT32_MAX)) && check_edges(m, &s, i, o);
    }
    ok = ok && EXPECT(at == n);
    API->snapshot_free(&s);
    return ok && EXPECT(!s.address) ? extra : -1;
}

static bool check_snapshot(mut *m) { return revived(m) == 0; }

// --- a heap with everything in it --------------------------------------------------------------------------------

struct things {
    const gcsim_type *types[7];
    gcsim_handle *list; // of all that is kept
    uint64_t seed;
};

static struct things make_things(struct scene *s)
{
    struct things t = {.seed = 1};
    t.types[0] = s->node;
    t.types[1] = s->wide;
    t.types[2] = make_bytes(s->heap, "tiny", 5);
    t.types[3] = make_bytes(s->heap, "bytes", 300);
    t.types[4] = make_type(s->heap, "pair", 2, 3);
    t.types[5] = make_type(s->heap, "large", 5000, 0x8000000000000001);
    t.types[6] = make_type(s->heap, "one", 1, 1);
    t.list = API->handle_new(s->m, NULL);
    return t;
}

// Half of what is made is kept: in a list, whose elements refer to what came before, to its inside too.
static void make_some(struct scene *s, struct things *t, int n)
{
    for (int i = 0; i < n; i++) {
        uint64_t which = below(&t->seed, 40);
        const gcsim_type *type = t->types[which < 7 ? which : which % 4];
        char *made = gcsim_new(s->m, type);
        INVARIANT(made);
        if (type->ptr_bytes == 0) {
            if (t->list->ptr)
                gcsim_store(s->m, field(t->list->ptr, 0), made + below(&t->seed, type->bytes));
            continue;
        }
        if (type->bytes >= 16)
            gcsim_store(s->m, field(made, type == t->types[4]), t->list->ptr);
        if (below(&t->seed, 2))
            gcsim_store(s->m, &t->list->ptr, made);
    }
}

static void ignore(mut *m, void *object, void *arg)
{
    (void)m;
    (void)object;
    (void)arg;
}

static void everywhere(void)
{
    for (uint32_t green = 0; green < 2; green++) {
        gcsim_options options = {.no_green_tea = green};
        struct scene s = open_scene(options);
        struct things t = make_things(&s);
        bool ok = check_snapshot(s.m);
        for (int round = 0; round < 6 && ok; round++) {
            make_some(&s, &t, 300);
            gcsim_store(s.m, frame(&s), t.list->ptr); // frames have no barrier, but want none
            ok &= check_snapshot(s.m);
            begin(&s);
            ok &= check_snapshot(s.m); // barrier on, objects are handed out black
            make_some(&s, &t, 100);
            mark_on(&s);
            ok &= check_snapshot(s.m);
            API->finalizer_set(s.m, gcsim_new(s.m, s.node), ignore, NULL);
            end_marking(&s);
            ok &= revived(s.m) >= 0; // nothing is swept but what was cached
            make_some(&s, &t, 30);
            ok &= revived(s.m) >= 0; // something is
            API->sweep_all(s.m);
            ok &= check_snapshot(s.m);
        }
        check(ok, "snapshots at all moments%s", green ? ", without inline marks" : "");
        close_heap(s.m);
    }
}

static const gcsim_snapshot_root *root_of(const gcsim_snapshot *s, uint32_t kind)
{
    for (uint64_t r = 0; r < s->roots; r++)
        if (s->root[r].kind == kind)
            return &s->root[r];
    return NULL;
}

static void roots(void)
{
    struct scene s = open_scene((gcsim_options){0});
    uint32_t name;
    gcsim_snapshot snap;
    INVARIANT(API->name_intern(s.heap, "cache", &name) == GCSIM_OK);
    gcsim_global *global = API->global_new(s.m, name);
    gcsim_store(s.m, &global->words[0], (char *)gcsim_new(s.m, s.node) + 16);
    frame(&s)[3] = gcsim_new(s.m, s.wide);
    char *finalized = gcsim_new(s.m, s.node);
    uint64_t id = API->finalizer_set(s.m, finalized, ignore, &s);
    gcsim_store(s.m, field(finalized, 2), gcsim_new(s.m, s.node));
    gcsim_build build = {.count = 3, .types = &s.node, .ntypes = 1};
    gcsim_batch *batch = API->build(s.m, &build);
    if (!check(batch && API->snapshot(s.m, &snap) == GCSIM_OK, "a snapshot of roots"))
        return;
    const gcsim_snapshot_root *r = root_of(&snap, GCSIM_KEPT_BY_GLOBAL);
    check(r && r->name == name && r->dst_off == 16, "a global by its name, into the inside");
    r = root_of(&snap, GCSIM_KEPT_BY_FRAME);
    check(r && r->offset == 24 && r->type == s.node->id && r->goroutine == 0 && r->frame == 0 &&
              snap.goroutines == 1 && snap.goroutine[0].id == 1 && snap.goroutine[0].frames == 1,
          "a slot of a frame");
    check(r && snap.slot_bytes[r->dst] == s.wide->slot_bytes && snap.type[r->dst] == s.wide->id,
          "... and the type of what it leads to");
    r = root_of(&snap, GCSIM_KEPT_BY_FINALIZER);
    check(r && snap.specials == 1 && snap.special[0].kind == GCSIM_FINALIZER &&
              snap.special[0].object == r->object && snap.special[0].id == id &&
              snap.special[0].arg == &s && r->offset == 16 &&
              snap.address[r->object] == arena_offset(s.h, finalized),
          "what a finalizer needs, but not its object");
    r = root_of(&snap, GCSIM_KEPT_BY_BATCH);
    check(r && r[0].offset == 0 && r[1].offset == 1 && r[2].offset == 2, "a batch being built");
    check(snap.root[snap.roots - 1].kind == GCSIM_KEPT_BY_HANDLE, "handles come last");
    check(snap.stop_ns >= snap.copy_ns && (GCSIM_STEPS || snap.copy_ns > 0),
          "the stop was measured");
    API->snapshot_free(&snap);

    batch->strong = 0;
    begin(&s);
    end_marking(&s);
    check(revived(s.m) == 1, "a finalizer's object is there until it has run");
    check(API->snapshot(s.m, &snap) == GCSIM_OK && root_of(&snap, GCSIM_KEPT_BY_QUEUED),
          "... as a root");
    check(snap.where.unswept > 0, "what was found dead waits to be swept");
    API->snapshot_free(&snap);
    API->sweep_all(s.m);
    check(API->snapshot(s.m, &snap) == GCSIM_OK && root_of(&snap, GCSIM_KEPT_BY_QUEUED) &&
              snap.where.unswept == 0 && snap.where.dead == 0,
          "... and when it is queued");
    API->snapshot_free(&snap);
    close_heap(s.m);
}

// --- failures ----------------------------------------------------------------------------------------------------

static int interrupt(void *arg) { return *(int *)arg; }

static void failing(void)
{
    int stop = 0;
    struct scene s = open_scene((gcsim_options){.poll = interrupt, .poll_arg = &stop});
    struct things t = make_things(&s);
    make_some(&s, &t, 2000);
    frame(&s)[0] = t.list->ptr;
    bool ok = true;
    uint64_t n = 0;
    for (bool reached = true; reached && ok; n++) {
        gcsim_snapshot snap;
        os_fail_after(n + 1);
        gcsim_status status = API->snapshot(s.m, &snap);
        reached = os_fail_after(0) == 0;
        ok = EXPECT(status == (reached ? GCSIM_NO_MEMORY : GCSIM_OK)) &&
             EXPECT(status == GCSIM_OK || (!snap.address && !snap.objects));
        API->snapshot_free(&snap);
    }
    check(ok && n > 20, "each of %d allocations fails once", (int)n - 1);
    stop = 1;
    gcsim_snapshot snap;
    check(API->snapshot(s.m, &snap) == GCSIM_INTERRUPTED && !snap.address, "interrupted");
    stop = 0;
    check(check_snapshot(s.m) && verifies(s.m), "the heap can be read again");
    close_heap(s.m);
}

// --- samples -----------------------------------------------------------------------------------------------------

// The heap profile marks objects as finalizers do; these are nobody's finalizers.
static void samples(void)
{
    gcsim_options options = small_heap;
    options.mem_profile_rate = 1;
    mut *m = open_heap(options);
    const gcsim_type *pair = make_type(m->heap, "pair", 2, 3);
    for (int i = 0; i < 100; i++)
        API->handle_new(m, gcsim_new(m, pair));
    gcsim_snapshot snap;
    INVARIANT(API->snapshot(m, &snap) == GCSIM_OK);
    check(snap.objects == 100 && snap.specials == 0, "samples of the heap profile are no cleanups");
    API->snapshot_free(&snap);
    close_heap(m);
}

// --- while it changes --------------------------------------------------------------------------------------------

#if !GCSIM_STEPS
enum { CHANGERS = 2, SNAPSHOTS = 60, PAIRS = 64 };

struct changer {
    gcsim_heap *heap;
    const gcsim_type *pair;
    uint32_t *stop;
    uint64_t seed, changes;
    pthread_t thread;
};

// Both pointers of a pair lead to the same object whenever the thread can be stopped.
static void *change(void *arg)
{
    struct changer *c = arg;
    gcsim_status status;
    mut *m = API->mutator_attach(c->heap, &status);
    gcsim_handle *pairs[PAIRS];
    INVARIANT(m);
    gcsim_enter(m);
    for (int i = 0; i < PAIRS; i++)
        pairs[i] = API->handle_new(m, gcsim_new(m, c->pair));
    for (; !GCSIM_LOAD(c->stop); GCSIM_STORE(&c->changes, c->changes + 1)) {
        void *made = gcsim_new(m, c->pair);
        void **to = pairs[below(&c->seed, PAIRS)]->ptr;
        if (below(&c->seed, 4) == 0)
            made = pairs[below(&c->seed, PAIRS)]->ptr;
        gcsim_store(m, to, made);
        gcsim_store(m, to + 1, made);
        API->safepoint(m);
    }
    gcsim_leave(m);
    API->mutator_detach(m);
    return NULL;
}

static bool pairs_agree(const gcsim_snapshot *s)
{
    for (uint64_t i = 0; i < s->objects; i++) {
        uint64_t e = s->edge_start[i], n = s->edge_start[i + 1] - e;
        if (n != 0 && (n != 2 || s->edge_dst[e] != s->edge_dst[e + 1]))
            return false;
    }
    return true;
}

static void while_it_changes(void)
{
    gcsim_options options = small_heap;
    options.gc_percent = 50;
    mut *m = open_heap(options);
    uint32_t stop = 0;
    struct changer all[CHANGERS];
    const gcsim_type *pair = make_type(m->heap, "pair", 2, 3);
    for (int i = 0; i < CHANGERS; i++) {
        all[i] = (struct changer){m->heap, pair, &stop, (uint64_t)i, 0, 0};
        INVARIANT(!pthread_create(&all[i].thread, NULL, change, &all[i]));
    }
    for (int i = 0; i < CHANGERS; i++)
        while (!GCSIM_LOAD(&all[i].changes)) { // it has not begun
            API->safepoint(m);
            sched_yield();
        }
    bool ok = true;
    for (int n = 0; n < SNAPSHOTS && ok; n++) {
        gcsim_snapshot s;
        ok = EXPECT(API->snapshot(m, &s) == GCSIM_OK) && EXPECT(pairs_agree(&s)) &&
             EXPECT(sum_of_parts(&s.where) == s.where.sys);
        API->snapshot_free(&s);
    }
    GCSIM_STORE(&stop, 1u);
    uint64_t changes = 0;
    gcsim_leave(m);
    for (int i = 0; i < CHANGERS; i++) {
        pthread_join(all[i].thread, NULL);
        changes += all[i].changes;
    }
    gcsim_enter(m);
    check(ok && changes > 0, "%d snapshots while threads change the heap", SNAPSHOTS);
    check(verifies(m), "and it verifies");
    close_heap(m);
}
#endif

int main(void)
{
    everywhere();
    roots();
    failing();
    samples();
#if !GCSIM_STEPS
    while_it_changes();
#endif
    return finish();
}
