"""What imported packages declare, from `gcsim/data/go_packages.json.gz`.

The file holds the exported API of common packages of the standard library, with what each
parameter leaks; types and signatures are Go syntax and are read when first asked for.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import Any

from gcsim._errors import GoSourceError

from . import constants
from . import types as T
from .nodes import NOWHERE, Func, Name
from .parse import File, read
from .scope import (
    ConstObject,
    FuncObject,
    MethodObject,
    PackageObject,
    Scope,
    TypeObject,
    VarObject,
    universe,
    unsafe_package,
)
from .tags import Leaks
from .typing import Types, named_children, unescape

_known: dict[str, Any] = {}  # what was read once: "data", "goroot"


def _data() -> dict[str, Any]:
    if "data" not in _known:
        found = files("gcsim") / "data" / "go_packages.json.gz"
        _known["data"] = json.loads(gzip.decompress(found.read_bytes()))
    return _known["data"]  # type: ignore[no-any-return]


class Imports:
    """The imported packages of one analysis: each type and function is made once."""

    def __init__(self) -> None:
        data = _data()
        self.data, self.qualifiers = data["packages"], data["qualifiers"]
        self.made: dict[str, Imported] = {}
        self.sources: dict[str, Any] = {}
        self.asking: Any = None  # the package under analysis

    def package(self, path: str) -> PackageObject | None:
        if path not in self.data:
            source = self.source(path)
            return PackageObject(path, source.name, source.lookup) if source is not None else None
        return PackageObject(path, self.data[path]["name"], self.load(path).exported)

    def load(self, path: str) -> Imported:
        if path not in self.made:
            self.made[path] = Imported(self, path, self.data[path])
        return self.made[path]

    def source(self, path: str) -> Any:
        """The package read from Go's sources, for the bodies of its generic functions; or None."""
        if path not in self.sources:
            self.sources[path] = None
            folder = self.folder(path)
            if folder is not None and self.asking is not None:
                from .package import Package

                first = 1000 * (len(self.sources) + 1)
                try:
                    found = read(folder, first)
                except GoSourceError:  # no Go files for this machine
                    return None
                made = Package(found, self.package, path, self.asking)
                try:
                    made.collect()
                except GoSourceError:
                    return None
                self.sources[path] = made
                recorded = self.data.get(path, {}).get("types", {})
                for name in recorded:  # one type for those who ask the source and the record
                    own = made.scope.names.get(name)
                    if isinstance(own, TypeObject) and not own.params:
                        made.scope.names[name] = self.load(path).lookup(name)
        return self.sources[path]

    def folder(self, path: str) -> Path | None:
        """Where a package's source is: in the module under analysis, or in an installed Go."""
        module = self.asking.files[0].module if self.asking is not None else None
        if module is not None and (path == module[0] or path.startswith(module[0] + "/")):
            inside: Path = module[1] / path[len(module[0]) :].lstrip("/")
            return inside if inside.is_dir() else None
        root = goroot()
        return root / path if root is not None and (root / path).is_dir() else None

    def named(self, name: str) -> PackageObject | None:
        """The package that a recorded type is qualified with."""
        if name == "unsafe":
            return unsafe_package()
        path = self.qualifiers.get(name)
        return None if path is None else self.package(path)


class _Qualified(Scope):
    """Names of the universe, of the package itself, and packages by their names."""

    __slots__ = ("imports", "package")

    def __init__(self, imports: Imports, package: Imported):
        super().__init__(_UNIVERSE)
        self.imports, self.package = imports, package

    def here(self, name: str) -> Any:
        found = self.names.get(name)
        if found is None and name not in _UNIVERSE.names:
            found = self.package.lookup(name)
            if found is None:
                found = self.imports.named(name)
        return found


_UNIVERSE = universe()


