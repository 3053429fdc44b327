"""Names of a Go program's globals, from the symbol table of its binary.

A heap dump names a global by its place in the data or bss segment only. The linker puts symbols at
the starts of these segments (``runtime.data``, ``runtime.bss``: cmd/link data.go:address) and one
at each global, so the name is found without the addresses that the program had when it ran.

ELF64, little-endian: the gABI's Elf64_Ehdr, Elf64_Shdr, Elf64_Sym.
"""

from __future__ import annotations

import os
import re
import struct
from bisect import bisect_right
from typing import TYPE_CHECKING

from gcsim._errors import DumpFormatError, NotThereYetError

if TYPE_CHECKING:
    from gcsim._graph import HeapGraph
    from gcsim._snapshot import Snapshot

# Where a dump that gcsim has written has its segments: where they lay is not known then.
WRITTEN_AT = {"data": 0x500000, "bss": 0x600000}
_SECTION = struct.Struct("<IIQQQQIIQQ")  # name type flags addr offset size link info align entsize
_SYMBOL = struct.Struct("<IBBHQQ")  # name info other section value size
_SYMTAB, _OBJECT = 2, 1  # sh_type, the type of a symbol
_MACHINES = {62: "amd64", 183: "arm64"}  # e_machine
_SEGMENT = re.compile(r"(data|bss)\+0x([0-9a-f]{1,15})")


class Globals:
    """The variables of a binary: which of them lies at an offset of a segment."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        with open(path, "rb") as file:
            data = file.read()
        symbols = _symbols(data, self.path)
        starts = {name: value for name, value, _, _ in symbols if name.startswith("runtime.")}
        if "runtime.data" not in starts or "runtime.bss" not in starts:
            raise DumpFormatError(f"{self.path}: no runtime.data and runtime.bss: no Go program")
        machine = struct.unpack_from("<H", data, 18)[0]
        self.architecture = _MACHINES.get(machine, f"machine {machine} of ELF")
        self._sizes = {
            segment: starts[f"runtime.e{segment}"] - starts[f"runtime.{segment}"]
            for segment in ("data", "bss")
            if f"runtime.e{segment}" in starts
        }
        self._start = {segment: starts[f"runtime.{segment}"] for segment in ("data", "bss")}
        self.types = starts.get("runtime.types", 0)  # where the runtime's descriptions begin
        self.itabs = {value: name[8:] for name, value, _, _ in symbols if name[:8] == "go:itab."}
        rows = sorted(
            (value, size, name) for name, value, size, kind in symbols if kind == _OBJECT and size
        )
        self._rows = rows
        self._values = [value for value, _, _ in rows]

    def refuse_other(self, graph: HeapGraph) -> None:
        """DumpFormatError if a dump is of another program: its architecture or the sizes of its
        segments tell."""
        if graph.meta["arch"] != self.architecture:
            raise DumpFormatError(
                f"{self.path} is a program for {self.architecture}, the dump is of one for"
                f" {graph.meta['arch']}"
            )
        segments = graph.contents.segments if graph.contents is not None else {}
        if {name: address for name, (address, _, _) in segments.items()} == WRITTEN_AT:
            return  # written by gcsim, which does not know the segments
        for name, (_, _, size) in segments.items():
            if self._sizes.get(name, size) != size:
                raise DumpFormatError(
                    f"{self.path} is not the program that was dumped, but another build: its {name}"
                    f" segment has {self._sizes[name]:,} bytes, that of the dump {size:,}"
                )

    def start(self, segment: str) -> int:
        return self._start[segment]

    def variable(self, segment: str, offset: int) -> tuple[str, int, int] | None:
        """(name, address, bytes from it on) of the variable there; None where none lies."""
        address = self._start[segment] + offset
        i = bisect_right(self._values, address) - 1
        if i < 0 or address >= self._rows[i][0] + self._rows[i][1]:
            return None
        value, _, name = self._rows[i]
        return name, value, address - value

    def name(self, segment: str, offset: int) -> str | None:
        """ "main.cache", "main.table+0x18"; None where no variable lies."""
        found = self.variable(segment, offset)
        if found is None:
            return None
        name, _, inside = found
        return f"{name}+{inside:#x}" if inside else name


def _symbols(data: bytes, path: str) -> list[tuple[str, int, int, int]]:
    """(name, value, size, type) of each symbol."""

    def bad(at: int, what: str) -> DumpFormatError:
        return DumpFormatError(f"{path}, byte {at}: {what}")

    if data[:4] != b"\x7fELF":
        raise bad(0, "no ELF file")
    if data[4:6] != b"\2\1" or len(data) < 64:
        raise bad(4, "only 64-bit little-endian ELF is read")
    table = struct.unpack_from("<Q", data, 0x28)[0]
    entry, count = struct.unpack_from("<HH", data, 0x3A)
    if entry != _SECTION.size or table + entry * count > len(data):
        raise bad(0x28, "the section table lies outside of the file")
    sections = [_SECTION.unpack_from(data, table + i * entry) for i in range(count)]
    found = next((s for s in sections if s[1] == _SYMTAB), None)
    if found is None:
        raise NotThereYetError(
            f"{path} has no symbol table (built with -ldflags=-s): names of globals are read from"
            " it alone; link the program without -s"
        )
    offset, size, link = found[4], found[5], found[6]
    if link >= count or offset + size > len(data):
        raise bad(0x28, "the symbol table lies outside of the file")
    text, text_size = sections[link][4], sections[link][5]
    if text + text_size > len(data):
        raise bad(0x28, "the names of symbols lie outside of the file")
    rows = []
    for at in range(offset, offset + size - _SYMBOL.size + 1, _SYMBOL.size):
        name, info, _, _, value, length = _SYMBOL.unpack_from(data, at)
        end = data.find(b"\0", text + name, text + text_size)
        if name >= text_size or end < 0:
            raise bad(at, "the name of a symbol lies outside of the names")
        rows.append((data[text + name : end].decode("utf-8", "replace"), value, length, info & 15))
    return rows


def named(snapshot: Snapshot, globals_: Globals) -> Snapshot:
    """The snapshot, with "main.cache" for "bss+0x440" where the binary tells."""
    names = []
    for name in snapshot._root_names:
        match = _SEGMENT.fullmatch(name)
        found = globals_.name(match[1], int(match[2], 16)) if match else None
        names.append(found or name)
    return changed(snapshot, _root_names=tuple(names))


def changed(snapshot: Snapshot, **values: object) -> Snapshot:
    """A copy with other values of some slots."""
    made = object.__new__(type(snapshot))
    made.__setstate__(snapshot.__getstate__() | values)
    return made
