// instantiations: fast step
//
// The heap profile: what is sampled and how often, when a published figure changes, and where samples go.
#include "harness.h"

#include <math.h>

enum { ROOM = 256 };
static gcsim_profile about;
static gcsim_profile_record records[ROOM];

static void read_profile(mut *m)
{
    uint64_t n = API->mem_profile(m, &about, records, ROOM);
    EXPECT(n == about.records && n <= ROOM);
}

struct sum {
    uint64_t allocs, frees, bytes;
};

// Of one type; NULL: of all.
static struct sum sum_of(const gcsim_type *type)
{
    struct sum sum = {0};
    for (uint64_t i = 0; i < about.records; i++)
        if (!type || records[i].type == type->id) {
            sum.allocs += records[i].allocs;
            sum.frees += records[i].frees;
            sum.bytes += records[i].allocs * records[i].slot_bytes;
        }
    return sum;
}

static bool sums_to(mut *m, const gcsim_type *type, uint64_t allocs, uint64_t frees)
{
    read_profile(m);
    struct sum sum = sum_of(type);
    if (sum.allocs == allocs && sum.frees == frees)
        return true;
    printf("      %" PRIu64 " allocated, %" PRIu64 " freed\n", sum.allocs, sum.frees);
    return false;
}

static mut *open_sampled(int64_t rate, uint64_t seed)
{
    gcsim_options options = small_heap;
    options.mem_profile_rate = rate;
    options.mem_profile_seed = seed;
    return open_heap(options);
}

static void make_many(mut *m, const gcsim_type *type, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        EXPECT(gcsim_new(m, type));
}

// --- which ones --------------------------------------------------------------------------------------------------

static void intervals(void)
{
    check(sample_interval(1, 0) == 0 && sample_interval(1, 12345) == 0, "at rate 1 each object");
    check(sample_interval(512 << 10, (1 << 26) - 1) == 1, "the shortest interval is a byte");
    check(sample_interval(INT64_MAX, 0) <= INT32_MAX, "the longest fits");
    bool right = true;
    for (uint32_t q = 1; q <= 1 << 26; q += 1 + q / 50) {
        double x = -log((double)q / (1 << 26)) * 1000000;
        right &= fabs(sample_interval(1000000, q - 1) - 1 - floor(x)) <= 1;
    }
    check(right, "they are those of the exponential distribution");
    double sum = 0, above = 0;
    enum { N = 1 << 16 };
    for (uint32_t i = 0; i < N; i++) {
        double interval = sample_interval(1000000, (i << 10) + 512);
        sum += interval;
        above += interval > 1000000;
    }
    check(fabs(sum / N / 1e6 - 1) < 0.001 && fabs(above / N / exp(-1) - 1) < 0.001,
          "their mean is the rate, and they are longer in one of e cases");
}

static void each_object(void)
{
    mut *m = open_sampled(1, 0);
    const gcsim_type *node = make_type(m->heap, "node", 2, 1),
                     *wide = make_type(m->heap, "wide", 80, 1),
                     *letter = make_bytes(m->heap, "letter", 4),
                     *large = make_bytes(m->heap, "large", 100000);
    EXPECT(API->name_intern(m->heap, "here", &m->site) == GCSIM_OK);
    make_many(m, node, 1000);
    make_many(m, wide, 30);
    make_many(m, letter, 33);
    make_many(m, large, 3);
    EXPECT(API->new_array(m, node, 5));
    check(sums_to(m, node, 1001, 0) && sums_to(m, wide, 30, 0) && sums_to(m, large, 3, 0),
          "at rate 1 each object is sampled");
    check(sums_to(m, letter, 9, 0), "of tiny objects each block");
    bool right = about.records == 5;
    for (uint64_t i = 0; i < about.records; i++) {
        const gcsim_profile_record *r = &records[i];
        bool is_large = r->type == large->id, is_tiny = r->type == letter->id;
        right &= r->site == m->site;
        right &= r->tier == (is_large  ? GCSIM_TIER_LARGE
                             : is_tiny ? GCSIM_TIER_TINY
                                       : GCSIM_TIER_SMALL);
        right &= is_large ? r->slot_bytes == 106496 && r->size_class == 0
                          : r->slot_bytes == size_class_slot_bytes[r->size_class];
    }
    check(right, "a bucket for each site, type, slot size and tier");
    check(!API->new_at_once(m, node) && API->wants_site(m, node, 1),
          "what is sampled is not made at once: its site can be said before");
    API->set_mem_profile_rate(m, 0);
    make_many(m, node, 10);
    check(!API->wants_site(m, node, 1) && (GCSIM_STEPS || API->new_at_once(m, node)) &&
              sums_to(m, node, 1001, 0),
          "at rate 0 none");
    check(verifies(m), "the heap verifies");
    close_heap(m);
}

