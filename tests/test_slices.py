"""Slices, arrays and strings: what is shared, what is kept alive, and how append grows."""

from __future__ import annotations

import copy
import gc
import pickle
import struct as struct_module
from typing import Any

import pytest

import gcsim
from gcsim import array, bool_, c64, f32, f64, i8, i32, i64, ptr, slice_, string, u8, u16, u64


@gcsim.struct
class Node:
    next: ptr["Node"]
    n: i64


@gcsim.struct
class Big:
    node: ptr[Node]
    pad: array[i64, 200]


@gcsim.struct
class Holder:
    items: slice_[i64]
    nodes: slice_[ptr[Node]]
    data: bytes
    raw: slice_[u8]
    name: str


@gcsim.struct
class Grid:
    head: ptr[Node]
    tag: array[u8, 3]
    rows: array[array[f64, 3], 2]
    links: array[ptr[Node], 2]
    words: array[string, 2]
    parts: array[Node, 2]


@gcsim.struct
class N3:
    a: u8
    b: u8
    c: u8


@gcsim.struct
class N24:
    a: array[i64, 3]


@gcsim.struct
class N40:
    a: array[i64, 5]


@gcsim.struct
class P3:
    a: ptr[i64]
    b: i64
    c: i64


def live_objects(heap: gcsim.Heap) -> int:
    gc.collect()
    heap.collect()
    return heap.memstats().heap_objects


# ---- growth, against what Go 1.26 printed on linux/amd64 ----

TYPES = {
    "u8": u8, "i32": i32, "i64": i64, "ptr": ptr[i64], "N3": N3, "N24": N24, "N40": N40, "P3": P3,
    "string": string,
}  # fmt: skip

# for i := 0; i < 3000; i++ { s = append(s, v) }: the capacities in turn.
GROWTH = [
    ("u8", [8, 16, 32, 64, 128, 256, 512, 896, 1408, 2048, 3072]),
    ("i32", [2, 4, 8, 16, 32, 64, 128, 256, 512, 864, 1344, 2048, 3072]),
    ("i64", [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 848, 1280, 1792, 2560, 3408]),
    ("ptr", [1, 2, 4, 8, 16, 32, 64, 143, 287, 607, 1023, 1535, 2303, 3071]),
    ("N3", [2, 5, 10, 21, 42, 85, 170, 341, 682, 1066, 1621, 2261, 3157]),
    ("N24", [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 853, 1365, 2048, 3072]),
    ("N40", [1, 2, 4, 8, 16, 32, 67, 134, 272, 544, 1024, 1638, 2252, 3072]),
    ("P3", [1, 2, 4, 8, 16, 37, 74, 170, 341, 682, 1135, 1706, 2389, 3413]),
    ("string", [1, 2, 4, 8, 16, 32, 71, 143, 303, 591, 1023, 1535, 2560, 3584]),
]
# cap(append(make([]T, n), make([]T, k)...))
BULK = [
    ("u8", 0, 5, 8), ("i64", 0, 5, 6), ("ptr", 0, 5, 6), ("N3", 0, 5, 5), ("P3", 0, 5, 5),
    ("u8", 1, 1, 8), ("i64", 1, 1, 2), ("ptr", 1, 1, 2), ("N3", 1, 1, 2), ("P3", 1, 1, 2),
    ("u8", 3, 4, 8), ("i64", 3, 4, 8), ("ptr", 3, 4, 8), ("N3", 3, 4, 8), ("P3", 3, 4, 7),
    ("u8", 5, 100, 112), ("i64", 5, 100, 112), ("ptr", 5, 100, 111), ("N3", 5, 100, 106),
    ("P3", 5, 100, 111), ("u8", 255, 1, 512), ("i64", 255, 1, 512), ("ptr", 255, 1, 511),
    ("N3", 255, 1, 512), ("P3", 255, 1, 511), ("u8", 256, 1, 512), ("i64", 256, 1, 512),
    ("ptr", 256, 1, 607), ("N3", 256, 1, 512), ("P3", 256, 1, 565), ("u8", 257, 300, 576),
    ("i64", 257, 300, 608), ("ptr", 257, 300, 607), ("N3", 257, 300, 597), ("P3", 257, 300,
    565), ("u8", 1000, 1, 1536), ("i64", 1000, 1, 1536), ("ptr", 1000, 1, 1535), ("N3", 1000,
    1, 1621), ("P3", 1000, 1, 1706), ("u8", 4096, 1, 5376), ("i64", 4096, 1, 6144), ("ptr",
    4096, 1, 6144), ("N3", 4096, 1, 5461), ("P3", 4096, 1, 5461), ("u8", 5000, 5001, 10240),
    ("i64", 5000, 5001, 10240), ("ptr", 5000, 5001, 10240), ("N3", 5000, 5001, 10922), ("P3",
    5000, 5001, 10240),
]  # fmt: skip


