"""``python -m gcsim run chapter``: the closing program, its numbers against the heap, its endings."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import gcsim
from gcsim import _chapter
from gcsim.__main__ import main

SECTIONS = [name for name, *_ in _chapter._SECTIONS]


@pytest.fixture
def demo() -> Iterator[_chapter.Demo]:
    with gcsim.Heap(procs=2) as heap:
        yield _chapter.Demo(heap, 1)


def section(demo: _chapter.Demo, name: str) -> _chapter.Section:
    """One section, run on the demo's heap."""
    run: dict[str, Callable[[_chapter.Demo, _chapter.Section], None]]
    run = {name: run for name, _, _, run in _chapter._SECTIONS}
    told = _chapter.Section(name, "", "")
    run[name](demo, told)
    assert told.failed == [], told.lines
    assert demo.heap.verify()
    return told


def command(*arguments: str) -> list[str]:
    """With Ctrl-C as in a terminal: a shell's background jobs ignore it."""
    listen = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
    start = "import gcsim.__main__ as m; sys.exit(m.main(sys.argv[1:]))"
    return [sys.executable, "-u", "-c", listen + start, "run", "chapter", *arguments]


# ---- numbers against the heap


def test_layout_says_where_things_lie(demo: _chapter.Demo) -> None:
    before = demo.heap.memstats()
    told = section(demo, "layout")
    after = demo.heap.memstats()
    # 1,111 and 1,001 in loops; heapSlice, heapStruct, globalSlice, heapMap
    assert after.mallocs - before.mallocs == 1111 + 1001 + 4
    assert told.figures["map_bytes"] == 48  # internal/runtime/maps.Map
    assert told.figures["mallocs"] == 1111 and told.figures["tiny_blocks"] == 63
    assert told.figures["heap_alloc_collected"] == after.heap_alloc
    assert told.figures["freed_objects"] == demo.heap.cycles[-1].freed_objects > 1000
    assert told.figures["stack_to_heap_bytes"] % gcsim.lab.PAGE_BYTES == 0
    assert demo.heap.goroutines() == () and list(demo.heap.globals) == []


def test_what_escapes_is_what_gcsim_escape_says(demo: _chapter.Demo) -> None:
    told = section(demo, "escape")
    said = gcsim.escape(_chapter._SOURCE)
    assert told.figures["lines"] == len(said) > 15
    assert [f"  {line}" for line in str(said).splitlines()] == told.lines[3 : 3 + len(said)]
    assert "  chapter.go:17:6: moved to heap: x" in told.lines
    assert (told.figures["stack_objects"], told.figures["heap_objects"]) == (0, 1)


