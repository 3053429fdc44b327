"""Random programs over the whole Python API, compared with a graph of plain Python objects.

The model knows every block that was allocated, what each of its cells holds and what is rooted, and
finds what is reachable by itself. After each step the heap must verify. After each collection the
slots in use must be exactly those of the blocks that the model reaches: what must survive survives
with its values, what must die is gone, and weak references say so.

The programs are the same in every run. With GCSIM_SOAK=1 they are more, longer, and new each time;
a failure prints how to repeat it.
"""

from __future__ import annotations

import ctypes
import math
import os
from array import array as buffer
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import gcsim
from gcsim import (
    array,
    bool_,
    c128,
    f32,
    f64,
    i8,
    i16,
    i32,
    i64,
    iface,
    ptr,
    slice_,
    string,
    u8,
    u16,
    u32,
    u64,
)

SOAK = os.environ.get("GCSIM_SOAK") == "1"
WORD = 8
TINY = 16


# --- the program's types


@gcsim.struct
class Node:  # 16 bytes, a pointer first
    next: ptr["Node"]
    n: i64


@gcsim.struct
class Mixed:  # 24 bytes, pointers last
    a: i8
    b: u16
    c: i32
    peer: ptr["Mixed"]
    node: ptr[Node]


@gcsim.struct
class Wide:  # above 512 bytes: a type header, pointers at both ends
    first: ptr[Node]
    row: array[i64, 64]
    last: ptr["Wide"]


@gcsim.struct
class Fan:
    arms: array[ptr[Node], 5]
    any: iface
    name: string
    mixed: Mixed


@gcsim.struct
class Holder:
    data: slice_[u8]
    nodes: slice_[ptr[Node]]
    rows: slice_[Mixed]
    name: string


@gcsim.struct
class Plain:  # no pointers
    a: u64
    b: i16
    c: f32
    d: f64
    e: bool_
    f: c128
    g: u32


@gcsim.struct
class Dot:  # shares a block of the tiny allocator
    x: u8
    y: i8


# --- the model's types: sizes as Go has them on amd64, stated here and not asked of gcsim


@dataclass(frozen=True)
class Num:
    size: int
    edges: tuple[Any, ...]
    wrong: tuple[Any, ...]
    gc: Any = None

    def zero(self) -> Any:
        return type(self.edges[0])()


def number(bits: int, signed: bool, word: Any) -> Num:
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    return Num(
        bits // 8, (0, low, high, 1, high - 1), (low - 1, high + 1, 1 << 70, 0.5, None), word
    )


I8, I16, I32, I64 = (number(b, True, w) for b, w in ((8, i8), (16, i16), (32, i32), (64, i64)))
U8, U16, U32, U64 = (number(b, False, w) for b, w in ((8, u8), (16, u16), (32, u32), (64, u64)))
F32 = Num(4, (0.0, 1.5, -math.inf, 3.4028234663852886e38, 2.0**-149), (1e39, "1", None), f32)
F64 = Num(8, (0.0, -0.1, math.inf, 1.7976931348623157e308, 5e-324), (1 << 2000, "1", None), f64)
C128 = Num(16, (0j, 1.5 - 2j, complex(-0.25, math.inf)), ("1", None), c128)
BOOL = Num(1, (False, True), (1, None), bool_)


@dataclass(frozen=True)
class Str:
    size: int = 16
    gc: Any = string


@dataclass(frozen=True)
class Ptr:
    to: str  # name of a struct
    size: int = 8

    @property
    def gc(self) -> Any:
        return ptr[STRUCTS[self.to].gc]


@dataclass(frozen=True)
class Any_:
    size: int = 16
    gc: Any = iface


@dataclass(frozen=True)
class SliceOf:
    elem: Any
    size: int = 24

    @property
    def gc(self) -> Any:
        return slice_[self.elem.gc]


@dataclass(frozen=True)
class ArrayOf:
    elem: Any
    n: int

    @property
    def size(self) -> int:
        return int(self.n * self.elem.size)

    @property
    def gc(self) -> Any:
        return array[self.elem.gc, self.n]


@dataclass(frozen=True)
class Struct:
    name: str
    size: int
    fields: tuple[tuple[str, int, Any], ...]  # name, offset, type
    gc: Any = field(compare=False)

    def at(self, name: str) -> tuple[int, Any]:
        return next((offset, kind) for n, offset, kind in self.fields if n == name)


