// Interfaces and func values in Python: Box, Func, Heap.box and what Heap.closure needs, over lib/iface and lib/closure.
//
// A Box is what an interface holds, as an immutable value: a type, and a data word, which it roots. References are in an interface as Go's
// pointers are, so they are no Boxes; a nil pointer of some type is one. A Func is a pointer to a closure object, or to the word of a
// function that captures nothing, which lies in h->functions.
#include "bind/bind.h"

#include "lib/closure.c"
#include "lib/iface.c"

struct box_object {
    PyObject_HEAD struct heap_object *heap; // strong
    struct type_object *type;               // strong; of the value
    gcsim_handle *handle; // root of the data word; NULL if that leads to no object
    void *data;
};

struct func_object {
    PyObject_HEAD struct heap_object *heap; // strong
    gcsim_handle *handle;                   // root of the closure; NULL if it captures nothing
    const uint64_t *closure;
};

// Something of gcsim._boxes, called with these arguments (stolen; NULL ends with the error that is set).
static PyObject *boxes_call(const char *name, PyObject *args)
{
    PyObject *module = args ? PyImport_ImportModule("gcsim._boxes") : NULL;
    PyObject *function = module ? bind_attribute(module, name) : NULL;
    PyObject *result = function ? PyObject_CallObject(function, args) : NULL;
    Py_XDECREF(function);
    Py_XDECREF(module);
    Py_XDECREF(args);
    return result;
}

// --- boxes

// Takes over the handle, also when it fails.
static PyObject *box_make(struct heap_object *h, struct type_object *type, gcsim_handle *handle,
                          void *data)
{
    PyTypeObject *cls = h->state->types[TYPE_BOX];
    struct box_object *box = (struct box_object *)cls->tp_alloc(cls, 0);
    if (!box) {
        if (handle)
            heap_unroot(h, handle);
        return NULL;
    }
    box->heap = (struct heap_object *)Py_NewRef(h);
    box->type = (struct type_object *)Py_NewRef(type);
    box->handle = handle;
    box->data = data;
    if (heap_born(h, box) < 0)
        Py_CLEAR(box);
    return (PyObject *)box;
}

static void box_dealloc(struct box_object *box)
{
    PyTypeObject *tp = Py_TYPE(box);
    heap_died(box->heap, box, box->handle);
    if (box->handle)
        heap_unroot(box->heap, box->handle);
    Py_DECREF(box->type);
    Py_DECREF(box->heap);
    tp->tp_free(box);
    Py_DECREF(tp);
}

// The kind that is left when structs of one field and arrays of one element are taken off; -1 with an error. Strong `type` is replaced.
static int64_t sole_kind(struct type_object *type)
{
    int64_t kind = -1;
    type = (struct type_object *)Py_NewRef(type);
    while (type && kind < 0) {
        PyObject *fields = NULL, *info = NULL, *inside = NULL;
        struct type_object *next = NULL;
        if (type->kind == GCSIM_KIND_STRUCT && (fields = bind_attribute(type->info, "fields")) &&
            PyTuple_Check(fields) && PyTuple_GET_SIZE(fields) == 1)
            info = inside = bind_attribute(PyTuple_GET_ITEM(fields, 0), "type");
        else if (!PyErr_Occurred() && type->kind == GCSIM_KIND_ARRAY && type->count == 1)
            next = (struct type_object *)Py_XNewRef(type_elem(type));
        else if (!PyErr_Occurred())
            kind = type->kind;
        if (info)
            next = type_from_python(type->state, info);
        Py_XDECREF(inside);
        Py_XDECREF(fields);
        Py_SETREF(type, next);
    }
    Py_XDECREF(type);
    return kind;
}

// What is staged, as it will lie in memory, to memory outside the heap: no barrier, and the stage is still the root of all of it.
static void stage_spill(struct stage *stage, char *at)
{
    size_t n = stage->n, put = 0;
    for (size_t i = 0; i < n; i++) {
        struct staged item = stage->items[i];
        if (item.type->kind == GCSIM_KIND_STRUCT || item.type->kind == GCSIM_KIND_ARRAY) {
            memcpy(at + item.offset, item.as.from, copied_bytes(&item));
        } else { // to the front
            stage->items[i] = stage->items[put];
            stage->items[put++] = item;
        }
    }
    stage->n = put;
    stage->on_stack = true;
    stage_write(stage, NULL, at);
    stage->n = n;
}

