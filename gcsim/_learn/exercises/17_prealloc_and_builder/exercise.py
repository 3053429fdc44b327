"""Slices and strings.Builder: say how much it will be. README.md says how; replace todo(...)."""

from gcsim import Builder, Heap, Slice, i64, slice_  # noqa: F401
from gcsim.learn import todo


def squares(heap: Heap, n: int) -> Slice:
    """A slice of i64 with 0, 1, 4, ... (n - 1) ** 2."""
    todo("fill a slice")


def below(heap: Heap, numbers: Slice, limit: int) -> Slice:
    """A new slice of i64 with those of the numbers that are below the limit, in their order."""
    todo("count, then fill a slice")


def joined(heap: Heap, words: list[str], separator: str) -> Builder:
    """A Builder with all words, and the separator between each two."""
    todo("grow a Builder, then write")


def groups(heap: Heap, numbers: Slice, n: int) -> Slice:
    """A slice of n slices in one array: number i has the numbers with x % n == i, in their order.

    The numbers are not negative. To append to one of the slices must leave the others as they are.
    """
    todo("cut one array into rows")
