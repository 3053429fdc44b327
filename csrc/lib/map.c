// See map.h. Invariants of a table (map_check): growth_left = 7/8 of its slots - entries - tombstones; each key that equals itself lies in a group
// that its probe sequence reaches before one with an empty slot; only a group without one holds tombstones that came from deletes.
#include "lib/map.h"

#include <stdlib.h>
#include <string.h>

// --- control words: a byte for each slot. Sets of slots have the top bit of a byte each, which needs no vector instructions -------

#define CTRL_EMPTY   0x80u
#define CTRL_DELETED 0xfeu
#define CTRL_LOW     0x0101010101010101u
#define CTRL_HIGH    0x8080808080808080u
#define MAP_INLINE   static inline __attribute__((always_inline, unused))

MAP_INLINE uint64_t ctrl_word(const char *group)
{
    uint64_t word;
    memcpy(&word, group, sizeof word);
    return word;
}
MAP_INLINE void ctrl_set(char *group, uint32_t slot, uint32_t byte) { group[slot] = (char)byte; }
MAP_INLINE void ctrl_set_empty(char *group)
{
    memcpy(group, &(uint64_t){CTRL_LOW * CTRL_EMPTY}, sizeof(uint64_t));
}
// `bytes`: the hash's low 7 bits in each byte. May hold a neighbour of a true match, whose key is then compared in vain.
MAP_INLINE uint64_t ctrl_match(uint64_t word, uint64_t bytes)
{
    uint64_t differs = word ^ bytes;
    return (differs - CTRL_LOW) & ~differs & CTRL_HIGH;
}
MAP_INLINE uint64_t ctrl_empty(uint64_t word) { return word & ~(word << 6) & CTRL_HIGH; }
MAP_INLINE uint64_t ctrl_free(uint64_t word) { return word & CTRL_HIGH; } // empty or deleted
MAP_INLINE uint64_t ctrl_full(uint64_t word) { return ~word & CTRL_HIGH; }
MAP_INLINE uint32_t first_slot(uint64_t set) { return (uint32_t)__builtin_ctzll(set) / 8; }

MAP_INLINE uint64_t hash_bytes7(uint64_t hash) { return (hash & 0x7f) * CTRL_LOW; }

// --- chance and hashes -------------------------------------------------------------------------------------------

