// Go values as Python objects and back, by kind. Conversions are exact: a number that does not fit raises RangeError, a value of
// another sort ConversionError, and then nothing has been written.
//
// Words that the collector or another thread may look at are relaxed atomics. Reading needs no mutator, unless it makes a Ref;
// scalars are written without one (bind.h, law 5), pointers through the barrier.
#include "bind/bind.h"

#include "lib/iface.h"

#include <math.h>

static const char *const kind_words[] = {
    [GCSIM_KIND_BOOL] = "bool",           [GCSIM_KIND_INT8] = "int8",
    [GCSIM_KIND_INT16] = "int16",         [GCSIM_KIND_INT32] = "int32",
    [GCSIM_KIND_INT64] = "int64",         [GCSIM_KIND_UINT8] = "uint8",
    [GCSIM_KIND_UINT16] = "uint16",       [GCSIM_KIND_UINT32] = "uint32",
    [GCSIM_KIND_UINT64] = "uint64",       [GCSIM_KIND_UINTPTR] = "uintptr",
    [GCSIM_KIND_FLOAT32] = "float32",     [GCSIM_KIND_FLOAT64] = "float64",
    [GCSIM_KIND_COMPLEX64] = "complex64", [GCSIM_KIND_COMPLEX128] = "complex128",
};

#define AT(ctype, address) ((ctype *)(address))

// --- integers

// An int of value, new reference: itself, or what __index__ gives.
static PyObject *to_int(struct bind_state *state, uint32_t kind, PyObject *value)
{
    if (PyLong_Check(value))
        return Py_NewRef(value);
    PyObject *index = PyIndex_Check(value) ? PyNumber_Index(value) : NULL;
    if (!index && !PyErr_Occurred())
        bind_raise(state, ERR_CONVERSION, "%s takes an int, not %s", kind_words[kind],
                   Py_TYPE(value)->tp_name);
    return index;
}

BIND_COLD int int_out_of_range(struct bind_state *state, uint32_t kind, PyObject *value, int bits,
                               bool is_signed)
{
    PyErr_Clear();
    bool huge = true;
    int overflow = 0;
    if (PyLong_AsLongLongAndOverflow(value, &overflow) != -1 || !overflow)
        huge = false;
    PyErr_Clear();
    PyObject *shown = huge ? PyUnicode_FromString("a larger number") : PyObject_Str(value);
    if (!shown)
        return -1;
    if (is_signed)
        bind_raise(state, ERR_RANGE, "%s holds -2**%d to 2**%d - 1, not %U", kind_words[kind],
                   bits - 1, bits - 1, shown);
    else
        bind_raise(state, ERR_RANGE, "%s holds 0 to 2**%d - 1, not %U", kind_words[kind], bits,
                   shown);
    Py_DECREF(shown);
    return -1;
}

static int to_signed(struct bind_state *state, uint32_t kind, int bits, PyObject *value,
                     int64_t *out)
{
    PyObject *n = to_int(state, kind, value);
    if (!n)
        return -1;
    int overflow, result = 0;
    long long v = PyLong_AsLongLongAndOverflow(n, &overflow);
    if (v == -1 && !overflow && PyErr_Occurred())
        result = -1;
    else if (overflow || v > (long long)(UINT64_MAX >> (65 - bits)) ||
             v < -(long long)(UINT64_MAX >> (65 - bits)) - 1)
        result = int_out_of_range(state, kind, n, bits, true);
    Py_DECREF(n);
    *out = v;
    return result;
}

static int to_unsigned(struct bind_state *state, uint32_t kind, int bits, PyObject *value,
                       uint64_t *out)
{
    PyObject *n = to_int(state, kind, value);
    if (!n)
        return -1;
    int result = 0;
    unsigned long long v = PyLong_AsUnsignedLongLong(n);
    if (v == (unsigned long long)-1 && PyErr_Occurred())
        result = PyErr_ExceptionMatches(PyExc_OverflowError)
                     ? int_out_of_range(state, kind, n, bits, false)
                     : -1;
    else if (v > UINT64_MAX >> (64 - bits))
        result = int_out_of_range(state, kind, n, bits, false);
    Py_DECREF(n);
    *out = v;
    return result;
}

