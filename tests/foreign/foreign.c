// An extension module that is not gcsim's: built by tests/test_capsule.py against gcsim.get_include() alone, it reaches the
// core through the capsule, as any C program that embeds gcsim in Python would.
#include <Python.h>

#include <gcsim/gcsim.h>

static const gcsim_capi *capi; // set once when the module is made; static data of gcsim._core

typedef struct node {
    struct node *next;
    int64_t n;
} node;

static const uint64_t node_mask = 1;
static const gcsim_type_desc node_desc = {
    .name = "node", .bytes = sizeof(node), .ptr_bytes = 8, .mask = &node_mask, .align = 8};

struct outcome {
    const char *failed; // the call that did, or NULL
    gcsim_status status;
    uint64_t built, kept; // live objects after each collection
    int64_t sum;          // of the kept nodes' numbers
    uint64_t violations, mallocs;
};

static uint64_t live_after_collect(gcsim_mutator *m, struct outcome *o)
{
    gcsim_memstats stats;
    gcsim_status status = m->api->collect(m);
    if (status != GCSIM_OK) {
        o->failed = "collect";
        o->status = status;
        return 0;
    }
    m->api->memstats(m, &stats);
    o->mallocs = stats.mallocs;
    return stats.heap_objects;
}

// A list of `length` nodes on a handle, then cut behind its first `keep` >= 1 nodes. Allocation is a poll, so the only
// pointer that lives across it is the handle's.
static void build_and_cut(gcsim_mutator *m, const gcsim_type *type, int64_t length, int64_t keep,
                          struct outcome *o)
{
    gcsim_handle *head = m->api->handle_new(m, NULL);
    if (!head) {
        o->failed = "handle_new";
        o->status = m->status;
        return;
    }
    for (int64_t i = 0; i < length; i++) {
        node *fresh = (node *)gcsim_new(m, type);
        if (!fresh) {
            o->failed = "gcsim_new";
            o->status = m->status;
            return;
        }
        fresh->n = i;
        gcsim_store(m, &fresh->next, head->ptr);
        gcsim_store(m, &head->ptr, fresh);
    }
    o->built = live_after_collect(m, o);
    node *last = (node *)head->ptr;
    for (int64_t i = 1; i < keep; i++)
        last = last->next;
    gcsim_store(m, &last->next, NULL);
    o->kept = live_after_collect(m, o);
    for (const node *at = (const node *)head->ptr; at; at = at->next)
        o->sum += at->n;
    gcsim_violation violation;
    o->violations = m->api->verify(m, &violation, 1);
    m->api->handle_drop(m->heap, head);
}

static struct outcome run(const gcsim_api *api, int64_t length, int64_t keep)
{
    struct outcome o = {0};
    gcsim_options options = {.bytes = sizeof options};
    o.failed = "heap_create";
    gcsim_heap *heap = api->heap_create(&options, &o.status);
    if (!heap)
        return o;
    o.failed = "type_new";
    const gcsim_type *type = api->type_new(heap, &node_desc, &o.status);
    gcsim_mutator *m = NULL;
    if (type) {
        o.failed = "mutator_attach";
        m = api->mutator_attach(heap, &o.status);
    }
    if (m) {
        o.failed = NULL;
        gcsim_enter(m);
        build_and_cut(m, type, length, keep, &o);
        gcsim_leave(m);
        api->mutator_detach(m);
    }
    api->heap_destroy(heap);
    return o;
}

static const gcsim_api *table(int steps) { return steps ? capi->steps : capi->fast; }

// list_of(steps, length, keep) -> (live before the cut, live after it, sum, violations, mallocs)
static PyObject *list_of(PyObject *module, PyObject *args)
{
    (void)module;
    int steps;
    long long length, keep;
    if (!PyArg_ParseTuple(args, "pLL", &steps, &length, &keep))
        return NULL;
    struct outcome o;
    Py_BEGIN_ALLOW_THREADS o = run(table(steps), length, keep);
    Py_END_ALLOW_THREADS if (o.failed) return PyErr_Format(PyExc_RuntimeError, "%s: %s", o.failed,
                                                           table(steps)->status_text(o.status));
    return Py_BuildValue("KKLKK", o.built, o.kept, (long long)o.sum, o.violations, o.mallocs);
}

// versions() -> what the capsule says of itself, beside what this module was compiled with
static PyObject *versions(PyObject *module, PyObject *none)
{
    (void)module;
    (void)none;
    return Py_BuildValue("{s:I,s:I,s:n,s:[II],s:I,s:[II],s:n,s:[II]}", "version", capi->version,
                         "bytes", capi->bytes, "compiled_bytes", (Py_ssize_t)sizeof *capi,
                         "table_versions", capi->fast->version, capi->steps->version,
                         "compiled_version", GCSIM_API_VERSION, "table_bytes", capi->fast->bytes,
                         capi->steps->bytes, "compiled_table_bytes", (Py_ssize_t)sizeof(gcsim_api),
                         "steps", capi->fast->steps, capi->steps->steps);
}

static PyObject *address(PyObject *module, PyObject *ref)
{
    (void)module;
    void *at = capi->address_of(ref);
    return at ? PyLong_FromVoidPtr(at) : NULL;
}

static PyObject *arena(PyObject *module, PyObject *heap)
{
    (void)module;
    gcsim_heap *h = capi->heap_of(heap);
    if (!h)
        return NULL;
    uint64_t bytes;
    char *from = capi->fast->arena(h, &bytes);
    return Py_BuildValue("KK", (unsigned long long)(uintptr_t)from, (unsigned long long)bytes);
}

static PyObject *read_i64(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *ref;
    Py_ssize_t offset;
    if (!PyArg_ParseTuple(args, "On", &ref, &offset))
        return NULL;
    char *at = capi->address_of(ref);
    return at ? PyLong_FromLongLong(*(int64_t *)(void *)(at + offset)) : NULL;
}

static PyMethodDef methods[] = {
    {"list_of", list_of, METH_VARARGS, NULL},   {"versions", versions, METH_NOARGS, NULL},
    {"address", address, METH_O, NULL},         {"arena", arena, METH_O, NULL},
    {"read_i64", read_i64, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "foreign", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_foreign(void)
{
    capi = PyCapsule_Import("gcsim._core._api", 0);
    return capi ? PyModule_Create(&definition) : NULL;
}
