"""The hot paths keep their length: instructions counted by tests/bench/instructions.py."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent / "bench"))
import instructions

pytestmark = pytest.mark.slow  # the programs are built with the release flags whatever is tested


@pytest.fixture(scope="module")
def measured() -> dict[str, float]:
    if shutil.which("valgrind") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("valgrind is not installed: CI has to count instructions")
        pytest.skip("valgrind is not installed")
    return instructions.measure()


@pytest.mark.parametrize("work", instructions.LIMITED)
def test_allocating_16_bytes_takes_at_most_30_instructions_with_all_slow_paths(
    measured: dict[str, float], work: str
) -> None:
    assert measured[work] <= instructions.LIMIT


def test_the_fast_path_is_a_part_of_what_an_allocation_takes(measured: dict[str, float]) -> None:
    # Also says that the differences measure something: a hit and a store cannot take nothing.
    assert 5 <= measured["hit_16"] < measured["new_16_fresh"]
    assert 5 <= measured["hit_64"] < measured["new_64_fresh"]
    assert 1 <= measured["store"] <= 4 < measured["store_marking"]


def test_a_barrier_costs_what_it_notes(measured: dict[str, float]) -> None:
    """Two pointers cost twice as much as one; the inline path saves the call, not the marking."""
    none = measured["barrier_none"]
    one = [measured[f"barrier_{name}"] - none for name in ("conditional", "dijkstra", "yuasa")]
    both = measured["barrier_hybrid"] - none
    assert 0 < measured["barrier_steele"] - none < min(one) <= max(one) < both
    assert both == pytest.approx(2 * sum(one) / 3, rel=0.1)
    assert measured["store_marking"] < measured["barrier_inline"] < measured["barrier_hybrid"]


@pytest.mark.parametrize("work", instructions.WORKS)
def test_instruction_counts_are_those_kept(measured: dict[str, float], work: str) -> None:
    kept = instructions.kept()
    if kept is None:
        pytest.skip(f"no counts are kept for {instructions.programs.compiler_name()}")
    assert measured[work] == pytest.approx(kept[work], rel=0.02), (
        f"{work} changed; if it is meant to: python tests/bench/instructions.py --update"
    )
