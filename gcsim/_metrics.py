"""A heap's numbers under the names of Go's runtime/metrics (src/runtime/metrics.go)."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from gcsim._errors import UnknownNameError

if TYPE_CHECKING:
    from gcsim import _core

_Raw = dict[str, Any]  # gcsim_metrics by field


@dataclass(frozen=True, slots=True, repr=False)
class Histogram:
    """Go's metrics.Float64Histogram: ``counts[i]`` values lay from ``buckets[i]`` to the next.

    Sizes are in bytes, times in seconds.
    """

    counts: tuple[int, ...]
    buckets: tuple[float, ...]  #: edges, one more than counts

    @property
    def total(self) -> int:
        """How many values were counted."""
        return sum(self.counts)

    def __repr__(self) -> str:
        used = [i for i, n in enumerate(self.counts) if n]
        where = f" from {self.buckets[used[0]]:g} to {self.buckets[used[-1] + 1]:g}" if used else ""
        return f"<Histogram: {self.total} values{where}>"


# Edges: the size classes, each with its largest size (metrics.go:initMetrics) ...
@cache
def _size_buckets() -> tuple[float, ...]:
    from gcsim import size_class

    slots = [0]
    while slots[-1] < 32768:
        header = 8 if slots[-1] > 512 else 0
        slots.append(size_class(slots[-1] + 1 - header).slot_bytes)
    return (*(float(slot + 1) for slot in slots), math.inf)


# ... and times: 64 ns apart up to 256 ns, then four for each power of two (histogram.go).
_TIME_BUCKETS = (
    -math.inf,
    *(j * 64 / 1e9 for j in range(4)),
    *(((4 + j) << (bit - 2)) / 1e9 for bit in range(8, 47) for j in range(4)),
    (1 << 47) / 1e9,
    math.inf,
)


def _by_size(counts: tuple[int, ...]) -> Histogram:
    return Histogram((*counts[1:], counts[0]), _size_buckets())


def _times(name: str) -> Callable[[_Raw], Histogram]:
    return lambda raw: Histogram(raw[name], _TIME_BUCKETS)


def _field(*names: str) -> Callable[[_Raw], int]:
    return lambda raw: sum(raw[name] for name in names)


def _seconds(*names: str) -> Callable[[_Raw], float]:
    return lambda raw: sum(raw[name] for name in names) / 1e9


_GC = ("assist_ns", "dedicated_ns", "idle_mark_ns", "gc_pause_ns")
_SCAVENGE = ("scavenge_assist_ns", "scavenge_background_ns")
_TAKEN = (*_GC, *_SCAVENGE, "idle_ns")


def _total_ns(raw: _Raw) -> int:
    """Processors times time; at least what was measured."""
    return max(int(raw["total_ns"]), _field(*_TAKEN)(raw))


_SYS = (
    "heap_inuse", "heap_free", "heap_released", "stacks", "mspan_sys", "mcache_sys",
    "buck_hash_sys", "gc_sys", "other_sys",
)  # fmt: skip

_METRICS: dict[str, Callable[[_Raw], int | float | Histogram]] = {
    "/cpu/classes/gc/mark/assist:cpu-seconds": _seconds("assist_ns"),
    "/cpu/classes/gc/mark/dedicated:cpu-seconds": _seconds("dedicated_ns"),
    "/cpu/classes/gc/mark/idle:cpu-seconds": _seconds("idle_mark_ns"),
    "/cpu/classes/gc/pause:cpu-seconds": _seconds("gc_pause_ns"),
    "/cpu/classes/gc/total:cpu-seconds": _seconds(*_GC),
    "/cpu/classes/idle:cpu-seconds": _seconds("idle_ns"),
    "/cpu/classes/scavenge/assist:cpu-seconds": _seconds("scavenge_assist_ns"),
    "/cpu/classes/scavenge/background:cpu-seconds": _seconds("scavenge_background_ns"),
    "/cpu/classes/scavenge/total:cpu-seconds": _seconds(*_SCAVENGE),
    "/cpu/classes/total:cpu-seconds": lambda raw: _total_ns(raw) / 1e9,
    "/cpu/classes/user:cpu-seconds": lambda raw: (_total_ns(raw) - _field(*_TAKEN)(raw)) / 1e9,
    "/gc/cleanups/executed:cleanups": _field("cleanups_executed"),
    "/gc/cleanups/queued:cleanups": _field("cleanups_queued"),
    "/gc/cycles/automatic:gc-cycles": lambda raw: raw["cycles"] - raw["forced_cycles"],
    "/gc/cycles/forced:gc-cycles": _field("forced_cycles"),
    "/gc/cycles/total:gc-cycles": _field("cycles"),
    "/gc/finalizers/executed:finalizers": _field("finalizers_executed"),
    "/gc/finalizers/queued:finalizers": _field("finalizers_queued"),
    "/gc/gogc:percent": _field("gc_percent"),
    "/gc/gomemlimit:bytes": _field("memory_limit"),
    "/gc/heap/allocs-by-size:bytes": lambda raw: _by_size(raw["allocs"]),
    "/gc/heap/allocs:bytes": _field("alloc_bytes"),
    "/gc/heap/allocs:objects": lambda raw: sum(raw["allocs"]),
    "/gc/heap/frees-by-size:bytes": lambda raw: _by_size(raw["frees"]),
    "/gc/heap/frees:bytes": _field("free_bytes"),
    "/gc/heap/frees:objects": lambda raw: sum(raw["frees"]),
    "/gc/heap/goal:bytes": _field("heap_goal"),
    "/gc/heap/live:bytes": _field("heap_live"),
    "/gc/heap/objects:objects": lambda raw: sum(raw["allocs"]) - sum(raw["frees"]),
    "/gc/heap/tiny/allocs:objects": _field("tiny_allocs"),
    "/gc/limiter/last-enabled:gc-cycle": _field("limiter_last_enabled"),
    "/gc/pauses:seconds": _times("pauses_gc"),
    "/gc/scan/globals:bytes": _field("globals_scan"),
    "/gc/scan/heap:bytes": _field("heap_scan"),
    "/gc/scan/stack:bytes": _field("stack_scan"),
    "/gc/scan/total:bytes": _field("globals_scan", "heap_scan", "stack_scan"),
    "/gc/stack/starting-size:bytes": _field("starting_stack_bytes"),
    "/memory/classes/heap/free:bytes": _field("heap_free"),
    "/memory/classes/heap/objects:bytes": lambda raw: raw["alloc_bytes"] - raw["free_bytes"],
    "/memory/classes/heap/released:bytes": _field("heap_released"),
    "/memory/classes/heap/stacks:bytes": _field("stacks"),
    "/memory/classes/heap/unused:bytes": lambda raw: (
        raw["heap_inuse"] - (raw["alloc_bytes"] - raw["free_bytes"])
    ),
    "/memory/classes/metadata/mcache/free:bytes": lambda raw: (
        raw["mcache_sys"] - raw["mcache_inuse"]
    ),
    "/memory/classes/metadata/mcache/inuse:bytes": _field("mcache_inuse"),
    "/memory/classes/metadata/mspan/free:bytes": lambda raw: raw["mspan_sys"] - raw["mspan_inuse"],
    "/memory/classes/metadata/mspan/inuse:bytes": _field("mspan_inuse"),
    "/memory/classes/metadata/other:bytes": _field("gc_sys"),
    "/memory/classes/os-stacks:bytes": lambda raw: 0,  # the stacks of threads are in `other`
    "/memory/classes/other:bytes": _field("other_sys"),
    "/memory/classes/profiling/buckets:bytes": _field("buck_hash_sys"),
    "/memory/classes/total:bytes": _field(*_SYS),
    "/sched/gomaxprocs:threads": _field("procs"),
    "/sched/goroutines-created:goroutines": _field("goroutines_created"),
    "/sched/goroutines/not-in-go:goroutines": lambda raw: 0,
    "/sched/goroutines/runnable:goroutines": lambda raw: 0,
    "/sched/goroutines/running:goroutines": _field("goroutines"),
    "/sched/goroutines/waiting:goroutines": lambda raw: 0,
    "/sched/goroutines:goroutines": _field("goroutines"),
    "/sched/pauses/stopping/gc:seconds": _times("stopping_gc"),
    "/sched/pauses/stopping/other:seconds": _times("stopping_other"),
    "/sched/pauses/total/gc:seconds": _times("pauses_gc"),
    "/sched/pauses/total/other:seconds": _times("pauses_other"),
    "/sched/threads/total:threads": _field("threads"),
}


def _unknown(name: object) -> UnknownNameError:
    near = difflib.get_close_matches(str(name), _METRICS, 3, 0.4)
    return UnknownNameError(f"there is no metric {name!r}; near it: {', '.join(near) or 'none'}")


class Sample(Mapping[str, "int | float | Histogram"]):
    """All metrics as they were at one moment: immutable, outlives the heap."""

    __slots__ = ("_raw",)

    def __init__(self, raw: _Raw) -> None:
        self._raw = raw

    def __getitem__(self, name: str) -> Any:
        if name not in _METRICS:
            raise _unknown(name)
        return _METRICS[name](self._raw)

    def __iter__(self) -> Iterator[str]:
        return iter(_METRICS)

    def __len__(self) -> int:
        return len(_METRICS)

    def __repr__(self) -> str:
        return f"<Sample of {len(self)} metrics after {self._raw['cycles']} collections>"

    def __str__(self) -> str:
        return "\n".join(f"{name:48} {value}" for name, value in self.items())


class Metrics(Mapping[str, "int | float | Histogram"]):
    """``heap.metrics``: Go's runtime/metrics of a heap, a read-only mapping that does not stop it.

    ``heap.metrics["/gc/heap/goal:bytes"]`` reads one; `read` reads all at one moment, so that Go's
    sums hold exactly: the ``/memory/classes`` add up to their total, and so on. CPU seconds are as
    of the last mark termination, objects in spans that mutators allocate from count when the span
    is given back, both as in Go. Histograms are `Histogram` values. A percentage or limit that is
    off reads -1 and 2**63 - 1.

    Every name of Go 1.26 that is about memory or collecting is there, and these of ``/sched``:
    processors, goroutines (all run: nothing schedules them), pauses, threads (the collector's own).
    These are not, and raise a KeyError: ``/cgo`` and ``/godebug`` count what C code here does not
    do, ``/sync/mutex`` and ``/sched/latencies`` belong to a scheduler of goroutines.
    """

    __slots__ = ("_heap",)

    def __init__(self, heap: _core.Heap) -> None:
        self._heap = heap

    def read(self) -> Sample:
        """All metrics at one moment. Raises ClosedHeapError, ForkedHeapError."""
        return Sample(self._heap._read_metrics())

    def __getitem__(self, name: str) -> Any:
        if name not in _METRICS:
            raise _unknown(name)
        return self.read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_METRICS)

    def __len__(self) -> int:
        return len(_METRICS)

    def __repr__(self) -> str:
        return f"<metrics of {self._heap!r}>"
