// Objects that an unsound barrier has lost: who follows a pointer to one from Python gets a LostObjectError. gcsim/_lost.py words it.
#include "bind/bind.h"

#include "gcsim/steps.h"

BIND_COLD int heap_lost_long_way(struct heap_object *h, const void *address)
{
    typedef unsigned long long u;
    gcsim_lost lost;
    if (!h->heap || !address || !gcsim_stepping()->lost(h->heap, address, &lost))
        return 0;
    PyObject *module = PyImport_ImportModule("gcsim._lost");
    PyObject *error =
        module
            ? PyObject_CallMethod(module, "lost", "OK(KKKKK)(IIKK)", (PyObject *)h,
                                  (u)(uintptr_t)address, (u)lost.cycle, (u)lost.offset,
                                  (u)lost.span_page, (u)lost.index, (u)lost.slot_bytes, lost.store,
                                  lost.store_mutator, (u)lost.store_slot, (u)lost.store_time)
            : NULL;
    if (error)
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    Py_XDECREF(error);
    Py_XDECREF(module);
    return -1;
}
