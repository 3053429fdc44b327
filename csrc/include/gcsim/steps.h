/* Stepping and exploring: what only the step instantiation has. A table of its own (steps.def), like the one of gcsim.h.

   An *actor* is a coroutine that runs one step at a time, when somebody says so: a collector, a mutator with a program, a worker.
   A step ends at the next step point (events.def). Calls of gcsim.h run to their end as ever; while one waits, actors go on.
   Nothing here may be called from two threads at once, or from inside a call into the heap. */
#ifndef GCSIM_STEPS_H
#define GCSIM_STEPS_H

#include "gcsim/gcsim.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum gcsim_role {
    GCSIM_ROLE_COLLECTOR = 1,
    GCSIM_ROLE_MUTATOR,
    GCSIM_ROLE_WORKER
} gcsim_role;

typedef enum gcsim_actor_state {
    GCSIM_ACTOR_READY = 1, /* its next step can be taken */
    GCSIM_ACTOR_WAITING,   /* for what waits_for says */
    GCSIM_ACTOR_ENDED
} gcsim_actor_state;

typedef struct gcsim_actor {
    uint32_t
        number; /* 0, 1, ... in the order in which they were started: letters 'a', 'b', ... of a schedule */
    uint32_t role;    /* gcsim_role */
    uint32_t mutator; /* id of its mutator */
    uint32_t state;   /* gcsim_actor_state */
    uint32_t
        point; /* event kind of the step point at which it stands; UINT32_MAX: it has not begun */
    uint32_t choices; /* 0, or in how many ways it can go on */
    uint64_t where;   /* as the event's: what its next step is about */
    uint64_t arg;
    uint32_t op;        /* of a program: the operation begun last, its four bytes as they lie */
    char waits_for[64]; /* "" unless WAITING */
} gcsim_actor;

/* --- programs: what a mutator does, operation by operation. Locals are the slots of its one frame, so they are stack roots without a barrier;
   fields are pointer words of objects; globals are numbered. */
typedef enum gcsim_op_code {
    GCSIM_OP_END = 0,
    GCSIM_OP_LOAD,         /* local[a] = local[b]->field[c] */
    GCSIM_OP_STORE,        /* local[a]->field[b] = local[c]; c = GCSIM_NIL: nil */
    GCSIM_OP_NEW,          /* local[a] = new object */
    GCSIM_OP_DROP,         /* local[a] = nil */
    GCSIM_OP_MOVE,         /* local[a] = local[b] */
    GCSIM_OP_LOAD_GLOBAL,  /* local[a] = global[b] */
    GCSIM_OP_STORE_GLOBAL, /* global[a] = local[b]; b = GCSIM_NIL: nil */
    GCSIM_OP_COPY,         /* *local[a] = *local[b]: all fields */
    GCSIM_OP_CLEAR,        /* *local[a] = zero */
    GCSIM_OP_PUSH,         /* a frame more, whose slot takes local[a]; local[a] = nil */
    GCSIM_OP_POP,          /* local[a] = that slot; the frame is gone */
    GCSIM_OP_HANDLE,       /* handle[a] = a new handle of local[b] */
    GCSIM_OP_LOAD_HANDLE,  /* local[a] = what handle[b] holds */
    GCSIM_OP_DROP_HANDLE,  /* handle[a] is dropped */
    GCSIM_OP_WEAK,         /* weak[a] = a weak reference to local[b] */
    GCSIM_OP_LOAD_WEAK,    /* local[a] = its object, or nil */
    GCSIM_OP_JUMP,         /* to operation a */
    GCSIM_OP_TINY,         /* local[a] = new object of 8 bytes without pointers */
    GCSIM_OP_FREE, /* any operation that is possible, again and again until the cycle has ended */
    GCSIM_OP_JUMP_NIL, /* to operation b if local[a] is nil */
    GCSIM_OP_CODES
} gcsim_op_code;

#define GCSIM_NIL 255

typedef struct gcsim_op {
    uint8_t code; /* gcsim_op_code */
    uint8_t a, b, c;
} gcsim_op;

enum { GCSIM_PROGRAM_LOCALS = 4, GCSIM_PROGRAM_GLOBALS = 4, GCSIM_PROGRAM_HANDLES = 4 };

/* A world to run programs in: objects of `fields` pointer words each, all white when the cycle begins. */
typedef struct gcsim_stage {
    uint32_t bytes;                  /* sizeof(gcsim_stage) */
    uint32_t objects;                /* made at the start, 1 to 16 */
    uint32_t fields;                 /* of each, 1 to 4 */
    uint32_t globals;                /* 0 to GCSIM_PROGRAM_GLOBALS */
    uint32_t locals;                 /* of each mutator, 1 to GCSIM_PROGRAM_LOCALS */
    uint32_t mutators;               /* 1 to 4 */
    const gcsim_op *const *programs; /* one for each mutator, ended by GCSIM_OP_END */
    /* Number of an object + 1 or 0 for nil: field f of object o at [o * fields + f]; of the globals; local l of mutator m at [m * locals + l]. */
    const uint8_t *field_targets, *global_targets, *local_targets;
} gcsim_stage;

