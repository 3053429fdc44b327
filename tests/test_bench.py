"""tests/bench and `python -m gcsim bench-report`: the work is the same everywhere, what was measured
is kept and can be read, and the figures follow from the samples. How fast anything is, is no test."""

from __future__ import annotations

import dataclasses
import json
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gcsim
from gcsim import _bench
from gcsim import _bench_pictures as pictures
from gcsim.__main__ import main

BENCH = Path(__file__).resolve().parent / "bench"
sys.path.insert(0, str(BENCH))
import cases  # noqa: E402
import peers  # noqa: E402
import programs  # noqa: E402
import recordings  # noqa: E402
import run  # noqa: E402

PNG = b"\x89PNG\r\n\x1a\n"
HERE = {"cpu": "A", "cpus": 2, "memory_bytes": 1 << 34, "id": "x", "kernel": "6"}
needs_cc = pytest.mark.skipif(not shutil.which("cc"), reason="needs cc")


def program(**samples: list[float]) -> _bench.Program:
    return _bench.Program("words", None, None, [1.0] * 5, samples)


def canned() -> _bench.Results:
    """A row with bar and stretch, stops, a curve, a growing case: figures that are easy to check."""
    row = _bench.Row(
        "binary-trees",
        "seconds",
        "s",
        peer="go",
        bar=_bench.Limit(0.4, "go"),
        stretch=_bench.Limit(1.0, "mimalloc"),
    )
    trees = {
        "gcsim": program(seconds=[0.9, 1.0, 1.1, 1.0, 5.0]),
        "go": program(seconds=[4.0, 4.0, 4.0, 4.0, 4.0]),
        "mimalloc": program(seconds=[0.5, 0.5, 0.5, 0.5, 0.5]),
        "java g1": _bench.Program(missing="apt-get install it"),
        "glibc": _bench.Program(failure="it fell over"),
    }
    stops = {
        "gcsim": dataclasses.replace(
            program(worst_stop=[0.003], wall=[1.0]), stops=[[(0.1, 0.001), (0.5, 0.003)]]
        ),
        "go": dataclasses.replace(program(worst_stop=[0.2], wall=[1.0]), stops=[[(0.3, 0.2)]]),
    }
    worst = _bench.Row("worst stop", "worst_stop", "ms", 1e3, peer="go", bar=_bench.Limit(0.2))
    mib = float(1 << 20)
    curve = {
        f"{base} GOGC={gogc}": program(seconds=[seconds], peak_bytes=[memory * mib])
        for base, gogc, seconds, memory in (
            ("gcsim", 50, 2.0, 10),
            ("gcsim", 100, 1.0, 20),
            ("gcsim", 200, 0.5, 40),
            ("go", 100, 3.0, 30),
            ("go", 200, 0.25, 80),
            ("go", 50, 9.0, 5),
        )
    }
    growing = {
        f"{base} n=2^{k}": program(ns_per_object=[value])
        for base, values in (("gcsim", (10, 10, 30)), ("go", (20, 20, 20)))
        for k, value in zip((16, 18, 20), values, strict=True)
    }
    points = [
        _bench.Row(f"n=2^{k}", "ns_per_object", "ns", 1.0, f"gcsim n=2^{k}", f"go n=2^{k}")
        for k in (16, 18, 20)
    ]
    calm = [_bench.Round((0.1, 0.2), 0.01, 0.0)]
    made = [
        _bench.Case("trees 1", "trees that live", [row], trees, calm),
        _bench.Case("stops 20 MB", "two busy mutators", [worst], stops, calm),
        _bench.Case("curve 1", "time against memory", [], curve, calm),
        _bench.Case("growth mark", "marking, per object", points, growing, calm),
    ]
    by_name = {case.name: case for case in made}
    versions = {"go": "go1.26", "commit": "abc"}
    return _bench.Results("full", True, HERE, versions, "2026-01-02", 5, by_name, True)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    path = tmp_path / "results.json"
    canned().write(path)
    return path


