"""The chapter's own allocators, over a heap: `BatchAllocator`, `MemoryPool`, `ObjectPool`.

Each is mended; ``mended=False`` is the chapter's text, to see what goes wrong with it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from operator import index
from typing import Any, SupportsIndex

from gcsim import _core
from gcsim._errors import ConversionError, RangeError, UseAfterResetError
from gcsim._goroutines import Receive, Send
from gcsim._pools import Pool
from gcsim._struct import struct
from gcsim._types import iface, slice_, u8

__all__ = ["ArenaBytes", "BatchAllocator", "MemoryPool", "ObjectPool", "next_power_of_2"]


def _size(what: str, value: SupportsIndex, least: int = 0) -> int:
    try:
        n = index(value)
    except TypeError:
        raise ConversionError(f"{what} is an int, not {type(value).__name__}") from None
    if not least <= n < 1 << 48:
        raise RangeError(f"{what} is from {least} to 2**48 - 1, not {n}")
    return n


def _heap(heap: object) -> _core.Heap:
    if not isinstance(heap, _core.Heap):
        raise ConversionError(f"an allocator works on a Heap, not {type(heap).__name__}")
    return heap


# --- an arena ------------------------------------------------------------------------------------


class ArenaBytes:
    """Bytes of a `BatchAllocator`: a []byte that knows when its arena was reset.

    Indexing, assigning and len() are those of the slice; ``append`` gives a new one of ordinary
    memory when there is no room, and never reaches what lies behind. Raises UseAfterResetError once
    the arena has been reset.
    """

    __slots__ = ("_arena", "_generation", "_slice")

    def __init__(self, arena: BatchAllocator, data: Any) -> None:
        self._arena, self._generation, self._slice = arena, arena.generation, data

    @property
    def slice(self) -> Any:
        """The slice itself. Who keeps it is not told of a reset."""
        if self._generation != self._arena.generation:
            raise UseAfterResetError(
                "these bytes were given back: their arena was reset"
                f" {self._arena.generation - self._generation} times since; allocate anew"
            )
        return self._slice

    def append(self, *values: int) -> Any:
        """Go's append: a Slice, in memory of its own if the capacity is used up."""
        return self.slice.append(*values)

    def __len__(self) -> int:
        return len(self.slice)

    def __getitem__(self, i: Any) -> Any:
        return self.slice[i]

    def __setitem__(self, i: Any, value: Any) -> None:
        self.slice[i] = value

    def __iter__(self) -> Iterator[int]:
        return (self.slice[i] for i in range(len(self.slice)))

    def __bytes__(self) -> bytes:
        return bytes(self.slice)

    def __repr__(self) -> str:
        if self._generation != self._arena.generation:
            return "<bytes of an arena that was reset>"
        return f"<{len(self._slice)} bytes of an arena>"


class BatchAllocator:
    """One []byte, given out from front to back and taken back all at once: an arena.

    ``alloc(n)`` gives n zero bytes, or None when there is no room. The collector sees one object
    without pointers, which any piece keeps whole; so a piece must hold no pointers.

    The chapter's form (``mended=False``) gives plain slices that reach to the end of the buffer:
    append writes into the neighbour, and after ``reset`` old holders and new ones share their
    bytes, which are not cleared. Mended, a piece ends where it ends (``buf[i:j:j]``), is zero, and
    raises UseAfterResetError after a reset.

    size, used, wasted   bytes: of the buffer, given out, skipped for alignment
    generation           how often it was reset

    Raises RangeError, ConversionError, HeapMemoryError, ClosedHeapError.
    """

    def __init__(self, heap: _core.Heap, size: SupportsIndex, /, *, mended: bool = True) -> None:
        self.size = _size("the size of an arena", size)
        self.mended = bool(mended)
        self.used = self.wasted = self.generation = 0
        self._end = 0  # bytes that were given out, ever: beyond it all is zero
        self._buffer: Any = _heap(heap).new_slice(u8, self.size)

    def alloc(self, n: SupportsIndex, /, *, align: SupportsIndex = 1) -> Any:
        """n bytes whose address is a multiple of `align`, a power of two up to 4,096; or None."""
        n, align = _size("a piece", n), _size("an alignment", align, 1)
        if align & (align - 1) or align > 4096:
            raise RangeError(f"an alignment is a power of two up to 4,096, not {align}")
        skipped = -(self._buffer.address + self.used) % align
        start, end = self.used + skipped, self.used + skipped + n
        if end > self.size:
            return None
        self.used, self.wasted = end, self.wasted + skipped
        if not self.mended:
            return self._buffer.reslice(start, end)
        piece = self._buffer.reslice(start, end, end)
        if start < self._end:
            memoryview(piece)[:] = bytes(n)
        self._end = max(self._end, end)
        return ArenaBytes(self, piece)

    def reset(self) -> None:
        """All of it is free again."""
        self.used = self.wasted = 0
        self.generation += 1

    def __repr__(self) -> str:
        return f"<arena: {self.used:,} of {self.size:,} bytes used, generation {self.generation}>"


# --- a pool of buffers by powers of two ----------------------------------------------------------


def next_power_of_2(n: SupportsIndex, /, *, mended: bool = True) -> int:
    """The smallest power of two that is at least n; 1 for 0.

    The chapter's (``mended=False``) stops at shifts of 16: from 2**32 + 1 on it gives none.
    """
    n = _size("a size", n)
    if mended:
        return 1 << max(n - 1, 0).bit_length()
    if n <= 0:
        return 1
    n -= 1
    for shift in (1, 2, 4, 8, 16):
        n |= n >> shift
    return n + 1


@struct
class _Buffer:  # what lies in a pool: a slice header that is used again
    data: slice_[u8]


