"""Heap snapshots of Chrome's DevTools (``.heapsnapshot``): written and read.

The file is one JSON object (V8: heap-snapshot-generator.cc, HeapSnapshotJSONSerializer; DevTools:
HeapSnapshotLoader.ts, HeapSnapshot.ts). ``snapshot.meta`` names the fields of a node and of an
edge; ``nodes`` and ``edges`` are those fields, one after the other, as plain numbers; names are
indices in ``strings``. The edges of a node follow those of the node before it. Node 0 is the root,
``to_node`` counts fields, not nodes. Weak edges keep nothing alive.

What a snapshot of ours is there: each root is a synthetic node below node 0, each object a node of
type "object" whose name is its type, each pointer a property with the name of its field, or of its
offset ("+0x10") where that is not known; in objects from 1 KiB on it is an element. The pointers of
an object that no root reaches are weak: DevTools would take it for one more root. Fields and a
header of our own ("noscan", "offset", "to_offset", "gcsim") bring it back as it was; DevTools skips
them.
"""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Iterator
from itertools import accumulate, islice
from typing import TYPE_CHECKING, Any, NoReturn

from gcsim import _core
from gcsim._errors import DumpFormatError
from gcsim._snapshot import _ELEMENTS, _NONE, Snapshot, _view
from gcsim._snapshot_types import Shape

if TYPE_CHECKING:
    from collections.abc import Sequence

_NODE_TYPES = (
    "hidden array string object code closure regexp number native synthetic",
    "concatenated string;sliced string;symbol;bigint;object shape;wasm object",
)
NODE_TYPES = [*_NODE_TYPES[0].split(), *_NODE_TYPES[1].split(";")]
EDGE_TYPES = ["context", "element", "property", "internal", "hidden", "shortcut", "weak"]
_OBJECT, _SYNTHETIC = NODE_TYPES.index("object"), NODE_TYPES.index("synthetic")
_ELEMENT, _PROPERTY, _WEAK = (EDGE_TYPES.index(t) for t in ("element", "property", "weak"))
META = {
    "node_fields": [
        "type",
        "name",
        "id",
        "self_size",
        "edge_count",
        "trace_node_id",
        "detachedness",
        "noscan",
    ],
    "node_types": [NODE_TYPES, "string", *["number"] * 6],
    "edge_fields": ["type", "name_or_index", "to_node", "offset", "to_offset"],
    "edge_types": [EDGE_TYPES, "string_or_number", "node", "number", "number"],
    "trace_function_info_fields": [],
    "trace_node_fields": [],
    "sample_fields": [],
    "location_fields": [],
}
_FIELDS = 8  # of a node
_ROWS = 4096  # written at a time
_WORD = 8


# ---- writing ----


