"""A small heap of objects A, B, ... that is marked step by step, for the questions on marking."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gcsim._core import Heap
from gcsim._explore import Setup, marking_has_ended
from gcsim._programs import Program, Stage
from gcsim._quiz.dice import Dice
from gcsim._steps import SteppedCycle
from gcsim._view import View

_MUTATOR, _COLLECTOR = 0, 1
_ENDED = 3  # of an actor
FIELDS = 2
ORDER = (
    "Marking goes object by object, as without Green Tea: the collector looks at the roots in order"
    " and marks what they point at; then, again and again, it takes the object that was marked last"
    " and looks at its fields in order."
)


@dataclass(frozen=True, slots=True)
class Scene:
    """Objects by number with the targets of their fields, and those of the globals."""

    fields: tuple[tuple[int | None, ...], ...]
    globals: tuple[int, ...]  #: the collector passes over a nil one in silence: there is none

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name(o) for o in range(len(self.fields)))

    def __str__(self) -> str:
        rows = [
            f"{name(o)} ({', '.join(f'{name(o)}.{i} = {name(t)}' for i, t in enumerate(targets))})"
            for o, targets in enumerate(self.fields)
        ]
        globals = ", ".join(f"global {i} to {name(o)}" for i, o in enumerate(self.globals))
        return f"Objects with two pointer fields each: {', '.join(rows)}. Roots: {globals}."


def name(o: int | None) -> str:
    """0 is "A"."""
    return "nil" if o is None else chr(65 + o)


def scene(dice: Dice, objects: int) -> Scene:
    """Each object but the first hangs from an earlier one; what is left over points anywhere."""
    fields: list[list[int | None]] = [[None] * FIELDS for _ in range(objects)]
    for o in range(1, objects):
        free = [(p, i) for p in range(o) for i in range(FIELDS) if fields[p][i] is None]
        parent, i = dice.pick(free)
        fields[parent][i] = o
    for row in fields:
        for i in range(FIELDS):
            if row[i] is None and dice.chance(0.3):
                row[i] = dice.below(objects)
    second = dice.below(objects)
    return Scene(tuple(map(tuple, fields)), (0, second) if dice.chance(0.5) else (0,))


class Marking:
    """One cycle of a stepped heap; the mutator moves when it is told to."""

    def __init__(self, heap: Heap) -> None:
        self.heap, self.cycle = heap, SteppedCycle._of_stage(heap, "")
        self.steps = 0  #: of the collector so far
        self.looked: list[str] = []  #: where it has looked for pointers: "global 0", "A.1"

    def look_at(self, fields: int) -> bool:
        """The collector looks at so many fields of objects; false: there are not so many."""
        while sum("." in at for at in self.looked) < fields:
            words = self.cycle.next[_COLLECTOR].next
            at = words.removeprefix("look at ")
            if self.looked and at == words:
                return False  # marking has ended
            self.go_on(1)
            if at != words and " of " not in at:  # not a local: those are nil
                self.looked.append(at)
        return True

    def go_on(self, steps: int) -> None:
        """The collector takes so many steps."""
        for _ in range(steps):
            self.heap._steps_by_hand(_COLLECTOR, 0)
        self.steps += steps

    def run(self) -> None:
        """The mutator does its whole program."""
        while self.heap._steps_actors()[_MUTATOR][3] != _ENDED:
            self.heap._steps_by_hand(_MUTATOR, 0)

    def end(self) -> View:
        """To the end of marking."""
        while not marking_has_ended(self.heap):
            self.go_on(1)
        return self.cycle.view()


@contextmanager
def marking(
    scene: Scene, program: tuple[str, ...] = (), barrier: str = "hybrid", locals: int = 2
) -> Iterator[Marking]:
    """A heap with the scene in it, at the beginning of a cycle: locals nil, stacks stopped."""
    stage = Stage(scene.fields, scene.globals, ((None,) * locals,))
    told = Program("quiz", "", ("\n".join(program) or "x = nil",), stage)
    rescan = False if barrier == "dijkstra" else None
    with Setup(program=told, barrier=barrier, rescan_stacks=rescan).heap() as heap:
        yield Marking(heap)
