"""What must not break a heap, nor the process: forks, signals, the end of the interpreter, many
threads, references that are foreign or late, and types that recurse."""

from __future__ import annotations

import os
import random
import subprocess
import threading
import time
from array import array as buffer
from collections.abc import Callable
from pathlib import Path
from typing import Any

import operations
import pytest

import gcsim
from gcsim import array, i64, iface, ptr, slice_, string, u8

Run = Callable[..., subprocess.CompletedProcess[str]]
Node, Holder = operations.Node, operations.Holder
SOAK = os.environ.get("GCSIM_SOAK") == "1"
TESTS = str(Path(__file__).parent)
RECORDING = Path(gcsim.__file__).parent / "data" / "leaks.graph.npz"


def chain(heap: gcsim.Heap, n: int) -> Any:
    batch = heap.build(Node, n, links={"next": buffer("i", [*range(1, n), -1])}, roots=[0])
    batch.fill("n", buffer("q", range(n)))
    return batch.roots[0]


def numbers(node: Any) -> list[int]:
    found = []
    while node is not None:
        found.append(node.n)
        node = node.next
    return found


# --- forks

forks = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


def in_child(check: Callable[[], None]) -> None:
    """Runs `check` in a forked child, which must end by itself and soon."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            check()
            status = 0
        except BaseException as error:
            os.write(writer, repr(error).encode()[:2000])
        finally:
            os._exit(status)
    os.close(writer)
    deadline = time.monotonic() + 60
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if time.monotonic() > deadline:
            os.kill(pid, 9)
        time.sleep(0.001)
    with os.fdopen(reader) as file:
        message = file.read()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, message


@forks
def test_a_child_reads_everything_and_changes_nothing(heap: gcsim.Heap) -> None:
    head = chain(heap, 100)
    holder = heap.new(Holder, name="text", any=head)
    rows = heap.new_slice(Node, 4)
    rows[2].n = 7
    holder.rows = rows
    heap.globals["head"] = head
    goroutine = heap.goroutine("g")
    frame = goroutine.push("f", a=ptr[Node], s=string)
    frame.a, frame.s = head, "slot"
    batch = heap.build(Node, 10, links={"next": buffer("i", [-1] * 10)}, roots=[4])
    weak = heap.weak(head)
    view = memoryview(heap.new_slice(u8, 100))

    def child() -> None:
        assert numbers(head) == list(range(100))
        assert holder.name == "text" and holder.any == head and holder.rows[2].n == 7
        assert heap.globals["head"] == head and weak() == head
        assert batch[4].n == 0 and sum(view) == 0
        repr((heap, head, holder, rows, goroutine, frame, batch, weak))
        for change in (
            lambda: heap.new(Node),
            lambda: heap.new_slice(Node, 3),
            lambda: heap.build(Node, 1),
            heap.collect,
            heap.verify,
            lambda: setattr(head, "n", 5),
            lambda: setattr(head, "next", None),
            lambda: setattr(holder, "name", "x"),
            lambda: rows.append(head),
            lambda: rows.__setitem__(0, head),
            lambda: heap.goroutine("h"),
            lambda: goroutine.push("h"),
            lambda: goroutine.pop(),
            lambda: goroutine.end(),
            lambda: setattr(frame, "a", None),
            lambda: heap.globals.__setitem__("x", head),
            lambda: heap.globals.__delitem__("head"),
            lambda: batch.fill("n", buffer("q", range(10))),
            lambda: heap.weak(head),
            lambda: setattr(heap, "gc_percent", 3),
        ):
            with pytest.raises(gcsim.ForkedHeapError):
                change()
        assert numbers(head) == list(range(100)), "and nothing was changed"
        with pytest.raises(BufferError):
            heap.close()
        view.release()
        with gcsim.Heap(mode=heap.mode) as fresh:
            for operation in operations.ALL.values():
                operation(fresh)
            assert fresh.verify()
        heap.close()

    in_child(child)
    head.n = 5
    assert head.n == 5 and view[0] == 0
    view.release()
    heap.collect()


@forks
def test_children_of_children_and_forks_after_fork(heap: gcsim.Heap) -> None:
    head = chain(heap, 50)

    def grandchild() -> None:
        with pytest.raises(gcsim.ForkedHeapError):
            heap.collect()
        assert numbers(head) == list(range(50))
        heap.after_fork()
        head.next = None
        heap.collect()
        assert numbers(head) == [0] and heap.verify()

    def child() -> None:
        in_child(grandchild)
        heap.after_fork()
        heap.collect()
        in_child(grandchild)
        assert numbers(head) == list(range(50))
        heap.close()

    in_child(child)
    assert numbers(head) == list(range(50))


@forks
def test_a_child_drops_what_it_inherited(heap: gcsim.Heap) -> None:
    kept = [chain(heap, 30) for _ in range(20)]
    weak = [heap.weak(node) for node in kept]
    batch = heap.build(Node, 10)
    goroutine = heap.goroutine("g")

    def child() -> None:
        nonlocal batch, goroutine
        kept.clear()
        weak.clear()
        del batch, goroutine
        heap.close()
        assert heap.closed

    in_child(child)
    heap.collect()
    assert [w() for w in weak] == kept and batch.alive() == bytes(10)


def test_a_child_imports_anew_what_another_thread_was_importing(
    run_python: Callable[..., Any],
) -> None:
    """Else the child waits for ever where it needs that module."""
    run_python(
        """
        import os, sys, threading, time, warnings, gcsim
        warnings.simplefilter("ignore")

        def slowly(*_):
            time.sleep(0.0005)

        def first():
            sys.settrace(slowly)
            import gcsim._results

        thread = threading.Thread(target=first)
        thread.start()
        while "gcsim._results" not in sys.modules:
            time.sleep(0.001)
        assert sys.modules["gcsim._results"].__spec__._initializing
        pid = os.fork()
        if not pid:
            with gcsim.Heap() as heap:
                heap.collect()
            os._exit(7)
        deadline = time.monotonic() + 20
        while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            if time.monotonic() > deadline:
                os.kill(pid, 9)
            time.sleep(0.01)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
        thread.join()
        """
    )


@forks
@pytest.mark.threads
@pytest.mark.parametrize("own", [True, False], ids=["adopt", "leave"])
def test_forks_while_other_threads_are_in_the_heap(mode: str, own: bool) -> None:
    """Wherever the other threads are: the child can read, and it can adopt the heap or is told that it
    cannot."""
    with gcsim.Heap(mode=mode, gogc=20) as heap:
        head = chain(heap, 2000)
        stop = threading.Event()
        errors: list[BaseException] = []

        def work(seed: int) -> None:
            names = ("objects", "strings", "slices", "batches", "collections", "frames")
            rng = random.Random(seed)
            try:
                while not stop.is_set():
                    operations.ALL[rng.choice(names)](heap)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
        for thread in threads:
            thread.start()

        def child() -> None:
            assert head.n == 0 and head.next.next.n == 2
            if own:
                try:
                    heap.after_fork()
                except gcsim.ForkedHeapError:
                    pass
                else:
                    assert heap.new(Node, next=head).next == head
                    heap.collect()
                    assert heap.verify() and numbers(head) == list(range(2000))
            with gcsim.Heap(mode=mode) as fresh:
                operations.objects(fresh)
                fresh.collect()
            heap.close()

        try:
            for _ in range(200 if SOAK else 12):
                in_child(child)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        if errors:
            raise errors[0]
        assert heap.verify() and numbers(head) == list(range(2000))


# --- the end of the interpreter

ENDING = """
    import atexit, sys, threading, time
    from array import array as buffer
    sys.path.insert(0, sys.argv[2])
    import gcsim, operations
    from gcsim import i64, ptr, u8

    mode = sys.argv[1]
    heap = gcsim.Heap(mode=mode, trace_refs=True, events=64)
    other = gcsim.Heap(mode=mode)
    node = heap.new(operations.Node)
    frame = heap.goroutine("g").push("f", a=ptr[operations.Node])
    frame.a = node
    heap.globals["node"] = node
    batch = heap.build(operations.Node, 5, links={"next": buffer("i", [1, 2, 3, 4, -1])}, roots=[0])
    rows = heap.new_slice(u8, 1000)
    view = memoryview(rows)
    weak = heap.weak(node)
    results = [heap.collect(), heap.memstats(), heap.spans(), heap.objects()]
    next(results[-1])
    circle = [heap, node, rows, view, frame, batch, weak]
    circle.append(circle)
