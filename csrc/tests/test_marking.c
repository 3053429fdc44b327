// instantiations: fast step
// whole core
//
// What a mutator does while marking is on never loses an object. Each case begins a cycle, lets marking come as far as it wants, changes the
// graph as the most spiteful program would, and ends the cycle; checkmark and verify are on. No thread of the collector's own runs here.
#include "scene.h"

// A fresh node, whose second word says which.
static void *fresh(struct scene *s)
{
    void *p = gcsim_new(s->m, s->node);
    INVARIANT(p);
    return p;
}

static void lives(struct scene *s, void *p, const char *what)
{
    gcsim_object o;
    check(API->find_object(s->heap, p, &o) == GCSIM_OK && verifies(s->m), "%s", what);
}

static uint64_t count_events(struct scene *s, const char *name)
{
    static gcsim_event events[1 << 16];
    uint64_t n = API->events(s->heap, events, 1 << 16), count = 0;
    for (uint64_t i = 0; i < n; i++)
        count += strcmp(API->event_name(events[i].kind), name) == 0;
    return count;
}

// --- stores ------------------------------------------------------------------------------------------------------

// From an object that is still white into a black frame, and out of the object.
static void store_old(struct scene *s)
{
    void *p = fresh(s);
    gcsim_store(s->m, field(s->root->ptr, 0), p);
    begin(s);
    frame(s)[0] = *field(s->root->ptr, 0);
    gcsim_store(s->m, field(s->root->ptr, 0), NULL);
    end(s);
    lives(s, p, "store: what was overwritten");
}

// An object that only a weak batch knew, into a black object.
static void *from_weak_batch(struct scene *s, gcsim_batch **batch)
{
    gcsim_build build = {.count = 4, .types = &s->node, .ntypes = 1};
    *batch = API->build(s->m, &build);
    (*batch)->strong = 0;
    begin(s);
    mark_on(s);
    void *p = (*batch)->objects[2]; // behind the batch's back, which would shade it
    INVARIANT(has_mark(s, s->root->ptr) && !has_mark(s, p));
    return p;
}

static void batch_into_frame(struct scene *s)
{
    gcsim_batch *batch;
    void *p = from_weak_batch(s, &batch);
    frame(s)[1] = gcsim_batch_at(s->m, batch, 2); // a black frame, which has no barrier
    end(s);
    lives(s, p, "batch: what was read from a weak batch");
    API->batch_drop(s->m, batch);
}

static void store_new(struct scene *s)
{
    gcsim_batch *batch;
    void *p = from_weak_batch(s, &batch);
    gcsim_store(s->m, field(s->root->ptr, 1), p);
    end(s);
    lives(s, p, "store: what was stored into a black object");
    check(gcsim_batch_at(s->m, batch, 2) == p && !gcsim_batch_at(s->m, batch, 1),
          "a weak batch knows what died");
    API->batch_drop(s->m, batch);
}

static void copy_old(struct scene *s)
{
    void *p = fresh(s);
    gcsim_store(s->m, field(s->root->ptr, 5), p);
    frame(s)[1] = fresh(s);
    begin(s);
    frame(s)[0] = *field(s->root->ptr, 5);
    API->copy(s->m, s->node, s->root->ptr, frame(s)[1], 1);
    end(s);
    lives(s, p, "copy: what was overwritten");
}

static void copy_new(struct scene *s)
{
    gcsim_batch *batch;
    void *p = from_weak_batch(s, &batch), *block[8] = {[6] = p};
    API->copy(s->m, s->node, s->root->ptr, block, 1);
    end(s);
    lives(s, p, "copy: what was copied into a black object");
    API->batch_drop(s->m, batch);
}

static void clear_old(struct scene *s)
{
    void *p = fresh(s);
    gcsim_store(s->m, field(s->root->ptr, 7), p);
    begin(s);
    frame(s)[0] = *field(s->root->ptr, 7);
    API->clear(s->m, s->node, s->root->ptr, 1);
    end(s);
    lives(s, p, "clear: what was cleared");
}

