// Values converted, but not yet written: for everything that writes several values, or into memory that may move meanwhile.
//
// Converting can run Python code, which may do anything to the heap, and can fail half-way. So all values are converted first, into
// a *stage*; what a staged value refers to is rooted by the stage; then all are written in one go, without Python, and without fail.
#include "bind/bind.h"

#include "lib/slice.h"

struct staged {
    struct type_object *type;    // borrowed from the type of the whole
    uint64_t offset;             // from the address that stage_write is given
    const gcsim_type *heap_type; // of structs, or an array's elements, to copy
    uint64_t count;              // of those to copy
    PyObject *owner;             // strong: keeps what `as` points to
    gcsim_handle *handle;        // the same, for strings and []byte made here
    union {
        struct scalar scalar;
        void *from;         // pointer to store, or address to copy from
        struct slice slice; // also strings: cap unused
        struct iface iface;
    } as;
};

struct stage {
    struct heap_object *heap; // borrowed
    struct staged *items;
    size_t n, room;
    bool on_stack; // written to a frame: no barrier there
    char *raw;     // instead of items, for many scalars of one type: as they will lie in memory
    uint64_t raw_bytes;
    char *
        copies; // room for what structs and arrays are copied from: a value may lie where one before it is written
    bool copied; // they are there
};

static int slice_words_for(struct heap_object *h, struct type_object *type, PyObject *value,
                           struct slice *out, gcsim_handle **handle);
// The address of an Array view of exactly this type in heap h, or NULL without an error.
static void *array_address_for(struct heap_object *h, struct type_object *array_type,
                               PyObject *value);
static PyObject *raise_named(struct bind_state *state, const char *class_name, const char *format,
                             ...);

// Memory is allocated and copied by elements that are no arrays: the pointer mask of a long array would be as long. *count: how many
// of them make one `type`. NULL with an error.
static const gcsim_type *elements_type(struct heap_object *h, struct type_object *type,
                                       uint64_t *count)
{
    struct type_object *elem = array_element(type, count);
    return elem ? heap_type(h, elem) : NULL;
}

static void stage_drop(struct stage *stage)
{
    for (size_t i = 0; i < stage->n; i++) {
        Py_XDECREF(stage->items[i].owner);
        if (stage->items[i].handle)
            heap_unroot(stage->heap, stage->items[i].handle);
    }
    PyMem_Free(stage->items);
    PyMem_Free(stage->raw);
    PyMem_Free(stage->copies);
    *stage = (struct stage){.heap = stage->heap};
}

static struct staged *stage_slot(struct stage *stage, struct type_object *type, uint64_t offset)
{
    if (stage->n == stage->room) {
        size_t room = stage->room ? 2 * stage->room : 1;
        struct staged *items = PyMem_Resize(stage->items, struct staged, room);
        if (!items) {
            PyErr_NoMemory();
            return NULL;
        }
        stage->items = items;
        stage->room = room;
    }
    struct staged *item = &stage->items[stage->n++];
    *item = (struct staged){.type = type, .offset = offset};
    return item;
}

static int stage_struct(struct heap_object *h, struct staged *item, PyObject *value)
{
    if (ref_address_for(h, item->type, value, &item->as.from) < 0)
        return -1;
    if (!item->as.from) {
        bind_raise(h->state, ERR_CONVERSION,
                   "a %s by value takes a reference to one to copy, not None",
                   type_name(item->type));
        return -1;
    }
    item->count = 1;
    return (item->heap_type = heap_type(h, item->type)) ? 0 : -1;
}

static int stage_add(struct stage *stage, struct type_object *type, uint64_t offset,
                     PyObject *value);

// An array: a view of one to copy, or as many values.
static int stage_array(struct stage *stage, struct type_object *type, uint64_t offset,
                       PyObject *value)
{
    struct heap_object *h = stage->heap;
    struct type_object *elem = type_elem(type);
    uint64_t count;
    const gcsim_type *t = elem ? elements_type(h, type, &count) : NULL;
    if (!t)
        return -1;
    void *from = array_address_for(h, type, value);
    if (from) {
        struct staged *item = stage_slot(stage, type, offset);
        if (!item)
            return -1;
        item->as.from = from;
        item->heap_type = t;
        item->count = count;
        item->owner = Py_NewRef(value);
        return 0;
    }
    if (PyErr_Occurred())
        return -1;
    bool is_text =
        PyUnicode_Check(value) || (PyBytes_Check(value) && elem != bind_byte_type(h->state));
    PyObject *values = is_text ? NULL : PySequence_Tuple(value);
    if (!values) {
        if (is_text || PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Clear();
            bind_raise(h->state, ERR_CONVERSION,
                       "%s takes an array of this type or %llu values, not %s", type_name(type),
                       (unsigned long long)type->count, Py_TYPE(value)->tp_name);
        }
        return -1;
    }
    int result = 0;
    if ((uint64_t)PyTuple_GET_SIZE(values) != type->count) {
        bind_raise(h->state, ERR_RANGE, "%s takes %llu values, not %zd", type_name(type),
                   (unsigned long long)type->count, PyTuple_GET_SIZE(values));
        result = -1;
    }
    for (Py_ssize_t i = 0; result == 0 && i < PyTuple_GET_SIZE(values); i++)
        result =
            stage_add(stage, elem, offset + (uint64_t)i * elem->bytes, PyTuple_GET_ITEM(values, i));
    Py_DECREF(values);
    return result;
}

