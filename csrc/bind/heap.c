// Heap: the Python face of one gcsim heap. Its options, its life (open, closing, closed; forked copies), the types it knows, heap.new,
// and what it tells. Methods of other files come in through hooks.h.
#include "bind/bind.h"
#include "gcsim/steps.h"

#include <ctype.h>
#include <math.h>

// --- types of a heap

static int types_reserve(struct heap_object *h, uint32_t serial, uint32_t id)
{
    if (serial >= h->types_room) {
        uint32_t room = serial + 16;
        const gcsim_type **grown = PyMem_Realloc(h->types, room * sizeof *grown);
        if (!grown)
            return -1;
        memset(grown + h->types_room, 0, (room - h->types_room) * sizeof *grown);
        h->types = grown;
        h->types_room = room;
    }
    if (id >= h->types_by_id_room) {
        uint32_t room = id + 16;
        struct type_object **grown = PyMem_Realloc(h->types_by_id, room * sizeof *grown);
        if (!grown)
            return -1;
        memset(grown + h->types_by_id_room, 0, (room - h->types_by_id_room) * sizeof *grown);
        h->types_by_id = grown;
        h->types_by_id_room = room;
    }
    return 0;
}

// The pointer mask of a TypeInfo, as long as it must be. New reference.
static PyObject *type_mask(struct type_object *t)
{
    PyObject *mask = bind_attribute(t->info, "mask");
    if (mask && (!PyBytes_Check(mask) ||
                 (uint64_t)PyBytes_GET_SIZE(mask) / 8 < (t->ptr_bytes + 511) / 512)) {
        bind_raise(t->state, ERR_TYPE_DEFINITION,
                   "%s: the pointer mask is not as long as its pointers", type_name(t));
        Py_CLEAR(mask);
    }
    return mask;
}

BIND_COLD const gcsim_type *heap_type_make(struct heap_object *h, struct type_object *t)
{
    PyObject *mask = type_mask(t);
    if (!mask || heap_check_open(h) < 0) {
        Py_XDECREF(mask);
        return NULL;
    }
    gcsim_type_desc desc = {.name = type_name(t),
                            .bytes = t->bytes,
                            .ptr_bytes = t->ptr_bytes,
                            .align = t->align ? t->align : 1,
                            .mask = (const uint64_t *)(const void *)PyBytes_AS_STRING(mask),
                            .kind = t->kind < GCSIM_KINDS ? t->kind : GCSIM_KIND_POINTER};
    gcsim_status status = GCSIM_OK;
    const gcsim_type *made = NULL;
    gcsim_mutator *m = heap_enter(h); // so that in step mode nobody else is inside
    if (m) {
        made = h->api->type_new(h->heap, &desc, &status);
        heap_leave(h, m);
        if (!made)
            heap_raise_status(h, status == GCSIM_OK ? GCSIM_NO_MEMORY : status, desc.name);
        else if (types_reserve(h, t->serial, made->id) < 0) {
            PyErr_NoMemory();
            made = NULL;
        }
    }
    Py_DECREF(mask);
    if (made) {
        h->types[t->serial] = made;
        Py_XSETREF(h->types_by_id[made->id], (struct type_object *)Py_NewRef(t));
        if (h->stepping && steps_type_born(h, t, made) < 0)
            return NULL;
    }
    return made;
}

BIND struct type_object *heap_type_of(struct heap_object *h, const gcsim_type *type)
{
    return type->id < h->types_by_id_room ? h->types_by_id[type->id] : NULL;
}

// --- sizes: 4096, "64MiB", "1.5 GB"

static double unit_factor(const char *unit)
{
    static const struct {
        const char *unit;
        double factor;
    } units[] = {
        {"", 1},
        {"B", 1},
        {"KiB", 1024.0},
        {"MiB", 1048576.0},
        {"GiB", 1073741824.0},
        {"TiB", 1099511627776.0},
        {"kB", 1e3},
        {"KB", 1e3},
        {"MB", 1e6},
        {"GB", 1e9},
        {"TB", 1e12},
    };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (!strcasecmp(unit, units[i].unit))
            return units[i].factor;
    return 0;
}

static int size_from_text(struct bind_state *state, const char *option, PyObject *value,
                          uint64_t *out)
{
    Py_ssize_t length;
    const char *text = PyUnicode_AsUTF8AndSize(value, &length);
    char number[32], unit[8];
    size_t n = 0, u = 0;
    const char *s = text;
    if (!text)
        PyErr_Clear();
    while (s && isspace((unsigned char)*s))
        s++;
    while (s && n < sizeof number - 1 && (isdigit((unsigned char)*s) || *s == '.'))
        number[n++] = *s++;
    number[n] = 0;
    while (s && isspace((unsigned char)*s))
        s++;
    while (s && u < sizeof unit - 1 && isalpha((unsigned char)*s))
        unit[u++] = *s++;
    unit[u] = 0;
    double factor = unit_factor(unit),
           v = n ? PyOS_string_to_double(number, NULL, NULL) * factor : -1;
    if (PyErr_Occurred())
        PyErr_Clear(), v = -1;
    if (!s || s != text + length || factor == 0 || !(v >= 0)) {
        bind_raise(state, ERR_CONVERSION,
                   "%s=%R is no size: write bytes as an int, or a text such as \"64MiB\"", option,
                   value);
        return -1;
    }
    if (v >= 9223372036854775808.0) {
        bind_raise(state, ERR_RANGE, "%s=%R is larger than any address space", option, value);
        return -1;
    }
    *out = (uint64_t)v;
    return 0;
}

BIND int size_from_python(struct bind_state *state, const char *option, PyObject *value,
                          uint64_t *out)
{
    if (PyUnicode_Check(value))
        return size_from_text(state, option, value, out);
    if (!PyIndex_Check(value) || PyBool_Check(value)) {
        bind_raise(state, ERR_CONVERSION,
                   "%s= takes a size: an int, or a text such as \"64MiB\", not %s", option,
                   Py_TYPE(value)->tp_name);
        return -1;
    }
    PyObject *n = PyNumber_Index(value);
    long long v = n ? PyLong_AsLongLong(n) : -1;
    Py_XDECREF(n);
    if (v >= 0)
        *out = (uint64_t)v;
    else if (!PyErr_Occurred() || PyErr_ExceptionMatches(PyExc_OverflowError)) {
        PyErr_Clear();
        bind_raise(state, ERR_RANGE, "%s=%R is not between 0 and 2**63 - 1 bytes", option, value);
    }
    return v >= 0 ? 0 : -1;
}

// --- options

static int is_true(PyObject *value, int otherwise)
{
    return value ? PyObject_IsTrue(value) : otherwise;
}

// An int between low and high.
static int option_int(struct bind_state *state, const char *option, PyObject *value, long long low,
                      long long high, long long *out)
{
    if (!PyIndex_Check(value) || PyBool_Check(value)) {
        bind_raise(state, ERR_CONVERSION, "%s takes an int, not %s", option,
                   Py_TYPE(value)->tp_name);
        return -1;
    }
    PyObject *n = PyNumber_Index(value);
    int overflow = 0;
    *out = n ? PyLong_AsLongLongAndOverflow(n, &overflow) : -1;
    Py_XDECREF(n);
    if (!overflow && *out == -1 && PyErr_Occurred())
        return -1;
    if (!overflow && *out >= low && *out <= high)
        return 0;
    bind_raise(state, ERR_RANGE, "%s=%R is not between %lld and %lld", option, value, low, high);
    return -1;
}

