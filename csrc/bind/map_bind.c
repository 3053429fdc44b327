// Map: Go's maps in Python, over lib/map. gcsim/_maps.py makes a MutableMapping of it.
//
// A Map is a rooted pointer to a map in the heap; None of them is copied by reading it, so all that refer to one map see the same entries. A key is
// converted before the map is looked at, for converting can run Python code. What has to be allocated is allocated with nothing half done: then the map
// is looked at again. So one operation is one step under the GIL, and other threads never see a map between two states.
#include "bind/bind.h"

#include "lib/iface.h"
#include "lib/map.h"

#include "lib/map.c"

_Static_assert((int)MAP_IFACE_VALUE == (int)IFACE_VALUE, "an interface of lib/iface.h");

// Of map[K]V, whatever the heap: what gcsim._maps.plan says. Belongs to its type_object.
enum map_part_type {
    MAP_KEY,
    MAP_ELEM,
    MAP_GROUP_TYPE,
    MAP_MAP,
    MAP_TABLE_TYPE,
    MAP_POINTER,
    MAP_TYPES
};
struct map_kind {
    struct type_object *types[MAP_TYPES]; // strong
    uint32_t how, nparts;
    struct map_part parts[MAP_KEY_PARTS];
};

struct map_object {
    PyObject_HEAD struct heap_object *heap; // strong
    struct type_object *type;               // strong
    const struct map_type *t;               // the heap's
    gcsim_handle *handle;                   // NULL: Go's nil map
    struct map *map;
};

// --- types -------------------------------------------------------------------------------------------------------

static int map_kind_visit(struct map_kind *kind, visitproc visit, void *arg)
{
    for (int i = 0; kind && i < MAP_TYPES; i++)
        Py_VISIT(kind->types[i]);
    return 0;
}

static void map_kind_free(struct map_kind *kind)
{
    for (int i = 0; kind && i < MAP_TYPES; i++)
        Py_XDECREF(kind->types[i]);
    PyMem_Free(kind);
}

static int map_kind_read(struct bind_state *state, struct map_kind *kind, PyObject *plan)
{
    PyObject *infos, *parts;
    if (!PyArg_ParseTuple(plan, "O!IO!:plan", &PyTuple_Type, &infos, &kind->how, &PyTuple_Type,
                          &parts))
        return -1;
    for (int i = 0; i < MAP_TYPES; i++)
        if (!(kind->types[i] = type_from_python(state, PyTuple_GetItem(infos, i))))
            return -1;
    for (; kind->nparts < PyTuple_GET_SIZE(parts) && kind->nparts < MAP_KEY_PARTS; kind->nparts++) {
        struct map_part *part = &kind->parts[kind->nparts];
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(parts, kind->nparts), "III", &part->offset,
                              &part->bytes, &part->kind))
            return -1;
    }
    return 0;
}

static struct map_kind *map_kind_of(struct type_object *type)
{
    if (type->map)
        return type->map;
    PyObject *module = PyImport_ImportModule("gcsim._maps");
    PyObject *plan = module ? PyObject_CallMethod(module, "plan", "O", type->info) : NULL;
    struct map_kind *kind = plan ? PyMem_Calloc(1, sizeof *kind) : NULL;
    if (plan && !kind)
        PyErr_NoMemory();
    if (kind && map_kind_read(type->state, kind, plan) < 0) {
        map_kind_free(kind);
        kind = NULL;
    }
    Py_XDECREF(plan);
    Py_XDECREF(module);
    if (type->map) { // another thread was faster
        map_kind_free(kind);
        return type->map;
    }
    return type->map = kind;
}

// What a heap knows of a type. It keeps it: else each map would be the first of its type, with groups of a type of their own.
struct heap_map_type {
    struct map_type t;
    struct type_object *type; // strong
};

static int map_types_visit(struct heap_object *h, visitproc visit, void *arg)
{
    for (uint32_t i = 0; i < h->map_types_room; i++)
        if (h->map_types[i])
            Py_VISIT(h->map_types[i]->type);
    return 0;
}

static void map_types_free(struct heap_object *h)
{
    for (uint32_t i = 0; i < h->map_types_room; i++) {
        if (h->map_types[i])
            Py_XDECREF(h->map_types[i]->type);
        PyMem_Free(h->map_types[i]);
    }
    PyMem_Free(h->map_types);
    if (h->map_insides)
        PyMem_Free(h->map_insides->by_id);
    PyMem_Free(h->map_insides);
    h->map_insides = NULL;
    h->map_types = NULL;
    h->map_types_room = 0;
}

static struct map_type *map_type_slot(struct heap_object *h, struct type_object *type)
{
    uint32_t serial = type->serial;
    if (serial >= h->map_types_room) {
        uint32_t room = serial + 16;
        struct heap_map_type **grown = PyMem_Realloc(h->map_types, room * sizeof *grown);
        if (!grown)
            return (struct map_type *)PyErr_NoMemory();
        memset(grown + h->map_types_room, 0, (room - h->map_types_room) * sizeof *grown);
        h->map_types = grown;
        h->map_types_room = room;
    }
    if (!h->map_types[serial]) {
        struct heap_map_type *made = PyMem_Calloc(1, sizeof *made);
        if (!made)
            return (struct map_type *)PyErr_NoMemory();
        made->type = (struct type_object *)Py_NewRef(type);
        h->map_types[serial] = made;
    }
    return &h->map_types[serial]->t;
}

