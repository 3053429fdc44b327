"""``python -m gcsim heap FILE``: what a heap holds, and why it is still there.

A `HeapReport` is the answers as values; they are printed, written as JSON, or become one page
(gcsim._heap_page).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcsim._errors import ConversionError, Error, NotThereYetError
from gcsim._files import write_whole
from gcsim._graph import HeapGraph
from gcsim._heap_files import _read, _snapshot
from gcsim._heap_files_dot import top_retainers
from gcsim._results import bytes_text
from gcsim._snapshot import Row, Snapshot, Suspect, WhyAlive

if TYPE_CHECKING:
    from gcsim._go_types import Known

ABOUT = (
    "Reads a Go heap dump of runtime/debug.WriteHeapDump (gzip too), a recorded graph (.npz) or a"
    " DevTools heap snapshot, and says what is in it, which objects retain the most, and which"
    " holders look like leaks. Contents of objects are never shown. Exit status 2 if a file cannot"
    " be read or written, or there is no such object."
)
SURE_WORDS = (
    "declared: a global's type says it; spread: a field of an object with a type, or an interface,"
    " does, and slot and pointers are as the type wants; disputed: another such field says another"
    " type"
)
_ROWS = 20  # of a table
_LINES = 24  # of a path
_TOLD = ("HeapObjects", "HeapAlloc", "HeapSys", "NumGC")  # of the dump's own MemStats


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help="what it is is known by its first bytes")
    add(
        "--why",
        action="append",
        default=[],
        metavar="N|0xADDR",
        help="why this object is alive: its number, or an address in it; may be given again",
    )
    add("--paths", type=int, default=3, metavar="N", help="of --why: how many (default: 3)")
    add(
        "--diff",
        type=Path,
        metavar="OLDER",
        help="an older dump of the same program: what has grown since",
    )
    add(
        "--exe",
        type=Path,
        metavar="BINARY",
        help="the program: names of its globals, from its symbol table, and types of objects, from"
        " its DWARF (needs pyelftools: pip install 'gcsim[go]')",
    )
    add(
        "--threshold",
        type=float,
        default=0.01,
        metavar="F",
        help="suspects retain at least this part of what is reachable (default: %(default)s)",
    )
    add("--rows", type=int, default=_ROWS, metavar="N", help="of a table (default: %(default)s)")
    add("--json", action="store_true", help="print one JSON object instead of text")
    add("--html", type=Path, metavar="PAGE", help="write the report as one HTML page")


@dataclass(frozen=True)
class Holder:
    """An object that retains much: its number, what it is, where it lay, bytes of itself and of
    what it retains, the root of a shortest path to it, how sure its type is (gcsim._go_types)."""

    number: int
    kind: str
    address: int
    bytes: int
    retained: int
    root: str
    sure: str = ""


@dataclass(frozen=True)
class HeapReport:
    """What is said of a heap. All sizes are bytes of slots; tuples are sorted, the most first."""

    snapshot: Snapshot
    source: dict[str, Any]  # what the file says of itself: words to words or numbers
    objects: int
    bytes: int
    reachable_objects: int
    reachable_bytes: int
    pointers: int
    roots: int
    histogram: tuple[Row, ...]
    top: tuple[Holder, ...]
    suspects: tuple[Suspect, ...]
    goroutines: tuple[Row, ...]  # by function and state: how many, bytes that only they keep
    grown: tuple[Row, ...] | None = None  # since the older dump
    older: str = ""
    why: tuple[WhyAlive, ...] = ()
    unknown: tuple[str, ...] = field(default=())  # what this file cannot tell
    known: Known | None = None  # how sure types are that a binary told

    def sure(self, name: str) -> str:
        """Of the objects in that row of the histogram, in words."""
        counts = self.sure_counts.get(name)
        if not counts:
            return "unknown"
        words = " and ".join(word for word in ("declared", "spread") if counts.get(word))
        disputed = f"{counts['disputed']:,} disputed" if counts.get("disputed") else ""
        return ", ".join(filter(None, (words, disputed)))

    @cached_property
    def sure_counts(self) -> dict[str, dict[str, int]]:
        return self.known.by_type(self.snapshot) if self.known is not None else {}

    @cached_property
    def shares(self) -> dict[str, tuple[int, int]]:
        """Word of gcsim._go_types.SURE -> objects, bytes."""
        return self.known.totals(self.snapshot) if self.known is not None else {}


def report(
    heap: Snapshot | HeapGraph,
    path: Path,
    *,
    threshold: float = 0.01,
    rows: int = _ROWS,
    why: tuple[str, ...] = (),
    paths: int = 3,
    older: tuple[Path, Snapshot | HeapGraph] | None = None,
    exe: Path | None = None,
) -> HeapReport:
    """The report on a heap that was read from a file."""
    graph = heap if isinstance(heap, HeapGraph) else None
    binary = _Binary(exe) if exe is not None else None
    snapshot, known = _told(heap, path, binary)
    before = _told(older[1], older[0], binary)[0] if older else None
    reached = sum(d is not None for d in snapshot.dominators())
    return HeapReport(
        snapshot=snapshot,
        source=_source(graph, snapshot),
        objects=len(snapshot),
        bytes=snapshot.bytes,
        reachable_objects=reached,
        reachable_bytes=snapshot.reachable_bytes,
        pointers=len(snapshot._columns[2]) // 4,
        roots=len(snapshot._root_names),
        histogram=tuple(snapshot.histogram())[:rows],
        top=_top(snapshot, rows, known),
        suspects=snapshot.suspects(threshold),
        goroutines=_goroutines(graph)[:rows],
        grown=None if before is None else tuple(snapshot.diff(before))[:rows],
        older=older[0].name if older else "",
        why=tuple(snapshot.why_alive(_number(what), paths) for what in why),
        unknown=_unknown(graph, binary),
        known=known,
    )


class _Binary:
    """What a program's binary tells: names, and types or why there are none."""

    def __init__(self, exe: Path) -> None:
        from gcsim._dwarf import Dwarf
        from gcsim._elf import Globals

        self.symbols = Globals(exe)
        self.types: Dwarf | None = None
        self.without = ""
        try:
            self.types = Dwarf(exe)
        except NotThereYetError as error:
            self.without = str(error)


