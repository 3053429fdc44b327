"""Heaps of real Go programs: opened from a file, rebuilt object by object in a heap of our own.

Every object gets a slot of the same size with pointers in the same places, every pointer the same
target, every root its name in the dump. What a dump does not know (types, requested sizes, the
bytes that are no pointers) stays unknown: objects are opaque, their other bytes are zero.

Roots become what they were: slots of the data and bss segments are globals (``bss+0x440``), slots
of stacks are slots of frames (``at_0x18`` in the frame ``main.f`` of ``goroutine 7``). A record
that a goroutine owns (closure context, defer, panic) is a slot of one more frame, its outermost. An
object with a finalizer is no root, but what it points to is: the frames of a goroutine
``finalizers`` hold that. All other roots are globals.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from gcsim import _core
from gcsim._errors import RangeError, StaleReferenceError, StateError
from gcsim._graph import ROOT_KINDS, HeapGraph, open_graph
from gcsim._struct import struct
from gcsim._types import ptr

if TYPE_CHECKING:
    from gcsim._graph import I64, Bools
    from gcsim._snapshot import Snapshot

RECORDS = "context, defer or panic"  # the frame that stands for a goroutine's own records
FINALIZERS = "finalizers"  # the goroutine that holds what finalizers keep alive
_DEAD = (1 << 64) - 1


@struct
class GoObject:
    """An object of a Go heap: nothing is known of its fields. See ``heap.dump``."""


class DumpGoroutine(NamedTuple):
    """A goroutine as the dump has it; `frames` are names of functions, the innermost first."""

    id: int
    status: str
    wait: str
    system: bool
    frames: tuple[str, ...]


# ---- where roots go ----


class RootSlot(NamedTuple):
    """One root slot of the rebuilt heap. A recorded root has one, a finalizer's object any number.

    root        number of the recorded root
    name        of the global, or of the slot in its frame
    goroutine   number of the `RootPlan`'s goroutine; -1: a global
    depth       of the frame, 0 is the innermost
    dst, dst_off   what it refers to: object, offset in its slot
    """

    root: int
    name: str
    goroutine: int
    depth: int
    dst: int
    dst_off: int


class PlannedGoroutine:
    """A goroutine to make: its name, its frames (innermost first) and their slots."""

    __slots__ = ("frames", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.frames: list[tuple[str, list[RootSlot]]] = []


class RootPlan:
    """Which globals, goroutines and frames the roots of a graph become."""

    __slots__ = ("globals", "goroutines")

    def __init__(self, graph: HeapGraph) -> None:
        self.globals: list[RootSlot] = []
        self.goroutines = [
            PlannedGoroutine(_text(f"goroutine {g['id']}")) for g in graph.meta["goroutines"]
        ]
        columns = (graph.root_kind, graph.root_g, graph.root_frame, graph.root_off)
        kinds, gs, frames, offs = (column.tolist() for column in columns)
        dsts, dst_offs = graph.root_dst.tolist(), graph.root_dst_off.tolist()
        stacks: list[list[int]] = [[] for _ in self.goroutines]
        records: list[list[int]] = [[] for _ in self.goroutines]
        finalized: list[int] = []
        taken: dict[str, int] = {}
        for root, kind in enumerate(kinds):
            word = ROOT_KINDS[kind]
            if word == "stack":
                stacks[gs[root]].append(root)
            elif word == "goroutine" and gs[root] >= 0:
                records[gs[root]].append(root)
            elif word == "finalizer_obj":
                finalized.append(root)
            else:
                name = _unique(_text(graph.root_name(root)), taken)
                self.globals.append(RootSlot(root, name, -1, 0, dsts[root], dst_offs[root]))

        def slot(root: int, g: int, depth: int, name: str) -> RootSlot:
            return RootSlot(root, name, g, depth, dsts[root], dst_offs[root])

        names = [_text(name) for name in graph.meta["frame_names"]]
        for g, planned in enumerate(self.goroutines):
            listed = [_text(name) for name in graph.meta["goroutines"][g].get("frames", [])]
            found = _activations([(names[frames[r]], offs[r], r) for r in stacks[g]])
            for depth, (name, slots) in enumerate(_place(listed, found)):
                rows = [slot(root, g, depth, f"at_{off:#x}") for off, root in slots]
                planned.frames.append((name, rows))
            if records[g]:
                depth = len(planned.frames)
                rows = [slot(r, g, depth, f"record_{i}") for i, r in enumerate(records[g])]
                planned.frames.append((RECORDS, rows))
        if finalized:
            self._plan_finalizers(graph, finalized, dsts)

    def _plan_finalizers(self, graph: HeapGraph, roots: list[int], dsts: list[int]) -> None:
        planned = PlannedGoroutine(FINALIZERS)
        start = graph.edge_start()
        for root in roots:
            first, last = int(start[dsts[root]]), int(start[dsts[root] + 1])
            columns = (graph.edge_off, graph.edge_dst, graph.edge_dst_off)
            edges = zip(*(column[first:last].tolist() for column in columns), strict=True)
            g, depth = len(self.goroutines), len(planned.frames)
            rows = [RootSlot(root, f"at_{off:#x}", g, depth, *to) for off, *to in edges]
            planned.frames.append((f"finalizer of object {dsts[root]}", rows))
        self.goroutines.append(planned)

    def __iter__(self) -> Iterator[RootSlot]:
        """All slots: globals first, then goroutine by goroutine, innermost frames first."""
        yield from self.globals
        for planned in self.goroutines:
            for _, slots in planned.frames:
                yield from slots


def _text(name: str) -> str:
    """The name as C can keep it: no NUL, no lone surrogates."""
    return name.encode("utf-8", "replace").decode().replace("\0", "?")


def _unique(name: str, taken: dict[str, int]) -> str:
    """The name, or "name #2" when it comes for the second time."""
    while (times := taken.setdefault(name, 0)) > 0:
        taken[name] = times + 1
        name = f"{name} #{times + 1}"
    taken[name] = 1
    return name


def _activations(roots: list[tuple[str, int, int]]) -> list[tuple[str, list[tuple[int, int]]]]:
    """Stack roots (frame name, offset, root) in dump order, one group per frame: a new name, or an
    offset that does not ascend (recursion), begins the next frame."""
    groups: list[tuple[str, list[tuple[int, int]]]] = []
    for name, off, root in roots:
        if not groups or groups[-1][0] != name or groups[-1][1][-1][0] >= off:
            groups.append((name, []))
        groups[-1][1].append((off, root))
    return groups


def _place(
    listed: list[str], found: list[tuple[str, list[tuple[int, int]]]]
) -> list[tuple[str, list[tuple[int, int]]]]:
    """The frames of a goroutine: those listed, with the roots found in them; then the others."""
    frames: list[tuple[str, list[tuple[int, int]]]] = []
    at = 0
    for name in listed:
        matches = at < len(found) and found[at][0] == name
        frames.append((name, found[at][1] if matches else []))
        at += matches
    return frames + found[at:]


def _make_roots(
    heap: _core.Heap, objects: _core.LoadedGraph, plan: RootPlan
) -> list[_core.Goroutine]:
    """Globals and goroutines as planned; returns the goroutines, in the plan's order."""
    for slot in plan.globals:
        heap.globals[slot.name] = objects.ref(heap, slot.dst, slot.dst_off, GoObject)
    made = []
    for planned in plan.goroutines:
        g = heap.goroutine(planned.name)
        for name, slots in reversed(planned.frames):
            frame = g.push(name, **dict.fromkeys((slot.name for slot in slots), ptr[GoObject]))
            for slot in slots:
                setattr(frame, slot.name, objects.ref(heap, slot.dst, slot.dst_off, GoObject))
        made.append(g)
    return made


