// Coroutines under a scheduler: the step instantiation's threads.
//
// Each API call that can reach a step point runs on a coroutine whose stack lies in the world, with its record at the stack's
// top. At every step point, lock and wait it hands control to whoever resumed it, on the caller's own stack.
//
// Virtual time (rt_virtual.c) is another way to run: then the clock is not the number of step points, and the collector has workers.
//
// Two ways to run. A call (rt_call) runs to its end: it goes on as long as it can, others in rising number while it waits.
// An actor (rt_start) stays: nothing of it runs but by rt_resume, one step at a time, or while a call waits. A world is a value
// at any time when nobody runs: it can be copied, rewound and hashed, live stacks and all.
//
// No callback of the user runs on a coroutine stack: rt_on_host carries it to the caller's stack and back.
#include "base/rt.h"

#include "base/bits.h"
#include "base/events.h"
#include "base/world.h"

#include <sched.h>

#ifdef CORE_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef CORE_TSAN
#include <sanitizer/tsan_interface.h>
#endif

// Switch stacks: save the callee-saved registers and the stack pointer, load the other's. That is read behind the saving: else a register
// that is saved may hold it, and a world would say where the caller's stack was.
void gcsim_co_switch(void **save_sp, void *const *to_sp) __attribute__((visibility("hidden")));
void gcsim_co_start(void) __attribute__((visibility("hidden")));
#if defined(__x86_64__)
__asm__(".text\n.p2align 4\n.hidden gcsim_co_switch\n.globl gcsim_co_switch\n.type "
        "gcsim_co_switch,@function\ngcsim_co_switch:\n"
        "pushq %rbp\npushq %rbx\npushq %r12\npushq %r13\npushq %r14\npushq %r15\n"
        "movq %rsp,(%rdi)\nmovq (%rsi),%rsp\n"
        "popq %r15\npopq %r14\npopq %r13\npopq %r12\npopq %rbx\npopq %rbp\nret\n"
        ".size gcsim_co_switch,.-gcsim_co_switch\n"
        ".hidden gcsim_co_start\n.globl gcsim_co_start\n.type "
        "gcsim_co_start,@function\ngcsim_co_start:\n"
        "movq %r12,%rdi\ncallq *%r13\nud2\n.size gcsim_co_start,.-gcsim_co_start\n");
enum { SWITCH_WORDS = 7 };
static void switch_frame(void **frame, void *arg, void (*entry)(void *))
{
    frame[2] = (void *)entry; // r13
    frame[3] = arg;           // r12
    frame[6] = (void *)gcsim_co_start;
}
#elif defined(__aarch64__)
__asm__(".text\n.p2align 4\n.hidden gcsim_co_switch\n.globl gcsim_co_switch\n.type "
        "gcsim_co_switch,%function\ngcsim_co_switch:\n"
        "sub sp,sp,#160\n"
        "stp x19,x20,[sp]\nstp x21,x22,[sp,#16]\nstp x23,x24,[sp,#32]\nstp x25,x26,[sp,#48]\nstp "
        "x27,x28,[sp,#64]\nstp x29,x30,[sp,#80]\n"
        "stp d8,d9,[sp,#96]\nstp d10,d11,[sp,#112]\nstp d12,d13,[sp,#128]\nstp d14,d15,[sp,#144]\n"
        "mov x9,sp\nstr x9,[x0]\nldr x9,[x1]\nmov sp,x9\n"
        "ldp x19,x20,[sp]\nldp x21,x22,[sp,#16]\nldp x23,x24,[sp,#32]\nldp x25,x26,[sp,#48]\nldp "
        "x27,x28,[sp,#64]\nldp x29,x30,[sp,#80]\n"
        "ldp d8,d9,[sp,#96]\nldp d10,d11,[sp,#112]\nldp d12,d13,[sp,#128]\nldp d14,d15,[sp,#144]\n"
        "add sp,sp,#160\nret\n.size gcsim_co_switch,.-gcsim_co_switch\n"
        ".hidden gcsim_co_start\n.globl gcsim_co_start\n.type "
        "gcsim_co_start,%function\ngcsim_co_start:\n"
        "mov x0,x19\nblr x20\nbrk #1\n.size gcsim_co_start,.-gcsim_co_start\n");
enum { SWITCH_WORDS = 20 };
static void switch_frame(void **frame, void *arg, void (*entry)(void *))
{
    frame[0] = arg;                     // x19
    frame[1] = (void *)entry;           // x20
    frame[11] = (void *)gcsim_co_start; // x30
}
#else
#error "the step instantiation needs a stack switch for this processor"
#endif