// Converts one value of `type`. 0, or -1 with an error; the stage is dropped by the caller either way.
static int stage_add(struct stage *stage, struct type_object *type, uint64_t offset,
                     PyObject *value)
{
    struct heap_object *h = stage->heap;
    struct staged *item, local = {.type = type, .offset = offset};
    PyObject *owner = NULL;
    uint64_t length;
    int result = -1;
    switch (type->kind) {
    case GCSIM_KIND_ARRAY:
        if (Py_EnterRecursiveCall(" while converting an array"))
            return -1;
        result = stage_array(stage, type, offset, value);
        Py_LeaveRecursiveCall();
        return result;
    case GCSIM_KIND_STRUCT:
        result = stage_struct(h, &local, value);
        break;
    case GCSIM_KIND_INTERFACE:
        result = iface_words(h, value, &local.as.iface, &owner);
        break;
    case GCSIM_KIND_SLICE:
        result = slice_words_for(h, type, value, &local.as.slice, &local.handle);
        break;
    case GCSIM_KIND_STRING:
        result = string_allocate(h, value, &local.handle, &length);
        local.as.slice = (struct slice){result == 0 && local.handle ? local.handle->ptr : NULL,
                                        (int64_t)length, 0};
        break;
    case GCSIM_KIND_POINTER: {
        struct type_object *elem = type_elem(type);
        result = elem ? ref_address_for(h, elem, value, &local.as.from) : -1;
        break;
    }
    case GCSIM_KIND_FUNC:
        result = func_word(h, value, &local.as.from);
        break;
    case GCSIM_KIND_MAP:
        result = map_address_for(h, type, value, &local.as.from);
        break;
    case GCSIM_KIND_CHAN:
    case BIND_KIND_UNSAFE_POINTER:
        if (value != Py_None)
            bind_raise(h->state, ERR_NOT_THERE, "%s takes only None (nil) in this version",
                       type_name(type));
        else
            result = 0;
        break;
    default:
        result = scalar_convert(h->state, type, value, &local.as.scalar);
        break;
    }
    if (result < 0 || !(item = stage_slot(stage, type, offset))) {
        if (local.handle)
            heap_unroot(h, local.handle);
        Py_XDECREF(owner);
        return -1;
    }
    *item = local;
    item->owner = owner ? owner : Py_NewRef(value);
    return 0;
}

// Bytes that an item is copied from; 0 for all but structs and arrays.
static uint64_t copied_bytes(const struct staged *item)
{
    bool copied = item->type->kind == GCSIM_KIND_STRUCT || item->type->kind == GCSIM_KIND_ARRAY;
    return copied ? item->heap_type->bytes * item->count : 0;
}

static int stage_make_room(struct stage *stage, size_t least)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < stage->n; i++)
        bytes += copied_bytes(&stage->items[i]);
    if (stage->n < least || !bytes || stage->copies)
        return 0;
    if (!(stage->copies = PyMem_Malloc((size_t)bytes)))
        PyErr_NoMemory();
    return stage->copies ? 0 : -1;
}

// Converts n values of `elem`, one behind the other.
static int stage_values(struct stage *stage, struct type_object *elem, PyObject *const *values,
                        Py_ssize_t n)
{
    if (is_scalar(elem->kind)) {
        stage->raw_bytes = (uint64_t)n * elem->bytes;
        if (!(stage->raw = PyMem_Malloc((size_t)stage->raw_bytes + 1))) {
            PyErr_NoMemory();
            return -1;
        }
        for (Py_ssize_t i = 0; i < n; i++)
            if (scalar_set(stage->heap->state, elem, stage->raw + (uint64_t)i * elem->bytes,
                           values[i]) < 0)
                return -1;
        return 0;
    }
    for (Py_ssize_t i = 0; i < n; i++)
        if (stage_add(stage, elem, (uint64_t)i * elem->bytes, values[i]) < 0)
            return -1;
    return stage_make_room(stage, 2);
}

