"""The hot paths keep their length: instructions counted by tests/bench/instructions.py."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from needs import cannot

sys.path.insert(0, str(Path(__file__).resolve().parent / "bench"))
import instructions

pytestmark = pytest.mark.slow  # the programs are built with the release flags whatever is tested

Counts = dict[str, float]


def measured_by(measure: Callable[[], Counts]) -> Counts:
    try:
        return measure()
    except (instructions.NoValgrind, instructions.OtherBuild) as error:
        cannot(str(error))


@pytest.fixture(scope="module")
def measured() -> Counts:
    return measured_by(instructions.measure)


@pytest.fixture(scope="module")
def measured_in_python() -> Counts:
    return measured_by(instructions.measure_python)


def assert_kept(key: str, counts: Counts) -> None:
    if instructions.kept(key) is None:
        cannot(f"no counts are kept for {key}: {instructions.UPDATE} keeps those of this machine")
    changes = "\n  ".join(instructions.changes(key, counts))
    assert not changes, (
        f"instructions have changed ({key}):\n  {changes}\n"
        f"If that is meant: {instructions.UPDATE}, and commit {instructions.KEPT.name}"
    )


def test_instruction_counts_are_those_kept(measured: Counts) -> None:
    assert_kept(instructions.programs.compiler_name(), measured)


def test_instruction_counts_of_python_are_those_kept(measured_in_python: Counts) -> None:
    assert_kept(instructions.python_name(), measured_in_python)


@pytest.mark.parametrize("work", instructions.LIMITED)
def test_allocating_16_bytes_takes_at_most_30_instructions_with_all_slow_paths(
    measured: Counts, work: str
) -> None:
    assert measured[work] <= instructions.LIMIT


def test_the_fast_path_is_a_part_of_what_an_allocation_takes(measured: Counts) -> None:
    # Also says that the differences measure something: a hit and a store cannot take nothing.
    assert 5 <= measured["hit_16"] < measured["new_16_fresh"]
    assert 5 <= measured["hit_64"] < measured["new_64_fresh"]
    assert 1 <= measured["store"] <= 4 < measured["store_marking"]
    assert measured["new_64_fresh"] + measured["zero_64"] <= measured["new_64_reused"] * 1.1


def test_a_barrier_costs_what_it_notes(measured: Counts) -> None:
    """Two pointers cost twice as much as one; the inline path saves the call, not the marking."""
    none = measured["barrier_none"]
    one = [measured[f"barrier_{name}"] - none for name in ("conditional", "dijkstra", "yuasa")]
    both = measured["barrier_hybrid"] - none
    assert 0 < measured["barrier_steele"] - none < both and max(one) < both
    assert both == pytest.approx(2 * sum(one) / 3, rel=0.1)
    assert measured["store_marking"] < measured["barrier_inline"] < measured["barrier_hybrid"]
    noted = measured["store_marking"] + 2 * measured["flush"]
    assert measured["barrier_inline"] == pytest.approx(noted, rel=0.05)


def test_each_part_of_marking_and_sweeping_costs_something(measured: Counts) -> None:
    parts = ("visit", "scan_16")
    each = [measured[f"{part}_{engine}"] for part in parts for engine in instructions.ENGINES]
    assert min(each) >= 5
    # Marks of neighbours are set together, but by the engine that looks at each field at once.
    assert measured["claim_field"] >= 5
    assert min(measured[f"claim_{engine}"] for engine in instructions.ENGINES) >= 1
    assert min(measured["sweep_empty"], measured["sweep_half"]) > 100
    assert measured["page_cached"] < measured["page_searched"]


def test_a_change_of_more_than_two_percent_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instructions, "kept", lambda key: {"a": 100.0, "b": 100.0, "c": 100.0})
    assert instructions.changes("", {"a": 101.9, "b": 98.1, "c": 100.0}) == []
    assert instructions.changes("", {"a": 102.1, "b": 97.9, "d": 1.0}) == [
        "a: 102.10, kept is 100.00 (+2.1%)",
        "b: 97.90, kept is 100.00 (-2.1%)",
        "d: 1.00, and none is kept",
        "c: kept, and not measured",
    ]


def test_where_nothing_is_kept_ci_fails_and_others_skip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instructions, "kept", lambda key: None)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=r"no counts are kept for cc 1: .* --update"):
        assert_kept("cc 1", {})
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="no counts are kept for cc 1"):
        assert_kept("cc 1", {})