class Imported:
    """One package; objects are made when first looked up."""

    def __init__(self, imports: Imports, path: str, data: dict[str, Any]):
        self.imports, self.path, self.data = imports, path, data
        self.found: dict[str, Any] = {}
        self.missing: set[str] = set()
        self.scope = _Qualified(imports, self)
        self.types = Types(lambda tree, scope, file: constants.number(file.text(tree)))

    def lookup(self, name: str) -> Any:
        if name not in self.found:
            self.found[name] = self.make(name)
        return self.found[name]

    def exported(self, name: str) -> Any:
        """As programs ask: what is not recorded may still be in Go's sources."""
        found = self.lookup(name)
        if found is None and name not in self.missing:
            self.missing.add(name)
            source = self.imports.source(self.path)
            found = source.lookup(name) if source is not None else None
            if found is not None:
                self.found[name] = found
        return found

    def make(self, name: str) -> Any:
        data = self.data
        if name in data.get("types", {}):
            return self.type_object(name, data["types"][name])
        if name in data.get("funcs", {}):
            return self.func_object(name, data["funcs"][name])
        if name in data.get("vars", {}):
            node = Name(name, NOWHERE, None, "global")
            node.package = self.path
            node.type = self.read(data["vars"][name])
            return VarObject(node)
        if name in data.get("consts", {}):
            text, value = data["consts"][name]
            return ConstObject(lambda: (self.constant_type(text), constant_value(value)))
        return None

    def constant_type(self, text: str) -> T.Type:
        untyped = {
            "untyped bool": T.UNTYPED_BOOL,
            "untyped int": T.UNTYPED_INT,
            "untyped rune": T.UNTYPED_RUNE,
            "untyped float": T.UNTYPED_FLOAT,
            "untyped complex": T.UNTYPED_COMPLEX,
            "untyped string": T.UNTYPED_STRING,
        }
        return untyped.get(text) or self.read(text)

    def read(self, text: str, scope: Scope | None = None) -> T.Type:
        """A type from its syntax."""
        file = File(-1, f"{self.path} (recorded)", f"package p; var _ {text}\n".encode())
        spec = next(t for t in walk(file.root) if t.type == "var_spec")
        return self.types.resolve(spec.child_by_field_name("type"), scope or self.scope, file)

    def declaration(self, text: str) -> tuple[Any, File]:
        """A function's syntax: "func[T any](x T) int" as a declaration."""
        if text.startswith("func") and not re.match(r"func\s+\w", text):
            text = "func f" + text[4:]
        file = File(-1, f"{self.path} (recorded)", f"package p; {text}\n".encode())
        return next(t for t in walk(file.root) if t.type == "function_declaration"), file

    def type_object(self, name: str, data: dict[str, Any]) -> TypeObject:
        if data.get("type_params"):
            source = self.imports.source(self.path)
            read = source.scope.names.get(name) if source is not None else None
            if isinstance(read, TypeObject) and read.params:
                return read
            return self.generic_type(name, data, data["type_params"])
        if data.get("alias"):
            return TypeObject(name, lambda: self.read(data["alias"]))
        if self.path == "unsafe" and name == "Pointer":
            return TypeObject(name, lambda: T.UNSAFE_POINTER)
        named = T.Named(name, self.path, lambda: self.read(data["underlying"]))
        methods = {m["name"]: (m, False) for m in data.get("methods") or ()}
        for m in data.get("ptr_methods") or ():
            methods.setdefault(m["name"], (m, True))
        named.lookup = lambda n: self.method(named, n, methods, self.scope)
        return TypeObject(name, lambda: named)

    def method(
        self, named: T.Named, name: str, methods: dict[str, Any], scope: Scope
    ) -> MethodObject | None:
        found = methods.get(name)
        if found is None:
            # Unexported methods are not recorded: bodies of generic functions may call them.
            source = self.imports.sources.get(self.path)
            return source.method(named, name) if source is not None else None
        if isinstance(named.under, T.Interface):
            return None
        data, pointer = found
        tree, file = self.declaration(data["sig"])
        receiver = T.Field("", T.Pointer(named) if pointer else named)
        signature = self.types.signature(tree, scope, file, receiver)
        shown = f"(*{named}).{name}" if pointer else f"{named}.{name}"
        func = self.tagged(Func(shown, NOWHERE, signature), data)
        made = MethodObject(name, pointer, signature, func)
        named.methods[name] = made
        return made

    def tagged(self, func: Func, data: dict[str, Any]) -> Func:
        func.package, func.state, func.imported = self.path, "tagged", True
        func.node.package = self.path
        func.tags = [Leaks.of(t) for t in data.get("tags") or ()]
        return func

    def func_object(self, name: str, data: dict[str, Any]) -> FuncObject:
        tree, file = self.declaration(data["sig"])
        found = FuncObject(name)
        listed = tree.child_by_field_name("type_parameters")
        if listed is not None:
            source = self.imports.source(self.path)
            read = source.lookup(name) if source is not None else None
            if isinstance(read, FuncObject):
                read.fallback = lambda func: self.tagged(func, data)
                return read
            found.params = parameters(listed)
            found.decl = (tree, file, self.scope)
            found.tagged = lambda func: self.tagged(func, data)
            return found
        signature = self.types.signature(tree, self.scope, file)
        found.func = self.tagged(Func(name, NOWHERE, signature), data)
        return found

    def generic_type(self, name: str, data: dict[str, Any], params: str) -> TypeObject:
        found = TypeObject(name, lambda: T.INVALID)
        tree, file = self.declaration(f"func{params}()")
        listed = parameters(tree.child_by_field_name("type_parameters"))
        words = [file.text(word) for word, _ in listed]
        found.params = list(words)
        methods = {m["name"]: (m, False) for m in data.get("methods") or ()}
        for m in data.get("ptr_methods") or ():
            methods.setdefault(m["name"], (m, True))

        def instance(args: tuple[T.Type, ...]) -> T.Named:
            for known in found.instances.values():
                if all(map(T.identical, known.args, args)):
                    return known
            scope = Scope(self.scope)
            for word, arg in zip(words, args, strict=True):
                scope.names[word] = TypeObject(word, lambda arg=arg: arg)  # type: ignore[misc]
            made = T.Named(name, self.path, lambda: self.read(data["underlying"], scope))
            made.args, made.origin = args, found
            made.lookup = lambda n: self.method(made, n, methods, scope)
            found.instances[len(found.instances)] = made
            return made

        found.instance = instance
        return found


