"""Go's types as the compiler sees them: identity, size and pointers on linux/amd64, and names.

A type is never changed after its underlying type is known; a `Named` learns its underlying type
when it is first asked for, so that types may mention themselves. Names are printed as the compiler
prints them in diagnostics (`cmd/compile/internal/types/fmt.go`): those of the package under
analysis bare, others with their package's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

PTR = 8  # types.PtrSize on amd64


class Type:
    """What all types share; `under` is the underlying type, `kind` the kind of that."""

    __slots__ = ("_pointers", "_size", "_text")
    kind = "?"

    def __init__(self) -> None:
        self._size: tuple[int, int] | None = None
        self._pointers: bool | None = None
        self._text: str | None = None

    @property
    def under(self) -> Type:
        return self

    def layout(self) -> tuple[int, int]:
        """Size and alignment in bytes."""
        if self._size is None:
            self._size = (1, 1)  # a type that contains itself is an error; it ends here
            self._size = self._layout()
        return self._size

    def _layout(self) -> tuple[int, int]:
        return PTR, PTR

    @property
    def size(self) -> int:
        return self.layout()[0]

    @property
    def align(self) -> int:
        return self.layout()[1]

    def has_pointers(self) -> bool:
        if self._pointers is None:
            self._pointers = False
            self._pointers = self._has_pointers()
        return self._pointers

    def _has_pointers(self) -> bool:
        return True

    def __str__(self) -> str:
        if self._text is None:
            self._text = self._string()
        return self._text

    def _string(self) -> str:
        return "?"

    def __repr__(self) -> str:
        return f"<{self}>"


class Basic(Type):
    """A predeclared type; `untyped` ones are those of constants, nil and comparisons."""

    __slots__ = ("bytes", "group", "kind", "name", "untyped")

    def __init__(self, name: str, kind: str, size: int, group: str, untyped: bool = False):
        super().__init__()
        self.name, self.kind, self.bytes = name, kind, size
        self.group = group  # "int", "uint", "float", "complex", "string", "bool", "nil", "unsafe"
        self.untyped = untyped

    def _layout(self) -> tuple[int, int]:
        return self.bytes, min(self.bytes, PTR) or 1

    def _has_pointers(self) -> bool:
        return self.group in ("string", "unsafe")

    def _string(self) -> str:
        return self.name


class Named(Type):
    """A defined type, a type argument's shape, or an instance of a generic type."""

    __slots__ = (
        "_resolve",
        "_under",
        "args",
        "decl",
        "home",
        "lookup",
        "loose",
        "methods",
        "name",
        "origin",
        "package",
        "shape",
    )
    name: str

    def __init__(self, name: str, package: str, resolve: Callable[[], Type] | None = None):
        super().__init__()
        self.name, self.package = name, package  # package: "" is the one under analysis
        self._resolve, self._under = resolve, None
        self.methods: dict[str, Any] = {}
        self.lookup: Callable[[str], Any] | None = None  # methods made when first asked for
        self.origin: Any = None  # the generic type's object
        self.args: tuple[Type, ...] = ()
        self.shape = False
        self.loose = False  # the shape of all pointers
        self.home = ""  # the name of the package under analysis, if it declares this
        self.decl: Any = None

    _under: Type | None

    @property
    def under(self) -> Type:
        if self._under is None:
            resolve, self._resolve = self._resolve, None
            if resolve is None:
                return INVALID  # a type that is its own underlying type
            self._under = resolve().under
        return self._under

    @property
    def kind(self) -> str:  # type: ignore[override]
        return self.under.kind

    def method(self, name: str) -> Any:
        found = self.methods.get(name)
        if found is None and self.lookup is not None:
            found = self.lookup(name)
        return found

    def _layout(self) -> tuple[int, int]:
        if self.package == "sync/atomic" and self.name in ("Int64", "Uint64"):
            return PTR, PTR
        return self.under.layout()

    def _has_pointers(self) -> bool:
        return self.under.has_pointers()

    def _string(self) -> str:
        text = self.name
        if self.package:
            text = self.package.rpartition("/")[2] + "." + text
        if self.args:
            text += "[" + ",".join(map(link, self.args)) + "]"
        return text


