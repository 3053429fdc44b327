// Workloads for Python: loading a shared object, describing what is in it, running it on a heap.
//
// The calling thread waits without the GIL, outside the heap, and takes the GIL now and then for signals. In threads mode other threads
// use the heap meanwhile; in step mode the run is the one call that is inside. A run whose thread comes to no poll cannot be ended: it is
// left behind, with all that it needs, until it has ended by itself, and the heap stays open as long.
#include "bind/bind.h"

#include <dlfcn.h>

#include "workloads/run.h"

static const char run_capsule_name[] = "gcsim.workload";

struct loaded { // what the capsule holds
    const gcsim_workload *workload;
    void *library; // of dlopen; NULL: built in
};

struct left_run { // left behind
    struct run *run;
    struct heap_object *heap; // strong
    PyObject *capsule;        // strong
    struct left_run *next;
};
static struct left_run *left_runs; // GIL held

// --- loading and describing

static void loaded_free(PyObject *capsule)
{
    struct loaded *l = PyCapsule_GetPointer(capsule, run_capsule_name);
    if (l->library)
        dlclose(l->library);
    PyMem_RawFree(l);
}

static PyObject *loaded_new(const gcsim_workload *workload, void *library)
{
    struct loaded *l = PyMem_RawMalloc(sizeof *l);
    if (!l)
        return PyErr_NoMemory();
    *l = (struct loaded){workload, library};
    PyObject *capsule = PyCapsule_New(l, run_capsule_name, loaded_free);
    if (!capsule)
        PyMem_RawFree(l);
    return capsule;
}

static PyObject *bind_builtin_workloads(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    PyObject *list = PyList_New(0);
    const gcsim_workload *w;
    for (uint32_t i = 0; list && (w = gcsim_workload_builtin(i)); i++) {
        PyObject *capsule = loaded_new(w, NULL);
        if (!capsule || PyList_Append(list, capsule) < 0)
            Py_CLEAR(list);
        Py_XDECREF(capsule);
    }
    return list;
}

static bool workload_is_sound(const gcsim_workload *w)
{
    if (w->version != GCSIM_WORKLOAD_VERSION || !w->name || !w->about || !w->run ||
        w->nparams > 64 || (w->nparams && !w->params))
        return false;
    for (uint32_t i = 0; i < w->nparams; i++) {
        const gcsim_work_param *p = &w->params[i];
        if (!p->name || !p->unit || !p->about || p->least > p->standard || p->standard > p->most)
            return false;
    }
    return true;
}

static PyObject *bind_open_workload(PyObject *module, PyObject *path)
{
    struct bind_state *state = PyModule_GetState(module);
    PyObject *bytes;
    if (!PyUnicode_FSConverter(path, &bytes))
        return NULL;
    void *library = dlopen(PyBytes_AS_STRING(bytes), RTLD_NOW | RTLD_LOCAL);
    Py_DECREF(bytes);
    if (!library)
        return bind_raise(state, ERR_WORKLOAD, "the workload cannot be loaded: %s", dlerror());
    const gcsim_workload *w = dlsym(library, "gcsim_workload_main");
    PyObject *capsule = NULL;
    if (!w)
        bind_raise(state, ERR_WORKLOAD,
                   "the source defines no workload: it needs a line GCSIM_WORKLOAD(.name = ..., "
                   ".about = ..., .run = ...)");
    else if (!workload_is_sound(w))
        bind_raise(state, ERR_WORKLOAD,
                   "the GCSIM_WORKLOAD of the source lacks .name, .about or .run, or a parameter "
                   "lacks a text or has a default outside its range");
    else
        capsule = loaded_new(w, library);
    if (!capsule)
        dlclose(library);
    return capsule;
}

static const struct loaded *loaded_of(PyObject *capsule)
{
    return PyCapsule_GetPointer(capsule, run_capsule_name);
}

