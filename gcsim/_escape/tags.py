"""What a parameter leaks, as callers see it (`escape/leaks.go`).

The fewest dereferences after which the parameter's value flows to the heap, to a pointer operand
of an indirect store, to a called function value, and to each of the first five results.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

RESULTS = 5  # numEscResults


class Leaks:
    """`heap`, `mutator`, `callee` and `results`: dereferences, or None where nothing flows."""

    __slots__ = ("callee", "heap", "mutator", "results")

    def __init__(self) -> None:
        self.heap: int | None = None
        self.mutator: int | None = None
        self.callee: int | None = None
        self.results: list[int | None] = [None] * RESULTS

    def add(self, what: str, derefs: int) -> None:
        old = getattr(self, what)
        if old is None or derefs < old:
            setattr(self, what, min(derefs, 254))

    def add_result(self, index: int, derefs: int) -> None:
        old = self.results[index]
        if old is None or derefs < old:
            self.results[index] = min(derefs, 254)

    def only_itself(self) -> None:
        """Forget what flows after a dereference: there are no pointers behind the parameter."""
        for what in ("heap", "mutator", "callee"):
            if (getattr(self, what) or 0) > 0:
                setattr(self, what, None)
        self.results = [None if r else r for r in self.results]

    def optimise(self) -> None:
        """Forget what is no nearer than the heap."""
        heap = self.heap
        if heap is None:
            return
        if self.mutator is not None and self.mutator >= heap:
            self.mutator = None
        if self.callee is not None and self.callee >= heap:
            self.callee = None
        self.results = [None if r is not None and r >= heap else r for r in self.results]

    @classmethod
    def everything(cls) -> Leaks:
        """Of a parameter of which nothing is known."""
        made = cls()
        made.heap = 0
        return made

    @classmethod
    def of(cls, recorded: Any) -> Leaks:
        """From a record {"heap": n, "mutator": n, "callee": n, "results": [n, ...]}, or None."""
        made = cls()
        if recorded is None:
            return made
        made.heap = recorded.get("heap")
        made.mutator = recorded.get("mutator")
        made.callee = recorded.get("callee")
        results: Sequence[int | None] = recorded.get("results") or ()
        for i, derefs in enumerate(results[:RESULTS]):
            made.results[i] = derefs
        return made

    def record(self) -> dict[str, Any]:
        """As in the data of imported packages."""
        return {
            "heap": self.heap,
            "mutator": self.mutator,
            "callee": self.callee,
            "results": list(self.results),
        }
