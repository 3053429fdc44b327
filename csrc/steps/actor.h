// Actors: coroutines that run one step at a time. Their records lie in the world, so that they are rewound with it.
//
//   actor.c     who there is, one step of one of them     program.c   a mutator that runs a table of operations
//   schedule.c  who goes next                             undo.c      take steps back fast
//   explore.c   every schedule of a stage                 view.c      what a state looks like
//   seen.c      the states that it has seen               resume.c    a search put aside, and taken up again
//   invariants.c what must hold meanwhile
#pragma once

#include "gc/heap.h"
#include "gcsim/steps.h"

enum {
    MAX_ACTORS = 26,
    PROGRAM_OPS = 64,
    STAGE_MUTATORS = 4,
    STAGE_OBJECTS = 16,
    STAGE_FIELDS = 4
};

struct actor {
    gcsim_heap *heap;
    struct mutator *m;
    uint32_t coroutine, role, ended;
    gcsim_status status;
    // A mutator with a program: its place in it, its goroutine and the frame whose slots are its locals.
    uint32_t which, pc;
    gcsim_op doing, last; // the operation under way; the one begun last
    gcsim_goroutine *g;
    uint64_t frame;
};

// What the programs of a heap share.
struct stage {
    gcsim_stage given; // its pointers are not used
    const gcsim_type *node, *locals, *one, *tiny;
    void *objects[STAGE_OBJECTS]; // no roots: names for the pictures
    gcsim_global *globals[GCSIM_PROGRAM_GLOBALS];
    gcsim_handle *handles[GCSIM_PROGRAM_HANDLES];
    gcsim_weak *weaks[GCSIM_PROGRAM_HANDLES];
    gcsim_op programs[STAGE_MUTATORS][PROGRAM_OPS];
};

struct actors {
    uint32_t n;
    struct actor each[MAX_ACTORS];
    struct stage stage; // bytes = 0: there is none
};

// Their record in this heap; NULL: none was started yet.
CORE struct actors *actors_of(gcsim_heap *heap);
// One more, on a mutator of its own, which it detaches when it ends. UINT32_MAX with *status set: there are too many, or no memory.
CORE uint32_t actor_start(gcsim_heap *heap, uint32_t role, rt_call_fn run, gcsim_status *status);
// A collector: one forced cycle.
CORE uint32_t actor_collect(gcsim_heap *heap, gcsim_status *status);
CORE void actor_end(struct actor *a);
CORE bool actor_can_run(struct actors *all, uint32_t i);
// In how many ways; 0: it stands before no choice.
CORE uint32_t actor_choices(struct actors *all, uint32_t i);
CORE uint32_t actor_point(struct actors *all, uint32_t i);
CORE bool actor_step(struct actors *all, uint32_t i, uint32_t choice);

CORE const char *stage_error(const gcsim_stage *stage);
CORE gcsim_status stage_set(gcsim_heap *heap, const gcsim_stage *stage);

// Who goes next, and in which way; false with *end set: nobody.
CORE bool schedule_next(gcsim_schedule *s, struct actors *all, gcsim_taken *next, uint32_t *end);

// What must hold (invariants.c); false with the violation in words. When marking or, `swept`, the cycle has ended:
CORE bool invariant_nothing_lost(gcsim_heap *heap, bool swept, char *what, uint64_t room);
// At any state of the standard step points, with the engine that takes one field at a time: the weak tri-colour invariant (1), the strong one too (2).
CORE bool invariant_holds(gcsim_heap *heap, uint32_t level, char *what, uint64_t room);

CORE gcsim_status explore(gcsim_heap *heap, const gcsim_search *search, gcsim_found *out);

// Where others may run: between actions that both sides see. Not before a load or a scan, whose own action comes with the step point of the
// field or operation.
#define STAGE_POINTS                                                                               \
    (1ull << EVENT_OP | 1ull << EVENT_STORE | 1ull << EVENT_SHADE_OLD | 1ull << EVENT_SHADE_NEW |  \
     1ull << EVENT_SHADE_SOURCE | 1ull << EVENT_STACKS | 1ull << EVENT_BARRIER_ON |                \
     1ull << EVENT_FIELD | 1ull << EVENT_MARK_DONE | 1ull << EVENT_WAIT)
