"""A package: its declarations, found when first asked for, and the functions made from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from gcsim._errors import GoSourceError

from . import constants
from . import types as T
from .lower_range import Ranges
from .nodes import NOWHERE, Func, Name, Node
from .parse import File, Tree
from .scope import (
    ConstObject,
    FileScope,
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
from .typing import Types, named_children

MOST_INSTANCES = 2000


class Package:
    """All files of one package under analysis. `funcs` is the compiler's list, in its order."""

    def __init__(
        self,
        files: list[File],
        imported: Callable[[str], PackageObject | None],
        path: str = "",
        parent: Package | None = None,
    ):
        self.files, self.imported = files, imported
        self.path, self.parent = path, parent
        self.root: Package = parent.root if parent else self
        self.where: tuple[File, Tree] | None = None  # the statement that is being lowered
        self.quiet = False  # lowering for tags only: what is instantiated is not told of
        self.name = ""
        self.own = ""  # the path, as instances of the package under analysis are named
        self.scope = Scope(universe())
        self.types = Types(self.evaluate, lambda: self.path or self.own)
        if parent is not None:
            self.types.shapes = parent.types.shapes
        self.file_of: dict[int, File] = parent.file_of if parent else {}
        self.file_of.update((file.number, file) for file in files)
        self.static: dict[Any, int] = {}
        self.funcs: list[Func] = parent.funcs if parent else []
        self.todo: list[Callable[[], None]] = parent.todo if parent else []
        self.instances = 0
        self.methods: dict[str, dict[str, tuple[Tree, File, Scope]]] = {}
        self.inits: list[Callable[[], None]] = []
        self.global_inits: list[Any] = []
        self.holders: dict[tuple[int, int], FuncObject] = {}
        self.init = Func("init", NOWHERE, T.Signature((), ()))
        self.init.init = True
        self.init.package, self.init.silent = path, bool(path)

    def fail(self, file: File, tree: Tree, what: str) -> NoReturn:
        file.fail(tree, what)

    # Collecting.

    def load(self) -> None:
        """Read all declarations, then lower every function that is not generic."""
        functions = self.collect()
        for found in list(self.scope.names.values()):
            if isinstance(found, ConstObject) or (
                isinstance(found, TypeObject) and not found.params
            ):
                found.get()
        bodies = [self.function(tree, file, scope) for tree, file, scope in functions]
        declared = self.funcs[:]
        del self.funcs[:]
        for initialise in self.inits:  # the literals in them come before declared functions
            initialise()
        self.funcs += declared
        for lower in bodies:
            if lower is not None:
                lower()
        while self.todo:
            self.todo.pop(0)()

    def collect(self) -> list[tuple[Tree, File, Scope]]:
        """Note what is declared; the functions and methods among it."""
        declarations: list[tuple[Tree, File, Scope]] = []
        for file in self.files:
            names = FileScope(self.scope)
            for tree in named_children(file.root):
                if tree.type == "package_clause":
                    name = file.text(named_children(tree)[0])
                    if self.name and name != self.name:
                        file.fail(tree, f"package {name} beside package {self.name}")
                    if not self.name and not self.path:
                        self.own = file.package_path or name
                    self.name = name
                elif tree.type == "import_declaration":
                    self.imports(tree, file, names)
                else:
                    declarations.append((tree, file, names))
            if not self.name:
                file.fail(file.root, "no package clause")
        functions: list[tuple[Tree, File, Scope]] = []
        for tree, file, scope in declarations:
            if tree.type in ("function_declaration", "method_declaration"):
                functions.append((tree, file, scope))
                self.declare_function(tree, file, scope)
            elif tree.type == "type_declaration":
                for spec in named_children(tree):
                    self.declare_type(spec, file, scope)
            elif tree.type == "const_declaration":
                for name, const in self.constants(tree, file, scope, None):
                    self.declare(name, const, file, tree)
            elif tree.type == "var_declaration":
                self.declare_variables(tree, file, scope)
            else:
                file.fail(tree, f"gcsim does not know this declaration ({tree.type})")
        return functions

    def lookup(self, name: str) -> Any:
        return self.scope.names.get(name)

    def declare(self, name: str, found: Any, file: File, tree: Tree) -> None:
        if name in ("_", "init") and not isinstance(found, VarObject | ConstObject):
            return
        if name == "_":
            return
        if name in self.scope.names:
            file.fail(tree, f"{name} redeclared in this block")
        self.scope.names[name] = found

    def imports(self, tree: Tree, file: File, scope: FileScope) -> None:
        specs = [
            s for part in named_children(tree)
            for s in (named_children(part) if part.type == "import_spec_list" else [part])
        ]  # fmt: skip
        for spec in specs:
            path = file.text(spec.child_by_field_name("path"))[1:-1]
            alias = spec.child_by_field_name("name")
            name = file.text(alias) if alias is not None else ""
            if path == "C" and self.parent is None:
                file.fail(spec, 'cgo is not analysed: import "C"')
            found = unsafe_package() if path == "unsafe" else self.imported(path)
            if found is None and self.parent is not None:
                continue
            if found is None:
                file.fail(
                    spec,
                    f"package {path} is not known to gcsim, so its functions' parameters are not"
                    " either (known: the packages in gcsim/data/go_packages.json.gz)",
                )
            if name == "_":
                continue
            if name == ".":
                scope.dots.append(found)
                continue
            scope.names[name or found.name] = found

    # Constants and variables.

    def lowering(self, file: File, scope: Scope, func: Func | None = None) -> Ranges:
        return Ranges(self, file, scope, func or self.init)

    def evaluate(self, tree: Tree, scope: Scope, file: File) -> Any:
        """The value of a constant expression, as an int if it is whole."""
        node = self.lowering(file, scope).value(tree)
        if node.op != "LIT":
            file.fail(tree, f"{file.text(tree)} is not constant")
        whole = constants.to_int(node.val)
        return node.val if whole is None else whole

    def constants(
        self, tree: Tree, file: File, scope: Scope, at: Ranges | None
    ) -> Iterator[tuple[str, ConstObject]]:
        """The constants of a declaration; an empty one repeats the one before with its iota."""
        written = values = None
        specs = [c for c in named_children(tree) if c.type == "const_spec"]
        for i, spec in enumerate(specs):
            if spec.child_by_field_name("value") is not None:
                written = spec.child_by_field_name("type")
                values = named_children(spec.child_by_field_name("value"))
            trees = [t for t in spec.children_by_field_name("name") if t.is_named]
            if values is None or len(trees) > len(values):
                file.fail(spec, "missing init expr for const declaration")
            for name_tree, value in zip(trees, values, strict=False):
                make = self._constant(value, written, file, at.scope if at else scope, i, at)
                yield file.text(name_tree), ConstObject(make)

    def _constant(
        self, value: Tree, written: Any, file: File, scope: Scope, iota: int, at: Any
    ) -> Callable[[], tuple[T.Type, Any]]:
        def make() -> tuple[T.Type, Any]:
            inner = Ranges(self, file, scope, self.init)
            inner.iota = iota
            node = inner.value(value)
            if written is not None:
                node = inner.assign(node, self.types.resolve(written, scope, file), value)
            if node.op != "LIT":
                file.fail(value, f"{file.text(value)[:60]} is not constant")
            assert node.type is not None
            return node.type, node.val

        return make

    def declare_variables(self, tree: Tree, file: File, scope: Scope) -> None:
        specs = [
            s for part in named_children(tree)
            for s in (named_children(part) if part.type == "var_spec_list" else [part])
        ]  # fmt: skip
        for spec in specs:
            trees = [t for t in spec.children_by_field_name("name") if t.is_named]
            value = spec.child_by_field_name("value")
            right = named_children(value) if value is not None else []
            written = spec.child_by_field_name("type")
            nodes = [Name(file.text(t), file.pos(t), None, "global") for t in trees]
            for node in nodes:
                node.package = self.path
            if len(right) == len(nodes):
                groups = [([n], r) for n, r in zip(nodes, right, strict=True)]
            elif len(right) == 1:
                groups = [(nodes, right[0])]
            elif not right:
                groups = []
            else:
                file.fail(spec, "assignment mismatch in a variable declaration")
            find = self._variable_type(nodes, written, groups, file, scope)
            for node, name_tree in zip(nodes, trees, strict=True):
                self.declare(node.name, VarObject(node, find), file, name_tree)
            self.inits.append(find)

    def _variable_type(
        self, nodes: list[Name], written: Any, groups: Any, file: File, scope: Scope
    ) -> Callable[[], None]:
        state = {"done": False}

        def find() -> None:
            if state["done"]:
                return
            state["done"] = True
            type = self.types.resolve(written, scope, file) if written is not None else None
            for node in nodes:
                node.type = type
            for targets, tree in groups:
                lowering = self.lowering(file, scope)
                if len(targets) == 1:
                    value = lowering.assign(lowering.value(tree), type, tree)
                    if targets[0].type is None:
                        of = value.type
                        targets[0].type = T.BOOL if of is T.UNTYPED_BOOL else of
                    assign = Node("AS", targets[0].pos, None, targets[0], value)
                else:
                    pos = targets[0].pos
                    raw = lowering.raw(tree)
                    if isinstance(raw.type, T.Tuple) and len(raw.type.types) == len(targets):
                        op, kinds = "AS2FUNC", list(raw.type.types)
                    else:
                        from .lower_stmt import _COMMA_OK

                        op = _COMMA_OK.get(raw.op, "")
                        if not op or len(targets) != 2:
                            file.fail(tree, "assignment mismatch in a variable declaration")
                        kinds = [raw.type, T.BOOL]
                    for target, kind in zip(targets, kinds, strict=True):
                        if target.type is None:
                            target.type = kind
                    assign = Node(op, pos, None, list=targets)
                    assign.rhs = [raw]
                for target in targets:
                    target.defn = assign
                self.global_inits.append((targets, assign))

        return find

    # Types.

    def declare_type(self, spec: Tree, file: File, scope: Scope, local: bool = False) -> None:
        name = file.text(spec.child_by_field_name("name"))
        written = spec.child_by_field_name("type")
        listed = spec.child_by_field_name("type_parameters")
        where = scope if local else self.scope
        if spec.type == "type_alias":
            if listed is not None:
                file.fail(spec, "gcsim does not know generic aliases")
            found = TypeObject(name, lambda: self.types.resolve(written, scope, file))
        elif listed is not None:
            found = self._generic_type(name, written, listed, file, scope)
        else:
            named = T.Named(name, self.path, lambda: self.types.resolve(written, scope, file))
            named.decl = file.pos(spec)
            named.home = self.own
            if not local:
                named.lookup = lambda n: self.method(named, n)
            found = TypeObject(name, lambda: named)
        if local:
            if name != "_":
                where.names[name] = found
            if not found.params:
                type = found.get()
                if type is not None and spec.type != "type_alias":
                    _ = type.under
            return
        self.declare(name, found, file, spec)

    def method(self, named: T.Named, name: str) -> MethodObject | None:
        """The method of a defined type of this package, made at the first question."""
        found = self.methods.get(named.name, {}).get(name)
        if found is None:
            return None
        tree, file, scope = found
        receiver = self.receiver(tree)
        pointer = receiver[1]
        recv_type: T.Type = T.Pointer(named) if pointer else named
        field = T.Field(
            file.text(receiver[0]) if receiver[0] is not None else "",
            recv_type,
            pos=file.pos(receiver[0] or receiver[2]),
        )
        inner = scope
        if named.args:
            inner = Scope(scope)
            for word, arg in zip(self.receiver_parameters(tree, file), named.args, strict=False):
                inner.names[word] = TypeObject(word, lambda arg=arg: arg)  # type: ignore[misc]
        signature = self.types.signature(tree, inner, file, field)
        if named.args and any(contains_param(a) for a in named.args):
            method = MethodObject(name, pointer, signature, None)
        elif named.args:
            method = MethodObject(
                name, pointer, signature, lambda: self.method_instance(named, name, signature)
            )
        else:
            shown = f"(*{named}).{name}" if pointer else f"{named}.{name}"
            func = Func(shown, file.pos(tree.child_by_field_name("name")), signature)
            func.package = self.path
            method = MethodObject(name, pointer, signature, func)
            if self.parent is not None:
                named.methods[name] = method
                self.silently(tree, file, scope)
        named.methods[name] = method
        return method

    def receiver(self, tree: Tree) -> tuple[Any, bool, Tree, Tree]:
        """(the name, whether it is a pointer, its declaration, the type's tree)."""
        decl = named_children(tree.child_by_field_name("receiver"))[0]
        name = decl.child_by_field_name("name")
        type = decl.child_by_field_name("type")
        pointer = False
        while type.type in ("pointer_type", "parenthesized_type"):
            pointer = pointer or type.type == "pointer_type"
            type = named_children(type)[0]
        return name, pointer, decl, type

    def receiver_parameters(self, tree: Tree, file: File) -> list[str]:
        type = self.receiver(tree)[3]
        if type.type != "generic_type":
            return []
        return [file.text(a) for a in named_children(type.child_by_field_name("type_arguments"))]

    # Generic types and functions.

    def silently(self, tree: Tree, file: File, scope: Scope) -> Func:
        """A function of an imported package that an instance needs: only its tags matter."""
        made: tuple[Func, Any] = self.prepare(tree, file, scope)
        func, lower = made
        func.silent = True

        def quietly() -> None:
            root, count = self.root, len(self.funcs)
            before, root.quiet = root.quiet, True
            try:
                lower()
            except GoSourceError:  # it uses what is not analysed: all it is given may leak
                self.forget(func, count)
            finally:
                root.quiet = before

        if lower is not None:
            self.todo.append(quietly)
        return func

    def parameters(self, listed: Tree) -> list[tuple[Tree, Tree]]:
        """(name, constraint) of each type parameter."""
        out = []
        for part in named_children(listed):
            constraint = part.child_by_field_name("type")
            out += [(n, constraint) for n in part.children_by_field_name("name") if n.is_named]
        return out

    def _generic_type(
        self, name: str, written: Tree, listed: Tree, file: File, scope: Scope
    ) -> TypeObject:
        found = TypeObject(name, lambda: T.INVALID)
        found.params = self.parameters(listed)

        def instance(args: tuple[T.Type, ...]) -> T.Named:
            for known in found.instances.values():
                if all(map(same_argument, known.args, args)):
                    return known
            self.count(file, written)
            inner = Scope(scope)
            for (word, _), arg in zip(found.params, args, strict=True):
                text = file.text(word)
                inner.names[text] = TypeObject(text, lambda arg=arg: arg)  # type: ignore[misc]
            made = T.Named(name, self.path, lambda: self.types.resolve(written, inner, file))
            made.args, made.origin = args, found
            made.home = self.own
            made.lookup = lambda n: self.method(made, n)
            found.instances[len(found.instances)] = made
            if not any(contains_param(a) for a in args):
                quiet = self.root.quiet
                self.todo.append(lambda: self._instantiate_methods(made, quiet))
            return made

        found.instance = instance
        return found

    def _instantiate_methods(self, named: T.Named, quiet: bool) -> None:
        before, self.root.quiet = self.root.quiet, quiet
        for name in sorted(self.methods.get(named.name, {})):
            method = named.method(name)
            if method is not None and method.func is not None and not quiet:
                method.func.silent = False
        self.root.quiet = before

    def count(self, file: File, tree: Tree) -> None:
        self.instances += 1
        if self.instances > MOST_INSTANCES:
            file.fail(tree, f"more than {MOST_INSTANCES} instances of generic types and functions")

    def bounds(self, params: Any, file: File, scope: Scope) -> list[T.Type]:
        return [self.types.constraint(c, scope, file) for _, c in params]

    def shapes(
        self, params: Any, types: tuple[T.Type, ...], bounds: list[T.Type]
    ) -> tuple[T.Named, ...]:
        def basic(bound: T.Type) -> bool:
            under = bound.under
            return (
                isinstance(under, T.Interface)
                and under.type_terms() is None
                and not _is_comparable(under)
            )

        return tuple(self.types.shape(t, basic(b)) for t, b in zip(types, bounds, strict=True))

    def bind(
        self, params: Any, args: tuple[T.Type, ...], file: File, scope: Scope
    ) -> tuple[Scope, list[T.Type]]:
        inner = Scope(scope)
        for (word, _), arg in zip(params, args, strict=True):
            text = word if isinstance(word, str) else file.text(word)
            inner.names[text] = TypeObject(text, lambda arg=arg: arg)  # type: ignore[misc]
        return inner, [self.types.constraint(c, inner, file) for _, c in params]

    def method_instance(self, named: T.Named, name: str, signature: T.Signature) -> Func:
        """The function of a generic type's method, for the shape of the type's arguments."""
        tree, file, scope = self.methods[named.name][name]
        origin = named.origin
        words = self.receiver_parameters(tree, file)
        params = [(w, c) for w, (_, c) in zip(words, origin.params, strict=False)]
        inner, bounds = self.bind(
            [(w, c) for w, c in params], named.args, file, _Renamed(scope, origin, named, file)
        )
        shapes = self.shapes(params, named.args, bounds)
        shaped = origin.instance(shapes)
        if shaped is not named:
            return shaped.method(name).func  # type: ignore[no-any-return]
        pointer = self.receiver(tree)[1]
        shown = f"(*{shaped}).{name}" if pointer else f"{shaped}.{name}"
        func = Func(shown, file.pos(tree.child_by_field_name("name")), signature)
        func.dupok, func.recv_offset = True, 2
        func.silent = bool(self.path)
        func.package = self.path
        func.real_name = str(named)
        self._finish_instance(func, tree, file, inner, shapes, bounds, signature)
        return func

    def instance(
        self, found: FuncObject, types: tuple[T.Type, ...], at: Any, tree: Tree
    ) -> tuple[Name, T.Signature]:
        """A name of the function for the shape of these type arguments, and its own signature."""
        decl, file, scope = found.decl
        if found.name in ("",):
            at.fail(tree, "cannot instantiate")
        real_scope, bounds = self.bind(found.params, types, file, scope)
        signature = self.types.signature(decl, real_scope, file)
        shapes = self.shapes(found.params, types, bounds)
        func = None
        if found.tagged is not None:
            func = found.tagged(Func(found.name, NOWHERE, signature))
            for leaks, param in zip(func.tags, signature.params, strict=False):
                if not T.pointers_behind(param.type):
                    leaks.only_itself()
        for known, made in found.instances:
            if all(a is b for a, b in zip(known, shapes, strict=True)):
                func = made
        if func is None:
            self.count(file, decl)
            inner, shape_bounds = self.bind(found.params, shapes, file, scope)
            shaped_signature = self.types.signature(decl, inner, file)
            text = ",".join(map(T.link, shapes))
            func = Func(
                f"{found.name}[{text}]",
                file.pos(decl.child_by_field_name("name")),
                shaped_signature,
            )
            func.dupok, func.recv_offset = True, 1
            func.silent = bool(self.path)  # unless the package under analysis asks for it
            func.real_name = f"{found.name}[{','.join(map(T.link, types))}]"
            func.package = self.path
            found.instances.append((shapes, func))
            self._finish_instance(
                func, decl, file, inner, shapes, shape_bounds, shaped_signature, found.fallback
            )
        node = Name(func.name, func.pos, signature, "func")
        node.func, node.package = func, func.package
        return node, signature

    def _finish_instance(
        self,
        func: Func,
        tree: Tree,
        file: File,
        scope: Scope,
        shapes: tuple[T.Type, ...],
        bounds: list[T.Type],
        signature: T.Signature,
        fallback: Any = None,
    ) -> None:
        lowering = Ranges(self, file, scope, func)
        for shape, bound in zip(shapes, bounds, strict=False):
            lowering.bounds.setdefault(shape, []).append(bound)
        lowering.declare(signature)
        func.body = []
        root, quiet = self.root, self.root.quiet

        def lower() -> None:
            body = tree.child_by_field_name("body")
            count = len(self.funcs)
            before, root.quiet = root.quiet, quiet
            try:
                made = lowering.function_body(body) if body is not None else None
            except GoSourceError:
                if self.parent is None:
                    raise
                self.forget(func, count)
                if fallback is None:
                    self.funcs.append(func)
                else:
                    fallback(func)
                    func.tags = [Leaks(), *(func.tags or ())]
                return
            finally:
                root.quiet = before
            func.body = made
            self.funcs.append(func)

        self.todo.append(lower)

    def forget(self, func: Func, count: int) -> None:
        """Of a function whose body is not analysed after all: the literals in it, the names."""
        del self.funcs[count:]
        func.body = None
        func.dcl = [*func.params, *func.results]

    def infer(
        self,
        found: FuncObject,
        given: tuple[T.Type, ...],
        values: list[Node],
        at: Any,
        tree: Tree,
        dots: bool,
    ) -> tuple[T.Type, ...]:
        from .infer import infer

        return infer(self, found, given, values, at, tree, dots)

    # Functions.

    def declare_function(self, tree: Tree, file: File, scope: Scope) -> None:
        name = file.text(tree.child_by_field_name("name"))
        if tree.type == "method_declaration":
            base = self.receiver(tree)[3]
            if base.type == "generic_type":
                base = base.child_by_field_name("type")
            methods = self.methods.setdefault(file.text(base), {})
            if name in methods and name != "_":
                file.fail(tree, f"method {file.text(base)}.{name} already declared")
            methods[name] = (tree, file, scope)
            return
        found = FuncObject(name)
        listed = tree.child_by_field_name("type_parameters")
        found.decl = (tree, file, scope)
        if listed is not None:
            found.params = self.parameters(listed)
        found.owner = self
        self.declare(name, found, file, tree)
        self.holders[(file.number, tree.start_byte)] = found
        if self.parent is not None:
            found.make = lambda: self.silently(tree, file, scope)

    def function(self, tree: Tree, file: File, scope: Scope) -> Callable[[], None] | None:
        """Make the function of a declaration; how to lower its body, None if generic."""
        made: tuple[Any, Callable[[], None] | None] = self.prepare(tree, file, scope)
        func, lower = made
        if func is not None:
            self.funcs.append(func)
        return lower

    def prepare(self, tree: Tree, file: File, scope: Scope) -> Any:
        """The function of a declaration and how to lower its body; None if it is generic."""
        name = file.text(tree.child_by_field_name("name"))
        pragmas = directives(tree, file)
        if tree.type == "method_declaration":
            base = self.receiver(tree)[3]
            if base.type == "generic_type":
                return None, None
            found = self.scope.find(file.text(base))
            named = found.get() if isinstance(found, TypeObject) else None
            if not isinstance(named, T.Named) or name == "_":
                if name == "_":
                    return None, None
                file.fail(base, f"undefined: {file.text(base)}")
            method = named.method(name)
            func, signature = method.func, method.type
        else:
            if tree.child_by_field_name("type_parameters") is not None or name == "_":
                return None, None
            holder = self.holders[(file.number, tree.start_byte)]
            signature = self.types.signature(tree, scope, file)
            shown = name
            if name == "init":
                shown = f"init.{self.count_inits()}"
            func = Func(shown, file.pos(tree.child_by_field_name("name")), signature)
            func.package = func.node.package = self.path
            holder.func = func
        lowering = Ranges(self, file, scope, func)
        lowering.declare(signature)
        func.noescape = "go:noescape" in pragmas
        func.uintptr_escapes = "go:uintptrescapes" in pragmas
        body = tree.child_by_field_name("body")
        if body is None:
            return func, None
        func.body = []

        def lower() -> None:
            func.body = lowering.function_body(body)

        return func, lower

    _inits = 0

    def count_inits(self) -> int:
        self._inits += 1
        return self._inits - 1

    def mention(self, member: Any) -> None:
        if isinstance(member, MethodObject):
            _ = member.func


