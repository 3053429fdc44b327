// instantiations: fast step
//
// The search for leaked goroutines: who is blocked on what nothing that may run reaches is found, nobody else, whatever the order in which
// the program runs and marking goes on meanwhile. Channels here are any objects: what counts is what is reachable.
#include "scene.h"

static gcsim_wait *wait_for(struct scene *s, void *a, void *b)
{
    gcsim_wait *w[2] = {NULL, NULL};
    void *objects[2] = {a, b};
    for (int i = 0; i < 2; i++)
        if (objects[i]) {
            w[i] = gcsim_new(s->m, s->node);
            gcsim_store(s->m, &w[i]->object, objects[i]);
            if (i && w[0])
                gcsim_store(s->m, &w[0]->link, w[1]);
        }
    return w[0] ? w[0] : w[1];
}

// A goroutine whose frame holds `holds` and that is blocked on a and b. Nothing is collected meanwhile.
static gcsim_goroutine *blocked(struct scene *s, void *a, void *b, void *holds)
{
    gcsim_goroutine *g = API->goroutine_new(s->m, 0);
    API->frame_push(s->m, g, s->node, 0);
    *(void **)gcsim_frame_slots(g, g->top) = holds;
    API->goroutine_park(s->m, g, b ? GCSIM_WAIT_SELECT : GCSIM_WAIT_CHAN_RECEIVE,
                        wait_for(s, a, b));
    return g;
}

static uint64_t leaked(struct scene *s)
{
    gcsim_goroutine_info all[64];
    uint64_t n = API->goroutine_list(s->m, all, 64), found = 0;
    for (uint64_t i = 0; i < n; i++)
        found += all[i].leaked;
    return found;
}

static void *new_node(struct scene *s) { return gcsim_new(s->m, s->node); }

static void only_what_nobody_reaches(gcsim_options options, const char *under)
{
    struct scene s = open_scene(options);
    void *c[8];
    for (int i = 0; i < 8; i++)
        c[i] = new_node(&s);
    gcsim_goroutine *mine = blocked(&s, c[0], NULL, c[0]);   // only its own stack
    gcsim_goroutine *held = blocked(&s, c[1], NULL, c[1]);   // a running stack
    gcsim_goroutine *second = blocked(&s, c[2], c[1], NULL); // one of two
    gcsim_goroutine *chain = blocked(&s, c[3], NULL, c[4]);  // reached by `held` ...
    gcsim_goroutine *after = blocked(&s, c[4], NULL, NULL);  // ... and by `chain`
    gcsim_goroutine *a = blocked(&s, c[5], NULL, c[6]);      // two that wait for each other
    gcsim_goroutine *b = blocked(&s, c[6], NULL, c[5]);
    gcsim_goroutine *nil = blocked(&s, NULL, NULL, c[7]);
    API->goroutine_park(s.m, nil, GCSIM_WAIT_CHAN_SEND_NIL, NULL);
    gcsim_goroutine *asleep = blocked(&s, NULL, NULL, NULL);
    API->goroutine_park(s.m, asleep, GCSIM_WAIT_SLEEP, NULL);
    frame(&s)[0] = c[1];
    ((void **)gcsim_frame_slots(held, held->top))[1] = c[3];

    check(API->find_goroutine_leaks(s.m) == GCSIM_OK, "%s: a search", under);
    check(mine->leaked && a->leaked && b->leaked && nil->leaked && leaked(&s) == 4,
          "%s: blocked on what only leaked goroutines reach: leaked (%d)", under, (int)leaked(&s));
    check(!held->leaked && !second->leaked && !chain->leaked && !after->leaked && !asleep->leaked,
          "%s: who may be woken, sooner or later, is not", under);
    bool kept = true;
    for (int i = 0; i < 8; i++)
        kept &= is_object(s.heap, c[i]);
    check(kept && verifies(s.m), "%s: what leaked goroutines hold is kept", under);

    frame(&s)[0] = NULL;
    check(API->collect(s.m) == GCSIM_OK && leaked(&s) == 4, "%s: a collection does not search",
          under);
    check(API->find_goroutine_leaks(s.m) == GCSIM_OK && leaked(&s) == 8 && held->leaked &&
              second->leaked && chain->leaked && after->leaked,
          "%s: what was reached through one stack goes with it", under);

    frame(&s)[1] = c[5];
    API->goroutine_ready(s.m, b, NULL);
    check(!b->leaked && a->leaked, "%s: who is woken is leaked no more", under);
    check(API->find_goroutine_leaks(s.m) == GCSIM_OK && !a->leaked && leaked(&s) == 6,
          "%s: a search begins anew", under);
    check(verifies(s.m) && marks_verify(s.m), "%s: the heap verifies", under);
    close_heap(s.m);
}

