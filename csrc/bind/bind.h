// What the files of the binding share: module state, the layouts of Heap, Type and Ref objects, and the few ways in and out
// of the core. module.c #includes every other .c file of csrc/bind, so all functions here are static.
//
// Laws. (1) Nobody waits for the collector with the GIL held, and nobody waits for the GIL while holding up a stop, except the
// poll of a long call. heap_enter is for short calls that keep the GIL; slow_begin for all that may stop the world, collect,
// allocate in bulk or take long. (2) Between heap_enter and heap_leave, and between slow_begin and slow_end, no Python API is
// called. (3) Python code can run inside any conversion of a value: convert first, then heap_enter, then write.
// (4) A Ref, or anything else that keeps a gcsim_handle, keeps its object; a raw address in C does not outlive heap_leave.
// (5) While the GIL is held and no Python code runs, memory of a reachable object may be read and scalars may be written
// without entering: nothing that Python can start frees it meanwhile.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <assert.h>
#include <stdbool.h>

#include "gcsim/gcsim.h"
#include "gcsim/steps.h"

#if PY_VERSION_HEX < 0x030b0000
#error "gcsim needs CPython 3.11 or later"
#endif

#define BIND_LIKELY(x)   __builtin_expect(!!(x), 1)
#define BIND_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define BIND             static __attribute__((unused))
#define BIND_COLD        static __attribute__((unused, cold, noinline))

// --- module state

enum bind_error { // classes of gcsim/_errors.py
    ERR_ERROR,
    ERR_CLOSED,
    ERR_FORKED,
    ERR_STALE,
    ERR_WRONG_HEAP,
    ERR_TYPE_DEFINITION,
    ERR_RANGE,
    ERR_MEMORY,
    ERR_NOT_THERE,
    ERR_THREAD,
    ERR_CONVERSION,
    ERR_FIELD,
    ERR_STATE,
    ERR_OPTION,
    ERR_WORKLOAD,
    ERR_DEADLOCK,
    ERR_PLACEMENT,
    BIND_ERRORS
};

// Types made by other files of the binding: state->types[TYPE_...]. Add a line for a new one.
enum bind_type {
    TYPE_SLICE,
    TYPE_SLICE_ITER,
    TYPE_ARRAY,
    TYPE_STRING,
    TYPE_BATCH,
    TYPE_GOROUTINE,
    TYPE_FRAME,
    TYPE_GLOBALS,
    TYPE_CYCLE,
    TYPE_SPAN,
    TYPE_EVENT,
    TYPE_MEMSTATS,
    TYPE_BUFFER,
    TYPE_CLEANUP,
    TYPE_BOX,
    TYPE_FUNC,
    TYPE_MAP,
    TYPE_MAP_ITER,
    TYPE_MAP_CLASS, // gcsim._maps.Map, imported at first use
    TYPE_SPARE1,
    TYPE_SPARE2,
    TYPE_SPARE3,
    BIND_TYPES
};

enum { REF_FREELIST = 256 };

struct bind_state {
    PyTypeObject *ref_type;    // gcsim._core.Ref
    PyTypeObject *struct_type; // gcsim._core.StructType, the metaclass of struct classes
    PyTypeObject *field_type;
    PyTypeObject *type_type; // gcsim._core.Type
    PyTypeObject *heap_type;
    PyTypeObject *weak_type;
    PyObject *errors[BIND_ERRORS];
    PyTypeObject *types[BIND_TYPES];
    PyObject *type_objects; // WeakValueDictionary: TypeInfo -> Type
    PyObject *describe;     // gcsim._types.describe, imported at first use
    uint32_t type_serials;
    uint64_t heap_serials, mapped_serials;
    uint32_t free_count;
    void *free_refs[REF_FREELIST]; // memory of Refs to use again
    gcsim_capi capi;               // what the capsule points to
    struct type_object *byte_type; // uint8, made at first use: bind_byte_type
};

// --- types: the C mirror of a gcsim._types.TypeInfo

enum {
    BIND_KIND_INT = GCSIM_KIND_INT64,
    BIND_KIND_UNSAFE_POINTER = GCSIM_KINDS
}; // "unsafe.Pointer" has no gcsim_kind of its own

