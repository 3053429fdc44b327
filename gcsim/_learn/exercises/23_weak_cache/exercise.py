"""Write a weak cache. README.md says how; replace todo(...)."""

from collections.abc import Callable
from typing import Any

from gcsim import Heap, Weak
from gcsim.learn import todo


class Cache:
    """Objects of a heap by key, for as long as somebody else uses them."""

    def __init__(self, heap: Heap, load: Callable[[str], Any]) -> None:
        """load(key) makes the object of a key in the heap. It may raise: then there is none."""
        self.heap, self.load = heap, load
        self.entries: dict[str, Weak[Any]] = {}

    def get(self, key: str) -> Any:
        """The object of a key: the one that lives, or else a new one."""
        todo("find it or load it, and see that its entry goes when it does")
