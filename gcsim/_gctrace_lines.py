"""The lines of gctrace, gcpacertrace and scavtrace in every form that Go has printed them in.

`FORMS` is the one list: a form is a template, from which both its reader and its writer are made,
and the first Go version that prints it. Where each comes from (functions in src/runtime):

========  ==========================================================================================
Go 1.3    mgc0.c:gc, without goroutines
Go 1.4    mgc0.c:gc; mheap.c:scavenge
Go 1.5    mgc.go:gcMark, five phases; mgc.go:startCycle and endCycle; mgcsweep.go:sweepone
Go 1.6    mgc.go:gcMarkTermination, three phases; sweeping tells its pace
Go 1.9    mgcsweep.go:sweepone counts what was allocated, not the spans
Go 1.13   mheap.go: the scavenger has no numbers; 1.14 mgcscavenge.go:printScavTrace (scavtrace=1)
Go 1.18   mgc.go:gcMarkTermination with stacks and globals; mgcpacer.go:endCycle, the pacer of today
Go 1.19   mgcscavenge.go:printScavTrace without generations; 1.21 background and eager work apart
Go 1.26   runtime.print writes the shortest digits that read back; before, print.go:printfloat
========  ==========================================================================================

The forms of 1.18 on are those of Go's source; older ones are as documented in package runtime and
as printed by programs of their time, and the version that a small change began with may be off by
one or two.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from string import Formatter
from typing import Any, ClassVar, NamedTuple, TypeVar

_U64 = 1 << 64


# --- the values ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class TraceLine:
    """A line of a trace; its fields hold what it says. `since`: the Go version of its form."""

    since: str

    kind: ClassVar[str] = ""


@dataclass(frozen=True)
class CycleLine(TraceLine):
    """``gc 7 @0.1s 2%: ...``: a cycle that has ended. Times in ns, sizes in MB (2**20 bytes).

    ``clock_ns`` has the phases on the wall: (stop, mark, stop) since Go 1.6; (stop, scan,
    synchronize, mark, stop) in 1.5; (stop, sweep, mark, wait), all in one stop, before. ``cpu_ns``
    has (stop, assists, background, idle, stop) since 1.6, in 1.5 (stop, scan, synchronize, assists,
    background, idle, stop). ``heap_mb`` is the heap at the start, at the end, and what was marked;
    before 1.5 at the start and at the end. What a form does not say is None or empty.
    """

    number: int
    at_s: float | None = None  #: since the program's start
    percent: int | None = None  #: of the CPU time since then, for collection
    leak_check: bool = False  #: the cycle looked for leaked goroutines (1.26)
    clock_ns: tuple[int, ...] = ()
    cpu_ns: tuple[int, ...] = ()
    heap_mb: tuple[int, ...] = ()
    goal_mb: int | None = None
    stacks_mb: int | None = None
    globals_mb: int | None = None
    procs: int = 1
    forced: bool = False  #: by runtime.GC
    objects: tuple[int, ...] = ()  #: before 1.5: objects, allocated and freed so far
    goroutines: int | None = None  #: 1.4
    sweeps: tuple[int, ...] = ()  #: before 1.5: spans, swept in the background, in the stop
    work: tuple[int, ...] = ()  #: before 1.5: handoff (count), steal (count), three kinds of yields

    kind = "gc"

    @property
    def stops_ns(self) -> tuple[int, ...]:
        """Each stop of the world; before Go 1.5 the whole cycle is one."""
        if len(self.clock_ns) == 4:
            return (sum(self.clock_ns),)
        return (self.clock_ns[0], self.clock_ns[-1])

    @property
    def mark_ns(self) -> int:
        """From the first stop to the second one; before Go 1.5 inside the stop."""
        return self.clock_ns[2] if len(self.clock_ns) == 4 else sum(self.clock_ns[1:-1])


@dataclass(frozen=True)
class MarkStartLine(TraceLine):
    """``pacer: assist ratio=...``: marking begins (mgcpacer.go:startCycle)."""

    assist_ratio: float  #: bytes of scan work per byte allocated
    scan_mb: int  #: the scannable heap
    heap_mb: tuple[int, ...]  #: live, goal
    dedicated: int
    fractional: float  #: share of each P

    kind = "mark start"


@dataclass(frozen=True)
class PacerLine(TraceLine):
    """The pacer's line at the end of a cycle (mgcpacer.go:endCycle), Go 1.18 on. Bytes."""

    utilization_percent: int
    goal_percent: int
    heap_scan_work: int
    stack_scan_work: int
    globals_scan_work: int
    expected_work: int
    triggered: int
    heap_live: int
    over_goal: int
    cons_mark: float  # in force during the cycle
    reset: bool = False

    kind = "mark end"

    @property
    def goal(self) -> int:
        """The goal at the end of the cycle."""
        return self.heap_live - self.over_goal


