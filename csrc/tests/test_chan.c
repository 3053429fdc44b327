// instantiations: fast step
//
// lib/chan, lib/timer, lib/sync: goroutines as data on channels, tickers and semaphores. Channels do what a plain model of Go's specification
// does, operation by operation, while collections come and go.
#include "harness.h"

#include "lib/chan.c"
#include "lib/sync.c"
#include "lib/timer.c"
#include "lib/wait.c"

struct world_of_go { // a heap with the types
    mut *m;
    gcsim_heap *heap;
    const gcsim_type *node, *hchan, *sudog, *timer, *timers, *time, *byte, *number, *pointer,
        *mutex, *rwmutex, *waitgroup, *cond;
};

static struct world_of_go open_go(gcsim_options options)
{
    options.bytes = small_heap.bytes;
    options.reserve_bytes = small_heap.reserve_bytes;
    options.gc_percent = small_heap.gc_percent;
    options.check_mark = options.verify_phases = options.clobber_free = 1;
    struct world_of_go w = {.m = open_heap(options)};
    gcsim_heap *heap = w.heap = w.m->heap;
    w.node = make_type(heap, "node", 8, 0xff);
    w.hchan = make_type(heap, "hchan", HCHAN_WORDS, HCHAN_MASK);
    w.sudog = make_type(heap, "sudog", SUDOG_WORDS, SUDOG_MASK);
    w.timer = make_type(heap, "timer", TIMER_WORDS, TIMER_MASK);
    w.time = make_type(heap, "time", TIME_WORDS, TIME_MASK);
    w.timers = make_type(heap, "timers", TIMERS_WORDS, TIMERS_MASK);
    w.mutex = make_type(heap, "mutex", MUTEX_WORDS, MUTEX_MASK);
    w.rwmutex = make_type(heap, "rwmutex", RWMUTEX_WORDS, RWMUTEX_MASK);
    w.waitgroup = make_type(heap, "waitgroup", WAITGROUP_WORDS, WAITGROUP_MASK);
    w.cond = make_type(heap, "cond", COND_WORDS, COND_MASK);
    w.byte = make_bytes(heap, "byte", 1);
    w.number = make_type(heap, "number", 1, 0);
    w.pointer = make_type(heap, "pointer", 1, 1);
    return w;
}

// Kept for good.
static void *keep(struct world_of_go *w, void *p)
{
    INVARIANT(p && API->handle_new(w->m, p));
    return p;
}

static struct hchan *make_chan(struct world_of_go *w, const gcsim_type *elem, int64_t size)
{
    struct hchan *ch;
    INVARIANT(chan_make(w->m, w->hchan, w->byte, elem, size, false, &ch) == GCSIM_OK);
    return keep(w, ch);
}

static gcsim_goroutine *go(struct world_of_go *w) { return API->goroutine_new(w->m, 0); }

// An operation from beginning to end, with new boxes for its values. Sent are numbers, or nodes whose second word is the number.
static enum chan_result operate(struct world_of_go *w, gcsim_goroutine *g, struct hchan *const *ch,
                                const int *send, uint32_t n, bool single, uint64_t random,
                                void **boxes, uint32_t *chosen)
{
    struct chan_case cases[4] = {{0}};
    gcsim_handle *roots[5] = {NULL};
    for (uint32_t i = 0; i < n; i++) {
        const gcsim_type *elem = ch[i] ? ch[i]->elem : w->number;
        boxes[i] = gcsim_new(w->m, elem);
        roots[i] = API->handle_new(w->m, boxes[i]);
        if (send[i] >= 0 && elem->ptr_bytes) {
            void *node = gcsim_new(w->m, w->node);
            INVARIANT(node);
            // Not behind its last pointer: nothing there is looked at. Words 0 to 7 are pointers, so the number is how far into the node.
            gcsim_store(w->m, boxes[i], (char *)node + send[i] % 64);
        } else if (send[i] >= 0) {
            *(int64_t *)boxes[i] = send[i];
        }
        cases[i] = (struct chan_case){ch[i], boxes[i], send[i] >= 0};
    }
    struct sudog *s = n ? wait_prepare(w->m, w->sudog, n) : NULL;
    roots[4] = API->handle_new(w->m, s);
    enum chan_result result = chan_try(w->m, cases, n, random, chosen);
    if (result == CHAN_BLOCKS)
        chan_block(w->m, g, cases, n, single, s);
    for (int i = 0; i < 5; i++)
        if (roots[i])
            API->handle_drop(w->heap, roots[i]);
    return result;
}

