#include "steps/undo.h"

#include "base/bits.h"
#include "base/room.h"

#include <link.h>

enum { WORDS = 8, LINE = 64, BLOCK = 4096, IGNORED = 64 }; // commits are whole blocks

struct line {
    uint64_t *at;
    uint64_t words[WORDS]; // the shadow
    uint64_t ignored;      // a bit per word
    uint64_t hash;
    uint64_t offset; // in its region
    int region;
    bool frames; // of a stack: only return addresses are hashed
};

struct saved {
    uint32_t line;
    uint64_t words[WORDS], hash;
};

struct undo {
    struct mheap *h;
    uint64_t seed;               // of all hashes
    uint64_t image, image_bytes; // where the library lies that this code is in
    uint64_t code, code_bytes;   // what of it can be run
    bool whole_stacks;
    char *base[WORLD_REGIONS]; // as at the beginning
    uint64_t base_bytes[WORLD_REGIONS];
    uint8_t *hot_bits[WORLD_REGIONS]; // a byte per line
    struct line *lines;
    uint64_t nlines, room_lines;
    struct saved *saved;
    uint64_t nsaved, room_saved;
    struct ignored {
        const char *at;
        uint64_t bytes;
    } ignored[IGNORED];
    uint32_t nignored;
    uint64_t hash;
};

static bool is_state(int region) { return region != REGION_HISTORY; }

// --- memory ------------------------------------------------------------------------------------------------------

// The base of a region that has grown goes on with zeros: that is how fresh memory reads.
static bool cover(struct undo *u, int r)
{
    uint64_t bytes = u->h->world->regions[r].committed, had = u->base_bytes[r];
    if (bytes <= had)
        return true;
    char *base = realloc(u->base[r], bytes);
    if (base)
        u->base[r] = base;
    uint8_t *bits = realloc(u->hot_bits[r], bytes / LINE);
    if (bits)
        u->hot_bits[r] = bits;
    if (!base || !bits)
        return false;
    memset(base + had, 0, bytes - had);
    memset(bits + had / LINE, 0, (bytes - had) / LINE);
    u->base_bytes[r] = bytes;
    return true;
}

// The library that this function lies in, and its executable segment.
static int find_code(struct dl_phdr_info *info, size_t bytes, void *arg)
{
    struct undo *u = arg;
    uint64_t first = UINT64_MAX, end = 0;
    (void)bytes;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uint64_t from = info->dlpi_addr + segment->p_vaddr;
        if (segment->p_type != PT_LOAD)
            continue;
        if ((uint64_t)(uintptr_t)find_code - from < segment->p_memsz) {
            u->code = from;
            u->code_bytes = segment->p_memsz;
        }
        first = from < first ? from : first;
        end = from + segment->p_memsz > end ? from + segment->p_memsz : end;
    }
    if (!u->code)
        return 0;
    u->image = first;
    u->image_bytes = end - first;
    return 1;
}

CORE struct undo *undo_create(struct mheap *h, bool whole_stacks, uint64_t seed)
{
    struct world *w = h->world;
    struct undo *u = calloc(1, sizeof *u);
    if (!u)
        return NULL;
    u->h = h;
    u->seed = seed;
    u->whole_stacks = whole_stacks;
    dl_iterate_phdr(find_code, u);
    for (int r = 0; r < WORLD_REGIONS; r++) {
        if (!is_state(r))
            continue;
        if (!cover(u, r)) {
            undo_destroy(u);
            return NULL;
        }
        if (u->base_bytes[r])
            memcpy(u->base[r], world_at(w, r), u->base_bytes[r]);
    }
    return u;
}

CORE void undo_destroy(struct undo *u)
{
    if (!u)
        return;
    for (int r = 0; r < WORLD_REGIONS; r++) {
        free(u->base[r]);
        free(u->hot_bits[r]);
    }
    free(u->lines);
    free(u->saved);
    free(u);
}

CORE void undo_ignore(struct undo *u, const void *at, uint64_t bytes)
{
    INVARIANT(u->nignored < IGNORED && u->nlines == 0);
    u->ignored[u->nignored++] = (struct ignored){at, bytes};
}

