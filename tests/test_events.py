"""heap.record(): events of a block, as a value."""

from __future__ import annotations

import copy
import os
import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

import gcsim
from gcsim import Events, i64, ptr

np = pytest.importorskip("numpy")


@gcsim.struct
class Node:
    next: ptr["Node"]
    n: i64


@gcsim.struct
class Wide:
    next: ptr["Wide"]
    n: i64
    m: i64


def some(heap: gcsim.Heap, **options: Any) -> Events:
    """Two collections and a few objects."""
    with heap.record(**options) as events:
        kept = [heap.new(Node) for _ in range(100)]
        heap.collect()
        del kept
        heap.collect()
    return events


@pytest.fixture
def events(heap: gcsim.Heap) -> Iterator[Events]:
    yield some(heap)


def test_what_happened_in_the_block_and_nothing_else(heap: gcsim.Heap) -> None:
    heap.collect()
    events = some(heap)
    heap.collect()
    assert [e.arg for e in events if e.kind == "cycle start"] == [2, 3]
    assert [e.arg for e in events if e.kind == "cycle end"] == [2, 3]
    counts = events.counts()
    assert sum(counts.values()) == len(events) and events.dropped == 0
    assert counts["mark termination"] == 2 and counts["world stop"] == counts["world start"]
    assert list(counts) == sorted(counts, key=Events.KINDS.index)
    assert [c.number for c in events.cycles] == [2, 3] and events.cycles == heap.cycles[1:3]
    times = [e.time_ns for e in events]
    assert times == sorted(times)
    assert events.from_ns <= times[0] and times[-1] <= events.to_ns
    assert heap.events() == []


def test_times_are_those_of_the_monotonic_clock() -> None:
    import time

    with gcsim.Heap() as heap:
        before = time.monotonic_ns()
        events = some(heap)
        after = time.monotonic_ns()
    assert before <= events.from_ns <= events[0].time_ns <= events[-1].time_ns <= after
    stops = [e for e in events if e.kind.startswith("world ")]
    for stop, start in zip(stops[::2], stops[1::2], strict=True):
        # What the record says of the stop's length, by the system's clock, fits the records' times.
        assert abs((start.time_ns - stop.time_ns) - (start.arg - stop.arg)) < 5_000_000


def test_kinds_choose(heap: gcsim.Heap) -> None:
    assert set(some(heap, kinds="cycle end").counts()) == {"cycle end"}
    both = some(heap, kinds=["cycle end", "sweep span"])
    assert set(both.counts()) == {"cycle end", "sweep span"} == set(both.kinds)
    everything = some(heap, kinds="all")
    assert everything.counts()["shade"] >= 100 and everything.kinds == Events.KINDS
    assert "shade" not in some(heap).kinds and "cycle start" in some(heap).kinds
    # Each object that was marked, and where it is.
    node = heap.new(Node)
    first = heap.new(i64)
    with heap.record(kinds="shade") as events:
        heap.collect()
    offsets = {e.where for e in events}
    between = gcsim.address(first) - gcsim.address(node)
    assert any(offset + between in offsets for offset in offsets)


def test_the_newest_stay(heap: gcsim.Heap) -> None:
    with heap.record(kinds="alloc", room=6) as events:
        made = [heap.new(Node) for _ in range(40)]
    assert len(events) == 8 and events.dropped == 32
    assert [e.where - events[0].where for e in events] == [
        gcsim.address(ref) - gcsim.address(made[32]) for ref in made[32:]
    ]
    assert "32 dropped" in repr(events)
    assert len(some(heap, room=1)) >= 1


def test_a_value_that_outlives_the_heap(mode: str) -> None:
    with gcsim.Heap(mode=mode) as heap:
        events = some(heap)
    for other in (pickle.loads(pickle.dumps(events)), copy.copy(events), copy.deepcopy(events)):
        assert other == events and hash(other) == hash(events) and len(other) == len(events)
        assert list(other) == list(events) and other.cycles == events.cycles
    assert events != events[:-1] and events[:-1] == events[:-1]
    for name in ("dropped", "kinds", "other"):
        with pytest.raises(AttributeError):
            setattr(events, name, 0)
    with pytest.raises(AttributeError):
        del events.dropped
    with pytest.raises(gcsim.ConversionError):
        Events()
    with pytest.raises(AttributeError, match="no attribute 'dropt'"):
        events.dropt  # noqa: B018
    assert events[0] == next(iter(events)) and events[-1] == list(events)[-1]
    with pytest.raises(gcsim.BoundsError):
        events[len(events)]


