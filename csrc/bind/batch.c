// Batch: many objects at once, from buffers and back into buffers.
//
// heap.build checks everything first, then makes the objects (strong meanwhile), links them, roots what was asked for, and lets go: from
// then on the batch is a weak list, in which a collection sets dead objects to nil. Long loops run without the GIL, in pieces, between
// which signals are looked at. Index buffers belong to Python and may change while the GIL is gone: every index is read once and checked
// where it is used.
#include "bind/bind.h"

enum { PIECE = 1 << 20, SAFEPOINT_EVERY = 1 << 12, MAX_TYPES = 256 };
#define NO_FIELD UINT64_MAX

struct batch_object {
    PyObject_HEAD struct heap_object *heap; // strong
    gcsim_batch *batch;                     // NULL until built; the heap's, gone with it
    uint64_t count;
    struct type_object **types; // strong
    uint32_t ntypes;
    uint8_t *type_of; // NULL: all of types[0]
    uint64_t *counts; // elements of each object; NULL: objects, not arrays
    PyObject *roots;  // list
};

static struct type_object *batch_type(struct batch_object *b, uint64_t i)
{
    return b->types[b->type_of ? b->type_of[i] : 0];
}

// --- buffers

struct column { // one buffer of the caller, one value per object
    Py_buffer view;
    char kind; // 'i' signed, 'u' unsigned, 'f' float, '?' bool, 'c' complex
    bool open;
};

static char format_kind(const char *format)
{
    if (!format)
        return 'u'; // bytes
    if (*format == '@' || *format == '=' || *format == '<')
        format++;
    if (format[0] == 'Z' && (format[1] == 'f' || format[1] == 'd') && !format[2])
        return 'c';
    if (!format[0] || format[1])
        return 0;
    return strchr("bhilqn", *format)   ? 'i'
           : strchr("BHILQN", *format) ? 'u'
           : strchr("fd", *format)     ? 'f'
           : *format == '?'            ? '?'
                                       : 0;
}

static void column_close(struct column *c)
{
    if (c->open)
        PyBuffer_Release(&c->view);
    c->open = false;
}

// Opens a one-dimensional contiguous buffer of `count` items; `what` names it in errors.
static int column_open(struct bind_state *state, struct column *c, PyObject *o, const char *what,
                       uint64_t count)
{
    *c = (struct column){0};
    if (PyObject_GetBuffer(o, &c->view, PyBUF_FULL_RO) < 0) {
        if (PyErr_ExceptionMatches(PyExc_TypeError) &&
            !PyErr_ExceptionMatches(state->errors[ERR_ERROR])) {
            PyErr_Clear();
            bind_raise(state, ERR_CONVERSION,
                       "%s is a buffer (array.array, NumPy array, bytes...), not %s", what,
                       Py_TYPE(o)->tp_name);
        }
        return -1;
    }
    c->open = true;
    c->kind = format_kind(c->view.format);
    if (c->view.ndim != 1 || !PyBuffer_IsContiguous(&c->view, 'C'))
        bind_raise(state, ERR_CONVERSION, "%s is no contiguous buffer of one dimension", what);
    else if (!c->kind)
        bind_raise(state, ERR_CONVERSION,
                   "%s has the buffer format '%s', which is none of this machine's numbers", what,
                   c->view.format);
    else if ((uint64_t)c->view.len / (uint64_t)c->view.itemsize != count)
        bind_raise(state, ERR_RANGE, "%s has %zd items, and the batch has %llu objects", what,
                   c->view.len / c->view.itemsize, (unsigned long long)count);
    else
        return 0;
    column_close(c);
    return -1;
}

static int index_open(struct bind_state *state, struct column *c, PyObject *o, const char *what,
                      uint64_t count)
{
    if (column_open(state, c, o, what, count) < 0)
        return -1;
    if (c->kind == 'i' && (c->view.itemsize == 4 || c->view.itemsize == 8))
        return 0;
    bind_raise(state, ERR_CONVERSION, "%s has the buffer format '%s'; indices are int32 or int64",
               what, c->view.format ? c->view.format : "B");
    column_close(c);
    return -1;
}

static inline int64_t index_read(const struct column *c, uint64_t i)
{
    return c->view.itemsize == 4 ? GCSIM_LOAD((const int32_t *)c->view.buf + i)
                                 : GCSIM_LOAD((const int64_t *)c->view.buf + i);
}

static uint64_t column_bits(const struct column *c, uint64_t i) // an integer, widened
{
    const char *p = (const char *)c->view.buf + i * (uint64_t)c->view.itemsize;
    bool is_signed = c->kind == 'i';
    switch (c->view.itemsize) {
    case 1:
        return is_signed ? (uint64_t)(int64_t)*(const int8_t *)p : *(const uint8_t *)p;
    case 2:
        return is_signed ? (uint64_t)(int64_t)*(const int16_t *)p : *(const uint16_t *)p;
    case 4:
        return is_signed ? (uint64_t)(int64_t)*(const int32_t *)p : *(const uint32_t *)p;
    default:
        return *(const uint64_t *)p;
    }
}

// --- fields

// The field of this name of a struct, or the value itself under the name "value": 1 with *out (new reference), 0 if there is none, -1.
static int type_field(struct type_object *t, PyObject *name, struct type_object **out,
                      uint64_t *offset)
{
    *out = NULL;
    *offset = 0;
    if (t->kind != GCSIM_KIND_STRUCT) {
        if (PyUnicode_CompareWithASCIIString(name, "value") != 0)
            return 0;
        *out = (struct type_object *)Py_NewRef(t);
        return 1;
    }
    PyObject *field = PyObject_CallMethod(t->info, "field", "O", name);
    if (!field || field == Py_None) {
        Py_XDECREF(field);
        return field ? 0 : -1;
    }
    PyObject *info = bind_attribute(field, "type");
    if (info && attribute_u64(field, "offset", offset) == 0)
        *out = type_from_info(t->state, info);
    Py_XDECREF(info);
    Py_DECREF(field);
    return *out ? 1 : -1;
}

