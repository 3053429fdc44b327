"""Types as they are written, and which values fit which types.

`resolve` reads a type's syntax in a scope. Instances of generic types are made here too: the
declaration is read again with the type parameters' names bound to the arguments.
"""

from __future__ import annotations

from typing import Any

from . import types as T
from .parse import File, Tree
from .scope import PackageObject, Scope, TypeObject, implements


def named_children(tree: Tree) -> list[Tree]:
    return [c for c in tree.named_children if c.type != "comment"]


class Types:
    """Reads types. `constant` evaluates array lengths; `context` is the package's."""

    def __init__(self, constant: Any, home: Any = str):
        self.home = home  # gives the name of the package
        self.constant = constant
        self.shapes: list[T.Named] = []

    def resolve(self, tree: Tree, scope: Scope, file: File) -> T.Type:
        kind = tree.type
        if kind in ("type_identifier", "identifier", "field_identifier"):
            name = file.text(tree)
            found = scope.find(name)
            if not isinstance(found, TypeObject):
                what = "is not a type" if found is not None else "undefined"
                file.fail(tree, f"undefined: {name}" if what == "undefined" else f"{name} {what}")
            if found.params:
                file.fail(tree, f"cannot use generic type {name} without instantiation")
            type = found.get()
            if type is None:
                file.fail(tree, f"invalid recursive type {name}")
            return type
        if kind == "pointer_type":
            return T.Pointer(self.resolve(named_children(tree)[0], scope, file))
        if kind == "unary_expression":  # (*T)(x), read as an expression
            return T.Pointer(self.resolve(tree.child_by_field_name("operand"), scope, file))
        if kind in ("parenthesized_type", "parenthesized_expression", "type_elem"):
            return self.resolve(named_children(tree)[0], scope, file)
        if kind == "slice_type":
            return T.Slice(self.resolve(tree.child_by_field_name("element"), scope, file))
        if kind == "array_type":
            length = tree.child_by_field_name("length")
            count = self.constant(length, scope, file)
            if not isinstance(count, int) or not 0 <= count < 1 << 50:
                file.fail(length, "invalid array length")
            return T.Array(count, self.resolve(tree.child_by_field_name("element"), scope, file))
        if kind == "map_type":
            key = self.resolve(tree.child_by_field_name("key"), scope, file)
            return T.Map(key, self.resolve(tree.child_by_field_name("value"), scope, file))
        if kind == "channel_type":
            words = [c.type for c in tree.children[:2]]
            direction = "receive" if words[0] == "<-" else "send" if words[1] == "<-" else "both"
            return T.Chan(direction, self.resolve(tree.child_by_field_name("value"), scope, file))
        if kind == "struct_type":
            return self.struct(tree, scope, file)
        if kind == "interface_type":
            return self.interface(tree, scope, file)
        if kind == "function_type":
            return self.signature(tree, scope, file)
        if kind in ("qualified_type", "selector_expression"):
            found = self.qualified(tree, scope, file)
            if found.params:
                file.fail(tree, f"cannot use generic type {file.text(tree)} without instantiation")
            made = found.get()
            if made is None:
                file.fail(tree, f"invalid recursive type {file.text(tree)}")
            return made
        if kind == "generic_type":
            return self.generic(
                tree.child_by_field_name("type"),
                named_children(tree.child_by_field_name("type_arguments")),
                tree,
                scope,
                file,
            )
        if kind == "type_instantiation_expression":
            parts = named_children(tree)
            return self.generic(parts[0], parts[1:], tree, scope, file)
        if kind == "index_expression":
            return self.generic(
                tree.child_by_field_name("operand"),
                [tree.child_by_field_name("index")],
                tree,
                scope,
                file,
            )
        if kind in ("negated_type", "type_constraint"):
            return T.Interface((), (), self.terms([tree], scope, file))
        file.fail(tree, f"a type cannot be read here ({kind})")

    def qualified(self, tree: Tree, scope: Scope, file: File) -> TypeObject:
        first, second = named_children(tree)[:2]
        package = scope.find(file.text(first))
        if not isinstance(package, PackageObject):
            file.fail(first, f"undefined: {file.text(first)}")
        package.used = True
        found = package.lookup(file.text(second))
        if not isinstance(found, TypeObject):
            file.fail(second, f"undefined type: {package.name}.{file.text(second)}")
        return found

    def generic(
        self, base: Tree, arguments: list[Tree], at: Tree, scope: Scope, file: File
    ) -> T.Type:
        if base.type in ("qualified_type", "selector_expression"):
            found: Any = self.qualified(base, scope, file)
        else:
            found = scope.find(file.text(base))
        if not isinstance(found, TypeObject) or not found.params or found.instance is None:
            file.fail(at, f"{file.text(base)} is not a generic type")
        types = tuple(self.resolve(a, scope, file) for a in arguments)
        if len(types) != len(found.params):
            file.fail(at, f"{found.name} has {len(found.params)} type parameters")
        return found.instance(types)

    def struct(self, tree: Tree, scope: Scope, file: File) -> T.Struct:
        fields = []
        for decl in named_children(named_children(tree)[0]):
            if decl.type != "field_declaration":
                continue
            written = decl.child_by_field_name("type")
            tag_tree = decl.child_by_field_name("tag")
            tag = string_value(file.text(tag_tree)) if tag_tree is not None else ""
            names = decl.children_by_field_name("name")
            type = self.resolve(written, scope, file)
            if names:
                fields += [T.Field(file.text(n), type, False, tag, file.pos(n)) for n in names]
                continue
            if any(c.type == "*" for c in decl.children):
                type = T.Pointer(type)
            base = written
            if base.type == "generic_type":
                base = base.child_by_field_name("type")
            name = file.text(base).rpartition(".")[2].strip()
            fields.append(T.Field(name, type, True, tag, file.pos(decl)))
        home = self.home()
        for field in fields:
            field.home = home
        return T.Struct(fields)

    def interface(self, tree: Tree, scope: Scope, file: File) -> T.Interface:
        methods, embedded, terms = [], [], None
        for part in named_children(tree):
            if part.type == "method_elem":
                name = file.text(part.child_by_field_name("name"))
                methods.append(T.Method(name, self.signature(part, scope, file), self.home()))
            elif part.type in ("type_elem", "constraint_elem"):
                inside = named_children(part)
                if len(inside) == 1 and inside[0].type != "negated_type":
                    embedded.append(lambda t=inside[0]: self.resolve(t, scope, file))
                else:
                    terms = self.terms([part], scope, file)
            else:
                file.fail(part, f"not known in an interface: {part.type}")
        if not methods and not embedded and terms is None:
            return T.Interface(())
        return T.Interface(methods, embedded, terms)

    def terms(self, parts: list[Tree], scope: Scope, file: File) -> list[Any]:
        out: list[Any] = []
        for part in parts:
            if part.type == "negated_type":
                inner = named_children(part)[0]
                out.append((True, lambda t=inner: self.resolve(t, scope, file)))
            elif part.type in ("type_elem", "type_constraint"):
                out += self.terms(named_children(part), scope, file)
            else:
                out.append((False, lambda t=part: self.resolve(t, scope, file)))
        return out

    def constraint(self, tree: Tree, scope: Scope, file: File) -> T.Type:
        """The bound of a type parameter, as an interface."""
        inside = named_children(tree) if tree.type == "type_constraint" else [tree]
        if len(inside) == 1 and inside[0].type != "negated_type":
            type = self.resolve(inside[0], scope, file)
            if isinstance(type.under, T.Interface):
                return type
            return T.Interface((), (), [(False, lambda: type)])
        return T.Interface((), (), self.terms([tree], scope, file))

    def signature(
        self, tree: Tree, scope: Scope, file: File, recv: T.Field | None = None
    ) -> T.Signature:
        params: list[T.Field] = []
        variadic = False
        listed = tree.child_by_field_name("parameters")
        for part in named_children(listed):
            variadic = part.type == "variadic_parameter_declaration"
            params += self.parameters(part, scope, file)
        results: list[T.Field] = []
        result = tree.child_by_field_name("result")
        if result is not None and result.type == "parameter_list":
            for part in named_children(result):
                results += self.parameters(part, scope, file)
        elif result is not None:
            type = self.resolve(result, scope, file)
            results.append(T.Field("", type, pos=file.pos(result)))
        return T.Signature(params, results, variadic, recv)

    def parameters(self, part: Tree, scope: Scope, file: File) -> list[T.Field]:
        written = part.child_by_field_name("type")
        type = self.resolve(written, scope, file)
        if part.type == "variadic_parameter_declaration":
            type = T.Slice(type)
        names = part.children_by_field_name("name")
        if not names:
            return [T.Field("", type, pos=file.pos(part))]
        return [T.Field(file.text(n), type, pos=file.pos(n)) for n in names if n.is_named]

    def shape(self, type: T.Type, basic: bool) -> T.Named:
        """The GC shape that a type argument is compiled as (noder/reader.go:shapify)."""
        if isinstance(type, T.Named) and type.shape:
            return type
        under = type.under
        loose = basic and isinstance(type, T.Pointer)
        if loose:
            under = T.Pointer(T.UINT8)
        for known in self.shapes:
            same = known.loose == loose and known.under.kind == under.kind
            if same and T.identical(known.under, under):
                return known
        made = T.Named(f"go.shape.{T.link(under)}", "", lambda: under)
        made.shape, made.loose = True, loose
        self.shapes.append(made)
        return made


