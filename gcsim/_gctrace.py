"""Reading what ``GODEBUG=gctrace=1,gcpacertrace=1,scavtrace=1`` prints, of any Go version.

What a line says is :mod:`gcsim._gctrace_lines`; here lines are told from a program's own output,
grouped by cycle, written back and shown.
"""

from __future__ import annotations

import gzip
import html
import io
import json
import os
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Protocol, cast, overload

from gcsim._errors import OptionError, TraceFormatError
from gcsim._files import write_whole
from gcsim._gctrace_lines import (
    HEAD,
    CycleLine,
    ForcedLine,
    MarkStartLine,
    PacerLine,
    RatioLine,
    ScavLine,
    ScvgLine,
    SweepLine,
    TraceLine,
    read_line,
    version,
    write_line,
)
from gcsim._results import _ns_text

if TYPE_CHECKING:
    import argparse

    import numpy as np

_LONGEST = 1 << 16  # bytes of a line that are looked at together
_MAX_OTHER = 1 << 28  # characters of other output that are kept


# --- one cycle -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class TraceCycle:
    """One cycle of a log, with the lines about it. Times in ns, sizes in MB (2**20 bytes).

    `pacer` and `start` (gcpacertrace=1) stand before the cycle's line in a log, `swept` and `scav`
    (scavtrace=1) after it; None where the log has none.
    """

    line: CycleLine
    start: MarkStartLine | None = None
    pacer: PacerLine | None = None  # None too where nothing was allocated while it marked
    ratio: RatioLine | None = None  #: the pacer of Go 1.5 to 1.17
    swept: SweepLine | None = None
    scav: ScavLine | ScvgLine | None = None
    timed_out: bool = False  #: begun because two minutes had passed ("GC forced")

    @property
    def number(self) -> int:
        """The cycle's number; the first is 1."""
        return self.line.number

    @property
    def at_s(self) -> float | None:
        """When it began, in seconds since the program's start; None before Go 1.5."""
        return self.line.at_s

    @property
    def heap_mb(self) -> tuple[int, ...]:
        """The heap at the start, at the end, and what was marked; before Go 1.5 two of them."""
        return self.line.heap_mb

    @property
    def stops_ns(self) -> tuple[int, ...]:
        """Each stop of the world."""
        return self.line.stops_ns

    @property
    def mark_ns(self) -> int:
        """How long was marked."""
        return self.line.mark_ns

    @property
    def why(self) -> str:
        """``"forced"`` by runtime.GC, ``"time"``, or ``"heap"``: it had grown to the trigger."""
        return "forced" if self.line.forced else "time" if self.timed_out else "heap"

    def __repr__(self) -> str:
        return f"<gc {self.number}: {write_line(self.line)}>"


class OtherLine(NamedTuple):
    """A line that is no trace; `damaged` if it begins as one."""

    number: int  #: in the file, from 1
    text: str
    damaged: bool


class TraceTotals(NamedTuple):
    """What a log adds up to."""

    cycles: int
    forced: int
    worst_stop_ns: int
    stop_ns: int
    mark_ns: int
    cpu_percent: int | None  #: for collection since the program's start, as the last cycle tells
    seconds: float | None  #: when the last cycle began
    goal_mb: int | None  #: of the last cycle
    peak_goal_mb: int | None
    peak_heap_mb: int


# --- the log -------------------------------------------------------------------------------------


class _Entry(NamedTuple):
    prefix: str  # what a program or a logger wrote before it in the same line
    line: TraceLine | None
    text: str  # of other output; the end of the line of a trace
    number: int


