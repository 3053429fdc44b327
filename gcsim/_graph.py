"""Object graphs of Go heaps: read from files, checked, and searched.

A :class:`HeapGraph` is what all sources of a heap become before it is rebuilt: a recording
(``.npz``) or a raw dump of ``runtime/debug.WriteHeapDump``. It is data only. NumPy is imported
when a graph is made, not when gcsim is.
"""

from __future__ import annotations

import gzip
import io
import json
import lzma
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from gcsim._errors import DumpFormatError, HeapMemoryError, UnsupportedDumpError
from gcsim._files import whole

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    U8 = npt.NDArray[np.uint8]
    U32 = npt.NDArray[np.uint32]
    I32 = npt.NDArray[np.int32]
    U64 = npt.NDArray[np.uint64]
    I64 = npt.NDArray[np.int64]
    Bools = npt.NDArray[np.bool_]

FORMAT = "gcsim-heap-graph-1"
ROOT_KINDS = (
    "",
    "data",
    "bss",
    "stack",
    "goroutine",
    "finalizer_fn",
    "finalizer_obj",
    "queued_finalizer",
    "other",
)
_KIND = {name: i for i, name in enumerate(ROOT_KINDS)}

# Members of a file: dtype, and which count gives the length (n objects, m edges, r roots, s slots).
_COLUMNS = {
    "obj_addr": ("<u8", "n"),
    "obj_size": ("<u4", "n"),
    "obj_noscan": ("|u1", "n"),
    "obj_nslots": ("<u4", "n"),
    "obj_ptrend": ("<u4", "n"),
    "obj_reach": ("|u1", "n"),
    "edge_count": ("<u4", "n"),
    "edge_off": ("<u4", "m"),
    "edge_dst": ("<i4", "m"),
    "edge_dst_off": ("<u4", "m"),
    "root_kind": ("|u1", "r"),
    "root_g": ("<i4", "r"),
    "root_frame": ("<i4", "r"),
    "root_off": ("<u4", "r"),
    "root_dst": ("<i4", "r"),
    "root_dst_off": ("<u4", "r"),
    "slot_off": ("<u4", "s"),  # optional: recordings made from raw dumps by other tools have none
}
_MEMSTATS = [
    "Alloc",
    "TotalAlloc",
    "Sys",
    "Lookups",
    "Mallocs",
    "Frees",
    "HeapAlloc",
    "HeapSys",
    "HeapIdle",
    "HeapInuse",
    "HeapReleased",
    "HeapObjects",
    "StackInuse",
    "StackSys",
    "MSpanInuse",
    "MSpanSys",
    "MCacheInuse",
    "MCacheSys",
    "BuckHashSys",
    "GCSys",
    "OtherSys",
    "NextGC",
    "LastGC",
    "PauseTotalNs",
    "NumGC",
]
# What a goroutine can be doing when a heap is dumped (runtime2.go:_Gidle and on).
_STATUS = {0: "idle", 1: "runnable", 2: "running", 3: "syscall", 4: "waiting", 6: "dead"}
_SPANS = ("plain", "bitmap", "inline marks")

_MAX_BYTES = 1 << 34  # of one member of a recording: more than 2^31 objects can need
# A packed file may unpack to this, and to so many times its size more: a small file must not take
# all memory. Heaps pack 10 to 50 times.
_ROOM, _TIMES = 1 << 28, 100
# What zipfile and its decompressors raise for a damaged or encrypted archive.
_DAMAGED = (
    zipfile.BadZipFile,
    lzma.LZMAError,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    OverflowError,
    IndexError,
)
_RAW_MAGIC = b"go1.7 heap dump\n"


