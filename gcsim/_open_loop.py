"""Predicting the goal and the trigger of real cycles from what was known when the one before ended.

A gctrace log gives, per cycle, its trigger, its goal, the work and the cons/mark estimate in force;
the metrics beside it (one row of runtime/metrics per cycle) give the bytes marked and the settings.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gcsim._conform import Conformance, read_text
from gcsim._errors import DumpFormatError
from gcsim._gctrace import read_gctrace
from gcsim._gctrace_lines import PacerLine

if TYPE_CHECKING:
    from gcsim.lowlevel import Pacer

_NEAR_BYTES = 64 << 10
_FIGURES = (
    "cycles",
    "by_gogc",
    "goal_equal",
    "trigger_above",
    "within_64k",
    "within_1_percent",
    "by_limit",
    "limit_within_10_percent",
)


@dataclass
class OpenLoop(Conformance):
    """One log: how many cycles were predicted, and how well. `figures` counts cycles."""

    torn_rows: int = 0

    @property
    def complete(self) -> bool:
        """Whether the predictions are as good as what is printed allows.

        Under GOGC no trigger is predicted above the observed one, every goal is equal but for torn
        rows, and all but one trigger are within 1 %; under a limit all but one are within 10 %.
        """
        f = self.figures
        return (
            f["cycles"] > 0
            and f["trigger_above"] == 0
            and f["goal_equal"] + self.torn_rows >= f["by_gogc"]
            and f["within_1_percent"] >= f["by_gogc"] - 1
            and f["limit_within_10_percent"] >= f["by_limit"] - 1
        )

    def __str__(self) -> str:
        lines = [f"{self.name}: {describe(self.figures)}"]
        return "\n".join(lines + [f"  {line}" for line in self.notes + self.differences])


def describe(f: dict[str, int]) -> str:
    """The figures of one log or of several in words."""
    parts = [f"{f['cycles']} cycles"]
    if n := f["by_gogc"]:
        parts.append(
            f"by GOGC {n}: goal equal {f['goal_equal']}/{n}, trigger above {f['trigger_above']},"
            f" within 64 KiB {_share(f['within_64k'], n)},"
            f" within 1 % of the goal {_share(f['within_1_percent'], n)}"
        )
    if n := f["by_limit"]:
        parts.append(f"by limit {n}: within 10 % {f['limit_within_10_percent']}/{n}")
    return "; ".join(parts)


def _share(n: int, total: int) -> str:
    return f"{n}/{total} ({100 * n / total:.1f} %)"


def totals(logs: list[OpenLoop]) -> str:
    """One line over all logs."""
    summed = {name: sum(log.figures[name] for log in logs) for name in _FIGURES}
    return f"{len(logs)} logs: {describe(summed)}"


def replay(text: str, path: Path) -> OpenLoop:
    """Predict each cycle of a log whose predecessor has its line and its row of metrics.

    Raises DumpFormatError if the metrics are not beside the log or a file is damaged.
    """
    result = OpenLoop(path.name, path=path, figures=dict.fromkeys(_FIGURES, 0))
    rows = _metrics(path)
    cycles = {cycle.number: cycle for cycle in read_gctrace(text)}
    for number, cycle in cycles.items():
        before, row = cycles.get(number - 1), rows.get(number - 1)
        if cycle.pacer is None or before is None or before.pacer is None or row is None:
            continue
        _compare(result, number, before.pacer, cycle.pacer, row)
    return result


def _metrics(path: Path) -> dict[int, dict[str, float]]:
    """Rows of runtime/metrics by the number of the cycle that they follow."""
    stem = path.name.removesuffix(".gz").removesuffix(".log")
    names = (f"{stem}.metrics.csv.gz", f"{stem}.metrics.csv")
    for name in names:
        if path.with_name(name).exists():
            rows = csv.DictReader(read_text(path.with_name(name)).splitlines())
            values = [{key: float(text) for key, text in row.items()} for row in rows]
            return {int(row["/gc/cycles/total:gc-cycles"]): row for row in values}
    raise DumpFormatError(
        f"{path}: its metrics, {names[0]} or {names[1]}, are not beside it; a log alone does not"
        " tell how many bytes were marked"
    )


def _setting(value: float, none: int) -> int:
    """GOGC off and no limit read 2^64 and 2^63 in these files."""
    return int(value) if value < 2.0**63 else none


def _predict(before: PacerLine, now: PacerLine, row: dict[str, float]) -> Pacer:
    """The pacer as it stood after the cycle before was committed."""
    from gcsim.lowlevel import Pacer

    pacer = Pacer()
    pacer.init(
        _setting(row["/gc/gogc:percent"], -1),
        _setting(row["/gc/gomemlimit:bytes"], (1 << 63) - 1),
    )
    pacer["heap_free"] = int(row["/memory/classes/heap/free:bytes"])
    pacer["total_alloc"] = int(row["/memory/classes/heap/objects:bytes"])
    pacer["mapped_ready"] = int(
        row["/memory/classes/total:bytes"] - row["/memory/classes/heap/released:bytes"]
    )
    pacer["globals_scan"] = int(row["/gc/scan/globals:bytes"])
    pacer["cons_mark"] = now.cons_mark
    pacer["heap_scan_work"] = before.heap_scan_work
    pacer["stack_scan_work"] = before.stack_scan_work
    pacer.reset_live(int(row["/gc/heap/live:bytes"]))
    pacer.commit(False)
    return pacer


def _compare(
    result: OpenLoop,
    number: int,
    before: PacerLine,
    now: PacerLine,
    row: dict[str, float],
) -> None:
    pacer = _predict(before, now, row)
    trigger, _ = pacer.trigger()
    by_limit = pacer.memory_limit_goal() < pacer["gc_percent_heap_goal"]
    pacer["triggered"] = now.triggered
    goal = pacer.heap_goal()
    over = now.triggered - trigger
    figures = result.figures
    figures["cycles"] += 1
    if by_limit:
        good = abs(over) <= 0.1 * now.goal
        figures["by_limit"] += 1
        figures["limit_within_10_percent"] += good
    else:
        near = abs(over) <= 0.01 * now.goal
        good = goal == now.goal and over >= 0 and near
        figures["by_gogc"] += 1
        figures["goal_equal"] += goal == now.goal
        figures["trigger_above"] += over < 0
        figures["within_64k"] += 0 <= over <= _NEAR_BYTES
        figures["within_1_percent"] += near
        # A row sampled while the next cycle ended carries that one's live bytes, and its stacks.
        torn = row["/gc/scan/stack:bytes"] != before.stack_scan_work
        if torn and goal != now.goal:
            result.torn_rows += 1
            result.notes.append(f"gc {number}: the metrics row before it is torn")
    if good:
        result.check_row("", [])
    else:
        rule = "limit" if by_limit else "GOGC"
        result.check_row(
            f"gc {number} by {rule}:",
            [f"gcsim goal {goal} trigger {trigger}, Go goal {now.goal} trigger {now.triggered}"],
        )
