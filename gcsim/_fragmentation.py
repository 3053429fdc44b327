"""``heap.fragmentation()``: how a heap is cut up, counted in one walk while the world is stopped.

The numbers come from ``csrc/watch/fragmentation.c``. Sizes are in bytes unless they say pages, of
8 KiB.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from gcsim import _core
from gcsim._pictures import new_axes, png, span_map
from gcsim._results import SpanInfo, bytes_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CLASSES = 136
_CLASS_WORDS = 16
_LENGTHS = 33
_RUN = struct.Struct("6I")
_KINDS = ("free", "objects", "manual", "fenced")
_SLOT_PAGES = 2048  # the slots of the first 16 MiB are kept for the picture
_SLOTS_OF_A_PAGE = 1024


class ClassUse(NamedTuple):
    """The spans of one class: objects of one slot size, with pointers or without (noscan).

    A live object is what a sweep would leave. Each large object (slot_bytes 0) has a span of its
    own.
    """

    span_class: int  #: 2 * size class + noscan
    slot_bytes: int  #: 0: large objects
    spans: int
    span_bytes: int  #: of all pages of these spans
    slots: int
    used: int  #: slots in use as the allocator sees it: dead ones that wait to be swept included
    live: int
    used_bytes: int  #: of slots in use: what memstats counts as heap_alloc
    live_bytes: int
    cached: int  #: spans that some mutator allocates from
    empty: int  #: spans with no live object
    single: int  #: spans (of small objects) that one survivor holds
    fewest: int  #: spans that the live objects would fill
    bits_bytes: int  #: pointer and mark bits inside the spans
    tail_bytes: int  #: at the spans' ends, where no slot fits
    known: int  #: live objects of which it is known what was asked for ...
    asked: int  #: ... and those bytes: of large objects, and of most behind a header

    @property
    def noscan(self) -> bool:
        return bool(self.span_class & 1)

    @property
    def free_slots(self) -> int:
        return self.slots - self.used

    @property
    def free_bytes(self) -> int:
        """Of free slots, which only objects of this class can use."""
        return self.free_slots * self.slot_bytes

    @property
    def utilisation(self) -> float:
        """Of the bytes of these spans, the share that live objects' slots take: 0 to 1."""
        return self.live_bytes / self.span_bytes

    @property
    def name(self) -> str:
        """As in "64 B n": n is noscan, p has pointers."""
        size = f"{self.slot_bytes:,} B" if self.slot_bytes else "large"
        return f"{size} {'n' if self.noscan else 'p'}"


class RunLength(NamedTuple):
    """Runs of free pages whose lengths lie between two powers of two."""

    shortest: int  #: pages
    longest: int  #: pages that such a run can have: 2 * shortest - 1
    runs: int
    pages: int  #: of all of them


class PageRun(NamedTuple):
    """A span, or all free pages between two spans."""

    page: int  #: from the heap's first page
    npages: int
    kind: str  #: "free", "objects", "manual" (stacks, buffers), "fenced" (efence)
    span_class: int  #: of objects
    slots: int
    live: int  #: live objects; of a free run, pages whose memory the system has back


