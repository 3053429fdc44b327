"""sync.Pool on the heap: who gets what, what a collection leaves, what it allocates."""

from __future__ import annotations

import gc
import threading
from typing import Any

import pytest

import gcsim
from gcsim import Pool, i64, ptr, u8


@gcsim.struct
class Node:
    next: ptr["Node"]
    n: i64


def nodes(heap: gcsim.Heap, n: int) -> list[Any]:
    return [heap.new(Node, n=i) for i in range(n)]


def numbers(pool: Pool, n: int) -> list[int | None]:
    return [None if (value := pool.get()) is None else value.n for _ in range(n)]


def test_one_processor_gives_back_its_own_first() -> None:
    with gcsim.Heap(procs=1) as heap:
        pool = Pool(heap)
        for node in nodes(heap, 12):
            pool.put(node)
        assert pool.counts == (1, 11, 0, 0) and len(pool) == 12
        assert pool.rings == ((8, 16),)
        assert numbers(pool, 13) == [0, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, None]
        assert heap.verify()


def test_a_collection_makes_victims_which_the_next_one_drops(mode: str) -> None:
    with gcsim.Heap(procs=1, mode=mode) as heap:
        pool = Pool(heap)
        for node in nodes(heap, 5):
            pool.put(node)
        del node
        gc.collect()
        heap.collect()
        assert pool.counts == (0, 0, 1, 4) and pool.rings == ((),)
        assert numbers(pool, 2) == [0, 1]  # the private one, then the oldest
        kept = pool.get()
        lost = heap.weak(pool.get())
        pool.put(kept)
        gc.collect()
        heap.collect()
        assert lost() is None and pool.counts == (0, 0, 1, 0)
        assert pool.get() == kept and pool.get() is None
        assert heap.verify()


def test_new_makes_what_is_missing(heap: gcsim.Heap) -> None:
    pool = Pool(heap, lambda: heap.new(Node, n=7))
    first = pool.get()
    assert first.n == 7 and pool.made == 1
    pool.put(first)
    assert pool.get() == first and pool.made == 1
    heap.collect()
    heap.collect()
    assert pool.get() != first and pool.made == 2
    pool.put(None)
    assert len(pool) == 0


def test_a_slice_is_put_with_its_header(heap: gcsim.Heap) -> None:
    pool = Pool(heap)
    data = heap.new_slice(u8, 10, 64)
    pool.put(data)
    box = pool.get()
    before = heap.memstats()
    pool.put(box)  # an interface is what it is
    assert heap.memstats().total_alloc == before.total_alloc
    pool.get()
    pool.put(data)  # every call makes a new one, as in Go
    assert heap.memstats().total_alloc - before.total_alloc == 24
    heap.collect()
    got = pool.get().value
    assert got == data and (len(got), got.cap, got.address) == (10, 64, data.address)
    for value in (5, 3000, "x" * 50, "", 2.5, True):
        pool.put(value)
        heap.collect()
        assert pool.get().value == value
    fresh = Pool(heap, lambda: heap.new_slice(u8, 100))
    assert len(fresh.get().value) == 100


def test_the_pool_does_not_keep_itself(heap: gcsim.Heap) -> None:
    pool = Pool(heap)
    pool.put(heap.new(Node))
    value = heap.weak(pool.get())
    heap.collect()
    heap.collect()
    assert value() is None
    objects = heap.memstats().heap_objects
    for _ in range(50):
        Pool(heap).put(heap.new(Node))
    gc.collect()
    for _ in range(3):
        heap.collect()
    assert heap.memstats().heap_objects <= objects


def test_many_pools_are_all_aged(heap: gcsim.Heap) -> None:
    pools = [Pool(heap) for _ in range(300)]
    for _ in range(2):
        for pool in pools:
            pool.put(heap.new(Node))
        heap.collect()
        assert all(pool.counts == (0, 0, 1, 0) for pool in pools)
    heap.collect()
    assert not any(map(len, pools)) and heap.verify()


