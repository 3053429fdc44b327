// gcsim.Builder and gcsim.Buffer: strings.Builder and bytes.Buffer as structs in the heap, written to from Python; []byte(s), []rune(s).
//
// Both are struct classes whose fields are hidden (gcsim/_builders.py) and whose methods are added here. Allocating lets the GIL go, so that
// another thread may use the same one meanwhile: an array is planned and allocated first, and taken over only if nothing has changed. With room
// at hand writing is a copy of bytes under the GIL (bind.h, law 5).
#include "bind/bind.h"

#include "lib/buffer.c"
#include "lib/builder.c"

// --- what is written

struct text { // bytes, as long as `keep` or `view` do
    const char *p;
    Py_ssize_t n;
    PyObject *keep;
    Py_buffer view; // .obj NULL: none
};

static void text_drop(struct text *text)
{
    Py_XDECREF(text->keep);
    if (text->view.obj)
        PyBuffer_Release(&text->view);
}

static int text_from_str(struct bind_state *state, PyObject *value, struct text *out)
{
    out->p = PyUnicode_AsUTF8AndSize(value, &out->n);
    if (out->p) {
        out->keep = Py_NewRef(value);
        return 0;
    }
    if (!PyErr_ExceptionMatches(PyExc_UnicodeError))
        return -1;
    PyErr_Clear();
    out->keep = PyUnicode_AsEncodedString(value, "utf-8", "surrogateescape");
    if (!out->keep) {
        if (PyErr_ExceptionMatches(PyExc_UnicodeError)) {
            PyErr_Clear();
            bind_raise(state, ERR_CONVERSION, "the str has lone surrogates and no UTF-8 form");
        }
        return -1;
    }
    out->p = PyBytes_AS_STRING(out->keep);
    out->n = PyBytes_GET_SIZE(out->keep);
    return 0;
}

// A str, or anything that shows its bytes. 0, or -1 with an error and nothing to drop.
static int text_from_python(struct bind_state *state, PyObject *value, struct text *out)
{
    *out = (struct text){0};
    if (PyUnicode_Check(value))
        return text_from_str(state, value, out);
    if (PyBytes_Check(value)) {
        out->keep = Py_NewRef(value);
        out->p = PyBytes_AS_STRING(value);
        out->n = PyBytes_GET_SIZE(value);
        return 0;
    }
    if (!PyObject_CheckBuffer(value)) {
        bind_raise(state, ERR_CONVERSION, "text is str, bytes or another buffer of bytes, not %s",
                   Py_TYPE(value)->tp_name);
        return -1;
    }
    if (PyObject_GetBuffer(value, &out->view, PyBUF_SIMPLE) < 0)
        return -1;
    if (out->view.itemsize != 1) {
        bind_raise(state, ERR_CONVERSION, "text is bytes, not elements of %zd bytes",
                   out->view.itemsize);
        text_drop(out);
        return -1;
    }
    out->p = out->view.buf;
    out->n = out->view.len;
    return 0;
}

// A rune: a str of one character, or its number, which need not be that of a rune.
static int rune_from_python(struct bind_state *state, PyObject *value, int32_t *out)
{
    int64_t n;
    if (PyUnicode_Check(value) && PyUnicode_GET_LENGTH(value) == 1) {
        *out = (int32_t)PyUnicode_READ_CHAR(value, 0);
        return 0;
    }
    if (!PyIndex_Check(value)) {
        bind_raise(state, ERR_CONVERSION, "a rune is an int or a str of one character, not %R",
                   value);
        return -1;
    }
    if (to_signed(state, GCSIM_KIND_INT32, 32, value, &n) < 0)
        return -1;
    *out = (int32_t)n;
    return 0;
}

static int byte_from_python(struct bind_state *state, PyObject *value, unsigned char *out)
{
    uint64_t n;
    if (to_unsigned(state, GCSIM_KIND_UINT8, 8, value, &n) < 0)
        return -1;
    *out = (unsigned char)n;
    return 0;
}

