// instantiations: fast step
//
// Torture: players mutate graphs of their own and share some objects, on one heap that collects all the time (GOGC=1), with all that can
// notice a mistake switched on: verification and checkmark in each cycle, clobbered free memory, write barrier buffers of two entries.
// torture [cycles] [seed]. Go's barrier with both engines, then each of the others that lose nothing; 1, 2, 4 and 8 players, each a thread (in the step instantiation they take turns).
//
// Every object carries its number and a seal that follows from it, and beside every pointer stands the number of what it leads to: an object
// that was lost and whose memory is used again is seen by whoever reaches it. A player looks at objects only by way of roots, and roots are
// of every kind: handles, globals, frames, strong batches; weak references and weak batches must give the object or nothing.
#include "harness.h"

#include <pthread.h>

enum kind { TINY, LEAF, NODE, MIDDLE, WIDE, TABLE, BIG, KINDS };

static const struct {
    uint64_t words, links; // links: pairs (pointer, number) from word 2 on
} kinds[KINDS] = {
    [TINY] = {1, 0},       [LEAF] = {13, 0},  [NODE] = {6, 2},
    [MIDDLE] = {32, 15},   [WIDE] = {82, 40}, [TABLE] = {4200, 2099}, // 33 KB: large
    [BIG] = {18000, 8999},                                            // 144 KB: marked in pieces
};

enum {
    HANDLES = 24,
    GLOBALS = 6,
    FRAMES = 12,
    FRAME_PAIRS = 4,
    TABLES = 2,
    WEAKS = 16,
    BATCH = 24,
    SHARED = 64,
    TURN = 48, // operations between enter and leave
    MOST_PLAYERS = 8,
};

struct player;
struct game {
    gcsim_heap *heap;
    const gcsim_type *types[TABLE], *pair, *frame;
    uint32_t name;
    gcsim_handle *shared; // a table of leaves, under the lock
    pthread_mutex_t lock;
    uint64_t target, live_limit;
    uint64_t cycles; // as far as a player has seen
    uint32_t failed, over;
    gcsim_handle *mail[MOST_PLAYERS]; // to be dropped by another thread
    uint64_t dropped;
};

struct player {
    struct game *game;
    mut *m;
    uint64_t random, serial;
    gcsim_handle *handles[HANDLES];
    uint64_t handle_ids[HANDLES];
    gcsim_global *globals[GLOBALS];
    gcsim_goroutine *g;
    uint64_t frames[FRAMES];
    uint32_t nframes;
    gcsim_handle *tables[TABLES];
    uint64_t table_ids[TABLES];
    gcsim_weak *weaks[WEAKS];
    uint64_t weak_ids[WEAKS];
    gcsim_batch *batch;
    uint64_t batch_ids[BATCH];
    uint64_t looked, operations, marking; // marking: operations that began while marking was on
    uint32_t number;
    pthread_t thread;
};

static uint64_t choose(struct player *p, uint64_t n) { return below(&p->random, n); }

// --- objects -----------------------------------------------------------------------------------------------------

static enum kind kind_of(uint64_t id) { return (enum kind)(id & 7); }

static uint64_t seal(uint64_t id)
{
    uint64_t state = id;
    return next_random(&state);
}

static void player_fails(struct player *p, const void *object, uint64_t id, const char *what)
{
    printf("FAIL  player %u: object %" PRIu64 " of kind %d at %p: %s\n", p->number, id >> 3,
           kind_of(id), object, what);
    __atomic_store_n(&p->game->failed, 1, __ATOMIC_RELAXED);
}

// Is it the object of this number, whole?
static bool player_looks(struct player *p, const uint64_t *o, uint64_t id)
{
    enum kind kind = kind_of(id);
    bool whole = true;
    p->looked++;
    if (!id || kind >= KINDS) {
        player_fails(p, o, id, "no such number");
        return false;
    }
    if (kind == TINY)
        whole = o[0] == id;
    else if (kind < TABLE)
        whole = o[0] == seal(id) && o[1] == id;
    else
        whole = o[1] == id && o[kinds[kind].words - 1] == id;
    for (uint64_t i = 2; kind == LEAF && i < kinds[LEAF].words; i++)
        whole &= o[i] == seal(id) + i;
    if (!whole)
        player_fails(p, o, id, "it is another one, or overwritten");
    return whole;
}

