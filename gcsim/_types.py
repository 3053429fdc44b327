"""The vocabulary of types and what each one means in memory.

Two kinds of objects live here. A *type expression* is what a program writes, ``ptr["Node"]`` or
``array[u8, 3]``: immutable, hashable, perhaps with names that are not resolved yet. A `TypeInfo` is
what it means on Go's amd64: size, alignment, pointers, fields. The layout rules themselves are C
(``csrc/types/layout.c``).

What a pointer, slice, map or channel refers to is resolved when it is first asked for, not before:
so types may be recursive and may refer to types that are defined later.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

from gcsim import _core
from gcsim._errors import Error, RangeError, TypeDefinitionError

TYPE_CHECKING = False  # importing typing would double the time of `import gcsim`
if TYPE_CHECKING:
    from typing import Any

    from gcsim._struct import Declaration, Scope

MAX_DEPTH = 64  # of types inside types, by value or in one expression

#: Go's word -> (bytes, align, ptr_bytes, mask) of each kind with a fixed layout.
KINDS: Mapping[str, tuple[int, int, int, bytes]] = {
    name: tuple(rest) for name, *rest in _core.layout_kinds()
}

_MARKS = {"pointer": "*", "slice": "[]", "chan": "chan "}
_WORDS = {"interface": "any", "func": "func()", "map": "map", "chan": "chan"}


class _Immutable:
    __slots__ = ()

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def _set(self, **values: object) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)


class TypeExpr(_Immutable):
    """A type as written: ``i64``, ``ptr["Node"]``, ``array[u8, 3]``.

    `kind` is Go's word for it, `args` are the types inside (an expression, a struct class, a
    `TypeInfo`, or the text of a name), `count` is an array's length (an int or the text of a name).
    `python` is the Python type it was written as: int, bool, float, str, bytes or None.
    """

    __slots__ = ("args", "count", "depth", "kind", "python")

    def __init__(
        self,
        kind: str,
        args: tuple[Any, ...] = (),
        count: int | str | None = None,
        python: type | None = None,
    ) -> None:
        depth = _depth(kind, args)
        self._set(kind=kind, args=args, count=count, python=python, depth=depth)

    def _key(self) -> tuple[Any, ...]:
        return (self.kind, self.args, self.count, self.python is bytes)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TypeExpr):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> tuple[Any, ...]:
        return (TypeExpr, (self.kind, self.args, self.count, self.python))

    def __or__(self, other: object) -> Any:
        raise TypeDefinitionError(
            f"{self!r} | {_shown(other)}: ptr[T] reads as T | None already, others have one type"
        )

    __ror__ = __or__

    def __repr__(self) -> str:
        return _go_words(self.kind, [_name(a) for a in self.args], self.count, self.python)


def _depth(kind: str, inside: Iterable[Any]) -> int:
    """One more than the deepest of the types inside. A struct behind a pointer starts anew, because
    programs link any number of types; all else has a limit, which keeps what recurses from failing.
    """
    depth = 1
    for part in inside:
        if isinstance(part, _Immutable):  # no name, and no class
            t: Any = part
            if kind in ("array", "struct") or t.kind != "struct":
                depth = max(depth, 1 + t.depth)
    if depth > MAX_DEPTH:
        raise TypeDefinitionError(f"types nested deeper than {MAX_DEPTH}")
    return depth


def _name(part: Any) -> str:
    if isinstance(part, TypeInfo):
        return part.name
    return part.__name__ if isinstance(part, type) else str(part)


def _go_words(kind: str, args: list[str], count: object, python: type | None) -> str:
    if python is bytes:
        return "[]byte"
    if kind == "array":
        return f"[{count}]{args[0]}"
    if kind == "map" and args:
        return f"map[{args[0]}]{args[1]}"
    if args and kind in _MARKS:
        return _MARKS[kind] + args[0]
    return _WORDS.get(kind, kind)


class Constructor(_Immutable):
    """A word that takes types in brackets: ``ptr``, ``slice_``, ``array``, ``map_``, ``chan``."""

    __slots__ = ("bare", "kind", "usage", "word")

    def __init__(self, word: str, kind: str, usage: str, bare: TypeExpr | None = None) -> None:
        self._set(word=word, kind=kind, usage=usage, bare=bare)

    def __getitem__(self, args: Any) -> TypeExpr:
        given = args if isinstance(args, tuple) else (args,)
        if len(given) != self.usage.count(",") + 1:
            raise TypeDefinitionError(
                f"write {self.usage}, not {self.word} with {len(given)} in brackets"
            )
        if self.kind == "array":
            return TypeExpr("array", (to_expr(given[0]),), _count(given[1]))
        return TypeExpr(self.kind, tuple(to_expr(a) for a in given))

    def __repr__(self) -> str:
        return f"<gcsim.{self.word}: write {self.usage}>"


i8, i16, i32, i64 = (TypeExpr(f"int{bits}") for bits in (8, 16, 32, 64))
u8, u16, u32, u64 = (TypeExpr(f"uint{bits}") for bits in (8, 16, 32, 64))
f32, f64 = TypeExpr("float32"), TypeExpr("float64")
c64, c128 = TypeExpr("complex64"), TypeExpr("complex128")
uintptr, bool_, string = TypeExpr("uintptr"), TypeExpr("bool"), TypeExpr("string")
iface, func_ = TypeExpr("interface"), TypeExpr("func")
ptr = Constructor("ptr", "pointer", "ptr[T]", TypeExpr("unsafe.Pointer"))
slice_ = Constructor("slice_", "slice", "slice_[T]")
array = Constructor("array", "array", "array[T, N]")
map_ = Constructor("map_", "map", "map_[K, V]")
chan = Constructor("chan", "chan", "chan[T]")

#: Kinds of Go without a word of their own in the vocabulary: for readers of dumps and recordings.
go_int, go_uint = TypeExpr("int"), TypeExpr("uint")

_PYTHON = {
    int: TypeExpr("int", python=int),
    bool: TypeExpr("bool", python=bool),
    float: TypeExpr("float64", python=float),
    str: TypeExpr("string", python=str),
    bytes: TypeExpr("slice", (u8,), python=bytes),
}

_INSTEAD = {
    list: "slice_[T] or array[T, N]",
    tuple: "array[T, N] or a struct",
    dict: "map_[K, V]",
    set: "map_[K, bool_]",
    complex: "c128",
    bytearray: "slice_[u8]",
    object: "iface",
    type(None): "ptr[T], which may be None",
}


class _Missing(str):
    """A name that nothing is known of yet; behind a pointer that may change."""

    def __getattr__(self, name: str) -> Any:
        raise NameError(f"name {str(self)!r} is not defined")


def typing_name(name: str) -> object:
    """typing's object of that name; what equals nothing if nobody has imported typing."""
    return getattr(sys.modules.get("typing"), name, _NOTHING)


