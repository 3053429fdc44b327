// Each thread counts in a word of its own; the words lie in one cache line or in several: for 07_performance.ipynb. At most 64 threads.
#include <gcsim/workload.h>

static uint64_t **counters(gcsim_work *w) { return (uint64_t **)w->shared; }

// apart = 0: an object that the thread's own mutator allocates.
static uint64_t *counter(const gcsim_api *api, gcsim_mutator *m, gcsim_work *w)
{
    if (w->params[0])
        return (uint64_t *)((char *)w->shared + 8192 + w->thread * (uint64_t)w->params[0]);
    void **slots = gcsim_work_slots(api, m, w, 1);
    const gcsim_type *number = gcsim_work_bytes(api, m, "number", 8);
    return slots && number ? (slots[0] = gcsim_new(m, number)) : NULL;
}

static int run(const gcsim_api *api, gcsim_mutator *m, void *arg)
{
    gcsim_work *w = arg;
    uint64_t *mine = counters(w)[w->thread] = counter(api, m, w);
    if (!mine)
        return gcsim_work_no_memory(m, w);
    for (int64_t i = 0; i < w->params[1]; i++) {
        __atomic_fetch_add(mine, 1, __ATOMIC_RELAXED);
        if (i % 65536 == 0 && gcsim_work_poll(m, w))
            break;
    }
    w->checksum = *mine;
    return 0;
}

// The checksum gets 2^32 for each thread that shares its line with the one before.
static int finish(const gcsim_api *api, gcsim_mutator *m, void *arg)
{
    (void)api, (void)m;
    gcsim_work *w = arg;
    for (uint32_t i = 1; i < w->threads; i++)
        if ((uintptr_t)counters(w)[i] / 64 == (uintptr_t)counters(w)[i - 1] / 64)
            w->checksum += (uint64_t)1 << 32;
    return 0;
}

static const gcsim_work_param params[] = {
    {"apart", "bytes", "from one thread's counter to the next; 0: an object each", 8, 0, 128},
    {"count", "", "additions per thread", 1000000, 1, INT64_MAX},
};
GCSIM_WORKLOAD(.name = "sharing", .about = "counters side by side", .run = run, .finish = finish,
               .shared_bytes = 16384, GCSIM_PARAMS(params));
