"""Expressions to nodes: names, literals, operators, selectors, indexes, function literals."""

from __future__ import annotations

from typing import Any

from . import constants
from . import types as T
from .lower import COMPARISONS, INTEGERS, Lowering, convertible, is_shape
from .nodes import Func, Name, Node, Pos
from .parse import Tree
from .scope import (
    Builtin,
    ConstObject,
    FuncObject,
    MethodObject,
    Nil,
    PackageObject,
    TypeObject,
    VarObject,
    find_member,
)
from .typing import has_shape, named_children, string_value, unescape

BINARY = {
    "+": "ADD", "-": "SUB", "*": "MUL", "/": "DIV", "%": "MOD", "<<": "LSH", ">>": "RSH",
    "&": "AND", "&^": "ANDNOT", "|": "OR", "^": "XOR", "&&": "ANDAND", "||": "OROR",
} | COMPARISONS  # fmt: skip
UNARY = {"-": "NEG", "+": "PLUS", "!": "NOT", "^": "BITNOT"}
UNTYPED_ORDER = [T.UNTYPED_INT, T.UNTYPED_RUNE, T.UNTYPED_FLOAT, T.UNTYPED_COMPLEX]

TYPE_TREES = {
    "slice_type", "array_type", "map_type", "channel_type", "pointer_type", "function_type",
    "interface_type", "struct_type", "generic_type", "qualified_type", "type_identifier",
    "parenthesized_type", "implicit_length_array_type",
}  # fmt: skip


