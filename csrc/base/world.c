#include "base/world.h"

#include "base/bits.h"
#include "base/os.h"
#include "base/room.h"

#ifdef CORE_ASAN
#include <sanitizer/asan_interface.h>
#endif

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
// The log holds a shadow, which is the world as it was at one of the marks, and per mark the lines that differ between it and the mark
// before, each as the exclusive or of the two: the same lines take the shadow forward and back. Marks behind the shadow's are kept until
// another is made.
//
// Looking for changes is comparing everything, page by page. Left out is what cannot matter: pages of the arena that never belonged to a
// span, and stacks of coroutines below their stack pointers, which stay in the shadow as they were when somebody last looked.

enum { LINE_BYTES = LINE_WORDS * 8, BLOCK_BYTES = 4096 };

struct world_line {
    uint64_t offset; // in the world
    uint64_t words[LINE_WORDS];
};

struct world_log {
    struct world *w;
    const struct world_limits *limits; // NULL: none
    uint64_t arena;                    // bytes of it that were ever used
    uint64_t *shadow[WORLD_REGIONS];
    uint64_t shadow_bytes[WORLD_REGIONS];
    struct world_line *lines;
    uint64_t nlines, room_lines;
    uint64_t *marks; // end of the lines that lead from the mark before to this one
    uint64_t nmarks, room_marks;
    uint64_t at; // the shadow's mark
    struct world_aside {
        struct world_line *lines;
        uint64_t *marks;
        uint64_t nlines, nmarks;
    } aside;
};

CORE struct world_log *world_log_create(struct world *w, const struct world_limits *limits)
{
    struct world_log *log = calloc(1, sizeof *log);
    if (log) {
        log->w = w;
        log->limits = limits;
    }
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
    free(log->aside.lines);
    free(log->aside.marks);
    free(log);
}

CORE uint64_t world_log_lines(const struct world_log *log) { return log->nlines; }

CORE uint64_t world_log_bytes(const struct world_log *log)
{
    uint64_t bytes = log->room_lines * sizeof *log->lines + log->room_marks * sizeof *log->marks;
    for (int r = 0; r < WORLD_REGIONS; r++)
        bytes += log->shadow_bytes[r];
    return bytes;
}

// Extend the shadows with zeros up to what is committed: fresh memory reads as zero.
static bool log_grow_shadows(struct world_log *log)
{
    for (int r = 0; r < WORLD_REGIONS; r++) {
        uint64_t bytes = log->w->regions[r].committed, had = log->shadow_bytes[r];
        if (bytes <= had)
            continue;
        uint64_t *p = realloc(log->shadow[r], bytes);
        if (!p)
            return false;
        if (r != REGION_ARENA || !log->limits) // else below, as far as it is used
            memset((char *)p + had, 0, bytes - had);
        log->shadow[r] = p;
        log->shadow_bytes[r] = bytes;
    }
    uint64_t had = log->arena, used = log->limits ? log->limits->arena(log->limits->arg) : 0;
    if (used > had) {
        memset((char *)log->shadow[REGION_ARENA] + had, 0, used - had);
        log->arena = used;
    }
    return true;
}

// Live frames have red zones, and all of it is read and written here.
#ifdef CORE_ASAN
#define RAW __attribute__((no_sanitize_address, noinline))
#else
#define RAW
#endif

RAW static bool same_words(const uint64_t *a, const uint64_t *b, uint64_t words)
{
#ifndef CORE_ASAN
    return memcmp(a, b, words * 8) == 0;
#else
    for (uint64_t i = 0; i < words; i++)
        if (a[i] != b[i])
            return false;
    return true;
#endif
}

RAW static void copy_line(uint64_t *to, const uint64_t *from)
{
    for (int i = 0; i < LINE_WORDS; i++)
        to[i] = from[i];
}

// Visits each line in which world and shadow differ; false as soon as a visit says so.
typedef bool (*line_visit)(struct world_log *log, int r, uint64_t at);

static bool visit_range(struct world_log *log, int r, uint64_t from, uint64_t to, line_visit visit)
{
    const uint64_t *now = (const uint64_t *)(void *)world_at(log->w, r), *then = log->shadow[r];
    for (uint64_t block = from; block < to;) {
        uint64_t end = (block / BLOCK_BYTES + 1) * BLOCK_BYTES;
        if (end > to)
            end = to;
        if (!same_words(now + block / 8, then + block / 8, (end - block) / 8))
            for (uint64_t at = block; at < end; at += LINE_BYTES)
                if (!same_words(now + at / 8, then + at / 8, LINE_WORDS) && !visit(log, r, at))
                    return false;
        block = end;
    }
    return true;
}

static bool visit_changes(struct world_log *log, bool live, line_visit visit)
{
    const struct world_limits *limits = log->limits;
    uint64_t from, to;
    // The last first: a visit may change the table of regions, which is the first.
    for (int r = WORLD_REGIONS - 1; r >= 0; r--) {
        if (r == REGION_COROUTINES && limits && live) {
            for (uint32_t i = 0; limits->stack(limits->arg, i, &from, &to); i++)
                if (!visit_range(log, r, from / LINE_BYTES * LINE_BYTES, to, visit))
                    return false;
        } else {
            to = r == REGION_ARENA && limits ? log->arena : log->shadow_bytes[r];
            if (!visit_range(log, r, 0, to, visit))
                return false;
        }
    }
    return true;
}

