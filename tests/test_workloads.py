"""Workloads in C: the built-in ones, those compiled here, and all that can go wrong with one."""

from __future__ import annotations

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