class _Strings:
    """Texts, by the number that each gets when it first comes."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {"": 0}

    def __call__(self, text: str) -> int:
        return self.numbers.setdefault(text, len(self.numbers))


def _name(snapshot: Snapshot, i: int) -> str:
    return snapshot.type_name(i) or snapshot._kind(i)


def heapsnapshot(snapshot: Snapshot) -> Iterator[str]:
    """The text of the file, piece by piece."""
    n, roots = len(snapshot), len(snapshot._root_names)
    edges = len(snapshot._columns[2]) // 4
    addresses = _view(snapshot._addresses, "Q")
    by_address = n == 0 or 2 * (addresses[-1] // _WORD) + 2 < 1 << 32
    head = {
        "meta": META,
        "node_count": 1 + roots + n,
        "edge_count": 2 * roots + edges,
        "trace_function_count": 0,
        "gcsim": {
            "format": 1,
            "name": snapshot.name,
            "base": snapshot._base,
            "by_address": by_address,
            "types": [
                [name, shape.bytes, shape.elements, shape.padding, sorted(shape.names.items())]
                for name, shape in zip(snapshot._type_names, snapshot._shapes, strict=True)
            ],
        },
    }
    strings = _Strings()
    yield f'{{"snapshot":{json.dumps(head, separators=(",", ":"))},\n"nodes":['
    yield from _joined(_nodes(snapshot, strings, by_address))
    yield '],\n"edges":['
    yield from _joined(_edges(snapshot, strings))
    yield '],\n"trace_function_infos":[],\n"trace_tree":[],\n"samples":[],\n"locations":[],\n'
    yield '"strings":['
    yield from _joined(map(json.dumps, strings.numbers))
    yield "]}\n"


def _joined(rows: Iterator[str]) -> Iterator[str]:
    first = True
    while some := list(islice(rows, _ROWS)):
        yield ("" if first else "\n,") + "\n,".join(some)
        first = False


def _nodes(snapshot: Snapshot, strings: _Strings, by_address: bool) -> Iterator[str]:
    """An object has the id of its address, so that DevTools finds it again in a later snapshot."""
    roots = snapshot._root_names
    yield f"{_SYNTHETIC},0,1,0,{len(roots)},0,0,0"
    for i, name in enumerate(roots):
        yield f"{_SYNTHETIC},{strings(name)},{2 * i + 3},0,1,0,0,0"
    sizes, start = _view(snapshot._columns[0], "Q"), _view(snapshot._columns[1], "Q")
    addresses = _view(snapshot._addresses, "Q")
    for i in range(len(snapshot)):
        number = 2 * (addresses[i] // _WORD if by_address else i) + 2
        yield (
            f"{_OBJECT},{strings(_name(snapshot, i))},{number},{sizes[i]},{start[i + 1] - start[i]}"
            f",0,0,{snapshot._noscan[i]}"
        )


def _edges(snapshot: Snapshot, strings: _Strings) -> Iterator[str]:
    roots = len(snapshot._root_names)
    first = 1 + roots  # the node of object 0
    for i in range(roots):
        yield f"{_ELEMENT},{i},{_FIELDS * (1 + i)},0,0"
    for off, dst in zip(snapshot._root_off, _view(snapshot._columns[3], "I"), strict=True):
        yield f"{_PROPERTY},{strings(f'+{off:#x}')},{_FIELDS * (first + dst)},{off},0"
    sizes, start, targets = (
        _view(column, code)  # type: ignore[arg-type]
        for column, code in zip(snapshot._columns, "QQI", strict=False)
    )
    offsets, inner = _view(snapshot._edge_off, "I"), _view(snapshot._edge_dst_off, "I")
    dominators, typed = snapshot._dominators()[0], bool(snapshot._type_names)
    for i in range(len(snapshot)):
        dead = dominators[i] == _NONE
        for e in range(start[i], start[i + 1]):
            off = offsets[e]
            name = snapshot.field(i, off) if typed else None
            if name is None and sizes[i] >= _ELEMENTS and not dead:
                kind, said = _ELEMENT, off // _WORD
            else:
                kind, said = _WEAK if dead else _PROPERTY, strings(name or f"+{off:#x}")
            yield f"{kind},{said},{_FIELDS * (first + targets[e])},{off},{inner[e]}"


# ---- reading ----

_SPACE = re.compile(r"[ \t\r\n]*")
_NO_NUMBER = re.compile(r"[^0-9, \t\r\n]")
_PIECE = 1 << 16  # characters of an array that are taken apart at a time


class _Text:
    """The JSON text of a file, and where in it we are."""

    def __init__(self, data: bytes, name: str) -> None:
        self.name = name
        self.at = 0
        self.ascii = True
        try:
            self.text = data.decode()
        except UnicodeDecodeError as error:
            raise DumpFormatError(f"{name}, byte {error.start}: not UTF-8") from None
        self.ascii = self.text.isascii()

    def fail(self, what: str, at: int | None = None) -> NoReturn:
        at = self.at if at is None else at
        byte = at if self.ascii else len(self.text[:at].encode())
        raise DumpFormatError(f"{self.name}, byte {byte}: {what}")

    def next(self, wanted: str) -> str:
        """The next character that is no space: one of those wanted. It is taken."""
        self.space()
        found = self.text[self.at : self.at + 1]
        if not found:
            self.fail("the file ends here: it is truncated")
        if found not in wanted:
            self.fail(f"{found!r} where {' or '.join(map(repr, wanted))} has to be")
        self.at += 1
        return found

    def space(self) -> None:
        match = _SPACE.match(self.text, self.at)
        assert match is not None
        self.at = match.end()

    def value(self) -> Any:
        """Any JSON value."""
        self.space()
        try:
            found, self.at = json.JSONDecoder().raw_decode(self.text, self.at)
        except json.JSONDecodeError as error:
            self.fail(f"{error.msg} (damaged, or truncated)", error.pos)
        except RecursionError:
            self.fail("values nested too deeply")
        except ValueError as error:  # a number of thousands of digits
            self.fail(str(error))
        return found

    def numbers(self) -> array[int]:
        """An array of numbers from 0 to 2^64 - 1. Takes 8 bytes for each, of at least 2 here."""
        self.next("[")
        end = self.text.find("]", self.at)
        if end < 0:
            self.fail("the file ends within an array: it is truncated", len(self.text))
        found = array("Q")
        if _SPACE.fullmatch(self.text, self.at, end):
            self.at = end + 1
            return found
        while self.at < end:
            stop = min(end, self.at + _PIECE)
            if stop < end:
                stop = self.text.rfind(",", self.at, stop)
            piece = self.text[self.at : max(stop, self.at)]
            if other := _NO_NUMBER.search(piece):
                self.fail(f"{other[0]!r} in an array of numbers", self.at + other.start())
            try:
                found.extend(map(int, piece.split(",")))
            except (ValueError, OverflowError):
                self.fail("between here and the next 64 KiB: no number from 0 to 2^64 - 1")
            self.at = stop + 1
        self.at = end + 1
        return found


class _File:
    """What a file holds, its parts checked against one another."""

    def __init__(self, data: bytes, name: str) -> None:
        text = self.text = _Text(data, name)
        parts: dict[str, Any] = {}
        at: dict[str, int] = {}
        text.next("{")
        while True:
            text.space()
            key_at, key = text.at, text.value()
            if not isinstance(key, str):
                text.fail("a name has to be here", key_at)
            text.next(":")
            text.space()
            at[key] = text.at
            parts[key] = text.numbers() if key in ("nodes", "edges") else text.value()
            if text.next(",}") == "}":
                break
        text.space()
        if text.at != len(text.text):
            text.fail("something follows the end of the snapshot")
        for key in ("snapshot", "nodes", "edges", "strings"):
            if key not in parts:
                text.fail(f'no "{key}": not a heap snapshot of DevTools', 0)
        self.at = at
        self.nodes: array[int] = parts["nodes"]
        self.edges: array[int] = parts["edges"]
        self.strings: list[str] = parts["strings"]
        self.head: dict[str, Any] = parts["snapshot"]
        self._check()

    def need(self, ok: object, key: str, what: str) -> None:
        if not ok:
            self.text.fail(what, self.at[key])

    def _check(self) -> None:
        strings, head = self.strings, self.head
        texts = isinstance(strings, list) and all(isinstance(s, str) for s in strings)
        self.need(texts, "strings", '"strings" are no texts')
        meta = head.get("meta") if isinstance(head, dict) else None
        self.need(isinstance(meta, dict), "snapshot", "no meta in the header")
        assert isinstance(meta, dict)
        self.node_fields = self._words(meta, "node_fields", "type name id self_size edge_count")
        self.edge_fields = self._words(meta, "edge_fields", "type name_or_index to_node")
        self.synthetic = self._type(meta, "node", "synthetic")
        self.element, self.weak = (self._type(meta, "edge", t) for t in ("element", "weak"))
        for key, values, fields in (
            ("node", self.nodes, self.node_fields),
            ("edge", self.edges, self.edge_fields),
        ):
            count = head.get(f"{key}_count")
            whole = type(count) is int and len(values) == count * len(fields)
            said = f'{len(values)} numbers in "{key}s", not {count} times {len(fields)}'
            self.need(whole, f"{key}s", said)
        self.count = len(self.nodes) // len(self.node_fields)
        self.need(self.count < _NONE, "nodes", "2^32 - 1 nodes or more")
        names, edge_counts = self.node("name"), self.node("edge_count")
        self.need(max(names, default=0) < len(strings), "nodes", "a node's name is not in strings")
        total = len(self.edges) // len(self.edge_fields)
        self.need(sum(edge_counts) == total, "nodes", f"the nodes have not {total} edges together")
        self.need(max(self.node("self_size"), default=0) < 1 << 48, "nodes", "a node of 2^48 bytes")
        width = len(self.node_fields)
        ends = all(t % width == 0 and t < len(self.nodes) for t in self.edge("to_node"))
        self.need(ends, "edges", "an edge leads to no node")

    def _words(self, meta: dict[str, Any], key: str, wanted: str) -> list[str]:
        found = meta.get(key)
        words = isinstance(found, list) and all(isinstance(word, str) for word in found)
        self.need(words, "snapshot", f"{key} are no texts")
        assert isinstance(found, list)
        for word in wanted.split():
            self.need(word in found, "snapshot", f"no {word} among {key}")
        return found

    def _type(self, meta: dict[str, Any], of: str, name: str) -> int:
        types = meta.get(f"{of}_types")
        listed = isinstance(types, list) and types and isinstance(types[0], list)
        self.need(listed, "snapshot", f"no list of {of}_types")
        assert isinstance(types, list)
        return types[0].index(name) if name in types[0] else -1

    def node(self, field: str) -> array[int]:
        return self.nodes[self.node_fields.index(field) :: len(self.node_fields)]

    def edge(self, field: str) -> array[int]:
        return self.edges[self.edge_fields.index(field) :: len(self.edge_fields)]


class _Columns:
    """What a snapshot is made from: the objects' columns, and roots in their order."""

    def __init__(self) -> None:
        self.counts = array("Q")
        self.dst, self.off, self.inner = array("I"), array("I"), array("I")
        self.weak = bytearray()
        self.root_dst = array("I")
        self.root_names: list[str] = []
        self.root_off: list[int] = []

    def strong(self, sizes: array[int], reach: Sequence[int] | None) -> _Columns:
        """Without the weak edges: all of them, or those of objects that a root reaches."""
        kept = _Columns()
        kept.root_dst, kept.root_names, kept.root_off = (
            self.root_dst,
            self.root_names,
            self.root_off,
        )
        at = 0
        for i, count in enumerate(self.counts):
            before = len(kept.dst)
            for e in range(at, at + count):
                if not self.weak[e] or (reach is not None and reach[i] == _NONE):
                    kept.dst.append(self.dst[e])
                    kept.off.append(self.off[e])
                    kept.inner.append(self.inner[e])
            kept.counts.append(len(kept.dst) - before)
            at += count
        return kept

    def starts(self) -> array[int]:
        return array("Q", accumulate(self.counts, initial=0))


