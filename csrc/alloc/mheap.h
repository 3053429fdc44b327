// The page heap: spans cut from pages, and the state that the allocator shares between mutators.
//
// Owns the world's pages, span structs and page table, the central span lists and the allocation counters. `lock` guards the
// page allocator and span states; each central list has its own; locks are taken in the order central, mheap, meta.
// An address maps to its span by subtraction, shift and one load; the span struct of a span lies at the index of its first page.
#pragma once

#include "alloc/pagealloc.h"
#include "alloc/scavpace.h"
#include "alloc/sizeclass.h"
#include "base/events.h"
#include "base/meta.h"
#include "base/rt.h"
#include "base/traces.h"
#include "base/world.h"
#include "gcsim/gcsim.h"
#include "types/type.h"

#define ARENA_PAGES         8192u // 64 MiB, linux/amd64 (malloc.go:heapArenaBytes)
#define MARK_BYTES_PER_PAGE 128   // bit vectors outside spans: 1024 bits per page

// First in, first out; linked through span->next and span->before. A span is on at most one list.
struct span_list {
    uint32_t head,
        tail; // first page + 1, 0 = empty. Whether there is any is asked without the list's lock
    uint32_t count;
};

// The spans of one span class that no mutator has cached (mcentral.go). [h->sweepgen / 2 % 2] is the swept side. A cache line each: mutators
// that allocate objects of different classes do not wait for each other.
struct mcentral {
    _Alignas(64) struct rt_lock lock;
    struct span_list partial[2]; // at least one free slot, once swept
    struct span_list full[2];
};

// Counters, as in mstats.go:heapStatsDelta. Updated with relaxed atomics; statistics only, no decision reads them.
struct alloc_counts {
    uint64_t small_allocs[NUM_SIZE_CLASSES], small_frees[NUM_SIZE_CLASSES]; // slots
    uint64_t large_allocs, large_frees;                                     // objects
    uint64_t large_alloc_bytes, large_free_bytes;
    uint64_t tiny_allocs; // objects put into a tiny block that was already there
};

// CPU time by what it was for, summed over processors, as of the last mark termination (mstats.go:cpuStats).
struct cpu_times {
    uint64_t assist_ns, dedicated_ns, idle_mark_ns, pause_ns; // dedicated: and fractional
    uint64_t scavenge_assist_ns, scavenge_background_ns;
    uint64_t idle_ns;
    uint64_t total_ns; // processors * time
};

// The stop under way, and how long stops took: the collector's (for_gc) and others (proc.go:stopTheWorldWithSema).
struct stops {
    uint64_t asked_ns, stood_ns;
    bool for_gc;
    uint64_t gc_cpu_ns; // CPU time of the collector's stops
    gcsim_time_histogram stopping_gc, stopping_other, total_gc, total_other;
};

// What the scavenger has released so far, and the CPU time it took; added up with relaxed atomics.
struct scavenge_counts {
    uint64_t background_bytes, eager_bytes, forced_bytes; // eager: by allocations
    uint64_t background_ns, assist_ns;                    // assist: by allocations
    uint64_t refused;                                     // times the system took nothing back
    uint64_t resets;                                      // of the controller of the sleep
};

// The history zone.
struct history {
    struct alloc_counts counts;
    struct scavenge_counts scavenged;
    uint64_t steps; // the clock of the step instantiation
#if GCSIM_STEPS
    char dead[RT_DEAD_BYTES]; // who waits for what, once nobody can run any more
#endif
    struct event_ring events;
    struct recording recording;
    struct traces traces;
    struct cpu_times cpu;
    struct stops stops;
    uint64_t pause_total_ns, last_gc_ns, created_ns, forced_cycles;
    uint64_t finalizers_queued, finalizers_run, cleanups_queued, cleanups_run;
    struct scavenge_counts told; // as of the last line of scavtrace
    uint64_t idle_ns;            // of processors that nobody held
    double gc_cpu_fraction;
    uint64_t last_end_ns; // of the last cycle's marking, by the monotonic clock; 0 = none yet
    uint64_t pause_ns[256], pause_end[256];
    gcsim_cycle cycles[256];
};

// Bytes of the heap's address space by use; sums to the grown pages (mstats.go: heapInUse, heapFree, heapReleased ...).
struct page_bytes {
    uint64_t in_use, stacks, workbufs, batches, free, released;
};

// Memory back to the system (scavenge.h). The heap lock guards what has no other guard.
struct scavenger {
    uint32_t min_pages,
        huge_pages;      // pages of a physical page, at least 1; of a huge page, 0 = none
    uint32_t in_transit; // pages taken out to be released
    int64_t memory_limit;
    uint64_t last_in_use; // bytes.in_use when the last cycle's marking ended
    struct scavenge_goals goals;

    // The background's: whoever has `lock` is it.
    struct rt_lock lock;
    uint32_t ready;      // the sweep has ended since it last looked: do not sleep on
    uint64_t next_ns;    // its next turn; UINT64_MAX = parked
    uint64_t asleep_ns;  // since when it sleeps; 0 = it does not
    double worked_ns;    // in this turn
    uint64_t turn_bytes; // released in this turn
    struct scavenge_sleep sleep;
};

