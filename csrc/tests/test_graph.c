// Graphs of objects against what is true by definition: a node dominates another if without it no root reaches that one. Random graphs with cycles,
// loops, double edges and parts that nothing reaches; long chains; every allocation that fails; every poll that stops.
#include "base/core.h"
#include "failing_realloc.h"

#define GRAPH_REALLOC failing_realloc
#include "watch/graph.c"

#include <inttypes.h>

static int failures;
#define CHECK(cond)                                                                                \
    ((cond) ? true : (failures++, (void)printf("%s:%d: %s\n", __func__, __LINE__, #cond), false))

static uint64_t random_state;
static uint32_t below(uint32_t n)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return (uint32_t)((z ^ z >> 31) % n);
}

enum { MOST = 12, EDGES = 40 };

struct small {
    struct object_graph g;
    uint64_t bytes[MOST], start[MOST + 1];
    uint32_t dst[EDGES], roots[4];
};

static void make_random(struct small *s)
{
    uint32_t n = 1 + below(MOST);
    uint64_t m = 0;
    for (uint32_t i = 0; i < n; i++) {
        s->bytes[i] = 8 + 8 * below(9);
        s->start[i] = m;
        for (uint32_t k = below(4); k > 0; k--)
            s->dst[m++] = below(n);
    }
    s->start[n] = m;
    uint64_t roots = below(5);
    for (uint64_t r = 0; r < roots; r++)
        s->roots[r] = below(n);
    s->g = (struct object_graph){n, m, roots, s->bytes, s->start, s->dst, s->roots, NULL, NULL};
}

// What the roots reach if `without` is not there, as a bit set.
static uint32_t reach(const struct object_graph *g, uint32_t without)
{
    uint32_t seen = 0, before;
    for (uint64_t r = 0; r < g->roots; r++)
        seen |= g->root_dst[r] != without ? 1u << g->root_dst[r] : 0;
    do {
        before = seen;
        for (uint32_t i = 0; i < g->nodes; i++)
            for (uint64_t e = g->edge_start[i]; seen >> i & 1 && e < g->edge_start[i + 1]; e++)
                seen |= g->edge_dst[e] != without ? 1u << g->edge_dst[e] : 0;
    } while (seen != before);
    return seen;
}

static void check_dominators(const struct object_graph *g)
{
    uint32_t idom[MOST], all = reach(g, GRAPH_NONE), dominated[MOST + 1];
    uint64_t retained[MOST + 1];
    if (!CHECK(graph_dominators(g, idom, retained) == GRAPH_OK))
        return;
    for (uint32_t i = 0; i < g->nodes; i++)
        dominated[i] = all & ~reach(g, i);
    dominated[g->nodes] = all;
    for (uint32_t v = 0; v <= g->nodes; v++) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < g->nodes; i++)
            sum += dominated[v] >> i & 1 ? g->bytes[i] : 0;
        CHECK(retained[v] == sum);
    }
    for (uint32_t v = 0; v < g->nodes; v++) {
        // The immediate one is the dominator that dominates the fewest.
        uint32_t want = all >> v & 1 ? g->nodes : GRAPH_NONE;
        for (uint32_t d = 0; want != GRAPH_NONE && d < g->nodes; d++)
            if (d != v && dominated[d] >> v & 1 &&
                (want == g->nodes ||
                 __builtin_popcount(dominated[d]) < __builtin_popcount(dominated[want])))
                want = d;
        CHECK(idom[v] == want);
    }
}

