"""Small services that leak, each beside its mended form: what the detectors are tried on.

``LEAKS["map"].leaky(heap)`` is a function that serves one request; ``fixed`` makes one that does
the same work. All they keep is on the heap, below the global that is named after the service, or
on goroutines; no Ref is left in Python.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any, NamedTuple

from gcsim import _core
from gcsim._struct import struct
from gcsim._types import i64, ptr, slice_, u8, uintptr

BODY = 16 << 10  # bytes of a request's body
BURST = 32  # sessions that are in use at a time

#: Serves one request.
Service = Callable[[], None]


class Leak(NamedTuple):
    """A service that leaks, and its mended form."""

    name: str
    about: str  #: why it leaks
    fix: str
    leaky: Callable[[_core.Heap], Service]
    fixed: Callable[[_core.Heap], Service]

    def __repr__(self) -> str:
        return f"<Leak {self.name!r}: {self.about}>"


# ---- a list below a global ----


def _list(heap: _core.Heap, name: str, elem: Any) -> Callable[[Any], None]:
    """Appends to ``var name []elem``."""
    heap.globals[name] = heap.new_slice(elem, 0, 8)

    def append(value: Any) -> None:
        heap.globals[name] = heap.globals[name].append(value)

    return append


# ---- closures ----


@struct
class BodyClosure:
    """``func() { use(body) }``: a code pointer and the captured slice."""

    code: uintptr
    body: slice_[u8]


@struct
class SizeClosure:
    """``func() { use(size) }``"""

    code: uintptr
    size: i64


def _leaky_closure(heap: _core.Heap) -> Service:
    append = _list(heap, "handlers", ptr[BodyClosure])

    def serve() -> None:
        append(heap.new(BodyClosure, code=0x401000, body=heap.new_slice(u8, BODY)))

    return serve


def _fixed_closure(heap: _core.Heap) -> Service:
    append = _list(heap, "handlers", ptr[SizeClosure])

    def serve() -> None:
        body = heap.new_slice(u8, BODY)
        append(heap.new(SizeClosure, code=0x401000, size=len(body)))

    return serve


# ---- sub-slices ----


@struct
class Title:
    text: slice_[u8]


def _leaky_sub_slice(heap: _core.Heap) -> Service:
    append = _list(heap, "titles", ptr[Title])

    def serve() -> None:
        page = heap.new_slice(u8, BODY)
        append(heap.new(Title, text=page[:10]))

    return serve


def _fixed_sub_slice(heap: _core.Heap) -> Service:
    append = _list(heap, "titles", ptr[Title])

    def serve() -> None:
        page = heap.new_slice(u8, BODY)
        title = heap.new_slice(u8, 10)
        title.copy_from(page[:10])
        append(heap.new(Title, text=title))

    return serve


# ---- a map ----


@struct
class Session:
    """An entry of the map: a chain, as in any hash table with chains."""

    next: ptr["Session"]
    key: i64
    data: slice_[u8]


@struct
class SessionMap:
    """Doubles when it is full, never shrinks: neither does Go's map (internal/runtime/maps)."""

    slots: slice_[ptr[Session]]
    used: i64


def _put(heap: _core.Heap, key: int) -> None:
    table: Any = heap.globals["sessions"]
    if table.used == len(table.slots):
        old, table.slots = table.slots, heap.new_slice(ptr[Session], 2 * len(table.slots))
        for entry in old:
            while entry is not None:
                after, slot = entry.next, entry.key % len(table.slots)
                entry.next, table.slots[slot] = table.slots[slot], entry
                entry = after
    slot = key % len(table.slots)
    data = heap.new_slice(u8, BODY)
    table.slots[slot] = heap.new(Session, next=table.slots[slot], key=key, data=data)
    table.used += 1


def _delete(heap: _core.Heap, key: int) -> None:
    table: Any = heap.globals["sessions"]
    slot = key % len(table.slots)
    before, entry = None, table.slots[slot]
    while entry is not None and entry.key != key:
        before, entry = entry, entry.next
    if entry is None:
        return
    if before is None:
        table.slots[slot] = entry.next
    else:
        before.next = entry.next
    table.used -= 1


