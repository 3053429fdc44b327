// Virtual time: coroutines on virtual processors. Part of rt_steps.c.
//
// Every coroutine has a clock. A step point costs what the table says for its kind, and whoever has the earliest clock goes on; so the order
// of all actions is a function of the program, the table and the seed. The clock of a coroutine that waits is when its wait ends by
// itself, or never. Waiting means here what it means for threads: until a wake or the time is up.
//
// There are as many cores as processors, and the system's scheduler on them: who can run and finds no core free waits in line, until somebody
// on a core waits or has had a slice. A heap has more threads than that (workers, whoever follows a run), so a woken mutator may come late while a
// worker marks on, as on a real machine.
//
// Times are picoseconds: the smallest costs are fractions of a nanosecond per byte.

#define VIRTUAL_NEVER UINT64_MAX
enum { VIRTUAL_PS = 1000 };
#define VIRTUAL_SLICE                                                                              \
    (750000ull *                                                                                   \
     VIRTUAL_PS) // on one core; longer on more (Linux: kernel/sched/fair.c, sysctl_sched_base_slice)
enum { VIRTUAL_AHEAD = 1000 * VIRTUAL_PS }; // what may run on at most past the clocks of others
enum { VIRTUAL_LIVELOCK = 50000000 }; // step points in a row at which somebody only looks or waits

struct rt_cost {
    uint64_t ps, ps_per_unit; // for the point, and for each unit of its `arg`
    bool given;               // by the heap's options
};

enum virtual_place { VIRTUAL_OFF, VIRTUAL_ON_CORE, VIRTUAL_IN_LINE };

struct rt_virtual {
    uint64_t now;     // of whoever runs, else when the last one stopped
    uint64_t horizon; // the earliest clock among the others
    uint64_t seed;    // decides between equal clocks
    uint64_t idle;    // step points since something happened
    uint64_t spent;   // by all
    uint64_t hash;    // of every step point passed
    uint32_t waiting; // coroutines that have a word
    struct rt_cost costs[EVENT_KINDS];
    uint64_t passed[EVENT_KINDS],
        units[EVENT_KINDS]; // step points so far, and the amounts that they named
    uint64_t slice;
    uint32_t cores, busy;                 // there are; that somebody has
    uint32_t queued;                      // who can run and has none
    uint64_t at[RT_COROUTINES];           // their clocks
    uint64_t since[RT_COROUTINES];        // when they got their core, or began to wait for one
    uint8_t place[RT_COROUTINES];         // enum virtual_place
    const uint32_t *words[RT_COROUTINES]; // what they wait on, or NULL
    uint64_t spent_by[RT_COROUTINES];
};

// Kinds whose `arg` is an amount: of others it is an address or a number, and costs nothing.
static bool virtual_is_amount(uint32_t kind)
{
    switch (kind) {
    case EVENT_SHADE:
    case EVENT_SCAN:
    case EVENT_SWEEP_SPAN:
    case EVENT_SPAN_CACHE:
    case EVENT_WINDOW:
    case EVENT_ALLOC:
    case EVENT_ALLOC_LARGE:
    case EVENT_BARRIER_FLUSH:
    case EVENT_SCAVENGE:
        return true;
    default:
        return false;
    }
}

// Points of work that is its own: it may run ahead of the others a little, which saves most switches. At any other, and before it looks at the
// clock, they catch up; so what is ordered by locks and waits is ordered in time.
static bool virtual_is_own(uint32_t kind)
{
    return kind == EVENT_ALLOC || kind == EVENT_SCAN || kind == EVENT_SHADE ||
           kind == EVENT_FIELD || kind == EVENT_OP;
}

// With an allocation comes a stretch of the program's own work, as with any other operation of it.
static uint64_t virtual_own_ps(const struct rt_virtual *v, uint32_t kind)
{
    return kind == EVENT_ALLOC || kind == EVENT_ALLOC_LARGE ? v->costs[EVENT_OP].ps : 0;
}

static uint64_t virtual_mix(uint64_t z) // SplitMix64
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static bool virtual_before(const struct rt_virtual *v, uint32_t a, uint32_t b)
{
    return virtual_mix(v->seed + a + 1) < virtual_mix(v->seed + b + 1);
}

