// The states that a search has seen, by their hashes.
#pragma once

#include "base/core.h"

struct seen {
    uint64_t *hashes; // 0: empty
    uint32_t *depths; // least depth at which it was found; only where depth is bounded
    uint64_t mask, n;
};

// room: a power of two.
CORE bool seen_make(struct seen *s, uint64_t room, bool depths);
CORE void seen_free(struct seen *s);
// Where a hash is, or would come.
CORE uint64_t seen_place(const struct seen *s, uint64_t hash);
// Room for more, if it is getting full. False: no memory.
CORE bool seen_keep_room(struct seen *s);
CORE uint64_t seen_bytes(const struct seen *s);