// The sanitizers are told of each switch. Their bookkeeping is per host thread and outside the world.
static _Thread_local struct rt_sanitizer {
    void *fake_host, *fake_co;
    const void *host_bottom;
    size_t host_bytes;
#ifdef CORE_TSAN // else the address sanitizer's build of the extension module asks for too much static thread memory
    void *tsan_host, *tsan_co[RT_COROUTINES];
#endif
} rt_sanitizer __attribute__((unused));

static char *coroutine_stack(struct rt *rt, uint32_t i)
{
    return world_at(rt->world, REGION_COROUTINES) + (uint64_t)i * RT_STACK_BYTES;
}

enum { RECORD_BYTES = (sizeof(struct coroutine) + 63) / 64 * 64 };

CORE_HOT struct coroutine *coroutine_at(struct rt *rt, uint32_t i)
{
    return (struct coroutine *)(void *)(coroutine_stack(rt, i) + RT_STACK_BYTES - RECORD_BYTES);
}

static void virtual_started(struct rt *rt, uint32_t i);
static void virtual_ended(struct rt *rt, uint32_t i);

static void to_coroutine(struct rt *rt, uint32_t i)
{
    rt->current = i + 1;
#ifdef CORE_ASAN
    __sanitizer_start_switch_fiber(&rt_sanitizer.fake_host, coroutine_stack(rt, i), RT_STACK_BYTES);
#endif
#ifdef CORE_TSAN
    rt_sanitizer.tsan_host = __tsan_get_current_fiber();
    if (!rt_sanitizer.tsan_co[i])
        rt_sanitizer.tsan_co[i] = __tsan_create_fiber(0);
    __tsan_switch_to_fiber(rt_sanitizer.tsan_co[i], 0);
#endif
    gcsim_co_switch(&rt->host_sp, &coroutine_at(rt, i)->sp);
#ifdef CORE_ASAN
    __sanitizer_finish_switch_fiber(rt_sanitizer.fake_host, NULL, NULL);
#endif
    rt->current = 0;
}

static void to_host(struct rt *rt, bool finished)
{
    uint32_t i = rt->current - 1;
    (void)finished;
#ifdef CORE_ASAN
    __sanitizer_start_switch_fiber(finished ? NULL : &rt_sanitizer.fake_co,
                                   rt_sanitizer.host_bottom, rt_sanitizer.host_bytes);
#endif
#ifdef CORE_TSAN
    __tsan_switch_to_fiber(rt_sanitizer.tsan_host, 0);
#endif
    gcsim_co_switch(&coroutine_at(rt, i)->sp, &rt->host_sp);
#ifdef CORE_ASAN
    __sanitizer_finish_switch_fiber(rt_sanitizer.fake_co, &rt_sanitizer.host_bottom,
                                    &rt_sanitizer.host_bytes);
#endif
}

static void coroutine_main(void *arg)
{
    struct rt *rt = arg;
#ifdef CORE_ASAN
    __sanitizer_finish_switch_fiber(NULL, &rt_sanitizer.host_bottom, &rt_sanitizer.host_bytes);
#endif
    struct coroutine *co = coroutine_at(rt, rt->current - 1);
    co->fn(co->args);
    co->status = COROUTINE_FREE;
    if (rt->virtual)
        virtual_ended(rt, rt->current - 1);
    to_host(rt, true);
    core_die(__FILE__, __LINE__, "a finished coroutine was resumed");
}

// A call finds a stack even when no memory is left: one more than there are actors is always there.
CORE bool rt_keep_room(struct rt *rt, uint32_t actors)
{
    return world_commit(rt->world, REGION_COROUTINES, (uint64_t)(actors + 1) * RT_STACK_BYTES);
}

CORE bool rt_init(struct rt *rt, struct world *world, uint64_t *steps, uint32_t *stop)
{
    memset(rt, 0, sizeof *rt);
    rt->world = world;
    rt->steps = steps;
    *stop = 0;
    return rt_keep_room(rt, 0);
}

CORE void rt_init_in_child(struct rt *rt)
{
    rt->current = 0;
    rt->host_lock = 0;
    for (uint32_t i = 0; i < rt->used; i++) {
        coroutine_at(rt, i)->status = COROUTINE_FREE;
        if (rt->virtual)
            virtual_ended(rt, i);
    }
}

// --- who may run -------------------------------------------------------------------------------------------------

