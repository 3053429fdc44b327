// All heaps of this instantiation in this process: the core's one mutable global, for fork. Its list lies outside the worlds: rewinding
// a world must not bring back heaps that are gone.
//
// A forked child inherits copies of all heaps but only one thread. Their locks are freed and they are marked `forked`: reading, dropping and
// closing go on; allocation and collection are refused by the binding until registry_after_fork.
#pragma once

#include "gc/heap.h"

CORE bool registry_add(gcsim_heap *heap); // false: no memory
CORE void registry_remove(gcsim_heap *heap);
CORE gcsim_status registry_after_fork(gcsim_heap *heap);
