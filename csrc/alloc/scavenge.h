// The scavenger: gives the memory of free pages back to the system (mgcscavenge.go).
//
// Three ask for it. The *background*, on a thread of the collector's, brings the heap down to the goals
// that follow from each cycle, with 1 % of the processors. *Allocation* releases what it is about to use
// beyond the memory limit, and as much as the heap grew beyond its goal. free_os_memory *forces* all out.
//
// One range at a time: pages are taken out of the page allocator under the heap lock, released without it,
// and put back as scavenged. Released pages read as zero; whoever allocates them counts them as used again.
#pragma once

#include "alloc/mheap.h"

CORE void scavenge_init(struct mheap *h);

// Bytes of spans in use and of free pages that have memory (mgcscavenge.go:heapRetained).
CORE uint64_t mheap_retained(const struct mheap *h);

// Mark termination, before the pacer commits: the heap in use is at its peak.
CORE void scavenge_next_generation(struct mheap *h);
// The pacer has committed: goals for the background.
CORE void scavenge_pace(struct mheap *h, int64_t memory_limit, uint64_t heap_goal,
                        uint64_t last_heap_goal);

// The sweep has ended: there may be free pages.
CORE void scavenge_ready(struct mheap *h);
// The background's turn, if it is due and nobody else is at it: up to 1 ms of work. Returns how many ns it has
// nothing to do; 0 = it was cut short because somebody wants the world; UINT64_MAX = until scavenge_ready.
// The caller is inside.
CORE uint64_t scavenge_background(struct mheap *h, uint32_t procs);
// The same without entering: how long until then.
CORE uint64_t scavenge_wait_ns(struct mheap *h);
// There is nothing that it would release.
CORE bool scavenge_at_goals(struct mheap *h);
// Where there is no thread for it: all of the way to the goals.
CORE void scavenge_to_goals(struct mheap *h);

// For a span that takes `released` bytes without memory after the heap grew by `growth`. The heap lock is held, and
// let go of meanwhile.
CORE void scavenge_eager(struct mheap *h, uint64_t released, uint64_t growth);

// Up to so many bytes, the background's rules aside. Returns what was released: less, and *refused if the system
// would not.
CORE uint64_t scavenge_forced(struct mheap *h, uint64_t bytes, bool *refused);
// One step of it: at most so many pages that lie together. Returns bytes.
CORE uint64_t scavenge_one(struct mheap *h, uint64_t most_pages, bool force, bool *refused);
