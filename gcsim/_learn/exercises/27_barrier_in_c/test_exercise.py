"""What exercise.c has to pass. The random programs are other ones each time."""

import random
import re
from array import array
from dataclasses import dataclass, replace

import pytest

from gcsim._learn.native import Died, compiled

# A collector and a program over a few objects, whose steps happen in every order. Programs come as
# numbers in learn->data; how one failed goes back there: what, an object or slot, and the order.
# With `swaps`, the same two functions beside a real collector: pointers change places all the time.
DRIVER = r"""
struct buffer {
    int marking;
    uint64_t n, room;
    void **entries;
};
void flush(struct buffer *b);
void write_pointer(struct buffer *b, void **slot, void *ptr);
void shade(void *object);

enum { OBJECTS = 6, SLOTS = 2, VARS = 3, OPS = 12, ROOM = 9, STEPS = 48, MOST = 400000 };
enum { LOAD, STORE, LOAD_GLOBAL, STORE_GLOBAL, NEW, NIL, MOVE };
enum {
    FINE,
    LOST,
    SHADED_NIL,
    SHADED_NOTHING,
    SHADED_OFF,
    OVERFLOW,
    NOT_STORED,
    FLUSHED_EARLY,
    NOT_FLUSHED,
    NOTED_OFF,
    SHADED_OFTEN,
    WROTE_ELSEWHERE
};
enum { SCAN_STACK = 20, SCAN_GLOBAL, END, SCAN }; // steps; below 20: a line of the program

struct object {
    void *slots[SLOTS];
};

struct program {
    int32_t nobjects, start, room, nops, vars[VARS], global, slots[OBJECTS][SLOTS], ops[OPS][4];
};

struct answer {
    int32_t what, which, nsteps, steps[STEPS];
};

// All that changes: where an order of steps branches, it is copied and taken back.
static struct state {
    struct object objects[OBJECTS];
    void *vars[VARS], *global, *entries[ROOM + 1];
    struct buffer b;
    int made, op, started, ended, stack_done, global_done, stores, shades;
    uint8_t marked[OBJECTS], grey[OBJECTS];
} now;
static struct answer *told;
static const struct program *p;
static int nodes, by_program;

static int fail(int what, int which)
{
    if (!told->what)
        told->what = what, told->which = which;
    return 1;
}

static int number(const void *object)
{
    for (int i = 0; i < now.made; i++)
        if (object == &now.objects[i])
            return i;
    return -1;
}

static void mark(const void *object)
{
    int i = number(object);
    if (i >= 0 && !now.marked[i])
        now.marked[i] = now.grey[i] = 1;
}

static gcsim_mutator *real; // NULL: the small collector
static gcsim_handle *sink;

void shade(void *object)
{
    if (real) { // the heap's own barrier shades what it stores
        gcsim_store(real, &sink->ptr, object);
        return;
    }
    by_program++;
    if (!object)
        fail(SHADED_NIL, 0);
    else if (number(object) < 0)
        fail(SHADED_NOTHING, 0);
    else if (!now.b.marking)
        fail(SHADED_OFF, number(object));
    mark(object);
}

static void *const GUARD = &now;

static void check_buffer(void)
{
    if (now.b.n > now.b.room || now.entries[now.b.room] != GUARD)
        fail(OVERFLOW, (int)now.b.n);
}

static void write_slot(void **slot, void *ptr)
{
    struct state before = now;
    by_program = 0;
    write_pointer(&now.b, slot, ptr);
    check_buffer();
    if (*slot != ptr)
        fail(NOT_STORED, number(ptr));
    if (!now.b.marking && now.b.n)
        fail(NOTED_OFF, (int)now.b.n);
    if (by_program && before.b.n + 4 <= now.b.room)
        fail(FLUSHED_EARLY, (int)before.b.n);
    now.stores += now.b.marking;
    now.shades += by_program;
    void *stored = *slot;
    *slot = NULL;
    void **was = (void **)((char *)&before + ((char *)slot - (char *)&now));
    *was = NULL;
    if (memcmp(before.objects, now.objects, sizeof now.objects) || before.global != now.global ||
        memcmp(before.vars, now.vars, sizeof now.vars))
        fail(WROTE_ELSEWHERE, 0);
    *slot = stored;
}

static void line(const int32_t *op)
{
    void **v = &now.vars[op[1]];
    struct object *o = op[0] == STORE ? *v : op[0] == LOAD ? now.vars[op[2]] : NULL;
    switch (op[0]) {
    case LOAD:
        if (o)
            *v = o->slots[op[3]];
        break;
    case STORE: // v.slot = var
        if (o)
            write_slot(&o->slots[op[3]], now.vars[op[2]]);
        break;
    case LOAD_GLOBAL:
        *v = now.global;
        break;
    case STORE_GLOBAL:
        write_slot(&now.global, *v);
        break;
    case NEW:
        if (now.made < OBJECTS) {
            now.marked[now.made] = (uint8_t)now.b.marking;
            *v = &now.objects[now.made++];
        }
        break;
    case NIL:
        *v = NULL;
        break;
    default:
        *v = now.vars[op[2]];
    }
}

// Whether it finds an object without a mark.
static int lost(const void *object, uint8_t *seen)
{
    int i = number(object);
    if (i < 0 || seen[i])
        return 0;
    seen[i] = 1;
    if (!now.marked[i])
        return fail(LOST, i);
    return lost(now.objects[i].slots[0], seen) || lost(now.objects[i].slots[1], seen);
}

static void end_of_marking(void)
{
    by_program = 0;
    flush(&now.b);
    check_buffer();
    now.shades += by_program;
    if (now.b.n)
        fail(NOT_FLUSHED, (int)now.b.n);
    if (now.shades > 2 * now.stores)
        fail(SHADED_OFTEN, now.shades);
    for (int i = 0; i < now.made; i++)
        if (now.grey[i])
            return;
    uint8_t seen[OBJECTS] = {0};
    now.b.marking = 0;
    now.ended = 1;
    int found = lost(now.global, seen);
    for (int i = 0; i < VARS && !found; i++)
        found = lost(now.vars[i], seen);
}

static void step(int what)
{
    if (what == SCAN_STACK) {
        now.stack_done = 1;
        for (int i = 0; i < VARS; i++)
            mark(now.vars[i]);
    } else if (what == SCAN_GLOBAL) {
        now.global_done = 1;
        mark(now.global);
    } else if (what == END) {
        end_of_marking();
    } else if (what >= SCAN) {
        now.grey[what - SCAN] = 0;
        mark(now.objects[what - SCAN].slots[0]);
        mark(now.objects[what - SCAN].slots[1]);
    } else {
        line(p->ops[now.op++]);
    }
}

// Every order from here on; 1: one of them went wrong.
static int explore(int depth)
{
    int choices[OBJECTS + 4], n = 0;
    if (!now.started && now.op == p->start)
        now.started = now.b.marking = 1;
    if (now.b.marking) {
        for (int i = 0; i < now.made; i++)
            if (now.grey[i])
                choices[n++] = SCAN + i;
        if (!now.stack_done)
            choices[n++] = SCAN_STACK;
        if (!now.global_done)
            choices[n++] = SCAN_GLOBAL;
        if (!n)
            choices[n++] = END;
    }
    if (now.op < p->nops)
        choices[n++] = now.op;
    struct state before = now;
    for (int i = 0; i < n && depth < STEPS && nodes++ < MOST; i++) {
        told->steps[depth] = choices[i];
        told->nsteps = depth + 1;
        step(choices[i]);
        if (told->what || explore(depth + 1))
            return 1;
        now = before;
    }
    return 0;
}

static void *object(int32_t i) { return i < 0 ? NULL : &now.objects[i]; }

static void run_program(void)
{
    memset(&now, 0, sizeof now);
    now.made = p->nobjects;
    for (int i = 0; i < p->nobjects; i++)
        for (int k = 0; k < SLOTS; k++)
            now.objects[i].slots[k] = object(p->slots[i][k]);
    for (int i = 0; i < VARS; i++)
        now.vars[i] = object(p->vars[i]);
    now.global = object(p->global);
    now.b = (struct buffer){0, 0, (uint64_t)p->room, now.entries};
    for (int i = 0; i <= ROOM; i++)
        now.entries[i] = GUARD;
    nodes = 0;
    told->what = 0;
    explore(0);
}

// ---- beside a real collector ----

enum { HUBS = 400, SPOKES = 64 };

struct node {
    uint64_t number, check, rest[2];
};

static void **spoke(const gcsim_handle *table, uint64_t i)
{
    return (void **)((void **)table->ptr)[i / SPOKES] + i % SPOKES;
}

static int is_whole(const struct node *n)
{
    return n && n->number < HUBS * SPOKES && n->check == gcsim_mix(n->number + 1);
}

static int swaps(const gcsim_api *api, gcsim_mutator *m, gcsim_work *w)
{
    static uint8_t seen[HUBS * SPOKES];
    uint64_t all = ~(uint64_t)0, one = 1, n = HUBS * SPOKES;
    const gcsim_type *node = gcsim_work_bytes(api, m, "node", sizeof(struct node));
    const gcsim_type *hub = gcsim_work_type(api, m, "hub", SPOKES, &all, SPOKES);
    const gcsim_type *pointer = gcsim_work_type(api, m, "pointer", 1, &one, 1);
    const gcsim_type *large = gcsim_work_bytes(api, m, "large", 1024);
    gcsim_handle *table = api->handle_new(m, api->new_array(m, pointer, HUBS));
    for (uint64_t i = 0; i < HUBS; i++) {
        void *made = gcsim_new(m, hub);
        gcsim_store(m, (void **)table->ptr + i, made);
    }
    for (uint64_t i = 0; i < n; i++) {
        struct node *made = gcsim_new(m, node);
        *made = (struct node){.number = i, .check = gcsim_mix(i + 1)};
        gcsim_store(m, spoke(table, i), made);
    }
    void *entries[ROOM];
    struct buffer b = {0, 0, ROOM - 1, entries};
    sink = api->handle_new(m, NULL);
    real = m;
    for (int64_t i = 0; i < w->params[1]; i++) {
        learn_step((uint64_t)i + 1, "two nodes of a real heap change places");
        if (i % 8 == 0) {
            flush(&b); // the collector ends marking only while it waits here
            struct node *garbage = gcsim_new(m, node);
            memset(garbage, 0xff, sizeof *garbage);
            gcsim_new(m, large);
            b.marking = (m->barrier & GCSIM_BARRIER_MARKING) != 0;
        }
        void **x = spoke(table, gcsim_below(&w->random, n)), *was = *x;
        void **y = spoke(table, gcsim_below(&w->random, n));
        if (!is_whole(was) || !is_whole(*y))
            return gcsim_work_fail(w, "a node was freed that the program can reach: swap %lld",
                                   (long long)i);
        write_pointer(&b, x, *y);
        write_pointer(&b, y, was);
    }
    flush(&b);
    for (uint64_t i = 0; i < n; i++) {
        const struct node *found = *spoke(table, i);
        if (!is_whole(found) || seen[found->number]++)
            return gcsim_work_fail(w, "a node was freed that the program can reach");
    }
    gcsim_cycle cycle;
    w->checksum = api->cycle_info(m->heap, 0, &cycle) ? 0 : cycle.number;
    return 0;
}

static int run(const gcsim_api *api, gcsim_mutator *m, void *arg)
{
    gcsim_work *w = arg;
    int64_t n = w->params[0];
    if (w->params[1])
        return swaps(api, m, w);
    p = (const void *)(learn->data + (size_t)n * sizeof *told);
    told = (void *)learn->data;
    for (int64_t i = 0; i < n; i++, p++, told++) {
        learn_step((uint64_t)i + 1, "program %d, some order", (int)i + 1);
        run_program();
        w->checksum += (uint64_t)nodes;
    }
    return 0;
}

static const gcsim_work_param params[] = {{"programs", "", "how many", 0, 0, 1 << 20},
                                          {"swaps", "", "in a real heap", 0, 0, 1 << 30}};
GCSIM_WORKLOAD(.name = "barrier", .about = "every order", .run = run, GCSIM_PARAMS(params));
"""
OBJECTS, SLOTS, OPS, STEPS, SWAPS = 6, 2, 12, 48, 120_000
LOAD, STORE, LOAD_GLOBAL, STORE_GLOBAL, NEW, NIL, MOVE = range(7)
X, Y, Z = range(3)
WRONG = [
    "",
    "object {} is lost: the program can reach it when marking ends, and it has no mark",
    "shade(nil)",
    "shade(...) of something that is no object",
    "object {} was shaded while nobody marks",
    "written beside the buffer, or n = {} is more than its room",
    "the slot does not hold what was stored",
    "shaded though the buffer had {} entries, and room for more",
    "flush(...) left {} entries",
    "{} entries were noted while nobody marks",
    "{} times shaded, more than twice for each store",
    "something else than the slot was written to",
]


