"""``/metrics``: heaps in Prometheus' text format, under the names that Go programs have there.

The names are those of client_golang: ``go_memstats_*``, ``go_gc_duration_seconds`` and so on
(go_collector.go), and each of runtime/metrics under the name that its rule makes
(internal/go_runtime_metrics.go: RuntimeMetricsToProm). Every sample has a label ``heap``. As there,
MemStats come from runtime/metrics, which nobody is stopped for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from gcsim._errors import Error
from gcsim._metrics import Histogram, Sample

if TYPE_CHECKING:
    from gcsim._results import Cycle
    from gcsim._serve import Served

TYPE = "text/plain; version=0.0.4; charset=utf-8"

_Number = int | float


class _Line(NamedTuple):
    """One sample of a family: what is added to its name, labels, value."""

    value: _Number
    suffix: str = ""
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class _Family:
    """All samples of one name, of all heaps."""

    kind: str
    help: str
    lines: list[tuple[str, _Line]] = field(default_factory=list)  #: heap, sample


# ---- MemStats (go_collector.go: goRuntimeMemStats; go_collector_latest.go: memStatsFromRM) ----

_OBJECTS = "/memory/classes/heap/objects:bytes"
_UNUSED = "/memory/classes/heap/unused:bytes"
_FREE = "/memory/classes/heap/free:bytes"
_RELEASED = "/memory/classes/heap/released:bytes"
_TINY = "/gc/heap/tiny/allocs:objects"
_STACKS = "/memory/classes/heap/stacks:bytes"
_MSPAN = "/memory/classes/metadata/mspan/inuse:bytes"
_MCACHE = "/memory/classes/metadata/mcache/inuse:bytes"

# Name after go_memstats_, and which metrics it is the sum of.
_MEMSTATS: dict[str, tuple[str, ...]] = {
    "alloc_bytes": (_OBJECTS,),
    "alloc_bytes_total": ("/gc/heap/allocs:bytes",),
    "sys_bytes": ("/memory/classes/total:bytes",),
    "mallocs_total": ("/gc/heap/allocs:objects", _TINY),
    "frees_total": ("/gc/heap/frees:objects", _TINY),
    "heap_alloc_bytes": (_OBJECTS,),
    "heap_sys_bytes": (_OBJECTS, _UNUSED, _RELEASED, _FREE),
    "heap_idle_bytes": (_RELEASED, _FREE),
    "heap_inuse_bytes": (_OBJECTS, _UNUSED),
    "heap_released_bytes": (_RELEASED,),
    "heap_objects": ("/gc/heap/objects:objects",),
    "stack_inuse_bytes": (_STACKS,),
    "stack_sys_bytes": (_STACKS, "/memory/classes/os-stacks:bytes"),
    "mspan_inuse_bytes": (_MSPAN,),
    "mspan_sys_bytes": (_MSPAN, "/memory/classes/metadata/mspan/free:bytes"),
    "mcache_inuse_bytes": (_MCACHE,),
    "mcache_sys_bytes": (_MCACHE, "/memory/classes/metadata/mcache/free:bytes"),
    "buck_hash_sys_bytes": ("/memory/classes/profiling/buckets:bytes",),
    "gc_sys_bytes": ("/memory/classes/metadata/other:bytes",),
    "other_sys_bytes": ("/memory/classes/other:bytes",),
    "next_gc_bytes": ("/gc/heap/goal:bytes",),
}


def _memstats(sample: Sample, cycles: tuple[Cycle, ...]) -> Iterator[tuple[str, _Family, _Line]]:
    for name, parts in _MEMSTATS.items():
        kind = "counter" if name.endswith("_total") else "gauge"
        about = _Family(kind, f"Of Go's MemStats: {' + '.join(parts)}.")
        yield f"go_memstats_{name}", about, _Line(sum(sample[part] for part in parts))
    last = cycles[-1] if cycles else None
    ended = last.start_ns + sum(ns for _, ns in last.phases[:3]) if last else 0
    about = _Family("gauge", "End of the last collection, seconds since 1970; 0: there was none.")
    yield "go_memstats_last_gc_time_seconds", about, _Line(ended / 1e9)


# ---- the others ----


def _others(
    sample: Sample, cycles: tuple[Cycle, ...], paused_ns: int
) -> Iterator[tuple[str, _Family, _Line]]:
    about = _Family("gauge", "Goroutines that have not ended.")
    yield "go_goroutines", about, _Line(sample["/sched/goroutines:goroutines"])
    about = _Family("gauge", "Threads that the collector has started.")
    yield "go_threads", about, _Line(sample["/sched/threads/total:threads"])
    # Quantiles as debug.ReadGCStats has them, of the collections that are remembered (256).
    pauses = sorted(cycle.pause_ns for cycle in cycles)
    about = _Family("summary", "For how long each of the last collections stopped the world.")
    for i in range(5):
        pause = pauses[min(len(pauses) * i // 4, len(pauses) - 1)] if pauses else 0
        quantile = (("quantile", f"{i / 4:g}"),)
        yield "go_gc_duration_seconds", about, _Line(pause / 1e9, labels=quantile)
    yield "go_gc_duration_seconds", about, _Line(paused_ns / 1e9, "_sum")
    count = sample["/gc/cycles/total:gc-cycles"]
    yield "go_gc_duration_seconds", about, _Line(count, "_count")


def _info() -> tuple[str, _Family, _Line]:
    from gcsim import __version__

    about = _Family("gauge", "The version of gcsim, and of the Go runtime whose rules it follows.")
    labels = (("version", __version__), ("go", "go1.26"))
    return "gcsim_info", about, _Line(1, labels=labels)


# ---- runtime/metrics ----

# Those that only grow (runtime/metrics/description.go: Cumulative), by how their names begin.
_CUMULATIVE = (
    "/cpu/classes/", "/gc/cleanups/", "/gc/cycles/", "/gc/finalizers/", "/gc/heap/allocs",
    "/gc/heap/frees", "/gc/heap/tiny/", "/sched/goroutines-created:",
)  # fmt: skip
_EXACT_SUMS = {
    "/gc/heap/allocs-by-size:bytes": "/gc/heap/allocs:bytes",
    "/gc/heap/frees-by-size:bytes": "/gc/heap/frees:bytes",
}


def prometheus_name(name: str, *, histogram: bool = False) -> str:
    """``/gc/heap/allocs:bytes`` as ``go_gc_heap_allocs_bytes_total``."""
    path, _, unit = name.partition(":")
    made = f"go{path}_{unit.replace('/', '_per_').replace('*', '_')}"
    total = "_total" if name.startswith(_CUMULATIVE) and not histogram else ""
    return made.replace("/", "_").replace("-", "_") + total


def _fewer_edges(edges: tuple[float, ...], unit: str) -> list[float]:
    """Edges a power of 2 (bytes) or 10 (seconds, up to one) apart, of those that there are."""
    base = 2 if unit == "bytes" else 10
    finite = [edge for edge in edges if math.isfinite(edge)]
    kept = finite[:1]
    for edge in finite[1:]:
        if edge >= kept[-1] * base and (kept[-1] > 0 or edge > kept[-1]):
            kept.append(edge)
    if unit == "seconds":
        kept = [edge for edge in kept if edge <= 1]
    return [*kept, math.inf]


def _histogram(histogram: Histogram, unit: str, exact: _Number | None) -> Iterator[_Line]:
    edges = _fewer_edges(histogram.buckets, unit)
    counts = dict.fromkeys(edges[1:], 0)
    total, above = 0.0, iter(edges[1:])
    edge = next(above)
    for low, high, count in zip(
        histogram.buckets[:-1], histogram.buckets[1:], histogram.counts, strict=True
    ):
        while high > edge:
            edge = next(above)
        counts[edge] += count
        total += count * max(low, 0.0)  # at least: as if each were as small as it can be
    so_far = 0
    for edge, count in counts.items():
        so_far += count
        # Go's upper edges belong to the next bucket, Prometheus' to their own.
        bound = "+Inf" if edge == math.inf else repr(math.nextafter(edge, -math.inf))
        yield _Line(so_far, "_bucket", (("le", bound),))
    yield _Line(total if exact is None else exact, "_sum")
    yield _Line(so_far, "_count")


def _runtime_metrics(sample: Sample) -> Iterator[tuple[str, _Family, _Line]]:
    for name, value in sample.items():
        if isinstance(value, Histogram):
            about = _Family("histogram", f"Go's {name}.")
            exact = sample[_EXACT_SUMS[name]] if name in _EXACT_SUMS else None
            for line in _histogram(value, name.partition(":")[2], exact):
                yield prometheus_name(name, histogram=True), about, line
        else:
            made = prometheus_name(name)
            kind = "counter" if made.endswith("_total") else "gauge"
            yield made, _Family(kind, f"Go's {name}."), _Line(value)


# ---- the text ----


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: _Number) -> str:
    if isinstance(value, float) and math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)


def _text(families: Mapping[str, _Family]) -> Iterator[str]:
    for name, family in families.items():
        yield f"# HELP {name} {family.help}"
        yield f"# TYPE {name} {family.kind}"
        for heap, line in family.lines:
            labels = (*((("heap", heap),) if heap else ()), *line.labels)
            shown = ",".join(f'{key}="{_escaped(value)}"' for key, value in labels)
            yield f"{name}{line.suffix}{{{shown}}} {_number(line.value)}"


def exposition(heaps: Iterable[Served]) -> str:
    """The text of all heaps; one that cannot be read now is named in a comment, with why."""
    families: dict[str, _Family] = {}
    comments: list[str] = []

    def add(heap: str, rows: Iterable[tuple[str, _Family, _Line]]) -> None:
        for name, about, line in rows:
            families.setdefault(name, about).lines.append((heap, line))

    add("", [_info()])
    for served in heaps:
        try:
            sample, cycles = served.heap.metrics.read(), served.cycles()
        except Error as error:
            comments.append(f"# heap {served.name!r}: {error}".replace("\n", " "))
            continue
        add(served.name, _others(sample, cycles, served.paused_ns))
        add(served.name, _memstats(sample, cycles))
        add(served.name, _runtime_metrics(sample))
    return "\n".join([*_text(families), *comments]) + "\n"
