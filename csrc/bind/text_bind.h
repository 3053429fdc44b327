// What text_bind.c gives to the method table of Heap, and to strings in value.c.
#pragma once

static PyObject *heap_py_builder(PyObject *self, PyObject *unused);
static PyObject *heap_py_buffer(PyObject *self, PyObject *const *args, Py_ssize_t nargs);
static PyObject *heap_py_to_bytes(PyObject *self, PyObject *text);
static PyObject *heap_py_to_runes(PyObject *self, PyObject *text);
static PyObject *bind_add_text_methods(PyObject *module, PyObject *args);

// string(value) of a slice or array of bytes or runes: 1 and as string_allocate; 0: it is none; -1.
static int string_from_row(struct heap_object *h, PyObject *value, gcsim_handle **handle,
                           uint64_t *length);

#define TEXT_HEAP_METHODS                                                                          \
    {"builder", heap_py_builder, METH_NOARGS,                                                      \
     PyDoc_STR("builder($self, /)\n--\n\nA new Builder, Go's new(strings.Builder): 32 bytes, "     \
               "without an array yet.")},                                                          \
        {"buffer", (PyCFunction)(void (*)(void))heap_py_buffer, METH_FASTCALL,                     \
         PyDoc_STR("buffer($self, content=None, /)\n--\n\nA new Buffer. A str or bytes is copied " \
                   "(bytes.NewBufferString); a Slice of bytes becomes its array "                  \
                   "(bytes.NewBuffer).")},                                                         \
        {"to_bytes", heap_py_to_bytes, METH_O,                                                     \
         PyDoc_STR("to_bytes($self, text, /)\n--\n\nGo's []byte(text): a Slice of uint8 whose "    \
                   "capacity is what the size class holds. A str is written as UTF-8.")},          \
    {                                                                                              \
        "to_runes", heap_py_to_runes, METH_O,                                                      \
            PyDoc_STR("to_runes($self, text, /)\n--\n\nGo's []rune(text): a Slice of int32; a "    \
                      "byte that begins no rune is U+FFFD.")                                       \
    }
