"""Three ways to find a leak, and what each of them cannot see.

A leak is memory that is reachable and will never be used again. No collector knows the second half,
so a detector looks at something else: whether what lives *grows* (`LeakDetector`), *what there is
more of* than before (`SnapshotDetector`), which goroutines *nobody can wake* (`GoroutineDetector`).
All three answer ``check()`` with a `LeakReport`, which is true where something was found, and says
in words what was found and what a detector of its kind misses.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from gcsim import _core
from gcsim._errors import OptionError
from gcsim._results import bytes_text

if TYPE_CHECKING:
    from gcsim._goroutines import LeakedGoroutine
    from gcsim._snapshot import Row, Snapshot


_ROOT = re.compile(r"^goroutine \d+ (\([^)]*\) )?")  # as in Snapshot.diff: without the number


class LeakSuspect(NamedTuple):
    """One thing that a detector points at.

    what       it is: a root, a type, a goroutine
    objects, bytes   that there are more of, or that it holds; 0 where the detector does not know
    why        a paragraph, such as a path from a root; "" if there is none
    """

    what: str
    objects: int
    bytes: int
    why: str = ""

    def __str__(self) -> str:
        much = f"{self.objects:,} objects, {bytes_text(self.bytes)}: " if self.bytes else ""
        why = "\n    " + self.why.replace("\n", "\n    ") if self.why else ""
        return f"  {much}{self.what}{why}"


@dataclass(frozen=True, slots=True, repr=False)
class LeakReport:
    """What one check of a detector came to. True where a leak was found."""

    detector: str  #: "growth", "difference" or "reachability"
    found: bool
    words: str  #: one sentence: what was seen
    finds: str  #: what a detector of this kind finds,
    misses: str  #: and what it misses, or accuses wrongly
    objects: int = 0  #: more than before, or held by what was found
    bytes: int = 0
    confidence: float | None = None  #: of growth: 1 - the chance of such an order if none grew
    suspects: tuple[LeakSuspect, ...] = ()  #: those with the most bytes first

    def __bool__(self) -> bool:
        return self.found

    def __repr__(self) -> str:
        return f"<LeakReport: {self.detector}, {'found' if self.found else 'nothing found'}>"

    def __str__(self) -> str:
        lines = [f"{self.detector}: {self.words}", *map(str, self.suspects)]
        return "\n".join([*lines, f"  finds:  {self.finds}", f"  misses: {self.misses}"])


# ---- growth ----


def _orders(n: int) -> list[int]:
    """How many orders of n numbers have 0, 1, 2, ... pairs that fall (the Mahonian numbers)."""
    counts = [1]
    for k in range(2, n + 1):
        longest = len(counts) + k - 1
        counts = [sum(counts[max(0, i - k + 1) : i + 1]) for i in range(longest)]
    return counts


def trend_confidence(values: Sequence[float]) -> float:
    """1 - the chance that numbers in random order rise as much as these do: the exact one-sided
    test of Mann (1945) and Kendall, which counts the pairs that rise and those that fall.

    Equal numbers count half to either side, which makes the test more careful.
    """
    n = len(values)
    if n < 2:
        return 0.0
    pairs = [(a, b) for i, a in enumerate(values) for b in values[i + 1 :]]
    falling = sum(b < a for a, b in pairs) + sum(b == a for a, b in pairs) / 2
    orders = _orders(n)
    as_much = sum(count for k, count in enumerate(orders) if k <= falling)
    return 1 - as_much / sum(orders)


class LeakDetector:
    """The chapter's LeakDetector, mended: finds growth of what survives collections.

    The first check is the first reading; each further one compares the last `checks` of them. A
    leak is reported where these rise by `threshold` in all (bytes or "1MiB") and by half of it in
    their newer half, in an order whose `confidence` (`trend_confidence`) is at least the one asked
    for. Call ``check()`` at like moments: after every thousand requests, say.

    Mended: each check collects first, since HeapAlloc is a sawtooth; a heap that shrinks has
    negative growth (unsigned numbers made it a huge leak); old readings leave, so that hits of long
    ago, and the filling of a cache that is full by now, do not count.

    OptionError unless 4 <= checks <= 64 (fewer cannot reach 95 %) and 0 < confidence < 1.
    """

    finds: ClassVar[str] = "whatever makes the live heap grow, of any kind, in any place"
    misses: ClassVar[str] = (
        "who holds it; a leak that is smaller than the threshold, or hidden by something that"
        " shrinks; a cache that still fills looks like a leak"
    )

    def __init__(
        self,
        heap: _core.Heap,
        threshold: int | str = "1MiB",
        *,
        checks: int = 5,
        confidence: float = 0.95,
    ) -> None:
        if not 4 <= checks <= 64:
            raise OptionError(f"checks={checks!r}: 4 to 64 readings are compared")
        if not 0 < confidence < 1:
            raise OptionError(f"confidence={confidence!r}: a share between 0 and 1")
        self.heap = heap
        self.threshold = _core.parse_size("threshold", threshold)
        self.confidence = confidence
        self._readings: deque[tuple[int, int]] = deque(maxlen=checks)

    @property
    def readings(self) -> tuple[int, ...]:
        """Live bytes after each of the last collections, the newest last."""
        return tuple(live for live, _ in self._readings)

    def check(self) -> LeakReport:
        """Collects, and compares what lives with the readings before. Raises ClosedHeapError."""
        cycle = self.heap.collect()
        self._readings.append((cycle.heap_marked, cycle.objects_marked))
        live = self.readings
        grown, lately = live[-1] - live[0], live[-1] - live[len(live) // 2]
        confidence = trend_confidence(live)
        enough = len(live) == self._readings.maxlen
        much = grown >= self.threshold and lately >= self.threshold / 2
        found = enough and much and confidence >= self.confidence
        return LeakReport(
            "growth",
            found,
            self._words(live, confidence) if enough else self._waiting(live),
            self.finds,
            self.misses,
            self._readings[-1][1] - self._readings[0][1],
            grown,
            confidence if enough else None,
        )

    def _waiting(self, live: Sequence[int]) -> str:
        return f"{len(live)} of {self._readings.maxlen} readings, {bytes_text(live[-1])} live"

    def _words(self, live: Sequence[int], confidence: float) -> str:
        grown = live[-1] - live[0]
        rising = sum(b > a for a, b in pairwise(live))
        verb = "grew" if grown > 0 else "shrank" if grown < 0 else "stayed: it is"
        return (
            f"in {len(live)} readings what lives {verb} from {bytes_text(live[0])}"
            f" to {bytes_text(live[-1])}, with {rising} of {len(live) - 1} steps upwards"
            f" (confidence {confidence:.1%}; threshold {bytes_text(self.threshold)})"
        )


# ---- difference of snapshots ----


class SnapshotDetector:
    """Finds what there is more of than in a first snapshot: by the root whose paths retain it
    ("path"), by "type", or by size "class".

    The first check takes that snapshot; `rebase` makes the newest one the first, when a service has
    warmed up, say. A row counts from `threshold` bytes more on (bytes or "64KiB").
    """

    finds: ClassVar[str] = "who holds what is new: a leak by its path, after one round already"
    misses: ClassVar[str] = (
        "whether the new objects are of use: a cache that fills, or requests under way, look like a"
        " leak; a leak whose objects were there before; each look stops the heap"
    )

    def __init__(
        self, heap: _core.Heap, threshold: int | str = "64KiB", *, by: str = "path"
    ) -> None:
        if by not in ("path", "type", "class", "site"):
            raise OptionError(f'by="path", "type", "class" or "site", not {by!r}')
        self.heap = heap
        self.threshold = _core.parse_size("threshold", threshold)
        self.by = by
        self._first: Snapshot | None = None
        self._last: Snapshot | None = None

    @property
    def snapshot(self) -> Snapshot | None:
        """That of the last check."""
        return self._last

    def rebase(self) -> None:
        """From now on compare with the snapshot of the last check."""
        self._first = self._last

    def check(self) -> LeakReport:
        """Collects, takes a snapshot and compares. Raises ClosedHeapError."""
        self.heap.collect()
        self._last = self.heap.snapshot()
        if self._first is None:
            self._first = self._last
            return LeakReport(
                "difference", False, f"the first one: {self._last!r}", self.finds, self.misses
            )
        return compare_snapshots(self._last, self._first, self.threshold, by=self.by)


def compare_snapshots(
    newer: Snapshot, older: Snapshot, threshold: int | str = "64KiB", *, by: str = "path"
) -> LeakReport:
    """The report of `SnapshotDetector` for two snapshots, of Go heap dumps too."""
    least = max(1, _core.parse_size("threshold", threshold))
    rows = [row for row in _differences(newer, older, by) if row.bytes >= least]
    suspects = tuple(
        LeakSuspect(row.name, row.objects, row.bytes, why)
        for row, why in zip(rows, _paths(newer, rows, by), strict=True)
    )
    more = sum(row.bytes for row in rows)
    words = (
        f"{len(rows)} {'path' if by == 'path' else by}{'s' * (len(rows) != 1)} with"
        f" {bytes_text(least)} more or above: {bytes_text(more)} together"
        if rows
        else f"nothing has {bytes_text(least)} more"
    )
    return LeakReport(
        "difference",
        bool(rows),
        words,
        SnapshotDetector.finds,
        SnapshotDetector.misses,
        sum(row.objects for row in rows),
        more,
        None,
        suspects,
    )


def _differences(newer: Snapshot, older: Snapshot, by: str) -> list[Row]:
    """What there is more of, the most bytes first. Paths go by their roots: a slice that grew has
    another shape than before, and is not new with all that it holds."""
    from gcsim._snapshot import Row

    changes = newer.diff(older) if by == "path" else newer.histogram(by)
    more: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in changes:
        more[row.name.split(" -> ")[0]][0] += row.objects
        more[row.name.split(" -> ")[0]][1] += row.bytes
    for row in () if by == "path" else older.histogram(by):
        more[row.name][0] -= row.objects
        more[row.name][1] -= row.bytes
    rows = [Row(name, *numbers) for name, numbers in more.items()]
    return sorted(rows, key=lambda row: (-row.bytes, row.name))


def _paths(snapshot: Snapshot, rows: Sequence[Row], by: str) -> list[str]:
    """Of each row the suspect with the same root, in words; "" where there is none."""
    if by != "path" or not rows:
        return [""] * len(rows)
    share = min(row.bytes for row in rows) / max(snapshot.reachable_bytes, 1)
    words: dict[str, str] = {}
    for suspect in snapshot.suspects(min(share, 1.0)):
        words.setdefault(_ROOT.sub("goroutine ", suspect.path.root), suspect.words)
    return [words.get(row.name, "") for row in rows]


# ---- reachability of goroutines ----


def stuck_goroutines(heap: _core.Heap) -> list[LeakedGoroutine]:
    """What a collection that looks for them says cannot be woken."""
    heap.collect(goroutine_leaks=True)
    return heap.leaked_goroutines()


class GoroutineDetector:
    """Finds goroutines that wait for what nobody can do any more, since all that could wake them is
    reachable from such goroutines alone, as Go 1.26's goroutineleak profile does.

    Needs no second reading: one look proves it.
    """

    finds: ClassVar[str] = (
        "goroutines blocked for ever, at once and with certainty: no number of rounds is needed,"
        " and none that can still be woken is accused"
    )
    misses: ClassVar[str] = (
        "all leaks without a goroutine (maps, closures, sub-slices); goroutines whose channel or"
        " lock a global, or a running goroutine, still reaches; those that a timer will wake"
    )

    def __init__(self, heap: _core.Heap) -> None:
        self.heap = heap

    def check(self) -> LeakReport:
        """Collects and looks. Raises ClosedHeapError."""
        found = stuck_goroutines(self.heap)
        suspects = tuple(
            LeakSuspect(f"goroutine {g.id} ({g.name}): {g.wait_reason}", 0, 0, "\n".join(g.frames))
            for g in found
        )
        plural = "" if len(found) == 1 else "s"
        words = f"{len(found)} goroutine{plural} that nobody can wake"
        return LeakReport(
            "reachability", bool(found), words, self.finds, self.misses, suspects=suspects
        )
