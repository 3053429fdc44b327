#include "base/world.h"

#include "base/bits.h"
#include "base/os.h"

#define WORLD_GRAIN                                                                                \
    (64u << 10) // regions start and grow by this; a multiple of every page size in use
#define WORLD_SMALL_GRAIN (4u << 10) // first commits are small, so that an empty heap is
#define ARENA_ALIGNMENT   (64ull << 20)
#define LINE_WORDS        8

CORE struct world *world_create(const uint64_t reserved[WORLD_REGIONS])
{
    struct world layout = {0};
    uint64_t at = 0;
    for (int r = 0; r < WORLD_REGIONS; r++) {
        if (r == REGION_ARENA)
            at = round_up(at, ARENA_ALIGNMENT);
        layout.regions[r] = (struct world_range){at, round_up(reserved[r], WORLD_GRAIN), 0};
        at += layout.regions[r].reserved;
    }
    layout.bytes = at;
    layout.base = os_reserve(layout.bytes, ARENA_ALIGNMENT);
    if (!layout.base)
        return NULL;
    if (!os_commit(layout.base, round_up(sizeof(struct world), WORLD_SMALL_GRAIN))) {
        os_unreserve(layout.base, layout.bytes);
        return NULL;
    }
    // The table sits at the front of REGION_HEAP; its owner commits the rest and places its struct behind it.
    struct world *w = (struct world *)layout.base;
    *w = layout;
    w->regions[REGION_HEAP].committed = round_up(sizeof(struct world), WORLD_SMALL_GRAIN);
    return w;
}

CORE void world_destroy(struct world *w) { os_unreserve(w->base, w->bytes); }

CORE bool world_commit(struct world *w, enum world_region region, uint64_t bytes)
{
    struct world_range *range = &w->regions[region];
    if (LIKELY(bytes <= range->committed))
        return true;
    if (bytes > range->reserved)
        return false;
    // Small regions grow by small steps, large ones by large: fewer system calls, and an empty heap stays small.
    uint64_t grain = bytes < WORLD_GRAIN ? WORLD_SMALL_GRAIN : WORLD_GRAIN;
    uint64_t to = round_up(bytes, grain);
    if (to > range->reserved)
        to = range->reserved;
    if (!os_commit(w->base + range->offset + range->committed, to - range->committed))
        return false;
    __atomic_store_n(&range->committed, to, __ATOMIC_RELAXED);
    return true;
}

// --- snapshots ---------------------------------------------------------------------------------------------------
//
// The log holds a shadow (the world as it was at the last mark) and, per mark, the lines that changed between the mark before and it,
// with their old contents. Rewinding to mark k first takes the world back to the shadow, then undoes marks n, n-1, ... k+1.

struct world_line {
    uint64_t offset; // in the world
    uint64_t words[LINE_WORDS];
};

struct world_mark {
    struct world_range regions[WORLD_REGIONS]; // as of this mark
    uint64_t first_line; // lines[first_line ..) undo this mark to the one before
};

struct world_log {
    struct world *w;
    uint64_t mapped[WORLD_REGIONS]; // bytes committed at most so far: never unmapped by a rewind
    uint64_t *shadow[WORLD_REGIONS];
    uint64_t shadow_bytes[WORLD_REGIONS];
    struct world_line *lines;
    uint64_t nlines, room_lines;
    struct world_mark *marks;
    uint64_t nmarks, room_marks;
};

CORE struct world_log *world_log_create(struct world *w)
{
    struct world_log *log = calloc(1, sizeof *log);
    if (log)
        log->w = w;
    return log;
}

CORE void world_log_destroy(struct world_log *log)
{
    if (!log)
        return;
    for (int r = 0; r < WORLD_REGIONS; r++)
        free(log->shadow[r]);
    free(log->lines);
    free(log->marks);
    free(log);
}

CORE uint64_t world_log_lines(const struct world_log *log) { return log->nlines; }

static bool log_room(void **array, uint64_t *room, uint64_t need, size_t each)
{
    if (need <= *room)
        return true;
    uint64_t to = *room ? *room * 2 : 64;
    void *p = realloc(*array, (to > need ? to : need) * each);
    if (!p)
        return false;
    *array = p;
    *room = to > need ? to : need;
    return true;
}

// Extend the shadow of a region with zeros up to what is committed: fresh memory reads as zero.
static bool log_grow_shadow(struct world_log *log, int r)
{
    uint64_t bytes = log->w->regions[r].committed;
    if (bytes > log->mapped[r])
        log->mapped[r] = bytes;
    if (bytes <= log->shadow_bytes[r])
        return true;
    uint64_t *p = realloc(log->shadow[r], bytes);
    if (!p)
        return false;
    memset((char *)p + log->shadow_bytes[r], 0, bytes - log->shadow_bytes[r]);
    log->shadow[r] = p;
    log->shadow_bytes[r] = bytes;
    return true;
}

