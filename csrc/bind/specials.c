// Finalizers and cleanups: Python callables that run when an object of a heap has died.
//
// The core queues callbacks and calls nobody. They are run by the Python thread that comes by: at the end of collect, of new, new_slice and
// build (where they had to take the long way), and in run_finalizers; with the heap usable, the GIL held, and no other callback of
// the same thread under way. What a run finds ready when it begins is what it runs, so callbacks that make new ones do not keep it.
//
// A heap owns its callables: Python's collector sees them. Refs it does not see; those that nobody but a callback's arguments holds
// count as the heap's own, so that a heap that only they keep is found.
#include "bind/bind.h"

struct heap_callback {
    struct heap_callback *next, **link; // in the heap's list
    PyObject *fn;                       // NULL once Python's collector has cleared the heap
    PyObject *args;                     // of a cleanup
    PyTypeObject *cls;                  // of a finalizer's Ref
    bool over; // it ran or was cleared, or is not set yet: only a heap that is stepped keeps it
};

struct cleanup_object {
    PyObject_HEAD struct heap_object *heap;
    uint64_t id; // 0: of an object that never dies
    char *address;
    bool stopped;
};

static _Thread_local bool callbacks_running; // on this thread, of any heap

// Says to whom a callback belongs; never called: the core takes no step of its own.
static void run_by_python(gcsim_mutator *Py_UNUSED(m), void *Py_UNUSED(object),
                          void *Py_UNUSED(arg))
{
}

// --- records

static void callback_link(struct heap_callback **list, struct heap_callback *cb)
{
    cb->next = *list;
    cb->link = list;
    if (cb->next)
        cb->next->link = &cb->next;
    *list = cb;
}

static void callback_unlink(struct heap_callback *cb)
{
    *cb->link = cb->next;
    if (cb->next)
        cb->next->link = cb->link;
}

static void callback_clear(struct heap_callback *cb)
{
    Py_CLEAR(cb->fn);
    Py_CLEAR(cb->args);
    Py_CLEAR(cb->cls);
}

static void callback_turn(struct heap_object *h, void *callback, bool there)
{
    struct heap_callback *cb = callback;
    h->callback_count += (uint64_t)there - (uint64_t)!cb->over;
    cb->over = !there;
}
static void callback_turn_back(struct heap_object *h, void *callback, bool over)
{
    callback_turn(h, callback, !over);
}

// Runs Python code, as any release of an object may.
static void callback_delete(struct heap_object *h, struct heap_callback *cb)
{
    if (h->stepping && h->heap) { // it comes back if that is rewound
        callback_turn_back(h, cb, true);
        if (steps_born(h, cb, callback_turn_back) < 0)
            PyErr_Clear(); // without memory for that, it is over for good
        return;
    }
    callback_unlink(cb);
    h->callback_count -= !cb->over;
    callback_clear(cb);
    PyMem_Free(cb);
}

static struct heap_callback *callback_make(struct heap_object *h, PyObject *fn, PyObject *args,
                                           PyTypeObject *cls)
{
    struct heap_callback *cb = PyMem_Malloc(sizeof *cb);
    if (!cb)
        return (struct heap_callback *)PyErr_NoMemory();
    *cb = (struct heap_callback){.fn = Py_NewRef(fn),
                                 .args = Py_XNewRef(args),
                                 .cls = (PyTypeObject *)Py_XNewRef((PyObject *)cls)};
    callback_link(&h->callbacks, cb);
    h->callback_count++;
    if (h->stepping && steps_born(h, cb, callback_turn) < 0) {
        callback_delete(h, cb);
        return NULL;
    }
    return cb;
}

// The heap is closed: none will run.
static void heap_callbacks_free(struct heap_object *h)
{
    h->callbacks_unrun += h->callback_count;
    while (h->callbacks)
        callback_delete(h, h->callbacks);
    while (h->cleared_callbacks)
        callback_delete(h, h->cleared_callbacks);
}

static int heap_callbacks_traverse(struct heap_object *h, visitproc visit, void *arg)
{
    for (struct heap_callback *cb = h->callbacks; cb; cb = cb->next) {
        Py_VISIT(cb->fn);
        Py_VISIT(cb->args);
        Py_VISIT(cb->cls);
        for (Py_ssize_t i = 0; cb->args && i < PyTuple_GET_SIZE(cb->args); i++) {
            PyObject *item = PyTuple_GET_ITEM(cb->args, i);
            if (Py_REFCNT(cb->args) == 1 && Py_REFCNT(item) == 1 && IS_REF(h->state, item))
                Py_VISIT(((struct ref_object *)item)->heap);
        }
    }
    return 0;
}

