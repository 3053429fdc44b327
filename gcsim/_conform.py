"""Replaying golden files, printed by Go's own runtime, through the C core.

Each kind of file is recognised by its header. Every row is compared, exactly; nothing is skipped.
The core is reached through the white-box tables of :mod:`gcsim.lowlevel` (this needs cffi).
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gcsim import (
    _conform_boxes,
    _conform_maps,
    _conform_pacer,
    _conform_pool,
    _conform_recipes,
    _conform_slices,
    _gctrace,
)
from gcsim._errors import DumpFormatError

_MAX_DIFFERENCES = 5  # kept for printing
_NONE = (1 << 64) - 1
_Row = dict[str, str]


@dataclass
class Conformance:
    """What one file's replay gave: comparisons, how many were equal, the first that were not."""

    name: str
    total: int = 0
    matched: int = 0
    differences: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    path: Path = field(default_factory=Path)
    figures: dict[str, int] = field(default_factory=dict)
    not_replayed: int = 0  # rows that `notes` names

    def check(self, where: str, ours: object, gos: object) -> None:
        """Count one comparison."""
        self.total += 1
        if ours == gos:
            self.matched += 1
        elif len(self.differences) < _MAX_DIFFERENCES:
            self.differences.append(f"{where}: gcsim {ours}, Go {gos}")

    def check_row(self, where: str, differences: Sequence[str]) -> None:
        """Count one row whose columns were compared; `differences` tells of those not equal."""
        self.total += 1
        self.matched += not differences
        if len(self.differences) < _MAX_DIFFERENCES:
            self.differences += [f"{where} {difference}" for difference in differences]

    @property
    def complete(self) -> bool:
        """Whether all comparisons were equal, and there was one unless no row can be replayed."""
        return self.matched == self.total and self.total + self.not_replayed > 0

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.matched}/{self.total}"]
        return "\n".join(lines + [f"  {line}" for line in self.notes + self.differences])


def conform(path: str | Path) -> Conformance:
    """Replay one golden file.

    Raises DumpFormatError if the file is none of the known kinds or is damaged, OSError if it
    cannot be read.
    """
    path = Path(path)
    text = read_text(path)
    result = Conformance(path.name, path=path)
    try:
        if text.lstrip().startswith("["):
            _replay_structs(json.loads(text), result)
            return result
        if _gctrace.is_log(text):
            from gcsim import _open_loop

            return _open_loop.replay(text, path)
        lines = text.splitlines()
        rows = csv.DictReader(lines)
        replay = _BY_HEADER.get(tuple(rows.fieldnames or ())[:4])
        if replay is None:
            known = ", ".join(" ".join(header) for header in _BY_HEADER)
            raise DumpFormatError(
                f"{path}: not a golden file that this version replays; its header begins with"
                f" {list(rows.fieldnames or ())[:4]}, known are: {known}"
            )
        replay(rows, result)
    except (KeyError, ValueError, TypeError, IndexError, ArithmeticError) as error:
        if isinstance(error, DumpFormatError):
            raise
        raise DumpFormatError(
            f"{path}: damaged after {result.total} comparisons: {error!r}"
        ) from error
    return result


def read_text(path: Path) -> str:
    """A text file, compressed or not. Raises DumpFormatError, OSError."""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError) as error:
            raise DumpFormatError(f"{path}: damaged gzip file: {error}") from error
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise DumpFormatError(f"{path}: not a text file: {error}") from error


def _int(text: str) -> int:
    return int(text) if text else -1


# --- sizes ---------------------------------------------------------------------------------------