LIB uint64_t map_random(const struct map_type *t) // splitmix64
{
    uint64_t z = __atomic_add_fetch(t->random, (uint64_t)0x9e3779b97f4a7c15, __ATOMIC_RELAXED);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

#define HASH_A 0xa0761d6478bd642fu
#define HASH_B 0xe7037ed1a0b428dbu
#define HASH_C 0x8ebc6af09c88c6e3u

// Both halves of a product, folded: each bit of it depends on nearly all bits of a and b.
MAP_INLINE uint64_t hash_fold(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}
MAP_INLINE uint64_t read64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
MAP_INLINE uint32_t read32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
MAP_INLINE uint64_t hash_short(uint64_t word, uint64_t seed)
{
    return hash_fold(hash_fold(word ^ HASH_A, seed ^ HASH_B), HASH_C);
}

LIB uint64_t hash_memory(const void *start, uint64_t n, uint64_t seed)
{
    const char *p = start;
    uint64_t a = 0, b = 0;
    seed ^= HASH_B;
    for (uint64_t left = n; left > 16; left -= 16, p += 16)
        seed = hash_fold(read64(p) ^ HASH_A, read64(p + 8) ^ seed);
    const char *end = (const char *)start + n;
    if (n >= 16) { // the last 16 bytes, read before or not
        a = read64(end - 16);
        b = read64(end - 8);
    } else if (n >= 8) {
        a = read64(p);
        b = read64(end - 8);
    } else if (n >= 4) {
        a = read32(p);
        b = read32(end - 4);
    } else if (n) {
        a = (uint64_t)(uint8_t)p[0] | (uint64_t)(uint8_t)p[n / 2] << 8 |
            (uint64_t)(uint8_t)end[-1] << 16;
    }
    return hash_fold(hash_fold(a ^ HASH_A, b ^ seed), n ^ HASH_C);
}

static uint64_t hash_float(const struct map_type *t, double v, uint64_t seed)
{
    if (v != v) // no look-up is to find it (alg.go:f64hash)
        return hash_short(map_random(t), seed);
    if (v == 0) // -0 too
        return hash_short(0, seed);
    return hash_memory(&v, sizeof v, seed);
}

static double part_float(const struct map_part *part, const void *p)
{
    float f;
    double d;
    if (part->kind == MAP_PART_FLOAT64) {
        memcpy(&d, p, sizeof d);
        return d;
    }
    memcpy(&f, p, sizeof f);
    return f;
}
static struct map_text part_string(const void *p)
{
    struct map_text s;
    memcpy(&s, p, sizeof s);
    return s;
}
static bool text_equal(struct map_text a, struct map_text b)
{
    return a.len == b.len && (a.ptr == b.ptr || !memcmp(a.ptr, b.ptr, (size_t)a.len));
}

// An interface in a key: how its value is compared, and where that lies. NULL: it holds a pointer, or nothing.
struct map_inside {
    uintptr_t type;
    void *data;
};
static const gcsim_type *inside_type(const struct map_inside *in)
{
    return (const gcsim_type *)(in->type &
                                ~(uintptr_t)MAP_IFACE_VALUE); // NOLINT: types are aligned
}
static const struct map_type *inside_of(const struct map_type *t, const struct map_inside *in,
                                        const void **value)
{
    const gcsim_type *type = inside_type(in);
    if (!(in->type & MAP_IFACE_VALUE) || !t->insides || type->id >= t->insides->room)
        return NULL;
    *value = type->bytes == 8 && type->ptr_bytes == 8 ? (const void *)&in->data : in->data;
    return t->insides->by_id[type->id];
}
static struct map_inside part_inside(const void *p)
{
    struct map_inside in;
    memcpy(&in, p, sizeof in);
    return in;
}
static uint64_t map_hash(const struct map_type *t, const void *key, uint64_t seed);
static bool map_equal(const struct map_type *t, const void *a, const void *b);

static uint64_t hash_interface(const struct map_type *t, const void *p, uint64_t seed)
{
    struct map_inside in = part_inside(p);
    const void *value;
    const struct map_type *inside = inside_of(t, &in, &value);
    if (in.type) // not its address, so that runs replay
        seed = hash_short((uint64_t)inside_type(&in)->id + 1, seed);
    return inside ? map_hash(inside, value, seed) : hash_short((uintptr_t)in.data, seed);
}

static bool equal_interfaces(const struct map_type *t, const void *a, const void *b)
{
    struct map_inside x = part_inside(a), y = part_inside(b);
    const void *v = NULL, *w = NULL;
    if (x.type != y.type)
        return false;
    const struct map_type *inside = inside_of(t, &x, &v);
    return inside_of(t, &y, &w) ? map_equal(inside, v, w) : x.data == y.data;
}

static uint64_t hash_parts(const struct map_type *t, const char *key, uint64_t seed)
{
    for (uint32_t i = 0; i < t->nparts; i++) {
        const struct map_part *part = &t->parts[i];
        const char *p = key + part->offset;
        if (part->kind == MAP_PART_STRING)
            seed = hash_memory(part_string(p).ptr, (uint64_t)part_string(p).len, seed);
        else if (part->kind == MAP_PART_BYTES)
            seed = hash_memory(p, part->bytes, seed);
        else if (part->kind == MAP_PART_INTERFACE)
            seed = hash_interface(t, p, seed);
        else
            seed = hash_float(t, part_float(part, p), seed);
    }
    return seed;
}

static bool equal_parts(const struct map_type *t, const char *a, const char *b)
{
    for (uint32_t i = 0; i < t->nparts; i++) {
        const struct map_part *part = &t->parts[i];
        const char *x = a + part->offset, *y = b + part->offset;
        bool equal;
        if (part->kind == MAP_PART_STRING)
            equal = text_equal(part_string(x), part_string(y));
        else if (part->kind == MAP_PART_BYTES)
            equal = !memcmp(x, y, part->bytes);
        else if (part->kind == MAP_PART_INTERFACE)
            equal = equal_interfaces(t, x, y);
        else
            equal = part_float(part, x) == part_float(part, y);
        if (!equal)
            return false;
    }
    return true;
}

// `how` is t->how, known where this is compiled into.
MAP_INLINE uint64_t key_hash(const struct map_type *t, enum map_key how, const void *key,
                             uint64_t seed)
{
    if (GCSIM_UNLIKELY(t->hash != NULL))
        return t->hash(key, seed);
    switch (how) {
    case MAP_KEY_64:
        return hash_short(read64(key), seed);
    case MAP_KEY_32:
        return hash_short(read32(key), seed);
    case MAP_KEY_STRING: {
        struct map_text s = part_string(key);
        return hash_memory(s.ptr, (uint64_t)s.len, seed);
    }
    case MAP_KEY_BYTES:
        return hash_memory(key, t->key->bytes, seed);
    default:
        return hash_parts(t, key, seed);
    }
}
MAP_INLINE bool key_equal(const struct map_type *t, enum map_key how, const void *a, const void *b)
{
    switch (how) {
    case MAP_KEY_64:
        return read64(a) == read64(b);
    case MAP_KEY_32:
        return read32(a) == read32(b);
    case MAP_KEY_STRING:
        return text_equal(part_string(a), part_string(b));
    case MAP_KEY_BYTES:
        return !memcmp(a, b, t->key->bytes);
    default:
        return equal_parts(t, a, b);
    }
}

// --- types -------------------------------------------------------------------------------------------------------

struct slot_layout {
    uint32_t key_bytes, elem_offset, slot_bytes, align;
};

static uint32_t align_up(uint32_t n, uint32_t align) { return (n + align - 1) / align * align; }

static bool is_indirect(const gcsim_type *type) { return type->bytes > MAP_INDIRECT_ABOVE; }

// A struct's last field of no size gets a byte, so that its address does not point behind the struct.
static struct slot_layout slot_layout(const gcsim_type *key, const gcsim_type *elem)
{
    struct slot_layout l;
    uint32_t key_align = is_indirect(key) ? 8 : key->align, elem_align = elem->align, elem_bytes;
    l.key_bytes = is_indirect(key) ? 8 : (uint32_t)key->bytes;
    elem_bytes = is_indirect(elem) ? 8 : (uint32_t)elem->bytes;
    elem_align = is_indirect(elem) ? 8 : elem_align ? elem_align : 1;
    key_align = key_align ? key_align : 1;
    l.align = key_align > elem_align ? key_align : elem_align;
    l.elem_offset = align_up(l.key_bytes, elem_align);
    l.slot_bytes = align_up(l.elem_offset + elem_bytes + (!elem_bytes && l.elem_offset), l.align);
    return l;
}

static uint64_t set_pointers(uint64_t *mask, const gcsim_type *type, uint64_t at)
{
    uint64_t end = 0;
    for (uint64_t w = 0; w < (is_indirect(type) ? 1 : type->ptr_bytes / 8); w++)
        if (is_indirect(type) || type->mask[w / 64] >> w % 64 & 1) {
            mask[(at / 8 + w) / 64] |= (uint64_t)1 << (at / 8 + w) % 64;
            end = at + 8 * w + 8;
        }
    return end;
}

LIB gcsim_type_desc map_group_desc(const gcsim_type *key, const gcsim_type *elem, uint64_t *mask)
{
    struct slot_layout l = slot_layout(key, elem);
    uint64_t end, ptr_bytes = 0;
    memset(mask, 0, MAP_GROUP_MASK_WORDS * sizeof *mask);
    for (uint32_t i = 0; i < MAP_SLOTS; i++) {
        uint64_t slot = 8 + (uint64_t)i * l.slot_bytes;
        if ((end = set_pointers(mask, key, slot)))
            ptr_bytes = end;
        if ((end = set_pointers(mask, elem, slot + l.elem_offset)))
            ptr_bytes = end;
    }
    uint32_t slots = MAP_SLOTS * l.slot_bytes;
    return (gcsim_type_desc){.name = "map.group",
                             .bytes = align_up(8 + slots + !slots, 8),
                             .ptr_bytes = ptr_bytes,
                             .mask = mask,
                             .align = 8,
                             .kind = GCSIM_KIND_STRUCT};
}

LIB void map_type_init(struct map_type *t, enum map_key how, const gcsim_type *key,
                       const gcsim_type *elem, const gcsim_type *map, const gcsim_type *table,
                       const gcsim_type *pointer, const gcsim_type *group)
{
    struct slot_layout l = slot_layout(key, elem);
    t->key = key;
    t->elem = elem;
    t->map = map;
    t->table = table;
    t->pointer = pointer;
    t->group = group;
    t->slot_bytes = l.slot_bytes;
    t->elem_offset = l.elem_offset;
    t->group_bytes = (uint32_t)group->bytes;
    t->how = (uint8_t)how;
    t->key_indirect = is_indirect(key);
    t->elem_indirect = is_indirect(elem);
    t->prunes =
        how <= MAP_KEY_STRING && !t->elem_indirect && (how == MAP_KEY_STRING || !key->ptr_bytes);
    t->updates_key = how == MAP_KEY_STRING || how == MAP_KEY_OTHER;
}

// --- groups, tables, directories ---------------------------------------------------------------------------------

MAP_INLINE char *slot_at(const struct map_type *t, const char *group, uint32_t i)
{
    return (char *)group + 8 + (uint64_t)i * t->slot_bytes;
}
MAP_INLINE void *slot_key(const struct map_type *t, char *slot)
{
    return GCSIM_UNLIKELY(t->key_indirect) ? *(void **)(void *)slot : slot;
}
MAP_INLINE void *slot_elem(const struct map_type *t, char *slot)
{
    slot += t->elem_offset;
    return GCSIM_UNLIKELY(t->elem_indirect) ? *(void **)(void *)slot : slot;
}
MAP_INLINE char *group_at(const struct map_type *t, const struct map_table *table, uint64_t i)
{
    return table->groups + i * t->group_bytes;
}

MAP_INLINE struct map_table **directory(const struct map *map) { return map->dir; }
// The shift of a directory of one table is 64: none of the hash is left.
MAP_INLINE struct map_table *table_of(const struct map *map, uint64_t hash)
{
    return directory(map)[map->dir_len == 1 ? 0 : hash >> (map->shift & 63)];
}

static uint16_t most_entries(uint64_t capacity)
{
    return (uint16_t)(capacity <= MAP_SLOTS ? capacity - 1 : capacity * 7 / MAP_SLOTS);
}
static uint64_t table_tombstones(const struct map_table *table)
{
    return (uint64_t)table->capacity * 7 / MAP_SLOTS - table->used - table->growth_left;
}

static void groups_set_empty(const struct map_type *t, char *groups, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        ctrl_set_empty(groups + i * t->group_bytes);
}

static void table_init(gcsim_mutator *m, const struct map_type *t, struct map_table *table,
                       char *groups, uint64_t capacity, int64_t index, uint8_t local_depth)
{
    table->capacity = (uint16_t)capacity;
    table->growth_left = most_entries(capacity);
    table->local_depth = local_depth;
    table->index = index;
    table->mask = capacity / MAP_SLOTS - 1;
    gcsim_store(m, &table->groups, groups);
    groups_set_empty(t, groups, table->mask + 1);
}

// A table in all its places.
static void directory_set(gcsim_mutator *m, struct map *map, struct map_table *table)
{
    int64_t places = (int64_t)1 << (map->depth - table->local_depth);
    for (int64_t i = 0; i < places; i++)
        gcsim_store(m, &directory(map)[table->index + i], table);
}

// --- values ------------------------------------------------------------------------------------------------------

MAP_INLINE void value_store(gcsim_mutator *m, const gcsim_type *type, void *to, const void *from)
{
    if (type->ptr_bytes)
        m->api->copy(m, type, to, from, 1);
    else
        memcpy(to, from, type->bytes);
}
static void value_clear(gcsim_mutator *m, const gcsim_type *type, void *to)
{
    if (type->ptr_bytes)
        m->api->clear(m, type, to, 1);
    else
        memset(to, 0, type->bytes);
}
MAP_INLINE void key_store(gcsim_mutator *m, const struct map_type *t, enum map_key how, void *to,
                          const void *from)
{
    if (how == MAP_KEY_64 && !t->key->ptr_bytes) {
        memcpy(to, from, 8);
    } else if (how == MAP_KEY_32) {
        memcpy(to, from, 4);
    } else if (how == MAP_KEY_STRING) {
        struct map_text s = part_string(from);
        gcsim_store(m, to, (void *)(uintptr_t)s.ptr);
        GCSIM_STORE((int64_t *)to + 1, s.len);
    } else {
        value_store(m, t->key, to, from);
    }
}

// From a slot of another table, or the like; indirect keys and elements stay the same objects.
static void slot_copy(gcsim_mutator *m, const struct map_type *t, char *to, char *from)
{
    if (!m->barrier || !t->group->ptr_bytes) { // nobody looks at pointers now
        memcpy(to, from, t->slot_bytes);
        return;
    }
    if (t->key_indirect)
        gcsim_store(m, to, *(void **)(void *)from);
    else
        value_store(m, t->key, to, from);
    to += t->elem_offset;
    from += t->elem_offset;
    if (t->elem_indirect)
        gcsim_store(m, to, *(void **)(void *)from);
    else
        value_store(m, t->elem, to, from);
}

// --- finding: groups from h1 on, 1, 2, 3 ... further, up to one with an empty slot --------------------------------

// The number of its slot, or -1.
MAP_INLINE int group_index(const struct map_type *t, enum map_key how, const char *group,
                           uint64_t word, uint64_t bytes7, const void *key)
{
    for (uint64_t match = ctrl_match(word, bytes7); match; match &= match - 1) {
        uint32_t i = first_slot(match);
        if (key_equal(t, how, key, slot_key(t, slot_at(t, group, i))))
            return (int)i;
    }
    return -1;
}
MAP_INLINE char *group_find(const struct map_type *t, enum map_key how, const char *group,
                            uint64_t word, uint64_t bytes7, const void *key)
{
    int i = group_index(t, how, group, word, bytes7, key);
    return i < 0 ? NULL : slot_at(t, group, (uint32_t)i);
}

MAP_INLINE char *table_find(const struct map_type *t, enum map_key how,
                            const struct map_table *table, uint64_t hash, const void *key)
{
    uint64_t at = hash >> 7, bytes7 = hash_bytes7(hash);
    for (uint64_t step = 1;; at += step++) {
        char *group = group_at(t, table, at & table->mask);
        uint64_t word = ctrl_word(group);
        char *slot = group_find(t, how, group, word, bytes7, key);
        if (slot)
            return slot;
        if (ctrl_empty(word))
            return NULL;
    }
}

// The short keys of a small map are compared one by one, without a hash (runtime_fast64.go).
MAP_INLINE char *small_find(const struct map_type *t, enum map_key how, const char *group,
                            const void *key)
{
    for (uint64_t full = ctrl_full(ctrl_word(group)); full; full &= full - 1) {
        char *slot = slot_at(t, group, first_slot(full));
        if (key_equal(t, how, key, slot))
            return slot;
    }
    return NULL;
}

MAP_INLINE char *entry_find(const struct map_type *t, enum map_key how, const struct map *map,
                            const void *key)
{
    if (!map || !map->used)
        return NULL;
    if (map->dir_len == 0 && how <= MAP_KEY_32)
        return small_find(t, how, map->dir, key);
    uint64_t hash = key_hash(t, how, key, map->seed);
    if (map->dir_len == 0)
        return group_find(t, how, map->dir, ctrl_word(map->dir), hash_bytes7(hash), key);
    return table_find(t, how, table_of(map, hash), hash, key);
}

// A call with `how` known where it is compiled.
#define MAP_BY_KEY(t, call)                                                                        \
    switch ((t)->how) {                                                                            \
    case MAP_KEY_64:                                                                               \
        return call(MAP_KEY_64);                                                                   \
    case MAP_KEY_32:                                                                               \
        return call(MAP_KEY_32);                                                                   \
    case MAP_KEY_STRING:                                                                           \
        return call(MAP_KEY_STRING);                                                               \
    case MAP_KEY_BYTES:                                                                            \
        return call(MAP_KEY_BYTES);                                                                \
    default:                                                                                       \
        return call(MAP_KEY_OTHER);                                                                \
    }

static char *map_find(const struct map_type *t, const struct map *map, const void *key){
#define FIND(how) entry_find(t, how, map, key)
    MAP_BY_KEY(t, FIND)
#undef FIND
}

LIB void *map_get(const struct map_type *t, const struct map *map, const void *key)
{
    char *slot = map_find(t, map, key);
    return slot ? slot_elem(t, slot) : NULL;
}

LIB void *map_get64(const struct map_type *t, const struct map *map, uint64_t key)
{
    char *slot = entry_find(t, MAP_KEY_64, map, &key);
    return slot ? slot_elem(t, slot) : NULL;
}

LIB bool map_get_entry(const struct map_type *t, const struct map *map, const void *key,
                       void **own_key, void **elem)
{
    char *slot = map_find(t, map, key);
    if (!slot)
        return false;
    *own_key = slot_key(t, slot);
    *elem = slot_elem(t, slot);
    return true;
}

static uint64_t map_hash(const struct map_type *t, const void *key, uint64_t seed)
{
#define HASH(how) key_hash(t, how, key, seed)
    MAP_BY_KEY(t, HASH)
#undef HASH
}
static bool map_equal(const struct map_type *t, const void *a, const void *b)
{
#define EQUAL(how) key_equal(t, how, a, b)
    MAP_BY_KEY(t, EQUAL)
#undef EQUAL
}

// --- room for an insertion ---------------------------------------------------------------------------------------

static gcsim_status wants_make(gcsim_mutator *m, const struct map_want *want, gcsim_handle **root,
                               uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        void *made = want[i].count ? m->api->new_array(m, want[i].type, want[i].count)
                                   : gcsim_new(m, want[i].type);
        if (!made || !(root[i] = m->api->handle_new(m, made)))
            return m->status == GCSIM_OK ? GCSIM_NO_MEMORY : m->status;
    }
    return GCSIM_OK;
}

