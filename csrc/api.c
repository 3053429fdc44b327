// The function table of this instantiation: api.def. The one for white-box tests is in whitebox.c.
#include "alloc/placement.h"
#include "gc/cycle.h"
#include "gc/memprofile.h"
#include "gc/leaks.h"
#include "gc/registry.h"
#include "gc/roots.h"
#include "gc/specials.h"
#include "gc/sweep.h"
#include "gc/world.h"
#include "lib/bulk.h"
#include "watch/fragmentation.h"
#include "watch/mapping.h"
#include "watch/metrics.h"
#include "watch/objects.h"
#include "watch/snapshot.h"
#include "watch/recording.h"
#include "watch/stats.h"
#include "watch/verify.h"

// --- the functions of api.def, by its names ----------------------------------------------------------------------

#define M(m)    mutator_of(m)
#define H(heap) (&(heap)->mheap)

static gcsim_heap *api_heap_create(const gcsim_options *options, gcsim_status *status)
{
    return heap_make(options, status);
}
static void api_heap_destroy(gcsim_heap *heap) { heap_unmake(heap); }
static const char *api_status_text(gcsim_status status) { return heap_status_text(status); }
static gcsim_status api_after_fork(gcsim_heap *heap) { return registry_after_fork(heap); }
static char *api_arena(gcsim_heap *heap, uint64_t *bytes)
{
    if (bytes)
        *bytes = H(heap)->grown_pages << PAGE_SHIFT;
    return H(heap)->arena;
}

static gcsim_status api_name_intern(gcsim_heap *heap, const char *text, uint32_t *name)
{
    return name_intern_in(&H(heap)->types, text, name);
}
static const char *api_name_text(gcsim_heap *heap, uint32_t name)
{
    return name_text_of(&H(heap)->types, name);
}
static const gcsim_type *api_type_new(gcsim_heap *heap, const gcsim_type_desc *desc,
                                      gcsim_status *status)
{
    return type_make(&H(heap)->types, desc, malloc_resolve_type, status);
}
static const gcsim_type *api_type_by_id(gcsim_heap *heap, uint32_t id)
{
    return type_of_id(&H(heap)->types, id);
}

#if GCSIM_STEPS
// It waits for a stopped world, so it runs on a coroutine too.
struct attaching {
    gcsim_heap *heap;
    gcsim_status *status;
    gcsim_mutator *m;
};

static void run_attaching(void *arg)
{
    struct attaching *a = arg;
    a->m = world_attach(a->heap, false, a->status);
}

static gcsim_mutator *api_mutator_attach(gcsim_heap *heap, gcsim_status *status)
{
    struct attaching a = {.heap = heap, .status = status};
    *status = GCSIM_DEADLOCK; // unless it comes to an end
    rt_call(&heap->mheap.rt, run_attaching, &a);
    return a.m;
}
#else
static gcsim_mutator *api_mutator_attach(gcsim_heap *heap, gcsim_status *status)
{
    return world_attach(heap, false, status);
}
#endif
static void api_mutator_detach(gcsim_mutator *m) { world_detach(M(m)); }
static void api_enter_slow(gcsim_mutator *m) { world_enter_slow(M(m)); }
static void api_leave_slow(gcsim_mutator *m) { world_leave_slow(M(m)); }

static void *api_new_slow(gcsim_mutator *m, const gcsim_type *type)
{
    return malloc_new(M(m), type);
}
static gcsim_handle *api_new_at_once(gcsim_mutator *m, const gcsim_type *type)
{
    void *p = malloc_at_once(M(m), type);
    return LIKELY(p != NULL) ? handle_make(M(m), p) : NULL;
}
static void *api_new_array(gcsim_mutator *m, const gcsim_type *element, uint64_t count)
{
    return malloc_array(M(m), element, count);
}
static void api_store_slow(gcsim_mutator *m, void **slot, void *ptr)
{
    barrier_store(M(m), slot, ptr);
}
static void api_copy(gcsim_mutator *m, const gcsim_type *type, void *to, const void *from,
                     uint64_t count)
{
    barrier_copy(M(m), type, to, from, count);
}
static void api_clear(gcsim_mutator *m, const gcsim_type *type, void *to, uint64_t count)
{
    barrier_clear(M(m), type, to, count);
}