// --- floats and complex numbers

static int to_double(struct bind_state *state, uint32_t kind, PyObject *value, double *out)
{
    *out = PyFloat_AsDouble(value);
    if (*out != -1.0 || !PyErr_Occurred())
        return 0;
    if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
        PyErr_Clear();
        bind_raise(state, ERR_RANGE, "%s has no room for so large an int", kind_words[kind]);
    } else if (PyErr_ExceptionMatches(PyExc_TypeError)) {
        PyErr_Clear();
        bind_raise(state, ERR_CONVERSION, "%s takes a number, not %s", kind_words[kind],
                   Py_TYPE(value)->tp_name);
    }
    return -1;
}

static int to_float(struct bind_state *state, uint32_t kind, double value, float *out)
{
    *out = (float)value;
    if (!isinf(*out) || isinf(value))
        return 0;
    PyObject *shown = PyFloat_FromDouble(value);
    if (shown)
        bind_raise(state, ERR_RANGE, "%s has no room for %R", kind_words[kind], shown);
    Py_XDECREF(shown);
    return -1;
}

static int to_complex(struct bind_state *state, uint32_t kind, PyObject *value, Py_complex *out)
{
    *out = PyComplex_AsCComplex(value);
    if (out->real != -1.0 || !PyErr_Occurred())
        return 0;
    if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
        PyErr_Clear();
        bind_raise(state, ERR_RANGE, "%s has no room for so large an int", kind_words[kind]);
    } else if (PyErr_ExceptionMatches(PyExc_TypeError)) {
        PyErr_Clear();
        bind_raise(state, ERR_CONVERSION, "%s takes a number, not %s", kind_words[kind],
                   Py_TYPE(value)->tp_name);
    }
    return -1;
}

// --- scalars

BIND PyObject *scalar_get(struct type_object *type, const void *a)
{
    switch (type->kind) {
    case GCSIM_KIND_BOOL:
        return PyBool_FromLong(GCSIM_LOAD(AT(const uint8_t, a)) != 0);
    case GCSIM_KIND_INT8:
        return PyLong_FromLong(GCSIM_LOAD(AT(const int8_t, a)));
    case GCSIM_KIND_INT16:
        return PyLong_FromLong(GCSIM_LOAD(AT(const int16_t, a)));
    case GCSIM_KIND_INT32:
        return PyLong_FromLong(GCSIM_LOAD(AT(const int32_t, a)));
    case GCSIM_KIND_INT64:
        return PyLong_FromLongLong(GCSIM_LOAD(AT(const int64_t, a)));
    case GCSIM_KIND_UINT8:
        return PyLong_FromLong(GCSIM_LOAD(AT(const uint8_t, a)));
    case GCSIM_KIND_UINT16:
        return PyLong_FromLong(GCSIM_LOAD(AT(const uint16_t, a)));
    case GCSIM_KIND_UINT32:
        return PyLong_FromUnsignedLong(GCSIM_LOAD(AT(const uint32_t, a)));
    case GCSIM_KIND_UINT64:
    case GCSIM_KIND_UINTPTR:
        return PyLong_FromUnsignedLongLong(GCSIM_LOAD(AT(const uint64_t, a)));
    case GCSIM_KIND_FLOAT32:
        return PyFloat_FromDouble(*AT(const float, a));
    case GCSIM_KIND_FLOAT64:
        return PyFloat_FromDouble(*AT(const double, a));
    case GCSIM_KIND_COMPLEX64:
        return PyComplex_FromDoubles(AT(const float, a)[0], AT(const float, a)[1]);
    case GCSIM_KIND_COMPLEX128:
        return PyComplex_FromDoubles(AT(const double, a)[0], AT(const double, a)[1]);
    }
    return bind_raise(type->state, ERR_CONVERSION, "%s is not a number", type_name(type));
}

// A value converted, before it is written: the conversion can run Python code, which may do anything to the heap.
struct scalar {
    union {
        int64_t i;
        uint64_t u;
        double d;
        float f;
        Py_complex c;
        float c64[2];
    } as;
};

