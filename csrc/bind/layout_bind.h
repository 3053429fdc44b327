// The layout functions and the size-class rule as Python functions: see layout_bind.c.
#pragma once

#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>

PyObject *bind_layout_kinds(PyObject *module, PyObject *unused);
PyObject *bind_layout_struct(PyObject *module, PyObject *parts);
PyObject *bind_layout_array(PyObject *module, PyObject *const *args, Py_ssize_t nargs);
PyObject *bind_layout_best_order(PyObject *module, PyObject *parts);
PyObject *bind_size_class(PyObject *module, PyObject *const *args, Py_ssize_t nargs);

// clang-format off
#define LAYOUT_BIND_METHODS                                                                        \
    {"layout_kinds", bind_layout_kinds, METH_NOARGS,                                               \
     "layout_kinds() -> ((name, bytes, align, ptr_bytes, mask), ...)"},                            \
    {"layout_struct", bind_layout_struct, METH_O,                                                  \
     "layout_struct(parts) -> (offsets, bytes, align, ptr_bytes, mask)"},                          \
    {"layout_array", (PyCFunction)(void (*)(void))bind_layout_array, METH_FASTCALL,                \
     "layout_array(part, count) -> (bytes, align, ptr_bytes, mask)"},                              \
    {"layout_best_order", bind_layout_best_order, METH_O,                                          \
     "layout_best_order(parts) -> (index, ...)"},                                                  \
    {"size_class", (PyCFunction)(void (*)(void))bind_size_class, METH_FASTCALL,                    \
     "size_class(bytes, noscan) -> (size_class, tiny, large, header_bytes, slot_bytes, "           \
     "span_pages, usable_bytes, round_bytes, objects)"}
// clang-format on
