// The functions of whitebox.def and their table: what tests see of the inside.
#include "alloc/pagealloc_replay.h"
#include "base/os.h"
#include "ffi/cdef.h"
#include "gc/cycle.h"
#include "gc/limiter.h"
#include "gc/pacer.h"
#include "gc/world.h"
#include "lib/map_replay.h"
#include "watch/profile.h"
#include "watch/verify.h"

static void wb_sizeclass_resolve(uint64_t bytes, uint32_t noscan, uint64_t *out)
{
    struct sizeclass_rule rule = sizeclass_resolve(bytes, noscan != 0);
    const uint64_t values[] = {rule.size_class,   rule.tiny,       rule.large,
                               rule.header_bytes, rule.slot_bytes, rule.span_pages,
                               rule.usable_bytes};
    memcpy(out, values, sizeof values);
}

static void wb_size_class(uint32_t size_class, uint64_t *out)
{
    INVARIANT(size_class < NUM_SIZE_CLASSES);
    out[0] = size_class_slot_bytes[size_class];
    out[1] = size_class_pages[size_class];
    out[2] = size_class_div_magic[size_class];
}

static void wb_span_geometry(uint32_t size_class, uint32_t noscan, uint32_t green_tea,
                             uint64_t *out)
{
    INVARIANT(size_class < NUM_SIZE_CLASSES);
    struct span_geometry g = span_geometry(size_class, noscan != 0, green_tea != 0);
    out[0] = g.nelems;
    out[1] = g.heap_bits_offset == NO_OFFSET ? UINT64_MAX : g.heap_bits_offset;
    out[2] = g.inline_marks_offset == NO_OFFSET ? UINT64_MAX : g.inline_marks_offset;
    out[3] = g.limit_bytes;
}

static uint64_t wb_roundupsize(uint64_t bytes, uint32_t noscan)
{
    return roundupsize(bytes, noscan != 0);
}

static void wb_set_numa_calls(gcsim_mbind *mbind, gcsim_policy_at *policy_at,
                              gcsim_nodes_of_pages *nodes_of_pages, gcsim_node_here *node_here)
{
    os_set_numa_calls(mbind ? &(struct os_numa_calls){mbind, policy_at, nodes_of_pages, node_here}
                            : NULL);
}

static void wb_flush(gcsim_mutator *m)
{
    mcache_flush(mutator_of(m));
    mcache_flush_pages(mutator_of(m));
}

static gcsim_status wb_set_mark_engine(gcsim_heap *heap, uint32_t engine)
{
    if (engine >= GCSIM_MARK_ENGINES)
        return GCSIM_BAD_SIZE;
    if (heap->gc.phase == GC_MARK) // what is grey would be where the other engine does not look
        return GCSIM_BAD_STATE;
    mark_choose_engine(&heap->mheap, engine);
    return GCSIM_OK;
}

static const char *wb_counter(gcsim_heap *heap, uint32_t index, uint64_t *value)
{
    const struct mheap *h = &heap->mheap;
    const struct gc *gc = &heap->gc;
    const struct {
        const char *name;
        uint64_t value;
    } counters[] = {
        {"heap_live", h->heap_live},
        {"trigger", h->trigger},
        {"goal", gc->goal},
        {"heap_marked", gc->pacer.heap_marked},
        {"last_heap_scan", gc->pacer.last_heap_scan},
        {"last_stack_scan", gc->pacer.last_stack_scan},
        {"globals_scan", gc->globals_scan},
        {"cycles", gc->cycles},
        {"rescans", gc->rescans},
        {"sweepgen", h->sweepgen},
        {"sweep_class", gc->sweep_class},
        {"arena_pages", h->arena_pages},
        {"grown_pages", h->grown_pages},
        {"spans_in_use", h->spans_in_use},
        {"bytes_in_use", h->bytes.in_use},
        {"bytes_stacks", h->bytes.stacks},
        {"bytes_workbufs", h->bytes.workbufs},
        {"bytes_batches", h->bytes.batches},
        {"bytes_free", h->bytes.free},
        {"bytes_released", h->bytes.released},
        {"free_pages", h->pages.free_pages},
        {"scavenged_pages", h->pages.scavenged_pages},
        {"scavenge_goal", h->scavenger.goals.gc_percent},
        {"scavenge_limit_goal", h->scavenger.goals.memory_limit},
        {"scavenged_background", h->history->scavenged.background_bytes},
        {"scavenged_eager", h->history->scavenged.eager_bytes},
        {"scavenged_forced", h->history->scavenged.forced_bytes},
        {"scavenge_refused", h->history->scavenged.refused},
        {"meta_used", h->meta.used},
        {"meta_in_use", h->meta.in_use},
        {"types", h->types.ntypes},
        {"names", h->types.nnames},
        {"world_bytes", h->world->bytes},
        {"steps", h->history->steps},
        {"events_written", h->history->events.written},
    };
    if (index >= sizeof counters / sizeof *counters)
        return NULL;
    *value = counters[index].value;
    return counters[index].name;
}