def test_another_answer_of_go_1_26_is_told(
    demo: _chapter.Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = _chapter.Section("escape", "", "")
    monkeypatch.setattr(_chapter, "_compiler_says", lambda: ("go1.26.9", ["chapter.go:1:1: x"]))
    _chapter.escape_analysis(demo, told)
    assert told.failed == ["Go's compiler says the same, line for line"]
    told.failed.clear()
    monkeypatch.setattr(_chapter, "_compiler_says", lambda: (None, []))
    _chapter.escape_analysis(demo, told)
    assert told.failed == [] and told.figures["compared_with"] is None


def test_alignment_is_that_of_the_layouts(demo: _chapter.Demo) -> None:
    figures = section(demo, "alignment").figures
    for struct in (_chapter.BadStruct, _chapter.GoodStruct, _chapter.OptimalStruct):
        assert figures[struct.__name__] == gcsim.sizeof(struct)
    assert figures["alignments"] == {
        "bool": 1, "int8": 1, "int16": 2, "int32": 4, "int64": 8, "float32": 4, "float64": 8,
        "string": 8, "slice": 8, "map": 8, "pointer": 8,
    }  # fmt: skip


def test_the_collector_stops_shorter_from_era_to_era(demo: _chapter.Demo) -> None:
    figures = section(demo, "collector").figures
    assert list(figures["worst_stop_s"]) == [era.name for era in gcsim.eras()]
    colours = figures["colours"]
    assert all(sum(seen.values()) == 7 for seen in colours)
    assert colours[0] == {"white": 7} and colours[-1] == {"black": 4, "white": 3}
    assert any("grey" in seen for seen in colours)


def test_the_monitor_prints_the_cycles_of_the_heap(demo: _chapter.Demo) -> None:
    told = section(demo, "monitor")
    seen = [int(n) for line in told.lines for n in re.findall(r"GC #(\d+)", line)]
    assert seen == [cycle.number for cycle in demo.heap.cycles]
    assert told.figures["collections"] == demo.heap.memstats().num_gc == len(seen) >= 2


def test_no_node_is_lost_while_the_collector_runs(demo: _chapter.Demo) -> None:
    figures = section(demo, "barrier").figures
    assert figures["nodes"] == 1100 and figures["barrier"] == demo.heap.barrier == "hybrid"
    assert demo.heap.memstats().num_gc >= 5


def test_a_lost_node_is_told(demo: _chapter.Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_chapter, "_count", lambda node: 1099)
    told = _chapter.Section("barrier", "", "")
    _chapter.write_barrier(demo, told)
    assert told.failed and told.lines[-1].startswith("  DOES NOT HOLD: 100 nodes")


def test_optimisations_are_counted_by_the_heap(demo: _chapter.Demo) -> None:
    before = demo.heap.memstats()
    figures = section(demo, "optimisation").figures
    after = demo.heap.memstats()
    costs = [c for group in figures.values() if isinstance(group, dict) for c in group.values()]
    assert sum(c["objects"] for c in costs) <= after.mallocs - before.mallocs
    assert sum(c["bytes"] for c in costs) <= after.total_alloc - before.total_alloc
    assert figures["lengths"] == "7890 vs 7890"
    assert (figures["array_lines"], figures["list_lines"]) == (2500, 5000)


def test_the_leak_is_found_and_named(demo: _chapter.Demo) -> None:
    told = section(demo, "leaks")
    assert told.figures["suspect"] == "global leakedData" and 1 <= told.figures["checks"] <= 8
    assert len(demo.heap.globals["leakedData"]) == 1000 * told.figures["checks"]


def test_the_allocator_and_its_classes(demo: _chapter.Demo) -> None:
    figures = section(demo, "allocator").figures
    assert figures["1,000 more"]["mcache"] == 1000
    assert figures["size_classes"] == 67 and figures["bytes_for_100"] == 112


def test_benchmarks_count_objects(demo: _chapter.Demo) -> None:
    costs = next(iter(section(demo, "benchmarks").figures.values())).values()
    stack, heap, written, right = ((c["objects"], c["bytes"]) for c in costs)
    assert (stack, heap) == ((0, 0), (20_000, 64 * 20_000))
    assert 20_000 <= written[0] < 20_010 and written[1] >= 24 * 20_000 and right[0] < 10
    assert all(c["seconds"] > 0 for c in costs)


def test_statistics_are_the_heap_s(demo: _chapter.Demo) -> None:
    demo.heap.globals["kept"] = demo.heap.new_slice(gcsim.u8, 100_000)
    demo.heap.collect()
    figures = section(demo, "statistics").figures
    m = demo.heap.memstats()
    for name in (
        "heap_alloc",
        "total_alloc",
        "sys",
        "heap_sys",
        "next_gc",
        "heap_objects",
        "num_gc",
    ):
        assert figures[name] == getattr(m, name)
    assert figures["last_pause_ns"] == m.pause_ns[0] == demo.heap.cycles[-1].pause_ns


def test_statistics_before_the_first_collection(demo: _chapter.Demo) -> None:
    demo.heap.new_slice(gcsim.u8, 1)
    assert "last_pause_ns" not in section(demo, "statistics").figures


# ---- the command


def test_every_section_is_told_under_its_headings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "chapter"]) == 0
    out = capsys.readouterr().out
    headings = re.findall(r"^=== (.+) · (.+) ===$", out, re.MULTILINE)
    assert headings[1:-1] == [(english, chinese) for _, english, chinese, _ in _chapter._SECTIONS]
    assert headings[0][0] == "GO语言内存管理综合演示" and headings[-1] == ("演示完成", "done")
    assert "DOES NOT HOLD" not in out


def test_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "chapter", "--json", "--gogc", "50", "--seed", "7"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told) == [*SECTIONS, "failed", "url"]
    assert told["failed"] == [] and told["url"] is None
    assert told["barrier"]["nodes"] == 1100 and told["statistics"]["num_gc"] > 5


def test_a_claim_that_does_not_hold_is_status_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(demo: _chapter.Demo, s: _chapter.Section) -> None:
        s.check(False, "two and two are five")

    monkeypatch.setattr(_chapter, "_SECTIONS", (("sums", "Sums", "算术", wrong),))
    assert main(["run", "chapter", "--json"]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["failed"] == ["sums: two and two are five"]
    assert "two and two are five" in said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--virtual"], "--virtual"),
        (["--mutators", "2"], "--mutators"),
        (["--serve", "--port", "70000"], "port"),
        (["--memory-limit", "much"], "memory_limit"),
    ],
)
def test_wrong_arguments_are_status_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "chapter", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_the_list_of_workloads_has_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--list"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("chapter ")


def read_until(stream: Any, pattern: str) -> re.Match[str]:
    for line in stream:
        if found := re.search(pattern, line):
            return found
    raise AssertionError(f"no line fits {pattern}")


def test_it_serves_its_heap_until_interrupted() -> None:
    started = subprocess.Popen(
        command("--serve"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    try:
        url = read_until(started.stdout, r"pprof server at (http://\S+)")[1]
        with urllib.request.urlopen(url + "metrics", timeout=60) as answer:  # while it runs
            assert answer.status == 200
        read_until(started.stdout, "Ctrl-C ends it")
        with urllib.request.urlopen(url + "debug/pprof/heap", timeout=60) as answer:
            profile = gcsim.read_pprof(answer.read())
        names = {row.name for row in profile.top(by="alloc_space").rows}
        assert "gcsim._chapter.leak_detection" in names
        with urllib.request.urlopen(url + "metrics", timeout=60) as answer:
            assert b"go_gc_cycles_total_gc_cycles_total" in answer.read()
    finally:
        started.send_signal(signal.SIGINT)
        _, errors = started.communicate(timeout=60)
    assert started.returncode == 0, errors
    assert errors == ""


def test_ctrl_c_in_the_middle_is_status_130() -> None:
    started = subprocess.Popen(command(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert started.stdout is not None
    read_until(started.stdout, "混合写屏障")
    started.send_signal(signal.SIGINT)
    _, errors = started.communicate(timeout=60)
    assert (started.returncode, errors.strip()) == (130, "interrupted")