PTR_NODE, PTR_MIXED, PTR_WIDE = Ptr("Node"), Ptr("Mixed"), Ptr("Wide")
NODE = Struct("Node", 16, (("next", 0, PTR_NODE), ("n", 8, I64)), Node)
MIXED = Struct(
    "Mixed", 24, (("a", 0, I8), ("b", 2, U16), ("c", 4, I32), ("peer", 8, PTR_MIXED), ("node", 16, PTR_NODE)),
    Mixed,
)  # fmt: skip
WIDE = Struct(
    "Wide",
    528,
    (("first", 0, PTR_NODE), ("row", 8, ArrayOf(I64, 64)), ("last", 520, PTR_WIDE)),
    Wide,
)
FAN = Struct(
    "Fan", 96, (("arms", 0, ArrayOf(PTR_NODE, 5)), ("any", 40, Any_()), ("name", 56, Str()), ("mixed", 72, MIXED)),
    Fan,
)  # fmt: skip
HOLDER = Struct(
    "Holder", 88, (("data", 0, SliceOf(U8)), ("nodes", 24, SliceOf(PTR_NODE)), ("rows", 48, SliceOf(MIXED)),
                   ("name", 72, Str())),
    Holder,
)  # fmt: skip
PLAIN = Struct(
    "Plain", 56, (("a", 0, U64), ("b", 8, I16), ("c", 12, F32), ("d", 16, F64), ("e", 24, BOOL), ("f", 32, C128),
                  ("g", 48, U32)),
    Plain,
)  # fmt: skip
DOT = Struct("Dot", 2, (("x", 0, U8), ("y", 1, I8)), Dot)
STRUCTS = {s.name: s for s in (NODE, MIXED, WIDE, FAN, HOLDER, PLAIN, DOT)}
ALONE = (U8, I16, I32, I64, F64, BOOL, C128, Str(), PTR_NODE)  # values with an object of their own
LARGE = (ArrayOf(U8, 40_000), ArrayOf(PTR_NODE, 4_200))
ELEMENTS = (U8, PTR_NODE, MIXED, I64, Str(), Any_(), DOT)


def has_pointers(kind: Any) -> bool:
    if isinstance(kind, ArrayOf):
        return has_pointers(kind.elem)
    if isinstance(kind, Struct):
        return any(has_pointers(k) for _, _, k in kind.fields)
    return not isinstance(kind, Num)


# --- the model's memory


@dataclass(eq=False)
class Block:
    """One allocation: `count` elements of `kind`. `lost`: a collection in the middle of the last
    operation may have freed it, or not."""

    kind: Any
    count: int
    address: int | None  # None: not known (strings behind globals and frame slots)
    cells: list[Any]
    lost: bool = False

    @property
    def slot(self) -> int | None:
        """Where its slot's first byte is that the program may use."""
        tiny = not has_pointers(self.kind) and self.kind.size * self.count < TINY
        return self.address & -TINY if tiny and self.address is not None else self.address


@dataclass(frozen=True)
class At:
    """A pointer: to an element of a block, or to a struct inside of it."""

    block: Block
    index: int
    path: tuple[str, ...] = ()

    @property
    def kind(self) -> Any:
        kind = self.block.kind
        for name in self.path:
            kind = kind.at(name)[1]
        return kind

    @property
    def address(self) -> int:
        assert self.block.address is not None
        kind, offset = self.block.kind, self.index * self.block.kind.size
        for name in self.path:
            step, kind = kind.at(name)
            offset += step
        return int(self.block.address + offset)

    @property
    def cells(self) -> Any:
        cell = self.block.cells[self.index]
        for name in self.path:
            cell = cell[name]
        return cell


@dataclass(frozen=True)
class Header:
    """A slice."""

    block: Block | None
    start: int
    length: int
    cap: int


@dataclass(frozen=True)
class Text:
    text: str
    block: Block | None


NIL = Header(None, 0, 0, 0)


MANY = 1000  # elements; the model of a longer array is a dict of those that were set


def zero(kind: Any) -> Any:
    if isinstance(kind, Struct):
        return {name: zero(k) for name, _, k in kind.fields}
    if isinstance(kind, ArrayOf):
        return {} if kind.n > MANY else [zero(kind.elem) for _ in range(kind.n)]
    if isinstance(kind, SliceOf):
        return NIL
    if isinstance(kind, Str):
        return Text("", None)
    return kind.zero() if isinstance(kind, Num) else None


def copied(cell: Any) -> Any:
    """A value as assignment copies it: structs and arrays whole, what they refer to shared."""
    if isinstance(cell, dict):
        return {name: copied(c) for name, c in cell.items()}
    return [copied(c) for c in cell] if isinstance(cell, list) else cell


def targets(cell: Any) -> Iterator[Block]:
    if isinstance(cell, (At, Header, Text)):
        if cell.block is not None:
            yield cell.block
    elif isinstance(cell, dict):
        for c in cell.values():
            yield from targets(c)
    elif isinstance(cell, list):
        for c in cell:
            yield from targets(c)


def reachable(roots: Iterable[Any]) -> set[Block]:
    seen: set[Block] = set()
    work = [block for root in roots for block in targets(root)]
    while work:
        block = work.pop()
        if block not in seen:
            seen.add(block)
            if has_pointers(block.kind):
                work.extend(targets(block.cells))
    return seen


def word_at(address: int) -> int:
    return int(ctypes.c_uint64.from_address(address).value)


# --- the heap against the model