struct look_at_marks {
    gcsim_violation *out;
    uint64_t room, n;
};

static void look_at_marks(struct mheap *h, void *ctx)
{
    struct look_at_marks *look = ctx;
    look->n = verify_marks(h, look->out, look->room);
}

static uint64_t wb_verify_marks(gcsim_mutator *m, gcsim_violation *out, uint64_t room)
{
    struct look_at_marks look = {out, room, 0};
    return cycle_rehearse(mutator_of(m), look_at_marks, &look) == GCSIM_OK ? look.n : UINT64_MAX;
}

static struct world_log *wb_world_log_create(gcsim_heap *heap)
{
    return world_log_create(heap->mheap.world, NULL);
}
static int wb_world_log_rewind(struct world_log *log, int64_t mark)
{
    return world_log_rewind(log, mark);
}
static uint64_t wb_world_hash(gcsim_heap *heap) { return world_hash(heap->mheap.world); }

#define FIELD_NAME(type, name) #type " " #name,
static const char *wb_pacer_field(uint32_t index)
{
    static const char *const names[] = {PACER_FIELDS(FIELD_NAME) "double last_cons_mark_0",
                                        "double last_cons_mark_1", "double last_cons_mark_2",
                                        "double last_cons_mark_3"};
    _Static_assert(sizeof(struct pacer) == 8 * (sizeof names / sizeof *names), "words");
    return index < sizeof names / sizeof *names ? names[index] : NULL;
}

static const char *wb_limiter_field(uint32_t index)
{
    static const char *const names[] = {LIMITER_FIELDS(FIELD_NAME)};
    _Static_assert(sizeof(struct limiter) == 8 * (sizeof names / sizeof *names), "words");
    return index < sizeof names / sizeof *names ? names[index] : NULL;
}
#undef FIELD_NAME

static void wb_pacer_init(struct pacer *p, int32_t gc_percent, int64_t memory_limit)
{
    *p = pacer_init(gc_percent, memory_limit);
}
static void wb_pacer_commit(struct pacer *p, uint32_t sweep_done)
{
    pacer_commit(p, sweep_done != 0);
}
static void wb_pacer_trigger(const struct pacer *p, uint64_t *out)
{
    struct pacer_trigger t = pacer_trigger(p);
    out[0] = t.trigger;
    out[1] = t.goal;
}
static uint64_t wb_pacer_heap_goal(const struct pacer *p) { return pacer_heap_goal(p).goal; }
static void wb_pacer_start_cycle(struct pacer *p, int64_t now, int32_t procs, uint32_t why)
{
    pacer_start_cycle(p, now, procs, (enum pacer_start)why, false);
}
static void wb_limiter_init(struct limiter *l, int64_t now, int32_t nprocs)
{
    *l = limiter_init(now, nprocs);
}
static int wb_limiter_need_update(const struct limiter *l, int64_t now)
{
    return limiter_need_update(l, now);
}
static void wb_limiter_start_transition(struct limiter *l, uint32_t enable, int64_t now)
{
    limiter_start_transition(l, enable != 0, now);
}

