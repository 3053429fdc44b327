"""The chapter's allocators: mended they hold, and as the chapter has them each shows its mistake."""

from __future__ import annotations

import gc
import threading
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest

import gcsim
from gcsim import (
    BatchAllocator,
    MemoryPool,
    ObjectPool,
    Pool,
    i64,
    next_power_of_2,
    ptr,
    slice_,
    u8,
)


@gcsim.struct
class Node:
    next: ptr["Node"]
    n: i64


# ---- BatchAllocator ----


def test_pieces_lie_side_by_side_and_are_one_object(heap: gcsim.Heap) -> None:
    before = heap.memstats().mallocs
    arena = BatchAllocator(heap, 100)
    pieces = [arena.alloc(30) for _ in range(3)]
    assert heap.memstats().mallocs == before + 1
    addresses = [piece.slice.address for piece in pieces]
    assert [b - a for a, b in pairwise(addresses)] == [30, 30]
    assert arena.alloc(11) is None and arena.used == 90
    assert len(arena.alloc(10)) == 10 and arena.alloc(1) is None and arena.alloc(0) is not None
    assert repr(arena) == "<arena: 100 of 100 bytes used, generation 0>"
    pieces[1][2] = 7
    assert bytes(pieces[1])[:3] == b"\0\0\7" and list(pieces[1])[2] == 7


def test_append_stays_out_of_the_neighbour(heap: gcsim.Heap) -> None:
    for mended in (True, False):
        arena = BatchAllocator(heap, 64, mended=mended)
        first, second = arena.alloc(8), arena.alloc(8)
        second[0] = 1
        longer = first.append(99)
        assert (len(longer), longer[8]) == (9, 99)
        assert second[0] == (1 if mended else 99)  # the chapter's: written by the neighbour
        shared = longer.address == (first.slice if mended else first).address
        assert shared is not mended


def test_use_after_reset_is_caught(heap: gcsim.Heap) -> None:
    arena = BatchAllocator(heap, 64)
    old = arena.alloc(16)
    old[0] = 5
    arena.reset()
    uses: list[Any] = [
        lambda: old[0], lambda: old.append(1), lambda: len(old), lambda: bytes(old),
        lambda: old.slice, lambda: list(old), lambda: old.__setitem__(0, 1),
    ]  # fmt: skip
    for use in uses:
        with pytest.raises(gcsim.UseAfterResetError, match="reset 1 times"):
            use()
    new = arena.alloc(16)
    assert bytes(new) == bytes(16) and "was reset" in repr(old) and "16 bytes" in repr(new)


def test_the_chapters_arena_shows_what_was_there_before_and_shares_it(heap: gcsim.Heap) -> None:
    arena = BatchAllocator(heap, 64, mended=False)
    old = arena.alloc(16)
    old[0] = 5
    arena.reset()
    new = arena.alloc(16)
    assert new[0] == 5  # stale
    new[1] = 6
    assert old[1] == 6  # and one and the same


def test_alignment_is_kept_and_counted(heap: gcsim.Heap) -> None:
    arena = BatchAllocator(heap, 1000)
    for n, align in ((3, 1), (8, 8), (1, 64), (5, 16), (0, 4096)):
        piece = arena.alloc(n, align=align)
        assert piece is None or piece.slice.address % align == 0
    assert arena.wasted > 0
    for bad in (0, -1, 3, 8192):
        with pytest.raises(gcsim.RangeError):
            arena.alloc(1, align=bad)


def test_sizes_that_are_none(heap: gcsim.Heap) -> None:
    arena = BatchAllocator(heap, 10)
    pool = MemoryPool(heap)
    for bad in (-1, 1 << 48, -(1 << 70), 1 << 100):
        for use in (arena.alloc, pool.get, lambda n: BatchAllocator(heap, n), next_power_of_2):
            with pytest.raises(gcsim.RangeError):
                use(bad)
    for word in ("8", None, 1.5):
        for use in (arena.alloc, pool.get, lambda n: BatchAllocator(heap, n), next_power_of_2):
            with pytest.raises(gcsim.ConversionError):
                use(word)
    made: tuple[Any, ...] = (
        lambda h: BatchAllocator(h, 5), MemoryPool, lambda h: ObjectPool(h, i64, 1, int)
    )  # fmt: skip
    for make in made:
        with pytest.raises(gcsim.ConversionError, match="works on a Heap"):
            make("heap")
    with pytest.raises((gcsim.HeapMemoryError, gcsim.RangeError)):
        BatchAllocator(heap, 1 << 47)


def test_allocators_of_a_closed_heap() -> None:
    heap = gcsim.Heap()
    arena, pool = BatchAllocator(heap, 10), MemoryPool(heap)
    objects = ObjectPool(heap, ptr[Node], 1, lambda: None)
    heap.close()
    for use in (lambda: arena.alloc(1), lambda: pool.get(1), objects.get):
        with pytest.raises(gcsim.ClosedHeapError):
            use()


# ---- MemoryPool ----


def test_powers_of_two() -> None:
    for n, power in ((0, 1), (1, 1), (2, 2), (3, 4), (1000, 1024), (1024, 1024), (1025, 2048)):
        assert next_power_of_2(n) == next_power_of_2(n, mended=False) == power
    assert next_power_of_2((1 << 32) + 1) == 1 << 33
    assert next_power_of_2((1 << 32) + 1, mended=False) == (1 << 33) - 1  # that is none


