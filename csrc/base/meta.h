// Records of the core's own inside the world: types, names, mutators, handle chunks, specials.
//
// Power-of-two blocks with a free list per size, carved from REGION_META, never given back to the system before the heap
// is closed (what Go's persistentalloc and fixalloc do). Blocks come zeroed. Guarded by its lock.
#pragma once

#include "base/rt.h"
#include "base/world.h"

enum { META_SIZES = 40 };

struct meta {
    struct world *world;
    struct rt_lock lock;
    uint64_t used;    // bytes carved from the region
    uint64_t in_use;  // bytes of blocks handed out
    uint64_t padding; // bytes carved to align what came next
    uint64_t
        free[META_SIZES]; // by log2 of the size: world offset of the first free block, 0 = none
};

CORE void meta_init(struct meta *meta, struct world *world);
CORE void *meta_alloc(struct meta *meta, struct rt *rt,
                      uint64_t bytes); // zeroed, 16-byte aligned; NULL: no memory
CORE void meta_free(struct meta *meta, struct rt *rt, void *block, uint64_t bytes);