/* --- schedules. A text such as "c12 a b.3": letters of actors, how often, and behind a point which way where there is a choice. */
typedef enum gcsim_schedule_kind {
    GCSIM_SCHEDULE_ROUND_ROBIN = 1,
    GCSIM_SCHEDULE_RANDOM,
    GCSIM_SCHEDULE_PCT, /* priorities with `changes` change points within `length` steps */
    GCSIM_SCHEDULE_ONE, /* actor `actor` alone, in the way `choice` */
    GCSIM_SCHEDULE_TEXT
} gcsim_schedule_kind;

typedef struct gcsim_schedule {
    uint32_t bytes; /* sizeof(gcsim_schedule) */
    uint32_t kind;  /* gcsim_schedule_kind */
    uint64_t seed;
    uint32_t changes, length; /* PCT */
    uint32_t actor, choice;   /* ONE */
    const char *text;         /* TEXT */
    /* Its own memory between calls; zero at first. */
    uint64_t state[24];
} gcsim_schedule;

typedef enum gcsim_run_end {
    GCSIM_RUN_STEPS = 1, /* as many as were asked for */
    GCSIM_RUN_POINT,     /* the step that was taken last ended at a wanted step point */
    GCSIM_RUN_ENDED,     /* every actor has ended */
    GCSIM_RUN_DEADLOCK,  /* nobody can run, and not all have ended */
    GCSIM_RUN_MISFIT, /* the schedule names an actor that cannot run, or a way that does not exist */
    GCSIM_RUN_OUT     /* the schedule's text is used up */
} gcsim_run_end;

/* A step that was taken: who, and in which way. */
typedef struct gcsim_taken {
    uint8_t actor, choice;
} gcsim_taken;

/* --- exploring */
typedef struct gcsim_search {
    uint32_t bytes; /* sizeof(gcsim_search) */
    uint32_t
        invariants; /* 1: the weak tri-colour invariant at every state, 2: the strong one too; with points = 0 and mark_engine FIELD only */
    uint64_t
        points; /* a bit per event kind: step points at which others may run; 0 = those that the stage has set */
    uint32_t
        careful; /* 1: after each step everything is looked at for changes, and the step is taken twice; slow, and sure */
    uint32_t trail_room;
    gcsim_taken *
        trail; /* room for trail_room: the steps that lead to where the search is now, ended by 255; for whoever finds the process dead */
    uint64_t
        seed; /* of the hashes of states: another one finds the same, or two states had one hash */
    uint32_t
        whole_cycle; /* 1: paths go on to the end of the sweep, and no reachable object may be free there */
    uint64_t max_states, max_depth; /* 0 = no bound */
    uint64_t max_bytes;             /* of memory for the search; 0 = 1 GiB */
    uint32_t shortest;              /* 1: after a violation, search for a shortest one */
    uint32_t
        whole_stacks; /* 1: states differ where any byte of a live stack does; 0: where what the step points, operations and return addresses say does */

    int (*progress)(void *arg, uint64_t states,
                    uint64_t transitions); /* now and then; not 0 = stop */
    void *progress_arg;
    /* A search that a bound or progress() stopped is put aside by `save`, and taken up again by `load`, with the same heap options, stage
       and settings but the bounds: a stream of bytes, piece by piece. NULL: neither. Not 0 = it failed. */
    int (*save)(void *arg, const void *bytes, uint64_t n);
    int (*load)(void *arg, void *bytes, uint64_t n); /* exactly n */
    void *stream_arg;
} gcsim_search;

typedef enum gcsim_verdict {
    GCSIM_SOUND = 1,  /* the space is closed and no path violates anything */
    GCSIM_LOST,       /* a reachable object was not marked when marking ended */
    GCSIM_BROKEN,     /* an invariant does not hold */
    GCSIM_DEADLOCKED, /* nobody can run */
    GCSIM_BOUND,      /* a bound stopped the search */
    GCSIM_STOPPED     /* progress() stopped it */
} gcsim_verdict;

typedef struct gcsim_found {
    uint32_t bytes;                      /* sizeof(gcsim_found) */
    uint32_t verdict;                    /* gcsim_verdict */
    uint64_t states, transitions, paths; /* paths: that came to an end */
    uint64_t depth;                      /* longest */
    uint64_t ns;                         /* of the search */
    uint64_t steps;                      /* of the counterexample */
    uint64_t room;                       /* in: of taken */
    gcsim_taken *taken;                  /* in: the counterexample's steps go here */
    char what[160];                      /* the violation in words */
    uint64_t saved;                      /* 1: `save` has it all */
} gcsim_found;