def zero(heap: gcsim.Heap, name: str) -> Any:
    kind = TYPES[name]
    if name in ("u8", "i32", "i64"):
        return 0
    if name == "ptr":
        return None
    return "" if name == "string" else heap.new(kind)


@pytest.mark.parametrize("name, capacities", GROWTH)
def test_append_grows_as_go_does(name: str, capacities: list[int]) -> None:
    with gcsim.Heap() as heap:
        s, value, seen = heap.new_slice(TYPES[name]), zero(heap, name), []
        for _ in range(3000):
            s = s.append(value)
            if not seen or s.cap != seen[-1]:
                seen.append(s.cap)
        assert seen == capacities
        assert len(s) == 3000


@pytest.mark.parametrize("name, n, k, capacity", BULK)
def test_append_of_many_grows_as_go_does(name: str, n: int, k: int, capacity: int) -> None:
    with gcsim.Heap() as heap:
        value = zero(heap, name)
        assert heap.new_slice(TYPES[name], n).append(*[value] * k).cap == capacity


# ---- sharing ----


def test_append_shares_the_array_while_it_has_room_and_leaves_it_when_not(heap: gcsim.Heap) -> None:
    s = heap.new_slice(i64, 2, 3)
    t = s.append(7)
    assert (len(s), len(t), t.cap) == (2, 3, 3)
    t[0] = 5
    assert s[0] == 5
    u = t.append(8)
    u[0] = 6
    assert (s[0], t[0], list(u)) == (5, 5, [6, 0, 7, 8])
    assert s.append(9)[2] == 9 == t[2]  # Go's famous trap: the same slot
    assert s.append() == s


def test_slices_of_a_slice_see_its_stores_and_reach_its_capacity(heap: gcsim.Heap) -> None:
    s = heap.new_slice(i64, 5, 8)
    s[:] = range(5)
    t = s[1:3]
    assert (list(t), t.cap) == ([1, 2], 7)
    t[0] = 10
    assert s[1] == 10
    assert list(t.reslice(0, 7)) == [10, 2, 3, 4, 0, 0, 0]
    assert t.reslice(1, 2, 2).cap == 1
    assert list(s[-2:]) == [3, 4]
    assert list(s[3:1]) == [] == list(s[10:])
    assert s.reslice() == s and s.reslice(0, 5, 8) == s


def test_slice_bounds_follow_go(heap: gcsim.Heap) -> None:
    s = heap.new_slice(i64, 3, 5)
    for bad in [(0, 6), (4, 3), (-1, 2), (0, 3, 6), (0, 4, 3), (1 << 70,)]:
        with pytest.raises(gcsim.BoundsError) as caught:
            s.reslice(*bad)
        assert isinstance(caught.value, IndexError)
    for i in (3, -4, 1 << 70, -(1 << 70)):
        with pytest.raises(gcsim.BoundsError):
            s[i]
        with pytest.raises(gcsim.BoundsError):
            s[i] = 0
    with pytest.raises(gcsim.ConversionError, match="step"):
        s[::2]


def test_copies_overlap_safely_in_both_directions(heap: gcsim.Heap) -> None:
    nodes = [heap.new(Node, n=i) for i in range(6)]
    for a, b in ((0, 2), (2, 0)):
        s = heap.new_slice(ptr[Node], 6)
        s[:] = nodes
        expected = list(range(6))
        expected[a : a + 4] = expected[b : b + 4]
        assert s[a : a + 4].copy_from(s[b : b + 4]) == 4
        assert [x.n for x in s] == expected
    short = heap.new_slice(ptr[Node], 2)
    assert short.copy_from(s) == 2 and s.copy_from(short) == 2
    assert heap.new_slice(i64).copy_from(heap.new_slice(i64, 3)) == 0


