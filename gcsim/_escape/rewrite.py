"""What happens to nodes between type-checking and the analysis.

Package variables whose initial value is static data lose it (`staticinit/sched.go`); interface
calls of a known concrete type become direct (`devirtualize/devirtualize.go`, also without
inlining); a loop variable that is captured or has its address taken in the body is made anew in
each iteration (`loopvar/loopvar.go`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import types as T
from .nodes import Func, Name, Node, outer_value, visit
from .printing import text
from .scope import MethodObject, find_member, implements
from .typing import has_shape

# Initialisation of package variables.


def references(nodes: Any, seen: set[Any]) -> set[Any]:
    """Package variables that evaluating mentions, also through functions."""
    out: set[Any] = set()
    stack = list(nodes)
    while stack:
        node = stack.pop()
        func = None
        if node.op == "NAME":
            if node.cls == "global":
                out.add(node)
            elif node.cls == "func":
                func = node.func
        elif node.op == "CLOSURE":
            func = node.func
        elif node.op in ("METHEXPR", "METHVALUE") and isinstance(node.func, MethodObject):
            func = node.func.func
        if func is not None and func not in seen:
            seen.add(func)
            stack.extend(func.body or ())
        stack.extend(node.children())
    return out


def initialisation(inits: list[Any]) -> list[Node]:
    """The assignments in Go's order: the first variable that depends on none uninitialised."""
    waiting = [
        (targets, assign, references(assign.rhs or [assign.y], set())) for targets, assign in inits
    ]
    pending = {t for targets, _, _ in waiting for t in targets}
    out = []
    while waiting:
        chosen = next((w for w in waiting if not (w[2] & pending) - set(w[0])), waiting[0])
        waiting.remove(chosen)
        pending -= set(chosen[0])
        out.append(chosen[1])
    return out


def without_static(assigns: list[Node]) -> list[Node]:
    """What of the assignments must run: the rest is data of the linked program."""
    out: list[Node] = []
    for assign in assigns:
        if assign.op != "AS" or not static_assign(assign.x, assign.y, out):
            out.append(assign)
    return out


def static_assign(target: Any, value: Any, out: list[Node]) -> bool:
    """Whether the value can be data; its parts that cannot become assignments of their own."""
    while value.op == "CONVNOP" and not value.init:
        value = value.x
    if value.init:
        return False

    def part(inner: Any) -> None:
        if not static_assign(target, inner, out):
            made = Node(
                "AS", inner.pos, None, Name("~part", inner.pos, inner.type, "global"), inner
            )
            out.append(made)

    op = value.op
    if op == "NAME":
        return bool(value.cls == "func")
    if op in ("METHEXPR", "NIL", "LIT"):
        return True
    if op == "ADDR":
        base = outer_value(value.x)
        return bool(base.op == "NAME" and base.cls == "global")
    if op == "PTRLIT":
        part(value.x)
        return True
    if op == "STR2BYTES":
        return bool(value.x.op == "LIT")
    if op in ("SLICELIT", "ARRAYLIT", "STRUCTLIT"):
        for element in value.list:
            inner = {"KEY": element.y, "STRUCTKEY": element.x}.get(element.op, element)
            if inner.op not in ("LIT", "NIL"):
                part(inner)
        return True
    if op == "CLOSURE":
        return not value.func.is_closure
    if op == "CONVIFACE":
        inner = value
        while inner.op == "CONVIFACE":
            inner = inner.x
        if T.is_interface(inner.type):
            return bool(inner.op == "NIL")
        if inner.op not in ("LIT", "NIL"):
            part(inner)
        return True
    return False


# Devirtualisation.