// A new one without links. Polls.
static uint64_t *player_makes(struct player *p, enum kind kind, uint64_t *id)
{
    struct game *g = p->game;
    uint64_t words = kinds[kind].words;
    uint64_t *o =
        kind < TABLE ? gcsim_new(p->m, g->types[kind]) : API->new_array(p->m, g->pair, words / 2);
    *id = (++p->serial << 8 | p->number) << 3 | kind;
    if (!o) {
        player_fails(p, o, *id, API->status_text(p->m->status));
        return NULL;
    }
    for (uint64_t i = 0; kind < TABLE && i < words; i++)
        if (o[i])
            player_fails(p, o, *id, "new and not zero");
    if (kind == TINY) {
        o[0] = *id;
        return o;
    }
    o[1] = *id;
    if (kind < TABLE)
        o[0] = seal(*id);
    else
        o[words - 1] = *id; // the last pair holds no link
    for (uint64_t i = 2; kind == LEAF && i < words; i++)
        o[i] = seal(*id) + i;
    return o;
}

static uint64_t links_of(uint64_t id)
{
    enum kind kind = kind_of(id);
    return kind < TABLE ? kinds[kind].links : kinds[kind].links - 1;
}

// --- spots: slots that hold a pointer, and where its number stands ----------------------------------------------

struct spot {
    void **slot;
    uint64_t *id;
    bool frame; // no barrier there
};

static struct spot link_at(uint64_t *o, uint64_t i)
{
    return (struct spot){(void **)(void *)(o + 2 + 2 * i), o + 3 + 2 * i, false};
}

static struct spot player_root(struct player *p)
{
    uint64_t n = choose(p, HANDLES + GLOBALS + TABLES + p->nframes * FRAME_PAIRS);
    if (n < HANDLES)
        return (struct spot){&p->handles[n]->ptr, &p->handle_ids[n], false};
    n -= HANDLES;
    if (n < GLOBALS)
        return (struct spot){&p->globals[n]->words[0], (uint64_t *)(void *)&p->globals[n]->words[1],
                             false};
    n -= GLOBALS;
    if (n < TABLES)
        return (struct spot){&p->tables[n]->ptr, &p->table_ids[n], false};
    n -= TABLES;
    uint64_t *pairs = gcsim_frame_slots(p->g, p->frames[n / FRAME_PAIRS]);
    return (struct spot){(void **)(void *)(pairs + n % FRAME_PAIRS * 2),
                         pairs + n % FRAME_PAIRS * 2 + 1, true};
}

// A root that may be overwritten with any object.
static struct spot free_root(struct player *p)
{
    struct spot at;
    do
        at = player_root(p);
    while (at.slot == &p->tables[0]->ptr || at.slot == &p->tables[1]->ptr);
    return at;
}

static void player_puts(struct player *p, struct spot at, void *o, uint64_t id)
{
    if (at.frame)
        GCSIM_STORE(at.slot, o);
    else
        gcsim_store(p->m, at.slot, o);
    *at.id = o ? id : 0;
}

// An object that can be reached now, and its number; NULL. Looks at all on the way.
static uint64_t *player_finds(struct player *p, uint64_t *id)
{
    struct spot at = player_root(p);
    uint64_t *o = NULL;
    for (uint64_t steps = choose(p, 12);; steps--) {
        uint64_t *next = GCSIM_LOAD(at.slot);
        if (!next)
            return o;
        *id = *at.id;
        if (!player_looks(p, next, *id))
            return NULL;
        o = next;
        uint64_t links = links_of(*id);
        if (!links || !steps)
            return o;
        at = link_at(o, choose(p, links));
    }
}

