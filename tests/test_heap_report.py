"""`python -m gcsim heap`: planted leaks by name, a leak and a cache told apart, names of globals."""

from __future__ import annotations

import json
import random
import re
import struct
import subprocess
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import made_graph
import pytest
from needs import program

import gcsim
from gcsim import _elf
from gcsim.__main__ import main
from gcsim._heap_page import boxes, page
from gcsim._heap_report import HeapReport, as_json, report, text
from gcsim._snapshot import Snapshot

HERE = Path(__file__).parent
RAW = HERE / "data" / "heap" / "leaks.dump.gz"
PROGRAM = HERE / "data" / "heap" / "cache.go"


@pytest.fixture(scope="module")
def leaks() -> HeapReport:
    return report(gcsim.open_graph(RAW), RAW, threshold=0.005)


@pytest.fixture(scope="module")
def of_go(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a Go program and two dumps of it, 700 records apart."""
    go = program("go")
    place = tmp_path_factory.mktemp("go")
    subprocess.run([go, "build", "-trimpath", "-o", place / "cache", PROGRAM], check=True)
    subprocess.run([place / "cache", place / "older.dump", place / "newer.dump"], check=True)
    return place


# What is planted (leaks.truth.tsv): where it is held, and what of it has a size of its own. Of what
# globals hold the dump has no name: what they keep tells which one it is.
PLANTED = {
    "leakBlockedGoroutine": ("main.leakBlockedGoroutine", "20 of 8192 B"),
    "leakSelect": ("main.leakSelect", "8 of 16384 B"),
    "leakTicker": ("main.leakTicker", "10 of 4096 B"),
    "leakMutex": ("main.waitForLock", "1,000 of 64 B"),
    "leakMap": ("bss+0x8", "4,000 of 112 B"),
    "leakSubSlice": ("bss+0x440", "10 of 65536 B"),
    "leakClosure": ("bss+0x460", "10 of 32768 B"),
    "leakSubString": ("bss+0x480", "20 of 10240 B"),
    "leakQueue": ("bss+0x4a0", "300 of 1024 B"),
    "leakObserver": ("bss+0x4c0", "500 of 208 B"),
}


@pytest.mark.parametrize("form", ["text", "json", "html"])
def test_the_planted_leaks_are_named(form: str, leaks: HeapReport) -> None:
    said = {"text": text, "json": as_json, "html": page}[form](leaks)
    for leak, (root, kept) in PLANTED.items():
        found = [s for s in leaks.suspects if root in s.path.root and kept in s.words]
        assert len(found) == 1, leak
        assert kept in said, leak
        assert root in said, leak
        why = leaks.snapshot.why_alive(found[0].holders[0])
        assert root in why.words, leak


def test_the_numbers_are_those_of_the_dump(leaks: HeapReport) -> None:
    made = json.loads(as_json(leaks))
    assert made["objects"] == made["source"]["HeapObjects"] == 15_283
    assert made["bytes"] == made["source"]["HeapAlloc"] == 3_309_264
    assert made["pointers"] == 19_274
    assert {g["name"]: g["count"] for g in made["goroutines"]} == {
        "main.leakBlockedGoroutine.gowrap1: chan receive": 20,
        "main.leakTicker.gowrap1: chan receive": 10,
        "main.waitForLock: sync.Mutex.Lock": 10,
        "main.leakSelect.func1: select": 8,
        "runtime/debug.WriteHeapDump: dumping heap": 1,
    }
    assert [h["retained"] for h in made["top"]] == sorted(
        (h["retained"] for h in made["top"]), reverse=True
    )
    assert made["grown"] is None


def test_why_is_asked_by_number_and_by_address(capsys: pytest.CaptureFixture[str]) -> None:
    snap = gcsim.read_snapshot(RAW)
    number = snap.suspects()[0].holders[0]
    for what in (str(number), hex(snap.address(number) + 1)):
        assert main(["heap", str(RAW), "--why", what, "--json"]) == 0
        (why,) = json.loads(capsys.readouterr().out)["why"]
        assert why["number"] == number
        assert why["paths"][0]["steps"][-1]["number"] == number
    for bad in ("main.cache", "99999999", "0x1000000"):
        assert main(["heap", str(RAW), "--why", bad]) == 2
        assert "python -m gcsim heap: " in capsys.readouterr().err


def test_what_cannot_be_read_or_written_is_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "short").write_bytes(RAW.read_bytes()[:1000])
    for arguments in (
        [tmp_path / "nothing"],
        [tmp_path / "short"],
        [RAW, "--threshold", "7"],
        [RAW, "--diff", tmp_path / "short"],
        [RAW, "--exe", RAW],
        [RAW, "--html", tmp_path / "no" / "page.html"],
    ):
        assert main(["heap", *map(str, arguments)]) == 2
        assert capsys.readouterr().err.startswith("python -m gcsim heap: ")
    assert [p.name for p in tmp_path.iterdir()] == ["short"]


# ---- two dumps, and the binary ----


@pytest.mark.slow
def test_a_difference_tells_the_leak_from_the_cache(
    of_go: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newer, older, exe = (of_go / name for name in ("newer.dump", "older.dump", "cache"))
    assert main(["heap", str(newer), "--exe", str(exe), "--json"]) == 0
    alone = json.loads(capsys.readouterr().out)
    roots = [s["root"] for s in alone["suspects"]]
    assert roots[:2] == ["main.leakMap", "main.goodCache"]  # one dump suspects both

    arguments = [str(newer), "--exe", str(exe), "--diff", str(older), "--json"]
    assert main(["heap", *arguments]) == 0
    made = json.loads(capsys.readouterr().out)
    first = made["grown"][0]
    assert first["name"].startswith("main.leakMap")
    assert first["bytes"] > 700 * 1024
    assert first["objects"] >= 2 * 700  # a record and its key
    # The cache holds as many entries as before; its map may have got room, as hashes fall (a new seed each time).
    cache = [row for row in made["grown"] if "goodCache" in row["name"]]
    assert sum(row["objects"] for row in cache) <= 0
    assert sum(row["bytes"] for row in cache) < first["bytes"] / 50
    assert "older.dump" in page_of(of_go, capsys)


def page_of(place: Path, capsys: pytest.CaptureFixture[str]) -> str:
    html = place / "page.html"
    arguments = [place / "newer.dump", "--diff", place / "older.dump", "--html", html]
    assert main(["heap", *map(str, arguments)]) == 0
    assert str(html) in capsys.readouterr().out
    return html.read_text()


@pytest.mark.slow
def test_globals_have_the_names_of_the_binary(of_go: Path, tmp_path: Path) -> None:
    names = _elf.Globals(of_go / "cache")
    snap = gcsim.read_snapshot(of_go / "newer.dump")
    found = _elf.named(snap, names)
    assert {"main.leakMap", "main.goodCache"} <= set(found._root_names)
    assert len(found._root_names) == len(snap._root_names)
    unnamed = [n for n in found._root_names if n.startswith(("bss+", "data+"))]
    assert len(unnamed) <= 2  # temporaries of the compiler have no symbol
    assert snap._root_names != found._root_names
    assert found.retained(0) == snap.retained(0)

    whole = (of_go / "cache").read_bytes()
    path = tmp_path / "damaged"
    table = struct.unpack_from("<Q", whole, 0x28)[0]
    count = struct.unpack_from("<H", whole, 0x3C)[0]
    stripped = bytearray(whole)
    for i in range(count):
        at = table + 64 * i
        if struct.unpack_from("<I", whole, at + 4)[0] == 2:
            struct.pack_into("<I", stripped, at + 4, 1)
    path.write_bytes(stripped)
    with pytest.raises(gcsim.NotThereYetError, match="without -s"):
        _elf.Globals(path)

    chance = random.Random(1)
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(3):
            at = chance.choice((chance.randrange(64), table + chance.randrange(64 * count)))
            data[at] = chance.randrange(256)
        path.write_bytes(data if chance.random() < 0.8 else data[: chance.randrange(len(data))])
        try:
            _elf.Globals(path)
        except (gcsim.DumpFormatError, gcsim.NotThereYetError) as error:
            assert str(path) in str(error)


# ---- the page ----


class Page(HTMLParser):
    """What the tests ask of a page: every tag closed, its text, what it would load."""

    VOID = ("meta", "br", "link", "img", "rect")

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.loads: list[str] = []
        self.tags: list[str] = []
        self.feed(source)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self.loads += [v for k, v in attrs if k in ("src", "href") and not v.startswith("#")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_page_is_whole_and_loads_nothing(leaks: HeapReport) -> None:
    made = Page(page(leaks))
    assert made.loads == []
    assert "script" not in made.tags
    assert made.tags.count("h1") == 1
    assert made.tags.count("table") == made.tags.count("caption") == 3
    assert "http" not in page(leaks).replace("http://www.w3.org/2000/svg", "")


def test_boxes_are_the_dominator_tree(leaks: HeapReport) -> None:
    drawn = boxes(leaks.snapshot, "x")
    total = leaks.reachable_bytes
    levels: dict[int, list[Any]] = {}
    for box in drawn:
        levels.setdefault(box.level, []).append(box)
        assert 0 <= box.x <= box.x + box.width <= 1 + 1e-9
        if match := re.match(r"object (\d+) ", box.words):
            assert box.width == pytest.approx(leaks.snapshot.retained(int(match[1])) / total)
    for level, row in levels.items():
        row.sort(key=lambda b: b.x)
        for a, b in pairwise(row):
            assert a.x + a.width <= b.x + 1e-9, level
    assert sum(b.width for b in levels[1]) == pytest.approx(1, abs=0.004)


def test_a_path_through_a_long_list_is_shortened() -> None:
    objects: list[tuple[int, Any]] = [(64, {0: (i + 1, 0)}) for i in range(99)]
    graph = made_graph.graph([*objects, (64, {})], [("data", -1, -1, 0, 0, 0)])
    made = report(graph, Path("x"), why=("99",))
    assert len(made.why[0].words.splitlines()) > 99
    for said in (text(made), page(made)):
        assert "more on the way" in said
        assert "object 99 (64 B without pointers)" in said
        assert said.count("whose pointer at +0x0 leads to object") < 99
    assert len(json.loads(as_json(made))["why"][0]["paths"][0]["steps"]) == 100


def test_hostile_names_and_empty_heaps_make_pages() -> None:
    bad = '</title><script>alert(1)</script>"><img src=x>\x1b[2J\ud800'
    graph = made_graph.graph(
        [(64, {0: (1, 0)}), (1024, {})],
        [("other", -1, 0, 0, 0, 0), ("stack", 0, 0, 8, 1, 0)],
        [(7, [bad])],
        [bad],
        program=bad,
    )
    for heap in (graph, Snapshot(graph, bad), made_graph.graph([])):
        made = report(heap, Path(f"{bad.replace('/', '')}.npz"))
        parsed = Page(page(made))
        assert "script" not in parsed.tags and "img" not in parsed.tags
        page(made).encode()
        json.loads(as_json(made))
        assert text(made)
