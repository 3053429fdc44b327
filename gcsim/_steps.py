"""A collection step by step: ``heap.begin_cycle()`` of a heap with ``mode="steps"``.

The core keeps the timeline (csrc/steps/timeline.c); this turns it into words and values.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal

from gcsim import _core
from gcsim._errors import (
    BoundsError,
    ConversionError,
    DeadlockError,
    OptionError,
    RangeError,
    StateError,
)
from gcsim._points import NUMBERS, POINTS
from gcsim._programs import LOCALS
from gcsim._view import (
    Colour,
    View,
    ViewActor,
    ViewBuffer,
    ViewObject,
    ViewPointer,
    ViewRoot,
)

if TYPE_CHECKING:
    from gcsim._types import TypeInfo

PHASES: tuple[Literal["off", "mark", "mark termination", "sweep"], ...] = (
    "off",
    "mark",
    "mark termination",
    "sweep",
)
_COLOURS: tuple[Colour, ...] = ("white", "grey", "black")
_KINDS: tuple[Literal["frame", "global", "handle", "tiny"], ...] = (
    "frame",
    "global",
    "handle",
    "tiny",
)
_STATES: tuple[Literal["ready", "waiting", "ended"], ...] = ("ready", "waiting", "ended")
_ROLES = ("collector", "mutator", "worker")
_SCHEDULES = {"round robin": 1, "random": 2, "pct": 3}
_TEXT = 5
_STEPS, _POINT, _ENDED, _DEADLOCK, _MISFIT, _OUT = range(1, 7)  # gcsim_run_end
_OUTSIDE = 2  # gcsim_timeline_step.how
_MOST = 1 << 40
_WORD = _NIL = 2**64 - 1
_SLOTS = ("+0", "+8", "+16", "+24")

Predicate = Callable[["SteppedCycle"], object]


def schedule_text_of(log: bytes) -> str:
    """The steps of a log (four bytes each: actor, way, how) that were not made from outside."""
    from gcsim._explore import schedule_text

    rows = [log[i : i + 4] for i in range(0, len(log), 4)]
    return schedule_text(b"".join(row[:2] for row in rows if row[2] != _OUTSIDE))


def _whole(what: str, value: object, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ConversionError(f"{what} takes an int, not {type(value).__name__}")
    if not low <= value <= high:
        raise RangeError(f"{what}={value} is not between {low} and {high}")
    return value


class _Names:
    """Objects by their number in the order of their addresses as first seen."""

    def __init__(self) -> None:
        self.of: dict[tuple[int, str], str] = {}

    def see(self, rows: list[tuple[Any, ...]]) -> dict[int, str]:
        """Address -> name, of the objects of one state."""
        names = {}
        for row in rows:
            kind = row[6].name if row[6] is not None else "object"
            key = (row[0], kind)
            if key not in self.of:
                self.of[key] = f"{kind} {len(self.of)}"
            names[row[0]] = self.of[key]
        return names

    def field(self, info: TypeInfo | None, offset: int) -> str:
        """The path of the field at an offset, "next" or "items[2].left"; else its offset."""
        return (_path(info, offset) if info is not None else "") or f"+{offset}"

    def local(self, name: str) -> str:
        """A frame's slot."""
        return name