static gcsim_handle *api_handle_new(gcsim_mutator *m, void *ptr) { return handle_make(M(m), ptr); }
static void api_handle_drop(gcsim_heap *heap, gcsim_handle *handle)
{
    handle_release(heap, handle);
}
static uint64_t api_handles(gcsim_heap *heap, void **out, uint64_t room)
{
    return handles_list(heap, out, room);
}
static gcsim_weak *api_weak_new(gcsim_mutator *m, void *ptr) { return weak_make(M(m), ptr); }
static void *api_weak_get(gcsim_mutator *m, gcsim_weak *weak)
{
    return cycle_read_weak(M(m), weak);
}
static void api_weak_drop(gcsim_mutator *m, gcsim_weak *weak) { weak_release(M(m), weak); }
static gcsim_global *api_global_new(gcsim_mutator *m, uint32_t name)
{
    return global_make(M(m), name);
}
static void api_global_drop(gcsim_mutator *m, gcsim_global *global)
{
    global_release(M(m), global);
}
static gcsim_global *api_global_next(gcsim_heap *heap, gcsim_global *after)
{
    return global_after(heap, after);
}
static gcsim_goroutine *api_goroutine_new(gcsim_mutator *m, uint32_t name)
{
    return goroutine_make(M(m), name);
}
static void api_goroutine_end(gcsim_mutator *m, gcsim_goroutine *g) { goroutine_finish(M(m), g); }
static gcsim_goroutine *api_goroutine_next(gcsim_heap *heap, gcsim_goroutine *after)
{
    return goroutine_after(heap, after);
}
static uint64_t api_goroutine_list(gcsim_mutator *m, gcsim_goroutine_info *out, uint64_t room)
{
    return goroutines_list(mheap_of(M(m)), out, room);
}
static uint64_t api_frame_push(gcsim_mutator *m, gcsim_goroutine *g, const gcsim_type *type,
                               uint32_t name)
{
    return goroutine_push(M(m), g, type, name);
}
static gcsim_status api_frame_pop(gcsim_mutator *m, gcsim_goroutine *g)
{
    return goroutine_pop(M(m), g);
}

static gcsim_batch *api_build(gcsim_mutator *m, const gcsim_build *what)
{
    return bulk_build(M(m), what);
}
static gcsim_status api_link(gcsim_mutator *m, gcsim_batch *batch, const gcsim_links *links)
{
    return bulk_link(M(m), batch, links);
}
static gcsim_status api_link_edges(gcsim_mutator *m, gcsim_batch *batch, const gcsim_edges *e)
{
    return bulk_link_edges(M(m), batch, e);
}
static gcsim_status api_read_links(gcsim_mutator *m, gcsim_batch *batch, uint64_t offset,
                                   int64_t *index)
{
    return bulk_read_links(M(m), batch, offset, index);
}
static void api_batch_drop(gcsim_mutator *m, gcsim_batch *batch) { batch_release(M(m), batch); }
static void *api_batch_at(gcsim_mutator *m, gcsim_batch *batch, uint64_t index)
{
    return batch_read(M(m), batch, index);
}

static gcsim_status api_collect(gcsim_mutator *m) { return cycle_run(M(m), GCSIM_TRIGGER_FORCED); }
static void api_safepoint(gcsim_mutator *m) { door_poll(M(m)); }
static gcsim_status api_sweep_all(gcsim_mutator *m) { return sweep_rest(mheap_of(M(m))), GCSIM_OK; }
static int32_t api_set_gc_percent(gcsim_mutator *m, int32_t percent)
{
    return cycle_set_percent(M(m), percent);
}
static gcsim_status api_cycle_info(gcsim_heap *heap, uint64_t number, gcsim_cycle *out)
{
    return cycle_read(heap, number, out);
}

