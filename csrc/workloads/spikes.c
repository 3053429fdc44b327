// Allocation spikes: what lives grows to `high` bytes, falls to `low`, and at the low level as much is allocated again as lived at the top,
// so that the collector sees the fall. Blocks of 1 KiB hang in a list, newest first; each holds its number.
#include "gcsim/workload.h"

#include <stdbool.h>

enum { SPIKES_WORDS = 128 };

struct spikes_block {
    struct spikes_block *next;
    uint64_t number, words[SPIKES_WORDS - 3], check;
};

static bool spikes_intact(const struct spikes_block *b, uint64_t number)
{
    return b->number == number && b->check == gcsim_mix(number);
}

// A block in front of the list in *slot; NULL: no memory.
static struct spikes_block *spikes_push(gcsim_mutator *m, const gcsim_type *t, void **slot,
                                        uint64_t number)
{
    struct spikes_block *b = gcsim_new(m, t);
    if (!b)
        return NULL;
    b->number = number;
    b->check = gcsim_mix(number);
    gcsim_store(m, &b->next, *slot);
    return *slot = b;
}

// Keeps the `count` oldest blocks of the list: drops from the front, looking at each.
static bool spikes_fall(gcsim_mutator *m, gcsim_work *w, void **slot, uint64_t from, uint64_t count)
{
    for (uint64_t n = from; n > count; n--) {
        gcsim_safepoint(m);
        struct spikes_block *b = *slot;
        if (!b || !spikes_intact(b, n - 1)) {
            gcsim_work_fail(w, "block %llu is damaged", (unsigned long long)(n - 1));
            return false;
        }
        w->checksum += gcsim_mix(b->check ^ w->seed);
        *slot = b->next;
    }
    return true;
}

static int spikes_run(const gcsim_api *api, gcsim_mutator *m, void *arg)
{
    gcsim_work *w = arg;
    uint64_t first = 1, low = (uint64_t)w->params[1] / w->threads / (8 * SPIKES_WORDS);
    uint64_t high = (uint64_t)w->params[0] / w->threads / (8 * SPIKES_WORDS), count = 0;
    const gcsim_type *t = gcsim_work_type(api, m, "spikes block", SPIKES_WORDS, &first, 1);
    void **slots = gcsim_work_slots(api, m, w, 2);
    if (!t || !slots)
        return gcsim_work_no_memory(m, w);
    if (high < low)
        return gcsim_work_fail(w, "high=%lld lies below low=%lld", (long long)w->params[0],
                               (long long)w->params[1]);
    for (int64_t spike = 0; spike < w->params[2]; spike++) {
        gcsim_work_phase(w, "rise");
        for (; count < high; count++) {
            if (gcsim_work_poll(m, w))
                return 0;
            if (!spikes_push(m, t, &slots[0], count))
                return gcsim_work_no_memory(m, w);
        }
        gcsim_work_phase(w, "fall");
        if (!spikes_fall(m, w, &slots[0], count, low))
            return 1;
        count = low;
        gcsim_work_phase(w, "low level");
        for (uint64_t i = 0; i < high; i++) {
            if (gcsim_work_poll(m, w))
                return 0;
            slots[1] = NULL;
            if (!spikes_push(m, t, &slots[1], i))
                return gcsim_work_no_memory(m, w);
        }
    }
    gcsim_work_phase(w, "last check");
    return !spikes_fall(m, w, &slots[0], count, 0);
}

static const gcsim_work_param spikes_params[] = {
    {"high", "bytes", "live at the top, of all threads together", 64 << 20, 0, (int64_t)1 << 40},
    {"low", "bytes", "live between spikes, of all threads together", 4 << 20, 0, (int64_t)1 << 40},
    {"spikes", "", "how often it rises and falls", 5, 0, INT64_MAX}};

static const gcsim_workload spikes_workload = {
    .version = GCSIM_WORKLOAD_VERSION,
    .name = "spikes",
    .about = "what lives grows to a size and falls, again and again",
    .run = spikes_run,
    .op_ps = SPIKES_OP_PS,
    .shade_ps = SPIKES_SHADE_PS,
    GCSIM_PARAMS(spikes_params)};
