// Roots with names: goroutines with their frames, and globals.
//
// The core keeps the stacks and the globals; what it does not know, it is told again here: which names and types the slots of a frame
// have, what kind of value a global holds, which thread made a goroutine. That is struct heap_roots, one per heap.
//
// A Frame is an offset in a stack and the frame's serial number: it is stale once the frame was popped, whatever came after. Frames move
// when their stack grows, which converting a value can cause (it can run any Python code), so their address is taken last.
#include "bind/bind.h"

struct heap_roots {
    PyObject *globals; // dict: name -> capsule of struct global_slot
    PyObject *owners;  // dict: id of a goroutine -> ident of its thread
    PyObject *layouts; // dict: (name, type, ...) as given -> capsule of struct frame_layout
};

static struct heap_roots *heap_roots_of(struct heap_object *h)
{
    if (h->roots)
        return h->roots;
    struct heap_roots *r = PyMem_Calloc(1, sizeof *r);
    if (!r || !(r->globals = PyDict_New()) || !(r->owners = PyDict_New()) ||
        !(r->layouts = PyDict_New())) {
        if (r) {
            Py_XDECREF(r->globals);
            Py_XDECREF(r->owners);
        }
        PyMem_Free(r);
        PyErr_NoMemory();
        return NULL;
    }
    return h->roots = r;
}

static void heap_roots_free(struct heap_object *h)
{
    struct heap_roots *r = h->roots;
    h->roots = NULL;
    if (!r)
        return;
    Py_DECREF(r->globals);
    Py_DECREF(r->owners);
    Py_DECREF(r->layouts);
    PyMem_Free(r);
}

// A name for the core: 0 or -1. The mutator is taken and given back here.
static int name_intern_python(struct heap_object *h, PyObject *name, const char *what,
                              uint32_t *out)
{
    struct bind_state *state = h->state;
    if (!PyUnicode_Check(name)) {
        bind_raise(state, ERR_CONVERSION, "%s is a str, not %s", what, Py_TYPE(name)->tp_name);
        return -1;
    }
    Py_ssize_t n;
    const char *text = PyUnicode_AsUTF8AndSize(name, &n);
    if (!text || strlen(text) != (size_t)n) {
        PyErr_Clear();
        bind_raise(state, ERR_CONVERSION, "%s has a NUL or lone surrogates: %R", what, name);
        return -1;
    }
    gcsim_mutator *m = heap_enter(h);
    if (!m)
        return -1;
    gcsim_status status = h->api->name_intern(h->heap, text, out);
    heap_leave(h, m);
    if (status != GCSIM_OK)
        heap_raise_status(h, status, what);
    return status == GCSIM_OK ? 0 : -1;
}

// --- values in root slots: words, read while inside, and the handle that keeps what they point to

// A boxed small number, an empty string or a function without captures lies in a table instead.
static bool leads_to_arena(gcsim_mutator *m, const void *p)
{
    uint64_t bytes;
    const char *arena = m->api->arena(m->heap, &bytes);
    return (const char *)p >= arena && (const char *)p < arena + bytes;
}

struct words {
    uint64_t w[3];
    gcsim_handle *handle;
    gcsim_status status;
};

// Reads a slot of `type`; the mutator is inside.
static void words_read(gcsim_mutator *m, struct type_object *type, const void *slot,
                       struct words *out)
{
    *out = (struct words){.status = GCSIM_OK};
    memcpy(out->w, slot, type->bytes < sizeof out->w ? type->bytes : sizeof out->w);
    void *p =
        type->ptr_bytes ? (void *)(uintptr_t)out->w[type->kind == GCSIM_KIND_INTERFACE] : NULL;
    bool in_a_table = (type->kind == GCSIM_KIND_INTERFACE || type->kind == GCSIM_KIND_FUNC) &&
                      !leads_to_arena(m, p);
    if (p && !in_a_table && !(out->handle = m->api->handle_new(m, p)))
        out->status = m->status == GCSIM_OK ? GCSIM_NO_MEMORY : m->status;
}

static int words_check_lost(struct heap_object *h, struct type_object *type, const void *slot)
{
    void *const *pointer = (void *const *)slot + (type->kind == GCSIM_KIND_INTERFACE);
    return type->ptr_bytes ? heap_check_lost(h, GCSIM_LOAD(pointer)) : 0;
}

static PyObject *words_pointer(struct heap_object *h, struct type_object *elem,
                               gcsim_handle *handle)
{
    PyTypeObject *cls = elem ? type_class(elem) : NULL;
    if (!cls) {
        heap_unroot(h, handle);
        return NULL;
    }
    PyObject *ref = ref_from_handle(h, cls, handle);
    Py_DECREF(cls);
    return ref;
}

static PyObject *words_bytes(struct heap_object *h, struct type_object *type,
                             const struct words *words)
{
    const char *p = words->handle ? words->handle->ptr : "";
    Py_ssize_t n = words->handle ? (Py_ssize_t)words->w[1] : 0;
    PyObject *result = type->kind == GCSIM_KIND_STRING
                           ? PyUnicode_DecodeUTF8(p, n, "surrogateescape")
                           : PyBytes_FromStringAndSize(p, n);
    if (words->handle)
        heap_unroot(h, words->handle);
    return result;
}

// The value of the words; takes over their handle.
static PyObject *words_value(struct heap_object *h, struct type_object *type, struct words *words)
{
    if (words->status != GCSIM_OK)
        return ref_no_handle(h, words->status);
    gcsim_handle *handle = words->handle;
    struct type_object *elem;
    switch (type->kind) {
    case GCSIM_KIND_STRING:
        return words_bytes(h, type, words);
    case GCSIM_KIND_POINTER:
        if (!handle)
            Py_RETURN_NONE;
        return words_pointer(h, type_elem(type), handle);
    case GCSIM_KIND_SLICE:
        if (type->is_bytes)
            return words_bytes(h, type, words);
        if (!handle)
            Py_RETURN_NONE;
        if ((elem = type_elem(type)))
            return row_make(h, elem, NULL,
                            (struct slice){handle->ptr, (int64_t)words->w[1], (int64_t)words->w[2]},
                            handle);
        heap_unroot(h, handle);
        return NULL;
    case GCSIM_KIND_INTERFACE:
        return iface_object(h, (struct iface){words->w[0], (void *)(uintptr_t)words->w[1]}, handle);
    case GCSIM_KIND_MAP:
        return map_of_handle(h, type, handle);
    case GCSIM_KIND_FUNC:
        return words->w[0] ? func_make(h, handle, (const void *)(uintptr_t)words->w[0])
                           : Py_NewRef(Py_None);
    default:
        if (is_scalar(type->kind))
            return scalar_get(type, words->w);
        if (!handle)
            Py_RETURN_NONE;
        heap_unroot(h, handle);
        return bind_raise(h->state, ERR_NOT_THERE,
                          "reading a value of type %s that is not nil is not there yet",
                          type_name(type));
    }
}

