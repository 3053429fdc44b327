"""Compute the trigger and the goal. README.md says how; replace each todo(...)."""

from gcsim.learn import todo


def goal(
    live: int, stacks: int, globals_: int, gogc: int | None, by_limit: int | None = None
) -> int | None:
    """The size that the heap is to have when the next marking ends, bytes; None: there is no goal.

    live: what the last cycle marked. stacks, globals_: what it scanned of these. gogc: per cent,
    None is off. by_limit: what a memory limit leaves to the heap (see limit_goal), None: no limit.
    """
    todo("compute the goal")


def limit_goal(live: int, limit: int, mapped: int, heap: int) -> int:
    """What a memory limit leaves to the heap, bytes.

    mapped: all memory that the process has from the system. heap: the part of it that is the heap,
    objects and what is free.
    """
    todo("compute what the limit leaves")


def runway(cons_mark: float, scan: int) -> int:
    """What the program allocates while `scan` bytes are scanned, bytes."""
    todo("compute the runway")


def trigger(live: int, goal: int, runway: int, limited: bool) -> int:
    """The size of the heap at which the next cycle begins, bytes.

    limited: the goal is what the memory limit leaves.
    """
    todo("compute the trigger")
