"""The text that Go's profiles have with ``debug=1``: stacks with their counts, as a `Profile`.

src/runtime/pprof/pprof.go: writeHeapInternal and printCountProfile write it, printStackRecord the
frames, without those of the runtime at the end and without telling which were inlined.
"""

from __future__ import annotations

import re

from gcsim import _core
from gcsim._pprof import Label, Location, Profile, Sample, SampleType, StackFrame

_N = rb"(\d{1,19})"
_HEAP = re.compile(
    rb"heap profile: " + _N + rb": " + _N + rb" \[" + _N + rb": " + _N + rb"\] @ heap/" + _N
)
_COUNT = re.compile(rb"(\w{1,100}) profile: total " + _N)
_HEAP_ROW = re.compile(
    _N + rb": " + _N + rb" \[" + _N + rb": " + _N + rb"\] @((?: 0x[0-9a-f]{1,16})*)"
)
_COUNT_ROW = re.compile(_N + rb" @((?: 0x[0-9a-f]{1,16})*)")
_LABELS = re.compile(rb"# labels: .*")
_ADDRESS = re.compile(rb"0x[0-9a-f]{1,16}")
_PLACE = re.compile(_N)

_HEAP_TYPES = (
    SampleType("alloc_objects", "count"),
    SampleType("alloc_space", "bytes"),
    SampleType("inuse_objects", "count"),
    SampleType("inuse_space", "bytes"),
)


class DamagedText(Exception):
    """What is wrong, and at which byte."""

    def __init__(self, offset: int, what: str) -> None:
        super().__init__(what)
        self.offset = offset


def is_text(data: bytes) -> bool:
    """Whether the first line is that of such a text."""
    first = data[:400].partition(b"\n")[0]
    return bool(_HEAP.fullmatch(first) or _COUNT.fullmatch(first))


def read_text(data: bytes) -> Profile:
    """The profile. What was sampled is scaled to what it stands for, as in the binary form.

    Raises DamagedText.
    """
    first, _, rest = data.partition(b"\n")
    heap = _HEAP.fullmatch(first)
    types: tuple[SampleType, ...]
    if heap:
        rate = int(heap[5]) // 2  # the text has twice the rate
        types, period, kind = _HEAP_TYPES, rate, SampleType("space", "bytes")
    else:
        name = first.partition(b" ")[0].decode()
        types, rate = (SampleType(name, "count"),), 0
        period, kind = 1, types[0]
    samples = []
    at = len(first) + 1
    row: re.Match[bytes] | None = None
    frames: list[Location] = []
    for line in rest.split(b"\n"):
        if not line or line == b"# runtime.MemStats":  # the end of a stack
            if row:
                samples.append(_sample(row, frames, rate, heap is not None))
            row, frames = None, []
            if line:  # its numbers are no part of the profile
                break
        elif row is None:
            row = (_HEAP_ROW if heap else _COUNT_ROW).fullmatch(line)
            if row is None:
                raise DamagedText(at, f"no sample: {_shown(line)}")
        elif frame := _location(line):
            frames.append(frame)
        elif not _LABELS.fullmatch(line):
            raise DamagedText(at, f"no frame of a stack: {_shown(line)}")
        at += len(line) + 1
    if row:
        raise DamagedText(len(data), "the last stack is cut off")
    return Profile(types, tuple(samples), period_type=kind, period=period)


def _shown(line: bytes) -> str:
    return repr(line[:60].decode("utf-8", "backslashreplace"))


def _location(line: bytes) -> Location | None:
    """``#``, address, function+offset, file:line, with tabs between; the last two may be missing.

    Without a regular expression: of a hostile line one would try every way to part it.
    """
    mark, *parts = [part for part in line.split(b"\t") if part] or [b""]
    if mark != b"#" or len(parts) not in (1, 3) or not _ADDRESS.fullmatch(parts[0]):
        return None
    address = int(parts[0], 16)
    if len(parts) == 1:
        return Location((), address)
    function, plus, _ = parts[1].rpartition(b"+")
    file, colon, number = parts[2].rpartition(b":")
    if not plus or not colon or not _PLACE.fullmatch(number):
        return None
    name, path = (part.decode("utf-8", "backslashreplace") for part in (function, file))
    return Location((StackFrame(name, path, int(number)),), address)


def _sample(row: re.Match[bytes], frames: list[Location], rate: int, heap: bool) -> Sample:
    stack = tuple(frames) or tuple(Location((), int(pc, 16)) for pc in row[row.re.groups].split())
    if not heap:
        return Sample((int(row[1]),), stack)
    live, live_bytes, all_, all_bytes = (int(row[i]) for i in (1, 2, 3, 4))
    values = (*_scaled(all_, all_bytes, rate), *_scaled(live, live_bytes, rate))
    labels = (Label("bytes", all_bytes // all_, ""),) if all_ else ()
    return Sample(values, stack, labels)


def _scaled(count: int, size: int, rate: int) -> tuple[int, int]:
    return _core.profile_scale(count, size, rate)