def test_what_is_no_value_of_the_heap_is_refused(heap: gcsim.Heap) -> None:
    pool = Pool(heap)
    for bad in ([heap.new(Node)], object(), Node):
        with pytest.raises(gcsim.ConversionError):
            pool.put(bad)
    with gcsim.Heap() as other:
        with pytest.raises(gcsim.WrongHeapError):
            pool.put(other.new(Node))
        with pytest.raises(gcsim.WrongHeapError):
            pool.put(other.new_slice(u8, 3))
        with pytest.raises(gcsim.WrongHeapError):
            pool.put(other.box(i64, 3000))
    with pytest.raises(gcsim.ConversionError, match="new is a function"):
        Pool(heap, 3)  # type: ignore[arg-type]
    with pytest.raises(gcsim.ConversionError, match="made of a Heap"):
        Pool("heap")  # type: ignore[arg-type]
    with pytest.raises(gcsim.ConversionError):
        Pool(heap, object).get()

    def fails() -> Any:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Pool(heap, fails).get()
    for call in (gcsim._core.pool_get, gcsim._core.pool_counts, gcsim._core.pool_rings):
        for no_pool in (heap.new(Node), None, 5, heap):
            with pytest.raises(gcsim.ConversionError):
                call(no_pool)


def test_a_closed_heap() -> None:
    heap = gcsim.Heap()
    pool = Pool(heap, lambda: heap.new(Node))
    node = heap.new(Node)
    pool.put(node)
    heap.close()
    for use in (pool.get, lambda: pool.put(node), lambda: pool.counts, lambda: Pool(heap)):
        with pytest.raises(gcsim.ClosedHeapError):
            use()
    assert repr(pool) == "<pool of a closed heap>"


def test_threads_never_get_the_same_object() -> None:
    with gcsim.Heap(procs=2, gogc=20) as heap:
        pool = Pool(heap, lambda: heap.new(Node))
        doubles, errors = [0], []

        def work() -> None:
            try:
                for i in range(400):
                    mine = [pool.get() for _ in range(1 + i % 7)]
                    doubles[0] += sum(node.n for node in mine)
                    for node in mine:
                        node.n = 1
                    if i % 100 == 0:
                        heap.collect()
                    for node in mine:
                        node.n = 0
                        pool.put(node)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors and doubles == [0] and pool.made < 500
        assert heap.verify()


def test_stepping_back_gives_the_pool_back() -> None:
    with gcsim.Heap(mode="steps", procs=1) as heap:
        pool = Pool(heap)
        for node in nodes(heap, 10):
            pool.put(node)
        del node
        c = heap.begin_cycle()
        assert pool.counts == (1, 9, 0, 0)
        k = c.step_number
        c.run_until("mark")
        assert pool.counts == (0, 0, 1, 9)
        c.goto(k)
        assert pool.counts == (1, 9, 0, 0) and pool.rings == ((8, 16),)
        assert pool.get().n == 0
        c.finish()
        assert pool.get().n == 1 and heap.verify()
        late = Pool(heap)
        late.put(heap.new(Node, n=5))
        c = heap.begin_cycle()
        k = c.step_number
        later = Pool(heap)
        later.put(heap.new(Node))
        c.step(1)
        c.goto(k)
        with pytest.raises(gcsim.StaleReferenceError):
            later.get()
        c.finish()
        assert late.get().n == 5 and Pool(heap).get() is None
        heap.collect()
        assert heap.verify()


def test_a_pool_under_every_barrier() -> None:
    for barrier in ("hybrid", "dijkstra", "yuasa", "steele"):
        with gcsim.Heap(mode="steps", procs=1, barrier=barrier) as heap:
            pool = Pool(heap)
            for node in nodes(heap, 20):
                pool.put(node)
            c = heap.begin_cycle()
            c.run_until("mark")
            held = [pool.get() for _ in range(5)]
            for node in nodes(heap, 12):
                pool.put(node)
            c.finish()
            assert [node.n for node in held] == [0, 1, 2, 3, 4]
            assert numbers(pool, 3) == [0, 11, 10]
            assert heap.verify()