// Whose clock is earliest, and the clock of the next; nobody if all wait for ever.
static uint32_t virtual_pick(struct rt *rt)
{
    struct rt_virtual *v = rt->virtual;
    uint32_t best = RT_NOBODY;
    uint64_t first = VIRTUAL_NEVER, second = VIRTUAL_NEVER;
    for (uint32_t i = 0; i < rt->used; i++) {
        uint64_t t = v->at[i];
        if (t < first || (t == first && best != RT_NOBODY && virtual_before(v, i, best))) {
            second = first;
            first = t;
            best = i;
        } else if (t < second) {
            second = t;
        }
    }
    if (best != RT_NOBODY) {
        v->now = first;
        v->horizon = second;
        uint64_t end = v->since[best] + v->slice; // of its slice, if somebody waits for its core
        if (v->queued && v->place[best] == VIRTUAL_ON_CORE && end < second)
            v->horizon = end > first ? end : first;
    }
    return best;
}

// Who has waited longest for a core gets the one that has just become free.
static void virtual_core_freed(struct rt *rt)
{
    struct rt_virtual *v = rt->virtual;
    uint32_t first = RT_NOBODY;
    v->busy--;
    for (uint32_t i = 0; v->queued && i < rt->used; i++)
        if (v->place[i] == VIRTUAL_IN_LINE &&
            (first == RT_NOBODY || v->since[i] < v->since[first] ||
             (v->since[i] == v->since[first] && virtual_before(v, i, first))))
            first = i;
    if (first == RT_NOBODY)
        return;
    v->queued--;
    v->busy++;
    v->place[first] = VIRTUAL_ON_CORE;
    v->at[first] = v->since[first] = v->now;
    v->horizon = v->now;
}

// Coroutine i can go on at v->now. False: it must wait for a core.
static bool virtual_on_core(struct rt_virtual *v, uint32_t i)
{
    if (v->place[i] == VIRTUAL_ON_CORE)
        return true;
    bool free = v->busy < v->cores;
    v->since[i] = v->now;
    v->place[i] = free ? VIRTUAL_ON_CORE : VIRTUAL_IN_LINE;
    v->busy += free;
    v->queued += !free;
    if (!free)
        v->at[i] = VIRTUAL_NEVER;
    return free;
}

static void virtual_leave_core(struct rt *rt, uint32_t i)
{
    struct rt_virtual *v = rt->virtual;
    if (v->place[i] == VIRTUAL_ON_CORE)
        virtual_core_freed(rt);
    v->queued -= v->place[i] == VIRTUAL_IN_LINE;
    v->place[i] = VIRTUAL_OFF;
}

static void virtual_started(struct rt *rt, uint32_t i)
{
    struct rt_virtual *v = rt->virtual;
    v->at[i] = v->now;
    v->words[i] = NULL;
    v->spent_by[i] = 0;
    v->horizon = v->now;
}

static void virtual_ended(struct rt *rt, uint32_t i)
{
    struct rt_virtual *v = rt->virtual;
    virtual_leave_core(rt, i);
    v->at[i] = VIRTUAL_NEVER;
    v->waiting -= v->words[i] != NULL;
    v->words[i] = NULL;
}

// The running one's clock has moved: others whose clocks are not later go first.
static void virtual_switch(struct rt *rt)
{
    struct rt_virtual *v = rt->virtual;
    uint32_t i = rt->current - 1;
    if (v->now < v->horizon)
        return;
    v->at[i] = v->now;
    if (v->queued && v->now - v->since[i] >= v->slice) { // to the end of the line
        virtual_leave_core(rt, i);
        virtual_on_core(v, i);
    }
    to_host(rt, false);
}

static void virtual_step(struct rt *rt, uint32_t kind, uint64_t where, uint64_t arg)
{
    struct rt_virtual *v = rt->virtual;
    if (!rt->current)
        return;
    struct rt_cost c = v->costs[kind];
    uint64_t units = virtual_is_amount(kind) ? arg : 0,
             ps = c.ps + c.ps_per_unit * units + virtual_own_ps(v, kind);
    v->passed[kind]++;
    v->units[kind] += units;
    v->hash = virtual_mix(v->hash ^ kind ^ where << 8 ^ units << 40 ^ (uint64_t)rt->current << 54) +
              v->now;
    v->idle = kind == EVENT_WAIT || kind == EVENT_LOCK ? v->idle + 1 : 0;
    v->spent += ps;
    v->spent_by[rt->current - 1] += ps;
    v->now += ps;
    if (v->now < v->horizon || (virtual_is_own(kind) && v->now - v->horizon < VIRTUAL_AHEAD))
        return;
    virtual_switch(rt);
}

static void virtual_wait(struct rt *rt, const uint32_t *word, uint64_t ns)
{
    struct rt_virtual *v = rt->virtual;
    uint32_t i = rt->current - 1;
    v->idle++;
    v->at[i] =
        ns >= (VIRTUAL_NEVER - v->now) / VIRTUAL_PS ? VIRTUAL_NEVER : v->now + ns * VIRTUAL_PS;
    v->words[i] = word;
    v->waiting++;
    virtual_leave_core(rt, i);
    to_host(rt, false);
    if (v->words[i]) { // the time was up
        v->words[i] = NULL;
        v->waiting--;
    }
}

