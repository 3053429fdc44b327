"""Statements to nodes, function bodies, and what the compiler makes of `go`, `defer` and ranges.

Code after a terminating statement and under constant conditions is left out, as
`noder/writer.go` does.
"""

from __future__ import annotations

from typing import Any

from . import types as T
from .lower import INTEGERS
from .lower_call import Calls
from .nodes import Func, Name, Node, Pos
from .parse import Tree
from .typing import named_children

ASSIGN_OPS = {
    "+=": "ADD", "-=": "SUB", "*=": "MUL", "/=": "DIV", "%=": "MOD", "&=": "AND", "|=": "OR",
    "^=": "XOR", "<<=": "LSH", ">>=": "RSH", "&^=": "ANDNOT",
}  # fmt: skip


class Statements(Calls):
    """Lowers statements; `function_body` is the way in."""

    def declare(self, signature: T.Signature) -> None:
        """The function's parameters and results, named and not, in the order of fn.Dcl."""
        func = self.func
        self.push()
        fields = [*([signature.recv] if signature.recv else []), *signature.params]

        def one(field: T.Field, cls: str, prefix: str, i: int) -> Name:
            plain = field.name in ("", "_")
            name = Name(
                f"{prefix}{i}" if plain else field.name,
                field.pos or func.pos,
                field.type,
                cls,
                func,
            )
            name.package = func.package
            func.dcl.append(name)
            if not plain:
                self.scope.names[field.name] = name
            return name

        func.params = [one(f, "param", "~p", i) for i, f in enumerate(fields)]
        for name, field in zip(func.params, fields, strict=True):
            name.flag = field.name == "" or field.name == "_"  # never reported
        if func.recv_offset:
            self.dict = Name(".dict", func.pos, T.Pointer(T.UINTPTR), "param", func)
            func.params.insert(func.recv_offset - 1, self.dict)
            func.dcl.insert(func.recv_offset - 1, self.dict)
        func.results = [one(f, "result", "~r", i) for i, f in enumerate(signature.results)]
        self.result_types = [r.type for r in signature.results]

    def function_body(self, body: Tree) -> list[Node]:
        """The statements, in the scope of the parameters: a body is no block of its own."""
        return self.block(body)

    # Blocks.

    def block(self, body: Tree) -> list[Node]:
        """The statements of { ... }, in the scope that is open."""
        inside = named_children(body)
        if inside and inside[0].type == "statement_list":
            inside = [s for part in inside for s in named_children(part)]
        return self.statements(inside)

    def scoped(self, body: Tree) -> list[Node]:
        self.push()
        out = self.block(body)
        self.pop()
        return out

    def statements(self, trees: list[Tree]) -> list[Node]:
        out: list[Node] = []
        trees = [t for t in trees if t.type not in ("empty_statement", "comment")]
        labels = [i for i, t in enumerate(trees) if t.type == "labeled_statement"]
        last, dead = labels[-1] if labels else -1, False
        for i, tree in enumerate(trees):
            if dead and i > last:
                continue
            self.statement(tree, out)
            dead = self.terminates(tree)
        return out

    def terminates(self, tree: Tree) -> bool:
        kind = tree.type
        if kind in ("goto_statement", "return_statement"):
            return True
        if kind == "expression_statement":
            call = self.strip(named_children(tree)[0])
            if call.type == "call_expression":
                function = self.strip(call.child_by_field_name("function"))
                return self.text(function) == "panic"
        if kind == "if_statement":
            condition = self.static(tree)
            then = tree.child_by_field_name("consequence")
            other = tree.child_by_field_name("alternative")
            return (condition < 0 or self.terminates(then)) and (
                condition > 0 or (other is not None and self.terminates(other))
            )
        if kind == "block":
            inside = named_children(tree)
            if inside and inside[0].type == "statement_list":
                inside = [s for part in inside for s in named_children(part)]
            inside = [s for s in inside if s.type != "empty_statement"]
            return bool(inside) and self.terminates(inside[-1])
        return False

    def static(self, tree: Tree) -> int:
        return self.package.static.get((self.file.number, tree.start_byte), 0)  # type: ignore[no-any-return]

    def statement(self, tree: Tree, out: list[Node]) -> None:
        self.package.root.where = (self.file, tree)
        method = getattr(self, "stmt_" + tree.type, None)
        if method is None:
            self.fail(tree, f"gcsim does not know this statement ({tree.type})")
        method(tree, out)

    def stmt_block(self, tree: Tree, out: list[Node]) -> None:
        out.extend(self.scoped(tree))

    def stmt_empty_statement(self, tree: Tree, out: list[Node]) -> None:
        pass

    def stmt_expression_statement(self, tree: Tree, out: list[Node]) -> None:
        inner = named_children(tree)[0]
        node = self.raw(inner)
        if node.op not in _STATEMENTS:
            self.fail(tree, f"{self.text(inner)[:60]} is not used")
        out.append(node)

    # Assignments.

    def trees(self, tree: Tree | None) -> list[Tree]:
        if tree is None:
            return []
        return named_children(tree) if tree.type == "expression_list" else [tree]

    def stmt_assignment_statement(self, tree: Tree, out: list[Node]) -> None:
        left = self.trees(tree.child_by_field_name("left"))
        right = self.trees(tree.child_by_field_name("right"))
        op = tree.child_by_field_name("operator")
        pos = self.file.pos(op)
        if op.type == "=":
            out.append(self.assignment(tree, pos, left, right, None))
            return
        x = self.value(left[0])
        y = self.value(right[0])
        assert x.type is not None and y.type is not None
        if op.type in ("<<=", ">>="):
            y = self.typed(y, T.UINT, right[0]) if T.is_untyped(y.type) else y
        else:
            y = self.assign(y, x.type, right[0])
        out.append(Node("ASOP", pos, None, x, y, sym=ASSIGN_OPS[op.type]))

    def _increment(self, tree: Tree, out: list[Node], op: str) -> None:
        x = self.value(named_children(tree)[0])
        pos = self.file.pos(tree.children[-1])
        one = Node("LIT", pos, x.type, val=1)
        out.append(Node("ASOP", pos, None, x, one, sym=op, flag=True))

    def stmt_inc_statement(self, tree: Tree, out: list[Node]) -> None:
        self._increment(tree, out, "ADD")

    def stmt_dec_statement(self, tree: Tree, out: list[Node]) -> None:
        self._increment(tree, out, "SUB")

    def stmt_short_var_declaration(self, tree: Tree, out: list[Node]) -> None:
        left = self.trees(tree.child_by_field_name("left"))
        right = self.trees(tree.child_by_field_name("right"))
        pos = self.token(tree, ":=")
        names = {}
        for i, target in enumerate(left):
            name = self.text(target)
            if target.type not in ("identifier", "iota", "true", "false", "nil"):
                self.fail(target, f"non-name {name} on left side of :=")
            if name != "_" and name not in self.scope.names:
                names[i] = self.local(name, self.file.pos(target), None)
        if not names:
            self.fail(tree, "no new variables on left side of :=")
        out.append(self.assignment(tree, pos, left, right, names))

    def assignment(
        self,
        tree: Tree,
        pos: Pos,
        left: list[Tree],
        right: list[Tree],
        names: dict[int, Name] | None,
        declared: T.Type | None = None,
    ) -> Node:
        """left = right; `names` are the targets that this statement declares."""
        names = names or {}
        targets: list[Any] = []
        for i, target in enumerate(left):
            inner = self.strip(target)
            if i in names:
                targets.append(names[i])
            elif inner.type in ("identifier", "blank_identifier") and self.text(inner) == "_":
                targets.append(self.blank(inner))
            else:
                targets.append(self.target(inner))
        types = [declared or (None if t.op == "BLANK" else t.type) for t in targets]
        place = None
        if len(right) == 1 and len(left) > 1:
            place = pos
            raw = self.raw(right[0])
            values = self.unpack(tree, raw, len(left), pos, right[0])
            told = types[1] if len(types) == 2 else None
            if not isinstance(raw.type, T.Tuple) and told is not None and told.kind == "bool":
                values[1].type = told  # the ok of v, ok is an untyped bool
            trees = [right[0]] * len(left)
        else:
            if len(left) != len(right):
                self.fail(
                    tree,
                    f"assignment mismatch: {len(left)} variable{'s'[: len(left) > 1]}"
                    f" but {len(right)} value{'s'[: len(right) > 1]}",
                )
            values, trees = [self.value(r) for r in right], right
        rhs = []
        for i, (value, at) in enumerate(zip(values, trees, strict=True)):
            made = i in names
            want = declared if made else types[i]
            value = self.assign(value, want, at, place=place)
            if made:
                type = declared or value.type
                names[i].type = T.BOOL if type is T.UNTYPED_BOOL else type
            rhs.append(value)
        for name in names.values():
            self.scope.names[name.name] = name
        if len(left) == 1:
            node = Node("AS", pos, None, targets[0], rhs[0], flag=bool(names))
        else:
            node = Node("AS2", pos, None, list=targets, flag=bool(names))
            node.rhs = rhs
        node.init = [Node("DCL", n.pos, None, n) for n in names.values()]
        for name in names.values():
            name.defn = node
        return node

    def blank(self, tree: Tree) -> Name:
        node = Name("_", self.file.pos(tree), None, "auto", self.func)
        node.op = "BLANK"
        return node

    def target(self, tree: Tree) -> Node:
        node = self.value(tree)
        if node.op != "INDEXMAP" and not addressable_target(node):
            self.fail(tree, f"cannot assign to {self.text(tree)}")
        return node

    def unpack(self, tree: Tree, value: Any, count: int, pos: Pos, at: Tree) -> list[Node]:
        """The values of a call, or of v, ok forms, as temporaries (noder's multiExpr)."""
        if isinstance(value.type, T.Tuple) and len(value.type.types) == count:
            return self.spread(value, pos)
        op = _COMMA_OK.get(value.op)
        if op is None or count != 2:
            self.fail(tree, f"assignment mismatch: {count} variables but 1 value")
        temps = [self.temp(pos, value.type), self.temp(pos, T.BOOL)]
        if value.op in ("DOTTYPE", "DYNAMICDOTTYPE"):
            value.op += "2"
        assign = Node(op, pos, None, list=list(temps), flag=True)
        assign.rhs = [value]
        assign.init = [Node("DCL", pos, None, t) for t in temps]
        return self.with_init(temps, assign)

    # Declarations.

    def stmt_var_declaration(self, tree: Tree, out: list[Node]) -> None:
        for spec in self.specs(tree, "var_spec"):
            trees = [t for t in spec.children_by_field_name("name") if t.is_named]
            written = spec.child_by_field_name("type")
            type = self.type_of(written) if written is not None else None
            right = self.trees(spec.child_by_field_name("value"))
            pos = self.file.pos(spec)
            names = {
                i: self.local(self.text(t), self.file.pos(t), type)
                for i, t in enumerate(trees)
                if self.text(t) != "_"
            }
            if right:
                out.append(self.assignment(spec, pos, trees, right, names, type))
                continue
            for name in names.values():
                self.scope.names[name.name] = name
                node = Node("AS", pos, None, name)
                node.init = [Node("DCL", pos, None, name)]
                out.append(node)

    def specs(self, tree: Tree, kind: str) -> list[Tree]:
        out = []
        for part in named_children(tree):
            out += named_children(part) if part.type == kind + "_list" else [part]
        return out

    def stmt_const_declaration(self, tree: Tree, out: list[Node]) -> None:
        for name, const in self.package.constants(tree, self.file, self.scope, self):
            const.get()
            if name != "_":
                self.scope.names[name] = const

    def stmt_type_declaration(self, tree: Tree, out: list[Node]) -> None:
        for spec in named_children(tree):
            self.package.declare_type(spec, self.file, self.scope, local=True)

    # Control.

    def initial(self, tree: Tree) -> list[Node]:
        out: list[Node] = []
        init = tree.child_by_field_name("initializer")
        if init is not None:
            self.statement(init, out)
        return out

    def condition(self, tree: Tree) -> Node:
        node = self.value(tree)
        if node.type.kind != "bool":
            self.fail(tree, f"non-boolean condition {self.text(tree)[:60]}")
        if node.op == "LIT":
            node = self.default(node, tree)
        return node

    def stmt_if_statement(self, tree: Tree, out: list[Node]) -> None:
        self.push()
        init = self.initial(tree)
        condition = self.condition(tree.child_by_field_name("condition"))
        known, condition = simplify(condition)
        self.package.static[(self.file.number, tree.start_byte)] = known
        then: list[Node] = []
        other: list[Node] = []
        if known >= 0:
            then = self.scoped(tree.child_by_field_name("consequence"))
        alternative = tree.child_by_field_name("alternative")
        if known <= 0 and alternative is not None:
            self.statement(alternative, other)
        self.pop()
        if known != 0:
            if condition.op != "LIT":
                blank = Name("_", condition.pos, None, "auto", self.func)
                blank.op = "BLANK"
                init.append(Node("AS", condition.pos, None, blank, condition))
            out.extend([*init, *then, *other])
            return
        node = Node("IF", self.file.pos(tree), None, condition)
        node.init, node.body, node.els = init, then, other
        out.append(node)

    def stmt_for_statement(self, tree: Tree, out: list[Node]) -> None:
        body = tree.child_by_field_name("body")
        head = [c for c in named_children(tree) if c != body]
        self.push()
        pos = self.file.pos(tree)
        if head and head[0].type == "range_clause":
            self.range(tree, head[0], body, out)
            self.pop()
            return
        node = Node("FOR", pos, flag=True)
        init: list[Node] = []
        condition = update = None
        if head and head[0].type == "for_clause":
            clause = head[0]
            init = self.initial(clause)
            condition = clause.child_by_field_name("condition")
            update = clause.child_by_field_name("update")
        elif head:
            condition = head[0]
        known = 0
        if condition is not None:
            node.x = self.condition(condition)
            known, node.x = simplify(node.x)
        if known >= 0:
            if update is not None:
                post: list[Node] = []
                self.statement(update, post)
                node.y = post[0] if post else None
            node.body = self.scoped(body)
        self.pop()
        if known < 0:
            out.extend(init)
            return
        node.init = init
        out.append(node)

    def peek(self, tree: Tree) -> T.Type | None:
        raise NotImplementedError

    def range_function(self, *args: Any) -> list[Node]:
        raise NotImplementedError

    def range(self, tree: Tree, clause: Tree, body: Tree, out: list[Node]) -> None:
        left = self.trees(clause.child_by_field_name("left"))
        right = clause.child_by_field_name("right")
        defines = any(c.type == ":=" for c in clause.children)
        pos = self.token(clause, "range")
        kind = self.peek(right)
        if kind is not None and isinstance(kind.under, T.Signature):
            out.extend(self.range_function(tree, left, right, defines, body, kind))
            return
        node = Node("RANGE", pos, flag=defines)
        names: dict[int, Name] = {}
        targets: list[Any] = []
        for i, target in enumerate(left):
            inner = self.strip(target)
            if self.text(inner) == "_":
                targets.append(self.blank(inner))
            elif defines:
                names[i] = self.local(self.text(inner), self.file.pos(inner), None)
                targets.append(names[i])
            else:
                targets.append(self.target(inner))
        x = self.value(right)
        assert x.type is not None
        if x.op == "LIT" and T.is_untyped(x.type):
            first = targets[0].type if targets and not defines else None
            if x.val.__class__ is int and first is not None:
                x = self.typed(x, first, right)
            else:
                x = self.default(x, right)
        assert x.type is not None
        kinds = element_types(x.type)
        if kinds is None:
            self.fail(right, f"cannot range over {self.text(right)} ({x.type})")
        for i, name in names.items():
            if i >= len(kinds):
                self.fail(left[i], "range permits fewer iteration variables")
            name.type = kinds[i]
            name.defn = node
            self.scope.names[name.name] = name
        node.x = x
        node.y = targets[0] if targets else None
        node.z = targets[1] if len(targets) > 1 else None
        node.init = [Node("DCL", n.pos, None, n) for n in names.values()]
        node.body = self.scoped(body)
        out.append(node)

    def stmt_labeled_statement(self, tree: Tree, out: list[Node]) -> None:
        label = self.text(tree.child_by_field_name("label"))
        out.append(Node("LABEL", self.file.pos(tree), sym=label))
        for part in named_children(tree)[1:]:
            self.statement(part, out)

    def _branch(self, tree: Tree, out: list[Node], op: str) -> None:
        label = [c for c in named_children(tree) if c.type == "label_name"]
        out.append(Node(op, self.file.pos(tree), sym=self.text(label[0]) if label else None))

    def stmt_goto_statement(self, tree: Tree, out: list[Node]) -> None:
        self._branch(tree, out, "GOTO")

    def stmt_break_statement(self, tree: Tree, out: list[Node]) -> None:
        self._branch(tree, out, "BREAK")

    def stmt_continue_statement(self, tree: Tree, out: list[Node]) -> None:
        self._branch(tree, out, "CONTINUE")

    def stmt_fallthrough_statement(self, tree: Tree, out: list[Node]) -> None:
        self._branch(tree, out, "FALL")

    def stmt_return_statement(self, tree: Tree, out: list[Node]) -> None:
        trees = self.trees(named_children(tree)[0]) if named_children(tree) else []
        pos = self.file.pos(tree)
        node = Node("RETURN", pos)
        if trees:
            wanted = self.result_types
            values, place = self.argument_nodes(trees), None
            if len(values) == 1 and isinstance(values[0].type, T.Tuple):
                values, place = self.spread(values[0], pos), pos
                trees = [trees[0]] * len(values)
            if len(values) != len(wanted):
                few = "not enough" if len(values) < len(wanted) else "too many"
                self.fail(tree, f"{few} return values")
            node.list = [
                self.assign(v, t, a, " in return statement", place)
                for v, t, a in zip(values, wanted, trees, strict=True)
            ]
        elif any(not result.name for result in self.func.type.results):
            self.fail(tree, "not enough return values")
        out.append(node)

    def stmt_send_statement(self, tree: Tree, out: list[Node]) -> None:
        channel, value = tree.child_by_field_name("channel"), tree.child_by_field_name("value")
        x = self.value(channel)
        if not isinstance(x.type.under, T.Chan):
            self.fail(tree, f"invalid operation: cannot send to {self.text(channel)}")
        y = self.assign(self.value(value), x.type.under.elem, value)
        out.append(Node("SEND", self.token(tree, "<-"), None, x, y))

    # Switches.

    def stmt_expression_switch_statement(self, tree: Tree, out: list[Node]) -> None:
        self.push()
        node = Node("SWITCH", self.file.pos(tree))
        node.init = self.initial(tree)
        written = tree.child_by_field_name("value")
        tag = self.known(written) if written is not None else None
        clauses = [c for c in named_children(tree) if c.type in ("expression_case", "default_case")]
        values = [
            [(self.value(v), v) for v in self.trees(c.child_by_field_name("value"))]
            for c in clauses
        ]
        chosen = self.constant_case(tag, clauses, values, tree)
        if chosen is not None:
            clauses = chosen
            values = [[] for _ in clauses]
            tag = None
        if tag is not None and written is not None and tag.type is T.UNTYPED_BOOL:
            tag.type = T.BOOL
        type: T.Type = tag.type if tag is not None else T.BOOL
        if type.kind != "chan" and self.mixed(values, type):
            type = T.ANY_PLAIN
        if tag is not None and written is not None:
            tag = self.assign(tag, type, written)
        node.x = tag
        for clause, cases in zip(clauses, values, strict=True):
            made = Node("CASE", self.file.pos(clause))
            made.list = [self.case_value(v, type, at) for v, at in cases]
            self.push()
            made.body = self.case_body(clause)
            self.pop()
            node.list = [*node.list, made]
        self.pop()
        out.append(node)

    def case_value(self, value: Node, type: T.Type, at: Tree) -> Node:
        if type.kind == "chan" and not T.is_untyped(value.type):
            return value
        return self.assign(value, type, at)

    def mixed(self, values: Any, type: T.Type) -> bool:
        from .typing import assignable

        for cases in values:
            for value, _ in cases:
                other = value.type
                if T.is_untyped(other):
                    continue
                if not assignable(other, type) and (T.is_interface(other) or T.is_interface(type)):
                    return True
        return False

    def constant_case(self, tag: Any, clauses: Any, values: Any, tree: Tree) -> Any:
        """The one clause that a constant tag leads to, as a list; None if it is not known."""
        from .constants import binary

        if tag is not None and tag.op != "LIT":
            return None
        value = tag.val if tag is not None else True
        target = None
        for clause, cases in zip(clauses, values, strict=True):
            if clause.type == "default_case":
                target = clause
            for case, _ in cases:
                if case.op != "LIT":
                    return None
                if binary("==", value, case.val, False):
                    return None if falls(clause) else [clause]
        if target is not None and falls(target):
            return None
        return [target] if target is not None else []

    def case_body(self, clause: Tree) -> list[Node]:
        inside = [
            s for part in named_children(clause) if part.type == "statement_list"
            for s in named_children(part)
        ]  # fmt: skip
        return self.statements(inside)

    def stmt_type_switch_statement(self, tree: Tree, out: list[Node]) -> None:
        self.push()
        node = Node("SWITCH", self.file.pos(tree))
        node.init = self.initial(tree)
        alias = tree.child_by_field_name("alias")
        name_tree = self.trees(alias)[0] if alias is not None else None
        x = self.value(tree.child_by_field_name("value"))
        if not T.is_interface(x.type):
            self.fail(tree, "the operand of a type switch must be an interface")
        guard = Node("TYPESWITCH", self.at(tree.child_by_field_name("value")), None, x)
        guard.sym = self.text(name_tree) if name_tree is not None else None
        node.x = guard
        cases: list[Node] = []
        for clause in named_children(tree):
            if clause.type not in ("type_case", "default_case"):
                continue
            made = Node("CASE", self.file.pos(clause))
            written = [t for t in clause.children_by_field_name("type") if t.is_named]
            types: list[Any] = []
            for t in written:
                if self.text(t) == "nil":
                    types.append(None)
                    made.list = [*made.list, Node("NIL", self.file.pos(t), T.UNTYPED_NIL)]
                    continue
                type = self.type_of(t)
                types.append(type)
                made.list = [*made.list, Node("TYPE", self.file.pos(t), type)]
            self.push()
            if name_tree is not None:
                one = types[0] if len(types) == 1 and types[0] is not None else x.type
                pos = self.file.pos(clause)
                if written:
                    pos = type_end(self, written[-1])
                name = self.local(self.text(name_tree), pos, one)
                name.defn = guard
                made.x = name
                self.scope.names[name.name] = name
            made.body = self.case_body(clause)
            self.pop()
            cases.append(made)
        node.list = cases
        self.pop()
        out.append(node)

    def stmt_select_statement(self, tree: Tree, out: list[Node]) -> None:
        node = Node("SELECT", self.file.pos(tree))
        for clause in named_children(tree):
            if clause.type not in ("communication_case", "default_case"):
                continue
            made = Node("COMM", self.file.pos(clause))
            self.push()
            before: list[Node] = []
            communication = clause.child_by_field_name("communication")
            if communication is not None:
                made.x, before = self.communication(communication)
            made.body = [*before, *self.case_body(clause)]
            self.pop()
            node.list = [*node.list, made]
        out.append(node)

    def communication(self, tree: Tree) -> tuple[Any, list[Node]]:
        """The statement of a select case, and what of it moves into the body."""
        if tree.type != "receive_statement":
            made: list[Node] = []
            self.statement(tree, made)
            return made[0], []
        left = self.trees(tree.child_by_field_name("left"))
        right = tree.child_by_field_name("right")
        if not left:
            return self.value(right), []
        defines = any(c.type == ":=" for c in tree.children)
        pos = self.token(tree, ":=" if defines else "=")
        names = None
        if defines:
            names = {
                i: self.local(self.text(t), self.file.pos(t), None)
                for i, t in enumerate(left)
                if self.text(t) != "_"
            }
        as_ = self.assignment(tree, pos, left, [right], names)
        if as_.op == "AS2":
            first = as_.rhs[0]
            communication, first.init = first.init[0], ()
            communication.op = "SELRECV2"
            return communication, [as_]
        received, body = as_.y, []
        if received.op == "CONVIFACE":
            temp = self.temp(pos, received.x.type)
            recv, received.x = received.x, temp
            body = [as_]
            as_ = Node("AS", pos, None, temp, recv, flag=True)
            as_.init = [Node("DCL", pos, None, temp)]
        comm = Node("SELRECV2", pos, None, list=[as_.x, self.blank(tree)], flag=as_.flag)
        comm.rhs = [as_.y]
        comm.init = as_.init
        if isinstance(as_.x, Name) and as_.x.defn is as_:
            as_.x.defn = as_
        return comm, body

    # go and defer (typecheck/stmt.go:normalizeGoDeferCall).

    def stmt_go_statement(self, tree: Tree, out: list[Node]) -> None:
        self._spawn(tree, out, "GO")

    def stmt_defer_statement(self, tree: Tree, out: list[Node]) -> None:
        self._spawn(tree, out, "DEFER")

    def _spawn(self, tree: Tree, out: list[Node], op: str) -> None:
        pos = self.file.pos(tree)
        inner = self.strip(named_children(tree)[0])
        call = self.raw(inner)
        if call.op not in _CALLS:
            self.fail(tree, f"expression in {op.lower()} must be function call")
        node = Node(op, pos)
        init = list(call.init)
        call.init = ()
        if call.op == "CALLFUNC" and not call.val.params and not call.val.results and (
            not call.list
        ):  # fmt: skip
            node.x, node.init = call, init
            out.append(node)
            return
        node.x = self.wrap(call, op, pos, init)
        node.init = init
        out.append(node)

    def wrap(self, call: Node, op: str, pos: Pos, init: list[Node]) -> Node:
        """A call of a niladic function that makes the call with operands evaluated now."""
        signature = T.Signature((), ())
        func = Func(self.closure_name(op.lower()), pos, signature, self.func)
        func.wrapper, func.dupok = True, self.func.dupok
        func.package, func.silent = self.func.package, self.func.silent
        closure = Node("CLOSURE", pos, signature, func=func)
        func.closure = closure
        self.package.funcs.append(func)
        temps: list[Name] = []
        values: list[Node] = []

        def keep(arg: Any) -> Any:
            if arg is None or arg.op in ("LIT", "NIL", "METHEXPR", "NEW", "LINKSYM"):
                return arg
            if arg.op == "NAME" and arg.cls == "func":
                return arg
            if arg.op == "ADDR" and arg.x.op == "NAME" and arg.x.name.startswith(".dict"):
                return arg
            if (
                arg.op == "CONVNOP"
                and arg.type.kind == "uintptr"
                and arg.x.type.kind == "unsafeptr"
            ):
                arg.x = keep(arg.x)
                return arg
            if arg.op in ("ARRAYLIT", "SLICELIT", "STRUCTLIT"):
                parts = []
                for part in arg.list:
                    if part.op == "KEY":
                        part.y = keep(part.y)
                    elif part.op == "STRUCTKEY":
                        part.x = keep(part.x)
                    else:
                        part = keep(part)
                    parts.append(part)
                arg.list = parts
                return arg
            at = pos if arg.op == "NAME" else arg.pos
            type = arg.type
            if type is T.UNTYPED_BOOL:
                type = T.BOOL
            temp = self.temp(at, type)
            temps.append(temp)
            values.append(arg)
            func.captured.append((temp, at))
            func.captured_set.add(temp)
            return temp

        if call.op == "CALLFUNC":
            call.x = keep(call.x)
            call.list = [keep(a) for a in call.list]
        elif call.op == "CALLINTER":
            call.x.x = keep(call.x.x)
            call.list = [keep(a) for a in call.list]
        elif call.op in ("APPEND", "DELETE", "PRINT", "PRINTLN", "RECOVER"):
            call.list = [keep(a) for a in call.list]
        else:
            call.x, call.y = keep(call.x), keep(call.y)
        if temps:
            assign = Node("AS2", pos, None, list=list(temps))
            assign.rhs = values
            for temp in temps:
                temp.defn = assign
            init.extend(Node("DCL", t.pos, None, t) for t in temps)
            init.append(assign)
        call.sym = "go/defer"
        func.body = [call]
        made = Node("CALLFUNC", call.pos, T.EMPTY_TUPLE, closure, list=[], val=signature)
        return made


