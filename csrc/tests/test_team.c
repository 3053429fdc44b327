// instantiations: fast
// whole core
//
// Marking with the world stopped: all processors take part, and find, mark and count what one does alone.
#include "harness.h"

#include <unistd.h>

enum { COUNT = GCSIM_DEBUG ? 80000 : 300000 }; // debug builds verify each cycle

// --- what the poll callback sees, on the thread that stopped the world
static struct {
    gcsim_heap *heap;
    bool others; // took part
    uint64_t polls, stop_at;
    bool elsewhere; // it was called on another thread
    pthread_t thread;
} seen;

// Others take part: they mark now, or have marked.
static bool others_mark(const struct gc *gc)
{
    return GCSIM_LOAD(&gc->team.busy) > 1 || GCSIM_LOAD(&gc->mark_ns[MARK_DEDICATED]);
}

// With the machine loaded, one thread could have marked all before another runs at all. So: wait until one is there, and when something lies
// ready for it, until it has that.
static int poll(void *arg)
{
    (void)arg;
    struct gc *gc = &seen.heap->gc;
    for (int i = 0; i < 20000 && GCSIM_LOAD(&gc->team.open) && !others_mark(gc) &&
                    (!GCSIM_LOAD(&gc->work.hungry) || work_is_shared(H(seen.heap)));
         i++)
        usleep(1000);
    seen.others |= others_mark(gc);
    seen.elsewhere |= !pthread_equal(pthread_self(), seen.thread);
    return ++seen.polls == seen.stop_at;
}

static mut *open_stopped(uint32_t procs, uint32_t engine)
{
    gcsim_options options = small_heap;
    options.stop_the_world = 1;
    options.procs = procs;
    options.mark_engine = engine + 1;
    options.poll = poll;
    mut *m = open_heap(options);
    seen.heap = m->heap;
    seen.thread = pthread_self();
    seen.others = false;
    seen.polls = seen.stop_at = 0;
    return m;
}

// Nodes with two links each to any of them, reached from the first one.
static gcsim_handle *random_graph(mut *m)
{
    uint64_t random = 1;
    const gcsim_type *node = make_type(m->heap, "node", 2, 3),
                     *pointer = make_type(m->heap, "pointer", 1, 1);
    gcsim_handle *root = API->handle_new(m, API->new_array(m, pointer, COUNT));
    void **all = root->ptr;
    for (uint32_t i = 0; i < COUNT; i++)
        gcsim_store(m, &all[i], gcsim_new(m, node));
    for (uint32_t i = 0; i < 2 * COUNT; i++)
        gcsim_store(m, (void **)all[i / 2] + i % 2, all[below(&random, COUNT)]);
    gcsim_store(m, &root->ptr, all[0]);
    return root;
}

// Nothing that could be shared: one object is grey at a time.
static gcsim_handle *list(mut *m)
{
    const gcsim_type *node = make_type(m->heap, "node", 2, 3);
    gcsim_handle *root = API->handle_new(m, NULL);
    for (uint32_t i = 0; i < COUNT; i++) {
        void *p = gcsim_new(m, node);
        gcsim_store(m, p, root->ptr);
        gcsim_store(m, &root->ptr, p);
    }
    return root;
}

static gcsim_cycle collect(mut *m)
{
    gcsim_cycle c = {0};
    check(API->collect(m) == GCSIM_OK && API->cycle_info(m->heap, 0, &c) == GCSIM_OK, "a cycle");
    return c;
}

static void counts(gcsim_handle *(*build)(mut *m), const char *what, uint32_t engine)
{
    gcsim_cycle first[2], second[2];
    gcsim_memstats stats[2];
    uint32_t procs[] = {1, 4};
    bool others = false;
    for (int i = 0; i < 2; i++) {
        mut *m = open_stopped(procs[i], engine);
        build(m);
        first[i] = collect(m);
        // Or after the last poll: what they took is beside the time of who stopped the world.
        others = seen.others || first[i].dedicated_ns > first[i].mark_ns;
        second[i] = collect(m);
        API->memstats(m, &stats[i]);
        check(m->heap->gc.workers.started == procs[i] - 1,
              "%u processors: with who stops the world, as many mark", procs[i]);
        check(verifies(m) && marks_verify(m), "%s, %u processors: the heap verifies", what,
              procs[i]);
        check(!seen.elsewhere, "the poll callback is called where the collection was");
        close_heap(m);
    }
    check(others || build == list, "%s: others marked too", what);
    bool same = stats[0].heap_alloc == stats[1].heap_alloc && stats[0].frees == stats[1].frees &&
                stats[0].heap_objects == stats[1].heap_objects;
    const gcsim_cycle *pairs[] = {first, second};
    for (int i = 0; i < 2; i++) {
        const gcsim_cycle *c = pairs[i];
        same &= c[0].objects_marked == c[1].objects_marked &&
                c[0].heap_marked == c[1].heap_marked && c[0].scan_work == c[1].scan_work &&
                c[0].pointers == c[1].pointers && c[0].roots == c[1].roots &&
                c[0].freed_objects == c[1].freed_objects && c[1].rescans == 0;
    }
    check(same, "%s, engine %u: 1 and 4 processors count the same", what, engine);
}

