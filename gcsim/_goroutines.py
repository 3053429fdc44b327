"""Channels, timers and locks on the heap, and what operations of goroutines give.

A goroutine here is data: an operation that cannot go on blocks it and returns None, and whoever
makes the operation possible completes it; the goroutine's ``result`` is then what it gave. What Go
panics with is a :class:`gcsim.PanicError`.

The classes are structs of the runtime, whose fields are its own. References to them are stored like
any other (``ptr[gcsim.Channel]``); a `Mutex` may also lie inside a struct.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from gcsim import _core
from gcsim._struct import struct
from gcsim._types import i64, ptr, u32, u64

if TYPE_CHECKING:
    from collections.abc import Iterable


@struct
class _Sudog:
    object: ptr[u64]
    link: ptr[_Sudog]
    next: ptr[_Sudog]
    before: ptr[_Sudog]
    elem: ptr[u64]
    g: u64
    queue: u64
    elem_type: u64
    number: u32
    flags: u32


@struct
class Channel:
    """A channel: see :meth:`Heap.make_chan`."""

    count: u64
    size: u64
    buf: ptr[u64]
    elem_bytes: u32
    closed: u32
    timer: ptr[Timer]
    elem_type: u64
    send_at: u64
    receive_at: u64
    first_receiver: ptr[_Sudog]
    last_receiver: ptr[_Sudog]
    first_sender: ptr[_Sudog]
    last_sender: ptr[_Sudog]
    self: u64
    lock: u64


@struct
class _Clock:
    first: ptr[Timer]
    now: i64
    random: u64


@struct
class _Time:
    wall: u64
    ext: i64
    loc: ptr[u64]


@struct
class Timer:
    """A time.Timer or time.Ticker: see :meth:`Heap.timer`."""

    ch: ptr[Channel]
    clock: ptr[_Clock]
    next: ptr[Timer]
    before: ptr[Timer]
    sleeper: ptr[_Sudog]
    when: i64
    period: i64
    blocked: u32
    listed: u32
    _lock: u64
    _states: u64
    _function: u64
    _argument: u64
    _number: u64
    self: u64


@struct
class Mutex:
    """A sync.Mutex: ``heap.new(Mutex)`` is an unlocked one."""

    first: ptr[_Sudog]
    last: ptr[_Sudog]
    locked: u64
    self: u64


@struct
class RWMutex:
    """A sync.RWMutex: ``heap.new(RWMutex)`` is an unlocked one."""

    first_reader: ptr[_Sudog]
    last_reader: ptr[_Sudog]
    first_writer: ptr[_Sudog]
    last_writer: ptr[_Sudog]
    reading: i64
    writing: u64
    self: u64


@struct
class WaitGroup:
    """A sync.WaitGroup: ``heap.new(WaitGroup)`` is one that nobody has to wait for."""

    first: ptr[_Sudog]
    last: ptr[_Sudog]
    count: i64
    self: u64


@struct
class Cond:
    """A sync.Cond: see :meth:`Heap.cond`."""

    first: ptr[_Sudog]
    last: ptr[_Sudog]
    lock: ptr[Mutex]
    self: u64


for _made in (_Sudog, Channel, _Clock, _Time, Timer, Mutex, RWMutex, WaitGroup, Cond):
    _core.hide_fields(_made)
del _made


class Send(NamedTuple):
    """A case of a select: ``case ch <- value``."""

    ch: Channel | None
    value: Any


class Receive(NamedTuple):
    """A case of a select: ``case value, ok = <-ch``."""

    ch: Channel | None


class Received(NamedTuple):
    """What was received; `ok` is False where it is the zero value of a closed channel."""

    value: Any
    ok: bool


class Selected(NamedTuple):
    """How a select ended: the number of the case that went on, -1 for ``default``, and what a case
    that receives has received."""

    case: int
    value: Any
    ok: bool


class GoroutineStack(NamedTuple):
    """The stack of a goroutine as Go's run-time system would make it (runtime/stack.go). Bytes.

    size    2,048 for a new goroutine (one that takes a dead one's place begins with what the stacks
            scanned by the last collection used on average); doubled when a frame does not fit,
            halved by a collection that finds less than a quarter in use
    used    by frames: their slots, and 24 bytes each
    memory  that the frames really take here: whole pages, which do not shrink (StackInuse)
    """

    size: int
    used: int
    memory: int


class LeakedGoroutine(NamedTuple):
    """A goroutine that nothing can wake: blocked on what only such goroutines reach.

    id, name      of the goroutine
    wait_reason   as Go says it: "chan receive", "select", "sync.Mutex.Lock"...
    frames        names of its frames, the innermost first
    """

    id: int
    name: str
    wait_reason: str
    frames: tuple[str, ...]


def leaked(stacks: Iterable[tuple[Any, ...]]) -> list[LeakedGoroutine]:
    return [
        LeakedGoroutine(number, name, reason, frames)
        for number, name, reason, is_leaked, frames in stacks
        if is_leaked
    ]