// In the middle of a large object, far from any piece that has been scanned.
static void large_object(struct scene *s)
{
    gcsim_handle *table = API->handle_new(s->m, API->new_array(s->m, s->node, 10000)); // 640 KB
    void *p = fresh(s), *last = fresh(s);
    gcsim_store(s->m, field(table->ptr, 55555), p);
    gcsim_store(s->m, field(table->ptr, 79999), last);
    begin(s);
    frame(s)[0] = *field(table->ptr, 55555);
    API->clear(s->m, s->node, field(table->ptr, 55552), 1);
    end(s);
    lives(s, p, "a large object: what was cleared in the middle");
    lives(s, last, "a large object: what its last word leads to");
    API->handle_drop(s->heap, table);
}

// --- roots -------------------------------------------------------------------------------------------------------

static void handle_made(struct scene *s)
{
    gcsim_batch *batch;
    void *p = from_weak_batch(s, &batch);
    gcsim_handle *handle = API->handle_new(s->m, p);
    end(s);
    lives(s, p, "a handle made after its chunk was scanned");
    API->handle_drop(s->heap, handle);
    API->batch_drop(s->m, batch);
}

static void handle_dropped(struct scene *s)
{
    void *p = fresh(s);
    gcsim_handle *handle = API->handle_new(s->m, p);
    begin(s);
    frame(s)[0] = handle->ptr;
    API->handle_drop(s->heap, handle);
    handles_take_dropped(mutator_of(s->m));
    check(handle->ptr == NULL, "a dropped handle that was taken is no root");
    end(s);
    lives(s, p, "what a dropped handle held");
}

static void handle_of_leaver(struct scene *s)
{
    gcsim_status status;
    void *p = fresh(s), *behind = fresh(s);
    gcsim_store(s->m, field(p, 4), behind);
    gcsim_handle *handle = API->handle_new(s->m, p);
    begin(s);
    mut *b = API->mutator_attach(s->heap, &status);
    frame(s)[0] = handle->ptr;
    gcsim_leave(s->m);
    gcsim_enter(b);
    gcsim_store(b, &handle->ptr, NULL); // noted by b, which goes
    gcsim_leave(b);
    API->mutator_detach(b);
    gcsim_enter(s->m);
    end(s);
    lives(s, p, "what a mutator noted before it was detached");
    lives(s, behind, "and what that leads to");
    API->handle_drop(s->heap, handle);
}

static void global_set(struct scene *s)
{
    void *p = fresh(s);
    gcsim_global *global = API->global_new(s->m, 0);
    gcsim_store(s->m, &global->words[0], p);
    begin(s);
    frame(s)[0] = global->words[0];
    gcsim_store(s->m, &global->words[0], NULL);
    end(s);
    lives(s, p, "what a global held before it was set");
    API->global_drop(s->m, global);
}

static void global_dropped(struct scene *s)
{
    void *p = fresh(s);
    gcsim_global *global = API->global_new(s->m, 0);
    gcsim_store(s->m, &global->words[0], p);
    begin(s);
    frame(s)[0] = global->words[0];
    API->global_drop(s->m, global);
    end(s);
    lives(s, p, "what a dropped global held");
}

static void weak_read_while_marking(struct scene *s)
{
    void *p = fresh(s), *held = fresh(s);
    gcsim_store(s->m, field(p, 3), held);
    gcsim_weak *weak = API->weak_new(s->m, p);
    begin(s);
    mark_on(s);
    INVARIANT(!has_mark(s, p));
    frame(s)[0] = API->weak_get(s->m, weak);
    end(s);
    lives(s, p, "what a weak reference gave");
    lives(s, held, "and what it leads to");
    check(API->weak_get(s->m, weak) == p, "and the weak reference still does");
    API->weak_drop(s->m, weak);
}

