#include "gc/pacer.h"

// clang-format off
#define MIN_RUNWAY_BYTES         (64ull << 10) // mgcpacer.go:heapGoalInternal
#define SWEEP_MIN_HEAP_DISTANCE  (1ull << 20)  // mgcsweep.go:sweepMinHeapDistance
#define SWEEP_MARGIN_BYTES       (1ull << 20)  // mgcsweep.go:gcPaceSweeper
#define SWEEP_MIN_DISTANCE_BYTES 8192          // mgcsweep.go:gcPaceSweeper: one page
#define LIMIT_MIN_HEADROOM_BYTES (1ull << 20)  // mgcpacer.go:memoryLimitMinHeapGoalHeadroom
#define LIMIT_HEADROOM_PERCENT   3             // mgcpacer.go:memoryLimitHeapGoalHeadroomPercent
#define TRIGGER_DEN              64            // mgcpacer.go:triggerRatioDen
#define TRIGGER_MIN_NUM          45            // mgcpacer.go:minTriggerRatioNum
#define TRIGGER_MAX_NUM          61            // mgcpacer.go:maxTriggerRatioNum
#define MAX_UTIL_ERROR           0.3           // mgcpacer.go:startCycle
#define PERCENT_WHEN_OFF         100000        // mgcpacer.go:revise
#define MAX_OVERSHOOT            1.1           // mgcpacer.go:revise
#define MIN_SCAN_WORK            1000          // mgcpacer.go:revise
// clang-format on

CORE int64_t pacer_int64(double x) { return x >= -0x1p63 && x < 0x1p63 ? (int64_t)x : INT64_MIN; }

CORE uint64_t pacer_uint64(double x)
{
    if (x < 0x1p63)
        return (uint64_t)pacer_int64(x);
    return (uint64_t)pacer_int64(x - 0x1p63) ^ 1ull << 63;
}

// --- settings

CORE int32_t pacer_set_gc_percent(struct pacer *p, int32_t percent)
{
    int32_t before = (int32_t)p->gc_percent;
    p->gc_percent = percent < 0 ? -1 : percent;
    p->heap_minimum = HEAP_MINIMUM_BYTES * (uint64_t)p->gc_percent / 100;
    return before;
}

CORE int64_t pacer_set_memory_limit(struct pacer *p, int64_t limit)
{
    int64_t before = p->memory_limit;
    if (limit >= 0)
        p->memory_limit = limit;
    return before;
}

CORE struct pacer pacer_init(int32_t gc_percent, int64_t memory_limit)
{
    struct pacer p = {.triggered = PACER_NOT_TRIGGERED};
    pacer_set_gc_percent(&p, gc_percent);
    pacer_set_memory_limit(&p, memory_limit);
    pacer_commit(&p, true);
    return p;
}

// --- between cycles

static uint64_t goal_by_percent(uint64_t marked, uint64_t stack_scan, uint64_t globals_scan,
                                int64_t percent, uint64_t minimum)
{
    uint64_t goal = UINT64_MAX;
    if (percent >= 0)
        goal = marked + (marked + stack_scan + globals_scan) * (uint64_t)percent / 100;
    return goal > minimum ? goal : minimum;
}

CORE uint64_t pacer_goal(uint64_t marked, uint64_t stack_scan, uint64_t globals_scan,
                         int32_t percent)
{
    return goal_by_percent(marked, stack_scan, globals_scan, percent,
                           HEAP_MINIMUM_BYTES * (uint64_t)percent / 100);
}

// What the last cycle had to scan is what the next one is expected to.
static uint64_t scan_work_expected(const struct pacer *p)
{
    return p->last_heap_scan + p->last_stack_scan + p->globals_scan;
}

CORE void pacer_commit(struct pacer *p, bool sweep_done)
{
    p->sweep_dist_min_trigger = sweep_done ? 0 : p->heap_live + SWEEP_MIN_HEAP_DISTANCE;
    p->gc_percent_heap_goal = goal_by_percent(p->heap_marked, p->last_stack_scan, p->globals_scan,
                                              p->gc_percent, p->heap_minimum);
    double per_byte = p->cons_mark * (1 - PACER_UTILIZATION) / PACER_UTILIZATION;
    p->runway = pacer_uint64(per_byte * (double)scan_work_expected(p));
}

