"""Ref and the fields of structs: exact values, identity, and what Python must not be able to do."""

from __future__ import annotations

import copy
import ctypes
import gc
import math
import pickle
import struct as struct_module
import sys
from typing import Any

import pytest

import gcsim
from gcsim import (
    array,
    bool_,
    c64,
    c128,
    chan,
    f32,
    f64,
    func_,
    i8,
    i16,
    i32,
    i64,
    iface,
    map_,
    ptr,
    string,
    u8,
    u16,
    u32,
    u64,
    uintptr,
)  # fmt: skip


@gcsim.struct
class Node:
    next: ptr["Node"]
    n: i64


@gcsim.struct
class Numbers:
    a: i8
    b: u8
    c: i16
    d: u16
    e: i32
    f: u32
    g: i64
    h: u64
    p: uintptr
    x: f32
    y: f64
    v: c64
    w: c128
    t: bool_


@gcsim.struct
class Point:
    x: i32
    y: i32


@gcsim.struct
class Box:
    low: Point
    high: Point
    owner: ptr[Node]
    name: string
    any: iface
    first: ptr[Point]


@gcsim.struct
class Nils:
    m: map_[string, i64]
    c: chan[i64]
    f: func_
    u: ptr


INTS = {"a": (8, True), "b": (8, False), "c": (16, True), "d": (16, False), "e": (32, True),
        "f": (32, False), "g": (64, True), "h": (64, False), "p": (64, False)}  # fmt: skip


def bounds(bits: int, signed: bool) -> tuple[int, int]:
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)


# --- numbers


@pytest.mark.parametrize("name", INTS)
def test_ints_hold_exactly_their_range(heap: gcsim.Heap, name: str) -> None:
    low, high = bounds(*INTS[name])
    numbers = heap.new(Numbers)
    for value in (low, low + 1, 0, 1, high - 1, high):
        setattr(numbers, name, value)
        assert getattr(numbers, name) == value
    for value in (low - 1, high + 1, 1 << 64, -(1 << 63) - 1, 1 << 5000, -(1 << 5000)):
        with pytest.raises(gcsim.RangeError, match=rf"Numbers\.{name}") as caught:
            setattr(numbers, name, value)
        assert isinstance(caught.value, OverflowError)
        with pytest.raises(gcsim.RangeError):
            heap.new(Numbers, **{name: value})
    assert getattr(numbers, name) == high, "and nothing is written otherwise"


def test_neighbours_are_not_touched(heap: gcsim.Heap) -> None:
    numbers = heap.new(Numbers)
    for name, kind in INTS.items():
        setattr(numbers, name, bounds(*kind)[1])
        others = {other for other in INTS if getattr(numbers, other) != 0}
        assert others == {name}
        setattr(numbers, name, 0)


def test_ints_take_what_has_an_index_and_nothing_else(heap: gcsim.Heap) -> None:
    class Seven:
        def __index__(self) -> int:
            return 7

    numbers = heap.new(Numbers, a=Seven(), h=Seven(), g=True)
    assert (numbers.a, numbers.h, numbers.g) == (7, 7, 1)
    for bad in (1.0, "1", None, b"1", [], 1j):
        for name in INTS:
            with pytest.raises(gcsim.ConversionError, match=rf"Numbers\.{name}") as caught:
                setattr(numbers, name, bad)
            assert isinstance(caught.value, TypeError)
    assert numbers.a == 7


def test_floats_and_complex_numbers_round_once_and_never_to_infinity(heap: gcsim.Heap) -> None:
    numbers = heap.new(Numbers, x=0.1, y=0.1, v=0.1 + 2j, w=0.1 + 2j)
    single = struct_module.unpack("f", struct_module.pack("f", 0.1))[0]
    assert (numbers.x, numbers.y, numbers.v, numbers.w) == (
        single,
        0.1,
        complex(single, 2),
        0.1 + 2j,
    )
    numbers.x, numbers.y = -math.inf, math.inf
    assert (numbers.x, numbers.y) == (-math.inf, math.inf)
    numbers.y = math.nan
    assert math.isnan(numbers.y)
    numbers.y = 3
    assert numbers.y == 3.0
    for name, bad in (
        ("x", 1e39),
        ("x", 1 << 2000),
        ("y", 1 << 2000),
        ("v", 1e39j),
        ("w", 1 << 2000),
    ):
        with pytest.raises(gcsim.RangeError):
            setattr(numbers, name, bad)
    for name in "xyvw":
        with pytest.raises(gcsim.ConversionError):
            setattr(numbers, name, "1")
        with pytest.raises(gcsim.ConversionError):
            setattr(numbers, name, None)
    with pytest.raises(gcsim.ConversionError):
        numbers.y = 1j