LIB gcsim_status map_room_fill(gcsim_mutator *m, struct map_room *room)
{
    return wants_make(m, room->want, room->root, room->n);
}

LIB void map_room_drop(gcsim_mutator *m, struct map_room *room)
{
    for (uint32_t i = 0; i < room->n; i++)
        if (room->root[i])
            m->api->handle_drop(m->heap, room->root[i]);
    memset(room->root, 0, sizeof room->root);
    room->need = MAP_NOTHING;
    room->n = 0;
}

// Whether all objects of this need are at hand.
static bool room_has(const struct map_room *room, enum map_need need, uint64_t capacity,
                     int64_t dir_len)
{
    return room && room->need == need && room->capacity == capacity && room->dir_len == dir_len &&
           room->n && room->root[room->n - 1];
}

static void room_want(struct map_room *room, const gcsim_type *type, uint64_t count)
{
    room->want[room->n++] = (struct map_want){type, count};
}

// Asks for them. Always NULL.
static void *room_ask(gcsim_mutator *m, const struct map_type *t, struct map_room *room,
                      enum map_need need, uint64_t capacity, int64_t dir_len)
{
    if (!room)
        return NULL;
    map_room_drop(m, room);
    room->need = need;
    room->capacity = capacity;
    room->dir_len = dir_len;
    if (need == MAP_OBJECTS) {
        if (t->key_indirect)
            room_want(room, t->key, 0);
        if (t->elem_indirect)
            room_want(room, t->elem, 0);
        return NULL;
    }
    for (int tables = need == MAP_SPLIT ? 2 : 1; tables--;) {
        if (need != MAP_GROUP)
            room_want(room, t->table, 0);
        room_want(room, t->group, capacity / MAP_SLOTS);
    }
    if (dir_len)
        room_want(room, t->pointer, (uint64_t)dir_len);
    return NULL;
}

