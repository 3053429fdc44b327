"""What notebooks draw and look up, over the public API: places, heap maps, layouts, size classes,
cycles.

Nothing here changes a heap. What draws needs Matplotlib, takes ``ax=`` and returns the data that it
drew. Colours are those of Okabe and Ito, and each is doubled by a letter or a hatch.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gcsim._core import Heap, Ref, address, typeof
from gcsim._errors import ConversionError
from gcsim._layout import Layout, size_class

if TYPE_CHECKING:
    from gcsim._escape.picture import EscapeGraph
    from gcsim._results import Cycle, SpanInfo

PAGE_BYTES = 8192
ZERO_SIZE, TINY, SMALL, LARGE = "zero size", "tiny block", "small", "large"


class Place(NamedTuple):
    """Where in its heap an address lies; bytes are counted from the heap's first page."""

    where: str  #: "zero size", "tiny block", "small" or "large"
    offset: int | None  #: of the address; None outside all spans
    page: int | None  #: first page of its span
    span_class: int | None  #: 2 * size class + noscan
    slot: int | None  #: number of the slot in the span
    slot_bytes: int
    inside: int  #: bytes from the start of the slot: a header, or the place in a tiny block

    def __str__(self) -> str:
        if self.span_class is None:
            return f"{self.where}: the shared address, in no span"
        kind = "noscan" if self.span_class & 1 else "scan"
        return (
            f"{self.where}: class {self.span_class >> 1} {kind}, span at page {self.page}, "
            f"slot {self.slot} of {self.slot_bytes} B, byte {self.inside}"
        )


def first_page(heap: Heap) -> int:
    """The address of the heap's first page; 0 if the heap has no object yet."""
    for found in heap.objects():
        return int(found.address - found.span_page * PAGE_BYTES - found.index * found.slot_bytes)
    return 0


def place(heap: Heap, what: Any) -> Place:
    """Where a Ref refers to, or where the first element of a slice lies.

    Raises ConversionError for anything else.
    """
    if isinstance(what, Ref):
        at, tiny = address(what), typeof(what).noscan and typeof(what).bytes < 16
    elif isinstance(getattr(what, "address", None), int):
        at, tiny = what.address, len(what) * what.elem.bytes < 16 and what.elem.noscan
    else:
        raise ConversionError(f"a Ref or a slice has a place, {type(what).__name__} has not")
    offset = at - first_page(heap)
    for span in heap.spans():
        begin = span.first_page * PAGE_BYTES
        if span.state == "in use" and begin <= offset < begin + span.bytes:
            slot, inside = divmod(offset - begin, span.slot_bytes)
            where = LARGE if span.size_class == 0 else TINY if tiny else SMALL
            return Place(
                where, offset, span.first_page, span.span_class, slot, span.slot_bytes, inside
            )
    return Place(ZERO_SIZE, None, None, None, None, 0, 0)


def read_rows(path: str | Path) -> list[dict[str, str]]:
    """The rows of a CSV file with a header row, gzipped or not."""
    data = Path(path).read_bytes()
    text = gzip.decompress(data) if str(path).endswith(".gz") else data
    return list(csv.DictReader(io.StringIO(text.decode("utf-8"))))


# ---- pictures ----

_KINDS = (  # letter, colour, what
    ("s", "#0072B2", "small, scan"),
    ("n", "#56B4E9", "small, noscan"),
    ("L", "#E69F00", "large, scan"),
    ("l", "#F0E442", "large, noscan"),
    ("S", "#CC79A7", "goroutine stack"),
    ("m", "#999999", "other manual span"),
    (".", "#FFFFFF", "free"),
)
_TRIGGERS = (("heap", "#0072B2", "o"), ("forced", "#D55E00", "^"), ("periodic", "#CC79A7", "s"))
_BESIDE: dict[str, Any] = {
    "loc": "upper left", "bbox_to_anchor": (1, 1), "fontsize": 8, "frameon": False,
}  # fmt: skip
_POINTER, _NUMBER, _PADDING = "#0072B2", "#56B4E9", "#FFFFFF"


def _letter(span: SpanInfo) -> str:
    if span.state == "manual":
        return "S" if span.purpose == "stack" else "m"
    if span.size_class == 0:
        return "l" if span.noscan else "L"
    return "n" if span.noscan else "s"


class PageInfo(NamedTuple):
    """One page of a heap map. kind: a letter of the legend; used: share of its span's slots."""

    page: int
    kind: str
    used: float