class Comparison:
    """Reads what is in the heap through the API, beside the model."""

    def __init__(self, heap: gcsim.Heap) -> None:
        self.heap = heap
        self.work: list[tuple[Any, Any]] = []
        self.seen: set[Block] = set()

    def run(self, real: Any, kind: Any, model: Any) -> None:
        self.value(real, kind, model)
        while self.work:
            ref, at = self.work.pop()
            self.inside(ref, at.kind, at.cells)

    def value(self, real: Any, kind: Any, model: Any) -> None:
        if isinstance(kind, Num):
            assert real == model and type(real) is type(model)
        elif isinstance(kind, Str):
            assert real == model.text
        elif isinstance(kind, SliceOf):
            self.slice(real, kind, model)
        elif isinstance(kind, ArrayOf):
            assert len(real) == kind.n
            self.elements(real, kind.elem, model)
        elif isinstance(kind, Struct):
            self.inside(real, kind, model)
        elif model is None:
            assert real is None
        else:
            self.pointer(real, model)

    def pointer(self, real: Any, at: At) -> None:
        assert gcsim.address(real) == at.address and gcsim.heapof(real) is self.heap
        if isinstance(at.kind, Struct):
            assert type(real) is at.kind.gc
        if at.block not in self.seen:
            self.seen.add(at.block)
            self.work.append((real, at))

    def inside(self, ref: Any, kind: Any, cells: Any) -> None:
        if not isinstance(kind, Struct):
            self.value(ref.value, kind, cells)
            return
        for name, _, k in kind.fields:
            self.value(getattr(ref, name), k, cells[name])

    def slice(self, real: Any, kind: SliceOf, model: Header) -> None:
        if real is None:
            assert model.block is None and model.cap == 0
            return
        assert (len(real), real.cap) == (model.length, model.cap)
        if model.block is None:
            return
        assert model.block.address is not None
        assert real.address == model.block.address + model.start * kind.elem.size
        if model.block not in self.seen or len(self.seen) % 4 == 0:
            self.seen.add(model.block)
            stop = model.start + model.length
            self.elements(real, kind.elem, model.block.cells[model.start : stop])

    def elements(self, real: Any, elem: Any, cells: Any) -> None:
        if isinstance(cells, dict):
            for i in {0, 1, len(real) - 1, *cells}:
                self.value(real[i], elem, cells.get(i, zero(elem)))
            return
        for one, cell in zip(list(real), cells, strict=True):
            self.value(one, elem, cell)