def test_negative_indices_iteration_and_membership(heap: gcsim.Heap) -> None:
    s = heap.new_slice(u16, 4)
    s[-1] = 9
    assert list(s) == [0, 0, 0, 9] and 9 in s and 8 not in s
    assert list(reversed(s)) == [9, 0, 0, 0]


# ---- structs in slices ----


def test_an_element_of_structs_is_a_reference_inside_and_assignment_copies(
    heap: gcsim.Heap,
) -> None:
    s = heap.new_slice(Node, 3)
    inside = s[1]
    inside.n = 4
    assert s[1].n == 4 and gcsim.address(inside) == gcsim.address(s[0]) + 16
    other = heap.new(Node, n=8, next=inside)
    s[2] = other
    other.n = 9
    assert s[2].n == 8 and s[2].next == s[1]


def test_a_reference_inside_keeps_the_whole_array_and_nothing_else(heap: gcsim.Heap) -> None:
    s = heap.new_slice(Node, 100)
    s[0].next = heap.new(Node, n=5)
    inside = s[99]
    heap.new_slice(Node, 100)
    del s
    assert live_objects(heap) == 2  # the array, and what element 0 refers to
    inside.n = 3
    del inside
    assert live_objects(heap) == 0


@pytest.mark.parametrize("count", [1, 40, 5000])
def test_pointers_in_slices_keep_and_release(heap: gcsim.Heap, count: int) -> None:
    s = heap.new_slice(ptr[Node], count)
    for i in range(count):
        s[i] = heap.new(Node, n=i)
    assert live_objects(heap) == count + 1
    assert [x.n for x in s] == list(range(count))
    s[0] = None
    assert live_objects(heap) == count
    tail = s[count - 1 :]
    del s
    assert live_objects(heap) == count  # the tail keeps the whole array
    del tail
    assert live_objects(heap) == 0


def test_append_keeps_what_it_copies_and_the_old_array_dies(heap: gcsim.Heap) -> None:
    s = heap.new_slice(ptr[Node], 1)
    s[0] = heap.new(Node, n=1)
    s = s.append(heap.new(Node, n=2), None, heap.new(Node, n=3))
    assert live_objects(heap) == 4
    assert [x and x.n for x in s] == [1, 2, None, 3]


def test_appended_structs_strings_and_slices_are_copied(heap: gcsim.Heap) -> None:
    node = heap.new(Node, n=1)
    s = heap.new_slice(Node).append(node, node)
    node.n = 2
    assert [x.n for x in s] == [1, 1]
    words = heap.new_slice(string).append("ä", "", "c\udcff")
    rows = heap.new_slice(slice_[i64]).append(heap.new_slice(i64, 2, 5), None)
    del node
    heap.collect()
    assert list(words) == ["ä", "", "c\udcff"]
    assert (len(rows[0]), rows[0].cap, rows[1]) == (2, 5, None)


# ---- fields ----


def test_slice_fields_read_and_write_slices_and_nil(heap: gcsim.Heap) -> None:
    h = heap.new(Holder)
    assert h.items is None
    s = heap.new_slice(i64, 2, 4)
    h.items = s
    assert h.items == s and h.items is not s
    h.items[1] = 6
    assert s[1] == 6
    h.items = h.items[1:]
    assert (len(h.items), h.items.cap) == (1, 3)
    del s
    assert live_objects(heap) == 2
    h.items = None
    assert h.items is None and live_objects(heap) == 1


def test_a_byte_slice_field_takes_bytes(heap: gcsim.Heap) -> None:
    h = heap.new(Holder)
    assert h.data == b""
    h.data = b"abc\0"
    h.raw = b"xyz"
    assert h.data == b"abc\0" and list(h.raw) == [120, 121, 122]
    h.raw = b""
    assert h.raw is not None and len(h.raw) == 0
    assert live_objects(heap) == 2
    for bad in ("text", 3, [1]):
        with pytest.raises(gcsim.ConversionError):
            h.data = bad
    assert h.data == b"abc\0"


@pytest.mark.parametrize("text", ["", "a", "täxt", "\U0001f600" * 100, "a\0b", "\udc80"])
def test_string_fields_hold_any_bytes(heap: gcsim.Heap, text: str) -> None:
    h = heap.new(Holder, name=text)
    heap.collect()
    assert h.name == text


