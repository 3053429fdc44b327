"""The pytest plugin, by pytest's own means: a test file is written, run, and its outcome looked at."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# Here, or each run inside this process would import them anew, which NumPy refuses.
import gcsim._detectors
import gcsim._graph
import gcsim._leaks
import gcsim._pytest_plugin
import gcsim._snapshot

with contextlib.suppress(ImportError):
    import numpy  # noqa: F401

pytest_plugins = "pytester"
PLUGIN = "gcsim._pytest_plugin"

HEAD = """
import gcsim, pytest
from gcsim import LEAKS, ptr, slice_, u8

@gcsim.struct
class Node:
    next: ptr["Node"]
    data: slice_[u8]

@pytest.fixture
def heap():
    with gcsim.Heap() as heap:
        yield heap

KEPT = []
"""

Run = Callable[[str], Any]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a test file with the plugin, whether it is installed as an entry point or not."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("CI", raising=False)  # there the summary repeats whole messages

    def run(source: str) -> Any:
        pytester.makepyfile(HEAD + source)
        return pytester.runpytest_inprocess("-p", PLUGIN, "--strict-markers", "-q")

    return run


def test_tests_without_leaks_pass(run: Run) -> None:
    pytest.importorskip("numpy")
    run("""
@pytest.mark.gc_no_leaks
def test_closed():
    with gcsim.Heap() as heap:
        node = heap.new(Node, next=heap.new(Node))  # a variable of this function
        heap.globals["cache"] = heap.new(Node)
        heap.globals["cache"] = None

@pytest.mark.gc_no_leaks
def test_left_open():
    heap = gcsim.Heap()
    node = heap.new(Node)
    me = [node]
    me.append(me)  # for Python's collector

@pytest.mark.gc_no_leaks
def test_of_a_fixture(heap):
    heap.new(Node)

def test_without_a_marker(heap):
    heap.globals["cache"] = heap.new(Node)

@pytest.mark.gc_no_leaks
def test_finalizer(heap):
    heap.set_finalizer(heap.new(Node), lambda node: None)
""").assert_outcomes(passed=5)


@pytest.mark.slow
def test_a_leak_fails_the_test_and_is_named(run: Run) -> None:
    pytest.importorskip("numpy")
    result = run("""
@pytest.mark.gc_no_leaks
def test_closed():
    with gcsim.Heap() as heap:
        heap.globals["cache"] = heap.new(Node, data=heap.new_slice(u8, 100_000))

@pytest.mark.gc_no_leaks
def test_left_open():
    heap = gcsim.Heap()
    heap.globals["queue"] = heap.new(Node)

@pytest.mark.gc_no_leaks
def test_on_a_goroutine(heap):
    heap.goroutine("worker").push("main.work", node=ptr[Node]).node = heap.new(Node)

@pytest.mark.gc_no_leaks
def test_in_python(heap):
    KEPT.append(heap.new(Node))
""")
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(
        [
            "*gc_no_leaks: when *Heap* is closed, 104.0 KiB stay alive (0 B are allowed)",
            "*retains * 104.0 KiB*",
            "*global cache points to object*",
            "*gc_no_leaks: when *Heap* is left by the test, * stay alive (0 B are allowed)",
            "*global queue points to object*",
            "*goroutine * main.work* points to object*",
            "*handle* points to object*",
        ]
    )
    assert "Traceback" not in result.stdout.str()


def test_a_variable_beside_a_global_hides_no_leak(run: Run) -> None:
    pytest.importorskip("numpy")
    run("""
@pytest.mark.gc_no_leaks
def test_both():
    with gcsim.Heap() as heap:
        node = heap.new(Node)
        heap.globals["cache"] = node
""").assert_outcomes(failed=1)


@pytest.mark.slow
def test_what_fixtures_leave_does_not_count(run: Run) -> None:
    pytest.importorskip("numpy")
    result = run("""
@pytest.fixture
def filled(heap):
    heap.globals["cache"] = heap.new(Node, data=heap.new_slice(u8, 100_000))
    return heap

@pytest.mark.gc_no_leaks
@pytest.mark.gc_limit(live=0, allocs=1)
def test_nothing_new(filled):
    filled.new(Node)

