#include "watch/graph.h"

#include "base/bits.h"

#ifndef GRAPH_REALLOC // tests put a failing allocator here
#define GRAPH_REALLOC realloc
#endif

enum {
    GRAPH_POLL_STEPS = 1 << 16,
    // What lies all over memory is asked for so many turns before it is looked at: about as many lines as a core waits for at once.
    GRAPH_AHEAD = 16,
};

static void *graph_alloc(uint64_t count, size_t item_bytes)
{
    uint64_t bytes;
    if (__builtin_mul_overflow(count + !count, (uint64_t)item_bytes, &bytes) || bytes > PTRDIFF_MAX)
        return NULL;
    return GRAPH_REALLOC(NULL, bytes);
}

static bool graph_stopped(const struct object_graph *g, uint64_t step)
{
    return UNLIKELY(step % GRAPH_POLL_STEPS == 0) && g->poll && g->poll(g->poll_arg);
}

CORE enum graph_code graph_check(const struct object_graph *g)
{
    if (g->nodes >= GRAPH_NONE - 1 || g->edge_start[0] != 0 || g->edge_start[g->nodes] != g->edges)
        return GRAPH_MALFORMED;
    for (uint32_t i = 0; i < g->nodes; i++)
        if (g->edge_start[i] > g->edge_start[i + 1])
            return GRAPH_MALFORMED;
    for (uint64_t e = 0; e < g->edges; e++)
        if (g->edge_dst[e] >= g->nodes)
            return GRAPH_MALFORMED;
    for (uint64_t r = 0; r < g->roots; r++)
        if (g->root_dst[r] >= g->nodes)
            return GRAPH_MALFORMED;
    return GRAPH_OK;
}

// A counting sort by target: count, sum up, and fill each row from its end, which moves its start there.
CORE enum graph_code graph_reverse(const struct object_graph *g, uint64_t *start, uint32_t *from,
                                   uint64_t *edge)
{
    memset(start, 0, (g->nodes + 1ull) * sizeof *start);
    for (uint64_t e = 0; e < g->edges; e++)
        start[g->edge_dst[e]]++;
    for (uint32_t i = 0; i < g->nodes; i++)
        start[i + 1] += start[i];
    for (uint32_t i = g->nodes; i-- > 0;) {
        if (graph_stopped(g, i))
            return GRAPH_STOPPED;
        for (uint64_t e = g->edge_start[i + 1]; e-- > g->edge_start[i];) {
            uint64_t at = --start[g->edge_dst[e]];
            from[at] = i;
            if (edge)
                edge[at] = e;
        }
    }
    start[g->nodes] = g->edges;
    return GRAPH_OK;
}

// --- dominators. All arrays go by preorder number; 0 is the one that stands for all roots.

// What the search for a node's semidominator reads of each node that it passes: one line of the cache.
struct graph_link {
    uint32_t
        ancestor; // in the forest of nodes that are done; GRAPH_NONE: the root of its tree, or not done yet
    uint32_t label; // with the least semidominator on the way to the ancestor ...
    uint32_t least; // ... which is this
    uint32_t semi;
};

struct graph_found {
    uint32_t node, by; // by: preorder number
};

struct graph_tree {
    uint32_t count;
    uint32_t *number; // of a node; GRAPH_NONE: not reached
    uint32_t *node, *parent, *dom, *bucket, *next, *stack;
    struct graph_link *link;
    uint64_t *
        seen; // a bit per node: it is asked of each edge, and fits into a cache where numbers do not
    uint64_t *pred_start,
        *sum; // one block: rows of predecessors are done with before anything is summed up
    union {
        struct graph_found *walk; // over before rows of predecessors are needed
        uint32_t *pred;
    };
};

static void tree_free(struct graph_tree *t)
{
    void *const rows[] = {t->number, t->node, t->parent, t->dom,        t->bucket, t->next,
                          t->stack,  t->link, t->seen,   t->pred_start, t->pred};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        free(rows[i]);
}