static bool is_ignored(const struct undo *u, const void *word)
{
    for (uint32_t i = 0; i < u->nignored; i++)
        if ((uint64_t)((const char *)word - u->ignored[i].at) < u->ignored[i].bytes)
            return true;
    gcsim_span *s = span_of(u->h, word);
    return s && s->state == GCSIM_SPAN_MANUAL && s->purpose == GCSIM_MANUAL_WORKBUF;
}

CORE uint64_t undo_bytes(const struct undo *u)
{
    uint64_t bytes = u->room_lines * sizeof *u->lines + u->room_saved * sizeof *u->saved;
    for (int r = 0; r < WORLD_REGIONS; r++)
        bytes += u->base_bytes[r] + u->base_bytes[r] / LINE;
    return bytes;
}

// --- hashes ------------------------------------------------------------------------------------------------------

static bool is_code(const struct undo *u, uint64_t word) { return word - u->code < u->code_bytes; }

// An address as its distance from where the world or the library begins, so that hashes are the same in another process. Of the library not
// only return addresses are found: a mutator's record names its table of functions, until it ends.
CORE_INLINE uint64_t anywhere(const struct undo *u, uint64_t word)
{
    uint64_t in_world = word - (uint64_t)(uintptr_t)u->h->world->base;
    if (in_world < u->h->world->bytes)
        return in_world | 1ull << 62;
    uint64_t in_image = word - u->image;
    return in_image < u->image_bytes ? in_image | 1ull << 61 : word;
}

CORE_INLINE uint64_t mix(uint64_t a, uint64_t b)
{
    __uint128_t p = (__uint128_t)a * b;
    return (uint64_t)p ^ (uint64_t)(p >> 64);
}

// Of what the shadow says. Where a line lies is a part of it.
static uint64_t line_hash(const struct undo *u, const struct line *line)
{
    uint64_t place = (uint64_t)((const char *)line->at - u->h->world->base);
    uint64_t w[WORDS], hash = place * 0x9e3779b97f4a7c15ull + u->seed;
    const uint64_t *base = (const uint64_t *)(void *)(u->base[line->region] + line->offset);
    // What never changes is 0 everywhere.
    for (int i = 0; i < WORDS; i++)
        w[i] = line->ignored >> i & 1 || (line->frames && !is_code(u, line->words[i]))
                   ? 0
                   : anywhere(u, line->words[i]) - anywhere(u, base[i]);
    for (int i = 0; i < WORDS; i += 2)
        hash = mix(w[i] ^ 0xa0761d6478bd642full ^ hash, w[i + 1] ^ 0xe7037ed1a0b428dbull);
    return hash;
}

CORE uint64_t undo_hash(const struct undo *u) { return u->hash; }

// --- one step ----------------------------------------------------------------------------------------------------

// Below a stack pointer nothing is alive. Hot lines are cleared here, so that what a call left behind makes no difference.
static void clear_dead_stacks(struct undo *u)
{
    struct rt *rt = &u->h->rt;
    for (uint32_t i = 0; i < rt->used; i++) {
        char *stack = coroutine_stack(rt, i);
        struct coroutine *co = coroutine_at(rt, i);
        char *sp = co->status == COROUTINE_FREE ? (char *)co : co->sp;
        uint64_t from = (uint64_t)(stack - world_at(u->h->world, REGION_COROUTINES));
        uint64_t low = (uint64_t)(sp - stack);
        const uint8_t *hot = u->hot_bits[REGION_COROUTINES] + from / LINE;
        uint64_t first = low / LINE;
        while (first > 0 && hot[first - 1])
            first--;
        memset(stack + first * LINE, 0, low - first * LINE);
    }
}

CORE_INLINE bool differs(const uint64_t *a, const uint64_t *b)
{
    uint64_t d = 0;
    for (int i = 0; i < WORDS; i++)
        d |= a[i] ^ b[i];
    return d != 0;
}

