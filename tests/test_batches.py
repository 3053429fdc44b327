"""Whole graphs from buffers and back: what is built, what is refused, what lives on."""

from __future__ import annotations

import copy
import gc
import pickle
import random
import signal
import threading
import time
from array import array as buffer
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest

import gcsim
from gcsim import array, bool_, c128, f32, f64, i8, i16, i32, i64, ptr, string, u8, u16, u32, u64


@gcsim.struct
class Node:
    next: ptr["Node"]
    n: i64


@gcsim.struct
class Tree:
    left: ptr["Tree"]
    right: ptr["Tree"]


@gcsim.struct
class Leaf:
    value: i64
    up: ptr["Inner"]


@gcsim.struct
class Inner:
    first: ptr["Leaf"]
    up: ptr["Inner"]
    value: i64
    pad: array[ptr[Leaf], 80]


@gcsim.struct
class Numbers:
    a: i8
    b: u16
    c: i32
    d: u64
    e: f32
    f: f64
    g: bool_
    h: c128
    s: string


def reachable(links: Sequence[Sequence[int]], roots: Sequence[int]) -> set[int]:
    seen, work = set(), list(roots)
    while work:
        i = work.pop()
        if i >= 0 and i not in seen:
            seen.add(i)
            work.extend(column[i] for column in links)
    return seen


# ---- building ----


@pytest.mark.parametrize("keep", [2, 3, 64, 1000])
def test_batches_lie_between_what_lives_and_share_no_slot(heap: gcsim.Heap, keep: int) -> None:
    """Windows of free slots with gaps and without, used up in one piece and in several."""
    kept = [node for i in range(3000) if (node := heap.new(Node, n=-1)) and i % keep == 0]
    node = None
    heap.collect()
    other = heap.new(Node)  # its window has other pointer bits
    batches = [heap.build(Tree, n) for n in (1, 5, 58, 64, 700, 2, 3000)]
    trees = [tree for batch in batches for tree in batch]
    assert len({gcsim.address(ref) for ref in [other, *kept, *trees]}) == 1 + len(kept) + 3830
    assert {(tree.left, tree.right) for tree in trees} == {(None, None)}
    for a, b in pairwise(trees):
        a.right = b
    first, count = trees[0], len(trees)
    del batches, trees, a, b
    heap.collect()
    while first := first.right:
        count -= 1
    assert count == 1 and heap.verify()


def test_a_bad_index_is_found_wherever_it_is(heap: gcsim.Heap) -> None:
    count = 3000  # they are looked at in blocks
    for code, bad in (("i", -2), ("i", count), ("i", -(1 << 31)), ("q", 1 << 40), ("q", -2)):
        for at in (0, 1023, 1024, 2047, 2999):
            index = buffer(code, [count - 1] * count)
            index[at] = bad
            with pytest.raises(gcsim.RangeError, match=rf"links\['next'\]\[{at}\] is {bad}"):
                heap.build(Node, count, links={"next": index})
    assert heap.memstats().mallocs == 0


@pytest.mark.parametrize("code", ["i", "q"])
def test_links_are_what_the_indices_say(heap: gcsim.Heap, code: str) -> None:
    index = buffer(code, [1, 2, -1, 2, 4])
    batch = heap.build(Node, 5, links={"next": index}, roots=[0, 3, 4])
    assert len(batch) == 5 and len(batch.roots) == 3
    assert batch[0].next == batch[1] and batch[1].next == batch[2] == batch[3].next
    assert batch[2].next is None and batch[4].next == batch[4] == batch[-1]
    assert batch.links("next") == buffer("q", index)
    assert [x.n for x in batch] == [0] * 5