CORE bool rt_can_run(struct rt *rt, uint32_t i)
{
    struct coroutine *co = coroutine_at(rt, i);
    return co->status == COROUTINE_RUNNABLE ||
           (co->status == COROUTINE_WAITING && *co->wait_word != co->wait_value);
}

// Fixed order: `first` if it can, then the others by number. Who stands before a choice is left to whoever can make it.
static uint32_t pick(struct rt *rt, uint32_t first)
{
    if (first < rt->used && rt_can_run(rt, first))
        return first;
    for (uint32_t i = 0; i < rt->used; i++)
        if (i != first && !coroutine_at(rt, i)->choices && rt_can_run(rt, i))
            return i;
    return RT_NOBODY;
}

// Whoever comes next behind `last` in a circle and can run, the call `i` last of all: it looks again and again for what others do.
static uint32_t pick_other(struct rt *rt, uint32_t i, uint32_t last)
{
    for (uint32_t k = 1; k <= rt->used; k++) {
        uint32_t other = (last + k) % rt->used;
        if (other != i && !coroutine_at(rt, other)->choices && rt_can_run(rt, other))
            return other;
    }
    return pick(rt, i);
}

static void host_lock(struct rt *rt)
{
    while (__atomic_exchange_n(&rt->host_lock, 1u, __ATOMIC_ACQUIRE))
        sched_yield();
}

static void host_unlock(struct rt *rt)
{
    rt->host_sp = NULL; // nothing of the host stays in the state zone
    rt->host_result = 0;
    __atomic_store_n(&rt->host_lock, 0u, __ATOMIC_RELEASE);
}

// To its next step point. It can run.
static void resume(struct rt *rt, uint32_t i)
{
    coroutine_at(rt, i)->status = COROUTINE_RUNNABLE;
    to_coroutine(rt, i);
    while (rt->host_fn) { // a callback is no step point
        rt->host_result = rt->host_fn(rt->host_arg);
        rt->host_fn = NULL;
        rt->host_arg = NULL;
        to_coroutine(rt, i);
    }
#ifdef CORE_ASAN // who copies, compares or rewinds a world reads live stacks, red zones and all
    __asan_unpoison_memory_region(coroutine_stack(rt, i), RT_STACK_BYTES);
#endif
#ifdef CORE_TSAN
    if (coroutine_at(rt, i)->status == COROUTINE_FREE) { // its record of calls would grow for ever
        __tsan_destroy_fiber(rt_sanitizer.tsan_co[i]);
        rt_sanitizer.tsan_co[i] = NULL;
    }
#endif
}

// Where the stack pointer of one stands that has not begun.
static void **first_frame(struct coroutine *co) { return (void **)(void *)co - 8 - SWITCH_WORDS; }

// A coroutine, which begins when it is first resumed. The `args` of one that stays lie in the world. RT_NOBODY: there are too many. Made by a call.
CORE uint32_t rt_start(struct rt *rt, rt_call_fn fn, void *args)
{
    uint32_t i = 0;
    while (i < rt->used && coroutine_at(rt, i)->status != COROUTINE_FREE)
        i++;
    if (i == RT_COROUTINES ||
        !world_commit(rt->world, REGION_COROUTINES, (uint64_t)(i + 1) * RT_STACK_BYTES))
        return RT_NOBODY;
    if (i == rt->used)
        rt->used++;
    void **frame = first_frame(coroutine_at(rt, i));
    memset(frame, 0, SWITCH_WORDS * sizeof *frame);
    switch_frame(frame, rt, coroutine_main);
    *coroutine_at(rt, i) =
        (struct coroutine){.sp = frame, .fn = fn, .args = args, .status = COROUTINE_RUNNABLE};
    if (rt->virtual)
        virtual_started(rt, i);
    return i;
}

// --- when nobody can run -----------------------------------------------------------------------------------------

static const uint32_t *waits_on(struct rt *rt, uint32_t i);

static bool is_dead(const struct rt *rt) { return rt->dead && rt->dead[0]; }

static void say_dead(struct rt *rt, const char *text)
{
    size_t n = strlen(rt->dead);
    snprintf(rt->dead + n, RT_DEAD_BYTES - n, "%s", text);
}

// Who waits for what. The text stays, and no coroutine runs again.
static void note_dead(struct rt *rt, const char *what)
{
    if (!rt->dead)
        core_die(__FILE__, __LINE__, what);
    say_dead(rt, what);
    for (uint32_t i = 0; i < rt->used; i++) {
        char line[128], name[80];
        const uint32_t *word = waits_on(rt, i);
        if (!word)
            continue;
        snprintf(line, sizeof line, "; coroutine %u waits for %s", (unsigned)i,
                 rt->wait_name(rt->wait_arg, word, name, sizeof name));
        say_dead(rt, line);
    }
}