static void built_in_bulk(void)
{
    mut *m = open_sampled(1, 0);
    const gcsim_type *node = make_type(m->heap, "node", 2, 1);
    gcsim_build build = {.count = 5000, .types = &node, .ntypes = 1};
    gcsim_batch *batch = API->build(m, &build);
    check(batch && sums_to(m, node, 5000, 0), "objects that are built in bulk too");
    API->batch_drop(m, batch);
    API->collect(m);
    check(sums_to(m, node, 5000, 5000) && verifies(m), "and they die");
    close_heap(m);
}

// A window that is open when the rate changes was cut for the other one.
static void rate_changes(void)
{
    mut *m = open_sampled(512 << 10, 7);
    const gcsim_type *node = make_type(m->heap, "node", 2, 1);
    make_many(m, node, 10);
    read_profile(m);
    uint64_t before = sum_of(node).allocs;
    check(API->set_mem_profile_rate(m, 1) == 512 << 10 && API->set_mem_profile_rate(m, -1) == 1,
          "the rate is told");
    make_many(m, node, 100);
    check(sums_to(m, node, before + 100, 0), "it holds from the next object on");
    API->set_mem_profile_rate(m, 0);
    API->collect(m);
    check(sums_to(m, node, before + 100, before + 100) && verifies(m),
          "what was sampled is counted when it dies, whatever the rate is then");
    close_heap(m);
}

static void replays(void)
{
    uint64_t sums[3];
    for (int i = 0; i < 3; i++) {
        mut *m = open_sampled(1000, i == 2 ? 5 : 4);
        const gcsim_type *node = make_type(m->heap, "node", 2, 1);
        uint64_t hash = 0;
        for (uint64_t n = 0; n < 20000; n++) {
            bool sampled = API->wants_site(m, node, 1);
            EXPECT(gcsim_new(m, node));
            hash = (hash ^ sampled) * 1099511628211ull + n;
        }
        sums[i] = hash;
        close_heap(m);
    }
    check(sums[0] == sums[1] && sums[0] != sums[2], "the seed decides which objects are sampled");
}

// --- how many they stand for -------------------------------------------------------------------------------------

static double estimate(const gcsim_type *type, int64_t rate)
{
    double bytes = 0;
    for (uint64_t i = 0; i < about.records; i++)
        if (!type || records[i].type == type->id)
            bytes +=
                (double)profile_scale((int64_t)records[i].allocs,
                                      (int64_t)(records[i].allocs * records[i].slot_bytes), rate)
                    .bytes;
    return bytes;
}

// The mean of so many seeds, over the truth. Objects of four sizes in any order.
static void is_unbiased(int seeds, double within)
{
    enum { RATE = 4096, OBJECTS = 30000, TYPES = 4 };
    static const uint64_t words[TYPES] = {2, 6, 100, 600}, share[TYPES] = {80, 95, 99, 100};
    double sum[TYPES] = {0}, truth[TYPES] = {0}, all = 0, all_truth = 0;
    for (int seed = 0; seed < seeds; seed++) {
        mut *m = open_sampled(RATE, (uint64_t)seed);
        const gcsim_type *types[TYPES];
        char name[] = "a";
        for (int t = 0; t < TYPES; t++, name[0]++)
            types[t] = make_type(m->heap, name, words[t], 1);
        uint64_t random = (uint64_t)seed, kind;
        for (int i = 0; i < OBJECTS; i++) {
            uint64_t x = below(&random, 100);
            for (kind = 0; x >= share[kind]; kind++)
                ;
            EXPECT(gcsim_new(m, types[kind]));
            truth[kind] += (double)types[kind]->slot_bytes;
            if (i % 5000 == 4999)
                API->collect(m);
        }
        read_profile(m);
        for (int t = 0; t < TYPES; t++)
            sum[t] += estimate(types[t], RATE);
        close_heap(m);
    }
    for (int t = 0; t < TYPES; t++) {
        all += sum[t];
        all_truth += truth[t];
        check(fabs(sum[t] / truth[t] - 1) < within, "objects of %d bytes: %.4f of the truth",
              (int)words[t] * 8, sum[t] / truth[t]);
    }
    check(fabs(all / all_truth - 1) < within, "the mean over %d seeds is %.4f of the truth", seeds,
          all / all_truth);
}

// Windows that are given back when hardly anything was taken from them: only what was taken counts.
static void is_unbiased_in_short_windows(int seeds, double within)
{
    enum { RATE = 100, ROUNDS = 100, EACH = 3 };
    double sum = 0, truth = 0;
    for (int seed = 0; seed < seeds; seed++) {
        mut *m = open_sampled(RATE, (uint64_t)seed);
        const gcsim_type *node = make_type(m->heap, "node", 2, 1),
                         *wide = make_type(m->heap, "wide", 8, 1);
        for (int i = 0; i < ROUNDS; i++) {
            make_many(m, node, EACH);
            make_many(m, wide, 1);
            truth += EACH * 16 + 64;
            API->collect(m);
        }
        read_profile(m);
        sum += estimate(NULL, RATE);
        close_heap(m);
    }
    check(fabs(sum / truth - 1) < within,
          "with a collection after each few objects: %.4f of the truth", sum / truth);
}

