// The whole heap: the allocator's part, and what the collector adds.
//
//   gc/world   entering, leaving, stopping     gc/roots   handles, globals, goroutines, batches, weak references
//   gc/work    buffers of grey objects         gc/mark    claim a mark, walk an object's pointers, two engines
//   gc/cycle   a collection from end to end    gc/sweep   marks become free slots
//   gc/pacer   when the next one starts        gc/barrier stores
#pragma once

#include "alloc/malloc.h"
#include "alloc/mcentral.h"

enum { HANDLES_PER_CHUNK = 511, GLOBALS_PER_CHUNK = 63, WORKBUF_BYTES = 2048 };

// Root slots in chunks that never move. A slot is live (link = HANDLE_LIVE), dropped (on the dropped list, still a root) or free.
struct handle_chunk {
    struct handle_chunk *next;
    gcsim_handle slots[HANDLES_PER_CHUNK];
};
#define HANDLE_LIVE ((uintptr_t)1)

struct global_chunk {
    struct global_chunk *next;
    gcsim_global slots[GLOBALS_PER_CHUNK];
};

struct goroutine {
    gcsim_goroutine pub; // first
    struct goroutine *next, *before;
    uint32_t next_serial;
};

struct batch {
    gcsim_batch pub; // first
    struct batch *next;
    gcsim_span *span;
};

// A weak reference (Go: internal/weak). On the list of its object's span until the object dies.
struct gcsim_weak {
    void *ptr;     // NULL once the object is dead
    uint64_t next; // world offset of the next on the span's list, 0 = last
    uint64_t refs;
};

// 2 KiB of grey objects (mgcwork.go:workbuf).
struct workbuf {
    struct workbuf *next;
    uint64_t n;
    void *objects[(WORKBUF_BYTES - 16) / 8];
};

struct work {
    struct workbuf *full, *empty;
    struct workbuf *current; // the one worker's own
    gcsim_span *spans;       // manual spans that hold buffers, linked through `next`
    bool overflow; // an object was marked but could not be queued: mark again from the heap
};

struct gc {
    struct rt_lock cycle_lock; // one cycle at a time
    struct rt_lock roots_lock; // chunks and lists of roots
    int32_t gc_percent;        // negative = off
    uint32_t mark_engine;
    int (*poll)(void *);
    void *poll_arg;

    struct handle_chunk *handle_chunks;
    gcsim_handle *free_handles;    // given back by mutators that went
    gcsim_handle *dropped_handles; // lock-free stack: any thread pushes
    struct global_chunk *global_chunks, *last_global_chunk;
    gcsim_global *free_globals;
    struct goroutine *goroutines, *last_goroutine, *dead_goroutines;
    uint32_t next_goroutine_id;
    struct batch *batches, *dead_batches;

    struct work work;
    bool marking;
    uint32_t holds;       // calls that want no cycle by the heap trigger
    uint64_t cycles;      // started
    uint64_t heap_marked; // by the last cycle
    uint64_t last_heap_scan, last_stack_scan, globals_scan; // bytes
    uint64_t goal;
    uint32_t sweep_class; // next span class to look for unswept spans in; NUM_SPAN_CLASSES = swept

    // Of the running cycle.
    uint64_t bytes_marked, objects_marked, scan_work, stack_work, pointers, root_slots, rescans;
};

struct gcsim_heap {
    struct mheap mheap; // first: pointers convert
    struct gc gc;
    uint32_t forked; // 1 in a child of the process that made it, until after_fork
};

CORE_INLINE gcsim_heap *heap_of(struct mheap *h) { return (gcsim_heap *)h; }