// The value at `value`, whose pointers the caller roots, in an interface that escapes; a variable's, not a constant's.
static PyObject *box_value(struct heap_object *h, struct type_object *type, const gcsim_type *t,
                           const void *value)
{
    int64_t sole = sole_kind(type);
    if (sole < 0)
        return NULL;
    enum iface_way way = iface_way(t, (uint32_t)sole, false, true);
    bool allocates = iface_allocates(way, t, value);
    gcsim_handle *handle = allocates ? heap_allocate(h, t, false, 1) : NULL;
    if ((allocates && !handle) || heap_check_own(h, "box a value") < 0) {
        if (handle)
            heap_unroot(h, handle);
        return NULL;
    }
    void *data = handle ? handle->ptr : NULL;
    gcsim_mutator *m = heap_enter(h);
    if (!m) {
        if (handle)
            heap_unroot(h, handle);
        return NULL;
    }
    gcsim_status status = GCSIM_OK;
    if (handle)
        h->api->copy(m, t, data, value, 1);
    else if (iface_data(m, way, t, value, &data) == GCSIM_OK && leads_to_arena(m, data) &&
             !(handle = h->api->handle_new(m, data)))
        status = m->status == GCSIM_OK ? GCSIM_NO_MEMORY : m->status;
    heap_leave(h, m);
    return status == GCSIM_OK ? box_make(h, type, handle, data) : ref_no_handle(h, status);
}

static PyObject *box_new(struct heap_object *h, struct type_object *type, PyObject *value)
{
    struct stage stage = {.heap = h};
    PyObject *box = NULL;
    char few[64], *room = few;
    const gcsim_type *t = heap_type(h, type);
    if (t && IS_REF(h->state, value) && ref_type_of(h->state, value) == type) {
        void *variable; // a reference to a variable of this type: what is in it
        return ref_address_for(h, type, value, &variable) < 0 ? NULL
                                                              : box_value(h, type, t, variable);
    }
    if (!t || stage_add(&stage, type, 0, value) < 0 || heap_check_own(h, "box a value") < 0)
        goto out;
    if (type->bytes > sizeof few && !(room = PyMem_Malloc(type->bytes))) {
        PyErr_NoMemory();
        goto out;
    }
    memset(room, 0, type->bytes);
    stage_spill(&stage, room);
    box = box_value(h, type, t, room);
out:
    if (room != few)
        PyMem_Free(room);
    stage_drop(&stage);
    return box;
}

static struct type_object *default_type(struct heap_object *h, PyObject *value)
{
    PyObject *info = boxes_call("type_of", Py_BuildValue("(O)", value));
    struct type_object *type = info ? type_from_python(h->state, info) : NULL;
    Py_XDECREF(info);
    return type;
}

static int iface_words(struct heap_object *h, PyObject *value, struct iface *out, PyObject **owner)
{
    *out = (struct iface){0, NULL};
    *owner = NULL;
    if (value == Py_None)
        return 0;
    if (IS_REF(h->state, value)) {
        if (ref_address_for(h, NULL, value, &out->data) < 0)
            return -1;
        struct type_object *t = ref_type_of(h->state, value);
        out->type = t ? (uintptr_t)heap_type(h, t) : 0;
        *owner = Py_NewRef(value);
        return out->type ? 0 : -1;
    }
    if (Py_IS_TYPE(value, h->state->types[TYPE_BOX])) {
        *owner = Py_NewRef(value);
    } else {
        struct type_object *type = default_type(h, value);
        *owner = type ? box_new(h, type, value) : NULL;
        Py_XDECREF(type);
    }
    struct box_object *box = (struct box_object *)*owner;
    if (!box)
        return -1;
    if (box->heap != h)
        return bind_raise(h->state, ERR_WRONG_HEAP,
                          "the value is boxed in another heap; a heap's pointers stay inside it"),
               -1;
    struct type_object *type = box->type;
    const gcsim_type *t = heap_type(h, type);
    out->data = box->data;
    out->type = t ? iface_word(t) : 0;
    if (t && type->kind == GCSIM_KIND_POINTER && box->data) { // as a reference is held
        t = (type = type_elem(type)) ? heap_type(h, type) : NULL;
        out->type = (uintptr_t)t;
    }
    return t ? 0 : -1;
}

