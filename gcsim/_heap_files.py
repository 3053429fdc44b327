"""Heaps in files: one way in and one way out, by the suffix of the file's name.

===================  ============================================================================
``.heapsnapshot``    Chrome's DevTools (Memory, Load): gcsim._heap_files_v8
``.dump .dump.gz``   Go's WriteHeapDump, without the contents of objects: gcsim._heap_files_go
``.npz``             a recorded graph, as `HeapGraph.save_npz` writes it
``.dot``             Graphviz: what retains the most. Written only: gcsim._heap_files_dot
===================  ============================================================================

Files are written whole or not at all.
"""

from __future__ import annotations

import argparse
import os
import stat
import sys
from pathlib import Path

from gcsim._errors import Error, HeapMemoryError, OptionError
from gcsim._files import whole
from gcsim._graph import HeapGraph, open_graph
from gcsim._snapshot import Snapshot

SUFFIXES = (".heapsnapshot", ".dump", ".dump.gz", ".npz", ".dot")
_DOT_OBJECTS = 200


def _suffix(path: str | os.PathLike[str]) -> str:
    name = os.path.basename(os.fspath(path))
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.endswith(suffix):
            return suffix
    raise OptionError(f"{name}: a heap is written as {', '.join(SUFFIXES)}")


def _read(path: str | os.PathLike[str]) -> HeapGraph | Snapshot:
    """What the file is, by its first bytes."""
    path = os.fspath(path)
    with open(path, "rb") as file:
        regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
        if not regular or file.read(64).lstrip()[:1] != b"{":
            return open_graph(path)
        file.seek(0)
        data = file.read()
    from gcsim._heap_files_v8 import read_heapsnapshot

    try:
        return read_heapsnapshot(data, Path(path).name)
    except MemoryError as error:
        raise HeapMemoryError(f"{path!r}: not enough memory to read it") from error


def read_snapshot(path: str | os.PathLike[str]) -> Snapshot:
    """A heap from a file: ``.heapsnapshot`` (ours, or V8's), a Go heap dump (gzip too), a recorded
    graph (``.npz``). What it is is known by its first bytes.

    OSError if it cannot be opened, DumpFormatError or UnsupportedDumpError (both ValueError) if it
    cannot be understood: they say at which byte. Dumps and graphs need NumPy.
    """
    found = _read(path)
    if isinstance(found, Snapshot):
        return found
    return _snapshot(found, path)


def _snapshot(graph: HeapGraph, path: str | os.PathLike[str]) -> Snapshot:
    name = graph.meta.get("program") or Path(path).name.split(".")[0] or "heap"
    return Snapshot(graph, str(name))


def write_snapshot(
    heap: Snapshot | HeapGraph,
    path: str | os.PathLike[str],
    limit: int | None = _DOT_OBJECTS,
) -> None:
    """Write a heap, by the suffix of the file's name: see this module.

    limit   how many objects a .dot has, those that retain the most; None: all of them

    OptionError for another suffix, ConversionError for a heap that the format cannot hold, OSError.
    """
    suffix = _suffix(path)
    if suffix in (".heapsnapshot", ".dot"):
        snapshot = heap if isinstance(heap, Snapshot) else _snapshot(heap, path)
        if suffix == ".dot":
            from gcsim._heap_files_dot import dot

            pieces = dot(snapshot, limit)
        else:
            from gcsim._heap_files_v8 import heapsnapshot

            pieces = heapsnapshot(snapshot)
        with whole(path) as file:
            for text in pieces:
                file.write(text.encode("utf-8", "replace"))
        return
    from gcsim._heap_files_go import go_dump, graph_of, zipped

    graph = heap if isinstance(heap, HeapGraph) else graph_of(heap)
    if suffix == ".npz":
        graph.save_npz(path)
        return
    with whole(path) as file:
        if suffix == ".dump.gz":
            zipped(go_dump(graph), file)
        else:
            file.writelines(go_dump(graph))


# ---- the command ----

ABOUT = (
    "Reads a heap (a Go heap dump, gzip too, a recorded graph, a DevTools heap snapshot) and writes"
    " it in another form, which the suffix of the second name says. Contents of objects are left"
    " out. Exit status 2 if the first cannot be read or the second cannot be written."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("source", type=Path, metavar="FROM", help="what it is is known by its first bytes")
    add("target", type=Path, metavar="TO", help=f"NAME{', NAME'.join(SUFFIXES)}")
    add(
        "--objects",
        type=int,
        default=_DOT_OBJECTS,
        metavar="N",
        help="of a .dot: those that retain the most; 0 for all (default: %(default)s)",
    )


def main(args: argparse.Namespace) -> int:
    """``python -m gcsim convert``."""
    try:
        _suffix(args.target)
        found = _read(args.source)
        write_snapshot(found, args.target, args.objects or None)
    except (OSError, Error) as error:
        print(f"python -m gcsim convert: {error}", file=sys.stderr)
        return 2
    objects = len(found) if isinstance(found, Snapshot) else len(found.obj_addr)
    size = args.target.stat().st_size
    print(f"{args.target}: {objects:,} objects in {size:,} bytes of {_suffix(args.target)[1:]}")
    return 0
