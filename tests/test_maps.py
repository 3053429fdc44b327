"""Maps in Python: mutable mappings that live in the heap and do what Go's maps do."""

from __future__ import annotations

import copy
import gc
import math
import pickle
import random
import threading
from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import gcsim
from gcsim import (
    array,
    bool_,
    c128,
    f32,
    f64,
    func_,
    i32,
    i64,
    iface,
    map_,
    ptr,
    slice_,
    string,
    u8,
    u64,
)


@gcsim.struct
class Point:
    x: i32
    y: i32


@gcsim.struct
class Named:
    name: string
    at: f64


@gcsim.struct
class Node:
    next: ptr["Node"]
    n: i64


@gcsim.struct
class Tagged:
    tag: iface
    n: i64


@gcsim.struct
class Holder:
    index: map_[string, i64]
    nodes: map_[i64, ptr[Node]]
    deep: map_[string, map_[string, i64]]


@pytest.fixture
def heap() -> Iterator[gcsim.Heap]:
    with gcsim.Heap(gogc=50, seed=3, debug="gccheckmark=1,clobberfree=1") as h:
        yield h
        assert h.verify()


# --- a mapping -----------------------------------------------------------------------------------


def test_it_is_a_mutable_mapping(heap: gcsim.Heap) -> None:
    m = heap.new_map(str, i64)
    assert isinstance(m, gcsim.Map)
    assert isinstance(m, MutableMapping)
    assert len(m) == 0 and not m
    m["a"] = 1
    m["b"] = 2
    m["a"] += 10
    assert dict(m) == {"a": 11, "b": 2}
    assert m == {"a": 11, "b": 2} and m == {"a": 11, "b": 2}
    assert m != {"a": 11} and m != {"a": 11, "b": 3} and m != {"a": 11, 2: 2} and m != 5
    assert sorted(m) == sorted(m.keys()) == ["a", "b"]
    assert sorted(m.values()) == [2, 11] and 11 in m.values() and 12 not in m.values()
    assert sorted(m.items()) == [("a", 11), ("b", 2)] and ("b", 2) in m.items()
    assert m.get("a") == 11 and m.get("c") is None and m.get("c", 7) == 7
    assert m.setdefault("c", 3) == 3 and m.setdefault("c", 4) == 3
    m.update({"d": 4}, e=5)
    assert m.pop("d") == 4 and m.pop("d", None) is None
    key, value = m.popitem()
    assert key not in m and value in {11, 2, 3, 5}
    del m[next(iter(m))]
    assert len(m) == 2
    m.clear()
    assert len(m) == 0 and list(m) == []
    with pytest.raises(KeyError):
        m.popitem()
    with pytest.raises(TypeError):
        hash(m)


def test_a_key_that_is_not_there(heap: gcsim.Heap) -> None:
    m = heap.new_map(str, i64)
    for call in (lambda: m["no"], lambda: m.pop("no"), lambda: m.__delitem__("no")):
        with pytest.raises(gcsim.MissingKeyError) as caught:
            call()
        assert isinstance(caught.value, KeyError) and isinstance(caught.value, gcsim.Error)
        assert caught.value.args == ("no",)


def test_how_it_prints(heap: gcsim.Heap) -> None:
    m = heap.new_map(i64, str)
    assert repr(m) == f"<map[int64]string at {m.address:#x}, len 0: {{}}>"
    for k in range(40, 0, -1):
        m[k] = str(k)
    assert "len 40: {1: '1', 2: '2', 3: '3'" in repr(m) and repr(m).endswith("12: '12', ...}>")
    assert m.key.name == "int64" and m.elem.name == "string" and m.type.name == "map[int64]string"


# --- keys and elements of all sorts --------------------------------------------------------------