// Table and groups number i of the room.
static struct map_table *room_table(gcsim_mutator *m, const struct map_type *t,
                                    struct map_room *room, uint32_t i, int64_t index,
                                    uint8_t local_depth)
{
    struct map_table *table = room->root[2 * i]->ptr;
    table_init(m, t, table, room->root[2 * i + 1]->ptr, room->capacity, index, local_depth);
    return table;
}

// --- growing -----------------------------------------------------------------------------------------------------

// A key that the table has not got, into one that never lost any.
static void table_add(gcsim_mutator *m, const struct map_type *t, struct map_table *table,
                      uint64_t hash, char *from)
{
    uint64_t at = hash >> 7;
    for (uint64_t step = 1;; at += step++) {
        char *group = group_at(t, table, at & table->mask);
        uint64_t free = ctrl_free(ctrl_word(group));
        if (!free)
            continue;
        slot_copy(m, t, slot_at(t, group, first_slot(free)), from);
        ctrl_set(group, first_slot(free), hash & 0x7f);
        table->growth_left--;
        table->used++;
        return;
    }
}

// All entries of n groups into `left`, or into `right` if the bit of their hash is set.
static void entries_move(gcsim_mutator *m, const struct map_type *t, uint64_t seed, char *groups,
                         uint64_t n, uint64_t bit, struct map_table *left, struct map_table *right)
{
    for (uint64_t i = 0; i < n; i++) {
        char *group = groups + i * t->group_bytes;
        for (uint64_t full = ctrl_full(ctrl_word(group)); full; full &= full - 1) {
            char *slot = slot_at(t, group, first_slot(full));
            uint64_t hash = map_hash(t, slot_key(t, slot), seed);
            table_add(m, t, hash & bit ? right : left, hash, slot);
        }
    }
}

static void grow_to_table(gcsim_mutator *m, const struct map_type *t, struct map *map,
                          struct map_room *room)
{
    struct map_table *table = room_table(m, t, room, 0, 0, 0);
    entries_move(m, t, map->seed, map->dir, 1, 0, table, NULL);
    gcsim_store(m, &map->dir, room->root[2]->ptr);
    map->dir_len = 1;
    map->depth = 0;
    map->shift = 64;
    directory_set(m, map, table);
    map_room_drop(m, room);
}

static void map_table_grow(gcsim_mutator *m, const struct map_type *t, struct map *map,
                           struct map_table *old, struct map_room *room)
{
    struct map_table *table = room_table(m, t, room, 0, old->index, old->local_depth);
    entries_move(m, t, map->seed, old->groups, old->mask + 1, 0, table, NULL);
    directory_set(m, map, table);
    old->index = -1;
    map_room_drop(m, room);
}

// Each table in twice as many places.
static void directory_double(gcsim_mutator *m, struct map *map, struct map_table **to)
{
    for (int64_t i = 0; i < map->dir_len; i++) {
        struct map_table *table = directory(map)[i];
        gcsim_store(m, &to[2 * i], table);
        gcsim_store(m, &to[2 * i + 1], table);
        if (table->index == i) // the first of its places, which only move up
            table->index = 2 * i;
    }
    gcsim_store(m, &map->dir, to);
    map->dir_len *= 2;
    map->depth++;
    map->shift--;
}