_NOTHING = object()


def declaration_of(cls: object) -> Declaration | None:
    """The declaration behind a class that `struct` made, or None."""
    return vars(cls).get("__gcsim_struct__") if isinstance(cls, type) else None


def to_expr(value: Any) -> Any:
    """An annotation or argument as something that `resolve` understands: no names looked up yet."""
    if isinstance(value, (TypeExpr, TypeInfo, str)) or declaration_of(value) is not None:
        return value
    if hasattr(value, "__gcsim_resolve__"):
        return value
    if isinstance(value, Constructor):
        if value.bare is None:
            raise TypeDefinitionError(f"{value.word} alone is no type: write {value.usage}")
        return value.bare
    if isinstance(value, type) and value in _PYTHON:
        return _PYTHON[value]
    if isinstance(getattr(value, "__forward_arg__", None), str):
        return value.__forward_arg__
    if getattr(value, "__metadata__", None) is not None:  # Annotated[T, ...]
        return to_expr(value.__origin__)
    raise TypeDefinitionError(_why_not(value))


def _why_not(value: Any) -> str:
    origin = getattr(value, "__origin__", None)
    kind = value if isinstance(value, type) else origin
    if value is None:
        kind = type(None)
    if isinstance(kind, type) and kind in _INSTEAD:
        return f"{_shown(value)} has no layout in Go: write {_INSTEAD[kind]}"
    if origin is typing_name("Union") or type(value).__name__ in ("UnionType", "Union"):
        return f"{_shown(value)} has no layout in Go: write ptr[T], which reads as T | None"
    if value is typing_name("Any"):
        return "Any has no layout in Go: write iface"
    if isinstance(value, type) and issubclass(value, _core.Ref):
        return f"{value.__name__} is no struct type: decorate the class with @gcsim.struct"
    if isinstance(value, type):
        return f"class {value.__name__} is not a gcsim type: decorate it with @gcsim.struct"
    return f"{_shown(value)} is not a gcsim type"


