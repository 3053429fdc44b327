"""What names mean: scopes, the objects in them, and the predeclared ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import types as T
from .nodes import Func


class Scope:
    """A block's names; those of the blocks around it show through."""

    __slots__ = ("names", "outer")

    def __init__(self, outer: Scope | None = None):
        self.outer = outer
        self.names: dict[str, Any] = {}

    def find(self, name: str) -> Any:
        scope: Scope | None = self
        while scope is not None:
            found = scope.here(name)
            if found is not None:
                return found
            scope = scope.outer
        return None

    def here(self, name: str) -> Any:
        return self.names.get(name)


class FileScope(Scope):
    """A file's imports; those with a dot lend all their names."""

    __slots__ = ("dots",)

    def __init__(self, outer: Scope):
        super().__init__(outer)
        self.dots: list[PackageObject] = []

    def here(self, name: str) -> Any:
        found = self.names.get(name)
        for package in self.dots if name[:1].isupper() else ():
            found = found or package.lookup(name)
        return found


class ConstObject:
    """A constant; type and value are found when first asked for."""

    def __init__(self, make: Callable[[], tuple[T.Type, Any]]):
        self._make: Callable[[], tuple[T.Type, Any]] | None = make
        self._known: tuple[T.Type, Any] | None = None

    def get(self) -> tuple[T.Type, Any] | None:
        """(type, value), or None while it is being found: it depends on itself."""
        if self._known is None:
            make, self._make = self._make, None
            if make is None:
                return None
            self._known = make()
        return self._known


class TypeObject:
    """A type's name: a type, or a generic one with its parameters and instances."""

    def __init__(self, name: str, make: Callable[[], T.Type]):
        self.name = name
        self._make: Callable[[], T.Type] | None = make
        self._type: T.Type | None = None
        self.params: list[Any] = []  # trees of the type parameters
        self.instances: dict[Any, T.Named] = {}
        self.instance: Callable[[tuple[T.Type, ...]], T.Named] | None = None
        self.basic_bounds: list[bool] = []

    def get(self) -> T.Type | None:
        if self._type is None:
            make, self._make = self._make, None
            if make is None:
                return None
            self._type = make()
        return self._type


class FuncObject:
    """A function's name; `instance` makes the function of some type arguments."""

    def __init__(self, name: str, func: Func | None = None):
        self.name = name
        self.func = func
        self.decl: Any = None
        self.params: list[Any] = []
        self.instance: Callable[[tuple[T.Type, ...]], Func] | None = None
        self.instances: list[Any] = []  # (shapes, function)
        self.tagged: Any = None  # of an imported one without source: gives a function its tags
        self.owner: Any = None  # the package that declares it
        self.make: Callable[[], Func] | None = None
        self.fallback: Any = None  # gives tags to an instance whose source is not analysed


class VarObject:
    """A package variable, whose type may follow from its initial value."""

    def __init__(self, node: Any, find: Callable[[], None] | None = None):
        self.node = node
        self.find = find


class PackageObject:
    def __init__(self, path: str, name: str, lookup: Callable[[str], Any]):
        self.path, self.name, self.lookup = path, name, lookup
        self.used = False


class Builtin:
    def __init__(self, name: str):
        self.name = name


class Nil:
    pass


class MethodObject:
    """A method of a defined type: with a pointer receiver or not, its signature, its function."""

    __slots__ = ("_func", "name", "pointer", "type")

    def __init__(self, name: str, pointer: bool, type: T.Signature, func: Any):
        self.name, self.pointer, self.type = name, pointer, type
        self._func = func

    @property
    def func(self) -> Func | None:
        if callable(self._func) and not isinstance(self._func, Func):
            self._func = self._func()
        return self._func  # type: ignore[no-any-return]


BUILTINS = [
    "append", "cap", "clear", "close", "complex", "copy", "delete", "imag", "len", "make", "max",
    "min", "new", "panic", "print", "println", "real", "recover",
]  # fmt: skip
UNSAFE = [
    "Add", "Alignof", "Offsetof", "Sizeof", "Slice", "SliceData", "String", "StringData",
]  # fmt: skip


def universe() -> Scope:
    """The predeclared names."""
    scope = Scope()

    def known(name: str, type: T.Type) -> None:
        scope.names[name] = TypeObject(name, lambda: type)

    for name, type in T.BASIC.items():
        known(name, type)
    known("error", T.ERROR)
    known("any", T.ANY)
    known("comparable", T.COMPARABLE)
    for name, value in (("true", True), ("false", False)):
        scope.names[name] = ConstObject(lambda value=value: (T.UNTYPED_BOOL, value))  # type: ignore[misc]
    scope.names["nil"] = Nil()
    for name in BUILTINS:
        scope.names[name] = Builtin(name)
    return scope


def unsafe_package() -> PackageObject:
    pointer = TypeObject("Pointer", lambda: T.UNSAFE_POINTER)
    names: dict[str, Any] = {name: Builtin("unsafe." + name) for name in UNSAFE}
    names["Pointer"] = pointer
    return PackageObject("unsafe", "unsafe", names.get)


def find_member(type: T.Type, name: str) -> tuple[list[T.Field], Any] | None:
    """A field or method by Go's rules: the embedded fields on the way, and what was found.

    What was found is a `Field`, a `MethodObject` or an interface's `Method`; None if there is
    none, or two at the same depth.
    """
    level: list[tuple[list[T.Field], T.Type]] = [([], T.deref(type))]
    seen: set[T.Type] = set()
    while level:
        found: list[tuple[list[T.Field], Any]] = []
        below: list[tuple[list[T.Field], T.Type]] = []
        for path, at in level:
            if isinstance(at, T.Named):
                if at in seen:
                    continue
                seen.add(at)
                method = at.method(name)
                if method is not None:
                    found.append((path, method))
                    continue
            under = at.under
            if isinstance(under, T.Struct):
                field = under.index.get(name)
                if field is not None:
                    found.append((path, field))
                    continue
                for embedded in under.fields:
                    if embedded.embedded:
                        below.append(([*path, embedded], T.deref(embedded.type)))
            elif isinstance(under, T.Interface):
                method = under.methods.get(name)
                if method is not None:
                    found.append((path, method))
        if found:
            return found[0] if len(found) == 1 else None
        level = below
    return None


def implements(type: T.Type, interface: T.Interface) -> bool:
    """Whether values of the type have the interface's methods; a shape has what its bound says."""
    if isinstance(T.deref(type), T.Named) and T.deref(type).shape:  # type: ignore[attr-defined]
        return True
    for name, wanted in interface.methods.items():
        if isinstance(type.under, T.Interface):
            own = type.under.methods.get(name)
            if own is None or not T.identical(own.type, wanted.type):
                return False
            continue
        if isinstance(type, T.Pointer) and isinstance(type.elem.under, T.Interface):
            return False
        member = find_member(type, name)
        if member is None or isinstance(member[1], T.Field):
            return False
        path, method = member
        if not T.identical(method.type, wanted.type):
            return False
        if isinstance(method, MethodObject) and method.pointer:
            through = isinstance(type, T.Pointer) or any(
                isinstance(field.type, T.Pointer) for field in path
            )
            if not through:
                return False
    return True
