// See map_replay.h.
#include "lib/map_replay.h"

#include "lib/map.c"

enum { REPLAY_KEY_BYTES = 4096 };

struct map_replay {
    gcsim_mutator *m;
    struct map_type t;
    struct map *map;
    uint64_t random, at, n, room;
    uint64_t *objects;
    const gcsim_type *byte;
    uint64_t key[REPLAY_KEY_BYTES / 8];
};

// --- hashes of numbers -------------------------------------------------------------------------------------------

static uint64_t replay_mix(uint64_t k)
{
    k += 0x9e3779b97f4a7c15;
    k = (k ^ k >> 30) * 0xbf58476d1ce4e5b9;
    k = (k ^ k >> 27) * 0x94d049bb133111eb;
    return k ^ k >> 31;
}
static uint64_t replay_hash_mix(const void *key, uint64_t seed)
{
    (void)seed;
    return replay_mix(read64(key));
}
static uint64_t replay_hash_clustered(const void *key, uint64_t seed)
{
    return replay_hash_mix(key, seed) & ~(uint64_t)0x7fff80;
}
static uint64_t replay_hash_skewed(const void *key, uint64_t seed)
{
    return replay_hash_mix(key, seed) >> 3;
}
static uint64_t replay_hash_collide16(const void *key, uint64_t seed)
{
    (void)seed;
    return replay_mix(read64(key) / 16);
}

// --- making ------------------------------------------------------------------------------------------------------

static const gcsim_type *replay_type(gcsim_mutator *m, const char *name, uint64_t words,
                                     uint64_t mask)
{
    gcsim_status status;
    const gcsim_type_desc desc = {.name = name,
                                  .bytes = words * 8,
                                  .ptr_bytes =
                                      mask ? (64 - (uint64_t)__builtin_clzll(mask)) * 8 : 0,
                                  .mask = &mask,
                                  .align = 8,
                                  .kind = GCSIM_KIND_STRUCT};
    return m->api->type_new(m->heap, &desc, &status);
}

LIB struct map_replay *map_replay_new(gcsim_mutator *m, const gcsim_type *key,
                                      const gcsim_type *elem, uint32_t how, uint32_t hash,
                                      uint64_t seed)
{
    static uint64_t (*const hashes[])(const void *, uint64_t) = {
        NULL, replay_hash_mix, replay_hash_clustered, replay_hash_skewed, replay_hash_collide16};
    uint64_t mask[MAP_GROUP_MASK_WORDS];
    gcsim_status status;
    bool fits = key->bytes <= REPLAY_KEY_BYTES && hash < sizeof hashes / sizeof *hashes &&
                how <= MAP_KEY_OTHER && (!hash || (key->bytes >= 8 && how != MAP_KEY_STRING));
    struct map_replay *r = fits ? calloc(1, sizeof *r) : NULL;
    if (!r)
        return NULL;
    const gcsim_type_desc desc = map_group_desc(key, elem, mask);
    const gcsim_type *group = m->api->type_new(m->heap, &desc, &status);
    const gcsim_type *map = replay_type(m, "maps.Map", MAP_WORDS, MAP_MASK);
    const gcsim_type *table = replay_type(m, "maps.table", MAP_TABLE_WORDS, MAP_TABLE_MASK);
    const gcsim_type *pointer = replay_type(m, "*maps.table", 1, 1);
    r->byte = replay_type(m, "string bytes", 1, 0);
    if (!group || !map || !table || !pointer || !r->byte) {
        free(r);
        return NULL;
    }
    r->m = m;
    r->random = seed;
    map_type_init(&r->t, (enum map_key)how, key, elem, map, table, pointer, group);
    r->t.random = &r->random;
    r->t.hash = hashes[hash];
    return r;
}

LIB void map_replay_delete(struct map_replay *r)
{
    if (r)
        free(r->objects);
    free(r);
}

LIB int map_replay_part(struct map_replay *r, uint32_t offset, uint32_t bytes, uint32_t kind)
{
    if (r->t.nparts == MAP_KEY_PARTS || kind >= MAP_PARTS ||
        (uint64_t)offset + bytes > r->t.key->bytes)
        return 0;
    r->t.parts[r->t.nparts++] = (struct map_part){offset, bytes, kind};
    return 1;
}

// --- objects -----------------------------------------------------------------------------------------------------

static uint64_t replay_kind(const struct map_replay *r, const gcsim_type *type)
{
    const gcsim_type *const types[] = {r->t.map,   r->t.pointer, r->t.table,
                                       r->t.group, r->t.key,     r->t.elem};
    uint64_t kind = 0;
    while (kind < MAP_REPLAY_ELEM && type != types[kind])
        kind++;
    return kind;
}