def test_bools_are_true_or_false(heap: gcsim.Heap) -> None:
    numbers = heap.new(Numbers, t=True)
    assert numbers.t is True
    numbers.t = False
    assert numbers.t is False
    for bad in (1, 0, None, "True"):
        with pytest.raises(gcsim.ConversionError):
            numbers.t = bad


def test_an_error_in_index_goes_through(heap: gcsim.Heap) -> None:
    class Broken:
        def __index__(self) -> int:
            raise KeyError("mine")

        __float__ = __complex__ = __index__

    numbers = heap.new(Numbers)
    for name in ("a", "h", "x", "y", "v", "w"):
        with pytest.raises(KeyError, match="mine"):
            setattr(numbers, name, Broken())


@pytest.mark.parametrize("name", ["a", "h", "y", "w"])
def test_a_conversion_that_closes_the_heap_is_told_so(mode: str, name: str) -> None:
    heap = gcsim.Heap(mode=mode)
    numbers = heap.new(Numbers)

    class Closing:
        def __index__(self) -> int:
            heap.close()
            return 1

        def __float__(self) -> float:
            return float(self.__index__())

        def __complex__(self) -> complex:
            return complex(self.__index__())

    with pytest.raises(gcsim.ClosedHeapError):
        setattr(numbers, name, Closing())


# --- strings


def test_strings_are_utf8_bytes_on_the_heap(heap: gcsim.Heap) -> None:
    box = heap.new(Box, name="grün")
    box.low.x = 1
    for text in (
        "",
        "a",
        "grün",
        "💥" * 1000,
        "nul\0inside",
        b"\xff\xfe".decode("utf-8", "surrogateescape"),
    ):
        box.name = text
        heap.collect()
        assert box.name == text
    box.name = b"\xffbytes"
    assert box.name == "\udcffbytes"
    assert box.low.x == 1
    for bad in (None, 1, bytearray(b"x"), "\ud800"):
        with pytest.raises(gcsim.ConversionError):
            box.name = bad


def test_the_bytes_of_a_string_die_with_its_last_holder(heap: gcsim.Heap) -> None:
    box = heap.new(Box, name="x" * 100_000)
    begin = heap.collect()
    del begin
    live = heap_bytes(heap)
    box.name = "short"
    heap.collect()
    assert heap_bytes(heap) <= live - 100_000


def heap_bytes(heap: gcsim.Heap) -> int:
    return heap.memstats().heap_alloc


# --- pointers


def test_a_pointer_reads_as_a_reference_or_none(heap: gcsim.Heap) -> None:
    a, b = heap.new(Node, n=1), heap.new(Node, n=2)
    assert a.next is None
    a.next = b
    assert a.next == b and isinstance(a.next, Node) and a.next is not b
    a.next.n = 20
    assert b.n == 20
    a.next = None
    assert a.next is None


def test_a_pointer_takes_its_own_type_of_its_own_heap_only(heap: gcsim.Heap) -> None:
    node = heap.new(Node)
    with gcsim.Heap() as other:
        with pytest.raises(gcsim.WrongHeapError) as caught:
            node.next = other.new(Node)
        assert isinstance(caught.value, ValueError)
        with pytest.raises(gcsim.WrongHeapError):
            heap.new(Node, next=other.new(Node))
    for bad in (heap.new(Point), 0, gcsim.address(node), Node, "Node", heap):
        with pytest.raises(gcsim.ConversionError, match=r"Node\.next"):
            node.next = bad
    assert node.next is None


