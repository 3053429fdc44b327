"""What a heap tells, as immutable values that outlive it: MemStats, Cycle, spans, objects, events.

The numbers come from ``csrc/bind/results.c``. Sizes are in bytes, times in nanoseconds.
"""

from __future__ import annotations

import html
import struct
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from gcsim import _core
    from gcsim._graph import HeapGraph
    from gcsim._types import TypeInfo

_OFF = (1 << 64) - 1  # a heap goal when the collector is off
_NO_LIMIT = (1 << 63) - 1
_MINIMUM = 4 << 20  # Go's smallest heap goal at GOGC=100 (mgcpacer.go:defaultHeapMinimum)


def bytes_text(n: float) -> str:
    """1536 as "1.5 KiB"."""
    for unit in ("B", "KiB", "MiB"):
        if n < 1024:
            return f"{n:.0f} {unit}" if unit == "B" else f"{n:.1f} {unit}"
        n /= 1024
    return f"{n:.1f} GiB"


def _ns_text(ns: float) -> str:
    for unit, size in (("ns", 1), ("us", 1e3), ("ms", 1e6)):
        if ns < 1000 * size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns / 1e9:.3g} s"


# ---- MemStats ----


class SizeStats(NamedTuple):
    """One size class in `MemStats.by_size`: objects allocated and freed since the heap was made."""

    size: int
    mallocs: int
    frees: int


@dataclass(frozen=True, slots=True, repr=False)
class MemStats:
    """Go's runtime.MemStats, field for field (mstats.go:MemStats), names in snake case."""

    alloc: int
    total_alloc: int
    sys: int
    lookups: int
    mallocs: int
    frees: int
    heap_alloc: int
    heap_sys: int
    heap_idle: int
    heap_inuse: int
    heap_released: int
    heap_objects: int
    stack_inuse: int
    stack_sys: int
    mspan_inuse: int
    mspan_sys: int
    mcache_inuse: int
    mcache_sys: int
    buck_hash_sys: int
    gc_sys: int
    other_sys: int
    next_gc: int  #: the heap goal; 2**64 - 1 if the collector is off
    last_gc: int  #: end of the last collection, ns since 1970; 0 if there was none
    pause_total_ns: int
    pause_ns: tuple[int, ...]  #: 256 entries, the newest at (num_gc + 255) % 256
    pause_end: tuple[int, ...]  #: the same for their ends, ns since 1970
    num_gc: int
    num_forced_gc: int
    gc_cpu_fraction: float
    enable_gc: bool
    debug_gc: bool
    by_size: tuple[SizeStats, ...]  #: classes 0 to 60

    def __repr__(self) -> str:
        return (
            f"<MemStats: {bytes_text(self.heap_alloc)} in {self.heap_objects} objects, "
            f"{bytes_text(self.sys)} from the system, {self.num_gc} collections>"
        )

    def __str__(self) -> str:
        lines = [
            f"{f.name:16} {getattr(self, f.name)!s:>22}"
            for f in fields(self)
            if f.name not in ("by_size", "pause_ns", "pause_end")
        ]
        lines += ["", f"{'size':>8} {'mallocs':>12} {'frees':>12} {'live':>12} {'bytes':>14}"]
        for size, mallocs, frees in self.by_size:
            if mallocs:
                live = mallocs - frees
                lines.append(f"{size:8} {mallocs:12} {frees:12} {live:12} {live * size:14}")
        return "\n".join(lines)


def make_memstats(numbers: dict[str, Any]) -> MemStats:
    by_size = tuple(SizeStats(*row) for row in numbers.pop("by_size"))
    return MemStats(**numbers, by_size=by_size)


