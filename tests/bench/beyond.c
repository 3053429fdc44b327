// A live heap that is dear to mark, and garbage that is cheap to make: where the live heap lies above the memory limit, collecting would
// take nearly all of the processors if nothing limited it. Made for tests/bench/reach.py.
#include "gcsim/workload.h"

enum { LISTS = 1024 };

// The same in each thread: lists of objects of two words.
static int beyond_fill(const gcsim_api *api, gcsim_mutator *m, gcsim_work *w, void **slots,
                       uint64_t entries)
{
    uint64_t first = 1;
    const gcsim_type *node = gcsim_work_type(api, m, "node", 2, &first, 1);
    const gcsim_type *pointer = gcsim_work_type(api, m, "pointer", 1, &first, 1);
    void **lists = node && pointer ? api->new_array(m, pointer, LISTS) : NULL;
    if (!lists)
        return gcsim_work_no_memory(m, w);
    slots[0] = lists;
    for (uint64_t i = 0; i < entries && !gcsim_work_poll(m, w); i++) {
        void **o = gcsim_new(m, node);
        if (!o)
            return gcsim_work_no_memory(m, w);
        gcsim_store(m, o, lists[i % LISTS]);
        gcsim_store(m, &lists[i % LISTS], o);
    }
    return 0;
}

static int beyond_run(const gcsim_api *api, gcsim_mutator *m, void *arg)
{
    gcsim_work *w = arg;
    uint64_t entries = (uint64_t)w->params[0], bytes = (uint64_t)w->params[1];
    uint64_t garbage = (uint64_t)w->params[2];
    void **slots = gcsim_work_slots(api, m, w, 2);
    const gcsim_type *block = gcsim_work_bytes(api, m, "garbage", bytes);
    if (!slots || !block)
        return gcsim_work_no_memory(m, w);
    gcsim_work_phase(w, "live");
    int failed = beyond_fill(api, m, w, slots, entries);
    gcsim_work_phase(w, "garbage");
    for (uint64_t i = 0; i < garbage && !failed && !gcsim_work_poll(m, w); i++) {
        slots[1] = gcsim_new(m, block);
        if (!slots[1])
            failed = gcsim_work_no_memory(m, w);
    }
    return failed;
}

static const gcsim_work_param beyond_params[] = {
    {"entries", "", "objects of 16 bytes that live, per thread", 100000, 1, 1 << 28},
    {"object_bytes", "bytes", "size of each piece of garbage", 512, 8, 1 << 24},
    {"garbage", "", "pieces of garbage, per thread", 1 << 20, 0, INT64_MAX}};

GCSIM_WORKLOAD(.name = "beyond", .about = "garbage over a live heap that is dear to mark",
               .run = beyond_run, GCSIM_PARAMS(beyond_params));
