"""``heap.record()``: what happened in a heap while a block ran, as records of one size.

The core writes them (csrc/base/events.h); Python sees them when the block is over, as one `bytes`.
NumPy is needed for `Events.array` alone.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

from gcsim._errors import (
    BoundsError,
    ClosedHeapError,
    ConversionError,
    OptionError,
    RangeError,
    StateError,
)
from gcsim._points import NUMBERS, POINTS
from gcsim._results import Cycle, Event, event_dtype

if TYPE_CHECKING:
    from gcsim import _core
    from gcsim._pprof import StackFrame
    from gcsim._timeline import Timeline

__all__ = ["Events"]

_RECORD = struct.Struct("=QIIQQ")  # gcsim_event
_NAMES = tuple(NUMBERS)
_ROWS = 40  # of a table, at most

#: Kinds that come with each object, store or lock: many, and marking object by object takes longer.
_SINGLE = frozenset(
    {
        *("shade", "scan", "scan field", "store", "shade old", "shade new", "shade source", "load"),
        *(
            "alloc",
            "alloc tiny",
            "alloc type",
            "alloc site",
            "alloc request",
            "free",
            "window",
            "handle new",
            "handle drop",
        ),
        *("lock", "wait", "operation"),
    }
)

Range = tuple[int | None, int | None]


def _numbers(kinds: str | Iterable[str]) -> frozenset[int]:
    """Kinds by name, as numbers."""
    names = (kinds,) if isinstance(kinds, str) else tuple(kinds)
    for name in names:
        if name not in NUMBERS:
            raise OptionError(
                f"there is no kind of event {name!r}; the kinds are: {', '.join(_NAMES)}"
            )
    return frozenset(NUMBERS[name] for name in names)


def _in_range(name: str, value: int | Range) -> Callable[[int], bool]:
    """The test for one number, or for a range with its first and the one behind its last."""
    if isinstance(value, int):
        return lambda n: n == value
    if not (isinstance(value, tuple) and len(value) == 2):
        raise ConversionError(f"{name}= is a number or a pair (from, to), not {value!r}")
    low, high = value
    for end in value:
        if not (end is None or isinstance(end, int)):
            raise ConversionError(f"{name}= is made of whole numbers and None, not {end!r}")
    least, behind = 0 if low is None else low, 1 << 64 if high is None else high
    return lambda n: least <= n < behind


class Events(Sequence[Event]):
    """What was recorded, oldest first. Immutable, outlives the heap, pickles; compares by value.

    While the ``with`` block of heap.record() runs it has nothing to tell, and says so (StateError).

    buffer    the records as a read-only memoryview of bytes, 32 each: time_ns u8, kind u4, mutator
              u4, where u8, arg u8, in the byte order of the machine
    dropped   records that later ones of their thread took the place of: the oldest. room= was
              too small
    kinds     the names of what was recorded
    from_ns, to_ns   when recording began and ended; as all times here, of the monotonic clock, in
              a stepped heap in steps
    cycles    the collections that records tell of, as heap.cycles had them at the end (256 at most)
    mode      of the heap: "threads", "steps" or "virtual"
    types     names of the heap's types by their numbers, which "alloc type" has
    sites     where objects were made, by the numbers that "alloc site" has: the frames of Python's
              stack, the innermost first, or the name of a C workload. Recording it makes each
              allocation look at the stack. Objects in tiny blocks have neither type nor site

    ``where`` of an event counts from the heap's first byte. What ``where`` and ``arg`` mean says
    csrc/base/events.def for each kind; all ones stand for nil, or for none.
    """

    __slots__ = (
        "_data",
        "cycles",
        "dropped",
        "from_ns",
        "kinds",
        "mode",
        "sites",
        "to_ns",
        "types",
    )

    KINDS = (
        _NAMES  #: the names of all kinds; the number of a kind in `buffer` and `array` is its place
    )

    _data: bytes
    dropped: int
    kinds: tuple[str, ...]
    from_ns: int
    to_ns: int
    cycles: tuple[Cycle, ...]
    mode: str
    types: tuple[str, ...]
    sites: dict[int, tuple[StackFrame, ...]]

    def __init__(self) -> None:
        raise ConversionError("Events come from heap.record()")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("Events are immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("Events are immutable")

    def __getattr__(self, name: str) -> Any:
        if name in Events.__slots__:
            raise StateError("the events are there when the block of heap.record() has ended")
        raise AttributeError(f"Events have no attribute {name!r}")

    @property
    def _is_there(self) -> bool:
        try:
            object.__getattribute__(self, "_data")
        except AttributeError:
            return False
        return True

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in Events.__slots__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return _empty, (), self.__getstate__()

    def _with(self, data: bytes) -> Events:
        other = _empty()
        other.__setstate__(self.__getstate__() | {"_data": data})
        return other

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Events) and self.__getstate__() == other.__getstate__()
        )

    def __hash__(self) -> int:
        return hash((self._data, self.from_ns))

    # ---- records ----

    def __len__(self) -> int:
        return len(self._data) // _RECORD.size

    def __iter__(self) -> Iterator[Event]:
        for time_ns, kind, mutator, where, arg in _RECORD.iter_unpack(self._data):
            yield Event(time_ns, _NAMES[kind], mutator, where, arg)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> Events: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Event | Events:
        """A record by its place; a slice is Events again."""
        size = _RECORD.size
        if isinstance(index, slice):
            places = range(len(self))[index]
            return self._with(b"".join(self._data[i * size : i * size + size] for i in places))
        try:
            i = range(len(self))[index]
        except IndexError:
            raise BoundsError(f"there is no event {index}: {len(self)} were recorded") from None
        time_ns, kind, mutator, where, arg = _RECORD.unpack_from(self._data, i * size)
        return Event(time_ns, _NAMES[kind], mutator, where, arg)

    @property
    def buffer(self) -> memoryview:
        return memoryview(self._data)

    @property
    def array(self) -> Any:
        """A NumPy structured array over `buffer`; ``dtype.metadata["kinds"]`` are KINDS."""
        import numpy as np

        return np.frombuffer(self._data, event_dtype(_NAMES))

    def counts(self) -> dict[str, int]:
        """How many records there are of each kind that there is, in the order of KINDS."""
        n = Counter(record[1] for record in _RECORD.iter_unpack(self._data))
        return {_NAMES[kind]: n[kind] for kind in sorted(n)}

    def filter(
        self,
        *,
        kind: str | Iterable[str] | None = None,
        where: int | Range | None = None,
        time: int | Range | None = None,
        mutator: int | Range | None = None,
    ) -> Events:
        """Those records that fit all that is given.

        kind      names, one or several
        where, time, mutator   a number, or a pair: the first and the one behind the last, None for
                  no bound. ``time`` is of the clock that the records have (see from_ns)

        Raises OptionError for a kind that there is not, ConversionError.
        """
        kinds = None if kind is None else _numbers(kind)
        tests = [
            (place, _in_range(name, value))
            for place, name, value in (
                (0, "time", time),
                (2, "mutator", mutator),
                (3, "where", where),
            )
            if value is not None
        ]
        size, data = _RECORD.size, self._data
        return self._with(
            b"".join(
                data[i * size : i * size + size]
                for i, record in enumerate(_RECORD.iter_unpack(data))
                if (kinds is None or record[1] in kinds)
                and all(test(record[place]) for place, test in tests)
            )
        )

    def timeline(self) -> Timeline:
        """What each thread and the collector did when: a Timeline, to look at and to write."""
        from gcsim._timeline import Timeline

        return Timeline(self)

    # ---- looks ----

    def __repr__(self) -> str:
        if not self._is_there:
            return "<Events: still being recorded>"
        dropped = f", {self.dropped:,} dropped" if self.dropped else ""
        took = self.to_ns - self.from_ns
        time = f"{took:,} steps" if self.mode == "steps" else f"{took / 1e6:.3f} ms"
        return f"<Events: {len(self):,} in {time}{dropped}>"

    def __str__(self) -> str:
        """A table: times from the beginning on. Of many the first and the last."""
        if not self._is_there:
            return repr(self)
        unit, scale = ("step", 1) if self.mode == "steps" else ("us", 1000)
        lines = [repr(self), f"{unit:>14} {'mutator':>7}  {'event':<16} {'where':>14} {'arg':>20}"]
        half = _ROWS // 2
        cut = len(self) > _ROWS
        for event in (*self[:half], *self[-half:]) if cut else self:
            if cut and len(lines) == half + 2:
                lines.append(f"{'...':>14} {len(self) - 2 * half:,} more")
            at = (event.time_ns - self.from_ns) / scale
            where = f"{event.where:#x}" if event.where else ""
            arg = "none" if event.arg == (1 << 64) - 1 else f"{event.arg:,}"
            lines.append(
                f"{at:>14,.{0 if scale == 1 else 3}f} {event.mutator or '':>7}  {event.kind:<16}"
                f" {where:>14} {arg:>20}"
            )
        return "\n".join(lines)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))


def _empty() -> Events:
    return object.__new__(Events)


def _sites(heap: _core.Heap, data: bytes) -> dict[int, tuple[StackFrame, ...]]:
    """The sites that records tell of."""
    from gcsim._profiler import site_frames

    kind = NUMBERS["alloc site"]
    numbers = {record[4] for record in _RECORD.iter_unpack(data) if record[1] == kind}
    return {number: site_frames(heap._site(number)) for number in sorted(numbers)}


class Recording:
    """The context manager that heap.record() returns."""

    def __init__(self, heap: _core.Heap, kinds: tuple[str, ...], room: int) -> None:
        self._heap = heap
        self._kinds = kinds
        self._room = room
        self._events: Events | None = None
        self._last = 0  # cycle when it began

    def __repr__(self) -> str:
        return f"<Recording of {len(self._kinds)} kinds of events, {self._room} of each thread>"

    def __enter__(self) -> Events:
        if self._events is not None:
            raise StateError("this recording has begun before; call heap.record() for another one")
        bits = sum(1 << NUMBERS[name] for name in self._kinds)
        cycles = self._heap.cycles
        self._last = cycles[-1].number if cycles else 0
        self._heap._record_begin(bits, self._room)
        self._events = _empty()
        return self._events

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        assert self._events is not None
        try:
            data, dropped, from_ns, to_ns, types = self._heap._record_end()
            sites = _sites(self._heap, data)
        except ClosedHeapError:
            if error is None:
                raise
            return  # what went wrong first is what is told
        # The last cycle before was under way if something of it comes before another one's start.
        of_cycle = _numbers(("cycle start", "mark termination", "cycle end", "swept"))
        kinds = (record[1] for record in _RECORD.iter_unpack(data) if record[1] in of_cycle)
        first = self._last + (next(kinds, NUMBERS["cycle start"]) == NUMBERS["cycle start"])
        self._events.__setstate__(
            {
                "_data": data,
                "dropped": dropped,
                "kinds": self._kinds,
                "from_ns": from_ns,
                "to_ns": to_ns,
                "cycles": tuple(c for c in self._heap.cycles if c.number >= first),
                "mode": self._heap.mode,
                "types": types,
                "sites": sites,
            }
        )


def record(
    heap: _core.Heap, *, kinds: str | Iterable[str] | None = None, room: int = 1 << 16
) -> Recording:
    if isinstance(room, bool) or not isinstance(room, int):
        raise ConversionError(f"room= is a number of records, not {type(room).__name__}")
    if not 1 <= room <= 1 << 32:
        raise RangeError(f"room= is 1 to 2**32 records, not {room}")
    if kinds is None:
        names: tuple[str, ...] = tuple(name for name in _NAMES if name not in _SINGLE)
    elif kinds == "all":
        names = _NAMES
    else:
        numbers = _numbers(kinds)
        if not numbers:
            raise OptionError("kinds= is empty: there is nothing to record")
        names = tuple(POINTS[number].name for number in sorted(numbers))
    return Recording(heap, names, room)
