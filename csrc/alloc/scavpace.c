#include "alloc/scavpace.h"

#include "base/bits.h"

#include <math.h>

#define START_RATIO 0.001        // startingScavSleepRatio
#define COOLDOWN_NS 5000000000ll // 5 s without the controller after it failed
#define CPU_SHARE   0.01         // scavengePercent

// --- goals

// As Go converts on amd64: what does not fit is 2^63, which is more than any heap has or anybody sleeps.
static uint64_t integer_of(double x) { return x < 0x1p64 ? (uint64_t)x : 1ull << 63; }

static uint64_t gc_percent_goal(const struct scavenge_inputs *in)
{
    if (in->last_heap_goal == 0) // nothing is known before the end of the first cycle
        return SCAVENGE_OFF;
    double ratio = (double)in->heap_goal / (double)in->last_heap_goal;
    uint64_t goal = integer_of((double)in->last_in_use * ratio);
    goal += goal / 10; // room for the allocator (retainExtraPercent)
    goal = round_up(goal, in->physical_bytes);
    return in->retained <= goal || in->retained - goal < in->physical_bytes ? SCAVENGE_OFF : goal;
}

CORE struct scavenge_goals scavenge_goals(const struct scavenge_inputs *in)
{
    uint64_t limit = integer_of((double)in->memory_limit * 0.95); // reduceExtraPercent below it
    return (struct scavenge_goals){gc_percent_goal(in),
                                   in->mapped_ready <= limit ? SCAVENGE_OFF : limit};
}

CORE struct scavenge_demand scavenge_demand(const struct scavenge_inputs *in,
                                            struct scavenge_goals goals, uint64_t released,
                                            uint64_t growth, bool limited)
{
    struct scavenge_demand demand = {0};
    uint64_t limit = (uint64_t)in->memory_limit;
    if (!limited && released + in->mapped_ready > limit)
        demand = (struct scavenge_demand){released + in->mapped_ready - limit, true};
    if (goals.gc_percent != SCAVENGE_OFF && growth && in->retained + growth > goals.gc_percent) {
        uint64_t over = in->retained + growth - goals.gc_percent;
        uint64_t todo = growth < over ? growth : over;
        if (demand.bytes < todo)
            demand.bytes = todo;
    }
    return demand;
}

// --- pace

CORE bool pi_next(struct pi_controller *c, double input, double setpoint, double period,
                  double *output)
{
    double raw = c->kp * (setpoint - input) + c->err_integral;
    *output = c->min;
    if (!isfinite(raw)) {
        c->err_integral = 0;
        return false;
    }
    double out = raw < c->min ? c->min : raw > c->max ? c->max : raw;
    if (c->ti != 0 && c->tt != 0) {
        c->err_integral +=
            (c->kp * period / c->ti) * (setpoint - input) + (period / c->tt) * (out - raw);
        if (!isfinite(c->err_integral)) {
            c->err_integral = 0;
            return false;
        }
    }
    *output = out;
    return true;
}

CORE struct scavenge_sleep scavenge_sleep_init(void)
{
    return (struct scavenge_sleep){
        .controller = {.kp = 0.3375, .ti = 3.2e6, .tt = 1e9, .min = 0.001, .max = 1000},
        .ratio = START_RATIO,
    };
}

CORE uint64_t scavenge_sleep_ns(const struct scavenge_sleep *s, double *worked_ns)
{
    if (*worked_ns < SCAVENGE_TURN_NS)
        *worked_ns = SCAVENGE_TURN_NS;
    return integer_of(*worked_ns / s->ratio);
}

CORE void scavenge_slept(struct scavenge_sleep *s, double worked_ns, uint64_t slept_ns,
                         uint32_t procs)
{
    if (s->cooldown_ns > 0) {
        uint64_t passed = slept_ns + integer_of(worked_ns);
        s->cooldown_ns = passed < (uint64_t)s->cooldown_ns ? s->cooldown_ns - (int64_t)passed : 0;
        return;
    }
    double period = (double)slept_ns + worked_ns;
    double share = worked_ns / (period * (double)procs);
    if (!pi_next(&s->controller, share, CPU_SHARE, period, &s->ratio)) {
        s->ratio = START_RATIO;
        s->cooldown_ns = COOLDOWN_NS;
        s->resets++;
    }
}
