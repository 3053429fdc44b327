// The pacer's and the limiter's place in the heap: feeds them with the heap's counters and publishes what they say (goal, trigger, assist
// ratios, no more assists), and shares out the time of marking.
//
// Both are plain values under pace_lock. Mutators read only what is published.
#pragma once

#include "gc/heap.h"

CORE void pace_init(struct mheap *h, const gcsim_options *options);
// Settings changed, or live bytes outside a cycle: decide anew (mgcpacer.go:commit). World stopped.
CORE void pace_commit(struct mheap *h);
CORE int32_t pace_set_gc_percent(struct mheap *h, int32_t percent);
CORE int64_t pace_set_memory_limit(struct mheap *h, int64_t limit);

// Around marking, world stopped. start fills the record's first part, end its last one and learns from the cycle: marked bytes are what is
// live. undo: as if it had not been started.
CORE void pace_start(struct mheap *h, gcsim_trigger why, gcsim_cycle *cycle);
CORE void pace_end(struct mheap *h, gcsim_cycle *cycle);
CORE void pace_undo(struct mheap *h);
// Around the stops in which marking begins (on) and ends: all their time is the collector's.
CORE void pace_transition(struct mheap *h, bool on);
CORE void pace_transition_done(struct mheap *h);

// heap_live has moved while `watched`: the assist ratios while marking, the trigger under a memory limit.
CORE void pace_moved(struct mheap *h);
CORE double pace_work_per_byte(struct mheap *h);
CORE double pace_bytes_per_work(struct mheap *h);
CORE bool pace_limited(struct mheap *h); // the CPU limiter forbids assists
CORE double pace_sweep_ratio(struct mheap *h);

// A slice of background marking. Its kind is the first that is behind its share of the time; on a thread of the collector's own that found
// a processor free it may also be idle marking. False: no kind wants time now.
struct mark_slice {
    enum mark_kind kind;
    bool own_thread;
    uint64_t from_ns, until_ns;
};
CORE bool pace_slice_begin(struct mheap *h, bool own_thread, struct mark_slice *slice);
CORE void pace_slice_end(struct mheap *h, const struct mark_slice *slice);
// Around an assist. begin returns the time, end how long it took.
CORE uint64_t pace_assist_begin(struct mutator *m);
CORE uint64_t pace_assist_end(struct mutator *m, uint64_t from_ns);
CORE void pace_released(struct mheap *h, uint64_t ns); // an allocation, to release memory
// Now and then, while marking.
CORE void pace_check_limiter(struct mheap *h, uint64_t now_ns);
CORE void pace_update_limiter(struct mheap *h, uint64_t now_ns); // at once
