// load_graph: rebuilds a recorded object graph in a heap, object by object.
//
// A recording knows of each object its slot size and where its pointers lie. Objects that agree in
// both share a type, made here: its size is the request that gets this very slot. So the plan is
// made first (everything is checked, nothing is in the heap yet), then all objects are made and
// linked by the core's bulk calls. What results, a LoadedGraph, numbers the objects as the recording
// does. It is a weak list: it keeps no object alive once `weaken` was called, and it does not keep
// the heap either, so every method takes the heap. gcsim/_dump.py is its only user.
#include "bind/bind.h"

enum { LOAD_PIECE = 1 << 18, LOAD_POLL_EVERY = 1 << 16 };
enum { LOAD_HEADER_ABOVE = 512, LOAD_HEADER_BYTES = 8, LOAD_LAST_CLASS = 32768 };

// --- the plan

struct load_type { // of all objects with this size and these pointers
    uint64_t hash, bytes, ptr_bytes;
    uint64_t mask; // index into load_plan.masks
    uint32_t first;
    uint32_t slot_bytes;
};

struct load_plan {
    uint64_t objects, edges, slots;
    const uint32_t *size, *nslots, *ptrend, *edge_count, *edge_off, *edge_dst_off;
    const int32_t *edge_dst;
    const uint32_t *slot_off; // NULL: only the slots that hold a pointer are known

    uint32_t *type_of;
    struct load_type *types;
    uint64_t ntypes, types_room;
    uint32_t *table; // numbers of types + 1, by hash
    uint64_t table_room;
    uint64_t *masks;
    uint64_t masks_used, masks_room;

    char error[200]; // what is wrong with the recording
    bool unsupported;
    bool stopped;   // the poll wants to end this
    bool no_memory; // of C, not of the heap
};

__attribute__((format(printf, 2, 3))) static bool load_refuse(struct load_plan *p, const char *text,
                                                              ...)
{
    va_list args;
    va_start(args, text);
    vsnprintf(p->error, sizeof p->error, text, args);
    va_end(args);
    return false;
}

static bool load_grow(struct load_plan *p, void *array, uint64_t *room, uint64_t need, size_t each)
{
    if (need <= *room)
        return true;
    uint64_t to = need > *room * 2 ? need : *room * 2;
    void *grown = realloc(*(void **)array, to * each);
    if (!grown) {
        p->no_memory = true;
        return false;
    }
    *(void **)array = grown;
    *room = to;
    return true;
}

static bool load_rehash(struct load_plan *p)
{
    uint64_t room = p->table_room ? p->table_room * 2 : 1024;
    uint32_t *table = calloc(room, sizeof *table);
    if (!table) {
        p->no_memory = true;
        return false;
    }
    for (uint64_t t = 0; t < p->ntypes; t++) {
        uint64_t at = p->types[t].hash & (room - 1);
        while (table[at])
            at = (at + 1) & (room - 1);
        table[at] = (uint32_t)t + 1;
    }
    free(p->table);
    p->table = table;
    p->table_room = room;
    return true;
}