static void api_memstats(gcsim_mutator *m, gcsim_memstats *out)
{
    world_stop(M(m));
    stats_memstats(mheap_of(M(m)), out);
    world_start(M(m));
}
static uint64_t api_verify(gcsim_mutator *m, gcsim_violation *out, uint64_t room)
{
    cycle_stop_quiet(M(m));
    uint64_t n = verify_heap(mheap_of(M(m)), out, room);
    world_start(M(m));
    return n;
}
static gcsim_status api_find_object(gcsim_heap *heap, const void *address, gcsim_object *out)
{
    return object_find(H(heap), address, out);
}
static uint64_t api_objects(gcsim_mutator *m, uint64_t *cursor, gcsim_object *out, uint64_t room)
{
    world_stop(M(m));
    uint64_t n = object_list(mheap_of(M(m)), cursor, out, room);
    world_start(M(m));
    return n;
}
static uint64_t api_spans(gcsim_mutator *m, uint64_t *cursor, gcsim_span_info *out, uint64_t room)
{
    world_stop(M(m));
    uint64_t n = span_list_all(mheap_of(M(m)), cursor, out, room);
    world_start(M(m));
    return n;
}
static uint64_t api_fragmentation(gcsim_mutator *m, gcsim_fragmentation *out,
                                  const gcsim_page_map *map)
{
    world_stop(M(m));
    uint64_t n = fragmentation_read(mheap_of(M(m)), out, map);
    world_start(M(m));
    return n;
}
static void api_placement(gcsim_mutator *m, gcsim_placement *out)
{
    placement_read(mheap_of(M(m)), out);
}
static gcsim_status api_page_nodes(gcsim_heap *heap, const void *address, uint64_t n,
                                   int32_t *nodes)
{
    return placement_page_nodes(H(heap), address, n, nodes);
}
static uint64_t api_cached_spans(gcsim_mutator *m, gcsim_cached_span *out, uint64_t room)
{
    world_stop(M(m));
    uint64_t n = placement_cached_spans(mheap_of(M(m)), out, room);
    world_start(M(m));
    return n;
}
static gcsim_status api_collapse_huge_pages(gcsim_mutator *m, uint64_t *page, uint64_t *bytes)
{
    world_stop(M(m));
    gcsim_status status = placement_collapse(mheap_of(M(m)), page, bytes);
    world_start(M(m));
    return status;
}
static uint64_t api_pointer_slots(gcsim_heap *heap, const gcsim_object *object, uint32_t *out,
                                  uint64_t room)
{
    return object_pointer_slots(H(heap), object, out, room);
}
static uint64_t api_events(gcsim_heap *heap, gcsim_event *out, uint64_t room)
{
    return event_read(&H(heap)->history->events, out, room);
}
static gcsim_status api_record_begin(gcsim_mutator *m, uint64_t kinds, uint64_t room)
{
    return recording_begin(M(m), kinds, room);
}
static gcsim_status api_record_end(gcsim_mutator *m, gcsim_recorded *out)
{
    return recording_end(M(m), out);
}
static void api_record_read(gcsim_heap *heap, gcsim_event *out)
{
    recording_read(&H(heap)->history->recording, out);
}
static const char *api_event_name(uint32_t kind) { return event_name_of(kind); }

static uint64_t api_finalizer_set(gcsim_mutator *m, void *ptr, gcsim_callback_run run, void *arg)
{
    return finalizer_add(M(m), ptr, run, arg);
}
static int api_finalizer_clear(gcsim_mutator *m, void *ptr, void **arg)
{
    return finalizer_remove(M(m), ptr, arg);
}
static uint64_t api_cleanup_add(gcsim_mutator *m, void *ptr, gcsim_callback_run run, void *arg)
{
    return cleanup_attach(M(m), ptr, run, arg);
}
static int api_cleanup_stop(gcsim_mutator *m, const void *ptr, uint64_t id, void **arg)
{
    return cleanup_detach(M(m), ptr, id, arg);
}
static int api_callback_take(gcsim_mutator *m, gcsim_callback *out)
{
    return callback_pop(M(m), out);
}
static void api_callback_done(gcsim_heap *heap, gcsim_callback *callback)
{
    callback_finish(heap, callback);
}
static void api_callback_counts(gcsim_heap *heap, gcsim_callback_counts *out)
{
    callback_count(heap, out);
}
static int api_weak_try(gcsim_mutator *m, gcsim_weak *weak, void **out)
{
    return weak_try_read(M(m), weak, out);
}