class Contents(NamedTuple):
    """Where in a raw dump the bytes of objects and segments begin; they are not kept."""

    objects: U64  #: n
    segments: Mapping[str, tuple[int, int, int]]  #: "data", "bss": address, where, how many bytes


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class HeapGraph:
    """The objects of a Go heap at one moment, with their pointers and roots.

    n objects sorted by address, m edges, r roots; all arrays are read-only. Addresses, sizes and
    offsets are in bytes, addresses from ``meta["base"]``. Edges of object i are
    ``edge_start()[i]`` up to ``edge_start()[i + 1]``, ascending by ``edge_off``.
    """

    obj_addr: U64  #: n: start of the slot
    obj_size: U32  #: n: bytes of the slot
    obj_noscan: U8  #: n: 1 if it has no pointer slot
    obj_nslots: U32  #: n: words that the collector reads as pointers, nil ones included
    obj_ptrend: U32  #: n: byte after the last such word, or 0
    obj_reach: U8  #: n: 1 if reachable from the roots, as the source of the graph says
    edge_count: U32  #: n: non-nil slots that point into a live object
    edge_off: U32  #: m: offset of the slot in its object
    edge_dst: I32  #: m: target object
    edge_dst_off: U32  #: m: offset in the target, non-zero for interior pointers
    root_kind: U8  #: r: index into :data:`ROOT_KINDS`
    root_g: I32  #: r: index into ``meta["goroutines"]``, or -1
    root_frame: I32  #: r: index into ``meta["frame_names"]``, or -1
    root_off: U32  #: r: offset in the segment or frame
    root_dst: I32  #: r: target object
    root_dst_off: U32  #: r: offset in the target
    meta: dict[str, Any]
    slot_off: U32 | None = None  #: sum of obj_nslots: offsets of all pointer slots, if known
    contents: Contents | None = None  #: of a raw dump: where it has the bytes of all

    def __repr__(self) -> str:
        return (
            f"<HeapGraph {self.meta.get('program') or 'heap'} ({self.meta['go']}): "
            f"{len(self.obj_addr)} objects, {self.heap_bytes} bytes, {len(self.edge_dst)} edges, "
            f"{len(self.root_dst)} roots>"
        )

    @property
    def heap_bytes(self) -> int:
        """Sum of all slots, in bytes: what Go's MemStats calls HeapAlloc."""
        return int(self.obj_size.sum(dtype="u8"))

    def edge_start(self) -> U64:
        """First edge of each object, and m at the end: n + 1 numbers."""
        return _starts(self.edge_count)

    def slot_start(self) -> U64:
        """First entry of each object in ``slot_off``, and its length at the end: n + 1 numbers."""
        return _starts(self.obj_nslots)

    def root_name(self, root: int) -> str:
        """The name of a root in the dump: ``bss+0x440``, ``goroutine 7 main.f+0x18``..."""
        kind = int(self.root_kind[root])
        off = int(self.root_off[root])
        g = int(self.root_g[root])
        frame = int(self.root_frame[root])
        goroutine = f"goroutine {self.meta['goroutines'][g]['id']}" if g >= 0 else "goroutine ?"
        name = self.meta["frame_names"][frame] if frame >= 0 else "?"
        match ROOT_KINDS[kind]:
            case "data" | "bss" as segment:
                return f"{segment}+{off:#x}"
            case "stack":
                return f"{goroutine} {name}+{off:#x}"
            case "goroutine":
                return f"{goroutine} context, defer or panic"
            case "finalizer_fn":
                return "finalizer function"
            case "finalizer_obj":
                return f"finalizer of object {int(self.root_dst[root])}"
            case "queued_finalizer":
                return f"queued finalizer+{off:#x}"
            case _:
                return name

    def bfs(self, roots: Iterable[int] | None = None) -> Bools:
        """Which objects the given roots (indices; default all) reach: n booleans.

        A plain breadth-first search, wave by wave. An object with a finalizer
        (``finalizer_obj``) is not reached by that root, but what it points to is.
        """
        np = _numpy()
        start = self.edge_start().astype("i8")
        chosen = np.arange(len(self.root_dst)) if roots is None else np.array(list(roots), "i8")
        kind, dst = self.root_kind[chosen], self.root_dst[chosen].astype("i8")
        finalized = kind == _KIND["finalizer_obj"]

        def targets(objects: I64) -> I64:
            counts = start[objects + 1] - start[objects]
            ends = np.cumsum(counts)
            within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)
            found: I64 = self.edge_dst[np.repeat(start[objects], counts) + within].astype("i8")
            return found

        reached: Bools = np.zeros(len(self.obj_addr), bool)
        wave = np.unique(np.concatenate([dst[~finalized], targets(dst[finalized])]))
        while len(wave):
            reached[wave] = True
            found = np.unique(targets(wave))
            wave = found[~reached[found]]
        return reached

    @classmethod
    def from_npz(cls, path: str | os.PathLike[str]) -> HeapGraph:
        """Read a recording. DumpFormatError if anything in it is not as the format says."""
        with open(path, "rb") as file:
            return _read_npz(file)

    @classmethod
    def from_raw(cls, dump: bytes) -> HeapGraph:
        """Read an uncompressed dump of ``runtime/debug.WriteHeapDump`` (Go 1.7 and later).

        DumpFormatError if it is truncated or contradicts itself, UnsupportedDumpError if it
        comes from another architecture than amd64 and arm64.
        """
        from gcsim._core import parse_go_dump

        return _from_columns(parse_go_dump(dump), dump)

    def save_npz(self, path: str | os.PathLike[str]) -> None:
        """Write a recording (NumPy members in a zip file, LZMA), whole or not at all."""
        np = _numpy()
        meta = json.dumps(self.meta, separators=(",", ":")).encode()
        members: dict[str, Any] = {name: getattr(self, name) for name in _COLUMNS}
        members["meta_json"] = np.frombuffer(meta, "u1")
        with whole(path) as out_file, zipfile.ZipFile(out_file, "w", zipfile.ZIP_LZMA) as file:
            for name, array in members.items():
                if array is None:
                    continue
                out = io.BytesIO()
                np.lib.format.write_array(out, np.asarray(array), (1, 0), allow_pickle=False)
                file.writestr(
                    zipfile.ZipInfo(f"{name}.npy", (2026, 1, 1, 0, 0, 0)),
                    out.getbuffer(),
                    zipfile.ZIP_LZMA,
                )