@dataclass(frozen=True, slots=True, repr=False)
class GCStats:
    """What Go's debug.ReadGCStats tells (runtime/debug/garbage.go). Up to 256 pauses are kept."""

    num_gc: int
    last_gc: int  #: ns since 1970
    pause_total: int  #: ns, of all pauses ever
    pause: tuple[int, ...]  #: ns, newest first
    pause_end: tuple[int, ...]  #: ns since 1970, newest first

    def quantiles(self, count: int = 5) -> tuple[int, ...]:
        """Minimum, quantiles and maximum of the kept pauses, in ns; zeros if there are none.

        ``count`` numbers, as Go computes them: entry i is ``sorted[n * i // (count - 1)]`` and the
        last one the maximum. ValueError if count is less than 1.
        """
        if count < 1:
            raise ValueError(f"count={count}: at least one quantile")
        if not self.pause:
            return (0,) * count
        ordered, last = sorted(self.pause), count - 1
        inner = (ordered[len(ordered) * i // last] for i in range(last))
        return (*inner, ordered[-1])

    def __repr__(self) -> str:
        longest = _ns_text(max(self.pause, default=0))
        return (
            f"<GCStats: {self.num_gc} collections, {_ns_text(self.pause_total)} paused, "
            f"longest {longest}>"
        )


def make_gc_stats(numbers: dict[str, Any]) -> GCStats:
    num_gc: int = numbers["num_gc"]
    newest_first = [(num_gc + 255 - i) % 256 for i in range(min(num_gc, 256))]
    return GCStats(
        num_gc=num_gc,
        last_gc=numbers["last_gc"],
        pause_total=numbers["pause_total_ns"],
        pause=tuple(numbers["pause_ns"][i] for i in newest_first),
        pause_end=tuple(numbers["pause_end"][i] for i in newest_first),
    )


# ---- cycles ----


class LimiterState(NamedTuple):
    """The CPU limiter when a cycle ended: a bucket of CPU time (mgclimit.go). ns."""

    fill: int
    capacity: int
    limited: int  #: how often it came on, ever

    @property
    def limiting(self) -> bool:
        """Whether the bucket was full: then nobody assists."""
        return 0 < self.capacity <= self.fill


@dataclass(frozen=True, slots=True, repr=False)
class Cycle:
    """One collection: what led to it, what it did, how long it took (gcsim.h:gcsim_cycle)."""

    number: int  #: 1, 2, ...
    trigger: str  #: "heap" (the trigger was reached), "forced" (collect was called) or "periodic"
    gc_percent: int | None  #: GOGC at the start; None is off
    start_ns: int  #: since 1970; in step mode, where time is steps, since the heap was made
    since_ns: int  #: since the heap was made
    heap_live: int  #: at the start: what the trigger compared
    trigger_bytes: int | None  #: heap_live at which it was to start; None: never
    goal: int | None  #: the goal then in force; None: the collector was off
    marked_before: int  #: bytes marked by the cycle before
    stack_scan: int  #: bytes of frames that the goal counted
    globals_scan: int  #: bytes of globals
    heap_scan_before: int  #: bytes of objects that the cycle before read
    heap_scan: int  #: scannable part of heap_live
    memory_limit: int | None
    limit_goal: int | None  #: what the limit left to the heap; None: no limit
    runway: int  #: bytes expected to be allocated while marking
    cons_mark: float  #: bytes allocated per byte marked, per processor, as estimated
    assist_ratio: float  #: scan work per byte allocated, at the start
    fractional_goal: float  #: share of each processor
    dedicated_workers: int
    procs: int
    stopped: bool  #: the world was stopped while marking (gcstoptheworld)
    objects_marked: int
    roots: int  #: root slots that were not nil
    pointers: int  #: pointers that were not nil, in roots and objects
    scan_work: int  #: bytes of objects up to their last pointers
    stack_work: int  #: bytes of frames
    globals_work: int
    dedicated_ns: int  #: CPU time of marking by workers that own a processor,
    fractional_ns: int  #: by those that take a share of one,
    idle_ns: int  #: on processors that nobody used,
    assist_ns: int  #: and by allocations that owed it
    background_ns: int  #: dedicated and fractional
    rescans: int  #: mark passes repeated because work buffers ran out of memory
    heap_end: int  #: heap_live when marking ended
    end_goal: int | None  #: the goal in force then
    heap_marked: int  #: bytes of slots marked by this cycle: what lives
    next_goal: int | None
    next_trigger: int | None
    utilization: float  #: share of all CPU time that background marking and assists took
    cons_mark_after: float  #: the estimate from now on
    gc_cpu_fraction: float  #: share of all CPU time since the heap was made that collecting took
    limiter: LimiterState
    stop_ns: int  #: until the world stood still, and the first stop's work was done
    mark_ns: int  #: from the end of the first stop to the request for the second
    pause_ns: int  #: the world was asked to stop or stood still: both stops
    pause1_ns: (
        int  #: the stop that begins marking; 0 if the world was stopped from there to the end
    )
    pause2_ns: int  #: the stop that ends it
    stopping1_ns: int  #: of pause1_ns, until the world stood still
    stopping2_ns: int
    sweep_ns: int  #: of the sweep that `collect` itself waits for, else 0
    freed_objects: int  #: by this cycle's sweep as far as it got when this was read
    freed_bytes: int
    weak_cleared: int
    pages_swept: int
    sweep_live: int  #: heap_live when all was swept; 0: not yet
    sweep_ratio: float  #: pages that allocation must sweep per byte

    @property
    def why(self) -> str:
        """What started it, and the arithmetic, line by line."""
        if self.trigger == "forced":
            lines = ["collect() was called: a full collection and sweep, as runtime.GC"]
        elif self.trigger == "periodic":
            lines = ["there had been no collection for the period (Go: 2 minutes)"]
        else:
            lines = [
                f"the heap reached its trigger: {self.heap_live:_} bytes live"
                f" >= {self.trigger_bytes:_}"
            ]
        lines += self._goal_lines()
        if self.trigger == "heap":
            lines += self._trigger_lines()
        else:
            lines.append(f"{self.heap_live:_} bytes were live")
        return "\n".join([*lines, *self._end_lines()])

    def _goal_lines(self) -> list[str]:
        goal, percent = self.goal, self.gc_percent
        limited = self.limit_goal is not None and goal == self.limit_goal
        if goal is None or (percent is None and not limited):
            return ["no goal was in force: the collector was off (GOGC=off)"]
        lines: list[str] = []
        if percent is not None:
            lines, by_percent = self._percent_lines(percent)
            if not limited and goal != by_percent:
                lines.append(
                    f"     was {goal:_} when it was set: there were other globals or settings then,"
                    " or it started late and got room to finish in"
                )
        if limited:
            lines.append(
                f"memory limit {self.memory_limit:_}: it leaves the heap {goal:_},"
                " which is less: that is the goal"
                if lines
                else f"GOGC is off; memory limit {self.memory_limit:_} leaves the heap {goal:_}:"
                " that is the goal"
            )
        return lines

    def _percent_lines(self, percent: int) -> tuple[list[str], int]:
        marked = self.marked_before
        counted = marked + self.stack_scan + self.globals_scan
        computed = marked + counted * percent // 100
        minimum = _MINIMUM * percent // 100
        lines = [
            "goal = marked + (marked + stacks + globals) * GOGC / 100",
            f"     = {marked:_} + ({marked:_} + {self.stack_scan:_} + {self.globals_scan:_})"
            f" * {percent} / 100 = {computed:_}",
        ]
        if computed < minimum:
            lines.append(f"     raised to the minimum, 4 MiB * {percent} / 100 = {minimum:_}")
        return lines, max(computed, minimum)

    def trigger_bounds(self) -> tuple[int, int] | None:
        """Least and greatest trigger (mgcpacer.go:trigger), bytes; None without a goal.

        45 and 61 of 64 parts of the way from what was marked to the goal, or 4 MiB below the goal
        if that is more. What sweeping needs may raise the least one.
        """
        if self.goal is None:
            return None
        marked, step = self.marked_before, max(self.goal - self.marked_before, 0) // 64
        return marked + 45 * step, max(marked + 61 * step, self.goal - _MINIMUM)

    def _trigger_lines(self) -> list[str]:
        bounds = self.trigger_bounds()
        if bounds is None or self.goal is None or self.trigger_bytes is None:
            return []
        least, most = bounds
        wanted = self.goal - self.runway
        trigger = min(max(wanted, least), most)
        lines = [
            f"trigger: goal - runway = {self.goal:_} - {self.runway:_} = {wanted:_},"
            f" within {least:_} to {most:_}: {trigger:_}",
            "     runway = cons/mark * 75/25 * (heap scan + stacks + globals)"
            f" = {self.cons_mark:.6g} * 3 *"
            f" ({self.heap_scan_before:_} + {self.stack_scan:_} + {self.globals_scan:_})",
        ]
        if trigger != self.trigger_bytes:
            lines.append(
                f"     was {self.trigger_bytes:_} when it was set: the goal was another then,"
                " or sweeping needed room"
            )
        late = self.heap_live - self.trigger_bytes
        return [*lines, f"     started {late:_} bytes after it"]

    def _end_lines(self) -> list[str]:
        if self.end_goal is None:
            return []
        over = self.overshoot or 0
        how = f"{over:_} bytes above" if over > 0 else f"{-over:_} bytes below"
        return [f"marking ended with {self.heap_end:_} bytes live, {how} its goal"]

    @property
    def overshoot(self) -> int | None:
        """Bytes by which the heap was above its goal when marking ended; negative: below it."""
        return None if self.end_goal is None else self.heap_end - self.end_goal

    @property
    def phases(self) -> tuple[tuple[str, int], ...]:
        """(name, ns) of each phase, in order.

        "sweep termination" and "mark termination" are stops, from the request on; "sweep" is what
        `collect` waited for. With the world stopped all along, its one stop is in three parts.
        """
        before = self.stop_ns + self.mark_ns
        return (
            ("sweep termination", self.stop_ns if self.stopped else self.pause1_ns),
            ("mark", self.mark_ns),
            (
                "mark termination",
                max(self.pause2_ns - before, 0) if self.stopped else self.pause2_ns,
            ),
            ("sweep", self.sweep_ns),
        )

    @property
    def stops(self) -> tuple[int, ...]:
        """How long the world was stopped, from the request on, in ns, each time."""
        return (self.pause2_ns,) if self.stopped else (self.pause1_ns, self.pause2_ns)

    @property
    def mark_work(self) -> tuple[tuple[str, int], ...]:
        """(kind, CPU ns) of marking: by dedicated, fractional and idle workers, and by assists.

        Which mutator assisted how long is in the events ("assist").
        """
        return (
            ("dedicated", self.dedicated_ns),
            ("fractional", self.fractional_ns),
            ("idle", self.idle_ns),
            ("assist", self.assist_ns),
        )

    @property
    def marked(self) -> int:
        """Bytes found alive: `heap_marked`."""
        return self.heap_marked

    @property
    def freed(self) -> int:
        """Bytes given back by the sweep: `freed_bytes`."""
        return self.freed_bytes

    def __repr__(self) -> str:
        return (
            f"<Cycle {self.number} ({self.trigger}): {self.heap_live:_} -> {self.heap_marked:_} B, "
            f"{self.objects_marked} objects live, {self.freed_objects} freed, "
            f"stopped {_ns_text(self.pause_ns)}>"
        )

    def _repr_html_(self) -> str:
        first, *rest = (html.escape(line) for line in str(self).splitlines())
        return f"<div><b>{first}</b><pre>{chr(10).join(rest)}</pre></div>"

    def __str__(self) -> str:
        def times(pairs: tuple[tuple[str, int], ...]) -> str:
            return ", ".join(f"{name} {_ns_text(ns)}" for name, ns in pairs)

        lines = [repr(self), self.why, times(self.phases), f"marked by: {times(self.mark_work)}"]
        if self.limiter.capacity:
            lines.append(
                f"limiter: {self.limiter.fill / self.limiter.capacity:.0%} full,"
                f" on {self.limiter.limited} times"
            )
        return "\n".join(lines)


def make_cycle(numbers: dict[str, Any]) -> Cycle:
    raw = dict(numbers)
    raw["trigger"] = ("heap", "forced", "periodic")[raw["trigger"]]
    raw["stopped"] = bool(raw["stopped"])
    raw["gc_percent"] = None if raw["gc_percent"] < 0 else raw["gc_percent"]
    for name in ("goal", "next_goal", "trigger_bytes", "limit_goal", "end_goal", "next_trigger"):
        raw[name] = None if raw[name] == _OFF else raw[name]
    if raw["memory_limit"] in (0, _NO_LIMIT):  # 0: the core has no limit to set
        raw["memory_limit"] = raw["limit_goal"] = None
    raw["limiter"] = LimiterState(
        raw.pop("limiter_fill"), raw.pop("limiter_capacity"), raw.pop("limited")
    )
    return Cycle(**raw)


# ---- spans, objects, events ----

_STATES = ("dead", "in use", "manual")
_PURPOSES = ("", "stack", "work buffer", "batch", "fence")


class SpanInfo(NamedTuple):
    """A run of pages of 8 KiB with one purpose."""

    first_page: int  #: from the heap's first page
    npages: int
    nelems: int  #: slots
    allocated: int  #: slots in use
    free_index: int
    slot_bytes: int
    span_class: int  #: 2 * size class + noscan
    state: str  #: "in use" by objects, "manual" (stacks, buffers) or "dead"
    sweep: int  #: sweepgen from the heap's: -2 unswept, -1 being swept, 0 swept, 1 and 3 cached
    needzero: bool
    cached: bool  #: some mutator allocates from it
    purpose: str  #: of a manual span: "stack", "work buffer", "batch", "fence" (efence)

    @property
    def size_class(self) -> int:
        return self.span_class >> 1

    @property
    def noscan(self) -> bool:
        return bool(self.span_class & 1)

    @property
    def bytes(self) -> int:
        return self.npages * 8192


def make_spans(rows: list[tuple[Any, ...]]) -> tuple[SpanInfo, ...]:
    return tuple(
        SpanInfo(
            *(row[0], row[1], row[2], row[3], row[4], row[5], row[6]),
            _STATES[row[7]],
            row[8],
            bool(row[9]),
            bool(row[10]),
            _PURPOSES[row[11]] if row[7] == 2 else "",
        )
        for row in rows
    )


class ObjectInfo(NamedTuple):
    """One allocated slot. Objects that a collection found dead, and only sweeping has not reached
    yet, are not shown."""

    address: int  #: of the slot; the program's bytes begin `header_bytes` later
    slot_bytes: int
    header_bytes: int
    type: TypeInfo | None  #: known for large objects and those with a header
    span_page: int
    index: int  # type: ignore[assignment]  #: number of the slot in its span
    noscan: bool
    marked: bool
    span_class: int
    unswept: bool


def iter_objects(heap: _core.Heap) -> Iterator[ObjectInfo]:
    cursor, rows = heap._object_rows(0)
    while rows:
        yield from map(ObjectInfo._make, rows)
        cursor, rows = heap._object_rows(cursor)


class Event(NamedTuple):
    """One record of the event ring."""

    time_ns: int
    kind: str  #: a name of csrc/base/events.def
    mutator: int  #: its number; 0: the collector
    where: int  #: an address, counted from the heap's first byte; 0: none
    arg: int  #: what it means depends on the kind


_EVENT = struct.Struct("=QIIQQ")  # gcsim_event
_EVENT_FIELDS = [
    ("time_ns", "<u8"),
    ("kind", "<u4"),
    ("mutator", "<u4"),
    ("where", "<u8"),
    ("arg", "<u8"),
]


def event_dtype(names: tuple[str, ...]) -> Any:
    """Of gcsim_event, for NumPy; the names of its kinds are in its metadata."""
    import numpy as np

    return np.dtype(_EVENT_FIELDS, metadata={"kinds": names})


def make_events(records: bytes, names: tuple[str, ...], array: int) -> Any:
    if array:
        import numpy as np

        return np.frombuffer(records, event_dtype(names))
    return [
        Event(time_ns, names[kind], mutator, where, arg)
        for time_ns, kind, mutator, where, arg in _EVENT.iter_unpack(records)
    ]


# ---- the graph ----

_GRAPH_ROOT = ("kind", "name", "g", "frame", "off", "dst", "dst_off")
_KINDS = ("other", "other", "stack", "goroutine")  # a handle, a global, a slot of a frame, a wait


def make_graph(
    columns: dict[str, bytes], names: dict[int, str], base: int, extent: int
) -> HeapGraph:
    import numpy as np

    from gcsim._graph import FORMAT, ROOT_KINDS, HeapGraph

    def column(name: str, dtype: str) -> Any:
        return np.frombuffer(columns[name], dtype)

    root = column("roots", "<u4").reshape(-1, len(_GRAPH_ROOT))
    roots = {name: root[:, i] for i, name in enumerate(_GRAPH_ROOT)}
    frames = iter(names[n] for n in column("frames", "<u4").tolist())
    goroutines = [
        {
            "id": number,
            "status": "running",
            "wait": "",
            "system": False,
            "name": names[name],
            "frames": [next(frames) for _ in range(count)],
        }
        for number, name, count in column("goroutines", "<u4").reshape(-1, 3).tolist()
    ]
    # Roots that are no frame slots are named by an entry of frame_names: "global cache", "handle".
    frame_names = sorted(names.values())
    index = {name: i for i, name in enumerate(frame_names)}

    def frame_of(kind: int, name: int) -> int:
        texts = ("handle", f"global {names.get(name)}", names.get(name, ""), "what it waits for")
        text = texts[kind]
        if text not in index:
            index[text] = len(frame_names)
            frame_names.append(text)
        return index[text]

    kinds, of_names = roots["kind"].tolist(), roots["name"].tolist()
    nslots = column("obj_nslots", "<u4")
    slot_off = column("slot_off", "<u4")
    ends = np.cumsum(nslots, dtype="i8")
    ptrend = np.zeros(len(nslots), "<u4")
    ptrend[nslots > 0] = slot_off[ends[nslots > 0] - 1] + np.uint32(8)
    arrays: dict[str, Any] = {
        "obj_addr": column("obj_addr", "<u8"),
        "obj_size": column("obj_size", "<u4"),
        "obj_noscan": (nslots == 0).astype("|u1"),
        "obj_nslots": nslots,
        "obj_ptrend": ptrend,
        "obj_reach": column("obj_reach", "|u1"),
        "edge_count": column("edge_count", "<u4"),
        "edge_off": column("edge_off", "<u4"),
        "edge_dst": column("edge_dst", "<i4"),
        "edge_dst_off": column("edge_dst_off", "<u4"),
        "root_kind": np.array([ROOT_KINDS.index(_KINDS[k]) for k in kinds], "|u1"),
        "root_g": roots["g"].astype("<i4"),
        "root_frame": np.array(list(map(frame_of, kinds, of_names)), "<i4"),
        "root_off": roots["off"].astype("<u4"),
        "root_dst": roots["dst"].astype("<i4"),
        "root_dst_off": roots["dst_off"].astype("<u4"),
        "slot_off": slot_off,
    }
    for array in arrays.values():
        array.flags.writeable = False
    meta = {
        "format": FORMAT,
        "program": "gcsim",
        "go": "go1.26",
        "arch": "amd64",
        "base": base,
        "heap_end": base + extent,
        "root_kinds": list(ROOT_KINDS),
        "frame_names": frame_names,
        "goroutines": goroutines,
        "memstats": {},
    }
    return HeapGraph(**arrays, meta=meta)
