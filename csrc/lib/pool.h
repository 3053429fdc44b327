// Go's sync.Pool on the public API (sync/pool.go, poolqueue.go): values that may be dropped whenever a collection begins.
//
// Objects are laid out as Go's, so that they have Go's size classes: a pool with a part for each processor, a part with a private value and a
// chain of dequeues, each twice as long as the one before. A cycle that begins makes all parts the *victims* and drops the victims of the
// cycle before (pools_begin). A value that nobody puts back lives through one beginning and not through the second.
//
// Processors. An operation *pins* a part: it has it to itself until it returns, and does not poll meanwhile, so that no cycle begins. Each mutator
// begins with a part of its own, which another has only where there are more mutators than processors (gcsim_api.procs). Other parts are
// only ever taken from at their tails, by anybody. No lock is waited for.
//
// Allocating is a poll. So an operation that lacks an object says which one, and is begun anew when the caller has made it; pool_put_value and
// pool_get_value do all that.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gcsim/gcsim.h"

#ifndef LIB
#define LIB static __attribute__((unused))
#endif

struct eface {     // an interface value
    uint64_t type; // the caller's: what `ptr` is; 0 = nil
    void *ptr;
};

struct pool_chain_elt {
    uint64_t head_tail; // where the next goes, and behind it (low half) the oldest: both count on
    struct eface *ring; // pointer
    uint64_t len, cap;  // a power of two
    struct pool_chain_elt *next, *prev; // pointers: to newer, to older
};

struct pool_local {
    struct eface private_value; // its `ptr` is a pointer, as are the next two
    struct pool_chain_elt *head;
    struct pool_chain_elt *tail;
    uint64_t pinned;
    uint64_t unused[11]; // Go's pad: two cache lines
};

struct pool {
    struct pool_local *local;  // pointer: one for each processor
    uint64_t local_size;       // not 0: the pool is in the list of all
    struct pool_local *victim; // pointer
    uint64_t victim_size;      // 0: there is nothing left
    void *make;                // pointer: Go's New; the caller's
};

enum {
    EFACE_WORDS = 2,
    EFACE_MASK = 1 << 1,
    POOL_CHAIN_ELT_WORDS = sizeof(struct pool_chain_elt) / 8,
    POOL_CHAIN_ELT_MASK = 1 << 1 | 3 << 4,
    POOL_LOCAL_WORDS = sizeof(struct pool_local) / 8,
    POOL_LOCAL_MASK = 7 << 1,
    POOL_WORDS = sizeof(struct pool) / 8,
    POOL_MASK = 1 << 0 | 1 << 2 | 1 << 4,
};
_Static_assert(POOL_CHAIN_ELT_WORDS == 6 && POOL_LOCAL_WORDS == 16 && POOL_WORDS == 5,
               "poolqueue.go:poolChainElt takes 48 bytes, pool.go:poolLocal 128, Pool 40");

// What an operation may lack.
enum pool_part {
    POOL_DONE,  // nothing
    POOL_LIST,  // an array of pointers to pools
    POOL_LOCAL, // an array of pool_local
    POOL_ELT,   // one pool_chain_elt
    POOL_RING,  // an array of eface
    POOL_PARTS
};
struct pool_parts { // begins with zeros
    gcsim_handle *made[POOL_PARTS];
    uint64_t count[POOL_PARTS]; // elements; 0 of one that was used up
};

// The heap's lists of pools exist, and a cycle that begins ages what is in them: before the first pool of a heap is used, by one thread. Again does no
// harm. The names are those of the two globals. GCSIM_NO_MEMORY, GCSIM_HEAP_FULL.
LIB gcsim_status pools_begin(gcsim_mutator *m, uint32_t all, uint32_t old);

// Neither polls. POOL_DONE, or the part that is to be made: zeroed, of parts->count[part] elements, rooted in parts->made[part]; then again. In the end
// pool_parts_drop. `x` is not nil (type 0). *x of type 0: the pool is empty.
LIB enum pool_part pool_put(gcsim_mutator *m, struct pool *pool, struct eface x,
                            struct pool_parts *parts);
LIB enum pool_part pool_get(gcsim_mutator *m, struct pool *pool, struct pool_parts *parts,
                            struct eface *x);
LIB void pool_parts_drop(gcsim_mutator *m, struct pool_parts *parts);

struct pool_types { // of the words and masks above; list: one pointer
    const gcsim_type *list, *local, *elt, *eface;
};
// The same, with all that they lack: polls. The caller roots the pool and what it puts; what it gets is safe until the next poll.
LIB gcsim_status pool_put_value(gcsim_mutator *m, const struct pool_types *types, struct pool *pool,
                                struct eface x);
LIB gcsim_status pool_get_value(gcsim_mutator *m, const struct pool_types *types, struct pool *pool,
                                struct eface *x);

struct pool_counts { // values
    uint64_t private_values, shared, victim_private, victim_shared;
};
// The lengths of the rings of part i, the oldest first: how many, at most `room` (32 are enough) of them written.
LIB uint64_t pool_rings(const struct pool *pool, uint64_t i, uint64_t *out, uint64_t room);
// Exact while nobody uses it. Of victims those too that nobody will be given any more.
LIB struct pool_counts pool_count(const gcsim_api *api, gcsim_heap *heap, const struct pool *pool);