def _shown(value: object) -> str:
    if isinstance(value, type) and not hasattr(value, "__origin__"):
        return value.__name__
    try:
        text = repr(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 80 else text[:77] + "..."


def _count(value: Any) -> int | str:
    if getattr(value, "__origin__", None) is typing_name("Literal"):
        if len(value.__args__) != 1:
            raise TypeDefinitionError("an array has one length: Literal[N]")
        value = value.__args__[0]
    if isinstance(value, str):
        return value
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeDefinitionError(f"the length of an array is an int, not {_shown(value)}")
    if not 0 <= value < 1 << 63:
        raise RangeError(f"{value} is no length of an array")
    return int(value)


class Field(_Immutable):
    """One field: `name` (``_`` is Go's blank field), `offset` in bytes, `type`, and `embedded` if
    it is a base struct. In `TypeInfo.promoted` the offset is from the outer struct's start."""

    __slots__ = ("embedded", "name", "offset", "type")

    def __init__(self, name: str, offset: int, type: TypeInfo, embedded: bool = False) -> None:
        self._set(name=name, offset=offset, type=type, embedded=embedded)

    def __repr__(self) -> str:
        return f"Field({self.name} {self.type.name} at {self.offset})"


class _Lazy:
    """What a pointer refers to, until somebody asks."""

    __slots__ = ("expr", "scope", "where")

    def __init__(self, expr: Any, scope: Scope | None, where: str) -> None:
        self.expr = expr
        self.scope = scope
        self.where = where  # "Node.next", for errors

    def resolve(self, final: bool = True) -> TypeInfo:
        try:
            return resolve(self.expr, self.scope, final=final)
        except Error as error:
            raise (located(error, self.where) if self.where else error) from error.__cause__


class TypeInfo(_Immutable):
    """What a type is in memory: made by `describe`, never changed.

    kind       Go's word: "int64", "struct", "slice", "pointer", "unsafe.Pointer", "interface"...
    name       as Go would write it: "*Node", "[3]uint8"; "Node#2" for a second layout of that name
    bytes, align, ptr_bytes    ptr_bytes: the prefix that the collector scans, 0 = noscan
    mask       bytes: little-endian 64-bit words, one bit per 8-byte word of ptr_bytes, 1 = pointer
    fields     of a struct, in order; promoted: those reached through embedded bases
    elem       of a pointer, slice, array, chan, map (its values); key: of a map; count: of an array
    python     int, bool, float, str, bytes if it was written as this Python type, else None
    cls        of a struct type: the class most recently made for it, None if that is gone

    Struct types are equal if they are one type; others if they are written alike.
    """

    __slots__ = (
        "__weakref__",
        "_cls",
        "_elem",
        "_key",
        "_mask",
        "_name",
        "align",
        "bytes",
        "count",
        "depth",
        "fields",
        "kind",
        "module",
        "ptr_bytes",
        "python",
        "qualname",
    )

    def __init__(
        self,
        kind: str,
        layout: tuple[int, int, int],
        *,
        name: str | None = None,
        mask: bytes | None = None,
        fields: tuple[Field, ...] = (),
        elem: TypeInfo | _Lazy | None = None,
        key: TypeInfo | _Lazy | None = None,
        count: int | None = None,
        python: type | None = None,
        module: str | None = None,
        qualname: str | None = None,
    ) -> None:
        size, align, ptr_bytes = layout
        self._set(kind=kind, bytes=size, align=align, ptr_bytes=ptr_bytes, fields=fields)
        self._set(count=count, python=python, module=module, qualname=qualname)
        self._set(_name=name, _mask=mask, _elem=elem, _key=key, _cls=None)
        parts = [t for t in (elem, key) if isinstance(t, TypeInfo)]
        self._set(depth=_depth(kind, [*parts, *(f.type for f in fields)]))

    @property
    def noscan(self) -> bool:
        return self.ptr_bytes == 0

    @property
    def elem(self) -> TypeInfo | None:
        return self._inside("_elem")

    @property
    def key(self) -> TypeInfo | None:
        return self._inside("_key")

    def _inside(self, slot: str) -> TypeInfo | None:
        inside = getattr(self, slot)
        if isinstance(inside, _Lazy):
            inside = inside.resolve()
            self._set(**{slot: inside})
        return inside

    @property
    def cls(self) -> type | None:
        return None if self._cls is None else self._cls()

    @property
    def name(self) -> str:
        if self._name is not None:
            return self._name
        inside = [_target_name(t) for t in (self._key, self._elem) if t is not None]
        return _go_words(self.kind, inside, self.count, self.python)

    @property
    def mask(self) -> bytes:
        """Raises RangeError above 2^30 pointer bytes: such an array is tiles of its element."""
        if self._mask is None:
            self._set(_mask=_mask_of(self))
        return self._mask

    @property
    def promoted(self) -> tuple[Field, ...]:
        return tuple(_promoted(self))

    def field(self, name: str) -> Field | None:
        """The field or promoted field of that name, None if there is none."""
        if name == "_":
            return None
        return next((f for f in (*self.fields, *self.promoted) if f.name == name), None)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TypeInfo):
            return NotImplemented
        if self is other or self.kind != other.kind or self.kind == "struct":
            return self is other
        if (self.count, self.python is bytes) != (other.count, other.python is bytes):
            return False
        try:
            return self.key == other.key and self.elem == other.elem
        except Error:  # a name that cannot be resolved equals nothing else
            return False

    def __hash__(self) -> int:
        return object.__hash__(self) if self.kind == "struct" else hash((self.kind, self.count))

    def __repr__(self) -> str:
        what = "noscan" if self.noscan else f"{self.ptr_bytes} B to scan"
        return f"TypeInfo({self.name}: {self.bytes} B, align {self.align}, {what})"


