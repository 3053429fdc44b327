// The whole heap: the allocator's part, and what the collector adds.
//
//   gc/world   entering, leaving, stopping     gc/roots   handles, globals, goroutines, batches
//   gc/work    buffers of grey objects         gc/mark    claim a mark, walk an object's pointers, engines
//   gc/cycle   a collection from end to end    gc/sweep   marks become free slots
//   gc/pacer   when the next one starts        gc/barrier stores
//   gc/assist  marking by mutators             gc/worker  marking and sweeping by threads of its own
//   gc/team    marking while the world is stopped
//   gc/specials finalizers, weak references, cleanups
//   gc/memprofile  samples of the heap profile
//   gc/leaks  goroutines that are blocked for good
//   gc/checkmark  mark again and compare         gc/trigger_ratio  the pacer before Go 1.18
#pragma once

#include "alloc/malloc.h"
#include "alloc/mcentral.h"
#include "gc/limiter.h"
#include "gc/pacer.h"
#include "gc/scan.h"
#include "gc/trigger_ratio.h"

enum {
    HANDLES_PER_CHUNK = 511,
    GLOBALS_PER_CHUNK = 63,
    WORKBUF_BYTES = 2048,
    GCSIM_MAX_PROCS = GCSIM_STEPS ? 256 : 64 // there processors are virtual
};

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
    struct mutator *owner; // that made it; NULL once that is gone
    uint32_t next_serial;
    bool
        held_back; // its stack is no root of this cycle, unless what it is blocked on gets marked (gc/leaks.c)
};

struct batch {
    gcsim_batch pub; // first
    struct batch *next;
    gcsim_span *span;
};

// Something attached to an object (gc/specials.h), in the order of Go's kinds.
enum special_kind { SPECIAL_FINALIZER = 1, SPECIAL_WEAK, SPECIAL_PROFILE, SPECIAL_CLEANUP };
struct gcsim_special {
    void *ptr;           // where; of a weak reference NULL once the object is dead
    gcsim_special *next; // on the span's list, or in the queue
    uint32_t kind;       // enum special_kind
    uint32_t refs;       // of a weak reference: owners
};

// A weak reference (Go: internal/weak). On the list of its object's span until the object dies.
struct gcsim_weak {
    gcsim_special special; // first
};

// Samples of the heap profile, by where they were allocated (gc/memprofile.h).
enum { BUCKET_CYCLES = 3 };
struct bucket_key {
    uint64_t slot_bytes;
    uint32_t site; // a name
    uint32_t type; // id
    uint32_t tier; // gcsim_tier
};

struct bucket_counts {
    uint64_t allocs, frees; // objects of slot_bytes
};

struct bucket {
    struct bucket *next, *older; // of its chain; of all
    struct bucket_key key;
    struct bucket_counts active; // published
    struct bucket_counts future[BUCKET_CYCLES];
};

struct sample {
    gcsim_special special; // first
    struct bucket *bucket;
};

struct memprofile {
    struct bucket **table; // chains by hash, a power of two of them
    struct bucket *all;    // the newest first
    uint64_t room, buckets;
    uint64_t bytes; // of table and buckets
    uint64_t lost;  // samples for which there was no memory
    uint64_t cycle; // Go's C: markings that have ended since the first sample
    bool flushed;   // cycle C of all buckets
};

struct callback {
    gcsim_special special; // first
    gcsim_callback_run run;
    void *arg; // the caller's; never looked at
    uint64_t id;
};

// 2 KiB of grey objects (mgcwork.go:workbuf).
struct workbuf {
    struct workbuf *next;
    uint64_t n;
    void *objects[(WORKBUF_BYTES - 16) / 8];
};

// What mutators share of the grey objects (gc/work.c).
struct work {
    struct rt_lock lock; // of the lists
    struct workbuf *full, *empty;
    struct span_queue grey_spans;
    gcsim_span *spans; // manual spans that hold buffers, linked through `next`
    uint32_t hungry;   // markers that found nothing and wait for `news`
    uint32_t news;     // counts what was shared while somebody was hungry
    bool overflow;     // an object was marked but could not be queued: mark again from the heap
};

