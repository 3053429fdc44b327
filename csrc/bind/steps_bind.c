// A cycle that is stepped: the binding of the timeline (steps.h), and what becomes of Python's objects when the world under them is rewound.
//
// While there is a timeline, whoever is about to touch the heap says so (HEAP_STEPPED sends all ways in through steps_touch). The next step
// looks whether anything has changed, and if so counts that as a step from outside.
//
// All that Python owns in the world is written in a journal with the step that made it. When the heap is rewound to before that step, it is
// turned: a Ref, say, belongs to a closed heap from then on, whose errors say that the other was rewound. When that step comes again, it
// is turned back. Once something else happens instead, it is stale for good and leaves the journal.
//
// A handle whose Ref is gone, in a world where it lives, is an orphan: h->stepping->orphans has from which step to which.
#include "bind/bind.h"

struct steps_entry {
    uint64_t step; // the one that made it
    void *what;    // NULL: it is gone
    steps_turn turn;
    bool there, owned; // owned: an object of which the journal has a reference
};

struct steps_orphan {
    const gcsim_handle *root;
    uint64_t born, died; // steps; died UINT64_MAX: never
};

struct heap_steps {
    gcsim_timeline *t;
    uint64_t serial; // among those of the heap
    struct steps_entry *entries;
    size_t n, room, last; // last: where one was found last
    struct steps_orphan *orphans;
    size_t norphans, room_orphans;
};

static const gcsim_stepping_api *stepping(void) { return gcsim_stepping(); }

static uint64_t steps_at(struct heap_object *h)
{
    gcsim_timeline_info info;
    stepping()->timeline_info(h->stepping->t, &info);
    return info.at;
}

BIND_COLD void steps_touch(struct heap_object *h)
{
    if (h->stepping)
        stepping()->timeline_touch(h->stepping->t);
}

// --- the journal

static bool steps_room(void **array, size_t *room, size_t need, size_t each)
{
    if (need <= *room)
        return true;
    void *grown = PyMem_RawRealloc(*array, (need * 2 + 32) * each);
    if (!grown)
        return false;
    *array = grown;
    *room = need * 2 + 32;
    return true;
}

static int steps_enter_journal(struct heap_object *h, void *what, steps_turn turn, bool owned)
{
    struct heap_steps *s = h->stepping;
    steps_touch(h);
    if (!steps_room((void **)&s->entries, &s->room, s->n + 1, sizeof *s->entries)) {
        PyErr_NoMemory();
        return -1;
    }
    s->entries[s->n++] = (struct steps_entry){steps_at(h) + 1, what, turn, true, owned};
    return 0;
}

BIND_COLD int steps_born(struct heap_object *h, void *what, steps_turn turn)
{
    return steps_enter_journal(h, what, turn, false);
}

BIND_COLD int steps_kept(struct heap_object *h, PyObject *what, steps_turn turn)
{
    if (steps_enter_journal(h, what, turn, true) < 0)
        return -1;
    Py_INCREF(what);
    return 0;
}

// What is made together dies together, in one order or the other: look beside the one that was found last, then from the end.
static struct steps_entry *steps_find(struct heap_steps *s, const void *what)
{
    for (size_t i = s->last ? s->last - 1 : 0; i < s->n && i < s->last + 2; i++)
        if (s->entries[i].what == what)
            return &s->entries[s->last = i];
    for (size_t i = s->n; i-- > 0;)
        if (s->entries[i].what == what)
            return &s->entries[s->last = i];
    return NULL;
}

static void steps_orphaned(struct heap_steps *s, const gcsim_handle *root, uint64_t born,
                           uint64_t died)
{
    if (steps_room((void **)&s->orphans, &s->room_orphans, s->norphans + 1, sizeof *s->orphans))
        s->orphans[s->norphans++] = (struct steps_orphan){root, born, died};
}

// The error at hand, if there is one, stays.
BIND_COLD void steps_died(struct heap_object *h, void *what, gcsim_handle *root)
{
    if (h->origin)
        h = h->origin;
    struct heap_steps *s = h->stepping;
    if (!s)
        return;
    struct steps_entry *e = steps_find(s, what);
    bool there = !e || e->there;
    uint64_t born = e ? e->step : 0;
    if (there)
        steps_touch(h);
    if (root) // stale: it has an owner no more wherever it comes back
        steps_orphaned(s, root, born, there ? steps_at(h) + 1 : UINT64_MAX);
    if (e)
        e->what = NULL;
    while (s->n && !s->entries[s->n - 1].what)
        s->n--;
}

