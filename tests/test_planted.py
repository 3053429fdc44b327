"""Planted bugs: the list fits its tests, and one of them is found (all: ``make planted``)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parent / "planted" / "run.py"


def test_one_planted_bug_is_found_and_replayed() -> None:
    if not shutil.which("cc"):
        pytest.skip("needs cc")
    ran = subprocess.run(
        [sys.executable, RUN, "--sample", "1"], capture_output=True, text=True, timeout=600
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "1/1 found and replayed" in ran.stdout
