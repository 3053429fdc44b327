"""tests/bench/reach.py in its smallest form: what it prints and keeps, not how fast anything was."""

from __future__ import annotations

import importlib
import json
import math
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parent / "bench"
# What each section's first words are, and which of its figures have goals.
GOALS = {
    "stops": ["2 MB live: worst stop", "4 MB live: worst stop"],
    "share": ["graph, 2 mutators: background"],
    "limit": [
        "GOGC=100: beyond the limit at most",
        "GOGC=off: beyond the limit at most",
        "GOGC=100, 37 MiB live: share of CPU collecting",
        "GOGC=off, 37 MiB live: share of CPU collecting",
    ],
    "spike": [],
    "concurrency": [],
}
GOALS_BESIDE_GO = {"share": ["  assist"], "spike": ["gcsim: within 10 % of the goal after"]}
WORKLOADS = ("binary-trees", "graph", "idle", "list", "lru", "ring", "spikes")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("cc"), reason="needs cc"),
]


@pytest.fixture(scope="module")
def reach() -> Iterator[Any]:
    sys.path.insert(0, str(BENCH))
    yield importlib.import_module("reach")
    sys.path.remove(str(BENCH))


def run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCH / "reach.py"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("name", GOALS)
def test_a_section_prints_its_figures_and_keeps_every_value(name: str, tmp_path: Path) -> None:
    kept = tmp_path / "reach.json"
    done = run(name, "--small", "--runs", 2, "--json", kept)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"\n{name}: " in done.stdout and "run 2 of 2" in done.stderr
    record = json.loads(kept.read_text())
    (section,) = record["sections"]
    assert record["runs"] == 2 and section["section"] == name and record["machine"]["cpus"]
    for row in section["rows"]:
        assert len(row["values"]) == 2 and all(math.isfinite(v) for v in row["values"])
        assert row["what"] in done.stdout
        assert min(row["values"]) <= row["median"] <= max(row["values"]) or name == "concurrency"
    expected = list(GOALS[name])
    if shutil.which("go"):
        expected += GOALS_BESIDE_GO.get(name, [])
    if name == "concurrency":
        expected = [f"{w}, {n}" for n in ("2 mutators", "1 mutator") for w in WORKLOADS]
    with_goals = [row["what"] for row in section["rows"] if row["met"] is not None]
    assert sorted(with_goals) == sorted(expected)


def test_a_goal_is_met_between_its_bounds_and_missed_beyond_them(reach: Any) -> None:
    row = reach.Row("x", [1.0, 9.0, 2.0], "ms", most=2.0)
    assert row.met is True and row.goal_text == "<= 2 ms" and row.cells()[-1] == "yes"
    assert reach.Row("x", [2.1], most=2.0).met is False
    share = {"least": 22, "most": 28}
    assert [reach.Row("x", [v], **share).met for v in (21.9, 22, 28, 28.1)] == [
        False,
        True,
        True,
        False,
    ]
    assert reach.Row("x", [1.0]).met is None


def test_strict_makes_a_missed_goal_a_failure(
    reach: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [reach.Row("slow", [3.0], "s", most=1)]
    monkeypatch.setitem(reach.SECTIONS, "stops", lambda asked: reach.Section("stops", "", rows))
    for words, status in ((["stops"], 0), (["stops", "--strict"], 1)):
        monkeypatch.setattr(sys, "argv", ["reach.py", *words])
        assert reach.main() == status
        assert capsys.readouterr().out.rstrip().endswith("NO")


def test_a_program_that_fails_is_a_failure(
    reach: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(reach.SECTIONS, "stops", lambda asked: reach.workload("no such", {}))
    monkeypatch.setattr(sys, "argv", ["reach.py", "stops"])
    assert reach.main() == 1 and "stops: FAILED" in capsys.readouterr().out


def test_shares_are_read_from_gos_lines(reach: Any) -> None:
    line = (
        "gc {n} @0.375s 8%: 4.4+{clock}+0.21 ms clock, 8.8+{cpu}+0.42 ms cpu,"
        " 185->208->206 MB, 218 MB goal, 0 MB stacks, 0 MB globals, 2 P\n"
    )
    log = line.format(n=1, clock=60, cpu="10/30/10") + line.format(n=2, clock=40, cpu="0/20/20")
    assert reach.go_shares(log) == {"background": 0.25, "idle": 0.15, "assist": 0.05}
    with pytest.raises(RuntimeError, match="no line"):
        reach.go_shares("")


def test_the_share_of_collecting_is_that_between_two_cycles(reach: Any) -> None:
    """By 1 s a tenth of all time, by 3 s a half: 0.1 s and 1.5 s, so 1.4 s of 2 s."""
    ends = [(0.9e9, 0.1), (1.5e9, 0.9), (2.9e9, 0.5)]
    cycles = [
        {"since_ns": at, "mark_ns": 0.09e9, "stops": [0.01e9], "gc_cpu_fraction": f}
        for at, f in ends
    ]
    assert reach.collecting(cycles) == pytest.approx(0.7)


@pytest.mark.parametrize("words", [["nothing"], ["stops", "--runs", "0"]])
def test_wrong_arguments(words: list[str]) -> None:
    done = run(*words)
    assert done.returncode == 2 and ("no such section" in done.stderr or "--runs" in done.stderr)
