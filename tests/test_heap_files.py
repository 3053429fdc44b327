"""Heaps in files: written and read back, opened by other people's tools, damaged, half written."""

from __future__ import annotations

import json
import os
import random
import re
import resource
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import made_graph
import numpy as np
import pytest
from needs import program

import gcsim
from gcsim import _files
from gcsim.__main__ import main
from gcsim._graph import _COLUMNS, HeapGraph, open_graph
from gcsim._heap_files import write_snapshot
from gcsim._heap_files_dot import top_retainers
from gcsim._snapshot import Snapshot

HERE = Path(__file__).parent
RAW = HERE / "data" / "heap" / "leaks.dump.gz"
NOGREENTEA = HERE / "data" / "heap" / "nogreentea.dump.gz"
SHARED = HERE.parents[1] / "shared" / "data" / "heap"
KEPT = (
    *("_columns", "_addresses", "_edge_off", "_edge_dst_off", "_noscan", "_root_names"),
    *("_root_off", "_base", "name"),
)
TYPES = ("_types", "_type_names", "_shapes")


@pytest.fixture(scope="module")
def leaks() -> Snapshot:
    return gcsim.read_snapshot(RAW)


@gcsim.struct
class Node:
    next: gcsim.ptr["Node"]
    other: gcsim.ptr["Node"]
    value: int


def own_heap() -> Snapshot:
    """A list in a global, a frame, a large array of pointers, and garbage that points to them."""
    with gcsim.Heap() as heap:
        first = heap.new(Node)
        for value in range(40):
            first = heap.new(Node, next=first, value=value)
        heap.globals["cache"] = first
        array = heap.new_slice(Node, 200)
        array[100].next = first
        frame = heap.goroutine("main").push("build", head=gcsim.ptr[Node])
        frame.head = heap.new(Node, other=first)
        for _ in range(9):
            heap.new(Node, next=first.next, other=heap.new(Node))
        del first, array
        return heap.snapshot()


# ---- there and back ----


FORMS = (".heapsnapshot", ".npz", ".dump", ".dump.gz")


@pytest.mark.parametrize(
    ("source", "suffix"),
    [(source, suffix) for source in ("dump", "own") for suffix in FORMS]
    + [(seed, suffix) for seed in range(5) for suffix in FORMS[:2]],  # they do not lie as Go's do
)
def test_what_was_written_reads_as_it_was(
    source: Any, suffix: str, leaks: Snapshot, tmp_path: Path
) -> None:
    if isinstance(source, int):
        snap = Snapshot(made_graph.random_graph(source), "made")
    else:
        snap = leaks if source == "dump" else own_heap()
    path = tmp_path / f"x{suffix}"
    snap.write(path)
    back = gcsim.read_snapshot(path)
    assert len(back) == len(snap) > 0
    assert back.bytes == snap.bytes
    assert back.reachable_bytes == snap.reachable_bytes
    assert back.dominators() == snap.dominators()
    if source == "own" and suffix != ".heapsnapshot":
        # What the collector scans is more than the pointers that are not nil.
        assert Counter(back._root_names) == Counter(snap._root_names)
    elif isinstance(source, int):
        assert Counter(back._columns[3]) == Counter(snap._columns[3])
    else:
        assert {name for name in KEPT if getattr(back, name) != getattr(snap, name)} <= {"name"}
    if suffix == ".heapsnapshot":
        assert [name for name in TYPES if getattr(back, name) != getattr(snap, name)] == []
        assert back.name == snap.name


@pytest.mark.parametrize("raw", [RAW, NOGREENTEA, SHARED / "lrusvc.dump.gz"], ids=lambda p: p.name)
def test_a_go_dump_round_trips_with_its_columns(raw: Path, tmp_path: Path) -> None:
    if not raw.exists():
        pytest.skip(f"{raw} is not here")
    graph = open_graph(raw)
    for suffix in (".dump", ".npz"):
        path = tmp_path / f"x{suffix}"
        write_snapshot(graph, path)
        back = open_graph(path)
        for name in _COLUMNS:
            assert np.array_equal(getattr(graph, name), getattr(back, name)), name
        for key in ("go", "arch", "base", "heap_end", "goroutines", "memstats", "cpus"):
            assert back.meta[key] == graph.meta[key], key
    again = gcsim.open_go_dump(tmp_path / "x.dump")
    with again.load() as heap:
        assert heap.verify()
        assert heap.memstats().heap_objects == again.objects


