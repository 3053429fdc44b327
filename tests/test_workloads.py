"""Workloads in C: the built-in ones, those compiled here, and all that can go wrong with one."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gcsim

# Small enough to run everywhere, large enough to collect.
SMALL: dict[str, dict[str, int | str]] = {
    "binary-trees": {"depth": 10},
    "graph": {"live": "2MiB", "steps": 40_000},
    "idle": {"rounds": 2, "burst": "4MiB", "idle": 5},
    "list": {"nodes": 40_000, "garbage": 200},
    "lru": {"entries": 2000, "lookups": 40_000},
    "ring": {"entries": 1000, "allocations": 60_000},
    "spikes": {"high": "8MiB", "low": "1MiB", "spikes": 2},
}
# With seed 7 and two threads. They say that the work is the same everywhere and always.
CHECKSUMS = {
    "binary-trees": 1916584,
    "graph": 10203659623001789217,
    "idle": 15263167422160145522,
    "list": 13432715089014561364,
    "lru": 3006688133694156401,
    "ring": 12159779373036805698,
    "spikes": 5716330598836419820,
}


def test_all_built_in_workloads_are_tested() -> None:
    assert set(gcsim.workloads) == set(SMALL)
    assert "ring" in repr(gcsim.workloads) and "entries=100000" in repr(gcsim.workloads["ring"])


@pytest.mark.threads
@pytest.mark.parametrize("name", SMALL)
def test_a_workload_checks_its_data_and_its_checksum_depends_on_no_schedule(
    name: str, heap: gcsim.Heap
) -> None:
    workload = gcsim.workloads[name]
    first = workload.run(heap, threads=2, seed=7, **SMALL[name])
    assert first.cycles > 0 and first.alloc_bytes > 2 << 20 and not first.errors
    assert 0 < first.peak_bytes < 64 << 20 and first.worst_stop_s <= first.total_stop_s
    assert [t.error for t in first.threads] == [None, None]
    again = workload.run(heap, threads=2, seed=7, **SMALL[name])
    assert again.checksum == first.checksum
    assert [t.checksum for t in again.threads] == [t.checksum for t in first.threads]
    assert first.checksum == CHECKSUMS[name]
    if name != "binary-trees":  # the same trees with every seed
        assert workload.run(heap, threads=2, seed=8, **SMALL[name]).checksum != first.checksum
    heap.collect()
    assert heap.verify()


# ---- sources compiled here ----

HEAD = "#include <gcsim/workload.h>\n#include <time.h>\n"
RUN = "static int run(const gcsim_api *api, gcsim_mutator *m, void *arg)\n"
TAIL = '\nGCSIM_WORKLOAD(.name = "mine", .about = "of a test", .run = run);\n'


def mine(body: str, before: str = "", **more: str) -> gcsim.Workload:
    """A workload whose function has this body, after `gcsim_work *w = arg;`."""
    text = f"{HEAD}{before}{RUN}{{ gcsim_work *w = arg; (void)api; (void)m; {body} }}{TAIL}"
    return gcsim.workload(text, **more)


COUNT = """
static const gcsim_work_param params[] = {{"count", "", "objects", 1000, 1, 1 << 20}};
static int run(const gcsim_api *api, gcsim_mutator *m, void *arg)
{
    gcsim_work *w = arg;
    void **slots = gcsim_work_slots(api, m, w, 2);
    const gcsim_type *t = gcsim_work_bytes(api, m, "blob", 64);
    if (!slots || !t)
        return gcsim_work_no_memory(m, w);
    for (int64_t i = 0; i < w->params[0] && !gcsim_work_poll(m, w); i++)
        if (!(slots[0] = gcsim_new(m, t)))
            return gcsim_work_no_memory(m, w);
    w->checksum = (uint64_t)w->params[0] + w->seed + w->thread;
    return 0;
}
GCSIM_WORKLOAD(.name = "count", .about = "counts", .run = run, GCSIM_PARAMS(params));
"""


def test_a_source_is_compiled_and_run_again_and_again(heap: gcsim.Heap, tmp_path: Path) -> None:
    path = tmp_path / "count.c"
    path.write_text(HEAD + COUNT)
    for source in (HEAD + COUNT, path):
        count = gcsim.workload(source)
        assert count.name == "count" and list(count.parameters) == ["count"]
        assert count.parameters["count"].default == 1000
        result = count.run(heap, threads=3, seed=5, count=100)
        assert result.checksum == 3 * 105 + 0 + 1 + 2
        assert result.parameters == {"count": 100} and result.seed == 5
        assert count.run(heap).checksum == 1001
    assert not list(tmp_path.glob("*.so"))
    with pytest.raises(AttributeError):
        result.checksum = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        result.parameters["count"] = 1  # type: ignore[index]


def test_a_workload_uses_what_python_made_and_python_uses_the_heap_meanwhile(
    heap: gcsim.Heap,
) -> None:
    """Its collections keep what Python roots; its types are made once."""
    kept = heap.new_slice(gcsim.i64, 1000)
    kept[999] = 7
    for _ in range(3):
        gcsim.workloads["ring"].run(heap, entries=100, allocations=50_000)
    assert len(heap.cycles) > 0 and kept[999] == 7 and heap.verify()


def test_what_the_compiler_says_is_in_the_error() -> None:
    with pytest.raises(gcsim.CompileError, match=r"workload\.c:\d+.*\n?.*nonsense") as error:
        gcsim.workload("nonsense();\nint x = ;\n")
    assert isinstance(error.value, ValueError) and "nonsense" in error.value.output


def test_a_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler -m64")
    with pytest.raises(gcsim.CompilerNotFoundError, match=r"no-such-compiler.*set"):
        gcsim.workload(HEAD + COUNT)


def test_cc_may_have_options_and_flags_are_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "cc -DNUMBER=20")
    with gcsim.Heap() as heap:
        assert (
            mine("w->checksum = NUMBER + MORE;return 0;", flags=["-DMORE=3"]).run(heap).checksum
            == 23
        )


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("int x;\n", "defines no workload"),
        ('GCSIM_WORKLOAD(.name = "x");\n', "lacks"),
        (
            COUNT.replace("1000, 1, 1 << 20", "1000, 2000, 3000"),
            "outside its range",
        ),
        (COUNT.replace('"count", ""', '"no name", ""'), "cannot be called"),
        (COUNT.replace('"count", ""', '"seed", ""'), "cannot be called"),
    ],
)
def test_a_source_without_a_sound_workload_is_refused(source: str, message: str) -> None:
    with pytest.raises(gcsim.WorkloadError, match=message):
        gcsim.workload(HEAD + source)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        gcsim.workload(tmp_path / "none.c")


BAD_ARGUMENTS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"threads": 0}, gcsim.RangeError, "threads=0"),
    ({"threads": 1025}, gcsim.RangeError, "threads=1025"),
    ({"threads": 1.5}, gcsim.ConversionError, "threads"),
    ({"seed": -1}, gcsim.RangeError, "seed=-1"),
    ({"watchdog": 0}, gcsim.RangeError, "watchdog"),
    ({"watchdog": float("nan")}, gcsim.RangeError, "watchdog"),
    ({"entries": 0}, gcsim.RangeError, "entries=0"),
    ({"entries": "12"}, gcsim.ConversionError, "entries"),
    ({"object_bytes": "64 apples"}, gcsim.ConversionError, "object_bytes"),
    ({"object_bytes": "1TiB"}, gcsim.RangeError, "object_bytes='1TiB'"),
    ({"depth": 3}, gcsim.OptionError, "no parameter 'depth'; it has entries"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), BAD_ARGUMENTS)
def test_bad_arguments(
    arguments: dict[str, Any], error: type[Exception], message: str, heap: gcsim.Heap
) -> None:
    with pytest.raises(error, match=message):
        gcsim.workloads["ring"].run(heap, **arguments)


def test_what_is_no_heap() -> None:
    with pytest.raises(TypeError):
        gcsim.workloads["ring"].run("heap")  # type: ignore[arg-type]


# ---- failures ----


def test_an_error_of_a_thread_is_raised_with_the_result(heap: gcsim.Heap) -> None:
    failing = mine('return w->thread == 1 ? gcsim_work_fail(w, "no %d\\xff", 42) : 0;')
    with pytest.raises(gcsim.WorkloadError, match="mine failed: thread 1: no 42\ufffd") as error:
        failing.run(heap, threads=3)
    result = error.value.result
    assert [t.error is None for t in result.threads] == [True, False, True]
    assert isinstance(error.value, RuntimeError) and heap.verify()
    with pytest.raises(gcsim.WorkloadError, match="without a text"):
        mine("return 5;").run(heap)


def test_memory_that_runs_out_is_an_error_and_the_heap_goes_on(mode: str) -> None:
    with gcsim.Heap(mode=mode, reserve="64MiB") as heap:
        with pytest.raises(gcsim.WorkloadError, match=r"thread 0: .*reserve"):
            gcsim.workloads["spikes"].run(heap, high="256MiB")
        assert heap.verify()
        heap.collect()
        assert heap.memstats().heap_alloc < 4 << 20
        gcsim.workloads["spikes"].run(heap, high="4MiB", low=0, spikes=1)


@pytest.mark.skipif(
    gcsim.build_info()["mode"] in ("asan", "tsan"), reason="the sanitizer needs the address space"
)
def test_no_thread_to_be_had(run_python: Callable[..., Any]) -> None:
    """An address space limit leaves no room for a thread's stack: an error, and the next run works."""
    run_python(
        """
        import resource, gcsim
        heap = gcsim.Heap(reserve="64MiB")
        ring = gcsim.workloads["ring"]
        ring.run(heap, threads=1, allocations=100)
        used = int(open("/proc/self/statm").read().split()[0]) * 4096
        for room in (0, 12 << 20, 20 << 20):  # no leader; no thread; not all of them
            resource.setrlimit(resource.RLIMIT_AS, (used + room, resource.RLIM_INFINITY))
            try:
                ring.run(heap, threads=40, entries=1000, allocations=100)
                raise SystemExit("there was room")
            except gcsim.HeapMemoryError as error:
                assert "thread" in str(error)
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
            assert heap.verify()
            ring.run(heap, threads=40, entries=1000, allocations=100)
        heap.close()
        """
    )


