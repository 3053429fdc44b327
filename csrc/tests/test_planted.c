// instantiations: step
//
// The planted bugs (base/bugs.def). Each has a stage here. As shipped, every stage is closed, sound, and keeps the weak tri-colour
// invariant at every state. Compiled with -DGCSIM_PLANTED=NAME, the explorer finds something on the stage of that bug, and the schedule that
// it gives leads a fresh heap to the same violation.
#include "harness.h"

enum { X, Y, Z };
#define OP_(code, a, b, c, ...) {GCSIM_OP_##code, a, b, c}
#define OP(...)                 OP_(__VA_ARGS__, 0, 0, 0)
enum { PROGRAMS = 2, OPS = 10 };

struct scene {
    uint32_t objects, fields, globals, locals;
    uint8_t field_targets[8], global_targets[2], local_targets[4]; // number of an object + 1
    gcsim_op programs[PROGRAMS][OPS];                              // empty: no second mutator
    uint32_t entries, stacks, whole_cycle, locks; // locks: others may run before each lock too
};

#define PAIR                                                                                       \
    .objects = 2, .fields = 1, .globals = 1, .locals = 2, .field_targets = {2},                    \
    .global_targets = {1}
#define CHAIN                                                                                      \
    .objects = 3, .fields = 1, .globals = 1, .locals = 2, .field_targets = {2, 3},                 \
    .global_targets = {1}
// One in the first local only, one that a marker has to scan.
#define HIDDEN                                                                                     \
    .objects = 2, .fields = 1, .globals = 1, .locals = 2, .global_targets = {2},                   \
    .local_targets = {1}
#define ALONE                                                                                      \
    .objects = 1, .fields = 1, .locals = 2, .local_targets = {1} // only in the first local
// The second object goes from the heap into a local.
#define TAKE OP(LOAD_GLOBAL, X, 0), OP(LOAD, Y, X, 0), OP(STORE, X, 0, GCSIM_NIL)
#define FORGET_BUT_WEAK                                                                            \
    OP(LOAD_GLOBAL, X, 0), OP(WEAK, 0, X), OP(DROP, X), OP(STORE_GLOBAL, 0, GCSIM_NIL),            \
        OP(LOAD_WEAK, X, 0)

static const struct scene scenes[BUGS] = {
    [BUG_STORE_NIL] = {PAIR, .programs = {{TAKE}}},
    [BUG_COPY] = {.objects = 3,
                  .fields = 1,
                  .globals = 2,
                  .locals = 3,
                  .field_targets = {3},
                  .global_targets = {1, 2},
                  .programs = {{OP(LOAD_GLOBAL, X, 0), OP(LOAD, Y, X, 0), OP(LOAD_GLOBAL, Z, 1),
                                OP(COPY, X, Z)}}},
    [BUG_COPY_ONE_WORD] = {.objects = 3,
                           .fields = 2,
                           .globals = 2,
                           .locals = 3,
                           .field_targets = {0, 3},
                           .global_targets = {1, 2},
                           .programs = {{OP(LOAD_GLOBAL, X, 0), OP(LOAD, Y, X, 1),
                                         OP(LOAD_GLOBAL, Z, 1), OP(COPY, X, Z)}}},
    [BUG_CLEAR] = {PAIR, .programs = {{OP(LOAD_GLOBAL, X, 0), OP(LOAD, Y, X, 0), OP(CLEAR, X)}}},
    [BUG_FULL_BUFFER] = {.objects = 3,
                         .fields = 2,
                         .globals = 1,
                         .locals = 3,
                         .field_targets = {2, 3},
                         .global_targets = {1},
                         .entries = 1,
                         .programs = {{OP(LOAD_GLOBAL, X, 0), OP(LOAD, Y, X, 0), OP(LOAD, Z, X, 1),
                                       OP(STORE, X, 0, GCSIM_NIL), OP(STORE, X, 1, GCSIM_NIL)}}},
    [BUG_HANDLE_DROP] = {.objects = 1,
                         .fields = 1,
                         .globals = 1,
                         .locals = 1,
                         .global_targets = {1},
                         .programs = {{OP(LOAD_GLOBAL, X, 0), OP(HANDLE, 0, X),
                                       OP(STORE_GLOBAL, 0, GCSIM_NIL), OP(DROP, X),
                                       OP(LOAD_HANDLE, X, 0), OP(DROP_HANDLE, 0)},
                                      {OP(HANDLE, 1, X)}}},
    [BUG_HANDLE_NEW] = {HIDDEN, .programs = {{OP(HANDLE, 0, X), OP(DROP, X)}},
                        .stacks = GCSIM_STACKS_LAST},
    [BUG_TOP_FRAME] = {ALONE, .programs = {{OP(PUSH, Y), OP(MOVE, Y, X)}}},
    [BUG_TINY_BLOCK] = {ALONE, .programs = {{OP(TINY, Y), OP(DROP, Y), OP(TINY, Y)}}},
    [BUG_WEAK_READ] = {.objects = 2,
                       .fields = 1,
                       .globals = 2,
                       .locals = 1,
                       .global_targets = {1, 2},
                       .programs = {{FORGET_BUT_WEAK}}},
    [BUG_WEAK_KEPT] = {.objects = 2,
                       .fields = 1,
                       .globals = 2,
                       .locals = 1,
                       .global_targets = {1, 2},
                       .programs = {{FORGET_BUT_WEAK}},
                       .whole_cycle = 1},
    [BUG_OPEN_WINDOWS] = {ALONE, .programs = {{OP(NEW, X), OP(NEW, Y)}}},
    [BUG_LEFT_WORK] = {CHAIN, .programs = {{TAKE, OP(MOVE, X, X), OP(MOVE, X, X), OP(MOVE, X, X)}}},
    [BUG_SHARED_WORK] = {HIDDEN, .programs = {{OP(STORE_GLOBAL, 0, X), OP(MOVE, X, X)}},
                         .whole_cycle = 1},
    [BUG_BARRIER_OFF] = {HIDDEN, .programs = {{OP(NEW, Y), OP(MOVE, X, X)}}, .locks = 1},
    [BUG_STALE_CACHE] = {ALONE, .programs = {{OP(NEW, X), OP(NEW, Y)}}, .whole_cycle = 1},
    [BUG_DETACH_STACKS] = {HIDDEN, .programs = {{OP(MOVE, Y, X)}}, .stacks = GCSIM_STACKS_LAST},
    [BUG_DETACH_BARRIER] = {PAIR, .programs = {{TAKE}}, .entries = 1},
    [BUG_DETACH_WORK] = {CHAIN, .programs = {{TAKE}}},
    [BUG_RAGGED_OUTSIDE] = {ALONE, .programs = {{OP(MOVE, Y, X)}}, .stacks = GCSIM_STACKS_LAST},
    [BUG_RAGGED_EARLY] = {HIDDEN, .programs = {{OP(MOVE, Y, X), OP(MOVE, X, Y)}},
                          .stacks = GCSIM_STACKS_LAST},
    [BUG_SWEEP_COUNT] = {ALONE, .programs = {{OP(MOVE, Y, X)}}, .whole_cycle = 1},
};