"""


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("as it is", ""),
        ("sys.exit", "sys.exit(0)"),
        ("collecting at exit", "atexit.register(heap.collect); atexit.register(other.collect)"),
        ("closing at exit", "atexit.register(other.close); atexit.register(view.release)"),
        ("a class that is gone first", "del sys.modules['operations'], operations"),
        ("the module first", "sys.modules.clear()"),
        (
            "in a thread",
            "threading.Thread(target=lambda: (time.sleep(0.05), heap.collect())).start()",
        ),
        (
            "daemon threads at work",
            """
    def forever(heap):
        while True:
            for name in ("objects", "batches", "collections", "frames", "strings"):
                operations.ALL[name](heap)

    for h in (heap, heap, other):
        threading.Thread(target=forever, args=(h,), daemon=True).start()
    time.sleep(0.1)
    """,
        ),
        (
            "finalizers that use the heap",
            """
    class Late:
        def __init__(self):
            self.heap, self.node, self.me = heap, node, self

        def __del__(self):
            self.node.next = self.heap.new(type(self.node), n=3)
            assert self.node.next.n == 3

    late = Late()
    """,
        ),
    ],
)
def test_a_process_ends_well(run_python: Run, mode: str, name: str, ending: str) -> None:
    done = run_python(ENDING + "\n    " + ending.strip(), mode, TESTS)
    assert done.stderr == "" and done.stdout == ""


def test_a_process_that_fails_ends_with_its_own_error(run_python: Run, mode: str) -> None:
    done = run_python(ENDING + "\n    raise SystemExit(7)", mode, TESTS, status=7)
    assert done.stderr == ""
    done = run_python(ENDING + "\n    heap.close()", mode, TESTS, status=1)
    assert done.stderr.strip().splitlines()[-1].startswith("BufferError: ")


# --- Ctrl-C

INTERRUPT = """
    import contextlib, os, signal, sys, threading, time
    from array import array as buffer
    sys.path.insert(0, sys.argv[2])
    import gcsim, operations
    with contextlib.suppress(ImportError):
        import numpy  # which takes badly to an interrupt while it is imported

    mode = sys.argv[1]
    n = 400_000 if mode == "threads" else 60_000
    heap = gcsim.Heap(mode=mode, gogc=None)
    index = buffer("i", [*range(1, n), -1])
    batch = heap.build(operations.Node, n, links={"next": index}, roots=[0])
    head = batch.roots[0]
    dead = heap.weak(heap.new(operations.Node))
    number = [0]

    def interrupted(work):
        '''Does it over and over until the interrupt comes; how long that took to come through.'''
        def send():
            time.sleep(0.01 + 0.003 * (number[0] % 10))
            sent.append(time.perf_counter())
            os.kill(os.getpid(), signal.SIGINT)
            while not came.wait(3):  # lost in a finalizer, as can happen in all of Python
                os.kill(os.getpid(), signal.SIGINT)
        number[0] += 1
        sent, came = [], threading.Event()
        thread = threading.Thread(target=send)
        try:
            thread.start()
            while True:
                work()
        except KeyboardInterrupt:
            took = time.perf_counter() - sent[0]
            came.set()
        thread.join()
        assert heap.verify()
        return took