def _sessions(heap: _core.Heap) -> None:
    heap.globals["sessions"] = heap.new(SessionMap, slots=heap.new_slice(ptr[Session], 8))


def _leaky_map(heap: _core.Heap) -> Service:
    _sessions(heap)
    keys = count()
    return lambda: _put(heap, next(keys))


def _fixed_map(heap: _core.Heap) -> Service:
    _sessions(heap)
    keys = count()

    def serve() -> None:
        key = next(keys)
        _put(heap, key)
        _delete(heap, key - BURST)  # when the session is over

    return serve


# ---- timers, as they were before Go 1.23 ----


@struct
class Timer:
    when: i64
    code: uintptr
    body: slice_[u8]  # what the function of time.AfterFunc captured


def _leaky_timer(heap: _core.Heap) -> Service:
    append = _list(heap, "timers", ptr[Timer])
    now = count()

    def serve() -> None:
        hour = next(now) + 3600
        append(heap.new(Timer, when=hour, code=0x402000, body=heap.new_slice(u8, BODY)))

    return serve


def _fixed_timer(heap: _core.Heap) -> Service:
    start = _leaky_timer(heap)

    def serve() -> None:
        start()
        timers = heap.globals["timers"]  # defer timer.Stop()
        timers[len(timers) - 1] = None
        heap.globals["timers"] = timers[:-1]

    return serve


# ---- goroutines ----


def _send(heap: Any, name: str, size: int) -> _core.Goroutine:
    """``go send(make(chan int, size))``, which holds a body: the goroutine where it has come to.

    On a heap without channels it just stays where it is, which only reachability can tell apart.
    """
    worker: Any = heap.goroutine(name)
    worker.push("main.send", body=slice_[u8]).body = heap.new_slice(u8, BODY)
    if hasattr(heap, "make_chan"):
        worker.send(heap.make_chan(i64, size), 42)
    sent: _core.Goroutine = worker
    return sent


def _leaky_goroutine(heap: _core.Heap) -> Service:
    ids = count(1)

    def serve() -> None:
        _send(heap, f"worker {next(ids)}", 0)

    return serve


def _fixed_goroutine(heap: _core.Heap) -> Service:
    ids = count(1)

    def serve() -> None:
        _send(heap, f"worker {next(ids)}", 1).end()

    return serve


# ---- no leak ----


def good_cache(heap: _core.Heap, entries: int = 200) -> Service:
    """A service with a cache of so many bodies, where the oldest one makes room: it grows until it
    is full, and is no leak."""
    heap.globals["cache"] = heap.new_slice(ptr[Title], entries)
    turn = count()

    def serve() -> None:
        body = heap.new(Title, text=heap.new_slice(u8, BODY))
        heap.globals["cache"][next(turn) % entries] = body

    return serve


LEAKS: dict[str, Leak] = {
    leak.name: leak
    for leak in (
        Leak(
            "closure",
            "each handler's closure captures the whole body, and handlers are kept",
            "capture the number that is needed, not the slice that it comes from",
            _leaky_closure,
            _fixed_closure,
        ),
        Leak(
            "sub-slice",
            "ten bytes that are kept hold the whole array that they are a part of",
            "copy the ten bytes",
            _leaky_sub_slice,
            _fixed_sub_slice,
        ),
        Leak(
            "map",
            "sessions are put into a map, and never deleted",
            "delete a session when it is over",
            _leaky_map,
            _fixed_map,
        ),
        Leak(
            "timer",
            "a timer of an hour that is not stopped stays in the runtime's list until it fires:"
            " all timers up to Go 1.22, since 1.23 only those of AfterFunc",
            "stop it",
            _leaky_timer,
            _fixed_timer,
        ),
        Leak(
            "goroutine",
            "a goroutine waits to send, nobody receives, and its stack keeps the body",
            "let it end: a buffered channel, or a context that is cancelled",
            _leaky_goroutine,
            _fixed_goroutine,
        ),
    )
}
