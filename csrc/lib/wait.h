// What channels and semaphores have in common: queues of blocked goroutines, on the public API.
//
// Goroutines are data. An operation that cannot go on blocks the goroutine that it was done for: it leaves a *sudog* (Go: runtime2.go) in
// the queue of each object that it waits for, and returns. Whoever makes the operation possible completes it and wakes the goroutine,
// whose `param` is then the sudog that says how it ended.
//
// Sudogs are objects. They are made first (wait_prepare, a poll, which may fail); after that an operation neither polls nor fails. One thread
// at a time may operate on what one heap's goroutines wait for; the collector does not mind.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gcsim/gcsim.h"

#ifndef LIB
#define LIB static __attribute__((unused))
#endif

struct waitq { // in an object; both words are pointers
    struct sudog *first, *last;
};

struct sudog {
    gcsim_wait wait;             // the object, and the goroutine's next sudog
    struct sudog *next, *before; // in the object's queue
    void *elem;                  // of a channel operation: where its value is (an object), or NULL
    // No pointers into the heap.
    gcsim_goroutine *g;
    struct waitq *queue; // that it is in: inside `wait.object`. NULL: in none
    const gcsim_type *elem_type;
    uint32_t number; // of the case of a select
    uint8_t is_send, is_select;
    uint8_t success; // false: woken because the channel was closed
    uint8_t
        timed; // SUDOG_CHAN: waits to receive from a timer's channel; SUDOG_SLEEP: for its timer
};
enum { SUDOG_CHAN = 1, SUDOG_SLEEP = 2 };
enum { SUDOG_WORDS = sizeof(struct sudog) / 8, SUDOG_MASK = 0x1f };
_Static_assert(SUDOG_WORDS == 9, "the layout of a sudog");

// n >= 1 sudogs of nobody, linked; the caller roots the first. NULL with m->status set.
LIB struct sudog *wait_prepare(gcsim_mutator *m, const gcsim_type *sudog, uint32_t n);

// An object that others wait for is itself only where it was made or first used: a copy has the queues of the other one (Go: sync.copyChecker).
// `self` is a word of its own, 0 in a new one. False: it is a copy.
static inline bool wait_owns(const void *object, uint64_t *self)
{
    if (*self == 0)
        *self = (uint64_t)(uintptr_t)object;
    return *self == (uint64_t)(uintptr_t)object;
}

LIB void waitq_push(gcsim_mutator *m, struct waitq *q, struct sudog *s);
LIB void waitq_remove(gcsim_mutator *m, struct sudog *s); // nothing if it is in no queue

// The goroutine of a sudog goes on: it leaves all queues that it waits in.
LIB void wait_wake(gcsim_mutator *m, struct sudog *s, bool success);
// A goroutine is to be ended or does something else instead: it leaves all queues, and nothing woke it.
LIB void wait_cancel(gcsim_mutator *m, gcsim_goroutine *g);
