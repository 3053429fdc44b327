"""Replays what interfaces, channels and goroutine stacks of real Go programs allocated."""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from gcsim import _core
from gcsim import _types as t
from gcsim._boxes import boxing
from gcsim._conform_allocs import allocations, read_allocations
from gcsim._errors import DumpFormatError
from gcsim._go_code import Node, parse_expression, parse_type

if TYPE_CHECKING:
    from gcsim._conform import Conformance

__all__ = ["Types", "replay_chan", "replay_iface"]

#: The named types of the recordings (golden/data/README.md), as Go writes them.
NAMED = {
    "S1": "struct{a uint8}",
    "S1b": "struct{a bool}",
    "S2": "struct{a, b uint8}",
    "S2u": "struct{a uint16}",
    "S4": "struct{a uint32}",
    "S4f": "struct{a float32}",
    "S8": "struct{a int64}",
    "S8f": "struct{a float64}",
    "S8b": "struct{a, b uint32}",
    "SP": "struct{p *int}",
    "SPE": "struct{p *int; e struct{}}",
    "SPN": "struct{p *int; n int}",
    "SS": "struct{s string}",
    "SSl": "struct{s []int}",
    "SI": "struct{i any}",
    "S9": "struct{a int64; b byte}",
    "MyStr": "string",
    "MyInt": "int",
    "E": "struct{}",
}

_BASIC: dict[str, Any] = {
    "bool": t.bool_,
    "int": int,
    "uint": t.go_uint,
    "int8": t.i8,
    "int16": t.i16,
    "int32": t.i32,
    "int64": t.i64,
    "uint8": t.u8,
    "uint16": t.u16,
    "uint32": t.u32,
    "uint64": t.u64,
    "byte": t.u8,
    "rune": t.i32,
    "uintptr": t.uintptr,
    "float32": t.f32,
    "float64": t.f64,
    "complex64": t.c64,
    "complex128": t.c128,
    "string": t.string,
    "any": t.iface,
    "error": t.iface,
    "unsafe.Pointer": t.ptr,
}

_ptr: Any = t.ptr  # for type checkers these want types
_slice: Any = t.slice_
_chan: Any = t.chan
_array: Any = t.array
_map: Any = t.map_

_CONSTANTS: dict[str, Any] = {
    "nil": None,
    "true": True,
    "false": False,
    "math.Pi": math.pi,
    "math.E": math.e,
    "math.MaxFloat32": float.fromhex("0x1.fffffep127"),
    "math.MaxFloat64": sys.float_info.max,
    "math.SmallestNonzeroFloat64": 5e-324,
    **{f"math.MaxInt{b}": (1 << (b - 1)) - 1 for b in (8, 16, 32, 64)},
    **{f"math.MinInt{b}": -(1 << (b - 1)) for b in (8, 16, 32, 64)},
    **{f"math.MaxUint{b}": (1 << b) - 1 for b in (8, 16, 32, 64)},
    "math.MaxInt": (1 << 63) - 1,
    "math.MinInt": -(1 << 63),
}


_UNARY: dict[str, Callable[[Any], Any]] = {
    "-": operator.neg,
    "+": operator.pos,
    "^": operator.invert,
    "!": operator.not_,
}
_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "<<": operator.lshift,
    ">>": operator.rshift,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "&^": lambda a, b: a & ~b,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "&&": lambda a, b: a and b,
    "||": lambda a, b: a or b,
}


class _Later(t._Lazy):
    """A type that is being made while a pointer to it is."""

    __slots__ = ("kind", "types")

    def __init__(self, types: Types, kind: Node) -> None:
        super().__init__(kind, None, "")
        self.types, self.kind = types, kind

    def resolve(self, final: bool = True) -> t.TypeInfo:
        return self.types.of(self.kind)


class Types:
    """Types written in Go, as gcsim's: each is made once, so that equal text is one type."""

    def __init__(self, named: Mapping[str, str] = NAMED) -> None:
        self._named = dict(named)
        self._made: dict[str, t.TypeInfo] = {}
        self._open: set[str] = set()

    def define(self, name: str, kind: Node) -> None:
        """A type of the code's own."""
        self._made[repr(Node("named", name))] = self.of(kind)

    def of_text(self, text: str) -> t.TypeInfo:
        return self.of(parse_type(text))

    def of(self, kind: Node) -> t.TypeInfo:
        key = repr(kind)
        if key not in self._made:
            self._made[key] = t.describe(self._make(kind))
        return self._made[key]

    def _make(self, kind: Node) -> Any:
        if kind.op == "named":
            return self._by_name(kind.a)
        if kind.op == "pointer" and kind.a.op == "named" and kind.a.a in self._open:
            layout, mask = t.KINDS["pointer"][:3], t.KINDS["pointer"][3]
            later = _Later(self, kind.a)  # a struct leads to itself
            return t.TypeInfo("pointer", layout, mask=mask, elem=later, name=f"*{kind.a.a}")
        if kind.op == "pointer":
            return _ptr[self.of(kind.a)]
        if kind.op == "slice":
            return _slice[self.of(kind.a)]
        if kind.op == "chan":
            return _chan[self.of(kind.a)]
        if kind.op == "array":
            return _array[self.of(kind.a if kind.b is None else kind.b), constant(kind.a)]
        if kind.op == "map":
            return _map[self.of(kind.a), self.of(kind.b)]
        if kind.op == "struct":
            return t.anonymous_struct(
                {name if name != "_" else f"_{i}": self.of(f) for i, (name, f) in enumerate(kind.a)}
            )
        return {"func": t.func_, "interface": t.iface}[kind.op]

    def _by_name(self, name: str) -> Any:
        if name in self._named:
            self._open.add(name)
            try:
                return self.of_text(self._named[name])
            finally:
                self._open.discard(name)
        if name in _BASIC:
            return _BASIC[name]
        raise DumpFormatError(f"the type {name!r} is not known: it is none of Go's own")


