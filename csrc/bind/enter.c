// Ways into the core and out: mutators from a heap's pool, waiting without the GIL, polls of long calls, forks, and errors.
//
// Who waits for what. heap_enter keeps the GIL as long as the world is not being stopped; else it lets the GIL go, waits, takes
// it back and tries again. slow_begin lets it go first. So a thread that collects can always get the GIL for its poll, and
// nobody who has the GIL waits for a thread that wants it. In step mode one call at a time runs in a heap (its coroutines have one
// host), so steps_lock is held by the call that runs without the GIL, and the others wait for it without the GIL.
#include "bind/bind.h"

#include "gcsim/steps.h"

#include <pthread.h>
#include <time.h>

static _Thread_local struct slow_call
    *current_slow; // this thread's calls that have let the GIL go, innermost first

enum { POLL_NS = 50 * 1000 * 1000 };

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// --- errors

BIND_COLD void *bind_raise(struct bind_state *state, enum bind_error error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    PyErr_FormatV(state->errors[error], format, args);
    va_end(args);
    return NULL;
}

BIND_COLD void heap_raise_closed(struct heap_object *h)
{
    if (h->is_rewound)
        bind_raise(h->state, ERR_STALE, "the heap was rewound to step %llu, before this was made",
                   (unsigned long long)h->rewound_to);
    else
        bind_raise(h->state, ERR_CLOSED, "the heap is closed; its objects are gone");
}

BIND_COLD int heap_check_open_long_way(struct heap_object *h)
{
    if (h->heap && !(h->attention & HEAP_CLOSING)) {
        if (!(h->attention & HEAP_SLOW_STEPS)) // else the call that is under way has said so
            steps_touch(h);
        return 0;
    }
    heap_raise_closed(h);
    return -1;
}

BIND_COLD void heap_raise_forked(struct heap_object *h, const char *doing)
{
    bind_raise(h->state, ERR_FORKED,
               "the heap was made before a fork and this is the child: cannot %s; it can be read "
               "and closed, "
               "heap.after_fork() makes it usable, or make a new one",
               doing);
}

static int heap_check_runs(struct heap_object *h);

BIND_COLD void *heap_raise_status(struct heap_object *h, gcsim_status status, const char *what)
{
    struct bind_state *state = h->state;
    if (heap_check_runs(h) < 0)
        return NULL;
    switch (status) {
    case GCSIM_OK:
        return bind_raise(state, ERR_STATE, "%s: failed without a reason", what);
    case GCSIM_NO_MEMORY:
        return bind_raise(state, ERR_MEMORY, "%s: the operating system gives no more memory", what);
    case GCSIM_HEAP_FULL:
        return bind_raise(state, ERR_MEMORY,
                          "%s: no room in the heap's reserved address space; drop references and "
                          "collect(), or make the heap with a larger reserve=",
                          what);
    case GCSIM_BAD_SIZE:
        return bind_raise(
            state, ERR_RANGE,
            "%s: the size, count or index is out of range (an object has at most 2**40 bytes)",
            what);
    case GCSIM_BAD_TYPE:
        return bind_raise(state, ERR_TYPE_DEFINITION,
                          "%s: the description of the type contradicts itself", what);
    case GCSIM_BAD_ADDRESS:
        return bind_raise(state, ERR_STALE, "%s: no live object of this heap is there", what);
    case GCSIM_BAD_STATE:
        return bind_raise(state, ERR_STATE, "%s: does not fit what the heap is doing", what);
    case GCSIM_INTERRUPTED:
        return bind_raise(state, ERR_STATE, "%s: interrupted, and undone", what);
    case GCSIM_NO_PLACE:
        return bind_raise(state, ERR_PLACEMENT, "%s: the system does not do it here", what);
    case GCSIM_FORKED:
        heap_raise_forked(h, "do this");
        return NULL;
    default:
        return bind_raise(state, ERR_ERROR, "%s: %s", what, h->api->status_text(status));
    }
}

// --- forks

static void count_fork(void) { bind_forks++; }

static int watch_forks(void)
{
    static bool watching; // GIL held
    if (!watching)
        watching = pthread_atfork(NULL, NULL, count_fork) == 0;
    return watching ? 0 : -1;
}