def test_many_objects_live_and_die_as_a_plain_search_says(mode: str) -> None:
    count = 200_000 if mode == "threads" else 20_000
    rng = random.Random(11)
    links = [[rng.randrange(-1, count) for _ in range(count)] for _ in range(2)]
    roots = [rng.randrange(count) for _ in range(3)]
    with gcsim.Heap(mode=mode) as heap:
        batch = heap.build(
            Tree,
            count,
            links=dict(zip(("left", "right"), (buffer("i", c) for c in links), strict=False)),
            roots=roots,
        )
        heap.collect()
        for chosen in (roots, roots[:1], []):
            del batch.roots[len(chosen) :]
            heap.collect()
            alive = reachable(links, chosen)
            assert {i for i, live in enumerate(batch.alive()) if live} == alive
            assert heap.memstats().heap_objects == len(alive)
            left = batch.links("left")
            assert all(left[i] == (links[0][i] if i in alive else -1) for i in range(count))
            assert heap.verify()


def test_a_batch_roots_nothing_and_a_ref_made_from_it_does(heap: gcsim.Heap) -> None:
    batch = heap.build(Node, 10, links={"next": buffer("i", [*range(1, 10), -1])})
    assert batch.roots == [] and sum(batch.alive()) == 10
    kept = batch[7]
    heap.collect()
    assert list(batch.alive()) == [0] * 7 + [1] * 3
    with pytest.raises(gcsim.StaleReferenceError, match="object 6"):
        batch[6]
    kept.next = None
    heap.collect()
    assert sum(batch.alive()) == 1 and batch[7] == kept
    del kept
    heap.collect()
    assert heap.memstats().heap_objects == 0
    assert batch.links("next") == buffer("q", [-1] * 10)


def test_dropping_a_batch_leaves_its_objects(heap: gcsim.Heap) -> None:
    batch = heap.build(Node, 1000, links={"next": buffer("i", [*range(1, 1000), -1])}, roots=[0])
    head = batch.roots[0]
    del batch
    heap.collect()
    assert heap.memstats().heap_objects == 1000
    n = 0
    while head is not None:
        head, n = head.next, n + 1
    assert n == 1000
    heap.collect()
    assert heap.memstats().heap_objects == 0


def test_several_types_with_fields_at_different_offsets(heap: gcsim.Heap) -> None:
    kinds = bytes([0, 1, 0, 1, 0])
    batch = heap.build(
        None,
        5,
        types=[Leaf, Inner],
        type_of=kinds,
        links={"up": buffer("i", [1, 3, 3, -1, -1]), "first": buffer("q", [-1, 0, -1, 2, -1])},
        roots=[0, 3],
    )
    assert [type(x) for x in batch] == [Leaf, Inner, Leaf, Inner, Leaf]
    assert batch[0].up == batch[1] and batch[1].up == batch[3] and batch[3].first == batch[2]
    assert batch.links("up").tolist() == [1, 3, 3, -1, -1]
    assert batch.links("first").tolist() == [-1, 0, -1, 2, -1]
    batch.fill("value", buffer("i", range(5)))
    assert batch[2].value == 2 and batch.values("value").tolist() == list(range(5))
    heap.collect()
    assert list(batch.alive()) == [1, 1, 1, 1, 0]
    assert batch.values("value").tolist() == [0, 1, 2, 3, 0]


def test_counts_make_arrays_that_read_as_slices(heap: gcsim.Heap) -> None:
    counts = buffer("I", [1, 0, 3, 5000])
    batch = heap.build(
        Node, 4, counts=counts, links={"next": buffer("i", [2, -1, 3, 3])}, roots=[0]
    )
    assert [len(s) for s in batch] == [1, 0, 3, 5000]
    assert batch[0][0].next == batch[2][0] and batch[2][1].next is None
    batch[2][2].n = 5
    batch.fill("n", buffer("q", [7, 8, 9, 10]))
    assert [x.n for x in batch[2]] == [9, 0, 5]
    assert batch.values("n").tolist() == [7, 0, 9, 10]
    heap.collect()
    assert heap.memstats().heap_objects == 3 and batch[3][4999].n == 0


def test_scalars_and_pointers_as_objects(heap: gcsim.Heap) -> None:
    numbers = heap.build(u8, 100)
    numbers.fill("value", bytes(range(100)))
    assert numbers[99].value == 99 and bytes(numbers.values("value")) == bytes(range(100))
    assert len(heap.build(ptr[Node], 10)) == 10
    with pytest.raises(gcsim.ConversionError):
        heap.build(ptr[Node], 2, links={"value": buffer("i", [0, 1])})