static int value_in(struct world_of_go *w, const gcsim_type *elem, void *box)
{
    if (!elem->ptr_bytes)
        return (int)*(int64_t *)box;
    char *p = *(char **)box;
    gcsim_object object;
    if (!p)
        return 0;
    INVARIANT(API->find_object(w->heap, p, &object) == GCSIM_OK);
    return (int)(p - object.base);
}

// --- the model: what a channel is, without a heap ------------------------------------------------------------------

enum { GS = 8, CHANS = 4, ROOM = 64 };

struct waiter {
    int g, number, value; // of a case
    bool is_send;
};
struct model_chan {
    int size, count, buffer[ROOM];
    bool closed;
    int nwaiters;
    struct waiter waiters[ROOM]; // in the order in which they came
};
struct model {
    struct model_chan ch[CHANS];
    bool blocked[GS];
    int woken_case[GS], value[GS]; // of who was blocked and is no more
    bool ok[GS];
};

static int first_waiter(const struct model_chan *c, bool is_send)
{
    for (int i = 0; i < c->nwaiters; i++)
        if (c->waiters[i].is_send == is_send)
            return i;
    return -1;
}

static void model_wake(struct model *md, struct waiter who, int value, bool ok)
{
    md->blocked[who.g] = false;
    md->woken_case[who.g] = who.number;
    md->value[who.g] = value;
    md->ok[who.g] = ok;
    for (int c = 0; c < CHANS; c++) {
        struct model_chan *ch = &md->ch[c];
        int n = 0;
        for (int i = 0; i < ch->nwaiters; i++)
            if (ch->waiters[i].g != who.g)
                ch->waiters[n++] = ch->waiters[i];
        ch->nwaiters = n;
    }
}

static bool model_able(const struct model_chan *c, bool is_send)
{
    return c->closed || first_waiter(c, !is_send) >= 0 ||
           (is_send ? c->count < c->size : c->count > 0);
}

static enum chan_result model_do(struct model *md, int c, bool is_send, int value, int *got)
{
    struct model_chan *ch = &md->ch[c];
    int partner = first_waiter(ch, !is_send);
    if (is_send) {
        if (ch->closed)
            return CHAN_SEND_CLOSED;
        if (partner >= 0)
            model_wake(md, ch->waiters[partner], value, true);
        else
            ch->buffer[ch->count++] = value;
        return CHAN_DONE;
    }
    struct waiter from = {0};
    if (partner >= 0)
        from = ch->waiters[partner];
    if (ch->count) {
        *got = ch->buffer[0];
        memmove(ch->buffer, ch->buffer + 1, sizeof *ch->buffer * (size_t)--ch->count);
        if (partner >= 0)
            ch->buffer[ch->count++] = from.value;
    } else if (partner >= 0) {
        *got = from.value;
    } else {
        *got = 0;
        return CHAN_CLOSED;
    }
    if (partner >= 0)
        model_wake(md, from, 0, true);
    return CHAN_DONE;
}

// --- channels against the model ------------------------------------------------------------------------------------