_STATEMENTS = {
    "CALLFUNC", "CALLINTER", "CLEAR", "CLOSE", "COPY", "DELETE", "PANIC", "PRINT", "PRINTLN",
    "RECOVER", "RECV",
}  # fmt: skip
_CALLS = (_STATEMENTS | {"APPEND", "MIN", "MAX"}) - {"RECV"}
_COMMA_OK = {
    "INDEXMAP": "AS2MAPR",
    "RECV": "AS2RECV",
    "DOTTYPE": "AS2DOTTYPE",
    "DYNAMICDOTTYPE": "AS2DOTTYPE",
}


def falls(clause: Tree) -> bool:
    return any(
        s.type == "fallthrough_statement"
        for part in named_children(clause)
        if part.type == "statement_list"
        for s in named_children(part)
    )


def addressable_target(node: Any) -> bool:
    from .lower_expr import addressable

    return addressable(node) or (
        node.op == "DOT" and node.x.op not in ("CALLFUNC", "CALLINTER") and addressable(node)
    )


def simplify(node: Node) -> tuple[int, Node]:
    """1 if a condition is always true, -1 if never, 0; and the simpler condition (staticBool)."""
    if node.op == "LIT":
        return (1 if node.val else -1), node
    if node.op == "NOT":
        known, node.x = simplify(node.x)
        return known, node  # the writer gives the operand's value, not its negation
    if node.op == "ANDAND":
        x, node.x = simplify(node.x)
        if x < 0:
            return x, node.x
        y, node.y = simplify(node.y)
        if x > 0 or y < 0:
            return y, node.y if node.x.op == "LIT" else node
    elif node.op == "OROR":
        x, node.x = simplify(node.x)
        if x > 0:
            return x, node.x
        y, node.y = simplify(node.y)
        if x < 0 or y > 0:
            return y, node.y if node.x.op == "LIT" else node
    return 0, node