// A named field in each of a batch's types.
struct batch_field {
    struct batch_object *batch;          // borrowed
    uint64_t offset[MAX_TYPES];          // or NO_FIELD
    struct type_object *type[MAX_TYPES]; // strong
    struct type_object *some;            // borrowed: the type of any of them
    bool is_simple;                      // one type that has it, and no counts: the fast loops do
};

static void batch_field_drop(struct batch_field *f)
{
    for (uint32_t i = 0; f->batch && i < f->batch->ntypes; i++)
        Py_CLEAR(f->type[i]);
}

static int batch_field_find(struct batch_object *b, PyObject *name, struct batch_field *f)
{
    memset(f, 0, sizeof *f);
    f->batch = b;
    if (!PyUnicode_Check(name)) {
        bind_raise(b->heap->state, ERR_CONVERSION, "a field name is a str, not %s",
                   Py_TYPE(name)->tp_name);
        return -1;
    }
    for (uint32_t i = 0; i < b->ntypes; i++) {
        int found = type_field(b->types[i], name, &f->type[i], &f->offset[i]);
        if (found < 0)
            return -1;
        if (found)
            f->some = f->type[i];
        else
            f->offset[i] = NO_FIELD;
    }
    f->is_simple = f->some && b->ntypes == 1 && !b->counts;
    if (f->some)
        return 0;
    bind_raise(b->heap->state, ERR_FIELD, "%s%s has no field %R", type_name(b->types[0]),
               b->ntypes > 1 ? " (and the other types)" : "", name);
    return -1;
}

// Where object i keeps the field: an offset, or NO_FIELD.
static inline uint64_t field_offset(const struct batch_field *f, uint64_t i)
{
    const struct batch_object *b = f->batch;
    if (b->counts && !b->counts[i])
        return NO_FIELD;
    return f->offset[b->type_of ? b->type_of[i] : 0];
}

// --- loops without the GIL

// Work on objects from..to of a batch, mutator inside; returns `to`, or the number of the object that stopped it.
typedef uint64_t (*batch_loop)(gcsim_mutator *m, struct batch_object *b, uint64_t from, uint64_t to,
                               void *ctx);

struct progress {
    PyObject *call; // NULL: nobody wants to know
    uint64_t done, total;
    uint64_t each; // what is done for an object in batch_run
};

static int progress_tell(struct progress *p, uint64_t more)
{
    p->done += more;
    if (!p->call)
        return 0;
    PyObject *result = PyObject_CallFunction(p->call, "KK", (unsigned long long)p->done,
                                             (unsigned long long)p->total);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

// Runs the loop over all objects, in pieces. 0; 1 if it stopped at *at; -1 with an error.
static int batch_run(struct batch_object *b, batch_loop loop, void *ctx, const char *doing,
                     struct progress *progress, uint64_t *at)
{
    struct slow_call call;
    for (uint64_t from = 0; from < b->count;) {
        uint64_t to = b->count - from > PIECE ? from + PIECE : b->count;
        if (slow_begin(b->heap, &call, doing) < 0)
            return -1;
        uint64_t done = loop(call.m, b, from, to, ctx);
        slow_end(&call);
        if (slow_failed(&call, GCSIM_OK, doing) || PyErr_CheckSignals() < 0)
            return -1;
        if (done != to) {
            *at = done;
            return 1;
        }
        if (progress && progress_tell(progress, (to - from) * progress->each) < 0)
            return -1;
        from = to;
    }
    return 0;
}

// --- links

struct link_plan {
    PyObject *name; // borrowed from the dict of links, which the caller keeps
    struct column column;
    struct batch_field field;
};

// May object `to` be what the pointer field of object `from` refers to?
static inline bool link_fits(const struct link_plan *p, uint64_t from, uint64_t to)
{
    const struct batch_object *b = p->field.batch;
    struct type_object *pointer = p->field.type[b->type_of ? b->type_of[from] : 0];
    struct type_object *target = b->types[b->type_of ? b->type_of[to] : 0];
    return pointer->elem == target && !(b->counts && !b->counts[to]);
}

// The link of object i: -1, or a number below count; false if the index is not good.
static inline bool link_read(const struct link_plan *p, uint64_t i, int64_t *to)
{
    *to = index_read(&p->column, i);
    if ((uint64_t)*to + 1 > p->field.batch->count)
        return false;
    return p->field.is_simple || *to < 0 ||
           (field_offset(&p->field, i) != NO_FIELD && link_fits(p, i, (uint64_t)*to));
}

// Indexes at the front, in whole blocks, that are numbers up to `last` or -1. The sign of `bad` tells, so that the compiler takes several
// indexes of a block at once. Who writes to the buffer meanwhile is found out by the loop that links.
#define GOOD_BLOCKS(name, type)                                                                    \
    static uint64_t name(const type *index, uint64_t n, type last)                                 \
    {                                                                                              \
        enum { BLOCK = 1024 };                                                                     \
        uint64_t i = 0;                                                                            \
        for (type bad = 0; n - i >= BLOCK; i += BLOCK) {                                           \
            for (const type *at = index + i; at < index + i + BLOCK; at++)                         \
                bad |= (last - *at) | (*at + 1);                                                   \
            if (bad >> (8 * sizeof bad - 1))                                                       \
                break;                                                                             \
        }                                                                                          \
        return i;                                                                                  \
    }
GOOD_BLOCKS(good_blocks_32, uint32_t)
GOOD_BLOCKS(good_blocks_64, uint64_t)

// The first object whose index is not good, or count.
static uint64_t link_check(const struct link_plan *p)
{
    int64_t to;
    uint64_t i = 0, n = p->field.batch->count, last = n - 1; // n is not 0
    if (p->field.is_simple)                                  // the common case, with less to ask
        i = p->column.view.itemsize == 4
                ? good_blocks_32(p->column.view.buf, n,
                                 last < INT32_MAX ? (uint32_t)last : INT32_MAX)
                : good_blocks_64(p->column.view.buf, n, last);
    while (i < n && link_read(p, i, &to))
        i++;
    return i;
}

// Links objects from..to by one plan; returns `to`, or the number of the object whose index is not good. The barrier does not change meanwhile.
typedef uint64_t (*link_loop)(gcsim_mutator *m, const struct link_plan *p, uint64_t from,
                              uint64_t to, bool marking);

static uint64_t link_any(gcsim_mutator *m, const struct link_plan *p, uint64_t from, uint64_t to,
                         bool marking)
{
    (void)marking;
    void **objects = p->field.batch->batch->objects;
    for (uint64_t i = from; i < to; i++) {
        int64_t target;
        if (BIND_UNLIKELY(!link_read(p, i, &target)))
            return i;
        uint64_t offset = p->field.is_simple ? p->field.offset[0] : field_offset(&p->field, i);
        if (offset != NO_FIELD)
            gcsim_store(m, (char *)objects[i] + offset, target < 0 ? NULL : objects[target]);
    }
    return to;
}

// The same for the common case, where all that varies is the width of the index.
#define LINK_LOOP(name, type)                                                                      \
    static inline uint64_t name##_part(gcsim_mutator *m, const struct link_plan *p, uint64_t i,    \
                                       uint64_t to, bool marking)                                  \
    {                                                                                              \
        const type *index = p->column.view.buf;                                                    \
        void **objects = p->field.batch->batch->objects;                                           \
        uint64_t offset = p->field.offset[0], count = p->field.batch->count;                       \
        for (; i < to; i++) {                                                                      \
            int64_t target = GCSIM_LOAD(index + i);                                                \
            if (BIND_UNLIKELY((uint64_t)target + 1 > count))                                       \
                break;                                                                             \
            void *ptr = target < 0 ? NULL : objects[target];                                       \
            void *slot = (char *)objects[i] + offset;                                              \
            marking ? gcsim_store(m, slot, ptr) : GCSIM_STORE((void **)slot, ptr);                 \
        }                                                                                          \
        return i;                                                                                  \
    }                                                                                              \
    static uint64_t name(gcsim_mutator *m, const struct link_plan *p, uint64_t from, uint64_t to,  \
                         bool marking)                                                             \
    {                                                                                              \
        return marking ? name##_part(m, p, from, to, true) : name##_part(m, p, from, to, false);   \
    }
