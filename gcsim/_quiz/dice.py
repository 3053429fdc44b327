"""Dice that fall alike everywhere: on every machine, under every Python, whatever the hash seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

_T = TypeVar("_T")


class Dice:
    """Random choices that follow from a text.

    Everything is made of ``random()``: of all methods of random.Random it is the one whose sequence
    Python promises to keep, and a text as seed goes through SHA-512.
    """

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed).random

    def below(self, n: int) -> int:
        """0 to n - 1."""
        return int(self._random() * n)

    def between(self, low: int, high: int) -> int:
        """low to high, both of them too."""
        return low + self.below(high - low + 1)

    def chance(self, share: float) -> bool:
        """True in that share of throws."""
        return self._random() < share

    def pick(self, things: Sequence[_T]) -> _T:
        """One of them."""
        return things[self.below(len(things))]

    def some(self, things: Sequence[_T], n: int) -> list[_T]:
        """n different ones, in any order."""
        left = list(things)
        return [left.pop(self.below(len(left))) for _ in range(n)]
