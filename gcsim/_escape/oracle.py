"""Which variables are assigned only once (`ir/expr.go:StaticValue`, `ir/reassignment.go`)."""

from __future__ import annotations

from typing import Any

from .nodes import Func, Name, outer_value, visit

_LISTS = ("AS2", "AS2FUNC", "AS2MAPR", "AS2DOTTYPE", "AS2RECV", "SELRECV2")


def all_nodes(func: Func) -> Any:
    """All nodes of a function and of the literals in it."""
    stack = [func]
    while stack:
        for node in visit(stack.pop().body or ()):
            yield node
            if node.op == "CLOSURE":
                stack.append(node.func)


def _targets(node: Any) -> Any:
    if node.op in ("AS", "ASOP"):
        return (node.x,)
    if node.op in _LISTS:
        return node.list
    if node.op == "RANGE":
        return (node.y, node.z)
    return ()


def _definition(name: Name) -> Any:
    """The value that a local variable is declared with, or None."""
    if name.cls != "auto" or name.defn is None:
        return None
    defn = name.defn
    if defn.op == "AS":
        return defn.y
    if defn.op == "AS2":
        for target, value in zip(defn.list, defn.rhs, strict=True):
            if target is name:
                return value
    return None


class Oracle:
    """The variables of a function that keep their first value, found once."""

    def __init__(self, func: Func):
        self.changed: set[Name] = set()
        for node in all_nodes(func):
            for target in _targets(node):
                if target is None:
                    continue
                base = outer_value(target)
                if base.op == "NAME" and (base.cls == "param" or base.defn is not node):
                    self.changed.add(base)

    def static_value(self, node: Any) -> Any:
        while True:
            if node.op == "CONVNOP":
                node = node.x
                continue
            if node.op != "NAME" or node.addrtaken or node in self.changed:
                return node
            value = _definition(node)
            if value is None:
                return node
            node = value


def static_value(node: Any) -> Any:
    """The value that an expression certainly has: locals assigned once are looked through."""
    while True:
        if node.op == "CONVNOP":
            node = node.x
            continue
        if node.op != "NAME" or node.addrtaken:
            return node
        value = _definition(node)
        if value is None:
            return node
        func = node.curfn
        if func is None:
            return node
        oracle = func.oracle
        if oracle is None:
            oracle = func.oracle = Oracle(func)
        if node in oracle.changed:
            return node
        node = value
