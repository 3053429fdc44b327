"""``snapshot()``: a heap at one moment, and why what is in it is still alive.

A `Snapshot` is made from the objects of a heap of our own, read in one stop
(csrc/watch/snapshot.h), or from a Go heap dump, and keeps no heap. Objects go by their number, in
the order of their addresses. Paths, dominators and retained sizes are found in C
(csrc/watch/graph.h) when they are first asked for, then kept.
"""

from __future__ import annotations

import os
import re
import sys
from array import array
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from gcsim import _core
from gcsim._errors import (
    BoundsError,
    ConversionError,
    Error,
    OptionError,
    RangeError,
    WrongHeapError,
)
from gcsim._results import bytes_text
from gcsim._snapshot_types import Shape, Types, header_bytes, slot_type
from gcsim._types import describe, u8

if TYPE_CHECKING:
    from gcsim._graph import HeapGraph
    from gcsim._snapshot_types import SnapshotRead

T = TypeVar("T")

_NONE = 0xFFFFFFFF  # GRAPH_NONE: the node that there is not
_ELEMENTS = 1024  # in objects from this size on, offsets say which element, not which field
_CHAIN = 0.8  # what retains as much of its holder's is where to look, rather than the holder


class Step(NamedTuple):
    """One object on a path: its number, and the byte of the object before it (or of the root)
    where the pointer to it lies."""

    number: int
    offset: int


class Path(NamedTuple):
    """A way from a root to an object: the name of the root and the objects, the asked one last."""

    root: str
    steps: tuple[Step, ...]
    words: str

    def __str__(self) -> str:
        return self.words


class WhyAlive(NamedTuple):
    """Why an object is alive: paths from roots, the shortest first; none if no root reaches it.

    complete says that there are no other paths than these (through no object twice).
    """

    number: int
    paths: tuple[Path, ...]
    complete: bool
    words: str

    def __repr__(self) -> str:
        return f"<why object {self.number} is alive: {len(self.paths)} paths>"

    def __str__(self) -> str:
        return self.words


class Suspect(NamedTuple):
    """Holders whose paths from the roots have the same shape, and what they retain together.

    path       to the first of them
    holders    their numbers
    objects, bytes   of what only they keep alive, themselves included
    words      a paragraph
    """

    path: Path
    holders: tuple[int, ...]
    objects: int
    bytes: int
    words: str

    def __repr__(self) -> str:
        return f"<Suspect: {len(self.holders)} at {self.path.root!r}, {bytes_text(self.bytes)}>"

    def __str__(self) -> str:
        return self.words


class Row(NamedTuple):
    """One line of a histogram or of a difference: how many objects of a kind, in how many bytes."""

    name: str
    objects: int
    bytes: int


class Rows(tuple[Row, ...]):
    """The lines of a histogram or of a difference, those with the most bytes first."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{len(self)} rows: {sum(r.objects for r in self):,} objects>"

    def __str__(self) -> str:
        return "\n".join(f"{r.bytes:>14,} B {r.objects:>10,}  {r.name}" for r in self)


class Waste(NamedTuple):
    """What objects of one kind do not use of their slots, in bytes.

    name       type, or size class
    objects, bytes   how many, in slots of how many bytes together
    header     words in front that say the type
    padding    between and behind the fields, as their alignment wants it
    rounding   behind the object, up to the next size class (of elements side by side: what no
               element fits into any more)
    unknown    of the bytes those of objects whose type is not known: nothing is said of them
    """

    name: str
    objects: int
    bytes: int
    header: int
    padding: int
    rounding: int
    unknown: int

    @property
    def waste(self) -> int:
        return self.header + self.padding + self.rounding


class WasteTable(tuple[Waste, ...]):
    """The rows of `Snapshot.waste`, those that waste most first."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{len(self)} rows: {sum(r.waste for r in self):,} bytes wasted>"

    def __str__(self) -> str:
        head = (
            f"{'objects':>10} {'bytes':>14} {'header':>12} {'padding':>12} {'rounding':>12}  name"
        )
        return "\n".join(
            [head]
            + [
                f"{r.objects:>10,} {r.bytes:>14,} {r.header:>12,} {r.padding:>12,} "
                f"{r.rounding:>12,}  {r.name}"
                for r in self
            ]
        )


