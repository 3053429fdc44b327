"""Results of the benchmark (tests/bench): the file that keeps them, and what its rows say.

A file holds cases; a case has programs that do the same work, the samples that each gave, and rows:
a metric of one program, its bar, and the same metric of a peer. A sample is a number; lower is
better. ``stops`` are the stops of the world of each run, as (start, length) in seconds.
"""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from gcsim._errors import BenchFormatError
from gcsim._files import write_whole

FORMAT, VERSION = "gcsim-bench", 1
BUSY = 0.1  # of the machine's time used by other work: from here on it is said

Stop = tuple[float, float]
T = TypeVar("T")


@dataclass(frozen=True)
class Limit:
    """At most so much: of the unit, or (with a peer) times what the peer took."""

    most: float
    peer: str | None = None


@dataclass(frozen=True)
class Row:
    """One line of a case's table."""

    what: str
    metric: str
    unit: str
    scale: float = 1.0
    program: str = "gcsim"
    peer: str | None = None
    less: str | None = None  # subtract this program's median
    bar: Limit | None = None
    stretch: Limit | None = None


@dataclass
class Program:
    """What became of one program: `missing` says how to get it, `failure` what it said."""

    command: str = ""
    missing: str | None = None
    failure: str | None = None
    seconds: list[float] = field(default_factory=list)  # of each run
    samples: dict[str, list[float]] = field(default_factory=dict)
    stops: list[list[Stop]] = field(default_factory=list)  # of each run


@dataclass
class Round:
    """The machine while every program ran once: loads before and after, shares of its time."""

    load: tuple[float, float]
    others: float  # processor time that went to other work
    steal: float  # ... and to other machines on the same hardware


@dataclass
class Case:
    name: str
    about: str
    rows: list[Row]
    programs: dict[str, Program] = field(default_factory=dict)
    rounds: list[Round] = field(default_factory=list)

    def values(self, program: str, metric: str) -> list[float]:
        there = self.programs.get(program)
        return there.samples.get(metric, []) if there else []

    def median(self, program: str | None, row: Row) -> float | None:
        values = self.values(program, row.metric) if program else []
        return statistics.median(values) * row.scale if values else None


@dataclass
class Results:
    form: str  # of the run: full or short
    judged: bool  # whether bars count
    machine: dict[str, Any]
    versions: dict[str, str]
    started: str
    repeats: int
    cases: dict[str, Case] = field(default_factory=dict)
    complete: bool = False

    @property
    def others(self) -> float:
        """The largest share of the machine that other work had during a round."""
        rounds = [r for case in self.cases.values() for r in case.rounds]
        return max((r.others + r.steal for r in rounds), default=0.0)

    @property
    def warnings(self) -> list[str]:
        """What a reader of the figures has to know."""
        said = []
        if self.others > BUSY:
            said.append(
                f"other work took up to {100 * self.others:.0f} % of the machine's time:"
                " compare within a row, and do not trust small differences"
            )
        if not self.complete:
            said.append("the run was cut short: some rows have few samples, or none")
        if self.form != "full":
            said.append("the short form: smaller sizes, times are not judged")
        return said

    def write(self, path: Path) -> None:
        """Whole or not at all."""
        record = {"format": FORMAT, "version": VERSION} | asdict(self)
        write_whole(path, json.dumps(record) + "\n")


# ---- reading ----


def _wrong(path: Path, what: str) -> BenchFormatError:
    return BenchFormatError(
        f"{path}: {what}; give a file that `make bench` wrote (build/bench/*.json)"
    )


def _made(path: Path, kind: type[T], record: Any, **more: Any) -> T:
    try:
        return kind(**(record | more))
    except TypeError:
        raise _wrong(path, f"a {kind.__name__.lower()} has other members") from None


def _row(path: Path, record: Any) -> Row:
    limits = {key: _made(path, Limit, record[key]) for key in ("bar", "stretch") if record.get(key)}
    return _made(path, Row, record, **limits)


def _program(path: Path, record: Any) -> Program:
    made = _made(path, Program, record)
    made.samples = {name: [float(v) for v in values] for name, values in made.samples.items()}
    made.stops = [[(float(at), float(long)) for at, long in run] for run in made.stops]
    return made


