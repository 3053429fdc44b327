// Threads of the collector's own. They mark while marking is on and sweep afterwards, one slice after another, on processors that no
// mutator uses: a worker is a mutator that never runs the program, so it is inside while it works, and never are more threads
// inside than there are processors because of it. Where the world stays stopped while marking (gcstoptheworld), marking is all they do (gc/team.h). Without threads (the step instantiation; none to be had) mutators do all the work.
#pragma once

#include "gc/heap.h"
#include "gc/mark.h"

// One slice of background marking, by a worker or by a mutator in its stead (not own_thread: then the program waits for it). Ends by its
// time or after so much scan work. False if marking wants no more workers now; then *result is left alone.
CORE bool worker_mark(struct mutator *m, bool own_thread, uint64_t work, enum drained *result);

// Start them if they are not yet. The caller is outside or at a safe point. A worker starts none: the C library allocates for each new
// thread, and a thread's first allocation maps an arena of 64 MiB for it.
CORE void worker_start_all(struct mutator *m);
// There may be something to do, and the caller is anywhere: wake those that there are. False: nobody will do it.
CORE bool worker_notify(struct mheap *h);
// The same for all of them, also where marking with the team is all they do.
CORE void worker_call(struct mheap *h);
// End and join them. No mutator may be stopping the world.
CORE void worker_stop_all(struct mheap *h);
// In a forked child, where the threads are gone: forget them.
CORE void worker_forget_all(struct mheap *h);
