"""Find the schedule that breaks Yuasa. README.md says how; replace todo(...)."""

from collections.abc import Callable
from typing import Any

from gcsim.learn import todo


def find(begin: Callable[[], Any]) -> list[tuple[str, int]] | None:
    """A shortest list of steps after which an object is lost; None if there is none.

    A state has: ready, a list of letters; ways(letter), in how many ways it can go on (1 or
    more); after(letter, way), the state after that step; lost, a bool; key, an int.
    """
    todo("search")
