"""Every request to the system fails once: the n-th from the start of an operation, for every n.

The operation then raises HeapMemoryError or does its work all the same. The heap verifies, nothing is
rooted that was not before, and the same operation works afterwards.
"""

from __future__ import annotations

import os
from array import array as buffer
from collections.abc import Callable
from pathlib import Path
from typing import Any

import operations
import pytest

import gcsim
from gcsim import array, i64, ptr, u8

lowlevel = pytest.importorskip("gcsim.lowlevel", exc_type=ImportError)

SOAK = os.environ.get("GCSIM_SOAK") == "1"
Node = operations.Node


def fail_after(mode: str, n: int) -> int:
    """The n-th request from now fails, on this thread; 0 stops that. What was left of the last one."""
    table = lowlevel.whitebox_steps if mode == "steps" else lowlevel.whitebox_fast
    return int(table.fail_after(n))


def failing(mode: str, n: int, operation: Callable[[], Any]) -> bool:
    """Runs it with the n-th request failing. Was it reached?"""
    fail_after(mode, n)
    try:
        operation()
    except gcsim.HeapMemoryError as error:
        assert isinstance(error, MemoryError) and str(error)
    finally:
        left = fail_after(mode, 0)
    return left == 0


def fail_each(
    mode: str, prepare: Callable[[gcsim.Heap], Any], operation: Callable[[gcsim.Heap, Any], Any]
) -> int:
    """For each n in a heap of its own; returns how many requests the operation makes."""
    for n in range(1, 10_000):
        with gcsim.Heap(mode=mode, reserve="96MiB", clobber_free=True) as heap:
            made = [prepare(heap)]
            roots = len(heap._handle_addresses())
            reached = failing(mode, n, lambda heap=heap, made=made: operation(heap, *made))
            assert heap.verify()
            heap.collect()
            assert len(heap._handle_addresses()) <= roots + 1, "a failed operation left roots"
            operation(heap, *made)
            made.clear()
            heap.collect()
            assert heap.verify()
        if not reached:
            return n - 1
    raise AssertionError("it never ends")


@pytest.mark.parametrize("name", operations.ALL)
def test_an_operation_in_a_new_heap(mode: str, name: str) -> None:
    requests = fail_each(mode, lambda heap: None, lambda heap, _: operations.ALL[name](heap))
    assert requests > 3, "an empty heap has to ask for memory"


def chain(heap: gcsim.Heap, n: int) -> gcsim.Ref:
    batch = heap.build(Node, n, links={"next": buffer("i", [*range(1, n), -1])}, roots=[0])
    return batch.roots[0]


