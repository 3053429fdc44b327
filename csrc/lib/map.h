// Go's maps on the public API: Swiss tables, as of Go 1.24 (internal/runtime/maps/map.go, table.go, group.go).
//
// A map is an object of 48 bytes. Up to 8 entries lie in one group; more in tables of at most 1,024 slots, which a directory finds by the top bits of
// a key's hash. All objects and their order are Go's: map, groups, tables, directories, and for keys and elements above 128 bytes objects of
// their own. Hashes are not Go's.
//
// Nothing here waits between two states. What needs memory comes in two halves: the first says what is wanted, the second takes the objects, looks
// again at the map and goes on from there. Who is alone with the map calls map_new, map_slot and map_clone, which do both.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gcsim/gcsim.h"

#define LIB static __attribute__((unused))

enum {
    MAP_SLOTS = 8,            // of a group
    MAP_TABLE_SLOTS = 1024,   // at most (table.go:maxTableCapacity)
    MAP_INDIRECT_ABOVE = 128, // bytes (abi.MapMaxKeyBytes, MapMaxElemBytes)
    MAP_KEY_PARTS = 64,       // that are told apart in one key
};

struct map {
    uint64_t used; // entries
    uint64_t seed; // of the hash
    void *dir;     // pointer: one group while dir_len is 0, else to dir_len tables
    int64_t dir_len;
    uint8_t depth, shift; // dir_len = 1 << depth; shift = 64 - depth
    uint8_t writing;      // 0: who uses a map has locked it. Go notices who has not
    uint8_t tombstone_possible;
    uint32_t mark;      // map_mark: made here, for this type. Here Go has a hole
    uint64_t clear_seq; // calls of clear
};
enum { MAP_WORDS = sizeof(struct map) / 8, MAP_MASK = 1 << 2 };
_Static_assert(MAP_WORDS == 6, "map.go:Map takes 48 bytes");

struct map_table {
    uint16_t used, capacity; // entries, and slots: a power of two
    uint16_t growth_left; // slots to fill before it grows: 7/8 of all, less entries and tombstones
    uint8_t local_depth;  // it is in 1 << (depth - local_depth) places of the directory
    int64_t index;        // the first of them; -1: it has been replaced
    char *groups;         // pointer
    uint64_t mask;        // groups - 1
};
enum { MAP_TABLE_WORDS = sizeof(struct map_table) / 8, MAP_TABLE_MASK = 1 << 2 };
_Static_assert(MAP_TABLE_WORDS == 4, "table.go:table takes 32 bytes");

// How keys are compared and hashed. The first three are Go's fast routines where elements are not indirect (cmd/compile walk.go:mapfast).
enum map_key {
    MAP_KEY_64, // 8 bytes of plain memory
    MAP_KEY_32,
    MAP_KEY_STRING,
    MAP_KEY_BYTES, // plain memory of another size
    MAP_KEY_OTHER, // in parts
};
enum map_part_kind {
    MAP_PART_BYTES,
    MAP_PART_FLOAT32,
    MAP_PART_FLOAT64,
    MAP_PART_STRING,
    MAP_PART_INTERFACE, // two words as in lib/iface.h: compared as the type in the first one is
    MAP_PARTS
};
enum { MAP_IFACE_VALUE = 1 }; // lib/iface.h: IFACE_VALUE
// A key that is a string, as it lies in memory (lib/string.h).
struct map_text {
    const char *ptr;
    int64_t len;
};
struct map_part {
    uint32_t offset, bytes, kind; // enum map_part_kind; padding and blank fields belong to none
};

// How values of the types that interfaces in keys hold are compared, by gcsim_type.id. Who makes a key sees to it that those in it are here.
struct map_type;
struct map_insides {
    const struct map_type **by_id; // as the key of a map would be
    uint32_t room;
};

// What the operations need to know of map[K]V. It lives as long as its maps; `random` is the heap's own state of chance, which maps share.
struct map_type {
    const gcsim_type *key, *elem, *map, *table, *pointer, *group;
    uint64_t (*hash)(const void *key, uint64_t seed); // NULL: the usual one; else for tests
    uint64_t *random;
    const struct map_insides *insides; // of keys with interfaces
    uint32_t slot_bytes, elem_offset, group_bytes;
    uint8_t how; // enum map_key
    bool key_indirect, elem_indirect;
    bool
        prunes; // as Go's fast routines do (runtime_fast64.go); pointers and the generic one do not
    bool updates_key; // equal keys may differ: the last one written stays
    uint32_t nparts;
    struct map_part parts[MAP_KEY_PARTS];
};

// The layout of a group, as Go lays out struct{ctrls uint64; slots [8]struct{key K; elem V}}. mask has room for MAP_GROUP_MASK_WORDS words.
enum { MAP_GROUP_MASK_WORDS = (8 + MAP_SLOTS * 2 * (MAP_INDIRECT_ABOVE + 8)) / 512 + 1 };
LIB gcsim_type_desc map_group_desc(const gcsim_type *key, const gcsim_type *elem, uint64_t *mask);
// Fills in all but key parts, hash and random. `map` is a type of MAP_WORDS and MAP_MASK, `table` one of MAP_TABLE_WORDS and MAP_TABLE_MASK, `pointer`
// one pointer, `group` as map_group_desc says.
LIB void map_type_init(struct map_type *t, enum map_key how, const gcsim_type *key,
                       const gcsim_type *elem, const gcsim_type *map, const gcsim_type *table,
                       const gcsim_type *pointer, const gcsim_type *group);

