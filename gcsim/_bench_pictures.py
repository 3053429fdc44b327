"""Pictures of benchmark results. Each draws on the axes given, and returns the figures it drew.

Needs matplotlib (``pip install 'gcsim[viz]'``). Colours are Okabe and Ito's, told apart by people
who see fewer; markers say the same again.
"""

from __future__ import annotations

import bisect
import statistics
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

from gcsim._bench import Case, Point, Results, Stop, figure, line, series, setting
from gcsim._pictures import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MIB = 1 << 20
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")
_MARKERS = "os^DvPX*<>"


def _style(index: int) -> dict[str, Any]:
    return {
        "color": _COLOURS[index % len(_COLOURS)],
        "marker": _MARKERS[index % len(_MARKERS)],
    }


# ---- rows ----


class Ratio(NamedTuple):
    words: str
    ratio: float  # gcsim's figure over the peer's
    bar: float | None  # of the ratio; None: it is about another peer
    reached: bool | None


def ratio_rows(results: Results) -> list[Ratio]:
    """The rows that have a peer and a bar."""
    rows = []
    for case in results.cases.values():
        if any(setting(name) for name in case.programs):
            continue
        for row in case.rows:
            one = line(case, row)
            if row.bar is None or not one.ratio or not one.peer:
                continue
            bar = row.bar.most / one.peer if row.bar.peer is None else None
            bar = row.bar.most if row.bar.peer == row.peer else bar
            words = f"{case.name}: {row.what.strip()} (peer: {row.peer})"
            rows.append(Ratio(words, one.ratio, bar, one.bar if results.judged else None))
    return rows


def ratios(results: Results, ax: Axes | None = None) -> tuple[Axes, list[Ratio]]:
    """How much of the peer's time, memory or stop gcsim takes, and where the bar is."""
    rows = ratio_rows(results)
    ax = new_axes(9.0, 1.2 + 0.27 * max(len(rows), 1)) if ax is None else ax
    colours = [_COLOURS[1] if row.reached is False else _COLOURS[0] for row in rows]
    ax.barh(range(len(rows)), [row.ratio for row in rows], color=colours, height=0.6)
    for i, row in enumerate(rows):
        if row.bar is not None:
            ax.plot([row.bar], [i], "k|", markersize=12)
        missed = " not reached" if row.reached is False else ""
        ax.text(
            max(row.ratio, row.bar or 0), i, f"  {row.ratio:.2g}{missed}", va="center", fontsize=7
        )
    ax.axvline(1, color="#999999", linewidth=0.8)
    ax.set_yticks(range(len(rows)), [row.words for row in rows], fontsize=7)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xscale("log")
    ax.set_xlabel("gcsim / peer (less is better; | is the bar)")
    ax.margins(x=0.2)
    return ax, rows


# ---- time against memory ----


def curves(case: Case) -> dict[str, list[Point]]:
    """Of each program with several GOGC: memory in MiB, seconds; of others, one point."""
    found: dict[str, list[Point]] = {}
    for name in case.programs:
        seconds, peak = case.values(name, "seconds"), case.values(name, "peak_bytes")
        if seconds and peak:
            base, _, value = setting(name) or (name, "", 0.0)
            x = statistics.median(peak) / MIB
            found.setdefault(base, []).append(Point(value, x, statistics.median(seconds)))
    return {name: sorted(points) for name, points in found.items()}


def seconds_at(points: list[Point], memory: float) -> float | None:
    """The least time that the curve takes with so much memory; between two points, on the line."""
    path = sorted((p.x, p.y) for p in points)
    least = list(accumulate((y for _, y in path), min))  # more memory may be left unused
    at = bisect.bisect_right([x for x, _ in path], memory)
    if at == 0:
        return None
    if at == len(path):
        return least[-1]
    (x0, _), (x1, _) = path[at - 1], path[at]
    return least[at - 1] + (least[at] - least[at - 1]) * (memory - x0) / (x1 - x0)


def equal_memory(case: Case) -> list[str]:
    """At the memory that each other program took: who is faster, and by how much."""
    found = curves(case)
    ours = found.pop("gcsim", [])
    said = []
    for name, points in found.items():
        for p in points:
            seconds = seconds_at(ours, p.x)
            label = f"{name} GOGC={p.at:g}" if len(points) > 1 else name
            if seconds is None:
                said.append(f"{label}: {p.x:.0f} MiB, {figure(p.y, 's')}; gcsim needs more memory")
                continue
            who = f"gcsim is {p.y / seconds:.2f} times as fast"
            if seconds > p.y:
                who = f"gcsim takes {seconds / p.y:.2f} times as long"
            said.append(f"{label}: {p.x:.0f} MiB, {figure(p.y, 's')}; in that memory {who}")
    return said


