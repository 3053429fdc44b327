"""A recording as a timeline: Chrome's trace format by its rules, in a viewer, and as a picture."""

from __future__ import annotations

import json
import pickle
import struct
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trace_check import Checked, check

import gcsim
from gcsim import Events, i64, ptr
from gcsim._events import _empty
from gcsim._timeline import Timeline

NONE = (1 << 64) - 1


@gcsim.struct
class Node:
    next: ptr["Node"]
    n: i64


def made(*records: tuple[int, str, int, int], end: int = 10_000, **values: Any) -> Events:
    """Events with these records: (time, kind, mutator, arg)."""
    rows = [(t, Events.KINDS.index(kind), m, 0, arg) for t, kind, m, arg in records]
    events = _empty()
    events.__setstate__(
        {
            "_data": b"".join(struct.pack("=QIIQQ", *row) for row in rows),
            "dropped": 0,
            "kinds": Events.KINDS,
            "from_ns": 0,
            "to_ns": end,
            "cycles": (),
            "mode": "threads",
            "types": (),
            "sites": {},
        }
        | values
    )
    return events


def slices(*records: tuple[int, str, int, int], **values: Any) -> list[tuple[Any, ...]]:
    return [tuple(s)[:4] for s in made(*records, **values).timeline().slices]


def busy(mode: str = "threads") -> Events:
    """Two threads that allocate, collections in between; all of it recorded."""
    with gcsim.Heap(mode=mode, procs=2, gogc=50, memory_limit="256MiB") as heap, heap.record() as e:

        def allocate() -> None:
            head = None
            for i in range(20_000 if mode == "threads" else 1000):
                head = heap.new(Node, next=head if i % 5000 else None)
            del head

        threads = [threading.Thread(target=allocate) for _ in range(2 if mode == "threads" else 1)]
        for thread in threads:
            thread.start()
        for _ in range(3):
            heap.collect()
        for thread in threads:
            thread.join()
    return e


def test_pairs_become_slices() -> None:
    assert slices(
        (100, "worker start", 3, 1), (400, "worker", 3, 300), (500, "worker start", 3, 2),
        (700, "worker", 3, 200), (900, "assist", 1, 250),
    ) == [
        (1, "assist", 650, 900), (3, "mark (fractional)", 100, 400), (3, "mark (idle)", 500, 700)
    ]  # fmt: skip


def test_a_stop_has_its_two_parts_inside() -> None:
    assert slices((300, "world stop", 2, 100), (900, "world start", 2, 700)) == [
        (2, "stop the world", 200, 900),
        (2, "stopping", 200, 300),
        (2, "stopped", 300, 900),
    ]


CYCLE = [
    (100, "cycle start", 1, 7), (120, "mark start", 1, 3), (400, "mark termination", 0, 64),
    (450, "cycle end", 1, 7), (800, "swept", 0, 64),
]  # fmt: skip


def test_a_cycle_has_its_phases_inside_and_a_track_of_its_own() -> None:
    whole = [
        ("cycles", "cycle 7", 100, 800), ("cycles", "mark", 120, 400),
        ("cycles", "mark termination", 400, 450), ("cycles", "sweep", 450, 800),
    ]  # fmt: skip
    assert slices(*CYCLE) == whole
    # With any part of it outside of what was recorded, the rest is there, and says that it is cut.
    for first in range(1, len(CYCLE)):
        timeline = made(*CYCLE[first:]).timeline()
        assert timeline.slices[0].begin == 0 and timeline.slices[0].cut
        assert all(tuple(s)[:4] in whole or s.cut for s in timeline.slices)
    for last in range(1, len(CYCLE)):
        timeline = made(*CYCLE[:last], end=900).timeline()
        assert tuple(timeline.slices[0])[:4] == ("cycles", "cycle 7", 100, 900)
        assert timeline.slices[0].cut and timeline.slices[-1].end == 900


def test_what_began_before_or_goes_on_is_cut() -> None:
    assert slices((300, "worker", 2, 500)) == [(2, "mark (dedicated)", 0, 300)]
    assert slices((300, "worker start", 2, 2), end=400) == [(2, "mark (idle)", 300, 400)]
    assert slices((300, "world start", 2, 500)) == [(2, "stop the world", 0, 300)]
    assert slices((300, "world stop", 2, 50), end=400) == [(2, "stop the world", 250, 400)]


def test_what_sticks_out_a_little_is_cut_off() -> None:
    """Lengths were measured by other looks at the clock than the records' times."""
    assert slices(
        (100, "worker start", 1, 0), (400, "worker", 1, 300), (600, "assist", 1, 203)
    ) == [(1, "mark (dedicated)", 100, 400), (1, "assist", 400, 600)]


def test_counters() -> None:
    timeline = made(
        (0, "heap live", 0, 5), (0, "heap goal", 0, NONE), (0, "memory limit", 0, (1 << 63) - 1),
        (100, "heap goal", 0, 4 << 20), (200, "heap live", 3, 9),
    ).timeline()  # fmt: skip
    counters = check(timeline.json()).counters
    assert counters == {"heap live": [(0, 5), (0.2, 9)], "heap goal": [(0.1, 4 << 20)]}
    assert [s.value for s in timeline.samples] == [5, None, None, 4 << 20, 9]


