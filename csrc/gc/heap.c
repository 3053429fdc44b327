// Making and unmaking a heap.
#include "gc/heap.h"

#include "alloc/placement.h"
#include "base/bits.h"
#include "base/os.h"
#include "base/poison.h"
#include "gc/barrier.h"
#include "gc/pace.h"
#include "gc/registry.h"
#include "gc/waits.h"
#include "gc/worker.h"

enum { MEM_PROFILE_RATE = 512 << 10 }; // mprof.go:MemProfileRate
enum {
    HEAP_LARGEST_SHIFT = 36,
    HEAP_SMALLEST_SHIFT = 26
}; // default reservations: 64 GiB, halved down to 64 MiB

static const char *const status_texts[GCSIM_STATUSES] = {
    [GCSIM_OK] = "no error",
    [GCSIM_NO_MEMORY] = "the operating system gave no memory",
    [GCSIM_HEAP_FULL] = "the heap's reserved address space is used up",
    [GCSIM_BAD_SIZE] = "a size, count or index is out of range",
    [GCSIM_BAD_TYPE] = "a type description contradicts itself",
    [GCSIM_BAD_ADDRESS] = "the address lies in no live object of this heap",
    [GCSIM_BAD_STATE] = "the call does not fit the state",
    [GCSIM_INTERRUPTED] = "interrupted",
    [GCSIM_FORKED] = "the heap was made before a fork and this is the child",
    [GCSIM_DEADLOCK] = "everybody waits for somebody else",
    [GCSIM_NO_PLACE] = "the operating system does not place memory as asked",
};

CORE const char *heap_status_text(gcsim_status status)
{
    return (unsigned)status < GCSIM_STATUSES ? status_texts[status] : "unknown status";
}

// How much each region may grow to, for an arena of so many bytes.
static void region_sizes(uint64_t reserved[WORLD_REGIONS], uint64_t arena_bytes,
                         const gcsim_options *options)
{
    uint64_t pages = arena_bytes >> PAGE_SHIFT, chunks = pages >> CHUNK_PAGES_SHIFT;
    unsigned levels = pagealloc_levels_for(chunks);
    memset(reserved, 0, WORLD_REGIONS * sizeof *reserved);
    reserved[REGION_HEAP] = sizeof(struct world) + 64 + sizeof(gcsim_heap);
    reserved[REGION_META] = arena_bytes / 4 + (64 << 20);
    reserved[REGION_SPANS] = pages * sizeof(gcsim_span);
    reserved[REGION_PAGES] = pages * sizeof(uint32_t);
    reserved[REGION_PAGE_CLASSES] = pages;
    reserved[REGION_SPECIALS] = pages / 8;
    reserved[REGION_ALLOC_BITS] = reserved[REGION_MARK_BITS] = pages * MARK_BYTES_PER_PAGE;
    reserved[REGION_INLINE_MARKS] = pages * (SPAN_INLINE_MARKS_BYTES / 2);
    reserved[REGION_CHECK_MARKS] = options->check_mark ? reserved[REGION_MARK_BITS] : 0;
    reserved[REGION_CHUNKS] = pagealloc_part_bytes(chunks, levels, PAGEALLOC_PART_CHUNKS);
    reserved[REGION_RANGES] = pagealloc_part_bytes(chunks, levels, PAGEALLOC_PART_RANGES);
    reserved[REGION_SCAV_INDEX] = pagealloc_part_bytes(chunks, levels, PAGEALLOC_PART_SCAV_INDEX);
    for (int level = 0; level < PAGEALLOC_MAX_LEVELS; level++)
        reserved[REGION_SUMMARY_0 + level] = pagealloc_part_bytes(
            chunks, levels, (enum pagealloc_part)(PAGEALLOC_PART_LEVEL_0 + level));
    uint32_t coroutines = options->virtual_time ? RT_COROUTINES : RT_FEW_COROUTINES;
    reserved[REGION_COROUTINES] =
        (uint64_t)(GCSIM_STEPS ? coroutines : GCSIM_MAX_PROCS) * RT_STACK_BYTES;
    reserved[REGION_HISTORY] = sizeof(struct history) + 64 +
                               (uint64_t)options->events * 2 * sizeof(gcsim_event) +
                               arena_bytes / 16 + (4 << 20); // recordings
    reserved[REGION_ARENA] = arena_bytes;
}