// (name, about, ((name, unit, about, default, least, most), ...))
static PyObject *bind_describe_workload(PyObject *Py_UNUSED(module), PyObject *capsule)
{
    const struct loaded *l = loaded_of(capsule);
    const gcsim_workload *w = l ? l->workload : NULL;
    PyObject *params = w ? PyTuple_New((Py_ssize_t)w->nparams) : NULL;
    for (uint32_t i = 0; params && i < w->nparams; i++) {
        const gcsim_work_param *p = &w->params[i];
        PyObject *row = Py_BuildValue("sssLLL", p->name, p->unit, p->about, (long long)p->standard,
                                      (long long)p->least, (long long)p->most);
        if (row)
            PyTuple_SET_ITEM(params, i, row);
        else
            Py_CLEAR(params);
    }
    return params ? Py_BuildValue("ssN", w->name, w->about, params) : NULL;
}

// --- parameters

static int run_param(struct bind_state *state, const gcsim_work_param *p, PyObject *value,
                     int64_t *out)
{
    uint64_t size = 0;
    long long v = 0;
    if (strcmp(p->unit, "bytes") == 0 && PyUnicode_Check(value)) {
        if (size_from_python(state, p->name, value, &size) < 0)
            return -1;
        v = (long long)size;
        if (v >= p->least && v <= p->most) {
            *out = v;
            return 0;
        }
        bind_raise(state, ERR_RANGE, "%s=%R is not between %lld and %lld", p->name, value,
                   (long long)p->least, (long long)p->most);
        return -1;
    }
    int result = option_int(state, p->name, value, p->least, p->most, &v);
    *out = v;
    return result;
}

// `values`: a tuple, one for each parameter. NULL with an error; PyMem_Free it.
static int64_t *run_params(struct bind_state *state, const gcsim_workload *w, PyObject *values)
{
    if (PyTuple_GET_SIZE(values) != (Py_ssize_t)w->nparams)
        return bind_raise(state, ERR_CONVERSION, "%s takes %u parameters", w->name,
                          (unsigned)w->nparams);
    int64_t *out = PyMem_Malloc((w->nparams + 1) * sizeof *out);
    if (!out)
        return (int64_t *)PyErr_NoMemory();
    for (uint32_t i = 0; i < w->nparams; i++)
        if (run_param(state, &w->params[i], PyTuple_GET_ITEM(values, i), &out[i]) < 0) {
            PyMem_Free(out);
            return NULL;
        }
    return out;
}

// --- results

static PyObject *thread_row(const struct run_thread *t)
{
    const char *error = t->status != GCSIM_OK ? t->run->api->status_text(t->status)
                        : t->result == 0      ? NULL
                        : t->work.error[0]    ? t->work.error
                                              : "the workload returned an error without a text";
    // The text is C's: it may be cut in the middle of a character.
    PyObject *text = error ? PyUnicode_DecodeUTF8(error, (Py_ssize_t)strlen(error), "replace")
                           : Py_NewRef(Py_None);
    return text ? Py_BuildValue("KdN", (unsigned long long)t->work.checksum,
                                (double)t->cpu_ns / 1e9, text)
                : NULL;
}

static PyObject *run_result(const struct run *r)
{
    const struct run_totals *t = &r->totals;
    PyObject *rows = PyTuple_New((Py_ssize_t)r->threads + 1);
    for (uint32_t i = 0; rows && i <= r->threads; i++) {
        PyObject *row = thread_row(i < r->threads ? &r->each[i] : &r->leader);
        if (row)
            PyTuple_SET_ITEM(rows, i, row);
        else
            Py_CLEAR(rows);
    }
    typedef unsigned long long u;
    return rows ? Py_BuildValue("{sdsdsKsNsKsKsKsKsdsdsdsd}", "wall_s", (double)r->wall_ns / 1e9,
                                "cpu_s", (double)r->cpu_ns / 1e9, "checksum", (u)r->checksum,
                                "threads", rows, "cycles", (u)t->cycles, "unseen_cycles",
                                (u)t->unseen, "alloc_bytes", (u)t->alloc_bytes, "peak_bytes",
                                (u)t->peak_bytes, "worst_stop_s", (double)t->worst_stop_ns / 1e9,
                                "total_stop_s", (double)t->total_stop_ns / 1e9, "mark_cpu_s",
                                (double)t->mark_cpu_ns / 1e9, "assist_cpu_s",
                                (double)t->assist_cpu_ns / 1e9)
                : NULL;
}

// --- running

// The heap is usable again.
static void heap_run_returns(struct heap_object *h)
{
    heap_attend(h, 0, HEAP_LEFT);
    if (h->steps_lock)
        PyThread_release_lock(h->steps_lock);
    away_end(h);
    h->runs--;
}

