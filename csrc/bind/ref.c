// Ref, the base of all struct classes: a strong root for as long as Python holds it. And Weak, which is not a root.
//
// A Ref has no public attributes: the fields of its struct own all names. Its deallocation is one lock-free push.
#include "bind/bind.h"

// --- making and unmaking

// A Ref of class `cls`, whose own words are not set. What was one before needs but a class and a count (and tracemalloc goes on to name
// the line that it was made by first).
static inline struct ref_object *ref_memory(struct bind_state *state, PyTypeObject *cls)
{
#ifndef Py_REF_DEBUG // a debug build of CPython counts all references there are
    if (BIND_LIKELY(state->free_count)) {
        struct ref_object *ref = state->free_refs[--state->free_count];
        Py_SET_REFCNT((PyObject *)ref, 1);
        Py_SET_TYPE((PyObject *)ref, (PyTypeObject *)Py_NewRef(cls));
        return ref;
    }
#endif
    struct ref_object *ref = state->free_count ? state->free_refs[--state->free_count]
                                               : PyObject_Malloc(sizeof(struct ref_object));
    return ref ? (struct ref_object *)PyObject_Init((PyObject *)ref, cls) : NULL;
}

static inline void ref_give_back(struct bind_state *state, struct ref_object *ref)
{
    if (BIND_LIKELY(state->free_count < REF_FREELIST))
        state->free_refs[state->free_count++] = ref;
    else
        PyObject_Free(ref);
}

BIND_COLD int ref_watch(struct heap_object *h, struct ref_object *ref);
BIND_COLD void ref_unwatch(struct heap_object *h, struct ref_object *ref);

BIND inline PyObject *ref_from_handle(struct heap_object *h, PyTypeObject *cls,
                                      gcsim_handle *handle)
{
    struct ref_object *ref = ref_memory(h->state, cls);
    if (BIND_UNLIKELY(!ref)) {
        heap_unroot(h, handle);
        return PyErr_NoMemory();
    }
    ref->heap = (struct heap_object *)Py_NewRef(h);
    ref->handle = handle;
    ref->address = handle->ptr;
    if (BIND_UNLIKELY(h->watched) && ref_watch(h, ref) < 0) {
        Py_DECREF(ref);
        return NULL;
    }
    return (PyObject *)ref;
}

static void ref_dealloc(PyObject *self)
{
    struct ref_object *ref = (struct ref_object *)self;
    struct heap_object *h = ref->heap;
    gcsim_handle *handle = ref->handle;
    PyTypeObject *cls = Py_TYPE(self);
    if (BIND_UNLIKELY(h->watched))
        ref_unwatch(h, ref);
    ref_give_back(h->state, ref);
    if (BIND_LIKELY(h->heap != NULL))
        h->api->handle_drop(h->heap, handle);
    Py_DECREF(h);
    Py_DECREF(cls);
}

BIND_COLD void *ref_no_handle(struct heap_object *h, gcsim_status status)
{
    return heap_raise_status(h, status == GCSIM_OK ? GCSIM_NO_MEMORY : status,
                             "a root for a reference");
}

BIND gcsim_handle *heap_root(struct heap_object *h, void *address)
{
    if (heap_check_lost(h, address) < 0)
        return NULL;
    gcsim_mutator *m = heap_enter(h);
    if (!m)
        return NULL;
    gcsim_handle *handle = h->api->handle_new(m, address);
    gcsim_status status = m->status;
    heap_leave(h, m);
    return handle ? handle : ref_no_handle(h, status);
}

BIND PyObject *ref_new(struct heap_object *h, PyTypeObject *cls, void *address)
{
    gcsim_handle *handle = heap_root(h, address);
    return handle ? ref_from_handle(h, cls, handle) : NULL;
}

BIND PyObject *ref_to(struct heap_object *h, struct type_object *type, void *address)
{
    gcsim_handle *handle = heap_root(h, address); // first: finding the class can run Python code
    if (!handle)
        return NULL;
    PyTypeObject *cls = type_class(type);
    if (!cls) {
        heap_unroot(h, handle);
        return NULL;
    }
    PyObject *ref = heap_check_open(h) == 0 ? ref_from_handle(h, cls, handle) : NULL;
    Py_DECREF(cls);
    return ref;
}

