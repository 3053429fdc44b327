// One schedule, one history: prints a hash of all that happens in the step instantiation under fixed schedules. tests/event_hash.py builds it with
// other compilers, optimisations and sanitizers, and compares what they print.
//
// Standard input has a stage per line: name, objects, fields, globals, locals, mutators, then in hex the targets of fields, of globals and of
// locals ("-": none) and each mutator's program. Each runs under round robin, random orders, priorities and, once more, under the schedule that was
// taken. Then two built-in workloads.
//
// Hashed is each record of the events ring in full (time, kind, mutator, where, arg): times are steps of the coroutines' clock, places are
// offsets from the heap's first byte. And who took each step, and at which step point it ended.
#include <assert.h>
#include <inttypes.h>

#include "gcsim/steps.h"
#include "tests/fold.h"
#include "workloads/workloads.c"

enum { EVENTS = 1 << 16, STEPS_MOST = 4000 };

static const gcsim_api *api;
static const gcsim_stepping_api *steps;

static uint64_t fold_events(gcsim_heap *heap, uint64_t *hash)
{
    static gcsim_event events[EVENTS];
    uint64_t n = api->events(heap, events, EVENTS);
    for (uint64_t i = 0; i < n; i++) {
        fold(hash, events[i].time_ns);
        fold(hash, (uint64_t)events[i].kind << 32 | events[i].mutator);
        fold(hash, events[i].where);
        fold(hash, events[i].arg);
    }
    return n;
}

static gcsim_heap *open_heap(gcsim_options options)
{
    gcsim_status status;
    options.bytes = sizeof options;
    options.events = EVENTS;
    options.procs = 2;
    gcsim_heap *heap = api->heap_create(&options, &status);
    assert(heap);
    return heap;
}

// --- stages

struct given {
    char name[32];
    gcsim_stage stage;
    gcsim_op programs[4][64];
    const gcsim_op *each[4];
    uint8_t targets[3][64];
};

static void from_hex(const char *text, void *out, size_t room)
{
    uint8_t *bytes = out;
    for (size_t i = 0; text[0] != '-' && text[2 * i]; i++) {
        assert(i < room);
        assert(sscanf(text + 2 * i, "%2" SCNx8, &bytes[i]) == 1);
    }
}

static bool read_stage(struct given *g)
{
    char text[600];
    memset(g, 0, sizeof *g);
    gcsim_stage *s = &g->stage;
    if (scanf("%31s %" SCNu32 " %" SCNu32 " %" SCNu32 " %" SCNu32 " %" SCNu32, g->name, &s->objects,
              &s->fields, &s->globals, &s->locals, &s->mutators) != 6)
        return false;
    for (int i = 0; i < 3; i++) {
        assert(scanf("%599s", text) == 1);
        from_hex(text, g->targets[i], sizeof g->targets[i]);
    }
    for (uint32_t i = 0; i < s->mutators && i < 4; i++) {
        assert(scanf("%599s", text) == 1);
        from_hex(text, g->programs[i], sizeof g->programs[i]);
        g->each[i] = g->programs[i];
    }
    s->bytes = sizeof *s;
    s->programs = g->each;
    s->field_targets = g->targets[0];
    s->global_targets = g->targets[1];
    s->local_targets = g->targets[2];
    assert(!steps->stage_error(s));
    return true;
}

struct history {
    uint64_t hash, steps, events;
    gcsim_taken taken[STEPS_MOST];
};

static void run_stage(const struct given *g, gcsim_schedule schedule, struct history *out)
{
    gcsim_actor actors[8];
    gcsim_heap *heap = open_heap((gcsim_options){.reserve_bytes = 64 << 20,
                                                 .gc_percent = -1,
                                                 .mark_engine = GCSIM_MARK_FIELD + 1,
                                                 .shade_entries = 1 + 1});
    assert(steps->stage_set(heap, &g->stage) == GCSIM_OK);
    schedule.bytes = sizeof schedule;
    out->hash = 1;
    for (out->steps = 0; out->steps < STEPS_MOST; out->steps++) {
        uint64_t done;
        gcsim_taken *taken = &out->taken[out->steps];
        steps->run(heap, &schedule, 1, 0, taken, &done);
        if (!done)
            break;
        uint64_t n = steps->actors(heap, actors, 8);
        assert(taken->actor < n && n <= 8);
        fold(&out->hash, (uint64_t)taken->actor << 8 | taken->choice);
        fold(&out->hash, (uint64_t)actors[taken->actor].point << 32 | actors[taken->actor].state);
    }
    out->events = fold_events(heap, &out->hash);
    api->heap_destroy(heap);
}

static void tell_stage(const struct given *g, const char *name, gcsim_schedule schedule)
{
    static struct history history, again;
    static char text[STEPS_MOST * 5 + 1];
    run_stage(g, schedule, &history);
    char *at = text;
    for (uint64_t i = 0; i < history.steps; i++)
        at += sprintf(at, "%c.%u ", 'a' + history.taken[i].actor, history.taken[i].choice % 100);
    run_stage(g, (gcsim_schedule){.kind = GCSIM_SCHEDULE_TEXT, .text = text}, &again);
    assert(history.steps && history.events);
    printf("%s %s %016" PRIx64 " %" PRIu64 " steps, %" PRIu64 " events%s\n", g->name, name,
           history.hash, history.steps, history.events,
           again.hash == history.hash ? "" : "; REPLAYED DIFFERENTLY");
}

// --- workloads

static void tell_workload(const char *name, const int64_t *params)
{
    const gcsim_workload *w = NULL;
    for (uint32_t i = 0; (w = gcsim_workload_builtin(i)) && strcmp(w->name, name) != 0;)
        i++;
    assert(w);
    gcsim_heap *heap = open_heap((gcsim_options){.gc_percent = 20});
    struct run *r = run_new(w, api, heap, 2, 7, params);
    assert(r && run_start(r) == GCSIM_OK);
    while (!run_wait(r, 1000000))
        ;
    assert(r->status == GCSIM_OK);
    uint64_t hash = 1, events = fold_events(heap, &hash);
    fold(&hash, r->checksum);
    printf("%s run %016" PRIx64 " %" PRIu64 " cycles, %" PRIu64 " events\n", name, hash,
           r->totals.cycles, events);
    run_free(r);
    api->heap_destroy(heap);
}

int main(void)
{
    static struct given g;
    api = gcsim_steps();
    steps = gcsim_stepping();
    while (read_stage(&g)) {
        tell_stage(&g, "round-robin", (gcsim_schedule){.kind = GCSIM_SCHEDULE_ROUND_ROBIN});
        for (uint64_t seed = 1; seed <= 5; seed++) {
            char name[24];
            snprintf(name, sizeof name, "random-%" PRIu64, seed);
            tell_stage(&g, name, (gcsim_schedule){.kind = GCSIM_SCHEDULE_RANDOM, .seed = seed});
            snprintf(name, sizeof name, "pct-%" PRIu64, seed);
            tell_stage(&g, name,
                       (gcsim_schedule){
                           .kind = GCSIM_SCHEDULE_PCT, .seed = seed, .changes = 3, .length = 60});
        }
    }
    tell_workload("binary-trees", (int64_t[]){10});
    tell_workload("lru", (int64_t[]){500, 4096, 256, 10000});
    return 0;
}