static void map_table_split(gcsim_mutator *m, const struct map_type *t, struct map *map,
                            struct map_table *old, struct map_room *room)
{
    uint8_t depth = old->local_depth + 1;
    struct map_table *left = room_table(m, t, room, 0, -1, depth);
    struct map_table *right = room_table(m, t, room, 1, -1, depth);
    entries_move(m, t, map->seed, old->groups, old->mask + 1, (uint64_t)1 << (64 - depth), left,
                 right);
    if (room->dir_len)
        directory_double(m, map, room->root[4]->ptr);
    left->index = old->index;
    directory_set(m, map, left);
    right->index = left->index + ((int64_t)1 << (map->depth - depth));
    directory_set(m, map, right);
    old->index = -1;
    map_room_drop(m, room);
}

// false: *room says what is missing.
static bool map_rehash(gcsim_mutator *m, const struct map_type *t, struct map *map,
                       struct map_table *table, struct map_room *room)
{
    bool split = table->capacity == MAP_TABLE_SLOTS;
    enum map_need need = split ? MAP_SPLIT : MAP_GROW;
    uint64_t capacity = split ? MAP_TABLE_SLOTS : 2ull * table->capacity;
    int64_t dir_len = split && table->local_depth == map->depth ? 2 * map->dir_len : 0;
    if (!room_has(room, need, capacity, dir_len)) {
        room_ask(m, t, room, need, capacity, dir_len);
        return false;
    }
    if (split)
        map_table_split(m, t, map, table, room);
    else
        map_table_grow(m, t, map, table, room);
    return true;
}

// --- tombstones --------------------------------------------------------------------------------------------------

struct group_set {
    uint64_t words[MAP_TABLE_SLOTS / MAP_SLOTS / 64];
};

static void group_set_add(struct group_set *set, uint64_t i)
{
    set->words[i / 64] |= (uint64_t)1 << i % 64;
}
static bool group_set_has(const struct group_set *set, uint64_t i)
{
    return set->words[i / 64] >> i % 64 & 1;
}

// Groups whose tombstones a look-up has to go past to find some key, and those that have an empty slot and so no use for it.
static struct group_set tombstones_needed(const struct map_type *t, const struct map *map,
                                          const struct map_table *table)
{
    struct group_set needed = {{0}};
    for (uint64_t i = 0; i <= table->mask; i++) {
        char *group = group_at(t, table, i);
        uint64_t word = ctrl_word(group);
        for (uint64_t full = ctrl_full(word); full; full &= full - 1) {
            void *key = slot_key(t, slot_at(t, group, first_slot(full)));
            if (!map_equal(t, key, key)) // nobody ever looks it up
                continue;
            uint64_t at = map_hash(t, key, map->seed) >> 7;
            for (uint64_t step = 1; (at & table->mask) != i; at += step++)
                if (ctrl_free(ctrl_word(group_at(t, table, at & table->mask))))
                    group_set_add(&needed, at & table->mask);
        }
        if (ctrl_empty(word))
            group_set_add(&needed, i);
    }
    return needed;
}

// Frees the others, if that gives a tenth of all slots back (table.go:pruneTombstones).
static void table_prune(const struct map_type *t, const struct map *map, struct map_table *table)
{
    uint64_t gain = 0;
    if (table_tombstones(table) * 10 < table->capacity)
        return;
    struct group_set needed = tombstones_needed(t, map, table);
    for (uint64_t i = 0; i <= table->mask; i++)
        if (!group_set_has(&needed, i))
            gain += (uint64_t)__builtin_popcountll(ctrl_free(ctrl_word(group_at(t, table, i))));
    if (gain * 10 < table->capacity)
        return;
    for (uint64_t i = 0; i <= table->mask; i++) {
        char *group = group_at(t, table, i);
        uint64_t gone = group_set_has(&needed, i) ? 0 : ctrl_free(ctrl_word(group));
        for (; gone; gone &= gone - 1)
            ctrl_set(group, first_slot(gone), CTRL_EMPTY);
    }
    table->growth_left = (uint16_t)(table->growth_left + gain);
}

// --- inserting ---------------------------------------------------------------------------------------------------

// Writes a new key into a free slot; NULL: its objects are missing.
MAP_INLINE void *slot_fill(gcsim_mutator *m, const struct map_type *t, enum map_key how,
                           struct map *map, char *group, uint32_t i, uint64_t hash, const void *key,
                           struct map_room *room)
{
    char *slot = slot_at(t, group, i);
    if (GCSIM_UNLIKELY(t->key_indirect || t->elem_indirect)) {
        if (!room_has(room, MAP_OBJECTS, 0, 0))
            return room_ask(m, t, room, MAP_OBJECTS, 0, 0);
        if (t->key_indirect)
            gcsim_store(m, slot, room->root[0]->ptr);
        if (t->elem_indirect)
            gcsim_store(m, slot + t->elem_offset, room->root[t->key_indirect]->ptr);
        map_room_drop(m, room);
    }
    key_store(m, t, how, slot_key(t, slot), key);
    ctrl_set(group, i, hash & 0x7f);
    map->used++;
    return slot_elem(t, slot);
}

MAP_INLINE void *slot_found(gcsim_mutator *m, const struct map_type *t, enum map_key how,
                            char *slot, const void *key)
{
    if (t->updates_key)
        key_store(m, t, how, slot_key(t, slot), key);
    return slot_elem(t, slot);
}

// Where a key is to go in a table that has not got it: the first tombstone on its way, else the empty slot at its end.
struct map_place {
    char *group;
    uint32_t slot;
    bool is_tombstone;
};

MAP_INLINE char *table_seek(const struct map_type *t, enum map_key how,
                            const struct map_table *table, uint64_t hash, const void *key,
                            struct map_place *place)
{
    uint64_t at = hash >> 7, bytes7 = hash_bytes7(hash);
    *place = (struct map_place){NULL, 0, false};
    for (uint64_t step = 1;; at += step++) {
        char *group = group_at(t, table, at & table->mask);
        uint64_t word = ctrl_word(group);
        char *slot = group_find(t, how, group, word, bytes7, key);
        if (slot)
            return slot;
        uint64_t free = ctrl_free(word);
        if (!free)
            continue;
        uint32_t i = first_slot(free);
        bool deleted = (word >> 8 * i & 0xff) == CTRL_DELETED;
        if (!place->group)
            *place = (struct map_place){group, i, deleted};
        if (!deleted)
            return NULL;
    }
}

