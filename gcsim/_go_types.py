"""Types of the objects of a Go dump: from the variables that hold them, along their pointers.

A dump has sizes and pointers; the binary knows what type each package variable has (gcsim._dwarf).
From there types spread as in a heap of our own (csrc/watch/spread.h), and a type is believed only
if the object's slot and its pointers are what the type wants.
"""

from __future__ import annotations

import os
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from gcsim import _core
from gcsim._dwarf import Dwarf, value_in_word
from gcsim._elf import Globals, changed
from gcsim._go_statics import Statics, joined
from gcsim._graph import ROOT_KINDS, Contents, HeapGraph, _numpy, raw_dump
from gcsim._snapshot_types import NONE, Described, Types, header_bytes, slot_type

if TYPE_CHECKING:
    from gcsim._snapshot import Snapshot

#: How sure the type of an object is. declared: a variable's type says it; spread: so does the field
#: of an object with a type; disputed: others say something else; unknown: nobody who is believed.
SURE = ("declared", "spread", "disputed", "unknown")
_SEGMENTS = ("data", "bss")
_ROUNDS = 64  # of interfaces in what interfaces hold
_DECLARED, _SPREAD, _DISPUTED, _UNKNOWN = range(4)


class Known(NamedTuple):
    """How sure the types of a snapshot's objects are: for each object an index into SURE."""

    marks: bytes

    def sure(self, number: int) -> str:
        return SURE[self.marks[number]]

    def totals(self, snapshot: Snapshot) -> dict[str, tuple[int, int]]:
        """(objects, bytes) of each word of SURE."""
        found = dict.fromkeys(SURE, (0, 0))
        sizes = memoryview(snapshot._columns[0]).cast("Q")
        for (mark, size), n in Counter(zip(self.marks, sizes, strict=True)).items():
            objects, total = found[SURE[mark]]
            found[SURE[mark]] = objects + n, total + n * size
        return found

    def by_type(self, snapshot: Snapshot) -> dict[str, dict[str, int]]:
        """Name of a type -> word of SURE -> how many objects."""
        found: defaultdict[str, dict[str, int]] = defaultdict(dict)
        types = memoryview(snapshot._types).cast("I")
        for (t, mark), n in Counter(zip(types, self.marks, strict=True)).items():
            if t != NONE:
                row = found[snapshot._type_names[t]]
                row[SURE[mark]] = row.get(SURE[mark], 0) + n
        return dict(found)


def typed(
    snapshot: Snapshot,
    graph: HeapGraph,
    symbols: Globals,
    dwarf: Dwarf,
    dump: str | os.PathLike[str] | None = None,
) -> tuple[Snapshot, Known]:
    """The snapshot of a graph with names of variables and types of objects.

    dump: the raw dump that the graph was read from. What interfaces hold is said by a word that is
    no pointer into the heap, so that the graph does not have it.
    """
    contents = graph.contents if dump is not None else None
    raw = raw_dump(dump) if dump is not None and contents is not None else b""
    statics = Statics(raw, contents, symbols, dwarf) if contents is not None else None
    spreading = _Spreading(snapshot, graph, symbols, dwarf)
    spreading.ask_variables(statics)
    spreading.run()
    if contents is not None:
        spreading.ask_interfaces(raw, contents)
    made = changed(
        snapshot,
        _root_names=tuple(spreading.names.get(name, name) for name in snapshot._root_names),
        _types=spreading.found,
        _type_names=tuple(spreading.types.names),
        _shapes=tuple(spreading.types.shapes),
    )
    return made, Known(_marks(made, spreading.types, spreading.declared, spreading.columns))


