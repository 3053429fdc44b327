// There is a mark at the beginning, on both sides of each change from outside, and in between at least every so many steps. To come to step k is
// to go to the last mark before it and to take the steps again that were taken from there: a step is a function of the world, and of
// the schedule's own memory, which each mark keeps.
//
// What a coroutine left below its stack pointer may come to lie in a later frame, in a place that is not written: so it is cleared after
// each step, and whenever calls may have run there.
//
// The log's present mark is the last one at or before `at`. Between touch and notice there is one exactly at `at`.
#include "steps/timeline.h"

#include "base/room.h"
#include "steps/actor.h"

// actor.c
static uint32_t steps_run(gcsim_heap *heap, gcsim_schedule *schedule, uint64_t n, uint64_t points,
                          gcsim_taken *taken, uint64_t *done);

enum { STEPS_PER_MARK = 256, STACK_PIECE = 4096, STACK_CLEAR = 16 << 10 };

struct moment { // what a mark of the log is
    uint64_t step;
    uint64_t state[sizeof((gcsim_schedule *)0)->state / 8]; // of the schedule
};

struct gcsim_timeline {
    gcsim_heap *heap;
    struct world_limits limits;
    struct world_log *log;
    gcsim_schedule schedule;
    char *text; // of the schedule
    uint64_t at, length;
    gcsim_timeline_step *steps;
    uint64_t room_steps;
    struct moment *moments; // by mark
    uint64_t nmoments, room_moments;
    struct moment *aside; // those behind a mark on approval
    uint64_t naside;
    uint64_t now;     // the log's present mark
    bool touched;     // something outside may have changed the world since
    bool on_approval; // and the present mark was made only to find out
    bool broken;      // memory ran out: no way back
};

// --- what of a world matters -------------------------------------------------------------------------------------

static uint64_t arena_used(void *arg)
{
    gcsim_timeline *t = arg;
    return t->heap->mheap.used_pages << PAGE_SHIFT;
}

static bool live_stack(void *arg, uint32_t i, uint64_t *from, uint64_t *to)
{
    gcsim_timeline *t = arg;
    struct rt *rt = &t->heap->mheap.rt;
    if (i >= rt->used)
        return false;
    struct coroutine *co = coroutine_at(rt, i);
    const char *top = co->status == COROUTINE_FREE ? (const char *)co : co->sp;
    *from = (uint64_t)(top - world_at(rt->world, REGION_COROUTINES));
    *to = (uint64_t)(i + 1) * RT_STACK_BYTES;
    return true;
}

#ifdef CORE_ASAN
__attribute__((no_sanitize_address, noinline))
#endif
static bool clear_words(uint64_t *from, uint64_t *to)
{
    uint64_t any = 0;
    for (uint64_t *p = from; p < to; p++)
        any |= *p;
    for (volatile uint64_t *p = from; any && p < to; p++)
        *p = 0;
    return any != 0;
}

// Downwards, as far as anything lies there; no frame is so large that it leaves as much of a stack unwritten.
static void clear_dead(gcsim_timeline *t, uint32_t i)
{
    uint64_t from, to, clear = 0;
    if (!live_stack(t, i, &from, &to))
        return;
    char *stack = coroutine_stack(&t->heap->mheap.rt, i);
    uint64_t at = from - (uint64_t)i * RT_STACK_BYTES;
    while (at && clear < STACK_CLEAR) {
        uint64_t low = (at - 1) / STACK_PIECE * STACK_PIECE;
        bool any = clear_words((uint64_t *)(void *)(stack + low), (uint64_t *)(void *)(stack + at));
        clear = any ? 0 : clear + at - low;
        at = low;
    }
}

static void clear_all_dead(gcsim_timeline *t)
{
    for (uint32_t i = 0; i < t->heap->mheap.rt.used; i++)
        clear_dead(t, i);
}

// --- marks -------------------------------------------------------------------------------------------------------

// At the present step; those behind are forgotten.
static bool mark(gcsim_timeline *t)
{
    uint64_t next = t->nmoments ? t->now + 1 : 0;
    if (!room_for((void **)&t->moments, &t->room_moments, next + 1, sizeof *t->moments) ||
        world_log_mark(t->log) < 0) {
        t->broken = true;
        return false;
    }
    struct moment *m = &t->moments[next];
    m->step = t->at;
    memcpy(m->state, t->schedule.state, sizeof m->state);
    t->now = next;
    t->nmoments = next + 1;
    return true;
}

// The world as it was at a mark, or as it would have become.
static bool move(gcsim_timeline *t, uint64_t to)
{
    if (!world_log_rewind(t->log, (int64_t)to)) {
        t->broken = true;
        return false;
    }
    clear_all_dead(t);
    t->now = to;
    t->at = t->moments[to].step;
    memcpy(t->schedule.state, t->moments[to].state, sizeof t->moments[to].state);
    return true;
}

// What was known behind the present step will not come again.
static void forget(gcsim_timeline *t)
{
    t->length = t->at;
    t->nmoments = t->now + 1;
    world_log_forget(t->log);
}

