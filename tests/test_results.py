"""What heaps tell about themselves: statistics, cycles, spans, objects, events, the graph."""

from __future__ import annotations

import dataclasses
import itertools
import pickle
from array import array as buffer
from collections import Counter
from typing import Any

import pytest

import gcsim
from gcsim import _results, array, i64, iface, ptr, slice_, string, u8


@gcsim.struct
class Node:
    next: ptr["Node"]
    n: i64


@gcsim.struct
class Fat:
    first: ptr[Node]
    text: string
    row: slice_[ptr[Node]]
    any: iface
    pad: array[i64, 103]


# ---- MemStats ----


def test_memstats_identities_hold_at_any_time(heap: gcsim.Heap) -> None:
    kept: list[Any] = []
    for step in range(6):
        kept += [heap.new(Node) for _ in range(1000)]
        kept.append(heap.new_slice(u8, 100_000))
        heap.new_slice(i64, 3)
        if step % 2:
            del kept[::2]
            heap.collect()
        m = heap.memstats()
        parts = (
            m.heap_sys,
            m.stack_sys,
            m.mspan_sys,
            m.mcache_sys,
            m.buck_hash_sys,
            m.gc_sys,
            m.other_sys,
        )
        assert m.sys == sum(parts)
        assert m.heap_sys == m.heap_idle + m.heap_inuse
        assert m.alloc == m.heap_alloc <= m.heap_inuse and m.heap_objects == m.mallocs - m.frees
        assert m.enable_gc is True and m.debug_gc is False and m.lookups == 0
        live = sum(size * (mallocs - frees) for size, mallocs, frees in m.by_size)
        assert m.heap_alloc == live + 106_496 * sum(1 for x in kept if not isinstance(x, Node))
        assert len(m.by_size) == 61 and len(m.pause_ns) == 256 == len(m.pause_end)


def test_memstats_count_exactly_what_was_done(heap: gcsim.Heap) -> None:
    a = heap.memstats()
    nodes = [heap.new(Node) for _ in range(100)]
    b = heap.memstats()
    assert (b.mallocs - a.mallocs, b.total_alloc - a.total_alloc) == (100, 1600)
    del nodes[:40]
    heap.collect()
    c = heap.memstats()
    assert (c.heap_objects, c.heap_alloc, c.frees) == (60, 960, 40)
    assert c.by_size[2] == (16, 100, 40)
    assert (c.num_gc, c.num_forced_gc) == (1, 1) and c.next_gc == 4 << 20
    assert c.last_gc == c.pause_end[0] > 0 and c.pause_total_ns == c.pause_ns[0] > 0


def test_results_are_immutable_outlive_the_heap_and_pickle(mode: str) -> None:
    with gcsim.Heap(mode=mode, events=64) as heap:
        node = heap.new(Node)
        cycle = heap.collect()
        results = [
            heap.memstats(),
            heap.gc_stats(),
            cycle,
            heap.spans(),
            heap.events(),
            list(heap.objects()),
        ]
        del node
    for result in results:
        assert pickle.loads(pickle.dumps(result)) == result
        assert "\n" not in repr(result)
    for value, name in [(results[0], "alloc"), (results[1], "num_gc"), (cycle, "number")]:
        with pytest.raises((dataclasses.FrozenInstanceError, TypeError)):
            setattr(value, name, 0)
    with pytest.raises(AttributeError):
        results[3][0].state = "dead"
    assert str(results[0]).count("\n") > 25 and "heap_alloc" in str(results[0])


# ---- cycles ----


