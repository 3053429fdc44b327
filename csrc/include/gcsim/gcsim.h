// gcsim: Go's memory manager as a C library. This header is the whole public C API.
//
// A *heap* is one reserved block of address space. Threads work on it through *mutators* (what a P holds in Go: span cache,
// tiny block, page cache). Pointers into the heap are plain `void *`; interior pointers keep their whole object. What must
// survive a collection has to be reachable from a root: a handle, a named global, a frame slot of a goroutine, a strong batch,
// or the object that the running call is about to return.
//
// Rules for C callers. (1) Between gcsim_enter and gcsim_leave the world cannot be stopped except at polls: every allocation,
// gcsim_safepoint, collect. (2) A raw pointer held in a C variable across a poll is not a root. (3) Pointer slots inside heap
// objects, handles and globals are written with gcsim_store, copied with copy and cleared with clear (the barrier entry points);
// frames have no barrier.
// (4) Nothing here is safe against wrong pointers: this is C.
//
// All calls go through a function table (`gcsim_api`), one per instantiation: gcsim_fast() runs with real threads,
// gcsim_steps() runs the same code as coroutines under a scheduler. A heap's objects hold the table they were made by
// (`m->api`), so the inline functions below work for both.
#ifndef GCSIM_H
#define GCSIM_H

#ifndef GCSIM_CDEF /* cffi reads this file with GCSIM_CDEF defined: declarations only */
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
#endif

#define GCSIM_VERSION      100  /* 0.1.0: major * 10000 + minor * 100 + patch */
#define GCSIM_API_VERSION  1    /* of the function table; entries are only ever added at its end */
#define GCSIM_PAGE_BYTES   8192 /* runtime page, internal/runtime/gc/malloc.go:PageSize */
#define GCSIM_SPAN_CLASSES 136
#define GCSIM_SIZE_CLASSES 68

typedef struct gcsim_heap gcsim_heap;
typedef struct gcsim_mutator gcsim_mutator;
typedef struct gcsim_span gcsim_span;
typedef struct gcsim_type gcsim_type;
typedef struct gcsim_handle gcsim_handle;
typedef struct gcsim_weak gcsim_weak;
typedef struct gcsim_special gcsim_special;
typedef struct gcsim_global gcsim_global;
typedef struct gcsim_goroutine gcsim_goroutine;
typedef struct gcsim_batch gcsim_batch;
typedef struct gcsim_api gcsim_api;

typedef enum gcsim_status {
    GCSIM_OK = 0,
    GCSIM_NO_MEMORY, /* the operating system refused memory, address space or a thread */
    GCSIM_HEAP_FULL, /* the heap's reserved address space is used up: create it with a larger reserve_bytes */
    GCSIM_BAD_SIZE,    /* a size, count or index is out of range */
    GCSIM_BAD_TYPE,    /* a type description contradicts itself */
    GCSIM_BAD_ADDRESS, /* the address does not lie in a live object of this heap */
    GCSIM_BAD_STATE, /* the call does not fit the state: popping an empty goroutine, rewinding a running one */
    GCSIM_INTERRUPTED, /* the poll callback asked to stop; the operation was undone */
    GCSIM_FORKED,      /* the heap was made before a fork and this is the child */
    GCSIM_DEADLOCK, /* step instantiation: nobody can go on (steps.h: deadlock says why); the heap can only be destroyed */
    GCSIM_NO_PLACE, /* the system does not place memory as asked: it has no such nodes, or forbids it */
    GCSIM_STATUSES
} gcsim_status;

typedef enum gcsim_mark_engine {
    GCSIM_MARK_FIELD = 0,
    GCSIM_MARK_OBJECT = 1,
    GCSIM_MARK_SPAN = 2,  /* Green Tea; where spans keep no inline mark bits, as `object` */
    GCSIM_MARK_MIXED = 3, /* spans of slots of at most 32 bytes, larger objects one by one */
    GCSIM_MARK_ENGINES
} gcsim_mark_engine;

/* What `*slot = ptr` does while marking (gc/barrier.def says how each is made and what it promises). */
typedef enum gcsim_barrier {
    GCSIM_BARRIER_HYBRID = 0,             /* shade old, shade new, store: Go 1.8 and later */
    GCSIM_BARRIER_HYBRID_CONDITIONAL = 1, /* shade new only while the mutator's stacks are grey */
    GCSIM_BARRIER_DIJKSTRA = 2,           /* shade new, store: Go 1.5 to 1.7 */
    GCSIM_BARRIER_YUASA = 3,              /* shade old, store */
    GCSIM_BARRIER_STEELE = 4, /* store; the object that was written to is scanned again */
    GCSIM_BARRIER_NONE = 5,   /* store */
    GCSIM_BARRIER_HYBRID_STORE_FIRST = 6,   /* shade old, store, shade new */
    GCSIM_BARRIER_YUASA_STORE_FIRST = 7,    /* store, shade what is in the slot then */
    GCSIM_BARRIER_DIJKSTRA_STORE_FIRST = 8, /* store, shade new */
    GCSIM_BARRIER_HYBRID_OLD_LAST = 9,      /* shade new, store, shade what is in the slot then */
    GCSIM_BARRIERS
} gcsim_barrier;

typedef enum gcsim_stacks {                           /* when a cycle scans goroutine frames */
                            GCSIM_STACKS_STOPPED = 0, /* all in the first stop */
                            GCSIM_STACKS_FIRST =
                                1, /* each mutator's at a safe point of its own, before anything else is marked */
                            GCSIM_STACKS_LAST =
                                2, /* the same, when nothing else is grey any more */
                            GCSIM_STACKS_ORDERS
} gcsim_stacks;

typedef enum gcsim_pacer {                         /* when a cycle starts */
                           GCSIM_PACER_RUNWAY = 0, /* Go 1.18 and later (gc/pacer.h) */
                           GCSIM_PACER_RATIO =
                               1, /* Go 1.5 to 1.17 (gc/trigger_ratio.h); stacks and globals are not part of the goal */
                           GCSIM_PACER_AT_GOAL =
                               2, /* before Go 1.5: when the heap has grown by gc_percent */
                           GCSIM_PACERS
} gcsim_pacer;