def _view(column: bytes, code: Literal["I", "Q"]) -> Any:
    return memoryview(column).cast(code)


class _Shape(NamedTuple):
    """Of a path: that of the path to the object before, or the name of the root; what the last
    object is; which field led to it."""

    before: int | str
    label: str
    field: int


def _word(i: int) -> bytes:
    """As columns have it."""
    return i.to_bytes(4, sys.byteorder)


class Snapshot:
    """A heap at one moment. Immutable, outlives the heap, pickles.

    stop_ms   how long the heap's threads were stopped for it, in milliseconds; 0 for a dump

    The size of an object is that of its slot. A number that no object has is a BoundsError.
    """

    _columns: tuple[bytes, bytes, bytes, bytes]  # bytes, edge_start, edge_dst, root_dst
    _addresses: bytes
    _edge_off: bytes
    _edge_dst_off: bytes
    _noscan: bytes
    _root_names: tuple[str, ...]
    _root_off: tuple[int, ...]
    _types: bytes  # uint32 per object: into _type_names; 0xFFFFFFFF: unknown
    _type_names: tuple[str, ...]
    _shapes: tuple[Shape, ...]  # per type
    _sites: Mapping[int, str]  # number -> file:line that made it, where that is known
    _base: int
    _made: dict[str, Any]  # what was computed
    name: str
    stop_ms: float

    __slots__ = (
        "_addresses",
        "_base",
        "_columns",
        "_edge_dst_off",
        "_edge_off",
        "_made",
        "_noscan",
        "_root_names",
        "_root_off",
        "_shapes",
        "_sites",
        "_type_names",
        "_types",
        "name",
        "stop_ms",
    )

    def __init__(self, graph: HeapGraph, name: str = "heap") -> None:
        # Of an object with a finalizer not the object is a root, but each of its pointers.
        start, targets = graph.edge_start(), graph.edge_dst
        names: list[str] = []
        offsets: list[int] = []
        dsts: list[int] = []
        for root, (dst, off) in enumerate(
            zip(graph.root_dst.tolist(), graph.root_off.tolist(), strict=True)
        ):
            text = graph.root_name(root)
            if text.startswith("finalizer of object"):
                edges = range(int(start[dst]), int(start[dst + 1]))
                names += [text for _ in edges]
                offsets += [int(graph.edge_off[e]) for e in edges]
                dsts += [int(targets[e]) for e in edges]
            else:
                names.append(text)
                offsets.append(off)
                dsts.append(dst)
        values = {
            "_columns": (
                graph.obj_size.astype("u8").tobytes(),
                start.astype("u8").tobytes(),
                targets.astype("u4").tobytes(),
                array("I", dsts).tobytes(),
            ),
            "_addresses": graph.obj_addr.astype("u8").tobytes(),
            "_edge_off": graph.edge_off.astype("u4").tobytes(),
            "_edge_dst_off": graph.edge_dst_off.astype("u4").tobytes(),
            "_noscan": graph.obj_noscan.tobytes(),
            "_root_names": tuple(names),
            "_root_off": tuple(offsets),
            "_types": b"\xff" * (4 * len(graph.obj_addr)),
            "_type_names": (),
            "_shapes": (),
            "_sites": {},
            "_base": int(graph.meta["base"]),
            "_made": {},
            "name": name,
            "stop_ms": 0.0,
        }
        self.__setstate__(values)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a Snapshot is immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a Snapshot is immutable")

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in Snapshot.__slots__} | {"_made": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self._columns[0]) // 8

    def __repr__(self) -> str:
        return (
            f"<Snapshot of {self.name}: {len(self):,} objects, {bytes_text(self.bytes)}, "
            f"{len(self._root_names):,} roots>"
        )

    def _once(self, name: str, make: Callable[[], T]) -> T:
        """What was made before, or is made now and kept."""
        if name not in self._made:
            self._made[name] = make()
        made: T = self._made[name]
        return made

    # ---- single objects ----

    @property
    def bytes(self) -> int:
        """Of all objects, reachable or not."""
        return sum(_view(self._columns[0], "Q"))

    @property
    def reachable_bytes(self) -> int:
        """Of the objects that a root reaches."""
        return int(self._dominators()[1][len(self)])

    def number(self, what: Any) -> int:
        """The number of an object: of a reference, or of the object that lies at an address
        (any of its bytes); a number below the count of objects is that already.

        WrongHeapError for a reference to another heap; RangeError if no object lay there, as for
        one made after the snapshot.
        """
        if isinstance(what, _core.Ref):
            address = int(_core.address(what)) - self._base
            found = self._at(address)
            if found is None:
                raise WrongHeapError(
                    f"{what!r} is of another heap than {self!r}, or newer: take a new snapshot"
                )
            return found
        if not hasattr(what, "__index__"):
            raise ConversionError(f"a reference, a number or an address, not {what!r}")
        value = int(what.__index__())
        if 0 <= value < len(self):
            return value
        found = self._at(value - self._base)
        if found is None and value >= self._base > 0:
            raise RangeError(f"no object lay at {value:#x} when the snapshot was taken")
        if found is None:
            raise BoundsError(f"object {value} of {len(self)}")
        return found

    def _at(self, address: int) -> int | None:
        starts = _view(self._addresses, "Q")
        i = bisect_right(starts, address) - 1
        if i < 0 or address >= starts[i] + _view(self._columns[0], "Q")[i]:
            return None
        return i

    def address(self, what: Any) -> int:
        """Where the object lay."""
        return int(_view(self._addresses, "Q")[self.number(what)]) + self._base

    def size(self, what: Any) -> int:
        """Bytes of the object's slot."""
        return int(_view(self._columns[0], "Q")[self.number(what)])

    def edges(self, what: Any) -> tuple[tuple[int, int], ...]:
        """The pointers of an object that are not nil: (offset in the object, target's number)."""
        i = self.number(what)
        start = _view(self._columns[1], "Q")
        rows = slice(start[i], start[i + 1])
        offsets, targets = _view(self._edge_off, "I")[rows], _view(self._columns[2], "I")[rows]
        return tuple(zip(offsets.tolist(), targets.tolist(), strict=True))

    def type_name(self, what: Any) -> str | None:
        """The name of the object's type, None if that is not known: "Node", "[]Node"."""
        t = _view(self._types, "I")[self.number(what)]
        return None if t == _NONE else self._type_names[t]

    def field(self, what: Any, offset: int) -> str | None:
        """The name of the pointer at that byte of the object: "next", "[3].next"; None if the type
        is not known or has no pointer there."""
        i = self.number(what)
        t = _view(self._types, "I")[i]
        offset -= self._header(i)
        return None if t == _NONE or offset < 0 else self._shapes[t].field(offset)

    def _header(self, i: int) -> int:
        return header_bytes(_view(self._columns[0], "Q")[i], self._noscan[i])

    def _label(self, i: int) -> str:
        """What tells objects of one kind from others: the type, or the size if that is unknown."""
        t = _view(self._types, "I")[i]
        return f"{_view(self._columns[0], 'Q')[i]} B" if t == _NONE else self._type_names[t]

    def _kind(self, i: int) -> str:
        text = f"{_view(self._columns[0], 'Q')[i]} B"
        t = _view(self._types, "I")[i]
        if t != _NONE:
            return f"{self._type_names[t]}, {text}"
        return f"{text} without pointers" if self._noscan[i] else text

    # ---- dominators ----

    def _dominators(self) -> tuple[Any, Any]:
        def make() -> tuple[Any, Any]:
            idom, retained = _core.graph_dominators(*self._columns)
            return _view(idom, "I"), _view(retained, "Q")

        return self._once("dominators", make)

    def dominators(self) -> Sequence[int | None]:
        """For each object, the nearest one through which all paths to it go: its number; -1 if
        there is none such; None if no root reaches it."""
        n = len(self)
        return tuple(
            -1 if d == n else None if d == _NONE else d for d in self._dominators()[0].tolist()
        )

    def retained(self, what: Any) -> int:
        """Bytes that would be free if the object were: its own and those of all that it
        dominates. 0 if no root reaches it."""
        return int(self._dominators()[1][self.number(what)])

    def _children(self) -> dict[int, list[int]]:
        """The dominator tree downwards; the roots together have the number of objects."""

        def make() -> dict[int, list[int]]:
            children: defaultdict[int, list[int]] = defaultdict(list)
            for i, d in enumerate(self._dominators()[0].tolist()):
                if d != _NONE:
                    children[d].append(i)
            return dict(children)

        return self._once("children", make)

    def _dominated(self, holders: Sequence[int]) -> Iterator[int]:
        children, work = self._children(), list(holders)
        while work:
            i = work.pop()
            yield i
            work += children.get(i, ())

    # ---- paths ----

    def _parents(self) -> Any:
        """Of each object, the one before it on a shortest path; the number of objects: a root."""
        return self._once("parents", lambda: _view(_core.graph_shortest(*self._columns), "I"))

    def _root_of(self) -> dict[int, int]:
        """The first root of each object that has one."""

        def make() -> dict[int, int]:
            roots = _view(self._columns[3], "I").tolist()
            return dict(zip(reversed(roots), range(len(roots) - 1, -1, -1), strict=True))

        return self._once("root_of", make)

    def _shortest_steps(self, i: int) -> tuple[int, ...] | None:
        """The root, then the edges."""
        parents = self._parents()
        if parents[i] == _NONE:
            return None
        steps = []
        while (before := parents[i]) != len(self):
            steps.append(self._edge(before, i))
            i = before
        return (self._root_of()[i], *reversed(steps))

    def _edge(self, before: int, i: int) -> int:
        """The first one from an object to another, which there is. A map's group may have
        thousands."""
        start, targets, wanted = _view(self._columns[1], "Q"), self._columns[2], _word(i)
        at = targets.find(wanted, 4 * start[before])
        while at % 4:
            at = targets.find(wanted, at + 1)
        return at // 4

    def _walked(self, steps: tuple[int, ...]) -> tuple[str, list[Step]]:
        """The name of the root, and the objects on the way."""
        targets, offsets = _view(self._columns[2], "I"), _view(self._edge_off, "I")
        root, *edges = steps
        found = [Step(_view(self._columns[3], "I")[root], self._root_off[root])]
        found += [Step(targets[e], offsets[e]) for e in edges]
        return self._root_names[root], found

    def _path(self, steps: tuple[int, ...]) -> Path:
        name, found = self._walked(steps)
        lines = [f"{name} points to object {found[0].number} ({self._kind(found[0].number)})"]
        for before, step in pairwise(found):
            way = self.field(before.number, step.offset) or f"pointer at +{step.offset:#x}"
            lines.append(f"whose {way} leads to object {step.number} ({self._kind(step.number)})")
        return Path(name, tuple(found), ",\n  ".join(lines))

    def why_alive(self, what: Any, paths: int = 1) -> WhyAlive:
        """Why an object is alive: a shortest path from a root, or the `paths` shortest ones.

        what: as for `number`. OptionError unless 1 <= paths <= 65536.
        """
        if not 1 <= paths <= 1 << 16:
            raise OptionError(f"1 to 65536 paths, not {paths}")
        i = self.number(what)
        complete = False
        if paths == 1:
            steps = self._shortest_steps(i)
            every = [] if steps is None else [steps]
            complete = steps is None
        else:
            every, complete = _core.graph_paths(*self._columns, i, paths)
        found = tuple(map(self._path, every))
        head = f"object {i} ({self._kind(i)} at {self.address(i):#x})"
        if not found:
            return WhyAlive(i, (), True, f"{head} is not alive: no root reaches it")
        words = f"{head} is alive:\n"
        return WhyAlive(i, found, complete, words + "\n".join(p.words for p in found))

    # ---- suspects ----

    def _shape(self, i: int) -> int:
        """What paths have in common that were made by the same code, as a number: the root without
        that of its goroutine, and of each object its type and the field that leads to it. It
        follows from that of the object before, so all together take as long as the tree."""
        known, shapes, parents, way = *self._path_shapes(), self._parents(), []
        while i not in known and parents[i] != len(self):
            way.append(i)
            i = parents[i]
        if i not in known:
            root = self._root_of()[i]
            name = re.sub(r"^goroutine \d+ (\([^)]*\) )?", "goroutine ", self._root_names[root])
            key = _Shape(name, self._label(i), self._root_off[root])
            known[i] = shapes.setdefault(key, len(shapes))
        offsets = _view(self._edge_off, "I")
        for step in reversed(way):
            field = self._field_shape(i, offsets[self._edge(i, step)])
            key = _Shape(known[i], self._label(step), field)
            known[step] = shapes.setdefault(key, len(shapes))
            i = step
        return known[i]

    def _path_shapes(self) -> tuple[dict[int, int], dict[_Shape, int]]:
        """Those of objects so far, and their numbers."""
        return self._once("path_shapes", lambda: ({}, {}))

    def _field_shape(self, i: int, offset: int) -> int:
        """Which field an offset is, the same in all elements."""
        t = _view(self._types, "I")[i]
        if t != _NONE:
            shape = self._shapes[t]
            offset -= self._header(i)
            return offset % shape.bytes if shape.elements else offset
        return -1 if _view(self._columns[0], "Q")[i] >= _ELEMENTS else offset

    def _accumulates(self, i: int, least: float) -> Iterator[int]:
        """Where below an object what it retains is gathered: down the dominator tree while one
        child has nearly all, and apart where several have much. Several of one size are elements
        of a slice or tables of a map: they are not looked into, the collection is the holder."""
        retained, children = self._dominators()[1], self._children()
        sizes = _view(self._columns[0], "Q")
        work = [i]
        while work:
            i = work.pop()
            below = [c for c in children.get(i, ()) if retained[c] >= least]
            first = max(below, key=lambda c: retained[c], default=None)
            if first is not None and retained[first] >= _CHAIN * retained[i]:
                work.append(first)
            elif len(below) > 1 and len({sizes[c] for c in below}) == len(below):
                work += below
            else:
                yield i

    def suspects(self, threshold: float = 0.01) -> tuple[Suspect, ...]:
        """Who keeps much alive: holders that nothing dominates, grouped by the shape of their
        paths, those that retain the most first. What retains less than `threshold` of what is
        reachable is left out. OptionError unless 0 < threshold <= 1.

        One moment cannot tell a cache from a leak: see `diff`.
        """
        if not 0 < threshold <= 1:
            raise OptionError(f"a threshold above 0 and up to 1, not {threshold}")
        retained = self._dominators()[1]
        least = max(1.0, threshold * retained[len(self)])
        groups: defaultdict[int, list[int]] = defaultdict(list)
        for i in self._children().get(len(self), ()):
            groups[self._shape(i)].append(i)
        found: list[list[int]] = []
        for group in groups.values():
            if sum(retained[i] for i in group) < least:
                continue
            if len(group) > 1:
                found.append(group)
            else:
                found += [[i] for i in self._accumulates(group[0], least)]
        rows = [self._suspect(group) for group in found]
        return tuple(sorted(rows, key=lambda s: (-s.bytes, s.holders)))

    def _suspect(self, holders: list[int]) -> Suspect:
        retained = self._dominators()[1]
        steps = self._shortest_steps(holders[0])
        assert steps is not None
        path = self._path(steps)
        total = sum(retained[i] for i in holders)
        kept = list(self._dominated(holders))
        share = total / retained[len(self)]
        who = f"object {holders[0]} ({self._kind(holders[0])})"
        if len(holders) > 1:
            who = f"{len(holders):,} objects like {who}, with paths of the same shape,"
        most = self._rows(kept)[:3]
        words = (
            f"{who} retain{'' if len(holders) > 1 else 's'} {len(kept):,} objects, "
            f"{bytes_text(total)} ({share:.1%} of what is reachable): "
            + ", ".join(f"{r.objects:,} of {r.name}" for r in most)
            + f".\n  {path.words}."
        )
        return Suspect(path, tuple(holders), len(kept), total, words)

    # ---- counts ----

    def _kinds(self, numbers: Iterable[int] | None = None) -> Counter[tuple[int, int, int]]:
        """How many objects have which (type, size, noscan)."""
        columns = _view(self._types, "I"), _view(self._columns[0], "Q"), self._noscan
        if numbers is None:
            return Counter(zip(*columns, strict=True))
        types, sizes, noscan = columns
        return Counter((types[i], sizes[i], noscan[i]) for i in numbers)

    def _rows(self, numbers: Iterable[int] | None = None, by: str = "type") -> Rows:
        counts: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
        for (t, size, noscan), n in self._kinds(numbers).items():
            name = f"{size} B"
            if by == "type":
                name = name + " without pointers" * noscan if t == _NONE else self._type_names[t]
            counts[name][0] += n
            counts[name][1] += n * size
        rows = [Row(name, n, size) for name, (n, size) in counts.items()]
        return Rows(sorted(rows, key=lambda r: (-r.bytes, r.name)))

    def _rows_by_site(self) -> Rows:
        sizes = _view(self._columns[0], "Q")
        counts = {"unknown": [len(self), self.bytes]}
        for i, site in self._sites.items():
            for name, sign in ((site, 1), ("unknown", -1)):
                row = counts.setdefault(name, [0, 0])
                row[0] += sign
                row[1] += sign * sizes[i]
        rows = [Row(name, n, size) for name, (n, size) in counts.items() if n]
        return Rows(sorted(rows, key=lambda r: (-r.bytes, r.name)))

    def histogram(self, by: str = "type") -> Rows:
        """All objects, counted by "type" (what is not known goes by the size of its slot and
        whether there are pointers in it), by size "class", or by the "site" that made them (of
        references in a heap with trace_refs=True; "unknown" for all others)."""
        if by not in ("type", "class", "site"):
            raise OptionError(f'by "type", "class" or "site", not {by!r}')
        return self._rows_by_site() if by == "site" else self._rows(by=by)

    def waste(self, by: str = "type") -> WasteTable:
        """What objects do not use of their slots, by "type" or size "class": headers, padding for
        alignment, rounding up to size classes; the rows that waste most first."""
        if by not in ("type", "class"):
            raise OptionError(f'by "type" or "class", not {by!r}')
        rows: dict[str, Waste] = {}
        for kind, n in self._kinds().items():
            row = self._waste_of(*kind, n, by)
            old = rows.get(row.name)
            rows[row.name] = (
                row
                if old is None
                else Waste(row.name, *map(sum, zip(row[1:], old[1:], strict=True)))
            )
        return WasteTable(sorted(rows.values(), key=lambda r: (-r.waste, -r.bytes, r.name)))

    def _waste_of(self, t: int, size: int, noscan: int, n: int, by: str) -> Waste:
        header = header_bytes(size, noscan)
        name = f"{size} B" + " without pointers" * (noscan and by == "type")
        shape = None if t == _NONE else self._shapes[t]
        if shape is not None and by == "type":
            name = self._type_names[t]
        if shape is None or (noscan and shape.bytes < 16 == size):  # several share the block
            return Waste(name, n, n * size, n * header, 0, 0, n * size)
        room = size - header
        values = room // shape.bytes if shape.elements else 1
        rounding = room - values * shape.bytes
        return Waste(name, n, n * size, n * header, n * values * shape.padding, n * rounding, 0)

    def diff(self, older: Snapshot) -> Rows:
        """What there is more of than in an older snapshot (less of: negative), by the root and
        the shape of the path that retains it; rows with the most new bytes first."""
        if not isinstance(older, Snapshot):
            raise ConversionError(f"the difference to a Snapshot, not to {older!r}")
        now, before = self._by_shape(), older._by_shape()
        rows = []
        for name in now.keys() | before.keys():
            (objects, size), (objects0, size0) = now.get(name, (0, 0)), before.get(name, (0, 0))
            if (objects, size) != (objects0, size0):
                rows.append(Row(name, objects - objects0, size - size0))
        return Rows(sorted(rows, key=lambda r: (-r.bytes, r.name)))

    def write(self, path: str | os.PathLike[str], limit: int | None = 200) -> None:
        """Write a file, whole or not at all, by its suffix: ``.heapsnapshot`` (Chrome's DevTools),
        ``.dump`` or ``.dump.gz`` (a Go heap dump), ``.npz`` (a recorded graph), ``.dot`` (Graphviz:
        the `limit` objects that retain the most; None: all). `gcsim.read_snapshot` reads the first
        three. OptionError for another suffix, ConversionError where the form cannot hold the heap,
        OSError. Needs NumPy for all but the first and the last.
        """
        from gcsim._heap_files import write_snapshot

        write_snapshot(self, path, limit)

    def to_networkx(self) -> Any:
        """The objects as a ``networkx.MultiDiGraph``: see gcsim._heap_files_dot."""
        from gcsim._heap_files_dot import to_networkx

        return to_networkx(self)

    def _by_shape(self) -> dict[str, tuple[int, int]]:
        def make() -> dict[str, tuple[int, int]]:
            retained = self._dominators()[1]
            sums: dict[int, tuple[int, int]] = {}
            for i in self._children().get(len(self), ()):
                objects, size = sums.get(shape := self._shape(i), (0, 0))
                kept = sum(1 for _ in self._dominated([i]))
                sums[shape] = objects + kept, size + retained[i]
            shapes, counts = list(self._path_shapes()[1]), dict[str, tuple[int, int]]()
            for shape, (objects, size) in sums.items():
                labels, before = [], shapes[shape]
                while isinstance(before.before, int):
                    labels.append(before.label)
                    before = shapes[before.before]
                name = " -> ".join((before.before, before.label, *reversed(labels)))
                had = counts.get(name, (0, 0))
                counts[name] = had[0] + objects, had[1] + size
            return counts

        return self._once("by_shape", make)