struct mutator;

_Static_assert(sizeof(gcsim_span) == 128 && offsetof(gcsim_span, heap_bits) < 64,
               "marking reads one cache line of a span");

struct mheap {
    struct world *world;
    struct history *history;
    struct rt rt;
    struct meta meta;
    struct types types;

    char *arena;          // first byte of page 0
    uint64_t arena_pages; // reserved
    uint64_t grown_pages; // in use or once used: pages [0, grown_pages)
    struct {
        uint32_t huge_pages, place; // as asked for: gcsim_huge_pages, gcsim_place
        uint64_t nodes;
        int32_t huge_refused; // errno
    } placement;              // alloc/placement.h
#if GCSIM_STEPS
    uint64_t used_pages; // behind the last page that a span ever had: what lies above reads as zero
#endif
    uint32_t *page_span;    // page -> first page of its span + 1, 0 = no span
    gcsim_span *spans;      // by first page
    uint8_t *page_class;    // of a span with inline mark bits its span class, of any other page 0
    uint64_t *inline_marks; // a line for each page
    uint64_t
        *page_specials; // a bit per page: the span that begins there has specials (gc/specials.h)
    uint32_t
        queues_spans; // marking queues spans whose slots have at most so many bytes (gc/spanq.h); 0 = none
    bool green_tea; // spans keep inline mark bits back
    bool clobber_free;
    bool efence;         // each object has pages of its own, which are never used again
    bool check_mark;     // the bitmaps of gc/checkmark.c are kept
    bool allocate_white; // objects made while marking are not marked: a mistake (gcsim_options)
    uint32_t
        slot_by_slot; // each allocation is recorded: windows have one slot, so that it comes by
    uint32_t sites_recorded; // and with its site: who allocates says beforehand where
    uint64_t events_on;      // a bit per kind that somebody wants to know of
    uint64_t
        sample_rate; // the heap profile samples an object per so many bytes; 0 = none. Changes while the world is stopped
    uint64_t sample_seed;

    struct rt_lock lock;
    struct pagealloc pages;
    struct page_bytes bytes;
    uint64_t spans_in_use; // span structs in use
    struct scavenger scavenger;

    struct mcentral central[NUM_SPAN_CLASSES];
    uint32_t sweepgen;    // += 2 per cycle
    uint32_t sweeping;    // spans taken from the unswept lists and not yet swept
    gcsim_span full_span; // what empty cache entries point at
    uint64_t zerobase;    // where objects of size 0 live (malloc.go:zerobase)

    // What the collector's door reads and feeds (alloc/door.h).
    uint64_t heap_live; // bytes, counted by spans handed out (mgcpacer.go:heapLive)
    uint64_t heap_scan; // bytes of it that a scan reads, as far as known (mgcpacer.go:heapScan)
    uint64_t total_alloc, total_free; // bytes of slots, ever
    uint64_t trigger;                 // heap_live at which a cycle starts; UINT64_MAX = never
    uint32_t blacken; // marking is on: objects are handed out black (mgc.go:gcBlackenEnabled)
    uint32_t
        watched; // the pacer wants to know when heap_live moves: marking is on, or there is a memory limit
    uint32_t sweep_owed; // allocations owe sweeping

    struct mutator *mutators; // all attached, linked
    struct rt_lock mutators_lock;
    uint32_t next_mutator_id;
    uint32_t stop; // GCSIM_STOP_*: somebody wants the world (gc/world.c)
};

// For the ring of the heap's own, for a recording, or for both.
CORE void emit_event(struct mheap *h, enum event_kind kind, uint32_t mutator, uint64_t where,
                     uint64_t arg);