BIND PyObject *ref_load(struct heap_object *h, PyTypeObject *cls, void **slot)
{
    if (heap_check_lost(h, GCSIM_LOAD(slot)) < 0)
        return NULL;
    gcsim_mutator *m = heap_enter(h);
    if (BIND_UNLIKELY(!m))
        return NULL;
    void *p = GCSIM_LOAD(slot);
    gcsim_handle *handle = p ? h->api->handle_new(m, p) : NULL;
    heap_leave(h, m);
    if (!p)
        Py_RETURN_NONE;
    return BIND_LIKELY(handle != NULL) ? ref_from_handle(h, cls, handle)
                                       : ref_no_handle(h, m->status);
}

// --- what a Ref refers to

BIND struct type_object *ref_type_of(struct bind_state *state, PyObject *ref)
{
    if (!IS_REF(state, ref))
        return bind_raise(state, ERR_CONVERSION, "a reference into a heap is needed, not %s",
                          Py_TYPE(ref)->tp_name);
    return class_type((struct struct_class *)Py_TYPE(ref));
}

BIND_COLD int ref_refused(struct heap_object *h, struct type_object *elem, PyObject *value)
{
    const char *wanted = elem ? type_name(elem) : "any type", *got = Py_TYPE(value)->tp_name;
    if (!IS_REF(h->state, value))
        bind_raise(h->state, ERR_CONVERSION, "a pointer takes a reference to %s or None, not %s",
                   wanted, got);
    else if (((struct ref_object *)value)->heap->is_rewound)
        heap_raise_closed(((struct ref_object *)value)->heap);
    else if (((struct ref_object *)value)->heap != h)
        bind_raise(h->state, ERR_WRONG_HEAP,
                   "the %s belongs to another heap; a heap's pointers stay inside it",
                   class_name(Py_TYPE(value)));
    else
        bind_raise(h->state, ERR_CONVERSION, "a pointer to %s cannot hold a reference to %s",
                   wanted, class_name(Py_TYPE(value)));
    return -1;
}

BIND int ref_address_for(struct heap_object *h, struct type_object *elem, PyObject *value,
                         void **out)
{
    if (elem && ref_address_at_once(h, elem, value, out))
        return 0;
    *out = NULL;
    if (value == Py_None)
        return 0;
    struct ref_object *ref = (struct ref_object *)value;
    // Two classes may stand for one type: the cell with the class was run twice.
    bool fits =
        IS_REF(h->state, value) && (!elem || ((struct struct_class *)Py_TYPE(value))->type == elem);
    if (BIND_UNLIKELY(!fits || ref->heap != h))
        return ref_refused(h, elem, value);
    *out = ref->address;
    return 0;
}

// --- attributes: fields first, found by name without CPython's look-up

static struct field_object *ref_field(PyObject *self, PyObject *name)
{
    struct struct_class *cls = (struct struct_class *)Py_TYPE(self);
    for (Py_ssize_t i = 0; i < cls->field_count; i++)
        if (cls->fields[i]->name == name)
            return cls->fields[i];
    return NULL;
}

BIND_COLD void ref_no_field(PyObject *self, PyObject *name)
{
    struct struct_class *cls = (struct struct_class *)Py_TYPE(self);
    PyErr_Clear();
    PyObject *names = bind_attribute((PyObject *)cls, "__gcsim_fields__");
    PyObject *comma = names ? PyUnicode_FromString(", ") : NULL;
    PyObject *list = comma ? PyUnicode_Join(comma, names) : NULL;
    if (list)
        bind_raise(class_state(cls), ERR_FIELD, "%s has no field %R; it has: %U",
                   class_name(Py_TYPE(self)), name, list);
    Py_XDECREF(list);
    Py_XDECREF(comma);
    Py_XDECREF(names);
}