@dataclass(frozen=True)
class Program:
    """Objects with two slots each, what x, y, z and the global point to, and lines."""

    objects: tuple
    variables: tuple
    glob: int | None
    ops: tuple
    start: int = 0  # the line before which marking begins
    room: int = 2

    def smaller(self):
        """Two things less, then one."""
        once = [*self.less()]
        return [twice for p in once for twice in p.less()] + once

    def less(self):
        for i in range(len(self.ops)):
            start = self.start - (i < self.start)
            yield replace(self, ops=self.ops[:i] + self.ops[i + 1 :], start=start)
        for i, slots in enumerate(self.objects):
            for k in range(SLOTS):
                if slots[k] is not None:
                    cut = (*slots[:k], None, *slots[k + 1 :])
                    yield replace(self, objects=(*self.objects[:i], cut, *self.objects[i + 1 :]))
        for i, to in enumerate(self.variables):
            if to is not None:
                cut = (*self.variables[:i], None, *self.variables[i + 1 :])
                yield replace(self, variables=cut)

    def numbers(self):
        slots = [to for pair in self.objects for to in pair]
        slots += [None] * (OBJECTS * SLOTS - len(slots))
        head = [len(self.objects), self.start, self.room, len(self.ops)]
        numbers = [*head, *self.variables, self.glob, *slots]
        numbers += [n for op in self.ops for n in op] + [0] * (4 * (OPS - len(self.ops)))
        return [-1 if n is None else n for n in numbers]

    def __str__(self):
        roots = [f"{name} = {named(to)}" for name, to in zip("xyz", self.variables, strict=True)]
        lines = [f"{', '.join(roots)}, global = {named(self.glob)}; a buffer of {self.room}"]
        for i, slots in enumerate(self.objects):
            lines.append(f"  object {i} -> {', '.join(map(named, slots))}")
        return "\n".join([*lines, *(f"  {text(op)}" for op in self.ops)])