class Devirtualizer:
    """Finds the concrete types of interface variables from all their assignments."""

    def __init__(self, report: Callable[[Any, str], None]):
        self.report = report
        self.assignments: dict[Name, list[Any]] = {}
        self.analysed: set[Func] = set()

    def function(self, func: Func) -> None:
        """Replace what can be replaced, in the order of the compiler's call sites."""
        calls = [n for n in postorder(func.body or ()) if n.op == "CALLINTER"]
        for call in calls:
            self.call(call)

    def call(self, call: Node) -> None:
        if call.sym == "go/defer":
            return
        selector = call.x
        type = self.concrete(selector.x, set())
        if type is None or type is NOTHING:
            return
        if not implements(type, selector.x.type.under):
            return
        if isinstance(type, T.Named) and type.shape:
            return
        if has_shape(type):  # its methods take a dictionary too, so it implements nothing here
            return
        if has_shape(selector.x.type):
            shown = selector.x.type
            self.report(call.pos, f"cannot devirtualize {text(call)}: shaped interface {shown}")
            return
        path, member = find_member(type, selector.sym) or ([], None)
        receiver = Node("DOTTYPE", call.pos, type, selector.x)
        for field in path:
            assert receiver.type is not None
            op = "DOTPTR" if receiver.type.kind == "ptr" else "DOT"
            receiver = Node(op, selector.pos, field.type, receiver, sym=field.name, implicit=True)
        if not isinstance(member, MethodObject):
            self.report(call.pos, f"partially devirtualizing {text(selector)} to {type}")
            call.x = Node("DOTINTER", selector.pos, selector.type, receiver, sym=selector.sym)
            return
        self.report(call.pos, f"devirtualizing {text(selector)} to {type}")
        assert receiver.type is not None
        if not member.pointer and receiver.type.kind == "ptr":
            elem = receiver.type.under.elem
            receiver = Node("DEREF", selector.pos, elem, receiver, implicit=True)
        elif member.pointer and receiver.type.kind != "ptr":
            receiver = Node("ADDR", selector.pos, T.Pointer(receiver.type), receiver, implicit=True)
        fun = Node(
            "METHEXPR",
            selector.pos,
            member.type,
            Node("TYPE", selector.pos, receiver.type),
            sym=selector.sym,
        )
        fun.func, fun.val = member, ()
        call.op, call.x, call.list = "CALLFUNC", fun, [receiver, *call.list]

    def concrete(self, node: Any, seen: set[Name]) -> Any:
        """The one concrete type that the value may have; NOTHING if only nil; None if unknown."""
        while True:
            if not T.is_interface(node.type):
                return node.type
            if node.op in ("CONVNOP", "CONVIFACE", "DOTTYPE", "DOTTYPE2"):
                node = node.x
                continue
            break
        if node.op != "NAME" or node.cls != "auto" or node.addrtaken:
            return None
        if node in seen:
            return NOTHING
        seen.add(node)
        type: Any = None
        for value in self.values(node):
            if value is None:
                return None
            found = value if isinstance(value, T.Type) else self.concrete(value, seen)
            if found is NOTHING:
                continue
            if found is None:
                return None
            if type is not None and not _one_type(type, found):
                return None
            type = found
        return NOTHING if type is None else type

    def values(self, name: Name) -> list[Any]:
        if name.curfn not in self.analysed:
            self.analyse(name.curfn)
        return self.assignments.get(name, [])

    def analyse(self, func: Func) -> None:
        if func in self.analysed:
            return
        self.analysed.add(func)
        for node in visit(func.body or ()):
            self.note(node)

    def add(self, target: Any, value: Any) -> None:
        if target is None or target.op != "NAME" or target.curfn is None:
            return
        if target.type is None or not T.is_interface(target.type) or target.cls != "auto":
            return
        if isinstance(value, T.Type):
            value = None if T.is_interface(value) else value
        elif value is not None and value.op == "NIL":
            return
        self.assignments.setdefault(target, []).append(value)

    def note(self, node: Any) -> None:
        op = node.op
        if op == "AS" and node.y is not None:
            called = node.y.op in ("CALLFUNC", "CALLINTER")
            self.add(node.x, node.y.type if called else node.y)
        elif op == "AS2":
            for target, value in zip(node.list, node.rhs, strict=True):
                self.add(target, value)
        elif op == "AS2DOTTYPE":
            self.add(node.list[0], node.rhs[0])
        elif op in ("AS2MAPR", "AS2RECV", "SELRECV2"):
            self.add(node.list[0], node.rhs[0].type)
        elif op == "AS2FUNC":
            for target, type in zip(node.list, node.rhs[0].type.types, strict=True):
                self.add(target, type)
        elif op == "RANGE":
            from .lower_stmt import element_types

            kinds = element_types(node.x.type) or []
            for target, type in zip((node.y, node.z), kinds, strict=False):
                self.add(target, type)
        elif op == "SWITCH" and node.x is not None and node.x.op == "TYPESWITCH":
            for case in node.list:
                self.add(case.x, node.x.x)
        elif op == "CLOSURE":
            self.analyse(node.func)