"""

CALLS = {
    "collect": "heap.collect()",
    "build": "heap.build(operations.Node, n, links={'next': index})",
    "build with progress": "heap.build(operations.Node, n, links={'next': index}, progress=print and (lambda a, b: None))",
    "links": "batch.links('next')",
    "fill": "batch.fill('n', buffer('q', bytes(8 * n)))",
    "verify": "heap.verify()",
    "memstats": "heap.memstats()",
    "objects": "list(heap.objects())",
    "new and what it collects": "heap.new_slice(operations.Node, 1 << 16)",
    "graph": "heap.graph()",
}


@pytest.mark.parametrize("name", CALLS)
def test_ctrl_c_comes_through_and_leaves_the_heap_whole(
    run_python: Run, mode: str, name: str
) -> None:
    if name == "graph":
        pytest.importorskip("numpy")
    done = run_python(
        INTERRUPT
        + f"""
    heap.gc_percent = {100 if name.startswith("new") else None}
    took = [interrupted(lambda: {CALLS[name]}) for _ in range(5)]
    heap.collect()
    assert dead() is None and head.next.next is not None
    assert sum(batch.alive()) == n
    assert heap.new(operations.Node, next=head).next == head
    length, node = 0, head
    assert heap.collect().objects_marked in range(n, n + 20)
    assert heap.verify()
    print(max(took))
    """,
        mode,
        TESTS,
    )
    assert float(done.stdout) < 10, "a poll comes every 50 ms; this allows for a busy machine"


@pytest.mark.parametrize("how", ["thread", "timer"])
def test_ctrl_c_while_a_recording_is_rebuilt_closes_the_unfinished_heap(
    run_python: Run, mode: str, how: str
) -> None:
    pytest.importorskip("numpy")
    run_python(
        """
        import gc, os, signal, sys, threading, time
        import gcsim
        dump = gcsim.open_go_dump(sys.argv[2])
        dump.load(mode=sys.argv[1]).close()

        def stop(number, frame):
            raise KeyboardInterrupt

        signal.signal(signal.SIGALRM, stop)
        interrupted = 0
        for i in range(10):
            try:
                delay = 0.002 + 0.004 * i
                if sys.argv[3] == "timer":
                    signal.setitimer(signal.ITIMER_REAL, delay)
                else:
                    pid = os.getpid()
                    def send():
                        time.sleep(delay)
                        os.kill(pid, signal.SIGINT)
                    threading.Thread(target=send).start()
                deadline = time.monotonic() + 2
                while time.monotonic() < deadline:
                    dump.load(mode=sys.argv[1]).close()
            except KeyboardInterrupt:
                interrupted += 1
        # One that comes while Python runs a finalizer is lost, as everywhere.
        assert interrupted >= 6, interrupted
        heaps = [o for o in gc.get_objects() if isinstance(o, gcsim.Heap)]
        assert all(h.closed for h in heaps)
        with dump.load(mode=sys.argv[1]) as heap:
            assert heap.memstats().heap_objects == dump.objects
            assert heap.verify()
        """,
        mode,
        str(RECORDING),
        how,
    )


def test_a_handler_that_uses_the_heap_gets_an_error_and_no_deadlock(
    run_python: Run, mode: str
) -> None:
    """Whatever the heap is in the middle of on that thread."""
    done = run_python(
        INTERRUPT
        + """
    seen = {}

    def handler(number, frame):
        for name, use in uses.items():
            try:
                use()
                seen.setdefault(name, set()).add("worked")
            except gcsim.StateError as error:
                assert "after the call has returned" in str(error)
                seen.setdefault(name, set()).add("busy")

    goroutine = heap.goroutine("g")
    frame = goroutine.push("f", a=gcsim.ptr[operations.Node])
    holder = heap.new(operations.Holder)
    rows = heap.new_slice(operations.Node, 3)
    uses = {
        "new": lambda: heap.new(operations.Node),
        "collect": heap.collect,
        "verify": heap.verify,
        "close": lambda: heap.close() if any("busy" in s for s in seen.values()) else None,
        "next": lambda: head.next,
        "store": lambda: setattr(holder, "any", head),
        "text": lambda: setattr(holder, "name", "x"),
        "frame": lambda: setattr(frame, "a", head),
        "append": lambda: rows.append(head),
        "global": lambda: heap.globals.__setitem__("g", head),
        "weak": lambda: heap.weak(head),
        "build": lambda: heap.build(operations.Node, 3),
        "memstats": heap.memstats,
        "drop": lambda: [heap.build(operations.Node, 1), heap.new(operations.Node)].clear(),
    }
    uses = {name: use for name, use in uses.items() if name != "close"}
    signal.signal(signal.SIGALRM, handler)
    deadline = time.time() + 40
    while time.time() < deadline and not all("busy" in seen.get(name, ()) for name in uses):
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        for _ in range(3):
            heap.build(operations.Node, 30 * n)
        signal.setitimer(signal.ITIMER_REAL, 0)
        heap.collect()
    busy = sorted(name for name in uses if "busy" in seen.get(name, ()))
    assert busy == sorted(uses), (busy, seen)
    assert heap.verify()
    heap.collect()
    assert heap.verify() and dead() is None
    """,
        mode,
        TESTS,
    )
    assert done.stderr == ""


# --- threads


@pytest.mark.threads
def test_goroutines_are_listed_while_another_thread_collects(mode: str) -> None:
    with gcsim.Heap(mode=mode) as heap:
        frames = [heap.goroutine("g").push("f", node=ptr[Node]) for _ in range(300)]
        for n, frame in enumerate(frames):
            frame.node = heap.new(Node, n=n % 64)

        def collect() -> None:
            for _ in range(20):
                heap.collect()

        collector = threading.Thread(target=collect)
        collector.start()
        while collector.is_alive():
            assert len(heap.goroutines()) == 300
            assert heap.leaked_goroutines() == []
        assert heap.verify()


@pytest.mark.threads
def test_many_threads_do_everything_in_one_heap(mode: str) -> None:
    with gcsim.Heap(mode=mode, gogc=10) as heap:
        holder = [heap.new_slice(ptr[Node], 64)]
        errors: list[BaseException] = []
        deadline = time.monotonic() + (60 if SOAK else 2)

        def work(seed: int) -> None:
            rng = random.Random(seed)
            names = [
                n
                for n in operations.ALL  # finalizers: their callbacks may run on another thread
                if n not in ("globals", "handles", "results", "heaps", "finalizers")
            ]
            mine = heap.goroutine(f"worker {seed}")
            try:
                while time.monotonic() < deadline:
                    operations.ALL[rng.choice(names)](heap)
                    shared = holder[0]
                    i = rng.randrange(64)
                    with mine.frame("f", node=ptr[Node]) as frame:
                        frame.node = heap.new(Node, n=i, next=shared[rng.randrange(64)])
                        shared[i] = frame.node
                    node = shared[i]
                    while node is not None and rng.random() < 0.9:
                        assert 0 <= node.n < 64
                        node.next, node = (
                            (node.next, node.next) if rng.random() < 0.5 else (None, None)
                        )
            except BaseException as error:
                errors.append(error)
            finally:
                mine.end()

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            heap.collect()
            assert heap.verify()
            time.sleep(0.01)  # in step mode one call at a time runs, and the others want a turn
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
        holder.clear()
        heap.collect()
        assert heap.memstats().heap_objects <= 6, "each mutator has a block for tiny objects"
        assert heap._handle_addresses() == []


@pytest.mark.threads
def test_two_heaps_in_two_threads_do_everything(mode: str) -> None:
    errors: list[BaseException] = []

    def work(seed: int) -> None:
        rng = random.Random(seed)
        try:
            with gcsim.Heap(mode=mode, gogc=10) as heap:
                # handles() looks into the frames of all threads, and Python keeps what it saw there for a while.
                names = [n for n in operations.ALL if n != "finalizers"]
                for _ in range(600 if SOAK else 30):
                    operations.ALL[rng.choice(names)](heap)
                assert heap.verify()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


@pytest.mark.threads
def test_closing_while_many_threads_use_the_heap(mode: str) -> None:
    for _ in range(100 if SOAK else 8):
        heap = gcsim.Heap(mode=mode)
        ended: list[str] = []

        def work(heap: gcsim.Heap = heap, ended: list[str] = ended) -> None:
            try:
                while True:
                    for name in (
                        "objects",
                        "strings",
                        "slices",
                        "frames",
                        "batches",
                        "collections",
                    ):
                        operations.ALL[name](heap)
            except gcsim.ClosedHeapError:
                ended.append("closed")
            except BaseException as error:
                ended.append(repr(error))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.02)
        heap.close()
        for thread in threads:
            thread.join(30)
        assert ended == ["closed"] * 4


# --- what is deep


def test_a_list_of_a_million_is_marked_without_a_stack(mode: str) -> None:
    n = 1_000_000 if mode == "threads" else 100_000
    with gcsim.Heap(mode=mode) as heap:
        head = chain(heap, n)
        assert heap.collect().objects_marked == n
        assert heap.verify()
        assert head.next.n == 1


def test_types_that_contain_themselves_are_refused_and_those_that_refer_are_fine(
    heap: gcsim.Heap,
) -> None:
    @gcsim.struct
    class Self:
        inner: "Self"

    @gcsim.struct
    class Row:
        rows: array["Row", 3]

    for cls in (Self, Row):
        with pytest.raises(gcsim.TypeDefinitionError, match="contains itself"):
            heap.new(cls)

    @gcsim.struct
    class Fine:
        rows: slice_["Fine"]
        row: array[ptr["Fine"], 3]
        deep: ptr[ptr[slice_[ptr["Fine"]]]]

    fine = heap.new(Fine)
    fine.rows = heap.new_slice(Fine, 2)
    fine.rows[1].rows = fine.rows
    fine.row = [fine, None, fine.rows[0]]
    heap.collect()
    assert fine.rows[1].rows[1].rows == fine.rows and fine.row[0] == fine
    assert repr(fine) and repr(fine.rows)


@pytest.mark.parametrize("wrap", [lambda t: ptr[t], lambda t: slice_[t], lambda t: array[t, 1]])
def test_types_inside_types_have_a_greatest_depth(
    heap: gcsim.Heap, wrap: Callable[[Any], Any]
) -> None:
    t: Any = i64
    with pytest.raises(gcsim.TypeDefinitionError, match="nested deeper"):
        for _ in range(10_000):
            t = wrap(t)
    assert heap.new(t) is not None, "the deepest that could be written"


@pytest.mark.parametrize("resolve", [True, False], ids=["one by one", "all at once"])
def test_structs_inside_structs_have_a_greatest_depth(heap: gcsim.Heap, resolve: bool) -> None:
    def nest(levels: int) -> Any:
        inner: Any = Node
        for i in range(levels):
            annotations = {"inner": inner, "n": i64}
            inner = gcsim.struct(type(f"Level{i}", (), {"__annotations__": annotations}))
            if resolve:
                gcsim.sizeof(inner)
        return inner

    with pytest.raises(gcsim.TypeDefinitionError, match="nested deeper"):
        heap.new(nest(2000))
    whole = part = heap.new(nest(50), n=5)
    while type(part) is not Node:
        part = part.inner
    part.next = part
    heap.collect()
    assert gcsim.address(part) == gcsim.address(whole) and part.next.next == part and whole.n == 5
    assert repr(whole)


def test_types_that_refer_to_types_without_end_are_fine(heap: gcsim.Heap) -> None:
    """A chain of a thousand struct types, each with a pointer to the one before."""
    last: Any = Node
    for i in range(1000):
        last = gcsim.struct(type(f"Link{i}", (), {"__annotations__": {"to": ptr[last], "n": i64}}))
        gcsim.sizeof(last)
    link = heap.new(last)
    heap.collect()
    assert link.to is None and repr(link) and gcsim.layout(last).ptr_bytes == 8


def test_a_conversion_that_recurses_without_end_is_an_error_and_no_crash(heap: gcsim.Heap) -> None:
    class Endless:
        def __index__(self) -> int:
            node.n = self  # type: ignore[assignment]
            return 1

        def __float__(self) -> float:
            return float(self.__index__())

    node = heap.new(Node)
    for use in (
        lambda: setattr(node, "n", Endless()),
        lambda: heap.new(Node, n=Endless()),
        lambda: heap.new_slice(i64, Endless()),
        lambda: heap.new_slice(i64, 1).append(Endless()),
        lambda: heap.build(Node, Endless()),
    ):
        with pytest.raises(RecursionError):
            use()
    assert heap.verify() and node.n == 0


def test_a_container_that_holds_itself_does_not_stop_handles(heap: gcsim.Heap) -> None:
    node = heap.new(Node)
    circle: list[Any] = [node]
    circle.append(circle)
    circle.append({"circle": circle})
    assert [entry.address for entry in heap.handles()] == [gcsim.address(node)]


# --- references that are foreign, late, or in the wrong place


def uses_of_a_reference(heap: gcsim.Heap, ref: Any, rows: Any) -> dict[str, Callable[[], Any]]:
    """Everywhere that a reference, or a slice, can be given to a heap."""
    node, holder, own = heap.new(Node), heap.new(Holder), heap.new_slice(Node, 2)
    pointers = heap.new_slice(ptr[Node], 2)
    frame = heap.goroutine("g").push("f", a=ptr[Node], any=iface, rows=slice_[Node])
    return {
        "pointer": lambda: setattr(node, "next", ref),
        "keyword": lambda: heap.new(Node, next=ref),
        "value": lambda: heap.new(ptr[Node], value=ref),
        "interface": lambda: setattr(holder, "any", ref),
        "struct": lambda: setattr(holder, "inner", ref),
        "array": lambda: setattr(holder, "arms", [None, ref, None]),
        "array element": lambda: holder.arms.__setitem__(1, ref),
        "slice": lambda: setattr(holder, "rows", rows),
        "slice element": lambda: own.__setitem__(1, ref),
        "slice range": lambda: own.__setitem__(slice(0, 2), rows[:2]),
        "pointer element": lambda: pointers.__setitem__(1, ref),
        "append": lambda: own.append(ref),
        "append pointer": lambda: pointers.append(None, ref),
        "copy_from": lambda: own.copy_from(rows),
        "frame": lambda: setattr(frame, "a", ref),
        "frame interface": lambda: setattr(frame, "any", ref),
        "frame slice": lambda: setattr(frame, "rows", rows),
        "global": lambda: heap.globals.__setitem__("g", ref),
        "global slice": lambda: heap.globals.__setitem__("g", rows),
        "weak": lambda: heap.weak(ref),
    }


def test_a_reference_of_another_heap_is_refused_everywhere(heap: gcsim.Heap, mode: str) -> None:
    with gcsim.Heap(mode=mode) as other:
        uses = uses_of_a_reference(heap, other.new(Node), other.new_slice(Node, 2))
        before = heap.memstats().mallocs
        for name, use in uses.items():
            with pytest.raises((gcsim.WrongHeapError, gcsim.ConversionError)) as caught:
                use()
            assert isinstance(caught.value, gcsim.WrongHeapError) or name in (
                "slice range",
                "copy_from",
            )
        assert heap.memstats().mallocs <= before + 3
        heap.collect()
        assert heap.verify() and other.verify()
        assert len(heap.globals) == 0


def test_a_reference_of_a_closed_heap_is_refused_everywhere(heap: gcsim.Heap, mode: str) -> None:
    other = gcsim.Heap(mode=mode)
    uses = uses_of_a_reference(heap, other.new(Node), other.new_slice(Node, 2))
    other.close()
    for use in uses.values():
        with pytest.raises(gcsim.Error):
            use()
    assert heap.verify()


def test_no_use_of_a_closed_heap_does_anything_but_raise(mode: str) -> None:
    heap = gcsim.Heap(mode=mode)
    uses = uses_of_a_reference(heap, heap.new(Node), heap.new_slice(Node, 2))
    heap.close()
    for name, use in uses.items():
        with pytest.raises(gcsim.ClosedHeapError):
            use()
            raise AssertionError(name)
    for operation in operations.ALL.values():
        if operation.__name__ not in ("heaps", "types"):  # in heaps of their own
            with pytest.raises(gcsim.ClosedHeapError):
                operation(heap)


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        (lambda h: h.new(array[u8, (1 << 40) + 1]), gcsim.RangeError),
        (lambda h: h.new(array[Holder, 1 << 33]), gcsim.HeapMemoryError),
        (lambda h: h.new_slice(u8, 1 << 62), gcsim.RangeError),
        (lambda h: h.new_slice(Node, 0, 1 << 36), gcsim.HeapMemoryError),
        (lambda h: h.new_slice(Node, 5, 4), gcsim.RangeError),
        (lambda h: h.new_slice(u8, 3).append(*[1] * 100_000, 256), gcsim.RangeError),
        (lambda h: h.build(Node, 1 << 62), gcsim.RangeError),
        (lambda h: h.build(Node, 1 << 36), gcsim.HeapMemoryError),
        (lambda h: h.build(u8, 2, counts=buffer("q", [1, 1 << 39])), gcsim.HeapMemoryError),
        (lambda h: h.build(u8, 2, counts=buffer("q", [1, -1])), gcsim.RangeError),
    ],
)
def test_absurd_sizes_are_refused_and_cost_nothing(
    mode: str, ask: Callable[[gcsim.Heap], Any], error: type[Exception]
) -> None:
    with gcsim.Heap(mode=mode, reserve="256MiB") as heap:
        operations.objects(heap)
        with pytest.raises(error) as caught:
            ask(heap)
        assert isinstance(caught.value, gcsim.Error)
        del caught
        heap.collect()
        assert heap.memstats().heap_objects <= 1
        assert heap.verify()
        operations.objects(heap)
