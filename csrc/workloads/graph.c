// A random graph that changes all the time: edges are turned to other nodes, payloads replaced, and nodes replaced by successors, while
// the edges of others still lead to the predecessor. A random walk checks what it meets. Each thread has a graph; together they have `live` bytes.
#include "gcsim/workload.h"

#include <stdbool.h>

enum { GRAPH_EDGES = 4, GRAPH_WALK = 4 };

struct graph_node {
    struct graph_node *edges[GRAPH_EDGES];
    uint64_t *payload;
    uint64_t key, version;
};

enum { GRAPH_NODES, GRAPH_FRESH, GRAPH_SLOTS };

struct graph {
    gcsim_mutator *m;
    gcsim_work *w;
    void **slots;
    const gcsim_type *node, *payload;
    uint64_t count, words;
};

static struct graph_node *graph_at(struct graph *g, uint64_t i)
{
    return ((struct graph_node **)g->slots[GRAPH_NODES])[i];
}

static uint64_t graph_stamp(const struct graph_node *n)
{
    return gcsim_mix(n->key << 24 ^ n->version);
}

static bool graph_intact(const struct graph *g, const struct graph_node *n)
{
    return n->key < g->count && n->payload && n->payload[0] == graph_stamp(n) &&
           n->payload[g->words - 1] == graph_stamp(n);
}

// A fresh payload for the node, of its next version.
static bool graph_renew(struct graph *g, struct graph_node *n)
{
    g->slots[GRAPH_FRESH] = n;
    uint64_t *payload = gcsim_new(g->m, g->payload);
    if (!payload)
        return false;
    n->version++;
    payload[0] = payload[g->words - 1] = graph_stamp(n);
    gcsim_store(g->m, &n->payload, payload);
    g->slots[GRAPH_FRESH] = NULL;
    return true;
}

// A new node in place i. It takes over the edges of the one before, which keeps none, so that what is superseded holds nothing alive.
static bool graph_replace(struct graph *g, uint64_t i)
{
    struct graph_node *n = gcsim_new(g->m, g->node), *old = graph_at(g, i);
    if (!n)
        return false;
    n->key = i;
    if (old) {
        n->version = old->version;
        for (int e = 0; e < GRAPH_EDGES; e++) {
            gcsim_store(g->m, &n->edges[e], old->edges[e]);
            gcsim_store(g->m, &old->edges[e], NULL);
        }
    }
    gcsim_store(g->m, (struct graph_node **)g->slots[GRAPH_NODES] + i, n);
    return graph_renew(g, n);
}

static void graph_turn_edge(struct graph *g, struct graph_node *n)
{
    struct graph_node *to = graph_at(g, gcsim_below(&g->w->random, g->count));
    gcsim_store(g->m, &n->edges[gcsim_below(&g->w->random, GRAPH_EDGES)], to);
}

static bool graph_walk(struct graph *g, const struct graph_node *n)
{
    for (int i = 0; n && i < GRAPH_WALK; i++) {
        if (!graph_intact(g, n)) {
            gcsim_work_fail(g->w, "node %llu is damaged", (unsigned long long)n->key);
            return false;
        }
        g->w->checksum += graph_stamp(n);
        n = n->edges[gcsim_below(&g->w->random, GRAPH_EDGES)];
    }
    return true;
}

static bool graph_build(struct graph *g)
{
    for (uint64_t i = 0; i < g->count; i++)
        if (gcsim_work_poll(g->m, g->w))
            return true;
        else if (!graph_replace(g, i))
            return false;
    for (uint64_t i = 0; i < g->count * GRAPH_EDGES && !gcsim_work_poll(g->m, g->w); i++)
        graph_turn_edge(g, graph_at(g, i % g->count));
    return true;
}

static int graph_run(const gcsim_api *api, gcsim_mutator *m, void *arg)
{
    gcsim_work *w = arg;
    uint64_t first = 1, five = 31, payload = (uint64_t)w->params[1];
    struct graph g = {.m = m,
                      .w = w,
                      .words = payload / 8,
                      .count = (uint64_t)w->params[0] / w->threads /
                               (sizeof(struct graph_node) + 8 + payload),
                      .node = gcsim_work_type(api, m, "graph node", 7, &five, 5),
                      .payload = gcsim_work_bytes(api, m, "graph payload", payload / 8 * 8)};
    const gcsim_type *pointer = gcsim_work_type(api, m, "pointer", 1, &first, 1);
    g.count += !g.count;
    g.slots = gcsim_work_slots(api, m, w, GRAPH_SLOTS);
    if (!g.node || !g.payload || !pointer || !g.slots ||
        !(g.slots[GRAPH_NODES] = api->new_array(m, pointer, g.count)))
        return gcsim_work_no_memory(m, w);
    gcsim_work_phase(w, "build");
    if (!graph_build(&g))
        return gcsim_work_no_memory(m, w);
    gcsim_work_phase(w, "change");
    for (int64_t step = 0; step < w->params[2] && !gcsim_work_poll(m, w); step++) {
        uint64_t i = gcsim_below(&w->random, g.count), what = gcsim_below(&w->random, 4);
        if (what == 0 ? !graph_replace(&g, i) : what == 1 && !graph_renew(&g, graph_at(&g, i)))
            return gcsim_work_no_memory(m, w);
        graph_turn_edge(&g, graph_at(&g, i));
        if (!graph_walk(&g, graph_at(&g, i)))
            return 1;
    }
    return 0;
}

static const gcsim_work_param graph_params[] = {
    {"live", "bytes", "of all threads' graphs together", 32 << 20, 1024, (int64_t)1 << 40},
    {"payload", "bytes", "that each node carries, without pointers", 128, 8, 1 << 20},
    {"steps", "", "changes, per thread", 4000000, 0, INT64_MAX}};

static const gcsim_workload graph_workload = {
    .version = GCSIM_WORKLOAD_VERSION,
    .name = "graph",
    .about = "a random graph whose edges, payloads and nodes change",
    .run = graph_run,
    .op_ps = GRAPH_OP_PS,
    .shade_ps = GRAPH_SHADE_PS,
    GCSIM_PARAMS(graph_params)};
