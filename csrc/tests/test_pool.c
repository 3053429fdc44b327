// instantiations: fast step
//
// lib/pool: a pool does what a plain model of sync.Pool does, operation by operation, with collections in between; what is in it lives through one
// beginning of a cycle and not through two; and threads that share one never hold the same object.
#include "scene.h"

#include <pthread.h>

#include "lib/pool.c"
#include "lib/slice.c"

struct go {
    mut *m;
    gcsim_heap *heap;
    const gcsim_type *node, *pool;
    struct pool_types types;
};

static struct go types_of(mut *m)
{
    uint32_t all, old;
    gcsim_heap *heap = m->heap;
    struct go w = {.m = m, .heap = heap};
    w.node = make_type(heap, "node", 2, 1);
    w.pool = make_type(heap, "sync.Pool", POOL_WORDS, POOL_MASK);
    w.types = (struct pool_types){
        make_type(heap, "*sync.Pool", 1, 1),
        make_type(heap, "sync.poolLocal", POOL_LOCAL_WORDS, POOL_LOCAL_MASK),
        make_type(heap, "sync.poolChainElt", POOL_CHAIN_ELT_WORDS, POOL_CHAIN_ELT_MASK),
        make_type(heap, "sync.eface", EFACE_WORDS, EFACE_MASK)};
    INVARIANT(API->name_intern(heap, "sync.allPools", &all) == GCSIM_OK &&
              API->name_intern(heap, "sync.oldPools", &old) == GCSIM_OK);
    INVARIANT(pools_begin(m, all, old) == GCSIM_OK && pools_begin(m, all, old) == GCSIM_OK);
    return w;
}

static struct go open_go(gcsim_options options)
{
    options.bytes = small_heap.bytes;
    options.reserve_bytes = small_heap.reserve_bytes;
    options.gc_percent = small_heap.gc_percent;
    options.check_mark = options.verify_phases = options.clobber_free = 1;
    return types_of(open_heap(options));
}

static struct pool *make_pool(struct go *w, gcsim_handle **root)
{
    struct pool *pool = gcsim_new(w->m, w->pool);
    *root = API->handle_new(w->m, pool);
    INVARIANT(pool && *root);
    return pool;
}

static void put(struct go *w, struct pool *pool, void *p)
{
    gcsim_handle *root = API->handle_new(w->m, p);
    INVARIANT(pool_put_value(w->m, &w->types, pool, (struct eface){1, p}) == GCSIM_OK);
    API->handle_drop(w->heap, root);
}

// A new node with this number.
static void put_number(struct go *w, struct pool *pool, uint64_t number)
{
    uint64_t *node = gcsim_new(w->m, w->node);
    INVARIANT(node);
    node[1] = number;
    put(w, pool, node);
}

// Its number; 0: the pool is empty.
static uint64_t get(struct go *w, struct pool *pool)
{
    struct eface x;
    INVARIANT(pool_get_value(w->m, &w->types, pool, &x) == GCSIM_OK);
    return x.type ? ((uint64_t *)x.ptr)[1] : 0;
}

// --- the model: one processor, plain arrays ----------------------------------------------------------------------

struct model {
    uint64_t private_value, shared[4096], victim, victims[4096];
    int n, from, to; // of shared; of victims: [from, to)
};

static uint64_t model_get(struct model *p)
{
    uint64_t x = p->private_value;
    p->private_value = 0;
    if (!x && p->n)
        x = p->shared[--p->n];
    if (!x && p->victim) {
        x = p->victim;
        p->victim = 0;
    }
    return x ? x : p->from < p->to ? p->victims[p->from++] : 0;
}

static void model_put(struct model *p, uint64_t x)
{
    if (p->private_value)
        p->shared[p->n++] = x;
    else
        p->private_value = x;
}

static void model_collect(struct model *p)
{
    p->victim = p->private_value;
    memcpy(p->victims, p->shared, sizeof p->shared);
    p->from = 0;
    p->to = p->n;
    p->private_value = 0;
    p->n = 0;
}