def _case(path: Path, record: Any) -> Case:
    return _made(
        path,
        Case,
        record,
        rows=[_row(path, row) for row in record["rows"]],
        programs={name: _program(path, p) for name, p in record["programs"].items()},
        rounds=[_made(path, Round, r, load=tuple(r["load"])) for r in record["rounds"]],
    )


def read(path: Path) -> Results:
    """The results in a file; BenchFormatError if it holds none, OSError if it cannot be read."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _wrong(path, f"no JSON, or truncated ({error})") from None
    if not isinstance(record, dict) or record.pop("format", None) != FORMAT:
        raise _wrong(path, "not results of gcsim's benchmark")
    if (version := record.pop("version", None)) != VERSION:
        raise _wrong(path, f"version {version} of the format, where {VERSION} is understood")
    try:
        cases = {name: _case(path, case) for name, case in record["cases"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _wrong(path, f"a case is incomplete or contradicts itself ({error!r})") from None
    results = _made(path, Results, record, cases=cases)
    if not isinstance(results.machine, dict) or not isinstance(results.versions, dict):
        raise _wrong(path, "the machine is not described")
    return results


def other_machine(ours: dict[str, Any], theirs: dict[str, Any]) -> str | None:
    """In what two machines differ such that their times say nothing about each other."""
    keys = ("cpu", "cpus", "memory_bytes", "id")
    differing = [k for k in keys if ours.get(k) != theirs.get(k)]
    said = [f"{k} {ours.get(k)!r} here, {theirs.get(k)!r} there" for k in differing]
    return "; ".join(said) or None


# ---- rows ----


@dataclass(frozen=True)
class Line:
    """A row with its figures: medians, in the row's unit."""

    row: Row
    ours: float | None
    low: float | None
    high: float | None
    peer: float | None
    ratio: float | None
    bar: bool | None  # reached; None: there is none, or it cannot be said
    stretch: bool | None


def _reached(case: Case, row: Row, ours: float | None, limit: Limit | None) -> bool | None:
    if limit is None or ours is None:
        return None
    unit = case.median(limit.peer, row) if limit.peer else 1.0
    return None if unit is None else ours <= limit.most * unit


def line(case: Case, row: Row) -> Line:
    measured, less = case.median(row.program, row), 0.0
    if row.less:
        subtracted = case.median(row.less, row)
        less, measured = subtracted or 0.0, None if subtracted is None else measured
    values = [v * row.scale - less for v in case.values(row.program, row.metric)]
    ours = None if measured is None else measured - less
    peer = case.median(row.peer, row)
    return Line(
        row,
        ours,
        min(values, default=None),
        max(values, default=None),
        peer,
        ours / peer if ours is not None and peer else None,
        _reached(case, row, ours, row.bar),
        _reached(case, row, ours, row.stretch),
    )


def figure(value: float | None, unit: str = "") -> str:
    if value is None:
        return ""
    digits = 0 if value == int(value) or abs(value) >= 1000 else 1 if abs(value) >= 100 else 2
    if abs(value) < 0.1 and digits:
        digits = 4
    return f"{value:,.{digits}f} {unit}".rstrip()


def limit_text(row: Row, limit: Limit | None) -> str:
    if limit is None:
        return ""
    return figure(limit.most, row.unit) if limit.peer is None else f"{limit.most:g} x {limit.peer}"


def _said(reached: bool | None, judged: bool) -> str:
    return "" if reached is None or not judged else "reached" if reached else "NOT"


HEAD = ("", "gcsim", "range", "peer", "ratio", "bar", "", "stretch", "")


def cells(case: Case, one: Line, judged: bool) -> list[str]:
    """The words of one line under HEAD."""
    row = one.row
    there = case.programs.get(row.peer or "")
    peer = f"{figure(one.peer, row.unit)} ({row.peer})" if one.peer is not None else ""
    if row.peer and not peer:
        peer = f"{row.peer}: {'missing' if there and there.missing else 'no figure'}"
    several = one.low is not None and one.low != one.high
    spread = f"{figure(one.low)} .. {figure(one.high)}" if several else ""
    ours = figure(one.ours, row.unit) or "no figure"
    ratio = f"{one.ratio:.2f}" if one.ratio is not None else ""
    limits = [
        word
        for limit, reached in ((row.bar, one.bar), (row.stretch, one.stretch))
        for word in (limit_text(row, limit), _said(reached, judged))
    ]
    return [row.what, ours, spread, peer, ratio, *limits]