SORTS: list[tuple[Any, list[Any]]] = [
    (i64, [0, -1, 2**63 - 1, -(2**63), 7]),
    (int, [0, 5]),
    (u8, [0, 1, 255]),
    (u64, [0, 2**64 - 1]),
    (bool, [True, False]),
    (bool_, [False]),
    (f64, [0.0, 1.5, -math.inf]),
    (f32, [0.5, 2.0]),
    (c128, [1j, 2 + 3j, 0j]),
    (str, ["", "a", "ä" * 40, "key" * 100, "\udcff"]),
    (string, ["x"]),
    (array[u8, 16], [b"0123456789abcdef", bytes(16)]),
    (array[string, 2], [("a", "b"), ("ab", ""), ("", "ab")]),
    (array[u8, 200], [bytes(200), bytes(range(200))]),
]


@pytest.mark.parametrize(("sort", "keys"), SORTS, ids=lambda v: str(v)[:24])
def test_keys_of_each_sort(heap: gcsim.Heap, sort: Any, keys: list[Any]) -> None:
    m = heap.new_map(sort, i64)
    for n, key in enumerate(keys):
        m[key] = n
    heap.collect()
    assert len(m) == len(keys)
    for n, key in enumerate(keys):
        assert m[key] == n and key in m
    back = [list(k) if isinstance(k, gcsim.Array) else k for k in m]
    given = [list(k) if isinstance(k, (bytes, tuple)) else k for k in keys]
    assert sorted(back, key=repr) == sorted(given, key=repr)
    for key in keys:
        del m[key]
    assert len(m) == 0


@pytest.mark.parametrize(("sort", "values"), SORTS, ids=lambda v: str(v)[:24])
def test_elements_of_each_sort(heap: gcsim.Heap, sort: Any, values: list[Any]) -> None:
    m = heap.new_map(i64, sort)
    for n in range(30):
        m[n] = values[n % len(values)]
    heap.collect()
    for n in range(30):
        value = values[n % len(values)]
        got = m[n]
        assert (list(got) if isinstance(got, gcsim.Array) else got) == (
            list(value) if isinstance(value, (bytes, tuple)) else value
        )


def test_structs_are_keys_by_what_is_in_them(heap: gcsim.Heap) -> None:
    m = heap.new_map(Point, str)
    m[heap.new(Point, x=1, y=2)] = "here"
    assert m[heap.new(Point, x=1, y=2)] == "here"
    assert heap.new(Point, x=2, y=1) not in m
    named = heap.new_map(Named, i64)
    named[heap.new(Named, name="a", at=0.0)] = 1
    assert named[heap.new(Named, name="a", at=-0.0)] == 1
    named[heap.new(Named, name="a", at=-0.0)] = 2
    assert len(named) == 1 and math.copysign(1, next(iter(named)).at) == -1  # the last one written
    with pytest.raises(gcsim.ConversionError):
        m[None]
    with pytest.raises(gcsim.ConversionError):
        m[heap.new(Named)]


def test_structs_are_read_as_copies(heap: gcsim.Heap) -> None:
    m = heap.new_map(i64, Point)
    m[1] = heap.new(Point, x=1)
    got = m[1]
    got.x = 99
    assert m[1].x == 1
    m[1] = got
    assert m[1].x == 99
    rows = heap.new_map(i64, array[i64, 2])
    rows[1] = (1, 2)
    rows[1][0] = 5
    assert list(rows[1]) == [1, 2]


def test_pointers_are_keys_and_keep_their_objects(heap: gcsim.Heap) -> None:
    m = heap.new_map(ptr[Node], ptr[Node])
    nodes = [heap.new(Node, n=n) for n in range(100)]
    for node in nodes:
        m[node] = heap.new(Node, n=-node.n)
    m[None] = None
    heap.collect()
    assert len(m) == 101 and m[None] is None
    assert all(m[node].n == -node.n for node in nodes)  # type: ignore[union-attr]
    weak = [heap.weak(node) for node in nodes]
    del nodes, node
    heap.collect()
    assert all(w() is not None for w in weak)
    m.clear()
    heap.collect()
    assert all(w() is None for w in weak)