def test_a_buffer_comes_back_for_any_size_of_its_class(heap: gcsim.Heap) -> None:
    pool = MemoryPool(heap)
    data = pool.get(1000)
    assert (len(data), data.cap) == (1000, 1024)
    data[0] = 9
    assert pool.put(data)
    again = pool.get(600)
    assert (len(again), again.cap, again.address) == (600, 1024, data.address) and again[0] == 9
    assert pool.get(1000).address != data.address
    assert repr(pool) == "<memory pool: 0 of 1,024>"
    clean = MemoryPool(heap, clear=True)
    first = clean.get(8)
    first[0] = 9
    clean.put(first)
    again = clean.get(8)
    assert again.address == first.address and again[0] == 0


def test_a_foreign_capacity_is_refused(heap: gcsim.Heap) -> None:
    pool = MemoryPool(heap, limit=2048)
    foreign = heap.new_slice(u8, 1000)
    assert not pool.put(foreign) and not pool.put(pool.get(5000)) and pool.refused == 2
    assert pool.get(1024).cap == 1024
    for bad in (None, b"bytes", heap.new_slice(i64, 4), heap.new(Node)):
        with pytest.raises(gcsim.ConversionError, match="slice of u8"):
            pool.put(bad)
    with gcsim.Heap() as other, pytest.raises(gcsim.WrongHeapError):
        pool.put(other.new_slice(u8, 1024))


def test_the_chapters_pool_files_a_foreign_capacity_wrongly(heap: gcsim.Heap) -> None:
    pool = MemoryPool(heap, mended=False)
    pool.get(1024)  # so that there is a pool of this size
    assert pool.put(heap.new_slice(u8, 1000))
    with pytest.raises(gcsim.BoundsError, match="1024"):  # Go: slice bounds out of range
        pool.get(1024)


def test_a_put_takes_no_memory_once_mended(heap: gcsim.Heap) -> None:
    cost = {}
    for mended in (True, False):
        pool = MemoryPool(heap, mended=mended)
        for _ in range(3):
            pool.put(pool.get(100))
        before = heap.memstats()
        for _ in range(50):
            pool.put(pool.get(100))
        after = heap.memstats()
        cost[mended] = (
            after.mallocs - before.mallocs, after.total_alloc - before.total_alloc
        )  # fmt: skip
    assert cost == {True: (0, 0), False: (50, 50 * 24)}


def two_threads_ask_for_one_size(mended: bool) -> int:
    """How many pools they make for it, if both look before either writes."""
    with gcsim.Heap() as heap:
        meeting = threading.Barrier(2)
        made = []

        class Watched(MemoryPool):
            def _new_pool(self, size: int) -> Pool:
                made.append(size)
                with suppress(threading.BrokenBarrierError):
                    meeting.wait(1)
                return super()._new_pool(size)

        pool = Watched(heap, mended=mended)
        threads = [threading.Thread(target=pool._pool, args=(64,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return len(made)


def test_the_map_wants_a_lock() -> None:
    assert two_threads_ask_for_one_size(mended=True) == 1
    assert two_threads_ask_for_one_size(mended=False) == 2  # one of the two is lost


def test_many_threads_share_a_memory_pool() -> None:
    with gcsim.Heap(procs=2) as heap:
        pool, errors = MemoryPool(heap), []

        def work(seed: int) -> None:
            try:
                for i in range(200):
                    data = pool.get(1 + (seed * 31 + i * 17) % 500)
                    data[0] = seed
                    assert data[0] == seed and pool.put(data)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors and heap.verify()


# ---- ObjectPool ----


def test_a_channel_keeps_at_most_so_many(heap: gcsim.Heap) -> None:
    pool = ObjectPool(heap, ptr[Node], 2, lambda: heap.new(Node, n=7))
    objects = [pool.get() for _ in range(3)]
    assert pool.made == 3 and [pool.put(o) for o in objects] == [True, True, False]
    del objects
    gc.collect()
    heap.collect()
    heap.collect()  # unlike a sync.Pool's
    assert pool.get().n == 7 and pool.get().n == 7 and pool.made == 3
    assert repr(pool) == "<pool of at most 2: 3 made, 1 dropped>"
    with pytest.raises(gcsim.ConversionError, match="nil"):
        pool.put(None)
    pool.close()


def test_reset_is_called_with_what_is_put(heap: gcsim.Heap) -> None:
    pool = ObjectPool(
        heap, ptr[Node], 1, lambda: heap.new(Node), reset=lambda node: setattr(node, "n", 0)
    )
    node = pool.get()
    node.n = 5
    pool.put(node)
    assert pool.get() == node and node.n == 0
    pool.close()


def test_the_chapters_channel_of_interfaces_allocates_with_each_put(heap: gcsim.Heap) -> None:
    cost = {}
    for mended in (True, False):
        pool = ObjectPool(heap, slice_[i64], 4, lambda: heap.new_slice(i64, 100), mended=mended)
        pool.put(pool.get())
        with heap.record(kinds=("alloc", "alloc type")) as record:
            pool.put(pool.get())
        names = [record.types[e.arg] for e in record if e.kind == "alloc type"]
        cost[mended] = len(names)
        headers = names.count("[]int64")
        pool.close()
    assert cost[False] == cost[True] + 1 and headers == 1  # all else is the select's own


def test_a_pool_of_what_is_no_type_or_function(heap: gcsim.Heap) -> None:
    with pytest.raises(gcsim.ConversionError, match="functions"):
        ObjectPool(heap, i64, 1, 5)  # type: ignore[arg-type]
    with pytest.raises(gcsim.RangeError):
        ObjectPool(heap, i64, -1, int)
    with pytest.raises(gcsim.ConversionError):
        ObjectPool(heap, i64, 1, int).put("x")
