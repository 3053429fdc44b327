"""Exploring: every schedule of a small program over the real collector, and what was found.

:func:`explore` runs one cycle from a stated start with every interleaving of mutators and
collector. Either the space is closed and no path loses an object, or there is a schedule that does,
and :meth:`Exploration.film` shows it.
"""

from __future__ import annotations

import concurrent.futures
import os
import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from gcsim import _core
from gcsim._errors import OptionError, StateError
from gcsim._explore_file import SearchFile
from gcsim._programs import Function, Program, estimated_states, of, operation_text

__all__ = ["BARRIERS", "Exploration", "Setup", "explore", "explore_all", "schedule_text"]

if TYPE_CHECKING:
    from gcsim._film import Film
    from gcsim._view import View

Verdict = Literal["sound", "lost", "broken", "deadlock", "bound", "stopped"]
_VERDICTS: dict[int, Verdict] = {
    1: "sound",
    2: "lost",
    3: "broken",
    4: "deadlock",
    5: "bound",
    6: "stopped",
}

#: Barriers that a heap can have; those with "first" or "last" are in the wrong order on purpose.
BARRIERS = (
    "hybrid",
    "hybrid-conditional",
    "dijkstra",
    "yuasa",
    "steele",
    "none",
    "hybrid-store-first",
    "hybrid-old-last",
    "yuasa-store-first",
    "dijkstra-store-first",
)

_SHAPE = {"mutators": 2, "objects": 2, "locals": 1, "fields": 1}  # as `explore` has them

#: Of the tri-colour abstraction, to be checked at every state; each has what stands before it.
INVARIANTS = ("none", "weak", "strong")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What is explored: the program and the collector's options. Picklable."""

    program: Program
    barrier: str = "hybrid"
    stacks: str = "stopped"
    rescan_stacks: bool | None = None
    allocate: str = "black"
    final_flush: bool = True
    late_barrier: bool = False
    preempt_barrier: bool = False
    buffer: int = 0  #: entries of each barrier buffer

    def heap(self) -> _core.Heap:
        """A fresh step heap with these options and the program's stage set up."""
        options: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("barrier", "stacks", "rescan_stacks", "allocate", "final_flush")
        }
        heap = _core.Heap(
            mode="steps",
            mark="field",
            gogc=None,
            reserve="64MiB",
            barrier_buffer=self.buffer,
            late_barrier=self.late_barrier,
            preempt_barrier=self.preempt_barrier,
            **options,
        )
        objects, fields, globals, locals, *targets = self.program.stage.packed()
        _core.stage(heap, objects, fields, globals, locals, self.program.code, *targets)
        return heap

    def __str__(self) -> str:
        words = [self.program.name, self.barrier]
        words += [f"stacks {self.stacks}"] if self.stacks != "stopped" else []
        words += ["rescan"] if self.rescan_stacks else []
        words += ["no rescan"] if self.rescan_stacks is False else []
        words += [f"allocate {self.allocate}"] if self.allocate != "black" else []
        words += ["no final flush"] if not self.final_flush else []
        words += ["late barrier"] if self.late_barrier else []
        words += ["preempt barrier"] if self.preempt_barrier else []
        return ", ".join([*words, f"buffer {self.buffer}"])


@dataclass(frozen=True, slots=True)
class Exploration:
    """What a search found. True if the space is closed and sound.

    ``states`` and ``transitions`` were visited, ``paths`` came to an end, the longest had ``depth``
    steps; ``seconds`` is what it took. ``schedule`` is a shortest counterexample, "" if there is
    none, and ``what`` says what happens at its end.
    """

    setup: Setup
    verdict: Verdict
    states: int
    transitions: int
    paths: int
    depth: int
    seconds: float
    schedule: str
    what: str

    @property
    def sound(self) -> bool:
        """The space is closed, and no path loses an object."""
        return self.verdict == "sound"

    @property
    def rate(self) -> float:
        """Transitions a second."""
        return self.transitions / self.seconds if self.seconds else 0.0

    @property
    def steps(self) -> int:
        """How many steps the counterexample takes; 0: there is none."""
        return len(_steps(self.schedule))

    def __bool__(self) -> bool:
        return self.sound

    def film(self) -> Film:
        """The counterexample, state by state. StateError: there is none.

        A step in which the core itself gives up is not taken: the film ends before it.
        """
        from gcsim._film import Film
        from gcsim._steps import SteppedCycle

        if not self.schedule:
            raise StateError(f"there is no counterexample to show: the search says {self.verdict}")
        with self.setup.heap() as heap:
            c = SteppedCycle._of_stage(heap, self.schedule)
            views = [c.view()]
            steps = _steps(self.schedule)
            for actor, _ in steps[:-1] if self._ends_in_a_step else steps:
                begins = views[-1].actors[actor].point == "operation"
                c.step()
                view = c.view()
                if begins:
                    view = replace(view, action=operation_text(heap._steps_actors()[actor][9]))
                views.append(view)
        views[-1] = replace(views[-1], note=self.what)
        if self.verdict == "lost":
            views[-1] = with_losses(views[-1])
        return Film(views, title=str(self.setup), schedule=self.schedule, note=self.what)

    @property
    def _ends_in_a_step(self) -> bool:
        return self.verdict == "broken" and "tri-colour" not in self.what

    def __str__(self) -> str:
        size = (
            f"{self.states:,} states, {self.transitions:,} transitions, {self.paths:,} ends,"
            f" depth {self.depth}; {self.seconds:.1f} s, {self.rate:,.0f} a second"
        )
        if self.verdict == "sound":
            return f"{self.setup}: closed and sound ({size})"
        if self.verdict in ("bound", "stopped"):
            return f"{self.setup}: not closed, {self.verdict} ({size})"
        first = f"{self.setup}: {self.verdict} in {self.steps} steps ({size})"
        return f"{first}\n  {self.what}\n  {self.schedule}"


