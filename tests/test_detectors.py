"""Detectors of leaks: what each finds, what it misses, and what it must not accuse."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import gcsim
from gcsim import LEAKS, LeakReport, ptr, slice_, u8
from gcsim._detectors import trend_confidence
from gcsim._leaks import good_cache

KIB = 1 << 10
names = pytest.mark.parametrize("name", LEAKS)


@gcsim.struct
class Node:
    next: ptr["Node"]
    data: slice_[u8]


def serve(service: Callable[[], None], requests: int = 20) -> None:
    for _ in range(requests):
        service()


def grows(
    heap: gcsim.Heap, service: Callable[[], None], rounds: int = 5, **options: Any
) -> LeakReport:
    detector = gcsim.LeakDetector(heap, "256KiB", **options)
    for _ in range(rounds):
        serve(service)
        report = detector.check()
    return report


# ---- growth ----


@names
def test_growth_finds_each_leak_and_not_its_mended_form(heap: gcsim.Heap, name: str) -> None:
    fixed = LEAKS[name].fixed(heap)
    serve(fixed, 40)  # the map's sessions in use
    assert not grows(heap, fixed)
    report = grows(heap, LEAKS[name].leaky(heap))
    assert report and report.found and report.detector == "growth"
    assert report.bytes >= 60 * 16 * KIB and report.objects > 60
    assert "4 of 4 steps upwards" in str(report) and report.suspects == ()
    assert report.misses in str(report) and report.finds in str(report)
    assert repr(report) == "<LeakReport: growth, found>"


def test_growth_is_what_is_live_and_not_what_is_allocated() -> None:
    """HeapAlloc is a sawtooth: garbage is no leak, however much there is."""
    with gcsim.Heap(gogc=None) as heap:
        detector = gcsim.LeakDetector(heap, "64KiB")
        high = []
        for garbage in (1, 2, 3, 4, 5):
            for _ in range(garbage * 20):
                heap.new_slice(u8, 16 * KIB)
            high.append(heap.memstats().heap_alloc)
            assert not detector.check()
        assert high == sorted(high) and high[-1] - high[0] > 1 << 20
        assert detector.readings == (0,) * 5


def test_a_heap_that_shrinks_has_no_leak(heap: gcsim.Heap) -> None:
    """The chapter's subtraction of unsigned numbers made it 2**64 bytes of growth."""
    heap.globals["nodes"] = heap.new_slice(ptr[Node], 6)
    for i in range(6):
        heap.globals["nodes"][i] = heap.new(Node, data=heap.new_slice(u8, 64 * KIB))
    detector = gcsim.LeakDetector(heap, "16KiB")
    for i in range(6):
        heap.globals["nodes"][i] = None
        report = detector.check()
        assert not report
    assert report.bytes < 0 and report.objects < 0
    assert "shrank" in str(report) and report.confidence is not None and report.confidence < 0.05


def test_old_growth_is_forgotten(heap: gcsim.Heap) -> None:
    """A cache is accused while it fills, and no longer when it is full."""
    service = good_cache(heap, entries=150)
    detector = gcsim.LeakDetector(heap, "256KiB")
    found = []
    for _ in range(15):
        serve(service)
        found.append(bool(detector.check()))
    assert found[:4] == [False] * 4  # not enough readings
    assert found[4:7] == [True] * 3  # cannot be told from a leak
    assert found[9:] == [False] * 6


def test_growth_misses_what_is_small_or_hidden(heap: gcsim.Heap) -> None:
    assert not grows(heap, LEAKS["closure"].fixed(heap))  # its list of handlers does grow
    small = gcsim.LeakDetector(heap, 0)
    for _ in range(5):
        handlers = heap.globals["handlers"]
        heap.globals["handlers"] = handlers.append(*[handlers[0]] * len(handlers))
        report = small.check()
    assert report  # found with another threshold
    # Hidden: as much is freed beside it.
    leak = LEAKS["sub-slice"].leaky(heap)
    heap.globals["old"] = heap.new_slice(ptr[Node], 100)
    for i in range(100):
        heap.globals["old"][i] = heap.new(Node, data=heap.new_slice(u8, 16 * KIB))
    left = itertools.count()

    def both() -> None:
        leak()
        heap.globals["old"][next(left)] = None

    assert not grows(heap, both)


