// Type descriptors and interned names of a heap.
//
// A type is made once, never changes and lives as long as its heap. What an allocation of it needs (its size class) is resolved
// when it is made (alloc/malloc.c:malloc_resolve_type), not at each allocation.
#pragma once

#include "base/meta.h"
#include "gcsim/gcsim.h"

#define TYPE_MAX_BYTES (1ull << 40) // larger than any heap
#define TYPE_MAX_MASK_BYTES                                                                        \
    (1ull << 30) // types with pointers are at most this long: their mask takes 1/64 of it

struct types {
    struct meta *meta;
    struct rt *rt;
    struct rt_lock lock;
    uint64_t ntypes, room_types;
    gcsim_type **by_id;
    uint64_t nnames, room_names;
    char **names;        // by index; 0 is ""
    uint64_t room_slots; // hash table of name indices + 1, a power of two
    uint32_t *slots;
};

CORE gcsim_status types_init(struct types *types, struct meta *meta, struct rt *rt);
CORE gcsim_status name_intern_in(struct types *types, const char *text, uint32_t *name);
CORE const char *name_text_of(struct types *types, uint32_t name); // NULL: no such name

// A copy of the description. `resolve` is the allocator's: it fills in span class and inline path before anybody can find the type.
// NULL and *status on failure.
CORE gcsim_type *type_make(struct types *types, const gcsim_type_desc *desc,
                           void (*resolve)(gcsim_type *), gcsim_status *status);
CORE const gcsim_type *type_of_id(struct types *types, uint64_t id); // NULL: no such type

CORE_INLINE bool type_noscan(const gcsim_type *t) { return t->ptr_bytes == 0; }