// Is it one of the words? Its number; else -1 with an error (what is planned says so).
static int option_word(struct bind_state *state, const char *option, PyObject *value,
                       const char *const words[], const char *const later[])
{
    if (!PyUnicode_Check(value)) {
        bind_raise(state, ERR_CONVERSION, "%s= takes a str, not %s", option,
                   Py_TYPE(value)->tp_name);
        return -1;
    }
    for (int i = 0; words[i]; i++)
        if (!PyUnicode_CompareWithASCIIString(value, words[i]))
            return i;
    for (int i = 0; later[i]; i++)
        if (!PyUnicode_CompareWithASCIIString(value, later[i])) {
            bind_raise(state, ERR_NOT_THERE, "%s=%R is not there yet", option, value);
            return -1;
        }
    char known[256] = "";
    for (int i = 0; words[i]; i++) {
        strcat(known, i ? ", \"" : "\"");
        strcat(strcat(known, words[i]), "\"");
    }
    bind_raise(state, ERR_OPTION, "%s=%R is not known; known are %s", option, value, known);
    return -1;
}

// gogc and gc_percent: None is off, else 0 to 2^31 - 1.
static int percent_from_python(struct bind_state *state, const char *option, PyObject *value,
                               int32_t *out)
{
    long long v = -1;
    if (value != Py_None && option_int(state, option, value, 0, INT32_MAX, &v) < 0)
        return -1;
    *out = (int32_t)v;
    return 0;
}

// gc_period: None is Go's 120 s, else 0.001 s to 30 days. *ms gets 0 for None.
static int period_from_python(struct bind_state *state, PyObject *value, uint32_t *ms)
{
    *ms = 0;
    if (!value || value == Py_None)
        return 0;
    if ((!PyFloat_Check(value) && !PyIndex_Check(value)) || PyBool_Check(value)) {
        bind_raise(state, ERR_CONVERSION,
                   "gc_period= takes seconds as a float, or None for Go's 120, not %s",
                   Py_TYPE(value)->tp_name);
        return -1;
    }
    double seconds = PyFloat_AsDouble(value);
    if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_OverflowError))
        return -1;
    PyErr_Clear();
    if (!(seconds >= 0.001 && seconds <= 30 * 86400.0)) {
        bind_raise(state, ERR_RANGE, "gc_period=%R is not between 0.001 s and 30 days", value);
        return -1;
    }
    *ms = (uint32_t)(seconds * 1000 + 0.5);
    return 0;
}

static int limit_from_python(struct bind_state *state, PyObject *value, int64_t *out)
{
    uint64_t bytes = INT64_MAX; // None: no limit
    if (value && value != Py_None && size_from_python(state, "memory_limit", value, &bytes) < 0)
        return -1;
    *out = (int64_t)bytes;
    return 0;
}

// Negative: only ask. Returns what was; -2 with an error.
static int64_t heap_swap_limit(struct heap_object *h, int64_t limit)
{
    struct slow_call call;
    if (slow_begin(h, &call, "set the memory limit") < 0)
        return -2;
    int64_t before = h->api->set_memory_limit(call.m, limit);
    slow_end(&call);
    return slow_failed(&call, GCSIM_OK, "memory_limit") ? -2 : before;
}

static const char *const heap_modes[] = {"threads", "steps", "virtual", NULL};
static const char *const heap_marks[] = {"field", "object", "span", "mixed", NULL};
static const char *const heap_barriers[] = {
#define BARRIER(NAME, name, sound, rescan, actions) [GCSIM_BARRIER_##NAME] = name,
#include "gc/barrier.def"
#undef BARRIER
    NULL};
static const char *const heap_stacks[] = {"stopped", "first", "last", NULL};
static const char *const heap_allocates[] = {"black", "white", NULL};
static const char *const heap_roots[] = {"precise", "conservative", NULL};
static const char *const heap_pacers[] = {"runway", "ratio", "at-goal", NULL};
static const char *const no_words[] = {NULL};

struct heap_given { // the arguments of Heap(), NULL where not given
    PyObject *gogc, *memory_limit, *procs, *era, *barrier, *mark, *mode, *seed, *reserve, *events,
        *trace_refs, *green_tea, *clobber_free, *gcstoptheworld, *barrier_buffer, *debug,
        *gc_period, *stacks, *rescan_stacks, *allocate, *final_flush, *late_barrier,
        *preempt_barrier, *roots, *pacer, *costs, *mem_profile_rate, *huge_pages, *numa;
};

// In the order of heap_given.
static char *heap_given_names[] = {"gogc",
                                   "memory_limit",
                                   "procs",
                                   "era",
                                   "barrier",
                                   "mark",
                                   "mode",
                                   "seed",
                                   "reserve",
                                   "events",
                                   "trace_refs",
                                   "green_tea",
                                   "clobber_free",
                                   "gcstoptheworld",
                                   "barrier_buffer",
                                   "debug",
                                   "gc_period",
                                   "stacks",
                                   "rescan_stacks",
                                   "allocate",
                                   "final_flush",
                                   "late_barrier",
                                   "preempt_barrier",
                                   "roots",
                                   "pacer",
                                   "costs",
                                   "mem_profile_rate",
                                   "huge_pages",
                                   "numa",
                                   NULL};

static bool is_given(PyObject *value) { return value && value != Py_None; }

// The number of a word, `otherwise` where none is given; -1 with an error.
static int given_word(struct bind_state *state, const char *option, PyObject *value,
                      const char *const words[], const char *const later[], int otherwise)
{
    return is_given(value) ? option_word(state, option, value, words, later) : otherwise;
}

// The write barrier and what goes with it. h->steps is known.
static int heap_barrier_words(struct heap_object *h, const struct heap_given *g)
{
    struct bind_state *state = h->state;
    int barrier = given_word(state, "barrier", g->barrier, heap_barriers, no_words, 0), stacks = -1,
        white = -1, conservative = -1, pacer = -1;
    if (barrier < 0 ||
        (stacks = given_word(state, "stacks", g->stacks, heap_stacks, no_words, 0)) < 0 ||
        (white = given_word(state, "allocate", g->allocate, heap_allocates, no_words, 0)) < 0 ||
        (conservative = given_word(state, "roots", g->roots, heap_roots, no_words, 0)) < 0 ||
        (pacer = given_word(state, "pacer", g->pacer, heap_pacers, no_words, 0)) < 0)
        return -1;
    int rescan = is_given(g->rescan_stacks) ? is_true(g->rescan_stacks, 0) : 2;
    int flush = is_true(g->final_flush, 1), late = is_true(g->late_barrier, 0),
        preempt = is_true(g->preempt_barrier, 0);
    if (rescan < 0 || flush < 0 || late < 0 || preempt < 0)
        return -1;
    if (!h->steps && (stacks || late || preempt)) {
        bind_raise(state, ERR_OPTION,
                   "%s is for mode=\"steps\": a thread's mutator and its goroutines are others' at "
                   "any time",
                   late      ? "late_barrier=True"
                   : preempt ? "preempt_barrier=True"
                             : "stacks= other than \"stopped\"");
        return -1;
    }
    h->barrier = (struct heap_barrier){.barrier = (uint32_t)barrier,
                                       .stacks = (uint32_t)stacks,
                                       .rescan_stacks = rescan == 2   ? 0
                                                        : rescan == 1 ? 1
                                                                      : 2,
                                       .allocate_white = (uint32_t)white,
                                       .no_final_flush = !flush,
                                       .late_barrier = (uint32_t)late,
                                       .preempt_barrier = (uint32_t)preempt,
                                       .conservative_stacks = (uint32_t)conservative,
                                       .pacer = (uint32_t)pacer};
    return 0;
}

