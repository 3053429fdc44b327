"""A recording as a timeline: what each thread and the collector did when.

`Timeline.write` gives Chrome's trace format, which Perfetto and speedscope open ("Trace Event
Format", Google, 2016: phases B and E, C, i, M; times in microseconds). Slices of one thread lie
side by side or inside each other; cycles, which run beside the program, have a track of their own.
`Timeline.draw` needs Matplotlib (``pip install 'gcsim[viz]'``).
"""

from __future__ import annotations

import heapq
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from gcsim._files import whole
from gcsim._pictures import png
from gcsim._results import Cycle, Event, LimiterState

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gcsim._events import Events

__all__ = ["Timeline"]

_NONE = (1 << 64) - 1
_NO_LIMIT = (1 << 63) - 1
_HEAP = 0  # the track of what belongs to no thread
CYCLES = "cycles"  #: the track of the collections

_MARKS = ("mark (dedicated)", "mark (fractional)", "mark (idle)")
_PIECE = 4096  # trace events that are written together


class Slice(NamedTuple):
    """A stretch of time on a track. Times in ns (steps in a stepped heap) since recording began.

    track   number of a mutator, or "cycles"
    cut     it had begun before, or went on after, what was recorded
    """

    track: int | str
    name: str
    begin: int
    end: int
    args: dict[str, Any]
    cut: bool = False


class Instant(NamedTuple):
    """An event that takes no time."""

    track: int
    name: str
    at: int
    args: dict[str, Any]