#include "base/rt_virtual.c"

static const uint32_t *waits_on(struct rt *rt, uint32_t i)
{
    struct coroutine *co = coroutine_at(rt, i);
    return rt->virtual                       ? rt->virtual->words[i]
           : co->status == COROUTINE_WAITING ? co->wait_word
                                             : NULL;
}

// --- calls and actors --------------------------------------------------------------------------------------------

// Until coroutine i has ended. False: that will never be.
static bool finish_call(struct rt *rt, uint32_t i)
{
    uint32_t other = RT_NOBODY, last = i; // who ran just now; who ran last in its place
    while (coroutine_at(rt, i)->status != COROUTINE_FREE) {
        bool looked = other == i && coroutine_at(rt, i)->point == EVENT_WAIT;
        uint32_t next = looked ? pick_other(rt, i, last) : pick(rt, i);
        if (next == RT_NOBODY) {
            note_dead(rt, "deadlock: every coroutine waits");
            return false;
        }
        resume(rt, next);
        other = next;
        if (next != i)
            last = next;
    }
    return true;
}

CORE void rt_call(struct rt *rt, rt_call_fn fn, void *args)
{
    if (rt->current) { // a call made by a call
        fn(args);
        return;
    }
    host_lock(rt);
    uint32_t i = is_dead(rt) ? RT_NOBODY : rt_start(rt, fn, args);
    INVARIANT(i != RT_NOBODY || is_dead(rt));
    if (i != RT_NOBODY && (rt->virtual ? virtual_finish(rt, i) : finish_call(rt, i)))
        *coroutine_at(rt, i) = (struct coroutine){0};
    host_unlock(rt);
}
// One step of an actor, in the way `choice` if it stands before one. False: it cannot run.
CORE bool rt_resume(struct rt *rt, uint32_t i, uint32_t choice)
{
    if (i >= rt->used || rt->virtual || !rt_can_run(rt, i))
        return false;
    host_lock(rt);
    coroutine_at(rt, i)->choice = choice;
    resume(rt, i);
    host_unlock(rt);
    return true;
}

CORE int rt_on_host(struct rt *rt, int (*fn)(void *), void *arg)
{
    if (!rt->current)
        return fn(arg);
    rt->host_fn = fn;
    rt->host_arg = arg;
    if (rt->virtual)
        rt->virtual->at[rt->current - 1] = rt->virtual->now;
    to_host(rt, false);
    return rt->host_result;
}

// Others may run here. `where` and `arg` say what comes next, as the event of the same kind does.
CORE void rt_step(struct rt *rt, uint32_t kind, uint64_t where, uint64_t arg)
{
    if (!rt->current) // a look from outside takes no time
        return;
    ++*rt->steps;
    if (rt->virtual) {
        virtual_step(rt, kind, where, arg);
        return;
    }
    if (rt->quiet >> kind & 1)
        return;
    struct coroutine *co = coroutine_at(rt, rt->current - 1);
    if (co->joins && kind != EVENT_WAIT) {
        co->joins = 0;
        return;
    }
    co->point = kind;
    co->where = where;
    co->arg = arg;
    to_host(rt, false);
}

// One of n ways to go on, taken by whoever resumes. Not on the caller's own stack.
CORE uint32_t rt_choose(struct rt *rt, uint32_t kind, uint64_t where, uint32_t n)
{
    struct coroutine *co = coroutine_at(rt, rt->current - 1);
    co->choices = n;
    rt_step(rt, kind, where, n);
    co->choices = 0;
    uint32_t choice = co->choice;
    co->choice = 0;
    return choice < n ? choice : n - 1;
}

// Nothing that others see happened in this step yet, so the next action may belong to it.
CORE void rt_join_next(struct rt *rt, bool joins)
{
    if (rt->current)
        coroutine_at(rt, rt->current - 1)->joins = joins;
}

// For who will never go on: what it has done is taken back.
CORE void rt_give_up(struct rt *rt)
{
    if (rt->current)
        to_host(rt, false);
}

// On the caller's own stack: somebody else goes on.
static void run_another(struct rt *rt)
{
    if (rt->virtual) {
        if (!virtual_run_one(rt))
            core_die(__FILE__, __LINE__, rt->dead);
        return;
    }
    uint32_t next = pick(rt, RT_NOBODY);
    if (next == RT_NOBODY)
        core_die(__FILE__, __LINE__, "deadlock: every coroutine waits");
    resume(rt, next);
}