def test_every_kind_of_root_has_its_record(tmp_path: Path) -> None:
    """Kinds 4, 5, 7 and 8 are in no recording."""
    objects: list[tuple[int, Any]] = [(64, {0: (1, 8), 8: None}), (64, {}), (64, {0: (0, 0)})]
    roots = [
        ("data", -1, -1, 0x10, 0, 8),
        ("bss", -1, -1, 0x18, 1, 0),
        ("stack", 0, 0, 8, 2, 0),
        ("stack", 0, 0, 24, 0, 0),
        ("goroutine", 0, -1, 0, 1, 0),
        ("goroutine", 0, -1, 0, 2, 0),
        ("goroutine", 1, -1, 0, 2, 16),
        ("finalizer_fn", -1, -1, 0, 1, 0),
        ("finalizer_obj", -1, -1, 0, 0, 0),
        ("queued_finalizer", -1, -1, 0, 0, 0),
        ("queued_finalizer", -1, -1, 8, 1, 0),
        ("queued_finalizer", -1, -1, 24, 2, 0),
        ("queued_finalizer", -1, -1, 32, 2, 0),
        ("other", -1, 1, 0, 0, 0),
    ]
    graph = made_graph.graph(objects, roots, [(7, ["main.f"]), (9, [])], ["main.f", "a name"])
    path = tmp_path / "x.dump"
    write_snapshot(graph, path)
    back = open_graph(path)
    for name in _COLUMNS:
        if name != "root_frame":
            assert np.array_equal(getattr(graph, name), getattr(back, name)), name
    assert [back.root_name(i) for i in range(14)] == [graph.root_name(i) for i in range(14)]
    assert back.meta["memstats"]["HeapAlloc"] == 192


def test_a_dump_cannot_hold_what_go_could_not_have(tmp_path: Path) -> None:
    graph = made_graph.graph([(48, {}), (64, {})])  # two sizes on one page
    with pytest.raises(gcsim.ConversionError, match="object 1"):
        write_snapshot(graph, tmp_path / "x.dump")
    assert not list(tmp_path.iterdir())


