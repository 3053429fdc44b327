// instantiations: fast step
//
// The scavenger: the index and the choice of pages in lockstep with a model that keeps one byte per page, goals and pace as numbers, and
// a heap whose memory really goes back.
#include "harness.h"

#include <math.h>
#include <unistd.h>

static bool soak(void) { return getenv("GCSIM_SOAK") && strcmp(getenv("GCSIM_SOAK"), "1") == 0; }

// The sanitizers keep shadows of all memory, which stay resident, and take their time.
#if defined(CORE_ASAN) || defined(CORE_TSAN)
enum { HEAVY = 1, LARGE_MIB = 32 };
#else
enum { HEAVY = 0, LARGE_MIB = 128 };
#endif

static uint64_t rss_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    unsigned long long size, resident;
    INVARIANT(f && fscanf(f, "%llu %llu", &size, &resident) == 2);
    fclose(f);
    return resident * os_page_bytes();
}

// --- lockstep ----------------------------------------------------------------------------------------------------

// A heap whose pages this test alone hands out, and what it knows of them. Each step of the model looks at every page.
enum { CHUNKS = 6, PAGES = CHUNKS * CHUNK_PAGES, RUNS = 4000 };
enum { MISSING, USED, FREE, RELEASED };

struct lockstep {
    mut *m;
    struct mheap *h;
    uint8_t page[PAGES];
    gcsim_span *span[RUNS];
    uint32_t spans;
    // What a generation makes of the chunks.
    uint32_t before[CHUNKS]; // pages used when the generation began
    bool changed[CHUNKS];    // allocated or freed in since
    bool known_empty[CHUNKS];
    uint64_t background, forced, freed_high; // + 1
    uint64_t random, released[2], passed_by;
};

static uint32_t used_pages(const struct lockstep *l, uint64_t chunk)
{
    uint32_t n = 0;
    for (uint64_t i = chunk * CHUNK_PAGES; i < (chunk + 1) * CHUNK_PAGES; i++)
        n += l->page[i] == USED;
    return n;
}

static void model_change(struct lockstep *l, uint64_t page, uint64_t npages, uint8_t to)
{
    for (uint64_t i = page; i < page + npages; i++) {
        uint64_t chunk = i / CHUNK_PAGES;
        if (!l->changed[chunk])
            l->before[chunk] = used_pages(l, chunk);
        l->changed[chunk] = true;
        l->page[i] = to;
        if (to == FREE) {
            l->known_empty[chunk] = false;
            l->forced = l->forced > i + 1 ? l->forced : i + 1;
            l->freed_high = l->freed_high > i + 1 ? l->freed_high : i + 1;
        } else if (used_pages(l, chunk) == CHUNK_PAGES) {
            l->known_empty[chunk] = true;
        }
    }
}

// The run that goes next from one chunk: the highest free one at or below the word of `from`.
static bool model_candidate(const struct lockstep *l, uint64_t chunk, uint64_t from, uint64_t most,
                            uint64_t *low, uint64_t *high)
{
    uint64_t first = chunk * CHUNK_PAGES, huge = l->h->scavenger.huge_pages, floor;
    for (*high = from / 64 * 64 + 64; *high > first && l->page[*high - 1] != FREE;)
        --*high;
    if (*high == first)
        return false;
    for (floor = *high; floor > first && l->page[floor - 1] == FREE;)
        floor--;
    *low = *high - floor > most ? *high - most : floor;
    for (uint64_t at = first; huge && at < first + CHUNK_PAGES; at += huge)
        if (at >= floor && at < *low && at + huge > *low && at + huge <= *high)
            *low = at;
    return true;
}

static bool model_is_due(const struct lockstep *l, uint64_t chunk, bool force)
{
    if (l->known_empty[chunk] || l->page[chunk * CHUNK_PAGES] == MISSING)
        return false;
    return force || (used_pages(l, chunk) < 496 && (!l->changed[chunk] || l->before[chunk] < 496));
}