static bool tree_alloc(const struct object_graph *g, struct graph_tree *t)
{
    uint32_t **const rows[] = {&t->number, &t->node, &t->parent, &t->dom,
                               &t->bucket, &t->next, &t->stack};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!(*rows[i] = graph_alloc(g->nodes + 1ull, sizeof **rows[i])))
            return false;
    t->pred_start = t->sum = graph_alloc(g->nodes + 2ull, sizeof *t->pred_start);
    return t->pred_start && (t->link = graph_alloc(g->nodes + 1ull, sizeof *t->link)) &&
           (t->seen = graph_alloc(g->nodes / 64 + 1ull, sizeof *t->seen)) &&
           (t->walk = graph_alloc(g->edges + 1, sizeof *t->walk));
}

// Depth first from one root. Each node on the stack is below the one that found it last; who is taken from it has a number already, or gets one there.
static bool tree_walk(const struct object_graph *g, struct graph_tree *t, uint32_t root)
{
    uint64_t depth = 0;
    t->walk[depth++] = (struct graph_found){root, 0};
    while (depth > 0) {
        struct graph_found found = t->walk[--depth];
        if (bits_test(t->seen, found.node))
            continue;
        uint32_t v = t->count++;
        if (graph_stopped(g, v))
            return false;
        bits_set(t->seen, found.node);
        t->number[found.node] = v;
        t->node[v] = found.node;
        t->parent[v] = found.by;
        uint64_t start = g->edge_start[found.node];
        for (uint64_t e = g->edge_start[found.node + 1]; e-- > start;)
            if (!bits_test(t->seen, g->edge_dst[e])) {
                __builtin_prefetch(&g->edge_start[g->edge_dst[e]]);
                t->walk[depth++] = (struct graph_found){g->edge_dst[e], v};
            }
    }
    return true;
}

// The numbers of the targets of edges from `e` on, a few at once: who counts or sorts by them waits for memory once, not for each.
static uint32_t tree_target(const struct object_graph *g, const struct graph_tree *t, uint64_t e)
{
    if (e + 2 * GRAPH_AHEAD < g->edges)
        __builtin_prefetch(&t->number[g->edge_dst[e + 2 * GRAPH_AHEAD]]);
    if (e + GRAPH_AHEAD < g->edges) // of what is not reached there is no row, and no harm in asking
        __builtin_prefetch(&t->pred_start[t->number[g->edge_dst[e + GRAPH_AHEAD]]], 1);
    return t->number[g->edge_dst[e]];
}

// Who leads to whom among those reached, in preorder numbers: as graph_reverse does it.
static void tree_predecessors(const struct object_graph *g, struct graph_tree *t)
{
    memset(t->pred_start, 0, (t->count + 1ull) * sizeof *t->pred_start);
    for (uint32_t i = 0; i < g->nodes; i++)
        for (uint64_t e = g->edge_start[i]; bits_test(t->seen, i) && e < g->edge_start[i + 1]; e++)
            t->pred_start[tree_target(g, t, e)]++;
    for (uint32_t v = 0; v < t->count; v++)
        t->pred_start[v + 1] += t->pred_start[v];
    for (uint32_t i = 0; i < g->nodes; i++)
        for (uint64_t e = g->edge_start[i]; bits_test(t->seen, i) && e < g->edge_start[i + 1]; e++)
            t->pred[--t->pred_start[tree_target(g, t, e)]] = t->number[i];
}

// The node with the least semidominator on the way from v up to, but without, the root of its tree in the forest. The way is shortened as it is gone.
static const struct graph_link *tree_eval(struct graph_tree *t, uint32_t v)
{
    struct graph_link *link = t->link;
    if (link[v].ancestor == GRAPH_NONE)
        return &link[v];
    uint32_t depth = 0, u = v;
    for (uint32_t a; link[a = link[u].ancestor].ancestor != GRAPH_NONE; u = a)
        t->stack[depth++] = u;
    while (depth-- > 0) {
        u = t->stack[depth];
        const struct graph_link *above = &link[link[u].ancestor];
        if (above->least < link[u].least) {
            link[u].least = above->least;
            link[u].label = above->label;
        }
        link[u].ancestor = above->ancestor;
    }
    return &link[v];
}

