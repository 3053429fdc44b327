"""Heaps as graphs of other programs: Graphviz (``.dot``) and networkx."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from gcsim._errors import OptionError
from gcsim._results import bytes_text
from gcsim._snapshot import _ELEMENTS, _NONE, Snapshot, _view

ROOTS = "roots"  # the node of a networkx graph that points to what the roots point to
_LONG = 80  # characters of a label


def top_retainers(snapshot: Snapshot, limit: int) -> list[int]:
    """The objects that retain the most, the first first; of equal ones the lower number."""
    retained = snapshot._dominators()[1]
    return heapq.nsmallest(limit, range(len(snapshot)), key=lambda i: (-retained[i], i))


def _quoted(text: str) -> str:
    """A label: Graphviz knows backslashes and ends lines at \\n; no other control characters."""
    if len(text) > _LONG:
        text = text[: _LONG - 1] + "\N{HORIZONTAL ELLIPSIS}"
    plain = "".join(c if c.isprintable() else "?" for c in text)
    return plain.replace("\\", "\\\\").replace('"', '\\"')


def dot(snapshot: Snapshot, limit: int | None = 200) -> Iterator[str]:
    """A graph in Graphviz's language, piece by piece: the objects that retain the most, every
    pointer between them, the roots that point to one of them. A dotted line goes to an object whose
    dominator is drawn but has no pointer to it: what lies between is not drawn.

    limit   how many objects, None for all. OptionError if it is below 1.
    """
    if limit is not None and limit < 1:
        raise OptionError(f"1 object or more, not {limit}")
    n = len(snapshot)
    chosen = sorted(top_retainers(snapshot, n if limit is None else min(limit, n)))
    drawn = set(chosen)
    sizes, (dominators, retained) = _view(snapshot._columns[0], "Q"), snapshot._dominators()
    yield "digraph heap {\n"
    said = f"{snapshot.name}: {len(chosen):,} of {n:,} objects"
    yield f'  graph [rankdir=LR, label="{_quoted(said)}", labelloc=t, fontname="sans-serif"];\n'
    yield '  node [shape=box, fontname="sans-serif", fontsize=10];\n'
    yield '  edge [fontname="sans-serif", fontsize=8];\n'
    for i in chosen:
        label = f"object {i}: {_quoted(snapshot._kind(i))}"
        if retained[i] > sizes[i]:
            label += f"\\nretains {bytes_text(retained[i])}"
        look = ", style=dashed" if dominators[i] == _NONE else ""
        yield f'  n{i} [label="{label}"{look}];\n'
    pointed: set[tuple[int, int]] = set()
    for i in chosen:
        for off, to in snapshot.edges(i):
            if to in drawn:
                pointed.add((i, to))
                label = f"[{off // 8}]" if sizes[i] >= _ELEMENTS else f"+{off:#x}"
                yield f'  n{i} -> n{to} [label="{label}"];\n'
    yield from _roots(snapshot, drawn)
    for i in chosen:
        above = dominators[i]
        if above in drawn and (above, i) not in pointed:
            yield f"  n{above} -> n{i} [style=dotted, arrowhead=open];\n"
    yield "}\n"


def _roots(snapshot: Snapshot, drawn: set[int]) -> Iterator[str]:
    for root, to in enumerate(_view(snapshot._columns[3], "I")):
        if to in drawn:
            name = _quoted(snapshot._root_names[root])
            yield f'  r{root} [label="{name}", shape=plaintext];\n  r{root} -> n{to};\n'


def to_networkx(snapshot: Snapshot) -> Any:
    """A ``networkx.MultiDiGraph``. Nodes are the objects' numbers, with `bytes`, `kind` and
    `address`, and "roots"; edges have the `offset` of the pointer, those from "roots" the `name`
    of the root: ``networkx.immediate_dominators(graph, "roots")``. Needs networkx."""
    try:
        networkx: Any = import_module("networkx")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("to_networkx needs networkx: pip install networkx") from error
    graph = networkx.MultiDiGraph(name=snapshot.name)
    sizes, start, targets, roots = (
        _view(column, code)  # type: ignore[arg-type]
        for column, code in zip(snapshot._columns, "QQII", strict=True)
    )
    offsets, addresses = _view(snapshot._edge_off, "I"), _view(snapshot._addresses, "Q")
    base = snapshot._base
    for i in range(len(snapshot)):
        kind = snapshot._kind(i)
        graph.add_node(i, bytes=int(sizes[i]), kind=kind, address=base + int(addresses[i]))
    graph.add_node(ROOTS, bytes=0, kind="", address=0)
    for name, off, to in zip(snapshot._root_names, snapshot._root_off, roots, strict=True):
        graph.add_edge(ROOTS, to, name=name, offset=off)
    for i in range(len(snapshot)):
        for e in range(start[i], start[i + 1]):
            graph.add_edge(i, targets[e], offset=offsets[e])
    return graph