// While marking goes on a goroutine is woken: the object that only its stack knows moves where nobody looks any more, without a barrier.
static void woken_while_marking(void)
{
    struct scene s = open_scene((gcsim_options){0});
    void *ch = new_node(&s), *object = new_node(&s);
    gcsim_goroutine *g = blocked(&s, ch, NULL, object);
    frame(&s)[0] = ch;
    s.heap->gc.leaks.wanted = 1;
    begin(&s);
    check(!has_mark(&s, object), "the stack of who is blocked is held back");
    mark_on(&s);
    API->goroutine_ready(s.m, g, NULL);
    frame(&s)[1] = *(void **)gcsim_frame_slots(g, g->top); // to a stack that is black
    API->goroutine_end(s.m, g);
    end(&s);
    check(is_object(s.heap, object) && leaked(&s) == 0, "who is woken has its stack marked first");
    check(s.heap->gc.leaks.done == 1 && verifies(s.m), "the search came to its end");
    close_heap(s.m);
}

// Channels come within reach, goroutines are made, blocked and ended while marking goes on.
static void things_change_while_marking(void)
{
    struct scene s = open_scene((gcsim_options){0});
    void *ch = new_node(&s), *late = new_node(&s);
    gcsim_store(s.m, field(s.root->ptr, 0), ch);
    gcsim_goroutine *g = blocked(&s, ch, NULL, late), *other = blocked(&s, late, NULL, NULL);
    gcsim_goroutine *ends = blocked(&s, new_node(&s), NULL, NULL);
    s.heap->gc.leaks.wanted = 1;
    begin(&s);
    frame(&s)[0] = ch; // from a place that will be looked at to one that was
    gcsim_store(s.m, field(s.root->ptr, 0), NULL);
    API->goroutine_end(s.m, ends);
    gcsim_goroutine *young = blocked(&s, new_node(&s), NULL, NULL);
    end(&s);
    check(!g->leaked && !other->leaked, "a channel that moved meanwhile is found");
    check(!young->leaked, "who blocked meanwhile is not judged");
    check(API->find_goroutine_leaks(s.m) == GCSIM_OK && young->leaked && leaked(&s) == 1,
          "the next search judges");
    check(verifies(s.m), "the heap verifies");
    close_heap(s.m);
}

static int stop_at_once(void *arg) { return *(int *)arg; }

static void interrupted(void)
{
    int stop = 0;
    struct scene s = open_scene((gcsim_options){.poll = stop_at_once, .poll_arg = &stop});
    gcsim_goroutine *g = blocked(&s, new_node(&s), NULL, NULL);
    for (int i = 0; i < 100000; i++) { // more than is marked before somebody asks
        void *node = new_node(&s);
        gcsim_store(s.m, field(node, 0), GCSIM_LOAD(field(s.root->ptr, 0)));
        gcsim_store(s.m, field(s.root->ptr, 0), node);
    }
    stop = 1;
    check(API->find_goroutine_leaks(s.m) == GCSIM_INTERRUPTED && !g->leaked && verifies(s.m),
          "a search that is interrupted finds nothing");
    stop = 0;
    check(API->find_goroutine_leaks(s.m) == GCSIM_OK && g->leaked, "the next one does");
    close_heap(s.m);
}

// Random graphs of goroutines and channels, against a search of its own over who reaches what.
static void random_graphs(void)
{
    enum { N = 12, CHANNELS = 16, ROUNDS = 150 };
    uint64_t seed = 1, wrong = 0, found = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct scene s = open_scene((gcsim_options){.mark_engine = (uint32_t)below(&seed, 5),
                                                    .barrier = (uint32_t)below(&seed, 2) * 2});
        void *c[CHANNELS];
        int waits[N][2], holds[N], points[CHANNELS], root = (int)below(&seed, CHANNELS);
        gcsim_goroutine *g[N];
        for (int i = 0; i < CHANNELS; i++)
            c[i] = new_node(&s);
        for (int i = 0; i < CHANNELS; i++) {
            points[i] = (int)below(&seed, 2 * CHANNELS); // too large: to nothing
            if (points[i] < CHANNELS)
                gcsim_store(s.m, field(c[i], 0), c[points[i]]);
        }
        for (int i = 0; i < N; i++) {
            waits[i][0] = (int)below(&seed, CHANNELS);
            waits[i][1] = (int)below(&seed, 2 * CHANNELS);
            holds[i] = (int)below(&seed, CHANNELS);
            g[i] = blocked(&s, c[waits[i][0]], waits[i][1] < CHANNELS ? c[waits[i][1]] : NULL,
                           c[holds[i]]);
        }
        frame(&s)[0] = c[root];
        bool reached[2 * CHANNELS] = {false}, runs[N] = {false};
        reached[root] = true;
        for (bool more = true; more;) {
            more = false;
            for (int i = 0; i < CHANNELS; i++)
                if (reached[i] && points[i] < CHANNELS && !reached[points[i]])
                    reached[points[i]] = more = true;
            for (int i = 0; i < N; i++)
                if (!runs[i] &&
                    (reached[waits[i][0]] || (waits[i][1] < CHANNELS && reached[waits[i][1]]))) {
                    runs[i] = reached[holds[i]] = reached[waits[i][0]] = more = true;
                    reached[waits[i][1]] = true;
                }
        }
        INVARIANT(API->find_goroutine_leaks(s.m) == GCSIM_OK);
        for (int i = 0; i < N; i++) {
            wrong += g[i]->leaked == runs[i];
            found += g[i]->leaked;
        }
        wrong += !verifies(s.m);
        close_heap(s.m);
    }
    check(wrong == 0 && found > ROUNDS && found < ROUNDS * N,
          "%d random graphs: %d of %d goroutines are leaked, %d wrong", ROUNDS, (int)found,
          ROUNDS * N, (int)wrong);
}

