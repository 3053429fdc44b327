"""From syntax to nodes: what a function's lowering keeps, and the conversions that Go implies.

A `Lowering` type-checks and translates one function body (a literal's has one of its own, inside
that of the function around it). Generic functions are lowered once for each shape of their type
arguments, with the parameters' names bound to the shapes. The order of names, captures and
temporaries is that of `noder/writer.go` and `noder/reader.go`, since messages come in that order.
"""

from __future__ import annotations

from typing import Any, NoReturn

from . import constants
from . import types as T
from .nodes import Func, Name, Node, Pos, outer_value
from .parse import File, Tree
from .scope import Scope
from .typing import assignable, named_children

COMPARISONS = {"==": "EQ", "!=": "NE", "<": "LT", "<=": "LE", ">": "GT", ">=": "GE"}


class Lowering:
    """What is shared by expressions, calls and statements of one function."""

    def __init__(
        self, package: Any, file: File, scope: Scope, func: Func, outer: Lowering | None = None
    ):
        self.package, self.file, self.scope, self.func = package, file, scope, func
        self.outer = outer
        self.bounds: dict[T.Type, list[T.Type]] = outer.bounds if outer else {}
        self.iota: int | None = None
        self.result_types: list[T.Type] = []
        self.dict: Name | None = None
        self.range_exits: Any = None

    # Names.

    def fail(self, tree: Tree, what: str) -> NoReturn:
        self.file.fail(tree, what)

    def text(self, tree: Tree) -> str:
        return self.file.text(tree)

    def use(self, name: Name, pos: Pos) -> None:
        """Note that this function mentions a variable: a literal captures those of others."""
        func = self.func
        if name.curfn is not None and name.curfn is not func and name not in func.captured_set:
            func.captured_set.add(name)
            func.captured.append((name, pos))

    def local(self, name: str, pos: Pos, type: T.Type | None) -> Name:
        made = Name(name, pos, type, "auto", self.func)
        made.package = self.func.package
        self.func.dcl.append(made)
        return made

    def temp(self, pos: Pos, type: T.Type) -> Name:
        made = self.local(f".autotmp_{len(self.func.dcl)}", pos, type)
        made.autotemp = True
        return made

    def push(self) -> None:
        self.scope = Scope(self.scope)

    def pop(self) -> None:
        assert self.scope.outer is not None
        self.scope = self.scope.outer

    # Positions: what the compiler's parser gives an expression.

    def strip(self, tree: Tree) -> Tree:
        while tree.type == "parenthesized_expression":
            tree = named_children(tree)[0]
        return tree

    def at(self, tree: Tree) -> Pos:
        """Where the compiler says that the expression is (`cmd/compile/internal/syntax`)."""
        kind = tree.type
        if kind == "binary_expression":
            return self.file.pos(tree.child_by_field_name("operator"))
        if kind == "call_expression":
            return self.file.pos(tree.child_by_field_name("arguments"))
        if kind in ("selector_expression", "type_assertion_expression", "qualified_type"):
            return self.token(tree, ".")
        if kind == "index_expression" or kind == "slice_expression":
            return self.token(tree, "[")
        if kind == "composite_literal":
            return self.file.pos(tree.child_by_field_name("body"))
        if kind == "type_conversion_expression":
            return self.token(tree, "(", last=True)
        if kind == "literal_element":
            return self.at(named_children(tree)[0])
        return self.file.pos(tree)

    def token(self, tree: Tree, text: str, last: bool = False) -> Pos:
        found = [c for c in tree.children if c.type == text]
        return self.file.pos(found[-1 if last else 0] if found else tree)

    # Untyped values, conversions.

    def default(self, node: Node, tree: Tree) -> Node:
        """The value with its default type, if it has none yet."""
        assert node.type is not None
        if T.is_untyped(node.type):
            if node.type is T.UNTYPED_NIL:
                self.fail(tree, "use of untyped nil")
            if node.op not in ("LIT",) and node.type is T.UNTYPED_BOOL:
                return node  # comparisons stay untyped, as the compiler builds them
            return self.typed(node, T.DEFAULTS[node.type], tree)
        return node

    def typed(self, node: Node, type: T.Type, tree: Tree) -> Node:
        """An untyped value given this (not interface) type."""
        if node.op == "NIL":
            node.type = type
            return node
        if node.op == "LIT":
            if not constants.fits(node.val, type):
                shown = constants.text(node.val)
                self.fail(tree, f"cannot use {shown} (constant) as {type} value")
            made = Node("LIT", node.pos, type, val=constants.convert(node.val, type))
            if isinstance(type, T.Named) and type.shape:
                return Node("CONVNOP", node.pos, type, made, implicit=True)
            return made
        self._retype(node, type, tree)
        return node

    def _retype(self, node: Any, type: T.Type, tree: Tree) -> None:
        if node.type is None or not T.is_untyped(node.type):
            return
        if node.type is T.UNTYPED_BOOL:
            if type.kind != "bool":
                self.fail(tree, f"cannot use a comparison as {type} value")
            if node.op not in ("ANDAND", "OROR", "NOT"):
                return
            return
        if node.op in ("LSH", "RSH") and type.kind not in INTEGERS:
            self.fail(tree, f"invalid operation: shifted operand must be integer, not {type}")
        node.type = type
        for side in ("x", "y"):
            part = getattr(node, side)
            if part is None or (side == "y" and node.op in ("LSH", "RSH")):
                continue
            if part.op == "LIT" and T.is_untyped(part.type):
                setattr(node, side, self.typed(part, type, tree))
            else:
                self._retype(part, type, tree)

    def assign(
        self,
        node: Node,
        target: T.Type | None,
        tree: Tree,
        what: str = "",
        place: Pos | None = None,
    ) -> Node:
        """The value as one of the target's type, converted if need be, as assignment does."""
        assert node.type is not None
        if target is None:
            return self.default(node, tree)
        source = node.type
        if T.is_untyped(source):
            if source is T.UNTYPED_NIL:
                if not assignable(source, target):
                    self.fail(tree, f"cannot use nil as {target} value{what}")
                node.type = target
                return node
            if T.is_interface(target) and not is_shape(target):
                node = self.default(node, tree)
                if node.type is T.UNTYPED_BOOL:
                    node.type = T.BOOL
            elif isinstance(target.under, T.Basic):
                return self.typed(node, target, tree)
            else:
                self.fail(tree, f"cannot use an untyped constant as {target} value{what}")
            source = node.type
        assert source is not None
        if T.identical(source, target):
            return node
        if not assignable(source, target):
            from .printing import text

            self.fail(tree, f"cannot use {text(node)} ({source}) as {target} value{what}")
        init: Any = ()
        if node.op == "CONVNOP" and node.init:  # the first of several results
            init, node = node.init, node.x
        made = self.conversion(node, target, place or self.at(tree), True)
        made.init = init
        return made

    def conversion(self, node: Node, target: T.Type, pos: Pos, implicit: bool) -> Node:
        """A conversion whose operation is the compiler's (typecheck/subr.go:Convertop)."""
        assert node.type is not None
        op = operation(node.type, target)
        if op == "CONVNOP" and node.type.kind == target.kind and target.kind in ROUNDED:
            op = "CONV"
        elif op in ("BYTES2STR", "RUNES2STR"):
            plain: T.Type = T.BYTE if op == "BYTES2STR" else T.RUNE
            if not isinstance(node.type.under.elem, T.Basic):
                node = Node("CONVNOP", node.pos, T.Slice(plain), node)
        elif op == "STR2RUNES" and node.op == "LIT":
            runes = [Node("LIT", pos, T.RUNE, val=ord(c)) for c in node.val]
            return Node("SLICELIT", pos, target, list=runes, val=len(runes))
        return Node(op, pos, target, node, implicit=implicit)

    # Variables as targets.

    def take_address(self, node: Node) -> None:
        base = outer_value(node)
        if isinstance(base, Name):
            base.addrtaken = True