typedef enum gcsim_kind { /* Go's kinds; the layout functions and repr use them, the collector does not */
                          GCSIM_KIND_BYTES = 0,
                          GCSIM_KIND_BOOL,
                          GCSIM_KIND_INT8,
                          GCSIM_KIND_INT16,
                          GCSIM_KIND_INT32,
                          GCSIM_KIND_INT64,
                          GCSIM_KIND_UINT8,
                          GCSIM_KIND_UINT16,
                          GCSIM_KIND_UINT32,
                          GCSIM_KIND_UINT64,
                          GCSIM_KIND_UINTPTR,
                          GCSIM_KIND_FLOAT32,
                          GCSIM_KIND_FLOAT64,
                          GCSIM_KIND_COMPLEX64,
                          GCSIM_KIND_COMPLEX128,
                          GCSIM_KIND_STRING,
                          GCSIM_KIND_SLICE,
                          GCSIM_KIND_POINTER,
                          GCSIM_KIND_INTERFACE,
                          GCSIM_KIND_MAP,
                          GCSIM_KIND_CHAN,
                          GCSIM_KIND_FUNC,
                          GCSIM_KIND_ARRAY,
                          GCSIM_KIND_STRUCT,
                          GCSIM_KINDS
} gcsim_kind;

/* Options of a heap. Zero-fill, set `bytes`, set what you want: zero means the default. */
/* What a step point costs in virtual time: ps = 1/1000 ns, for the point and for each unit of its event's arg where that is an amount. Waiting and
   locks cost at least 1 ns, else who looks again and again would stop the clock. */
typedef struct gcsim_cost {
    uint32_t kind; /* event kind */
    uint64_t ps, ps_per_unit;
} gcsim_cost;

typedef struct gcsim_options {
    uint32_t bytes; /* sizeof(gcsim_options) */
    int32_t
        gc_percent; /* GOGC; 0 = the default 100, negative = off (use set_gc_percent for a true 0) */
    uint64_t
        reserve_bytes; /* address space for objects, rounded up to 64 MiB; 0 = as much as the system grants up to 64 GiB */
    uint32_t mark_engine; /* gcsim_mark_engine + 1; 0 = mixed */
    uint32_t events;      /* records kept in the event ring; 0 = events off */
    uint32_t
        no_green_tea; /* 1: spans keep back no inline mark bits, as with GOEXPERIMENT=nogreenteagc */
    uint32_t
        clobber_free; /* 1: freed slots are filled with 0xdeadbeef (GODEBUG=clobberfree=1); always so in debug builds */
    uint32_t
        procs; /* processors that mutators and markers share (GOMAXPROCS); 0 = those of the machine, at most 64 */
    uint32_t
        stop_the_world; /* 1: mark with the world stopped, 2: sweep too (GODEBUG=gcstoptheworld) */
    uint32_t shade_entries; /* pointers in a write barrier's buffer + 1; 0 = 512 */
    uint32_t periodic_ms;   /* a collection at least so often; 0 = every 120,000 ms */
    int64_t memory_limit;   /* GOMEMLIMIT, bytes; 0 = none */
    /* Bytes of globals and of stacks that the pacer counts besides the heap's own, to follow another program's decisions. */
    uint64_t extra_globals_bytes, extra_stack_bytes;
    /* 1: after marking, mark again field by field with the world stopped and compare (GODEBUG=gccheckmark=1). */
    uint32_t check_mark;
    /* 1: each object has pages of its own, which are never used again (GODEBUG=efence=1). */
    uint32_t efence;
    uint32_t sbrk; /* 1: nothing is ever freed, and no cycle starts by itself (GODEBUG=sbrk=1) */
    uint32_t verify_phases; /* 1: check all invariants at each edge of a cycle, in any build */
    uint64_t
        stress_bytes; /* a cycle at the latest when so much was allocated since the last one ended; 0 = when the pacer says */
    uint32_t barrier; /* gcsim_barrier */
    uint32_t
        stacks; /* gcsim_stacks; other than STOPPED only in the step instantiation, whose mutators are never lent to other threads */
    uint32_t
        rescan_stacks; /* frames are scanned once more at mark termination: 0 = if the barrier needs it, 1 = yes, 2 = no */
    /* Mistakes, to see what they do. 1: objects made while marking are not marked; mark termination leaves barrier buffers as they are;
       (step instantiation) the program runs before the barrier is on, which then comes on without anybody waiting for safe points;
       (step instantiation) a mutator may be stopped, and its stack scanned, between the actions of its barrier. */
    uint32_t allocate_white, no_final_flush, late_barrier, preempt_barrier;
    uint32_t
        conservative_stacks; /* 1: each word of a frame may be a pointer, whatever its type: what it leads to is kept (Go before 1.3) */
    uint32_t pacer;          /* gcsim_pacer */
    int (*poll)(
        void
            *); /* called every few thousand objects in long calls; non-zero abandons the call: GCSIM_INTERRUPTED */
    void *poll_arg;
    /* Step instantiation only. 1: times are virtual ns (steps.h), and procs, up to 256, are virtual processors. `costs`: what differs from the
       standard table; the seed decides between events at the same time. */
    uint32_t virtual_time, ncosts;
    uint64_t virtual_seed;
    const gcsim_cost *costs;
    /* The heap profile samples an object per so many bytes (runtime.MemProfileRate); 0 = 524,288, and none in the step instantiation, where a
       sample would be a step of its own; -1 = none. The seed decides which ones. */
    int64_t mem_profile_rate;
    uint64_t mem_profile_seed;
    /* Where the objects' pages come from. huge_pages: gcsim_huge_pages, a hint that the system may refuse; a thread
       answers no stop while it touches one for the first time. place: gcsim_place, for the nodes of
       place_nodes, a bit each; the system refuses nodes that it does not have: GCSIM_NO_PLACE. */
    uint32_t huge_pages, place;
    uint64_t place_nodes;
} gcsim_options;

