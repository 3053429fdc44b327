// sync.Pool in Python: what gcsim.Pool is made of, over lib/pool.
//
// The objects are structs of gcsim/_pools.py, laid out as those of the library. An operation makes what the pool lacks by calls that can wait and
// collect; then, in one short call, it goes on. What is in a pool is interface values, as iface_bind.c makes them.
#include "bind/bind.h"

#include "lib/pool.h"

#include "lib/pool.c"

static const gcsim_type *pool_type(struct heap_object *h, const char *name, size_t bytes)
{
    return lib_type_in(h, "gcsim._pools", name, bytes);
}

// A Ref to a sync.Pool of `h`; its address or NULL with an error.
static struct pool *pool_address(PyObject *module, PyObject *ref, struct heap_object **heap)
{
    struct bind_state *state = PyModule_GetState(module);
    struct type_object *type = ref_type_of(state, ref);
    if (!type)
        return NULL;
    struct heap_object *h = *heap = ((struct ref_object *)ref)->heap;
    if (heap_check_own(h, "use a pool") < 0)
        return NULL;
    const gcsim_type *pool = pool_type(h, "_Pool", sizeof(struct pool));
    if (!pool)
        return NULL;
    if (!heap_knows(h, type) || heap_type(h, type) != pool)
        return bind_raise(state, ERR_CONVERSION, "a Pool is needed, not %s", type_name(type));
    void *address = ((struct ref_object *)ref)->address;
    return heap_check_lost(h, address) < 0 ? NULL : address;
}

static PyObject *bind_pool_make(PyObject *module, PyObject *heap)
{
    struct bind_state *state = PyModule_GetState(module);
    struct heap_object *h = (struct heap_object *)heap;
    uint32_t all, old;
    if (!PyObject_TypeCheck(heap, state->heap_type))
        return bind_raise(state, ERR_CONVERSION, "a Pool is made of a Heap, not %s",
                          Py_TYPE(heap)->tp_name);
    if (heap_check_own(h, "make a pool") < 0)
        return NULL;
    const gcsim_type *pool = pool_type(h, "_Pool", sizeof(struct pool));
    gcsim_handle *handle = pool ? heap_allocate(h, pool, false, 1) : NULL;
    if (!handle)
        return NULL;
    gcsim_status status = h->api->name_intern(h->heap, "sync.allPools", &all);
    if (status == GCSIM_OK)
        status = h->api->name_intern(h->heap, "sync.oldPools", &old);
    gcsim_mutator *m = status == GCSIM_OK ? heap_enter(h) : NULL;
    if (m) {
        status = pools_begin(m, all, old);
        heap_leave(h, m);
    }
    PyObject *cls = m && status == GCSIM_OK ? lib_attribute_of("gcsim._pools", "_Pool") : NULL;
    if (cls) {
        PyObject *ref = ref_from_handle(h, (PyTypeObject *)cls, handle);
        Py_DECREF(cls);
        return ref;
    }
    heap_unroot(h, handle);
    return status == GCSIM_OK ? NULL : heap_raise_status(h, status, "the list of pools");
}

// What the pool lacks; 0 or -1.
static int pool_part_make(struct heap_object *h, enum pool_part part, struct pool_parts *parts)
{
    static const struct {
        const char *name;
        size_t bytes;
    } of[POOL_PARTS] = {{NULL, 0},
                        {"_PoolPointer", sizeof(struct pool *)},
                        {"_PoolLocal", sizeof(struct pool_local)},
                        {"_PoolChainElt", sizeof(struct pool_chain_elt)},
                        {"_Eface", sizeof(struct eface)}};
    const gcsim_type *type = pool_type(h, of[part].name, of[part].bytes);
    if (parts->made[part])
        heap_unroot(h, parts->made[part]);
    uint64_t n = parts->count[part];
    parts->made[part] = type ? heap_allocate(h, type, n > 1, n) : NULL;
    return parts->made[part] ? 0 : -1;
}

static void pool_parts_unroot(struct heap_object *h, struct pool_parts *parts)
{
    for (int i = 0; i < POOL_PARTS; i++)
        if (parts->made[i])
            heap_unroot(h, parts->made[i]);
}