// Is the error at hand CPython's own word for an attribute that is not there?
static bool ref_attribute_missing(PyObject *self)
{
    return PyErr_ExceptionMatches(PyExc_AttributeError) &&
           !PyErr_ExceptionMatches(((struct ref_object *)self)->heap->state->errors[ERR_FIELD]);
}

BIND_COLD PyObject *ref_get_other(PyObject *self, PyObject *name)
{
    PyObject *found = PyObject_GenericGetAttr(self, name);
    if (!found && ref_attribute_missing(self))
        ref_no_field(self, name);
    return found;
}

static PyObject *ref_getattro(PyObject *self, PyObject *name)
{
    struct field_object *f = ref_field(self, name);
    return BIND_LIKELY(f != NULL) ? field_get((PyObject *)f, self, NULL)
                                  : ref_get_other(self, name);
}

BIND_COLD int ref_set_other(PyObject *self, PyObject *name, PyObject *value)
{
    int result = PyObject_GenericSetAttr(self, name, value);
    if (result < 0 && ref_attribute_missing(self))
        ref_no_field(self, name);
    return result;
}

static int ref_setattro(PyObject *self, PyObject *name, PyObject *value)
{
    struct field_object *f = ref_field(self, name);
    return BIND_LIKELY(f != NULL) ? field_set((PyObject *)f, self, value)
                                  : ref_set_other(self, name, value);
}

// --- identity

static PyObject *ref_richcompare(PyObject *a, PyObject *b, int op)
{
    struct bind_state *state = ((struct ref_object *)a)->heap->state;
    if ((op != Py_EQ && op != Py_NE) || !IS_REF(state, b))
        Py_RETURN_NOTIMPLEMENTED;
    struct ref_object *x = (struct ref_object *)a, *y = (struct ref_object *)b;
    return PyBool_FromLong((x->heap == y->heap && x->address == y->address) == (op == Py_EQ));
}

static Py_hash_t address_hash(struct heap_object *h, const void *address)
{
    uint64_t x = ((uint64_t)(uintptr_t)address >> 3) + h->serial * 0x9e3779b97f4a7c15u;
    x ^= x >> 32;
    return (Py_hash_t)x == -1 ? -2 : (Py_hash_t)x;
}

static Py_hash_t ref_hash(PyObject *self)
{
    struct ref_object *ref = (struct ref_object *)self;
    return address_hash(ref->heap, ref->address);
}

static int ref_bool(PyObject *Py_UNUSED(self)) { return 1; }

static PyObject *ref_copy(PyObject *self, PyObject *Py_UNUSED(unused)) { return Py_NewRef(self); }

static PyObject *ref_no_copy(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return bind_raise(((struct ref_object *)self)->heap->state, ERR_CONVERSION,
                      "a %s lives on its heap and cannot be pickled or copied deeply; "
                      "heap.snapshot() gives a value that can",
                      class_name(Py_TYPE(self)));
}

static PyObject *ref_tp_new(PyTypeObject *cls, PyObject *Py_UNUSED(args),
                            PyObject *Py_UNUSED(kwargs))
{
    PyErr_Format(PyExc_TypeError,
                 "%s objects live on a gcsim heap: make one with heap.new(%s, ...)",
                 class_name(cls), class_name(cls));
    return NULL;
}

// --- repr: never raises, runs nobody's code, makes no Ref

static PyObject *repr_value(struct heap_object *h, struct type_object *t, char *at)
{
    if (is_scalar(t->kind)) {
        PyObject *v = scalar_get(t, at), *text = v ? PyObject_Repr(v) : NULL;
        Py_XDECREF(v);
        return text;
    }
    if (t->kind == GCSIM_KIND_STRING) {
        uint64_t n = GCSIM_LOAD(AT(uint64_t, at) + 1);
        PyObject *v = n <= 40 ? string_get(h, at) : NULL, *text = v ? PyObject_Repr(v) : NULL;
        Py_XDECREF(v);
        return n <= 40
                   ? text
                   : PyUnicode_FromFormat("%s of %llu bytes", type_name(t), (unsigned long long)n);
    }
    if (t->kind == GCSIM_KIND_POINTER || t->kind == GCSIM_KIND_INTERFACE) {
        void *p = GCSIM_LOAD(AT(void *, at) + (t->kind == GCSIM_KIND_INTERFACE));
        return p ? PyUnicode_FromFormat("%p", p) : PyUnicode_FromString("None");
    }
    if (t->kind == GCSIM_KIND_SLICE)
        return PyUnicode_FromFormat("%s of %llu", type_name(t),
                                    (unsigned long long)GCSIM_LOAD(AT(uint64_t, at) + 1));
    return PyUnicode_FromString(type_name(t));
}