// Where the heap keeps how values in interfaces are compared; NULL with an error.
static const struct map_insides *map_insides_of(struct heap_object *h)
{
    if (!h->map_insides && !(h->map_insides = PyMem_Calloc(1, sizeof *h->map_insides)))
        PyErr_NoMemory();
    return h->map_insides;
}

// The heap's type for map[K]V; NULL with an error. Types are looked up anew each time: a heap that was rewound has made them again.
static const struct map_type *map_type_of(struct heap_object *h, struct type_object *type)
{
    const gcsim_type *made[MAP_TYPES];
    struct map_kind *kind = map_kind_of(type);
    if (!kind)
        return NULL;
    for (int i = 0; i < MAP_TYPES; i++)
        if (!(made[i] = heap_type(h, kind->types[i])))
            return NULL;
    struct map_type *t = map_type_slot(h, type);
    if (!t || !(t->insides = map_insides_of(h)))
        return NULL;
    map_type_init(t, (enum map_key)kind->how, made[MAP_KEY], made[MAP_ELEM], made[MAP_MAP],
                  made[MAP_TABLE_TYPE], made[MAP_POINTER], made[MAP_GROUP_TYPE]);
    t->random = &h->map_random;
    t->nparts = kind->nparts;
    memcpy(t->parts, kind->parts, kind->nparts * sizeof *kind->parts);
    uint64_t mask[MAP_GROUP_MASK_WORDS];
    gcsim_type_desc desc = map_group_desc(t->key, t->elem, mask);
    if (desc.bytes != t->group->bytes || desc.ptr_bytes != t->group->ptr_bytes)
        return bind_raise(h->state, ERR_TYPE_DEFINITION, "groups of %s are laid out in two ways",
                          type_name(type));
    return t;
}

// --- making and unmaking -----------------------------------------------------------------------------------------

static PyTypeObject *map_class(struct bind_state *state)
{
    if (!state->types[TYPE_MAP_CLASS]) {
        PyObject *module = PyImport_ImportModule("gcsim._maps");
        PyObject *cls = module ? bind_attribute(module, "Map") : NULL;
        Py_XDECREF(module);
        if (cls && !state->types[TYPE_MAP_CLASS])
            state->types[TYPE_MAP_CLASS] = (PyTypeObject *)Py_NewRef(cls);
        Py_XDECREF(cls);
    }
    return state->types[TYPE_MAP_CLASS];
}

static bool is_map(struct bind_state *state, PyObject *o)
{
    return PyObject_TypeCheck(o, state->types[TYPE_MAP]);
}

// Takes over the handle, also when it fails. NULL: the nil map.
static PyObject *map_wrap(struct heap_object *h, struct type_object *type, gcsim_handle *handle)
{
    const struct map_type *t = map_type_of(h, type);
    PyTypeObject *cls = t ? map_class(h->state) : NULL;
    struct map_object *mo = cls ? (struct map_object *)cls->tp_alloc(cls, 0) : NULL;
    if (!mo) {
        if (handle)
            heap_unroot(h, handle);
        return NULL;
    }
    mo->heap = (struct heap_object *)Py_NewRef(h);
    mo->type = (struct type_object *)Py_NewRef(type);
    mo->t = t;
    mo->handle = handle;
    mo->map = handle ? handle->ptr : NULL;
    if (heap_born(h, mo) < 0)
        Py_CLEAR(mo);
    return (PyObject *)mo;
}

static void map_dealloc(struct map_object *mo)
{
    PyTypeObject *tp = Py_TYPE(mo);
    if (mo->heap)
        heap_died(mo->heap, mo, mo->handle);
    if (mo->handle)
        heap_unroot(mo->heap, mo->handle);
    Py_XDECREF(mo->type);
    Py_XDECREF(mo->heap);
    tp->tp_free(mo);
    Py_DECREF(tp);
}

static PyObject *map_py_new(PyTypeObject *Py_UNUSED(cls), PyObject *Py_UNUSED(args),
                            PyObject *Py_UNUSED(kwargs))
{
    return PyErr_Format(PyExc_TypeError, "a map is made by heap.new_map(K, V)");
}

static PyObject *raise_nil_map(struct heap_object *h)
{
    return raise_named(h->state, "PanicError", "assignment to entry in nil map");
}

// Objects may get lost under an unsound barrier, and a map cannot be asked at each of its pointers.
BIND_COLD int map_refuse_unsound(struct heap_object *h)
{
    bind_raise(h->state, ERR_NOT_THERE,
               "maps are not there yet in a heap whose options may lose objects");
    return -1;
}

static inline int map_check_read(struct map_object *mo)
{
    if (heap_check_open(mo->heap) < 0)
        return -1;
    return BIND_UNLIKELY(mo->heap->attention & HEAP_UNSOUND) ? map_refuse_unsound(mo->heap) : 0;
}

static int map_check_write(struct map_object *mo)
{
    return heap_check_own(mo->heap, "change a map") < 0 ? -1 : map_check_read(mo);
}

static void unroot_all(struct heap_object *h, gcsim_handle **root, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        if (root[i]) {
            heap_unroot(h, root[i]);
            root[i] = NULL;
        }
}