static int heap_words(struct heap_object *h, const struct heap_given *g)
{
    struct bind_state *state = h->state;
    int mode = given_word(state, "mode", g->mode, heap_modes, no_words, 0);
    // "field", whose steps are those of the textbook, where they are seen; virtual time's costs were measured with "object"
    int mark = mode == 1 ? GCSIM_MARK_FIELD : mode == 2 ? GCSIM_MARK_OBJECT : GCSIM_MARK_MIXED;
    if (mode < 0 || (mark = given_word(state, "mark", g->mark, heap_marks, no_words, mark)) < 0)
        return -1;
    h->api = mode ? gcsim_steps() : gcsim_fast();
    h->steps = mode != 0;
    h->is_virtual = mode == 2;
    h->mark = (uint32_t)mark;
    return heap_barrier_words(h, g);
}

// {"scan": ns} or {"scan": (ns, ns per unit)}: what step points cost in virtual time.
static int cost_from_python(struct heap_object *h, PyObject *name, PyObject *value)
{
    const char *text = PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : NULL;
    double ns = -1, unit = 0;
    uint32_t kind = 0;
    const char *known;
    while (text && (known = h->api->event_name(kind)) && strcmp(known, text) != 0)
        kind++;
    if (!text || !known) {
        if (!PyErr_Occurred())
            bind_raise(h->state, ERR_OPTION, "costs: there is no step point %R", name);
        return -1;
    }
    if (PyTuple_Check(value) ? !PyArg_ParseTuple(value, "dd", &ns, &unit)
                             : (ns = PyFloat_AsDouble(value)) == -1 && PyErr_Occurred() != NULL) {
        PyErr_Clear();
        bind_raise(h->state, ERR_CONVERSION, "costs: %R needs ns, or (ns, ns per unit), not %R",
                   name, value);
        return -1;
    }
    if (!(ns >= 0 && ns <= 1e9 && unit >= 0 && unit <= 1e6) || h->costs.n == HEAP_COSTS) {
        bind_raise(h->state, ERR_RANGE, "costs: %R=%R: ns are 0 to 1e9, ns per unit 0 to 1e6", name,
                   value);
        return -1;
    }
    h->costs.each[h->costs.n++] =
        (gcsim_cost){kind, (uint64_t)(ns * 1000 + 0.5), (uint64_t)(unit * 1000 + 0.5)};
    return 0;
}

static int costs_from_python(struct heap_object *h, PyObject *costs)
{
    PyObject *name, *value;
    Py_ssize_t at = 0;
    h->costs.n = 0;
    if (!costs || costs == Py_None)
        return 0;
    if (!PyDict_Check(costs)) {
        bind_raise(h->state, ERR_CONVERSION, "costs is a dict of step points, not %s",
                   Py_TYPE(costs)->tp_name);
        return -1;
    }
    if (!h->is_virtual) {
        bind_raise(h->state, ERR_OPTION, "costs are for mode=\"virtual\"");
        return -1;
    }
    while (PyDict_Next(costs, &at, &name, &value))
        if (cost_from_python(h, name, value) < 0)
            return -1;
    return 0;
}

static int heap_numbers(struct heap_object *h, const struct heap_given *g)
{
    struct bind_state *state = h->state;
    long long procs = 0, events = 0, seed = 0, stopped = 0, shades = 512;
    int clobber = is_true(g->clobber_free, 0);
    h->gc_percent = 100;
    if (limit_from_python(state, g->memory_limit, &h->memory_limit) < 0)
        return -1;
    if (clobber < 0 ||
        (g->gogc && percent_from_python(state, "gogc", g->gogc, &h->gc_percent) < 0) ||
        (g->procs && g->procs != Py_None &&
         option_int(state, "procs", g->procs, 1, h->is_virtual ? 256 : 64, &procs) < 0) ||
        period_from_python(state, g->gc_period, &h->period_ms) < 0 ||
        (g->gcstoptheworld &&
         option_int(state, "gcstoptheworld", g->gcstoptheworld, 0, 2, &stopped) < 0) ||
        (g->barrier_buffer &&
         option_int(state, "barrier_buffer", g->barrier_buffer, 0, 512, &shades) < 0) ||
        (g->events && option_int(state, "events", g->events, 0, 1 << 28, &events) < 0) ||
        (g->seed && g->seed != Py_None &&
         option_int(state, "seed", g->seed, 0, INT64_MAX, &seed) < 0) ||
        (g->reserve && g->reserve != Py_None &&
         size_from_python(state, "reserve", g->reserve, &h->reserve_bytes) < 0))
        return -1;
    if (h->reserve_bytes > 1ull << 46 ||
        (g->reserve && g->reserve != Py_None && !h->reserve_bytes)) {
        bind_raise(state, ERR_RANGE, "reserve=%R is not between 1 byte and 64 TiB", g->reserve);
        return -1;
    }
    h->procs = (uint32_t)procs;
    h->seed = h->map_random = (uint64_t)seed;
    h->debug = (struct heap_switches){.stop_the_world = (uint64_t)stopped,
                                      .shade_entries = (uint64_t)shades,
                                      .clobber_free = clobber != 0};
    h->event_room = (uint32_t)events;
    if (costs_from_python(h, g->costs) < 0 ||
        rate_from_python(h, g->mem_profile_rate, &h->sample_rate) < 0)
        return -1;
    return switches_from_python(state, g->debug, &h->debug);
}

static const char *const heap_huge_words[] = {"default", "always", "never", NULL};

// huge_pages=: None, True or "always", False or "never". numa=: gcsim/_placement.py knows the machine's nodes.
static int heap_place(struct heap_object *h, const struct heap_given *g)
{
    if (g->huge_pages && PyBool_Check(g->huge_pages)) {
        h->huge_pages = g->huge_pages == Py_True ? GCSIM_HUGE_ALWAYS : GCSIM_HUGE_NEVER;
    } else {
        int word = given_word(h->state, "huge_pages", g->huge_pages, heap_huge_words, no_words, 0);
        if (word < 0)
            return -1;
        h->huge_pages = (uint32_t)word;
    }
    if (!is_given(g->numa))
        return 0;
    PyObject *module = PyImport_ImportModule("gcsim._placement");
    PyObject *pair = module ? PyObject_CallMethod(module, "numa_option", "O", g->numa) : NULL;
    unsigned long long nodes = 0;
    int result = pair && PyArg_ParseTuple(pair, "IK", &h->place, &nodes) ? 0 : -1;
    h->place_nodes = nodes;
    Py_XDECREF(module);
    Py_XDECREF(pair);
    return result;
}

