// Rules 1 to 6: the world's regions, the core's own records, names and types, locks.
#include "watch/verify_parts.h"

static void check_regions(struct verify *v)
{
    struct mheap *h = v->h;
    const struct world *w = h->world;
    uint64_t end = 0;
    for (int r = 0; r < WORLD_REGIONS; r++) {
        const struct world_range *range = &w->regions[r];
        HOLDS(v, REGIONS, range->offset >= end && range->offset + range->reserved <= w->bytes,
              "region %d begins at %llu, the one before ends at %llu", r, (ull)range->offset,
              (ull)end);
        uint64_t committed = world_committed(w, (enum world_region)r); // workers may be starting
        HOLDS(v, REGIONS, committed <= range->reserved,
              "region %d: %llu bytes committed of %llu reserved", r, (ull)committed,
              (ull)range->reserved);
        end = range->offset + range->reserved;
    }
    const struct {
        enum world_region region;
        uint64_t bytes;
    } needed[] = {
        {REGION_HEAP, sizeof *w + sizeof(gcsim_heap)},
        {REGION_META, h->meta.used > 64 ? h->meta.used : 0},
        {REGION_SPANS, h->grown_pages * sizeof(gcsim_span)},
        {REGION_PAGES, h->grown_pages * sizeof(uint32_t)},
        {REGION_PAGE_CLASSES, h->grown_pages},
        {REGION_SPECIALS, h->grown_pages / 8},
        {REGION_ALLOC_BITS, h->grown_pages * MARK_BYTES_PER_PAGE},
        {REGION_MARK_BITS, h->grown_pages * MARK_BYTES_PER_PAGE},
        {REGION_INLINE_MARKS, h->grown_pages * (SPAN_INLINE_MARKS_BYTES / 2)},
        {REGION_CHECK_MARKS, h->check_mark ? h->grown_pages * MARK_BYTES_PER_PAGE : 0},
        {REGION_HISTORY, sizeof(struct history)},
        {REGION_ARENA, h->grown_pages << PAGE_SHIFT},
    };
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        HOLDS(v, REGIONS, world_committed(w, needed[i].region) >= needed[i].bytes,
              "region %d: %llu bytes committed, %llu needed", needed[i].region,
              (ull)world_committed(w, needed[i].region), (ull)needed[i].bytes);
    HOLDS(v, REGIONS,
          h->grown_pages <= h->arena_pages && h->arena == w->base + w->regions[REGION_ARENA].offset,
          "%llu pages grown of %llu", (ull)h->grown_pages, (ull)h->arena_pages);
}

// One bit per 16 bytes: no block is free twice, nor inside another free one.
static void check_free_records(struct verify *v)
{
    const struct meta *meta = &v->h->meta;
    const char *region = world_at(v->h->world, REGION_META);
    uint64_t free_bytes = 0;
    uint8_t *seen = verify_memory(v, meta->used / 16 / 8 + 1);
    if (!seen)
        return;
    for (unsigned size = 0; size < META_SIZES; size++) {
        uint64_t bytes = 1ull << size;
        for (uint64_t at = meta->free[size]; at;
             at = *(const uint64_t *)(const void *)(region + at)) {
            if (!HOLDS(v, META_FREE,
                       size >= 4 && at >= 64 && at % (bytes < 64 ? bytes : 64) == 0 &&
                           at < meta->used && bytes <= meta->used - at,
                       "block at %llu of %llu bytes, %llu carved", (ull)at, (ull)bytes,
                       (ull)meta->used))
                break;
            bool twice = false;
            for (uint64_t i = at / 16; i < (at + bytes) / 16; i++) {
                twice |= seen[i / 8] >> i % 8 & 1;
                seen[i / 8] |= (uint8_t)(1 << i % 8);
            }
            if (!HOLDS(v, META_FREE, !twice, "block at %llu of %llu bytes is free twice", (ull)at,
                       (ull)bytes))
                break;
            free_bytes += bytes;
        }
    }
    free(seen);
    HOLDS(v, META_BYTES, 64 + meta->in_use + meta->padding + free_bytes == meta->used,
          "%llu bytes in use, %llu free, %llu padding, of %llu carved", (ull)meta->in_use,
          (ull)free_bytes, (ull)meta->padding, (ull)meta->used);
}

// FNV-1a, written down a second time.
static uint64_t hash_of_name(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325;
    while (*text) {
        hash ^= (unsigned char)*text++;
        hash *= 0x100000001b3;
    }
    return hash ^ hash >> 32;
}

