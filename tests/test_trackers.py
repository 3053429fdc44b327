"""MemoryTracker, MemoryMonitor and profiles every so often: the chapter's, mended."""

from __future__ import annotations

import gc
import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gcsim
from gcsim import LEAKS, MemoryNotice, slice_, u8
from gcsim._files import whole

MIB = 1 << 20


def wait_for(condition: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.005)


# ---- the tracker ----


def test_the_tracker_tells_growth_from_the_sawtooth() -> None:
    with gcsim.Heap(gogc=None) as heap:
        tracker = gcsim.MemoryTracker(heap, clock=iter((10.0, 12.5)).__next__)
        heap.globals["kept"] = heap.new_slice(u8, MIB)
        heap.collect()
        first = tracker.sample()
        for _ in range(5):
            heap.new_slice(u8, MIB)  # garbage
        heap.globals["more"] = heap.new_slice(u8, 2 * MIB)
        heap.collect()
        heap.new_slice(u8, 3 * MIB)  # garbage that nobody collected
        last = tracker.sample()
        report = tracker.report()
    assert (report.first, report.last) == (first, last) == tracker.samples
    assert report.seconds == 2.5
    assert report.live == 2 * MIB
    assert report.heap_alloc == 5 * MIB
    assert report.allocated == 10 * MIB
    assert (report.objects, report.collections) == (2, 1)
    assert report.mean_pause_ns is not None and report.mean_pause_ns > 0
    assert "+2.0 MiB" in str(report) and "+5.0 MiB" in str(report) and "+10.0 MiB" in str(report)


def test_a_heap_that_shrinks_has_negative_growth(heap: gcsim.Heap) -> None:
    tracker = gcsim.MemoryTracker(heap)
    heap.globals["kept"] = heap.new_slice(u8, MIB)
    heap.collect()
    tracker.sample()
    heap.globals["kept"] = None
    heap.collect()
    tracker.sample()
    report = tracker.report()
    assert report.live == report.heap_alloc == -MIB and report.objects == -1
    assert "-1.0 MiB" in str(report)


def test_without_a_collection_nothing_is_said_of_what_lives(heap: gcsim.Heap) -> None:
    tracker = gcsim.MemoryTracker(heap)
    with pytest.raises(gcsim.StateError, match="there are 0"):
        tracker.report()
    tracker.sample()
    with pytest.raises(gcsim.StateError, match="there are 1"):
        tracker.report()
    heap.collect()  # one: the first sample knows nothing to compare with
    tracker.sample()
    report = tracker.report()
    assert report.live is None and report.collections == 1
    assert "no collection to tell" in str(report)
    tracker = gcsim.MemoryTracker(heap)
    tracker.sample()
    tracker.sample()
    report = tracker.report()
    assert report.live is None and report.mean_pause_ns is None and report.collections == 0
    assert "stopped" not in str(report)


def test_the_tracker_does_not_grow_and_keeps_its_first_sample(heap: gcsim.Heap) -> None:
    ticks = iter(range(1000))
    tracker = gcsim.MemoryTracker(heap, keep=5, clock=lambda: float(next(ticks)))
    for _ in range(100):
        tracker.sample()
    assert [s.seconds for s in tracker.samples] == [0, 96, 97, 98, 99]
    assert len(tracker) == 5 and repr(tracker) == "<MemoryTracker: 5 samples>"
    sample = tracker.samples[0]
    size = sys.getsizeof(sample) + sum(map(sys.getsizeof, sample))
    assert size < 5_700 / 10  # the chapter's sample is a whole MemStats
    with pytest.raises(gcsim.OptionError, match="keep"):
        gcsim.MemoryTracker(heap, keep=1)


