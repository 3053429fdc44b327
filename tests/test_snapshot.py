"""Snapshots: dominators and paths against networkx, planted leaks by name, a heap of our own."""

from __future__ import annotations

import dataclasses
import pickle
import random
import threading
from array import array
from pathlib import Path
from typing import Literal

import pytest

import gcsim
from gcsim import _core
from gcsim._graph import ROOT_KINDS
from gcsim._snapshot import Rows, Snapshot

SHIPPED = Path(gcsim.__file__).parent / "data" / "leaks.graph.npz"
NONE = 0xFFFFFFFF


@gcsim.struct
class Node:
    next: gcsim.ptr["Node"]
    other: gcsim.ptr["Node"]
    value: int


@gcsim.struct
class Cache:
    items: gcsim.slice_[gcsim.ptr[Node]]
    name: str
    inside: Node
    flag: gcsim.bool_


@gcsim.struct
class Wide:
    first: gcsim.ptr[Node]
    rest: gcsim.array[gcsim.ptr["Wide"], Literal[80]]


def random_graph(seed: int) -> tuple[list[int], list[list[int]], list[int]]:
    """Sizes, targets, roots: sparse and dense ones, with loops and parts that nothing reaches."""
    chance = random.Random(seed)
    n = chance.randrange(1, 60)
    degree = chance.choice((1, 2, 4))
    targets = [[chance.randrange(n) for _ in range(chance.randrange(degree + 1))] for _ in range(n)]
    sizes = [8 * chance.randrange(1, 100) for _ in range(n)]
    return sizes, targets, [chance.randrange(n) for _ in range(chance.randrange(4))]


def columns(sizes: list[int], targets: list[list[int]], roots: list[int]) -> tuple[bytes, ...]:
    starts, at = [0], 0
    for row in targets:
        starts.append(at := at + len(row))
    flat = [t for row in targets for t in row]
    return tuple(
        array(code, values).tobytes()
        for code, values in (("Q", sizes), ("Q", starts), ("I", flat), ("I", roots))
    )


def test_dominators_retained_sizes_and_lengths_equal_networkx() -> None:
    nx = pytest.importorskip("networkx")
    for seed in range(1000):
        sizes, targets, roots = random_graph(seed)
        n = len(sizes)
        graph = nx.DiGraph()
        graph.add_nodes_from(range(n + 1))
        graph.add_edges_from((n, r) for r in roots)
        graph.add_edges_from((i, t) for i, row in enumerate(targets) for t in row)
        want = nx.immediate_dominators(graph, n)
        want.pop(n, None)
        rows = columns(sizes, targets, roots)
        idom, retained = _core.graph_dominators(*rows)
        got = memoryview(idom).cast("I").tolist()
        assert {i: d for i, d in enumerate(got) if d != NONE} == want, seed

        tree = nx.DiGraph()
        tree.add_node(n)
        tree.add_edges_from((d, i) for i, d in want.items())
        kept = memoryview(retained).cast("Q").tolist()
        weight = [*sizes, 0]
        for i in range(n + 1):
            below = {i, *nx.descendants(tree, i)} if i in tree else set()
            assert kept[i] == sum(weight[j] for j in below), (seed, i)

        lengths = nx.single_source_shortest_path_length(graph, n)
        parents = memoryview(_core.graph_shortest(*rows)).cast("I").tolist()
        for i in range(n):
            length, at = 0, i
            while at not in (n, NONE):
                length, at = length + 1, parents[at]
            assert (length if at == n else None) == lengths.get(i), (seed, i)