@dataclass(frozen=True, repr=False)
class Fragmentation:
    """How a heap was cut up at one moment.

    Inside spans: `classes`, whose free slots only objects of the same class can use. Between spans:
    `free_lengths`, since a span needs pages in a row. Go moves no object, so one survivor keeps
    its whole span (`single_spans`); `compaction` is what moving would give back.
    """

    classes: tuple[ClassUse, ...]  #: those with spans, by slot size, large objects last
    free_lengths: tuple[RunLength, ...]  #: shortest first, those that there are
    pages: int  #: in use or once used
    free_pages: int  #: of no span; those that threads keep for themselves included
    released_pages: int  #: of these, without memory: the scavenger gave it back to the system
    cached_pages: int  #: of these, kept by threads (Go: the page cache of a P)
    largest_run: int  #: free pages in a row
    manual_pages: int  #: goroutine stacks and the collector's buffers
    fenced_pages: int  #: never used again (efence)
    compaction: int  #: bytes of spans that could go if the live objects lay side by side
    _runs: bytes = field(compare=False)
    _slots: bytes = field(compare=False)

    # ---- inside spans

    @property
    def span_bytes(self) -> int:
        """Of spans with objects; with `fenced_pages` it is memstats().heap_inuse."""
        return sum(c.span_bytes for c in self.classes)

    @property
    def used_bytes(self) -> int:
        """Of slots in use: memstats().heap_alloc."""
        return sum(c.used_bytes for c in self.classes)

    @property
    def live_bytes(self) -> int:
        return sum(c.live_bytes for c in self.classes)

    @property
    def free_slot_bytes(self) -> int:
        return sum(c.free_bytes for c in self.classes)

    @property
    def tail_bytes(self) -> int:
        """At the ends of spans, where no slot fits."""
        return sum(c.tail_bytes for c in self.classes)

    @property
    def bits_bytes(self) -> int:
        """Pointer and mark bits inside spans."""
        return sum(c.bits_bytes for c in self.classes)

    @property
    def rounding_bytes(self) -> int:
        """What live objects' slots have more than was asked for, where that is known: of large
        objects, and of those behind a header whose type leaves no doubt (`rounding_known`).
        ``heap.snapshot().waste()`` says more: it also knows what Python knows of types."""
        per_class = (c.live_bytes / c.live * c.known - c.asked for c in self.classes if c.live)
        return round(sum(per_class))

    @property
    def rounding_known(self) -> int:
        """Live objects of which it is known what was asked for."""
        return sum(c.known for c in self.classes)

    @property
    def single_spans(self) -> int:
        """Spans of small objects that one survivor holds."""
        return sum(c.single for c in self.classes)

    @property
    def single_bytes(self) -> int:
        """... and their bytes."""
        return sum(c.single * (c.span_bytes // c.spans) for c in self.classes)

    @property
    def utilisation(self) -> float:
        """Of the bytes of spans with objects, the share that live objects' slots take: 0 to 1.

        This, not heap_alloc / sys, says how fragmented spans are: sys also counts free pages, most
        of them without memory, and all that is no heap.
        """
        return self.live_bytes / self.span_bytes if self.span_bytes else 1.0

    # ---- between spans

    @property
    def external(self) -> float:
        """Of the free pages, the share that lies outside the largest run: 0 is none, 1 is dust."""
        return 1 - self.largest_run / self.free_pages if self.free_pages else 0.0

    @cached_property
    def runs(self) -> tuple[PageRun, ...]:
        """All pages, as spans and free runs, in address order."""
        return tuple(
            PageRun(page, npages, _KINDS[kind], span_class, slots, live)
            for page, npages, kind, span_class, slots, live in _RUN.iter_unpack(self._runs)
        )

    def live_slots(self, run: PageRun) -> tuple[bool, ...] | None:
        """Of each slot of a span of objects, whether a live object is in it; None of other runs,
        and of spans behind the first 16 MiB, whose slots are not kept."""
        at = run.page * (_SLOTS_OF_A_PAGE // 8)
        if run.kind != "objects" or at >= len(self._slots):
            return None
        bits = int.from_bytes(self._slots[at : at + _SLOTS_OF_A_PAGE // 8], "little")
        return tuple(bool(bits >> i & 1) for i in range(run.slots))

    # ---- shown

    def __repr__(self) -> str:
        return (
            f"<Fragmentation: {bytes_text(self.live_bytes)} live in {bytes_text(self.span_bytes)} "
            f"of spans ({self.utilisation:.0%}), {self.single_spans} held by one survivor, "
            f"{bytes_text(self.compaction)} for compaction; {self.free_pages} pages free, "
            f"{self.largest_run} in a row>"
        )

    def __str__(self) -> str:
        return "\n".join([*self._class_lines(), "", *self._page_lines()])

    def _class_lines(self) -> Iterator[str]:
        yield (
            f"{'class':>10} {'spans':>7} {'slots':>9} {'live':>9} {'dead':>8} {'free':>9} "
            f"{'free bytes':>12} {'single':>7} {'fewest':>7} {'used':>6}"
        )
        for c in self.classes:
            yield (
                f"{c.name:>10} {c.spans:>7} {c.slots:>9} {c.live:>9} {c.used - c.live:>8} "
                f"{c.free_slots:>9} {c.free_bytes:>12,} {c.single:>7} {c.fewest:>7} "
                f"{c.utilisation:>6.1%}"
            )
        yield (
            f"{self.live_bytes:,} bytes live in {self.span_bytes:,} of spans; besides, "
            f"{self.free_slot_bytes:,} in free slots, {self.bits_bytes:,} of pointer and mark bits,"
            f" {self.tail_bytes:,} where no slot fits."
        )
        yield (
            f"Rounding up to slots costs {self.rounding_bytes:,} bytes in the "
            f"{self.rounding_known:,} objects of which it is known what was asked for."
        )
        yield (
            f"{self.single_spans:,} spans ({self.single_bytes:,} bytes) are held by one survivor "
            f"each; moving objects together would give back {self.compaction:,} bytes."
        )

    def _page_lines(self) -> Iterator[str]:
        yield f"{'free pages in a row':>19} {'runs':>7} {'pages':>9}"
        for shortest, longest, runs, pages in self.free_lengths:
            words = f"{shortest} to {longest}" if shortest > 1 else "1"
            yield f"{words:>19} {runs:>7} {pages:>9}"
        yield (
            f"{self.free_pages:,} of {self.pages:,} pages are free, {self.largest_run:,} of them "
            f"in a row (external fragmentation {self.external:.1%}); the system has the memory of "
            f"{self.released_pages:,} back."
        )

    def plot(self) -> Figure:
        """A picture of pages, spans and slots: all pages, coloured by how full their span is, and
        the slots of the first spans. Needs matplotlib and NumPy (``pip install 'gcsim[viz]'``)."""
        return _picture(self)

    def _repr_png_(self) -> bytes | None:
        return png(self.plot, 96)


def _classes(words: memoryview) -> Iterator[ClassUse]:
    for span_class in (*range(2, _CLASSES), 0, 1):
        row = words[span_class * _CLASS_WORDS : (span_class + 1) * _CLASS_WORDS].tolist()
        if row[1]:
            yield ClassUse(span_class, *row)


def fragmentation(heap: _core.Heap) -> Fragmentation:
    """What ``heap.fragmentation()`` returns."""
    numbers, runs, slots = heap._read_fragmentation(_SLOT_PAGES)
    words = memoryview(numbers).cast("Q")
    lengths = words[_CLASSES * _CLASS_WORDS :].tolist()
    pages, free, released, cached, largest, manual, fenced, spare = lengths[2 * _LENGTHS :]
    return Fragmentation(
        classes=tuple(_classes(words)),
        free_lengths=tuple(
            RunLength(1 << k, (2 << k) - 1, lengths[k], lengths[_LENGTHS + k])
            for k in range(_LENGTHS)
            if lengths[k]
        ),
        pages=pages,
        free_pages=free,
        released_pages=released,
        cached_pages=cached,
        largest_run=largest,
        manual_pages=manual,
        fenced_pages=fenced,
        compaction=spare,
        _runs=runs,
        _slots=slots,
    )


# ---- the picture ----

_SPANS_SHOWN = 40
_FREE, _LIVE, _NO_SLOT = 0.0, 1.0, float("nan")


def _span_infos(runs: tuple[PageRun, ...]) -> Iterator[SpanInfo]:
    """What `span_map` takes: how full spans are by their live objects."""
    for run in runs:
        if run.kind != "free":
            state = "in use" if run.kind == "objects" else "manual"
            yield SpanInfo(
                *(run.page, run.npages, run.slots, run.live, run.slots, 0, run.span_class),
                *(state, 0, False, False, ""),
            )


def _hatch_released(ax: Axes, runs: tuple[PageRun, ...], columns: int) -> None:
    """A thin line through the runs of free pages that have no memory, as far as they have none."""
    for run in runs:
        if run.kind == "free" and run.live:
            first, end = run.page + run.npages - run.live, run.page + run.npages
            while first < end:
                row, column = divmod(first, columns)
                stop = min(end, (row + 1) * columns)
                ax.hlines(row + 0.5, column, column + stop - first, color="#9a9a9a", lw=0.8)
                first = stop


def _slot_map(of: Fragmentation, ax: Axes) -> int:
    """The slots of spans of several objects, the emptiest first; how many spans were drawn."""
    import numpy as np
    from matplotlib.colors import ListedColormap

    spans = [run for run in of.runs if run.slots > 1 and of.live_slots(run) is not None]
    spans.sort(key=lambda run: (run.live / run.slots, run.page))
    spans = spans[:_SPANS_SHOWN]
    widest = max((run.slots for run in spans), default=1)
    cells = np.full((max(len(spans), 1), widest), np.nan)
    for row, run in enumerate(spans):
        cells[row, : run.slots] = of.live_slots(run)
    colors = ListedColormap(["#f4efe2", "#30507a"])
    ax.imshow(cells, cmap=colors, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    ax.set_yticks(range(len(spans)), [f"page {run.page}: {run.live}" for run in spans], fontsize=5)
    ax.set_xlabel("slot of the span (dark: a live object)")
    return len(spans)


def _picture(of: Fragmentation) -> Figure:
    figure = new_axes(12.0, 4.8).get_figure(root=True)
    assert figure is not None
    figure.clear()
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    drawn = span_map(_span_infos(of.runs), left)
    pages = of.pages
    left.set_ylim(max(-(-pages // drawn.columns), 1), 0)
    _hatch_released(left, of.runs, drawn.columns)
    left.set_title(
        f"{pages:,} pages: {of.utilisation:.0%} of the spans live; free {of.free_pages:,} "
        f"(grey lines: without memory)",
        fontsize="small",
    )
    shown = _slot_map(of, right)
    right.set_title(
        f"slots of the {shown} emptiest spans; {of.single_spans:,} have one survivor",
        fontsize="small",
    )
    return figure
