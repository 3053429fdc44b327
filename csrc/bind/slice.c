// Slice and Array: rows of elements in a heap.
//
// Both are one C type, a *row*: a rooted pointer to elements, a length, a capacity. A Slice is a Go slice header as an immutable value;
// what it points to is shared with every slice cut from it. An Array is a view of an array where it lies, in a field, say; it keeps the
// whole object. Rows of numbers are buffers: memoryview(row) and NumPy see the heap's own memory, and the heap cannot be closed meanwhile.
#include "bind/bind.h"

#include "lib/slice.c"
#include "lib/string.c"

#include "bind/stage.c"

struct row_object {
    PyObject_HEAD struct heap_object *heap; // strong
    struct type_object *elem;               // strong
    struct type_object *array;              // strong: the array type; NULL in a Slice
    gcsim_handle *handle;                   // root of the elements; NULL if s.ptr is
    struct slice s;                         // in an Array len = cap
};

static PyTypeObject *row_class(struct bind_state *state, bool is_array)
{
    return state->types[is_array ? TYPE_ARRAY : TYPE_SLICE];
}
static bool is_row(struct bind_state *state, PyObject *o)
{
    return Py_IS_TYPE(o, row_class(state, false)) || Py_IS_TYPE(o, row_class(state, true));
}

// Takes over the handle, also when it fails.
static PyObject *row_make(struct heap_object *h, struct type_object *elem,
                          struct type_object *array, struct slice s, gcsim_handle *handle)
{
    PyTypeObject *cls = row_class(h->state, array != NULL);
    struct row_object *row = (struct row_object *)cls->tp_alloc(cls, 0);
    if (!row) {
        if (handle)
            heap_unroot(h, handle);
        return NULL;
    }
    row->heap = (struct heap_object *)Py_NewRef(h);
    row->elem = (struct type_object *)Py_NewRef(elem);
    row->array = (struct type_object *)Py_XNewRef(array);
    row->s = s;
    row->handle = handle;
    if (heap_born(h, row) < 0)
        Py_CLEAR(row);
    return (PyObject *)row;
}

// A row over elements that are reachable now and stay so.
static PyObject *row_over(struct heap_object *h, struct type_object *elem,
                          struct type_object *array, struct slice s)
{
    gcsim_handle *handle = s.ptr ? heap_root(h, s.ptr) : NULL;
    return handle || !s.ptr ? row_make(h, elem, array, s, handle) : NULL;
}

static void row_dealloc(struct row_object *row)
{
    PyTypeObject *tp = Py_TYPE(row);
    heap_died(row->heap, row, row->handle);
    if (row->handle)
        heap_unroot(row->heap, row->handle);
    Py_XDECREF(row->elem);
    Py_XDECREF(row->array);
    Py_XDECREF(row->heap);
    tp->tp_free(row);
    Py_DECREF(tp);
}

// --- elements

static Py_ssize_t row_length(struct row_object *row) { return row->s.len; }

static char *row_at(struct row_object *row, int64_t i)
{
    return slice_at(row->s, row->elem->bytes, i);
}

static const char *row_type_name(struct row_object *row)
{
    return type_name(row->array ? row->array : row->elem);
}

static PyObject *row_item(struct row_object *row, Py_ssize_t i)
{
    if (i < 0 || i >= row->s.len)
        return raise_named(row->heap->state, "BoundsError",
                           "index %zd lies outside a %s of length %lld", i,
                           row->array ? "array" : "slice", (long long)row->s.len);
    return value_get(row->heap, row->elem, row_at(row, i));
}

static int row_index(struct row_object *row, PyObject *key, Py_ssize_t *out)
{
    Py_ssize_t i = PyNumber_AsSsize_t(key, PyExc_IndexError);
    if (i == -1 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_IndexError))
            return -1;
        PyErr_Clear();
        i = PY_SSIZE_T_MIN; // far outside, whatever its sign
    } else if (i < 0) {
        i += row->s.len;
    }
    if (i >= 0 && i < row->s.len) {
        *out = i;
        return 0;
    }
    raise_named(row->heap->state, "BoundsError", "index %R lies outside %s %s of length %lld", key,
                row->array ? "the array" : "a slice of", row_type_name(row), (long long)row->s.len);
    return -1;
}

static PyObject *row_cut(struct row_object *row, int64_t from, int64_t to, int64_t max)
{
    if (heap_check_open(row->heap) < 0)
        return NULL;
    return row_over(row->heap, row->elem, NULL, slice_cut(row->s, row->elem->bytes, from, to, max));
}

// Python's meaning: ends are clipped to the length, negative ones count from it. The result reaches to the same capacity, as Go's.
static int row_range(struct row_object *row, PyObject *key, Py_ssize_t *from, Py_ssize_t *to)
{
    Py_ssize_t step;
    if (PySlice_Unpack(key, from, to, &step) < 0)
        return -1;
    if (step != 1) {
        bind_raise(row->heap->state, ERR_CONVERSION, "a slice of Go has no step");
        return -1;
    }
    PySlice_AdjustIndices(row->s.len, from, to, step);
    if (*to < *from)
        *to = *from;
    return 0;
}