class TypeParam(Type):
    """A type parameter, only while type arguments are inferred."""

    __slots__ = ("bound", "index", "name")
    kind = "typeparam"

    def __init__(self, name: str, index: int, bound: Type | None = None):
        super().__init__()
        self.name, self.index, self.bound = name, index, bound

    def _string(self) -> str:
        return self.name


class Pointer(Type):
    __slots__ = ("elem",)
    kind = "ptr"

    def __init__(self, elem: Type):
        super().__init__()
        self.elem = elem

    def _string(self) -> str:
        return f"*{self.elem}"


class Slice(Type):
    __slots__ = ("elem",)
    kind = "slice"

    def __init__(self, elem: Type):
        super().__init__()
        self.elem = elem

    def _layout(self) -> tuple[int, int]:
        return 3 * PTR, PTR

    def _string(self) -> str:
        return f"[]{self.elem}"


class Array(Type):
    __slots__ = ("elem", "length")
    kind = "array"

    def __init__(self, length: int, elem: Type):
        super().__init__()
        self.length, self.elem = length, elem

    def _layout(self) -> tuple[int, int]:
        size, align = self.elem.layout()
        return size * self.length, align

    def _has_pointers(self) -> bool:
        return self.length > 0 and self.elem.has_pointers()

    def _string(self) -> str:
        return f"[{self.length}]{self.elem}"


class Map(Type):
    __slots__ = ("elem", "key")
    kind = "map"

    def __init__(self, key: Type, elem: Type):
        super().__init__()
        self.key, self.elem = key, elem

    def _string(self) -> str:
        return f"map[{self.key}]{self.elem}"


class Chan(Type):
    __slots__ = ("direction", "elem")
    kind = "chan"

    def __init__(self, direction: str, elem: Type):
        super().__init__()
        self.direction, self.elem = direction, elem  # "both", "send", "receive"

    def _string(self) -> str:
        if self.direction == "receive":
            return f"<-chan {self.elem}"
        if self.direction == "send":
            return f"chan<- {self.elem}"
        if isinstance(self.elem, Chan) and self.elem.direction == "receive":
            return f"chan ({self.elem})"
        return f"chan {self.elem}"


class Field:
    """A field of a struct, or a parameter or result of a function."""

    __slots__ = ("embedded", "home", "name", "pos", "tag", "type")

    def __init__(
        self, name: str, type: Type, embedded: bool = False, tag: str = "", pos: Any = None
    ):
        self.home = ""  # the name of the package that declares a struct's field
        self.name, self.type, self.embedded, self.tag, self.pos = name, type, embedded, tag, pos


class Struct(Type):
    __slots__ = ("fields", "index")
    kind = "struct"

    def __init__(self, fields: Sequence[Field]):
        super().__init__()
        self.fields = tuple(fields)
        self.index = {field.name: field for field in fields}

    def _layout(self) -> tuple[int, int]:
        offset, most = 0, 1
        last = 1
        for field in self.fields:
            last, align = field.type.layout()
            most = max(most, align)
            offset = (offset + align - 1) // align * align + last
        if self.fields and last == 0 and offset > 0:
            offset += 1  # types.CalcStructSize: an address behind the last field stays inside
        return (offset + most - 1) // most * most, most

    def _has_pointers(self) -> bool:
        return any(field.type.has_pointers() for field in self.fields)

    def _string(self) -> str:
        if not self.fields:
            return "struct {}"
        parts = []
        for field in self.fields:
            text = str(field.type) if field.embedded else f"{field.name} {field.type}"
            parts.append(text + (" " + quote(field.tag) if field.tag else ""))
        return "struct { " + "; ".join(parts) + " }"


class Method:
    """A method of an interface: its name, package (of an unexported one) and signature."""

    __slots__ = ("name", "package", "type")

    def __init__(self, name: str, type: Signature, package: str = ""):
        self.name, self.type, self.package = name, type, package

    def shown(self, path: bool) -> str:
        """The name, of an unexported method with its package's name or path."""
        if self.name[:1].isupper() or not self.package:
            return self.name
        package = self.package if path else self.package.rpartition("/")[2]
        return f"{package}.{self.name}"


