"""Finalizers, cleanups and weak references: what runs, when, in which order and with what in hand."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from test_robustness import forks, in_child

import gcsim
from gcsim import array, i64, ptr, u8

Run = Callable[..., subprocess.CompletedProcess[str]]


@gcsim.struct
class Node:
    next: ptr["Node"]
    n: i64

    def twice(self) -> int:
        return 2 * self.n


@gcsim.struct
class Wide:  # above 512 bytes, with pointers: it has a header
    first: ptr[Node]
    rest: array[ptr[Node], 80]


@gcsim.struct
class Empty:
    pass


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Classes of what went to sys.unraisablehook: the errors themselves would keep the objects."""
    caught: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: caught.append(args.exc_type.__name__))
    return caught


# --- order


def test_a_finalizer_gets_its_object_once_with_all_that_it_reaches(heap: gcsim.Heap) -> None:
    node, seen = heap.new(Node, n=1, next=heap.new(Node, n=2)), []
    address = gcsim.address(node)
    heap.set_finalizer(node, lambda ref: seen.append((type(ref), gcsim.address(ref), ref.next.n)))
    heap.collect()
    assert seen == [] and heap.pending_finalizers == 1
    del node
    heap.collect()
    assert seen == [(Node, address, 2)] and heap.pending_finalizers == 0
    assert heap.memstats().heap_objects == 2
    heap.collect()
    assert len(seen) == 1 and heap.memstats().heap_objects == 0


def test_weak_references_are_nil_before_the_finalizer_runs_and_cleanups_come_last(
    heap: gcsim.Heap,
) -> None:
    node, log = heap.new(Node), []
    weak = heap.weak(node)
    heap.add_cleanup(node, log.append, "cleanup")
    heap.set_finalizer(node, lambda ref: log.append((weak() is None, heap.weak(ref)() == ref)))
    del node
    heap.collect()
    assert log == [(True, True)]
    heap.collect()
    assert log == [(True, True), "cleanup"]


def test_a_chain_is_finalized_from_the_outside_and_a_cycle_never(heap: gcsim.Heap) -> None:
    log: list[int] = []
    chain = None
    for n in range(4):
        chain = heap.new(Node, n=n, next=chain)
        heap.set_finalizer(chain, lambda ref: log.append(ref.n))
    del chain
    for n in range(4):
        heap.collect()
        assert log == [3, 2, 1, 0][: n + 1]
    a, b = heap.new(Node, n=10), heap.new(Node, n=11)
    a.next, b.next = b, a
    heap.set_finalizer(a, lambda ref: log.append(ref.n))
    del a, b
    for _ in range(3):
        heap.collect()
    assert len(log) == 4 and heap.pending_finalizers == 1 and heap.memstats().heap_objects == 2


def test_a_finalizer_may_save_its_object_and_set_another(heap: gcsim.Heap) -> None:
    saved: list[Any] = []

    def save(ref: Any) -> None:
        saved.append(ref)
        heap.set_finalizer(ref, save)

    heap.set_finalizer(heap.new(Node, n=5), save)
    for _ in range(3):
        heap.collect()
        assert [ref.n for ref in saved] == [5]
        saved.clear()


