#include "lib/chan.h"

#include "lib/timer.h"

enum { HCHAN_MAX_ELEM = 65535 }; // chan.go:makechan

// --- making ------------------------------------------------------------------------------------------------------

LIB gcsim_status chan_plan(const gcsim_type *elem, int64_t size, bool traced, bool *behind,
                           uint64_t *bytes)
{
    if (size < 0 || elem->bytes > HCHAN_MAX_ELEM ||
        __builtin_mul_overflow((uint64_t)size, elem->bytes, bytes) || *bytes > 1ull << 46)
        return GCSIM_BAD_SIZE;
    *behind = !traced && (!elem->ptr_bytes || !*bytes); // its queues are not traced then, as in Go
    if (*behind)
        *bytes += sizeof(struct hchan);
    return GCSIM_OK;
}

// A pointer to what lies behind the channel would keep its neighbour where the buffer has no bytes.
LIB void chan_init(gcsim_mutator *m, struct hchan *ch, void *buf, const gcsim_type *elem,
                   int64_t size)
{
    if (buf)
        gcsim_store(m, &ch->buf, buf);
    else
        ch->buf = (char *)(size && elem->bytes ? ch + 1 : ch);
    ch->size = (uint64_t)size;
    ch->elem_bytes = (uint32_t)elem->bytes;
    ch->elem = elem;
    ch->self = (uint64_t)(uintptr_t)ch;
}

LIB gcsim_status chan_make(gcsim_mutator *m, const gcsim_type *hchan, const gcsim_type *byte,
                           const gcsim_type *elem, int64_t size, bool traced, struct hchan **out)
{
    uint64_t bytes;
    bool behind;
    *out = NULL;
    gcsim_status status = chan_plan(elem, size, traced, &behind, &bytes);
    if (status != GCSIM_OK)
        return status;
    struct hchan *ch = behind ? m->api->new_array(m, byte, bytes) : gcsim_new(m, hchan);
    gcsim_handle *root = ch && !behind && bytes ? m->api->handle_new(m, ch) : NULL;
    void *buf = root ? m->api->new_array(m, elem, (uint64_t)size) : NULL;
    status = m->status == GCSIM_OK ? GCSIM_NO_MEMORY : m->status;
    if (root)
        m->api->handle_drop(m->heap, root);
    if (!ch || (!behind && bytes && !buf))
        return status;
    chan_init(m, ch, buf, elem, size);
    *out = ch;
    return GCSIM_OK;
}

// --- values ------------------------------------------------------------------------------------------------------

static void chan_copy(gcsim_mutator *m, struct hchan *ch, void *to, const void *from)
{
    if (to && ch->elem_bytes)
        m->api->copy(m, ch->elem, to, from, 1);
}

static void chan_zero(gcsim_mutator *m, struct hchan *ch, void *to)
{
    if (to && ch->elem_bytes)
        m->api->clear(m, ch->elem, to, 1);
}

static char *chan_slot(struct hchan *ch, uint64_t i) { return ch->buf + i * ch->elem_bytes; }

static void buffer_put(gcsim_mutator *m, struct hchan *ch, const void *elem)
{
    chan_copy(m, ch, chan_slot(ch, ch->send_at), elem);
    ch->send_at = ch->send_at + 1 == ch->size ? 0 : ch->send_at + 1;
    ch->count++;
}

static void buffer_take(gcsim_mutator *m, struct hchan *ch, void *elem)
{
    char *slot = chan_slot(ch, ch->receive_at);
    chan_copy(m, ch, elem, slot);
    chan_zero(m, ch, slot);
    ch->receive_at = ch->receive_at + 1 == ch->size ? 0 : ch->receive_at + 1;
    ch->count--;
}

// --- sending and receiving, where that is possible ---------------------------------------------------------------

static bool can_go_on(const struct hchan *ch, bool is_send)
{
    if (!ch)
        return false;
    return ch->closed ||
           (is_send ? ch->receivers.first || ch->count < ch->size : ch->senders.first || ch->count);
}

static enum chan_result send_now(gcsim_mutator *m, struct hchan *ch, const void *elem)
{
    struct sudog *receiver = ch->receivers.first;
    if (ch->closed)
        return CHAN_SEND_CLOSED;
    if (receiver) {
        chan_copy(m, ch, receiver->elem, elem);
        wait_wake(m, receiver, true);
    } else {
        buffer_put(m, ch, elem);
    }
    return CHAN_DONE;
}

