// gcsim._core: the binding as one unit. Module state, the module's functions, the capsule for other extension modules.
//
// Multi-phase initialisation with all state in the module. The module relies on the GIL and says so; subinterpreters are refused.
#include "bind/bind.h"

#include "bind/dump_bind.h"
#include "bind/layout_bind.h"

#include "bind/enter.c"
#include "bind/types.c"
#include "bind/value.c"
#include "bind/lost.c"
#include "bind/ref.c"
#include "bind/switches.c"
#include "bind/heap.c"

#include "bind/slice.c"
#include "bind/map_bind.c"
#include "bind/batch.c"
#include "bind/goroutine.c"
#include "bind/chan_bind.c"
#include "bind/iface_bind.c"
#include "bind/pool_bind.c"
#include "bind/text_bind.c"
#include "bind/stacks_bind.c"
#include "bind/results.c"
#include "bind/events_bind.c"
#include "bind/tell.c"
#include "bind/specials.c"

#include "bind/dump_bind.c"
#include "bind/graph_bind.c"
#include "bind/snapshot_bind.c"
#include "bind/placement_bind.c"
#include "bind/profile_bind.c"
#include "bind/load.c"
#include "bind/layout_bind.c"
#include "bind/run_bind.c"
#include "bind/explore_bind.c"
#include "bind/steps_bind.c"

#ifndef GCSIM_BUILD_MODE
#define GCSIM_BUILD_MODE "unknown"
#endif
#ifndef GCSIM_BUILD_COMPILER
#define GCSIM_BUILD_COMPILER "unknown"
#endif
#ifndef GCSIM_BUILD_FLAGS
#define GCSIM_BUILD_FLAGS "unknown"
#endif
#ifndef GCSIM_BUILD_PYTHON
#define GCSIM_BUILD_PYTHON PY_VERSION
#endif
#ifndef GCSIM_BUILD_VERSION
#define GCSIM_BUILD_VERSION "0"
#endif

// --- functions

static PyObject *bind_address(PyObject *module, PyObject *ref)
{
    struct bind_state *state = PyModule_GetState(module);
    if (!IS_REF(state, ref))
        return bind_raise(state, ERR_CONVERSION, "address takes a reference into a heap, not %s",
                          Py_TYPE(ref)->tp_name);
    return PyLong_FromVoidPtr(((struct ref_object *)ref)->address);
}

static PyObject *bind_typeof(PyObject *module, PyObject *ref)
{
    struct type_object *type = ref_type_of(PyModule_GetState(module), ref);
    return type ? Py_NewRef(type->info) : NULL;
}

static PyObject *bind_heapof(PyObject *module, PyObject *ref)
{
    struct bind_state *state = PyModule_GetState(module);
    if (!IS_REF(state, ref))
        return bind_raise(state, ERR_CONVERSION, "a reference into a heap is needed, not %s",
                          Py_TYPE(ref)->tp_name);
    return Py_NewRef(((struct ref_object *)ref)->heap);
}

static PyObject *bind_build_info(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    return Py_BuildValue("{ssssssssssss}", "mode", GCSIM_BUILD_MODE, "version", GCSIM_BUILD_VERSION,
                         "compiler", GCSIM_BUILD_COMPILER, "flags", GCSIM_BUILD_FLAGS, "python",
                         GCSIM_BUILD_PYTHON, "instantiations", "threads steps");
}

static PyObject *bind_parse_size(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    uint64_t bytes;
    const char *name = nargs == 2 ? PyUnicode_AsUTF8(args[0]) : NULL;
    if (nargs != 2)
        PyErr_SetString(PyExc_TypeError, "parse_size(name, value)");
    if (!name || size_from_python(PyModule_GetState(module), name, args[1], &bytes) < 0)
        return NULL;
    return PyLong_FromUnsignedLongLong(bytes);
}