static PyObject *row_subscript(struct row_object *row, PyObject *key)
{
    Py_ssize_t i, to;
    if (PySlice_Check(key))
        return row_range(row, key, &i, &to) < 0 ? NULL : row_cut(row, i, to, row->s.cap);
    if (!PyIndex_Check(key))
        return bind_raise(row->heap->state, ERR_CONVERSION, "an index is an int or a slice, not %s",
                          Py_TYPE(key)->tp_name);
    return row_index(row, key, &i) < 0 ? NULL : value_get(row->heap, row->elem, row_at(row, i));
}

// --- stores

// Copies elements of `type`; 0 or -1.
static int elements_copy(struct heap_object *h, struct type_object *type, struct slice to,
                         struct slice from)
{
    uint64_t each;
    const gcsim_type *t =
        heap_check_own(h, "store into it") == 0 && heap_check_writable(h, to.ptr) == 0
            ? elements_type(h, type, &each)
            : NULL;
    gcsim_mutator *m = t ? heap_enter(h) : NULL;
    if (!m)
        return -1;
    if (type->bytes) {
        to.len *= (int64_t)each;
        from.len *= (int64_t)each;
        slice_copy(m, t, to, from);
    }
    heap_leave(h, m);
    return 0;
}

// Memory for n elements of `type`, zeroed and rooted; NULL with an error.
static gcsim_handle *elements_allocate(struct heap_object *h, struct type_object *type, int64_t n)
{
    uint64_t each, count;
    const gcsim_type *t = elements_type(h, type, &each);
    if (!t)
        return NULL;
    if (__builtin_mul_overflow((uint64_t)n, each, &count))
        return bind_raise(h->state, ERR_RANGE, "%lld elements of %s are too many", (long long)n,
                          type_name(type));
    return heap_allocate(h, t, true, type->bytes ? count : 0);
}

static bool row_fits(struct row_object *row, PyObject *value)
{
    struct row_object *source = (struct row_object *)value;
    return is_row(row->heap->state, value) && source->heap == row->heap &&
           source->elem == row->elem;
}

static int row_refuse_length(struct row_object *row, int64_t want, int64_t got)
{
    bind_raise(row->heap->state, ERR_RANGE,
               "%lld elements take %lld values, not %lld: a slice assignment does not resize",
               (long long)want, (long long)want, (long long)got);
    return -1;
}

static int row_assign_range(struct row_object *row, Py_ssize_t from, Py_ssize_t to, PyObject *value)
{
    struct slice target = {row_at(row, from), to - from, to - from};
    if (row_fits(row, value)) {
        struct row_object *source = (struct row_object *)value;
        return source->s.len != target.len ? row_refuse_length(row, target.len, source->s.len)
                                           : elements_copy(row->heap, row->elem, target, source->s);
    }
    PyObject *values = PySequence_Tuple(value);
    if (!values) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Clear();
            bind_raise(row->heap->state, ERR_CONVERSION,
                       "a range of elements takes a slice of %s or values, not %s",
                       type_name(row->elem), Py_TYPE(value)->tp_name);
        }
        return -1;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(values);
    int result = n != target.len ? row_refuse_length(row, target.len, n)
                                 : values_store(row->heap, row->elem, target.ptr,
                                                &PyTuple_GET_ITEM(values, 0), n);
    Py_DECREF(values);
    return result;
}

static int row_ass_subscript(struct row_object *row, PyObject *key, PyObject *value)
{
    Py_ssize_t i, to;
    struct bind_state *state = row->heap->state;
    if (!value) {
        bind_raise(state, ERR_CONVERSION, "elements of %s cannot be deleted",
                   row->array ? "an array" : "a slice");
        return -1;
    }
    if (PySlice_Check(key))
        return row_range(row, key, &i, &to) < 0 ? -1 : row_assign_range(row, i, to, value);
    if (!PyIndex_Check(key)) {
        bind_raise(state, ERR_CONVERSION, "an index is an int or a slice, not %s",
                   Py_TYPE(key)->tp_name);
        return -1;
    }
    if (row_index(row, key, &i) < 0)
        return -1;
    return value_set(row->heap, row->elem, row_at(row, i), value);
}

// --- methods of Slice

// reslice(from=0, to=len, max=cap): Go's s[from:to:max].
static PyObject *slice_reslice(struct row_object *row, PyObject *const *args, Py_ssize_t nargs)
{
    struct bind_state *state = row->heap->state;
    int64_t bound[3] = {0, row->s.len, row->s.cap};
    static const char *const names[] = {"from", "to", "max"};
    if (nargs > 3)
        return bind_raise(state, ERR_CONVERSION,
                          "reslice takes from, to and max, not %zd arguments", nargs);
    for (Py_ssize_t i = 0; i < nargs; i++)
        if (args[i] != Py_None && count_from_python(state, names[i], args[i], &bound[i]) < 0) {
            if (!PyErr_ExceptionMatches(state->errors[ERR_RANGE]))
                return NULL;
            PyErr_Clear();
            return raise_named(state, "BoundsError", "slice bound %s is %R, with capacity %lld",
                               names[i], args[i], (long long)row->s.cap);
        }
    if (!slice_bounds_ok(row->s, bound[0], bound[1], bound[2]))
        return raise_named(state, "BoundsError", "slice bounds [%lld:%lld:%lld] with capacity %lld",
                           (long long)bound[0], (long long)bound[1], (long long)bound[2],
                           (long long)row->s.cap);
    return row_cut(row, bound[0], bound[1], bound[2]);
}

