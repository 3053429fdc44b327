"""Replaying recipes: small pieces of Go code, whose allocations a real program recorded in order.

The code is read (`_go_code`), what escapes in it is found (`_go_escapes`), and it is carried out on
a heap: slices, strings, maps, interfaces, func values and channels by the library's own operations,
so that what is compared is what the heap really allocated. What stays on Go's stack is made as
well, but not counted. Code with something else in it is named as not replayed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from gcsim import _core
from gcsim import _types as t
from gcsim._conform_allocs import Allocation, allocations, read_allocations
from gcsim._conform_boxes import _BASIC, NAMED, Types, constant, operate
from gcsim._errors import ConversionError, DumpFormatError, Error, NotThereYetError
from gcsim._go_code import Node, parse_statements, parse_type
from gcsim._go_escapes import Escapes

if TYPE_CHECKING:
    from gcsim._conform import Conformance

__all__ = ["NotReplayedError", "Value", "replay_recipes"]

_BUFFER = 32  # bytes that a result may have on the stack (string.go:tmpStringBufSize, slices)
_IMPLICIT = 64 << 10  # most bytes of a make or new on the stack (ir/cfg.go:MaxImplicitStackVarSize)
_EXPLICIT = 128 << 10  # and of a variable (MaxStackVarSize)

#: Types of the recorded program (golden/data/README.md), beside those of the interfaces.
_NAMED = NAMED | {
    "TwoPtr": "struct{p, q *int}",
    "node": "struct{next *node; v int}",
    "tr": "struct{l, r *tr}",
    "big520": "struct{p *int; a [64]int}",
    "key": "int",
}
#: Methods that its types have: whether the receiver is a pointer.
_METHODS = {("TwoPtr", "Get"): True, ("TwoPtr", "GetV"): False}
#: Its functions.
_FUNCTIONS = {
    "ptrs": "f := func(c int) []*int { var s []*int; for i := 0; i < c; i++ { s = append(s, nil) };"
    " return s }",
    "ints": "f := func(c int) []int { var s []int; for i := 0; i < c; i++ { s = append(s, i) };"
    " return s }",
    "nop": "f := func(i int) {}",
    "tree": "f := func(d int) *tr { if d == 0 { return &tr{} };"
    " return &tr{l: tree(d - 1), r: tree(d - 1)} }",
}
_INT, _ANY, _STRING = parse_type("int"), parse_type("any"), parse_type("string")
_BOOL, _BYTES, _ERROR = parse_type("bool"), parse_type("[]byte"), parse_type("error")
_FLOAT, _RUNE, _STRINGS = (
    parse_type("float64"),
    parse_type("rune"),
    parse_type("[]string"),
)
_BYTE = parse_type("uint8")


class NotReplayedError(Error):
    """The code has something that is not built."""


class Value:
    """A value: its static type (None for nil), what Python has of it, whether it is a constant.

    Of strings that are `bytes`; of structs and arrays a reference to a variable; of slices a Slice,
    None for nil; of interfaces the Value that is in it, None for nil; of func values a `Function`.
    """

    __slots__ = ("constant", "stack", "type", "x")

    def __init__(
        self, type: Node | None, x: Any, constant: bool = False, stack: bool = False
    ) -> None:
        self.type, self.x, self.constant = type, x, constant
        self.stack = stack  # a slice's array that lies on the stack


class Function:
    """A func value: its literal, the variables it sees, the object if it escaped."""

    def __init__(self, node: Node | None, scope: Scope | None, object_: Any = None) -> None:
        self.node, self.scope, self.object = node, scope, object_


class Variable:
    """A variable: its value or, if its address is taken or it is a struct or array, a reference."""

    def __init__(self, type: Node, value: Value, ref: Any = None) -> None:
        self.type, self.value, self.ref = type, value, ref


class Scope(dict[str, Variable]):
    """Names of a block, and of those around it."""

    def __init__(self, outer: Scope | None = None) -> None:
        super().__init__()
        self.outer = outer

    def find(self, name: str) -> Variable | None:
        scope: Scope | None = self
        while scope is not None:
            if name in scope:
                return scope[name]
            scope = scope.outer
        return None


class _Leave(Exception):
    pass


class _Return(Exception):
    def __init__(self, values: list[Value]) -> None:
        self.values = values


class Machine:
    """Carries out Go code on a heap and counts what escapes."""

    def __init__(self, heap: _core.Heap) -> None:
        self.heap = heap
        self.types = Types(_NAMED)
        self.named = {name: parse_type(text) for name, text in _NAMED.items()}
        self.counting = False
        self.made: list[Allocation] = []
        self.kept: list[Any] = []
        self.globals: dict[str, Value] = {}
        self.escapes = Escapes([])
        self.loops = 0
        self.string_variable: Any = heap.new(t.string)
        self.globals["n"], self.globals["k4"] = Value(_INT, 1), Value(_INT, 4)
        self.globals["n2"], self.globals["eq"] = Value(_INT, 0), Value(_BOOL, False)
        self.queues: dict[int, list[Value]] = {}  # what channels hold, by their addresses
        self.rooms: dict[int, int] = {}
        self.globals["str"] = Value(_STRING, b"hello world")

    # --- allocating

    def count(self, run: Callable[[], Any], skip: int = 0) -> Any:
        """Run an operation that escapes; `skip`: objects that it first, or if negative at last,
        makes of Python's values."""
        if not self.counting:
            out = run()
        else:
            result: list[Any] = []
            made = allocations(self.heap, lambda: result.append(run()))
            self.made += made[skip:] if skip >= 0 else made[:skip]
            out = result[0]
        self.kept.append(out)
        return out

    def make(self, escapes: bool, run: Callable[[], Any], skip: int = 0) -> Any:
        return self.count(run, skip) if escapes else run()

    def info(self, type_: Node | None) -> t.TypeInfo:
        assert type_ is not None
        return self.types.of(self.under(type_))

    def under(self, type_: Node) -> Node:
        """The type behind a name of the program."""
        while type_.op == "named" and type_.a in self.named and type_.b is None:
            if self.named[type_.a].op == "struct":
                break
            type_ = self.named[type_.a]
        return type_

    def structure(self, type_: Node) -> Node:
        """The same, and structs too."""
        type_ = self.under(type_)
        return self.named.get(type_.a, type_) if type_.op == "named" else type_

    def string(self, data: bytes, escapes: bool, buffer: bool = True) -> Value:
        """A new string: up to 32 bytes stay on the stack if it does not escape."""

        def store() -> None:
            self.string_variable.value = data

        if data:
            self.make(escapes or not buffer or len(data) > _BUFFER, store)
        return Value(_STRING, data)

    def object(self, type_: Node, escapes: bool, most: int = _IMPLICIT) -> Any:
        info = self.info(type_)
        return self.make(escapes or info.bytes > most, lambda: self.heap.new(info))

    def row(self, elem: Node, n: int, cap: int, escapes: bool) -> Any:
        info = self.info(elem)
        return self.make(escapes, lambda: self.heap.new_slice(info, n, cap))

    def runtime(self, fields: str, escapes: bool = True, **values: Any) -> Any:
        """An object of a struct of Go's library."""
        info = self.info(parse_type("struct{" + fields + "}"))
        return self.make(escapes, lambda: self.heap.new(info, **values))

    # --- values for the heap

    def payload(self, value: Value, type_: Node, escapes: bool = True) -> tuple[Any, int]:
        """What a slot takes, and how many objects storing it makes of Python's values."""
        type_ = self.under(type_)
        info = self.info(type_)
        if info.kind == "interface":
            return self.interface(value, escapes), 0
        if info.kind == "string":
            return value.x, int(bool(value.x))
        if info.kind == "func":
            function = value.x
            return (function.object if isinstance(function, Function) else function), 0
        if info.kind in ("float32", "float64") and value.x is not None:
            return float(value.x), 0
        if info.kind == "array" and isinstance(value.x, _core.Ref):
            return value.x.value, 0  # type: ignore[attr-defined]
        return value.x, 0

    def interface(self, value: Value, escapes: bool = True) -> Any:
        """An interface that holds the value: what a slot takes."""
        if value.type is None or self.is_library(value):
            return None  # an object of the library is one pointer
        if value.x is None and self.info(value.type).kind == "interface":
            return None
        info = self.info(value.type)
        if info.kind == "interface":
            return value.x if not isinstance(value.x, Value) else self.interface(value.x, escapes)
        if info.kind == "func":
            return self.payload(value, value.type)[0]
        if info.kind in ("map", "chan"):
            return None  # one pointer as well
        if info.kind == "pointer" and value.x is not None:
            return value.x
        if not isinstance(value.x, _core.Ref) and info.kind not in _KINDS_TO_BOX:
            return None  # an object of the library: one pointer
        x, skip = self.payload(value, value.type)
        small = not escapes and info.bytes <= 1024
        return self.make(not (value.constant or small), lambda: self.heap.box(info, x), skip)

    def store(self, ref: Any, name: str, value: Value, type_: Node) -> None:
        x, skip = self.payload(value, type_)
        if skip:
            setattr(ref, name, x)
        else:
            self.count(lambda: setattr(ref, name, x), skip)

    # --- variables

    def declare(self, scope: Scope, name: str, type_: Node, value: Value | None) -> None:
        from gcsim._go_library import library_variable

        made = library_variable(self, type_, self.escapes.address(name)) if value is None else None
        if made is not None:
            scope[name] = Variable(type_, Value(type_, made))
            return
        if value is not None and self.is_library(value):
            scope[name] = Variable(type_, value)
            return
        info = self.info(type_)
        escapes = self.escapes.address(name)
        ref = None
        if escapes or info.kind in ("struct", "array") or self.escapes.taken(name):
            ref = self.object(type_, escapes, _EXPLICIT)
            if value is not None:
                self.assign_ref(ref, type_, value)
        if value is None:
            value = Value(type_, ref if info.kind in ("struct", "array") else self.zero(info))
        still = value.constant and not (self.escapes.taken(name) or self.escapes.reassigned(name))
        if name != "_":
            scope[name] = Variable(type_, Value(type_, value.x, still, value.stack), ref)

    def is_library(self, value: Value) -> bool:
        """An object of the library, which only the library looks into."""
        return value.x is not None and type(value.x).__module__ in (
            "gcsim._go_library",
            "gcsim._builders",
        )

    def zero(self, info: t.TypeInfo) -> Any:
        if info.kind == "string":
            return b""
        if info.kind == "bool":
            return False
        if info.kind in ("float32", "float64"):
            return 0.0
        return 0 if info.kind.startswith(("int", "uint")) else None

    def assign_ref(self, ref: Any, type_: Node, value: Value) -> None:
        info = self.info(type_)
        if info.kind == "struct":
            if value.x is not None:
                for field in info.fields:
                    setattr(ref, field.name, getattr(value.x, field.name))
        elif info.kind == "array":
            ref.value = self.payload(value, type_)[0]
        else:
            ref.value = self.payload(value, type_)[0]

    def read(self, scope: Scope, name: str) -> Value:
        variable = scope.find(name)
        if variable is not None:
            if variable.ref is None:
                return variable.value
            info = self.info(variable.type)
            if info.kind in ("struct", "array"):
                return Value(variable.type, variable.ref, variable.value.constant)
            if info.kind in (
                "interface",
                "func",
                "map",
                "slice",
                "pointer",
                "string",
                "chan",
            ):
                return variable.value
            return Value(variable.type, variable.ref.value)
        if name in self.globals:
            return self.globals[name]
        raise NotReplayedError(f"{name} is not known")

    def assign(self, scope: Scope, place: Node, value: Value) -> None:
        if place.op == "name":
            self.assign_name(scope, place.a, value)
        elif place.op == "index":
            self.assign_index(scope, place, value)
        elif place.op == "dot":
            target = self.value(scope, place.a, False)
            assert target.type is not None
            self.store(target.x, place.b, value, self.field(target.type, place.b))
        elif place.op == "unary" and place.a == "*":
            target = self.value(scope, place.b, False)
            assert target.type is not None
            self.assign_ref(target.x, self.under(target.type).a, value)
        else:
            raise NotReplayedError(f"assignment to {place.op}")

    def assign_name(self, scope: Scope, name: str, value: Value) -> None:
        if name == "_":
            return
        variable = scope.find(name)
        if variable is None:
            if name in ("sink", *(f"sink{i}" for i in range(2, 10))):
                value = Value(_ANY, self.interface(value))
            elif value.type is not None and self.info(value.type).kind == "slice" and value.stack:
                value = self.move_to_heap(value)
            self.globals[name] = value
            self.kept.append(value.x)
            return
        if self.info(variable.type).kind == "interface" and not self.is_interface(value):
            value = Value(variable.type, self.interface(value, self.escapes.value(name)))
        variable.value = Value(variable.type, value.x, False, value.stack)
        if variable.ref is not None:
            self.assign_ref(variable.ref, variable.type, value)

    def is_interface(self, value: Value) -> bool:
        return value.type is None or self.info(value.type).kind == "interface"

    def move_to_heap(self, value: Value) -> Value:
        """slice.go:moveSliceNoCap: a slice on the stack is copied just before it escapes."""
        from gcsim.lowlevel import whitebox

        assert value.type is not None
        elem = self.under(value.type).a
        info = self.info(elem)
        n = len(value.x)
        cap = whitebox.roundupsize(n * info.bytes, info.noscan) // max(info.bytes, 1)
        row = self.count(lambda: self.heap.new_slice(info, n, cap))
        row.copy_from(value.x)
        return Value(value.type, row)

    def assign_index(self, scope: Scope, place: Node, value: Value) -> None:
        target = self.value(scope, place.a, False)
        assert target.type is not None
        type_ = self.structure(target.type)
        key = self.value(scope, place.b[0], False)
        if type_.op == "map":
            if target.x is None:
                raise NotReplayedError("assignment to an entry of a nil map")
            self.map_put(target.x, type_, key, value)
            return
        elem, row = self.elements(target)
        x, _ = self.payload(value, elem)
        row[key.x] = x

    def elements(self, target: Value) -> tuple[Node, Any]:
        """Type and row of the elements of a slice, an array, or an array behind a pointer."""
        assert target.type is not None
        form = self.structure(target.type)
        if form.op == "pointer":
            form = self.structure(form.a)
        if form.op == "slice":
            return form.a, target.x
        if form.op == "array" and target.x is not None:
            whole = isinstance(target.x, _core.Array)
            return form.b, target.x if whole else target.x.value
        raise NotReplayedError(f"elements of a {form.op}")

    def map_put(self, map_: Any, type_: Node, key: Value, value: Value) -> None:
        k, first = self.payload(key, type_.a)
        v, second = self.payload(value, type_.b)
        self.count(lambda: map_.__setitem__(k, v), first + second)

    def field(self, type_: Node, name: str) -> Node:
        type_ = self.structure(type_)
        if type_.op == "pointer":
            type_ = self.structure(type_.a)
        for word, kind in type_.a if type_.op == "struct" else ():
            if word == name:
                found: Node = kind
                return found
        raise NotReplayedError(f"the field or method {name}")

    # --- statements

    def run(self, body: list[Node], scope: Scope) -> None:
        for statement in body:
            getattr(self, "do_" + statement.op, self.refuse)(statement, scope)

    def refuse(self, statement: Node, scope: Scope) -> None:
        raise NotReplayedError(f"{statement.op} statements")

    def do_expression(self, s: Node, scope: Scope) -> None:
        self.value(scope, s.a, False)

    def do_block(self, s: Node, scope: Scope) -> None:
        self.run(s.a, Scope(scope))

    def do_var(self, s: Node, scope: Scope) -> None:
        if len(s.a) > 1 and len(s.c) == 1:
            raise NotReplayedError("several results")
        for i, name in enumerate(s.a):
            value = self.value(scope, s.c[i], self.escapes.value(name)) if s.c else None
            type_ = s.b if s.b is not None else value.type if value else None
            if type_ is None:
                raise NotReplayedError("a variable of nil")
            if value is not None and s.b is not None:
                value = self.converted(value, s.b, self.escapes.value(name))
            self.declare(scope, name, type_, value)

    def do_assign(self, s: Node, scope: Scope) -> None:
        if len(s.b) != len(s.c):
            self.assign_results(s, scope)
            return
        if s.a not in ("=", ":="):
            left = self.value(scope, s.b[0], False)
            right = self.value(scope, s.c[0], False)
            escapes = self.escapes.into(s.b[0])
            self.assign(scope, s.b[0], self.operated(s.a[:-1], left, [left, right], escapes))
            return
        values = [
            self.value(scope, x, self.escapes.into(place))
            for place, x in zip(s.b, s.c, strict=True)
        ]
        for place, value in zip(s.b, values, strict=True):
            if s.a == ":=" and place.op == "name" and place.a not in scope:
                self.declare(scope, place.a, value.type or _ANY, value)
            else:
                self.assign(scope, place, value)

    def assign_results(self, s: Node, scope: Scope) -> None:
        """v, ok := m[k], <-c, x.(T); of a call only the first result is known."""
        x = s.c[0]
        if x.op == "index":
            target = self.value(scope, x.a, False)
            key = self.value(scope, x.b[0], False)
            found = target.x is not None and self.payload(key, self.info_key(target))[0] in target.x
            values = [self.value(scope, x, False), Value(_BOOL, found)]
        elif x.op == "call" and x.a.op == "dot" and x.a.b in ("Load", "Atoi", "ParseInt", "Write"):
            values = [self.value(scope, x, True), Value(_BOOL, True)]
        elif x.op == "assert":
            values = list(self.asserted(scope, x))
        elif x == Node("unary", "<-", x.b):
            values = [self.value(scope, x, True), Value(_BOOL, True)]
        else:
            raise NotReplayedError("several results")
        for place, value in zip(s.b, values, strict=False):
            if place.op == "name" and s.a == ":=" and place.a not in scope:
                self.declare(scope, place.a, value.type or _ANY, value)
            else:
                self.assign(scope, place, value)

    def info_key(self, target: Value) -> Node:
        assert target.type is not None
        key: Node = self.structure(target.type).a
        return key

    def do_step(self, s: Node, scope: Scope) -> None:
        value = self.value(scope, s.a, False)
        step = Value(value.type, 1)
        self.assign(scope, s.a, self.operated(s.b[0], value, [value, step], False))

    def do_if(self, s: Node, scope: Scope) -> None:
        inner = Scope(scope)
        if s.a is not None:
            self.run([s.a], inner)
        self.run(s.c if self.value(inner, s.b, False).x else s.d, Scope(inner))

    def do_switch(self, s: Node, scope: Scope) -> None:
        inner = Scope(scope)
        if s.a is not None:
            self.run([s.a], inner)
        tag = True if s.b is None else self.value(inner, s.b, False).x
        chosen: list[Node] = []
        for values, body in s.c:
            if values is None:
                chosen = body
            elif any(self.value(inner, x, False).x == tag for x in values):
                chosen = body
                break
        try:
            self.run(chosen, Scope(inner))
        except _Leave as leave:
            if str(leave) != "break":
                raise

    def do_typeswitch(self, s: Node, scope: Scope) -> None:
        inner = Scope(scope)
        if s.a is not None:
            self.run([s.a], inner)
        chosen: list[Node] = []
        for kinds, body in s.d:
            if kinds is None:
                chosen = body
                continue
            found = next(
                (part for part in map(self.type_of, kinds) if self.holds(inner, s.c, part)), None
            )
            if found is not None:
                value, _ = self.asserted(inner, Node("assert", s.c, found))
                self.declare(inner, s.b, found, value)
                chosen = body
                break
        self.run(chosen, Scope(inner))

    def type_of(self, x: Node) -> Node:
        if x.op == "type":
            found: Node = x.a
            return found
        return Node("pointer", self.type_of(x.b)) if x.op == "unary" else Node("named", x.a)

    def holds(self, scope: Scope, x: Node, type_: Node) -> bool:
        if type_ == Node("named", "nil"):
            return False
        return bool(self.asserted(scope, Node("assert", x, type_))[1].x)

    def do_define(self, s: Node, scope: Scope) -> None:
        self.types.define(s.a, s.b)
        self.named[s.a] = s.b

    def do_for(self, s: Node, scope: Scope) -> None:
        inner = Scope(scope)
        if s.a is not None:
            self.run([s.a], inner)
        self.loops += 1
        rounds = 0
        while s.b is None or self.value(inner, s.b, False).x:
            rounds += 1
            if rounds > 200_000:
                raise NotReplayedError("a loop of more than 200,000 rounds")
            if not self.round(s.d, inner):
                break
            if s.c is not None:
                self.run([s.c], inner)
        self.loops -= 1

    def round(self, body: list[Node], scope: Scope) -> bool:
        try:
            self.run(body, Scope(scope))
        except _Leave as leave:
            return str(leave) == "continue"
        return True

    def do_leave(self, s: Node, scope: Scope) -> None:
        raise _Leave(s.a)

    def do_range(self, s: Node, scope: Scope) -> None:
        self.loops += 1
        for values in self.ranged(scope, s.c):
            inner = Scope(scope)
            for place, value in zip(s.a, values, strict=False):
                if s.b and place.op == "name":
                    self.declare(inner, place.a, value.type or _ANY, value)
                else:
                    self.assign(scope, place, value)
            if not self.round(s.d, inner):
                break
        self.loops -= 1

    def ranged(self, scope: Scope, x: Node) -> Iterator[list[Value]]:
        if x.op == "call" and x.a.op == "type" and len(x.b) == 1:  # range []byte(s): no copy
            inner = self.value(scope, x.b[0], False)
            if isinstance(inner.x, bytes) and x.a.a == _BYTES:
                yield from ([Value(_INT, i), Value(_BYTE, c)] for i, c in enumerate(inner.x))
                return
        target = self.value(scope, x, False)
        assert target.type is not None
        type_ = self.structure(target.type)
        if isinstance(target.x, int):
            yield from ([Value(_INT, i)] for i in range(target.x))
        elif isinstance(target.x, bytes):
            at = 0
            for c in target.x.decode("utf-8", "replace"):
                yield [Value(_INT, at), Value(_RUNE, ord(c))]
                at += len(c.encode())
        elif type_.op in ("slice", "array", "pointer"):
            elem, row = self.elements(target)
            for i in range(0 if row is None else len(row)):
                yield [Value(_INT, i), self.loaded(elem, row[i])]
        elif type_.op == "map":
            for key, value in list((target.x or {}).items()):
                yield [self.loaded(type_.a, key), self.loaded(type_.b, value)]
        else:
            raise NotReplayedError(f"range over a {type_.op}")

    def loaded(self, type_: Node, x: Any) -> Value:
        """What was read from a slot."""
        return Value(type_, x.encode("utf-8", "surrogateescape") if isinstance(x, str) else x)

    def do_return(self, s: Node, scope: Scope) -> None:
        raise _Return([self.value(scope, x, True) for x in s.a])

    def do_defer(self, s: Node, scope: Scope) -> None:
        """Arguments travel in a closure: in a loop an object; the record is one of the pool's."""
        self.deferred(s.a, scope, self.loops > 0)

    def do_send(self, s: Node, scope: Scope) -> None:
        """Into a buffer: no memory is taken."""
        channel = self.value(scope, s.a, False)
        assert channel.type is not None
        elem = self.structure(channel.type).a
        value = self.converted(self.value(scope, s.b, True), elem, True)
        queue = self.queues.setdefault(_core.address(channel.x), [])
        if len(queue) >= self.room_of(channel.x):
            raise NotReplayedError("waiting for a channel")
        queue.append(value)

    def room_of(self, channel: Any) -> int:
        return self.rooms.get(_core.address(channel), 0)

    def do_go(self, s: Node, scope: Scope) -> None:
        raise NotReplayedError("a goroutine: whether one is made anew is up to the scheduler")

    def deferred(self, call: Node, scope: Scope, escapes: bool) -> None:
        if call.op != "call":
            raise DumpFormatError("defer and go want a call")
        if call.a.op == "closure" and not call.b:
            self.value(scope, call.a, escapes)
            return
        values = [self.value(scope, x, escapes) for x in call.b if not self.is_constant(x)]
        parts = [(value, value.type) for value in values if value.type is not None]
        if call.a.op == "closure":
            function = self.value(scope, call.a, escapes)
            parts.insert(0, (function, call.a.a))
        elif call.a.op == "dot" and not self.is_package(scope, call.a.a):
            receiver = self.value(scope, call.a.a, escapes)
            parts.insert(0, (receiver, receiver.type or _ANY))
        if parts and escapes:
            self.closure(call, parts, escapes)

    def is_static(self, x: Node) -> bool:
        """A literal that the linker lays out (walk/complit.go:isStaticCompositeLiteral)."""
        if x.op != "literal":
            return self.is_constant(x)
        if x.a is not None and self.structure(x.a).op not in ("struct", "array"):
            return False
        return all(self.is_static(part) for _, part in x.b)

    def is_constant(self, x: Node) -> bool:
        return x.op in ("int", "float", "string", "rune", "imaginary") or x in (
            Node("name", "true"),
            Node("name", "false"),
            Node("name", "nil"),
        )

    def closure(self, node: Node, parts: list[tuple[Value, Node]], escapes: bool) -> Any:
        types, values, skip = {}, {}, 0
        for i, (value, type_) in enumerate(parts):
            values[f"X{i}"], made = self.payload(value, type_)
            types[f"X{i}"] = self.info(type_)
            skip += made
        name = f"func{abs(hash(repr(node)))}"
        return self.make(escapes, lambda: self.heap.closure(name, types, **values), -skip)

    # --- expressions

    def value(self, scope: Scope, x: Node, escapes: bool) -> Value:
        made: Value = getattr(self, "x_" + x.op, self.unknown)(scope, x, escapes)
        return made

    def unknown(self, scope: Scope, x: Node, escapes: bool) -> Value:
        raise NotReplayedError(f"{x.op} expressions")

    def x_int(self, scope: Scope, x: Node, escapes: bool) -> Value:
        return Value(_INT, x.a, True)

    def x_float(self, scope: Scope, x: Node, escapes: bool) -> Value:
        return Value(_FLOAT, x.a, True)

    def x_rune(self, scope: Scope, x: Node, escapes: bool) -> Value:
        return Value(_RUNE, ord(x.a), True)

    def x_string(self, scope: Scope, x: Node, escapes: bool) -> Value:
        return Value(_STRING, x.a.encode("utf-8", "surrogateescape"), True)

    def x_name(self, scope: Scope, x: Node, escapes: bool) -> Value:
        if x.a in ("true", "false"):
            return Value(_BOOL, x.a == "true", True)
        if x.a == "nil":
            return Value(None, None)
        return self.read(scope, x.a)

    def x_closure(self, scope: Scope, x: Node, escapes: bool) -> Value:
        parts: list[tuple[Value, Node]] = []
        for name in self.escapes.captured(x, scope):
            variable = scope.find(name)
            assert variable is not None
            if self.by_value(name, variable):
                parts.append((self.read(scope, name), variable.type))
            else:
                ref = variable.ref
                if ref is None:  # on the stack, as the closure is
                    ref = variable.ref = self.heap.new(self.info(variable.type))
                parts.append(
                    (
                        Value(Node("pointer", variable.type), ref),
                        Node("pointer", variable.type),
                    )
                )
        object_ = self.closure(x, parts, escapes) if escapes or not parts else None
        return Value(x.a, Function(x, scope, object_))

    def by_value(self, name: str, variable: Variable) -> bool:
        return _core.closure_by_value(
            self.info(variable.type).bytes,
            self.escapes.reassigned(name),
            self.escapes.taken_by_hand(name),
        )

    def x_unary(self, scope: Scope, x: Node, escapes: bool) -> Value:
        if x.a == "&":
            return self.address(scope, x.b, escapes)
        value = self.value(scope, x.b, False)
        if x.a == "*":
            assert value.type is not None
            inside = self.under(value.type).a
            if self.info(inside).kind in ("struct", "array"):
                return Value(inside, value.x)
            return self.loaded(inside, value.x.value)
        if x.a == "<-":
            queue = self.queues.get(_core.address(value.x), [])
            if not queue:
                raise NotReplayedError("waiting for a channel")
            return queue.pop(0)
        return Value(
            value.type,
            constant(Node("unary", x.a, Node("int", value.x))),
            value.constant,
        )

    def address(self, scope: Scope, x: Node, escapes: bool) -> Value:
        if x.op == "literal":
            type_ = x.a
            ref = self.object(type_, escapes)
            self.fill(scope, ref, type_, x, escapes)
            return Value(Node("pointer", type_), ref)
        if x.op == "name":
            variable = scope.find(x.a)
            if variable is None:
                known = self.globals.get(x.a)
                if known is None or known.type is None:
                    raise NotReplayedError(f"the address of {x.a}")
                return Value(Node("pointer", known.type), self.heap.new(self.info(known.type)))
            library = self.is_library(variable.value)
            return Value(
                Node("pointer", variable.type), variable.value.x if library else variable.ref
            )
        raise NotReplayedError(f"the address of a {x.op}")

    def fill(self, scope: Scope, ref: Any, type_: Node, x: Node, escapes: bool) -> None:
        form = self.structure(type_)
        if form.op == "struct":
            for i, (key, part) in enumerate(x.b):
                name, kind = form.a[i] if key is None else (key.a, self.field(type_, key.a))
                if part.op == "literal" and part.a is None:
                    part = part._replace(a=kind)
                self.store(ref, name, self.value(scope, part, escapes), kind)
        elif form.op == "array":
            self.fill_row(scope, ref.value, form.b, x, escapes)
        else:
            raise NotReplayedError(f"a literal of a {form.op} behind a pointer")

    def fill_row(self, scope: Scope, row: Any, elem: Node, x: Node, escapes: bool) -> None:
        at = 0
        for key, part in x.b:
            at = constant(key) if key is not None else at
            if part.op == "literal" and part.a is None:
                inner = self.structure(elem)
                if inner.op == "pointer":
                    part = Node("unary", "&", part._replace(a=inner.a))
                else:
                    part = part._replace(a=elem)
            value, _ = self.payload(self.value(scope, part, escapes), elem, escapes)
            row[at] = value
            at += 1

    def x_literal(self, scope: Scope, x: Node, escapes: bool) -> Value:
        form = self.structure(x.a)
        if form.op == "map":
            map_ = self.new_map(form, len(x.b), escapes)
            for key, part in x.b:
                if part.op == "literal" and part.a is None:
                    part = part._replace(a=form.b)
                k, v = self.value(scope, key, True), self.value(scope, part, True)
                self.map_put(map_, form, k, v)
            return Value(x.a, map_)
        if form.op == "slice":
            count = 0
            for key, _ in x.b:
                count = (constant(key) if key is not None else count) + 1
            array = Node("array", Node("int", count), form.a)
            ref = self.object(array, escapes)
            row = ref.value if count else self.heap.new_slice(self.info(form.a), 0)
            self.fill_row(scope, row, form.a, x, escapes)
            return Value(x.a, row[:] if count else row)
        type_ = x.a
        if form.op == "array" and form.a == Node("name", "..."):
            type_ = form = Node("array", Node("int", len(x.b)), form.b)
        ref = self.heap.new(self.info(type_))
        self.fill(scope, ref, type_, x._replace(a=type_), escapes)
        return Value(type_, ref, self.is_static(x))

    def new_map(self, form: Node, hint: int, escapes: bool) -> Any:
        key, elem = self.info(form.a), self.info(form.b)
        if escapes:
            return self.count(lambda: self.heap.new_map(key, elem, hint))
        if hint > 8:  # only the map itself lies on the stack
            return self.count(lambda: self.heap.new_map(key, elem, hint), 1)
        map_ = self.heap.new_map(key, elem, hint)
        first = self.zero_slot(key)
        map_[first] = self.zero_slot(elem)  # its first group does too
        del map_[first]
        return map_

    def zero_slot(self, info: t.TypeInfo) -> Any:
        if info.kind in ("struct", "array"):
            ref: Any = self.heap.new(info)
            return ref if info.kind == "struct" else ref.value
        return self.zero(info)

    def x_type(self, scope: Scope, x: Node, escapes: bool) -> Value:
        raise NotReplayedError("a type as a value")

    def x_binary(self, scope: Scope, x: Node, escapes: bool) -> Value:
        if x.a in ("&&", "||"):
            left = self.value(scope, x.b, False)
            if bool(left.x) == (x.a == "||"):
                return Value(_BOOL, left.x)
            return self.value(scope, x.c, False)
        if x.a == "+":
            operands = [self.value(scope, part, False) for part in _flattened(x)]
            if all(isinstance(o.x, bytes) for o in operands):
                return self.operated("+", operands[0], operands, escapes)
        left, right = self.value(scope, x.b, False), self.value(scope, x.c, False)
        return self.operated(x.a, left, [left, right], escapes)

    def operated(self, operation: str, left: Value, operands: list[Value], escapes: bool) -> Value:
        if operation == "+" and isinstance(left.x, bytes):
            whole = b"".join(o.x for o in operands)
            if all(o.constant for o in operands):
                return Value(_STRING, whole, True)
            if sum(bool(o.x) for o in operands) < 2:
                return Value(_STRING, whole)
            return self.string(whole, escapes)
        a, b = left.x, operands[1].x
        right = operands[1]
        still = left.constant and right.constant
        if operation in ("==", "!=", "<", "<=", ">", ">="):
            same = a is b if a is None or b is None else None
            x = (same == (operation == "==")) if same is not None else operate(operation, a, b)
            return Value(_BOOL, x, still)
        typed = right if left.constant and not right.constant else left
        return Value(typed.type, _wrapped(operate(operation, a, b), self.info(typed.type)), still)

    def x_index(self, scope: Scope, x: Node, escapes: bool) -> Value:
        target = self.value(scope, x.a, False)
        assert target.type is not None
        type_ = self.structure(target.type)
        inner = x.b[0]
        if type_.op == "map":
            if inner.op == "call" and inner.a == Node("name", "string"):  # m[string(b)]: no copy
                inner = inner.b[0]
            key = self.value(scope, inner, False)
            k = bytes(key.x) if isinstance(key.x, _core.Slice) else self.payload(key, type_.a)[0]
            found = None if target.x is None else target.x.get(k)
            if found is None:
                found = self.zero(self.info(type_.b))
            return self.loaded(type_.b, found)
        index = self.value(scope, inner, False).x
        if isinstance(target.x, bytes):
            return Value(_BYTE, target.x[index])
        elem, row = self.elements(target)
        return self.loaded(elem, row[index])

    def x_cut(self, scope: Scope, x: Node, escapes: bool) -> Value:
        target = self.value(scope, x.a, False)
        assert target.type is not None
        low, high, most = (
            None if part is None else self.value(scope, part, False).x for part in (x.b, x.c, x.d)
        )
        if isinstance(target.x, bytes):
            return Value(_STRING, target.x[low:high])
        type_ = self.structure(target.type)
        if type_.op in ("array", "pointer"):
            elem, row = self.elements(target)
            return Value(Node("slice", elem), row[:].reslice(low, high, most))
        if target.x is None:
            return target
        return Value(target.type, target.x.reslice(low, high, most), False, target.stack)

    def x_assert(self, scope: Scope, x: Node, escapes: bool) -> Value:
        value, ok = self.asserted(scope, x)
        if not ok.x:
            raise NotReplayedError("a panic")
        return value

    def asserted(self, scope: Scope, x: Node) -> tuple[Value, Value]:
        held, info = self.value(scope, x.a, False).x, self.info(x.b)
        if isinstance(held, _core.Box) and held.type == info:
            return self.loaded(x.b, held.value), Value(_BOOL, True)
        if (
            isinstance(held, _core.Ref)
            and info.kind == "pointer"
            and info.elem == _core.typeof(held)
        ):
            return Value(x.b, held), Value(_BOOL, True)
        if held is None or isinstance(held, (_core.Box, _core.Ref)):
            return Value(x.b, self.zero_slot(info)), Value(_BOOL, False)
        raise NotReplayedError("such a type assertion")

    def x_dot(self, scope: Scope, x: Node, escapes: bool) -> Value:
        if x.a.op == "type":  # (*T).M: a method expression is static
            return Value(parse_type("func()"), Function(None, None, self.heap.closure("method")))
        if x.a.op == "name" and self.is_package(scope, x.a):
            try:
                value = constant(x)
            except DumpFormatError:
                if f"{x.a.a}.{x.b}" in _DURATIONS:
                    return Value(_INT, _DURATIONS[f"{x.a.a}.{x.b}"], True)
                raise NotReplayedError(f"{x.a.a}.{x.b}") from None
            return Value(_INT if isinstance(value, int) else _FLOAT, value, True)
        if x.a.op == "name" and scope.find(x.a.a) is None and x.a.a in self.named:
            return Value(parse_type("func()"), Function(None, None, self.heap.closure("method")))
        target = self.value(scope, x.a, False)
        assert target.type is not None
        try:
            kind = self.field(target.type, x.b)
        except NotReplayedError:
            return self.method_value(target, x, escapes)
        return self.loaded(kind, getattr(target.x, x.b))

    def method_value(self, target: Value, x: Node, escapes: bool) -> Value:
        """x.M: a closure of the receiver."""
        assert target.type is not None
        type_ = target.type
        pointed = type_.op == "pointer"
        named = type_.a if pointed else type_
        pointer = _METHODS.get((named.a, x.b)) if named.op == "named" else None
        if self.info(type_).kind == "interface":
            receiver = _ANY
        elif pointer is None:
            raise NotReplayedError(f"the method {x.b}")
        else:
            receiver = Node("pointer", named) if pointer else named
        value = Value(receiver, target.x)
        types = {"R": self.info(receiver)}
        r, skip = self.payload(value, receiver)
        f = self.make(escapes, lambda: self.heap.closure(f"{x.b}-fm", types, R=r), skip)
        return Value(parse_type("func()"), Function(None, None, f))

    def is_package(self, scope: Scope, x: Node) -> bool:
        return (
            x.op == "name"
            and scope.find(x.a) is None
            and x.a not in self.globals
            and x.a in _PACKAGES
        )

    # --- calls

    def x_call(self, scope: Scope, x: Node, escapes: bool) -> Value:
        from gcsim._go_library import call_builtin, call_library, call_method

        f = x.a
        if f.op == "index" and f.a.op in ("name", "dot"):  # type arguments
            f = f.a
        if f.op == "type":
            return self.conversion(scope, x, f.a, escapes)
        if f.op == "dot":
            if self.is_package(scope, f.a):
                return call_library(self, scope, f"{f.a.a}.{f.b}", x, escapes)
            return call_method(self, scope, f, x, escapes)
        if f.op == "name" and scope.find(f.a) is None:
            if f.a not in _FUNCTIONS and (f.a in self.named or f.a in _TYPE_WORDS):
                return self.conversion(scope, x, Node("named", f.a), escapes)
            return call_builtin(self, scope, f.a, x, escapes)
        function = self.value(scope, f, False)
        return self.call(function.x, [self.value(scope, *a) for a in self.passed(function.x, x.b)])

    def passed(self, function: Any, arguments: list[Node]) -> list[tuple[Node, bool]]:
        """Arguments, and whether what they hold leaves through the parameter."""
        if not isinstance(function, Function) or function.node is None:
            return [(x, True) for x in arguments]
        names = [name for name, _ in function.node.a.a]
        return [(x, self.escapes.value(n)) for x, n in zip(arguments, names, strict=True)]

    def call(self, function: Any, arguments: list[Value]) -> Value:
        if not isinstance(function, Function) or function.node is None or function.scope is None:
            raise NotReplayedError("a call of a function that is not in the code")
        scope = Scope(function.scope)
        for (name, type_), value in zip(function.node.a.a, arguments, strict=True):
            if name:
                self.declare(scope, name, type_, self.converted(value, type_, True))
        loops, self.loops = self.loops, 0
        try:
            self.run(function.node.b, scope)
        except _Return as result:
            return result.values[0] if result.values else Value(None, None)
        finally:
            self.loops = loops
        return Value(None, None)

    def program_function(self, name: str, arguments: list[Value], escapes: bool) -> Value:
        """A function of the recorded program: analysed and run on its own."""
        body = parse_statements(_FUNCTIONS[name])
        before, self.escapes = self.escapes, Escapes(body[0].c[0].b)
        try:
            function = Function(body[0].c[0], Scope())
            result = self.call(function, arguments)
        finally:
            self.escapes = before
        return self.move_to_heap(result) if result.stack and escapes else result

    def converted(self, value: Value, type_: Node, escapes: bool) -> Value:
        """Assignable to a type: an interface boxes, an untyped constant takes the type."""
        if value.type is None:
            return Value(type_, None)
        if self.info(type_).kind == "interface":
            if self.is_interface(value):
                return Value(type_, value.x)
            return Value(type_, self.interface(value, escapes))
        return Value(type_, value.x, value.constant, value.stack)

    def conversion(self, scope: Scope, x: Node, type_: Node, escapes: bool) -> Value:
        info = self.info(type_)
        if info.kind == "slice" and x.b[0].op == "binary" and x.b[0].a == "+":
            parts = [self.value(scope, part, False) for part in _flattened(x.b[0])]
            if not all(part.constant for part in parts):  # in one step (string.go:concatbytes)
                whole = b"".join(part.x for part in parts)
                return self.slice_of(type_, Value(_STRING, whole), escapes)
        value = self.value(scope, x.b[0], False)
        data = value.x
        if info.kind == "string" and isinstance(data, _core.Slice):
            return self.string_of(type_, data, escapes)
        if info.kind == "string" and isinstance(data, int):
            return Value(type_, self.string(chr(data).encode(), escapes).x)
        if info.kind == "slice" and isinstance(data, bytes):
            return self.slice_of(type_, value, escapes)
        if info.kind == "interface":
            return self.converted(value, type_, escapes)
        if isinstance(data, int | float) and not isinstance(data, bool):
            is_int = info.kind.startswith(("int", "uint"))
            data = _wrapped(int(data), info) if is_int else float(data)
        return Value(type_, data, value.constant, value.stack)

    def string_of(self, type_: Node, row: Any, escapes: bool) -> Value:
        """string(b): one byte points into a table (string.go:slicebytetostring)."""
        if row is None:
            return Value(type_, b"")
        if row.elem.kind == "uint8":
            data = bytes(memoryview(row))
            return Value(type_, data) if len(data) < 2 else self.string(data, escapes)
        data = "".join(map(chr, row)).encode()
        if data and (escapes or len(data) + 3 > _BUFFER):  # three spare bytes, never cut off
            self.string(data + b"\0\0\0", True)
        return Value(type_, data)

    def slice_of(self, type_: Node, value: Value, escapes: bool) -> Value:
        """[]byte(s), []rune(s)."""
        data: bytes = value.x
        if self.under(type_).a.a in ("byte", "uint8"):
            if value.constant:  # an array of exactly so many bytes
                row = self.row(_BYTE, len(data), len(data), escapes)
            else:
                here = escapes or len(data) > _BUFFER
                row = self.make(here, lambda: self.heap.to_bytes(data))
            for i, c in enumerate(data if value.constant else b""):
                row[i] = c
            return Value(type_, row)
        count = len(data.decode("utf-8", "replace"))
        row = self.make(escapes or count > _BUFFER, lambda: self.heap.to_runes(data))
        return Value(type_, row)