def test_interfaces_are_keys_by_what_they_hold(heap: gcsim.Heap) -> None:
    m = heap.new_map(iface, i64)
    node = heap.new(Node, n=1)
    point = heap.new(Point, x=1, y=2)
    keys = [
        1,
        heap.box(i64, 1),  # of another type, so another key
        300,
        "a",
        "text" * 20,
        2.5,
        True,
        None,
        node,
        heap.box(Point, point),
        heap.box(array[string, 2], ("a", "b")),
    ]
    for n, key in enumerate(keys):
        m[key] = n
    heap.collect()
    assert len(m) == len(keys) and [m[key] for key in keys] == list(range(len(keys)))
    assert m[heap.box(Point, heap.new(Point, x=1, y=2))] == 9 and m["te" + "xt" + "text" * 19] == 4
    assert heap.new(Node, n=1) not in m and point not in m and 2 not in m and 1.0 not in m
    assert m[heap.box(array[string, 2], ("a", "b"))] == 10
    m[math.nan] = 1
    m[math.nan] = 2
    assert len(m) == len(keys) + 2 and math.nan not in m
    for key in keys:
        del m[key]
    assert len(m) == 2
    for unhashable, name in ((b"x", "[]uint8"), (heap.new_slice(i64, 1), "[]int64")):
        for call in (
            lambda key=unhashable: m[key],
            lambda key=unhashable: key in m,
            lambda key=unhashable: m.__setitem__(key, 1),
            lambda key=unhashable: m.__delitem__(key),
        ):
            with pytest.raises(gcsim.PanicError) as caught:
                call()
            assert str(caught.value) == f"runtime error: hash of unhashable type {name}"
    assert len(m) == 2


def test_interfaces_inside_of_keys(heap: gcsim.Heap) -> None:
    m = heap.new_map(Tagged, str)
    m[heap.new(Tagged, tag=1, n=2)] = "one"
    m[heap.new(Tagged, tag="one", n=2)] = "text"
    for n in range(200):
        m[heap.new(Tagged, tag=n, n=7)] = str(n)
        m[heap.new(Tagged, tag=str(n), n=7)] = f"text {n}"
    heap.collect()
    assert m[heap.new(Tagged, tag=1, n=2)] == "one"
    assert m[heap.new(Tagged, tag="one", n=2)] == "text"
    assert all(m[heap.new(Tagged, tag=n, n=7)] == str(n) for n in range(200))
    assert heap.new(Tagged, tag=1, n=3) not in m
    changing = heap.new(Tagged, tag=1, n=2)

    class Changing:
        def __index__(self) -> int:
            changing.tag = b"cannot be compared"
            return 1

    numbers = heap.new_map(Tagged, i64)
    with pytest.raises(gcsim.PanicError, match=r"hash of unhashable type \[\]uint8"):
        numbers[changing] = Changing()
    assert len(numbers) == 0


def test_deleted_entries_keep_nothing(heap: gcsim.Heap) -> None:
    m = heap.new_map(str, ptr[Node])
    weak = []
    for n in range(200):
        m[str(n)] = node = heap.new(Node, n=n)
        weak.append(heap.weak(node))
    del node
    for n in range(0, 200, 2):
        del m[str(n)]
    heap.collect()
    assert [w() is not None for w in weak] == [n % 2 == 1 for n in range(200)]


def test_each_nan_is_a_key_of_its_own(heap: gcsim.Heap) -> None:
    m = heap.new_map(float, i64)
    for n in range(20):
        m[math.nan] = n
    assert len(m) == 20 and math.nan not in m and m.get(math.nan) is None
    assert sorted(m.values()) == list(range(20))
    assert all(math.isnan(k) for k in m)
    with pytest.raises(KeyError):
        del m[math.nan]
    with pytest.raises(KeyError):
        m.popitem()
    m.clear()
    assert len(m) == 0


# --- iterating -----------------------------------------------------------------------------------


def test_iterating_begins_anywhere_and_is_replayed_by_the_seed() -> None:
    def orders(seed: int) -> list[list[int]]:
        with gcsim.Heap(seed=seed) as h:
            m = h.new_map(i64, i64)
            for k in range(7):
                m[k] = k
            return [list(m) for _ in range(20)]

    assert orders(1) == orders(1)
    assert orders(1) != orders(2)
    assert len({tuple(order) for order in orders(1)}) > 3
    assert all(sorted(order) == list(range(7)) for order in orders(1))