struct type_object {
    PyObject_HEAD struct bind_state *state;
    uint32_t kind;   // gcsim_kind, or BIND_KIND_UNSAFE_POINTER
    uint32_t serial; // dense in the module; index of heap_object.types
    uint64_t bytes, ptr_bytes;
    uint32_t align;
    uint32_t is_bytes;        // []byte written as Python's bytes
    uint64_t count;           // of an array
    PyObject *info;           // the TypeInfo
    PyObject *name;           // str, for type_name; NULL before
    struct type_object *elem; // of a pointer, slice, array; NULL until type_elem has resolved it
    PyTypeObject *
        cls; // borrowed: the class whose Refs point to such a value; NULL until type_class has made it
    PyObject *keep_cls; // owns cls where nobody else does (scalars, and structs without a class)
    PyObject *weakrefs;
    struct map_kind *map; // of a map: map_bind.c; NULL before its first use
};

// The mirror of a TypeInfo, or of anything gcsim._types.describe understands (a struct class, i64, int, ptr["Node"]...). New reference.
BIND struct type_object *type_from_python(struct bind_state *state, PyObject *type_or_info);
// The element type of a pointer, slice or array; borrowed. NULL with an error: a name cannot be resolved, or there is none.
BIND struct type_object *type_elem(struct type_object *type);
// The class whose instances point to a value of this type: the struct class, or for anything else a class with the one
// field `value`. New reference.
BIND PyTypeObject *type_class(struct type_object *type);
// uint8: what strings and []byte are made of; borrowed.
BIND struct type_object *bind_byte_type(struct bind_state *state);
// Its name as Go writes it, UTF-8, valid as long as the type; never NULL, never fails.
BIND const char *type_name(struct type_object *type);

// --- struct classes: instances of StructType, subclasses of Ref

struct field_object {
    PyObject_HEAD PyTypeObject *owner; // strong (Field is collected by Python's own collector)
    PyObject *name;
    struct type_object *type; // NULL until the class is resolved
    uint64_t offset;
    uint32_t kind; // copy of type->kind; FIELD_UNBOUND before the class is resolved
};
enum {
    FIELD_UNBOUND = 255,
    FIELD_HIDDEN =
        254 /* two embedded structs have it: Go gives no access; or it is the runtime's own */
};

struct struct_class { // what a class made by make_struct_class is
    PyHeapTypeObject base;
    struct type_object *type; // NULL until resolved: class_type
    PyObject *
        resolver; // callable(cls) -> TypeInfo; NULL: this is a class statement's raw class, not a struct
    struct struct_class *base0; // strong: the class whose struct is embedded first, at offset 0
    struct struct_class *older; // borrowed: of the same type, made before (type->cls is the newest)
    struct field_object **fields; // strong
    Py_ssize_t field_count;
};

#define IS_STRUCT_CLASS(state, o) Py_IS_TYPE((PyObject *)(o), (state)->struct_type)

static inline struct bind_state *class_state(struct struct_class *cls)
{
    return PyType_GetModuleState(Py_TYPE(cls));
}

// PyObject_GetAttrString with a name that is the same object each time: CPython's cache of attributes keeps every other one, thousands of them.
static inline PyObject *bind_attribute(PyObject *o, const char *name)
{
    PyObject *interned = PyUnicode_InternFromString(name);
    PyObject *value = interned ? PyObject_GetAttr(o, interned) : NULL;
    Py_XDECREF(interned);
    return value;
}

// The type of a struct class, resolving it now if that has not been done; borrowed, NULL with an error.
BIND struct type_object *class_type(struct struct_class *cls);

// --- heaps

enum heap_attention { // any bit sends heap_enter the long way
    HEAP_CLOSED = 1,
    HEAP_CLOSING = 2,
    HEAP_DEFERRED = 4,
    HEAP_SLOW_STEPS = 8, /* step mode: another thread is inside */
    HEAP_LEFT = 16,      /* a workload that cannot be ended was left behind in it */
    HEAP_STEPPED =
        32, /* a cycle is being stepped: who is about to touch the heap says so first (steps_bind.c) */
    HEAP_UNSOUND = 64, /* step mode: objects may get lost, so who follows a pointer asks (lost.c) */
    HEAP_DEAD = 128,   /* everybody in it waits for somebody else */
    HEAP_READ_ONLY =
        256 /* files are mapped for reading: who stores asks (placement_bind.c). heap_enter does not mind */
};