// --- reading: no polls, no allocation. A NULL map is Go's nil map. `key` points to one.

// The element of a key, or NULL.
LIB void *map_get(const struct map_type *t, const struct map *map, const void *key);
// The same for MAP_KEY_64.
LIB void *map_get64(const struct map_type *t, const struct map *map, uint64_t key);
// The key as it lies in the map, and its element; false: there is none.
LIB bool map_get_entry(const struct map_type *t, const struct map *map, const void *key,
                       void **own_key, void **elem);

// --- writing

// Objects to make: one of `type`, or with count above 0 an array.
struct map_want {
    const gcsim_type *type;
    uint64_t count;
};
enum map_need { MAP_NOTHING, MAP_GROUP, MAP_TABLE, MAP_GROW, MAP_SPLIT, MAP_OBJECTS };
enum { MAP_WANTS = 5 };
// What one insertion wants, in Go's order, and the roots of what was made for it. Zero before the first time.
struct map_room {
    enum map_need need;
    uint32_t n;
    uint64_t capacity; // of a new table
    int64_t dir_len;   // of a new directory; 0: none
    struct map_want want[MAP_WANTS];
    gcsim_handle *root[MAP_WANTS];
    uint64_t hash, seed; // a NaN has another hash each time
    bool hashed;
};

// Where to write the element of a key, which is inserted if it is not there. NULL: objects are missing, and *room (which may be NULL) says which.
LIB void *map_slot_now(gcsim_mutator *m, const struct map_type *t, struct map *map, const void *key,
                       struct map_room *room);
// Makes what is wanted: a poll.
LIB gcsim_status map_room_fill(gcsim_mutator *m, struct map_room *room);
LIB void map_room_drop(gcsim_mutator *m, struct map_room *room);
// Both halves. A poll: the map is rooted. NULL with m->status set; the map is then as it was or has grown.
LIB void *map_slot(gcsim_mutator *m, const struct map_type *t, struct map *map, const void *key);

// Whether it was there. No poll.
LIB bool map_delete(gcsim_mutator *m, const struct map_type *t, struct map *map, const void *key);
// All entries; memory stays. No poll.
LIB void map_clear(gcsim_mutator *m, const struct map_type *t, struct map *map);

// --- making: make(map[K]V, hint), and maps.Clone

#define MAP_MAX_BYTES (1ull << 48) // malloc.go:maxAlloc

// The objects of a map, in Go's order: map, directory, then each table, its groups, and for a clone what is indirect in them.
struct map_plan {
    const struct map *from; // to clone; NULL: an empty one
    uint64_t capacity;      // of each table of an empty one
    int64_t dir_len;
    struct map_want *want;
    gcsim_handle **root; // of what was made
    uint64_t n, room, taken;
    bool failed; // no memory for the plan itself
};
// NULL: no memory. A negative hint, or one that is too large, counts as none.
LIB struct map_plan *map_plan_new(const struct map_type *t, int64_t hint);
LIB struct map_plan *map_plan_clone(const struct map_type *t, const struct map *from);
// Makes what is wanted: a poll.
LIB gcsim_status map_plan_fill(gcsim_mutator *m, struct map_plan *plan);
// The map, rooted until the plan is dropped. NULL: the one to clone has changed since, plan anew.
LIB struct map *map_plan_build(gcsim_mutator *m, const struct map_type *t, struct map_plan *plan);
LIB void map_plan_drop(gcsim_mutator *m, struct map_plan *plan);
// All of it. The result is safe until the next poll.
LIB gcsim_status map_new(gcsim_mutator *m, const struct map_type *t, int64_t hint,
                         struct map **out);
LIB gcsim_status map_clone(gcsim_mutator *m, const struct map_type *t, const struct map *from,
                           struct map **out);

// --- iterating: the map may be changed meanwhile, as Go allows. What is deleted before its turn does not come, what is inserted may.
struct map_iter {
    const struct map *map;
    gcsim_handle *root; // the table, or the group of a small map, that it goes through
    struct map_table *table;
    char *group; // of a map that was small
    uint64_t entry_offset, dir_offset, entry, clear_seq;
    int64_t dir;
    uint8_t depth;
    void *key, *elem; // of the entry, until something is written
};
// The map is kept by the caller. false: no memory for the root.
LIB bool map_iter_begin(gcsim_mutator *m, const struct map_type *t, const struct map *map,
                        struct map_iter *it);
LIB bool map_iter_next(gcsim_mutator *m, const struct map_type *t, struct map_iter *it);
LIB void map_iter_end(gcsim_mutator *m, struct map_iter *it);

// Whether an object is a map that was made here for this type.
LIB uint32_t map_mark(const struct map_type *t, const struct map *map);
// NULL, or what is wrong.
LIB const char *map_check(const struct map_type *t, const struct map *map);