static void steps_release(struct steps_entry *e)
{
    void *what = e->what;
    e->what = NULL;
    if (what && e->owned)
        Py_DECREF((PyObject *)what);
}

// The world has another future than the one behind `step`, which was known: what was made in it is stale for good.
static void steps_forget(struct heap_object *h, uint64_t step)
{
    struct heap_steps *s = h->stepping;
    size_t kept = 0;
    for (size_t i = 0; i < s->n; i++) {
        struct steps_entry *e = &s->entries[i];
        if (e->step > step && !e->there)
            steps_release(e);
        if (e->what)
            s->entries[kept++] = *e;
    }
    s->n = kept;
    kept = 0;
    for (size_t i = 0; i < s->norphans; i++) {
        struct steps_orphan o = s->orphans[i];
        if (o.born > step && o.died == UINT64_MAX)
            continue;
        if (o.died > step + 1) // in that future
            o.died = UINT64_MAX;
        s->orphans[kept++] = o;
    }
    s->norphans = kept;
}

// After the world has moved: everything is as it was then. Backwards in the one direction, forwards in the other.
static void steps_turn_all(struct heap_object *h)
{
    struct heap_steps *s = h->stepping;
    uint64_t at = steps_at(h);
    for (size_t i = s->n; i-- > 0;) {
        struct steps_entry *e = &s->entries[i];
        if (e->what && e->there && e->step > at) {
            e->there = false;
            e->turn(h, e->what, false);
        }
    }
    for (size_t i = 0; i < s->n; i++) {
        struct steps_entry *e = &s->entries[i];
        if (e->what && !e->there && e->step <= at) {
            e->there = true;
            e->turn(h, e->what, true);
        }
    }
}

// --- how each kind is turned

struct owner { // what Ref, Weak, Slice, Array, Batch, Goroutine, Cleanup begin with
    PyObject_HEAD struct heap_object *heap;
};

static void steps_turn_owner(struct heap_object *h, void *what, bool there)
{
    struct owner *o = what;
    struct heap_object *before = o->heap;
    o->heap = (struct heap_object *)Py_NewRef(there ? h : h->rewound);
    Py_DECREF(before);
}

static void steps_turn_mutator(struct heap_object *h, void *mutator, bool there)
{
    if (there) {
        h->idle[h->idle_count++] = mutator;
        h->mutators++;
        return;
    }
    for (uint32_t i = 0; i < h->idle_count; i++)
        if (h->idle[i] == mutator) {
            h->idle[i] = h->idle[--h->idle_count];
            h->mutators--;
            return;
        }
}

#define TYPE_CAPSULE "gcsim type of a heap"
struct steps_type {
    struct type_object *type; // strong
    const gcsim_type *made;
    uint32_t id;
};

static void steps_type_free(PyObject *capsule)
{
    struct steps_type *t = PyCapsule_GetPointer(capsule, TYPE_CAPSULE);
    Py_DECREF(t->type);
    PyMem_Free(t);
}

static void steps_turn_type(struct heap_object *h, void *capsule, bool there)
{
    struct steps_type *t = PyCapsule_GetPointer(capsule, TYPE_CAPSULE);
    h->types[t->type->serial] = there ? t->made : NULL;
    Py_XSETREF(h->types_by_id[t->id], there ? (struct type_object *)Py_NewRef(t->type) : NULL);
}

static int steps_type_born(struct heap_object *h, struct type_object *type, const gcsim_type *made)
{
    struct steps_type *t = PyMem_Malloc(sizeof *t);
    PyObject *capsule = t ? PyCapsule_New(t, TYPE_CAPSULE, steps_type_free) : PyErr_NoMemory();
    if (!capsule) {
        PyMem_Free(t);
        return -1;
    }
    *t = (struct steps_type){(struct type_object *)Py_NewRef(type), made, made->id};
    int result = steps_kept(h, capsule, steps_turn_type);
    Py_DECREF(capsule);
    return result;
}

// --- beginning and end

static void steps_end(struct heap_object *h)
{
    struct heap_steps *s = h->stepping;
    if (!s)
        return;
    h->stepping = NULL;
    heap_attend(h, 0, HEAP_STEPPED);
    stepping()->timeline_free(s->t);
    for (size_t i = 0; i < s->n; i++)
        steps_release(&s->entries[i]);
    PyMem_RawFree(s->entries);
    PyMem_RawFree(s->orphans);
    PyMem_Free(s);
}