struct heap_deferred { // something to drop whose owner died when no mutator could be had
    struct heap_deferred *next;
    void (*drop)(const gcsim_api *api, gcsim_mutator *m, void *what);
    void *what;
};

// The debug switches of a heap, as asked for (switches.c).
struct heap_switches {
    uint64_t clobber_free, efence, check_mark, stop_the_world, sbrk, verify_phases, stress_bytes,
        shade_entries;
};
#define HEAP_SWITCHES_DEFAULT {.shade_entries = 512}

// The write barrier of a heap and what goes with it, as in gcsim_options.
struct heap_barrier {
    uint32_t barrier, stacks, rescan_stacks, allocate_white, no_final_flush, late_barrier,
        preempt_barrier, conservative_stacks, pacer;
};

enum { HEAP_COSTS = 64 };
struct heap_object {
    PyObject_HEAD struct bind_state *state;
    const gcsim_api *api;
    gcsim_heap *heap;       // NULL once closed
    uint32_t attention;     // enum heap_attention
    uint32_t forks;         // number of forks when it was made (or adopted): differs in a child
    uint32_t settled_forks; // heap_settle_fork has run for this many
    int64_t memory_limit;   // INT64_MAX: none
    uint32_t closing;       // threads that wait in close()
    gcsim_mutator **idle; // mutators that no long call uses; a short one uses the last in its place
    uint32_t idle_count;
    uint32_t idle_room;
    uint32_t mutators;        // all that are attached
    uint32_t slow_calls;      // calls that are without the GIL now, at work or waiting
    uint32_t step_calls;      // in step mode, those at work
    uint32_t runs;            // workloads that run in it: close() refuses
    const gcsim_type **types; // by type_object.serial; NULL where the heap has not got the type yet
    uint32_t types_room;
    uint32_t types_by_id_room;
    struct type_object **types_by_id; // strong, by gcsim_type.id: heap_type_of
    struct heap_map_type **map_types; // by type_object.serial: map_bind.c
    uint32_t map_types_room;
    struct map_insides *map_insides; // of keys with interfaces
    uint64_t map_random;             // state of chance of the heap's maps, from the seed
    uint32_t steps;                  // api->steps
    uint32_t is_virtual;             // 1: and time is virtual
    uint64_t seed;
    int64_t sample_rate; // mem_profile_rate
    struct {
        uint32_t n;
        gcsim_cost each[HEAP_COSTS];
    } costs;          // of virtual time, where given
    uint64_t exports; // live buffers and views: close() refuses
    struct heap_deferred *deferred;
    uint64_t serial; // of the heap in this process: survives close, tells heaps apart in repr
    char *arena;     // first byte of page 0: addresses are shown and events counted from here
    PyObject *weakrefs;
    struct heap_roots *
        roots; // goroutine.c: names of globals, owners of goroutines, layouts of frames; heap_roots_free at dealloc
    struct heap_callback *callbacks, *cleared_callbacks; // specials.c: finalizers and cleanups set
    uint64_t callback_count, callbacks_unrun; // set and not run; of those, when it was closed
    uint32_t callbacks_ready;                 // some may wait to be run: heap_then
    PyObject *functions; // iface_bind.c: a list, NULL before the first; func values point into it
    PyObject
        *traces;    // trace_refs=True: dict, handle address -> (class name, file, line); else NULL
    uint32_t tells; // 1: a trace may be on
    PyObject *trace_files[GCSIM_TRACES]; // whose write gets the lines of a gcsim_trace, or NULL
    int trace_fds[GCSIM_TRACES];         // our copy of the file descriptor that gets them, + 1
    int32_t gc_percent;                  // negative = off
    uint32_t procs, mark, event_room;
    struct heap_switches debug;
    struct heap_barrier barrier;
    uint32_t period_ms;         // gc_period; 0 = default
    struct mapped_file *mapped; // placement_bind.c: files as memory, until they are closed
    uint32_t huge_pages, place; // gcsim_huge_pages, gcsim_place
    uint64_t place_nodes;
    uint64_t reserve_bytes;        // as asked for; 0 = default
    PyThread_type_lock steps_lock; // step mode: held by the one call that runs without the GIL
    uint32_t watched;   // references are told of as they come and go: trace_refs, or step mode
    PyObject *types_at; // step mode: dict, address -> TypeInfo of the last object made there
    uint64_t stepped;   // cycles, so far
    uint64_t rewinds;   // how often it went to another step
    struct heap_steps *stepping; // steps_bind.c: the cycle that is being stepped
    struct heap_object *rewound; // what stale references belong to in its stead: a closed heap
    struct heap_object *origin;  // of such a one; borrowed, NULL once that is gone
    bool recording;              // events_bind.c
    bool is_rewound;             // it is such a one ...
    uint64_t rewound_to;         // ... since the other went to this step
};

