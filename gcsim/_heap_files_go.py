"""Go heap dumps, written: what ``runtime/debug.WriteHeapDump`` would have written of a heap.

The format is that of runtime/heapdump.go ("go1.7 heap dump"): numbers are varints, a record is a
tag and its fields, a list of pointer slots ends with 0. Contents of objects are not written, only
their pointers: all other bytes are zero.
"""

from __future__ import annotations

import gzip
import re
import struct
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gcsim._dump import _activations, _place
from gcsim._elf import WRITTEN_AT
from gcsim._errors import ConversionError
from gcsim._graph import _MEMSTATS, FORMAT, ROOT_KINDS, HeapGraph, _numpy

if TYPE_CHECKING:
    from gcsim._snapshot import Snapshot

_EOF, _OBJECT, _OTHER, _GOROUTINE, _FRAME, _PARAMS, _FINALIZER = 0, 1, 2, 4, 5, 6, 7
_STATS, _QUEUED, _DATA, _BSS, _DEFER = 10, 11, 12, 13, 14
_MAGIC = b"go1.7 heap dump\n"
_PAGE, _SMALL = 8192, 512  # bytes; slots up to 512 share their pages with their own size only
_SEGMENTS = {"data": (_DATA, WRITTEN_AT["data"]), "bss": (_BSS, WRITTEN_AT["bss"])}
_STATUS = {"idle": 0, "runnable": 1, "running": 2, "syscall": 3, "waiting": 4, "dead": 6}
# The fields of a queued finalizer that are roots, by the offset that a graph gives them:
# mfinal.go:finalizer. The record begins with the object (arg), then come the function and types.
_QUEUE_FIELD = {8: 0, 0: 1, 24: 3, 32: 4}


def _ints(*values: int) -> bytes:
    """Varints: heapdump.go:dumpint."""
    out = bytearray()
    for value in values:
        while value >= 0x80:
            out.append(value & 0x7F | 0x80)
            value >>= 7
        out.append(value)
    return bytes(out)