// Tokens: a mutator or worker holds one while it is inside, once there are more program mutators than processors (gc/world.c).
struct processors {
    struct rt_lock lock;
    uint32_t free;                // tokens that nobody holds
    uint32_t by_workers;          // held by the collector's own threads
    uint32_t mutators;            // attached by the program
    struct mutator *first, *last; // who waits for one, first come first served
};

// Assists that found no work wait for credit, first come first served (mgcmark.go:gcParkAssist).
struct assists {
    struct rt_lock lock;
    struct mutator *first, *last;
};

// Who marks while the world is stopped (gc/team.c).
struct team {
    struct rt_lock lock;
    uint32_t open;        // the collector's threads may join
    uint32_t busy;        // members that are marking
    uint32_t interrupted; // by the poll callback: they are to stop
};

// The search for leaked goroutines (gc/leaks.c).
struct leaks {
    uint32_t wanted; // by the next cycle that starts
    uint32_t done;   // searches that have ended
    bool searching;  // the cycle that runs does it, and has not decided yet
};

// Threads of the collector's own (gc/worker.c).
struct workers {
    struct rt_lock lock; // of starting them
    struct rt_thread threads[GCSIM_MAX_PROCS];
    struct mutator *mutators[GCSIM_MAX_PROCS];
    uint32_t started;
    uint32_t stop; // they are to end
    uint32_t news; // changes when there may be something to do
};

// Who marks. Each slice of background marking is of the first kind that is behind its share (gc/pace.c).
enum mark_kind { MARK_DEDICATED, MARK_FRACTIONAL, MARK_IDLE, MARK_ASSIST, MARK_KINDS, MARK_NONE };

enum gc_phase {
    GC_OFF,  // no marking; spans may wait to be swept
    GC_MARK, // barrier on, allocation black, grey objects are being scanned
};

struct gc {
    struct rt_lock cycle_lock;     // the right to stop the world
    struct rt_lock mark_done_lock; // one attempt at mark termination at a time
    struct rt_lock
        ragged_lock; // a mutator passes its safe point, or somebody does it for one that is outside
    void (*ragged_pass)(struct mutator *m);
    struct rt_lock roots_lock;    // chunks and lists of roots
    struct rt_lock specials_lock; // lists of specials, their page bits, the queue of callbacks

    uint32_t mark_engine;
    scan_kernel scan;       // of dense spans
    uint32_t procs;         // processors that mutators and markers share (GOMAXPROCS)
    uint32_t shade_entries; // size of the write barrier's buffers
    uint32_t barrier;       // gcsim_barrier
    uint32_t stacks;        // gcsim_stacks
    bool rescan_stacks;     // frames once more at mark termination
    bool no_final_flush, late_barrier, preempt_barrier; // mistakes (gcsim_options)
    bool conservative_stacks;                           // each word of a frame may be a pointer
    bool
        unsound; // by its options objects may get lost: that is no reason to end the process, and a pointer may lead to a free slot
    uint32_t
        stop_the_world; // 1: mark with the world stopped, 2: sweep too (GODEBUG=gcstoptheworld); no thread of its own then
    bool sbrk; // nothing is ever freed (GODEBUG=sbrk=1)
    uint64_t
        stress_bytes; // a cycle at the latest when so much was allocated since the last; 0 = no limit
    bool verify_phases; // check all invariants at each edge of a cycle; debug builds always do
    bool
        exploring; // steps are taken back, but not what the history counts: nothing is verified at phases
    uint64_t periodic_ns; // a cycle at least so often (proc.go:forcegcperiod); 0 = never
    int (*poll)(void *);
    void *poll_arg;

    struct handle_chunk *handle_chunks;
    gcsim_handle *free_handles;    // given back by mutators that went
    gcsim_handle *dropped_handles; // lock-free stack: any thread pushes
    struct global_chunk *global_chunks, *last_global_chunk;
    gcsim_global *free_globals;
    struct goroutine *goroutines, *last_goroutine, *dead_goroutines;
    uint32_t next_goroutine_id;
    struct leaks leaks;
    struct batch *batches, *dead_batches;
    struct batch
        *clearing_batch;  // weak batches from this one on have entries of dead objects (gc/roots.c)
    uint64_t clearing_at; // ... and of this one those from here on
    uint32_t clearing;    // 1: there are some; nothing is swept