def _one_type(a: T.Type, b: T.Type) -> bool:
    """Whether the compiler has one object for both: of unnamed structs it has several."""
    return a is b or (isinstance(T.deref(a), T.Named) and T.identical(a, b))


NOTHING = T.Basic("nothing", "nothing", 0, "nothing")


def postorder(nodes: Any) -> list[Any]:
    """All nodes, children first."""
    out: list[Any] = []
    stack = [(n, False) for n in reversed(list(nodes))]
    while stack:
        node, done = stack.pop()
        if done:
            out.append(node)
            continue
        stack.append((node, True))
        stack.extend((c, False) for c in reversed(list(node.children())))
    return out


# Variables that nobody reads.


class DeadLocals:
    """Drops assignments to locals that are never used (`deadlocals/deadlocals.go`)."""

    def __init__(self) -> None:
        self.dropped: dict[Name, list[Any] | None] = {}  # None: the name is used

    def run(self, func: Func) -> None:
        self.nodes(func.body or ())
        for name, assigns in self.dropped.items():
            for holder, side, i in assigns or ():
                zero = Node("LIT", holder.pos, T.INT, val=0)
                blank = Name("_", holder.pos, None, "auto")
                blank.op = "BLANK"
                if side == "x":
                    holder.x, holder.y = blank, zero
                else:
                    holder.list, holder.rhs = list(holder.list), list(holder.rhs)
                    holder.list[i], holder.rhs[i] = blank, zero
            if assigns:
                name.defn = None

    def nodes(self, nodes: Any) -> None:
        for node in nodes:
            self.node(node)

    def use(self, name: Any) -> None:
        if name.cls in ("auto", "param"):
            waiting = self.dropped.get(name)
            self.dropped[name] = None
            for holder, side, i in waiting or ():
                self.node(holder.y if side == "x" else holder.rhs[i])

    def node(self, node: Any) -> None:
        if node is None:
            return
        op = node.op
        if op == "CLOSURE":
            self.nodes(node.init)
            for name, _ in node.func.captured:
                self.use(name)
            self.nodes(node.func.body or ())
        elif op == "NAME":
            self.use(node)
        elif op == "AS":
            self.nodes(node.init)
            self.assign(node, "x", 0, node.x, node.y, False)
        elif op == "AS2":
            self.nodes(node.init)
            some = any(n.op != "BLANK" for n in node.list)
            for i, (target, value) in enumerate(zip(node.list, node.rhs, strict=True)):
                self.assign(node, "list", i, target, value, some)
        elif op not in ("DCL", "BLANK"):
            self.nodes(node.children())

    def assign(self, holder: Any, side: str, i: int, target: Any, value: Any, blank: bool) -> None:
        if target.op not in ("NAME", "BLANK"):
            self.node(target)
            self.node(value)
            return
        local = blank if target.op == "BLANK" else target.cls in ("auto", "param")
        if local and not _has_effects(value):
            waiting = self.dropped.get(target, [])
            if waiting is not None:
                self.dropped.setdefault(target, []).append((holder, side, i))  # type: ignore[union-attr]
                return
        self.node(value)


def _has_effects(node: Any) -> bool:
    if node is None:
        return False
    return bool(node.init) or node.op not in ("NAME", "LIT", "NIL", "CLOSURE")


# Loop variables.