static const gcsim_type *byte_type_of(struct heap_object *h)
{
    struct type_object *byte = bind_byte_type(h->state);
    return byte ? heap_type(h, byte) : NULL;
}

// --- their state

// What the Ref of a method refers to, in an open heap that may be changed; NULL with an error.
static void *text_state(struct ref_object *ref, const char *doing)
{
    struct heap_object *h = ref->heap;
    return heap_check_own(h, doing) < 0 || heap_check_lost(h, ref->address) < 0 ? NULL
                                                                                : ref->address;
}
static const void *text_seen(struct ref_object *ref)
{
    struct heap_object *h = ref->heap;
    return heap_check_open(h) < 0 || heap_check_lost(h, ref->address) < 0 ? NULL : ref->address;
}

static void *raise_too_long(struct ref_object *ref, int64_t n)
{
    return n < 0 ? bind_raise(ref->heap->state, ERR_RANGE, "a negative number of bytes: %lld",
                              (long long)n)
                 : bind_raise(ref->heap->state, ERR_RANGE,
                              "room for %lld more bytes is more than any slice has (2**48)",
                              (long long)n);
}

// A new array for the one at `state`, whose header is `at`: takes it over by `move` unless another thread was faster. 0 or -1.
typedef void (*text_move)(gcsim_mutator *m, const gcsim_type *byte, void *state, int64_t n,
                          void *array, int64_t cap);
static int text_take_array(struct ref_object *ref, struct slice *at, int64_t n, int64_t cap,
                           text_move move)
{
    struct heap_object *h = ref->heap;
    const gcsim_type *byte = byte_type_of(h);
    struct slice before = *at;
    gcsim_handle *handle = byte ? heap_allocate(h, byte, true, (uint64_t)cap) : NULL;
    if (!handle)
        return -1;
    gcsim_mutator *m = heap_check_own(h, "write") == 0 ? heap_enter(h) : NULL;
    if (m) {
        if (at->ptr == before.ptr && at->len == before.len && at->cap == before.cap)
            move(m, byte, ref->address, n, handle->ptr, cap);
        heap_leave(h, m);
    }
    heap_unroot(h, handle);
    return m ? 0 : -1;
}

// --- Builder

static void builder_adopt(gcsim_mutator *m, const gcsim_type *byte, void *state, int64_t n,
                          void *array, int64_t cap)
{
    (void)n;
    builder_move(m, byte, state, array, cap);
}

// It lies here, and has room for n bytes; nobody else can come before the caller writes them. NULL with an error.
static struct builder *builder_ready(struct ref_object *ref, int64_t n, bool grows)
{
    struct heap_object *h = ref->heap;
    for (;;) {
        int64_t cap;
        struct builder *b = text_state(ref, "write");
        if (!b)
            return NULL;
        if (BIND_UNLIKELY(b->addr != b)) {
            if (b->addr)
                return (void *)raise_named(
                    h->state, "PanicError",
                    "strings: illegal use of non-zero Builder copied by value");
            gcsim_mutator *m = heap_enter(h);
            if (!m)
                return NULL;
            builder_check(m, b);
            heap_leave(h, m);
            continue;
        }
        if (builder_plan(b, n, grows, &cap) != GCSIM_OK)
            return raise_too_long(ref, n);
        if (BIND_LIKELY(!cap))
            return b;
        if (text_take_array(ref, &b->buf, n, cap, builder_adopt) < 0)
            return NULL;
    }
}

static PyObject *builder_py_put(struct ref_object *ref, const void *p, int64_t n)
{
    struct builder *b = builder_ready(ref, n, false);
    if (!b)
        return NULL;
    if (n) // with room: neither mutator nor type is looked at
        builder_write(NULL, NULL, b, p, n);
    return PyLong_FromLongLong(n);
}

static PyObject *builder_py_write(struct ref_object *ref, PyObject *value)
{
    struct text text;
    if (text_from_python(ref->heap->state, value, &text) < 0)
        return NULL;
    PyObject *result = builder_py_put(ref, text.p, text.n);
    text_drop(&text);
    return heap_then(ref->heap, result);
}

