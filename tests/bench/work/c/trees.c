// Binary trees: trees of 16-byte nodes are built from the leaves up, counted and dropped, while one large tree lives on. Several threads
// share the trees of each depth.
#include "work.h"

struct node {
    struct node *left, *right;
};

enum { SHORTEST = 4, LONG_LIVED = ROOTS - 1 };

struct trees {
    struct kind node;
    unsigned depth, threads;
    uint64_t checks[MOST_THREADS];
};

// The roots 2 * depth and 2 * depth + 1 hold the children of a node of that depth.
static struct node *build(struct thread *t, struct kind k, unsigned depth)
{
    if (depth == 0) {
        struct node *leaf = make_unset(t, k);
        if (!MEMORY_PRECISE)
            leaf->left = leaf->right = NULL;
        return leaf;
    }
    struct node *local[2],
        **children = MEMORY_PRECISE ? (struct node **)t->roots + 2 * depth : local;
    children[0] = build(t, k, depth - 1);
    children[1] = build(t, k, depth - 1);
    struct node *n = make_unset(t, k); // a collection may run here: the children are in roots
    put(t, &n->left, children[0]);
    put(t, &n->right, children[1]);
    children[0] = children[1] = NULL; // dead in Go's stack map from here on
    return n;
}

static uint64_t count(const struct node *n)
{
    return n->left ? 1 + count(n->left) + count(n->right) : 1;
}

static void drop_all(struct node *n)
{
    if (n->left) {
        drop_all(n->left);
        drop_all(n->right);
    }
    drop(n);
}

static uint64_t build_and_count(struct thread *t, struct kind k, unsigned depth)
{
    struct node *tree = build(t, k, depth);
    uint64_t n = count(tree);
    if (MEMORY_FREES)
        drop_all(tree);
    return n;
}

static void share(struct thread *t, unsigned index, void *arg)
{
    struct trees *x = arg;
    uint64_t check = 0;
    for (unsigned d = SHORTEST; d <= x->depth; d += 2)
        for (uint64_t i = index; i < (uint64_t)1 << (x->depth - d + SHORTEST); i += x->threads)
            check += d * build_and_count(t, x->node, d);
    x->checks[index] = check;
}

uint64_t work_trees(struct thread *t, char **words)
{
    static struct trees x;
    x = (struct trees){.depth = (unsigned)number(words[0]), .threads = thread_count(words[1])};
    if (x.depth < SHORTEST || x.depth > 28)
        die("the depth is from 4 to 28");
    uint64_t start = now_ns();
    x.node = kind_of(t, sizeof(struct node), 2);
    uint64_t check = build_and_count(t, x.node, x.depth + 1); // stretch the heap
    struct node *long_lived = build(t, x.node, x.depth);
    t->roots[LONG_LIVED] = long_lived;
    run_threads(t, x.threads, share, &x);
    for (unsigned i = 0; i < x.threads; i++)
        check += x.checks[i];
    check += count(t->roots[LONG_LIVED]);
    print_seconds(start);
    return check;
}
