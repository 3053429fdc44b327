"""Calls to nodes: conversions, builtins, methods, generic functions, variadic arguments.

As the compiler does: a method call is a call of the method expression with the receiver in front
(OCALLINTER for interfaces), variadic arguments are a slice literal, the results of a call given
whole to another are temporaries.
"""

from __future__ import annotations

from typing import Any

from . import constants
from . import types as T
from .lower import is_shape
from .lower_expr import TYPE_TREES, Expressions
from .nodes import Name, Node, Pos, visit
from .parse import Tree
from .scope import FuncObject, MethodObject
from .typing import has_shape, named_children


class Calls(Expressions):
    """Lowers calls."""

    def expr_type_conversion_expression(self, tree: Tree) -> Any:
        written, operand = tree.child_by_field_name("type"), tree.child_by_field_name("operand")
        stars = []
        while written.type == "pointer_type":  # *T(x) is *(T(x)), which the grammar has not
            stars.append(self.file.pos(written))
            written = named_children(written)[0]
        if stars:
            node = self.converted(tree, written, operand)
            for pos in reversed(stars):
                if node.type is None or not isinstance(node.type.under, T.Pointer):
                    self.fail(tree, f"invalid operation: cannot indirect {self.text(tree)[:40]}")
                node = Node("DEREF", pos, node.type.under.elem, node)
            return node
        return self.converted(tree, written, operand)

    def converted(self, tree: Tree, written: Tree, operand: Tree) -> Any:
        if written.type == "generic_type":
            if self.is_value(written):
                return self.call(tree, self.misread(written), [operand], False)
            found = self.named_object(written.child_by_field_name("type"))
            if isinstance(found, FuncObject):  # f[int](x), which looks like a conversion
                fun = self.expr_generic_type(written)
                return self.call(tree, fun, [operand], False)
        return self.convert(tree, self.type_of(written), operand)

    def expr_call_expression(self, tree: Tree) -> Any:
        function = tree.child_by_field_name("function")
        listed = named_children(tree.child_by_field_name("arguments"))
        arguments, dots = [], False
        for argument in listed:
            if argument.type == "variadic_argument":
                dots, argument = True, named_children(argument)[0]
            arguments.append(argument)
        written = tree.child_by_field_name("type_arguments")
        inner = self.strip(function)
        if written is not None:
            fun = self.raw(function)
            types = named_children(written)
            if fun.op == "GENERIC":
                fun = self.instantiate(function, fun, types)
            else:
                fun = self.indexed(tree, function, fun, types[0], self.file.pos(written))
        elif inner.type == "selector_expression":
            method = self.method_call(tree, inner, arguments, dots)
            if method is not None:
                return method
            fun = self.raw(inner)
        elif inner.type in TYPE_TREES:
            fun = Node("TYPE", self.at(inner), self.type_of(inner))
        else:
            fun = self.raw(function)
        if fun.op == "TYPE":
            if len(arguments) != 1 or dots:
                self.fail(tree, f"a conversion to {fun.type} takes one argument")
            return self.convert(tree, fun.type, arguments[0])
        if fun.op == "BUILTIN":
            return self.builtin(tree, fun.sym, arguments, dots)
        return self.call(tree, fun, arguments, dots)

    def call_with(self, tree: Tree, function: Tree, values: list[Node]) -> Any:
        """A call of what is written with values that are not."""
        inner = self.strip(function)
        arguments = [function] * len(values)
        if inner.type == "selector_expression":
            method = self.method_call(tree, inner, arguments, False, values)
            if method is not None:
                return method
        return self.call(tree, self.raw(inner), arguments, False, values)

    def method_call(
        self,
        tree: Tree,
        selector: Tree,
        arguments: list[Tree],
        dots: bool,
        values: list[Node] | None = None,
    ) -> Any:
        """x.M(...) where M is a method; None if it is something else."""
        x = self.raw(selector.child_by_field_name("operand"))
        if x.op in ("PACKAGE", "TYPE"):
            return None
        name = self.text(selector.child_by_field_name("field"))
        path, member = self.member(selector, x, name)
        if isinstance(member, T.Field):
            pos = self.at(selector)
            return self.call(
                tree, self.dot(self.through(x, path, pos), member, pos), arguments, dots, values
            )
        pos = self.at(selector)
        receiver = self.receiver(x, path, member, pos, selector)
        self.package.mention(member)
        assert receiver.type is not None
        if not isinstance(member, MethodObject):
            if is_shape(receiver.type) or not T.is_interface(receiver.type):
                # A method of a type parameter: called through the dictionary, so unknown.
                signature = T.Signature(
                    [T.Field("", receiver.type), *member.type.params],
                    member.type.results,
                    member.type.variadic,
                )
                fun = Node("CONVNOP", pos, signature, self.dictionary_word(pos))
                return self.finish_call(
                    tree, "CALLFUNC", fun, member.type, [receiver], arguments, dots, values
                )
            fun = Node("DOTINTER", pos, member.type, receiver, sym=name)
            return self.finish_call(
                tree, "CALLINTER", fun, member.type, [], arguments, dots, values
            )
        fun = Node("METHEXPR", pos, member.type, Node("TYPE", pos, receiver.type), sym=name)
        fun.func, fun.val = member, ()
        before = [receiver]
        func = member.func
        if func is not None and func.dupok and func.recv_offset == 2:
            before.append(self.dictionary_argument(func, pos))
        return self.finish_call(tree, "CALLFUNC", fun, member.type, before, arguments, dots, values)

    def dictionary_word(self, pos: Pos) -> Node:
        return Node("LINKSYM", pos, T.Pointer(T.UINTPTR), sym=".dict")

    def dictionary_argument(self, func: Any, pos: Pos) -> Node:
        name = Name(f".dict.{func.real_name}", pos, T.UINTPTR, "global")
        return Node("ADDR", pos, T.Pointer(T.UINTPTR), name)

    def call(
        self,
        tree: Tree,
        fun: Any,
        arguments: list[Tree],
        dots: bool,
        values: list[Node] | None = None,
    ) -> Node:
        if fun.op == "GENERIC":
            return self.generic_call(tree, fun, arguments, dots, values)
        if fun.type is None or not isinstance(fun.type.under, T.Signature):
            self.fail(tree, f"invalid operation: cannot call {self.text(tree)[:40]}")
        before: list[Node] = []
        signature = fun.type.under
        if fun.op == "NAME" and fun.func is not None and fun.func.dupok:
            before.append(self.dictionary_argument(fun.func, fun.pos))
        return self.finish_call(tree, "CALLFUNC", fun, signature, before, arguments, dots, values)

    def generic_call(
        self,
        tree: Tree,
        fun: Any,
        arguments: list[Tree],
        dots: bool,
        values: list[Node] | None = None,
    ) -> Node:
        """Infer the type arguments from the arguments, then call that instance."""
        found: Any = fun.sym
        if not isinstance(found, FuncObject):
            self.fail(tree, f"cannot use generic type {found.name} without instantiation")
        if values is None:
            values = self.argument_nodes(arguments)
        types = self.package.infer(found, fun.val or (), values, self, tree, dots)
        owner = found.owner or self.package
        node, signature = owner.instance(found, types, self, tree)
        before = [self.dictionary_argument(node.func, fun.pos)] if node.func.dupok else []
        return self.finish_call(tree, "CALLFUNC", node, signature, before, arguments, dots, values)

    def argument_nodes(self, arguments: list[Tree]) -> list[Node]:
        if len(arguments) == 1:
            node = self.raw(arguments[0])
            if node.op == "GENERIC":
                self.fail(arguments[0], "gcsim does not infer type arguments of function values")
            if isinstance(node.type, T.Tuple) and node.type is not T.EMPTY_TUPLE:
                return [node]
            return [self.checked(node, arguments[0])]
        return [self.value(a) for a in arguments]

    def finish_call(
        self,
        tree: Tree,
        op: str,
        fun: Node,
        signature: T.Signature,
        before: list[Node],
        arguments: list[Tree],
        dots: bool,
        values: list[Node] | None = None,
    ) -> Node:
        pos = self.at(tree)
        nodes = self.argument_nodes(arguments) if values is None else values
        params = signature.params
        trees = list(arguments)
        place = None
        if len(nodes) == 1 and isinstance(nodes[0].type, T.Tuple):
            nodes, place = self.spread(nodes[0], pos), pos
            trees = [arguments[0]] * len(nodes)
        count, wanted = len(nodes), len(params)
        variadic = signature.variadic and not dots
        if count < wanted - variadic or (count > wanted and not variadic) or (
            dots and not signature.variadic
        ):  # fmt: skip
            few = "not enough" if count < wanted else "too many"
            self.fail(tree, f"{few} arguments in call to {self.text(tree)[:60]}")
        args = []
        for i, (node, at) in enumerate(zip(nodes, trees, strict=True)):
            if variadic and i >= wanted - 1:
                type: T.Type = params[-1].type.under.elem  # type: ignore[attr-defined]
            else:
                type = params[i].type
            args.append(self.assign(node, type, at, place=place))
        if variadic:
            extra = args[wanted - 1 :]
            last = params[-1].type
            if extra:
                packed = Node("SLICELIT", pos, last, list=extra, implicit=True, val=len(extra))
            else:
                packed = Node("NIL", pos, last)
            args = [*args[: wanted - 1], packed]
        call = Node(op, pos, result_type(signature), fun, list=[*before, *args])
        call.flag = signature.variadic
        call.val = signature
        self.split_callee(call)
        return call

    def split_callee(self, call: Node) -> None:
        """f()() is t := f(); t(), and f().M() likewise (typecheck.go:RewriteNonNameCall)."""
        holder = call.x if call.x.op == "DOTINTER" else None
        target = call.x if holder is None else holder.x
        if not any(n.op in _CALL_OR_CHAN for n in visit([target])):
            return
        temp = self.temp(call.pos, target.type)
        assign = Node("AS", call.pos, None, temp, target)
        assign.init = [Node("DCL", call.pos, None, temp)]
        if holder is None:
            call.x = temp
        else:
            holder.x = temp
        call.init = [assign]

    def spread(self, call: Node, pos: Pos) -> list[Node]:
        """The results of a call as temporaries: `a, b := f()` in front of the first."""
        assert isinstance(call.type, T.Tuple)
        temps = [self.temp(pos, type) for type in call.type.types]
        assign = Node("AS2FUNC", pos, None, list=list(temps), flag=True)
        assign.rhs = [call]
        assign.init = [Node("DCL", pos, None, t) for t in temps]
        return self.with_init(temps, assign)

    def with_init(self, temps: list[Name], assign: Node) -> list[Node]:
        for temp in temps:
            temp.defn = assign
        first = Node("CONVNOP", temps[0].pos, temps[0].type, temps[0])
        first.init = [assign]
        return [first, *temps[1:]]

    # Builtins.

    def builtin(self, tree: Tree, name: str, arguments: list[Tree], dots: bool) -> Node:
        method = getattr(self, "builtin_" + name.replace(".", "_"))
        least, most = _COUNTS[name]
        if len(arguments) < least or (most >= 0 and len(arguments) > most):
            few = "not enough" if len(arguments) < least else "too many"
            self.fail(tree, f"{few} arguments for {name}")
        if dots and name != "append":
            self.fail(tree, f"invalid operation: invalid use of ... with built-in {name}")
        return method(tree, arguments, dots) if name == "append" else method(tree, arguments)  # type: ignore[no-any-return]

    def builtin_append(self, tree: Tree, arguments: list[Tree], dots: bool) -> Node:
        values = self.argument_nodes(arguments)
        if len(values) == 1 and isinstance(values[0].type, T.Tuple):
            values = self.spread(values[0], self.at(tree))
            arguments = [arguments[0]] * len(values)
        first = values[0]
        if first.op == "NIL":
            self.fail(tree, "first argument to append must be a typed slice; have untyped nil")
        type = first.type
        assert type is not None
        if not isinstance(type.under, T.Slice):
            self.fail(tree, f"invalid argument: {self.text(arguments[0])} is not a slice")
        args = [first]
        for node, at in zip(values[1:], arguments[1:], strict=True):
            if dots:
                if node.type is not None and node.type.kind == "string":
                    args.append(self.default(node, at))
                elif node.op == "NIL":
                    node.type = type
                    args.append(node)
                else:
                    args.append(node)
            else:
                args.append(self.assign(node, type.under.elem, at))
        return Node("APPEND", self.at(tree), type, list=args, flag=dots)

    def builtin_cap(self, tree: Tree, arguments: list[Tree]) -> Node:
        return self._length(tree, arguments[0], "CAP")

    def builtin_len(self, tree: Tree, arguments: list[Tree]) -> Node:
        return self._length(tree, arguments[0], "LEN")

    def _length(self, tree: Tree, argument: Tree, op: str) -> Node:
        x = self.value(argument)
        assert x.type is not None
        if x.op == "LIT" and isinstance(x.val, str):
            return self.lit(tree, T.INT, len(x.val.encode("utf-8", "surrogateescape")))
        under = T.deref(x.type.under).under if x.type.kind == "ptr" else x.type.under
        if isinstance(under, T.Array) and not _has_call(x):
            return self.lit(tree, T.INT, under.length)
        if under.kind not in ("slice", "string", "map", "chan", "array"):
            self.fail(tree, f"invalid argument: {self.text(argument)} ({x.type}) for {op.lower()}")
        if x.type.kind == "ptr":
            x = Node("DEREF", x.pos, under, x, implicit=True)
        return Node(op, self.at(tree), T.INT, x)

    def builtin_clear(self, tree: Tree, arguments: list[Tree]) -> Node:
        return Node("CLEAR", self.at(tree), T.EMPTY_TUPLE, self.value(arguments[0]))

    def builtin_close(self, tree: Tree, arguments: list[Tree]) -> Node:
        return Node("CLOSE", self.at(tree), T.EMPTY_TUPLE, self.value(arguments[0]))

    def builtin_complex(self, tree: Tree, arguments: list[Tree]) -> Node:
        x, y = self.value(arguments[0]), self.value(arguments[1])
        x, y = self.match(tree, x, y, arguments[0], arguments[1], False)
        assert x.type is not None
        if x.op == "LIT" and y.op == "LIT":
            re = constants.convert(x.val, T.UNTYPED_FLOAT)
            im = constants.convert(y.val, T.UNTYPED_FLOAT)
            type: T.Type = T.UNTYPED_COMPLEX
            if not T.is_untyped(x.type):
                type = T.BASIC["complex64" if x.type.kind == "float32" else "complex128"]
            return self.lit(tree, type, constants.Complex(re, im))
        name = "complex64" if x.type.kind == "float32" else "complex128"
        return Node("COMPLEX", self.at(tree), T.BASIC[name], x, y)

    def builtin_copy(self, tree: Tree, arguments: list[Tree]) -> Node:
        x, y = self.value(arguments[0]), self.known(arguments[1])
        return Node("COPY", self.at(tree), T.INT, x, y)

    def builtin_delete(self, tree: Tree, arguments: list[Tree]) -> Node:
        x = self.value(arguments[0])
        under = x.type.under
        if not isinstance(under, T.Map):
            self.fail(tree, "invalid argument: delete needs a map")
        key = self.assign(self.value(arguments[1]), under.key, arguments[1])
        return Node("DELETE", self.at(tree), T.EMPTY_TUPLE, list=[x, key])

    def builtin_imag(self, tree: Tree, arguments: list[Tree]) -> Node:
        return self._part(tree, arguments[0], "IMAG")

    def builtin_real(self, tree: Tree, arguments: list[Tree]) -> Node:
        return self._part(tree, arguments[0], "REAL")

    def _part(self, tree: Tree, argument: Tree, op: str) -> Node:
        x = self.value(argument)
        assert x.type is not None
        if x.op == "LIT":
            value = constants.convert(x.val, T.UNTYPED_COMPLEX)
            part = value.re if op == "REAL" else value.im
            if T.is_untyped(x.type):
                return self.lit(tree, T.UNTYPED_FLOAT, part)
            return self.lit(
                tree, T.BASIC["float32" if x.type.kind == "complex64" else "float64"], part
            )
        return Node(
            op, self.at(tree), T.BASIC["float32" if x.type.kind == "complex64" else "float64"], x
        )

    def builtin_make(self, tree: Tree, arguments: list[Tree]) -> Node:
        type = self.type_of(arguments[0])
        sizes = [self.index(a) for a in arguments[1:]]
        pos = self.at(tree)
        kind = type.kind
        if kind == "slice":
            if not sizes:
                self.fail(
                    tree, f"invalid operation: make({type}) expects 2 or 3 arguments; found 1"
                )
            return Node("MAKESLICE", pos, type, sizes[0], sizes[1] if len(sizes) > 1 else None)
        if kind == "map":
            return Node("MAKEMAP", pos, type, sizes[0] if sizes else None)
        if kind == "chan":
            return Node("MAKECHAN", pos, type, sizes[0] if sizes else None)
        self.fail(tree, f"invalid argument: cannot make {type}")

    def builtin_max(self, tree: Tree, arguments: list[Tree]) -> Node:
        return self._extreme(tree, arguments, "MAX")

    def builtin_min(self, tree: Tree, arguments: list[Tree]) -> Node:
        return self._extreme(tree, arguments, "MIN")

    def _extreme(self, tree: Tree, arguments: list[Tree], op: str) -> Node:
        values = [self.value(a) for a in arguments]
        best = values[0]
        for i, other in enumerate(values[1:], 1):
            best, other = self.match(tree, best, other, arguments[0], arguments[i], False)
            values[i] = other
        type = next((v.type for v in values if not T.is_untyped(v.type)), best.type)
        assert type is not None
        if all(v.op == "LIT" for v in values):
            pick = max if op == "MAX" else min
            return self.lit(tree, type, pick(v.val for v in values))
        values = [self.assign(v, type, a) for v, a in zip(values, arguments, strict=True)]
        return Node(op, self.at(tree), type, list=values)

    def builtin_new(self, tree: Tree, arguments: list[Tree]) -> Node:
        x = Node("", (0, 0, 0))
        inner = self.strip(arguments[0])
        x = self.raw(inner)
        pos = self.at(tree)
        if x.op == "TYPE":
            assert x.type is not None
            if has_shape(x.type):
                x.op = "DYNAMICTYPE"
            return Node("NEW", pos, T.Pointer(x.type), x)
        x = self.known(arguments[0])  # new(expression), since 1.26: a variable's address
        if x.type is T.UNTYPED_BOOL:
            x.type = T.BOOL
        assert x.type is not None
        temp = self.temp(pos, x.type)
        assign = Node("AS", pos, None, temp, x)
        temp.defn = Node("AS", pos, None, temp, x)
        temp.addrtaken = True
        made = Node("ADDR", pos, T.Pointer(x.type), temp)
        made.init = [Node("DCL", pos, None, temp), assign]
        return made

    def builtin_panic(self, tree: Tree, arguments: list[Tree]) -> Node:
        x = self.assign(self.value(arguments[0]), T.ANY_PLAIN, arguments[0])
        return Node("PANIC", self.at(tree), T.EMPTY_TUPLE, x)

    def builtin_print(self, tree: Tree, arguments: list[Tree]) -> Node:
        return self._print(tree, arguments, "PRINT")

    def builtin_println(self, tree: Tree, arguments: list[Tree]) -> Node:
        return self._print(tree, arguments, "PRINTLN")

    def _print(self, tree: Tree, arguments: list[Tree], op: str) -> Node:
        values = self.argument_nodes(arguments)
        if len(values) == 1 and isinstance(values[0].type, T.Tuple):
            values = self.spread(values[0], self.at(tree))
        else:
            values = [self.printed(v, a) for v, a in zip(values, arguments, strict=True)]
        return Node(op, self.at(tree), T.EMPTY_TUPLE, list=values)

    def printed(self, value: Node, tree: Tree) -> Node:
        if value.op == "LIT" and value.type is T.UNTYPED_INT:
            return self.typed(value, T.BASIC["int64"], tree)
        return value if value.op == "NIL" else self.default(value, tree)

    def builtin_recover(self, tree: Tree, arguments: list[Tree]) -> Node:
        return Node("RECOVER", self.at(tree), T.ANY, list=[])

    def builtin_unsafe_Sizeof(self, tree: Tree, arguments: list[Tree]) -> Node:
        return self.lit(tree, T.UINTPTR, self.known(arguments[0]).type.size)

    def builtin_unsafe_Alignof(self, tree: Tree, arguments: list[Tree]) -> Node:
        return self.lit(tree, T.UINTPTR, self.known(arguments[0]).type.align)

    def builtin_unsafe_Offsetof(self, tree: Tree, arguments: list[Tree]) -> Node:
        selector = self.strip(arguments[0])
        if selector.type != "selector_expression":
            self.fail(tree, "invalid argument: unsafe.Offsetof needs a selector x.f")
        x = self.value(selector.child_by_field_name("operand"))
        path, member = self.member(selector, x, self.text(selector.child_by_field_name("field")))
        at = T.deref(x.type).under
        offset = 0
        for wanted in [*path, member]:
            assert isinstance(at, T.Struct)
            place = 0
            for field in at.fields:
                size, align = field.type.layout()
                place = (place + align - 1) // align * align
                if field is wanted:
                    break
                place += size
            offset += place
            at = T.deref(wanted.type).under
        return self.lit(tree, T.UINTPTR, offset)

    def _unsafe(self, tree: Tree, arguments: list[Tree], op: str, type: Any) -> Node:
        x = self.value(arguments[0])
        y = self.index(arguments[1]) if len(arguments) > 1 else None
        return Node(op, self.at(tree), type(x.type), x, y)

    def builtin_unsafe_Add(self, tree: Tree, arguments: list[Tree]) -> Node:
        return self._unsafe(tree, arguments, "UNSAFEADD", lambda t: T.UNSAFE_POINTER)

    def builtin_unsafe_Slice(self, tree: Tree, arguments: list[Tree]) -> Node:
        return self._unsafe(tree, arguments, "UNSAFESLICE", lambda t: T.Slice(t.under.elem))

    def builtin_unsafe_SliceData(self, tree: Tree, arguments: list[Tree]) -> Node:
        return self._unsafe(tree, arguments, "UNSAFESLICEDATA", lambda t: T.Pointer(t.under.elem))

    def builtin_unsafe_String(self, tree: Tree, arguments: list[Tree]) -> Node:
        return self._unsafe(tree, arguments, "UNSAFESTRING", lambda t: T.STRING)

    def builtin_unsafe_StringData(self, tree: Tree, arguments: list[Tree]) -> Node:
        x = self.known(arguments[0])
        return Node("UNSAFESTRINGDATA", self.at(tree), T.Pointer(T.BYTE), x)