// Room for n more elements: the header that append returns, its array rooted by *handle, the old elements in it.
static int row_extend(struct row_object *row, int64_t n, struct slice *out, gcsim_handle **handle)
{
    struct heap_object *h = row->heap;
    struct type_object *elem = row->elem;
    int64_t len, cap;
    bool fits = !__builtin_add_overflow(row->s.len, n, &len);
    if (fits && len <= row->s.cap) {
        *out = (struct slice){row->s.ptr, len, row->s.cap};
        return row->s.ptr && !(*handle = heap_root(h, row->s.ptr)) ? -1 : 0;
    }
    if (!fits || !slice_grown_cap(elem->bytes, elem->ptr_bytes == 0, len, row->s.cap, &cap)) {
        bind_raise(h->state, ERR_RANGE, "a slice of %s cannot be that long", type_name(elem));
        return -1;
    }
    if (!(*handle = elements_allocate(h, elem, cap)))
        return -1;
    *out = (struct slice){(*handle)->ptr, len, cap};
    if (elements_copy(h, elem, *out, row->s) == 0)
        return 0;
    heap_unroot(h, *handle);
    return -1;
}

static PyObject *slice_append_staged(struct row_object *row, struct stage *stage, Py_ssize_t n)
{
    struct heap_object *h = row->heap;
    gcsim_handle *handle = NULL;
    struct slice s;
    if (heap_check_own(h, "append") < 0 || row_extend(row, n, &s, &handle) < 0)
        return NULL;
    gcsim_mutator *m = heap_check_writable(h, s.ptr) == 0 ? heap_enter(h) : NULL;
    if (!m) {
        if (handle)
            heap_unroot(h, handle);
        return NULL;
    }
    stage_write(stage, m, slice_at(s, row->elem->bytes, row->s.len));
    heap_leave(h, m);
    return row_make(h, row->elem, NULL, s, handle);
}

// One number or pointer for which there is room: converted, then written and rooted in one go.
static PyObject *slice_append_one(struct row_object *row, PyObject *value)
{
    struct heap_object *h = row->heap;
    struct type_object *elem = row->elem;
    bool is_pointer = elem->kind == GCSIM_KIND_POINTER;
    struct scalar scalar;
    void *p = NULL;
    if (is_pointer ? !elem->elem || ref_address_for(h, elem->elem, value, &p) < 0
                   : scalar_convert(h->state, elem, value, &scalar) < 0)
        return NULL;
    gcsim_mutator *m = heap_check_own(h, "append") == 0 && heap_check_writable(h, row->s.ptr) == 0
                           ? heap_enter(h)
                           : NULL;
    if (!m)
        return NULL;
    char *at = row_at(row, row->s.len);
    gcsim_handle *handle = h->api->handle_new(m, row->s.ptr);
    if (handle && is_pointer)
        gcsim_store(m, at, p);
    else if (handle)
        scalar_write(elem->kind, at, &scalar);
    gcsim_status status = m->status;
    heap_leave(h, m);
    struct slice s = {row->s.ptr, row->s.len + 1, row->s.cap};
    return handle ? row_make(h, elem, NULL, s, handle) : ref_no_handle(h, status);
}

static PyObject *slice_py_append(struct row_object *row, PyObject *const *args, Py_ssize_t nargs)
{
    uint32_t kind = row->elem->kind;
    if (heap_check_own(row->heap, "append") < 0)
        return NULL;
    if (nargs == 1 && row->s.len < row->s.cap &&
        (is_scalar(kind) || (kind == GCSIM_KIND_POINTER && row->elem->elem)))
        return slice_append_one(row, args[0]);
    if (nargs == 0)
        return Py_NewRef(row);
    struct stage stage = {.heap = row->heap};
    PyObject *result = stage_values(&stage, row->elem, args, nargs) == 0
                           ? slice_append_staged(row, &stage, nargs)
                           : NULL;
    stage_drop(&stage);
    return result;
}

// Moves what lies behind `at` up by n and writes the staged values there, in one go: none of them may be lost on its way.
static int row_write_inserted(struct row_object *row, struct slice s, int64_t at, int64_t n,
                              struct stage *stage)
{
    struct heap_object *h = row->heap;
    uint64_t each, bytes = row->elem->bytes;
    const gcsim_type *t = elements_type(h, row->elem, &each);
    gcsim_mutator *m = t && heap_check_own(h, "insert") == 0 && heap_check_writable(h, s.ptr) == 0
                           ? heap_enter(h)
                           : NULL;
    if (!m)
        return -1;
    stage_take_copies(stage);
    int64_t moved = (row->s.len - at) * (int64_t)each;
    if (bytes)
        slice_copy(m, t, (struct slice){slice_at(s, bytes, at + n), moved, moved},
                   (struct slice){slice_at(s, bytes, at), moved, moved});
    stage_write(stage, m, slice_at(s, bytes, at));
    heap_leave(h, m);
    return 0;
}