class _Spreading:
    """Types spread through one graph."""

    def __init__(
        self, snapshot: Snapshot, graph: HeapGraph, symbols: Globals, dwarf: Dwarf
    ) -> None:
        self.snapshot, self.graph, self.symbols, self.dwarf = snapshot, graph, symbols, dwarf
        self.types = Types(())
        self.declared = array("I", snapshot._types)  # what variables say of what they point to
        self.claimed = array("I", snapshot._types)  # that, and what interfaces say
        self.names: dict[str, str] = {}  # of roots
        self.boxes: list[tuple[int, str, int]] = []  # object, segment, offset: in variables
        self.found, self.columns = snapshot._types, self.types.columns()
        self.sizes = memoryview(snapshot._columns[0]).cast("Q")

    def ask_variables(self, statics: Statics | None) -> None:
        graph = self.graph
        columns = graph.root_kind, graph.root_off, graph.root_dst, graph.root_dst_off
        rows = zip(*(column.tolist() for column in columns), strict=True)
        for root, (kind, off, dst, inner) in enumerate(rows):
            segment = ROOT_KINDS[kind]
            at = self._variable(segment, off, statics) if segment in _SEGMENTS else None
            if at is None:
                continue
            name, info, inside = at
            slot, kind, t = slot_type(self.types, info, inside)
            name = joined(name, slot)
            if not slot and inside and not kind:
                name += f"+{inside:#x}"
            self.names[graph.root_name(root)] = name
            if inner != self._start(dst):
                continue
            if t != NONE and self._is_more(t, self.declared[dst]):
                self.declared[dst] = self.claimed[dst] = t
            if kind == "interface":
                self.boxes.append((dst, segment, off))

    def _variable(
        self, segment: str, off: int, statics: Statics | None
    ) -> tuple[str, Described | None, int] | None:
        """The name and the type of what lies there, and where in it."""
        at = self.symbols.variable(segment, off)
        if at is not None:
            name, address, inside = at
            place = self.dwarf.variables.get(address)
            return name, self.dwarf.type_at(place[1]) if place is not None else None, inside
        found = statics.at(segment, off) if statics is not None else None
        return (found[0].name, found[0].type, found[1]) if found is not None else None

    def _is_more(self, t: int, known: int) -> bool:
        """Of two types that an object begins with, the smaller may be the other's first field."""
        shapes = self.types.shapes
        return known == NONE or shapes[t].bytes > shapes[known].bytes

    def _start(self, i: int) -> int:
        return header_bytes(self.sizes[i], self.snapshot._noscan[i])

    def run(self) -> None:
        """Types from what is claimed, along the pointers."""
        snapshot, graph, slots = self.snapshot, self.graph, (b"", b"")
        self.types.close()
        self.columns = self.types.columns()
        if graph.slot_off is not None:
            slots = graph.slot_start().tobytes(), graph.slot_off.astype("u4").tobytes()
        edges = snapshot._noscan, snapshot._edge_off, snapshot._edge_dst_off
        claimed = self.claimed.tobytes()
        self.found = _core.graph_types(*snapshot._columns, *edges, claimed, *self.columns, *slots)

    def ask_interfaces(self, dump: bytes, contents: Contents) -> None:
        """What is in an interface tells types of more objects, in which there may be others. Of
        the bytes of a dump only words are read that are in front of what interfaces hold."""
        places = self.dwarf.dynamic(self.symbols)
        moved = contents.segments["data"][0] - self.symbols.start("data")  # where it ran
        asked: set[int] = set()

        def ask(object_: int, at: int) -> bool:
            if at in asked or at < 0:
                return False
            asked.add(at)
            place = places.get(int.from_bytes(dump[at : at + 8], "little") - moved)
            if place is None or self.claimed[object_] != NONE:
                return False
            info = self.dwarf.type_at(place)
            if value_in_word(info):
                t = slot_type(self.types, info, 0)[2]
            else:
                t = self.types.number(info)
            self.claimed[object_] = t
            return t != NONE

        wanted = [(i, contents.segments[segment][1] + off - 8) for i, segment, off in self.boxes]
        for _ in range(_ROUNDS):
            told = [ask(i, at) for i, at in [*wanted, *self._boxes_in_objects(contents)]]
            if not any(told):
                return
            self.run()

    def _boxes_in_objects(self, contents: Contents) -> Iterator[tuple[int, int]]:
        """(object that an interface holds, where in the dump the word lies that says its type)"""
        np = _numpy()
        found = np.frombuffer(self.found, "u4")
        edges = _Edges(self.snapshot, found, self.columns)
        keys = np.array([t << 32 | off for t, off in self.types.interfaces], "u8")
        inside = np.isin(edges.keys, keys) & (found[edges.target] == NONE)
        at = contents.objects[edges.source[inside]].astype("i8") + edges.at[inside] - 8
        return zip(edges.target[inside].tolist(), at.tolist(), strict=True)