def test_the_name_says_the_form(leaks: Snapshot, tmp_path: Path) -> None:
    for name in ("x", "x.json", "dump"):
        with pytest.raises(gcsim.OptionError, match=r"\.heapsnapshot"):
            leaks.write(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_convert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps = [RAW, *(tmp_path / f"x.{s}" for s in ("npz", "heapsnapshot", "dump.gz", "dump", "dot"))]
    for source, target in pairwise(steps):
        if source.suffix == ".dump" and target.suffix == ".dot":
            assert main(["convert", str(source), str(target), "--objects", "10"]) == 0
            assert "10 of 15,283" in target.read_text()
        else:
            assert main(["convert", str(source), str(target)]) == 0
        assert "15,283 objects" in capsys.readouterr().out
    assert (
        gcsim.read_snapshot(steps[-2]).reachable_bytes == gcsim.read_snapshot(RAW).reachable_bytes
    )
    for bad in (
        [steps[-1], tmp_path / "y.npz"],
        [tmp_path / "no", tmp_path / "y.npz"],
        [RAW, "y.z"],
    ):
        assert main(["convert", *map(str, bad)]) == 2
        assert "python -m gcsim convert: " in capsys.readouterr().err
    assert not (tmp_path / "y.npz").exists()


# ---- whole or not at all ----


def test_a_file_that_fails_leaves_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("before")
    path.chmod(0o640)
    for error in (OSError, KeyboardInterrupt, ZeroDivisionError):
        with pytest.raises(error), _files.whole(path) as file:
            file.write(b"half")
            raise error
        assert path.read_text() == "before"
        assert [p.name for p in tmp_path.iterdir()] == ["x"]
    link = tmp_path / "link"
    link.symlink_to("x")
    _files.write_whole(link, "after\r\n")
    assert link.is_symlink()
    assert path.read_bytes() == b"after\r\n"
    assert path.stat().st_mode & 0o777 == 0o640
    pipe, end = os.pipe()  # what is no file is written as it is
    try:
        _files.write_whole(f"/proc/self/fd/{end}", b"through")
        assert os.read(pipe, 99) == b"through"
    finally:
        os.close(pipe)
        os.close(end)


def full_disk() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


FULL = """
import sys, gcsim
kind, source, target = sys.argv[1:]
try:
    if kind == "heap":
        gcsim.read_snapshot(source).write(target)
    elif kind == "gctrace":
        line = "gc %d @0.073s 0%%: 0+0.53+0 ms clock, 0+0/0/0+0 ms cpu, 3->3->0 MB, 4 MB goal, 0 MB stacks, 0 MB globals, 8 P (forced)\\n"
        gcsim.read_gctrace("".join(line % i for i in range(1, 999)).encode()).write(target)
    else:
        gcsim.read_pprof(source).write(target, compress=False)
except OSError as error:
    print(type(error).__name__, error.errno)
"""


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("heap", "x.heapsnapshot"),
        ("heap", "x.dump"),
        ("heap", "x.dump.gz"),
        ("heap", "x.npz"),
        ("heap", "x.dot"),
        ("gctrace", "x.log"),
        ("pprof", "x.pb"),
    ],
)
def test_no_half_file_on_a_full_disk(kind: str, name: str, tmp_path: Path) -> None:
    """A limit on the size of files fails as a full disk does: in the middle of a write."""
    source = RAW if kind == "heap" else HERE / "data" / "pprof"
    if kind == "pprof":
        source = max(source.glob("*.pb.gz"), key=lambda p: p.stat().st_size)
    (tmp_path / name).write_text("before")
    done = subprocess.run(
        [sys.executable, "-c", FULL, kind, str(source), str(tmp_path / name)],
        capture_output=True,
        text=True,
        preexec_fn=full_disk,
        env={**os.environ, "PYTHONPATH": str(Path(gcsim.__file__).parents[1])},
    )
    assert done.stdout.startswith("OSError 27"), done.stdout + done.stderr
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "before"


# ---- other people's tools ----


def test_networkx_finds_the_same_heap(leaks: Snapshot) -> None:
    nx = pytest.importorskip("networkx")
    for snap in (leaks, own_heap()):
        graph = snap.to_networkx()
        n = len(snap)
        assert graph.number_of_nodes() == n + 1
        assert graph.number_of_edges() == len(snap._columns[2]) // 4 + len(snap._root_names)
        assert sum(size for _, size in graph.nodes(data="bytes")) == snap.bytes
        idom = nx.immediate_dominators(graph, "roots")
        ours = {
            i: "roots" if d == -1 else d for i, d in enumerate(snap.dominators()) if d is not None
        }
        assert {i: d for i, d in idom.items() if i != "roots"} == ours
        retained = dict(graph.nodes(data="bytes"))
        tree = nx.DiGraph((d, i) for i, d in ours.items())
        for i in nx.dfs_postorder_nodes(tree, "roots"):
            retained[i] += sum(retained[j] for j in tree[i])
        assert all(retained[i] == snap.retained(i) for i in ours)
        assert {name for _, _, name in graph.out_edges("roots", data="name")} == set(
            snap._root_names
        )


