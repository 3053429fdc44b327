// Goroutines that are blocked for good, found by reachability as Go 1.26 does (mgc.go:findGoroutineLeaks, GOEXPERIMENT
// goroutineleakprofile): who waits for channels and semaphores that no goroutine which can still run will ever reach.
#pragma once

#include "gc/heap.h"

CORE void goroutine_park(gcsim_goroutine *g, uint32_t reason, void *waiting);
CORE void goroutine_ready(struct mutator *m, gcsim_goroutine *g, void *param);
CORE const char *wait_reason_text(uint32_t reason); // Go's word; "" where there is none

// World stopped, a cycle is about to start: will it search, and has the world to stay stopped for that?
CORE bool leaks_begin(struct mheap *h);
CORE void leaks_prepare(struct mheap *h); // its roots: hold back who may be leaked
CORE void leaks_forget(struct mheap *h);  // it is undone
// World stopped, nothing grey and nothing forgotten. The stacks of goroutines that may run after all become grey; when there are no more of
// them, who is left is leaked, and their stacks become grey. False: nothing became grey.
CORE bool leaks_find(struct mutator *m);