// Pages that go next; 0: none do.
static uint64_t model_release(struct lockstep *l, bool force, uint64_t most)
{
    uint64_t *cursor = force ? &l->forced : &l->background, low, high;
    for (; *cursor; *cursor = (*cursor - 1) / CHUNK_PAGES * CHUNK_PAGES) {
        uint64_t chunk = (*cursor - 1) / CHUNK_PAGES;
        if (!model_is_due(l, chunk, force))
            continue;
        if (model_candidate(l, chunk, *cursor - 1, most, &low, &high)) {
            memset(&l->page[low], RELEASED, high - low);
            return high - low;
        }
        // Nothing up to the cursor; what is above it stays for another time.
        l->known_empty[chunk] =
            !model_candidate(l, chunk, chunk * CHUNK_PAGES + CHUNK_PAGES - 1, 1, &low, &high);
        l->passed_by += !l->known_empty[chunk];
    }
    return 0;
}

static void step_allocate(struct lockstep *l, uint64_t npages)
{
    gcsim_status status;
    uint64_t grown = l->h->grown_pages;
    gcsim_span *s =
        l->spans < RUNS ? mheap_alloc_manual(l->h, npages, GCSIM_MANUAL_BATCH, &status) : NULL;
    if (!s)
        return;
    memset(&l->page[grown], RELEASED, l->h->grown_pages - grown);
    uint64_t page = span_page(l->h, s), had_memory = 0;
    for (uint64_t i = page; i < page + npages; i++) {
        EXPECT(l->page[i] == FREE || l->page[i] == RELEASED);
        // Released pages read as zero, and are counted as used again.
        if (l->page[i] == RELEASED)
            for (uint64_t w = 0; w < PAGE_BYTES / 8; w += 64)
                EXPECT(((uint64_t *)(void *)(l->h->arena + i * PAGE_BYTES))[w] == 0);
        had_memory += l->page[i] == FREE;
    }
    EXPECT(s->needzero == (had_memory != 0));
    model_change(l, page, npages, USED);
    memset(s->base, 0xa5, npages * PAGE_BYTES);
    l->span[l->spans++] = s;
}

static void step_free(struct lockstep *l)
{
    if (!l->spans)
        return;
    uint32_t k = (uint32_t)below(&l->random, l->spans);
    gcsim_span *s = l->span[k];
    l->span[k] = l->span[--l->spans];
    uint64_t page = span_page(l->h, s), npages = s->npages;
    mheap_free(l->h, s);
    model_change(l, page, npages, FREE);
}

static void step_release(struct lockstep *l, bool force)
{
    uint64_t most = below(&l->random, 4) ? 1 + below(&l->random, 600) : 8;
    bool refused = false, refuse = below(&l->random, 16) == 0;
    if (refuse) { // the system takes nothing: nothing changes, but that the pages are on offer again
        uint8_t before[PAGES];
        memcpy(before, l->page, sizeof before);
        uint64_t npages = model_release(l, force, most), last = 0;
        for (uint64_t i = 0; i < PAGES; i++)
            last = before[i] != l->page[i] ? i : last;
        memcpy(l->page, before, sizeof before);
        os_fail_after(1);
        EXPECT(scavenge_one(l->h, most, force, &refused) == 0 && refused == (npages != 0));
        os_fail_after(0);
        if (npages) {
            l->forced = l->forced > last + 1 ? l->forced : last + 1;
            l->freed_high = l->freed_high > last + 1 ? l->freed_high : last + 1;
            l->known_empty[last / CHUNK_PAGES] = false;
        }
        return;
    }
    uint64_t npages = model_release(l, force, most);
    EXPECT(scavenge_one(l->h, most, force, &refused) == npages * PAGE_BYTES && !refused);
    l->released[force] += npages;
}

