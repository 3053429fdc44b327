// A memory limit that the live heap comes close to: how far the memory that is mapped and not released goes beyond it.
//
//   limit LIMIT_MIB GOGC        GOGC: a percentage, or `off`
//
// The live heap grows in steps of a tenth of the limit, to eight tenths; after each step as much garbage as the limit is made. The
// excess is read after each step as Sys - HeapReleased, and for each 64 KiB allocated and after each cycle as the scavenger counts it.
#include "bench.h"

enum { STEPS = 8, KINDS = 3, LIVE = 0, FRESH = 1, LOOK_BYTES = 64 << 10 };

static const uint64_t kind_words[KINDS] = {8, 128, 4096};

struct object {
    struct object *next;
};

struct limited {
    struct bench b;
    const gcsim_type *kinds[KINDS];
    void **slots;
    uint64_t limit, random, unseen, cycle;
    uint64_t worst_seen, worst_at_cycle; // mapped, in bytes
};

static uint64_t mapped_ready(struct limited *l)
{
    gcsim_scavenger s;
    l->b.api->scavenger(l->b.m, &s);
    if (s.mapped_ready > l->worst_seen)
        l->worst_seen = s.mapped_ready;
    return s.mapped_ready;
}

static void look(struct limited *l)
{
    uint64_t mapped = mapped_ready(l);
    gcsim_cycle c;
    l->unseen = 0;
    if (l->b.api->cycle_info(l->b.heap, 0, &c) != GCSIM_OK || c.number == l->cycle)
        return;
    l->cycle = c.number;
    if (mapped > l->worst_at_cycle)
        l->worst_at_cycle = mapped;
}

// One object in *slots[to], in front of what `keep` says; its bytes.
static uint64_t make(struct limited *l, bool keep)
{
    uint32_t at = bench_below(&l->random, 64);
    uint32_t kind = at == 0 ? 2 : at < 16;
    struct object *o = bench_new(l->b.m, l->kinds[kind]);
    if (keep) {
        gcsim_store(l->b.m, &o->next, l->slots[LIVE]);
        l->slots[LIVE] = o;
    } else {
        l->slots[FRESH] = o;
    }
    uint64_t bytes = kind_words[kind] * 8;
    l->unseen += bytes;
    if (l->unseen >= LOOK_BYTES)
        look(l);
    return bytes;
}

static uint64_t at_step(struct limited *l)
{
    gcsim_memstats s;
    l->b.api->memstats(l->b.m, &s);
    return s.sys - s.heap_released;
}

static long excess(const struct limited *l, uint64_t mapped)
{
    return (long)mapped - (long)l->limit;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        die("usage: limit LIMIT_MIB GOGC (a percentage, or `off`)");
    int32_t percent = strcmp(argv[2], "off") ? (int32_t)number(argv[2]) : -1;
    struct limited l = {.limit = number(argv[1]) << 20, .b = bench_open(percent, 0, false)};
    static const uint64_t first = 1;
    static const char *const names[KINDS] = {"small", "middle", "big"};
    for (int k = 0; k < KINDS; k++)
        l.kinds[k] = bench_type(&l.b, names[k], kind_words[k], &first, 1);
    l.slots = bench_frame(&l.b, 2);
    l.b.api->set_memory_limit(l.b.m, (int64_t)l.limit);
    uint64_t live = 0;
    printf("{\"steps\": [");
    for (uint64_t step = 1; step <= STEPS; step++) {
        while (live < l.limit * step / 10)
            live += make(&l, true);
        for (uint64_t garbage = 0; garbage < l.limit;)
            garbage += make(&l, false);
        printf("%s%ld", step > 1 ? ", " : "", excess(&l, at_step(&l)));
    }
    printf("], \"seen\": %ld, \"at_cycle\": %ld, \"live\": %lu, \"cycles\": %lu}\n",
           excess(&l, l.worst_seen), excess(&l, l.worst_at_cycle), live, l.cycle);
    bench_close(&l.b);
    return 0;
}