// What a map wants. 0, or -1 with an error; the caller unroots.
static int wants_allocate(struct heap_object *h, const struct map_want *want, gcsim_handle **root,
                          uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        if (!(root[i] = heap_allocate(h, want[i].type, want[i].count > 0, want[i].count)))
            return -1;
    return heap_check_own(h, "change a map");
}

static void plan_drop(struct heap_object *h, struct map_plan *p)
{
    unroot_all(h, p->root, p->n);
    map_plan_drop(NULL, p); // nothing is rooted any more
}

// The objects of a plan as a map, rooted. NULL without an error: the map to clone has changed meanwhile.
static gcsim_handle *map_from_plan(struct heap_object *h, const struct map_type *t,
                                   struct map_plan *p)
{
    gcsim_handle *handle = NULL;
    if (!p)
        return (gcsim_handle *)PyErr_NoMemory();
    gcsim_mutator *m = wants_allocate(h, p->want, p->root, p->n) == 0 ? heap_enter(h) : NULL;
    if (m) {
        gcsim_status status = GCSIM_OK;
        struct map *map = map_plan_build(m, t, p);
        if (map && !(handle = h->api->handle_new(m, map)))
            status = m->status == GCSIM_OK ? GCSIM_NO_MEMORY : m->status;
        heap_leave(h, m);
        if (status != GCSIM_OK)
            ref_no_handle(h, status);
    }
    plan_drop(h, p);
    return handle;
}

static PyObject *heap_py_new_map(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"", "", "hint", NULL};
    struct heap_object *h = (struct heap_object *)self;
    PyObject *key, *elem, *hint = NULL;
    int64_t n = 0;
    int overflow = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|O:new_map", names, &key, &elem, &hint))
        return NULL;
    PyObject *index = hint ? PyNumber_Index(hint) : NULL;
    if (hint && !index) {
        if (!PyErr_ExceptionMatches(PyExc_TypeError))
            return NULL;
        PyErr_Clear();
        return bind_raise(h->state, ERR_CONVERSION, "the hint is an int, not %s",
                          Py_TYPE(hint)->tp_name);
    }
    if (index)
        n = PyLong_AsLongLongAndOverflow(index, &overflow);
    Py_XDECREF(index);
    if (heap_check_own(h, "make a map") < 0 ||
        (h->attention & HEAP_UNSOUND && map_refuse_unsound(h) < 0))
        return NULL;
    PyObject *module = PyImport_ImportModule("gcsim._maps");
    PyObject *info = module ? PyObject_CallMethod(module, "map_info", "OO", key, elem) : NULL;
    struct type_object *type = info ? type_from_python(h->state, info) : NULL;
    const struct map_type *t = type ? map_type_of(h, type) : NULL;
    gcsim_handle *handle = NULL;
    if (t && heap_check_own(h, "make a map") == 0)
        handle = map_from_plan(h, t, map_plan_new(t, overflow ? 0 : n));
    PyObject *map = handle ? map_wrap(h, type, handle) : NULL;
    Py_XDECREF(type);
    Py_XDECREF(info);
    Py_XDECREF(module);
    return heap_then(h, map);
}

static PyObject *map_py_copy(struct map_object *mo, PyObject *Py_UNUSED(unused))
{
    struct heap_object *h = mo->heap;
    gcsim_handle *handle = NULL;
    if (map_check_write(mo) < 0)
        return NULL;
    if (!mo->map) // maps.Clone keeps nil
        return map_wrap(h, mo->type, NULL);
    while (!(handle = map_from_plan(h, mo->t, map_plan_clone(mo->t, mo->map))))
        if (PyErr_Occurred() || PyErr_CheckSignals() < 0 || map_check_write(mo) < 0)
            return NULL;
    return heap_then(h, map_wrap(h, mo->type, handle));
}

// --- keys --------------------------------------------------------------------------------------------------------

// How values of a type that an interface in a key holds are compared. It is kept with the heap's maps, as if it were one: map[T]struct{}
// would be compared so. 0, or -1 with PanicError for a type that Go does not compare.
static int inside_make(struct heap_object *h, const gcsim_type *type)
{
    struct map_insides *all = h->map_insides;
    struct type_object *t = heap_type_of(h, type);
    PyObject *module = t ? PyImport_ImportModule("gcsim._maps") : NULL;
    PyObject *info = module ? PyObject_CallMethod(module, "inside_info", "O", t->info) : NULL;
    struct type_object *map = info ? type_from_python(h->state, info) : NULL;
    const struct map_type *made = map ? map_type_of(h, map) : NULL;
    Py_XDECREF(map);
    Py_XDECREF(info);
    Py_XDECREF(module);
    if (!t)
        bind_raise(h->state, ERR_CONVERSION,
                   "the interface holds a type that Python does not know");
    if (made && made->key != type)
        made = bind_raise(h->state, ERR_STATE, "%s is two types of this heap", type_name(t));
    if (!made)
        return -1;
    if (type->id >= all->room) {
        uint32_t room = type->id + 32;
        const struct map_type **grown = PyMem_Realloc(all->by_id, room * sizeof *grown);
        if (!grown) {
            PyErr_NoMemory();
            return -1;
        }
        memset(grown + all->room, 0, (room - all->room) * sizeof *grown);
        all->by_id = grown;
        all->room = room;
    }
    all->by_id[type->id] = made;
    return 0;
}