def test_the_c_functions_refuse_what_is_no_graph() -> None:
    good = columns([8, 8], [[1], [0]], [0])
    for place, bad in ((1, array("Q", [0, 1]).tobytes()), (2, array("I", [1, 2]).tobytes())):
        rows = list(good)
        rows[place] = bad
        for use in (_core.graph_dominators, _core.graph_shortest):
            with pytest.raises(ValueError, match="graph"):
                use(*rows)
    with pytest.raises(TypeError, match="bytes"):
        _core.graph_dominators("x", *good[1:])  # type: ignore[arg-type]
    for node, limit in ((2, 1), (0, 0), (0, 1 << 17)):
        with pytest.raises(ValueError, match="no such node"):
            _core.graph_paths(*good, node, limit)

    def u4(*values: int) -> bytes:
        return array("I", values).tobytes()

    def u8(*values: int) -> bytes:
        return array("Q", values).tobytes()

    # Two objects of 8 bytes that point to each other; the first is of type 0, whose field is one.
    edges = (b"\0\0", u4(0, 0), u4(0, 0))
    rest = (u4(0, NONE), u8(8), u8(8), b"\0", u4(NONE), u8(0, 1), u4(0), u4(0))
    types = (*good, *edges, *rest, b"", b"")
    assert _core.graph_types(*types) == u4(0, 0)
    # Where all pointers lie, nil ones too: an object that has others is of another type.
    for off, expected in (
        (u4(0, 0), u4(0, 0)),
        (u4(0, 8), u4(0, NONE)),
        (u4(8, 0), u4(NONE, NONE)),
    ):
        assert _core.graph_types(*types[:-2], u8(0, 1, 2), off) == expected
    for start in (u8(1, 1, 2), u8(0, 3, 2), u8(0, 1, 1)):
        with pytest.raises(ValueError, match="graph"):
            _core.graph_types(*types[:-2], start, u4(0, 0))
    for place, worse in ((7, u4(1, NONE)), (8, u8(0)), (11, u4(1)), (12, u8(0, 2)), (14, u4(1))):
        with pytest.raises(ValueError, match="graph"):
            _core.graph_types(*types[:place], worse, *types[place + 1 :])
    for place in range(4, len(types)):
        with pytest.raises(ValueError, match="length"):
            _core.graph_types(*types[:place], types[place] + b"12345678", *types[place + 1 :])
        with pytest.raises(TypeError, match="bytes"):
            _core.graph_types(*types[:place], 1, *types[place + 1 :])  # type: ignore[arg-type]


# ---- Go dumps ----


@pytest.fixture(scope="module")
def leaks() -> Snapshot:
    return gcsim.open_go_dump(SHIPPED).snapshot()


def kept(rows: Rows, name: str) -> int:
    return next((row.objects for row in rows if row.name == name), 0)


def test_suspects_name_the_planted_leaks(leaks: Snapshot) -> None:
    pytest.importorskip("numpy")
    suspects = leaks.suspects(0.005)
    assert list(suspects) == sorted(suspects, key=lambda s: -s.bytes)
    # Held by goroutines: the functions have names. Holders and bytes as leaks.truth.tsv has them.
    for function, holders, bytes_ in (
        ("main.leakBlockedGoroutine", 20, 163_840),
        ("main.leakSelect", 8, 131_072),
        ("main.leakTicker", 10, 40_960),
        ("main.waitForLock", 10, 72_960),
    ):
        found = [s for s in suspects if function in s.path.root]
        assert [(len(s.holders), s.bytes) for s in found] == [(holders, bytes_)], function
    # Held by globals: what they keep tells which one it is.
    for name, count in (
        ("112 B without pointers", 4000),  # bodies of leakMap's entries
        ("65536 B without pointers", 10),  # leakSubSlice
        ("32768 B without pointers", 10),  # leakClosure
        ("10240 B without pointers", 20),  # leakSubString
        ("208 B without pointers", 500),  # leakQueue, still reachable through its array
    ):
        rows = [
            s
            for s in suspects
            if kept(leaks._rows(list(leaks._dominated(s.holders))), name) >= count
        ]
        assert len(rows) == 1, (name, suspects)
        assert len(rows[0].holders) == 1
        assert name in rows[0].words or name.startswith("208"), rows[0].words


def test_why_alive_follows_pointers_that_are_there(leaks: Snapshot) -> None:
    graph = gcsim.open_go_dump(SHIPPED).graph
    reach = graph.bfs()
    for number in range(0, len(leaks), 97):
        why = leaks.why_alive(number)
        assert bool(why.paths) == bool(reach[number])
        assert (leaks.retained(number) > 0) == bool(reach[number])
        if not why.paths:
            assert why.complete
            assert "no root reaches it" in str(why)
            continue
        (path,) = why.paths
        assert path.steps[-1].number == number
        assert path.root in str(why)
        for before, step in zip(path.steps, path.steps[1:], strict=False):
            assert (step.offset, step.number) in leaks.edges(before.number)
        several = leaks.why_alive(number, paths=4)
        lengths = [len(p.steps) for p in several.paths]
        assert lengths == sorted(lengths)
        assert lengths[0] == len(path.steps)
        assert len(set(several.paths)) == len(several.paths) <= 4
    assert leaks.reachable_bytes == int(graph.obj_size[reach].sum())