def test_an_empty_batch(heap: gcsim.Heap) -> None:
    batch = heap.build(Node, 0, links={"next": buffer("i")})
    assert (len(batch), list(batch), batch.alive(), len(batch.links("next"))) == (0, [], b"", 0)
    with pytest.raises(gcsim.BoundsError):
        batch[0]


def test_numpy_arrays_and_views_are_indices(heap: gcsim.Heap) -> None:
    np = pytest.importorskip("numpy")
    for dtype in (np.int32, np.int64, np.intc, np.longlong):
        batch = heap.build(Node, 3, links={"next": np.array([1, 2, -1], dtype)}, roots=[0])
        assert np.asarray(batch.links("next")).tolist() == [1, 2, -1]
    own = heap.new_slice(i64, 3)
    own[:] = [2, -1, 1]
    assert heap.build(Node, 3, links={"next": own}).links("next").tolist() == [2, -1, 1]
    wide = np.arange(6, dtype=np.int32)
    for bad in (wide[::2], np.zeros((3, 1), np.int32), np.zeros(3, ">i4"), np.zeros(3, np.uint32)):
        with pytest.raises(gcsim.ConversionError):
            heap.build(Node, 3, links={"next": bad})


# ---- bad input: nothing is built ----


def test_bad_indices_and_buffers_are_refused_before_anything_is_built(heap: gcsim.Heap) -> None:
    good = buffer("i", [1, -1])
    before = heap.memstats()
    for args, options, error in [
        ((Node, 2), {"links": {"next": buffer("i", [0, 2])}}, gcsim.RangeError),
        ((Node, 2), {"links": {"next": buffer("i", [-2, 0])}}, gcsim.RangeError),
        ((Node, 2), {"links": {"next": buffer("q", [0, 1 << 62])}}, gcsim.RangeError),
        ((Node, 2), {"links": {"next": buffer("q", [-(1 << 63), 0])}}, gcsim.RangeError),
        ((Node, 2), {"links": {"next": buffer("i", [0])}}, gcsim.RangeError),
        ((Node, 2), {"links": {"next": buffer("i", [0, 0, 0])}}, gcsim.RangeError),
        ((Node, 2), {"links": {"next": buffer("d", [0, 0])}}, gcsim.ConversionError),
        ((Node, 2), {"links": {"next": buffer("h", [0, 0])}}, gcsim.ConversionError),
        ((Node, 2), {"links": {"next": b"\0\0"}}, gcsim.ConversionError),
        ((Node, 2), {"links": {"next": [0, 1]}}, gcsim.ConversionError),
        ((Node, 2), {"links": {"next": None}}, gcsim.ConversionError),
        ((Node, 2), {"links": {"n": good}}, gcsim.ConversionError),
        ((Node, 2), {"links": {"prev": good}}, gcsim.FieldError),
        ((Node, 2), {"links": {3: good}}, gcsim.ConversionError),
        ((Node, 2), {"links": [good]}, gcsim.ConversionError),
        ((Leaf, 2), {"links": {"up": good}}, gcsim.ConversionError),
        ((Node, 2), {"roots": [2]}, gcsim.RangeError),
        ((Node, 2), {"roots": [-1]}, gcsim.RangeError),
        ((Node, 2), {"roots": ["0"]}, gcsim.ConversionError),
        ((Node, 2), {"roots": 0}, gcsim.ConversionError),
        ((Node, -1), {}, gcsim.RangeError),
        ((Node, 1 << 70), {}, gcsim.RangeError),
        ((Node, 1 << 50), {}, gcsim.RangeError),
        ((Node, "2"), {}, gcsim.ConversionError),
        ((None, 2), {}, gcsim.ConversionError),
        ((Node, 2), {"types": [Node], "type_of": b"\0\0"}, gcsim.ConversionError),
        ((None, 2), {"types": [Node, Leaf]}, gcsim.ConversionError),
        ((None, 2), {"types": [], "type_of": b"\0\0"}, gcsim.RangeError),
        ((None, 2), {"types": [Node] * 257, "type_of": b"\0\0"}, gcsim.RangeError),
        ((None, 2), {"types": [Node, Leaf], "type_of": b"\0\2"}, gcsim.RangeError),
        ((None, 2), {"types": [Node, Leaf], "type_of": b"\0"}, gcsim.RangeError),
        ((None, 2), {"types": [Node, Leaf], "type_of": buffer("i", [0, 1])}, gcsim.ConversionError),
        ((Node, 2), {"counts": buffer("i", [1, -1])}, gcsim.RangeError),
        ((Node, 2), {"counts": buffer("Q", [1, 1 << 60])}, gcsim.RangeError),
        ((Node, 2), {"counts": buffer("d", [1, 1])}, gcsim.ConversionError),
        ((Node, 2), {"counts": buffer("i", [1, 0]), "links": {"next": buffer("i", [1, -1])}},
         gcsim.ConversionError),
        ((Node, 2), {"counts": buffer("i", [0, 1]), "links": {"next": buffer("i", [1, -1])}},
         gcsim.RangeError),
        ((list, 2), {}, gcsim.TypeDefinitionError),
        ((Node, 2), {"progress": 3}, gcsim.ConversionError),
        ((Node,), {}, TypeError),
    ]:  # fmt: skip
        with pytest.raises(error):
            heap.build(*args, **options)
    after = heap.memstats()
    assert (after.mallocs, after.heap_objects) == (before.mallocs, before.heap_objects)
    assert heap.verify()


