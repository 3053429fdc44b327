"""Nothing is left behind: not by operations on a heap, not by heaps, in Python, in the heap, or in the process."""

from __future__ import annotations

import gc
import os
import tracemalloc
from array import array as buffer
from collections.abc import Iterator
from typing import Any

import leakcheck
import operations
import pytest

import gcsim
from gcsim import _core, i64, ptr

pytestmark = pytest.mark.soak  # minutes: each operation is repeated until what is measured settles

SOAK = os.environ.get("GCSIM_SOAK") == "1"
SMALL = [name for name in operations.ALL if name != "large_objects"]


@pytest.fixture
def traced_memory() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


WATCHED = (
    operations.Node,
    operations.Holder,
    _core.Heap,
    _core.Slice,
    _core.Array,
    _core.Batch,
    _core.Goroutine,
    _core.Frame,
    _core.Weak,
    _core.Cleanup,
    gcsim.NotThereYetError,
    gcsim.ConversionError,
    gcsim.typeof,
    None,
)


@pytest.mark.usefixtures("traced_memory")
@pytest.mark.parametrize("name", operations.ALL)
def test_operations_leave_no_references_and_no_memory(mode: str, name: str) -> None:
    with gcsim.Heap(mode=mode) as heap:
        operation = operations.ALL[name]
        watched = (heap, *WATCHED)
        if name == "handles":
            tracemalloc.stop()  # it looks at all objects of the process, which tracing makes very slow
        kept = [
            heap.new(operations.Node) for _ in range(300)
        ]  # what the binding keeps to use again
        kept.clear()

        def work() -> None:
            operation(heap)
            heap.collect()  # a stepped heap knows each address that it ever used: they are to be used again

        leakcheck.assert_settles(
            work, lambda: leakcheck.python_numbers(watched), 200 if SOAK else 4
        )


@pytest.mark.parametrize("name", operations.ALL)
def test_operations_leave_no_roots_even_before_python_collects(mode: str, name: str) -> None:
    gc.collect()
    gc.disable()
    try:
        with gcsim.Heap(mode=mode) as heap:
            operations.ALL[name](heap)
            if name == "types":  # a class is a circle
                gc.collect()
            assert heap.handles() == []
            assert len(heap.globals) == 0 and heap.goroutines() == ()
            heap.collect()
            stats = heap.memstats()
            assert stats.heap_objects <= 1  # the block that tiny objects are taken from
            assert stats.stack_inuse == 0
            assert heap.verify()
    finally:
        gc.enable()


def test_records_of_the_core_are_used_again(mode: str) -> None:
    """What the system gave stays the same when the same is done again and again."""
    with gcsim.Heap(mode=mode) as heap:

        def work() -> None:
            for name in SMALL:
                operations.ALL[name](heap)
            gc.collect()
            heap.collect()

        def measure() -> dict[str, float]:
            stats = heap.memstats()
            kept = stats.other_sys + stats.gc_sys + stats.mspan_sys + stats.heap_sys
            return {"bytes": float(kept), "types": float(len(gc.get_objects()))}

        leakcheck.assert_settles(work, measure, 30 if SOAK else 5)
        assert heap.verify()


def test_a_weak_reference_that_is_called_leaves_no_root(mode: str) -> None:
    with gcsim.Heap(mode=mode) as heap:
        node = heap.new(operations.Node)
        weak = heap.weak(node)
        for _ in range(1000):
            assert weak() == node
        assert len(heap._handle_addresses()) == 1


def test_an_exception_keeps_a_reference_no_longer_than_itself(mode: str) -> None:
    with gcsim.Heap(mode=mode) as heap:
        weak = heap.weak(heap.new(operations.Node))
        try:
            weak().n = "x"
        except gcsim.ConversionError as error:
            message = str(error)
        heap.collect()
        assert weak() is None and "Node.n" in message


# --- whole heaps


def mapped() -> dict[str, float]:
    """Of this process: mappings, pages of address space, resident pages, memory of C's malloc aside."""
    with open("/proc/self/maps") as maps:
        count = sum(1 for _ in maps)
    with open("/proc/self/statm") as statm:
        total, resident = map(int, statm.read().split()[:2])
    return {"mappings": count, "address space": total, "resident": resident}


def use_and_close(mode: str, i: int) -> None:
    heap = gcsim.Heap(mode=mode, gogc=100, events=16 * (i % 2), trace_refs=i % 3 == 0)
    head = heap.new(operations.Node, n=i)
    kept: list[Any] = [head, heap.weak(head), heap.new_slice(ptr[operations.Node], 5)]
    frame = heap.goroutine("g").push("f", a=i64)
    heap.globals["g"] = head
    kept.append(heap.build(operations.Node, 10, links={"next": buffer("i", [-1] * 10)}, roots=[3]))
    kept.append(frame)
    if i % 4 == 0:
        heap.collect()
    if i % 2:
        heap.close()  # with all of that alive
    del kept, frame, head, heap  # and without close()


@pytest.mark.usefixtures("traced_memory")
def test_a_thousand_heaps_in_turn_leave_nothing(mode: str) -> None:
    """In soak runs, 10^5."""
    repeat = 10_000 if SOAK else 100
    count = iter(range(1 << 60))

    def measure() -> dict[str, float]:
        return leakcheck.python_numbers((operations.Node,)) | mapped()

    for _ in range(10):
        leakcheck.assert_settles(lambda: use_and_close(mode, next(count)), measure, repeat)
    assert next(count) > 10 * repeat


def test_a_heap_that_could_not_be_made_leaves_nothing(mode: str) -> None:
    bad: tuple[dict[str, Any], ...] = (
        {"reserve": 1 << 46},
        {"reserve": "x"},
        {"memory_limit": 1},
        {"mark": "span"},
        {"gogc": -1},
        {"events": 1 << 28, "trace_refs": True, "gogc": "x"},
    )

    def work() -> None:
        for options in bad:
            try:
                gcsim.Heap(mode=mode, **options).close()
            except gcsim.Error:
                continue

    leakcheck.assert_settles(work, lambda: leakcheck.python_numbers((gcsim.Heap,)) | mapped(), 50)


def test_the_check_sees_a_leak() -> None:
    kept: list[Any] = []
    with pytest.raises(AssertionError, match="objects"):
        leakcheck.assert_settles(lambda: kept.append([]), leakcheck.python_numbers)
    thing = object()
    with pytest.raises(AssertionError, match="references to"):
        leakcheck.assert_settles(
            lambda: kept.append(thing), lambda: leakcheck.python_numbers((thing,))
        )
