// Coroutines under a scheduler: the step instantiation's threads.
//
// Each API call that can reach a step point runs on a coroutine whose stack lies in the world. At every step point, lock and
// wait it hands control to the scheduler loop, which runs on the caller's own stack and decides who goes on. The order here is
// fixed: the call that came in runs as long as it can, others in rising number while it waits; a later scheduler replaces
// `pick` alone. Between calls no coroutine is live, so a world is a value: it can be copied, rewound and hashed.
//
// No callback of the user runs on a coroutine stack: rt_on_host carries it to the caller's stack and back.
#include "base/rt.h"

#include "base/bits.h"
#include "base/world.h"

#include <sched.h>

#ifdef CORE_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef CORE_TSAN
#include <sanitizer/tsan_interface.h>
#endif

// Instrumented frames are larger.
#if GCSIM_DEBUG || defined(CORE_ASAN) || defined(CORE_TSAN)
enum { RT_COROUTINES = 16, RT_STACK_BYTES = 256 << 10, RT_HAS_THREADS = 0 };
#else
enum { RT_COROUTINES = 16, RT_STACK_BYTES = 64 << 10, RT_HAS_THREADS = 0 };
#endif

typedef void (*rt_call_fn)(void *args);

enum coroutine_status { COROUTINE_FREE = 0, COROUTINE_RUNNABLE, COROUTINE_WAITING };

struct coroutine {
    void *sp;
    rt_call_fn fn;
    void *args;
    const uint32_t *wait_word; // WAITING: until *wait_word != wait_value, or a wake
    uint32_t wait_value;
    uint32_t status;
};

struct rt {
    struct world *world;
    uint64_t *steps;    // step points passed, in the history zone: the clock
    uint32_t current;   // 1 + number of the running coroutine; 0 = the caller's own stack
    uint32_t host_lock; // one operating system thread at a time
    void *host_sp;
    int (*host_fn)(void *); // pending rt_on_host
    void *host_arg;
    int host_result;
    uint32_t deadlock;
    struct coroutine co[RT_COROUTINES];
};

// Switch stacks: save the callee-saved registers and the stack pointer, load the other's.
void gcsim_co_switch(void **save_sp, void *to_sp) __attribute__((visibility("hidden")));
void gcsim_co_start(void) __attribute__((visibility("hidden")));
#if defined(__x86_64__)
__asm__(".text\n.p2align 4\n.hidden gcsim_co_switch\n.globl gcsim_co_switch\n.type "
        "gcsim_co_switch,@function\ngcsim_co_switch:\n"
        "pushq %rbp\npushq %rbx\npushq %r12\npushq %r13\npushq %r14\npushq %r15\n"
        "movq %rsp,(%rdi)\nmovq %rsi,%rsp\n"
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
        "mov x9,sp\nstr x9,[x0]\nmov sp,x1\n"
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
    void *tsan_host, *tsan_co[RT_COROUTINES];
} rt_sanitizer __attribute__((unused));

static char *coroutine_stack(struct rt *rt, uint32_t i)
{
    return world_at(rt->world, REGION_COROUTINES) + (uint64_t)i * RT_STACK_BYTES;
}

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
    gcsim_co_switch(&rt->host_sp, rt->co[i].sp);
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
    gcsim_co_switch(&rt->co[i].sp, rt->host_sp);
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
    struct coroutine *co = &rt->co[rt->current - 1];
    co->fn(co->args);
    co->status = COROUTINE_FREE;
    to_host(rt, true);
    core_die(__FILE__, __LINE__, "a finished coroutine was resumed");
}

CORE bool rt_init(struct rt *rt, struct world *world, uint64_t *steps, uint32_t *stop)
{
    memset(rt, 0, sizeof *rt);
    rt->world = world;
    rt->steps = steps;
    *stop = 0;
    return world_commit(world, REGION_COROUTINES, RT_STACK_BYTES);
}

CORE void rt_init_in_child(struct rt *rt)
{
    rt->current = 0;
    rt->host_lock = 0;
    memset(rt->co, 0, sizeof rt->co);
}

// Fixed order: the incoming call first, then the others by number; RT_COROUTINES = nobody can run.
static uint32_t pick(struct rt *rt, uint32_t incoming)
{
    for (uint32_t k = 0; k < RT_COROUTINES; k++) {
        uint32_t i = k == 0 ? incoming : k <= incoming ? k - 1 : k;
        struct coroutine *co = &rt->co[i];
        if (co->status == COROUTINE_WAITING && *co->wait_word != co->wait_value)
            co->status = COROUTINE_RUNNABLE;
        if (co->status == COROUTINE_RUNNABLE)
            return i;
    }
    return RT_COROUTINES;
}