// The objects that were wanted, made elsewhere as everybody makes them.
static gcsim_status replay_note(struct map_replay *r, const struct map_want *want,
                                gcsim_handle *const *root, uint64_t n)
{
    if (r->n + n > r->room) {
        uint64_t room = 2 * (r->n + n);
        uint64_t *objects = realloc(r->objects, room * MAP_REPLAY_NUMBERS * sizeof *objects);
        if (!objects)
            return GCSIM_NO_MEMORY;
        r->objects = objects;
        r->room = room;
    }
    for (uint64_t i = 0; i < n; i++) {
        gcsim_object object;
        gcsim_status status = r->m->api->find_object(r->m->heap, root[i]->ptr, &object);
        if (status != GCSIM_OK)
            return status;
        uint64_t *to = r->objects + r->n++ * MAP_REPLAY_NUMBERS;
        to[MAP_REPLAY_AT] = r->at;
        to[MAP_REPLAY_KIND] = replay_kind(r, want[i].type);
        to[MAP_REPLAY_REQUEST] = want[i].type->bytes * (want[i].count ? want[i].count : 1);
        to[MAP_REPLAY_SLOT] = object.slot_bytes;
        to[MAP_REPLAY_NOSCAN] = !want[i].type->ptr_bytes;
    }
    return GCSIM_OK;
}

// --- operations --------------------------------------------------------------------------------------------------

static gcsim_status replay_make(struct map_replay *r, struct map_plan *p)
{
    gcsim_status status = p ? map_plan_fill(r->m, p) : GCSIM_NO_MEMORY;
    if (status == GCSIM_OK)
        status = replay_note(r, p->want, p->root, p->n);
    if (status == GCSIM_OK && !(r->map = map_plan_build(r->m, &r->t, p)))
        status = GCSIM_NO_MEMORY;
    map_plan_drop(r->m, p);
    return status;
}

static gcsim_status replay_key(struct map_replay *r, uint64_t k, bool stays)
{
    struct map_text *s = (struct map_text *)(void *)r->key;
    if (r->t.how != MAP_KEY_STRING) {
        r->key[0] = k;
        return GCSIM_OK;
    }
    s->len = sizeof k;
    s->ptr = (char *)&r->key[2];
    if (stays && !(s->ptr = r->m->api->new_array(r->m, r->byte, sizeof k)))
        return r->m->status;
    memcpy((char *)(uintptr_t)s->ptr, &k, sizeof k);
    return GCSIM_OK;
}

static gcsim_status replay_insert(struct map_replay *r, uint64_t k)
{
    struct map_room room = {0};
    gcsim_status status = replay_key(r, k, true);
    while (status == GCSIM_OK && !map_slot_now(r->m, &r->t, r->map, r->key, &room))
        if ((status = map_room_fill(r->m, &room)) == GCSIM_OK)
            status = replay_note(r, room.want, room.root, room.n);
    map_room_drop(r->m, &room);
    return status;
}

static gcsim_status replay_remove(struct map_replay *r, uint64_t k)
{
    gcsim_status status = replay_key(r, k, false);
    if (status == GCSIM_OK)
        map_delete(r->m, &r->t, r->map, r->key);
    return status;
}

LIB gcsim_status map_replay_do(struct map_replay *r, uint32_t op, const uint64_t *range)
{
    gcsim_status status = GCSIM_OK;
    r->n = r->at = 0;
    if (op == MAP_REPLAY_MAKE)
        return replay_make(r, map_plan_new(&r->t, (int64_t)range[0]));
    if (!r->map)
        return GCSIM_BAD_STATE;
    if (op == MAP_REPLAY_CLONE)
        return replay_make(r, map_plan_clone(&r->t, r->map));
    if (op == MAP_REPLAY_CLEAR)
        map_clear(r->m, &r->t, r->map);
    if (op >= MAP_REPLAY_CLEAR)
        return op == MAP_REPLAY_CLEAR ? GCSIM_OK : GCSIM_BAD_SIZE;
    for (; r->at < range[1] && status == GCSIM_OK; r->at++) {
        uint64_t k = range[0] + r->at * (op == MAP_REPLAY_CHURN ? 1 : range[2]);
        if (op != MAP_REPLAY_DELETE)
            status = replay_insert(r, k);
        if (op != MAP_REPLAY_INSERT && status == GCSIM_OK)
            status = replay_remove(r, op == MAP_REPLAY_CHURN ? k - range[2] : k);
    }
    return status;
}

LIB const uint64_t *map_replay_objects(const struct map_replay *r, uint64_t *n)
{
    *n = r->n;
    return r->objects;
}

LIB uint64_t map_replay_state(const struct map_replay *r, uint64_t *out, uint64_t room)
{
    enum { HEAD = 6, EACH = 4 };
    const struct map *map = r->map;
    uint64_t head[HEAD] = {map->used, (uint64_t)map->dir_len, map->depth, map->tombstone_possible},
             n = HEAD;
    for (int64_t i = 0; i < map->dir_len; i++) {
        const struct map_table *table = directory(map)[i];
        if (table->index != i)
            continue;
        head[4] += table_tombstones(table);
        head[5]++;
        if (n + EACH <= room) {
            out[n] = table->capacity;
            out[n + 1] = table->used;
            out[n + 2] = table->growth_left;
            out[n + 3] = table->local_depth;
        }
        n += EACH;
    }
    if (room >= HEAD)
        memcpy(out, head, sizeof head);
    return n;
}

LIB const char *map_replay_check(const struct map_replay *r) { return map_check(&r->t, r->map); }
