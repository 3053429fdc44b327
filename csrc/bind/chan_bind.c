// Channels, timers and locks in Python: methods of Goroutine and Heap over lib/chan, lib/timer and lib/sync.
//
// The objects are structs of gcsim/_goroutines.py, laid out as those of the libraries, whose fields nobody can reach. An operation first gets all
// that it may need, by calls that can wait, collect and run Python code; then, in one short call that holds the GIL, it goes on or blocks.
// So the GIL is the lock that the libraries want. All state is in the heap: it is rewound with it.
#include "bind/bind.h"

#include "lib/chan.h"
#include "lib/sync.h"
#include "lib/timer.h"

#include "lib/chan.c"
#include "lib/sync.c"
#include "lib/timer.c"
#include "lib/wait.c"

enum { SELECT_CASES = 64 }; // more are refused

// --- the structs -------------------------------------------------------------------------------------------------

// Something of a module; new reference.
static PyObject *lib_attribute_of(const char *module_name, const char *name)
{
    PyObject *module = PyImport_ImportModule(module_name);
    PyObject *value = module ? bind_attribute(module, name) : NULL;
    Py_XDECREF(module);
    return value;
}

static PyObject *lib_attribute(const char *name)
{
    return lib_attribute_of("gcsim._goroutines", name);
}

static const gcsim_type *lib_type_in(struct heap_object *h, const char *module, const char *name,
                                     size_t bytes)
{
    PyObject *cls = lib_attribute_of(module, name);
    struct type_object *type =
        cls && IS_STRUCT_CLASS(h->state, cls) ? class_type((struct struct_class *)cls) : NULL;
    const gcsim_type *t = type ? heap_type(h, type) : NULL;
    Py_XDECREF(cls);
    if (!type && !PyErr_Occurred())
        bind_raise(h->state, ERR_TYPE_DEFINITION, "%s.%s is no struct", module, name);
    if (t && t->bytes != bytes)
        return bind_raise(h->state, ERR_TYPE_DEFINITION, "%s takes %llu bytes, not %zu", name,
                          (unsigned long long)t->bytes, bytes);
    return t;
}

static const gcsim_type *lib_type(struct heap_object *h, const char *name, size_t bytes)
{
    return lib_type_in(h, "gcsim._goroutines", name, bytes);
}

static PyObject *bind_hide_fields(PyObject *module, PyObject *cls)
{
    struct bind_state *state = PyModule_GetState(module);
    if (!IS_STRUCT_CLASS(state, cls))
        return bind_raise(state, ERR_CONVERSION, "a struct class is needed");
    if (!class_type((struct struct_class *)cls))
        return NULL;
    for (Py_ssize_t i = 0; i < ((struct struct_class *)cls)->field_count; i++)
        ((struct struct_class *)cls)->fields[i]->kind = FIELD_HIDDEN;
    Py_RETURN_NONE;
}

// The address behind a reference to such a struct, whose word `self` says where it belongs; NULL with an error. made_by: it is no good as it
// comes from heap.new.
static void *lib_address(struct heap_object *h, PyObject *value, const char *name, size_t self,
                         const char *made_by)
{
    PyObject *cls = lib_attribute(name);
    bool fits = cls && Py_TYPE(value) == (PyTypeObject *)cls;
    Py_XDECREF(cls);
    if (!fits)
        return cls ? bind_raise(h->state, ERR_CONVERSION, "a %s is needed, not %s", name,
                                Py_TYPE(value)->tp_name)
                   : NULL;
    struct ref_object *ref = (struct ref_object *)value;
    if (ref->heap != h)
        return bind_raise(h->state, ERR_WRONG_HEAP, "the %s belongs to another heap", name);
    if (heap_check_open(h) < 0 || heap_check_lost(h, ref->address) < 0)
        return NULL;
    uint64_t *word = (uint64_t *)(void *)(ref->address + self), used = 0;
    if (made_by && *word == 0)
        return bind_raise(h->state, ERR_STATE, "a %s is made by %s", name, made_by);
    for (uint64_t *w = (uint64_t *)(void *)ref->address; *word == 0 && w < word; w++)
        used |= *w; // the word is the last one
    if (used)
        return bind_raise(h->state, ERR_STATE, "a %s begins with zeros", name);
    if (!wait_owns(ref->address, word))
        return bind_raise(h->state, ERR_STATE,
                          "this is a copy of a %s that was in use: keep a pointer to it instead",
                          name);
    return ref->address;
}