def test_it_has_nothing_to_tell_before_its_end(heap: gcsim.Heap) -> None:
    with heap.record() as events:
        assert repr(events) == "<Events: still being recorded>" == str(events)
        for look in (len, list, lambda e: e.array, lambda e: e.dropped, pickle.dumps):
            with pytest.raises(gcsim.StateError, match="has ended"):
                look(events)
        assert events == events
    assert len(events) > 0


def test_records_as_buffer_and_array(events: Events) -> None:
    array = events.array
    assert array.dtype.names == gcsim.Event._fields and array.dtype.itemsize == 32
    assert array.dtype.metadata["kinds"] == Events.KINDS
    assert not array.flags.writeable and len(array) == len(events)
    assert events.buffer.readonly and events.buffer.nbytes == 32 * len(events)
    assert array.tobytes() == bytes(events.buffer)
    rows = [(t, Events.KINDS[k], m, w, a) for t, k, m, w, a in array.tolist()]
    assert rows == [tuple(e) for e in events]
    assert np.bincount(array["kind"]).sum() == len(events)


def test_numpy_is_needed_for_arrays_alone(run_python: Callable[..., Any]) -> None:
    run_python("""
        import sys, gcsim
        sys.modules["numpy"] = None
        with gcsim.Heap() as heap:
            with heap.record() as events:
                heap.collect()
        assert events.counts()["cycle end"] == 1 and str(events) and events.filter(kind="swept")
        try:
            events.array
        except ImportError:
            pass
        else:
            raise AssertionError
    """)


def test_filters(events: Events) -> None:
    ends = events.filter(kind="cycle end")
    assert [e.kind for e in ends] == ["cycle end"] * 2 and isinstance(ends, Events)
    assert ends.from_ns == events.from_ns and ends.cycles == events.cycles
    first, second = (e.time_ns for e in ends)
    later = events.filter(time=(first + 1, None))
    assert list(later) == [e for e in events if e.time_ns > first]
    assert events.filter(time=first, kind="cycle end")[0] == ends[0]
    assert list(events.filter(time=(first, second), kind=("cycle end", "swept"))) == [
        e for e in events if first <= e.time_ns < second and e.kind in ("cycle end", "swept")
    ]
    spans = {e.where for e in events if e.kind == "sweep span"}
    for span in spans:
        assert {e.where for e in events.filter(where=span)} == {span}
        assert list(events.filter(where=(span, span + 8192))) == [
            e for e in events if span <= e.where < span + 8192
        ]
    mutators = {e.mutator for e in events}
    assert sum(len(events.filter(mutator=m)) for m in mutators) == len(events)
    assert list(events.filter()) == list(events) and len(events.filter(kind=())) == 0
    with pytest.raises(gcsim.OptionError, match="no kind of event 'cycle'"):
        events.filter(kind="cycle")
    for bad in ("x", (1, 2, 3), [1, 2], (1.5, 2)):
        with pytest.raises(gcsim.ConversionError, match="time="):
            events.filter(time=bad)  # type: ignore[arg-type]


def test_texts(heap: gcsim.Heap) -> None:
    events = some(heap)
    assert "\n" not in repr(events) and f"{len(events):,} in" in repr(events)
    text = str(some(heap, kinds=["cycle start", "cycle end"]))
    lines = text.splitlines()
    assert len(lines) == 6 and lines[1].split() == ["us" if heap.mode == "threads" else "step",
                                                    "mutator", "event", "where", "arg"]  # fmt: skip
    assert "cycle start" in lines[2] and lines[2].split()[-1] == "3"
    many = some(heap, kinds="all")
    assert len(str(many).splitlines()) == 43 and f"... {len(many) - 40:,} more" in str(many)