static const char *const names[BUGS] = {
#define BUG(NAME, name, what) [BUG_##NAME] = name,
#include "base/bugs.def"
#undef BUG
};

static gcsim_heap *set_scene(const struct scene *s)
{
    gcsim_options options = {.shade_entries = 1 + s->entries, .stacks = s->stacks};
    const gcsim_op *programs[PROGRAMS] = {s->programs[0], s->programs[1]};
    gcsim_stage stage = {.bytes = sizeof stage,
                         .objects = s->objects,
                         .fields = s->fields,
                         .globals = s->globals,
                         .locals = s->locals,
                         .mutators = 1 + (s->programs[1][0].code != GCSIM_OP_END),
                         .programs = programs,
                         .field_targets = s->field_targets,
                         .global_targets = s->global_targets,
                         .local_targets = s->local_targets};
    return stage_heap(options, &stage);
}

// 0: those that the stage has set.
static uint64_t points_of(const struct scene *s)
{
    return s->locks ? STAGE_POINTS | 1ull << EVENT_LOCK : 0;
}

static gcsim_found search(const struct scene *s, gcsim_search how)
{
    gcsim_heap *heap = set_scene(s);
    how.whole_cycle = s->whole_cycle;
    how.points = points_of(s);
    gcsim_found found = explore_stage(heap, how);
    API->heap_destroy(heap);
    return found;
}

// --- as shipped --------------------------------------------------------------------------------------------------

static void sound(enum bug bug)
{
    gcsim_found found = search(&scenes[bug], (gcsim_search){.invariants = !scenes[bug].locks});
    check(found.verdict == GCSIM_SOUND && found.paths,
          "%-15s %7" PRIu64 " states, closed and sound %s", names[bug], found.states, found.what);
}

// --- planted -----------------------------------------------------------------------------------------------------