static void check_shortest(const struct object_graph *g)
{
    uint32_t parent[MOST], depth[MOST], all = reach(g, GRAPH_NONE);
    uint32_t again[MOST];
    uint64_t via[MOST];
    if (!CHECK(graph_shortest(g, parent, depth) == GRAPH_OK) ||
        !CHECK(graph_shortest(g, again, NULL) == GRAPH_OK))
        return;
    CHECK(memcmp(parent, again, g->nodes * sizeof *parent) == 0);
    for (uint32_t v = 0; v < g->nodes; v++) {
        via[v] = graph_via(g, parent, v);
        CHECK((via[v] == UINT64_MAX) == (parent[v] == GRAPH_NONE));
    }
    uint32_t seen = 0; // what is at most `d` edges away, wave by wave
    for (uint64_t r = 0; r < g->roots; r++)
        seen |= 1u << g->root_dst[r];
    for (uint32_t d = 0; d <= g->nodes; d++) {
        uint32_t next = seen;
        for (uint32_t i = 0; i < g->nodes; i++) {
            CHECK((seen >> i & 1) == (depth[i] <= d));
            for (uint64_t e = g->edge_start[i]; seen >> i & 1 && e < g->edge_start[i + 1]; e++)
                next |= 1u << g->edge_dst[e];
        }
        seen = next;
    }
    for (uint32_t v = 0; v < g->nodes; v++) {
        CHECK((parent[v] != GRAPH_NONE) == (all >> v & 1));
        if (parent[v] == g->nodes)
            CHECK(depth[v] == 0 && g->root_dst[via[v]] == v);
        else if (parent[v] != GRAPH_NONE)
            CHECK(g->edge_dst[via[v]] == v && via[v] >= g->edge_start[parent[v]] &&
                  via[v] < g->edge_start[parent[v] + 1] && depth[v] == depth[parent[v]] + 1);
    }
}

// All simple paths from `at` to `node`, by trying everything: how many there are, by length.
static void count_paths(const struct object_graph *g, uint32_t at, uint32_t node, uint32_t on,
                        uint32_t length, uint64_t *counts)
{
    if (at == node) {
        counts[length]++;
        return;
    }
    for (uint64_t e = g->edge_start[at]; e < g->edge_start[at + 1]; e++)
        if (!(on >> g->edge_dst[e] & 1))
            count_paths(g, g->edge_dst[e], node, on | 1u << g->edge_dst[e], length + 1, counts);
}

static void check_paths(const struct object_graph *g, uint32_t node, uint64_t limit)
{
    enum { ROOM = 1 << 12 };
    static uint64_t end[ROOM];
    uint64_t counts[MOST] = {0}, total = 0, found, *steps;
    bool complete;
    for (uint64_t r = 0; r < g->roots; r++)
        count_paths(g, g->root_dst[r], node, 1u << g->root_dst[r], 0, counts);
    for (uint32_t d = 0; d < MOST; d++)
        total += counts[d];
    if (!CHECK(graph_paths(g, node, limit, 1 << 20, &found, end, &steps, &complete) == GRAPH_OK))
        return;
    CHECK(found == (total < limit ? total : limit));
    CHECK(total > limit ? !complete : total == limit || complete);
    uint64_t begin = 0, d = 0;
    for (uint64_t j = 0; j < found; begin = end[j++]) {
        uint32_t at = g->root_dst[steps[begin]], on = 1u << at;
        for (uint64_t i = begin + 1; i < end[j]; i++) {
            CHECK(steps[i] >= g->edge_start[at] && steps[i] < g->edge_start[at + 1]);
            at = g->edge_dst[steps[i]];
            CHECK(!(on >> at & 1));
            on |= 1u << at;
        }
        CHECK(at == node);
        while (d < MOST && counts[d] == 0)
            d++;
        CHECK(end[j] - begin - 1 == d); // shortest first, as many of each length as there are
        if (d < MOST)
            counts[d]--;
    }
    free(steps);
}

static void check_reverse(const struct object_graph *g)
{
    uint64_t start[MOST + 1], edge[EDGES];
    uint32_t from[EDGES];
    if (!CHECK(graph_reverse(g, start, from, edge) == GRAPH_OK))
        return;
    CHECK(start[0] == 0 && start[g->nodes] == g->edges);
    for (uint32_t v = 0; v < g->nodes; v++)
        for (uint64_t i = start[v]; i < start[v + 1]; i++)
            CHECK(g->edge_dst[edge[i]] == v && edge[i] >= g->edge_start[from[i]] &&
                  edge[i] < g->edge_start[from[i] + 1] && (i == start[v] || edge[i - 1] < edge[i]));
}

static void random_graphs(void)
{
#ifdef CORE_ASAN
    const uint64_t graphs = 4000; // it takes minutes for all
#else
    const uint64_t graphs = 20000;
#endif
    struct small s;
    for (random_state = 1; random_state < 1 + graphs * 1000003; random_state += 1000003) {
        uint64_t seed = random_state;
        make_random(&s);
        CHECK(graph_check(&s.g) == GRAPH_OK);
        check_dominators(&s.g);
        check_shortest(&s.g);
        check_reverse(&s.g);
        check_paths(&s.g, below(s.g.nodes), 1 + below(4096));
        check_paths(&s.g, below(s.g.nodes), 1 + below(3));
        random_state = seed;
        if (failures > 10)
            return;
    }
}