// Ends what has ended by itself among what was left behind.
static void left_runs_reap(void)
{
    for (struct left_run **link = &left_runs, *l; (l = *link);) {
        if (l->heap->forks != bind_forks || !run_wait(l->run, 0)) {
            link = &l->next;
            continue;
        }
        *link = l->next;
        run_free(l->run);
        heap_run_returns(l->heap);
        Py_DECREF(l->heap);
        Py_DECREF(l->capsule);
        PyMem_RawFree(l);
    }
}

// Those of this heap that go on, ended ones taken away.
static uint32_t runs_left(struct heap_object *h)
{
    if (h->runs)
        left_runs_reap();
    return h->runs;
}

// Nobody can end it. Without memory for the note it is never freed.
static void run_leave_behind(struct heap_object *h, struct run *r, PyObject *capsule)
{
    struct left_run *l = PyMem_RawMalloc(sizeof *l);
    heap_attend(h, HEAP_LEFT, 0);
    Py_INCREF(h);
    Py_INCREF(capsule);
    if (!l)
        return;
    *l = (struct left_run){r, h, capsule, left_runs};
    left_runs = l;
}

static void stuck_name(const struct run *r, const struct run_stuck *s, char *out, size_t room)
{
    if (s->thread < r->threads)
        snprintf(out, room, "thread %u", (unsigned)s->thread);
    else
        snprintf(out, room, "prepare or finish");
}

static void run_report_stuck(const struct run *r, const struct run_stuck *s)
{
    char who[40];
    stuck_name(r, s, who, sizeof who);
    PySys_WriteStderr("gcsim: workload %.80s, %s: no safe point for %.1f s while others wait for "
                      "one; last phase: "
                      "%.80s. C code cannot be killed: everybody waits until it polls "
                      "(gcsim_work_poll).\n",
                      r->workload->name, who, s->seconds, s->phase);
}

struct run_wait {
    struct heap_object *h;
    struct run *run;
    uint64_t limit_ns;
    uint32_t forks;
    PyObject *type, *value, *traceback; // of the signal handler that interrupted
    struct run_stuck stuck;
    bool forked;
};

enum { RUN_WAIT_NS = 10 * 1000 * 1000 };

// GIL held. False: give up waiting.
static bool run_look(struct run_wait *w, bool stuck)
{
    if (stuck) {
        run_report_stuck(w->run, &w->stuck);
        if (w->type && w->run->stop_asked_ns) // was interrupted before, and does not end
            return false;
    }
    if (PyErr_CheckSignals() < 0) {
        if (w->type)
            PyErr_Clear(); // again: the first one counts
        else
            PyErr_Fetch(&w->type, &w->value, &w->traceback);
        run_ask_to_stop(w->run);
    }
    w->forked = w->forks != bind_forks; // a signal handler forked, and this is the child
    return !w->forked;
}

// GIL released on entry and return. True: the run has ended.
static bool run_wait_watching(struct run_wait *w, PyThreadState **thread)
{
    for (unsigned n = 1;; n++) {
        if (run_wait(w->run, RUN_WAIT_NS))
            return true;
        bool stuck = run_stuck(w->run, w->limit_ns, &w->stuck);
        if (!stuck && n % 5)
            continue;
        PyEval_RestoreThread(*thread);
        bool go_on = run_look(w, stuck);
        *thread = PyEval_SaveThread();
        if (!go_on)
            return false;
    }
}

static PyObject *run_abandoned(struct run_wait *w, PyObject *capsule)
{
    struct bind_state *state = w->h->state;
    PyErr_Clear();
    Py_CLEAR(w->type);
    Py_CLEAR(w->value);
    Py_CLEAR(w->traceback);
    if (w->forked) {
        heap_raise_forked(w->h, "wait for a workload's threads");
        return NULL;
    }
    char who[40];
    stuck_name(w->run, &w->stuck, who, sizeof who);
    run_leave_behind(w->h, w->run, capsule);
    return bind_raise(state, ERR_WORKLOAD,
                      "workload %s, %s: asked to stop, and has come to no poll; last phase: %s. C "
                      "code cannot be killed: it goes on, and its heap cannot be closed before "
                      "it ends",
                      w->run->workload->name, who, w->stuck.phase);
}