def test_of_classes_for_one_type_the_newest_that_lives_is_what_pointers_give(
    heap: gcsim.Heap,
) -> None:
    def declare() -> Any:
        @gcsim.struct
        class Local:
            next: ptr["Local"]

            def mine(self) -> type:
                return Local

        return Local

    classes = [declare() for _ in range(4)]
    refs = [heap.new(cls) for cls in classes]
    refs[0].next = refs[0]
    for dropped in (1, 2, 1):  # of 0 1 2 3; of 0 2 3; of 0 2
        newest = classes[-1]
        assert type(refs[0].next) is newest is refs[0].next.mine()
        del classes[dropped], refs[dropped], newest
        gc.collect()
    assert type(refs[0].next) is classes[0] is refs[0].next.mine()
    del classes
    assert heap.verify()


def test_the_same_struct_declared_twice_is_one_type(heap: gcsim.Heap) -> None:
    def declare() -> Any:
        @gcsim.struct
        class Twice:
            next: ptr["Twice"]
            n: i64

        return Twice

    first, second = declare(), declare()
    assert first is not second
    a, b = heap.new(first, n=1), heap.new(second, n=2)
    a.next, b.next = b, a
    assert a.next.n == 2 and b.next.n == 1
    assert gcsim.typeof(a) is gcsim.typeof(b)


def test_a_pointer_to_a_class_that_is_gone_still_reads(heap: gcsim.Heap) -> None:
    def declare() -> Any:
        @gcsim.struct
        class Inner:
            n: i64

        @gcsim.struct
        class Outer:
            inner: ptr[Inner]

        return heap.new(Outer, inner=heap.new(Inner, n=3))

    outer = declare()
    gc.collect()
    assert outer.inner.n == 3
    assert type(outer.inner).__name__ == "Inner"


# --- structs inside structs


def test_a_struct_by_value_reads_as_an_interior_reference_that_keeps_the_whole(
    heap: gcsim.Heap,
) -> None:
    box = heap.new(Box, owner=heap.new(Node, n=5))
    weak, high = heap.weak(box), box.high
    assert gcsim.address(high) == gcsim.address(box) + gcsim.offsetof(Box, "high")
    high.y = 9
    del box
    heap.collect()
    assert weak().high.y == 9 and weak().owner.n == 5
    del high
    heap.collect()
    assert weak() is None


def test_assigning_a_struct_by_value_copies(heap: gcsim.Heap) -> None:
    box, point = heap.new(Box), heap.new(Point, x=3, y=4)
    box.low = point
    point.x = 30
    assert (box.low.x, box.low.y, box.high.x) == (3, 4, 0)
    box.high = box.low
    assert (box.high.x, box.high.y) == (3, 4)
    box.first = box.high
    box.first.y = 44
    assert box.high.y == 44
    for bad in (None, 3, heap.new(Node), (1, 2)):
        with pytest.raises(gcsim.ConversionError):
            box.low = bad
    with gcsim.Heap() as other, pytest.raises(gcsim.WrongHeapError):
        box.low = other.new(Point)


def test_copied_pointers_keep_their_objects(heap: gcsim.Heap) -> None:
    @gcsim.struct
    class Pair:
        a: Box
        b: Box

    pair = heap.new(Pair)
    pair.a.owner, pair.a.name = heap.new(Node, n=7), "kept"
    pair.b = pair.a
    pair.a = heap.new(Box)
    heap.collect()
    assert pair.a.owner is None and pair.b.owner.n == 7 and pair.b.name == "kept"


def test_an_embedded_struct_promotes_its_fields(heap: gcsim.Heap) -> None:
    @gcsim.struct
    class Base:
        n: i64
        tag: u8

    @gcsim.struct
    class Other:
        n: i64
        other: i64

    @gcsim.struct
    class Derived(Base, Other):
        own: i64

    both = heap.new(Derived, own=1, tag=2, other=3)
    assert (both.own, both.tag, both.other) == (1, 2, 3)
    assert (both.Base.tag, both.Other.other) == (2, 3)
    both.Base.n, both.Other.n = 10, 20
    assert (both.Base.n, both.Other.n) == (10, 20)
    with pytest.raises(gcsim.FieldError, match="ambiguous"):
        _ = both.n
    with pytest.raises(gcsim.FieldError, match="ambiguous"):
        both.n = 1
    assert Base.tag.__get__(both) == 2
    with pytest.raises(gcsim.ConversionError):
        Other.other.__get__(both)  # Other does not begin where Derived does
    with pytest.raises(gcsim.ConversionError):
        Derived.own.__get__(heap.new(Base))