def test_a_cycle_says_what_it_did(heap: gcsim.Heap) -> None:
    head = heap.new(Node, next=heap.new(Node))
    for _ in range(10):
        heap.new(Node)
    weak = heap.weak(heap.new(Node))
    cycle = heap.collect()
    assert (cycle.number, cycle.trigger, cycle.gc_percent) == (1, "forced", 100)
    assert (cycle.objects_marked, cycle.marked, cycle.pointers - cycle.roots) == (2, 32, 1)
    assert (cycle.freed_objects, cycle.freed, cycle.weak_cleared) == (11, 176, 1)
    assert cycle.roots >= 1 and cycle.next_goal == 4 << 20 and cycle.rescans == 0
    assert weak() is None and head.next is not None
    assert sum(cycle.stops) == cycle.pause_ns and len(cycle.stops) == 2
    assert cycle.start_ns > (
        1e18 if heap.mode == "threads" else 0
    )  # steps have a clock of their own
    names = ["sweep termination", "mark", "mark termination", "sweep"]
    assert [name for name, _ in cycle.phases] == names
    assert cycle.why.startswith("collect() was called")
    assert "4 MiB * 100 / 100 = 4_194_304" in cycle.why


def test_a_cycle_that_the_heap_goal_started_shows_its_arithmetic(mode: str) -> None:
    with gcsim.Heap(mode=mode, gogc=50) as heap:
        while not heap.cycles:
            heap.new_slice(i64, 1000)
        first = heap.cycles[0]
        assert first.trigger == "heap" and first.goal == 2 << 20
        assert first.heap_live >= first.trigger_bytes > 1 << 20
        assert (
            "trigger: " in first.why
            and "raised to the minimum, 4 MiB * 50 / 100 = 2_097_152" in first.why
        )
        kept = heap.new_slice(i64, 1 << 20)
        heap.collect()
        while len(heap.cycles) < 4:
            heap.new_slice(i64, 1000)
        last = heap.cycles[-1]
        counted = last.marked_before + last.stack_scan + last.globals_scan
        assert last.trigger == "heap" and last.goal == last.marked_before + counted // 2 >= 12 << 20
        assert f"= {last.goal:_}" in last.why and "minimum" not in last.why
        assert [c.number for c in heap.cycles] == [1, 2, 3, 4] or len(heap.cycles) > 4
        del kept


def test_cycles_without_a_goal(heap: gcsim.Heap) -> None:
    heap.gc_percent = None
    cycle = heap.collect()
    assert (cycle.gc_percent, cycle.goal, cycle.next_goal) == (None, None, None)
    assert "off" in cycle.why


def test_the_last_256_cycles_are_kept(heap: gcsim.Heap) -> None:
    assert heap.cycles == ()
    for _ in range(300):
        last = heap.collect()
    assert [c.number for c in heap.cycles] == list(range(45, 301))
    assert heap.cycles[-1] == last
    stats = heap.gc_stats()
    assert stats.num_gc == 300 and len(stats.pause) == 256 == len(stats.pause_end)
    assert stats.pause == tuple(c.pause_ns for c in reversed(heap.cycles))
    assert stats.pause_end[0] == stats.last_gc >= stats.pause_end[-1]
    assert stats.pause_total > sum(stats.pause)


@pytest.mark.parametrize(
    "pauses, count, expected",
    [
        ([], 3, (0, 0, 0)),
        ([7], 1, (7,)),
        ([5, 1, 3], 2, (1, 5)),
        ([5, 1, 3], 5, (1, 1, 3, 5, 5)),
        (list(range(256, 0, -1)), 5, (1, 65, 129, 193, 256)),
        ([30, 20, 10], 3, (10, 20, 30)),
    ],
)
def test_quantiles_follow_go_s_rule(
    pauses: list[int], count: int, expected: tuple[int, ...]
) -> None:
    stats = _results.GCStats(len(pauses), 0, sum(pauses), tuple(pauses), ())
    assert stats.quantiles(count) == expected
    with pytest.raises(ValueError):
        stats.quantiles(0)


# ---- spans and objects ----


