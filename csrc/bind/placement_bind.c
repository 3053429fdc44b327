// Where a heap's memory lies: how it is cut up (watch/fragmentation.h). The numbers are gathered without the GIL; gcsim/_fragmentation.py makes
// the values that users see.
#include "bind/bind.h"

// --- fragmentation

struct page_map_buffers {
    gcsim_fragmentation numbers;
    gcsim_page_map map;
    uint64_t runs; // there are
};

static bool page_map_reserve(struct page_map_buffers *b, uint64_t runs)
{
    gcsim_page_run *grown = PyMem_RawRealloc(b->map.runs, runs * sizeof *grown);
    if (!grown)
        return false;
    b->map.runs = grown;
    b->map.room = runs;
    return true;
}

// Until there is room for all runs: their number changes while the world runs. 0, or -1 with an error.
static int page_map_read(struct heap_object *h, struct page_map_buffers *b)
{
    struct slow_call call;
    for (b->runs = 1 << 10; b->runs > b->map.room;) {
        if (!page_map_reserve(b, b->runs + b->runs / 8)) {
            PyErr_NoMemory();
            return -1;
        }
        memset(b->map.slots, 0, b->map.slot_pages * 128);
        if (slow_begin(h, &call, "see how it is cut up") < 0)
            return -1;
        b->runs = h->api->fragmentation(call.m, &b->numbers, &b->map);
        slow_end(&call);
        if (slow_failed(&call, GCSIM_OK, "fragmentation"))
            return -1;
    }
    return 0;
}

// _read_fragmentation(slot_pages) -> bytes of gcsim_fragmentation, of the gcsim_page_runs, of the bits of the slots.
static PyObject *heap_py_read_fragmentation(PyObject *self, PyObject *arg)
{
    unsigned long long pages = PyLong_AsUnsignedLongLong(arg);
    if (pages == (unsigned long long)-1 && PyErr_Occurred())
        return NULL;
    struct page_map_buffers *b = PyMem_RawCalloc(1, sizeof *b);
    uint64_t *slots = b && pages <= UINT32_MAX ? PyMem_RawMalloc(pages * 128 + 1) : NULL;
    PyObject *result = NULL;
    if (!slots) {
        PyErr_NoMemory();
    } else {
        b->map = (gcsim_page_map){.slots = slots, .slot_pages = pages};
        if (page_map_read((struct heap_object *)self, b) == 0) {
            uint64_t shown = b->numbers.pages < pages ? b->numbers.pages : pages;
            result = Py_BuildValue("y#y#y#", &b->numbers, (Py_ssize_t)sizeof b->numbers,
                                   b->map.runs, (Py_ssize_t)(b->runs * sizeof *b->map.runs), slots,
                                   (Py_ssize_t)(shown * 128));
        }
        PyMem_RawFree(b->map.runs);
    }
    PyMem_RawFree(slots);
    PyMem_RawFree(b);
    return result;
}

static PyObject *heap_py_fragmentation(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return call_in("gcsim._fragmentation", "fragmentation", "(O)", self);
}