// Their records stay: the core has their addresses.
static int heap_callbacks_clear(struct heap_object *h)
{
    while (h->callbacks) {
        struct heap_callback *cb = h->callbacks;
        callback_unlink(cb);
        callback_link(&h->cleared_callbacks, cb);
        callback_clear(cb);
    }
    return 0;
}

// --- running

static bool python_ends(void)
{
#if PY_VERSION_HEX >= 0x030d0000
    return Py_IsFinalizing();
#else
    return _Py_IsFinalizing();
#endif
}

// One of a C program's, on a heap that Python made.
static int callback_run_foreign(struct heap_object *h, gcsim_callback *c)
{
    struct slow_call call;
    if (slow_begin(h, &call, "run a callback") < 0)
        return -1;
    if (c->run)
        c->run(call.m, c->object ? c->object->ptr : NULL, c->arg);
    slow_end(&call);
    return slow_failed(&call, GCSIM_OK, "a callback") ? -1 : 0;
}

// Errors go to sys.unraisablehook, as those of __del__; but Ctrl-C ends the run and is raised.
static int callback_run_python(struct heap_object *h, gcsim_callback *c)
{
    struct heap_callback *cb = c->arg;
    PyObject *fn = cb->fn, *args = cb->args, *result = NULL;
    if (!fn) { // cleared
        callback_delete(h, cb);
        return 0;
    }
    Py_INCREF(fn);
    if (c->object) {
        args = ref_from_handle(h, cb->cls, c->object); // has the handle now, or has dropped it
        c->object = NULL;
    } else {
        Py_INCREF(args);
    }
    callback_delete(h, cb);
    if (args)
        result = c->kind == GCSIM_FINALIZER ? PyObject_CallOneArg(fn, args)
                                            : PyObject_Call(fn, args, NULL);
    bool interrupted = !result && PyErr_ExceptionMatches(PyExc_KeyboardInterrupt);
    if (!result && !interrupted)
        PyErr_WriteUnraisable(fn);
    Py_XDECREF(result);
    Py_XDECREF(args);
    Py_DECREF(fn);
    return interrupted ? -1 : 0;
}

// The next callback: 1 if it ran, 0 if there is none or the heap is no longer to be used, -1 with an error.
static int callback_run_next(struct heap_object *h)
{
    gcsim_callback c;
    if (!h->heap || (h->attention & HEAP_CLOSING) || h->forks != bind_forks)
        return 0;
    gcsim_mutator *m = heap_enter(h);
    if (!m)
        return -1;
    int taken = h->api->callback_take(m, &c);
    gcsim_status status = m->status;
    heap_leave(h, m);
    if (!taken) {
        if (status != GCSIM_OK)
            heap_raise_status(h, status, "running finalizers");
        return status == GCSIM_OK ? 0 : -1;
    }
    int result = c.run == run_by_python ? callback_run_python(h, &c) : callback_run_foreign(h, &c);
    if (h->heap) // a callback may close it
        h->api->callback_done(h->heap, &c);
    return result < 0 ? -1 : 1;
}

static Py_ssize_t callbacks_run(struct heap_object *h)
{
    gcsim_callback_counts counts;
    Py_ssize_t n = 0;
    int more = 1;
    if (callbacks_running || python_ends() || !h->heap)
        return 0;
    callbacks_running = true;
    Py_INCREF(h);
    h->api->callback_counts(h->heap, &counts);
    while ((uint64_t)n < counts.ready && (more = callback_run_next(h)) > 0)
        n++;
    if (h->heap) { // what became ready meanwhile waits for the next time
        h->api->callback_counts(h->heap, &counts);
        h->callbacks_ready = counts.ready != 0;
    }
    Py_DECREF(h);
    callbacks_running = false;
    return more < 0 ? -1 : n;
}

BIND_COLD PyObject *heap_run_callbacks_then(struct heap_object *h, PyObject *result)
{
    if (result && callbacks_run(h) < 0)
        Py_CLEAR(result);
    return result;
}

static PyObject *heap_py_run_finalizers(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct heap_object *h = (struct heap_object *)self;
    if (heap_check_own(h, "run finalizers") < 0)
        return NULL;
    Py_ssize_t n = callbacks_run(h);
    return n < 0 ? NULL : PyLong_FromSsize_t(n);
}

static PyObject *heap_py_pending_finalizers(PyObject *self, void *Py_UNUSED(closure))
{
    struct heap_object *h = (struct heap_object *)self;
    return PyLong_FromUnsignedLongLong(h->callback_count + h->callbacks_unrun);
}

