"""Write a leak detector. README.md says how; replace each todo(...)."""

from collections.abc import Callable
from typing import Any

from gcsim.learn import todo


def is_leak(live: list[int], least: int) -> bool:
    """Does what is alive grow without end? live: bytes after each collection, one a round.

    least: bytes a round that a leak grows by on the average, or more.
    """
    todo("tell a leak from what only looks like one")


def watch(heap: Any, serve: Callable[[], None], rounds: int, least: int) -> str | None:
    """Serves so many rounds on the heap; what holds the leak, or None."""
    todo("read a heap, and name the holder")