static void every_root_kind(struct scene *s)
{
    void *p[5];
    for (int i = 0; i < 5; i++)
        p[i] = fresh(s);
    gcsim_handle *handle = API->handle_new(s->m, p[0]);
    gcsim_global *global = API->global_new(s->m, 0);
    gcsim_store(s->m, &global->words[0], p[1]);
    frame(s)[7] = p[2];
    API->frame_push(s->m, s->g, s->node, 0);
    frame(s)[3] = p[3];
    gcsim_build build = {.count = 9, .types = &s->node, .ntypes = 1};
    gcsim_batch *batch = API->build(s->m, &build);
    void *in_batch = batch->objects[8];
    char *tiny = gcsim_new(s->m, make_bytes(s->heap, "tiny", 3));
    begin(s);
    end(s);
    lives(s, p[0], "a handle keeps");
    lives(s, p[1], "a global keeps");
    lives(s, p[2], "an outer frame keeps");
    lives(s, p[3], "the innermost frame keeps");
    lives(s, in_batch, "a strong batch keeps");
    check(!is_object(s->heap, p[4]), "nothing keeps");
    (void)tiny;
    API->frame_pop(s->m, s->g);
    API->batch_drop(s->m, batch);
    API->global_drop(s->m, global);
    API->handle_drop(s->heap, handle);
}

// The tiny block that allocation still fills is kept: its next object must not lie in freed memory.
static void tiny_block(struct scene *s)
{
    const gcsim_type *tiny = make_bytes(s->heap, "three", 3);
    char *first = gcsim_new(s->m, tiny);
    begin(s);
    char *second = gcsim_new(s->m, tiny);
    frame(s)[0] = second;
    end(s);
    check((((uintptr_t)first ^ (uintptr_t)second) & ~15ull) == 0, "two tiny objects in one block");
    lives(s, second, "a tiny object in a block from before marking");
}

// --- black allocation --------------------------------------------------------------------------------------------

static void black_allocation(struct scene *s)
{
    const gcsim_type *bytes = make_bytes(s->heap, "bytes", 100),
                     *tiny = make_bytes(s->heap, "t", 9);
    fresh(s); // so that a window is loaded already
    begin(s);
    mark_on(s);
    void **slots = frame(s);
    slots[0] = fresh(s); // of that window
    check(has_mark(s, slots[0]), "an object of a window from before marking is black");
    void *first = gcsim_new(s->m, bytes); // of a new one
    slots[1] = first;
    slots[2] = gcsim_new(s->m, s->wide);
    slots[3] = API->new_array(s->m, s->node, 1000); // large
    slots[4] = API->new_array(s->m, bytes, 1000);
    slots[5] = gcsim_new(s->m, tiny);
    for (int i = 0; i < 6; i++)
        check(has_mark(s, slots[i]), "allocated black, %d", i);
    void *p[6];
    memcpy(p, slots, sizeof p);
    end(s);
    for (int i = 0; i < 6; i++)
        lives(s, p[i], "an object made while marking");
    gcsim_cycle c;
    API->cycle_info(s->heap, 0, &c);
    check(c.objects_marked < 60, "the unused slots of its windows do not stay marked: %" PRIu64,
          c.objects_marked);
}

// Objects of many windows and spans, some of them garbage at once, linked behind the marker's back.
static void allocate_much(struct scene *s)
{
    begin(s);
    mark_on(s);
    void *list = NULL;
    for (int i = 0; i < 20000; i++) {
        void *p = gcsim_new(s->m, i % 7 ? s->node : s->wide);
        INVARIANT(p);
        if (i % 3 == 0) {
            gcsim_store(s->m, field(p, 2), list);
            frame(s)[0] = list = p;
        }
    }
    end(s);
    uint64_t n = 0;
    for (void *p = frame(s)[0]; p; p = *field(p, 2))
        n += is_object(s->heap, p);
    check(n == (20000 + 2) / 3 && verifies(s->m), "a list made while marking: %" PRIu64, n);
}

