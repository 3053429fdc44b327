// What a heap tells while it runs: GODEBUG's traces, and runtime/metrics.
//
// The core queues lines or writes them to a file descriptor itself, from whichever thread comes by. Lines for other files wait in the core:
// they are taken at the end of each call that has let the GIL go, still without it, and written with it. A write that fails ends its trace
// and is reported to sys.unraisablehook; the call goes on.
#include "bind/bind.h"

#include <fcntl.h>
#include <unistd.h>

struct told { // what one call takes
    struct {
        uint32_t kind;
        uint64_t length;
        char text[GCSIM_TRACE_LINE_BYTES];
    } lines[64];
    uint32_t n;
    int32_t error;
    uint32_t failed; // the trace that `error` ended
};

// Without the GIL, outside; in step mode no other call runs. NULL if there is nothing, or no memory: then it waits.
BIND struct told *tell_take(struct heap_object *h)
{
    char text[GCSIM_TRACE_LINE_BYTES];
    uint32_t kind = 0, failed = 0;
    int32_t error = h->api->trace_flush(h->heap, &failed);
    uint64_t length = h->api->trace_read(h->heap, &kind, text);
    struct told *told = error || length ? PyMem_RawMalloc(sizeof *told) : NULL;
    if (!told)
        return NULL;
    told->n = 0;
    told->error = error;
    told->failed = failed;
    while (length) {
        told->lines[told->n].kind = kind;
        told->lines[told->n].length = length;
        memcpy(told->lines[told->n++].text, text, sizeof text);
        length = told->n < sizeof told->lines / sizeof *told->lines
                     ? h->api->trace_read(h->heap, &kind, text)
                     : 0;
    }
    return told;
}

static void close_sink(struct heap_object *h, uint32_t kind)
{
    Py_CLEAR(h->trace_files[kind]);
    if (h->trace_fds[kind] > 0)
        close(h->trace_fds[kind] - 1);
    h->trace_fds[kind] = 0;
}

// What is no Exception (KeyboardInterrupt) is for the caller of the call, not a fault of the file.
static bool is_for_caller(struct slow_call *call)
{
    if (!call || call->error || PyErr_ExceptionMatches(PyExc_Exception))
        return false;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    call->error = value;
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return true;
}

static void tell_line(struct heap_object *h, struct slow_call *call, uint32_t kind,
                      const char *text, uint64_t length)
{
    PyObject *file = Py_XNewRef(h->trace_files[kind]);
    if (!file)
        return; // it failed before
    PyObject *done = PyObject_CallMethod(file, "write", "s#", text, (Py_ssize_t)length);
    if (!done && !is_for_caller(call)) {
        PyErr_WriteUnraisable(file);
        if (h->trace_files[kind] == file)
            close_sink(h, kind);
    }
    Py_XDECREF(done);
    Py_DECREF(file);
}

// With the GIL. Leaves a pending exception as it is.
BIND void tell_deliver(struct heap_object *h, struct slow_call *call, struct told *told)
{
    PyObject *type, *value, *traceback;
    if (!told)
        return;
    PyErr_Fetch(&type, &value, &traceback);
    for (uint32_t i = 0; i < told->n; i++)
        tell_line(h, call, told->lines[i].kind, told->lines[i].text, told->lines[i].length);
    if (told->error) {
        close_sink(h, told->failed);
        errno = told->error;
        PyErr_SetFromErrno(PyExc_OSError);
        PyErr_WriteUnraisable((PyObject *)Py_TYPE(h));
    }
    PyErr_Restore(type, value, traceback);
    PyMem_RawFree(told);
}

BIND void tell_nobody(struct heap_object *h)
{
    for (uint32_t kind = 0; kind < GCSIM_TRACES; kind++)
        close_sink(h, kind);
}

