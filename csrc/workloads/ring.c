// Ring churn: each new object takes the place of the one allocated `entries` allocations before. Live is constant, everything dies in the
// order of its birth. An object is a header with a pointer to a block without pointers; both carry the number of the allocation.
#include "gcsim/workload.h"

#include <stdbool.h>

struct ring_object {
    uint64_t *block;
    uint64_t number;
};

// Is what the slot holds the object of allocation `number`, whole?
static bool ring_intact(const struct ring_object *o, uint64_t number, uint64_t words)
{
    return o->number == number && o->block && o->block[0] == gcsim_mix(number) &&
           o->block[words - 1] == gcsim_mix(number);
}

static int ring_damaged(gcsim_work *w, uint64_t number)
{
    return gcsim_work_fail(w, "the object of allocation %llu is damaged",
                           (unsigned long long)number);
}

static int ring_run(const gcsim_api *api, gcsim_mutator *m, void *arg)
{
    enum { RING, OBJECT };
    gcsim_work *w = arg;
    uint64_t first = 1, entries = (uint64_t)w->params[0], bytes = (uint64_t)w->params[1];
    uint64_t words = (bytes + 7) / 8, allocations = (uint64_t)w->params[2];
    const gcsim_type *object = gcsim_work_type(api, m, "ring object", 2, &first, 1);
    const gcsim_type *pointer = gcsim_work_type(api, m, "pointer", 1, &first, 1);
    const gcsim_type *block = gcsim_work_bytes(api, m, "ring block", bytes);
    void **slots = gcsim_work_slots(api, m, w, 2);
    if (!object || !pointer || !block || !slots ||
        !(slots[RING] = api->new_array(m, pointer, entries)))
        return gcsim_work_no_memory(m, w);
    gcsim_work_phase(w, "churn");
    struct ring_object **ring = slots[RING];
    for (uint64_t i = 0; i < allocations && !gcsim_work_poll(m, w); i++) {
        struct ring_object *o = gcsim_new(m, object);
        slots[OBJECT] = o;
        uint64_t *b = o ? gcsim_new(m, block) : NULL;
        if (!b)
            return gcsim_work_no_memory(m, w);
        b[0] = b[words - 1] = gcsim_mix(i);
        o->number = i;
        gcsim_store(m, &o->block, b);
        struct ring_object **place = &ring[i % entries];
        if (i >= entries && !ring_intact(*place, i - entries, words))
            return ring_damaged(w, i - entries);
        gcsim_store(m, place, o);
        w->checksum += gcsim_mix(gcsim_mix(i) ^ w->seed);
    }
    gcsim_work_phase(w, "last check");
    for (uint64_t i = 0; i < entries && ring[i]; i++) {
        gcsim_safepoint(m);
        if (!ring_intact(ring[i], ring[i]->number, words) || ring[i]->number % entries != i)
            return ring_damaged(w, ring[i]->number);
    }
    return 0;
}

static const gcsim_work_param ring_params[] = {
    {"entries", "", "objects that live, per thread", 100000, 1, 1 << 28},
    {"object_bytes", "bytes", "size of each object's block", 64, 8, 1 << 24},
    {"allocations", "", "objects to allocate, per thread", 4000000, 0, INT64_MAX}};

static const gcsim_workload ring_workload = {
    .version = GCSIM_WORKLOAD_VERSION,
    .name = "ring",
    .about = "each new object takes the place of the oldest of a ring",
    .run = ring_run,
    .op_ps = RING_OP_PS,
    .shade_ps = RING_SHADE_PS,
    GCSIM_PARAMS(ring_params)};
