// What one state of a stepped heap looks like, for pictures and films. Nobody runs, so nothing is locked: who stands at a step point may
// hold any lock.
#pragma once

#include "gc/heap.h"
#include "gcsim/steps.h"

CORE gcsim_step_phase view_phase(gcsim_heap *heap);
CORE uint64_t view_objects(gcsim_heap *heap, gcsim_view_object *out, uint64_t room);
CORE uint64_t view_roots(gcsim_heap *heap, gcsim_view_root *out, uint64_t room);
CORE uint64_t view_queue(gcsim_heap *heap, void **out, uint64_t room);
CORE uint64_t view_buffers(gcsim_heap *heap, gcsim_view_buffer *out, uint64_t room);