// Those that are what they are called.
#define wb_pacer_goal                pacer_goal
#define wb_replay_new                pagealloc_replay_new
#define wb_replay_delete             pagealloc_replay_delete
#define wb_replay_init_chunk         pagealloc_replay_init_chunk
#define wb_replay_init_range         pagealloc_replay_init_range
#define wb_replay_grow               pagealloc_replay_grow
#define wb_replay_fail_commit        pagealloc_replay_fail_commit
#define wb_replay_alloc              pagealloc_replay_alloc
#define wb_replay_alloc_range        pagealloc_replay_alloc_range
#define wb_replay_cachealloc         pagealloc_replay_cachealloc
#define wb_replay_scavenge_range     pagealloc_replay_scavenge_range
#define wb_replay_scavenge_candidate pagealloc_replay_scavenge_candidate
#define wb_replay_free               pagealloc_replay_free
#define wb_replay_tocache            pagealloc_replay_tocache
#define wb_replay_flush              pagealloc_replay_flush
#define wb_replay_state              pagealloc_replay_state
#define wb_replay_page_state         pagealloc_replay_page_state
#define wb_replay_check              pagealloc_replay_check
#define wb_fail_after                os_fail_after
#define wb_verify_rule_name          verify_rule_name
#define wb_verify_rule_statement     verify_rule_statement
#define wb_world_log_destroy         world_log_destroy
#define wb_world_log_mark            world_log_mark
#define wb_world_log_lines           world_log_lines
#define wb_pacer_set_gc_percent      pacer_set_gc_percent
#define wb_pacer_set_memory_limit    pacer_set_memory_limit
#define wb_pacer_memory_limit_goal   pacer_memory_limit_goal
#define wb_pacer_revise              pacer_revise
#define wb_pacer_end_cycle           pacer_end_cycle
#define wb_pacer_reset_live          pacer_reset_live
#define wb_limiter_update            limiter_update
#define wb_limiter_finish_transition limiter_finish_transition
#define wb_limiter_reset_capacity    limiter_reset_capacity
#define wb_limiter_add_assist        limiter_add_assist
#define wb_limiter_add_idle          limiter_add_idle

#define wb_map_new     map_replay_new
#define wb_map_delete  map_replay_delete
#define wb_map_part    map_replay_part
#define wb_map_do      map_replay_do
#define wb_map_objects map_replay_objects
#define wb_map_state   map_replay_state
#define wb_map_check   map_replay_check

#define wb_time_bucket time_bucket
static uint32_t wb_stack_is_short(uint64_t size, uint64_t used, uint64_t frame)
{
    return stack_is_short(size, used, frame);
}
#define wb_stack_grown    stack_grown
#define wb_stack_shrunk   stack_shrunk
#define wb_stack_starting stack_starting
static uint64_t wb_trace_text(uint32_t line, const gcsim_cycle *cycle, uint32_t machine, char *out)
{
    return trace_text(out, (enum trace_line)line, cycle, machine);
}
static uint64_t wb_trace_scav_text(const uint64_t *scav, char *out)
{
    const struct trace_scav s = {scav[0], scav[1], scav[2], scav[3], scav[4], scav[5]};
    return trace_text(out, TRACE_SCAV, &s, 0);
}

static void wb_profile_scale(int64_t count, int64_t bytes, int64_t rate, int64_t *out)
{
    struct profile_estimate e = profile_scale(count, bytes, rate);
    out[0] = e.count;
    out[1] = e.bytes;
}

static const gcsim_whitebox whitebox_table = {
    .bytes = sizeof(gcsim_whitebox),
    .steps = GCSIM_STEPS,
#define WB(ret, name, n, ...) .name = wb_##name,
#include "whitebox.def"
#undef WB
};

const gcsim_whitebox *GCSIM_INSTANTIATION(_whitebox)(void) { return &whitebox_table; }