// The world: as asked for; by default HEAP_LARGEST_SHIFT, or where a limit on address space is in force, half of the largest power of
// two that the system grants: the rest of the program needs address space too.
static struct world *reserve_world(const gcsim_options *options, uint64_t *arena_bytes)
{
    uint64_t reserved[WORLD_REGIONS];
    unsigned shift = HEAP_LARGEST_SHIFT;
    for (bool halved = false;; shift--) {
        *arena_bytes = options->reserve_bytes
                           ? round_up(options->reserve_bytes, (uint64_t)ARENA_PAGES << PAGE_SHIFT)
                           : 1ull << shift;
        region_sizes(reserved, *arena_bytes, options);
        struct world *w = world_create(reserved);
        bool is_largest = shift == HEAP_LARGEST_SHIFT || halved;
        if (options->reserve_bytes || shift == HEAP_SMALLEST_SHIFT || (w && is_largest))
            return w;
        if (w) {
            world_destroy(w);
            halved = true;
        }
    }
}

static bool history_init(struct mheap *h, const gcsim_options *options)
{
    uint64_t room = options->events ? 1ull << (bits_highest(options->events) +
                                               ((options->events & (options->events - 1)) != 0))
                                    : 0;
    uint64_t at = round_up(sizeof(struct history), 64);
    if (!world_commit(h->world, REGION_HISTORY, at + room * sizeof(gcsim_event)))
        return false;
    h->history = (struct history *)world_at(h->world, REGION_HISTORY);
    h->history->events.records = (gcsim_event *)(world_at(h->world, REGION_HISTORY) + at);
    h->history->events.room = room;
    h->events_on = room ? RING_EVENTS : 0;
    trace_init(&h->history->traces);
    return true;
}

#if GCSIM_STEPS
static const char *name_wait(void *h, const uint32_t *word, char *buffer, size_t room)
{
    return wait_name(h, word, buffer, room);
}

static gcsim_status virtual_init(struct mheap *h, const gcsim_options *options)
{
    h->rt.wait_name = name_wait;
    h->rt.wait_arg = h;
    h->rt.dead = h->history->dead;
    if (!options->virtual_time)
        return GCSIM_OK;
    struct rt_virtual *v = meta_alloc(&h->meta, &h->rt, sizeof *v);
    if (!v)
        return GCSIM_NO_MEMORY;
    rt_virtual_on(&h->rt, v, options->virtual_seed,
                  options->procs ? options->procs : rt_processors(&h->rt));
    for (uint32_t i = 0; i < options->ncosts; i++)
        if (!rt_virtual_set_cost(&h->rt, options->costs[i].kind, options->costs[i].ps,
                                 options->costs[i].ps_per_unit))
            return GCSIM_BAD_SIZE;
    return GCSIM_OK;
}
#else
static gcsim_status virtual_init(struct mheap *h, const gcsim_options *options)
{
    (void)h;
    return options->virtual_time ? GCSIM_BAD_STATE : GCSIM_OK;
}
#endif