// A slot of a reachable object, or a root.
static struct spot somewhere(struct player *p)
{
    uint64_t id;
    uint64_t *o = choose(p, 4) ? player_finds(p, &id) : NULL;
    return o && links_of(id) ? link_at(o, choose(p, links_of(id))) : free_root(p);
}

// --- operations --------------------------------------------------------------------------------------------------

static enum kind any_kind(struct player *p)
{
    uint64_t dice = choose(p, 1000);
    return dice < 200   ? TINY
           : dice < 400 ? LEAF
           : dice < 750 ? NODE
           : dice < 900 ? MIDDLE
           : dice < 996 ? WIDE
           : dice < 999 ? TABLE
                        : BIG;
}

// A new object takes over what a place held: chains grow at their front.
static void op_new(struct player *p)
{
    uint64_t id;
    uint64_t *o = player_makes(p, any_kind(p), &id);
    if (!o)
        return;
    struct spot at = somewhere(p);
    if (links_of(id) && *at.slot && choose(p, 3))
        player_puts(p, link_at(o, choose(p, links_of(id))), *at.slot, *at.id);
    player_puts(p, at, o, id);
}

static void op_move(struct player *p)
{
    uint64_t id;
    uint64_t *o = player_finds(p, &id);
    if (o)
        player_puts(p, somewhere(p), o, id);
}

// The pointer goes to a black frame and out of the heap.
static void op_hide(struct player *p)
{
    struct spot from = somewhere(p), to;
    uint64_t *o = *from.slot, id = *from.id;
    if (from.frame || !o || !p->nframes || !player_looks(p, o, id))
        return;
    uint64_t *pairs = gcsim_frame_slots(p->g, p->frames[choose(p, p->nframes)]);
    to = (struct spot){(void **)(void *)pairs, pairs + 1, true};
    player_puts(p, to, o, id);
    player_puts(p, from, NULL, 0);
}

static void op_cut(struct player *p) { player_puts(p, somewhere(p), NULL, 0); }

static void op_copy(struct player *p)
{
    uint64_t from = choose(p, TABLES), to = choose(p, TABLES), links = kinds[TABLE].links - 1;
    uint64_t count = 1 + choose(p, choose(p, 8) ? 8 : 200);
    uint64_t *target = (uint64_t *)p->tables[to]->ptr + 2 + 2 * choose(p, links - count);
    if (choose(p, 4) == 0)
        API->clear(p->m, p->game->pair, target, count);
    else
        API->copy(p->m, p->game->pair, target,
                  (uint64_t *)p->tables[from]->ptr + 2 + 2 * choose(p, links - count), count);
}

static void op_table(struct player *p)
{
    uint64_t i = choose(p, TABLES), id;
    uint64_t *o = player_makes(p, TABLE, &id);
    if (!o)
        return;
    API->copy(p->m, p->game->pair, o + 2, (uint64_t *)p->tables[i]->ptr + 2, 400);
    player_puts(p, (struct spot){&p->tables[i]->ptr, &p->table_ids[i], false}, o, id);
}

// The old handle is dropped by somebody else, or here.
static void op_handle(struct player *p)
{
    uint64_t i = choose(p, HANDLES), id = 0;
    uint64_t *o = player_finds(p, &id);
    gcsim_handle *handle = API->handle_new(p->m, o), *old = p->handles[i];
    p->handles[i] = handle;
    p->handle_ids[i] = o ? id : 0;
    if (choose(p, 2))
        old = __atomic_exchange_n(&p->game->mail[p->number], old, __ATOMIC_ACQ_REL);
    if (old)
        API->handle_drop(p->game->heap, old);
}

static void op_global(struct player *p)
{
    uint64_t i = choose(p, GLOBALS), id = 0;
    API->global_drop(p->m, p->globals[i]);
    p->globals[i] = API->global_new(p->m, p->game->name);
    uint64_t *o = player_finds(p, &id);
    player_puts(p,
                (struct spot){&p->globals[i]->words[0],
                              (uint64_t *)(void *)&p->globals[i]->words[1], false},
                o, id);
}