static bool model_agrees(const struct lockstep *l)
{
    const struct mheap *h = l->h;
    uint64_t count[4] = {0};
    char why[200];
    for (uint64_t i = 0; i < PAGES; i++) {
        count[l->page[i]]++;
        if (i >= h->grown_pages
                ? l->page[i] != MISSING
                : pagealloc_is_free(&h->pages, i) != (l->page[i] != USED) ||
                      pagealloc_is_scavenged(&h->pages, i) != (l->page[i] == RELEASED))
            return EXPECT(!"the page has the state that the model says");
    }
    return EXPECT(h->bytes.free == count[FREE] * PAGE_BYTES) &&
           EXPECT(h->bytes.released == count[RELEASED] * PAGE_BYTES) &&
           EXPECT(h->bytes.batches == count[USED] * PAGE_BYTES) &&
           EXPECT(h->pages.scav.background == l->background) &&
           EXPECT(h->pages.scav.forced == l->forced) && EXPECT(h->scavenger.in_transit == 0) &&
           EXPECT(scav_index_check(&h->pages, 1, why, sizeof why)) &&
           EXPECT(pagealloc_check(&h->pages, why, sizeof why));
}

static void lockstep(uint64_t seed, uint64_t steps)
{
    gcsim_options options = small_heap;
    struct lockstep *l = calloc(1, sizeof *l);
    l->m = open_heap(options);
    l->h = H(l->m->heap);
    l->random = seed;
    INVARIANT(l->h->grown_pages == 0 && l->h->scavenger.min_pages == 1);
    l->h->arena_pages = PAGES;
    uint64_t hunger = 60, size = 40;
    for (uint64_t i = 0; i < steps && failures == 0; i++) {
        uint64_t dice = below(&l->random, 1000);
        if (dice < 8) {
            hunger = 10 + below(&l->random, 85);
            size = 1u << below(&l->random, 9);
        } else if (dice < 25) {
            scavenge_next_generation(l->h);
            l->background = l->background > l->freed_high ? l->background : l->freed_high;
            l->freed_high = 0;
            memset(l->changed, 0, sizeof l->changed);
        } else if (dice < 700) {
            below(&l->random, 100) < hunger ? step_allocate(l, 1 + below(&l->random, size))
                                            : step_free(l);
        } else {
            step_release(l, dice >= 900);
        }
        if (i % 8 == 0)
            model_agrees(l);
    }
    // Whatever is left goes when forced.
    uint64_t all = scavenge_forced(l->h, UINT64_MAX, &(bool){false});
    uint64_t expected = l->h->bytes.free + all;
    check(l->h->bytes.free == 0 && all <= expected && failures == 0,
          "seed %" PRIu64 ": %" PRIu64 " + %" PRIu64 " pages released, forced + in the background, "
          "passed by %" PRIu64 " times; then the rest",
          seed, l->released[1], l->released[0], l->passed_by);
    while (l->spans)
        mheap_free(l->h, l->span[--l->spans]);
    check(verifies(l->m), "the heap verifies");
    close_heap(l->m);
    free(l);
}

// --- the density rule --------------------------------------------------------------------------------------------

static void density(void)
{
    static const struct {
        uint16_t in_use, last_in_use;
        bool has_free, this_generation, due, due_by_force;
    } table[] = {
        {0, 0, true, false, true, true},     {0, 0, false, false, false, false},
        {495, 0, true, true, true, true},    {496, 0, true, true, false, true},
        {495, 495, true, true, true, true},  {10, 496, true, true, false, true},
        {10, 496, true, false, true, true}, // a generation later only what is in use counts
        {496, 10, true, false, false, true}, {512, 512, false, true, false, false},
        {10, 512, true, true, false, true},
    };
    bool right = true;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct scav_chunk c = {table[i].in_use, table[i].last_in_use & 1023, table[i].has_free,
                               table[i].this_generation ? 7 : 6};
        right &= EXPECT(scav_chunk_is_due(c, 7, false) == table[i].due);
        right &= EXPECT(scav_chunk_is_due(c, 7, true) == table[i].due_by_force);
    }
    check(right,
          "dense chunks are left to the program, for a generation longer than they are dense");

    // What is freed is the background's in the next generation, the forced one's at once.
    struct scav_chunk chunks[4] = {{0}};
    struct scav_index x = {.chunks = chunks};
    uint64_t page;
    scav_index_alloc(&x, 2, 100);
    scav_index_free(&x, 2 * 512 + 40, 10);
    check(!scav_index_find(&x, false, &page) && scav_index_find(&x, true, &page) &&
              page == 2 * 512 + 40,
          "freed pages are forced out at once");
    scav_index_next_generation(&x);
    check(scav_index_find(&x, false, &page) && page == 2 * 512 + 40,
          "and wait for a generation in the background");
    scav_index_alloc(&x, 1, 1);
    scav_index_free(&x, 512, 1);
    scav_index_pass(&x, false, 2, true);
    check(scav_index_find(&x, false, &page) && page == 1023, "the search goes down chunk by chunk");
    scav_index_pass(&x, false, 1, true);
    check(!scav_index_find(&x, false, &page) && x.background == 0, "until nothing is left");
}