static uint64_t load_hash(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

// The type with this size and the mask that lies behind the last one in `masks`.
static bool load_intern(struct load_plan *p, uint64_t object, uint64_t bytes, uint64_t ptr_bytes)
{
    uint64_t words = (ptr_bytes + 511) / 512, hash = load_hash(load_hash(0, bytes), ptr_bytes);
    const uint64_t *mask = p->masks + p->masks_used;
    for (uint64_t w = 0; w < words; w++)
        hash = load_hash(hash, mask[w]);
    if ((p->ntypes + 1) * 2 > p->table_room && !load_rehash(p))
        return false;
    uint64_t at = hash & (p->table_room - 1);
    for (; p->table[at]; at = (at + 1) & (p->table_room - 1)) {
        const struct load_type *t = &p->types[p->table[at] - 1];
        if (t->hash == hash && t->bytes == bytes && t->ptr_bytes == ptr_bytes &&
            (!words || !memcmp(p->masks + t->mask, mask, words * sizeof *mask))) {
            p->type_of[object] = p->table[at] - 1;
            return true;
        }
    }
    if (!load_grow(p, &p->types, &p->types_room, p->ntypes + 1, sizeof *p->types))
        return false;
    p->types[p->ntypes] = (struct load_type){.hash = hash,
                                             .bytes = bytes,
                                             .ptr_bytes = ptr_bytes,
                                             .mask = p->masks_used,
                                             .first = (uint32_t)object,
                                             .slot_bytes = p->size[object]};
    p->masks_used += words;
    p->type_of[object] = (uint32_t)p->ntypes++;
    p->table[at] = (uint32_t)p->ntypes;
    return true;
}

struct load_object { // where one object's entries begin in the columns
    uint64_t number, edge, slot;
};

static bool load_check_object(struct load_plan *p, const struct load_object *o)
{
    uint64_t i = o->number, size = p->size[i], nslots = p->nslots[i], end = p->ptrend[i];
    uint64_t edges = p->edge_count[i];
    if (size == 0 || size % 8 != 0)
        return load_refuse(p, "object %llu: a slot of %llu bytes", (unsigned long long)i,
                           (unsigned long long)size);
    if (end % 8 != 0 || end > size || nslots > end / 8 || !nslots != !end)
        return load_refuse(p, "object %llu: %llu pointer slots up to byte %llu of %llu",
                           (unsigned long long)i, (unsigned long long)nslots,
                           (unsigned long long)end, (unsigned long long)size);
    if (edges > nslots || edges > p->edges - o->edge ||
        (p->slot_off && nslots > p->slots - o->slot))
        return load_refuse(p, "object %llu: more pointers than recorded", (unsigned long long)i);
    for (uint64_t e = o->edge; e < o->edge + edges; e++) {
        uint32_t off = p->edge_off[e];
        int32_t to = p->edge_dst[e];
        if (off % 8 != 0 || off >= end || (e > o->edge && off <= p->edge_off[e - 1]))
            return load_refuse(p, "object %llu: a pointer at byte %u, outside its pointer slots",
                               (unsigned long long)i, off);
        if (to < 0 || (uint64_t)to >= p->objects || p->edge_dst_off[e] >= p->size[to])
            return load_refuse(p, "object %llu: a pointer to byte %u of object %d",
                               (unsigned long long)i, p->edge_dst_off[e], to);
    }
    return true;
}

// Does Go's 8-byte type word precede the object in its slot? A slot of 32768 bytes can be of the
// last size class, with the word, or of a large object, without it: only the pointers can tell.
static bool load_has_header(const struct load_plan *p, const struct load_object *o)
{
    uint64_t i = o->number, size = p->size[i];
    if (p->nslots[i] == 0 || size <= LOAD_HEADER_ABOVE || size > LOAD_LAST_CLASS)
        return false;
    if (size < LOAD_LAST_CLASS)
        return true;
    bool first_word =
        p->slot_off ? p->slot_off[o->slot] == 0 : p->edge_count[i] > 0 && p->edge_off[o->edge] == 0;
    return !first_word && p->nslots[i] < p->ptrend[i] / 8;
}

static bool load_mask_set(uint64_t *mask, uint64_t word)
{
    uint64_t bit = (uint64_t)1 << word % 64;
    bool was = mask[word / 64] & bit;
    mask[word / 64] |= bit;
    return was;
}

// The slots as recorded: ascending, the last one ends at ptrend, all edges among them.
static bool load_mask_recorded(struct load_plan *p, const struct load_object *o, uint64_t *mask,
                               uint64_t skip)
{
    uint64_t i = o->number, nslots = p->nslots[i], edge = o->edge, edges = edge + p->edge_count[i];
    for (uint64_t s = o->slot; s < o->slot + nslots; s++) {
        uint32_t off = p->slot_off[s];
        if (off % 8 != 0 || off >= p->ptrend[i] || (s > o->slot && off <= p->slot_off[s - 1]))
            return load_refuse(p, "object %llu: a pointer slot at byte %u", (unsigned long long)i,
                               off);
        load_mask_set(mask, off / 8 - skip);
        edge += edge < edges && p->edge_off[edge] == off;
    }
    if (edge != edges || p->slot_off[o->slot + nslots - 1] + 8 != p->ptrend[i])
        return load_refuse(p, "object %llu: the pointer slots are not those of its pointers",
                           (unsigned long long)i);
    return true;
}

// Slots from the edges alone: the nil ones go to the lowest free words, the last one ends at ptrend.
static bool load_mask_filled(struct load_plan *p, const struct load_object *o, uint64_t *mask,
                             uint64_t skip)
{
    uint64_t i = o->number, words = p->ptrend[i] / 8 - skip;
    uint64_t missing = p->nslots[i] - p->edge_count[i];
    for (uint64_t e = o->edge; e < o->edge + p->edge_count[i]; e++)
        load_mask_set(mask, p->edge_off[e] / 8 - skip);
    if (!load_mask_set(mask, words - 1) && missing-- == 0)
        return load_refuse(p, "object %llu: no pointer slot ends at byte %u", (unsigned long long)i,
                           p->ptrend[i]);
    for (uint64_t w = 0; w < words && missing > 0; w++)
        missing -= !load_mask_set(mask, w);
    if (missing > 0)
        return load_refuse(p, "object %llu: no room for its %u pointer slots",
                           (unsigned long long)i, p->nslots[i]);
    return true;
}

static bool load_plan_object(struct load_plan *p, const struct load_object *o)
{
    uint64_t i = o->number;
    if (!load_check_object(p, o))
        return false;
    if (p->nslots[i] == 0)
        return load_intern(p, i, p->size[i], 0);
    uint64_t header = load_has_header(p, o) ? LOAD_HEADER_BYTES : 0;
    uint64_t ptr_bytes = p->ptrend[i] - header, words = (ptr_bytes + 511) / 512;
    if (header && (p->ptrend[i] == 8 || (p->edge_count[i] && p->edge_off[o->edge] == 0) ||
                   (p->slot_off && p->slot_off[o->slot] == 0))) {
        p->unsupported = true;
        return load_refuse(p,
                           "object %llu of %u bytes has a pointer where Go 1.22 and later keep its "
                           "type: heaps of older versions cannot be rebuilt with the same slots",
                           (unsigned long long)i, p->size[i]);
    }
    if (!load_grow(p, &p->masks, &p->masks_room, p->masks_used + words, sizeof *p->masks))
        return false;
    uint64_t *mask = p->masks + p->masks_used;
    memset(mask, 0, words * sizeof *mask);
    bool ok = p->slot_off ? load_mask_recorded(p, o, mask, header / 8)
                          : load_mask_filled(p, o, mask, header / 8);
    return ok && load_intern(p, i, p->size[i] - header, ptr_bytes);
}

// Types of all objects. False: error, stopped or no_memory tells why. Without the GIL.
static bool load_plan_make(struct load_plan *p, struct heap_object *h)
{
    p->type_of = malloc((p->objects + 1) * sizeof *p->type_of);
    if (!p->type_of) {
        p->no_memory = true;
        return false;
    }
    struct load_object o = {0};
    for (; o.number < p->objects; o.number++) {
        if (!load_plan_object(p, &o))
            return false;
        o.edge += p->edge_count[o.number];
        o.slot += p->nslots[o.number];
        if (o.number % LOAD_POLL_EVERY == LOAD_POLL_EVERY - 1 && heap_poll(h)) {
            p->stopped = true;
            return false;
        }
    }
    if (o.edge != p->edges || (p->slot_off && o.slot != p->slots))
        return load_refuse(p, "%llu pointers recorded, %llu counted", (unsigned long long)p->edges,
                           (unsigned long long)o.edge);
    return true;
}

static void load_plan_free(struct load_plan *p)
{
    free(p->type_of);
    free(p->types);
    free(p->table);
    free(p->masks);
}

// --- building

// The heap's types, by the plan's numbers. NULL: status, error or no_memory tells why.
static const gcsim_type **load_types(struct load_plan *p, struct heap_object *h,
                                     gcsim_status *status)
{
    const gcsim_type **types = malloc((p->ntypes + 1) * sizeof(*types));
    if (!types) {
        p->no_memory = true;
        return NULL;
    }
    for (uint64_t t = 0; t < p->ntypes; t++) {
        const struct load_type *plan = &p->types[t];
        char name[48];
        snprintf(name, sizeof name, "Go object of %u B", plan->slot_bytes);
        gcsim_type_desc desc = {.name = name,
                                .bytes = plan->bytes,
                                .ptr_bytes = plan->ptr_bytes,
                                .mask = p->masks + plan->mask,
                                .align = 8,
                                .kind = GCSIM_KIND_STRUCT};
        types[t] = h->api->type_new(h->heap, &desc, status);
        bool fits = types[t] && types[t]->slot_bytes == plan->slot_bytes;
        if (types[t] && !fits)
            load_refuse(p, "object %u: %u bytes %s pointers is no slot that Go 1.26 has",
                        plan->first, plan->slot_bytes, plan->ptr_bytes ? "with" : "without");
        if (!fits) {
            free(types);
            return NULL;
        }
    }
    return types;
}

struct loaded_graph {
    PyObject_HEAD uint64_t heap_serial;
    gcsim_batch *batch; // the heap's, gone with it
    uint64_t objects;
    uint32_t *type_of;
    const gcsim_type **types; // the heap's, gone with it
    uint64_t ntypes;
};

// All objects, strong, not linked. Without the GIL.
static gcsim_status load_build(struct load_plan *p, struct loaded_graph *g, struct heap_object *h,
                               gcsim_mutator *m)
{
    gcsim_status status = GCSIM_OK;
    if (!load_plan_make(p, h) || !(g->types = load_types(p, h, &status)))
        return status;
    g->ntypes = p->ntypes;
    g->type_of = p->type_of;
    p->type_of = NULL;
    const gcsim_type *none = NULL;
    gcsim_build what = {.count = p->objects,
                        .types = p->ntypes ? g->types : &none,
                        .ntypes = p->ntypes ? p->ntypes : 1,
                        .type_of = g->type_of,
                        .type_of_bytes = 4};
    g->batch = h->api->build(m, &what);
    return g->batch ? GCSIM_OK : m->status;
}

// The edges [from, to). `source` has room for them; *object and *left say whose the next edge is.
static gcsim_status load_link(const struct load_plan *p, struct loaded_graph *g,
                              struct heap_object *h, gcsim_mutator *m, uint32_t *source,
                              uint64_t from, uint64_t to, uint64_t *object, uint32_t *left)
{
    for (uint64_t e = from; e < to; e++) {
        while (*left == 0)
            *left = p->edge_count[++*object];
        source[e - from] = (uint32_t)*object;
        --*left;
    }
    gcsim_edges edges = {.count = to - from,
                         .source = source,
                         .source_offset = p->edge_off + from,
                         .target = p->edge_dst + from,
                         .target_offset = p->edge_dst_off + from};
    return h->api->link_edges(m, g->batch, &edges);
}

// Raises for what load_build or a piece of linking came back with. True if it did.
static bool load_failed(struct load_plan *p, struct slow_call *call, gcsim_status status)
{
    if (p->stopped && status == GCSIM_OK)
        status = GCSIM_INTERRUPTED;
    if (slow_failed(call, status, "the objects of a recording"))
        return true;
    if (p->no_memory) {
        bind_raise(call->heap->state, ERR_MEMORY, "no memory left to plan %llu objects",
                   (unsigned long long)p->objects);
        return true;
    }
    if (!p->error[0])
        return false;
    PyObject *errors = PyImport_ImportModule("gcsim._errors");
    PyObject *type =
        errors ? bind_attribute(errors, p->unsupported ? "UnsupportedDumpError" : "DumpFormatError")
               : NULL;
    if (type)
        PyErr_SetString(type, p->error);
    Py_XDECREF(type);
    Py_XDECREF(errors);
    return true;
}

static int load_link_all(struct load_plan *p, struct loaded_graph *g, struct heap_object *h,
                         struct progress *progress)
{
    struct slow_call call;
    uint64_t object = 0;
    uint32_t left = p->objects ? p->edge_count[0] : 0;
    uint32_t *source = PyMem_RawMalloc(LOAD_PIECE * sizeof *source);
    if (!source) {
        PyErr_NoMemory();
        return -1;
    }
    int result = 0;
    for (uint64_t from = 0; from < p->edges && result == 0; from += LOAD_PIECE) {
        uint64_t to = p->edges - from > LOAD_PIECE ? from + LOAD_PIECE : p->edges;
        if (slow_begin(h, &call, "link objects") < 0) {
            result = -1;
            break;
        }
        gcsim_status status = load_link(p, g, h, call.m, source, from, to, &object, &left);
        slow_end(&call);
        if (load_failed(p, &call, status) || PyErr_CheckSignals() < 0 ||
            progress_tell(progress, to - from) < 0)
            result = -1;
    }
    PyMem_RawFree(source);
    return result;
}

static void load_drop_batch(const gcsim_api *api, gcsim_mutator *m, void *batch)
{
    api->batch_drop(m, batch);
}

static int load_run(struct load_plan *p, struct loaded_graph *g, struct heap_object *h,
                    struct progress *progress)
{
    struct slow_call call;
    uint32_t site;
    if (profile_site(h, NULL, 0, &site) < 0 || slow_begin(h, &call, "build objects") < 0)
        return -1;
    call.m->site = site;
    gcsim_status status = load_build(p, g, h, call.m);
    call.m->site = 0;
    slow_end(&call);
    if (!load_failed(p, &call, status) && progress_tell(progress, p->objects) == 0 &&
        load_link_all(p, g, h, progress) == 0)
        return 0;
    if (g->batch && h->heap)
        heap_drop(h, load_drop_batch, g->batch);
    g->batch = NULL;
    return -1;
}

// One column: `bytes`, so that nobody changes it meanwhile. 0, or -1 with ConversionError.
static int load_column(struct bind_state *state, PyObject *o, const char *name, const void **items,
                       uint64_t *count)
{
    if (!PyBytes_Check(o) || PyBytes_GET_SIZE(o) % 4 != 0) {
        bind_raise(state, ERR_CONVERSION, "%s: bytes of 32-bit numbers are needed, not %s", name,
                   Py_TYPE(o)->tp_name);
        return -1;
    }
    uint64_t n = (uint64_t)PyBytes_GET_SIZE(o) / 4;
    if (*count == UINT64_MAX)
        *count = n;
    if (n != *count || n > INT32_MAX) {
        bind_raise(state, ERR_RANGE, "%s: %llu numbers, not %llu", name, (unsigned long long)n,
                   (unsigned long long)*count);
        return -1;
    }
    *items = PyBytes_AS_STRING(o);
    return 0;
}

static int load_columns(struct bind_state *state, struct load_plan *p, PyObject *const *args)
{
    p->objects = p->edges = p->slots = UINT64_MAX;
    const struct {
        const char *name;
        const void *items;
        uint64_t *count;
    } columns[] = {
        {"obj_size", &p->size, &p->objects},           {"obj_nslots", &p->nslots, &p->objects},
        {"obj_ptrend", &p->ptrend, &p->objects},       {"edge_count", &p->edge_count, &p->objects},
        {"edge_off", &p->edge_off, &p->edges},         {"edge_dst", &p->edge_dst, &p->edges},
        {"edge_dst_off", &p->edge_dst_off, &p->edges}, {"slot_off", &p->slot_off, &p->slots},
    };
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        if (args[i] != Py_None || columns[i].count != &p->slots)
            if (load_column(state, args[i], columns[i].name, (const void **)columns[i].items,
                            columns[i].count) < 0)
                return -1;
    return 0;
}

static PyTypeObject *loaded_graph_type(PyObject *module);

// load_graph(heap, obj_size, obj_nslots, obj_ptrend, edge_count, edge_off, edge_dst, edge_dst_off,
//            slot_off or None, progress or None)
static PyObject *bind_load_graph(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    struct bind_state *state = PyModule_GetState(module);
    if (nargs != 10 || !Py_IS_TYPE(args[0], state->heap_type))
        return bind_raise(state, ERR_CONVERSION,
                          "load_graph takes a heap, eight columns and a "
                          "progress function");
    struct heap_object *h = (struct heap_object *)args[0];
    if (h->debug.efence)
        return bind_raise(state, ERR_OPTION,
                          "a dump cannot be loaded with efence=1: its objects would not lie in "
                          "slots of their size");
    struct load_plan p = {0};
    PyTypeObject *type = loaded_graph_type(module);
    if (!type || load_columns(state, &p, args + 1) < 0)
        return NULL;
    struct loaded_graph *g = (struct loaded_graph *)type->tp_alloc(type, 0);
    if (!g)
        return NULL;
    g->heap_serial = h->serial;
    g->objects = p.objects;
    struct progress progress = {.call = args[9] == Py_None ? NULL : args[9],
                                .total = p.objects + p.edges};
    if (load_run(&p, g, h, &progress) < 0)
        Py_CLEAR(g);
    load_plan_free(&p);
    return (PyObject *)g;
}

// --- the numbered objects

static void loaded_graph_dealloc(struct loaded_graph *g)
{
    PyTypeObject *type = Py_TYPE(g);
    free(g->type_of);
    free(g->types);
    type->tp_free(g);
    Py_DECREF(type);
}

// The heap that the graph was built in, open; NULL with an error.
static struct heap_object *loaded_heap(struct loaded_graph *g, PyObject *heap)
{
    struct bind_state *state = PyType_GetModuleState(Py_TYPE(g));
    struct heap_object *h = (struct heap_object *)heap;
    if (!Py_IS_TYPE(heap, state->heap_type) || h->serial != g->heap_serial)
        return bind_raise(state, ERR_WRONG_HEAP, "the objects were not loaded into this heap");
    return heap_check_open(h) < 0 ? NULL : h;
}

// heap, number of an object
static struct heap_object *loaded_args(struct loaded_graph *g, PyObject *const *args,
                                       Py_ssize_t nargs, Py_ssize_t want, uint64_t *number)
{
    struct bind_state *state = PyType_GetModuleState(Py_TYPE(g));
    if (nargs != want)
        return bind_raise(state, ERR_CONVERSION, "%zd arguments are needed", want);
    struct heap_object *h = loaded_heap(g, args[0]);
    long long i = h ? PyLong_AsLongLong(args[1]) : -1;
    if (!h || (i == -1 && PyErr_Occurred()))
        return NULL;
    if (i < 0 || (uint64_t)i >= g->objects) {
        PyErr_Format(PyExc_IndexError, "object %lld of %llu", i, (unsigned long long)g->objects);
        return NULL;
    }
    *number = (uint64_t)i;
    return h;
}

static PyObject *loaded_weaken(PyObject *self, PyObject *heap)
{
    struct loaded_graph *g = (struct loaded_graph *)self;
    struct heap_object *h = loaded_heap(g, heap);
    gcsim_mutator *m = h ? heap_enter(h) : NULL;
    if (!m)
        return NULL;
    g->batch->strong = 0;
    heap_leave(h, m);
    Py_RETURN_NONE;
}

// A class whose references may refer to any byte of any object: it has no fields.
static PyTypeObject *loaded_class(struct bind_state *state, PyObject *o)
{
    struct type_object *type =
        IS_STRUCT_CLASS(state, o) ? class_type((struct struct_class *)o) : NULL;
    if (type && type->bytes == 0)
        return (PyTypeObject *)o;
    if (!PyErr_Occurred())
        bind_raise(state, ERR_CONVERSION, "a struct class without fields is needed");
    return NULL;
}

// The slot that an object lies in, or false if it is dead. Inside.
static bool loaded_object(const struct loaded_graph *g, struct heap_object *h, gcsim_mutator *m,
                          uint64_t i, gcsim_object *found)
{
    void *p = gcsim_batch_at(m, g->batch, i);
    return p && h->api->find_object(h->heap, p, found) == GCSIM_OK;
}

// A reference to a byte of an object, None if it is dead.
static PyObject *loaded_ref(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    struct loaded_graph *g = (struct loaded_graph *)self;
    uint64_t i;
    struct heap_object *h = loaded_args(g, args, nargs, 4, &i);
    uint64_t offset = h ? PyLong_AsUnsignedLongLong(args[2]) : 0;
    if (!h || (offset == UINT64_MAX && PyErr_Occurred()))
        return NULL;
    PyTypeObject *cls = loaded_class(h->state, args[3]);
    gcsim_mutator *m = cls ? heap_enter(h) : NULL;
    if (!m)
        return NULL;
    gcsim_object found;
    bool lives = loaded_object(g, h, m, i, &found), inside = lives && offset < found.slot_bytes;
    gcsim_handle *handle = inside ? h->api->handle_new(m, found.base + offset) : NULL;
    gcsim_status status = m->status;
    heap_leave(h, m);
    if (!lives)
        Py_RETURN_NONE;
    if (!inside)
        return bind_raise(h->state, ERR_RANGE, "byte %llu is not in object %llu",
                          (unsigned long long)offset, (unsigned long long)i);
    return handle ? ref_from_handle(h, cls, handle) : ref_no_handle(h, status);
}

// Byte offsets of an object's pointer slots within its own; also of a dead one.
static PyObject *loaded_slots_of(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    struct loaded_graph *g = (struct loaded_graph *)self;
    uint64_t i;
    struct heap_object *h = loaded_args(g, args, nargs, 2, &i);
    if (!h)
        return NULL;
    const gcsim_type *t = g->types[g->type_of[i]];
    uint64_t skip = (t->slot_bytes - t->bytes) / 8; // the header
    h->exports++; // the mask is the heap's, and making a list may run anything
    PyObject *offsets = PyList_New(0);
    for (uint64_t w = 0; offsets && w < t->ptr_bytes / 8; w++)
        if (t->mask[w / 64] >> w % 64 & 1) {
            PyObject *offset = PyLong_FromUnsignedLongLong((w + skip) * 8);
            if (!offset || PyList_Append(offsets, offset) < 0)
                Py_CLEAR(offsets);
            Py_XDECREF(offset);
        }
    h->exports--;
    if (offsets)
        Py_SETREF(offsets, PyList_AsTuple(offsets));
    return offsets;
}

// Is `offset` a pointer slot of object i?
static bool loaded_is_slot(const struct loaded_graph *g, uint64_t i, uint64_t offset)
{
    const gcsim_type *t = g->types[g->type_of[i]];
    uint64_t header = t->slot_bytes - t->bytes; // types are as long as the slot, or the header less
    uint64_t word = offset / 8 - header / 8;
    return offset % 8 == 0 && offset >= header && word < t->ptr_bytes / 8 &&
           (t->mask[word / 64] >> word % 64 & 1);
}

// What a pointer slot holds: a reference or None.
static PyObject *loaded_load(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    struct loaded_graph *g = (struct loaded_graph *)self;
    uint64_t i;
    struct heap_object *h = loaded_args(g, args, nargs, 4, &i);
    uint64_t offset = h ? PyLong_AsUnsignedLongLong(args[2]) : 0;
    if (!h || (offset == UINT64_MAX && PyErr_Occurred()))
        return NULL;
    PyTypeObject *cls = loaded_class(h->state, args[3]);
    if (!cls)
        return NULL;
    if (!loaded_is_slot(g, i, offset))
        return bind_raise(h->state, ERR_RANGE, "object %llu has no pointer slot at byte %llu",
                          (unsigned long long)i, (unsigned long long)offset);
    gcsim_mutator *m = heap_enter(h);
    if (!m)
        return NULL;
    gcsim_object found;
    bool lives = loaded_object(g, h, m, i, &found);
    void *to = lives ? GCSIM_LOAD((void **)(void *)(found.base + offset)) : NULL;
    gcsim_handle *handle = to ? h->api->handle_new(m, to) : NULL;
    gcsim_status status = m->status;
    heap_leave(h, m);
    if (!lives)
        return bind_raise(h->state, ERR_STALE, "object %llu is dead", (unsigned long long)i);
    if (!to)
        Py_RETURN_NONE;
    return handle ? ref_from_handle(h, cls, handle) : ref_no_handle(h, status);
}

// A barriered store into a pointer slot.
static PyObject *loaded_store(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    struct loaded_graph *g = (struct loaded_graph *)self;
    uint64_t i;
    struct heap_object *h = loaded_args(g, args, nargs, 4, &i);
    uint64_t offset = h ? PyLong_AsUnsignedLongLong(args[2]) : 0;
    void *to;
    if (!h || (offset == UINT64_MAX && PyErr_Occurred()) ||
        heap_check_own(h, "store into it") < 0 || ref_address_for(h, NULL, args[3], &to) < 0)
        return NULL;
    if (!loaded_is_slot(g, i, offset))
        return bind_raise(h->state, ERR_RANGE, "object %llu has no pointer slot at byte %llu",
                          (unsigned long long)i, (unsigned long long)offset);
    gcsim_mutator *m = heap_enter(h);
    if (!m)
        return NULL;
    gcsim_object found;
    bool lives = loaded_object(g, h, m, i, &found);
    if (lives)
        gcsim_store(m, found.base + offset, to);
    heap_leave(h, m);
    if (!lives)
        return bind_raise(h->state, ERR_STALE, "object %llu is dead", (unsigned long long)i);
    Py_RETURN_NONE;
}

// --- addresses and numbers

// Where every object's slot begins, from the heap's first page; all ones if it is dead. Inside.
static bool loaded_slot_offsets(const struct loaded_graph *g, struct heap_object *h,
                                gcsim_mutator *m, uint64_t *out)
{
    for (uint64_t i = 0; i < g->objects; i++) {
        gcsim_object found;
        bool lives = loaded_object(g, h, m, i, &found);
        out[i] = lives ? (uint64_t)(found.base - h->arena) : UINT64_MAX;
        if (i % LOAD_POLL_EVERY == LOAD_POLL_EVERY - 1 && heap_poll(h))
            return false;
    }
    return true;
}

static PyObject *loaded_addresses(PyObject *self, PyObject *heap)
{
    struct loaded_graph *g = (struct loaded_graph *)self;
    struct heap_object *h = loaded_heap(g, heap);
    PyObject *bytes = h ? PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(g->objects * 8)) : NULL;
    struct slow_call call;
    if (!bytes || slow_begin(h, &call, "read its objects") < 0) {
        Py_XDECREF(bytes);
        return NULL;
    }
    bool ok = loaded_slot_offsets(g, h, call.m, (uint64_t *)(void *)PyBytes_AS_STRING(bytes));
    slow_end(&call);
    if (slow_failed(&call, ok ? GCSIM_OK : GCSIM_INTERRUPTED, "reading the objects"))
        Py_CLEAR(bytes);
    return bytes;
}

