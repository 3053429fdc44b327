// Binary trees: trees of 16-byte nodes are built from the leaves up, counted and dropped, while one large tree lives on. One thread;
// collections start at the heap's trigger. The same work in Go: tests/bench/go/trees.go.
//
//   trees DEPTH flat|frames stopped|concurrent
//
// flat: one frame with two slots for each level of recursion, as a compiler lays out a stack; frames: one pushed and popped at each node with
// children.
#include "bench.h"

struct node {
    struct node *left, *right;
};

struct builder {
    struct bench b;
    const gcsim_type *node, *frame;
    void **slots; // flat: slots 2 * d and 2 * d + 1 belong to depth d
};

enum { SHORTEST = 4, LONG_LIVED_SLOT = 63 };

static struct node *node_of(struct builder *x, struct node **children)
{
    struct node *n = bench_new(x->b.m, x->node); // a poll: the children must be in slots
    gcsim_store(x->b.m, &n->left, children[0]);
    gcsim_store(x->b.m, &n->right, children[1]);
    children[0] = children[1] = NULL; // dead in Go's stack map from here on
    return n;
}

static struct node *build_flat(struct builder *x, unsigned depth)
{
    if (depth == 0)
        return bench_new(x->b.m, x->node);
    struct node **children = (struct node **)x->slots + 2 * depth;
    children[0] = build_flat(x, depth - 1);
    children[1] = build_flat(x, depth - 1);
    return node_of(x, children);
}

static struct node *build_frames(struct builder *x, unsigned depth)
{
    if (depth == 0)
        return bench_new(x->b.m, x->node);
    struct bench *b = &x->b;
    uint64_t at = b->api->frame_push(b->m, b->g, x->frame, 0);
    if (at == UINT64_MAX)
        die(b->api->status_text(b->m->status));
    for (int i = 0; i < 2; i++) { // the stack may have moved meanwhile
        struct node *child = build_frames(x, depth - 1);
        ((struct node **)gcsim_frame_slots(b->g, at))[i] = child;
    }
    struct node *n = node_of(x, gcsim_frame_slots(b->g, at));
    b->api->frame_pop(b->m, b->g);
    return n;
}

static uint64_t count(const struct node *n)
{
    return n->left ? 1 + count(n->left) + count(n->right) : 1;
}

int main(int argc, char **argv)
{
    if (argc != 4 || (strcmp(argv[2], "flat") && strcmp(argv[2], "frames")))
        die("usage: trees DEPTH flat|frames stopped|concurrent");
    unsigned depth = (unsigned)number(argv[1]);
    if (depth < SHORTEST || depth > 28)
        die("the depth is from 4 to 28");
    struct node *(*build)(struct builder *, unsigned) =
        strcmp(argv[2], "flat") ? build_frames : build_flat;
    uint64_t start = now_ns(), checksum = 0, both = 3;
    struct builder x = {.b = bench_open(100, 0, is_stopped(argv[3]))};
    x.node = bench_type(&x.b, "node", 2, &both, 2);
    x.frame = bench_type(&x.b, "build", 2, &both, 2);
    x.slots = bench_frame(&x.b, 64);
    uint64_t main_frame = x.b.g->top;

    checksum += count(build(&x, depth + 1)); // stretch the heap
    struct node *long_lived = build(&x, depth);
    ((void **)gcsim_frame_slots(x.b.g, main_frame))[LONG_LIVED_SLOT] = long_lived;
    for (unsigned d = SHORTEST; d <= depth; d += 2)
        for (uint64_t i = 0; i < (uint64_t)1 << (depth - d + SHORTEST); i++)
            checksum += d * count(build(&x, d));
    checksum += count(long_lived);

    uint64_t ns = now_ns() - start;
    gcsim_memstats stats;
    x.b.api->memstats(x.b.m, &stats);
    printf("{\"seconds\": %.6f, \"check\": %lu, \"peak_bytes\": %lu, \"collections\": %u, "
           "\"stopped_seconds\": %.6f}\n",
           (double)ns / 1e9, checksum, peak_bytes(), stats.num_gc,
           (double)stats.pause_total_ns / 1e9);
    bench_close(&x.b);
    return 0;
}
