// Recording events from one moment to another: base/events.h has the records, this the heap's part of it.
#pragma once

#include "gc/heap.h"

// From now on events of these kinds (a bit each) are recorded, the newest `room` (rounded up to a power of two) of each thread; one recording
// at a time, a new one takes its place. The first records say what there is: the mutators, and the heap's numbers.
// GCSIM_BAD_SIZE: no such kind or no room; GCSIM_HEAP_FULL: more than the world has room for; GCSIM_NO_MEMORY. The memory stays with the heap.
CORE gcsim_status recording_begin(struct mutator *m, uint64_t kinds, uint64_t room);
// What was written is all there when it returns. GCSIM_BAD_STATE: nothing was being recorded (or it was rewound to before).
CORE gcsim_status recording_end(struct mutator *m, gcsim_recorded *out);