def with_losses(view: View) -> View:
    """The last state of a counterexample: what roots reach and no mark keeps is lost."""
    targets: dict[str, list[str]] = {}
    for pointer in view.pointers:
        if pointer.target:
            targets.setdefault(pointer.source, []).append(pointer.target)
    reached = [root.target for root in view.roots if root.target]
    for name in reached:  # grows meanwhile
        reached += [t for t in targets.get(name, ()) if t not in reached]
    objects = tuple(
        replace(o, lost=o.colour == "white" and o.name in reached) for o in view.objects
    )
    return replace(view, objects=objects)


# --- schedules


def schedule_text(steps: bytes) -> str:
    """Pairs (actor, way) as a text: "c12 a b.3". Ways are written where they are not the first."""
    pairs = list(zip(steps[::2], steps[1::2], strict=True))
    words: list[str] = []
    at = 0
    while at < len(pairs):
        actor, way = pairs[at]
        n = 1
        while way == 0 and pairs[at + n : at + n + 1] == [pairs[at]]:
            n += 1
        words.append(chr(97 + actor) + (f".{way}" if way else str(n) if n > 1 else ""))
        at += n
    return " ".join(words)


def _steps(text: str) -> list[tuple[int, int]]:
    out: list[tuple[int, int]] = []
    for word in text.split():
        match = re.fullmatch(r"([a-z])(?:\.(\d+)|(\d+))?", word)
        if not match:
            raise OptionError(f"schedule: '{word}' is neither a letter, a12 nor a.3")
        out += [(ord(match[1]) - 97, int(match[2] or 0))] * int(match[3] or 1)
    return out


# --- searching

Progress = Callable[[int, int], object]


TRAIL = 1 << 16  # bytes