MAP_INLINE void *slot_now(gcsim_mutator *m, const struct map_type *t, enum map_key how,
                          struct map *map, uint64_t hash, const void *key, struct map_room *room)
{
    if (GCSIM_UNLIKELY(!map->dir)) {
        if (!room_has(room, MAP_GROUP, MAP_SLOTS, 0))
            return room_ask(m, t, room, MAP_GROUP, MAP_SLOTS, 0);
        ctrl_set_empty(room->root[0]->ptr);
        gcsim_store(m, &map->dir, room->root[0]->ptr);
        map_room_drop(m, room);
    }
    if (map->dir_len == 0) {
        char *group = map->dir;
        uint64_t word = ctrl_word(group);
        if (map->used < MAP_SLOTS) {
            char *slot = group_find(t, how, group, word, hash_bytes7(hash), key);
            return slot ? slot_found(m, t, how, slot, key)
                        : slot_fill(m, t, how, map, group, first_slot(ctrl_free(word)), hash, key,
                                    room);
        }
        // Also for a key that is there: Go does not look first.
        if (!room_has(room, MAP_TABLE, 2 * MAP_SLOTS, 1))
            return room_ask(m, t, room, MAP_TABLE, 2 * MAP_SLOTS, 1);
        grow_to_table(m, t, map, room);
    }
    for (;;) {
        struct map_place place;
        struct map_table *table = table_of(map, hash);
        char *slot = table_seek(t, how, table, hash, key, &place);
        if (slot)
            return slot_found(m, t, how, slot, key);
        if (GCSIM_UNLIKELY(!place.is_tombstone && !table->growth_left) && t->prunes)
            table_prune(t, map, table);
        if (place.is_tombstone || table->growth_left) {
            void *elem = slot_fill(m, t, how, map, place.group, place.slot, hash, key, room);
            if (elem) {
                table->growth_left -= !place.is_tombstone;
                table->used++;
            }
            return elem;
        }
        if (!map_rehash(m, t, map, table, room))
            return NULL;
    }
}

LIB void *map_slot_now(gcsim_mutator *m, const struct map_type *t, struct map *map, const void *key,
                       struct map_room *room)
{
    uint64_t hash;
    if (room && room->hashed && room->seed == map->seed) {
        hash = room->hash;
    } else {
        hash = map_hash(t, key, map->seed);
        if (room) {
            room->hash = hash;
            room->seed = map->seed;
            room->hashed = true;
        }
    }
#define SLOT(how) slot_now(m, t, how, map, hash, key, room)
    MAP_BY_KEY(t, SLOT)
#undef SLOT
}

static __attribute__((cold, noinline)) void *map_slot_slow(gcsim_mutator *m,
                                                           const struct map_type *t,
                                                           struct map *map, const void *key)
{
    struct map_room room = {0};
    gcsim_status status;
    void *elem;
    while (!(elem = map_slot_now(m, t, map, key, &room)))
        if ((status = map_room_fill(m, &room)) != GCSIM_OK) {
            map_room_drop(m, &room);
            m->status = status;
            return NULL;
        }
    return elem;
}

// A NaN's hash is the one of chance that the first try had: to try twice is as good.
LIB void *map_slot(gcsim_mutator *m, const struct map_type *t, struct map *map, const void *key)
{
    void *elem = map_slot_now(m, t, map, key, NULL);
    return GCSIM_UNLIKELY(!elem) ? map_slot_slow(m, t, map, key) : elem;
}

// --- deleting ----------------------------------------------------------------------------------------------------

static void slot_clear(gcsim_mutator *m, const struct map_type *t, char *slot)
{
    if (t->key_indirect)
        gcsim_store(m, slot, NULL);
    else if (t->key->ptr_bytes)
        value_clear(m, t->key, slot);
    if (t->elem_indirect)
        gcsim_store(m, slot + t->elem_offset, NULL);
    else
        value_clear(m, t->elem, slot + t->elem_offset);
}

// A group with an empty slot ends every search that comes to it, so what goes from it leaves nothing behind. A full one may lie in
// the middle of a search: a tombstone stays.
static void table_remove(struct map *map, struct map_table *table, char *group, uint32_t i)
{
    table->used--;
    if (ctrl_empty(ctrl_word(group))) {
        ctrl_set(group, i, CTRL_EMPTY);
        table->growth_left++;
    } else {
        ctrl_set(group, i, CTRL_DELETED);
        map->tombstone_possible = 1;
    }
}

MAP_INLINE bool entry_delete(gcsim_mutator *m, const struct map_type *t, enum map_key how,
                             struct map *map, const void *key)
{
    if (!map || !map->used)
        return false;
    uint64_t hash = key_hash(t, how, key, map->seed), at = hash >> 7;
    struct map_table *table = map->dir_len ? table_of(map, hash) : NULL;
    char *group = table ? group_at(t, table, at & table->mask) : map->dir;
    int i;
    for (uint64_t step = 1;; group = group_at(t, table, (at += step++) & table->mask)) {
        uint64_t word = ctrl_word(group);
        if ((i = group_index(t, how, group, word, hash_bytes7(hash), key)) >= 0)
            break;
        if (!table || ctrl_empty(word))
            return false;
    }
    slot_clear(m, t, slot_at(t, group, (uint32_t)i));
    if (table)
        table_remove(map, table, group, (uint32_t)i);
    else
        ctrl_set(group, (uint32_t)i, CTRL_EMPTY);
    if (--map->used == 0)
        map->seed = map_random(t);
    return true;
}

LIB bool map_delete(gcsim_mutator *m, const struct map_type *t, struct map *map, const void *key)
{
#define DELETE(how) entry_delete(m, t, how, map, key)
    MAP_BY_KEY(t, DELETE)
#undef DELETE
}

static void groups_clear(gcsim_mutator *m, const struct map_type *t, char *groups, uint64_t n)
{
    if (t->group->ptr_bytes)
        m->api->clear(m, t->group, groups, n);
    else
        memset(groups, 0, n * t->group_bytes);
    groups_set_empty(t, groups, n);
}

LIB void map_clear(gcsim_mutator *m, const struct map_type *t, struct map *map)
{
    if (!map || (!map->used && !map->tombstone_possible))
        return;
    if (map->dir_len == 0)
        groups_clear(m, t, map->dir, 1);
    for (int64_t i = 0; i < map->dir_len; i++) {
        struct map_table *table = directory(map)[i];
        if (table->index != i ||
            (!table->used && table->growth_left == most_entries(table->capacity)))
            continue;
        groups_clear(m, t, table->groups, table->mask + 1);
        table->used = 0;
        table->growth_left = most_entries(table->capacity);
    }
    map->used = 0;
    map->tombstone_possible = 0;
    map->clear_seq++;
    map->seed = map_random(t);
}

// --- making ------------------------------------------------------------------------------------------------------

static uint64_t power_of_two_from(uint64_t n) // n >= 1, at most 1 << 63
{
    return n <= 1 ? 1 : (uint64_t)1 << (64 - __builtin_clzll(n - 1));
}

static struct map_plan *plan_begin(void) { return calloc(1, sizeof(struct map_plan)); }

static void plan_want(struct map_plan *p, const gcsim_type *type, uint64_t count)
{
    if (p->n == p->room) {
        uint64_t room = p->room ? 2 * p->room : 8;
        struct map_want *want = realloc(p->want, room * sizeof *want);
        if (want)
            p->want = want;
        p->failed |= !want;
        p->room = want ? room : p->room;
    }
    if (!p->failed)
        p->want[p->n++] = (struct map_want){type, count};
}

// All wants are known: room for their roots.
static struct map_plan *plan_end(struct map_plan *p)
{
    if (!p->failed && (p->root = calloc(p->n, sizeof *p->root)))
        return p;
    free(p->want);
    free(p);
    return NULL;
}