typedef enum gcsim_huge_pages {
    GCSIM_HUGE_LARGE = 0, /* the part of a heap above its first 16 MiB asks for them */
    GCSIM_HUGE_ALWAYS = 1,
    GCSIM_HUGE_NEVER = 2,
    GCSIM_HUGE_OPTIONS
} gcsim_huge_pages;

typedef enum gcsim_place {
    GCSIM_PLACE_DEFAULT =
        0, /* as the process has it: the node of who touches a page first, as a rule */
    GCSIM_PLACE_LOCAL = 1,       /* the node of who touches a page first */
    GCSIM_PLACE_INTERLEAVED = 2, /* the nodes in turn */
    GCSIM_PLACE_BOUND = 3,       /* these nodes alone */
    GCSIM_PLACES
} gcsim_place;

/* What type_new copies. `mask` has one bit per 8-byte word of the first ptr_bytes, little endian, 1 = pointer. */
typedef struct gcsim_type_desc {
    const char *name;
    uint64_t bytes;
    uint64_t ptr_bytes;
    const uint64_t *mask;
    uint32_t align;
    uint32_t kind;
} gcsim_type_desc;

/* A type of one heap. The first fields are what the inline allocation reads; all is constant after type_new. */
struct gcsim_type {
    uint64_t
        slot_ptrs; /* pointer bits of one slot, if the span holds its own pointer bitmap (slots of 16..512 B); else 0 */
    uint32_t reserved;
    uint16_t
        fast_class; /* span class whose cached span the inline path may use; 0 (never cached) sends it the long way */
    uint16_t span_class; /* 2 * size class + noscan */
    uint64_t bytes;
    uint64_t slot_bytes; /* what one object really takes */
    uint64_t ptr_bytes;
    const uint64_t *mask;
    uint32_t align;
    uint32_t kind;
    uint32_t name; /* index for type_name */
    uint32_t id;   /* dense number within the heap, from 0 */
};

/* A run of pages with one purpose. The first fields are what the inline allocation reads, the first 64 bytes what marking reads. */
struct gcsim_span {
    uint64_t
        free; /* free slots of the current window of 64 slots; bit 0 is the window's first slot */
    union {
        char *
            window; /* address of that first slot. The free slots are zeroed (up to 1 KiB), their pointer bits are window_ptrs */
        uint32_t
            before; /* on an mcentral list, where a span has no window: first page of the span before it + 1, 0 = first */
    };
    uint32_t slot_bytes32; /* 0 in large spans */
    uint32_t div_magic;    /* slot number = offset * div_magic >> 32; 0 in large spans */
    char *base;
    char *limit;     /* end of the last object; == base unless in use for objects */
    uint64_t *marks; /* mark bits: inside the span where Green Tea keeps them, else outside */
    uint64_t
        window_ptrs; /* pointer bits that each free slot of the window already has: those of the type that loaded it. While the
                              span is not `mixed` every slot has them, in use or free: marking need not read the bitmap */
    uint8_t span_class;
    uint8_t state; /* gcsim_span_state */
    uint8_t needzero;
    uint8_t mixed; /* 1: slots may have different pointer bits */
    uint16_t nelems;
    uint16_t heap_bits; /* offset of the pointer bitmap inside the span, 0 = none */

    uint64_t slot_bytes;
    uint64_t loaded; /* `free` as it was when the window was loaded */
    union {
        uint64_t large_count; /* elements of large_type in a large object */
        struct {
            uint32_t
                grey_next; /* in a queue of grey spans: first page of the next span + 1, 0 = last */
            uint16_t grey_slot; /* the object that put it there */
        };
    };
    gcsim_special *
        specials; /* finalizers, weak references and cleanups of the span's objects (gc/specials.h) */
    uint32_t npages;
    uint32_t
        sweepgen; /* relative to the heap's h: h-2 unswept, h-1 being swept, h swept, h+1 cached and stale, h+3 cached */
    uint32_t next;         /* in its mcentral list: first page of the next span + 1, 0 = last */
    uint16_t window_index; /* number of the window's first slot */
    uint16_t purpose;      /* of a manual span: gcsim_manual */
    uint16_t
        free_index; /* first slot not yet given to a window; slots below it are as alloc_bits and the window say */
    uint16_t alloc_count; /* slots in use, those taken from the current window not included */
    uint16_t
        counted; /* slots in use when the span was cached: what the statistics have already seen */
    uint16_t
        inline_marks; /* offset of the 128 bytes that the span keeps back for scan and mark bits, as Go does, 0 = none; the marks lie elsewhere */
    const gcsim_type *large_type; /* type of a large object, NULL = nothing to scan */
};

/* Bits of a mutator's barrier flag, and of a heap's stop flag. */
#define GCSIM_BARRIER_STEPS 1u /* the step instantiation: stores always leave the inline path */
#define GCSIM_BARRIER_MARKING                                                                      \
    2u /* marking is on: what a store overwrites and what it stores is shaded */
#define GCSIM_STOP_NOW    1u /* the world is being stopped */
#define GCSIM_STOP_FENCE  2u /* for good: this machine needs the full fence at enter */
#define GCSIM_STOP_RAGGED 4u /* each mutator is to pass a safe point */
#define GCSIM_STOP_TOKENS 8u /* for good: more mutators than processors, so who enters takes one */
#define GCSIM_STOP_YIELD                                                                           \
    16u /* somebody waits for a processor, or marking for its share of the time */
#define GCSIM_STOP_MARKING 32u /* tokens are counted and marking is on: polls give it time */
/* These do not ask who is inside to leave. */
#define GCSIM_STOP_STANDING (GCSIM_STOP_FENCE | GCSIM_STOP_TOKENS | GCSIM_STOP_MARKING)
/* For these a poll leaves the inline path. */
#define GCSIM_STOP_POLL (GCSIM_STOP_NOW | GCSIM_STOP_RAGGED | GCSIM_STOP_YIELD | GCSIM_STOP_MARKING)

