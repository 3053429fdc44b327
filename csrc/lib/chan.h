// Go's channels on the public API: make, send, receive, close, select (runtime/chan.go, select.go).
//
// A channel is an object laid out as Go's hchan, so that it has Go's size class: with its buffer behind it where elements have no pointers, else
// with a buffer of its own. What Go panics with is a result here.
#pragma once

#include "lib/wait.h"

struct timer;

struct hchan {
    uint64_t count, size; // elements in the buffer, and room for them
    char *buf;            // pointer
    uint32_t elem_bytes, closed;
    struct timer *timer;    // pointer: that feeds it
    const gcsim_type *elem; // lives as long as the heap
    uint64_t send_at, receive_at;
    struct waitq receivers, senders; // pointers
    uint64_t self;                   // its address (wait_owns); here Go has its bubble
    uint64_t unused;                 // Go's lock
};
enum { HCHAN_WORDS = sizeof(struct hchan) / 8, HCHAN_MASK = 1 << 2 | 1 << 4 | 0xf << 8 };
_Static_assert(HCHAN_WORDS == 14, "chan.go:hchan takes 112 bytes");

// make(chan T, size). `hchan` is a type of HCHAN_WORDS and HCHAN_MASK, `byte` one of 1 byte. GCSIM_BAD_SIZE: elements above 65,535 bytes, too many
// of them, or a negative size. With `traced` the channel may have pointers whatever its elements are (a timer's).
//
// In parts, for who allocates otherwise: chan_plan says how (`behind`: the buffer lies behind the channel, which has no pointers, and all is one
// array of `bytes` bytes; else the channel is one object and its buffer, if bytes is not 0, another of `size` elements), then chan_init.
LIB gcsim_status chan_plan(const gcsim_type *elem, int64_t size, bool traced, bool *behind,
                           uint64_t *bytes);
LIB void chan_init(gcsim_mutator *m, struct hchan *ch, void *buf, const gcsim_type *elem,
                   int64_t size);
LIB gcsim_status chan_make(gcsim_mutator *m, const gcsim_type *hchan, const gcsim_type *byte,
                           const gcsim_type *elem, int64_t size, bool traced, struct hchan **out);

// One operation, or a case of a select. `elem` is a value to send, or room for the one that is received (NULL: it is thrown away); of a goroutine
// that blocks it is an object of its own.
struct chan_case {
    struct hchan *ch; // NULL: the nil channel, on which nothing ever happens
    void *elem;
    bool is_send;
};

enum chan_result {
    CHAN_DONE,
    CHAN_CLOSED,       // received the zero value, for the channel is closed
    CHAN_BLOCKS,       // nothing can go on
    CHAN_SEND_CLOSED,  // panic: send on closed channel
    CHAN_CLOSE_CLOSED, // panic: close of closed channel
    CHAN_CLOSE_NIL,    // panic: close of nil channel
};

// One of the cases that can go on, each as likely as the others, does: *chosen is its number.
LIB enum chan_result chan_try(gcsim_mutator *m, const struct chan_case *cases, uint32_t n,
                              uint64_t random, uint32_t *chosen);
// Send if that needs no waiting, as what feeds a channel does.
LIB bool chan_offer(gcsim_mutator *m, struct hchan *ch, const void *elem);
// After CHAN_BLOCKS: g waits for all of them. `s` are n sudogs (wait_prepare), NULL if n is 0; `single`: it is no select.
LIB void chan_block(gcsim_mutator *m, gcsim_goroutine *g, const struct chan_case *cases, uint32_t n,
                    bool single, struct sudog *s);
// All who wait are woken: receivers with zero, senders to panic.
LIB enum chan_result chan_close(gcsim_mutator *m, struct hchan *ch);
// How it ended for a goroutine that was blocked and is no more, from its param.
LIB enum chan_result chan_outcome(const struct sudog *s);
// What Go panics with; NULL: it does not.
LIB const char *chan_panic_text(enum chan_result result);