def test_slices_of_other_types_heaps_and_sorts_are_refused(heap: gcsim.Heap, mode: str) -> None:
    h = heap.new(Holder)
    with gcsim.Heap(mode=mode) as other:
        with pytest.raises(gcsim.WrongHeapError):
            h.items = other.new_slice(i64, 1)
        with pytest.raises(gcsim.WrongHeapError):
            h.nodes = other.new_slice(ptr[Node], 1)
        with pytest.raises(gcsim.ConversionError):
            heap.new_slice(i64, 1).copy_from(other.new_slice(i64, 1))
    for bad in (heap.new_slice(i32, 1), [1, 2], 5, "x", h):
        with pytest.raises(gcsim.ConversionError):
            h.items = bad
    assert h.items is None and h.nodes is None


# ---- arrays ----


def test_array_fields_are_views_in_place(heap: gcsim.Heap) -> None:
    g = heap.new(Grid)
    view = g.tag
    view[1] = 7
    g.tag[2] = 9
    assert list(view) == [0, 7, 9] and g.tag == [0, 7, 9] and g.tag == g.tag
    assert g.tag != [0, 7] and g.tag != heap.new(Grid).tag
    g.rows[1][2] = 0.5
    assert g.rows == [[0, 0, 0], [0, 0, 0.5]] != [[0, 0, 0], [0, 0, 0]]
    part = view[1:]
    part[0] = 1
    assert g.tag[1] == 1 and part.cap == 2
    with pytest.raises(gcsim.BoundsError):
        view[3]
    with pytest.raises(TypeError):
        hash(view)


def test_array_assignment_copies_and_takes_sequences(heap: gcsim.Heap) -> None:
    a, b = heap.new(Grid), heap.new(Grid)
    a.tag = (1, 2, 3)
    b.tag = a.tag
    a.tag[0] = 9
    assert list(b.tag) == [1, 2, 3]
    a.rows = [[1, 2, 3], b.rows[0]]
    assert [list(r) for r in a.rows] == [[1, 2, 3], [0, 0, 0]]
    node = heap.new(Node, n=4)
    a.links = [node, None]
    a.words = ["x", "yy"]
    a.parts = [node, node]
    node.n = 5
    assert a.links[0] == node and a.links[1] is None
    assert list(a.words) == ["x", "yy"] and [p.n for p in a.parts] == [4, 4]


def test_a_failed_array_assignment_writes_nothing(heap: gcsim.Heap) -> None:
    g = heap.new(Grid, tag=[1, 2, 3], words=["a", "b"])
    g.links = [heap.new(Node, n=1), None]
    for name, bad, error in [
        ("tag", [4, 5], gcsim.RangeError),
        ("tag", [4, 5, 256], gcsim.RangeError),
        ("tag", [4, 5, "6"], gcsim.ConversionError),
        ("tag", 5, gcsim.ConversionError),
        ("tag", "abc", gcsim.ConversionError),
        ("words", ["x", 3], gcsim.ConversionError),
        ("links", [None, g], gcsim.ConversionError),
        ("rows", [[1, 2, 3], [4, 5]], gcsim.RangeError),
        ("parts", [None, None], gcsim.ConversionError),
    ]:
        with pytest.raises(error):
            setattr(g, name, bad)
    assert g.tag == [1, 2, 3] and list(g.words) == ["a", "b"] and g.links[0].n == 1
    assert [list(r) for r in g.rows] == [[0] * 3] * 2
    recursive: list[Any] = []
    recursive.append(recursive)
    with pytest.raises((gcsim.Error, RecursionError)):
        g.rows = recursive


def test_a_view_keeps_its_object_alive_and_lets_it_go(heap: gcsim.Heap) -> None:
    view = heap.new(Grid, head=heap.new(Node, n=3)).tag
    assert live_objects(heap) == 2
    part = view[1:2]
    del view
    assert live_objects(heap) == 2
    del part
    assert live_objects(heap) == 0


@pytest.mark.parametrize("elem, count", [(i64, 4), (ptr[Node], 100), (Big, 30), (i8, 0)])
def test_arrays_as_objects(heap: gcsim.Heap, elem: Any, count: int) -> None:
    a = heap.new(array[elem, count]).value
    assert len(a) == count
    if count and elem is not Big:
        a[count - 1] = a[0]
    heap.collect()
    assert len(list(a)) == count


# ---- failing stores ----


