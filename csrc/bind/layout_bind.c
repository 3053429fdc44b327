// Go's struct layout and size classes for Python: numbers in, tuples out.
//
// A part is a tuple (bytes, align, ptr_bytes, mask) where mask is a bytes object of little-endian
// 64-bit words with one bit per 8-byte word, or None for "not wanted": then the result's mask is
// None too. So the layout of a huge type costs nothing until somebody asks for its mask. Nothing
// here runs Python code of others, so the borrowed references stay good. Raises TypeError and
// ValueError for parts that are no types, OverflowError for what is too large.
#include "bind/layout_bind.h"

#include "alloc/sizeclass.c"
#include "types/layout.c"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "masks are handed over as they lie in memory");

// Masks are for objects that somebody looks at; beyond this they are tiles of their element's mask.
#define MAX_MASKED_PTR_BYTES (1ull << 30)

struct layout_part {
    struct layout_type type;
    PyObject *mask; // borrowed; bytes, or None
};

static bool layout_part_uint64(PyObject *number, uint64_t *out)
{
    *out = PyLong_AsUnsignedLongLong(number);
    return *out != UINT64_MAX || !PyErr_Occurred();
}

static bool layout_part_read(PyObject *item, struct layout_part *part)
{
    uint64_t align;
    if (!PyTuple_Check(item) || PyTuple_GET_SIZE(item) != 4) {
        PyErr_SetString(PyExc_TypeError, "a part is a tuple (bytes, align, ptr_bytes, mask)");
        return false;
    }
    if (!layout_part_uint64(PyTuple_GET_ITEM(item, 0), &part->type.bytes) ||
        !layout_part_uint64(PyTuple_GET_ITEM(item, 1), &align) ||
        !layout_part_uint64(PyTuple_GET_ITEM(item, 2), &part->type.ptr_bytes))
        return false;
    part->type.align = align <= LAYOUT_MAX_ALIGN ? (uint32_t)align : 0;
    part->mask = PyTuple_GET_ITEM(item, 3);
    if (!layout_is_valid(part->type)) {
        PyErr_SetString(PyExc_ValueError, "bytes, align and ptr_bytes contradict each other");
        return false;
    }
    if (part->mask == Py_None)
        return true;
    if (!PyBytes_Check(part->mask)) {
        PyErr_SetString(PyExc_TypeError, "a mask is bytes or None");
        return false;
    }
    if ((uint64_t)PyBytes_GET_SIZE(part->mask) != 8 * layout_mask_words(part->type)) {
        PyErr_SetString(PyExc_ValueError, "a mask is whole 64-bit words for exactly ptr_bytes");
        return false;
    }
    return true;
}

// A zeroed bytes object that holds the mask of `type`.
static PyObject *layout_mask_new(struct layout_type type)
{
    if (type.ptr_bytes > MAX_MASKED_PTR_BYTES)
        return PyErr_Format(PyExc_OverflowError,
                            "the pointer mask of a type with more than %llu pointer bytes",
                            (unsigned long long)MAX_MASKED_PTR_BYTES);
    Py_ssize_t bytes = (Py_ssize_t)(8 * layout_mask_words(type));
    PyObject *mask = PyBytes_FromStringAndSize(NULL, bytes);
    if (mask != NULL)
        memset(PyBytes_AS_STRING(mask), 0, (size_t)bytes);
    return mask;
}

// The payload of a bytes object is 8-aligned where CPython puts it today; the C functions want
// that, so ask.
_Static_assert(offsetof(PyBytesObject, ob_sval) % 8 == 0, "bytes payloads hold 64-bit words");
static uint64_t *layout_mask_of(PyObject *mask)
{
    return (uint64_t *)(void *)PyBytes_AS_STRING(mask);
}

static PyObject *layout_raise(enum layout_status status)
{
    if (status == LAYOUT_TOO_LARGE)
        PyErr_Format(PyExc_OverflowError, "larger than the %llu bytes a type may have",
                     (unsigned long long)LAYOUT_MAX_BYTES);
    else
        PyErr_SetString(PyExc_ValueError, "bytes, align and ptr_bytes contradict each other");
    return NULL;
}