def _text(text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    return _ints(len(data)) + data


def _slots(offsets: list[int]) -> bytes:
    """heapdump.go:dumpfields: kind 1 is a pointer, 0 the end."""
    return b"".join(_ints(1, off) for off in offsets) + b"\0"


def _memory(size: int, words: dict[int, int]) -> bytes:
    content = bytearray(size)
    for off, value in words.items():
        struct.pack_into("<Q", content, off, value)
    return _ints(size) + content


def _kind_names(graph: HeapGraph) -> list[str]:
    return [ROOT_KINDS[kind] for kind in graph.root_kind.tolist()]


class _Roots:
    """The roots of a graph, sorted by the record that can say them. What none can becomes one of
    the "other" roots, by name."""

    def __init__(self, graph: HeapGraph) -> None:
        base = int(graph.meta["base"])
        start = graph.obj_addr[graph.root_dst.astype("i8")] if len(graph.root_dst) else []
        values = [
            base + int(addr) + off
            for addr, off in zip(start, graph.root_dst_off.tolist(), strict=True)
        ]
        self.segments: dict[str, dict[int, int]] = {"data": {}, "bss": {}}
        self.stacks: defaultdict[int, list[tuple[str, int, int]]] = defaultdict(list)
        self.records: defaultdict[int, list[int]] = defaultdict(list)
        self.finalizers: list[tuple[int, int]] = []  # object, function
        self.queued: list[tuple[int, int]] = []
        self.other: list[tuple[str, int]] = []
        names = graph.meta["frame_names"]
        rows = zip(
            _kind_names(graph),
            graph.root_g.tolist(),
            graph.root_frame.tolist(),
            graph.root_off.tolist(),
            strict=True,
        )
        for root, (kind, g, frame, off) in enumerate(rows):
            value = values[root]
            segment = self.segments.get(kind)
            if segment is not None and off % 8 == 0 and off not in segment and off < 1 << 28:
                segment[off] = value
            elif kind == "stack" and off < 1 << 28:
                self.stacks[g].append((names[frame], off, value))
            elif kind == "goroutine" and g >= 0:
                self.records[g].append(value)
            elif kind == "finalizer_obj":
                self.finalizers.append((value, 0))
            elif kind == "finalizer_fn":
                self.finalizers.append((0, value))
            elif kind == "queued_finalizer" and off in _QUEUE_FIELD:
                self.queued.append((_QUEUE_FIELD[off], value))
            else:
                self.other.append((graph.root_name(root), value))


def go_dump(graph: HeapGraph) -> Iterator[bytes]:
    """The bytes of the file, piece by piece.

    Objects, pointers, roots, goroutines with their frames and memory statistics are those of the
    graph. Without statistics (a heap of ours has none here) the record has HeapObjects, Alloc and
    HeapAlloc as counted, and zeros. An object with a finalizer and the function are two records.
    Not written: contents, types, profiles, threads.

    ConversionError if the objects do not lie as Go's allocator puts them.
    """
    _check_layout(graph)
    meta, roots = graph.meta, _Roots(graph)
    yield _MAGIC + _ints(_PARAMS, 0, 8, int(meta["base"]), int(meta["heap_end"]))
    yield _text(meta["arch"]) + _text(meta["go"]) + _ints(int(meta.get("cpus", 0)))
    for kind, (tag, address) in _SEGMENTS.items():
        words = dict(sorted(roots.segments[kind].items()))
        size = max(words, default=-8) + 8
        yield _ints(tag, address) + _memory(size, words) + _slots(list(words))
    for g, goroutine in enumerate(meta["goroutines"]):
        yield from _goroutine(g, goroutine, roots)
    for name, value in roots.other:
        yield _ints(_OTHER) + _text(name) + _ints(value)
    for obj, fn in roots.finalizers:
        yield _ints(_FINALIZER, obj, fn, 0, 0, 0)
    for field, value in roots.queued:
        yield _ints(_QUEUED, *(value if i == field else 0 for i in range(5)))
    yield from _objects(graph)
    yield _statistics(graph) + _ints(_EOF)


def _check_layout(graph: HeapGraph) -> None:
    """What the reader asks of objects, and Go's spans have: csrc/lib/godump.c."""
    np = _numpy()
    addr, size = graph.obj_addr.astype("i8"), graph.obj_size.astype("i8")
    small, at = size <= _SMALL, addr % _PAGE
    good = (addr % 8 == 0) & (size > 0) & (size % 8 == 0)
    good &= ~small | ((at % np.maximum(size, 1) == 0) & (at + size <= _PAGE))
    alike = (size[1:] == size[:-1]) | (addr[1:] // _PAGE != addr[:-1] // _PAGE)
    good[1:] &= alike | ~(small[1:] & small[:-1])
    if not good.all() or int(graph.meta["base"]) % _PAGE:
        i = int(good.argmin())
        raise ConversionError(
            f"object {i} ({int(size[i])} B at +{int(addr[i]):#x}) does not lie as an object of Go"
            " does: a Go heap dump cannot hold this heap"
        )


def _goroutine(g: int, goroutine: dict[str, Any], roots: _Roots) -> Iterator[bytes]:
    """The goroutine with its frames, innermost first. Its context is the first of its own records;
    the others are said as defer records."""
    address = 0x10000 * (g + 1)  # outside of the heap; defer records refer to it
    first, *more = roots.records[g] or [0]
    status = str(goroutine.get("status", ""))
    number = _STATUS.get(status, int(status) if status.isdigit() else 4)
    yield _ints(_GOROUTINE, address, 0, int(goroutine["id"]), 0, number)
    yield _ints(bool(goroutine.get("system")), 0, 0) + _text(str(goroutine.get("wait", "")))
    yield _ints(first, 0, 0, 0)
    found = _activations(roots.stacks[g])
    for depth, (name, slots) in enumerate(_place(list(goroutine.get("frames", ())), found)):
        words = dict(slots)
        content = _memory(max(words, default=-8) + 8, words)
        yield _ints(_FRAME, 0, depth, 0) + content + _ints(0, 0, 0) + _text(name)
        yield _slots(list(words))
    for value in more:
        yield _ints(_DEFER, value, address, 0, 0, 0, 0, 0)


def _objects(graph: HeapGraph) -> Iterator[bytes]:
    base = int(graph.meta["base"])
    addresses, sizes = graph.obj_addr.tolist(), graph.obj_size.tolist()
    edge, slot = graph.edge_start().tolist(), graph.slot_start().tolist()
    offsets, targets = graph.edge_off.tolist(), graph.edge_dst.tolist()
    inner = graph.edge_dst_off.tolist()
    ends = graph.obj_ptrend.tolist()
    for i, (address, size) in enumerate(zip(addresses, sizes, strict=True)):
        words = {
            offsets[e]: base + addresses[targets[e]] + inner[e] for e in range(edge[i], edge[i + 1])
        }
        if graph.slot_off is not None:
            slots = graph.slot_off[slot[i] : slot[i + 1]].tolist()
        else:
            slots = _fill(list(words), slot[i + 1] - slot[i], ends[i])
        yield _ints(_OBJECT, base + address) + _memory(size, words) + _slots(slots)


def _fill(known: list[int], count: int, end: int) -> list[int]:
    """The offsets of all pointer slots, where only those that are not nil are known: one ends at
    `end`, the others come as early as there is room."""
    slots = {*known, end - 8} if count else set()
    for off in range(0, end, 8):
        if len(slots) >= count:
            break
        slots.add(off)
    return sorted(slots)


def _statistics(graph: HeapGraph) -> bytes:
    stats = graph.meta.get("memstats") or {
        "HeapObjects": len(graph.obj_addr),
        "Alloc": graph.heap_bytes,
        "HeapAlloc": graph.heap_bytes,
    }
    *values, cycles = (int(stats.get(name, 0)) for name in _MEMSTATS)
    return _ints(_STATS, *values, *[0] * 256, cycles)  # 256: MemStats.PauseNs


def zipped(pieces: Iterator[bytes], out: Any) -> None:
    """Through gzip, without a time in it: the same heap is the same file."""
    with gzip.GzipFile(filename="", fileobj=out, mode="wb", compresslevel=6, mtime=0) as file:
        for piece in pieces:
            file.write(piece)


# ---- from a snapshot ----

_ROOT = re.compile(
    r"(?P<segment>data|bss)\+0x(?P<at>[0-9a-f]{1,8})"
    r"|goroutine (?P<g>\d{1,18}) (?:(?P<frame>.+)\+0x(?P<off>[0-9a-f]{1,8})"
    r"|(?P<own>context, defer or panic))"
    r"|(?P<fn>finalizer function)|finalizer of object (?P<of>\d{1,10})"
)


class _Names:
    """Names by number, each once."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def __call__(self, name: str) -> int:
        return self.numbers.setdefault(name, len(self.numbers))


def graph_of(snapshot: Snapshot) -> HeapGraph:
    """The graph that a snapshot is of, as far as the snapshot knows it: roots lead to the start of
    their objects, and there are no pointer slots but those that are not nil. Types are not in it.

    Needs NumPy. ConversionError for a heap of 16 GiB or more in one object.
    """
    np = _numpy()
    size, start, dst, root_dst = (
        np.frombuffer(column, code)
        for column, code in zip(snapshot._columns, ("<u8", "<u8", "<u4", "<u4"), strict=True)
    )
    addr, off = np.frombuffer(snapshot._addresses, "<u8"), np.frombuffer(snapshot._edge_off, "<u4")
    if len(size) and int(size.max()) >= 1 << 32:
        raise ConversionError("an object of 4 GiB or more: graphs have none")
    size = (np.maximum(size, 1) + 7) // 8 * 8  # V8 has objects of no size
    count = (start[1:] - start[:-1]).astype("<u4")
    noscan = np.frombuffer(snapshot._noscan, "|u1")
    source = np.repeat(np.arange(len(size), dtype="i8"), count)
    inner = np.frombuffer(snapshot._edge_dst_off, "<u4")
    order = np.lexsort((off, source))  # the pointers of one object ascend; those of V8 need not
    off, dst, inner = off[order], dst[order], inner[order]
    nil = (count == 0) & (noscan == 0)  # all of its pointers are nil
    ptrend = np.zeros(len(size), "<u4")
    last = np.cumsum(count, dtype="i8")[count > 0] - 1
    ptrend[count > 0] = off[last] + 8
    ptrend[nil] = 8
    nslots = (count + nil).astype("<u4")
    roots, frames, goroutines = _roots(snapshot, root_dst.tolist())
    arrays: dict[str, Any] = {
        "obj_addr": addr,
        "obj_size": size.astype("<u4"),
        "obj_noscan": (nslots == 0).astype("|u1"),
        "obj_nslots": nslots,
        "obj_ptrend": ptrend,
        "obj_reach": np.zeros(len(size), "|u1"),
        "edge_count": count,
        "edge_off": off,
        "edge_dst": dst.astype("<i4"),
        "edge_dst_off": inner,
        **{
            name: np.array([row[i] for row in roots], code)
            for i, (name, code) in enumerate(_ROOT_COLUMNS)
        },
        "root_dst_off": np.zeros(len(roots), "<u4"),
    }
    extent = int(addr[-1] + size[-1]) if len(size) else 0
    meta = {
        "format": FORMAT,
        "program": snapshot.name,
        "go": "go1.26",
        "arch": "amd64",
        "base": snapshot._base,
        "heap_end": snapshot._base + extent,
        "root_kinds": list(ROOT_KINDS),
        "frame_names": frames,
        "goroutines": goroutines,
        "memstats": {},
    }
    arrays["obj_reach"] = HeapGraph(**arrays, meta=meta).bfs().astype("|u1")
    for array in arrays.values():
        array.flags.writeable = False
    return HeapGraph(**arrays, meta=meta)


_ROOT_COLUMNS = (
    *(("root_kind", "|u1"), ("root_g", "<i4"), ("root_frame", "<i4")),
    *(("root_off", "<u4"), ("root_dst", "<i4")),
)


def _roots(
    snapshot: Snapshot, targets: list[int]
) -> tuple[list[tuple[int, ...]], list[str], list[dict[str, Any]]]:
    """Each root from its name, as `_ROOT_COLUMNS`; names of frames; goroutines. The pointers that a
    finalizer needs are one root again: their object."""
    frames, numbers = _Names(), _Names()
    stacks: defaultdict[int, list[str]] = defaultdict(list)
    kinds = {name: i for i, name in enumerate(ROOT_KINDS)}
    rows: list[tuple[int, ...]] = []
    finalized: set[int] = set()
    for name, off, dst in zip(snapshot._root_names, snapshot._root_off, targets, strict=True):
        match = _ROOT.fullmatch(name)
        if match is None:
            rows.append((kinds["other"], -1, frames(name), off % (1 << 32), dst))
        elif match["segment"]:
            rows.append((kinds[match["segment"]], -1, -1, int(match["at"], 16), dst))
        elif match["fn"]:
            rows.append((kinds["finalizer_fn"], -1, -1, 0, dst))
        elif match["of"]:
            of = int(match["of"])
            if of < len(snapshot) and of not in finalized:
                finalized.add(of)
                rows.append((kinds["finalizer_obj"], -1, -1, 0, of))
        elif match["own"]:
            rows.append((kinds["goroutine"], numbers(match["g"]), -1, 0, dst))
        else:
            g = numbers(match["g"])
            if match["frame"] not in stacks[g]:
                stacks[g].append(match["frame"])
            at = int(match["off"], 16)
            rows.append((kinds["stack"], g, frames(match["frame"]), at, dst))
    goroutines = [
        {"id": int(text), "status": "", "wait": "", "system": False, "frames": stacks[g]}
        for text, g in numbers.numbers.items()
    ]
    return rows, list(frames.numbers), goroutines
