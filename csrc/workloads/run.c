#include "workloads/run.h"

#include "gcsim/steps.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

static uint64_t run_clock(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// Clocks of the run: the heap's where time is virtual.
static uint64_t run_now(const struct run *r)
{
    return r->is_virtual ? gcsim_stepping()->virtual_now(r->heap) : run_clock(CLOCK_MONOTONIC);
}

static uint64_t run_cpu(const struct run *r, clockid_t clock)
{
    bool all = clock == CLOCK_PROCESS_CPUTIME_ID;
    return r->is_virtual ? gcsim_stepping()->virtual_cpu(r->heap, all) : run_clock(clock);
}

static void run_sleep(gcsim_heap *heap, uint64_t ns)
{
    (void)heap;
    if (ns == 0) {
        sched_yield();
        return;
    }
    struct timespec nap = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    nanosleep(&nap, NULL);
}

// --- a thread's share ----------------------------------------------------------------------------------------------

// The mutator is inside when this returns true. The watcher sees it from now on.
static bool run_thread_begin(struct run_thread *t)
{
    struct run *r = t->run;
    uint32_t name;
    gcsim_mutator *m = r->api->mutator_attach(r->heap, &t->status);
    if (!m)
        return false;
    gcsim_enter(m);
    t->status = r->api->name_intern(r->heap, "workload", &name);
    if (t->status == GCSIM_OK)
        t->status = r->api->name_intern(r->heap, r->workload->name, &m->site);
    if (t->status == GCSIM_OK && !(t->work.g = r->api->goroutine_new(m, name)))
        t->status = GCSIM_NO_MEMORY;
    pthread_mutex_lock(&r->lock);
    t->m = m;
    pthread_mutex_unlock(&r->lock);
    return true;
}

static void run_thread_end(struct run_thread *t)
{
    struct run *r = t->run;
    gcsim_mutator *m = t->m;
    if (!GCSIM_LOAD(&m->inside)) // the workload returned between leave and enter
        gcsim_enter(m);
    if (t->work.g)
        r->api->goroutine_end(m, t->work.g);
    gcsim_leave(m);
    pthread_mutex_lock(&r->lock);
    t->m = NULL;
    pthread_mutex_unlock(&r->lock);
    r->api->mutator_detach(m);
}

static void run_call(struct run_thread *t, gcsim_workload_fn *function)
{
    if (function && t->status == GCSIM_OK && t->result == 0)
        t->result = function(t->run->api, t->m, &t->work);
}

static void *run_thread_main(void *arg)
{
    struct run_thread *t = arg;
    struct run *r = t->run;
    if (run_thread_begin(t)) {
        run_call(t, r->workload->run);
        run_thread_end(t);
    }
    t->cpu_ns = run_cpu(r, CLOCK_THREAD_CPUTIME_ID);
    pthread_mutex_lock(&r->lock);
    r->running--;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    if (r->is_virtual)
        gcsim_stepping()->virtual_wake(r->heap, &r->running);
    return NULL;
}

// Signals are for the program's own threads.
static gcsim_status run_spawn(pthread_t *id, void *(*function)(void *), void *arg)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(id, NULL, function, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed ? GCSIM_NO_MEMORY : GCSIM_OK;
}

// --- adding up -----------------------------------------------------------------------------------------------------

static void run_add_cycle(struct run_totals *sum, const gcsim_cycle *c)
{
    uint64_t worst = c->pause1_ns > c->pause2_ns ? c->pause1_ns : c->pause2_ns;
    if (c->heap_end > sum->peak_bytes)
        sum->peak_bytes = c->heap_end;
    if (worst > sum->worst_stop_ns)
        sum->worst_stop_ns = worst;
    sum->total_stop_ns += c->pause1_ns + c->pause2_ns;
    sum->mark_cpu_ns += c->stopped ? c->mark_ns : c->background_ns + c->idle_ns;
    sum->assist_cpu_ns += c->assist_ns;
}

// Records are written while the world is stopped, so `m` is inside. How many there were.
static uint64_t run_add_cycles(struct run *r, gcsim_mutator *m)
{
    gcsim_cycle c;
    uint64_t last = r->api->cycle_info(m->heap, 0, &c) == GCSIM_OK ? c.number : 0;
    uint64_t from = r->seen_cycle, count = last > from ? last - from : 0;
    for (uint64_t n = from + 1; n <= last; n++)
        if (r->api->cycle_info(m->heap, n, &c) == GCSIM_OK)
            run_add_cycle(&r->totals, &c);
        else
            r->totals.unseen++;
    if (last > r->seen_cycle)
        r->seen_cycle = last;
    return count;
}

static void run_begin_totals(struct run *r, gcsim_mutator *m, gcsim_memstats *stats)
{
    gcsim_cycle c;
    r->api->memstats(m, stats);
    r->first_alloc = stats->total_alloc;
    r->seen_cycle = r->api->cycle_info(m->heap, 0, &c) == GCSIM_OK ? c.number : 0;
    r->first_cycle = r->seen_cycle;
    r->wall_ns = run_now(r);
    r->cpu_ns = run_cpu(r, CLOCK_PROCESS_CPUTIME_ID);
}

static void run_end_totals(struct run *r, gcsim_mutator *m, gcsim_memstats *stats)
{
    r->wall_ns = run_now(r) - r->wall_ns;
    r->cpu_ns = run_cpu(r, CLOCK_PROCESS_CPUTIME_ID) - r->cpu_ns;
    run_add_cycles(r, m);
    r->api->memstats(m, stats);
    r->totals.cycles = r->seen_cycle - r->first_cycle;
    r->totals.alloc_bytes = stats->total_alloc - r->first_alloc;
    if (stats->heap_alloc > r->totals.peak_bytes)
        r->totals.peak_bytes = stats->heap_alloc;
}

// --- the leader ----------------------------------------------------------------------------------------------------

static void run_deadline(struct timespec *t, uint64_t ns)
{
    clock_gettime(CLOCK_MONOTONIC, t);
    t->tv_sec += (time_t)(ns / 1000000000u);
    t->tv_nsec += (long)(ns % 1000000000u);
    if (t->tv_nsec >= 1000000000) {
        t->tv_nsec -= 1000000000;
        t->tv_sec++;
    }
}

static uint64_t run_next_wait(uint64_t wait_ns, uint64_t cycles)
{
    return cycles > 64 ? 1000000 : cycles < 16 && wait_ns < 100000000 ? wait_ns * 2 : wait_ns;
}

// Until all threads have ended. 256 records are kept: looks sooner where cycles are many. The leader is outside while it waits.
static void run_follow(struct run *r, gcsim_mutator *m)
{
    uint64_t wait_ns = 5000000;
    gcsim_leave(m);
    pthread_mutex_lock(&r->lock);
    while (r->running) {
        struct timespec deadline;
        run_deadline(&deadline, wait_ns);
        pthread_cond_timedwait(&r->changed, &r->lock, &deadline);
        pthread_mutex_unlock(&r->lock);
        gcsim_enter(m);
        uint64_t cycles = run_add_cycles(r, m);
        gcsim_leave(m);
        wait_ns = run_next_wait(wait_ns, cycles);
        pthread_mutex_lock(&r->lock);
    }
    pthread_mutex_unlock(&r->lock);
    gcsim_enter(m);
}

static void run_threads(struct run *r, gcsim_mutator *m)
{
    uint32_t started = 0;
    while (started < r->threads && r->status == GCSIM_OK) {
        pthread_mutex_lock(&r->lock);
        r->running++;
        pthread_mutex_unlock(&r->lock);
        r->status = run_spawn(&r->each[started].id, run_thread_main, &r->each[started]);
        started += r->status == GCSIM_OK;
    }
    if (r->status != GCSIM_OK) {
        pthread_mutex_lock(&r->lock);
        r->running--;
        pthread_mutex_unlock(&r->lock);
        run_ask_to_stop(r);
    }
    run_follow(r, m);
    for (uint32_t i = 0; i < started; i++)
        pthread_join(r->each[i].id, NULL);
}

static void run_virtual_main(void *t) { run_thread_main(t); }

// In virtual time all threads are coroutines, this one too.
static void run_virtual(struct run *r, gcsim_mutator *m)
{
    const gcsim_stepping_api *steps = gcsim_stepping();
    uint64_t wait_ns = 5000000;
    gcsim_leave(m);
    for (uint32_t i = 0; i < r->threads && r->status == GCSIM_OK; i++) {
        r->status = steps->virtual_go(r->heap, run_virtual_main, &r->each[i]);
        r->running += r->status == GCSIM_OK;
    }
    if (r->status != GCSIM_OK)
        run_ask_to_stop(r);
    while (r->running) {
        steps->virtual_wait(r->heap, &r->running, r->running, wait_ns);
        gcsim_enter(m);
        uint64_t cycles = run_add_cycles(r, m);
        gcsim_leave(m);
        wait_ns = run_next_wait(wait_ns, cycles);
    }
    gcsim_enter(m);
}

// One mutator at a time: a call of the step instantiation runs to its end.
static void run_in_turn(struct run *r, gcsim_mutator *m)
{
    gcsim_leave(m);
    for (uint32_t i = 0; i < r->threads; i++) {
        r->running++;
        run_thread_main(&r->each[i]);
        gcsim_enter(m);
        run_add_cycles(r, m);
        gcsim_leave(m);
    }
    gcsim_enter(m);
}

static void run_lead(struct run *r, gcsim_memstats *stats)
{
    struct run_thread *t = &r->leader;
    run_begin_totals(r, t->m, stats);
    run_call(t, r->workload->prepare);
    if (t->status == GCSIM_OK && t->result == 0) {
        if (r->is_virtual)
            run_virtual(r, t->m);
        else if (r->api->steps)
            run_in_turn(r, t->m);
        else
            run_threads(r, t->m);
        for (uint32_t i = 0; i < r->threads; i++) {
            r->checksum += r->each[i].work.checksum;
            t->work.failed += r->each[i].result != 0 || r->each[i].status != GCSIM_OK;
        }
        t->work.failed += r->status != GCSIM_OK;
        run_call(t, r->workload->finish);
    }
    r->checksum += t->work.checksum;
    run_end_totals(r, t->m, stats);
}

static void run_leader(void *arg)
{
    struct run *r = arg;
    gcsim_memstats *stats = malloc(sizeof *stats);
    if (!stats)
        r->leader.status = GCSIM_NO_MEMORY;
    else if (run_thread_begin(&r->leader)) {
        run_lead(r, stats);
        run_thread_end(&r->leader);
    }
    free(stats);
}

static gcsim_status run_leader_virtual(struct run *r)
{
    gcsim_stepping()->virtual_work(r->heap, r->workload->op_ps, r->workload->shade_ps);
    return gcsim_stepping()->virtual_call(r->heap, run_leader, r);
}

static void *run_leader_main(void *arg)
{
    struct run *r = arg;
    if (!r->is_virtual)
        run_leader(r);
    else if (r->status == GCSIM_OK)
        r->status = run_leader_virtual(r);
    pthread_mutex_lock(&r->lock);
    r->ended = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

// --- from outside --------------------------------------------------------------------------------------------------

static void run_thread_init(struct run_thread *t, struct run *r, uint32_t number)
{
    t->run = r;
    t->work = (gcsim_work){.bytes = sizeof t->work,
                           .thread = number,
                           .threads = r->threads,
                           .seed = r->seed,
                           .random = gcsim_mix(r->seed ^ gcsim_mix(number + 1)),
                           .params = r->params,
                           .shared = r->shared,
                           .stop = &r->stop,
                           .sleep = r->is_virtual ? gcsim_stepping()->virtual_sleep : run_sleep,
                           .op = r->is_virtual ? gcsim_stepping()->virtual_op : NULL,
                           .phase = "start"};
}

struct run *run_new(const gcsim_workload *workload, const gcsim_api *api, gcsim_heap *heap,
                    uint32_t threads, uint64_t seed, const int64_t *params)
{
    struct run *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->workload = workload;
    r->api = api;
    r->heap = heap;
    r->is_virtual = api->steps && gcsim_stepping()->is_virtual(heap);
    r->threads = threads;
    r->seed = seed;
    r->each = calloc(threads, sizeof *r->each);
    r->params = calloc(workload->nparams + 1, sizeof *r->params);
    r->shared = calloc(1, workload->shared_bytes + 1);
    pthread_condattr_t attributes;
    if (!r->each || !r->params || !r->shared || pthread_condattr_init(&attributes) != 0) {
        free(r->each);
        free(r->params);
        free(r->shared);
        free(r);
        return NULL;
    }
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&r->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&r->lock, NULL);
    for (uint32_t i = 0; i < workload->nparams; i++)
        r->params[i] = params[i];
    run_thread_init(&r->leader, r, threads);
    for (uint32_t i = 0; i < threads; i++)
        run_thread_init(&r->each[i], r, i);
    return r;
}

gcsim_status run_start(struct run *r)
{
    gcsim_status status = run_spawn(&r->leader.id, run_leader_main, r);
    r->started = status == GCSIM_OK;
    return status;
}

bool run_wait(struct run *r, uint64_t ns)
{
    struct timespec deadline;
    run_deadline(&deadline, ns);
    pthread_mutex_lock(&r->lock);
    while (!r->ended && pthread_cond_timedwait(&r->changed, &r->lock, &deadline) == 0)
        ;
    bool ended = r->ended;
    pthread_mutex_unlock(&r->lock);
    return ended;
}

void run_ask_to_stop(struct run *r)
{
    pthread_mutex_lock(&r->lock);
    if (!r->stop_asked_ns) {
        r->stop_asked_ns = run_clock(CLOCK_MONOTONIC);
        for (uint32_t i = 0; i < r->threads; i++)
            r->each[i].reported = false; // from now on they are waited for by us
    }
    pthread_mutex_unlock(&r->lock);
    GCSIM_STORE(&r->stop, 1u);
}

// Since when do others wait for it, or we for its end? Between two calls it may have come to a poll and be wanted again; over many calls
// that does not happen. *inside: it is in the heap, so others cannot go on.
static uint64_t run_held_since(struct run_thread *t, uint64_t now, bool *inside)
{
    *inside = t->m && GCSIM_LOAD(&t->m->inside);
    if (!*inside || !(GCSIM_LOAD(t->m->stop) & (GCSIM_STOP_NOW | GCSIM_STOP_RAGGED)))
        t->held_since_ns = 0;
    else if (!t->held_since_ns)
        t->held_since_ns = now;
    if (t->run->stop_asked_ns)
        return t->m ? t->run->stop_asked_ns : now;
    return t->held_since_ns ? t->held_since_ns : now;
}

bool run_stuck(struct run *r, uint64_t limit_ns, struct run_stuck *out)
{
    struct run_thread *found = NULL;
    bool found_inside = false;
    pthread_mutex_lock(&r->lock);
    uint64_t now = run_clock(CLOCK_MONOTONIC);
    // The leader waits for the others, outside: then it is they who are late.
    for (uint32_t i = 0; i < r->threads + !r->running; i++) {
        struct run_thread *t = i < r->threads ? &r->each[i] : &r->leader;
        bool inside;
        uint64_t since = run_held_since(t, now, &inside);
        if (t->reported || now - since < limit_ns || (found && (found_inside || !inside)))
            continue;
        found = t;
        found_inside = inside;
        *out = (struct run_stuck){i, GCSIM_LOAD(&t->work.phase), (double)(now - since) / 1e9};
    }
    if (found)
        found->reported = true;
    pthread_mutex_unlock(&r->lock);
    return found != NULL;
}

void run_free(struct run *r)
{
    if (!r)
        return;
    if (r->started)
        pthread_join(r->leader.id, NULL);
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->changed);
    free(r->each);
    free(r->params);
    free(r->shared);
    free(r);
}
