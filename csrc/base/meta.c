#include "base/meta.h"

#include "base/bits.h"

CORE void meta_init(struct meta *meta, struct world *world)
{
    memset(meta, 0, sizeof *meta);
    meta->world = world;
    meta->used = 64; // offset 0 means "none"
}

static unsigned meta_size(uint64_t bytes) { return bytes <= 16 ? 4 : bits_highest(bytes - 1) + 1; }

CORE void *meta_alloc(struct meta *meta, struct rt *rt, uint64_t bytes)
{
    unsigned size = meta_size(bytes);
    if (size >= META_SIZES)
        return NULL;
    rt_lock(rt, &meta->lock);
    char *region = world_at(meta->world, REGION_META);
    char *block = NULL;
    if (meta->free[size]) {
        block = region + meta->free[size];
        meta->free[size] = *(uint64_t *)(void *)block;
        memset(block, 0, 1ull << size);
    } else {
        uint64_t at = round_up(meta->used, (1ull << size) < 64 ? 1ull << size : 64);
        if (world_commit(meta->world, REGION_META, at + (1ull << size))) {
            block = region + at;
            meta->padding += at - meta->used;
            meta->used = at + (1ull << size);
        }
    }
    if (block)
        meta->in_use += 1ull << size;
    rt_unlock(rt, &meta->lock);
    return block;
}

CORE void meta_free(struct meta *meta, struct rt *rt, void *block, uint64_t bytes)
{
    if (!block)
        return;
    unsigned size = meta_size(bytes);
    rt_lock(rt, &meta->lock);
    *(uint64_t *)block = meta->free[size];
    meta->free[size] = (uint64_t)((char *)block - world_at(meta->world, REGION_META));
    meta->in_use -= 1ull << size;
    rt_unlock(rt, &meta->lock);
}
