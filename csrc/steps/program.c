// A mutator that runs a table of operations on its own frame, one per step.
#include "steps/actor.h"

#include "alloc/malloc.h"
#include "gc/barrier.h"
#include "gc/cycle.h"
#include "gc/roots.h"
#include "gc/specials.h"
#include "gc/world.h"

// --- what a stage may be -----------------------------------------------------------------------------------------

static const struct {
    uint8_t a, b, c; // what an operand must be less than: a digit of operand_limits
} operands[GCSIM_OP_CODES] = {
    [GCSIM_OP_LOAD] = {'l', 'l', 'f'},
    [GCSIM_OP_STORE] = {'l', 'f', 'n'},
    [GCSIM_OP_NEW] = {'l', 0, 0},
    [GCSIM_OP_DROP] = {'l', 0, 0},
    [GCSIM_OP_MOVE] = {'l', 'l', 0},
    [GCSIM_OP_LOAD_GLOBAL] = {'l', 'g', 0},
    [GCSIM_OP_STORE_GLOBAL] = {'g', 'n', 0},
    [GCSIM_OP_COPY] = {'l', 'l', 0},
    [GCSIM_OP_CLEAR] = {'l', 0, 0},
    [GCSIM_OP_PUSH] = {'l', 0, 0},
    [GCSIM_OP_POP] = {'l', 0, 0},
    [GCSIM_OP_HANDLE] = {'h', 'l', 0},
    [GCSIM_OP_LOAD_HANDLE] = {'l', 'h', 0},
    [GCSIM_OP_DROP_HANDLE] = {'h', 0, 0},
    [GCSIM_OP_WEAK] = {'h', 'l', 0},
    [GCSIM_OP_LOAD_WEAK] = {'l', 'h', 0},
    [GCSIM_OP_JUMP] = {'j', 0, 0},
    [GCSIM_OP_TINY] = {'l', 0, 0},
    [GCSIM_OP_JUMP_NIL] = {'l', 'j', 0},
};

static bool operand_fits(const gcsim_stage *s, uint8_t kind, uint8_t value)
{
    switch (kind) {
    case 'l':
        return value < s->locals;
    case 'n':
        return value < s->locals || value == GCSIM_NIL;
    case 'f':
        return value < s->fields;
    case 'g':
        return value < s->globals;
    case 'h':
        return value < GCSIM_PROGRAM_HANDLES;
    case 'j':
        return value < PROGRAM_OPS;
    default:
        return value == 0;
    }
}

static bool targets_fit(const gcsim_stage *s, const uint8_t *targets, uint32_t n)
{
    for (uint32_t i = 0; targets && i < n; i++)
        if (targets[i] > s->objects)
            return false;
    return true;
}

static const char *program_error(const gcsim_stage *s, const gcsim_op *ops)
{
    if (!ops)
        return "a mutator has no program";
    for (int i = 0; i < PROGRAM_OPS; i++) {
        gcsim_op op = ops[i];
        if (op.code == GCSIM_OP_END)
            return NULL;
        if (op.code >= GCSIM_OP_CODES)
            return "a program has an unknown operation";
        if (!operand_fits(s, operands[op.code].a, op.a) ||
            !operand_fits(s, operands[op.code].b, op.b) ||
            !operand_fits(s, operands[op.code].c, op.c))
            return "an operation names a local, field, global or handle that is not there";
    }
    return "a program has more than 63 operations";
}

CORE const char *stage_error(const gcsim_stage *s)
{
    if (s->objects < 1 || s->objects > STAGE_OBJECTS)
        return "a stage has 1 to 16 objects";
    if (s->fields < 1 || s->fields > STAGE_FIELDS)
        return "an object of a stage has 1 to 4 fields";
    if (s->globals > GCSIM_PROGRAM_GLOBALS || s->locals < 1 || s->locals > GCSIM_PROGRAM_LOCALS)
        return "a stage has 0 to 4 globals, and 1 to 4 locals for each mutator";
    if (s->mutators < 1 || s->mutators > STAGE_MUTATORS)
        return "a stage has 1 to 4 mutators";
    if (!targets_fit(s, s->field_targets, s->objects * s->fields) ||
        !targets_fit(s, s->global_targets, s->globals) ||
        !targets_fit(s, s->local_targets, s->mutators * s->locals))
        return "a slot is to point at an object that is not there";
    for (uint32_t i = 0; i < s->mutators; i++) {
        const char *error = program_error(s, s->programs[i]);
        if (error)
            return error;
    }
    return NULL;
}

// --- the locals --------------------------------------------------------------------------------------------------

