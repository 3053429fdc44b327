"""A cache-friendly list. README.md says how; replace each todo(...)."""

from collections.abc import Iterator

import gcsim
from gcsim import i64, ptr
from gcsim.learn import todo


@gcsim.struct
class Node:
    """A plain node, one value each: it is yours to change. gcsim.array[i64, n] is [n]int64."""

    value: i64
    next: ptr["Node"]


class List:
    """A list of 64-bit numbers that lie together in a heap."""

    def __init__(self, heap: gcsim.Heap) -> None:
        todo("make an empty list")

    def insert(self, i: int, value: int) -> None:
        """Puts a value in front of the i-th; behind all if i is the length."""
        todo("insert a value")

    def delete(self, i: int) -> int:
        """Takes the i-th value out and returns it."""
        todo("delete a value")

    def __len__(self) -> int:
        todo("tell the length")

    def __iter__(self) -> Iterator[int]:
        todo("give the values in order")

    def addresses(self) -> list[int]:
        """Where in memory the values lie, in order."""
        todo("tell the addresses")
