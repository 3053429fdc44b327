"""The types of a snapshot: numbers for csrc/watch/spread.h, names of types and fields for people.

A heap itself knows the types of objects above 512 bytes that have pointers. Python's references,
the slots of frames and globals know what they refer to, and from there types follow the pointers.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple, Protocol

from gcsim import _core
from gcsim._errors import DumpFormatError, Error
from gcsim._types import TypeInfo, describe, u8

NONE = 0xFFFFFFFF
_POINTERS = 4096  # of one type: what lies behind them in a larger array has no names
_WORDS = ("pointer", "slice", "string", "interface", "map", "chan", "func", "unsafe.Pointer")

SnapshotRead = tuple[
    dict[str, bytes],  # columns
    dict[int, str],  # names by number
    list[tuple[str, int, TypeInfo | None]],  # types by id
    dict[str, tuple[str, TypeInfo | None]],  # globals by name
    dict[int, tuple[Any, Any]],  # callbacks by the argument that the core has
    int,  # address of the arena
]


class Described(Protocol):
    """What is asked of a type: a `TypeInfo` has it, and so have types that a Go program's binary
    tells (gcsim._dwarf)."""

    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def bytes(self) -> int: ...
    @property
    def noscan(self) -> bool: ...
    @property
    def count(self) -> int | None: ...
    @property
    def elem(self) -> Described | None: ...
    @property
    def fields(self) -> Sequence[_Field]: ...


class _Field(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def offset(self) -> int: ...
    @property
    def type(self) -> Described: ...


class Shape(NamedTuple):
    """What is known of the objects of one type.

    bytes      of one object, or of one element
    elements   objects of the type are elements side by side
    padding    bytes between and behind the fields of one
    names      offset -> name of the pointer there
    """

    bytes: int
    elements: bool
    padding: int
    names: Mapping[int, str]

    def field(self, offset: int) -> str | None:
        """The name of a pointer: "next", "[3].next"."""
        at, inside = divmod(offset, self.bytes) if self.elements else (0, offset)
        name = self.names.get(inside)
        if name is None or not self.elements:
            return name or None
        return f"[{at}].{name}" if name else f"[{at}]"


class _Pointer(NamedTuple):
    offset: int
    name: str
    target: Described | None
    elements: bool  # it leads to elements side by side
    kind: str = ""  # of the value that it is in, where that tells more


def _pointers(info: Described, at: int = 0, name: str = "") -> Iterator[_Pointer]:
    """Where the pointers of a type lie, in ascending order."""
    if info.noscan:
        return
    if info.kind == "struct":
        for field in info.fields:
            yield from _pointers(
                field.type, at + field.offset, f"{name}.{field.name}" if name else field.name
            )
    elif info.kind == "array":
        elem = info.elem
        for i in range(min(info.count or 0, _POINTERS)):
            assert elem is not None
            yield from _pointers(elem, at + i * elem.bytes, f"{name}[{i}]")
    elif info.kind == "string":
        yield _Pointer(at, name, info.elem or describe(u8), True)
    elif info.kind in ("pointer", "slice"):
        try:
            target = info.elem
        except DumpFormatError:
            raise
        except Error:  # a name that nobody has defined yet
            target = None
        if not getattr(target, "outside", False):  # Go's runtime has objects outside of its heap
            yield _Pointer(at, name, target, info.kind == "slice")
    elif info.kind in _WORDS:
        yield _Pointer(at + 8 * (info.kind == "interface"), name, None, False, info.kind)


def _pointer_at(info: Described, offset: int) -> _Pointer | None:
    """The pointer that lies at an offset of a type."""
    name = ""
    while info.kind in ("struct", "array"):
        if info.kind == "array":
            assert info.elem is not None
            if info.elem.bytes == 0:
                return None
            i, offset = divmod(offset, info.elem.bytes)
            info, name = info.elem, f"{name}[{i}]"
        else:
            inside = [f for f in info.fields if 0 <= offset - f.offset < f.type.bytes]
            if not inside:
                return None
            info, offset = inside[0].type, offset - inside[0].offset
            name = f"{name}.{inside[0].name}" if name else inside[0].name
    return next((p for p in _pointers(info, 0, name) if p.offset == offset), None)


def _padding(info: Described) -> int:
    if info.kind == "struct":
        used = sum(f.type.bytes - _padding(f.type) for f in info.fields)
        return info.bytes - used
    if info.kind == "array" and info.count and info.elem is not None:
        return info.count * _padding(info.elem)
    return 0


class Types:
    """Types by number: those of the heap by their ids, then whatever they and others refer to."""

    def __init__(self, known: Sequence[tuple[str, int, TypeInfo | None]]) -> None:
        self.names: list[str] = []
        self.shapes: list[Shape] = []
        self._numbers: dict[tuple[Described, bool], int] = {}
        self._slots: list[int] = []
        self._noscan: list[bool] = []
        self._elements: list[int] = []
        self._targets: list[list[tuple[int, int]]] = []  # (offset, number) per type
        self.interfaces: set[tuple[int, int]] = set()  # (type, offset) where their data is
        self._todo: list[tuple[int, list[_Pointer]]] = []
        for name, size, info in known:
            self._add(info or (name, size), False)
        for id, (name, size, info) in enumerate(known):
            self._elements[id] = self._add(info or (name, size), True)

    def number(self, info: Described | None, elements: bool = False) -> int:
        """Of a type, or of its values side by side; NONE for what takes no memory."""
        while info is not None and info.kind == "array":
            info, elements = info.elem, True
        if info is None or info.bytes == 0:
            return NONE
        if (info, elements) not in self._numbers:
            one, row = self._add(info, False), self._add(info, True)
            instead: Described | None = getattr(info, "instead", None)
            if instead is not None:
                row = self.number(instead, instead.kind not in ("trailed", "struct"))
            self._elements[one] = row
        return self._numbers[info, elements]

    def _add(self, what: Described | tuple[str, int], elements: bool) -> int:
        """what: of a type that Python has not made its name and size; its fields have no names."""
        number = len(self.names)
        pointers: list[_Pointer] = []
        if isinstance(what, tuple):
            name, size, noscan, padding = *what, False, 0
        else:
            name, size, noscan, padding = what.name, what.bytes, what.noscan, _padding(what)
            pointers = list(islice(_pointers(what), _POINTERS))
            noscan = not pointers
            self._numbers[what, elements] = number
        self.names.append(f"[]{name}" if elements else name)
        names = {p.offset: p.name for p in pointers}
        self.shapes.append(Shape(max(size, 1), elements, padding, names))
        trailed = not isinstance(what, tuple) and what.kind == "trailed"
        self._slots.append(0 if elements or trailed else int(_core.size_class(size, noscan)[4]))
        self._noscan.append(noscan)
        self._elements.append(NONE)
        self._targets.append([])
        self._todo.append((number, pointers))
        return number

    def close(self) -> None:
        """Adds what the pointers of all types lead to."""
        while self._todo:
            number, pointers = self._todo.pop()
            self.interfaces |= {(number, p.offset) for p in pointers if p.kind == "interface"}
            self._targets[number] = [
                (p.offset, self.number(p.target, p.elements)) for p in pointers
            ]

    def described(self) -> dict[int, Described]:
        """The types themselves, by number; of elements side by side, that of one."""
        return {number: info for (info, _), number in self._numbers.items()}

    def alternative(self, number: int) -> int:
        """What an object is that does not fit the type: its elements side by side, most often."""
        return self._elements[number]

    def columns(self) -> tuple[bytes, ...]:
        """As _core.graph_types takes them, from the sizes on."""
        starts, at = [0], 0
        for row in self._targets:
            starts.append(at := at + len(row))
        flat = [pair for row in self._targets for pair in row]
        return (
            array("Q", [s.bytes for s in self.shapes]).tobytes(),
            array("Q", self._slots).tobytes(),
            bytes(self._noscan),
            array("I", self._elements).tobytes(),
            array("Q", starts).tobytes(),
            array("I", [off for off, _ in flat]).tobytes(),
            array("I", [target for _, target in flat]).tobytes(),
        )


def slot_type(types: Types, info: Described | None, offset: int) -> tuple[str, str, int]:
    """(name, kind, number of the type that it leads to) of the pointer at an offset of a frame or
    of a variable; kind: of what it is in, where that tells more than a pointer does."""
    pointer = _pointer_at(info, offset) if info is not None else None
    if pointer is None:
        return "", "", NONE
    return pointer.name, pointer.kind, types.number(pointer.target, pointer.elements)


def header_bytes(size: int, noscan: object) -> int:
    """Of the word in front that says the type of an object in a slot of that size."""
    return 8 if not noscan and 512 < size <= 32768 else 0