static struct stage *stage_of(struct actor *a) { return &a->heap->actors->stage; }

static void **local(struct actor *a, uint32_t i)
{
    return (void **)gcsim_frame_slots(a->g, a->frame) + i;
}

static void *get_local(struct actor *a, uint32_t i)
{
    return i == GCSIM_NIL ? NULL : GCSIM_LOAD(local(a, i));
}

// A stack's slot has no barrier.
static void set_local(struct actor *a, uint32_t i, void *p) { GCSIM_STORE(local(a, i), p); }

// --- any operation that is possible ------------------------------------------------------------------------------

// Operation number k of those that a mutator could do now, in a fixed order: END behind the last. None of them frees a local that is not there.
static gcsim_op possible(struct actor *a, uint32_t k)
{
    const gcsim_stage *s = &stage_of(a)->given;
    for (uint8_t l = 0; l < s->locals; l++) {
        for (uint8_t g = 0; g < s->globals; g++)
            if (k-- == 0)
                return (gcsim_op){GCSIM_OP_LOAD_GLOBAL, l, g, 0};
        if (!get_local(a, l))
            continue;
        if (k-- == 0)
            return (gcsim_op){GCSIM_OP_DROP, l, 0, 0};
        for (uint8_t f = 0; f < s->fields; f++) {
            for (uint8_t to = 0; to < s->locals; to++)
                if (k-- == 0)
                    return (gcsim_op){GCSIM_OP_LOAD, to, l, f};
            for (uint8_t from = 0; from < s->locals; from++)
                if (get_local(a, from) && k-- == 0)
                    return (gcsim_op){GCSIM_OP_STORE, l, f, from};
            if (k-- == 0)
                return (gcsim_op){GCSIM_OP_STORE, l, f, GCSIM_NIL};
        }
        for (uint8_t g = 0; g < s->globals; g++)
            if (k-- == 0)
                return (gcsim_op){GCSIM_OP_STORE_GLOBAL, g, l, 0};
    }
    for (uint8_t g = 0; g < s->globals; g++)
        if (k-- == 0)
            return (gcsim_op){GCSIM_OP_STORE_GLOBAL, g, GCSIM_NIL, 0};
    return (gcsim_op){GCSIM_OP_END, 0, 0, 0};
}

static uint32_t count_possible(struct actor *a)
{
    uint32_t n = 0;
    while (possible(a, n).code != GCSIM_OP_END)
        n++;
    return n;
}

// --- one operation -----------------------------------------------------------------------------------------------

#define ALL_ONES(words) ((1ull << (words)) - 1)

static void *load_slot(struct actor *a, void **slot)
{
    struct mheap *h = &a->heap->mheap;
    POINT(h, LOAD, arena_offset(h, slot), 0);
    return GCSIM_LOAD(slot);
}

// The base of an object's fields; an operation on nil, or on an object without, ends the program with GCSIM_BAD_ADDRESS, as a Go program would panic.
static void **fields_of(struct actor *a, uint32_t i)
{
    void *p = get_local(a, i);
    gcsim_span *s = span_of(&a->heap->mheap, p);
    if (p && s && !span_noscan(s))
        return p;
    a->status = GCSIM_BAD_ADDRESS;
    return NULL;
}

static void on_fields(struct actor *a, gcsim_op op)
{
    struct stage *s = stage_of(a);
    void **object = fields_of(a, op.code == GCSIM_OP_LOAD ? op.b : op.a), **from;
    if (!object)
        return;
    if (op.code == GCSIM_OP_LOAD) {
        set_local(a, op.a, load_slot(a, object + op.c));
    } else if (op.code == GCSIM_OP_STORE) {
        barrier_store(a->m, object + op.b, get_local(a, op.c));
    } else if (op.code == GCSIM_OP_CLEAR) {
        barrier_clear(a->m, s->node, object, 1);
    } else if ((from = fields_of(a, op.b))) {
        barrier_copy(a->m, s->node, object, from, 1);
    }
}

static void on_stack(struct actor *a, gcsim_op op)
{
    struct stage *s = stage_of(a);
    if (op.code == GCSIM_OP_PUSH) {
        uint64_t at = goroutine_push(a->m, a->g, s->one, 0);
        if (at == UINT64_MAX) {
            a->status = a->m->pub.status;
            return;
        }
        *(void **)gcsim_frame_slots(a->g, at) = get_local(a, op.a);
        set_local(a, op.a, NULL);
    } else if (a->g->top == a->frame) {
        a->status = GCSIM_BAD_STATE;
    } else {
        set_local(a, op.a, *(void **)gcsim_frame_slots(a->g, a->g->top));
        goroutine_pop(a->m, a->g);
    }
}