def _target_name(target: TypeInfo | _Lazy) -> str:
    if isinstance(target, TypeInfo):
        return target.name
    try:
        return target.resolve().name
    except Exception:  # shown in a repr: the text as written is the best there is
        return _name(target.expr)


def _promoted(info: TypeInfo) -> Iterable[Field]:
    """Go's rule: the shallowest field of a name wins, two at the same depth hide each other."""
    taken = {f.name for f in info.fields}
    level = [(f.offset, f.type) for f in info.fields if f.embedded]
    while level:
        found: dict[str, list[Field]] = {}
        below = []
        for offset, base in level:
            for f in base.fields:
                found.setdefault(f.name, []).append(
                    Field(f.name, offset + f.offset, f.type, f.embedded)
                )
                if f.embedded:
                    below.append((offset + f.offset, f.type))
        for name, fields in found.items():
            if name not in taken and name != "_" and len(fields) == 1:
                yield fields[0]
        taken.update(found)
        level = below


def part(info: TypeInfo, mask: bool = False) -> tuple[int, int, int, bytes | None]:
    """The tuple that the C layout functions take."""
    return (info.bytes, info.align, info.ptr_bytes, info.mask if mask else None)


def _mask_of(info: TypeInfo) -> bytes:
    try:
        if info.ptr_bytes == 0:
            return b""
        if info.kind == "array":
            return _core.layout_array(part(info._elem, mask=True), info.count)[3]
        return _core.layout_struct([part(f.type, mask=True) for f in info.fields])[4]
    except OverflowError as error:
        raise RangeError(f"{info.name}: {error}") from None


def struct_info(
    name: str,
    fields: Iterable[tuple[str, TypeInfo, bool]],
    module: str | None = None,
    qualname: str | None = None,
) -> TypeInfo:
    """Lay out (field name, type, embedded) in this order as a struct.

    Raises RangeError above 2^40 bytes."""
    fields = list(fields)
    try:
        offsets, *layout, _ = _core.layout_struct([part(t) for _, t, _ in fields])
    except OverflowError as error:
        raise RangeError(f"{name}: {error}") from None
    laid = tuple(Field(n, at, t, e) for (n, t, e), at in zip(fields, offsets, strict=True))
    return TypeInfo(
        "struct", tuple(layout), name=name, fields=laid, module=module, qualname=qualname
    )