// --- numbers -----------------------------------------------------------------------------------------------------

static void goals(void)
{
    enum { M = 1 << 20 };
    static const struct {
        struct scavenge_inputs in;
        uint64_t gc_percent, memory_limit;
    } table[] = {
        // no cycle has ended
        {{INT64_MAX, 4 * M, 0, 3 * M, 9 * M, 20 * M, 4096}, UINT64_MAX, UINT64_MAX},
        // the goal stays: 10 MiB in use and a tenth
        {{INT64_MAX, 8 * M, 8 * M, 10 * M, 50 * M, 60 * M, 4096}, 11 * M, UINT64_MAX},
        // it falls to a quarter
        {{INT64_MAX, 2 * M, 8 * M, 40 * M, 50 * M, 60 * M, 4096}, 11 * M, UINT64_MAX},
        // whole pages, upwards: 1000 * 1.1 = 1100
        {{INT64_MAX, 1, 1, 1000, 50 * M, 60 * M, 4096}, 4096, UINT64_MAX},
        {{INT64_MAX, 1, 1, 1000, 50 * M, 60 * M, 65536}, 65536, UINT64_MAX},
        // below it, at it, less than a page above it
        {{INT64_MAX, 8 * M, 8 * M, 10 * M, 11 * M - 1, 60 * M, 4096}, UINT64_MAX, UINT64_MAX},
        {{INT64_MAX, 8 * M, 8 * M, 10 * M, 11 * M, 60 * M, 4096}, UINT64_MAX, UINT64_MAX},
        {{INT64_MAX, 8 * M, 8 * M, 10 * M, 11 * M + 4095, 60 * M, 4096}, UINT64_MAX, UINT64_MAX},
        {{INT64_MAX, 8 * M, 8 * M, 10 * M, 11 * M + 4096, 60 * M, 4096}, 11 * M, UINT64_MAX},
        // a limit: 95 MiB of 100, if more is mapped
        {{100 * M, 4 * M, 0, 3 * M, 9 * M, 95 * M + 1, 4096}, UINT64_MAX, 95 * M},
        {{100 * M, 4 * M, 0, 3 * M, 9 * M, 95 * M, 4096}, UINT64_MAX, UINT64_MAX},
        {{0, 4 * M, 0, 3 * M, 9 * M, 1, 4096}, UINT64_MAX, 0},
        // the collector was switched off: no goal, no matter how far the double goes
        {{INT64_MAX, UINT64_MAX, 4 * M, 10 * M, 50 * M, 60 * M, 4096}, UINT64_MAX, UINT64_MAX},
    };
    bool right = true;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct scavenge_goals got = scavenge_goals(&table[i].in);
        if (got.gc_percent != table[i].gc_percent || got.memory_limit != table[i].memory_limit)
            right = check(false, "row %zu: goals %" PRIu64 " and %" PRIu64, i, got.gc_percent,
                          got.memory_limit);
    }
    check(right, "goals follow from the last cycle and the limit");
}