// All goroutines are where the model says, and have what it says.
static uint64_t compare(struct world_of_go *w, struct model *md, gcsim_goroutine **g,
                        struct hchan **ch)
{
    uint64_t wrong = 0;
    for (int i = 0; i < GS; i++) {
        wrong += md->blocked[i] != (g[i]->wait_reason != GCSIM_WAIT_NONE);
        struct sudog *s = g[i]->param;
        if (md->blocked[i] || !s)
            continue;
        wrong += (int)s->number != md->woken_case[i] || s->success != md->ok[i];
        if (!s->is_send)
            wrong += value_in(w, w->heap->mheap.types.by_id[md->value[i] >> 16], s->elem) !=
                     (md->value[i] & 0xffff);
    }
    for (int i = 0; i < CHANS; i++)
        wrong += (int)ch[i]->count != md->ch[i].count;
    return wrong;
}

// In the model a value carries the type of its channel in its upper bits, so that a woken receiver knows how to read its box.
static int tag(const struct hchan *ch, int value) { return (int)ch->elem->id << 16 | value; }

static void random_operations(gcsim_options options, uint64_t seed, int steps)
{
    struct world_of_go w = open_go(options);
    struct model md = {0};
    gcsim_goroutine *g[GS];
    struct hchan *ch[CHANS];
    uint64_t wrong = 0, blocks = 0, panics = 0, selects = 0, done = 0, closes = 0;
    for (int i = 0; i < GS; i++)
        g[i] = go(&w);
    for (int i = 0; i < CHANS; i++) {
        md.ch[i].size = i == 3 ? 5 : i;
        ch[i] = make_chan(&w, i % 2 ? w.pointer : w.number, md.ch[i].size);
    }
    for (int step = 0; step < steps; step++) {
        int who = (int)below(&seed, GS), c[4];
        if (below(&seed, 40) == 0)
            INVARIANT((below(&seed, 2) ? API->collect(w.m) : API->find_goroutine_leaks(w.m)) ==
                      GCSIM_OK);
        if (below(&seed, 60) == 0) { // ends, and another takes its place
            for (int i = 0; i < CHANS; i++) {
                int n = 0;
                for (int k = 0; k < md.ch[i].nwaiters; k++)
                    if (md.ch[i].waiters[k].g != who)
                        md.ch[i].waiters[n++] = md.ch[i].waiters[k];
                md.ch[i].nwaiters = n;
            }
            md.blocked[who] = false;
            wait_cancel(w.m, g[who]);
            API->goroutine_end(w.m, g[who]);
            g[who] = go(&w);
            continue;
        }
        if (below(&seed, 100) == 0) { // closes, and a new channel takes its place
            int i = (int)below(&seed, CHANS);
            int at;
            while ((at = first_waiter(&md.ch[i], false)) >= 0)
                model_wake(&md, md.ch[i].waiters[at], tag(ch[i], 0), false);
            while ((at = first_waiter(&md.ch[i], true)) >= 0)
                model_wake(&md, md.ch[i].waiters[at], 0, false);
            wrong += chan_close(w.m, ch[i]) != (md.ch[i].closed ? CHAN_CLOSE_CLOSED : CHAN_DONE);
            wrong += chan_close(w.m, ch[i]) != CHAN_CLOSE_CLOSED;
            md.ch[i].closed = true;
            wrong += compare(&w, &md, g, ch);
            closes++;
            if (below(&seed, 2)) {
                ch[i] = make_chan(&w, ch[i]->elem, md.ch[i].size);
                md.ch[i] = (struct model_chan){.size = md.ch[i].size};
            }
            continue;
        }
        if (md.blocked[who])
            continue;
        uint32_t n = below(&seed, 3) ? 1 : 1 + (uint32_t)below(&seed, 4), chosen, able = 0;
        struct hchan *which[4];
        int send[4], got = 0;
        void *boxes[4];
        for (uint32_t i = 0; i < n; i++) {
            c[i] = (int)below(&seed, CHANS + (n > 1)); // the last: nil
            which[i] = c[i] < CHANS ? ch[c[i]] : NULL;
            send[i] = below(&seed, 2) ? 1 + (int)below(&seed, 60) : -1;
            able += c[i] < CHANS && model_able(&md.ch[c[i]], send[i] >= 0);
        }
        enum chan_result result =
            operate(&w, g[who], which, send, n, n == 1, next_random(&seed), boxes, &chosen);
        selects += n > 1;
        if (!able) {
            wrong += result != CHAN_BLOCKS;
            blocks++;
            md.blocked[who] = true;
            for (uint32_t i = 0; i < n; i++)
                if (c[i] < CHANS)
                    md.ch[c[i]].waiters[md.ch[c[i]].nwaiters++] =
                        (struct waiter){who, (int)i, tag(ch[c[i]], send[i]), send[i] >= 0};
        } else {
            g[who]->param = NULL; // the answer to what went before
            INVARIANT(chosen < n && c[chosen] < CHANS);
            wrong += result != model_do(&md, c[chosen], send[chosen] >= 0,
                                        tag(ch[c[chosen]], send[chosen]), &got);
            if (send[chosen] < 0)
                wrong += value_in(&w, ch[c[chosen]]->elem, boxes[chosen]) != (got & 0xffff);
            panics += result == CHAN_SEND_CLOSED;
            done++;
        }
        wrong += compare(&w, &md, g, ch);
        if (step % 256 == 0)
            wrong += !verifies(w.m);
    }
    check(
        wrong == 0 && verifies(w.m) && blocks > 50 && done > 50 && selects > 50 && closes,
        "%d operations: %d done, %d blocked, %d selects, %d closes, %d panics: %d unlike the model",
        steps, (int)done, (int)blocks, (int)selects, (int)closes, (int)panics, (int)wrong);
    close_heap(w.m);
}