def test_spans_cover_what_memstats_says(heap: gcsim.Heap) -> None:
    kept = [heap.new(Node) for _ in range(3000)] + [heap.new_slice(u8, 50_000)]
    g = heap.goroutine("main")
    batch = heap.build(Node, 10)
    heap.collect()
    spans, m = heap.spans(), heap.memstats()
    assert sum(s.bytes for s in spans if s.state == "in use") == m.heap_inuse
    assert sum(s.allocated for s in spans if s.state == "in use") == m.heap_objects == len(kept)
    assert {s.purpose for s in spans if s.state == "manual"} >= {"stack", "batch"}
    pages = [(s.first_page, s.first_page + s.npages) for s in spans]
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(pages))
    for s in spans:
        assert s.size_class == s.span_class // 2 and s.noscan == bool(s.span_class % 2)
    assert [s.npages for s in spans if s.size_class == 0 and s.state == "in use"] == [7]
    del batch, g


def test_objects_are_listed_in_address_order_and_dead_ones_are_not(heap: gcsim.Heap) -> None:
    nodes = [heap.new(Node) for _ in range(2500)]
    fat, big = heap.new(Fat), heap.new_slice(ptr[Node], 5000)
    del nodes[::2]
    heap.collect()
    objects = list(heap.objects())
    addresses = [o.address for o in objects]
    assert addresses == sorted(set(addresses)) and len(objects) == heap.memstats().heap_objects
    assert Counter(o.slot_bytes for o in objects) == {16: 1250, 896: 1, 40960: 1}
    assert {o.address for o in objects if o.slot_bytes == 16} == {gcsim.address(n) for n in nodes}
    by_size = {o.slot_bytes: o for o in objects}
    assert by_size[896].header_bytes == 8 and by_size[896].address + 8 == gcsim.address(fat)
    assert by_size[896].type == gcsim.typeof(fat) and by_size[16].type is None
    assert by_size[40960].type.name == "*Node" and by_size[40960].address == big.address


def test_events_are_kept_only_if_asked_for(mode: str) -> None:
    with gcsim.Heap(mode=mode) as heap:
        heap.collect()
        assert heap.events() == []
    with gcsim.Heap(mode=mode, events=100) as heap:
        for _ in range(50):
            heap.new(Node)
            heap.collect()
        events = heap.events()
        kinds = Counter(e.kind for e in events)
        assert 100 <= len(events) <= 128 and kinds["cycle start"] >= 1 and kinds["cycle end"] >= 1
        assert all(a.time_ns <= b.time_ns for a, b in itertools.pairwise(events))
        assert max(e.arg for e in events if e.kind == "cycle end") == 50


def test_events_as_a_numpy_array(mode: str) -> None:
    np = pytest.importorskip("numpy")
    with gcsim.Heap(mode=mode, events=64) as heap:
        heap.collect()
        table, rows = heap.events(array=True), heap.events()
    assert isinstance(table, np.ndarray) and table.dtype.names == _results.Event._fields
    names = table.dtype.metadata["kinds"]
    assert [names[k] for k in table["kind"]] == [e.kind for e in rows]
    assert table["time_ns"].tolist() == [e.time_ns for e in rows]
    with gcsim.Heap(mode=mode) as heap:
        with pytest.raises(gcsim.ConversionError):
            heap.events(arrays=True)
        with pytest.raises(gcsim.ConversionError):
            heap.events(True)


# ---- the graph ----