def test_a_link_to_an_object_of_another_type_is_refused(heap: gcsim.Heap) -> None:
    for up in ([-1, 0, -1], [0, -1, -1]):  # a Leaf is no Inner
        with pytest.raises(gcsim.ConversionError, match="cannot refer to object 0"):
            heap.build(
                None, 3, types=[Leaf, Inner], type_of=b"\0\1\0", links={"up": buffer("i", up)}
            )
    with pytest.raises(gcsim.RangeError, match="no such field"):
        heap.build(
            None, 2, types=[Node, Leaf], type_of=b"\0\1", links={"next": buffer("i", [0, 0])}
        )


def test_an_index_buffer_that_changes_during_the_build_does_no_harm(heap: gcsim.Heap) -> None:
    index = buffer("q", [-1] * 1000)

    def spoil(done: int, total: int) -> None:
        index[500] = 1 << 40

    with pytest.raises(gcsim.RangeError, match="500"):
        heap.build(Node, 1000, links={"next": index}, roots=[0], progress=spoil)
    heap.collect()
    assert heap.memstats().heap_objects == 0


# ---- progress, signals, closing ----


def test_progress_is_told_and_its_errors_undo_the_build(heap: gcsim.Heap) -> None:
    told: list[tuple[int, int]] = []
    index = buffer("i", [-1] * 100)
    heap.build(Tree, 100, links={"left": index, "right": index}, progress=lambda *a: told.append(a))
    assert told == [(100, 300), (300, 300)]

    def stop(done: int, total: int) -> None:
        raise KeyError(done)

    with pytest.raises(KeyError):
        heap.build(Node, 100, links={"next": index}, roots=[0], progress=stop)
    heap.collect()
    assert heap.memstats().heap_objects == 0


def test_closing_the_heap_while_it_builds_is_an_error(mode: str) -> None:
    heap = gcsim.Heap(mode=mode)
    with pytest.raises(gcsim.ClosedHeapError):
        heap.build(
            Node,
            10,
            links={"next": buffer("i", [-1] * 10)},
            roots=[1],
            progress=lambda *_: heap.close(),
        )
    assert heap.closed


@pytest.mark.threads
def test_ctrl_c_stops_a_long_build_and_leaves_nothing(mode: str) -> None:
    count = 20_000_000 if mode == "threads" else 2_000_000

    def press(*_: object) -> None:
        raise KeyboardInterrupt

    old = signal.signal(signal.SIGALRM, press)
    try:
        with gcsim.Heap(mode=mode) as heap:
            signal.setitimer(signal.ITIMER_REAL, 0.03)
            with pytest.raises(KeyboardInterrupt):
                while True:
                    heap.build(Node, count)
            signal.setitimer(signal.ITIMER_REAL, 0)
            gc.collect()
            heap.collect()
            assert heap.memstats().heap_objects == 0
            assert heap.verify()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