def _told(
    heap: Snapshot | HeapGraph, path: Path, binary: _Binary | None
) -> tuple[Snapshot, Known | None]:
    """The snapshot of a heap with all that the binary tells, and how sure its types are."""
    graph = heap if isinstance(heap, HeapGraph) else None
    snapshot = _snapshot(heap, path) if isinstance(heap, HeapGraph) else heap
    if binary is None:
        return snapshot, None
    if graph is not None:
        binary.symbols.refuse_other(graph)
    if graph is None or binary.types is None:
        from gcsim._elf import named

        return named(snapshot, binary.symbols), None
    from gcsim._go_types import typed

    return typed(snapshot, graph, binary.symbols, binary.types, path)


def _number(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise ConversionError(
            f"--why takes a number or an address such as 0xc000012000, not {text!r}"
        ) from None


def _source(graph: HeapGraph | None, snapshot: Snapshot) -> dict[str, Any]:
    if graph is None:
        return {"name": snapshot.name, "from": "a heap snapshot of DevTools' form"}
    stats = graph.meta.get("memstats", {})
    return {
        "name": snapshot.name,
        "go": graph.meta["go"],
        "architecture": graph.meta["arch"],
        "goroutines": len(graph.meta["goroutines"]),
        **{key: stats[key] for key in _TOLD if key in stats},
    }


def _top(snapshot: Snapshot, rows: int, known: Known | None) -> tuple[Holder, ...]:
    found = []
    for i in top_retainers(snapshot, rows):
        if not snapshot.retained(i):
            break
        steps = snapshot._shortest_steps(i)
        assert steps is not None
        root, _ = snapshot._walked(steps)
        found.append(
            Holder(
                i,
                snapshot._kind(i),
                snapshot.address(i),
                snapshot.size(i),
                snapshot.retained(i),
                root,
                known.sure(i) if known is not None else "",
            )
        )
    return tuple(found)


def _goroutines(graph: HeapGraph | None) -> tuple[Row, ...]:
    """How many goroutines are in the same function for the same reason; the function is the
    innermost that is not the runtime's. bytes: 0, stacks are not in a dump of the heap."""
    counts: dict[str, int] = {}
    for g in graph.meta["goroutines"] if graph is not None else ():
        if g.get("system"):
            continue
        frames = g.get("frames", [])
        outside = [f for f in frames if not f.startswith(("runtime.", "sync.", "internal/"))]
        where = (outside or frames or ["?"])[0]
        state = g.get("wait") or g.get("status") or "?"
        counts[f"{where}: {state}"] = counts.get(f"{where}: {state}", 0) + 1
    rows = [Row(name, n, 0) for name, n in counts.items()]
    return tuple(sorted(rows, key=lambda r: (-r.objects, r.name)))


def _unknown(graph: HeapGraph | None, binary: _Binary | None) -> tuple[str, ...]:
    said = [
        "Whether what is held is wanted: a cache and a leak look alike in one moment. Compare with"
        " an older dump of the same program (--diff OLDER): a leak has grown, a bounded cache has"
        " not.",
    ]
    if graph is None:
        return tuple(said)
    said += [
        _about_types(binary),
        "Requested sizes: a slot is the size class above what the program asked for, and a tiny"
        " block of 16 bytes may hold several small objects.",
        "Who allocated an object, unless a heap profile tells (runtime/pprof).",
        "Why a stack slot is live: a variable that is not used again may still stand there.",
        "What cleanups and weak pointers refer to; finalizers are shown.",
    ]
    if binary is None:
        said.append(
            "Names of globals: roots such as bss+0x440 are places in a segment. Give the program's"
            " binary (--exe BINARY), built without -ldflags=-s."
        )
    return tuple(said)


def _about_types(binary: _Binary | None) -> str:
    if binary is not None and binary.types is not None:
        return (
            "Types of objects that only stacks, closures or unsafe pointers lead to: a stack slot"
            " has no type in a dump. They are told apart by the size of their slot and"
            " by whether there are pointers in it."
        )
    why = " " + binary.without[:1].upper() + binary.without[1:] + "." if binary is not None else ""
    give = "" if binary is not None else " The program's binary has types (--exe BINARY)."
    return (
        "Types of objects: a Go dump has sizes and pointers only. Objects are told apart by the"
        f" size of their slot and by whether there are pointers in it.{why}{give}"
    )


# ---- as text, as JSON ----


def shortened(words: str) -> str:
    """A path through a long list has a line for each of its objects: the first and the last are
    kept."""
    lines = words.split("\n")
    if len(lines) <= _LINES:
        return words
    left_out = f"  ({len(lines) - _LINES:,} more on the way),"
    return "\n".join([*lines[: _LINES // 2], left_out, *lines[-_LINES // 2 :]])


def text(r: HeapReport) -> str:
    """The report for a terminal."""
    source = ", ".join(f"{key} {value}" for key, value in r.source.items())
    lines = [
        f"{source}",
        f"{r.objects:,} objects in {bytes_text(r.bytes)}, {r.pointers:,} pointers,"
        f" {r.roots:,} roots",
        f"reachable: {r.reachable_objects:,} objects in {bytes_text(r.reachable_bytes)};"
        f" garbage: {r.objects - r.reachable_objects:,} in"
        f" {bytes_text(r.bytes - r.reachable_bytes)}",
    ]
    lines += _typed_words(r)
    for why in r.why:
        lines += ["", shortened(why.words)]
    if r.grown is not None:
        lines += ["", f"grown since {r.older} (bytes, objects, root and sizes on the path)"]
        lines += [f"{row.bytes:>+14,} B {row.objects:>+10,}  {row.name}" for row in r.grown]
        lines += ["  nothing"] * (not r.grown)
    lines += ["", f"suspects: {len(r.suspects)}"]
    for suspect in r.suspects:
        lines += ["", shortened(suspect.words)]
    lines += ["", "what retains the most (bytes retained, of its own, object, held by)"]
    lines += [
        f"{h.retained:>14,} B {h.bytes:>10,} B  {h.number} ({_kind(h)})  {h.root}" for h in r.top
    ]
    lines += _kinds(r)
    if r.goroutines:
        lines += ["", "goroutines (how many, where and why they wait)"]
        lines += [f"{row.objects:>10,}  {row.name}" for row in r.goroutines]
    lines += ["", "what this cannot tell"]
    lines += [f"  - {said}" for said in r.unknown]
    return "\n".join(lines)


def _kind(h: Holder) -> str:
    return f"{h.kind}, type disputed" if h.sure == "disputed" else h.kind


def _typed_words(r: HeapReport) -> list[str]:
    """How many objects have a type, and how sure that is."""
    if r.known is None:
        return []
    parts = [
        f"{objects:,} {word} ({size / max(r.bytes, 1):.1%} of all bytes)"
        for word, (objects, size) in r.shares.items()
        if objects
    ]
    return [f"types: {', '.join(parts)}", f"  {SURE_WORDS}"]


def _kinds(r: HeapReport) -> list[str]:
    """The histogram; how sure types are stands in front of them."""
    head, sure = "bytes, objects", [""] * len(r.histogram)
    if r.known is not None:
        head, sure = f"{head}, how sure the type is", [r.sure(row.name) for row in r.histogram]
        width = max(map(len, sure), default=0)
        sure = [f"{word:<{width}}  " for word in sure]
    return ["", f"objects by kind ({head})"] + [
        f"{row.bytes:>14,} B {row.objects:>10,}  {word}{row.name}"
        for row, word in zip(r.histogram, sure, strict=True)
    ]


def as_json(r: HeapReport) -> str:
    """The report for a program: counts and bytes are numbers."""

    def rows(of: tuple[Row, ...]) -> list[dict[str, Any]]:
        return [row._asdict() for row in of]

    def suspect(s: Suspect) -> dict[str, Any]:
        return {
            "root": s.path.root,
            "path": [step._asdict() for step in s.path.steps],
            "holders": list(s.holders),
            "objects": s.objects,
            "bytes": s.bytes,
            "words": s.words,
        }

    def why(w: WhyAlive) -> dict[str, Any]:
        paths = [{"root": p.root, "steps": [s._asdict() for s in p.steps]} for p in w.paths]
        return {"number": w.number, "paths": paths, "complete": w.complete, "words": w.words}

    types = None
    if r.known is not None:
        types = {
            "objects": {word: objects for word, (objects, _) in r.shares.items()},
            "bytes": {word: size for word, (_, size) in r.shares.items()},
            "sure": r.sure_counts,
        }
    made = {
        "source": r.source,
        "objects": r.objects,
        "bytes": r.bytes,
        "reachable_objects": r.reachable_objects,
        "reachable_bytes": r.reachable_bytes,
        "pointers": r.pointers,
        "roots": r.roots,
        "histogram": rows(r.histogram),
        "types": types,
        "top": [dataclasses.asdict(h) for h in r.top],
        "suspects": [suspect(s) for s in r.suspects],
        "goroutines": [{"name": g.name, "count": g.objects} for g in r.goroutines],
        "grown": None if r.grown is None else rows(r.grown),
        "why": [why(w) for w in r.why],
        "unknown": list(r.unknown),
    }
    return json.dumps(made, indent=2)


def main(args: argparse.Namespace) -> int:
    """``python -m gcsim heap``."""
    try:
        older = None if args.diff is None else (args.diff, _read(args.diff))
        made = report(
            _read(args.file),
            args.file,
            threshold=args.threshold,
            rows=args.rows,
            why=tuple(args.why),
            paths=args.paths,
            older=older,
            exe=args.exe,
        )
        if args.html is not None:
            from gcsim._heap_page import page

            write_whole(args.html, page(made))
    except (OSError, Error) as error:
        print(f"python -m gcsim heap: {error}", file=sys.stderr)
        return 2
    if args.json:
        print(as_json(made))
    elif args.html is not None:
        print(f"{args.html}: the report on {made.objects:,} objects in {bytes_text(made.bytes)}")
    else:
        print(text(made))
    return 0