static PyObject *repr_fields(struct ref_object *ref, struct struct_class *cls)
{
    enum { SHOWN = 6 };
    PyObject *text = PyUnicode_FromString("");
    Py_ssize_t shown = 0;
    for (Py_ssize_t i = 0; text && i < cls->field_count && shown <= SHOWN; i++) {
        struct field_object *f = cls->fields[i];
        if (f->kind >= FIELD_HIDDEN)
            continue;
        PyObject *value =
            shown < SHOWN ? repr_value(ref->heap, f->type, ref->address + f->offset) : NULL;
        if (shown < SHOWN && !value)
            Py_CLEAR(text);
        else
            Py_SETREF(text, value ? PyUnicode_FromFormat("%U%s%U=%U", text, shown ? ", " : ": ",
                                                         f->name, value)
                                  : PyUnicode_FromFormat("%U, ...", text));
        Py_XDECREF(value);
        shown++;
    }
    return text;
}

static PyObject *ref_repr(PyObject *self)
{
    struct ref_object *ref = (struct ref_object *)self;
    const char *name = class_name(Py_TYPE(self));
    if (!ref->heap->heap)
        return PyUnicode_FromFormat("<%s at %p of a %s heap>", name, ref->address,
                                    ref->heap->is_rewound ? "rewound" : "closed");
    PyObject *fields = repr_fields(ref, (struct struct_class *)Py_TYPE(self));
    if (!fields) {
        PyErr_Clear();
        return PyUnicode_FromFormat("<%s at %p>", name, ref->address);
    }
    PyObject *text = PyUnicode_FromFormat("<%s at %p%U>", name, ref->address, fields);
    Py_DECREF(fields);
    return text;
}

static PyMethodDef ref_methods[] = {
    {"__copy__", ref_copy, METH_NOARGS,
     PyDoc_STR("The same reference: a copy would be another object.")},
    {"__deepcopy__", ref_no_copy, METH_O, PyDoc_STR("Raises: heap.snapshot() gives a value.")},
    {"__reduce_ex__", ref_no_copy, METH_O, PyDoc_STR("Raises: heap.snapshot() gives a value.")},
    {"__reduce__", ref_no_copy, METH_NOARGS, PyDoc_STR("Raises: heap.snapshot() gives a value.")},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot ref_slots[] = {
    {Py_tp_doc,
     (void *)PyDoc_STR(
         "A reference to an object of a gcsim heap, which it keeps alive.\n\n"
         "Made by heap.new and by reading pointers. Equal if heap and address are; always true.")},
    {Py_tp_new, ref_tp_new},
    {Py_tp_dealloc, ref_dealloc},
    {Py_tp_repr, ref_repr},
    {Py_tp_getattro, ref_getattro},
    {Py_tp_setattro, ref_setattro},
    {Py_tp_richcompare, ref_richcompare},
    {Py_tp_hash, ref_hash},
    {Py_nb_bool, ref_bool},
    {Py_tp_methods, ref_methods},
    {0, NULL},
};
static PyType_Spec ref_spec = {
    .name = "gcsim._core.Ref",
    .basicsize = sizeof(struct ref_object),
    .slots = ref_slots,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
};

// --- heaps that want to know of each Ref: trace_refs=True, step mode

// Takes the file and line of the Python code that runs; a Ref made by none is not traced.
static int ref_trace(struct heap_object *h, struct ref_object *ref)
{
    PyFrameObject *frame = PyEval_GetFrame(); // borrowed
    if (!frame)
        return 0;
    PyCodeObject *code = PyFrame_GetCode(frame);
    PyObject *where =
        Py_BuildValue("(KsOi)", (unsigned long long)(uintptr_t)ref->address,
                      class_name(Py_TYPE(ref)), code->co_filename, PyFrame_GetLineNumber(frame));
    PyObject *key = PyLong_FromVoidPtr(ref->handle);
    int result = where && key ? PyDict_SetItem(h->traces, key, where) : -1;
    Py_DECREF(code);
    Py_XDECREF(where);
    Py_XDECREF(key);
    return result;
}

static void ref_untrace(struct heap_object *h, struct ref_object *ref)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *key = PyLong_FromVoidPtr(ref->handle);
    if (!key || PyDict_DelItem(h->traces, key) < 0)
        PyErr_Clear();
    Py_XDECREF(key);
    PyErr_Restore(type, value, traceback);
}