def time_against_memory(case: Case, ax: Axes | None = None) -> tuple[Axes, dict[str, list[Point]]]:
    """Seconds and peak memory, a curve for each program with several GOGC."""
    ax = new_axes() if ax is None else ax
    found = curves(case)
    for i, (name, points) in enumerate(found.items()):
        words = f"{name}, GOGC {points[0].at:g} to {points[-1].at:g}" if len(points) > 1 else name
        ax.plot([p.x for p in points], [p.y for p in points], label=words, **_style(i))
        for p in points if len(points) > 1 else []:
            ax.annotate(
                f"{p.at:g}", (p.x, p.y), fontsize=6, xytext=(3, 3), textcoords="offset points"
            )
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("peak resident memory, MiB")
    ax.set_ylabel("wall time, s")
    ax.set_title(case.about, fontsize=9)
    ax.legend(fontsize=7)
    return ax, found


# ---- stops ----


def runs_of(case: Case) -> dict[str, list[tuple[list[Stop], float]]]:
    """Of each program, its runs: the stops, and how long the run took, both in s."""
    return {
        name: [
            (stops, seconds)
            for stops, seconds in zip(program.stops, program.samples.get("wall", []), strict=False)
            if stops
        ]
        for name, program in case.programs.items()
        if any(program.stops)
    }


def utilisation(stops: list[Stop], total: float, window: float) -> float:
    """The smallest share of any window of that length, in s, in which the world was not stopped.

    A worst window begins where a stop begins: one that does not can slide there and lose nothing.
    """
    if window <= 0 or total <= 0:
        return 0.0
    window = min(window, total)
    merged: list[list[float]] = []
    for start, length in sorted(stops):
        end = min(start + length, total)
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        elif start < end:
            merged.append([start, end])
    starts = [a for a, _ in merged]
    before = [0.0, *accumulate(b - a for a, b in merged)]

    def stopped_until(t: float) -> float:
        at = bisect.bisect_right(starts, t)
        if at == 0:
            return 0.0
        a, b = merged[at - 1]
        return before[at - 1] + min(t, b) - a

    begins = [min(a, total - window) for a in starts]
    worst = max((stopped_until(a + window) - stopped_until(a) for a in begins), default=0.0)
    return max(0.0, 1.0 - worst / window)  # sums of floats may go beyond the window


def pauses(case: Case, ax: Axes | None = None) -> tuple[Axes, dict[str, list[float]]]:
    """The share of the stops of all runs that were longer than so much."""
    ax = new_axes() if ax is None else ax
    drawn = {}
    for i, (name, runs) in enumerate(runs_of(case).items()):
        lengths = sorted(length * 1e3 for stops, _ in runs for _, length in stops)
        drawn[name] = lengths
        share = [1 - k / len(lengths) for k in range(len(lengths))]
        words = f"{name}: {len(lengths)} stops, worst {lengths[-1]:.3g} ms"
        every = max(1, len(lengths) // 12)
        ax.plot(lengths, share, label=words, markevery=every, markersize=4, **_style(i))
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("length of a stop, ms")
    ax.set_ylabel("share of the stops at least so long")
    ax.set_title(f"stops of the world: {case.about}", fontsize=9)
    ax.legend(fontsize=7)
    return ax, drawn


WINDOWS_MS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def minimum_utilisation(
    case: Case, ax: Axes | None = None
) -> tuple[Axes, dict[str, list[tuple[float, float]]]]:
    """Minimum mutator utilisation: (window in ms, share), the median of the runs."""
    ax = new_axes() if ax is None else ax
    drawn = {}
    for i, (name, runs) in enumerate(runs_of(case).items()):
        shares = [
            (ms, statistics.median(utilisation(stops, total, ms / 1e3) for stops, total in runs))
            for ms in WINDOWS_MS
        ]
        drawn[name] = shares
        ax.plot(*zip(*shares, strict=True), label=name, markersize=4, **_style(i))
    ax.set_xscale("log")
    ax.set_ylim(-0.02, 1.02)
    ax.set_xlabel("window, ms")
    ax.set_ylabel("least share of a window not stopped")
    ax.set_title(f"minimum mutator utilisation: {case.about}", fontsize=9)
    ax.legend(fontsize=7)
    return ax, drawn


# ---- growth ----


def growth(case: Case, ax: Axes | None = None) -> tuple[Axes, dict[str, list[Point]]]:
    """The row's metric against the number of objects or mutators."""
    ax = new_axes(6.0, 4.0) if ax is None else ax
    found = series(case)
    for i, (name, points) in enumerate(found.items()):
        ax.plot([p.x for p in points], [p.y for p in points], label=name, **_style(i))
    ax.set_xscale("log", base=2)
    ax.set_ylim(bottom=0)  # flat is to look flat
    ax.set_xlabel("mutators" if "mutators" in case.name else "objects")
    ax.set_ylabel(f"{case.rows[0].metric}, {case.rows[0].unit}" if case.rows else "")
    ax.set_title(case.about, fontsize=8)
    ax.legend(fontsize=7)
    return ax, found