def search_here(
    setup: Setup,
    *,
    shortest: bool = True,
    max_states: int = 0,
    max_depth: int = 0,
    max_bytes: int | str = 0,
    whole_stacks: bool = False,
    careful: bool = False,
    invariants: str = "none",
    trail: bytearray | memoryview | None = None,
    file: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Exploration:
    """A search in this very process, which a mistake in the core can end."""
    if invariants not in INVARIANTS:
        raise OptionError(
            f"invariants='{invariants}' is not known; there are {', '.join(INVARIANTS)}"
        )
    if file is not None and whole_stacks:
        raise OptionError(
            "a search by whole stacks cannot be put aside: halves of addresses lie there, which"
            " mean nothing to another process; leave out file= or whole_stacks="
        )
    settings = {"whole_stacks": whole_stacks, "invariants": invariants, "max_depth": max_depth}
    with setup.heap() as heap, SearchFile(file, setup, **settings) as kept:
        found = _core.explore(
            heap,
            max_states,
            max_depth,
            max_bytes,
            shortest,
            whole_stacks,
            setup.program.whole_cycle,
            INVARIANTS.index(invariants),
            careful,
            bytearray(4) if trail is None else trail,
            progress,
            kept.load,
            kept.save,
        )
        verdict = _VERDICTS[found["verdict"]]
        stopped = verdict == "stopped" or (verdict == "bound" and not max_depth)
        kept.end(saved=bool(found["saved"]), stopped=stopped)
    return Exploration(
        setup,
        verdict,
        found["states"],
        found["transitions"],
        found["paths"],
        found["depth"],
        found["seconds"],
        schedule_text(found["steps"]),
        found["what"],
    )


def search(setup: Setup, *, progress: Progress | None = None, **bounds: Any) -> Exploration:
    """One search, in a process of its own, which is all that a wrong collector can end.

    ``progress(states, transitions)`` may return True to stop it. A process that died is looked at
    once more with everything checked at each step; if it dies again, that is the finding, with the
    schedule that leads there.
    """
    from gcsim._explore_process import run_search

    _ask_for_a_bound(setup, bounds)
    found = run_search(setup, bounds, progress)
    died = found.verdict == "broken" and not found.states
    return run_search(setup, bounds | CAREFUL, progress) if died else found


LARGEST = 1e9  # states, unless a bound is given: hours, and 12 GB


def _ask_for_a_bound(setup: Setup, bounds: dict[str, Any]) -> None:
    states = estimated_states(setup.program, setup.buffer)
    if states > LARGEST and not (bounds.get("max_states") or bounds.get("max_depth")):
        setup.heap().close()  # raises what is wrong with the stage itself
        raise OptionError(
            f"{setup}: about {states:.0e} states, too many to visit: give max_states= or"
            " max_depth=, or take fewer mutators, objects, fields or locals"
        )


CAREFUL = {"careful": True}


def explore(
    program: Program | str | Function | Sequence[str | Function] = "free",
    *,
    barrier: str = "hybrid",
    stacks: str = "stopped",
    rescan_stacks: bool | None = None,
    allocate: str = "black",
    final_flush: bool = True,
    late_barrier: bool = False,
    preempt_barrier: bool = False,
    buffer: int = 0,
    mutators: int = 2,
    objects: int = 2,
    locals: int = 1,
    fields: int = 1,
    shortest: bool = True,
    max_states: int = 0,
    max_depth: int = 0,
    max_bytes: int | str = 0,
    whole_stacks: bool = False,
    careful: bool = False,
    invariants: str = "none",
    file: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Exploration:
    """Run every schedule of `program` under a collector with these options.

    `program` is the name of a standard one (``gcsim.PROGRAMS``), a Program, or one text of
    operations or Python function for each mutator. A function is a generator that yields one
    operation at a time, and is told whether the local that it set is nil: ``if (yield "x = global
    0"): yield "x.0 = nil"``. It runs from the start once for each sequence of answers, so it must
    do the same each time; ProgramError, with its ``step``, says where it does not or raises,
    ConversionError that it is no generator or yields something else. ``mutators`` shapes the
    program "free", ``objects``, ``locals`` and ``fields`` also what is given. Bounds of 0 are
    none (memory, an int or "2GiB": 1 GiB); a space of more than about 1e9 states asks for one.
    ``careful`` looks at all memory after each step, not only at what is known to change, and takes
    the step twice: a tenth of the speed, and sure. ``invariants`` are checked at every state: with
    "weak", each white object that a root reaches must be in reach of a grey one through white ones,
    or be noted in a barrier's buffer; with "strong", no black object may point to a white one
    either. Where one does not hold the verdict is "broken", often steps before anything is lost.
    Raises OptionError for a word that is not known; Ctrl-C stops the search. With ``file`` a search
    that was stopped, by max_states, by memory, by progress or by Ctrl-C, is put aside there, and
    goes on from there next time; when it ends the file is gone. Not with ``whole_stacks``.
    """
    if barrier not in BARRIERS:
        raise OptionError(f"barrier='{barrier}' is not known; there are {', '.join(BARRIERS)}")
    setup = Setup(
        program=of(program, mutators=mutators, objects=objects, locals=locals, fields=fields),
        barrier=barrier,
        stacks=stacks,
        rescan_stacks=rescan_stacks,
        allocate=allocate,
        final_flush=final_flush,
        late_barrier=late_barrier,
        preempt_barrier=preempt_barrier,
        buffer=buffer,
    )
    return search(
        setup,
        shortest=shortest,
        max_states=max_states,
        max_depth=max_depth,
        max_bytes=max_bytes,
        whole_stacks=whole_stacks,
        careful=careful,
        invariants=invariants,
        file=file,
        progress=progress,
    )


def marking_has_ended(heap: _core.Heap) -> bool:
    """Whether somebody of a stepped heap stands where a search ends a path."""
    from gcsim._points import NUMBERS

    done = NUMBERS["mark termination"]
    return any(row[3] != 3 and row[4] == done for row in heap._steps_actors())


def random_schedules(
    program: Any,
    n: int,
    seed: int,
    wrong: Callable[[View], str | None] = lambda view: None,
    **options: Any,
) -> str | None:
    """The first of n random schedules that loses an object, in words; None: none did.

    ``wrong`` is asked at every state what is wrong there. ``options`` are those of ``explore`` that
    shape the program and the collector.
    """
    from gcsim._steps import SteppedCycle

    shape = {k: options.pop(k) for k in ("mutators", "objects", "locals", "fields") if k in options}
    setup = Setup(program=of(program, **_SHAPE | shape), **options)
    dice = random.Random(seed)
    for _ in range(n):
        with setup.heap() as heap:
            cycle = SteppedCycle._of_stage(heap, "random", dice.randrange(1 << 31))
            while cycle.step():
                if found := wrong(cycle.view()):
                    return f"{setup}: {found} ({cycle.schedule})\n{cycle.view()}"
                if marking_has_ended(heap):
                    view = with_losses(cycle.view())
                    if lost := [o.name for o in view.objects if o.lost]:
                        return f"{setup}: {', '.join(lost)} lost by {cycle.schedule}\n{view}"
                    break
    return None


def explore_all(
    setups: Iterable[Setup], executor: concurrent.futures.Executor | None = None, **bounds: Any
) -> list[Exploration]:
    """Search each setup, in the executor where one is given; results in the order of the setups."""
    if executor is None:
        return [search(setup, **bounds) for setup in setups]
    futures = [executor.submit(search, setup, **bounds) for setup in setups]
    return [f.result() for f in futures]
