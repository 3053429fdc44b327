// Stages and searches for Python: setting one up in a fresh step heap, and exploring it. gcsim/_explore.py is the face.
#include "bind/bind.h"

#include "gcsim/steps.h"

enum { STAGE_MOST_MUTATORS = 4, FOUND_ROOM = 1 << 20 };

static struct heap_object *step_heap_of(struct bind_state *state, PyObject *heap)
{
    if (!PyObject_TypeCheck(heap, state->heap_type))
        return bind_raise(state, ERR_CONVERSION, "a gcsim.Heap is needed, not %s",
                          Py_TYPE(heap)->tp_name);
    struct heap_object *h = (struct heap_object *)heap;
    if (heap_check_open(h) < 0)
        return NULL;
    if (!h->steps)
        return bind_raise(state, ERR_STATE, "only a Heap(mode=\"steps\") has a stage");
    if (h->step_calls)
        return bind_raise(state, ERR_STATE, "the heap is busy in another thread");
    return h;
}

// (heap, objects, fields, globals, locals, (program, ...), field targets, global targets, local targets): all bytes but the heap and the numbers.
static PyObject *bind_stage(PyObject *module, PyObject *args)
{
    struct bind_state *state = PyModule_GetState(module);
    PyObject *heap, *programs;
    gcsim_stage stage = {.bytes = sizeof stage};
    const char *fields, *globals, *locals;
    Py_ssize_t nfields, nglobals, nlocals;
    if (!PyArg_ParseTuple(args, "OIIIIO!y#y#y#:stage", &heap, &stage.objects, &stage.fields,
                          &stage.globals, &stage.locals, &PyTuple_Type, &programs, &fields,
                          &nfields, &globals, &nglobals, &locals, &nlocals))
        return NULL;
    struct heap_object *h = step_heap_of(state, heap);
    if (!h)
        return NULL;
    stage.mutators = (uint32_t)PyTuple_GET_SIZE(programs);
    const gcsim_op *each[STAGE_MOST_MUTATORS];
    for (uint32_t i = 0; i < stage.mutators && i < STAGE_MOST_MUTATORS; i++) {
        PyObject *program = PyTuple_GET_ITEM(programs, i);
        Py_ssize_t bytes = PyBytes_Check(program) ? PyBytes_GET_SIZE(program) : 0;
        if (bytes < 4 || bytes % 4 || PyBytes_AS_STRING(program)[bytes - 4] != GCSIM_OP_END)
            return bind_raise(state, ERR_CONVERSION, "a program is bytes that end in an END");
        each[i] = (const gcsim_op *)(const void *)PyBytes_AS_STRING(program);
    }
    stage.programs = each;
    stage.field_targets = (const uint8_t *)fields;
    stage.global_targets = (const uint8_t *)globals;
    stage.local_targets = (const uint8_t *)locals;
    const char *error = gcsim_stepping()->stage_error(&stage);
    if (!error && ((uint64_t)nfields != (uint64_t)stage.objects * stage.fields ||
                   (uint64_t)nglobals != stage.globals ||
                   (uint64_t)nlocals != (uint64_t)stage.mutators * stage.locals))
        error = "the numbers of targets do not fit the stage";
    if (error)
        return bind_raise(state, ERR_RANGE, "%s", error);
    gcsim_status status = gcsim_stepping()->stage_set(h->heap, &stage);
    if (status != GCSIM_OK)
        return heap_raise_status(h, status, "a stage, which needs a fresh heap");
    Py_RETURN_NONE;
}

struct explore_call {
    PyThreadState *thread;
    PyObject *progress; // or None
    bool failed;        // with a Python error set
};

// Called without the GIL; a signal or what progress() raises or returns stops the search.
static int explore_progress(void *arg, uint64_t states, uint64_t transitions)
{
    struct explore_call *call = arg;
    PyEval_RestoreThread(call->thread);
    int stop = 0;
    if (PyErr_CheckSignals() < 0) {
        call->failed = true;
    } else if (call->progress != Py_None) {
        PyObject *result = PyObject_CallFunction(call->progress, "KK", (unsigned long long)states,
                                                 (unsigned long long)transitions);
        stop = result ? PyObject_IsTrue(result) : -1;
        call->failed = stop < 0;
        Py_XDECREF(result);
    }
    call->thread = PyEval_SaveThread();
    return call->failed || stop;
}

// --- a search put aside: a stream behind a file descriptor, which stays the caller's

static int explore_save(void *arg, const void *bytes, uint64_t n)
{
    FILE **files = arg;
    return fwrite(bytes, 1, n, files[1]) != n;
}

static int explore_load(void *arg, void *bytes, uint64_t n)
{
    FILE **files = arg;
    return fread(bytes, 1, n, files[0]) != n;
}