// 0 when the calling thread may step the heap, with the GIL held throughout; -1 with an error.
static int steps_ready(struct heap_object *h, bool begun)
{
    while (h->heap && !(h->attention & HEAP_CLOSING)) {
        if (begun && !h->stepping) {
            bind_raise(h->state, ERR_STATE,
                       "no cycle is being stepped: heap.begin_cycle() begins one");
            return -1;
        }
        if (h->forks != bind_forks) {
            heap_raise_forked(h, "step it");
            return -1;
        }
        if (heap_is_own_poll(h)) {
            heap_raise_own_poll(h);
            return -1;
        }
        if (!(h->attention & HEAP_SLOW_STEPS))
            break;
        PyThreadState *thread = PyEval_SaveThread(); // another thread's call is under way
        PyThread_acquire_lock(h->steps_lock, WAIT_LOCK);
        PyThread_release_lock(h->steps_lock);
        PyEval_RestoreThread(thread);
    }
    if (!h->heap || (h->attention & HEAP_CLOSING)) {
        heap_raise_closed(h);
        return -1;
    }
    if (!h->deferred)
        return 0;
    gcsim_mutator *m = heap_enter_long_way(h, NULL);
    if (m)
        heap_leave(h, m);
    return m ? 0 : -1;
}

// Counts what happened from outside as a step. 0, or -1 with an error.
static int steps_notice(struct heap_object *h)
{
    int changed = stepping()->timeline_notice(h->stepping->t);
    if (changed < 0) {
        bind_raise(h->state, ERR_MEMORY,
                   "no memory is left to keep the steps of this cycle: finish() it with "
                   "heap.collect()");
        return -1;
    }
    if (changed)
        steps_forget(h, steps_at(h) - 1);
    if (h->exports) // anybody may write to memory that is lent out, without a word
        steps_touch(h);
    return 0;
}

static bool steps_all_ended(struct heap_object *h)
{
    gcsim_actor actors[26];
    uint64_t n = stepping()->actors(h->heap, actors, 26);
    for (uint64_t i = 0; i < n; i++)
        if (actors[i].state != GCSIM_ACTOR_ENDED)
            return false;
    return true;
}

static struct heap_object *steps_rewound_heap(struct heap_object *h)
{
    if (h->rewound)
        return h->rewound;
    struct heap_object *r = (struct heap_object *)Py_TYPE(h)->tp_alloc(Py_TYPE(h), 0);
    if (!r)
        return NULL;
    r->state = h->state;
    r->api = h->api;
    r->forks = r->settled_forks = bind_forks;
    r->attention = HEAP_CLOSED;
    r->serial = h->serial;
    r->steps = h->steps;
    r->is_rewound = true;
    r->origin = h;
    r->watched = 1; // its Refs are told of when they go
    return h->rewound = r;
}

// (kind, seed, text or None, changes, length, quiet points)
static PyObject *heap_py_steps_begin(PyObject *self, PyObject *args)
{
    struct heap_object *h = (struct heap_object *)self;
    unsigned long long seed, quiet;
    int stage = 0; // its actors are there already
    gcsim_schedule schedule = {.bytes = sizeof schedule};
    if (!PyArg_ParseTuple(args, "IKzIIK|p:_steps_begin", &schedule.kind, &seed, &schedule.text,
                          &schedule.changes, &schedule.length, &quiet, &stage))
        return NULL;
    schedule.seed = seed;
    if (!h->steps)
        return bind_raise(
            h->state, ERR_STATE,
            "begin_cycle steps a heap made with mode=\"steps\"; this one has threads: "
            "collect() runs a whole cycle");
    if (steps_ready(h, false) < 0)
        return NULL;
    if (!stage && !steps_all_ended(h))
        return bind_raise(h->state, ERR_STATE,
                          "a cycle is under way already: its finish() ends it, or heap.collect()");
    if (!steps_rewound_heap(h) || (!h->idle_count && pool_grow(h) < 0))
        return NULL;
    steps_end(h);
    struct heap_steps *s = PyMem_Calloc(1, sizeof *s);
    if (!s)
        return PyErr_NoMemory();
    gcsim_status status = GCSIM_OK;
    uint32_t actor = stage ? 0 : stepping()->actor_collect(h->heap, &status);
    if (actor != UINT32_MAX) {
        if (!stage) // which has set its own
            stepping()->set_quiet(h->heap, quiet);
        s->t = stepping()->timeline_new(h->heap, &schedule);
    }
    if (!s->t) {
        PyMem_Free(s);
        return heap_raise_status(h, status == GCSIM_OK ? GCSIM_NO_MEMORY : status,
                                 "a cycle to step");
    }
    s->serial = ++h->stepped;
    h->stepping = s;
    heap_attend(h, HEAP_STEPPED, 0);
    Py_RETURN_NONE;
}