LINK_LOOP(link_32, int32_t)
LINK_LOOP(link_64, int64_t)

static link_loop link_loop_of(const struct link_plan *p)
{
    return !p->field.is_simple ? link_any : p->column.view.itemsize == 4 ? link_32 : link_64;
}

struct link_plans {
    struct link_plan *all, *stopped; // stopped: whose index was not good
    Py_ssize_t count;
};

// All plans between two safe points, while the objects are in the processor's cache.
static uint64_t link_loop_all(gcsim_mutator *m, struct batch_object *b, uint64_t from, uint64_t to,
                              void *ctx)
{
    (void)b;
    struct link_plans *plans = ctx;
    for (uint64_t end; from < to; from = end) {
        end = to - from < SAFEPOINT_EVERY ? to : from + SAFEPOINT_EVERY;
        for (struct link_plan *p = plans->all; p < plans->all + plans->count; p++) {
            uint64_t done = link_loop_of(p)(m, p, from, end, m->barrier != 0);
            if (done == end)
                continue;
            plans->stopped = p;
            return done;
        }
        gcsim_safepoint(m);
    }
    return to;
}

static void *link_refused(struct link_plan *p, uint64_t at)
{
    struct batch_object *b = p->field.batch;
    struct bind_state *state = b->heap->state;
    int64_t to = index_read(&p->column, at);
    if ((uint64_t)to + 1 > b->count)
        return bind_raise(state, ERR_RANGE,
                          "links[%R][%llu] is %lld, and the batch has objects 0 to %lld; -1 is nil",
                          p->name, (unsigned long long)at, (long long)to, (long long)b->count - 1);
    if (field_offset(&p->field, at) == NO_FIELD)
        return bind_raise(
            state, ERR_RANGE,
            "links[%R][%llu] is %lld, but object %llu, a %s, has no such field: only -1 fits",
            p->name, (unsigned long long)at, (long long)to, (unsigned long long)at,
            type_name(batch_type(b, at)));
    return bind_raise(
        state, ERR_CONVERSION, "links[%R][%llu]: a %s cannot refer to object %lld, a %s%s", p->name,
        (unsigned long long)at, type_name(p->field.type[b->type_of ? b->type_of[at] : 0]),
        (long long)to, type_name(batch_type(b, (uint64_t)to)),
        b->counts ? " (or no element of one)" : "");
}

static int link_prepare(struct batch_object *b, struct link_plan *p, PyObject *name,
                        PyObject *buffer)
{
    struct bind_state *state = b->heap->state;
    *p = (struct link_plan){.name = name};
    if (batch_field_find(b, name, &p->field) < 0)
        return -1;
    for (uint32_t i = 0; i < b->ntypes; i++) {
        if (!p->field.type[i])
            continue;
        if (p->field.type[i]->kind != GCSIM_KIND_POINTER) {
            bind_raise(state, ERR_CONVERSION,
                       "links[%R]: field %U of %s is a %s; links set pointers", name, name,
                       type_name(b->types[i]), type_name(p->field.type[i]));
            return -1;
        }
        if (!type_elem(p->field.type[i]))
            return -1;
    }
    if (b->ntypes == 1 && p->field.some->elem != b->types[0]) {
        bind_raise(state, ERR_CONVERSION,
                   "links[%R]: field %U of %s is a %s, and the objects are none of those", name,
                   name, type_name(b->types[0]), type_name(p->field.some));
        return -1;
    }
    char what[128];
    const char *text = PyUnicode_AsUTF8(name);
    if (!text)
        return -1;
    snprintf(what, sizeof what, "links['%.90s']", text);
    if (index_open(state, &p->column, buffer, what, b->count) < 0)
        return -1;
    uint64_t bad;
    Py_BEGIN_ALLOW_THREADS bad = link_check(p);
    Py_END_ALLOW_THREADS if (bad == b->count) return 0;
    link_refused(p, bad);
    return -1;
}

