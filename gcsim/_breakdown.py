"""``heap.breakdown()``: where the memory of a heap is, in parts that add up."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gcsim import _core
from gcsim._pictures import png
from gcsim._results import bytes_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The parts in the order of gcsim.h:gcsim_breakdown: group, and what it is.
_PARTS = {
    "live": ("objects", "objects that a root reaches"),
    "dead": ("objects", "objects that none reaches, not yet found by a collection"),
    "unswept": ("objects", "objects found dead that wait to be swept"),
    "tiny_free": ("waste", "left of the threads' tiny blocks"),
    "large_tails": ("waste", "behind large objects, up to the end of their pages"),
    "free_slots": ("free", "free slots of spans in use"),
    "span_bits": ("metadata", "pointer and mark bits inside of spans"),
    "span_tails": ("waste", "ends of spans that no slot fits into"),
    "fences": ("waste", "pages that are never used again (efence)"),
    "free_pages": ("free", "free pages with memory"),
    "released": ("released", "free pages whose memory the system has back"),
    "stacks": ("stacks", "frames of goroutines"),
    "stacks_free": ("stacks", "free ends of stacks"),
    "work_buffers": ("metadata", "buffers of grey objects"),
    "batches": ("metadata", "lists of batches"),
    "span_structs": ("metadata", "span structs"),
    "mutators": ("metadata", "threads' caches"),
    "mark_bits": ("metadata", "mark and allocation bits outside of spans"),
    "profile": ("metadata", "the heap profile"),
    "other": ("metadata", "page allocator, types, roots, history, the collector's own stacks"),
}
# Told apart by luminance too, and by their hatches.
_LOOK = {
    "objects": ("#30507a", ""),
    "waste": ("#b5543c", "///"),
    "free": ("#e8c268", "..."),
    "released": ("#f4efe2", ""),
    "stacks": ("#6d8f6b", "xxx"),
    "metadata": ("#b0b0b0", "---"),
}


class Breakdown(NamedTuple):
    """Where the memory of a heap is, in bytes. The parts up to `other` add up to `sys`, which is
    ``heap.memstats().sys``.

    live          slots of objects that a root reaches
    dead          ... that none reaches any more: the next collection finds them
    unswept       ... that the last one found dead, and that wait to be swept
    tiny_free     left of the threads' tiny blocks; large_tails: behind large objects that live
    free_slots    of spans in use; span_bits, span_tails: what of them is no slot
    fences        pages never used again (efence)
    free_pages, released   pages of no span: with memory, and without
    stacks, stacks_free    frames of goroutines, and the rest of their stacks
    work_buffers, batches, span_structs, mutators, mark_bits, profile, other
                  the collector's own
    sys           all of it
    compaction    of pages in use, what would be free if the live objects of each size class lay
                  in as few spans as possible
    """

    live: int
    dead: int
    unswept: int
    tiny_free: int
    large_tails: int
    free_slots: int
    span_bits: int
    span_tails: int
    fences: int
    free_pages: int
    released: int
    stacks: int
    stacks_free: int
    work_buffers: int
    batches: int
    span_structs: int
    mutators: int
    mark_bits: int
    profile: int
    other: int
    sys: int
    compaction: int

    @property
    def in_use(self) -> int:
        """Of spans with objects: what memstats calls heap_inuse."""
        return sum(self[: self._fields.index("fences") + 1])

    @property
    def fragmentation(self) -> float:
        """Of the bytes of spans with objects, the share that compaction would free: 0 to 1."""
        return self.compaction / self.in_use if self.in_use else 0.0

    def groups(self) -> dict[str, int]:
        """The parts summed up: objects, waste, free, released, stacks, metadata."""
        sums = dict.fromkeys(_LOOK, 0)
        for name, (group, _) in _PARTS.items():
            sums[group] += getattr(self, name)
        return sums

    def __repr__(self) -> str:
        return (
            f"<Breakdown of {bytes_text(self.sys)}: {bytes_text(self.live)} live, "
            f"{bytes_text(self.dead + self.unswept)} dead, "
            f"{bytes_text(self.compaction)} for compaction>"
        )

    def __str__(self) -> str:
        lines = []
        for group, total in self.groups().items():
            lines.append(f"{total:>16,}  {total / self.sys:>6.1%}  {group}")
            lines += [
                f"{getattr(self, name):>16,}          {words}"
                for name, (of, words) in _PARTS.items()
                if of == group and getattr(self, name)
            ]
        lines.append(f"{self.sys:>16,}  100.0%  in all")
        lines.append(
            f"Compaction would free {self.compaction:,} bytes, {self.fragmentation:.1%} of the "
            "spans with objects."
        )
        return "\n".join(lines)

    def plot(self, ax: Axes | None = None) -> Axes:
        """A bar per group, cut into its parts. Needs matplotlib; draws on new axes unless given."""
        from gcsim._pictures import new_axes

        ax = new_axes(8.0, 3.6) if ax is None else ax
        mib = 1 / (1 << 20)
        groups = self.groups()
        for row, group in enumerate(groups):
            left = 0.0
            color, hatch = _LOOK[group]
            for name, (of, _) in _PARTS.items():
                size = getattr(self, name) * mib
                if of != group or not size:
                    continue
                ax.barh(row, size, left=left, color=color, hatch=hatch, edgecolor="black", lw=0.4)
                left += size
            ax.annotate(
                f" {bytes_text(groups[group])} ({groups[group] / self.sys:.1%})",
                (left, row),
                va="center",
                fontsize="x-small",
            )
        ax.set_yticks(range(len(groups)), list(groups), fontsize="small")
        ax.invert_yaxis()
        ax.margins(x=0.22)
        ax.set_xlabel("MiB")
        ax.set_title(f"{bytes_text(self.sys)} of memory", fontsize="medium")
        return ax

    def _repr_png_(self) -> bytes | None:
        return png(lambda: self.plot().get_figure(root=True), 96)


def breakdown(heap: _core.Heap) -> Breakdown:
    """What ``heap.breakdown()`` returns."""
    columns = heap._read_snapshot()[0]
    return Breakdown(*memoryview(columns["where"]).cast("Q").tolist())