class _Renamed(Scope):
    """The scope of a generic type's constraints: its own parameter names, bound."""

    __slots__ = ()

    def __init__(self, outer: Scope, origin: Any, named: T.Named, file: File):
        super().__init__(outer)
        for (word, _), arg in zip(origin.params, named.args, strict=True):
            text = file.text(word) if not isinstance(word, str) else word
            self.names[text] = TypeObject(text, lambda arg=arg: arg)  # type: ignore[misc]


def same_argument(a: T.Type, b: T.Type) -> bool:
    """Identity that keeps shapes apart from what they are shapes of."""
    if a is b:
        return True
    shape_a = isinstance(a, T.Named) and a.shape
    shape_b = isinstance(b, T.Named) and b.shape
    if shape_a or shape_b:
        return False
    from .typing import has_shape

    return T.identical(a, b) and has_shape(a) == has_shape(b)


def contains_param(type: T.Type, depth: int = 0) -> bool:
    """Whether a type parameter is anywhere in the type."""
    if depth > 20 or isinstance(type, T.TypeParam):
        return True
    if isinstance(type, T.Named):
        return any(contains_param(a, depth + 1) for a in type.args)
    if isinstance(type, T.Pointer | T.Slice | T.Array | T.Chan):
        return contains_param(type.elem, depth + 1)
    if isinstance(type, T.Map):
        return contains_param(type.key, depth + 1) or contains_param(type.elem, depth + 1)
    if isinstance(type, T.Struct):
        return any(contains_param(f.type, depth + 1) for f in type.fields)
    if isinstance(type, T.Signature):
        return any(contains_param(f.type, depth + 1) for f in (*type.params, *type.results))
    if isinstance(type, T.Interface):
        return any(contains_param(m.type, depth + 1) for m in type.explicit)
    return False


def _is_comparable(interface: T.Interface) -> bool:
    if interface.comparable:
        return True
    return any(
        isinstance(inner, T.Interface) and _is_comparable(inner)
        for inner in (embed().under for embed in interface.embedded)
    )


def directives(tree: Tree, file: File) -> set[str]:
    """The //go: lines directly above a declaration."""
    out = set()
    at = tree.prev_sibling
    while at is not None and at.type in ("comment", "\n"):
        text = file.text(at)
        if text.startswith("//go:"):
            out.add(text[2:].split()[0])
        at = at.prev_sibling
    return out
