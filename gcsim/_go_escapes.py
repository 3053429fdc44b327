"""What of a few Go statements escapes: which variables move to the heap, and whose values leave.

Names are looked at, not paths and not the order of statements, which is enough for recipes; what
reaches a variable that is not declared in the statements has left (cmd/compile/internal/escape).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gcsim._go_code import Node

__all__ = ["Escapes"]

#: Functions whose results do not hold what they are given.
_COPIES = frozenset(
    (
        "len",
        "cap",
        "copy",
        "string",
        "min",
        "max",
        "make",
        "new",
        "delete",
        "clear",
        "nop",
    )
)
#: Methods that keep their arguments for good.
_KEEPS = frozenset(("Store", "LoadOrStore", "Swap", "CompareAndSwap", "Put"))
_PURE_PACKAGES = frozenset(("strings", "strconv", "math", "utf8"))


def _children(x: Any) -> Iterator[Node]:
    if isinstance(x, Node):
        yield x
        return
    if isinstance(x, (list, tuple)):
        for part in x:
            yield from _children(part)


def _inside(x: Node) -> Iterator[Node]:
    for part in x:
        yield from _children(part)


class Escapes:
    """The answers for one list of statements."""

    def __init__(self, body: list[Node]) -> None:
        self._locals: set[str] = set()
        self._arrays: set[str] = set()
        self._whole: set[str] = set()  # arrays and structs: their parts are parts of the variable
        self._reassigned: set[str] = set()
        self._by_hand: set[str] = set()  # address taken by & or by cutting an array
        self._captured: set[str] = set()
        self._values: set[str] = set()
        self._addresses: set[str] = set()
        self._flows: list[tuple[str | None, Node, str]] = []
        self._weights: dict[str, int] = {}
        self._depths: dict[str, int] = {}  # of the loops in which a variable is declared
        self._leaves: dict[str, list[int]] = {}  # `sink = s` and `return s`: in a loop?
        self._blocked: set[str] = set()
        for s in body:
            self._declare(s)
        for s in body:
            self._statement(s, 0)
        self._moved = {
            name
            for name, loops in self._leaves.items()
            if self._weights.get(name, 0) >= 2 and loops == [0] and name not in self._blocked
        }
        self._solve()

    # --- answers

    def value(self, name: str) -> bool:
        """Whether what the variable holds leaves."""
        return name in self._values

    def address(self, name: str) -> bool:
        """Whether the variable itself is in the heap."""
        return name in self._addresses

    def taken(self, name: str) -> bool:
        """Whether its address is taken, also by a closure that captures it."""
        return name in self._by_hand or (name in self._captured and name in self._reassigned)

    def taken_by_hand(self, name: str) -> bool:
        return name in self._by_hand

    def reassigned(self, name: str) -> bool:
        return name in self._reassigned

    def into(self, place: Node) -> bool:
        """Whether what is stored there leaves."""
        base = self._base(place)
        return base is None or base not in self._locals or base in self._values

    def _base(self, place: Node) -> str | None:
        """The variable that a place is a part of; None behind a pointer, in a slice or a map."""
        inside = place
        while inside.op in ("dot", "index"):
            inside = inside.a
        if inside.op != "name" or (inside is not place and inside.a not in self._whole):
            return None
        return str(inside.a)

    def captured(self, closure: Node, scope: Any) -> list[str]:
        """Variables around a literal that its body uses, in the order of first use."""
        inner = {name for name, _ in closure.a.a}
        found: dict[str, None] = {}

        def walk(x: Node) -> None:
            if x.op == "var":
                inner.update(x.a)
            elif x.op == "assign" and x.a == ":=":
                for part in x.c:
                    walk(part)
                inner.update(place.a for place in x.b if place.op == "name")
                return
            elif x.op == "name" and x.a not in inner and scope.find(x.a) is not None:
                found[x.a] = None
            for part in _inside(x):
                walk(part)

        for s in closure.b:
            walk(s)
        return list(found)

    # --- reading the statements

    def _declare(self, x: Node) -> None:
        if x.op == "var":
            self._locals.update(x.a)
            if x.b is not None and x.b.op == "array":
                self._arrays.update(x.a)
            if x.b is not None and x.b.op in ("array", "struct", "named"):
                self._whole.update(x.a)
        elif x.op == "assign" and x.a == ":=":
            names = [place.a for place in x.b if place.op == "name"]
            self._locals.update(names)
            for name, value in zip(names, x.c, strict=False):
                if value.op == "literal" and value.a is not None and value.a.op == "array":
                    self._arrays.add(name)
                if value.op == "literal" and value.a is not None:
                    self._whole.update([name] if value.a.op in ("array", "struct", "named") else ())
        elif x.op == "range" and x.b:
            self._locals.update(place.a for place in x.a if place.op == "name")
        elif x.op == "typeswitch":
            self._locals.add(x.b)
        elif x.op == "closure":
            self._locals.update(name for name, _ in x.a.a)
        for part in _inside(x):
            self._declare(part)

    def _statement(self, s: Node, loop: int, post: bool = False) -> None:
        if s.op == "var":
            for name in s.a:
                self._depths.setdefault(name, loop)
            for name, value in zip(s.a, s.c, strict=False):
                self._flow(name, value)
        elif s.op == "assign":
            self._assign(s, loop, post)
        elif s.op == "step":
            if s.a.op == "name" and not post:
                self._reassigned.add(s.a.a)
        elif s.op == "return":
            for value in s.a:
                self._leave(value, loop)
        elif s.op == "go":
            for value in (s.a.a, *s.a.b):
                self._flow(None, value)
        elif s.op == "send":
            self._flow(None, s.b)
        elif s.op == "for":
            for part in (s.a, s.c):
                if part is not None:
                    self._statement(part, loop, part is s.c)
            for part in s.d:
                self._statement(part, loop + 1)
        elif s.op == "range":
            for part in s.d:
                self._statement(part, loop + 1)
        elif s.op == "block":
            for part in s.a:
                self._statement(part, loop)
        elif s.op in ("switch", "typeswitch"):
            cases = s.c if s.op == "switch" else s.d
            kinds = [kind for values, _ in cases for kind in values or ()]
            if s.op == "typeswitch" and any(kind.op in ("type", "unary") for kind in kinds):
                self._flow(s.b, s.c)  # of anything but pointers a copy is made
            for part in ([s.a] if s.a is not None else []) + [y for _, body in cases for y in body]:
                self._statement(part, loop)
        elif s.op == "if":
            for part in ([s.a] if s.a is not None else []) + s.c + s.d:
                self._statement(part, loop)
        self._uses(s, loop)

    def _assign(self, s: Node, loop: int, post: bool) -> None:
        for place, value in zip(s.b, s.c, strict=False):
            if place.op == "name" and place.a in self._locals:
                if s.a != ":=" and not post and not self._grows(place, value, loop):
                    self._reassigned.add(place.a)
                self._depths.setdefault(place.a, loop)
                if self._depths[place.a] < loop and self._is_new(value):
                    self._values.add(place.a)  # it outlives its round of the loop
                    self._flow(None, value)
                self._flow(place.a, value)
                continue
            base = self._base(place)
            if base is not None and base in self._locals:
                self._reassigned.add(base)
                self._flow(base, value)
            elif place != Node("name", "n2") and place != Node("name", "eq"):  # hold no pointers
                inside = place
                while inside.op in ("dot", "index"):
                    inside = inside.a  # l.head = &node{next: l.head}: l itself stays
                self._leave(value, loop, inside.a if inside.op == "name" else "")

    def _grows(self, place: Node, value: Node, loop: int) -> bool:
        """s = append(s, ...): noted; it is an assignment all the same."""
        if value.op == "call" and value.a == Node("name", "append") and value.b[0] == place:
            self._weights[place.a] = self._weights.get(place.a, 0) + (2 if loop else 1)
        return False

    def _is_new(self, value: Node) -> bool:
        made = value.op == "call" and value.a in (Node("name", "new"), Node("name", "make"))
        return made or value.op == "closure" or (value.op == "unary" and value.a == "&")

    def _leave(self, value: Node, loop: int, without: str = "") -> None:
        if value.op == "name" and value.a in self._locals:
            self._leaves.setdefault(value.a, []).append(loop)
        self._flow(None, value, without)

    def _flow(self, to: str | None, value: Node, without: str = "") -> None:
        self._flows.append((to, value, without))

    def _uses(self, s: Node, loop: int) -> None:
        """Addresses that are taken, captures, calls that keep, and uses that stop a move."""
        for x in (
            _inside(s)
            if s.op not in ("for", "range", "block", "if", "switch", "typeswitch")
            else self._heads(s)
        ):
            self._expression(x, s, loop)

    def _heads(self, s: Node) -> Iterator[Node]:
        if s.op == "for" and s.b is not None:
            yield s.b
        elif s.op == "range":
            yield s.c
        elif s.op == "if":
            yield s.b
        elif s.op == "switch":
            yield from _children([s.b, [values for values, _ in s.c]])

    def _expression(self, x: Node, parent: Node, loop: int) -> None:
        if x.op == "unary" and x.a == "&":
            base = x.b
            while base.op in ("dot", "index"):
                base = base.a
            if base.op == "name":
                self._by_hand.add(base.a)
        elif x.op == "cut" and x.a.op == "name" and x.a.a in self._arrays:
            self._by_hand.add(x.a.a)
        elif x.op == "call" and x.a.op == "dot" and x.a.b in _KEEPS:
            for value in x.b:
                self._flow(None, value)
        elif x.op == "call" and x.a.op == "dot" and x.a.a == Node("name", "fmt") and x.b:
            if x.a.b.startswith("Fp"):  # the writer is called through an interface
                self._flow(None, x.b[0])
        elif x.op == "closure":
            names = {y.a for part in x.b for y in self._all(part) if y.op == "name"}
            self._captured.update(names & self._locals)
            self._blocked.update(names)
            for part in x.b:
                self._statement(part, loop + 1)
            return
        elif x.op == "name" and not self._harmless(x, parent):
            self._blocked.add(x.a)
        for part in _inside(x):
            self._expression(part, x, loop)

    def _harmless(self, x: Node, parent: Node) -> bool:
        """Uses of a slice that leave it where it is (cmd/slice/slice.go:analyze)."""
        if parent.op in ("index", "range", "return", "var", "step"):
            return True
        if parent.op == "assign":
            return True  # the left side; on the right it is `sink = s`, which is counted
        return parent.op == "call" and parent.a.op == "name" and parent.a.a in ("append", "len")

    def _all(self, x: Node) -> Iterator[Node]:
        yield x
        for part in _inside(x):
            yield from self._all(part)

    # --- what leaves

    def _roots(self, x: Node) -> Iterator[tuple[str, bool]]:
        """(variable, whether its address): what a value may hold."""
        if x.op == "name":
            yield x.a, False
        elif x.op == "unary" and x.a == "&":
            base = x.b
            while base.op in ("dot", "index"):
                base = base.a
            if base.op == "name":
                yield base.a, True
            else:
                yield from self._roots(base)
        elif x.op == "closure":
            for name in {y.a for part in x.b for y in self._all(part) if y.op == "name"}:
                yield name, name in self._reassigned or name in self._by_hand
        elif x.op == "cut":
            if x.a.op == "name":
                yield x.a.a, x.a.a in self._arrays
            else:
                yield from self._roots(x.a)
        elif x.op == "literal":
            for key, value in x.b:
                yield from self._roots(value)
                if key is not None and x.a is not None and x.a.op == "map":
                    yield from self._roots(key)
        elif x.op == "dot":
            yield from self._roots(x.a)
        elif x.op == "assert" and x.b.op in ("pointer", "interface", "map", "chan", "func"):
            yield from self._roots(x.a)  # of anything else a copy is made
        elif x.op == "call":
            yield from self._of_call(x)

    def _of_call(self, x: Node) -> Iterator[tuple[str, bool]]:
        f = x.a
        if f.op == "name" and f.a in _COPIES:
            return
        if f.op == "type" and f.a.op == "slice" and f.a.a.a in ("byte", "uint8", "rune", "int32"):
            return
        if f.op == "dot" and f.a.op == "name" and f.a.a in _PURE_PACKAGES:
            return
        for value in x.b:
            yield from self._roots(value)

    def _solve(self) -> None:
        changed = True
        while changed:
            changed = False
            for to, value, without in self._flows:
                if to is not None and to not in self._values and to not in self._addresses:
                    continue
                for name, address in self._roots(value):
                    if to is None and not address and name in self._moved and value.op == "name":
                        continue
                    into = self._addresses if address else self._values
                    if name in self._locals and name not in into and (address or name != without):
                        into.add(name)
                        changed = True
