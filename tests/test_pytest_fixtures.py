"""Heaps to test with, seeds, schedules and invariants: the plugin's fixtures, by pytest's own means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest_plugins = "pytester"
HEAD = """
import gcsim, pytest
from gcsim import ptr

@gcsim.struct
class Node:
    next: ptr["Node"]
    other: ptr["Node"]
"""
Run = Callable[..., Any]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """In a process of its own: one that shares ours imports modules anew, whose classes do not pickle."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("CI", raising=False)

    def run(source: str, *options: str) -> Any:
        pytester.makepyfile(HEAD + source)
        return pytester.runpytest_subprocess(
            "-p", "gcsim._pytest_plugin", "--strict-markers", "-q", *options
        )

    return run


def test_a_fresh_heap_for_each_test(run: Run) -> None:
    run("""
seen = []
def test_one(heap):
    seen.append(heap); heap.new(Node)
def test_two(heap, steps):
    assert seen[0].closed and seen[0] is not heap
    assert heap.memstats().mallocs == 0
    assert "steps" in repr(steps)
""").assert_outcomes(passed=2)


def test_the_reference_finds_what_a_collection_keeps(run: Run) -> None:
    pytest.importorskip("numpy")
    run("""
def test(heap, reference):
    kept = heap.new(Node, next=heap.new(Node))
    kept.next.next = kept
    lost = gcsim.address(heap.new(Node))
    assert reference.live(heap) == {gcsim.address(kept), gcsim.address(kept.next)}
    assert lost not in reference.live(heap)
    del kept
    assert reference.live(heap) == set()
""").assert_outcomes(passed=1)


def test_seeds_come_from_the_option(run: Run) -> None:
    source = """
@pytest.mark.gc_seeds(3)
def test(seed):
    print("seed", seed)
def test_plain(seed):
    print("plain", seed)
"""

    def seeds(*options: str) -> list[str]:
        return [
            line
            for line in run(source, "-s", *options).outlines
            if "seed" in line or "plain" in line
        ]

    first = seeds()
    assert len(first) >= 4 and first == seeds("--gcsim-seed", "1") != seeds("--gcsim-seed", "2")


@pytest.mark.parametrize("marker", ["gc_seeds()", "gc_seeds(0)", "gc_seeds('x')", "gc_seeds(1, 2)"])
def test_wrong_seeds_are_told(run: Run, marker: str) -> None:
    result = run(f"@pytest.mark.{marker}\ndef test(seed): pass\n")
    assert (
        result.ret != 0 and "gc_seeds takes a number" in result.stdout.str() + result.stderr.str()
    )


def test_all_schedules_of_a_program(run: Run) -> None:
    result = run("""
@pytest.mark.schedules("all")
def test_sound(schedules):
    schedules("race")
def test_all_is_the_default(schedules):
    schedules("race", barrier="yuasa", stacks="first")
""")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*c a3 b5 c2 b4 a4 c4*"])


def test_random_schedules(run: Run) -> None:
    result = run("""
@pytest.mark.schedules(300)
def test_none(schedules):
    schedules("race", barrier="none")
@pytest.mark.schedules(50)
def test_hybrid(schedules):
    schedules("race", barrier="hybrid")
""")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*race, none*lost by*"])


def test_an_invariant_at_every_state_of_a_search(run: Run) -> None:
    run("""
@pytest.mark.gc_invariant("weak")
def test_weak(schedules):
    schedules("copy", barrier="yuasa")
@pytest.mark.gc_invariant("strong")
def test_strong(schedules):
    schedules("copy", barrier="yuasa")
""").assert_outcomes(passed=1, failed=1)  # a deletion barrier keeps the weak one only


def test_an_invariant_at_every_state_of_random_schedules(run: Run) -> None:
    result = run("""
@pytest.mark.gc_invariant("strong")
@pytest.mark.schedules(200)
def test_strong(schedules):
    schedules("copy", barrier="yuasa")
@pytest.mark.schedules(200)
def test_loses_nothing(schedules):
    schedules("copy", barrier="yuasa")
""")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*copy, yuasa*black*points to white*"])


def test_walking_a_cycle(run: Run) -> None:
    run("""
@pytest.mark.gc_invariant("strong")
def test(steps, walk):
    steps.globals["root"] = steps.new(Node, next=steps.new(Node))
    assert walk(steps.begin_cycle()) > 20
""").assert_outcomes(passed=1)


def test_a_broken_invariant_is_found_while_walking(run: Run) -> None:
    result = run("""
@pytest.mark.gc_invariant("weak")
def test(walk):
    for k in range(1, 60):
        with gcsim.Heap(mode="steps", barrier="none", mark="field") as heap:
            heap.globals["a"] = heap.new(Node, next=heap.new(Node))
            heap.globals["b"] = heap.new(Node)
            cycle = heap.begin_cycle()
            cycle.step(k)
            if cycle.ended:
                break
            a, b = heap.globals["a"], heap.globals["b"]
            b.next, a.next = a.next, None
            del a, b
            walk(cycle)
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*gc_invariant: after step*black*points to white*"])