static int link_all(struct batch_object *b, struct link_plan *all, Py_ssize_t n,
                    struct progress *progress)
{
    struct link_plans plans = {.all = all, .count = n};
    uint64_t at;
    progress->each = (uint64_t)n;
    int result = n ? batch_run(b, link_loop_all, &plans, "link objects", progress, &at) : 0;
    if (result > 0)
        link_refused(plans.stopped, at);
    return result ? -1 : 0;
}

// --- building

struct build_args {
    PyObject *type, *count, *links, *roots, *types, *type_of, *counts, *progress;
};

static void batch_drop_in_core(const gcsim_api *api, gcsim_mutator *m, void *batch)
{
    api->batch_drop(m, batch);
}

static void batch_dealloc(struct batch_object *b)
{
    PyTypeObject *tp = Py_TYPE(b);
    if (b->heap)
        heap_died(b->heap, b, NULL);
    if (b->batch)
        heap_drop(b->heap, batch_drop_in_core, b->batch);
    for (uint32_t i = 0; i < b->ntypes; i++)
        Py_XDECREF(b->types[i]);
    PyMem_Free(b->types);
    PyMem_Free(b->type_of);
    PyMem_Free(b->counts);
    Py_XDECREF(b->roots);
    Py_XDECREF(b->heap);
    tp->tp_free(b);
    Py_DECREF(tp);
}

static int build_types(struct batch_object *b, const struct build_args *a)
{
    struct bind_state *state = b->heap->state;
    bool several = a->types && a->types != Py_None;
    if (several == (a->type != Py_None)) {
        bind_raise(state, ERR_CONVERSION,
                   "build takes one type, or None and types=[...] with type_of=");
        return -1;
    }
    PyObject *list = several ? PySequence_Tuple(a->types) : PyTuple_Pack(1, a->type);
    if (!list)
        return -1;
    Py_ssize_t n = PyTuple_GET_SIZE(list);
    int result = 0;
    if (n < 1 || n > MAX_TYPES) {
        bind_raise(state, ERR_RANGE, "types= has 1 to %d types, not %zd", MAX_TYPES, n);
        result = -1;
    } else if (!(b->types = PyMem_Calloc((size_t)n, sizeof *b->types))) {
        PyErr_NoMemory();
        result = -1;
    }
    for (Py_ssize_t i = 0; result == 0 && i < n; i++) {
        struct type_object *t = type_from_python(state, PyTuple_GET_ITEM(list, i));
        if (!t)
            result = -1;
        else
            b->types[b->ntypes++] = t;
    }
    Py_DECREF(list);
    return result;
}

static int build_type_of(struct batch_object *b, PyObject *given)
{
    struct bind_state *state = b->heap->state;
    struct column c;
    if (!given || given == Py_None) {
        if (b->ntypes == 1)
            return 0;
        bind_raise(state, ERR_CONVERSION,
                   "several types= need type_of=, a buffer of uint8: the type of each object");
        return -1;
    }
    if (column_open(state, &c, given, "type_of", b->count) < 0)
        return -1;
    int result = -1;
    if (c.kind != 'u' || c.view.itemsize != 1)
        bind_raise(state, ERR_CONVERSION, "type_of has the buffer format '%s'; it is uint8",
                   c.view.format);
    else if (!(b->type_of = PyMem_Malloc((size_t)b->count + 1)))
        PyErr_NoMemory();
    else
        result = 0;
    if (result == 0)
        memcpy(b->type_of, c.view.buf, b->count);
    for (uint64_t i = 0; result == 0 && i < b->count; i++)
        if (b->type_of[i] >= b->ntypes) {
            bind_raise(state, ERR_RANGE, "type_of[%llu] is %d, and there are %u types",
                       (unsigned long long)i, b->type_of[i], b->ntypes);
            result = -1;
        }
    column_close(&c);
    return result;
}

static int build_counts(struct batch_object *b, PyObject *given)
{
    struct bind_state *state = b->heap->state;
    struct column c;
    if (!given || given == Py_None)
        return 0;
    if (column_open(state, &c, given, "counts", b->count) < 0)
        return -1;
    int result = -1;
    if (c.kind != 'i' && c.kind != 'u')
        bind_raise(state, ERR_CONVERSION, "counts has the buffer format '%s'; it is integers",
                   c.view.format);
    else if (!(b->counts = PyMem_Calloc((size_t)b->count + 1, sizeof *b->counts)))
        PyErr_NoMemory();
    else
        result = 0;
    for (uint64_t i = 0; result == 0 && i < b->count; i++) {
        b->counts[i] = column_bits(&c, i);
        uint64_t bytes, each = batch_type(b, i)->bytes;
        if (b->counts[i] > INT64_MAX || __builtin_mul_overflow(b->counts[i], each, &bytes) ||
            bytes > 1ull << 40) {
            bind_raise(state, ERR_RANGE,
                       "counts[%llu] elements of %llu bytes are too many or negative",
                       (unsigned long long)i, (unsigned long long)each);
            result = -1;
        }
    }
    column_close(&c);
    return result;
}