static uint32_t api_procs(gcsim_heap *heap) { return heap->gc.procs; }

static int64_t api_set_memory_limit(gcsim_mutator *m, int64_t limit)
{
    return cycle_set_memory_limit(M(m), limit);
}

static gcsim_status api_trace(gcsim_heap *heap, uint32_t kind, int32_t fd)
{
    if (kind >= GCSIM_TRACES)
        return GCSIM_BAD_SIZE;
    trace_set(&H(heap)->history->traces, &H(heap)->rt, (gcsim_trace)kind, fd);
    return GCSIM_OK;
}
static int32_t api_trace_flush(gcsim_heap *heap, uint32_t *kind)
{
    trace_flush(&H(heap)->history->traces, &H(heap)->rt);
    return trace_failed(&H(heap)->history->traces, &H(heap)->rt, kind);
}
static uint64_t api_trace_read(gcsim_heap *heap, uint32_t *kind, char *out)
{
    return trace_take(&H(heap)->history->traces, &H(heap)->rt, kind, out);
}
static void api_metrics(gcsim_mutator *m, gcsim_metrics *out)
{
    gcsim_leave(m); // a stop that is under way ends
    metrics_read(mheap_of(M(m)), out);
    gcsim_enter(m);
}
static gcsim_status api_free_os_memory(gcsim_mutator *m, uint64_t *released)
{
    return cycle_free_memory(M(m), released);
}
static int64_t api_set_mem_profile_rate(gcsim_mutator *m, int64_t rate)
{
    return memprofile_set_rate(M(m), rate);
}
static int api_wants_site(gcsim_mutator *m, const gcsim_type *type, uint64_t count)
{
    return malloc_wants_site(M(m), type, count);
}
static uint64_t api_mem_profile(gcsim_mutator *m, gcsim_profile *about, gcsim_profile_record *out,
                                uint64_t room)
{
    return memprofile_read(mheap_of(M(m)), about, out, room);
}
static void api_scavenger(gcsim_mutator *m, gcsim_scavenger *out)
{
    world_stop(M(m));
    stats_scavenger(mheap_of(M(m)), out);
    world_start(M(m));
}

static gcsim_status api_snapshot(gcsim_mutator *m, gcsim_snapshot *out)
{
    return snapshot_take(M(m), out);
}
static gcsim_status api_map_file(int32_t fd, uint64_t offset, uint64_t bytes, gcsim_mapping *out)
{
    return mapping_make(fd, offset, bytes, out);
}
static gcsim_status api_unmap_file(gcsim_mutator *m, gcsim_mapping *mapping, uint64_t *pointers)
{
    return mapping_close(M(m), mapping, pointers);
}
static void api_unmap_now(gcsim_mapping *mapping) { mapping_unmake(mapping); }
static void api_snapshot_free(gcsim_snapshot *s) { snapshot_free(s); }
static void api_goroutine_park(gcsim_mutator *m, gcsim_goroutine *g, uint32_t reason, void *waiting)
{
    (void)m;
    goroutine_park(g, reason, waiting);
}
static void api_goroutine_ready(gcsim_mutator *m, gcsim_goroutine *g, void *param)
{
    goroutine_ready(M(m), g, param);
}
static gcsim_status api_find_goroutine_leaks(gcsim_mutator *m) { return cycle_find_leaks(M(m)); }
static const char *api_wait_reason_text(uint32_t reason) { return wait_reason_text(reason); }

