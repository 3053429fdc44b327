"""What lies in a Go program's data without a variable of its own.

``var db = &store{}`` makes two things in the data segment: the variable, and what it points to,
which the compiler lays out beside it (cmd/compile staticinit sched.go:staticname). Its symbol is
local and says no type; the variable's own type does.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from gcsim._dwarf import Dwarf, GoType
from gcsim._elf import Globals
from gcsim._graph import Contents
from gcsim._snapshot_types import Described, _pointers

_POINTERS = 64  # of one variable, or of one thing that it points to
_MOST = 1 << 16  # of these


def joined(name: str, slot: str) -> str:
    """main.db and users: main.db.users; main.rows and [1].of: main.rows[1].of."""
    return f"{name}.{slot}" if slot and not slot.startswith("[") else name + slot


class Static(NamedTuple):
    """name: how one gets there from a variable, as Go would write it."""

    name: str
    type: Described


class Statics:
    """Of the bytes of a dump only pointers of variables, and lengths of slices, are read."""

    def __init__(self, dump: bytes, contents: Contents, symbols: Globals, dwarf: Dwarf) -> None:
        self._dump, self._symbols = dump, symbols
        self._moved = contents.segments["data"][0] - symbols.start("data")  # where it ran
        self._segments = [  # where it was linked to, where in the dump, bytes
            (name, address - self._moved, at, size)
            for name, (address, at, size) in contents.segments.items()
        ]
        self._found: dict[int, Static] = {}
        todo = [
            (address, Static(name, dwarf.type_at(place)))
            for address, (name, place) in dwarf.variables.items()
        ]
        while todo and len(self._found) < _MOST:
            for address, static in self._behind(*todo.pop()):
                if address not in self._found and self._is_nameless(address):
                    self._found[address] = static
                    todo.append((address, static))
        self._starts = sorted(self._found)

    def at(self, segment: str, offset: int) -> tuple[Static, int] | None:
        """What lies there, and where in it."""
        address = self._symbols.start(segment) + offset
        i = bisect_right(self._starts, address) - 1
        if i < 0:
            return None
        static = self._found[self._starts[i]]
        inside = address - self._starts[i]
        return (static, inside) if inside < static.type.bytes else None

    def _behind(self, address: int, static: Static) -> Iterator[tuple[int, Static]]:
        for pointer in islice(_pointers(static.type), _POINTERS):
            target, word = pointer.target, self._word(address + pointer.offset)
            if not word or target is None or not target.bytes or target.noscan:
                continue
            name = joined(static.name, pointer.name)
            if pointer.elements:
                count = self._word(address + pointer.offset + 8)
                if not 0 < count <= _MOST:
                    continue
                assert isinstance(target, GoType)
                target = GoType(
                    "array", f"[]{target.name}", count * target.bytes, elem=target, count=count
                )
            yield word - self._moved, Static(name, target)

    def _word(self, address: int) -> int:
        for _, start, at, size in self._segments:
            if start <= address <= start + size - 8:
                at += address - start
                return int.from_bytes(self._dump[at : at + 8], "little")
        return 0

    def _is_nameless(self, address: int) -> bool:
        return any(
            start <= address < start + size
            and self._symbols.variable(segment, address - start) is None
            for segment, start, _, size in self._segments
        )
