"""Choose GOGC and a limit for a workload. README.md says how; replace todo(...)."""

from gcsim.learn import todo


def choose(
    live: int, spike: int, budget: int, machine: int, other: int
) -> tuple[int | None, int | None]:
    """GOGC in per cent (None: off) and the memory limit in bytes (None: none).

    live: bytes that live all the time, spike: bytes more that live for a while (0: never).
    budget: bytes that the process may take outside spikes, machine: bytes that it may ever take.
    other: bytes of it that are not the heap.
    """
    todo("choose GOGC and a limit")