// Whether it is known how all that interfaces in a key hold is compared; else *missing is one that is not.
static bool insides_known(struct heap_object *h, const struct map_type *t, const char *key,
                          const gcsim_type **missing)
{
    for (uint32_t i = 0; i < t->nparts; i++) {
        if (t->parts[i].kind != MAP_PART_INTERFACE)
            continue;
        struct map_inside in = part_inside(key + t->parts[i].offset);
        const void *value;
        const struct map_type *inside = inside_of(t, &in, &value);
        if (!(in.type & MAP_IFACE_VALUE))
            continue;
        *missing = iface_type(in.type);
        if (!inside || inside->key != *missing || !insides_known(h, inside, value, missing))
            return false;
    }
    return true;
}

// The last thing before a map is looked at: a field of a key that is a struct may have changed meanwhile.
static int insides_prepare(struct map_object *mo, const void *key)
{
    const gcsim_type *missing;
    if (BIND_LIKELY(mo->t->how != MAP_KEY_OTHER))
        return 0;
    while (!insides_known(mo->heap, mo->t, key, &missing))
        if (inside_make(mo->heap, missing) < 0 || map_check_read(mo) < 0)
            return -1;
    return 0;
}

enum { KEY_WORDS = 2 };
struct key_view {
    const void *key;
    uint64_t words[KEY_WORDS];
    PyObject *owner;    // strong: keeps what the key consists of
    gcsim_handle *text; // of a string that was made in the heap
    struct stage stage; // of an array
    char *memory;
};

static void key_drop(struct map_object *mo, struct key_view *v)
{
    if (BIND_UNLIKELY(v->memory != NULL)) {
        stage_drop(&v->stage);
        PyMem_Free(v->memory);
    }
    if (BIND_UNLIKELY(v->text != NULL))
        heap_unroot(mo->heap, v->text);
    Py_XDECREF(v->owner);
}

// A str's own UTF-8, so that looking up makes nothing.
static int key_text(struct map_object *mo, PyObject *key, struct key_view *v)
{
    struct string *s = (struct string *)(void *)v->words;
    Py_ssize_t n;
    if (PyUnicode_Check(key)) {
        if ((s->ptr = PyUnicode_AsUTF8AndSize(key, &n))) {
            s->len = n;
            v->owner = Py_NewRef(key);
            return 0;
        }
        if (!PyErr_ExceptionMatches(PyExc_UnicodeError))
            return -1;
        PyErr_Clear();
        if (!(v->owner = PyUnicode_AsEncodedString(key, "utf-8", "surrogateescape"))) {
            if (!PyErr_ExceptionMatches(PyExc_UnicodeError))
                return -1;
            PyErr_Clear();
            bind_raise(mo->heap->state, ERR_CONVERSION,
                       "the str has lone surrogates and no UTF-8 form");
            return -1;
        }
    } else if (PyBytes_Check(key)) {
        v->owner = Py_NewRef(key);
    } else {
        bind_raise(mo->heap->state, ERR_CONVERSION, "string takes str or bytes, not %s",
                   Py_TYPE(key)->tp_name);
        return -1;
    }
    *s = (struct string){PyBytes_AS_STRING(v->owner), PyBytes_GET_SIZE(v->owner)};
    return 0;
}

// Converted as an element of a slice would be, but into memory of our own; what it refers to is kept by the stage.
static int key_array(struct map_object *mo, struct type_object *type, PyObject *key,
                     struct key_view *v)
{
    struct heap_object *h = mo->heap;
    v->stage = (struct stage){.heap = h, .on_stack = true};
    if (!(v->memory = PyMem_Calloc(1, (size_t)type->bytes + 1))) {
        PyErr_NoMemory();
        return -1;
    }
    v->key = v->memory;
    gcsim_mutator *m = stage_values(&v->stage, type, &key, 1) == 0 ? heap_enter(h) : NULL;
    if (!m)
        return -1;
    stage_write(&v->stage, m, v->memory);
    heap_leave(h, m);
    return 0;
}

static int key_interface(struct map_object *mo, PyObject *key, struct key_view *v)
{
    struct iface words;
    if (iface_words(mo->heap, key, &words, &v->owner) < 0)
        return -1;
    memcpy(v->words, &words, sizeof words);
    return 0;
}

// 0 or -1 with an error; key_drop either way.
static int key_convert(struct map_object *mo, PyObject *key, struct key_view *v)
{
    struct type_object *type = mo->type->map->types[MAP_KEY], *elem;
    void *p = NULL;
    v->owner = NULL;
    v->text = NULL;
    v->memory = NULL;
    v->key = v->words;
    v->words[0] = v->words[1] = 0;
    switch (type->kind) {
    case GCSIM_KIND_STRING:
        return key_text(mo, key, v);
    case GCSIM_KIND_INTERFACE:
        return key_interface(mo, key, v);
    case GCSIM_KIND_ARRAY:
        return key_array(mo, type, key, v);
    case GCSIM_KIND_STRUCT:
        if (ref_address_for(mo->heap, type, key, &p) < 0)
            return -1;
        if (!p) {
            bind_raise(mo->heap->state, ERR_CONVERSION,
                       "a %s by value takes a reference to one to copy, not None", type_name(type));
            return -1;
        }
        v->key = p;
        v->owner = Py_NewRef(key);
        return 0;
    case GCSIM_KIND_POINTER:
        if (!(elem = type_elem(type)) || ref_address_for(mo->heap, elem, key, &p) < 0)
            return -1;
        v->words[0] = (uint64_t)(uintptr_t)p;
        v->owner = Py_NewRef(key);
        return 0;
    default:
        if (is_scalar(type->kind))
            return scalar_set(mo->heap->state, type, v->words, key);
        if (key == Py_None) // a channel, unsafe.Pointer
            return 0;
        bind_raise(mo->heap->state, ERR_NOT_THERE, "%s takes only None (nil) in this version",
                   type_name(type));
        return -1;
    }
}

