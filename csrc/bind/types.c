// Types as the binding sees them: Type, the C mirror of a TypeInfo; StructType, the metaclass of struct classes; their making.
//
// A class is made at decoration, when only the names of its fields are known. It is resolved at first use: the resolver gives the
// TypeInfo, and all fields are bound at once. Struct classes are immutable types for CPython, so that no Ref can be given another
// class (`ref.__class__ = ...`); StructType's own setattr lets methods and class variables through.
#include "bind/bind.h"

static void ref_dealloc(PyObject *self);
static struct field_object *field_make(struct bind_state *state, PyTypeObject *owner,
                                       PyObject *name);

// --- Type

static const struct {
    const char *word;
    uint32_t kind;
} type_kinds[] = {
    {"bool", GCSIM_KIND_BOOL},           {"int8", GCSIM_KIND_INT8},
    {"int16", GCSIM_KIND_INT16},         {"int32", GCSIM_KIND_INT32},
    {"int64", GCSIM_KIND_INT64},         {"int", GCSIM_KIND_INT64},
    {"uint8", GCSIM_KIND_UINT8},         {"uint16", GCSIM_KIND_UINT16},
    {"uint32", GCSIM_KIND_UINT32},       {"uint64", GCSIM_KIND_UINT64},
    {"uint", GCSIM_KIND_UINT64},         {"uintptr", GCSIM_KIND_UINTPTR},
    {"float32", GCSIM_KIND_FLOAT32},     {"float64", GCSIM_KIND_FLOAT64},
    {"complex64", GCSIM_KIND_COMPLEX64}, {"complex128", GCSIM_KIND_COMPLEX128},
    {"string", GCSIM_KIND_STRING},       {"slice", GCSIM_KIND_SLICE},
    {"pointer", GCSIM_KIND_POINTER},     {"unsafe.Pointer", BIND_KIND_UNSAFE_POINTER},
    {"interface", GCSIM_KIND_INTERFACE}, {"map", GCSIM_KIND_MAP},
    {"chan", GCSIM_KIND_CHAN},           {"func", GCSIM_KIND_FUNC},
    {"array", GCSIM_KIND_ARRAY},         {"struct", GCSIM_KIND_STRUCT},
};

static int attribute_u64(PyObject *o, const char *name, uint64_t *out)
{
    PyObject *v = bind_attribute(o, name);
    if (!v)
        return -1;
    *out = PyLong_AsUnsignedLongLong(v);
    Py_DECREF(v);
    return *out == UINT64_MAX && PyErr_Occurred() ? -1 : 0;
}

static int type_read_kind(struct bind_state *state, struct type_object *t, PyObject *info)
{
    PyObject *kind = bind_attribute(info, "kind");
    const char *word = kind ? PyUnicode_AsUTF8(kind) : NULL;
    if (!word) {
        Py_XDECREF(kind);
        return -1;
    }
    for (size_t i = 0; i < sizeof type_kinds / sizeof *type_kinds; i++)
        if (!strcmp(word, type_kinds[i].word)) {
            t->kind = type_kinds[i].kind;
            Py_DECREF(kind);
            return 0;
        }
    bind_raise(state, ERR_TYPE_DEFINITION, "%R is not a kind of type", kind);
    Py_DECREF(kind);
    return -1;
}

// What reading and writing a value of the kind takes for granted; a description that says otherwise is refused.
static const struct {
    uint8_t bytes, align;
} kind_sizes[BIND_KIND_UNSAFE_POINTER + 1] = {
    [GCSIM_KIND_BOOL] = {1, 1},      [GCSIM_KIND_INT8] = {1, 1},
    [GCSIM_KIND_INT16] = {2, 2},     [GCSIM_KIND_INT32] = {4, 4},
    [GCSIM_KIND_INT64] = {8, 8},     [GCSIM_KIND_UINT8] = {1, 1},
    [GCSIM_KIND_UINT16] = {2, 2},    [GCSIM_KIND_UINT32] = {4, 4},
    [GCSIM_KIND_UINT64] = {8, 8},    [GCSIM_KIND_UINTPTR] = {8, 8},
    [GCSIM_KIND_FLOAT32] = {4, 4},   [GCSIM_KIND_FLOAT64] = {8, 8},
    [GCSIM_KIND_COMPLEX64] = {8, 4}, [GCSIM_KIND_COMPLEX128] = {16, 8},
    [GCSIM_KIND_STRING] = {16, 8},   [GCSIM_KIND_SLICE] = {24, 8},
    [GCSIM_KIND_POINTER] = {8, 8},   [GCSIM_KIND_INTERFACE] = {16, 8},
    [GCSIM_KIND_MAP] = {8, 8},       [GCSIM_KIND_CHAN] = {8, 8},
    [GCSIM_KIND_FUNC] = {8, 8},      [BIND_KIND_UNSAFE_POINTER] = {8, 8},
};