static void op_frame(struct player *p)
{
    if (p->nframes == FRAMES || (p->nframes && choose(p, 2))) {
        API->frame_pop(p->m, p->g);
        p->nframes--;
    } else {
        p->frames[p->nframes++] = API->frame_push(p->m, p->g, p->game->frame, p->game->name);
    }
}

static void op_goroutine(struct player *p)
{
    API->goroutine_end(p->m, p->g);
    p->g = API->goroutine_new(p->m, p->game->name);
    p->nframes = 0;
}

static void op_weak(struct player *p)
{
    uint64_t i = choose(p, WEAKS), id;
    if (p->weaks[i]) {
        uint64_t *o = API->weak_get(p->m, p->weaks[i]);
        if (o && player_looks(p, o, p->weak_ids[i]) && choose(p, 2))
            player_puts(p, somewhere(p), o, p->weak_ids[i]);
        if (o && choose(p, 4))
            return;
        API->weak_drop(p->m, p->weaks[i]);
        p->weaks[i] = NULL;
    }
    uint64_t *o = player_finds(p, &id);
    if (!o)
        return;
    p->weaks[i] = API->weak_new(p->m, o);
    p->weak_ids[i] = id;
    if (!p->weaks[i] || API->weak_get(p->m, p->weaks[i]) != o)
        player_fails(p, o, id, "a weak reference does not give the object that it was made for");
}

// A root that is held over polls keeps weak references to its object.
static void op_hold(struct player *p)
{
    uint64_t id;
    uint64_t *o = player_finds(p, &id);
    if (!o)
        return;
    gcsim_handle *handle = API->handle_new(p->m, o);
    gcsim_weak *weak = API->weak_new(p->m, o);
    for (uint64_t n = choose(p, 30); n > 0; n--) {
        uint64_t made;
        player_makes(p, NODE, &made);
    }
    if (API->weak_get(p->m, weak) != o)
        player_fails(p, o, id, "a weak reference to an object with a handle is gone");
    player_looks(p, o, id);
    API->weak_drop(p->m, weak);
    API->handle_drop(p->game->heap, handle);
}

// Strong while it is built, then weak; what is read from it goes where the barrier sees it.
static void op_batch(struct player *p)
{
    if (p->batch) {
        uint64_t i = choose(p, BATCH);
        uint64_t *o = gcsim_batch_at(p->m, p->batch, i);
        if (o && player_looks(p, o, p->batch_ids[i]))
            player_puts(p, (struct spot){&p->handles[0]->ptr, &p->handle_ids[0], false}, o,
                        p->batch_ids[i]);
        if (choose(p, 3))
            return;
        API->batch_drop(p->m, p->batch);
    }
    gcsim_build build = {.count = BATCH, .types = &p->game->types[NODE], .ntypes = 1};
    p->batch = API->build(p->m, &build);
    for (int i = 0; p->batch && i < BATCH; i++) {
        uint64_t *o = p->batch->objects[i];
        p->batch_ids[i] = o[1] = (++p->serial << 8 | p->number) << 3 | NODE;
        o[0] = seal(o[1]);
        if (i)
            player_puts(p, link_at(o, 0), p->batch->objects[i - 1], p->batch_ids[i - 1]);
    }
    gcsim_safepoint(p->m);
    if (p->batch) {
        player_puts(p, free_root(p), p->batch->objects[BATCH / 2], p->batch_ids[BATCH / 2]);
        p->batch->strong = 0;
    }
}

// Leaves are never written again, so they may be in the graphs of several players.
static void op_share(struct player *p)
{
    struct game *g = p->game;
    uint64_t id, taken = 0;
    uint64_t *o = player_makes(p, LEAF, &id), *other;
    if (!o)
        return;
    pthread_mutex_lock(&g->lock); // no poll inside
    struct spot at = link_at(g->shared->ptr, choose(p, SHARED));
    other = *at.slot;
    taken = *at.id;
    if (other)
        player_looks(p, other, taken);
    player_puts(p, at, o, id);
    pthread_mutex_unlock(&g->lock);
    if (other)
        player_puts(p, somewhere(p), other, taken);
}