static bool tree_semidominators(const struct object_graph *g, struct graph_tree *t)
{
    for (uint32_t w = t->count; w-- > 1;) {
        if (graph_stopped(g, w - 1))
            return false;
        uint32_t p = t->parent[w], semi = t->next[w] == 0 ? 0 : p;
        for (uint64_t i = t->pred_start[w + 1]; i-- > t->pred_start[w];) {
            if (i >= GRAPH_AHEAD)
                __builtin_prefetch(&t->link[t->pred[i - GRAPH_AHEAD]]);
            uint32_t from = t->pred[i]; // one with a lower number is not done: it is its own
            uint32_t least = from <= w ? from : tree_eval(t, from)->least;
            semi = least < semi ? least : semi;
        }
        t->link[w] = (struct graph_link){.ancestor = p, .label = w, .least = semi, .semi = semi};
        t->next[w] = t->bucket[semi];
        t->bucket[semi] = w;
        for (uint32_t v = t->bucket[p]; v != GRAPH_NONE; v = t->next[v]) {
            const struct graph_link *best = tree_eval(t, v);
            t->dom[v] = best->least < t->link[v].semi ? best->label : p;
        }
        t->bucket[p] = GRAPH_NONE;
    }
    return true;
}

static bool tree_build(const struct object_graph *g, struct graph_tree *t)
{
    memset(t->number, 0xff, (g->nodes + 1ull) * sizeof *t->number);
    memset(t->seen, 0, (g->nodes / 64 + 1ull) * sizeof *t->seen);
    t->node[0] = g->nodes;
    t->count = 1;
    for (uint64_t r = 0; r < g->roots; r++)
        if (!tree_walk(g, t, g->root_dst[r]))
            return false;
    tree_predecessors(g, t);
    memset(t->bucket, 0xff, t->count * sizeof *t->bucket);
    memset(t->next, 0xff, t->count * sizeof *t->next);
    for (uint32_t v = 0; v < t->count; v++)
        t->link[v].ancestor = GRAPH_NONE;
    for (uint64_t r = 0; r < g->roots; r++) // until its turn comes: 0 leads there
        t->next[t->number[g->root_dst[r]]] = 0;
    return tree_semidominators(g, t);
}

static void tree_results(const struct object_graph *g, struct graph_tree *t, uint32_t *idom,
                         uint64_t *retained)
{
    memset(idom, 0xff, g->nodes * sizeof *idom);
    memset(retained, 0, (g->nodes + 1ull) * sizeof *retained);
    t->sum[0] = 0;
    for (uint32_t w = 1; w < t->count; w++) {
        if (t->dom[w] != t->link[w].semi)
            t->dom[w] = t->dom[t->dom[w]];
        idom[t->node[w]] = t->node[t->dom[w]];
        t->sum[w] = g->bytes[t->node[w]];
    }
    for (uint32_t w = t->count; w-- > 0;) { // who dominates has the lower number
        retained[t->node[w]] = t->sum[w];
        if (w > 0)
            t->sum[t->dom[w]] += t->sum[w];
    }
}

CORE enum graph_code graph_dominators(const struct object_graph *g, uint32_t *idom,
                                      uint64_t *retained)
{
    struct graph_tree t = {0};
    enum graph_code code = GRAPH_NO_MEMORY;
    if (tree_alloc(g, &t))
        code = tree_build(g, &t) ? GRAPH_OK : GRAPH_STOPPED;
    if (code == GRAPH_OK)
        tree_results(g, &t, idom, retained);
    tree_free(&t);
    return code;
}

// --- paths

// What the next nodes of the queue will be asked.
static void queue_prefetch(const struct object_graph *g, const uint32_t *queue, uint32_t head,
                           uint32_t tail)
{
    if (tail - head > GRAPH_AHEAD)
        __builtin_prefetch(&g->edge_start[queue[head + GRAPH_AHEAD]]);
    if (tail - head > GRAPH_AHEAD / 2)
        __builtin_prefetch(&g->edge_dst[g->edge_start[queue[head + GRAPH_AHEAD / 2]]]);
}