// In a child the threads that were in a call of this heap do not exist: what they held is nobody's.
BIND_COLD void heap_settle_fork(struct heap_object *h)
{
    if (h->settled_forks == bind_forks)
        return;
    h->settled_forks = bind_forks;
    h->slow_calls = h->step_calls = h->runs = 0;
    heap_attend(h, 0, HEAP_SLOW_STEPS | HEAP_CLOSING | HEAP_LEFT);
    if (h->steps_lock)
        h->steps_lock = PyThread_allocate_lock(); // the old one cannot be known to be free
}

// --- the pool

static bool heap_is_own_poll(struct heap_object *h)
{
    for (struct slow_call *call = current_slow; call; call = call->outer)
        if (call->heap == h)
            return true;
    return false;
}

BIND_COLD void heap_raise_own_poll(struct heap_object *h)
{
    bind_raise(h->state, ERR_STATE,
               "the heap is in the middle of a call on this very thread (a signal handler or "
               "finalizer runs inside it): use it after the call has returned");
}

// 0, or -1 with an error: after a deadlock nothing of the heap runs again.
static int heap_check_runs(struct heap_object *h)
{
    const char *why = h->steps && h->heap ? gcsim_stepping()->deadlock(h->heap) : NULL;
    if (BIND_LIKELY(!why))
        return 0;
    heap_attend(h, HEAP_DEAD, 0);
    bind_raise(h->state, ERR_DEADLOCK, "the heap can only be closed: %s", why);
    return -1;
}

// 0, or -1 with an error: waiting for a workload that was left behind could take for ever.
static int heap_check_left(struct heap_object *h)
{
    if (heap_check_runs(h) < 0)
        return -1;
    if (BIND_LIKELY(!(h->attention & HEAP_LEFT)) || !runs_left(h))
        return 0;
    bind_raise(h->state, ERR_STATE,
               "a workload that comes to no poll still runs in the heap; it can be used again when "
               "that has ended");
    return -1;
}

// Around a stretch without the GIL in the core: close() waits for it, and in step mode everybody does.
static void away_begin(struct heap_object *h)
{
    h->slow_calls++;
    h->step_calls += h->steps;
    if (h->steps)
        heap_attend(h, HEAP_SLOW_STEPS, 0);
}

static void away_end(struct heap_object *h)
{
    h->slow_calls--;
    h->step_calls -= h->steps;
    if (!h->step_calls)
        heap_attend(h, 0, HEAP_SLOW_STEPS);
}

// Room in the pool for one more mutator than are attached.
static int pool_reserve(struct heap_object *h)
{
    if (h->mutators < h->idle_room)
        return 0;
    gcsim_mutator **grown = PyMem_Realloc(h->idle, (h->idle_room + 8) * sizeof *grown);
    if (!grown) {
        PyErr_NoMemory();
        return -1;
    }
    h->idle = grown;
    h->idle_room += 8;
    return 0;
}

// One more mutator for the pool; lets the GIL go, as attaching waits for a stopped world.
static int pool_grow(struct heap_object *h)
{
    gcsim_status status = GCSIM_OK;
    if (pool_reserve(h) < 0)
        return -1;
    h->mutators++; // the place is taken before another thread can come
    away_begin(h);
    PyThreadState *thread = PyEval_SaveThread();
    if (h->steps_lock)
        PyThread_acquire_lock(h->steps_lock, WAIT_LOCK);
    steps_touch(h);
    gcsim_mutator *m = h->api->mutator_attach(h->heap, &status);
    if (h->steps_lock)
        PyThread_release_lock(h->steps_lock);
    PyEval_RestoreThread(thread);
    away_end(h);
    if (!m) {
        h->mutators--;
        heap_raise_status(h, status, "one more thread in the heap");
        return -1;
    }
    h->idle[h->idle_count++] = m;
    return h->stepping ? steps_born(h, m, steps_turn_mutator) : 0;
}

static void drop_deferred(struct heap_object *h, gcsim_mutator *m, struct heap_deferred *list)
{
    while (list) {
        struct heap_deferred *next = list->next;
        list->drop(h->api, m, list->what);
        PyMem_RawFree(list);
        list = next;
    }
}

