"""Planted bugs: three of them are found by the explorer (all: ``make planted``)."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
RUN = TESTS / "planted" / "run.py"


def run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, RUN, *args], capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_planted_bugs_are_found_and_their_schedules_replayed() -> None:
    if not shutil.which("cc"):
        pytest.skip("needs cc")
    ran = run("--only", "detach")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "3/3 found and replayed" in ran.stdout


def test_each_planted_bug_has_its_place_and_its_stage() -> None:
    csrc = TESTS.parent / "csrc"
    listed = re.findall(r"^BUG\((\w+),", (csrc / "base" / "bugs.def").read_text(), re.M)
    core = "".join(p.read_text() for d in ("alloc", "gc") for p in sorted((csrc / d).glob("*.c")))
    assert set(re.findall(r"PLANTED\((\w+)\)", core)) == set(listed)
    stages = (csrc / "tests" / "test_planted.c").read_text()
    assert [b for b in listed if f"[BUG_{b}] = " not in stages] == []
    assert len(run("--list").stdout.splitlines()) == len(listed) >= 12
    assert "no planted bug" in run("--only", "nothing").stderr