# --- interfaces, and what is only nil yet


def test_an_interface_holds_any_reference_with_its_type(heap: gcsim.Heap) -> None:
    box = heap.new(Box)
    assert box.any is None
    for value in (heap.new(Node, n=1), heap.new(Point, x=2), box, heap.new(i64, value=8), box.high):
        box.any = value
        heap.collect()
        assert box.any == value and type(box.any) is type(value)
    weak = heap.weak(heap.new(Node))
    box.any = weak()
    heap.collect()
    assert weak() is not None
    box.any = None
    heap.collect()
    assert box.any is None and weak() is None
    for bad in (object(), [], Node):
        with pytest.raises(gcsim.ConversionError):
            box.any = bad


def test_channels_and_unsafe_pointers_are_nil_only(heap: gcsim.Heap) -> None:
    nils = heap.new(Nils, m=None, c=None, f=None, u=None)
    for name in ("c", "u"):
        assert getattr(nils, name) is None
        setattr(nils, name, None)
        with pytest.raises(gcsim.NotThereYetError, match=rf"Nils\.{name}"):
            setattr(nils, name, {})


# --- names


def test_fields_win_over_every_name_that_a_reference_has(heap: gcsim.Heap) -> None:
    names = (
        "heap",
        "handle",
        "address",
        "copy",
        "value",
        "new",
        "close",
        "mro",
        "keys",
        "self",
        "t",
    )
    loud: Any = gcsim.struct(type("Loud", (), {"__annotations__": dict.fromkeys(names, i64)}))
    ref = heap.new(loud, **{name: i for i, name in enumerate(names)})
    assert [getattr(ref, name) for name in names] == list(range(len(names)))
    assert [name for name in dir(gcsim.Ref) if not name.startswith("__")] == []


def test_a_name_that_is_no_field_raises_and_lists_the_fields(heap: gcsim.Heap) -> None:
    node = heap.new(Node)
    for use in (lambda: node.nn, lambda: setattr(node, "nn", 1), lambda: delattr(node, "nn")):
        with pytest.raises(gcsim.FieldError, match="next, n") as caught:
            use()
        assert isinstance(caught.value, AttributeError)
    assert not hasattr(node, "nn") and getattr(node, "nn", 5) == 5
    with pytest.raises(AttributeError):
        del node.n
    with pytest.raises(AttributeError):
        _ = node.__dict__


def test_methods_and_class_variables_of_the_class_are_kept(heap: gcsim.Heap) -> None:
    @gcsim.struct
    class Cell:
        n: i64
        unit = 10

        def scaled(self) -> int:
            return self.n * self.unit

        @property
        def double(self) -> int:
            return self.n * 2

    cell = heap.new(Cell, n=4)
    assert (cell.scaled(), cell.double) == (40, 8)
    Cell.unit = 100
    Cell.half = lambda self: self.n // 2
    assert (cell.scaled(), cell.half()) == (400, 2)


# --- identity


def test_equality_and_hash_are_heap_and_address(heap: gcsim.Heap) -> None:
    a, b = heap.new(Node), heap.new(Node)
    a.next = b
    again = a.next
    assert again == b and hash(again) == hash(b) and {b: 1}[again] == 1
    assert a != b and a != None and a != gcsim.address(a)  # noqa: E711
    with gcsim.Heap(mode=heap.mode) as other:
        assert all(heap.new(Node) != node for node in (other.new(Node) for _ in range(50)))
    with pytest.raises(TypeError):
        _ = a < b
    box = heap.new(Box)
    assert box.low == box and box.high != box, "the first field is where the struct is"