def test_histogram_counts_every_object(leaks: Snapshot) -> None:
    for by in ("type", "class"):
        rows = leaks.histogram(by)
        assert sum(row.objects for row in rows) == len(leaks)
        assert sum(row.bytes for row in rows) == leaks.bytes
    assert len(leaks.histogram("class")) < len(leaks.histogram())
    assert "rows" in repr(rows)


def test_what_is_no_answer_says_so(leaks: Snapshot) -> None:
    with pytest.raises(gcsim.BoundsError, match="of 15283"):
        leaks.retained(len(leaks))
    with pytest.raises(gcsim.RangeError, match="no object lay"):
        leaks.retained(1 << 60)
    for bad in (0, 2, -1):
        with pytest.raises(gcsim.OptionError):
            leaks.suspects(bad)
    with pytest.raises(gcsim.OptionError):
        leaks.why_alive(0, paths=0)
    with pytest.raises(gcsim.OptionError):
        leaks.histogram("colour")
    with pytest.raises(gcsim.ConversionError):
        leaks.diff(3)  # type: ignore[arg-type]
    with pytest.raises(gcsim.ConversionError):
        leaks.retained("x")
    with pytest.raises(AttributeError, match="immutable"):
        leaks.name = "x"


def test_what_a_finalizer_needs_is_alive_but_not_its_object() -> None:
    """Go marks what the object points to, so that the finalizer finds it (mgcmark.go:markrootSpans)."""
    np = pytest.importorskip("numpy")
    graph = gcsim.open_go_dump(SHIPPED).graph
    source = int((graph.edge_count == 1).argmax())
    edge = int(graph.edge_start()[source])
    kind = ROOT_KINDS.index("finalizer_obj")
    one = dataclasses.replace(
        graph,
        root_kind=np.array([kind], "u1"),
        root_dst=np.array([source], "i4"),
        **{
            name: getattr(graph, name)[:1]
            for name in ("root_g", "root_frame", "root_off", "root_dst_off")
        },
    )
    snap = Snapshot(one)
    assert not snap.why_alive(source).paths
    target = int(graph.edge_dst[edge])
    (path,) = snap.why_alive(target).paths
    assert path.root == f"finalizer of object {source}"
    assert path.steps == ((target, int(graph.edge_off[edge])),)


# ---- heaps of our own ----


def test_a_heap_of_our_own_outlived() -> None:
    pytest.importorskip("numpy")
    with gcsim.Heap() as heap, gcsim.Heap() as stranger:
        tail = heap.new(Node, value=3)
        middle = heap.new(Node, next=tail)
        heap.globals["cache"] = heap.new(Node, next=middle, other=middle)
        address = _core.address(tail)
        del tail, middle
        heap.collect()
        snap = heap.snapshot()
        newer = heap.new(Node)
        other = stranger.new(Node)
        for ref in (newer, other):
            with pytest.raises(gcsim.WrongHeapError, match="newer"):
                snap.retained(ref)
        first = heap.globals["cache"]
        assert snap.retained(first) == 3 * snap.size(first)
        later = heap.snapshot()
    assert snap.stop_ms > 0
    assert len(later) == len(snap) + 1
    (path,) = snap.why_alive(address).paths
    assert path.root == "global cache"
    assert [step.offset for step in path.steps] == [0, 0, 0]
    assert len(snap.why_alive(address, paths=9).paths) == 2  # through next and through other
    assert snap.why_alive(address, paths=9).complete
    assert snap.dominators()[snap.number(address)] == path.steps[1].number
    copy = pickle.loads(pickle.dumps(snap))
    assert copy.why_alive(address) == snap.why_alive(address)
    assert repr(copy) == repr(snap)
    grown = later.diff(snap)
    assert sum(row.objects for row in grown) == 1
    assert grown[0].name.startswith("handle")
    assert not snap.diff(copy)
    assert sum(row.objects for row in snap.diff(later)) == -1


def test_a_closed_heap_has_no_snapshot() -> None:
    heap = gcsim.Heap()
    heap.close()
    with pytest.raises(gcsim.ClosedHeapError):
        heap.snapshot()