@dataclass(frozen=True, repr=False)
class GCTrace(Sequence[TraceCycle]):
    """A log: its cycles in order, and beside them the other lines of the program.

    Immutable. ``str`` is a table; `text` writes the lines again, in their own form or as another
    version of Go would print them.
    """

    cycles: tuple[TraceCycle, ...]
    _entries: tuple[_Entry, ...]

    @overload
    def __getitem__(self, index: int) -> TraceCycle: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[TraceCycle, ...]: ...
    def __getitem__(self, index: int | slice) -> TraceCycle | tuple[TraceCycle, ...]:
        return self.cycles[index]

    def __len__(self) -> int:
        return len(self.cycles)

    @property
    def lines(self) -> tuple[TraceLine, ...]:
        """All lines of the trace, in order."""
        return tuple(entry.line for entry in self._entries if entry.line)

    @property
    def other(self) -> tuple[OtherLine, ...]:
        """The lines that are no trace: the program's output, and what is damaged."""
        return tuple(
            OtherLine(e.number, e.text, HEAD.match(e.text) is not None)
            for e in self._entries
            if e.line is None
        )

    @property
    def damaged(self) -> tuple[OtherLine, ...]:
        """Lines that begin as a trace does but do not go on as one: torn, cut off, or edited."""
        return tuple(line for line in self.other if line.damaged)

    @property
    def dialect(self) -> str | None:
        """The Go version that began to print its newest form of a line: it is that, or later."""
        return max((line.since for line in self.lines), key=version, default=None)

    @property
    def totals(self) -> TraceTotals:
        """Cycles, stops, CPU share, goal."""
        lines = [cycle.line for cycle in self.cycles]
        stops = [ns for line in lines for ns in line.stops_ns]
        goals = [line.goal_mb for line in lines if line.goal_mb is not None]
        last = lines[-1] if lines else None
        return TraceTotals(
            len(lines),
            sum(line.forced for line in lines),
            max(stops, default=0),
            sum(stops),
            sum(line.mark_ns for line in lines),
            last.percent if last else None,
            last.at_s if last else None,
            goals[-1] if goals else None,
            max(goals, default=None),
            max((mb for line in lines for mb in line.heap_mb), default=0),
        )

    def text(self, dialect: str | None = None, *, other: bool = False) -> str:
        """The lines of the trace; with `other`, all lines, each where it stood.

        Without `dialect` every line is written byte for byte as it was read. With one, a Go version
        from 1.3 on, as that version prints it; numbers that the log does not have are 0, lines that
        the version does not have are left out. Raises OptionError.
        """
        if dialect is not None:
            _check_dialect(dialect)
        out: list[str] = []
        for prefix, line, text, _ in self._entries:
            if line is None:
                out.append(text if other else "")
            elif (written := write_line(line, dialect)) is not None:
                # Alone, a line needs an end and nothing before it.
                out.append(f"{prefix}{written}{text}" if other else f"{written}\n")
        return "".join(out)

    def write(self, file: str | os.PathLike[str] | IO[str], dialect: str | None = None) -> None:
        """Writes `text` to a path or a text file. Raises OSError, OptionError."""
        text = self.text(dialect)
        if isinstance(file, str | os.PathLike):
            write_whole(file, text)
        else:
            file.write(text)

    def to_numpy(self) -> np.ndarray[Any, Any]:
        """One row per cycle, a structured array: see its dtype for names.

        ``_ns`` and ``_mb`` are int64, ``at_s`` is NaN and ``percent``, ``goal_mb`` are -1 before Go
        1.5. Needs NumPy.
        """
        import numpy as np

        names = ["number", "stop1_ns", "mark_ns", "stop2_ns", "start_mb", "end_mb", "marked_mb"]
        names += ["goal_mb", "percent", "procs"]
        dtype = [("at_s", "f8"), *((name, "i8") for name in names), ("forced", "?")]
        rows = np.zeros(len(self), dtype)
        for i, cycle in enumerate(self.cycles):
            row = _row(cycle)
            for name in rows.dtype.names or ():
                value = row[name]
                rows[name][i] = value if value is not None else np.nan if name == "at_s" else -1
        return rows

    def to_dict(self) -> dict[str, Any]:
        """All of it but other output, for JSON."""
        return {
            "dialect": self.dialect,
            "totals": self.totals._asdict(),
            "cycles": [_row(cycle) for cycle in self.cycles],
            "other_lines": len(self.other),
            "damaged_lines": [line.number for line in self.damaged],
        }

    def __repr__(self) -> str:
        t = self.totals
        return f"<gctrace: {t.cycles} cycles, worst stop {_ns_text(t.worst_stop_ns)}>"

    def __str__(self) -> str:
        return "\n".join([HEADING, *map(table_row, self.cycles), self.summary()])

    def summary(self) -> str:
        """The totals in words."""
        t = self.totals
        parts = [f"{t.cycles} cycles" + (f" ({t.forced} forced)" if t.forced else "")]
        if t.seconds is not None:
            parts[0] += f" in {t.seconds:.3f} s"
        if t.cycles:
            parts.append(f"worst stop {_ns_text(t.worst_stop_ns)}, all {_ns_text(t.stop_ns)}")
        if t.cpu_percent is not None:
            parts.append(f"{t.cpu_percent} % of the CPU")
        if t.goal_mb is not None:
            parts.append(f"goal {t.goal_mb} MB (peak {t.peak_goal_mb})")
        if n := len(self.other):
            parts.append(f"{n} other lines")
        if damaged := self.damaged:
            at = ", ".join(str(line.number) for line in damaged[:5])
            more = ", ..." if len(damaged) > 5 else ""
            parts[-1] += f", {len(damaged)} of them damaged (line {at}{more})"
        return "; ".join(parts)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def _row(cycle: TraceCycle) -> dict[str, Any]:
    """A cycle's numbers by the names of to_numpy's columns, and why."""
    line = cycle.line
    stops = line.stops_ns
    heap = line.heap_mb if len(line.heap_mb) == 3 else (line.heap_mb[0], *line.heap_mb[1:] * 2)
    return {
        "number": line.number,
        "at_s": line.at_s,
        "stop1_ns": stops[0],
        "mark_ns": line.mark_ns,
        "stop2_ns": stops[1] if len(stops) > 1 else 0,
        "start_mb": heap[0],
        "end_mb": heap[1],
        "marked_mb": heap[2],
        "goal_mb": line.goal_mb,
        "percent": line.percent,
        "procs": line.procs,
        "forced": line.forced,
        "why": cycle.why,
    }


