// Real threads: futex locks, membarrier, the system's clocks.
#include "base/rt.h"

#include "base/os.h"
#include "base/world.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include <errno.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
// CPUID 8000_0007h, EDX bit 8: the time stamp counter is invariant (Intel SDM volume 3, AMD APM volume 3).
static bool has_same_ticks(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d >> 8 & 1);
}
#else
static bool has_same_ticks(void) { return false; } // nobody asks
#endif

// `stop` gets its "fence yourself" bit where the system has no membarrier (gc/world.h).
CORE bool rt_init(struct rt *rt, struct world *world, uint64_t *steps, uint32_t *stop)
{
    (void)world, (void)steps;
    rt->no_membarrier =
        syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) != 0;
    *stop = rt->no_membarrier ? 2 : 0;
    rt->same_ticks = has_same_ticks();
    return true;
}

CORE void rt_init_in_child(struct rt *rt)
{
    (void)rt; // registration is inherited
}

CORE void rt_fence_heavy(struct rt *rt)
{
    if (rt->no_membarrier || syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) != 0)
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static long futex(void *word, int op, uint32_t value, const struct timespec *timeout)
{
    return syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, timeout, NULL, 0);
}

CORE_HOT void rt_lock_init(struct rt_lock *lock) { lock->futex = 0; }

// Three states, as in Drepper, "Futexes are tricky": an uncontended pair is two atomic operations and no system call.
CORE COLD void rt_lock_wait(struct rt_lock *lock)
{
    for (int spin = 0; spin < 100; spin++) {
        int32_t free = 0;
        if (__atomic_compare_exchange_n(&lock->futex, &free, 1, false, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
            return;
    }
    while (__atomic_exchange_n(&lock->futex, 2, __ATOMIC_ACQUIRE) != 0)
        futex(&lock->futex, FUTEX_WAIT, 2, NULL);
}

CORE_HOT void rt_lock(struct rt *rt, struct rt_lock *lock)
{
    (void)rt;
    int32_t free = 0;
    if (UNLIKELY(!__atomic_compare_exchange_n(&lock->futex, &free, 1, false, __ATOMIC_ACQUIRE,
                                              __ATOMIC_RELAXED)))
        rt_lock_wait(lock);
}

CORE_HOT void rt_unlock(struct rt *rt, struct rt_lock *lock)
{
    (void)rt;
    if (UNLIKELY(__atomic_exchange_n(&lock->futex, 0, __ATOMIC_RELEASE) == 2))
        futex(&lock->futex, FUTEX_WAKE, 1, NULL);
}

CORE_HOT bool rt_try_lock(struct rt *rt, struct rt_lock *lock)
{
    (void)rt;
    int32_t free = 0;
    return __atomic_compare_exchange_n(&lock->futex, &free, 1, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

CORE void rt_wait(struct rt *rt, uint32_t *word, uint32_t value)
{
    (void)rt;
    futex(word, FUTEX_WAIT, value, NULL);
}

CORE void rt_wait_for(struct rt *rt, uint32_t *word, uint32_t value, uint64_t ns)
{
    (void)rt;
    struct timespec timeout = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    futex(word, FUTEX_WAIT, value, &timeout);
}

CORE void rt_wake_all(struct rt *rt, uint32_t *word)
{
    (void)rt;
    futex(word, FUTEX_WAKE, INT32_MAX, NULL);
}

// Between two looks at a word that another thread is about to change.
CORE_HOT void rt_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

// Signals are for the program's own threads: a handler must not find itself on one of these.
CORE bool rt_spawn(struct rt *rt, struct rt_thread *thread, char *stack, void *(*run)(void *),
                   void *arg)
{
    (void)rt;
    sigset_t all, before;
    pthread_attr_t attributes;
    if (os_fault() || pthread_attr_init(&attributes) != 0)
        return false;
    pthread_attr_setstack(&attributes, stack, RT_STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool made = pthread_create(&thread->id, &attributes, run, arg) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return made;
}

CORE void rt_join(struct rt *rt, struct rt_thread *thread)
{
    (void)rt;
    pthread_join(thread->id, NULL);
}

CORE bool rt_has_threads(struct rt *rt)
{
    (void)rt;
    return true;
}

CORE uint32_t rt_processors(struct rt *rt)
{
    (void)rt;
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (uint32_t)CPU_COUNT(&set) : 1;
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

CORE uint64_t rt_now_ns(struct rt *rt)
{
    (void)rt;
    return clock_ns(CLOCK_MONOTONIC);
}

CORE uint64_t rt_event_ns(struct rt *rt) { return rt_now_ns(rt); }

#if defined(__x86_64__)
CORE uint64_t rt_ticks(struct rt *rt)
{
    return LIKELY(rt->same_ticks) ? __builtin_ia32_rdtsc() : rt_now_ns(rt);
}
#elif defined(__aarch64__)
CORE uint64_t rt_ticks(struct rt *rt)
{
    uint64_t ticks;
    (void)rt;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks)); // of the system, the same everywhere
    return ticks;
}
#else
CORE uint64_t rt_ticks(struct rt *rt) { return rt_now_ns(rt); }
#endif

CORE uint64_t rt_epoch_ns(struct rt *rt)
{
    (void)rt;
    return clock_ns(CLOCK_REALTIME);
}

CORE_HOT void rt_yield(struct rt *rt)
{
    (void)rt;
    rt_relax();
}

// Run an API call: here, just call it.
CORE_HOT void rt_call(struct rt *rt, rt_call_fn fn, void *args)
{
    (void)rt;
    fn(args);
}

// Run a callback of the user on its own stack: here, it is.
CORE_HOT int rt_on_host(struct rt *rt, int (*fn)(void *), void *arg)
{
    (void)rt;
    return fn(arg);
}
