"""The picture of a timeline. Needs Matplotlib; nothing is opened or shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gcsim._results import bytes_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from gcsim._timeline import Timeline

# Told apart by luminance and hatch alone; of the cividis range, as the other pictures.
_LOOKS = {
    "cycle": ("#d9d9d9", ""),
    "mark": ("#e8c268", ""),
    "mark termination": ("#8a1c1c", ""),
    "sweep": ("#9fb3c8", "////"),
    "stop the world": ("#8a1c1c", ""),
    "assist": ("#30507a", "...."),
}
_LINES = {
    "heap live": ("#30507a", "-", 1.6),
    "heap goal": ("#b07d12", "--", 1.2),
    "memory limit": ("#8a1c1c", ":", 1.6),
}
_FAR = 4  # times what is live and the goal


def draw(timeline: Timeline, figure: Figure | None = None) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = 2 + len(timeline.threads)
    if figure is None:
        figure = Figure(figsize=(11, 2.6 + 0.32 * rows), layout="constrained")
        FigureCanvasAgg(figure)
    tracks, sizes = figure.subplots(2, 1, sharex=True, height_ratios=(0.32 * rows, 2.2))
    _draw_tracks(timeline, tracks)
    _draw_sizes(timeline, sizes)
    sizes.set_xlabel("step" if timeline.mode == "steps" else "ms since recording began")
    sizes.set_xlim(0, _scaled(timeline, timeline.span) or 1)
    return figure


def _scaled(timeline: Timeline, at: int) -> float:
    return float(at) if timeline.mode == "steps" else at / 1e6


def _look(name: str) -> tuple[str, str] | None:
    if name.startswith("cycle "):
        return _LOOKS["cycle"]
    return _LOOKS["mark"] if name.startswith("mark (") else _LOOKS.get(name)


def _draw_tracks(timeline: Timeline, ax: Axes) -> None:
    """One row for each thread, cycles above with their phases below them."""
    from matplotlib.patches import Patch

    rows: dict[int | str, int] = {"cycles": 0, "phases": 1}
    for track in sorted(timeline.threads):
        rows[track] = len(rows)
    bars: dict[tuple[int, str, str], list[tuple[float, float]]] = {}
    for s in timeline.slices:
        look = _look(s.name)
        if look is None:  # parts of a stop
            continue
        row = rows[s.track] if s.track != "cycles" else rows[_row_of(s.name)]
        begin = _scaled(timeline, s.begin)
        bars.setdefault((row, *look), []).append((begin, _scaled(timeline, s.end) - begin))
    for (row, colour, hatch), spans in bars.items():
        ax.broken_barh(
            spans, (row - 0.4, 0.8), facecolor=colour, hatch=hatch, edgecolor=colour, lw=0.6
        )
    for s in timeline.slices:
        if s.name.startswith("cycle "):
            middle = _scaled(timeline, s.begin + s.end) / 2
            ax.text(
                middle, 0, s.name[6:], ha="center", va="center", fontsize="xx-small", clip_on=True
            )
    names = ["cycle", "phase", *(timeline.threads[t] for t in sorted(timeline.threads))]
    ax.set_yticks(range(len(rows)), names, fontsize="small")
    ax.set_ylim(len(rows) - 0.5, -0.5)
    patches = [
        Patch(facecolor=colour, hatch=hatch, edgecolor="white", label=name)
        for name, (colour, hatch) in _LOOKS.items()
        if name not in ("cycle", "mark termination")
    ]
    ax.legend(
        handles=patches, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(patches),
        fontsize="x-small", frameon=False,
    )  # fmt: skip


def _row_of(name: str) -> str:
    return "cycles" if name.startswith("cycle ") else "phases"


def _draw_sizes(timeline: Timeline, ax: Axes) -> None:
    """Counters are steps: each value holds until the next. A limit far above the rest is named, not
    shown."""
    from matplotlib.ticker import FuncFormatter

    sizes = [s.value for s in timeline.samples if s.value and s.name != "memory limit"]
    limits = [s.value for s in timeline.samples if s.value and s.name == "memory limit"]
    top = max(sizes, default=0)
    near = [limit for limit in limits if limit <= _FAR * top]
    for name, (colour, style, width) in _LINES.items():
        points = [(s.at, s.value) for s in timeline.samples if s.name == name]
        if not any(value is not None for _, value in points):
            continue
        points.append((timeline.span, points[-1][1]))
        far = name == "memory limit" and not near
        ax.step(
            [_scaled(timeline, at) for at, _ in points],
            [float("nan") if value is None else value for _, value in points],
            where="post",
            color=colour,
            ls=style,
            lw=width,
            label=f"{name} (far above: {bytes_text(max(limits))})" if far else name,
        )
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: bytes_text(value)))
    ax.set_ylim(0, 1.1 * max(top, *near, 1))
    ax.set_ylabel("bytes")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="best", fontsize="x-small", framealpha=0.9)