BIND_COLD int ref_watch(struct heap_object *h, struct ref_object *ref)
{
    if (h->traces && ref_trace(h, ref) < 0)
        return -1;
    if (!h->types_at)
        return 0;
    struct type_object *type = ref_type_of(h->state, (PyObject *)ref);
    PyObject *key = type ? PyLong_FromVoidPtr(ref->address) : NULL;
    int result = key && PyDict_SetDefault(h->types_at, key, type->info) ? 0 : -1;
    Py_XDECREF(key);
    return result < 0 ? -1 : heap_born(h, ref);
}

BIND_COLD void ref_unwatch(struct heap_object *h, struct ref_object *ref)
{
    if (h->traces)
        ref_untrace(h, ref);
    heap_died(h, ref, ref->handle);
}

// --- Weak

struct weak_object {
    PyObject_HEAD struct heap_object *heap;
    gcsim_weak *weak; // one per address in the core: equal weak references share it
    PyTypeObject *cls;
    char *address;
};

static PyObject *weak_for(struct heap_object *h, PyObject *value)
{
    void *address = NULL;
    if (heap_check_own(h, "make a weak reference") < 0 ||
        ref_address_for(h, NULL, value, &address) < 0)
        return NULL;
    if (!address)
        return bind_raise(h->state, ERR_CONVERSION, "None has no weak reference");
    struct weak_object *w =
        (struct weak_object *)h->state->weak_type->tp_alloc(h->state->weak_type, 0);
    gcsim_mutator *m = w ? heap_enter(h) : NULL;
    if (m) {
        w->weak = h->api->weak_new(m, address);
        gcsim_status status = m->status;
        heap_leave(h, m);
        w->heap = (struct heap_object *)Py_NewRef(h);
        w->cls = (PyTypeObject *)Py_NewRef(Py_TYPE(value));
        w->address = address;
        if (w->weak && heap_born(h, w) < 0)
            Py_CLEAR(w);
        if (!w || w->weak)
            return (PyObject *)w;
        heap_raise_status(h, status == GCSIM_OK ? GCSIM_NO_MEMORY : status, "a weak reference");
    }
    Py_XDECREF(w);
    return NULL;
}

static void weak_drop_in_core(const gcsim_api *api, gcsim_mutator *m, void *weak)
{
    api->weak_drop(m, weak);
}

static void weak_dealloc(struct weak_object *w)
{
    PyTypeObject *tp = Py_TYPE(w);
    if (w->heap)
        heap_died(w->heap, w, NULL);
    if (w->weak)
        heap_drop(w->heap, weak_drop_in_core, w->weak);
    Py_XDECREF(w->heap);
    Py_XDECREF(w->cls);
    tp->tp_free(w);
    Py_DECREF(tp);
}