def read_heapsnapshot(data: bytes, name: str) -> Snapshot:
    """A snapshot from the bytes of a file: one of ours, or V8's.

    All nodes that are not synthetic are objects, and what a synthetic node points to is a root. The
    objects of V8 have no addresses: they get some, one behind the other, and their pointers offsets
    by their order. DumpFormatError, which says at which byte, for anything that does not agree.
    """
    file = _File(data, name)
    own = _own(file)
    is_object = [kind != file.synthetic for kind in file.node("type")]
    if file.count:
        is_object[0] = False
    numbers = array("I", accumulate((int(o) for o in is_object), initial=0))  # of the next object
    sizes = array("Q", (s for s, o in zip(file.node("self_size"), is_object, strict=True) if o))
    columns = _read_edges(file, is_object, numbers, own is not None)
    if any(columns.weak):
        strong = columns.strong(sizes, None)
        dominators, _ = _core.graph_dominators(*_four(sizes, strong))
        columns = columns.strong(sizes, _view(dominators, "I"))
    addresses = _addresses(file, is_object, sizes, own)
    return make(file, own, is_object, sizes, addresses, columns)


def _own(file: _File) -> dict[str, Any] | None:
    own = file.head.get("gcsim")
    if own is None:
        return None
    good = (
        isinstance(own, dict)
        and own.get("format") == 1
        and isinstance(own.get("name"), str)
        and type(own.get("base")) is int
        and 0 <= own["base"] < 1 << 63
        and isinstance(own.get("by_address"), bool)
        and "noscan" in file.node_fields
        and {"offset", "to_offset"} <= set(file.edge_fields)
        and isinstance(own.get("types"), list)
        and all(map(_is_type, own["types"]))
    )
    file.need(good, "snapshot", "a gcsim header of another version, or a damaged one")
    return dict(own)