@dataclass(frozen=True)
class RatioLine(TraceLine):
    """``pacer: H_m_prev=...``: the pacer of Go 1.5 to 1.17 at the end of a cycle.

    Names as in Austin Clements' design, "Go 1.5 concurrent garbage collector pacing": H sizes in
    bytes, h growth over what was marked before, u shares of the CPU, W work; m marked, t or T
    trigger, a actual, g goal.
    """

    H_m_prev: int
    h_t: float
    H_T: int
    h_a: float
    H_a: int
    h_g: float
    H_g: int
    u_a: float
    u_g: float
    W_a: int
    goal_delta: float
    actual_delta: float
    u_ratio: float

    kind = "ratio"


@dataclass(frozen=True)
class SweepLine(TraceLine):
    """``pacer: sweep done ...`` (mgcsweep.go:activeSweep.end)."""

    heap_mb: int
    allocated_mb: int
    pages: int
    pages_per_byte: float | None = None

    kind = "swept"


@dataclass(frozen=True)
class ScavLine(TraceLine):
    """``scav ...``: the scavenger's work, Go 1.14 on (mgcscavenge.go:printScavTrace). KiB."""

    background_kib: int
    released_kib: int  #: held back from the system now
    util_percent: int
    eager_kib: int = 0
    generation: int | None = None
    forced: bool = False
    reset: bool = False

    kind = "scav"


@dataclass(frozen=True)
class ScvgLine(TraceLine):
    """``scvg...: inuse: ...``: the scavenger of Go 1.13 and before. MB."""

    inuse: int
    idle: int
    sys: int
    released: int
    consumed: int
    number: int | None = None

    kind = "scvg"


@dataclass(frozen=True)
class ReleasedLine(TraceLine):
    """``scvg...: 5 MB released``, Go 1.13 and before."""

    released: int
    number: int | None = None

    kind = "released"


@dataclass(frozen=True)
class ForcedLine(TraceLine):
    """``GC forced``: two minutes have passed since the last cycle (proc.go:forcegchelper)."""

    kind = "forced"


# --- numbers, as Go prints them ------------------------------------------------------------------


class _Number(NamedTuple):
    pattern: str
    read: Callable[[str], Any]
    write: Callable[[Any], str]