def test_a_handler_that_uses_the_heap_in_the_middle_of_its_build_gets_an_error(mode: str) -> None:
    count = 20_000_000 if mode == "threads" else 2_000_000
    seen: list[BaseException] = []

    def use(*_: object) -> None:
        try:
            heap.collect()
        except BaseException as error:
            signal.setitimer(signal.ITIMER_REAL, 0)
            seen.append(error)
            raise

    old = signal.signal(signal.SIGALRM, use)
    try:
        with gcsim.Heap(mode=mode) as heap:
            # Again and again: one that comes between two builds may collect.
            signal.setitimer(signal.ITIMER_REAL, 0.06, 0.06)
            deadline = time.monotonic() + 60
            with pytest.raises(gcsim.StateError):
                while time.monotonic() < deadline:
                    heap.build(Node, count)
                pytest.fail("no signal came in the middle of a build")
            assert isinstance(seen[0], gcsim.StateError)
            assert heap.verify()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


@pytest.mark.threads
def test_other_threads_run_while_a_batch_is_built(mode: str) -> None:
    count = 3_000_000 if mode == "threads" else 300_000
    done = threading.Event()
    built: list[Any] = []

    def build() -> None:
        try:
            built.append(
                heap.build(Node, count, links={"next": buffer("i", [-1]) * count}, roots=[0])
            )
        finally:
            done.set()

    with gcsim.Heap(mode=mode) as heap, gcsim.Heap(mode=mode) as other:
        thread = threading.Thread(target=build)
        thread.start()
        n = 0
        while not done.is_set():
            other.new(Node, n=n)
            n += 1
        thread.join()
        assert n > 100 and len(built[0]) == count
        heap.collect()
        assert heap.memstats().heap_objects == 1
        del built[:]


# ---- columns ----


@pytest.mark.parametrize(
    "field, code, values",
    [
        ("a", "b", [-128, 127, 0]),
        ("b", "H", [0, 65535, 7]),
        ("c", "i", [-(1 << 31), (1 << 31) - 1, 0]),
        ("d", "Q", [(1 << 64) - 1, 0, 1]),
        ("e", "f", [0.5, -2.0, 0.0]),
        ("f", "d", [1e300, -1e-300, 0.0]),
    ],
)
def test_columns_go_in_and_come_back(heap: gcsim.Heap, field: str, code: str, values: Any) -> None:
    batch = heap.build(Numbers, 3, roots=range(3))
    assert batch.fill(field, buffer(code, values)) is None
    assert batch.values(field) == buffer(code, values)
    assert [getattr(x, field) for x in batch] == values


def test_columns_convert_between_widths_exactly(heap: gcsim.Heap) -> None:
    batch = heap.build(Numbers, 3, roots=range(3))
    batch.fill("a", buffer("q", [-128, 127, -1]))
    batch.fill("b", buffer("q", [0, 65535, 3]))
    batch.fill("d", buffer("b", [1, 2, 3]))
    batch.fill("f", buffer("f", [0.5, 1, 2]))
    batch.fill("e", buffer("d", [0.5, 1, 2]))
    batch.fill("g", b"\1\0\1")
    assert batch.values("a").tolist() == [-128, 127, -1] and batch.values("b")[1] == 65535
    assert batch.values("d").tolist() == [1, 2, 3]
    assert batch.values("f").tolist() == [0.5, 1, 2] == batch.values("e").tolist()
    assert [x.g for x in batch] == [True, False, True]
    for field, bad, error in [
        ("a", buffer("i", [0, 0, 128]), gcsim.RangeError),
        ("a", buffer("B", [0, 0, 128]), gcsim.RangeError),
        ("b", buffer("i", [0, -1, 0]), gcsim.RangeError),
        ("c", buffer("q", [1 << 31, 0, 0]), gcsim.RangeError),
        ("c", buffer("Q", [1 << 63, 0, 0]), gcsim.RangeError),
        ("d", buffer("b", [-1, 0, 0]), gcsim.RangeError),
        ("g", b"\2\0\0", gcsim.RangeError),
        ("a", buffer("d", [1, 2, 3]), gcsim.ConversionError),
        ("f", buffer("i", [1, 2, 3]), gcsim.ConversionError),
        ("h", buffer("d", [1, 2, 3]), gcsim.ConversionError),
        ("s", buffer("i", [1, 2, 3]), gcsim.ConversionError),
        ("a", buffer("b", [1, 2]), gcsim.RangeError),
        ("a", [1, 2, 3], gcsim.ConversionError),
        ("zz", buffer("b", [1, 2, 3]), gcsim.FieldError),
    ]:
        with pytest.raises(error):
            batch.fill(field, bad)
    assert batch.values("a").tolist() == [-128, 127, -1]
    assert batch.values("g").tolist() == [1, 0, 1]


