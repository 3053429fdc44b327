#include "steps/actor.h"

#include "gc/cycle.h"
#include "gc/waits.h"
#include "gc/world.h"

CORE struct actors *actors_of(gcsim_heap *heap) { return heap->actors; }

static bool nobody_is_left(const struct actors *all)
{
    for (uint32_t i = 0; i < all->n; i++)
        if (!all->each[i].ended)
            return false;
    return true;
}

CORE uint32_t actor_start(gcsim_heap *heap, uint32_t role, rt_call_fn run, gcsim_status *status)
{
    struct mheap *h = &heap->mheap;
    *status = GCSIM_NO_MEMORY;
    if (!heap->actors)
        heap->actors = meta_alloc(&h->meta, &h->rt, sizeof *heap->actors);
    struct actors *all = heap->actors;
    if (all && !all->stage.given.bytes && nobody_is_left(all))
        all->n = 0; // numbers begin anew
    if (!all || all->n == MAX_ACTORS || !rt_keep_room(&h->rt, h->rt.used + 1))
        return UINT32_MAX;
    gcsim_mutator *m = world_attach(heap, false, status);
    if (!m)
        return UINT32_MAX;
    struct actor *a = &all->each[all->n];
    *a = (struct actor){.heap = heap, .m = mutator_of(m), .role = role};
    a->coroutine = rt_start(&h->rt, run, a);
    if (a->coroutine == RT_NOBODY) {
        world_detach(a->m);
        *status = GCSIM_NO_MEMORY;
        return UINT32_MAX;
    }
    *status = GCSIM_OK;
    return all->n++;
}

CORE void actor_end(struct actor *a)
{
    world_detach(a->m);
    a->m = NULL;
    a->ended = 1;
}

// --- one of them -------------------------------------------------------------------------------------------------

static struct coroutine *coroutine_of(struct actor *a)
{
    return coroutine_at(&a->heap->mheap.rt, a->coroutine);
}

CORE bool actor_can_run(struct actors *all, uint32_t i)
{
    struct actor *a = &all->each[i];
    return !a->ended && rt_can_run(&a->heap->mheap.rt, a->coroutine);
}

CORE uint32_t actor_choices(struct actors *all, uint32_t i)
{
    return coroutine_of(&all->each[i])->choices;
}

CORE uint32_t actor_point(struct actors *all, uint32_t i)
{
    return coroutine_of(&all->each[i])->point;
}

CORE bool actor_step(struct actors *all, uint32_t i, uint32_t choice)
{
    struct actor *a = &all->each[i];
    return !a->ended && rt_resume(&a->heap->mheap.rt, a->coroutine, choice);
}

// --- a collector -------------------------------------------------------------------------------------------------

static void run_cycle(void *arg)
{
    struct actor *a = arg;
    gcsim_enter(&a->m->pub);
    a->status = cycle_run(a->m, GCSIM_TRIGGER_FORCED);
    gcsim_leave(&a->m->pub);
    actor_end(a);
}

CORE uint32_t actor_collect(gcsim_heap *heap, gcsim_status *status)
{
    return actor_start(heap, GCSIM_ROLE_COLLECTOR, run_cycle, status);
}

// --- the table ---------------------------------------------------------------------------------------------------

struct collecting {
    gcsim_heap *heap;
    gcsim_status *status;
    uint32_t number;
};

static void start_collecting(void *arg)
{
    struct collecting *c = arg;
    c->number = actor_collect(c->heap, c->status);
}

static uint32_t steps_actor_collect(gcsim_heap *heap, gcsim_status *status)
{
    struct collecting c = {.heap = heap, .status = status};
    rt_call(&heap->mheap.rt, start_collecting, &c);
    return c.number;
}

static const char *actor_waits_for(struct actor *a, char *buffer, size_t room)
{
    return wait_name(&a->heap->mheap, coroutine_of(a)->wait_word, buffer, room);
}