@pytest.mark.parametrize("seed", range(6))
def test_a_map_may_be_changed_while_it_is_iterated_over(heap: gcsim.Heap, seed: int) -> None:
    chance = random.Random(seed)
    m = heap.new_map(i64, i64)
    model = {}
    for k in range(chance.choice([5, 100, 1500])):
        m[k] = model[k] = k
    kept, seen = set(model), set()
    for k, v in m.items():
        assert k in model and model[k] == v and k not in seen
        seen.add(k)
        for _ in range(3):
            other = chance.randrange(4000)
            if chance.random() < 0.4:
                m.pop(other, None)
                model.pop(other, None)
                kept.discard(other)
                seen.discard(other)  # what is inserted again is a new entry
            elif len(model) < 3000:
                m[other] = model[other] = chance.randrange(100)
    assert kept <= seen
    assert m == model


def test_clear_ends_an_iteration(heap: gcsim.Heap) -> None:
    m = heap.new_map(i64, i64)
    for k in range(1000):
        m[k] = k
    entries = iter(m.items())
    next(entries)
    m.clear()
    assert list(entries) == []
    assert list(entries) == []


# --- references, nil, copies ---------------------------------------------------------------------


def test_fields_hold_maps(heap: gcsim.Heap) -> None:
    holder = heap.new(Holder)
    m = heap.new_map(string, i64)
    holder.index = m
    holder.index["a"] = 1
    assert m["a"] == 1 and holder.index == m and holder.index.address == m.address
    address = m.address
    del m
    heap.collect()
    assert holder.index["a"] == 1 and holder.index.address == address
    holder.index = None
    assert len(holder.index) == 0
    made = heap.new(Holder, index=heap.new_map(string, i64))
    made.index["k"] = 2
    assert made.index["k"] == 2
    deep = heap.new_map(string, map_[string, i64])
    holder.deep = deep
    deep["x"] = made.index
    del made
    heap.collect()
    assert holder.deep["x"]["k"] == 2
    rows = heap.new_slice(map_[string, i64], 2)
    rows[1] = deep["x"]
    assert rows[1]["k"] == 2 and len(rows[0]) == 0


def test_globals_and_frames_hold_maps(heap: gcsim.Heap) -> None:
    m = heap.new_map(string, i64)
    m["a"] = 1
    heap.globals["cache"] = m
    goroutine = heap.goroutine("main")
    with goroutine.frame("f", local=map_[string, i64], nil=map_[string, i64]) as frame:
        frame.local = m
        address = m.address
        del m
        heap.collect()
        assert frame.local == {"a": 1} and frame.local.address == address
        assert frame.nil == {} and frame.nil.address == 0
        with pytest.raises(gcsim.ConversionError):
            frame.local = heap.new_map(i64, i64)
    heap.collect()
    assert heap.globals["cache"]["a"] == 1
    heap.globals["cache"] = heap.new(Holder).index
    assert heap.globals["cache"] == {} and heap.globals["cache"].address == 0
    with gcsim.Heap() as other, pytest.raises(gcsim.WrongHeapError):
        heap.globals["cache"] = other.new_map(string, i64)


def test_a_nil_map_reads_as_empty_and_cannot_be_written_to(heap: gcsim.Heap) -> None:
    nil = heap.new(Holder).index
    assert len(nil) == 0 and not nil and nil.address == 0
    assert list(nil) == [] and "a" not in nil and nil.get("a") is None and nil == {}
    assert repr(nil) == "<nil map[string]int64>"
    with pytest.raises(KeyError):
        nil["a"]
    with pytest.raises(KeyError):
        del nil["a"]
    nil.clear()
    assert nil.copy().address == 0
    with pytest.raises(gcsim.PanicError, match=r"^assignment to entry in nil map$"):
        nil["a"] = 1
    with pytest.raises(gcsim.ConversionError):  # as the compiler: before it is looked at
        nil[1]


