"""The chapter's pool experiment beside Go: the same program on both, run now.

With the world stopped while it is marked, cycles follow from the pacer's arithmetic alone. While the
program runs on, Go's own number changes by half from run to run.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import needs
import pytest

import gcsim
from gcsim import Pool, array, u8

SOURCE = Path(__file__).parents[1] / "notebooks" / "go" / "pools" / "experiment.go"
ROUNDS = 2_000_000


@gcsim.struct
class Buffer:
    bytes: array[u8, 1024]


def anew(heap: gcsim.Heap, rounds: int) -> None:
    for _ in range(rounds):
        heap.new(Buffer)


def slices(heap: gcsim.Heap, rounds: int) -> None:
    pool = Pool(heap, lambda: heap.new_slice(u8, 1024))
    for _ in range(rounds // 20):
        pool.put(pool.get().value)


def pointers(heap: gcsim.Heap, rounds: int) -> None:
    pool = Pool(heap, lambda: heap.new(Buffer))
    for _ in range(rounds):
        pool.put(pool.get())


def losing(heap: gcsim.Heap, rounds: int) -> None:
    pool = Pool(heap, lambda: heap.new(Buffer))
    out: list[Buffer | None] = [None] * 16
    for i in range(rounds):
        old, out[i % 16] = out[i % 16], pool.get()
        if old is not None and i % 2 == 0:
            pool.put(old)
        old = None


WAYS: list[Callable[[gcsim.Heap, int], None]] = [anew, slices, pointers, losing]


@pytest.fixture(scope="module")
def of_go() -> dict[str, dict[str, int]]:
    env = {**os.environ, "GOMAXPROCS": "1", "GOGC": "100", "GODEBUG": "gcstoptheworld=1"}
    env.pop("GOMEMLIMIT", None)
    done = subprocess.run(
        [needs.program("go"), "run", SOURCE, str(ROUNDS)],
        capture_output=True, text=True, env=env, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, int]] = json.loads(done.stdout)
    return found


def measured(way: Callable[[gcsim.Heap, int], None]) -> dict[str, int]:
    with gcsim.Heap(procs=1, debug="gcstoptheworld=1") as heap:
        ballast = heap.new_slice(u8, 32 << 20)
        heap.collect()
        before = heap.memstats()
        way(heap, ROUNDS)
        after = heap.memstats()
        assert len(ballast) == 32 << 20 and heap.verify()
    return {
        "Mallocs": after.mallocs - before.mallocs,
        "Bytes": after.total_alloc - before.total_alloc,
        "Cycles": after.num_gc - before.num_gc,
    }


# What Go's run-time library allocates for itself meanwhile, and that a cycle more or less is one.
FLOOR = {"Mallocs": 5, "Bytes": 512, "Cycles": 1}


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_allocations_and_cycles_are_gos(
    way: Callable[[gcsim.Heap, int], None], of_go: dict[str, dict[str, int]]
) -> None:
    ours, gos = measured(way), of_go[way.__name__]
    for what, floor in FLOOR.items():
        assert abs(ours[what] - gos[what]) <= max(gos[what] / 50, floor), (what, ours, gos)
    if way in (anew, losing):
        assert gos["Cycles"] > 25