def test_tiny_objects_die_with_their_block(heap: gcsim.Heap) -> None:
    log: list[int] = []
    tiny = [heap.new(u8, value=n) for n in range(16)]
    assert len({gcsim.address(t) // 16 for t in tiny}) < 16
    for t in tiny:
        heap.set_finalizer(t, lambda ref: log.append(ref.value))
    keep = tiny[-1]
    del tiny, t
    for _ in range(20):
        heap.new(array[u8, 15])  # other blocks: the one that is being filled is a root
    heap.collect()
    assert keep.value not in log
    del keep
    heap.collect()
    heap.collect()
    assert sorted(log) == list(range(16))


# --- cleanups


def test_cleanups_run_once_each_with_their_arguments(heap: gcsim.Heap) -> None:
    node, log, kept = heap.new(Node), [], heap.new(Node, n=7)
    for n in range(3):
        heap.add_cleanup(node, lambda *args: log.append(args), n, kept)
    heap.add_cleanup(node, lambda: log.append(()))
    weak = heap.weak(node)
    del node
    heap.collect()
    assert weak() is None and log == [(0, kept), (1, kept), (2, kept), ()]
    heap.collect()
    assert len(log) == 4


def test_inner_references_do_for_cleanups_and_not_for_finalizers(heap: gcsim.Heap) -> None:
    wide, log = heap.new(Wide, first=heap.new(Node, n=1)), []
    rows = heap.new_slice(Node, 4)
    heap.add_cleanup(rows[2], log.append, "row")
    with pytest.raises(gcsim.ConversionError, match="inside"):
        heap.set_finalizer(rows[2], log.append)
    heap.set_finalizer(rows[0], lambda ref: log.append("first"))
    heap.set_finalizer(wide, lambda ref: log.append(ref.first.n))
    del rows, wide
    heap.collect()
    assert sorted(map(str, log)) == ["1", "first"]
    heap.collect()
    assert "row" in log and heap.pending_finalizers == 0


def test_stop_takes_one_back(heap: gcsim.Heap) -> None:
    for which in range(3):
        node, log = heap.new(Node), []
        cleanups = [heap.add_cleanup(node, log.append, n) for n in range(3)]
        assert cleanups[which].stop() is True and cleanups[which].stop() is False
        assert "stopped" in repr(cleanups[which]) and "stopped" not in repr(cleanups[which - 1])
        del node
        heap.collect()
        assert log == [n for n in range(3) if n != which]
        assert not any(cleanup.stop() for cleanup in cleanups)


# --- what is refused, and what is ignored


def test_a_second_finalizer_is_an_error_until_the_first_is_cleared(heap: gcsim.Heap) -> None:
    node, log = heap.new(Node), []
    heap.set_finalizer(node, lambda ref: log.append(1))
    with pytest.raises(gcsim.StateError, match="already"):
        heap.set_finalizer(node, lambda ref: log.append(2))
    heap.set_finalizer(node, None)
    heap.set_finalizer(node, None)
    assert heap.pending_finalizers == 0
    heap.set_finalizer(node, lambda ref: log.append(3))
    del node
    heap.collect()
    assert log == [3]


def test_a_function_that_plainly_holds_the_object_is_refused(heap: gcsim.Heap) -> None:
    node, rows = heap.new(Node), heap.new_slice(Node, 3)
    other, row = heap.new(Node), rows[0]
    tiny, near = heap.new(u8), heap.new(u8)

    def defaults(ref: Any = node) -> Any:
        return ref

    refused: list[Callable[[], Any]] = [
        lambda: heap.add_cleanup(node, print, node),
        lambda: heap.add_cleanup(node, print, other, node),
        lambda: heap.add_cleanup(row, print, rows[2]),
        lambda: heap.add_cleanup(node, lambda: node),
        lambda: heap.add_cleanup(node, defaults),
        lambda: heap.add_cleanup(node, node.twice),
        lambda: heap.set_finalizer(node, lambda ref: node),
        lambda: heap.add_cleanup(tiny, print, tiny),
    ]
    for attempt in refused:
        with pytest.raises(gcsim.ConversionError, match="never die"):
            attempt()
    assert heap.pending_finalizers == 0
    heap.add_cleanup(node, print, other)
    heap.add_cleanup(node, other.twice)
    heap.add_cleanup(tiny, print, near)  # they share a block, and that is all
    assert heap.pending_finalizers == 3


def test_wrong_arguments_are_refused_and_leave_nothing(heap: gcsim.Heap, mode: str) -> None:
    node = heap.new(Node)
    with gcsim.Heap(mode=mode) as other:
        foreign = other.new(Node)
        calls: list[tuple[type[Exception], Callable[[], Any]]] = [
            (TypeError, lambda: heap.set_finalizer(node, 5)),  # type: ignore[arg-type]
            (TypeError, lambda: heap.set_finalizer(None, print)),
            (TypeError, lambda: heap.set_finalizer(5, print)),
            (TypeError, lambda: heap.set_finalizer(node)),  # type: ignore[call-arg]
            (TypeError, lambda: heap.add_cleanup(node)),  # type: ignore[call-arg]
            (TypeError, lambda: heap.add_cleanup(node, None)),  # type: ignore[arg-type]
            (TypeError, lambda: heap.add_cleanup(node, "x")),  # type: ignore[arg-type]
            (TypeError, lambda: heap.add_cleanup(None, print)),
            (gcsim.WrongHeapError, lambda: heap.set_finalizer(foreign, print)),
            (gcsim.WrongHeapError, lambda: heap.add_cleanup(foreign, print)),
        ]
        for error, call in calls:
            with pytest.raises(error) as caught:
                call()
            assert isinstance(caught.value, gcsim.Error)
        late = other.add_cleanup(other.new(Node), print)
    for call in (lambda: other.set_finalizer(foreign, print), other.run_finalizers):
        with pytest.raises(gcsim.ClosedHeapError):
            call()
    assert late.stop() is False and "closed" in repr(late)
    assert heap.pending_finalizers == 0


def test_objects_of_size_zero_never_die(heap: gcsim.Heap) -> None:
    empty = heap.new(Empty)
    heap.set_finalizer(empty, print)
    heap.set_finalizer(empty, None)
    cleanup = heap.add_cleanup(empty, print)
    assert heap.pending_finalizers == 0 and cleanup.stop() is False


# --- what callbacks may do


def test_errors_go_to_the_unraisable_hook(heap: gcsim.Heap, unraisable: list[str]) -> None:
    log: list[int] = []

    def fails(ref: Any = None) -> None:
        log.append(1)
        raise ValueError("of a callback")

    node = heap.new(Node)
    heap.set_finalizer(node, fails)
    heap.add_cleanup(node, fails)
    heap.add_cleanup(heap.new(Node), sys.exit, 3)
    del node
    heap.collect()
    heap.collect()
    assert log == [1, 1] and sorted(unraisable) == ["SystemExit", "ValueError", "ValueError"]


def test_callbacks_use_the_heap_as_they_like(heap: gcsim.Heap) -> None:
    log: list[Any] = []
    depth = [0]

    def busy(n: int) -> None:
        assert depth[0] == 0, "callbacks of one thread do not nest"
        depth[0] += 1
        for _ in range(300):
            heap.new(Node, next=heap.new(Node))
        if n:
            heap.add_cleanup(heap.new(Node), busy, n - 1)
        heap.collect()
        assert heap.run_finalizers() == 0 and heap.verify()
        log.append(n)
        depth[0] -= 1

    heap.add_cleanup(heap.new(Node), busy, 3)
    heap.collect()
    assert log == [3], "what became ready meanwhile waits for the next time"
    while heap.pending_finalizers:
        assert heap.run_finalizers() <= 1
        heap.collect()
    assert log == [3, 2, 1, 0]


def test_callbacks_run_at_allocations_too(heap: gcsim.Heap) -> None:
    heap.gc_percent = 100
    log: list[int] = []
    for n in range(50):
        heap.add_cleanup(heap.new(Node), log.append, n)
    for _ in range(400):
        heap.new_slice(i64, 10000)
        heap.new(Node)
        if len(log) >= 40:
            break
    assert len(log) >= 40


def test_a_callback_may_close_the_heap(mode: str) -> None:
    heap, log = gcsim.Heap(mode=mode), []
    for n in range(3):
        heap.add_cleanup(heap.new(Node), lambda n: (log.append(n), heap.close()), n)
    heap.collect()
    assert len(log) == 1 and heap.closed and heap.pending_finalizers == 2


def test_two_threads_run_each_callback_once(mode: str) -> None:
    with gcsim.Heap(mode=mode, gogc=5) as heap:
        log: list[int] = []
        threads = set()

        def ran(n: int) -> None:
            threads.add(threading.get_ident())
            log.append(n)

        def work(start: int) -> None:
            for n in range(start, start + 500):
                node = heap.new(Node, n=n)
                if n % 2:
                    heap.add_cleanup(node, ran, n)
                else:
                    heap.set_finalizer(node, lambda ref: ran(ref.n))
                del node
                if n % 50 == 0:
                    heap.collect()

        workers = [threading.Thread(target=work, args=(k * 1000,)) for k in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        while heap.pending_finalizers:
            heap.collect()
        assert sorted(log) == [n for k in range(3) for n in range(k * 1000, k * 1000 + 500)]
        assert heap.verify()


def test_ctrl_c_in_a_callback_is_raised_and_the_others_wait(heap: gcsim.Heap) -> None:
    log: list[int] = []

    def interrupted(n: int) -> None:
        log.append(n)
        if n == 1:
            signal.raise_signal(signal.SIGINT)

    old = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        node = heap.new(Node)
        for n in range(4):
            heap.add_cleanup(node, interrupted, n)
        del node
        with pytest.raises(KeyboardInterrupt):
            heap.collect()
    finally:
        signal.signal(signal.SIGINT, old)
    assert log == [0, 1] and heap.pending_finalizers == 2
    assert heap.run_finalizers() == 2 and log == [0, 1, 2, 3]


# --- the end


def test_none_runs_at_close_and_their_number_is_known(mode: str) -> None:
    log: list[Any] = []
    with gcsim.Heap(mode=mode) as heap:
        node = heap.new(Node)
        heap.set_finalizer(node, log.append)
        heap.add_cleanup(node, log.append, 1)
        heap.add_cleanup(heap.new(Node), log.append, 2)
        assert heap.pending_finalizers == 3
    assert log == [] and heap.pending_finalizers == 3


@pytest.mark.parametrize("ready", [False, True])
def test_none_runs_at_the_end_of_the_interpreter(run_python: Run, mode: str, ready: bool) -> None:
    done = run_python(
        """
        import sys
        import gcsim
        from gcsim import array, i64
        heap = gcsim.Heap(mode=sys.argv[1])
        nodes = [heap.new(array[i64, 3]) for _ in range(100)]
        for node in nodes:
            heap.set_finalizer(node, lambda ref: print("ran"))
            heap.add_cleanup(node, print, "ran")
        del node
        def leave_them_ready():
            nodes.clear()
            print(heap.collect().objects_marked)
        if sys.argv[2] == "True":
            heap.add_cleanup(heap.new(array[i64, 3]), leave_them_ready)
            heap.collect()
            assert not nodes
        print("end", heap.pending_finalizers)
        """,
        mode,
        str(ready),
    )
    assert done.stdout == ("0\nend 200\n" if ready else "end 200\n") and done.stderr == ""


def test_a_heap_that_only_its_callbacks_keep_is_collected(mode: str) -> None:
    def make() -> weakref.ref[gcsim.Heap]:
        heap = gcsim.Heap(mode=mode)
        node, other = heap.new(Node), heap.new(Node)
        heap.set_finalizer(node, lambda ref: heap)
        heap.add_cleanup(node, lambda *args: heap, heap, heap.new(Node))
        heap.add_cleanup(other, print, heap.add_cleanup(node, print))
        heap.add_cleanup(heap.new(Node), lambda: None)
        heap.globals["node"] = node
        return weakref.ref(heap)

    gone = make()
    gc.collect()
    assert gone() is None


@forks
def test_a_child_runs_none_of_an_old_heaps_callbacks(heap: gcsim.Heap) -> None:
    log: list[int] = []
    node = heap.new(Node)
    heap.add_cleanup(node, log.append, 1)
    del node

    def child() -> None:
        for use in (heap.run_finalizers, heap.collect):
            try:
                use()
            except gcsim.ForkedHeapError:
                pass
            else:
                raise AssertionError("a child used an old heap")
        assert log == [] and heap.pending_finalizers == 1
        with gcsim.Heap() as own:
            own.add_cleanup(own.new(Node), log.append, 2)
            own.collect()
        assert log == [2]
        heap.after_fork()
        heap.collect()
        assert log == [2, 1]

    in_child(child)
    heap.collect()
    assert log == [1]


@forks
def test_a_fork_in_a_callback(heap: gcsim.Heap) -> None:
    log: list[int] = []

    def fork(n: int) -> None:
        log.append(n)
        if n == 0:
            in_child(lambda: None if heap.pending_finalizers == 2 else os._exit(3))

    node = heap.new(Node)
    for n in range(3):
        heap.add_cleanup(node, fork, n)
    del node
    heap.collect()
    assert log == [0, 1, 2]


# --- weak references


def test_weak_references_are_distinct_by_offset_and_shared_by_address(heap: gcsim.Heap) -> None:
    rows = heap.new_slice(Node, 3)
    weak = [heap.weak(rows[n]) for n in range(3)]
    assert len(set(weak)) == 3 and heap.weak(rows[1]) == weak[1]
    assert [w() for w in weak] == [rows[n] for n in range(3)]
    del rows
    heap.collect()
    assert [w() for w in weak] == [None] * 3


def test_weak_references_are_followed_while_marking_runs() -> None:
    with gcsim.Heap(gogc=5, procs=2) as heap:
        head = None
        for n in range(20000):
            head = heap.new(Node, n=n, next=head)
        done = threading.Event()

        def collect() -> None:
            for _ in range(20):
                heap.collect()
            done.set()

        thread = threading.Thread(target=collect)
        thread.start()
        seen = dead = 0
        while not done.is_set():
            weak = heap.weak(heap.new(Node, n=seen))
            for _ in range(20):
                node = weak()
                assert node is None or node.n == seen
                del node
            seen += 1
            dead += weak() is None
        thread.join()
        assert seen and heap.verify() and head is not None and head.n == 19999
