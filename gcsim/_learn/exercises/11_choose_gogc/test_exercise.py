"""What exercise.py has to pass. The random workloads are other ones each time."""

import random
from dataclasses import dataclass
from functools import cache

import pytest

import gcsim
from gcsim import u8

MIB = 1 << 20
OTHER = 4 * MIB
QUIET, SPIKE = 120 * MIB, 60 * MIB  # allocated before the spike, and while it lasts


@dataclass(frozen=True)
class Workload:
    """What choose() is told, in MiB, but for `seed`: of the size of a block, and of who dies."""

    live: int
    spike: int
    budget: int
    machine: int
    seed: int = 7

    def __str__(self):
        return (
            f"{self.live} MiB live, {self.spike} more in a spike;"
            f" budget {self.budget} MiB, machine {self.machine} MiB"
        )

    def given(self):
        return (*(n * MIB for n in (self.live, self.spike, self.budget, self.machine)), OTHER)

    @property
    def allowed(self):
        """Cycles: half as many again as if both promises were used up, and three."""
        live, spike, budget, machine, other = self.given()
        heap = budget - other
        percent = min((heap - live) / live, heap / (4 * MIB)) if budget < machine else 1e9
        both = live + spike
        top = min(both * (1 + percent), machine - other)
        needed = QUIET / (heap - live) + (spike and (SPIKE + spike) / (top - both))
        return int(1.5 * needed) + 3


@dataclass(frozen=True)
class Phase:
    """A part of a run: most memory of the process, bytes, cycles, and bytes that these marked."""

    name: str
    peak: int
    cycles: int
    marked: int


@cache
def run(workload, gogc, limit):
    """The phases of a workload under these settings."""
    dice = random.Random(workload.seed)
    size = dice.choice([40, 48, 64, 80]) << 10  # of a block: a span of its own
    live, spike, *_ = workload.given()
    with gcsim.Heap(
        mode="virtual", procs=2, seed=workload.seed, gogc=gogc, memory_limit=limit
    ) as heap:

        def churn(name, allocated):
            """Allocates so much, each block in the place of one that lived."""
            first, peak = heap.memstats().num_gc, 0
            for n in range(allocated // size):
                kept[dice.randrange(len(kept))] = heap.new_slice(u8, size)
                if n % 8 == 0:
                    peak = max(peak, mapped(heap))
            done = [c for c in heap.cycles if c.number > first]
            marked = sum(c.heap_marked for c in done)
            phases.append(Phase(name, peak, heap.memstats().num_gc - first, marked))

        kept, phases = [heap.new_slice(u8, size) for _ in range(live // size)], []
        heap.collect()
        churn("quiet", QUIET)
        if spike:
            kept += [heap.new_slice(u8, size) for _ in range(spike // size)]
            churn("spike", SPIKE)
        kept.clear()
    return phases


def mapped(heap):
    """What the process has from the system, as the limit counts it."""
    now = heap.metrics.read()
    return now["/memory/classes/total:bytes"] - now["/memory/classes/heap/released:bytes"]


def chosen(exercise, workload):
    found = exercise.choose(*workload.given())
    assert type(found) is tuple and len(found) == 2, f"expected (gogc, limit), found {found!r}"
    gogc, limit = found
    assert gogc is None or (type(gogc) is int and 0 <= gogc < 1 << 31), (
        f"GOGC is None or a whole number from 0 on, not {gogc!r}"
    )
    assert limit is None or (type(limit) is int and 0 < limit < 1 << 63), (
        f"a limit is None or a whole number of bytes, not {limit!r}"
    )
    return gogc, limit


def check(exercise, workload):
    gogc, limit = chosen(exercise, workload)
    phases = run(workload, gogc, limit)
    text = f"GOGC={'off' if gogc is None else gogc}, " + (
        "no limit" if limit is None else f"limit {limit / MIB:.1f} MiB"
    )
    text = f"{workload}\nyour choice: {text}\n  phase  peak, MiB  may be  cycles"
    for phase in phases:
        most = workload.budget if phase.name == "quiet" else workload.machine
        text += f"\n  {phase.name}  {phase.peak / MIB:9.1f} {most:7} {phase.cycles:7}"
    for phase in phases:
        most = workload.budget if phase.name == "quiet" else workload.machine
        if phase.peak > most * MIB:
            pytest.fail(f"too much memory\n{text}")
    cycles = sum(phase.cycles for phase in phases)
    if cycles > workload.allowed:
        pytest.fail(f"{cycles} cycles, where {workload.allowed} would be enough\n{text}")


KNOWN = {
    "much room": Workload(8, 0, 44, 44),
    "little room": Workload(16, 0, 29, 29),
    "a spike": Workload(10, 16, 26, 42),
    "a spike of a small heap": Workload(1, 24, 20, 48),
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_workloads(exercise, name):
    """A default fits nobody: GOGC=100 wastes the memory of one service and breaks another."""
    check(exercise, KNOWN[name])


@pytest.mark.gc_seeds(3)
def test_memory_that_may_be_used_up(exercise, seed):
    """GOGC=off with a limit collects least, as long as what lives stays well below it."""
    dice = random.Random(seed)
    live = dice.randrange(5, 9)
    budget = live * dice.randrange(5, 7)
    check(exercise, Workload(live, 0, budget, budget, seed))
    live = dice.randrange(12, 20)
    budget = live * 3 // 2 + 4
    check(exercise, Workload(live, 0, budget, budget, seed))


@pytest.mark.gc_seeds(3)
def test_spikes(exercise, seed):
    """A limit that a spike does not fit below makes a service spend its time collecting."""
    dice = random.Random(seed)
    live = dice.randrange(8, 13)
    spike = live + dice.randrange(6, 10)
    budget = 2 * live + dice.randrange(5, 7)
    machine = (live + spike) * 5 // 4 + dice.randrange(8, 12)
    check(exercise, Workload(live, spike, budget, machine, seed))


@pytest.mark.gc_seeds(3)
def test_small_heaps(exercise, seed):
    """The minimum grows with GOGC: at 1100 the smallest goal is 44 MiB, however little lives."""
    dice = random.Random(seed)
    live, spike = dice.randrange(1, 3), dice.randrange(20, 28)
    budget = dice.randrange(16, 20)
    check(exercise, Workload(live, spike, budget, 2 * spike + dice.randrange(4), seed))


def test_the_score(exercise, score):
    """What counts in the end is the CPU time that the collector does not take."""
    cycles, marked = {}, {}
    plain_cycles = plain_marked = 0
    for name, workload in KNOWN.items():
        phases = run(workload, *chosen(exercise, workload))
        cycles[name] = sum(phase.cycles for phase in phases)
        marked[name] = sum(phase.marked for phase in phases) / MIB
        plain = run(workload, 100, workload.machine * MIB)
        plain_cycles += sum(phase.cycles for phase in plain)
        plain_marked += sum(phase.marked for phase in plain) / MIB
    score("cycles", sum(cycles.values()), plain_cycles, "cycles", cycles)
    score("marked", sum(marked.values()), plain_marked, "MiB", marked)