static void schedule(struct rt *rt, uint32_t incoming)
{
    while (rt->co[incoming].status != COROUTINE_FREE) {
        uint32_t i = pick(rt, incoming);
        if (i == RT_COROUTINES)
            core_die(__FILE__, __LINE__, "deadlock: every coroutine waits");
        to_coroutine(rt, i);
        if (rt->host_fn) {
            rt->host_result = rt->host_fn(rt->host_arg);
            rt->host_fn = NULL;
            rt->host_arg = NULL;
        }
    }
}

CORE void rt_call(struct rt *rt, rt_call_fn fn, void *args)
{
    if (rt->current) { // a call made by a call
        fn(args);
        return;
    }
    while (__atomic_exchange_n(&rt->host_lock, 1u, __ATOMIC_ACQUIRE))
        sched_yield();
    uint32_t i = 0;
    while (i < RT_COROUTINES && rt->co[i].status != COROUTINE_FREE)
        i++;
    INVARIANT(i < RT_COROUTINES);
    INVARIANT(world_commit(rt->world, REGION_COROUTINES, (uint64_t)(i + 1) * RT_STACK_BYTES));
    void **frame = (void **)(coroutine_stack(rt, i) + RT_STACK_BYTES - 64) - SWITCH_WORDS;
    memset(frame, 0, SWITCH_WORDS * sizeof *frame);
    switch_frame(frame, rt, coroutine_main);
    rt->co[i] =
        (struct coroutine){.sp = frame, .fn = fn, .args = args, .status = COROUTINE_RUNNABLE};
    schedule(rt, i);
#ifdef CORE_TSAN
    __tsan_destroy_fiber(
        rt_sanitizer.tsan_co
            [i]); // its record of calls would grow for ever: a finished coroutine never returns
    rt_sanitizer.tsan_co[i] = NULL;
#endif
    rt->co[i] = (struct coroutine){0}; // nothing of the host may stay in the state zone
    rt->host_sp = NULL;
    rt->host_result = 0;
    __atomic_store_n(&rt->host_lock, 0u, __ATOMIC_RELEASE);
}

CORE int rt_on_host(struct rt *rt, int (*fn)(void *), void *arg)
{
    if (!rt->current)
        return fn(arg);
    rt->host_fn = fn;
    rt->host_arg = arg;
    to_host(rt, false);
    return rt->host_result;
}

CORE_INLINE void rt_step(struct rt *rt)
{
    ++*rt->steps;
    if (rt->current)
        to_host(rt, false);
}

static void wait_for(struct rt *rt, const uint32_t *word, uint32_t value)
{
    INVARIANT(rt->current); // the caller's own stack never waits: calls run to completion
    struct coroutine *co = &rt->co[rt->current - 1];
    co->wait_word = word;
    co->wait_value = value;
    co->status = COROUTINE_WAITING;
    to_host(rt, false);
    co->wait_word = NULL;
}

CORE_INLINE void rt_lock_init(struct rt_lock *lock) { lock->holder = 0; }

CORE void rt_lock(struct rt *rt, struct rt_lock *lock)
{
    rt_step(rt);
    while (lock->holder)
        wait_for(rt, &lock->holder, lock->holder);
    lock->holder = rt->current ? rt->current : UINT32_MAX;
}

CORE void rt_unlock(struct rt *rt, struct rt_lock *lock)
{
    INVARIANT(lock->holder == (rt->current ? rt->current : UINT32_MAX));
    lock->holder = 0;
}

CORE_INLINE bool rt_try_lock(struct rt *rt, struct rt_lock *lock)
{
    rt_step(rt);
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
    (void)word, (void)value, (void)ns;
    rt_step(rt); // nobody is left waiting by a clock that stands still
}

CORE_INLINE void rt_relax(void) {}

struct rt_thread {
    uint32_t unused;
};

CORE bool rt_spawn(struct rt *rt, struct rt_thread *thread, char *stack, void *(*run)(void *),
                   void *arg)
{
    (void)rt, (void)thread, (void)stack, (void)run, (void)arg;
    return false;
}

CORE void rt_join(struct rt *rt, struct rt_thread *thread) { (void)rt, (void)thread; }

CORE uint32_t rt_processors(struct rt *rt)
{
    (void)rt;
    return 2;
}

CORE void rt_wake_all(struct rt *rt, uint32_t *word)
{
    for (uint32_t i = 0; i < RT_COROUTINES; i++)
        if (rt->co[i].status == COROUTINE_WAITING && rt->co[i].wait_word == word)
            rt->co[i].status = COROUTINE_RUNNABLE;
}

CORE void rt_fence_heavy(struct rt *rt)
{
    (void)rt; // one coroutine runs at a time
}

// The clock counts step points, so that the same schedule gives the same times.
CORE uint64_t rt_now_ns(struct rt *rt) { return *rt->steps; }

CORE uint64_t rt_epoch_ns(struct rt *rt) { return *rt->steps; }