static gcsim_status heap_init(gcsim_heap *heap, struct world *w, uint64_t arena_bytes,
                              const gcsim_options *options)
{
    struct mheap *h = &heap->mheap;
    struct gc *gc = &heap->gc;
    h->world = w;
    if (!history_init(h, options))
        return GCSIM_NO_MEMORY;
    if (!rt_init(&h->rt, w, &h->history->steps, &h->stop))
        return GCSIM_NO_MEMORY;
    meta_init(&h->meta, w);
    gcsim_status virtual = virtual_init(h, options);
    if (virtual != GCSIM_OK)
        return virtual;
    h->green_tea = !options->no_green_tea;
    h->clobber_free = options->clobber_free;
    h->check_mark = options->check_mark;
    h->efence = options->efence;
    gcsim_status status = mheap_init(h, w, arena_bytes);
    if (status == GCSIM_OK)
        status = placement_init(h, options);
    if (status == GCSIM_OK)
        status = types_init(&h->types, &h->meta, &h->rt);
    if (status != GCSIM_OK)
        return status;
    gc->poll = options->poll;
    gc->poll_arg = options->poll_arg;
    gc->sweep_class = NUM_SPAN_CLASSES;
    gc->procs = options->procs ? options->procs : rt_processors(&h->rt);
    if (gc->procs > GCSIM_MAX_PROCS)
        gc->procs = GCSIM_MAX_PROCS;
    gc->stop_the_world = options->stop_the_world > 2 ? 2 : options->stop_the_world;
    gc->shade_entries = options->shade_entries ? options->shade_entries - 1 : SHADE_BUFFER;
    h->allocate_white = options->allocate_white;
    barrier_choose(gc, options);
    heap->mheap.clobber_free |= gc->unsound; // what is lost is seen
    gc->conservative_stacks = options->conservative_stacks;
    mark_choose_engine(h, options->mark_engine ? options->mark_engine - 1 : GCSIM_MARK_MIXED);
    gc->sbrk = options->sbrk;
    gc->stress_bytes = options->stress_bytes;
    gc->verify_phases = options->verify_phases;
    gc->periodic_ns = (options->periodic_ms ? options->periodic_ms : 120000) * 1000000ull;
    int64_t rate = options->mem_profile_rate;
    h->sample_rate = rate > 0 ? (uint64_t)rate : rate == 0 && !GCSIM_STEPS ? MEM_PROFILE_RATE : 0;
    h->sample_seed = options->mem_profile_seed;
    h->history->created_ns = rt_now_ns(&h->rt);
    pace_init(h, options);
    return GCSIM_OK;
}

CORE gcsim_heap *heap_make(const gcsim_options *given, gcsim_status *status)
{
    gcsim_options options = {0};
    if (given)
        memcpy(&options, given, given->bytes < sizeof options ? given->bytes : sizeof options);
    *status = GCSIM_BAD_SIZE;
    if (options.reserve_bytes > 1ull << 46 || options.mark_engine > GCSIM_MARK_ENGINES ||
        options.events > 1u << 28 || options.procs > GCSIM_MAX_PROCS ||
        options.shade_entries > SHADE_BUFFER + 1 || options.memory_limit < 0 ||
        options.pacer >= GCSIM_PACERS || options.huge_pages >= GCSIM_HUGE_OPTIONS ||
        options.place >= GCSIM_PLACES || !barrier_options_fit(&options))
        return NULL;
    uint64_t arena_bytes;
    struct world *w = reserve_world(&options, &arena_bytes);
    *status = GCSIM_NO_MEMORY;
    if (!w)
        return NULL;
    uint64_t at = round_up(sizeof(struct world), 64);
    if (!world_commit(w, REGION_HEAP, at + sizeof(gcsim_heap))) {
        world_destroy(w);
        return NULL;
    }
    gcsim_heap *heap = (gcsim_heap *)(w->base + at);
    *status = heap_init(heap, w, arena_bytes, &options);
    if (*status == GCSIM_OK && !registry_add(heap))
        *status = GCSIM_NO_MEMORY;
    if (*status != GCSIM_OK) {
        world_destroy(w);
        return NULL;
    }
    return heap;
}

CORE void heap_unmake(gcsim_heap *heap)
{
    worker_stop_all(&heap->mheap);
    registry_remove(heap);
    unpoison(heap->mheap.arena, heap->mheap.grown_pages << PAGE_SHIFT);
    world_destroy(heap->mheap.world);
}