def test_a_failed_append_changes_nothing(heap: gcsim.Heap) -> None:
    s = heap.new_slice(i8, 1, 8)
    for bad, error in [((1, 2, 300), gcsim.RangeError), ((1, None), gcsim.ConversionError)]:
        with pytest.raises(error):
            s.append(*bad)
    assert list(s.reslice(0, 8)) == [0] * 8
    p = heap.new_slice(ptr[Node], 0, 4)
    with pytest.raises(gcsim.ConversionError):
        p.append(heap.new(Node), s)
    assert list(p.reslice(0, 4)) == [None] * 4


def test_values_are_converted_before_anything_moves(heap: gcsim.Heap) -> None:
    s = heap.new_slice(i64, 3, 3)

    class Evil:
        def __index__(self) -> int:
            for _ in range(3):
                s.append(*range(50))
            heap.collect()
            s[0] = 11
            return 7

    t = s.append(1, Evil(), 2)
    assert list(t) == [11, 0, 0, 1, 7, 2]
    s[:] = [Evil(), Evil(), 5]
    assert list(s) == [7, 7, 5]

    class Closing:
        def __index__(self) -> int:
            doomed.close()
            return 1

    with gcsim.Heap(mode=heap.mode) as doomed:
        d = doomed.new_slice(i64, 2, 4)
        with pytest.raises(gcsim.ClosedHeapError):
            d[0] = Closing()
        with pytest.raises(gcsim.ClosedHeapError):
            d.append(1, 2)


def test_range_assignment_does_not_resize(heap: gcsim.Heap) -> None:
    s = heap.new_slice(i64, 4)
    s[1:3] = [5, 6]
    s[2:4] = s[1:3]
    assert list(s) == [0, 5, 5, 6]
    for bad in ([1], [1, 2, 3], heap.new_slice(i64, 3)):
        with pytest.raises(gcsim.RangeError):
            s[1:3] = bad
    for bad in (5, heap, heap.new_slice(string, 2)):
        with pytest.raises(gcsim.ConversionError):
            s[1:3] = bad
    with pytest.raises(gcsim.ConversionError):
        del s[0]
    assert list(s) == [0, 5, 5, 6]


def test_absurd_lengths_and_arguments_are_refused(heap: gcsim.Heap) -> None:
    for args, error in [
        ((i64, -1), gcsim.RangeError),
        ((i64, 1 << 70), gcsim.RangeError),
        ((i64, 1 << 60), gcsim.RangeError),
        ((array[i64, 1 << 30], 1 << 40), gcsim.RangeError),
        ((i64, 5, 4), gcsim.RangeError),
        ((i64, "3"), gcsim.ConversionError),
        ((i64, 1.5), gcsim.ConversionError),
        ((), gcsim.ConversionError),
        ((i64, 1, 2, 3), gcsim.ConversionError),
        ((list, 1), gcsim.TypeDefinitionError),
    ]:
        with pytest.raises(error):
            heap.new_slice(*args)
    with pytest.raises(gcsim.ConversionError):
        heap.new_slice(i64, 1, size=3)
    assert heap.new_slice(i64, n=2, cap=3).cap == 3
    with pytest.raises(gcsim.HeapMemoryError), gcsim.Heap(mode=heap.mode, reserve="64MiB") as small:
        small.new_slice(i64, 1 << 27)


def test_zero_size_elements(heap: gcsim.Heap) -> None:
    s = heap.new_slice(array[i64, 0], 1 << 40)
    assert len(s) == 1 << 40
    assert len(s[5]) == 0
    assert len(s.append(s[0])) == (1 << 40) + 1
    assert heap.memstats().heap_objects == 0


# ---- buffers ----

FORMATS = [
    (i8, "b", -5), (u8, "B", 200), (u16, "H", 65535), (i32, "i", -7), (i64, "q", 1 << 62), (u64, "Q", 1 << 63),
    (f32, "f", 0.5), (f64, "d", 1e300), (bool_, "?", True),
]  # fmt: skip


@pytest.mark.parametrize("elem, code, value", FORMATS)
def test_numbers_are_a_buffer_without_a_copy(
    heap: gcsim.Heap, elem: Any, code: str, value: Any
) -> None:
    s = heap.new_slice(elem, 3)
    s[1] = value
    view = memoryview(s)
    assert (view.format, view.shape, view.readonly) == (code, (3,), False)
    assert view.tolist() == [0, value, 0]
    view[2] = view[1]
    assert s[2] == value
    assert memoryview(s[1:]).tolist() == [value, value]


