"""How a heap is cut up: `heap.fragmentation()` against a second count in Python, and Go's numbers."""

from __future__ import annotations

import pickle
import random
import threading
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

import gcsim
from gcsim import array, i64, ptr, u8

PAGE = 8192


@gcsim.struct
class Node:
    next: ptr["Node"]
    n: i64


@gcsim.struct
class Wide:  # behind a header, since it has pointers and more than 512 bytes
    next: ptr["Wide"]
    data: array[u8, 592]


def counted_again(heap: gcsim.Heap) -> dict[str, Any]:
    """The same numbers from the lists of spans and objects, which are walks of their own."""
    spans = heap.spans()
    live = Counter(o.span_page for o in heap.objects())
    pages = heap.fragmentation().pages
    taken = sorted((s.first_page, s.first_page + s.npages) for s in spans)
    edges = [(0, 0), *taken, (pages, pages)]
    gaps = [b[0] - a[1] for a, b in pairwise(edges) if b[0] > a[1]]
    classes: dict[int, Counter[str]] = {}
    spare = 0
    for s in spans:
        if s.state != "in use":
            continue
        c = classes.setdefault(s.span_class, Counter())
        n = live[s.first_page]
        c.update(spans=1, span_bytes=s.bytes, slots=s.nelems, used=s.allocated, live=n)
        c.update(used_bytes=s.allocated * s.slot_bytes, live_bytes=n * s.slot_bytes)
        c.update(empty=n == 0, single=n == 1 and s.size_class > 0, nonempty=n > 0)
    for span_class, c in classes.items():
        if span_class > 1:
            one = next(s for s in spans if s.state == "in use" and s.span_class == span_class)
            c["fewest"] = -(-c["live"] // one.nelems)
            spare += (c.pop("nonempty") - c["fewest"]) * one.bytes
        else:
            c["fewest"] = c["live"]
            c.pop("nonempty")
    return {
        "classes": {key: {k: v for k, v in c.items() if v} for key, c in classes.items()},
        "runs": len(gaps),
        "free_pages": sum(gaps),
        "largest_run": max(gaps, default=0),
        "lengths": dict(Counter(gap.bit_length() - 1 for gap in gaps)),
        "manual_pages": sum(s.npages for s in spans if s.state == "manual"),
        "compaction": spare,
    }


def counted(f: gcsim.Fragmentation) -> dict[str, Any]:
    names = [
        "spans",
        "span_bytes",
        "slots",
        "used",
        "live",
        "used_bytes",
        "live_bytes",
        "empty",
        "single",
        "fewest",
    ]
    classes = {c.span_class: {k: getattr(c, k) for k in names if getattr(c, k)} for c in f.classes}
    return {
        "classes": classes,
        "runs": sum(length.runs for length in f.free_lengths),
        "free_pages": f.free_pages,
        "largest_run": f.largest_run,
        "lengths": {length.shortest.bit_length() - 1: length.runs for length in f.free_lengths},
        "manual_pages": f.manual_pages,
        "compaction": f.compaction,
    }


def agrees_with_memstats(heap: gcsim.Heap) -> None:
    before, f, stats = heap.memstats(), heap.fragmentation(), heap.memstats()
    assert f.used_bytes == stats.heap_alloc
    assert f.span_bytes + f.fenced_pages * PAGE == stats.heap_inuse
    assert f.free_pages * PAGE == stats.heap_idle
    # The scavenger goes on in the background.
    assert before.heap_released <= f.released_pages * PAGE <= stats.heap_released
    inside = f.used_bytes + f.free_slot_bytes + f.bits_bytes + f.tail_bytes
    assert inside == f.span_bytes


@pytest.mark.parametrize("mode", ["threads", "steps"])
@pytest.mark.parametrize("seed", range(4))
def test_it_is_what_the_lists_of_spans_and_objects_say_at_any_moment(mode: Any, seed: int) -> None:
    chance = random.Random(seed)
    kept: list[Any] = []
    with gcsim.Heap(mode=mode, gogc=None, reserve="64MiB", procs=1) as heap:
        for _ in range(25):
            match chance.randrange(7):
                case 0:
                    batch = heap.build(Node, chance.randrange(1, 2000), roots=[0])
                    kept += [batch[i] for i in range(0, len(batch), chance.randrange(1, 300))]
                case 1:
                    kept.append(heap.new_slice(u8, chance.randrange(100_000)))
                case 2:
                    kept += [heap.new(Wide) for _ in range(chance.randrange(40))]
                case 3:
                    kept.append(heap.goroutine("g").push("f", p=ptr[Node]))
                case 4:
                    del kept[:: chance.randrange(1, 4)]
                case 5:
                    heap.collect()
                case _:
                    heap.free_os_memory()
            assert counted(heap.fragmentation()) == counted_again(heap)
            agrees_with_memstats(heap)
        assert heap.verify()


def test_the_runs_are_all_pages_and_the_slots_are_the_live_ones() -> None:
    with gcsim.Heap(gogc=None) as heap:
        kept = [heap.new(Node) for _ in range(3000)]
        del kept[1::3]
        heap.collect()
        f = heap.fragmentation()
        at = 0
        for run in f.runs:
            assert run.page == at
            at += run.npages
            slots = f.live_slots(run)
            assert (slots is None) == (run.kind != "objects")
            assert slots is None or (len(slots) == run.slots and sum(slots) == run.live)
        assert at == f.pages
        base = min(o.address for o in heap.objects())  # somewhere in the first span of all
        first = next(run for run in f.runs if run.kind == "objects")
        size = next(c.slot_bytes for c in f.classes if c.span_class == first.span_class)
        slots = f.live_slots(first)
        assert slots is not None
        begin = base - slots.index(True) * size
        inside = {(o.address - begin) // size for o in heap.objects() if o.span_page == first.page}
        assert inside == {i for i, lives in enumerate(slots) if lives}


def test_one_survivor_keeps_its_span() -> None:
    with gcsim.Heap(gogc=None) as heap:
        nodes = [heap.new(Node, n=i) for i in range(20 * 500)]
        before = {s.first_page for s in heap.spans() if s.slot_bytes == 16 and not s.noscan}
        slots = next(s.nelems for s in heap.spans() if s.slot_bytes == 16)
        nodes = nodes[::slots]  # one in each span
        heap.collect()
        f = heap.fragmentation()
        (c,) = (c for c in f.classes if c.slot_bytes == 16 and not c.noscan)
        assert c.live == len(nodes) == c.single == c.spans == len(before)
        assert f.single_spans == c.single
        assert f.single_bytes == c.single * PAGE
        assert c.fewest == 1
        assert f.compaction == (c.spans - 1) * PAGE
        assert f.utilisation < 0.01
        assert f.compaction == heap.breakdown().compaction
        # Their free slots are for objects of this class alone: another class takes new pages.
        free = f.free_pages
        more = [heap.new(Node) for _ in range(c.free_slots)]
        assert heap.fragmentation().free_pages == free
        other = heap.new_slice(u8, 100)
        assert heap.fragmentation().free_pages < free
        del more, other


def test_what_sweeping_would_free_is_not_for_compaction() -> None:
    with gcsim.Heap(gogc=None) as heap:
        keep = [heap.new(Node) for _ in range(5000)]
        del keep[:-1]
        heap.collect()
        f = heap.fragmentation()
        assert f.compaction == 0
        assert f.live_bytes == 16


def test_what_was_asked_for_is_known_of_large_objects_and_behind_headers() -> None:
    with gcsim.Heap(gogc=None) as heap:
        large = [heap.new_slice(u8, n) for n in (40_000, 65_537, 100_000)]
        wide = [heap.new(Wide) for _ in range(10)]
        small = heap.new_slice(u8, 100)  # a slot of 112 bytes does not tell
        f = heap.fragmentation()
        by_class = {c.name: c for c in f.classes}
        assert by_class["large n"].known == 3
        assert by_class["large n"].asked == 40_000 + 65_537 + 100_000
        assert by_class["640 B p"].known == 10
        assert by_class["640 B p"].asked == 10 * 600  # the 8 of the header are not asked for
        assert by_class["112 B n"].known == 0
        slots = sum(-(-n // PAGE) * PAGE for n in (40_000, 65_537, 100_000))
        assert f.rounding_bytes == slots - (40_000 + 65_537 + 100_000) + 10 * 40
        assert f.rounding_known == 13
        del large, wide, small


def test_free_pages_by_how_many_lie_in_a_row() -> None:
    with gcsim.Heap(gogc=None) as heap:
        blocks = [heap.new_slice(u8, 20 * PAGE) for _ in range(21)]
        del blocks[1::2]
        heap.collect()
        f = heap.fragmentation()
        (twenties,) = (length for length in f.free_lengths if length.shortest == 16)
        assert (twenties.longest, twenties.runs, twenties.pages) == (31, 10, 200)
        assert f.external == pytest.approx(1 - f.largest_run / f.free_pages)
        assert f.external > 0.4
        assert heap.fragmentation().released_pages < f.free_pages
        heap.free_os_memory()
        assert heap.fragmentation().released_pages == heap.fragmentation().free_pages


def test_an_empty_heap_and_a_closed_one() -> None:
    heap = gcsim.Heap()
    f = heap.fragmentation()
    assert (f.live_bytes, f.compaction, f.external, f.utilisation) == (0, 0, 0.0, 1.0)
    assert "0 B live" in repr(f)
    assert "0 bytes live" in str(f)
    heap.close()
    with pytest.raises(gcsim.ClosedHeapError):
        heap.fragmentation()
    assert f.pages == 0  # the value outlives its heap


def test_it_is_a_value_with_a_line_a_table_and_a_picture() -> None:
    with gcsim.Heap(gogc=None) as heap:
        nodes = [heap.new(Node) for _ in range(2000)]
        del nodes[::2]
        heap.collect()
        f = heap.fragmentation()
        assert f == pickle.loads(pickle.dumps(f))
    with pytest.raises(AttributeError):
        f.pages = 0  # type: ignore[misc]
    assert repr(f).count("\n") == 0
    assert "16 B p" in str(f)
    assert f"{f.compaction:,} bytes" in str(f)
    pytest.importorskip("matplotlib")
    figure = f.plot()
    pages, slots = figure.axes[0], figure.axes[1]
    assert f"{f.pages:,} pages" in pages.get_title()
    drawn = slots.images[0].get_array()
    assert drawn is not None
    assert int(drawn.sum()) == sum(run.live for run in f.runs if run.slots > 1)
    png = f._repr_png_()
    assert png is not None
    assert png.startswith(b"\x89PNG")


def test_it_is_whole_while_threads_allocate_and_collect() -> None:
    with gcsim.Heap(procs=2) as heap:
        stop = threading.Event()
        ended: list[int] = []

        def work() -> None:
            kept: list[Any] = []
            while not stop.is_set():
                kept = [heap.new(Node) for _ in range(500)][::7]
                kept.append(heap.new_slice(u8, 50_000))
                heap.collect()
            ended.append(len(kept))

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(60):
                f = heap.fragmentation()
                assert sum(run.npages for run in f.runs) == f.pages
                assert all(c.live <= c.used <= c.slots for c in f.classes)
                inside = f.used_bytes + f.free_slot_bytes + f.bits_bytes + f.tail_bytes
                assert inside == f.span_bytes
                assert f.compaction + f.live_bytes <= f.span_bytes
                assert sum(n.pages for n in f.free_lengths) == f.free_pages >= f.released_pages
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert len(ended) == 3
        assert heap.verify()