static int heap_open(struct heap_object *h, const struct heap_given *g)
{
    int green_tea = is_true(g->green_tea, 1), trace = is_true(g->trace_refs, 0);
    if (green_tea < 0 || trace < 0)
        return -1;
    gcsim_options options = {
        .bytes = sizeof options,
        .gc_percent = h->gc_percent ? h->gc_percent : 100,
        .reserve_bytes = h->reserve_bytes,
        .mark_engine = h->mark + 1,
        .events = h->event_room,
        .no_green_tea = !green_tea,
        .clobber_free = (uint32_t)h->debug.clobber_free,
        .procs = h->procs,
        .stop_the_world = (uint32_t)h->debug.stop_the_world,
        .shade_entries = (uint32_t)h->debug.shade_entries + 1,
        .check_mark = (uint32_t)h->debug.check_mark,
        .efence = (uint32_t)h->debug.efence,
        .sbrk = (uint32_t)h->debug.sbrk,
        .verify_phases = (uint32_t)h->debug.verify_phases,
        .stress_bytes = h->debug.stress_bytes,
        .periodic_ms = h->period_ms,
        .barrier = h->barrier.barrier,
        .stacks = h->barrier.stacks,
        .rescan_stacks = h->barrier.rescan_stacks,
        .allocate_white = h->barrier.allocate_white,
        .no_final_flush = h->barrier.no_final_flush,
        .late_barrier = h->barrier.late_barrier,
        .preempt_barrier = h->barrier.preempt_barrier,
        .conservative_stacks = h->barrier.conservative_stacks,
        .pacer = h->barrier.pacer,
        .poll = heap_poll,
        .poll_arg = h,
        .virtual_time = h->is_virtual,
        .virtual_seed = h->seed,
        .ncosts = h->costs.n,
        .costs = h->costs.each,
        .mem_profile_rate = h->sample_rate ? h->sample_rate : -1,
        .mem_profile_seed = h->seed,
        .huge_pages = h->huge_pages,
        .place = h->place,
        .place_nodes = h->place_nodes,
    };
    if (trace && !(h->traces = PyDict_New()))
        return -1;
    if (h->steps &&
        (!(h->steps_lock = PyThread_allocate_lock()) || !(h->types_at = PyDict_New()))) {
        PyErr_NoMemory();
        return -1;
    }
    h->watched = h->traces || h->types_at;
    gcsim_status status;
    h->heap = h->api->heap_create(&options, &status);
    if (!h->heap) {
        if (status == GCSIM_BAD_SIZE && h->costs.n)
            bind_raise(h->state, ERR_RANGE,
                       "costs: lock and wait cost at least 1 ns, and only step points whose arg is "
                       "an amount cost ns per unit");
        else if (status == GCSIM_NO_PLACE)
            bind_raise(h->state, ERR_PLACEMENT,
                       "numa=: the system does not place memory so: it has no such nodes, or "
                       "forbids mbind here");
        else if (status == GCSIM_NO_MEMORY)
            bind_raise(h->state, ERR_MEMORY,
                       "the system grants no address space for a heap; a limit (ulimit -v) may be "
                       "in force: pass a smaller reserve=, such as reserve=\"64MiB\"");
        else
            heap_raise_status(h, status, "a new heap");
        return -1;
    }
    h->arena = h->api->arena(h->heap, NULL);
    if (h->steps && gcsim_stepping()->unsound(h->heap))
        heap_attend(h, HEAP_UNSOUND, 0);
    h->procs = h->api->procs(h->heap);
    if (pool_grow(h) < 0)
        return -1;
    if (h->memory_limit != INT64_MAX && heap_swap_limit(h, h->memory_limit) == -2)
        return -1;
    if (h->gc_percent == 0) { // in gcsim_options 0 is the default
        gcsim_mutator *m = heap_enter(h);
        if (!m)
            return -1;
        h->api->set_gc_percent(m, 0);
        heap_leave(h, m);
    }
    return 0;
}

// What was not given is as in the era (gcsim/_eras.py). *options owns it. 0, or -1 with an error.
static int heap_era(struct heap_given *g, PyObject **options)
{
    PyObject *module = PyImport_ImportModule("gcsim._eras");
    *options = module ? PyObject_CallMethod(module, "options_of", "O", g->era) : NULL;
    Py_XDECREF(module);
    if (!*options)
        return -1;
    PyObject **field = (PyObject **)g;
    for (int i = 0; heap_given_names[i]; i++)
        if (!is_given(field[i]) && PyDict_Check(*options))
            field[i] = PyDict_GetItemString(*options, heap_given_names[i]); // borrowed, or NULL
    return 0;
}

static PyObject *heap_tp_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    struct bind_state *state = PyType_GetModuleState(type);
    struct heap_given g = {0};
    if (!state)
        return NULL;
    if (!PyArg_ParseTupleAndKeywords(
            args, kwargs, "|$OOOOOOOOOOOOOOOOOOOOOOOOOOOOO:Heap", heap_given_names, &g.gogc,
            &g.memory_limit, &g.procs, &g.era, &g.barrier, &g.mark, &g.mode, &g.seed, &g.reserve,
            &g.events, &g.trace_refs, &g.green_tea, &g.clobber_free, &g.gcstoptheworld,
            &g.barrier_buffer, &g.debug, &g.gc_period, &g.stacks, &g.rescan_stacks, &g.allocate,
            &g.final_flush, &g.late_barrier, &g.preempt_barrier, &g.roots, &g.pacer, &g.costs,
            &g.mem_profile_rate, &g.huge_pages, &g.numa))
        return NULL;
    PyObject *era = NULL;
    struct heap_object *h = NULL;
    if (!is_given(g.era) || heap_era(&g, &era) == 0)
        h = (struct heap_object *)type->tp_alloc(type, 0);
    if (!h) {
        Py_XDECREF(era);
        return NULL;
    }
    h->state = state;
    h->forks = h->settled_forks = bind_forks;
    bool made = heap_words(h, &g) == 0 && heap_numbers(h, &g) == 0 && heap_place(h, &g) == 0 &&
                heap_open(h, &g) == 0;
    Py_XDECREF(era);
    if (!made) {
        Py_DECREF(h);
        return NULL;
    }
    h->serial = ++state->heap_serials;
    if (PySys_Audit("gcsim.Heap", "O", h) < 0) {
        Py_DECREF(h);
        return NULL;
    }
    return (PyObject *)h;
}

// --- closing

static void heap_free_lists(struct heap_object *h)
{
    for (struct heap_deferred *d = take_deferred(h), *next; d; d = next) {
        next = d->next;
        PyMem_RawFree(d);
    }
    PyMem_Free(h->idle);
    h->idle = NULL;
    h->idle_count = h->idle_room = h->mutators = 0;
    PyMem_Free(h->types);
    h->types = NULL;
    h->types_room = 0;
    uint32_t n = h->types_by_id_room;
    struct type_object **types = h->types_by_id;
    h->types_by_id = NULL;
    h->types_by_id_room = 0;
    for (uint32_t i = 0; i < n; i++)
        Py_XDECREF(types[i]);
    PyMem_Free(types);
    Py_CLEAR(h->functions);
    Py_CLEAR(h->traces);
    Py_CLEAR(h->types_at);
    heap_callbacks_free(h);
    heap_roots_free(h);
    map_types_free(h);
}

// No call is inside, nobody exports memory.
static void heap_finish(struct heap_object *h)
{
    gcsim_heap *heap = h->heap;
    struct told *told = h->tells ? tell_take(h) : NULL;
    steps_end(h);
    h->heap = NULL;
    heap_attend(h, HEAP_CLOSED, UINT32_MAX);
    h->api->heap_destroy(heap);
    mapped_free(h);
    tell_deliver(h, NULL, told);
    tell_nobody(h);
}