static void channels_are_go_s_objects(void)
{
    struct world_of_go w = open_go((gcsim_options){0});
    gcsim_object object;
    struct hchan *ch = make_chan(&w, w.pointer, 0), *full = make_chan(&w, w.pointer, 3),
                 *bytes = make_chan(&w, w.number, 8), *none;
    API->find_object(w.heap, ch, &object);
    check(object.slot_bytes == 112 && object.noscan,
          "an hchan takes 112 bytes (chan.go:hchanSize)");
    API->find_object(w.heap, full, &object);
    check(object.slot_bytes == 112 && !object.noscan && is_object(w.heap, full->buf),
          "a buffer of pointers is an object of its own");
    API->find_object(w.heap, bytes, &object);
    check(object.slot_bytes == 176 && object.noscan && bytes->buf == (char *)(bytes + 1),
          "a buffer without pointers lies behind its channel");
    check(
        chan_make(w.m, w.hchan, w.byte, w.number, -1, false, &none) == GCSIM_BAD_SIZE &&
            chan_make(w.m, w.hchan, w.byte, w.number, INT64_MAX, false, &none) == GCSIM_BAD_SIZE &&
            chan_make(w.m, w.hchan, w.byte, make_bytes(w.heap, "large", 65536), 1, false, &none) ==
                GCSIM_BAD_SIZE,
        "absurd channels are refused");
    check(chan_close(w.m, NULL) == CHAN_CLOSE_NIL &&
              strcmp(chan_panic_text(CHAN_CLOSE_NIL), "close of nil channel") == 0,
          "closing nil is a panic");
    close_heap(w.m);
}

// How often select takes each of three cases that can all go on.
static void select_is_fair(void)
{
    enum { ROUNDS = 3000 };
    struct world_of_go w = open_go((gcsim_options){0});
    struct hchan *ch[3], *full = make_chan(&w, w.number, 1);
    uint64_t seed = 7, counts[4] = {0};
    int64_t one = 1;
    for (int i = 0; i < 3; i++)
        chan_close(w.m, ch[i] = make_chan(&w, w.number, 1));
    chan_offer(w.m, full, &one);
    for (int i = 0; i < ROUNDS; i++) {
        struct chan_case cases[4] = {
            {ch[0], NULL, false}, {full, &one, true}, {ch[1], NULL, false}, {ch[2], NULL, false}};
        uint32_t chosen;
        INVARIANT(chan_try(w.m, cases, 4, next_random(&seed), &chosen) == CHAN_CLOSED);
        counts[chosen]++;
    }
    check(counts[1] == 0 && counts[0] > 900 && counts[2] > 900 && counts[3] > 900,
          "select takes cases that can go on, each as often: %d, %d, %d", (int)counts[0],
          (int)counts[2], (int)counts[3]);
    close_heap(w.m);
}

