// All parts of the core in the order of their layers, for one instantiation: included by core_fast.c and core_step.c only.
#include "base/core.h"

#include "base/os.c"
#include "base/world.c"
#if GCSIM_STEPS
#include "base/rt_steps.c"
#else
#include "base/rt_threads.c"
#endif
#include "base/events.c"
#include "base/traces.c"
#include "base/meta.c"

#include "types/layout.c"
#include "types/type.c"

#include "alloc/sizeclass.c"
#include "alloc/pagealloc.c"
#include "alloc/pagealloc_replay.c"
#include "alloc/scavpace.c"
#include "alloc/scavenge.c"
#include "alloc/mheap.c"
#include "alloc/mcentral.c"
#include "alloc/mcache.c"
#include "alloc/malloc.c"

#include "gc/pacer.c"
#include "gc/trigger_ratio.c"
#include "gc/limiter.c"
#include "gc/pace.c"
#include "gc/barrier.c"
#include "gc/work.c"
#include "gc/processor.c"
#include "gc/world.c"
#include "gc/mark.c"
#include "gc/roots.c"
#include "gc/specials.c"
#include "gc/checkmark.c"
#include "gc/sweep.c"
#include "gc/assist.c"
#include "gc/worker.c"
#include "gc/cycle.c"
#include "gc/door.c"
#include "gc/registry.c"
#include "gc/heap.c"

#include "watch/objects.c"
#include "watch/stats.c"
#include "watch/metrics.c"
#include "watch/verify_trace.c"
#include "watch/verify_records.c"
#include "watch/verify_alloc.c"
#include "watch/verify_roots.c"
#include "watch/verify.c"

#include "lib/bulk.c"

#if GCSIM_STEPS
#include "steps/undo.c"
#include "steps/schedule.c"
#include "steps/program.c"
#include "steps/view.c"
#include "steps/lost.c"
#include "steps/timeline.c"
#include "steps/actor.c"
#include "steps/invariants.c"
#include "steps/seen.c"
#include "steps/resume.c"
#include "steps/explore.c"
#endif

#include "api.c"
#include "whitebox.c"