class _Letters(_Names):
    """A stage as its programs write it: objects A, B, ..., fields by number, locals x, y, z, w."""

    def field(self, info: TypeInfo | None, offset: int) -> str:
        return str(offset // 8)

    def local(self, name: str) -> str:
        return LOCALS[int(name) // 8] if name in _SLOTS else name

    def see(self, rows: list[tuple[Any, ...]]) -> dict[int, str]:
        for row in rows:
            n = len(self.of)
            self.of.setdefault((row[0], ""), chr(65 + n) if n < 26 else f"object {n}")
        return {row[0]: self.of[(row[0], "")] for row in rows}


class _State:
    """What the core says of one state, and how its addresses read."""

    def __init__(self, raw: tuple[Any, ...], names: _Names) -> None:
        self.arena, self.rows, self.roots, self.queued, self.buffered = raw
        self.words = names
        self.names = names.see(self.rows)
        self.starts = [row[0] - row[8] for row in self.rows]  # a header is in front
        self.root_slots = {root[8]: self._root_slot(root) for root in self.roots}

    def row(self, address: int) -> tuple[Any, ...] | None:
        """The object that an address lies in, its header included."""
        i = bisect_right(self.starts, address) - 1
        return self.rows[i] if i >= 0 and address < self.starts[i] + self.rows[i][1] else None

    def name(self, address: int) -> str:
        row = self.row(address)
        return self.names[row[0]] if row else f"{address:#x}"

    def target(self, address: int) -> str | None:
        return self.name(address) if address else None

    def slot(self, offset: int) -> str:
        """A pointer slot, by its offset in the heap's pages."""
        address = self.arena + offset & _WORD
        row = self.row(address)
        if row:
            return f"{self.names[row[0]]}.{self.words.field(row[6], address - row[0])}"
        return self.root_slots.get(address, "a root slot")

    def _root_slot(self, root: tuple[Any, ...]) -> str:
        kind, _, owner_name, name, slot, *_ = root
        if _KINDS[kind - 1] == "frame":
            return f"{self.words.local(slot)} of {owner_name}"
        return str(name) if _KINDS[kind - 1] == "global" else f"a {_KINDS[kind - 1]}"


def _path(info: TypeInfo, offset: int) -> str:
    if info.kind == "array" and info.elem is not None and info.elem.bytes:
        i, rest = divmod(offset, info.elem.bytes)
        return f"[{i}]{_joined(_path(info.elem, rest))}"
    for field in reversed(info.fields):
        if field.offset <= offset < field.offset + max(field.type.bytes, 1):
            return f"{field.name}{_joined(_path(field.type, offset - field.offset))}"
    return ""


def _joined(path: str) -> str:
    return path if not path or path.startswith("[") else "." + path


class SteppedCycle:
    """One collection, step by step, forwards and backwards. Made by ``heap.begin_cycle()``.

    A step ends at the next step point (``c.step_points`` lists them); ``c.next`` says what comes
    then. Between steps the heap may be used as ever: what that changes counts as a step of its
    own, "outside". The state after step k is the same each time it is come to, bit by bit.

    References that were made after the step that the heap is rewound to are stale: using them
    raises `StaleReferenceError`, until the same steps are taken again. Handles that come back
    although their reference is gone show as orphans in ``heap.handles()`` and ``c.view()``.
    A call that has to wait for the collector (``heap.collect()``, a read while the world is
    stopped) lets it go on meanwhile.
    """

    __slots__ = ("__weakref__", "_heap", "_names", "_step", "_token")

    def __init__(
        self,
        heap: _core.Heap,
        *,
        schedule: str = "round robin",
        seed: int = 0,
        changes: int = 3,
        length: int = 1000,
        locks: bool = False,
    ) -> None:
        """A forced cycle of a heap with mode="steps", at its beginning (step 0).

        schedule  who goes next: "round robin", "random", "pct" (priorities with ``changes`` change
                  points within ``length`` steps), or a text such as "a12 b a.1": letters of actors
                  with how often, or behind a point in which way
        seed      of "random" and "pct", from 0
        locks     steps end at locks too

        StateError: the heap has threads, or a cycle is under way. OptionError: no such schedule.
        """
        if not isinstance(schedule, str):
            raise ConversionError(f"schedule= takes a str, not {type(schedule).__name__}")
        kind = _SCHEDULES.get(schedule, _TEXT)
        if kind == _TEXT and not re.fullmatch(r"\s*([a-z](\d+|\.\d+)?\s*)+", schedule):
            known = ", ".join(map(repr, _SCHEDULES))
            raise OptionError(
                f"schedule={schedule!r} is not known: use {known}, or a text such as 'a12 b a.1'"
            )
        self._heap = heap
        self._names = _Names()
        heap._steps_begin(
            kind,
            _whole("seed", seed, 0, 2**63 - 1),
            schedule if kind == _TEXT else None,
            _whole("changes", changes, 0, 1000),
            _whole("length", length, 1, 2**31),
            0 if locks else 1 << NUMBERS["lock"],
        )
        self._token = heap._steps_token()
        self._state()  # names are given in the order of the beginning

    @classmethod
    def _of_stage(cls, heap: _core.Heap, schedule: str, seed: int = 0) -> SteppedCycle:
        """The actors of the heap's stage, under a schedule that an exploration found, or one of
        the words of ``__init__``."""
        self = cls.__new__(cls)
        self._heap = heap
        self._names = _Letters()
        kind = _SCHEDULES.get(schedule, _TEXT)
        heap._steps_begin(kind, seed, schedule if kind == _TEXT else None, 0, 1, 0, True)
        self._token = heap._steps_token()
        self._state()
        return self

    # --- going

    def _check(self) -> _core.Heap:
        if self._heap._steps_token() != self._token:
            raise StateError("another cycle has begun since; this one is over")
        return self._heap

    def _ended(self, end: int) -> None:
        if end == _DEADLOCK:
            waits = "; ".join(f"{a.name} waits for {a.waits_for}" for a in self.next)
            raise DeadlockError(f"nobody can go on after step {self.step_number}: {waits}")
        if end == _MISFIT:
            raise StateError(
                f"the schedule does not fit what can run after step {self.step_number}"
            )

    def step(self, n: int = 1, *, actor: str | None = None, choice: int = 0) -> int:
        """Takes n steps: how many there were (fewer at the end of the cycle).

        actor: this one takes them, by its letter, whatever the schedule says; choice: in which
        way, where it stands before several. StateError: it cannot run; DeadlockError: nobody can.
        """
        heap = self._check()
        _whole("n", n, 0, _MOST)
        if actor is None:
            end, done = heap._steps_run(n, 0)
            if end != _STEPS:
                self._ended(end)
            return done
        letters = [a.letter for a in self.next]
        if actor not in letters:
            raise OptionError(f"actor={actor!r} is not one of {', '.join(letters)}")
        for taken in range(n):
            end, done = heap._steps_by_hand(letters.index(actor), _whole("choice", choice, 0, 255))
            if not done:
                if taken:
                    return taken
                raise StateError(f"actor {actor!r} cannot take a step in the way {choice} now")
        return n

    def run_until(self, what: str | Predicate) -> int:
        """Steps until a phase is entered, a step point come to, or ``what(c)`` is true: how many.

        StateError: the cycle ended before. OptionError: no such phase or step point. Ctrl-C and
        errors of the predicate leave the cycle at the step that it has come to.
        """
        heap = self._check()
        if callable(what):
            taken = 0
            while not what(self):
                end, done = heap._steps_run(1, 0)
                taken += done
                if not done:
                    self._ended(end)
                    raise StateError("the cycle ended before the predicate was true")
            return taken
        if what not in PHASES and what not in NUMBERS:
            raise OptionError(
                f"{what!r} is no phase ({', '.join(PHASES)}) and no step point; those are: "
                + ", ".join(NUMBERS)
            )
        if what in PHASES:
            return self._run_to_phase(what)
        end, taken = heap._steps_run(_MOST, 1 << NUMBERS[what])
        if end != _POINT:
            self._ended(end)
            raise StateError(f"the cycle ended and came to no {what!r}")
        return int(taken)

    def _run_to_phase(self, phase: str) -> int:
        taken = 0
        while self.phase != phase or not taken:
            end, done = self._heap._steps_run(1, 0)
            taken += done
            if end not in (_STEPS, _POINT) and self.phase != phase:
                self._ended(end)
                raise StateError(f"the cycle ended and came to no phase {phase!r}")
            if not done:
                break
        return taken

    def finish(self) -> int:
        """Steps to the end of the cycle: how many there were."""
        if self.ended:
            return 0
        end, done = self._check()._steps_run(_MOST, 0)
        self._ended(end)
        return int(done)

    def goto(self, k: int) -> None:
        """To the state after step k: back, or forwards among the steps that are known.

        BoundsError: k is not between 0 and the newest step. BufferError: views of the heap's
        memory exist.
        """
        heap = self._check()
        newest = heap._steps_info()[1]
        if not isinstance(k, int) or isinstance(k, bool):
            raise ConversionError(f"goto takes the number of a step, not {type(k).__name__}")
        if not 0 <= k <= newest:
            raise BoundsError(f"there is no step {k} to go to: the steps are 0 to {newest}")
        heap._steps_goto(k)

    def back(self, n: int = 1) -> None:
        """Takes the last n steps back. BoundsError: there are not so many."""
        _whole("n", n, 0, _MOST)
        here = self.step_number
        if n > here:
            raise BoundsError(f"cannot go {n} steps back from step {here}: the beginning is step 0")
        self._heap._steps_goto(here - n)

    # --- where it is

    @property
    def step_number(self) -> int:
        """How many steps led here; 0 is the beginning."""
        return int(self._check()._steps_info()[0])

    @property
    def steps(self) -> int:
        """How many steps are known: those behind step_number were taken back."""
        return int(self._check()._steps_info()[1])

    @property
    def phase(self) -> Literal["off", "mark", "mark termination", "sweep"]:
        return PHASES[self._check()._steps_info()[4]]

    @property
    def hash(self) -> int:
        """Of the state: what decisions read, live stacks included. 64 bits."""
        return int(self._check()._steps_hash())

    @property
    def ended(self) -> bool:
        return all(row[3] == 3 for row in self._check()._steps_actors())

    @property
    def step_points(self) -> tuple[str, ...]:
        """All there are, in the order of their numbers."""
        return tuple(NUMBERS)

    @property
    def schedule(self) -> str:
        """The steps so far as a text that begin_cycle(schedule=) takes: "a12 b a.1".

        Steps from outside are no part of it: do the same between the same steps.
        """
        return schedule_text_of(self._check()._steps_log(0, self.step_number))

    def _log(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        raw = self._check()._steps_log(start, end)
        for i in range(0, len(raw), 4):
            yield raw[i], raw[i + 1], raw[i + 2]

    # --- what is there

    def _state(self) -> _State:
        return _State(self._check()._steps_view(), self._names)

    def _of_colour(self, colour: Colour) -> tuple[str, ...]:
        state = self._state()
        return tuple(state.names[r[0]] for r in state.rows if _COLOURS[r[4]] == colour)

    @property
    def white(self) -> tuple[str, ...]:
        """Names of the objects without a mark."""
        return self._of_colour("white")

    @property
    def grey(self) -> tuple[str, ...]:
        """Names of the objects that are marked and not yet scanned to their end."""
        return self._of_colour("grey")

    @property
    def black(self) -> tuple[str, ...]:
        """Names of the objects that are marked and done with."""
        return self._of_colour("black")

    @property
    def queue(self) -> tuple[str, ...]:
        """Names of the grey objects in the work buffers, the next one first."""
        state = self._state()
        return tuple(map(state.name, state.queued))

    @property
    def buffers(self) -> tuple[ViewBuffer, ...]:
        """The write barrier's buffer of each mutator."""
        return _buffers(self._state())

    @property
    def next(self) -> tuple[ViewActor, ...]:
        """Who takes steps, and what each would do."""
        return tuple(map(_actor_of(self._state()), self._check()._steps_actors()))

    def name_of(self, ref: _core.Ref) -> str:
        """How the object of a reference is named here."""
        return self._state().name(_core.address(ref))

    def view(self) -> View:
        """The whole state as a value that outlives the heap."""
        heap = self._check()
        at, _, _, _, phase = heap._steps_info()
        state = self._state()
        action, function, actor = self._last(at)
        return View(
            step=at,
            phase=PHASES[phase],
            action=action,
            function=function,
            actor=actor,
            objects=tuple(_object(state, row) for row in state.rows),
            pointers=tuple(
                ViewPointer(
                    state.names[row[0]],
                    state.words.field(row[6], offset),
                    state.target(target),
                )
                for row in state.rows
                for offset, target in row[7]
            ),
            roots=tuple(_root(state, row) for row in state.roots),
            queue=tuple(map(state.name, state.queued)),
            buffers=_buffers(state),
            actors=tuple(map(_actor_of(state), heap._steps_actors())),
        )

    def _last(self, at: int) -> tuple[str, str, str]:
        """What the last step did: what its actor was about to do one step before."""
        if at == 0:
            return "", "", ""
        ((number, _, how),) = self._log(at - 1, at)
        if how == _OUTSIDE:
            return "the program changes the heap", "", ""
        if self._heap._steps_exported():
            return "", "", chr(ord("a") + number)
        self.goto(at - 1)
        try:
            actor = self.next[number]
        finally:
            self.goto(at)
        return actor.next, actor.function, actor.letter

    def __repr__(self) -> str:
        try:
            at, newest, _, _, phase = self._check()._steps_info()
        except Exception:
            return "<gcsim.SteppedCycle, over>"
        later = f" of {newest}" if newest > at else ""
        ended = ", ended" if self.ended else ""
        return f"<gcsim.SteppedCycle at step {at}{later}, phase {PHASES[phase]}{ended}>"


def _object(state: _State, row: tuple[Any, ...]) -> ViewObject:
    address, size, page, slot, colour, scanning, info, *_ = row
    return ViewObject(
        name=state.names[address],
        address=address - state.arena,
        type=info.name if info is not None else "",
        size=size,
        span=page,
        slot=slot,
        colour=_COLOURS[colour],
        scanning=bool(scanning),
    )


def _root(state: _State, row: tuple[Any, ...]) -> ViewRoot:
    kind, owner, owner_name, name, slot, target, scanned, orphan, _ = row
    word = _KINDS[kind - 1]
    return ViewRoot(
        kind=word,
        owner=f"goroutine {owner} ({owner_name}): {name}" if word == "frame" else "",
        name=state.words.local(slot) if word == "frame" else name if word == "global" else "",
        target=state.target(target),
        scanned=scanned,
        orphan=orphan,
    )


def _buffers(state: _State) -> tuple[ViewBuffer, ...]:
    return tuple(
        ViewBuffer(f"mutator {number}", tuple(map(state.name, entries)), capacity)
        for number, capacity, entries in state.buffered
    )


def _actor_of(state: _State) -> Callable[[tuple[Any, ...]], ViewActor]:
    def actor(row: tuple[Any, ...]) -> ViewActor:
        number, role, mutator, life, point, _, where, arg, waits_for, _ = row
        role_name = _ROLES[role - 1]
        stood = POINTS[point] if point >= 0 and life != 3 else None
        if stood is not None:
            words = stood.words.format(
                object=state.name(state.arena + where),
                slot=state.slot(where) if "{slot}" in stood.words else "",
                target=state.name(state.arena + arg & _WORD) if arg != _NIL else "nil",
                where=where,
                arg=arg,
            )
        else:
            words = "" if life == 3 else "begin"
        return ViewActor(
            letter=chr(ord("a") + number),
            name=role_name if role_name == "collector" else f"{role_name} {mutator}",
            state=_STATES[life - 1],
            point=stood.name if stood else "",
            next=words,
            function=stood.function if stood else "",
            waits_for=waits_for,
        )

    return actor