# ---- the dump ----


class GoDump:
    """A Go heap as a file has it: what `open_go_dump` returns. Immutable.

    graph   the objects, pointers and roots as arrays (`HeapGraph`)
    name    of the program, or of the file if the dump does not know it
    """

    __slots__ = ("__weakref__", "_root_names", "graph", "name")
    graph: HeapGraph
    name: str
    _root_names: tuple[str, ...] | None

    def __init__(self, graph: HeapGraph, name: str = "heap") -> None:
        object.__setattr__(self, "graph", graph)
        object.__setattr__(self, "name", graph.meta.get("program") or name)
        object.__setattr__(self, "_root_names", None)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a GoDump is immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a GoDump is immutable")

    @property
    def objects(self) -> int:
        """How many objects there are: slots, tiny blocks counting once."""
        return len(self.graph.obj_addr)

    @property
    def bytes(self) -> int:
        """Sum of their slots: what Go's MemStats calls HeapAlloc."""
        return self.graph.heap_bytes

    @property
    def roots(self) -> int:
        """How many root slots refer to objects."""
        return len(self.graph.root_dst)

    @property
    def root_names(self) -> tuple[str, ...]:
        """The name of each root: ``bss+0x440``, ``goroutine 7 main.f+0x18``."""
        if self._root_names is None:
            names = tuple(self.graph.root_name(root) for root in range(self.roots))
            object.__setattr__(self, "_root_names", names)
        return self._root_names  # type: ignore[return-value]

    @property
    def goroutines(self) -> tuple[DumpGoroutine, ...]:
        """All goroutines, in the order that `HeapGraph.root_g` counts them."""
        return tuple(
            DumpGoroutine(
                g["id"],
                str(g.get("status", "")),
                str(g.get("wait", "")),
                bool(g.get("system")),
                tuple(g.get("frames", ())),
            )
            for g in self.graph.meta["goroutines"]
        )

    @property
    def memstats(self) -> Mapping[str, int]:
        """The dump's own MemStats, under Go's names; empty if it has none."""
        return MappingProxyType(self.graph.meta.get("memstats", {}))

    @property
    def meta(self) -> Mapping[str, Any]:
        """What else the file says: Go's version, architecture, phantom slots dropped..."""
        return MappingProxyType(self.graph.meta)

    @property
    def green_tea(self) -> bool:
        """Whether spans of small objects kept their mark bits inside (Go 1.26, unless built with
        GOEXPERIMENT=nogreenteagc)."""
        spans: object = self.graph.meta.get("spans")
        if spans is not None:
            return spans == "inline marks"
        return "nogreenteagc" not in self.graph.meta["go"]

    def snapshot(self) -> Snapshot:
        """The dump as a `Snapshot`: why objects are alive, and who retains what. Needs no heap."""
        from gcsim._snapshot import Snapshot

        return Snapshot(self.graph, self.name)

    def summary(self) -> str:
        """What it is, in a few lines."""
        graph, stats = self.graph, self.memstats
        kinds = [ROOT_KINDS[kind] for kind in graph.root_kind.tolist()]
        by_kind = ", ".join(f"{kinds.count(kind)} {kind}" for kind in ROOT_KINDS if kind in kinds)
        system = sum(g.system for g in self.goroutines)
        lines = [
            f"{self.name}: a heap of {graph.meta['go']} on {graph.meta['arch']}",
            f"  {self.objects:,} objects in slots of {self.bytes:,} bytes, "
            f"{len(graph.edge_dst):,} pointers",
            f"  {self.roots:,} roots" + (f": {by_kind}" if by_kind else ""),
            f"  {len(self.goroutines):,} goroutines, {system} of them the runtime's own",
            f"  {self.objects - int(graph.obj_reach.sum()):,} objects that no root reaches",
        ]
        if stats:
            lines.append(
                f"  Go's MemStats: HeapObjects {stats['HeapObjects']:,}, "
                f"HeapAlloc {stats['HeapAlloc']:,}, HeapSys {stats['HeapSys']:,}, "
                f"NumGC {stats['NumGC']:,}"
            )
        return "\n".join(lines)

    def __repr__(self) -> str:
        return (
            f"<GoDump {self.name} ({self.graph.meta['go']}): {self.objects} objects, "
            f"{self.bytes} bytes, {self.roots} roots, {len(self.goroutines)} goroutines>"
        )

    def load(
        self, *, progress: Callable[[int, int], object] | None = None, **heap_options: Any
    ) -> _core.Heap:
        """Rebuild it in a new heap, which has the options given and `heap.dump`.

        progress is called with how much of objects and pointers is done, and their sum. Without
        green_tea= the heap lays spans out as the program's did.

        Raises DumpFormatError if an object cannot be (a size that is no slot, say),
        UnsupportedDumpError for layouts of objects that Go had before 1.22, HeapMemoryError if
        the heap has no room for it, and what Heap raises for its options.
        """
        heap_options.setdefault("green_tea", self.green_tea)
        graph, slots = self.graph, self.graph.slot_off
        heap = _core.Heap(**heap_options)
        try:
            objects = _core.load_graph(
                heap,
                graph.obj_size.tobytes(),
                graph.obj_nslots.tobytes(),
                graph.obj_ptrend.tobytes(),
                graph.edge_count.tobytes(),
                graph.edge_off.tobytes(),
                graph.edge_dst.tobytes(),
                graph.edge_dst_off.tobytes(),
                None if slots is None else slots.tobytes(),
                progress,
            )
            plan = RootPlan(graph)
            ids = [g.id for g in _make_roots(heap, objects, plan)]
            objects.weaken(heap)
        except BaseException:
            heap.close()
            raise
        _LOADED[heap] = _Record(self, objects, plan, ids)
        return heap