def constant(x: Node) -> Any:
    """The value of a constant expression."""
    if x.op in ("int", "float", "string", "rune"):
        return ord(x.a) if x.op == "rune" and len(x.a) == 1 else x.a
    if x.op == "imaginary":
        return complex(0, x.a)
    if x.op == "name" and x.a in _CONSTANTS:
        return _CONSTANTS[x.a]
    if x.op == "dot" and x.a.op == "name" and f"{x.a.a}.{x.b}" in _CONSTANTS:
        return _CONSTANTS[f"{x.a.a}.{x.b}"]
    if x.op == "unary":
        value = constant(x.b)
        return _UNARY[x.a](value)
    if x.op == "binary":
        return operate(x.a, constant(x.b), constant(x.c))
    raise DumpFormatError(f"not a constant: {x}")


def operate(operation: str, a: Any, b: Any) -> Any:
    """A binary operation of Go on numbers, strings and truth values."""
    whole = isinstance(a, int) and isinstance(b, int)
    if operation == "/" and whole:
        return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    if operation == "%":
        return abs(a) % abs(b) * (1 if a >= 0 else -1)
    if operation == "<<" and b > 1 << 12:
        raise DumpFormatError(f"a shift by {b}")
    return _BINARY[operation](a, b)


class Values:
    """Values written in Go, made in a heap: what a field of their type takes."""

    def __init__(self, heap: _core.Heap, types: Types) -> None:
        self.heap = heap
        self.types = types

    def of(self, info: t.TypeInfo, x: Node) -> Any:
        if x.op == "literal":
            return self._literal(info if x.a is None else self.types.of(x.a), x.b)
        if x.op == "unary" and x.a == "&" and x.b.op == "literal":
            inside = info.elem if x.b.a is None else self.types.of(x.b.a)
            assert inside is not None
            return self._variable(inside, x.b)
        if x.op == "call":
            return self._call(info, x)
        value = constant(x)
        if info.kind in ("float32", "float64") and isinstance(value, int):
            return float(value)
        if info.kind in ("complex64", "complex128"):
            return complex(value)
        return chr(value) if info.kind == "string" and isinstance(value, int) else value

    def variable(self, info: t.TypeInfo, x: Node) -> Any:
        """A new variable of the type with this value: a reference to it."""
        if info.kind == "struct" and x.op == "literal":
            return self._variable(info, x)
        ref = self.heap.new(info)
        if info.kind == "struct":
            raise DumpFormatError(f"not a value of {info.name}: {x}")
        ref.value = self.of(info, x)
        return ref

    def _variable(self, info: t.TypeInfo, x: Node) -> Any:
        if info.kind != "struct":
            return self.variable(info, x)
        names = [field.name for field in info.fields]
        fields = {
            (names[i] if key is None else key.a): (
                info.fields[i] if key is None else None,
                value,
            )
            for i, (key, value) in enumerate(x.b)
        }
        ref = self.heap.new(info)
        for name, (_, value) in fields.items():
            field = info.field(name)
            if field is None:
                raise DumpFormatError(f"{info.name} has no field {name}")
            setattr(ref, name, self.of(field.type, value))
        return ref

    def _literal(self, info: t.TypeInfo, parts: list[Any]) -> Any:
        if info.kind == "struct":
            return self._variable(info, Node("literal", None, parts))
        if info.kind not in ("array", "slice") or info.elem is None:
            raise DumpFormatError(f"a literal of {info.name} is not made here")
        elem = info.elem
        count = len(parts) if info.count is None else info.count
        row = self.heap.new_slice(elem, count)
        for i, (key, value) in enumerate(parts):
            row[i if key is None else constant(key)] = self.of(elem, value)
        return row if info.kind == "slice" else tuple(row)

    def _call(self, info: t.TypeInfo, x: Node) -> Any:
        name = x.a.a if x.a.op in ("name", "type") else ""
        if name == "new":
            kind = x.b[0]
            return self.heap.new(
                self.types.of(kind.a if kind.op == "type" else Node("named", kind.a))
            )
        if x.a == Node("dot", Node("name", "errors"), "New"):
            text = self.heap.new(t.anonymous_struct({"s": t.string}))
            text.s = constant(x.b[0])
            return text
        if x.a in (
            Node("dot", Node("name", "math"), "Inf"),
            Node("dot", Node("name", "math"), "NaN"),
        ):
            return math.copysign(math.inf, constant(x.b[0])) if x.b else math.nan
        if x.a == Node("dot", Node("name", "math"), "Copysign"):
            return math.copysign(constant(x.b[0]), constant(x.b[1]))
        if name == "complex":
            return complex(constant(x.b[0]), constant(x.b[1]))
        if name == "make":
            kind = self.types.of(x.b[0].a)
            if kind.kind == "slice":
                assert kind.elem is not None
                return self.heap.new_slice(kind.elem, *(constant(n) for n in x.b[1:]))
        elif len(x.b) == 1 and x.a.op in ("name", "type"):  # a conversion
            return self.of(
                self.types.of(x.a.a if x.a.op == "type" else Node("named", name)),
                x.b[0],
            )
        raise DumpFormatError(f"not a value that is made here: {x}")