class Interface(Type):
    """An interface; `terms` is the list of (tilde, type) that a constraint allows, or None."""

    __slots__ = ("_all", "comparable", "embedded", "explicit", "terms")
    kind = "interface"

    def __init__(
        self,
        methods: Sequence[Method],
        embedded: Sequence[Callable[[], Type]] = (),
        terms: Sequence[Any] | None = None,
    ):
        super().__init__()
        self.explicit, self.embedded = tuple(methods), tuple(embedded)
        self.terms = terms
        self.comparable = False
        self._all: dict[str, Method] | None = None

    @property
    def methods(self) -> dict[str, Method]:
        if self._all is None:
            self._all = {}
            found = {m.name: m for m in self.explicit}
            for embed in self.embedded:
                inner = embed().under
                if isinstance(inner, Interface):
                    for name, method in inner.methods.items():
                        found.setdefault(name, method)
            self._all = {name: found[name] for name in sorted(found)}
        return self._all

    def type_terms(self) -> list[Any] | None:
        """(tilde, type) pairs that may be type arguments; None: all types."""
        terms: list[Any] | None = None
        for embed in self.embedded:
            inner = embed()
            more: list[Any] | None
            if isinstance(inner.under, Interface):
                more = inner.under.type_terms()
            else:
                more = [(False, inner)]
            if more is not None:
                terms = more
        if self.terms is not None:
            terms = []
            for tilde, make in self.terms:
                type = make()
                if isinstance(type.under, Interface):
                    terms += type.under.type_terms() or []
                else:
                    terms.append((tilde, type))
        return terms

    def _layout(self) -> tuple[int, int]:
        return 2 * PTR, PTR

    def _string(self) -> str:
        if self is ANY:
            return "any"
        if not self.methods:
            return "interface {}"
        parts, hidden = [], False
        for m in self.methods.values():  # from the first unexported method on, all is qualified
            hidden = hidden or not m.name[:1].isupper()
            parts.append(m.shown(False) + (_link_tail(m.type) if hidden else m.type.tail()))
        return "interface { " + "; ".join(parts) + " }"


class Signature(Type):
    """A function's type. `recv` is not part of its identity."""

    __slots__ = ("params", "recv", "results", "variadic")
    kind = "func"

    def __init__(
        self,
        params: Sequence[Field],
        results: Sequence[Field],
        variadic: bool = False,
        recv: Field | None = None,
    ):
        super().__init__()
        self.params, self.results = tuple(params), tuple(results)
        self.variadic, self.recv = variadic, recv

    def tail(self) -> str:
        def one(field: Field, dots: bool) -> str:
            text = f"...{field.type.elem}" if dots else str(field.type)  # type: ignore[attr-defined]
            return f"{field.name} {text}" if field.name else text

        last = len(self.params) - 1
        inside = ", ".join(one(p, self.variadic and i == last) for i, p in enumerate(self.params))
        text = f"({inside})"
        if len(self.results) == 1 and not self.results[0].name:
            return f"{text} {self.results[0].type}"
        if self.results:
            text += " (" + ", ".join(one(r, False) for r in self.results) + ")"
        return text

    def _string(self) -> str:
        return "func" + self.tail()


class Tuple(Type):
    """The results of a call that has not exactly one."""

    __slots__ = ("types",)
    kind = "tuple"

    def __init__(self, types: Sequence[Type]):
        super().__init__()
        self.types = tuple(types)

    def _string(self) -> str:
        return "(" + ", ".join(map(str, self.types)) + ")"