static PyObject *builder_py_write_byte(struct ref_object *ref, PyObject *value)
{
    unsigned char c;
    if (byte_from_python(ref->heap->state, value, &c) < 0)
        return NULL;
    return heap_then(ref->heap, builder_py_put(ref, &c, 1));
}

static PyObject *builder_py_write_rune(struct ref_object *ref, PyObject *value)
{
    int32_t rune;
    char bytes[UTF8_MAX];
    if (rune_from_python(ref->heap->state, value, &rune) < 0)
        return NULL;
    return heap_then(ref->heap, builder_py_put(ref, bytes, utf8_put(bytes, rune)));
}

static PyObject *builder_py_grow(struct ref_object *ref, PyObject *value)
{
    int64_t n;
    if (count_from_python(ref->heap->state, "the number of bytes", value, &n) < 0)
        return NULL;
    return heap_then(ref->heap, builder_ready(ref, n, true) ? Py_NewRef(Py_None) : NULL);
}

static PyObject *builder_py_reset(struct ref_object *ref, PyObject *Py_UNUSED(unused))
{
    struct builder *b = text_state(ref, "reset it");
    gcsim_mutator *m = b ? heap_enter(ref->heap) : NULL;
    if (!m)
        return NULL;
    builder_reset(m, b);
    heap_leave(ref->heap, m);
    Py_RETURN_NONE;
}

static PyObject *text_str(struct string s)
{
    return PyUnicode_DecodeUTF8(s.len ? s.ptr : "", (Py_ssize_t)s.len, "surrogateescape");
}
static PyObject *text_bytes(struct string s)
{
    return PyBytes_FromStringAndSize(s.len ? s.ptr : "", (Py_ssize_t)s.len);
}

static PyObject *builder_py_string(struct ref_object *ref, PyObject *Py_UNUSED(unused))
{
    const struct builder *b = text_seen(ref);
    return b ? text_str(builder_string(b)) : NULL;
}
static PyObject *builder_py_bytes(struct ref_object *ref, PyObject *Py_UNUSED(unused))
{
    const struct builder *b = text_seen(ref);
    return b ? text_bytes(builder_string(b)) : NULL;
}
static PyObject *builder_py_len(struct ref_object *ref, PyObject *Py_UNUSED(unused))
{
    const struct builder *b = text_seen(ref);
    return b ? PyLong_FromLongLong(b->buf.len) : NULL;
}
static PyObject *builder_py_cap(struct ref_object *ref, void *Py_UNUSED(closure))
{
    const struct builder *b = text_seen(ref);
    return b ? PyLong_FromLongLong(b->buf.cap) : NULL;
}