static struct hchan *channel_address(struct heap_object *h, PyObject *value)
{
    return lib_address(h, value, "Channel", offsetof(struct hchan, self), "heap.make_chan");
}
static struct timer *timer_address(struct heap_object *h, PyObject *value)
{
    return lib_address(h, value, "Timer", offsetof(struct timer, self),
                       "heap.timer and heap.ticker");
}
static struct mutex *mutex_address(struct heap_object *h, PyObject *value)
{
    return lib_address(h, value, "Mutex", offsetof(struct mutex, self), NULL);
}
static struct rwmutex *rwmutex_address(struct heap_object *h, PyObject *value)
{
    return lib_address(h, value, "RWMutex", offsetof(struct rwmutex, self), NULL);
}
static struct waitgroup *waitgroup_address(struct heap_object *h, PyObject *value)
{
    return lib_address(h, value, "WaitGroup", offsetof(struct waitgroup, self), NULL);
}
static struct cond *cond_address(struct heap_object *h, PyObject *value)
{
    return lib_address(h, value, "Cond", offsetof(struct cond, self), "heap.cond");
}

static bool is_lib_ref(PyObject *value, const char *name)
{
    PyObject *cls = lib_attribute(name);
    bool fits = cls && Py_TYPE(value) == (PyTypeObject *)cls;
    Py_XDECREF(cls);
    PyErr_Clear();
    return fits;
}

static PyObject *raise_panic(struct heap_object *h, const char *text)
{
    return raise_named(h->state, "PanicError", "%s", text);
}

// A method's arguments, each as it comes.
static int want_args(struct heap_object *h, const char *name, Py_ssize_t nargs, Py_ssize_t want)
{
    if (nargs == want)
        return 0;
    bind_raise(h->state, ERR_CONVERSION, "%s takes %zd argument%s, not %zd", name, want,
               want == 1 ? "" : "s", nargs);
    return -1;
}

// --- the clock: one object per heap, in a global that is told from a program's by a capacity that no slice has ---

static gcsim_global *clock_global(struct heap_object *h)
{
    gcsim_global *global = NULL;
    while ((global = h->api->global_next(h->heap, global)))
        if (GCSIM_LOAD(&global->words[2]) == (void *)UINTPTR_MAX)
            return global;
    return NULL;
}

static struct timers *clock_of(struct heap_object *h)
{
    uint32_t name;
    const gcsim_type *type;
    if (heap_check_own(h, "use its clock") < 0)
        return NULL;
    gcsim_global *global = clock_global(h);
    if (global)
        return GCSIM_LOAD(&global->words[0]);
    PyObject *text = PyUnicode_FromString("runtime.timers");
    gcsim_handle *handle = NULL;
    if (text && name_intern_python(h, text, "the name of a global", &name) == 0 &&
        (type = lib_type(h, "_Clock", sizeof(struct timers))))
        handle = heap_allocate(h, type, false, 1);
    Py_XDECREF(text);
    gcsim_mutator *m = handle ? heap_enter(h) : NULL;
    struct timers *ts = NULL;
    if (m) {
        global = clock_global(h); // somebody was faster
        if (!global && (global = h->api->global_new(m, name))) {
            gcsim_store(m, &global->words[0], handle->ptr);
            GCSIM_STORE(&global->words[2], (void *)UINTPTR_MAX);
            ((struct timers *)handle->ptr)->random = h->seed;
        }
        ts = global ? GCSIM_LOAD(&global->words[0]) : NULL;
        heap_leave(h, m);
        if (!ts)
            heap_raise_status(h, GCSIM_NO_MEMORY, "the clock");
    }
    if (handle)
        heap_unroot(h, handle);
    return ts;
}

// splitmix64, as everywhere.
static uint64_t clock_random(struct timers *ts)
{
    uint64_t z = ts->random += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

// Seconds, an int or a float, as ns.
static int seconds_from_python(struct bind_state *state, PyObject *value, int64_t *ns)
{
    double seconds = PyFloat_AsDouble(value);
    if (seconds == -1 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_TypeError))
            bind_raise(state, ERR_CONVERSION, "seconds are a number, not %s",
                       Py_TYPE(value)->tp_name);
        else if (PyErr_ExceptionMatches(PyExc_OverflowError))
            bind_raise(state, ERR_RANGE, "at most 9e9 seconds");
        return -1;
    }
    if (!(seconds >= 0 && seconds < 9e9)) {
        bind_raise(state, ERR_RANGE, "seconds are from 0 to 9e9, not %R", value);
        return -1;
    }
    *ns = (int64_t)(seconds * 1e9 + 0.5);
    return 0;
}

// --- channels: making --------------------------------------------------------------------------------------------

static PyObject *ref_of_lib(struct heap_object *h, const char *name, gcsim_handle *handle)
{
    PyObject *cls = lib_attribute(name);
    PyObject *ref = NULL;
    if (cls)
        ref = ref_from_handle(h, (PyTypeObject *)cls, handle);
    else
        heap_unroot(h, handle);
    Py_XDECREF(cls);
    return ref;
}