// The same, then gives signals their turn: freeing the types runs finalizers, in which Python would lose a KeyboardInterrupt.
static int heap_finish_and_check(struct heap_object *h)
{
    PyObject *type, *value, *traceback;
    heap_finish(h);
    int result = PyErr_CheckSignals();
    PyErr_Fetch(&type, &value, &traceback);
    heap_free_lists(h);
    PyErr_Restore(type, value, traceback);
    return result;
}

static int heap_refuse_exports(struct heap_object *h)
{
    if (!h->exports)
        return 0;
    PyErr_Format(PyExc_BufferError,
                 "cannot close the heap: %llu views of its memory exist (memoryview, NumPy array)",
                 (unsigned long long)h->exports);
    return -1;
}

static int heap_refuse_runs(struct heap_object *h)
{
    if (!runs_left(h))
        return 0;
    bind_raise(h->state, ERR_STATE,
               "cannot close the heap: a workload runs in it; wait for its run() to return");
    return -1;
}

// Waits until the calls that run without the GIL have ended; their polls see HEAP_CLOSING and stop them.
static int heap_wait_idle(struct heap_object *h)
{
    while (h->heap && h->slow_calls) {
        PyThreadState *thread = PyEval_SaveThread();
        struct timespec pause = {0, 200 * 1000};
        nanosleep(&pause, NULL);
        PyEval_RestoreThread(thread);
        if (PyErr_CheckSignals() < 0)
            return -1;
    }
    return 0;
}

static int heap_shut(struct heap_object *h)
{
    if (!h->heap)
        return 0;
    if (heap_is_own_poll(h)) {
        heap_raise_own_poll(h);
        return -1;
    }
    if (h->forks != bind_forks)
        heap_settle_fork(h);
    if (heap_refuse_exports(h) < 0 || heap_refuse_runs(h) < 0)
        return -1;
    h->closing++;
    heap_attend(h, HEAP_CLOSING, 0);
    int result = heap_wait_idle(h);
    h->closing--;
    if (result == 0 && h->heap && (heap_refuse_exports(h) < 0 || heap_refuse_runs(h) < 0))
        result = -1;
    if (result == 0 && h->heap)
        result = heap_finish_and_check(h);
    else if (h->heap && !h->closing)
        heap_attend(h, 0, HEAP_CLOSING);
    return result;
}

// Who listens to Python's audit events (the pytest plugin) looks at the heap a last time.
static PyObject *heap_close(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct heap_object *h = (struct heap_object *)self;
    if (h->heap && !h->closing && PySys_Audit("gcsim.Heap.close", "O", self) < 0)
        return NULL;
    if (heap_shut(h) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *heap_exit(PyObject *self, PyObject *const *Py_UNUSED(args),
                           Py_ssize_t Py_UNUSED(nargs))
{
    return heap_close(self, NULL);
}

static PyObject *heap_enter_with(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return heap_check_open((struct heap_object *)self) < 0 ? NULL : Py_NewRef(self);
}

static int heap_traverse(struct heap_object *h, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(h));
    for (uint32_t i = 0; i < h->types_by_id_room; i++)
        Py_VISIT(h->types_by_id[i]);
    int seen = map_types_visit(h, visit, arg);
    if (seen)
        return seen;
    Py_VISIT(h->functions);
    Py_VISIT(h->traces);
    Py_VISIT(h->types_at);
    for (uint32_t kind = 0; kind < GCSIM_TRACES; kind++)
        Py_VISIT(h->trace_files[kind]);
    return heap_callbacks_traverse(h, visit, arg);
}

static int heap_clear(struct heap_object *h)
{
    tell_nobody(h);
    return heap_callbacks_clear(h);
}

static void heap_dealloc(struct heap_object *h)
{
    PyTypeObject *tp = Py_TYPE(h);
    PyObject_GC_UnTrack(h);
    if (h->weakrefs)
        PyObject_ClearWeakRefs((PyObject *)h);
    if (h->heap) // nobody refers to it: no call is inside, no view exists
        heap_finish(h);
    heap_free_lists(h);
    if (h->rewound)
        h->rewound->origin = NULL;
    Py_XDECREF(h->rewound);
    if (h->steps_lock)
        PyThread_free_lock(h->steps_lock);
    tp->tp_free(h);
    Py_DECREF(tp);
}

// --- heap.new

// Elements of an array type, flattened: an array is allocated as its elements, so that its mask need not be laid out.
static struct type_object *array_element(struct type_object *t, uint64_t *count)
{
    for (*count = 1; t && t->kind == GCSIM_KIND_ARRAY; t = type_elem(t))
        *count *= t->count; // no overflow: type_elem has compared with the size
    return t;
}

BIND_COLD gcsim_handle *new_array_object(struct heap_object *h, struct type_object *type)
{
    uint64_t count;
    struct type_object *elem = array_element(type, &count);
    const gcsim_type *t = elem ? heap_type(h, elem) : NULL;
    return t ? heap_allocate(h, t, true, count) : NULL;
}

// Fields given as keywords, in their order. Not inline: what sets none shall not save registers for it.
static __attribute__((noinline)) int new_set_fields(PyObject *ref, PyObject *const *values,
                                                    PyObject *names)
{
    struct struct_class *cls = (struct struct_class *)Py_TYPE(ref);
    Py_ssize_t n = PyTuple_GET_SIZE(names);
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *name = PyTuple_GET_ITEM(names, i);
        struct field_object *f = class_field(cls, name);
        if (BIND_UNLIKELY(!f)) {
            ref_no_field(ref, name);
            return -1;
        }
        if (BIND_UNLIKELY(f->kind == FIELD_HIDDEN) && field_prepare(f, ref) < 0)
            return -1;
        if (field_store(f, (struct ref_object *)ref, values[i]) < 0)
            return -1;
    }
    return 0;
}

static PyObject *new_of_type(struct heap_object *h, struct type_object *type, PyTypeObject *cls)
{
    gcsim_handle *handle;
    if (BIND_UNLIKELY(type->kind == GCSIM_KIND_ARRAY)) {
        handle = new_array_object(h, type);
    } else {
        const gcsim_type *t = heap_type(h, type);
        handle = BIND_LIKELY(t != NULL) ? heap_allocate(h, t, false, 1) : NULL;
    }
    return BIND_LIKELY(handle != NULL) ? ref_from_handle(h, cls, handle) : NULL;
}

// What is no struct class: i64, ptr[Node], array[u8, 3]... or a class that is none.
BIND_COLD PyObject *new_of_any(struct heap_object *h, PyObject *what)
{
    struct type_object *type = type_from_python(h->state, what);
    PyTypeObject *cls = type ? type_class(type) : NULL;
    PyObject *ref = cls ? new_of_type(h, type, cls) : NULL;
    Py_XDECREF(type);
    Py_XDECREF(cls);
    return ref;
}

BIND_COLD PyObject *new_long_way(struct heap_object *h, PyObject *what)
{
    if (heap_check_own(h, "allocate") < 0)
        return NULL;
    if (!IS_STRUCT_CLASS(h->state, what))
        return new_of_any(h, what);
    struct type_object *type = class_type((struct struct_class *)what);
    return type ? new_of_type(h, type, (PyTypeObject *)what) : NULL;
}