    gcsim_special *ready, *last_ready; // callbacks to run, first in, first out
    uint64_t ready_count;
    uint64_t callback_ids; // given out
    uint64_t
        revived_bytes; // by sweeping, since heap_live was what marking had found: it does not count them
    uint32_t
        weak_blocked; // mark termination is being decided: weak references give no unmarked object

    struct memprofile memprofile;

    struct work work;
    struct workers workers;
    struct team team;
    struct processors processors;
    uint32_t phase;       // enum gc_phase; changes while the world is stopped
    uint32_t stacks_wait; // gcsim_stacks: in this order, and not done yet
    bool stopped;         // the world is, until marking ends
    bool alone;           // ... and one thread marks so far: marks need no atomic claim
    uint32_t holds;       // calls that want no cycle by the heap trigger
    uint64_t cycles;      // started
    struct cycle_start {
        gcsim_cycle_start run;
        void *arg;
    } starts[GCSIM_CYCLE_STARTS]; // called as one begins; the first NULL ends them
    uint32_t ended; // low bits of the number of the last cycle whose marking ended: to wait on

    // Decisions (gc/pace.c). The pacer and the limiter are changed under their lock; `goal`, the two ratios and `limited` are what
    // they say, published.
    struct rt_lock pace_lock;
    uint32_t pacer_kind;              // gcsim_pacer
    double trigger_ratio;             // of GCSIM_PACER_RATIO
    struct pacer pacer, pacer_before; // before: as of the cycle's start, for a cycle that is undone
    struct limiter limiter;
    uint64_t goal;          // UINT64_MAX: none
    uint32_t limited;       // the CPU limiter forbids assists
    uint64_t limited_cycle; // when it last came on
    uint64_t limiter_checked_ns, own_thread_ns,
        assist_pool_ns;   // since then: marked in the background by threads of its own, assisted
    double work_per_byte; // assist ratio, and its inverse
    double bytes_per_work;
    uint64_t globals_scan; // bytes of globals
    uint64_t extra_globals, extra_stacks;
    uint64_t go_stacks; // all goroutines' go_stack
    uint64_t
        starting_stack; // go_stack of the next goroutine that is made of a dead one; 0 before the first cycle
    uint64_t scanned_stack_bytes, scanned_stacks; // by this cycle

    // Proportional sweeping (mgcsweep.go:deductSweepCredit): pages swept must keep up with bytes allocated.
    double sweep_ratio;        // pages per byte; 0: nothing is owed
    uint64_t sweep_live_basis; // heap_live when the ratio was set
    uint64_t pages_swept;      // since this sweep began
    uint64_t reclaim_page; // next page to look for a span without marks at (mheap.go:reclaimIndex)
    uint64_t reclaim_credit; // pages freed and not yet taken in its stead (mheap.go:reclaimCredit)
    uint32_t sweep_class; // next span class to look for unswept spans in; NUM_SPAN_CLASSES = swept
    uint64_t
        sweep_noted; // the cycle whose sweep was noted to be over: no step back changes its record

    // Of the running cycle. The counters are sums of what mutators hand over (work_publish).
    uint64_t bytes_marked, objects_marked, scan_work, pointers;
    uint64_t stack_work, globals_work, root_slots, rescans, root_jobs;
    struct handle_chunk *next_handles; // root jobs that are left
    struct global_chunk *next_globals;
    uint64_t next_shard, shards; // of pages with specials
    gcsim_special *next_ready;   // in the queue
    uint32_t draining;           // markers at work
    uint32_t idle_markers;       // at work now
    struct assists assists;
    int64_t
        credit; // scan work done in the background and not yet used by assists (mgcpacer.go:bgScanCredit)
    uint64_t mark_start_ns;
    uint64_t mark_ns[MARK_KINDS]; // CPU time spent marking
};

struct gcsim_heap {
    struct mheap mheap; // first: pointers convert
    struct gc gc;
    struct actors *actors; // of the step instantiation (steps/actor.h); NULL: none was started
    uint32_t forked;       // 1 in a child of the process that made it, until after_fork
};

CORE_INLINE gcsim_heap *heap_of(struct mheap *h) { return (gcsim_heap *)h; }
