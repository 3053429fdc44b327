"""The twins of tests/bench/twins.py, small: the same work in Go and here, and the same collections."""

from __future__ import annotations

import dataclasses
import importlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parent / "bench"
SMALL = {
    "ring": 12,
    "mixed": 12,
    "trees": 12,
    "large": 1,
    "waves": 12,
}  # part of the slots and steps

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("go"), reason="needs Go"),
    pytest.mark.skipif(not shutil.which("cc"), reason="needs cc"),
]


@pytest.fixture(scope="module")
def closed_loop() -> Iterator[Any]:
    sys.path.insert(0, str(BENCH))
    yield importlib.import_module("closed_loop")
    sys.path.remove(str(BENCH))


@pytest.mark.parametrize("name", SMALL)
def test_small_twins_agree(name: str, closed_loop: Any) -> None:
    """Same checksum, same number of cycles; goals within 2 %: of so small a heap Go's own objects are a part."""
    twin = next(t for t in closed_loop.TWINS if t.name == name)
    part = SMALL[name]
    small = dataclasses.replace(
        twin,
        name=f"small-{name}",
        slots=twin.slots // part,
        steps=twin.steps // part // 5,
        period=twin.period // part // 5,
    )
    c = closed_loop.compare(small, True, 2, 7)
    theirs, ours = c.counts
    assert c.go.checksum == c.ours["checksum"] and c.go.checksum > 0
    assert (
        theirs > 10 and abs(ours - theirs) <= 1 and theirs - len(c.go.trace) in (0, 1)
    )  # the last line may be lost
    assert c.worst_goal < 0.02
    assert len(c.why()) == min(theirs, ours) - 1 and "per cycle" in c.reason
