// Events in Python: what the heap's ring keeps, and recordings. C fills a bytes object without the GIL; gcsim/_results.py and
// gcsim/_events.py give its records names.
#include "bind/bind.h"

// --- the heap's ring

static PyObject *event_names_tuple(struct heap_object *h)
{
    PyObject *list = PyList_New(0);
    const char *text;
    for (uint32_t kind = 0; list && (text = h->api->event_name(kind)); kind++) {
        PyObject *name = PyUnicode_FromString(text);
        if (!name || PyList_Append(list, name) < 0)
            Py_CLEAR(list);
        Py_XDECREF(name);
    }
    PyObject *tuple = list ? PyList_AsTuple(list) : NULL;
    Py_XDECREF(list);
    return tuple;
}

static PyObject *heap_py_events(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                PyObject *kwnames)
{
    struct heap_object *h = (struct heap_object *)self;
    struct slow_call call;
    int array = 0;
    for (Py_ssize_t i = 0; kwnames && i < PyTuple_GET_SIZE(kwnames); i++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, i);
        if (PyUnicode_CompareWithASCIIString(name, "array") != 0)
            return bind_raise(h->state, ERR_CONVERSION, "events has no option %R", name);
        if ((array = PyObject_IsTrue(args[nargs + i])) < 0)
            return NULL;
    }
    if (nargs)
        return bind_raise(h->state, ERR_CONVERSION, "events takes no positional argument");
    uint64_t room = h->event_room, n = 0;
    while (room & (room - 1)) // the ring is a power of two long, at least what was asked for
        room += room & (~room + 1);
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(room * sizeof(gcsim_event)));
    if (!bytes || slow_begin(h, &call, "read events") < 0) {
        Py_XDECREF(bytes);
        return NULL;
    }
    n = h->api->events(h->heap, (gcsim_event *)(void *)PyBytes_AS_STRING(bytes), room);
    slow_end(&call);
    if (slow_failed(&call, GCSIM_OK, "events") ||
        _PyBytes_Resize(&bytes, (Py_ssize_t)(n * sizeof(gcsim_event))) < 0) {
        Py_XDECREF(bytes);
        return NULL;
    }
    PyObject *names = event_names_tuple(h);
    PyObject *result = names ? results_call("make_events", "(OOi)", bytes, names, array) : NULL;
    Py_XDECREF(names);
    Py_DECREF(bytes);
    return result;
}

// --- recordings

// record(*, kinds=None, room=2**16)
static PyObject *heap_py_record(PyObject *self, PyObject *args, PyObject *kwargs)
{
    struct heap_object *h = (struct heap_object *)self;
    if (heap_check_own(h, "record events") < 0)
        return NULL;
    PyObject *module = PyImport_ImportModule("gcsim._events");
    PyObject *make = module ? bind_attribute(module, "record") : NULL;
    PyObject *all = make ? PyTuple_Pack(1, self) : NULL;
    PyObject *more = all ? PySequence_Concat(all, args) : NULL;
    PyObject *result = more ? PyObject_Call(make, more, kwargs) : NULL;
    Py_XDECREF(more);
    Py_XDECREF(all);
    Py_XDECREF(make);
    Py_XDECREF(module);
    return result;
}

// _record_begin(kinds, room): a bit for each kind.
static PyObject *heap_py_record_begin(PyObject *self, PyObject *args)
{
    struct heap_object *h = (struct heap_object *)self;
    unsigned long long kinds, room;
    struct slow_call call;
    if (!PyArg_ParseTuple(args, "KK", &kinds, &room))
        return NULL;
    if (h->recording)
        return bind_raise(h->state, ERR_STATE,
                          "events of this heap are being recorded already: one recording at a "
                          "time, end that one first");
    h->recording = true; // while we have the GIL
    if (slow_begin(h, &call, "record events") < 0) {
        h->recording = false;
        return NULL;
    }
    gcsim_status status = h->api->record_begin(call.m, kinds, room);
    slow_end(&call);
    if (status != GCSIM_OK)
        h->recording = false;
    if (status == GCSIM_HEAP_FULL && !call.error)
        return bind_raise(h->state, ERR_RANGE,
                          "room=%llu for each thread is more than the heap has address space for: "
                          "ask for less, or make the heap with a larger reserve=",
                          room);
    return slow_failed(&call, status, "record events") ? NULL : Py_NewRef(Py_None);
}

static PyObject *name_of_type(struct heap_object *h, uint32_t id, bool *there)
{
    const gcsim_type *type = h->api->type_by_id(h->heap, id);
    const char *text = type ? h->api->name_text(h->heap, type->name) : NULL;
    *there = type != NULL;
    return PyUnicode_DecodeUTF8(text ? text : "", text ? (Py_ssize_t)strlen(text) : 0, "replace");
}

// The names of the heap's types, by their numbers.
static PyObject *type_names_tuple(struct heap_object *h)
{
    PyObject *list = PyList_New(0);
    bool there = true;
    for (uint32_t id = 0; list && there; id++) {
        PyObject *name = name_of_type(h, id, &there);
        if (!name || (there && PyList_Append(list, name) < 0))
            Py_CLEAR(list);
        Py_XDECREF(name);
    }
    PyObject *tuple = list ? PyList_AsTuple(list) : NULL;
    Py_XDECREF(list);
    return tuple;
}

// _site(number) -> what csrc/bind/profile_bind.c wrote down, or the name of a workload; nothing for an unknown one.
static PyObject *heap_py_site(PyObject *self, PyObject *number)
{
    struct heap_object *h = (struct heap_object *)self;
    unsigned long long n = PyLong_AsUnsignedLongLong(number);
    if (PyErr_Occurred() || heap_check_open(h) < 0)
        return NULL;
    const char *text = n && n <= UINT32_MAX ? h->api->name_text(h->heap, (uint32_t)n) : NULL;
    return PyBytes_FromString(text ? text : "");
}

// _record_end() -> (records as bytes, dropped, from_ns, to_ns, names of types)
static PyObject *heap_py_record_end(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct heap_object *h = (struct heap_object *)self;
    struct slow_call call;
    gcsim_recorded r = {0};
    if (slow_begin(h, &call, "end a recording") < 0)
        return NULL;
    gcsim_status status = h->api->record_end(call.m, &r);
    slow_end(&call);
    if (status == GCSIM_BAD_STATE && !call.error) {
        h->recording = false;
        return bind_raise(h->state, ERR_STATE,
                          "nothing is being recorded: the heap was rewound to before it began");
    }
    PyObject *bytes =
        slow_failed(&call, status, "end a recording")
            ? NULL
            : PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(r.kept * sizeof(gcsim_event)));
    if (bytes && slow_begin(h, &call, "end a recording") < 0)
        Py_CLEAR(bytes);
    if (bytes) {
        h->api->record_read(h->heap, (gcsim_event *)(void *)PyBytes_AS_STRING(bytes));
        slow_end(&call);
        if (slow_failed(&call, GCSIM_OK, "end a recording"))
            Py_CLEAR(bytes);
    }
    h->recording = false;
    PyObject *types = bytes && heap_check_open(h) == 0 ? type_names_tuple(h) : NULL;
    PyObject *result =
        types ? Py_BuildValue("(OKKKO)", bytes, (unsigned long long)r.dropped,
                              (unsigned long long)r.from_ns, (unsigned long long)r.to_ns, types)
              : NULL;
    Py_XDECREF(types);
    Py_XDECREF(bytes);
    return result;
}
