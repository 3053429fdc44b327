"""Write a live GC monitor. README.md says how; replace each todo(...)."""

from typing import Any

from gcsim.learn import todo


class Monitor:
    """Watches a program by what gctrace prints."""

    def __init__(self, pause_ms: float, cpu: float) -> None:
        """Alerts are for a stop of more than `pause_ms` ms, and a part of more than `cpu` (0 to 1)
        of all CPU time in three cycles one after the other.
        """
        todo("keep the limits, begin to count")

    def line(self, text: str) -> dict[str, Any] | None:
        """Takes one line of standard error; None if it is no cycle's.

        Else {"number": int, "forced": bool, "stops_ms": (float, float), "heap_mb": (int, int, int),
        "cpu": float | None, "alerts": [...]}, where alerts has "pause", "cpu", both or neither.
        """
        todo("take a line apart")

    def report(self) -> dict[str, Any]:
        """All lines so far.

        {"cycles": int, "forced": int, "lost": int (cycles whose lines are missing), "stop_ms": all
        stops together, "worst_stop_ms": the longest one, "mean_stop_ms": per cycle of those seen,
        "peak_mb": int (the largest of all sizes), "alerts": [(number, alert), ...]}
        """
        todo("add it up")


def new_pauses(seen: int, num_gc: int, pause_ns: list[int]) -> list[int]:
    """The pauses of the cycles after cycle number `seen`, the oldest first, ns.

    num_gc, pause_ns: NumGC and PauseNs of runtime.MemStats, a ring of the last 256 pauses. The
    newest is at (num_gc + 255) % 256.
    """
    todo("read the ring")