def test_rows_of_arrays_have_two_dimensions(heap: gcsim.Heap) -> None:
    g = heap.new(Grid, rows=[[1, 2, 3], [4, 5, 6]])
    view = memoryview(g.rows)
    assert (view.shape, view.strides) == ((2, 3), (24, 8))
    assert view.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert bytes(g.rows) == struct_module.pack("6d", 1, 2, 3, 4, 5, 6)
    assert memoryview(heap.new_slice(array[u8, 4], 2)).shape == (2, 4)


def test_numpy_sees_the_heap_s_memory(heap: gcsim.Heap) -> None:
    np = pytest.importorskip("numpy")
    s = heap.new_slice(f64, 1000)
    a = np.asarray(s)
    a[:] = np.arange(1000)
    assert s[999] == 999 and a.base is not None
    z = np.asarray(memoryview(heap.new_slice(c64, 2)))
    assert z.dtype == np.complex64
    with pytest.raises(BufferError):
        heap.close()
    del a, z
    assert not heap.closed


def test_a_buffer_keeps_its_memory_and_close_waits_for_it(mode: str) -> None:
    heap = gcsim.Heap(mode=mode)
    view = memoryview(heap.new_slice(i64, 100))
    view[5] = 42
    gc.collect()
    heap.collect()
    for _ in range(200):
        heap.new_slice(i64, 100)
    assert view[5] == 42 and sum(view) == 42
    with pytest.raises(BufferError):
        heap.close()
    assert not heap.closed
    view.release()
    assert live_objects(heap) == 0
    heap.close()


def test_only_numbers_make_buffers(heap: gcsim.Heap) -> None:
    for elem in (ptr[Node], Node, string, slice_[i64]):
        with pytest.raises(gcsim.ConversionError):
            memoryview(heap.new_slice(elem, 2))
    assert memoryview(heap.new_slice(i64)).tolist() == []


# ---- identity and the end ----


def test_equality_and_hash_are_those_of_the_header(heap: gcsim.Heap) -> None:
    s = heap.new_slice(i64, 3)
    assert s == s[:] and hash(s) == hash(s[:]) and copy.copy(s) is s
    assert (
        s != s[1:]
        and s != s.reslice(0, 3, 3)[:2]
        and s != heap.new_slice(i64, 3)
        and s != [0, 0, 0]
    )
    for dump in (pickle.dumps, copy.deepcopy):
        with pytest.raises(gcsim.ConversionError):
            dump(s)
    with pytest.raises(TypeError):
        type(s)()


def test_after_close_there_is_an_error_and_a_repr(mode: str) -> None:
    with gcsim.Heap(mode=mode) as heap:
        s, a = heap.new_slice(i64, 2), heap.new(Grid).tag
        assert "len 2" in repr(s) and "[3]uint8" in repr(a)
    for row in (s, a):
        for use in (
            lambda r: r[0], lambda r: r.__setitem__(0, 1), lambda r: r[0:1], list, memoryview,
            lambda r: r.copy_from(r), lambda r: r.__setitem__(slice(0, 1), [1]),
        ):  # fmt: skip
            with pytest.raises(gcsim.ClosedHeapError):
                use(row)
        assert "closed" in repr(row)
    with pytest.raises(gcsim.ClosedHeapError):
        s.append(1)
    with pytest.raises(gcsim.ClosedHeapError):
        heap.new_slice(i64, 1)
    assert len(s) == 2 and s == s


def test_repr_shows_the_first_elements(heap: gcsim.Heap) -> None:
    s = heap.new_slice(i64, 100)
    s[0] = 5
    assert "[5, 0, 0, 0, 0, 0, 0, 0, ...]" in repr(s)
    assert repr(heap.new_slice(Node, 1)).startswith("<[]Node at 0x")


def test_append_takes_all_values_before_it_stores_the_first(heap: gcsim.Heap) -> None:
    """Go evaluates the arguments first: one may lie where another is about to be stored."""
    pairs = heap.new_slice(Node, 3)
    for i, pair in enumerate(pairs):
        pair.n = i + 1
    first = pairs.reslice(0, 1)
    longer = first.append(pairs[2], pairs[1])
    assert longer.address == pairs.address  # in place
    assert [pair.n for pair in longer] == [1, 3, 2]
