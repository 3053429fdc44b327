// Handles that all threads release at the same time, each those of its neighbour, while all of them make new ones: for 11_interview.ipynb.
#include <gcsim/workload.h>

enum { MOST_THREADS = 16, MOST_HANDLES = 4096 };

struct shelf {
    gcsim_handle *handles[MOST_THREADS][MOST_HANDLES];
    uint32_t meeting;
};

static int meet(gcsim_mutator *m, gcsim_work *w, struct shelf *s, uint32_t number)
{
    __atomic_fetch_add(&s->meeting, 1, __ATOMIC_ACQ_REL);
    while (__atomic_load_n(&s->meeting, __ATOMIC_ACQUIRE) < number * w->threads) {
        if (gcsim_work_poll(m, w))
            return 1;
        gcsim_work_yield(m, w);
    }
    return 0;
}

static int run(const gcsim_api *api, gcsim_mutator *m, void *arg)
{
    gcsim_work *w = arg;
    struct shelf *s = w->shared;
    uint64_t n = (uint64_t)w->params[0];
    const gcsim_type *number = gcsim_work_bytes(api, m, "number", 64);
    if (!number || w->threads > MOST_THREADS)
        return gcsim_work_fail(w, "no memory, or more than %d threads", MOST_THREADS);
    for (uint32_t round = 0; round < w->params[1]; round++) {
        for (uint64_t i = 0; i < n; i++) {
            void *object = gcsim_new(m, number);
            if (!object || !(s->handles[w->thread][i] = api->handle_new(m, object)))
                return gcsim_work_no_memory(m, w);
        }
        if (meet(m, w, s, 2 * round + 1))
            return 0;
        for (uint64_t i = 0; i < n; i++, w->checksum++)
            api->handle_drop(m->heap, s->handles[(w->thread + 1) % w->threads][i]);
        if (meet(m, w, s, 2 * round + 2))
            return 0;
    }
    return 0;
}

static const gcsim_work_param params[] = {
    {"count", "", "handles of each thread", 1000, 1, MOST_HANDLES},
    {"rounds", "", "how often they are made and released", 10, 1, 1 << 20},
};
GCSIM_WORKLOAD(.name = "lockfree", .about = "handles released by everybody at once", .run = run,
               .shared_bytes = sizeof(struct shelf), GCSIM_PARAMS(params));