BIND_COLD PyObject *raise_missing_key(PyObject *key)
{
    PyObject *errors = PyImport_ImportModule("gcsim._errors");
    PyObject *cls = errors ? bind_attribute(errors, "MissingKeyError") : NULL;
    PyObject *error = cls ? PyObject_CallOneArg(cls, key) : NULL;
    if (error)
        PyErr_SetObject(cls, error);
    Py_XDECREF(error);
    Py_XDECREF(cls);
    Py_XDECREF(errors);
    return NULL;
}

// --- values that are read ----------------------------------------------------------------------------------------

// What a map holds has no address in Go: structs and arrays are read as copies, for which room is made first.
static inline bool is_copied(const struct type_object *type)
{
    return type->kind == GCSIM_KIND_STRUCT || type->kind == GCSIM_KIND_ARRAY;
}

static int copy_room(struct heap_object *h, struct type_object *type, gcsim_handle **room)
{
    *room = NULL;
    if (BIND_LIKELY(!is_copied(type)))
        return 0;
    const gcsim_type *t = type->kind == GCSIM_KIND_STRUCT ? heap_type(h, type) : NULL;
    if (t)
        *room = heap_allocate(h, t, false, 1);
    else if (type->kind == GCSIM_KIND_ARRAY)
        *room = new_array_object(h, type);
    return *room ? 0 : -1;
}

static PyObject *copy_take(struct heap_object *h, struct type_object *type, gcsim_handle *room)
{
    if (type->kind == GCSIM_KIND_ARRAY) {
        struct type_object *elem = type_elem(type);
        int64_t n = (int64_t)type->count;
        if (elem)
            return row_make(h, elem, type, (struct slice){room->ptr, n, n}, room);
        heap_unroot(h, room);
        return NULL;
    }
    PyTypeObject *cls = type_class(type);
    PyObject *ref = cls && heap_check_open(h) == 0 ? ref_from_handle(h, cls, room) : NULL;
    if (!ref && !cls)
        heap_unroot(h, room);
    Py_XDECREF(cls);
    return ref;
}

// The value at an address inside a map, whose entries may go as soon as Python code runs. Takes over the room.
static PyObject *map_value(struct heap_object *h, struct type_object *type, void *address,
                           gcsim_handle *room)
{
    if (is_scalar(type->kind))
        return scalar_get(type, address);
    if (type->kind == GCSIM_KIND_STRING)
        return string_get(h, address);
    if (room) {
        const gcsim_type *t = h->types[type->serial];
        gcsim_mutator *m = heap_enter(h);
        if (!m) {
            heap_unroot(h, room);
            return NULL;
        }
        h->api->copy(m, t, room->ptr, address, 1);
        heap_leave(h, m);
        return copy_take(h, type, room);
    }
    gcsim_handle *kept = heap_root(h, address); // reading a pointer can run Python code first
    PyObject *value = kept ? value_get(h, type, address) : NULL;
    if (kept)
        heap_unroot(h, kept);
    return value;
}

// The element of a key; NULL without an error: there is none.
static PyObject *map_read(struct map_object *mo, PyObject *key)
{
    struct type_object *elem = mo->type->map->types[MAP_ELEM];
    struct key_view v;
    gcsim_handle *room = NULL;
    PyObject *value = NULL;
    if (map_check_read(mo) < 0)
        return NULL;
    if (key_convert(mo, key, &v) == 0 && copy_room(mo->heap, elem, &room) == 0 &&
        map_check_read(mo) == 0 && insides_prepare(mo, v.key) == 0) {
        void *found = map_get(mo->t, mo->map, v.key);
        if (found)
            value = map_value(mo->heap, elem, found, room);
        else if (room)
            heap_unroot(mo->heap, room);
    } else if (room) {
        heap_unroot(mo->heap, room);
    }
    key_drop(mo, &v);
    return value;
}

static PyObject *map_subscript(struct map_object *mo, PyObject *key)
{
    PyObject *value = map_read(mo, key);
    return BIND_LIKELY(value || PyErr_Occurred()) ? value : raise_missing_key(key);
}

static PyObject *map_py_get(struct map_object *mo, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs < 1 || nargs > 2)
        return PyErr_Format(PyExc_TypeError, "get takes a key and a default, not %zd arguments",
                            nargs);
    PyObject *value = map_read(mo, args[0]);
    return value || PyErr_Occurred() ? value : Py_NewRef(nargs == 2 ? args[1] : Py_None);
}