HEADING = (
    f"{'gc':>5} {'at':>10} {'heap, MB':>16} {'goal':>6} {'stop':>8} {'mark':>8} {'stop':>8}"
    f" {'GC CPU':>6}  why"
)


def table_row(cycle: TraceCycle) -> str:
    """A cycle as a row of the table under `HEADING`."""
    row = _row(cycle)
    at = "" if row["at_s"] is None else f"{row['at_s']:.3f} s"
    goal = "" if row["goal_mb"] is None else row["goal_mb"]
    percent = "" if row["percent"] is None else f"{row['percent']} %"
    times = (_ns_text(row[name]) for name in ("stop1_ns", "mark_ns", "stop2_ns"))
    heap = "->".join(map(str, cycle.heap_mb))
    return (
        f"{row['number']:>5} {at:>10} {heap:>16} {goal:>6} "
        + " ".join(f"{text:>8}" for text in times)
        + f" {percent:>6}  {row['why']}"
    )


# --- reading -------------------------------------------------------------------------------------


def _check_dialect(dialect: str) -> None:
    try:
        known = version(dialect) >= (1, 3)
    except (ValueError, AttributeError):
        known = False
    if not known:
        raise OptionError(f"a dialect is a Go version from '1.3' on, not {dialect!r}")


def _entry(text: str, number: int) -> _Entry:
    """A line with its end, as a trace line or as other output.

    A logger's prefix before a trace line, or the beginning of a line that the program had not ended
    yet, is kept apart.
    """
    body = text.removesuffix("\n").removesuffix("\r")
    if len(body) < _LONGEST and (head := HEAD.search(body)):
        prefix = body[: head.start()]
        if line := read_line(body[head.start() :]):
            return _Entry(prefix, line, text[len(body) :], number)
    return _Entry("", None, text, number)


