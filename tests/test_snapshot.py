"""Snapshots: dominators and paths against networkx, planted leaks by name, a heap of our own."""

from __future__ import annotations

import dataclasses
import pickle
import random
from array import array
from pathlib import Path

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
        _, _, depth = _core.graph_shortest(*rows)
        for i, d in enumerate(memoryview(depth).cast("I").tolist()):
            assert (d + 1 if d != NONE else None) == lengths.get(i), (seed, i)


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