static int api_cas(gcsim_mutator *m, void **slot, void *old, void *ptr)
{
    return barrier_cas(M(m), slot, old, ptr);
}
static gcsim_status api_at_cycle_start(gcsim_mutator *m, gcsim_cycle_start run, void *arg)
{
    return cycle_at_start(M(m), run, arg);
}

#undef M
#undef H

// --- the table ---------------------------------------------------------------------------------------------------
//
// In the step instantiation a call that takes a mutator runs on a coroutine: its parameters travel in a struct, made from the same
// list as its prototype.

#define EACH_1(F, a)          F a
#define EACH_2(F, a, ...)     F a EACH_1(F, __VA_ARGS__)
#define EACH_3(F, a, ...)     F a EACH_2(F, __VA_ARGS__)
#define EACH_4(F, a, ...)     F a EACH_3(F, __VA_ARGS__)
#define EACH_5(F, a, ...)     F a EACH_4(F, __VA_ARGS__)
#define AS_FIELD(type, param) type param;
#define AS_SAVE(type, param)  args.param = param;
#define AS_NAME(type, param)  a->param
#define NAMES_1(a)            AS_NAME a
#define NAMES_2(a, ...)       AS_NAME a, NAMES_1(__VA_ARGS__)
#define NAMES_3(a, ...)       AS_NAME a, NAMES_2(__VA_ARGS__)
#define NAMES_4(a, ...)       AS_NAME a, NAMES_3(__VA_ARGS__)
#define NAMES_5(a, ...)       AS_NAME a, NAMES_4(__VA_ARGS__)

#if GCSIM_STEPS
#define API(ret, name, n, ...)
#define API_M(ret, name, n, ...)                                                                   \
    struct args_##name {                                                                           \
        ret result;                                                                                \
        EACH_##n(AS_FIELD, __VA_ARGS__)                                                            \
    };                                                                                             \
    static void run_##name(void *p)                                                                \
    {                                                                                              \
        struct args_##name *a = p;                                                                 \
        a->result = api_##name(NAMES_##n(__VA_ARGS__));                                            \
    }                                                                                              \
    static ret table_##name(API_TYPES_##n(__VA_ARGS__))                                            \
    {                                                                                              \
        struct args_##name args = {0}; /* a call that virtual time cannot end returns 0 */         \
        EACH_##n(AS_SAVE, __VA_ARGS__);                                                            \
        rt_call(&m->heap->mheap.rt, run_##name, &args);                                            \
        return args.result;                                                                        \
    }
#define API_V(name, n, ...)                                                                        \
    struct args_##name {                                                                           \
        EACH_##n(AS_FIELD, __VA_ARGS__)                                                            \
    };                                                                                             \
    static void run_##name(void *p)                                                                \
    {                                                                                              \
        struct args_##name *a = p;                                                                 \
        api_##name(NAMES_##n(__VA_ARGS__));                                                        \
    }                                                                                              \
    static void table_##name(API_TYPES_##n(__VA_ARGS__))                                           \
    {                                                                                              \
        struct args_##name args;                                                                   \
        EACH_##n(AS_SAVE, __VA_ARGS__);                                                            \
        rt_call(&m->heap->mheap.rt, run_##name, &args);                                            \
    }
#include "gcsim/api.def"
#undef API
#undef API_M
#undef API_V
#define ENTRY(name) table_##name
#else
#define ENTRY(name) api_##name
#endif

static const gcsim_api api_table = {
    .version = GCSIM_API_VERSION,
    .bytes = sizeof(gcsim_api),
    .steps = GCSIM_STEPS,
    .debug = GCSIM_DEBUG,
#define API(ret, name, n, ...)   .name = api_##name,
#define API_M(ret, name, n, ...) .name = ENTRY(name),
#define API_V(name, n, ...)      .name = ENTRY(name),
#include "gcsim/api.def"
#undef API
#undef API_M
#undef API_V
};

const gcsim_api *GCSIM_INSTANTIATION()(void) { return &api_table; }