def _is_type(row: Any) -> bool:
    """Name, bytes, whether there are elements side by side, padding, [offset, name] of pointers."""
    match row:
        case [str(), int(size), bool(), int(padding), list(pointers)]:
            rows = all(isinstance(p, list) and [*map(type, p)] == [int, str] for p in pointers)
            return rows and 0 < size < 1 << 48 and 0 <= padding <= size
    return False


def _read_edges(file: _File, is_object: list[bool], numbers: array[int], own: bool) -> _Columns:
    found = _Columns()
    kinds, names, to = (file.edge(f) for f in ("type", "name_or_index", "to_node"))
    width, strings, element, weak = len(file.node_fields), file.strings, file.element, file.weak
    bad = max((n for n, k in zip(names, kinds, strict=True) if k != element), default=0)
    file.need(bad < max(len(strings), 1), "edges", "an edge's name is not in strings")
    offsets, inner = (file.edge(f) if own else array("Q") for f in ("offset", "to_offset"))
    far = max(max(offsets, default=0), max(inner, default=0))
    file.need(far < 1 << 32, "edges", "an edge lies 4 GiB behind the start of its object")
    node_names = file.node("name")
    e = 0
    for node, count in enumerate(file.node("edge_count")):
        of_object, before = is_object[node], len(found.dst)
        for k in range(count):
            kind, name, target = kinds[e], names[e], to[e] // width
            off = offsets[e] if own else k * _WORD
            e += 1
            if not is_object[target]:
                continue
            if of_object:
                found.dst.append(numbers[target])
                found.off.append(off)
                found.inner.append(inner[e - 1] if own else 0)
                found.weak.append(kind == weak)
            elif kind != weak:
                root = strings[node_names[node]]
                if not own:
                    root = f"{root} {f'[{name}]' if kind == element else strings[name]}".strip()
                found.root_names.append(root)
                found.root_off.append(off)
                found.root_dst.append(numbers[target])
        if of_object:
            found.counts.append(len(found.dst) - before)
    return found