static gcsim_handle *channel_make(struct heap_object *h, const gcsim_type *elem, int64_t size,
                                  bool traced)
{
    uint64_t bytes;
    bool behind;
    const gcsim_type *hchan = lib_type(h, "Channel", sizeof(struct hchan)), *byte = NULL;
    struct type_object *byte_type = hchan ? bind_byte_type(h->state) : NULL;
    if (!byte_type || !(byte = heap_type(h, byte_type)))
        return NULL;
    if (chan_plan(elem, size, traced, &behind, &bytes) != GCSIM_OK)
        return bind_raise(
            h->state, ERR_RANGE,
            "makechan: size out of range: %lld elements of %llu bytes (at most 65,535)",
            (long long)size, (unsigned long long)elem->bytes);
    gcsim_handle *buf = NULL, *ch = behind ? heap_allocate(h, byte, true, bytes)
                                           : heap_allocate(h, hchan, false, 1);
    if (ch && !behind && bytes && !(buf = heap_allocate(h, elem, true, (uint64_t)size))) {
        heap_unroot(h, ch);
        return NULL;
    }
    gcsim_mutator *m = ch ? heap_enter(h) : NULL;
    if (m) {
        chan_init(m, ch->ptr, buf ? buf->ptr : NULL, elem, size);
        heap_leave(h, m);
    }
    if (buf)
        heap_unroot(h, buf);
    if (ch && !m)
        heap_unroot(h, ch);
    return m ? ch : NULL;
}

static PyObject *heap_py_make_chan(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    struct heap_object *h = (struct heap_object *)self;
    int64_t size = 0;
    if (nargs < 1 || nargs > 2)
        return bind_raise(h->state, ERR_CONVERSION, "make_chan takes a type and a size");
    if (heap_check_own(h, "make a channel") < 0)
        return NULL;
    if (nargs == 2 && count_from_python(h->state, "the size of a channel", args[1], &size) < 0)
        return NULL;
    struct type_object *type = type_from_python(h->state, args[0]);
    if (!type)
        return NULL;
    const gcsim_type *elem = heap_type(h, type);
    Py_DECREF(type);
    gcsim_handle *ch = elem ? channel_make(h, elem, size, false) : NULL;
    return ch ? ref_of_lib(h, "Channel", ch) : NULL;
}

// --- channels: operating -----------------------------------------------------------------------------------------

static int goroutine_check_runs(struct goroutine_object *g, const char *doing)
{
    if (heap_check_own(g->heap, doing) < 0 || goroutine_check(g) < 0)
        return -1;
    if (g->g->wait_reason == GCSIM_WAIT_NONE)
        return 0;
    bind_raise(g->heap->state, ERR_STATE, "goroutine %u (%U) cannot %s: it is blocked (%s)", g->id,
               g->name, doing, g->heap->api->wait_reason_text(g->g->wait_reason));
    return -1;
}

struct operation {
    struct goroutine_object *g;
    uint32_t n;
    struct chan_case cases[SELECT_CASES];
    gcsim_handle *boxes[SELECT_CASES];
    struct stage stages[SELECT_CASES];
    PyObject *channels[SELECT_CASES]; // strong
    gcsim_handle *sudogs;             // the first
};

static void operation_end(struct operation *op)
{
    struct heap_object *h = op->g->heap;
    for (uint32_t i = 0; i < op->n; i++) {
        stage_drop(&op->stages[i]);
        if (op->boxes[i])
            heap_unroot(h, op->boxes[i]);
        Py_XDECREF(op->channels[i]);
    }
    if (op->sudogs)
        heap_unroot(h, op->sudogs);
    PyMem_Free(op);
}

static struct operation *operation_begin(struct goroutine_object *g)
{
    struct operation *op = PyMem_Calloc(1, sizeof *op);
    if (!op)
        return (struct operation *)PyErr_NoMemory();
    op->g = g;
    return op;
}

