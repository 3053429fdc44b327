"""Heap: options, life and death, threads, forks, signals, interpreter exit."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import resource
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import gcsim
from gcsim import i64, ptr, string, u8

Run = Callable[..., subprocess.CompletedProcess[str]]


@gcsim.struct
class Node:
    next: ptr["Node"]
    n: i64


@gcsim.struct
class Leaf:
    n: i64


def chain(heap: gcsim.Heap, length: int) -> Any:
    head = None
    for n in range(length):
        head = heap.new(Node, n=n, next=head)
    return head


def length_of(node: Any) -> int:
    count = 0
    while node is not None:
        count, node = count + 1, node.next
    return count


# --- options


@pytest.mark.parametrize(
    ("options", "error", "builtin"),
    [
        ({"gogc": -1}, gcsim.RangeError, OverflowError),
        ({"gogc": 1 << 31}, gcsim.RangeError, OverflowError),
        ({"gogc": 1 << 100}, gcsim.RangeError, OverflowError),
        ({"gogc": "100"}, gcsim.ConversionError, TypeError),
        ({"gogc": True}, gcsim.ConversionError, TypeError),
        ({"gogc": 1.5}, gcsim.ConversionError, TypeError),
        ({"procs": 0}, gcsim.RangeError, OverflowError),
        ({"events": -1}, gcsim.RangeError, OverflowError),
        ({"events": 1 << 29}, gcsim.RangeError, OverflowError),
        ({"seed": "x"}, gcsim.ConversionError, TypeError),
        ({"reserve": 0}, gcsim.RangeError, OverflowError),
        ({"reserve": -1}, gcsim.RangeError, OverflowError),
        ({"reserve": 1 << 47}, gcsim.RangeError, OverflowError),
        ({"reserve": 1 << 80}, gcsim.RangeError, OverflowError),
        ({"reserve": "12 parsecs"}, gcsim.ConversionError, TypeError),
        ({"reserve": ""}, gcsim.ConversionError, TypeError),
        ({"reserve": "-1MiB"}, gcsim.ConversionError, TypeError),
        ({"reserve": "1e400"}, gcsim.ConversionError, TypeError),
        ({"reserve": "99999999999999 TiB"}, gcsim.RangeError, OverflowError),
        ({"reserve": "\ud800"}, gcsim.ConversionError, TypeError),
        ({"mode": "thread"}, gcsim.OptionError, ValueError),
        ({"mode": 1}, gcsim.ConversionError, TypeError),
        ({"mark": "objects"}, gcsim.OptionError, ValueError),
        ({"era": "1.27"}, gcsim.OptionError, ValueError),
        ({"barrier": "strong"}, gcsim.OptionError, ValueError),
        ({"barrier": 3}, gcsim.ConversionError, TypeError),
        ({"stacks": "sometimes", "mode": "steps"}, gcsim.OptionError, ValueError),
        ({"stacks": "first"}, gcsim.OptionError, ValueError),
        ({"late_barrier": True}, gcsim.OptionError, ValueError),
        ({"preempt_barrier": True}, gcsim.OptionError, ValueError),
        ({"allocate": "grey"}, gcsim.OptionError, ValueError),
    ],
)
def test_an_option_out_of_range_names_itself(
    options: dict[str, Any], error: type[Exception], builtin: type[Exception]
) -> None:
    with pytest.raises(error, match=next(iter(options))) as caught:
        gcsim.Heap(**options)
    assert isinstance(caught.value, builtin) and isinstance(caught.value, gcsim.Error)


def test_options_are_keywords_and_unknown_ones_are_refused() -> None:
    with pytest.raises(TypeError):
        gcsim.Heap(100)  # type: ignore[misc]
    with pytest.raises(TypeError, match="gogcc"):
        gcsim.Heap(gogcc=100)  # type: ignore[call-arg]


def test_every_option_of_this_version_is_accepted() -> None:
    for mode in ("threads", "steps"):
        with gcsim.Heap(
            gogc=50,
            memory_limit=None,
            procs=4,
            era="1.26",
            barrier="hybrid",
            mark="field",
            mode=mode,
            seed=7,
            reserve="64MiB",
            events=64,
            trace_refs=True,
            green_tea=False,
            clobber_free=True,
        ) as heap:
            assert (heap.gc_percent, heap.mode, heap.mark, heap.procs) == (50, mode, "field", 4)
            assert length_of(chain(heap, 100)) == 100
            heap.collect()
            assert heap.verify()


@pytest.mark.parametrize("reserve", [64 << 20, "64MiB", "64 mib", "67.108864 MB", "0.0625GiB"])
def test_a_reserve_of_64_mib_holds_48_and_not_128(reserve: int | str, mode: str) -> None:
    with gcsim.Heap(mode=mode, reserve=reserve, gogc=None) as heap:
        big = gcsim.array[u8, 16 << 20]
        keep = [heap.new(big) for _ in range(3)]
        with pytest.raises(gcsim.HeapMemoryError, match="reserve") as caught:
            keep += [heap.new(big) for _ in range(5)]
        assert isinstance(caught.value, MemoryError)
        keep.clear()
        heap.collect()
        assert heap.new(big) is not None, "the heap is usable after it was full"
        assert heap.verify()


# --- percent


def test_gc_percent_reads_as_set_and_none_is_off(heap: gcsim.Heap) -> None:
    assert heap.gc_percent == 100
    for value in (0, 1, 400, None, 2**31 - 1, 100):
        heap.gc_percent = value
        assert heap.gc_percent == value
    for bad in (-1, 2**31, "1", 1.0, True):
        with pytest.raises(gcsim.Error):
            heap.gc_percent = bad  # type: ignore[assignment]
    assert heap.gc_percent == 100
    with pytest.raises(AttributeError):
        del heap.gc_percent


def test_garbage_is_collected_by_itself_unless_gc_percent_is_none(mode: str) -> None:
    grown = {}
    for percent in (100, None):
        with gcsim.Heap(mode=mode, gogc=percent) as heap:
            weak = heap.weak(heap.new(Node))
            for _ in range(6):  # 24 MiB of garbage; the first goal is 4 MiB
                heap.new(gcsim.array[u8, 4 << 20])
            deadline = time.monotonic() + 10  # a cycle marks while the program runs
            while percent and weak() is not None and time.monotonic() < deadline:
                heap.new(gcsim.array[u8, 4 << 20])
            grown[percent] = weak()
    assert grown[100] is None
    assert grown[None] is not None


def test_gogc_zero_is_not_the_default(mode: str) -> None:
    triggers = {}
    for gogc in (0, 100):
        with gcsim.Heap(mode=mode, gogc=gogc) as heap:
            assert heap.gc_percent == gogc
            for _ in range(16):
                heap.new(gcsim.array[u8, 64 << 10])
            heap.collect()  # a cycle that is under way ends first
            triggers[gogc] = [cycle.trigger for cycle in heap.cycles]
    assert "heap" in triggers[0] and triggers[100] == ["forced"]


# --- what lives and what dies


def test_collect_frees_what_python_dropped_and_keeps_what_it_reaches(heap: gcsim.Heap) -> None:
    head = chain(heap, 50)
    kept = [heap.weak(node) for node in iterate(head)]
    lost = [heap.weak(chain(heap, 1)) for _ in range(50)]
    heap.collect()
    assert all(weak() is not None for weak in kept)
    assert [weak() for weak in lost] == [None] * 50
    assert [node.n for node in iterate(head)] == list(range(49, -1, -1))
    head.next = None
    heap.collect()
    assert kept[0]() == head
    assert [weak() for weak in kept[1:]] == [None] * 49


def iterate(node: Any) -> Any:
    while node is not None:
        yield node
        node = node.next


def test_a_circle_lives_as_long_as_a_reference_into_it(heap: gcsim.Heap) -> None:
    a, b = heap.new(Node, n=1), heap.new(Node, n=2)
    a.next, b.next = b, a
    weak = heap.weak(b)
    del b
    heap.collect()
    assert weak().next == a
    del a
    heap.collect()
    assert weak() is None


def test_collections_in_the_middle_of_building_lose_nothing(mode: str) -> None:
    with gcsim.Heap(mode=mode, gogc=10, mark="field") as heap:
        heads = [chain(heap, 200) for _ in range(5)]
        for n in range(40):
            heap.new(gcsim.array[u8, 1 << 20])
            heads[n % 5].next = heap.new(Node, n=n, next=heads[n % 5].next)
        assert [length_of(head) for head in heads] == [208] * 5
        assert heap.verify()


# --- close


def test_close_twice_is_fine_and_everything_else_raises(heap: gcsim.Heap) -> None:
    node, weak = heap.new(Node, n=5), None
    weak = heap.weak(node)
    heap.close()
    heap.close()
    assert heap.closed
    for use in (
        lambda: heap.new(Node),
        heap.collect,
        heap.verify,
        heap.handles,
        heap.__enter__,
        heap.after_fork,
        weak,
        lambda: heap.weak(node),
        lambda: node.n,
        lambda: node.next,
        lambda: setattr(node, "n", 1),
        lambda: setattr(node, "next", None),
        lambda: setattr(heap, "gc_percent", 50),
    ):
        with pytest.raises(gcsim.ClosedHeapError) as caught:
            use()
        assert isinstance(caught.value, ValueError)
    assert "closed" in repr(heap) and "closed" in repr(node) and "closed" in repr(weak)


def test_a_view_of_the_memory_makes_close_raise_and_is_good_until_released(mode: str) -> None:
    heap = gcsim.Heap(mode=mode)
    row = heap.new_slice(u8, 10)
    view = memoryview(row)
    for _ in range(2):
        with pytest.raises(BufferError, match="view"):
            heap.close()
    view[3] = 7
    assert row[3] == 7 and not heap.closed
    heap.collect()
    view.release()
    heap.close()
    assert heap.closed


def test_a_heap_in_use_by_with_can_be_closed_inside(mode: str) -> None:
    with gcsim.Heap(mode=mode) as heap:
        heap.close()


def test_a_heap_that_nobody_closes_is_freed_with_its_last_reference(mode: str) -> None:
    heap = gcsim.Heap(mode=mode)
    alive = weakref.ref(heap)
    node = heap.new(Node)
    del heap
    assert alive() is not None, "a Ref keeps its heap"
    del node
    assert alive() is None, "and nothing else does, without Python's collector"


def test_a_circle_of_heap_and_class_is_collected(mode: str) -> None:
    names: dict[str, Any] = {"gcsim": gcsim, "mode": mode, "__name__": "made_by_exec"}
    exec(
        "@gcsim.struct\nclass N:\n    n: gcsim.i64\n    def f(self): return heap\n"
        "heap = gcsim.Heap(mode=mode)\nheap.new(N)",
        names,
    )
    alive = weakref.ref(names["heap"])
    names.clear()
    gc.collect()
    assert alive() is None


def test_heaps_are_unmapped(mode: str) -> None:
    def mapped() -> int:
        with open("/proc/self/maps") as file:
            return sum(1 for _ in file)

    for _ in range(3):
        gcsim.Heap(mode=mode).close()
    before, peak = mapped(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for i in range(300):
        heap = gcsim.Heap(mode=mode)
        heap.new(Node, n=i)
        heap.close() if i % 2 else None
    del heap
    assert mapped() <= before + 8
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < peak + 20_000  # KiB


def test_a_heap_is_neither_copied_nor_pickled(heap: gcsim.Heap) -> None:
    for use in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(gcsim.ConversionError, match="snapshot"):
            use(heap)


@pytest.mark.skipif(
    gcsim.build_info()["mode"] in ("asan", "tsan"), reason="a sanitizer itself needs address space"
)
def test_a_heap_under_a_limit_of_address_space_works_or_says_what_to_set(run_python: Run) -> None:
    done = run_python(
        """
        import resource, gcsim
        resource.setrlimit(resource.RLIMIT_AS, (1 << 31, 1 << 31))
        with gcsim.Heap() as heap:
            heap.new(gcsim.i64, value=3)
            assert heap.verify()
        try:
            gcsim.Heap(reserve="8GiB")
        except gcsim.HeapMemoryError as error:
            print("reserve" in str(error))
        """
    )
    assert done.stdout.split() == ["True"]


# --- heap.new


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda h: h.new(), gcsim.ConversionError),
        (lambda h: h.new(Node, 5), gcsim.ConversionError),
        (lambda h: h.new(5), gcsim.TypeDefinitionError),
        (lambda h: h.new(object), gcsim.TypeDefinitionError),
        (lambda h: h.new(gcsim.Ref), gcsim.TypeDefinitionError),
        (lambda h: h.new("Node"), gcsim.TypeDefinitionError),
        (lambda h: h.new(Node, m=1), gcsim.FieldError),
        (lambda h: h.new(Node, n="1"), gcsim.ConversionError),
        (lambda h: h.new(Node, n=1, next=3), gcsim.ConversionError),
        (lambda h: h.new(gcsim.array[u8, 1 << 41]), gcsim.RangeError),
        (lambda h: h.new(gcsim.array[u8, 1 << 39]), gcsim.HeapMemoryError),
    ],
)
def test_new_refuses_what_it_cannot_make(
    heap: gcsim.Heap, call: Callable[[gcsim.Heap], Any], error: type[Exception]
) -> None:
    with pytest.raises(error) as caught:
        call(heap)
    assert isinstance(caught.value, gcsim.Error)
    assert heap.handles() == []


def test_new_objects_are_zero_after_memory_is_used_again(heap: gcsim.Heap) -> None:
    for _ in range(3):
        nodes = [heap.new(Node, n=-1) for _ in range(1000)]
        for node in nodes:
            node.next = node
        del nodes, node
        heap.collect()
        assert all(n.n == 0 and n.next is None for n in [heap.new(Node) for _ in range(1000)])


def test_any_type_can_be_made_alone(heap: gcsim.Heap) -> None:
    number = heap.new(i64, value=-3)
    assert number.value == -3
    assert heap.new(float, value=2).value == 2.0
    assert heap.new(string, value="x").value == "x"
    link = heap.new(ptr[Node], value=heap.new(Node, n=4))
    heap.collect()
    assert link.value.n == 4
    link.value.n = 5
    assert link.value.n == 5
    holder = heap.new(ptr[i64], value=number)
    assert holder.value == number
    with pytest.raises(gcsim.ConversionError):
        holder.value = link


def test_a_class_that_derives_from_a_struct_without_the_decorator_is_no_type(
    heap: gcsim.Heap,
) -> None:
    class Raw(Node):
        pass

    with pytest.raises(gcsim.TypeDefinitionError, match="decorate"):
        heap.new(Raw)
    with pytest.raises(TypeError):
        Raw()


def test_what_is_not_there_yet_says_so() -> None:
    with pytest.raises(gcsim.NotThereYetError, match="not there yet"):
        _ = gcsim.open_snapshot


# --- handles


def test_handles_name_the_variables_that_hold_references(heap: gcsim.Heap) -> None:
    node = heap.new(Node, n=1)
    shelf = {"first": [heap.new(Leaf)]}

    class Owner:
        pass

    owner = Owner()
    owner.node = node.next = heap.new(Node)
    by_address = {entry.address: entry for entry in heap.handles()}
    assert len(by_address) == 3
    entry = by_address[gcsim.address(node)]
    assert entry.type == "Node" and entry.refs == 1
    assert any(place.startswith("node in ") for place in entry.held_by)
    leaf = by_address[gcsim.address(shelf["first"][0])]
    assert leaf.type == "Leaf" and any("shelf['first'][0]" in place for place in leaf.held_by)
    assert by_address[gcsim.address(owner.node)].held_by, "an attribute is found as well"
    with pytest.raises(AttributeError):
        entry.address = 0
    assert str(hex(entry.address)) in repr(entry)
    del owner, entry, leaf
    assert len(heap.handles()) == 2


def test_trace_refs_tells_the_line_that_made_a_reference(mode: str) -> None:
    with gcsim.Heap(mode=mode, trace_refs=True) as heap:
        node = heap.new(Node)
        line = sys._getframe().f_lineno - 1
        (entry,) = heap.handles()
        assert entry.made_at == (f"{__file__}:{line}",)
        del node
        assert heap.handles() == []
        assert heap._handle_traces() == []


# --- threads


@pytest.mark.threads
def test_any_thread_may_use_a_heap(heap: gcsim.Heap) -> None:
    shared = heap.new(Node)
    errors: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            for i in range(20):
                head = chain(heap, 50)
                assert length_of(head) == 50
                shared.n = seed
                assert heap.new(Leaf, n=i).n == i
                if i % 5 == seed % 5:
                    heap.collect()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert shared.n in range(6)
    heap.collect()
    assert [entry.address for entry in heap.handles()] == [gcsim.address(shared)]


@pytest.mark.threads
def test_references_may_die_in_any_thread(heap: gcsim.Heap) -> None:
    nodes = [heap.new(Node, n=n) for n in range(1000)]
    weak = [heap.weak(node) for node in nodes]
    thread = threading.Thread(target=nodes.clear)
    thread.start()
    thread.join()
    heap.collect()
    assert not any(w() for w in weak)


def big_list(heap: gcsim.Heap, length: int) -> Any:
    """A list whose marking takes a while: `length` nodes, each reached through the one before."""
    return chain(heap, length)


@pytest.mark.threads
def test_collect_lets_other_python_threads_run(mode: str) -> None:
    with gcsim.Heap(mode=mode, gogc=None) as heap:
        head = big_list(heap, 300_000)
        beats, stop = [], threading.Event()

        def beat() -> None:
            while not stop.is_set():
                beats.append(time.perf_counter())
                time.sleep(0.0002)

        thread = threading.Thread(target=beat)
        thread.start()
        begin = time.perf_counter()
        for _ in range(5):
            heap.collect()
        end = time.perf_counter()
        stop.set()
        thread.join()
        inside = [b for b in beats if begin < b < end]
        assert len(inside) > 5, f"{len(inside)} beats in {end - begin:.3f} s"
        assert head.n == 299_999


@pytest.mark.threads
def test_a_thread_that_allocates_waits_for_a_collection_of_another(mode: str) -> None:
    with gcsim.Heap(mode=mode, gogc=None) as heap:
        head = big_list(heap, 100_000)
        done = threading.Event()

        def collect() -> None:
            for _ in range(10):
                heap.collect()
            done.set()

        thread = threading.Thread(target=collect)
        thread.start()
        made = 0
        while not done.is_set():
            assert heap.new(Node, n=made, next=head).next == head
            made += 1
        thread.join()
        assert made > 0
        assert heap.verify()


@pytest.mark.threads
def test_close_stops_another_threads_collection_and_waits_for_it(mode: str) -> None:
    outcomes: list[str] = []

    def collect(heap: gcsim.Heap, started: threading.Event) -> None:
        started.set()
        try:
            heap.collect()
            outcomes.append("completed")
        except gcsim.ClosedHeapError:
            outcomes.append("stopped")

    for _ in range(20):  # a collection may be over before close() comes
        heap = gcsim.Heap(mode=mode, gogc=None)
        head = big_list(heap, 1_000_000)
        started = threading.Event()
        thread = threading.Thread(target=collect, args=(heap, started))
        thread.start()
        started.wait()
        time.sleep(0.005)
        heap.close()
        thread.join(30)
        assert not thread.is_alive() and "closed" in repr(head)
        if outcomes[-1] == "stopped":
            break
    assert "stopped" in outcomes


@pytest.mark.threads
def test_two_heaps_in_two_threads_do_not_disturb_each_other(mode: str) -> None:
    def work(results: list[int]) -> None:
        with gcsim.Heap(mode=mode, gogc=20) as heap:
            head = chain(heap, 1000)
            for _ in range(20):
                heap.new(gcsim.array[u8, 1 << 20])
            results.append(length_of(head))
            assert heap.verify()

    results: list[int] = []
    threads = [threading.Thread(target=work, args=(results,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [1000, 1000]


# --- Ctrl-C

INTERRUPT = """
    import os, signal, sys, threading, time, gcsim
    from gcsim import i64, ptr

    @gcsim.struct
    class Node:
        next: ptr["Node"]
        n: i64

    heap = gcsim.Heap(mode=sys.argv[1], gogc=None)
    head = None
    for n in range(int(sys.argv[2])):
        head = heap.new(Node, n=n, next=head)
    weak = heap.weak(heap.new(Node))