/* A thread's share of a heap. The first fields are what the inline paths read. */
struct gcsim_mutator {
    const gcsim_api *api;
    gcsim_heap *heap;
    uint32_t inside; /* 1 between enter and leave */
    uint8_t
        barrier; /* GCSIM_BARRIER_*: 0 = stores are plain. A byte is tested where it lies, in one instruction */
    void **shade_next; /* where the write barrier notes the next pointer ... */
    void **
        shade_end; /* ... and the end of that buffer; in the step instantiation its start, so that stores leave */
    const uint32_t *stop; /* the heap's flag: somebody wants the world (GCSIM_STOP_*) */
    gcsim_status status;  /* why the last allocation returned NULL */
    uint32_t id;
    gcsim_span *alloc
        [GCSIM_SPAN_CLASSES]; /* cached spans; empty entries point at a full span, so there is no null test */
    uint32_t
        site; /* the program's to set: a name that says where what it allocates now is allocated, for the heap profile. A line for each
                 function, the innermost first: its name; and, with tabs before them, file, line, and line of its beginning */
};

/* A root slot owned by the caller, for as long as it likes. ptr is written with gcsim_store. */
struct gcsim_handle {
    void *ptr;
    uintptr_t link; /* free list, list of dropped handles, owner's tag: the core's own */
};

/* A named root of up to three words (pointer; string; slice). Word 0 is the pointer. */
struct gcsim_global {
    void *words[3];
    uint32_t name; /* index for name_text */
    uint32_t in_use;
};

/* Why a goroutine is blocked (runtime2.go:waitReason; those that matter to a program). From the first channel to the last semaphore, in
   Go's order, are those that can be for ever: who waits so is asked for leaks (mgcmark.go:internalBlocked). */
typedef enum gcsim_wait_reason {
    GCSIM_WAIT_NONE = 0, /* it is not blocked */
    GCSIM_WAIT_SLEEP,
    GCSIM_WAIT_CHAN_RECEIVE_NIL, /* the next three never end */
    GCSIM_WAIT_CHAN_SEND_NIL,
    GCSIM_WAIT_SELECT_NO_CASES,
    GCSIM_WAIT_SELECT,
    GCSIM_WAIT_CHAN_RECEIVE,
    GCSIM_WAIT_CHAN_SEND,
    GCSIM_WAIT_COND,
    GCSIM_WAIT_MUTEX,
    GCSIM_WAIT_RWMUTEX_R,
    GCSIM_WAIT_RWMUTEX,
    GCSIM_WAIT_WAITGROUP,
    GCSIM_WAIT_REASONS
} gcsim_wait_reason;

/* One thing that a goroutine waits for, the first words of an object in the heap (Go: sudog.c or elem, waitlink). */
typedef struct gcsim_wait {
    void *object;            /* a channel, a semaphore */
    struct gcsim_wait *link; /* what else it waits for: any of them wakes it */
} gcsim_wait;

/* A goroutine: a stack of frames. Stores into frames have no barrier. It belongs to the mutator that made it, for as long as there is
   that mutator: frames are scanned at the collector's stop, or at a safe point of its mutator (gcsim_options.stacks). */
struct gcsim_goroutine {
    char *stack; /* frames grow upward; moves when it grows */
    uint64_t stack_bytes;
    uint64_t top;  /* offset of the innermost frame, UINT64_MAX when there is none */
    uint64_t used; /* bytes in use */
    uint32_t name;
    uint32_t id; /* 1, 2, ... in order of creation */
    uint32_t in_use;
    uint32_t depth;
    /* Written by goroutine_park and goroutine_ready. The pointers are roots as frame slots are. */
    gcsim_wait *waiting;  /* what it is blocked on */
    void *param;          /* what woke it last (Go: g.param), until it blocks again */
    uint32_t wait_reason; /* gcsim_wait_reason */
    uint32_t leaked; /* 1: nothing can wake it, as find_goroutine_leaks found when it ran last */
    uint64_t
        go_stack; /* bytes of the stack that Go would give it: grows with frames, is halved by collections (gc/stack.h) */
};

typedef struct gcsim_goroutine_info { /* as it was when listed */
    gcsim_goroutine *g;
    uint32_t id, name;
    uint32_t wait_reason, leaked;
} gcsim_goroutine_info;

typedef struct gcsim_frame { /* at offset `top` of the stack; the slots follow */
    const gcsim_type *type;
    uint64_t caller; /* offset of the caller's frame, UINT64_MAX at the bottom */
    uint32_t name;
    uint32_t
        serial; /* never used twice within a goroutine's life: tells a frame from its successor */
} gcsim_frame;

/* n object pointers kept in the heap's own memory. Strong while objects are being built, weak afterwards:
   a collection sets the entries of dead objects to NULL. */
struct gcsim_batch {
    void **objects; /* read with gcsim_batch_at */
    uint64_t count;
    uint32_t strong;
    uint32_t in_use;
    uint32_t pages;
    uint32_t
        clearing; /* 1: a collection found dead objects, and their entries are not all NULL yet */
};

typedef struct gcsim_object { /* what find_object and objects tell about one object (slot) */
    char *base;               /* first byte of the slot */
    uint64_t slot_bytes;
    uint64_t header_bytes;  /* 8 if a type word precedes the program's bytes */
    const gcsim_type *type; /* known for large objects and objects with a header; NULL otherwise */
    uint32_t span_page;     /* page number of the span, from the heap's first page */
    uint32_t index;         /* slot number in the span */
    uint8_t noscan;
    uint8_t marked; /* mark bit as it stands */
    uint8_t span_class;
    uint8_t unswept; /* the span waits to be swept: the object may be garbage */
} gcsim_object;