// Of a cycle that is being stepped (steps_bind.c). touch: before the world may change. born: something that Python owns is in the world from
// the next step on; when the heap is rewound to before it, turn(.., false) makes it stale, and true is the way back. 0, or -1 with an
// error. died: it is gone; root: its handle, or NULL.
typedef void (*steps_turn)(struct heap_object *h, void *what, bool there);
BIND_COLD void steps_touch(struct heap_object *h);
BIND_COLD int steps_born(struct heap_object *h, void *what, steps_turn turn);
BIND_COLD int steps_kept(struct heap_object *h, PyObject *what, steps_turn turn); // it owns `what`
BIND_COLD void steps_died(struct heap_object *h, void *what, gcsim_handle *root);
// For all that begins with its heap, as a Ref does: stale is to belong to a closed one.
static void steps_turn_owner(struct heap_object *h, void *what, bool there);
static int steps_type_born(struct heap_object *h, struct type_object *t, const gcsim_type *made);
static void steps_turn_mutator(struct heap_object *h, void *mutator, bool there);
static inline int heap_born(struct heap_object *h, void *owner)
{
    return BIND_UNLIKELY(h->stepping != NULL) ? steps_born(h, owner, steps_turn_owner) : 0;
}
static inline void heap_died(struct heap_object *h, void *owner, gcsim_handle *root)
{
    if (BIND_UNLIKELY(h->stepping != NULL || h->origin != NULL))
        steps_died(h, owner, root);
}

// A reference to (the inside of) an object: the base layout of every struct class instance. Not seen by Python's collector: it
// refers to its heap and its class only, and a heap refers to no Ref.
struct ref_object {
    PyObject_HEAD struct heap_object *heap; // strong
    gcsim_handle *handle;                   // the root; meaningless once the heap is closed
    char *address; // objects do not move; kept here so that a Ref knows itself after close
};

#define IS_REF(state, o) PyObject_TypeCheck((PyObject *)(o), (state)->ref_type)

// debug= of Heap(): 0, or -1 with an error that lists the switches there are. And what is set of them, written so.
BIND int switches_from_python(struct bind_state *state, PyObject *debug, struct heap_switches *s);
BIND PyObject *switches_text(const struct heap_switches *s);

BIND_COLD void heap_raise_closed(struct heap_object *h);
BIND_COLD void heap_raise_forked(struct heap_object *h, const char *doing);

// Raises what a status means: `what` says in a few words what was tried ("an object of 48 bytes"). Always returns NULL.
BIND_COLD void *heap_raise_status(struct heap_object *h, gcsim_status status, const char *what);
// Shorthand: raises state->errors[error] with PyErr_Format's words. Always returns NULL.
BIND_COLD void *bind_raise(struct bind_state *state, enum bind_error error, const char *format,
                           ...);

// 0, or -1 with ClosedHeapError. Enough for reading and for writing scalars under the GIL (law 5).
BIND_COLD int heap_check_open_long_way(struct heap_object *h);
static inline int heap_check_open(struct heap_object *h)
{
    if (BIND_LIKELY(h->heap != NULL && !(h->attention & (HEAP_CLOSING | HEAP_STEPPED))))
        return 0;
    return heap_check_open_long_way(h);
}

// 0, or -1 with LostObjectError: the address leads to a slot that was freed too early. The heap is open.
BIND_COLD int heap_lost_long_way(struct heap_object *h, const void *address);
static inline int heap_check_lost(struct heap_object *h, const void *address)
{
    return BIND_LIKELY(!(h->attention & HEAP_UNSOUND)) ? 0 : heap_lost_long_way(h, address);
}

// Does the address lie in a file that is mapped for reading? check: 0, or -1 with StateError.
BIND_COLD bool heap_read_only_long_way(struct heap_object *h, const void *address);
BIND_COLD int heap_raise_read_only(struct heap_object *h);
static inline bool heap_is_read_only(struct heap_object *h, const void *address)
{
    return BIND_UNLIKELY(h->attention & HEAP_READ_ONLY) && heap_read_only_long_way(h, address);
}
static inline int heap_check_writable(struct heap_object *h, const void *address)
{
    return heap_is_read_only(h, address) ? heap_raise_read_only(h) : 0;
}