@pytest.mark.gc_no_leaks
def test_something_new(filled):
    filled.globals["more"] = filled.new(Node, data=filled.new_slice(u8, 50_000))

@pytest.mark.gc_no_leaks(allow="64KiB")
def test_something_small(filled):
    filled.globals["more"] = filled.new(Node, data=filled.new_slice(u8, 50_000))

@pytest.fixture
def closed():
    with gcsim.Heap() as heap:
        heap.globals["cache"] = heap.new(Node)

@pytest.mark.gc_no_leaks
def test_closed_before(closed):
    pass
""")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*56.0 KiB stay alive that were not before*", "*global more*"])


@pytest.mark.slow
def test_limits(run: Run) -> None:
    result = run("""
@pytest.mark.gc_limit(live="4KiB", allocs=100, bytes="64KiB")
def test_within():
    with gcsim.Heap() as heap:
        kept = [heap.new(Node) for _ in range(100)]

@pytest.mark.gc_limit(live="4KiB")
def test_live():
    with gcsim.Heap() as heap:
        heap.globals["big"] = heap.new_slice(u8, 8192)

@pytest.mark.gc_limit(allocs=100)
def test_allocs():
    heap = gcsim.Heap()
    for _ in range(101):
        heap.new(Node)

@pytest.mark.gc_limit(bytes="64KiB")
def test_bytes(heap):
    heap.new_slice(u8, 65537)

@pytest.mark.gc_limit(live=0)
def test_garbage_is_not_live(heap):
    heap.new_slice(u8, 65537)

@pytest.mark.gc_limit(cycles=2)
def test_two_cycles(heap):
    heap.collect()
    heap.collect()

@pytest.mark.gc_limit(cycles=2)
def test_three_cycles(heap):
    for _ in range(3):
        heap.collect()

@pytest.mark.gc_limit(cycles=0)
def test_a_cycle_that_allocation_starts():
    heap = gcsim.Heap(mode="steps")
    for _ in range(6):
        heap.new_slice(u8, 1 << 20)

@pytest.mark.gc_limit(cycles=0)
def test_finalizers_are_ours(heap):
    heap.set_finalizer(heap.new(Node), lambda node: None)
""")
    result.assert_outcomes(passed=4, failed=5)
    result.stdout.fnmatch_lines(
        [
            "*gc_limit: in *Heap* 8.0 KiB are alive, more than live=4.0 KiB",
            "*gc_limit: in *Heap* 101 allocations were made, more than allocs=100",
            "*gc_limit: in *Heap* 72.0 KiB were allocated, more than bytes=64.0 KiB",
            "*gc_limit: in *Heap* 3 collections were run, more than cycles=2",
            "*gc_limit: in *Heap* 1 collections were run, more than cycles=0",
        ]
    )


@pytest.mark.slow
def test_work_that_is_repeated(run: Run) -> None:
    result = run("""
@pytest.mark.parametrize("kind", ["fixed", "leaky"])
@pytest.mark.parametrize("name", sorted(LEAKS))
def test_services(name, kind):
    with gcsim.Heap() as heap:
        serve = getattr(LEAKS[name], kind)(heap)
        repeat = pytest.importorskip("gcsim._pytest_plugin").NoLeaks().repeat
        repeat(heap, serve, times=40, threshold="128KiB")

def test_little_by_little(heap, gc_no_leaks):
    head = None
    def work():
        heap.globals["head"] = heap.new(Node, next=heap.globals["head"])
    heap.globals["head"] = None
    gc_no_leaks.repeat(heap, work)
""")
    result.assert_outcomes(passed=5, failed=6)
    result.stdout.fnmatch_lines(["*gc_no_leaks.repeat: 32 B a call: in 5 readings*"])
    assert "gc_limit" not in result.stdout.str()


@pytest.mark.slow
def test_limits_of_a_block(run: Run) -> None:
    result = run("""
def test_within(heap, gc_limit):
    heap.new_slice(u8, 1 << 20)
    with gc_limit(heap, allocs=2, live=32):
        kept = heap.new(Node)
        heap.new(Node)

def test_beyond(heap, gc_limit):
    with gc_limit(heap, allocs=2, live=32):
        kept = [heap.new(Node) for _ in range(3)]

