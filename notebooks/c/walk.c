// Sums the numbers of an array, or of a list whose nodes lie in the order of the list or in any: for 07_performance.ipynb.
#include <gcsim/workload.h>
#include <stdlib.h>

struct node {
    uint64_t value;
    struct node *next;
};

enum { ARRAY, IN_ORDER, SHUFFLED };

// The list through all nodes of the array at `nodes`, beginning with number 0.
static int link_nodes(gcsim_mutator *m, gcsim_work *w, struct node *nodes, uint64_t n, int64_t what)
{
    uint64_t *order = malloc(n * sizeof *order);
    if (!order)
        return gcsim_work_fail(w, "no memory");
    for (uint64_t i = 0; i < n; i++) {
        uint64_t j = what == SHUFFLED && i > 1 ? 1 + gcsim_below(&w->random, (uint32_t)i) : i;
        order[i] = order[j];
        order[j] = i;
        nodes[i].value = i;
    }
    for (uint64_t i = 0; i + 1 < n; i++)
        gcsim_store(m, &nodes[order[i]].next, &nodes[order[i + 1]]);
    free(order);
    return 0;
}

static uint64_t sum(const void *data, uint64_t n, int64_t what)
{
    uint64_t total = 0;
    if (what == ARRAY)
        for (const volatile uint64_t *p = data, *end = p + n; p < end; p++)
            total += *p;
    else
        for (const struct node *p = data; p; p = p->next)
            total += p->value;
    return total;
}

static int run(const gcsim_api *api, gcsim_mutator *m, void *arg)
{
    gcsim_work *w = arg;
    int64_t what = w->params[0], rounds = w->params[2];
    uint64_t n = (uint64_t)w->params[1], second = 2;
    const gcsim_type *type = what == ARRAY ? gcsim_work_bytes(api, m, "number", 8)
                                           : gcsim_work_type(api, m, "node", 2, &second, 2);
    void **slots = gcsim_work_slots(api, m, w, 1);
    if (!type || !slots || !(slots[0] = api->new_array(m, type, n)))
        return gcsim_work_no_memory(m, w);
    if (what == ARRAY)
        for (uint64_t i = 0; i < n; i++)
            ((uint64_t *)slots[0])[i] = i;
    else if (link_nodes(m, w, slots[0], n, what))
        return -1;
    for (int64_t i = 0; i < rounds && !gcsim_work_poll(m, w); i++)
        w->checksum += sum(slots[0], n, what);
    return 0;
}

static const gcsim_work_param params[] = {
    {"what", "", "0: an array; 1: a list in the order of its nodes; 2: in any", 0, 0, 2},
    {"count", "", "numbers", 1000000, 1, 1 << 26},
    {"rounds", "", "how often they are summed", 10, 0, 1 << 20},
};
GCSIM_WORKLOAD(.name = "walk", .about = "sums an array or a list", .run = run,
               GCSIM_PARAMS(params));