// Number of forks this process has gone through; a pthread_atfork handler counts.
static volatile uint32_t bind_forks;

// Written with the GIL; polls of long calls read it without.
static inline void heap_attend(struct heap_object *h, uint32_t set, uint32_t clear)
{
    GCSIM_STORE(&h->attention, (h->attention & ~clear) | set);
}

// False also where it is to be told of first: heap_check_own.
static inline bool heap_is_own(struct heap_object *h)
{
    return BIND_LIKELY(
        h->heap != NULL &&
        !(h->attention & (HEAP_CLOSING | HEAP_STEPPED | HEAP_UNSOUND | HEAP_READ_ONLY)) &&
        h->forks == bind_forks);
}

// 0, or -1 with ClosedHeapError or ForkedHeapError: for calls that change the heap. `doing` completes "cannot ...".
static inline int heap_check_own(struct heap_object *h, const char *doing)
{
    if (heap_is_own(h))
        return 0;
    if (heap_check_open(h) < 0)
        return -1;
    if (h->forks == bind_forks)
        return 0;
    heap_raise_forked(h, doing);
    return -1;
}

// Short calls, GIL kept. heap_enter gives a mutator that is inside, or NULL with an error (closed; forked copies may enter, to make
// handles for what is read; whoever changes a heap calls heap_check_own). It may release the GIL while it waits for a collection: what was read of Python objects before
// must be checked again if that matters. heap_try_enter never waits, never raises: NULL if it is not possible at once.
// The mutator is the last of the pool and stays in it: by law 2 nobody else can come before heap_leave, not this thread either.
BIND_COLD gcsim_mutator *heap_enter_long_way(struct heap_object *h, gcsim_mutator *m);

// gcsim_enter without its wait. False if the world is being stopped or the mutator is to pass a safe point (gc/world.h). It takes no
// processor: of the threads in short calls one at a time has the GIL.
static inline bool heap_mutator_goes_in(gcsim_mutator *m)
{
    assert(!GCSIM_DEBUG || !m->inside);
    GCSIM_STORE(&m->inside, 1u);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (BIND_LIKELY(!__atomic_load_n(m->stop, __ATOMIC_ACQUIRE)))
        return true;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return !(__atomic_load_n(m->stop, __ATOMIC_ACQUIRE) & (GCSIM_STOP_NOW | GCSIM_STOP_RAGGED));
}

static inline gcsim_mutator *heap_enter(struct heap_object *h)
{
    if (BIND_UNLIKELY((h->attention & ~HEAP_READ_ONLY) || !h->idle_count))
        return heap_enter_long_way(h, NULL);
    gcsim_mutator *m = h->idle[h->idle_count - 1];
    return BIND_LIKELY(heap_mutator_goes_in(m)) ? m : heap_enter_long_way(h, m);
}

static inline gcsim_mutator *heap_try_enter(struct heap_object *h)
{
    if (BIND_UNLIKELY((h->attention & ~(HEAP_DEFERRED | HEAP_READ_ONLY)) || !h->idle_count))
        return NULL;
    gcsim_mutator *m = h->idle[h->idle_count - 1];
    if (BIND_LIKELY(heap_mutator_goes_in(m)))
        return m;
    gcsim_leave(m);
    return NULL;
}

static inline void heap_leave(struct heap_object *h, gcsim_mutator *m)
{
    assert(!GCSIM_DEBUG || m == h->idle[h->idle_count - 1]);
    gcsim_leave(m);
}

// Long calls. After slow_begin the GIL is released and call->m is inside; -1 with an error otherwise (`doing` as in
// heap_check_own; the heap must be open, this process's own, and not polling on this very thread). slow_end takes the GIL
// back. The heap is not closed meanwhile: close() waits. Always check `call->error` after slow_end: a poll may have raised
// (KeyboardInterrupt); slow_failed does it and turns a status into an exception.
struct slow_call {
    struct heap_object *heap;
    gcsim_mutator *m;
    PyThreadState *thread;
    struct slow_call *outer; // of this thread
    PyObject *error;         // exception that a poll raised
    uint64_t polled_ns;
};
BIND int slow_begin(struct heap_object *h, struct slow_call *call, const char *doing);
BIND void slow_end(struct slow_call *call);
// True with an exception set if the poll raised or status is not GCSIM_OK.
BIND bool slow_failed(struct slow_call *call, gcsim_status status, const char *what);