typedef struct gcsim_span_info {
    uint64_t first_page, npages, nelems, allocated, free_index, slot_bytes;
    uint32_t span_class, state, sweep, needzero, cached; /* sweep: sweepgen - heap's sweepgen */
    uint32_t purpose;
} gcsim_span_info;

typedef enum gcsim_span_state {
    GCSIM_SPAN_DEAD = 0,
    GCSIM_SPAN_IN_USE = 1,
    GCSIM_SPAN_MANUAL = 2
} gcsim_span_state;
typedef enum gcsim_manual {
    GCSIM_MANUAL_STACK = 1,
    GCSIM_MANUAL_WORKBUF = 2,
    GCSIM_MANUAL_BATCH = 3,
    GCSIM_MANUAL_FENCE =
        4 /* a freed object's pages, never used again (efence); counted as in use */
} gcsim_manual;

/* runtime.MemStats, field for field (mstats.go:MemStats); times in ns. */
typedef struct gcsim_memstats {
    uint64_t alloc, total_alloc, sys, lookups, mallocs, frees;
    uint64_t heap_alloc, heap_sys, heap_idle, heap_inuse, heap_released, heap_objects;
    uint64_t stack_inuse, stack_sys, mspan_inuse, mspan_sys, mcache_inuse, mcache_sys,
        buck_hash_sys, gc_sys, other_sys;
    uint64_t next_gc, last_gc, pause_total_ns;
    uint64_t pause_ns[256], pause_end[256];
    uint32_t num_gc, num_forced_gc;
    double gc_cpu_fraction;
    uint32_t enable_gc, debug_gc;
    struct {
        uint32_t size;
        uint64_t mallocs, frees;
    } by_size[61];
} gcsim_memstats;

/* What the scavenger has done since the heap was made, and what it aims at now. Bytes and ns of CPU time. */
typedef struct gcsim_scavenger {
    uint64_t
        background_bytes;  /* released by the collector's own thread, or at the end of a sweep */
    uint64_t eager_bytes;  /* by allocations: the heap grew beyond its goal, or reached its limit */
    uint64_t forced_bytes; /* by free_os_memory */
    uint64_t background_ns, assist_ns; /* assist: of allocations */
    uint64_t refused;                  /* times the system would not take memory back */
    uint64_t resets;                   /* times the controller of the background's pace was reset */
    uint64_t retained;                 /* heap_inuse + what is free and has memory */
    uint64_t mapped_ready;             /* sys - heap_released */
    uint64_t gc_percent_goal;          /* for retained; UINT64_MAX: nothing to do */
    uint64_t memory_limit_goal;        /* for mapped_ready; UINT64_MAX: nothing to do */
} gcsim_scavenger;

typedef enum gcsim_trigger {
    GCSIM_TRIGGER_HEAP = 0,
    GCSIM_TRIGGER_FORCED = 1,
    GCSIM_TRIGGER_PERIODIC = 2
} gcsim_trigger;

/* One collection, and the arithmetic that led to it. Bytes and ns; CPU times are sums over threads. Eight bytes a field but for the
   two after `number`, so that it can be read word by word. */
typedef struct gcsim_cycle {
    uint64_t number;  /* 1, 2, ... */
    uint32_t trigger; /* gcsim_trigger */
    int32_t gc_percent;
    /* The start: what was known, and what followed from it. */
    uint64_t start_ns;                 /* since 1970 */
    uint64_t since_ns;                 /* since the heap was made */
    uint64_t heap_live;                /* what the trigger compared */
    uint64_t trigger_bytes;            /* heap_live at which it was to start */
    uint64_t goal;                     /* then in force */
    uint64_t marked_before;            /* bytes marked by the cycle before */
    uint64_t stack_scan, globals_scan; /* what else the goal counted */
    uint64_t heap_scan_before;         /* bytes of objects that the cycle before read */
    uint64_t heap_scan;                /* scannable part of heap_live */
    uint64_t memory_limit;             /* INT64_MAX: none */
    uint64_t limit_goal;               /* what the limit left to the heap; UINT64_MAX: none */
    uint64_t runway;                   /* bytes expected to be allocated while marking */
    double cons_mark;                  /* bytes allocated per byte marked, as estimated */
    double assist_ratio;               /* scan work per byte allocated, at the start */
    double fractional_goal;            /* share of each processor */
    uint64_t dedicated_workers;
    uint64_t procs;
    uint64_t stopped; /* 1: marked with the world stopped */
    /* Marking. */
    uint64_t objects_marked, roots,
        pointers;       /* objects marked, root slots seen, non-nil pointers seen */
    uint64_t scan_work; /* bytes of objects up to their last pointers (mgcmark.go:scanObject) */
    uint64_t stack_work, globals_work;
    uint64_t dedicated_ns, fractional_ns, idle_ns,
        assist_ns;          /* CPU time spent marking, by kind of worker */
    uint64_t background_ns; /* dedicated + fractional */
    uint64_t rescans;       /* mark passes repeated because work buffers ran out of memory */
    /* The end. */
    uint64_t heap_end;    /* heap_live when marking ended */
    uint64_t end_goal;    /* the goal in force when marking ended */
    uint64_t heap_marked; /* bytes marked */
    uint64_t next_goal, next_trigger;
    double utilization;     /* share of all CPU time that background marking and assists took */
    double cons_mark_after; /* the estimate from now on */
    double gc_cpu_fraction; /* share of all CPU time since the heap was made that collecting took */
    uint64_t limiter_fill, limiter_capacity;
    uint64_t limited; /* how often the CPU limiter came on, ever */
    /* Stops: pauseN from the request to the start, stoppingN until the world stood still. pause_ns is their sum. */
    uint64_t stop_ns, mark_ns, pause_ns;
    uint64_t pause1_ns, pause2_ns, stopping1_ns, stopping2_ns;
    /* The sweep as far as it got (final after collect). */
    uint64_t sweep_ns; /* of the sweep that collect itself waits for */
    uint64_t freed_objects, freed_bytes;
    uint64_t weak_cleared;
    uint64_t pages_swept, sweep_live; /* sweep_live: heap_live when all was swept; 0 = not yet */
    double sweep_ratio;               /* pages that allocation must sweep per byte */
} gcsim_cycle;