static void demands(void)
{
    static const struct {
        uint64_t limit, mapped, retained, goal, released, growth;
        bool limited;
        uint64_t bytes;
        bool force;
    } table[] = {
        {INT64_MAX, 100, 50, UINT64_MAX, 8192, 4 << 20, false, 0, false}, // no goal, no limit
        {INT64_MAX, 100, 1000, 2000, 8192, 500, false, 0, false},         // room for the growth
        {INT64_MAX, 100, 1000, 2000, 8192, 1300, false, 300, false},      // as far as over the goal
        {INT64_MAX, 100, 9000, 2000, 8192, 1300, false, 1300, false},     // at most what it grew
        {INT64_MAX, 100, 9000, 2000, 8192, 0, false, 0, false},           // it did not grow
        {1000, 900, 50, UINT64_MAX, 100, 0, false, 0, false},             // just below the limit
        {1000, 900, 50, UINT64_MAX, 101, 0, false, 1, true},
        {1000, 5000, 50, UINT64_MAX, 0, 0, false, 4000, true},
        {1000, 5000, 50, UINT64_MAX, 0, 0, true, 0, false},    // the CPU limiter is on
        {1000, 900, 9000, 2000, 101, 1300, true, 1300, false}, // which growth does not ask
        {1000, 900, 9000, 2000, 101, 1300, false, 1300, true}, // the larger of two serves both
        {1000, 9000, 9000, 2000, 101, 1300, false, 8101, true},
    };
    bool right = true;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct scavenge_inputs in = {.memory_limit = (int64_t)table[i].limit,
                                     .retained = table[i].retained,
                                     .mapped_ready = table[i].mapped};
        struct scavenge_goals goal = {table[i].goal, UINT64_MAX};
        struct scavenge_demand got =
            scavenge_demand(&in, goal, table[i].released, table[i].growth, table[i].limited);
        if (got.bytes != table[i].bytes || got.force != table[i].force)
            right = check(false, "row %zu: %" PRIu64 " bytes, force %d", i, got.bytes, got.force);
    }
    check(right, "an allocation releases what it takes beyond the goal or the limit");
}

// --- pace --------------------------------------------------------------------------------------------------------

// Sleeps as Go 1.26's controller gives them for the same times, printed by Go (mgcscavenge.go:piController with its constants).
static void controller_is_gos(void)
{
    static const struct {
        double worked;
        uint64_t slept;
        uint32_t procs;
        double ratio, integral;
    } table[] = {
        {1e6, 1000000000, 2, 0x1.a4458de392d1ep-09, 0x1.00c51eb851eb8p+00},
        {1e6, 310000000, 2, 0x1.017ebe6e5adcdp+00, 0x1.473d70a3d70a4p+00},
        {2.5e6, 1000000, 2, 0x1.293f32079b5bp+00, 0x1.266f5c28f5c29p+00},
        {1e6, 50000000, 2, 0x1.2673b26abca83p+00, 0x1.26b47ae147ae1p+00},
        {1e6, 99000000, 1, 0x1.26b47ae147ae1p+00, 0x1.26b47ae147ae1p+00},
        {3e6, 200000000, 4, 0x1.273ff21e349a3p+00, 0x1.4943d70a3d70ap+00},
        {1e6, 0, 1, 0x1.e7753f7ced916p-01, 0x1.2e88f5c28f5c2p+00},
        {1.2e6, 700000000, 64, 0x1.2f658d745c1cbp+00, 0x1.eb5a4dd2f1aap+00},
    };
    struct scavenge_sleep s = scavenge_sleep_init();
    bool same = true;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        scavenge_slept(&s, table[i].worked, table[i].slept, table[i].procs);
        same &= EXPECT(s.ratio == table[i].ratio) &&
                EXPECT(s.controller.err_integral == table[i].integral);
    }
    check(same && s.resets == 0, "the controller is Go's in every bit");
}

