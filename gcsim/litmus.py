"""Litmus tests: which of each other's stores threads may see, on real threads and step by step.

A test is a few loads and stores of two or four threads, and the *weak* outcome: the one that no
interleaving of them gives. :func:`run` does it many times on threads of their own, over variables
that lie on a heap, and counts what was read; :func:`interleavings` takes every schedule of the same
operations on the step scheduler, where each step is seen by all at once.

What C11 forbids (section 7.17.3; Alglave, Maranget, Tautschnig, "Herding cats", names the tests)
holds for any machine; for "asymmetric" it is membarrier(2) that forbids. Go's sync/atomic is
sequentially consistent (go.dev/ref/mem): "seq_cst" here. That an outcome is allowed does not mean
that this machine, or this compiler, ever shows it.
"""

from __future__ import annotations

import operator
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Final, SupportsIndex

from gcsim._core import Heap
from gcsim._errors import ConversionError, OptionError, RangeError
from gcsim._explore import Setup
from gcsim._programs import Program, Stage
from gcsim._steps import SteppedCycle
from gcsim._view import View
from gcsim._workload import Workload, workload

__all__ = ["ORDERS", "TESTS", "Interleavings", "Litmus", "Observed", "interleavings", "run"]

#: How the operations are ordered. "asymmetric": relaxed, and a fence of one thread for both.
ORDERS: Final = ("relaxed", "acquire-release", "seq_cst", "asymmetric")

Outcome = tuple[int, ...]

_MOST_ROUNDS = 65_535  # of one run of data/litmus.c
_MOST_RUNS = 100_000_000


@dataclass(frozen=True, slots=True)
class Litmus:
    """One test. Variables are 0 (nil) at first."""

    name: str
    about: str
    threads: tuple[str, ...]  #: what each does
    registers: tuple[str, ...]  #: what an outcome's numbers are, in order
    weak: Outcome  #: what no interleaving gives
    forbidden: frozenset[str]  #: the orders under which the weak outcome must not come
    program: Program  #: the same operations on a stage; variables are globals, 1 an object
    _read: tuple[tuple[int, str], ...]  # register i: the local of a mutator

    def is_forbidden(self, order: str) -> bool:
        """Whether the weak outcome must not come under this order."""
        return order in self.forbidden


def _litmus(
    name: str,
    about: str,
    threads: tuple[str, ...],
    registers: tuple[str, ...],
    weak: Outcome,
    forbidden: tuple[str, ...],
    programs: tuple[str, ...],
    read: tuple[tuple[int, str], ...],
) -> Litmus:
    stage = Stage(((None,),), (None, None), ((0, None, None),) * len(programs))
    program = Program(name, about, programs, stage)
    return Litmus(name, about, threads, registers, weak, frozenset(forbidden), program, read)