static PyMethodDef builder_methods[] = {
    {"write", (PyCFunction)builder_py_write, METH_O,
     PyDoc_STR("write($self, text, /)\n--\n\nAppends a str (as UTF-8), bytes or another buffer of "
               "bytes; how many bytes that were. The array grows as append grows it.")},
    {"write_byte", (PyCFunction)builder_py_write_byte, METH_O,
     PyDoc_STR("write_byte($self, byte, /)\n--\n\nAppends one byte, 0 to 255: 1.")},
    {"write_rune", (PyCFunction)builder_py_write_rune, METH_O,
     PyDoc_STR("write_rune($self, rune, /)\n--\n\nAppends a character, or its number, as UTF-8: 1 "
               "to 4 bytes. What is no rune is written as U+FFFD.")},
    {"grow", (PyCFunction)builder_py_grow, METH_O,
     PyDoc_STR("grow($self, n, /)\n--\n\nRoom for n more bytes: with less, a new array for 2 * cap "
               "+ n. RangeError for a negative or too large number.")},
    {"reset", (PyCFunction)builder_py_reset, METH_NOARGS,
     PyDoc_STR("reset($self, /)\n--\n\nEmpty again, without its array.")},
    {"string", (PyCFunction)builder_py_string, METH_NOARGS,
     PyDoc_STR("string($self, /)\n--\n\nWhat was written, a str.")},
    {"__bytes__", (PyCFunction)builder_py_bytes, METH_NOARGS,
     PyDoc_STR("__bytes__($self, /)\n--\n\nWhat was written.")},
    {"__len__", (PyCFunction)builder_py_len, METH_NOARGS,
     PyDoc_STR("__len__($self, /)\n--\n\nBytes written.")},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef builder_getset[] = {
    {"cap", (getter)builder_py_cap, NULL, "bytes that the array holds, written or not", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

// --- Buffer

static void buffer_adopt(gcsim_mutator *m, const gcsim_type *byte, void *state, int64_t n,
                         void *array, int64_t cap)
{
    buffer_move(m, byte, state, n, array, cap);
}

// Room for n bytes, as Grow makes it; nobody else can come before the caller writes them. NULL with an error.
static struct buffer *buffer_ready(struct ref_object *ref, int64_t n)
{
    for (;;) {
        int64_t cap;
        struct buffer *b = text_state(ref, "write");
        if (!b)
            return NULL;
        if (buffer_plan(b, n, &cap) != GCSIM_OK)
            return raise_too_long(ref, n);
        if (BIND_LIKELY(!cap)) {
            buffer_move(NULL, NULL, b, n, NULL, 0); // no pointer is stored
            return b;
        }
        if (text_take_array(ref, &b->buf, n, cap, buffer_adopt) < 0)
            return NULL;
    }
}

// What is read already makes no room as long as there is some (buffer.go:tryGrowByReslice).
static struct buffer *buffer_room(struct ref_object *ref, int64_t n)
{
    struct buffer *b = text_state(ref, "write");
    return !b || n <= buffer_available(b) ? b : buffer_ready(ref, n);
}

static PyObject *buffer_py_put(struct ref_object *ref, const void *p, int64_t n)
{
    struct buffer *b = buffer_room(ref, n);
    if (!b)
        return NULL;
    buffer_write(NULL, NULL, b, p, n); // there is room: neither mutator nor type is looked at
    return PyLong_FromLongLong(n);
}

static PyObject *buffer_py_write(struct ref_object *ref, PyObject *value)
{
    struct text text;
    if (text_from_python(ref->heap->state, value, &text) < 0)
        return NULL;
    PyObject *result = buffer_py_put(ref, text.p, text.n);
    text_drop(&text);
    return heap_then(ref->heap, result);
}

static PyObject *buffer_py_write_byte(struct ref_object *ref, PyObject *value)
{
    unsigned char c;
    if (byte_from_python(ref->heap->state, value, &c) < 0)
        return NULL;
    return heap_then(ref->heap, buffer_py_put(ref, &c, 1));
}

static PyObject *buffer_py_write_rune(struct ref_object *ref, PyObject *value)
{
    int32_t rune;
    char bytes[UTF8_MAX];
    if (rune_from_python(ref->heap->state, value, &rune) < 0)
        return NULL;
    int n = utf8_put(bytes, rune);
    if (!buffer_room(ref, n == 1 ? 1 : UTF8_MAX))
        return NULL;
    return heap_then(ref->heap, buffer_py_put(ref, bytes, n));
}

static PyObject *buffer_py_grow(struct ref_object *ref, PyObject *value)
{
    int64_t n;
    if (count_from_python(ref->heap->state, "the number of bytes", value, &n) < 0)
        return NULL;
    return heap_then(ref->heap, buffer_ready(ref, n) ? Py_NewRef(Py_None) : NULL);
}

// Room, then a read, until a read gives nothing.
static PyObject *buffer_py_read_from(struct ref_object *ref, PyObject *file)
{
    struct bind_state *state = ref->heap->state;
    for (long long total = 0;;) {
        struct buffer *b = buffer_ready(ref, BUFFER_MIN_READ);
        PyObject *data =
            b ? PyObject_CallMethod(file, "read", "L", (long long)buffer_available(b)) : NULL;
        if (!data)
            return NULL;
        struct text text;
        int status =
            PyUnicode_Check(data) || data == Py_None ? -2 : text_from_python(state, data, &text);
        if (status == -2)
            bind_raise(state, ERR_CONVERSION, "read of a binary file gives bytes, not %s",
                       Py_TYPE(data)->tp_name);
        Py_DECREF(data);
        if (status < 0)
            return NULL;
        Py_ssize_t n = text.n;
        PyObject *written = n ? buffer_py_put(ref, text.p, n) : PyLong_FromLong(0);
        text_drop(&text);
        if (!written)
            return NULL;
        Py_DECREF(written);
        total += n;
        if (!n)
            return heap_then(ref->heap, PyLong_FromLongLong(total));
    }
}

// n as given, or all that is there: -1 with an error.
static int buffer_count(struct ref_object *ref, PyObject *const *args, Py_ssize_t nargs,
                        const char *name, int64_t *n)
{
    *n = INT64_MAX;
    if (nargs > 1) {
        bind_raise(ref->heap->state, ERR_CONVERSION,
                   "%s takes a number of bytes, not %zd arguments", name, nargs);
        return -1;
    }
    return nargs && args[0] != Py_None
               ? count_from_python(ref->heap->state, "the number of bytes", args[0], n)
               : 0;
}

static PyObject *buffer_py_read(struct ref_object *ref, PyObject *const *args, Py_ssize_t nargs)
{
    int64_t n;
    struct buffer *b;
    if (buffer_count(ref, args, nargs, "read", &n) < 0 || !(b = text_state(ref, "read from it")))
        return NULL;
    n = n < buffer_len(b) ? n : buffer_len(b);
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)n);
    if (bytes)
        buffer_read(b, PyBytes_AS_STRING(bytes), n);
    return bytes;
}

// What `cut` makes of it, rooted before anybody else can come.
static PyObject *buffer_slice(struct ref_object *ref, int64_t n, bool is_read)
{
    struct heap_object *h = ref->heap;
    struct type_object *byte = bind_byte_type(h->state);
    struct buffer *b = byte ? text_state(ref, "read from it") : NULL;
    gcsim_mutator *m = b ? heap_enter(h) : NULL;
    if (!m)
        return NULL;
    struct slice s = is_read ? buffer_next(b, n) : buffer_bytes(b);
    gcsim_handle *handle = s.ptr ? h->api->handle_new(m, s.ptr) : NULL;
    gcsim_status status = m->status;
    heap_leave(h, m);
    return handle || !s.ptr ? row_make(h, byte, NULL, s, handle) : ref_no_handle(h, status);
}

static PyObject *buffer_py_next(struct ref_object *ref, PyObject *const *args, Py_ssize_t nargs)
{
    int64_t n;
    return buffer_count(ref, args, nargs, "next", &n) < 0 ? NULL : buffer_slice(ref, n, true);
}
static PyObject *buffer_py_unread(struct ref_object *ref, PyObject *Py_UNUSED(unused))
{
    return buffer_slice(ref, 0, false);
}

static PyObject *buffer_py_unread_byte(struct ref_object *ref, PyObject *Py_UNUSED(unused))
{
    struct buffer *b = text_state(ref, "change it");
    if (!b)
        return NULL;
    if (buffer_unread_byte(b) != GCSIM_OK)
        return bind_raise(ref->heap->state, ERR_STATE,
                          "the last operation on the buffer did not read a byte");
    Py_RETURN_NONE;
}

static PyObject *buffer_py_truncate(struct ref_object *ref, PyObject *value)
{
    int64_t n;
    struct bind_state *state = ref->heap->state;
    if (count_from_python(state, "the number of bytes", value, &n) < 0)
        return NULL;
    struct buffer *b = text_state(ref, "change it");
    if (!b)
        return NULL;
    if (buffer_truncate(b, n) != GCSIM_OK)
        return raise_named(state, "BoundsError", "truncated to %lld bytes, with %lld unread",
                           (long long)n, (long long)buffer_len(b));
    Py_RETURN_NONE;
}

static PyObject *buffer_py_reset(struct ref_object *ref, PyObject *Py_UNUSED(unused))
{
    struct buffer *b = text_state(ref, "reset it");
    if (!b)
        return NULL;
    buffer_reset(b);
    Py_RETURN_NONE;
}

static PyObject *buffer_py_string(struct ref_object *ref, PyObject *Py_UNUSED(unused))
{
    const struct buffer *b = text_seen(ref);
    return b ? text_str(string_view(buffer_bytes(b))) : NULL;
}
static PyObject *buffer_py_bytes(struct ref_object *ref, PyObject *Py_UNUSED(unused))
{
    const struct buffer *b = text_seen(ref);
    return b ? text_bytes(string_view(buffer_bytes(b))) : NULL;
}
static PyObject *buffer_py_len(struct ref_object *ref, PyObject *Py_UNUSED(unused))
{
    const struct buffer *b = text_seen(ref);
    return b ? PyLong_FromLongLong(buffer_len(b)) : NULL;
}
static PyObject *buffer_py_cap(struct ref_object *ref, void *Py_UNUSED(closure))
{
    const struct buffer *b = text_seen(ref);
    return b ? PyLong_FromLongLong(b->buf.cap) : NULL;
}
static PyObject *buffer_py_available(struct ref_object *ref, void *Py_UNUSED(closure))
{
    const struct buffer *b = text_seen(ref);
    return b ? PyLong_FromLongLong(buffer_available(b)) : NULL;
}

static PyMethodDef buffer_methods[] = {
    {"write", (PyCFunction)buffer_py_write, METH_O,
     PyDoc_STR("write($self, text, /)\n--\n\nAppends a str (as UTF-8), bytes or another buffer of "
               "bytes; how many bytes that were.")},
    {"write_byte", (PyCFunction)buffer_py_write_byte, METH_O,
     PyDoc_STR("write_byte($self, byte, /)\n--\n\nAppends one byte, 0 to 255: 1.")},
    {"write_rune", (PyCFunction)buffer_py_write_rune, METH_O,
     PyDoc_STR("write_rune($self, rune, /)\n--\n\nAppends a character, or its number, as UTF-8: 1 "
               "to 4 bytes.")},
    {"grow", (PyCFunction)buffer_py_grow, METH_O,
     PyDoc_STR("grow($self, n, /)\n--\n\nRoom for n more bytes: 64 at first, what is unread slides "
               "down, or a new array at least twice as large. RangeError for a negative or too "
               "large number.")},
    {"read_from", (PyCFunction)buffer_py_read_from, METH_O,
     PyDoc_STR("read_from($self, file, /)\n--\n\nAppends what file.read(room) gives until that is "
               "empty, with room for 512 bytes made before each; how many bytes that were.")},
    {"read", (PyCFunction)(void (*)(void))buffer_py_read, METH_FASTCALL,
     PyDoc_STR("read($self, n=None, /)\n--\n\nUp to n bytes, or all, a copy; they count as read. "
               "b\"\" at the end.")},
    {"next", (PyCFunction)(void (*)(void))buffer_py_next, METH_FASTCALL,
     PyDoc_STR("next($self, n=None, /)\n--\n\nThe same as a Slice of the buffer's own array, for "
               "as long as nothing is written to it.")},
    {"unread", (PyCFunction)buffer_py_unread, METH_NOARGS,
     PyDoc_STR("unread($self, /)\n--\n\nWhat was not read yet, a Slice of the buffer's own array: "
               "Go's Bytes.")},
    {"unread_byte", (PyCFunction)buffer_py_unread_byte, METH_NOARGS,
     PyDoc_STR("unread_byte($self, /)\n--\n\nThe byte that was read last is unread again. "
               "StateError unless a read came last.")},
    {"truncate", (PyCFunction)buffer_py_truncate, METH_O,
     PyDoc_STR("truncate($self, n, /)\n--\n\nDrops all but the first n unread bytes; the array "
               "stays. BoundsError beyond what is unread.")},
    {"reset", (PyCFunction)buffer_py_reset, METH_NOARGS,
     PyDoc_STR("reset($self, /)\n--\n\nEmpty again; the array stays.")},
    {"string", (PyCFunction)buffer_py_string, METH_NOARGS,
     PyDoc_STR("string($self, /)\n--\n\nWhat was not read yet, a str.")},
    {"__bytes__", (PyCFunction)buffer_py_bytes, METH_NOARGS,
     PyDoc_STR("__bytes__($self, /)\n--\n\nWhat was not read yet.")},
    {"__len__", (PyCFunction)buffer_py_len, METH_NOARGS,
     PyDoc_STR("__len__($self, /)\n--\n\nBytes that were not read yet.")},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef buffer_getset[] = {
    {"cap", (getter)buffer_py_cap, NULL, "bytes that the array holds", NULL},
    {"available", (getter)buffer_py_available, NULL, "bytes of the array behind what was written",
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

// --- the classes

static int class_add(PyObject *cls, const char *name, PyObject *descriptor)
{
    int status = descriptor ? PyObject_SetAttrString(cls, name, descriptor) : -1;
    Py_XDECREF(descriptor);
    return status;
}

static int class_add_all(struct bind_state *state, PyObject *cls, size_t bytes,
                         PyMethodDef *methods, PyGetSetDef *getset)
{
    if (!IS_STRUCT_CLASS(state, cls)) {
        bind_raise(state, ERR_CONVERSION, "a struct class is needed");
        return -1;
    }
    for (; methods->ml_name; methods++)
        if (class_add(cls, methods->ml_name, PyDescr_NewMethod((PyTypeObject *)cls, methods)) < 0)
            return -1;
    for (; getset->name; getset++)
        if (class_add(cls, getset->name, PyDescr_NewGetSet((PyTypeObject *)cls, getset)) < 0)
            return -1;
    struct type_object *type = class_type((struct struct_class *)cls);
    if (!type || type->bytes != bytes) {
        if (!PyErr_Occurred())
            bind_raise(state, ERR_TYPE_DEFINITION, "a struct of %zu bytes is needed", bytes);
        return -1;
    }
    return 0;
}

static PyObject *bind_add_text_methods(PyObject *module, PyObject *args)
{
    PyObject *builder, *buffer;
    struct bind_state *state = PyModule_GetState(module);
    if (!PyArg_ParseTuple(args, "OO:add_text_methods", &builder, &buffer) ||
        class_add_all(state, builder, sizeof(struct builder), builder_methods, builder_getset) <
            0 ||
        class_add_all(state, buffer, sizeof(struct buffer), buffer_methods, buffer_getset) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *text_new(PyObject *heap, const char *name)
{
    PyObject *module = PyImport_ImportModule("gcsim._builders");
    PyObject *cls = module ? bind_attribute(module, name) : NULL;
    PyObject *new = cls ? bind_attribute(heap, "new") : NULL;
    PyObject *ref = new ? PyObject_CallOneArg(new, cls) : NULL;
    Py_XDECREF(new);
    Py_XDECREF(cls);
    Py_XDECREF(module);
    return ref;
}

static PyObject *heap_py_builder(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return text_new(self, "Builder");
}

static PyObject *heap_py_buffer(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    struct heap_object *h = (struct heap_object *)self;
    PyObject *content = nargs == 1 && args[0] != Py_None ? args[0] : NULL;
    if (nargs > 1)
        return bind_raise(h->state, ERR_CONVERSION, "buffer takes its content, not %zd arguments",
                          nargs);
    PyObject *row = NULL;
    if (content && Py_IS_TYPE(content, row_class(h->state, false))) {
        struct row_object *s = (struct row_object *)content;
        if (s->heap != h)
            return bind_raise(h->state, ERR_WRONG_HEAP,
                              "the slice belongs to another heap; bytes(slice) is a copy");
        if (s->elem != bind_byte_type(h->state))
            return bind_raise(h->state, ERR_CONVERSION, "a buffer holds bytes, not %s",
                              type_name(s->elem));
        row = Py_NewRef(content);
    } else if (content && !(row = heap_py_to_bytes(self, content))) {
        return NULL;
    }
    PyObject *ref = text_new(self, "Buffer");
    gcsim_mutator *m = NULL;
    if (ref && row && text_state((struct ref_object *)ref, "write") && (m = heap_enter(h))) {
        slice_put(m, &((struct buffer *)(void *)((struct ref_object *)ref)->address)->buf,
                  ((struct row_object *)row)->s);
        heap_leave(h, m);
    }
    if (ref && row && !m)
        Py_CLEAR(ref);
    Py_XDECREF(row);
    return ref;
}

// --- conversions

// A Slice of `len` elements without pointers, with all that its size class holds; zeros.
static PyObject *row_of_bytes(struct heap_object *h, struct type_object *elem, int64_t len)
{
    const gcsim_type *t = elem ? heap_type(h, elem) : NULL;
    if (!t)
        return NULL;
    int64_t cap = (int64_t)(roundupsize((uint64_t)len * t->bytes, true) / t->bytes);
    gcsim_handle *handle = heap_allocate(h, t, true, (uint64_t)cap);
    return handle ? row_make(h, elem, NULL, (struct slice){handle->ptr, len, cap}, handle) : NULL;
}

static PyObject *heap_py_to_bytes(PyObject *self, PyObject *value)
{
    struct heap_object *h = (struct heap_object *)self;
    struct text text;
    if (text_from_python(h->state, value, &text) < 0)
        return NULL;
    PyObject *row = row_of_bytes(h, bind_byte_type(h->state), text.n);
    if (row && text.n)
        memcpy(((struct row_object *)row)->s.ptr, text.p, (size_t)text.n);
    text_drop(&text);
    return heap_then(h, row);
}

static PyObject *heap_py_to_runes(PyObject *self, PyObject *value)
{
    struct heap_object *h = (struct heap_object *)self;
    struct text text;
    PyObject *types = PyImport_ImportModule("gcsim._types");
    PyObject *i32 = types ? bind_attribute(types, "i32") : NULL;
    struct type_object *rune = i32 ? type_from_python(h->state, i32) : NULL;
    PyObject *row = NULL;
    if (rune && text_from_python(h->state, value, &text) == 0) {
        struct string s = {text.p, text.n};
        row = row_of_bytes(h, rune, string_runes(s));
        int32_t *r = row ? ((struct row_object *)row)->s.ptr : NULL;
        for (int64_t i = 0; r && i < s.len; r++)
            i += utf8_get(s.ptr + i, s.len - i, r);
        text_drop(&text);
    }
    Py_XDECREF(rune);
    Py_XDECREF(i32);
    Py_XDECREF(types);
    return heap_then(h, row);
}

static int string_from_row(struct heap_object *h, PyObject *value, gcsim_handle **handle,
                           uint64_t *length)
{
    struct row_object *row = (struct row_object *)value;
    if (!is_row(h->state, value))
        return 0;
    bool is_runes = row->elem->kind == GCSIM_KIND_INT32;
    const gcsim_type *byte = byte_type_of(h);
    if (!is_runes && row->elem != bind_byte_type(h->state))
        return 0;
    if (!byte || heap_check_open(row->heap) < 0)
        return -1;
    int64_t n = row->s.len, at = 0;
    char one[UTF8_MAX];
    for (int64_t i = 0; is_runes && i < row->s.len; i++)
        at += utf8_put(one, GCSIM_LOAD((int32_t *)row->s.ptr + i));
    n = is_runes ? at + UTF8_MAX - 1 : n; // (string.go:slicerunetostring)
    if (!n)
        return 1;
    if (!(*handle = heap_allocate(h, byte, true, (uint64_t)n)))
        return -1;
    if (heap_check_open(row->heap) < 0)
        return -1;
    if (!is_runes) {
        memcpy((*handle)->ptr, row->s.ptr, (size_t)n);
        *length = (uint64_t)n;
        return 1;
    }
    int64_t written = 0; // another thread may have changed them: no more than there is room for
    for (int64_t i = 0; i < row->s.len && written < at; i++)
        written +=
            utf8_put((char *)(*handle)->ptr + written, GCSIM_LOAD((int32_t *)row->s.ptr + i));
    *length = (uint64_t)(written < at ? written : at);
    return 1;
}