// A closed channel still gives what is in its buffer.
static enum chan_result receive_now(gcsim_mutator *m, struct hchan *ch, void *elem)
{
    struct sudog *sender = ch->senders.first;
    if (ch->count) {
        buffer_take(m, ch, elem);
        if (sender) // there is room now for what it waits to send
            buffer_put(m, ch, sender->elem);
    } else if (sender) {
        chan_copy(m, ch, elem, sender->elem);
    } else {
        chan_zero(m, ch, elem);
        return CHAN_CLOSED;
    }
    if (sender)
        wait_wake(m, sender, true);
    return CHAN_DONE;
}

LIB bool chan_offer(gcsim_mutator *m, struct hchan *ch, const void *elem)
{
    return can_go_on(ch, true) && send_now(m, ch, elem) == CHAN_DONE;
}

LIB enum chan_result chan_try(gcsim_mutator *m, const struct chan_case *cases, uint32_t n,
                              uint64_t random, uint32_t *chosen)
{
    uint64_t able = 0;
    *chosen = n;
    for (uint32_t i = 0; i < n; i++) {
        if (cases[i].ch && cases[i].ch->timer)
            timer_catch_up(m, cases[i].ch);
        able += can_go_on(cases[i].ch, cases[i].is_send);
    }
    if (!able)
        return CHAN_BLOCKS;
    uint64_t left = random % able;
    for (uint32_t i = 0;; i++)
        if (can_go_on(cases[i].ch, cases[i].is_send) && left-- == 0) {
            *chosen = i;
            return cases[i].is_send ? send_now(m, cases[i].ch, cases[i].elem)
                                    : receive_now(m, cases[i].ch, cases[i].elem);
        }
}

// --- blocking ----------------------------------------------------------------------------------------------------

static uint32_t chan_reason(const struct chan_case *cases, uint32_t n, bool single)
{
    uint32_t live = 0;
    for (uint32_t i = 0; i < n; i++)
        live += cases[i].ch != NULL;
    if (!single) // cases of nil channels are none (select.go:selectgo); the compiler's block() has none at all
        return n ? GCSIM_WAIT_SELECT : GCSIM_WAIT_SELECT_NO_CASES;
    if (cases[0].is_send)
        return live ? GCSIM_WAIT_CHAN_SEND : GCSIM_WAIT_CHAN_SEND_NIL;
    return live ? GCSIM_WAIT_CHAN_RECEIVE : GCSIM_WAIT_CHAN_RECEIVE_NIL;
}

LIB void chan_block(gcsim_mutator *m, gcsim_goroutine *g, const struct chan_case *cases, uint32_t n,
                    bool single, struct sudog *first)
{
    struct sudog *s = first;
    for (uint32_t i = 0; i < n; i++, s = (struct sudog *)s->wait.link) {
        struct hchan *ch = cases[i].ch;
        s->g = g;
        s->number = i;
        s->is_send = cases[i].is_send;
        s->is_select = !single;
        s->elem_type = ch ? ch->elem : NULL;
        gcsim_store(m, &s->elem, cases[i].elem);
        gcsim_store(m, &s->wait.object, ch);
        if (!ch)
            continue;
        waitq_push(m, cases[i].is_send ? &ch->senders : &ch->receivers, s);
        s->timed = ch->timer && !cases[i].is_send ? SUDOG_CHAN : 0;
    }
    m->api->goroutine_park(m, g, chan_reason(cases, n, single), first);
    for (s = first; s; s = (struct sudog *)s->wait.link)
        if (s->timed)
            timer_block(m, s->wait.object);
}

LIB enum chan_result chan_close(gcsim_mutator *m, struct hchan *ch)
{
    struct sudog *s;
    if (!ch)
        return CHAN_CLOSE_NIL;
    if (ch->closed)
        return CHAN_CLOSE_CLOSED;
    ch->closed = 1;
    while ((s = ch->receivers.first)) {
        chan_zero(m, ch, s->elem);
        wait_wake(m, s, false);
    }
    while ((s = ch->senders.first))
        wait_wake(m, s, false);
    return CHAN_DONE;
}

LIB enum chan_result chan_outcome(const struct sudog *s)
{
    return s->success ? CHAN_DONE : s->is_send ? CHAN_SEND_CLOSED : CHAN_CLOSED;
}

LIB const char *chan_panic_text(enum chan_result result)
{
    switch (result) {
    case CHAN_SEND_CLOSED:
        return "send on closed channel";
    case CHAN_CLOSE_CLOSED:
        return "close of closed channel";
    case CHAN_CLOSE_NIL:
        return "close of nil channel";
    default:
        return NULL;
    }
}
