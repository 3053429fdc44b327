// Go's sync.Mutex, RWMutex, WaitGroup and Cond on the public API: semaphores with their queues in the object.
//
// Who unlocks hands the lock to who has waited longest, as Go does with a mutex that is starved (internal/sync/mutex.go). What Go ends the program
// with, or panics with, is a result here. Each operation that may block takes a new sudog (wait_prepare), and uses it if it does.
#pragma once

#include "lib/wait.h"

enum sync_result {
    SYNC_DONE,
    SYNC_BLOCKS,      // the goroutine waits now
    SYNC_NOT_LOCKED,  // fatal: unlock of unlocked mutex
    SYNC_NOT_RLOCKED, // fatal: RUnlock of unlocked RWMutex
    SYNC_NEGATIVE,    // panic: negative WaitGroup counter
};

struct mutex {
    struct waitq queue; // pointers
    uint64_t locked;
    uint64_t self; // its address, as in the others (wait_owns)
};
struct rwmutex {
    struct waitq readers, writers; // pointers
    int64_t reading;               // how many hold it to read
    uint64_t writing;
    uint64_t self;
};
struct waitgroup {
    struct waitq queue; // pointers
    int64_t count;
    uint64_t self;
};
struct cond {
    struct waitq queue; // pointers
    struct mutex *lock; // pointer
    uint64_t self;
};
enum {
    MUTEX_WORDS = sizeof(struct mutex) / 8,
    MUTEX_MASK = 0x3,
    RWMUTEX_WORDS = sizeof(struct rwmutex) / 8,
    RWMUTEX_MASK = 0xf,
    WAITGROUP_WORDS = sizeof(struct waitgroup) / 8,
    WAITGROUP_MASK = 0x3,
    COND_WORDS = sizeof(struct cond) / 8,
    COND_MASK = 0x7,
};

LIB enum sync_result mutex_lock(gcsim_mutator *m, struct mutex *mu, gcsim_goroutine *g,
                                struct sudog *s);
LIB enum sync_result mutex_unlock(gcsim_mutator *m, struct mutex *mu);

// A writer that waits keeps new readers out (sync/rwmutex.go).
LIB enum sync_result rwmutex_lock(gcsim_mutator *m, struct rwmutex *mu, gcsim_goroutine *g,
                                  struct sudog *s);
LIB enum sync_result rwmutex_rlock(gcsim_mutator *m, struct rwmutex *mu, gcsim_goroutine *g,
                                   struct sudog *s);
LIB enum sync_result rwmutex_unlock(gcsim_mutator *m, struct rwmutex *mu);
LIB enum sync_result rwmutex_runlock(gcsim_mutator *m, struct rwmutex *mu);

LIB enum sync_result waitgroup_add(gcsim_mutator *m, struct waitgroup *wg, int64_t n);
LIB enum sync_result waitgroup_wait(gcsim_mutator *m, struct waitgroup *wg, gcsim_goroutine *g,
                                    struct sudog *s);

// Wait unlocks the mutex, which the goroutine has again when it goes on: who is signalled may have to wait for that.
LIB enum sync_result cond_wait(gcsim_mutator *m, struct cond *c, gcsim_goroutine *g,
                               struct sudog *s);
LIB bool cond_signal(gcsim_mutator *m, struct cond *c); // false: nobody waits

LIB const char *sync_error_text(enum sync_result result); // Go's words; NULL: none