# ---- programs with a setting ----

_VARIANT = re.compile(r"^(.*) (GOGC|n|mutators)=(\S+)$")


class Point(NamedTuple):
    at: float  # of the setting: GOGC, n, mutators
    x: float
    y: float


def setting(name: str) -> tuple[str, str, float] | None:
    """Of a program such as `go GOGC=50`: what it is, of what setting, with which value."""
    match = _VARIANT.match(name)
    if not match:
        return None
    base, power, exponent = match[3].partition("^")
    return match[1], match[2], float(base) ** float(exponent) if power else float(base)


def series(case: Case) -> dict[str, list[Point]]:
    """Of each program with settings n or mutators: the row's metric at each, in its unit."""
    found: dict[str, list[Point]] = {}
    if not case.rows:
        return found
    for name in case.programs:
        there, value = setting(name), case.median(name, case.rows[0])
        if there and there[1] in ("n", "mutators") and value is not None:
            found.setdefault(there[0], []).append(Point(there[2], there[2], value))
    return {name: sorted(points) for name, points in found.items()}


def bends(case: Case) -> list[str]:
    """Whether each series stays flat: the last over the first, and the steepest step."""
    said = []
    for name, points in series(case).items():
        if len(points) < 2 or points[0].y <= 0:
            continue
        steps = [(b.y / a.y if a.y > 0 else 1.0, a.x, b.x) for a, b in pairwise(points)]
        factor, low, high = max(steps, key=lambda step: step[0])
        whole = points[-1].y / points[0].y
        said.append(
            f"{name}: {points[-1].x:,.0f} costs {whole:.2f} times what {points[0].x:,.0f} does;"
            f" steepest from {low:,.0f} to {high:,.0f}: {factor:.2f} times"
        )
    return said


# ---- as text ----


def peers(case: Case, row: Row) -> dict[str, float]:
    """The medians of every program that has this row's metric, fastest first."""
    medians = {name: case.median(name, row) for name in case.programs}
    there = {name: value for name, value in medians.items() if value is not None}
    return dict(sorted(there.items(), key=lambda item: item[1]))


def comparison(now: Results, before: Results) -> list[list[str]]:
    """The rows that both runs have, under a head."""
    rows = [["", "then", "now", "ratio"]]
    for name, case in now.cases.items():
        there = before.cases.get(name)
        for row in case.rows if there else []:
            new, old = line(case, row).ours, line(there, row).ours if there else None
            if new is not None and old:
                words = f"{name}: {row.what.strip()}"
                rows.append(
                    [words, figure(old, row.unit), figure(new, row.unit), f"{new / old:.2f}"]
                )
    return rows


def aligned(lines: Sequence[Sequence[str]], left: Iterable[int] = (0,)) -> list[str]:
    widths = [max(len(words[i]) for words in lines) for i in range(len(lines[0]))]
    left = set(left)
    return [
        "  ".join(
            word.ljust(width) if i in left else word.rjust(width)
            for i, (word, width) in enumerate(zip(words, widths, strict=True))
        ).rstrip()
        for words in lines
    ]


def table(case: Case, judged: bool) -> list[str]:
    """The case as lines of text."""
    loads = [r.load for r in case.rounds] or [(0.0, 0.0)]
    others = max((r.others + r.steal for r in case.rounds), default=0.0)
    said = [
        f"{case.name}: {case.about} (load {min(map(min, loads)):.1f} .. {max(map(max, loads)):.1f},"
        f" other work {100 * others:.0f} %)"
    ]
    lines = [list(HEAD), *(cells(case, line(case, row), judged) for row in case.rows)]
    said += ["  " + text for text in aligned(lines, left=(0, 3))] if case.rows else []
    shown: set[str] = set()
    for row in case.rows:
        others_there = peers(case, row)
        if row.metric in shown or len(others_there) <= 2 or any(map(setting, others_there)):
            continue
        shown.add(row.metric)
        each = ", ".join(f"{name} {figure(value)}" for name, value in others_there.items())
        said.append(f"  {row.metric} {row.unit}: {each}")
    said += [f"  {text}" for text in bends(case)]
    for name, program in case.programs.items():
        if program.missing:
            said.append(f"  MISSING {name}: {program.missing}")
        if program.failure:
            said.append(f"  FAILED  {name}: {program.failure}")
    return said