def open_go_dump(path: str | os.PathLike[str]) -> GoDump:
    """Open a Go heap: a dump of ``runtime/debug.WriteHeapDump`` (gzip too) or a recorded graph.

    Needs NumPy. OSError if the file cannot be opened, DumpFormatError or UnsupportedDumpError (both
    ValueError) if it cannot be understood.
    """
    graph = open_graph(path)
    return GoDump(graph, Path(os.fspath(path)).name.split(".")[0] or "heap")


# ---- the dump and its heap ----


class _Record:
    """What belongs to a loaded heap. It must not refer to it."""

    __slots__ = ("addresses", "dump", "goroutines", "objects", "plan")

    def __init__(
        self, dump: GoDump, objects: _core.LoadedGraph, plan: RootPlan, goroutines: list[int]
    ) -> None:
        self.dump = dump
        self.objects = objects
        self.plan = plan
        self.goroutines = goroutines  # ids in the heap, in the plan's order
        self.addresses: tuple[I64, I64] | None = None  # sorted, and whose they are


_LOADED: WeakKeyDictionary[_core.Heap, _Record] = WeakKeyDictionary()


class LoadedDump:
    """A dump in the heap that it was rebuilt in: ``heap.dump``.

    Objects go by their number in the recording (`HeapGraph`). The numbers keep nothing alive. A
    reference to an object has no fields; its pointers are read and written here, by their offset
    in the slot, as the recording counts them.
    """

    __slots__ = ("_record", "heap")

    def __init__(self, heap: _core.Heap, record: _Record) -> None:
        self.heap = heap
        self._record = record

    def __repr__(self) -> str:
        return f"<{self._record.dump!r} in {self.heap!r}>"

    @property
    def dump(self) -> GoDump:
        """What was loaded."""
        return self._record.dump

    @property
    def types(self) -> int:
        """How many types were made: objects with the same size and pointers share one."""
        return self._record.objects.types

    def ref(self, number: int, offset: int = 0) -> GoObject | None:
        """A reference to a byte of an object's slot; None if a collection found it dead.

        IndexError for a number that no object has, RangeError for an offset behind the slot.
        """
        if offset < 0:
            raise RangeError(f"byte {offset} is in no object")
        found: GoObject | None = self._record.objects.ref(self.heap, number, offset, GoObject)
        return found

    def number_of(self, ref: _core.Ref) -> int | None:
        """The number of the object that a reference refers to; None for one made after loading."""
        offset = self._record.objects.slot_of(self.heap, ref)
        if offset is None:
            return None
        addresses, numbers = self._addresses()
        at = int(addresses.searchsorted(offset))
        if at == len(addresses) or int(addresses[at]) != offset:
            return None
        number = int(numbers[at])
        return number if self.ref(number) is not None else None  # its slot may be another's now

    def pointers(self, number: int) -> dict[int, GoObject | None]:
        """The pointer slots of an object: offset in its slot -> reference, None for nil.

        StaleReferenceError if it is dead, IndexError for a number that no object has.
        """
        objects = self._record.objects
        if self.ref(number) is None:
            raise StaleReferenceError(f"object {number} is dead")
        return {
            offset: objects.load(self.heap, number, offset, GoObject)
            for offset in objects.slots(self.heap, number)
        }

    def store(self, number: int, offset: int, ref: _core.Ref | None) -> None:
        """Make a pointer slot of an object refer to something else, or to nothing: a barriered
        store. RangeError if there is no pointer slot at that offset."""
        if offset < 0:
            raise RangeError(f"byte {offset} is in no object")
        self._record.objects.store(self.heap, number, offset, ref)

    def alive(self) -> Bools:
        """Which objects no collection has found dead: one boolean per object."""
        import numpy as np

        found = np.frombuffer(self._record.objects.addresses(self.heap), "u8")
        alive: Bools = found != _DEAD
        return alive

    def addresses(self) -> I64:
        """Where each object's slot begins, in bytes from the heap's first page; -1 if dead."""
        import numpy as np

        found: I64 = np.frombuffer(self._record.objects.addresses(self.heap), "i8")
        return found

    def _addresses(self) -> tuple[I64, I64]:
        if self._record.addresses is None:
            addresses = self.addresses()
            numbers = addresses.argsort(kind="stable")
            numbers = numbers[addresses[numbers] >= 0]
            self._record.addresses = (addresses[numbers], numbers)
        return self._record.addresses

    @property
    def plan(self) -> RootPlan:
        """The globals, goroutines and frames that the roots became."""
        return self._record.plan

    def goroutine(self, g: int) -> _core.Goroutine:
        """The goroutine that has a number in the dump (`HeapGraph.root_g`). StateError if it has
        ended, IndexError if there is none."""
        number = self._record.goroutines[g]
        for found in self.heap.goroutines():
            if found.id == number:
                return found
        raise StateError(f"{self._record.plan.goroutines[g].name} has ended")

    def drop_root(self, root: int) -> None:
        """Make a root of the dump nil: its global, or its slot in a frame, or for an object with a
        finalizer the slots that stand for it. StateError if it has been dropped."""
        if not 0 <= root < self.dump.roots:
            raise IndexError(f"root {root} of {self.dump.roots}")
        for slot in self._record.plan:
            if slot.root != root:
                continue
            if slot.goroutine < 0:
                if slot.name not in self.heap.globals:
                    raise StateError(f"{slot.name} was dropped before")
                del self.heap.globals[slot.name]
            else:
                frames = self.goroutine(slot.goroutine).frames
                planned = len(self._record.plan.goroutines[slot.goroutine].frames)
                setattr(frames[slot.depth + len(frames) - planned], slot.name, None)

    def drop_goroutine(self, g: int) -> None:
        """End a goroutine of the dump: all its frames go. StateError if it has ended."""
        self.goroutine(g).end()


def loaded(heap: _core.Heap) -> LoadedDump:
    """What ``heap.dump`` is. AttributeError if the heap was not loaded from a dump."""
    record = _LOADED.get(heap)
    if record is None:
        raise AttributeError(f"{heap!r} was not loaded from a dump: gcsim.open_go_dump(...).load()")
    return LoadedDump(heap, record)