CORE_HOT void rt_yield(struct rt *rt)
{
    if (rt->current)
        rt_step(rt, EVENT_WAIT, 0, 0);
    else
        run_another(rt);
}

static void wait_for(struct rt *rt, const uint32_t *word, uint32_t value)
{
    if (!rt->current) {
        while (*word == value)
            run_another(rt);
        return;
    }
    if (rt->virtual) {
        virtual_wait(rt, word, UINT64_MAX);
        return;
    }
    struct coroutine *co = coroutine_at(rt, rt->current - 1);
    co->wait_word = word;
    co->wait_value = value;
    co->status = COROUTINE_WAITING;
    co->point = EVENT_WAIT;
    co->where = co->arg = 0;
    to_host(rt, false);
    co->wait_word = NULL;
    co->wait_value = 0;
}

CORE_HOT void rt_lock_init(struct rt_lock *lock) { lock->holder = 0; }

CORE void rt_lock(struct rt *rt, struct rt_lock *lock)
{
    rt_step(rt, EVENT_LOCK, 0, 0);
    while (lock->holder)
        wait_for(rt, &lock->holder, lock->holder);
    lock->holder = rt->current ? rt->current : UINT32_MAX;
}

CORE void rt_unlock(struct rt *rt, struct rt_lock *lock)
{
    INVARIANT(lock->holder == (rt->current ? rt->current : UINT32_MAX));
    lock->holder = 0;
    if (rt->virtual && rt->virtual->waiting)
        virtual_wake(rt, &lock->holder, 0);
}

CORE_HOT bool rt_try_lock(struct rt *rt, struct rt_lock *lock)
{
    rt_step(rt, EVENT_LOCK, 0, 0);
    if (lock->holder)
        return false;
    lock->holder = rt->current ? rt->current : UINT32_MAX;
    return true;
}

CORE void rt_wait(struct rt *rt, uint32_t *word, uint32_t value)
{
    if (*word == value)
        wait_for(rt, word, value);
}

CORE void rt_wait_for(struct rt *rt, uint32_t *word, uint32_t value, uint64_t ns)
{
    if (rt->virtual && rt->current) {
        if (*word == value)
            virtual_wait(rt, word, ns);
        return;
    }
    if (rt->virtual) { // the host waits: others go on
        run_another(rt);
        return;
    }
    rt_step(rt, EVENT_WAIT, 0, 0); // nobody is left waiting by a clock that stands still
}

CORE_HOT void rt_relax(void) {}

CORE bool rt_spawn(struct rt *rt, struct rt_thread *thread, char *stack, void *(*run)(void *),
                   void *arg)
{
    (void)stack; // coroutines have theirs
    return rt->virtual && virtual_spawn(rt, thread, run, arg);
}

CORE bool rt_has_threads(struct rt *rt) { return rt->virtual != NULL; }

CORE void rt_join(struct rt *rt, struct rt_thread *thread)
{
    if (rt->current)
        while (coroutine_at(rt, thread->coroutine)->status != COROUTINE_FREE)
            rt_yield(rt);
    else
        virtual_finish(rt, thread->coroutine);
}

CORE uint32_t rt_processors(struct rt *rt)
{
    (void)rt;
    return 2;
}

CORE void rt_wake_all(struct rt *rt, uint32_t *word)
{
    if (rt->virtual) {
        virtual_wake(rt, word, rt->virtual->costs[EVENT_WAIT].ps);
        return;
    }
    for (uint32_t i = 0; i < rt->used; i++) {
        struct coroutine *co = coroutine_at(rt, i);
        if (co->status == COROUTINE_WAITING && co->wait_word == word)
            co->status = COROUTINE_RUNNABLE;
    }
}

CORE void rt_fence_heavy(struct rt *rt)
{
    (void)rt; // one coroutine runs at a time
}

// The clock counts step points, so that the same schedule gives the same times.
CORE uint64_t rt_now_ns(struct rt *rt)
{
    return rt->virtual ? virtual_now_ns(rt) : rt->frozen ? 0 : *rt->steps;
}

CORE uint64_t rt_event_ns(struct rt *rt)
{
    return rt->virtual ? rt->virtual->now / VIRTUAL_PS : rt_now_ns(rt);
}

CORE uint64_t rt_ticks(struct rt *rt) { return rt_event_ns(rt); }

CORE uint64_t rt_epoch_ns(struct rt *rt) { return rt_now_ns(rt); }