// --- layouts of frames

struct frame_slot {
    PyObject *name;           // strong, interned
    struct type_object *type; // strong
    uint64_t offset;
};

struct frame_layout {
    struct type_object *type; // strong: the struct of all slots
    Py_ssize_t n;
    struct frame_slot slots[];
};

#define LAYOUT_CAPSULE "gcsim frame layout"

static void frame_layout_free(PyObject *capsule)
{
    struct frame_layout *layout = PyCapsule_GetPointer(capsule, LAYOUT_CAPSULE);
    for (Py_ssize_t i = 0; i < layout->n; i++) {
        Py_XDECREF(layout->slots[i].name);
        Py_XDECREF(layout->slots[i].type);
    }
    Py_XDECREF(layout->type);
    PyMem_Free(layout);
}

static int frame_slot_read(struct bind_state *state, struct frame_slot *slot, PyObject *field)
{
    PyObject *info = bind_attribute(field, "type");
    slot->name = bind_attribute(field, "name");
    if (slot->name)
        PyUnicode_InternInPlace(&slot->name);
    slot->type = info ? type_from_info(state, info) : NULL;
    Py_XDECREF(info);
    if (!slot->name || !slot->type || attribute_u64(field, "offset", &slot->offset) < 0)
        return -1;
    if (slot->type->kind != GCSIM_KIND_STRUCT && slot->type->kind != GCSIM_KIND_ARRAY)
        return 0;
    bind_raise(state, ERR_TYPE_DEFINITION,
               "slot %U is a %s: frames move when their stack grows, so a slot holds one number, "
               "pointer, string or slice; "
               "use ptr[...]",
               slot->name, type_name(slot->type));
    return -1;
}

// A capsule for the struct type `info`.
static PyObject *frame_layout_make(struct bind_state *state, PyObject *info)
{
    PyObject *fields = bind_attribute(info, "fields");
    PyObject *list = fields ? PySequence_Tuple(fields) : NULL;
    Py_ssize_t n = list ? PyTuple_GET_SIZE(list) : 0;
    struct frame_layout *layout =
        list ? PyMem_Calloc(1, sizeof *layout + (size_t)n * sizeof(struct frame_slot)) : NULL;
    Py_XDECREF(fields);
    if (list && !layout)
        PyErr_NoMemory();
    PyObject *capsule = layout ? PyCapsule_New(layout, LAYOUT_CAPSULE, frame_layout_free) : NULL;
    if (!capsule) {
        PyMem_Free(layout);
        Py_XDECREF(list);
        return NULL;
    }
    bool ok = (layout->type = type_from_info(state, info)) != NULL;
    for (Py_ssize_t i = 0; ok && i < n; i++) {
        layout->n = i + 1;
        ok = frame_slot_read(state, &layout->slots[i], PyTuple_GET_ITEM(list, i)) == 0;
    }
    Py_DECREF(list);
    if (!ok)
        Py_CLEAR(capsule);
    return capsule;
}

// The layout for slots as given (a dict of names and types), made at first use. New reference.
static PyObject *frame_layout_for(struct heap_object *h, PyObject *slots)
{
    struct heap_roots *roots = heap_roots_of(h);
    PyObject *items = roots ? PyDict_Items(slots) : NULL;
    PyObject *key = items ? PyList_AsTuple(items) : NULL;
    Py_XDECREF(items);
    if (!key)
        return NULL;
    PyObject *layouts = Py_NewRef(roots->layouts),
             *capsule = PyDict_GetItemWithError(layouts, key); // hashing can run Python code
    Py_XINCREF(capsule);
    if (!capsule && (!PyErr_Occurred() || PyErr_ExceptionMatches(PyExc_TypeError))) {
        bool hashable = !PyErr_Occurred();
        PyErr_Clear();
        PyObject *module = PyImport_ImportModule("gcsim._types");
        PyObject *info =
            module ? PyObject_CallMethod(module, "anonymous_struct", "O", slots) : NULL;
        capsule = info ? frame_layout_make(h->state, info) : NULL;
        if (capsule && hashable && PyDict_SetItem(layouts, key, capsule) < 0)
            Py_CLEAR(capsule);
        Py_XDECREF(module);
        Py_XDECREF(info);
    }
    Py_DECREF(layouts);
    Py_DECREF(key);
    return capsule;
}

// --- goroutines

struct goroutine_object {
    PyObject_HEAD struct heap_object *heap; // strong
    gcsim_goroutine *g;                     // the heap's; somebody else's once ended
    uint32_t id;
    unsigned long owner; // ident of the thread it belongs to
    PyObject *name;
};

struct frame_object {
    PyObject_HEAD struct goroutine_object *g; // strong
    PyObject *capsule;                        // strong; NULL: C pushed it, slots unknown
    struct frame_layout *layout;
    PyObject *name; // str
    uint64_t offset;
    uint32_t serial;
    bool pushed;
    bool rewound; // the heap was, to before it was pushed
};

static void frame_turn(struct heap_object *h, void *frame, bool there)
{
    (void)h;
    ((struct frame_object *)frame)->rewound = !there;
}

static bool thread_exists(unsigned long ident)
{
    for (PyThreadState *t = PyInterpreterState_ThreadHead(PyInterpreterState_Get()); t;
         t = PyThreadState_Next(t))
        if (t->thread_id == ident)
            return true;
    return false;
}

static bool goroutine_lives(const struct goroutine_object *g)
{
    return g->heap->heap && GCSIM_LOAD(&g->g->id) == g->id; // 0 once it has ended
}

// Says who owns it from now on: 0 or -1.
static int goroutine_set_owner(struct heap_object *h, uint32_t id, unsigned long ident)
{
    struct heap_roots *roots = heap_roots_of(h);
    PyObject *key = roots ? PyLong_FromUnsignedLong(id) : NULL,
             *value = key ? PyLong_FromUnsignedLong(ident) : NULL;
    int result = value ? PyDict_SetItem(roots->owners, key, value) : -1;
    Py_XDECREF(key);
    Py_XDECREF(value);
    return result;
}

