// instantiations: step
//
// Every schedule of small stages. What is sound is closed without a loss; what is not is refuted, and its schedule leads there again.
#include "harness.h"

static gcsim_found search(gcsim_heap *heap, gcsim_search how)
{
    gcsim_found found = explore_stage(heap, how);
    printf("      %" PRIu64 " states, %" PRIu64 " transitions, %" PRIu64 " paths, depth %" PRIu64
           ", %.0f transitions a second\n",
           found.states, found.transitions, found.paths, found.depth,
           (double)found.transitions / ((double)found.ns * 1e-9 + 1e-9));
    return found;
}

static void closed(void)
{
    for (uint32_t entries = 0; entries <= 1; entries++) {
        gcsim_heap *heap = free_stage((gcsim_options){.shade_entries = 1 + entries}, 1, 1);
        gcsim_found whole = search(heap, (gcsim_search){.whole_stacks = 1});
        gcsim_found named = search(heap, (gcsim_search){0});
        check(whole.verdict == GCSIM_SOUND && named.verdict == GCSIM_SOUND,
              "one mutator, buffer of %u: closed and sound, by whole stacks and by names", entries);
        check(named.states < whole.states && named.paths > 100, "names tell fewer states apart");

        for (uint64_t seed = 1; seed < 4; seed++) {
            gcsim_found other = search(heap, (gcsim_search){.seed = seed * 0x123456789abcdefull});
            check(other.states == named.states && other.transitions == named.transitions &&
                      other.paths == named.paths,
                  "hashes of another seed tell the same states apart");
        }
        API->heap_destroy(heap);
    }
}

// Each step taken twice: none asks what a step back does not take back.
static void twice(void)
{
    gcsim_heap *heap = free_stage((gcsim_options){.shade_entries = 1}, 1, 1);
    gcsim_found once = search(heap, (gcsim_search){.whole_cycle = 1});
    gcsim_found each = search(heap, (gcsim_search){.whole_cycle = 1, .careful = 1});
    check(each.verdict == GCSIM_SOUND && each.states == once.states &&
              each.transitions == once.transitions,
          "over a whole cycle, each step taken twice leads to the same state");
    API->heap_destroy(heap);
}

static void bounds(void)
{
    gcsim_heap *heap = free_stage((gcsim_options){.shade_entries = 1}, 1, 1);
    check(search(heap, (gcsim_search){.max_states = 500}).verdict == GCSIM_BOUND &&
              search(heap, (gcsim_search){.max_depth = 10}).verdict == GCSIM_BOUND &&
              search(heap, (gcsim_search){.max_bytes = 1 << 20}).verdict == GCSIM_BOUND,
          "a bound of states, depth or memory says that it was one");
    API->heap_destroy(heap);
}

// Where a search is put aside, and what is left to read of the one before.
struct stream {
    char *read, *written;
    uint64_t left, n;
};

static int put(void *arg, const void *bytes, uint64_t n)
{
    struct stream *s = arg;
    s->written = realloc(s->written, s->n + n);
    INVARIANT(s->written);
    memcpy(s->written + s->n, bytes, n);
    s->n += n;
    return 0;
}

static int get(void *arg, void *bytes, uint64_t n)
{
    struct stream *s = arg;
    if (n > s->left)
        return 1;
    memcpy(bytes, s->read, n);
    s->read += n;
    s->left -= n;
    return 0;
}

// Put aside after every `states` more, whether the last one was the end of a path or not.
static void put_aside(gcsim_search how, uint64_t states)
{
    gcsim_heap *heap = free_stage((gcsim_options){.shade_entries = 1}, 1, 1);
    gcsim_found whole = search(heap, how), found = {0};
    API->heap_destroy(heap);
    struct stream s = {0};
    uint64_t stops = 0, over = 0;
    gcsim_status status;
    do {
        char *last = s.written;
        s = (struct stream){.read = last, .left = s.n};
        how.max_states = 1 + states * (stops + 1);
        how.bytes = sizeof how;
        how.save = put;
        how.load = last ? get : NULL;
        how.stream_arg = &s;
        found = (gcsim_found){.bytes = sizeof found};
        heap = free_stage((gcsim_options){.shade_entries = 1}, 1, 1);
        status = gcsim_stepping()->explore(heap, &how, &found);
        API->heap_destroy(heap);
        free(last);
        stops++;
        over += found.states > how.max_states;
    } while (status == GCSIM_OK && found.saved);
    free(s.written);
    check(status == GCSIM_OK, "what was put aside is taken up, %" PRIu64 " times", stops);
    check(found.verdict == whole.verdict && found.states == whole.states &&
              found.transitions == whole.transitions && found.paths == whole.paths,
          "what is found is the same");
    check(!over, "a search stops at the very state that its bound names (%" PRIu64 " did not)",
          over);
}

int main(void)
{
    closed();
    twice();
    bounds();
    put_aside((gcsim_search){0}, 100);
    put_aside((gcsim_search){.max_depth = 30}, 37);
    put_aside((gcsim_search){.whole_cycle = 1}, 100);
    return failures != 0;
}