def test_types_and_fields_follow_the_pointers(heap: gcsim.Heap) -> None:
    cache = heap.new(Cache, name="a name that lies on the heap")
    items = heap.new_slice(gcsim.ptr[Node], 4)
    items[2] = heap.new(Node, other=heap.new(Node))
    cache.items = items
    cache.inside.next = heap.new(Node)
    wide = heap.new(Wide, first=heap.new(Node))
    wide.rest[7] = heap.new(Wide)
    heap.globals["cache"] = cache
    heap.globals["words"] = "a global string, also there"
    address = _core.address(items[2].other)
    del items
    snap = heap.snapshot()
    assert snap.stop_ms >= 0
    i = snap.number(cache)
    assert snap.type_name(cache) == "Cache"
    assert {snap.field(i, off): snap.type_name(to) for off, to in snap.edges(i)} == {
        "items": "[]*Node",
        "name": "[]uint8",
        "inside.next": "Node",
    }
    assert snap.field(i, 8) is None  # the length of the slice
    (path,) = snap.why_alive(address).paths
    assert "leads to object" in path.words
    assert [way for way in ("items", "[2]", "other") if f"whose {way} leads to" in path.words]
    # An object with a header: its type is the heap's own knowledge, offsets count from the slot.
    assert snap.type_name(wide) == "Wide"
    fields = [(snap.field(wide, off), snap.type_name(to)) for off, to in snap.edges(wide)]
    assert fields == [("first", "Node"), ("rest[7]", "Wide")]
    names = {row.name: row.objects for row in snap.histogram()}
    assert names == {"Cache": 1, "Node": 4, "Wide": 2, "[]*Node": 1, "[]uint8": 2}
    copy = pickle.loads(pickle.dumps(snap))
    assert copy.field(i, 0) == "items"
    assert copy.histogram() == snap.histogram()


def test_roots_say_who_holds_what(heap: gcsim.Heap) -> None:
    held = heap.new(Node)
    g = heap.goroutine("main")
    with g.frame("build", head=gcsim.ptr[Node], text=str) as frame:
        frame.head = heap.new(Node)
        frame.text = "a string that only the frame holds"
        heap.set_finalizer(heap.new(Node, next=heap.new(Node)), print)
        snap = heap.snapshot()
    rows = list(zip(snap._root_names, memoryview(snap._columns[3]).cast("I"), strict=True))
    names = dict(rows)
    assert names["handle held by held in test_roots_say_who_holds_what()"] == snap.number(held)
    assert snap.type_name(names["goroutine 1 (main) build.head"]) == "Node"
    assert snap.type_name(names["goroutine 1 (main) build.text"]) == "[]uint8"
    (finalized,) = [i for name, i in rows if name.startswith("finalizer")]
    (source,) = [i for i in range(len(snap)) if (0, finalized) in snap.edges(i)]
    assert f"finalizer of object {source} (print)" in names
    assert not snap.why_alive(source).paths
    assert snap.type_name(source) == "Node"  # the class that the finalizer will get
    plain = heap.snapshot(owners=False)
    assert plain._root_names.count("handle") >= 1
    assert plain.type_name(held) is None  # nobody but Python knew
    with pytest.raises(TypeError):
        heap.snapshot(1)  # type: ignore[call-arg]


def test_a_type_that_does_not_fit_is_not_believed() -> None:
    with gcsim.Heap() as heap:
        part = heap.new_slice(Cache, 3)  # a reference to its first element is no Cache alone
        first = part[0]
        snap = heap.snapshot()
        assert snap.type_name(first) == "[]Cache"
        assert snap.field(first, gcsim.sizeof(Cache) + 24) == "[1].name"
        flag = heap.new(gcsim.u8)
        assert heap.snapshot().type_name(flag) == "uint8"


def test_waste_is_what_the_layout_says(heap: gcsim.Heap) -> None:
    keep = [heap.new(Cache) for _ in range(3)] + [heap.new(Wide)]
    layout, wide = gcsim.layout(Cache), gcsim.layout(Wide)
    assert layout.padding > 0
    snap = heap.snapshot()
    rows = {row.name: row for row in snap.waste()}
    row = rows["Cache"]
    assert (row.objects, row.bytes) == (3, 3 * layout.size_class.slot_bytes)
    assert row.padding == 3 * layout.padding
    assert row.rounding == 3 * layout.size_class.waste_bytes
    assert rows["Wide"].header == wide.size_class.header_bytes == 8
    assert rows["Wide"].rounding == wide.size_class.waste_bytes
    for by in ("type", "class"):
        table = snap.waste(by)
        assert sum(row.bytes for row in table) == snap.bytes
        assert sum(row.waste for row in table) == sum(row.waste for row in snap.waste())
        assert [r.waste for r in table] == sorted((r.waste for r in table), reverse=True)
    assert "padding" in str(snap.waste())
    assert "wasted" in repr(snap.waste())
    with pytest.raises(gcsim.OptionError):
        snap.waste("site")
    assert keep