"""


@pytest.mark.parametrize(("mode", "length"), [("threads", "3000000"), ("steps", "300000")])
def test_ctrl_c_abandons_a_collection_and_leaves_the_heap_whole(
    run_python: Run, mode: str, length: str
) -> None:
    done = run_python(
        INTERRUPT
        + """
    def interrupt():
        time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    interrupted = 0
    for _ in range(10):
        try:
            threading.Thread(target=interrupt).start()
            while True:
                heap.collect()
        except KeyboardInterrupt:
            interrupted += 1
    assert heap.verify()
    heap.collect()
    assert weak() is None
    assert head.n == int(sys.argv[2]) - 1 and head.next.n == head.n - 1
    print("interrupted", interrupted)
    """,
        mode,
        length,
    )
    assert done.stdout.split() == ["interrupted", "10"]


def test_a_signal_handler_inside_a_collection_is_told_that_the_heap_is_busy(
    run_python: Run,
) -> None:
    """In step mode, where a collection of this size takes longer than from poll to poll."""
    done = run_python(
        INTERRUPT
        + """
    seen = set()
    def handler(number, frame):
        try:
            heap.new(Node)
        except gcsim.StateError:
            seen.add("busy")
        else:
            return  # it came between two collections
        for use in (heap.collect, heap.close, weak, lambda: head.next, heap.verify):
            try:
                use()
                seen.add("worked")
            except gcsim.StateError:
                pass
        seen.add(head.n)  # reading numbers needs no mutator
        gcsim.Heap().new(Node)  # other heaps are free

    heap.collect()  # imports what results need
    signal.signal(signal.SIGALRM, handler)
    deadline = time.time() + 30
    while "busy" not in seen and time.time() < deadline:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        heap.collect()
    assert seen == {"busy", int(sys.argv[2]) - 1}, seen
    assert heap.verify()
    heap.collect()
    assert weak() is None
    """,
        "steps",
        "1000000",
    )
    assert done.stderr == ""


# --- fork

may_fork = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


def in_child(check: Callable[[], None]) -> None:
    """Runs `check` in a forked child and fails if it raised."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            check()
            status = 0
        except BaseException as error:
            os.write(writer, repr(error).encode()[:1000])
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as file:
        message = file.read()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, message


