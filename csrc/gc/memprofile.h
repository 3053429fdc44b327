// The heap profile (runtime/mprof.go): what was sampled (alloc/sample.h), counted by where it was allocated.
//
// A sampled object has a special that leads to its bucket: one for each site, type, slot size and tier. So its free is always counted, by the
// sweep that finds it dead. Allocations are known at once and frees only after a cycle; so that "in use" is not too much, both are counted for a
// moment that both have passed, the end of a marking: allocations for the one to come, frees for the last one, and what is published are the
// sums as of a marking whose sweep is over (mprof.go:memRecord has a picture). The states of a ring of three cycles C, C + 1, C + 2:
//
//   C       complete: flushed into `active` after the world runs again, at the latest before the next marking ends
//   C + 1   frees of the sweep under way; published by collect when that is over (mProf_PostSweep)
//   C + 2   allocations
//
// specials_lock guards it all. Where there is no memory for a sample, it is lost and counted.
#pragma once

#include "gc/heap.h"

// An object of `bytes`, as asked for, that its mutator is about to hand out.
CORE void memprofile_sample(struct mutator *m, void *p, const gcsim_type *t, uint64_t bytes);
// A sampled object was found dead; the special is unlinked and goes. specials_lock is held.
CORE void memprofile_free(struct mheap *h, gcsim_special *special);

CORE void memprofile_next_cycle(struct mheap *h); // marking ends; world stopped
CORE void memprofile_flush(struct mheap *h);      // afterwards, once
CORE void memprofile_post_sweep(struct mheap *h); // nothing waits for the sweep of the last cycle

CORE int64_t memprofile_set_rate(struct mutator *m, int64_t rate);
CORE uint64_t memprofile_read(struct mheap *h, gcsim_profile *about, gcsim_profile_record *out,
                              uint64_t room);