def element_types(type: T.Type) -> list[T.Type] | None:
    """What a range over this type yields."""
    under = type.under
    if isinstance(under, T.Basic):
        if under.kind == "string":
            return [T.INT, T.RUNE]
        return [type] if under.kind in INTEGERS else None
    if isinstance(under, T.Pointer) and isinstance(under.elem.under, T.Array):
        return [T.INT, under.elem.under.elem]
    if isinstance(under, T.Slice | T.Array):
        return [T.INT, under.elem]
    if isinstance(under, T.Map):
        return [under.key, under.elem]
    if isinstance(under, T.Chan):
        return [under.elem]
    return None


def type_end(lowering: Any, tree: Tree) -> Pos:
    """Where the compiler puts a type switch's variable (noder/writer.go:typeExprEndPos).

    Where the last name of the case's last type begins.
    """
    while True:
        kind = tree.type
        field = {
            "slice_type": "element",
            "array_type": "element",
            "map_type": "value",
            "channel_type": "value",
        }.get(kind)
        inside = named_children(tree)
        if field is not None:
            tree = tree.child_by_field_name(field)
        elif kind in ("pointer_type", "parenthesized_type", "type_elem") and inside:
            tree = inside[-1]
        elif kind == "generic_type":
            tree = named_children(tree.child_by_field_name("type_arguments"))[-1]
        elif kind == "function_type":
            result = tree.child_by_field_name("result") or tree.child_by_field_name("parameters")
            if result.type == "parameter_list":
                fields = named_children(result)
                if not fields:
                    return lowering.file.pos(tree)  # type: ignore[no-any-return]
                result = fields[-1].child_by_field_name("type")
            tree = result
        else:
            return lowering.file.pos(tree)  # type: ignore[no-any-return]
