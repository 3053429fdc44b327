"""``heap.profile`` and ``heap.write_pprof``: what the core sampled, as pprof's profiles.

Sample types, scaling, labels and text are those of Go (src/runtime/pprof: protomem.go, pprof.go).
Stacks are Python's, or the names of C workloads; csrc/bind/profile_bind.c says how a site is
written down.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from gcsim import _core
from gcsim._errors import OptionError
from gcsim._files import write_whole
from gcsim._pprof import (
    Label,
    Location,
    Profile,
    Sample,
    SampleType,
    StackFrame,
)

if TYPE_CHECKING:
    from gcsim._core import Heap
    from gcsim._results import MemStats

HEAP_TYPES = (
    SampleType("alloc_objects", "count"),
    SampleType("alloc_space", "bytes"),
    SampleType("inuse_objects", "count"),
    SampleType("inuse_space", "bytes"),
)
STACKS = ("goroutine", "goroutineleak")
KINDS = ("heap", "allocs", *STACKS)
_TIERS = ("tiny", "small", "large")  # enum gcsim_tier
_OURS = str(Path(__file__).parent) + os.sep
_PROGRAM = _OURS + "_chapter.py"  # runs on a heap as any other program does
_UNKNOWN = StackFrame("(unknown)")


class Record(NamedTuple):
    """What was sampled of one stack, type and slot size; the numbers are of samples, unscaled."""

    stack: tuple[Location, ...]
    type: str
    tier: str  #: "tiny", "small" or "large"
    size_class: int  #: 0: large
    slot_bytes: int
    allocs: int
    frees: int

    @property
    def inuse(self) -> int:
        return self.allocs - self.frees


class Records(NamedTuple):
    """The heap profile as the core has it, as of the last end of marking that was swept."""

    rate: int
    lost: int  #: samples for which there was no memory
    cycle: int  #: ends of marking since the first sample
    records: tuple[Record, ...]


def records(heap: Heap) -> Records:
    """Raises ClosedHeapError, ForkedHeapError, MemoryError."""
    rate, lost, cycle, rows = heap._mem_profile()
    stacks: dict[bytes, tuple[Location, ...]] = {}
    made = []
    for site, name, tier, size_class, slot_bytes, allocs, frees in rows:
        if (stack := stacks.get(site)) is None:
            stack = stacks[site] = tuple(Location((f,)) for f in site_frames(site))
        text = name.decode("utf-8", "replace")
        made.append(Record(stack, text, _TIERS[tier], size_class, slot_bytes, allocs, frees))
    return Records(rate, lost, cycle, tuple(made))


def site_frames(site: bytes) -> tuple[StackFrame, ...]:
    """A line for each frame, the innermost first. What gcsim itself ran on the way to the core is
    left out, as Go leaves out its runtime, unless there is nothing else."""
    lines = site.decode("utf-8", "replace").split("\n")
    frames = [_frame(line) for line in lines if line]
    users = next((i for i, frame in enumerate(frames) if not _is_ours(frame.file)), 0)
    return tuple(frames[users:]) or (_UNKNOWN,)


def _is_ours(file: str) -> bool:
    return file.startswith(_OURS) and file != _PROGRAM


def _frame(line: str) -> StackFrame:
    function, file, *lines = [*line.split("\t"), "", "", ""][:4]
    at, start = (int(n) if n.isdecimal() and len(n) < 10 else 0 for n in lines)
    return StackFrame(function, file, at, start)


# --- profiles ------------------------------------------------------------------------------------


def profile(heap: Heap, kind: str = "heap", *, gc: bool = False) -> Profile:
    """A profile of this moment.

    ``"heap"`` and ``"allocs"`` (the same, shown by ``alloc_space``) stand for all that was
    allocated since the heap was made and for what of it is in use, both as of the last collection
    that was swept, so that they are of one moment; before there was one, all is in use. Samples are
    scaled to what they stand for. With `gc` a collection comes first. ``"goroutine"`` counts the
    goroutines by their frames; ``"goroutineleak"`` first searches for those that nothing can wake,
    as ``collect(goroutine_leaks=True)`` does, and counts them (pprof.go:writeGoroutineLeak). Raises
    OptionError, ClosedHeapError, ForkedHeapError.
    """
    _check_kind(kind)
    if gc:
        heap.collect()
    return _goroutines(_stacks(heap, kind), kind) if kind in STACKS else _heap(records(heap), kind)


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise OptionError(f"kind={kind!r} is not known; known are {', '.join(map(repr, KINDS))}")


def _heap(found: Records, kind: str) -> Profile:
    return Profile(
        HEAP_TYPES,
        tuple(_sample(record, found.rate) for record in found.records),
        period_type=SampleType("space", "bytes"),
        period=found.rate,
        time_ns=time.time_ns(),
        default_type="alloc_space" if kind == "allocs" else "",
        comments=(f"{found.lost} samples lost for want of memory",) if found.lost else (),
    )


def _sample(record: Record, rate: int) -> Sample:
    return Sample(
        (
            *_core.profile_scale(record.allocs, record.allocs * record.slot_bytes, rate),
            *_core.profile_scale(record.inuse, record.inuse * record.slot_bytes, rate),
        ),
        record.stack,
        (
            Label("bytes", record.slot_bytes),
            Label("type", record.type),
            Label("tier", record.tier),
            Label("size_class", str(record.size_class)),
        ),
    )


def _stacks(heap: Heap, kind: str) -> Counter[tuple[str, ...]]:
    """How many goroutines have these frames, the innermost first; their name, if they have none."""
    if kind == "goroutine":
        return Counter(frames or (name,) for _, name, _, _, frames in heap._goroutine_stacks())
    heap.collect(goroutine_leaks=True)
    return Counter(g.frames or (g.name,) for g in heap.leaked_goroutines())


def _goroutines(stacks: Counter[tuple[str, ...]], kind: str) -> Profile:
    counted = SampleType(kind, "count")
    return Profile(
        (counted,),
        tuple(
            Sample((n,), tuple(Location((StackFrame(frame),)) for frame in stack))
            for stack, n in stacks.most_common()
        ),
        period_type=counted,
        period=1,
        time_ns=time.time_ns(),
    )


# --- files ---------------------------------------------------------------------------------------


def write_pprof(
    heap: Heap,
    file: str | os.PathLike[str] | IO[bytes],
    kind: str = "heap",
    *,
    debug: int = 0,
    gc: bool = False,
) -> None:
    """Writes a profile that ``go tool pprof`` opens; to a path all of it or nothing.

    With ``debug=1`` it is the text that Go writes then. Raises what `profile` raises; OSError.
    """
    _check_kind(kind)
    if debug not in (0, 1):
        raise OptionError(f"debug={debug!r} is neither 0 nor 1")
    if not debug:
        profile(heap, kind, gc=gc).write(file)
        return
    if gc:
        heap.collect()
    text = _goroutine_text(_stacks(heap, kind), kind) if kind in STACKS else _heap_text(heap)
    write_whole(file, text.encode("utf-8", "backslashreplace"))


class _Addresses:
    """Numbers for places in Python code: the text has an address for each, and Go's reader of it
    takes two places with one address for one."""

    def __init__(self) -> None:
        self.of: dict[Location, int] = {}

    def __call__(self, location: Location) -> int:
        return self.of.setdefault(location, len(self.of) * 16 + 16)

    def stack(self, stack: tuple[Location, ...]) -> tuple[str, str]:
        """The addresses of a stack, and a line for each of its frames (pprof.go:
        printStackRecord); what stands after ``@`` is where calls return to."""
        addresses = "".join(f" {self(location) + 1:#x}" for location in stack)
        lines = "".join(
            f"#\t{self(location):#x}\t{frame.function}+0x0\t{frame.file or '?'}:{frame.line}\n"
            for location in stack
            for frame in location.frames
        )
        return addresses, lines


def _heap_text(heap: Heap) -> str:
    """pprof.go: writeHeapInternal. Samples are not scaled in it, and the rate is doubled."""
    stats = heap.memstats()
    found = records(heap)
    inuse = sum(r.inuse for r in found.records)
    allocs = sum(r.allocs for r in found.records)
    inuse_bytes = sum(r.inuse * r.slot_bytes for r in found.records)
    alloc_bytes = sum(r.allocs * r.slot_bytes for r in found.records)
    if inuse_bytes == alloc_bytes:  # pprof would take it for a profile with two columns
        alloc_bytes += 1
    address = _Addresses()
    lines = [
        f"heap profile: {inuse}: {inuse_bytes} [{allocs}: {alloc_bytes}] @ heap/{2 * found.rate}\n"
    ]
    for r in sorted(found.records, key=lambda r: r.inuse * r.slot_bytes):
        addresses, frames = address.stack(r.stack)
        lines.append(
            f"{r.inuse}: {r.inuse * r.slot_bytes} [{r.allocs}: {r.allocs * r.slot_bytes}]"
            f" @{addresses}\n{frames}\n"
        )
    lines.append("\n# runtime.MemStats\n")
    lines += [f"# {name} = {text}\n" for name, text in _memstats_rows(stats)]
    return "".join(lines)


def _memstats_rows(s: MemStats) -> Iterator[tuple[str, str]]:
    for name in ("alloc", "total_alloc", "sys", "lookups", "mallocs", "frees"):
        yield _go_name(name), str(getattr(s, name))
    for name in ("alloc", "sys", "idle", "inuse", "released", "objects"):
        yield _go_name(f"heap_{name}"), str(getattr(s, f"heap_{name}"))
    yield "Stack", f"{s.stack_inuse} / {s.stack_sys}"
    yield "MSpan", f"{s.mspan_inuse} / {s.mspan_sys}"
    yield "MCache", f"{s.mcache_inuse} / {s.mcache_sys}"
    yield "BuckHashSys", str(s.buck_hash_sys)
    yield "GCSys", str(s.gc_sys)
    yield "OtherSys", str(s.other_sys)
    yield "NextGC", str(s.next_gc)
    yield "LastGC", str(s.last_gc)
    yield "PauseNs", f"[{' '.join(map(str, s.pause_ns))}]"
    yield "PauseEnd", f"[{' '.join(map(str, s.pause_end))}]"
    yield "NumGC", str(s.num_gc)
    yield "NumForcedGC", str(s.num_forced_gc)
    yield "GCCPUFraction", repr(s.gc_cpu_fraction)
    yield "DebugGC", str(s.debug_gc).lower()


def _go_name(name: str) -> str:
    return "".join(part.title() for part in name.split("_"))


def _goroutine_text(stacks: Counter[tuple[str, ...]], kind: str) -> str:
    """pprof.go: printCountProfile."""
    counted = _goroutines(stacks, kind)
    address = _Addresses()
    lines = [f"{kind} profile: total {counted.total()}\n"]
    for sample in counted.samples:
        addresses, frames = address.stack(sample.stack)
        lines.append(f"{sample.values[0]} @{addresses}\n{frames}\n")
    return "".join(lines)
