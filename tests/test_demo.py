"""``python -m gcsim demo``: its words, its exit status, and the comparisons that decide it."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import made_graph
import numpy as np
import pytest

import gcsim
from gcsim import _demo
from gcsim.__main__ import main
from gcsim._dump import GoDump
from gcsim._graph import ROOT_KINDS, HeapGraph
from gcsim._pictures import class_bars, span_map

SHIPPED = Path(gcsim.__file__).parent / "data" / "leaks.graph.npz"
PNG = b"\x89PNG\r\n\x1a\n"


def command(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gcsim", *map(str, arguments)],
        cwd=cwd,
        text=True,
        capture_output=True,
        timeout=300,
    )


def with_memstats(**memstats: int) -> HeapGraph:
    made = made_graph.random_graph(2)
    counted = {"HeapObjects": len(made.obj_addr), "HeapAlloc": made.heap_bytes, "HeapSys": 1 << 20}
    made.meta["memstats"].update({**counted, "NumGC": 1, **memstats})
    return made


# ---- the command ----


def test_demo_of_the_shipped_recording(tmp_path: Path) -> None:
    done = command("demo", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""  # progress is for terminals
    lines = done.stdout.splitlines()
    recording = np.load(SHIPPED)
    objects, size = len(recording["obj_size"]), int(recording["obj_size"].sum())
    assert lines[-1] == f"demo: {objects} objects, {size} bytes: all comparisons equal"
    assert "DIFFER" not in done.stdout
    for expected in (
        "leaks: a heap of go1.26.8 on amd64",
        "MemStats",
        "size classes and their waste",
        "dropped the root bss+0x8: of all roots it alone keeps most, 12,018 objects, 986,480 bytes",
        "  why the rest lives:",
        "  mode=threads, mark=field: 117 comparisons, all equal",
        "  mode=threads, mark=span: 117 comparisons, all equal",
        "  mode=steps, mark=object: 117 comparisons, all equal",
        "  mode=steps, mark=field: 117 comparisons, all equal",
        "picture: gcsim-demo.png",
    ):
        assert expected in lines
    assert any(line.startswith("dropped goroutine ") for line in lines)
    assert (tmp_path / "gcsim-demo.png").read_bytes().startswith(PNG)


def test_demo_as_json_is_one_object(tmp_path: Path) -> None:
    path = made_graph.save(with_memstats(), tmp_path)
    done = command("demo", path, "--json", "--out", "x.png", "--seed", "5", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["equal"] is True
    assert told["objects"] == 300
    assert told["file"] == str(path)
    assert told["picture"] == "x.png"
    assert len(told["comparisons"]) > 200
    assert all(c["equal"] and c["expected"] == c["got"] for c in told["comparisons"])
    assert (tmp_path / "x.png").read_bytes().startswith(PNG)


@pytest.mark.parametrize("name", ["HeapObjects", "HeapAlloc"])
def test_demo_says_which_comparison_differs(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = with_memstats()
    made.meta["memstats"][name] += 16
    path = made_graph.save(made, tmp_path)
    assert main(["demo", str(path), "--out", str(tmp_path / "x.png")]) == 1
    out, err = capsys.readouterr()
    assert err == ""
    assert f"DIFFERS: recording: Go's {name}" in out
    # In the recording itself, and in each of the five heaps.
    assert out.splitlines()[-1].startswith(f"demo: 300 objects, {made.heap_bytes} bytes: 6 of ")
    assert out.splitlines()[-1].endswith(" comparisons differ")


def test_demo_as_json_says_which_comparison_differs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = made_graph.save(with_memstats(HeapAlloc=1), tmp_path)
    assert main(["demo", str(path), "--json", "--out", str(tmp_path / "x.png")]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["equal"] is False
    assert [c["what"] for c in told["comparisons"] if not c["equal"]] == [
        "Go's HeapAlloc, bytes",
        *["Go's HeapAlloc, ours"] * 5,
    ]


def change(graph: HeapGraph, **columns: Any) -> HeapGraph:
    fields = {name: getattr(graph, name) for name in HeapGraph.__dataclass_fields__}
    return HeapGraph(**{**fields, **columns})


def one_pointer_elsewhere(graph: HeapGraph) -> HeapGraph:
    dst = graph.edge_dst.copy()
    dst[3] = (dst[3] + 1) % len(graph.obj_addr)
    return change(graph, edge_dst=dst, edge_dst_off=np.zeros_like(graph.edge_dst_off))


def one_root_elsewhere(graph: HeapGraph) -> HeapGraph:
    dst, off = graph.root_dst.copy(), graph.root_dst_off.copy()
    dst[0], off[0] = (dst[0] + 1) % len(graph.obj_addr), 0
    return change(graph, root_dst=dst, root_dst_off=off)


def one_object_larger(graph: HeapGraph) -> HeapGraph:
    size = graph.obj_size.copy()
    size[np.flatnonzero(size == 48)[0]] = 64
    return change(graph, obj_size=size)


def one_slot_moved(graph: HeapGraph) -> HeapGraph:
    """A nil slot that lay first lies one word later."""
    assert graph.slot_off is not None
    slots, start = graph.slot_off.copy(), graph.slot_start().tolist()
    edges = graph.edge_start().tolist()
    for i in range(len(graph.obj_addr)):
        mine = slots[start[i] : start[i + 1]]
        pointers = set(graph.edge_off[edges[i] : edges[i + 1]].tolist())
        if len(mine) > 1 and mine[0] not in pointers and mine[0] + 8 not in mine:
            mine[0] += 8
            return change(graph, slot_off=slots)
    raise AssertionError("no such object")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (one_pointer_elsewhere, "pointers: the object they refer to"),
        (one_root_elsewhere, "targets of recorded roots"),
        (one_object_larger, "bytes: recording, heap"),
        (one_slot_moved, "pointer slots: their offsets"),
    ],
)
def test_demo_notices_a_heap_that_was_rebuilt_wrong(
    spoil: Any,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = with_memstats()
    path = made_graph.save(made, tmp_path)
    whole = GoDump.load

    def load(self: GoDump, **options: Any) -> Any:
        heap = whole(GoDump(spoil(self.graph)), **options)
        return heap

    monkeypatch.setattr(GoDump, "load", load)
    assert main(["demo", str(path), "--out", str(tmp_path / "x.png")]) == 1
    assert f": {words}: " in capsys.readouterr().out


def test_demo_notices_what_dies_too_early_or_lives_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = made_graph.save(with_memstats(), tmp_path)
    monkeypatch.setattr(HeapGraph, "bfs", lambda self, roots=None: np.ones(300, bool))
    assert main(["demo", str(path), "--out", str(tmp_path / "x.png")]) == 1
    out = capsys.readouterr().out
    assert "root dropped: objects marked" in out
    assert "root dropped: objects that live, one by one" in out


def test_demo_of_a_file_that_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "x.png"
    garbage = tmp_path / "garbage"
    garbage.write_bytes(b"hello")
    short = tmp_path / "short.npz"
    short.write_bytes(SHIPPED.read_bytes()[:20_000])
    impossible = made_graph.save(made_graph.graph([(40, {})]), tmp_path)
    for path in (tmp_path / "nothing", tmp_path, garbage, short, impossible):
        assert main(["demo", str(path), "--out", str(picture)]) == 2
        out, err = capsys.readouterr()
        assert err.startswith("python -m gcsim demo: ")
        assert str(path) in err
        assert err.count("\n") == 1
        assert "demo: " not in out
    assert not picture.exists()


def test_demo_that_cannot_write_its_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = made_graph.save(made_graph.graph([(16, {})]), tmp_path)
    assert main(["demo", str(path), "--out", str(tmp_path / "no" / "x.png")]) == 2
    assert "x.png" in capsys.readouterr().err


@pytest.mark.parametrize("missing", [["numpy"], ["matplotlib"], ["numpy", "matplotlib"]])
def test_demo_without_its_packages_says_what_to_install(
    missing: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_demo, "find_spec", lambda name: None if name in missing else object())
    assert main(["demo"]) == 2
    err = capsys.readouterr().err
    assert "pip install 'gcsim[viz]'" in err
    assert all(name in err for name in missing)


@pytest.mark.parametrize(
    "made",
    [
        made_graph.graph([]),
        made_graph.graph([(16, {})] * 3),
        made_graph.graph([(16, {})] * 3, [("data", -1, -1, 0, 1, 0)]),
        made_graph.graph([(8, {0: (0, 0)})], [("stack", 0, 0, 8, 0, 0)], [(1, [])], ["f"]),
    ],
    ids=["nothing", "no roots", "no goroutine", "one stack root"],
)
def test_demo_of_the_smallest_heaps(
    made: HeapGraph, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = made_graph.save(made, tmp_path)
    assert main(["demo", str(path), "--out", str(tmp_path / "x.png")]) == 0
    objects, size = len(made.obj_addr), made.heap_bytes
    last = f"demo: {objects} objects, {size} bytes: all comparisons equal"
    assert capsys.readouterr().out.splitlines()[-1] == last


def test_progress_is_for_terminals_only() -> None:
    class Stream:
        def __init__(self, terminal: bool) -> None:
            self.terminal = terminal
            self.text = ""

        def isatty(self) -> bool:
            return self.terminal

        def write(self, text: str) -> None:
            self.text += text

        def flush(self) -> None:
            pass

    terminal, file = Stream(True), Stream(False)
    for stream in (terminal, file):
        progress = _demo.Progress(stream)
        progress(1, 10)
        progress(10, 10)
    assert "10 of 10" in terminal.text
    assert file.text == ""


# ---- what it reckons ----


@pytest.mark.parametrize("seed", range(8))
def test_exclusive_is_the_difference_that_a_search_without_the_roots_makes(seed: int) -> None:
    made = made_graph.random_graph(seed, n=120)
    chance = random.Random(seed)
    everything = made.bfs()
    groups = [chance.randrange(4) for _ in range(len(made.root_dst))]
    total = _demo.exclusive(made, groups)
    for group in range(4):
        rest = [root for root, g in enumerate(groups) if g != group]
        died = everything & ~made.bfs(rest)
        expected = (int(died.sum()), int(made.obj_size[died].sum()))
        assert total.get(group, (0, 0)) == expected
    assert sum(objects for objects, _ in total.values()) == everything.sum()


@pytest.mark.parametrize("seed", range(4))
def test_path_is_a_shortest_one_from_a_root_that_is_left(seed: int) -> None:
    made = made_graph.random_graph(seed)
    dump = GoDump(made)
    roots = list(range(0, dump.roots, 2))
    reached = made.bfs(roots)
    paths = _demo.Paths(dump, roots)
    start = made.edge_start().tolist()
    finalized = ROOT_KINDS.index("finalizer_obj")
    # Waves, as far from the roots as they come.
    wave = {int(made.root_dst[r]) for r in roots if made.root_kind[r] != finalized}
    for r in roots:
        if made.root_kind[r] == finalized:
            obj = int(made.root_dst[r])
            wave |= set(made.edge_dst[start[obj] : start[obj + 1]].tolist())
    distance: dict[int, int] = {}
    hops = 1
    while wave:
        distance.update(dict.fromkeys(wave, hops))
        found = {d for o in wave for d in made.edge_dst[start[o] : start[o + 1]].tolist()}
        wave, hops = found - distance.keys(), hops + 1
    names = {dump.root_names[root] for root in roots}
    for obj in range(dump.objects):
        path = paths.to(obj)
        assert (path is not None) == bool(reached[obj])
        if path is not None:
            assert path.partition(" -> ")[0] in names
            assert path.endswith(f"object {obj} ({made.obj_size[obj]:,} B)")
            if "more)" not in path:
                assert (
                    path.count("object ") - path.startswith("finalizer of object") == distance[obj]
                )


def test_pictures_return_what_they_draw() -> None:
    with GoDump(made_graph.graph([(16, {})] * 3000 + [(40960, {0: None})])).load() as heap:
        spans = heap.spans()
        drawn = span_map(spans)
        for s in spans:
            share = -2 if s.state == "manual" else s.allocated / s.nelems
            assert (drawn.occupancy[s.first_page : s.first_page + s.npages] == share).all()
        assert (drawn.occupancy == -1).sum() == len(drawn.occupancy) - sum(s.npages for s in spans)
        bars = class_bars(spans)
        assert bars.labels == ("16 B n", "large p")
        assert bars.used == (48_000, 40_960)
        assert bars.held[1] == 40_960
        assert bars.held[0] == 8192 * sum(s.slot_bytes == 16 for s in spans)
        assert drawn.axes.get_xlabel().startswith("page of 8 KiB")
        again = span_map(spans, drawn.axes, columns=64)
        assert again.axes is drawn.axes
        assert again.columns == 64


# ---- the command line ----


def test_each_command_has_help(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = command("--help", cwd=tmp_path)
    assert done.returncode == 0
    for name in ("demo", "conform", "explore", "bench-report", "escape", "learn", "quiz"):
        assert f"\n    {name}" in done.stdout
        with pytest.raises(SystemExit) as left:
            main([name, "--help"])
        assert left.value.code == 0
        assert name in capsys.readouterr().out
    assert command("--version", cwd=tmp_path).stdout == f"gcsim {gcsim.__version__}\n"
    assert command(cwd=tmp_path).returncode == 2
    assert command("nonsense", cwd=tmp_path).returncode == 2