def _addresses(
    file: _File, is_object: list[bool], sizes: array[int], own: dict[str, Any] | None
) -> array[int]:
    if own is None or not own["by_address"]:
        steps = (max(_WORD, -(-size // _WORD) * _WORD) for size in sizes)
        return array("Q", list(accumulate(steps, initial=0))[:-1])
    ids = file.node("id")
    found = array(
        "Q",
        (
            (i - 2) // 2 * _WORD
            for i, o in zip(ids, is_object, strict=True)
            if o and 2 <= i < 1 << 33
        ),
    )
    file.need(len(found) == len(sizes), "nodes", "an object's id is no address")
    ascending = all(a + size <= b for a, size, b in zip(found, sizes, found[1:], strict=False))
    file.need(ascending, "nodes", "objects overlap, or do not ascend by address")
    return found


def _four(sizes: array[int], columns: _Columns) -> tuple[bytes, bytes, bytes, bytes]:
    return (
        sizes.tobytes(),
        columns.starts().tobytes(),
        columns.dst.tobytes(),
        columns.root_dst.tobytes(),
    )


def make(
    file: _File,
    own: dict[str, Any] | None,
    is_object: list[bool],
    sizes: array[int],
    addresses: array[int],
    columns: _Columns,
) -> Snapshot:
    names = [file.strings[s] for s, o in zip(file.node("name"), is_object, strict=True) if o]
    if own is not None:
        noscan = bytes(min(s, 1) for s, o in zip(file.node("noscan"), is_object, strict=True) if o)
        shapes = {
            name: Shape(size, elements, padding, dict(names))
            for name, size, elements, padding, names in own["types"]
        }
    else:
        noscan = bytes(count == 0 for count in columns.counts)
        shapes = {name: Shape(1, False, 0, {}) for name in names}
    types = {name: i for i, name in enumerate(shapes)}
    values: dict[str, Any] = {
        "_columns": _four(sizes, columns),
        "_addresses": addresses.tobytes(),
        "_edge_off": columns.off.tobytes(),
        "_edge_dst_off": columns.inner.tobytes(),
        "_noscan": noscan,
        "_root_names": tuple(columns.root_names),
        "_root_off": tuple(columns.root_off),
        "_base": own["base"] if own else 0,
        "_made": {},
        "name": own["name"] if own else file.text.name,
        "stop_ms": 0.0,
        "_type_names": tuple(types),
        "_types": array("I", (types.get(name, _NONE) for name in names)).tobytes(),
        "_shapes": tuple(shapes.values()),
        "_sites": {},
    }
    made = object.__new__(Snapshot)
    made.__setstate__(values)
    return made