def test_copies_are_clones(heap: gcsim.Heap) -> None:
    m = heap.new_map(str, ptr[Node])
    for n in range(1000):
        m[str(n)] = heap.new(Node, n=n)
    other = m.copy()
    assert other == m and other.address != m.address
    other["0"].n = 77  # type: ignore[union-attr]
    assert m["0"].n == 77  # type: ignore[union-attr]
    del other["1"]
    other["new"] = None
    assert "1" in m and "new" not in m
    assert copy.copy(m) == m
    big = heap.new_map(str, array[u8, 200])
    big["k"] = bytes(200)
    twin = big.copy()
    big["k"] = bytes([1]) * 200
    assert list(twin["k"]) == [0] * 200
    with pytest.raises(gcsim.ConversionError):
        copy.deepcopy(m)
    with pytest.raises(gcsim.ConversionError):
        pickle.dumps(m)


# --- what it makes -------------------------------------------------------------------------------


def test_objects_are_those_of_go(heap: gcsim.Heap) -> None:
    def objects() -> int:
        return heap.memstats().mallocs

    before = objects()
    m = heap.new_map(i64, i64)
    assert objects() - before == 1  # the map
    grown = []
    for k in range(897):
        before = objects()
        m[k] = k
        if objects() != before:
            grown.append((k + 1, objects() - before))
    assert grown == [
        (1, 1),
        (9, 3),
        *((n, 2) for n in (15, 29, 57, 113, 225, 449)),
        (897, 5),
    ]


@pytest.mark.parametrize(
    ("hint", "objects"), [(0, 1), (8, 1), (9, 4), (1000, 6), (-3, 1), (2**80, 1), (2**62, 1)]
)
def test_hints(heap: gcsim.Heap, hint: int, objects: int) -> None:
    heap.new_map(i64, i64)
    before = heap.memstats().mallocs
    m = heap.new_map(i64, i64, hint=hint)
    assert heap.memstats().mallocs - before == objects
    m[1] = 2
    assert m == {1: 2}


def test_recordings_and_snapshots_see_what_a_map_is_made_of(heap: gcsim.Heap) -> None:
    m = heap.new_map(i64, ptr[Node])
    for k in range(200):
        m[k] = heap.new(Node)
    names = {o.type.name for o in heap.objects() if o.type is not None}
    assert "map.group[int64]*Node" in names  # where the heap knows types: above 512 bytes
    snap = heap.snapshot()
    assert snap.retained(m[7]) > 0


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("sort", [slice_[i64], bytes, map_[i64, i64], func_])
def test_types_that_cannot_be_keys(heap: gcsim.Heap, sort: Any) -> None:
    with pytest.raises(gcsim.TypeDefinitionError, match="invalid map key type"):
        heap.new_map(sort, i64)


def test_what_is_refused(heap: gcsim.Heap) -> None:
    m = heap.new_map(u8, i32)
    with pytest.raises(gcsim.RangeError):
        m[256] = 1
    with pytest.raises(gcsim.RangeError):
        m[1] = 2**31
    with pytest.raises(gcsim.ConversionError):
        m["a"]
    with pytest.raises(gcsim.ConversionError):
        m[1] = "a"
    with pytest.raises(gcsim.ConversionError):
        "a" in m  # noqa: B015
    with pytest.raises(gcsim.ConversionError):
        del m["a"]
    assert len(m) == 0
    with pytest.raises(gcsim.ConversionError):
        heap.new_map(str, i64)[5]
    with pytest.raises(gcsim.ConversionError):
        heap.new_map(i64, i64, hint="many")  # type: ignore[call-overload]
    with pytest.raises(gcsim.TypeDefinitionError):
        heap.new_map(list, i64)
    with pytest.raises(TypeError):
        gcsim.Map()
    with pytest.raises(gcsim.ConversionError):
        heap.new(Holder).index = heap.new_map(string, i32)
    with pytest.raises(gcsim.ConversionError):
        heap.new(Holder).index = {}