// As gcsim/_programs.py writes it. %l: a local, %n: a number.
static void print_op(gcsim_op op)
{
    static const char *const forms[GCSIM_OP_CODES] = {
        [GCSIM_OP_LOAD] = "%l = %l.%n",
        [GCSIM_OP_STORE] = "%l.%n = %l",
        [GCSIM_OP_NEW] = "%l = new",
        [GCSIM_OP_TINY] = "%l = tiny",
        [GCSIM_OP_DROP] = "%l = nil",
        [GCSIM_OP_MOVE] = "%l = %l",
        [GCSIM_OP_LOAD_GLOBAL] = "%l = global %n",
        [GCSIM_OP_STORE_GLOBAL] = "global %n = %l",
        [GCSIM_OP_COPY] = "*%l = *%l",
        [GCSIM_OP_CLEAR] = "*%l = zero",
        [GCSIM_OP_PUSH] = "push %l",
        [GCSIM_OP_HANDLE] = "handle %n = %l",
        [GCSIM_OP_LOAD_HANDLE] = "%l = handle %n",
        [GCSIM_OP_DROP_HANDLE] = "drop handle %n",
        [GCSIM_OP_WEAK] = "weak %n = %l",
        [GCSIM_OP_LOAD_WEAK] = "%l = weak %n",
    };
    const uint8_t operands[] = {op.a, op.b, op.c}, *next = operands;
    INVARIANT(forms[op.code]);
    for (const char *p = forms[op.code]; *p; p++)
        if (*p != '%')
            putchar(*p);
        else if (*++p == 'n')
            printf("%u", *next++);
        else if (*next++ == GCSIM_NIL)
            printf("nil");
        else
            putchar("xyzw"[next[-1]]);
}

static void print_programs(const struct scene *s)
{
    for (uint32_t p = 0; p < PROGRAMS; p++)
        for (const gcsim_op *op = s->programs[p]; op->code; op++) {
            printf(op > s->programs[p] ? "; " : "      %c: ", 'a' + (int)p);
            print_op(*op);
            if (!op[1].code)
                putchar('\n');
        }
}

static const char *schedule_text(const gcsim_taken *taken, uint64_t steps)
{
    static char text[8000];
    int n = 0;
    for (uint64_t i = 0, same; i < steps; i += same) {
        for (same = 1; i + same < steps && !taken[i].choice &&
                       memcmp(&taken[i], &taken[i + same], sizeof *taken) == 0;)
            same++;
        n +=
            snprintf(text + n, sizeof text - (size_t)n, "%s%c", i ? " " : "", 'a' + taken[i].actor);
        if (taken[i].choice)
            n += snprintf(text + n, sizeof text - (size_t)n, ".%u", taken[i].choice);
        else if (same > 1)
            n += snprintf(text + n, sizeof text - (size_t)n, "%" PRIu64, same);
    }
    return text;
}

struct death {
    struct rt *rt;
    char what[160];
};

static void note_death_here(void *arg, const char *file, int line, const char *what)
{
    struct death *death = arg;
    snprintf(death->what, sizeof death->what, "broken invariant at %s:%d: %s", file, line, what);
    rt_give_up(death->rt);
}

// The schedule alone, on a fresh heap.
static void replay(const struct scene *s, const gcsim_found *found, const char *text)
{
    gcsim_heap *heap = set_scene(s);
    gcsim_schedule schedule = {.bytes = sizeof schedule, .kind = GCSIM_SCHEDULE_TEXT, .text = text};
    struct death death = {.rt = &H(heap)->rt};
    uint64_t done;
    if (s->locks)
        gcsim_stepping()->set_quiet(heap, ~points_of(s));
    core_catcher = (struct core_catcher){note_death_here, &death};
    gcsim_stepping()->run(heap, &schedule, found->steps, 0, NULL, &done);
    core_catcher = (struct core_catcher){0};
    if (found->verdict == GCSIM_LOST) {
        bool swept = strstr(found->what, "cycle") != NULL;
        invariant_nothing_lost(heap, swept, death.what, sizeof death.what);
    } else if (found->verdict == GCSIM_DEADLOCKED) {
        gcsim_taken next;
        uint32_t end;
        schedule_next(&schedule, actors_of(heap), &next, &end);
        snprintf(death.what, sizeof death.what, end == GCSIM_RUN_DEADLOCK ? "nobody can run" : "-");
    }
    check(done == found->steps && strcmp(death.what, found->what) == 0,
          "replayed on a fresh heap, its %" PRIu64 " steps end in the same: %s", done, death.what);
    API->heap_destroy(heap);
}

static void refuted(enum bug bug)
{
    gcsim_found found = search(&scenes[bug], (gcsim_search){.shortest = 1});
    const char *text = schedule_text(found.taken, found.steps);
    if (!check(found.verdict == GCSIM_LOST || found.verdict == GCSIM_BROKEN ||
                   found.verdict == GCSIM_DEADLOCKED,
               "%s: found among %" PRIu64 " states: %s", names[bug], found.states, found.what))
        return;
    print_programs(&scenes[bug]);
    printf("      %" PRIu64 " steps, %" PRIu64 " states, %" PRIu64 " transitions, %.1f ms: %s\n",
           found.steps, found.states, found.transitions, (double)found.ns / 1e6, text);
    replay(&scenes[bug], &found, text);
}

int main(void)
{
    if (BUG_CALLED(GCSIM_PLANTED) != BUG_NONE)
        refuted(BUG_CALLED(GCSIM_PLANTED));
    else
        for (enum bug bug = BUG_NONE + 1; bug < BUGS; bug++)
            sound(bug);
    return failures != 0;
}
