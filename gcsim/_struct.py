"""``@gcsim.struct``: a Python class statement becomes a Go struct type.

The decorator reads the class's annotations as they are written and remembers where it stood; it
looks nothing up. At first use the `Declaration` evaluates them in its `Scope`, lays the fields out
and compares the result with earlier types of the same name: the same cell run again gives the
same `TypeInfo`, another layout a new one, shown as ``Node#2``.
"""

from __future__ import annotations

import builtins
import keyword
import os
import sys
import threading
import types
import weakref
from collections.abc import Iterator, Mapping

from gcsim import _core
from gcsim._errors import Error, TypeDefinitionError
from gcsim._types import (
    MAX_DEPTH,
    TypeExpr,
    TypeInfo,
    _Lazy,
    _Missing,
    declaration_of,
    located,
    resolve,
    struct_info,
    to_expr,
    typing_name,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_CO_OPTIMIZED = 1  # set in functions, whose locals are no namespace; clear in class bodies

# What `class` itself puts into a namespace, and what says nothing about the struct.
_MACHINERY = frozenset(
    {
        "__annotate__",
        "__annotate_func__",
        "__annotations__",
        "__annotations_cache__",
        "__classdictcell__",
        "__conditional_annotations__",
        "__dict__",
        "__doc__",
        "__firstlineno__",
        "__module__",
        "__orig_bases__",
        "__parameters__",
        "__qualname__",
        "__slots__",
        "__static_attributes__",
        "__type_params__",
        "__weakref__",
    }
)
# What a Ref must mean itself, whatever its fields.
_RESERVED = frozenset(
    {
        "__bool__",
        "__class__",
        "__class_getitem__",
        "__copy__",
        "__deepcopy__",
        "__del__",
        "__delattr__",
        "__eq__",
        "__getattr__",
        "__getattribute__",
        "__getstate__",
        "__hash__",
        "__init__",
        "__init_subclass__",
        "__ne__",
        "__new__",
        "__reduce__",
        "__reduce_ex__",
        "__set_name__",
        "__setattr__",
        "__setstate__",
    }
)

_lock = threading.RLock()
_known: dict[tuple[str, str], list[tuple[int, weakref.ref[TypeInfo] | TypeInfo]]] = {}
_waiting: weakref.WeakSet[Declaration] = weakref.WeakSet()  # for local structs of their function
os.register_at_fork(after_in_child=lambda: _lock._at_fork_reinit())  # type: ignore[attr-defined]


class Scope:
    """Where the names of a class's annotations are looked up: the class body, the struct itself,
    the locals of the place that made it, its module, the builtins. Of the locals only the names
    that the annotations use are kept, so that a frame's other values can die."""

    __slots__ = ("_cells", "_globals", "local", "own")

    def __init__(
        self,
        own: dict[str, Any],
        local: dict[str, Any],
        cells: Mapping[str, types.CellType],
        global_names: tuple[dict[str, Any], ...],
    ) -> None:
        self.own = own
        self.local = local
        self._cells = cells
        self._globals = global_names

    def evaluate(self, text: str) -> Any:
        """The value of `text`; a name that nothing is known of gives a `_Missing`."""
        try:
            code = compile(text.strip(), "<annotation>", "eval")
            return eval(code, {"__builtins__": {}}, self)
        except Error:
            raise
        except SyntaxError:
            raise TypeDefinitionError(f"{text!r} is not a type") from None
        except RecursionError:
            raise TypeDefinitionError(f"{text[:40]!r}... is nested too deep") from None
        except Exception as error:  # whatever the text does: it is the user's
            raise TypeDefinitionError(f"{text!r}: {error}") from error

    def __getitem__(self, name: str) -> Any:
        for names in (self.own, self.local):
            if name in names:
                return names[name]
        if name in self._cells:
            try:
                return self._cells[name].cell_contents
            except ValueError:  # not assigned yet
                pass
        for names in (*self._globals, vars(builtins)):
            if name in names:
                return names[name]
        return _Missing(name)


class Declaration:
    """A struct class as declared; called with the class by the core at first use."""

    def __init__(self, cls: type, annotations: dict[str, Any], scope: Scope) -> None:
        self.name = cls.__name__
        self.module = cls.__module__
        self.qualname = cls.__qualname__
        self.annotations = annotations
        self.bases = [b for b in cls.__bases__ if b not in (object, _core.Ref)]
        self.scope = scope
        self._cls: weakref.ref[type] | None = None
        self._candidate: TypeInfo | None = None
        self._info: TypeInfo | None = None

    def __repr__(self) -> str:
        return f"<declaration of struct {self.name}>"

    @property
    def __name__(self) -> str:
        return self.name

    @property
    def cls(self) -> type | None:
        return None if self._cls is None else self._cls()

    def bind(self, cls: type) -> None:
        if self.cls is None:
            self._cls = weakref.ref(cls)

    def __call__(self, cls: type) -> TypeInfo:
        self.bind(cls)
        return self.__gcsim_resolve__()

    def __gcsim_resolve__(self, final: bool = True, path: tuple[Any, ...] = ()) -> TypeInfo:
        if self._info is not None:
            return self._info
        with _lock:
            candidate = self._as_candidate(path)
            return self._as_final(candidate) if final else candidate

    def _as_candidate(self, path: tuple[tuple[Declaration, str], ...]) -> TypeInfo:
        """Laid out, not yet compared with the earlier types of this name. It looks at the structs
        inside, never at those behind pointers, so it ends."""
        if self._info is not None or self._candidate is not None:
            return self._info or self._candidate  # type: ignore[return-value]
        if any(outer is self for outer, _ in path):
            raise TypeDefinitionError(_contains_itself(self, path))
        if len(path) >= MAX_DEPTH:
            raise TypeDefinitionError(f"structs nested deeper than {MAX_DEPTH}")
        self._candidate = self._build(False, path)
        return self._candidate

    def _as_final(self, candidate: TypeInfo) -> TypeInfo:
        if self._info is None:
            self._info = _one_of_its_name(candidate, self._build(True, ()))
            self._candidate = None
        if self._cls is not None:
            self._info._set(_cls=self._cls)
        return self._info

    def _build(self, final: bool, path: tuple[Any, ...]) -> TypeInfo:
        fields = []
        for name, written, embedded in self._parts():
            here = f"{self.name}.{name}"
            try:
                expr = to_expr(written)
                kind = resolve(expr, self.scope, final=final, path=(*path, (self, name)))
            except Error as error:
                raise located(error, here) from error.__cause__
            fields.append((name, kind, embedded))
        return struct_info(self.name, fields, self.module, self.qualname)

    def _parts(self) -> Iterator[tuple[str, Any, bool]]:
        for base in self.bases:
            if base.__name__ in self.annotations:
                raise TypeDefinitionError(
                    f"{self.name}.{base.__name__}: the base is embedded under this name already"
                )
            yield base.__name__, base, True
        for name, written in self.annotations.items():
            yield name, written, False


def _contains_itself(inner: Declaration, path: tuple[tuple[Declaration, str], ...]) -> str:
    start = next(i for i, (outer, _) in enumerate(path) if outer is inner)
    steps = " -> ".join(f"{outer.name}.{field}" for outer, field in path[start:])
    return (
        f"{inner.name} contains itself by value: {steps} -> {inner.name}; "
        f'a pointer breaks the circle: ptr["{inner.name}"]'
    )


def _one_of_its_name(candidate: TypeInfo, built: TypeInfo) -> TypeInfo:
    """An earlier type that is the same, or `built` as a new one. Types of functions are forgotten
    with their last class, those of modules and notebooks never: their numbers must not vary."""
    assert built.module is not None and built.qualname is not None
    entries = _known.setdefault((built.module, built.qualname), [])
    alive = []
    for number, entry in entries:
        earlier = entry() if isinstance(entry, weakref.ref) else entry
        if earlier is None:
            continue
        if _same(candidate, earlier):
            return earlier
        alive.append((number, entry))
    number = max((n for n, _ in alive), default=0) + 1
    if number > 1:
        built._set(_name=f"{built.name}#{number}")
    is_local = "<locals>" in built.qualname
    entries[:] = [*alive, (number, weakref.ref(built) if is_local else built)]
    return built


def _same(a: TypeInfo, b: TypeInfo) -> bool:
    """Are two struct types the same through all that they point to? Circles are assumed to be equal
    while they are walked, which is right for the largest such relation: Go's identity of types."""
    work, seen, kept = [(a, b)], set(), []
    while work:
        x, y = work.pop()
        if x is y or (id(x), id(y)) in seen:
            continue
        seen.add((id(x), id(y)))
        kept.append((x, y))  # an id is good while its object lives
        if _head(x) != _head(y):
            return False
        work.extend((f.type, g.type) for f, g in zip(x.fields, y.fields, strict=True))
        for s, t in ((x._elem, y._elem), (x._key, y._key)):
            if s is None or t is None:
                if s is not t:
                    return False
                continue
            try:
                work.append((_peek(s), _peek(t)))
            except Error:  # not to be resolved (yet): the same only if written alike
                if not (isinstance(s, _Lazy) and isinstance(t, _Lazy) and s.expr == t.expr):
                    return False
    return True


def _head(info: TypeInfo) -> tuple[Any, ...]:
    names = tuple((f.name, f.embedded) for f in info.fields)
    return (info.kind, info.count, info.python is bytes, info.module, info.qualname, names)


def _peek(target: TypeInfo | _Lazy) -> TypeInfo:
    return target if isinstance(target, TypeInfo) else target.resolve(final=False)


def struct(cls: type) -> type:
    """Make a Go struct type of a class: its annotations are the fields, in their order.

    The result is a subclass of `gcsim.Ref` with a descriptor for each field; objects of it are
    made with ``heap.new(Node, n=1)``. Other struct types as bases are embedded first, as in Go.
    Methods, properties and ``ClassVar`` values are kept. A field named ``_`` takes space and has
    no accessor.

    Raises TypeDefinitionError at once for what can be seen in the class statement, and at first use
    for names and types that do not resolve. Rules: cmd/compile/internal/types/size.go.
    """
    if not isinstance(cls, type):
        raise TypeDefinitionError("struct decorates a class: write @gcsim.struct above `class`")
    _check_bases(cls)
    annotations, cells = _annotations(cls)
    kept = _kept(cls, annotations)
    scope = _scope_of(cls, annotations, cells, sys._getframe(1))
    declaration = Declaration(cls, annotations, scope)

    base = next((b for b in cls.__bases__ if declaration_of(b) is not None), _core.Ref)
    made: type = _core.make_struct_class(
        cls.__name__, cls.__module__, cls.__qualname__, cls.__doc__, base, declaration
    )
    declaration.bind(made)
    made.__gcsim_struct__ = declaration  # type: ignore[attr-defined]
    for name, value in kept.items():
        setattr(made, name, value)
        _rebind_class_cell(value, cls, made)
    scope.own[cls.__name__] = (
        declaration  # whole: another thread may look the name up in the same place
    )
    _tell_the_waiting(made, sys._getframe(1))
    return made


def _check_bases(cls: type) -> None:
    if declaration_of(cls) is not None:
        raise TypeDefinitionError(f"{cls.__name__} is a struct type already")
    if getattr(cls, "__type_params__", ()) or getattr(cls, "__parameters__", ()):
        raise TypeDefinitionError(f"{cls.__name__}: a struct type has no type parameters")
    for base in cls.__bases__:
        if base is not object and base is not _core.Ref and declaration_of(base) is None:
            raise TypeDefinitionError(
                f"{cls.__name__}: base {base.__name__} is no struct type to embed"
            )


def _annotations(cls: type) -> tuple[dict[str, Any], dict[str, types.CellType]]:
    """The fields as written, and variables of enclosing functions that Python keeps for them."""
    if sys.version_info < (3, 14):
        return _fields_only(cls.__name__, vars(cls).get("__annotations__", {})), {}
    import annotationlib

    annotate = cls.__annotate__
    if annotate is None:
        return _fields_only(cls.__name__, cls.__annotations__), {}
    written = annotationlib.get_annotations(cls, format=annotationlib.Format.STRING)
    code, closure = getattr(annotate, "__code__", None), getattr(annotate, "__closure__", None)
    cells = dict(zip(code.co_freevars, closure, strict=True)) if code and closure else {}
    cells.pop("__classdict__", None)
    return _fields_only(cls.__name__, written), cells


def _fields_only(owner: str, annotations: Mapping[str, Any]) -> dict[str, Any]:
    fields = {}
    for name, written in annotations.items():
        if isinstance(written, str):
            is_class_var = written.partition("[")[0].strip().rpartition(".")[2] == "ClassVar"
        else:
            class_var = typing_name("ClassVar")
            is_class_var = written is class_var or getattr(written, "__origin__", 0) is class_var
        if is_class_var:
            continue
        if not isinstance(name, str) or not name.isidentifier():
            raise TypeDefinitionError(f"{owner}: {name!r} is not a name that a field can have")
        if keyword.iskeyword(name):
            raise TypeDefinitionError(f"{owner}.{name}: a keyword of Python; write {name}_")
        if name.startswith("__") and name.endswith("__"):
            raise TypeDefinitionError(f"{owner}.{name}: names of this form belong to Python")
        fields[name] = written
    return fields


def _kept(cls: type, annotations: Mapping[str, Any]) -> dict[str, Any]:
    """Methods and class variables; refuses what a struct cannot have."""
    kept = {}
    for name, value in vars(cls).items():
        if name == "__slots__" and tuple(value) != ():
            raise TypeDefinitionError(f"{cls.__name__}: fields are annotations, not __slots__")
        if name in annotations:
            raise TypeDefinitionError(
                f"{cls.__name__}.{name}: a field has no default: new objects are zero, as in Go"
            )
        if name in _RESERVED and not (name == "__hash__" and value is None):
            raise TypeDefinitionError(
                f"{cls.__name__}.{name}: what this means for a reference is fixed"
            )
        if name not in _MACHINERY and name not in _RESERVED:
            kept[name] = value
    return kept


def _scope_of(
    cls: type,
    annotations: Mapping[str, Any],
    cells: Mapping[str, types.CellType],
    frame: types.FrameType,
) -> Scope:
    names: set[str] = set()
    for written in annotations.values():
        names |= _names_in(written)
    body = {n: v for n, v in vars(cls).items() if n in names}
    local: dict[str, Any] = {}
    place: types.FrameType | None = frame
    while place is not None and place.f_locals is not place.f_globals:
        found = place.f_locals
        for name in names:
            if name in found and name not in local:
                local[name] = found[name]
        # A class body is run where it stands: what is around it is the frame below.
        place = None if place.f_code.co_flags & _CO_OPTIMIZED else place.f_back
    scopes = [frame.f_globals]
    module = sys.modules.get(cls.__module__)
    if module is not None and vars(module) is not frame.f_globals:
        # A class statement's own globals come first; a caller of struct() elsewhere comes last.
        stands_here = frame.f_globals.get("__name__") == cls.__module__
        scopes.insert(1 if stands_here else 0, vars(module))
    return Scope(body, local, {n: c for n, c in cells.items() if n in names}, tuple(scopes))


def _names_in(written: Any) -> set[str]:
    """Names that an annotation may need, also from strings inside it."""
    if isinstance(written, TypeExpr):
        return set().union(*(_names_in(part) for part in (*written.args, written.count)))
    forward = getattr(written, "__forward_arg__", written)
    if not isinstance(forward, str):
        return set().union(*(_names_in(a) for a in getattr(written, "__args__", ())))
    names: set[str] = set()
    texts = [forward]
    while texts:
        try:
            code = compile(texts.pop().strip(), "<annotation>", "eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue  # told when the annotation is evaluated
        names.update(code.co_names)
        inside = list(code.co_consts)
        while inside:
            constant = inside.pop()
            if isinstance(constant, tuple):
                inside.extend(constant)
            elif isinstance(constant, str):
                texts.append(constant)
    return names


def _rebind_class_cell(value: Any, old: type, new: type) -> None:
    """Methods that say `super()` or `__class__` mean the class that the decorator returns."""
    if isinstance(value, property):
        functions = [value.fget, value.fset, value.fdel]
    else:
        functions = [getattr(value, "__func__", value)]
    for function in functions:
        for cell in getattr(function, "__closure__", None) or ():
            try:
                if cell.cell_contents is old:
                    cell.cell_contents = new
            except ValueError:
                pass  # an empty cell


def _tell_the_waiting(made: type, frame: types.FrameType) -> None:
    """Struct types of one function may refer to each other in any order, though only module-level
    names can be looked up later: so each new one is told to those made before in the same call."""
    if frame.f_locals is frame.f_globals:
        return
    name, local = made.__name__, frame.f_locals
    with _lock:
        for earlier in list(_waiting):
            if earlier.cls is not None and local.get(earlier.name) is earlier.cls:
                earlier.scope.local.setdefault(name, made)
        declaration = declaration_of(made)
        assert declaration is not None
        _waiting.add(declaration)