# ---- stopping, and being stuck ----

# Spins without a poll until a file is there; of several threads the first polls, waits until another one is deaf,
# and allocates until its collections have that one to wait for.
DEAF = """
    gcsim_work_phase(w, "deaf");
    struct timespec nap = {0, 1000000};
    if (w->thread == 0 && w->threads > 1) {
        while (access(FILE_NAME ".deaf", F_OK) != 0 && !gcsim_work_poll(m, w))
            nanosleep(&nap, NULL);
        const gcsim_type *t = gcsim_work_bytes(api, m, "garbage", 4096);
        for (int i = 0; i < 3000 && !gcsim_work_poll(m, w); i++)
            if (!t || !gcsim_new(m, t))
                return gcsim_work_no_memory(m, w);
        return 0;
    }
    close(creat(FILE_NAME ".deaf", 0600));
    for (int i = 0; i < 60000 && access(FILE_NAME, F_OK) != 0; i++)
        nanosleep(&nap, NULL);
    return 0;
"""
ENDLESS = "while (!gcsim_work_poll(m, w)) { struct timespec nap = {0, 1000}; nanosleep(&nap, 0); } return 0;"


def deaf(until: Path) -> gcsim.Workload:
    return mine(DEAF, f'#include <fcntl.h>\n#include <unistd.h>\n#define FILE_NAME "{until}"\n')