def parameters(listed: Any) -> list[Any]:
    """(name, constraint) of each type parameter."""
    return [
        (n, part.child_by_field_name("type"))
        for part in named_children(listed)
        for n in part.children_by_field_name("name")
        if n.is_named
    ]


def goroot() -> Path | None:
    """Where Go's own sources are, if it is installed."""
    if "goroot" not in _known:
        _known["goroot"] = _find_goroot()
    return _known["goroot"]  # type: ignore[no-any-return]


def _find_goroot() -> Path | None:
    found = os.environ.get("GOROOT")
    if not found and (go := shutil.which("go")):
        found = str(Path(go).resolve().parent.parent)
    path = Path(found) / "src" if found else None
    return path if path is not None and (path / "slices").is_dir() else None


def walk(tree: Any) -> Any:
    stack = [tree]
    while stack:
        at = stack.pop()
        yield at
        stack.extend(reversed(at.named_children))


def constant_value(text: Any) -> Any:
    """The value of a constant as recorded: exact, in Go's or Python's notation."""
    if isinstance(text, bool | int):
        return text
    if text in ("true", "false"):
        return text == "true"
    if text.startswith('"'):
        return unescape(text[1:-1])
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    if re.fullmatch(r"-?\d+/\d+", text):
        return Fraction(text)
    sign = -1 if text.startswith("-") else 1
    value = constants.number(text.lstrip("-"))
    return value if sign > 0 else constants.unary("-", value, T.UNTYPED_FLOAT)