// --- semaphores ----------------------------------------------------------------------------------------------------

static struct sudog *sudog(struct world_of_go *w) { return wait_prepare(w->m, w->sudog, 1); }
#define WAITS(g, reason) ((g)->wait_reason == (reason))

static void semaphores(void)
{
    struct world_of_go w = open_go((gcsim_options){0});
    struct mutex *mu = keep(&w, gcsim_new(w.m, w.mutex));
    gcsim_goroutine *a = go(&w), *b = go(&w), *c = go(&w);
    check(mutex_lock(w.m, mu, a, sudog(&w)) == SYNC_DONE &&
              mutex_lock(w.m, mu, b, sudog(&w)) == SYNC_BLOCKS &&
              mutex_lock(w.m, mu, c, sudog(&w)) == SYNC_BLOCKS && WAITS(b, GCSIM_WAIT_MUTEX),
          "a mutex is one goroutine's");
    wait_cancel(w.m, b);
    check(mutex_unlock(w.m, mu) == SYNC_DONE && WAITS(c, GCSIM_WAIT_NONE) && mu->locked,
          "it goes to who waits longest");
    check(mutex_unlock(w.m, mu) == SYNC_DONE && mutex_unlock(w.m, mu) == SYNC_NOT_LOCKED,
          "and is unlocked once");

    struct waitgroup *wg = keep(&w, gcsim_new(w.m, w.waitgroup));
    check(waitgroup_wait(w.m, wg, a, sudog(&w)) == SYNC_DONE &&
              waitgroup_add(w.m, wg, 2) == SYNC_DONE &&
              waitgroup_wait(w.m, wg, a, sudog(&w)) == SYNC_BLOCKS &&
              waitgroup_wait(w.m, wg, b, sudog(&w)) == SYNC_BLOCKS &&
              waitgroup_add(w.m, wg, -1) == SYNC_DONE && WAITS(a, GCSIM_WAIT_WAITGROUP),
          "a WaitGroup waits for all");
    check(waitgroup_add(w.m, wg, -1) == SYNC_DONE && WAITS(a, GCSIM_WAIT_NONE) &&
              WAITS(b, GCSIM_WAIT_NONE) && waitgroup_add(w.m, wg, -1) == SYNC_NEGATIVE,
          "then all go on");

    struct rwmutex *rw = keep(&w, gcsim_new(w.m, w.rwmutex));
    check(rwmutex_rlock(w.m, rw, a, sudog(&w)) == SYNC_DONE &&
              rwmutex_lock(w.m, rw, b, sudog(&w)) == SYNC_BLOCKS &&
              rwmutex_rlock(w.m, rw, c, sudog(&w)) == SYNC_BLOCKS &&
              WAITS(c, GCSIM_WAIT_RWMUTEX_R) && WAITS(b, GCSIM_WAIT_RWMUTEX),
          "a writer that waits keeps readers out");
    check(rwmutex_runlock(w.m, rw) == SYNC_DONE && WAITS(b, GCSIM_WAIT_NONE) &&
              rwmutex_unlock(w.m, rw) == SYNC_DONE && WAITS(c, GCSIM_WAIT_NONE) &&
              rwmutex_runlock(w.m, rw) == SYNC_DONE &&
              rwmutex_runlock(w.m, rw) == SYNC_NOT_RLOCKED &&
              rwmutex_unlock(w.m, rw) == SYNC_NOT_LOCKED,
          "readers and writers take turns");

    struct cond *cond = keep(&w, gcsim_new(w.m, w.cond));
    gcsim_store(w.m, &cond->lock, mu);
    check(cond_wait(w.m, cond, a, sudog(&w)) == SYNC_NOT_LOCKED &&
              mutex_lock(w.m, mu, a, sudog(&w)) == SYNC_DONE &&
              cond_wait(w.m, cond, a, sudog(&w)) == SYNC_BLOCKS && !mu->locked,
          "Wait unlocks the mutex that must be locked");
    check(mutex_lock(w.m, mu, b, sudog(&w)) == SYNC_DONE && cond_signal(w.m, cond) &&
              WAITS(a, GCSIM_WAIT_MUTEX) && mutex_unlock(w.m, mu) == SYNC_DONE &&
              WAITS(a, GCSIM_WAIT_NONE) && mu->locked && !cond_signal(w.m, cond),
          "who is signalled has the mutex again before it goes on");
    check(verifies(w.m) && API->collect(w.m) == GCSIM_OK, "the heap verifies");
    close_heap(w.m);
}

