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

// --- files as memory
//
// A heap's list of mapped files, outside of the world that steps mode rewinds. One leaves the list when nothing in the heap points into it; what
// is left goes with the heap.

struct mapped_file {
    struct mapped_file *next;
    gcsim_mapping map;
    uint64_t number;
    bool writable;
};

BIND_COLD bool heap_read_only_long_way(struct heap_object *h, const void *address)
{
    struct mapped_file *f = h->mapped;
    while (f && (uint64_t)((const char *)address - f->map.base) >= f->map.room)
        f = f->next;
    return f && !f->writable;
}

BIND_COLD int heap_raise_read_only(struct heap_object *h)
{
    bind_raise(h->state, ERR_STATE,
               "the file is mapped for reading; map_file(..., writable=True) makes a mapping "
               "whose changes stay in memory");
    return -1;
}

static void mapped_attend(struct heap_object *h)
{
    bool any = false;
    for (struct mapped_file *f = h->mapped; f; f = f->next)
        any |= !f->writable;
    heap_attend(h, any ? HEAP_READ_ONLY : 0, HEAP_READ_ONLY);
}

static void mapped_free(struct heap_object *h)
{
    for (struct mapped_file *f = h->mapped, *next; f; f = next) {
        next = f->next;
        h->api->unmap_now(&f->map);
        PyMem_RawFree(f);
    }
    h->mapped = NULL;
}

static struct mapped_file **mapped_number(struct heap_object *h, PyObject *number)
{
    unsigned long long n = PyLong_AsUnsignedLongLong(number);
    if ((n == (unsigned long long)-1 && PyErr_Occurred()) || heap_check_open(h) < 0)
        return NULL;
    struct mapped_file **at = &h->mapped;
    while (*at && (*at)->number != n)
        at = &(*at)->next;
    return *at ? at : bind_raise(h->state, ERR_STALE, "the mapped file is closed");
}

// _map_file(fd, offset, bytes, writable) -> (number, kind, bytes, address); or the errno.
static PyObject *heap_py_map_file(PyObject *self, PyObject *args)
{
    struct heap_object *h = (struct heap_object *)self;
    unsigned long long offset, bytes;
    int fd, writable;
    if (!PyArg_ParseTuple(args, "iKKp", &fd, &offset, &bytes, &writable) ||
        heap_check_own(h, "map a file") < 0)
        return NULL;
    struct mapped_file *f = PyMem_RawCalloc(1, sizeof *f);
    if (!f)
        return PyErr_NoMemory();
    gcsim_status status;
    Py_BEGIN_ALLOW_THREADS;
    status = h->api->map_file(fd, offset, bytes, &f->map);
    Py_END_ALLOW_THREADS;
    if (status == GCSIM_OK && heap_check_open(h) == 0) { // it may have been closed meanwhile
        f->writable = writable;
        f->number = ++h->state->mapped_serials;
        f->next = h->mapped;
        h->mapped = f;
        mapped_attend(h);
        return Py_BuildValue("KIKK", (unsigned long long)f->number, f->map.kind,
                             (unsigned long long)f->map.bytes,
                             (unsigned long long)(uintptr_t)f->map.base);
    }
    int error = f->map.error;
    h->api->unmap_now(&f->map);
    PyMem_RawFree(f);
    if (PyErr_Occurred())
        return NULL;
    return status == GCSIM_NO_MEMORY ? heap_raise_status(h, status, "memory for a file")
                                     : PyLong_FromLong(error);
}

// _mapped_slice(number, elem) -> Slice of all elements.
static PyObject *heap_py_mapped_slice(PyObject *self, PyObject *args)
{
    struct heap_object *h = (struct heap_object *)self;
    PyObject *number, *type;
    if (!PyArg_ParseTuple(args, "OO", &number, &type) || heap_check_open(h) < 0)
        return NULL;
    struct type_object *elem = type_from_python(h->state, type); // first: it can run Python code
    struct mapped_file **at = elem ? mapped_number(h, number) : NULL;
    PyObject *slice = NULL;
    if (at && (elem->ptr_bytes || !elem->bytes)) {
        bind_raise(h->state, ERR_CONVERSION,
                   "a file has no pointers and no things of no size: %s cannot lie in one",
                   type_name(elem));
    } else if (at) {
        int64_t n = (int64_t)((*at)->map.bytes / elem->bytes);
        slice = row_over(h, elem, NULL, (struct slice){n ? (*at)->map.base : NULL, n, n});
    }
    Py_XDECREF(elem);
    return slice;
}

static void mapped_forget(struct heap_object *h, struct mapped_file *gone)
{
    struct mapped_file **at = &h->mapped;
    while (*at != gone)
        at = &(*at)->next;
    *at = gone->next;
    PyMem_RawFree(gone);
    mapped_attend(h);
}

// _unmap_file(number) -> pointers into it that keep it; 0: it is gone.
static PyObject *heap_py_unmap_file(PyObject *self, PyObject *number)
{
    struct heap_object *h = (struct heap_object *)self;
    struct mapped_file **at = mapped_number(h, number), *f = at ? *at : NULL;
    struct slow_call call;
    uint64_t pointers = 0, its_number;
    if (!f)
        return NULL;
    if (h->stepping)
        return bind_raise(h->state, ERR_STATE,
                          "a cycle is being stepped: going back would bring pointers into the file "
                          "back; close it when the cycle is over");
    its_number = f->number;
    f->number = 0; // from here on nobody makes a slice of it
    if (slow_begin(h, &call, "unmap a file") < 0) {
        for (struct mapped_file *left = h->mapped; left; left = left->next)
            left->number = left == f ? its_number : left->number; // it may have gone with the heap
        return NULL;
    }
    gcsim_status status = f->map.base ? h->api->unmap_file(call.m, &f->map, &pointers) : GCSIM_OK;
    slow_end(&call);
    f->number = its_number;
    if (status == GCSIM_OK)
        mapped_forget(h, f);
    if (slow_failed(&call, status == GCSIM_BAD_STATE ? GCSIM_OK : status, "unmap a file"))
        return NULL;
    return PyLong_FromUnsignedLongLong(pointers);
}

static PyObject *heap_py_map_file_value(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *module = PyImport_ImportModule("gcsim._mapped");
    PyObject *make = module ? bind_attribute(module, "map_file") : NULL;
    PyObject *mine = PyTuple_Pack(1, self), *result = NULL;
    PyObject *all = make && mine ? PySequence_Concat(mine, args) : NULL;
    if (all)
        result = PyObject_Call(make, all, kwargs);
    Py_XDECREF(module);
    Py_XDECREF(make);
    Py_XDECREF(mine);
    Py_XDECREF(all);
    return result;
}
