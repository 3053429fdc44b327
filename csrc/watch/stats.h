// Numbers about a heap, in Go's words. Reads only: what mutators have not yet published is added up here, nothing is flushed
// (Go's ReadMemStats flushes every mcache; the figures are the same). The world is stopped.
#pragma once

#include "gc/heap.h"

CORE void stats_memstats(struct mheap *h, gcsim_memstats *out);
// The sizes among them. World stopped, or mutators_lock and the page heap's lock held.
CORE void stats_bytes(const struct mheap *h, gcsim_memstats *out);
CORE void stats_scavenger(struct mheap *h, gcsim_scavenger *out); // world stopped
