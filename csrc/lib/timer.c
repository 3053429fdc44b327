#include "lib/timer.h"

// --- the list ----------------------------------------------------------------------------------------------------

static void timer_link(gcsim_mutator *m, struct timer *t)
{
    struct timers *ts = t->timers;
    if (t->listed)
        return;
    gcsim_store(m, &t->next, ts->first);
    if (ts->first)
        gcsim_store(m, &ts->first->before, t);
    gcsim_store(m, &ts->first, t);
    t->listed = 1;
}

static void timer_unlink(gcsim_mutator *m, struct timer *t)
{
    if (!t->listed)
        return;
    gcsim_store(m, t->before ? &t->before->next : &t->timers->first, t->next);
    if (t->next)
        gcsim_store(m, &t->next->before, t->before);
    gcsim_store(m, &t->next, NULL);
    gcsim_store(m, &t->before, NULL);
    t->listed = 0;
}

// In the list are those that can fire and that somebody waits for (time.go:needsAdd).
static void timer_settle(gcsim_mutator *m, struct timer *t)
{
    if (t->when && (t->blocked || t->sleeper))
        timer_link(m, t);
    else
        timer_unlink(m, t);
}

// --- firing ------------------------------------------------------------------------------------------------------

// A ticker skips what it has missed (time.go:unlockAndRun). Nobody waits for a value that is there already: this one is dropped (sendTime).
static void timer_fire(gcsim_mutator *m, struct timer *t, int64_t now)
{
    int64_t when = t->when;
    t->when = t->period ? when + t->period * (1 + (now - when) / t->period) : 0;
    if (t->sleeper) {
        struct sudog *s = t->sleeper;
        gcsim_store(m, &t->sleeper, NULL);
        wait_wake(m, s, true);
    } else {
        struct go_time sent = {.ext = when};
        chan_offer(m, t->ch, &sent);
    }
    timer_settle(m, t);
}

LIB uint64_t timers_advance(gcsim_mutator *m, struct timers *ts, int64_t now)
{
    uint64_t fired = 0;
    for (;;) {
        struct timer *due = NULL;
        for (struct timer *t = ts->first; t; t = t->next)
            if (t->when <= now &&
                (!due || t->when <= due->when)) // of equal ones, the one that waits longest
                due = t;
        if (!due)
            break;
        ts->now = due->when > ts->now ? due->when : ts->now;
        timer_fire(m, due, ts->now);
        fired++;
    }
    ts->now = now > ts->now ? now : ts->now;
    return fired;
}

// --- making, stopping --------------------------------------------------------------------------------------------

static int64_t timer_when(const struct timer *t, int64_t delay)
{
    int64_t when;
    if (delay < 0 || (t->timers->now == 0 && delay == 0)) // 0 is for those that are stopped
        delay = t->timers->now == 0;
    return __builtin_add_overflow(t->timers->now, delay, &when) ? INT64_MAX : when;
}

LIB void timer_init(gcsim_mutator *m, struct timer *t, struct timers *ts, struct hchan *ch,
                    int64_t delay, int64_t period)
{
    gcsim_store(m, &t->timers, ts);
    gcsim_store(m, &t->ch, ch);
    gcsim_store(m, &ch->timer, t);
    t->when = timer_when(t, delay);
    t->period = period;
    t->self = (uint64_t)(uintptr_t)t;
}

static bool timer_change(gcsim_mutator *m, struct timer *t, int64_t when, int64_t period)
{
    timer_catch_up(m, t->ch);
    bool pending = t->when != 0;
    uint32_t chosen;
    t->when = 0; // so that nothing new comes while what has come is thrown away
    struct chan_case take = {t->ch, NULL, false};
    while (t->ch->count && chan_try(m, &take, 1, 0, &chosen) == CHAN_DONE)
        pending = true;
    t->when = when;
    t->period = period;
    timer_settle(m, t);
    return pending;
}

LIB bool timer_stop(gcsim_mutator *m, struct timer *t) { return timer_change(m, t, 0, 0); }

LIB bool timer_reset(gcsim_mutator *m, struct timer *t, int64_t delay, int64_t period)
{
    return timer_change(m, t, timer_when(t, delay), period);
}

LIB void timer_sleep(gcsim_mutator *m, struct timers *ts, struct timer *t, gcsim_goroutine *g,
                     struct sudog *s, int64_t delay)
{
    gcsim_store(m, &t->timers, ts);
    s->g = g;
    s->timed = SUDOG_SLEEP;
    gcsim_store(m, &s->wait.object, t);
    gcsim_store(m, &t->sleeper, s);
    t->when = timer_when(t, delay);
    m->api->goroutine_park(m, g, GCSIM_WAIT_SLEEP, s);
    timer_settle(m, t);
}

// --- for channels and queues -------------------------------------------------------------------------------------

LIB void timer_catch_up(gcsim_mutator *m, struct hchan *ch)
{
    struct timer *t = ch->timer;
    if (!t->listed && t->when && t->when <= t->timers->now)
        timer_fire(m, t, t->timers->now);
}

LIB void timer_block(gcsim_mutator *m, struct hchan *ch)
{
    ch->timer->blocked++;
    timer_settle(m, ch->timer);
}

LIB void timer_left(gcsim_mutator *m, struct sudog *s)
{
    struct timer *t = s->timed == SUDOG_CHAN ? ((struct hchan *)s->wait.object)->timer
                                             : (struct timer *)s->wait.object;
    if (s->timed == SUDOG_CHAN)
        t->blocked--;
    else
        gcsim_store(m, &t->sleeper, NULL);
    s->timed = 0;
    timer_settle(m, t);
}