def pages(heap: Heap) -> list[PageInfo]:
    """Every page from the first to the last one that is in use."""
    found: dict[int, PageInfo] = {}
    for span in heap.spans():
        if span.state == "dead":
            continue
        used = span.allocated / span.nelems if span.nelems else 1.0
        for page in range(span.first_page, span.first_page + span.npages):
            found[page] = PageInfo(page, _letter(span), used)
    return [found.get(p, PageInfo(p, ".", 0.0)) for p in range(max(found, default=-1) + 1)]


def _axes(ax: Any, width: float, height: float) -> Any:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def draw_heap(heap: Heap, *, ax: Any = None, columns: int = 32, title: str = "") -> list[PageInfo]:
    """One cell per 8 KiB page, lettered by kind, filled from below by the share of slots in use."""
    from matplotlib.patches import Patch, Rectangle

    drawn = pages(heap)
    rows = -(-len(drawn) // columns) or 1
    ax = _axes(ax, 8, 0.9 + 0.32 * rows)
    colours = {letter: colour for letter, colour, _ in _KINDS}
    for page, kind, used in drawn:
        x, y = page % columns, page // columns
        ax.add_patch(Rectangle((x, y), 1, 1, facecolor=colours[kind], alpha=0.3, lw=0))
        ax.add_patch(Rectangle((x, y), 1, 1, fill=False, edgecolor="#888888", lw=0.4))
        ax.add_patch(Rectangle((x, y + 1 - used), 1, used, facecolor=colours[kind], lw=0))
        ax.text(x + 0.5, y + 0.5, kind, ha="center", va="center", fontsize=7)
    ax.set(xlim=(0, columns), ylim=(rows, 0), xticks=range(0, columns + 1, 8))
    ax.set_yticks([r + 0.5 for r in range(rows)], [str(r * columns) for r in range(rows)])
    ax.set_xlabel("page of 8 KiB (row label + column); filled: share of slots in use")
    seen = {kind for _, kind, _ in drawn}
    ax.legend(
        handles=[
            Patch(facecolor=c, edgecolor="#888888", label=f"{k}  {what}")
            for k, c, what in _KINDS
            if k in seen
        ],
        **_BESIDE,
    )
    ax.set_title(title, fontsize=10)
    return drawn


def draw_layouts(layouts: Sequence[Layout], *, ax: Any = None, title: str = "") -> list[str]:
    """Each layout as a bar of bytes, one field a box; padding is hatched, pointers carry a ``*``.

    Returns one string per layout with one character per byte: the number of its field, or a dot.
    """
    from matplotlib.patches import Rectangle

    ax = _axes(ax, 8, 0.8 + 0.6 * len(layouts))
    texts = []
    for row, layout in enumerate(layouts):
        text = ["."] * layout.bytes
        for number, field in enumerate(layout.fields):
            colour = _POINTER if field.ptr_bytes else _NUMBER
            box = Rectangle((field.offset, row + 0.1), field.bytes, 0.8, facecolor=colour, ec="k")
            ax.add_patch(box)
            label = field.name + ("*" if field.ptr_bytes else "")
            small = len(label) > 2 * field.bytes
            ax.text(
                field.offset + field.bytes / 2,
                row + 0.5,
                label,
                ha="center",
                va="center",
                fontsize=6 if small else 8,
                rotation=90 if small else 0,
                color="white" if field.ptr_bytes else "black",
            )
            end = field.offset + field.bytes
            text[field.offset : end] = [str(number % 10)] * field.bytes
            if field.padding:
                gap = Rectangle(
                    (end, row + 0.1), field.padding, 0.8, fc=_PADDING, ec="k", hatch="///"
                )
                ax.add_patch(gap)
        texts.append("".join(text))
    widest = max((layout.bytes for layout in layouts), default=8)
    ax.set(xlim=(0, widest), ylim=(len(layouts), 0), xticks=range(0, widest + 1, 8))
    ax.set_yticks(
        [r + 0.5 for r in range(len(layouts))], [f"{x.name} {x.bytes} B" for x in layouts]
    )
    ax.set_xlabel("offset in bytes; hatched: padding; dark and *: holds pointers")
    ax.set_title(title, fontsize=10)
    return texts


def draw_flows(
    graph: EscapeGraph, *, ax: Any = None, title: str = ""
) -> list[tuple[str, str, str]]:
    """What flows where, from left to right: boxes are on the heap, round ones on the stack.

    An arrow with ``&`` stores the address of what it comes from, one with ``*`` what that points
    to, a plain one the value. Returns the arrows: (source, mark, target).
    """
    place = _layers(graph)
    columns = max((x for x, _ in place.values()), default=0) + 1
    rows = max((y for _, y in place.values()), default=0) + 1
    ax = _axes(ax, 2.6 * columns, 0.8 + 0.7 * rows)
    ax.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.4, -0.6))
    ax.axis("off")
    names = {node.id: node.name for node in graph.nodes}
    boxes = {}
    for node in graph.nodes:
        box = {"boxstyle": "square" if node.heap else "round,rounding_size=0.8", "ec": "k"}
        box["fc"] = _POINTER if node.heap else "white"
        colour = "white" if node.heap else "black"
        name = node.name.strip("{}").replace("storage for ", "storage for\n")
        drawn = ax.text(
            *place[node.id], name, bbox=box, color=colour, fontsize=8, ha="center", va="center"
        )
        boxes[node.id] = drawn.get_bbox_patch()
    arrows = []
    for edge in graph.edges:
        if edge.source not in place or edge.target not in place:
            continue
        mark = "&" if edge.derefs < 0 else "*" * edge.derefs
        a, b = place[edge.source], place[edge.target]
        look = {"arrowstyle": "-|>", "color": "0.3"}
        ends = {"patchA": boxes[edge.source], "patchB": boxes[edge.target]}
        ax.annotate("", xy=b, xytext=a, arrowprops=look | ends)
        ax.text((a[0] + b[0]) / 2, (a[1] + b[1]) / 2 - 0.12, mark, ha="center", fontsize=10)
        arrows.append((names[edge.source], mark, names[edge.target]))
    ax.set_title(title, fontsize=10)
    return arrows


