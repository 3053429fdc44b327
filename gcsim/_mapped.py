"""``heap.map_file``: a file's bytes as memory outside the heap: the collector never looks into it.

Go does the same with ``syscall.Mmap``: pointers to memory that is not its heap's are left alone.
What is different here is what happens when somebody cuts the file off. Whoever reads a mapped page
behind the end of its file is ended by the system (SIGBUS), and no kind of mapping is safe from it:
Linux takes even those pages of a private one away that were written to (truncate_pagecache,
even_cows). So the bytes are copied into memory of their own; only a memory file (memfd) whose size
is sealed is mapped itself, because nobody can make that shorter.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from errno import EFBIG
from typing import Any

from gcsim import _core
from gcsim._errors import ConversionError, HeapMemoryError, MappingError, RangeError, StateError
from gcsim._results import bytes_text
from gcsim._types import describe, u8

_KINDS = {1: "copy", 2: "file"}
_MOST = 1 << 46


class MappedFile:
    """A file's bytes, as a slice of elements of one pointer-free type.

    ``mapped[i]``, ``mapped[a:b]``, ``len``, iteration; ``mapped.slice`` is all of it as a
    `gcsim.Slice`, which is a buffer too: ``memoryview(mapped.slice)``, NumPy. Slices of it, and
    references to its structs, can be stored in the heap's objects.

    It stays mapped until ``close()`` (or the end of a ``with`` block), which raises BufferError
    while anything points into it: a Slice or Ref that Python has, an object of the heap (dead ones
    too, until a collection has found them), a global, a frame. A MappedFile that is dropped, or
    whose heap closes, needs no close: its memory goes with the heap.

    kind      "copy": private memory, read from the file when it was mapped; "file": the file itself
    bytes     that the file had, or fewer if length= says so
    address   of the first byte
    """

    __slots__ = ("_number", "address", "bytes", "elem", "heap", "kind", "name", "writable")

    def __init__(
        self, heap: _core.Heap, name: str, elem: Any, row: tuple[int, int, int, int], writable: bool
    ) -> None:
        self.heap = heap
        self.name = name
        self.elem = elem
        self._number, kind, self.bytes, self.address = row
        self.kind = _KINDS[kind]
        self.writable = writable

    @property
    def closed(self) -> bool:
        return not self._number or self.heap.closed

    @property
    def slice(self) -> Any:
        """All elements, as a `gcsim.Slice`. Raises StateError once it is closed."""
        if not self._number and not self.heap.closed:
            raise StateError(f"the mapping of {self.name} is closed")
        return self.heap._mapped_slice(self._number, self.elem)

    def __len__(self) -> int:
        return len(self.slice)

    def __getitem__(self, index: Any) -> Any:
        return self.slice[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self.slice[index] = value

    def __iter__(self) -> Iterator[Any]:
        return iter(self.slice)

    def close(self) -> None:
        """Gives the memory back. Twice is fine. BufferError while something points into it."""
        if self.closed:
            self._number = 0
            return
        pointers = self.heap._unmap_file(self._number)
        if pointers:
            raise BufferError(
                f"cannot close the mapping of {self.name}: {pointers} pointers lead into it, of "
                "references, slices, globals, frames or objects of the heap; drop them and "
                "collect() first"
            )
        self._number = 0

    def __enter__(self) -> MappedFile:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __reduce__(self) -> Any:
        raise ConversionError("a mapped file cannot be copied or pickled")

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{bytes_text(self.bytes)} at {self.address:#x}"
        return f"<MappedFile {self.name} ({self.kind}): {state}>"


def _available() -> int | None:
    """Bytes that the machine can give without swapping, if it tells."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return None


def _sealed(fd: int) -> bool:
    """A memory file that cannot become shorter: it is mapped, not copied."""
    try:
        return bool(fcntl.fcntl(fd, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SHRINK)
    except OSError:
        return False


def _size(name: str, value: object, size: int, otherwise: int) -> int:
    if value is None:
        return otherwise
    n = _core.parse_size(name, value)  # type: ignore[arg-type]
    if n > size:
        raise RangeError(
            f"{name}={value!r} lies behind the end of the file, which has {size} bytes"
        )
    return n


def _open(path: Any) -> int:
    if isinstance(path, int):
        return os.dup(path)
    # O_NONBLOCK: a pipe that nobody writes to would be waited for
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)


def map_file(
    heap: _core.Heap,
    path: Any,
    type: Any = None,
    /,
    *,
    offset: Any = 0,
    length: Any = None,
    writable: bool = False,
) -> MappedFile:
    """What ``heap.map_file(...)`` returns."""
    elem = u8 if type is None else type
    if not isinstance(path, int) or isinstance(path, bool):
        path = _path(path)
    name = f"descriptor {path}" if isinstance(path, int) else os.fsdecode(path)
    info = describe(elem)
    if not info.noscan or not info.bytes:
        raise ConversionError(
            f"a file has no pointers and no things of no size: {info.name} cannot lie in one"
        )
    try:
        fd = _open(path)
    except (OSError, ValueError) as error:
        raise _failed(name, error) from None
    try:
        about = os.fstat(fd)
        if not stat.S_ISREG(about.st_mode):
            raise MappingError(f"{name} is no regular file")
        size = about.st_size
        at = _size("offset", offset, size, 0)
        want = _size("length", length, size - at, size - at)
        if want > _MOST:
            raise MappingError(EFBIG, f"{name}: {want} bytes are more than an address space has")
        room = None if _sealed(fd) else _available()
        if room is not None and want > room:
            raise HeapMemoryError(
                f"{name}: {bytes_text(want)} do not fit into {bytes_text(room)} of memory; map a "
                "part of it with offset= and length="
            )
        row = heap._map_file(fd, at, want, bool(writable))
    except OSError as error:
        raise _failed(name, error) from None
    finally:
        os.close(fd)
    if isinstance(row, int):
        raise _failed(name, OSError(row, os.strerror(row)))
    return MappedFile(heap, name, elem, row, bool(writable))


def _path(path: Any) -> Any:
    try:
        return os.fspath(path)
    except TypeError:
        raise ConversionError(
            f"map_file takes a path or a file descriptor, not {path.__class__.__name__}"
        ) from None


def _failed(name: str, error: Exception) -> MappingError:
    if isinstance(error, MappingError):
        return error
    number = error.errno if isinstance(error, OSError) and error.errno else 0
    return MappingError(number, f"{name} cannot be mapped: {getattr(error, 'strerror', error)}")
