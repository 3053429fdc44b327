// instantiations: fast step
//
// gc/stack: how large Go's stacks are, by numbers that Go printed; and the sizes that goroutines of a heap have as frames come and go
// and collections pass.
#include "harness.h"

#include "gc/stack.h"

static void sizes_are_go_s(void)
{
    static const struct {
        uint64_t size, used, frame, grown;
    } grow[] = {
        {2048, 1120, 96, 4096},           {8192, 7360, 96, 16384},
        {2048, 1168, 1080, 4096},         {4096, 2256, 1080, 8192},
        {2048, 80, 5080, 8192},           {16384, 15344, 5080, 32768},
        {2048, 80, 40080, 65536},         {65536, 40168, 40080, 131072},
        {131072, 120168, 120080, 262144}, {8388608, 8378472, 40080, 16777216},
    };
    bool equal = true;
    for (unsigned i = 0; i < sizeof grow / sizeof *grow; i++)
        equal &= stack_is_short(grow[i].size, grow[i].used, grow[i].frame) &&
                 stack_grown(grow[i].size, grow[i].used, grow[i].frame) == grow[i].grown;
    check(equal, "growth is Go's");
    check(!stack_is_short(2048, 1119, 96) && !stack_is_short(2048, 80, 1167) &&
              stack_is_short(2048, 80, 1168),
          "a stack is short when what is left is not more than the guard and what the frame has "
          "above 128 bytes");
    check(stack_grown(1ull << 28, 1 << 20, 96) == 1ull << 29 &&
              stack_grown(1ull << 29, 1 << 20, 96) == 0 && stack_grown(2048, 80, 1ull << 40) == 0,
          "above 1,000,000,000 bytes it overflows");
    check(stack_shrunk(4096, 1904) == 4096 && stack_shrunk(16384, 880) == 8192 &&
              stack_shrunk(8192, 1247) == 4096 && stack_shrunk(8192, 1248) == 8192 &&
              stack_shrunk(4096, 223) == 2048 && stack_shrunk(2048, 0) == 2048,
          "a stack is halved when less than a quarter is used, not below 2 KiB");
    check(stack_starting(1516384, 21) == 131072 && stack_starting(75032, 10) == 16384 &&
              stack_starting(3216, 7) == 2048 && stack_starting(28824, 10) == 4096 &&
              stack_starting(0, 0) == 2048 && stack_starting(1120, 1) == 2048 &&
              stack_starting(1121, 1) == 4096,
          "goroutines begin with what the scanned ones use on average");
}

static void goroutines_grow_and_shrink(mut *m)
{
    gcsim_heap *heap = m->heap;
    struct gc *gc = &heap_of(H(heap))->gc;
    const gcsim_type *frame = make_type(heap, "frame", 13, 1); // 128 bytes with what is in front
    gcsim_goroutine *g = API->goroutine_new(m, 0), *other = API->goroutine_new(m, 0);
    check(g->go_stack == 2048 && gc->go_stacks == 4096, "a goroutine begins with 2 KiB");
    bool as_go = true;
    for (int i = 0; i < 1000; i++) {
        uint64_t size = g->go_stack, used = g->used;
        uint64_t wanted = stack_is_short(size, used, 128) ? stack_grown(size, used, 128) : size;
        INVARIANT(API->frame_push(m, g, frame, 0) != UINT64_MAX);
        as_go &= g->go_stack == wanted && g->used == used + 128;
    }
    check(as_go && g->go_stack == 131072 && gc->go_stacks == 131072 + 2048 && verifies(m),
          "1,000 frames of 128 bytes need 128 KiB");
    INVARIANT(API->collect(m) == GCSIM_OK);
    check(g->go_stack == 131072 && gc->starting_stack == 65536,
          "in use they stay, and the next dead goroutine that lives again begins with the mean");
    while (g->depth > 1)
        INVARIANT(API->frame_pop(m, g) == GCSIM_OK);
    uint64_t size = 131072;
    bool halved = true;
    for (int i = 0; i < 9; i++) {
        INVARIANT(API->collect(m) == GCSIM_OK);
        size = size > 4096 ? size / 2 : 2048;
        halved &= g->go_stack == size;
    }
    check(halved && g->go_stack == 2048,
          "each collection halves what is hardly used, down to 2 KiB");
    check(gc->go_stacks == 4096 && gc->starting_stack == 2048 && verifies(m), "and so the sums");
    while (g->depth < 200)
        INVARIANT(API->frame_push(m, g, frame, 0) != UINT64_MAX);
    INVARIANT(API->collect(m) == GCSIM_OK);
    API->goroutine_end(m, other);
    check(gc->starting_stack == 16384 && (other = API->goroutine_new(m, 0))->go_stack == 16384 &&
              API->goroutine_new(m, 0)->go_stack == 2048,
          "one made of a dead one begins with the starting size, a new one with 2 KiB");
    size = g->go_stack;
    check(API->frame_push(m, g, make_bytes(heap, "huge", 1 << 29), 0) == UINT64_MAX &&
              m->status == GCSIM_BAD_SIZE && g->go_stack == size && g->depth == 200,
          "a stack overflow is refused");
    API->goroutine_end(m, g);
    check(gc->go_stacks == 16384 + 2048 && verifies(m), "a stack goes with its goroutine");
}

int main(void)
{
    sizes_are_go_s();
    gcsim_options options = small_heap;
    options.verify_phases = 1;
    mut *m = open_heap(options);
    goroutines_grow_and_shrink(m);
    close_heap(m);
    return finish();
}