CORE int64_t world_log_mark(struct world_log *log)
{
    if (!log_room((void **)&log->marks, &log->room_marks, log->nmarks + 1, sizeof *log->marks))
        return -1;
    struct world_mark *mark = &log->marks[log->nmarks];
    mark->first_line = log->nlines;
    for (int r = 0; r < WORLD_REGIONS; r++)
        if (!log_grow_shadow(log, r))
            return -1;
    for (int r = 0; r < WORLD_REGIONS; r++) {
        mark->regions[r] = log->w->regions[r];
        const uint64_t *now = (const uint64_t *)world_at(log->w, r);
        uint64_t words = log->w->regions[r].committed / 8;
        for (uint64_t i = 0; i < words; i += LINE_WORDS) {
            if (memcmp(now + i, log->shadow[r] + i, LINE_WORDS * 8) == 0)
                continue;
            if (!log_room((void **)&log->lines, &log->room_lines, log->nlines + 1,
                          sizeof *log->lines)) {
                // Give up this mark: put the shadow back so that the log stays true.
                while (log->nlines > mark->first_line) {
                    struct world_line *line = &log->lines[--log->nlines];
                    for (int q = 0; q < WORLD_REGIONS; q++) {
                        uint64_t from = log->w->regions[q].offset;
                        if (line->offset >= from && line->offset < from + log->shadow_bytes[q])
                            memcpy((char *)log->shadow[q] + (line->offset - from), line->words,
                                   sizeof line->words);
                    }
                }
                return -1;
            }
            struct world_line *line = &log->lines[log->nlines++];
            line->offset = log->w->regions[r].offset + i * 8;
            memcpy(line->words, log->shadow[r] + i, sizeof line->words);
            memcpy(log->shadow[r] + i, now + i, sizeof line->words);
        }
    }
    return (int64_t)log->nmarks++;
}

CORE bool world_log_rewind(struct world_log *log, int64_t to)
{
    if (to < 0 || (uint64_t)to >= log->nmarks)
        return false;
    struct world *w = log->w;
    // What was committed since the mark stays mapped, and reads as zero again, as it did before it was committed.
    for (int r = 0; r < WORLD_REGIONS; r++)
        if (!log_grow_shadow(log, r))
            return false;
    // Undo in the shadow, newest mark first.
    while (log->nmarks > (uint64_t)to + 1) {
        uint64_t first = log->marks[log->nmarks - 1].first_line;
        while (log->nlines > first) {
            struct world_line *line = &log->lines[--log->nlines];
            for (int r = 0; r < WORLD_REGIONS; r++) {
                uint64_t from = w->regions[r].offset;
                if (line->offset >= from && line->offset < from + log->shadow_bytes[r])
                    memcpy((char *)log->shadow[r] + (line->offset - from), line->words,
                           sizeof line->words);
            }
        }
        log->nmarks--;
    }
    // Then copy what differs back to the same addresses.
    for (int r = WORLD_REGIONS - 1; r >= 0; r--) {
        char *now = world_at(w, r);
        for (uint64_t at = 0; at < log->shadow_bytes[r]; at += LINE_WORDS * 8)
            if (memcmp(now + at, (char *)log->shadow[r] + at, LINE_WORDS * 8) != 0)
                memcpy(now + at, (char *)log->shadow[r] + at, LINE_WORDS * 8);
    }
    // The region table came back with the heap region; memory mapped since is still there, so committing it again is free.
    return true;
}

CORE uint64_t world_hash(const struct world *w)
{
    uint64_t hash = 14695981039346656037ull;
    for (int r = 0; r < WORLD_REGIONS; r++) {
        if (r == REGION_HISTORY || r == REGION_COROUTINES)
            continue;
        const uint64_t *words = (const uint64_t *)world_at(w, r);
        uint64_t n = w->regions[r].committed / 8;
        // The region table is left out, and so are zero words: a hash must not depend on how much is committed.
        for (uint64_t i = r == REGION_HEAP ? divide_up(sizeof *w, 8) : 0; i < n; i++)
            if (words[i])
                hash = (hash ^ (words[i] + i * 0x9e3779b97f4a7c15ull)) * 1099511628211ull;
        hash = (hash ^ (uint64_t)r) * 1099511628211ull;
    }
    return hash;
}
