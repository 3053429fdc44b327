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
from pathlib import Path
from typing import Any

from gcsim._errors import ConversionError, Error
from gcsim._files import write_whole
from gcsim._graph import HeapGraph
from gcsim._heap_files import _read, _snapshot
from gcsim._heap_files_dot import top_retainers
from gcsim._results import bytes_text
from gcsim._snapshot import Row, Snapshot, Suspect, WhyAlive

ABOUT = (
    "Reads a Go heap dump of runtime/debug.WriteHeapDump (gzip too), a recorded graph (.npz) or a"
    " DevTools heap snapshot, and says what is in it, which objects retain the most, and which"
    " holders look like leaks. Contents of objects are never shown. Exit status 2 if a file cannot"
    " be read or written, or there is no such object."
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
        help="the program: names of its globals, from its symbol table",
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
    what it retains, the root of a shortest path to it."""

    number: int
    kind: str
    address: int
    bytes: int
    retained: int
    root: str


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


def report(
    heap: Snapshot | HeapGraph,
    path: Path,
    *,
    threshold: float = 0.01,
    rows: int = _ROWS,
    why: tuple[str, ...] = (),
    paths: int = 3,
    older: tuple[str, Snapshot] | None = None,
    exe: Path | None = None,
) -> HeapReport:
    """The report on a heap that was read from a file."""
    graph = heap if isinstance(heap, HeapGraph) else None
    snapshot = _snapshot(heap, path) if isinstance(heap, HeapGraph) else heap
    before = older[1] if older else None
    if exe is not None:
        from gcsim._elf import Globals, named

        symbols = Globals(exe)
        snapshot = named(snapshot, symbols)
        before = named(before, symbols) if before is not None else None
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
        top=_top(snapshot, rows),
        suspects=snapshot.suspects(threshold),
        goroutines=_goroutines(graph)[:rows],
        grown=None if before is None else tuple(snapshot.diff(before))[:rows],
        older=older[0] if older else "",
        why=tuple(snapshot.why_alive(_number(what), paths) for what in why),
        unknown=_unknown(graph, exe),
    )


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


def _top(snapshot: Snapshot, rows: int) -> tuple[Holder, ...]:
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


def _unknown(graph: HeapGraph | None, exe: Path | None) -> tuple[str, ...]:
    said = [
        "Whether what is held is wanted: a cache and a leak look alike in one moment. Compare with"
        " an older dump of the same program (--diff OLDER): a leak has grown, a bounded cache has"
        " not.",
    ]
    if graph is None:
        return tuple(said)
    said += [
        "Types of objects: a Go dump has sizes and pointers only. Objects are told apart by the"
        " size of their slot and by whether there are pointers in it.",
        "Requested sizes: a slot is the size class above what the program asked for, and a tiny"
        " block of 16 bytes may hold several small objects.",
        "Who allocated an object, unless a heap profile tells (runtime/pprof).",
        "Why a stack slot is live: a variable that is not used again may still stand there.",
        "What cleanups and weak pointers refer to; finalizers are shown.",
    ]
    if exe is None:
        said.append(
            "Names of globals: roots such as bss+0x440 are places in a segment. Give the program's"
            " binary (--exe BINARY), built without -ldflags=-s."
        )
    return tuple(said)


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
        f"{h.retained:>14,} B {h.bytes:>10,} B  {h.number} ({h.kind})  {h.root}" for h in r.top
    ]
    lines += ["", "objects by kind (bytes, objects)"]
    lines += [f"{row.bytes:>14,} B {row.objects:>10,}  {row.name}" for row in r.histogram]
    if r.goroutines:
        lines += ["", "goroutines (how many, where and why they wait)"]
        lines += [f"{row.objects:>10,}  {row.name}" for row in r.goroutines]
    lines += ["", "what this cannot tell"]
    lines += [f"  - {said}" for said in r.unknown]
    return "\n".join(lines)


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

    made = {
        "source": r.source,
        "objects": r.objects,
        "bytes": r.bytes,
        "reachable_objects": r.reachable_objects,
        "reachable_bytes": r.reachable_bytes,
        "pointers": r.pointers,
        "roots": r.roots,
        "histogram": rows(r.histogram),
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
        older = None
        if args.diff is not None:
            found = _read(args.diff)
            old = _snapshot(found, args.diff) if isinstance(found, HeapGraph) else found
            older = (args.diff.name, old)
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
