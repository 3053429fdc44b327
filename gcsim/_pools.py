"""sync.Pool on the heap: :class:`gcsim.Pool`.

The structs are the runtime's (sync/pool.go, poolqueue.go), laid out as Go's, under Go's names;
their fields are its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from gcsim import _core
from gcsim._errors import ConversionError
from gcsim._struct import struct
from gcsim._types import array, iface, ptr, u64

if TYPE_CHECKING:
    from collections.abc import Callable

_C = TypeVar("_C")


def _named(name: str) -> Callable[[type[_C]], type[_C]]:
    def rename(cls: type[_C]) -> type[_C]:
        cls.__name__ = name
        return cls

    return rename


@struct
@_named("sync.eface")
class _Eface:
    type: u64
    data: ptr[u64]


@struct
@_named("sync.poolChainElt")
class _PoolChainElt:
    head_tail: u64
    ring: ptr[_Eface]
    len: u64
    cap: u64
    next: ptr[_PoolChainElt]
    prev: ptr[_PoolChainElt]


@struct
@_named("sync.poolLocal")
class _PoolLocal:
    type: u64
    data: ptr[u64]
    head: ptr[_PoolChainElt]
    tail: ptr[_PoolChainElt]
    pinned: u64
    unused: array[u64, 11]  # type: ignore[valid-type]


@struct
@_named("sync.Pool")
class _Pool:
    local: ptr[_PoolLocal]
    local_size: u64
    victim: ptr[_PoolLocal]
    victim_size: u64
    make: ptr[u64]


@struct
@_named("*sync.Pool")
class _PoolPointer:
    pool: ptr[_Pool]


for _made in (_Eface, _PoolChainElt, _PoolLocal, _Pool, _PoolPointer):
    _core.hide_fields(_made)
del _made


class PoolCounts(NamedTuple):
    """How many values a pool holds, and where: one is private to a processor, the others lie in the
    processors' chains; victims are those that were there when the last cycle began."""

    private: int
    shared: int
    victim_private: int
    victim_shared: int


class Pool:
    """A sync.Pool: values to use again, of which a collection may drop any.

    ``put(x)`` keeps a value, ``get()`` gives one back, or what ``new()`` returns. As in Go each of
    `heap`'s processors has a private value and a chain of its own, from which the others take the
    oldest; when a cycle begins all values become victims, and those that were are dropped. So a
    value lives through one collection without a ``put``, not through two, and the pool keeps
    itself alive no longer.

    A value is an interface in Go: a reference as it is; anything else, a slice say, is copied into
    a `Box` with each put and each new, which allocates what Go allocates (24 bytes for a slice).
    ``get()`` gives the Box then, ``.value`` is what was put, and the Box itself can be put again
    for nothing.

    Everything that the pool needs is allocated on the heap, in Go's sizes. A pool may be used by
    several threads. `new` is a Python function; what it closes over is not seen by the collector.

    Raises ConversionError for what is no value of Go, WrongHeapError for another heap's,
    ClosedHeapError, ForkedHeapError, HeapMemoryError.
    """

    __slots__ = ("__weakref__", "_heap", "_ref", "made", "new")

    def __init__(self, heap: _core.Heap, new: Callable[[], Any] | None = None) -> None:
        if new is not None and not callable(new):
            raise ConversionError(f"new is a function that makes a value, not {new!r}")
        self._ref = _core.pool_make(heap)
        self._heap = heap
        self.new = new
        self.made = 0  # how often new was called

    def put(self, value: Any, /) -> None:
        """Keep `value` for a later get. None is nothing, as nil in Go."""
        _core.pool_put(self._ref, value)

    def get(self) -> Any:
        """A value that was put; else what `new` returns; else None."""
        value = _core.pool_get(self._ref)
        if value is None and self.new is not None:
            value = self.new()
            self.made += 1
            if not isinstance(value, _core.Ref):
                value = self._heap.box(iface, value)
        return value

    @property
    def counts(self) -> PoolCounts:
        """What it holds, where. Exact while no other thread uses it."""
        return PoolCounts(*_core.pool_counts(self._ref))

    @property
    def rings(self) -> tuple[tuple[int, ...], ...]:
        """For each processor the lengths of the rings in its chain, the oldest first: (8, 16)."""
        return _core.pool_rings(self._ref)

    def __len__(self) -> int:
        return sum(self.counts)

    def __repr__(self) -> str:
        if self._heap.closed:
            return "<pool of a closed heap>"
        private, shared, *victims = self.counts
        return f"<pool: {private} private, {shared} shared, {sum(victims)} victims>"