// Reads a sequence of parts into one block: n parts, n layout types and n offsets.
struct layout_parts {
    PyObject *items; // keeps the tuples alive
    size_t n;
    struct layout_part *part;
    struct layout_type *type;
    uint64_t *offset;
};

static void layout_parts_free(struct layout_parts *parts)
{
    Py_CLEAR(parts->items);
    PyMem_Free(parts->part);
}

static bool layout_parts_read(PyObject *sequence, struct layout_parts *parts)
{
    *parts = (struct layout_parts){.items = PySequence_Tuple(sequence)};
    if (parts->items == NULL)
        return false;
    parts->n = (size_t)PyTuple_GET_SIZE(parts->items);
    size_t each = sizeof(struct layout_part) + sizeof(struct layout_type) + sizeof(uint64_t);
    if (parts->n > UINT32_MAX || parts->n > (size_t)PY_SSIZE_T_MAX / each ||
        (parts->part = PyMem_Malloc(parts->n * each + 1)) == NULL) {
        PyErr_NoMemory();
        layout_parts_free(parts);
        return false;
    }
    parts->type = (struct layout_type *)(parts->part + parts->n);
    parts->offset = (uint64_t *)(parts->type + parts->n);
    for (size_t i = 0; i < parts->n; i++) {
        if (!layout_part_read(PyTuple_GET_ITEM(parts->items, (Py_ssize_t)i), &parts->part[i])) {
            layout_parts_free(parts);
            return false;
        }
        parts->type[i] = parts->part[i].type;
    }
    return true;
}

static PyObject *layout_struct_mask(const struct layout_parts *parts, struct layout_type whole)
{
    for (size_t i = 0; i < parts->n; i++)
        if (parts->part[i].mask == Py_None)
            Py_RETURN_NONE;
    PyObject *mask = layout_mask_new(whole);
    if (mask == NULL)
        return NULL;
    for (size_t i = 0; i < parts->n; i++)
        if (parts->type[i].ptr_bytes > 0) // so the field lies on a word border
            layout_mask_place(layout_mask_of(mask), parts->offset[i] / LAYOUT_WORD_BYTES,
                              layout_mask_of(parts->part[i].mask),
                              parts->type[i].ptr_bytes / LAYOUT_WORD_BYTES);
    return mask;
}

static PyObject *layout_numbers(const uint64_t *offset, size_t n)
{
    PyObject *tuple = PyTuple_New((Py_ssize_t)n);
    for (size_t i = 0; tuple != NULL && i < n; i++) {
        PyObject *number = PyLong_FromUnsignedLongLong(offset[i]);
        if (number == NULL)
            Py_CLEAR(tuple);
        else
            PyTuple_SET_ITEM(tuple, (Py_ssize_t)i, number);
    }
    return tuple;
}

// layout_struct(parts) -> (offsets, bytes, align, ptr_bytes, mask)
PyObject *bind_layout_struct(PyObject *module, PyObject *sequence)
{
    (void)module;
    struct layout_parts parts;
    struct layout_type whole;
    PyObject *result = NULL;
    if (!layout_parts_read(sequence, &parts))
        return NULL;
    enum layout_status status = layout_struct(parts.type, parts.n, parts.offset, &whole);
    if (status != LAYOUT_OK) {
        layout_raise(status);
    } else {
        PyObject *offsets = layout_numbers(parts.offset, parts.n);
        PyObject *mask = offsets != NULL ? layout_struct_mask(&parts, whole) : NULL;
        if (mask != NULL)
            result = Py_BuildValue("(OKIKO)", offsets, (unsigned long long)whole.bytes, whole.align,
                                   (unsigned long long)whole.ptr_bytes, mask);
        Py_XDECREF(offsets);
        Py_XDECREF(mask);
    }
    layout_parts_free(&parts);
    return result;
}

