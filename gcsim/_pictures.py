"""Pictures of a heap. They take values, draw on the axes given, and return what they drew.

Needs matplotlib and NumPy (``pip install 'gcsim[viz]'``). Nothing is opened or shown: without
``ax=`` a figure of its own is made, which notebooks show and ``ax.figure.savefig`` writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from matplotlib.axes import Axes

    from gcsim._results import SpanInfo

PAGE_BYTES = 8192
_MANUAL = "#b0b0b0"  # stacks, buffers
_HELD, _USED = "#e8c268", "#30507a"  # of the cividis range: told apart by luminance alone


def png(draw: Callable[[], Any], dpi: int) -> bytes | None:
    """The figure that is drawn, for ``_repr_png_``; None without Matplotlib: the text is shown."""
    out = BytesIO()
    try:
        draw().savefig(out, format="png", dpi=dpi)
    except ImportError:
        return None
    return out.getvalue()


class SpanMap(NamedTuple):
    """What `span_map` drew.

    occupancy   per page of 8 KiB, 0 to 1: share of its span's slots in use; -1 free, -2 manual
    columns     pages in a row
    """

    axes: Axes
    occupancy: npt.NDArray[np.float64]
    columns: int


class ClassBars(NamedTuple):
    """What `class_bars` drew: per span class, bytes of its spans and of its slots in use."""

    axes: Axes
    labels: tuple[str, ...]
    held: tuple[int, ...]
    used: tuple[int, ...]


def new_axes(width: float = 8.0, height: float = 5.0) -> Axes:
    """Axes of a new figure that belongs to no window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure.add_subplot()