// --- time ----------------------------------------------------------------------------------------------------------

enum { SECOND = 1000000000 };

static struct timer *ticker(struct world_of_go *w, struct timers *ts, int64_t delay, int64_t period)
{
    struct hchan *ch;
    INVARIANT(chan_make(w->m, w->hchan, w->byte, w->time, 1, true, &ch) == GCSIM_OK);
    gcsim_handle *root = API->handle_new(w->m, ch);
    struct timer *t = gcsim_new(w->m, w->timer);
    timer_init(w->m, t, ts, ch, delay, period);
    API->handle_drop(w->heap, root);
    return t;
}

static int64_t receive(struct world_of_go *w, gcsim_goroutine *g, struct hchan *ch)
{
    uint32_t chosen;
    void *box[4];
    int send = -1;
    return operate(w, g, &ch, &send, 1, true, 0, box, &chosen) == CHAN_DONE
               ? ((struct go_time *)box[0])->ext
               : -1;
}

static int64_t received(gcsim_goroutine *g)
{
    const struct sudog *s = g->param;
    return s && !g->waiting ? ((struct go_time *)s->elem)->ext : -1;
}

static void timers_are_go_s(void)
{
    struct world_of_go w = open_go((gcsim_options){0});
    struct timers *ts = keep(&w, gcsim_new(w.m, w.timers));
    gcsim_goroutine *g = go(&w), *sleeper = go(&w);
    struct timer *t = ticker(&w, ts, SECOND, SECOND);
    API->collect(w.m);
    check(!is_object(w.heap, t), "a ticker that nobody refers to is collected, running or not");

    t = keep(&w, ticker(&w, ts, SECOND, SECOND));
    check(receive(&w, g, t->ch) == -1 && WAITS(g, GCSIM_WAIT_CHAN_RECEIVE) &&
              timers_advance(w.m, ts, SECOND - 1) == 0 && timers_advance(w.m, ts, SECOND) == 1 &&
              received(g) == SECOND && !t->listed,
          "a ticker wakes who waits for it");
    timers_advance(w.m, ts, (int64_t)5 * SECOND / 2);
    check(receive(&w, g, t->ch) == (int64_t)2 * SECOND && receive(&w, g, t->ch) == -1,
          "what nobody waited for is there when somebody looks");
    check(timers_advance(w.m, ts, (int64_t)7 * SECOND) == 1 && received(g) == (int64_t)3 * SECOND &&
              receive(&w, g, t->ch) == (int64_t)4 * SECOND && receive(&w, g, t->ch) == -1 &&
              t->when == (int64_t)8 * SECOND,
          "and what was missed is skipped");
    wait_cancel(w.m, g);
    timers_advance(w.m, ts, (int64_t)9 * SECOND);
    check(timer_stop(w.m, t) && receive(&w, g, t->ch) == -1, "Stop leaves no stale value behind");
    check(!timer_stop(w.m, t) && timers_advance(w.m, ts, (int64_t)20 * SECOND) == 0,
          "and nothing comes afterwards");
    check(!timer_reset(w.m, t, SECOND, 0) && timers_advance(w.m, ts, (int64_t)30 * SECOND) == 1 &&
              received(g) == (int64_t)21 * SECOND && t->when == 0,
          "Reset wakes who has waited all the time; a timer fires once");

    timer_sleep(w.m, ts, gcsim_new(w.m, w.timer), sleeper, sudog(&w), SECOND);
    check(WAITS(sleeper, GCSIM_WAIT_SLEEP) && ts->first, "who sleeps waits for time alone");
    API->find_goroutine_leaks(w.m);
    check(!sleeper->leaked && timers_advance(w.m, ts, (int64_t)31 * SECOND) == 1 &&
              WAITS(sleeper, GCSIM_WAIT_NONE) && !ts->first,
          "and is no leak");
    timer_sleep(w.m, ts, gcsim_new(w.m, w.timer), sleeper, sudog(&w), SECOND);
    wait_cancel(w.m, sleeper);
    check(!ts->first && verifies(w.m), "who is ended leaves no timer behind");

    struct timer *gone = ticker(&w, ts, SECOND, SECOND);
    API->frame_push(w.m, g, w.node, 0);
    *(void **)gcsim_frame_slots(g, g->top) = gone;
    receive(&w, g, gone->ch);
    check(API->find_goroutine_leaks(w.m) == GCSIM_OK && !g->leaked && is_object(w.heap, gone),
          "who waits for a ticker that only it knows is not leaked: the timer can fire");
    timer_stop(w.m, gone);
    check(API->find_goroutine_leaks(w.m) == GCSIM_OK && g->leaked && is_object(w.heap, gone),
          "once it is stopped, it is");
    close_heap(w.m);
}

