"""Locations, and the edges along which values flow (`escape/graph.go`).

A location stands for a variable, or for what an expression allocates. A hole is where a value goes:
a location, after how many dereferences (-1: its address), and whether the address is taken. An
edge says that a source flows to its destination.
"""

from __future__ import annotations

from typing import Any

from .nodes import Func, Node
from .tags import Leaks

ESCAPES, PERSISTS, MUTATES, CALLS = 1, 2, 4, 8
ALL = ESCAPES | PERSISTS | MUTATES | CALLS


class Location:
    __slots__ = (
        "addrtaken", "attrs", "captured", "cls", "derefs", "dst", "dst_edge", "edges", "func",
        "leaks", "loop_depth", "node", "paths", "queued_all", "queued_one", "reason", "reassigned",
        "result_index", "walk",
    )  # fmt: skip

    def __init__(self, node: Node | None, func: Func | None, loop_depth: int, attrs: int = 0):
        self.node, self.func, self.loop_depth, self.attrs = node, func, loop_depth, attrs
        self.edges: list[Edge] = []
        self.cls = getattr(node, "cls", "") if node is not None and node.op == "NAME" else ""
        self.result_index = 0
        self.leaks = Leaks()
        self.captured = self.reassigned = self.addrtaken = False
        self.derefs, self.walk = 0, 0
        self.dst: Location | None = None
        self.dst_edge = 0
        self.queued_all = False
        self.queued_one = 0
        self.reason: Any = None  # why it escapes: words, or (root, steps to it)
        self.paths: list[Any] = []  # of a parameter: (root, derefs, steps) of each leak

    @property
    def escapes(self) -> bool:
        return bool(self.attrs & ESCAPES)


class Edge:
    __slots__ = ("derefs", "notes", "src")

    def __init__(self, src: Location, derefs: int, notes: Any):
        self.src, self.derefs, self.notes = src, derefs, notes


Notes = Any  # (where, why, older notes) or None


class Hole:
    __slots__ = ("addrtaken", "derefs", "dst", "notes")

    def __init__(
        self, dst: Location, derefs: int = 0, notes: Notes = None, addrtaken: bool = False
    ):
        self.dst, self.derefs, self.notes, self.addrtaken = dst, derefs, notes, addrtaken

    def note(self, where: Any, why: str) -> Hole:
        return Hole(self.dst, self.derefs, (where, why, self.notes), self.addrtaken)

    def shift(self, delta: int) -> Hole:
        return Hole(self.dst, self.derefs + delta, self.notes, delta < 0)

    def deref(self, where: Any, why: str) -> Hole:
        return Hole(self.dst, self.derefs + 1, (where, why, self.notes), False)

    def addr(self, where: Any, why: str) -> Hole:
        return Hole(self.dst, self.derefs - 1, (where, why, self.notes), True)