def test_bad_input(heap: gcsim.Heap) -> None:
    for options, error, builtin in [
        ({"kinds": "shades"}, gcsim.OptionError, ValueError),
        ({"kinds": []}, gcsim.OptionError, ValueError),
        ({"kinds": ["swept", "x"]}, gcsim.OptionError, ValueError),
        ({"room": 0}, gcsim.RangeError, OverflowError),
        ({"room": -1}, gcsim.RangeError, OverflowError),
        ({"room": 1 << 33}, gcsim.RangeError, OverflowError),
        ({"room": 1.5}, gcsim.ConversionError, TypeError),
        ({"room": True}, gcsim.ConversionError, TypeError),
    ]:
        with pytest.raises(error) as info:
            heap.record(**options)
        assert isinstance(info.value, builtin)
    with pytest.raises(TypeError):
        heap.record("swept")  # type: ignore[misc]
    with pytest.raises(gcsim.RangeError, match="larger reserve="), heap.record(room=1 << 31):
        pass
    assert len(some(heap)) > 0


def test_one_at_a_time(heap: gcsim.Heap) -> None:
    with (
        heap.record() as events,
        pytest.raises(gcsim.StateError, match="one recording at a time"),
        heap.record(),
    ):
        pass
    recording = heap.record()
    with recording as again:
        heap.collect()
    with pytest.raises(gcsim.StateError, match="has begun before"), recording:
        pass
    assert events.counts().get("cycle end") is None and again.counts()["cycle end"] == 1


def test_errors_in_the_block(mode: str) -> None:
    with gcsim.Heap(mode=mode) as heap:
        with pytest.raises(ZeroDivisionError), heap.record() as events:
            heap.collect()
            raise ZeroDivisionError
        assert events.counts()["cycle end"] == 1
    with gcsim.Heap(mode=mode) as heap:
        recording = heap.record()
        with pytest.raises(gcsim.ClosedHeapError), recording as events:
            heap.close()
        with pytest.raises(gcsim.StateError):
            len(events)
        with pytest.raises(gcsim.ClosedHeapError):
            heap.record()
    with gcsim.Heap(mode=mode) as heap, pytest.raises(ZeroDivisionError), heap.record():
        heap.close()
        raise ZeroDivisionError


def test_every_object_that_is_made_or_freed(heap: gcsim.Heap) -> None:
    kept = [heap.new(Node) for _ in range(500)]
    heap.new_slice(i64, 10_000)
    with heap.record(kinds=["alloc", "alloc large", "alloc type", "free"]) as events:
        del kept[:200]
        heap.collect()
        made = [heap.new(Node) for _ in range(300)]
        large = heap.new_slice(i64, 10_000)
        fresh = [heap.new(Wide) for _ in range(10)]
    counts = events.counts()
    assert counts == {"alloc": 310, "alloc large": 1, "alloc type": 311, "free": 201}
    base = gcsim.address(made[0]) - events.filter(kind="alloc")[0].where
    allocs = [e.where + base for e in events if e.kind == "alloc"]
    assert allocs == [gcsim.address(ref) for ref in (*made, *fresh)]
    names = [events.types[e.arg] for e in events if e.kind == "alloc type"]
    assert names[:300] == ["Node"] * 300 and names[301:] == ["Wide"] * 10
    freed = {e.where + base for e in events if e.kind == "free"}
    assert len(freed) == 201 and not freed & {gcsim.address(ref) for ref in kept}
    assert {e.arg for e in events if e.kind == "free"} == {16, 81920}
    del large
    heap.collect()
    assert heap.verify()
    with heap.record(kinds="alloc") as later:
        pass
    assert len(later) == 0


def here(heap: gcsim.Heap) -> gcsim.Ref:
    return heap.new(Node)


def there(heap: gcsim.Heap) -> Any:
    return heap.new_slice(i64, 10_000)