static void op_collect(struct player *p)
{
    if (API->collect(p->m) != GCSIM_OK)
        player_fails(p, NULL, 0, "collect");
}

static void op_sweep(struct player *p) { API->sweep_all(p->m); }

static void op_memstats(struct player *p)
{
    gcsim_memstats s;
    API->memstats(p->m, &s);
    if (s.mallocs - s.frees != s.heap_objects)
        player_fails(p, NULL, 0, "MemStats");
}

static const struct {
    void (*run)(struct player *);
    unsigned weight;
} operations[] = {
    {op_new, 400}, {op_move, 200},   {op_hide, 150}, {op_cut, 60},   {op_copy, 40},
    {op_table, 1}, {op_handle, 60},  {op_global, 8}, {op_frame, 60}, {op_goroutine, 2},
    {op_weak, 60}, {op_hold, 10},    {op_batch, 6},  {op_share, 20}, {op_collect, 1},
    {op_sweep, 1}, {op_memstats, 1},
};

// --- players -----------------------------------------------------------------------------------------------------

static void player_begin(struct player *p)
{
    gcsim_status status;
    p->m = API->mutator_attach(p->game->heap, &status);
    INVARIANT(p->m);
    gcsim_enter(p->m);
    for (int i = 0; i < HANDLES; i++)
        p->handles[i] = API->handle_new(p->m, NULL);
    for (int i = 0; i < GLOBALS; i++)
        p->globals[i] = API->global_new(p->m, p->game->name);
    p->g = API->goroutine_new(p->m, p->game->name);
    for (int i = 0; i < TABLES; i++) {
        p->tables[i] = API->handle_new(p->m, NULL);
        uint64_t *o = player_makes(p, TABLE, &p->table_ids[i]);
        gcsim_store(p->m, &p->tables[i]->ptr, o);
    }
    gcsim_leave(p->m);
}

// When too much is alive, half of the roots go.
static void limit_live(struct player *p)
{
    struct game *g = p->game;
    gcsim_cycle c;
    if (API->cycle_info(g->heap, 0, &c) != GCSIM_OK)
        return;
    if (c.number > __atomic_load_n(&g->cycles, __ATOMIC_RELAXED))
        __atomic_store_n(&g->cycles, c.number, __ATOMIC_RELAXED);
    if (c.heap_marked > g->live_limit)
        for (int i = 0; i < 40; i++)
            player_puts(
                p, i < 20 ? free_root(p) : link_at(p->tables[i % TABLES]->ptr, choose(p, 2000)),
                NULL, 0);
}

static void player_turn(struct player *p)
{
    unsigned total = 0;
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        total += operations[i].weight;
    gcsim_enter(p->m);
    limit_live(p);
    for (int n = 0; n < TURN && !__atomic_load_n(&p->game->failed, __ATOMIC_RELAXED); n++) {
        uint64_t at = choose(p, total), i = 0;
        while (at >= operations[i].weight)
            at -= operations[i++].weight;
        p->marking += (p->m->barrier & GCSIM_BARRIER_MARKING) != 0;
        operations[i].run(p);
        p->operations++;
    }
    gcsim_leave(p->m);
    if (choose(p, 20) == 0) { // gone with grey objects, noted pointers, half-used spans
        API->mutator_detach(p->m);
        gcsim_status status;
        p->m = API->mutator_attach(p->game->heap, &status);
        INVARIANT(p->m);
    }
}

static bool player_goes_on(const struct player *p)
{
    const struct game *g = p->game;
    return !__atomic_load_n(&g->failed, __ATOMIC_RELAXED) &&
           __atomic_load_n(&g->cycles, __ATOMIC_RELAXED) < g->target;
}