// map.go:NewMap. Directory and capacity of tables for so many entries; none: it begins small.
static void plan_size(struct map_plan *p, const struct map_type *t, int64_t hint)
{
    uint64_t slots, bytes;
    if (hint <= MAP_SLOTS || __builtin_mul_overflow((uint64_t)hint, (uint64_t)MAP_SLOTS, &slots))
        return;
    slots /= 7;
    uint64_t tables = power_of_two_from((slots + MAP_TABLE_SLOTS - 1) / MAP_TABLE_SLOTS);
    if (__builtin_mul_overflow(tables * MAP_TABLE_SLOTS, (uint64_t)t->group_bytes, &bytes) ||
        bytes > MAP_MAX_BYTES)
        return;
    p->dir_len = (int64_t)tables;
    p->capacity = power_of_two_from(slots / tables);
    if (p->capacity < MAP_SLOTS)
        p->capacity = MAP_SLOTS;
}

LIB struct map_plan *map_plan_new(const struct map_type *t, int64_t hint)
{
    struct map_plan *p = plan_begin();
    if (!p)
        return NULL;
    plan_size(p, t, hint);
    plan_want(p, t->map, 0);
    if (p->dir_len)
        plan_want(p, t->pointer, (uint64_t)p->dir_len);
    for (int64_t i = 0; i < p->dir_len; i++) {
        plan_want(p, t->table, 0);
        plan_want(p, t->group, p->capacity / MAP_SLOTS);
    }
    return plan_end(p);
}

static void plan_groups(struct map_plan *p, const struct map_type *t, const char *groups,
                        uint64_t n)
{
    plan_want(p, t->group, n);
    if (!t->key_indirect && !t->elem_indirect)
        return;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t full = ctrl_full(ctrl_word(groups + i * t->group_bytes));
        for (int k = __builtin_popcountll(full) * t->key_indirect; k--;)
            plan_want(p, t->key, 0);
        for (int k = __builtin_popcountll(full) * t->elem_indirect; k--;)
            plan_want(p, t->elem, 0);
    }
}

LIB struct map_plan *map_plan_clone(const struct map_type *t, const struct map *from)
{
    struct map_plan *p = plan_begin();
    if (!p)
        return NULL;
    p->from = from;
    p->dir_len = from->dir_len;
    plan_want(p, t->map, 0);
    if (p->dir_len)
        plan_want(p, t->pointer, (uint64_t)p->dir_len);
    else if (from->dir)
        plan_groups(p, t, from->dir, 1);
    for (int64_t i = 0; i < p->dir_len; i++) {
        struct map_table *table = directory(from)[i];
        if (table->index != i)
            continue;
        plan_want(p, t->table, 0);
        plan_groups(p, t, table->groups, table->mask + 1);
    }
    return plan_end(p);
}

LIB gcsim_status map_plan_fill(gcsim_mutator *m, struct map_plan *p)
{
    return wants_make(m, p->want, p->root, p->n);
}

LIB void map_plan_drop(gcsim_mutator *m, struct map_plan *p)
{
    for (uint64_t i = 0; p && i < p->n; i++)
        if (p->root[i])
            m->api->handle_drop(m->heap, p->root[i]);
    if (p) {
        free(p->want);
        free(p->root);
    }
    free(p);
}

// The objects are taken in the order in which they were wanted.
static void *plan_take(struct map_plan *p) { return p->root[p->taken++]->ptr; }

// Whether a plan made now would want the same.
static bool plan_fits(const struct map_type *t, const struct map_plan *p)
{
    struct map_plan *now = p->from ? map_plan_clone(t, p->from) : NULL;
    bool fits =
        !p->from || (now && now->n == p->n && !memcmp(now->want, p->want, p->n * sizeof *p->want));
    if (now) {
        free(now->want);
        free(now->root);
        free(now);
    }
    return fits;
}

// The pointer to the old object gives way to a new one with what is in it.
static void value_deepen(gcsim_mutator *m, const gcsim_type *type, char *slot, void *made)
{
    value_store(m, type, made, *(void **)(void *)slot);
    gcsim_store(m, slot, made);
}

// group.go:cloneGroup: first all keys of a group, then all elements.
static char *groups_clone(gcsim_mutator *m, const struct map_type *t, struct map_plan *p,
                          const char *from, uint64_t n)
{
    char *groups = plan_take(p);
    for (uint64_t i = 0; i < n; i++) {
        char *group = groups + i * t->group_bytes;
        const char *old = from + i * t->group_bytes;
        if (t->group->ptr_bytes)
            m->api->copy(m, t->group, group, old, 1);
        else
            memcpy(group, old, t->group_bytes);
        uint64_t all = ctrl_full(ctrl_word(group));
        for (uint64_t full = t->key_indirect ? all : 0; full; full &= full - 1)
            value_deepen(m, t->key, slot_at(t, group, first_slot(full)), plan_take(p));
        for (uint64_t full = t->elem_indirect ? all : 0; full; full &= full - 1)
            value_deepen(m, t->elem, slot_at(t, group, first_slot(full)) + t->elem_offset,
                         plan_take(p));
    }
    return groups;
}

static void tables_clone(gcsim_mutator *m, const struct map_type *t, struct map_plan *p,
                         struct map *map)
{
    for (int64_t i = 0; i < p->dir_len; i++) {
        struct map_table *old = directory(p->from)[i], *table;
        if (old->index != i)
            continue;
        table = plan_take(p);
        // Field by field, for the collector may be looking at `groups`.
        table->used = old->used;
        table->capacity = old->capacity;
        table->growth_left = old->growth_left;
        table->local_depth = old->local_depth;
        table->index = i;
        table->mask = old->mask;
        gcsim_store(m, &table->groups, groups_clone(m, t, p, old->groups, old->mask + 1));
        directory_set(m, map, table);
    }
}

static void tables_new(gcsim_mutator *m, const struct map_type *t, struct map_plan *p,
                       struct map *map)
{
    for (int64_t i = 0; i < p->dir_len; i++) {
        struct map_table *table = plan_take(p);
        table_init(m, t, table, plan_take(p), p->capacity, i, map->depth);
        directory_set(m, map, table);
    }
}

LIB struct map *map_plan_build(gcsim_mutator *m, const struct map_type *t, struct map_plan *p)
{
    if (!plan_fits(t, p))
        return NULL;
    const struct map *from = p->from;
    struct map *map = plan_take(p);
    map->seed = from ? from->seed : map_random(t);
    map->mark = map_mark(t, map);
    map->dir_len = p->dir_len;
    if (p->dir_len) {
        map->depth = (uint8_t)__builtin_ctzll((uint64_t)p->dir_len);
        map->shift = (uint8_t)(64 - map->depth);
        gcsim_store(m, &map->dir, plan_take(p));
    }
    if (!from) {
        tables_new(m, t, p, map);
        return map;
    }
    map->used = from->used;
    map->tombstone_possible = from->tombstone_possible;
    map->clear_seq = from->clear_seq;
    if (p->dir_len)
        tables_clone(m, t, p, map);
    else if (from->dir)
        gcsim_store(m, &map->dir, groups_clone(m, t, p, from->dir, 1));
    return map;
}