class MemoryPool:
    """Buffers by powers of two, a `Pool` for each: ``get(n)`` gives n bytes, ``put`` takes them.

    What is in it a collection may drop, as of any sync.Pool. Bytes are as their last user left
    them, unless ``clear=True``.

    The chapter's form (``mended=False``) writes its map without a lock, so that two threads may
    make two pools for one size and lose one; files a buffer of capacity 1,000 under 1,024, where
    the next ``get`` fails; and allocates 24 bytes with each ``put``, the slice's header. Mended,
    there is a lock, ``put`` refuses what does not fit (False), and headers are used again.

    limit     bytes: larger buffers are allocated and not kept
    refused   how many were not taken back

    Raises RangeError, ConversionError, WrongHeapError, ClosedHeapError.
    """

    def __init__(
        self, heap: _core.Heap, /, *, limit: SupportsIndex = 1 << 20, clear: bool = False,
        mended: bool = True,
    ) -> None:  # fmt: skip
        self._heap = _heap(heap)
        self.limit = next_power_of_2(_size("the limit", limit, 1))
        self.clear, self.mended = bool(clear), bool(mended)
        self.refused = 0
        self._pools: dict[int, Pool] = {}
        self._headers = Pool(self._heap, lambda: self._heap.new(_Buffer))
        self._lock = threading.Lock()

    def _new_pool(self, size: int) -> Pool:
        if self.mended:
            return Pool(self._heap)
        return Pool(self._heap, lambda: self._heap.new_slice(u8, size))

    def _pool(self, size: int) -> Pool:
        if self.mended:
            with self._lock:
                if size not in self._pools:
                    self._pools[size] = self._new_pool(size)
                return self._pools[size]
        if size in self._pools:
            return self._pools[size]
        pool = self._new_pool(size)  # meanwhile another thread does the same
        self._pools[size] = pool
        return pool

    def get(self, n: SupportsIndex, /) -> Any:
        """A Slice of n bytes; its capacity is the next power of two."""
        n = _size("a buffer", n)
        size = next_power_of_2(n, mended=self.mended)
        if not self.mended:
            return self._pool(size).get().value.reslice(0, n)
        buffer = self._pool(size).get() if size <= self.limit else None
        if buffer is None:
            return self._heap.new_slice(u8, n, size)
        data, buffer.data = buffer.data, None
        self._headers.put(buffer)
        data = data.reslice(0, n)
        if self.clear:
            memoryview(data)[:] = bytes(n)
        return data

    def put(self, data: Any, /) -> bool:
        """Take a buffer back. False: its capacity is none that this pool gives out."""
        if not isinstance(data, _core.Slice) or data.elem.name != "uint8":
            raise ConversionError(f"a buffer is a slice of u8, not {data!r}")
        size = next_power_of_2(data.cap)
        if not self.mended:
            if size in self._pools:
                self._pools[size].put(data.reslice(0, data.cap))
            return True
        if data.cap != size or size > self.limit:
            self.refused += 1
            return False
        buffer = self._headers.get()
        buffer.data = data.reslice(0, data.cap)
        self._pool(size).put(buffer)
        return True

    def __repr__(self) -> str:
        held = ", ".join(f"{len(pool)} of {size:,}" for size, pool in sorted(self._pools.items()))
        return f"<memory pool: {held or 'empty'}>"


# --- a pool on a channel -------------------------------------------------------------------------


class ObjectPool:
    """At most `size` objects in a buffered channel; neither get nor put ever waits.

    Unlike `Pool` it keeps what it has over collections, and never more than `size`. The operations
    are those of a goroutine of its own: use it from the thread that made it.

    type    of the values: a reference's ``ptr[T]``, ``slice_[T]``...
    new     makes one where the channel has none
    reset   is called with each that is put; else they come back as their last user left them

    The chapter's form (``mended=False``) is a channel of interfaces, in which a slice or a number
    takes an allocation with each put; and it takes nil, which get then gives.

    made, dropped   how often new was called, and a put found the channel full

    Raises RangeError, ConversionError, WrongHeapError, ClosedHeapError.
    """

    def __init__(
        self, heap: _core.Heap, type: Any, size: SupportsIndex, new: Callable[[], Any], /,
        *, reset: Callable[[Any], object] | None = None, mended: bool = True,
    ) -> None:  # fmt: skip
        size = _size("the size of a pool", size)
        for function in (new, reset):
            if not (callable(function) or (function is None and reset is None)):
                raise ConversionError(f"new and reset are functions, not {function!r}")
        self._heap = _heap(heap)
        self._channel = self._heap.make_chan(type if mended else iface, size)
        self._goroutine = self._heap.goroutine("pool")
        self.new, self.reset, self.mended = new, reset, bool(mended)
        self.size, self.made, self.dropped = size, 0, 0

    def get(self) -> Any:
        """One that was put, the oldest; or a new one."""
        got = self._goroutine.select(Receive(self._channel), default=True)
        if got is not None and got.case == 0:
            return got.value.value if isinstance(got.value, _core.Box) else got.value
        self.made += 1
        return self.new()

    def put(self, value: Any, /) -> bool:
        """Keep it. False: the channel is full, and nobody has it now."""
        if value is None and self.mended:
            raise ConversionError("a pool of nil objects is of no use: put what get gave")
        if self.reset is not None:
            self.reset(value)
        sent = self._goroutine.select(Send(self._channel, value), default=True)
        kept = sent is not None and sent.case == 0
        self.dropped += not kept
        return kept

    def close(self) -> None:
        """End its goroutine."""
        self._goroutine.end()

    def __repr__(self) -> str:
        return f"<pool of at most {self.size}: {self.made} made, {self.dropped} dropped>"
