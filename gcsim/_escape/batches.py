"""Functions in the order of analysis: those that call each other together, callees first.

Tarjan's algorithm as in `ir/scc.go:VisitFuncsBottomUp`: an edge is any mention of a function, a
method or a literal. A literal that captures belongs to the function around it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .nodes import Func, visit
from .scope import MethodObject

_DONE = 1 << 62


def mentions(func: Func) -> Iterator[Func]:
    """The functions with a body that this one mentions, in the order of its nodes."""
    for node in visit(func.body or ()):
        op = node.op
        found: Any = None
        if op == "NAME":
            if node.cls == "func":  # type: ignore[attr-defined]
                found = node.func
        elif op in ("METHVALUE", "METHEXPR", "DOTMETH"):
            if isinstance(node.func, MethodObject):
                found = node.func.func
        elif op == "CLOSURE":
            found = node.func
        if found is not None and not found.imported:
            yield found


class _Visit:
    """A function whose mentions are being followed, in place of a recursive call."""

    __slots__ = ("func", "id", "least", "rest")

    def __init__(self, func: Func, number: int):
        self.func, self.id, self.least = func, number, number + 1
        self.rest = mentions(func)


def bottom_up(funcs: list[Func]) -> Iterator[list[Func]]:
    """Batches of functions; each comes after all that it mentions."""
    ids: dict[Func, int] = {}
    stack: list[Func] = []
    count = 1

    def begin(func: Func) -> _Visit:
        nonlocal count
        ids[func] = count
        count += 2  # the second number is that of a function that nobody below mentions again
        stack.append(func)
        return _Visit(func, count - 2)

    for root in funcs:
        if root.is_closure or root in ids:
            continue
        calls = [begin(root)]
        while calls:
            at = calls[-1]
            for found in at.rest:
                if found in ids:
                    at.least = min(at.least, ids[found])
                else:
                    calls.append(begin(found))
                    break
            else:
                calls.pop()
                if at.least in (at.id, at.id + 1) and not at.func.is_closure:
                    first = stack.index(at.func)
                    batch = stack[first:]
                    del stack[first:]
                    for func in batch:
                        ids[func] = _DONE
                    yield batch
                if calls:
                    calls[-1].least = min(calls[-1].least, at.least)