static void flip(struct world_log *log, const struct world_line *line)
{
    int r = 0;
    while (line->offset - log->w->regions[r].offset >= log->shadow_bytes[r])
        r++;
    uint64_t *words = log->shadow[r] + (line->offset - log->w->regions[r].offset) / 8;
    for (int i = 0; i < LINE_WORDS; i++)
        words[i] ^= line->words[i];
}

static uint64_t lines_before(const struct world_log *log, uint64_t mark)
{
    return mark ? log->marks[mark - 1] : 0;
}

static void shadow_to(struct world_log *log, uint64_t mark)
{
    for (; log->at > mark; log->at--)
        for (uint64_t i = log->marks[log->at]; i-- > lines_before(log, log->at);)
            flip(log, &log->lines[i]);
    for (; log->at < mark; log->at++)
        for (uint64_t i = log->marks[log->at]; i < log->marks[log->at + 1]; i++)
            flip(log, &log->lines[i]);
}

CORE void world_log_forget(struct world_log *log)
{
    if (log->nmarks)
        log->nmarks = log->at + 1;
    log->nlines = lines_before(log, log->nmarks);
}

RAW static bool keep_line(struct world_log *log, int r, uint64_t at)
{
    if (!room_for((void **)&log->lines, &log->room_lines, log->nlines + 1, sizeof *log->lines))
        return false;
    struct world_line *line = &log->lines[log->nlines++];
    const uint64_t *now = (const uint64_t *)(void *)world_at(log->w, r) + at / 8;
    uint64_t *then = log->shadow[r] + at / 8;
    line->offset = log->w->regions[r].offset + at;
    for (int i = 0; i < LINE_WORDS; i++)
        line->words[i] = now[i] ^ then[i];
    copy_line(then, now);
    return true;
}

CORE int64_t world_log_mark(struct world_log *log)
{
    world_log_forget(log);
    if (!room_for((void **)&log->marks, &log->room_marks, log->nmarks + 1, sizeof *log->marks) ||
        !log_grow_shadows(log))
        return -1;
    uint64_t first = log->nlines;
    if (!visit_changes(log, true, keep_line)) {
        while (log->nlines > first) // the shadow is as it was, and the log true
            flip(log, &log->lines[--log->nlines]);
        return -1;
    }
    log->marks[log->nmarks] = log->nlines;
    log->at = log->nmarks++;
    return (int64_t)log->at;
}

static bool is_same(struct world_log *log, int r, uint64_t at)
{
    (void)log, (void)r, (void)at;
    return false;
}

CORE bool world_log_changed(struct world_log *log)
{
    return !log_grow_shadows(log) || !visit_changes(log, true, is_same);
}

RAW static bool restore_line(struct world_log *log, int r, uint64_t at)
{
    copy_line((uint64_t *)(void *)world_at(log->w, r) + at / 8, log->shadow[r] + at / 8);
    return true;
}

CORE bool world_log_rewind(struct world_log *log, int64_t to)
{
    // What was committed since the mark stays mapped, and reads as zero again, as it did before it was committed.
    if (to < 0 || (uint64_t)to >= log->nmarks || !log_grow_shadows(log))
        return false;
    shadow_to(log, (uint64_t)to);
    visit_changes(log, false, restore_line);
#ifdef CORE_ASAN
    __asan_unpoison_memory_region(world_at(log->w, REGION_COROUTINES),
                                  log->shadow_bytes[REGION_COROUTINES]);
#endif
    return true;
}

// --- a mark in between, on approval

CORE bool world_log_set_aside(struct world_log *log)
{
    struct world_aside *a = &log->aside;
    uint64_t lines = lines_before(log, log->at + 1);
    *a = (struct world_aside){.nlines = log->nlines - lines, .nmarks = log->nmarks - log->at - 1};
    if (!a->nmarks)
        return true;
    a->lines = malloc((a->nlines + 1) * sizeof *a->lines);
    a->marks = malloc(a->nmarks * sizeof *a->marks);
    if (!a->lines || !a->marks) {
        world_log_drop_aside(log);
        return false;
    }
    memcpy(a->lines, log->lines + lines, a->nlines * sizeof *a->lines);
    memcpy(a->marks, log->marks + log->at + 1, a->nmarks * sizeof *a->marks);
    return true;
}

CORE void world_log_drop_aside(struct world_log *log)
{
    free(log->aside.lines);
    free(log->aside.marks);
    log->aside = (struct world_aside){0};
}

// There is room: they were here before.
CORE void world_log_take_back(struct world_log *log)
{
    struct world_aside *a = &log->aside;
    shadow_to(log, log->at - 1);
    world_log_forget(log);
    if (a->nmarks) {
        memcpy(log->lines + log->nlines, a->lines, a->nlines * sizeof *a->lines);
        memcpy(log->marks + log->nmarks, a->marks, a->nmarks * sizeof *a->marks);
        log->nlines += a->nlines;
        log->nmarks += a->nmarks;
    }
    world_log_drop_aside(log);
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
