// Binary trees, in the shape of the benchmarks game: a tree one deeper than asked is built and dropped, one of full depth lives on, and
// many small ones are built, counted and dropped. Live: 32 bytes * 2^depth and the stacks; allocated: about depth / 2 times as much * 16.
#include "gcsim/workload.h"

#include <stdbool.h>

enum { TREES_SHORTEST = 4 };
enum { TREES_LONG_LIVED, TREES_COUNTED }; // slots that no depth uses

struct tree {
    struct tree *left, *right;
};

struct trees {
    const gcsim_api *api;
    gcsim_mutator *m;
    gcsim_work *w;
    const gcsim_type *node;
    void **slots; // slots 2 * d and 2 * d + 1 belong to depth d, as a compiler lays out a stack
};

static struct tree *trees_build(struct trees *x, unsigned depth)
{
    if (depth == 0)
        return gcsim_new(x->m, x->node);
    void **children = x->slots + 2 * depth;
    children[0] = trees_build(x, depth - 1);
    children[1] = children[0] ? trees_build(x, depth - 1) : NULL;
    struct tree *t =
        children[1] ? gcsim_new(x->m, x->node) : NULL; // a poll: the children are in slots
    if (t) {
        gcsim_store(x->m, &t->left, children[0]);
        gcsim_store(x->m, &t->right, children[1]);
    }
    children[0] = children[1] = NULL; // dead from here on, as in Go's stack map
    return t;
}

// Nodes of a tree; a damaged one has another number, or a node with one child, which counts for 2^32.
// Polls: it is in a slot.
static uint64_t trees_count(gcsim_mutator *m, const struct tree *t)
{
    if (!t->left && !t->right)
        return 1;
    gcsim_safepoint(m);
    if (!t->left || !t->right)
        return (uint64_t)1 << 32;
    return 1 + trees_count(m, t->left) + trees_count(m, t->right);
}

// Builds, counts, drops; false with an error.
static bool trees_one(struct trees *x, unsigned depth)
{
    struct tree *t = trees_build(x, depth);
    x->slots[TREES_COUNTED] = t;
    if (!t) {
        gcsim_work_no_memory(x->m, x->w);
        return false;
    }
    uint64_t n = trees_count(x->m, t);
    x->slots[TREES_COUNTED] = NULL;
    if (n != ((uint64_t)2 << depth) - 1) {
        gcsim_work_fail(x->w, "a tree of depth %u has %llu nodes", depth, (unsigned long long)n);
        return false;
    }
    x->w->checksum += depth * n;
    return true;
}

static int trees_run(const gcsim_api *api, gcsim_mutator *m, void *arg)
{
    gcsim_work *w = arg;
    uint64_t both = 3;
    unsigned deepest = (unsigned)w->params[0];
    struct trees x = {api, m, w, gcsim_work_type(api, m, "tree", 2, &both, 2),
                      gcsim_work_slots(api, m, w, 64)};
    if (!x.node || !x.slots)
        return gcsim_work_no_memory(m, w);
    gcsim_work_phase(w, "stretch");
    if (!trees_one(&x, deepest + 1))
        return 1;
    gcsim_work_phase(w, "long-lived tree");
    struct tree *long_lived = trees_build(&x, deepest);
    if (!(x.slots[TREES_LONG_LIVED] = long_lived))
        return gcsim_work_no_memory(m, w);
    gcsim_work_phase(w, "short-lived trees");
    for (unsigned d = TREES_SHORTEST; d <= deepest; d += 2)
        for (uint64_t i = 0; i < (uint64_t)1 << (deepest - d + TREES_SHORTEST); i++) {
            if (gcsim_work_poll(m, w))
                return 0;
            if (!trees_one(&x, d))
                return 1;
        }
    gcsim_work_phase(w, "last count");
    uint64_t n = trees_count(m, x.slots[TREES_LONG_LIVED]);
    if (n != ((uint64_t)2 << deepest) - 1)
        return gcsim_work_fail(w, "the long-lived tree has %llu nodes", (unsigned long long)n);
    w->checksum += n;
    return 0;
}

static const gcsim_work_param trees_params[] = {
    {"depth", "", "levels below the root of the long-lived tree", 16, TREES_SHORTEST, 28}};

static const gcsim_workload trees_workload = {
    .version = GCSIM_WORKLOAD_VERSION,
    .name = "binary-trees",
    .about = "trees of 16-byte nodes are built, counted and dropped beside one that lives on",
    .run = trees_run,
    .op_ps = TREES_OP_PS,
    .shade_ps = TREES_SHADE_PS,
    GCSIM_PARAMS(trees_params)};