// One more case; value NULL: it receives. 0 or -1.
static int operation_add(struct operation *op, PyObject *channel, PyObject *value)
{
    struct heap_object *h = op->g->heap;
    uint32_t i = op->n;
    if (i == SELECT_CASES) {
        bind_raise(h->state, ERR_RANGE, "a select has at most %d cases", SELECT_CASES);
        return -1;
    }
    op->n++;
    op->stages[i].heap = h;
    op->cases[i].is_send = value != NULL;
    if (channel == Py_None)
        return 0;
    struct hchan *ch = channel_address(h, channel);
    if (!ch)
        return -1;
    op->channels[i] = Py_NewRef(channel);
    const gcsim_type *elem = ch->elem;
    struct type_object *type = heap_type_of(h, elem);
    if (!type) {
        bind_raise(h->state, ERR_CONVERSION, "the channel's elements are of a type of C");
        return -1;
    }
    Py_INCREF(type);
    int result = value ? stage_add(&op->stages[i], type, 0, value) : 0;
    Py_DECREF(type);
    if (result < 0 || heap_check_own(h, "use a channel") < 0 ||
        !(op->boxes[i] = heap_allocate(h, elem, false, 1)))
        return -1;
    op->cases[i].ch = ch;
    op->cases[i].elem = op->boxes[i]->ptr;
    return 0;
}

// A sudog for each case, should it have to wait.
static int operation_prepare(struct operation *op)
{
    struct heap_object *h = op->g->heap;
    const gcsim_type *sudog = lib_type(h, "_Sudog", sizeof(struct sudog));
    for (uint32_t i = 0; sudog && i < op->n; i++) {
        gcsim_handle *s = heap_allocate(h, sudog, false, 1);
        gcsim_mutator *m = s ? heap_enter(h) : NULL;
        if (!m) {
            if (s)
                heap_unroot(h, s);
            return -1;
        }
        if (op->sudogs)
            gcsim_store(m, &((struct sudog *)s->ptr)->wait.link, op->sudogs->ptr);
        heap_leave(h, m);
        if (op->sudogs)
            heap_unroot(h, op->sudogs);
        op->sudogs = s;
    }
    return sudog ? 0 : -1;
}

// -1 with an error, or an enum chan_result.
static int operation_run(struct operation *op, bool single, bool has_default, uint32_t *chosen)
{
    struct heap_object *h = op->g->heap;
    struct timers *clock = op->n > 1 ? clock_of(h) : NULL; // it is used to choose
    if ((op->n > 1 && !clock) || (!has_default && operation_prepare(op) < 0) ||
        goroutine_check_runs(op->g, "use a channel") < 0)
        return -1;
    gcsim_mutator *m = heap_enter(h);
    if (!m)
        return -1;
    for (uint32_t i = 0; i < op->n; i++)
        if (op->cases[i].ch && op->cases[i].is_send)
            stage_write(&op->stages[i], m, op->cases[i].elem);
    enum chan_result result =
        chan_try(m, op->cases, op->n, clock ? clock_random(clock) : 0, chosen);
    if (result != CHAN_BLOCKS)
        op->g->g->param = NULL; // how it went before is history
    else if (!has_default)
        chan_block(m, op->g->g, op->cases, op->n, single, op->sudogs ? op->sudogs->ptr : NULL);
    heap_leave(h, m);
    const char *panic = chan_panic_text(result);
    if (panic)
        raise_panic(h, panic);
    return panic ? -1 : (int)result;
}

// What was received, from a box that something else keeps; new reference. The time that a timer sends is an int, ns.
static PyObject *received_value(struct heap_object *h, const gcsim_type *elem, void *box)
{
    struct type_object *type = elem ? heap_type_of(h, elem) : NULL;
    if (!type)
        Py_RETURN_NONE;
    if (elem->bytes == sizeof(struct go_time) && type->kind == GCSIM_KIND_STRUCT) {
        const gcsim_type *time = lib_type(h, "_Time", sizeof(struct go_time));
        if (!time)
            return NULL;
        if (elem == time)
            return PyLong_FromLongLong(GCSIM_LOAD(&((struct go_time *)box)->ext));
    }
    Py_INCREF(type);
    PyObject *value = value_get(h, type, box);
    Py_DECREF(type);
    return value;
}

static PyObject *make_received(PyObject *value, bool ok)
{
    PyObject *cls = value ? lib_attribute("Received") : NULL;
    PyObject *result = cls ? PyObject_CallFunction(cls, "Oi", value, ok) : NULL;
    Py_XDECREF(cls);
    Py_XDECREF(value);
    return result;
}

static PyObject *make_selected(int number, PyObject *value, bool ok)
{
    PyObject *cls = value ? lib_attribute("Selected") : NULL;
    PyObject *flag = PyBool_FromLong(ok);
    PyObject *result = cls ? PyObject_CallFunction(cls, "iOO", number, value, flag) : NULL;
    Py_DECREF(flag);
    Py_XDECREF(cls);
    Py_XDECREF(value);
    return result;
}