def named(to):
    return "nil" if to is None else str(to)


def text(op):
    kind, a, b, slot = op
    a, b = "xyz"[a], "xyz"[b]
    return {
        LOAD: f"{a} = {b}.{slot}",
        STORE: f"{a}.{slot} = {b}",
        LOAD_GLOBAL: f"{a} = global",
        STORE_GLOBAL: f"global = {a}",
        NEW: f"{a} = new",
        NIL: f"{a} = nil",
        MOVE: f"{a} = {b}",
    }[kind]


def order(program, steps):
    """The steps as text."""
    begins = "  marking begins"
    lines, begun = ["in this order:"], False
    for step in steps:
        if not begun and (step >= 20 or step == program.start):
            lines.append(begins)
            begun = True
        what = {20: "the stack is scanned", 21: "the global is scanned"}.get(step)
        if step < 20:
            lines.append(f"  program:   {text(program.ops[step])}")
        elif step == 22:
            lines.append("  collector: flushes; marking ends if nothing is grey")
        else:
            lines.append(f"  collector: {what or f'object {step - 23} is scanned'}")
    return "\n".join(lines)


def wrongs(exercise, programs):
    """How each fails; None: it does not, in any order."""
    size = 3 + STEPS
    numbers = [0] * size * len(programs) + [n for p in programs for n in p.numbers()]
    try:
        done = compiled(exercise, DRIVER, flags=("-O1",)).run(
            data=array("i", numbers).tobytes(),
            heap={"gogc": None},
            seconds=8,
            programs=len(programs),
        )
    except Died as died:
        if found := re.search(r"program (\d+),", str(died)):
            raise Died(died.outcome, f"{died}\n{programs[int(found[1]) - 1]}", died.data) from None
        raise
    told, found = array("i", done.data).tolist(), []
    for i, program in enumerate(programs):
        what, which, n, *steps = told[i * size :][:size]
        message = f"{WRONG[what].format(which)}\n{program}\n{order(program, steps[:n])}"
        found.append(message if what else None)
    return found