def _flattened(x: Node) -> list[Node]:
    if x.op == "binary" and x.a == "+":
        return [*_flattened(x.b), *_flattened(x.c)]
    return [x]


def _wrapped(x: Any, info: t.TypeInfo) -> Any:
    """Arithmetic of a Go integer type."""
    if not isinstance(x, int) or isinstance(x, bool) or not info.kind.startswith(("int", "uint")):
        return x
    bits = 8 * info.bytes
    x &= (1 << bits) - 1
    return x - (1 << bits) if info.kind.startswith("int") and x >> (bits - 1) else x


_SIMPLE = frozenset(
    (
        "bool",
        "int",
        "uint",
        "float64",
        *(f"{s}int{b}" for s in ("", "u") for b in (8, 16, 32, 64)),
    )
)
_KINDS_TO_BOX = frozenset(
    (*_SIMPLE, "uintptr", "float32", "complex64", "complex128", "string", "slice", "struct",
     "array", "pointer")
)  # fmt: skip
_TYPE_WORDS = frozenset((*_BASIC, "error"))
_PACKAGES = frozenset(
    [
        *(
            "atomic",
            "bufio",
            "bytes",
            "context",
            "errors",
            "fmt",
            "maps",
            "math",
            "os",
            "rand",
        ),
        *(
            "reflect",
            "runtime",
            "slices",
            "sort",
            "strconv",
            "strings",
            "sync",
            "time",
            "unique",
        ),
        *("unsafe", "utf8", "weak"),
    ]
)
_DURATIONS = {
    "time.Nanosecond": 1,
    "time.Microsecond": 1000,
    "time.Millisecond": 10**6,
    "time.Second": 10**9,
    "time.Minute": 60 * 10**9,
    "time.Hour": 3600 * 10**9,
}