// insert(at, *values): Go's slices.Insert. A negative `at` counts from the end.
static PyObject *slice_py_insert(struct row_object *row, PyObject *const *args, Py_ssize_t nargs)
{
    struct heap_object *h = row->heap;
    int64_t at;
    if (heap_check_own(h, "insert") < 0)
        return NULL;
    if (nargs == 0)
        return bind_raise(h->state, ERR_CONVERSION, "insert takes an index and values");
    Py_ssize_t given = PyNumber_AsSsize_t(args[0], NULL); // clipped: far outside
    if (given == -1 && PyErr_Occurred())
        return PyErr_ExceptionMatches(PyExc_TypeError)
                   ? (PyErr_Clear(),
                      bind_raise(h->state, ERR_CONVERSION, "an index is an int, not %s",
                                 Py_TYPE(args[0])->tp_name))
                   : NULL;
    at = given < 0 ? given + row->s.len : given;
    if (at < 0 || at > row->s.len)
        return raise_named(h->state, "BoundsError",
                           "values cannot be inserted at %R into a slice of %s of length %lld",
                           args[0], row_type_name(row), (long long)row->s.len);
    if (--nargs == 0)
        return Py_NewRef(row);
    struct stage stage = {.heap = h};
    struct slice s;
    gcsim_handle *handle = NULL;
    PyObject *result = NULL;
    if (stage_values(&stage, row->elem, args + 1, nargs) == 0 && stage_make_room(&stage, 1) == 0 &&
        heap_check_own(h, "insert") == 0 && row_extend(row, nargs, &s, &handle) == 0) {
        if (row_write_inserted(row, s, at, nargs, &stage) == 0)
            result = row_make(h, row->elem, NULL, s, handle);
        else if (handle)
            heap_unroot(h, handle);
    }
    stage_drop(&stage);
    return heap_then(h, result);
}

// grow(n): Go's slices.Grow. What lies between length and capacity comes along.
static PyObject *slice_py_grow(struct row_object *row, PyObject *value)
{
    struct heap_object *h = row->heap;
    gcsim_handle *handle = NULL;
    struct slice s;
    int64_t n, len = row->s.len;
    if (count_from_python(h->state, "the number of elements", value, &n) < 0 ||
        heap_check_own(h, "grow it") < 0)
        return NULL;
    if (n <= row->s.cap - len)
        return Py_NewRef(row);
    struct row_object whole = *row; // as append(s[:cap], ...) sees it
    whole.s.len = row->s.cap;
    if (row_extend(&whole, n - (row->s.cap - len), &s, &handle) < 0)
        return NULL;
    s.len = len;
    return heap_then(h, row_make(h, row->elem, NULL, s, handle));
}

// clear(): Go's clear(s).
static PyObject *row_py_clear(struct row_object *row, PyObject *Py_UNUSED(unused))
{
    struct heap_object *h = row->heap;
    uint64_t each;
    const gcsim_type *t =
        heap_check_own(h, "clear it") == 0 && heap_check_writable(h, row->s.ptr) == 0
            ? elements_type(h, row->elem, &each)
            : NULL;
    gcsim_mutator *m = t ? heap_enter(h) : NULL;
    if (!m)
        return NULL;
    if (row->elem->bytes) {
        int64_t n = row->s.len * (int64_t)each;
        slice_clear(m, t, (struct slice){row->s.ptr, n, n});
    }
    heap_leave(h, m);
    Py_RETURN_NONE;
}

// index(value, start=0, stop=len), as collections.abc.Sequence has it.
static PyObject *row_py_index(struct row_object *row, PyObject *const *args, Py_ssize_t nargs)
{
    Py_ssize_t bound[2] = {0, PY_SSIZE_T_MAX};
    if (nargs < 1 || nargs > 3)
        return bind_raise(row->heap->state, ERR_CONVERSION,
                          "index takes a value, start and stop, not %zd arguments", nargs);
    for (Py_ssize_t i = 1; i < nargs; i++) {
        if (args[i] == Py_None)
            continue;
        bound[i - 1] = PyNumber_AsSsize_t(args[i], NULL); // clipped
        if (bound[i - 1] == -1 && PyErr_Occurred())
            return NULL;
    }
    PySlice_AdjustIndices(row->s.len, &bound[0], &bound[1], 1);
    for (Py_ssize_t i = bound[0]; i < bound[1]; i++) {
        PyObject *item = row_item(row, i);
        int equal = item ? PyObject_RichCompareBool(item, args[0], Py_EQ) : -1;
        Py_XDECREF(item);
        if (equal)
            return equal < 0 ? NULL : PyLong_FromSsize_t(i);
    }
    PyErr_Format(PyExc_ValueError, "%R is not in the %s", args[0], row->array ? "array" : "slice");
    return NULL;
}
static PyObject *row_py_count(PyObject *row, PyObject *value)
{
    Py_ssize_t n = PySequence_Count(row, value);
    return n < 0 ? NULL : PyLong_FromSsize_t(n);
}

