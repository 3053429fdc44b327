#include "types/type.h"

#include "base/bits.h"

// Double a table in meta memory; the old one is freed.
static bool table_grow(struct types *types, void **table, uint64_t *room, uint64_t each)
{
    uint64_t to = *room ? *room * 2 : 16;
    void *p = meta_alloc(types->meta, types->rt, to * each);
    if (!p)
        return false;
    if (*table) {
        memcpy(p, *table, *room * each);
        meta_free(types->meta, types->rt, *table, *room * each);
    }
    *table = p;
    *room = to;
    return true;
}

CORE gcsim_status types_init(struct types *types, struct meta *meta, struct rt *rt)
{
    memset(types, 0, sizeof *types);
    types->meta = meta;
    types->rt = rt;
    uint32_t none;
    return name_intern_in(types, "", &none);
}

static uint64_t name_hash(const char *text)
{
    uint64_t hash = 14695981039346656037ull; // FNV-1a
    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * 1099511628211ull;
    return hash ^ hash >> 32;
}

static bool name_rehash(struct types *types)
{
    uint64_t old_room = types->room_slots;
    uint32_t *old = types->slots, *fresh = NULL;
    uint64_t room = old_room ? old_room * 2 : 16;
    fresh = meta_alloc(types->meta, types->rt, room * sizeof *fresh);
    if (!fresh)
        return false;
    for (uint64_t n = 0; n < types->nnames; n++) {
        uint64_t i = name_hash(types->names[n]) & (room - 1);
        while (fresh[i])
            i = (i + 1) & (room - 1);
        fresh[i] = (uint32_t)n + 1;
    }
    types->slots = fresh;
    types->room_slots = room;
    meta_free(types->meta, types->rt, old, old_room * sizeof *old);
    return true;
}

static gcsim_status name_intern_locked(struct types *types, const char *text, uint32_t *name)
{
    if ((types->nnames + 1) * 2 > types->room_slots && !name_rehash(types))
        return GCSIM_NO_MEMORY;
    uint64_t i = name_hash(text) & (types->room_slots - 1);
    for (; types->slots[i]; i = (i + 1) & (types->room_slots - 1))
        if (strcmp(types->names[types->slots[i] - 1], text) == 0) {
            *name = types->slots[i] - 1;
            return GCSIM_OK;
        }
    if (types->nnames == types->room_names &&
        !table_grow(types, (void **)&types->names, &types->room_names, sizeof *types->names))
        return GCSIM_NO_MEMORY;
    size_t bytes = strlen(text) + 1;
    char *copy = meta_alloc(types->meta, types->rt, bytes);
    if (!copy)
        return GCSIM_NO_MEMORY;
    memcpy(copy, text, bytes);
    types->names[types->nnames] = copy;
    types->slots[i] = (uint32_t)types->nnames + 1;
    *name = (uint32_t)types->nnames++;
    return GCSIM_OK;
}

CORE gcsim_status name_intern_in(struct types *types, const char *text, uint32_t *name)
{
    rt_lock(types->rt, &types->lock);
    gcsim_status status = name_intern_locked(types, text, name);
    rt_unlock(types->rt, &types->lock);
    return status;
}

// Both tables move when another thread makes them grow.
CORE const char *name_text_of(struct types *types, uint32_t name)
{
    rt_lock(types->rt, &types->lock);
    const char *text = name < types->nnames ? types->names[name] : NULL;
    rt_unlock(types->rt, &types->lock);
    return text;
}

CORE const gcsim_type *type_of_id(struct types *types, uint64_t id)
{
    rt_lock(types->rt, &types->lock);
    const gcsim_type *t = id < types->ntypes ? types->by_id[id] : NULL;
    rt_unlock(types->rt, &types->lock);
    return t;
}

static bool type_desc_valid(const gcsim_type_desc *d)
{
    if (!d->name || d->bytes > TYPE_MAX_BYTES || d->ptr_bytes > d->bytes || d->ptr_bytes % 8)
        return false;
    if (d->align == 0 || (d->align & (d->align - 1)) || d->align > 4096 || d->bytes % d->align)
        return false;
    if (d->ptr_bytes == 0)
        return true;
    // ptr_bytes ends right behind the last pointer, and what has pointers is aligned like one.
    return d->mask && d->ptr_bytes <= TYPE_MAX_MASK_BYTES && d->bytes % 8 == 0 &&
           bits_test(d->mask, d->ptr_bytes / 8 - 1);
}

CORE gcsim_type *type_make(struct types *types, const gcsim_type_desc *desc,
                           void (*resolve)(gcsim_type *), gcsim_status *status)
{
    if (!type_desc_valid(desc)) {
        *status = GCSIM_BAD_TYPE;
        return NULL;
    }
    uint64_t words = desc->ptr_bytes / 8, mask_words = divide_up(words, 64);
    gcsim_type *t = NULL;
    rt_lock(types->rt, &types->lock);
    uint32_t name;
    *status = name_intern_locked(types, desc->name, &name);
    if (*status == GCSIM_OK && types->ntypes == types->room_types &&
        !table_grow(types, (void **)&types->by_id, &types->room_types, sizeof *types->by_id))
        *status = GCSIM_NO_MEMORY;
    if (*status == GCSIM_OK &&
        !(t = meta_alloc(types->meta, types->rt, sizeof *t + mask_words * 8)))
        *status = GCSIM_NO_MEMORY;
    if (t) {
        uint64_t *mask = (uint64_t *)(t + 1);
        for (uint64_t i = 0; i < words; i++)
            if (bits_test(desc->mask, i))
                bits_set(mask, i);
        *t = (gcsim_type){.bytes = desc->bytes,
                          .ptr_bytes = desc->ptr_bytes,
                          .mask = words ? mask : NULL,
                          .align = desc->align,
                          .kind = desc->kind,
                          .name = name,
                          .id = (uint32_t)types->ntypes};
        resolve(t);
        types->by_id[types->ntypes++] = t;
    }
    rt_unlock(types->rt, &types->lock);
    return t;
}