// The usual case: an object of a struct class that the heap has seen before. NULL without an error where there is more to do.
static inline gcsim_handle *new_at_once(struct heap_object *h, PyObject *what)
{
    if (BIND_UNLIKELY(!IS_STRUCT_CLASS(h->state, what) || h->forks != bind_forks))
        return NULL;
    struct type_object *type = ((struct struct_class *)what)->type;
    if (BIND_UNLIKELY(!type || type->kind == GCSIM_KIND_ARRAY || !heap_knows(h, type)))
        return NULL;
    return heap_allocate_at_once(h, h->types[type->serial]);
}

static PyObject *heap_new(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    struct heap_object *h = (struct heap_object *)self;
    if (BIND_UNLIKELY(nargs != 1))
        return bind_raise(h->state, ERR_CONVERSION,
                          "heap.new takes a type, and the fields as keywords: heap.new(Node, n=1)");
    gcsim_handle *handle = new_at_once(h, args[0]);
    PyObject *ref = BIND_LIKELY(handle != NULL)
                        ? ref_from_handle(h, (PyTypeObject *)args[0], handle)
                        : new_long_way(h, args[0]);
    if (names && ref && BIND_UNLIKELY(new_set_fields(ref, args + 1, names) < 0))
        Py_CLEAR(ref);
    if (BIND_UNLIKELY(h->types_at != NULL) && ref && steps_name(h, ref) < 0)
        Py_CLEAR(ref);
    return heap_then(h, ref);
}

// --- collecting, and what can be asked

static PyObject *heap_collect(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"goroutine_leaks", NULL};
    struct heap_object *h = (struct heap_object *)self;
    struct slow_call call;
    gcsim_cycle cycle;
    int leaks = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$p:collect", names, &leaks))
        return NULL;
    if ((h->stepping && steps_finish(h) < 0) || slow_begin(h, &call, "collect") < 0)
        return NULL;
    gcsim_status status = leaks ? h->api->find_goroutine_leaks(call.m) : h->api->collect(call.m);
    if (status == GCSIM_OK)
        status = h->api->cycle_info(h->heap, 0, &cycle);
    slow_end(&call);
    return slow_failed(&call, status, "a collection") ? NULL
                                                      : heap_then(h, cycle_result(h, &cycle));
}

static PyObject *heap_free_os_memory(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct heap_object *h = (struct heap_object *)self;
    struct slow_call call;
    uint64_t released = 0;
    if (slow_begin(h, &call, "give memory back") < 0)
        return NULL;
    gcsim_status status = h->api->free_os_memory(call.m, &released);
    slow_end(&call);
    if (!call.error && status == GCSIM_NO_MEMORY)
        return bind_raise(
            h->state, ERR_MEMORY,
            "free_os_memory: the operating system took %llu bytes back and no more; it "
            "keeps memory that is locked (mlockall)",
            (unsigned long long)released);
    return slow_failed(&call, status, "free_os_memory") ? NULL
                                                        : PyLong_FromUnsignedLongLong(released);
}

static PyObject *violations_text(const gcsim_violation *found, uint64_t shown, uint64_t total)
{
    PyObject *text = PyUnicode_FromFormat("%llu invariants are broken:", (unsigned long long)total);
    for (uint64_t i = 0; text && i < shown; i++)
        Py_SETREF(text, PyUnicode_FromFormat("%U\n  [%u] %s", text, found[i].invariant,
                                             found[i].message));
    return text;
}

static PyObject *heap_verify(PyObject *self, PyObject *Py_UNUSED(unused))
{
    enum { ROOM = 20 };
    struct heap_object *h = (struct heap_object *)self;
    struct slow_call call;
    gcsim_violation found[ROOM];
    uint64_t n;
    if (h->stepping) {
        int64_t stepped = steps_verify(h, found, ROOM);
        if (stepped < 0)
            return NULL;
        n = (uint64_t)stepped;
    } else {
        if (slow_begin(h, &call, "verify it") < 0)
            return NULL;
        n = h->api->verify(call.m, found, ROOM);
        slow_end(&call);
        if (slow_failed(&call, GCSIM_OK, "verify"))
            return NULL;
    }
    if (!n)
        Py_RETURN_TRUE;
    if (n == 1 && found[0].invariant == 0)
        return heap_raise_status(h, GCSIM_NO_MEMORY, "verify");
    PyObject *text = violations_text(found, n < ROOM ? n : ROOM, n);
    if (text)
        PyErr_SetObject(h->state->errors[ERR_ERROR], text);
    Py_XDECREF(text);
    return NULL;
}

static PyObject *heap_weak(PyObject *self, PyObject *ref)
{
    return weak_for((struct heap_object *)self, ref);
}

static PyObject *heap_after_fork(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct heap_object *h = (struct heap_object *)self;
    if (heap_check_open(h) < 0)
        return NULL;
    if (h->forks == bind_forks)
        Py_RETURN_NONE;
    if (heap_is_own_poll(h)) {
        heap_raise_own_poll(h);
        return NULL;
    }
    heap_settle_fork(h);
    gcsim_status status = h->api->after_fork(h->heap);
    if (status != GCSIM_OK)
        return bind_raise(h->state, ERR_FORKED,
                          "the fork came in the middle of a call of another thread: the copy can "
                          "be read and closed, no more");
    h->forks = bind_forks;
    Py_RETURN_NONE;
}

// Addresses of all handles: Refs, and what else of Python roots objects.
static PyObject *heap_handle_addresses(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct heap_object *h = (struct heap_object *)self;
    gcsim_mutator *m = heap_enter(h);
    if (!m)
        return NULL;
    uint64_t n = h->api->handles(h->heap, NULL, 0), got = 0;
    void **all = PyMem_RawMalloc((n + 1) * sizeof *all);
    if (all)
        got = h->api->handles(h->heap, all, n);
    heap_leave(h, m);
    if (!all)
        return PyErr_NoMemory();
    if (got < n)
        n = got;
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (uint64_t i = 0; list && i < n; i++) {
        PyObject *address = PyLong_FromVoidPtr(all[i]);
        if (address)
            PyList_SET_ITEM(list, (Py_ssize_t)i, address);
        else
            Py_CLEAR(list);
    }
    PyMem_RawFree(all);
    return list;
}

static PyObject *heap_handle_traces(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct heap_object *h = (struct heap_object *)self;
    return h->traces ? PyDict_Values(h->traces) : Py_NewRef(Py_None);
}

static PyObject *heap_handles(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct heap_object *h = (struct heap_object *)self;
    if (heap_check_open(h) < 0)
        return NULL;
    PyObject *module = PyImport_ImportModule("gcsim._handles");
    PyObject *result = module ? PyObject_CallMethod(module, "handles", "O", self) : NULL;
    Py_XDECREF(module);
    return result;
}

static PyObject *heap_barrier_name(struct heap_object *h, void *Py_UNUSED(unused))
{
    return PyUnicode_FromString(heap_barriers[h->barrier.barrier]);
}

static PyObject *heap_stacks_name(struct heap_object *h, void *Py_UNUSED(unused))
{
    return PyUnicode_FromString(heap_stacks[h->barrier.stacks]);
}

static PyObject *heap_closed(struct heap_object *h, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(!h->heap);
}
static PyObject *heap_mode(struct heap_object *h, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(heap_modes[h->steps + h->is_virtual]);
}
static PyObject *heap_mark(struct heap_object *h, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(heap_marks[h->mark]);
}
static PyObject *heap_procs(struct heap_object *h, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLong(h->procs);
}