// copy_from(source): Go's copy. Returns how many.
static PyObject *slice_copy_from(struct row_object *row, PyObject *source)
{
    if (!row_fits(row, source))
        return bind_raise(row->heap->state, ERR_CONVERSION,
                          "copy_from takes a slice or array of %s of this heap, not %s",
                          type_name(row->elem), Py_TYPE(source)->tp_name);
    int64_t n = row->s.len, m = ((struct row_object *)source)->s.len;
    return elements_copy(row->heap, row->elem, row->s, ((struct row_object *)source)->s) < 0
               ? NULL
               : PyLong_FromLongLong(n < m ? n : m);
}

static PyObject *row_no_copy(struct row_object *row, PyObject *Py_UNUSED(unused))
{
    return bind_raise(row->heap->state, ERR_CONVERSION,
                      "a %s lives on its heap and cannot be pickled or copied deeply; list(...) or "
                      "heap.snapshot() give values that can",
                      row->array ? "gcsim.Array" : "gcsim.Slice");
}

static PyObject *row_iter(PyObject *self) { return PySeqIter_New(self); }
static PyObject *slice_same(PyObject *self, PyObject *Py_UNUSED(unused)) { return Py_NewRef(self); }

static PyObject *row_cap(struct row_object *row, void *Py_UNUSED(closure))
{
    return PyLong_FromLongLong(row->s.cap);
}
static PyObject *row_address(struct row_object *row, void *Py_UNUSED(closure))
{
    return PyLong_FromVoidPtr(row->s.ptr);
}
static PyObject *row_elem(struct row_object *row, void *Py_UNUSED(closure))
{
    return bind_attribute((PyObject *)row->elem, "info");
}

// --- comparison and repr

static bool row_same(struct row_object *a, struct row_object *b)
{
    return a->heap == b->heap && a->elem == b->elem && a->s.ptr == b->s.ptr &&
           a->s.len == b->s.len && a->s.cap == b->s.cap;
}

// Slices are equal if their headers are: Go does not compare what they hold.
static PyObject *slice_richcompare(PyObject *a, PyObject *b, int op)
{
    if ((op != Py_EQ && op != Py_NE) || Py_TYPE(a) != Py_TYPE(b))
        Py_RETURN_NOTIMPLEMENTED;
    return PyBool_FromLong(row_same((struct row_object *)a, (struct row_object *)b) ==
                           (op == Py_EQ));
}

static Py_hash_t slice_hash(struct row_object *row)
{
    return address_hash(row->heap, (char *)row->s.ptr + 8 * row->s.len);
}

// Arrays are equal if their elements are, as in Go; also to a list or tuple of the same values.
static PyObject *array_richcompare(PyObject *a, PyObject *b, int op)
{
    bool comparable = Py_TYPE(a) == Py_TYPE(b) || PyList_Check(b) || PyTuple_Check(b);
    if ((op != Py_EQ && op != Py_NE) || !comparable)
        Py_RETURN_NOTIMPLEMENTED;
    PyObject *x = PySequence_List(a), *y = x ? PySequence_List(b) : NULL;
    PyObject *result = y ? PyObject_RichCompare(x, y, op) : NULL;
    Py_XDECREF(x);
    Py_XDECREF(y);
    return result;
}

// The first few elements, without making Refs; NULL without an error if they cannot be shown.
static PyObject *row_shown(struct row_object *row)
{
    enum { SHOWN = 8 };
    PyObject *text = PyUnicode_FromString("");
    for (int64_t i = 0; text && i < row->s.len && i <= SHOWN; i++) {
        PyObject *value = i < SHOWN ? repr_value(row->heap, row->elem, row_at(row, i))
                                    : PyUnicode_FromString("...");
        Py_SETREF(text, value ? PyUnicode_FromFormat("%U%s%U", text, i ? ", " : "", value) : NULL);
        Py_XDECREF(value);
    }
    if (!text)
        PyErr_Clear();
    return text;
}

static PyObject *row_repr(struct row_object *row)
{
    const char *name = row_type_name(row), *brackets = row->array ? "" : "[]";
    if (!row->heap->heap)
        return PyUnicode_FromFormat("<%s%s of a closed heap>", brackets, name);
    PyObject *shown = row_shown(row);
    PyObject *text;
    if (row->array)
        text = PyUnicode_FromFormat("<%s at %p: [%V]>", name, row->s.ptr, shown, "?");
    else
        text = PyUnicode_FromFormat("<[]%s at %p, len %lld, cap %lld: [%V]>", name, row->s.ptr,
                                    (long long)row->s.len, (long long)row->s.cap, shown, "?");
    Py_XDECREF(shown);
    return text;
}

// --- the buffer protocol

static const char *const buffer_formats[] = {
    [GCSIM_KIND_BOOL] = "?",       [GCSIM_KIND_INT8] = "b",        [GCSIM_KIND_INT16] = "h",
    [GCSIM_KIND_INT32] = "i",      [GCSIM_KIND_INT64] = "q",       [GCSIM_KIND_UINT8] = "B",
    [GCSIM_KIND_UINT16] = "H",     [GCSIM_KIND_UINT32] = "I",      [GCSIM_KIND_UINT64] = "Q",
    [GCSIM_KIND_UINTPTR] = "Q",    [GCSIM_KIND_FLOAT32] = "f",     [GCSIM_KIND_FLOAT64] = "d",
    [GCSIM_KIND_COMPLEX64] = "Zf", [GCSIM_KIND_COMPLEX128] = "Zd",
};