def test_other_events_are_instants() -> None:
    timeline = made((5000, "scavenge", 0, 12), (6000, "span alloc", 4, 1)).timeline()
    found = check(timeline.json())
    assert found.instants == [("heap", "scavenge", 5.0), ("mutator 4", "span alloc", 6.0)]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 1000),
            st.sampled_from([k for k in Events.KINDS if k != "heap live"]),
            st.integers(0, 3),
            st.integers(0, 1200) | st.just(NONE),
        ),
        max_size=60,
    )
)
def test_whatever_was_dropped_the_format_is_sound(records: list[tuple[int, str, int, int]]) -> None:
    records.sort(key=lambda r: r[0])
    found = check(made(*records, end=1000).timeline().json())
    assert all(begin <= end <= 1.0 for _, _, begin, end, _ in found.slices)


@pytest.mark.threads
def test_a_real_recording(mode: str, tmp_path: Path) -> None:
    events = busy(mode)
    timeline = events.timeline()
    path = tmp_path / "x.json"
    timeline.write(path)
    found = check(path.read_text(encoding="utf-8"))
    assert events.dropped == 0 and json.loads(path.read_bytes())["otherData"]["tool"] == "gcsim"
    compare(events, found)
    assert found.counters["heap live"] and found.counters["heap goal"]
    assert {value for _, value in found.counters["memory limit"]} == {256 << 20}
    assert pickle.loads(pickle.dumps(timeline)) == timeline
    assert repr(timeline).startswith("<Timeline: ") and "cycles>" in repr(timeline)


def compare(events: Events, found: Checked) -> None:
    """Slices and the heap's own records tell the same."""
    scale = 1 if events.mode == "steps" else 1000
    tracks = {track for track, *_ in found.slices}
    assert "collections" in tracks and any(track.startswith("mutator") for track in tracks)
    cycles = {s[1]: s for s in found.slices if s[1].startswith("cycle ")}
    assert [f"cycle {c.number}" for c in events.cycles] == list(cycles)
    for cycle in events.cycles:
        name, began, ended = cycles[f"cycle {cycle.number}"][1:4]
        (args,) = found.args[name]
        for what in ("trigger", "heap_live", "goal", "cons_mark", "runway", "next_trigger"):
            assert args.get(what) == getattr(cycle, what)
        marks = [s for s in found.slices if s[1] == "mark" and began <= s[2] and s[3] <= ended]
        assert len(marks) == 1 and marks[0][4] == 1
        slack = 1000 if events.mode == "threads" else 10  # us, steps: other looks at the clock
        assert marks[0][3] - marks[0][2] >= cycle.mark_ns / scale - slack
    for name, kind in (("stop the world", "world start"), ("assist", "assist")):
        lengths = [s[3] - s[2] for s in found.slices if s[1] == name]
        told = [e.arg / scale for e in events if e.kind == kind]
        assert len(lengths) == len(told)
        assert sum(lengths) == pytest.approx(sum(told), rel=0.01, abs=50)


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    timeline = made(*CYCLE).timeline()
    path = tmp_path / "x.json"
    path.write_text("before")
    broken = made(*CYCLE).timeline()
    object.__setattr__(broken, "slices", (*broken.slices, None))
    with pytest.raises(AttributeError):
        broken.write(path)
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]
    timeline.write(path)
    assert path.read_text() == timeline.json()
    with pytest.raises(OSError):
        timeline.write(tmp_path / "no" / "x.json")


def test_a_timeline_is_a_value() -> None:
    timeline = made(*CYCLE).timeline()
    assert timeline == made(*CYCLE).timeline() != made(*CYCLE[1:]).timeline()
    with pytest.raises(AttributeError):
        timeline.span = 0  # type: ignore[misc]
    assert isinstance(made().timeline(), Timeline) and not made().timeline().slices


def test_the_picture(mode: str) -> None:
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    timeline = busy(mode).timeline()
    figure = Figure()
    assert timeline.draw(figure) is figure
    tracks, sizes = figure.axes
    rows = [label.get_text() for label in tracks.get_yticklabels()]
    assert rows[:2] == ["cycle", "phase"] and rows[2:] == [
        timeline.threads[t] for t in sorted(timeline.threads)
    ]
    drawn = sum(len(c.get_paths()) for c in tracks.collections)
    assert drawn == sum(s.name not in ("stopping", "stopped") for s in timeline.slices)
    lines = {line.get_label(): line for line in sizes.get_lines()}
    assert set(lines) == {"heap live", "heap goal", "memory limit (far above: 256.0 MiB)"}
    assert sizes.get_ylim()[1] < 16 << 20
    live = [s.value for s in timeline.samples if s.name == "heap live"]
    assert list(lines["heap live"].get_ydata()) == [*live, live[-1]]
    assert timeline._repr_png_()[:4] == b"\x89PNG"
    assert made().timeline()._repr_png_()[:4] == b"\x89PNG"  # nothing happened