def test_references_of_closed_heaps_do_not_equal_those_that_came_to_their_addresses(
    mode: str,
) -> None:
    refs = []
    for _ in range(20):
        with gcsim.Heap(mode=mode) as heap:
            refs.append(heap.new(Node))
    assert len({gcsim.address(ref) for ref in refs}) < 20, "the system gives addresses out again"
    assert len(set(refs)) == 20


def test_a_reference_is_always_true_and_keeps_its_identity_after_close(heap: gcsim.Heap) -> None:
    a, b = heap.new(Node), heap.new(Node)
    a.next = b
    again, where, number = a.next, gcsim.address(b), hash(b)
    assert bool(a)
    heap.close()
    assert bool(a) and again == b and a != b and hash(b) == number == hash(again)
    assert gcsim.address(b) == where
    assert gcsim.typeof(a) is gcsim.typeof(b) and gcsim.heapof(a) is heap


def test_copy_is_the_same_object_and_other_copies_name_snapshot(heap: gcsim.Heap) -> None:
    node = heap.new(Node)
    assert copy.copy(node) is node
    for use in (copy.deepcopy, pickle.dumps, lambda n: n.__reduce__()):
        with pytest.raises(gcsim.ConversionError, match="snapshot"):
            use(node)


def test_repr_shows_fields_and_never_raises(heap: gcsim.Heap) -> None:
    node = heap.new(Node, n=42)
    assert (
        "Node" in repr(node) and "n=42" in repr(node) and f"{gcsim.address(node):#x}" in repr(node)
    )
    assert "next=None" in repr(node)
    node.next = node
    assert f"next={gcsim.address(node):#x}" in repr(node)
    for cls in (Numbers, Box, Nils):
        assert cls.__name__ in repr(heap.new(cls))
    assert "100000" in repr(heap.new(Box, name="x" * 100_000))
    heap.close()
    assert "closed" in repr(node) and "n=" not in repr(node)


# --- weak references


def test_weak_references_do_not_keep_and_tell_when_it_is_over(heap: gcsim.Heap) -> None:
    node = heap.new(Node, n=3)
    weak, again, other = heap.weak(node), heap.weak(node), heap.weak(heap.new(Node))
    assert weak == again and hash(weak) == hash(again) and weak != other and weak != node
    assert weak() == node and weak().n == 3
    heap.collect()
    assert weak() == node and other() is None and "dead" in repr(other) and "dead" not in repr(weak)
    del node
    heap.collect()
    assert weak() is None and weak == again
    fresh = [heap.weak(heap.new(Node)) for _ in range(1000)]
    assert all(weak != w for w in fresh), "the address may be used again, the weak reference is not"
    for bad in (None, 1, Node):
        with pytest.raises(gcsim.ConversionError):
            heap.weak(bad)
    with gcsim.Heap() as another, pytest.raises(gcsim.WrongHeapError):
        heap.weak(another.new(Node))
    with pytest.raises(gcsim.ConversionError):
        pickle.dumps(weak)


def test_a_weak_reference_to_the_inside_lives_with_the_whole(heap: gcsim.Heap) -> None:
    box = heap.new(Box)
    weak = heap.weak(box.high)
    heap.collect()
    assert weak() == box.high
    del box
    heap.collect()
    assert weak() is None


# --- what must not be possible


def test_references_come_from_heaps_only() -> None:
    for call in (
        Node,
        lambda: Node(n=1),
        gcsim.Ref,
        lambda: gcsim.Ref.__new__(Node),
        lambda: object.__new__(Node),
        lambda: Node.__new__(Node),
        lambda: type.__call__(Node),
        lambda: gcsim.Weak(),
    ):
        with pytest.raises(TypeError):
            call()
    with pytest.raises(gcsim.ConversionError, match=r"heap\.new\(Node"):
        Node()