/* Lines that the collector writes about itself, in Go's words and format (GODEBUG=gctrace=1, gcpacertrace=1, scavtrace=1). */
typedef enum gcsim_trace {
    GCSIM_TRACE_GC = 0,
    GCSIM_TRACE_PACER = 1,
    GCSIM_TRACE_SCAV = 2,
    GCSIM_TRACES
} gcsim_trace;
#define GCSIM_TRACE_OFF        (-1) /* no file descriptor: no lines */
#define GCSIM_TRACE_KEEP       (-2) /* ... or they wait for trace_read */
#define GCSIM_TRACE_LINE_BYTES 512  /* room for any line */

/* How often a duration fell into a bucket (runtime/histogram.go:timeHistogram): below 0; from 0 by 64 ns to 256 ns, then four of
   equal width for each power of two; from 2^47 ns on. */
#define GCSIM_TIME_BUCKETS 162
typedef struct gcsim_time_histogram {
    uint64_t counts[GCSIM_TIME_BUCKETS];
} gcsim_time_histogram;

/* What runtime/metrics knows of a heap, read at one moment without a stop. CPU times are sums over processors, as of the last mark
   termination; slots in cached spans count when the span is given back, both as in Go. */
typedef struct gcsim_metrics {
    uint64_t assist_ns, dedicated_ns, idle_mark_ns, gc_pause_ns; /* dedicated: and fractional */
    uint64_t scavenge_assist_ns, scavenge_background_ns;
    uint64_t idle_ns, total_ns;
    uint64_t cleanups_executed, cleanups_queued, finalizers_executed, finalizers_queued;
    uint64_t cycles, forced_cycles;
    int64_t gc_percent;                                             /* -1: off */
    int64_t memory_limit;                                           /* INT64_MAX: none */
    uint64_t allocs[GCSIM_SIZE_CLASSES], frees[GCSIM_SIZE_CLASSES]; /* slots; [0]: large objects */
    uint64_t alloc_bytes, free_bytes;
    uint64_t tiny_allocs;          /* in no slot of their own */
    uint64_t heap_goal, heap_live; /* heap_live: marked by the last cycle */
    uint64_t limiter_last_enabled; /* number of a cycle; 0: never */
    uint64_t heap_scan, stack_scan, globals_scan;
    uint64_t starting_stack_bytes;
    uint64_t heap_inuse, heap_free, heap_released, stacks;
    uint64_t mspan_inuse, mspan_sys, mcache_inuse, mcache_sys, buck_hash_sys, gc_sys, other_sys;
    uint64_t procs, goroutines, goroutines_created, threads;
    gcsim_time_histogram stopping_gc, stopping_other, pauses_gc, pauses_other;
} gcsim_metrics;

typedef struct
    gcsim_event { /* one record of the ring; addresses are offsets from the heap's first byte */
    uint64_t time_ns;
    uint32_t kind; /* enum event_kind: events.def */
    uint32_t mutator;
    uint64_t where; /* an address offset, or 0 */
    uint64_t arg;
} gcsim_event;

typedef struct
    gcsim_recorded { /* a recording of events; times as the records have, in the step instantiation steps */
    uint64_t kept, dropped; /* records: to be read, and overwritten by later ones */
    uint64_t from_ns, to_ns;
} gcsim_recorded;

/* A graph to build: `count` objects, object i of type types[type_of ? type_of[i] : 0] with counts[i] elements (NULL: 1). */
typedef struct gcsim_build {
    uint64_t count;
    const gcsim_type *const *types;
    uint64_t ntypes;
    const void *type_of;    /* count unsigned integers, or NULL: all of types[0] */
    const uint64_t *counts; /* or NULL: one element each; 0 gives a zero-size object */
    uint32_t type_of_bytes; /* size of an integer in type_of: 1 or 4; 0 means 1 */
} gcsim_build;

/* Links to set: slot at byte `offset` of objects[i] gets objects[index[i]] (+ target_offset[i]); -1 is nil. */
typedef struct gcsim_links {
    uint64_t offset;
    const void *index;    /* count integers */
    uint32_t index_bytes; /* 4 or 8, signed */
} gcsim_links;

/* Edges in arbitrary shape: slot at base(source[k]) + source_offset[k] gets base(target[k]) + target_offset[k]. Offsets count from
   the slot's first byte, so an object with a header has its first field at 8. */
typedef struct gcsim_edges {
    uint64_t count;
    const uint32_t *source, *source_offset;
    const int32_t *target;
    const uint32_t *target_offset;
} gcsim_edges;

/* A callback of a dead object, ready to run: `object` is the finalizer's, rooted by this handle until callback_done. */
typedef void (*gcsim_callback_run)(gcsim_mutator *m, void *object, void *arg);
typedef enum gcsim_callback_kind { GCSIM_FINALIZER = 1, GCSIM_CLEANUP = 2 } gcsim_callback_kind;
typedef struct gcsim_callback {
    uint32_t kind; /* gcsim_callback_kind */
    uint64_t id;
    gcsim_callback_run run; /* as given; may be NULL where the taker knows what to do */
    void *arg;
    gcsim_handle *object; /* of a finalizer; NULL for a cleanup: the object is gone */
} gcsim_callback;

/* What at_cycle_start is given. */
#define GCSIM_CYCLE_STARTS 4
typedef void (*gcsim_cycle_start)(gcsim_heap *heap, void *arg);

/* Since the heap was made (runtime/metrics: /gc/finalizers/queued and so on); `ready` is how many wait to be taken now. */
typedef struct gcsim_callback_counts {
    uint64_t finalizers_queued, finalizers_executed, cleanups_queued, cleanups_executed, ready;
} gcsim_callback_counts;