static bool run_to_its_end(struct run_wait *w, gcsim_status *status)
{
    struct heap_object *h = w->h;
    struct slow_call call = {.heap = h, .outer = current_slow};
    if (h->steps)
        current_slow = &call; // the heap is busy on this very thread
    h->runs++;
    away_begin(h);
    PyThreadState *thread = PyEval_SaveThread();
    if (h->steps_lock)
        PyThread_acquire_lock(h->steps_lock, WAIT_LOCK);
    *status = run_start(w->run);
    bool ended = *status != GCSIM_OK || run_wait_watching(w, &thread);
    PyEval_RestoreThread(thread);
    current_slow = call.outer;
    if (ended)
        heap_run_returns(h);
    return ended; // else nothing is given back: it goes on, or this is the child of a fork, where counts begin anew
}

static PyObject *run_on_heap(struct heap_object *h, PyObject *capsule, struct run *r,
                             double watchdog)
{
    struct run_wait w = {
        .h = h, .run = r, .limit_ns = (uint64_t)(watchdog * 1e9), .forks = bind_forks};
    gcsim_status status;
    if (!run_to_its_end(&w, &status))
        return run_abandoned(&w, capsule);
    if (status == GCSIM_OK)
        status = r->status;
    PyObject *result = status == GCSIM_OK && !w.type ? run_result(r) : NULL;
    if (w.type)
        PyErr_Restore(w.type, w.value, w.traceback);
    else if (status != GCSIM_OK)
        heap_raise_status(h, status, "a thread for the workload");
    run_free(r);
    return result;
}

static PyObject *bind_run_workload(PyObject *module, PyObject *args)
{
    struct bind_state *state = PyModule_GetState(module);
    struct heap_object *h;
    PyObject *capsule, *values, *seed, *threads;
    double watchdog;
    long long nthreads, seed_value;
    if (!PyArg_ParseTuple(args, "O!OOOO!d", state->heap_type, &h, &capsule, &threads, &seed,
                          &PyTuple_Type, &values, &watchdog))
        return NULL;
    const struct loaded *l = loaded_of(capsule);
    if (!l || option_int(state, "threads", threads, 1, 1024, &nthreads) < 0 ||
        option_int(state, "seed", seed, 0, INT64_MAX, &seed_value) < 0)
        return NULL;
    if (!(watchdog > 0 && watchdog <= 1e9))
        return bind_raise(state, ERR_RANGE, "watchdog is not between 0 and 1e9 seconds");
    int64_t *params = run_params(state, l->workload, values);
    if (!params)
        return NULL;
    struct run *r = NULL;
    left_runs_reap();
    if (heap_check_own(h, "run a workload") == 0 && heap_check_left(h) == 0) {
        if (heap_is_own_poll(h))
            heap_raise_own_poll(h);
        else if (!(r = run_new(l->workload, h->api, h->heap, (uint32_t)nthreads,
                               (uint64_t)seed_value, params)))
            heap_raise_status(h, GCSIM_NO_MEMORY, "a run of a workload");
    }
    PyMem_Free(params);
    Py_INCREF(h); // a signal handler may drop the caller's
    PyObject *result = r ? run_on_heap(h, capsule, r, watchdog) : NULL;
    Py_DECREF(h);
    return result;
}

#define RUN_BIND_METHODS                                                                           \
    {"builtin_workloads", bind_builtin_workloads, METH_NOARGS,                                     \
     PyDoc_STR("builtin_workloads($module, /)\n--\n\nFor gcsim.workloads.")},                      \
        {"open_workload", bind_open_workload, METH_O,                                              \
         PyDoc_STR("open_workload($module, path, /)\n--\n\nFor gcsim.workload.")},                 \
        {"describe_workload", bind_describe_workload, METH_O,                                      \
         PyDoc_STR("describe_workload($module, workload, /)\n--\n\nFor gcsim.workload.")},         \
    {                                                                                              \
        "run_workload", bind_run_workload, METH_VARARGS,                                           \
            PyDoc_STR("run_workload($module, heap, workload, threads, seed, values, watchdog, "    \
                      "/)\n--\n\nFor Workload.run.")                                               \
    }
