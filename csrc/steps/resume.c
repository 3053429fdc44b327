// A search put aside and taken up again, maybe by another process: a stream of 64-bit words.
//
// The header; the lines that are known to change; the path, level by level; the hashes that were seen, each with its depth where depth is
// bounded. The world itself is not saved: the path's steps are taken again. The last state's hash tells whether they led to where they did
// before.
#include "steps/explore.h"

static const char resume_magic[8] = "gcsimsr1";

struct resume_header {
    char magic[8];
    uint64_t seed, bound, ns;
    uint64_t states, transitions, paths, longest, cut;
    uint64_t depth, lines, seen;
    uint64_t hash; // of the state at the path's end
};

struct resume_level {
    uint32_t actor, choice; // to try next
    gcsim_taken by;
    uint32_t unused;
};

// --- out ---------------------------------------------------------------------------------------------------------

static bool put_bytes(struct explorer *e, const void *from, uint64_t bytes)
{
    return e->search->save(e->search->stream_arg, from, bytes) == 0;
}

static bool put_lines(struct explorer *e)
{
    bool done = true;
    for (uint64_t i = 0; done && i < undo_lines(e->undo); i++) {
        struct undo_place at = undo_place(e->undo, i);
        done = put_bytes(e, &at, sizeof at);
    }
    return done;
}

static bool put_path(struct explorer *e)
{
    bool done = true;
    for (uint64_t d = 0; done && d <= e->depth; d++) {
        const struct level *level = &e->levels[d];
        struct resume_level saved = {level->actor, level->choice, level->by, 0};
        done = put_bytes(e, &saved, sizeof saved);
    }
    return done;
}

static bool put_seen(struct explorer *e)
{
    const struct seen *seen = &e->seen;
    bool done = true;
    for (uint64_t i = 0; done && i <= seen->mask; i++) {
        uint64_t entry[2] = {seen->hashes[i], seen->depths ? seen->depths[i] : 0};
        if (entry[0])
            done = put_bytes(e, entry, seen->depths ? 16 : 8);
    }
    return done;
}

CORE bool resume_save(struct explorer *e)
{
    const gcsim_found *out = e->out;
    struct resume_header header = {.seed = e->search->seed,
                                   .bound = e->bound,
                                   .ns = explore_ns(e),
                                   .states = out->states,
                                   .transitions = out->transitions,
                                   .paths = out->paths,
                                   .longest = out->depth,
                                   .cut = e->cut,
                                   .depth = e->depth,
                                   .lines = undo_lines(e->undo),
                                   .seen = e->seen.n,
                                   .hash = explore_hash(e)};
    memcpy(header.magic, resume_magic, sizeof header.magic);
    return put_bytes(e, &header, sizeof header) && put_lines(e) && put_path(e) && put_seen(e);
}

// --- in ----------------------------------------------------------------------------------------------------------

static bool get_bytes(struct explorer *e, void *to, uint64_t bytes)
{
    return e->search->load(e->search->stream_arg, to, bytes) == 0;
}

static gcsim_status get_lines(struct explorer *e, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        struct undo_place at;
        if (!get_bytes(e, &at, sizeof at) || !undo_heat(e->undo, at))
            return GCSIM_BAD_STATE;
    }
    undo_reset(e->undo);
    return GCSIM_OK;
}

// The step that leads to the next level, once more.
static gcsim_status take_again(struct explorer *e, gcsim_taken by)
{
    if (by.actor >= e->all->n || !actor_step(e->all, by.actor, by.choice) || e->died)
        return GCSIM_BAD_STATE;
    uint64_t mark = undo_note(e->undo);
    return mark != UINT64_MAX && explore_push(e, by, mark) ? GCSIM_OK : GCSIM_NO_MEMORY;
}

static gcsim_status get_path(struct explorer *e, uint64_t depth)
{
    for (uint64_t d = 0; d <= depth; d++) {
        struct resume_level saved;
        if (!get_bytes(e, &saved, sizeof saved))
            return GCSIM_BAD_STATE;
        gcsim_status status = d ? take_again(e, saved.by) : GCSIM_OK;
        if (status != GCSIM_OK)
            return status;
        e->levels[d].actor = saved.actor;
        e->levels[d].choice = saved.choice;
    }
    return GCSIM_OK;
}

static gcsim_status get_seen(struct explorer *e, uint64_t n)
{
    struct seen *seen = &e->seen;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t entry[2] = {0};
        if (!get_bytes(e, entry, seen->depths ? 16 : 8) || !entry[0])
            return GCSIM_BAD_STATE;
        if (!seen_keep_room(seen))
            return GCSIM_NO_MEMORY;
        uint64_t at = seen_place(seen, entry[0]);
        seen->n += seen->hashes[at] == 0;
        seen->hashes[at] = entry[0];
        if (seen->depths)
            seen->depths[at] = (uint32_t)entry[1];
    }
    return GCSIM_OK;
}

// Whether what was read is this search's own.
static bool is_as_saved(struct explorer *e, const struct resume_header *header)
{
    uint64_t hash = explore_hash(e);
    return hash == header->hash && e->seen.n == header->seen &&
           e->seen.hashes[seen_place(&e->seen, hash)] == hash;
}

CORE gcsim_status resume_load(struct explorer *e)
{
    struct resume_header header;
    if (!get_bytes(e, &header, sizeof header) ||
        memcmp(header.magic, resume_magic, sizeof header.magic) != 0 ||
        header.seed != e->search->seed || header.bound != e->bound)
        return GCSIM_BAD_STATE;
    gcsim_status status = get_lines(e, header.lines);
    if (status == GCSIM_OK)
        status = get_path(e, header.depth);
    if (status == GCSIM_OK)
        status = get_seen(e, header.seen);
    if (status == GCSIM_OK && !is_as_saved(e, &header))
        status = GCSIM_BAD_STATE;
    e->out->states = header.states;
    e->out->transitions = e->told = header.transitions;
    e->out->paths = header.paths;
    e->out->depth = header.longest;
    e->cut = header.cut;
    e->begun_ns -= header.ns;
    return status;
}
