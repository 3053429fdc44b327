"""Does repeating something leave anything behind? After the way of greenlet's leakcheck: an operation
is repeated until what is measured settles; what goes on growing with each repetition leaks."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable, Iterable
from typing import Any

ROUNDS = 40  # of repetitions, before growth is called a leak; Python's own caches fill up slowly


def assert_settles(
    work: Callable[[], Any], measure: Callable[[], dict[str, float]], repeat: int = 5
) -> None:
    """Fails if in every round some number grows by one or more with each repetition of `work`."""
    for _ in range(3):
        work()
    before, after = measure(), measure()  # made beforehand: what is measured includes them
    grown: dict[str, float] = {}
    for _ in range(ROUNDS):
        before.update(measure())
        for _ in range(repeat):
            work()
        after.update(measure())
        grown = {name: after[name] - before[name] for name in before}
        if all(growth < repeat for growth in grown.values()):
            return
    leaks = {name: growth / repeat for name, growth in grown.items() if growth >= repeat}
    raise AssertionError(f"grows with each repetition: {leaks}")


def python_numbers(watched: Iterable[Any] = ()) -> dict[str, float]:
    """What Python holds after a collection: objects, units of 64 bytes, references to some objects,
    and all references where the interpreter counts them."""
    gc.collect()
    gc.collect()
    numbers: dict[str, float] = {"objects": len(gc.get_objects())}
    if tracemalloc.is_tracing():
        numbers["memory"] = tracemalloc.get_traced_memory()[0] / 64
    for thing in watched:
        numbers[f"references to {thing!r:.60}"] = sys.getrefcount(thing)
    if hasattr(sys, "gettotalrefcount"):
        numbers["references"] = sys.gettotalrefcount()
    return numbers