static void controller_settles(uint32_t procs, double overhead)
{
    struct scavenge_sleep s = scavenge_sleep_init();
    double worked_sum = 0, all_sum = 0;
    for (int i = 0; i < 20000; i++) {
        double worked = SCAVENGE_TURN_NS * overhead;
        uint64_t slept = scavenge_sleep_ns(&s, &worked);
        scavenge_slept(&s, worked, slept, procs);
        if (i >= 2000) {
            worked_sum += worked;
            all_sum += worked + (double)slept;
        }
    }
    double share = worked_sum / (all_sum * procs);
    check(fabs(share - 0.01) < 0.002, "%u processors, %g ms a turn: %.2f %% of them", procs,
          overhead, share * 100);
}

static void controller_never_lost(void)
{
    uint64_t random = 5;
    bool finite = true;
    for (int run = 0; run < 300; run++) {
        struct scavenge_sleep s = scavenge_sleep_init();
        struct pi_controller c = s.controller;
        for (int i = 0; i < 400; i++) {
            uint64_t bits[3] = {next_random(&random), next_random(&random), next_random(&random)};
            double any[3], out;
            memcpy(any, bits, sizeof any); // any double at all: infinite, NaN, denormal
            bool ok = pi_next(&c, any[0], any[1], any[2], &out);
            finite &= isfinite(c.err_integral) && out >= c.min && out <= c.max &&
                      (ok || (out == c.min && c.err_integral == 0));
            double worked = fabs(any[0]) < 1e18 ? fabs(any[0]) : 1e18;
            uint64_t slept = bits[1] >> (bits[2] & 63);
            scavenge_slept(&s, worked, slept, 1 + (uint32_t)(bits[2] >> 32) % 64);
            finite &= s.ratio >= 0.001 && s.ratio <= 1000 && s.cooldown_ns >= 0 &&
                      scavenge_sleep_ns(&s, &worked) >= 1000;
        }
    }
    check(finite, "no input makes the controller lose its bounds");

    // An output that is cut off is not added up for ever: in a reset time the excess is gone.
    struct pi_controller wound = scavenge_sleep_init().controller;
    double out;
    wound.err_integral = 2000;
    check(pi_next(&wound, 0.01, 0.01, 1e9, &out) && out == 1000 && wound.err_integral == 1000,
          "the controller does not wind up");

    struct scavenge_sleep s = scavenge_sleep_init();
    s.controller.err_integral = 1e308;
    s.controller.kp = 1e300;
    scavenge_slept(&s, 1e6, UINT64_MAX, 1);
    bool reset = s.resets == 1 && s.ratio == 0.001 && s.cooldown_ns == 5000000000;
    scavenge_slept(&s, 1e6, 3000000000, 1);
    reset &= s.cooldown_ns == 1999000000 && s.ratio == 0.001;
    scavenge_slept(&s, 1e6, 3000000000, 1);
    check(reset && s.cooldown_ns == 0, "when it fails it is left alone for five seconds");
}

// --- a heap ------------------------------------------------------------------------------------------------------

static gcsim_scavenger look(mut *m)
{
    gcsim_scavenger out;
    API->scavenger(m, &out);
    return out;
}

// Objects that take so many bytes, all written to, linked to one handle.
static gcsim_handle *fill(mut *m, uint64_t bytes, uint64_t each)
{
    const gcsim_type *node = make_type(m->heap, "node", 2, 1),
                     *data = make_bytes(m->heap, "data", each);
    gcsim_handle *list = API->handle_new(m, NULL);
    for (uint64_t made = 0; made < bytes; made += data->slot_bytes + node->slot_bytes) {
        void *p = gcsim_new(m, data);
        INVARIANT(p);
        memset(p, 1, each);
        gcsim_handle *keep = API->handle_new(m, p);
        void **link = API->new_array(m, node, 2);
        INVARIANT(link);
        gcsim_store(m, &link[0], list->ptr);
        gcsim_store(m, &link[2], keep->ptr);
        gcsim_store(m, &list->ptr, link);
        API->handle_drop(m->heap, keep);
    }
    return list;
}

