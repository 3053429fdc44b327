// A cycle that searches holds the stacks of blocked goroutines back: they are no roots. When marking has come to its end, whoever is
// blocked on something that got marked may be woken, so its stack is marked too, and so on until nobody joins. Who is left waits for
// what only such goroutines reach. Their stacks are marked in the end: a leak is told, not freed (mgc.go:findMaybeRunnableGoroutines).
//
// Marking may go on while the program runs, as in Go. A stack that is held back hides nothing meanwhile: nobody uses it while its goroutine
// is blocked, and who wakes it marks it first (Go leaves it grey, and relies on the barrier that shades what is stored). That wants a
// barrier with which stacks stay black; under any other one the world stays stopped.
#include "gc/leaks.h"

#include "gc/mark.h"

static const char *const wait_reasons[GCSIM_WAIT_REASONS] = {
    // runtime2.go:waitReasonStrings
    [GCSIM_WAIT_NONE] = "",
    [GCSIM_WAIT_SLEEP] = "sleep",
    [GCSIM_WAIT_CHAN_RECEIVE_NIL] = "chan receive (nil chan)",
    [GCSIM_WAIT_CHAN_SEND_NIL] = "chan send (nil chan)",
    [GCSIM_WAIT_SELECT_NO_CASES] = "select (no cases)",
    [GCSIM_WAIT_SELECT] = "select",
    [GCSIM_WAIT_CHAN_RECEIVE] = "chan receive",
    [GCSIM_WAIT_CHAN_SEND] = "chan send",
    [GCSIM_WAIT_COND] = "sync.Cond.Wait",
    [GCSIM_WAIT_MUTEX] = "sync.Mutex.Lock",
    [GCSIM_WAIT_RWMUTEX_R] = "sync.RWMutex.RLock",
    [GCSIM_WAIT_RWMUTEX] = "sync.RWMutex.Lock",
    [GCSIM_WAIT_WAITGROUP] = "sync.WaitGroup.Wait",
};

CORE const char *wait_reason_text(uint32_t reason)
{
    return reason < GCSIM_WAIT_REASONS ? wait_reasons[reason] : "";
}

// --- blocking and waking -----------------------------------------------------------------------------------------

// What it waits for is new or reachable: marked, or still to be found, as all that is put into a frame.
CORE void goroutine_park(gcsim_goroutine *g, uint32_t reason, void *waiting)
{
    g->waiting = waiting;
    g->param = NULL;
    GCSIM_STORE(&g->wait_reason, reason);
}

CORE void goroutine_ready(struct mutator *m, gcsim_goroutine *pub, void *param)
{
    struct goroutine *g = (struct goroutine *)pub;
    if (g->held_back) {
        g->held_back = false;
        mark_stack(m, pub);
    }
    pub->waiting = NULL;
    pub->param = param;
    GCSIM_STORE(&pub->wait_reason, GCSIM_WAIT_NONE);
    GCSIM_STORE(&pub->leaked, 0u);
}

// --- the search --------------------------------------------------------------------------------------------------

CORE bool leaks_begin(struct mheap *h)
{
    struct gc *gc = &heap_of(h)->gc;
    gc->leaks.searching = GCSIM_LOAD(&gc->leaks.wanted);
    GCSIM_STORE(&gc->leaks.wanted, 0u);
    bool stacks_stay_black = gc->barrier == GCSIM_BARRIER_HYBRID && !gc->rescan_stacks &&
                             gc->stacks == GCSIM_STACKS_STOPPED && !gc->unsound;
    return gc->leaks.searching && !stacks_stay_black;
}

CORE void leaks_prepare(struct mheap *h)
{
    struct gc *gc = &heap_of(h)->gc;
    if (gc->leaks.searching)
        for (struct goroutine *g = gc->goroutines; g; g = g->next)
            g->held_back = g->pub.wait_reason >= GCSIM_WAIT_CHAN_RECEIVE_NIL;
}

CORE void leaks_forget(struct mheap *h)
{
    struct gc *gc = &heap_of(h)->gc;
    gc->leaks.searching = false;
    for (struct goroutine *g = gc->goroutines; g; g = g->next)
        g->held_back = false;
}

// Marked, or not in the heap: a zero-size object is everybody's.
static bool is_reached(struct mheap *h, const void *object)
{
    gcsim_span *s = span_of(h, object);
    return !s || s->state != GCSIM_SPAN_IN_USE || mark_is_set(s, span_index(s, object));
}

// mgc.go:isMaybeRunnable, of a goroutine that is blocked.
static bool may_run(struct mheap *h, const gcsim_goroutine *g)
{
    for (const gcsim_wait *w = g->waiting; w; w = w->link)
        if (w->object && is_reached(h, w->object))
            return true;
    return false;
}

// Stacks that were held back become grey: of those that may run, or of all. Was there any?
static bool release_stacks(struct mutator *m, bool all)
{
    struct mheap *h = mheap_of(m);
    bool any = false;
    for (struct goroutine *g = heap_of(h)->gc.goroutines; g; g = g->next)
        if (g->held_back && (all || may_run(h, &g->pub))) {
            g->held_back = false;
            mark_stack(m, &g->pub);
            any = true;
        }
    return any;
}

CORE bool leaks_find(struct mutator *m)
{
    struct gc *gc = &heap_of(mheap_of(m))->gc;
    if (!gc->leaks.searching)
        return false;
    if (release_stacks(m, false))
        return true;
    for (struct goroutine *g = gc->goroutines; g; g = g->next)
        GCSIM_STORE(&g->pub.leaked, (uint32_t)g->held_back);
    gc->leaks.searching = false;
    GCSIM_STORE(&gc->leaks.done, gc->leaks.done + 1);
    return release_stacks(m, true);
}