// --- setting

static bool same_object(struct heap_object *h, const gcsim_object *object, const char *address,
                        PyObject *o)
{
    if (!IS_REF(h->state, o) || ((struct ref_object *)o)->heap != h)
        return false;
    char *p = ((struct ref_object *)o)->address;
    bool shares = object->noscan && object->slot_bytes == 16; // a block of tiny objects
    return p == address || (!shares && p >= object->base && p < object->base + object->slot_bytes);
}

// Does the callable, by its arguments or what it closes over, plainly hold the object that is to die? (mcleanup.go:AddCleanup)
static bool holds_object(struct heap_object *h, const gcsim_object *object, const char *address,
                         PyObject *fn, PyObject *args)
{
    PyObject *tuples[] = {args, NULL, NULL};
    if (PyMethod_Check(fn)) {
        if (same_object(h, object, address, PyMethod_GET_SELF(fn)))
            return true;
        fn = PyMethod_GET_FUNCTION(fn);
    }
    if (PyFunction_Check(fn)) {
        tuples[1] = PyFunction_GET_CLOSURE(fn);
        tuples[2] = PyFunction_GET_DEFAULTS(fn);
    }
    for (int t = 0; t < 3; t++)
        for (Py_ssize_t i = 0; tuples[t] && i < PyTuple_GET_SIZE(tuples[t]); i++) {
            PyObject *o = PyTuple_GET_ITEM(tuples[t], i);
            if (PyCell_Check(o))
                o = PyCell_GET(o);
            if (o && same_object(h, object, address, o))
                return true;
        }
    return same_object(h, object, address, fn);
}

// What both want: a Ref of this heap, and a callable that does not keep the object. 0 or -1 with an error.
static int callback_check(struct heap_object *h, const char *what, PyObject *ref, PyObject *fn,
                          PyObject *args, void **address)
{
    gcsim_object object;
    if (heap_check_own(h, "set a callback") < 0 || ref_address_for(h, NULL, ref, address) < 0)
        return -1;
    if (!*address || (!PyCallable_Check(fn) && fn != Py_None)) {
        bind_raise(h->state, ERR_CONVERSION, "%s takes a reference and a callable, not %s", what,
                   *address ? Py_TYPE(fn)->tp_name : "None");
        return -1;
    }
    gcsim_mutator *m = heap_enter(h);
    if (!m)
        return -1;
    bool found = h->api->find_object(h->heap, *address, &object) == GCSIM_OK;
    heap_leave(h, m);
    if (!found || !holds_object(h, &object, *address, fn, args))
        return 0;
    bind_raise(h->state, ERR_CONVERSION,
               "%s: the function or its arguments refer to the object itself, so that it would "
               "never die and the function never run; a finalizer gets the object as its argument",
               what);
    return -1;
}

static PyObject *finalizer_clear(struct heap_object *h, void *address)
{
    void *cb;
    gcsim_mutator *m = heap_enter(h);
    if (!m)
        return NULL;
    int cleared = h->api->finalizer_clear(m, address, &cb);
    heap_leave(h, m);
    if (cleared)
        callback_delete(h, cb);
    Py_RETURN_NONE;
}

static PyObject *heap_py_set_finalizer(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                       PyObject *kwnames)
{
    struct heap_object *h = (struct heap_object *)self;
    void *address;
    if (nargs != 2 || kwnames)
        return bind_raise(h->state, ERR_CONVERSION,
                          "set_finalizer takes a reference and a callable, or None to clear");
    if (callback_check(h, "set_finalizer", args[0], args[1], NULL, &address) < 0)
        return NULL;
    if (args[1] == Py_None)
        return finalizer_clear(h, address);
    struct heap_callback *cb = callback_make(h, args[1], NULL, Py_TYPE(args[0]));
    gcsim_mutator *m = cb ? heap_enter(h) : NULL;
    uint64_t id = 0;
    gcsim_status status = GCSIM_OK;
    if (m) {
        id = h->api->finalizer_set(m, address, run_by_python, cb);
        status = m->status;
        heap_leave(h, m);
    }
    if (!id && cb)
        callback_delete(h, cb);
    if (!m)
        return NULL;
    if (!id && status == GCSIM_BAD_STATE)
        return bind_raise(h->state, ERR_STATE,
                          "the object has a finalizer already; set_finalizer(ref, None) clears it");
    if (!id && status == GCSIM_BAD_ADDRESS)
        return bind_raise(h->state, ERR_CONVERSION,
                          "a finalizer is set on a whole object: this reference points inside one");
    if (!id && status != GCSIM_OK)
        return heap_raise_status(h, status, "a finalizer");
    Py_RETURN_NONE; // an object of size zero never dies
}

