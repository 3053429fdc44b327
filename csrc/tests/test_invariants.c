// instantiations: step
//
// The tri-colour invariants at every state of a search: which barrier keeps which, and that one is broken before anything is lost.
#include "harness.h"

static gcsim_found search_in(gcsim_heap *heap, uint32_t invariants)
{
    gcsim_found found =
        explore_stage(heap, (gcsim_search){.invariants = invariants, .shortest = 1});
    printf("      %" PRIu64 " states, %" PRIu64 " steps %s\n", found.states, found.steps,
           found.what);
    API->heap_destroy(heap);
    return found;
}

// One mutator does anything with global -> A -> B.
static gcsim_found search(uint32_t barrier, uint32_t entries, uint32_t invariants)
{
    gcsim_options options = {.barrier = barrier, .shade_entries = 1 + entries};
    return search_in(free_stage(options, 1, 1), invariants);
}

// One mutator stores what B points at into A, both of which globals point at.
static gcsim_found search_between(uint32_t barrier, uint32_t invariants)
{
    enum { X, Y, Z };
    static const gcsim_op store[] = {{GCSIM_OP_LOAD_GLOBAL, X, 1, 0},
                                     {GCSIM_OP_LOAD_GLOBAL, Z, 0, 0},
                                     {GCSIM_OP_LOAD, Y, Z, 0},
                                     {GCSIM_OP_STORE, X, 0, Y},
                                     {0}};
    const gcsim_op *const programs[] = {store};
    const uint8_t fields[] = {3, 0, 0}, globals[] = {1, 2}, nothing[3] = {0};
    gcsim_stage stage = {.bytes = sizeof stage,
                         .objects = 3,
                         .fields = 1,
                         .globals = 2,
                         .locals = 3,
                         .mutators = 1,
                         .programs = programs,
                         .field_targets = fields,
                         .global_targets = globals,
                         .local_targets = nothing};
    gcsim_options options = {.barrier = barrier, .shade_entries = 1};
    return search_in(stage_heap(options, &stage), invariants);
}

static void weak(void)
{
    static const uint32_t sound[] = {GCSIM_BARRIER_HYBRID, GCSIM_BARRIER_YUASA,
                                     GCSIM_BARRIER_DIJKSTRA};
    for (uint32_t i = 0; i < 3; i++)
        for (uint32_t entries = 0; entries < 2; entries++)
            check(search(sound[i], entries, 1).verdict == GCSIM_SOUND,
                  "barrier %u, buffer of %u: the weak invariant holds at every state", sound[i],
                  entries);
    gcsim_found lost = search(GCSIM_BARRIER_NONE, 0, 0), broken = search(GCSIM_BARRIER_NONE, 0, 1);
    check(lost.verdict == GCSIM_LOST && broken.verdict == GCSIM_BROKEN &&
              broken.steps < lost.steps && strstr(broken.what, "weak"),
          "without a barrier it is broken before the object is lost");
}

static void strong(void)
{
    check(search(GCSIM_BARRIER_DIJKSTRA, 0, 2).verdict == GCSIM_SOUND &&
              search_between(GCSIM_BARRIER_DIJKSTRA, 2).verdict == GCSIM_SOUND,
          "Dijkstra's barrier keeps the strong invariant");
    gcsim_found yuasa = search_between(GCSIM_BARRIER_YUASA, 2);
    check(yuasa.verdict == GCSIM_BROKEN && strstr(yuasa.what, "strong") &&
              search_between(GCSIM_BARRIER_YUASA, 1).verdict == GCSIM_SOUND,
          "Yuasa's does not: what it stores is not shaded");
}

static void refused(void)
{
    gcsim_options options = small_heap;
    gcsim_status status;
    options.mark_engine = GCSIM_MARK_OBJECT + 1;
    gcsim_heap *heap = API->heap_create(&options, &status);
    static const gcsim_op nothing[] = {{0}};
    static const gcsim_op *const programs[] = {nothing};
    gcsim_stage stage = {.bytes = sizeof stage,
                         .objects = 1,
                         .fields = 1,
                         .locals = 1,
                         .mutators = 1,
                         .programs = programs};
    gcsim_search how = {.bytes = sizeof how, .invariants = 1};
    gcsim_found found = {.bytes = sizeof found};
    INVARIANT(heap && gcsim_stepping()->stage_set(heap, &stage) == GCSIM_OK);
    check(gcsim_stepping()->explore(heap, &how, &found) == GCSIM_BAD_STATE,
          "the engine that keeps pointers in rings cannot be asked");
    API->heap_destroy(heap);
}

int main(void)
{
    weak();
    strong();
    refused();
    return failures != 0;
}