// The same for what a reference refers to; None for what is no object (a type without size).
static PyObject *loaded_slot_of(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    struct loaded_graph *g = (struct loaded_graph *)self;
    struct bind_state *state = PyType_GetModuleState(Py_TYPE(g));
    if (nargs != 2)
        return bind_raise(state, ERR_CONVERSION, "a heap and a reference are needed");
    struct heap_object *h = loaded_heap(g, args[0]);
    void *address;
    if (!h || ref_address_for(h, NULL, args[1], &address) < 0)
        return NULL;
    gcsim_mutator *m = heap_enter(h);
    if (!m)
        return NULL;
    gcsim_object found;
    bool is_object = h->api->find_object(h->heap, address, &found) == GCSIM_OK;
    heap_leave(h, m);
    if (!is_object)
        Py_RETURN_NONE;
    return PyLong_FromUnsignedLongLong((uint64_t)(found.base - h->arena));
}

// --- the type

static Py_ssize_t loaded_length(PyObject *self)
{
    return (Py_ssize_t)((struct loaded_graph *)self)->objects;
}

static PyObject *loaded_types_get(struct loaded_graph *g, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(g->ntypes);
}

#define LOAD_FAST(f) (PyCFunction)(void (*)(void))(f), METH_FASTCALL
static PyMethodDef loaded_methods[] = {
    {"weaken", loaded_weaken, METH_O,
     PyDoc_STR("weaken($self, heap, /)\n--\n\nRoots the objects no more.")},
    {"ref", LOAD_FAST(loaded_ref),
     PyDoc_STR("ref($self, heap, number, offset, cls, /)\n--\n\nA reference to a byte of an "
               "object, None if it is dead.")},
    {"slots", LOAD_FAST(loaded_slots_of),
     PyDoc_STR("slots($self, heap, number, /)\n--\n\nOffsets of an object's pointer slots.")},
    {"load", LOAD_FAST(loaded_load),
     PyDoc_STR("load($self, heap, number, offset, cls, /)\n--\n\nWhat a pointer slot of an object "
               "refers to, or None.")},
    {"store", LOAD_FAST(loaded_store),
     PyDoc_STR("store($self, heap, number, offset, ref, /)\n--\n\nMakes a pointer slot of an "
               "object refer to something, or to nothing.")},
    {"addresses", loaded_addresses, METH_O,
     PyDoc_STR("addresses($self, heap, /)\n--\n\nOffset of each object's slot from the heap's "
               "first page, as bytes\n"
               "of 64-bit numbers; all ones if it is dead.")},
    {"slot_of", LOAD_FAST(loaded_slot_of),
     PyDoc_STR("slot_of($self, heap, ref, /)\n--\n\nThe offset of the slot that a reference refers "
               "into, or None.")},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef loaded_getset[] = {
    {"types", (getter)loaded_types_get, NULL, "how many different types the objects have", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot loaded_slots[] = {
    {Py_tp_doc,
     (void *)PyDoc_STR("The objects of a recording in a heap, numbered. For gcsim.open_go_dump.")},
    {Py_tp_dealloc, loaded_graph_dealloc},
    {Py_tp_methods, loaded_methods},
    {Py_tp_getset, loaded_getset},
    {Py_sq_length, loaded_length},
    {0, NULL},
};
static PyType_Spec loaded_spec = {
    .name = "gcsim._core.LoadedGraph",
    .basicsize = sizeof(struct loaded_graph),
    .slots = loaded_slots,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
};

// Made at first use; borrowed.
static PyTypeObject *loaded_graph_type(PyObject *module)
{
    struct bind_state *state = PyModule_GetState(module);
    if (!state->types[TYPE_SPARE1])
        state->types[TYPE_SPARE1] =
            (PyTypeObject *)PyType_FromModuleAndSpec(module, &loaded_spec, NULL);
    return state->types[TYPE_SPARE1];
}

// heap.dump: what gcsim/_dump.py remembers of it.
static PyObject *heap_py_dump(PyObject *self, void *Py_UNUSED(closure))
{
    PyObject *module = PyImport_ImportModule("gcsim._dump");
    PyObject *result = module ? PyObject_CallMethod(module, "loaded", "O", self) : NULL;
    Py_XDECREF(module);
    return result;
}