@may_fork
def test_a_forked_child_may_read_drop_and_close_its_copy(heap: gcsim.Heap) -> None:
    head = chain(heap, 10)
    weak = heap.weak(head)

    def child() -> None:
        for use in (
            lambda: heap.new(Node),
            heap.collect,
            heap.verify,
            lambda: setattr(head, "n", 1),
            lambda: setattr(head, "next", None),
            lambda: setattr(heap, "gc_percent", 5),
            lambda: heap.weak(head),
        ):
            with pytest.raises(gcsim.ForkedHeapError, match="after_fork") as caught:
                use()
            assert isinstance(caught.value, RuntimeError)
        assert "forked" in repr(heap)
        assert length_of(head) == 10 and weak() == head
        with gcsim.Heap(mode=heap.mode) as fresh:
            assert length_of(chain(fresh, 5)) == 5
            fresh.collect()
        heap.close()

    in_child(child)
    assert length_of(head) == 10
    heap.collect()
    assert weak() == head


@may_fork
def test_after_fork_makes_the_childs_copy_its_own(heap: gcsim.Heap) -> None:
    head = chain(heap, 10)
    lost = heap.weak(heap.new(Node))

    def child() -> None:
        heap.after_fork()
        head.next = heap.new(Node, n=7)
        heap.collect()
        assert lost() is None and length_of(head) == 2 and heap.verify()

    heap.after_fork()  # nothing to do in the parent
    in_child(child)
    assert length_of(head) == 10