static gcsim_status make_planned(gcsim_mutator *m, const struct map_type *t, struct map_plan *p,
                                 struct map **out)
{
    gcsim_status status = p ? map_plan_fill(m, p) : GCSIM_NO_MEMORY;
    *out = NULL;
    if (status == GCSIM_OK && !(*out = map_plan_build(m, t, p)))
        status = GCSIM_NO_MEMORY; // for the plan to compare with: nobody has changed the map
    map_plan_drop(m, p);
    return status;
}

LIB gcsim_status map_new(gcsim_mutator *m, const struct map_type *t, int64_t hint, struct map **out)
{
    return make_planned(m, t, map_plan_new(t, hint), out);
}

LIB gcsim_status map_clone(gcsim_mutator *m, const struct map_type *t, const struct map *from,
                           struct map **out)
{
    return make_planned(m, t, map_plan_clone(t, from), out);
}

// --- iterating (table.go:Iter) -----------------------------------------------------------------------------------

LIB bool map_iter_begin(gcsim_mutator *m, const struct map_type *t, const struct map *map,
                        struct map_iter *it)
{
    *it = (struct map_iter){.map = map};
    if (!map || !map->used) {
        it->map = NULL;
        return true;
    }
    if (!(it->root = m->api->handle_new(m, map->dir_len ? NULL : map->dir)))
        return false;
    it->group = map->dir_len ? NULL : map->dir;
    it->entry_offset = map_random(t);
    it->dir_offset = map_random(t);
    it->depth = map->depth;
    it->clear_seq = map->clear_seq;
    return true;
}

LIB void map_iter_end(gcsim_mutator *m, struct map_iter *it)
{
    if (it->root)
        m->api->handle_drop(m->heap, it->root);
    it->root = NULL;
    it->map = NULL;
}

// The entry in a slot. Of a table that was replaced the key is looked up, for its element may be another by now; what is not there was deleted,
// unless it cannot be found at all and only clear could take it away.
static bool iter_entry(const struct map_type *t, struct map_iter *it, char *slot, bool replaced)
{
    void *key = slot_key(t, slot);
    if (replaced && map_get_entry(t, it->map, key, &it->key, &it->elem))
        return true;
    if (replaced && (it->clear_seq != it->map->clear_seq || map_equal(t, key, key)))
        return false;
    it->key = key;
    it->elem = slot_elem(t, slot);
    return true;
}

// The next entry among n slots from `groups` on.
static bool iter_slots(const struct map_type *t, struct map_iter *it, char *groups, uint64_t n,
                       bool replaced)
{
    while (it->entry < n) {
        uint64_t at = (it->entry + it->entry_offset) & (n - 1);
        char *group = groups + at / MAP_SLOTS * t->group_bytes;
        uint64_t full = ctrl_full(ctrl_word(group)) >> at % MAP_SLOTS * 8;
        if (!full) { // none in the rest of the group
            it->entry += MAP_SLOTS - at % MAP_SLOTS;
            continue;
        }
        it->entry += first_slot(full);
        if (it->entry >= n)
            break;
        at += first_slot(full);
        it->entry++;
        if (iter_entry(t, it, slot_at(t, group, at % MAP_SLOTS), replaced))
            return true;
    }
    return false;
}

// The table at the place that it has come to. At first that may be in the middle of a table's places: it steps back to the first.
static struct map_table *iter_table(gcsim_mutator *m, struct map_iter *it)
{
    const struct map *map = it->map;
    int64_t place = (int64_t)(((uint64_t)it->dir + it->dir_offset) & (uint64_t)(map->dir_len - 1));
    struct map_table *table = directory(map)[place];
    it->dir_offset -= (uint64_t)(place - table->index);
    gcsim_store(m, &it->root->ptr, table);
    return table;
}

LIB bool map_iter_next(gcsim_mutator *m, const struct map_type *t, struct map_iter *it)
{
    const struct map *map = it->map;
    it->key = it->elem = NULL;
    if (!map)
        return false;
    if (it->group)
        return iter_slots(t, it, it->group, MAP_SLOTS, map->dir_len > 0);
    // A directory that has doubled has each table at twice its place.
    it->dir <<= map->depth - it->depth;
    it->dir_offset <<= map->depth - it->depth;
    it->depth = map->depth;
    while (it->dir < map->dir_len) {
        if (!it->table)
            it->table = iter_table(m, it);
        struct map_table *table = it->table;
        if (iter_slots(t, it, table->groups, table->capacity, table->index == -1))
            return true;
        // A table that was split covers the places of both halves.
        it->dir += (int64_t)1 << (map->depth - table->local_depth);
        it->table = NULL;
        it->entry = 0;
    }
    return false;
}

// --- checking ----------------------------------------------------------------------------------------------------

LIB uint32_t map_mark(const struct map_type *t, const struct map *map)
{
    uint64_t types = (uint64_t)t->key->id << 32 | t->elem->id;
    return (uint32_t)(hash_fold((uintptr_t)map ^ HASH_A, types ^ HASH_B) | 1);
}

static const char *check_table(const struct map_type *t, const struct map *map,
                               const struct map_table *table)
{
    uint64_t used = 0, deleted = 0;
    for (uint64_t i = 0; i <= table->mask; i++) {
        char *group = group_at(t, table, i);
        uint64_t word = ctrl_word(group);
        deleted += (uint64_t)__builtin_popcountll(ctrl_free(word) & ~ctrl_empty(word));
        for (uint64_t full = ctrl_full(word); full; full &= full - 1) {
            char *slot = slot_at(t, group, first_slot(full));
            void *key = slot_key(t, slot);
            used++;
            if (map_equal(t, key, key) && map_find(t, map, key) != slot)
                return "a key is not where its hash leads";
        }
    }
    if (used != table->used)
        return "a table counts other entries than it has";
    if (table_tombstones(table) != deleted && table->capacity > MAP_SLOTS)
        return "growth_left is not what entries and tombstones leave";
    if (deleted && !map->tombstone_possible)
        return "tombstones that the map knows nothing of";
    return NULL;
}

LIB const char *map_check(const struct map_type *t, const struct map *map)
{
    uint64_t used = 0;
    const char *wrong;
    if (map->mark != map_mark(t, map))
        return "no map of this type";
    if (!map->dir_len && map->dir)
        used = (uint64_t)__builtin_popcountll(ctrl_full(ctrl_word(map->dir)));
    if (map->dir_len && map->dir_len != (int64_t)1 << map->depth)
        return "the directory has not as many places as its depth says";
    for (int64_t i = 0; i < map->dir_len; i++) {
        struct map_table *table = directory(map)[i];
        int64_t places = (int64_t)1 << (map->depth - table->local_depth);
        if (table->index != i / places * places)
            return "a table is not where it says";
        if (table->index != i)
            continue;
        used += table->used;
        if ((wrong = check_table(t, map, table)))
            return wrong;
    }
    return used == map->used ? NULL : "the map counts other entries than it has";
}