static PyObject *heap_debug(struct heap_object *h, void *Py_UNUSED(closure))
{
    return switches_text(&h->debug);
}

static PyObject *heap_get_percent(struct heap_object *h, void *Py_UNUSED(closure))
{
    return h->gc_percent < 0 ? Py_NewRef(Py_None) : PyLong_FromLong(h->gc_percent);
}

static int heap_set_percent(struct heap_object *h, PyObject *value, void *Py_UNUSED(closure))
{
    int32_t percent;
    struct slow_call call;
    if (!value) {
        bind_raise(h->state, ERR_FIELD,
                   "gc_percent cannot be deleted; None switches the collector off");
        return -1;
    }
    if (percent_from_python(h->state, "gc_percent", value, &percent) < 0 ||
        slow_begin(h, &call, "set gc_percent") < 0)
        return -1;
    h->api->set_gc_percent(call.m, percent);
    slow_end(&call);
    if (slow_failed(&call, GCSIM_OK, "gc_percent"))
        return -1;
    h->gc_percent = percent;
    return 0;
}

static PyObject *heap_limit_get(struct heap_object *h, void *Py_UNUSED(closure))
{
    if (heap_check_open(h) < 0)
        return NULL;
    if (h->memory_limit == INT64_MAX)
        Py_RETURN_NONE;
    return PyLong_FromLongLong(h->memory_limit);
}

static int heap_limit_set(struct heap_object *h, PyObject *value, void *Py_UNUSED(closure))
{
    int64_t limit;
    if (!value) {
        bind_raise(h->state, ERR_CONVERSION, "memory_limit cannot be deleted; None is no limit");
        return -1;
    }
    if (limit_from_python(h->state, value, &limit) < 0 || heap_swap_limit(h, limit) == -2)
        return -1;
    h->memory_limit = limit;
    return 0;
}

static PyObject *heap_repr(PyObject *self)
{
    struct heap_object *h = (struct heap_object *)self;
    char gogc[16] = "off";
    if (h->gc_percent >= 0)
        snprintf(gogc, sizeof gogc, "%d", (int)h->gc_percent);
    if (h->is_rewound)
        return PyUnicode_FromFormat("<gcsim.Heap as it was before it was rewound to step %llu>",
                                    (unsigned long long)h->rewound_to);
    return PyUnicode_FromFormat("<gcsim.Heap %llu mode=%s gogc=%s%s%s>",
                                (unsigned long long)h->serial, heap_modes[h->steps + h->is_virtual],
                                gogc, h->is_virtual ? " times=virtual" : "",
                                !h->heap                 ? " closed"
                                : h->forks != bind_forks ? " forked"
                                                         : "");
}

static PyObject *heap_no_copy(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return bind_raise(((struct heap_object *)self)->state, ERR_CONVERSION,
                      "a heap cannot be copied or pickled; heap.snapshot() gives a value that can");
}

