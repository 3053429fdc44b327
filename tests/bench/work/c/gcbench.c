// The plan of Ellis, Kovac and Boehm's GCBench: a long-lived tree and a large array of numbers stay; trees of growing depth are made and
// dropped, half of them from the root down, half from the leaves up. DEPTH is that of the long-lived tree (16 there).
#include "work.h"

struct node {
    struct node *left, *right;
    uint32_t i, j;
};

enum { SHORTEST = 4, LONG_LIVED = ROOTS - 1, NUMBERS_ROOT = ROOTS - 2, NUMBERS = 500000 };

static struct kind node;

static uint64_t tree_size(unsigned depth) { return ((uint64_t)1 << (depth + 1)) - 1; }

// From the root down: the node is reachable already, so its children are stored into an old object.
static void populate(struct thread *t, unsigned depth, struct node *n)
{
    if (depth == 0)
        return;
    put(t, &n->left, make(t, node));
    put(t, &n->right, make(t, node));
    populate(t, depth - 1, n->left);
    populate(t, depth - 1, n->right);
}

static struct node *from_the_leaves(struct thread *t, unsigned depth)
{
    if (depth == 0)
        return make(t, node);
    struct node *local[2],
        **children = MEMORY_PRECISE ? (struct node **)t->roots + 2 * depth : local;
    children[0] = from_the_leaves(t, depth - 1);
    children[1] = from_the_leaves(t, depth - 1);
    struct node *n = make(t, node);
    put(t, &n->left, children[0]);
    put(t, &n->right, children[1]);
    children[0] = children[1] = NULL;
    return n;
}

static uint64_t count_and_drop(struct node *n, bool dropping)
{
    uint64_t nodes = 1;
    if (n->left)
        nodes += count_and_drop(n->left, dropping) + count_and_drop(n->right, dropping);
    if (dropping)
        drop(n);
    return nodes;
}

uint64_t work_gcbench(struct thread *t, char **words)
{
    unsigned longest = (unsigned)number(words[0]);
    if (longest < SHORTEST || longest > 24)
        die("the depth is from 4 to 24");
    uint64_t start = now_ns(), check = 0;
    node = kind_of(t, sizeof(struct node), 2);
    t->roots[LONG_LIVED] = make(t, node);
    populate(t, longest, t->roots[LONG_LIVED]);
    uint64_t *numbers = t->roots[NUMBERS_ROOT] = make(t, kind_of(t, NUMBERS * 8, 0));
    for (uint64_t i = 0; i < NUMBERS / 2; i++)
        numbers[i] = i;
    for (unsigned d = SHORTEST; d <= longest; d += 2) {
        uint64_t trees = 2 * tree_size(longest + 2) / tree_size(d);
        for (uint64_t i = 0; i < trees; i++) {
            struct node *n = t->roots[0] = make(t, node);
            populate(t, d, n);
            check += count_and_drop(n, MEMORY_FREES);
        }
        for (uint64_t i = 0; i < trees; i++) {
            t->roots[0] = NULL;
            check += count_and_drop(from_the_leaves(t, d), MEMORY_FREES);
        }
    }
    check += count_and_drop(t->roots[LONG_LIVED], false) + numbers[1000];
    print_seconds(start);
    return check;
}