// What it refers to, rooted: 1 and *handle, 0 if that is dead, -1 with an error. Where mark termination is being decided, the long way.
static int weak_root(struct weak_object *w, gcsim_handle **handle)
{
    const gcsim_api *api = w->heap->api;
    void *p = NULL;
    gcsim_mutator *m = heap_enter(w->heap);
    if (!m)
        return -1;
    bool known = api->weak_try(m, w->weak, &p);
    *handle = known && p ? api->handle_new(m, p) : NULL;
    gcsim_status status = m->status;
    heap_leave(w->heap, m);
    if (!known) {
        struct slow_call call;
        if (slow_begin(w->heap, &call, "follow a weak reference") < 0)
            return -1;
        p = api->weak_get(call.m, w->weak);
        *handle = p ? api->handle_new(call.m, p) : NULL;
        status = call.m->status;
        slow_end(&call);
        if (slow_failed(&call, GCSIM_OK, "a weak reference")) {
            if (*handle)
                heap_unroot(w->heap, *handle);
            return -1;
        }
    }
    if (p && !*handle)
        ref_no_handle(w->heap, status);
    return p ? *handle ? 1 : -1 : 0;
}

static PyObject *weak_call(struct weak_object *w, PyObject *args, PyObject *kwargs)
{
    if (PyTuple_GET_SIZE(args) || (kwargs && PyDict_GET_SIZE(kwargs)))
        return bind_raise(w->heap->state, ERR_CONVERSION,
                          "a weak reference is called without arguments");
    gcsim_handle *handle;
    int found = weak_root(w, &handle);
    if (found == 0)
        Py_RETURN_NONE;
    return found > 0 ? ref_from_handle(w->heap, w->cls, handle) : NULL;
}

static PyObject *weak_richcompare(PyObject *a, PyObject *b, int op)
{
    if ((op != Py_EQ && op != Py_NE) || Py_TYPE(a) != Py_TYPE(b))
        Py_RETURN_NOTIMPLEMENTED;
    struct weak_object *x = (struct weak_object *)a, *y = (struct weak_object *)b;
    return PyBool_FromLong((x->heap == y->heap && x->weak == y->weak) == (op == Py_EQ));
}

static Py_hash_t weak_hash(struct weak_object *w) { return address_hash(w->heap, w->weak); }

static PyObject *weak_repr(struct weak_object *w)
{
    gcsim_mutator *m = w->heap->heap ? heap_try_enter(w->heap) : NULL;
    const char *how = w->heap->heap ? "" : " of a closed heap";
    if (m) {
        void *p;
        how = !w->heap->api->weak_try(m, w->weak, &p) || p ? "" : ", dead";
        heap_leave(w->heap, m);
    }
    return PyUnicode_FromFormat("<weak reference to %s at %p%s>", class_name(w->cls), w->address,
                                how);
}

static PyObject *weak_no_copy(struct weak_object *w, PyObject *Py_UNUSED(unused))
{
    return bind_raise(w->heap->state, ERR_CONVERSION,
                      "a weak reference cannot be pickled; heap.snapshot() gives a value that can");
}

static PyMethodDef weak_methods[] = {
    {"__copy__", ref_copy, METH_NOARGS, PyDoc_STR("The same weak reference.")},
    {"__reduce__", (PyCFunction)weak_no_copy, METH_NOARGS,
     PyDoc_STR("Raises: heap.snapshot() gives a value.")},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot weak_slots[] = {
    {Py_tp_doc,
     (void *)PyDoc_STR("A weak reference: call it for the Ref, or None once the object is dead.")},
    {Py_tp_dealloc, weak_dealloc},
    {Py_tp_call, weak_call},
    {Py_tp_richcompare, weak_richcompare},
    {Py_tp_hash, weak_hash},
    {Py_tp_repr, weak_repr},
    {Py_tp_methods, weak_methods},
    {0, NULL},
};
static PyType_Spec weak_spec = {
    .name = "gcsim._core.Weak",
    .basicsize = sizeof(struct weak_object),
    .slots = weak_slots,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
};

static int refs_init(PyObject *module, struct bind_state *state)
{
    return (state->ref_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &ref_spec, NULL)) &&
                   (state->weak_type =
                        (PyTypeObject *)PyType_FromModuleAndSpec(module, &weak_spec, NULL)) &&
                   PyModule_AddType(module, state->ref_type) == 0 &&
                   PyModule_AddType(module, state->weak_type) == 0
               ? 0
               : -1;
}