static PyObject *iface_object(struct heap_object *h, struct iface words, gcsim_handle *handle)
{
    struct type_object *type = words.type ? heap_type_of(h, iface_type(words.type)) : NULL;
    if (words.type && !type)
        bind_raise(h->state, ERR_CONVERSION,
                   "the interface holds a type that Python does not know");
    if (type && words.type & IFACE_VALUE)
        return box_make(h, type, handle, words.data);
    PyObject *result = NULL;
    if (type && handle) {
        PyTypeObject *cls = type_class(type);
        result = cls ? ref_from_handle(h, cls, handle) : NULL;
        handle = cls ? NULL : handle;
        Py_XDECREF(cls);
    } else if (!PyErr_Occurred()) {
        result = Py_NewRef(Py_None);
    }
    if (handle)
        heap_unroot(h, handle);
    return result;
}

static PyObject *iface_load(struct heap_object *h, void *address)
{
    gcsim_mutator *m = heap_enter(h);
    if (!m)
        return NULL;
    struct iface words = {GCSIM_LOAD((uintptr_t *)address), GCSIM_LOAD((void **)address + 1)};
    gcsim_handle *handle =
        words.data && leads_to_arena(m, words.data) ? h->api->handle_new(m, words.data) : NULL;
    gcsim_status status = m->status;
    bool failed = words.data && leads_to_arena(m, words.data) && !handle;
    heap_leave(h, m);
    return failed ? ref_no_handle(h, status) : iface_object(h, words, handle);
}

static PyObject *heap_py_box(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    struct heap_object *h = (struct heap_object *)self;
    if (nargs != 2)
        return bind_raise(h->state, ERR_CONVERSION,
                          "box takes a type and a value: heap.box(i64, 300)");
    if (heap_check_own(h, "box a value") < 0)
        return NULL;
    struct type_object *type = type_from_python(h->state, args[0]);
    if (!type)
        return NULL;
    PyObject *box;
    if (type->kind == GCSIM_KIND_INTERFACE) { // its dynamic value is what is boxed already
        struct iface words;
        PyObject *owner = NULL;
        box = iface_words(h, args[1], &words, &owner) < 0 ? NULL
              : owner                                     ? Py_NewRef(owner)
                                                          : Py_NewRef(Py_None);
        Py_XDECREF(owner);
    } else {
        box = box_new(h, type, args[1]);
    }
    Py_DECREF(type);
    return heap_then(h, box);
}

// --- what is in a box

// A copy of it in an object of its own, as a type assertion makes.
static PyObject *box_copied(struct box_object *box)
{
    struct heap_object *h = box->heap;
    const gcsim_type *t = heap_type(h, box->type);
    gcsim_handle *handle = t ? heap_allocate(h, t, false, 1) : NULL;
    gcsim_mutator *m = handle ? heap_enter(h) : NULL;
    if (m) {
        if (t->bytes)
            h->api->copy(m, t, handle->ptr, iface_value(t, &box->data), 1);
        heap_leave(h, m);
    }
    PyObject *value = !m                                    ? NULL
                      : box->type->kind == GCSIM_KIND_ARRAY ? array_get(h, box->type, handle->ptr)
                                                            : ref_to(h, box->type, handle->ptr);
    if (handle)
        heap_unroot(h, handle);
    return value;
}

static PyObject *box_get_value(struct box_object *box, void *Py_UNUSED(closure))
{
    struct heap_object *h = box->heap;
    if (heap_check_open(h) < 0)
        return NULL;
    if (box->type->kind == GCSIM_KIND_STRUCT || box->type->kind == GCSIM_KIND_ARRAY)
        return heap_check_own(h, "copy what is in an interface") < 0 ? NULL : box_copied(box);
    const gcsim_type *t = heap_type(h, box->type);
    return t ? value_get(h, box->type, (void *)(uintptr_t)iface_value(t, &box->data)) : NULL;
}