def test_the_graph_has_every_object_edge_and_root(heap: gcsim.Heap) -> None:
    pytest.importorskip("numpy")
    node = heap.new(Node, n=1)
    fat = heap.new(Fat, first=node, text="words", any=node)
    fat.row = heap.new_slice(ptr[Node], 3)
    fat.row[2] = heap.new(Node, next=node)
    heap.globals["cache"] = fat
    fr = heap.goroutine("main").push("build", n=i64, p=ptr[Node])
    fr.p = node
    inside = heap.new_slice(Node, 4)[2]
    graph = heap.graph()
    at = {int(a) + graph.meta["base"]: i for i, a in enumerate(graph.obj_addr)}
    start = graph.edge_start().tolist()

    def edges(i: int) -> dict[int, tuple[int, int]]:
        return {
            int(graph.edge_off[k]): (int(graph.edge_dst[k]), int(graph.edge_dst_off[k]))
            for k in range(start[i], start[i + 1])
        }

    n, f = at[gcsim.address(node)], at[gcsim.address(fat) - 8]
    row, last = at[fat.row.address], at[gcsim.address(fat.row[2])]
    text = ({*range(len(graph.obj_addr))} - {n, f, row, last, at[gcsim.address(inside) - 32]}).pop()
    assert len(graph.obj_addr) == heap.memstats().heap_objects == 6
    assert edges(f) == {8: (n, 0), 16: (text, 0), 32: (row, 0), 64: (n, 0)}
    assert edges(row) == {16: (last, 0)} and edges(last) == {0: (n, 0)} and edges(n) == {}
    assert graph.obj_noscan[text] == 1 and graph.obj_nslots[f] == 4 and graph.obj_ptrend[f] == 72
    assert int(graph.obj_size[f]) == 896 and graph.heap_bytes == heap.memstats().heap_alloc
    roots = {
        (graph.root_name(r), int(graph.root_dst[r]), int(graph.root_dst_off[r]))
        for r in range(len(graph.root_dst))
    }
    assert roots == {
        ("handle", n, 0), ("handle", f, 8), ("global cache", f, 8), ("goroutine 1 build+0x8", n, 0),
        ("handle", at[gcsim.address(inside) - 32], 32),
    }  # fmt: skip


def test_a_plain_search_of_the_graph_is_what_the_collector_finds(mode: str, tmp_path: Any) -> None:
    np = pytest.importorskip("numpy")
    rng = np.random.default_rng(5)
    count = 20_000 if mode == "threads" else 3_000
    with gcsim.Heap(mode=mode, gogc=None) as heap:
        links = {"next": rng.integers(-1, count, count, "i4")}
        batch = heap.build(Node, count, links=links, roots=[1, 2])
        counts = rng.integers(0, 50, 500, "i4")
        rows = heap.build(ptr[Node], 500, counts=counts)
        kept = [rows[i] for i in range(0, 500, 7)]
        for row in kept:
            if len(row):
                row[-1] = batch[int(rng.integers(count))]
        heap.globals["x"] = batch[5]
        heap.goroutine("g").push("f", s=slice_[ptr[Node]]).s = rows[499].append(batch[9])
        graph = heap.graph()
        reached = graph.bfs()
        assert (reached == graph.obj_reach).all() and 0 < reached.sum() < len(reached)
        expected = set(graph.obj_addr[reached].tolist())
        cycle = heap.collect()
        assert cycle.objects_marked == len(expected)
        assert {o.address - graph.meta["base"] for o in heap.objects()} == expected
        after = heap.graph()
        assert after.obj_reach.all() and set(after.obj_addr.tolist()) == expected
        assert after.heap_bytes == heap.memstats().heap_alloc == cycle.marked
    graph.save_npz(tmp_path / "heap.npz")
    again = gcsim.HeapGraph.from_npz(tmp_path / "heap.npz")
    assert (again.edge_dst == graph.edge_dst).all() and (again.bfs() == reached).all()


def test_an_empty_heap_has_empty_results(heap: gcsim.Heap) -> None:
    pytest.importorskip("numpy")
    assert heap.cycles == () and heap.spans() == () and list(heap.objects()) == []
    assert len(heap.graph().obj_addr) == 0
    assert heap.gc_stats().quantiles() == (0,) * 5 and heap.memstats().heap_objects == 0


def test_results_of_a_closed_heap(mode: str) -> None:
    with gcsim.Heap(mode=mode) as heap:
        heap.build(Node, 2000, roots=range(2000), links={"next": buffer("i", [-1] * 2000)})
        objects = heap.objects()
        next(objects)
    for use in (
        heap.memstats, heap.gc_stats, heap.spans, heap.objects, heap.events, heap.graph,
        lambda: heap.cycles, lambda: list(objects),
    ):  # fmt: skip
        try:
            use()
        except gcsim.ClosedHeapError:
            continue
        assert use.__name__ == "<lambda>"