def test_another_heaps_references_are_refused(heap: gcsim.Heap) -> None:
    m = heap.new_map(ptr[Node], ptr[Node])
    with gcsim.Heap() as other:
        stranger = other.new(Node)
        with pytest.raises(gcsim.WrongHeapError):
            m[stranger] = None
        with pytest.raises(gcsim.WrongHeapError):
            m[None] = stranger
        with pytest.raises(gcsim.WrongHeapError):
            stranger in m  # noqa: B015
        with pytest.raises(gcsim.WrongHeapError):
            heap.new(Holder).index = other.new_map(string, i64)
    assert len(m) == 0


def test_a_closed_heap() -> None:
    heap = gcsim.Heap()
    m = heap.new_map(str, i64)
    m["a"] = 1
    entries = iter(m)
    heap.close()
    for call in (
        lambda: m["a"],
        lambda: m.get("a"),
        lambda: len(m),
        lambda: "a" in m,
        lambda: m.__setitem__("a", 1),
        lambda: m.__delitem__("a"),
        lambda: list(m),
        lambda: next(entries),
        lambda: list(m.items()),
        lambda: m.clear(),
        lambda: m.copy(),
        lambda: heap.new_map(str, i64),
    ):
        with pytest.raises(gcsim.ClosedHeapError):
            call()
    assert repr(m) == "<map[string]int64 of a closed heap>"


def test_a_key_whose_conversion_closes_the_heap() -> None:
    heap = gcsim.Heap()
    m = heap.new_map(i64, i64)

    class Closing:
        def __index__(self) -> int:
            heap.close()
            return 1

    for call in (
        lambda: m[Closing()],  # type: ignore[index]
        lambda: m.__setitem__(Closing(), 1),  # type: ignore[index]
        lambda: m.__setitem__(1, Closing()),  # type: ignore[arg-type]
    ):
        with pytest.raises(gcsim.ClosedHeapError):
            call()


def test_a_conversion_that_changes_the_map(heap: gcsim.Heap) -> None:
    m = heap.new_map(i64, i64)
    for k in range(8):
        m[k] = k

    class Changing:
        def __index__(self) -> int:
            for k in range(2000):
                m[k] = -k
            heap.collect()
            return 5

    m[3] = Changing()  # type: ignore[assignment]
    assert m[3] == 5 and m[Changing()] == -5 and len(m) == 2000  # type: ignore[index]


def test_a_full_heap_leaves_the_map_whole() -> None:
    with gcsim.Heap(reserve="64MiB", gogc=None) as heap:
        m = heap.new_map(i64, array[u8, 200])
        value, n = bytes(200), 0
        with pytest.raises(gcsim.HeapMemoryError):
            while True:
                m[n] = value
                n += 1
        assert len(m) == n and n not in m and n - 1 in m
        assert heap.verify()
        with pytest.raises(gcsim.HeapMemoryError):
            m.copy()
        with pytest.raises(gcsim.HeapMemoryError):
            heap.new_map(i64, i64, hint=100_000_000)


def test_threads_see_no_map_between_two_states(heap: gcsim.Heap) -> None:
    m = heap.new_map(i64, str)
    errors: list[BaseException] = []

    def work(first: int) -> None:
        try:
            for k in range(first, first + 3000):
                m[k] = str(k)
                assert m[k] == str(k)
                if k % 3 == 0:
                    del m[k]
                if k % 1000 == 0:
                    m.copy()
        except BaseException as error:  # shown by the main thread
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n * 10_000,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert m == {k: str(k) for n in range(4) for k in range(n * 10_000, n * 10_000 + 3000) if k % 3}


def test_maps_leave_nothing_behind(heap: gcsim.Heap) -> None:
    def work() -> None:
        for _ in range(20):
            m = heap.new_map(str, array[i64, 2])
            m["a"] = (1, 2)
            assert list(next(iter(m.values()))) == [1, 2] and "b" not in m and repr(m)
            holder = heap.new(Holder, index=heap.new_map(string, i64))
            holder.index["b"] = 1
            with pytest.raises(KeyError):
                m.copy()["c"]
        gc.collect()

    work()
    before = len(gc.get_objects())
    work()
    assert len(gc.get_objects()) - before < 15  # one type too many for each map would be 60
    heap.collect()
    assert not heap.handles()


