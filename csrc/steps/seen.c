#include "steps/seen.h"

CORE bool seen_make(struct seen *s, uint64_t room, bool depths)
{
    *s = (struct seen){.mask = room - 1};
    s->hashes = calloc(room, sizeof *s->hashes);
    s->depths = depths ? calloc(room, sizeof *s->depths) : NULL;
    return s->hashes && (!depths || s->depths);
}

CORE void seen_free(struct seen *s)
{
    free(s->hashes);
    free(s->depths);
    *s = (struct seen){0};
}

CORE uint64_t seen_place(const struct seen *s, uint64_t hash)
{
    uint64_t at = hash & s->mask;
    while (s->hashes[at] && s->hashes[at] != hash)
        at = (at + 1) & s->mask;
    return at;
}

static bool seen_grow(struct seen *s)
{
    struct seen more;
    if (!seen_make(&more, (s->mask + 1) * 2, s->depths != NULL)) {
        seen_free(&more);
        return false;
    }
    for (uint64_t i = 0; i <= s->mask; i++)
        if (s->hashes[i]) {
            uint64_t at = seen_place(&more, s->hashes[i]);
            more.hashes[at] = s->hashes[i];
            if (s->depths)
                more.depths[at] = s->depths[i];
        }
    more.n = s->n;
    seen_free(s);
    *s = more;
    return true;
}

CORE bool seen_keep_room(struct seen *s) { return s->n * 10 <= s->mask * 7 || seen_grow(s); }

CORE uint64_t seen_bytes(const struct seen *s) { return (s->mask + 1) * (s->depths ? 12 : 8); }
