"""What exercises are written with: their stubs call :func:`todo`, their tests the rest. And the
questions of the quiz.

``python -m gcsim learn`` is where to begin. Everything here is deterministic: the same seed gives
the same graph on every machine.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcsim._quiz.question import Question

__all__ = ["Graph", "NotStarted", "exact", "questions", "random_graph", "smallest", "todo"]


class NotStarted(Exception):
    """A part of an exercise that nobody has written yet."""


def todo(what: str) -> NoReturn:
    """Stands where a student's code goes. Raises NotStarted, which is told apart from a mistake."""
    raise NotStarted(what)


def exact(got: object, want: object, what: str = "the result") -> None:
    """Fails unless `got` is `want` and, all the way down, of the same built-in types.

    ``==`` alone would ask the objects themselves, and some say yes to everything. Lists and tuples
    are compared item by item, dicts by their keys in any order. Raises AssertionError with both.
    """
    difference = _difference(got, want)
    assert difference is None, f"{what}: {difference}"


def _difference(got: object, want: object, where: str = "") -> str | None:
    at = f"at {where}: " if where else ""
    if type(got) is not type(want):
        return f"{at}expected {want!r} of type {type(want).__name__}, found {_safe(got)}"
    if isinstance(got, (list, tuple)) and isinstance(want, (list, tuple)):
        if len(got) != len(want):
            return f"{at}expected {len(want)} items, {want!r}, found {len(got)}, {_safe(got)}"
        for i, (a, b) in enumerate(zip(got, want, strict=True)):
            if found := _difference(a, b, f"{where}[{i}]"):
                return found
        return None
    if isinstance(got, dict) and isinstance(want, dict):
        if found := _difference(sorted(got), sorted(want), f"{where} keys".strip()):
            return found
        for key, value in want.items():
            if found := _difference(got[key], value, f"{where}[{key!r}]"):
                return found
        return None
    return None if got == want else f"{at}expected {want!r}, found {got!r}"


def _safe(value: object) -> str:
    """The repr of what a student made, which may be anything."""
    try:
        text = repr(value)
    except Exception as error:
        text = f"an object whose repr raises {type(error).__name__}"
    return f"{text if len(text) <= 200 else text[:200] + '...'} of type {type(value).__name__}"


# ---- graphs ----


@dataclass(frozen=True)
class Graph:
    """n objects, the pointers that each holds (its slots, None is nil), and the roots."""

    pointers: tuple[tuple[int | None, ...], ...]
    roots: tuple[int, ...]

    @property
    def reachable(self) -> frozenset[int]:
        """What a collection must keep, found by a plain search."""
        seen = set(self.roots)
        waiting = list(seen)
        while waiting:
            for to in self.pointers[waiting.pop()]:
                if to is not None and to not in seen:
                    seen.add(to)
                    waiting.append(to)
        return frozenset(seen)

    def __str__(self) -> str:
        """The graph as text, a line for each object."""
        lines = [f"roots: {', '.join(map(str, self.roots)) or 'none'}"]
        for i, pointers in enumerate(self.pointers):
            targets = ", ".join("nil" if to is None else str(to) for to in pointers)
            lines.append(f"  {i} -> {targets or '(no pointers)'}")
        return "\n".join(lines)

    def without(self, gone: int) -> Graph:
        """The graph less one object: pointers to it are nil, those behind it move up."""

        def moved(to: int) -> int:
            return to - (to > gone)

        return Graph(
            tuple(
                tuple(None if to is None or to == gone else moved(to) for to in pointers)
                for i, pointers in enumerate(self.pointers)
                if i != gone
            ),
            tuple(moved(root) for root in self.roots if root != gone),
        )

    def smaller(self) -> Iterable[Graph]:
        """Graphs with one thing less, the largest steps first."""
        for i in reversed(range(len(self.pointers))):
            yield self.without(i)
        for i in range(len(self.roots)):
            yield Graph(self.pointers, self.roots[:i] + self.roots[i + 1 :])
        for i, root in enumerate(self.roots):  # begin one step later
            for to in self.pointers[root]:
                if to is not None and to not in self.roots:
                    yield Graph(self.pointers, (*self.roots[:i], to, *self.roots[i + 1 :]))
        for i, pointers in enumerate(self.pointers):
            for j, to in enumerate(pointers):
                if to is not None:
                    cut = (*pointers[:j], None, *pointers[j + 1 :])
                    yield Graph((*self.pointers[:i], cut, *self.pointers[i + 1 :]), self.roots)


def random_graph(seed: int, *, objects: int = 12, slots: int = 2, roots: int = 2) -> Graph:
    """A graph of that many objects with `slots` slots each, a third of which are nil."""
    dice = random.Random(seed)
    pointers = tuple(
        tuple(None if dice.random() < 1 / 3 else dice.randrange(objects) for _ in range(slots))
        for _ in range(objects)
    )
    chosen = dice.sample(range(objects), min(roots, objects))
    return Graph(pointers, tuple(sorted(chosen)))


def smallest(case: Any, fails: Callable[[Any], object]) -> Any:
    """The smallest case that still fails, found by leaving out one thing after the other.

    ``case.smaller()`` gives those with one thing less; ``fails(case)`` is true if it fails.
    """
    while True:
        for tried in case.smaller():
            if fails(tried):
                case = tried
                break
        else:
            return case


# ---- quizzes ----


def questions(topic: str, seed: int) -> Iterator[Question]:
    """The questions of ``python -m gcsim quiz TOPIC --seed N``, one after the other.

    ``str()`` of one is its text with the choices; ``right("16 B")`` whether that is the answer,
    ``answer`` and ``why`` what it is and why. The same seed gives the same ones on every machine,
    and none twice. OptionError: no such topic; RangeError: a seed is 0 to 2**63 - 1.
    """
    from gcsim._quiz import questions

    return questions(topic, seed)