static PyObject *box_get_type(struct box_object *box, void *Py_UNUSED(closure))
{
    return Py_NewRef(box->type->info);
}

static PyObject *box_get_address(struct box_object *box, void *Py_UNUSED(closure))
{
    return PyLong_FromVoidPtr(box->data);
}

static PyObject *box_is_object(struct box_object *box, void *Py_UNUSED(closure))
{
    bool direct = box->type->bytes == 8 && box->type->ptr_bytes == 8;
    return PyBool_FromLong(box->handle && !direct);
}

static PyObject *box_repr(struct box_object *box)
{
    const char *name = type_name(box->type);
    if (!box->heap->heap)
        return PyUnicode_FromFormat("<Box of %s of a closed heap>", name);
    bool direct = box->type->bytes == 8 && box->type->ptr_bytes == 8;
    PyObject *shown =
        repr_value(box->heap, box->type, direct ? (char *)&box->data : (char *)box->data);
    PyErr_Clear();
    PyObject *text = PyUnicode_FromFormat("<Box of %s: %V>", name, shown, "?");
    Py_XDECREF(shown);
    return text;
}

static PyObject *no_copies(PyObject *self, PyObject *Py_UNUSED(unused))
{
    PyErr_Format(PyExc_TypeError, "a %s lives on a gcsim heap: take a heap.snapshot() instead",
                 Py_TYPE(self)->tp_name);
    return NULL;
}

static PyObject *box_itself(PyObject *self, PyObject *Py_UNUSED(unused)) { return Py_NewRef(self); }

