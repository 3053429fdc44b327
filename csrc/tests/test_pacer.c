// The pacer and the limiter as pure functions: what must hold for any numbers, and the edges. Go's own numbers are in the Python
// conformance tests.
#include "gc/limiter.c"
#include "gc/pacer.c"

#include <inttypes.h>

static int failures;

static void check(bool ok, const char *what)
{
    printf("%s  %s\n", ok ? "ok  " : "FAIL", what);
    failures += !ok;
}

static uint64_t next_random(uint64_t *state) // splitmix64
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

// Any magnitude up to 2^bits.
static uint64_t any(uint64_t *r, unsigned bits)
{
    return next_random(r) >> (64 - 1 - next_random(r) % bits);
}

// A heap that can be, between cycles: up to 2^40 bytes, percent up to 1000 or off.
static struct pacer plausible(uint64_t *r)
{
    int32_t percent = next_random(r) % 8 == 0 ? -1 : (int32_t)(next_random(r) % 1001);
    int64_t limit = next_random(r) % 2 ? PACER_NO_MEMORY_LIMIT : (int64_t)any(r, 40);
    struct pacer p = pacer_init(percent, limit);
    p.heap_marked = any(r, 40);
    p.last_heap_scan = p.heap_marked / (1 + next_random(r) % 8);
    p.last_stack_scan = any(r, 24);
    p.globals_scan = any(r, 24);
    p.heap_free = any(r, 30);
    p.total_alloc = p.heap_marked + any(r, 30);
    p.mapped_ready = p.heap_free + p.total_alloc + any(r, 26);
    p.cons_mark = (double)any(r, 20) / (double)(1 + any(r, 20));
    p.heap_live = p.heap_scan = p.heap_marked;
    pacer_commit(&p, next_random(r) % 2);
    return p;
}

static bool trigger_lies_between_marked_and_goal(void)
{
    uint64_t r = 1;
    for (int i = 0; i < 100000; i++) {
        struct pacer p = plausible(&r);
        struct pacer_trigger t = pacer_trigger(&p);
        struct pacer_goals g = pacer_heap_goal(&p);
        uint64_t goal = g.goal;
        if (p.heap_marked < goal && t.trigger < g.min_trigger)
            return false; // sweeping would not be done
        if (t.goal != goal || t.trigger > goal)
            return false;
        if (p.heap_marked < goal && t.trigger < p.heap_marked)
            return false;
        // At least 45/64 of the way, and the runway where it fits.
        uint64_t step = p.heap_marked < goal ? (goal - p.heap_marked) / 64 : 0;
        if (step && t.trigger < p.heap_marked + step * 45)
            return false;
    }
    return true;
}

static bool more_runway_never_triggers_later(void)
{
    uint64_t r = 2;
    for (int i = 0; i < 100000; i++) {
        struct pacer p = plausible(&r), q = p;
        q.cons_mark *= 1.5;
        pacer_commit(&p, true);
        pacer_commit(&q, true);
        if (pacer_trigger(&q).trigger > pacer_trigger(&p).trigger)
            return false;
    }
    return true;
}

static bool higher_settings_never_lower_the_goal(void)
{
    uint64_t r = 3;
    for (int i = 0; i < 100000; i++) {
        struct pacer p = plausible(&r), q = p;
        pacer_set_gc_percent(&q, p.gc_percent < 0 ? -5 : (int32_t)p.gc_percent + 1);
        pacer_set_memory_limit(&q, p.memory_limit < PACER_NO_MEMORY_LIMIT ? p.memory_limit * 2
                                                                          : p.memory_limit);
        pacer_commit(&p, true);
        pacer_commit(&q, true);
        if (pacer_heap_goal(&q).goal < pacer_heap_goal(&p).goal)
            return false;
    }
    return true;
}