// At any look, while others mark: all stop, and the cycle has not been.
static void interrupted(void)
{
    mut *m = open_stopped(4, GCSIM_MARK_OBJECT);
    random_graph(m);
    uint64_t marked = collect(m).objects_marked, all = seen.polls, alive = count_objects(m);
    for (uint64_t at = 1; at <= all + 1; at++) {
        seen.polls = 0;
        seen.stop_at = at;
        gcsim_status status = API->collect(m);
        if (status == GCSIM_OK)
            break;
        check(status == GCSIM_INTERRUPTED && m->heap->gc.team.busy == 0 && !m->heap->gc.team.open,
              "interrupted at poll %" PRIu64 ": nobody marks any more", at);
    }
    seen.stop_at = 0;
    check(verifies(m) && count_objects(m) == alive, "nothing is freed and the heap verifies");
    check(collect(m).objects_marked == marked, "and the next one marks all");
    close_heap(m);
}

// Where it must not be the end, all go on with what everybody had.
static void goes_on(void)
{
    mut *m = open_stopped(4, GCSIM_MARK_OBJECT);
    random_graph(m);
    uint64_t marked = collect(m).objects_marked, interruptions = 0, from;
    from = cycle_stop_quiet(mutator_of(m));
    cycle_open(mutator_of(m), GCSIM_TRIGGER_FORCED, from, true);
    pace_transition_done(H(m->heap));
    for (seen.polls = 0, seen.stop_at = 1; team_mark(mutator_of(m)) == DRAIN_ABANDONED;
         seen.stop_at = seen.polls + 1)
        interruptions++;
    cycle_end(mutator_of(m), from);
    gcsim_cycle c;
    API->cycle_info(m->heap, 0, &c);
    check(c.objects_marked == marked && verifies(m),
          "interrupted %" PRIu64 " times, and all is marked in the end", interruptions);
    close_heap(m);
}

// A member that is interrupted leaves behind what it holds.
static void hands_over(void)
{
    mut *m = open_stopped(4, GCSIM_MARK_OBJECT);
    gcsim_heap *heap = m->heap;
    struct team *t = &heap->gc.team;
    gcsim_status status;
    random_graph(m);
    struct mutator *first = mutator_of(m), *member = mutator_of(API->mutator_attach(heap, &status));
    member->worker = true;
    cycle_open(first, GCSIM_TRIGGER_FORCED, cycle_stop_quiet(first), true);
    pace_transition_done(H(heap));
    struct drain drain = {.work = 1 << 16, .stopped = true};
    mark_drain(first, &drain);
    work_hand_over(H(heap), &first->work);
    open_team(H(heap));
    interrupt(H(heap));
    mark_turn(member);
    check(t->busy == 0 && !t->open && !member->work.current && !member->work.spare &&
              work_is_shared(H(heap)),
          "who is interrupted holds nothing any more");
    cycle_undo(H(heap));
    world_start(first);
    member->worker = false;
    API->mutator_detach(&member->pub);
    check(verifies(m), "the heap verifies");
    close_heap(m);
}

// What does not fit into the buffers of anybody is found by the pass over the heap, in which all take part again.
static void overflow(void)
{
    mut *m = open_stopped(4, GCSIM_MARK_OBJECT);
    random_graph(m);
    uint64_t marked = collect(m).objects_marked;
    H(m->heap)->arena_pages = H(m->heap)->grown_pages; // no more memory
    const gcsim_type *page = make_bytes(m->heap, "page", PAGE_BYTES);
    while (gcsim_new(m, page))
        ;
    gcsim_status status = API->collect(m);
    gcsim_cycle c;
    API->cycle_info(m->heap, 0, &c);
    check(status == GCSIM_OK && c.objects_marked == marked && c.rescans > 0,
          "without a work buffer the same is marked, in %" PRIu64 " passes", (uint64_t)c.rescans);
    check(verifies(m), "the heap verifies");
    close_heap(m);
}

// A small heap is left to one thread, which needs no other and no atomic claim.
static void small(void)
{
    mut *m = open_stopped(4, GCSIM_MARK_OBJECT);
    const gcsim_type *node = make_type(m->heap, "node", 2, 3);
    API->handle_new(m, gcsim_new(m, node));
    check(collect(m).objects_marked == 1 && m->heap->gc.workers.started == 0,
          "for a small heap no thread is started");
    close_heap(m);
}

int main(void)
{
    for (uint32_t engine = 0; engine < GCSIM_MARK_ENGINES; engine++) {
        counts(random_graph, "a random graph", engine);
        counts(list, "a list", engine);
    }
    interrupted();
    goes_on();
    hands_over();
    overflow();
    small();
    return finish();
}