CORE void actors_say_waits(struct actors *all, char *text, size_t room)
{
    size_t n = (size_t)snprintf(text, room, "nobody can run");
    for (uint32_t i = 0; i < all->n && n < room; i++) {
        char name[64];
        if (!all->each[i].ended)
            n += (size_t)snprintf(text + n, room - n, "; %c waits for %s", (char)('a' + i),
                                  actor_waits_for(&all->each[i], name, sizeof name));
    }
}

static void describe_actor(struct actors *all, uint32_t i, gcsim_actor *out)
{
    struct actor *a = &all->each[i];
    *out = (gcsim_actor){.number = i, .role = a->role, .point = UINT32_MAX};
    memcpy(&out->op, &a->last, sizeof out->op);
    if (a->ended) {
        out->state = GCSIM_ACTOR_ENDED;
        return;
    }
    struct coroutine *co = coroutine_of(a);
    bool can = actor_can_run(all, i);
    out->mutator = a->m->pub.id;
    out->state = can ? GCSIM_ACTOR_READY : GCSIM_ACTOR_WAITING;
    bool begun = co->sp != first_frame(co);
    out->point = begun ? co->point : UINT32_MAX;
    out->choices = co->choices;
    out->where = co->where;
    out->arg = co->arg;
    if (!can)
        actor_waits_for(a, out->waits_for, sizeof out->waits_for);
}

static uint64_t steps_actors(gcsim_heap *heap, gcsim_actor *out, uint64_t room)
{
    struct actors *all = actors_of(heap);
    uint64_t n = all ? all->n : 0;
    for (uint32_t i = 0; i < n && i < room; i++)
        describe_actor(all, i, &out[i]);
    return n;
}

static uint32_t steps_run(gcsim_heap *heap, gcsim_schedule *schedule, uint64_t n, uint64_t points,
                          gcsim_taken *taken, uint64_t *done)
{
    struct actors *all = actors_of(heap);
    *done = 0;
    if (!all)
        return GCSIM_RUN_ENDED;
    for (; *done < n; ++*done) {
        gcsim_taken next;
        uint32_t end;
        if (!schedule_next(schedule, all, &next, &end))
            return end;
        actor_step(all, next.actor, next.choice);
        if (taken)
            taken[*done] = next;
        if (!all->each[next.actor].ended && points >> actor_point(all, next.actor) & 1) {
            ++*done;
            return GCSIM_RUN_POINT;
        }
    }
    return GCSIM_RUN_STEPS;
}

static void steps_set_quiet(gcsim_heap *heap, uint64_t points)
{
    heap->mheap.rt.quiet =
        points & ~(1ull << EVENT_WAIT); // who looks again and again lets others run
}

static uint64_t steps_state_hash(gcsim_heap *heap)
{
    struct rt *rt = &heap->mheap.rt;
    uint64_t hash = world_hash(heap->mheap.world);
    for (uint32_t i = 0; i < rt->used; i++) {
        struct coroutine *co = coroutine_at(rt, i);
        if (co->status == COROUTINE_FREE)
            continue;
        const uint64_t *end = (const uint64_t *)(void *)co + sizeof *co / 8;
        for (const uint64_t *p = co->sp; p < end; p++)
            hash = (hash ^ *p ^ i) * 1099511628211ull;
    }
    return hash;
}

static const char *steps_stage_error(const gcsim_stage *stage) { return stage_error(stage); }
static gcsim_status steps_stage_set(gcsim_heap *heap, const gcsim_stage *stage)
{
    return stage_set(heap, stage);
}
static gcsim_status steps_explore(gcsim_heap *heap, const gcsim_search *search, gcsim_found *out)
{
    return explore(heap, search, out);
}

static const gcsim_stepping_api steps_table = {
    .bytes = sizeof(gcsim_stepping_api),
#define STEPS(ret, name, n, ...) .name = steps_##name,
#include "gcsim/steps.def"
#undef STEPS
};

const gcsim_stepping_api *gcsim_stepping(void) { return &steps_table; }