static int scalar_convert(struct bind_state *state, struct type_object *type, PyObject *value,
                          struct scalar *out)
{
    Py_complex c;
    double d;
    uint32_t kind = type->kind;
    switch (kind) {
    case GCSIM_KIND_BOOL:
        if (!PyBool_Check(value)) {
            bind_raise(state, ERR_CONVERSION, "bool takes True or False, not %s",
                       Py_TYPE(value)->tp_name);
            return -1;
        }
        out->as.u = value == Py_True;
        return 0;
    case GCSIM_KIND_INT8:
        return to_signed(state, kind, 8, value, &out->as.i);
    case GCSIM_KIND_INT16:
        return to_signed(state, kind, 16, value, &out->as.i);
    case GCSIM_KIND_INT32:
        return to_signed(state, kind, 32, value, &out->as.i);
    case GCSIM_KIND_INT64:
        return to_signed(state, kind, 64, value, &out->as.i);
    case GCSIM_KIND_UINT8:
        return to_unsigned(state, kind, 8, value, &out->as.u);
    case GCSIM_KIND_UINT16:
        return to_unsigned(state, kind, 16, value, &out->as.u);
    case GCSIM_KIND_UINT32:
        return to_unsigned(state, kind, 32, value, &out->as.u);
    case GCSIM_KIND_UINT64:
    case GCSIM_KIND_UINTPTR:
        return to_unsigned(state, kind, 64, value, &out->as.u);
    case GCSIM_KIND_FLOAT32:
        return to_double(state, kind, value, &d) < 0 ? -1 : to_float(state, kind, d, &out->as.f);
    case GCSIM_KIND_FLOAT64:
        return to_double(state, kind, value, &out->as.d);
    case GCSIM_KIND_COMPLEX64:
        return to_complex(state, kind, value, &c) < 0 ||
                       to_float(state, kind, c.real, &out->as.c64[0]) < 0
                   ? -1
                   : to_float(state, kind, c.imag, &out->as.c64[1]);
    case GCSIM_KIND_COMPLEX128:
        return to_complex(state, kind, value, &out->as.c);
    }
    bind_raise(state, ERR_CONVERSION, "%s is not a number", type_name(type));
    return -1;
}

static void scalar_write(uint32_t kind, void *a, const struct scalar *s)
{
    switch (kind) {
    case GCSIM_KIND_BOOL:
    case GCSIM_KIND_INT8:
    case GCSIM_KIND_UINT8:
        GCSIM_STORE(AT(uint8_t, a), (uint8_t)s->as.u);
        return;
    case GCSIM_KIND_INT16:
    case GCSIM_KIND_UINT16:
        GCSIM_STORE(AT(uint16_t, a), (uint16_t)s->as.u);
        return;
    case GCSIM_KIND_INT32:
    case GCSIM_KIND_UINT32:
        GCSIM_STORE(AT(uint32_t, a), (uint32_t)s->as.u);
        return;
    case GCSIM_KIND_FLOAT32:
        *AT(float, a) = s->as.f;
        return;
    case GCSIM_KIND_FLOAT64:
        *AT(double, a) = s->as.d;
        return;
    case GCSIM_KIND_COMPLEX64:
        AT(float, a)[0] = s->as.c64[0], AT(float, a)[1] = s->as.c64[1];
        return;
    case GCSIM_KIND_COMPLEX128:
        AT(double, a)[0] = s->as.c.real, AT(double, a)[1] = s->as.c.imag;
        return;
    default:
        GCSIM_STORE(AT(uint64_t, a), s->as.u);
        return;
    }
}

BIND int scalar_set(struct bind_state *state, struct type_object *type, void *address,
                    PyObject *value)
{
    struct scalar s;
    if (scalar_convert(state, type, value, &s) < 0)
        return -1;
    scalar_write(type->kind, address, &s);
    return 0;
}

// --- strings: a pointer to bytes and their number

static PyObject *string_get(struct heap_object *h, void *address)
{
    const char *bytes = GCSIM_LOAD(AT(const char *, address));
    uint64_t length = GCSIM_LOAD(AT(uint64_t, address) + 1);
    if (!bytes || !length)
        return PyUnicode_FromStringAndSize(NULL, 0);
    if (length > PY_SSIZE_T_MAX)
        return bind_raise(h->state, ERR_RANGE, "a string of %llu bytes is too long for Python",
                          (unsigned long long)length);
    return PyUnicode_DecodeUTF8(bytes, (Py_ssize_t)length, "surrogateescape");
}