// Shape of a row of (arrays of) numbers, outermost first; returns their type, NULL with an error if there are no numbers.
static struct type_object *buffer_shape(struct row_object *row, Py_ssize_t shape[PyBUF_MAX_NDIM],
                                        int *ndim)
{
    struct type_object *t = row->elem;
    shape[0] = row->s.len;
    for (*ndim = 1; t && t->kind == GCSIM_KIND_ARRAY && *ndim < PyBUF_MAX_NDIM; t = type_elem(t))
        shape[(*ndim)++] = (Py_ssize_t)t->count;
    if (t && !is_scalar(t->kind))
        return bind_raise(row->heap->state, ERR_CONVERSION,
                          "elements of type %s are no numbers, so they make no buffer",
                          type_name(row->elem));
    return t;
}

static int row_getbuffer(struct row_object *row, Py_buffer *view, int flags)
{
    static char nowhere[16]; // what an empty buffer points to
    Py_ssize_t shape[PyBUF_MAX_NDIM];
    int ndim;
    view->obj = NULL;
    struct type_object *t =
        heap_check_open(row->heap) == 0 ? buffer_shape(row, shape, &ndim) : NULL;
    if (!t)
        return -1;
    if (heap_check_open(row->heap) < 0) // naming the element type can run Python code
        return -1;
    if (ndim > 1 && (flags & PyBUF_F_CONTIGUOUS) == PyBUF_F_CONTIGUOUS) {
        bind_raise(row->heap->state, ERR_CONVERSION,
                   "rows of arrays are contiguous in C's order only");
        return -1;
    }
    bool read_only = heap_is_read_only(row->heap, row->s.ptr);
    if (read_only && flags & PyBUF_WRITABLE) {
        PyErr_SetString(PyExc_BufferError, "the file is mapped for reading");
        return -1;
    }
    Py_ssize_t *dims = PyMem_New(Py_ssize_t, 2 * (size_t)ndim);
    if (!dims) {
        PyErr_NoMemory();
        return -1;
    }
    Py_ssize_t bytes = (Py_ssize_t)t->bytes;
    for (int i = ndim; i-- > 0;) {
        dims[i] = shape[i];
        dims[ndim + i] = bytes;
        bytes *= shape[i];
    }
    *view = (Py_buffer){.buf = row->s.ptr && bytes ? row->s.ptr : nowhere,
                        .obj = Py_NewRef(row),
                        .len = bytes,
                        .itemsize = (Py_ssize_t)t->bytes,
                        .ndim = ndim,
                        .readonly = read_only,
                        .format = flags & PyBUF_FORMAT ? (char *)buffer_formats[t->kind] : NULL,
                        .shape = flags & PyBUF_ND ? dims : NULL,
                        .strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? dims + ndim : NULL,
                        .internal = dims};
    row->heap->exports++;
    return 0;
}

static void row_releasebuffer(struct row_object *row, Py_buffer *view)
{
    PyMem_Free(view->internal);
    row->heap->exports--;
}

// --- slices in memory

// []byte as bytes: a copy. Nil reads as b"".
static PyObject *bytes_get(struct heap_object *h, void *address)
{
    const char *p = GCSIM_LOAD((const char **)address);
    int64_t n = GCSIM_LOAD((int64_t *)address + 1);
    return heap_check_open(h) < 0 ? NULL : PyBytes_FromStringAndSize(p, p ? (Py_ssize_t)n : 0);
}

BIND PyObject *slice_get(struct heap_object *h, struct type_object *slice_type, void *address)
{
    if (slice_type->is_bytes)
        return bytes_get(h, address);
    struct type_object *elem = type_elem(slice_type);
    gcsim_mutator *m = elem ? heap_enter(h) : NULL;
    if (!m)
        return NULL;
    struct slice s = {GCSIM_LOAD((void **)address), GCSIM_LOAD((int64_t *)address + 1),
                      GCSIM_LOAD((int64_t *)address + 2)};
    gcsim_handle *handle = s.ptr ? h->api->handle_new(m, s.ptr) : NULL;
    gcsim_status status = m->status;
    heap_leave(h, m);
    if (!s.ptr)
        Py_RETURN_NONE;
    return handle ? row_make(h, elem, NULL, s, handle) : ref_no_handle(h, status);
}

static int slice_refused(struct heap_object *h, struct type_object *type, PyObject *value)
{
    if (Py_IS_TYPE(value, row_class(h->state, false)) && ((struct row_object *)value)->heap != h)
        bind_raise(h->state, ERR_WRONG_HEAP,
                   "the slice belongs to another heap; a heap's pointers stay inside it");
    else if (Py_IS_TYPE(value, row_class(h->state, false)))
        bind_raise(h->state, ERR_CONVERSION, "%s cannot hold a []%s", type_name(type),
                   row_type_name((struct row_object *)value));
    else
        bind_raise(h->state, ERR_CONVERSION, "%s takes a slice of this type or None, not %s",
                   type_name(type), Py_TYPE(value)->tp_name);
    return -1;
}