/* What keeps an object of a snapshot. */
typedef enum gcsim_kept_by {
    GCSIM_KEPT_BY_GLOBAL = 1,
    GCSIM_KEPT_BY_FRAME = 2,
    GCSIM_KEPT_BY_BATCH = 3,  /* strong: its objects are being built */
    GCSIM_KEPT_BY_TINY = 4,   /* a mutator's tiny block */
    GCSIM_KEPT_BY_NEW = 5,    /* what the allocation under way is about to return */
    GCSIM_KEPT_BY_QUEUED = 6, /* an object whose finalizer is to run */
    GCSIM_KEPT_BY_FINALIZER =
        7, /* a pointer of an object with a finalizer, which is no root itself */
    GCSIM_KEPT_BY_HANDLE = 8,
    GCSIM_KEPT_BY_WAITING = 9, /* what a goroutine is blocked on, or what woke it */
} gcsim_kept_by;

typedef struct gcsim_snapshot_root {
    uint32_t kind;             /* gcsim_kept_by */
    uint32_t name;             /* of the global, of the frame: for name_text */
    uint32_t goroutine, frame; /* of a frame slot: index in goroutines; 0 is the innermost frame */
    uint32_t type;             /* of a frame: gcsim_type.id */
    uint32_t object;  /* of a pointer that a finalizer needs: the object with the finalizer */
    uint32_t dst;     /* the object that the root leads to */
    uint32_t dst_off; /* ... and where in its slot */
    uint64_t offset;  /* in the frame, in the object with the finalizer, index in the batch */
} gcsim_snapshot_root;

typedef struct gcsim_snapshot_goroutine {
    uint32_t id, name, frames;
} gcsim_snapshot_goroutine;

typedef struct gcsim_snapshot_special { /* a finalizer or cleanup that waits for its object's end */
    uint32_t kind;                      /* gcsim_callback_kind */
    uint32_t object;
    uint64_t id;
    void *arg; /* as it was given; nobody has looked at it */
} gcsim_snapshot_special;

/* Where the memory of a heap is, in bytes. Everything up to `other` adds up to sys, which is that of gcsim_memstats. */
typedef struct gcsim_breakdown {
    uint64_t live;      /* slots of objects that a root reaches */
    uint64_t dead;      /* ... that none reaches any more; no collection has found them yet */
    uint64_t unswept;   /* ... that the last collection found dead, and that wait to be swept */
    uint64_t tiny_free; /* what is left of the mutators' tiny blocks */
    uint64_t
        large_tails; /* behind large objects that a root reaches, up to the end of their pages */
    uint64_t free_slots;
    uint64_t span_bits;            /* pointer and mark bits inside of spans */
    uint64_t span_tails;           /* what no slot fits into any more */
    uint64_t fences;               /* pages that are never used again (efence) */
    uint64_t free_pages, released; /* released: without memory */
    uint64_t stacks, stacks_free;  /* frames, and what is left of the stacks */
    uint64_t work_buffers, batches;
    uint64_t span_structs, mutators, mark_bits, profile, other;
    uint64_t sys;
    uint64_t compaction; /* pages that spans would give back if live objects lay side by side */
} gcsim_breakdown;

/* How the spans of one class are used. A live object is what a sweep would leave. */
typedef struct gcsim_class_use {
    uint64_t slot_bytes;        /* 0: large objects */
    uint64_t spans, span_bytes; /* span_bytes: of all their pages */
    uint64_t slots, used,
        live; /* used: as the allocator sees it, dead ones that wait to be swept included */
    uint64_t used_bytes, live_bytes; /* of these slots */
    uint64_t cached;                 /* spans that a mutator allocates from */
    uint64_t empty, single; /* spans with no live object, and small ones with a single one */
    uint64_t fewest;        /* spans that the live objects would fill */
    uint64_t bits,
        tails; /* bytes that are no slot: pointer and mark bits; what no slot fits into */
    uint64_t known,
        asked; /* live objects of which it is known what was asked for, and those bytes */
} gcsim_class_use;

/* How a heap is cut up: classes, large objects first, and free pages in a row, [k] those of 2^k to 2^(k+1) - 1 pages. Pages that a mutator
   keeps for itself count as free. Eight bytes a field, so that it can be read word by word. */
#define GCSIM_RUN_LENGTHS 33
typedef struct gcsim_fragmentation {
    gcsim_class_use classes[GCSIM_SPAN_CLASSES];
    uint64_t free_runs[GCSIM_RUN_LENGTHS], free_run_pages[GCSIM_RUN_LENGTHS];
    uint64_t pages; /* in use or once used */
    uint64_t free_pages, released_pages,
        cached_pages;                    /* of the free ones: without memory; kept by mutators */
    uint64_t largest_run;                /* free pages */
    uint64_t manual_pages, fenced_pages; /* stacks and buffers; pages never used again (efence) */
    uint64_t
        compaction; /* bytes of spans with live objects that could go if these lay side by side */
} gcsim_fragmentation;

typedef enum gcsim_run_kind {
    GCSIM_RUN_FREE = 0,
    GCSIM_RUN_OBJECTS = 1,
    GCSIM_RUN_MANUAL = 2,
    GCSIM_RUN_FENCED = 3
} gcsim_run_kind;
typedef struct gcsim_page_run { /* a span, or all free pages between two */
    uint32_t page, npages;
    uint32_t kind; /* gcsim_run_kind */
    uint32_t span_class, slots;
    uint32_t live; /* objects; of free pages: those that were released */
} gcsim_page_run;

/* Where `fragmentation` writes the runs, and which slots are live: of each span that begins before page slot_pages a bit per slot, from
   slots[16 * first page] on; no others are written to. */
typedef struct gcsim_page_map {
    gcsim_page_run *runs;
    uint64_t room; /* runs */
    uint64_t *slots;
    uint64_t slot_pages;
} gcsim_page_map;