// For deallocators of things that need a mutator (weak references, globals, batches): drops now if possible, else later. Never
// fails, never waits; does nothing when the heap is closed.
BIND void heap_drop(struct heap_object *h, void (*drop)(const gcsim_api *, gcsim_mutator *, void *),
                    void *what);

// The heap's type for `type`, made at first use. NULL with an error. No mutator needed; GIL held, not inside.
BIND_COLD const gcsim_type *heap_type_make(struct heap_object *h, struct type_object *type);
static inline bool heap_knows(struct heap_object *h, struct type_object *type)
{
    return type->serial < h->types_room && h->types[type->serial];
}
static inline const gcsim_type *heap_type(struct heap_object *h, struct type_object *type)
{
    return BIND_LIKELY(heap_knows(h, type)) ? h->types[type->serial] : heap_type_make(h, type);
}

// A zeroed object, already rooted: `count` elements of `type` (count 1 and array false: one object). NULL with an error; GIL held, not
// inside; checks open and own. Releases the GIL when the allocation may have to collect. Drop with heap_unroot.
BIND gcsim_handle *heap_allocate(struct heap_object *h, const gcsim_type *type, bool array,
                                 uint64_t count);
// One object while the GIL is kept, of what a mutator of this heap has at hand: neither collects nor waits. NULL without an error
// otherwise, and in step mode, where allocating is a poll. The heap is this process's own.
static inline gcsim_handle *heap_allocate_at_once(struct heap_object *h, const gcsim_type *type)
{
    gcsim_mutator *m = BIND_LIKELY(!h->steps) ? heap_try_enter(h) : NULL;
    if (BIND_UNLIKELY(!m))
        return NULL;
    gcsim_handle *handle = h->api->new_at_once(m, type);
    heap_leave(h, m);
    return handle;
}
static inline void heap_unroot(struct heap_object *h, gcsim_handle *handle)
{
    if (!h->heap)
        return;
    if (BIND_UNLIKELY(h->stepping != NULL))
        steps_touch(h);
    h->api->handle_drop(h->heap, handle);
}
// profile_bind.c: the site (gcsim_mutator.site) of what is about to be allocated the long way: Python's stack, if that will be sampled by the
// heap profile, else 0. type NULL: many objects. 0, or -1 with an error; GIL held, not inside.
BIND_COLD int profile_site(struct heap_object *h, const gcsim_type *type, uint64_t count,
                           uint32_t *site);
// The Type behind a type of this heap (dynamic types of interfaces, objects with headers); borrowed, NULL without error if unknown.
BIND struct type_object *heap_type_of(struct heap_object *h, const gcsim_type *type);
// A handle for an address that is reachable now; NULL with an error.
BIND gcsim_handle *heap_root(struct heap_object *h, void *address);

// --- refs

// A Ref of class `cls` that takes over `handle` (dropped on failure). GIL held, not inside.
BIND PyObject *ref_from_handle(struct heap_object *h, PyTypeObject *cls, gcsim_handle *handle);
// A Ref for an address that is reachable now (reads of pointers, interior Refs). address not NULL.
BIND PyObject *ref_new(struct heap_object *h, PyTypeObject *cls, void *address);
// The same for a value of `type`: its class is found or made.
BIND PyObject *ref_to(struct heap_object *h, struct type_object *type, void *address);
// Loads *slot and gives a Ref of `cls`, or None for nil.
BIND PyObject *ref_load(struct heap_object *h, PyTypeObject *cls, void **slot);
// The address of `value` for a pointer to `elem` (NULL: of any type) in heap h: 0 and *out (NULL for None), or -1 with ConversionError,
// WrongHeapError, ClosedHeapError. Borrowed: valid while `value` is.
BIND int ref_address_for(struct heap_object *h, struct type_object *elem, PyObject *value,
                         void **out);
