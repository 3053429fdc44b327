"""What a heap tells while it runs: GODEBUG's traces, metrics, the arithmetic of a cycle, events."""

from __future__ import annotations

import csv
import gc as python_gc
import gzip
import io
import itertools
import math
import os
import random
import re
import subprocess
import sys
import threading
import time
import weakref
from array import array as buffer
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import gcsim
from gcsim import _gctrace, _metrics, _results, i64, ptr, u8
from gcsim.__main__ import main

DATA = Path(__file__).parent / "data"
LOGS = sorted((DATA / "pacer").glob("*.log.gz"))
CYCLE, MARK_START, MARK_END, SWEPT = 1, 2, 3, 4  # enum trace_line


@gcsim.struct
class Node:
    next: ptr["Node"]
    n: i64


def churn(heap: gcsim.Heap, cycles: int) -> None:
    """Allocates until so many more collections have ended."""
    last = len(heap.cycles) + cycles
    while len(heap.cycles) < last:
        for _ in range(50):
            heap.new_slice(i64, 1000)


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What reached sys.unraisablehook."""
    seen: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: seen.append(what.exc_value))
    return seen


# ---- the text of lines: each line of a real log is made again from the numbers it stands for ----


def cdata(line: int, machine: int, **fields: Any) -> str:
    lowlevel = pytest.importorskip("gcsim.lowlevel")
    cycle = lowlevel.ffi.new("gcsim_cycle *")
    for name, value in fields.items():
        setattr(cycle, name, value)
    out = lowlevel.ffi.new("char[512]")
    n = lowlevel.whitebox_fast.trace_text(line, cycle, machine, out)
    return str(lowlevel.ffi.string(out, n).decode())


def ns_range(text: str) -> tuple[int, int]:
    """The times, in ns, that Go prints as this many ms: from, to (exclusive)."""
    if text == "0":
        return 0, 1000
    whole, _, cut = text.partition(".")
    step = 1_000_000 // 10 ** len(cut)
    first = int(whole + cut) * step
    return first, first + step


def both(wall: str, cpu: str, procs: int) -> int:
    """A time that prints as `wall` and, on so many processors, as `cpu`."""
    (low, high), (cpu_low, cpu_high) = ns_range(wall), ns_range(cpu)
    found = max(low, -(-cpu_low // procs))
    assert found < high and found * procs < cpu_high
    return found


def cycle_fields(line: str) -> dict[str, Any]:
    times = r"(\S+?)\+(\S+?)\+(\S+) ms clock, (\S+?)\+(\S+?)/(\S+?)/(\S+?)\+(\S+) ms cpu"
    found = re.fullmatch(
        rf"gc (\d+) @(\d+)\.(\d+)s (\d+)%: {times}, (\d+)->(\d+)->(\d+) MB, (\d+) MB goal,"
        r" (\d+) MB stacks, (\d+) MB globals, (\d+) P( \(forced\))?\n",
        line,
    )
    assert found
    g, procs = found.groups(), int(found[19])
    mb = [int(text) << 20 for text in g[12:18]]
    return {
        "number": int(g[0]), "since_ns": int(g[1]) * 10**9 + int(g[2]) * 10**6,
        "gc_cpu_fraction": (int(g[3]) + 0.5) / 100,
        "pause1_ns": both(g[4], g[7], procs), "mark_ns": ns_range(g[5])[0],
        "pause2_ns": both(g[6], g[11], procs), "assist_ns": ns_range(g[8])[0],
        "background_ns": ns_range(g[9])[0], "idle_ns": ns_range(g[10])[0],
        "heap_live": mb[0], "heap_end": mb[1], "heap_marked": mb[2], "end_goal": mb[3],
        "stack_work": mb[4], "globals_scan": mb[5], "procs": procs, "trigger": int(bool(g[19])),
    }  # fmt: skip


def mark_start_fields(line: str) -> dict[str, Any]:
    found = re.fullmatch(
        r"pacer: assist ratio=(\S+) \(scan (\d+) MB in (\d+)->(\d+) MB\) workers=(\d+)\+(\S+)\n",
        line,
    )
    assert found
    scan, live, goal = (int(found[i]) << 20 for i in (2, 3, 4))
    return {
        "assist_ratio": float(found[1]), "heap_scan": scan, "heap_live": live, "goal": goal,
        "dedicated_workers": int(found[5]), "fractional_goal": float(found[6]),
    }  # fmt: skip


def mark_end_fields(line: str) -> dict[str, Any]:
    found = re.fullmatch(
        r"pacer: (\d+)% CPU \(25 exp\.\) for (\d+)\+(\d+)\+(\d+) B work \((\d+) B exp\.\)"
        r" in (\d+) B -> (\d+) B \(∆goal (-?\d+), cons/mark (\S+)\)\n",
        line,
    )
    assert found
    n = [int(text) for text in found.groups()[:8]]
    return {
        "utilization": (n[0] + 0.5) / 100, "scan_work": n[1], "stack_work": n[2],
        "globals_work": n[3], "heap_scan_before": n[4], "heap_live": n[5], "heap_end": n[6],
        "end_goal": n[6] - n[7], "cons_mark": float(found[9]),
    }  # fmt: skip


def swept_fields(line: str) -> dict[str, Any]:
    found = re.fullmatch(
        r"pacer: sweep done at heap size (\d+)MB; allocated (\d+)MB during sweep;"
        r" swept (\d+) pages at (\S+) pages/byte\n",
        line,
    )
    assert found
    live, allocated = int(found[1]) << 20, int(found[2]) << 20
    return {
        "sweep_live": live, "heap_marked": live - allocated, "pages_swept": int(found[3]),
        "sweep_ratio": float(found[4]),
    }  # fmt: skip


FIELDS_OF: list[tuple[str, int, Callable[[str], dict[str, Any]]]] = [
    ("gc ", CYCLE, cycle_fields),
    ("pacer: assist", MARK_START, mark_start_fields),
    ("pacer: sweep", SWEPT, swept_fields),
    ("pacer: ", MARK_END, mark_end_fields),
]


@pytest.mark.parametrize("path", LOGS, ids=lambda p: p.name)
def test_every_line_of_a_log_of_go_is_made_again_byte_for_byte(path: Path) -> None:
    counts = dict.fromkeys(("gc ", "pacer: ", "pacer: assist", "pacer: sweep"), 0)
    for line in gzip.decompress(path.read_bytes()).decode().splitlines(keepends=True):
        for start, kind, fields_of in FIELDS_OF:
            if line.startswith(start):
                assert cdata(kind, 64, **fields_of(line)) == line
                counts[start] += 1
                break
    assert min(counts.values()) > 5


@pytest.mark.parametrize("path", LOGS, ids=lambda p: p.name)
def test_every_scav_line_is_made_again(path: Path) -> None:
    lowlevel = pytest.importorskip("gcsim.lowlevel")
    out = lowlevel.ffi.new("char[512]")
    text = gzip.decompress(path.read_bytes()).decode()
    lines = re.findall(r"^scav .*\n", text, re.MULTILINE)
    for line in lines:
        bg, eager, now, percent = map(int, re.findall(r"\d+", line))
        numbers = [bg << 10, eager << 10, now << 10, percent, 100, int("(forced)" in line)]
        n = lowlevel.whitebox_fast.trace_scav_text(numbers, out)
        assert lowlevel.ffi.string(out, n).decode() == line
    assert len(lines) > 5


@pytest.mark.parametrize(
    "ns, text",
    [
        (0, "0"), (999, "0"), (1000, "0.001"), (55_999, "0.055"), (99_999, "0.099"),
        (100_000, "0.10"), (119_999, "0.11"), (999_999, "0.99"), (1_000_000, "1.0"),
        (5_799_999, "5.7"), (9_999_999, "9.9"), (10_000_000, "10"), (12_345_678_901, "12345"),
    ],
)  # fmt: skip
def test_times_are_cut_to_two_digits_as_go_does(ns: int, text: str) -> None:
    assert f"+{text}+" in cdata(CYCLE, 1, mark_ns=ns)
    assert ns_range(text)[0] <= ns < ns_range(text)[1]


def test_floats_are_printed_as_strconv_does() -> None:
    def printed(value: float) -> str:
        found = re.search(r"ratio=(\S+) ", cdata(MARK_START, 1, assist_ratio=value))
        assert found
        return found[1]

    # strconv.FormatFloat(v, 'g', -1, 64)
    known = {
        0.0: "0", 1.0: "1", -2.5: "-2.5", 0.25: "0.25", 100000.0: "100000", 123456.0: "123456",
        1e6: "1e+06", 1234567.5: "1.2345675e+06", 1e21: "1e+21", 0.0001: "0.0001",
        0.00001: "1e-05", 1.5e-7: "1.5e-07", 0.1: "0.1", 1 / 3: "0.3333333333333333",
        1e100: "1e+100", math.inf: "+Inf", -math.inf: "-Inf",
    }  # fmt: skip
    assert {value: printed(value) for value in known} == known
    rng = random.Random(4)
    for _ in range(2000):
        value = rng.uniform(-1, 1) * 10.0 ** rng.randint(-30, 30)
        text = printed(value)
        assert float(text) == value
        digits = len(re.sub(r"e.*|\D", "", text).strip("0"))
        assert digits <= len(re.sub(r"e.*|\D", "", repr(value)).strip("0"))


def test_a_machine_with_fewer_processors_bounds_the_time_of_stops() -> None:
    line = cdata(CYCLE, 2, procs=8, pause1_ns=1_000_000, pause2_ns=2_000_000)
    assert "1.0+0+2.0 ms clock, 2.0+0/0/0+4.0 ms cpu" in line and line.endswith(" 8 P\n")


# ---- traces ----


def test_each_cycle_has_its_line(heap: gcsim.Heap) -> None:
    out = io.StringIO()
    with heap.gctrace(out) as trace:
        cycle = heap.collect()
        kept = heap.new_slice(i64, 1 << 18)
        churn(heap, 3)
        heap.collect()
        assert repr(trace) == f"<gctrace of {heap!r}>"
    lines = out.getvalue().splitlines(keepends=True)
    assert [c.number for c in heap.cycles] == [int(line.split()[1]) for line in lines]
    for line, c in zip(lines, heap.cycles, strict=True):
        f = cycle_fields(line)
        assert bool(f["trigger"]) == (c.trigger == "forced") == line.endswith(" (forced)\n")
        assert (f["heap_live"], f["heap_end"]) == (c.heap_live >> 20 << 20, c.heap_end >> 20 << 20)
        assert f["heap_marked"] >> 20 == c.heap_marked >> 20 and f["procs"] == heap.procs
        ms = f["since_ns"] // 10**6
        assert ms == c.since_ns // 10**6
        for name, ns in zip(("pause1_ns", "mark_ns", "pause2_ns"), c.phases, strict=False):
            low = ns_range(_cut(ns[1]))[0]
            assert f[name] >= low, name
    assert lines[0].startswith("gc 1 @") and cycle.number == 1
    heap.collect()
    assert len(out.getvalue().splitlines()) == len(lines)
    del kept


def _cut(ns: int) -> str:
    found = re.search(r"\+(\S+?)\+", cdata(CYCLE, 1, mark_ns=ns))
    assert found
    return found[1]


def test_pacer_and_scavenger_lines_come_around_those_of_cycles(heap: gcsim.Heap) -> None:
    out = io.StringIO()
    heap.pacertrace(out)
    heap.gctrace(out)
    heap.scavtrace(out)
    heap.new_slice(u8, 2 << 20)
    heap.collect()
    lines = out.getvalue().splitlines(keepends=True)
    kinds = [next(start for start, _, _ in [*FIELDS_OF, ("scav ", 0, 0)] if text.startswith(start))
             for text in lines]  # fmt: skip
    kinds = [kind for kind in kinds if kind != "pacer: "]
    assert kinds == ["pacer: assist", "gc ", "pacer: sweep", "scav "]
    swept = swept_fields(lines[-2])
    assert swept["pages_swept"] == heap.cycles[-1].pages_swept > 0
    for stop in (heap.gctrace, heap.pacertrace, heap.scavtrace):
        stop(None)
    heap.collect()
    assert out.getvalue().count("\n") == len(lines)


def test_the_project_s_own_reader_reads_the_lines(mode: str) -> None:
    out = io.StringIO()
    with gcsim.Heap(mode=mode, gcstoptheworld=0) as heap:
        heap.gctrace(out)
        heap.pacertrace(out)
        kept = [heap.new(Node) for _ in range(20_000 if mode == "threads" else 2000)]
        churn(heap, 4)
        heap.collect()
        del kept
        cycles = heap.cycles
    assert _gctrace.is_log(out.getvalue())
    read = _gctrace.read_gctrace(out.getvalue())
    assert [c.number for c in read] == [c.number for c in cycles]
    for trace, cycle in zip(read, cycles, strict=True):
        assert (trace.pacer is None) == (cycle.heap_end <= cycle.heap_live)
        if trace.pacer:
            assert trace.pacer.goal == cycle.end_goal and trace.pacer.heap_live == cycle.heap_end
            assert trace.pacer.triggered == cycle.heap_live
            assert trace.pacer.cons_mark == cycle.cons_mark


def test_a_log_of_gcsim_conforms_as_one_of_go_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The numbers that are printed lead to the goal and the trigger that were in force."""
    pytest.importorskip("gcsim.lowlevel")
    path, rows = tmp_path / "own.log", []
    stop = threading.Event()

    def allocate(heap: gcsim.Heap) -> None:
        kept: list[Any] = [None] * 500
        for n in itertools.count():
            if stop.is_set():
                return
            kept[n % 500] = heap.new_slice(ptr[Node], 500)

    with gcsim.Heap(procs=2) as heap, path.open("w", encoding="utf-8") as log:
        chain = buffer("q", [*range(1, 100_000), -1])
        batch = heap.build(Node, 100_000, roots=[0], links={"next": chain})
        heap.globals["first"] = batch[0]
        heap.gctrace(log)
        heap.pacertrace(log)
        thread = threading.Thread(target=allocate, args=(heap,))
        thread.start()
        try:
            while len(rows) < 25:
                heap.new_slice(i64, 500)
                row = heap.metrics.read()
                number = row["/gc/cycles/total:gc-cycles"]
                if number and (not rows or number > rows[-1]["/gc/cycles/total:gc-cycles"]):
                    rows.append(row)
        finally:
            stop.set()
            thread.join()
    with (tmp_path / "own.metrics.csv").open("w") as file:
        names = [name for name in rows[0] if not isinstance(rows[0][name], gcsim.Histogram)]
        writer = csv.DictWriter(file, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    assert main(["conform", str(path)]) in (0, 1)  # 1: a busy machine started two cycles late
    told = capsys.readouterr().out
    found = re.search(r"by GOGC (\d+): goal equal (\d+)/\d+, trigger above 0", told)
    assert found and found[1] == found[2] and int(found[1]) >= 3, told


def test_files_and_descriptors_are_written_by_the_core(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "trace.log"
    with gcsim.Heap(mode=mode) as heap, path.open("w", encoding="utf-8") as file:
        file.write("before\n")  # still in the file's buffer
        heap.gctrace(file)
        heap.collect()
        file.close()  # the heap has its own way there
        heap.collect()
        heap.gctrace(None)
        heap.collect()
    text = path.read_text()
    assert re.fullmatch(r"before\ngc 1 @.*\ngc 2 @.*\n", text)
    read, write = os.pipe()
    with gcsim.Heap(mode=mode) as heap:
        with heap.gctrace(write):
            os.close(write)
            heap.collect()
        assert os.read(read, 1000).startswith(b"gc 1 @")
        assert os.read(read, 1000) == b""  # nobody holds the other end any more
    os.close(read)


def test_a_closing_heap_tells_what_it_has_to_tell(mode: str) -> None:
    out = io.StringIO()
    with gcsim.Heap(mode=mode) as heap:
        trace = heap.gctrace(out)
        heap.collect()
    assert out.getvalue().count("gc 1 @") == 1
    trace.stop()  # of a closed heap: nothing
    with pytest.raises(gcsim.ClosedHeapError):
        heap.gctrace(out)


def test_text_files_that_are_no_plain_files_get_text(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "trace.gz"
    with gcsim.Heap(mode=mode) as heap:
        with gzip.open(path, "wt") as zipped, heap.gctrace(zipped):
            heap.collect()
        wide = (tmp_path / "wide.log").open("w", encoding="utf-16")
        with wide, heap.pacertrace(wide):
            heap.collect()
    assert gzip.decompress(path.read_bytes()).startswith(b"gc 1 @")
    assert (tmp_path / "wide.log").read_text(encoding="utf-16").startswith("pacer: ")


def test_what_is_no_text_file_is_refused(heap: gcsim.Heap, tmp_path: Path) -> None:
    closed = io.StringIO()
    closed.close()
    with (tmp_path / "x").open("wb") as binary:
        for file, error in [
            (binary, TypeError), (io.BytesIO(), TypeError), ("x.log", TypeError),
            (3.5, TypeError), (True, TypeError), (closed, RuntimeError), (-1, RuntimeError),
            (987_654, RuntimeError),
        ]:  # fmt: skip
            for trace in (heap.gctrace, heap.pacertrace, heap.scavtrace):
                with pytest.raises(gcsim.Error) as caught:
                    trace(file)
                assert isinstance(caught.value, error)
    heap.collect()


def test_a_file_that_fails_ends_its_trace_and_nothing_else(
    heap: gcsim.Heap, unraisable: list[Any]
) -> None:
    broken, good = io.StringIO(), io.StringIO()
    heap.gctrace(broken)
    heap.pacertrace(good)
    broken.close()
    heap.collect()
    assert [type(e) for e in unraisable] == [ValueError]
    heap.collect()
    assert len(unraisable) == 1
    assert good.getvalue().count("pacer: assist") == 2
    heap.gctrace(good)
    heap.collect()
    assert good.getvalue().count("gc 3 @") == 1


def collect_until_told(heap: gcsim.Heap, unraisable: list[Any]) -> None:
    """A worker may be the one who writes, and fails, after the call that waited for the cycle: a later call tells."""
    for _ in range(100):
        heap.collect()
        if unraisable:
            return
        time.sleep(0.01)


def test_a_descriptor_that_fails_ends_its_trace(heap: gcsim.Heap, unraisable: list[Any]) -> None:
    read, write = os.pipe()
    heap.gctrace(write)
    os.close(read)
    os.close(write)
    collect_until_told(heap, unraisable)
    assert [type(e) for e in unraisable] == [BrokenPipeError]
    heap.collect()
    assert len(unraisable) == 1


def test_a_full_pipe_that_nobody_reads_ends_its_trace(unraisable: list[Any]) -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    with gcsim.Heap() as heap:
        while True:
            try:
                os.write(write, b"x" * 4096)
            except BlockingIOError:
                break
        heap.gctrace(write)
        collect_until_told(heap, unraisable)
        assert [type(e) for e in unraisable] == [BlockingIOError]
        assert heap.verify()
    os.close(read)
    os.close(write)


def test_who_is_written_to_cannot_use_the_heap_but_nothing_breaks(
    mode: str, unraisable: list[Any]
) -> None:
    class Nosy:
        def __init__(self, heap: gcsim.Heap) -> None:
            self.heap, self.errors = heap, [BaseException]

        def write(self, text: str) -> None:
            for use in (self.heap.collect, self.heap.close):
                try:
                    use()
                except gcsim.StateError as error:
                    self.errors.append(type(error))

    heap = gcsim.Heap(mode=mode)
    nosy = Nosy(heap)
    heap.gctrace(nosy)
    heap.collect()
    assert nosy.errors[1:] == [gcsim.StateError] * 2 and not unraisable
    # A cycle of references through the heap is freed.
    heap.close()
    heap = gcsim.Heap(mode=mode)
    nosy = Nosy(heap)
    heap.gctrace(nosy)
    gone = weakref.ref(nosy)
    del nosy, heap
    python_gc.collect()
    assert gone() is None


def test_ctrl_c_while_a_line_is_written_comes_through(mode: str) -> None:
    class Interrupted:
        def write(self, text: str) -> None:
            raise KeyboardInterrupt

    with gcsim.Heap(mode=mode) as heap:
        heap.gctrace(Interrupted())
        with pytest.raises(KeyboardInterrupt):
            heap.collect()
        heap.gctrace(None)
        assert heap.collect().number == 2


def test_a_cycle_that_a_worker_ends_has_its_line(tmp_path: Path) -> None:
    """Allocation starts cycles and goes on; with a processor free, workers mark and end them."""
    path = tmp_path / "worker.log"
    with gcsim.Heap(procs=2, events=1 << 14) as heap, path.open("w") as file:
        heap.gctrace(file)
        batch = heap.build(Node, 300_000, roots=[0])
        kept = [batch[i] for i in range(0, 300_000, 10)]
        for _ in range(20):
            churn(heap, 1)
            time.sleep(0.05)  # nothing calls into the heap now
            lines = path.read_text().splitlines()
            done = [int(line.split()[1]) for line in lines]
            assert done == [c.number for c in heap.cycles]
            names = {e.mutator for e in heap.events() if e.kind == "worker"}
            ends = {e.mutator for e in heap.events() if e.kind == "cycle end"}
            if names & ends:
                break
        else:
            pytest.skip("no worker came to end a cycle")
        del kept


def test_periodic_cycles_are_announced() -> None:
    """GC forced, on a line of its own before the cycle: through the C API, where the period is
    an option."""
    lowlevel = pytest.importorskip("gcsim.lowlevel")
    ffi, api = lowlevel.ffi, lowlevel.fast
    options = ffi.new("gcsim_options *", {"bytes": ffi.sizeof("gcsim_options"), "periodic_ms": 20})
    status = ffi.new("gcsim_status *")
    heap = api.heap_create(options, status)
    m = api.mutator_attach(heap, status)
    assert api.trace(heap, 0, -2) == 0 and api.trace(heap, 3, -2) != 0
    m.inside = 1
    api.enter_slow(m)
    api.collect(m)
    m.inside = 0
    api.leave_slow(m)
    kind, out, lines = ffi.new("uint32_t *"), ffi.new("char[512]"), []
    for _ in range(400):
        time.sleep(0.01)
        while n := api.trace_read(heap, kind, out):
            lines.append(ffi.string(out, n).decode())
        if len(lines) >= 3:
            break
    api.mutator_detach(m)
    api.heap_destroy(heap)
    assert lines[0].startswith("gc 1 @") and lines[0].endswith("(forced)\n")
    assert lines[1] == "GC forced\n" and lines[2].startswith("gc 2 @")
    assert not lines[2].endswith("(forced)\n")


def test_lines_that_nobody_takes_are_counted() -> None:
    lowlevel = pytest.importorskip("gcsim.lowlevel")
    raw = lowlevel.RawHeap(gc_percent=-1)
    heap = raw.heap
    lowlevel.fast.trace(heap, 0, -2)
    for _ in range(70):
        raw.collect()
    kind, out, lines = lowlevel.ffi.new("uint32_t *"), lowlevel.ffi.new("char[512]"), []
    while n := lowlevel.fast.trace_read(heap, kind, out):
        lines.append(lowlevel.ffi.string(out, n).decode())
    assert len(lines) == 64 and lines[-1].startswith("gc 64 @")
    raw.collect()
    n = lowlevel.fast.trace_read(heap, kind, out)
    first, second, _ = lowlevel.ffi.string(out, n).decode().split("\n")
    assert first.startswith("gcsim: 6 lines are missing here") and second.startswith("gc 71 @")


def test_a_forked_child_tells_its_own_only(
    run_python: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    path = tmp_path / "fork.log"
    run_python(
        """
        import os, sys, io, gcsim
        heap = gcsim.Heap()
        file, text = open(sys.argv[1], "a"), io.StringIO()
        heap.gctrace(file)
        heap.pacertrace(text)
        heap.collect()
        n = text.getvalue().count("assist")
        child = os.fork()
        if child == 0:
            try:
                heap.collect()
            except gcsim.ForkedHeapError:
                heap.after_fork()
            heap.collect()
            assert text.getvalue().count("assist") == 2, text.getvalue()
            heap.gctrace(None)
            heap.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        heap.collect()
        assert n == 1 and text.getvalue().count("assist") == 2
        """,
        str(path),
    )
    numbers = [int(line.split()[1]) for line in path.read_text().splitlines()]
    assert numbers == [1, 2, 2]


# ---- metrics ----

GOLDEN = "runtime-metrics.csv.gz"
ABSENT = ("/cgo/", "/godebug/", "/sync/", "/sched/latencies")


def golden_names() -> Iterator[dict[str, str]]:
    with gzip.open(DATA / "metrics" / GOLDEN, "rt") as file:
        yield from csv.DictReader(file)


def test_metrics_are_those_of_go(heap: gcsim.Heap) -> None:
    expected = {row["name"]: row for row in golden_names()}
    names = [name for name in expected if not name.startswith(ABSENT)]
    assert sorted(heap.metrics) == sorted(names) and len(heap.metrics) == len(names) > 60
    heap.collect()
    sample = heap.metrics.read()
    kinds = {"uint64": int, "float64": float, "float64-histogram": gcsim.Histogram}
    for name in names:
        assert type(sample[name]) is kinds[expected[name]["kind"]], name
    for name in ("/gc/heap/gaol:bytes", "/cgo/go-to-c-calls:calls", "nothing"):
        for mapping in (heap.metrics, sample):
            with pytest.raises(gcsim.UnknownNameError):
                mapping[name]
            assert name not in mapping and mapping.get(name) is None
    with pytest.raises(KeyError, match="near it: /gc/heap/goal:bytes"):
        heap.metrics["/gc/heap/gaol:bytes"]
    with pytest.raises(TypeError):
        heap.metrics["/gc/gogc:percent"] = 1  # type: ignore[index]


def check_sums(m: Any) -> None:
    """Reference 7.4; of Go: metrics_test.go:TestReadMetrics."""
    memory = {name: value for name, value in m.items() if name.startswith("/memory/classes/")}
    total = memory.pop("/memory/classes/total:bytes")
    assert total == sum(memory.values()) and min(memory.values()) >= 0
    assert m["/gc/cycles/total:gc-cycles"] == (
        m["/gc/cycles/automatic:gc-cycles"] + m["/gc/cycles/forced:gc-cycles"]
    )
    assert m["/gc/scan/total:bytes"] == sum(
        m[f"/gc/scan/{part}:bytes"] for part in ("heap", "stack", "globals")
    )
    allocs, frees = m["/gc/heap/allocs-by-size:bytes"], m["/gc/heap/frees-by-size:bytes"]
    assert allocs.total == m["/gc/heap/allocs:objects"]
    assert frees.total == m["/gc/heap/frees:objects"]
    assert all(a >= f for a, f in zip(allocs.counts, frees.counts, strict=True))
    assert m["/gc/heap/objects:objects"] == allocs.total - frees.total
    assert m["/memory/classes/heap/objects:bytes"] == (
        m["/gc/heap/allocs:bytes"] - m["/gc/heap/frees:bytes"]
    )

    def ns(name: str) -> int:
        return round(m[f"/cpu/classes/{name}:cpu-seconds"] * 1e9)

    marks = ns("gc/mark/assist") + ns("gc/mark/dedicated") + ns("gc/mark/idle")
    assert ns("gc/total") == marks + ns("gc/pause")
    assert ns("scavenge/total") == ns("scavenge/assist") + ns("scavenge/background")
    assert ns("total") == ns("gc/total") + ns("scavenge/total") + ns("idle") + ns("user")
    assert ns("user") >= 0
    assert m["/gc/pauses:seconds"] == m["/sched/pauses/total/gc:seconds"]


def test_sums_hold_within_one_read(heap: gcsim.Heap) -> None:
    check_sums(heap.metrics.read())
    kept: list[Any] = []
    for step in range(8):
        kept += [heap.new(Node) for _ in range(500)]
        kept += [heap.new_slice(u8, 100_000 * step), heap.new_slice(u8, 3)]
        heap.goroutine("g").push("f", p=ptr[Node])
        del kept[:: step + 2]
        if step % 2:
            heap.collect()
        check_sums(heap.metrics.read())


def test_sums_hold_while_others_allocate_and_collect() -> None:
    stop = threading.Event()

    def work(heap: gcsim.Heap, seed: int) -> None:
        rng, kept = random.Random(seed), [None] * 200
        while not stop.is_set():
            kept[rng.randrange(200)] = heap.new_slice(i64, rng.choice((1, 10, 100, 9000)))  # type: ignore[call-overload]

    with gcsim.Heap(gogc=20) as heap:
        threads = [threading.Thread(target=work, args=(heap, n)) for n in range(2)]
        for thread in threads:
            thread.start()
        before = heap.metrics.read()
        try:
            for _ in range(300):
                now = heap.metrics.read()
                check_sums(now)
                for row in golden_names():  # what is cumulative never falls
                    name = row["name"]
                    if row["cumulative"] == "true" and name in now and row["kind"] == "uint64":
                        assert now[name] >= before[name], name
                before = now
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert heap.verify()


def test_metrics_agree_with_memstats(heap: gcsim.Heap) -> None:
    kept = [heap.new_slice(u8, n) for n in (3, 3, 100, 5000, 50_000)]
    heap.collect()  # caches are empty now: both count the same
    m, s = heap.metrics.read(), heap.memstats()
    pairs = {
        "/gc/heap/allocs:bytes": s.total_alloc, "/memory/classes/heap/objects:bytes": s.heap_alloc,
        "/memory/classes/heap/released:bytes": s.heap_released, "/memory/classes/total:bytes": s.sys,
        "/memory/classes/heap/free:bytes": s.heap_idle - s.heap_released,
        "/memory/classes/heap/stacks:bytes": s.stack_inuse, "/gc/heap/goal:bytes": s.next_gc,
        "/memory/classes/metadata/mspan/inuse:bytes": s.mspan_inuse,
        "/memory/classes/metadata/mcache/inuse:bytes": s.mcache_inuse,
        "/memory/classes/metadata/other:bytes": s.gc_sys, "/memory/classes/other:bytes": s.other_sys,
        "/gc/cycles/total:gc-cycles": s.num_gc, "/gc/cycles/forced:gc-cycles": s.num_forced_gc,
        "/gc/heap/objects:objects": s.heap_objects, "/gc/heap/live:bytes": s.heap_alloc,
    }  # fmt: skip
    assert {name: m[name] for name in pairs} == pairs
    tiny = m["/gc/heap/tiny/allocs:objects"]  # counts as no object here (reference 7.4)
    assert m["/gc/heap/allocs:objects"] + tiny == s.mallocs and tiny == 1
    assert m["/sched/gomaxprocs:threads"] == heap.procs and m["/gc/gogc:percent"] == 100
    inuse = sum(x.bytes for x in heap.spans() if x.state == "in use")
    assert m["/memory/classes/heap/unused:bytes"] == inuse - s.heap_alloc
    cpu = m["/cpu/classes/gc/total:cpu-seconds"] - m["/cpu/classes/gc/mark/idle:cpu-seconds"]
    assert s.gc_cpu_fraction == pytest.approx(cpu / m["/cpu/classes/total:cpu-seconds"])
    del kept


def test_pauses_are_counted_where_they_belong(heap: gcsim.Heap) -> None:
    heap.collect()
    gc = heap.metrics["/gc/pauses:seconds"].total
    assert gc >= 2 and heap.metrics["/sched/pauses/stopping/gc:seconds"].total == gc
    other = heap.metrics["/sched/pauses/total/other:seconds"].total
    heap.memstats()
    heap.spans()
    m = heap.metrics.read()
    assert m["/sched/pauses/total/other:seconds"].total >= other + 2
    assert m["/sched/pauses/stopping/other:seconds"].total >= other + 2
    assert m["/gc/pauses:seconds"].total == gc
    longest = max(heap.cycles[-1].stops) / 1e9
    counts, edges = m["/gc/pauses:seconds"].counts, m["/gc/pauses:seconds"].buckets
    last = max(i for i, n in enumerate(counts) if n)
    assert edges[last + 1] > longest


def test_bucket_edges_are_go_s() -> None:
    edges = _metrics._TIME_BUCKETS
    # timeHistogramMetricsBuckets: -Inf, 0, 64, 128, 192 ns; then 256, 320, 384, 448, 512, 640 ...
    ns = [edge * 1e9 for edge in edges[1:-1]]
    expected = [0, 64, 128, 192, 256, 320, 384, 448, 512, 640, 768, 896, 1024]
    assert [round(x) for x in ns[:13]] == expected
    assert len(edges) == 163 and edges[0] == -math.inf and edges[-1] == math.inf
    assert edges[-2] == 2**47 / 1e9 and edges[-3] == (2**46 + 3 * 2**44) / 1e9
    assert all(a < b for a, b in itertools.pairwise(edges))
    sizes = _metrics._size_buckets()
    assert sizes[:5] == (1, 9, 17, 25, 33) and sizes[-2:] == (32769, math.inf) and len(sizes) == 69


def test_durations_fall_into_the_bucket_whose_edges_hold_them() -> None:
    lowlevel = pytest.importorskip("gcsim.lowlevel")
    edges = [round(edge * 1e9) for edge in _metrics._TIME_BUCKETS[1:-1]]
    rng = random.Random(7)
    values = [v + d for v in edges for d in (-1, 0, 1) if v + d >= 0]
    values += [rng.getrandbits(rng.randint(1, 63)) for _ in range(5000)]
    for value in values:
        bucket = lowlevel.whitebox_fast.time_bucket(value)
        low = edges[bucket - 1]
        high = edges[bucket] if bucket < len(edges) else math.inf
        assert low <= value < high


def test_a_sample_outlives_its_heap(mode: str) -> None:
    with gcsim.Heap(mode=mode) as heap:
        heap.collect()
        metrics, sample = heap.metrics, heap.metrics.read()
        assert "after 1 collections" in repr(sample) and "\n" in str(sample)
        assert repr(heap) in repr(metrics)
    assert sample["/gc/cycles/total:gc-cycles"] == 1
    for use in (metrics.read, lambda: heap.metrics, lambda: metrics["/gc/gogc:percent"]):
        with pytest.raises(gcsim.ClosedHeapError):
            use()
    with pytest.raises(AttributeError):
        sample["/gc/pauses:seconds"].counts = ()


# ---- cycles and events ----


def test_a_cycle_s_phases_and_html(heap: gcsim.Heap) -> None:
    cycle = heap.collect()
    phases = dict(cycle.phases)
    assert phases["sweep termination"] == cycle.pause1_ns
    assert phases["mark termination"] == cycle.pause2_ns
    assert cycle.stopping1_ns <= cycle.pause1_ns and cycle.stopping2_ns <= cycle.pause2_ns
    assert [kind for kind, _ in cycle.mark_work] == ["dedicated", "fractional", "idle", "assist"]
    assert cycle.overshoot == cycle.heap_end - (cycle.end_goal or 0)
    assert cycle.sweep_live > 0 and cycle.memory_limit is None and cycle.limit_goal is None
    html = cycle._repr_html_()
    assert "&lt;Cycle 1" in html and "<pre>" in html and "bytes below its goal" in html
    assert "mark termination" in str(cycle) and "\n" not in repr(cycle)


def test_a_stopped_cycle_s_one_stop_is_in_three_parts() -> None:
    out = io.StringIO()
    with gcsim.Heap(gcstoptheworld=1) as heap, heap.gctrace(out):
        chain = buffer("q", [*range(1, 50_000), -1])
        batch = heap.build(Node, 50_000, roots=[0], links={"next": chain})
        cycle = heap.collect()
        assert cycle.objects_marked == len(batch)
    assert sum(ns for _, ns in cycle.phases[:3]) == cycle.pause2_ns == cycle.pause_ns
    f = cycle_fields(out.getvalue())
    assert f["mark_ns"] == ns_range(_cut(cycle.mark_ns))[0] > 0


def test_the_arithmetic_of_a_limit_is_shown() -> None:
    base: dict[str, Any] = {
        "number": 3, "gc_percent": 100, "heap_live": 48 << 20, "trigger_bytes": 47 << 20,
        "goal": 50 << 20, "marked_before": 40 << 20, "memory_limit": 64 << 20,
        "limit_goal": 50 << 20, "runway": 3 << 20, "cons_mark": 0.5, "end_goal": 50 << 20,
        "heap_end": 51 << 20, "limiter_fill": 5, "limiter_capacity": 5, "limited": 2,
    }  # fmt: skip
    names = {name for name in gcsim.Cycle.__dataclass_fields__ if name != "limiter"}
    numbers = dict.fromkeys(names, 0) | base
    cycle = _results.make_cycle(dict(numbers))
    assert cycle.limiter.limiting and cycle.overshoot == 1 << 20
    assert "memory limit 67_108_864: it leaves the heap 52_428_800, which is less" in cycle.why
    assert "= 52_428_800 - 3_145_728 = 49_283_072, within" in cycle.why
    assert "1_048_576 bytes above its goal" in cycle.why and "on 2 times" in str(cycle)
    off = _results.make_cycle(numbers | {"gc_percent": -1})
    assert "GOGC is off; memory limit 67_108_864 leaves the heap 52_428_800" in off.why
    # Bounds as in mgcpacer.go:trigger: 45/64 and 61/64 of the way, or 4 MiB below the goal.
    assert cycle.trigger_bounds() == ((40 << 20) + 45 * 163_840, (40 << 20) + 61 * 163_840)


def test_events_tell_who_marked_and_as_what(mode: str) -> None:
    count = 20_000 if mode == "threads" else 2000
    with gcsim.Heap(mode=mode, events=1 << 18, procs=2) as heap:
        chain = buffer("q", [*range(1, count), -1])
        batch = heap.build(Node, count, roots=[0], links={"next": chain})
        heap.collect()
        events = [e for e in heap.events() if e.kind.startswith("worker")]
        cycle = heap.cycles[-1]
        del batch
    assert events
    by_mutator: dict[int, list[gcsim.Event]] = {}
    for event in events:
        by_mutator.setdefault(event.mutator, []).append(event)
    for own in by_mutator.values():  # each start has its end, unless the ring cut it off
        own = own[own[0].kind == "worker" :]
        assert [e.kind for e in own] == ["worker start", "worker"] * (len(own) // 2)
        assert all(e.arg in (0, 1, 2) for e in own[::2])
        assert all(end.arg <= end.time_ns - start.time_ns + 1000 or mode == "threads"
                   for start, end in zip(own[::2], own[1::2], strict=True))  # fmt: skip
    kinds = {e.arg for e in events if e.kind == "worker start"}
    assert {0: "dedicated", 1: "fractional", 2: "idle"}.keys() >= kinds
    for number, (_, ns) in enumerate(cycle.mark_work[:3]):
        assert ns == 0 or number in kinds


def test_events_tell_of_stops_and_of_the_end_of_sweeping(mode: str) -> None:
    with gcsim.Heap(mode=mode, events=4096) as heap:
        kept = heap.new_slice(i64, 5000)
        cycle = heap.collect()
        events = heap.events()
    stops = [e for e in events if e.kind.startswith("world ")]
    kinds = [e.kind for e in stops]
    assert kinds == ["world stop", "world start"] * (len(kinds) // 2) and len(kinds) >= 4
    for stop, start in zip(stops[::2], stops[1::2], strict=True):
        assert stop.time_ns <= start.time_ns and stop.arg <= start.arg
        assert start.arg - stop.arg <= start.time_ns - stop.time_ns + 1000
    swept = [e for e in events if e.kind == "swept"]
    assert [e.arg for e in swept][-1] == cycle.sweep_live == 40_960
    del kept