// The three words for a value: 0 or -1. Rooted by `value`, or by *handle if they were made here (bytes).
static int slice_words_for(struct heap_object *h, struct type_object *type, PyObject *value,
                           struct slice *out, gcsim_handle **handle)
{
    struct type_object *elem = type_elem(type), *byte = bind_byte_type(h->state);
    *out = (struct slice){0};
    *handle = NULL;
    if (!elem || !byte)
        return -1;
    if (value == Py_None)
        return 0;
    if (PyBytes_Check(value) && elem == byte) {
        const gcsim_type *t = heap_type(h, byte);
        Py_ssize_t n = PyBytes_GET_SIZE(value);
        if (!t || !(*handle = heap_allocate(h, t, true, (uint64_t)n)))
            return -1;
        memcpy((*handle)->ptr, PyBytes_AS_STRING(value), (size_t)n);
        *out = (struct slice){(*handle)->ptr, n, n};
        return 0;
    }
    struct row_object *row = (struct row_object *)value;
    if (!Py_IS_TYPE(value, row_class(h->state, false)) || row->heap != h || row->elem != elem)
        return slice_refused(h, type, value);
    *out = row->s;
    return 0;
}

BIND int slice_set(struct heap_object *h, struct type_object *slice_type, void *address,
                   PyObject *value)
{
    struct slice s;
    gcsim_handle *handle;
    if (heap_check_own(h, "store into it") < 0 ||
        slice_words_for(h, slice_type, value, &s, &handle) < 0)
        return -1;
    gcsim_mutator *m = heap_enter(h);
    if (m) {
        gcsim_store(m, address, s.ptr);
        GCSIM_STORE((int64_t *)address + 1, s.len);
        GCSIM_STORE((int64_t *)address + 2, s.cap);
        heap_leave(h, m);
    }
    if (handle)
        heap_unroot(h, handle);
    return m ? 0 : -1;
}

// --- arrays in memory

BIND PyObject *array_get(struct heap_object *h, struct type_object *array_type, void *address)
{
    gcsim_handle *handle =
        heap_root(h, address); // first: naming the element type can run Python code
    struct type_object *elem = handle ? type_elem(array_type) : NULL;
    if (!elem) {
        if (handle)
            heap_unroot(h, handle);
        return NULL;
    }
    int64_t n = (int64_t)array_type->count;
    return row_make(h, elem, array_type, (struct slice){address, n, n}, handle);
}

static void *array_address_for(struct heap_object *h, struct type_object *array_type,
                               PyObject *value)
{
    struct row_object *row = (struct row_object *)value;
    if (!Py_IS_TYPE(value, row_class(h->state, true)) || row->array != array_type)
        return NULL;
    if (row->heap != h)
        return bind_raise(h->state, ERR_WRONG_HEAP, "the array belongs to another heap");
    return row->s.ptr;
}

BIND int array_set(struct heap_object *h, struct type_object *array_type, void *address,
                   PyObject *value)
{
    PyObject *const values[] = {value};
    return values_store(h, array_type, address, values, 1);
}

// --- Heap.new_slice

static PyObject *heap_py_new_slice(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                   PyObject *kwnames)
{
    struct heap_object *h = (struct heap_object *)self;
    struct bind_state *state = h->state;
    PyObject *given[3] = {NULL, NULL, NULL};
    if (nargs > 3)
        return bind_raise(
            state, ERR_CONVERSION,
            "new_slice takes an element type, a length and a capacity, not %zd arguments", nargs);
    for (Py_ssize_t i = 0; i < nargs; i++)
        given[i] = args[i];
    for (Py_ssize_t i = 0; kwnames && i < PyTuple_GET_SIZE(kwnames); i++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, i);
        int at = PyUnicode_CompareWithASCIIString(name, "n") == 0     ? 1
                 : PyUnicode_CompareWithASCIIString(name, "cap") == 0 ? 2
                                                                      : 0;
        if (!at || given[at])
            return bind_raise(state, ERR_CONVERSION,
                              at ? "new_slice got %R twice" : "new_slice has no option %R", name);
        given[at] = args[nargs + i];
    }
    int64_t len = 0, cap;
    if (!given[0])
        return bind_raise(state, ERR_CONVERSION,
                          "new_slice takes an element type, a length and a capacity");
    if (given[1] && count_from_python(state, "the length", given[1], &len) < 0)
        return NULL;
    cap = len;
    if (given[2] && given[2] != Py_None &&
        count_from_python(state, "the capacity", given[2], &cap) < 0)
        return NULL;
    if (cap < len)
        return bind_raise(state, ERR_RANGE, "the capacity %lld is less than the length %lld",
                          (long long)cap, (long long)len);
    struct type_object *elem = type_from_python(state, given[0]);
    gcsim_handle *handle =
        elem && heap_check_own(h, "make a slice") == 0 ? elements_allocate(h, elem, cap) : NULL;
    PyObject *row =
        handle ? row_make(h, elem, NULL, (struct slice){handle->ptr, len, cap}, handle) : NULL;
    Py_XDECREF(elem);
    return heap_then(h, row);
}

// --- the two types