ROUNDED = {"float32", "float64", "complex64", "complex128"}  # a conversion is never nothing
INTEGERS = {
    "int", "int8", "int16", "int32", "int64",
    "uint", "uint8", "uint16", "uint32", "uint64", "uintptr",
}  # fmt: skip


def is_shape(type: T.Type) -> bool:
    return isinstance(type, T.Named) and type.shape


def is_bytes(type: T.Type) -> bool:
    under = type.under
    return isinstance(under, T.Slice) and under.elem.kind == "uint8"


def is_runes(type: T.Type) -> bool:
    under = type.under
    return isinstance(under, T.Slice) and under.elem.kind == "int32"


def operation(source: T.Type, target: T.Type) -> str:
    """The compiler's operation for a conversion."""
    if T.identical(source, target):
        return "CONVNOP"
    of, to = source.under, target.under
    if isinstance(to, T.Interface):
        if isinstance(of, T.Interface) and T.identical(of, to):
            return "CONVNOP"
        return "CONVIFACE"
    if isinstance(of, T.Basic) and isinstance(to, T.Basic):
        if to.kind == "string" and of.kind in INTEGERS:
            return "RUNESTR"
        if of.kind == to.kind or "unsafeptr" in (of.kind, to.kind):
            return "CONVNOP"
        return "CONV"
    if isinstance(to, T.Basic) and to.kind == "string":
        return "BYTES2STR" if is_bytes(source) else "RUNES2STR"
    if isinstance(of, T.Basic) and of.kind == "string":
        return "STR2BYTES" if is_bytes(target) else "STR2RUNES"
    if isinstance(of, T.Slice) and isinstance(to, T.Array):
        return "SLICE2ARR"
    if isinstance(of, T.Slice) and isinstance(to, T.Pointer):
        return "SLICE2ARRPTR"
    return "CONVNOP"


def convertible(source: T.Type, target: T.Type) -> bool:
    """Whether an explicit conversion of a typed value is allowed."""
    if assignable(source, target):
        return True
    of, to = source.under, target.under
    if is_shape(source) or is_shape(target):
        return True
    if T.identical(_untagged(of), _untagged(to)):
        return True
    if isinstance(of, T.Basic) and isinstance(to, T.Basic):
        numbers = ("int", "uint", "float")
        if of.group in numbers and to.group in numbers:
            return True
        if of.group == to.group:
            return True
        if to.group == "string":
            return of.kind in INTEGERS
        return {of.kind, to.kind} == {"uintptr", "unsafeptr"}
    if isinstance(of, T.Pointer) and isinstance(to, T.Pointer):
        return T.identical(_untagged(of.elem.under), _untagged(to.elem.under))
    if isinstance(of, T.Pointer) and to.kind == "unsafeptr":
        return True
    if of.kind == "unsafeptr" and isinstance(to, T.Pointer):
        return True
    if isinstance(to, T.Basic) and to.kind == "string":
        return is_bytes(source) or is_runes(source)
    if isinstance(of, T.Basic) and of.kind == "string":
        return is_bytes(target) or is_runes(target)
    if isinstance(of, T.Slice):
        if isinstance(to, T.Array):
            return T.identical(of.elem, to.elem)
        if isinstance(to, T.Pointer) and isinstance(to.elem.under, T.Array):
            return T.identical(of.elem, to.elem.under.elem)
    return False


def _untagged(type: T.Type) -> T.Type:
    if isinstance(type, T.Struct):
        return T.Struct([T.Field(f.name, f.type, f.embedded) for f in type.fields])
    return type