def _write_ms(ns: int) -> str:
    """mgc.go:fmtNSAsMS: whole milliseconds from 10 on, else microseconds cut to two digits."""
    if ns >= 10_000_000 or ns < 1000:
        return str(ns // 1_000_000)
    us, decimals = ns // 1000, 3
    while us >= 100:
        us //= 10
        decimals -= 1
    return f"{us / 10**decimals:.{decimals}f}"


def _read_ms(text: str) -> int:
    whole, _, part = text.partition(".")
    return int(whole) * 1_000_000 + int(part.ljust(6, "0"))


def _special(v: float) -> str:
    return "NaN" if math.isnan(v) else "+Inf" if v > 0 else "-Inf"


def _write_printfloat(v: float) -> str:
    """print.go:printfloat until Go 1.25: sign, seven digits, an exponent of three."""
    if not math.isfinite(v):
        return _special(v)
    mantissa, exponent = f"{v:+.6e}".split("e")
    return f"{mantissa}e{int(exponent):+04d}"


def _write_shortest(v: float) -> str:
    """print.go:printfloat of Go 1.26: strconv's 'g' with the fewest digits that read back."""
    if not math.isfinite(v):
        return _special(v)
    if v == 0:
        return "-0" if math.copysign(1, v) < 0 else "0"
    mantissa, exponent = f"{v!r}e0".split("e")[:2]
    sign, digits = ("-", mantissa[1:]) if v < 0 else ("", mantissa)
    whole, _, part = digits.partition(".")
    digits = (whole + part).lstrip("0")
    power = int(exponent) + (len(whole) if whole != "0" else len(digits) - len(part)) - 1
    digits = digits.rstrip("0")
    if power < -4 or power >= 6:
        return f"{sign}{digits[0]}{'.' + digits[1:] if digits[1:] else ''}e{power:+03d}"
    if power < 0:
        return f"{sign}0.{'0' * (-power - 1)}{digits}"
    whole, part = digits[: power + 1].ljust(power + 1, "0"), digits[power + 1 :]
    return f"{sign}{whole}{'.' + part if part else ''}"


_NUMBERS = {
    "u": _Number(r"\d{1,20}", int, str),
    "i": _Number(r"-?\d{1,20}", int, str),
    "us": _Number(r"\d{1,17}", lambda text: int(text) * 1000, lambda ns: str(ns // 1000)),
    "ms": _Number(r"\d{1,14}(?:\.\d{1,3})?", _read_ms, _write_ms),
    "s": _Number(r"\d{1,15}\.\d{3}", float, lambda v: f"{v:.3f}"),
    "old": _Number(r"[+-]\d\.\d{6}e[+-]\d{3}|NaN|[+-]Inf", float, _write_printfloat),
    "new": _Number(
        r"-?\d{1,30}(?:\.\d{1,30})?(?:e[+-]\d{2,3})?|NaN|[+-]Inf", float, _write_shortest
    ),
}


# --- the forms -----------------------------------------------------------------------------------


def version(name: str) -> tuple[int, ...]:
    """``"1.18"``, ``"go1.18.3"`` as numbers. Raises ValueError."""
    return tuple(int(part) for part in name.removeprefix("go").split(".")[:2])


class Form(NamedTuple):
    """One form of one kind of line.

    In the template ``{name:number}`` is a field; of the same name several times, a tuple;
    ``{name:?text}`` is text that is there or not.
    """

    since: str
    make: type[TraceLine]
    template: str


class _Compiled:
    """A form's reader and writer."""

    def __init__(self, form: Form) -> None:
        self.since, self.make = form.since, form.make
        self.parts: list[tuple[str, str, str]] = [  # literal text, field, number
            (literal, name or "", spec or "")
            for literal, name, spec, _ in Formatter().parse(form.template)
        ]
        names = [name for _, name, _ in self.parts if name]
        self.tuples = {name for name in names if names.count(name) > 1}
        pattern = "".join(
            re.escape(literal) + (f"({self._pattern(spec)})" if name else "")
            for literal, name, spec in self.parts
        )
        self.match = re.compile(pattern, re.ASCII).fullmatch
        self.names = set(names)

    @staticmethod
    def _pattern(spec: str) -> str:
        return f"{re.escape(spec[1:])}|" if spec[0] == "?" else _NUMBERS[spec].pattern

    def read(self, text: str) -> TraceLine | None:
        """The line, or None if the text is not of this form to the last byte."""
        found = self.match(text)
        if found is None:
            return None
        values: dict[str, Any] = dict.fromkeys(self.tuples, ())
        groups = iter(found.groups())
        for _, name, spec in self.parts:
            if not name:
                continue
            digits = next(groups)
            value = bool(digits) if spec[0] == "?" else _NUMBERS[spec].read(digits)
            if isinstance(value, int) and abs(value) >= _U64:
                return None
            values[name] = (*values[name], value) if name in self.tuples else value
        line = self.make(self.since, **values)
        return line if self.write(line) == text else None

    def write(self, line: TraceLine) -> str:
        """The line in this form."""
        out: list[str] = []
        at = dict.fromkeys(self.tuples, 0)
        for literal, name, spec in self.parts:
            out.append(literal)
            if not name:
                continue
            value = getattr(line, name)
            if name in at:
                i = at[name]
                at[name] += 1
                value = value[i]
            out.append(
                (spec[1:] if value else "") if spec[0] == "?" else _NUMBERS[spec].write(value)
            )
        return "".join(out)


_OLD_CYCLE = (
    "gc{number:u}({procs:u}): {clock_ns:us}+{clock_ns:us}+{clock_ns:us}+{clock_ns:us} us,"
    " {heap_mb:u} -> {heap_mb:u} MB, {objects:u} ({objects:u}-{objects:u}) objects,"
    "GOROUTINES {sweeps:u}/{sweeps:u}/{sweeps:u} sweeps, {work:u}({work:u}) handoff,"
    " {work:u}({work:u}) steal, {work:u}/{work:u}/{work:u} yields"
)
_CYCLE = (
    "gc {number:u} @{at_s:s}s {percent:i}%{leak_check:? (checking for goroutine leaks)}: CLOCK ms"
    " clock, CPU ms cpu, {heap_mb:u}->{heap_mb:u}->{heap_mb:u} MB, {goal_mb:u} MB goal,ROOTS"
    " {procs:u} P{forced:? (forced)}"
)
_3 = "{clock_ns:ms}+{clock_ns:ms}+{clock_ns:ms}"
_5 = "{cpu_ns:ms}+{cpu_ns:ms}/{cpu_ns:ms}/{cpu_ns:ms}+{cpu_ns:ms}"
_ROOTS = " {stacks_mb:u} MB stacks, {globals_mb:u} MB globals,"
_MARK_START = (
    "pacer: assist ratio={assist_ratio:F} (scan {scan_mb:u} MB in {heap_mb:u}->{heap_mb:u} MB)"
    " workers={dedicated:i}+{fractional:F}"
)
_MARK_END = (
    "pacer: {utilization_percent:i}% CPU ({goal_percent:i} exp.) for {heap_scan_work:i}+"
    "{stack_scan_work:i}+{globals_scan_work:i} B work ({expected_work:i} B exp.) in {triggered:u} B"
    " -> {heap_live:u} B (∆goal {over_goal:i}, cons/mark {cons_mark:F})"
)
_RATIO = (
    "pacer: H_m_prev={H_m_prev:u} h_t={h_t:F} H_T={H_T:u} h_a={h_a:F} H_a={H_a:u} h_g={h_g:F}"
    " H_g={H_g:i} u_a={u_a:F} u_g={u_g:F} W_a={W_a:i} goalΔ={goal_delta:F}"
    " actualΔ={actual_delta:F} u_a/u_g={u_ratio:F}"
)
_SWEPT = (
    "pacer: sweep done at heap size {heap_mb:u}MB; allocated {allocated_mb:u}MB WHAT; swept"
    " {pages:u} pages"
)
_PACE = " at {pages_per_byte:F} pages/byte"
_DURING = _SWEPT.replace("WHAT", "during sweep") + _PACE
_INUSE = (
    "inuse: {inuse:u}, idle: {idle:u}, sys: {sys:u}, released: {released:u},"
    " consumed: {consumed:u} (MB)"
)


def _cycle(clock: str, cpu: str, roots: str = "") -> str:
    return _CYCLE.replace("CLOCK", clock).replace("CPU", cpu).replace("ROOTS", roots)


def _old(template: str) -> str:
    return template.replace(":F}", ":old}")


def _new(template: str) -> str:
    return template.replace(":F}", ":new}")


#: Of each kind the oldest first.
FORMS = (
    Form("1.3", CycleLine, _OLD_CYCLE.replace("GOROUTINES", "")),
    Form("1.4", CycleLine, _OLD_CYCLE.replace("GOROUTINES", " {goroutines:u} goroutines,")),
    Form(
        "1.5",
        CycleLine,
        _cycle(f"{{clock_ns:ms}}+{{clock_ns:ms}}+{_3}", f"{{cpu_ns:ms}}+{{cpu_ns:ms}}+{_5}"),
    ),
    Form("1.6", CycleLine, _cycle(_3, _5)),
    Form("1.18", CycleLine, _cycle(_3, _5, _ROOTS)),
    Form("1.5", MarkStartLine, _old(_MARK_START).replace("{fractional:old}", "{fractional:u}")),
    Form("1.10", MarkStartLine, _old(_MARK_START)),
    Form("1.26", MarkStartLine, _new(_MARK_START)),
    Form("1.18", PacerLine, _old(_MARK_END) + "{reset:?[controller reset]}"),
    Form("1.26", PacerLine, _new(_MARK_END)),
    Form("1.5", RatioLine, _old(_RATIO)),
    Form("1.5", SweepLine, _SWEPT.replace("WHAT", "of spans")),
    Form("1.6", SweepLine, _old(_SWEPT.replace("WHAT", "of spans") + _PACE)),
    Form("1.9", SweepLine, _old(_DURING)),
    Form("1.26", SweepLine, _new(_DURING)),
    Form("1.3", ScvgLine, "scvg{number:u}: " + _INUSE),
    Form("1.13", ScvgLine, "scvg: " + _INUSE),
    Form("1.3", ReleasedLine, "scvg{number:u}: {released:u} MB released"),
    Form("1.13", ReleasedLine, "scvg: {released:u} MB released"),
    Form(
        "1.14",
        ScavLine,
        "scav {generation:u} {background_kib:u} KiB work, {released_kib:u} KiB total,"
        " {util_percent:u}% util{forced:? (forced)}",
    ),
    Form(
        "1.19",
        ScavLine,
        "scav {background_kib:u} KiB work, {released_kib:u} KiB total, {util_percent:u}% util"
        "{forced:? (forced)}{reset:? [controller reset]}",
    ),
    Form(
        "1.21",
        ScavLine,
        "scav {background_kib:u} KiB work (bg), {eager_kib:u} KiB work (eager),"
        " {released_kib:u} KiB now, {util_percent:u}% util{forced:? (forced)}"
        "{reset:? [controller reset]}",
    ),
    Form("1.3", ForcedLine, "GC forced"),
)

# The last Go version that printed a kind.
_UNTIL = {"ratio": "1.17", "scvg": "1.13", "released": "1.13"}
_COMPILED = [_Compiled(form) for form in FORMS]
# How each line begins: what a line that begins so and is of no form is called damaged for.
HEAD = re.compile(
    r"gc \d+ @|gc\d+\(\d+\): |pacer: (?:assist|\d|-|H_m|sweep)|scav \d|scvg\d*: |GC forced$",
    re.ASCII,
)
_LONGEST = 1000  # characters: none of Go's lines is half as long


def read_line(text: str) -> TraceLine | None:
    """The line that a text is, without its end; None if it is none to the last byte."""
    if len(text) > _LONGEST or not HEAD.match(text):
        return None
    for form in _COMPILED:
        if line := form.read(text):
            return line
    return None


def _form(line: TraceLine, dialect: str) -> _Compiled | None:
    """The newest form of the line's kind that this version of Go has."""
    kind = type(line)
    if version(dialect) > version(_UNTIL.get(line.kind, "99.0")):
        return None
    fit = [f for f in _COMPILED if f.make is kind and version(f.since) <= version(dialect)]
    return fit[-1] if fit else None


def write_line(line: TraceLine, dialect: str | None = None) -> str | None:
    """The line's text, in its own form, or as a version of Go would print it.

    None if that version has no such line. What the line does not know is written as 0.
    """
    form = _form(line, dialect or line.since)
    if form is None:
        return None
    return form.write(_recast(line, form))


# --- from one form to another --------------------------------------------------------------------

Line = TypeVar("Line", bound=TraceLine)


def _recast(line: Line, form: _Compiled) -> Line:
    """The line with all fields that the form prints."""
    if line.since == form.since:
        return line
    values: dict[str, Any] = {name: getattr(line, name) for name in form.names}
    if isinstance(line, CycleLine):
        values.update(_cycle_values(line, form))
    if isinstance(line, MarkStartLine) and form.since == "1.5":
        values["fractional"] = int(line.fractional > 0)
    known = {name: 0 if value is None else value for name, value in values.items()}
    return replace(line, since=form.since, **known)


def _cycle_values(line: CycleLine, form: _Compiled) -> dict[str, Any]:
    first, *_, last = line.clock_ns
    if len(line.clock_ns) == 4:  # one stop, of which marking is a part
        first, last = sum(line.clock_ns[:2]), line.clock_ns[3]
    stop, *scan, assist, background, idle, end = line.cpu_ns or (0,) * 5
    cpu = (assist, background + sum(scan), idle, end)
    start_mb, marked_mb = line.heap_mb[0], line.heap_mb[-1]
    if "objects" in form.names:
        return {
            "clock_ns": (first, 0, line.mark_ns, last),
            "heap_mb": (start_mb, marked_mb),
            "objects": line.objects or (0,) * 3,
            "sweeps": line.sweeps or (0,) * 3,
            "work": line.work or (0,) * 7,
        }
    five = form.since == "1.5"
    return {
        "clock_ns": (first, 0, 0, line.mark_ns, last) if five else (first, line.mark_ns, last),
        "cpu_ns": (stop, 0, 0, *cpu) if five else (stop, *cpu),
        "heap_mb": line.heap_mb if len(line.heap_mb) == 3 else (start_mb, start_mb, marked_mb),
        "at_s": line.at_s or 0.0,
    }