static int map_contains(struct map_object *mo, PyObject *key)
{
    struct key_view v;
    int found = -1;
    if (map_check_read(mo) < 0)
        return -1;
    if (key_convert(mo, key, &v) == 0 && map_check_read(mo) == 0 && insides_prepare(mo, v.key) == 0)
        found = map_get(mo->t, mo->map, v.key) != NULL;
    key_drop(mo, &v);
    return found;
}

static Py_ssize_t map_length(struct map_object *mo)
{
    if (map_check_read(mo) < 0)
        return -1;
    return mo->map ? (Py_ssize_t)mo->map->used : 0;
}

// --- writing -----------------------------------------------------------------------------------------------------

// A new key that is a string goes into the heap; an old one stays as it is.
static int key_keep(struct map_object *mo, struct key_view *v)
{
    struct heap_object *h = mo->heap;
    struct string *s = (struct string *)(void *)v->words;
    struct type_object *byte;
    const gcsim_type *t;
    void *own, *elem;
    if (v->text || !s->len)
        return 0;
    if (map_get_entry(mo->t, mo->map, v->key, &own, &elem)) {
        gcsim_handle *kept = heap_root(h, (void *)(uintptr_t)((struct string *)own)->ptr);
        if (!kept)
            return -1;
        v->text = kept;
        s->ptr = kept->ptr;
        return 0;
    }
    if (!(byte = bind_byte_type(h->state)) || !(t = heap_type(h, byte)) ||
        !(v->text = heap_allocate(h, t, true, (uint64_t)s->len)))
        return -1;
    memcpy(v->text->ptr, s->ptr, (size_t)s->len);
    s->ptr = v->text->ptr;
    return heap_check_own(h, "change a map");
}

// Inserts, and writes the value that was converted. 0 or -1.
static int map_write(struct map_object *mo, struct key_view *v, struct stage *value)
{
    struct heap_object *h = mo->heap;
    struct map_room room = {0};
    void *slot = NULL;
    bool failed = false;
    while (!slot && !failed) {
        gcsim_mutator *m =
            map_check_write(mo) == 0 && insides_prepare(mo, v->key) == 0 ? heap_enter(h) : NULL;
        if (!m) {
            failed = true;
            break;
        }
        if ((slot = map_slot_now(m, mo->t, mo->map, v->key, &room)))
            stage_write(value, m, slot);
        heap_leave(h, m);
        failed = !slot && wants_allocate(h, room.want, room.root, room.n) < 0;
    }
    unroot_all(h, room.root, room.n);
    return slot ? 0 : -1;
}

static int map_store(struct map_object *mo, PyObject *key, PyObject *value)
{
    struct type_object *elem = mo->type->map->types[MAP_ELEM];
    struct stage stage = {.heap = mo->heap};
    struct key_view v;
    int result = -1;
    if (map_check_write(mo) < 0)
        return -1;
    if (!mo->map) {
        raise_nil_map(mo->heap);
        return -1;
    }
    if (key_convert(mo, key, &v) == 0 && stage_values(&stage, elem, &value, 1) == 0 &&
        map_check_write(mo) == 0 && (mo->t->how != MAP_KEY_STRING || key_keep(mo, &v) == 0))
        result = map_write(mo, &v, &stage);
    stage_drop(&stage);
    key_drop(mo, &v);
    return result;
}

static int map_remove(struct map_object *mo, PyObject *key)
{
    struct key_view v;
    int found = -1;
    if (map_check_write(mo) < 0)
        return -1;
    if (key_convert(mo, key, &v) == 0 && map_check_write(mo) == 0 &&
        insides_prepare(mo, v.key) == 0) {
        gcsim_mutator *m = heap_enter(mo->heap);
        if (m) {
            found = map_delete(m, mo->t, mo->map, v.key);
            heap_leave(mo->heap, m);
        }
    }
    key_drop(mo, &v);
    if (found == 0)
        raise_missing_key(key);
    return found == 1 ? 0 : -1;
}

static int map_ass_subscript(struct map_object *mo, PyObject *key, PyObject *value)
{
    return value ? map_store(mo, key, value) : map_remove(mo, key);
}

static PyObject *map_py_clear(struct map_object *mo, PyObject *Py_UNUSED(unused))
{
    gcsim_mutator *m = map_check_write(mo) == 0 ? heap_enter(mo->heap) : NULL;
    if (!m)
        return NULL;
    map_clear(m, mo->t, mo->map);
    heap_leave(mo->heap, m);
    Py_RETURN_NONE;
}

// --- iterating ---------------------------------------------------------------------------------------------------

enum iter_gives { ITER_KEYS, ITER_VALUES, ITER_ITEMS };
struct map_iter_object {
    PyObject_HEAD struct heap_object *heap; // strong
    struct map_object *map;                 // strong; NULL: at its end
    struct map_iter it;
    enum iter_gives gives;
    uint64_t rewinds; // of the heap, when it began
};

static void iter_finish(struct map_iter_object *io)
{
    if (io->it.root)
        heap_unroot(io->heap, io->it.root);
    io->it.root = NULL;
    Py_CLEAR(io->map);
}

static void map_iter_dealloc(struct map_iter_object *io)
{
    PyTypeObject *tp = Py_TYPE(io);
    if (io->heap)
        heap_died(io->heap, io, io->it.root);
    iter_finish(io);
    Py_XDECREF(io->heap);
    tp->tp_free(io);
    Py_DECREF(tp);
}