static void explore_close_files(FILE *files[2])
{
    for (int i = 0; i < 2; i++)
        if (files[i])
            fclose(files[i]);
}

// -1 stands for none. Less than 0 with OSError set.
static int explore_open_files(gcsim_search *search, FILE *files[2], int load, int save)
{
    if (load >= 0 && !(files[0] = fdopen(dup(load), "rb")))
        return -1;
    if (save >= 0 && !(files[1] = fdopen(dup(save), "wb")))
        return -1;
    search->stream_arg = files;
    search->load = load >= 0 ? explore_load : NULL;
    search->save = save >= 0 ? explore_save : NULL;
    return 0;
}

static PyObject *explore_result(const gcsim_found *found)
{
    typedef unsigned long long u;
    uint64_t kept = found->steps < found->room ? found->steps : found->room;
    return Py_BuildValue(
        "{sIsKsKsKsKsdsy#sssK}", "verdict", found->verdict, "states", (u)found->states,
        "transitions", (u)found->transitions, "paths", (u)found->paths, "depth", (u)found->depth,
        "seconds", (double)found->ns / 1e9, "steps", (const char *)found->taken,
        (Py_ssize_t)(kept * sizeof *found->taken), "what", found->what, "saved", (u)found->saved);
}

// (heap, max_states, max_depth, max_bytes, shortest, whole_stacks, whole_cycle, invariants, careful, trail, progress, load, save) -> dict. trail: writable bytes; load, save:
// file descriptors, or -1. When progress stops it by an exception, that is raised.
static PyObject *bind_explore(PyObject *module, PyObject *args)
{
    struct bind_state *state = PyModule_GetState(module);
    PyObject *heap;
    struct explore_call call = {.progress = Py_None};
    unsigned long long states, depth;
    PyObject *memory;
    gcsim_search search = {.bytes = sizeof search, .progress = explore_progress};
    Py_buffer trail;
    FILE *files[2] = {NULL, NULL};
    int load, save;
    if (!PyArg_ParseTuple(args, "OKKOIIIIIw*Oii:explore", &heap, &states, &depth, &memory,
                          &search.shortest, &search.whole_stacks, &search.whole_cycle,
                          &search.invariants, &search.careful, &trail, &call.progress, &load,
                          &save))
        return NULL;
    search.trail = trail.buf;
    search.trail_room = (uint32_t)((size_t)trail.len / sizeof *search.trail);
    struct heap_object *h = step_heap_of(state, heap);
    if (!h || size_from_python(state, "max_bytes", memory, &search.max_bytes) < 0) {
        PyBuffer_Release(&trail);
        return NULL;
    }
    search.max_states = states;
    search.max_depth = depth;
    search.progress_arg = &call;
    gcsim_found found = {.bytes = sizeof found, .room = FOUND_ROOM};
    found.taken = PyMem_RawMalloc(FOUND_ROOM * sizeof *found.taken);
    int opened = found.taken ? explore_open_files(&search, files, load, save) : -1;
    if (opened < 0) {
        PyObject *none = found.taken ? PyErr_SetFromErrno(PyExc_OSError) : PyErr_NoMemory();
        explore_close_files(files);
        PyMem_RawFree(found.taken);
        PyBuffer_Release(&trail);
        return none;
    }
    away_begin(h);
    call.thread = PyEval_SaveThread();
    gcsim_status status = gcsim_stepping()->explore(h->heap, &search, &found);
    if (files[1] && fflush(files[1]) != 0)
        found.saved = 0;
    explore_close_files(files);
    PyEval_RestoreThread(call.thread);
    away_end(h);
    PyBuffer_Release(&trail);
    PyObject *result = NULL;
    if (status != GCSIM_OK)
        heap_raise_status(h, status, "a search, which needs a stage and, to go on, its own file");
    else if (!call.failed)
        result = explore_result(&found);
    PyMem_RawFree(found.taken);
    return result;
}

#define EXPLORE_BIND_METHODS                                                                       \
    {"stage", bind_stage, METH_VARARGS,                                                            \
     PyDoc_STR("stage(heap, objects, fields, globals, locals, programs, field_targets, "           \
               "global_targets, local_targets): set one up in a fresh step heap")},                \
    {                                                                                              \
        "explore", bind_explore, METH_VARARGS,                                                     \
            PyDoc_STR("explore(heap, max_states, max_depth, max_bytes, shortest, "                 \
                      "whole_stacks, whole_cycle, invariants, careful, trail, progress, load, "    \
                      "save): every "                                                              \
                      "schedule of the "                                                           \
                      "heap's stage, as a dict")                                                   \
    }