static struct heap_deferred *take_deferred(struct heap_object *h)
{
    struct heap_deferred *list = h->deferred;
    h->deferred = NULL;
    heap_attend(h, 0, HEAP_DEFERRED);
    return list;
}

// Until the world is no longer being stopped, or the other call of a heap in step mode has ended; GIL released meanwhile. Who only
// waits does not count as a step call: waiters must not wait for each other.
static void wait_for_world(struct heap_object *h)
{
    gcsim_mutator *m = h->idle[--h->idle_count];
    h->slow_calls++;
    PyThreadState *thread = PyEval_SaveThread();
    if (h->steps_lock) {
        PyThread_acquire_lock(h->steps_lock, WAIT_LOCK);
        PyThread_release_lock(h->steps_lock);
    } else {
        gcsim_enter(m);
        gcsim_leave(m);
    }
    PyEval_RestoreThread(thread);
    h->slow_calls--;
    h->idle[h->idle_count++] = m; // there is room for every attached mutator
}

// `m`, unless it is NULL, has found the world stopping.
BIND_COLD gcsim_mutator *heap_enter_long_way(struct heap_object *h, gcsim_mutator *m)
{
    if (m)
        gcsim_leave(m);
    for (;;) {
        if (heap_check_open(h) < 0 || heap_check_left(h) < 0)
            return NULL;
        if (heap_is_own_poll(h)) {
            heap_raise_own_poll(h);
            return NULL;
        }
        if (h->forks != bind_forks)
            heap_settle_fork(h);
        if (!h->idle_count) {
            if (pool_grow(h) < 0)
                return NULL;
            continue;
        }
        m = h->idle[h->idle_count - 1];
        if (!(h->attention &
              HEAP_SLOW_STEPS)) { // else nothing of the core may be touched, not even to leave it
            steps_touch(h);
            if (h->steps)
                gcsim_enter(
                    m); // no other thread is inside: who stops the world is a coroutine, and goes on meanwhile
            if (h->steps || heap_mutator_goes_in(m)) {
                if (h->attention & HEAP_DEFERRED)
                    drop_deferred(h, m, take_deferred(h));
                return m;
            }
            gcsim_leave(m);
        }
        wait_for_world(h);
    }
}

BIND void heap_drop(struct heap_object *h, void (*drop)(const gcsim_api *, gcsim_mutator *, void *),
                    void *what)
{
    if (!h->heap)
        return;
    gcsim_mutator *m = heap_try_enter(h);
    if (!m && (h->attention & HEAP_STEPPED) && !(h->attention & (HEAP_SLOW_STEPS | HEAP_CLOSING)) &&
        h->idle_count && !heap_is_own_poll(h))
        m = heap_enter_long_way(h, NULL); // at once: what is put off would not be rewound
    if (m) {
        drop(h->api, m, what);
        heap_leave(h, m);
        return;
    }
    struct heap_deferred *later = PyMem_RawMalloc(sizeof *later);
    if (!later)
        return; // it stays until the heap is closed
    *later = (struct heap_deferred){h->deferred, drop, what};
    h->deferred = later;
    heap_attend(h, HEAP_DEFERRED, 0);
}

// --- long calls

BIND int slow_begin(struct heap_object *h, struct slow_call *call, const char *doing)
{
    if (heap_check_own(h, doing) < 0 || heap_check_left(h) < 0)
        return -1;
    if (heap_is_own_poll(h)) {
        heap_raise_own_poll(h);
        return -1;
    }
    while (!h->idle_count)
        if (pool_grow(h) < 0 || heap_check_own(h, doing) < 0)
            return -1;
    *call = (struct slow_call){
        .heap = h, .m = h->idle[--h->idle_count], .outer = current_slow, .polled_ns = now_ns()};
    struct heap_deferred *deferred = take_deferred(h);
    away_begin(h);
    Py_INCREF(h);
    current_slow = call;
    call->thread = PyEval_SaveThread();
    if (h->steps_lock)
        PyThread_acquire_lock(h->steps_lock, WAIT_LOCK);
    steps_touch(h);
    gcsim_enter(call->m);
    drop_deferred(h, call->m, deferred);
    return 0;
}