def _basic() -> Iterator[Basic]:
    yield Basic("bool", "bool", 1, "bool")
    for bits in (8, 16, 32, 64):
        yield Basic(f"int{bits}", f"int{bits}", bits // 8, "int")
        yield Basic(f"uint{bits}", f"uint{bits}", bits // 8, "uint")
    yield Basic("int", "int", PTR, "int")
    yield Basic("uint", "uint", PTR, "uint")
    yield Basic("uintptr", "uintptr", PTR, "uint")
    yield Basic("float32", "float32", 4, "float")
    yield Basic("float64", "float64", 8, "float")
    yield Basic("complex64", "complex64", 8, "complex")
    yield Basic("complex128", "complex128", 16, "complex")
    yield Basic("string", "string", 2 * PTR, "string")
    yield Basic("byte", "uint8", 1, "uint")
    yield Basic("rune", "int32", 4, "int")


class _Complex(Basic):
    __slots__ = ()

    def _layout(self) -> tuple[int, int]:
        return self.bytes, self.bytes // 2


BASIC: dict[str, Basic] = {b.name: b for b in _basic()}
for _name in ("complex64", "complex128"):
    BASIC[_name] = _Complex(_name, _name, BASIC[_name].bytes, "complex")

BOOL, INT, STRING = BASIC["bool"], BASIC["int"], BASIC["string"]
UINT, UINTPTR, BYTE, RUNE = BASIC["uint"], BASIC["uintptr"], BASIC["byte"], BASIC["rune"]
UINT8, INT32 = BASIC["uint8"], BASIC["int32"]
FLOAT64, COMPLEX128 = BASIC["float64"], BASIC["complex128"]
UNSAFE_POINTER = Basic("unsafe.Pointer", "unsafeptr", PTR, "unsafe")
INVALID = Basic("invalid type", "invalid", 0, "invalid")

UNTYPED_BOOL = Basic("untyped bool", "bool", 1, "bool", True)
UNTYPED_INT = Basic("untyped int", "int", PTR, "int", True)
UNTYPED_RUNE = Basic("untyped rune", "int32", 4, "int", True)
UNTYPED_FLOAT = Basic("untyped float", "float64", 8, "float", True)
UNTYPED_COMPLEX = Basic("untyped complex", "complex128", 16, "complex", True)
UNTYPED_STRING = Basic("untyped string", "string", 2 * PTR, "string", True)
UNTYPED_NIL = Basic("untyped nil", "nil", PTR, "nil", True)

DEFAULTS: dict[Type, Type] = {
    UNTYPED_BOOL: BOOL,
    UNTYPED_INT: INT,
    UNTYPED_RUNE: RUNE,
    UNTYPED_FLOAT: FLOAT64,
    UNTYPED_COMPLEX: COMPLEX128,
    UNTYPED_STRING: STRING,
    UNTYPED_NIL: UNTYPED_NIL,
}

ANY = Interface(())
ANY_PLAIN = Interface(())  # interface {}, where the compiler writes that itself
COMPARABLE = Interface(())
COMPARABLE.comparable = True
EMPTY_TUPLE = Tuple(())
ERROR = Named("error", "")
ERROR._under = Interface((Method("Error", Signature((), (Field("", STRING),))),))


def is_untyped(type: Type) -> bool:
    return isinstance(type, Basic) and type.untyped


def is_interface(type: Type) -> bool:
    return type.kind == "interface"


def is_direct(type: Type) -> bool:
    """Whether an interface holds the value itself: types.IsDirectIface."""
    under = type.under
    kind = under.kind
    if kind in ("ptr", "chan", "map", "func", "unsafeptr"):
        return True
    if isinstance(under, Array):
        return under.length == 1 and is_direct(under.elem)
    if isinstance(under, Struct):
        return len(under.fields) == 1 and is_direct(under.fields[0].type)
    return False


def _same_fields(a: Sequence[Field], b: Sequence[Field]) -> bool:
    return len(a) == len(b) and all(identical(x.type, y.type) for x, y in zip(a, b, strict=True))


def identical(a: Type, b: Type) -> bool:
    """Go's type identity; a shape is identical to what it is the shape of."""
    if a is b:
        return True
    if isinstance(a, Named) or isinstance(b, Named):
        both = isinstance(a, Named) and isinstance(b, Named) and a.args and a.origin is b.origin
        if both and len(a.args) == len(b.args):  # type: ignore[attr-defined]
            return all(map(identical, a.args, b.args))  # type: ignore[attr-defined]
        if (isinstance(a, Named) and a.shape) or (isinstance(b, Named) and b.shape):
            # All pointers are one shape, *uint8, where only methods of them may be used.
            loose = getattr(a, "loose", False) or getattr(b, "loose", False)
            if loose and isinstance(a.under, Pointer) and isinstance(b.under, Pointer):
                return True
            return identical(a.under, b.under)
        return False
    if a.kind != b.kind:
        return False
    if isinstance(a, Basic):
        return isinstance(b, Basic) and a.untyped == b.untyped
    if isinstance(a, Pointer | Slice):
        return identical(a.elem, b.elem)  # type: ignore[attr-defined]
    if isinstance(a, Array):
        return a.length == b.length and identical(a.elem, b.elem)  # type: ignore[attr-defined]
    if isinstance(a, Map):
        return identical(a.key, b.key) and identical(a.elem, b.elem)  # type: ignore[attr-defined]
    if isinstance(a, Chan):
        return a.direction == b.direction and identical(a.elem, b.elem)  # type: ignore[attr-defined]
    if isinstance(a, Struct) and isinstance(b, Struct):
        return (
            len(a.fields) == len(b.fields)
            and all(
                x.name == y.name and x.embedded == y.embedded and x.tag == y.tag
                for x, y in zip(a.fields, b.fields, strict=True)
            )
            and _same_fields(a.fields, b.fields)
        )
    if isinstance(a, Interface) and isinstance(b, Interface):
        x, y = a.methods, b.methods
        return x.keys() == y.keys() and all(identical(x[n].type, y[n].type) for n in x)
    if isinstance(a, Signature) and isinstance(b, Signature):
        return (
            a.variadic == b.variadic
            and _same_fields(a.params, b.params)
            and _same_fields(a.results, b.results)
        )
    if isinstance(a, Tuple) and isinstance(b, Tuple):
        return len(a.types) == len(b.types) and all(map(identical, a.types, b.types))
    return False


def deref(type: Type) -> Type:
    """T of an unnamed *T, else the type itself."""
    return type.elem if isinstance(type, Pointer) else type


def pointers_behind(type: Type) -> bool:
    """Whether what a value of the type points to may hold pointers in turn."""
    under = type.under
    if isinstance(under, Slice | Pointer):
        return under.elem.has_pointers()
    return under.kind not in ("string", "unsafeptr") and under.has_pointers()


def link(type: Type) -> str:
    """The type as in the name of an instance: own types qualified, unexported fields too."""
    if isinstance(type, Named):
        if type.shape:
            return f"go.shape.{link(type.under)}"
        path = type.home or type.package
        args = f"[{','.join(map(link, type.args))}]" if type.args else ""
        return f"{path}.{type.name}{args}" if path else type.name + args
    if isinstance(type, Pointer):
        return f"*{link(type.elem)}"
    if isinstance(type, Slice):
        return f"[]{link(type.elem)}"
    if isinstance(type, Array):
        return f"[{type.length}]{link(type.elem)}"
    if isinstance(type, Map):
        return f"map[{link(type.key)}]{link(type.elem)}"
    if isinstance(type, Chan):
        return str(Chan(type.direction, type.elem)).replace(str(type.elem), link(type.elem))
    if isinstance(type, Struct) and type.fields:
        parts = []
        for field in type.fields:
            text = link(field.type)
            if not field.embedded:
                plain = field.name[:1].isupper() or not field.home
                text = f"{field.name if plain else field.home + '.' + field.name} {text}"
            parts.append(text + (" " + quote(field.tag) if field.tag else ""))
        return "struct { " + "; ".join(parts) + " }"
    if isinstance(type, Interface):
        if type is ANY or not type.methods:
            return "interface {}"
        inside = [f"{m.shown(True)}{_link_tail(m.type)}" for m in type.methods.values()]
        return "interface { " + "; ".join(inside) + " }"
    if isinstance(type, Signature):
        return "func" + _link_tail(type)
    if isinstance(type, Basic) and type.name in ("byte", "rune"):
        return type.kind
    return str(type)


def _link_tail(type: Signature) -> str:
    last = len(type.params) - 1
    inside = []
    for i, param in enumerate(type.params):
        dots = type.variadic and i == last
        inside.append("..." + link(param.type.elem) if dots else link(param.type))  # type: ignore[attr-defined]
    text = f"({', '.join(inside)})"
    if len(type.results) == 1:
        return f"{text} {link(type.results[0].type)}"
    if type.results:
        text += " (" + ", ".join(link(r.type) for r in type.results) + ")"
    return text


def quote(text: str) -> str:
    """Go's strconv.Quote."""
    simple = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    simple |= {"\v": "\\v", "\\": "\\\\", '"': '\\"'}
    out = []
    for c in text:
        code = ord(c)
        if c in simple:
            out.append(simple[c])
        elif 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8 (surrogateescape)
            out.append(f"\\x{code - 0xDC00:02x}")
        elif c == " " or (c.isprintable() and not c.isspace()):
            out.append(c)
        elif code < 0x20 or code == 0x7F:
            out.append(f"\\x{code:02x}")
        elif code < 0x10000:
            out.append(f"\\u{code:04x}")
        else:
            out.append(f"\\U{code:08x}")
    return '"' + "".join(out) + '"'