def test_threads_share_a_tracker() -> None:
    with gcsim.Heap() as heap:
        tracker = gcsim.MemoryTracker(heap)
        threads = [
            threading.Thread(target=lambda: [tracker.sample() for _ in range(50)]) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(tracker) == 200
    with pytest.raises(gcsim.ClosedHeapError):
        tracker.sample()
    assert len(tracker) == 200


# ---- the monitor ----


def test_the_monitor_looks_and_warns_once_while_it_lasts() -> None:
    told: list[MemoryNotice] = []
    with gcsim.Heap() as heap:
        monitor = gcsim.MemoryMonitor(heap, limit="1MiB", tell=told.append)
        heap.new_slice(u8, 3 * MIB)  # garbage
        monitor.look()
        heap.collect()
        monitor.look()
        assert told == []
        for _ in range(2):  # exceeded, still exceeded, over, exceeded again
            heap.globals["kept"] = heap.new_slice(u8, 2 * MIB)
            heap.collect()
            monitor.look()
            monitor.look()
            heap.globals["kept"] = None
            heap.collect()
            monitor.look()
        assert [notice.kind for notice in told] == ["limit"] * 2
        assert told[0].sample.live == 2 * MIB and "2.0 MiB are live" in str(told[0])
        assert monitor.notices == tuple(told) and len(monitor.samples) == 8
        assert monitor.error is None and not monitor.running


def test_the_monitor_asks_detectors() -> None:
    with gcsim.Heap() as heap:
        told: list[MemoryNotice] = []
        service = LEAKS["map"].leaky(heap)
        detector = gcsim.LeakDetector(heap, "64KiB")
        monitor = gcsim.MemoryMonitor(heap, detectors=(detector,), tell=told.append)
        for _ in range(7):
            for _ in range(10):
                service()
            monitor.look()
        assert [notice.kind for notice in told] == ["leak"]
        assert "growth" in str(told[0]) and len(detector.readings) == 5


def test_the_monitor_runs_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with gcsim.Heap() as heap:
        heap.globals["kept"] = heap.new_slice(u8, MIB)
        heap.collect()
        with gcsim.MemoryMonitor(heap, 0.001, limit=1000, keep=3) as monitor:
            assert "running" in repr(monitor)
            with pytest.raises(gcsim.StateError, match="already"):
                monitor.start()
            wait_for(lambda: len(monitor.samples) == 3)
        assert not monitor.running and "stopped" in repr(monitor)
        monitor.stop()  # once more is nothing
        assert len(monitor.notices) == 1
        monitor.start()  # and it can go on
        monitor.stop()
    assert capsys.readouterr().err.count("are live, more than 1000 B") == 1


def test_a_monitor_keeps_no_heap_and_ends_with_it() -> None:
    heap = gcsim.Heap()
    dropped, closed = (gcsim.MemoryMonitor(heap, 0.001).start() for _ in range(2))
    wait_for(lambda: dropped.samples and closed.samples)
    gone = weakref.ref(heap)
    heap.close()
    wait_for(lambda: not closed.running)
    del heap
    gc.collect()
    assert gone() is None
    wait_for(lambda: not dropped.running)
    assert dropped.error is None and closed.error is None


def test_what_a_listener_raises_is_kept_and_ends_nothing() -> None:
    def refuse(notice: MemoryNotice) -> None:
        raise ValueError("no")

    with gcsim.Heap() as heap:
        heap.globals["kept"] = heap.new_slice(u8, MIB)
        heap.collect()
        with gcsim.MemoryMonitor(heap, 0.001, limit=0, tell=refuse) as monitor:
            wait_for(lambda: len(monitor.samples) > 3)
        assert isinstance(monitor.error, ValueError)


def test_a_monitor_can_be_stopped_from_its_own_listener() -> None:
    with gcsim.Heap() as heap:
        heap.globals["kept"] = heap.new_slice(u8, MIB)
        heap.collect()
        monitor = gcsim.MemoryMonitor(heap, 0.001, limit=0, tell=lambda notice: monitor.stop())
        monitor.start()
        wait_for(lambda: not monitor.running)
        assert len(monitor.samples) == 1 and monitor.error is None


def test_a_heap_of_coroutines_is_monitored_too() -> None:
    with gcsim.Heap(mode="steps") as heap:
        heap.globals["kept"] = heap.new_slice(u8, MIB)
        heap.collect()
        with gcsim.MemoryMonitor(heap, 0.001, limit="2MiB") as monitor:
            wait_for(lambda: len(monitor.samples) > 3)
        assert monitor.error is None and monitor.samples[0].live == MIB


def test_options_of_the_monitor(heap: gcsim.Heap) -> None:
    for every in (0, -1, float("nan"), float("inf")):
        with pytest.raises(gcsim.OptionError, match="every"):
            gcsim.MemoryMonitor(heap, every)
    with pytest.raises(gcsim.OptionError, match="keep"):
        gcsim.MemoryMonitor(heap, keep=0)
    with pytest.raises(gcsim.ConversionError, match="limit"):
        gcsim.MemoryMonitor(heap, limit="all")
    heap.close()
    assert gcsim.MemoryMonitor(heap).look() is False


# ---- profiles ----


class Profiled:
    """A heap that writes profiles, as far as ProfileEvery needs one."""

    closed = False
    fails = 0

    def write_pprof(self, path: Any, kind: str) -> None:
        with whole(path) as file:  # as heap.write_pprof does
            file.write(kind.encode())
            if self.fails:
                self.fails -= 1
                raise OSError(28, "No space left on device")


def test_profiles_appear_whole_and_old_ones_leave(tmp_path: Path) -> None:
    heap: Any = Profiled()
    folder = tmp_path / "profiles"
    profiles = gcsim.ProfileEvery(heap, folder=folder, kind="allocs", keep=3)
    for _ in range(7):
        assert profiles.look()
    assert sorted(folder.iterdir()) == sorted(profiles.files) and len(profiles.files) == 3
    assert all(path.read_bytes() == b"allocs" for path in profiles.files)
    assert all(path.name.startswith("mem_profile_") for path in profiles.files)
    assert len({path.name for path in profiles.files}) == 3
    other = folder / "mine.pb.gz"
    other.touch()
    profiles.files[0].unlink()  # somebody took it away
    for _ in range(4):
        profiles.look()
    assert other.exists() and len(profiles.files) == 3


def test_a_full_disk_leaves_no_half_file_and_is_tried_again(tmp_path: Path) -> None:
    heap: Any = Profiled()
    heap.fails = 3
    failing = gcsim.ProfileEvery(heap, folder=tmp_path)
    assert failing.look() and isinstance(failing.error, OSError)
    assert list(tmp_path.iterdir()) == [] and failing.files == ()
    with gcsim.ProfileEvery(heap, 0.001, tmp_path, keep=None) as profiles:
        wait_for(lambda: profiles.files)
    assert isinstance(profiles.error, OSError) and "No space" in str(profiles.error)
    assert all(path.read_bytes() == b"heap" for path in tmp_path.iterdir())
    assert sorted(tmp_path.iterdir()) == sorted(profiles.files)


def test_options_of_profiles(tmp_path: Path) -> None:
    heap: Any = Profiled()
    with pytest.raises(gcsim.OptionError, match="keep"):
        gcsim.ProfileEvery(heap, keep=0)
    with pytest.raises(gcsim.OptionError, match="every"):
        gcsim.ProfileEvery(heap, 0)
    with gcsim.Heap() as real:
        real.globals["x"] = real.new(slice_[u8])
        profiles = gcsim.ProfileEvery(real, folder=tmp_path)
        assert profiles.look() and profiles.error is None
        assert gcsim.read_pprof(profiles.files[0]).sample_types