#define ROW_COMMON_METHODS                                                                         \
    {"__deepcopy__", (PyCFunction)row_no_copy, METH_O,                                             \
     PyDoc_STR("Raises: list(...) gives values.")},                                                \
        {"__reduce_ex__", (PyCFunction)row_no_copy, METH_O,                                        \
         PyDoc_STR("Raises: list(...) gives values.")},                                            \
        {"__copy__", slice_same, METH_NOARGS, PyDoc_STR("The same: it is a reference.")},          \
        {"clear", (PyCFunction)row_py_clear, METH_NOARGS,                                          \
         PyDoc_STR("clear($self, /)\n--\n\nZeroes all elements, as Go's clear: what they "         \
                   "pointed to is not kept any more.")},                                           \
        {"index", (PyCFunction)(void (*)(void))row_py_index, METH_FASTCALL,                        \
         PyDoc_STR("index($self, value, start=0, stop=None, /)\n--\n\nWhere the first equal "      \
                   "element is. ValueError "                                                       \
                   "if there is none.")},                                                          \
        {"count", row_py_count, METH_O,                                                            \
         PyDoc_STR("count($self, value, /)\n--\n\nHow many elements are equal to it.")},           \
    {                                                                                              \
        "copy_from", (PyCFunction)slice_copy_from, METH_O,                                         \
            PyDoc_STR("copy_from($self, source, /)\n--\n\nGo's copy(self, source): the shorter "   \
                      "length counts; returns it. Overlap is fine.")                               \
    }

static PyMethodDef slice_methods[] = {
    {"append", (PyCFunction)(void (*)(void))slice_py_append, METH_FASTCALL,
     PyDoc_STR("append($self, /, *values)\n--\n\nA new Slice with the values behind, as Go's "
               "append: it shares the array while that has room.")},
    {"insert", (PyCFunction)(void (*)(void))slice_py_insert, METH_FASTCALL,
     PyDoc_STR("insert($self, index, /, *values)\n--\n\nA new Slice with the values before an "
               "element, as Go's slices.Insert: in the same array while that has room. BoundsError "
               "outside 0 to len; a negative index counts from the end.")},
    {"grow", (PyCFunction)slice_py_grow, METH_O,
     PyDoc_STR(
         "grow($self, n, /)\n--\n\nA Slice of the same elements with room for n more, as Go's "
         "slices.Grow: itself if there is room, else a copy in a new array.")},
    {"reslice", (PyCFunction)(void (*)(void))slice_reslice, METH_FASTCALL,
     PyDoc_STR("reslice($self, start=0, stop=None, max=None, /)\n--\n\nGo's s[start:stop:max]: up "
               "to the capacity, BoundsError outside.")},
    ROW_COMMON_METHODS,
    {NULL, NULL, 0, NULL},
};
static PyMethodDef array_methods[] = {ROW_COMMON_METHODS, {NULL, NULL, 0, NULL}};
static PyGetSetDef slice_getset[] = {
    {"cap", (getter)row_cap, NULL, "elements up to the end of the array", NULL},
    {"address", (getter)row_address, NULL,
     "address of the first element, as gcsim.address tells it; 0 of a nil slice", NULL},
    {"elem", (getter)row_elem, NULL, "the TypeInfo of an element", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
#define ROW_SLOTS                                                                                  \
    {Py_tp_dealloc, row_dealloc}, {Py_tp_repr, row_repr}, {Py_tp_iter, row_iter},                  \
        {Py_sq_item, row_item}, {Py_sq_length, row_length}, {Py_mp_length, row_length},            \
        {Py_mp_subscript, row_subscript}, {Py_mp_ass_subscript, row_ass_subscript},                \
        {Py_bf_getbuffer, row_getbuffer}, {Py_bf_releasebuffer, row_releasebuffer},                \
    {                                                                                              \
        Py_tp_getset, slice_getset                                                                 \
    }

static PyType_Slot slice_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("A Go slice: pointer, length and capacity, as an immutable value "
                                  "that keeps its array alive.")},
    {Py_tp_methods, slice_methods},
    {Py_tp_richcompare, slice_richcompare},
    {Py_tp_hash, slice_hash},
    ROW_SLOTS,
    {0, NULL},
};
static PyType_Slot array_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("A view of a Go array where it lies; keeps the whole object "
                                  "alive. array[a:b] is a Slice of it.")},
    {Py_tp_methods, array_methods},
    {Py_tp_richcompare, array_richcompare},
    {Py_tp_hash, PyObject_HashNotImplemented},
    ROW_SLOTS,
    {0, NULL},
};
static PyType_Spec slice_spec = {
    .name = "gcsim._core.Slice",
    .basicsize = sizeof(struct row_object),
    .slots = slice_slots,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_SEQUENCE,
};
static PyType_Spec array_spec = {
    .name = "gcsim._core.Array",
    .basicsize = sizeof(struct row_object),
    .slots = array_slots,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_SEQUENCE,
};

// Makes a type of the binding and puts it into the module and the state.
static int type_add(PyObject *module, struct bind_state *state, enum bind_type which,
                    PyType_Spec *spec)
{
    state->types[which] = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    return state->types[which] ? PyModule_AddType(module, state->types[which]) : -1;
}

static int slices_init(PyObject *module, struct bind_state *state)
{
    return type_add(module, state, TYPE_SLICE, &slice_spec) < 0
               ? -1
               : type_add(module, state, TYPE_ARRAY, &array_spec);
}
