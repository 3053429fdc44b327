// instantiations: step
//
// A cycle of a small heap step by step: any walk back and forth over its timeline, live stacks and changes from outside included, leads
// through the same states bit by bit.
#include "harness.h"

#include "gcsim/steps.h"
#include "steps/timeline.h"
#include "steps/view.h"

enum { NODES = 40, STATES = 3000 };

static const gcsim_stepping_api *steps;

// --- a copy of everything that matters: every committed byte but dead stacks and pages of no span

struct copy {
    uint64_t bytes;
    char *all;
};

static uint64_t alive(gcsim_heap *heap, int r, uint64_t at, uint64_t *to)
{
    struct world *w = heap->mheap.world;
    *to = w->regions[r].committed;
    if (r == REGION_ARENA)
        *to = heap->mheap.used_pages << PAGE_SHIFT;
    if (r != REGION_COROUTINES || at >= *to)
        return at;
    uint32_t i = (uint32_t)(at / RT_STACK_BYTES);
    if (i >= heap->mheap.rt.used)
        return *to;
    struct coroutine *co = coroutine_at(&heap->mheap.rt, i);
    char *top = co->status == COROUTINE_FREE ? (char *)co : (char *)co->sp;
    *to = (uint64_t)(i + 1) * RT_STACK_BYTES;
    return (uint64_t)(top - world_at(w, r));
}

__attribute__((no_sanitize_address)) static void copy_bytes(char *to, const char *from, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        ((volatile char *)to)[i] = from[i];
}

static struct copy copy_all(gcsim_heap *heap)
{
    struct copy c = {0};
    for (int r = 0; r < WORLD_REGIONS; r++)
        for (uint64_t at = 0, to; (at = alive(heap, r, at, &to)) < to; at = to) {
            c.all = realloc(c.all, c.bytes + to - at);
            copy_bytes(c.all + c.bytes, world_at(heap->mheap.world, r) + at, to - at);
            c.bytes += to - at;
        }
    return c;
}

static bool is_copy(gcsim_heap *heap, const struct copy *c)
{
    struct copy now = copy_all(heap);
    bool same = now.bytes == c->bytes && memcmp(now.all, c->all, c->bytes) == 0;
    free(now.all);
    return same;
}

// --- a heap with a list and a ring

struct life {
    gcsim_heap *heap;
    gcsim_mutator *m;
    const gcsim_type *node;
    gcsim_handle *list;
};

static struct life live(void)
{
    static const uint64_t mask = 3;
    struct life l = {0};
    gcsim_status status;
    gcsim_options options = {.bytes = sizeof options,
                             .reserve_bytes = 64 << 20,
                             .mark_engine = GCSIM_MARK_FIELD,
                             .shade_entries = 4,
                             .events = 64};
    gcsim_type_desc desc = {
        .name = "node", .bytes = 24, .ptr_bytes = 16, .align = 8, .mask = &mask};
    l.heap = API->heap_create(&options, &status);
    l.node = API->type_new(l.heap, &desc, &status);
    l.m = API->mutator_attach(l.heap, &status);
    gcsim_enter(l.m);
    l.list = API->handle_new(l.m, NULL);
    for (int i = 0; i < NODES; i++) {
        void **p = gcsim_new(l.m, l.node);
        gcsim_store(l.m, p, l.list->ptr);
        if (i % 3)
            gcsim_store(l.m, &l.list->ptr, p);
    }
    gcsim_leave(l.m);
    return l;
}

static void meddle(struct life *l, uint64_t what)
{
    gcsim_enter(l->m);
    void **p = gcsim_new(l->m, l->node);
    if (what % 2) {
        gcsim_store(l->m, p, l->list->ptr);
        gcsim_store(l->m, &l->list->ptr, p);
    } else if (l->list->ptr) {
        void **head = l->list->ptr;
        gcsim_store(l->m, &head[1], p);
        gcsim_store(l->m, &l->list->ptr, head[0]);
    }
    gcsim_leave(l->m);
}

static gcsim_timeline *begin(struct life *l, uint32_t kind)
{
    gcsim_status status;
    check(steps->actor_collect(l->heap, &status) != UINT32_MAX, "a collector is an actor");
    steps->set_quiet(l->heap, 1ull << EVENT_LOCK);
    gcsim_schedule schedule = {.bytes = sizeof schedule, .kind = kind, .seed = 7};
    return steps->timeline_new(l->heap, &schedule);
}

static uint64_t at(const gcsim_timeline *t)
{
    gcsim_timeline_info info;
    steps->timeline_info(t, &info);
    return info.at;
}