# ---- how sure ----


def _marks(
    snapshot: Snapshot, types: Types, claimed: array[int], columns: tuple[bytes, ...]
) -> bytes:
    np = _numpy()
    found = np.frombuffer(snapshot._types, "<u4")
    other = np.array([*types._elements, NONE], "u4")  # what a type is that does not fit
    said = np.frombuffer(claimed, "u4")
    declared = (said != NONE) & ((found == said) | (found == other[_index(said, other)]))
    marks = np.where(declared, _DECLARED, _SPREAD)
    target, t = _claims(snapshot, found, columns)
    is_, alike = found[target], other[_index(t, other)]
    odd = (is_ != NONE) & (is_ != t) & (is_ != alike)
    described = types.described()
    pairs, where = np.unique(np.stack([is_[odd], t[odd]], 1), axis=0, return_inverse=True)
    begins = [_begins(described.get(a), described.get(b)) for a, b in pairs.tolist()]
    disputed = ~np.array(begins, bool)[where.reshape(-1)]
    marks[target[odd][disputed]] = _DISPUTED
    marks[found == NONE] = _UNKNOWN
    made: bytes = marks.astype("u1").tobytes()
    return made


def _index(numbers: Any, table: Any) -> Any:
    """NONE is the last row of a table."""
    return _numpy().minimum(numbers, len(table) - 1)


def _claims(snapshot: Snapshot, found: Any, columns: tuple[bytes, ...]) -> tuple[Any, Any]:
    """(object, type) for each pointer to the start of an object whose own type says what it leads
    to."""
    np = _numpy()
    start, field_off, field_type = (
        np.frombuffer(column, code)
        for column, code in zip(columns[4:], ("u8", "u4", "u4"), strict=True)
    )
    edges = _Edges(snapshot, found, columns)
    if not len(field_off):
        return edges.target[:0], field_type
    owner = np.repeat(np.arange(len(start) - 1, dtype="u8"), np.diff(start.astype("i8")))
    keys = owner << np.uint64(32) | field_off
    at = np.minimum(np.searchsorted(keys, edges.keys), len(keys) - 1)
    said = np.where(keys[at] == edges.keys, field_type[at], NONE).astype("u4")
    return edges.target[said != NONE], said[said != NONE]


class _Edges:
    """The pointers to the starts of objects, of objects that have a type: the two objects, where
    in the first the pointer lies, and as one number in which type at which offset."""

    def __init__(self, snapshot: Snapshot, found: Any, columns: tuple[bytes, ...]) -> None:
        np = _numpy()
        size, slot = (np.frombuffer(column, "u8") for column in columns[:2])
        bytes_, edge_start = (np.frombuffer(column, "u8") for column in snapshot._columns[:2])
        noscan = np.frombuffer(snapshot._noscan, "u1")
        header = np.where((noscan == 0) & (bytes_ > 512) & (bytes_ <= 32768), 8, 0)
        source = np.repeat(np.arange(len(bytes_)), np.diff(edge_start.astype("i8")))
        target = np.frombuffer(snapshot._columns[2], "u4")
        at = np.frombuffer(snapshot._edge_off, "u4").astype("i8")
        to_start = np.frombuffer(snapshot._edge_dst_off, "u4") == header[target]
        kept = to_start & (at >= header[source]) & (found[source] != NONE)
        self.source, self.target, self.at = source[kept], target[kept], at[kept]
        t, off = found[self.source], self.at - header[self.source]
        if len(size):
            off = np.where(slot[t] == 0, off % size[t].astype("i8"), off)
        self.keys = t.astype("u8") << np.uint64(32) | off.astype("u8")


def _begins(whole: Described | None, part: Described | None) -> bool:
    """Whether a value of a type begins with one of the other: a pointer to the first field of a
    struct disputes nothing, and neither does one to a row of the same."""
    while whole is not None and part is not None:
        if whole is part or whole.name == part.name:
            return True
        if whole.kind == "struct" and whole.fields:
            whole = whole.fields[0].type
        elif whole.kind == "array":
            whole = whole.elem
        else:
            return False
    return False
