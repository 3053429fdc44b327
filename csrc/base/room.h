// Arrays outside the world that grow: logs, stacks of a search.
#pragma once

#include "base/core.h"

// Room for `need` elements of `each` bytes, at least twice what there was. False: no memory; nothing has changed.
CORE_INLINE bool room_for(void **array, uint64_t *room, uint64_t need, size_t each)
{
    if (LIKELY(need <= *room))
        return true;
    uint64_t to = need > *room * 2 ? need : *room * 2;
    if (to < 64)
        to = 64;
    void *p = realloc(*array, to * each);
    if (!p)
        return false;
    *array = p;
    *room = to;
    return true;
}
