// The runtime layer: locks, waiting, clocks, fences and step points. Two implementations of this one header:
// rt_threads.c (pthreads, membarrier; step points only emit events) and rt_steps.c (coroutines; each lock, wait and step point is
// where a scheduler may choose somebody else). Everything above knows only these names.
#pragma once

#include "base/core.h"

struct rt; // state of the layer, inside struct heap
typedef void (*rt_call_fn)(void *args);

// A mutual exclusion lock in world memory, zero-initialised by rt_lock_init. Not recursive.
struct rt_lock {
    union {
        int32_t futex;   // threads: 0 free, 1 held, 2 held and waited for
        uint32_t holder; // steps: 1 + coroutine that holds it, 0 free
    };
};

CORE_HOT void rt_lock_init(struct rt_lock *lock);
CORE_HOT void rt_lock(struct rt *rt, struct rt_lock *lock);
CORE_HOT void rt_unlock(struct rt *rt, struct rt_lock *lock);
CORE_HOT bool rt_try_lock(struct rt *rt, struct rt_lock *lock);

// Wait while *word == value; wake all that wait on it. Spurious returns are allowed: always called in a loop.
// rt_wait_for also returns after so many ns.
CORE void rt_wait(struct rt *rt, uint32_t *word, uint32_t value);
CORE void rt_wait_for(struct rt *rt, uint32_t *word, uint32_t value, uint64_t ns);
CORE void rt_wake_all(struct rt *rt, uint32_t *word);
CORE_HOT void rt_relax(void);          // between two looks at a word, before waiting for it
CORE_HOT void rt_yield(struct rt *rt); // the same, and whoever is to change it may run

// The two sides of the asymmetric fence: every thread's earlier `inside` store is seen after rt_fence_heavy, if its light side
// (a compiler fence in inline.h) stands between that store and its load of the stop flag.
CORE void rt_fence_heavy(struct rt *rt);

// A thread of the collector's own, with every signal blocked; false if the system gives none. The step instantiation has some only in virtual
// time; else all work is done by the calls that come in.
struct rt_thread;
// `stack` is RT_STACK_BYTES of memory that outlives it.
CORE bool rt_spawn(struct rt *rt, struct rt_thread *thread, char *stack, void *(*run)(void *),
                   void *arg);
CORE void rt_join(struct rt *rt, struct rt_thread *thread);
CORE bool rt_has_threads(
    struct rt *
        rt); // the collector may have threads of its own; in the step instantiation in virtual time only
CORE uint32_t
rt_processors(struct rt *rt); // that this process may use; 2 in the step instantiation

CORE uint64_t rt_now_ns(struct rt *rt);   // monotonic
CORE uint64_t rt_event_ns(struct rt *rt); // the same for records: nobody else runs because of it
CORE uint64_t rt_epoch_ns(struct rt *rt); // since 1970
// For records that are written fast: the processor's own clock, where all processors have the same; else rt_event_ns.
CORE uint64_t rt_ticks(struct rt *rt);

#if GCSIM_STEPS
#include "base/rt_steps.h"
#else
#include "base/rt_threads.h"
#endif