static gcsim_options heap_of_bytes(uint64_t mib, uint32_t stop_the_world)
{
    gcsim_options options = small_heap;
    options.reserve_bytes = mib << 20;
    options.stop_the_world = stop_the_world;
    return options;
}

static void forced(uint32_t stop_the_world)
{
    mut *m = open_heap(heap_of_bytes(512, stop_the_world));
    uint64_t empty = rss_bytes(), released = 0;
    gcsim_handle *list = fill(m, (uint64_t)LARGE_MIB << 20, 4000);
    uint64_t full = rss_bytes();
    API->handle_drop(m->heap, list);
    bool ok = API->free_os_memory(m, &released) == GCSIM_OK;
    uint64_t after = rss_bytes();
    gcsim_memstats stats;
    API->memstats(m, &stats);
    check(ok && (HEAVY || (full > empty + (120 << 20) && after < empty + (16 << 20))),
          "free_os_memory: resident %" PRIu64 " MiB, full %" PRIu64 ", after %" PRIu64, empty >> 20,
          full >> 20, after >> 20);
    check(stats.heap_idle == stats.heap_released && stats.heap_released >= LARGE_MIB << 20,
          "all that is idle is released: %" PRIu64 " MiB", stats.heap_released >> 20);
    gcsim_scavenger told = look(m);
    check(told.forced_bytes + told.background_bytes >= LARGE_MIB << 20 &&
              told.forced_bytes == released && told.mapped_ready == stats.sys - stats.heap_released,
          "and is told so");
    check(verifies(m), "the heap verifies");
    list = fill(m, (uint64_t)LARGE_MIB << 19, 4000); // and it can be used again
    check(verifies(m), "so it does when it is full again");
    close_heap(m);
}

static bool wait_for_goal(mut *m, uint64_t seconds)
{
    for (uint64_t i = 0; i < seconds * 100; i++) {
        if (look(m).retained <= look(m).gc_percent_goal)
            return true;
        gcsim_leave(m);
        usleep(10000);
        gcsim_enter(m);
    }
    return false;
}

// After a spike the heap goes down to what the goal says: by a thread that sleeps most of the time, or at the end of the sweep.
static void background(uint32_t stop_the_world)
{
    gcsim_options options = heap_of_bytes(512, stop_the_world);
    options.gc_percent = 100;
    mut *m = open_heap(options);
    gcsim_handle *list = fill(m, (uint64_t)LARGE_MIB << 20, 4000);
    EXPECT(API->collect(m) == GCSIM_OK);
    uint64_t full = rss_bytes();
    API->handle_drop(m->heap, list);
    EXPECT(API->collect(m) == GCSIM_OK); // finds it dead; the goal is what it was
    EXPECT(API->collect(m) == GCSIM_OK); // the goal is that of an empty heap
    processor_ask(H(
        m->heap)); // left behind by somebody who found a processor elsewhere: no reason to end every turn
    gcsim_scavenger begun = look(m);
    bool reached = wait_for_goal(m, 60);
    gcsim_scavenger told = look(m);
    uint64_t after = rss_bytes();
    check(reached && told.background_bytes >= (LARGE_MIB - 8) << 20 && told.forced_bytes == 0,
          "%" PRIu64 " MiB released in the background, retained %" PRIu64 " KiB, goal %" PRIu64
          " KiB",
          told.background_bytes >> 20, told.retained >> 10, begun.gc_percent_goal >> 10);
    check(HEAVY || after + (100 << 20) < full, "resident %" PRIu64 " MiB, before %" PRIu64,
          after >> 20, full >> 20);
    check(told.background_ns > 0 && told.assist_ns == 0, "in %" PRIu64 " us of CPU time",
          told.background_ns / 1000);
    check(verifies(m), "the heap verifies");
    close_heap(m);
}