static int roots_read(struct batch_object *b, PyObject *given, int64_t **out, Py_ssize_t *n)
{
    *out = NULL;
    *n = 0;
    if (!given || given == Py_None)
        return 0;
    PyObject *list = PySequence_Tuple(given);
    if (!list) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Clear();
            bind_raise(b->heap->state, ERR_CONVERSION, "roots are the numbers of objects, not %s",
                       Py_TYPE(given)->tp_name);
        }
        return -1;
    }
    int result = 0;
    *n = PyTuple_GET_SIZE(list);
    if (!(*out = PyMem_New(int64_t, (size_t)*n + 1))) {
        PyErr_NoMemory();
        result = -1;
    }
    for (Py_ssize_t i = 0; result == 0 && i < *n; i++) {
        result = count_from_python(b->heap->state, "the number of a root",
                                   PyTuple_GET_ITEM(list, i), &(*out)[i]);
        if (result == 0 && (uint64_t)(*out)[i] >= b->count) {
            bind_raise(b->heap->state, ERR_RANGE,
                       "roots[%zd] is %lld, and the batch has %llu objects", i,
                       (long long)(*out)[i], (unsigned long long)b->count);
            result = -1;
        }
    }
    Py_DECREF(list);
    return result;
}

static int links_read(struct batch_object *b, PyObject *given, struct link_plan **out,
                      Py_ssize_t *n)
{
    *out = NULL;
    *n = 0;
    if (!given || given == Py_None)
        return 0;
    if (!PyDict_Check(given)) {
        bind_raise(b->heap->state, ERR_CONVERSION,
                   "links is a dict of field names and index buffers, not %s",
                   Py_TYPE(given)->tp_name);
        return -1;
    }
    PyObject *items = PyDict_Items(given);
    if (!items)
        return -1;
    Py_ssize_t count = PyList_GET_SIZE(items);
    *out = PyMem_Calloc((size_t)count + 1, sizeof **out);
    int result = *out ? 0 : (PyErr_NoMemory(), -1);
    for (Py_ssize_t i = 0; result == 0 && i < count; i++) {
        PyObject *pair = PyList_GET_ITEM(items, i);
        ++*n;
        result = link_prepare(b, &(*out)[i], Py_NewRef(PyTuple_GET_ITEM(pair, 0)),
                              PyTuple_GET_ITEM(pair, 1));
    }
    Py_DECREF(items);
    return result;
}

static void links_close(struct link_plan *plans, Py_ssize_t n)
{
    for (Py_ssize_t i = 0; i < n; i++) {
        column_close(&plans[i].column);
        batch_field_drop(&plans[i].field);
        Py_XDECREF(plans[i].name);
    }
    PyMem_Free(plans);
}

// The objects themselves: one call of the core, which polls.
static int build_objects(struct batch_object *b)
{
    struct heap_object *h = b->heap;
    struct slow_call call;
    const gcsim_type *types[MAX_TYPES];
    for (uint32_t i = 0; i < b->ntypes; i++) {
        if (!(types[i] = heap_type(h, b->types[i])))
            return -1;
    }
    gcsim_build what = {.count = b->count,
                        .types = types,
                        .ntypes = b->ntypes,
                        .type_of = b->type_of,
                        .counts = b->counts};
    uint32_t site;
    if (profile_site(h, NULL, 0, &site) < 0 || slow_begin(h, &call, "build objects") < 0)
        return -1;
    call.m->site = site;
    b->batch = h->api->build(call.m, &what);
    gcsim_status status = b->batch ? GCSIM_OK : call.m->status;
    call.m->site = 0;
    slow_end(&call);
    return slow_failed(&call, status, "building objects") ? -1 : 0;
}

static PyObject *batch_object_at(struct batch_object *b, uint64_t i);

static int build_roots(struct batch_object *b, const int64_t *roots, Py_ssize_t n)
{
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *ref = batch_object_at(b, (uint64_t)roots[i]);
        int result = ref ? PyList_Append(b->roots, ref) : -1;
        Py_XDECREF(ref);
        if (result < 0)
            return -1;
    }
    gcsim_mutator *m = heap_enter(b->heap);
    if (!m)
        return -1;
    b->batch->strong = 0;
    heap_leave(b->heap, m);
    return 0;
}

static int build_checked(struct batch_object *b, const struct build_args *a)
{
    int64_t *roots = NULL, count;
    struct link_plan *plans = NULL;
    Py_ssize_t nroots = 0, nlinks = 0;
    int result = count_from_python(b->heap->state, "the count", a->count, &count);
    b->count = result == 0 ? (uint64_t)count : 0;
    if (result == 0 && b->count > 1ull << 37) {
        bind_raise(b->heap->state, ERR_RANGE, "%lld objects are too many", (long long)count);
        result = -1;
    }
    if (result == 0)
        result = build_types(b, a) < 0 || build_type_of(b, a->type_of) < 0 ||
                         build_counts(b, a->counts) < 0 ||
                         roots_read(b, a->roots, &roots, &nroots) < 0 ||
                         links_read(b, a->links, &plans, &nlinks) < 0
                     ? -1
                     : 0;
    struct progress progress = {.call = a->progress == Py_None ? NULL : a->progress,
                                .total = b->count * (1 + (uint64_t)nlinks)};
    if (result == 0)
        result = build_objects(b) < 0 || progress_tell(&progress, b->count) < 0 ||
                         link_all(b, plans, nlinks, &progress) < 0 ||
                         heap_check_own(b->heap, "root objects") < 0 ||
                         build_roots(b, roots, nroots) < 0
                     ? -1
                     : 0;
    links_close(plans, nlinks);
    PyMem_Free(roots);
    return result;
}

