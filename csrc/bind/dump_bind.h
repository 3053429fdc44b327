// The reader of raw Go heap dumps as a function of gcsim._core.
#pragma once

#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>

// parse_go_dump(dump: bytes) -> dict (METH_O): every array of struct godump_result by name, as a
// pair (format character of the struct module, bytes); tables of rows are flattened. Scalars are
// arrays of one. Texts are pairs offset, length into the dump. Other buffers than bytes are
// refused: their contents could change while the reader runs without the GIL.
//
// Raises DumpFormatError, UnsupportedDumpError, HeapMemoryError, and what a signal handler raises.
PyObject *bind_parse_go_dump(PyObject *module, PyObject *arg);

// clang-format off
#define DUMP_BIND_METHODS                                                                          \
    {"parse_go_dump", bind_parse_go_dump, METH_O,                                                  \
     "parse_go_dump(dump: bytes) -> {name: (format, bytes)}"}
// clang-format on