static PyObject *heap_py_begin_cycle(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *module = PyImport_ImportModule("gcsim._steps");
    PyObject *begin = module ? PyObject_GetAttrString(module, "SteppedCycle") : NULL;
    PyObject *given = begin ? PyTuple_Pack(1, self) : NULL;
    PyObject *all = given ? PySequence_Concat(given, args) : NULL;
    PyObject *result = all ? PyObject_Call(begin, all, kwargs) : NULL;
    Py_XDECREF(all);
    Py_XDECREF(given);
    Py_XDECREF(begin);
    Py_XDECREF(module);
    return result;
}

// Tells one stepped cycle from the next of the heap; None: there is none.
static PyObject *heap_py_steps_token(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct heap_object *h = (struct heap_object *)self;
    if (!h->heap || (h->attention & HEAP_CLOSING)) {
        heap_raise_closed(h);
        return NULL;
    }
    return h->stepping ? PyLong_FromUnsignedLongLong(h->stepping->serial) : Py_NewRef(Py_None);
}

static PyObject *heap_py_steps_exported(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return PyBool_FromLong(((struct heap_object *)self)->exports != 0);
}

// --- steps

static void steps_taken(struct heap_object *h)
{
    steps_turn_all(h);
    if (h->exports)
        steps_touch(h);
}

static PyObject *steps_result(struct heap_object *h, uint32_t end, uint64_t done)
{
    if (!end)
        return bind_raise(h->state, ERR_MEMORY,
                          "no memory is left to keep the steps of this cycle");
    return Py_BuildValue("IK", end, (unsigned long long)done);
}

// Up to n steps: gcsim_run_end, or 0 with an error. Signals have their turn now and then.
static uint32_t steps_run(struct heap_object *h, uint64_t n, uint64_t points, uint64_t *done)
{
    enum { PIECE = 20000 };
    uint32_t end = GCSIM_RUN_STEPS;
    *done = 0;
    if (steps_ready(h, true) < 0 || steps_notice(h) < 0)
        return 0;
    while (end == GCSIM_RUN_STEPS && *done < n) {
        uint64_t piece = n - *done < PIECE ? n - *done : PIECE;
        end = stepping()->timeline_run(h->stepping->t, piece, points, &piece);
        *done += piece;
        steps_taken(h);
        if (!end)
            bind_raise(h->state, ERR_MEMORY, "no memory is left to keep the steps of this cycle");
        if (PyErr_CheckSignals() < 0 || (end && steps_ready(h, true) < 0))
            return 0;
    }
    return end;
}

// (n, points): (gcsim_run_end, steps taken)
static PyObject *heap_py_steps_run(PyObject *self, PyObject *args)
{
    struct heap_object *h = (struct heap_object *)self;
    unsigned long long n, points;
    uint64_t done;
    if (!PyArg_ParseTuple(args, "KK:_steps_run", &n, &points))
        return NULL;
    uint32_t end = steps_run(h, n, points, &done);
    return end ? steps_result(h, end, done) : NULL;
}

// As runtime.GC: the cycle that is under way comes to its end first. 0, or -1 with an error.
static int steps_finish(struct heap_object *h)
{
    uint64_t done;
    uint32_t end = steps_run(h, UINT64_MAX, 0, &done);
    if (!end || end == GCSIM_RUN_ENDED)
        return end ? 0 : -1;
    bind_raise(h->state, ERR_STATE, "the cycle that is being stepped cannot come to its end");
    return -1;
}

static PyObject *heap_py_steps_by_hand(PyObject *self, PyObject *args)
{
    struct heap_object *h = (struct heap_object *)self;
    unsigned actor, choice;
    if (!PyArg_ParseTuple(args, "II:_steps_by_hand", &actor, &choice) || steps_ready(h, true) < 0 ||
        steps_notice(h) < 0)
        return NULL;
    uint64_t at = steps_at(h);
    uint32_t end = stepping()->timeline_by_hand(h->stepping->t, actor, choice);
    gcsim_timeline_info info;
    stepping()->timeline_info(h->stepping->t, &info);
    if (info.at > at &&
        info.length == info.at) // the present is the newest: there is no other future
        steps_forget(h, at);
    steps_taken(h);
    return steps_result(h, end, info.at - at);
}