static PyObject *map_iter_make(struct map_object *mo, enum iter_gives gives)
{
    PyTypeObject *cls = mo->heap->state->types[TYPE_MAP_ITER];
    struct heap_object *h = mo->heap;
    struct map_iter_object *io =
        map_check_read(mo) == 0 ? (struct map_iter_object *)cls->tp_alloc(cls, 0) : NULL;
    if (!io)
        return NULL;
    io->heap = (struct heap_object *)Py_NewRef(h);
    io->map = (struct map_object *)Py_NewRef(mo);
    io->gives = gives;
    io->rewinds = h->rewinds;
    gcsim_mutator *m = heap_enter(h);
    bool made = m && map_iter_begin(m, mo->t, mo->map, &io->it);
    gcsim_status status = m ? m->status : GCSIM_OK;
    if (m)
        heap_leave(h, m);
    if (m && !made)
        ref_no_handle(h, status);
    if (!made || heap_born(h, io) < 0)
        Py_CLEAR(io);
    return (PyObject *)io;
}

// Key and element of the entry that it has come to, as `gives` says. Takes over the rooms.
static PyObject *iter_value(struct map_iter_object *io, gcsim_handle *room[2])
{
    struct heap_object *h = io->heap;
    struct map_kind *kind = io->map->type->map;
    void *at[2] = {io->it.key, io->it.elem};
    PyObject *value[2] = {NULL, NULL};
    gcsim_handle *kept = heap_root(h, at[1]); // reading the first can run Python code
    bool ok = kept != NULL;
    for (int i = 0; i < 2; i++) {
        bool wanted = io->gives == ITER_ITEMS || (int)io->gives == i;
        if (ok && wanted)
            ok = (value[i] = map_value(h, kind->types[i], at[i], room[i])) != NULL;
        else if (room[i])
            heap_unroot(h, room[i]);
    }
    if (kept)
        heap_unroot(h, kept);
    PyObject *pair = ok && io->gives == ITER_ITEMS ? PyTuple_Pack(2, value[0], value[1]) : NULL;
    if (ok && io->gives != ITER_ITEMS)
        return value[io->gives];
    Py_XDECREF(value[0]);
    Py_XDECREF(value[1]);
    return pair;
}

static PyObject *map_iter_next_value(struct map_iter_object *io)
{
    struct map_object *mo = io->map;
    struct heap_object *h = io->heap;
    gcsim_handle *room[2] = {NULL, NULL};
    if (!mo || map_check_read(mo) < 0)
        return NULL;
    if (io->rewinds != h->rewinds) // where it stands was not rewound with the heap
        return bind_raise(h->state, ERR_STATE,
                          "the heap was rewound since this iteration of a map began: begin anew");
    struct map_kind *kind = mo->type->map;
    bool ok = true;
    for (int i = 0; i < 2 && ok; i++)
        if (io->gives == ITER_ITEMS || (int)io->gives == i)
            ok = copy_room(h, kind->types[i], &room[i]) == 0;
    gcsim_mutator *m = ok && map_check_read(mo) == 0 ? heap_enter(h) : NULL;
    bool more = m && map_iter_next(m, mo->t, &io->it);
    if (m)
        heap_leave(h, m);
    if (more)
        return iter_value(io, room);
    unroot_all(h, room, 2);
    if (m)
        iter_finish(io);
    return NULL;
}

static PyObject *map_iter(struct map_object *mo) { return map_iter_make(mo, ITER_KEYS); }
static PyObject *map_iter_values(struct map_object *mo, PyObject *Py_UNUSED(unused))
{
    return map_iter_make(mo, ITER_VALUES);
}
static PyObject *map_iter_items(struct map_object *mo, PyObject *Py_UNUSED(unused))
{
    return map_iter_make(mo, ITER_ITEMS);
}

// --- maps in fields ----------------------------------------------------------------------------------------------

// A map that a pointer of this type leads to; NULL: the nil map. Takes over the handle.
static PyObject *map_of_handle(struct heap_object *h, struct type_object *type,
                               gcsim_handle *handle)
{
    const struct map_type *t =
        h->attention & HEAP_UNSOUND && map_refuse_unsound(h) < 0 ? NULL : map_type_of(h, type);
    bool ours = t && (!handle || ((struct map *)handle->ptr)->mark == map_mark(t, handle->ptr));
    if (ours)
        return map_wrap(h, type, handle);
    if (handle)
        heap_unroot(h, handle);
    if (t) // of a Go dump: hashed as that process did
        bind_raise(h->state, ERR_NOT_THERE, "reading a %s that was not made here is not there yet",
                   type_name(type));
    return NULL;
}

BIND PyObject *map_field_get(struct heap_object *h, struct type_object *type, void *address)
{
    gcsim_status status = GCSIM_OK;
    gcsim_handle *handle = NULL;
    gcsim_mutator *m = heap_enter(h);
    if (!m)
        return NULL;
    void *map = GCSIM_LOAD((void **)address);
    if (map && !(handle = h->api->handle_new(m, map)))
        status = m->status == GCSIM_OK ? GCSIM_NO_MEMORY : m->status;
    heap_leave(h, m);
    return status == GCSIM_OK ? map_of_handle(h, type, handle) : ref_no_handle(h, status);
}