def test_error_inside(heap, gc_limit):
    with gc_limit(heap, allocs=0):
        heap.new(Node)
        raise ZeroDivisionError

def test_nonsense(heap, gc_limit):
    with gc_limit(heap, objects=3):
        pass
""")
    result.assert_outcomes(passed=1, failed=3)
    result.stdout.fnmatch_lines(
        ["*3 allocations were made*", "E *ZeroDivisionError*", "E *gc_limit takes*not objects*"]
    )
    assert "96 B are alive, more than live=32 B" in result.stdout.str()


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ("gc_limit", "one of them is needed"),
        ("gc_limit(objects=3)", "not objects"),
        ("gc_limit(100)", "takes names"),
        ("gc_limit(live='much')", "live='much' is no size"),
        ("gc_limit(allocs=-1)", "allocs=-1"),
        ("gc_no_leaks(3)", "takes allow="),
        ("gc_no_leaks(allow=1.5)", "allow="),
    ],
)
def test_markers_that_make_no_sense(run: Run, marker: str, message: str) -> None:
    result = run(f"""
@pytest.mark.{marker}
def test_it(heap):
    raise AssertionError("it ran")
""")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*::test_it: *{message}*"])


@pytest.mark.slow
def test_failures_and_errors_are_told_as_they_are(run: Run) -> None:
    result = run("""
@pytest.mark.gc_no_leaks
def test_fails(heap):
    heap.globals["cache"] = heap.new(Node)
    assert 1 == 2

@pytest.fixture
def broken():
    raise ValueError("in the fixture")

@pytest.mark.gc_no_leaks
def test_error(broken):
    pass

@pytest.mark.gc_no_leaks
def test_skipped():
    pytest.skip("today")

@pytest.mark.gc_no_leaks
def test_cannot_be_looked_at(monkeypatch):
    import gcsim._pytest_plugin as plugin
    def settle(heap):
        raise gcsim.StateError("it is busy")
    monkeypatch.setattr(plugin, "_settle", settle)
    with gcsim.Heap() as heap:
        pass
    assert heap.closed

@pytest.mark.gc_no_leaks
def test_stepped():
    with gcsim.Heap(mode="steps") as heap:
        heap.globals["cache"] = heap.new(Node)
        heap.begin_cycle().step()
""")
    result.assert_outcomes(failed=3, errors=1, skipped=1)
    text = result.stdout.str()
    assert "assert 1 == 2" in text and "in the fixture" in text
    assert text.count("gc_no_leaks: when") == 1  # of the stepped one
    assert "cannot be looked at: it is busy" in text


def test_it_costs_nothing_where_it_is_not_used(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
def test_nothing_is_loaded():
    import sys
    import gcsim._pytest_plugin as plugin
    assert not plugin._listening
    assert not {"numpy", "gcsim._snapshot", "gcsim._detectors", "gcsim._graph"} & set(sys.modules)
""")
    package = str(Path(gcsim.__file__).parents[1])
    command = [sys.executable, "-m", "pytest", "-q", "-p", PLUGIN]
    env = {**os.environ, "PYTHONPATH": package, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_is_found_by_pytest() -> None:
    pyproject = Path(__file__).parents[1] / "pyproject.toml"
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"gcsim": "gcsim._pytest_plugin"}


def test_audit_events_tell_of_heaps(run_python: Any) -> None:
    run_python("""
        import sys, gcsim
        seen, refuse = [], set()
        def hook(event, args):
            if event.startswith("gcsim."):
                seen.append((event, args))
                if event in refuse:
                    raise PermissionError(event)
        sys.addaudithook(hook)
        heap = gcsim.Heap()
        assert seen == [("gcsim.Heap", (heap,))]
        heap.close()
        heap.close()
        assert seen[1:] == [("gcsim.Heap.close", (heap,))], seen
        refuse.add("gcsim.Heap")
        try:
            gcsim.Heap()
        except PermissionError:
            refuse = set()
        else:
            raise AssertionError
        with gcsim.Heap() as heap:
            refuse.add("gcsim.Heap.close")
            try:
                heap.close()
            except PermissionError:
                assert heap.verify() and not heap.closed
            else:
                raise AssertionError
            refuse = set()
        assert heap.closed
    """)