static PyObject *heap_py_steps_goto(PyObject *self, PyObject *k)
{
    struct heap_object *h = (struct heap_object *)self;
    unsigned long long step = PyLong_AsUnsignedLongLong(k);
    if (PyErr_Occurred() || steps_ready(h, true) < 0 || steps_notice(h) < 0)
        return NULL;
    if (h->exports)
        return PyErr_Format(PyExc_BufferError,
                            "cannot rewind the heap: %llu views of its memory exist (memoryview, "
                            "NumPy array)",
                            (unsigned long long)h->exports);
    h->rewinds++;
    gcsim_status status = stepping()->timeline_goto(h->stepping->t, step);
    if (status != GCSIM_OK)
        return heap_raise_status(h, status, "going to that step");
    h->rewound->rewound_to = step;
    steps_taken(h);
    Py_RETURN_NONE;
}

// (at, length, marks, bytes, phase)
static PyObject *heap_py_steps_info(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct heap_object *h = (struct heap_object *)self;
    gcsim_timeline_info info;
    if (steps_ready(h, true) < 0 || steps_notice(h) < 0)
        return NULL;
    stepping()->timeline_info(h->stepping->t, &info);
    return Py_BuildValue("KKKKI", (unsigned long long)info.at, (unsigned long long)info.length,
                         (unsigned long long)info.marks, (unsigned long long)info.bytes,
                         stepping()->view_phase(h->heap));
}

static PyObject *heap_py_steps_hash(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct heap_object *h = (struct heap_object *)self;
    if (steps_ready(h, true) < 0 || steps_notice(h) < 0)
        return NULL;
    return PyLong_FromUnsignedLongLong(stepping()->state_hash(h->heap));
}

// Steps [from, to): bytes, 4 for each (gcsim_timeline_step).
static PyObject *heap_py_steps_log(PyObject *self, PyObject *args)
{
    struct heap_object *h = (struct heap_object *)self;
    unsigned long long from, to;
    if (!PyArg_ParseTuple(args, "KK:_steps_log", &from, &to) || steps_ready(h, true) < 0 ||
        steps_notice(h) < 0)
        return NULL;
    gcsim_timeline_info info;
    stepping()->timeline_info(h->stepping->t, &info);
    to = to < info.length ? to : info.length;
    from = from < to ? from : to;
    PyObject *bytes =
        PyBytes_FromStringAndSize(NULL, (Py_ssize_t)((to - from) * sizeof(gcsim_timeline_step)));
    if (bytes)
        stepping()->timeline_steps(h->stepping->t, from, to,
                                   (gcsim_timeline_step *)(void *)PyBytes_AS_STRING(bytes));
    return bytes;
}

// As heap.verify, without leaving a trace: the number of violations. -1 with an error.
static int64_t steps_verify(struct heap_object *h, gcsim_violation *out, uint64_t room)
{
    if (steps_ready(h, true) < 0 || steps_notice(h) < 0 || (!h->idle_count && pool_grow(h) < 0))
        return -1;
    uint64_t n = stepping()->timeline_verify(h->stepping->t, h->idle[h->idle_count - 1], out, room);
    if (n != UINT64_MAX)
        return (int64_t)n;
    heap_raise_status(h, GCSIM_NO_MEMORY, "verify");
    return -1;
}

// --- what is seen