// Go evaluates all values before it stores the first.
static void stage_take_copies(struct stage *stage)
{
    char *at = stage->copied ? NULL : stage->copies;
    stage->copied = true;
    for (size_t i = 0; at && i < stage->n; i++) {
        struct staged *item = &stage->items[i];
        uint64_t bytes = copied_bytes(item);
        if (!bytes)
            continue;
        memcpy(at, item->as.from, bytes);
        item->as.from = at;
        at += bytes;
    }
}

static inline void stage_put(const struct stage *stage, gcsim_mutator *m, void *slot, void *ptr)
{
    if (stage->on_stack)
        GCSIM_STORE((void **)slot, ptr);
    else
        gcsim_store(m, slot, ptr);
}

// Writes everything to `at`, which is alive. The mutator is inside; no Python here, and no failing.
static void stage_write(struct stage *stage, gcsim_mutator *m, char *at)
{
    if (stage->raw)
        memcpy(at, stage->raw, stage->raw_bytes);
    stage_take_copies(stage);
    for (size_t i = 0; i < stage->n; i++) {
        struct staged *item = &stage->items[i];
        void *to = at + item->offset;
        switch (item->type->kind) {
        case GCSIM_KIND_STRUCT:
        case GCSIM_KIND_ARRAY:
            m->api->copy(m, item->heap_type, to, item->as.from, item->count);
            break;
        case GCSIM_KIND_SLICE:
            GCSIM_STORE((int64_t *)to + 2, item->as.slice.cap); // fall through
        case GCSIM_KIND_STRING:
            stage_put(stage, m, to, item->as.slice.ptr);
            GCSIM_STORE((int64_t *)to + 1, item->as.slice.len);
            break;
        case GCSIM_KIND_INTERFACE: // a type lies outside the objects' address space: no barrier
            GCSIM_STORE((uintptr_t *)to, item->as.iface.type);
            stage_put(stage, m, (void **)to + 1, item->as.iface.data);
            break;
        default:
            if (is_scalar(item->type->kind))
                scalar_write(item->type->kind, to, &item->as.scalar);
            else
                stage_put(stage, m, to, item->as.from);
        }
    }
}

// Stage and write: n values at `at`, inside an object that the caller keeps. 0 or -1, and then nothing is written.
static int values_store(struct heap_object *h, struct type_object *elem, char *at,
                        PyObject *const *values, Py_ssize_t n)
{
    struct stage stage = {.heap = h};
    int result = heap_check_own(h, "store into it");
    if (result == 0)
        result = stage_values(&stage, elem, values, n);
    if (result == 0)
        result = heap_check_own(h, "store into it"); // again: conversions can close it
    if (result == 0)
        result = heap_check_writable(h, at);
    gcsim_mutator *m = result == 0 ? heap_enter(h) : NULL;
    if (m) {
        stage_write(&stage, m, at);
        heap_leave(h, m);
    }
    stage_drop(&stage);
    return m ? 0 : -1;
}

// Raises the class of this name of gcsim._errors, for errors that are too rare for a place in the state. Always NULL.
static PyObject *raise_named(struct bind_state *state, const char *class_name, const char *format,
                             ...)
{
    (void)state;
    va_list args;
    va_start(args, format);
    PyObject *text = PyUnicode_FromFormatV(format, args);
    va_end(args);
    PyObject *errors = text ? PyImport_ImportModule("gcsim._errors") : NULL;
    PyObject *cls = errors ? bind_attribute(errors, class_name) : NULL;
    if (cls)
        PyErr_SetObject(cls, text);
    Py_XDECREF(cls);
    Py_XDECREF(errors);
    Py_XDECREF(text);
    return NULL;
}

// An int argument within 0..INT64_MAX: 0 or -1 with RangeError or ConversionError naming `what`.
static int count_from_python(struct bind_state *state, const char *what, PyObject *value,
                             int64_t *out)
{
    PyObject *n = PyIndex_Check(value) ? PyNumber_Index(value) : NULL;
    if (!n) {
        if (!PyErr_Occurred())
            bind_raise(state, ERR_CONVERSION, "%s is an int, not %s", what,
                       Py_TYPE(value)->tp_name);
        return -1;
    }
    int overflow;
    *out = PyLong_AsLongLongAndOverflow(n, &overflow);
    Py_DECREF(n);
    if (!overflow && *out == -1 && PyErr_Occurred())
        return -1;
    if (overflow || *out < 0) {
        bind_raise(state, ERR_RANGE, "%s is %s", what, overflow > 0 ? "too large" : "negative");
        return -1;
    }
    return 0;
}