# ---- from a heap of our own ----

# What keeps an object: gcsim.h:gcsim_kept_by. A row of roots has nine numbers, the last of two.
_GLOBAL, _FRAME, _BATCH, _TINY, _NEW, _QUEUED, _FINALIZER, _HANDLE, _WAITING = range(1, 10)
_ROOT_WORDS = 10
_PLAIN = {
    _BATCH: "batch that is being built",
    _TINY: "tiny block of a thread",
    _NEW: "object that is being made",
}


class _Reading:
    """Puts together what Heap._read_snapshot gives."""

    def __init__(self, read: SnapshotRead) -> None:
        self.columns, self.names, known, self.globals, self.callbacks, self.base = read
        self.infos = [info for _, _, info in known]
        self.types = Types(known)
        self.addresses = _view(self.columns["address"], "Q")
        self.sizes = _view(self.columns["slot_bytes"], "Q")
        self.noscan = self.columns["noscan"]
        self.found = array("I", self.columns["type"])
        self.root_names: list[str] = []
        self.root_off: list[int] = []
        self.root_dst: list[int] = []
        self.places: Mapping[int, Iterable[str]] = {}
        self.sites: dict[int, str] = {}

    def know(self, i: int, offset: int, t: int) -> None:
        """Somebody refers to a byte of an object as to a value of that type."""
        if offset == header_bytes(self.sizes[i], self.noscan[i]) and self.found[i] == _NONE:
            self.found[i] = t

    def ask_python(self, heap: _core.Heap) -> None:
        """Who holds references, what they refer to and where they were made."""
        from gcsim._handles import find

        seen = find(heap)
        self.places = seen.places
        for address, ref in seen.refs.items():
            i = self._at(address)
            if i is None:  # made after the stop
                continue
            try:
                t = self.types.number(_core.typeof(ref))
            except Error:
                continue
            self.know(i, address - self.base - self.addresses[i], t)
        for address, _, file, line in heap._handle_traces() or ():
            i = self._at(address)
            if i is not None:
                self.sites[i] = f"{file}:{line}"

    def _at(self, address: int) -> int | None:
        i = bisect_right(self.addresses, address - self.base) - 1
        inside = i >= 0 and address - self.base < self.addresses[i] + self.sizes[i]
        return i if inside else None

    def ask_callbacks(self) -> dict[int, str]:
        """Finalizers by the number of their object: the name of the function."""
        functions = {}
        rows = _view(self.columns["specials"], "Q").tolist()
        for kind_object, _, arg in zip(*[iter(rows)] * 3, strict=True):
            kind, i = kind_object & _NONE, kind_object >> 32
            fn, cls = self.callbacks.get(arg, (None, None))
            if kind == 1 and fn is not None:
                functions[i] = str(getattr(fn, "__qualname__", type(fn).__qualname__))
            if cls is not None:
                self.know(i, header_bytes(self.sizes[i], self.noscan[i]), self._of_class(cls))
        return functions

    def _of_class(self, cls: object) -> int:
        try:
            return self.types.number(describe(cls))
        except Error:
            return _NONE

    def name_roots(self) -> None:
        functions = self.ask_callbacks()
        words = _view(self.columns["goroutines"], "I").tolist()
        goroutines = [
            f"goroutine {id} ({self.names[name]})"
            for id, name, _ in zip(*[iter(words)] * 3, strict=True)
        ]
        rows = _view(self.columns["roots"], "I").tolist()
        slots: dict[tuple[int, int], tuple[str, str, int]] = {}
        for row in zip(*[iter(rows)] * _ROOT_WORDS, strict=True):
            kind, name, g, _, type_id, object_, dst, dst_off, low, high = row
            offset, t = low | high << 32, _NONE
            if kind == _GLOBAL:
                text = f"global {self.names[name]}"
                t = self._global_type(self.names[name])
            elif kind == _FRAME:
                key = type_id, offset
                if key not in slots:
                    slots[key] = slot_type(self.types, self.infos[type_id], offset)
                slot, _, t = slots[key]
                slot = f".{slot}" if slot else f"+{offset:#x}"
                text = f"{goroutines[g]} {self.names[name]}{slot}"
            elif kind == _HANDLE:
                address = self.base + self.addresses[dst] + dst_off
                places = list(self.places.get(address, ()))
                text = f"handle held by {places[0]}" if places else "handle"
            elif kind == _WAITING:
                text = f"what {goroutines[g]} waits for"
            elif kind == _FINALIZER:
                function = functions.get(object_)
                text = f"finalizer of object {object_}" + (f" ({function})" if function else "")
            else:
                text = _PLAIN.get(kind, "finalizer that is to run")
            self.root_names.append(text)
            self.root_off.append(offset)
            self.root_dst.append(dst)
            if t != _NONE:
                self.know(dst, dst_off, t)

    def _global_type(self, name: str) -> int:
        kind, info = self.globals.get(name, ("nil", None))
        if kind == "string":
            return self.types.number(describe(u8), True)
        return self.types.number(info, kind == "slice")

    def values(self) -> dict[str, Any]:
        columns = self.columns
        edges = columns["edge_start"], columns["edge_dst"]
        rows = (columns["slot_bytes"], *edges, array("I", self.root_dst).tobytes())
        self.types.close()
        found = _core.graph_types(
            *rows,
            self.noscan,
            columns["edge_off"],
            columns["edge_dst_off"],
            self.found.tobytes(),
            *self.types.columns(),
            *(b"", b""),  # where pointers lie is not known but for those that are not nil
        )
        return {
            "_columns": rows,
            "_addresses": columns["address"],
            "_edge_off": columns["edge_off"],
            "_edge_dst_off": columns["edge_dst_off"],
            "_noscan": self.noscan,
            "_root_names": tuple(self.root_names),
            "_root_off": tuple(self.root_off),
            "_types": found,
            "_type_names": tuple(self.types.names),
            "_shapes": tuple(self.types.shapes),
            "_sites": self.sites,
            "_base": self.base,
            "_made": {},
            "name": "heap",
            "stop_ms": _view(columns["stop_ns"], "Q")[0] / 1e6,
        }


def snapshot(heap: _core.Heap, owners: bool = True) -> Snapshot:
    """What ``heap.snapshot()`` returns."""
    reading = _Reading(heap._read_snapshot())
    if owners:
        reading.ask_python(heap)
    reading.name_roots()
    made: Snapshot = object.__new__(Snapshot)
    made.__setstate__(reading.values())
    return made
