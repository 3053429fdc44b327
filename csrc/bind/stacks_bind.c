// The goroutines with their stacks as of one moment: for profiles of them, and for those that are leaked.
#include "bind/bind.h"

// What is read inside, where no Python code may run: STACK_HEAD words for each goroutine, then the names of its frames, the innermost
// first.
enum { STACK_ID, STACK_NAME, STACK_REASON, STACK_LEAKED, STACK_DEPTH, STACK_HEAD };
struct stack_words {
    uint32_t *words;
    uint64_t n, room;
};

static bool stack_put(struct stack_words *s, uint32_t word)
{
    if (s->n == s->room) {
        uint64_t room = s->room * 2 + 64;
        uint32_t *grown = PyMem_RawRealloc(s->words, room * sizeof *grown);
        if (!grown)
            return false;
        s->words = grown;
        s->room = room;
    }
    s->words[s->n++] = word;
    return true;
}

// While a workload runs its threads push, pop and end as they like, without the GIL: of all goroutines there are no frames then.
static bool stack_read(struct heap_object *h, const gcsim_goroutine_info *info,
                       struct stack_words *s)
{
    gcsim_goroutine *g = info->g;
    uint32_t depth = h->runs ? 0 : g->depth;
    const uint32_t head[STACK_HEAD] = {info->id, info->name, info->wait_reason, info->leaked,
                                       depth};
    for (uint32_t i = 0; i < STACK_HEAD; i++)
        if (!stack_put(s, head[i]))
            return false;
    for (uint64_t at = g->top; depth; depth--, at = gcsim_frame_at(g, at)->caller)
        if (!stack_put(s, gcsim_frame_at(g, at)->name))
            return false;
    return true;
}

static bool stacks_read(struct heap_object *h, gcsim_mutator *m, struct stack_words *s)
{
    uint64_t n;
    gcsim_goroutine_info *all = goroutines_now(h, m, &n);
    bool fits = all != NULL;
    for (uint64_t i = 0; fits && i < n; i++)
        fits = stack_read(h, &all[i], s);
    PyMem_RawFree(all);
    return fits;
}

static PyObject *stack_text(struct heap_object *h, uint32_t name)
{
    const char *text = heap_check_open(h) < 0 ? NULL : h->api->name_text(h->heap, name);
    return text ? PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace") : NULL;
}

// (id, name, reason, leaked, names of frames)
static PyObject *stack_tuple(struct heap_object *h, const uint32_t *words)
{
    uint32_t depth = words[STACK_DEPTH];
    PyObject *frames = PyTuple_New(depth), *name = frames ? stack_text(h, words[STACK_NAME]) : NULL;
    for (uint32_t i = 0; name && i < depth; i++) {
        PyObject *text = stack_text(h, words[STACK_HEAD + i]);
        if (text)
            PyTuple_SET_ITEM(frames, i, text);
        else
            Py_CLEAR(name);
    }
    PyObject *tuple = name ? Py_BuildValue("IOsOO", words[STACK_ID], name,
                                           h->api->wait_reason_text(words[STACK_REASON]),
                                           words[STACK_LEAKED] ? Py_True : Py_False, frames)
                           : NULL;
    Py_XDECREF(frames);
    Py_XDECREF(name);
    return tuple;
}

static PyObject *heap_py_goroutine_stacks(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct heap_object *h = (struct heap_object *)self;
    struct stack_words s = {0};
    gcsim_mutator *m = heap_enter(h);
    if (!m)
        return NULL;
    bool fits = stacks_read(h, m, &s);
    heap_leave(h, m);
    PyObject *list = fits ? PyList_New(0) : PyErr_NoMemory();
    for (uint64_t at = 0; list && at < s.n; at += STACK_HEAD + s.words[at + STACK_DEPTH]) {
        PyObject *tuple = stack_tuple(h, s.words + at);
        if (!tuple || PyList_Append(list, tuple) < 0)
            Py_CLEAR(list);
        Py_XDECREF(tuple);
    }
    PyMem_RawFree(s.words);
    return list;
}

static PyObject *heap_py_leaked_goroutines(PyObject *self, PyObject *unused)
{
    PyObject *stacks = heap_py_goroutine_stacks(self, unused),
             *make = stacks ? lib_attribute("leaked") : NULL,
             *leaked = make ? PyObject_CallOneArg(make, stacks) : NULL;
    Py_XDECREF(make);
    Py_XDECREF(stacks);
    return leaked;
}
