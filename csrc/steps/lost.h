// Objects that were lost: freed while something still leads to them.
#pragma once

#include "gc/heap.h"
#include "gcsim/steps.h"

// Does the address lead to a free slot of a heap that may lose objects? Then *out tells of it. Changes nothing.
CORE bool lost_find(gcsim_heap *heap, const void *address, gcsim_lost *out);