// A chain as long as a stack is not, and back from each node to the first: no recursion, no quadratic time.
static void chains(void)
{
    enum { LONG = 1 << 20 };
    uint64_t *bytes = malloc(LONG * sizeof *bytes), *start = malloc((LONG + 1) * sizeof *start);
    uint32_t *dst = malloc(2ull * LONG * sizeof *dst), *idom = malloc(LONG * sizeof *idom);
    uint64_t *retained = malloc((LONG + 1) * sizeof *retained), m = 0;
    const uint32_t root = 0;
    INVARIANT(bytes && start && dst && idom && retained);
    for (uint32_t i = 0; i < LONG; i++) {
        bytes[i] = 16;
        start[i] = m;
        if (i + 1 < LONG)
            dst[m++] = i + 1;
        dst[m++] = i / 2;
    }
    start[LONG] = m;
    struct object_graph g = {LONG, m, 1, bytes, start, dst, &root, NULL, NULL};
    CHECK(graph_check(&g) == GRAPH_OK && graph_dominators(&g, idom, retained) == GRAPH_OK);
    bool ok = idom[0] == LONG && retained[LONG] == 16ull * LONG;
    for (uint32_t i = 1; i < LONG; i++)
        ok &= idom[i] == i - 1 && retained[i] == 16ull * (LONG - i);
    CHECK(ok);
    free(bytes);
    free(start);
    free(dst);
    free(idom);
    free(retained);
}

static void malformed(void)
{
    uint64_t bytes[2] = {8, 8}, start[3] = {0, 1, 2};
    uint32_t dst[2] = {1, 0}, root = 0;
    struct object_graph g = {2, 2, 1, bytes, start, dst, &root, NULL, NULL};
    CHECK(graph_check(&g) == GRAPH_OK);
    dst[1] = 2;
    CHECK(graph_check(&g) == GRAPH_MALFORMED);
    dst[1] = 0, root = 2;
    CHECK(graph_check(&g) == GRAPH_MALFORMED);
    root = 0, start[1] = 3;
    CHECK(graph_check(&g) == GRAPH_MALFORMED);
    start[1] = 1, start[2] = 1;
    CHECK(graph_check(&g) == GRAPH_MALFORMED);
    start[2] = 2, start[0] = 1;
    CHECK(graph_check(&g) == GRAPH_MALFORMED);
}

static int countdown(void *arg) { return --*(long *)arg < 0; }

enum { CALLS = 3 };

static enum graph_code call(const struct object_graph *g, int which)
{
    uint32_t a[MOST], b[MOST];
    uint64_t c[MOST + 1], end[4], found, *steps;
    bool complete;
    switch (which) {
    case 0:
        return graph_dominators(g, a, c);
    case 1:
        return graph_shortest(g, a, b);
    default: {
        enum graph_code code = graph_paths(g, 0, 4, 1000, &found, end, &steps, &complete);
        CHECK(code == GRAPH_OK || (found == 0 && steps == NULL));
        free(steps);
        return code;
    }
    }
}

static void failures_and_stops(void)
{
    struct small s;
    random_state = 5;
    do
        make_random(&s);
    while (s.g.nodes < 8 || s.g.roots < 2 || !(reach(&s.g, GRAPH_NONE) & 1));
    for (int which = 0; which < CALLS; which++) {
        long n = 0;
        for (enum graph_code code = GRAPH_NO_MEMORY; code != GRAPH_OK && n < 100; n++) {
            allocations_left = n;
            code = call(&s.g, which);
            CHECK(code == GRAPH_OK || code == GRAPH_NO_MEMORY);
        }
        allocations_left = -1;
        CHECK(n > 1 && n < 100);
        long stops = 0;
        for (enum graph_code code = GRAPH_STOPPED; code != GRAPH_OK && stops < 100; stops++) {
            long left = stops;
            s.g.poll = countdown, s.g.poll_arg = &left;
            code = call(&s.g, which);
            CHECK(code == GRAPH_OK || code == GRAPH_STOPPED);
        }
        CHECK(stops > 1 && stops < 100);
        s.g.poll = NULL;
    }
}

int main(void)
{
    random_graphs();
    chains();
    malformed();
    failures_and_stops();
    printf("%s\n", failures ? "FAILED" : "graphs: all agree");
    return failures != 0;
}