static PyMethodDef module_methods[] = {
    {"address", bind_address, METH_O,
     PyDoc_STR("address($module, ref, /)\n--\n\nThe address that a reference refers to, an int; "
               "also after its heap was closed.")},
    {"typeof", bind_typeof, METH_O,
     PyDoc_STR("typeof($module, ref, /)\n--\n\nThe TypeInfo of what a reference refers to.")},
    {"heapof", bind_heapof, METH_O,
     PyDoc_STR("heapof($module, ref, /)\n--\n\nThe Heap that a reference belongs to.")},
    {"build_info", bind_build_info, METH_NOARGS,
     PyDoc_STR("build_info($module, /)\n--\n\nHow this build was made, a dict of str: mode, "
               "version, compiler, flags, python, instantiations.")},
    {"parse_size", (PyCFunction)(void (*)(void))bind_parse_size, METH_FASTCALL,
     PyDoc_STR("parse_size($module, name, value, /)\n--\n\nBytes of an option that is an int or a "
               "text such as \"64MiB\".")},
    {"make_struct_class", bind_make_struct_class, METH_VARARGS,
     PyDoc_STR("make_struct_class($module, name, module, qualname, doc, base, declaration, "
               "/)\n--\n\nFor gcsim.struct.")},
    {"iface_way", boxes_iface_way, METH_VARARGS,
     PyDoc_STR("iface_way($module, type, constant, escapes, /)\n--\n\nFor gcsim.boxing.")},
    {"closure_by_value", boxes_closure_by_value, METH_VARARGS,
     PyDoc_STR("closure_by_value($module, bytes, reassigned=False, address_taken=False, /)\n--\n\n"
               "For gcsim.captured_by_value.")},
    {"hide_fields", bind_hide_fields, METH_O,
     PyDoc_STR("hide_fields($module, cls, /)\n--\n\nFor gcsim._goroutines.")},
    {"add_text_methods", bind_add_text_methods, METH_VARARGS,
     PyDoc_STR("add_text_methods($module, builder, buffer, /)\n--\n\nFor gcsim._builders.")},
    {"parse_go_dump", bind_parse_go_dump, METH_O,
     PyDoc_STR("parse_go_dump($module, dump, /)\n--\n\nFor gcsim.open_go_dump.")},
    {"load_graph", (PyCFunction)(void (*)(void))bind_load_graph, METH_FASTCALL,
     PyDoc_STR("load_graph($module, heap, /, *columns)\n--\n\nFor gcsim.open_go_dump.")},
    {"graph_dominators", (PyCFunction)(void (*)(void))bind_graph_dominators, METH_FASTCALL,
     PyDoc_STR("graph_dominators($module, /, *columns)\n--\n\nFor gcsim.Snapshot.")},
    {"graph_shortest", (PyCFunction)(void (*)(void))bind_graph_shortest, METH_FASTCALL,
     PyDoc_STR("graph_shortest($module, /, *columns)\n--\n\nFor gcsim.Snapshot.")},
    {"graph_paths", (PyCFunction)(void (*)(void))bind_graph_paths, METH_FASTCALL,
     PyDoc_STR("graph_paths($module, /, *columns)\n--\n\nFor gcsim.Snapshot.")},
    {"graph_types", (PyCFunction)(void (*)(void))bind_graph_types, METH_FASTCALL,
     PyDoc_STR("graph_types($module, /, *columns)\n--\n\nFor gcsim.Snapshot.")},
    {"profile_scale", bind_profile_scale, METH_VARARGS,
     PyDoc_STR(
         "profile_scale($module, count, bytes, rate, /)\n--\n\nWhat sampled objects stand for, as "
         "runtime/pprof has it: (objects, bytes).")},
    LAYOUT_BIND_METHODS,
    RUN_BIND_METHODS,
    POOL_BIND_METHODS,
    EXPLORE_BIND_METHODS,
    {NULL, NULL, 0, NULL},
};

// --- the capsule

static gcsim_heap *capi_heap_of(void *o)
{
    struct heap_object *h = o;
    if (!o || Py_TYPE((PyObject *)o)->tp_dealloc != (destructor)heap_dealloc) {
        PyErr_SetString(PyExc_TypeError, "a gcsim.Heap is needed");
        return NULL;
    }
    return heap_check_own(h, "use it from C") < 0 ? NULL : h->heap;
}

static void *capi_address_of(void *o)
{
    struct ref_object *ref = o;
    if (!o || Py_TYPE((PyObject *)o)->tp_dealloc != ref_dealloc) {
        PyErr_SetString(PyExc_TypeError, "a gcsim.Ref is needed");
        return NULL;
    }
    return heap_check_open(ref->heap) < 0 ? NULL : ref->address;
}

static int add_capsule(PyObject *module, struct bind_state *state)
{
    state->capi = (gcsim_capi){.version = GCSIM_API_VERSION,
                               .bytes = sizeof(gcsim_capi),
                               .fast = gcsim_fast(),
                               .steps = gcsim_steps(),
                               .heap_of = capi_heap_of,
                               .address_of = capi_address_of};
    PyObject *capsule = PyCapsule_New(&state->capi, "gcsim._core._api", NULL);
    int result = capsule ? PyModule_AddObjectRef(module, "_api", capsule) : -1;
    Py_XDECREF(capsule);
    return result;
}