def _layers(graph: EscapeGraph) -> dict[int, tuple[int, int]]:
    """Column and row of each location: right of all that flows to it, cycles cut."""
    column = {node.id: 0 for node in graph.nodes}
    for _ in range(min(len(column), 8)):
        for edge in graph.edges:
            if edge.source in column and edge.target in column and edge.source != edge.target:
                right = min(column[edge.source] + 1, 8)
                column[edge.target] = max(column[edge.target], right)
    rows: dict[int, int] = {}
    place = {}
    for node, x in column.items():
        place[node] = (x, rows.setdefault(x, 0))
        rows[x] += 1
    return place


def waste(sizes: Iterable[int], *, noscan: bool) -> Iterator[tuple[int, float]]:
    """(size, percent of the slot that the request leaves unused, header included), per size."""
    for size in sizes:
        rule = size_class(size, noscan)
        yield size, 100 * (rule.slot_bytes - size) / rule.slot_bytes if rule.slot_bytes else 0.0


def draw_waste(
    low: int, high: int, *, ax: Any = None, title: str = ""
) -> dict[bool, list[tuple[int, float]]]:
    """The waste of every size from low to high, with pointers and without; keyed by noscan."""
    ax = _axes(ax, 8, 3)
    data = {noscan: list(waste(range(low, high + 1), noscan=noscan)) for noscan in (False, True)}
    for noscan, colour, style in ((False, _POINTER, "-"), (True, "#E69F00", "--")):
        x, y = zip(*data[noscan], strict=True)
        label = "without pointers (noscan)" if noscan else "with pointers (scan)"
        ax.plot(x, y, style, color=colour, lw=1.1, label=label)
    ax.set(xlabel="size of the request, bytes", ylabel="waste, percent of slot", xlim=(low, high))
    ax.set_ylim(bottom=0)
    ax.legend(fontsize=8)
    ax.set_title(title, fontsize=10)
    return data


# ---- cycles ----


class CycleInfo(NamedTuple):
    """One cycle in the picture of a monitor. Bytes, and seconds since the heap was made."""

    number: int
    trigger: str
    begin_s: float
    end_s: float  #: of marking
    live: int  #: heap_live when it began
    live_at_end: int
    marked: int
    trigger_bytes: int | None  #: None: there was none
    goal: int | None  #: None: the collector was off
    stop_s: float


def cycle_rows(cycles: Iterable[Cycle]) -> list[CycleInfo]:
    """What `monitor` draws of each cycle."""
    return [
        CycleInfo(
            c.number,
            c.trigger,
            c.since_ns / 1e9,
            (c.since_ns + sum(ns for _, ns in c.phases[:3])) / 1e9,
            c.heap_live,
            c.heap_end,
            c.heap_marked,
            c.trigger_bytes,
            c.goal,
            c.pause_ns / 1e9,
        )
        for c in cycles
    ]