static PyObject *heap_py_build(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"",        "",       "links",    "roots", "types",
                            "type_of", "counts", "progress", NULL};
    struct heap_object *h = (struct heap_object *)self;
    struct build_args a = {.progress = Py_None};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|$OOOOOO:build", names, &a.type, &a.count,
                                     &a.links, &a.roots, &a.types, &a.type_of, &a.counts,
                                     &a.progress) ||
        heap_check_own(h, "build objects") < 0)
        return NULL;
    if (a.progress != Py_None && !PyCallable_Check(a.progress))
        return bind_raise(h->state, ERR_CONVERSION,
                          "progress is a function of two ints, done and total, not %s",
                          Py_TYPE(a.progress)->tp_name);
    PyTypeObject *cls = h->state->types[TYPE_BATCH];
    struct batch_object *b = (struct batch_object *)cls->tp_alloc(cls, 0);
    if (!b)
        return NULL;
    b->heap = (struct heap_object *)Py_NewRef(h);
    if ((b->roots = PyList_New(0)) && heap_born(h, b) == 0 && build_checked(b, &a) == 0)
        return heap_then(h, (PyObject *)b);
    Py_DECREF(b);
    return NULL;
}

// --- objects

static Py_ssize_t batch_length(struct batch_object *b) { return (Py_ssize_t)b->count; }

// A Ref to object i, or a Slice if the batch was built with counts.
static PyObject *batch_object_at(struct batch_object *b, uint64_t i)
{
    struct heap_object *h = b->heap;
    struct type_object *t = batch_type(b, i);
    PyTypeObject *cls = b->counts ? NULL : type_class(t);
    gcsim_mutator *m = b->counts || cls ? heap_enter(h) : NULL;
    if (!m) {
        Py_XDECREF(cls);
        return NULL;
    }
    void *p = gcsim_batch_at(m, b->batch, i);
    gcsim_handle *handle = p ? h->api->handle_new(m, p) : NULL;
    gcsim_status status = m->status;
    heap_leave(h, m);
    PyObject *result;
    if (!p)
        result = bind_raise(
            h->state, ERR_STALE,
            "object %llu of the batch is dead: nothing referred to it when the heap was collected",
            (unsigned long long)i);
    else if (!handle)
        result = ref_no_handle(h, status);
    else if (b->counts)
        result = row_make(h, t, NULL,
                          (struct slice){p, (int64_t)b->counts[i], (int64_t)b->counts[i]}, handle);
    else
        result = ref_from_handle(h, cls, handle);
    Py_XDECREF(cls);
    return result;
}

static PyObject *batch_item(struct batch_object *b, Py_ssize_t i)
{
    if (i < 0 || (uint64_t)i >= b->count)
        return raise_named(b->heap->state, "BoundsError", "object %zd lies outside a batch of %llu",
                           i, (unsigned long long)b->count);
    return heap_check_open(b->heap) < 0 ? NULL : batch_object_at(b, (uint64_t)i);
}

static PyObject *batch_subscript(struct batch_object *b, PyObject *key)
{
    if (!PyIndex_Check(key))
        return bind_raise(b->heap->state, ERR_CONVERSION,
                          "the number of an object is an int, not %s", Py_TYPE(key)->tp_name);
    Py_ssize_t i = PyNumber_AsSsize_t(key, PyExc_IndexError);
    if (i == -1 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_IndexError))
            return NULL;
        PyErr_Clear();
        return raise_named(b->heap->state, "BoundsError", "object %R lies outside a batch of %llu",
                           key, (unsigned long long)b->count);
    }
    return batch_item(b, i < 0 ? i + (Py_ssize_t)b->count : i);
}

// --- reading and writing columns

// A new array.array of n items; *view is a writable view of it.
static PyObject *array_new(const char *code, uint64_t n, Py_buffer *view)
{
    PyObject *module = PyImport_ImportModule("array");
    PyObject *one = module ? PyObject_CallMethod(module, "array", "s[i]", code, 0) : NULL;
    PyObject *all = one ? PySequence_Repeat(one, (Py_ssize_t)n) : NULL;
    Py_XDECREF(module);
    Py_XDECREF(one);
    if (all && PyObject_GetBuffer(all, view, PyBUF_CONTIG) < 0)
        Py_CLEAR(all);
    return all;
}

// One pass of the core for each offset that the field has; `one` is room for a pass.
static bool links_read_back(struct batch_object *b, const struct batch_field *f, int64_t *one,
                            int64_t *out)
{
    struct slow_call call;
    memset(out, 0xff, b->count * sizeof *out);
    for (uint32_t k = 0; k < b->ntypes; k++) {
        bool seen = f->offset[k] == NO_FIELD;
        for (uint32_t j = 0; j < k; j++)
            seen |= f->offset[j] == f->offset[k];
        if (seen)
            continue;
        if (slow_begin(b->heap, &call, "read links") < 0)
            return false;
        gcsim_status status = b->heap->api->read_links(call.m, b->batch, f->offset[k], one);
        for (uint64_t i = 0; status == GCSIM_OK && i < b->count; i++)
            if (field_offset(f, i) == f->offset[k])
                out[i] = one[i];
        slow_end(&call);
        if (slow_failed(&call, status, "reading links"))
            return false;
    }
    return true;
}

static PyObject *batch_py_links(struct batch_object *b, PyObject *name)
{
    struct heap_object *h = b->heap;
    struct batch_field f;
    Py_buffer view;
    PyObject *result = NULL;
    if (heap_check_open(h) < 0)
        return NULL;
    if (batch_field_find(b, name, &f) < 0) {
        batch_field_drop(&f);
        return NULL;
    }
    int64_t *one = PyMem_RawMalloc(b->count * sizeof *one + 8);
    if (f.some->kind != GCSIM_KIND_POINTER)
        bind_raise(h->state, ERR_CONVERSION,
                   "field %U is a %s; links are pointers, values(...) reads numbers", name,
                   type_name(f.some));
    else if (!one)
        PyErr_NoMemory();
    else
        result = array_new("q", b->count, &view);
    if (result) {
        bool ok = links_read_back(b, &f, one, view.buf);
        PyBuffer_Release(&view);
        if (!ok)
            Py_CLEAR(result);
    }
    PyMem_RawFree(one);
    batch_field_drop(&f);
    return result;
}