#: The tests by name, in the order of data/litmus.c.
TESTS: Final[Mapping[str, Litmus]] = MappingProxyType(
    {
        test.name: test
        for test in (
            _litmus(
                "store buffering",
                "each thread sets its variable, then looks at the other's",
                ("x = 1; r0 = y", "y = 1; r1 = x"),
                ("r0", "r1"),
                (0, 0),
                ("seq_cst", "asymmetric"),
                ("global 0 = x\ny = global 1", "global 1 = x\ny = global 0"),
                ((0, "y"), (1, "y")),
            ),
            _litmus(
                "message passing",
                "data, then a flag; the other looks at the flag, then at the data",
                ("x = 1; y = 1", "r0 = y; r1 = x"),
                ("r0 = flag", "r1 = data"),
                (1, 0),
                ("acquire-release", "seq_cst"),
                ("global 0 = x\nglobal 1 = x", "y = global 1\nz = global 0"),
                ((1, "y"), (1, "z")),
            ),
            _litmus(
                "load buffering",
                "each thread looks at the other's variable, then sets its own",
                ("r0 = x; y = 1", "r1 = y; x = 1"),
                ("r0", "r1"),
                (1, 1),
                ("acquire-release", "seq_cst"),
                ("y = global 0\nglobal 1 = x", "y = global 1\nglobal 0 = x"),
                ((0, "y"), (1, "y")),
            ),
            _litmus(
                "IRIW",
                "two threads write, two others read both variables: in which order?",
                ("x = 1", "y = 1", "r0 = x; r1 = y", "r2 = y; r3 = x"),
                ("r0 = x", "r1 = y", "r2 = y", "r3 = x"),
                (1, 0, 1, 0),
                ("seq_cst",),
                (
                    "global 0 = x",
                    "global 1 = x",
                    "y = global 0\nz = global 1",
                    "y = global 1\nz = global 0",
                ),
                ((2, "y"), (2, "z"), (3, "y"), (3, "z")),
            ),
            _litmus(
                "coherence",
                "one variable is read twice while another thread sets it",
                ("x = 1", "r0 = x; r1 = x"),
                ("r0 = first", "r1 = then"),
                (1, 0),
                ("relaxed", "acquire-release", "seq_cst"),
                ("global 0 = x", "y = global 0\nz = global 0"),
                ((1, "y"), (1, "z")),
            ),
            _litmus(
                "publish",
                "an object is made, its field set, and a pointer to it stored on the heap",
                ("p = new; p.field = 1; global = p", "r0 = global; r1 = r0.field"),
                ("r0 = object", "r1 = field"),
                (1, 0),
                ("acquire-release", "seq_cst"),
                ("y = new\ny.0 = x\nglobal 0 = y", "y = global 0\nz = y.0"),
                ((1, "y"), (1, "z")),
            ),
        )
    }
)


@dataclass(frozen=True, slots=True)
class Observed:
    """What `runs` runs of a test on real threads have read."""

    test: Litmus
    order: str
    runs: int
    counts: Mapping[Outcome, int]  #: how often each possible outcome came; 0 too
    seconds: float

    @property
    def weak(self) -> int:
        """How often the weak outcome came."""
        return self.counts[self.test.weak]

    @property
    def forbidden(self) -> bool:
        """Whether the weak outcome must not come under this order."""
        return self.test.is_forbidden(self.order)

    def __str__(self) -> str:
        said = "forbidden" if self.forbidden else "allowed"
        return (
            f"{self.test.name}, {self.order}: {self._seen}; weak {self.test.weak}"
            f" {self.weak:,} of {self.runs:,}, {said}"
        )

    @property
    def _seen(self) -> str:
        return " ".join(
            f"{''.join(map(str, outcome))}:{n:,}" for outcome, n in self.counts.items() if n
        )


@dataclass(frozen=True, slots=True)
class Interleavings:
    """What every schedule of a test on the step scheduler gives."""

    test: Litmus
    outcomes: frozenset[Outcome]
    states: int  #: different states
    steps: int  #: taken, each in every state from which it is possible

    def __str__(self) -> str:
        seen = " ".join(sorted("".join(map(str, o)) for o in self.outcomes))
        found = "found" if self.test.weak in self.outcomes else "not among them"
        return f"{self.test.name}: {seen} in {self.states:,} states; weak {self.test.weak}: {found}"


def _test(name: object) -> Litmus:
    if isinstance(name, Litmus):
        return name
    if not isinstance(name, str):
        raise ConversionError(f"a litmus test has a name: a str, not {type(name).__name__}")
    if name not in TESTS:
        raise OptionError(f"there is no litmus test {name!r}: there are {', '.join(TESTS)}")
    return TESTS[name]


