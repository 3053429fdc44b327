// A full collection of a live graph of 16-byte objects, per live object, and of an empty heap.
//
//   tree     complete, built from the leaves up
//   random   allocated in address order, two links each to any other; about four fifths are reachable
//   list     allocated in the order in which it is linked
#include "work.h"

enum { MOST_ROUNDS = 64 };

struct node {
    struct node *left, *right;
};

static struct kind node;

// The oracle: how many objects the links reach from object 0.
static uint64_t reachable(const uint32_t *links, uint32_t n)
{
    bool *seen = sure(calloc(n, sizeof *seen));
    uint32_t *todo = sure(malloc(n * sizeof *todo));
    uint64_t reached = 1, waiting = 1;
    todo[0] = 0;
    seen[0] = true;
    while (waiting) {
        uint32_t at = todo[--waiting];
        for (int k = 0; k < 2; k++) {
            uint32_t to = links[2 * (uint64_t)at + k];
            if (!seen[to]) {
                seen[to] = true;
                reached++;
                todo[waiting++] = to;
            }
        }
    }
    free(seen);
    free(todo);
    return reached;
}

static uint64_t random_graph(struct thread *t, uint32_t n)
{
    void **all = t->roots[0] = make_array(t, n);
    for (uint32_t i = 0; i < n; i++)
        put(t, &all[i], make(t, node));
    uint64_t seed = 1, reached;
    uint32_t *links = sure(malloc((uint64_t)n * 2 * sizeof *links));
    for (uint64_t i = 0; i < 2 * (uint64_t)n; i++) {
        links[i] = bench_below(&seed, n);
        put(t, (void **)all[i / 2] + i % 2, all[links[i]]);
    }
    reached = reachable(links, n);
    free(links);
    t->roots[1] = all[0];
    t->roots[0] = NULL;
    return reached;
}

static uint64_t list(struct thread *t, uint32_t n)
{
    struct node *last = t->roots[1] = make(t, node);
    for (uint32_t i = 1; i < n; i++) {
        struct node *next = make(t, node);
        put(t, &last->left, next);
        last = next;
    }
    return n;
}

static struct node *build(struct thread *t, unsigned depth)
{
    if (depth == 0)
        return make(t, node);
    void **children = t->roots + 2 * depth;
    children[0] = build(t, depth - 1);
    children[1] = build(t, depth - 1);
    struct node *n = make(t, node);
    put(t, &n->left, children[0]);
    put(t, &n->right, children[1]);
    children[0] = children[1] = NULL;
    return n;
}

// The complete tree with at most n nodes.
static uint64_t tree(struct thread *t, uint32_t n)
{
    unsigned depth = 0;
    while (((uint64_t)4 << depth) - 1 <= n)
        depth++;
    struct node *root = build(t, depth);
    t->roots[1] = root;
    return ((uint64_t)2 << depth) - 1;
}

uint64_t work_mark(struct thread *t, char **words)
{
    uint64_t n = number(words[1]), rounds = number(words[2]);
    if (n < 1000 || n > 1 << 28 || rounds < 1 || rounds > MOST_ROUNDS)
        die("1000 to 2^28 objects, 1 to 64 rounds");
    collect_by_hand(t);
    node = kind_of(t, sizeof(struct node), 2);
    uint64_t live = (!strcmp(words[0], "tree")     ? tree
                     : !strcmp(words[0], "random") ? random_graph
                                                   : list)(t, (uint32_t)n);
    collect(t); // warm-up; frees what cannot be reached
    double ns[MOST_ROUNDS];
    for (uint64_t i = 0; i < rounds; i++) {
        uint64_t start = now_ns();
        collect(t);
        ns[i] = (double)(now_ns() - start) / (double)live;
        if (MEMORY_PRECISE && marked(t) != live)
            die("the collection marked another number of objects than the links reach");
    }
    print_list("ns_per_object", ns, (unsigned)rounds);
    printf(", ");
    return live;
}

uint64_t work_empty(struct thread *t, char **words)
{
    enum { MOST = 4096 };
    uint64_t parked = number(words[0]), rounds = number(words[1]);
    static double us[MOST];
    if (rounds < 1 || rounds > MOST)
        die("1 to 4096 rounds");
    for (uint64_t i = 0; i < parked; i++)
        park(t);
    for (uint64_t i = 0; i < 20; i++) // the workers wake up
        collect(t);
    for (uint64_t i = 0; i < rounds; i++) {
        uint64_t start = now_ns();
        collect(t);
        us[i] = (double)(now_ns() - start) / 1e3;
    }
    print_list("us", us, (unsigned)rounds);
    printf(", ");
    return 0;
}
