"""Where the lines of ``heap.gctrace``, ``pacertrace`` and ``scavtrace`` go.

The lines themselves are made by csrc/base/traces.c.
"""

from __future__ import annotations

import io
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from gcsim._errors import ConversionError, StateError

if TYPE_CHECKING:
    from gcsim import _core

_KINDS = ("gctrace", "pacertrace", "scavtrace")  # gcsim_trace


class Writable(Protocol):
    """A text file, as far as a trace needs one."""

    def write(self, text: str, /) -> object: ...


class Trace:
    """A trace that is on; leaving its ``with`` block, or `stop`, ends it."""

    __slots__ = ("_heap", "_name")

    def __init__(self, heap: _core.Heap, name: str) -> None:
        self._heap = heap
        self._name = name

    def stop(self) -> None:
        """No more lines; those of cycles that have ended are written. A closed heap has none."""
        if not self._heap.closed:
            self._heap._trace(_KINDS.index(self._name), -1, None)

    def __enter__(self) -> Trace:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<{self._name} of {self._heap!r}>"


def start(heap: _core.Heap, name: str, file: Any) -> Trace:
    """Makes `file` the sink of a trace: see ``heap.gctrace``."""
    if isinstance(file, int) and not isinstance(file, bool):
        if file < 0:
            raise StateError(f"{name}: {file} is no file descriptor")
        heap._trace(_KINDS.index(name), file, None)
    elif file is None:
        heap._trace(_KINDS.index(name), -1, None)
    elif not callable(getattr(file, "write", None)):
        raise ConversionError(
            f"{name} takes a text file, a file descriptor or None, not {type(file).__name__}"
        )
    elif isinstance(file, (io.RawIOBase, io.BufferedIOBase)):
        raise ConversionError(f"{name} writes text: open the file in a text mode")
    elif getattr(file, "closed", False) is True:
        raise StateError(f"{name}: the file is closed")
    else:
        heap._trace(_KINDS.index(name), _descriptor(file), file)
    return Trace(heap, name)


def _descriptor(file: Any) -> int:
    """What C may write to in the file's place: nothing but a UTF-8 encoder and a buffer between."""
    plain = (
        type(file) is io.TextIOWrapper
        and file.encoding.lower().replace("-", "") == "utf8"
        and type(file.buffer) in (io.BufferedWriter, io.BufferedRandom)
        and type(getattr(file.buffer, "raw", None)) is io.FileIO
    )
    if not plain:
        return -1
    file.flush()
    return int(file.fileno())