BIND int map_address_for(struct heap_object *h, struct type_object *type, PyObject *value,
                         void **out)
{
    struct map_object *mo = (struct map_object *)value;
    *out = NULL;
    if (value == Py_None)
        return 0;
    if (!is_map(h->state, value))
        bind_raise(h->state, ERR_CONVERSION, "%s takes a map of this type or None, not %s",
                   type_name(type), Py_TYPE(value)->tp_name);
    else if (mo->heap->is_rewound)
        heap_raise_closed(mo->heap);
    else if (mo->heap != h)
        bind_raise(h->state, ERR_WRONG_HEAP,
                   "the map belongs to another heap; a heap's pointers stay inside it");
    else if (mo->type != type)
        bind_raise(h->state, ERR_CONVERSION, "%s cannot hold a %s", type_name(type),
                   type_name(mo->type));
    else
        *out = mo->map;
    return PyErr_Occurred() ? -1 : 0;
}

// --- the types ---------------------------------------------------------------------------------------------------

static PyObject *map_address(struct map_object *mo, void *Py_UNUSED(closure))
{
    return PyLong_FromVoidPtr(mo->map);
}
static PyObject *map_key_type(struct map_object *mo, void *Py_UNUSED(closure))
{
    return Py_NewRef(mo->type->map->types[MAP_KEY]->info);
}
static PyObject *map_elem_type(struct map_object *mo, void *Py_UNUSED(closure))
{
    return Py_NewRef(mo->type->map->types[MAP_ELEM]->info);
}
static PyObject *map_info(struct map_object *mo, void *Py_UNUSED(closure))
{
    return Py_NewRef(mo->type->info);
}
static PyObject *map_is_closed(struct map_object *mo, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(!mo->heap->heap);
}

static PyObject *map_no_copy(struct map_object *mo, PyObject *Py_UNUSED(unused))
{
    return bind_raise(mo->heap->state, ERR_CONVERSION,
                      "a gcsim.Map lives on its heap and cannot be pickled or copied deeply; "
                      "dict(...) gives one that can");
}

static PyMethodDef map_methods[] = {
    {"get", (PyCFunction)(void (*)(void))map_py_get, METH_FASTCALL,
     PyDoc_STR("get($self, key, default=None, /)\n--\n\nThe element of the key, else the default. "
               "ConversionError or RangeError for what cannot be\na key of this map.")},
    {"clear", (PyCFunction)map_py_clear, METH_NOARGS,
     PyDoc_STR("clear($self, /)\n--\n\nGo's clear(m): no entries; the memory stays, for entries to "
               "come.")},
    {"copy", (PyCFunction)map_py_copy, METH_NOARGS,
     PyDoc_STR("copy($self, /)\n--\n\nmaps.Clone: a new map of the same entries. Elements that are "
               "pointers lead to the same objects.")},
    {"__copy__", (PyCFunction)map_py_copy, METH_NOARGS, PyDoc_STR("copy().")},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, PyDoc_STR("For annotations.")},
    {"_iter_values", (PyCFunction)map_iter_values, METH_NOARGS, NULL},
    {"_iter_items", (PyCFunction)map_iter_items, METH_NOARGS, NULL},
    {"__deepcopy__", (PyCFunction)map_no_copy, METH_O, PyDoc_STR("Raises: dict(...) gives one.")},
    {"__reduce_ex__", (PyCFunction)map_no_copy, METH_O, PyDoc_STR("Raises: dict(...) gives one.")},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef map_getset[] = {
    {"address", (getter)map_address, NULL, "address of the map in its heap; 0: the nil map", NULL},
    {"key", (getter)map_key_type, NULL, "the TypeInfo of a key", NULL},
    {"elem", (getter)map_elem_type, NULL, "the TypeInfo of an element", NULL},
    {"type", (getter)map_info, NULL, "the TypeInfo of the map", NULL},
    {"_closed", (getter)map_is_closed, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot map_slots[] = {
    {Py_tp_doc,
     (void *)PyDoc_STR("A map in a heap. gcsim._maps makes a MutableMapping of it: gcsim.Map.")},
    {Py_tp_new, map_py_new},
    {Py_tp_dealloc, map_dealloc},
    {Py_tp_iter, map_iter},
    {Py_tp_methods, map_methods},
    {Py_tp_getset, map_getset},
    {Py_mp_length, map_length},
    {Py_mp_subscript, map_subscript},
    {Py_mp_ass_subscript, map_ass_subscript},
    {Py_sq_contains, map_contains},
    {0, NULL},
};
static PyType_Spec map_spec = {
    .name = "gcsim._core.Map",
    .basicsize = sizeof(struct map_object),
    .slots = map_slots,
    .flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_MAPPING,
};
static PyType_Slot map_iter_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Iterates over a map, which may be changed meanwhile.")},
    {Py_tp_dealloc, map_iter_dealloc},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, map_iter_next_value},
    {0, NULL},
};
static PyType_Spec map_iter_spec = {
    .name = "gcsim._core.MapIterator",
    .basicsize = sizeof(struct map_iter_object),
    .slots = map_iter_slots,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
};

static int maps_init(PyObject *module, struct bind_state *state)
{
    return type_add(module, state, TYPE_MAP, &map_spec) < 0
               ? -1
               : type_add(module, state, TYPE_MAP_ITER, &map_iter_spec);
}