static PyObject *goroutine_send(struct goroutine_object *g, PyObject *const *args, Py_ssize_t nargs)
{
    uint32_t chosen;
    struct operation *op =
        want_args(g->heap, "send", nargs, 2) < 0 || goroutine_check_runs(g, "send") < 0
            ? NULL
            : operation_begin(g);
    if (!op)
        return NULL;
    int result =
        operation_add(op, args[0], args[1]) < 0 ? -1 : operation_run(op, true, false, &chosen);
    operation_end(op);
    return result < 0 ? NULL : PyBool_FromLong(result != CHAN_BLOCKS);
}

static PyObject *goroutine_receive(struct goroutine_object *g, PyObject *channel)
{
    uint32_t chosen;
    struct operation *op = goroutine_check_runs(g, "receive") < 0 ? NULL : operation_begin(g);
    if (!op)
        return NULL;
    int result =
        operation_add(op, channel, NULL) < 0 ? -1 : operation_run(op, true, false, &chosen);
    PyObject *out = NULL;
    if (result == CHAN_BLOCKS)
        out = Py_NewRef(Py_None);
    else if (result >= 0)
        out = make_received(received_value(g->heap, op->cases[0].ch->elem, op->cases[0].elem),
                            result == CHAN_DONE);
    operation_end(op);
    return out;
}

// A case as it was given: Send(ch, value) or Receive(ch).
static int operation_add_case(struct operation *op, PyObject *given)
{
    PyObject *send = lib_attribute("Send"), *receive = lib_attribute("Receive");
    int result = -1;
    if (send && receive) {
        if (Py_TYPE(given) == (PyTypeObject *)send && PyTuple_GET_SIZE(given) == 2)
            result = operation_add(op, PyTuple_GET_ITEM(given, 0), PyTuple_GET_ITEM(given, 1));
        else if (Py_TYPE(given) == (PyTypeObject *)receive && PyTuple_GET_SIZE(given) == 1)
            result = operation_add(op, PyTuple_GET_ITEM(given, 0), NULL);
        else
            bind_raise(op->g->heap->state, ERR_CONVERSION,
                       "a case is a gcsim.Send or gcsim.Receive, not %s", Py_TYPE(given)->tp_name);
    }
    Py_XDECREF(send);
    Py_XDECREF(receive);
    return result;
}

static PyObject *goroutine_select(struct goroutine_object *g, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"default", NULL};
    uint32_t chosen;
    int has_default = 0;
    PyObject *none = PyTuple_New(0);
    bool read =
        none && PyArg_ParseTupleAndKeywords(none, kwargs, "|$p:select", names, &has_default);
    Py_XDECREF(none);
    struct operation *op =
        read && goroutine_check_runs(g, "select") == 0 ? operation_begin(g) : NULL;
    if (!op)
        return NULL;
    int result = 0;
    for (Py_ssize_t i = 0; result == 0 && i < PyTuple_GET_SIZE(args); i++)
        result = operation_add_case(op, PyTuple_GET_ITEM(args, i));
    if (result == 0)
        result = operation_run(op, false, has_default, &chosen);
    PyObject *out = NULL;
    if (result == CHAN_BLOCKS)
        out = has_default ? make_selected(-1, Py_NewRef(Py_None), false) : Py_NewRef(Py_None);
    else if (result >= 0)
        out = make_selected(
            (int)chosen,
            op->cases[chosen].is_send
                ? Py_NewRef(Py_None)
                : received_value(g->heap, op->cases[chosen].ch->elem, op->cases[chosen].elem),
            result == CHAN_DONE);
    operation_end(op);
    return out;
}

static PyObject *goroutine_close(struct goroutine_object *g, PyObject *channel)
{
    struct heap_object *h = g->heap;
    struct hchan *ch = NULL;
    if (goroutine_check_runs(g, "close a channel") < 0 ||
        (channel != Py_None && !(ch = channel_address(h, channel))))
        return NULL;
    gcsim_mutator *m = heap_enter(h);
    if (!m)
        return NULL;
    const char *panic = chan_panic_text(chan_close(m, ch));
    heap_leave(h, m);
    if (panic)
        return raise_panic(h, panic);
    Py_RETURN_NONE;
}

// What the operation gave for which the goroutine was blocked.
static PyObject *goroutine_result(struct goroutine_object *g, void *Py_UNUSED(closure))
{
    struct heap_object *h = g->heap;
    if (goroutine_check_runs(g, "say what it was given") < 0)
        return NULL;
    const struct sudog *s = g->g->param;
    if (!s)
        Py_RETURN_NONE;
    enum chan_result how = chan_outcome(s);
    const char *panic = chan_panic_text(how);
    if (panic)
        return raise_panic(h, panic);
    gcsim_handle *root = heap_root(h, (void *)(uintptr_t)s); // reading can run Python code
    if (!root)
        return NULL;
    bool receives = s->elem_type && !s->is_send;
    uint32_t number = s->number;
    bool is_select = s->is_select;
    PyObject *out = receives ? received_value(h, s->elem_type, s->elem) : Py_NewRef(Py_None);
    if (is_select)
        out = make_selected((int)number, out, how == CHAN_DONE);
    else if (receives)
        out = make_received(out, how == CHAN_DONE);
    else
        Py_XSETREF(out, Py_NewRef(Py_True));
    heap_unroot(h, root);
    return out;
}