// 0 if the calling thread may use it. A goroutine whose thread has ended goes to who uses it first.
static int goroutine_check(struct goroutine_object *g)
{
    struct bind_state *state = g->heap->state;
    if (heap_check_open(g->heap) < 0)
        return -1;
    if (!goroutine_lives(g)) {
        bind_raise(state, ERR_STALE, "goroutine %u has ended", g->id);
        return -1;
    }
    unsigned long me = PyThread_get_thread_ident();
    if (BIND_LIKELY(g->owner == me))
        return 0;
    if (!thread_exists(g->owner)) {
        g->owner = me;
        return goroutine_set_owner(g->heap, g->id, me);
    }
    bind_raise(state, ERR_THREAD, "goroutine %u (%U) belongs to the thread that made it", g->id,
               g->name);
    return -1;
}

static PyObject *goroutine_wrap(struct heap_object *h, const gcsim_goroutine_info *info,
                                unsigned long owner)
{
    PyTypeObject *cls = h->state->types[TYPE_GOROUTINE];
    const char *text = h->api->name_text(h->heap, info->name);
    PyObject *name = PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
    struct goroutine_object *g = name ? (struct goroutine_object *)cls->tp_alloc(cls, 0) : NULL;
    if (!g) {
        Py_XDECREF(name);
        return NULL;
    }
    g->heap = (struct heap_object *)Py_NewRef(h);
    g->g = info->g;
    g->id = info->id;
    g->owner = owner;
    g->name = name;
    if (heap_born(h, g) < 0)
        Py_CLEAR(g);
    return (PyObject *)g;
}

static void goroutine_dealloc(struct goroutine_object *g)
{
    PyTypeObject *tp = Py_TYPE(g);
    if (g->heap)
        heap_died(g->heap, g, NULL);
    Py_XDECREF(g->name);
    Py_XDECREF(g->heap);
    tp->tp_free(g);
    Py_DECREF(tp);
}

static PyObject *heap_py_goroutine(PyObject *self, PyObject *name)
{
    struct heap_object *h = (struct heap_object *)self;
    uint32_t id;
    if (heap_check_own(h, "make a goroutine") < 0 ||
        name_intern_python(h, name, "the name of a goroutine", &id) < 0)
        return NULL;
    gcsim_mutator *m = heap_enter(h);
    if (!m)
        return NULL;
    gcsim_goroutine *core = h->api->goroutine_new(m, id);
    gcsim_status status = m->status;
    heap_leave(h, m);
    if (!core)
        return heap_raise_status(h, status == GCSIM_OK ? GCSIM_NO_MEMORY : status, "a goroutine");
    unsigned long me = PyThread_get_thread_ident();
    gcsim_goroutine_info info = {.g = core, .id = core->id, .name = core->name};
    return goroutine_set_owner(h, info.id, me) < 0 ? NULL : goroutine_wrap(h, &info, me);
}

static PyObject *goroutine_known(struct heap_object *h, struct heap_roots *roots,
                                 const gcsim_goroutine_info *info)
{
    PyObject *key = PyLong_FromUnsignedLong(info->id),
             *owner = key ? PyDict_GetItemWithError(roots->owners, key) : NULL;
    unsigned long ident = owner ? PyLong_AsUnsignedLong(owner) : PyThread_get_thread_ident();
    PyObject *g = PyErr_Occurred() ? NULL : goroutine_wrap(h, info, ident);
    Py_XDECREF(key);
    return g;
}

// Those there are, *n of them; read inside, as workloads make and end goroutines meanwhile. NULL: no memory. PyMem_RawFree.
static gcsim_goroutine_info *goroutines_now(struct heap_object *h, gcsim_mutator *m, uint64_t *n)
{
    uint64_t room = h->api->goroutine_list(m, NULL, 0) + 8;
    gcsim_goroutine_info *all = PyMem_RawMalloc(room * sizeof *all);
    uint64_t there = all ? h->api->goroutine_list(m, all, room) : 0;
    *n = there < room ? there : room;
    return all;
}

static PyObject *heap_py_goroutines(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct heap_object *h = (struct heap_object *)self;
    struct heap_roots *roots = heap_check_open(h) < 0 ? NULL : heap_roots_of(h);
    if (!roots)
        return NULL;
    gcsim_mutator *m = heap_enter(h);
    if (!m)
        return NULL;
    uint64_t n;
    gcsim_goroutine_info *all = goroutines_now(h, m, &n);
    heap_leave(h, m);
    PyObject *tuple = all ? PyTuple_New((Py_ssize_t)n) : PyErr_NoMemory();
    for (Py_ssize_t i = 0; tuple && i < PyTuple_GET_SIZE(tuple); i++) {
        PyObject *g = goroutine_known(h, roots, &all[i]);
        if (g)
            PyTuple_SET_ITEM(tuple, i, g);
        else
            Py_CLEAR(tuple);
    }
    PyMem_RawFree(all);
    return tuple;
}

static PyObject *goroutine_end(struct goroutine_object *g, PyObject *Py_UNUSED(unused))
{
    struct heap_object *h = g->heap;
    if (heap_check_own(h, "end a goroutine") < 0 || goroutine_check(g) < 0)
        return NULL;
    gcsim_mutator *m = heap_enter(h);
    if (!m)
        return NULL;
    goroutine_leave_queues(m, g->g);
    h->api->goroutine_end(m, g->g);
    heap_leave(h, m);
    PyObject *key = PyLong_FromUnsignedLong(g->id);
    if (!key || (h->roots && PyDict_DelItem(h->roots->owners, key) < 0))
        PyErr_Clear(); // made by C: nobody's
    Py_XDECREF(key);
    Py_RETURN_NONE;
}

static PyObject *heap_py_end(PyObject *self, PyObject *goroutine)
{
    struct heap_object *h = (struct heap_object *)self;
    if (!Py_IS_TYPE(goroutine, h->state->types[TYPE_GOROUTINE]))
        return bind_raise(h->state, ERR_CONVERSION, "end takes a goroutine, not %s",
                          Py_TYPE(goroutine)->tp_name);
    if (((struct goroutine_object *)goroutine)->heap != h)
        return bind_raise(h->state, ERR_WRONG_HEAP, "the goroutine belongs to another heap");
    return goroutine_end((struct goroutine_object *)goroutine, NULL);
}

// --- pushing and popping

static struct frame_object *frame_make(struct goroutine_object *g, PyObject *name,
                                       PyObject *capsule)
{
    PyTypeObject *cls = g->heap->state->types[TYPE_FRAME];
    struct frame_object *f = (struct frame_object *)cls->tp_alloc(cls, 0);
    if (!f)
        return NULL;
    f->g = (struct goroutine_object *)Py_NewRef(g);
    f->name = Py_NewRef(name);
    f->capsule = Py_XNewRef(capsule);
    f->layout = capsule ? PyCapsule_GetPointer(capsule, LAYOUT_CAPSULE) : NULL;
    return f;
}