struct copy_plan {
    struct batch_field field;
    char *out;               // values: contiguous numbers
    const struct column *in; // fill
    uint32_t kind, bytes;
};

static inline void number_copy(char *to, const char *from, uint32_t bytes)
{
    switch (bytes) {
    case 1:
        *(uint8_t *)to = *(const uint8_t *)from;
        return;
    case 2:
        *(uint16_t *)to = *(const uint16_t *)from;
        return;
    case 4:
        *(uint32_t *)to = *(const uint32_t *)from;
        return;
    case 8:
        *(uint64_t *)to = *(const uint64_t *)from;
        return;
    default:
        memcpy(to, from, bytes);
    }
}

static uint64_t values_loop(gcsim_mutator *m, struct batch_object *b, uint64_t from, uint64_t to,
                            void *ctx)
{
    struct copy_plan *p = ctx;
    for (uint64_t i = from; i < to; i++) {
        const char *object = gcsim_batch_at(m, b->batch, i);
        uint64_t offset = field_offset(&p->field, i);
        if (object && offset != NO_FIELD)
            number_copy(p->out + i * p->bytes, object + offset, p->bytes);
        if (BIND_UNLIKELY(i % SAFEPOINT_EVERY == 0))
            gcsim_safepoint(m);
    }
    return to;
}

static uint64_t alive_loop(gcsim_mutator *m, struct batch_object *b, uint64_t from, uint64_t to,
                           void *ctx)
{
    char *out = ctx;
    for (uint64_t i = from; i < to; i++)
        out[i] = gcsim_batch_at(m, b->batch, i) != NULL;
    return to;
}

// The field's numbers, which must be of one kind in all types that have it.
static int copy_plan_find(struct batch_object *b, PyObject *name, struct copy_plan *p)
{
    if (batch_field_find(b, name, &p->field) < 0)
        return -1;
    p->kind = p->field.some->kind;
    p->bytes = (uint32_t)p->field.some->bytes;
    for (uint32_t i = 0; i < b->ntypes; i++)
        if (p->field.type[i] && (p->field.type[i]->kind != p->kind || !is_scalar(p->kind))) {
            bind_raise(b->heap->state, ERR_CONVERSION,
                       "field %U of %s is a %s; a column is numbers of one type", name,
                       type_name(b->types[i]), type_name(p->field.type[i]));
            return -1;
        }
    return 0;
}

static PyObject *batch_py_values(struct batch_object *b, PyObject *name)
{
    struct copy_plan p = {.out = NULL};
    Py_buffer view;
    PyObject *result = NULL;
    uint64_t at;
    if (heap_check_open(b->heap) == 0 && copy_plan_find(b, name, &p) == 0) {
        bool is_bool = p.kind == GCSIM_KIND_BOOL;
        if (p.kind == GCSIM_KIND_COMPLEX64 || p.kind == GCSIM_KIND_COMPLEX128)
            bind_raise(b->heap->state, ERR_NOT_THERE,
                       "columns of complex numbers are not there yet: array.array has none");
        else
            result = array_new(is_bool ? "B" : buffer_formats[p.kind], b->count, &view);
    }
    if (result) {
        p.out = view.buf;
        int failed = batch_run(b, values_loop, &p, "read a column", NULL, &at);
        PyBuffer_Release(&view);
        if (failed)
            Py_CLEAR(result);
    }
    batch_field_drop(&p.field);
    return result;
}

static PyObject *batch_py_alive(struct batch_object *b, PyObject *Py_UNUSED(unused))
{
    uint64_t at;
    PyObject *result =
        heap_check_open(b->heap) < 0 ? NULL : PyBytes_FromStringAndSize(NULL, (Py_ssize_t)b->count);
    if (result && batch_run(b, alive_loop, PyBytes_AS_STRING(result), "read a batch", NULL, &at))
        Py_CLEAR(result);
    return result;
}

static bool kind_is_signed(uint32_t kind)
{
    return kind >= GCSIM_KIND_INT8 && kind <= GCSIM_KIND_INT64;
}
static bool kind_is_float(uint32_t kind)
{
    return kind == GCSIM_KIND_FLOAT32 || kind == GCSIM_KIND_FLOAT64;
}

// Does the integer fit a field of this kind?
static bool integer_fits(const struct copy_plan *p, uint64_t v, bool is_signed)
{
    unsigned bits = 8 * p->bytes;
    if (p->kind == GCSIM_KIND_BOOL)
        return v <= 1;
    if (!kind_is_signed(p->kind))
        return !(is_signed && (int64_t)v < 0) && v <= UINT64_MAX >> (64 - bits);
    if (!is_signed && v > INT64_MAX)
        return false;
    return (int64_t)v >= -(int64_t)(UINT64_MAX >> (65 - bits)) - 1 &&
           (int64_t)v <= (int64_t)(UINT64_MAX >> (65 - bits));
}

// Which buffers fill which fields: integers integers, floats floats, bools and bytes bools; then every value must fit.
static int fill_check(struct batch_object *b, const struct copy_plan *p, PyObject *name)
{
    const struct column *c = p->in;
    struct bind_state *state = b->heap->state;
    bool is_integer =
        p->kind == GCSIM_KIND_BOOL || (p->kind >= GCSIM_KIND_INT8 && p->kind <= GCSIM_KIND_UINTPTR);
    bool from_integer = c->kind == 'i' || c->kind == 'u' || c->kind == '?';
    if (is_integer               ? !from_integer
        : kind_is_float(p->kind) ? c->kind != 'f'
                                 : c->kind != 'c' || (uint32_t)c->view.itemsize != p->bytes) {
        bind_raise(state, ERR_CONVERSION, "a column of %s is not filled from buffer format '%s'",
                   type_name(p->field.some), c->view.format ? c->view.format : "B");
        return -1;
    }
    if (!is_integer)
        return 0;
    uint64_t i = 0;
    while (i < b->count && integer_fits(p, column_bits(c, i), c->kind == 'i'))
        i++;
    if (i == b->count)
        return 0;
    uint64_t v = column_bits(c, i);
    if (c->kind == 'i')
        bind_raise(state, ERR_RANGE, "%U[%llu]: %lld does not fit a %s", name,
                   (unsigned long long)i, (long long)v, type_name(p->field.some));
    else
        bind_raise(state, ERR_RANGE, "%U[%llu]: %llu does not fit a %s", name,
                   (unsigned long long)i, (unsigned long long)v, type_name(p->field.some));
    return -1;
}