def _number(what: str, value: SupportsIndex, most: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise ConversionError(f"{what}= takes an int, not {type(value).__name__}") from None
    if not 1 <= number <= most:
        raise RangeError(f"{what}={number} is not between 1 and {most}")
    return number


_compiled: list[Workload] = []  # when it was needed first


def _source() -> Workload:
    if not _compiled:
        _compiled.append(workload(Path(__file__).parent / "data" / "litmus.c"))
    return _compiled[0]


def _outcomes(test: Litmus) -> list[Outcome]:
    """All, by their number in data/litmus.c: register i is bit i."""
    return [tuple(bits[::-1]) for bits in product((0, 1), repeat=len(test.registers))]


def run(
    test: Litmus | str,
    order: str = "seq_cst",
    *,
    runs: SupportsIndex = 20_000,
    seed: SupportsIndex = 1,
) -> Observed:
    """Runs a test on real threads, each on a processor of its own where there are enough.

    test   one of `TESTS`, or its name
    order  one of `ORDERS`; "asymmetric" is for store buffering, and needs membarrier(2)
    runs   1 to 100,000,000; about a million a second for two threads with a processor each
    seed   of the moments that threads wait before they begin: 1 to 2**63 - 1

    It needs a C compiler: CompilerNotFoundError. OptionError: no such test or order, or the two do
    not fit; RangeError, ConversionError; WorkloadError: the system has no membarrier.
    """
    test = _test(test)
    if order not in ORDERS:
        raise OptionError(f"order={order!r} is not known: use {', '.join(map(repr, ORDERS))}")
    if order == "asymmetric" and test.name != "store buffering":
        raise OptionError("order='asymmetric' is for the test 'store buffering'")
    left = total = _number("runs", runs, _MOST_RUNS)
    first = _number("seed", seed, 2**63 - 1)
    outcomes, counts = _outcomes(test), Counter[Outcome]()
    begin = time.perf_counter()
    while left:
        rounds = min(left, _MOST_ROUNDS)
        counts.update(dict(zip(outcomes, _round(test, order, rounds, first + left), strict=False)))
        left -= rounds
    seen = MappingProxyType({outcome: counts[outcome] for outcome in sorted(outcomes)})
    return Observed(test, order, total, seen, time.perf_counter() - begin)


def _round(test: Litmus, order: str, rounds: int, seed: int) -> list[int]:
    number, threads = list(TESTS).index(test.name), len(test.threads)
    with Heap(gogc=None, procs=threads) as heap:
        result = _source().run(
            heap,
            threads=threads,
            seed=seed % 2**64,
            test=number,
            order=ORDERS.index(order),
            count=rounds,
        )
    return [t.checksum >> 16 * i & 0xFFFF for t in result.threads for i in range(4)]


def interleavings(test: Litmus | str) -> Interleavings:
    """Every schedule of a test's operations over the real core, on the step scheduler.

    Depth first, one step forward and one back; a state that was seen before is left. The collector
    is at rest: it is no part of the question.

    OptionError: no such test; ConversionError.
    """
    test = _test(test)
    with Setup(program=test.program).heap() as heap:
        search = _Search(test, SteppedCycle._of_stage(heap, ""))
        search.go_on()
    return Interleavings(
        test, frozenset(search.outcomes), states=len(search.seen), steps=search.steps
    )


class _Search:
    def __init__(self, test: Litmus, cycle: SteppedCycle) -> None:
        self.test, self.cycle = test, cycle
        self.outcomes: set[Outcome] = set()
        self.seen = {cycle.hash}
        self.steps = 0

    def go_on(self) -> None:
        """All that can come after the present state."""
        mutators = [a for a in self.cycle.next if a.name != "collector"]
        ready = [a.letter for a in mutators if a.state != "ended"]
        if not ready:
            self.outcomes.add(self._read(self.cycle.view()))
        for letter in ready:
            self.cycle.step(actor=letter)
            self.steps += 1
            state = self.cycle.hash
            if state not in self.seen:
                self.seen.add(state)
                self.go_on()
            self.cycle.back()

    def _read(self, view: View) -> Outcome:
        owners = sorted({root.owner for root in view.roots if root.kind == "frame"})
        held = {(root.owner, root.name): root.target for root in view.roots}
        return tuple(
            int(held[owners[mutator], local] is not None) for mutator, local in self.test._read
        )
