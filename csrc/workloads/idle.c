// Bursts of allocation with idle phases between them, as a service has: a thread that sleeps is outside, so nobody waits for it.
#include "gcsim/workload.h"

enum { IDLE_KEPT = 1024, IDLE_BYTES = 256, IDLE_NAP_MS = 20 };

// Outside, in naps, so that the end of the run is seen.
static void idle_sleep(gcsim_mutator *m, const gcsim_work *w, int64_t ms)
{
    for (; ms > 0; ms -= IDLE_NAP_MS)
        if (gcsim_work_sleep(m, w, (uint64_t)(ms < IDLE_NAP_MS ? ms : IDLE_NAP_MS) * 1000000))
            return;
}

static int idle_burst(gcsim_mutator *m, gcsim_work *w, const gcsim_type *t, void **kept,
                      uint64_t *number)
{
    for (int64_t left = w->params[1]; left > 0 && !gcsim_work_poll(m, w); left -= IDLE_BYTES) {
        uint64_t *p = gcsim_new(m, t), *old = kept[*number % IDLE_KEPT];
        if (!p)
            return gcsim_work_no_memory(m, w);
        if (old && (old[0] != *number - IDLE_KEPT || old[1] != gcsim_mix(old[0])))
            return gcsim_work_fail(w, "object %llu is damaged",
                                   (unsigned long long)(*number - IDLE_KEPT));
        p[0] = *number;
        p[1] = gcsim_mix(p[0]);
        w->checksum += gcsim_mix(p[1] ^ w->seed);
        gcsim_store(m, &kept[*number % IDLE_KEPT], p);
        ++*number;
    }
    return 0;
}

static int idle_run(const gcsim_api *api, gcsim_mutator *m, void *arg)
{
    gcsim_work *w = arg;
    uint64_t first = 1, number = 0;
    const gcsim_type *t = gcsim_work_bytes(api, m, "idle object", IDLE_BYTES);
    const gcsim_type *pointer = gcsim_work_type(api, m, "pointer", 1, &first, 1);
    void **slots = gcsim_work_slots(api, m, w, 1);
    if (!t || !pointer || !slots || !(slots[0] = api->new_array(m, pointer, IDLE_KEPT)))
        return gcsim_work_no_memory(m, w);
    for (int64_t round = 0; round < w->params[0] && !gcsim_work_poll(m, w); round++) {
        gcsim_work_phase(w, "burst");
        if (idle_burst(m, w, t, slots[0], &number) != 0)
            return 1;
        gcsim_work_phase(w, "idle");
        idle_sleep(m, w, w->params[2]);
    }
    return 0;
}

static const gcsim_work_param idle_params[] = {
    {"rounds", "", "bursts, each followed by idling", 5, 0, INT64_MAX},
    {"burst", "bytes", "allocated in a burst, per thread", 64 << 20, 0, INT64_MAX},
    {"idle", "ms", "length of an idle phase", 200, 0, 1 << 30}};

static const gcsim_workload idle_workload = {
    .version = GCSIM_WORKLOAD_VERSION,
    .name = "idle",
    .about = "bursts of allocation with idle phases between them",
    .run = idle_run,
    .op_ps = IDLE_OP_PS,
    .shade_ps = IDLE_SHADE_PS,
    GCSIM_PARAMS(idle_params)};