def _replay_sizes(rows: Iterator[_Row], result: Conformance) -> None:
    from gcsim.lowlevel import whitebox

    for row in rows:
        noscan = row["kind"].endswith("noscan")
        low, high = int(row["size_lo"]), int(row["size_hi"])
        gos = tuple(
            int(row[name])
            for name in (
                "tiny",
                "size_class",
                "slot_bytes",
                "span_pages",
                "header_bytes",
                "usable_bytes",
                "round_bytes",
            )
        )
        # Every size of the run that is not long, else its ends and a few between.
        sizes = (
            range(low, high + 1) if high - low < 4096 else (low, low + 1, (low + high) // 2, high)
        )
        ours = {_size_rule(whitebox, size, noscan) for size in sizes}
        result.check(f"{row['kind']} {low}..{high}", ours, {gos})


def _size_rule(whitebox: Any, size: int, noscan: bool) -> tuple[int, ...]:
    out = whitebox.sizeclass(size, noscan)
    if size == 0:  # no memory: Go's table prints class -1
        return (0, -1, 0, 0, 0, 0, 0)
    # A tiny block can be used whole; the row tells what append rounds to.
    return (
        int(out.tiny),
        out.size_class,
        out.slot_bytes,
        out.span_pages,
        out.header_bytes,
        out.usable_bytes,
        whitebox.roundupsize(size, noscan),
    )


def _replay_spans(rows: Iterator[_Row], result: Conformance) -> None:
    from gcsim.lowlevel import whitebox

    for row in rows:
        size_class, noscan = int(row["size_class"]), row["noscan"] == "1"
        g = whitebox.span_geometry(size_class, noscan, True)
        ours = (
            2 * size_class + noscan,
            g.slot_bytes,
            g.span_pages,
            g.span_pages * 8192,
            g.nelems,
            g.limit_bytes,
            g.span_pages * 8192 - g.limit_bytes,
            g.heap_bits_offset,
            128 if g.heap_bits_offset >= 0 else 0,
            g.inline_marks_offset,
            128 if g.inline_marks_offset >= 0 else 0,
            g.div_magic,
        )
        names = (
            "span_class slot_bytes span_pages span_bytes nelems object_bytes_limit tail_bytes"
            " heap_bits_offset heap_bits_bytes inline_marks_offset inline_marks_bytes div_magic"
        )
        gos = tuple(int(row[name]) for name in names.split())
        result.check(f"class {size_class} noscan {int(noscan)}", ours, gos)


def _replay_size_classes(rows: Iterator[_Row], result: Conformance) -> None:
    from gcsim.lowlevel import whitebox

    for row in rows:
        c = int(row["class"])
        scan, noscan = (whitebox.span_geometry(c, flag, True) for flag in (False, True))
        old_scan, old_noscan = (whitebox.span_geometry(c, flag, False) for flag in (False, True))
        ours = {
            "object_bytes": scan.slot_bytes,
            "span_bytes": scan.span_pages * 8192,
            "span_pages": scan.span_pages,
            "div_magic": scan.div_magic,
            "heap_bits_in_span": int(scan.heap_bits_offset >= 0),
            "malloc_header": 8 * int(scan.heap_bits_offset < 0),
            "inline_mark_bits": int(noscan.inline_marks_offset >= 0),
            "nelems_scan": scan.nelems,
            "nelems_noscan": noscan.nelems,
            "limit_scan": scan.limit_bytes,
            "limit_noscan": noscan.limit_bytes,
            "heap_bits_offset_scan": scan.heap_bits_offset,
            "inline_mark_bits_offset": scan.inline_marks_offset,
            "nelems_scan_nogreentea": old_scan.nelems,
            "nelems_noscan_nogreentea": old_noscan.nelems,
            "heap_bits_offset_scan_nogreentea": old_scan.heap_bits_offset,
            "objects_nominal": scan.span_pages * 8192 // scan.slot_bytes,
            "tail_waste_nominal": scan.span_pages * 8192 % scan.slot_bytes,
        }
        gos = {name: _int(row[name]) for name in ours}
        result.check(f"class {c}", ours, gos)


# --- memory profile ------------------------------------------------------------------------------


def _replay_profile(rows: Iterator[_Row], result: Conformance) -> None:
    from gcsim.lowlevel import whitebox

    for row in rows:
        count, size, rate = (int(row[name]) for name in ("count", "bytes", "rate"))
        ours = whitebox.profile_scale(count, size, rate)
        gos = (int(row["est_count"]), int(row["est_bytes"]))
        result.check(f"{count} objects, {size} bytes, rate {rate}", ours, gos)


# --- struct layout -------------------------------------------------------------------------------


def _go_type(spec: dict[str, Any]) -> Any:
    from gcsim import _types as t

    if spec["k"] == "array":
        return t.TypeExpr("array", (t.to_expr(_go_type(spec["e"])),), spec["n"])
    if spec["k"] == "struct":
        return t.anonymous_struct({f"f{i}": _go_type(f) for i, f in enumerate(spec["f"])})
    kinds: dict[str, Any] = {
        "bool": t.bool_,
        "int": int,
        "int8": t.i8,
        "int16": t.i16,
        "int32": t.i32,
        "int64": t.i64,
        "uint": t.go_uint,
        "uint8": t.u8,
        "uint16": t.u16,
        "uint32": t.u32,
        "uint64": t.u64,
        "uintptr": t.uintptr,
        "float32": t.f32,
        "float64": t.f64,
        "complex64": t.c64,
        "complex128": t.c128,
        "string": t.string,
        "slice": t.slice_[t.i64],
        "pointer": t.ptr[t.i64],
        "interface": t.iface,
        "map": t.map_[t.string, t.i64],
        "func": t.func_,
        "chan": t.chan[t.i64],
        "unsafe.Pointer": t.ptr,
    }
    return kinds[spec["k"]]


def _replay_structs(structs: Sequence[dict[str, Any]], result: Conformance) -> None:
    from gcsim._layout import layout
    from gcsim._types import anonymous_struct

    names = ("size", "align", "ptr_bytes", "ptr_mask")
    for s in structs:
        fields = {str(i): _go_type(f["type"]) for i, f in enumerate(s["fields"])}
        ours = layout(anonymous_struct(fields))
        result.check(
            s["name"],
            (
                (ours.bytes, ours.align, ours.ptr_bytes, ours.mask),
                [(f.offset, f.bytes, f.align, f.ptr_bytes) for f in ours.fields],
                ([int(name) for name in ours.best_order], ours.best_bytes, ours.best_ptr_bytes),
            ),
            (
                tuple(s[name] for name in names),
                [(f["offset"], f["size"], f["align"], f["ptr_bytes"]) for f in s["fields"]],
                tuple(s["optimal"][name] for name in ("order", "size", "ptr_bytes")),
            ),
        )


# --- page allocator ------------------------------------------------------------------------------

# Pages count from Go's amd64 arena offset: 0xc000 chunks in, plus 2^25 (mpagealloc.go:chunkIndex).
_BASE_CHUNK = 0xC000 + (1 << 25)
_BASE_PAGE = _BASE_CHUNK * 512


def _replay_pagealloc(rows: Iterator[_Row], result: Conformance) -> None:
    from gcsim.lowlevel import PageAllocReplay

    sequence, replay = None, None
    for row in rows:
        if row["seq"] != sequence:
            sequence = row["seq"]
            replay = PageAllocReplay(0, 1 << 26, 5)
        assert replay is not None
        ours, gos = _pagealloc_step(replay, row)
        if row["summary_hash"]:
            ours += (
                replay.free_pages,
                f"{replay.alloc_hash:016x}",
                f"{replay.scav_hash:016x}",
                f"{replay.summary_hash:016x}",
            )
            gos += (
                int(row["free_pages"]),
                row["alloc_hash"],
                row["scav_hash"],
                row["summary_hash"],
            )
        result.check(f"{sequence} row {row['i']} {row['op']}", ours, gos)


def _pages_of(text: str) -> list[tuple[str, int, int]]:
    """``A3+5`` or ``3+5``: kind, first page, how many."""
    ranges = []
    for item in text.split():
        kind = item[0] if item[0] in "AS" else ""
        first, count = item.removeprefix(kind).split("+")
        ranges.append((kind, int(first), int(count)))
    return ranges


def _pagealloc_step(replay: Any, row: _Row) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    op, a, b = row["op"], int(row["a"]), int(row["b"])
    page, scav = -1, 0
    if op == "init":
        replay.init_chunk(_BASE_CHUNK + a)
        for kind, first, count in _pages_of(row["init_ranges"]):
            replay.init_range(_BASE_PAGE + a * 512 + first, count, kind == "S")
    elif op == "grow":
        replay.grow(_BASE_CHUNK + a, b)
    elif op == "alloc":
        page, scav = replay.alloc(a)
    elif op == "free":
        replay.free(_BASE_PAGE + a, b)
    elif op == "tocache":
        page = replay.to_cache()
    elif op == "cachealloc":
        page, scav = replay.cache_alloc(a)
    elif op == "flush":
        replay.flush()
    elif op == "scavenge":
        for _, first, count in _pages_of(row["init_ranges"]):
            scav += replay.scavenge_range(_BASE_PAGE + first, count)
    elif op != "end":
        raise ValueError(f"unknown operation {op!r}")
    ours: tuple[Any, ...] = (page - _BASE_PAGE if page >= 0 else -1, scav * 8192)
    gos: tuple[Any, ...] = (_int(row["result_page"]), int(row["result_scav"] or 0))
    if row["cache_bits"]:
        ours += (replay.cache_bits, replay.cache_scav)
        gos += (int(row["cache_bits"], 16), int(row["cache_scav"], 16))
    return ours, gos


# --- allocation layout ---------------------------------------------------------------------------


class _Layout:
    """One heap, one mutator, no collection by itself; tells where each allocation lands."""

    def __init__(self) -> None:
        from gcsim.lowlevel import RawHeap

        # Swept by nobody else, so that spans come back in one order.
        self.heap = RawHeap(gc_percent=-1, stop_the_world=1)
        self._spans: dict[int, int] = {}
        self._per_class: dict[int, int] = {}
        self._numbers: dict[int, int] = {}

    def allocate(self, size: int, scan: bool) -> tuple[int, Any, int]:
        """Address, object, and offset inside the slot."""
        address = self.heap.allocate(size, scan)
        found = self.heap.find(address)
        return address, found, address - found.base

    def number(self, found: Any) -> tuple[int, int, bool]:
        """The span's number by first use, the same within its class, and whether it is new."""
        first = found.span_page not in self._spans
        if first:
            self._spans[found.span_page] = len(self._spans)
            self._numbers[found.span_page] = self._per_class.get(found.span_class, 0)
            self._per_class[found.span_class] = self._numbers[found.span_page] + 1
        return self._spans[found.span_page], self._numbers[found.span_page], first


def _replay_layout(rows: Iterator[_Row], result: Conformance) -> None:
    layout = _Layout()
    for row in rows:
        _, found, offset = layout.allocate(int(row["size"]), row["scan"] == "1")
        span, in_class, first = layout.number(found)
        ours = (found.span_class, span, in_class, found.index, offset, int(first))
        names = ("span_class", "span_seq", "class_seq", "slot", "offset", "first_in_span")
        result.check(f"allocation {row['i']}", ours, tuple(int(row[name]) for name in names))


def _replay_reuse(rows: Iterator[_Row], result: Conformance) -> None:
    case: str | None = None
    layout = _Layout()
    spans: dict[int, int] = {}
    reusing, fresh = False, 100
    for row in rows:
        if row["case"] != case:
            case, layout, spans, reusing = row["case"], _Layout(), {}, False
        if row["phase"] == "reuse" and not reusing:
            reusing = True
            layout.heap.collect()
            kept = layout.heap.pages_in_use()
            spans = {page: number for page, number in spans.items() if page in kept}
            fresh = 100
        address, found, _ = layout.allocate(int(row["size"]), row["scan"] == "1")
        if found.span_page not in spans:
            spans[found.span_page] = fresh if reusing else len(spans)
            fresh = fresh + 1 if reusing else 0
        if row["kept"] == "1":
            layout.heap.keep(address)
        ours = (found.span_class, spans[found.span_page], found.index)
        gos = tuple(int(row[name]) for name in ("span_class", "span_seq", "slot"))
        result.check(f"case {case} {row['phase']} {row['i']}", ours, gos)


_BY_HEADER: dict[tuple[str, ...], Callable[[Iterator[_Row], Conformance], None]] = {
    ("kind", "size_lo", "size_hi", "tiny"): _replay_sizes,
    ("size_class", "noscan", "span_class", "slot_bytes"): _replay_spans,
    ("class", "object_bytes", "span_bytes", "span_pages"): _replay_size_classes,
    ("seq", "i", "op", "a"): _replay_pagealloc,
    ("i", "size", "scan", "span_class"): _replay_layout,
    ("rate", "count", "bytes", "est_count"): _replay_profile,
    ("case", "size", "scan", "span_class"): _replay_reuse,
    ("scenario", "cycle", "gc_percent", "memory_limit"): _conform_pacer.replay_pacer,
    ("scenario", "cycle", "k", "heap_live"): _conform_pacer.replay_revise,
    ("id", "gc_percent", "memory_limit", "heap_minimum"): _conform_pacer.replay_vectors,
    ("procs", "dedicated", "fractional_goal", "idle_max_heap_trigger"): (
        _conform_pacer.replay_workers
    ),
    ("seq", "i", "op", "arg"): _conform_pacer.replay_limiter,
    ("elem_size", "noscan", "len_after", "old_cap"): _conform_slices.replay_append1,
    ("elem_size", "noscan", "len", "cap"): _conform_slices.replay_appendk,
    ("new_len", "old_cap", "next_cap", "size"): _conform_slices.replay_nextcap,
    ("op", "result_escapes", "lengths", "allocs"): _conform_slices.replay_strings,
    ("seq", "step", "op", "n"): _conform_slices.replay_text,
    ("map", "hint", "insert", "kind"): _conform_maps.replay_allocs,
    ("map", "hint", "keys", "deterministic"): _conform_maps.replay_totals,
    ("seq", "step", "map", "assign"): _conform_maps.replay_hashed,
    ("type", "value", "size", "escapes"): _conform_boxes.replay_iface,
    ("elem", "elem_size", "elem_has_pointers", "cap"): _conform_boxes.replay_chan,
    ("seq", "step", "op", "arg"): _conform_pool.replay_pool,
    ("kind", "func", "old_size", "used"): _conform_boxes.replay_stack_sizes,
    ("gc", "scanned_stack_bytes", "scanned_stacks", "starting_stack"): (
        _conform_boxes.replay_starting_stacks
    ),
    ("name", "setup", "code", "allocs"): _conform_recipes.replay_recipes,
    ("frame_locals", "depth", "stack_bytes"): _conform_boxes.note_stack_depths,
}
