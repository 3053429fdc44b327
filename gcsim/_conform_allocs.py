"""What a heap really allocated while something ran, written as the golden files write it."""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from collections.abc import Callable
from typing import NamedTuple

from gcsim import _core
from gcsim._errors import DumpFormatError, StateError
from gcsim._points import NUMBERS

__all__ = ["Allocation", "allocations", "read_allocations"]

_RECORD = struct.Struct("=QIIQQ")  # gcsim_event
_ROOM = 1 << 20  # events of one run
_TINY = 16  # pointer-free objects below this share blocks (malloc.go:maxTinySize)
_ALLOC, _LARGE = NUMBERS["alloc"], NUMBERS["alloc large"]
_TYPE, _REQUEST = NUMBERS["alloc type"], NUMBERS["alloc request"]


_PLAIN = re.compile(r"(\d+):(\d+|tiny)([ns])")
_TYPED = re.compile(r"(?:^|; )(\d+:(?:\d+|tiny)[ns])\|")


class Allocation(NamedTuple):
    """One allocation: bytes asked for, bytes of its slot (0 = in a tiny block), no pointers."""

    request: int
    slot: int
    noscan: bool

    def __str__(self) -> str:
        slot = str(self.slot) if self.slot else "tiny"
        return f"{self.request}:{slot}{'n' if self.noscan else 's'}"


def allocations(heap: _core.Heap, run: Callable[[], object]) -> list[Allocation]:
    """Run it: what it made `heap` allocate, in order. Nothing may be freed meanwhile."""
    kinds = (_ALLOC, _LARGE, _TYPE, _REQUEST)
    heap._record_begin(sum(1 << kind for kind in kinds), _ROOM)
    try:
        kept = run()
    finally:
        data, dropped, *_ = heap._record_end()
    if dropped:
        raise StateError(f"more than {_ROOM} events: too much for one row")
    noscan = _Pages(heap)
    del kept
    made: list[Allocation] = []
    for _, kind, _, where, arg in _RECORD.iter_unpack(data):
        if kind == _REQUEST:
            made.append(Allocation(arg, 0, True))
        elif kind in (_ALLOC, _LARGE) and made[-1].request >= _TINY:
            slot = arg if kind == _ALLOC else -(-arg // 8192) * 8192
            made[-1] = made[-1]._replace(slot=slot, noscan=noscan.of(where))
        elif kind == _ALLOC and not noscan.of(where):  # one word with a pointer is not tiny
            made[-1] = made[-1]._replace(slot=arg, noscan=False)
    return made


class _Pages:
    """Which pages hold objects without pointers."""

    def __init__(self, heap: _core.Heap) -> None:
        self._spans = [s for s in heap.spans() if s.state == "in use"]
        self._first = [span.first_page for span in self._spans]

    def of(self, where: int) -> bool:
        return self._spans[bisect_right(self._first, where >> 13) - 1].noscan


def read_allocations(text: str) -> list[Allocation]:
    """``8:tinyn 800:896s`` or, with types, ``8:tinyn|int; 16:16s|*T``."""
    if "|" in text:  # a type may have semicolons in it
        items = [found.group(1) for found in _TYPED.finditer(text)]
        whole = bool(items) and _TYPED.match(text) is not None
    else:
        items, whole = text.split(), True
    found = [_PLAIN.fullmatch(item) for item in items]
    if not whole or None in found:
        raise DumpFormatError(f"not allocations: {text!r}")
    return [
        Allocation(int(m[1]), 0 if m[2] == "tiny" else int(m[2]), m[3] == "n") for m in found if m
    ]