@pytest.mark.parametrize("mode", ["threads", "steps"])
def test_ctrl_c_ends_a_workload_at_its_next_poll(mode: str) -> None:
    endless = mine(ENDLESS)
    with gcsim.Heap(mode=mode) as heap:
        interrupt = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        interrupt.start()
        try:
            with pytest.raises(KeyboardInterrupt):
                endless.run(heap, threads=3)
        finally:
            signal.signal(signal.SIGINT, before)
        assert heap.verify()
        assert gcsim.workloads["ring"].run(heap, entries=10, allocations=100).cycles == 0


def test_the_watchdog_names_a_thread_that_never_polls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = tmp_path / "go-on"

    class Heard(io.StringIO):
        """Lets the thread go on, a few periods of the watchdog after it was named."""

        def write(self, text: str) -> int:
            if "no safe point" in text:
                threading.Timer(1, go_on.touch).start()
            return super().write(text)

    workload = deaf(go_on)
    heard = Heard()
    monkeypatch.setattr(sys, "stderr", heard)
    with gcsim.Heap() as heap:
        workload.run(heap, threads=2, watchdog=0.2)
        assert heap.verify()
    said = heard.getvalue()
    assert said.count("no safe point") == 1, said
    assert "workload mine, thread 1" in said and "last phase: deaf" in said
    assert "cannot be killed" in said