def _draw_cycles(rows: list[CycleInfo], ax: Any, stops: Any) -> None:
    times, live = [], []
    for row in rows:
        times += [row.begin_s, row.end_s, row.end_s]
        live += [row.live, row.live_at_end, row.marked]
    ax.plot(times, _mib(live), "-", color=_POINTER, lw=1.2, label="live (falls to marked)")
    begins = [row.begin_s for row in rows]
    goals, triggers = [row.goal for row in rows], [row.trigger_bytes for row in rows]
    ax.plot(begins, _mib(goals), "v", color="#D55E00", ms=4, label="goal")
    ax.plot(begins, _mib(triggers), "_", color="#009E73", ms=9, label="trigger")
    ax.set(ylabel="heap, MiB")
    ax.set_ylim(bottom=0)
    ax.legend(**_BESIDE)
    for kind, colour, marker in _TRIGGERS:
        of_kind = [row for row in rows if row.trigger == kind]
        if of_kind:
            x, y = [r.begin_s for r in of_kind], [r.stop_s * 1e6 for r in of_kind]
            stops.plot(x, y, marker, color=colour, ms=4, ls="none", label=kind)
    stops.set(ylabel="stopped, us", xlabel="seconds since the heap was made", yscale="log")
    if rows:
        stops.legend(**_BESIDE)
        longest, shortest = (f(max(row.stop_s * 1e6, 0.001) for row in rows) for f in (max, min))
        stops.set_ylim(_decade(shortest, math.floor), _decade(longest * 1.01, math.ceil))
    stops.yaxis.set_minor_formatter("")


def _decade(value: float, whole: Callable[[float], int]) -> float:
    return float(10 ** whole(math.log10(value)))


def _mib(numbers: Iterable[int | None]) -> list[float]:
    return [float("nan") if n is None else n / 2**20 for n in numbers]


def monitor(
    heap: Heap,
    *,
    axes: Any = None,
    title: str = "",
    while_: Callable[[], bool] | None = None,
    every: float = 0.2,
) -> list[CycleInfo]:
    """Draws a heap's cycles: live, goal and trigger over time, and below how long each stopped.

    The last 256 cycles are there to be drawn. ``axes`` is a pair of axes to draw on. In a notebook
    ``while_`` makes it a live picture: it is drawn again every so many seconds as long as the
    function returns true, such as ``thread.is_alive``, and a last time afterwards.
    """
    if axes is None:
        import matplotlib.pyplot as plt

        kwargs: dict[str, Any] = {"height_ratios": (3, 1)}
        _, axes = plt.subplots(
            2, 1, sharex=True, figsize=(8, 4), layout="constrained", gridspec_kw=kwargs
        )
    ax, stops = axes
    shown = None
    while True:
        again = while_ is not None and while_()
        rows = cycle_rows(heap.cycles)
        for each in axes:
            each.clear()
        _draw_cycles(rows, ax, stops)
        ax.set_title(title, fontsize=10)
        if while_ is None:
            return rows
        shown = _show(ax.figure, shown)
        if not again:
            _close(ax.figure)
            return rows
        time.sleep(every)


def _close(figure: Any) -> None:
    """Or a notebook shows it once more when the cell ends."""
    import matplotlib.pyplot as plt

    plt.close(figure)


def _show(figure: Any, shown: Any) -> Any:
    """Shows a figure, or puts it where it was shown before. Nothing outside IPython."""
    ipython = sys.modules.get("IPython")
    if ipython is None or ipython.get_ipython() is None:
        return None
    if shown is not None:
        shown.update(figure)
        return shown
    from IPython import display

    show: Any = display.display
    return show(figure, display_id=True)


# ---- Jupyter ----


def keep_refs_out_of_out(shell: Any = None) -> None:
    """From now on what a cell shows is not kept in ``Out``, ``_`` and the like if it is a Ref.

    Without it, an object that was shown once is rooted until the kernel ends. Does nothing outside
    IPython.
    """
    if shell is None:
        ipython = sys.modules.get("IPython")
        shell = ipython.get_ipython() if ipython else None
    if shell is None or getattr(shell, "_gcsim_refs_out", False):
        return
    shell._gcsim_refs_out = True

    def forget(result: Any) -> None:
        shown = result.result
        if not isinstance(shown, Ref):
            return
        result.result = None
        for names in (shell.user_ns, shell.user_ns_hidden, vars(shell.displayhook)):
            for name in [n for n, v in names.items() if v is shown and n.startswith("_")]:
                names[name] = ""  # IPython sets `_` only while all three agree about it
        for number in [n for n, value in shell.user_ns["Out"].items() if value is shown]:
            del shell.user_ns["Out"][number]

    shell.events.register("post_run_cell", forget)