static bool goal_keeps_the_limit_with_headroom(void)
{
    struct pacer p = pacer_init(-1, 512 << 20);
    bool ok = pacer_heap_goal(&p).goal == (512 << 20) - (512ull << 20) / 100 * 3;
    p.memory_limit = 64 << 20; // 3 % would be less than 1 MiB below 34 MiB
    p.mapped_ready = 40 << 20;
    p.total_alloc = 8 << 20; // 32 MiB are no heap
    ok &= pacer_heap_goal(&p).goal == (31 << 20);
    p.mapped_ready = 100 << 20; // beyond the limit: no goal helps
    p.heap_marked = 7 << 20;
    ok &= pacer_heap_goal(&p).goal == (7 << 20);
    p.memory_limit = 0;
    return ok && pacer_heap_goal(&p).goal == (7 << 20);
}

static bool settings_tell_the_one_before(void)
{
    struct pacer p = pacer_init(50, 1 << 30);
    bool ok = p.heap_minimum == 2 << 20 && p.gc_percent_heap_goal == 2 << 20;
    ok &= pacer_set_gc_percent(&p, -7) == 50 && p.gc_percent == -1;
    ok &= pacer_set_gc_percent(&p, 0) == -1 && p.heap_minimum == 0;
    ok &= pacer_set_memory_limit(&p, -1) == 1 << 30 && p.memory_limit == 1 << 30;
    ok &= pacer_set_memory_limit(&p, 0) == 1 << 30 && p.memory_limit == 0;
    return ok && p.triggered == PACER_NOT_TRIGGERED;
}

static bool workers_take_a_quarter(void)
{
    for (int32_t procs = 1; procs <= 4096; procs++) {
        struct pacer p = pacer_init(100, PACER_NO_MEMORY_LIMIT);
        pacer_start_cycle(&p, 0, procs, PACER_START_HEAP, false);
        double share =
            ((double)p.dedicated_mark_workers_needed / procs + p.fractional_utilization_goal);
        bool exact = p.fractional_utilization_goal > 0;
        double off = share / 0.25 - 1;
        if (p.fractional_utilization_goal < 0 || off > (exact ? 1e-9 : 0.3) ||
            off < (exact ? -1e-9 : -0.3))
            return false;
        if (p.max_idle_mark_workers != procs - p.dedicated_mark_workers_needed)
            return false;
        pacer_start_cycle(&p, 0, procs, PACER_START_TIME, false);
        if (p.max_idle_mark_workers != (p.dedicated_mark_workers_needed == 0))
            return false;
        pacer_start_cycle(&p, 0, procs, PACER_START_FORCED, true);
        if (p.dedicated_mark_workers_needed != procs || p.fractional_utilization_goal != 0)
            return false;
    }
    return true;
}

// As the heap fills, each byte allocated costs more; as work gets done, less.
static bool assists_rise_with_the_heap_and_fall_with_work(void)
{
    uint64_t r = 4;
    for (int i = 0; i < 20000; i++) {
        struct pacer p = plausible(&r);
        p.heap_live = pacer_trigger(&p).trigger;
        if (p.heap_live >= UINT64_MAX / 4)
            continue; // off, and no limit
        pacer_start_cycle(&p, 0, 4, PACER_START_HEAP, false);
        double before = p.assist_work_per_byte;
        struct pacer full = p, done = p;
        full.heap_live += (pacer_heap_goal(&p).goal - p.heap_live) / 2;
        pacer_revise(&full);
        done.heap_scan_work = (int64_t)p.last_heap_scan;
        pacer_revise(&done);
        if (full.assist_work_per_byte < before || done.assist_work_per_byte > before || before <= 0)
            return false;
    }
    return true;
}

