// A map behind an opaque handle and plain integers, for white-box tests: it replays operations that Go's own maps went through and tells
// its state, and each object that was made with the size asked for and the slot it got.
//
// Keys are the numbers, little-endian in the first 8 bytes (of a string: in its 8 bytes); all else is 0. Nothing is rooted: the heap collects only
// between replays.
#pragma once

#include "lib/map.h"

struct map_replay;

enum map_replay_hash { // of the number k
    MAP_REPLAY_SEEDED, // the usual one of the key
    MAP_REPLAY_MIX,    // splitmix64's finaliser
    MAP_REPLAY_CLUSTERED,
    MAP_REPLAY_SKEWED,
    MAP_REPLAY_COLLIDE16,
};
enum map_replay_op {
    MAP_REPLAY_MAKE, // hint: first
    MAP_REPLAY_INSERT,
    MAP_REPLAY_DELETE,
    MAP_REPLAY_CHURN, // insert first + i, delete first + i - stride
    MAP_REPLAY_CLEAR,
    MAP_REPLAY_CLONE, // goes on with the clone
};
// Of an object that was made: five numbers.
enum map_replay_object {
    MAP_REPLAY_AT,
    MAP_REPLAY_KIND,
    MAP_REPLAY_REQUEST,
    MAP_REPLAY_SLOT,
    MAP_REPLAY_NOSCAN,
    MAP_REPLAY_NUMBERS
};
enum map_replay_kind {
    MAP_REPLAY_MAP,
    MAP_REPLAY_DIRECTORY,
    MAP_REPLAY_TABLE,
    MAP_REPLAY_GROUPS,
    MAP_REPLAY_KEY,
    MAP_REPLAY_ELEM
};

// how: enum map_key. NULL: no memory, or a key too large for a replay.
LIB struct map_replay *map_replay_new(gcsim_mutator *m, const gcsim_type *key,
                                      const gcsim_type *elem, uint32_t how, uint32_t hash,
                                      uint64_t seed);
LIB void map_replay_delete(struct map_replay *r);
// A part of a MAP_KEY_OTHER. 0: there is no room for more.
LIB int map_replay_part(struct map_replay *r, uint32_t offset, uint32_t bytes, uint32_t kind);
// `range`: first, count, stride; keys first + i * stride, i < count. The objects told of are those of the last operation.
LIB gcsim_status map_replay_do(struct map_replay *r, uint32_t op, const uint64_t *range);
LIB const uint64_t *map_replay_objects(const struct map_replay *r, uint64_t *n);
// used, dir_len, depth, tombstone_possible, tombstones, tables; then of each table: slots, used, growth_left, local_depth. How many numbers
// there are; so many as there is room for are written.
LIB uint64_t map_replay_state(const struct map_replay *r, uint64_t *out, uint64_t room);
// NULL, or what is wrong (map_check).
LIB const char *map_replay_check(const struct map_replay *r);