static void test_model(uint64_t seed)
{
    enum { POOLS = 3 };
    static struct model models[POOLS];
    struct go w = open_go((gcsim_options){.procs = 1});
    struct pool *pools[POOLS];
    gcsim_handle *roots[POOLS];
    uint64_t number = 0, wrong = 0, got = 0, random = seed;
    memset(models, 0, sizeof models);
    for (int i = 0; i < POOLS; i++)
        pools[i] = make_pool(&w, &roots[i]);
    for (int step = 0; step < 4000; step++) {
        uint64_t i = below(&random, POOLS), what = below(&random, 100);
        bool filling = step / 500 % 2 == 0; // long chains, then drained ones
        if (what < (filling ? 65u : 35u) && models[i].n < 4000) {
            put_number(&w, pools[i], ++number);
            model_put(&models[i], number);
        } else if (what < 98) {
            uint64_t ours = get(&w, pools[i]), theirs = model_get(&models[i]);
            wrong += ours != theirs;
            got += ours != 0;
        } else {
            INVARIANT(API->collect(w.m) == GCSIM_OK);
            for (int k = 0; k < POOLS; k++)
                model_collect(&models[k]);
        }
    }
    struct pool_counts n = pool_count(API, w.heap, pools[0]);
    EXPECT(n.private_values == (models[0].private_value != 0) && n.shared == (uint64_t)models[0].n);
    check(!wrong && got > 500, "seed %" PRIu64 ": %" PRIu64 " values as the model, %" PRIu64 " not",
          seed, got, wrong);
    EXPECT(verifies(w.m));
    close_heap(w.m);
}

// --- what a cycle does -------------------------------------------------------------------------------------------

static void test_aging(void)
{
    struct go w = open_go((gcsim_options){.procs = 1});
    gcsim_handle *root, *weak_root;
    struct pool *pool = make_pool(&w, &root), *other = make_pool(&w, &weak_root);
    for (uint64_t i = 1; i <= 30; i++)
        put_number(&w, pool, i);
    put_number(&w, other, 1);
    gcsim_weak *first = API->weak_new(w.m, pool->local->private_value.ptr);
    gcsim_weak *gone = API->weak_new(w.m, other);
    API->handle_drop(w.heap, weak_root);
    struct pool_chain_elt *d = pool->local->head;
    EXPECT(d->len == 32 && d->prev->len == 16 && d->prev->prev->len == 8);
    EXPECT(pool->local->tail == d->prev->prev && !pool->local->tail->prev);
    EXPECT(marks_verify(w.m) && pool->local); // marks that are forgotten are no cycle
    API->collect(w.m);
    EXPECT(!pool->local && !pool->local_size && pool->victim && pool->victim_size == 1);
    EXPECT(API->weak_get(w.m, first) && API->weak_get(w.m, gone));
    EXPECT(get(&w, pool) == 1 && get(&w, pool) == 2 && get(&w, pool) == 3); // the oldest first
    put_number(&w, pool, 99);
    API->collect(w.m);
    EXPECT(!API->weak_get(w.m, first) && !API->weak_get(w.m, gone)); // nobody has it, nor the pool
    EXPECT(get(&w, pool) == 99 && get(&w, pool) == 0 && !pool->victim_size);
    put_number(&w, pool, 100);
    put_number(&w, pool, 101);
    EXPECT(pool->local->head->len == 8); // chains begin anew
    gcsim_weak *left = API->weak_new(w.m, pool->local->private_value.ptr);
    API->collect(w.m);
    EXPECT(API->weak_get(w.m, left));
    API->collect(w.m); // nobody has used it since
    EXPECT(!API->weak_get(w.m, left) && !pool->victim);
    API->collect(w.m);
    EXPECT(get(&w, pool) == 0);
    API->weak_drop(w.m, left);
    API->weak_drop(w.m, first);
    API->weak_drop(w.m, gone);
    check(verifies(w.m), "two cycles empty a pool, and free one that nobody has");
    close_heap(w.m);
}