// They go on after so many ps.
static void virtual_wake(struct rt *rt, const uint32_t *word, uint64_t ps)
{
    struct rt_virtual *v = rt->virtual;
    for (uint32_t i = 0; v->waiting && i < rt->used; i++)
        if (v->words[i] == word) {
            v->words[i] = NULL;
            v->waiting--;
            if (v->place[i] == VIRTUAL_OFF && v->at[i] > v->now + ps)
                v->at[i] = v->now + ps;
            if (v->at[i] < v->horizon)
                v->horizon = v->at[i];
        }
}

// --- running -----------------------------------------------------------------------------------------------------

// One of the others goes on. False: none can.
static bool virtual_run_one(struct rt *rt)
{
    struct rt_virtual *v = rt->virtual;
    if (is_dead(rt))
        return false;
    uint32_t next = v->idle < VIRTUAL_LIVELOCK ? virtual_pick(rt) : RT_NOBODY;
    if (next == RT_NOBODY) {
        note_dead(rt, v->idle < VIRTUAL_LIVELOCK
                          ? "deadlock: every coroutine waits"
                          : "livelock: every coroutine only looks and waits");
        return false;
    }
    if (virtual_on_core(v, next))
        resume(rt, next);
    return true;
}

// Until coroutine i has ended. False: that will never be.
static bool virtual_finish(struct rt *rt, uint32_t i)
{
    while (coroutine_at(rt, i)->status != COROUTINE_FREE)
        if (!virtual_run_one(rt))
            return false;
    return true;
}

// --- threads of the collector's own, and of workloads -------------------------------------------------------------

static void virtual_thread(void *arg)
{
    struct rt_thread *t = arg;
    t->run(t->arg);
}

static bool virtual_spawn(struct rt *rt, struct rt_thread *thread, void *(*run)(void *), void *arg)
{
    *thread = (struct rt_thread){.run = run, .arg = arg};
    thread->coroutine = rt_start(rt, virtual_thread, thread);
    return thread->coroutine != RT_NOBODY;
}

// Others may have fallen behind: they catch up first, so that no clock that is read lies ahead of one that is read later.
static uint64_t virtual_now_ns(struct rt *rt)
{
    if (rt->current && rt->virtual->now > rt->virtual->horizon)
        virtual_switch(rt);
    return rt->virtual->now / VIRTUAL_PS;
}

CORE void rt_virtual_on(struct rt *rt, struct rt_virtual *v, uint64_t seed, uint32_t cores)
{
    rt->virtual = v;
    v->seed = seed;
    v->horizon = VIRTUAL_NEVER;
    v->cores = cores;
    v->slice = VIRTUAL_SLICE;
    for (uint32_t n = cores < 8 ? cores : 8; n > 1; n /= 2)
        v->slice += VIRTUAL_SLICE;
    for (uint32_t i = 0; i < RT_COROUTINES; i++)
        v->at[i] = VIRTUAL_NEVER;
#define COST(NAME, base, unit) v->costs[EVENT_##NAME] = (struct rt_cost){(base), (unit), false};
#include "base/costs.def"
#undef COST
}

CORE bool rt_virtual_set_cost(struct rt *rt, uint32_t kind, uint64_t ps, uint64_t ps_per_unit)
{
    uint64_t least =
        kind == EVENT_WAIT || kind == EVENT_LOCK ? VIRTUAL_PS : 0; // else spinning stops time
    if (kind >= EVENT_KINDS || ps < least || ps > 1ull << 50 || ps_per_unit > 1ull << 30 ||
        (ps_per_unit && !virtual_is_amount(kind)))
        return false;
    rt->virtual->costs[kind] = (struct rt_cost){ps, ps_per_unit, true};
    return true;
}

// A better guess than the table's, where nothing was given.
CORE void rt_virtual_suggest(struct rt *rt, uint32_t kind, uint64_t ps)
{
    if (!rt->virtual->costs[kind].given)
        rt->virtual->costs[kind].ps = ps;
}

// A coroutine beside the caller's, which begins now. False: there are too many.
CORE bool rt_virtual_go(struct rt *rt, rt_call_fn fn, void *arg)
{
    return rt_start(rt, fn, arg) != RT_NOBODY;
}

// What step points have cost: the running coroutine's, or everybody's.
CORE uint64_t rt_virtual_cpu_ns(struct rt *rt, bool all)
{
    struct rt_virtual *v = rt->virtual;
    return (all || !rt->current ? v->spent : v->spent_by[rt->current - 1]) / VIRTUAL_PS;
}