#if !GCSIM_STEPS
#include <pthread.h>

// One thread searches again and again; another blocks goroutines and wakes them, and finds what only their stacks held. Clean under the thread
// sanitizer.
struct searcher {
    gcsim_heap *heap;
    uint32_t stop;
    uint64_t searches;
};

static void *search_on(void *arg)
{
    struct searcher *all = arg;
    gcsim_status status;
    mut *m = API->mutator_attach(all->heap, &status);
    INVARIANT(m);
    gcsim_enter(m);
    while (!GCSIM_LOAD(&all->stop) || all->searches < 20) {
        INVARIANT(API->find_goroutine_leaks(m) == GCSIM_OK);
        all->searches++;
    }
    gcsim_leave(m);
    API->mutator_detach(m);
    return NULL;
}

static void searches_while_others_run(void)
{
    enum { GS = 32, ROUNDS = 4000 };
    gcsim_options options = small_heap;
    options.check_mark = options.clobber_free = 1;
    struct scene s = {.m = open_heap(options)};
    s.heap = s.m->heap;
    s.node = make_type(s.heap, "node", 8, 0x7f); // the last word is a seal
    struct searcher all = {.heap = s.heap};
    gcsim_goroutine *g[GS];
    void *ch = gcsim_new(s.m, s.node);
    uint64_t seed = 5, wrong = 0;
    pthread_t thread;
    s.root = API->handle_new(s.m, ch);
    for (int i = 0; i < GS; i++) {
        g[i] = API->goroutine_new(s.m, 0);
        API->frame_push(s.m, g[i], s.node, 0);
    }
    pthread_create(&thread, NULL, search_on, &all);
    for (int round = 0; round < ROUNDS; round++) {
        gcsim_goroutine *one = g[below(&seed, GS)];
        void **slots = gcsim_frame_slots(one, one->top);
        if (one->wait_reason == GCSIM_WAIT_NONE) {
            uint64_t *object = gcsim_new(s.m, s.node);
            object[7] = ~(uint64_t)(uintptr_t)object;
            slots[0] = object;
            gcsim_wait *w = gcsim_new(s.m, s.node); // a poll: the object is in the frame
            if (below(&seed, 8))                    // else nobody will wake it, but we do
                gcsim_store(s.m, &w->object, ch);
            else
                gcsim_store(s.m, &w->object, w);
            API->goroutine_park(s.m, one, GCSIM_WAIT_CHAN_RECEIVE, w);
        } else {
            API->goroutine_ready(s.m, one, NULL);
            uint64_t *object = slots[0];
            wrong += object[7] != ~(uint64_t)(uintptr_t)object;
            gcsim_store(s.m, ch, object); // from there to a stack that may be black
            gcsim_goroutine *other = g[below(&seed, GS)];
            if (other->wait_reason == GCSIM_WAIT_NONE)
                ((void **)gcsim_frame_slots(other, other->top))[1] = object;
            slots[0] = NULL;
        }
        gcsim_safepoint(s.m);
    }
    GCSIM_STORE(&all.stop, 1u);
    gcsim_leave(s.m);
    pthread_join(thread, NULL);
    gcsim_enter(s.m);
    check(wrong == 0 && verifies(s.m) && all.searches >= 20,
          "goroutines block and go on while another thread searches");
    close_heap(s.m);
}
#endif

int main(void)
{
    only_what_nobody_reaches((gcsim_options){0}, "while the program runs");
    only_what_nobody_reaches((gcsim_options){.stop_the_world = 1}, "world stopped");
    only_what_nobody_reaches((gcsim_options){.barrier = GCSIM_BARRIER_DIJKSTRA},
                             "Dijkstra's barrier");
    only_what_nobody_reaches((gcsim_options){.barrier = GCSIM_BARRIER_YUASA}, "Yuasa's barrier");
    woken_while_marking();
    things_change_while_marking();
    interrupted();
    random_graphs();
#if !GCSIM_STEPS
    searches_while_others_run();
#endif
    check(strcmp(API->wait_reason_text(GCSIM_WAIT_MUTEX), "sync.Mutex.Lock") == 0 &&
              *API->wait_reason_text(999) == 0,
          "reasons are in Go's words");
    return finish();
}