def test_complex_columns_from_numpy(heap: gcsim.Heap) -> None:
    np = pytest.importorskip("numpy")
    batch = heap.build(Numbers, 2, roots=[0, 1])
    batch.fill("h", np.array([1j, 2 + 3j]))
    assert [x.h for x in batch] == [1j, 2 + 3j]
    with pytest.raises(gcsim.NotThereYetError):
        batch.values("h")


def test_what_is_no_column_is_refused(heap: gcsim.Heap) -> None:
    batch = heap.build(Node, 3, roots=range(3))
    for bad in ("next", "s"):
        with pytest.raises((gcsim.ConversionError, gcsim.FieldError)):
            batch.values(bad)
    for bad in ("n", "s", 3):
        with pytest.raises((gcsim.ConversionError, gcsim.FieldError)):
            batch.links(bad)
    with pytest.raises(gcsim.ConversionError):
        batch.fill("n")
    assert batch.values("n").tolist() == [0, 0, 0]


def test_a_link_out_of_the_batch_reads_as_minus_two(heap: gcsim.Heap) -> None:
    batch = heap.build(Node, 3, roots=range(3))
    batch[0].next = heap.new(Node)
    batch[1].next = batch[2]
    assert batch.links("next").tolist() == [-2, 2, -1]


def test_indices_of_objects(heap: gcsim.Heap) -> None:
    batch = heap.build(Node, 3, roots=range(3))
    for i in (3, -4, 1 << 70):
        with pytest.raises(gcsim.BoundsError):
            batch[i]
    with pytest.raises(gcsim.ConversionError):
        batch["0"]
    assert repr(batch) == "<gcsim.Batch of 3 Node, 3 roots>"
    for dump in (pickle.dumps, copy.copy):
        with pytest.raises(gcsim.ConversionError):
            dump(batch)


def test_a_batch_of_a_closed_heap(mode: str) -> None:
    with gcsim.Heap(mode=mode) as heap:
        batch = heap.build(Node, 3, roots=[0])
    for use in (
        lambda: batch[0], batch.alive, lambda: batch.links("next"), lambda: batch.values("n"),
        lambda: batch.fill("n", buffer("q", [1, 2, 3])), lambda: list(batch), lambda: heap.build(Node, 1),
    ):  # fmt: skip
        with pytest.raises(gcsim.ClosedHeapError):
            use()
    assert len(batch) == 3 and "closed" in repr(batch)


def test_batches_come_and_go_without_growth(mode: str) -> None:
    with gcsim.Heap(mode=mode) as heap:
        used = []
        for _ in range(60):
            heap.build(Node, 1000, links={"next": buffer("i", [-1] * 1000)}, roots=[3])
            heap.collect()
            used.append(heap.memstats().sys)
        assert heap.memstats().heap_objects == 0
        assert len(set(used[5:])) == 1
        assert not any(s.purpose == "batch" for s in heap.spans())


@pytest.mark.parametrize("kind", [i16, u32, i32])
def test_tiny_objects_share_blocks(heap: gcsim.Heap, kind: Any) -> None:
    batch = heap.build(kind, 1000)
    batch.fill("value", buffer("h", range(1000)))
    kept = batch[500]
    heap.collect()
    assert kept.value == 500 and 0 < sum(batch.alive()) <= 16
