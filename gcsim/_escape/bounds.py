"""Indexes whose type or form cannot be out of an array's range (`walk/expr.go:walkIndex`).

The compiler says so under -m when it compiles a function, which it does after the analysis of all:
function by function, a function's capturing literals after it and the last of them first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import types as T
from .nodes import Func, Node, Pos
from .rewrite import postorder

ELIDED = "index bounds check elided"


def elided(funcs: list[Func]) -> Iterator[Pos]:
    """Where bounds checks are left out, in the compiler's order."""
    for func in funcs:
        if func.is_closure or func.body is None or func.silent:
            continue
        todo = [func]
        while todo:
            at = todo.pop()
            nodes = postorder(at.body or ())
            copied = {
                argument
                for node in nodes
                if node.op == "APPEND" and not node.flag
                for argument in node.list[1:]
            }
            for node in nodes:
                if node.op == "CLOSURE":
                    if node.func.is_closure:
                        todo.append(node.func)
                elif node.op == "INDEX" and node.y.op != "LIT":
                    length = indexed_length(node.x)
                    index = node.y
                    if node in copied and index.op != "NAME":
                        # append evaluates it before into a variable, of which the type is known.
                        index = Node("NAME", index.pos, index.type)
                    if length is not None and is_bounded(index, length):
                        yield node.pos


def indexed_length(node: Any) -> int | None:
    """The length of an array or constant string that is indexed."""
    under = node.type.under
    if isinstance(under, T.Array):
        return under.length
    if node.op == "LIT" and isinstance(node.val, str):
        return len(node.val.encode("utf-8", "surrogateescape"))
    return None


def _small(node: Any) -> int | None:
    if node.op == "LIT" and isinstance(node.val, int) and -(1 << 31) <= node.val < 1 << 31:
        return int(node.val)
    return None


def is_bounded(node: Any, most: int) -> bool:
    """Whether the value is below `most` whatever it is computed from (walk/expr.go:bounded)."""
    under = node.type.under if node.type is not None else None
    if not isinstance(under, T.Basic) or under.group not in ("int", "uint"):
        return False
    signed, bits = under.group == "int", 8 * under.bytes
    value = _small(node)
    if value is not None:
        return 0 <= value < most
    if node.op in ("AND", "ANDNOT"):
        x, y = _small(node.x), _small(node.y)
        value = -1
        if x is not None:
            value = x
        elif y is not None:
            value = y
            if node.op == "ANDNOT":
                value = ~value if signed else ~value & ((1 << bits) - 1)
        if 0 <= value < most:
            return True
    y = _small(node.y) if node.op in ("MOD", "DIV", "RSH") else None
    if y is not None and not signed:
        if node.op == "MOD" and 0 <= y <= most:
            return True
        if node.op == "DIV":
            while bits > 0 and y >= 2:
                bits -= 1
                y >>= 1
        elif node.op == "RSH":
            if y > bits:
                return True
            bits -= y
    return not signed and bits <= 62 and 1 << bits <= most