static void on_handles(struct actor *a, gcsim_op op)
{
    struct stage *s = stage_of(a);
    gcsim_handle **handle = &s->handles[op.code == GCSIM_OP_LOAD_HANDLE ? op.b : op.a];
    gcsim_weak **weak = &s->weaks[op.code == GCSIM_OP_LOAD_WEAK ? op.b : op.a];
    if (op.code == GCSIM_OP_HANDLE) {
        *handle = handle_make(a->m, get_local(a, op.b));
    } else if (op.code == GCSIM_OP_WEAK && get_local(a, op.b)) {
        *weak = weak_make(a->m, get_local(a, op.b));
    } else if (op.code == GCSIM_OP_LOAD_HANDLE && *handle) {
        set_local(a, op.a, load_slot(a, &(*handle)->ptr));
    } else if (op.code == GCSIM_OP_DROP_HANDLE && *handle) {
        handle_release(a->heap, *handle);
        *handle = NULL;
    } else if (op.code == GCSIM_OP_LOAD_WEAK && *weak) {
        set_local(a, op.a, cycle_read_weak(a->m, *weak));
    } else {
        a->status = GCSIM_BAD_ADDRESS;
    }
}

static void perform(struct actor *a, gcsim_op op)
{
    struct stage *s = stage_of(a);
    switch (op.code) {
    case GCSIM_OP_NEW:
        set_local(a, op.a, malloc_new(a->m, s->node));
        break;
    case GCSIM_OP_TINY:
        set_local(a, op.a, malloc_new(a->m, s->tiny));
        break;
    case GCSIM_OP_DROP:
        set_local(a, op.a, NULL);
        break;
    case GCSIM_OP_MOVE:
        set_local(a, op.a, get_local(a, op.b));
        break;
    case GCSIM_OP_LOAD_GLOBAL:
        set_local(a, op.a, load_slot(a, &s->globals[op.b]->words[0]));
        break;
    case GCSIM_OP_STORE_GLOBAL:
        barrier_store(a->m, &s->globals[op.a]->words[0], get_local(a, op.b));
        break;
    case GCSIM_OP_JUMP:
        a->pc = op.a;
        break;
    case GCSIM_OP_JUMP_NIL:
        if (!get_local(a, op.a))
            a->pc = op.b;
        break;
    case GCSIM_OP_PUSH:
    case GCSIM_OP_POP:
        on_stack(a, op);
        break;
    case GCSIM_OP_LOAD:
    case GCSIM_OP_STORE:
    case GCSIM_OP_COPY:
    case GCSIM_OP_CLEAR:
        on_fields(a, op);
        break;
    default:
        on_handles(a, op);
    }
}

// The step point before an operation; which one it is.
static gcsim_op next_op(struct actor *a, gcsim_op op)
{
    struct mheap *h = &a->heap->mheap;
    if (op.code != GCSIM_OP_FREE) {
        POINT(h, OP, a->pc, op.code);
        a->pc++;
        return op;
    }
    uint32_t n = count_possible(a);
    return possible(a, rt_choose(&h->rt, EVENT_OP, a->pc, n));
}

static bool is_over(struct actor *a, gcsim_op op)
{
    struct gc *gc = &a->heap->gc;
    return op.code == GCSIM_OP_END || a->status != GCSIM_OK ||
           (op.code == GCSIM_OP_FREE && gc->cycles && gc->phase != GC_MARK);
}

static void run_program(void *arg)
{
    struct actor *a = arg;
    const gcsim_op *ops = stage_of(a)->programs[a->which];
    gcsim_enter(&a->m->pub);
    while (!is_over(a, ops[a->pc])) {
        gcsim_op op = next_op(a, ops[a->pc]);
        a->doing = a->last = op;
        if (world_wanted(&a->heap->mheap))
            world_poll(a->m);
        rt_join_next(&a->heap->mheap.rt,
                     !a->heap->gc.late_barrier); // else the barrier may come on in between
        perform(a, op);
        rt_join_next(&a->heap->mheap.rt, false);
        a->doing = (gcsim_op){0};
    }
    gcsim_leave(&a->m->pub);
    actor_end(a);
}

// --- setting up --------------------------------------------------------------------------------------------------

struct setting {
    gcsim_heap *heap;
    struct mutator *m;
    const gcsim_stage *given;
    gcsim_status status;
};