def refused(error: type[gcsim.Error], call: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    try:
        call(*args, **kwargs)
    except error:
        return
    raise AssertionError(f"{call} took {args} {kwargs}")


PICK = st.integers(0, 1 << 16)
TEXTS = st.sampled_from(
    ["", "x", "grün", "0123456789abcdef", "💥" * 40, "nul\0inside", "\udcff raw"]
)
LONG_TEXTS = st.sampled_from(["", "sixteen bytes or more", "💥" * 8, "l" * 3000])


class Programs(RuleBasedStateMachine):
    """One heap and its model. Rules keep no reference to anything in the heap but in self's lists."""

    mode = "threads"
    mark = "object"
    heap: gcsim.Heap

    @initialize(
        gogc=st.sampled_from([None, 100, 10, 1, 0]), green_tea=st.booleans(), clobber=st.booleans()
    )
    def open(self, gogc: int | None, green_tea: bool, clobber: bool) -> None:
        self.heap = gcsim.Heap(
            mode=self.mode, mark=self.mark, gogc=gogc, green_tea=green_tea, clobber_free=clobber, reserve="256MiB"
        )  # fmt: skip
        self.other = gcsim.Heap(mode=self.mode)
        self.blocks: set[Block] = set()
        self.fresh: list[Block] = []  # made by the running operation
        self.refs: list[tuple[Any, At]] = []
        self.slices: list[tuple[Any, Any, Header]] = []
        self.globals: dict[str, tuple[Any, Any]] = {}  # name -> kind, value
        self.goroutines: list[tuple[Any, list[tuple[Any, dict[str, tuple[Any, Any]]]]]] = []
        self.weak: list[tuple[Any, At]] = []
        self.batches: list[tuple[Any, list[Block], list[int]]] = []
        self.cycles = 0
        self.before: set[Block] = set()
        self.tiny: set[int | None] = set()
        self.new(sorted(STRUCTS) * 2, gogc or 0, 3)
        self.go()

    # --- the model's side of an operation

    def roots(self) -> Iterator[Any]:
        for _, at in self.refs:
            yield at
        for _, _, header in self.slices:
            yield header
        for _, value in self.globals.values():
            yield value
        for _, frames in self.goroutines:
            for _, slots in frames:
                yield [value for _, value in slots.values()]
        for _, blocks, kept in self.batches:
            yield [At(blocks[i], 0) for i in kept]

    def made(
        self, kind: Any, count: int, address: int | None, cells: list[Any] | None = None
    ) -> Block:
        block = Block(
            kind, count, address, [zero(kind) for _ in range(count)] if cells is None else cells
        )
        self.blocks.add(block)
        self.fresh.append(block)
        return block

    def text(self, text: str, slot: int | None) -> Text:
        """The bytes of a string just stored; `slot`: where its two words are."""
        raw = text.encode("utf-8", "surrogateescape")
        if not raw:
            return Text("", None)
        return Text(
            text, self.made(U8, len(raw), None if slot is None else word_at(slot), list(raw))
        )

    def dies(self, dead: set[Block]) -> None:
        self.blocks -= dead

    @invariant()
    def what_lives_and_what_died(self) -> None:
        """Runs after each rule: was there a collection in it, and does all agree?"""
        if not hasattr(self, "heap"):
            return
        assert self.heap.verify()
        cycles = self.heap.memstats().num_gc
        after = reachable(self.roots())
        assert after <= self.blocks, "the model roots something that died"
        if cycles != self.cycles:
            self.cycles = cycles
            perhaps = (self.before | set(self.fresh)) - after
            for block in perhaps:
                block.lost = True
            self.dies(self.blocks - after - perhaps)
            self.check_slots(after, after | perhaps)
            self.check_weak()
        self.fresh.clear()
        self.before = after

    def check_slots(self, must: set[Block], may: set[Block], swept: bool = False) -> None:
        """The slots in use are those of `must`, and none but of `may`; also the block that tiny
        objects are taken from, which lives through a collection (mgcmark.go:gcMarkTinyAllocs)."""
        listed = {o.address + o.header_bytes: o for o in self.heap.objects()}
        needed = {b.slot for b in must if b.slot is not None}
        assert needed <= listed.keys(), (
            f"lost: {[b for b in must if b.slot in needed - listed.keys()]}"
        )
        extra = listed.keys() - {b.slot for b in may}
        self.tiny = {
            slot for slot in extra if listed[slot].noscan and listed[slot].slot_bytes == TINY
        }
        assert len(self.tiny) <= 1
        unknown = sum(b.slot is None for b in may)
        kept = len(extra - self.tiny)
        assert kept == unknown if must == may else kept <= unknown, f"kept: {extra}"
        counted = self.heap.memstats().heap_objects  # with those that are dead and not swept yet
        assert counted == len(listed) if swept else counted >= len(listed)

    def check_weak(self) -> None:
        watched, self.weak = self.weak, []
        shared = {b.slot for b in self.blocks if not b.lost}  # of a tiny block all live or none
        for weak, at in watched:
            if at.block in self.blocks or at.block.slot in self.tiny:
                self.weak.append((weak, at))
            if at.block in self.blocks:
                assert at.block.lost or gcsim.address(weak()) == at.address
            elif at.block.slot not in shared | self.tiny:
                assert weak() is None, f"{at} lives"

    # --- choosing

    def ref(self, i: int, *names: str) -> tuple[Any, At] | None:
        fitting = [r for r in self.refs if not names or getattr(r[1].kind, "name", "") in names]
        return fitting[i % len(fitting)] if fitting else None

    def target(self, i: int, name: str) -> tuple[Any, At | None]:
        """What to store into a pointer to struct `name`: nil now and then."""
        found = self.ref(i // 5, name) if i % 5 else None
        return found or (None, None)

    def hold(self, ref: Any, at: At) -> None:
        assert gcsim.address(ref) == at.address
        self.refs.append((ref, at))

    # --- allocation

    @rule(
        names=st.lists(st.sampled_from(sorted(STRUCTS)), min_size=1, max_size=6),
        value=PICK,
        link=PICK,
    )
    def new(self, names: list[str], value: int, link: int) -> None:
        for k, name in enumerate(names):
            self.new_struct(STRUCTS[name], value + k, link + k)

    def new_struct(self, struct: Struct, value: int, link: int) -> None:
        given: dict[str, Any] = {}
        cells = zero(struct)
        for field_name, _, kind in struct.fields:
            if isinstance(kind, Num):
                given[field_name] = cells[field_name] = kind.edges[value % len(kind.edges)]
            elif isinstance(kind, Ptr):
                given[field_name], cells[field_name] = self.target(link, kind.to)
        ref = self.heap.new(struct.gc, **given)
        self.hold(ref, At(self.made(struct, 1, gcsim.address(ref), [cells]), 0))

    @rule(kind=st.sampled_from(ALONE), value=PICK, text=TEXTS)
    def new_alone(self, kind: Any, value: int, text: str) -> None:
        if isinstance(kind, Str):
            ref = self.heap.new(string, value=text)
            cell: Any = self.text(text, gcsim.address(ref))
        elif isinstance(kind, Ptr):
            given, cell = self.target(value, kind.to)
            ref = self.heap.new(kind.gc, value=given)
        else:
            cell = kind.edges[value % len(kind.edges)]
            ref = self.heap.new(kind.gc, value=cell)
        self.hold(ref, At(self.made(kind, 1, gcsim.address(ref), [cell]), 0))

    @rule(kind=st.sampled_from(LARGE), i=PICK)
    def new_large(self, kind: Any, i: int) -> None:
        ref = self.heap.new(kind.gc)
        at = At(self.made(kind, 1, gcsim.address(ref)), 0)
        self.hold(ref, at)
        if isinstance(kind.elem, Ptr):
            target, model = self.target(i, "Node")
            ref.value[i % kind.n] = target
            at.cells[i % kind.n] = model
        else:
            ref.value[i % kind.n] = at.cells[i % kind.n] = i % 256

    @rule(kib=st.sampled_from([1, 30, 400]), count=st.integers(1, 8))
    def garbage(self, kib: int, count: int) -> None:
        for _ in range(count):
            ref = self.heap.new(array[u8, kib << 10])
            self.made(ArrayOf(U8, kib << 10), 1, gcsim.address(ref))

    @rule(i=PICK)
    def drop(self, i: int) -> None:
        if self.refs:
            del self.refs[i % len(self.refs)]

    @rule(i=st.integers(0, 2))
    def drop_every_third(self, i: int) -> None:
        del self.refs[i::3]
        del self.slices[i::3]

    # --- fields

    @rule(i=PICK, which=PICK, value=PICK, text=TEXTS)
    def store(self, i: int, which: int, value: int, text: str) -> None:
        """Any field of any struct."""
        found = self.ref(i, *STRUCTS)
        if found is None:
            return
        ref, at = found
        name, offset, kind = at.kind.fields[which % len(at.kind.fields)]
        if isinstance(kind, Num):
            given = cell = kind.edges[value % len(kind.edges)]
            setattr(ref, name, given)
        elif isinstance(kind, Ptr):
            given, cell = self.target(value, kind.to)
            setattr(ref, name, given)
        elif isinstance(kind, Any_):
            given, cell = self.ref(value) if value % 5 and self.refs else (None, None)  # type: ignore[misc]
            setattr(ref, name, given)
        elif isinstance(kind, Str):
            setattr(ref, name, text)
            cell = self.text(text, at.address + offset)
        elif isinstance(kind, SliceOf):
            given, cell = self.some_slice(value, kind.elem)
            setattr(ref, name, given)
        elif isinstance(kind, Struct):
            source = self.ref(value, kind.name)
            if source is None:
                return
            setattr(ref, name, source[0])
            cell = copied(source[1].cells)
        else:
            self.store_element(getattr(ref, name), kind.elem, at.cells[name], value)
            return
        at.cells[name] = cell

    def store_element(self, row: Any, elem: Any, cells: list[Any], value: int) -> None:
        index = value % len(cells)
        if isinstance(elem, Num):
            row[index] = cells[index] = elem.edges[value % len(elem.edges)]
        else:
            row[index], cells[index] = self.target(value, elem.to)

    @rule(i=PICK)
    def store_whole_array(self, i: int) -> None:
        found = self.ref(i, "Fan")
        if found:
            pairs = [self.target(i + k, "Node") for k in range(5)]
            found[0].arms = [real for real, _ in pairs]
            found[1].cells["arms"] = [model for _, model in pairs]

    @rule(i=PICK, which=PICK)
    def hold_what_a_field_refers_to(self, i: int, which: int) -> None:
        found = self.ref(i, *STRUCTS)
        if found is None:
            return
        ref, at = found
        name, _, kind = at.kind.fields[which % len(at.kind.fields)]
        cell = at.cells[name]
        if isinstance(kind, (Ptr, Any_)):
            if cell is None:
                assert getattr(ref, name) is None
            else:
                self.hold(getattr(ref, name), cell)
        elif isinstance(kind, Struct):
            self.hold(getattr(ref, name), At(at.block, at.index, (*at.path, name)))
        elif isinstance(kind, SliceOf) and cell.block is not None:
            self.slices.append((getattr(ref, name), kind.elem, cell))

    @rule(i=PICK, which=PICK, wrong=PICK)
    def store_what_does_not_fit(self, i: int, which: int, wrong: int) -> None:
        found = self.ref(i, *STRUCTS)
        if found is None:
            return
        ref, at = found
        name, _, kind = at.kind.fields[which % len(at.kind.fields)]
        if isinstance(kind, Num):
            refused(gcsim.Error, setattr, ref, name, kind.wrong[wrong % len(kind.wrong)])
            refused(
                gcsim.Error,
                self.heap.new,
                at.kind.gc,
                **{name: kind.wrong[wrong % len(kind.wrong)]},
            )
            self.made(at.kind, 1, None)  # which died at once
        elif isinstance(kind, ArrayOf):
            refused(gcsim.Error, setattr, ref, name, [None] * (kind.n + 1))
        else:
            refused(gcsim.ConversionError, setattr, ref, name, object())
            if not isinstance(kind, Str):
                refused(gcsim.Error, setattr, ref, name, self.other.new(Node))
        refused(gcsim.FieldError, getattr, ref, "nothing")

    # --- slices

    def some_slice(self, i: int, elem: Any) -> tuple[Any, Header]:
        fitting = [(s, h) for s, e, h in self.slices if e == elem]
        return fitting[i // 5 % len(fitting)] if i % 5 and fitting else (None, NIL)

    def elements_of(self, header: Header) -> list[Any]:
        assert header.block is not None
        return header.block.cells[header.start : header.start + header.length]

    @rule(elem=st.sampled_from(ELEMENTS), n=st.integers(0, 40), more=st.sampled_from([0, 0, 1, 7]))
    def new_slice(self, elem: Any, n: int, more: int) -> None:
        new = self.heap.new_slice(elem.gc, n, n + more)
        block = self.made(elem, n + more, new.address) if n + more else None
        self.slices.append((new, elem, Header(block, 0, n, n + more)))

    @rule(i=PICK)
    def drop_slice(self, i: int) -> None:
        if self.slices:
            del self.slices[i % len(self.slices)]

    @rule(i=PICK, index=PICK, value=PICK, text=TEXTS)
    def slice_store(self, i: int, index: int, value: int, text: str) -> None:
        if not self.slices:
            return
        real, elem, header = self.slices[i % len(self.slices)]
        if not header.length:
            refused(gcsim.Error, real.__setitem__, 0, None)
            return
        index %= header.length
        assert header.block is not None
        at = At(header.block, header.start + index)
        given, cell = self.element(elem, value, text)
        if given is None and isinstance(elem, Struct):
            return
        real[index - header.length if value % 2 else index] = given
        if isinstance(elem, Str):
            cell = self.text(text, at.address)
        header.block.cells[at.index] = cell

    def element(self, elem: Any, value: int, text: str) -> tuple[Any, Any]:
        """Something to store as an element, and its model (of a string: still to be found)."""
        if isinstance(elem, Num):
            number = elem.edges[value % len(elem.edges)]
            return number, number
        if isinstance(elem, Str):
            return text, None
        if isinstance(elem, Ptr):
            return self.target(value, elem.to)
        if isinstance(elem, Any_):
            return self.ref(value) if value % 5 and self.refs else (None, None)  # type: ignore[return-value]
        found = self.ref(value, elem.name)
        return (found[0], copied(found[1].cells)) if found else (None, None)

    @rule(i=PICK, start=PICK, stop=PICK)
    def slice_cut(self, i: int, start: int, stop: int) -> None:
        if not self.slices:
            return
        real, elem, h = self.slices[i % len(self.slices)]
        start, stop = start % (h.length + 1), stop % (h.cap + 1)
        if start > stop:
            start, stop = stop, start
        if stop <= h.length:
            cut = real[start:stop]
        else:
            refused(gcsim.Error, real.reslice, start, h.cap + 1)
            cut = real.reslice(start, stop)
        # A cut without capacity points to where the slice began: never behind the array.
        begin = h.start + start if h.cap > start else h.start
        self.slices.append((cut, elem, Header(h.block, begin, stop - start, h.cap - start)))

    @rule(i=PICK, values=st.lists(PICK, max_size=6), text=TEXTS)
    def slice_append(self, i: int, values: list[int], text: str) -> None:
        if not self.slices:
            return
        real, elem, h = self.slices[i % len(self.slices)]
        pairs = [self.element(elem, value, text) for value in values]
        if isinstance(elem, Struct):
            pairs = [pair for pair in pairs if pair[0] is not None]
        if not pairs:
            assert real.append() is real
            return
        new = real.append(*[given for given, _ in pairs])
        length = h.length + len(pairs)
        assert len(new) == length and new.cap >= length
        if length <= h.cap:
            assert h.block is not None and new.cap == h.cap
            header = Header(h.block, h.start, length, h.cap)
        else:
            block = self.made(elem, new.cap, new.address)
            if h.block is not None:
                block.cells[: h.length] = map(copied, self.elements_of(h))
            header = Header(block, 0, length, new.cap)
        assert header.block is not None
        for k, (_, cell) in enumerate(pairs):
            at = At(header.block, header.start + h.length + k)
            header.block.cells[at.index] = (
                self.text(text, at.address) if isinstance(elem, Str) else cell
            )
        self.slices[i % len(self.slices)] = (new, elem, header)

    @rule(i=PICK, k=PICK)
    def slice_copy(self, i: int, k: int) -> None:
        if not self.slices:
            return
        to, elem, h = self.slices[i % len(self.slices)]
        fitting = [(s, g) for s, e, g in self.slices if e == elem]
        source, g = fitting[k % len(fitting)]
        n = min(h.length, g.length)
        assert to.copy_from(source) == n
        if n:
            assert h.block is not None
            h.block.cells[h.start : h.start + n] = [copied(c) for c in self.elements_of(g)[:n]]

    @rule(i=PICK, index=PICK, which=PICK, value=PICK)
    def hold_a_struct_inside_a_slice(self, i: int, index: int, which: int, value: int) -> None:
        fitting = [(s, e, h) for s, e, h in self.slices if isinstance(e, Struct) and h.length]
        if not fitting:
            return
        real, _, h = fitting[i % len(fitting)]
        index %= h.length
        assert h.block is not None
        self.hold(real[index], At(h.block, h.start + index))

    # --- globals

    @rule(name=st.sampled_from("abc"), i=PICK, sort=st.integers(0, 3), text=LONG_TEXTS)
    def global_set(self, name: str, i: int, sort: int, text: str) -> None:
        if sort == 0 and self.refs:
            real, at = self.refs[i % len(self.refs)]
            self.heap.globals[name] = real
            self.globals[name] = (at.kind, at)
        elif sort == 1 and self.slices:
            real, elem, header = self.slices[i % len(self.slices)]
            self.heap.globals[name] = real
            self.globals[name] = (SliceOf(elem), header)
        elif sort == 2:
            self.heap.globals[name] = text
            self.globals[name] = (Str(), self.text(text, None))
        else:
            self.heap.globals[name] = None
            self.globals[name] = (None, None)

    @rule(name=st.sampled_from("abc"))
    def global_delete(self, name: str) -> None:
        if self.globals.pop(name, None) is None:
            refused(gcsim.Error, self.heap.globals.__delitem__, name)
            refused(gcsim.Error, self.heap.globals.__getitem__, name)
        else:
            del self.heap.globals[name]

    # --- goroutines

    @precondition(lambda self: hasattr(self, "heap") and len(self.goroutines) < 4)
    @rule()
    def go(self) -> None:
        self.goroutines.append((self.heap.goroutine(f"g{len(self.goroutines)}"), []))

    @rule(
        i=PICK,
        names=st.lists(st.sampled_from(["node", "wide", "text", "n", "rows", "any"]), unique=True),
        value=PICK,
        text=LONG_TEXTS,
    )
    def push(self, i: int, names: list[str], value: int, text: str) -> None:
        if not self.goroutines:
            return
        kinds = {
            "node": PTR_NODE,
            "wide": PTR_WIDE,
            "text": Str(),
            "n": I16,
            "rows": SliceOf(MIXED),
            "any": Any_(),
        }
        goroutine, frames = self.goroutines[i % len(self.goroutines)]
        slots = {name: (kinds[name], zero(kinds[name])) for name in names}
        frame = goroutine.push(f"f{len(frames)}", **{name: kinds[name].gc for name in names})
        frames.append((frame, slots))
        for k, name in enumerate(names):
            self.store_in_slot(frame, slots, name, value + k, text)

    @rule(k=PICK, which=PICK, value=PICK, text=LONG_TEXTS)
    def frame_store(self, k: int, which: int, value: int, text: str) -> None:
        frames = [f for _, fs in self.goroutines for f in fs if f[1]]
        if frames:
            frame, slots = frames[k % len(frames)]
            self.store_in_slot(frame, slots, sorted(slots)[which % len(slots)], value, text)

    def store_in_slot(
        self, frame: Any, slots: dict[str, Any], name: str, value: int, text: str
    ) -> None:
        kind = slots[name][0]
        if isinstance(kind, Num):
            given: Any = kind.edges[value % len(kind.edges)]
            cell: Any = given
        elif isinstance(kind, Ptr):
            given, cell = self.target(value, kind.to)
        elif isinstance(kind, SliceOf):
            given, cell = self.some_slice(value, kind.elem)
        elif isinstance(kind, Str):
            given, cell = text, None
        else:
            given, cell = self.ref(value) if value % 5 and self.refs else (None, None)  # type: ignore[misc]
        setattr(frame, name, given)
        slots[name] = (kind, self.text(text, None) if isinstance(kind, Str) else cell)

    @rule(i=PICK)
    def pop(self, i: int) -> None:
        if self.goroutines:
            goroutine, frames = self.goroutines[i % len(self.goroutines)]
            if frames:
                frame, slots = frames.pop()
                goroutine.pop(frame)
                for name in slots:
                    refused(gcsim.StaleReferenceError, getattr, frame, name)
            else:
                refused(gcsim.StateError, goroutine.pop)

    @rule(i=PICK)
    def end(self, i: int) -> None:
        if self.goroutines:
            goroutine, _ = self.goroutines.pop(i % len(self.goroutines))
            self.heap.end(goroutine)
            refused(gcsim.StaleReferenceError, goroutine.push, "late")

    # --- weak references

    @rule(i=PICK)
    def watch(self, i: int) -> None:
        if self.refs:
            ref, at = self.refs[i % len(self.refs)]
            self.weak.append((self.heap.weak(ref), at))

    @rule(i=PICK)
    def hold_what_is_watched(self, i: int) -> None:
        """Also what nothing else reaches any more, while no collection has found that out."""
        alive = [(w, at) for w, at in self.weak if at.block in self.blocks and not at.block.lost]
        if alive and not any(b.lost for b in reachable([alive[i % len(alive)][1]])):
            weak, at = alive[i % len(alive)]
            self.hold(weak(), at)

    # --- batches

    @rule(
        links=st.lists(st.integers(-1, 30), max_size=30),
        roots=st.lists(PICK, max_size=3),
        wide=st.booleans(),
    )
    def build(self, links: list[int], roots: list[int], wide: bool) -> None:
        n = len(links)
        links = [link if link < n else -1 for link in links]
        kept = [r % n for r in roots] if n else []
        columns = {"next": buffer("q" if wide else "i", links)}
        batch = self.heap.build(Node, n, links=columns, roots=kept)
        addresses = [gcsim.address(batch[i]) for i in range(n)]
        blocks = [self.made(NODE, 1, address) for address in addresses]
        for block, link in zip(blocks, links, strict=True):
            block.cells[0]["next"] = At(blocks[link], 0) if link >= 0 else None
        assert [gcsim.address(r) for r in batch.roots] == [addresses[i] for i in kept]
        batch.fill("n", buffer("q", range(n)))
        for i, block in enumerate(blocks):
            block.cells[0]["n"] = i
        self.batches.append((batch, blocks, kept))

    @rule(i=PICK)
    def read_batch(self, i: int) -> None:
        if not self.batches:
            return
        batch, blocks, _ = self.batches[i % len(self.batches)]
        alive, links, numbers = batch.alive(), batch.links("next"), batch.values("n")
        index = {block: k for k, block in enumerate(blocks)}
        for k, block in enumerate(blocks):
            if block not in self.blocks:
                assert not alive[k], f"object {k} lives"
                refused(gcsim.StaleReferenceError, batch.__getitem__, k)
            elif not block.lost:
                assert alive[k], f"object {k} is dead"
                assert numbers[k] == block.cells[0]["n"]
                to = block.cells[0]["next"]
                if to is None:
                    assert links[k] == -1
                elif to.block.kind is not NODE or to.block not in index:
                    assert links[k] == -2
                else:
                    assert links[k] == index[to.block]

    @rule(i=PICK, k=PICK)
    def hold_one_of_a_batch(self, i: int, k: int) -> None:
        if not self.batches:
            return
        batch, blocks, _ = self.batches[i % len(self.batches)]
        alive = [n for n, b in enumerate(blocks) if b in self.blocks and not b.lost]
        if alive:
            n = alive[k % len(alive)]
            if not any(b.lost for b in reachable([At(blocks[n], 0)])):
                self.hold(batch[n], At(blocks[n], 0))

    @rule(i=PICK)
    def drop_batch(self, i: int) -> None:
        if self.batches:
            del self.batches[i % len(self.batches)]

    # --- collecting

    @rule()
    def collect(self) -> None:
        live = reachable(self.roots())
        cycle = self.heap.collect()
        self.cycles = self.heap.memstats().num_gc
        assert cycle.trigger == "forced" and cycle.number == self.cycles
        self.dies(self.blocks - live)
        self.check_slots(live, live, swept=True)
        assert cycle.objects_marked == len({b.slot or b for b in live} | self.tiny)
        self.check_weak()
        self.compare()

    @rule(percent=st.sampled_from([None, 100, 20, 1, 0, 1000]))
    def set_percent(self, percent: int | None) -> None:
        self.heap.gc_percent = percent
        assert self.heap.gc_percent == percent

    @rule()
    def compare(self) -> None:
        """Everything that can be read is what the model says."""
        seen = Comparison(self.heap)
        for ref, at in self.refs:
            seen.pointer(ref, at)
            seen.inside(ref, at.kind, at.cells)
            seen.work.clear()
        for real, elem, header in self.slices:
            seen.run(real, SliceOf(elem), header)
        assert set(self.heap.globals) == set(self.globals)
        for name, (kind, value) in self.globals.items():
            real = self.heap.globals[name]
            if isinstance(value, At):
                seen.pointer(real, value)
            else:
                seen.run(real, kind, value)
        for goroutine, frames in self.goroutines:
            assert list(goroutine.frames) == [f for f, _ in reversed(frames)]
            for frame, slots in frames:
                for name, (kind, value) in slots.items():
                    seen.run(getattr(frame, name), kind, value)

    def teardown(self) -> None:
        if hasattr(self, "heap"):
            self.collect()
            self.what_lives_and_what_died()
            self.heap.close()
            self.other.close()


PROFILE = settings(
    max_examples=1500 if SOAK else 32,
    stateful_step_count=200 if SOAK else 80,
    derandomize=not SOAK,
    print_blob=True,
    report_multiple_bugs=False,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("mark", ["object", "field", "span", "mixed"])
def test_random_programs_agree_with_the_model(mode: str, mark: str) -> None:
    machine = type(f"Programs_{mode}_{mark}", (Programs,), {"mode": mode, "mark": mark})
    run_state_machine_as_test(machine, settings=PROFILE)
