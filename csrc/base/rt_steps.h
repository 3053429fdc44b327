// The step instantiation's part of base/rt.h: what a coroutine is, and the layer's state.
#pragma once

// Instrumented frames are larger.
#if GCSIM_DEBUG || defined(CORE_ASAN) || defined(CORE_TSAN)
enum {
    RT_COROUTINES = 640,
    RT_FEW_COROUTINES = 320,
    RT_STACK_BYTES = 256 << 10,
    RT_HAS_THREADS = 0
};
#else
enum {
    RT_COROUTINES = 640,
    RT_FEW_COROUTINES = 320,
    RT_STACK_BYTES = 64 << 10,
    RT_HAS_THREADS = 0
};
#endif
enum { RT_NOBODY = RT_COROUTINES, RT_DEAD_BYTES = 512 };

enum coroutine_status { COROUTINE_FREE = 0, COROUTINE_RUNNABLE, COROUTINE_WAITING };

struct coroutine {
    void *sp;
    rt_call_fn fn;
    void *args;
    const uint32_t *wait_word; // WAITING: until *wait_word != wait_value, or a wake
    uint32_t wait_value;
    uint32_t status;
    // The step point at which it stands; what it does next comes behind it.
    uint32_t point; // enum event_kind
    uint64_t where, arg;
    uint32_t choices; // not 0: it goes on in one of so many ways
    uint32_t choice;  // which
    uint32_t joins;   // 1: its next action belongs to the step that it is in
};

struct rt {
    struct world *world;
    uint64_t *steps;    // step points passed, in the history zone: the clock
    uint64_t quiet;     // a bit per event kind: step points that hand control to nobody
    uint32_t frozen;    // the clock stands still: no decision depends on the path taken
    uint32_t used;      // coroutines 0 .. used-1 have a stack
    uint32_t current;   // 1 + number of the running coroutine; 0 = the caller's own stack
    uint32_t host_lock; // one operating system thread at a time
    void *host_sp;
    int (*host_fn)(void *); // pending rt_on_host
    void *host_arg;
    int host_result;
    struct rt_virtual *virtual; // NULL: time is steps
    const char *(*wait_name)(void *arg, const uint32_t *word, char *buffer, size_t room);
    void *wait_arg;
    char *
        dead; // RT_DEAD_BYTES in the history zone: why nobody can run any more; "" while somebody can
};

struct rt_thread {
    void *(*run)(void *);
    void *arg;
    uint32_t coroutine;
};

CORE_HOT struct coroutine *coroutine_at(struct rt *rt, uint32_t i); // free or not

CORE void rt_call(struct rt *rt, rt_call_fn fn, void *args); // an API call, to its end
CORE int rt_on_host(struct rt *rt, int (*fn)(void *),
                    void *arg); // a callback of the user, on the caller's stack
CORE void rt_give_up(struct rt *rt);