static inline void fill_one(const struct copy_plan *p, char *to, uint64_t i)
{
    const struct column *c = p->in;
    const char *from = (const char *)c->view.buf + i * (uint64_t)c->view.itemsize;
    if (c->view.itemsize == p->bytes && p->kind != GCSIM_KIND_BOOL) {
        number_copy(to, from, p->bytes);
    } else if (p->kind == GCSIM_KIND_BOOL) {
        *(uint8_t *)to = column_bits(c, i) != 0;
    } else if (p->kind == GCSIM_KIND_FLOAT64) {
        *(double *)(void *)to = *(const float *)(const void *)from;
    } else if (p->kind == GCSIM_KIND_FLOAT32) {
        *(float *)(void *)to = (float)*(const double *)(const void *)from;
    } else {
        uint64_t v = column_bits(c, i); // little endian: the low bytes come first
        memcpy(to, &v, p->bytes);
    }
}

static uint64_t fill_loop(gcsim_mutator *m, struct batch_object *b, uint64_t from, uint64_t to,
                          void *ctx)
{
    struct copy_plan *p = ctx;
    for (uint64_t i = from; i < to; i++) {
        char *object = gcsim_batch_at(m, b->batch, i);
        uint64_t offset = field_offset(&p->field, i);
        if (object && offset != NO_FIELD)
            fill_one(p, object + offset, i);
        if (BIND_UNLIKELY(i % SAFEPOINT_EVERY == 0))
            gcsim_safepoint(m);
    }
    return to;
}

static PyObject *batch_py_fill(struct batch_object *b, PyObject *const *args, Py_ssize_t nargs)
{
    struct bind_state *state = b->heap->state;
    struct copy_plan p = {.out = NULL};
    struct column c = {0};
    uint64_t at;
    if (nargs != 2)
        return bind_raise(state, ERR_CONVERSION, "fill takes a field name and a buffer");
    int result =
        heap_check_own(b->heap, "fill a column") < 0 || copy_plan_find(b, args[0], &p) < 0 ? -1 : 0;
    if (result == 0)
        result = column_open(state, &c, args[1], "the column", b->count);
    p.in = &c;
    if (result == 0)
        result = fill_check(b, &p, args[0]);
    if (result == 0)
        result = batch_run(b, fill_loop, &p, "fill a column", NULL, &at);
    column_close(&c);
    batch_field_drop(&p.field);
    if (result)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *batch_repr(struct batch_object *b)
{
    return PyUnicode_FromFormat("<gcsim.Batch of %llu %s%s, %zd roots%s>",
                                (unsigned long long)b->count, type_name(b->types[0]),
                                b->ntypes > 1 ? " and other types" : "", PyList_GET_SIZE(b->roots),
                                b->heap->heap ? "" : ", of a closed heap");
}

static PyObject *batch_no_copy(struct batch_object *b, PyObject *Py_UNUSED(unused))
{
    return bind_raise(
        b->heap->state, ERR_CONVERSION,
        "a batch cannot be copied or pickled; links(...) and values(...) give arrays that can");
}

static PyMethodDef batch_methods[] = {
    {"links", (PyCFunction)batch_py_links, METH_O,
     PyDoc_STR("links($self, name, /)\n--\n\nThe numbers of the objects that a pointer field "
               "refers to, as array.array('q'):\n"
               "-1 nil or a dead object's, -2 an object that is not of the batch.")},
    {"values", (PyCFunction)batch_py_values, METH_O,
     PyDoc_STR("values($self, name, /)\n--\n\nA field of numbers as an array.array, one per "
               "object; 0 for dead objects.")},
    {"fill", (PyCFunction)(void (*)(void))batch_py_fill, METH_FASTCALL,
     PyDoc_STR("fill($self, name, buffer, /)\n--\n\nSets a field of numbers of all objects that "
               "live; all values must fit (RangeError).")},
    {"alive", (PyCFunction)batch_py_alive, METH_NOARGS,
     PyDoc_STR(
         "alive($self, /)\n--\n\nbytes, one per object: 1, or 0 if a collection found it dead.")},
    {"__reduce_ex__", (PyCFunction)batch_no_copy, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};
static PyMemberDef batch_members[] = {
    {"roots", T_OBJECT, offsetof(struct batch_object, roots), READONLY,
     "list of the references that keep the roots alive; yours to change"},
    {NULL, 0, 0, 0, NULL},
};
static PyType_Slot batch_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Objects made by heap.build: a weak list. batch[i] is a Ref (a "
                                  "Slice where counts were given), or raises\n"
                                  "StaleReferenceError if the object is dead.")},
    {Py_tp_dealloc, batch_dealloc},
    {Py_tp_repr, batch_repr},
    {Py_tp_methods, batch_methods},
    {Py_tp_members, batch_members},
    {Py_sq_length, batch_length},
    {Py_sq_item, batch_item},
    {Py_mp_length, batch_length},
    {Py_tp_iter, row_iter},
    {Py_mp_subscript, batch_subscript},
    {0, NULL},
};
static PyType_Spec batch_spec = {
    .name = "gcsim._core.Batch",
    .basicsize = sizeof(struct batch_object),
    .slots = batch_slots,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
};

static int batches_init(PyObject *module, struct bind_state *state)
{
    return type_add(module, state, TYPE_BATCH, &batch_spec);
}