// Each mutator has a part of its own; others take from its chain, the oldest first, and leave its private value alone.
static void test_parts(void)
{
    struct go w = open_go((gcsim_options){.procs = 4});
    gcsim_status status;
    gcsim_handle *root;
    struct pool *pool = make_pool(&w, &root);
    struct go other = w;
    other.m = API->mutator_attach(w.heap, &status);
    INVARIANT(other.m);
    for (uint64_t i = 1; i <= 4; i++)
        put_number(&w, pool, i);
    gcsim_leave(w.m);
    gcsim_enter(other.m);
    uint64_t a = get(&other, pool), b = get(&other, pool);
    put_number(&other, pool, 9);
    uint64_t c = get(&other, pool), d = get(&other, pool), e = get(&other, pool);
    gcsim_leave(other.m);
    gcsim_enter(w.m);
    check(a == 2 && b == 3 && c == 9 && d == 4 && e == 0 && get(&w, pool) == 1,
          "parts: %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64, a, b, c, d, e);
    API->mutator_detach(other.m);
    EXPECT(verifies(w.m));
    close_heap(w.m);
}

static int starts;
static void count_start(gcsim_heap *heap, void *arg)
{
    (void)heap;
    *(int *)arg += 1;
}

static void test_cycle_start(void)
{
    mut *m = open_heap(small_heap);
    static int more[GCSIM_CYCLE_STARTS];
    starts = 0;
    EXPECT(API->at_cycle_start(m, count_start, &starts) == GCSIM_OK);
    EXPECT(API->at_cycle_start(m, count_start, &starts) == GCSIM_OK);
    for (int i = 1; i < GCSIM_CYCLE_STARTS; i++)
        EXPECT(API->at_cycle_start(m, count_start, &more[i]) == GCSIM_OK);
    EXPECT(API->at_cycle_start(m, count_start, &more[0]) == GCSIM_HEAP_FULL);
    API->collect(m);
    EXPECT(marks_verify(m));
    API->collect(m);
    check(starts == 2 && more[0] == 0 && more[1] == 2, "each cycle says once that it begins: %d",
          starts);
    close_heap(m);
}

// --- while marking: what leaves the pool was reachable through it only ---------------------------------------------

static void test_marking(uint32_t barrier)
{
    struct scene s = open_scene((gcsim_options){.procs = 1, .barrier = barrier});
    struct go w = types_of(s.m);
    gcsim_handle *root;
    struct pool *pool = make_pool(&w, &root);
    for (uint64_t i = 1; i <= 20; i++)
        put_number(&w, pool, i);
    API->collect(w.m);
    s.heap->gc.workers.stop = 1;
    for (uint64_t i = 21; i <= 40; i++)
        put_number(&w, pool, i); // 1 to 20 are victims, and will not be
    begin(&s);
    for (uint64_t i = 41; i <= 60; i++)
        put_number(&w, pool, i);
    uint64_t wrong = 0;
    wrong += get(&w, pool) != 41;
    for (uint64_t i = 60; i > 41; i--)
        wrong += get(&w, pool) != i;
    struct eface x;
    pool_get_value(w.m, &w.types, pool, &x);
    *frame(&s) = x.ptr; // the frame is black
    mark_on(&s);
    pool_get_value(w.m, &w.types, pool, &x);
    gcsim_store(w.m, field(s.root->ptr, 0), x.ptr);
    end(&s);
    wrong += ((uint64_t *)*frame(&s))[1] != 21 || (*(uint64_t **)field(s.root->ptr, 0))[1] != 22;
    check(!wrong && verifies(w.m), "put and get while marking, barrier %u", barrier);
    close_heap(s.m);
}

// cas shades what a store would, whether it stores or not.
static void test_cas(void)
{
    struct scene s = open_scene((gcsim_options){.procs = 1});
    void **node = s.root->ptr, *old = gcsim_new(s.m, s.node);
    gcsim_store(s.m, &node[0], old);
    begin(&s);
    void *more = gcsim_new(s.m, s.node);
    EXPECT(!API->cas(s.m, &node[0], NULL, more) && node[0] == old);
    EXPECT(API->cas(s.m, &node[0], old, more) && node[0] == more);
    *frame(&s) = old;
    mark_on(&s);
    end(&s);
    check(node[0] == more && is_object(s.heap, old) && verifies(s.m), "compare and swap");
    close_heap(s.m);
}

// --- threads -----------------------------------------------------------------------------------------------------

#if !GCSIM_STEPS
enum { THREADS = 4 };

struct worker {
    struct go w;
    struct pool *pool;
    int number, rounds;
    uint64_t made, got, doubles;
    pthread_t thread;
};

// An object that is out has its word set: nobody else may have it.
static void *work(void *arg)
{
    struct worker *me = arg;
    struct go *w = &me->w;
    gcsim_status status;
    uint64_t random = (uint64_t)me->number;
    w->m = API->mutator_attach(w->heap, &status);
    INVARIANT(w->m);
    gcsim_enter(w->m);
    gcsim_handle *out[32];
    for (int round = 0; round < me->rounds; round++) {
        uint64_t n = 1 + below(&random, 32);
        for (uint64_t i = 0; i < n; i++) {
            struct eface x;
            INVARIANT(pool_get_value(w->m, &w->types, me->pool, &x) == GCSIM_OK);
            me->got += x.type != 0;
            me->made += x.type == 0;
            uint64_t *node = x.type ? x.ptr : gcsim_new(w->m, w->node);
            INVARIANT(node && (out[i] = API->handle_new(w->m, node)));
            me->doubles += __atomic_exchange_n(&node[1], 1, __ATOMIC_RELAXED);
        }
        for (uint64_t i = 0; i < n; i++) {
            uint64_t *node = out[i]->ptr;
            __atomic_store_n(&node[1], 0, __ATOMIC_RELAXED);
            INVARIANT(pool_put_value(w->m, &w->types, me->pool, (struct eface){1, node}) ==
                      GCSIM_OK);
            API->handle_drop(w->heap, out[i]);
        }
        if (below(&random, 50) == 0)
            API->collect(w->m);
        gcsim_safepoint(w->m);
    }
    gcsim_leave(w->m);
    API->mutator_detach(w->m);
    return NULL;
}

static void test_threads(uint32_t procs, int rounds)
{
    struct go w = open_go((gcsim_options){.procs = procs});
    gcsim_handle *root;
    struct worker workers[THREADS];
    uint64_t made = 0, got = 0, doubles = 0;
    struct pool *pool = make_pool(&w, &root);
    gcsim_leave(w.m);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.w = w, .pool = pool, .number = i + 1, .rounds = rounds};
        INVARIANT(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        made += workers[i].made;
        got += workers[i].got;
        doubles += workers[i].doubles;
    }
    gcsim_enter(w.m);
    check(!doubles && got > made,
          "%d threads on %u processors: %" PRIu64 " from the pool, %" PRIu64 " made, %" PRIu64
          " had by two",
          THREADS, procs, got, made, doubles);
    EXPECT(verifies(w.m));
    close_heap(w.m);
}
#endif

int main(void)
{
    for (uint64_t seed = 1; seed <= 3; seed++)
        test_model(seed);
    test_aging();
    test_parts();
    test_cycle_start();
    test_marking(GCSIM_BARRIER_HYBRID);
    test_marking(GCSIM_BARRIER_DIJKSTRA);
    test_marking(GCSIM_BARRIER_STEELE);
    test_cas();
#if !GCSIM_STEPS
    test_threads(4, 400);
    test_threads(2, 400);
    test_threads(1, 200);
#endif
    return finish();
}