def test_every_object_has_the_line_that_made_it(heap: gcsim.Heap) -> None:
    before = here(heap)
    with heap.record(kinds=["alloc type", "alloc site", "swept"]) as events:
        small = [here(heap) for _ in range(100)]
        large = there(heap)
        heap.collect()
        small.append(here(heap))
    types = events.filter(kind="alloc type")
    sites = events.filter(kind="alloc site")
    assert [e.where for e in sites] == [e.where for e in types]
    innermost = [events.sites[e.arg][0] for e in sites]
    made = f"{__name__}.here"
    functions = [frame.function for frame in innermost]
    assert functions == [made] * 100 + [f"{__name__}.there", made]
    assert {frame.file for frame in innermost} == {__file__}
    line = here.__code__.co_firstlineno + 1
    assert {frame.line for frame in innermost if frame.function == made} == {line}
    assert len({events.sites[e.arg][1].line for e in sites}) == 3 == len(events.sites)
    assert pickle.loads(pickle.dumps(events)).sites == events.sites
    shown = [i for i in events.timeline().instants if i.name.startswith("alloc")]
    assert [i.args["type"] for i in shown[::2]] == [events.types[e.arg] for e in types]
    assert shown[1].args["site"] == f"{made} {__file__}:{line}"
    assert '"site":"' in events.timeline().json()
    del before, large, small
    assert heap.verify()


def test_sites_are_taken_when_they_are_asked_for(heap: gcsim.Heap) -> None:
    with heap.record(kinds="alloc type") as types:
        here(heap)
    assert types.sites == {} and len(types) == 1
    with heap.record(kinds="alloc site") as built:
        batch = heap.build(Node, 50)
    assert len(built) == len(batch) == 50
    (stack,) = built.sites.values()
    assert stack[0].function == f"{__name__}.test_sites_are_taken_when_they_are_asked_for"


def test_the_site_of_what_a_workload_makes_is_its_name() -> None:
    with gcsim.Heap() as heap:
        with heap.record(kinds="alloc site", room=1 << 10) as events:
            gcsim.workloads["ring"].run(heap, entries=100, allocations=5000)
        names = {frames[0].function for frames in events.sites.values()}
        assert "ring" in names


@pytest.mark.threads
def test_others_write_meanwhile() -> None:
    with gcsim.Heap(procs=4) as heap:
        done = threading.Event()

        def allocate() -> None:
            while not done.is_set():
                kept = [heap.new(Node) for _ in range(500)]
                heap.collect()
                del kept

        threads = [threading.Thread(target=allocate) for _ in range(3)]
        for thread in threads:
            thread.start()
        seen: list[Events] = []
        for room in (64, 1 << 14, 64, 1 << 16):
            with heap.record(kinds="all", room=room) as events:
                for _ in range(5):
                    heap.collect()
            seen.append(events)
        done.set()
        for thread in threads:
            thread.join()
        assert heap.verify()
    for events in seen:
        assert all(a.time_ns <= b.time_ns for a, b in pairwise(events))
        assert all(e.kind in Events.KINDS and e.mutator < 1000 for e in events)
        assert all(0 < e.arg <= 64 and e.mutator for e in events if e.kind == "window")
    assert seen[0].dropped and len(seen[1]) > len(seen[0])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_ends_a_recording_that_its_parent_began(run_python: Callable[..., Any]) -> None:
    run_python("""
        import os, gcsim
        heap = gcsim.Heap()
        with heap.record() as events:
            heap.collect()
            child = os.fork()
            if child == 0:
                heap.after_fork()
            heap.collect()
        assert events.counts()["cycle end"] == 2, events
        if child == 0:
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        heap.close()
    """)


def test_a_stepped_cycle_goes_back_with_its_records() -> None:
    with gcsim.Heap(mode="steps", gogc=None) as heap:
        kept = [heap.new(Node) for _ in range(5)]
        with heap.record(kinds="all") as events:
            cycle = heap.begin_cycle()
            cycle.run_until("mark termination")
            before = heap.memstats().num_gc
            for _ in range(10):
                cycle.back()
            cycle.run_until("mark termination")
            assert heap.memstats().num_gc == before
        assert events.counts()["shade"] == 5  # once, though there were two goes at some of them
        del kept
        cycle.finish()


def test_ended_recordings_leave_nothing(mode: str) -> None:
    with gcsim.Heap(mode=mode, reserve="1GiB") as heap:
        for _ in range(3):
            some(heap)  # the first ones make room
        before = heap.memstats().other_sys
        counts = sys.getrefcount(heap)
        for _ in range(20):
            some(heap)
        after = sys.getrefcount(heap)
        assert heap.memstats().other_sys == before and after == counts
        assert heap.verify()