def test_confidence_is_the_exact_chance_of_an_order() -> None:
    for n in range(2, 7):
        falls = [
            sum(b < a for a, b in itertools.combinations(order, 2))
            for order in itertools.permutations(range(n))
        ]
        for order in itertools.permutations(range(n)):
            mine = sum(b < a for a, b in itertools.combinations(order, 2))
            chance = sum(f <= mine for f in falls) / len(falls)
            assert trend_confidence(order) == pytest.approx(1 - chance)
    assert trend_confidence([]) == trend_confidence([3]) == 0
    assert trend_confidence([5] * 5) < 0.7 < 0.95 < trend_confidence(range(4))


def test_confidence_demands_an_order(heap: gcsim.Heap) -> None:
    """One step upwards, and then none: of five readings that is no trend."""
    heap.globals["nodes"] = None
    detector = gcsim.LeakDetector(heap, "64KiB", checks=5)
    for size in (300, 100, 200, 50, 400):
        heap.globals["nodes"] = heap.new(Node, data=heap.new_slice(u8, size * KIB))
        report = detector.check()
    assert report.bytes >= 64 * KIB and not report
    assert report.confidence is not None and report.confidence < 0.95


def test_what_has_grown_and_grows_no_more_is_no_leak(heap: gcsim.Heap) -> None:
    """The last step is large enough for a trend, and too small for the threshold."""
    heap.globals["nodes"] = None
    detector = gcsim.LeakDetector(heap, "128KiB")
    for size in (104, 208, 304, 312, 320):
        heap.globals["nodes"] = heap.new(Node, data=heap.new_slice(u8, size * KIB))
        report = detector.check()
    assert report.bytes > 200 * KIB and report.confidence == pytest.approx(1 - 1 / 120)
    assert not report


def test_options_of_the_growth_detector(heap: gcsim.Heap) -> None:
    for checks in (3, 65):
        with pytest.raises(gcsim.OptionError, match="checks"):
            gcsim.LeakDetector(heap, checks=checks)
    for confidence in (0, 1, 95):
        with pytest.raises(gcsim.OptionError, match="confidence"):
            gcsim.LeakDetector(heap, confidence=confidence)
    for threshold in ("much", 1.5, None, True):
        with pytest.raises(gcsim.ConversionError, match="threshold"):
            gcsim.LeakDetector(heap, threshold)  # type: ignore[arg-type]
    with pytest.raises(gcsim.RangeError, match="threshold"):
        gcsim.LeakDetector(heap, -1)
    assert gcsim.LeakDetector(heap).threshold == 1 << 20
    heap.close()
    with pytest.raises(gcsim.ClosedHeapError):
        gcsim.LeakDetector(heap).check()


# ---- difference of snapshots ----


def difference(
    heap: gcsim.Heap, service: Callable[[], None], warm: int = 0, **options: Any
) -> LeakReport:
    detector = gcsim.SnapshotDetector(heap, "64KiB", **options)
    serve(service, warm)
    first = detector.check()
    assert not first and "the first one" in str(first)
    serve(service)
    return detector.check()


@names
def test_the_difference_names_who_holds_it(heap: gcsim.Heap, name: str) -> None:
    pytest.importorskip("numpy")
    assert not difference(heap, LEAKS[name].fixed(heap), warm=40)
    report = difference(heap, LEAKS[name].leaky(heap))
    assert report and report.detector == "difference"
    (suspect,) = report.suspects
    holder = {
        "closure": "global handlers", "sub-slice": "global titles", "map": "global sessions",
        "timer": "global timers", "goroutine": "goroutine main.send",
    }[name]  # fmt: skip
    assert suspect.what.startswith(holder) and suspect.bytes == report.bytes >= 20 * 16 * KIB
    assert f"{suspect.what.split()[0]} " in suspect.why and "points to object" in suspect.why


