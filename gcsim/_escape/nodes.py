"""The form that the analysis reads: nodes in the compiler's own operations, names and functions.

`op` is the compiler's name of the operation without its leading O (`ir/node.go`): NAME, LIT, NIL,
ADDR, DEREF, DOT, DOTPTR, CALLFUNC, AS, ... One class holds them all; which slots an operation uses
is said beside each in `printing` and `walk`. Children come in the compiler's order, which decides
the order of batches.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .types import Type

Pos = tuple[int, int, int]  # file number, line, column in bytes; (-1, 0, 0) is nowhere
NOWHERE: Pos = (-1, 0, 0)


class Node:
    __slots__ = (
        "body",
        "els",
        "flag",
        "func",
        "implicit",
        "init",
        "list",
        "loc",
        "op",
        "pos",
        "rhs",
        "sym",
        "type",
        "val",
        "w",
        "x",
        "y",
        "z",
    )

    type: Any  # a Type; None of statements
    x: Any
    y: Any
    z: Any
    w: Any
    list: Any
    rhs: Any
    body: Any
    els: Any
    init: Any
    loc: Any

    def __init__(
        self,
        op: str,
        pos: Pos,
        type: Type | None = None,
        x: Any = None,
        y: Any = None,
        *,
        sym: Any = None,
        val: Any = None,
        list: Any = (),
        implicit: bool = False,
        flag: bool = False,
        func: Any = None,
    ):
        self.op, self.pos, self.type = op, pos, type
        self.x, self.y, self.z, self.w = x, y, None, None
        self.list, self.rhs, self.body, self.els, self.init = list, (), (), (), ()
        self.sym, self.val, self.func = sym, val, func
        self.implicit = implicit
        self.flag = flag  # DDD of a call, Def of an assignment, IncDec of an ASOP
        self.loc = None

    def children(self) -> Iterator[Any]:
        """Sub-nodes in the order of ir.DoChildren."""
        yield from self.init
        for child in (self.x, self.y, self.z, self.w):
            if child is not None:
                yield child
        yield from self.list
        yield from self.rhs
        yield from self.body
        yield from self.els

    def __repr__(self) -> str:
        return f"<{self.op} {self.pos[1]}:{self.pos[2]}>"


class Name(Node):
    """A variable (`cls`: auto, param, result, global) or a function (`func`)."""

    __slots__ = ("addrtaken", "autotemp", "byval", "cls", "curfn", "defn", "name", "package")

    def __init__(self, name: str, pos: Pos, type: Type | None, cls: str, curfn: Any = None):
        super().__init__("NAME", pos, type)
        self.name, self.cls, self.curfn = name, cls, curfn
        self.defn: Any = None
        self.addrtaken = False
        self.autotemp = False
        self.byval = False
        self.package = ""

    def children(self) -> Iterator[Any]:
        return iter(())


class Func:
    """A function, method, literal or compiler-made wrapper."""

    def __init__(self, name: str, pos: Pos, type: Any, outer: Func | None = None):
        self.name, self.pos, self.type = name, pos, type
        self.package = ""
        self.outer = outer  # of a literal: the function that contains it
        self.dcl: list[Name] = []
        self.params: list[Name] = []  # the receiver first
        self.results: list[Name] = []
        self.body: list[Node] | None = None  # None: outside Go (assembly), or imported
        self.closure: Node | None = None  # the CLOSURE node of a literal
        self.captured: list[tuple[Name, Pos]] = []
        self.captured_set: set[Name] = set()
        self.wrapper = False
        self.imported = False  # known by its tags alone
        self.silent = False  # analysed for its tags, but of another package: no lines
        self.dupok = False
        self.results_lost = False
        self.noescape = False
        self.uintptr_escapes = False
        self.init = False
        self.tags: list[Any] | None = None  # a Leaks per receiver and parameter, when analysed
        self.state = "unknown"  # unknown, planned, tagged
        self.counts = {"func": 0, "wrap": 0, "range": 0}
        self.range_parent: Func | None = None
        self.recv_offset = 0
        self.oracle: Any = None
        self.real_name = name
        self.lower: Any = None  # makes the body when it is first needed
        self.node = Name(name, pos, type, "func")
        self.node.func = self

    @property
    def is_closure(self) -> bool:
        """A literal that captures: analysed with the function around it (ir.Func.IsClosure)."""
        return self.closure is not None and bool(self.captured)

    def contains(self, other: Func) -> bool:
        """Whether `other` is a literal somewhere inside this function (ir.ContainsClosure)."""
        if self is other or other.closure is None:
            return False
        outer = other.outer
        while outer is not None:
            if outer is self:
                return True
            outer = outer.outer
        return False

    def __repr__(self) -> str:
        return f"<func {self.name}>"


def visit(nodes: Any) -> Iterator[Node]:
    """All nodes below, parents first, without the bodies of function literals."""
    stack = list(reversed(list(nodes)))
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(list(node.children())))


def outer_value(node: Any) -> Any:
    """The variable that a value is part of: x of x.f and x[i] of an array (ir.OuterValue)."""
    while True:
        within = (
            node.op in ("DOT", "PAREN")
            or (node.op == "INDEX" and node.x.type.kind == "array")
            or (node.op == "CONVNOP" and node.implicit)
        )
        if not within:
            return node
        node = node.x