// The same for the usual case: None, or a Ref of the class that stands for `elem`. False: ask the long way.
static inline bool ref_address_at_once(struct heap_object *h, struct type_object *elem,
                                       PyObject *value, void **out)
{
    if (value == Py_None) {
        *out = NULL;
        return true;
    }
    struct ref_object *ref = (struct ref_object *)value;
    if (BIND_UNLIKELY(Py_TYPE(value) != elem->cls || ref->heap != h))
        return false;
    *out = ref->address;
    return true;
}
// The type a Ref points to; borrowed, NULL with an error.
BIND struct type_object *ref_type_of(struct bind_state *state, PyObject *ref);

// --- values at an address, by type. `address` lies in an object that the caller keeps alive across the call.
// get: ints, floats, complex, bool as Python's; string as str; pointers as Ref or None; struct as interior Ref; array and slice views.
BIND PyObject *value_get(struct heap_object *h, struct type_object *type, void *address);
// set: exact, with RangeError or ConversionError and nothing written; pointers through the barrier. 0 or -1. Checks open and own.
BIND int value_set(struct heap_object *h, struct type_object *type, void *address, PyObject *value);
// The same for scalar kinds (is_scalar) and any address, in a heap or not; needs no heap.
BIND PyObject *scalar_get(struct type_object *type, const void *address);
BIND int scalar_set(struct bind_state *state, struct type_object *type, void *address,
                    PyObject *value);
static inline bool is_scalar(uint32_t kind)
{
    return kind >= GCSIM_KIND_BOOL && kind <= GCSIM_KIND_COMPLEX128;
}
// The bytes of a str (surrogateescape) or bytes as a rooted noscan object; *length 0 and *handle NULL for none. 0 or -1.
BIND int string_allocate(struct heap_object *h, PyObject *value, gcsim_handle **handle,
                         uint64_t *length);
// "64MiB", "1.5 GiB" or an int: bytes. 0 or -1 with RangeError or ConversionError naming `option`.
BIND int size_from_python(struct bind_state *state, const char *option, PyObject *value,
                          uint64_t *out);

// --- provided by the other files of csrc/bind (and hooks.h)

// slice.c: a Slice over `length` elements of `elem` at data (NULL: nil slice), roots data itself. Set: accepts Slice of the same element
// type, None; for []byte also bytes. Writes the three words through the barrier.
BIND PyObject *slice_get(struct heap_object *h, struct type_object *slice_type, void *address);
BIND int slice_set(struct heap_object *h, struct type_object *slice_type, void *address,
                   PyObject *value);
// array.c: a view of an array in place (an interior reference that keeps the whole object); assignment copies elements from an
// array view of the same type or a sequence of `count` values.
BIND PyObject *array_get(struct heap_object *h, struct type_object *array_type, void *address);
BIND int array_set(struct heap_object *h, struct type_object *array_type, void *address,
                   PyObject *value);
// iface_bind.c: what an interface or a func value at an address holds. words: what is to be stored for a value, which lives as long as
// *owner (strong, or NULL) and `value` do; 0 or -1. object: takes over the handle of the data word, NULL if that leads to no object.
struct iface;
BIND PyObject *iface_load(struct heap_object *h, void *address);
BIND int iface_words(struct heap_object *h, PyObject *value, struct iface *out, PyObject **owner);
BIND PyObject *iface_object(struct heap_object *h, struct iface words, gcsim_handle *handle);
BIND PyObject *func_load(struct heap_object *h, void *address);
BIND int func_word(struct heap_object *h, PyObject *value, void **out);
BIND PyObject *func_make(struct heap_object *h, gcsim_handle *handle, const void *closure);
// map_bind.c: a Map over a map in a field (nil too), and the address of one that may go there: 0 or -1.
BIND PyObject *map_field_get(struct heap_object *h, struct type_object *type, void *address);
BIND int map_address_for(struct heap_object *h, struct type_object *type, PyObject *value,
                         void **out);
// results.c: the Cycle that heap.collect() returns.
BIND PyObject *cycle_result(struct heap_object *h, const gcsim_cycle *cycle);
// tell.c: lines of traces. take: without the GIL, at the end of a long call; deliver: with it (call NULL: no
// call is under way; told may be NULL). nobody: lets go of all files.
struct told;
BIND struct told *tell_take(struct heap_object *h);
BIND void tell_deliver(struct heap_object *h, struct slow_call *call, struct told *told);
BIND void tell_nobody(struct heap_object *h);
// All else that slice.c, batch.c, goroutine.c and results.c give: methods and properties of Heap, and their init functions.
#include "bind/hooks.h"