static PyObject *heap_py_steps_actors(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct heap_object *h = (struct heap_object *)self;
    gcsim_actor actors[26];
    if (steps_ready(h, true) < 0)
        return NULL;
    uint64_t n = stepping()->actors(h->heap, actors, 26);
    PyObject *list = PyList_New(0);
    for (uint64_t i = 0; list && i < n && i < 26; i++) {
        const gcsim_actor *a = &actors[i];
        PyObject *item =
            Py_BuildValue("IIIIiIKKsy#", a->number, a->role, a->mutator, a->state,
                          a->point == UINT32_MAX ? -1 : (int)a->point, a->choices,
                          (unsigned long long)a->where, (unsigned long long)a->arg, a->waits_for,
                          (const char *)&a->op, (Py_ssize_t)sizeof a->op);
        if (!item || PyList_Append(list, item) < 0)
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

static bool steps_is_orphan(struct heap_object *h, const gcsim_handle *root, uint64_t at)
{
    struct heap_steps *s = h->stepping;
    for (size_t i = 0; s && i < s->norphans; i++)
        if (s->orphans[i].root == root && s->orphans[i].born <= at && at < s->orphans[i].died)
            return true;
    return false;
}

static PyObject *steps_pointers(struct heap_object *h, const gcsim_object *o)
{
    uint64_t n = h->api->pointer_slots(h->heap, o, NULL, 0);
    uint32_t *slots = PyMem_Malloc((n + 1) * sizeof *slots);
    PyObject *list = slots ? PyList_New(0) : PyErr_NoMemory();
    if (list)
        h->api->pointer_slots(h->heap, o, slots, n);
    for (uint64_t i = 0; list && i < n; i++) {
        PyObject *pair = Py_BuildValue(
            "(IK)", slots[i] - o->header_bytes,
            (unsigned long long)*(const uintptr_t *)(const void *)(o->base + slots[i]));
        if (!pair || PyList_Append(list, pair) < 0)
            Py_CLEAR(list);
        Py_XDECREF(pair);
    }
    PyMem_Free(slots);
    return list;
}

static int steps_add(PyObject *list, PyObject *item)
{
    int result = item ? PyList_Append(list, item) : -1;
    Py_XDECREF(item);
    return result;
}

// [(address, bytes, page, slot, colour, scanning, TypeInfo or None, [(offset, target)], header bytes)]
static PyObject *steps_objects(struct heap_object *h)
{
    uint64_t n = stepping()->view_objects(h->heap, NULL, 0);
    gcsim_view_object *all = n == UINT64_MAX ? NULL : PyMem_RawMalloc((n + 1) * sizeof *all);
    if (!all || stepping()->view_objects(h->heap, all, n) != n) {
        PyMem_RawFree(all);
        return PyErr_NoMemory();
    }
    PyObject *list = PyList_New(0);
    for (uint64_t i = 0; list && i < n; i++) {
        const gcsim_object *o = &all[i].object;
        const char *address = o->base + o->header_bytes;
        PyObject *key = PyLong_FromVoidPtr((void *)(uintptr_t)address);
        PyObject *type = key ? PyDict_GetItemWithError(h->types_at, key) : NULL;
        PyObject *pointers = PyErr_Occurred() ? NULL : steps_pointers(h, o);
        if (!pointers ||
            steps_add(list, Py_BuildValue("(OKKIIIONK)", key, (unsigned long long)o->slot_bytes,
                                          (unsigned long long)o->span_page, o->index, all[i].colour,
                                          all[i].scanning, type ? type : Py_None, pointers,
                                          (unsigned long long)o->header_bytes)) < 0)
            Py_CLEAR(list);
        Py_XDECREF(key);
    }
    PyMem_RawFree(all);
    return list;
}

static const char *steps_name_text(struct heap_object *h, uint32_t name)
{
    return name ? h->api->name_text(h->heap, name) : "";
}

// The name of a frame's slot, or its offset.
static PyObject *steps_slot_name(struct heap_object *h, const gcsim_view_root *r)
{
    PyObject *capsule = frame_layout_known(h, r->type);
    const struct frame_layout *layout =
        capsule ? PyCapsule_GetPointer(capsule, LAYOUT_CAPSULE) : NULL;
    for (Py_ssize_t i = 0; layout && i < layout->n; i++)
        if (r->offset >= layout->slots[i].offset &&
            r->offset < layout->slots[i].offset + layout->slots[i].type->bytes)
            return Py_NewRef(layout->slots[i].name);
    return PyUnicode_FromFormat("+%llu", (unsigned long long)r->offset);
}

static PyObject *steps_root(struct heap_object *h, const gcsim_view_root *r, uint64_t at)
{
    PyObject *slot = r->kind == GCSIM_ROOT_FRAME ? steps_slot_name(h, r) : PyUnicode_FromString("");
    return slot ? Py_BuildValue("(IIssNKOOK)", r->kind, r->owner, steps_name_text(h, r->owner_name),
                                steps_name_text(h, r->name), slot,
                                (unsigned long long)(uintptr_t)r->target,
                                r->scanned ? Py_True : Py_False,
                                r->slot && steps_is_orphan(h, r->slot, at) ? Py_True : Py_False,
                                (unsigned long long)(uintptr_t)r->at)
                : NULL;
}

// [(kind, owner, owner's name, name, slot, target, scanned, orphan, address of the slot)]
static PyObject *steps_roots(struct heap_object *h)
{
    uint64_t n = stepping()->view_roots(h->heap, NULL, 0), at = h->stepping ? steps_at(h) : 0;
    gcsim_view_root *all = PyMem_RawMalloc((n + 1) * sizeof *all);
    if (!all)
        return PyErr_NoMemory();
    stepping()->view_roots(h->heap, all, n);
    PyObject *list = PyList_New(0);
    for (uint64_t i = 0; list && i < n; i++)
        if (steps_add(list, steps_root(h, &all[i], at)) < 0)
            Py_CLEAR(list);
    PyMem_RawFree(all);
    return list;
}

static PyObject *steps_addresses(void *const *all, uint64_t n)
{
    PyObject *list = PyList_New(0);
    for (uint64_t i = 0; list && i < n; i++)
        if (steps_add(list, PyLong_FromVoidPtr(all[i])) < 0)
            Py_CLEAR(list);
    return list;
}

static PyObject *steps_queue(struct heap_object *h)
{
    uint64_t n = stepping()->view_queue(h->heap, NULL, 0);
    void **all = PyMem_RawMalloc((n + 1) * sizeof *all);
    if (!all)
        return PyErr_NoMemory();
    stepping()->view_queue(h->heap, all, n);
    PyObject *list = steps_addresses(all, n);
    PyMem_RawFree(all);
    return list;
}

// [(mutator, capacity, [pointers])]
static PyObject *steps_buffers(struct heap_object *h)
{
    uint64_t n = stepping()->view_buffers(h->heap, NULL, 0);
    gcsim_view_buffer *all = PyMem_RawMalloc((n + 1) * sizeof *all);
    if (!all)
        return PyErr_NoMemory();
    stepping()->view_buffers(h->heap, all, n);
    PyObject *list = PyList_New(0);
    for (uint64_t i = 0; list && i < n; i++) {
        PyObject *entries = steps_addresses(all[i].entries, all[i].n);
        if (!entries ||
            steps_add(list, Py_BuildValue("(IIN)", all[i].mutator, all[i].capacity, entries)) < 0)
            Py_CLEAR(list);
    }
    PyMem_RawFree(all);
    return list;
}

// (address of page 0, objects, roots, queue, buffers)
static PyObject *heap_py_steps_view(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct heap_object *h = (struct heap_object *)self;
    if (steps_ready(h, true) < 0 || steps_notice(h) < 0)
        return NULL;
    PyObject *parts[4] = {steps_objects(h), NULL, NULL, NULL};
    if (parts[0] && (parts[1] = steps_roots(h)) && (parts[2] = steps_queue(h)))
        parts[3] = steps_buffers(h);
    if (parts[3])
        return Py_BuildValue("(KNNNN)", (unsigned long long)(uintptr_t)h->arena, parts[0], parts[1],
                             parts[2], parts[3]);
    for (int i = 0; i < 4; i++)
        Py_XDECREF(parts[i]);
    return NULL;
}

// Of handles that came back by rewinding and that nobody owns.
static PyObject *heap_py_orphans(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct heap_object *h = (struct heap_object *)self;
    if (!h->stepping)
        return PyList_New(0);
    if (steps_ready(h, true) < 0)
        return NULL;
    PyObject *roots = steps_roots(h), *list = roots ? PyList_New(0) : NULL;
    for (Py_ssize_t i = 0; list && i < PyList_GET_SIZE(roots); i++) {
        PyObject *root = PyList_GET_ITEM(roots, i);
        if (PyTuple_GET_ITEM(root, 7) == Py_True &&
            PyList_Append(list, PyTuple_GET_ITEM(root, 5)) < 0)
            Py_CLEAR(list);
    }
    Py_XDECREF(roots);
    return list;
}

// An object was made: of which type its address says from now on.
static int steps_name(struct heap_object *h, PyObject *ref)
{
    struct type_object *type = ref_type_of(h->state, ref);
    PyObject *key = type ? PyLong_FromVoidPtr(((struct ref_object *)ref)->address) : NULL;
    int result = key ? PyDict_SetItem(h->types_at, key, type->info) : -1;
    Py_XDECREF(key);
    return result;
}