static PyObject *goroutine_blocked(struct goroutine_object *g, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(goroutine_lives(g) && g->g->wait_reason != GCSIM_WAIT_NONE);
}
static PyObject *goroutine_wait_reason(struct goroutine_object *g, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(
        goroutine_lives(g) ? g->heap->api->wait_reason_text(g->g->wait_reason) : "");
}
static PyObject *goroutine_leaked(struct goroutine_object *g, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(goroutine_lives(g) && g->g->leaked);
}

// It is about to end: no queue knows it afterwards.
static void goroutine_leave_queues(gcsim_mutator *m, gcsim_goroutine *g)
{
    if (g->wait_reason != GCSIM_WAIT_NONE)
        wait_cancel(m, g);
}

// --- locks -------------------------------------------------------------------------------------------------------

static PyObject *sync_answer(struct heap_object *h, enum sync_result result)
{
    const char *text = sync_error_text(result);
    return text ? raise_panic(h, text) : PyBool_FromLong(result != SYNC_BLOCKS);
}

typedef enum sync_result (*sync_blocking)(gcsim_mutator *m, void *object, gcsim_goroutine *g,
                                          struct sudog *s);
typedef enum sync_result (*sync_simple)(gcsim_mutator *m, void *object);

static PyObject *sync_may_block(struct goroutine_object *g, void *object, const char *doing,
                                sync_blocking run)
{
    struct heap_object *h = g->heap;
    const gcsim_type *type = object ? lib_type(h, "_Sudog", sizeof(struct sudog)) : NULL;
    gcsim_handle *s = type ? heap_allocate(h, type, false, 1) : NULL;
    gcsim_mutator *m = s && goroutine_check_runs(g, doing) == 0 ? heap_enter(h) : NULL;
    enum sync_result result = SYNC_DONE;
    if (m) {
        result = run(m, object, g->g, s->ptr);
        if (result == SYNC_DONE)
            g->g->param = NULL;
        heap_leave(h, m);
    }
    if (s)
        heap_unroot(h, s);
    return m ? sync_answer(h, result) : NULL;
}

static PyObject *sync_no_block(struct goroutine_object *g, void *object, const char *doing,
                               sync_simple run)
{
    struct heap_object *h = g->heap;
    gcsim_mutator *m = object && goroutine_check_runs(g, doing) == 0 ? heap_enter(h) : NULL;
    if (!m)
        return NULL;
    enum sync_result result = run(m, object);
    heap_leave(h, m);
    return sync_answer(h, result);
}

#define SYNC_BLOCKING(function, type)                                                              \
    static enum sync_result run_##function(gcsim_mutator *m, void *object, gcsim_goroutine *g,     \
                                           struct sudog *s)                                        \
    {                                                                                              \
        return function(m, (struct type *)object, g, s);                                           \
    }
#define SYNC_SIMPLE(function, type)                                                                \
    static enum sync_result run_##function(gcsim_mutator *m, void *object)                         \
    {                                                                                              \
        return function(m, (struct type *)object);                                                 \
    }
SYNC_BLOCKING(mutex_lock, mutex)
SYNC_BLOCKING(rwmutex_lock, rwmutex)
SYNC_BLOCKING(rwmutex_rlock, rwmutex)
SYNC_BLOCKING(waitgroup_wait, waitgroup)
SYNC_BLOCKING(cond_wait, cond)
SYNC_SIMPLE(mutex_unlock, mutex)
SYNC_SIMPLE(rwmutex_unlock, rwmutex)
SYNC_SIMPLE(rwmutex_runlock, rwmutex)

static enum sync_result run_cond_signal(gcsim_mutator *m, void *object)
{
    cond_signal(m, object);
    return SYNC_DONE;
}
static enum sync_result run_cond_broadcast(gcsim_mutator *m, void *object)
{
    while (cond_signal(m, object))
        ;
    return SYNC_DONE;
}