@may_fork
def test_a_fork_while_other_threads_collect_leaves_a_child_that_can_read(mode: str) -> None:
    with gcsim.Heap(mode=mode, gogc=None) as heap:
        head = chain(heap, 20_000)
        stop = threading.Event()

        def collect() -> None:
            while not stop.is_set():
                heap.collect()

        threads = [threading.Thread(target=collect) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(20):

                def child() -> None:
                    assert head.n == 19_999
                    assert head.next.next.n == 19_997
                    with pytest.raises(gcsim.ForkedHeapError):
                        heap.new(Node)
                    heap.close()

                in_child(child)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert heap.verify()


# --- the end of the process


@pytest.mark.parametrize("mode", ["threads", "steps"])
def test_a_process_ends_well_with_open_heaps(run_python: Run, mode: str) -> None:
    done = run_python(
        """
        import atexit, sys, threading, time, gcsim
        from gcsim import i64, ptr

        @gcsim.struct
        class Node:
            next: ptr["Node"]
            n: i64

        class Late:
            def __del__(self):
                late.append(self.heap.new(Node) if self.heap else None)

        late = []
        kept = gcsim.Heap(mode=sys.argv[1])
        node = kept.new(Node, n=1)
        circle = [kept, node]
        circle.append(circle)
        holder = Late()
        holder.heap = kept
        holder.me = holder
        weak = kept.weak(node)
        node_by_class = Node.held = node
        closed = gcsim.Heap(mode=sys.argv[1])
        stale = closed.new(Node)
        closed.close()
        atexit.register(kept.collect)

        def forever():
            while True:
                kept.collect()
                kept.new(Node).next = node

        threading.Thread(target=forever, daemon=True).start()
        time.sleep(0.05)
        print("end")
        """,
        mode,
    )
    assert done.stdout == "end\n"
    assert done.stderr == ""


def test_subinterpreters_are_refused(run_python: Run) -> None:
    run_python(
        """
        import sys, gcsim
        try:
            import _xxsubinterpreters as interpreters
        except ImportError:
            import _interpreters as interpreters
        program = '''
        try:
            import gcsim
        except ImportError as error:
            assert "interpreter" in str(error), error
        else:
            raise SystemExit("imported")
        '''
        import textwrap
        sub = interpreters.create()
        problem = interpreters.run_string(sub, textwrap.dedent(program))
        assert problem is None, problem
        interpreters.destroy(sub)
        """
    )


def test_importing_gcsim_does_without_the_slow_modules_of_the_library(run_python: Run) -> None:
    run_python(
        """
        import sys
        before = set(sys.modules)
        import gcsim
        slow = {"dataclasses", "enum", "inspect", "json", "numpy", "pathlib", "re", "typing"}
        assert not slow & (set(sys.modules) - before), slow & (set(sys.modules) - before)
        assert gcsim.get_include()
        """
    )


def test_importing_a_second_copy_of_the_module_is_another_world(run_python: Run) -> None:
    run_python(
        """
        import sys, gcsim
        first = gcsim
        first.Heap().new(first.i64)
        for name in [n for n in sys.modules if n.startswith("gcsim")]:
            del sys.modules[name]
        import gcsim
        assert gcsim is not first and gcsim.Heap is not first.Heap
        with first.Heap() as a, gcsim.Heap() as b:
            n = a.new(first.i64, value=1)
            try:
                gcsim.address(n)
            except gcsim.ConversionError:
                pass
            else:
                raise SystemExit("taken for one of its own")
            try:
                b.new(gcsim.ptr[gcsim.i64], value=n)
            except gcsim.Error:
                pass
            else:
                raise SystemExit("stored a foreign Ref")
        """
    )