static void player_end(struct player *p)
{
    gcsim_enter(p->m);
    for (int i = 0; i < HANDLES; i++)
        API->handle_drop(p->game->heap, p->handles[i]);
    for (int i = 0; i < TABLES; i++)
        API->handle_drop(p->game->heap, p->tables[i]);
    for (int i = 0; i < GLOBALS; i++)
        API->global_drop(p->m, p->globals[i]);
    for (int i = 0; i < WEAKS; i++)
        if (p->weaks[i])
            API->weak_drop(p->m, p->weaks[i]);
    if (p->batch)
        API->batch_drop(p->m, p->batch);
    API->goroutine_end(p->m, p->g);
    gcsim_leave(p->m);
    API->mutator_detach(p->m);
}

static void drop_mail(struct game *g)
{
    for (int i = 0; i < MOST_PLAYERS; i++) {
        gcsim_handle *handle = __atomic_exchange_n(&g->mail[i], NULL, __ATOMIC_ACQ_REL);
        if (handle) {
            API->handle_drop(g->heap, handle);
            g->dropped++;
        }
    }
}

#if GCSIM_STEPS
static void play(struct game *g, struct player *players, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        player_begin(&players[i]);
    while (player_goes_on(players))
        for (uint32_t i = 0; i < n; i++) {
            player_turn(&players[i]);
            drop_mail(g);
        }
    for (uint32_t i = 0; i < n; i++)
        player_end(&players[i]);
}
#else
static void *player_main(void *arg)
{
    struct player *p = arg;
    player_begin(p);
    while (player_goes_on(p))
        player_turn(p);
    player_end(p);
    return NULL;
}

enum { PATIENCE_S = 60 };

// Drops what comes with the mail, and sees to it that cycles end.
static void *dropper_main(void *arg)
{
    struct game *g = arg;
    uint64_t seen = 0, waited = 0;
    while (!__atomic_load_n(&g->over, __ATOMIC_ACQUIRE)) {
        drop_mail(g);
        struct timespec pause = {0, 200000};
        nanosleep(&pause, NULL);
        uint64_t cycles = __atomic_load_n(&g->cycles, __ATOMIC_RELAXED);
        waited = cycles == seen ? waited + 1 : 0;
        seen = cycles;
        if (waited > PATIENCE_S * 5000ull) {
            printf("FAIL  no cycle has ended in %d s, %" PRIu64 " so far\n", PATIENCE_S, cycles);
            abort();
        }
    }
    return NULL;
}

static void play(struct game *g, struct player *players, uint32_t n)
{
    pthread_t dropper;
    INVARIANT(pthread_create(&dropper, NULL, dropper_main, g) == 0);
    for (uint32_t i = 0; i < n; i++)
        INVARIANT(pthread_create(&players[i].thread, NULL, player_main, &players[i]) == 0);
    for (uint32_t i = 0; i < n; i++)
        pthread_join(players[i].thread, NULL);
    __atomic_store_n(&g->over, 1, __ATOMIC_RELEASE);
    pthread_join(dropper, NULL);
}
#endif

// --- games -------------------------------------------------------------------------------------------------------

