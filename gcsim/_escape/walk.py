"""From the functions of a batch to a graph of what flows where.

Follows `escape/escape.go`, `expr.go`, `stmt.go`, `assign.go` and `call.go`: every expression is
evaluated into a hole. Results are in `Batch.locations`, in the order that messages follow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import constants, printing
from . import types as T
from .graph import ALL, CALLS, ESCAPES, MUTATES, PERSISTS, Edge, Hole, Location
from .nodes import Func, Name, Node, visit
from .oracle import Oracle, static_value
from .scope import MethodObject
from .tags import RESULTS, Leaks

MOST_STACK_VARIABLE = 128 << 10  # ir.MaxStackVarSize
MOST_IMPLICIT = 64 << 10  # ir.MaxImplicitStackVarSize
BY_VALUE = 128  # bytes; larger variables are captured by reference


class Batch:
    """What the functions of one batch share."""

    def __init__(self, funcs: list[Func], tell: Any, oracles: dict[Func, Oracle]):
        self.funcs, self.tell, self.oracles = funcs, tell, oracles
        self.locations: list[Location] = []
        self.closures: list[tuple[Hole, Node]] = []
        self.heap = Location(None, None, 0, ALL)
        self.mutator = Location(None, None, 0, MUTATES)
        self.callee = Location(None, None, 0, CALLS)
        self.blank = Location(None, None, 0)
        self.captures: list[tuple[Func, Name, bool, Location]] = []

    def build(self) -> None:
        """Locations and edges of all functions."""
        for func in self.funcs:
            self.declare(func)
        for func in self.funcs:
            if not func.is_closure:
                Walk(self, func).function()
        for hole, closure in self.closures:
            self.capture(hole, closure)
        self.closures = []
        for location in list(self.locations):
            self.rewrite(location)
            why = heap_reason(location.node)
            if why:
                location.reason = why
                self.flow(Hole(self.heap).addr(location.node, why), location)

    def declare(self, func: Func) -> None:
        func.state = "planned"
        for name in func.dcl:
            name.loc = self.location(name, func, 1, True)
        for i, result in enumerate(func.results):
            result.loc.result_index = 1 + i

    def location(self, node: Any, func: Func, depth: int, persists: bool) -> Location:
        made = Location(node, func, depth, PERSISTS if persists else 0)
        self.locations.append(made)
        return made

    def flow(self, hole: Hole, src: Location) -> None:
        if hole.addrtaken:
            src.addrtaken = True
        dst = hole.dst
        if dst is self.blank or (dst is src and hole.derefs >= 0):
            return
        if dst.attrs & ESCAPES and hole.derefs < 0:
            self.tell.escapes(src, dst, hole.derefs, hole.notes)
            if src.reason is None:
                src.reason = (dst, [(dst, hole.derefs, hole.notes, src)])
            src.attrs |= ALL
            return
        dst.edges.append(Edge(src, hole.derefs, hole.notes))

    def capture(self, hole: Hole, closure: Node) -> None:
        """Captured variables flow to the closure: small ones that never change by value."""
        func = closure.func
        for name, pos in func.captured:
            location = name.loc
            size = name.type.size if name.type is not None else 0
            by_value = not location.addrtaken and not location.reassigned and size <= BY_VALUE
            name.byval = by_value
            if not by_value:
                name.addrtaken = True
            self.captures.append((name.curfn, name, by_value, location))
            self.tell.captures(name, by_value, location, size)
            at = Node("NAME", pos, name.type)
            at.sym = name
            k = hole if by_value else hole.addr(Captured(name, pos), "reference")
            self.flow(k.note(Captured(name, pos), "captured by a closure"), location)

    def rewrite(self, location: Location) -> None:
        """Sizes and values that are known after all (escape.go:rewriteWithLiterals, 1.25)."""
        node, func = location.node, location.func
        if node is None or func is None:
            return
        if node.op == "MAKESLICE":
            side = "x" if node.y is None else "y"
            size = getattr(node, side)
            if size.op == "LIT":
                return
            found = self.oracle(func).static_value(size)
            if found.op == "LIT" and isinstance(found.val, int) and found.val >= 0:
                setattr(node, side, Node("LIT", node.pos, size.type, val=found.val))
            elif found.op == "LEN":
                inner = self.oracle(func).static_value(found.x)
                if inner.op == "SLICELIT":
                    setattr(node, side, Node("LIT", node.pos, T.INT, val=inner.val))
        elif node.op == "CONVIFACE":
            x = node.x
            if x.op == "LIT" or x.type is None or T.is_interface(x.type):
                return
            found = self.oracle(func).static_value(x)
            if found.op == "LIT" and constants.fits(found.val, x.type):
                node.x = Node("LIT", node.pos, x.type, val=found.val)

    def oracle(self, func: Func) -> Oracle:
        while func.outer is not None and not func.outer.init:
            func = func.outer
        found = self.oracles.get(func)
        if found is None:
            found = self.oracles[func] = Oracle(func)
        return found


class Captured:
    """A captured variable where the literal first mentions it, for explanations."""

    op = "NAME"
    implicit = False

    def __init__(self, name: Name, pos: Any):
        self.name, self.pos, self.package, self.type = name.name, pos, "", name.type


class Walk:
    """Evaluates the statements and expressions of one function."""

    def __init__(self, batch: Batch, func: Func):
        self.batch, self.func = batch, func
        self.depth = 1  # of loops
        self.labels: dict[str, str] = {}
        self.discard_hole = Hole(batch.blank)

    # Holes.

    def heap(self) -> Hole:
        return Hole(self.batch.heap)

    def spill(self, k: Hole, node: Node) -> Hole:
        made = self.batch.location(node, self.func, self.depth, False)
        self.batch.flow(k.addr(node, "spill"), made)
        return Hole(made)

    def tee(self, holes: list[Hole]) -> Hole:
        if not holes:
            return self.discard_hole
        if len(holes) == 1:
            return holes[0]
        made = self.batch.location(None, self.func, self.depth, False)
        for hole in holes:
            self.batch.flow(hole, made)
        return Hole(made)

    def later(self, k: Hole) -> Hole:
        made = self.batch.location(None, self.func, self.depth, True)
        self.batch.flow(k, made)
        return Hole(made)

    # Statements.

    def function(self) -> None:
        nodes = list(visit(self.func.body or ()))
        for node in nodes:
            if node.op == "LABEL":
                self.labels.setdefault(node.sym, "once")
            elif node.op == "GOTO" and node.sym in self.labels:
                self.labels[node.sym] = "loop"
        self.block(self.func.body or ())

    def block(self, nodes: Any) -> None:
        depth = self.depth
        self.stmts(nodes)
        self.depth = depth

    def stmts(self, nodes: Any) -> None:
        for node in nodes:
            self.stmt(node)

    def stmt(self, node: Any) -> None:
        if node is None:
            return
        if node.init:
            self.stmts(node.init)
        method = getattr(self, "stmt_" + node.op, None)
        if method is not None:
            method(node)
        else:
            self.call(None, node)

    def nothing(self, node: Any) -> None:
        pass

    stmt_FALL = stmt_BREAK = stmt_CONTINUE = stmt_GOTO = nothing

    def stmt_DCL(self, node: Any) -> None:
        node.x.loc.loop_depth = self.depth

    def stmt_LABEL(self, node: Any) -> None:
        if self.labels.get(node.sym) == "loop":
            self.depth += 1

    def stmt_IF(self, node: Any) -> None:
        self.discard(node.x)
        self.block(node.body)
        self.block(node.els)

    def stmt_FOR(self, node: Any) -> None:
        self.depth += 1
        self.discard(node.x)
        self.stmt(node.y)
        self.block(node.body)
        self.depth -= 1

    def stmt_RANGE(self, node: Any) -> None:
        temp = self.batch.location(None, self.func, self.depth, True)
        self.expr(Hole(temp), node.x)
        self.depth += 1
        holes = [self.addr(node.y), self.addr(node.z)]
        if node.x.type.kind == "array":
            self.batch.flow(holes[1].note(node, "range"), temp)
        else:
            self.batch.flow(holes[1].deref(node, "range-deref"), temp)
        self.reassigned(holes, node)
        self.block(node.body)
        self.depth -= 1

    def stmt_SWITCH(self, node: Any) -> None:
        guard = node.x
        if guard is not None and guard.op == "TYPESWITCH":
            holes = []
            if guard.sym is not None:
                for case in node.list:
                    location = case.x.loc
                    location.loop_depth = self.depth
                    if case.x.type.has_pointers():
                        holes.append(
                            self.dot_type(Hole(location), case.x.type, case, "switch case")
                        )
            self.expr(self.tee(holes), guard.x)
        else:
            self.discard(guard)
        for case in node.list:
            for value in case.list:
                self.discard(value)
            self.block(case.body)

    def stmt_SELECT(self, node: Any) -> None:
        for case in node.list:
            self.stmt(case.x)
            self.block(case.body)

    def stmt_RECV(self, node: Any) -> None:
        self.expr_skip_init(self.discard_hole, node)

    def stmt_SEND(self, node: Any) -> None:
        self.discard(node.x)
        self.assign_heap(node.y, "send", node)

    def stmt_AS(self, node: Any) -> None:
        self.assign_list([node.x], [node.y], "assign", node)

    stmt_ASOP = stmt_AS

    def stmt_AS2(self, node: Any) -> None:
        self.assign_list(node.list, node.rhs, "assign-pair", node)

    def stmt_AS2DOTTYPE(self, node: Any) -> None:
        self.assign_list(node.list, node.rhs, "assign-pair-dot-type", node)

    def stmt_AS2MAPR(self, node: Any) -> None:
        self.assign_list(node.list, node.rhs, "assign-pair-mapr", node)

    def stmt_AS2RECV(self, node: Any) -> None:
        self.assign_list(node.list, node.rhs, "assign-pair-receive", node)

    stmt_SELRECV2 = stmt_AS2RECV

    def stmt_AS2FUNC(self, node: Any) -> None:
        self.stmts(node.rhs[0].init)
        holes = [self.addr(n) for n in node.list]
        self.call(holes, node.rhs[0])
        self.reassigned(holes, node)

    def stmt_RETURN(self, node: Any) -> None:
        self.assign_list(self.func.results, node.list, "return", node)

    def stmt_GO(self, node: Any) -> None:
        self.expr(self.heap(), node.x.x)

    def stmt_DEFER(self, node: Any) -> None:
        k = self.heap()
        if self.depth == 1 and node.w is None:
            k = self.later(self.discard_hole)
        self.expr(k, node.x.x)

    # Assignments.

    def addr(self, node: Any) -> Hole:
        """Where a value assigned to this goes."""
        if node is None or node.op == "BLANK":
            return self.discard_hole
        op = node.op
        if op == "NAME":
            return self.heap() if node.cls == "global" else Hole(node.loc)
        if op == "DOT":
            return self.addr(node.x)
        if op == "INDEX":
            self.discard(node.y)
            if node.x.type.kind == "array":
                return self.addr(node.x)
            self.mutate(node.x)
        elif op in ("DEREF", "DOTPTR"):
            self.mutate(node.x)
        elif op == "INDEXMAP":
            self.discard(node.x)
            self.assign_heap(node.y, "key of map put", node)
        elif op == "CONVNOP" and node.implicit:
            return self.addr(node.x)
        return self.heap()

    def mutate(self, node: Any) -> None:
        self.expr(Hole(self.batch.mutator), node)

    def assign_heap(self, src: Any, why: str, where: Any) -> None:
        self.expr(self.heap().note(where, why), src)

    def assign_list(self, targets: Any, values: Any, why: str, where: Any) -> None:
        holes = [self.addr(t) for t in targets]
        for i, k in enumerate(holes):
            value = values[i] if i < len(values) else None
            target = targets[i]
            if value is not None and is_header_data(target):
                self.unsafe_value(self.heap().note(where, why), value)
                continue
            if value is not None and target is not None and is_self_assign(target, value):
                func, what = printing.name(self.func), printing.text(where)
                self.batch.tell.warn(
                    where.pos,
                    f"{func} ignoring self-assignment in {what}",
                    "ignoring_self_assignment",
                )
                k = self.discard_hole
            self.expr(k.note(where, why), value)
        self.reassigned(holes, where)

    def reassigned(self, holes: list[Hole], where: Any) -> None:
        if where.op == "AS" and where.y is None and where.x.op == "NAME" and not where.x.defn:
            return
        for hole in holes:
            location = hole.dst
            node = location.node
            own = node is not None and node.op == "NAME" and node.defn is where  # type: ignore[attr-defined]
            if not own or where.op == "RANGE":
                location.reassigned = True

    # Expressions.

    def discard(self, node: Any) -> None:
        self.expr(self.discard_hole, node)

    def expr(self, k: Hole, node: Any) -> None:
        if node is None:
            return
        if node.init:
            self.stmts(node.init)
        self.expr_skip_init(k, node)

    def expr_skip_init(self, k: Hole, node: Any) -> None:
        type = node.type
        if k.derefs >= 0 and type is not None and not T.is_untyped(type):  # noqa: SIM102
            if not type.has_pointers():
                k = Hole(self.batch.blank, k.derefs, k.notes, k.addrtaken)
        method = EXPRESSIONS.get(node.op)
        if method is None:
            self.call([k], node)
        else:
            method(self, k, node)

    def none(self, k: Hole, node: Any) -> None:
        pass

    def variable(self, k: Hole, node: Any) -> None:
        if node.cls not in ("func", "global"):
            self.batch.flow(k, node.loc)

    def operands(self, k: Hole, node: Any) -> None:
        self.discard(node.x)
        self.discard(node.y)

    def address_of(self, k: Hole, node: Any) -> None:
        self.expr(k.addr(node, "address-of"), node.x)

    def deref(self, k: Hole, node: Any) -> None:
        self.expr(k.deref(node, "indirection"), node.x)

    def dot(self, k: Hole, node: Any) -> None:
        self.expr(k.note(node, "dot"), node.x)

    def dot_pointer(self, k: Hole, node: Any) -> None:
        self.expr(k.deref(node, "dot of pointer"), node.x)

    def dot_type(self, k: Hole, type: T.Type, where: Any, why: str) -> Hole:
        if not T.is_interface(type) and not T.is_direct(type):
            k = k.shift(1)
        return k.note(where, why)

    def assertion(self, k: Hole, node: Any) -> None:
        self.expr(self.dot_type(k, node.type, node, "dot"), node.x)

    def index(self, k: Hole, node: Any) -> None:
        if node.x.type.kind == "array":
            self.expr(k.note(node, "fixed-array-index-of"), node.x)
        else:
            self.expr(k.deref(node, "dot of pointer"), node.x)
        self.discard(node.y)

    def slice(self, k: Hole, node: Any) -> None:
        self.expr(k.note(node, "slice"), node.x)
        for part in (node.y, node.z, node.w):
            self.discard(part)

    def convert(self, k: Hole, node: Any) -> None:
        if node.type.kind == "unsafeptr" and node.x.type.kind == "uintptr":
            self.unsafe_value(k, node.x)
        else:
            self.expr(k, node.x)

    def to_interface(self, k: Hole, node: Any) -> None:
        type = node.x.type
        if not T.is_interface(type) and not T.is_direct(type):
            k = self.spill(k, node)
        self.expr(k.note(node, "interface-converted"), node.x)

    def slice_to_array(self, k: Hole, node: Any) -> None:
        self.expr(k.deref(node, "slice-to-array"), node.x)

    def inner(self, k: Hole, node: Any) -> None:
        self.expr(k, node.x)

    def receive(self, k: Hole, node: Any) -> None:
        self.discard(node.x)

    def allocate(self, k: Hole, node: Any) -> None:
        self.spill(k, node)

    def make(self, k: Hole, node: Any) -> None:
        self.spill(k, node)
        self.discard(node.x)
        self.discard(node.y)

    def make_chan(self, k: Hole, node: Any) -> None:
        self.discard(node.x)

    def method_value(self, k: Hole, node: Any) -> None:
        closure = self.spill(k, node)
        member = node.func
        static = member.func if isinstance(member, MethodObject) else None
        holes = [self.heap() for _ in member.type.results]
        param = self.tag_hole(holes, static, 0)
        self.expr(self.tee([param, closure]), node.x)

    def pointer_literal(self, k: Hole, node: Any) -> None:
        self.expr(self.spill(k, node), node.x)

    def array_literal(self, k: Hole, node: Any) -> None:
        for element in node.list:
            element = element.y if element.op == "KEY" else element
            self.expr(k.note(node, "array literal element"), element)

    def slice_literal(self, k: Hole, node: Any) -> None:
        k = self.spill(k, node)
        for element in node.list:
            element = element.y if element.op == "KEY" else element
            self.expr(k.note(node, "slice-literal-element"), element)

    def struct_literal(self, k: Hole, node: Any) -> None:
        for element in node.list:
            self.expr(k.note(node, "struct literal element"), element.x)

    def map_literal(self, k: Hole, node: Any) -> None:
        self.spill(k, node)
        for element in node.list:
            self.assign_heap(element.x, "map literal key", node)
            self.assign_heap(element.y, "map literal value", node)

    def closure(self, k: Hole, node: Any) -> None:
        k = self.spill(k, node)
        self.batch.closures.append((k, node))
        func = node.func
        if not func.is_closure:
            return
        for name, _ in func.captured:
            location = name.loc
            if not location.captured:
                location.captured = True
                # Assignments in straight-line code before the first capture do not count.
                if location.loop_depth == self.depth:
                    location.reassigned = False
        for name in func.dcl:
            if name.loc is None:
                name.loc = self.batch.location(name, func, 1, True)
        Walk(self.batch, func).function()

    def converted_string(self, k: Hole, node: Any) -> None:
        self.spill(k, node)
        self.discard(node.x)

    def concatenation(self, k: Hole, node: Any) -> None:
        self.spill(k, node)
        for part in node.list:
            self.discard(part)

    def unsafe_value(self, k: Hole, node: Any) -> None:
        """A uintptr that is turned into a pointer: what pointers it was made from."""
        self.stmts(node.init)
        op = node.op
        if op in ("CONV", "CONVNOP"):
            if node.x.type.kind == "unsafeptr":
                self.expr(k, node.x)
            else:
                self.discard(node.x)
        elif is_header_data(node):
            self.expr(k.deref(node, "reflect.Header.Data"), node.x)
        elif op in ("PLUS", "NEG", "BITNOT"):
            self.unsafe_value(k, node.x)
        elif op in ("ADD", "SUB", "OR", "XOR", "MUL", "DIV", "MOD", "AND", "ANDNOT"):
            self.unsafe_value(k, node.x)
            self.unsafe_value(k, node.y)
        elif op in ("LSH", "RSH"):
            self.unsafe_value(k, node.x)
            self.discard(node.y)
        else:
            self.expr_skip_init(self.discard_hole, node)

    # Calls.

    def call(self, holes: list[Hole] | None, node: Any) -> None:
        method: Callable[[Any, Any], None] = getattr(self, "call_" + node.op)
        method(holes, node)

    def argument(self, k: Hole, node: Any, call: Any) -> None:
        self.expr(k.note(call, "call parameter"), node)

    def call_CALLFUNC(self, holes: list[Hole] | None, node: Any) -> None:
        func = callee(node.x)
        if holes is not None and func is not None and self.same_batch(func):
            for hole, result in zip(holes, func.results, strict=True):
                self.expr(hole, result)
        k = self.discard_hole
        if func is None and any(h.dst is not self.batch.blank for h in holes or ()):
            k = Hole(self.batch.callee).note(node, "callee operand")
        self.expr(k, node.x)
        for i, argument in enumerate(node.list):
            self.argument(self.tag_hole(holes, func, i), argument, node)

    def call_CALLINTER(self, holes: list[Hole] | None, node: Any) -> None:
        for argument in (node.x.x, *node.list):
            self.argument(self.heap(), argument, node)

    def same_batch(self, func: Func) -> bool:
        return func.state == "planned"

    def tag_hole(self, holes: list[Hole] | None, func: Func | None, i: int) -> Hole:
        """Where the i-th argument (the receiver first) of a call goes."""
        if func is None:
            return self.heap()
        if self.same_batch(func):
            return Hole(func.params[i].loc)
        tags = func.tags or ()
        leaks = tags[i] if i < len(tags) else Leaks.everything()
        out = []
        if leaks.heap is not None:
            out.append(self.heap().shift(leaks.heap))
        if leaks.mutator is not None:
            out.append(Hole(self.batch.mutator).shift(leaks.mutator))
        if leaks.callee is not None:
            out.append(Hole(self.batch.callee).shift(leaks.callee))
        if holes is not None:
            for j in range(min(RESULTS, len(holes))):
                derefs = leaks.results[j]
                if derefs is not None:
                    out.append(holes[j].shift(derefs))
        return self.tee(out)

    def call_APPEND(self, holes: Any, node: Any) -> None:
        holes = holes or [self.discard_hole]
        first = node.list[0]
        elem = first.type.under.elem
        k = self.tee([holes[0], Hole(self.batch.mutator)])
        if elem.has_pointers():
            k = self.tee([k, self.heap().deref(node, "appendee slice")])
        self.argument(k, first, node)
        if node.flag:
            k = self.discard_hole
            if len(node.list) > 1:
                second = node.list[1]
                if second.type.kind == "slice" and second.type.under.elem.has_pointers():
                    k = self.heap().deref(node, "appended slice...")
                self.argument(k, second, node)
        else:
            for argument in node.list[1:]:
                self.argument(self.heap(), argument, node)
        self.spill(holes[0], node).dst.loop_depth = 0

    def call_COPY(self, holes: Any, node: Any) -> None:
        self.argument(Hole(self.batch.mutator), node.x, node)
        k = self.discard_hole
        if node.y.type.kind == "slice" and node.y.type.under.elem.has_pointers():
            k = self.heap().deref(node, "copied slice")
        self.argument(k, node.y, node)

    def call_PANIC(self, holes: Any, node: Any) -> None:
        self.argument(self.heap(), node.x, node)

    def call_COMPLEX(self, holes: Any, node: Any) -> None:
        self.discard(node.x)
        self.discard(node.y)

    def _discard_all(self, holes: Any, node: Any) -> None:
        for argument in node.list:
            self.discard(argument)

    call_DELETE = call_PRINT = call_PRINTLN = call_RECOVER = _discard_all

    def call_MIN(self, holes: Any, node: Any) -> None:
        for argument in node.list:
            self.argument(holes[0] if holes else self.discard_hole, argument, node)

    call_MAX = call_MIN

    def _discard_x(self, holes: Any, node: Any) -> None:
        self.discard(node.x)

    call_LEN = call_CAP = call_REAL = call_IMAG = call_CLOSE = _discard_x

    def call_CLEAR(self, holes: Any, node: Any) -> None:
        self.argument(Hole(self.batch.mutator), node.x, node)

    def call_UNSAFESTRINGDATA(self, holes: Any, node: Any) -> None:
        self.argument(holes[0] if holes else self.discard_hole, node.x, node)
        self.discard(node.y)

    call_UNSAFESLICEDATA = call_UNSAFEADD = call_UNSAFESLICE = call_UNSAFESTRING = (
        call_UNSAFESTRINGDATA
    )


EXPRESSIONS: dict[str, Callable[[Walk, Hole, Any], None]] = {
    "LIT": Walk.none, "NIL": Walk.none, "TYPE": Walk.none, "DYNAMICTYPE": Walk.none,
    "METHEXPR": Walk.none, "LINKSYM": Walk.none, "NAME": Walk.variable,
    "ADDR": Walk.address_of, "DEREF": Walk.deref,
    "DOT": Walk.dot, "DOTINTER": Walk.dot, "DOTPTR": Walk.dot_pointer, "DOTTYPE": Walk.assertion,
    "DOTTYPE2": Walk.assertion, "DYNAMICDOTTYPE": Walk.assertion,
    "DYNAMICDOTTYPE2": Walk.assertion, "INDEX": Walk.index, "INDEXMAP": Walk.operands,
    "SLICE": Walk.slice, "SLICEARR": Walk.slice, "SLICE3": Walk.slice, "SLICE3ARR": Walk.slice,
    "SLICESTR": Walk.slice, "CONV": Walk.convert, "CONVNOP": Walk.convert,
    "CONVIFACE": Walk.to_interface, "SLICE2ARR": Walk.slice_to_array,
    "SLICE2ARRPTR": Walk.inner, "RECV": Walk.receive, "NEW": Walk.allocate,
    "MAKESLICE": Walk.make, "MAKEMAP": Walk.make, "MAKECHAN": Walk.make_chan,
    "METHVALUE": Walk.method_value, "PTRLIT": Walk.pointer_literal,
    "ARRAYLIT": Walk.array_literal, "SLICELIT": Walk.slice_literal,
    "STRUCTLIT": Walk.struct_literal, "MAPLIT": Walk.map_literal, "CLOSURE": Walk.closure,
    "RUNES2STR": Walk.converted_string, "BYTES2STR": Walk.converted_string,
    "STR2RUNES": Walk.converted_string, "STR2BYTES": Walk.converted_string,
    "RUNESTR": Walk.converted_string, "ADDSTR": Walk.concatenation,
    **dict.fromkeys(
        ("PLUS", "NEG", "BITNOT", "NOT", "ADD", "SUB", "OR", "XOR", "MUL", "DIV", "MOD", "LSH",
         "RSH", "AND", "ANDNOT", "EQ", "NE", "LT", "LE", "GT", "GE", "ANDAND", "OROR"),
        Walk.operands,
    ),
}  # fmt: skip


def callee(node: Any) -> Func | None:
    """The function that a call certainly calls (ir.StaticCalleeName of ir.StaticValue)."""
    node = static_value(node)
    if node.op == "NAME" and node.cls == "func":
        return node.func  # type: ignore[no-any-return]
    if node.op == "CLOSURE":
        return node.func  # type: ignore[no-any-return]
    if node.op == "METHEXPR" and isinstance(node.func, MethodObject):
        return node.func.func
    return None


def heap_reason(node: Any) -> str:
    """Why an allocation cannot be on the stack whatever flows where (utils.go)."""
    if node is None or node.type is None:
        return ""
    op, type = node.op, node.type
    if op == "NAME" and node.cls in ("param", "result"):
        return ""
    size, align = type.layout()
    if size > MOST_STACK_VARIABLE:
        return "too large for stack"
    if align > T.PTR:
        return "too aligned for stack"
    if op in ("NEW", "PTRLIT"):
        if type.under.elem.size > MOST_IMPLICIT:
            return "too large for stack"
    elif op == "CLOSURE":
        if closure_type(node).size > MOST_IMPLICIT:
            return "too large for stack"
    elif op == "METHVALUE":
        if node.x.type.size + T.PTR > MOST_IMPLICIT:
            return "too large for stack"
    elif op == "MAKESLICE":
        count = node.x if node.y is None else node.y
        elem = type.under.elem
        if elem.size == 0:
            return "zero-sized element"
        if count.op != "LIT" or not isinstance(count.val, int) or abs(count.val) >= 1 << 31:
            return ""
        if count.val > MOST_IMPLICIT // elem.size:
            return "too large for stack"
    return ""


def closure_type(node: Any) -> T.Struct:
    """The object of a function literal: its code, then what it captures (ClosureType)."""
    fields = [T.Field("F", T.UINTPTR)]
    for name, _ in node.func.captured:
        fields.append(T.Field(name.name, name.type if name.byval else T.Pointer(name.type)))
    return T.Struct(fields)


def is_header_data(node: Any) -> bool:
    """p.Data of a *reflect.SliceHeader or *reflect.StringHeader, a pointer as a uintptr."""
    if node is None or node.op != "DOTPTR" or node.sym != "Data":
        return False
    elem = node.x.type.under.elem
    return (
        isinstance(elem, T.Named)
        and elem.package == "reflect"
        and elem.name in ("SliceHeader", "StringHeader")
    )


def is_self_assign(target: Any, value: Any) -> bool:
    """Whether an assignment stores nothing new (utils.go:isSelfAssign)."""
    sliced = value.op in ("SLICE", "SLICE3", "SLICESTR") or (
        value.op in ("SLICEARR", "SLICE3ARR") and value.x.op != "ADDR"
    )
    if sliced and target.op in ("DEREF", "DOTPTR") and target.x.op == "NAME":
        base = value.x
        if base.op in ("DEREF", "DOTPTR") and base.x is target.x:
            return True
    if target.op != value.op:
        return False
    if target.op in ("DOT", "DOTPTR"):
        return same_safe(target.x, value.x)
    if target.op == "INDEX":
        if affects_memory(target.y) or affects_memory(value.y):
            return False
        return same_safe(target.x, value.x)
    return False


def affects_memory(node: Any) -> bool:
    if node is None or node.op in ("NAME", "LIT", "NIL"):
        return False
    if node.op in _HARMLESS:
        return affects_memory(node.x) or affects_memory(node.y)
    return True


_HARMLESS = {
    "ADD", "SUB", "OR", "XOR", "MUL", "LSH", "RSH", "AND", "ANDNOT", "DIV", "MOD", "INDEX",
    "CONVNOP", "CONV", "LEN", "CAP", "NOT", "BITNOT", "PLUS", "NEG", "DOT", "DOTPTR", "DEREF",
}  # fmt: skip


def same_safe(a: Any, b: Any) -> bool:
    """Whether two expressions are equal and evaluating them has no effect (ir.SameSafeExpr)."""
    while a.op == "CONVNOP":
        a = a.x
    while b.op == "CONVNOP":
        b = b.x
    if a.op != b.op or a.type is None or b.type is None or not T.identical(a.type, b.type):
        return False
    if a.op == "NAME":
        return a is b
    if a.op in ("DOT", "DOTPTR"):
        return a.sym == b.sym and same_safe(a.x, b.x)
    if a.op in ("DEREF", "NOT", "BITNOT", "PLUS", "NEG"):
        return same_safe(a.x, b.x)
    if a.op == "CONV":
        return same_safe(a.x, b.x)
    if a.op in ("INDEX", "INDEXMAP", "ADD", "SUB", "OR", "XOR", "MUL", "LSH", "RSH", "AND",
                "ANDNOT", "DIV", "MOD"):  # fmt: skip
        return same_safe(a.x, b.x) and same_safe(a.y, b.y)
    if a.op == "LIT":
        return bool(a.val == b.val)
    return bool(a.op == "NIL")