def test_graphviz_reads_the_same_heap(leaks: Snapshot, tmp_path: Path) -> None:
    """Every object and pointer, counted by Graphviz's own parser; the top drawn as a picture."""
    for tool in ("dot", "gc"):
        program(tool, "graphviz")
    path = tmp_path / "x.dot"
    for snap in (leaks, own_heap()):
        snap.write(path, limit=None)
        done = subprocess.run(["gc", "-n", "-e", path], capture_output=True, text=True, check=True)
        nodes, edges = map(int, done.stdout.split()[:2])
        between = sum(d >= 0 and i not in _targets(snap, d) for i, d in _dominated(snap))
        roots = len(snap._root_names)
        assert nodes == len(snap) + roots
        assert edges == len(snap._columns[2]) // 4 + roots + between
    leaks.write(path, limit=30)
    svg = tmp_path / "x.svg"
    done = subprocess.run(
        ["dot", "-Tsvg", path, "-o", svg], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    boxes = re.findall(r"<title>n(\d+)</title>", svg.read_text())
    assert sorted(map(int, boxes)) == sorted(top_retainers(leaks, 30))


def _dominated(snap: Snapshot) -> list[tuple[int, int]]:
    return [(i, d) for i, d in enumerate(snap.dominators()) if d is not None]


def _targets(snap: Snapshot, i: int) -> set[int]:
    return {to for _, to in snap.edges(i)}


def test_the_top_of_a_dot_is_what_retains_the_most(leaks: Snapshot, tmp_path: Path) -> None:
    leaks.write(tmp_path / "x.dot", limit=5)
    text = (tmp_path / "x.dot").read_text()
    drawn = [int(i) for i in re.findall(r"^  n(\d+) \[", text, re.MULTILINE)]
    most = sorted((leaks.retained(i) for i in range(len(leaks))), reverse=True)[:5]
    assert sorted((leaks.retained(i) for i in drawn), reverse=True) == most
    with pytest.raises(gcsim.OptionError):
        leaks.write(tmp_path / "y.dot", limit=0)


# ---- V8's own, and damaged ones ----


def test_a_snapshot_of_v8_itself(tmp_path: Path) -> None:
    node = program("node", "nodejs")
    path = tmp_path / "v8.heapsnapshot"
    text = f"globalThis.kept = Array.from({{length: 500}}, () => ({{a: [1, 2]}})); require('v8').writeHeapSnapshot({str(path)!r})"
    subprocess.run([node, "-e", text], check=True, timeout=60)
    raw = json.loads(path.read_text())
    fields = len(raw["snapshot"]["meta"]["node_fields"])
    synthetic = raw["snapshot"]["meta"]["node_types"][0].index("synthetic")
    kinds, sizes = raw["nodes"][::fields], raw["nodes"][3::fields]
    snap = gcsim.read_snapshot(path)
    assert len(snap) == sum(kind != synthetic for kind in kinds) > 10_000
    assert snap.bytes == sum(s for s, k in zip(sizes, kinds, strict=True) if k != synthetic)
    assert snap.reachable_bytes > 0.9 * snap.bytes
    assert any("(GC roots)" in name or "roots" in name for name in snap._root_names)


def small_snapshot(tmp_path: Path) -> bytes:
    path = tmp_path / "small.heapsnapshot"
    own_heap().write(path)
    return path.read_bytes()


def at_byte(error: gcsim.DumpFormatError, data: bytes) -> int:
    match = re.search(r", byte (\d+): ", str(error))
    assert match, error
    assert 0 <= int(match[1]) <= len(data)
    return int(match[1])


def test_a_snapshot_cut_short_is_refused_at_its_end(tmp_path: Path) -> None:
    data = small_snapshot(tmp_path)
    path = tmp_path / "cut.heapsnapshot"
    chance = random.Random(1)
    for length in [1, 2, 30, *(chance.randrange(len(data)) for _ in range(60)), len(data) - 3]:
        path.write_bytes(data[:length])
        with pytest.raises(gcsim.DumpFormatError) as caught:
            gcsim.read_snapshot(path)
        at_byte(caught.value, data)


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_snapshot_is_refused_or_read_as_what_it_is(seed: int, tmp_path: Path) -> None:
    whole = small_snapshot(tmp_path)
    chance = random.Random(seed)
    path = tmp_path / "damaged.heapsnapshot"
    ends: Counter[str] = Counter()
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(data))
            match chance.randrange(4):
                case 0:
                    data[at] = chance.choice(b'0123456789,[]{}":\\x ')
                case 1:
                    data[at] ^= 1 << chance.randrange(8)
                case 2:
                    del data[at : at + chance.randint(1, 9)]
                case 3:
                    data[at:at] = data[at : at + chance.randint(1, 9)]
        path.write_bytes(data)
        try:
            snap = gcsim.read_snapshot(path)
        except gcsim.DumpFormatError as error:
            if data[:1] == b"{":
                at_byte(error, data)
            ends["refused"] += 1
            continue
        assert snap.reachable_bytes <= snap.bytes
        assert len(snap.dominators()) == len(snap)
        for suspect in snap.suspects():
            assert suspect.words
        ends["read"] += 1
    assert ends["refused"] > 20
    assert ends["read"] > 5, ends


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s["nodes"].append(1), 'numbers in "nodes"'),
        (lambda s: s["edges"].__setitem__(2, 7), "leads to no node"),
        (lambda s: s["edges"].__setitem__(2, 8 << 40), "leads to no node"),
        (lambda s: s["nodes"].__setitem__(1, 10**9), "not in strings"),
        (lambda s: s["nodes"].__setitem__(4, 10**9), "edges together"),
        (lambda s: s["snapshot"].pop("meta"), "no meta"),
        (lambda s: s["snapshot"]["meta"].__setitem__("node_fields", ["type"]), "no name among"),
        (lambda s: s["snapshot"]["gcsim"].__setitem__("base", -1), "gcsim header"),
        (lambda s: s["strings"].append(5), "no texts"),
        (lambda s: s.pop("strings"), 'no "strings"'),
        (lambda s: s["nodes"].__setitem__(-6, 2), "overlap"),
        (lambda s: s["nodes"].__setitem__(-5, 1 << 60), "2^48"),
    ],
)
def test_parts_that_contradict_one_another(
    change: Callable[[Any], Any], said: str, tmp_path: Path
) -> None:
    made = json.loads(small_snapshot(tmp_path))
    change(made)
    path = tmp_path / "x.heapsnapshot"
    path.write_text(json.dumps(made))
    with pytest.raises(gcsim.DumpFormatError, match=re.escape(said)):
        gcsim.read_snapshot(path)