static PyObject *goroutine_lock(struct goroutine_object *g, PyObject *mu)
{
    struct heap_object *h = g->heap;
    if (is_lib_ref(mu, "RWMutex"))
        return sync_may_block(g, rwmutex_address(h, mu), "lock", run_rwmutex_lock);
    return sync_may_block(g, mutex_address(h, mu), "lock", run_mutex_lock);
}
static PyObject *goroutine_unlock(struct goroutine_object *g, PyObject *mu)
{
    struct heap_object *h = g->heap;
    if (is_lib_ref(mu, "RWMutex"))
        return sync_no_block(g, rwmutex_address(h, mu), "unlock", run_rwmutex_unlock);
    return sync_no_block(g, mutex_address(h, mu), "unlock", run_mutex_unlock);
}
static PyObject *goroutine_rlock(struct goroutine_object *g, PyObject *mu)
{
    return sync_may_block(g, rwmutex_address(g->heap, mu), "lock", run_rwmutex_rlock);
}
static PyObject *goroutine_runlock(struct goroutine_object *g, PyObject *mu)
{
    return sync_no_block(g, rwmutex_address(g->heap, mu), "unlock", run_rwmutex_runlock);
}
static PyObject *goroutine_wait(struct goroutine_object *g, PyObject *what)
{
    if (is_lib_ref(what, "Cond"))
        return sync_may_block(g, cond_address(g->heap, what), "wait", run_cond_wait);
    return sync_may_block(g, waitgroup_address(g->heap, what), "wait", run_waitgroup_wait);
}
static PyObject *goroutine_signal(struct goroutine_object *g, PyObject *c)
{
    return sync_no_block(g, cond_address(g->heap, c), "signal", run_cond_signal);
}
static PyObject *goroutine_broadcast(struct goroutine_object *g, PyObject *c)
{
    return sync_no_block(g, cond_address(g->heap, c), "signal", run_cond_broadcast);
}

static PyObject *goroutine_add_to(struct goroutine_object *g, PyObject *group, int64_t n)
{
    struct heap_object *h = g->heap;
    struct waitgroup *wg = waitgroup_address(h, group);
    gcsim_mutator *m =
        wg && goroutine_check_runs(g, "add to a WaitGroup") == 0 ? heap_enter(h) : NULL;
    if (!m)
        return NULL;
    enum sync_result result = waitgroup_add(m, wg, n);
    heap_leave(h, m);
    return sync_answer(h, result);
}
static PyObject *goroutine_add(struct goroutine_object *g, PyObject *const *args, Py_ssize_t nargs)
{
    if (want_args(g->heap, "add", nargs, 2) < 0)
        return NULL;
    int overflow = 0;
    long long n = PyLong_Check(args[1]) ? PyLong_AsLongLongAndOverflow(args[1], &overflow) : 0;
    if (!PyLong_Check(args[1]))
        return bind_raise(g->heap->state, ERR_CONVERSION, "add takes an int, not %s",
                          Py_TYPE(args[1])->tp_name);
    if (overflow)
        return bind_raise(g->heap->state, ERR_RANGE, "the number to add is too large");
    return goroutine_add_to(g, args[0], n);
}
static PyObject *goroutine_done(struct goroutine_object *g, PyObject *group)
{
    return goroutine_add_to(g, group, -1);
}

static PyObject *heap_py_cond(PyObject *self, PyObject *lock)
{
    struct heap_object *h = (struct heap_object *)self;
    struct mutex *mu = heap_check_own(h, "make a Cond") < 0 ? NULL : mutex_address(h, lock);
    const gcsim_type *type = mu ? lib_type(h, "Cond", sizeof(struct cond)) : NULL;
    gcsim_handle *c = type ? heap_allocate(h, type, false, 1) : NULL;
    gcsim_mutator *m = c ? heap_enter(h) : NULL;
    if (m) {
        gcsim_store(m, &((struct cond *)c->ptr)->lock, mu);
        wait_owns(c->ptr, &((struct cond *)c->ptr)->self);
        heap_leave(h, m);
    } else if (c) {
        heap_unroot(h, c);
    }
    return m ? ref_of_lib(h, "Cond", c) : NULL;
}

// --- time --------------------------------------------------------------------------------------------------------

static PyObject *timer_new(struct heap_object *h, PyObject *seconds, bool repeats)
{
    int64_t ns;
    if (heap_check_own(h, "make a timer") < 0 || seconds_from_python(h->state, seconds, &ns) < 0)
        return NULL;
    if (repeats && ns == 0)
        return raise_panic(h, "non-positive interval for NewTicker");
    struct timers *clock = clock_of(h);
    const gcsim_type *type = clock ? lib_type(h, "Timer", sizeof(struct timer)) : NULL;
    const gcsim_type *elem = type ? lib_type(h, "_Time", sizeof(struct go_time)) : NULL;
    gcsim_handle *ch = elem ? channel_make(h, elem, 1, true) : NULL,
                 *t = ch ? heap_allocate(h, type, false, 1) : NULL;
    gcsim_mutator *m = t ? heap_enter(h) : NULL;
    if (m) {
        timer_init(m, t->ptr, clock, ch->ptr, ns, repeats ? ns : 0);
        heap_leave(h, m);
    } else if (t) {
        heap_unroot(h, t);
    }
    if (ch)
        heap_unroot(h, ch);
    return m ? ref_of_lib(h, "Timer", t) : NULL;
}

