"""When cycles start, what they may cost, and how much memory they let the program have."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator

import pytest

import gcsim
from gcsim import array, i64, ptr, u8

MIB = 1 << 20


@gcsim.struct
class Node:
    next: ptr["Node"]
    n: i64


@pytest.fixture
def heap() -> Iterator[gcsim.Heap]:
    with gcsim.Heap(procs=2) as heap:
        yield heap
        assert heap.verify()


# --- the memory limit


def test_a_limit_is_read_as_it_was_set(heap: gcsim.Heap) -> None:
    assert heap.memory_limit is None
    heap.memory_limit = "64MiB"
    assert heap.memory_limit == 64 * MIB
    heap.memory_limit = 0
    assert heap.memory_limit == 0
    heap.memory_limit = None
    assert heap.memory_limit is None
    with gcsim.Heap(memory_limit="1GiB") as other:
        assert other.memory_limit == 1 << 30


@pytest.mark.parametrize("value", [-1, "64 bananas", 1.5, 1 << 64, object()])
def test_what_is_no_limit_is_refused_and_changes_nothing(heap: gcsim.Heap, value: object) -> None:
    heap.memory_limit = 8 * MIB
    with pytest.raises(gcsim.Error, match="memory_limit"):
        heap.memory_limit = value  # type: ignore[assignment]
    assert heap.memory_limit == 8 * MIB
    with pytest.raises(gcsim.Error, match="memory_limit"):
        gcsim.Heap(memory_limit=value)  # type: ignore[arg-type]


@pytest.mark.parametrize("gogc", [None, 100])
def test_a_limit_keeps_the_heap_below_it_where_gogc_would_not(gogc: int | None) -> None:
    """32 MiB live under a limit of 64 MiB: at GOGC=100 the goal is about 64 MiB and more, and off it is none."""
    with gcsim.Heap(gogc=gogc, memory_limit="64MiB", procs=2) as heap:
        keep = heap.new_slice(ptr[array[u8, 64 << 10]], 512)
        for i in range(512):
            keep[i] = heap.new(array[u8, 64 << 10])
        most = 0
        for _ in range(4000):  # 250 MiB pass through
            heap.new(array[u8, 64 << 10])
            stats = heap.memstats()
            most = max(most, stats.sys - stats.heap_released)
        assert heap.memstats().num_gc > 3
        assert most <= (64 + 16) * MIB  # Go's own test allows 16 MiB (TestMemoryLimit)
        goals = [cycle.goal for cycle in heap.cycles]
        assert all(goal is not None and goal < 64 * MIB for goal in goals[1:])
        assert heap.verify()


def test_a_limit_below_what_is_in_use_collects_and_lets_the_program_go_on() -> None:
    with gcsim.Heap(gogc=None, memory_limit=1, procs=2) as heap:
        head = heap.new(Node, n=0)
        for i in range(1, 20_000):
            head = heap.new(Node, n=i, next=head)
        heap.collect()
        n = 0
        node: Node | None = head
        while node is not None:
            n += 1
            node = node.next
        assert n == 20_000 and heap.memstats().num_gc > 1


# --- the period


def _within(seconds: float, true: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.005)
    return true()


@pytest.mark.parametrize("period", [0.001, 0.02])
def test_a_heap_that_nobody_uses_is_collected_once_a_period(period: float) -> None:
    with gcsim.Heap(gc_period=period, procs=2) as heap:
        heap.collect()
        assert _within(30, lambda: len(heap.cycles) >= 4)
        cycles = heap.cycles
        assert {cycle.trigger for cycle in cycles[1:]} == {"periodic"}
        assert "period" in cycles[1].why
        starts = [cycle.since_ns for cycle in cycles]
        assert min(b - a for a, b in itertools.pairwise(starts)) >= period * 1e9
        assert heap.verify()


def test_the_period_is_for_heaps_that_have_a_goal_and_a_first_collection() -> None:
    with (
        gcsim.Heap(gc_period=0.001) as new,
        gcsim.Heap(gc_period=0.001, gogc=None) as off,
        gcsim.Heap(gc_period=None) as usual,
    ):
        off.collect()
        usual.collect()
        time.sleep(0.1)
        assert (len(new.cycles), len(off.cycles), len(usual.cycles)) == (0, 1, 1)
        off.gc_percent = 100
        off.collect()
        assert _within(30, lambda: off.cycles[-1].trigger == "periodic")


@pytest.mark.parametrize("value", [0, -1, 0.0009, 1e12, float("nan"), 10**400])
def test_what_is_no_period_is_refused(value: float) -> None:
    with pytest.raises(gcsim.RangeError, match="gc_period"):
        gcsim.Heap(gc_period=value)


@pytest.mark.parametrize("value", ["1", True, 1j, object()])
def test_a_period_is_a_number(value: object) -> None:
    with pytest.raises(gcsim.ConversionError, match="gc_period"):
        gcsim.Heap(gc_period=value)  # type: ignore[arg-type]


# --- processors


@pytest.mark.threads
def test_more_threads_than_processors_take_turns() -> None:
    """Eight threads build and collect on two processors; each finds its own data."""
    with gcsim.Heap(procs=2, gogc=20) as heap:
        sums: dict[int, int] = {}

        def work(seed: int) -> None:
            batch = heap.build(Node, 20_000, links={"next": _chain(20_000)}, roots=[0])
            total = 0
            for _ in range(3):
                heap.collect()
                for i in range(500):
                    heap.new(Node, n=i)
            node: Node | None = batch[0]
            while node is not None:
                total += 1
                node = node.next
            sums[seed] = total

        threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sums == dict.fromkeys(range(8), 20_000)
        assert heap.verify()


def _chain(count: int) -> memoryview:
    from array import array as buffer

    return memoryview(buffer("q", [*range(1, count), -1]))


# --- what a cycle records


def test_a_cycle_by_the_trigger_starts_between_trigger_and_goal(heap: gcsim.Heap) -> None:
    for _ in range(40):
        heap.new(array[u8, 1 * MIB])
    heap.collect()
    cycles = [cycle for cycle in heap.cycles if cycle.trigger == "heap"]
    assert cycles
    for cycle in cycles:
        assert cycle.trigger_bytes is not None and cycle.goal is not None
        assert cycle.trigger_bytes <= cycle.heap_live
        assert cycle.trigger_bytes <= cycle.goal