// The system takes nothing back: everything else goes on as if nothing had been asked.
static void refusals(void)
{
    mut *m = open_heap(heap_of_bytes(256, 1));
    uint64_t n = 0, released;
    bool reached;
    do {
        API->handle_drop(m->heap, fill(m, 1 << 20, 4000));
        EXPECT(API->collect(m) == GCSIM_OK);
        os_fail_after(++n);
        gcsim_status status = API->free_os_memory(m, &released);
        reached = os_fail_after(0) == 0;
        EXPECT(status == GCSIM_OK || (reached && status == GCSIM_NO_MEMORY));
        EXPECT(verifies(m));
        gcsim_memstats stats;
        API->memstats(m, &stats);
        EXPECT((stats.heap_idle == stats.heap_released) == (status == GCSIM_OK));
    } while (reached && n < 100);
    check(n > 1 && !reached && look(m).refused > 0, "%" PRIu64 " refusals leave the heap as it was",
          look(m).refused);
    close_heap(m);
}

// A heap that must grow although it retains more than its goal releases what it does not use first.
static void growth(void)
{
    mut *m = open_heap(heap_of_bytes(512, 1));
    struct mheap *h = H(m->heap);
    gcsim_status status;
    // Free pages that no large span fits in, in chunks that are half full.
    enum { N = 3000 };
    static gcsim_span *spans[N];
    for (int i = 0; i < N; i++)
        memset((spans[i] = mheap_alloc_manual(h, 2, GCSIM_MANUAL_BATCH, &status))->base, 1,
               2 * PAGE_BYTES);
    for (int i = 0; i < N; i += 2)
        mheap_free(h, spans[i]);
    scavenge_next_generation(h); // the background may look at them
    gcsim_span *large = mheap_alloc_manual(h, 700, GCSIM_MANUAL_BATCH, &status);
    check(look(m).eager_bytes == 0, "without a goal growth releases nothing");
    h->scavenger.goals.gc_percent = 4 << 20;
    uint64_t before = mheap_retained(h);
    gcsim_span *more = mheap_alloc_manual(h, 700, GCSIM_MANUAL_BATCH, &status);
    gcsim_scavenger told = look(m);
    uint64_t grown = 2ull * CHUNK_PAGES * PAGE_BYTES, expected = before + grown - (4 << 20);
    expected = expected < grown ? expected : grown;
    check(told.eager_bytes >= expected && told.eager_bytes <= expected + (2 << 20) &&
              (GCSIM_STEPS || told.assist_ns > 0), // whose clock stands still outside a call
          "growth by 8 MiB releases as much: %" PRIu64 " KiB", told.eager_bytes >> 10);

    // The memory limit is checked by every span, and asks for what is over it.
    h->scavenger.goals.gc_percent = SCAVENGE_OFF;
    uint64_t mapped = mheap_mapped_ready(h), eager = told.eager_bytes;
    h->scavenger.memory_limit = (int64_t)mapped - (1 << 20);
    gcsim_span *one = mheap_alloc_manual(h, 1, GCSIM_MANUAL_BATCH, &status);
    told = look(m);
    check(mheap_mapped_ready(h) <= (uint64_t)h->scavenger.memory_limit &&
              told.eager_bytes - eager >= 1 << 20 && told.eager_bytes - eager < 4 << 20,
          "a span over the memory limit releases %" PRIu64 " KiB",
          (told.eager_bytes - eager) >> 10);
    mheap_free(h, one);
    mheap_free(h, large);
    mheap_free(h, more);
    for (int i = 1; i < N; i += 2)
        mheap_free(h, spans[i]);
    check(verifies(m), "the heap verifies");
    close_heap(m);
}

int main(void)
{
    density();
    goals();
    demands();
    controller_is_gos();
    controller_settles(1, 1);
    controller_settles(2, 1);
    controller_settles(8, 1.5);
    controller_settles(64, 1);
    controller_never_lost();
    for (uint64_t seed = 1; seed <= (soak() ? 200 : HEAVY ? 1 : 4); seed++)
        lockstep(seed, soak() ? 20000 : HEAVY ? 800 : 3000);
    for (uint32_t stopped = 0; stopped < 2; stopped++) {
        forced(stopped);
        background(stopped);
    }
    refusals();
    growth();
    return finish();
}
