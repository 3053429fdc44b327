// instantiations: fast
//
// Two mutators that attach finalizers, cleanups and weak references to short-lived trees, take them back, follow weak references and run
// callbacks, while collections run beside them and collector threads mark and sweep. stress_specials [rounds] [seed]. Clean under
// the thread sanitizer. Each callback runs at most once, those of the dead exactly once, and a finalizer finds its tree whole.
#include "harness.h"

#include <pthread.h>

enum { THREADS = 2, TREES = 400, TREE = 7 };

// What is known of one tree, outside the heap.
struct tree {
    uint64_t root, inside; // its address, and one inside it, as numbers
    uint64_t cleanup;
    gcsim_weak *weak;
    uint64_t finalized, cleaned;
    bool set, cleared, stopped;
};

struct worker {
    gcsim_heap *heap;
    const gcsim_type *node, *bytes;
    struct tree *trees;
    uint64_t seed, rounds, failures, ran, strong;
    pthread_t thread;
};

static uint64_t broken_trees; // found by finalizers, on whichever thread

#define WORKER_EXPECT(w, cond)                                                                     \
    ((cond) ? (void)0                                                                              \
            : (printf("FAIL  %s:%d: %s\n", __FILE__, __LINE__, #cond), (void)(w)->failures++))

// A node: two children, and a number that says which tree and which node of it. No poll lies between an allocation and the store that
// roots the node, and objects do not move.
static uint64_t *make_tree(struct worker *w, mut *m, gcsim_handle *root, uint64_t number)
{
    uint64_t *nodes[TREE];
    for (uint64_t i = 0; i < TREE; i++) {
        nodes[i] = gcsim_new(m, w->node);
        WORKER_EXPECT(w, nodes[i]);
        gcsim_store(m, i ? (void *)(nodes[(i - 1) / 2] + (i - 1) % 2) : (void *)&root->ptr,
                    nodes[i]);
        nodes[i][2] = number * TREE + i;
    }
    return nodes[0];
}

static bool is_whole(const uint64_t *root, uint64_t number)
{
    const uint64_t *nodes[TREE] = {root};
    for (uint64_t i = 0; i < TREE; i++) {
        if (i)
            nodes[i] = ((uint64_t *const *)(const void *)nodes[(i - 1) / 2])[(i - 1) % 2];
        if (!nodes[i] || nodes[i][2] != number * TREE + i)
            return false;
    }
    return true;
}

static void finalized(mut *m, void *object, void *arg)
{
    struct tree *t = arg;
    const uint64_t *root = object;
    count_add(&t->finalized, 1);
    if (root[2] % TREE || !is_whole(root, root[2] / TREE) ||
        (uintptr_t)root != GCSIM_LOAD(&t->root))
        count_add(&broken_trees, 1);
    if (root[2] % 5 == 0) // callbacks allocate, and may collect
        API->new_array(m, m->heap->mheap.types.by_id[0], 10);
    if (root[2] % 997 == 0)
        API->collect(m);
}

static void cleaned(mut *m, void *object, void *arg)
{
    (void)m;
    count_add(&((struct tree *)arg)->cleaned, 1 + (object != NULL));
}

static void attach(struct worker *w, mut *m, struct tree *t, uint64_t *root, uint64_t *random)
{
    *t = (struct tree){0};
    GCSIM_STORE(&t->root, (uintptr_t)root);
    if (below(random, 2)) {
        t->set = API->finalizer_set(m, root, finalized, t) != 0;
        WORKER_EXPECT(w, t->set);
    }
    t->inside = (uintptr_t)root + below(random, 24);
    t->cleanup = API->cleanup_add(m, (char *)(uintptr_t)t->inside, cleaned, t);
    WORKER_EXPECT(w, t->cleanup);
    t->weak = API->weak_new(m, root);
    WORKER_EXPECT(w, t->weak);
}

// The strong reference is gone: what is left is taken back, or asked, or let be.
static void after_drop(struct worker *w, mut *m, struct tree *t, uint64_t number, uint64_t *random)
{
    uint64_t *root = API->weak_get(m, t->weak); // a safe point
    if (root && (w->strong++, true)) {
        WORKER_EXPECT(w, (uintptr_t)root == t->root && is_whole(root, number));
        if (below(random, 8) == 0)
            t->cleared |= t->set && API->finalizer_clear(m, root, NULL);
    }
    gcsim_safepoint(m);
    root = API->weak_get(m, t->weak);
    WORKER_EXPECT(w, !root || is_whole(root, number));
}

static void *work(void *arg)
{
    struct worker *w = arg;
    gcsim_status status;
    uint64_t random = w->seed;
    mut *m = API->mutator_attach(w->heap, &status);
    INVARIANT(m);
    gcsim_enter(m);
    gcsim_handle *root = API->handle_new(m, NULL);
    for (uint64_t n = 0; n < w->rounds * TREES; n++) {
        uint64_t number = w->seed * 1000000 + n;
        struct tree *t = &w->trees[n];
        uint64_t *p = make_tree(w, m, root, number);
        WORKER_EXPECT(w, p && is_whole(p, number));
        attach(w, m, t, p, &random);
        for (uint64_t i = below(&random, 20); i; i--) // garbage, so that cycles start
            API->new_array(m, w->bytes, 1 + below(&random, 60));
        gcsim_store(m, &root->ptr, NULL);
        after_drop(w, m, t, number, &random);
        if (n >= 50) { // one that may be dead
            t -= 50;
            if (below(&random, 4) == 0)
                t->stopped = API->cleanup_stop(m, (char *)(uintptr_t)t->inside, t->cleanup, NULL);
            API->weak_drop(m, t->weak);
        }
        if (n % 64 == 0)
            w->ran += gcsim_run_callbacks(m);
        if (n % TREES == 0 && below(&random, 4) == 0)
            WORKER_EXPECT(w, API->collect(m) == GCSIM_OK);
        gcsim_violation v;
        if (n % TREES == 0 && API->verify(m, &v, 1)) {
            printf("      rule %u: %s\n", v.invariant, v.message);
            WORKER_EXPECT(w, false);
        }
    }
    for (uint64_t n = w->rounds * TREES - 50; n < w->rounds * TREES; n++)
        API->weak_drop(m, w->trees[n].weak);
    API->handle_drop(w->heap, root);
    gcsim_leave(m);
    API->mutator_detach(m);
    return NULL;
}

static void check_trees(const struct worker *w)
{
    uint64_t wrong = 0, finalizers = 0, cleanups = 0;
    for (uint64_t n = 0; n < w->rounds * TREES; n++) {
        const struct tree *t = &w->trees[n];
        wrong += t->finalized != (uint64_t)(t->set && !t->cleared);
        wrong += t->cleaned != !t->stopped;
        finalizers += t->finalized;
        cleanups += t->cleaned;
    }
    check(wrong == 0 && w->failures == 0,
          "%" PRIu64 " finalizers and %" PRIu64 " cleanups ran once each, %" PRIu64
          " weak references were followed",
          finalizers, cleanups, w->strong);
}

static void run(uint64_t seed, uint64_t rounds, int32_t percent, uint32_t shades)
{
    gcsim_options options = small_heap;
    options.gc_percent = percent;
    options.shade_entries = shades;
    options.procs = 2;
    options.reserve_bytes = 512 << 20;
    mut *m = open_heap(options);
    struct worker w[THREADS];
    const gcsim_type *bytes = make_bytes(m->heap, "bytes", 1000),
                     *node = make_type(m->heap, "node", 3, 3);
    gcsim_leave(m);
    broken_trees = 0;
    for (int i = 0; i < THREADS; i++) {
        w[i] = (struct worker){.heap = m->heap,
                               .node = node,
                               .bytes = bytes,
                               .trees = calloc(rounds * TREES, sizeof(struct tree)),
                               .seed = seed + (uint64_t)i,
                               .rounds = rounds};
        INVARIANT(w[i].trees && pthread_create(&w[i].thread, NULL, work, &w[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(w[i].thread, NULL);
    gcsim_enter(m);
    uint64_t cycles = m->heap->gc.cycles;
    for (int i = 0; i < 4; i++) {
        EXPECT(API->collect(m) == GCSIM_OK);
        gcsim_run_callbacks(m);
    }
    for (int i = 0; i < THREADS; i++) {
        check_trees(&w[i]);
        free(w[i].trees);
    }
    gcsim_callback_counts c;
    API->callback_counts(m->heap, &c);
    check(broken_trees == 0 && c.ready == 0 && c.finalizers_queued == c.finalizers_executed &&
              c.cleanups_queued == c.cleanups_executed && verifies(m),
          "%d percent: %" PRIu64 " cycles, no tree was broken, nothing is left", percent, cycles);
    mcache_flush(mutator_of(m));
    EXPECT(API->collect(m) == GCSIM_OK);
    check(count_objects(m) == 0, "no object either");
    close_heap(m);
}

int main(int argc, char **argv)
{
    bool soak = getenv("GCSIM_SOAK") != NULL;
    uint64_t rounds = argc > 1 ? strtoull(argv[1], NULL, 10) : soak ? 500 : GCSIM_DEBUG ? 1 : 10;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    printf("      seed %" PRIu64 ", %" PRIu64 " rounds\n", seed, rounds);
    run(seed, rounds, 1, 0);
    run(seed + 10, rounds, 5, 1);
    return finish();
}
