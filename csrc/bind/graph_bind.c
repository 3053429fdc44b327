// The questions of watch/graph.c as functions of gcsim._core: columns as buffers in, columns as bytes out, without the GIL in between.
//
// The caller is gcsim/_snapshot.py, whose columns are bytes: nobody changes them meanwhile. Still everything is
// checked, since any Python code can call these.
#include "bind/bind.h"

#include "watch/graph.h"

#include "watch/spread.h"

#include "watch/graph.c"
#include "watch/spread.c"

struct graph_call {
    struct object_graph g;
    PyThreadState *state;
};

// The bytes of four columns as a graph. Not bytes, or not a whole number of items: an error.
static bool graph_bind_read(PyObject *const *columns, struct graph_call *call)
{
    static const size_t item_bytes[] = {8, 8, 4, 4};
    const void *items[4];
    uint64_t counts[4];
    for (int i = 0; i < 4; i++) {
        if (!PyBytes_Check(columns[i])) {
            PyErr_Format(PyExc_TypeError, "a graph's columns are bytes, not %.100s",
                         Py_TYPE(columns[i])->tp_name);
            return false;
        }
        items[i] = PyBytes_AS_STRING(columns[i]);
        counts[i] = (uint64_t)PyBytes_GET_SIZE(columns[i]) / item_bytes[i];
    }
    if (counts[0] >= GRAPH_NONE - 1 || counts[1] != counts[0] + 1) {
        PyErr_SetString(PyExc_ValueError, "a graph has one more row start than nodes");
        return false;
    }
    call->g = (struct object_graph){.nodes = (uint32_t)counts[0],
                                    .edges = counts[2],
                                    .roots = counts[3],
                                    .bytes = items[0],
                                    .edge_start = items[1],
                                    .edge_dst = items[2],
                                    .root_dst = items[3],
                                    .poll = poll_signals,
                                    .poll_arg = &call->state};
    return true;
}

static bool graph_bind_failed(PyObject *module, enum graph_code code)
{
    if (code == GRAPH_MALFORMED)
        PyErr_SetString(PyExc_ValueError, "an edge or a root of the graph leads to no node");
    else if (code == GRAPH_NO_MEMORY)
        bind_raise(PyModule_GetState(module), ERR_MEMORY,
                   "not enough memory to search the graph of the heap");
    return code != GRAPH_OK; // stopped: a signal handler has raised
}

static PyObject *graph_bind_column(uint64_t count, size_t item_bytes)
{
    return PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(count * item_bytes));
}

static PyObject *bind_graph_dominators(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    struct graph_call call;
    if (nargs != 4)
        return PyErr_Format(PyExc_TypeError, "graph_dominators takes four columns");
    if (!graph_bind_read(args, &call))
        return NULL;
    PyObject *idom = graph_bind_column(call.g.nodes, 4);
    PyObject *retained = graph_bind_column(call.g.nodes + 1ull, 8), *result = NULL;
    if (idom != NULL && retained != NULL) {
        void *idom_items = PyBytes_AS_STRING(idom), *retained_items = PyBytes_AS_STRING(retained);
        call.state = PyEval_SaveThread();
        enum graph_code code = graph_check(&call.g);
        if (code == GRAPH_OK)
            code = graph_dominators(&call.g, idom_items, retained_items);
        PyEval_RestoreThread(call.state);
        if (!graph_bind_failed(module, code))
            result = PyTuple_Pack(2, idom, retained);
    }
    Py_XDECREF(idom);
    Py_XDECREF(retained);
    return result;
}

static PyObject *bind_graph_shortest(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    struct graph_call call;
    if (nargs != 4)
        return PyErr_Format(PyExc_TypeError, "graph_shortest takes four columns");
    if (!graph_bind_read(args, &call))
        return NULL;
    PyObject *parent = graph_bind_column(call.g.nodes, 4);
    if (parent == NULL)
        return NULL;
    void *items = PyBytes_AS_STRING(parent);
    call.state = PyEval_SaveThread();
    enum graph_code code = graph_check(&call.g);
    if (code == GRAPH_OK)
        code = graph_shortest(&call.g, items, NULL);
    PyEval_RestoreThread(call.state);
    if (graph_bind_failed(module, code))
        Py_CLEAR(parent);
    return parent;
}

enum { GRAPH_MAX_PATHS = 1 << 16, GRAPH_WORK = 1 << 20 };

static PyObject *graph_bind_path_list(uint64_t found, const uint64_t *end, const uint64_t *steps)
{
    PyObject *list = PyList_New((Py_ssize_t)found);
    for (uint64_t j = 0, at = 0; list != NULL && j < found; j++) {
        PyObject *path = PyTuple_New((Py_ssize_t)(end[j] - at));
        for (Py_ssize_t i = 0; path != NULL && at < end[j]; i++, at++) {
            PyObject *step = PyLong_FromUnsignedLongLong(steps[at]);
            if (step == NULL)
                Py_CLEAR(path);
            else
                PyTuple_SET_ITEM(path, i, step);
        }
        if (path == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, (Py_ssize_t)j, path);
    }
    return list;
}