// --- when --------------------------------------------------------------------------------------------------------

static void figures_change_at_cycles(void)
{
    mut *m = open_sampled(1, 0);
    struct mheap *h = H(m->heap);
    const gcsim_type *node = make_type(m->heap, "node", 2, 1);
    make_many(m, node, 10);
    gcsim_handle *kept = API->handle_new(m, gcsim_new(m, node));
    check(sums_to(m, node, 11, 0), "before the first cycle all is there");
    API->collect(m);
    check(sums_to(m, node, 11, 10), "a collection publishes what died in it");
    make_many(m, node, 5);
    check(sums_to(m, node, 11, 10), "what is allocated since is not in the profile");
    API->handle_drop(m->heap, kept);
    API->collect(m);
    check(sums_to(m, node, 16, 16) && verifies(m), "the next collection publishes both");

    // A cycle whose sweep nobody waits for: published when the next one ends (mprof.go:memRecord).
    make_many(m, node, 7);
    memprofile_next_cycle(h);
    memprofile_flush(h);
    check(sums_to(m, node, 16, 16), "at the end of marking its frees are not known");
    memprofile_next_cycle(h);
    memprofile_flush(h);
    check(sums_to(m, node, 23, 16), "at the end of the next one it is published");
    memprofile_next_cycle(h);
    check(sums_to(m, node, 23, 16), "who reads between a stop and its flush flushes");
    close_heap(m);
}

static void with_the_world_stopped(void)
{
    gcsim_options options = small_heap;
    options.mem_profile_rate = 1;
    options.stop_the_world = 2;
    mut *m = open_heap(options);
    const gcsim_type *node = make_type(m->heap, "node", 2, 1);
    make_many(m, node, 9);
    API->handle_new(m, gcsim_new(m, node));
    API->collect(m);
    check(sums_to(m, node, 10, 9) && verifies(m), "a sweep in the stop is published at once");
    close_heap(m);
}

static void dies_after_its_finalizer(void)
{
    mut *m = open_sampled(1, 0);
    const gcsim_type *node = make_type(m->heap, "node", 2, 1);
    void *p = gcsim_new(m, node);
    EXPECT(API->finalizer_set(m, p, NULL, NULL) && API->cleanup_add(m, p, NULL, NULL));
    gcsim_weak *weak = API->weak_new(m, p);
    API->collect(m);
    check(sums_to(m, node, 1, 0) && verifies(m), "a revived object is in use");
    EXPECT(gcsim_run_callbacks(m) == 1);
    API->collect(m);
    check(sums_to(m, node, 1, 1) && verifies(m), "until it dies for good");
    API->weak_drop(m, weak);
    close_heap(m);
}

// --- no memory ---------------------------------------------------------------------------------------------------

static void samples_are_lost(void)
{
    mut *m = open_sampled(1, 0);
    const gcsim_type *node = make_type(m->heap, "node", 2, 1);
    uint64_t made = 1;
    EXPECT(gcsim_new(m, node)); // there are pages now
    for (int i = 0; i < 20000; i++) {
        if (i % 20 == 0 && m->site < 2000) // buckets too
            m->site++;
        os_fail_after(1);
        made += gcsim_new(m, node) != NULL;
        os_fail_after(0);
    }
    API->mem_profile(m, &about, records, ROOM);
    check(about.lost > 0, "%" PRIu64 " of %" PRIu64 " samples are lost", about.lost, made);
    gcsim_profile_record *all = malloc(about.records * sizeof *all);
    uint64_t n = API->mem_profile(m, &about, all, about.records), allocs = 0;
    for (uint64_t i = 0; i < n; i++)
        allocs += all[i].allocs;
    check(allocs + about.lost == made, "the others are counted");
    check(verifies(m), "the heap verifies");
    free(all);
    API->collect(m);
    check(verifies(m), "and does after a collection");
    close_heap(m);
}

int main(void)
{
    intervals();
    each_object();
    built_in_bulk();
    rate_changes();
    replays();
    is_unbiased(GCSIM_STEPS ? 10 : 200, GCSIM_STEPS ? 0.1 : 0.02); // coroutines take longer
    is_unbiased_in_short_windows(GCSIM_STEPS ? 10 : 200, GCSIM_STEPS ? 0.1 : 0.02);
    figures_change_at_cycles();
    with_the_world_stopped();
    dies_after_its_finalizer();
    samples_are_lost();
    return finish();
}
