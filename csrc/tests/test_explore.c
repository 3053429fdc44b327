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

static void bounds(void)
{
    gcsim_heap *heap = free_stage((gcsim_options){.shade_entries = 1}, 1, 1);
    check(search(heap, (gcsim_search){.max_states = 500}).verdict == GCSIM_BOUND &&
              search(heap, (gcsim_search){.max_depth = 10}).verdict == GCSIM_BOUND &&
              search(heap, (gcsim_search){.max_bytes = 1 << 20}).verdict == GCSIM_BOUND,
          "a bound of states, depth or memory says that it was one");
    API->heap_destroy(heap);
}

int main(void)
{
    closed();
    bounds();
    return failures != 0;
}
