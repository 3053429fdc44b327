// What heaps tell: statistics, spans, objects, cycles, the graph of everything. C gathers numbers without the GIL; the immutable
// values that users see are made by gcsim/_results.py.
#include "bind/bind.h"

// <module>.<function>(arguments as Py_BuildValue takes them)
static PyObject *call_in(const char *where, const char *function, const char *format, ...)
{
    PyObject *module = PyImport_ImportModule(where);
    PyObject *callable = module ? bind_attribute(module, function) : NULL;
    va_list args;
    va_start(args, format);
    PyObject *values = Py_VaBuildValue(format, args);
    va_end(args);
    PyObject *result = callable && values ? PyObject_Call(callable, values, NULL) : NULL;
    Py_XDECREF(module);
    Py_XDECREF(callable);
    Py_XDECREF(values);
    return result;
}

#define results_call(...) call_in("gcsim._results", __VA_ARGS__)

static int dict_add(PyObject *dict, const char *name, PyObject *value)
{
    int result = value ? PyDict_SetItemString(dict, name, value) : -1;
    Py_XDECREF(value);
    return result;
}

#define ADD_U64(name)                                                                              \
    ok = ok && dict_add(dict, #name, PyLong_FromUnsignedLongLong(from->name)) == 0;

#define ADD_FLOAT(name) ok = ok && dict_add(dict, #name, PyFloat_FromDouble(from->name)) == 0;

// --- MemStats

// clang-format off
#define MEMSTATS_NUMBERS(X) \
    X(alloc) X(total_alloc) X(sys) X(lookups) X(mallocs) X(frees) X(heap_alloc) X(heap_sys) X(heap_idle) X(heap_inuse) \
    X(heap_released) X(heap_objects) X(stack_inuse) X(stack_sys) X(mspan_inuse) X(mspan_sys) X(mcache_inuse) \
    X(mcache_sys) X(buck_hash_sys) X(gc_sys) X(other_sys) X(next_gc) X(last_gc) X(pause_total_ns) X(num_gc) \
    X(num_forced_gc)
// clang-format on

static PyObject *memstats_arrays(const gcsim_memstats *from, PyObject *dict)
{
    PyObject *pauses = PyTuple_New(256), *ends = PyTuple_New(256), *sizes = PyTuple_New(61);
    for (int i = 0; pauses && ends && i < 256; i++) {
        PyTuple_SET_ITEM(pauses, i, PyLong_FromUnsignedLongLong(from->pause_ns[i]));
        PyTuple_SET_ITEM(ends, i, PyLong_FromUnsignedLongLong(from->pause_end[i]));
    }
    for (int i = 0; sizes && i < 61; i++)
        PyTuple_SET_ITEM(sizes, i,
                         Py_BuildValue("(IKK)", from->by_size[i].size,
                                       (unsigned long long)from->by_size[i].mallocs,
                                       (unsigned long long)from->by_size[i].frees));
    int failed = dict_add(dict, "pause_ns", pauses) | dict_add(dict, "pause_end", ends) |
                 dict_add(dict, "by_size", sizes);
    return failed || PyErr_Occurred() ? NULL : dict;
}

// All fields by name; new reference.
static PyObject *memstats_dict(struct heap_object *h)
{
    struct slow_call call;
    gcsim_memstats *from = PyMem_RawMalloc(sizeof *from);
    if (!from)
        return PyErr_NoMemory();
    if (slow_begin(h, &call, "read statistics") < 0) {
        PyMem_RawFree(from);
        return NULL;
    }
    h->api->memstats(call.m, from);
    slow_end(&call);
    bool ok = !slow_failed(&call, GCSIM_OK, "statistics");
    PyObject *dict = ok ? PyDict_New() : NULL;
    if (dict) {
        MEMSTATS_NUMBERS(ADD_U64)
        ok = ok &&
             dict_add(dict, "gc_cpu_fraction", PyFloat_FromDouble(from->gc_cpu_fraction)) == 0 &&
             dict_add(dict, "enable_gc", PyBool_FromLong(from->enable_gc)) == 0 &&
             dict_add(dict, "debug_gc", PyBool_FromLong(from->debug_gc)) == 0 &&
             memstats_arrays(from, dict);
        if (!ok)
            Py_CLEAR(dict);
    }
    PyMem_RawFree(from);
    return dict;
}

static PyObject *memstats_as(PyObject *self, const char *function)
{
    PyObject *dict = memstats_dict((struct heap_object *)self);
    PyObject *result = dict ? results_call(function, "(O)", dict) : NULL;
    Py_XDECREF(dict);
    return result;
}

static PyObject *heap_py_memstats(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return memstats_as(self, "make_memstats");
}
static PyObject *heap_py_gc_stats(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return memstats_as(self, "make_gc_stats");
}

// --- cycles

// clang-format off
#define CYCLE_NUMBERS(X) \
    X(number) X(trigger) X(start_ns) X(since_ns) X(heap_live) X(trigger_bytes) X(goal) X(marked_before) X(stack_scan) \
    X(globals_scan) X(heap_scan_before) X(heap_scan) X(limit_goal) X(runway) X(dedicated_workers) X(procs) X(stopped) \
    X(objects_marked) X(roots) X(pointers) X(scan_work) X(stack_work) X(globals_work) X(dedicated_ns) X(fractional_ns) \
    X(idle_ns) X(assist_ns) X(background_ns) X(rescans) X(heap_end) X(end_goal) X(heap_marked) X(next_goal) \
    X(next_trigger) X(limiter_fill) X(limiter_capacity) X(limited) X(stop_ns) X(mark_ns) X(pause_ns) X(pause1_ns) \
    X(pause2_ns) X(stopping1_ns) X(stopping2_ns) X(sweep_ns) X(freed_objects) X(freed_bytes) X(weak_cleared) \
    X(pages_swept) X(sweep_live)
#define CYCLE_FLOATS(X) \
    X(cons_mark) X(assist_ratio) X(fractional_goal) X(utilization) X(cons_mark_after) X(gc_cpu_fraction) X(sweep_ratio)
// clang-format on

BIND PyObject *cycle_result(struct heap_object *h, const gcsim_cycle *from)
{
    (void)h;
    PyObject *dict = PyDict_New(), *result = NULL;
    bool ok = dict != NULL;
    CYCLE_NUMBERS(ADD_U64)
    CYCLE_FLOATS(ADD_FLOAT)
    if (ok && dict_add(dict, "gc_percent", PyLong_FromLong(from->gc_percent)) == 0 &&
        dict_add(dict, "memory_limit", PyLong_FromLongLong((long long)from->memory_limit)) == 0)
        result = results_call("make_cycle", "(O)", dict);
    Py_XDECREF(dict);
    return result;
}

// The cycles that are remembered, from number `first` on.
static PyObject *cycles_from(struct heap_object *h, uint64_t first)
{
    enum { KEPT = 256 };
    gcsim_cycle *all = heap_check_open(h) < 0 ? NULL : PyMem_Malloc(KEPT * sizeof *all);
    uint64_t n = 0;
    if (!all)
        return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    gcsim_mutator *m = heap_enter(h);
    if (m) {
        uint64_t last = h->api->cycle_info(h->heap, 0, &all[0]) == GCSIM_OK ? all[0].number : 0;
        uint64_t oldest = last > KEPT ? last - KEPT + 1 : 1;
        for (uint64_t number = first > oldest ? first : oldest; number <= last; number++)
            n += h->api->cycle_info(h->heap, number, &all[n]) == GCSIM_OK;
        heap_leave(h, m);
    }
    PyObject *tuple = m ? PyTuple_New((Py_ssize_t)n) : NULL;
    for (uint64_t i = 0; tuple && i < n; i++) {
        PyObject *cycle = cycle_result(h, &all[i]);
        if (!cycle)
            Py_CLEAR(tuple);
        else
            PyTuple_SET_ITEM(tuple, (Py_ssize_t)i, cycle);
    }
    PyMem_Free(all);
    return tuple;
}

static PyObject *heap_py_cycles(PyObject *self, void *Py_UNUSED(closure))
{
    return cycles_from((struct heap_object *)self, 1);
}

static PyObject *heap_py_cycles_from(PyObject *self, PyObject *number)
{
    unsigned long long first = PyLong_AsUnsignedLongLong(number);
    if (first == (unsigned long long)-1 && PyErr_Occurred())
        return NULL;
    return cycles_from((struct heap_object *)self, first);
}

// --- spans and objects

static PyObject *span_row(const gcsim_span_info *s)
{
    return Py_BuildValue("(KKKKKKIIiIII)", (unsigned long long)s->first_page,
                         (unsigned long long)s->npages, (unsigned long long)s->nelems,
                         (unsigned long long)s->allocated, (unsigned long long)s->free_index,
                         (unsigned long long)s->slot_bytes, s->span_class, s->state, (int)s->sweep,
                         s->needzero, s->cached, s->purpose);
}

static PyObject *heap_py_spans(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct heap_object *h = (struct heap_object *)self;
    struct slow_call call;
    enum { ROOM = 1024 };
    gcsim_span_info *some = PyMem_RawMalloc(ROOM * sizeof *some);
    PyObject *rows = some ? PyList_New(0) : PyErr_NoMemory();
    uint64_t cursor = 0, n = ROOM;
    while (rows && n) {
        if (slow_begin(h, &call, "list spans") < 0) {
            Py_CLEAR(rows);
            break;
        }
        n = h->api->spans(call.m, &cursor, some, ROOM);
        slow_end(&call);
        if (slow_failed(&call, GCSIM_OK, "spans"))
            Py_CLEAR(rows);
        for (uint64_t i = 0; rows && i < n; i++) {
            PyObject *row = span_row(&some[i]);
            if (!row || PyList_Append(rows, row) < 0)
                Py_CLEAR(rows);
            Py_XDECREF(row);
        }
    }
    PyMem_RawFree(some);
    PyObject *result = rows ? results_call("make_spans", "(O)", rows) : NULL;
    Py_XDECREF(rows);
    return result;
}

static PyObject *object_row(struct heap_object *h, const gcsim_object *o)
{
    struct type_object *type = o->type ? heap_type_of(h, o->type) : NULL;
    return Py_BuildValue("(KKKOIIOOiO)", (unsigned long long)(uintptr_t)o->base,
                         (unsigned long long)o->slot_bytes, (unsigned long long)o->header_bytes,
                         type ? type->info : Py_None, o->span_page, o->index,
                         o->noscan ? Py_True : Py_False, o->marked ? Py_True : Py_False,
                         (int)o->span_class, o->unswept ? Py_True : Py_False);
}

// _object_rows(cursor) -> (next cursor, rows); no rows at the end.
static PyObject *heap_py_object_rows(PyObject *self, PyObject *arg)
{
    struct heap_object *h = (struct heap_object *)self;
    struct slow_call call;
    enum { ROOM = 1024 };
    uint64_t cursor = PyLong_AsUnsignedLongLong(arg), n;
    if (cursor == UINT64_MAX && PyErr_Occurred())
        return NULL;
    gcsim_object *some = PyMem_RawMalloc(ROOM * sizeof *some);
    if (!some)
        return PyErr_NoMemory();
    PyObject *rows = NULL;
    if (slow_begin(h, &call, "list objects") == 0) {
        n = h->api->objects(call.m, &cursor, some, ROOM);
        slow_end(&call);
        rows = slow_failed(&call, GCSIM_OK, "objects") ? NULL : PyList_New((Py_ssize_t)n);
        for (uint64_t i = 0; rows && i < n; i++) {
            PyObject *row = object_row(h, &some[i]);
            if (!row)
                Py_CLEAR(rows);
            else
                PyList_SET_ITEM(rows, (Py_ssize_t)i, row);
        }
    }
    PyMem_RawFree(some);
    return rows ? Py_BuildValue("(KN)", (unsigned long long)cursor, rows) : NULL;
}

static PyObject *heap_py_objects(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return heap_check_open((struct heap_object *)self) < 0
               ? NULL
               : results_call("iter_objects", "(O)", self);
}

// --- the graph
//
// The list of objects is taken at one stop. What is read of them afterwards is still what it was, as long as no collection ran in
// between: we are inside, so none can begin while we read; one that slipped in before is seen by its number, and we start again.

struct vec {
    char *items;
    uint64_t n, room, item_bytes;
};

static void *vec_reserve(struct vec *v, uint64_t more)
{
    if (v->n + more > v->room) {
        uint64_t room = v->n + more > 2 * v->room ? v->n + more + 64 : 2 * v->room;
        char *items = PyMem_RawRealloc(v->items, room * v->item_bytes);
        if (!items)
            return NULL;
        v->items = items;
        v->room = room;
    }
    return v->items + v->n * v->item_bytes;
}

struct graph_root {
    uint32_t kind, name; // kind: 0 handle, 1 global, 2 frame slot, 3 what a goroutine waits for
    int32_t goroutine, frame;
    uint32_t offset;
    int32_t dst;
    uint32_t dst_offset;
};

enum graph_column {
    OBJECTS,
    ADDR,
    SIZE,
    NSLOTS,
    SLOT_OFF,
    EDGE_COUNT,
    EDGE_OFF,
    EDGE_DST,
    EDGE_DST_OFF,
    ROOTS,
    GOROUTINES,
    FRAMES,
    REACH,
    GRAPH_COLUMNS
};

struct graph_goroutine {
    uint32_t id, name, frames;
};

struct graph {
    struct heap_object *h;
    struct vec v[GRAPH_COLUMNS];
    bool too_large; // an object of 4 GiB or more
};

static const uint32_t graph_item_bytes[GRAPH_COLUMNS] = {
    [OBJECTS] = sizeof(gcsim_object),
    [ADDR] = 8,
    [SIZE] = 4,
    [NSLOTS] = 4,
    [SLOT_OFF] = 4,
    [EDGE_COUNT] = 4,
    [EDGE_OFF] = 4,
    [EDGE_DST] = 4,
    [EDGE_DST_OFF] = 4,
    [ROOTS] = sizeof(struct graph_root),
    [GOROUTINES] = sizeof(struct graph_goroutine),
    [FRAMES] = 4,
    [REACH] = 1,
};

#define VEC_PUSH(g, which, type, value)                                                            \
    ({                                                                                             \
        type *at_ = vec_reserve(&(g)->v[which], 1);                                                \
        if (at_)                                                                                   \
            *at_ = (value), (g)->v[which].n++;                                                     \
        at_ != NULL;                                                                               \
    })

// Number of the object that an address lies in, -1 if none.
static int32_t graph_find(const struct graph *g, const void *p)
{
    const gcsim_object *all = (const gcsim_object *)(const void *)g->v[OBJECTS].items;
    uint64_t low = 0, high = g->v[OBJECTS].n;
    while (low < high) {
        uint64_t mid = low + (high - low) / 2;
        if (all[mid].base <= (const char *)p)
            low = mid + 1;
        else
            high = mid;
    }
    if (!low || (const char *)p >= all[low - 1].base + all[low - 1].slot_bytes)
        return -1;
    return (int32_t)(low - 1);
}

static uint32_t graph_offset(const struct graph *g, int32_t dst, const void *p)
{
    return (uint32_t)((const char *)p -
                      ((const gcsim_object *)(const void *)g->v[OBJECTS].items)[dst].base);
}

static gcsim_status graph_objects(struct graph *g, gcsim_mutator *m)
{
    struct vec *v = &g->v[OBJECTS];
    uint64_t room = 1 << 12;
    for (;;) {
        uint64_t cursor = 0;
        v->n = 0;
        if (!vec_reserve(v, room))
            return GCSIM_NO_MEMORY;
        v->n = m->api->objects(m, &cursor, (gcsim_object *)(void *)v->items, room);
        if (v->n < room)
            return GCSIM_OK;
        room *= 2;
    }
}

static bool graph_slots(struct graph *g, const gcsim_object *o, uint64_t *n)
{
    struct vec *v = &g->v[SLOT_OFF];
    uint64_t room = 64;
    *n = 0;
    if (o->noscan)
        return true;
    for (;;) {
        uint32_t *out = vec_reserve(v, room);
        if (!out)
            return false;
        *n = g->h->api->pointer_slots(g->h->heap, o, out, room);
        if (*n <= room)
            return true;
        room = *n;
    }
}

static bool graph_edges(struct graph *g, const gcsim_object *o)
{
    uint64_t n;
    uint32_t edges = 0;
    if (!graph_slots(g, o, &n))
        return false;
    const uint32_t *slots = (const uint32_t *)(const void *)g->v[SLOT_OFF].items + g->v[SLOT_OFF].n;
    for (uint64_t i = 0; i < n; i++) {
        void *p = GCSIM_LOAD((void **)(void *)(o->base + slots[i]));
        int32_t dst = p ? graph_find(g, p) : -1;
        if (dst < 0)
            continue;
        if (!VEC_PUSH(g, EDGE_OFF, uint32_t, slots[i]) || !VEC_PUSH(g, EDGE_DST, int32_t, dst) ||
            !VEC_PUSH(g, EDGE_DST_OFF, uint32_t, graph_offset(g, dst, p)))
            return false;
        edges++;
    }
    g->v[SLOT_OFF].n += n;
    return VEC_PUSH(g, ADDR, uint64_t, (uint64_t)(o->base - g->h->arena)) &&
           VEC_PUSH(g, SIZE, uint32_t, (uint32_t)o->slot_bytes) &&
           VEC_PUSH(g, NSLOTS, uint32_t, (uint32_t)n) && VEC_PUSH(g, EDGE_COUNT, uint32_t, edges);
}

static bool graph_root(struct graph *g, struct graph_root root, const void *p)
{
    root.dst = p ? graph_find(g, p) : -1;
    if (root.dst < 0)
        return true;
    root.dst_offset = graph_offset(g, root.dst, p);
    return VEC_PUSH(g, ROOTS, struct graph_root, root);
}

static bool graph_handles(struct graph *g)
{
    gcsim_heap *heap = g->h->heap;
    uint64_t n = g->h->api->handles(heap, NULL, 0) + 64;
    void **all = PyMem_RawMalloc(n * sizeof *all);
    uint64_t got = all ? g->h->api->handles(heap, all, n) : 0;
    bool ok = all != NULL;
    for (uint64_t i = 0; ok && i < got && i < n; i++)
        ok = graph_root(g, (struct graph_root){.kind = 0, .goroutine = -1, .frame = -1}, all[i]);
    PyMem_RawFree(all);
    return ok;
}

static bool graph_globals(struct graph *g)
{
    for (gcsim_global *global = NULL; (global = g->h->api->global_next(g->h->heap, global));)
        if (!graph_root(
                g,
                (struct graph_root){.kind = 1, .name = global->name, .goroutine = -1, .frame = -1},
                global->words[0]))
            return false;
    return true;
}

static bool graph_frame(struct graph *g, gcsim_goroutine *core, int32_t number, uint64_t at,
                        int32_t depth)
{
    const gcsim_frame *frame = gcsim_frame_at(core, at);
    void **slots = gcsim_frame_slots(core, at);
    for (uint64_t w = 0; w < frame->type->ptr_bytes / 8; w++)
        if (frame->type->mask[w / 64] >> (w % 64) & 1 &&
            !graph_root(g,
                        (struct graph_root){.kind = 2,
                                            .name = frame->name,
                                            .goroutine = number,
                                            .frame = depth,
                                            .offset = (uint32_t)(8 * w)},
                        slots[w]))
            return false;
    return VEC_PUSH(g, FRAMES, uint32_t, frame->name);
}

static bool graph_goroutines(struct graph *g)
{
    int32_t number = 0;
    for (gcsim_goroutine *core = NULL; (core = g->h->api->goroutine_next(g->h->heap, core));
         number++) {
        struct graph_goroutine row = {.id = core->id, .name = core->name};
        for (uint64_t at = core->top; at != UINT64_MAX; at = gcsim_frame_at(core, at)->caller)
            if (!graph_frame(g, core, number, at, (int32_t)row.frames++))
                return false;
        struct graph_root own = {.kind = 3, .goroutine = number, .frame = -1};
        if (!graph_root(g, own, core->waiting) || !graph_root(g, own, core->param) ||
            !VEC_PUSH(g, GOROUTINES, struct graph_goroutine, row))
            return false;
    }
    return true;
}

// Sets obj_reach: what the roots lead to, by a search with a stack that holds each object at most once.
static bool graph_reach(struct graph *g)
{
    uint64_t n = g->v[OBJECTS].n, depth = 0, at = 0;
    char *reach = vec_reserve(&g->v[REACH], n + 1);
    uint64_t *start = PyMem_RawMalloc((n + 1) * sizeof *start);
    int32_t *stack = PyMem_RawMalloc((n + 1) * sizeof *stack);
    if (!reach || !start || !stack) {
        PyMem_RawFree(start);
        PyMem_RawFree(stack);
        return false;
    }
    memset(reach, 0, n);
    g->v[REACH].n = n;
    for (uint64_t i = 0; i < n; i++) {
        start[i] = at;
        at += ((const uint32_t *)(const void *)g->v[EDGE_COUNT].items)[i];
    }
    start[n] = at;
    const struct graph_root *roots = (const struct graph_root *)(const void *)g->v[ROOTS].items;
    const int32_t *dst = (const int32_t *)(const void *)g->v[EDGE_DST].items;
    for (uint64_t r = 0; r < g->v[ROOTS].n; r++) {
        if (!reach[roots[r].dst])
            reach[stack[depth++] = roots[r].dst] = 1;
        while (depth) {
            int32_t i = stack[--depth];
            for (uint64_t k = start[i]; k < start[i + 1]; k++)
                if (!reach[dst[k]])
                    reach[stack[depth++] = dst[k]] = 1;
        }
    }
    PyMem_RawFree(start);
    PyMem_RawFree(stack);
    return true;
}

static uint64_t last_cycle(struct heap_object *h)
{
    gcsim_cycle cycle;
    return h->api->cycle_info(h->heap, 0, &cycle) == GCSIM_OK ? cycle.number : 0;
}

static gcsim_status graph_gather(struct graph *g, gcsim_mutator *m)
{
    uint64_t number;
    do {
        number = last_cycle(g->h);
        gcsim_status status = graph_objects(g, m);
        if (status != GCSIM_OK)
            return status;
    } while (last_cycle(g->h) != number);
    if (g->v[OBJECTS].n >= INT32_MAX)
        g->too_large = true;
    for (uint64_t i = 0; !g->too_large && i < g->v[OBJECTS].n; i++) {
        const gcsim_object *o = (const gcsim_object *)(const void *)g->v[OBJECTS].items + i;
        g->too_large |= o->slot_bytes > UINT32_MAX;
        if (!g->too_large && !graph_edges(g, o))
            return GCSIM_NO_MEMORY;
    }
    if (g->too_large)
        return GCSIM_OK;
    return graph_handles(g) && graph_globals(g) && graph_goroutines(g) && graph_reach(g)
               ? GCSIM_OK
               : GCSIM_NO_MEMORY;
}

// The text of a name, under its number, unless it is there.
static bool names_add(struct heap_object *h, PyObject *names, uint32_t id)
{
    PyObject *key = PyLong_FromUnsignedLong(id), *value = NULL;
    int known = key ? PyDict_Contains(names, key) : -1;
    const char *text = known == 0 ? h->api->name_text(h->heap, id) : NULL;
    if (text)
        value = PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
    bool ok = known > 0 || (value && PyDict_SetItem(names, key, value) == 0);
    Py_XDECREF(key);
    Py_XDECREF(value);
    return ok;
}

static PyObject *graph_names(struct graph *g)
{
    PyObject *names = PyDict_New();
    const struct graph_root *roots = (const struct graph_root *)(const void *)g->v[ROOTS].items;
    const struct graph_goroutine *gs =
        (const struct graph_goroutine *)(const void *)g->v[GOROUTINES].items;
    const uint32_t *frames = (const uint32_t *)(const void *)g->v[FRAMES].items;
    uint64_t n[3] = {g->v[ROOTS].n, g->v[GOROUTINES].n, g->v[FRAMES].n};
    for (int k = 0; k < 3; k++)
        for (uint64_t i = 0; names && i < n[k]; i++) {
            uint32_t id = k == 0 ? roots[i].name : k == 1 ? gs[i].name : frames[i];
            bool named = k != 0 || roots[i].kind == 1 || roots[i].kind == 2;
            if (named && !names_add(g->h, names, id))
                Py_CLEAR(names);
        }
    return names;
}

static PyObject *graph_result(struct graph *g)
{
    static const char *const columns[GRAPH_COLUMNS] = {
        NULL,       "obj_addr",     "obj_size", "obj_nslots", "slot_off", "edge_count", "edge_off",
        "edge_dst", "edge_dst_off", "roots",    "goroutines", "frames",   "obj_reach"};
    PyObject *dict = PyDict_New(), *names = graph_names(g), *result = NULL;
    bool ok = dict && names;
    for (int i = ADDR; ok && i < GRAPH_COLUMNS; i++)
        ok = dict_add(dict, columns[i],
                      PyBytes_FromStringAndSize(g->v[i].items,
                                                (Py_ssize_t)(g->v[i].n * g->v[i].item_bytes))) == 0;
    uint64_t bytes = 0;
    g->h->api->arena(g->h->heap, &bytes);
    if (ok)
        result =
            results_call("make_graph", "(OOKK)", dict, names,
                         (unsigned long long)(uintptr_t)g->h->arena, (unsigned long long)bytes);
    Py_XDECREF(dict);
    Py_XDECREF(names);
    return result;
}

static PyObject *heap_py_graph(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct graph g = {.h = (struct heap_object *)self};
    struct slow_call call;
    PyObject *result = NULL;
    for (int i = 0; i < GRAPH_COLUMNS; i++)
        g.v[i].item_bytes = graph_item_bytes[i];
    if (slow_begin(g.h, &call, "read the graph") < 0)
        return NULL;
    gcsim_status status = graph_gather(&g, call.m);
    slow_end(&call);
    if (!slow_failed(&call, status, "the graph of the heap")) {
        if (g.too_large)
            bind_raise(g.h->state, ERR_RANGE,
                       "a graph has at most 2**31 - 1 objects of less than 4 GiB");
        else if (heap_check_open(g.h) == 0)
            result = graph_result(&g);
    }
    for (int i = 0; i < GRAPH_COLUMNS; i++)
        PyMem_RawFree(g.v[i].items);
    return result;
}

// --- the server

static PyObject *heap_py_serve(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *module = PyImport_ImportModule("gcsim._serve");
    PyObject *serve = module ? bind_attribute(module, "serve_heap") : NULL;
    PyObject *heap = serve ? PyTuple_Pack(1, self) : NULL;
    PyObject *values = heap ? PySequence_Concat(heap, args) : NULL;
    PyObject *result = values ? PyObject_Call(serve, values, kwargs) : NULL;
    Py_XDECREF(module);
    Py_XDECREF(serve);
    Py_XDECREF(heap);
    Py_XDECREF(values);
    return result;
}