def test_the_watchdog_is_silent_where_nobody_waits(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    go_on = tmp_path / "go-on"
    workload = deaf(go_on)
    with gcsim.Heap() as heap:
        threading.Timer(0.6, go_on.touch).start()
        workload.run(heap, threads=1, watchdog=0.1)
    assert "no safe point" not in capfd.readouterr().err


@pytest.mark.parametrize("mode", ["threads", "steps"])
def test_what_ctrl_c_cannot_end_is_left_behind(
    mode: str, tmp_path: Path, run_python: Callable[..., Any]
) -> None:
    """The heap refuses everything until the thread ends; then it is as good as new."""
    source = f'{HEAD}#include <fcntl.h>\n#include <unistd.h>\n#define FILE_NAME "{tmp_path}/go-on"\n{RUN}{{ gcsim_work *w = arg; {DEAF} }}{TAIL}'
    (tmp_path / "deaf.c").write_text(source)
    done = run_python(
        """
        import os, pathlib, signal, sys, threading, time, gcsim
        mode, place = sys.argv[1], pathlib.Path(sys.argv[2])
        heap = gcsim.Heap(mode=mode)
        workload = gcsim.workload(place / "deaf.c")
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            workload.run(heap, watchdog=0.3)
            raise SystemExit("it ended")
        except gcsim.WorkloadError as error:
            print(error)
        for use in (heap.close, heap.collect, heap.verify, lambda: workload.run(heap)):
            try:
                use()
                raise SystemExit(f"{use} works")
            except gcsim.StateError as error:
                print(error)
        del workload  # its code is still needed
        (place / "go-on").touch()
        for _ in range(1000):
            try:
                heap.collect()
                break
            except gcsim.StateError:
                time.sleep(0.01)
        assert heap.verify()
        assert gcsim.workloads["list"].run(heap, nodes=10).checksum
        heap.close()
        """,
        mode,
        str(tmp_path),
    )
    assert "thread 0: asked to stop, and has come to no poll; last phase: deaf" in done.stdout
    assert done.stdout.count("a workload") == 4, done.stdout


@pytest.mark.threads
def test_a_heap_is_used_but_not_closed_while_a_workload_runs_in_it() -> None:
    endless, stop = mine(ENDLESS), threading.Event()
    with gcsim.Heap() as heap:
        seen: list[str] = []

        def other() -> None:
            while len(heap.goroutines()) < 3 and not stop.is_set():  # two threads and the leader
                time.sleep(0.001)
            heap.collect()
            try:
                heap.close()
            except gcsim.StateError as error:
                seen.append(str(error))
            heap.new(gcsim.i64)
            seen.append(str(heap.verify()))
            os.kill(os.getpid(), signal.SIGINT)

        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        helper = threading.Thread(target=other)
        helper.start()
        try:
            with pytest.raises(KeyboardInterrupt):
                endless.run(heap, threads=2)
        finally:
            stop.set()
            helper.join()
            signal.signal(signal.SIGINT, before)
        assert seen == [
            "cannot close the heap: a workload runs in it; wait for its run() to return",
            "True",
        ]


def test_a_signal_handler_uses_the_heap_during_a_run(mode: str) -> None:
    """In mode="threads"; in steps the heap is busy on this very thread, and says so."""
    said: list[str] = []
    endless = mine(ENDLESS)
    with gcsim.Heap(mode=mode) as heap:

        def handler(*_: object) -> None:
            try:
                said.append(f"collected {heap.collect().number > 0}")
            except gcsim.StateError as error:
                said.append(str(error))
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGALRM, handler)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(KeyboardInterrupt):
                endless.run(heap, threads=2)
        finally:
            signal.signal(signal.SIGALRM, before)
        assert heap.verify()
    assert said[0] == "collected True" if mode == "threads" else "this very thread" in said[0]


