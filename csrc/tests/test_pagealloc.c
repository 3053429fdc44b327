// The page allocator in lockstep with a model that keeps one byte per page and searches page by
// page. Golden-free.
//
// test_pagealloc [operations] [seed]. Memory is reserved without access and opened by the commit
// call alone, so a touch of anything that was not committed ends the test.
#include "base/os.c"

#include "alloc/pagealloc.c"
#include "alloc/pagealloc_replay.c"

#include <inttypes.h>
#include <unistd.h>

static int failures;

static void check(bool ok, const char *what)
{
    printf("%s  %s\n", ok ? "ok  " : "FAIL", what);
    failures += !ok;
}

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static uint64_t below(uint64_t *state, uint64_t n) { return next_random(state) % n; }

// --- Memory: reserved closed, opened by commit, which can be told to fail ---

struct memory {
    char *part[PAGEALLOC_PARTS];
    size_t bytes[PAGEALLOC_PARTS];
    uint64_t calls, fail_at; // the call with this number fails
};

static size_t round_to_os_page(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (bytes + page - 1) / page * page;
}

static bool memory_commit(void *ctx, enum pagealloc_part part, size_t from_bytes, size_t to_bytes)
{
    struct memory *m = ctx;
    if (++m->calls == m->fail_at)
        return false;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), from = from_bytes / page * page;
    INVARIANT(from_bytes < to_bytes && to_bytes <= m->bytes[part]);
    return mprotect(m->part[part] + from, round_to_os_page(to_bytes) - from,
                    PROT_READ | PROT_WRITE) == 0;
}