static PyObject *heap_py_add_cleanup(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                     PyObject *kwnames)
{
    struct heap_object *h = (struct heap_object *)self;
    void *address;
    if (nargs < 2 || kwnames || args[1] == Py_None)
        return bind_raise(h->state, ERR_CONVERSION,
                          "add_cleanup takes a reference, a callable, and its arguments");
    PyObject *given = PyTuple_New(nargs - 2);
    for (Py_ssize_t i = 2; given && i < nargs; i++)
        PyTuple_SET_ITEM(given, i - 2, Py_NewRef(args[i]));
    if (!given || callback_check(h, "add_cleanup", args[0], args[1], given, &address) < 0) {
        Py_XDECREF(given);
        return NULL;
    }
    PyTypeObject *tp = h->state->types[TYPE_CLEANUP];
    struct cleanup_object *cleanup = (struct cleanup_object *)tp->tp_alloc(tp, 0);
    struct heap_callback *cb = cleanup ? callback_make(h, args[1], given, NULL) : NULL;
    Py_DECREF(given);
    gcsim_mutator *m = cb ? heap_enter(h) : NULL;
    gcsim_status status = GCSIM_OK;
    if (m) {
        cleanup->heap = (struct heap_object *)Py_NewRef(h);
        cleanup->address = address;
        if (heap_born(h, cleanup) < 0)
            PyErr_Clear(); // it is never stale then
        cleanup->id = h->api->cleanup_add(m, address, run_by_python, cb);
        status = m->status;
        heap_leave(h, m);
    }
    if (cb && !(m && cleanup->id))
        callback_delete(h, cb);
    if (m && !cleanup->id && status != GCSIM_OK) {
        heap_raise_status(h, status, "a cleanup");
        m = NULL;
    }
    if (!m)
        Py_CLEAR(cleanup);
    return (PyObject *)cleanup;
}

// --- Cleanup

static PyObject *cleanup_stop(struct cleanup_object *c, PyObject *Py_UNUSED(unused))
{
    struct heap_object *h = c->heap;
    void *cb;
    if (!h || (!h->heap && !h->is_rewound) || !c->id)
        Py_RETURN_FALSE;
    if (heap_check_own(h, "stop a cleanup") < 0)
        return NULL;
    gcsim_mutator *m = heap_enter(h);
    if (!m)
        return NULL;
    int stopped = h->api->cleanup_stop(m, c->address, c->id, &cb);
    heap_leave(h, m);
    if (stopped)
        callback_delete(h, cb);
    c->stopped |= stopped;
    return PyBool_FromLong(stopped);
}

static PyObject *cleanup_repr(struct cleanup_object *c)
{
    return PyUnicode_FromFormat("<cleanup %llu of %p%s>", (unsigned long long)c->id, c->address,
                                c->stopped                 ? ", stopped"
                                : c->heap && c->heap->heap ? ""
                                                           : ", of a closed heap");
}

static int cleanup_traverse(struct cleanup_object *c, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(c));
    Py_VISIT(c->heap);
    return 0;
}

static int cleanup_clear(struct cleanup_object *c)
{
    Py_CLEAR(c->heap);
    return 0;
}

static void cleanup_dealloc(struct cleanup_object *c)
{
    PyTypeObject *tp = Py_TYPE(c);
    PyObject_GC_UnTrack(c);
    if (c->heap)
        heap_died(c->heap, c, NULL);
    cleanup_clear(c);
    tp->tp_free(c);
    Py_DECREF(tp);
}

static PyMethodDef cleanup_methods[] = {
    {"stop", (PyCFunction)cleanup_stop, METH_NOARGS,
     PyDoc_STR("stop($self, /)\n--\n\nTrue: the cleanup will not run. False: it is too late (the "
               "object is dead, the heap is closed).")},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot cleanup_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("A cleanup that heap.add_cleanup made; stop() takes it back.")},
    {Py_tp_dealloc, cleanup_dealloc},
    {Py_tp_traverse, cleanup_traverse},
    {Py_tp_clear, cleanup_clear},
    {Py_tp_repr, cleanup_repr},
    {Py_tp_methods, cleanup_methods},
    {0, NULL},
};
static PyType_Spec cleanup_spec = {
    .name = "gcsim._core.Cleanup",
    .basicsize = sizeof(struct cleanup_object),
    .slots = cleanup_slots,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
};

static int specials_init(PyObject *module, struct bind_state *state)
{
    return type_add(module, state, TYPE_CLEANUP, &cleanup_spec);
}