def _heap() -> _core.Heap:
    return _core.Heap(gogc=None)


def replay_iface(rows: Iterator[dict[str, str]], result: Conformance) -> None:
    """Each row's value is put in a variable of its type, which becomes an interface."""
    types = Types()
    for row in rows:
        info = types.of_text(row["type"])
        where = f"any({row['type']} {row['value']}), escapes {row['escapes']}"
        ours = _boxed(types, info, row["value"].replace("'", '"'), row["escapes"] == "1")
        gos = [str(a) for a in read_allocations(row["allocs"])]
        result.check(where, (info.bytes, ours), (int(row["size"]), gos))


def _boxed(types: Types, info: t.TypeInfo, text: str, escapes: bool) -> list[str]:
    way = boxing(info, escapes=escapes)
    if way == "stack temporary":  # the caller's frame has it, so there is nothing to make
        return []
    with _heap() as heap:
        value = parse_expression(text)
        made = Values(heap, types)
        variable = made.of(info, value) if info.kind == "interface" else made.variable(info, value)
        return [str(a) for a in allocations(heap, lambda: heap.box(info, variable))]


def replay_chan(rows: Iterator[dict[str, str]], result: Conformance) -> None:
    """Each row's channel is made."""
    types = Types()
    for row in rows:
        info = types.of_text(row["elem"])
        size = int(row["cap"])
        with _heap() as heap:
            heap.make_chan(info)  # so that the types it needs are there
            made = allocations(heap, lambda: heap.make_chan(info, size))  # noqa: B023
        result.check(
            f"make(chan {row['elem']}, {size})",
            (info.bytes, not info.noscan, [str(a) for a in made]),
            (
                int(row["elem_size"]),
                row["elem_has_pointers"] == "1",
                [str(a) for a in read_allocations(row["allocs"])],
            ),
        )


# --- stacks of goroutines


def replay_stack_sizes(rows: Iterator[dict[str, str]], result: Conformance) -> None:
    """What a stack grows to, and what a collection shrinks it to."""
    from gcsim.lowlevel import whitebox_fast

    for row in rows:
        size, used, new = (int(row[name]) for name in ("old_size", "used", "new_size"))
        where = f"{row['kind']} {row['func']} {size}, {used} used"
        if row["kind"] == "grow":
            frame = int(row["max_sp_delta"])
            short = bool(whitebox_fast.stack_is_short(size, used, frame))
            ours = (short, int(whitebox_fast.stack_grown(size, used, frame)))
            result.check(f"{where}, frame {frame}", ours, (True, new))
        elif row["kind"] == "shrink":
            result.check(where, int(whitebox_fast.stack_shrunk(size, used)), new)
        else:
            raise DumpFormatError(f"a stack does not {row['kind']!r}")


def replay_starting_stacks(rows: Iterator[dict[str, str]], result: Conformance) -> None:
    """The stack that goroutines begin with after a collection."""
    from gcsim.lowlevel import whitebox_fast

    for row in rows:
        scanned, stacks = int(row["scanned_stack_bytes"]), int(row["scanned_stacks"])
        ours = int(whitebox_fast.stack_starting(scanned, stacks))
        result.check(f"gc {row['gc']}", ours, int(row["starting_stack"]))


def note_stack_depths(rows: Iterator[dict[str, str]], result: Conformance) -> None:
    """An illustration: how deep a recursion gets depends on the compiler's frames."""
    result.not_replayed = sum(1 for _ in rows)
    result.notes.append(
        f"{result.not_replayed} rows not replayed: the compiler's frames decide these depths"
    )
