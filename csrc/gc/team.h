// Marking while the world is stopped, by all processors (mgc.go: with gcstoptheworld every P is a dedicated worker). Who stopped the world
// begins alone; once there is more to do than waking others costs, the collector's threads join, and from then on marks are claimed atomically.
//
// A member is busy from the moment when it sees something grey on the shared list, or opened the team, until its own buffers are empty. Both
// happen under the team's lock: so who finds nobody busy and nothing shared knows that nothing is grey, and closes the team.
#pragma once

#include "gc/heap.h"
#include "gc/mark.h"

// World stopped by the caller: root jobs and grey objects until nothing is left (DRAINED), or the poll callback interrupts (DRAIN_ABANDONED).
CORE enum drained team_mark(struct mutator *m);
// By a thread of the collector's own, outside: mark with the team until all is done. False: there is none.
CORE bool team_join(struct mutator *m);
CORE void team_forget(struct mheap *h); // in a forked child, where only the caller is left