# ---- the file and its rows ----


def test_what_is_written_is_read_again(kept: Path) -> None:
    assert _bench.read(kept) == canned()
    assert [p.name for p in kept.parent.iterdir()] == [kept.name]


def change(record: dict[str, Any], *path: Any, to: Any) -> str:
    *way, last = path
    at = record
    for key in way:
        at = at[key]
    if to is KeyError:
        del at[last]
    else:
        at[last] = to
    return json.dumps(record)


TREES = ("cases", "trees 1")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda r: json.dumps(r)[:-40], "truncated"),
        (lambda r: "", "truncated"),
        (lambda r: "[1, 2]", "not results"),
        (lambda r: '{"benchmarks": []}', "not results"),
        (lambda r: change(r, "format", to="pytest-benchmark"), "not results"),
        (lambda r: change(r, "version", to=99), "version 99"),
        (lambda r: change(r, "cases", to=KeyError), "incomplete"),
        (lambda r: change(r, "cases", to=[1]), "incomplete"),
        (lambda r: change(r, "machine", to=KeyError), "results has other members"),
        (lambda r: change(r, "machine", to="mine"), "not described"),
        (lambda r: change(r, "other", to=1), "results has other members"),
        (lambda r: change(r, *TREES, "rows", to=KeyError), "incomplete"),
        (lambda r: change(r, *TREES, "rows", 0, "metric", to=KeyError), "row has other members"),
        (lambda r: change(r, *TREES, "rows", 0, "bar", "more", to=1), "limit has other members"),
        (lambda r: change(r, *TREES, "programs", "go", "samples", "seconds", 0, to="x"), "incompl"),
        (lambda r: change(r, *TREES, "programs", "go", to=None), "program has other members"),
        (
            lambda r: change(r, "cases", "stops 20 MB", "programs", "go", "stops", 0, 0, to=[1]),
            "in",
        ),
        (lambda r: change(r, *TREES, "rounds", 0, "load", to=3), "incomplete"),
    ],
)
def test_a_file_that_is_none_is_a_typed_error(
    kept: Path, spoil: Any, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    kept.write_text(spoil(json.loads(kept.read_text())))
    with pytest.raises(gcsim.BenchFormatError, match=message) as caught:
        _bench.read(kept)
    assert isinstance(caught.value, ValueError) and "`make bench`" in str(caught.value)
    assert main(["bench-report", str(kept)]) == 2
    assert str(kept) in capsys.readouterr().err


def test_a_row_is_medians_their_ratio_and_what_they_reach() -> None:
    case = canned().cases["trees 1"]
    one = _bench.line(case, case.rows[0])
    assert (one.ours, one.low, one.high, one.peer, one.ratio) == (1.0, 0.9, 5.0, 4.0, 0.25)
    assert (one.bar, one.stretch) == (True, False)
    text = _bench.table(case, True)
    assert re.search(r"0\.25 +0\.4 x go +reached +1 x mimalloc +NOT$", text[2]), text
    assert not re.search("reached|NOT", "".join(_bench.table(case, False)))
    assert "  MISSING java g1: apt-get install it" in text
    assert "  FAILED  glibc: it fell over" in text
    assert "  seconds s: mimalloc 0.50, gcsim 1, go 4" in text


def test_an_absolute_bar_is_in_the_rows_unit() -> None:
    case = canned().cases["stops 20 MB"]
    (row,) = case.rows
    assert _bench.line(case, row).ours == pytest.approx(3.0)
    assert _bench.line(case, row).bar is False
    wide = dataclasses.replace(row, bar=_bench.Limit(3.1))
    assert _bench.line(case, wide).bar is True


def test_a_row_without_figures_reaches_nothing() -> None:
    case = canned().cases["trees 1"]
    for row in (
        dataclasses.replace(case.rows[0], program="glibc"),
        dataclasses.replace(case.rows[0], less="glibc"),
    ):
        one = _bench.line(case, row)
        assert (one.ours, one.ratio, one.bar) == (None, None, None)
    beside = dataclasses.replace(case.rows[0], peer="java g1", bar=_bench.Limit(1, "java g1"))
    assert _bench.line(case, beside).bar is None
    assert "java g1: missing" in _bench.cells(case, _bench.line(case, beside), True)
    less = dataclasses.replace(case.rows[0], less="mimalloc")
    assert _bench.line(case, less).ours == 0.5


def test_a_loaded_machine_and_a_cut_run_are_said() -> None:
    results = canned()
    assert results.warnings == []
    results.cases["curve 1"].rounds.append(_bench.Round((3, 4), 0.3, 0.2))
    results.complete = False
    loaded, cut = results.warnings
    assert "up to 50 %" in loaded and "cut short" in cut


def test_another_machine_is_told_from_another_kernel() -> None:
    assert _bench.other_machine(HERE, HERE | {"kernel": "7"}) is None
    said = _bench.other_machine(HERE, HERE | {"cpus": 64})
    assert said == "cpus 2 here, 64 there"


# ---- pictures ----


def test_the_report_is_pictures_and_one_page_that_needs_nothing_else(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report"
    assert main(["bench-report", str(kept), str(kept), "--out", str(out)]) == 0
    pngs = sorted(p.name for p in out.glob("*.png"))
    assert pngs == [
        "growth-mark.png",
        "memory-curve-1.png",
        "pauses-stops-20-MB.png",
        "ratios.png",
        "utilisation-stops-20-MB.png",
    ]
    assert all((out / name).read_bytes().startswith(PNG) for name in pngs)
    page = (out / "report.html").read_text()
    assert page.count('src="data:image/png;base64,') == page.count("<img") == len(pngs)
    assert not re.search(r"https?://|<script|<link", page)
    assert '<td class="reached">reached</td>' in page and '<td class="missed">NOT</td>' in page
    for words in ("java g1 missing: apt-get install it", "glibc failed: it fell over", "go1.26"):
        assert words in page
    assert "Compared with 2026-01-02 (abc)" in page and "<td>1.00</td>" in page
    said = capsys.readouterr().out
    assert "trees 1: trees that live" in said and f"page: {out / 'report.html'}" in said


def test_words_in_a_file_do_not_become_markup(tmp_path: Path) -> None:
    results = canned()
    results.cases["trees 1"].about = "<script>alert(1)</script>"
    results.versions["go"] = "<b>"
    results.write(tmp_path / "r.json")
    assert main(["bench-report", str(tmp_path / "r.json"), "--out", str(tmp_path / "o")]) == 0
    page = (tmp_path / "o" / "report.html").read_text()
    assert "<script>" not in page and "<b>" not in page and "&lt;script&gt;" in page


def test_files_of_two_machines_are_not_compared(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = canned()
    other.machine = HERE | {"cpu": "B"}
    other.write(tmp_path / "other.json")
    assert main(["bench-report", str(tmp_path / "other.json"), str(kept)]) == 2
    assert "cpu 'A' here, 'B' there" in capsys.readouterr().err
    assert main(["bench-report", str(tmp_path / "none.json")]) == 2


def test_a_report_that_cannot_be_written(kept: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert main(["bench-report", str(kept), "--out", str(tmp_path / "file")]) == 2


def test_no_pictures_needs_no_folder(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["bench-report", str(kept), "--no-pictures"]) == 0
    assert [p.name for p in tmp_path.iterdir()] == ["results.json"]


def test_at_equal_memory_a_curve_is_read_between_its_points() -> None:
    case = canned().cases["curve 1"]
    ours = pictures.curves(case)["gcsim"]
    assert [pictures.seconds_at(ours, m) for m in (9, 10, 30, 40, 1000)] == [
        None,
        2.0,
        0.75,
        0.5,
        0.5,
    ]
    assert pictures.equal_memory(case) == [
        "go GOGC=50: 5 MiB, 9 s; gcsim needs more memory",
        "go GOGC=100: 30 MiB, 3 s; in that memory gcsim is 4.00 times as fast",
        "go GOGC=200: 80 MiB, 0.25 s; in that memory gcsim takes 2.00 times as long",
    ]
    # More memory and more time: the point is not used.
    worse = [*ours, pictures.Point(800, 60, 9.0)]
    assert pictures.seconds_at(worse, 60) == 0.5


def by_brute_force(stops: list[tuple[float, float]], total: int, window: int) -> float:
    """Stops and windows in whole units: every window, second by second."""
    stopped = [any(a <= t < a + n for a, n in stops) for t in range(total)]
    worst = max(sum(stopped[i : i + window]) for i in range(total - window + 1))
    return 1 - worst / window


def test_minimum_utilisation_is_that_of_the_worst_window() -> None:
    assert pictures.utilisation([(0.5, 0.1)], 1.0, 0.05) == 0
    assert pictures.utilisation([(0.5, 0.1)], 1.0, 0.2) == pytest.approx(0.5)
    assert pictures.utilisation([], 1.0, 0.2) == 1
    rng = random.Random(7)
    for _ in range(300):
        total = rng.randrange(5, 40)
        stops = [(rng.randrange(total), rng.randrange(1, 6)) for _ in range(rng.randrange(1, 6))]
        for window in range(1, total + 1):
            exact = by_brute_force([(float(a), float(n)) for a, n in stops], total, window)
            assert pictures.utilisation(stops, total, window) == pytest.approx(exact), stops


def test_a_growing_cost_is_said_with_where_it_bends() -> None:
    assert _bench.bends(canned().cases["growth mark"]) == [
        "gcsim: 1,048,576 costs 3.00 times what 65,536 does;"
        " steepest from 262,144 to 1,048,576: 3.00 times",
        "go: 1,048,576 costs 1.00 times what 65,536 does;"
        " steepest from 65,536 to 262,144: 1.00 times",
    ]


# ---- the runner ----


def telling(text: str) -> cases.Runnable:
    """A program that prints these words."""
    return cases.Runnable(lambda: ([sys.executable, "-c", f"print({text!r})"], {}))


def tiny(**others: cases.Runnable) -> cases.Case:
    """A row that really runs."""
    both = cases.works(("gcsim", "glibc"), "trees", 6, 1)
    return cases.Case(
        "tiny", "tiny", "small trees", both | others, [_bench.Row("t", "seconds", "s")]
    )


def runner(
    tmp_path: Path, *chosen: cases.Case, monkeypatch: pytest.MonkeyPatch, **results: Any
) -> run.Runner:
    monkeypatch.setattr(run, "DURATIONS", tmp_path / "durations.json")
    fresh = _bench.Results("full", True, HERE, {}, "now", 5)
    return run.Runner(dataclasses.replace(fresh, **results), tmp_path / "r.json", list(chosen), 0)


@needs_cc
def test_a_row_is_run_and_kept_with_the_machine_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = runner(tmp_path, tiny(), monkeypatch=monkeypatch)
    ran.run()
    results = _bench.read(tmp_path / "r.json")
    assert results.complete and ran.failures == []
    case = results.cases["tiny"]
    for there in case.programs.values():
        assert len(there.seconds) == len(there.samples["seconds"]) == 5
        assert set(there.samples["check"]) == {canonical_check(6)}
        assert "trees 6 1" in there.command
    assert case.programs["gcsim"].samples["gc_cpu_seconds"] and len(case.rounds) == 6
    assert all(0 <= r.others <= 1 and r.load[0] >= 0 for r in case.rounds)
    shown = capsys.readouterr()
    assert "tiny: small trees" in shown.out
    assert "tiny: warm-up" in shown.err and re.search(r"round 5 of 5, about \d+ s left", shown.err)


def canonical_check(depth: int) -> float:
    """What binary trees of a depth count, by arithmetic."""
    nodes = (4 << depth) - 1 + (2 << depth) - 1
    return nodes + sum(d * (1 << (depth - d + 4)) * ((2 << d) - 1) for d in range(4, depth + 1, 2))


@needs_cc
def test_a_run_that_was_cut_short_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = runner(tmp_path, tiny(), monkeypatch=monkeypatch)
    calls, once = 0, run.run_once

    def until_the_eighth(*words: Any) -> dict[str, Any]:
        nonlocal calls
        calls += 1
        if calls == 8:  # two of warm-up, two rounds, one program of the third, then ...
            raise KeyboardInterrupt
        return once(*words)

    monkeypatch.setattr(run, "run_once", until_the_eighth)
    with pytest.raises(KeyboardInterrupt):
        ran.run()
    ran.keep()
    cut = _bench.read(tmp_path / "r.json")
    before = {name: list(p.seconds) for name, p in cut.cases["tiny"].programs.items()}
    assert not cut.complete and {n: len(s) for n, s in before.items()} == {"gcsim": 3, "glibc": 2}

    again = run.Runner(cut, tmp_path / "r.json", [tiny()], 0)
    again.run()
    done = _bench.read(tmp_path / "r.json").cases["tiny"].programs
    for name, there in done.items():
        assert len(there.seconds) == len(there.samples["seconds"]) == 5
        assert there.seconds[: len(before[name])] == before[name]
    assert calls == 8 + 2 + 2 + 3  # a warm-up of each, and what was left


@needs_cc
def test_programs_that_disagree_fail_or_are_missing_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = cases.Runnable(lambda: None, "apt-get install it")
    others = {
        "liar": telling('{"check": 1, "seconds": 1}'),
        "mute": telling("no JSON"),
        "absent": absent,
    }
    monkeypatch.delenv("CI", raising=False)
    ran = runner(tmp_path, tiny(**others), monkeypatch=monkeypatch)
    ran.run()
    failed, wrong = ran.failures
    assert failed.startswith("tiny: mute: ") and "different work" in wrong and "liar" in wrong
    kept = ran.results.cases["tiny"].programs
    assert kept["absent"].missing == "apt-get install it" and kept["mute"].samples == {}

    monkeypatch.setenv("CI", "true")
    ran = runner(tmp_path, tiny(absent=absent), monkeypatch=monkeypatch)
    ran.run()
    assert ran.failures == ["tiny: absent is missing: apt-get install it"]


def test_points_of_a_growing_case_agree_each_by_itself() -> None:
    def case(**checks: float) -> _bench.Case:
        named = {name.replace("_", " n="): program(check=[v]) for name, v in checks.items()}
        return _bench.Case("growth", "", [], named)

    assert run.disagreement(case(a_1=10, b_1=10, a_2=20, b_2=20)) is None
    assert "different work" in (run.disagreement(case(a_1=10, b_1=10, a_2=20, b_2=21)) or "")


def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *words: str) -> int:
    monkeypatch.setattr(run, "DURATIONS", tmp_path / "durations.json")
    monkeypatch.setattr(run, "machine", lambda: HERE)
    monkeypatch.setattr(cases, "all_cases", lambda: [tiny()])
    monkeypatch.setattr(sys, "argv", ["run.py", *words])
    try:
        return run.main()
    except SystemExit as left:
        return int(left.code or 0)


@needs_cc
def test_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (str(tmp_path / name) for name in ("first.json", "second.json"))
    assert bench(monkeypatch, tmp_path, "tiny", "--out", first) == 0
    shown = capsys.readouterr().out
    assert f"Every sample: {first}" in shown and "mimalloc " in shown
    assert bench(monkeypatch, tmp_path, "tiny", "--out", second, "--compare", first) == 0
    assert re.search(r"compared with .*\n +then +now +ratio\n *tiny: t ", capsys.readouterr().out)
    assert bench(monkeypatch, tmp_path, "tiny", "--resume", first) == 0  # nothing is left to do

    elsewhere = _bench.read(tmp_path / "first.json")
    elsewhere.machine = HERE | {"cpu": "B"}
    elsewhere.write(tmp_path / "first.json")
    for option in ("--compare", "--resume"):
        assert bench(monkeypatch, tmp_path, "tiny", option, first) == 2
        assert "another machine" in capsys.readouterr().err
    elsewhere.machine, elsewhere.versions["commit"] = HERE, "another"
    elsewhere.write(tmp_path / "first.json")
    assert bench(monkeypatch, tmp_path, "tiny", "--resume", first) == 2
    assert "start anew" in capsys.readouterr().err
    (tmp_path / "first.json").write_text("{")
    assert bench(monkeypatch, tmp_path, "tiny", "--compare", first) == 2
    for words in (["nothing"], ["tiny", "--repeats", "4"]):
        assert bench(monkeypatch, tmp_path, *words) == 2
    assert bench(monkeypatch, tmp_path, "tiny", "--list") == 0


def test_every_row_names_programs_of_its_case_and_the_table_is_whole() -> None:
    every = cases.all_cases()
    assert len({case.name for case in every}) == len(every)
    for case in [*every, *cases.short_cases()]:
        for row in case.rows:
            named = [row.program, row.peer, row.less]
            named += [limit.peer for limit in (row.bar, row.stretch) if limit]
            assert {name for name in named if name} <= set(case.programs), (case.name, row)
    groups = {case.group for case in every}
    assert set(cases.TABLE) <= groups
    for case in every:
        if case.group in cases.TABLE:
            assert any(row.bar for row in case.rows), case.name
    small = cases.short_cases()
    assert {c.group for c in small} == set(cases.TABLE) - {"instructions"}
    assert {name for c in small for name in c.programs} <= {
        "gcsim",
        "gcsim bulk",
        "gcsim stopped",
        "go",
        "cpython",
        "cpython, gc off",
    }


# ---- peers ----


def test_a_missing_peer_is_named_with_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there = {"x": peers.Peer(lambda: ["x"]), "y": peers.Peer(lambda: None, "apt-get install y")}
    monkeypatch.setattr(peers, "PEERS", there)
    monkeypatch.delenv("CI", raising=False)
    assert peers.main() == 0
    said = capsys.readouterr().out
    assert re.search("y +MISSING, left out; to have it: apt-get install y", said)
    assert "1 of 2" in said
    monkeypatch.setenv("CI", "true")
    assert peers.main() == 1


def test_stops_are_read_from_what_go_and_java_print() -> None:
    line = (
        "gc 1 @0.375s 8%: 4.4+60+0.21 ms clock, 8.8+10/30/10+0.42 ms cpu,"
        " 185->208->206 MB, 218 MB goal, 0 MB stacks, 0 MB globals, 2 P\n"
    )
    assert peers.go_stops("noise\n" + line) == [
        (0.375, pytest.approx(0.0044)),
        (pytest.approx(0.4394), pytest.approx(0.00021)),
    ]
    assert peers.go_stops("") == []
    line = (
        '[1000500000ns] Safepoint "G1CollectForAllocation", Time since last: 47040392 ns, Reaching'
        " safepoint: 82334 ns, Cleanup: 8055 ns, At safepoint: 6766460 ns, Total: 500000 ns\n"
    )
    assert peers.java_stops(line) == [(1.0, 0.0005)]


WORKS = {
    "trees": ["trees", "7", "1"],
    "trees shared": ["trees", "7", "2"],
    "gcbench": ["gcbench", "6"],
    "alloc": ["alloc", "16,65536", "pointers", "ring", "2", "1"],
    "alloc plain": ["alloc", "64", "plain", "dropped", "1", "1"],
    "mark tree": ["mark", "tree", "3000", "1"],
    "mark random": ["mark", "random", "3000", "1"],
    "mark list": ["mark", "list", "3000", "1"],
    "empty": ["empty", "3", "2"],
    "store": ["store", "64", "random", "1"],
    "stops": ["stops", "100000", "2", "20000"],
    "lru": ["lru", "50", "20000"],
    "list": ["list", "1000"],
    "spikes": ["spikes", "200000", "2"],
    "resident": ["resident", "20000"],
}
ABSENT = {
    "gcsim stopped": ("store",),  # no mutator sees the barrier on
    "glibc": ("mark", "empty", "store", "stops"),
    "bdwgc 2": ("store",),
    "java g1": ("store", "resident"),
}
MEMORIES = ("gcsim", "gcsim stopped", "go", "bdwgc 2", "glibc", "java g1")


def checked(name: str, words: list[str]) -> Any:
    command = peers.command(peers.variant(name), words, 0)
    return None if command is None else run.run_once(*command)


@pytest.mark.slow
@needs_cc
@pytest.mark.parametrize("work", [*WORKS, "recording"])
def test_the_work_is_the_same_in_every_language_and_memory(work: str, tmp_path: Path) -> None:
    words = WORKS.get(work)
    if words is None:
        flat = tmp_path / "small.rec"
        recordings.flatten(BENCH.parent / "data/trace/leaks-p1.npz", flat)
        words = ["recording", str(flat), "1"]
    told = {name: checked(name, words) for name in MEMORIES if words[0] not in ABSENT.get(name, ())}
    checks = {name: metrics["check"] for name, metrics in told.items() if metrics}
    assert "gcsim" in checks and len(set(checks.values())) == 1, checks
    for name, metrics in told.items():
        assert not metrics or metrics["peak_bytes"] > 0, name
        assert not metrics or metrics.get("seconds", 1) > 0, name


@pytest.mark.slow
@needs_cc
def test_a_memory_says_what_it_has_not_and_what_it_wants() -> None:
    for words in (["mark", "tree", "3000", "1"], ["store", "64", "hot", "1"]):
        with pytest.raises(RuntimeError, match="no collector, or no barrier"):
            checked("glibc", words)
    for words in (["trees"], ["nothing"], ["trees", "x", "1"], ["trees", "3", "1"]):
        with pytest.raises(RuntimeError):
            checked("gcsim", words)


@needs_cc
@pytest.mark.slow
@pytest.mark.parametrize("way", ["one", "bulk", "own", "own-gc"])
def test_python_builds_and_collects_its_trees(way: str) -> None:
    script = str(programs.WORK / "python" / "tree.py")
    for shape in ("tree", "random"):
        words = [sys.executable, script, way, "6", shape, "2"]
        told = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
        assert len(told["build_ns"]) == len(told["collect_ns"]) == 2
        assert told["check"] == (127 if shape == "tree" else 106)  # that the first node reaches


def test_a_recording_keeps_what_was_made_and_what_was_freed(tmp_path: Path) -> None:
    """The counts are those that the program's own MemStats agreed with when it was recorded."""
    recordings.flatten(BENCH.parent / "data/trace/leaks-p1.npz", tmp_path / "x.rec")
    words = np.fromfile(tmp_path / "x.rec", dtype="<u4")
    rows = words[2:].reshape(-1, 2)
    freed = rows[:, 0] >> 31 == 1
    assert (words[0], words[1]) == (37_573, len(rows))
    assert (int((~freed).sum()), int(freed.sum())) == (37_573, 13_257)
    made: set[int] = set()
    for number, is_freed in zip(rows[:, 0] & 0x7FFFFFFF, freed, strict=True):
        assert (int(number) in made) == is_freed
        (made.discard if is_freed else made.add)(int(number))
    assert len(made) == 24_316


def test_a_file_that_is_no_recording(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(b"nothing")
    with pytest.raises(programs.BuildError, match="no recording"):
        recordings.flatten(tmp_path / "x.npz", tmp_path / "x.rec")