def has_shape(type: T.Type, depth: int = 0) -> bool:
    """Whether a shape is anywhere in the type (types.Type.HasShape)."""
    if depth > 20:
        return False
    if isinstance(type, T.Named):
        return type.shape or any(has_shape(a, depth + 1) for a in type.args)
    if isinstance(type, T.Pointer | T.Slice | T.Array | T.Chan):
        return has_shape(type.elem, depth + 1)
    if isinstance(type, T.Map):
        return has_shape(type.key, depth + 1) or has_shape(type.elem, depth + 1)
    if isinstance(type, T.Struct):
        return any(has_shape(f.type, depth + 1) for f in type.fields)
    if isinstance(type, T.Signature):
        return any(has_shape(f.type, depth + 1) for f in (*type.params, *type.results))
    if isinstance(type, T.Interface):
        return any(has_shape(m.type, depth + 1) for m in type.methods.values())
    return False


def assignable(source: T.Type, target: T.Type) -> bool:
    """Whether a value of a (typed) type may be assigned to the other."""
    if T.identical(source, target):
        return True
    if source is T.INVALID or target is T.INVALID:
        return True
    if T.is_untyped(source):
        if source is T.UNTYPED_NIL:
            return target.kind in ("ptr", "slice", "map", "chan", "func", "interface", "unsafeptr")
        return True
    to, of = target.under, source.under
    if isinstance(to, T.Interface):
        return implements(source, to)
    if isinstance(of, T.Chan) and isinstance(to, T.Chan) and of.direction == "both":
        return T.identical(of.elem, to.elem)
    named = isinstance(source, T.Named | T.Basic) and isinstance(target, T.Named | T.Basic)
    if named and not (_is_shape(source) or _is_shape(target)):
        return False
    return T.identical(of, to)


def _is_shape(type: T.Type) -> bool:
    return isinstance(type, T.Named) and type.shape


def string_value(text: str) -> str:
    """The value of a string literal as written."""
    if text.startswith("`"):
        return text[1:-1].replace("\r", "")
    return unescape(text[1:-1])


_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def unescape(text: str) -> str:
    if "\\" not in text:
        return text
    out = bytearray()
    i = 0
    while i < len(text):
        c = text[i]
        if c != "\\":
            out += c.encode("utf-8", "surrogateescape")
            i += 1
            continue
        c = text[i + 1]
        if c in "xuU":
            width = {"x": 2, "u": 4, "U": 8}[c]
            code = int(text[i + 2 : i + 2 + width], 16)
            if c == "x":
                out.append(code)
            else:
                out += chr(code).encode("utf-8", "surrogatepass")
            i += 2 + width
        elif c in "01234567":
            out.append(int(text[i + 1 : i + 4], 8) & 255)
            i += 4
        else:
            out += _SIMPLE.get(c, c).encode()
            i += 2
    return out.decode("utf-8", "surrogateescape")
