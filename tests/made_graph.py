"""Object graphs made by hand, for the tests: every kind of root, and what no recording has."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gcsim._graph import FORMAT, ROOT_KINDS, HeapGraph

PAGE = 8192
SLOTS = (8, 16, 24, 32, 48, 64, 80, 96, 128, 256, 512, 576, 1024, 1152, 8192, 32768, 40960, 81920)
Target = tuple[int, int] | None  # object, offset in it; None: a nil slot


def columns(
    objects: Sequence[tuple[int, Mapping[int, Target]]],
    roots: Sequence[tuple[str, int, int, int, int, int]] = (),
    goroutines: Sequence[tuple[int, Sequence[str]]] = (),
    frame_names: Sequence[str] = (),
    memstats: Mapping[str, int] | None = None,
    **meta: Any,
) -> dict[str, Any]:
    """The columns of a recording, not checked.

    objects: (slot bytes, {offset of a pointer slot: what it refers to}); roots: (kind, goroutine,
    frame, offset, object, offset in it); goroutines: (id, frames, innermost first).
    """
    sizes = [size for size, _ in objects]
    slots = [sorted(pointers) for _, pointers in objects]
    edges = [
        (off, *pointers[off])  # type: ignore[misc]
        for (_, pointers), offsets in zip(objects, slots, strict=True)
        for off in offsets
        if pointers[off] is not None
    ]
    kinds = [ROOT_KINDS.index(root[0]) for root in roots]
    made: dict[str, Any] = {
        "obj_addr": np.cumsum([0, *sizes], dtype="<u8")[:-1],
        "obj_size": np.array(sizes, "<u4"),
        "obj_noscan": np.array([not offsets for offsets in slots], "|u1"),
        "obj_nslots": np.array([len(offsets) for offsets in slots], "<u4"),
        "obj_ptrend": np.array([offsets[-1] + 8 if offsets else 0 for offsets in slots], "<u4"),
        "obj_reach": np.zeros(len(sizes), "|u1"),
        "edge_count": np.array(
            [sum(p is not None for p in pointers.values()) for _, pointers in objects], "<u4"
        ),
        "edge_off": np.array([edge[0] for edge in edges], "<u4"),
        "edge_dst": np.array([edge[1] for edge in edges], "<i4"),
        "edge_dst_off": np.array([edge[2] for edge in edges], "<u4"),
        "root_kind": np.array(kinds, "|u1"),
        **{
            f"root_{name}": np.array([root[k] for root in roots], dtype)
            for k, (name, dtype) in enumerate(
                (
                    ("g", "<i4"),
                    ("frame", "<i4"),
                    ("off", "<u4"),
                    ("dst", "<i4"),
                    ("dst_off", "<u4"),
                ),
                start=1,
            )
        },
        "slot_off": np.array([off for offsets in slots for off in offsets], "<u4"),
    }
    made["meta"] = {
        "format": FORMAT,
        "program": "made",
        "go": "go1.26.8",
        "arch": "amd64",
        "base": 0xC000000000,
        "heap_end": 0xC000000000 + sum(sizes) + PAGE,
        "root_kinds": list(ROOT_KINDS),
        "frame_names": list(frame_names),
        "goroutines": [
            {"id": number, "status": "waiting", "wait": "", "system": False, "frames": list(frames)}
            for number, frames in goroutines
        ],
        "memstats": dict(memstats or {}),
        **meta,
    }
    return made


def graph(*args: Any, **kwargs: Any) -> HeapGraph:
    """A graph from `columns`, reachability filled in."""
    made = HeapGraph(**columns(*args, **kwargs))
    reach = made.bfs().astype("|u1")
    values = {name: getattr(made, name) for name in HeapGraph.__dataclass_fields__}
    return HeapGraph(**{**values, "obj_reach": reach})


def save(made: HeapGraph, directory: Path, name: str = "made.graph.npz") -> Path:
    path = directory / name
    made.save_npz(path)
    return path


def random_graph(seed: int, n: int = 300, nroots: int = 12) -> HeapGraph:
    """Objects of many sizes with random pointers (self edges and interior ones included), and roots
    of every kind."""
    chance = random.Random(seed)
    sizes = [chance.choice(SLOTS[:-4] if chance.random() < 0.95 else SLOTS) for _ in range(n)]
    objects: list[tuple[int, dict[int, Target]]] = []
    for size in sizes:
        first = 8 if 512 < size <= 32768 else 0
        words = list(range(first, min(size, 2048), 8))
        some = chance.sample(words, chance.randint(0, min(6, len(words))))
        if size == 8 and not some:
            some = [0]  # without pointers it would be tiny
        pointers: dict[int, Target] = {}
        for off in some:
            dst = chance.randrange(n)
            interior = chance.randrange(sizes[dst] // 8) * 8
            pointers[off] = None if chance.random() < 0.3 else (dst, interior)
        objects.append((size, pointers))
    goroutines = [(7, ["main.f", "main.main"]), (9, ["main.g", "main.g", "main.main"]), (1, [])]
    names = ["main.f", "main.g", "main.main", "runtime.x"]
    roots = []
    for number in range(nroots):
        kind = chance.choice(ROOT_KINDS[1:])
        dst = chance.randrange(n)
        g = chance.randrange(2) if kind in ("stack", "goroutine") else -1
        frame = -1
        if kind == "stack":
            frame = 0 if g == 0 else 1
        elif kind == "other":
            frame = 3
        roots.append((kind, g, frame, 8 * number, dst, chance.randrange(sizes[dst] // 8) * 8))
    roots.sort(key=lambda root: ROOT_KINDS.index(root[0]))
    return graph(objects, roots, goroutines, names)