#ifdef GCSIM_NO_EVENTS // what they cost where they are off: tests/bench/tracing.py
#define EVENTS_ON(h, bits)              ((void)(h), false)
#define EMIT(h, kind, m_id, where, arg) ((void)(h))
#else
#define EVENTS_ON(h, bits) UNLIKELY(GCSIM_LOAD(&(h)->events_on) & (bits))
#define EMIT(h, kind, m_id, where, arg)                                                            \
    (EVENTS_ON(h, EVENT_BIT(kind)) ? emit_event((h), EVENT_##kind, (m_id), (where), (arg))         \
                                   : (void)0)
#endif
// A step point: another coroutine may run here (step instantiation), and the event is emitted. A POINT is one without an event.
#if GCSIM_STEPS
#define POINT(h, kind, where, arg) rt_step(&(h)->rt, EVENT_##kind, (where), (arg))
#define STEP(h, kind, m_id, where, arg)                                                            \
    (EMIT(h, kind, m_id, where, arg), POINT(h, kind, where, arg))
#else
#define POINT(h, kind, where, arg)      ((void)0)
#define STEP(h, kind, m_id, where, arg) EMIT(h, kind, m_id, where, arg)
#endif

CORE_INLINE uint64_t arena_offset(const struct mheap *h, const void *p)
{
    return (uint64_t)((const char *)p - h->arena);
}

CORE_INLINE void count_add(uint64_t *counter, uint64_t n)
{
    __atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

CORE_INLINE uint32_t span_page(const struct mheap *h, const gcsim_span *s)
{
    return (uint32_t)(s - h->spans);
}

// The span that holds an address, in use or manual; NULL for any other address. Any value may be asked for.
CORE_INLINE gcsim_span *span_of(const struct mheap *h, const void *p)
{
    uint64_t page = arena_offset(h, p) >> PAGE_SHIFT;
    if (UNLIKELY(page >= GCSIM_LOAD(&h->grown_pages)))
        return NULL;
    uint32_t first = __atomic_load_n(&h->page_span[page], __ATOMIC_ACQUIRE);
    return LIKELY(first) ? &h->spans[first - 1] : NULL;
}

// A span's number for an address inside [base, limit).
CORE_INLINE uint32_t span_index(const gcsim_span *s, const void *p)
{
    return (uint32_t)(((uint64_t)(uint32_t)((const char *)p - s->base) * s->div_magic) >> 32);
}

CORE_INLINE bool span_noscan(const gcsim_span *s) { return s->span_class & 1; }

CORE_INLINE uint64_t *span_alloc_bits(const struct mheap *h, const gcsim_span *s)
{
    return (uint64_t *)(world_at(h->world, REGION_ALLOC_BITS) +
                        (uint64_t)span_page(h, s) * MARK_BYTES_PER_PAGE);
}

CORE_INLINE uint64_t span_mark_words(const gcsim_span *s)
{
    return ((uint64_t)s->nelems + 63) / 64;
}

// The mark bits of a page that has inline ones, whose address says where they are, without a look at its span. In Go they lie at the end of
// the page itself, behind the scan bits (mgcmark_greenteagc.go:spanInlineMarkBitsFromBase); here the span keeps those bytes back, so that it has
// as many slots as Go's, but lines that lie a page apart share a few sets of every cache: side by side, the marks of a heap of 64 MiB fit in
// a second-level cache.
CORE_INLINE uint64_t *page_marks(const struct mheap *h, uint64_t page)
{
    return (uint64_t *)((uintptr_t)h->inline_marks +
                        page * (SPAN_INLINE_MARKS_BYTES / 2)); // of any page, to be asked for
}

// Inline scan bits, at the span's end: the objects that span by span marking has scanned or is scanning. For spans with inline mark bits.
CORE_INLINE uint64_t *span_scans(const gcsim_span *s)
{
    return (uint64_t *)(void *)(s->base + s->inline_marks);
}

CORE_INLINE char *span_slot(const gcsim_span *s, uint32_t index)
{
    return s->base + (uint64_t)index * s->slot_bytes;
}

CORE_INLINE bool span_has_header(const gcsim_span *s)
{
    return !span_noscan(s) && s->slot_bytes32 > MAX_HEAP_BITS_SLOT_BYTES;
}

CORE bool span_is_free(const struct mheap *h, const gcsim_span *s,
                       uint32_t index);         // the slot holds no object
CORE uint32_t span_in_use(const gcsim_span *s); // slots in use, the current window included
CORE bool span_check(const struct mheap *h,
                     const gcsim_span *s); // cheap: what every change of hands leaves true

CORE_INLINE bool span_list_is_empty(const struct span_list *list)
{
    return __atomic_load_n(&list->head, __ATOMIC_ACQUIRE) == 0;
}
CORE void span_list_push(struct mheap *h, struct span_list *list, gcsim_span *s);
CORE void span_list_remove(struct mheap *h, struct span_list *list,
                           gcsim_span *s); // which is on it
CORE gcsim_span *span_list_pop(struct mheap *h, struct span_list *list);

CORE gcsim_status mheap_init(struct mheap *h, struct world *w, uint64_t arena_bytes);
// A span for objects of a span class, or for one large object. NULL: no memory (*status says which).
CORE gcsim_span *mheap_alloc(struct mheap *h, struct mutator *m, uint64_t npages,
                             unsigned span_class, gcsim_status *status);
// Pages for the core's own use: stacks, work buffers, batches. Not zeroed.
CORE gcsim_span *mheap_alloc_manual(struct mheap *h, uint64_t npages, gcsim_manual purpose,
                                    gcsim_status *status);
// Bytes of the world that the system may have memory behind (mem.go, mstats.go:mappedReady): all that was committed, less what was
// released.
CORE uint64_t mheap_mapped_ready(const struct mheap *h);
// Give a span without live objects back to the page allocator.
CORE void mheap_free(struct mheap *h, gcsim_span *s);
// The line of GODEBUG=scavtrace=1, if it is wanted. forced: by a call that gives back all it can (FreeOSMemory).
CORE void mheap_note_scav(struct mheap *h, bool forced);
// Instead of giving it back (efence): nothing is ever there again, and whoever touches it is stopped by the system.
CORE void mheap_fence(struct mheap *h, gcsim_span *s);