// --- without memory ------------------------------------------------------------------------------------------------

static gcsim_status make_many(struct world_of_go *w)
{
    struct hchan *ch;
    for (int i = 0; i < 600; i++) {
        gcsim_status status =
            chan_make(w->m, w->hchan, w->byte, i % 2 ? w->pointer : w->number, 200, false, &ch);
        if (status != GCSIM_OK)
            return status;
        if (!wait_prepare(w->m, w->sudog, 40))
            return w->m->status;
        if (i % 2 && !is_object(w->heap, ch->buf))
            return GCSIM_BAD_ADDRESS;
    }
    return GCSIM_OK;
}

// The n-th request to the system fails, n = 1, 2, ...: it is told, and all works afterwards.
static void every_request_fails_once(void)
{
    uint64_t n = 0, refused = 0;
    bool ok = true;
    for (bool reached = true; reached && n < 100;) {
        struct world_of_go w = open_go((gcsim_options){0});
        os_fail_after(++n);
        gcsim_status status = make_many(&w);
        reached = os_fail_after(0) == 0;
        ok &= status == (reached && status != GCSIM_OK ? GCSIM_NO_MEMORY : GCSIM_OK);
        refused += status != GCSIM_OK;
        w.m->status = GCSIM_OK;
        ok &= verifies(w.m) && make_many(&w) == GCSIM_OK && API->collect(w.m) == GCSIM_OK &&
              verifies(w.m);
        close_heap(w.m);
    }
    check(ok && refused, "%d requests fail in turn, %d are told of", (int)n - 1, (int)refused);
}

int main(void)
{
    channels_are_go_s_objects();
    random_operations((gcsim_options){0}, 1, 6000);
    random_operations((gcsim_options){.stop_the_world = 1}, 2, 3000);
    random_operations((gcsim_options){.barrier = GCSIM_BARRIER_STEELE}, 3, 3000);
    random_operations((gcsim_options){.mark_engine = GCSIM_MARK_FIELD + 1}, 4, 3000);
    select_is_fair();
    semaphores();
    timers_are_go_s();
    every_request_fails_once();
    return finish();
}