static void memory_reserve(struct memory *m, uint64_t capacity_chunks, unsigned levels)
{
    *m = (struct memory){0};
    for (int part = 0; part < PAGEALLOC_PARTS; part++) {
        m->bytes[part] = pagealloc_part_bytes(capacity_chunks, levels, (enum pagealloc_part)part);
        if (m->bytes[part] == 0)
            continue;
        void *at = mmap(NULL, round_to_os_page(m->bytes[part]), PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        INVARIANT(at != MAP_FAILED);
        m->part[part] = at;
    }
}

static void memory_release(struct memory *m)
{
    for (int part = 0; part < PAGEALLOC_PARTS; part++)
        if (m->bytes[part])
            munmap(m->part[part], round_to_os_page(m->bytes[part]));
}

// --- The model: one byte per page ---

enum { MISSING, USED, FREE, FREE_SCAVENGED };

struct model {
    uint8_t *page;
    uint64_t npages;
};

static bool model_free(const struct model *m, uint64_t page) { return m->page[page] >= FREE; }

static uint64_t model_first_fit(const struct model *m, uint64_t npages)
{
    uint64_t run = 0;
    for (uint64_t i = 0; i < m->npages; i++) {
        run = model_free(m, i) ? run + 1 : 0;
        if (run == npages)
            return i + 1 - npages;
    }
    return PAGEALLOC_NONE;
}

static uint64_t model_take(struct model *m, uint64_t page, uint64_t npages)
{
    uint64_t scavenged = 0;
    for (uint64_t i = page; i < page + npages; i++) {
        scavenged += m->page[i] == FREE_SCAVENGED;
        m->page[i] = USED;
    }
    return scavenged;
}

static bool model_matches(const struct model *m, const struct pagealloc *p, uint64_t base_page)
{
    uint64_t free = 0, scavenged = 0;
    for (uint64_t i = 0; i < m->npages; i++) {
        uint64_t page = base_page + i;
        if (i % CHUNK_PAGES == 0 && pagealloc_is_grown(p, page) != (m->page[i] != MISSING))
            return false;
        if (m->page[i] == MISSING)
            continue;
        const struct pagealloc_chunk *chunk = &p->chunks[i / CHUNK_PAGES];
        if (bits_test(chunk->allocated, i % CHUNK_PAGES) == model_free(m, i) ||
            bits_test(chunk->scavenged, i % CHUNK_PAGES) != (m->page[i] == FREE_SCAVENGED))
            return false;
        free += model_free(m, i);
        scavenged += m->page[i] == FREE_SCAVENGED;
    }
    return free == pagealloc_free_pages(p) && scavenged == pagealloc_scavenged_pages(p);
}

// --- Random operations on both ---

enum { MAX_LIVE = 4096, CACHES = 3 };

struct run {
    uint64_t page, npages;
};

struct lockstep {
    struct memory memory;
    struct pagealloc p;
    struct model model;
    uint64_t base_page, random;
    struct run live[MAX_LIVE];
    unsigned live_count;
    struct pagecache cache[CACHES];
    unsigned page_limit; // typical request
    unsigned hunger;     // percent of allocations among allocations and frees
    uint64_t refused, grown;
    const char *failed;
};

#define EXPECT(l, cond) ((cond) ? (void)0 : (void)((l)->failed = (l)->failed ? (l)->failed : #cond))

static void remember(struct lockstep *l, uint64_t page, uint64_t npages)
{
    if (l->live_count < MAX_LIVE)
        l->live[l->live_count++] = (struct run){page, npages};
}

static bool same_state(const struct pagealloc *a, const struct pagealloc *b, uint64_t hashes[3])
{
    return memcmp(a, b, sizeof *a) == 0 && hashes[0] == pagealloc_hash_alloc(a) &&
           hashes[1] == pagealloc_hash_scav(a) && hashes[2] == pagealloc_hash_summaries(a);
}

// Every commit that a growth needs fails once before it succeeds; each time nothing may have
// changed.
static void step_grow(struct lockstep *l)
{
    uint64_t chunks = l->model.npages / CHUNK_PAGES, from = below(&l->random, chunks);
    uint64_t n = 1 + below(&l->random, 4);
    for (uint64_t c = from; c < from + n; c++)
        if (c >= chunks || l->model.page[c * CHUNK_PAGES] != MISSING)
            return;
    struct pagealloc before = l->p;
    uint64_t hashes[] = {pagealloc_hash_alloc(&l->p), pagealloc_hash_scav(&l->p),
                         pagealloc_hash_summaries(&l->p)};
    struct pagealloc_commit commit = {memory_commit, &l->memory};
    // Any part of a chunk stands for all of it.
    uint64_t page = l->base_page + from * CHUNK_PAGES + below(&l->random, CHUNK_PAGES);
    uint64_t npages = (n - 1) * CHUNK_PAGES + 1;
    n = (page % CHUNK_PAGES + npages - 1) / CHUNK_PAGES + 1;
    for (uint64_t nth = 1; nth < 100; nth++) {
        l->memory.fail_at = l->memory.calls + nth;
        bool grown = pagealloc_grow(&l->p, page, npages, &commit);
        bool failed = l->memory.calls >= l->memory.fail_at;
        EXPECT(l, grown != failed);
        if (grown)
            break;
        l->refused++;
        EXPECT(l, same_state(&l->p, &before, hashes));
    }
    l->grown += n;
    memset(&l->model.page[from * CHUNK_PAGES], FREE_SCAVENGED, n * CHUNK_PAGES);
}

static void step_alloc(struct lockstep *l)
{
    uint64_t npages = 1 + below(&l->random, l->page_limit), scavenged = 77;
    if (below(&l->random, 50) == 0)
        npages = 1 + below(&l->random, 3 * CHUNK_PAGES);
    uint64_t expected = model_first_fit(&l->model, npages);
    uint64_t page = pagealloc_alloc(&l->p, npages, &scavenged);
    if (expected == PAGEALLOC_NONE) {
        EXPECT(l, page == PAGEALLOC_NONE);
        return;
    }
    EXPECT(l, page == l->base_page + expected);
    EXPECT(l, scavenged == model_take(&l->model, expected, npages));
    EXPECT(l, npages > 1 || pagealloc_search_page(&l->p) == page); // as tight as it can be
    remember(l, expected, npages);
}

// All of a live run, or some of it from either end.
static void step_free(struct lockstep *l)
{
    if (l->live_count == 0)
        return;
    struct run *r = &l->live[below(&l->random, l->live_count)];
    uint64_t npages = below(&l->random, 3) ? r->npages : 1 + below(&l->random, r->npages);
    bool low = below(&l->random, 2);
    uint64_t page = low ? r->page : r->page + r->npages - npages;
    pagealloc_free(&l->p, l->base_page + page, npages);
    memset(&l->model.page[page], FREE, npages);
    r->page += low ? npages : 0;
    r->npages -= npages;
    if (r->npages == 0)
        *r = l->live[--l->live_count];
}

static void step_flush(struct lockstep *l, unsigned which)
{
    struct pagecache *c = &l->cache[which], held = *c;
    pagecache_flush(c, &l->p);
    EXPECT(l, c->cache == 0);
    for (unsigned i = 0; i < 64 && held.cache; i++)
        if (held.cache >> i & 1)
            l->model.page[held.base - l->base_page + i] =
                held.scav >> i & 1 ? FREE_SCAVENGED : FREE;
}

static void step_to_cache(struct lockstep *l, unsigned which)
{
    struct pagecache *c = &l->cache[which];
    step_flush(l, which);
    *c = pagealloc_to_cache(&l->p);
    uint64_t first = model_first_fit(&l->model, 1);
    EXPECT(l, (first == PAGEALLOC_NONE) == (c->cache == 0));
    if (c->cache == 0)
        return;
    first -= first % 64;
    EXPECT(l, c->base == l->base_page + first);
    EXPECT(l, pagealloc_search_page(&l->p) == c->base + 63);
    for (unsigned i = 0; i < 64; i++) {
        uint8_t *at = &l->model.page[first + i];
        EXPECT(l, (c->cache >> i & 1) == model_free(&l->model, first + i));
        EXPECT(l, (c->scav >> i & 1) == (*at == FREE_SCAVENGED));
        *at = USED;
    }
}

static void step_cache_alloc(struct lockstep *l)
{
    struct pagecache *c = &l->cache[below(&l->random, CACHES)], before = *c;
    uint64_t npages = 1 + (below(&l->random, 8) ? below(&l->random, 8) : below(&l->random, 80)),
             scavenged = 0;
    uint64_t page = pagecache_alloc(c, npages, &scavenged);
    unsigned at = 0, run = 0;
    for (; at < 64 && run < npages; at++)
        run = before.cache >> at & 1 ? run + 1 : 0;
    if (run < npages) {
        EXPECT(l, page == PAGEALLOC_NONE && memcmp(c, &before, sizeof *c) == 0);
        return;
    }
    at -= (unsigned)npages;
    EXPECT(l, page == before.base + at);
    uint64_t taken = before.cache & ~c->cache;
    EXPECT(l, bits_count(taken) == npages && (unsigned)__builtin_ctzll(taken) == at);
    EXPECT(l, scavenged == bits_count(before.scav & taken) && c->scav == (before.scav & ~taken));
    remember(l, page - l->base_page, npages);
}

// A run of free pages, for the operations that are told where.
static bool random_free_run(struct lockstep *l, uint64_t *page, uint64_t *npages)
{
    uint64_t at = below(&l->random, l->model.npages), most = 1 + below(&l->random, 600), n = 0;
    while (at + n < l->model.npages && n < most && model_free(&l->model, at + n))
        n++;
    *page = at;
    *npages = n;
    return n > 0;
}

static void step_scavenge(struct lockstep *l, bool scavenge)
{
    uint64_t page, npages, changed = 0;
    if (!random_free_run(l, &page, &npages))
        return;
    uint8_t to = scavenge ? FREE_SCAVENGED : FREE;
    for (uint64_t i = page; i < page + npages; i++) {
        changed += l->model.page[i] != to;
        l->model.page[i] = to;
    }
    uint64_t got = scavenge ? pagealloc_scavenge_range(&l->p, l->base_page + page, npages)
                            : pagealloc_unscavenge_range(&l->p, l->base_page + page, npages);
    EXPECT(l, got == changed);
}

static void step_alloc_range(struct lockstep *l)
{
    uint64_t page, npages;
    if (!random_free_run(l, &page, &npages))
        return;
    EXPECT(l, pagealloc_alloc_range(&l->p, l->base_page + page, npages) ==
                  model_take(&l->model, page, npages));
    remember(l, page, npages);
}

static void step(struct lockstep *l)
{
    uint64_t dice = below(&l->random, 1000);
    if (dice < 2) { // phases: small or large requests, filling up or emptying
        l->page_limit = 1u << below(&l->random, 10);
        l->hunger = 20 + (unsigned)below(&l->random, 61);
    } else if (dice < 8)
        step_grow(l);
    else if (dice < 800)
        below(&l->random, 100) < l->hunger ? step_alloc(l) : step_free(l);
    else if (dice < 820)
        step_to_cache(l, (unsigned)below(&l->random, CACHES));
    else if (dice < 825)
        step_flush(l, (unsigned)below(&l->random, CACHES));
    else if (dice < 930)
        step_cache_alloc(l);
    else if (dice < 960)
        step_scavenge(l, true);
    else if (dice < 985)
        step_scavenge(l, false);
    else
        step_alloc_range(l);
}

static bool lockstep_run(uint64_t base_chunk, uint64_t chunks, unsigned levels, uint64_t operations,
                         uint64_t seed)
{
    struct lockstep *l = calloc(1, sizeof *l);
    uint8_t *pages = calloc(chunks, CHUNK_PAGES);
    INVARIANT(l && pages);
    memory_reserve(&l->memory, chunks, levels);
    pagealloc_init(&l->p, base_chunk, chunks, levels, (void *const *)l->memory.part);
    l->model = (struct model){pages, chunks * CHUNK_PAGES};
    l->base_page = base_chunk * CHUNK_PAGES;
    l->random = seed;
    l->page_limit = 16;
    l->hunger = 55;
    char why[200] = "";
    for (uint64_t i = 0; i < operations && !l->failed; i++) {
        step(l);
        if (i < 200 || i % 997 == 0 || i + 1 == operations) {
            EXPECT(l, pagealloc_check(&l->p, why, sizeof why));
            EXPECT(l, model_matches(&l->model, &l->p, l->base_page));
        }
        if (l->failed)
            printf("      operation %" PRIu64 ": %s %s\n", i, l->failed, why);
    }
    // Give everything back: the allocator must end as one free region per range.
    for (unsigned i = 0; i < CACHES; i++)
        step_flush(l, i);
    while (l->live_count > 0 && !l->failed)
        step_free(l);
    EXPECT(l, pagealloc_check(&l->p, why, sizeof why) &&
                  model_matches(&l->model, &l->p, l->base_page));
    EXPECT(l, l->grown > 0 && l->refused >= l->p.levels + 2);
    bool ok = !l->failed;
    if (!ok)
        printf("      %s %s\n", l->failed, why);
    memory_release(&l->memory);
    free(pages);
    free(l);
    return ok;
}

// --- Bits against page-by-page searches ---

static void random_words(uint64_t words[CHUNK_WORDS], uint64_t *random)
{
    uint64_t kind = below(random, 4);
    memset(words, below(random, 2) ? 0xff : 0, CHUNK_WORDS * 8);
    for (unsigned i = 0; i < CHUNK_WORDS && kind == 0; i++)
        words[i] = next_random(random);
    for (unsigned i = 0; i < CHUNK_WORDS && kind == 1; i++)
        words[i] = next_random(random) & next_random(random) & next_random(random);
    for (uint64_t n = below(random, 40); n > 0 && kind >= 2; n--) {
        uint64_t at = below(random, CHUNK_PAGES), length = below(random, kind == 2 ? 200 : 8);
        if (below(random, 2)) // word edges are where searches go wrong
            at = round_down(at, 64);
        if (below(random, 2))
            length = round_up(length, 64);
        length = length < CHUNK_PAGES - at ? length : CHUNK_PAGES - at;
        bits_fill(words, at, length, below(random, 2));
    }
}

static bool chunk_functions_hold(uint64_t operations, uint64_t seed)
{
    uint64_t words[CHUNK_WORDS];
    for (uint64_t i = 0; i < operations; i++) {
        random_words(words, &seed);
        struct run_walk w = {0};
        for (unsigned page = 0; page < CHUNK_PAGES; page++) {
            if (bits_test(words, page))
                run_walk_allocated(&w);
            else
                run_walk_free(&w, 1);
        }
        uint64_t start = w.broken ? w.start : w.run;
        if (chunk_summary(words) != (start | w.most << 21 | w.run << 42))
            return false;

        // What the caller knows about a search: nothing is free below `from`.
        unsigned from = (unsigned)below(&seed, CHUNK_PAGES), first = CHUNK_PAGES, fit = CHUNK_PAGES,
                 run = 0;
        unsigned npages = 1 + (unsigned)below(&seed, below(&seed, 2) ? CHUNK_PAGES : 70);
        bits_fill(words, 0, from, true);
        for (unsigned page = 0; page < CHUNK_PAGES; page++) {
            run = bits_test(words, page) ? 0 : run + 1;
            if (run == 1 && first == CHUNK_PAGES)
                first = page;
            if (run == npages && fit == CHUNK_PAGES)
                fit = page + 1 - npages;
        }
        uint32_t first_free, at = chunk_find(words, npages, from, &first_free);
        if (at != (fit == CHUNK_PAGES ? CHUNK_PAGE_NONE : fit) ||
            (fit != CHUNK_PAGES && first_free != first))
            return false;
    }
    return true;
}

static bool candidate_is_right(const struct pagealloc_chunk *chunk, unsigned from, unsigned group,
                               unsigned most, unsigned huge)
{
    bool idle[CHUNK_PAGES];
    for (unsigned page = 0; page < CHUNK_PAGES; page += group) {
        bool all = true;
        for (unsigned i = page; i < page + group; i++)
            all &= !bits_test(chunk->allocated, i) && !bits_test(chunk->scavenged, i);
        for (unsigned i = page; i < page + group; i++)
            idle[i] = all;
    }
    unsigned end = (from / 64 + 1) * 64;
    while (end > 0 && !idle[end - 1])
        end--;
    unsigned low = end;
    while (low > 0 && idle[low - 1])
        low--;
    struct chunk_pages got = chunk_scavenge_candidate(chunk, from, group, most, huge);
    if (low == end)
        return got.npages == 0;
    unsigned limit = most == 0 ? group : (most + group - 1) / group * group;
    unsigned start = end - low > limit ? end - limit : low;
    // A huge page that begins in the run and that the cut would split goes whole.
    if (huge > 1)
        for (unsigned page = 0; page + huge <= CHUNK_PAGES; page += huge)
            if (page >= low && page < start && page + huge > start && page + huge <= end)
                start = page;
    return got.page == start && got.npages == end - start;
}

static bool scavenge_candidates_hold(uint64_t operations, uint64_t seed)
{
    for (uint64_t i = 0; i < operations; i++) {
        struct pagealloc_chunk chunk;
        random_words(chunk.allocated, &seed);
        random_words(chunk.scavenged, &seed);
        if (below(&seed, 2))
            memset(chunk.scavenged, 0, sizeof chunk.scavenged);
        unsigned group = 1u << below(&seed, below(&seed, 2) ? 1 : 7),
                 huge = below(&seed, 2) ? 256 : 0;
        if (!candidate_is_right(&chunk, (unsigned)below(&seed, CHUNK_PAGES), group,
                                (unsigned)below(&seed, 600), huge))
            return false;
    }
    return true;
}

// --- What pagealloc_check must see ---

static bool check_notices(uint64_t seed)
{
    for (int fault = 0; fault < 9; fault++) {
        struct pagealloc_replay *r = pagealloc_replay_new(0, 64, 3);
        INVARIANT(r && pagealloc_replay_grow(r, 3, 20) && pagealloc_replay_grow(r, 40, 2));
        for (int i = 0; i < 300; i++)
            pagealloc_replay_alloc(r, 1 + below(&seed, 20));
        char why[200] = "";
        if (!pagealloc_replay_check(r, why, sizeof why))
            return false;
        struct pagealloc *p = &r->p;
        switch (fault) {
        case 0:
            p->summaries[2][4] ^= 1;
            break;
        case 1:
            p->summaries[1][5] += 1ull << 21;
            break;
        case 2:
            p->summaries[0][0] = 0;
            break;
        case 3:
            p->free_pages++;
            break;
        case 4:
            p->scavenged_pages--;
            break;
        case 5:
            p->search_page = (41 << 9) + 511;
            break;
        case 6:
            p->search_page = 0;
            break; // below everything, but in no chunk
        case 7:
            bits_set(p->chunks[3].scavenged, 0);
            break;
        case 8:
            p->ranges[0].to_chunk = 40;
            break;
        }
        if (pagealloc_replay_check(r, why, sizeof why) || why[0] == 0) {
            printf("      fault %d went unnoticed\n", fault);
            return false;
        }
        pagealloc_replay_delete(r);
    }
    return true;
}

// --- Shapes ---

static bool levels_are_as_few_as_needed(void)
{
    static const struct {
        uint64_t chunks;
        unsigned levels;
    } expected[] = {
        {1, 1},   {8, 1},    {9, 2},    {16, 2},      {64, 2},      {65, 3},
        {512, 3}, {4096, 4}, {4097, 5}, {1 << 18, 5}, {1 << 26, 5},
    };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        if (pagealloc_levels_for(expected[i].chunks) != expected[i].levels)
            return false;
    return pagealloc_part_bytes(1 << 26, 5, PAGEALLOC_PART_LEVEL_0) == 16384 * 8 &&
           pagealloc_part_bytes(1 << 26, 5, PAGEALLOC_PART_LEVEL_0 + 4) == (1ull << 26) * 8 &&
           pagealloc_part_bytes(16, 2, PAGEALLOC_PART_LEVEL_0 + 2) == 0;
}

// One free region larger than any summary field, and an allocation of all of it: 16 GiB and more.
static bool full_summary_is_bit_63(void)
{
    struct pagealloc_replay *r = pagealloc_replay_new(0, 1 << 14, 5);
    bool ok = r && pagealloc_replay_grow(r, 0, 3 * 4096) && r->p.summaries[0][0] == 1ull << 63;
    ok = ok && pagealloc_replay_alloc(r, 1) == 0 && r->p.summaries[0][0] != 1ull << 63;
    ok = ok && pagealloc_replay_alloc(r, 2 * (1 << 21)) == 1;
    ok = ok && pagealloc_replay_alloc(r, (1 << 21) - 1) == 2 * (1 << 21) + 1;
    ok = ok && pagealloc_replay_state(r, PAGEALLOC_REPLAY_FREE_PAGES) == 0;
    ok = ok && pagealloc_replay_alloc(r, 1) == -1 && r->p.search_page == PAGEALLOC_NONE;
    if (ok)
        pagealloc_replay_free(r, 0, 3 * (1 << 21));
    ok = ok && r->p.summaries[0][2] == 1ull << 63 && pagealloc_replay_check(r, NULL, 0);
    pagealloc_replay_delete(r);
    return ok;
}

// Free pages but no two in a row: a failed request says nothing about smaller ones.
static bool single_pages_are_found_after_a_failure(void)
{
    struct pagealloc_replay *r = pagealloc_replay_new(0, 16, 2);
    bool ok = r && pagealloc_replay_grow(r, 0, 16);
    for (uint64_t page = 0; ok && page < 16 * 512; page++)
        ok = pagealloc_replay_alloc(r, 1) == (int64_t)page;
    for (uint64_t page = 1001; ok && page < 16 * 512; page += 2)
        pagealloc_replay_free(r, page, 1);
    for (uint64_t page = 1001; ok && page < 16 * 512; page += 2)
        ok = pagealloc_replay_alloc(r, 2) == -1 && pagealloc_replay_alloc(r, 1) == (int64_t)page;
    ok = ok && pagealloc_replay_alloc(r, 1) == -1 && r->p.search_page == PAGEALLOC_NONE;
    pagealloc_replay_delete(r);
    return ok;
}

// The lowest free page lies in an entry that begins before the chunks that were grown.
static bool search_never_enters_a_gap(void)
{
    struct pagealloc_replay *r = pagealloc_replay_new(0, 64, 2);
    bool ok = r && pagealloc_replay_grow(r, 3, 1) && pagealloc_replay_grow(r, 12, 8) &&
              pagealloc_replay_alloc(r, 512) == 3 * 512 &&
              pagealloc_replay_alloc(r, 6 * 512) == 12 * 512 && r->p.search_page == 12 * 512 &&
              pagealloc_replay_check(r, NULL, 0);
    pagealloc_replay_delete(r);
    return ok;
}

static bool growth_outside_is_refused(void)
{
    struct pagealloc_replay *r = pagealloc_replay_new(64, 60, 3);
    bool ok = r && !pagealloc_replay_grow(r, 63, 1) && !pagealloc_replay_grow(r, 124, 1) &&
              !pagealloc_replay_grow(r, 120, 5) && !pagealloc_replay_grow(r, 64, 0) &&
              !pagealloc_replay_grow(r, 64, UINT64_MAX >> 9) && pagealloc_replay_grow(r, 120, 4) &&
              pagealloc_replay_alloc(r, 1) == 120 * 512 && pagealloc_replay_check(r, NULL, 0);
    pagealloc_replay_delete(r);
    return ok;
}

int main(int argc, char **argv)
{
    bool soak = getenv("GCSIM_SOAK") != NULL;
    uint64_t usual = soak ? 10000000 : GCSIM_DEBUG ? 20000 : 1000000;
    uint64_t operations = argc > 1 ? strtoull(argv[1], NULL, 0) : usual;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    printf("operations %" PRIu64 ", seed %" PRIu64 "\n", operations, seed);
    check(chunk_functions_hold(operations, seed),
          "chunk summaries and searches against page-by-page ones");
    check(scavenge_candidates_hold(operations, seed),
          "scavenge candidates against page-by-page ones");
    check(levels_are_as_few_as_needed(), "levels and part sizes");
    check(full_summary_is_bit_63(), "a summary of 16 GiB of free pages");
    check(single_pages_are_found_after_a_failure(),
          "single pages are found after a failed request");
    check(search_never_enters_a_gap(), "the search page never enters a gap");
    check(growth_outside_is_refused(), "growth outside the capacity is refused");
    check(check_notices(seed), "pagealloc_check notices every planted fault");
    check(lockstep_run(0, 16, 0, operations / 2, seed), "lockstep: 64 MiB heap, fewest levels");
    check(lockstep_run(0, 5, 1, operations / 8, seed + 1), "lockstep: one level");
    check(lockstep_run(4096 * 5, 30, 5, operations / 8, seed + 2),
          "lockstep: five levels, high base");
    check(lockstep_run(512, 100, 4, operations / 8, seed + 3), "lockstep: four levels, sparse");
    check(lockstep_run(64, 24, 3, operations / 8, seed + 4), "lockstep: three levels");
    return failures > 0;
}