static int type_read(struct bind_state *state, struct type_object *t, PyObject *info)
{
    uint64_t align = 0;
    if (type_read_kind(state, t, info) < 0 || attribute_u64(info, "bytes", &t->bytes) < 0 ||
        attribute_u64(info, "ptr_bytes", &t->ptr_bytes) < 0 ||
        attribute_u64(info, "align", &align) < 0)
        return -1;
    t->align = (uint32_t)align;
    if (t->kind == GCSIM_KIND_ARRAY && attribute_u64(info, "count", &t->count) < 0)
        return -1;
    unsigned bytes = kind_sizes[t->kind].bytes;
    if (bytes && (t->bytes != bytes || t->align != kind_sizes[t->kind].align)) {
        bind_raise(state, ERR_TYPE_DEFINITION,
                   "%R does not have the size and alignment of its kind", info);
        return -1;
    }
    PyObject *python = bind_attribute(info, "python");
    if (!python)
        return -1;
    t->is_bytes = python == (PyObject *)&PyBytes_Type;
    Py_DECREF(python);
    return 0;
}

static struct type_object *type_make(struct bind_state *state, PyObject *info)
{
    struct type_object *t = (struct type_object *)state->type_type->tp_alloc(state->type_type, 0);
    if (!t)
        return NULL;
    t->state = state;
    t->info = Py_NewRef(info);
    t->serial = state->type_serials++;
    if (type_read(state, t, info) < 0 ||
        PyObject_SetItem(state->type_objects, info, (PyObject *)t) < 0) {
        Py_DECREF(t);
        return NULL;
    }
    return t;
}

static struct type_object *type_from_info(struct bind_state *state, PyObject *info)
{
    PyObject *known = PyObject_GetItem(state->type_objects, info);
    if (known)
        return (struct type_object *)known;
    if (!PyErr_ExceptionMatches(PyExc_KeyError))
        return NULL;
    PyErr_Clear();
    return type_make(state, info);
}

BIND struct type_object *type_from_python(struct bind_state *state, PyObject *o)
{
    if (Py_IS_TYPE(o, state->type_type))
        return (struct type_object *)Py_NewRef(o);
    if (IS_STRUCT_CLASS(state, o) && ((struct struct_class *)o)->resolver) {
        struct type_object *t = class_type((struct struct_class *)o);
        return t ? (struct type_object *)Py_NewRef(t) : NULL;
    }
    if (!state->describe) {
        PyObject *module = PyImport_ImportModule("gcsim._types");
        state->describe = module ? bind_attribute(module, "describe") : NULL;
        Py_XDECREF(module);
        if (!state->describe)
            return NULL;
    }
    PyObject *info = PyObject_CallOneArg(state->describe, o);
    struct type_object *t = info ? type_from_info(state, info) : NULL;
    Py_XDECREF(info);
    return t;
}

BIND struct type_object *bind_byte_type(struct bind_state *state)
{
    if (!state->byte_type) {
        PyObject *module = PyImport_ImportModule("gcsim._types");
        PyObject *u8 = module ? bind_attribute(module, "u8") : NULL;
        state->byte_type = u8 ? type_from_python(state, u8) : NULL;
        Py_XDECREF(u8);
        Py_XDECREF(module);
    }
    return state->byte_type;
}

BIND struct type_object *type_elem(struct type_object *t)
{
    if (t->elem)
        return t->elem;
    PyObject *info = bind_attribute(t->info, "elem");
    if (!info)
        return NULL;
    if (info == Py_None)
        bind_raise(t->state, ERR_CONVERSION, "%s has no element type", type_name(t));
    struct type_object *elem = info == Py_None ? NULL : type_from_info(t->state, info);
    Py_DECREF(info);
    uint64_t bytes = 0;
    if (elem && t->kind == GCSIM_KIND_ARRAY &&
        (__builtin_mul_overflow(elem->bytes, t->count, &bytes) || bytes != t->bytes)) {
        bind_raise(t->state, ERR_TYPE_DEFINITION, "%s is not %llu elements of its element type",
                   type_name(t), (unsigned long long)t->count);
        Py_CLEAR(elem);
    }
    if (t->elem) { // another thread was faster
        Py_XDECREF(elem);
        return t->elem;
    }
    return t->elem = elem;
}

BIND const char *type_name(struct type_object *t)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    const char *text = NULL;
    if (!t->name)
        t->name = bind_attribute(t->info, "name");
    if (t->name)
        text = PyUnicode_AsUTF8(t->name);
    PyErr_Restore(type, value, traceback);
    return text ? text : "a type";
}