// _trace(kind, fd, file): to a copy of fd; or, if that is -1, to file.write; or, if that is None, off.
static PyObject *heap_py_trace(PyObject *self, PyObject *args)
{
    struct heap_object *h = (struct heap_object *)self;
    struct slow_call call;
    unsigned kind;
    int fd;
    PyObject *file;
    if (!PyArg_ParseTuple(args, "IiO", &kind, &fd, &file))
        return NULL;
    if (kind >= GCSIM_TRACES)
        return bind_raise(h->state, ERR_RANGE, "there is no trace %u", kind);
    int own = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (fd >= 0 && own < 0)
        return bind_raise(h->state, ERR_STATE, "%d is no open file descriptor: %s", fd,
                          strerror(errno));
    if (slow_begin(h, &call, "trace it") < 0) {
        if (own >= 0)
            close(own);
        return NULL;
    }
    gcsim_leave(call.m);
    h->api->trace(h->heap, kind,
                  own >= 0          ? own
                  : file == Py_None ? GCSIM_TRACE_OFF
                                    : GCSIM_TRACE_KEEP);
    gcsim_enter(call.m);
    slow_end(&call);
    close_sink(h, kind);
    h->trace_fds[kind] = own + 1;
    h->trace_files[kind] = own < 0 && file != Py_None ? Py_NewRef(file) : NULL;
    h->tells = 0;
    for (uint32_t k = 0; k < GCSIM_TRACES; k++)
        h->tells |= h->trace_fds[k] || h->trace_files[k];
    if (slow_failed(&call, GCSIM_OK, "a trace"))
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *trace_start(PyObject *self, PyObject *file, const char *name)
{
    return call_in("gcsim._traces", "start", "(OsO)", self, name, file);
}

static PyObject *heap_py_gctrace(PyObject *self, PyObject *file)
{
    return trace_start(self, file, "gctrace");
}
static PyObject *heap_py_pacertrace(PyObject *self, PyObject *file)
{
    return trace_start(self, file, "pacertrace");
}
static PyObject *heap_py_scavtrace(PyObject *self, PyObject *file)
{
    return trace_start(self, file, "scavtrace");
}

// --- metrics

// clang-format off
#define METRICS_NUMBERS(X) \
    X(assist_ns) X(dedicated_ns) X(idle_mark_ns) X(gc_pause_ns) X(scavenge_assist_ns) X(scavenge_background_ns) \
    X(idle_ns) X(total_ns) X(cleanups_executed) X(cleanups_queued) X(finalizers_executed) X(finalizers_queued) \
    X(cycles) X(forced_cycles) X(gc_percent) X(memory_limit) X(alloc_bytes) X(free_bytes) X(tiny_allocs) \
    X(heap_goal) X(heap_live) X(limiter_last_enabled) X(heap_scan) X(stack_scan) X(globals_scan) \
    X(starting_stack_bytes) X(heap_inuse) X(heap_free) X(heap_released) X(stacks) X(mspan_inuse) X(mspan_sys) \
    X(mcache_inuse) X(mcache_sys) X(buck_hash_sys) X(gc_sys) X(other_sys) X(procs) X(goroutines) \
    X(goroutines_created) X(threads)
// clang-format on

static PyObject *tuple_of(const uint64_t *values, Py_ssize_t n)
{
    PyObject *tuple = PyTuple_New(n);
    for (Py_ssize_t i = 0; tuple && i < n; i++) {
        PyObject *value = PyLong_FromUnsignedLongLong(values[i]);
        if (!value)
            Py_CLEAR(tuple);
        else
            PyTuple_SET_ITEM(tuple, i, value);
    }
    return tuple;
}

static PyObject *metrics_dict(const gcsim_metrics *from)
{
    PyObject *dict = PyDict_New();
    bool ok = dict != NULL;
#define ADD_TUPLE(name, values, n) ok = ok && dict_add(dict, name, tuple_of(values, n)) == 0;
    METRICS_NUMBERS(ADD_U64)
    ADD_TUPLE("allocs", from->allocs, GCSIM_SIZE_CLASSES)
    ADD_TUPLE("frees", from->frees, GCSIM_SIZE_CLASSES)
    ADD_TUPLE("stopping_gc", from->stopping_gc.counts, GCSIM_TIME_BUCKETS)
    ADD_TUPLE("stopping_other", from->stopping_other.counts, GCSIM_TIME_BUCKETS)
    ADD_TUPLE("pauses_gc", from->pauses_gc.counts, GCSIM_TIME_BUCKETS)
    ADD_TUPLE("pauses_other", from->pauses_other.counts, GCSIM_TIME_BUCKETS)
#undef ADD_TUPLE
    if (!ok)
        Py_CLEAR(dict);
    return dict;
}

// _metrics(): the fields of gcsim_metrics by name.
static PyObject *heap_py_read_metrics(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct heap_object *h = (struct heap_object *)self;
    struct slow_call call;
    gcsim_metrics metrics;
    if (slow_begin(h, &call, "read metrics") < 0)
        return NULL;
    h->api->metrics(call.m, &metrics);
    slow_end(&call);
    return slow_failed(&call, GCSIM_OK, "metrics") ? NULL : metrics_dict(&metrics);
}

static PyObject *heap_py_metrics(PyObject *self, void *Py_UNUSED(closure))
{
    return heap_check_open((struct heap_object *)self) < 0
               ? NULL
               : call_in("gcsim._metrics", "Metrics", "(O)", self);
}