class _Grouper:
    """Puts the lines between two cycles to the one that they tell of."""

    def __init__(self) -> None:
        self.before: dict[str, Any] = {}
        self.after: dict[str, Any] = {}
        self.last: CycleLine | None = None
        self.first: dict[str, Any] = {}

    def add(self, line: TraceLine) -> TraceCycle | None:
        """The cycle before, once the next one's line shows that nothing more will come of it."""
        if isinstance(line, CycleLine):
            done = self.flush()
            self.last, self.first, self.before = line, self.before, {}
            return done
        if isinstance(line, MarkStartLine):
            self.before["start"] = line
        elif isinstance(line, PacerLine):
            self.before["pacer"] = line
        elif isinstance(line, RatioLine):
            self.before["ratio"] = line
        elif isinstance(line, ForcedLine):
            self.before["timed_out"] = True
        elif isinstance(line, SweepLine):
            self.after["swept"] = line
        elif isinstance(line, ScavLine | ScvgLine):
            self.after["scav"] = line
        return None

    def flush(self) -> TraceCycle | None:
        """The cycle that is not complete yet, as it is."""
        if self.last is None:
            return None
        cycle = TraceCycle(self.last, **self.first, **self.after)
        self.last, self.after = None, {}
        return cycle

    def now(self, line: CycleLine) -> TraceCycle:
        """The cycle whose line this is, with what came before it."""
        cycle = TraceCycle(line, **self.before)
        self.before = {}
        return cycle


class Lines(Protocol):
    """A text or binary file, as far as reading lines goes."""

    def readline(self, size: int, /) -> str | bytes: ...


def _pieces(file: Lines) -> Iterator[str]:
    """Lines with their ends, as text in which any byte survives; endless ones in pieces."""
    size = 0
    while piece := file.readline(_LONGEST):
        text = piece.decode("utf-8", "surrogateescape") if isinstance(piece, bytes) else piece
        size += len(text)
        if size > _MAX_OTHER:
            raise ValueError(
                f"more than {_MAX_OTHER >> 20} MiB; follow_gctrace() reads without end"
            )
        yield text


def _entries(file: Lines, name: str) -> Iterator[_Entry]:
    number = 0
    try:
        for number, text in enumerate(_pieces(file), 1):
            yield _entry(text, number)
    except (EOFError, gzip.BadGzipFile, zlib.error, ValueError) as error:
        raise TraceFormatError.at(name, number + 1, str(error)) from error


def _unzipped(file: IO[bytes], begins: bytes) -> IO[Any]:
    return cast(IO[Any], gzip.open(file)) if begins == b"\x1f\x8b" else file


def _opened(source: Any) -> tuple[IO[Any], str, bool]:
    """A file to read lines from, its name, and whether it is ours to close."""
    if isinstance(source, bytes | bytearray | memoryview):
        return _unzipped(io.BytesIO(source), bytes(source[:2])), "the log", True
    if isinstance(source, str) and ("\n" in source or read_line(source)):
        return io.StringIO(source, newline="\n"), "the log", True
    if isinstance(source, str | os.PathLike):
        file = open(source, "rb")  # noqa: SIM115
        return _unzipped(file, file.peek(2)[:2]), os.fspath(source), True
    return source, str(getattr(source, "name", "the log")), False