static PyObject *heap_py_timer(PyObject *self, PyObject *seconds)
{
    return timer_new((struct heap_object *)self, seconds, false);
}
static PyObject *heap_py_ticker(PyObject *self, PyObject *seconds)
{
    return timer_new((struct heap_object *)self, seconds, true);
}

static PyObject *heap_py_timer_channel(PyObject *self, PyObject *timer)
{
    struct heap_object *h = (struct heap_object *)self;
    struct timer *t = timer_address(h, timer);
    gcsim_handle *root = t ? heap_root(h, t->ch) : NULL;
    return root ? ref_of_lib(h, "Channel", root) : NULL;
}

static PyObject *heap_py_stop(PyObject *self, PyObject *timer)
{
    struct heap_object *h = (struct heap_object *)self;
    struct timer *t = heap_check_own(h, "stop a timer") < 0 ? NULL : timer_address(h, timer);
    gcsim_mutator *m = t ? heap_enter(h) : NULL;
    if (!m)
        return NULL;
    bool pending = timer_stop(m, t);
    heap_leave(h, m);
    return PyBool_FromLong(pending);
}

static PyObject *heap_py_reset(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    struct heap_object *h = (struct heap_object *)self;
    int64_t ns;
    if (want_args(h, "reset", nargs, 2) < 0 || heap_check_own(h, "reset a timer") < 0 ||
        seconds_from_python(h->state, args[1], &ns) < 0)
        return NULL;
    struct timer *t = timer_address(h, args[0]);
    if (t && t->period && ns == 0)
        return raise_panic(h, "non-positive interval for Ticker.Reset");
    gcsim_mutator *m = t ? heap_enter(h) : NULL;
    if (!m)
        return NULL;
    bool pending = timer_reset(m, t, ns, t->period ? ns : 0);
    heap_leave(h, m);
    return PyBool_FromLong(pending);
}

static PyObject *goroutine_sleep(struct goroutine_object *g, PyObject *seconds)
{
    struct heap_object *h = g->heap;
    int64_t ns;
    if (goroutine_check_runs(g, "sleep") < 0 || seconds_from_python(h->state, seconds, &ns) < 0)
        return NULL;
    if (ns == 0)
        Py_RETURN_TRUE;
    struct timers *clock = clock_of(h);
    const gcsim_type *type = clock ? lib_type(h, "Timer", sizeof(struct timer)) : NULL,
                     *sudog = type ? lib_type(h, "_Sudog", sizeof(struct sudog)) : NULL;
    gcsim_handle *t = sudog ? heap_allocate(h, type, false, 1) : NULL,
                 *s = t ? heap_allocate(h, sudog, false, 1) : NULL;
    gcsim_mutator *m = s && goroutine_check_runs(g, "sleep") == 0 ? heap_enter(h) : NULL;
    if (m) {
        timer_sleep(m, clock, t->ptr, g->g, s->ptr, ns);
        heap_leave(h, m);
    }
    if (t)
        heap_unroot(h, t);
    if (s)
        heap_unroot(h, s);
    return m ? PyBool_FromLong(0) : NULL;
}

static PyObject *heap_py_advance(PyObject *self, PyObject *seconds)
{
    struct heap_object *h = (struct heap_object *)self;
    int64_t ns, now;
    struct timers *clock = seconds_from_python(h->state, seconds, &ns) < 0 ? NULL : clock_of(h);
    if (!clock)
        return NULL;
    if (__builtin_add_overflow(clock->now, ns, &now))
        return bind_raise(h->state, ERR_RANGE, "the clock ends in 292 years");
    gcsim_mutator *m = heap_enter(h);
    if (!m)
        return NULL;
    uint64_t fired = timers_advance(m, clock, now);
    heap_leave(h, m);
    return PyLong_FromUnsignedLongLong(fired);
}

static PyObject *heap_py_clock(PyObject *self, void *Py_UNUSED(closure))
{
    struct heap_object *h = (struct heap_object *)self;
    if (heap_check_open(h) < 0)
        return NULL;
    gcsim_global *global = clock_global(h);
    struct timers *clock = global ? GCSIM_LOAD(&global->words[0]) : NULL;
    return PyFloat_FromDouble(clock ? (double)clock->now / 1e9 : 0.0);
}