static int frame_push(struct frame_object *f)
{
    struct goroutine_object *g = f->g;
    struct heap_object *h = g->heap;
    uint32_t name;
    if (goroutine_check_runs(g, "push a frame") < 0)
        return -1;
    const gcsim_type *t = heap_type(h, f->layout->type);
    if (!t || name_intern_python(h, f->name, "the name of a frame", &name) < 0 ||
        goroutine_check_runs(g, "push a frame") < 0)
        return -1;
    gcsim_mutator *m = heap_enter(h);
    if (!m)
        return -1;
    uint64_t offset = h->api->frame_push(m, g->g, t, name);
    gcsim_status status = m->status;
    if (offset != UINT64_MAX) {
        f->offset = offset;
        f->serial = gcsim_frame_at(g->g, offset)->serial;
        f->pushed = true;
    }
    heap_leave(h, m);
    if (offset == UINT64_MAX)
        heap_raise_status(h, status == GCSIM_OK ? GCSIM_NO_MEMORY : status, "a frame on the stack");
    else if (h->stepping && steps_born(h, f, frame_turn) < 0)
        return -1;
    return offset == UINT64_MAX ? -1 : 0;
}

// A Frame from the arguments of push and frame: (name, **slots).
static struct frame_object *frame_from_args(struct goroutine_object *g, PyObject *args,
                                            PyObject *kwargs)
{
    PyObject *name;
    if (!PyArg_ParseTuple(args, "O:push", &name) || goroutine_check_runs(g, "push a frame") < 0)
        return NULL;
    if (!PyUnicode_Check(name))
        return bind_raise(g->heap->state, ERR_CONVERSION, "the name of a frame is a str, not %s",
                          Py_TYPE(name)->tp_name);
    PyObject *slots = kwargs ? Py_NewRef(kwargs) : PyDict_New();
    PyObject *capsule = slots ? frame_layout_for(g->heap, slots) : NULL;
    struct frame_object *f = capsule ? frame_make(g, name, capsule) : NULL;
    Py_XDECREF(slots);
    Py_XDECREF(capsule);
    return f;
}

static PyObject *goroutine_frame(struct goroutine_object *g, PyObject *args, PyObject *kwargs)
{
    return (PyObject *)frame_from_args(g, args, kwargs);
}

static PyObject *goroutine_push(struct goroutine_object *g, PyObject *args, PyObject *kwargs)
{
    struct frame_object *f = frame_from_args(g, args, kwargs);
    if (f && frame_push(f) < 0)
        Py_CLEAR(f);
    return (PyObject *)f;
}

static int goroutine_pop_core(struct goroutine_object *g)
{
    struct heap_object *h = g->heap;
    gcsim_mutator *m = heap_enter(h);
    if (!m)
        return -1;
    gcsim_status status = h->api->frame_pop(m, g->g);
    heap_leave(h, m);
    if (status != GCSIM_OK)
        bind_raise(h->state, ERR_STATE, "goroutine %u (%U) has no frame to pop", g->id, g->name);
    return status == GCSIM_OK ? 0 : -1;
}

// Is the frame on its goroutine's stack? The goroutine lives and is ours.
static bool frame_on_stack(const struct frame_object *f)
{
    gcsim_goroutine *g = f->g->g;
    uint64_t at = g->top;
    while (at != UINT64_MAX && at > f->offset)
        at = gcsim_frame_at(g, at)->caller;
    return f->pushed && !f->rewound && at == f->offset &&
           gcsim_frame_at(g, at)->serial == f->serial;
}

static int frame_check(struct frame_object *f)
{
    struct bind_state *state = f->g->heap->state;
    if (goroutine_check(f->g) < 0)
        return -1;
    if (BIND_LIKELY(frame_on_stack(f)))
        return 0;
    bind_raise(state, ERR_STALE,
               f->rewound  ? "the heap was rewound to before the frame %R was pushed"
               : f->pushed ? "the frame %R was popped"
                           : "the frame %R is not pushed yet: `with` does it",
               f->name);
    return -1;
}