def check(exercise, programs):
    """All in one process; one that fails is made smaller while it does."""
    message = None
    for _ in range(4):
        found = [(m, p) for m, p in zip(wrongs(exercise, programs), programs, strict=True) if m]
        if not found:
            break
        message, program = found[0]
        programs = program.smaller()
    if message:
        pytest.fail(message)


# x, y, z are the stack. Object 0 is what the global has; 1 hangs in it, or only in x.
HANGS, ALONE = ((1, None), (None, None)), ((None, None), (None, None))
TAKEN = (LOAD_GLOBAL, X, 0, 0), (LOAD, Y, X, 0), (STORE, X, Z, 0)  # the stack has the last pointer
HIDDEN = (LOAD_GLOBAL, Y, 0, 0), (STORE, Y, X, 0), (NIL, X, 0, 0)  # it gives it away
KNOWN = [
    Program(HANGS, (None, None, None), 0, TAKEN),
    Program(HANGS, (None, None, None), 0, (*TAKEN[:2], (STORE, X, X, 0))),
    Program(ALONE, (1, None, None), 0, HIDDEN),
    Program((*HANGS, (None, None)), (2, None, None), 0, HIDDEN),
    Program(
        ALONE, (1, None, None), 0, (*HIDDEN, (LOAD, Z, Y, 0), (STORE, Y, X, 0), (MOVE, X, Z, 0))
    ),
    Program(HANGS, (None, 1, None), 0, ((STORE_GLOBAL, Y, 0, 0), (STORE_GLOBAL, Z, 0, 0)), room=8),
    Program(
        HANGS, (None, None, None), 0, ((NEW, X, 0, 0), (STORE_GLOBAL, X, 0, 0), (STORE, X, X, 1))
    ),
]