static bool cons_mark_is_the_largest_of_five(void)
{
    struct pacer p = pacer_init(100, PACER_NO_MEMORY_LIMIT);
    const double allocated[] = {4096, 1024, 2048, 512, 256, 128, 64};
    const double largest[] = {4096, 4096, 4096, 4096, 4096, 2048, 2048};
    for (int i = 0; i < 7; i++) {
        pacer_start_cycle(&p, 0, 1, PACER_START_HEAP, false);
        p.heap_live += (uint64_t)allocated[i] * 3;
        p.heap_scan_work = 1; // times (1 - u), divided by u = 0.25
        pacer_end_cycle(&p, 1000, 1);
        pacer_reset_live(&p, 0);
        if (p.cons_mark != largest[i])
            return false;
    }
    struct pacer before = p;
    pacer_start_cycle(&p, 0, 1, PACER_START_FORCED, false);
    pacer_end_cycle(&p, 1000, 1); // nothing was allocated
    return p.cons_mark == before.cons_mark && p.last_cons_mark[3] == before.last_cons_mark[3];
}

static bool sweeping_is_done_before_the_trigger(void)
{
    uint64_t r = 5;
    for (int i = 0; i < 100000; i++) {
        uint64_t live = any(&r, 40), trigger = live + (2 << 20) + any(&r, 40);
        uint64_t pages = 1 + any(&r, 30);
        double rate = pacer_sweep_pages_per_byte(trigger, live, pages, 0);
        if (rate * (double)(trigger - live) < (double)pages)
            return false;
    }
    return pacer_sweep_pages_per_byte(1 << 20, 2 << 20, 8192, 0) == 1.0 &&
           pacer_sweep_pages_per_byte(100, 1, 5, 5) == 0 &&
           pacer_sweep_pages_per_byte(100, 1, 5, 6) == 0;
}

static bool doubles_convert_as_on_amd64(void)
{
    double nan = __builtin_nan(""), inf = __builtin_inf();
    return pacer_int64(-1.9) == -1 && pacer_int64(0x1p63) == INT64_MIN &&
           pacer_int64(-0x1p63) == INT64_MIN && pacer_int64(nan) == INT64_MIN &&
           pacer_int64(-inf) == INT64_MIN &&
           pacer_int64(0x1.fffffffffffffp62) == 0x7ffffffffffffc00 &&
           pacer_uint64(0x1p63) == 1ull << 63 &&
           pacer_uint64(0x1.fffffffffffffp63) == UINT64_MAX - 0x7ff && pacer_uint64(0x1p64) == 0 &&
           pacer_uint64(inf) == 0 && pacer_uint64(nan) == 0 && pacer_uint64(-1) == UINT64_MAX &&
           pacer_uint64(-inf) == 1ull << 63;
}

// Words of any value in every field: nothing may be undefined (the sanitizers watch), and the trigger stays at or below the goal.
static bool no_state_is_undefined(void)
{
    uint64_t r = 6;
    const uint64_t edges[] = {0, 1, INT64_MAX, 1ull << 63, UINT64_MAX, 0x7ff0000000000000};
    for (int i = 0; i < 200000; i++) {
        struct pacer p;
        uint64_t words[sizeof p / 8];
        for (size_t w = 0; w < sizeof p / 8; w++)
            words[w] = next_random(&r) % 4 ? any(&r, 63) : edges[next_random(&r) % 6];
        memcpy(&p, words, sizeof p);
        struct pacer_trigger t = pacer_trigger(&p);
        if (t.trigger > t.goal && p.heap_marked < t.goal && p.sweep_dist_min_trigger <= t.goal)
            return false;
        pacer_revise(&p);
        pacer_end_cycle(&p, (int64_t)next_random(&r), (int32_t)(next_random(&r) % 256));
        pacer_reset_live(&p, next_random(&r));
        pacer_commit(&p, i % 2);
        pacer_set_gc_percent(&p, (int32_t)next_random(&r));
        pacer_start_cycle(&p, (int64_t)next_random(&r), (int32_t)(next_random(&r) % 256), i % 3,
                          false);
        pacer_sweep_pages_per_byte(words[0], words[1], words[2], words[3]);
    }
    return true;
}