// --- hand-over ---------------------------------------------------------------------------------------------------

// A mutator that is outside has noted a pointer and has grey objects: one stop is enough to find that out.
static void one_stop_is_enough(struct scene *s)
{
    gcsim_status status;
    void *p = fresh(s), *behind = fresh(s);
    gcsim_store(s->m, field(p, 1), behind);
    gcsim_store(s->m, field(s->root->ptr, 0), p);
    mut *b = API->mutator_attach(s->heap, &status);
    begin(s);
    uint64_t stops = count_events(s, "world stop");
    gcsim_leave(s->m);
    gcsim_enter(b);
    frame(s)[0] = p;
    gcsim_store(b, field(s->root->ptr, 0), NULL);
    gcsim_leave(b);
    gcsim_enter(s->m);
    end(s);
    stops = count_events(s, "world stop") - stops;
    check(stops == 1, "marking ended at the first stop: %" PRIu64, stops);
    lives(s, p, "what a mutator that is outside noted");
    lives(s, behind, "and what that leads to");
    API->mutator_detach(b);
}

// A detached mutator's grey objects go to the others.
static void grey_objects_of_leaver(struct scene *s)
{
    gcsim_status status;
    void *p = fresh(s), *behind = fresh(s);
    gcsim_weak *weak = API->weak_new(s->m, p);
    gcsim_store(s->m, field(p, 6), behind);
    mut *b = API->mutator_attach(s->heap, &status);
    begin(s);
    mark_on(s);
    gcsim_leave(s->m);
    gcsim_enter(b);
    frame(s)[0] = API->weak_get(b, weak); // grey, in b's buffer
    gcsim_leave(b);
    API->mutator_detach(b);
    gcsim_enter(s->m);
    end(s);
    lives(s, behind, "what is behind a grey object of a mutator that was detached");
    API->weak_drop(s->m, weak);
}

// A mutator that comes in the middle has the barrier on and allocates black.
static void newcomer(struct scene *s)
{
    gcsim_status status;
    void *p = fresh(s);
    gcsim_store(s->m, field(s->root->ptr, 0), p);
    begin(s);
    mut *b = API->mutator_attach(s->heap, &status);
    gcsim_leave(s->m);
    gcsim_enter(b);
    frame(s)[0] = *field(s->root->ptr, 0);
    gcsim_store(b, field(s->root->ptr, 0), NULL);
    void *made = frame(s)[1] = gcsim_new(b, s->node);
    gcsim_leave(b);
    gcsim_enter(s->m);
    end(s);
    lives(s, p, "what a mutator overwrote that came while marking was on");
    lives(s, made, "and what it made");
    API->mutator_detach(b);
}

// Marking does not end while there is something grey anywhere.
static void no_early_end(struct scene *s)
{
    void *p = fresh(s), *behind = fresh(s);
    gcsim_store(s->m, field(s->root->ptr, 0), p);
    gcsim_store(s->m, field(p, 0), behind);
    begin(s);
    s->heap->gc.draining--;
    cycle_mark_done(mutator_of(s->m));
    check(s->heap->gc.phase == GC_MARK, "marking does not end while root jobs are left");
    struct marker k = marker_of(mutator_of(s->m), NULL);
    while (roots_next(mutator_of(s->m), visit_now, &k))
        ;
    cycle_mark_done(mutator_of(s->m));
    check(s->heap->gc.phase == GC_MARK, "nor while objects are grey");
    s->heap->gc.draining++;
    mark_on(s);
    cycle_mark_done(mutator_of(s->m));
    check(s->heap->gc.phase == GC_MARK, "nor while somebody drains");
    end(s);
    lives(s, behind, "the last object of a chain");
}

// --- sweeping ----------------------------------------------------------------------------------------------------