CORE uint64_t undo_note(struct undo *u)
{
    uint64_t mark = u->nsaved;
    clear_dead_stacks(u);
    for (uint64_t i = 0; i < u->nlines; i++) {
        struct line *line = &u->lines[i];
        if (LIKELY(!differs(line->at, line->words)))
            continue;
        if (!room_for((void **)&u->saved, &u->room_saved, u->nsaved + 1, sizeof *u->saved))
            return UINT64_MAX;
        struct saved *saved = &u->saved[u->nsaved++];
        saved->line = (uint32_t)i;
        saved->hash = line->hash;
        memcpy(saved->words, line->words, LINE);
        memcpy(line->words, line->at, LINE);
        line->hash = line_hash(u, line);
        u->hash += line->hash - saved->hash;
    }
    return mark;
}

CORE void undo_back(struct undo *u, uint64_t mark)
{
    while (u->nsaved > mark) {
        const struct saved *saved = &u->saved[--u->nsaved];
        struct line *line = &u->lines[saved->line];
        u->hash += saved->hash - line->hash;
        line->hash = saved->hash;
        memcpy(line->words, saved->words, LINE);
        memcpy(line->at, saved->words, LINE);
    }
}

// --- everything --------------------------------------------------------------------------------------------------

static void heat(struct undo *u, int r, uint64_t offset)
{
    if (!room_for((void **)&u->lines, &u->room_lines, u->nlines + 1, sizeof *u->lines))
        return;
    struct line *line = &u->lines[u->nlines];
    *line = (struct line){.at = (uint64_t *)(void *)(world_at(u->h->world, r) + offset),
                          .region = r,
                          .offset = offset};
    for (int i = 0; i < WORDS; i++)
        line->ignored |= (uint64_t)is_ignored(u, line->at + i) << i;
    uint64_t top = RT_STACK_BYTES - offset % RT_STACK_BYTES;
    line->frames = r == REGION_COROUTINES && top > RECORD_BYTES && !u->whole_stacks;
    u->hot_bits[r][offset / LINE] = 1;
    u->nlines++;
}

CORE uint64_t undo_lines(const struct undo *u) { return u->nlines; }

CORE struct undo_place undo_place(const struct undo *u, uint64_t i)
{
    return (struct undo_place){(uint64_t)u->lines[i].region, u->lines[i].offset};
}

CORE bool undo_heat(struct undo *u, struct undo_place at)
{
    struct world *w = u->h->world;
    if (at.region >= WORLD_REGIONS || !is_state((int)at.region) || at.offset % LINE)
        return false;
    if (at.offset >= w->regions[at.region].reserved ||
        !world_commit(w, (int)at.region, at.offset + LINE) || !cover(u, (int)at.region))
        return false;
    const uint8_t *hot = &u->hot_bits[at.region][at.offset / LINE];
    if (!*hot)
        heat(u, (int)at.region, at.offset);
    return *hot;
}

static void audit_block(struct undo *u, int r, uint64_t from)
{
    const char *now = world_at(u->h->world, r), *base = u->base[r];
    if (memcmp(now + from, base + from, BLOCK) == 0)
        return;
    for (uint64_t at = from; at < from + BLOCK; at += LINE)
        if (!u->hot_bits[r][at / LINE] && memcmp(now + at, base + at, LINE) != 0)
            heat(u, r, at);
}

CORE uint64_t undo_audit(struct undo *u)
{
    uint64_t had = u->nlines;
    for (int r = 0; r < WORLD_REGIONS; r++) {
        if (!is_state(r) || !cover(u, r))
            continue;
        for (uint64_t at = 0; at < u->base_bytes[r]; at += BLOCK)
            if (r != REGION_ARENA || u->h->page_span[at >> PAGE_SHIFT])
                audit_block(u, r, at);
    }
    return u->nlines - had;
}

CORE void undo_reset(struct undo *u)
{
    u->nsaved = 0;
    u->hash = 0;
    for (uint64_t i = 0; i < u->nlines; i++) {
        struct line *line = &u->lines[i];
        memcpy(line->words, u->base[line->region] + line->offset, LINE);
        memcpy(line->at, line->words, LINE);
        line->hash = line_hash(u, line);
    }
}