class Sample(NamedTuple):
    """The value of a counter from a moment on; None: none (no goal, no limit)."""

    name: str
    at: int
    value: int | None


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Timeline:
    """What each thread and the collector did when. Immutable, outlives the heap, pickles.

    slices     by track, then by time, the outer one first
    instants, samples   by time
    threads    names of the tracks of mutators, by their numbers
    span       ns (steps) from the beginning to the end of the recording
    mode       of the heap
    """

    slices: tuple[Slice, ...]
    instants: tuple[Instant, ...]
    samples: tuple[Sample, ...]
    threads: dict[int, str]
    span: int
    mode: str
    dropped: int

    def __init__(self, events: Events) -> None:
        reader = _Reader(events)
        values = {
            "slices": tuple(reader.nested()),
            "instants": tuple(reader.instants),
            "samples": tuple(reader.samples),
            "threads": reader.threads,
            "span": reader.span,
            "mode": events.mode,
            "dropped": events.dropped,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        cycles = sum(s.track == CYCLES and s.name.startswith("cycle") for s in self.slices)
        return (
            f"<Timeline: {len(self.slices):,} slices on {len(self.threads)} threads,"
            f" {cycles} cycles>"
        )

    # ---- Chrome's trace format ----

    def trace_events(self) -> Iterator[dict[str, Any]]:
        """The trace events, names first, then in the order of time."""
        yield _meta("process_name", _HEAP, name="gcsim heap")
        order: list[int | str] = [CYCLES, *sorted(self.threads)]
        for place, track in enumerate(order):
            name = self.threads[track] if isinstance(track, int) else "collections"
            yield _meta("thread_name", _tid(track), name=name)
            yield _meta("thread_sort_index", _tid(track), sort_index=place)
        tracks = [
            *(
                [self._edge(begin, s) for begin, s in _edges(group)]
                for _, group in groupby(self.slices, key=lambda s: s.track)
            ),
            (self._instant(i) for i in self.instants),
            (self._counter(s) for s in self.samples if s.value is not None),
        ]
        yield from heapq.merge(*tracks, key=lambda event: event["ts"])

    def _us(self, at: int) -> float:
        """A step is shown as a microsecond."""
        return float(at) if self.mode == "steps" else at / 1000

    def _edge(self, begin: bool, s: Slice) -> dict[str, Any]:
        at = s.begin if begin else s.end
        event = _event("B" if begin else "E", s.track, self._us(at), name=s.name, cat="gc")
        args = s.args | ({"cut": True} if s.cut else {})
        if begin and args:
            event["args"] = args
        return event

    def _instant(self, i: Instant) -> dict[str, Any]:
        return _event("i", i.track, self._us(i.at), name=i.name, cat="gc", s="t", args=i.args)

    def _counter(self, s: Sample) -> dict[str, Any]:
        return _event("C", _HEAP, self._us(s.at), name=s.name, args={"bytes": s.value})

    def _pieces(self) -> Iterator[bytes]:
        unit = "1 us is one step" if self.mode == "steps" else "us since recording began"
        other = {"tool": "gcsim", "time": unit, "dropped records": self.dropped}
        yield b'{"displayTimeUnit":"ns","otherData":%s,"traceEvents":[' % _json(other)
        lines: list[bytes] = []
        before = b"\n"
        for event in self.trace_events():
            lines.append(before + _json(event))
            before = b",\n"
            if len(lines) == _PIECE:
                yield b"".join(lines)
                lines.clear()
        yield b"".join(lines) + b"\n]}\n"

    def json(self) -> str:
        """The trace as text."""
        return b"".join(self._pieces()).decode()

    def write(self, path: str | os.PathLike[str]) -> None:
        """Writes the trace to a file, whole or not at all: open it with Perfetto or speedscope.

        Raises OSError.
        """
        with whole(path) as file:
            file.writelines(self._pieces())

    # ---- picture ----

    def draw(self, figure: Figure | None = None) -> Figure:
        """Tracks over time, below them the heap's size, goal and limit.

        figure   an empty Matplotlib figure; without it one is made, which belongs to no window
        """
        from gcsim._timeline_picture import draw

        return draw(self, figure)

    def _repr_png_(self) -> bytes | None:
        return png(self.draw, 100)


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _tid(track: int | str) -> int:
    """Numbers of threads begin at 1: some viewers leave 0 out."""
    return 1 if track == CYCLES else int(track) + 2


def _event(phase: str, track: int | str, ts: float, **more: Any) -> dict[str, Any]:
    return {"ph": phase, "ts": ts, "pid": 1, "tid": _tid(track)} | more


def _meta(what: str, tid: int, **args: Any) -> dict[str, Any]:
    return {"ph": "M", "ts": 0, "pid": 1, "tid": tid, "name": what, "args": args}


def _edges(slices: Iterable[Slice]) -> Iterator[tuple[bool, Slice]]:
    """Where the slices of one track begin (True) and end, in the order of time."""
    open_: list[Slice] = []
    for s in slices:
        while open_ and open_[-1].end <= s.begin:
            yield False, open_.pop()
        open_.append(s)
        yield True, s
    while open_:
        yield False, open_.pop()


def cycle_args(cycle: Cycle) -> dict[str, Any]:
    """A cycle's record as arguments of its slice: trigger, what the pacer knew, what it decided."""
    args: dict[str, Any] = {}
    for f in fields(cycle):
        value = getattr(cycle, f.name)
        if isinstance(value, LimiterState):
            args |= {f"limiter_{name}": number for name, number in value._asdict().items()}
        elif value is not None:
            args[f.name] = value
    return args


class _Reader:
    """Makes slices of the records: pairs those that begin and end something."""

    def __init__(self, events: Events) -> None:
        self.from_ns = events.from_ns
        self.span = events.to_ns - events.from_ns
        self.slices: list[Slice] = []
        self.instants: list[Instant] = []
        self.samples: list[Sample] = []
        self.threads: dict[int, str] = {}
        self.types = events.types
        self.sites = events.sites
        self.cycles = {cycle.number: cycle for cycle in events.cycles}
        self.marking: dict[int, tuple[int, int]] = {}  # mutator: since when, as what
        self.stopped: tuple[int, int, int] | None = None  # by whom, asked, stood
        self.cycle: tuple[int, int] | None = None  # number, since when
        self.phase: tuple[str, int] | None = None  # of it, since when
        for event in events:
            at = min(max(event.time_ns - self.from_ns, 0), self.span)
            self.read(event, at)
        self.cut()
        for track in {s.track for s in self.slices} | {i.track for i in self.instants}:
            if isinstance(track, int):
                self.threads.setdefault(track, f"mutator {track}" if track else "heap")

    def read(self, event: Event, at: int) -> None:
        match event.kind:
            case "attach":
                kind = "worker" if event.arg else "mutator"
                self.threads[event.mutator] = f"{kind} {event.mutator}"
            case "heap live" | "heap goal" | "memory limit":
                none = event.arg in (_NONE, _NO_LIMIT)
                self.samples.append(Sample(event.kind, at, None if none else event.arg))
            case "worker start":
                self.marking[event.mutator] = at, event.arg
            case "worker":
                begin, kind_ = self.marking.pop(event.mutator, (max(at - event.arg, 0), 0))
                self.add(event.mutator, _MARKS[min(kind_, 2)], begin, at)
            case "assist":
                self.add(event.mutator, "assist", max(at - event.arg, 0), at)
            case "world stop":
                self.stopped = event.mutator, max(at - event.arg, 0), at
            case "world start":
                self.world_started(event, at)
            case _:
                self.read_cycle(event, at)

    def world_started(self, event: Event, at: int) -> None:
        asked = max(at - event.arg, 0)
        if self.stopped is not None and self.stopped[0] == event.mutator:
            _, asked, stood = self.stopped
            if asked < stood:
                self.add(event.mutator, "stopping", asked, stood)
            self.add(event.mutator, "stopped", stood, at)
        self.add(event.mutator, "stop the world", asked, at)
        self.stopped = None

    def read_cycle(self, event: Event, at: int) -> None:
        match event.kind:
            case "cycle start":
                self.end_cycle(at)
                self.cycle = event.arg, at
            case "mark start":
                self.phase = "mark", at
            case "mark termination":
                self.end_phase("mark", at)
                self.phase = "mark termination", at
            case "cycle end":
                self.end_phase("mark termination", at)
                self.phase = "sweep", at
                if self.cycle is None:
                    self.cycle = event.arg, 0
            case "swept":
                self.end_phase("sweep", at)
                self.end_cycle(at)
            case "sweep done":
                pass  # of collect(), which waited for it
            case _:
                args: dict[str, Any] = {"where": event.where} if event.where else {}
                args |= {"arg": event.arg} | self.named(event)
                self.instants.append(Instant(event.mutator, event.kind, at, args))

    def named(self, event: Event) -> dict[str, str]:
        """What the number stands for, if the recording knows."""
        match event.kind:
            case "alloc type" if event.arg < len(self.types):
                return {"type": self.types[event.arg]}
            case "alloc site" if event.arg in self.sites:
                frame = self.sites[event.arg][0]
                place = f" {frame.file}:{frame.line}" if frame.file else ""
                return {"site": frame.function + place}
        return {}

    def add(self, track: int | str, name: str, begin: int, end: int, cut: bool = False) -> None:
        args: dict[str, Any] = {}
        if track == CYCLES and name.startswith("cycle ") and self.cycle is not None:
            cycle = self.cycles.get(self.cycle[0])
            args = cycle_args(cycle) if cycle is not None else {}
        self.slices.append(Slice(track, name, begin, end, args, cut))

    def end_phase(self, name: str, at: int) -> None:
        """The phase that is under way ends; where it began before, it began with the recording."""
        cut = self.phase is None
        began = 0
        if self.phase is not None:
            name, began = self.phase
        if not cut or self.cycle is None:
            self.add(CYCLES, name, began, at, cut)
        self.phase = None

    def end_cycle(self, at: int, cut: bool = False) -> None:
        if self.phase is not None:
            self.add(CYCLES, self.phase[0], self.phase[1], at, cut)
            self.phase = None
        if self.cycle is not None:
            number, began = self.cycle
            self.add(CYCLES, f"cycle {number}", began, at, cut or began == 0)
            self.cycle = None

    def cut(self) -> None:
        """What goes on at the end."""
        self.end_cycle(self.span, True)
        for mutator, (begin, kind) in self.marking.items():
            self.add(mutator, _MARKS[min(kind, 2)], begin, self.span, True)
        if self.stopped is not None:
            self.add(self.stopped[0], "stop the world", self.stopped[1], self.span, True)

    def nested(self) -> Iterator[Slice]:
        """By track and time. Lengths that were measured and times of records come from two looks at
        the clock: what sticks out of what is around it by that is cut off."""
        open_: list[Slice] = []
        for s in sorted(self.slices, key=lambda s: (str(s.track), s.begin, -s.end, _is_part(s))):
            while open_ and (open_[-1].track != s.track or open_[-1].end <= s.begin):
                open_.pop()
            if open_ and s.end - open_[-1].end > open_[-1].end - s.begin:  # it comes after that one
                s = s._replace(begin=open_[-1].end)
                while open_ and open_[-1].end <= s.begin:
                    open_.pop()
            if open_ and s.end > open_[-1].end:
                s = s._replace(end=open_[-1].end)
            open_.append(s)
            yield s


def _is_part(s: Slice) -> bool:
    """It lies inside a slice of the same length, not around it."""
    return not s.name.startswith(("cycle ", "stop the world"))