CORE enum graph_code graph_shortest(const struct object_graph *g, uint32_t *parent, uint32_t *depth)
{
    uint32_t *queue = graph_alloc(g->nodes, sizeof *queue), head = 0, tail = 0;
    uint64_t words = g->nodes / 64 + 1ull, *seen = graph_alloc(words, sizeof *seen);
    bool stopped = false, has_memory = queue && seen;
    if (has_memory) {
        memset(seen, 0, words * sizeof *seen);
        memset(parent, 0xff, g->nodes * sizeof *parent);
        if (depth)
            memset(depth, 0xff, g->nodes * sizeof *depth);
    }
    for (uint64_t r = 0; has_memory && r < g->roots; r++)
        if (!bits_test(seen, g->root_dst[r])) {
            bits_set(seen, g->root_dst[r]);
            parent[queue[tail++] = g->root_dst[r]] = g->nodes;
            if (depth)
                depth[g->root_dst[r]] = 0;
        }
    while (head < tail && !(stopped = graph_stopped(g, head))) {
        queue_prefetch(g, queue, head, tail);
        uint32_t v = queue[head++];
        for (uint64_t e = g->edge_start[v]; e < g->edge_start[v + 1]; e++) {
            uint32_t u = g->edge_dst[e];
            if (!bits_test(seen, u)) {
                bits_set(seen, u);
                parent[queue[tail++] = u] = v;
                if (depth)
                    depth[u] = depth[v] + 1;
            }
        }
    }
    free(queue);
    free(seen);
    return !has_memory ? GRAPH_NO_MEMORY : stopped ? GRAPH_STOPPED : GRAPH_OK;
}

CORE uint64_t graph_via(const struct object_graph *g, const uint32_t *parent, uint32_t node)
{
    uint32_t v = parent[node];
    if (v == GRAPH_NONE)
        return UINT64_MAX;
    uint64_t at = v < g->nodes ? g->edge_start[v] : 0;
    const uint32_t *to = v < g->nodes ? g->edge_dst : g->root_dst;
    while (to[at] != node)
        at++;
    return at;
}

// A path from a node to the one asked for. `total` is its length and the shortest way from a root to its node: no path that it becomes is shorter,
// so taking the least first finds the paths in their order.
struct graph_partial {
    uint32_t node, next; // the partial path that begins one edge later; GRAPH_NONE: this is the end
    uint64_t via, total; // edge into `next`'s node, or with node == nodes, the root
};

struct graph_search {
    struct graph_partial *all;
    uint32_t *heap; // by total, then by age
    uint64_t count, waiting, room;
    uint64_t *rev_start, *rev_edge;
    uint32_t *rev_from, *parent, *depth;
};

static bool partial_before(const struct graph_search *s, uint32_t a, uint32_t b)
{
    return s->all[a].total != s->all[b].total ? s->all[a].total < s->all[b].total : a < b;
}

static void waiting_push(struct graph_search *s, uint32_t p)
{
    uint64_t i = s->waiting++;
    for (; i > 0 && partial_before(s, p, s->heap[(i - 1) / 2]); i = (i - 1) / 2)
        s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = p;
}

static uint32_t waiting_pop(struct graph_search *s)
{
    uint32_t first = s->heap[0], last = s->heap[--s->waiting];
    uint64_t i = 0;
    for (uint64_t child; (child = 2 * i + 1) < s->waiting; i = child) {
        child += child + 1 < s->waiting && partial_before(s, s->heap[child + 1], s->heap[child]);
        if (!partial_before(s, s->heap[child], last))
            break;
        s->heap[i] = s->heap[child];
    }
    s->heap[i] = last;
    return first;
}

// False: no room.
static bool partial_add(struct graph_search *s, struct graph_partial p)
{
    if (s->count == s->room)
        return false;
    s->all[s->count] = p;
    waiting_push(s, (uint32_t)s->count++);
    return true;
}

static bool is_on_path(const struct graph_search *s, uint32_t p, uint32_t node)
{
    for (; p != GRAPH_NONE; p = s->all[p].next)
        if (s->all[p].node == node)
            return true;
    return false;
}