static void define_types(struct game *g)
{
    for (enum kind kind = 0; kind < TABLE; kind++) {
        uint64_t mask[2] = {0};
        for (uint64_t i = 0; i < kinds[kind].links; i++)
            mask[(2 + 2 * i) / 64] |= 1ull << (2 + 2 * i) % 64;
        gcsim_type_desc desc = {.name = "object",
                                .bytes = kinds[kind].words * 8,
                                .ptr_bytes = kinds[kind].links * 16 + (kinds[kind].links ? 8 : 0),
                                .mask = mask,
                                .align = 8,
                                .kind = GCSIM_KIND_STRUCT};
        gcsim_status status;
        g->types[kind] = API->type_new(g->heap, &desc, &status);
        INVARIANT(g->types[kind]);
    }
    g->pair = make_type(g->heap, "pair", 2, 1);
    g->frame = make_type(g->heap, "frame", FRAME_PAIRS * 2, 0x55);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t torture(uint32_t engine, uint32_t n, uint64_t cycles, uint64_t seed,
                        uint32_t barrier, uint32_t stacks)
{
    gcsim_options options = {.bytes = sizeof options,
                             .reserve_bytes = 256 << 20,
                             .gc_percent = 1,
                             .procs = 2,
                             .mark_engine = engine + 1,
                             .check_mark = 1,
                             .verify_phases = 1,
                             .clobber_free = 1,
                             .shade_entries = 2 + 1,
                             .no_green_tea = seed % 4 == 3,
                             .barrier = barrier,
                             .stacks = stacks};
    char what[80];
    snprintf(what, sizeof what, "engine %u, barrier %u, stacks %u, %u players", engine, barrier,
             stacks, n);
    mut *m = open_heap(options);
    struct game g = {.heap = m->heap,
                     .lock = PTHREAD_MUTEX_INITIALIZER,
                     .target = cycles,
                     .live_limit = (200 + 150 * n) << 10};
    struct player players[MOST_PLAYERS] = {0};
    API->name_intern(g.heap, "torture", &g.name);
    define_types(&g);
    g.shared = API->handle_new(m, API->new_array(m, g.pair, SHARED + 1));
    gcsim_leave(m);
    for (uint32_t i = 0; i < n; i++)
        players[i] = (struct player){.game = &g, .number = i, .random = seed * 100 + i};
    uint64_t looked = 0, done = 0, marking = 0;
    double from = seconds();
    play(&g, players, n);
    double s = seconds() - from;
    for (uint32_t i = 0; i < n; i++) {
        looked += players[i].looked;
        done += players[i].operations;
        marking += players[i].marking;
    }
    check(!g.failed,
          "%s: %" PRIu64 " cycles (%.0f/s), %" PRIu64 " operations, %" PRIu64
          " of them while marking, %" PRIu64 " objects looked at, %" PRIu64 " handles by mail",
          what, g.cycles, (double)g.cycles / s, done, marking, looked, g.dropped);
    if (g.failed)
        exit(finish()); // the players left in the middle of something
    drop_mail(&g);
    gcsim_enter(m);
    uint64_t leaves = 0;
    for (uint64_t i = 0; i < SHARED; i++)
        leaves += *link_at(g.shared->ptr, i).slot != NULL;
    check(API->collect(m) == GCSIM_OK && count_objects(m) <= leaves + 1 && verifies(m),
          "%s: what they shared is left", what);
    gcsim_store(m, &g.shared->ptr, NULL);
    check(API->collect(m) == GCSIM_OK && count_objects(m) == 0 && verifies(m),
          "%s: in the end nothing", what);
    close_heap(m);
    return g.cycles;
}

#if defined(CORE_TSAN) || defined(CORE_ASAN)
enum { SLOWLY = 1 };
#else
enum { SLOWLY = 0 };
#endif

int main(int argc, char **argv)
{
    bool soak = getenv("GCSIM_SOAK") != NULL;
    uint64_t usual = soak ? 20000 : SLOWLY ? 160 : GCSIM_DEBUG ? 800 : 2400;
    uint64_t cycles = argc > 1 ? strtoull(argv[1], NULL, 10) : usual;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1, total = 0;
    printf("      %" PRIu64 " cycles, seed %" PRIu64 "\n", cycles, seed);
    double from = seconds();
    for (uint32_t engine = 0; engine < GCSIM_MARK_ENGINES; engine++)
        for (uint32_t n = 1; n <= MOST_PLAYERS; n *= 2)
            total +=
                torture(engine, n, cycles / 8, seed++, GCSIM_BARRIER_HYBRID, GCSIM_STACKS_STOPPED);
    for (uint32_t barrier = 0; barrier <= GCSIM_BARRIER_STEELE; barrier++)
        for (uint32_t stacks = 0; stacks < (GCSIM_STEPS ? GCSIM_STACKS_ORDERS : 1); stacks++)
            if ((barrier || stacks) && !(barrier == GCSIM_BARRIER_YUASA && stacks)) // what is sound
                total += torture(GCSIM_MARK_OBJECT, 4, cycles / 24, seed++, barrier, stacks);
    double s = seconds() - from;
    printf("      %" PRIu64 " cycles in %.1f s: %.0f cycles/s\n", total, s, (double)total / s);
    return finish();
}