static PyObject *bind_graph_paths(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    struct graph_call call;
    if (nargs != 6)
        return PyErr_Format(PyExc_TypeError,
                            "graph_paths takes four columns, a node and how many paths");
    unsigned long long node = PyLong_AsUnsignedLongLong(args[4]), limit;
    if (PyErr_Occurred() || ((limit = PyLong_AsUnsignedLongLong(args[5])), PyErr_Occurred()) ||
        !graph_bind_read(args, &call))
        return NULL;
    if (node >= call.g.nodes || limit == 0 || limit > GRAPH_MAX_PATHS)
        return PyErr_Format(PyExc_ValueError, "there is no such node, or not 1 to %d paths",
                            GRAPH_MAX_PATHS);
    uint64_t found = 0, *steps = NULL, *end = PyMem_RawMalloc(limit * sizeof *end);
    bool complete = false;
    enum graph_code code = GRAPH_NO_MEMORY;
    if (end != NULL) {
        call.state = PyEval_SaveThread();
        code = graph_check(&call.g);
        if (code == GRAPH_OK)
            code = graph_paths(&call.g, (uint32_t)node, limit, GRAPH_WORK, &found, end, &steps,
                               &complete);
        PyEval_RestoreThread(call.state);
    }
    PyObject *list =
        graph_bind_failed(module, code) ? NULL : graph_bind_path_list(found, end, steps);
    free(steps);
    PyMem_RawFree(end);
    return list == NULL ? NULL : Py_BuildValue("NO", list, complete ? Py_True : Py_False);
}

enum { SPREAD_COLUMNS = 17 };

// The columns behind the graph's own four, each as long as it must be for the counts that others give.
static bool graph_bind_types(PyObject *const *args, const struct object_graph *g,
                             struct spread_types *t, struct spread_slots *s)
{
    for (int i = 4; i < SPREAD_COLUMNS; i++)
        if (!PyBytes_Check(args[i])) {
            PyErr_Format(PyExc_TypeError, "columns of types are bytes, not %.100s",
                         Py_TYPE(args[i])->tp_name);
            return false;
        }
    uint64_t types = (uint64_t)PyBytes_GET_SIZE(args[8]) / 8;
    uint64_t fields = (uint64_t)PyBytes_GET_SIZE(args[13]) / 4;
    uint64_t slots = (uint64_t)PyBytes_GET_SIZE(args[16]) / 4;
    bool known = PyBytes_GET_SIZE(args[15]) > 0; // where objects have pointers
    const uint64_t bytes[SPREAD_COLUMNS] = {
        [4] = g->nodes,
        [5] = g->edges * 4,
        [6] = g->edges * 4,
        [7] = g->nodes * 4ull,
        [8] = types * 8,
        [9] = types * 8,
        [10] = types,
        [11] = types * 4,
        [13] = fields * 4,
        [14] = fields * 4,
        [12] = (types + 1) * 8,
        [16] = known ? slots * 4 : 0,
        [15] = known ? (g->nodes + 1ull) * 8 : 0,
    };
    for (int i = 4; i < SPREAD_COLUMNS; i++)
        if ((uint64_t)PyBytes_GET_SIZE(args[i]) != bytes[i] || types >= GRAPH_NONE) {
            PyErr_Format(PyExc_ValueError, "column %d of a graph's types has another length", i);
            return false;
        }
    const void *items[SPREAD_COLUMNS];
    for (int i = 4; i < SPREAD_COLUMNS; i++)
        items[i] = PyBytes_AS_STRING(args[i]);
    *t = (struct spread_types){.types = (uint32_t)types,
                               .fields = fields,
                               .bytes = items[8],
                               .slot_bytes = items[9],
                               .noscan = items[10],
                               .elements = items[11],
                               .field_start = items[12],
                               .field_off = items[13],
                               .field_type = items[14]};
    *s = (struct spread_slots){known ? items[15] : NULL, items[16], slots};
    return true;
}

static PyObject *bind_graph_types(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    struct graph_call call;
    struct spread_types types;
    struct spread_slots slots;
    if (nargs != SPREAD_COLUMNS)
        return PyErr_Format(PyExc_TypeError, "graph_types takes %d columns", SPREAD_COLUMNS);
    if (!graph_bind_read(args, &call) || !graph_bind_types(args, &call.g, &types, &slots))
        return NULL;
    PyObject *found =
        PyBytes_FromStringAndSize(PyBytes_AS_STRING(args[7]), PyBytes_GET_SIZE(args[7]));
    if (found == NULL)
        return NULL;
    const void *noscan = PyBytes_AS_STRING(args[4]), *off = PyBytes_AS_STRING(args[5]);
    const void *dst_off = PyBytes_AS_STRING(args[6]);
    void *items = PyBytes_AS_STRING(found);
    call.state = PyEval_SaveThread();
    enum graph_code code = graph_check(&call.g);
    if (code == GRAPH_OK)
        code = spread_run(&call.g, noscan, off, dst_off, &types, &slots, items);
    PyEval_RestoreThread(call.state);
    if (graph_bind_failed(module, code))
        Py_CLEAR(found);
    return found;
}