CORE uint64_t pacer_memory_limit_goal(const struct pacer *p)
{
    uint64_t limit = (uint64_t)p->memory_limit, ready = p->mapped_ready;
    uint64_t non_heap = ready - p->heap_free - (p->total_alloc - p->total_free);
    uint64_t overage = ready > limit ? ready - limit : 0;
    if (non_heap + overage >= limit)
        return p->heap_marked; // no goal can keep the limit: collect as if all the heap were live
    uint64_t goal = limit - (non_heap + overage);
    uint64_t headroom = goal / 100 * LIMIT_HEADROOM_PERCENT;
    if (headroom < LIMIT_MIN_HEADROOM_BYTES)
        headroom = LIMIT_MIN_HEADROOM_BYTES;
    if (goal < headroom || goal - headroom < headroom)
        goal = headroom;
    else
        goal -= headroom;
    return goal > p->heap_marked ? goal : p->heap_marked;
}

CORE struct pacer_goals pacer_heap_goal(const struct pacer *p)
{
    uint64_t goal = p->gc_percent_heap_goal, limited = pacer_memory_limit_goal(p);
    if (limited < goal)
        return (struct pacer_goals){limited, 0};
    uint64_t min_trigger = p->sweep_dist_min_trigger;
    if (goal < min_trigger)
        goal = min_trigger;
    // A cycle that started late, or was forced, still gets some room to finish in.
    uint64_t least = p->triggered + MIN_RUNWAY_BYTES;
    if (p->triggered != PACER_NOT_TRIGGERED && goal < least)
        goal = least;
    return (struct pacer_goals){goal, min_trigger};
}

CORE struct pacer_trigger pacer_trigger(const struct pacer *p)
{
    struct pacer_goals g = pacer_heap_goal(p);
    if (p->heap_marked >= g.goal)
        return (struct pacer_trigger){g.goal, g.goal};

    uint64_t step = (g.goal - p->heap_marked) / TRIGGER_DEN;
    uint64_t lower = step * TRIGGER_MIN_NUM + p->heap_marked;
    uint64_t least = g.min_trigger > lower ? g.min_trigger : lower;
    uint64_t most = step * TRIGGER_MAX_NUM + p->heap_marked;
    if (g.goal > HEAP_MINIMUM_BYTES && g.goal - HEAP_MINIMUM_BYTES > most)
        most = g.goal - HEAP_MINIMUM_BYTES;
    if (most < least)
        most = least;

    uint64_t trigger = p->runway > g.goal ? least : g.goal - p->runway;
    if (trigger < least)
        trigger = least;
    if (trigger > most)
        trigger = most;
    return (struct pacer_trigger){trigger, g.goal};
}

CORE double pacer_sweep_pages_per_byte(uint64_t trigger, uint64_t heap_live, uint64_t pages_in_use,
                                       uint64_t pages_swept)
{
    int64_t distance = (int64_t)(trigger - heap_live - SWEEP_MARGIN_BYTES);
    if (distance < SWEEP_MIN_DISTANCE_BYTES)
        distance = SWEEP_MIN_DISTANCE_BYTES;
    int64_t pages = (int64_t)(pages_in_use - pages_swept);
    return pages <= 0 ? 0 : (double)pages / (double)distance;
}

// --- a cycle

// Workers that mark all the time, as near to a quarter of the processors as whole workers come; if that is more than 30 % off, the
// rest of the quarter is spread over all processors as a share of each.
static void settle_workers(struct pacer *p, int32_t procs, enum pacer_start why, bool all_dedicated)
{
    double wanted = (double)procs * PACER_UTILIZATION;
    int64_t dedicated = pacer_int64(wanted + 0.5);
    double error = (double)dedicated / wanted - 1;
    p->fractional_utilization_goal = 0;
    if (error < -MAX_UTIL_ERROR || error > MAX_UTIL_ERROR) {
        if ((double)dedicated > wanted)
            dedicated--;
        p->fractional_utilization_goal = (wanted - (double)dedicated) / (double)procs;
    }
    if (all_dedicated) {
        dedicated = procs;
        p->fractional_utilization_goal = 0;
    }
    p->dedicated_mark_workers_needed = dedicated;
    if (why == PACER_START_TIME)
        p->max_idle_mark_workers = dedicated > 0 ? 0 : 1;
    else
        p->max_idle_mark_workers = procs - dedicated;
}