def test_a_slice_that_grows_is_not_new_with_all_that_it_holds(heap: gcsim.Heap) -> None:
    pytest.importorskip("numpy")
    heap.globals["nodes"] = heap.new_slice(ptr[Node], 0, 4)

    def add() -> None:
        node = heap.new(Node, data=heap.new_slice(u8, 100 * KIB))
        heap.globals["nodes"] = heap.globals["nodes"].append(node)

    serve(add, 4)
    detector = gcsim.SnapshotDetector(heap, "64KiB")
    detector.check()
    add()  # into a new array
    report = detector.check()
    assert report and 100 * KIB <= report.bytes < 120 * KIB and 2 <= report.objects <= 3


def test_the_difference_by_type_sees_what_and_not_who(heap: gcsim.Heap) -> None:
    pytest.importorskip("numpy")
    for by in ("type", "class"):
        report = difference(heap, LEAKS["map"].leaky(heap), by=by)
        assert report and report.suspects[0].objects == 20 and report.suspects[0].why == ""
    assert report.suspects[0].what == "16384 B"


def test_the_difference_accuses_a_cache_that_fills_unless_it_is_warm(heap: gcsim.Heap) -> None:
    pytest.importorskip("numpy")
    service = good_cache(heap, entries=50)
    assert difference(heap, service)  # wrongly
    detector = gcsim.SnapshotDetector(heap, "64KiB")
    serve(service, 50)
    detector.check()
    serve(service, 500)
    assert not detector.check()


def test_the_difference_misses_what_was_there_before(heap: gcsim.Heap) -> None:
    pytest.importorskip("numpy")
    service = LEAKS["sub-slice"].leaky(heap)
    detector = gcsim.SnapshotDetector(heap, "64KiB")
    serve(service)
    assert not detector.check()  # all leaked, and taken for what is normal
    serve(service)
    assert detector.check()
    detector.rebase()
    assert not detector.check()
    assert detector.snapshot is not None and detector.snapshot.bytes > 40 * 16 * KIB


def test_the_difference_of_dumps_is_empty_for_the_same_dump() -> None:
    pytest.importorskip("numpy")
    shipped = Path(gcsim.__file__).parent / "data" / "leaks.graph.npz"
    snapshot = gcsim.open_go_dump(shipped).snapshot()
    report = gcsim.compare_snapshots(snapshot, snapshot, 0)
    assert not report and report.bytes == 0 and "nothing has" in str(report)


def test_options_of_the_snapshot_detector(heap: gcsim.Heap) -> None:
    with pytest.raises(gcsim.OptionError, match="by="):
        gcsim.SnapshotDetector(heap, by="colour")
    with pytest.raises(gcsim.ConversionError, match="threshold"):
        gcsim.SnapshotDetector(heap, "a lot")
    heap.close()
    with pytest.raises(gcsim.ClosedHeapError):
        gcsim.SnapshotDetector(heap).check()


# ---- reachability of goroutines ----


def test_reachability_says_which_goroutines_nobody_can_wake(heap: gcsim.Heap) -> None:
    """What is made of the answer of a heap."""

    def asked(found: list[Any]) -> LeakReport:
        modes: list[bool] = []
        heap: Any = SimpleNamespace(
            collect=lambda *, goroutine_leaks: modes.append(goroutine_leaks),
            leaked_goroutines=lambda: found if modes == [True] else None,
        )
        return gcsim.GoroutineDetector(heap).check()

    frames = ("main.send", "main.serve")
    report = asked([SimpleNamespace(id=7, name="worker", wait_reason="chan send", frames=frames)])
    assert report and report.detector == "reachability" and "1 goroutine that" in str(report)
    assert report.suspects[0].what == "goroutine 7 (worker): chan send"
    assert "main.send" in str(report)
    none = asked([])
    assert not none and "0 goroutines" in str(none)


def test_reachability_of_a_heap(heap: gcsim.Heap) -> None:
    serve(LEAKS["map"].leaky(heap))
    serve(LEAKS["goroutine"].fixed(heap))
    detector = gcsim.GoroutineDetector(heap)
    assert not detector.check()  # a leak, but no goroutine's
    serve(LEAKS["goroutine"].leaky(heap), 3)
    report = detector.check()  # at once, and all of them
    assert report and len(report.suspects) == 3
    assert report.suspects[0].what.endswith("(worker 1): chan send")
    assert report.suspects[0].why == "main.send"