static bool bucket_fills_beyond_half_and_drains_below(void)
{
    struct limiter l = limiter_init(0, 4);
    int64_t now = 0, second = 1000000000;
    limiter_start_transition(&l, true, now);
    limiter_finish_transition(&l, now);
    limiter_update(&l, now += second); // a quarter: drains
    bool ok = l.fill == 0 && !limiter_limiting(&l);
    limiter_add_assist(&l, 2 * second); // 3 of 4 processors collect: 2 s more than the program has
    limiter_update(&l, now += second);
    ok &= l.fill == (uint64_t)(2 * second) && !limiter_limiting(&l);
    limiter_add_assist(&l, 2 * second);
    limiter_update(&l, now += second);
    ok &= l.fill == l.capacity && limiter_limiting(&l) && l.overflow == 0 && l.times_limited == 1;
    limiter_add_idle(&l, 2 * second); // 1 s marks, 2 s idle, 1 s for the program: even
    limiter_update(&l, now += second);
    ok &= limiter_limiting(&l) && l.fill == l.capacity;
    limiter_update(&l, now += 1000);
    ok &= !limiter_limiting(&l) && l.fill == l.capacity - 2000;
    limiter_reset_capacity(&l, now, 1);
    return ok && limiter_limiting(&l) && l.fill == (uint64_t)second;
}

static bool stops_are_the_collectors_time(void)
{
    struct limiter l = limiter_init(100, 2);
    limiter_start_transition(&l, true, 100);
    limiter_update(&l, 150); // nothing: the one that stops the world has it
    bool ok = l.fill == 0 && l.last_update == 100;
    limiter_finish_transition(&l, 200);
    ok &= l.fill == 200 && !limiter_need_update(&l, 200 + LIMITER_UPDATE_PERIOD_NS);
    ok &= limiter_need_update(&l, 201 + LIMITER_UPDATE_PERIOD_NS);
    limiter_update(&l, 150); // the clock of another thread
    return ok && l.fill == 200 && l.last_update == 200;
}

static bool limiter_takes_any_number(void)
{
    uint64_t r = 7;
    for (int i = 0; i < 2000; i++) {
        struct limiter l = limiter_init((int64_t)any(&r, 62), (int32_t)(next_random(&r) % 1000));
        for (int k = 0; k < 100; k++) {
            int64_t t = (int64_t)next_random(&r);
            switch (next_random(&r) % 5) {
            case 0:
                limiter_update(&l, t);
                break;
            case 1:
                limiter_add_assist(&l, t);
                break;
            case 2:
                limiter_add_idle(&l, t);
                break;
            case 3:
                limiter_reset_capacity(&l, t, (int32_t)(next_random(&r) % 1000));
                break;
            default:
                limiter_start_transition(&l, !l.gc_enabled, t);
                limiter_finish_transition(&l, (int64_t)next_random(&r));
            }
            if (l.fill > l.capacity)
                return false;
        }
    }
    return true;
}

int main(void)
{
    check(trigger_lies_between_marked_and_goal(), "the trigger lies between marked and goal");
    check(more_runway_never_triggers_later(), "more runway never triggers later");
    check(higher_settings_never_lower_the_goal(), "higher settings never lower the goal");
    check(goal_keeps_the_limit_with_headroom(), "the goal keeps the limit, with headroom");
    check(settings_tell_the_one_before(), "settings tell the one before");
    check(workers_take_a_quarter(), "dedicated and fractional workers take a quarter");
    check(assists_rise_with_the_heap_and_fall_with_work(),
          "assists rise with the heap and fall with work");
    check(cons_mark_is_the_largest_of_five(), "cons/mark is the largest of the last five");
    check(sweeping_is_done_before_the_trigger(), "sweeping is done before the trigger");
    check(doubles_convert_as_on_amd64(), "doubles convert as on amd64");
    check(no_state_is_undefined(), "no state makes anything undefined");
    check(bucket_fills_beyond_half_and_drains_below(), "the bucket fills beyond half of the CPU");
    check(stops_are_the_collectors_time(), "stops are the collector's time");
    check(limiter_takes_any_number(), "the limiter takes any number");
    return failures != 0;
}
