// instantiations: step
//
// Every schedule of small stages. What is sound is closed without a loss; what is not is refuted, and its schedule leads there again.
#include "harness.h"

static const gcsim_op free_choice[] = {{GCSIM_OP_FREE, 0, 0, 0}, {0}};

// global -> A -> B; all locals nil.
static gcsim_heap *make_stage(uint32_t mutators, uint32_t locals, uint32_t entries)
{
    static const uint8_t fields[] = {2, 0}, globals[] = {1}, nothing[8];
    static const gcsim_op *programs[] = {free_choice, free_choice};
    gcsim_options options = small_heap;
    options.mark_engine = GCSIM_MARK_FIELD + 1;
    options.shade_entries = 1 + entries;
    gcsim_stage stage = {.bytes = sizeof stage,
                         .objects = 2,
                         .fields = 1,
                         .globals = 1,
                         .locals = locals,
                         .mutators = mutators,
                         .programs = programs,
                         .field_targets = fields,
                         .global_targets = globals,
                         .local_targets = nothing};
    gcsim_status status;
    gcsim_heap *heap = API->heap_create(&options, &status);
    INVARIANT(heap && !gcsim_stepping()->stage_error(&stage));
    INVARIANT(gcsim_stepping()->stage_set(heap, &stage) == GCSIM_OK);
    return heap;
}

static gcsim_found search(gcsim_heap *heap, gcsim_search how)
{
    static gcsim_taken taken[1000];
    gcsim_found found = {.bytes = sizeof found, .taken = taken, .room = 1000};
    how.bytes = sizeof how;
    INVARIANT(gcsim_stepping()->explore(heap, &how, &found) == GCSIM_OK);
    printf("      %" PRIu64 " states, %" PRIu64 " transitions, %" PRIu64 " paths, depth %" PRIu64
           ", %.0f transitions a second\n",
           found.states, found.transitions, found.paths, found.depth,
           (double)found.transitions / ((double)found.ns * 1e-9 + 1e-9));
    return found;
}

static void closed(void)
{
    for (uint32_t entries = 0; entries <= 1; entries++) {
        gcsim_heap *heap = make_stage(1, 1, entries);
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
    gcsim_heap *heap = make_stage(1, 1, 0);
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