@pytest.mark.threads
def test_two_heaps_at_once_and_two_runs_in_one_heap() -> None:
    ring, results = gcsim.workloads["ring"], []
    with gcsim.Heap() as one, gcsim.Heap() as two:

        def run(heap: gcsim.Heap) -> None:
            results.append(ring.run(heap, threads=2, entries=500, allocations=30_000).checksum)

        threads = [threading.Thread(target=run, args=(heap,)) for heap in (one, two, one)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert len(set(results)) == 1 and len(results) == 3
        assert one.verify() and two.verify()


ATTACHED = """
#include <pthread.h>
static void *other(void *heap)
{
    gcsim_status status;
    gcsim_mutator *m = ((const gcsim_api *)((void **)heap)[1])->mutator_attach(((void **)heap)[0], &status);
    if (m) {
        gcsim_enter(m);
        gcsim_leave(m);
    }
    return m; // ends attached
}
"""


@pytest.mark.threads
def test_a_thread_that_ends_while_attached_holds_nobody_up() -> None:
    workload = mine(
        """
        void *what[2] = {m->heap, (void *)(uintptr_t)api}, *made;
        pthread_t id;
        gcsim_leave(m);
        if (pthread_create(&id, NULL, other, what) || pthread_join(id, &made) || !made)
            return gcsim_work_fail(w, "no thread");
        gcsim_enter(m);
        return api->collect(m) != GCSIM_OK;
        """,
        ATTACHED,
    )
    with gcsim.Heap() as heap:
        workload.run(heap, threads=2)
        heap.collect()
        assert heap.verify()


def test_one_workload_thread_attached_to_two_heaps() -> None:
    """The second heap is made by the thread itself; each has its own mutators and collections."""
    workload = mine(
        """
        gcsim_options options = {.bytes = sizeof options, .reserve_bytes = 64 << 20};
        gcsim_status status;
        gcsim_heap *second = api->heap_create(&options, &status);
        gcsim_mutator *n = second ? api->mutator_attach(second, &status) : NULL;
        if (!n)
            return gcsim_work_fail(w, "%s", api->status_text(status));
        gcsim_enter(n);
        const gcsim_type *here = gcsim_work_bytes(api, m, "blob", 4096);
        const gcsim_type *there = gcsim_work_bytes(api, n, "blob", 4096);
        for (int i = 0; i < 3000; i++)
            if (!gcsim_new(m, here) || !gcsim_new(n, there))
                return gcsim_work_no_memory(m, w);
        gcsim_cycle cycle;
        w->checksum = api->cycle_info(second, 0, &cycle) == GCSIM_OK;
        gcsim_leave(n);
        api->mutator_detach(n);
        api->heap_destroy(second);
        return 0;
        """
    )
    with gcsim.Heap() as heap:
        result = workload.run(heap)
        assert result.checksum == 1 and result.cycles > 0 and heap.verify()


def test_forks_during_a_run(run_python: Callable[..., Any]) -> None:
    """From another thread, and from a signal handler of the thread that waits: the child can make new heaps."""
    run_python(
        """
        import os, signal, threading, time, warnings, gcsim
        warnings.simplefilter("ignore")
        ring = gcsim.workloads["ring"]
        heap = gcsim.Heap()
        kept = heap.new(gcsim.i64)

        def in_child():
            status = 9
            try:
                try:
                    heap.collect()
                except gcsim.ForkedHeapError:
                    assert kept.value == 0
                    heap.close()
                    with gcsim.Heap() as fresh:
                        status = 0 if ring.run(fresh, allocations=1000, threads=2).checksum else 3
            finally:
                os._exit(status)

        def fork():
            time.sleep(0.2)
            pid = os.fork()
            if not pid:
                in_child()
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
            ok.append(True)

        ok = []
        other = threading.Thread(target=fork)
        other.start()
        while other.is_alive():
            first = ring.run(heap, threads=2, allocations=1_000_000)
        other.join()

        def handler(*_):
            pid = os.fork()
            if pid:
                assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
                ok.append(True)
            else:
                child.append(True)

        child = []
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        try:
            while len(ok) < 2:
                again = ring.run(heap, threads=2, allocations=1_000_000)
        except gcsim.ForkedHeapError:
            os._exit(7 if child else 8)
        assert ok == [True, True] and not child
        assert heap.verify() and first.checksum == again.checksum
        heap.close()
        """
    )


# ---- python -m gcsim run ----

KEYS = (
    *("wall_s", "cpu_s", "cycles", "alloc_bytes", "peak_bytes", "rss_bytes", "worst_stop_ms"),
    *("total_stop_ms", "mark_cpu_s", "assist_cpu_s", "checksum"),
)


def command(*arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "gcsim", "run", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done


def test_run_prints_exactly_these_figures() -> None:
    options = "--depth 11 --mutators 2 --procs 2 --gogc 50 --seed 7 --memory-limit 256MiB --json"
    told = json.loads(command("binary-trees", *options.split()).stdout)
    assert tuple(told) == KEYS
    assert told["cycles"] > 0 and told["alloc_bytes"] > 8 << 20
    assert 0 < told["worst_stop_ms"] <= told["total_stop_ms"]
    assert 1 << 20 < told["peak_bytes"] < told["rss_bytes"] < 1 << 30
    assert told["wall_s"] > 0 and told["cpu_s"] > 0
    stopped = json.loads(
        command("binary-trees", *options.split(), "--stop-the-world", "2", "--mark", "field").stdout
    )
    assert stopped["checksum"] == told["checksum"] and stopped["mark_cpu_s"] > 0


def test_run_of_a_source_has_its_parameters_as_options(tmp_path: Path) -> None:
    (tmp_path / "count.c").write_text(HEAD + COUNT)
    shown = command(str(tmp_path / "count.c"), "--count", "50", "--gogc", "off").stdout
    assert "count count=50, 1 mutator, seed 1" in shown and "checksum      51" in shown
    assert "--count" in command(str(tmp_path / "count.c"), "--help").stdout


def test_run_lists_the_workloads() -> None:
    shown = command("--list").stdout
    assert all(name in shown for name in gcsim.workloads) and "--object-bytes" in shown
    listed = json.loads(command("--list", "--json").stdout)
    assert [w["name"] for w in listed] == list(gcsim.workloads)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ((), 2, "--list"),
        (("none",), 2, "no workload 'none'"),
        (("none.c",), 2, "none.c"),
        (("ring", "--entries", "0"), 2, "entries=0 is not between"),
        (("ring", "--depth", "3"), 2, "unrecognized arguments"),
        (("ring", "--procs", "0"), 2, "procs"),
        (("ring", "--gogc", "-5"), 2, "gogc"),
        (("ring", "--memory-limit", "lots"), 2, "no size"),
        (("ring", "--mutators", "0"), 2, "threads=0"),
        (("ring", "--seed", "-1"), 2, "seed=-1"),
        (("spikes", "--high", "1MiB", "--low", "2MiB"), 1, "lies below low"),
    ],
)
def test_run_says_what_is_wrong(arguments: tuple[str, ...], status: int, message: str) -> None:
    assert message in command(*arguments, status=status).stderr


def test_run_of_a_source_with_an_error_shows_what_the_compiler_says(tmp_path: Path) -> None:
    (tmp_path / "bad.c").write_text("int x = ;\n")
    assert "bad.c:1" in command(str(tmp_path / "bad.c"), status=2).stderr