BIND int string_allocate(struct heap_object *h, PyObject *value, gcsim_handle **handle,
                         uint64_t *length)
{
    PyObject *bytes = NULL;
    int from_row;
    *handle = NULL;
    *length = 0;
    if (PyBytes_Check(value))
        bytes = Py_NewRef(value);
    else if (PyUnicode_Check(value))
        bytes = PyUnicode_AsEncodedString(value, "utf-8", "surrogateescape");
    else if ((from_row = string_from_row(h, value, handle, length)) != 0)
        return from_row < 0 ? -1 : 0;
    else
        bind_raise(h->state, ERR_CONVERSION,
                   "string takes str, bytes, or a slice of bytes or runes, not %s",
                   Py_TYPE(value)->tp_name);
    if (!bytes) {
        if (PyErr_ExceptionMatches(PyExc_UnicodeError)) {
            PyErr_Clear();
            bind_raise(h->state, ERR_CONVERSION, "the str has lone surrogates and no UTF-8 form");
        }
        return -1;
    }
    struct type_object *byte = bind_byte_type(h->state);
    const gcsim_type *t = byte ? heap_type(h, byte) : NULL;
    uint64_t n = (uint64_t)PyBytes_GET_SIZE(bytes);
    if (t && n)
        *handle = heap_allocate(h, t, true, n);
    if (*handle) {
        memcpy((*handle)->ptr, PyBytes_AS_STRING(bytes), n);
        *length = n;
    }
    Py_DECREF(bytes);
    return t && (*handle || !n) ? 0 : -1;
}

static int string_set(struct heap_object *h, void *address, PyObject *value)
{
    gcsim_handle *handle;
    uint64_t length;
    if (heap_check_own(h, "store into it") < 0 || string_allocate(h, value, &handle, &length) < 0)
        return -1;
    gcsim_mutator *m = heap_enter(h);
    if (m) {
        gcsim_store(m, address, handle ? handle->ptr : NULL);
        GCSIM_STORE(AT(uint64_t, address) + 1, length);
        heap_leave(h, m);
    }
    if (handle)
        heap_unroot(h, handle);
    return m ? 0 : -1;
}

// --- pointers and what else is words

static int pointer_set(struct heap_object *h, struct type_object *elem, void *slot, PyObject *value)
{
    void *p;
    if (heap_check_own(h, "store into it") < 0 || ref_address_for(h, elem, value, &p) < 0)
        return -1;
    gcsim_mutator *m = heap_enter(h);
    if (BIND_UNLIKELY(!m))
        return -1;
    gcsim_store(m, slot, p);
    heap_leave(h, m);
    return 0;
}

static int interface_set(struct heap_object *h, void *address, PyObject *value)
{
    struct iface words;
    PyObject *owner = NULL;
    gcsim_mutator *m = NULL;
    if (heap_check_own(h, "store into it") == 0 && iface_words(h, value, &words, &owner) == 0 &&
        heap_check_own(h, "store into it") == 0 && (m = heap_enter(h))) {
        // types lie outside the objects' address space: no barrier
        GCSIM_STORE(AT(uintptr_t, address), words.type);
        gcsim_store(m, AT(void *, address) + 1, words.data);
        heap_leave(h, m);
    }
    Py_XDECREF(owner);
    return m ? 0 : -1;
}

static int func_set(struct heap_object *h, void *address, PyObject *value)
{
    void *p;
    gcsim_mutator *m = NULL;
    if (heap_check_own(h, "store into it") == 0 && func_word(h, value, &p) == 0 &&
        (m = heap_enter(h))) {
        gcsim_store(m, address, p);
        heap_leave(h, m);
    }
    return m ? 0 : -1;
}

// Channels and unsafe pointers have no values of their own here yet: they are nil.
static PyObject *nil_get(struct heap_object *h, struct type_object *type, void *address)
{
    if (!GCSIM_LOAD(AT(void *, address)))
        Py_RETURN_NONE;
    return bind_raise(h->state, ERR_NOT_THERE,
                      "reading a value of type %s that is not nil is not there yet",
                      type_name(type));
}

