// Processors (GOMAXPROCS). While there are no more mutators than processors each has one for itself, and only the collector's own threads
// look whether one is free. From the first mutator too many on (GCSIM_STOP_TOKENS) a processor is a token: who enters takes one, who leaves
// hands it to the first that waits, so that never more threads run than there are processors.
//
// Who waits is outside. After a slice of 10 ms (proc.go:forcePreemptNS) it sets GCSIM_STOP_YIELD; the next mutator at a safe point lets go.
#pragma once

#include "gc/heap.h"

CORE void processor_acquire(struct mutator *m); // waits; the mutator is outside
CORE void processor_release(struct mutator *m); // if it has one
// For a worker, which does not wait. The processor is given back when it leaves.
CORE bool processor_try(struct mutator *m);
CORE void processor_ask(struct mheap *h);      // set GCSIM_STOP_YIELD
CORE void processor_answered(struct mheap *h); // clear it; who still waits asks again
// Marking begins or ends, or counting begins: polls give time to marking where it has no processor of its own. World stopped.
CORE void processor_marking(struct mheap *h);
// All tokens are free, nobody waits: when counting begins, and in a forked child. Nobody is inside.
CORE void processor_reset(struct mheap *h);