// --- the module's life

static const char *const error_names[BIND_ERRORS] = {
    [ERR_ERROR] = "Error",
    [ERR_CLOSED] = "ClosedHeapError",
    [ERR_FORKED] = "ForkedHeapError",
    [ERR_STALE] = "StaleReferenceError",
    [ERR_WRONG_HEAP] = "WrongHeapError",
    [ERR_TYPE_DEFINITION] = "TypeDefinitionError",
    [ERR_RANGE] = "RangeError",
    [ERR_MEMORY] = "HeapMemoryError",
    [ERR_NOT_THERE] = "NotThereYetError",
    [ERR_THREAD] = "ThreadError",
    [ERR_CONVERSION] = "ConversionError",
    [ERR_FIELD] = "FieldError",
    [ERR_STATE] = "StateError",
    [ERR_OPTION] = "OptionError",
    [ERR_WORKLOAD] = "WorkloadError",
    [ERR_DEADLOCK] = "DeadlockError",
    [ERR_PLACEMENT] = "PlacementError",
};

static int import_errors(struct bind_state *state)
{
    PyObject *module = PyImport_ImportModule("gcsim._errors");
    for (int i = 0; module && i < BIND_ERRORS; i++)
        if (!(state->errors[i] = bind_attribute(module, error_names[i]))) {
            Py_DECREF(module);
            return -1;
        }
    Py_XDECREF(module);
    return module ? 0 : -1;
}

static int module_exec(PyObject *module)
{
    struct bind_state *state = PyModule_GetState(module);
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        PyErr_SetString(
            PyExc_ImportError,
            "gcsim does not support subinterpreters: import it in the main interpreter");
        return -1;
    }
    return import_errors(state) < 0 || types_init(module, state) < 0 ||
                   refs_init(module, state) < 0 || heaps_init(module, state) < 0 ||
                   slices_init(module, state) < 0 || maps_init(module, state) < 0 ||
                   batches_init(module, state) < 0 || goroutines_init(module, state) < 0 ||
                   specials_init(module, state) < 0 || boxes_init(module, state) < 0 ||
                   add_capsule(module, state) < 0
               ? -1
               : 0;
}

#define VISIT_EACH(o) Py_VISIT(o);
#define CLEAR_EACH(o) Py_CLEAR(o);
// clang-format off
#define STATE_OBJECTS(DO) \
    DO(state->ref_type) DO(state->struct_type) DO(state->field_type) DO(state->type_type) DO(state->heap_type) \
    DO(state->weak_type) DO(state->type_objects) DO(state->describe) DO(state->byte_type)
// clang-format on

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    struct bind_state *state = PyModule_GetState(module);
    STATE_OBJECTS(VISIT_EACH)
    for (int i = 0; i < BIND_TYPES; i++)
        Py_VISIT(state->types[i]);
    for (int i = 0; i < BIND_ERRORS; i++)
        Py_VISIT(state->errors[i]);
    return 0;
}

// Types and errors stay until the module is freed: Refs and heaps that outlive this still use them.
static int module_clear(PyObject *module)
{
    struct bind_state *state = PyModule_GetState(module);
    Py_CLEAR(state->describe);
    Py_CLEAR(state->byte_type);
    return 0;
}

static void module_free(void *module)
{
    struct bind_state *state = PyModule_GetState(module);
    STATE_OBJECTS(CLEAR_EACH)
    for (int i = 0; i < BIND_TYPES; i++)
        Py_CLEAR(state->types[i]);
    for (int i = 0; i < BIND_ERRORS; i++)
        Py_CLEAR(state->errors[i]);
    while (state->free_count)
        PyObject_Free(state->free_refs[--state->free_count]);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
#if PY_VERSION_HEX >= 0x030c0000
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030d0000
    {Py_mod_gil, Py_MOD_GIL_USED},
#endif
    {0, NULL},
};
static PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "gcsim._core",
    .m_doc = PyDoc_STR("The core of gcsim and its binding. Use the names of gcsim."),
    .m_size = sizeof(struct bind_state),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__core(void);
PyMODINIT_FUNC PyInit__core(void) { return PyModuleDef_Init(&module_def); }
