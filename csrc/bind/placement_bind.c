// Where a heap's memory lies: how it is cut up (watch/fragmentation.h), which pages are behind it (alloc/placement.h). The numbers are gathered
// without the GIL; gcsim/_fragmentation.py and gcsim/_placement.py make the values that users see.
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

// --- placement

// _read_placement() -> bytes of gcsim_placement, of the gcsim_cached_spans.
static PyObject *heap_py_read_placement(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct heap_object *h = (struct heap_object *)self;
    struct slow_call call;
    gcsim_placement where;
    gcsim_cached_span *spans = NULL;
    uint64_t n = 1 << 8, room = 0;
    while (n > room) {
        PyMem_RawFree(spans);
        room = n;
        if (!(spans = PyMem_RawMalloc(room * sizeof *spans)))
            return PyErr_NoMemory();
        bool begun = slow_begin(h, &call, "see where it lies") == 0;
        if (begun) {
            h->api->placement(call.m, &where);
            n = h->api->cached_spans(call.m, spans, room);
            slow_end(&call);
        }
        if (!begun || slow_failed(&call, GCSIM_OK, "placement")) {
            PyMem_RawFree(spans);
            return NULL;
        }
    }
    PyObject *result = Py_BuildValue("y#y#", &where, (Py_ssize_t)sizeof where, spans,
                                     (Py_ssize_t)(n * sizeof *spans));
    PyMem_RawFree(spans);
    return result;
}

static PyObject *heap_py_collapse_huge_pages(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct heap_object *h = (struct heap_object *)self;
    struct slow_call call;
    uint64_t page = 0, bytes = 0, last;
    do {
        last = page;
        if (slow_begin(h, &call, "make huge pages") < 0)
            return NULL;
        gcsim_status status = h->api->collapse_huge_pages(call.m, &page, &bytes);
        slow_end(&call);
        if (slow_failed(&call, status, "collapse_huge_pages"))
            return NULL;
    } while (page != last && PyErr_CheckSignals() == 0);
    return PyErr_Occurred() ? NULL : PyLong_FromUnsignedLongLong(bytes);
}

// _page_nodes(address, pages) -> bytes of int32, -1 for none.
static PyObject *heap_py_page_nodes_raw(PyObject *self, PyObject *args)
{
    struct heap_object *h = (struct heap_object *)self;
    unsigned long long address, pages;
    if (!PyArg_ParseTuple(args, "KK", &address, &pages) || heap_check_open(h) < 0)
        return NULL;
    if (pages > PY_SSIZE_T_MAX / sizeof(int32_t))
        return PyErr_NoMemory();
    PyObject *nodes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(pages * sizeof(int32_t)));
    if (!nodes)
        return NULL;
    gcsim_status status = h->api->page_nodes(h->heap, (void *)(uintptr_t)address, pages,
                                             (int32_t *)(void *)PyBytes_AS_STRING(nodes));
    if (status == GCSIM_OK)
        return nodes;
    Py_DECREF(nodes);
    return heap_raise_status(h, status, "the nodes of pages");
}

static PyObject *heap_py_page_nodes(PyObject *self, PyObject *where)
{
    return call_in("gcsim._placement", "page_nodes", "(OO)", self, where);
}
static PyObject *heap_py_huge_pages(PyObject *self, void *Py_UNUSED(closure))
{
    return call_in("gcsim._placement", "huge_pages", "(O)", self);
}
static PyObject *heap_py_placement(PyObject *self, void *Py_UNUSED(closure))
{
    return call_in("gcsim._placement", "placement", "(O)", self);
}