static void check_names(struct verify *v)
{
    const struct types *t = &v->h->types;
    if (!HOLDS(v, NAMES,
               t->room_slots && (t->room_slots & (t->room_slots - 1)) == 0 &&
                   t->nnames < t->room_slots && t->nnames <= t->room_names &&
                   verify_is_record(v->h, t->slots, t->room_slots * 4) &&
                   verify_is_record(v->h, t->names, t->room_names * 8),
               "%llu names in a table of %llu", (ull)t->nnames, (ull)t->room_slots))
        return;
    for (uint64_t n = 0; n < t->nnames; n++) {
        if (!HOLDS(v, NAMES, verify_is_record(v->h, t->names[n], 1), "name %llu has no text",
                   (ull)n))
            continue;
        uint64_t at = hash_of_name(t->names[n]) % t->room_slots;
        for (uint64_t step = 0; step < t->room_slots && t->slots[at] && t->slots[at] != n + 1;
             step++)
            at = (at + 1) % t->room_slots;
        HOLDS(v, NAMES, t->slots[at] == n + 1, "name %llu, '%.80s', is not found", (ull)n,
              t->names[n]);
    }
}

// Pointer bits of one element, bit by bit from its mask.
static uint64_t slot_bits_of(const gcsim_type *t)
{
    uint64_t bits = 0;
    for (uint64_t word = 0; word < t->ptr_bytes / 8; word++)
        if (t->mask[word / 64] >> word % 64 & 1)
            bits |= 1ull << word;
    return bits;
}

static void check_type(struct verify *v, uint64_t id)
{
    struct mheap *h = v->h;
    const gcsim_type *t = h->types.by_id[id];
    if (!HOLDS(v, TYPES,
               verify_is_record(h, t, sizeof *t) && t->id == id && t->name < h->types.nnames,
               "type %llu is not at its place", (ull)id))
        return;
    bool noscan = t->ptr_bytes == 0;
    if (!HOLDS(v, TYPES,
               t->bytes <= TYPE_MAX_BYTES && t->ptr_bytes <= t->bytes && t->align &&
                   t->bytes % t->align == 0 && t->ptr_bytes % 8 == 0,
               "type %llu: %llu bytes, %llu with pointers, alignment %u", (ull)id, (ull)t->bytes,
               (ull)t->ptr_bytes, t->align))
        return;
    if (!HOLDS(v, TYPES,
               noscan || (verify_is_record(h, t->mask, (t->ptr_bytes + 511) / 512 * 8) &&
                          t->bytes % 8 == 0 &&
                          t->mask[(t->ptr_bytes / 8 - 1) / 64] >> (t->ptr_bytes / 8 - 1) % 64 & 1),
               "type %llu: its mask does not end with a pointer", (ull)id))
        return;
    struct sizeclass_rule rule = sizeclass_resolve(t->bytes, noscan);
    HOLDS(v, TYPES,
          t->span_class == rule.size_class * 2 + noscan && t->slot_bytes == rule.slot_bytes,
          "type %llu of %llu bytes: span class %u, slot %llu", (ull)id, (ull)t->bytes,
          t->span_class, (ull)t->slot_bytes);
    bool fast =
        t->bytes && !rule.tiny && !rule.large && !rule.header_bytes && rule.slot_bytes <= 1024;
    HOLDS(v, TYPES, t->fast_class == (fast ? t->span_class : 0), "type %llu: inline class %u",
          (ull)id, t->fast_class);
    HOLDS(v, TYPES, !fast || t->slot_ptrs == (noscan || rule.slot_bytes == 8 ? 0 : slot_bits_of(t)),
          "type %llu: pointer bits %llx", (ull)id, (ull)t->slot_ptrs);
}

static void check_types(struct verify *v)
{
    const struct types *t = &v->h->types;
    if (t->ntypes == 0)
        return;
    if (!HOLDS(v, TYPES,
               t->ntypes <= t->room_types && verify_is_record(v->h, t->by_id, t->room_types * 8),
               "%llu types in a table of %llu", (ull)t->ntypes, (ull)t->room_types))
        return;
    for (uint64_t id = 0; id < t->ntypes; id++)
        check_type(v, id);
}

static bool lock_is_free(const struct rt_lock *lock)
{
#if GCSIM_STEPS
    return lock->holder == 0;
#else
    return __atomic_load_n(&lock->futex, __ATOMIC_RELAXED) == 0;
#endif
}

// Those of records and types are ours for the time of the check; those of the cycle and the list of mutators are the stopper's.
static void check_locks(struct verify *v)
{
    struct mheap *h = v->h;
    HOLDS(v, LOCKS, lock_is_free(&h->lock), "the page heap's");
    HOLDS(v, LOCKS, lock_is_free(&h->scavenger.lock), "the scavenger's");
    HOLDS(v, LOCKS, lock_is_free(&heap_of(h)->gc.roots_lock), "the roots'");
    HOLDS(v, LOCKS, lock_is_free(&heap_of(h)->gc.specials_lock), "that of the specials");
    for (unsigned spc = 0; spc < NUM_SPAN_CLASSES; spc++)
        HOLDS(v, LOCKS, lock_is_free(&h->central[spc].lock), "that of span class %u", spc);
}

CORE void verify_records(struct verify *v)
{
    check_regions(v);
    if (v->n)
        return;
    check_free_records(v);
    check_names(v);
    check_types(v);
    check_locks(v);
}