#define FAST(f) ((PyCFunction)(void (*)(void))(f))
static PyMethodDef heap_methods[] = {
    {"new", FAST(heap_new), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("new($self, t, /, **fields)\n--\n\nA new zeroed object of type t, with these fields "
               "set: a reference to it.\n\n"
               "t is a struct class, or any type (i64, array[u8, 3]; its reference has the field "
               "`value`).\n"
               "Raises RangeError, ConversionError, WrongHeapError for values that do not fit; "
               "HeapMemoryError; ClosedHeapError;\n"
               "ForkedHeapError.")},
    {"collect", (PyCFunction)(void (*)(void))heap_collect, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("collect($self, /, *, goroutine_leaks=False)\n--\n\nA full collection and sweep, as "
               "runtime.GC: a Cycle. Ctrl-C abandons it.\n\ngoroutine_leaks: it also finds the "
               "goroutines that nothing can wake, as Go 1.26's goroutineleak profile does: see "
               "leaked_goroutines.")},
    {"free_os_memory", heap_free_os_memory, METH_NOARGS,
     PyDoc_STR(
         "free_os_memory($self, /)\n--\n\nA full collection, and then all free memory back to "
         "the system, as debug.FreeOSMemory: the bytes\nthat went last. The scavenger does "
         "most of this by itself, more slowly. Ctrl-C ends it early.\nHeapMemoryError: the "
         "system would not take some of it.")},
    {"verify", heap_verify, METH_NOARGS,
     PyDoc_STR("verify($self, /)\n--\n\nTrue if all invariants of the heap hold; else raises Error "
               "with those that do not.")},
    {"close", heap_close, METH_NOARGS,
     PyDoc_STR("close($self, /)\n--\n\nGives all memory back. References keep their identity, "
               "nothing else. Twice is fine.\n\n"
               "Raises BufferError while views of the heap's memory exist.")},
    {"weak", heap_weak, METH_O,
     PyDoc_STR("weak($self, ref, /)\n--\n\nA weak reference to the object: call it for a Ref, or "
               "None once the object is dead.")},
    {"handles", heap_handles, METH_NOARGS,
     PyDoc_STR("handles($self, /)\n--\n\nA list of the objects that Python roots, each with its "
               "address, its class and who holds it.")},
    {"after_fork", heap_after_fork, METH_NOARGS,
     PyDoc_STR("after_fork($self, /)\n--\n\nIn a forked child: makes the child's copy of the heap "
               "usable. Raises ForkedHeapError if the fork came\n"
               "in the middle of another thread's call.")},
    {"_handle_addresses", heap_handle_addresses, METH_NOARGS, NULL},
    {"_handle_traces", heap_handle_traces, METH_NOARGS, NULL},
    {"__enter__", heap_enter_with, METH_NOARGS, NULL},
    {"__exit__", FAST(heap_exit), METH_FASTCALL, NULL},
    {"__reduce__", heap_no_copy, METH_NOARGS, NULL},
    {"__deepcopy__", heap_no_copy, METH_O, NULL},
    {"__copy__", heap_no_copy, METH_NOARGS, NULL},
    HOOKS_HEAP_METHODS,
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef heap_getset[] = {
    {"closed", (getter)heap_closed, NULL, "whether the heap is closed", NULL},
    {"barrier", (getter)heap_barrier_name, NULL, "name of the write barrier", NULL},
    {"stacks", (getter)heap_stacks_name, NULL, "\"stopped\", \"first\" or \"last\"", NULL},
    {"mode", (getter)heap_mode, NULL, "\"threads\" or \"steps\"", NULL},
    {"mark", (getter)heap_mark, NULL,
     "the mark engine: \"field\", \"object\", \"span\" or \"mixed\"", NULL},
    {"procs", (getter)heap_procs, NULL,
     "processors that the program's threads and the collector share (GOMAXPROCS)", NULL},
    {"debug", (getter)heap_debug, NULL,
     "the debug switches that are on, as Heap(debug=) takes them; \"\" if none is", NULL},
    {"gc_percent", (getter)heap_get_percent, (setter)heap_set_percent,
     "GOGC, as SetGCPercent; None: the collector is off", NULL},
    {"memory_limit", (getter)heap_limit_get, (setter)heap_limit_set,
     "GOMEMLIMIT in bytes, as SetMemoryLimit: takes an int or a text such as \"64MiB\"; None: no "
     "limit",
     NULL},
    HOOKS_HEAP_GETSET,
    {NULL, NULL, NULL, NULL, NULL},
};
static PyMemberDef heap_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(struct heap_object, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};
static PyType_Slot heap_slots[] = {
    {Py_tp_doc,
     (void *)PyDoc_STR(
         "Heap(*, gogc=100, memory_limit=None, procs=None, era=None, barrier=\"hybrid\", "
         "mark=\"mixed\", mode=\"threads\",\n"
         "     seed=None, reserve=None, events=0, trace_refs=False, green_tea=True, "
         "clobber_free=False, gcstoptheworld=0, barrier_buffer=512, debug=\"\",\n"
         "     gc_period=None, stacks=\"stopped\", rescan_stacks=None, allocate=\"black\", "
         "final_flush=True, late_barrier=False, preempt_barrier=False, roots=\"precise\", "
         "pacer=\"runway\", costs=None, mem_profile_rate=None, huge_pages=None, numa=None)\n--\n\n"
         "A heap with Go's allocator and collector. Close it with `with` or close(); or it closes "
         "when it is collected.\n\n"
         "gogc          first gc_percent; None is off\n"
         "memory_limit  GOMEMLIMIT: bytes or \"64MiB\"; None: no limit\n"
         "gc_period     seconds after a collection until the next starts by itself, unless gogc is "
         "off; None: 120, as Go; not for steps\n"
         "procs         GOMAXPROCS, 1 to 64: processors that the program's threads and the "
         "collector share; None: the machine's\n"
         "mark          the mark engine: \"field\" (the reference; the default with "
         "mode=\"steps\"), "
         "\"object\" (prefetches), \"span\" (Green Tea), or \"mixed\": spans of slots to 32 bytes, "
         "larger objects one by one\n"
         "mode          \"threads\", or \"steps\": the same collector as coroutines, or "
         "\"virtual\": coroutines with clocks on procs (to 256) virtual processors;\n"
         "              all times are virtual ns then, the same in every run\n"
         "costs         mode=\"virtual\": {step point: ns, or (ns, ns per unit of its arg)}, where "
         "they differ from the standard table,\n"
         "              which was measured on one machine (make virtual ARGS=calibrate: on yours)\n"
         "seed          what the heap profile samples; mode=\"virtual\": decides between events at "
         "the same time\n"
         "reserve       address space for objects: bytes or \"64MiB\"; None: what the system "
         "grants up to 64 GiB\n"
         "events        records kept in the event ring, 0 to 2**28; 0 is off\n"
         "trace_refs    remember the file and line that made each Ref (slow), for handles()\n"
         "green_tea     False lays spans out as GOEXPERIMENT=nogreenteagc does\n"
         "clobber_free  fill freed memory with 0xdeadbeef, as GODEBUG=clobberfree=1\n"
         "gcstoptheworld  1: mark with the world stopped; 2: sweep too\n"
         "barrier_buffer  pointers that a thread's write barrier notes before it shades them, 0 to "
         "512\n"
         "barrier       what a store does while marking: \"hybrid\" (Go 1.8 on: shade old, shade "
         "new, "
         "store), \"hybrid-conditional\" (shade new\n"
         "              only while the mutator's stacks are grey), \"dijkstra\" (Go 1.5 to 1.7: "
         "shade "
         "new, store), \"yuasa\" (shade old, store),\n"
         "              \"steele\" (store, scan the object again), \"none\"; and, wrong on "
         "purpose, "
         "\"hybrid-store-first\",\n"
         "              \"hybrid-old-last\", \"yuasa-store-first\", \"dijkstra-store-first\"\n"
         "stacks        when frames are scanned: \"stopped\": all in the first stop; \"first\" or "
         "\"last\" (steps only): each mutator's at a safe\n"
         "              point of its own, before or after all else\n"
         "rescan_stacks  True: once more in the last stop; None: if the barrier needs it\n"
         "allocate      \"black\": objects made while marking are marked; \"white\": a mistake\n"
         "final_flush   False, a mistake: mark termination leaves barrier buffers as they are\n"
         "late_barrier  True, a mistake (steps only): the program runs on before the barrier is "
         "on\n"
         "preempt_barrier  True, a mistake (steps only): the world may stop, and frames be "
         "scanned, "
         "in the middle of a barrier\n"
         "              With a barrier or an option that may lose objects, no check ends the "
         "process; "
         "what is lost is freed as garbage is.\n"
         "roots         \"precise\", or \"conservative\": each word of a frame may be a pointer, "
         "as "
         "before Go 1.3\n"
         "pacer         when a collection starts: \"runway\" (Go 1.18 on), \"ratio\" (1.5 to "
         "1.17), "
         "\"at-goal\" (before)\n"
         "mem_profile_rate  bytes per sample of the heap profile: 1 is each object, 0 none; None: "
         "512 KiB as in Go, 0 but with mode=\"threads\"\n"
         "huge_pages    None: the part of a heap above its first 16 MiB asks for transparent huge "
         "pages; True or \"always\": all of it;\n"
         "              False or \"never\": none. A hint: heap.huge_pages says what came of it\n"
         "              A thread that touches one for the first time answers no stop until the\n"
         "              system has cleared 2 MiB, which on a virtual machine can take 4 ms\n"
         "numa          which memory nodes the pages come from: None: as the process has it; "
         "\"local\": the node of the thread that\n"
         "              touches a page first; \"interleaved\": all nodes in turn; \"bound:0\", "
         "\"bound:0,2-3\": these alone. PlacementError:\n"
         "              the machine has no such nodes. heap.placement says where pages are\n"
         "era           a Go version, \"1.0\" to \"1.26\": what is not given here is as it was "
         "then "
         "(gcsim.eras() says what that is)\n"
         "debug         switches as in GODEBUG, \"name=value,...\"; those named here win over "
         "the options above:\n"
         "                clobberfree=1     as clobber_free\n"
         "                efence=1          each object on pages of its own, which are never used "
         "again\n"
         "                gccheckmark=1     after marking, mark again with the world stopped and "
         "compare\n"
         "                gcstoptheworld=N  as gcstoptheworld\n"
         "                sbrk=1            nothing is ever freed; no collection starts by itself\n"
         "                verifyphases=1    check all invariants at each edge of a collection, as "
         "debug builds do\n"
         "                stressbytes=N     a collection at the latest when so much was allocated "
         "since the last\n"
         "                barrierbuffer=N   as barrier_buffer\n"
         "              A broken invariant ends the process with a message: the heap is corrupt "
         "then.")},
    {Py_tp_new, heap_tp_new},
    {Py_tp_dealloc, heap_dealloc},
    {Py_tp_traverse, heap_traverse},
    {Py_tp_clear, heap_clear},
    {Py_tp_repr, heap_repr},
    {Py_tp_methods, heap_methods},
    {Py_tp_getset, heap_getset},
    {Py_tp_members, heap_members},
    {0, NULL},
};
static PyType_Spec heap_spec = {
    .name = "gcsim.Heap",
    .basicsize = sizeof(struct heap_object),
    .slots = heap_slots,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
};

static int heaps_init(PyObject *module, struct bind_state *state)
{
    if (watch_forks() < 0) {
        PyErr_NoMemory();
        return -1;
    }
    state->heap_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &heap_spec, NULL);
    return state->heap_type && PyModule_AddType(module, state->heap_type) == 0 ? 0 : -1;
}