/* Where a heap's pages are to lie, as asked and as the system has noted it. */
typedef struct gcsim_placement {
    char *arena;                          /* first byte of page 0 */
    uint64_t bytes, reserved;             /* in use or once used; address space */
    uint64_t page_bytes, huge_page_bytes; /* the system's; 0: it has no huge pages */
    uint32_t huge_pages;                  /* gcsim_huge_pages */
    int32_t huge_refused; /* errno with which the system refused that; 0 = it did not */
    uint32_t place;       /* gcsim_place */
    uint32_t noted_place; /* ... that the kernel has for the arena */
    uint64_t place_nodes, noted_nodes;
    int32_t not_noted;  /* errno, where the kernel does not tell; 0 = it does */
    uint32_t node_here; /* of the processor that the caller is on */
} gcsim_placement;

/* A span that a mutator allocates from. */
typedef struct gcsim_cached_span {
    uint32_t mutator; /* gcsim_mutator.id */
    uint32_t page, npages, span_class;
} gcsim_cached_span;

/* Bytes of a file as memory that belongs to no heap. Pointers into it may be stored anywhere in one: marking leaves alone what lies outside of
   its arena, as Go leaves C's memory alone. */
typedef enum gcsim_mapped {
    GCSIM_MAPPED_COPY = 1, /* private memory, read from the file: whatever becomes of that */
    GCSIM_MAPPED_FILE =
        2 /* the file itself; only of a memory file whose size is sealed (F_SEAL_SHRINK) */
} gcsim_mapped;
typedef struct gcsim_mapping {
    char *base;     /* NULL: there are no bytes */
    uint64_t bytes; /* that the file had */
    uint64_t room;  /* that are mapped */
    uint32_t kind;  /* gcsim_mapped */
    int32_t error;  /* errno */
} gcsim_mapping;

/* A heap as of one moment. The arrays are made by the call; snapshot_free gives them back. Addresses and offsets are in bytes, addresses from
   the arena's first; objects ascend by address. UINT32_MAX: no such number. */
typedef struct gcsim_snapshot {
    uint64_t objects, edges, roots, goroutines, specials;
    uint64_t stop_ns;               /* from asking the others to stop until they might go on */
    uint64_t copy_ns;               /* of that, after all had stopped */
    uint64_t *address, *slot_bytes; /* objects */
    uint8_t *noscan;                /* objects */
    uint32_t *type;       /* objects: gcsim_type.id of the elements where the heap knows it */
    uint64_t *edge_start; /* objects + 1: the pointers of object i that are not nil */
    uint32_t *edge_off, *edge_dst, *edge_dst_off; /* edges: from slot, to object, to where in it */
    gcsim_snapshot_root *root;                    /* globals, frames, the heap's own, handles */
    gcsim_snapshot_goroutine *goroutine;
    gcsim_snapshot_special *special;
    gcsim_breakdown where;
} gcsim_snapshot;
/* The heap profile: samples of one site (a name), type, slot size and tier. */
typedef enum gcsim_tier {
    GCSIM_TIER_TINY =
        0, /* a block shared by pointer-free objects below 16 bytes, of the type of the first */
    GCSIM_TIER_SMALL = 1,
    GCSIM_TIER_LARGE = 2 /* a span of its own */
} gcsim_tier;
typedef struct gcsim_profile_record {
    uint32_t site, type, tier; /* type: as type_by_id takes it */
    uint32_t size_class;       /* 0: large */
    uint64_t slot_bytes;
    uint64_t allocs, frees; /* sampled objects */
} gcsim_profile_record;
typedef struct gcsim_profile {
    int64_t rate;
    uint64_t records;
    uint64_t lost;  /* samples for which there was no memory */
    uint64_t cycle; /* ends of marking since the first sample */
} gcsim_profile;

typedef struct gcsim_violation {
    uint32_t
        invariant; /* number of the rule in watch/invariants.def; 0: verify itself got no memory */
    char message[232];
} gcsim_violation;

/* The function table: one member per line of api.def. */
#define API(ret, name, n, ...) ret (*name)(API_TYPES_##n(__VA_ARGS__));
#define API_M                  API
#define API_V(name, n, ...)    API(void, name, n, __VA_ARGS__)
#define API_TYPE(type, param)  type param
#define API_TYPES_0()          void
#define API_TYPES_1(a)         API_TYPE a
#define API_TYPES_2(a, ...)    API_TYPE a, API_TYPES_1(__VA_ARGS__)
#define API_TYPES_3(a, ...)    API_TYPE a, API_TYPES_2(__VA_ARGS__)
#define API_TYPES_4(a, ...)    API_TYPE a, API_TYPES_3(__VA_ARGS__)
#define API_TYPES_5(a, ...)    API_TYPE a, API_TYPES_4(__VA_ARGS__)
#define API_TYPES_6(a, ...)    API_TYPE a, API_TYPES_5(__VA_ARGS__)
struct gcsim_api {
    uint32_t version; /* GCSIM_API_VERSION */
    uint32_t bytes;   /* sizeof(gcsim_api) of the core that made it: entries past it are absent */
    uint32_t steps;   /* 1: the step instantiation */
    uint32_t debug;   /* 1: built with checks at each transition */
#include "gcsim/api.def"
};
#undef API
#undef API_M
#undef API_V

#ifndef GCSIM_CDEF

/* What the PyCapsule "gcsim._core._api" holds. */
typedef struct gcsim_capi {
    uint32_t version;
    uint32_t bytes; /* sizeof(gcsim_capi) */
    const gcsim_api *fast;
    const gcsim_api *steps;
    /* The mutator and object behind a gcsim.Ref; NULL with a Python error set otherwise. */
    gcsim_heap *(*heap_of)(void *py_heap);
    void *(*address_of)(void *py_ref);
} gcsim_capi;

/* The two instantiations, for programs that link the core. */
const gcsim_api *gcsim_fast(void);
const gcsim_api *gcsim_steps(void);

#include "gcsim/inline.h"

#ifdef __cplusplus
}
#endif
#endif /* GCSIM_CDEF */
#endif