// Of words, the first `pointers` of which are pointers.
static const gcsim_type *words_type(struct setting *set, const char *name, uint32_t words,
                                    uint32_t pointers)
{
    uint64_t mask = ALL_ONES(pointers);
    gcsim_type_desc desc = {.name = name,
                            .bytes = words * 8ull,
                            .ptr_bytes = pointers * 8ull,
                            .mask = &mask,
                            .align = 8,
                            .kind = GCSIM_KIND_STRUCT};
    return type_make(&set->heap->mheap.types, &desc, malloc_resolve_type, &set->status);
}

static void *target(struct stage *s, const uint8_t *targets, uint32_t i)
{
    return targets && targets[i] ? s->objects[targets[i] - 1] : NULL;
}

// For the pictures; 0 if there is no memory for it.
static uint32_t stage_name(struct setting *set, const char *format, uint32_t number)
{
    char text[32];
    uint32_t name = 0;
    snprintf(text, sizeof text, format, number);
    name_intern_in(&set->heap->mheap.types, text, &name);
    return name;
}

static bool make_objects(struct setting *set, struct stage *s)
{
    for (uint32_t i = 0; i < s->given.objects; i++) {
        s->objects[i] = malloc_new(set->m, s->node);
        if (!s->objects[i])
            return false;
    }
    for (uint32_t i = 0; i < s->given.objects * s->given.fields; i++)
        ((void **)s->objects[i / s->given.fields])[i % s->given.fields] =
            target(s, set->given->field_targets, i);
    for (uint32_t i = 0; i < s->given.globals; i++) {
        s->globals[i] = global_make(set->m, stage_name(set, "global %u", i));
        if (!s->globals[i])
            return false;
        s->globals[i]->words[0] = target(s, set->given->global_targets, i);
    }
    return true;
}

static bool make_mutator(struct setting *set, struct stage *s, uint32_t i)
{
    uint32_t number = actor_start(set->heap, GCSIM_ROLE_MUTATOR, run_program, &set->status);
    if (number == UINT32_MAX)
        return false;
    struct actor *a = &set->heap->actors->each[number];
    a->which = i;
    a->g = goroutine_make(a->m, stage_name(set, "mutator %c", 'a' + number));
    a->frame =
        a->g ? goroutine_push(a->m, a->g, s->locals, stage_name(set, "locals", 0)) : UINT64_MAX;
    if (a->frame == UINT64_MAX)
        return false;
    for (uint32_t l = 0; l < s->given.locals; l++)
        set_local(a, l, target(s, set->given->local_targets, i * s->given.locals + l));
    memcpy(s->programs[i], set->given->programs[i], sizeof(gcsim_op)); // the rest below
    for (uint32_t k = 0; set->given->programs[i][k].code != GCSIM_OP_END; k++)
        s->programs[i][k] = set->given->programs[i][k];
    return true;
}

static void set_stage(void *arg)
{
    struct setting *set = arg;
    gcsim_heap *heap = set->heap;
    struct mheap *h = &heap->mheap;
    set->status = GCSIM_NO_MEMORY;
    heap->actors = meta_alloc(&h->meta, &h->rt, sizeof *heap->actors);
    if (!heap->actors)
        return;
    struct stage *s = &heap->actors->stage;
    s->given = *set->given;
    gcsim_mutator *m = world_attach(heap, false, &set->status);
    if (!m)
        return;
    set->m = mutator_of(m);
    gcsim_enter(m);
    s->node = words_type(set, "Node", s->given.fields, s->given.fields);
    s->locals = words_type(set, "locals", s->given.locals, s->given.locals);
    s->one = words_type(set, "frame", 1, 1);
    s->tiny = words_type(set, "tiny", 1, 0);
    bool made = s->node && s->locals && s->one && s->tiny && make_objects(set, s);
    gcsim_leave(m);
    world_detach(set->m);
    for (uint32_t i = 0; made && i < s->given.mutators; i++)
        made = make_mutator(set, s, i);
    if (made)
        actor_collect(heap, &set->status);
    else if (set->status == GCSIM_OK)
        set->status = GCSIM_NO_MEMORY;
}

CORE gcsim_status stage_set(gcsim_heap *heap, const gcsim_stage *stage)
{
    struct setting set = {.heap = heap, .given = stage};
    if (stage_error(stage))
        return GCSIM_BAD_SIZE;
    if (heap->actors || heap->gc.cycles)
        return GCSIM_BAD_STATE;
    heap->mheap.rt.frozen = 1;
    heap->mheap.rt.quiet = ~STAGE_POINTS;
    rt_call(&heap->mheap.rt, set_stage, &set);
    return set.status;
}
