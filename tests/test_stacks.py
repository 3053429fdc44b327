"""The stacks that goroutines have in Go: how they grow with frames and shrink with collections."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import gcsim
from gcsim import i64, ptr
from gcsim.__main__ import main
from gcsim._conform import conform

DATA = Path(__file__).parent / "data" / "boxes"


@pytest.fixture(params=["threads", "steps"])
def heap(request: pytest.FixtureRequest) -> Iterator[gcsim.Heap]:
    with gcsim.Heap(mode=request.param, gogc=None) as heap:
        yield heap
        assert heap.verify()


def words(n: int) -> dict[str, Any]:
    """Slots of a frame that takes 8 n + 24 bytes."""
    return {f"w{i}": i64 for i in range(n)}


def test_a_stack_doubles_when_a_frame_does_not_fit(heap: gcsim.Heap) -> None:
    g = heap.goroutine("g")
    assert g.stack == gcsim.GoroutineStack(2048, 0, 8192)
    sizes = []
    for _ in range(200):
        g.push("f", **words(13))
        sizes.append(g.stack.size)
    assert g.stack.used == 200 * 128
    # runtime/stack.go: full is where not more than the guard of 928 bytes is left
    assert [sizes.index(size) for size in (4096, 8192, 16384, 32768)] == [9, 25, 57, 121]
    g.push("large", **words(5000))
    assert g.stack.size == 131072
    assert g.stack.used <= g.stack.memory <= heap.memstats().stack_inuse


def test_a_collection_halves_a_stack_that_is_hardly_used(heap: gcsim.Heap) -> None:
    g = heap.goroutine("g")
    g.push("bottom", p=ptr[i64])
    with g.frame("large", **words(1000)):
        assert g.stack.size == 16384
        heap.collect()
        assert g.stack.size == 16384
    sizes = []
    for _ in range(4):
        heap.collect()
        sizes.append(g.stack.size)
    assert sizes == [8192, 4096, 2048, 2048]


def test_goroutines_begin_with_what_others_use_on_average(heap: gcsim.Heap) -> None:
    deep, dead = heap.goroutine("deep"), heap.goroutine("dead")
    deep.push("f", **words(5000))
    heap.collect()
    heap.end(dead)
    assert heap.goroutine("again").stack.size == 32768  # 40,024 / 2 + 928, rounded up
    assert heap.goroutine("new").stack.size == 2048
    with pytest.raises(gcsim.StaleReferenceError):
        dead.stack  # noqa: B018


@pytest.mark.parametrize(("name", "rows"), [("stack-grow", 65), ("stack-adaptive", 46)])
def test_recordings_of_go_are_matched_wholly(name: str, rows: int, tmp_path: Path) -> None:
    path = DATA / f"{name}.csv"
    result = conform(path)
    assert (result.matched, result.total) == (rows, rows)
    head, first, *rest = path.read_text().splitlines()
    copy = tmp_path / f"{name}.csv"
    size = first.rpartition(",")
    copy.write_text("\n".join([head, f"{size[0]},{2 * int(size[2])}", *rest]))
    assert conform(copy).matched == rows - 1


def test_depths_are_named_as_not_replayed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conform", str(DATA / "stack-depth.csv")]) == 0
    assert "36 rows not replayed" in capsys.readouterr().out