def anonymous_struct(fields: Mapping[str, Any], name: str | None = None) -> TypeInfo:
    """A struct type without a class, as a frame of a goroutine has: {"head": ptr[Node]}."""
    laid = [(n, describe(t), False) for n, t in fields.items()]
    words = "; ".join(f"{n} {t.name}" for n, t, _ in laid)
    return struct_info(name or ("struct { " + words + " }" if laid else "struct {}"), laid)


def resolve(
    expr: Any, scope: Scope | None, *, final: bool = True, path: tuple[Any, ...] = ()
) -> TypeInfo:
    """What `expr` means in `scope`. With final=False struct types may still be candidates that
    have not been compared with earlier types of their name; `path` are the structs that this
    type is a part of, by value."""
    if isinstance(expr, str):
        expr = _look_up(expr, scope)
    if isinstance(expr, TypeInfo):
        return expr
    if isinstance(expr, TypeExpr):
        return _resolve_expr(expr, scope, final, path)
    declaration = expr if hasattr(expr, "__gcsim_resolve__") else declaration_of(expr)
    if declaration is None:
        raise TypeDefinitionError(_why_not(expr))
    return declaration.__gcsim_resolve__(final, path)


def located(error: Error, where: str) -> Error:
    """The error with the field that it came from, told once, for the innermost field."""
    if getattr(error, "_where", None) is None:
        wider = RangeError if isinstance(error, RangeError) else TypeDefinitionError
        error = wider(f"{where}: {error}")
        error._where = where  # type: ignore[attr-defined]
    return error.with_traceback(None)


def _look_up(text: str, scope: Scope | None) -> Any:
    for _ in range(MAX_DEPTH):  # a name may stand for text again
        if scope is None:
            raise TypeDefinitionError(
                f"{text!r} is a name, and only a struct's fields look names up: pass the type"
            )
        value = scope.evaluate(text)
        if isinstance(value, _Missing):
            raise TypeDefinitionError(f"name {str(value)!r} is not defined")
        value = to_expr(value)
        if not isinstance(value, str):
            return value
        text = value
    raise TypeDefinitionError(f"{text!r} only leads to more names")


def _resolve_expr(
    expr: TypeExpr, scope: Scope | None, final: bool, path: tuple[Any, ...]
) -> TypeInfo:
    if expr.kind == "array":
        return _resolve_array(expr, scope, final, path)
    *layout, mask = KINDS[expr.kind]
    where = f"{path[-1][0].name}.{path[-1][1]}" if path else ""
    inside = [
        _Lazy(arg, scope, where) if not isinstance(arg, TypeInfo) else arg for arg in expr.args
    ]
    return TypeInfo(
        expr.kind,
        tuple(layout),
        mask=mask,
        elem=inside[-1] if inside else None,
        key=inside[0] if len(inside) > 1 else None,
        python=expr.python,
    )


def _resolve_array(
    expr: TypeExpr, scope: Scope | None, final: bool, path: tuple[Any, ...]
) -> TypeInfo:
    count = expr.count
    for _ in range(MAX_DEPTH):
        if not isinstance(count, str):
            break
        value = scope.evaluate(count) if scope is not None else _Missing(count)
        if isinstance(value, _Missing):
            raise TypeDefinitionError(f"name {str(value)!r} is not defined")
        count = _count(value)
    else:
        raise TypeDefinitionError(f"{count!r} only leads to more names")
    elem = resolve(expr.args[0], scope, final=final, path=path)
    try:
        *layout, _ = _core.layout_array(part(elem), count)
    except OverflowError as error:
        raise RangeError(f"[{count}]{elem.name}: {error}") from None
    return TypeInfo("array", tuple(layout), elem=elem, count=count)


def describe(type_or_expr: Any) -> TypeInfo:
    """The `TypeInfo` of a struct class, a type expression or a Python type with a meaning in Go.

    Raises TypeDefinitionError for what is no type, RangeError for what is too large.
    """
    return resolve(to_expr(type_or_expr), None)