def read_gctrace(
    source: str | os.PathLike[str] | bytes | Lines, *, strict: bool = False
) -> GCTrace:
    """The gctrace lines in a program's output.

    `source` is a path (gzip too), an open file or pipe, which is read to its end, or the text
    itself: bytes, or a str with a line feed. All dialects from Go 1.3 on are read, with the lines
    of gcpacertrace and scavtrace. Other lines are kept aside (`GCTrace.other`), and so are damaged
    ones (`GCTrace.damaged`), unless `strict`.

    Raises TraceFormatError, with the line: for a damaged gzip file, for more than 256 MiB of text,
    with `strict` for a damaged line; OSError.
    """
    file, name, ours = _opened(source)
    try:
        entries = tuple(_entries(file, name))
    finally:
        if ours:
            file.close()
    grouper, cycles = _Grouper(), []
    for entry in entries:
        if entry.line is None:
            if strict and HEAD.match(entry.text):
                raise TraceFormatError.at(
                    name, entry.number, f"no trace line: {entry.text[:80].rstrip()!r}"
                )
        elif done := grouper.add(entry.line):
            cycles.append(done)
    if done := grouper.flush():
        cycles.append(done)
    return GCTrace(tuple(cycles), entries)


def follow_gctrace(
    file: Lines, other: Callable[[str], object] | None = None
) -> Iterator[TraceCycle]:
    """The cycles of a log that is still being written, each as soon as its line is there.

    `file` is an open pipe or file, read until it ends; `other` is called with each line of other
    output. Nothing is kept, so it may go on for ever. Of a cycle the lines that come after its own
    (`swept`, `scav`) are not known yet. Raises OSError, and TraceFormatError if the file is a
    damaged gzip file.
    """
    grouper = _Grouper()
    name = str(getattr(file, "name", "the log"))
    number = 0
    while True:
        try:
            piece = file.readline(_LONGEST)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise TraceFormatError.at(name, number + 1, str(error)) from error
        if not piece:
            return
        number += 1
        text = piece.decode("utf-8", "surrogateescape") if isinstance(piece, bytes) else piece
        line = _entry(text, number).line
        if isinstance(line, CycleLine):
            yield grouper.now(line)
        elif line:
            grouper.add(line)
        elif other:
            other(text)


def is_log(text: str) -> bool:
    """Whether a text holds a gctrace line near its beginning."""
    return any(
        isinstance(_entry(line, 0).line, CycleLine) for line in text.split("\n", 1000)[:1000]
    )


# --- the command ---------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of ``python -m gcsim gctrace``."""
    parser.add_argument(
        "file", metavar="FILE", help="a program's output, gzip too; - is standard input"
    )
    parser.add_argument("--json", action="store_true", help="print JSON; with --follow one a line")
    parser.add_argument(
        "--follow",
        action="store_true",
        help="print each cycle when it ends, and the program's own output on standard error",
    )
    parser.add_argument(
        "--as",
        dest="dialect",
        metavar="VERSION",
        help="print the lines as this version of Go does, and no table",
    )


def main(args: argparse.Namespace) -> int:
    """Exit status 2 if there is no gctrace line in the file."""
    source: Any = sys.stdin.buffer if args.file == "-" else args.file
    try:
        found = _follow(source, args.json) if args.follow else _show(read_gctrace(source), args)
    except (OSError, TraceFormatError, OptionError) as error:
        print(f"python -m gcsim gctrace: {error}", file=sys.stderr)
        return 2
    if not found:
        print(
            f"python -m gcsim gctrace: no gctrace line in {args.file}: run the program with"
            " GODEBUG=gctrace=1 and give its standard error",
            file=sys.stderr,
        )
    return 0 if found else 2


def _show(trace: GCTrace, args: argparse.Namespace) -> bool:
    if args.json:
        print(json.dumps(trace.to_dict(), indent=2))
    elif args.dialect is not None:
        sys.stdout.write(trace.text(args.dialect))
    elif trace:
        print(trace)
    return bool(trace)


def _follow(source: Any, as_json: bool) -> bool:
    """The monitor: a row for each cycle."""
    file, _, ours = _opened(source)
    number = 0

    def show(text: str) -> None:
        sys.stderr.write(text.encode("utf-8", "replace").decode())

    try:
        for number, cycle in enumerate(follow_gctrace(file, show), 1):
            if number == 1 and not as_json:
                print(HEADING)
            print(json.dumps(_row(cycle)) if as_json else table_row(cycle), flush=True)
    finally:
        if ours:
            file.close()
    return number > 0