# --- stepping ------------------------------------------------------------------------------------


def test_a_stepped_heap_rewinds_its_maps() -> None:
    with gcsim.Heap(mode="steps", seed=1) as heap:
        m = heap.new_map(str, ptr[Node])
        for n in range(30):
            m[str(n)] = heap.new(Node, n=n)
        entries = iter(m)
        next(entries)
        cycle = heap.begin_cycle()
        cycle.step(20)
        before = cycle.step_number
        m["late"] = heap.new(Node, n=99)
        for n in range(40, 60):
            m[str(n)] = None
        assert m["late"].n == 99 and len(m) == 51  # type: ignore[union-attr]
        late = m.copy()
        assert len(list(m)) == 51 and next(entries) in m
        cycle.back(cycle.step_number - before)
        assert len(m) == 30 and "late" not in m and m["7"].n == 7  # type: ignore[union-attr]
        with pytest.raises(gcsim.StaleReferenceError):  # it is not made yet
            len(late)
        with pytest.raises(gcsim.StateError):  # where it stands was not rewound
            next(entries)
        m["other"] = None
        cycle.finish()
        assert heap.verify()
        assert m["7"].n == 7 and len(list(m)) == len(m) == 31  # type: ignore[union-attr]


# --- a dict is the model -------------------------------------------------------------------------


class MapMachine(RuleBasedStateMachine):
    """Whatever is done to a map, a dict to which the same is done holds the same."""

    keys = st.one_of(st.text(max_size=3), st.integers(0, 60).map(lambda n: f"key {n}"))

    @initialize(hint=st.sampled_from([0, 8, 9, 50, 1500]))
    def start(self, hint: int) -> None:
        self.heap = gcsim.Heap(gogc=20, debug="clobberfree=1", seed=hint)
        self.map = self.heap.new_map(str, ptr[Node], hint=hint)
        self.model: dict[str, int] = {}

    def teardown(self) -> None:
        if hasattr(self, "heap"):
            assert self.heap.verify()
            self.heap.close()

    @rule(key=keys, n=st.integers(0, 1000))
    def put(self, key: str, n: int) -> None:
        self.map[key] = self.heap.new(Node, n=n)
        self.model[key] = n

    @rule(first=st.integers(0, 5000), count=st.integers(0, 300))
    def put_many(self, first: int, count: int) -> None:
        for n in range(first, first + count):
            self.map[str(n)] = self.heap.new(Node, n=n)
            self.model[str(n)] = n

    @rule(first=st.integers(0, 5000), count=st.integers(0, 600))
    def take_many(self, first: int, count: int) -> None:
        for n in range(first, first + count):
            there = self.map.pop(str(n), None) is not None
            assert there == (self.model.pop(str(n), None) is not None)

    @rule(key=keys)
    def take(self, key: str) -> None:
        if key in self.model:
            del self.map[key], self.model[key]
        else:
            with pytest.raises(KeyError):
                del self.map[key]

    @rule(key=keys)
    def look(self, key: str) -> None:
        found = self.map.get(key)
        assert (found.n if found else None) == self.model.get(key)

    @precondition(lambda self: self.model)
    @rule()
    def take_any(self) -> None:
        key, node = self.map.popitem()
        assert node is not None and self.model.pop(key) == node.n

    @rule()
    def forget(self) -> None:
        self.map.clear()
        self.model.clear()

    @rule()
    def clone(self) -> None:
        old = self.map
        self.map = old.copy()
        old.clear()

    @rule()
    def collect(self) -> None:
        self.heap.collect()

    @invariant()
    def same(self) -> None:
        if hasattr(self, "map"):
            assert len(self.map) == len(self.model)

    @rule()
    def compare(self) -> None:
        assert {k: v.n for k, v in self.map.items() if v} == self.model
        assert sorted(self.map) == sorted(self.model)


TestMapMachine = MapMachine.TestCase
TestMapMachine.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