static void back_and_forth(uint32_t kind, uint64_t seed)
{
    struct life l = live();
    gcsim_timeline *t = begin(&l, kind);
    static struct copy copies[STATES];
    static uint64_t hashes[STATES];
    uint64_t random = seed, known = 0, done, meddled = 0;
    bool exact = true;
    copies[0] = copy_all(l.heap);
    hashes[0] = steps->state_hash(l.heap);
    uint32_t end = GCSIM_RUN_STEPS;
    while (end == GCSIM_RUN_STEPS && known + 2 < STATES) {
        if (below(&random, 12) == 0) {
            steps->timeline_touch(t);
            meddle(&l, random);
            exact &= steps->timeline_notice(t) == 1;
            meddled++;
        } else {
            end = steps->timeline_run(t, 1, 0, &done);
            if (!done)
                break;
        }
        exact &= at(t) == ++known;
        copies[known] = copy_all(l.heap);
        hashes[known] = steps->state_hash(l.heap);
    }
    check(end == GCSIM_RUN_ENDED && exact, "a cycle of %" PRIu64 " steps, %" PRIu64 " from outside",
          known, meddled);
    for (int i = 0; i < 300 && exact; i++) {
        uint64_t to = below(&random, known + 1);
        if (below(&random, 3)) {
            exact &= steps->timeline_goto(t, to) == GCSIM_OK;
        } else {
            steps->timeline_run(t, below(&random, 40), 0, &done);
            to = at(t);
        }
        if (below(&random, 4) == 0) { // a look, which changes nothing
            steps->timeline_touch(t);
            exact &= steps->timeline_notice(t) == 0;
        }
        exact &=
            at(t) == to && steps->state_hash(l.heap) == hashes[to] && is_copy(l.heap, &copies[to]);
    }
    check(exact, "300 ways back and forth lead to the same states bit by bit");
    gcsim_violation found[4];
    steps->timeline_goto(t, known / 2);
    check(steps->timeline_verify(t, l.m, found, 4) == 0 && at(t) == known / 2 &&
              is_copy(l.heap, &copies[known / 2]),
          "verify in the middle finishes the cycle and leaves no trace");
    check(steps->timeline_goto(t, known + 1) == GCSIM_BAD_SIZE, "there is no way past the end");
    steps->timeline_touch(t);
    meddle(&l, 1);
    check(steps->timeline_notice(t) == 1 && at(t) == known / 2 + 1 &&
              steps->timeline_goto(t, known / 2 + 2) == GCSIM_BAD_SIZE &&
              steps->timeline_goto(t, known / 2) == GCSIM_OK && is_copy(l.heap, &copies[known / 2]),
          "something else done in the past begins another future");
    while (steps->timeline_run(t, 1000, 0, &done) == GCSIM_RUN_STEPS)
        ;
    gcsim_enter(l.m);
    check(API->verify(l.m, found, 4) == 0, "which verifies in the end");
    gcsim_leave(l.m);
    steps->timeline_free(t);
    API->heap_destroy(l.heap);
    for (uint64_t i = 0; i <= known; i++)
        free(copies[i].all);
}

// --- what is seen

static bool shading(gcsim_heap *heap)
{
    bool any = false;
    for (struct mutator *m = heap->mheap.mutators; m; m = m->next)
        any |= m->work.shading != NULL;
    return any;
}

static void colours(void)
{
    struct life l = live();
    gcsim_timeline *t = begin(&l, GCSIM_SCHEDULE_ROUND_ROBIN);
    gcsim_view_object objects[4 * NODES];
    void *queue[4 * NODES];
    uint64_t done, seen_grey = 0, seen_scanning = 0, states = 0;
    bool whole = true, true_to_bits = true;
    uint32_t end = GCSIM_RUN_STEPS;
    while (end == GCSIM_RUN_STEPS) {
        uint64_t n = steps->view_objects(l.heap, objects, 4 * NODES), grey = 0;
        uint64_t queued = steps->view_queue(l.heap, queue, 4 * NODES);
        for (uint64_t i = 0; i < n; i++) {
            grey += objects[i].colour == GCSIM_GREY && !objects[i].scanning;
            seen_scanning += objects[i].scanning;
            true_to_bits &= (objects[i].colour == GCSIM_WHITE) == !objects[i].object.marked;
        }
        whole &= grey == queued || (grey == queued + 1 && shading(l.heap));
        seen_grey += grey;
        states++;
        end = steps->timeline_run(t, 1, 0, &done);
    }
    check(whole && true_to_bits && seen_grey && seen_scanning,
          "in %" PRIu64 " states grey is what is queued or being scanned, white what is not marked",
          states);
    uint64_t n = steps->view_objects(l.heap, objects, 4 * NODES), listed = 0, cursor = 0;
    gcsim_object o;
    for (gcsim_enter(l.m); API->objects(l.m, &cursor, &o, 1);)
        listed++;
    gcsim_leave(l.m);
    check(n == listed && n == NODES * 2 / 3, "in the end those that live are there: %" PRIu64, n);
    steps->timeline_free(t);
    API->heap_destroy(l.heap);
}

int main(void)
{
    steps = gcsim_stepping();
    for (uint64_t seed = 1; seed <= 3; seed++)
        back_and_forth(seed == 1 ? GCSIM_SCHEDULE_ROUND_ROBIN : GCSIM_SCHEDULE_RANDOM, seed);
    colours();
    return finish();
}
