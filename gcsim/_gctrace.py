"""Reading what ``GODEBUG=gctrace=1,gcpacertrace=1`` prints, Go 1.19 and later."""

from __future__ import annotations

import re
from dataclasses import dataclass

_CYCLE = re.compile(r"^gc (\d+) @(\S+)s (\d+)%: ")
_HEAP = re.compile(r" (\d+)->(\d+)->(\d+) MB, ")
_PACER = re.compile(
    r"pacer: (\d+)% CPU \((\d+) exp\.\) for (\d+)\+(\d+)\+(\d+) B work \((\d+) B exp\.\)"
    r" in (\d+) B -> (\d+) B \(∆goal (-?\d+), cons/mark ([^)\s]+)\)"
)


@dataclass(frozen=True)
class PacerLine:
    """The pacer's line at the end of a cycle (mgcpacer.go:endCycle). Bytes."""

    heap_scan_work: int
    stack_scan_work: int
    globals_scan_work: int
    expected_work: int
    triggered: int
    heap_live: int
    over_goal: int
    cons_mark: float  # in force during the cycle

    @property
    def goal(self) -> int:
        """The goal at the end of the cycle."""
        return self.heap_live - self.over_goal


@dataclass(frozen=True)
class TraceCycle:
    """One cycle of a log; `pacer` is None where nothing was allocated while it marked."""

    number: int
    at_s: float
    pacer: PacerLine | None
    heap_mb: tuple[int, int, int] | None = None  #: heap_live at the start, at the end; marked


def is_log(text: str) -> bool:
    """Whether a text holds a gctrace line near its beginning."""
    return any(_CYCLE.match(line) for line in text.splitlines()[:1000])


def read(text: str) -> list[TraceCycle]:
    """The cycles of a log, in order; lines of the program itself are passed over.

    Raises ValueError for a number that cannot be read.
    """
    cycles: list[TraceCycle] = []
    pending: PacerLine | None = None
    for line in text.splitlines():
        if found := _PACER.search(line):
            heap, stack, globals_, expected, triggered, live, over = map(int, found.groups()[2:9])
            pending = PacerLine(
                heap, stack, globals_, expected, triggered, live, over, float(found[10])
            )
        elif found := _CYCLE.match(line):
            heap_mb = _HEAP.search(line)
            sizes = (int(heap_mb[1]), int(heap_mb[2]), int(heap_mb[3])) if heap_mb else None
            cycles.append(TraceCycle(int(found[1]), float(found[2]), pending, sizes))
            pending = None
    return cycles
