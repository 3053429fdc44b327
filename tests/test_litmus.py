"""What threads may see of each other's stores: on real threads, and in every interleaving."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

import gcsim
from gcsim import litmus

RUNS = 20_000

each_test = pytest.mark.parametrize("test", litmus.TESTS.values(), ids=lambda test: test.name)


def sequential(test: litmus.Litmus) -> set[tuple[int, ...]]:
    """All outcomes, from the text that is shown: each operation at once, in any order."""
    threads = [text.split("; ") for text in test.threads]
    orders = set(itertools.permutations([t for t, ops in enumerate(threads) for _ in ops]))
    found = set()
    for order in orders:
        left, names = [iter(ops) for ops in threads], dict.fromkeys(("x", "y", "global"), 0)
        for thread in order:
            target, _, value = next(left[thread]).partition(" = ")
            names[target] = int(value) if value.isdigit() else names.get(value, 1)
            if value == "r0.field":  # of the object, if there is one: the pointer is read once
                names[target] = names["r0"] and names["p.field"]
        found.add(tuple(names[name.split()[0]] for name in test.registers))
    return found


@each_test
def test_the_step_scheduler_gives_what_any_order_of_the_operations_gives(
    test: litmus.Litmus,
) -> None:
    found = litmus.interleavings(test)
    assert found.outcomes == sequential(test)
    assert test.weak not in found.outcomes
    assert found.steps >= found.states > len(found.outcomes)
    assert "not among them" in str(found)


@each_test
def test_a_program_with_the_collector_loses_nothing(test: litmus.Litmus) -> None:
    if len(test.threads) == 2:  # of four it takes minutes
        assert gcsim.explore(test.program).sound


@pytest.mark.parametrize("order", litmus.ORDERS)
@each_test
def test_what_is_forbidden_never_comes(test: litmus.Litmus, order: str) -> None:
    if order == "asymmetric" and test.name != "store buffering":
        with pytest.raises(gcsim.OptionError):
            litmus.run(test, order)
        return
    seen = litmus.run(test, order, runs=RUNS, seed=3)
    assert sum(seen.counts.values()) == seen.runs == RUNS
    assert set(seen.counts) == set(itertools.product((0, 1), repeat=len(test.registers)))
    assert seen.forbidden == (order in test.forbidden)
    assert not seen.forbidden or seen.weak == 0
    possible = sequential(test) | ({test.weak} if not seen.forbidden else set())
    assert {outcome for outcome, n in seen.counts.items() if n} <= possible
    assert f"{seen.weak:,} of {RUNS:,}" in str(seen)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="takes two processors")
@pytest.mark.parametrize("order", ["relaxed", "acquire-release"])
def test_stores_are_buffered_where_nothing_forbids_it(order: str) -> None:
    weak = sum(
        litmus.run("store buffering", order, runs=RUNS, seed=seed).weak for seed in range(1, 21)
    )
    assert weak > 0


def test_many_runs_are_several_rounds() -> None:
    seen = litmus.run("coherence", runs=70_000)
    assert sum(seen.counts.values()) == 70_000 and seen.weak == 0


def test_the_source_refuses_what_it_cannot_do() -> None:
    source = gcsim.workload(Path(litmus.__file__).parent / "data" / "litmus.c")
    with gcsim.Heap(gogc=None, procs=2) as heap:
        for wrong in ({"threads": 3}, {"threads": 2, "test": 1, "order": 3}):
            with pytest.raises(gcsim.WorkloadError, match=r"threads|asymmetric"):
                source.run(heap, **wrong)
        assert heap.verify()


def test_wrong_arguments_have_clear_errors() -> None:
    for name, error in [("nope", gcsim.OptionError), (3, gcsim.ConversionError)]:
        with pytest.raises(error):
            litmus.interleavings(name)  # type: ignore[arg-type]
        with pytest.raises(error):
            litmus.run(name)  # type: ignore[arg-type]
    with pytest.raises(gcsim.OptionError, match="seq_cst"):
        litmus.run("IRIW", "sequential")
    for runs, error in [
        (0, gcsim.RangeError), (-1, gcsim.RangeError), (1 << 70, gcsim.RangeError),
        (1.5, gcsim.ConversionError), ("9", gcsim.ConversionError),
    ]:  # fmt: skip
        with pytest.raises(error):
            litmus.run("IRIW", runs=runs)  # type: ignore[arg-type]
    with pytest.raises(gcsim.RangeError):
        litmus.run("IRIW", seed=0)
