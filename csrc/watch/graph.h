// What can be said of a graph of objects once it stands still: dominators, retained sizes, paths from the roots.
//
// Pure functions over compressed rows: the living heap and a dump of Go's become the same four arrays. Nothing recurses, memory comes from
// malloc and is given back before a function returns (but for its results), and all but the k paths take near-linear time.
#pragma once

#include "base/core.h"

enum graph_code {
    GRAPH_OK,
    GRAPH_MALFORMED, // an edge or a root that leads to no node, rows that do not ascend
    GRAPH_NO_MEMORY,
    GRAPH_STOPPED, // poll() asked for it
};

enum {
    GRAPH_NONE = UINT32_MAX
}; // no such node: what no root reaches has no parent and no dominator

// Nodes are numbers below `nodes`; the number `nodes` itself stands for all roots together.
struct object_graph {
    uint32_t nodes;
    uint64_t edges, roots;
    const uint64_t *bytes; // nodes
    const uint64_t
        *edge_start; // nodes + 1: edges of node i are edge_dst[edge_start[i] .. edge_start[i + 1])
    const uint32_t *edge_dst; // edges
    const uint32_t *root_dst; // roots
    int (*poll)(void *);      // may be null; called every few ten thousand steps, non-zero stops
    void *poll_arg;
};

// Everything below wants a graph that was found well formed once.
CORE enum graph_code graph_check(const struct object_graph *g);

// The edges backwards: those that lead to node i are from[start[i] .. start[i + 1]) and have the numbers `edge` (may be null). The caller has
// room for nodes + 1, edges, edges.
CORE enum graph_code graph_reverse(const struct object_graph *g, uint64_t *start, uint32_t *from,
                                   uint64_t *edge);

// Immediate dominators (Lengauer and Tarjan 1979, with path compression: m log n at worst, linear in practice) and what each node retains: its
// bytes and those of all that it dominates. idom[i] is `nodes` if no single node dominates i. Room for `nodes`, and `nodes` + 1: retained[nodes]
// is all that the roots reach.
CORE enum graph_code graph_dominators(const struct object_graph *g, uint32_t *idom,
                                      uint64_t *retained);

// A tree of shortest paths, by breadth-first search in the order of roots and edges: parent[i] is the node before i, or `nodes` if a root leads
// there; depth[i] is the number of edges (may be null). Room for `nodes` each.
CORE enum graph_code graph_shortest(const struct object_graph *g, uint32_t *parent,
                                    uint32_t *depth);

// The number of the edge, or of the root, by which a node is reached in such a tree; UINT64_MAX: it is not.
CORE uint64_t graph_via(const struct object_graph *g, const uint32_t *parent, uint32_t node);

// Up to `limit` paths from the roots to a node, none through a node twice, shortest first. Path j is steps[end[j - 1] .. end[j]): the root's
// number, then the numbers of the edges. At most `work` partial paths are looked at; *complete says that there are no more paths than those found.
// `steps` (malloc) is the caller's to free; `end` has room for `limit`.
CORE enum graph_code graph_paths(const struct object_graph *g, uint32_t node, uint64_t limit,
                                 uint64_t work, uint64_t *found, uint64_t *end, uint64_t **steps,
                                 bool *complete);
