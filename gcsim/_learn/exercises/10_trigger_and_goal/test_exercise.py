"""What exercise.py has to pass. The random states are other ones each time."""

import random
from array import array as buffer
from dataclasses import dataclass, fields, replace
from functools import cached_property
from math import inf

import pytest

import gcsim
from gcsim import ptr, u8
from gcsim.learn import exact, smallest
from gcsim.lowlevel import Pacer

MIB = 1 << 20
OFF, NO_LIMIT = (1 << 64) - 1, (1 << 63) - 1


@gcsim.struct
class Node:
    next: ptr["Node"]
    here: ptr["Node"]


@dataclass
class State:
    """What the pacer goes by when a cycle has ended. The core's own pacer says what follows."""

    live: int
    stacks: int
    globals: int
    gogc: int | None
    limit: int | None
    mapped: int
    heap: int
    cons_mark_64ths: int
    heap_scan: int

    @cached_property
    def pacer(self):
        made = Pacer()
        made.init(-1 if self.gogc is None else self.gogc, self.limit or NO_LIMIT)
        for name, value in (
            ("heap_marked", self.live),
            ("heap_live", self.live),
            ("last_stack_scan", self.stacks),
            ("globals_scan", self.globals),
            ("last_heap_scan", self.heap_scan),
            ("cons_mark", self.cons_mark),
            ("mapped_ready", self.mapped),
            ("total_alloc", self.heap),
        ):
            made[name] = value
        made.commit(sweep_done=False)
        return made

    @property
    def cons_mark(self):
        return self.cons_mark_64ths / 64

    @property
    def scan(self):
        return self.heap_scan + self.stacks + self.globals

    @property
    def by_limit(self):
        return None if self.limit is None else self.pacer.memory_limit_goal()

    @property
    def goal(self):
        goal = self.pacer.trigger()[1]
        return None if goal == OFF else goal

    @property
    def limited(self):
        made = self.pacer
        return made.memory_limit_goal() < made["gc_percent_heap_goal"]

    def smaller(self):
        """States with a number that is simpler: nothing, half, or whole MiB."""
        for field in fields(self):
            old = getattr(self, field.name)
            for new in (0, (old or 0) // 2, (old or 0) // MIB * MIB):
                made = replace(self, **{field.name: new})
                if new < (old or 0) and made.possible():
                    yield made

    def possible(self):
        return (self.limit is None or self.limit > 0) and self.mapped >= self.heap


def random_state(dice, kind):
    """A state; the kinds take turns, so that each seed meets all that there is to meet."""
    live = (0, dice.randrange(3 * MIB), dice.randrange(64 * MIB), dice.randrange(1 << 31))[kind % 4]
    heap = live + dice.randrange(live // 2 + MIB)
    mapped = heap + dice.randrange(dice.choice([MIB, 16 * MIB]))
    limit = None
    if kind % 3:  # far above, near, or below what is there
        limit = 1 + dice.randrange(dice.choice([4 * MIB, 2 * mapped, 6 * mapped + 8 * MIB]))
    gogc = dice.choice([None, 0, 5, 10, 25, 33, 50, 75, 100, 150, 200, 400, 1000])
    return State(
        live,
        dice.randrange(dice.choice([1, 100_000, 32 * MIB])),
        dice.randrange(dice.choice([1, 300_000, 4 * MIB])),
        gogc if limit or gogc is not None else dice.randrange(1, 500),
        limit,
        mapped,
        heap,
        dice.randrange(dice.choice([1, 20, 400])),
        dice.randrange(live + 1),
    )


def wrong_goal(exercise, state):
    """What is wrong with the goal of one state; None: nothing. The others are like it."""
    given = (state.live, state.stacks, state.globals, state.gogc, state.by_limit)
    return compare(exercise.goal, given, state.goal)


def wrong_limit(exercise, state):
    if state.limit is None:
        return None
    given = (state.live, state.limit, state.mapped, state.heap)
    return compare(exercise.limit_goal, given, state.by_limit)


def wrong_trigger(exercise, state):
    if state.goal is None:
        return None
    made = state.pacer
    given = (state.live, state.goal, made["runway"], state.limited)
    return compare(exercise.trigger, given, made.trigger()[0])


def wrong_runway(exercise, state):
    given = (state.cons_mark, state.scan)
    return compare(exercise.runway, given, state.pacer["runway"])


def compare(function, given, want):
    try:
        exact(function(*given), want, called(function, given))
    except AssertionError as error:
        return str(error)
    return None


def called(function, given):
    return (
        f"{function.__name__}({', '.join(f'{g:_}' if type(g) is int else str(g) for g in given)})"
    )


def check(exercise, wrong, seed):
    dice = random.Random(seed)
    for kind in range(240):
        state = random_state(dice, kind)
        if wrong(exercise, state):
            state = smallest(state, lambda s: wrong(exercise, s))
            pytest.fail(f"{wrong(exercise, state)}\n{state}")


@pytest.mark.parametrize(
    ("live", "stacks", "globals_", "gogc", "goal"),
    [
        (1_584_024, 4_992, 214_410, 50, 2_632_600),  # a web service: room to sweep
        (7_195_608, 4_784, 214_410, 50, 10_903_009),
        (26_810_640, 21_512, 214_410, 50, 40_333_921),
        (3_611_952, 2_808, 169_642, 100, 7_396_354),  # another, that builds trees
        (13_694_552, 3_800, 169_642, 100, 27_562_546),
    ],
)
def test_goals_that_go_had(exercise, live, stacks, globals_, gogc, goal):
    """Not HeapAlloc * 2: runtime/metrics showed these goals (/gc/heap/goal) while services ran."""
    given = (live, stacks, globals_, gogc)
    exact(exercise.goal(*given), goal, called(exercise.goal, given))


@pytest.mark.parametrize(
    ("gogc", "by_limit", "goal"),
    [
        (100, None, 4 * MIB),
        (400, None, 16 * MIB),
        (25, None, 3 * MIB),
        (None, None, None),
        (None, 30 * MIB, 30 * MIB),
        (100, 30 * MIB, 4 * MIB),
        (400, 9 * MIB, 9 * MIB),
        (200, 2 * MIB, 2 * MIB),
        (0, None, 3 * MIB),
    ],
)
def test_goals_of_two_mib(exercise, gogc, by_limit, goal):
    """GOGC=off has no goal but that of the limit, and a limit never raises one."""
    given = (2 * MIB, 0, 0, gogc, by_limit)
    exact(exercise.goal(*given), goal, called(exercise.goal, given))


@pytest.mark.parametrize(
    ("live", "goal", "runway", "limited", "trigger"),
    [
        (0, 4_194_304, 0, False, 3_997_696),  # the first cycle of any program
        (291_447, 4_194_304, 29_303, False, 4_011_349),
        (1_771_807, 4_194_304, 159_807, False, 4_034_497),
        (20_886_438, 41_813_836, 20_293_785, False, 35_600_988),
        (100_666_039, 201_373_038, 8_877_963, False, 192_495_075),
        (335_544_198, 520_764_785, 29_583_973, True, 491_180_812),
        (3_000_000, 3_000_000, 5_000, True, 3_000_000),
    ],
)
def test_triggers_that_go_had(exercise, live, goal, runway, limited, trigger):
    """Too early is a cycle for nothing, too late makes the program mark for itself (assists)."""
    given = (live, goal, runway, limited)
    exact(exercise.trigger(*given), trigger, called(exercise.trigger, given))


def test_a_limit_of_64_mib(exercise):
    """GOMEMLIMIT counts everything: a program with much besides the heap gets less of a heap."""
    for mapped, heap, goal in (
        (40 * MIB, 36 * MIB, 61_027_125),
        (70 * MIB, 60 * MIB, 48_821_700),
        (66 * MIB, 2 * MIB, 5 * MIB),  # nothing is left: what lives
    ):
        given = (5 * MIB, 64 * MIB, mapped, heap)
        exact(exercise.limit_goal(*given), goal, called(exercise.limit_goal, given))


@pytest.mark.gc_seeds(3)
def test_any_goal(exercise, seed):
    """Stacks and globals are work too: since 1.18 they count, and a limit since 1.19."""
    check(exercise, wrong_goal, seed)


@pytest.mark.gc_seeds(3)
def test_any_limit(exercise, seed):
    """Where a limit cannot be kept, Go does not fail: it collects all the time."""
    check(exercise, wrong_limit, seed)


@pytest.mark.gc_seeds(3)
def test_any_trigger(exercise, seed):
    """The bounds keep a bad estimate from doing harm."""
    check(exercise, wrong_runway, seed)
    check(exercise, wrong_trigger, seed)


def program(heap, dice):
    """Allocates until there were eight cycles; some of it stays; there are frames and a global."""
    n = dice.randrange(1_000, 20_000)
    batch = heap.build(Node, n, links={"next": buffer("q", range(-1, n - 1))}, roots=[n - 1])
    heap.globals["list"] = batch[n - 1]
    main = heap.goroutine("main")
    for depth in range(dice.randrange(1, 100)):
        main.push(f"f{depth}", **{f"slot{i}": ptr[Node] for i in range(20)})
    kept = []
    heap.collect()
    for i in range(10_000):
        if len(heap.cycles) >= 8:
            break
        heap.new_slice(u8, dice.randrange(4_096, 32_768))
        if i % 20 == 0 and len(kept) < 100:
            kept.append(heap.new_slice(ptr[Node], 2_000))
    return kept


@pytest.mark.gc_seeds(3)
def test_a_real_heap(exercise, seed):
    """It is no estimate: every cycle of a program begins where these numbers say."""
    dice = random.Random(seed)
    gogc = dice.choice([50, 75, 100, 150])
    with gcsim.Heap(mode="virtual", procs=1 + seed % 4, seed=seed, gogc=gogc) as heap:
        kept = program(heap, dice)
        cycles = heap.cycles[2:]
        kept.clear()
    table = [f"GOGC={gogc}: cycle, live before, stacks, globals, runway -> trigger, goal"]
    for c in cycles:
        given = (c.marked_before, c.stack_scan, c.globals_scan, gogc)
        goal = exercise.goal(*given)
        found = (exercise.trigger(c.marked_before, c.goal, c.runway, False), goal)
        table.append(f"  {c.number}: {given[:3]}, {c.runway} -> {c.trigger_bytes}, {c.goal}")
        exact(found, (c.trigger_bytes, c.goal), "\n".join([*table, "trigger and goal"]))
        if not 0 <= c.cons_mark < inf:  # measured on next to nothing
            continue
        scan = c.heap_scan_before + c.stack_scan + c.globals_scan
        found = exercise.runway(c.cons_mark, scan)
        if type(found) is not int or abs(found - c.runway) > 1:
            pytest.fail(f"runway({c.cons_mark}, {scan}): expected {c.runway}, found {found!r}")


@pytest.mark.gc_seeds(3)
def test_a_real_heap_under_a_limit(exercise, seed):
    """GOGC=off with a limit is a usual setting: the goal is all that the limit leaves."""
    dice = random.Random(seed)
    limit = dice.randrange(8 * MIB, 40 * MIB)
    with gcsim.Heap(mode="virtual", procs=2, seed=seed, gogc=None, memory_limit=limit) as heap:
        kept = [heap.new_slice(u8, dice.randrange(1_000, 20_000)) for _ in range(seed % 300)]
        heap.collect()
        for _ in range(50):
            heap.new_slice(u8, 40_000)
        now = heap.metrics.read()
        kept.clear()
    size = {name.split(":")[0]: value for name, value in now.items() if name.endswith(":bytes")}
    given = (
        size["/gc/heap/live"],
        limit,
        size["/memory/classes/total"] - size["/memory/classes/heap/released"],
        size["/memory/classes/heap/objects"] + size["/memory/classes/heap/free"],
    )
    by_limit = exercise.limit_goal(*given)
    exact(by_limit, size["/gc/heap/goal"], called(exercise.limit_goal, given))
    exact(exercise.goal(given[0], 0, 0, None, by_limit), by_limit, "the goal with GOGC=off")