def _replayed(setup: str, code: str) -> list[Allocation]:
    """What the code allocates when it runs for the second time."""
    before, body = parse_statements(setup), parse_statements(code)
    with _core.Heap(gogc=None) as heap:
        machine = Machine(heap)
        machine.escapes = Escapes(before + body)
        for counting in (False, True):
            scope = Scope()
            machine.counting = False
            machine.run(before, scope)
            machine.counting = counting
            machine.run(body, scope)
        return machine.made


#: What carrying out code raises that is outside of what is known here.
_NOT_UNDERSTOOD = (
    *(ArithmeticError, AssertionError, AttributeError, ConversionError, LookupError),
    *(MemoryError, RecursionError, TypeError, ValueError),
)


def replay_recipes(rows: Iterator[dict[str, str]], result: Conformance) -> None:
    """Each row's code is carried out; the code alone says how, not the row's name."""
    left: dict[str, list[str]] = {}
    for row in rows:
        gos = [str(a) for a in read_allocations(row["allocs"])]
        try:
            ours = [str(a) for a in _replayed(row["setup"], row["code"])]
        except (NotReplayedError, NotThereYetError) as error:
            left.setdefault(str(error), []).append(row["name"])
            result.not_replayed += 1
            continue
        except _NOT_UNDERSTOOD:
            left.setdefault("code that is not understood", []).append(row["name"])
            result.not_replayed += 1
            continue
        result.check(f"{row['name']}: {row['code']}", ours, gos)
    for why, names in left.items():
        result.notes.append(f"not replayed, {why}: {', '.join(names)}")