CORE void pacer_start_cycle(struct pacer *p, int64_t now, int32_t procs, enum pacer_start why,
                            bool all_dedicated)
{
    p->heap_scan_work = p->stack_scan_work = p->globals_scan_work = 0;
    p->bg_scan_credit = 0;
    p->assist_time = 0;
    p->dedicated_mark_time = p->fractional_mark_time = p->idle_mark_time = 0;
    p->mark_start_time = now;
    p->triggered = p->heap_live;
    settle_workers(p, procs, why, all_dedicated);
    pacer_revise(p);
}

static int64_t scan_work_done(const struct pacer *p)
{
    return (int64_t)((uint64_t)p->heap_scan_work + (uint64_t)p->stack_scan_work +
                     (uint64_t)p->globals_scan_work);
}

// More was scanned than expected: the goal moves away in proportion to the most that there can be to scan, but not beyond what one
// more heap growth would allow.
static int64_t extended_goal(const struct pacer *p, int64_t goal, int64_t expected, int64_t most)
{
    int64_t percent = p->gc_percent < 0 ? PERCENT_WHEN_OFF : p->gc_percent;
    double room = (double)(int64_t)((uint64_t)goal - p->triggered);
    uint64_t moved = (uint64_t)pacer_int64(room / (double)expected * (double)most);
    int64_t extended = (int64_t)(moved + p->triggered);
    int64_t hard = pacer_int64((1.0 + (double)percent / 100.0) * (double)goal);
    return extended < hard ? extended : hard;
}

CORE void pacer_revise(struct pacer *p)
{
    int64_t goal = (int64_t)pacer_heap_goal(p).goal;
    int64_t expected = (int64_t)scan_work_expected(p);
    int64_t most = (int64_t)(p->heap_scan + p->max_stack_scan + p->globals_scan);
    int64_t work = scan_work_done(p);
    if (work > expected) {
        goal = extended_goal(p, goal, expected, most);
        expected = most;
    }
    if ((int64_t)p->heap_live > goal) {
        goal = pacer_int64((double)goal * MAX_OVERSHOOT);
        expected = most;
    }
    // Assists stay on to the end: there is always a little work, and a byte of room.
    int64_t work_left = (int64_t)((uint64_t)expected - (uint64_t)work);
    if (work_left < MIN_SCAN_WORK)
        work_left = MIN_SCAN_WORK;
    int64_t room_left = (int64_t)((uint64_t)goal - p->heap_live);
    if (room_left <= 0)
        room_left = 1;
    p->assist_work_per_byte = (double)work_left / (double)room_left;
    p->assist_bytes_per_work = (double)room_left / (double)work_left;
}

// ns as a share of all CPU time since the cycle's start.
static double share_of_cpu(const struct pacer *p, int64_t ns, int64_t now, int32_t procs)
{
    int64_t duration = (int64_t)((uint64_t)now - (uint64_t)p->mark_start_time);
    if (duration <= 0)
        return 0;
    return (double)ns / (double)(int64_t)((uint64_t)duration * (uint64_t)(int64_t)procs);
}

CORE double pacer_utilization(const struct pacer *p, int64_t now, int32_t procs)
{
    return PACER_UTILIZATION + share_of_cpu(p, p->assist_time, now, procs);
}

CORE void pacer_end_cycle(struct pacer *p, int64_t now, int32_t procs)
{
    p->last_heap_goal = pacer_heap_goal(p).goal;
    if (p->heap_live <= p->triggered)
        return; // nothing was allocated meanwhile (a forced cycle): nothing to learn
    double utilization = pacer_utilization(p, now, procs);
    double idle = share_of_cpu(p, p->idle_mark_time, now, procs);
    double measured = (double)(p->heap_live - p->triggered) * (utilization + idle) /
                      ((double)scan_work_done(p) * (1 - utilization));
    p->cons_mark = measured;
    for (int i = 0; i < 4; i++)
        if (p->last_cons_mark[i] > p->cons_mark)
            p->cons_mark = p->last_cons_mark[i];
    memmove(p->last_cons_mark, p->last_cons_mark + 1, 3 * sizeof(double));
    p->last_cons_mark[3] = measured;
}

CORE void pacer_reset_live(struct pacer *p, uint64_t bytes_marked)
{
    p->heap_marked = p->heap_live = bytes_marked;
    p->heap_scan = p->last_heap_scan = (uint64_t)p->heap_scan_work;
    p->last_stack_scan = (uint64_t)p->stack_scan_work;
    p->triggered = PACER_NOT_TRIGGERED;
}
