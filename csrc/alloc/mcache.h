// The mutator: a thread's share of the heap. Its span cache, tiny block and page cache are touched by nobody else while the world runs.
//
// A cached span belongs to the mutator: it is on no list, its free slots are handed out window by window (64 slots). Loading a window
// zeroes its free slots and gives them the pointer bits of the type that is being allocated, so that the inline path only picks a slot
// while the types stay the same.
#pragma once

#include "alloc/mheap.h"

#define WINDOW_ZERO_MAX 1024 // larger slots are zeroed one by one, when they are handed out
#define SHADE_BUFFER    512  // pointers noted by the write barrier (mwbbuf.go:wbBufEntries)

struct workbuf;

// Spans with objects to scan, first in, first out; linked through span->grey_next (gc/spanq.h).
struct span_queue {
    uint32_t first, last; // first page + 1, 0 = empty
    uint64_t n;
};

// Marking done by one mutator and not handed over yet (mgcwork.go:gcWork): grey objects, and counters whose sums the collector reads.
// gc/work.c owns the buffers; the allocator only counts here what it hands out black.
struct gcwork {
    struct workbuf *current,
        *spare; // spare: full, empty or NULL; swapped in before the shared lists are asked
    struct span_queue spans;
    uint64_t bytes_marked, scan_work, objects_marked,
        pointers; // neighbours are not added to together
#if GCSIM_STEPS
    // For pictures only: the grey object that has left the buffers, and the one that is on its way to them.
    const void *scanning, *shading;
    const gcsim_span *visited; // a span whose objects `to_scan` have left the queue
    uint64_t to_scan[SPAN_INLINE_MARKS_BYTES / 2 / 8];
#endif
};

enum settle {
    SETTLE_REFILL = 1, // it took a span: test the trigger
    SETTLE_SAMPLE = 2, // it took the slot that the heap profile samples
};

struct mutator {
    gcsim_mutator pub; // first: pointers convert
#if GCSIM_STEPS
    gcsim_span *cached[NUM_SPAN_CLASSES]; // the public array holds only the full span
#endif
    char *tiny; // current tiny block, NULL = none
    uint64_t tiny_offset;
    uint64_t tiny_allocs;
    struct pagecache pages;
    gcsim_handle *free_handles; // its own stock (gc/roots.c)
    void *keep;                 // object that the running allocation is about to return: a root
    uint8_t settle; // what the running allocation has to do when it has its object: enum settle
    bool attached;
    bool worker;        // of the collector's own
    bool stacks_grey;   // its goroutines are not scanned yet (gcsim_options.stacks)
    uint32_t ragged;    // asked to pass a safe point (gc/world.c)
    uint32_t processor; // 1: holds a token (struct processors)
    uint32_t parked;    // 1: waits for credit (struct assists)
    struct mutator *next, *next_waiting; // attached ones; for a token, or for credit

    struct gcwork work;
    int64_t
        assist_bytes; // may be allocated while marking before this mutator has to help (Go: g.gcAssistBytes)
    uint64_t
        assist_from_ns; // since when the limiter has not counted the assist under way; 0 = none
    uint64_t
        looked_ns; // when a poll last looked whether marking lacks time; of the next polls so many do not
    uint32_t polls, polls_left;
    uint64_t
        scan_alloc; // scannable bytes handed out and not yet in heap_scan (mcache.go:scanAlloc)
    void *shade_buffer[SHADE_BUFFER];

    // The heap profile (alloc/sample.h).
    uint64_t sample_random;
    uint32_t until_sample[NUM_SPAN_CLASSES]; // bytes of slots, as of the window's beginning
};

CORE_INLINE struct mutator *mutator_of(gcsim_mutator *m) { return (struct mutator *)m; }
CORE_INLINE struct mheap *mheap_of(const struct mutator *m) { return (struct mheap *)m->pub.heap; }

CORE_INLINE gcsim_span **mcache_spans(struct mutator *m)
{
#if GCSIM_STEPS
    return m->cached;
#else
    return m->pub.alloc;
#endif
}

CORE void mcache_init(struct mutator *m, struct mheap *h);
// The cached span of a class with a free slot in its window, after the present window is used up; NULL with m->pub.status set.
// ptrs: the pointer bits that the new window's free slots get.
CORE gcsim_span *mcache_next(struct mutator *m, unsigned span_class, uint64_t ptrs);
// The same without taking another span, which may wait, sweep or collect: NULL if the cached one is used up.
CORE gcsim_span *mcache_next_window(struct mutator *m, unsigned span_class, uint64_t ptrs);
// Give every cached span back (mcache.go:releaseAll), drop the tiny block. World stopped, or by the mutator itself.
CORE void mcache_flush(struct mutator *m);
CORE void mcache_flush_pages(struct mutator *m);
// Marking begins: what the windows still hold is handed out black from now on. Marking ends: what they still hold is not marked after
// all, and they are given back. World stopped.
CORE void mcache_blacken(struct mutator *m);
CORE void mcache_return_windows(struct mutator *m);
// World stopped: does a mutator keep this free page without memory for itself?
CORE bool mcache_page_is_released(const struct mheap *h, uint64_t page);