def open_graph(path: str | os.PathLike[str]) -> HeapGraph:
    """Read the graph of a Go heap from a recording, a raw dump or a gzipped raw dump.

    The kind of file is known by its first bytes, not by its name. OSError if it cannot be
    opened, DumpFormatError or UnsupportedDumpError (both ValueError) if it cannot be understood.
    """
    path = os.fspath(path)
    with open(path, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise DumpFormatError(f"{path!r} is not a regular file")
        head = file.read(4)
        file.seek(0)
        if not head:
            raise DumpFormatError(f"{path!r} is empty")
        try:
            if head == b"PK\x03\x04":
                return _read_npz(file)
            return HeapGraph.from_raw(_read_raw(file, head[:2] == b"\x1f\x8b"))
        except DumpFormatError as error:
            raise type(error)(f"{path!r}: {error}") from error
        except MemoryError as error:
            raise HeapMemoryError(f"{path!r}: not enough memory to read it") from error


def _read_raw(file: io.BufferedReader, is_gzip: bool) -> bytes:
    if not is_gzip:
        _check_magic(file.peek(32))
        return file.read()
    try:
        with gzip.open(file) as inner:
            _check_magic(inner.peek(32))
            return _unpacked(inner, _room(file))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DumpFormatError(f"damaged gzip data: {error}") from error


def raw_dump(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a raw dump that was read before, unpacked: for those who look up words of it."""
    with open(path, "rb") as file:
        head = file.read(2)
        file.seek(0)
        return _read_raw(file, head == b"\x1f\x8b")


def _room(file: io.BufferedReader) -> int:
    return _ROOM + _TIMES * os.fstat(file.fileno()).st_size


def _unpacked(inner: gzip.GzipFile, room: int) -> bytes:
    out = io.BytesIO()
    while piece := inner.read(1 << 20):
        out.write(piece)
        if out.tell() > room:
            raise DumpFormatError(
                f"unpacks to more than {room:,} bytes, over {_TIMES} times its size: if you trust"
                " it, gunzip it and open that"
            )
    return out.getvalue()


def _check_magic(head: bytes) -> None:
    if head.startswith(b"go1.") and b"heap dump" in head and not head.startswith(_RAW_MAGIC):
        name = head.split(b"\n")[0].decode("ascii", "replace")
        raise UnsupportedDumpError(f"{name!r}: only 'go1.7 heap dump' is read")
    if not head.startswith(_RAW_MAGIC):
        raise DumpFormatError("neither a raw Go heap dump nor a recorded graph (.npz)")


def _numpy() -> Any:
    try:
        import numpy
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("heap graphs need NumPy: pip install numpy") from error
    return numpy


def _starts(counts: U32) -> U64:
    np = _numpy()
    out: U64 = np.zeros(len(counts) + 1, "u8")
    np.cumsum(counts, dtype="u8", out=out[1:])
    return out


# ---- Recordings ----


def _read_npz(file: io.BufferedReader) -> HeapGraph:
    try:
        with zipfile.ZipFile(file) as archive:
            members = {info.filename: info for info in archive.infolist()}
            _need(
                sum(info.file_size for info in members.values()) <= _room(file),
                f"unpacks to more than {_TIMES} times its size",
            )
            arrays = {
                name: _read_member(archive, members[f"{name}.npy"])
                for name in (*_COLUMNS, "meta_json")
                if f"{name}.npy" in members
            }
    except DumpFormatError:
        raise
    except _DAMAGED as error:
        raise DumpFormatError(f"damaged recording: {error}") from error
    if "meta_json" not in arrays:
        raise DumpFormatError("not a heap graph: there is no member meta_json")
    meta = _read_meta(arrays.pop("meta_json"))
    columns = {name: _column(name, array) for name, array in arrays.items()}
    _check_columns(columns, meta)
    return _freeze(columns, meta)


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Any:
    """One .npy member. What its header promises has to agree with its size before it is read."""
    np = _numpy()
    if info.file_size > _MAX_BYTES:
        raise DumpFormatError(f"{info.filename}: {info.file_size} bytes are too many")
    with archive.open(info) as member:
        try:
            version = np.lib.format.read_magic(member)
            if version != (1, 0):
                raise DumpFormatError(f"{info.filename}: .npy version {version}")
            shape, _, dtype = np.lib.format.read_array_header_1_0(member)
        except DumpFormatError:
            raise
        except (ValueError, SyntaxError, TypeError, KeyError, RecursionError) as error:
            raise DumpFormatError(f"{info.filename}: no .npy header: {error}") from error
        if len(shape) != 1 or dtype.kind not in "iu" or not 0 <= shape[0] <= _MAX_BYTES:
            raise DumpFormatError(f"{info.filename}: {dtype} {shape}, not a row of integers")
        want = shape[0] * dtype.itemsize
        if want > info.file_size:
            raise DumpFormatError(f"{info.filename}: {info.file_size} bytes for {want} of data")
        data = member.read(want)
        if len(data) != want or member.read(1):
            raise DumpFormatError(f"{info.filename}: not {want} bytes of data")
    return np.frombuffer(data, dtype)


def _read_meta(data: Any) -> dict[str, Any]:
    try:
        meta: dict[str, Any] = json.loads(data.astype("u1").tobytes().decode())
    except (ValueError, RecursionError) as error:
        raise DumpFormatError(f"meta_json: {error}") from error
    _need(isinstance(meta, dict), "meta_json: not an object")
    _need(meta.get("format") == FORMAT, f"meta_json: the format is not {FORMAT!r}")
    if meta.get("arch") not in ("amd64", "arm64"):
        raise UnsupportedDumpError(f"architecture {meta.get('arch')!r}: only amd64 and arm64")
    for name in ("base", "heap_end"):
        value = meta.get(name)
        _need(type(value) is int and 0 <= value < 1 << 63, f"meta_json: {name} is no address")
    _need(meta["base"] <= meta["heap_end"], "meta_json: heap_end lies before base")
    _need(isinstance(meta.get("go"), str), "meta_json: go is no text")
    _need(meta.get("root_kinds") == list(ROOT_KINDS), "meta_json: other root kinds")
    _need(_is_list_of(meta.get("frame_names"), str), "meta_json: frame_names are no texts")
    goroutines: Any = meta.get("goroutines")
    _need(_is_list_of(goroutines, dict), "meta_json: goroutines are no objects")
    for g in goroutines:
        _need(
            type(g.get("id")) is int and _is_list_of(g.get("frames", []), str),
            "meta_json: a goroutine without id or frames",
        )
    memstats = meta.get("memstats", {})
    _need(
        isinstance(memstats, dict) and all(type(v) is int for v in memstats.values()),
        "meta_json: memstats are not numbers",
    )
    return meta


def _is_list_of(value: object, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)


def _column(name: str, array: Any) -> Any:
    np = _numpy()
    dtype = np.dtype(_COLUMNS[name][0])
    if array.dtype != dtype:
        info = np.iinfo(dtype)
        in_range = not len(array) or (array.min() >= info.min and array.max() <= info.max)
        _need(in_range, f"{name}: numbers do not fit {dtype}")
    return array.astype(dtype, copy=False)


def _need(condition: object, message: str) -> None:
    if not condition:
        raise DumpFormatError(message)


def _need_all(ok: Any, name: str, what: str) -> None:
    """All entries have to be true; the message names the first that is not."""
    if not ok.all():
        raise DumpFormatError(f"{name}[{int(ok.argmin())}]: {what}")


def _check_columns(columns: Mapping[str, Any], meta: Mapping[str, Any]) -> None:
    """The contract of the format, entry by entry, so that no user of a graph has to check again."""
    missing = [name for name in _COLUMNS if name not in columns and name != "slot_off"]
    _need(not missing, f"members missing: {', '.join(missing)}")
    counts = {
        "n": len(columns["obj_addr"]),
        "m": int(columns["edge_count"].sum(dtype="u8")),
        "r": len(columns["root_kind"]),
        "s": int(columns["obj_nslots"].sum(dtype="u8")),
    }
    for name, array in columns.items():
        want = counts[_COLUMNS[name][1]]
        _need(len(array) == want, f"{name}: {len(array)} entries, not {want}")
    _need(counts["n"] < 1 << 31, "too many objects for 32-bit indices")
    _check_objects(columns, meta)
    _check_edges(columns)
    _check_roots(columns, meta)
    if "slot_off" in columns:
        _check_slots(columns)


def _check_objects(c: Mapping[str, Any], meta: Mapping[str, Any]) -> None:
    addr, size, nslots, ptrend = c["obj_addr"], c["obj_size"], c["obj_nslots"], c["obj_ptrend"]
    extent = meta["heap_end"] - meta["base"]
    _need_all(addr % 8 == 0, "obj_addr", "not on a word")
    _need_all((size > 0) & (size % 8 == 0), "obj_size", "not a number of words")
    _need_all(addr <= extent, "obj_addr", "behind the end of the heap")
    end = addr + size
    _need_all(end <= extent, "obj_size", "reaches behind the end of the heap")
    _need_all(end[:-1] <= addr[1:], "obj_addr", "overlaps the next object")
    _need_all(c["obj_noscan"] == (nslots == 0), "obj_noscan", "does not agree with obj_nslots")
    _need_all(c["obj_reach"] <= 1, "obj_reach", "neither 0 nor 1")
    _need_all((ptrend % 8 == 0) & (ptrend <= size), "obj_ptrend", "not a word of the object")
    _need_all((ptrend == 0) == (nslots == 0), "obj_ptrend", "does not agree with obj_nslots")
    _need_all(nslots <= ptrend // 8, "obj_nslots", "more slots than words up to obj_ptrend")


def _check_edges(c: Mapping[str, Any]) -> None:
    np = _numpy()
    n, off, dst = len(c["obj_addr"]), c["edge_off"], c["edge_dst"]
    _need_all(c["edge_count"] <= c["obj_nslots"], "edge_count", "more edges than slots")
    source = np.repeat(np.arange(n, dtype="i8"), c["edge_count"])
    _need_all(off % 8 == 0, "edge_off", "not on a word")
    _need_all(off < c["obj_ptrend"][source], "edge_off", "not below obj_ptrend")
    same = source[1:] == source[:-1]
    _need_all(~same | (off[1:] > off[:-1]), "edge_off", "the next edge does not ascend")
    _need_all((dst >= 0) & (dst < n), "edge_dst", "no such object")
    _need_all(c["edge_dst_off"] < c["obj_size"][dst], "edge_dst_off", "outside its object")


def _check_roots(c: Mapping[str, Any], meta: Mapping[str, Any]) -> None:
    n, kind, dst = len(c["obj_addr"]), c["root_kind"], c["root_dst"]
    g, frame = c["root_g"], c["root_frame"]
    _need_all((kind > 0) & (kind < len(ROOT_KINDS)), "root_kind", "no such kind")
    _need_all((g >= -1) & (g < len(meta["goroutines"])), "root_g", "no such goroutine")
    _need_all((frame >= -1) & (frame < len(meta["frame_names"])), "root_frame", "no such frame")
    of_stack = kind == _KIND["stack"]
    _need_all(~of_stack | ((g >= 0) & (frame >= 0)), "root_g", "stack root without its frame")
    _need_all((dst >= 0) & (dst < n), "root_dst", "no such object")
    _need_all(c["root_dst_off"] < c["obj_size"][dst], "root_dst_off", "outside its object")


def _check_slots(c: Mapping[str, Any]) -> None:
    np = _numpy()
    n, off = len(c["obj_addr"]), c["slot_off"]
    nslots, ptrend = c["obj_nslots"], c["obj_ptrend"]
    source = np.repeat(np.arange(n, dtype="u8"), nslots)
    _need_all(off % 8 == 0, "slot_off", "not on a word")
    key = (source << np.uint64(32)) | off
    _need_all(key[1:] > key[:-1], "slot_off", "the next slot does not ascend")
    last = np.cumsum(nslots, dtype="i8")[nslots > 0] - 1
    _need_all(off[last] + np.uint64(8) == ptrend[nslots > 0], "slot_off", "not below obj_ptrend")
    edge_source = np.repeat(np.arange(n, dtype="u8"), c["edge_count"])
    edge_key = (edge_source << np.uint64(32)) | c["edge_off"]
    at = np.searchsorted(key, edge_key)
    is_slot = at < len(key)
    is_slot[is_slot] = key[at[is_slot]] == edge_key[is_slot]
    _need_all(is_slot, "edge_off", "not a pointer slot")


def _freeze(columns: Mapping[str, Any], meta: dict[str, Any]) -> HeapGraph:
    for array in columns.values():
        array.flags.writeable = False
    return HeapGraph(**columns, meta=meta)


# ---- Raw dumps ----


def _from_columns(raw: Mapping[str, tuple[str, bytes]], dump: bytes) -> HeapGraph:
    """The columns that the C reader made (it has checked them), and meta as a recording has it."""
    np = _numpy()

    def rows(name: str, width: int) -> list[list[int]]:
        values: list[int] = np.frombuffer(raw[name][1], raw[name][0]).tolist()
        return [values[i : i + width] for i in range(0, len(values), width)]

    def scalar(name: str) -> int:
        return rows(name, 1)[0][0]

    def text(offset: int, length: int) -> str:
        return dump[offset : offset + length].decode("utf-8", "replace")

    names = [text(*row) for row in rows("names", 2)]
    frames = iter(name for (name,) in rows("frame_name", 1))
    goroutines = [
        {
            "id": number,
            "status": _STATUS.get(status, str(status)),
            "wait": text(wait, wait_length),
            "system": bool(is_system),
            "frames": [names[next(frames)] for _ in range(count)],
        }
        for number, status, is_system, wait, wait_length, count in rows("goroutines", 6)
    ]
    finalizers = rows("finalizers", 4)
    meta = {
        "format": FORMAT,
        "program": "",
        "go": text(*rows("go_version", 2)[0]),
        "arch": text(*rows("arch", 2)[0]),
        "base": scalar("base"),
        "heap_end": scalar("heap_end"),
        "root_kinds": list(ROOT_KINDS),
        "frame_names": names,
        "goroutines": goroutines,
        "memstats": dict(zip(_MEMSTATS, (v for (v,) in rows("memstats", 1)), strict=False)),
        "finalizers": len(finalizers),
        "finalizer_table": finalizers,  # object, offset, function, offset; -1: not in the heap
        "phantom_slots_dropped": scalar("phantoms"),
        "spans": _SPANS[scalar("spans")],
        "spans_from_memstats": bool(scalar("spans_from_memstats")),
        "cpus": scalar("cpus"),
    }
    columns = {name: np.frombuffer(raw[name][1], _COLUMNS[name][0]) for name in _COLUMNS}
    segments = {
        name: (address, at, size)
        for name, (address, at, size) in zip(("data", "bss"), rows("segment", 3), strict=True)
    }
    contents = Contents(np.frombuffer(raw["obj_content"][1], "<u8"), segments)
    return replace(_freeze(columns, meta), contents=contents)
