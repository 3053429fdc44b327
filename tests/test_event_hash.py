"""One schedule has one history, whatever compiled the core (tests/event_hash.py compares all builds)."""

from __future__ import annotations

import shutil

import pytest
from event_hash import BUILDS, differences

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")]


@pytest.mark.soak
def test_all_builds_tell_the_same() -> None:
    first, found = differences([b for b in BUILDS if shutil.which(b[0])])
    assert len(first) > 100 and not found


def test_two_builds_tell_the_same() -> None:
    others = [b for b in BUILDS if b[0] == "clang" and b[1] == "-O2" and shutil.which(b[0])]
    first, found = differences([("gcc", "-O0"), *others])
    assert len(first) > 100 and not found
