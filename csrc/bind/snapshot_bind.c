// Heap._read_snapshot: what the core has copied in one stop (watch/snapshot.h), as columns of bytes, and what only the binding knows of it: the
// TypeInfo behind each type, what the globals hold, the functions of finalizers. gcsim/_snapshot.py puts a Snapshot together.
#include "bind/bind.h"

static int add_column(PyObject *dict, const char *name, const void *items, uint64_t count,
                      size_t item_bytes)
{
    return dict_add(dict, name, PyBytes_FromStringAndSize(items, (Py_ssize_t)(count * item_bytes)));
}

static PyObject *snapshot_columns(const gcsim_snapshot *s)
{
    const struct {
        const char *name;
        const void *items;
        uint64_t count;
        size_t item_bytes;
    } columns[] = {
        {"address", s->address, s->objects, sizeof *s->address},
        {"slot_bytes", s->slot_bytes, s->objects, sizeof *s->slot_bytes},
        {"noscan", s->noscan, s->objects, sizeof *s->noscan},
        {"type", s->type, s->objects, sizeof *s->type},
        {"edge_start", s->edge_start, s->objects + 1, sizeof *s->edge_start},
        {"edge_off", s->edge_off, s->edges, sizeof *s->edge_off},
        {"edge_dst", s->edge_dst, s->edges, sizeof *s->edge_dst},
        {"edge_dst_off", s->edge_dst_off, s->edges, sizeof *s->edge_dst_off},
        {"roots", s->root, s->roots, sizeof *s->root},
        {"goroutines", s->goroutine, s->goroutines, sizeof *s->goroutine},
        {"specials", s->special, s->specials, sizeof *s->special},
        {"where", &s->where, 1, sizeof s->where},
        {"stop_ns", &s->stop_ns, 2, sizeof s->stop_ns}, // and copy_ns
    };
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict && i < sizeof columns / sizeof *columns; i++)
        if (add_column(dict, columns[i].name, columns[i].items, columns[i].count,
                       columns[i].item_bytes) < 0)
            Py_CLEAR(dict);
    return dict;
}

// Names by number: those of globals, frames and goroutines.
static PyObject *snapshot_names(struct heap_object *h, const gcsim_snapshot *s)
{
    PyObject *names = PyDict_New();
    for (uint64_t i = 0; names && i < s->roots + s->goroutines; i++)
        if (!names_add(h, names, i < s->roots ? s->root[i].name : s->goroutine[i - s->roots].name))
            Py_CLEAR(names);
    return names;
}

// (name, bytes, TypeInfo or None) of each type, by id.
static PyObject *snapshot_types(struct heap_object *h)
{
    PyObject *list = PyList_New(0);
    const gcsim_type *type;
    for (uint32_t id = 0; list && (type = h->api->type_by_id(h->heap, id)); id++) {
        struct type_object *known = heap_type_of(h, type);
        const char *name = h->api->name_text(h->heap, type->name);
        PyObject *row = Py_BuildValue("sKO", name ? name : "", (unsigned long long)type->bytes,
                                      known ? known->info : Py_None);
        if (!row || PyList_Append(list, row) < 0)
            Py_CLEAR(list);
        Py_XDECREF(row);
    }
    return list;
}

// Of each global (what it is, TypeInfo of what it refers to or of a Slice's elements).
static PyObject *snapshot_globals(struct heap_object *h)
{
    static const char *const kinds[] = {[GLOBAL_NIL] = "nil",     [GLOBAL_REF] = "ref",
                                        [GLOBAL_SLICE] = "slice", [GLOBAL_STRING] = "string",
                                        [GLOBAL_BOX] = "nil",     [GLOBAL_FUNC] = "nil"};
    PyObject *dict = PyDict_New(), *name, *capsule;
    Py_ssize_t at = 0;
    while (dict && h->roots && PyDict_Next(h->roots->globals, &at, &name, &capsule)) {
        const struct global_slot *slot = PyCapsule_GetPointer(capsule, GLOBAL_CAPSULE);
        PyObject *row =
            Py_BuildValue("sO", kinds[slot->kind], slot->type ? slot->type->info : Py_None);
        if (!row || PyDict_SetItem(dict, name, row) < 0)
            Py_CLEAR(dict);
        Py_XDECREF(row);
    }
    return dict;
}

// (function, class of a finalizer's Ref or None) by the argument that the core has of a callback.
static PyObject *snapshot_callbacks(struct heap_object *h)
{
    PyObject *dict = PyDict_New();
    for (struct heap_callback *cb = h->callbacks; dict && cb; cb = cb->next) {
        PyObject *key = PyLong_FromVoidPtr(cb);
        PyObject *row =
            Py_BuildValue("OO", cb->fn ? cb->fn : Py_None, cb->cls ? (PyObject *)cb->cls : Py_None);
        if (!key || !row || PyDict_SetItem(dict, key, row) < 0)
            Py_CLEAR(dict);
        Py_XDECREF(key);
        Py_XDECREF(row);
    }
    return dict;
}

static PyObject *snapshot_parts(struct heap_object *h, const gcsim_snapshot *s, PyObject *callbacks)
{
    PyObject *columns = snapshot_columns(s), *names = columns ? snapshot_names(h, s) : NULL;
    PyObject *types = names ? snapshot_types(h) : NULL;
    PyObject *globals = types ? snapshot_globals(h) : NULL;
    PyObject *result = NULL;
    if (globals)
        result = Py_BuildValue("OOOOOK", columns, names, types, globals, callbacks,
                               (unsigned long long)(uintptr_t)h->arena);
    Py_XDECREF(columns);
    Py_XDECREF(names);
    Py_XDECREF(types);
    Py_XDECREF(globals);
    return result;
}

static PyObject *heap_py_read_snapshot(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct heap_object *h = (struct heap_object *)self;
    PyObject *callbacks = heap_check_open(h) < 0 ? NULL : snapshot_callbacks(h), *result = NULL;
    struct slow_call call;
    if (callbacks && slow_begin(h, &call, "read it for a snapshot") == 0) {
        gcsim_snapshot s;
        gcsim_status status = h->api->snapshot(call.m, &s);
        slow_end(&call);
        if (!slow_failed(&call, status, "a snapshot of the heap") && heap_check_open(h) == 0)
            result = snapshot_parts(h, &s, callbacks);
        h->api->snapshot_free(&s);
    }
    Py_XDECREF(callbacks);
    return result;
}

static PyObject *heap_py_snapshot(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"owners", NULL};
    int owners = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$p:snapshot", names, &owners))
        return NULL;
    return call_in("gcsim._snapshot", "snapshot", "(OO)", self, owners ? Py_True : Py_False);
}

static PyObject *heap_py_breakdown(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return call_in("gcsim._breakdown", "breakdown", "(O)", self);
}
