// The heap profile: Python's stack as the site of what is sampled, the rate, and the records for gcsim/_profiler.py.
//
// A sample is taken inside the core, often without the GIL, so where Python stands is said beforehand: who is about to allocate the long way asks
// whether that will be sampled (profile_site), which is seldom so, or recorded with its site. The short way leaves those to the long one.
#include "bind/bind.h"

#include "watch/profile.h"

#include "watch/profile.c"

enum { SITE_FRAMES = 128 }; // runtime/debug: profstackdepth

// --- a site: a line for each frame, the innermost first; function, file, line, line of its beginning, with tabs in between

struct site_text {
    char *text;
    size_t used, room;
    bool failed;
};

static void site_put(struct site_text *t, const char *bytes, size_t n)
{
    if (t->used + n + 1 > t->room) {
        size_t room = (t->used + n + 1) * 2;
        char *grown = PyMem_Realloc(t->text, room);
        if (!grown) {
            t->failed = true;
            return;
        }
        t->text = grown;
        t->room = room;
    }
    memcpy(t->text + t->used, bytes, n);
    t->used += n;
    t->text[t->used] = 0;
}

// Names may be anything: control characters would end a line or a column.
static void site_put_name(struct site_text *t, PyObject *name)
{
    PyObject *bytes = name && PyUnicode_Check(name)
                          ? PyUnicode_AsEncodedString(name, "utf-8", "backslashreplace")
                          : NULL;
    size_t from = t->used;
    if (bytes)
        site_put(t, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
    else
        site_put(t, "?", 1);
    PyErr_Clear();
    Py_XDECREF(bytes);
    for (size_t i = from; i < t->used; i++)
        if ((unsigned char)t->text[i] < ' ')
            t->text[i] = ' ';
}

static void site_put_frame(struct site_text *t, PyFrameObject *frame)
{
    PyCodeObject *code = PyFrame_GetCode(frame);
    PyObject *globals = PyFrame_GetGlobals(frame);
    PyObject *module = globals && PyDict_Check(globals) ? PyDict_GetItemString(globals, "__name__")
                                                        : NULL; // borrowed
    char lines[48];
    site_put_name(t, module);
    site_put(t, ".", 1);
    site_put_name(t, code->co_qualname);
    site_put(t, "\t", 1);
    site_put_name(t, code->co_filename);
    int n = snprintf(lines, sizeof lines, "\t%d\t%d\n", PyFrame_GetLineNumber(frame),
                     code->co_firstlineno);
    site_put(t, lines, (size_t)n);
    Py_XDECREF(globals);
    Py_DECREF(code);
}

// NULL without an error: no memory, or no Python code runs.
static char *site_of_stack(void)
{
    struct site_text t = {0};
    PyFrameObject *frame = PyEval_GetFrame();
    Py_XINCREF(frame);
    for (int i = 0; frame && i < SITE_FRAMES; i++) {
        site_put_frame(&t, frame);
        PyFrameObject *back = PyFrame_GetBack(frame);
        Py_DECREF(frame);
        frame = back;
    }
    Py_XDECREF(frame);
    PyErr_Clear();
    if (t.failed) {
        PyMem_Free(t.text);
        return NULL;
    }
    return t.text;
}

// Without memory for it what is sampled has no site.
static int site_intern(struct heap_object *h, uint32_t *site)
{
    char *text = site_of_stack();
    if (!text)
        return 0;
    gcsim_mutator *m = heap_enter(h);
    if (m) {
        if (h->api->name_intern(h->heap, text, site) != GCSIM_OK)
            *site = 0;
        heap_leave(h, m);
    }
    PyMem_Free(text);
    return m ? 0 : -1;
}

BIND_COLD int profile_site(struct heap_object *h, const gcsim_type *type, uint64_t count,
                           uint32_t *site)
{
    *site = 0;
    if (!h->sample_rate && !h->recording)
        return 0;
    gcsim_mutator *m = type ? heap_enter(h) : NULL;
    if (type && !m)
        return -1;
    bool wanted = !type || h->api->wants_site(m, type, count);
    if (m)
        heap_leave(h, m);
    return wanted ? site_intern(h, site) : 0;
}

// --- the rate

// mem_profile_rate: None is the default, else bytes. -1 with an error.
static int rate_from_python(struct heap_object *h, PyObject *value, int64_t *rate)
{
    uint64_t bytes = h->steps ? 0 : 512 << 10;
    if (is_given(value) && size_from_python(h->state, "mem_profile_rate", value, &bytes) < 0)
        return -1;
    *rate = (int64_t)bytes;
    return 0;
}

static PyObject *heap_py_get_rate(PyObject *self, void *Py_UNUSED(closure))
{
    struct heap_object *h = (struct heap_object *)self;
    return heap_check_open(h) < 0 ? NULL : PyLong_FromLongLong(h->sample_rate);
}

static int heap_py_set_rate(PyObject *self, PyObject *value, void *Py_UNUSED(closure))
{
    struct heap_object *h = (struct heap_object *)self;
    struct slow_call call;
    int64_t rate;
    if (!value) {
        bind_raise(h->state, ERR_FIELD, "mem_profile_rate cannot be deleted; 0 is no sampling");
        return -1;
    }
    if (rate_from_python(h, value, &rate) < 0 || slow_begin(h, &call, "set mem_profile_rate") < 0)
        return -1;
    h->api->set_mem_profile_rate(call.m, rate);
    slow_end(&call);
    if (slow_failed(&call, GCSIM_OK, "mem_profile_rate"))
        return -1;
    h->sample_rate = rate;
    return 0;
}

// --- records

// All of them, in memory of the caller's; NULL with an error.
static gcsim_profile_record *profile_records(struct heap_object *h, gcsim_profile *about)
{
    gcsim_profile_record *records = NULL;
    *about = (gcsim_profile){.records = 64};
    for (uint64_t room = 0; about->records > room;) {
        struct slow_call call;
        room = about->records + 16; // others allocate meanwhile
        gcsim_profile_record *grown = PyMem_RawRealloc(records, room * sizeof *records);
        if (!grown || slow_begin(h, &call, "read the heap profile") < 0) {
            PyMem_RawFree(grown ? grown : records);
            return grown ? NULL : (gcsim_profile_record *)(void *)PyErr_NoMemory();
        }
        records = grown;
        h->api->mem_profile(call.m, about, records, room);
        slow_end(&call);
        if (slow_failed(&call, GCSIM_OK, "the heap profile")) {
            PyMem_RawFree(records);
            return NULL;
        }
    }
    return records;
}

static PyObject *record_tuple(struct heap_object *h, const gcsim_profile_record *r)
{
    const gcsim_type *type = h->api->type_by_id(h->heap, r->type);
    const char *site = h->api->name_text(h->heap, r->site),
               *name = type ? h->api->name_text(h->heap, type->name) : NULL;
    return Py_BuildValue("(yyIIKKK)", site ? site : "", name ? name : "", r->tier, r->size_class,
                         (unsigned long long)r->slot_bytes, (unsigned long long)r->allocs,
                         (unsigned long long)r->frees);
}

// Names and types that are there stay: they are read one by one. Python code may run in between, and close the heap.
static PyObject *heap_py_mem_profile(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct heap_object *h = (struct heap_object *)self;
    gcsim_profile about;
    gcsim_profile_record *records = heap_check_open(h) < 0 ? NULL : profile_records(h, &about);
    if (!records)
        return NULL;
    PyObject *list = PyList_New(0);
    for (uint64_t i = 0; list && i < about.records; i++) {
        PyObject *tuple = heap_check_open(h) < 0 ? NULL : record_tuple(h, &records[i]);
        if (!tuple || PyList_Append(list, tuple) < 0)
            Py_CLEAR(list);
        Py_XDECREF(tuple);
    }
    PyMem_RawFree(records);
    PyObject *result =
        list ? Py_BuildValue("(LKKO)", (long long)about.rate, (unsigned long long)about.lost,
                             (unsigned long long)about.cycle, list)
             : NULL;
    Py_XDECREF(list);
    return result;
}

static PyObject *profiler_call(PyObject *self, const char *function, PyObject *args,
                               PyObject *kwargs)
{
    PyObject *module = PyImport_ImportModule("gcsim._profiler");
    PyObject *callable = module ? PyObject_GetAttrString(module, function) : NULL;
    PyObject *heap = callable ? PyTuple_Pack(1, self) : NULL;
    PyObject *all = heap ? PySequence_Concat(heap, args) : NULL;
    PyObject *result = all ? PyObject_Call(callable, all, kwargs) : NULL;
    Py_XDECREF(all);
    Py_XDECREF(heap);
    Py_XDECREF(callable);
    Py_XDECREF(module);
    return result;
}

static PyObject *heap_py_profile(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return profiler_call(self, "profile", args, kwargs);
}

static PyObject *heap_py_write_pprof(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return profiler_call(self, "write_pprof", args, kwargs);
}

static PyObject *bind_profile_scale(PyObject *Py_UNUSED(module), PyObject *args)
{
    long long count, bytes, rate;
    if (!PyArg_ParseTuple(args, "LLL:profile_scale", &count, &bytes, &rate))
        return NULL;
    struct profile_estimate e = profile_scale(count, bytes, rate);
    return Py_BuildValue("(LL)", (long long)e.count, (long long)e.bytes);
}