@pytest.mark.parametrize(
    "text",
    [
        b"{" * 100_000,
        b'{"a":' + b"[" * 100_000,
        b'{"nodes":[' + b"9" * 100_000 + b"]}",
        b'{"nodes":[' + b"1 " * 50_000 + b"]}",
        b'{"nodes":[1e400]}',
        b'{"snapshot":' + b"9" * 5000 + b"}",
        b'{"strings":["\\ud800"],"nodes":[],"edges":[],"snapshot":{}}',
        b'{"x":"\xff"}',
        b"{}",
        b"{} {}",
        b"{1:2}",
    ],
)
def test_hostile_texts_are_refused_at_a_byte(text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.heapsnapshot"
    path.write_bytes(text)
    with pytest.raises(gcsim.DumpFormatError) as caught:
        gcsim.read_snapshot(path)
    at_byte(caught.value, text)


BOMB = """
import resource, sys, gcsim
import numpy
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    gcsim.read_snapshot(sys.argv[1])
except gcsim.DumpFormatError as error:
    print("refused", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_file_that_promises_much_takes_little(
    tmp_path: Path, run_python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    made = json.loads(small_snapshot(tmp_path))
    made["snapshot"]["node_count"] = made["snapshot"]["edge_count"] = 1 << 60
    path = tmp_path / "x.heapsnapshot"
    path.write_text(json.dumps(made))
    refused, kib = run_python(BOMB, str(path)).stdout.split()
    assert refused == "refused"
    assert int(kib) < 50_000


def test_a_name_is_text_whatever_it_is(tmp_path: Path) -> None:
    bad = '"];\n\\N<b>\N{SNOWMAN}\ud800'
    graph: HeapGraph = made_graph.graph([(64, {})], [("other", -1, 0, 0, 0, 0)], (), [bad])
    snap = Snapshot(graph, bad)
    for suffix in ("heapsnapshot", "dot"):
        snap.write(tmp_path / f"x.{suffix}")
    assert gcsim.read_snapshot(tmp_path / "x.heapsnapshot")._root_names == (bad,)
    if shutil.which("dot"):
        subprocess.run(["dot", "-Tsvg", "-o", os.devnull, tmp_path / "x.dot"], check=True)