static PyObject *goroutine_pop(struct goroutine_object *g, PyObject *const *args, Py_ssize_t nargs)
{
    struct bind_state *state = g->heap->state;
    if (goroutine_check_runs(g, "pop a frame") < 0)
        return NULL;
    if (nargs > 1)
        return bind_raise(state, ERR_CONVERSION, "pop takes at most one frame");
    if (nargs == 1) {
        struct frame_object *f = (struct frame_object *)args[0];
        if (!Py_IS_TYPE(args[0], state->types[TYPE_FRAME]))
            return bind_raise(state, ERR_CONVERSION, "pop takes a frame, not %s",
                              Py_TYPE(args[0])->tp_name);
        if (frame_check(f) < 0)
            return NULL;
        if (f->g->heap != g->heap || f->g->id != g->id || f->offset != g->g->top)
            return bind_raise(
                state, ERR_STATE,
                "frame %R is not the innermost of goroutine %u: pop those above first", f->name,
                g->id);
    }
    if (goroutine_pop_core(g) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *frame_enter(struct frame_object *f, PyObject *Py_UNUSED(unused))
{
    if (f->pushed) { // by push: `with g.push(...)` is fine while it is there
        if (frame_check(f) < 0)
            return NULL;
    } else if (frame_push(f) < 0) {
        return NULL;
    }
    return Py_NewRef(f);
}

// Pops the frame. What is above it goes too when an exception passes through, as when a panic unwinds; else it is an error.
static PyObject *frame_exit(struct frame_object *f, PyObject *const *args, Py_ssize_t nargs)
{
    struct goroutine_object *g = f->g;
    bool unwinding = nargs > 0 && args[0] != Py_None;
    if (!goroutine_lives(g) || !f->pushed)
        Py_RETURN_NONE; // gone with its goroutine or heap
    if (goroutine_check_runs(g, "pop a frame") < 0)
        return NULL;
    if (!frame_on_stack(f))
        Py_RETURN_NONE; // popped by hand
    if (f->offset != g->g->top && !unwinding)
        return bind_raise(g->heap->state, ERR_STATE,
                          "frame %R is not the innermost of goroutine %u: pop those above first",
                          f->name, g->id);
    while (goroutine_lives(g) && frame_on_stack(f))
        if (goroutine_pop_core(g) < 0)
            return NULL;
    Py_RETURN_NONE;
}

// --- slots

static struct frame_slot *frame_slot_named(struct frame_object *f, PyObject *name)
{
    for (Py_ssize_t i = 0; f->layout && i < f->layout->n; i++)
        if (f->layout->slots[i].name == name)
            return &f->layout->slots[i];
    for (Py_ssize_t i = 0; f->layout && i < f->layout->n; i++)
        if (PyUnicode_Compare(f->layout->slots[i].name, name) == 0)
            return &f->layout->slots[i];
    return NULL;
}

static char *frame_slot_at(const struct frame_object *f, const struct frame_slot *slot)
{
    return (char *)gcsim_frame_slots(f->g->g, f->offset) + slot->offset;
}

static PyObject *frame_names(struct frame_object *f)
{
    PyObject *names = PyTuple_New(f->layout ? f->layout->n : 0);
    for (Py_ssize_t i = 0; names && f->layout && i < f->layout->n; i++)
        PyTuple_SET_ITEM(names, i, Py_NewRef(f->layout->slots[i].name));
    return names;
}

static void frame_no_slot(struct frame_object *f, PyObject *name)
{
    PyObject *names = frame_names(f), *comma = PyUnicode_FromString(", "),
             *list = names && comma ? PyUnicode_Join(comma, names) : NULL;
    PyErr_Clear();
    bind_raise(f->g->heap->state, ERR_FIELD, "frame %R has no slot %R; it has: %V", f->name, name,
               list, "");
    Py_XDECREF(names);
    Py_XDECREF(comma);
    Py_XDECREF(list);
}

static PyObject *frame_getattro(PyObject *self, PyObject *name)
{
    struct frame_object *f = (struct frame_object *)self;
    struct heap_object *h = f->g->heap;
    struct words words;
    struct frame_slot *slot = frame_slot_named(f, name);
    if (!slot) {
        PyObject *found = PyObject_GenericGetAttr(self, name);
        if (!found && PyErr_ExceptionMatches(PyExc_AttributeError))
            frame_no_slot(f, name);
        return found;
    }
    if (frame_check(f) < 0 || words_check_lost(h, slot->type, frame_slot_at(f, slot)) < 0)
        return NULL;
    gcsim_mutator *m = heap_enter(h);
    if (!m)
        return NULL;
    words_read(m, slot->type, frame_slot_at(f, slot), &words);
    heap_leave(h, m);
    return words_value(h, slot->type, &words);
}

static int frame_setattro(PyObject *self, PyObject *name, PyObject *value)
{
    struct frame_object *f = (struct frame_object *)self;
    struct heap_object *h = f->g->heap;
    struct frame_slot *slot = frame_slot_named(f, name);
    struct stage stage = {.heap = h, .on_stack = true};
    if (!slot) {
        frame_no_slot(f, name);
        return -1;
    }
    if (!value) {
        bind_raise(h->state, ERR_FIELD, "slot %U cannot be deleted; None makes a pointer nil",
                   name);
        return -1;
    }
    int result = goroutine_check_runs(f->g, "store into a frame") < 0 || frame_check(f) < 0
                     ? -1
                     : stage_add(&stage, slot->type, 0, value);
    gcsim_mutator *m =
        result == 0 && goroutine_check_runs(f->g, "store into a frame") == 0 && frame_check(f) == 0
            ? heap_enter(h)
            : NULL;
    if (m) {
        stage_write(&stage, m, frame_slot_at(f, slot));
        heap_leave(h, m);
    }
    stage_drop(&stage);
    return m ? 0 : -1;
}

// --- what they tell

static PyObject *frame_layout_known(struct heap_object *h, const gcsim_type *type)
{
    PyObject *key, *capsule;
    Py_ssize_t at = 0;
    while (h->roots && PyDict_Next(h->roots->layouts, &at, &key, &capsule)) {
        struct frame_layout *layout = PyCapsule_GetPointer(capsule, LAYOUT_CAPSULE);
        if (layout->type->serial < h->types_room && h->types[layout->type->serial] == type)
            return capsule;
    }
    return NULL;
}

static PyObject *goroutine_frames(struct goroutine_object *g, void *Py_UNUSED(closure))
{
    struct heap_object *h = g->heap;
    if (goroutine_check(g) < 0)
        return NULL;
    PyObject *list = PyList_New(0);
    for (uint64_t at = g->g->top; list && at != UINT64_MAX; at = gcsim_frame_at(g->g, at)->caller) {
        const gcsim_frame *frame = gcsim_frame_at(g->g, at);
        PyObject *name = PyUnicode_FromString(h->api->name_text(h->heap, frame->name));
        struct frame_object *f =
            name ? frame_make(g, name, frame_layout_known(h, frame->type)) : NULL;
        Py_XDECREF(name);
        if (f) {
            f->offset = at;
            f->serial = frame->serial;
            f->pushed = true;
            if (h->stepping && steps_born(h, f, frame_turn) < 0)
                Py_CLEAR(f);
        }
        if (!f || PyList_Append(list, (PyObject *)f) < 0)
            Py_CLEAR(list);
        Py_XDECREF(f);
    }
    PyObject *tuple = list ? PyList_AsTuple(list) : NULL;
    Py_XDECREF(list);
    return tuple;
}

static PyObject *goroutine_name(struct goroutine_object *g, void *Py_UNUSED(closure))
{
    return Py_NewRef(g->name);
}
static PyObject *goroutine_id(struct goroutine_object *g, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLong(g->id);
}
static PyObject *goroutine_ended(struct goroutine_object *g, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(!goroutine_lives(g));
}

static PyObject *goroutine_stack(struct goroutine_object *g, void *Py_UNUSED(closure))
{
    if (goroutine_check(g) < 0)
        return NULL;
    unsigned long long size = g->g->go_stack, used = g->g->used, memory = g->g->stack_bytes;
    PyObject *cls = lib_attribute("GoroutineStack");
    PyObject *stack = cls ? PyObject_CallFunction(cls, "KKK", size, used, memory) : NULL;
    Py_XDECREF(cls);
    return stack;
}

static PyObject *goroutine_repr(struct goroutine_object *g)
{
    if (!goroutine_lives(g))
        return PyUnicode_FromFormat("<gcsim.Goroutine %u %R, ended>", g->id, g->name);
    return PyUnicode_FromFormat("<gcsim.Goroutine %u %R, %u frames>", g->id, g->name, g->g->depth);
}

static PyObject *goroutine_richcompare(PyObject *a, PyObject *b, int op)
{
    if ((op != Py_EQ && op != Py_NE) || Py_TYPE(a) != Py_TYPE(b))
        Py_RETURN_NOTIMPLEMENTED;
    struct goroutine_object *x = (struct goroutine_object *)a, *y = (struct goroutine_object *)b;
    return PyBool_FromLong((x->heap == y->heap && x->id == y->id) == (op == Py_EQ));
}

static Py_hash_t goroutine_hash(struct goroutine_object *g)
{
    return address_hash(g->heap, (void *)(uintptr_t)(8ul * g->id));
}

static void frame_dealloc(struct frame_object *f)
{
    PyTypeObject *tp = Py_TYPE(f);
    if (f->g)
        heap_died(f->g->heap, f, NULL);
    Py_XDECREF(f->g);
    Py_XDECREF(f->capsule);
    Py_XDECREF(f->name);
    tp->tp_free(f);
    Py_DECREF(tp);
}

static PyObject *frame_repr(struct frame_object *f)
{
    PyObject *names = frame_names(f), *comma = PyUnicode_FromString(", "),
             *list = names && comma ? PyUnicode_Join(comma, names) : NULL;
    PyErr_Clear();
    const char *how = !f->pushed                                     ? ", not pushed yet"
                      : !goroutine_lives(f->g) || !frame_on_stack(f) ? ", popped"
                                                                     : "";
    PyObject *text =
        PyUnicode_FromFormat("<frame %R of goroutine %u: %V%s>", f->name, f->g->id, list, "", how);
    Py_XDECREF(names);
    Py_XDECREF(comma);
    Py_XDECREF(list);
    return text;
}

static PyObject *frame_richcompare(PyObject *a, PyObject *b, int op)
{
    if ((op != Py_EQ && op != Py_NE) || Py_TYPE(a) != Py_TYPE(b))
        Py_RETURN_NOTIMPLEMENTED;
    struct frame_object *x = (struct frame_object *)a, *y = (struct frame_object *)b;
    bool same = x == y || (x->pushed && y->pushed && x->g->heap == y->g->heap &&
                           x->g->id == y->g->id && x->serial == y->serial);
    return PyBool_FromLong(same == (op == Py_EQ));
}

// --- globals

enum global_kind {
    GLOBAL_NIL,
    GLOBAL_REF,
    GLOBAL_SLICE,
    GLOBAL_STRING,
    GLOBAL_MAP,
    GLOBAL_BOX, // from here on the pointer may lead out of the objects' address space
    GLOBAL_FUNC
};

struct global_slot {
    gcsim_global *global; // the heap's
    enum global_kind kind;
    struct type_object *type; // strong: of what a Ref refers to, or of a Slice's elements
};

#define GLOBAL_CAPSULE "gcsim global"

static void global_slot_free(PyObject *capsule)
{
    struct global_slot *slot = PyCapsule_GetPointer(capsule, GLOBAL_CAPSULE);
    Py_XDECREF(slot->type);
    PyMem_Free(slot);
}

struct globals_object {
    PyObject_HEAD struct heap_object *heap; // strong
};

// The dict of an open heap, or NULL with an error; borrowed.
static PyObject *globals_dict(struct globals_object *self)
{
    struct heap_roots *roots = heap_check_open(self->heap) < 0 ? NULL : heap_roots_of(self->heap);
    return roots ? roots->globals : NULL;
}

// The slot of a name: borrowed; NULL without an error if there is none.
static struct global_slot *globals_find(PyObject *dict, PyObject *name)
{
    PyObject *capsule = PyUnicode_Check(name) ? PyDict_GetItemWithError(dict, name) : NULL;
    return capsule ? PyCapsule_GetPointer(capsule, GLOBAL_CAPSULE) : NULL;
}

static PyObject *globals_subscript(struct globals_object *self, PyObject *name)
{
    struct heap_object *h = self->heap;
    PyObject *dict = globals_dict(self);
    struct global_slot *slot = dict ? globals_find(dict, name) : NULL;
    if (!slot)
        return PyErr_Occurred()
                   ? NULL
                   : raise_named(h->state, "UnknownNameError", "the heap has no global %R", name);
    if (heap_check_lost(h, GCSIM_LOAD(&slot->global->words[0])) < 0)
        return NULL;
    gcsim_mutator *m = heap_enter(h);
    if (!m)
        return NULL;
    struct words words = {.status = GCSIM_OK};
    for (int i = 0; i < 3; i++)
        words.w[i] = (uint64_t)(uintptr_t)GCSIM_LOAD(&slot->global->words[i]);
    enum global_kind kind = slot->kind;
    bool in_a_table = kind >= GLOBAL_BOX && !leads_to_arena(m, slot->global->words[0]);
    if (words.w[0] && !in_a_table &&
        !(words.handle = h->api->handle_new(m, slot->global->words[0])))
        words.status = GCSIM_NO_MEMORY;
    struct type_object *type = (struct type_object *)Py_XNewRef(slot->type),
                       string = {.kind = GCSIM_KIND_STRING};
    heap_leave(h, m);
    PyObject *result;
    if (words.status != GCSIM_OK)
        result = ref_no_handle(h, words.status);
    else if (kind == GLOBAL_STRING)
        result = words_bytes(h, &string, &words);
    else if (kind == GLOBAL_BOX)
        result = iface_object(h, (struct iface){words.w[1], (void *)(uintptr_t)words.w[0]},
                              words.handle);
    else if (kind == GLOBAL_FUNC)
        result = func_make(h, words.handle, (const void *)(uintptr_t)words.w[0]);
    else if (kind == GLOBAL_MAP)
        result = map_of_handle(h, type, words.handle);
    else if (!words.handle)
        result = Py_NewRef(Py_None);
    else if (kind == GLOBAL_SLICE)
        result =
            row_make(h, type, NULL,
                     (struct slice){words.handle->ptr, (int64_t)words.w[1], (int64_t)words.w[2]},
                     words.handle);
    else
        result = words_pointer(h, type, words.handle);
    Py_XDECREF(type);
    return result;
}

// What a value is as three words; *type new reference or NULL, *handle to be dropped by the caller or NULL.
static int global_words(struct heap_object *h, PyObject *value, struct slice *words,
                        enum global_kind *kind, struct type_object **type, gcsim_handle **handle)
{
    uint64_t length;
    *words = (struct slice){0};
    *type = NULL;
    *handle = NULL;
    *kind = GLOBAL_NIL;
    if (value == Py_None)
        return 0;
    if (PyUnicode_Check(value)) {
        *kind = GLOBAL_STRING;
        if (string_allocate(h, value, handle, &length) < 0)
            return -1;
        *words = (struct slice){*handle ? (*handle)->ptr : NULL, (int64_t)length, 0};
        return 0;
    }
    if (Py_IS_TYPE(value, row_class(h->state, false))) {
        struct row_object *row = (struct row_object *)value;
        if (row->heap != h) {
            bind_raise(h->state, ERR_WRONG_HEAP,
                       "the slice belongs to another heap; a heap's roots stay inside it");
            return -1;
        }
        *kind = GLOBAL_SLICE;
        *words = row->s;
        *type = (struct type_object *)Py_NewRef(row->elem);
        return 0;
    }
    if (is_map(h->state, value)) {
        struct type_object *map_type = ((struct map_object *)value)->type;
        *kind = GLOBAL_MAP;
        *type = (struct type_object *)Py_NewRef(map_type);
        if (map_address_for(h, map_type, value, &words->ptr) == 0)
            return 0;
        Py_CLEAR(*type);
        return -1;
    }
    if (Py_IS_TYPE(value, h->state->types[TYPE_FUNC])) {
        *kind = GLOBAL_FUNC;
        return func_word(h, value, &words->ptr);
    }
    if (Py_IS_TYPE(value, h->state->types[TYPE_BOX])) {
        struct iface box;
        PyObject *owner = NULL;
        int result = iface_words(h, value, &box, &owner);
        Py_XDECREF(owner); // `value`
        *kind = GLOBAL_BOX;
        *words = (struct slice){box.data, (int64_t)box.type, 0};
        return result;
    }
    if (!IS_REF(h->state, value)) {
        bind_raise(
            h->state, ERR_CONVERSION,
            "a global holds a reference, a slice, a map, a str, a Box, a Func or None, not %s",
            Py_TYPE(value)->tp_name);
        return -1;
    }
    *kind = GLOBAL_REF;
    if (ref_address_for(h, NULL, value, &words->ptr) < 0 || !(*type = ref_type_of(h->state, value)))
        return -1;
    Py_INCREF(*type);
    return 0;
}

// While a cycle is stepped the names of globals, and what kind of value each holds, are rewound with it: a change is a new dict.
static void globals_turn(struct heap_object *h, void *versions, bool there)
{
    Py_SETREF(h->roots->globals, Py_NewRef(PyTuple_GET_ITEM((PyObject *)versions, there)));
}

// The dict to change, borrowed; NULL with an error.
static PyObject *globals_to_change(struct heap_object *h)
{
    struct heap_roots *roots = heap_roots_of(h);
    if (!roots || !h->stepping)
        return roots ? roots->globals : NULL;
    PyObject *copy = PyDict_Copy(roots->globals);
    PyObject *versions = copy ? PyTuple_Pack(2, roots->globals, copy) : NULL;
    bool ok = versions && steps_kept(h, versions, globals_turn) == 0;
    if (ok)
        Py_SETREF(roots->globals, Py_NewRef(copy));
    Py_XDECREF(versions);
    Py_XDECREF(copy);
    return ok ? roots->globals : NULL;
}

// The slot of a name again, as a value of its own: what holds another kind of value now shall not change what was. Borrowed.
static struct global_slot *global_slot_again(PyObject *dict, PyObject *name, gcsim_global *global)
{
    struct global_slot *slot = dict ? PyMem_Calloc(1, sizeof *slot) : NULL;
    PyObject *capsule = slot ? PyCapsule_New(slot, GLOBAL_CAPSULE, global_slot_free) : NULL;
    if (!capsule) {
        PyMem_Free(slot);
        if (!PyErr_Occurred())
            PyErr_NoMemory();
        return NULL;
    }
    slot->global = global;
    int result = PyDict_SetItem(dict, name, capsule);
    Py_DECREF(capsule);
    return result < 0 ? NULL : slot;
}

// A new global of this name, in the core and in the dict; its slot, borrowed.
static struct global_slot *global_make_named(struct heap_object *h, PyObject *dict, PyObject *name)
{
    uint32_t id;
    if (name_intern_python(h, name, "the name of a global", &id) < 0)
        return NULL;
    struct global_slot *slot = PyMem_Calloc(1, sizeof *slot);
    PyObject *capsule =
        slot ? PyCapsule_New(slot, GLOBAL_CAPSULE, global_slot_free) : PyErr_NoMemory();
    if (!capsule) {
        PyMem_Free(slot);
        return NULL;
    }
    int result = PyDict_SetItem(dict, name, capsule);
    Py_DECREF(capsule);
    gcsim_mutator *m = result == 0 ? heap_enter(h) : NULL;
    if (m) {
        slot->global = h->api->global_new(m, id);
        gcsim_status status = m->status;
        heap_leave(h, m);
        if (slot->global)
            return slot;
        heap_raise_status(h, status == GCSIM_OK ? GCSIM_NO_MEMORY : status, "a global");
    }
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (result == 0 && PyDict_DelItem(dict, name) < 0)
        PyErr_Clear();
    PyErr_Restore(type, value, traceback);
    return NULL;
}

static int globals_delete(struct globals_object *self, PyObject *dict, PyObject *name)
{
    struct heap_object *h = self->heap;
    struct global_slot *slot = globals_find(dict, name);
    if (!slot) {
        if (!PyErr_Occurred())
            raise_named(h->state, "UnknownNameError", "the heap has no global %R", name);
        return -1;
    }
    gcsim_global *global = slot->global;
    gcsim_mutator *m = (dict = globals_to_change(h)) ? heap_enter(h) : NULL;
    if (!m)
        return -1;
    h->api->global_drop(m, global);
    heap_leave(h, m);
    return PyDict_DelItem(dict, name);
}

static int globals_ass_subscript(struct globals_object *self, PyObject *name, PyObject *value)
{
    struct heap_object *h = self->heap;
    PyObject *dict = heap_check_own(h, value ? "set a global" : "delete a global") < 0
                         ? NULL
                         : globals_dict(self);
    if (!dict)
        return -1;
    if (!value)
        return globals_delete(self, dict, name);
    struct slice words;
    enum global_kind kind;
    struct type_object *type;
    gcsim_handle *handle;
    gcsim_mutator *m = NULL;
    if (global_words(h, value, &words, &kind, &type, &handle) < 0)
        return -1;
    struct global_slot *slot = (dict = globals_dict(self)) ? globals_find(dict, name) : NULL;
    bool known = slot != NULL;
    if (!PyErr_Occurred() &&
        (!known || (h->stepping && (slot->kind != kind || slot->type != type)))) {
        dict = globals_to_change(h);
        slot = !dict   ? NULL
               : known ? global_slot_again(dict, name, slot->global)
                       : global_make_named(h, dict, name);
    }
    if (slot && (m = heap_enter(h))) {
        gcsim_store(m, &slot->global->words[0], words.ptr);
        GCSIM_STORE(&slot->global->words[1], (void *)(uintptr_t)words.len);
        GCSIM_STORE(&slot->global->words[2], (void *)(uintptr_t)words.cap);
        slot->kind = kind;
        struct type_object *old = slot->type;
        slot->type = type;
        type = old;
        heap_leave(h, m);
    }
    Py_XDECREF(type);
    if (handle)
        heap_unroot(h, handle);
    return m ? 0 : -1;
}

static Py_ssize_t globals_length(struct globals_object *self)
{
    PyObject *dict = globals_dict(self);
    return dict ? PyDict_GET_SIZE(dict) : -1;
}

static int globals_contains(struct globals_object *self, PyObject *name)
{
    PyObject *dict = globals_dict(self);
    return !dict ? -1 : PyUnicode_Check(name) ? PyDict_Contains(dict, name) : 0;
}

static PyObject *globals_iter(struct globals_object *self)
{
    PyObject *dict = globals_dict(self);
    return dict ? PyObject_GetIter(dict) : NULL;
}

static PyObject *globals_repr(struct globals_object *self)
{
    PyObject *names = self->heap->heap && self->heap->roots
                          ? PyDict_Keys(self->heap->roots->globals)
                          : PyList_New(0);
    PyObject *text = names ? PyUnicode_FromFormat("<globals of %R: %R>", self->heap, names) : NULL;
    Py_XDECREF(names);
    return text;
}

static PyObject *globals_new(PyTypeObject *cls, PyObject *args, PyObject *Py_UNUSED(kwargs))
{
    PyObject *heap;
    if (!PyArg_ParseTuple(args, "O:Globals", &heap))
        return NULL;
    if (Py_TYPE(heap)->tp_dealloc != (destructor)heap_dealloc)
        return PyErr_Format(PyExc_TypeError, "the globals of a heap: use heap.globals");
    struct globals_object *self = (struct globals_object *)cls->tp_alloc(cls, 0);
    if (self)
        self->heap = (struct heap_object *)Py_NewRef(heap);
    return (PyObject *)self;
}

static int globals_traverse(struct globals_object *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->heap);
    return 0;
}

static void globals_dealloc(struct globals_object *self)
{
    PyTypeObject *tp = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_XDECREF(self->heap);
    tp->tp_free(self);
    Py_DECREF(tp);
}

// The Python subclass adds what MutableMapping has.
static PyObject *heap_py_globals(PyObject *self, void *Py_UNUSED(closure))
{
    PyObject *module = PyImport_ImportModule("gcsim._globals");
    PyObject *globals = module ? PyObject_CallMethod(module, "Globals", "O", self) : NULL;
    Py_XDECREF(module);
    return globals;
}

// --- types

static PyMethodDef goroutine_methods[] = {
    {"push", (PyCFunction)(void (*)(void))goroutine_push, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("push($self, name, /, **slots)\n--\n\nPushes a frame with zero slots of these "
               "types, and returns it; pop() ends it.")},
    {"frame", (PyCFunction)(void (*)(void))goroutine_frame, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("frame($self, name, /, **slots)\n--\n\nFor `with`: pushes the frame at its start "
               "and pops it at its end.")},
    {"pop", (PyCFunction)(void (*)(void))goroutine_pop, METH_FASTCALL,
     PyDoc_STR("pop($self, frame=None, /)\n--\n\nPops the innermost frame, which `frame` must be "
               "if it is given (StateError).")},
    {"end", (PyCFunction)goroutine_end, METH_NOARGS,
     PyDoc_STR("end($self, /)\n--\n\nEnds the goroutine: its frames are roots no more.")},
    CHAN_GOROUTINE_METHODS,
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef goroutine_getset[] = {
    {"name", (getter)goroutine_name, NULL, "as given", NULL},
    {"id", (getter)goroutine_id, NULL, "1, 2, ... in order of creation; never used twice in a heap",
     NULL},
    {"ended", (getter)goroutine_ended, NULL, "whether it has ended, or its heap is closed", NULL},
    {"frames", (getter)goroutine_frames, NULL, "the frames as a tuple, innermost first", NULL},
    {"stack", (getter)goroutine_stack, NULL,
     "the stack that Go would give it, a GoroutineStack: it grows with frames, and a collection "
     "halves it if hardly used",
     NULL},
    CHAN_GOROUTINE_GETSET,
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot goroutine_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("A stack of frames whose slots are roots. Belongs to the thread "
                                  "that made it (ThreadError elsewhere).")},
    {Py_tp_dealloc, goroutine_dealloc},
    {Py_tp_repr, goroutine_repr},
    {Py_tp_methods, goroutine_methods},
    {Py_tp_getset, goroutine_getset},
    {Py_tp_richcompare, goroutine_richcompare},
    {Py_tp_hash, goroutine_hash},
    {0, NULL},
};
static PyType_Spec goroutine_spec = {
    .name = "gcsim._core.Goroutine",
    .basicsize = sizeof(struct goroutine_object),
    .slots = goroutine_slots,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
};

static PyMethodDef frame_methods[] = {
    {"__enter__", (PyCFunction)frame_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))frame_exit, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot frame_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("A frame of a goroutine: its slots are its attributes. Stale "
                                  "once popped (StaleReferenceError).")},
    {Py_tp_dealloc, frame_dealloc},
    {Py_tp_repr, frame_repr},
    {Py_tp_methods, frame_methods},
    {Py_tp_getattro, frame_getattro},
    {Py_tp_setattro, frame_setattro},
    {Py_tp_richcompare, frame_richcompare},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {0, NULL},
};
static PyType_Spec frame_spec = {
    .name = "gcsim._core.Frame",
    .basicsize = sizeof(struct frame_object),
    .slots = frame_slots,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
};

static PyType_Slot globals_slots[] = {
    {Py_tp_doc,
     (void *)PyDoc_STR(
         "The named global roots of a heap. gcsim._globals makes a MutableMapping of it.")},
    {Py_tp_new, globals_new},
    {Py_tp_dealloc, globals_dealloc},
    {Py_tp_traverse, globals_traverse},
    {Py_tp_repr, globals_repr},
    {Py_tp_iter, globals_iter},
    {Py_mp_length, globals_length},
    {Py_mp_subscript, globals_subscript},
    {Py_mp_ass_subscript, globals_ass_subscript},
    {Py_sq_contains, globals_contains},
    {0, NULL},
};
static PyType_Spec globals_spec = {
    .name = "gcsim._core.Globals",
    .basicsize = sizeof(struct globals_object),
    .slots = globals_slots,
    .flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
};

static int goroutines_init(PyObject *module, struct bind_state *state)
{
    return type_add(module, state, TYPE_GOROUTINE, &goroutine_spec) < 0 ||
                   type_add(module, state, TYPE_FRAME, &frame_spec) < 0
               ? -1
               : type_add(module, state, TYPE_GLOBALS, &globals_spec);
}