/* --- what a state looks like. Nobody runs; nothing is changed, no lock taken. */
typedef enum gcsim_colour { GCSIM_WHITE, GCSIM_GREY, GCSIM_BLACK } gcsim_colour;

typedef enum gcsim_step_phase {
    GCSIM_PHASE_OFF,
    GCSIM_PHASE_MARK,
    GCSIM_PHASE_MARK_TERMINATION, /* its end is being decided: weak references give nothing that is white */
    GCSIM_PHASE_SWEEP
} gcsim_step_phase;

typedef struct gcsim_view_object {
    gcsim_object object;
    uint32_t colour;   /* gcsim_colour. Black: marked, and neither queued nor being scanned */
    uint32_t scanning; /* somebody is in the middle of it */
} gcsim_view_object;

typedef enum gcsim_root_kind {
    GCSIM_ROOT_FRAME = 1,
    GCSIM_ROOT_GLOBAL,
    GCSIM_ROOT_HANDLE,
    GCSIM_ROOT_TINY /* the block that a mutator puts tiny objects in */
} gcsim_root_kind;

typedef struct gcsim_view_root {
    uint32_t kind;  /* gcsim_root_kind */
    uint32_t owner; /* of a frame's slot: id of the goroutine; of a tiny block: of the mutator */
    uint32_t owner_name;      /* the goroutine's */
    uint32_t name;            /* of the frame, of the global */
    const gcsim_type *type;   /* of the frame's slots */
    uint64_t frame;           /* offset of the frame in its stack */
    uint64_t offset;          /* of the slot in the frame's slots, or in the global's three words */
    void *target;             /* NULL: nil */
    const gcsim_handle *slot; /* of a handle */
    void *const *at;          /* the slot itself: where the pointer lies */
    uint32_t scanned;         /* its root job is done, or under way */
    uint32_t unused;
} gcsim_view_root;

typedef struct gcsim_view_buffer { /* a mutator's write barrier buffer */
    uint32_t mutator, n, capacity, unused;
    void *const *entries;
} gcsim_view_buffer;

typedef enum gcsim_lost_how {
    GCSIM_LOST_UNKNOWN = 0, /* no store, or none that the event ring still has */
    GCSIM_LOST_OVERWRITTEN, /* overwrote a pointer to it before the marker came by */
    GCSIM_LOST_STORED       /* put a pointer to it behind something black */
} gcsim_lost_how;

/* A pointer to a slot that was freed too early: what is known of it. Offsets are from the heap's first byte. */
typedef struct gcsim_lost {
    uint64_t cycle;     /* that ended last: it freed the object, or one before it did */
    uint64_t offset;    /* of the address */
    uint64_t span_page; /* first page of its span, or its page if the span is gone */
    uint64_t index;     /* of the slot in the span */
    uint64_t slot_offset, slot_bytes; /* bytes: 1 if the span is gone */
    uint32_t store;                   /* gcsim_lost_how: of the store that lost it */
    uint32_t store_mutator;
    uint64_t store_slot, store_time; /* time: of its event */
} gcsim_lost;

/* --- a timeline: one cycle forwards and backwards. Its steps are numbered from 1; 0 is the beginning. A change that was made from outside
   between two steps counts as one. The state after step k is the same, bit by bit, each time it is come to. Lives outside the world. */
typedef struct gcsim_timeline gcsim_timeline;

enum { GCSIM_STEP_SCHEDULED, GCSIM_STEP_BY_HAND, GCSIM_STEP_OUTSIDE };

typedef struct gcsim_timeline_info {
    uint64_t at; /* steps that led here */
    uint64_t
        length; /* steps that are known: those behind `at` come again unless something else is done */
    uint64_t marks, bytes; /* snapshots, and memory for all of it */
} gcsim_timeline_info;

typedef struct gcsim_timeline_step {
    uint8_t actor, choice, how, unused; /* how: GCSIM_STEP_... */
} gcsim_timeline_step;

/* --- virtual time (gcsim_options.virtual_time). Each coroutine has a clock, a step point costs what the table says, and whoever is earliest goes
   on: times are ns of a machine with so many processors, and the same on any. */
typedef void (*gcsim_virtual_fn)(void *arg);

typedef struct gcsim_stepping_api {
    uint32_t bytes; /* sizeof(gcsim_stepping_api) */
#define STEPS(ret, name, n, ...) ret (*name)(API_TYPES_##n(__VA_ARGS__));
#include "gcsim/steps.def"
#undef STEPS
} gcsim_stepping_api;

const gcsim_stepping_api *gcsim_stepping(void);

#ifdef __cplusplus
}
#endif
#endif