_CALL_OR_CHAN = {
    "APPEND", "CALLFUNC", "CALLINTER", "CAP", "CLEAR", "CLOSE", "COMPLEX", "COPY", "DELETE",
    "IMAG", "LEN", "MAKECHAN", "MAKEMAP", "MAKESLICE", "MAX", "MIN", "PANIC", "PRINT", "PRINTLN",
    "REAL", "RECOVER", "RECV", "UNSAFEADD", "UNSAFESLICE", "UNSAFESLICEDATA", "UNSAFESTRING",
    "UNSAFESTRINGDATA",
}  # fmt: skip
_COUNTS = {
    "append": (1, -1), "cap": (1, 1), "clear": (1, 1), "close": (1, 1), "complex": (2, 2),
    "copy": (2, 2), "delete": (2, 2), "imag": (1, 1), "len": (1, 1), "make": (1, 3),
    "max": (1, -1), "min": (1, -1), "new": (1, 1), "panic": (1, 1), "print": (0, -1),
    "println": (0, -1), "real": (1, 1), "recover": (0, 0), "unsafe.Add": (2, 2),
    "unsafe.Alignof": (1, 1), "unsafe.Offsetof": (1, 1), "unsafe.Sizeof": (1, 1),
    "unsafe.Slice": (2, 2), "unsafe.SliceData": (1, 1), "unsafe.String": (2, 2),
    "unsafe.StringData": (1, 1),
}  # fmt: skip


def result_type(signature: T.Signature) -> T.Type:
    if len(signature.results) == 1:
        return signature.results[0].type
    if not signature.results:
        return T.EMPTY_TUPLE
    return T.Tuple([r.type for r in signature.results])


def _has_call(node: Any) -> bool:
    """Whether evaluating may call or receive, so that len of an array is no constant."""
    if node.op in ("CALLFUNC", "CALLINTER", "RECV"):
        return True
    if node.op == "NAME":
        return False
    return any(_has_call(c) for c in node.children())
