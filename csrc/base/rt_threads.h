// The threads' part of base/rt.h: the layer's state.
#pragma once

#include <pthread.h>

// No coroutines here; stacks are those of the collector's own threads. The thread sanitizer's thread-local data lies on them too.
#ifdef CORE_TSAN
enum { RT_COROUTINES = 0, RT_FEW_COROUTINES = 0, RT_STACK_BYTES = 2 << 20, RT_HAS_THREADS = 1 };
#else
enum { RT_COROUTINES = 0, RT_FEW_COROUTINES = 0, RT_STACK_BYTES = 256 << 10, RT_HAS_THREADS = 1 };
#endif

struct rt {
    uint32_t
        no_membarrier; // 1: the system has none; the light side must fence itself (mutators never skip enter_slow)
    uint32_t same_ticks; // x86: the time stamp counter runs at one speed, on all processors
};

struct rt_thread {
    pthread_t id;
};

CORE_HOT void rt_call(struct rt *rt, rt_call_fn fn, void *args);      // an API call
CORE_HOT int rt_on_host(struct rt *rt, int (*fn)(void *), void *arg); // a callback of the user