// Half of the objects die; what allocation finds in the spans that it sweeps on the way is zero, and nothing that lives is there.
static void reuse(struct scene *s)
{
    enum { COUNT = 2000 };
    void **table = API->new_array(s->m, make_type(s->heap, "pointer", 1, 1), COUNT);
    gcsim_handle *root = API->handle_new(s->m, table);
    gcsim_weak *weak[COUNT];
    for (int i = 0; i < COUNT; i++) {
        uint64_t *p = gcsim_new(s->m, i % 5 ? s->node : s->wide);
        weak[i] = API->weak_new(s->m, p);
        memset(p + 8, i % 5 ? 0 : 0x55, i % 5 ? 0 : 64);
        if (i % 2)
            gcsim_store(s->m, &table[i], p);
    }
    begin(s);
    end_marking(s);
    bool zero = true, apart = true, knows = true;
    for (int i = 0; i < COUNT; i++) {
        uint64_t *p = gcsim_new(s->m, i % 5 ? s->node : s->wide);
        for (int k = 0; k < (i % 5 ? 8 : 90); k++)
            zero &= p[k] == 0;
        for (int k = 1; i % 50 == 0 && k < COUNT; k += 2)
            apart &= (void *)p != table[k];
        memset(p, 0, 64);
        knows &= API->weak_get(s->m, weak[i]) == (i % 2 ? table[i] : NULL);
    }
    check(zero, "memory that is used again is zero");
    check(apart, "no new object lies where one lives");
    check(knows, "weak references know what died, swept or not");
    API->sweep_all(s->m);
    gcsim_cycle c;
    API->cycle_info(s->heap, 0, &c);
    check(c.freed_objects >= COUNT / 2 && c.weak_cleared == COUNT / 2 && verifies(s->m),
          "%" PRIu64 " objects freed, %" PRIu64 " weak references cleared", c.freed_objects,
          c.weak_cleared);
    for (int i = 0; i < COUNT; i++)
        API->weak_drop(s->m, weak[i]);
    API->handle_drop(s->heap, root);
}

// Two cycles with nothing swept between them by the program: the second sweeps what waits.
static void unswept_before_the_next(struct scene *s)
{
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 3000; i++) {
            void *p = fresh(s);
            if (i % 4 == 0) {
                gcsim_store(s->m, field(p, 0), frame(s)[0]);
                frame(s)[0] = p;
            }
        }
        begin(s);
        end_marking(s);
    }
    check(marks_verify(s->m), "marking begins with every span swept");
    uint64_t n = 0;
    for (void *p = frame(s)[0]; p; p = *field(p, 0))
        n++;
    check(n == 3000 && verifies(s->m), "a list over four cycles: %" PRIu64, n);
    API->sweep_all(s->m);
    check(verifies(s->m), "and swept");
}

static void (*const cases[])(struct scene *) = {
    store_old,
    store_new,
    batch_into_frame,
    copy_old,
    copy_new,
    clear_old,
    large_object,
    handle_made,
    handle_dropped,
    handle_of_leaver,
    global_set,
    global_dropped,
    weak_read_while_marking,
    every_root_kind,
    tiny_block,
    black_allocation,
    allocate_much,
    one_stop_is_enough,
    grey_objects_of_leaver,
    newcomer,
    no_early_end,
    reuse,
    unswept_before_the_next,
};

int main(void)
{
    static const uint32_t entries[] = {0, 2, 512};
    for (uint32_t engine = 0; engine < GCSIM_MARK_ENGINES; engine++)
        for (int e = 0; e < 3; e++)
            for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct scene s = open_scene(
                    (gcsim_options){.mark_engine = engine + 1, .shade_entries = entries[e] + 1});
                cases[i](&s);
                memset(frame(&s), 0, 64);
                API->clear(s.m, s.node, s.root->ptr, 1);
                check(API->collect(s.m) == GCSIM_OK && count_objects(s.m) <= 2 && verifies(s.m),
                      "case %zu, engine %u, %u entries: then all is collected", i, engine,
                      entries[e]);
                close_heap(s.m);
            }
    return finish();
}