class LoopVariables:
    """Gives each iteration its own copy of a variable that may outlive it."""

    def __init__(self, func: Func):
        self.func = func
        self.leaked: dict[Name, bool] = {}
        self.depth = 0
        self.return_depth = 0
        self.moved: set[Name] = set()

    def run(self) -> None:
        for node in self.func.body or ():
            self.scan(node)
        if self.moved:
            for node in visit(self.func.body or ()):
                if node.init:
                    node.init = [n for n in node.init if not self._is_moved(n)]
            for node in visit(self.func.body or ()):
                if node.op == "AS" and node.sym == "copy":
                    node.init = [Node("DCL", node.x.pos, None, node.x), *node.init]

    def _is_moved(self, node: Any) -> bool:
        return bool(node.op == "DCL" and node.x in self.moved)

    def note(self, name: Any) -> None:
        if name in self.leaked and self.return_depth < self.depth:
            self.leaked[name] = True

    def scan(self, node: Any) -> None:
        op = node.op
        if op == "CLOSURE":
            for name, _ in node.func.captured:
                self.note(name)
        elif op in ("ADDR", "PTRLIT"):
            base = outer_value(node.x)
            if base.op == "NAME":
                self.note(base)
        elif op == "RETURN":
            saved, self.return_depth = self.return_depth, self.depth
            self.children(node)
            self.return_depth = saved
            return
        elif op == "RANGE" and node.flag:
            self.loop(node, [n for n in (node.y, node.z) if n is not None and n.op == "NAME"])
            return
        elif op == "FOR" and node.flag:
            self.loop(node, _defined(node))
            return
        self.children(node)

    def children(self, node: Any) -> None:
        for child in node.children():
            self.scan(child)

    def loop(self, node: Any, names: list[Name]) -> None:
        for name in names:
            self.leaked[name] = False
        self.depth += 1
        self.children(node)
        self.depth -= 1
        leaked = [n for n in names if self.leaked[n]]
        if not leaked:
            return
        if node.op == "RANGE":
            self.copy_range(node, leaked)
        else:
            self.copy_for(node, leaked)

    def temp(self, name: Name) -> Name:
        made = Name(f".autotmp_{len(self.func.dcl)}", name.pos, name.type, "auto", self.func)
        made.autotemp = True
        made.package = self.func.package
        self.func.dcl.append(made)
        return made

    def copy(self, pos: Any, name: Name, temp: Name) -> Node:
        made = Node("AS", pos, None, name, temp, flag=True, sym="copy")
        self.moved.add(name)
        return made

    def copy_range(self, node: Any, leaked: list[Name]) -> None:
        before: list[Node] = []
        for name in leaked:
            temp = self.temp(name)
            before.insert(0, self.copy(node.pos, name, temp))
            if node.y is name:
                node.y = temp
            else:
                node.z = temp
        node.body = [*before, *node.body]

    def copy_for(self, node: Any, leaked: list[Name]) -> None:
        """The 3-clause loop: copy in, post statement and test in the body, copy out."""
        before: list[Any] = []
        after: list[Any] = []
        temps = {}
        for name in leaked:
            temp = temps[name] = self.temp(name)
            made = self.copy(node.pos, name, temp)
            name.defn = made
            before.append(made)
            after.append(Node("AS", node.pos, None, temp, name))
        for statement in node.init:
            if statement.op == "AS" and statement.flag and statement.x in temps:
                statement.x = temps[statement.x]
            elif statement.op == "AS2" and statement.flag:
                statement.list = [temps.get(n, n) for n in statement.list]
        if node.y is not None:
            first = self.temp(Name("first", node.pos, T.BOOL, "auto", self.func))
            made = Node("IF", node.pos, None, first)
            made.body = [
                Node("AS", node.pos, None, first, Node("LIT", node.pos, T.BOOL, val=False))
            ]
            made.els = [node.y]
            made.init = [Node("DCL", node.pos, None, first)]
            before.append(made)
            node.init = [
                *node.init,
                Node("AS", node.pos, None, first, Node("LIT", node.pos, T.BOOL, val=True)),
            ]
        if node.x is not None:
            test = Node("NOT", node.x.pos, node.x.type, node.x)
            made = Node("IF", node.pos, None, test)
            made.body = [Node("BREAK", node.pos)]
            before.append(made)
        node.body = [*before, *node.body, *after]
        node.x = node.y = None


def _defined(node: Any) -> list[Name]:
    out = []
    for statement in node.init:
        if statement.op == "AS" and statement.flag:
            out.append(statement.x)
        elif statement.op == "AS2" and statement.flag:
            out += [n for n in statement.list if n.op == "NAME"]
    return out