BIND void slow_end(struct slow_call *call)
{
    struct heap_object *h = call->heap;
    gcsim_leave(call->m);
    struct told *told = h->tells ? tell_take(h) : NULL;
    if (h->steps_lock)
        PyThread_release_lock(h->steps_lock);
    PyEval_RestoreThread(call->thread);
    tell_deliver(h, call,
                 told); // while this counts as a call: who is written to cannot close the heap
    current_slow = call->outer;
    away_end(h);
    gcsim_callback_counts counts;
    h->api->callback_counts(h->heap, &counts);
    h->callbacks_ready = counts.ready != 0;
    h->idle[h->idle_count++] = call->m;
    Py_DECREF(h); // the caller has one too
}

BIND bool slow_failed(struct slow_call *call, gcsim_status status, const char *what)
{
    if (call->error) {
        PyObject *error = call->error;
        call->error = NULL;
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
        Py_DECREF(error);
        return true;
    }
    if (heap_check_runs(call->heap) < 0)
        return true;
    if (status == GCSIM_INTERRUPTED &&
        (!call->heap->heap || (call->heap->attention & HEAP_CLOSING)))
        heap_raise_closed(call->heap);
    else if (status != GCSIM_OK)
        heap_raise_status(call->heap, status, what);
    return status != GCSIM_OK;
}

// The core's poll, in long calls: gives Python's signal handlers a turn now and then. Runs on the thread's own stack in step mode too.
static int heap_poll(void *arg)
{
    struct heap_object *h = arg;
    struct slow_call *call = current_slow;
    if (!call || call->heap != h)
        return 0; // a short call, or a thread that is no Python thread
    if (__atomic_load_n(&h->attention, __ATOMIC_RELAXED) & HEAP_CLOSING)
        return 1;
    if (call->error)
        return 1;
    if (now_ns() - call->polled_ns < POLL_NS)
        return 0;
    PyEval_RestoreThread(call->thread);
    if (PyErr_CheckSignals() < 0) {
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        PyErr_NormalizeException(&type, &value, &traceback);
        if (traceback)
            PyException_SetTraceback(value, traceback);
        call->error = value;
        Py_XDECREF(type);
        Py_XDECREF(traceback);
    }
    call->thread = PyEval_SaveThread();
    call->polled_ns = now_ns();
    return call->error || (__atomic_load_n(&h->attention, __ATOMIC_RELAXED) & HEAP_CLOSING);
}

// --- allocation

BIND_COLD gcsim_handle *heap_allocate_slowly(struct heap_object *h, const gcsim_type *type,
                                             bool array, uint64_t count)
{
    struct slow_call call;
    uint32_t site;
    if (profile_site(h, type, array ? count : 1, &site) < 0 || slow_begin(h, &call, "allocate") < 0)
        return NULL;
    call.m->site = site;
    void *p = array ? h->api->new_array(call.m, type, count) : gcsim_new(call.m, type);
    gcsim_status status = p ? GCSIM_OK : call.m->status;
    gcsim_handle *handle =
        p ? h->api->handle_new(call.m, p) : NULL; // before the GIL is waited for: p is no root
    if (p && !handle)
        status = GCSIM_NO_MEMORY;
    call.m->site = 0;
    slow_end(&call);
    if (handle && !call.error)
        return handle;
    char what[96];
    if (array)
        snprintf(what, sizeof what, "%llu elements of %llu bytes", (unsigned long long)count,
                 (unsigned long long)type->bytes);
    else
        snprintf(what, sizeof what, "an object of %llu bytes", (unsigned long long)type->bytes);
    if (slow_failed(&call, status, what)) {
        if (handle)
            heap_unroot(h, handle);
        return NULL;
    }
    return handle;
}

BIND gcsim_handle *heap_allocate(struct heap_object *h, const gcsim_type *type, bool array,
                                 uint64_t count)
{
    if (heap_check_own(h, "allocate") < 0)
        return NULL;
    gcsim_handle *handle = array ? NULL : heap_allocate_at_once(h, type);
    return handle ? handle : heap_allocate_slowly(h, type, array, count);
}
