// Go's timers with channels, tickers and sleep, on the public API, in the heap's own time (runtime/time.go, of Go 1.23 and later).
//
// A timer that nobody waits for is known to its channel alone: it is collected with it, and what it should have sent is found when somebody looks
// at the channel (time.go:maybeRunChan). While a goroutine waits to receive from it, it is in the list of the heap's timers, a root: it can fire,
// so that goroutine is not leaked (time.go:blockTimerChan). Its channel has room for one value, which counts as none.
#pragma once

#include "lib/chan.h"

struct timers {          // one object per heap, rooted by the caller: the clock
    struct timer *first; // of those that somebody waits for; pointer
    int64_t now;         // ns
    uint64_t random;     // for who has to choose
};
enum { TIMERS_WORDS = sizeof(struct timers) / 8, TIMERS_MASK = 1 };

struct go_time { // time.Time, which a timer sends: ns of the heap's clock in ext
    uint64_t wall;
    int64_t ext;
    void *loc; // pointer
};
enum { TIME_WORDS = sizeof(struct go_time) / 8, TIME_MASK = 4 };

struct timer {        // what time.Timer and time.Ticker are, with their runtime.timer
    struct hchan *ch; // of struct go_time: when it fires. NULL: it wakes a sleeper
    struct timers *timers;
    struct timer *next, *before; // in the list
    struct sudog *sleeper;
    int64_t when, period; // ns; when 0: stopped. period 0: fires once
    uint32_t blocked;     // goroutines that wait for it
    uint32_t listed;
    uint64_t unused[5]; // Go's has a lock, states, a function and its arguments
    uint64_t self;      // its address (wait_owns)
};
enum { TIMER_WORDS = sizeof(struct timer) / 8, TIMER_MASK = 0x1f };
_Static_assert(TIMER_WORDS == 14, "time.go:timeTimer takes 112 bytes");

// time.NewTimer (period 0), time.NewTicker, of a new object. `ch` is new too, of struct go_time, traced, with room for one.
LIB void timer_init(gcsim_mutator *m, struct timer *t, struct timers *ts, struct hchan *ch,
                    int64_t delay, int64_t period);
// Stop and Reset: was it to fire? What it has sent and nobody received is gone.
LIB bool timer_stop(gcsim_mutator *m, struct timer *t);
LIB bool timer_reset(gcsim_mutator *m, struct timer *t, int64_t delay, int64_t period);
// time.Sleep: g is blocked until the clock has gone on. `t` is a new timer without a channel, `s` a new sudog.
LIB void timer_sleep(gcsim_mutator *m, struct timers *ts, struct timer *t, gcsim_goroutine *g,
                     struct sudog *s, int64_t delay);

// Time goes on to `now`; timers that somebody waits for fire in the order of their times. Returns how many did.
LIB uint64_t timers_advance(gcsim_mutator *m, struct timers *ts, int64_t now);

// For channels: somebody looks at one that a timer feeds; a goroutine begins to wait for it. And for queues: one that waits for time no longer does.
LIB void timer_catch_up(gcsim_mutator *m, struct hchan *ch);
LIB void timer_block(gcsim_mutator *m, struct hchan *ch);
LIB void timer_left(gcsim_mutator *m, struct sudog *s);
