"""Eras: one workload under each, with the stops that its collector makes; what conservative roots keep."""

from __future__ import annotations

import gc

import pytest

import gcsim

pytestmark = pytest.mark.slow  # once in CI is enough


@gcsim.struct
class Node:
    next: gcsim.ptr[Node]
    value: int


def chain(heap: gcsim.Heap, n: int) -> gcsim.Ref[Node]:
    first = node = heap.new(Node)
    for _ in range(n - 1):
        node.next = heap.new(Node)
        node = node.next
    return first


def test_eras_say_what_they_are() -> None:
    names = [era.name for era in gcsim.eras()]
    assert names == ["1.0", "1.3", "1.5", "1.8", "1.18", "1.26"]
    every = [version for era in gcsim.eras() for version in era.versions]
    assert every == [f"1.{n}" for n in range(27)]  # none is missing, none is there twice
    for era in gcsim.eras():
        assert era.simplified and all(s.startswith("https://") for s in era.sources)
    assert "barrier='dijkstra'" in repr(gcsim.eras()[2]) and "1.5 to 1.7" in repr(gcsim.eras()[2])


@pytest.mark.parametrize("version", [v for era in gcsim.eras() for v in era.versions])
@pytest.mark.parametrize("mode", ["threads", "steps"])
def test_every_version_collects(version: str, mode: str) -> None:
    with gcsim.Heap(era=version, mode=mode, debug="verifyphases=1,gccheckmark=1") as heap:
        kept = chain(heap, 100)
        chain(heap, 50)
        gc.collect()
        heap.collect()
        assert len(list(heap.objects())) == 100
        cycle = heap.cycles[-1]
        assert cycle.stopped == (int(version[2:]) < 5)
        assert kept.next is not None and heap.verify()


def test_stops() -> None:
    """1.0 marks and sweeps in its one stop, 1.3 sweeps after it, 1.5 and later stop twice."""
    for version in ("1.0", "1.3", "1.5", "1.26"):
        with gcsim.Heap(era=version, procs=2, events=1 << 16, gogc=None) as heap:
            kept = chain(heap, 5000)
            chain(heap, 5000)
            heap.collect()
            names = [event.kind for event in heap.events()]
            names = names[names.index("cycle start") :]
            end = names.index("cycle end")
            one_stop = version in ("1.0", "1.3")
            assert names[:end].count("world start") == (not one_stop)
            assert len(heap.cycles[-1].stops) == (1 if one_stop else 2)
            inside, after = (part.count("sweep span") for part in (names[:end], names[end:]))
            if version == "1.0":
                assert inside > 15 and after == 0
            else:  # in the stop only what threads had cached
                assert inside < 5 and after > 15
            assert "scan" in names[:end] and kept.value == 0
            assert heap.barrier == ("dijkstra" if version == "1.5" else "hybrid")


def test_what_is_given_wins_over_the_era() -> None:
    with gcsim.Heap(era="1.5", barrier="yuasa") as heap:
        assert heap.barrier == "yuasa"
    with gcsim.Heap(era="1.0", gcstoptheworld=0) as heap:
        heap.new(Node)
        heap.collect()
        assert not heap.cycles[-1].stopped


@pytest.mark.parametrize(
    ("era", "error"), [("1.27", gcsim.OptionError), ("Go", gcsim.OptionError), (1.5, TypeError)]
)
def test_unknown_eras(era: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="era="):
        gcsim.Heap(era=era)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["threads", "steps"])
@pytest.mark.parametrize("stopped", [0, 1, 2])
def test_an_int_that_looks_like_an_address_keeps_its_object(mode: str, stopped: int) -> None:
    for roots, kept in (("precise", 0), ("conservative", 1)):
        with gcsim.Heap(
            roots=roots, mode=mode, gcstoptheworld=stopped, debug="verifyphases=1,gccheckmark=1"
        ) as heap:
            node = heap.new(Node)
            g = heap.goroutine("main")
            with g.frame("main", word=gcsim.uintptr, other=gcsim.uintptr) as frame:
                frame.word = gcsim.address(node) + 8  # inside
                frame.other = (gcsim.address(node) & ~8191) + 4096  # a free slot: no object to keep
                del node
                heap.collect()
                assert len(list(heap.objects())) == kept and heap.verify()


def test_the_trigger_ratio_follows_the_heap() -> None:
    """At the goal before 1.5; below it by the ratio until 1.17, which starts at 7/8."""
    triggers = {}
    for version in ("1.3", "1.5", "1.17"):
        with gcsim.Heap(era=version, gogc=100, mode="steps") as heap:
            kept = chain(heap, 400_000)  # beyond the smallest heap
            heap.collect()
            cycle = heap.cycles[-1]
            marked = cycle.heap_marked
            triggers[version] = cycle.next_trigger / marked - 1, cycle.next_goal / marked - 1
            assert kept.value == 0
    assert triggers["1.3"][0] == triggers["1.3"][1] == pytest.approx(1, abs=0.01)
    for version in ("1.5", "1.17"):
        ratio, growth = triggers[version]
        assert growth == pytest.approx(1, abs=0.01) and 0 <= ratio <= 0.951
