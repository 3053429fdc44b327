"""Types of the objects of a Go dump: from the variables that hold them, along their pointers.

A dump has sizes and pointers; the binary knows what type each package variable has (gcsim._dwarf).
From there types spread as in a heap of our own (csrc/watch/spread.h), and a type is believed only
if the object's slot and its pointers are what the type wants.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from gcsim import _core
from gcsim._elf import Globals, changed
from gcsim._graph import ROOT_KINDS, HeapGraph, _numpy
from gcsim._snapshot_types import NONE, Described, Types, header_bytes, slot_type

if TYPE_CHECKING:
    from gcsim._dwarf import Dwarf
    from gcsim._snapshot import Snapshot

#: How sure the type of an object is. declared: a variable's type says it; spread: so does the field
#: of an object with a type; disputed: others say something else; unknown: nobody who is believed.
SURE = ("declared", "spread", "disputed", "unknown")
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
    snapshot: Snapshot, graph: HeapGraph, symbols: Globals, dwarf: Dwarf
) -> tuple[Snapshot, Known]:
    """The snapshot of a graph with names of variables and types of objects."""
    types = Types(())
    claimed, names = _declared(snapshot, graph, symbols, dwarf, types)
    types.close()
    columns = types.columns()
    slots = b"", b""
    if graph.slot_off is not None:
        slots = graph.slot_start().tobytes(), graph.slot_off.astype("u4").tobytes()
    edges = snapshot._noscan, snapshot._edge_off, snapshot._edge_dst_off
    found = _core.graph_types(*snapshot._columns, *edges, claimed.tobytes(), *columns, *slots)
    made = changed(
        snapshot,
        _root_names=tuple(names.get(name, name) for name in snapshot._root_names),
        _types=found,
        _type_names=tuple(types.names),
        _shapes=tuple(types.shapes),
    )
    return made, Known(_marks(made, types, claimed, columns))


def _declared(
    snapshot: Snapshot, graph: HeapGraph, symbols: Globals, dwarf: Dwarf, types: Types
) -> tuple[array[int], dict[str, str]]:
    """What variables say of the objects that they point to, and the names of these roots."""
    claimed, names = array("I", snapshot._types), {}
    sizes = memoryview(snapshot._columns[0]).cast("Q")
    columns = graph.root_kind, graph.root_off, graph.root_dst, graph.root_dst_off
    for root, (kind, off, dst, inner) in enumerate(
        zip(*(c.tolist() for c in columns), strict=True)
    ):
        segment = ROOT_KINDS[kind]
        at = symbols.variable(segment, off) if segment in ("data", "bss") else None
        if at is None:
            continue
        name, address, inside = at
        place = dwarf.variables.get(address)
        info = dwarf.type_at(place[1]) if place is not None else None
        slot, t = slot_type(types, info, inside)
        if slot:
            name += slot if slot.startswith("[") else f".{slot}"
        elif inside:
            name += f"+{inside:#x}"
        names[graph.root_name(root)] = name
        if t != NONE and inner == header_bytes(sizes[dst], snapshot._noscan[dst]):
            claimed[dst] = t if claimed[dst] == NONE else claimed[dst]
    return claimed, names


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
    size, slot, _, _, start, field_off, field_type = (
        np.frombuffer(column, code)
        for column, code in zip(columns, ("u8", "u8", "u1", "u4", "u8", "u4", "u4"), strict=True)
    )
    bytes_, edge_start = (np.frombuffer(c, "u8") for c in snapshot._columns[:2])
    noscan = np.frombuffer(snapshot._noscan, "u1")
    header = np.where((noscan == 0) & (bytes_ > 512) & (bytes_ <= 32768), 8, 0)
    source = np.repeat(np.arange(len(bytes_)), np.diff(edge_start.astype("i8")))
    target = np.frombuffer(snapshot._columns[2], "u4")
    off = np.frombuffer(snapshot._edge_off, "u4").astype("i8") - header[source]
    to_start = np.frombuffer(snapshot._edge_dst_off, "u4") == header[target]
    kept = to_start & (off >= 0) & (found[source] != NONE)
    if not len(field_off):
        kept &= False
    t, off, target = found[source[kept]].astype("u8"), off[kept].astype("u8"), target[kept]
    if not len(t):
        return target, t.astype("u4")
    off = np.where(slot[t] == 0, off % size[t], off)
    owner = np.repeat(np.arange(len(size), dtype="u8"), np.diff(start.astype("i8")))
    keys = owner << np.uint64(32) | field_off
    wanted = t << np.uint64(32) | off
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    said = np.where(keys[at] == wanted, field_type[at], NONE).astype("u4")
    return target[said != NONE], said[said != NONE]


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