static int nil_set(struct heap_object *h, struct type_object *type, void *address, PyObject *value)
{
    if (value == Py_None)
        return pointer_set(h, NULL, address, value);
    bind_raise(h->state, ERR_NOT_THERE, "%s takes only None (nil) in this version",
               type_name(type));
    return -1;
}

static int map_set(struct heap_object *h, struct type_object *type, void *slot, PyObject *value)
{
    void *p;
    if (heap_check_own(h, "store into it") < 0 || map_address_for(h, type, value, &p) < 0)
        return -1;
    gcsim_mutator *m = heap_enter(h);
    if (!m)
        return -1;
    gcsim_store(m, slot, p);
    heap_leave(h, m);
    return 0;
}

// A struct by value: assignment copies all of it, with barriers.
static int struct_set(struct heap_object *h, struct type_object *type, void *address,
                      PyObject *value)
{
    void *from;
    if (heap_check_own(h, "store into it") < 0 || ref_address_for(h, type, value, &from) < 0)
        return -1;
    if (heap_check_writable(h, address) < 0)
        return -1;
    if (!from) {
        bind_raise(h->state, ERR_CONVERSION,
                   "a %s by value takes a reference to one to copy, not None", type_name(type));
        return -1;
    }
    const gcsim_type *t = heap_type(h, type);
    gcsim_mutator *m = t ? heap_enter(h) : NULL;
    if (!m)
        return -1;
    h->api->copy(m, t, address, from, 1);
    heap_leave(h, m);
    return 0;
}

// --- any type

BIND PyObject *value_get(struct heap_object *h, struct type_object *type, void *address)
{
    if (heap_check_open(h) < 0)
        return NULL;
    struct type_object *elem;
    switch (type->kind) {
    case GCSIM_KIND_STRING:
        return string_get(h, address);
    case GCSIM_KIND_SLICE:
        return slice_get(h, type, address);
    case GCSIM_KIND_ARRAY:
        return array_get(h, type, address);
    case GCSIM_KIND_STRUCT:
        return ref_to(h, type, address);
    case GCSIM_KIND_INTERFACE:
        return iface_load(h, address);
    case GCSIM_KIND_FUNC:
        return func_load(h, address);
    case GCSIM_KIND_POINTER: {
        if (!GCSIM_LOAD(AT(void *, address)))
            Py_RETURN_NONE;
        PyTypeObject *cls = (elem = type_elem(type)) ? type_class(elem) : NULL;
        PyObject *ref = cls && heap_check_open(h) == 0 ? ref_load(h, cls, address) : NULL;
        Py_XDECREF(cls);
        return ref;
    }
    case GCSIM_KIND_MAP:
        return map_field_get(h, type, address);
    case GCSIM_KIND_CHAN:
    case BIND_KIND_UNSAFE_POINTER:
        return nil_get(h, type, address);
    default:
        return scalar_get(type, address);
    }
}

BIND int value_set(struct heap_object *h, struct type_object *type, void *address, PyObject *value)
{
    struct type_object *elem;
    struct scalar s;
    switch (type->kind) {
    case GCSIM_KIND_STRING:
        return string_set(h, address, value);
    case GCSIM_KIND_SLICE:
        return slice_set(h, type, address, value);
    case GCSIM_KIND_ARRAY:
        return array_set(h, type, address, value);
    case GCSIM_KIND_STRUCT:
        return struct_set(h, type, address, value);
    case GCSIM_KIND_INTERFACE:
        return interface_set(h, address, value);
    case GCSIM_KIND_FUNC:
        return func_set(h, address, value);
    case GCSIM_KIND_POINTER:
        elem = type->elem ? type->elem : type_elem(type);
        return elem ? pointer_set(h, elem, address, value) : -1;
    case GCSIM_KIND_MAP:
        return map_set(h, type, address, value);
    case GCSIM_KIND_CHAN:
    case BIND_KIND_UNSAFE_POINTER:
        return nil_set(h, type, address, value);
    }
    if (scalar_convert(h->state, type, value, &s) < 0 || heap_check_own(h, "store into it") < 0 ||
        heap_check_writable(h, address) < 0)
        return -1;
    scalar_write(type->kind, address, &s);
    return 0;
}