def test_a_reference_cannot_be_given_another_class(heap: gcsim.Heap) -> None:
    node, point = heap.new(Node), heap.new(Point)
    for use in (
        lambda: setattr(point, "__class__", Node),
        lambda: object.__setattr__(point, "__class__", Node),
        lambda: object.__dict__["__class__"].__set__(point, Node),
        lambda: setattr(Point, "__bases__", (Node,)),
        lambda: type.__dict__["__bases__"].__set__(Point, (Node,)),
        lambda: setattr(Point, "x", Node.n),
        lambda: type.__setattr__(Point, "x", Node.n),
        lambda: delattr(Point, "x"),
        lambda: setattr(Point, "__eq__", lambda a, b: True),
        lambda: Node.n.__get__(point),
        lambda: Node.n.__set__(point, 1),
        lambda: Node.n.__set__(3, 1),
        lambda: Node.n.__get__(Node),
        lambda: Node.n.__delete__(node),
    ):
        with pytest.raises((TypeError, AttributeError)):
            use()
    assert type(point) is Point and point.x == 0
    assert Node.n.__get__(None, Node) is Node.n


def test_hostile_resolvers_cannot_place_fields_outside(heap: gcsim.Heap) -> None:
    from gcsim import _core, _types

    big = _types.describe(array[u8, 4096])
    small = _types.describe(i64)

    class Declaration:
        annotations = ("n",)
        bases = ()

        def __init__(self, info: Any) -> None:
            self.info = info

        def __call__(self, cls: type) -> Any:
            return self.info

    def struct_of(offset: int, field: Any) -> Any:
        info = _types.TypeInfo("struct", (8, 8, 0), name="Evil", mask=b"")
        info._set(fields=(_types.Field("n", offset, field),))
        return info

    for info in (
        *(struct_of(offset, small) for offset in (8, -8, 1, 1 << 63)),
        struct_of(0, big),
        _types.TypeInfo("array", (8, 8, 0), mask=b"", count=2, elem=small),
        _types.TypeInfo("nonsense", (8, 8, 0), mask=b""),
        None,
        5,
        small.__class__,
    ):
        cls = _core.make_struct_class("Evil", __name__, "Evil", None, gcsim.Ref, Declaration(info))
        with pytest.raises((gcsim.Error, TypeError, OverflowError, AttributeError)):
            heap.new(cls)


def test_a_resolver_that_fails_can_be_tried_again(heap: gcsim.Heap) -> None:
    @gcsim.struct
    class Early:
        late: ptr["LaterDefined"]  # noqa: F821

    early = heap.new(Early)
    assert early.late is None
    with pytest.raises(gcsim.TypeDefinitionError, match="LaterDefined"):
        early.late = heap.new(Node)
    globals()["LaterDefined"] = Node
    try:
        early.late = heap.new(Node, n=6)
        assert early.late.n == 6
    finally:
        del globals()["LaterDefined"]


def test_references_are_small_and_unknown_to_pythons_collector(heap: gcsim.Heap) -> None:
    node = heap.new(Node)
    assert not gc.is_tracked(node)
    assert sys.getsizeof(node) <= 48
    assert ctypes.sizeof(ctypes.c_void_p) == 8


def test_reference_counts_settle(heap: gcsim.Heap) -> None:
    def work(*, list_handles: bool = False) -> None:
        node = heap.new(Node, n=1)
        node.next = node
        assert node.next.n == 1 and heap.weak(node)() == node
        box = heap.new(Box, name="text", any=node)
        assert box.name == "text" and box.any.n == 1 and repr(box)
        for bad in (
            lambda: heap.new(Node, n=1.5),
            lambda: heap.new(Box, any=object()),
            lambda: node.zz,
        ):
            with pytest.raises(gcsim.Error):
                bad()
        if list_handles:  # who holds each one: a walk through all of Python's objects
            heap.handles()

    for _ in range(3):
        work(list_handles=True)
    gc.collect()
    counts = [sys.getrefcount(o) for o in (heap, Node, Box, Node.n, gcsim.Ref)]
    objects = len(gc.get_objects())
    for i in range(50):
        work(list_handles=i % 10 == 0)
    gc.collect()
    after = [sys.getrefcount(o) for o in (heap, Node, Box, Node.n, gcsim.Ref)]
    assert after == counts
    assert len(gc.get_objects()) < objects + 50