// Puts *x in, or takes *x out, rooted by *handle; 0 or -1. The caller keeps the pool and what is put in.
static int pool_operate(struct heap_object *h, struct pool *pool, struct eface *x,
                        gcsim_handle **handle)
{
    struct pool_parts parts = {0};
    for (;;) {
        gcsim_mutator *m = heap_check_own(h, "use a pool") < 0 ? NULL : heap_enter(h);
        if (!m)
            break;
        enum pool_part missing =
            handle ? pool_get(m, pool, &parts, x) : pool_put(m, pool, *x, &parts);
        bool got = handle && missing == POOL_DONE && x->type;
        got = got && leads_to_arena(m, x->ptr); // else it is no object, and needs no root
        if (got)
            *handle = h->api->handle_new(m, x->ptr);
        heap_leave(h, m);
        if (missing != POOL_DONE) {
            if (pool_part_make(h, missing, &parts) < 0)
                break;
            continue;
        }
        pool_parts_unroot(h, &parts);
        if (got && !*handle)
            heap_raise_status(h, GCSIM_NO_MEMORY, "a root for what was in the pool");
        return got && !*handle ? -1 : 0;
    }
    pool_parts_unroot(h, &parts);
    return -1;
}

static PyObject *bind_pool_put(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    struct heap_object *h;
    struct iface words;
    PyObject *owner = NULL;
    if (nargs != 2)
        return bind_raise(PyModule_GetState(module), ERR_CONVERSION, "pool_put(pool, value)");
    struct pool *pool = pool_address(module, args[0], &h);
    int result = !pool ? -1 : iface_words(h, args[1], &words, &owner);
    if (result == 0 && words.type) {
        struct eface x = {words.type, words.data};
        result = pool_operate(h, pool, &x, NULL);
    }
    Py_XDECREF(owner);
    return result < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *bind_pool_get(PyObject *module, PyObject *ref)
{
    struct heap_object *h;
    struct eface x;
    gcsim_handle *handle = NULL;
    struct pool *pool = pool_address(module, ref, &h);
    if (!pool || pool_operate(h, pool, &x, &handle) < 0)
        return NULL;
    return iface_object(h, (struct iface){x.type, x.ptr}, handle);
}

static PyObject *bind_pool_counts(PyObject *module, PyObject *ref)
{
    struct heap_object *h;
    struct pool *pool = pool_address(module, ref, &h);
    if (!pool)
        return NULL;
    struct pool_counts n = pool_count(h->api, h->heap, pool);
    return Py_BuildValue("KKKK", (unsigned long long)n.private_values, (unsigned long long)n.shared,
                         (unsigned long long)n.victim_private, (unsigned long long)n.victim_shared);
}

// For each processor the lengths of its rings, the oldest first.
static PyObject *bind_pool_rings(PyObject *module, PyObject *ref)
{
    struct heap_object *h;
    struct pool *pool = pool_address(module, ref, &h);
    Py_ssize_t procs = pool ? (Py_ssize_t)h->api->procs(h->heap) : 0;
    PyObject *all = pool ? PyTuple_New(procs) : NULL;
    for (Py_ssize_t i = 0; all && i < procs; i++) {
        uint64_t len[32];
        Py_ssize_t n = (Py_ssize_t)pool_rings(pool, (uint64_t)i, len, 32);
        PyObject *rings = PyTuple_New(n);
        if (!rings) {
            Py_CLEAR(all);
            break;
        }
        PyTuple_SET_ITEM(all, i, rings);
        for (Py_ssize_t k = 0; k < n; k++) {
            PyObject *number = PyLong_FromUnsignedLongLong(len[k]);
            if (!number) {
                Py_CLEAR(all);
                break;
            }
            PyTuple_SET_ITEM(rings, k, number);
        }
    }
    return all;
}

#define POOL_BIND_METHODS                                                                          \
    {"pool_rings", bind_pool_rings, METH_O,                                                        \
     PyDoc_STR("pool_rings($module, pool, /)\n--\n\nFor gcsim.Pool.")},                            \
        {"pool_make", bind_pool_make, METH_O,                                                      \
         PyDoc_STR("pool_make($module, heap, /)\n--\n\nFor gcsim.Pool.")},                         \
        {"pool_put", (PyCFunction)(void (*)(void))bind_pool_put, METH_FASTCALL,                    \
         PyDoc_STR("pool_put($module, pool, value, /)\n--\n\nFor gcsim.Pool.")},                   \
        {"pool_get", bind_pool_get, METH_O,                                                        \
         PyDoc_STR("pool_get($module, pool, /)\n--\n\nFor gcsim.Pool.")},                          \
    {                                                                                              \
        "pool_counts", bind_pool_counts, METH_O,                                                   \
            PyDoc_STR("pool_counts($module, pool, /)\n--\n\nFor gcsim.Pool.")                      \
    }
