// instantiations: step
//
// The tri-colour invariants at every state of a search: which barrier keeps which, and that one is broken before anything is lost.
#include "harness.h"

// One mutator, with a field in each object. It does anything with global -> A -> B; or, `between`, of the globals' objects A and B it stores what
// B points at into A.
static gcsim_found search_stage(bool between, uint32_t barrier, uint32_t entries,
                                uint32_t invariants)
{
    enum { X, Y, Z };
    static const gcsim_op free_choice[] = {{GCSIM_OP_FREE, 0, 0, 0}, {0}},
                          store[] = {{GCSIM_OP_LOAD_GLOBAL, X, 1, 0},
                                     {GCSIM_OP_LOAD_GLOBAL, Z, 0, 0},
                                     {GCSIM_OP_LOAD, Y, Z, 0},
                                     {GCSIM_OP_STORE, X, 0, Y},
                                     {0}};
    const gcsim_op *const programs[] = {between ? store : free_choice};
    const uint8_t fields[] = {between ? 3 : 2, 0, 0}, globals[] = {1, 2}, nothing[3] = {0};
    static gcsim_taken taken[1000];
    gcsim_options options = small_heap;
    options.mark_engine = GCSIM_MARK_FIELD + 1;
    options.shade_entries = 1 + entries;
    options.barrier = barrier;
    gcsim_stage stage = {.bytes = sizeof stage,
                         .objects = between ? 3 : 2,
                         .fields = 1,
                         .globals = between ? 2 : 1,
                         .locals = between ? 3 : 1,
                         .mutators = 1,
                         .programs = programs,
                         .field_targets = fields,
                         .global_targets = globals,
                         .local_targets = nothing};
    gcsim_search how = {.bytes = sizeof how, .invariants = invariants, .shortest = 1};
    gcsim_found found = {.bytes = sizeof found, .taken = taken, .room = 1000};
    gcsim_status status;
    gcsim_heap *heap = API->heap_create(&options, &status);
    INVARIANT(heap && gcsim_stepping()->stage_set(heap, &stage) == GCSIM_OK);
    INVARIANT(gcsim_stepping()->explore(heap, &how, &found) == GCSIM_OK);
    printf("      %" PRIu64 " states, %" PRIu64 " steps %s\n", found.states, found.steps,
           found.what);
    API->heap_destroy(heap);
    return found;
}

static gcsim_found search(uint32_t barrier, uint32_t entries, uint32_t invariants)
{
    return search_stage(false, barrier, entries, invariants);
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
              search_stage(true, GCSIM_BARRIER_DIJKSTRA, 0, 2).verdict == GCSIM_SOUND,
          "Dijkstra's barrier keeps the strong invariant");
    gcsim_found yuasa = search_stage(true, GCSIM_BARRIER_YUASA, 0, 2);
    check(yuasa.verdict == GCSIM_BROKEN && strstr(yuasa.what, "strong") &&
              search_stage(true, GCSIM_BARRIER_YUASA, 0, 1).verdict == GCSIM_SOUND,
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
