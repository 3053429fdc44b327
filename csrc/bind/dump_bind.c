// parse_go_dump: hands the buffer to lib/godump.c without holding the GIL, and its columns to
// Python.
//
// Needs no module state. The errors are looked up in gcsim._errors when one is raised.
#include "bind/dump_bind.h"

#include "lib/godump.h"

#include "lib/godump.c"

struct dump_bind_column {
    const char *name;
    const char *format;
    const void *items;
    uint64_t count;
    size_t item_bytes;
};

// Called while the GIL is released, with where its thread state is kept: take it back to let Python see a signal.
static int poll_signals(void *arg)
{
    PyThreadState **state = arg;
    PyEval_RestoreThread(*state);
    int is_raised = PyErr_CheckSignals();
    *state = PyEval_SaveThread();
    return is_raised;
}

static void dump_bind_fail(const struct godump_error *error)
{
    const char *name = error->code == GODUMP_NO_MEMORY     ? "HeapMemoryError"
                       : error->code == GODUMP_UNSUPPORTED ? "UnsupportedDumpError"
                                                           : "DumpFormatError";
    PyObject *errors = PyImport_ImportModule("gcsim._errors");
    PyObject *type = errors != NULL ? bind_attribute(errors, name) : NULL;
    if (type != NULL)
        PyErr_Format(type, "Go heap dump: %s (at byte %llu)", error->message,
                     (unsigned long long)error->offset);
    Py_XDECREF(type);
    Py_XDECREF(errors);
}

static int dump_bind_add(PyObject *columns, const struct dump_bind_column *c)
{
    PyObject *pair = Py_BuildValue("sy#", c->format, c->count > 0 ? (const char *)c->items : "",
                                   (Py_ssize_t)(c->count * c->item_bytes));
    int failed = pair == NULL || PyDict_SetItemString(columns, c->name, pair) < 0;
    Py_XDECREF(pair);
    return failed ? -1 : 0;
}

static PyObject *dump_bind_columns(const struct godump_result *r)
{
    const uint64_t spans = r->spans, spans_from_memstats = r->spans_from_memstats;
#define SCALAR(name, value) {name, "Q", &(value), 1, sizeof(uint64_t)}
#define COLUMN(name, format, items, count)                                                         \
    {                                                                                              \
        name, format, items, count, sizeof *(items)                                                \
    }
    const struct dump_bind_column table[] = {
        SCALAR("base", r->base),
        SCALAR("heap_end", r->heap_end),
        SCALAR("pointer_bytes", r->pointer_bytes),
        SCALAR("is_big_endian", r->is_big_endian),
        SCALAR("cpus", r->cpus),
        SCALAR("spans", spans),
        SCALAR("spans_from_memstats", spans_from_memstats),
        SCALAR("phantoms", r->phantoms),
        COLUMN("arch", "Q", &r->arch, 1),
        COLUMN("go_version", "Q", &r->go_version, 1),
        COLUMN("memstats", "Q", r->memstats, r->has_memstats ? GODUMP_MEMSTATS : 0),
        COLUMN("obj_addr", "Q", r->obj_addr, r->objects),
        COLUMN("obj_content", "Q", r->obj_content, r->objects),
        COLUMN("segment", "Q", r->segment, sizeof r->segment / sizeof *r->segment),
        COLUMN("obj_size", "I", r->obj_size, r->objects),
        COLUMN("obj_noscan", "B", r->obj_noscan, r->objects),
        COLUMN("obj_nslots", "I", r->obj_nslots, r->objects),
        COLUMN("obj_ptrend", "I", r->obj_ptrend, r->objects),
        COLUMN("obj_reach", "B", r->obj_reach, r->objects),
        COLUMN("slot_start", "Q", r->slot_start, r->objects + 1),
        COLUMN("slot_off", "I", r->slot_off, r->slots),
        COLUMN("edge_count", "I", r->edge_count, r->objects),
        COLUMN("edge_off", "I", r->edge_off, r->edges),
        COLUMN("edge_dst", "i", r->edge_dst, r->edges),
        COLUMN("edge_dst_off", "I", r->edge_dst_off, r->edges),
        COLUMN("root_kind", "B", r->root_kind, r->roots),
        COLUMN("root_g", "i", r->root_g, r->roots),
        COLUMN("root_frame", "i", r->root_frame, r->roots),
        COLUMN("root_off", "I", r->root_off, r->roots),
        COLUMN("root_dst", "i", r->root_dst, r->roots),
        COLUMN("root_dst_off", "I", r->root_dst_off, r->roots),
        COLUMN("goroutines", "Q", r->goroutine, r->goroutines),
        COLUMN("frame_name", "I", r->frame_name, r->frames),
        COLUMN("names", "Q", r->name, r->names),
        COLUMN("finalizers", "q", r->finalizer, r->finalizers),
    };
#undef SCALAR
#undef COLUMN
    PyObject *columns = PyDict_New();
    for (size_t i = 0; columns != NULL && i < sizeof table / sizeof *table; i++)
        if (dump_bind_add(columns, &table[i]) < 0)
            Py_CLEAR(columns);
    return columns;
}

PyObject *bind_parse_go_dump(PyObject *module, PyObject *arg)
{
    (void)module;
    if (!PyBytes_Check(arg))
        return PyErr_Format(PyExc_TypeError, "a heap dump is read from bytes, not %.100s",
                            Py_TYPE(arg)->tp_name);

    struct godump_result result;
    struct godump_error error;
    PyThreadState *state = PyEval_SaveThread();
    enum godump_code code = godump_parse(PyBytes_AS_STRING(arg), (uint64_t)PyBytes_GET_SIZE(arg),
                                         poll_signals, &state, &result, &error);
    PyEval_RestoreThread(state);

    PyObject *columns = NULL;
    if (code == GODUMP_OK)
        columns = dump_bind_columns(&result);
    else if (code != GODUMP_STOPPED) // a signal handler has raised already
        dump_bind_fail(&error);
    godump_free(&result);
    return columns;
}