CORE gcsim_timeline *timeline_new(gcsim_heap *heap, const gcsim_schedule *schedule)
{
    gcsim_timeline *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->heap = heap;
    t->limits = (struct world_limits){t, arena_used, live_stack};
    memcpy(&t->schedule, schedule,
           schedule->bytes < sizeof *schedule ? schedule->bytes : sizeof *schedule);
    if (schedule->text && !(t->schedule.text = t->text = strdup(schedule->text))) {
        free(t);
        return NULL;
    }
    t->log = world_log_create(heap->mheap.world, &t->limits);
    if (t->log)
        clear_all_dead(t);
    if (!t->log || !mark(t)) {
        timeline_free(t);
        return NULL;
    }
    return t;
}

CORE void timeline_free(gcsim_timeline *t)
{
    if (!t)
        return;
    world_log_destroy(t->log);
    free(t->text);
    free(t->steps);
    free(t->moments);
    free(t->aside);
    free(t);
}

// --- from outside ------------------------------------------------------------------------------------------------

static bool set_aside(gcsim_timeline *t)
{
    t->naside = t->nmoments - t->now - 1;
    t->aside = malloc((t->naside + 1) * sizeof *t->aside);
    if (!t->aside || !world_log_set_aside(t->log))
        return false;
    memcpy(t->aside, t->moments + t->now + 1, t->naside * sizeof *t->aside);
    return true;
}

static void let_go(gcsim_timeline *t)
{
    free(t->aside);
    t->aside = NULL;
    t->touched = t->on_approval = false;
}

// As before the touch. There is room: they were here before.
static void take_back(gcsim_timeline *t)
{
    clear_all_dead(t);
    if (t->on_approval) {
        world_log_take_back(t->log);
        t->now--;
        memcpy(t->moments + t->now + 1, t->aside, t->naside * sizeof *t->aside);
        t->nmoments = t->now + 1 + t->naside;
    }
    let_go(t);
}

CORE void timeline_touch(gcsim_timeline *t)
{
    if (t->touched || t->broken)
        return;
    t->touched = true;
    if (t->moments[t->now].step == t->at)
        return;
    if (!set_aside(t) || !mark(t)) {
        t->broken = true;
        return;
    }
    t->on_approval = true;
}

static bool add_step(gcsim_timeline *t, gcsim_timeline_step step)
{
    if (!room_for((void **)&t->steps, &t->room_steps, t->at + 1, sizeof *t->steps)) {
        t->broken = true;
        return false;
    }
    t->steps[t->at++] = step;
    t->length = t->at;
    return true;
}

CORE int timeline_notice(gcsim_timeline *t)
{
    if (t->broken)
        return -1;
    if (!t->touched)
        return 0;
    if (!world_log_changed(t->log)) {
        take_back(t);
        return 0;
    }
    clear_all_dead(t);
    world_log_drop_aside(t->log);
    let_go(t);
    forget(t);
    return add_step(t, (gcsim_timeline_step){.how = GCSIM_STEP_OUTSIDE}) && mark(t) ? 1 : -1;
}

// --- steps that are known ----------------------------------------------------------------------------------------

// Who takes it goes into *taken.
static uint32_t walk(gcsim_timeline *t, gcsim_schedule *schedule, uint64_t points,
                     gcsim_taken *taken, uint64_t *done)
{
    uint32_t end = steps_run(t->heap, schedule, 1, points, taken, done);
    if (*done)
        clear_dead(t, t->heap->actors->each[taken->actor].coroutine);
    return end;
}

static uint32_t walk_step(gcsim_timeline *t, const gcsim_timeline_step *step, uint64_t points,
                          uint64_t *done)
{
    gcsim_schedule hand = {
        .kind = GCSIM_SCHEDULE_ONE, .actor = step->actor, .choice = step->choice};
    gcsim_taken taken;
    return walk(t, step->how == GCSIM_STEP_BY_HAND ? &hand : &t->schedule, points, &taken, done);
}

static bool has_ended(gcsim_timeline *t)
{
    struct actors *all = actors_of(t->heap);
    for (uint32_t i = 0; i < all->n; i++)
        if (!all->each[i].ended)
            return false;
    return true;
}

// One of them again. Where a mark was made the world is as it was then: the log's shadow follows.
static uint32_t again(gcsim_timeline *t, uint64_t points)
{
    const gcsim_timeline_step *step = &t->steps[t->at];
    uint32_t end = GCSIM_RUN_STEPS;
    if (step->how != GCSIM_STEP_OUTSIDE) {
        uint64_t done;
        end = walk_step(t, step, points, &done);
        t->at++;
    }
    bool marked = t->now + 1 < t->nmoments &&
                  t->moments[t->now + 1].step == t->at + (step->how == GCSIM_STEP_OUTSIDE);
    return marked && !move(t, t->now + 1) ? 0 : end;
}

