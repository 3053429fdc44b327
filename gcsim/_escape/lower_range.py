"""Ranges over functions: the body becomes a function literal that the iterator calls.

As `cmd/compile/internal/rangefunc/rewrite.go` rewrites them: a state variable for each loop that
catches misuse, `#next` that tells the code after the call how the body was left, results stored
before the literal returns false. Which numbers they hold does not matter to the analysis; that
they are captured and assigned does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from . import types as T
from .lower_stmt import Statements
from .nodes import NOWHERE, Func, Name, Node, Pos
from .parse import Tree

READY, DONE, PANIC, EXHAUSTED = 0, 1, 2, 3  # abi.RF_State


@dataclass
class Loop:
    """A range over a function whose body is being lowered."""

    lowering: Any  # of the function that the loop stands in
    state: Name
    label: str | None
    depth: int
    place: int = 0  # where its function's names are to have those
    decls: list[Node] = field(default_factory=list)  # of the outermost loop: #next, #defers
    next: Name | None = None
    defers: Name | None = None
    returns: bool = False
    leaves: bool = False
    branches: list[tuple[str, str]] = field(default_factory=list)


class Ranges(Statements):
    """Lowers statements, with those inside the bodies of ranges over functions."""

    def __init__(self, *args: Any, **more: Any):
        super().__init__(*args, **more)
        self.loops: list[Loop] = []  # the ranges over functions around this body
        self.nested: list[tuple[str, str | None]] = []  # statements here that break may leave
        self.states = {"state": 0, "yield": 0}
        self.label: str | None = None  # of the statement that comes

    # What break and continue lead to.

    def stmt_labeled_statement(self, tree: Tree, out: list[Node]) -> None:
        self.label = self.text(tree.child_by_field_name("label"))
        super().stmt_labeled_statement(tree, out)
        self.label = None

    def _inside(self, kind: str, lower: Any, tree: Tree, out: list[Node]) -> None:
        label, self.label = self.label, None
        self.nested.append((kind, label))
        lower(tree, out)
        self.nested.pop()

    def stmt_for_statement(self, tree: Tree, out: list[Node]) -> None:
        self._inside("loop", super().stmt_for_statement, tree, out)

    def stmt_expression_switch_statement(self, tree: Tree, out: list[Node]) -> None:
        self._inside("switch", super().stmt_expression_switch_statement, tree, out)

    def stmt_type_switch_statement(self, tree: Tree, out: list[Node]) -> None:
        self._inside("switch", super().stmt_type_switch_statement, tree, out)

    def stmt_select_statement(self, tree: Tree, out: list[Node]) -> None:
        self._inside("switch", super().stmt_select_statement, tree, out)

    def _branch(self, tree: Tree, out: list[Node], op: str) -> None:
        super()._branch(tree, out, op)
        node = out[-1]
        if not self.loops or op == "FALL":
            return
        if node.sym is None:
            kinds = {kind for kind, _ in self.nested}
            if "loop" in kinds or (op == "BREAK" and kinds):
                return
            out.pop()
            self.leave_body(node.pos, len(self.loops) - 1, op, out)
            return
        if op != "GOTO" and any(label == node.sym for _, label in self.nested):
            return
        for i, loop in reversed(list(enumerate(self.loops))):
            if op != "GOTO" and loop.label == node.sym:
                out.pop()
                self.leave_body(node.pos, i, op, out)
                return
        if op == "GOTO":  # gotos stay inside a body, but for those that Go allows out of it
            return
        out.pop()
        self.loops[0].branches.append((op, node.sym))
        for loop in self.loops[1:]:
            loop.returns = True
        self.set_next(node.pos, -2, out)
        self.set_state(node.pos, self.loops[-1], DONE, out)
        out.append(self.answer(node.pos, False))

    def leave_body(self, pos: Pos, target: int, op: str, out: list[Node]) -> None:
        """break or continue of the range over a function at `target` in the list of loops."""
        last = len(self.loops) - 1
        if target == last:
            self.set_state(pos, self.loops[-1], READY if op == "CONTINUE" else DONE, out)
            out.append(self.answer(pos, op == "CONTINUE"))
            return
        for loop in self.loops[target + 1 :]:
            loop.leaves = True
        self.set_next(pos, 2 * (target + 1) - (op == "CONTINUE"), out)
        self.set_state(pos, self.loops[-1], DONE, out)
        out.append(self.answer(pos, False))

    # The variables that the rewriting adds.

    def number(self, pos: Pos, value: int) -> Node:
        return Node("LIT", pos, T.INT, val=value)

    def mention(self, name: Name, pos: Pos) -> Name:
        self.use(name, pos)
        return name

    def set_state(self, pos: Pos, loop: Loop, value: int, out: list[Node]) -> None:
        out.append(Node("AS", pos, None, self.mention(loop.state, pos), self.number(pos, value)))

    def outer_variable(self, name: str, type: T.Type, value: Node | None) -> Name:
        """A variable of the function that the outermost loop stands in."""
        first = self.loops[0]
        made: Name = first.lowering.local(name, NOWHERE, type)
        dcl = first.lowering.func.dcl
        dcl.insert(first.place + len(first.decls), dcl.pop())  # declared in front of the loop
        assign = Node("AS", NOWHERE, None, made, value)
        assign.init = [Node("DCL", NOWHERE, None, made)]
        if value is not None:
            made.defn, assign.flag = assign, True
        first.decls.append(assign)
        return made

    def next_name(self, pos: Pos) -> Name:
        first = self.loops[0]
        if first.next is None:
            first.next = self.outer_variable("#next", T.INT, None)
        return self.mention(first.next, pos)

    def set_next(self, pos: Pos, value: int, out: list[Node]) -> None:
        out.append(Node("AS", pos, None, self.next_name(pos), self.number(pos, value)))

    def answer(self, pos: Pos, more: bool) -> Node:
        return Node("RETURN", pos, list=[Node("LIT", pos, T.BOOL, val=more)])

    def if_next(self, op: str, pos: Pos, value: int, then: list[Node]) -> Node:
        test = Node(op, pos, T.UNTYPED_BOOL, self.next_name(pos), self.number(pos, value))
        node = Node("IF", pos, None, test)
        node.body = then
        return node

    # Statements inside a body.

    def stmt_return_statement(self, tree: Tree, out: list[Node]) -> None:
        if not self.loops:
            super().stmt_return_statement(tree, out)
            return
        first = self.loops[0].lowering
        pos = self.file.pos(tree)
        trees = self.trees(self.children(tree)[0]) if self.children(tree) else []
        if trees:
            names: list[Name] = first.func.results
            for i, name in enumerate(names):
                if name.name.startswith("~"):
                    name.name = f"#rv{i + 1}"
            for name in names:
                self.use(name, pos)
            values, place = self.argument_nodes(trees), None
            if len(values) == 1 and isinstance(values[0].type, T.Tuple):
                values, place = self.spread(values[0], pos), pos
                trees = [trees[0]] * len(values)
            if len(values) != len(names):
                few = "not enough" if len(values) < len(names) else "too many"
                self.fail(tree, f"{few} return values")
            values = [
                self.assign(v, n.type, a, place=place)
                for v, n, a in zip(values, names, trees, strict=True)
            ]
            if len(names) == 1:
                out.append(Node("AS", pos, None, names[0], values[0]))
            else:
                node = Node("AS2", pos, None, list=list(names))
                node.rhs = values
                out.append(node)
        for loop in self.loops:
            loop.returns = True
        self.set_next(pos, -1, out)
        self.set_state(pos, self.loops[-1], DONE, out)
        out.append(self.answer(pos, False))

    def children(self, tree: Tree) -> list[Tree]:
        return [c for c in tree.named_children if c.type != "comment"]

    def stmt_defer_statement(self, tree: Tree, out: list[Node]) -> None:
        super().stmt_defer_statement(tree, out)
        if self.loops:
            first = self.loops[0]
            if first.defers is None:
                called = Node("RECOVER", NOWHERE, T.ANY, list=[])  # runtime.deferrangefunc()
                first.defers = self.outer_variable("#defers", T.ANY, called)
            out[-1].w = self.mention(first.defers, self.file.pos(tree))

    # The loop.

    def peek(self, tree: Tree) -> T.Type | None:
        """The type of an expression, lowered for nothing else."""
        func = self.func
        kept = (
            list(func.dcl),
            list(func.captured),
            set(func.captured_set),
            dict(func.counts),
            len(self.package.funcs),
        )
        type = self.raw(tree).type
        func.dcl, func.captured, func.captured_set, func.counts = kept[:4]
        del self.package.funcs[kept[4] :]
        return type  # type: ignore[no-any-return]

    def range_function(
        self, tree: Tree, left: list[Tree], right: Tree, defines: bool, body: Tree, type: Any
    ) -> list[Node]:
        """for left = range right { body } where right is a function."""
        start = self.file.pos(tree)
        root = self.loops[0].lowering if self.loops else self
        root.states["state"] += 1
        place = len(self.func.dcl)
        state = self.local(f"#state{root.states['state']}", start, T.INT)
        label = self.nested[-1][1] if self.nested else None
        loop = Loop(self, state, label, len(self.loops) + 1, place)
        block: list[Node] = []
        self._declare(state, self.number(start, READY), start, block)
        closure = self.body_literal(tree, left, defines, body, type, loop, start)
        root.states["yield"] += 1
        yielder = self.local(f"#yield{root.states['yield']}", NOWHERE, closure.type)
        self._declare(yielder, closure, start, block)
        block.append(self.call_with(tree, right, [yielder]))
        test = Node("EQ", start, T.UNTYPED_BOOL, state, self.number(start, PANIC))
        block.append(Node("IF", start, None, test))
        block.append(Node("AS", start, None, state, self.number(start, EXHAUSTED)))
        self.loops = [*self.loops, loop]
        self.checks(loop, start, block)
        self.loops = self.loops[:-1]
        return [*loop.decls, *block]

    def _declare(self, name: Name, value: Node, pos: Pos, out: list[Node]) -> None:
        assign = Node("AS", pos, None, name, value, flag=True)
        assign.init = [Node("DCL", name.pos, None, name)]
        name.defn = assign
        out.append(assign)

    def body_literal(
        self,
        tree: Tree,
        left: list[Tree],
        defines: bool,
        body: Tree,
        type: Any,
        loop: Loop,
        start: Pos,
    ) -> Node:
        signature = type.under
        if len(signature.params) != 1 or not isinstance(
            signature.params[0].type.under, T.Signature
        ):
            self.fail(tree, "cannot range over a function that takes no yield function")
        wanted = signature.params[0].type.under.params
        if len(left) > len(wanted):
            self.fail(tree, "range permits fewer iteration variables")
        fields = []
        for i, param in enumerate(wanted):
            named = i < len(left) and defines
            name = self.text(self.strip(left[i])) if named else f"#p{i + 1}"
            pos = self.file.pos(left[i]) if named else start
            fields.append(T.Field(name, param.type, pos=pos))
        made = T.Signature(fields, [T.Field("#r", T.BOOL, pos=start)])
        func = Func(self.closure_name("range"), start, made, self.func)
        func.dupok, func.package = self.func.dupok, self.func.package
        func.silent = self.func.silent
        func.range_parent = self.func.range_parent or self.func
        node = Node("CLOSURE", start, made, func=func)
        func.closure = node
        self.package.funcs.append(func)
        inner = self.__class__(self.package, self.file, self.scope, func, self)
        inner.declare(made)
        inner.loops = [*self.loops, loop]
        out: list[Node] = []
        if not defines:
            for target, given in zip(left, func.params, strict=False):
                stripped = self.strip(target)
                to = inner.blank(stripped) if self.text(stripped) == "_" else inner.target(stripped)
                value = inner.assign(given, None if to.op == "BLANK" else to.type, target)
                out.append(Node("AS", self.file.pos(target), None, to, value))
        before = inner.local("#tmpState", NOWHERE, T.INT)
        inner._declare(before, inner.mention(loop.state, start), start, out)
        inner.set_state(start, loop, PANIC, out)
        test = Node("NE", start, T.UNTYPED_BOOL, before, self.number(start, READY))
        out.append(Node("IF", start, None, test))
        inner.push()
        out += inner.block(body)
        inner.pop()
        inner.set_state(start, loop, READY, out)
        out.append(inner.answer(start, True))
        func.body = out
        self.capture(inner)
        return node

    def checks(self, loop: Loop, pos: Pos, out: list[Node]) -> None:
        """What follows the call: how the body was left."""
        for op, label in dict.fromkeys(loop.branches):
            out.append(self.if_next("EQ", pos, -2, [Node(op, pos, sym=label)]))
        if len(self.loops) == 1:
            if loop.returns:
                out.append(self.if_next("EQ", pos, -1, [Node("RETURN", pos)]))
            return
        around = self.loops[-2]

        def leave(value: int, more: bool) -> list[Node]:
            then: list[Node] = []
            self.set_state(pos, around, value, then)
            return [*then, self.answer(pos, more)]

        if loop.returns:
            out.append(self.if_next("LT", pos, 0, leave(DONE, False)))
        step = 2 * (loop.depth - 1)
        out.append(self.if_next("GT", pos, step, []))
        if loop.leaves:
            out.append(self.if_next("EQ", pos, step - 1, leave(READY, True)))
            out.append(self.if_next("EQ", pos, step, leave(DONE, False)))
            out.append(self.if_next("GT", pos, 0, leave(DONE, False)))