static int type_traverse(struct type_object *t, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(t));
    Py_VISIT(t->info);
    Py_VISIT(t->elem);
    Py_VISIT(t->keep_cls);
    return map_kind_visit(t->map, visit, arg);
}

static int type_clear(struct type_object *t)
{
    Py_CLEAR(t->elem);
    Py_CLEAR(t->keep_cls);
    struct map_kind *map = t->map;
    t->map = NULL;
    map_kind_free(map);
    return 0;
}

static void type_dealloc(struct type_object *t)
{
    PyTypeObject *tp = Py_TYPE(t);
    PyObject_GC_UnTrack(t);
    if (t->weakrefs)
        PyObject_ClearWeakRefs((PyObject *)t);
    type_clear(t);
    Py_CLEAR(t->info);
    Py_CLEAR(t->name);
    tp->tp_free(t);
    Py_DECREF(tp);
}

static PyObject *type_repr(struct type_object *t)
{
    return PyUnicode_FromFormat("<gcsim type %s>", type_name(t));
}

static PyMemberDef type_members[] = {
    {"info", T_OBJECT, offsetof(struct type_object, info), READONLY, "the TypeInfo"},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(struct type_object, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};
static PyType_Slot type_slots[] = {
    {Py_tp_traverse, type_traverse}, {Py_tp_clear, type_clear},     {Py_tp_dealloc, type_dealloc},
    {Py_tp_repr, type_repr},         {Py_tp_members, type_members}, {0, NULL},
};
static PyType_Spec type_spec = {
    .name = "gcsim._core.Type",
    .basicsize = sizeof(struct type_object),
    .slots = type_slots,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
};

// --- struct classes

static struct field_object *class_field(struct struct_class *cls, PyObject *name)
{
    for (Py_ssize_t i = 0; i < cls->field_count; i++)
        if (cls->fields[i]->name == name)
            return cls->fields[i];
    if (PyUnicode_Check(name) && !PyUnicode_CHECK_INTERNED(name))
        for (Py_ssize_t i = 0; i < cls->field_count; i++)
            if (!PyUnicode_Compare(cls->fields[i]->name, name))
                return cls->fields[i];
    return NULL;
}

struct binding {
    struct type_object *type;
    uint64_t offset;
};

// Type and offset of one field of `info`; type NULL when Go gives no access to the name.
static int field_look_up(struct struct_class *cls, struct type_object *outer, PyObject *name,
                         struct binding *out)
{
    if (outer->kind != GCSIM_KIND_STRUCT) { // a class for a lone value: its one field is the value
        *out = (struct binding){(struct type_object *)Py_NewRef(outer), 0};
        return 0;
    }
    PyObject *field = PyObject_CallMethod(outer->info, "field", "O", name);
    if (!field)
        return -1;
    *out = (struct binding){NULL, 0};
    PyObject *info = field == Py_None ? NULL : bind_attribute(field, "type");
    if (info && attribute_u64(field, "offset", &out->offset) == 0)
        out->type = type_from_info(class_state(cls), info);
    Py_XDECREF(info);
    bool hidden = field == Py_None;
    Py_DECREF(field);
    if (out->type && (out->offset > outer->bytes || out->type->bytes > outer->bytes - out->offset ||
                      out->offset % (out->type->align ? out->type->align : 1))) {
        bind_raise(class_state(cls), ERR_TYPE_DEFINITION, "field %R does not lie inside its struct",
                   name);
        Py_CLEAR(out->type);
    }
    return out->type || hidden ? 0 : -1;
}

static int class_bind_fields(struct struct_class *cls, struct type_object *type)
{
    Py_ssize_t n = cls->field_count, done = 0;
    struct binding *found = PyMem_Calloc((size_t)n + 1, sizeof *found);
    if (!found) {
        PyErr_NoMemory();
        return -1;
    }
    while (done < n && field_look_up(cls, type, cls->fields[done]->name, &found[done]) == 0)
        done++;
    bool ok = done == n && !cls->type; // else failed, or another thread was faster
    for (Py_ssize_t i = 0; i < done; i++) {
        struct field_object *f = cls->fields[i];
        if (ok) {
            f->type = found[i].type;
            f->offset = found[i].offset;
            f->kind = f->type ? f->type->kind : FIELD_HIDDEN;
        } else {
            Py_XDECREF(found[i].type);
        }
    }
    PyMem_Free(found);
    if (ok) {
        cls->type = (struct type_object *)Py_NewRef(type);
        cls->older = (struct struct_class *)type->cls;
        type->cls = (PyTypeObject *)cls;
    }
    return done == n ? 0 : -1;
}

static struct type_object *class_resolve(struct struct_class *cls)
{
    PyObject *info = PyObject_CallOneArg(cls->resolver, (PyObject *)cls);
    struct type_object *type = info ? type_from_info(class_state(cls), info) : NULL;
    Py_XDECREF(info);
    int failed = !type || class_bind_fields(cls, type) < 0;
    Py_XDECREF(type);
    return failed ? NULL : cls->type;
}

BIND struct type_object *class_type(struct struct_class *cls)
{
    if (BIND_LIKELY(cls->type != NULL))
        return cls->type;
    if (!cls->resolver)
        return bind_raise(class_state(cls), ERR_TYPE_DEFINITION,
                          "%s is no struct type: decorate the class with @gcsim.struct",
                          cls->base.ht_type.tp_name);
    return class_resolve(cls);
}

// Adds one field name to the class: its descriptor, in the class's dict and in the array (which has room).
static int class_add_field(struct struct_class *cls, PyObject *name)
{
    if (!PyUnicode_Check(name)) {
        bind_raise(class_state(cls), ERR_TYPE_DEFINITION, "%R is no name of a field", name);
        return -1;
    }
    Py_INCREF(name);
    PyUnicode_InternInPlace(&name);
    if (PyUnicode_CompareWithASCIIString(name, "_") == 0 || class_field(cls, name)) {
        Py_DECREF(name);
        return 0;
    }
    struct field_object *f = field_make(class_state(cls), (PyTypeObject *)cls, name);
    int result = f ? PyType_Type.tp_setattro((PyObject *)cls, name, (PyObject *)f) : -1;
    Py_DECREF(name);
    if (result < 0)
        Py_XDECREF(f);
    else
        cls->fields[cls->field_count++] = f;
    return result;
}

static int append_all(PyObject *list, PyObject *iterable)
{
    PyObject *items = PySequence_List(iterable);
    int result =
        items ? PyList_SetSlice(list, PyList_GET_SIZE(list), PyList_GET_SIZE(list), items) : -1;
    Py_XDECREF(items);
    return result;
}

// Names that an embedded struct class gives: itself, and what it has and embeds.
static int append_base(struct bind_state *state, PyObject *list, PyObject *base)
{
    if (!IS_STRUCT_CLASS(state, base)) {
        bind_raise(state, ERR_TYPE_DEFINITION, "base %R is no struct type", base);
        return -1;
    }
    struct struct_class *cls = (struct struct_class *)base;
    for (Py_ssize_t i = 0; i < cls->field_count; i++)
        if (PyList_Append(list, cls->fields[i]->name) < 0)
            return -1;
    return 0;
}

// The names of the fields that a declaration (gcsim._struct) leads to: own ones first, as Go's rule wants.
static PyObject *declared_names(struct bind_state *state, PyObject *declaration)
{
    PyObject *names = PyList_New(0), *own = bind_attribute(declaration, "annotations");
    PyObject *bases = own ? bind_attribute(declaration, "bases") : NULL;
    PyObject *list = bases ? PySequence_Fast(bases, "bases") : NULL;
    bool ok = names && list && append_all(names, own) == 0;
    for (Py_ssize_t i = 0; ok && i < PySequence_Fast_GET_SIZE(list); i++) {
        PyObject *name = bind_attribute(PySequence_Fast_GET_ITEM(list, i), "__name__");
        ok = name && PyList_Append(names, name) == 0 &&
             append_base(state, names, PySequence_Fast_GET_ITEM(list, i)) == 0;
        Py_XDECREF(name);
    }
    Py_XDECREF(own);
    Py_XDECREF(bases);
    Py_XDECREF(list);
    if (!ok)
        Py_CLEAR(names);
    return names;
}

static struct struct_class *class_make(struct bind_state *state, PyObject *name, PyTypeObject *base,
                                       PyObject *dict, PyObject *names)
{
    PyObject *slots = PyTuple_New(0);
    struct struct_class *cls = NULL;
    if (slots && PyDict_SetItemString(dict, "__slots__", slots) == 0)
        cls = (struct struct_class *)PyObject_CallFunction((PyObject *)state->struct_type, "O(O)O",
                                                           name, base, dict);
    Py_XDECREF(slots);
    if (!cls)
        return NULL;
    PyTypeObject *tp = &cls->base.ht_type;
    Py_ssize_t n = PyList_GET_SIZE(names);
    cls->fields = PyMem_Calloc((size_t)n + 1, sizeof(struct field_object *));
    bool ok = cls->fields || PyErr_NoMemory();
    if (base != state->ref_type)
        cls->base0 = (struct struct_class *)Py_NewRef(base);
    for (Py_ssize_t i = 0; ok && i < n; i++)
        ok = class_add_field(cls, PyList_GET_ITEM(names, i)) == 0;
    if (ok && (tp->tp_basicsize != sizeof(struct ref_object) || tp->tp_dictoffset ||
               tp->tp_weaklistoffset))
        ok = bind_raise(state, ERR_TYPE_DEFINITION,
                        "%U: a struct class has the layout of Ref and nothing more", name) != NULL;
    if (!ok) {
        Py_DECREF(cls);
        return NULL;
    }
    // CPython gives every class made by `class` its own collector and deallocator; a Ref needs neither, and has no GC header.
    tp->tp_dealloc = ref_dealloc;
    tp->tp_traverse = NULL;
    tp->tp_clear = NULL;
    tp->tp_free = PyObject_Free;
    tp->tp_flags = (tp->tp_flags & ~(unsigned long)Py_TPFLAGS_HAVE_GC) | Py_TPFLAGS_IMMUTABLETYPE;
    return cls;
}

static PyObject *class_namespace(PyObject *module, PyObject *qualname, PyObject *doc)
{
    return Py_BuildValue("{sOsOsO}", "__module__", module, "__qualname__", qualname, "__doc__",
                         doc);
}

// make_struct_class(name, module, qualname, doc, base, declaration) -> class. `declaration` is called with the class at first use and
// returns its TypeInfo; its `annotations` (names of the fields) and `bases` (struct classes to embed) are read now.
static PyObject *bind_make_struct_class(PyObject *module, PyObject *args)
{
    struct bind_state *state = PyModule_GetState(module);
    PyObject *name, *in_module, *qualname, *doc, *declaration;
    PyTypeObject *base;
    if (!PyArg_ParseTuple(args, "UOUOO!O:make_struct_class", &name, &in_module, &qualname, &doc,
                          &PyType_Type, &base, &declaration))
        return NULL;
    if (base != state->ref_type &&
        !(IS_STRUCT_CLASS(state, base) && ((struct struct_class *)base)->resolver))
        return bind_raise(state, ERR_TYPE_DEFINITION,
                          "%s is no struct type, and only those can be embedded", base->tp_name);
    if (!PyCallable_Check(declaration))
        return bind_raise(state, ERR_TYPE_DEFINITION, "%R cannot be called for a TypeInfo",
                          declaration);
    PyObject *names = declared_names(state, declaration);
    PyObject *dict = names ? class_namespace(in_module, qualname, doc) : NULL;
    struct struct_class *cls = dict ? class_make(state, name, base, dict, names) : NULL;
    if (cls)
        cls->resolver = Py_NewRef(declaration);
    Py_XDECREF(names);
    Py_XDECREF(dict);
    return (PyObject *)cls;
}

// The field names of a type without a class: a struct's own and promoted ones, or `value`.
static PyObject *type_field_names(struct type_object *t)
{
    if (t->kind != GCSIM_KIND_STRUCT)
        return Py_BuildValue("[s]", "value");
    PyObject *names = PyList_New(0);
    bool ok = names != NULL;
    for (int k = 0; ok && k < 2; k++) {
        PyObject *fields = bind_attribute(t->info, k ? "promoted" : "fields");
        PyObject *list = fields ? PySequence_Fast(fields, "fields") : NULL;
        ok = list != NULL;
        for (Py_ssize_t i = 0; ok && i < PySequence_Fast_GET_SIZE(list); i++) {
            PyObject *name = bind_attribute(PySequence_Fast_GET_ITEM(list, i), "name");
            ok = name && PyList_Append(names, name) == 0;
            Py_XDECREF(name);
        }
        Py_XDECREF(list);
        Py_XDECREF(fields);
    }
    if (!ok)
        Py_CLEAR(names);
    return names;
}

static PyTypeObject *type_make_class(struct type_object *t)
{
    PyObject *name = PyUnicode_FromString(type_name(t)), *module = PyUnicode_FromString("gcsim");
    PyObject *doc = PyUnicode_FromFormat("A reference to a value of Go's type %s.", type_name(t));
    PyObject *names = name && module && doc ? type_field_names(t) : NULL;
    PyObject *dict = names ? class_namespace(module, name, doc) : NULL;
    struct struct_class *cls =
        dict ? class_make(t->state, name, t->state->ref_type, dict, names) : NULL;
    Py_XDECREF(name);
    Py_XDECREF(module);
    Py_XDECREF(doc);
    Py_XDECREF(names);
    Py_XDECREF(dict);
    if (!cls || class_bind_fields(cls, t) < 0) {
        Py_XDECREF(cls);
        return NULL;
    }
    Py_XSETREF(t->keep_cls, Py_NewRef(cls));
    return (PyTypeObject *)cls;
}

BIND PyTypeObject *type_class(struct type_object *t)
{
    if (BIND_LIKELY(t->cls != NULL))
        return (PyTypeObject *)Py_NewRef(t->cls);
    if (t->kind == GCSIM_KIND_STRUCT) { // declared, but never used itself: it is resolved now
        PyObject *cls = bind_attribute(t->info, "cls");
        if (!cls)
            return NULL;
        if (IS_STRUCT_CLASS(t->state, cls) && class_type((struct struct_class *)cls) == t)
            return (PyTypeObject *)cls;
        Py_DECREF(cls);
        if (PyErr_Occurred())
            return NULL;
    }
    return type_make_class(t);
}

// The class stands for its type no more; the newest of the others does, if there is one.
static void class_forget(struct struct_class *cls)
{
    if (!cls->type)
        return;
    struct struct_class *newer = (struct struct_class *)cls->type->cls;
    while (newer && newer != cls && newer->older != cls)
        newer = newer->older;
    if (newer == cls)
        cls->type->cls = (PyTypeObject *)cls->older;
    else if (newer)
        newer->older = cls->older;
}

static int struct_class_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct struct_class *cls = (struct struct_class *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(cls->type);
    Py_VISIT(cls->resolver);
    Py_VISIT(cls->base0);
    for (Py_ssize_t i = 0; i < cls->field_count; i++)
        Py_VISIT(cls->fields[i]);
    return PyType_Type.tp_traverse(self, visit, arg);
}

static void class_drop_fields(struct struct_class *cls)
{
    Py_ssize_t n = cls->field_count;
    cls->field_count = 0;
    for (Py_ssize_t i = n; i-- > 0;)
        Py_DECREF(cls->fields[i]);
}

// Python's collector calls this only when no Ref of the class is left: a Ref counts as a reference from outside.
static int struct_class_clear(PyObject *self)
{
    struct struct_class *cls = (struct struct_class *)self;
    class_forget(cls);
    Py_CLEAR(cls->resolver);
    class_drop_fields(cls);
    return PyType_Type.tp_clear(self);
}

static void struct_class_dealloc(PyObject *self)
{
    struct struct_class *cls = (struct struct_class *)self;
    PyTypeObject *meta = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    class_forget(cls);
    Py_CLEAR(cls->resolver);
    class_drop_fields(cls);
    PyMem_Free(cls->fields);
    Py_CLEAR(cls->type);
    Py_CLEAR(cls->base0);
    PyObject_GC_Track(self); // as type's own dealloc expects
    PyType_Type.tp_dealloc(self);
    Py_DECREF(meta);
}

static bool is_dunder(PyObject *name)
{
    const char *text = PyUnicode_AsUTF8(name);
    size_t n = text ? strlen(text) : 0;
    PyErr_Clear();
    return n > 4 && !strncmp(text, "__", 2) && !strcmp(text + n - 2, "__");
}

// Methods and class variables may be set; fields, bases and, once objects may exist, special methods may not.
static int struct_class_setattro(PyObject *self, PyObject *name, PyObject *value)
{
    struct struct_class *cls = (struct struct_class *)self;
    PyTypeObject *tp = &cls->base.ht_type;
    if (!(tp->tp_flags & Py_TPFLAGS_IMMUTABLETYPE) || !PyUnicode_Check(name))
        return PyType_Type.tp_setattro(self, name, value);
    if (class_field(cls, name) ||
        (is_dunder(name) &&
         (cls->type || PyUnicode_CompareWithASCIIString(name, "__bases__") == 0))) {
        bind_raise(class_state(cls), ERR_TYPE_DEFINITION,
                   "%s.%U cannot be %s: a struct type does not change", tp->tp_name, name,
                   value ? "set" : "deleted");
        return -1;
    }
    // What was there must not die, and run code, while the class is open.
    PyObject *dict = bind_attribute(self, "__dict__");
    PyObject *old = dict ? PyObject_GetItem(dict, name) : NULL;
    Py_XDECREF(dict);
    PyErr_Clear();
    tp->tp_flags &= ~(unsigned long)Py_TPFLAGS_IMMUTABLETYPE;
    int result = PyType_Type.tp_setattro(self, name, value);
    tp->tp_flags |= Py_TPFLAGS_IMMUTABLETYPE;
    Py_XDECREF(old);
    return result;
}

// A class statement with struct types as bases makes a StructType too: a raw one, for the decorator to read.
static PyObject *struct_class_call(PyObject *self, PyObject *Py_UNUSED(args),
                                   PyObject *Py_UNUSED(kwargs))
{
    struct struct_class *cls = (struct struct_class *)self;
    const char *name = cls->base.ht_type.tp_name;
    return bind_raise(class_state(cls), ERR_CONVERSION,
                      "%s objects live on a gcsim heap: make one with heap.new(%s, ...)", name,
                      name);
}

static PyObject *struct_class_fields(PyObject *self, void *Py_UNUSED(closure))
{
    struct struct_class *cls = (struct struct_class *)self;
    PyObject *names = PyTuple_New(cls->field_count);
    for (Py_ssize_t i = 0; names && i < cls->field_count; i++)
        PyTuple_SET_ITEM(names, i, Py_NewRef(cls->fields[i]->name));
    return names;
}

static PyGetSetDef struct_class_getset[] = {
    {"__gcsim_fields__", struct_class_fields, NULL,
     "names of the fields, own ones first, then embedded structs and what they promote", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot struct_class_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("The type of struct classes (see gcsim.struct).")},
    {Py_tp_traverse, struct_class_traverse},
    {Py_tp_clear, struct_class_clear},
    {Py_tp_dealloc, struct_class_dealloc},
    {Py_tp_setattro, struct_class_setattro},
    {Py_tp_call, struct_class_call},
    {Py_tp_getset, struct_class_getset},
    {0, NULL},
};
static PyType_Spec struct_class_spec = {
    .name = "gcsim._core.StructType",
    .basicsize = sizeof(struct struct_class),
    .slots = struct_class_slots,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
};

// --- Field: the descriptor of one field

static struct field_object *field_make(struct bind_state *state, PyTypeObject *owner,
                                       PyObject *name)
{
    struct field_object *f =
        (struct field_object *)state->field_type->tp_alloc(state->field_type, 0);
    if (!f)
        return NULL;
    f->owner = (PyTypeObject *)Py_NewRef(owner);
    f->name = Py_NewRef(name);
    f->kind = FIELD_UNBOUND;
    return f;
}

static struct bind_state *field_state(struct field_object *f)
{
    return class_state((struct struct_class *)f->owner);
}

static const char *class_name(PyTypeObject *tp)
{
    const char *dot = strrchr(tp->tp_name, '.');
    return dot ? dot + 1 : tp->tp_name;
}

// Has the instance the field at the field's offset? Its class is the owner, or embeds the owner first (and so on).
static bool field_fits(struct field_object *f, PyObject *instance)
{
    PyTypeObject *tp = Py_TYPE(instance);
    if (BIND_LIKELY(tp == f->owner))
        return true;
    struct bind_state *state = field_state(f);
    if (!IS_STRUCT_CLASS(state, tp))
        return false;
    for (struct struct_class *c = (struct struct_class *)tp; c; c = c->base0)
        if (&c->base.ht_type == f->owner)
            return true;
    return false;
}

BIND_COLD int field_prepare(struct field_object *f, PyObject *instance)
{
    struct bind_state *state = field_state(f);
    if (!field_fits(f, instance)) {
        bind_raise(state, ERR_CONVERSION, "%s.%U is a field of %s, not of %s", class_name(f->owner),
                   f->name, class_name(f->owner), class_name(Py_TYPE(instance)));
        return -1;
    }
    if (f->kind == FIELD_UNBOUND && !class_type((struct struct_class *)f->owner))
        return -1;
    if (f->kind == FIELD_HIDDEN) {
        bind_raise(state, ERR_FIELD,
                   f->type
                       ? "%s.%U is the runtime's own"
                       : "%s.%U is ambiguous: several embedded structs have a field of this name",
                   class_name(f->owner), f->name);
        return -1;
    }
    return 0;
}

// Says which field an error of a value is about: same class, longer words.
BIND_COLD void field_blame(struct field_object *f)
{
    struct bind_state *state = field_state(f);
    if (!PyErr_ExceptionMatches(state->errors[ERR_RANGE]) &&
        !PyErr_ExceptionMatches(state->errors[ERR_CONVERSION]) &&
        !PyErr_ExceptionMatches(state->errors[ERR_NOT_THERE]))
        return;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    PyErr_Format(type, "%s.%U: %S", class_name(f->owner), f->name, value);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
}

static inline PyObject *field_load(struct field_object *f, struct ref_object *ref)
{
    if (heap_check_open(ref->heap) < 0 || heap_check_lost(ref->heap, ref->address) < 0)
        return NULL;
    char *at = ref->address + f->offset;
    switch (f->kind) {
    case GCSIM_KIND_INT64:
        return PyLong_FromLongLong(GCSIM_LOAD((int64_t *)(void *)at));
    case GCSIM_KIND_POINTER: {
        struct type_object *elem = f->type->elem;
        if (BIND_LIKELY(elem && elem->cls))
            return ref_load(ref->heap, elem->cls, (void **)(void *)at);
    } // fall through
    default:
        return value_get(ref->heap, f->type, at);
    }
}

static PyObject *field_get(PyObject *self, PyObject *instance, PyObject *Py_UNUSED(owner))
{
    struct field_object *f = (struct field_object *)self;
    if (!instance)
        return Py_NewRef(self);
    if (BIND_UNLIKELY(Py_TYPE(instance) != f->owner || f->kind >= FIELD_HIDDEN) &&
        field_prepare(f, instance) < 0)
        return NULL;
    return field_load(f, (struct ref_object *)instance);
}

// Writes a field of an object that is the field's own.
static inline int field_store(struct field_object *f, struct ref_object *ref, PyObject *value)
{
    char *at = ref->address + f->offset;
    if (f->kind == GCSIM_KIND_INT64 && PyLong_Check(value) && heap_is_own(ref->heap)) {
        int overflow;
        int64_t n = PyLong_AsLongLongAndOverflow(value, &overflow); // of an int: runs no Python
        if (BIND_LIKELY(!overflow)) {
            GCSIM_STORE((int64_t *)(void *)at, n);
            return 0;
        }
    } else if (f->kind == GCSIM_KIND_POINTER && heap_is_own(ref->heap)) {
        struct type_object *elem = f->type->elem;
        void *p;
        if (BIND_LIKELY(elem && ref_address_at_once(ref->heap, elem, value, &p))) {
            gcsim_mutator *m = heap_enter(ref->heap);
            if (BIND_UNLIKELY(!m))
                return -1;
            gcsim_store(m, at, p);
            heap_leave(ref->heap, m);
            return 0;
        }
    }
    if (ref->heap->heap && heap_check_lost(ref->heap, ref->address) < 0)
        return -1;
    if (value_set(ref->heap, f->type, at, value) == 0)
        return 0;
    field_blame(f);
    return -1;
}

static int field_set(PyObject *self, PyObject *instance, PyObject *value)
{
    struct field_object *f = (struct field_object *)self;
    if (BIND_UNLIKELY(Py_TYPE(instance) != f->owner || f->kind >= FIELD_HIDDEN) &&
        field_prepare(f, instance) < 0)
        return -1;
    if (BIND_UNLIKELY(!value)) {
        bind_raise(field_state(f), ERR_FIELD,
                   "%s.%U cannot be deleted: the fields of a struct are fixed",
                   class_name(f->owner), f->name);
        return -1;
    }
    return field_store(f, (struct ref_object *)instance, value);
}

static int field_traverse(struct field_object *f, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(f));
    Py_VISIT(f->owner);
    Py_VISIT(f->type);
    return 0;
}