def test_a_histogram_by_the_lines_that_made_objects() -> None:
    with gcsim.Heap(trace_refs=True) as heap:
        keep = [heap.new(Node) for _ in range(5)]
        keep[0].next = heap.new(Node)
        rows = {row.name: row.objects for row in heap.snapshot().histogram("site")}
    (site,) = [name for name in rows if name.startswith(__file__)]
    assert rows == {site: 5, "unknown": 1}


def test_a_heap_that_changes_meanwhile() -> None:
    with gcsim.Heap(gogc=50) as heap:
        stop = threading.Event()
        batch = heap.build(Node, 5_000, roots=range(5_000))
        made = 0

        def change() -> None:
            nonlocal made
            chance = random.Random(3)
            kept = heap.new(Node)
            while not stop.is_set():
                kept.next = heap.new(Node, next=batch[chance.randrange(5_000)])
                made += 1

        thread = threading.Thread(target=change)
        thread.start()
        try:
            for turn in range(12):
                snap = heap.snapshot(owners=turn == 0)
                assert len(snap) > 5_000
                targets = memoryview(snap._columns[2]).cast("I")
                assert all(to < len(snap) for to in targets)
                assert snap.reachable_bytes <= snap.bytes
        finally:
            stop.set()
            thread.join()
        assert made > 0
        assert heap.verify()


# ---- where the memory is ----


def test_the_parts_of_a_breakdown_add_up_at_any_moment(heap: gcsim.Heap) -> None:
    chance = random.Random(5)
    kept: list[object] = []
    for _ in range(30):
        match chance.randrange(6):
            case 0:
                kept.append(heap.build(Node, chance.randrange(1, 3000), roots=[0]))
            case 1:
                kept.append(heap.new_slice(gcsim.u8, chance.randrange(100_000)))
            case 2:
                kept.append(heap.goroutine("g").push("f", p=gcsim.ptr[Node]))
            case 3:
                del kept[: len(kept) // 2]
            case 4:
                heap.collect()
            case _:
                heap.free_os_memory()
        parts = heap.breakdown()
        stats = heap.memstats()
        assert sum(parts[:-2]) == parts.sys == stats.sys
        assert parts.in_use == stats.heap_inuse
        assert parts.released == stats.heap_released
        assert parts.stacks + parts.stacks_free == stats.stack_sys
        assert parts.live + parts.dead + parts.large_tails + parts.tiny_free <= stats.heap_alloc
        assert sum(parts.groups().values()) == parts.sys
    kept.clear()
    heap.collect()
    empty = heap.breakdown()
    assert empty.dead == empty.unswept == empty.compaction == 0


def test_a_breakdown_says_what_compaction_would_give_back() -> None:
    with gcsim.Heap() as heap:
        count = 20 * 8192 // 24
        keep = heap.build(Node, count, roots=range(count))
        full = heap.breakdown()
        assert full.compaction <= 8192
        spans = [s for s in heap.spans() if s.slot_bytes == 24]
        left = [keep[i] for i in range(0, count, 100)]
        del keep
        heap.collect()
        parts = heap.breakdown()
        assert parts.live >= 24 * len(left)
        assert parts.compaction == (len(spans) - 1) * 8192  # what is left fits into one
        assert 0.5 < parts.fragmentation < 1
        text = str(parts)
        assert f"{parts.sys:,}" in text
        assert "Compaction would free" in text
        assert "live" in repr(parts)


def test_a_breakdown_as_a_picture() -> None:
    pytest.importorskip("matplotlib")
    with gcsim.Heap() as heap:
        parts = heap.breakdown()
    axes = parts.plot()
    assert [t.get_text() for t in axes.get_yticklabels()] == list(parts.groups())
    drawn = sum(patch.get_width() for patch in axes.patches)
    assert drawn == pytest.approx(parts.sys / 2**20)
    png = parts._repr_png_()
    assert png is not None
    assert png.startswith(b"\x89PNG")
    assert parts.plot(axes) is axes
