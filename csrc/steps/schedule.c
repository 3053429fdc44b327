// Who goes next.
#include "steps/actor.h"

#include <ctype.h>

// gcsim_schedule.state, by kind.
enum {
    STATE_STARTED,
    STATE_RANDOM,
    STATE_LAST,       // round robin
    STATE_STEP,       // PCT
    STATE_LOWEST,     // PCT: priority of who was put behind all others last
    STATE_AT,         // text: next letter
    STATE_REPEATS,    // text: of the letter before
    STATE_PRIORITIES, // PCT: a byte for each actor
};

// splitmix64
static uint64_t random_below(gcsim_schedule *s, uint64_t n)
{
    uint64_t z = s->state[STATE_RANDOM] += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return (z ^ z >> 31) % n;
}

static uint32_t count_able(struct actors *all)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < all->n; i++)
        n += actor_can_run(all, i);
    return n;
}

static uint32_t nobody(struct actors *all)
{
    for (uint32_t i = 0; i < all->n; i++)
        if (!all->each[i].ended)
            return GCSIM_RUN_DEADLOCK;
    return GCSIM_RUN_ENDED;
}

static uint8_t any_choice(gcsim_schedule *s, struct actors *all, uint32_t i)
{
    uint32_t n = actor_choices(all, i);
    return n > 1 ? (uint8_t)random_below(s, n) : 0;
}

static uint32_t pick_round_robin(gcsim_schedule *s, struct actors *all)
{
    uint32_t i = (uint32_t)s->state[STATE_LAST];
    do
        i = (i + 1) % all->n;
    while (!actor_can_run(all, i));
    s->state[STATE_LAST] = i;
    return i;
}

static uint32_t pick_random(gcsim_schedule *s, struct actors *all)
{
    uint32_t k = (uint32_t)random_below(s, count_able(all)), i = 0;
    while (!actor_can_run(all, i) || k--)
        i++;
    return i;
}

// Burckhardt et al., "A randomized scheduler with probabilistic guarantees of finding bugs" (2010): random priorities, the highest that can
// runs, and at each of a few random steps who runs is put behind all others.
static uint32_t pick_pct(gcsim_schedule *s, struct actors *all)
{
    uint8_t *priority = (uint8_t *)&s->state[STATE_PRIORITIES];
    if (s->state[STATE_STEP] == 0) {
        s->state[STATE_LOWEST] = 128;
        for (uint32_t i = 0; i < all->n; i++)
            priority[i] = (uint8_t)(129 + random_below(s, 100));
    }
    uint32_t best = MAX_ACTORS;
    for (uint32_t i = 0; i < all->n; i++)
        if (actor_can_run(all, i) && (best == MAX_ACTORS || priority[i] > priority[best]))
            best = i;
    s->state[STATE_STEP]++;
    if (s->changes && random_below(s, s->length ? s->length : 1) < s->changes)
        priority[best] = (uint8_t)(s->state[STATE_LOWEST] ? --s->state[STATE_LOWEST] : 0);
    return best;
}

// "c12 a b.3": the next step of a text. False: it is used up (*end OUT) or not to be understood (MISFIT).
static bool read_text(gcsim_schedule *s, gcsim_taken *next, uint32_t *end)
{
    const char *p = s->text + s->state[STATE_AT];
    if (s->state[STATE_REPEATS]) {
        s->state[STATE_REPEATS]--;
        next->actor = (uint8_t)s->state[STATE_LAST];
        return true;
    }
    while (isspace((unsigned char)*p))
        p++;
    *end = *p ? GCSIM_RUN_MISFIT : GCSIM_RUN_OUT;
    if (*p < 'a' || *p > 'z')
        return false;
    next->actor = (uint8_t)(*p++ - 'a');
    s->state[STATE_LAST] = next->actor;
    char *behind = (char *)(uintptr_t)p;
    if (*p == '.')
        next->choice = (uint8_t)strtoul(p + 1, &behind, 10);
    else if (isdigit((unsigned char)*p))
        s->state[STATE_REPEATS] = strtoull(p, &behind, 10) - 1;
    s->state[STATE_AT] = (uint64_t)(behind - s->text);
    return true;
}

static bool fits(struct actors *all, const gcsim_taken *next)
{
    if (next->actor >= all->n || !actor_can_run(all, next->actor))
        return false;
    uint32_t choices = actor_choices(all, next->actor);
    return choices ? next->choice < choices : next->choice == 0;
}

CORE bool schedule_next(gcsim_schedule *s, struct actors *all, gcsim_taken *next, uint32_t *end)
{
    *next = (gcsim_taken){0};
    if (!s->state[STATE_STARTED]) {
        s->state[STATE_STARTED] = 1;
        s->state[STATE_RANDOM] = s->seed;
        s->state[STATE_LAST] = all->n - 1;
    }
    *end = nobody(all);
    if (!count_able(all))
        return false;
    switch (s->kind) {
    case GCSIM_SCHEDULE_ROUND_ROBIN:
        next->actor = (uint8_t)pick_round_robin(s, all);
        break;
    case GCSIM_SCHEDULE_RANDOM:
        next->actor = (uint8_t)pick_random(s, all);
        break;
    case GCSIM_SCHEDULE_PCT:
        next->actor = (uint8_t)pick_pct(s, all);
        break;
    case GCSIM_SCHEDULE_TEXT:
        if (!read_text(s, next, end))
            return false;
        *end = GCSIM_RUN_MISFIT;
        return fits(all, next);
    default:
        *next = (gcsim_taken){(uint8_t)s->actor, (uint8_t)s->choice};
        *end = GCSIM_RUN_MISFIT;
        return fits(all, next);
    }
    next->choice = any_choice(s, all, next->actor);
    return true;
}