class Expressions(Lowering):
    """Lowers expressions. `raw` may answer a type, package or builtin; `value` only a value."""

    def value(self, tree: Tree) -> Node:
        return self.checked(self.raw(tree), tree)

    def checked(self, node: Any, tree: Tree) -> Node:
        """Refuse what is not one value."""
        if node.op in ("TYPE", "PACKAGE", "BUILTIN", "GENERIC"):
            self.fail(tree, f"{self.text(tree)} is not an expression")
        if node.type is T.EMPTY_TUPLE:
            self.fail(tree, f"{self.text(tree)} (no value) used as value")
        if isinstance(node.type, T.Tuple):
            self.fail(tree, f"multiple-value {self.text(tree)} in single-value context")
        return node  # type: ignore[no-any-return]

    def known(self, tree: Tree) -> Node:
        """A value with a type: the default one if it is an untyped constant."""
        return self.default(self.value(tree), tree)

    def type_of(self, tree: Tree) -> T.Type:
        return self.package.types.resolve(tree, self.scope, self.file)  # type: ignore[no-any-return]

    def raw(self, tree: Tree) -> Any:
        method = getattr(self, "expr_" + tree.type, None)
        if method is not None:
            return method(tree)
        if tree.type == "type_elem":
            return self.raw(named_children(tree)[0])
        if tree.type in TYPE_TREES:
            if self.is_value(tree):
                return self.misread(tree)
            return Node("TYPE", self.file.pos(tree), self.type_of(tree))
        self.fail(tree, f"gcsim does not know this expression ({tree.type})")

    # The grammar reads x[i](v) and x[p.q](v) as generic types; names tell what they are.

    def is_value(self, tree: Tree) -> bool:
        """Whether what was read as a type is an expression."""
        kind = tree.type
        if kind in ("type_identifier", "identifier"):
            found = self.scope.find(self.text(tree))
            return isinstance(found, Name | VarObject | ConstObject | FuncObject)
        if kind in ("qualified_type", "selector_expression"):
            first, second = named_children(tree)[:2]
            found = self.scope.find(self.text(first))
            if isinstance(found, PackageObject):
                return isinstance(found.lookup(self.text(second)), VarObject | FuncObject)
            return not isinstance(found, TypeObject)
        if kind == "generic_type":
            return self.is_value(tree.child_by_field_name("type"))
        return bool(kind == "pointer_type" and self.is_value(named_children(tree)[0]))

    def misread(self, tree: Tree) -> Any:
        kind = tree.type
        if kind == "qualified_type":
            first, second = named_children(tree)[:2]
            return self.select(tree, self.expr_identifier(first), self.text(second), second)
        if kind == "pointer_type":
            inner = named_children(tree)[0]
            return self.indirect(tree, inner, self.raw(inner))
        if kind == "generic_type":
            base = tree.child_by_field_name("type")
            arguments = named_children(tree.child_by_field_name("type_arguments"))
            found = self.raw(base)
            if found.op == "GENERIC":
                return self.instantiate(tree, found, arguments)
            if len(arguments) != 1:
                self.fail(tree, f"invalid operation: more than one index of {self.text(base)}")
            pos = self.file.pos(tree.child_by_field_name("type_arguments"))
            return self.indexed(tree, base, found, arguments[0], pos)
        return self.expr_identifier(tree)

    # Literals.

    def lit(self, tree: Tree, type: T.Type, value: Any) -> Node:
        return Node("LIT", self.at(tree), type, val=value)

    def _number(self, tree: Tree, type: T.Type) -> Node:
        try:
            return self.lit(tree, type, constants.number(self.text(tree)))
        except (OverflowError, ValueError):
            self.fail(tree, f"invalid or too large constant {self.text(tree)[:40]}")

    def expr_int_literal(self, tree: Tree) -> Node:
        return self._number(tree, T.UNTYPED_INT)

    def expr_float_literal(self, tree: Tree) -> Node:
        return self._number(tree, T.UNTYPED_FLOAT)

    def expr_imaginary_literal(self, tree: Tree) -> Node:
        return self._number(tree, T.UNTYPED_COMPLEX)

    def expr_rune_literal(self, tree: Tree) -> Node:
        inside = self.text(tree)[1:-1]
        if inside.startswith("\\") and inside[1] in "x01234567":
            value = int(inside[2:], 16) if inside[1] == "x" else int(inside[1:], 8)
        else:
            value = ord(unescape(inside))
        return self.lit(tree, T.UNTYPED_RUNE, value)

    def expr_interpreted_string_literal(self, tree: Tree) -> Node:
        return self.lit(tree, T.UNTYPED_STRING, string_value(self.text(tree)))

    expr_raw_string_literal = expr_interpreted_string_literal

    def _named(self, tree: Tree) -> Any:
        return self.expr_identifier(tree)

    def expr_true(self, tree: Tree) -> Any:
        return self._named(tree)

    expr_false = expr_nil = expr_true

    def expr_iota(self, tree: Tree) -> Any:
        if self.scope.find("iota") is not None:  # a name like any other
            return self._named(tree)
        if self.iota is None:
            self.fail(tree, "cannot use iota outside constant declaration")
        return self.lit(tree, T.UNTYPED_INT, self.iota)

    # Names.

    def expr_identifier(self, tree: Tree) -> Any:
        name = self.text(tree)
        if name == "_":
            self.fail(tree, "cannot use _ as value")
        found = self.scope.find(name)
        if found is None:
            if name == "iota" and self.iota is not None:
                return self.lit(tree, T.UNTYPED_INT, self.iota)
            self.fail(tree, f"undefined: {name}")
        return self.object(found, tree)

    def object(self, found: Any, tree: Tree) -> Any:
        pos = self.at(tree)
        if isinstance(found, Name):
            if found.type is None:
                self.fail(tree, f"{found.name} is used in its own declaration")
            self.use(found, self.file.pos(tree))
            return found
        if isinstance(found, ConstObject):
            known = found.get()
            if known is None:
                self.fail(tree, "initialization cycle: the constant depends on itself")
            return Node("LIT", pos, known[0], val=known[1])
        if isinstance(found, TypeObject):
            if found.params:
                return Node("GENERIC", pos, None, sym=found)
            type = found.get()
            if type is None:
                self.fail(tree, f"invalid recursive type {found.name}")
            return Node("TYPE", pos, type)
        if isinstance(found, FuncObject):
            if found.params:
                return Node("GENERIC", pos, None, sym=found)
            if found.func is None and found.make is not None:
                found.func = found.make()
            assert found.func is not None
            return found.func.node
        if isinstance(found, VarObject):
            if found.node.type is None and found.find is not None:
                find, found.find = found.find, None
                find()
            if found.node.type is None:
                self.fail(tree, "initialization cycle: the variable's type depends on itself")
            return found.node
        if isinstance(found, Builtin):
            return Node("BUILTIN", pos, None, sym=found.name)
        if isinstance(found, Nil):
            return Node("NIL", pos, T.UNTYPED_NIL)
        if isinstance(found, PackageObject):
            return Node("PACKAGE", pos, None, sym=found)
        self.fail(tree, f"cannot use {self.text(tree)} here")

    def expr_parenthesized_expression(self, tree: Tree) -> Any:
        return self.raw(named_children(tree)[0])

    # Operators.

    def expr_unary_expression(self, tree: Tree) -> Any:
        op = tree.child_by_field_name("operator").type
        operand = tree.child_by_field_name("operand")
        pos = self.file.pos(tree)
        if op == "&":
            return self.address(operand, pos)
        if op == "*":
            return self.indirect(tree, operand, self.raw(operand))
        if op == "<-":
            x = self.value(operand)
            if not isinstance(x.type.under, T.Chan):
                self.fail(tree, f"invalid operation: cannot receive from {self.text(operand)}")
            return Node("RECV", pos, x.type.under.elem, x)
        x = self.value(operand)
        assert x.type is not None
        if op not in UNARY:
            self.fail(tree, f"gcsim does not know the operator {op}")
        if x.op == "LIT":
            value = constants.unary(op, x.val, x.type)
            if value is None or (not T.is_untyped(x.type) and not constants.fits(value, x.type)):
                self.fail(tree, f"constant {self.text(tree)} overflows {x.type}")
            return Node("LIT", pos, x.type, val=value)
        return Node(UNARY[op], pos, x.type, x)

    def indirect(self, tree: Tree, operand: Tree, x: Any) -> Node:
        pos = self.file.pos(tree)
        if x.op == "TYPE":
            return Node("TYPE", pos, T.Pointer(x.type))
        if x.type is None or not isinstance(x.type.under, T.Pointer):
            self.fail(tree, f"invalid operation: cannot indirect {self.text(operand)}")
        return Node("DEREF", pos, x.type.under.elem, x)

    def address(self, operand: Tree, pos: Pos) -> Node:
        inner = self.strip(operand)
        if inner.type == "composite_literal":
            literal = self.expr_composite_literal(inner)
            return Node("PTRLIT", pos, T.Pointer(literal.type), literal)
        x = self.value(operand)
        assert x.type is not None
        if not addressable(x):
            self.fail(operand, f"invalid operation: cannot take address of {self.text(operand)}")
        self.take_address(x)
        return Node("ADDR", pos, T.Pointer(x.type), x)

    def expr_binary_expression(self, tree: Tree) -> Node:
        # Long chains a + b + c are as deep as they are long: walk down the left side first.
        chain = []
        while tree.type == "binary_expression":
            chain.append(tree)
            tree = tree.child_by_field_name("left")
        left, at = self.value(tree), tree
        for whole in reversed(chain):
            right = whole.child_by_field_name("right")
            left = self.binary(whole, left, self.value(right), at, right)
            at = whole
        return left

    def binary(self, tree: Tree, x: Node, y: Node, left: Tree, right: Tree) -> Node:
        op = tree.child_by_field_name("operator").type
        pos = self.at(tree)
        assert x.type is not None and y.type is not None
        if op in ("<<", ">>"):
            return self.shift(tree, op, x, y, right)
        x, y = self.match(tree, x, y, left, right, op in COMPARISONS)
        assert x.type is not None and y.type is not None
        if x.op == "LIT" and y.op == "LIT":
            return self.fold(tree, op, x, y)
        if op in COMPARISONS:
            return Node(COMPARISONS[op], pos, T.UNTYPED_BOOL, x, y)
        if op == "+" and x.type.kind == "string":
            parts = [*(x.list if x.op == "ADDSTR" else [x]), *(y.list if y.op == "ADDSTR" else [y])]
            return Node("ADDSTR", pos, x.type, list=parts)
        if op not in BINARY:
            self.fail(tree, f"gcsim does not know the operator {op}")
        type = x.type
        if op in ("&&", "||") and type is T.UNTYPED_BOOL:
            type = y.type
        group = type.under.group if isinstance(type.under, T.Basic) else ""
        if group in ("", "nil", "unsafe", "invalid"):
            self.fail(tree, f"invalid operation: operator {op} not defined on {type}")
        return Node(BINARY[op], pos, type, x, y)

    def match(
        self, tree: Tree, x: Node, y: Node, left: Tree, right: Tree, comparing: bool
    ) -> tuple[Node, Node]:
        """Both operands with one type, as the writer's commonType makes them."""
        assert x.type is not None and y.type is not None
        ux, uy = T.is_untyped(x.type), T.is_untyped(y.type)
        if ux and uy:
            if x.type in UNTYPED_ORDER and y.type in UNTYPED_ORDER:
                kind = max(x.type, y.type, key=UNTYPED_ORDER.index)
                for node in (x, y):
                    if node.op != "LIT":
                        node.type = kind
                if x.op == "LIT":
                    x = Node("LIT", x.pos, kind, val=constants.convert(x.val, kind))
                if y.op == "LIT":
                    y = Node("LIT", y.pos, kind, val=constants.convert(y.val, kind))
            elif x.type is not y.type:
                self.fail(tree, f"invalid operation: mismatched types {x.type} and {y.type}")
            return x, y
        if ux:
            return self.assign(x, y.type, left), y
        if uy:
            return x, self.assign(y, x.type, right)
        if T.identical(x.type, y.type):
            return x, y
        from .typing import assignable

        if comparing and assignable(x.type, y.type):
            return self.assign(x, y.type, left), y
        if comparing and assignable(y.type, x.type):
            return x, self.assign(y, x.type, right)
        self.fail(tree, f"invalid operation: mismatched types {x.type} and {y.type}")

    def fold(self, tree: Tree, op: str, x: Node, y: Node) -> Node:
        type = x.type
        assert type is not None
        integer = isinstance(type.under, T.Basic) and type.under.group in ("int", "uint")
        value = constants.binary(op, x.val, y.val, integer)
        if value is None:
            self.fail(tree, f"invalid constant operation {self.text(tree)[:60]}")
        if op in COMPARISONS:
            return self.lit(tree, T.UNTYPED_BOOL, value)
        if not T.is_untyped(type):
            if not constants.fits(value, type):
                self.fail(tree, f"constant {constants.text(value)} overflows {type}")
            value = constants.convert(value, type)
        return self.lit(tree, type, value)

    def shift(self, tree: Tree, op: str, x: Node, y: Node, right: Tree) -> Node:
        assert x.type is not None and y.type is not None
        if y.op == "LIT":
            count = constants.to_int(y.val)
            if count is None or count < 0:
                self.fail(right, "invalid shift count")
            if x.op == "LIT":
                whole = constants.to_int(x.val)
                value = None if whole is None else constants.binary(op, whole, count, True)
                if value is None:
                    self.fail(tree, "invalid constant shift")
                type = T.UNTYPED_INT if x.type in (T.UNTYPED_FLOAT,) else x.type
                if not T.is_untyped(type) and not constants.fits(value, type):
                    self.fail(tree, f"constant {constants.text(value)} overflows {type}")
                return self.lit(tree, type, value)
            if T.is_untyped(y.type):
                y = Node("LIT", y.pos, T.UINT, val=count)
        elif T.is_untyped(y.type):
            y = self.typed(y, T.UINT, right)
        if x.op == "LIT" and T.is_untyped(x.type):
            whole = constants.to_int(x.val)
            if whole is None:
                self.fail(tree, "invalid shift of a constant that is not whole")
            x = Node(
                "LIT", x.pos, T.UNTYPED_INT if x.type is T.UNTYPED_FLOAT else x.type, val=whole
            )
        elif x.type.kind not in INTEGERS:
            self.fail(tree, f"invalid operation: shifted operand is {x.type}")
        return Node(BINARY[op], self.at(tree), x.type, x, y)

    # Indexes, slices, assertions.

    def expr_index_expression(self, tree: Tree) -> Any:
        operand, index = tree.child_by_field_name("operand"), tree.child_by_field_name("index")
        return self.indexed(tree, operand, self.raw(operand), index, self.at(tree))

    def indexed(self, tree: Tree, operand: Tree, x: Any, index: Tree, pos: Pos) -> Any:
        if x.op == "GENERIC":
            return self.instantiate(tree, x, [index])
        if x.op in ("TYPE", "PACKAGE", "BUILTIN"):
            self.fail(tree, f"cannot index {self.text(operand)}")
        under = x.type.under
        if isinstance(under, T.Map):
            key = self.assign(self.value(index), under.key, index)
            return Node("INDEXMAP", pos, under.elem, x, key)
        if isinstance(under, T.Pointer) and isinstance(under.elem.under, T.Array):
            x = Node("DEREF", pos, under.elem, x, implicit=True)
            under = under.elem.under
        i = self.index(index)
        if isinstance(under, T.Slice | T.Array):
            return Node("INDEX", pos, under.elem, x, i)
        if isinstance(under, T.Basic) and under.kind == "string":
            if T.is_untyped(x.type):
                x = self.default(x, operand)
            return Node("INDEX", pos, T.BYTE, x, i)
        self.fail(tree, f"invalid operation: cannot index {self.text(operand)} ({x.type})")

    def index(self, tree: Tree) -> Node:
        node = self.value(tree)
        if node.op == "LIT" and T.is_untyped(node.type):
            return self.typed(node, T.INT, tree)
        node = self.default(node, tree)
        if node.type.kind not in INTEGERS:
            self.fail(tree, f"invalid argument: index {self.text(tree)} must be integer")
        return node

    def expr_slice_expression(self, tree: Tree) -> Node:
        operand = tree.child_by_field_name("operand")
        x = self.known(operand)
        assert x.type is not None
        pos = self.at(tree)
        under = x.type.under
        parts = [
            self.index(p) if (p := tree.child_by_field_name(f)) is not None else None
            for f in ("start", "end", "capacity")
        ]
        three = parts[2] is not None
        type: T.Type = x.type
        if isinstance(under, T.Array):
            if not addressable(x):
                self.fail(tree, "invalid operation: slice of unaddressable value")
            self.take_address(x)
            x = Node("ADDR", pos, T.Pointer(x.type), x, implicit=True)
            op, type = "SLICE3ARR" if three else "SLICEARR", T.Slice(under.elem)
        elif isinstance(under, T.Pointer) and isinstance(under.elem.under, T.Array):
            op, type = "SLICE3ARR" if three else "SLICEARR", T.Slice(under.elem.under.elem)
        elif under.kind == "string":
            op = "SLICESTR"
        elif isinstance(under, T.Slice):
            op = "SLICE3" if three else "SLICE"
        else:
            self.fail(tree, f"cannot slice {self.text(operand)} ({x.type})")
        node = Node(op, pos, type, x)
        node.y, node.z, node.w = parts
        return node

    def expr_type_assertion_expression(self, tree: Tree) -> Node:
        x = self.value(tree.child_by_field_name("operand"))
        type = self.type_of(tree.child_by_field_name("type"))
        if not T.is_interface(x.type):
            self.fail(tree, f"invalid operation: {self.text(tree)}: not an interface")
        return Node("DYNAMICDOTTYPE" if has_shape(type) else "DOTTYPE", self.at(tree), type, x)

    # Selectors.

    def expr_selector_expression(self, tree: Tree) -> Any:
        operand, field = tree.child_by_field_name("operand"), tree.child_by_field_name("field")
        return self.select(tree, self.raw(operand), self.text(field), field)

    def select(self, tree: Tree, x: Any, name: str, field: Tree) -> Any:
        if x.op == "PACKAGE":
            x.sym.used = True
            found = x.sym.lookup(name)
            if found is None:
                self.fail(field, f"undefined: {x.sym.name}.{name}")
            return self.object(found, tree)
        if x.op == "TYPE":
            return self.method_expression(tree, x.type, name)
        path, member = self.member(tree, x, name)
        pos = self.at(tree)
        if isinstance(member, T.Field):
            return self.dot(self.through(x, path, pos, False), member, pos)
        receiver = self.receiver(x, path, member, pos, tree)
        func = member.func if isinstance(member, MethodObject) else None
        if has_shape(receiver.type) and self.dictionary() is not None:
            if not T.is_interface(receiver.type) or is_shape(receiver.type):
                return self.curry(pos, member, func, receiver, name)
            receiver = Node("CONVNOP", pos, receiver.type, receiver)
        made = Node("METHVALUE", pos, method_type(member), receiver, sym=name)
        made.func = member
        made.val = receiver.type if not isinstance(member, MethodObject) else None
        self.package.mention(member)
        return made

    def member(self, tree: Tree, x: Any, name: str) -> tuple[list[T.Field], Any]:
        if x.type is None:
            self.fail(tree, f"cannot select from {self.text(tree)}")
        found = find_member(x.type, name)
        if isinstance(x.type, T.Pointer) and T.is_interface(x.type.elem) and not is_shape(
            x.type.elem
        ):  # fmt: skip
            found = None
        if found is None:
            found = self.bound_method(x.type, name)
        if found is None:
            self.fail(tree, f"{self.text(tree)} undefined ({x.type} has no field or method {name})")
        return found

    def bound_method(self, type: T.Type, name: str) -> tuple[list[T.Field], Any] | None:
        """A method that a type parameter's constraint promises."""
        for bound in self.bounds.get(T.deref(type), ()):
            method = bound.under.methods.get(name)  # type: ignore[attr-defined]
            if method is not None:
                return [], method
        return None

    def dot(self, x: Node, field: T.Field, pos: Pos, implicit: bool = False) -> Node:
        assert x.type is not None
        op = "DOTPTR" if isinstance(x.type.under, T.Pointer) else "DOT"
        return Node(op, pos, field.type, x, sym=field.name, implicit=implicit)

    def through(self, x: Node, path: list[T.Field], pos: Pos, implicit: bool = True) -> Node:
        for field in path:
            x = self.dot(x, field, pos, True)
        return x

    def receiver(self, x: Node, path: list[T.Field], member: Any, pos: Pos, tree: Tree) -> Node:
        """The receiver of a method call or value, with implied fields, address, dereference."""
        x = self.through(x, path, pos)
        assert x.type is not None
        if not isinstance(member, MethodObject):
            return x
        pointer = isinstance(x.type, T.Pointer)
        if member.pointer and not pointer:
            if not addressable(x):
                self.fail(tree, f"cannot call pointer method {member.name} on {x.type}")
            self.take_address(x)
            return Node("ADDR", pos, T.Pointer(x.type), x, implicit=True)
        if not member.pointer and pointer:
            return Node("DEREF", pos, x.type.elem, x, implicit=True)
        return x

    def method_expression(self, tree: Tree, type: T.Type, name: str) -> Node:
        found = find_member(type, name)
        if found is None or isinstance(found[1], T.Field):
            found = self.bound_method(type, name)
        if found is None:
            self.fail(tree, f"{type}.{name} undefined (no such method)")
        path, member = found
        signature = method_type(member)
        full = T.Signature(
            [T.Field("", type), *signature.params], signature.results, signature.variadic
        )
        node = Node("METHEXPR", self.at(tree), full, Node("TYPE", self.at(tree), type), sym=name)
        node.func = member
        node.val = path
        self.package.mention(member)
        return node

    # Function literals.

    def expr_func_literal(self, tree: Tree) -> Node:
        signature = self.package.types.signature(tree, self.scope, self.file)
        return self.literal(tree, signature, tree.child_by_field_name("body"))

    def curry(self, pos: Pos, member: Any, func: Func | None, receiver: Node, name: str) -> Node:
        """A method value of a generic type: a literal that captures the receiver."""
        signature = method_type(member)
        wrapper = Func(self.closure_name("func"), pos, signature, self.func)
        wrapper.dupok, wrapper.wrapper, wrapper.silent = True, True, self.func.silent
        wrapper.package = self.func.package
        node = Node("CLOSURE", pos, signature, func=wrapper)
        wrapper.closure = node
        self.package.funcs.append(wrapper)
        temp: Any = Name(f".autotmp_{len(self.func.dcl)}", pos, receiver.type, "auto", self.func)
        temp.autotemp = True
        self.func.dcl.append(temp)
        assign = Node("AS", pos, None, temp, receiver)
        temp.defn = Node("AS", pos, None, temp, receiver)
        node.init = [Node("DCL", pos, None, temp), assign]
        inner: Any = self.__class__(self.package, self.file, self.scope, wrapper, self)
        inner.declare(signature)
        inner.use(temp, pos)
        arguments: list[Node] = [temp]
        if func is not None:
            fun = Node("METHEXPR", pos, signature, Node("TYPE", pos, receiver.type), sym=name)
            fun.func, fun.val = member, ()
            arguments.append(Node("NIL", pos, T.Pointer(T.UINTPTR)))
        else:
            fun = Node(
                "CONVNOP", pos, signature, Node("LINKSYM", pos, T.Pointer(T.UINTPTR), sym="")
            )
        arguments += wrapper.params
        results = [r.type for r in signature.results]
        type = results[0] if len(results) == 1 else T.Tuple(results) if results else T.EMPTY_TUPLE
        call = Node("CALLFUNC", pos, type, fun, list=arguments, val=signature)
        if not results:
            wrapper.body = [call]
        elif len(results) == 1:
            wrapper.body = [Node("RETURN", pos, list=[call])]
        else:
            wrapper.body = [Node("RETURN", pos, list=inner.spread(call, pos))]
        self.capture(inner)
        return node

    def closure_name(self, why: str) -> str:
        """ir.closureName: counted in the function around it."""
        outer = self.func
        if outer.range_parent is not None:
            outer = outer.range_parent
        name, owner = outer.name, outer
        key = {"func": "func", "range": "range"}.get(why, "wrap")
        owner.counts[key] += 1
        suffix = {
            "func": "." if outer.closure is not None else ".func",
            "go": ".gowrap",
            "defer": ".deferwrap",
            "range": "-range",
        }[why]
        return f"{name}{suffix}{owner.counts[key]}"

    def literal(self, tree: Tree, signature: T.Signature, body: Tree) -> Node:
        pos = self.file.pos(tree)
        func = Func(self.closure_name("func"), pos, signature, self.func)
        func.dupok, func.package = self.func.dupok, self.func.package
        func.silent = self.func.silent
        node = Node("CLOSURE", pos, signature, func=func)
        func.closure = node
        self.package.funcs.append(func)
        inner: Any = self.__class__(self.package, self.file, self.scope, func, self)
        inner.declare(signature)
        func.body = inner.function_body(body)
        self.capture(inner)
        return node

    def capture(self, inner: Any) -> None:
        """What a literal captures, the functions around it must have or capture too."""
        dictionary = self.dictionary()
        if dictionary is not None:
            inner.use(dictionary, dictionary.pos)
        for name, pos in inner.func.captured:
            self.use(name, pos)

    def dictionary(self) -> Name | None:
        at: Lowering | None = self
        while at is not None:
            if at.dict is not None:
                return at.dict
            at = at.outer
        return None

    def constant(self, tree: Tree) -> Any:
        node = self.value(tree)
        if node.op != "LIT":
            self.fail(tree, f"{self.text(tree)} is not constant")
        return node

    def expr_type_instantiation_expression(self, tree: Tree) -> Any:
        parts = named_children(tree)
        base = self.raw(parts[0])
        if base.op != "GENERIC" and len(parts) == 2:
            return self.indexed(tree, parts[0], base, parts[1], self.token(tree, "["))
        return self.instantiate(tree, base, parts[1:])

    def expr_generic_type(self, tree: Tree) -> Any:
        if self.is_value(tree):
            return self.misread(tree)
        base = tree.child_by_field_name("type")
        found = self.named_object(base)
        arguments = named_children(tree.child_by_field_name("type_arguments"))
        return self.instantiate(tree, Node("GENERIC", self.at(tree), None, sym=found), arguments)

    def named_object(self, base: Tree) -> Any:
        if base.type in ("type_identifier", "identifier"):
            return self.scope.find(self.text(base))
        first, second = named_children(base)[:2]
        package = self.scope.find(self.text(first))
        if isinstance(package, PackageObject):
            package.used = True
            return package.lookup(self.text(second))
        self.fail(base, f"undefined: {self.text(base)}")

    def instantiate(self, tree: Tree, x: Any, arguments: list[Tree]) -> Any:
        found = x.sym if x.op == "GENERIC" else None
        types = tuple(self.type_of(a) for a in arguments)
        if isinstance(found, TypeObject) and found.params and found.instance is not None:
            if len(types) != len(found.params):
                self.fail(tree, f"{found.name} has {len(found.params)} type parameters")
            return Node("TYPE", self.at(tree), found.instance(types))
        if isinstance(found, FuncObject) and found.params:
            if len(types) == len(found.params):
                owner = found.owner or self.package
                return owner.instance(found, types, self, tree)[0]
            return Node("GENERIC", self.at(tree), None, sym=found, val=types)
        self.fail(tree, f"{self.text(tree)} is not generic")

    def expr_composite_literal(self, tree: Tree) -> Node:
        written = tree.child_by_field_name("type")
        body = tree.child_by_field_name("body")
        if written.type == "implicit_length_array_type":
            elem = self.type_of(written.child_by_field_name("element"))
            return self.composite(body, T.Array(-1, elem), body)
        return self.composite(body, self.type_of(written), tree)

    def composite(self, body: Tree, type: T.Type, tree: Tree) -> Node:
        """T{...}; the length of [...]T is counted here."""
        pos = self.file.pos(body)
        under = type.under
        elements = named_children(body)
        if isinstance(under, T.Struct):
            return Node("STRUCTLIT", pos, type, list=self.fields(elements, under, type, tree))
        if isinstance(under, T.Map):
            out = []
            for element in elements:
                if element.type != "keyed_element":
                    self.fail(element, "missing key in map literal")
                key = self.element(element.child_by_field_name("key"), under.key)
                value = self.element(element.child_by_field_name("value"), under.elem)
                out.append(Node("KEY", self.file.pos(element), None, key, value))
            return Node("MAPLIT", pos, type, list=out)
        if isinstance(under, T.Array | T.Slice):
            return self.sequence(elements, under, type, pos)
        self.fail(tree, f"invalid composite literal type {type}")

    def sequence(self, elements: list[Tree], under: Any, type: T.Type, pos: Pos) -> Node:
        out, at, most = [], 0, 0
        for element in elements:
            value_tree, key = element, None
            if element.type == "keyed_element":
                key_tree = named_children(element.child_by_field_name("key"))[0]
                key = self.typed(self.constant(key_tree), T.INT, key_tree)
                at = key.val
                if not 0 <= at < 1 << 40:
                    self.fail(key_tree, "index out of range in a literal")
                value_tree = element.child_by_field_name("value")
            value = self.element(value_tree, under.elem)
            if key is not None:
                value = Node("KEY", self.file.pos(element), None, key, value)
            out.append(value)
            at += 1
            most = max(most, at)
        if isinstance(under, T.Array):
            if under.length < 0:
                type = T.Array(most, under.elem)
            elif most > under.length:
                self.fail(elements[-1], "index out of bounds in array literal")
            return Node("ARRAYLIT", pos, type, list=out)
        return Node("SLICELIT", pos, type, list=out, val=most)

    def fields(self, elements: list[Tree], under: T.Struct, type: T.Type, tree: Tree) -> list[Node]:
        out = []
        for i, element in enumerate(elements):
            if element.type == "keyed_element":
                key = named_children(element.child_by_field_name("key"))[0]
                field = under.index.get(self.text(key))
                if field is None:
                    self.fail(key, f"unknown field {self.text(key)} in struct literal of {type}")
                value_tree = element.child_by_field_name("value")
                pos = self.file.pos(key)
            else:
                if i >= len(under.fields):
                    self.fail(element, f"too many values in struct literal of {type}")
                field, value_tree = under.fields[i], element
                pos = self.file.pos(element)
            value = self.element(value_tree, field.type)
            out.append(Node("STRUCTKEY", pos, None, value, sym=field.name))
        if out and elements[0].type != "keyed_element" and len(out) < len(under.fields):
            self.fail(tree, f"too few values in struct literal of {type}")
        return out

    def element(self, tree: Tree, type: T.Type) -> Node:
        if tree.type == "literal_element":
            tree = named_children(tree)[0]
        if tree.type == "literal_value":
            if isinstance(type.under, T.Pointer):
                literal = self.composite(tree, type.under.elem, tree)
                return Node("PTRLIT", self.file.pos(tree), type, literal)
            return self.composite(tree, type, tree)
        return self.assign(self.value(tree), type, tree)

    def convert(self, tree: Tree, type: T.Type, argument: Tree) -> Node:
        """T(x) as written."""
        x = self.value(argument)
        assert x.type is not None
        pos = self.at(argument)
        if x.op == "LIT" and isinstance(type.under, T.Basic) and not is_shape(type):
            made = self.constant_conversion(tree, type, x)
            if made is not None:
                return made
        if x.op == "NIL":
            x.type = type
            return Node("CONVNOP", pos, type, x)
        if T.is_untyped(x.type):
            basic = isinstance(type.under, T.Basic)
            if (x.op != "LIT" and basic) or (
                x.op == "LIT" and not is_shape(type) and constants.fits(x.val, type)
            ):
                x = self.typed(x, type, argument)
            else:
                x = self.default(x, argument)
                if x.type is T.UNTYPED_BOOL:
                    x.type = T.BOOL
        assert x.type is not None
        if not convertible(x.type, type):
            self.fail(tree, f"cannot convert {self.text(argument)} ({x.type}) to {type}")
        return self.conversion(x, type, pos, False)

    def constant_conversion(self, tree: Tree, type: T.Type, x: Node) -> Node | None:
        under = type.under
        assert isinstance(under, T.Basic) and x.type is not None
        if under.group == "string" and not isinstance(x.val, str):
            code = constants.to_int(x.val)
            if code is None:
                self.fail(tree, f"cannot convert {self.text(tree)}")
            bad = not 0 <= code <= 0x10FFFF or 0xD800 <= code <= 0xDFFF
            return self.lit(tree, type, "\ufffd" if bad else chr(code))
        if under.group == "unsafe":
            return None
        if not constants.fits(x.val, type):
            self.fail(tree, f"cannot convert {constants.text(x.val)} to {type}: it does not fit")
        return self.lit(tree, type, constants.convert(x.val, type))


def addressable(node: Any) -> bool:
    if node.op == "NAME":
        return bool(node.cls != "func")
    if node.op in ("DEREF", "DOTPTR"):
        return True
    if node.op == "DOT":
        return addressable(node.x)
    if node.op == "INDEX":
        kind = node.x.type.kind
        return kind == "slice" or (kind == "array" and addressable(node.x))
    return False


def method_type(member: Any) -> T.Signature:
    return member.type  # type: ignore[no-any-return]