// layout_array(part, count) -> (bytes, align, ptr_bytes, mask)
PyObject *bind_layout_array(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    (void)module;
    struct layout_part elem;
    struct layout_type whole;
    uint64_t count;
    if (nargs != 2)
        return PyErr_Format(PyExc_TypeError, "layout_array takes a part and a count");
    if (!layout_part_read(args[0], &elem) || !layout_part_uint64(args[1], &count))
        return NULL;
    enum layout_status status = layout_array(elem.type, count, &whole);
    if (status != LAYOUT_OK)
        return layout_raise(status);
    PyObject *mask = elem.mask == Py_None ? Py_NewRef(Py_None) : layout_mask_new(whole);
    if (mask == NULL)
        return NULL;
    if (mask != Py_None && whole.ptr_bytes > 0)
        layout_mask_tile(layout_mask_of(mask), 0, layout_mask_of(elem.mask), elem.type, count);
    return Py_BuildValue("(KIKN)", (unsigned long long)whole.bytes, whole.align,
                         (unsigned long long)whole.ptr_bytes, mask);
}

// layout_best_order(parts) -> (index of the field to put first, of the second, ...)
PyObject *bind_layout_best_order(PyObject *module, PyObject *sequence)
{
    (void)module;
    struct layout_parts parts;
    if (!layout_parts_read(sequence, &parts))
        return NULL;
    PyObject *result = NULL;
    uint32_t *order = PyMem_New(uint32_t, parts.n + 1);
    if (order == NULL) {
        PyErr_NoMemory();
    } else {
        layout_best_order(parts.type, parts.n, order);
        for (size_t i = 0; i < parts.n; i++)
            parts.offset[i] = order[i];
        result = layout_numbers(parts.offset, parts.n);
    }
    PyMem_Free(order);
    layout_parts_free(&parts);
    return result;
}

// layout_kinds() -> ((name, bytes, align, ptr_bytes, mask), ...)
PyObject *bind_layout_kinds(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    PyObject *kinds = PyTuple_New(LAYOUT_BASIC_KINDS);
    for (int k = 0; kinds != NULL && k < LAYOUT_BASIC_KINDS; k++) {
        struct layout_type type = layout_basic(k);
        uint64_t mask = layout_basic_mask(k);
        PyObject *kind =
            Py_BuildValue("(sKIKN)", layout_kind_name(k), (unsigned long long)type.bytes,
                          type.align, (unsigned long long)type.ptr_bytes,
                          PyBytes_FromStringAndSize((const char *)&mask,
                                                    (Py_ssize_t)(8 * layout_mask_words(type))));
        if (kind == NULL)
            Py_CLEAR(kinds);
        else
            PyTuple_SET_ITEM(kinds, k, kind);
    }
    return kinds;
}

// size_class(bytes, noscan) -> (size_class, tiny, large, header_bytes, slot_bytes, span_pages,
// usable_bytes, round_bytes, objects) where objects is how many a span holds, with the inline mark
// bits of Green Tea (Go 1.26's default).
PyObject *bind_size_class(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    (void)module;
    uint64_t bytes;
    if (nargs != 2)
        return PyErr_Format(PyExc_TypeError, "size_class takes bytes and noscan");
    if (!layout_part_uint64(args[0], &bytes))
        return NULL;
    int noscan = PyObject_IsTrue(args[1]);
    if (noscan < 0)
        return NULL;
    if (bytes > LAYOUT_MAX_BYTES)
        return layout_raise(LAYOUT_TOO_LARGE);
    struct sizeclass_rule rule = sizeclass_resolve(bytes, noscan);
    unsigned objects = bytes == 0 ? 0 : span_geometry(rule.size_class, noscan, true).nelems;
    return Py_BuildValue("(iOOIKKKKI)", (int)rule.size_class, rule.tiny ? Py_True : Py_False,
                         rule.large ? Py_True : Py_False, rule.header_bytes,
                         (unsigned long long)rule.slot_bytes, (unsigned long long)rule.span_pages,
                         (unsigned long long)rule.usable_bytes,
                         (unsigned long long)roundupsize(bytes, noscan), objects);
}
