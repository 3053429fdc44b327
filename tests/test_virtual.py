"""mode="virtual": workloads on virtual processors, times in virtual ns."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

import gcsim


def run(procs: int, seed: int = 7, **options: Any) -> tuple[Any, ...]:
    with gcsim.Heap(mode="virtual", procs=procs, seed=seed, **options) as heap:
        assert heap.mode == "virtual" and heap.procs == procs
        assert "times=virtual" in repr(heap)
        result = gcsim.workloads["binary-trees"].run(heap, threads=4, depth=10)
        assert heap.verify()
        stops = (result.worst_stop_s, result.total_stop_s)
        return result.wall_s, result.cpu_s, result.cycles, result.checksum, *stops


def test_a_run_is_the_same_every_time() -> None:
    first = run(2)
    assert first == run(2)
    assert first[2] > 0


def trace(seed: int) -> str:
    out = io.StringIO()
    with gcsim.Heap(mode="virtual", procs=2, seed=seed) as heap, heap.gctrace(out):
        gcsim.workloads["ring"].run(heap, threads=2, entries=20000, allocations=1000000)
        heap.collect()
    return out.getvalue()


def test_a_trace_is_the_same_byte_for_byte() -> None:
    first = trace(7)
    assert first.startswith("gc 1 @0.0") and first.count("\n") > 5
    assert first == trace(7)
    assert first != trace(8)


@pytest.mark.parametrize("procs", [1, 2, 3, 64, 65, 255, 256])
def test_processors(procs: int) -> None:
    with gcsim.Heap(mode="virtual", procs=procs) as heap:
        result = gcsim.workloads["ring"].run(heap, threads=3, entries=2000, allocations=60000)
        assert result.cycles > 0 and heap.verify()


def test_processors_out_of_range() -> None:
    for procs in (0, 257, -1):
        with pytest.raises(gcsim.RangeError, match="procs"):
            gcsim.Heap(mode="virtual", procs=procs)


STUCK = """
#include <gcsim/workload.h>
static int run(const gcsim_api *api, gcsim_mutator *m, void *arg)
{
    gcsim_work *w = arg;
    if (w->thread == 0)
        w->sleep(m->heap, UINT64_MAX); /* inside, for ever */
    return api->collect(m) != GCSIM_OK;
}
GCSIM_WORKLOAD(.name = "stuck", .about = "nobody can go on", .run = run);
"""


def test_a_deadlock_names_who_waits_for_what(tmp_path: Path) -> None:
    source = tmp_path / "stuck.c"
    source.write_text(STUCK, encoding="utf-8")
    stuck = gcsim.workload(source)
    with gcsim.Heap(mode="virtual") as heap:
        live = heap.new(gcsim.i64)
        with pytest.raises(gcsim.DeadlockError, match=r"waits for mutator \d+ to leave"):
            stuck.run(heap, threads=2)
        for use in (heap.collect, heap.memstats, lambda: heap.new(gcsim.i64), heap.verify):
            with pytest.raises(gcsim.DeadlockError, match="can only be closed"):
                use()
        del live
    assert heap.closed


def test_more_processors_take_less_time() -> None:
    times = {procs: run(procs) for procs in (1, 2, 4)}
    assert times[1][0] > times[2][0] > times[4][0]
    assert len({t[3] for t in times.values()}) == 1


def test_costs_are_what_takes_time() -> None:
    assert run(2, costs={"alloc": (1000, 0)})[1] > 3 * run(2)[1]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"procs": 257}, gcsim.RangeError),
        ({"costs": {"nothing": 1}}, gcsim.OptionError),
        ({"costs": {"scan": "x"}}, gcsim.ConversionError),
        ({"costs": {"scan": -1}}, gcsim.RangeError),
        ({"costs": {"wait": 0}}, gcsim.RangeError),
        ({"costs": {"store": (1, 1)}}, gcsim.RangeError),
        ({"costs": 3}, gcsim.ConversionError),
        ({"mode": "steps", "costs": {"scan": 1}}, gcsim.OptionError),
    ],
)
def test_what_cannot_be(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(options)) if "mode" not in options else "costs"):
        gcsim.Heap(**{"mode": "virtual", **options})