// All that can stand before a partial path: an object that leads there and is not on it already, or a root.
static bool partial_extend(const struct object_graph *g, struct graph_search *s, uint32_t p)
{
    struct graph_partial at = s->all[p];
    uint64_t length = at.total - s->depth[at.node];
    for (uint64_t r = 0; s->depth[at.node] == 0 && r < g->roots; r++)
        if (g->root_dst[r] == at.node &&
            !partial_add(s, (struct graph_partial){g->nodes, p, r, length}))
            return false;
    for (uint64_t i = s->rev_start[at.node]; i < s->rev_start[at.node + 1]; i++) {
        uint32_t from = s->rev_from[i];
        if (s->parent[from] == GRAPH_NONE || is_on_path(s, p, from))
            continue;
        if (!partial_add(
                s, (struct graph_partial){from, p, s->rev_edge[i], length + 1 + s->depth[from]}))
            return false;
    }
    return true;
}

static bool search_alloc(const struct object_graph *g, struct graph_search *s)
{
    return (s->all = graph_alloc(s->room, sizeof *s->all)) &&
           (s->heap = graph_alloc(s->room, sizeof *s->heap)) &&
           (s->rev_start = graph_alloc(g->nodes + 1ull, sizeof *s->rev_start)) &&
           (s->rev_from = graph_alloc(g->edges, sizeof *s->rev_from)) &&
           (s->rev_edge = graph_alloc(g->edges, sizeof *s->rev_edge)) &&
           (s->parent = graph_alloc(g->nodes, sizeof *s->parent)) &&
           (s->depth = graph_alloc(g->nodes, sizeof *s->depth));
}

static void search_free(struct graph_search *s)
{
    free(s->all);
    free(s->heap);
    free(s->rev_start);
    free(s->rev_from);
    free(s->rev_edge);
    free(s->parent);
    free(s->depth);
}

// Writes a whole path behind those found before.
static bool path_found(struct graph_search *s, uint32_t p, uint64_t *found, uint64_t *end,
                       uint64_t **steps)
{
    uint64_t used = *found ? end[*found - 1] : 0, length = s->all[p].total + 1;
    uint64_t *more = GRAPH_REALLOC(*steps, (used + length) * sizeof **steps);
    if (!more)
        return false;
    *steps = more;
    for (; s->all[p].next != GRAPH_NONE; p = s->all[p].next)
        more[used++] = s->all[p].via;
    end[(*found)++] = used;
    return true;
}

static enum graph_code search_run(const struct object_graph *g, struct graph_search *s,
                                  uint64_t limit, uint64_t *found, uint64_t *end, uint64_t **steps,
                                  bool *complete)
{
    bool has_room = true;
    for (uint64_t step = 1; s->waiting && *found < limit; step++) {
        if (graph_stopped(g, step * 64)) // a partial path is long
            return GRAPH_STOPPED;
        uint32_t p = waiting_pop(s);
        if (s->all[p].node == g->nodes) {
            if (!path_found(s, p, found, end, steps))
                return GRAPH_NO_MEMORY;
        } else if (!partial_extend(g, s, p)) {
            has_room = false;
            break;
        }
    }
    *complete = has_room && s->waiting == 0;
    return GRAPH_OK;
}

CORE enum graph_code graph_paths(const struct object_graph *g, uint32_t node, uint64_t limit,
                                 uint64_t work, uint64_t *found, uint64_t *end, uint64_t **steps,
                                 bool *complete)
{
    struct graph_search s = {.room = work < GRAPH_NONE ? work : GRAPH_NONE - 1};
    *found = 0;
    *steps = NULL;
    *complete = true;
    enum graph_code code = search_alloc(g, &s) ? GRAPH_OK : GRAPH_NO_MEMORY;
    if (code == GRAPH_OK)
        code = graph_shortest(g, s.parent, s.depth);
    if (code == GRAPH_OK && s.parent[node] != GRAPH_NONE) {
        code = graph_reverse(g, s.rev_start, s.rev_from, s.rev_edge);
        if (code == GRAPH_OK) {
            *complete = false;
            if (partial_add(&s, (struct graph_partial){node, GRAPH_NONE, 0, s.depth[node]}))
                code = search_run(g, &s, limit, found, end, steps, complete);
        }
    }
    search_free(&s);
    if (code != GRAPH_OK) {
        free(*steps);
        *steps = NULL;
        *found = 0;
    }
    return code;
}