static PyMethodDef box_methods[] = {
    {"__copy__", box_itself, METH_NOARGS, NULL},
    {"__deepcopy__", no_copies, METH_O, NULL},
    {"__reduce__", no_copies, METH_NOARGS, NULL},
    {"__reduce_ex__", no_copies, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef box_getset[] = {
    {"type", (getter)box_get_type, NULL, "the TypeInfo of the value: what Go calls dynamic type",
     NULL},
    {"value", (getter)box_get_value, NULL,
     "the value; of a struct or array a copy in a new object, as a type assertion makes", NULL},
    {"address", (getter)box_get_address, NULL,
     "the data word, an int: the address of the value, or the value if that is one pointer", NULL},
    {"is_object", (getter)box_is_object, NULL,
     "whether the value has an object of its own in the heap", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot box_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("What an interface holds that is no pointer: a type and a value, "
                                  "which never changes. See Heap.box.")},
    {Py_tp_dealloc, box_dealloc},
    {Py_tp_repr, box_repr},
    {Py_tp_methods, box_methods},
    {Py_tp_getset, box_getset},
    {0, NULL},
};
static PyType_Spec box_spec = {
    .name = "gcsim._core.Box",
    .basicsize = sizeof(struct box_object),
    .slots = box_slots,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
};

// --- func values. h->functions is a list of rows (name, names of captures, their types, TypeInfo of the closure or None, bytes of the
// word that holds the code), which gcsim/_boxes.py appends to; a function's code is the number of its row + 1.

enum { ROW_NAME, ROW_WORDS, ROW_TYPES, ROW_SHAPE, ROW_CODE, ROW_PARTS };

static PyObject *function_of(struct heap_object *h, uint64_t code)
{
    PyObject *row = NULL, *word;
    if (h->functions && code - 1 < (uint64_t)PyList_GET_SIZE(h->functions))
        row = PyList_GET_ITEM(h->functions, (Py_ssize_t)(code - 1));
    if (row && PyTuple_Check(row) && PyTuple_GET_SIZE(row) == ROW_PARTS &&
        PyBytes_Check(word = PyTuple_GET_ITEM(row, ROW_CODE)) && PyBytes_GET_SIZE(word) == 8)
        return row;
    return bind_raise(h->state, ERR_CONVERSION, "the func value is none that heap.closure made");
}

// Takes over the handle, also when it fails.
static PyObject *func_make(struct heap_object *h, gcsim_handle *handle, const void *closure)
{
    PyTypeObject *cls = h->state->types[TYPE_FUNC];
    struct func_object *f = (struct func_object *)cls->tp_alloc(cls, 0);
    if (!f) {
        if (handle)
            heap_unroot(h, handle);
        return NULL;
    }
    f->heap = (struct heap_object *)Py_NewRef(h);
    f->handle = handle;
    f->closure = closure;
    if (heap_born(h, f) < 0)
        Py_CLEAR(f);
    return (PyObject *)f;
}

static void func_dealloc(struct func_object *f)
{
    PyTypeObject *tp = Py_TYPE(f);
    heap_died(f->heap, f, f->handle);
    if (f->handle)
        heap_unroot(f->heap, f->handle);
    Py_DECREF(f->heap);
    tp->tp_free(f);
    Py_DECREF(tp);
}

static PyObject *func_load(struct heap_object *h, void *address)
{
    gcsim_mutator *m = heap_enter(h);
    if (!m)
        return NULL;
    void *p = GCSIM_LOAD((void **)address);
    gcsim_handle *handle = p && leads_to_arena(m, p) ? h->api->handle_new(m, p) : NULL;
    gcsim_status status = m->status;
    bool failed = p && leads_to_arena(m, p) && !handle;
    heap_leave(h, m);
    if (failed)
        return ref_no_handle(h, status);
    return p ? func_make(h, handle, p) : Py_NewRef(Py_None);
}

static int func_word(struct heap_object *h, PyObject *value, void **out)
{
    *out = NULL;
    if (value == Py_None)
        return 0;
    struct func_object *f = (struct func_object *)value;
    if (!Py_IS_TYPE(value, h->state->types[TYPE_FUNC])) {
        bind_raise(h->state, ERR_CONVERSION, "a func takes what heap.closure gives or None, not %s",
                   Py_TYPE(value)->tp_name);
        return -1;
    }
    if (f->heap != h) {
        bind_raise(h->state, ERR_WRONG_HEAP,
                   "the func value belongs to another heap; a heap's pointers stay inside it");
        return -1;
    }
    *out = (void *)(uintptr_t)f->closure;
    return 0;
}

static PyObject *heap_py_functions(PyObject *self, void *Py_UNUSED(closure))
{
    struct heap_object *h = (struct heap_object *)self;
    if (heap_check_open(h) < 0 || (!h->functions && !(h->functions = PyList_New(0))))
        return NULL;
    return Py_NewRef(h->functions);
}

// _func(code, closure or None)
static PyObject *heap_py_func(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    struct heap_object *h = (struct heap_object *)self;
    uint64_t code = nargs == 2 ? PyLong_AsUnsignedLongLong(args[0]) : 0;
    PyObject *row = PyErr_Occurred() || heap_check_own(h, "make a func value") < 0
                        ? NULL
                        : function_of(h, code);
    if (!row)
        return NULL;
    void *p = PyBytes_AS_STRING(PyTuple_GET_ITEM(row, ROW_CODE));
    if (args[1] != Py_None && ref_address_for(h, NULL, args[1], &p) < 0)
        return NULL;
    gcsim_handle *handle = args[1] == Py_None ? NULL : heap_root(h, p);
    return handle || args[1] == Py_None ? func_make(h, handle, p) : NULL;
}

static PyObject *func_row(struct func_object *f)
{
    return heap_check_open(f->heap) < 0 ? NULL : function_of(f->heap, closure_code(f->closure));
}

static PyObject *func_name(struct func_object *f, void *Py_UNUSED(closure))
{
    PyObject *row = func_row(f);
    return row ? Py_NewRef(PyTuple_GET_ITEM(row, ROW_NAME)) : NULL;
}

static PyObject *func_captures(struct func_object *f, void *Py_UNUSED(closure))
{
    PyObject *row = func_row(f);
    if (!row || !f->handle)
        return row ? PyDict_New() : NULL;
    row = Py_NewRef(row);
    struct type_object *type = type_from_python(f->heap->state, PyTuple_GET_ITEM(row, ROW_SHAPE));
    PyObject *ref = type ? ref_to(f->heap, type, (void *)(uintptr_t)f->closure) : NULL;
    Py_XDECREF(type);
    PyObject *args = ref ? Py_BuildValue("(NO)", ref, PyTuple_GET_ITEM(row, ROW_WORDS)) : NULL;
    Py_DECREF(row);
    return boxes_call("captures", args);
}

static PyObject *func_address(struct func_object *f, void *Py_UNUSED(closure))
{
    return PyLong_FromVoidPtr((void *)(uintptr_t)f->closure);
}

static PyObject *func_is_object(struct func_object *f, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(f->handle != NULL);
}

static PyObject *func_repr(struct func_object *f)
{
    PyObject *row = f->heap->heap ? func_row(f) : NULL;
    PyErr_Clear();
    return row ? PyUnicode_FromFormat("<Func %U at %p>", PyTuple_GET_ITEM(row, ROW_NAME),
                                      f->closure)
               : PyUnicode_FromString("<Func of a closed heap>");
}

static PyGetSetDef func_getset[] = {
    {"name", (getter)func_name, NULL, "the function's name", NULL},
    {"captures", (getter)func_captures, NULL,
     "what it has captured, a dict by name: values, and references to variables", NULL},
    {"address", (getter)func_address, NULL, "the func value itself, an int", NULL},
    {"is_object", (getter)func_is_object, NULL,
     "whether there is an object: not if it captures nothing", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot func_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("A func value of Go: a function and what it has captured. See "
                                  "Heap.closure.")},
    {Py_tp_dealloc, func_dealloc},
    {Py_tp_repr, func_repr},
    {Py_tp_methods, box_methods},
    {Py_tp_getset, func_getset},
    {0, NULL},
};
static PyType_Spec func_spec = {
    .name = "gcsim._core.Func",
    .basicsize = sizeof(struct func_object),
    .slots = func_slots,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
};

// closure(name, types=None, /, **captures)
static PyObject *heap_py_closure(PyObject *self, PyObject *args, PyObject *kwargs)
{
    struct heap_object *h = (struct heap_object *)self;
    PyObject *name, *types = Py_None;
    if (!PyArg_ParseTuple(args, "U|O:closure", &name, &types)) {
        PyErr_Clear();
        return bind_raise(h->state, ERR_CONVERSION,
                          "closure takes a name, perhaps a mapping of types, and captures as "
                          "keywords: heap.closure(\"f\", n=1)");
    }
    if (heap_check_own(h, "make a func value") < 0)
        return NULL;
    PyObject *values = kwargs ? Py_NewRef(kwargs) : PyDict_New();
    return boxes_call("closure", values ? Py_BuildValue("(OOON)", h, name, types, values) : NULL);
}

// iface_way(type, constant, escapes) -> its number
static PyObject *boxes_iface_way(PyObject *module, PyObject *args)
{
    PyObject *info;
    int constant, escapes;
    if (!PyArg_ParseTuple(args, "Opp:iface_way", &info, &constant, &escapes))
        return NULL;
    struct type_object *type = type_from_python(PyModule_GetState(module), info);
    int64_t sole = type ? sole_kind(type) : -1;
    gcsim_type t = {0};
    if (type)
        t = (gcsim_type){.bytes = type->bytes, .ptr_bytes = type->ptr_bytes, .align = type->align};
    Py_XDECREF(type);
    return sole < 0 ? NULL : PyLong_FromLong(iface_way(&t, (uint32_t)sole, constant, escapes));
}

static PyObject *boxes_closure_by_value(PyObject *Py_UNUSED(module), PyObject *args)
{
    unsigned long long bytes;
    int reassigned, address_taken;
    if (!PyArg_ParseTuple(args, "Kpp:closure_by_value", &bytes, &reassigned, &address_taken))
        return NULL;
    return PyBool_FromLong(closure_by_value(bytes, reassigned, address_taken));
}

static int boxes_init(PyObject *module, struct bind_state *state)
{
    return type_add(module, state, TYPE_BOX, &box_spec) < 0
               ? -1
               : type_add(module, state, TYPE_FUNC, &func_spec);
}