def span_map(spans: Iterable[SpanInfo], ax: Axes | None = None, *, columns: int = 0) -> SpanMap:
    """The pages of a heap, row by row in address order, coloured by how full their span is.

    Free pages are white; spans that hold no objects (goroutine stacks, buffers) are hatched. A line
    runs round each span of several pages. columns: pages in a row (0: as many as look well).
    """
    import numpy as np
    from matplotlib import colormaps
    from matplotlib.patches import Patch, Rectangle

    spans = list(spans)
    ax = new_axes() if ax is None else ax
    pages = max((s.first_page + s.npages for s in spans), default=1)
    columns = columns or max(32, 1 << (int(pages * 2.0) - 1).bit_length() // 2)
    rows = -(-pages // columns)
    occupancy = np.full(pages, -1.0)
    for s in spans:
        share = -2.0 if s.state == "manual" else s.allocated / s.nelems if s.nelems else 1.0
        occupancy[s.first_page : s.first_page + s.npages] = share

    cells = np.full(rows * columns, np.nan)
    cells[:pages] = np.where(occupancy >= 0, occupancy, np.nan)
    image = ax.imshow(
        cells.reshape(rows, columns),
        cmap=colormaps["cividis_r"],
        vmin=0,
        vmax=1,
        aspect="auto",
        interpolation="nearest",
        extent=(0, columns, rows, 0),
    )
    for s in spans:
        for row, first, last in _stretches(s.first_page, s.npages, columns):
            box = (first, row), last - first, 1
            if s.state == "manual":
                ax.add_patch(
                    Rectangle(*box, facecolor=_MANUAL, hatch="////", edgecolor="white", lw=0)
                )
            elif s.npages > 1 and rows <= 128:
                ax.add_patch(Rectangle(*box, fill=False, edgecolor="white", lw=0.6))
    ax.figure.colorbar(image, ax=ax, label="slots of the span in use (share)", pad=0.01)
    if any(s.state == "manual" for s in spans):
        patch = Patch(facecolor=_MANUAL, hatch="////", edgecolor="white", label="stacks, buffers")
        ax.legend(handles=[patch], loc="lower right", fontsize="x-small", framealpha=0.9)
    ax.set_xlabel(f"page of 8 KiB ({columns} in a row)")
    ax.set_ylabel(f"row ({columns * PAGE_BYTES // 1024} KiB)")
    return SpanMap(ax, occupancy, columns)


def _stretches(first: int, npages: int, columns: int) -> Iterable[tuple[int, int, int]]:
    """The rows that a run of pages covers: (row, first column, column behind the last)."""
    end = first + npages
    while first < end:
        row, column = divmod(first, columns)
        stop = min(end, (row + 1) * columns)
        yield row, column, column + stop - first
        first = stop


def class_bytes(spans: Iterable[SpanInfo]) -> dict[tuple[int, bool], tuple[int, int]]:
    """(slot size, noscan) -> bytes of spans, bytes of slots in use. Large objects: slot size 0."""
    total: dict[tuple[int, bool], tuple[int, int]] = {}
    for s in spans:
        if s.state == "in use":
            key = (s.slot_bytes if s.size_class else 0, s.noscan)
            held, used = total.get(key, (0, 0))
            total[key] = (held + s.bytes, used + s.allocated * s.slot_bytes)
    return total


def class_bars(
    spans: Iterable[SpanInfo],
    ax: Axes | None = None,
    *,
    classes: Sequence[tuple[int, bool]] | None = None,
) -> ClassBars:
    """Bytes held by the spans of each class, and bytes of slots in use in them.

    classes: (slot size, noscan) of the rows, 0 for large objects; else the 18 that hold most.
    n: without pointers (noscan), p: with.
    """
    ax = new_axes() if ax is None else ax
    total = class_bytes(spans)
    keys = list(classes) if classes is not None else largest_classes(total)
    held = {key: total.get(key, (0, 0))[0] for key in keys}
    used = {key: total.get(key, (0, 0))[1] for key in keys}
    labels = tuple(
        f"{f'{size:,} B' if size else 'large'} {'n' if noscan else 'p'}" for size, noscan in keys
    )
    at = range(len(keys))
    mib = 1 / (1 << 20)
    ax.barh(
        at, [held[k] * mib for k in keys], color=_HELD, edgecolor="black", lw=0.4, label="spans"
    )
    ax.barh(
        at,
        [used[k] * mib for k in keys],
        height=0.45,
        color=_USED,
        hatch="...",
        edgecolor="white",
        lw=0,
        label="slots in use",
    )
    ax.set_yticks(list(at), labels, fontsize="x-small")
    ax.invert_yaxis()
    ax.set_xlabel("MiB")
    ax.set_ylabel("size class (n: no pointers)")
    ax.legend(loc="best", fontsize="x-small", framealpha=0.9)
    return ClassBars(ax, labels, tuple(held[k] for k in keys), tuple(used[k] for k in keys))


def largest_classes(
    total: dict[tuple[int, bool], tuple[int, int]], rows: int = 18
) -> list[tuple[int, bool]]:
    """The classes whose spans hold most bytes, by slot size, large objects last."""
    most = sorted(total, key=lambda key: total[key][0], reverse=True)[:rows]
    return sorted(most, key=lambda key: (key[0] == 0, key))


def heap_picture(stages: Iterable[tuple[str, Iterable[SpanInfo]]], caption: str) -> Any:
    """A figure with a row per stage, (title, spans): the map of pages, and the bytes by class."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = [(title, list(spans)) for title, spans in stages]
    figure = Figure(figsize=(13, 4.6 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(rows), 2, squeeze=False, width_ratios=(3, 2))
    columns, widest = 0, 0.0
    classes = largest_classes(class_bytes(rows[0][1])) if rows else []
    for (title, spans), (left, right) in zip(rows, axes, strict=True):
        columns = span_map(spans, left, columns=columns).columns
        left.set_title(title, fontsize="medium")
        class_bars(spans, right, classes=classes)
        right.set_title("bytes by size class", fontsize="medium")
        widest = max(widest, right.get_xlim()[1])
    for _, right in axes:
        right.set_xlim(0, widest)
    figure.text(0.005, -0.02, caption, fontsize="small", va="top")
    return figure