def wide(heap: gcsim.Heap) -> Any:
    """An object that refers to 60,000 others: marking needs work buffers."""
    n = 60_000
    rows = heap.new_slice(ptr[Node], n)
    rows[:] = [heap.build(Node, 1, roots=[0])[0] for _ in range(n // 100)] * 100
    return rows


def full(heap: gcsim.Heap) -> Any:
    """A heap whose pages are used up to the last."""
    kept = [heap.new(array[u8, 1 << 20]) for _ in range(3)]
    while len(kept) < 10_000:
        kept.append(heap.new(array[u8, 8192]))
        if heap.memstats().heap_idle == 0:
            break
    return kept


def deep_stack(heap: gcsim.Heap) -> Any:
    goroutine = heap.goroutine("deep")
    for _ in range(50):
        goroutine.push("f", a=ptr[Node], n=i64).a = heap.new(Node)
    return goroutine


def push_more(goroutine: Any) -> None:
    depth = len(goroutine.frames)
    try:
        for _ in range(2000):
            goroutine.push("g", a=ptr[Node], n=i64, b=ptr[Node])
    finally:
        while len(goroutine.frames) > depth:
            goroutine.pop()


def record(heap: gcsim.Heap, _: Any) -> None:
    with heap.record(room=1 << 12) as events:
        pass
    assert len(events) >= 1


AFTER: dict[str, tuple[Callable[[gcsim.Heap], Any], Callable[[gcsim.Heap, Any], Any], int]] = {
    "collect a long list": (lambda h: chain(h, 50_000), lambda h, _: h.collect(), 0),
    "collect a wide slice": (wide, lambda h, _: h.collect(), 0),
    "collect a full heap": (full, lambda h, _: h.collect(), 0),
    "allocate in a full heap": (full, lambda h, _: [h.new(Node) for _ in range(3000)], 2),
    "allocate large in a full heap": (full, lambda h, _: h.new(array[u8, 5 << 20]), 2),
    "build in a full heap": (full, lambda h, _: chain(h, 30_000), 2),
    "append in a full heap": (full, lambda h, _: h.new_slice(i64, 500).append(*range(5000)), 1),
    "grow a stack": (lambda h: (deep_stack(h), full(h)), lambda h, made: push_more(made[0]), 1),
    "look at a full heap": (full, lambda h, _: (h.memstats(), h.spans(), list(h.objects()), h.graph()), 0),
    "set many finalizers": (
        lambda h: h.new(Node),
        lambda h, n: [(h.set_finalizer(x, id), h.add_cleanup(x, id, 0)) for x in [h.new(Node) for _ in range(3000)]],
        0,
    ),
    "record events": (lambda h: h.new(Node), record, 1),
    "make many roots": (lambda h: h.new(Node), lambda h, n: [h.weak(n)() for _ in range(3000)], 0),
}  # fmt: skip


@pytest.mark.parametrize("name", AFTER)
def test_an_operation_in_a_heap_in_use(mode: str, name: str) -> None:
    prepare, operation, least = AFTER[name]
    assert fail_each(mode, prepare, operation) >= least


def test_heaps_and_their_options(mode: str) -> None:
    def make() -> None:
        with gcsim.Heap(mode=mode, events=1 << 14, gogc=0, reserve="16MiB") as heap:
            heap.new(Node)

    n = 1
    while failing(mode, n, make):
        n += 1
    assert n > 5
    make()


def test_rebuilding_a_recorded_heap(mode: str) -> None:
    pytest.importorskip("numpy")
    path = Path(gcsim.__file__).parent / "data" / "leaks.graph.npz"
    dump = gcsim.open_go_dump(path)
    n, step = 1, 1 if SOAK else 7
    while failing(mode, n, lambda: dump.load(mode=mode).close()):
        n += step
    assert n > 5
    with dump.load(mode=mode) as heap:
        assert heap.memstats().heap_objects == dump.objects


def test_many_failures_in_a_row(mode: str) -> None:
    """A heap that has to grow all the time lives through a storm, and keeps what it held."""
    names = (
        "objects",
        "large_objects",
        "strings",
        "slices",
        "frames",
        "weak_references",
        "finalizers",
        "batches",
    )
    failures, rounds = 0, 300 if SOAK else 20
    for start in range(rounds):
        with gcsim.Heap(mode=mode, reserve="192MiB", gogc=(20, None)[start % 2]) as heap:
            head = chain(heap, 1000)
            kept: list[Any] = []
            for n in range(14):
                fail_after(mode, (n + start) % 5 + 1)
                try:
                    kept.append(operations.ALL[names[(n * 3 + start) % len(names)]](heap))
                except gcsim.HeapMemoryError:
                    failures += 1
                fail_after(mode, 0)
                assert heap.verify()
            kept.clear()
            while heap.pending_finalizers:  # a chain of them dies one by one
                heap.collect()
                heap.run_finalizers()
            heap.collect()
            assert heap.verify()
            length, node = 0, head
            while node is not None:
                length, node = length + 1, node.next
            assert length == 1000
            assert heap.memstats().heap_objects <= 1001
            del head, node
    assert failures > 3 * rounds


# --- limits that the system sets


@pytest.mark.skipif(
    gcsim.build_info()["mode"] in ("asan", "tsan"), reason="the sanitizer needs the address space"
)
@pytest.mark.parametrize("mebibytes", [600, 1024, 2048, 8192])
def test_a_heap_under_ulimit_v_works_or_says_what_to_set(
    run_python: Any, mode: str, mebibytes: int
) -> None:
    done = run_python(
        """
        import resource, sys
        sys.path.insert(0, sys.argv[3])
        import gcsim, operations
        limit = int(sys.argv[2]) << 20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        try:
            heap = gcsim.Heap(mode=sys.argv[1])
        except gcsim.HeapMemoryError as error:
            assert "reserve=" in str(error) and "ulimit" in str(error), error
            heap = gcsim.Heap(mode=sys.argv[1], reserve="32MiB")
            print("told")
        for name in ("objects", "strings", "frames", "batches", "collections"):
            operations.ALL[name](heap)
        assert heap.verify()
        second = gcsim.Heap(mode=sys.argv[1], reserve="16MiB")
        operations.objects(second)
        try:
            gcsim.Heap(reserve=str(2 * limit))
        except gcsim.HeapMemoryError as error:
            print("refused")
        """,
        mode,
        str(mebibytes),
        str(Path(__file__).parent),
    )
    assert done.stdout.split()[-1] == "refused"
    assert mebibytes < 2048 or done.stdout.split() == ["refused"], "the default has to fit in 2 GiB"


def test_memory_that_the_system_does_not_have(run_python: Any, mode: str) -> None:
    """A limit of address space that is reached while the heap grows: nothing but HeapMemoryError."""
    run_python(
        """
        import resource, sys
        import gcsim
        from gcsim import array, u8
        heap = gcsim.Heap(mode=sys.argv[1], reserve="4GiB", gogc=None)
        before = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (256 << 20, before[1]))
        kept = []
        try:
            while len(kept) < 4096:
                kept.append(heap.new(array[u8, 1 << 20]))
        except gcsim.HeapMemoryError:
            pass
        else:
            raise SystemExit("there was enough")
        resource.setrlimit(resource.RLIMIT_DATA, before)
        assert heap.verify()
        del kept[10:]
        heap.collect()
        kept.append(heap.new(array[u8, 1 << 20]))
        assert heap.verify()
        """,
        mode,
    )