CORE gcsim_status timeline_goto(gcsim_timeline *t, uint64_t k)
{
    if (t->broken)
        return GCSIM_NO_MEMORY;
    if (k > t->length)
        return GCSIM_BAD_SIZE;
    uint64_t to = t->now;
    while (t->moments[to].step > k)
        to--;
    while (to + 1 < t->nmoments && t->moments[to + 1].step <= k)
        to++;
    if ((k < t->at || to != t->now) && !move(t, to))
        return GCSIM_NO_MEMORY;
    while (t->at < k)
        if (!again(t, 0))
            return GCSIM_NO_MEMORY;
    return GCSIM_OK;
}

// --- new ones ----------------------------------------------------------------------------------------------------

static uint32_t run_new(gcsim_timeline *t, uint64_t points, uint64_t *done)
{
    gcsim_taken taken;
    uint32_t end = walk(t, &t->schedule, points, &taken, done);
    if (*done && !add_step(t, (gcsim_timeline_step){.actor = taken.actor, .choice = taken.choice}))
        return 0;
    return t->at - t->moments[t->now].step >= STEPS_PER_MARK && !mark(t) ? 0 : end;
}

// A run ends where the cycle ends, whatever was done from outside behind it.
CORE uint32_t timeline_run(gcsim_timeline *t, uint64_t n, uint64_t points, uint64_t *done)
{
    *done = 0;
    if (timeline_notice(t) < 0)
        return 0;
    while (*done < n) {
        uint64_t more = 1;
        bool known = t->at < t->length;
        if (known && *done && has_ended(t))
            return GCSIM_RUN_ENDED;
        uint32_t end = known ? again(t, points) : run_new(t, points, &more);
        *done += more;
        if (end != GCSIM_RUN_STEPS)
            return end;
    }
    return GCSIM_RUN_STEPS;
}

CORE uint32_t timeline_by_hand(gcsim_timeline *t, gcsim_taken taken)
{
    gcsim_timeline_step step = {
        .actor = taken.actor, .choice = taken.choice, .how = GCSIM_STEP_BY_HAND};
    if (timeline_notice(t) < 0)
        return 0;
    const gcsim_timeline_step *known = t->at < t->length ? &t->steps[t->at] : NULL;
    if (known && memcmp(known, &step, sizeof step) == 0)
        return again(t, 0);
    uint64_t done;
    uint32_t end = walk_step(t, &step, 0, &done);
    if (end != GCSIM_RUN_STEPS)
        return end; // it was not taken
    forget(t);
    if (!add_step(t, step))
        return 0;
    return t->at - t->moments[t->now].step >= STEPS_PER_MARK && !mark(t) ? 0 : end;
}

// --- the table ---------------------------------------------------------------------------------------------------

static gcsim_timeline *steps_timeline_new(gcsim_heap *heap, const gcsim_schedule *schedule)
{
    return timeline_new(heap, schedule);
}
static void steps_timeline_free(gcsim_timeline *t) { timeline_free(t); }
static void steps_timeline_info(const gcsim_timeline *t, gcsim_timeline_info *out)
{
    *out =
        (gcsim_timeline_info){.at = t->at,
                              .length = t->length,
                              .marks = t->nmoments,
                              .bytes = world_log_bytes(t->log) + t->room_steps * sizeof *t->steps +
                                       t->room_moments * sizeof *t->moments};
}
static void steps_timeline_steps(const gcsim_timeline *t, uint64_t from, uint64_t to,
                                 gcsim_timeline_step *out)
{
    if (from < to && to <= t->length)
        memcpy(out, t->steps + from, (to - from) * sizeof *out);
}
static void steps_timeline_touch(gcsim_timeline *t) { timeline_touch(t); }
static int steps_timeline_notice(gcsim_timeline *t) { return timeline_notice(t); }
static uint32_t steps_timeline_run(gcsim_timeline *t, uint64_t n, uint64_t points, uint64_t *done)
{
    return timeline_run(t, n, points, done);
}
static uint32_t steps_timeline_by_hand(gcsim_timeline *t, uint32_t actor, uint32_t choice)
{
    return timeline_by_hand(t, (gcsim_taken){(uint8_t)actor, (uint8_t)choice});
}
static gcsim_status steps_timeline_goto(gcsim_timeline *t, uint64_t k)
{
    return timeline_notice(t) < 0 ? GCSIM_NO_MEMORY : timeline_goto(t, k);
}
static uint64_t steps_timeline_verify(gcsim_timeline *t, gcsim_mutator *m, gcsim_violation *out,
                                      uint64_t room)
{
    if (timeline_notice(t) < 0)
        return UINT64_MAX;
    timeline_touch(t);
    if (t->broken)
        return UINT64_MAX;
    gcsim_enter(m);
    uint64_t n = m->api->verify(m, out, room);
    gcsim_leave(m);
    uint64_t at = t->at;
    if (!move(t, t->now))
        return UINT64_MAX;
    INVARIANT(t->at == at);
    take_back(t);
    return n;
}