static void field_dealloc(struct field_object *f)
{
    PyTypeObject *tp = Py_TYPE(f);
    PyObject_GC_UnTrack(f);
    Py_CLEAR(f->type);
    Py_CLEAR(f->name);
    Py_CLEAR(f->owner);
    tp->tp_free(f);
    Py_DECREF(tp);
}

static PyObject *field_repr(struct field_object *f)
{
    if (f->kind >= FIELD_HIDDEN)
        return PyUnicode_FromFormat("<field %s.%U>", class_name(f->owner), f->name);
    return PyUnicode_FromFormat("<field %s.%U: %s at %llu>", class_name(f->owner), f->name,
                                type_name(f->type), (unsigned long long)f->offset);
}

static PyMemberDef field_members[] = {
    {"__name__", T_OBJECT, offsetof(struct field_object, name), READONLY, NULL},
    {"__objclass__", T_OBJECT, offsetof(struct field_object, owner), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};
static PyType_Slot field_slots[] = {
    {Py_tp_doc,
     (void *)PyDoc_STR("A field of a struct class: reads and writes with Go's exact types.")},
    {Py_tp_descr_get, field_get},
    {Py_tp_descr_set, field_set},
    {Py_tp_traverse, field_traverse},
    {Py_tp_dealloc, field_dealloc},
    {Py_tp_repr, field_repr},
    {Py_tp_members, field_members},
    {0, NULL},
};
static PyType_Spec field_spec = {
    .name = "gcsim._core.Field",
    .basicsize = sizeof(struct field_object),
    .slots = field_slots,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
};

static int types_init(PyObject *module, struct bind_state *state)
{
    PyObject *weakref = PyImport_ImportModule("weakref");
    state->type_objects =
        weakref ? PyObject_CallMethod(weakref, "WeakValueDictionary", NULL) : NULL;
    Py_XDECREF(weakref);
    if (!state->type_objects)
        return -1;
    return (state->type_type =
                (PyTypeObject *)PyType_FromModuleAndSpec(module, &type_spec, NULL)) &&
                   (state->struct_type = (PyTypeObject *)PyType_FromModuleAndSpec(
                        module, &struct_class_spec, (PyObject *)&PyType_Type)) &&
                   (state->field_type =
                        (PyTypeObject *)PyType_FromModuleAndSpec(module, &field_spec, NULL)) &&
                   PyModule_AddType(module, state->struct_type) == 0 &&
                   PyModule_AddType(module, state->field_type) == 0 &&
                   PyModule_AddType(module, state->type_type) == 0
               ? 0
               : -1;
}