def test_known_programs(exercise):
    """Hiding the last pointer behind a black object is all that a program has to do."""
    check(exercise, KNOWN)


def test_every_size_of_buffer(exercise):
    """Go has room for 512: flushes are rare, and none of what is noted may get lost by one."""
    lines = (*HIDDEN, *[(STORE, Y, Z, 1)] * 4)
    check(exercise, [Program(ALONE, (1, None, None), 0, lines, room=n) for n in range(2, 9)])


def test_nothing_while_nobody_marks(exercise):
    """Most of the time no collection marks: then a store costs one test of a flag more."""
    stores = ((STORE, X, Y, 0), (STORE_GLOBAL, Y, 0, 0), (LOAD, Z, X, 0), (STORE, X, Z, 1))
    check(exercise, [Program(HANGS, (0, 1, None), 0, stores, start=n, room=4) for n in range(1, 5)])


def some_program(dice):
    n = dice.randrange(2, 5)

    def pointer(nils):
        return None if dice.random() < nils else dice.randrange(n)

    def line(kind):
        return kind, dice.randrange(3), dice.randrange(3), dice.randrange(2)

    ops = [line(k) for k in dice.choices(range(7), [24, 36, 10, 10, 6, 9, 5], k=4)]
    a, b, c = dice.sample(range(3), 3)
    slot, at = dice.randrange(2), dice.randrange(3)
    taken = (LOAD_GLOBAL, a, 0, 0), (LOAD, b, a, slot), (STORE, a, dice.choice([a, c]), slot)
    hidden = (LOAD_GLOBAL, a, 0, 0), (STORE, a, b, slot), (NIL, b, 0, 0)
    ops[at:at] = dice.choice([taken, hidden])
    objects = tuple((pointer(0.4), pointer(0.4)) for _ in range(n))
    variables = (pointer(0.3), pointer(0.3), pointer(0.6))
    start, room = dice.choice([0, 0, 1, 2]), dice.randrange(2, 9)
    return Program(objects, variables, pointer(0.1), tuple(ops), start, room)


@pytest.mark.gc_seeds(2)
def test_any_program(exercise, seed):
    """An object that is lost once in a million runs is a crash that nobody can explain."""
    dice = random.Random(seed)
    check(exercise, [some_program(dice) for _ in range(50)])


def test_beside_a_real_collector(exercise):
    """Other threads mark while the program goes on: here what is lost is really freed."""
    program = compiled(exercise, DRIVER, flags=("-O1",))
    done = program.run(heap={"gogc": 20}, swaps=SWAPS, seconds=8)
    if done.error:
        pytest.fail(done.error)
    assert done.checksum, "gcsim itself is wrong: nothing was collected"
