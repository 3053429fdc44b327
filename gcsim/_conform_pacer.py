"""Replaying Go's pacer and CPU limiter: recorded states and decisions, row by row.

The pacer's file is replayed in open loop (each row from its own state) and, where the scenario is
one whose inputs stay the same, in closed loop: Go's own test program for the pacer, simulated from
its inputs alone (mgcpacer_test.go:TestGcPacer).
"""

from __future__ import annotations

import csv
import itertools
import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcsim._errors import DumpFormatError

if TYPE_CHECKING:
    from gcsim._conform import Conformance
    from gcsim.lowlevel import Limiter, Pacer

_Row = dict[str, str]
_Values = dict[str, Any]

_NOT_TRIGGERED = (1 << 64) - 1

# Columns of the files, and the fields of struct pacer that they are. heap_alloc is total_alloc with
# nothing freed.
_SETTINGS = {
    "gc_percent": "gc_percent",
    "memory_limit": "memory_limit",
    "heap_minimum": "heap_minimum",
    "heap_free": "heap_free",
    "heap_alloc": "total_alloc",
    "mapped_ready": "mapped_ready",
}
_LEFT = {
    "heap_marked": "heap_marked",
    "last_heap_scan": "last_heap_scan",
    "last_stack_scan": "last_stack_scan",
    "cons_mark": "cons_mark",
    "cm0": "last_cons_mark_0",
    "cm1": "last_cons_mark_1",
    "cm2": "last_cons_mark_2",
    "cm3": "last_cons_mark_3",
    "gc_percent_goal": "gc_percent_heap_goal",
    "sweep_dist_min_trigger": "sweep_dist_min_trigger",
    "runway": "runway",
}
_WORK = {
    "heap_work": "heap_scan_work",
    "stack_work": "stack_scan_work",
    "globals_work": "globals_scan_work",
}


def _value(text: str) -> float:
    return float.fromhex(text) if "0x" in text or text[-1:] in "fFnN" else int(text)


def _set(pacer: Pacer, row: _Row, columns: dict[str, str]) -> None:
    for column, name in columns.items():
        pacer[name] = _value(row[column])


def _get(pacer: Pacer, columns: dict[str, str]) -> _Values:
    return {column: pacer[name] for column, name in columns.items()}


# --- one cycle, as the columns of pacer-*.csv have it from left to right


def _before(pacer: Pacer) -> _Values:
    """What the cycle starts from, and its trigger."""
    out = _get(pacer, _SETTINGS | _LEFT)
    out["heap_scan_before"] = pacer["heap_scan"]
    out["trigger"], out["trigger_goal"] = pacer.trigger()
    return out


def _start(pacer: Pacer, row: _Row) -> _Values:
    trigger, _ = pacer.trigger()
    marked = pacer["heap_marked"]
    live = max(trigger, marked)
    pacer["heap_live"] = live
    pacer["heap_scan"] += int(float(live - marked) * _value(row["scannable_frac"]))
    pacer["max_stack_scan"] = int(row["stack_bytes"])
    pacer["globals_scan"] = int(row["globals_bytes"])
    pacer.start_cycle(0, int(row["n_cores"]))
    return {
        "heap_live_start": pacer["triggered"],
        "heap_scan_start": pacer["heap_scan"],
        "dedicated": pacer["dedicated_mark_workers_needed"],
        "fractional_goal": pacer["fractional_utilization_goal"],
        "idle_max": pacer["max_idle_mark_workers"],
    } | _ratios(pacer, "_start")


def _ratios(pacer: Pacer, suffix: str = "") -> _Values:
    return {
        f"goal{suffix}": pacer.heap_goal(),
        f"work_per_byte{suffix}": pacer["assist_work_per_byte"],
        f"bytes_per_work{suffix}": pacer["assist_bytes_per_work"],
    }


def _end(
    pacer: Pacer, procs: int, duration: int, bytes_marked: int, commits: Sequence[bool]
) -> None:
    pacer.end_cycle(duration, procs)
    pacer.reset_live(bytes_marked)
    for sweep_done in commits:
        pacer.commit(sweep_done)


def _next(pacer: Pacer) -> _Values:
    trigger, goal = pacer.trigger()
    return {
        "next_cons_mark": pacer["cons_mark"],
        "next_cm3": pacer["last_cons_mark_3"],
        "next_gc_percent_goal": pacer["gc_percent_heap_goal"],
        "next_sweep_dist": pacer["sweep_dist_min_trigger"],
        "next_runway": pacer["runway"],
        "next_trigger": trigger,
        "next_goal": goal,
    }


def _commits(text: str) -> list[bool]:
    return [False, True] if text == "1" else [False]


def _set_up(pacer: Pacer, row: _Row) -> None:
    """Step 1: the state before the row's cycle."""
    pacer.init(100, 0)
    _set(pacer, row, _SETTINGS | _LEFT)
    pacer["heap_scan"] = int(row["heap_scan_before"])
    pacer["triggered"] = _NOT_TRIGGERED
    pacer["heap_live"] = pacer["heap_marked"]


def _open_loop(pacer: Pacer, row: _Row) -> _Values:
    _set_up(pacer, row)
    ours = _before(pacer) | _start(pacer, row)
    pacer["heap_live"] = int(row["heap_live_end"])
    pacer["heap_scan"] = int(row["heap_scan_end"])
    _set(pacer, row, _WORK)
    pacer.revise()
    ours |= _ratios(pacer, "_end")
    pacer["assist_time"] = int(row["assist_time"])
    pacer["idle_mark_time"] = int(row["idle_mark_time"])
    commits = _commits(row["commit_sweep_done"])
    _end(pacer, int(row["n_cores"]), int(row["duration"]), int(row["bytes_marked"]), commits)
    return ours | _next(pacer)


def _differences(ours: _Values, row: _Row) -> list[str]:
    """The columns of `ours` that are not what the row says; doubles bit by bit."""
    return [
        f"{column}: gcsim {_shown(value)}, Go {row[column]}"
        for column, value in ours.items()
        if not _same(value, row[column])
    ]


def _same(ours: float, text: str) -> bool:
    if isinstance(ours, int):
        return ours == int(text)
    gos = float.fromhex(text)
    return struct.pack("<d", ours) == struct.pack("<d", gos) or (ours != ours and gos != gos)


def _shown(value: float) -> str:
    return value.hex() if isinstance(value, float) else str(value)


def replay_pacer(rows: Iterator[_Row], result: Conformance) -> None:
    """A row is equal if it is so in open loop and, where that applies, in closed loop."""
    from gcsim.lowlevel import Pacer

    pacer = Pacer()
    opened = closed = closed_rows = scenarios = 0
    for scenario, cycles in itertools.groupby(rows, key=lambda row: row["scenario"]):
        group = list(cycles)
        simulated: Iterable[_Values | None] = itertools.repeat(None)
        if _is_closed(group):
            simulated = _closed_loop(group)
            scenarios += 1
        for row, loop in zip(group, simulated, strict=False):
            where = f"row {result.total + 2}, {scenario} cycle {row['cycle']},"
            wrong = _differences(_open_loop(pacer, row), row)
            opened += not wrong
            if loop is not None:
                wrong_loop = _differences(loop, row)
                closed += not wrong_loop
                closed_rows += 1
                wrong += [f"closed loop, {difference}" for difference in wrong_loop]
            result.check_row(where, wrong)
    result.notes.append(
        f"open loop {opened}/{result.total} rows; closed loop {closed}/{closed_rows} rows"
        f" of {scenarios} scenarios"
    )


# --- closed loop

_CONSTANT = [
    "gc_percent",
    "memory_limit",
    "heap_minimum",
    "heap_free",
    "heap_alloc",
    "mapped_ready",
]
_CONSTANT += ["n_cores", "globals_bytes"]
_PERIOD_NS = 500_000.0
_BYTES_PER_PERIOD = 512.0  # at 1 KiB per ms
_FIRST_MARKED_BYTES = 256 << 10


def _is_closed(group: Sequence[_Row]) -> bool:
    """Whether the scenario is one of Go's test program: the same settings from its first cycle on.

    With other memory figures, or percentages that change, a cycle depends on more than is written.
    """
    first = group[0]
    return (
        [row["cycle"] for row in group] == [str(i + 1) for i in range(len(group))]
        and all(row[name] == first[name] for row in group for name in _CONSTANT)
        and all(row["idle_mark_time"] == "0" for row in group)
        and first["heap_marked"] == first["last_heap_scan"] == first["heap_scan_before"] == "0"
    )


def _closed_loop(group: Sequence[_Row]) -> Iterator[_Values]:
    """Every column of every cycle, from the inputs alone."""
    from gcsim.lowlevel import Pacer

    pacer = Pacer()
    pacer.init(int(group[0]["gc_percent"]), int(group[0]["memory_limit"]))
    for name in ("heap_free", "heap_alloc", "mapped_ready"):
        pacer[_SETTINGS[name]] = int(group[0][name])
    black = 0
    for i, row in enumerate(group):
        ours = _before(pacer) | _start(pacer, row)
        growth = _value(row["growth_rate"])
        marked = int(float(pacer["heap_marked"] - black) * growth) if i else _FIRST_MARKED_BYTES
        marking = _simulate(pacer, row, marked)
        black = marking["allocated"]
        ours |= {
            "n_revise": marking["periods"],
            "heap_live_end": pacer["heap_live"],
            "heap_scan_end": pacer["heap_scan"],
            "assist_time": marking["assist_time"],
            "duration": marking["duration"],
            "bytes_marked": marked + black,
        }
        ours |= _get(pacer, _WORK) | _ratios(pacer, "_end")
        pacer["assist_time"] = marking["assist_time"]
        commits = _commits(row["commit_sweep_done"])
        _end(pacer, int(row["n_cores"]), marking["duration"], marked + black, commits)
        yield ours | _next(pacer)


def _simulate(pacer: Pacer, row: _Row, marked: int) -> dict[str, int]:
    """Marks in periods of 0.5 ms until nothing is left; what the program allocated meanwhile."""
    alloc_rate, scan_rate = _value(row["alloc_rate"]), _value(row["scan_rate"])
    frac, cores = _value(row["scannable_frac"]), float(int(row["n_cores"]))
    left = {
        "globals_scan_work": int(row["globals_bytes"]),
        "stack_scan_work": int(row["stack_bytes"]),
        "heap_scan_work": int(float(marked) * frac),
    }
    out = {"periods": 0, "allocated": 0, "assist_time": 0, "duration": 0}
    # A run that takes more periods than Go's differs already; it need not come to an end.
    while any(left.values()) and out["periods"] <= int(row["n_revise"]):
        ratio = pacer["assist_work_per_byte"]
        utilization = max(ratio * alloc_rate / (ratio * alloc_rate + scan_rate), 0.25)
        full_rate = scan_rate * _BYTES_PER_PERIOD * cores * utilization
        budget = int(full_rate)
        scanned = _take(left, budget)
        elapsed = int(_PERIOD_NS)
        allocated = int(alloc_rate * _BYTES_PER_PERIOD * cores * (1 - utilization))
        if (done := sum(scanned.values())) < budget:
            elapsed = int(float(done) * _PERIOD_NS / full_rate)
            share = alloc_rate * _BYTES_PER_PERIOD * float(elapsed) / _PERIOD_NS
            allocated = int(share * cores * (1 - utilization))
        pacer["heap_live"] += allocated
        pacer["heap_scan"] += int(float(allocated) * frac)
        for name, bytes_ in scanned.items():
            pacer[name] += bytes_
        pacer.revise()
        out["periods"] += 1
        out["allocated"] += allocated
        out["assist_time"] += int(float(elapsed) * cores * (utilization - 0.25))
        out["duration"] += elapsed
    return out


def _take(left: dict[str, int], budget: int) -> dict[str, int]:
    """Globals first, then stacks, then the heap."""
    taken = {}
    for name, bytes_ in left.items():
        taken[name] = min(bytes_, budget)
        left[name] -= taken[name]
        budget -= taken[name]
    return taken


# --- the other files of the pacer


def replay_revise(rows: Iterator[_Row], result: Conformance) -> None:
    """Single revisions inside the cycles of the pacer file that lies beside this one."""
    from gcsim.lowlevel import Pacer

    path = _pacer_file(result.path)
    cycles = {(row["scenario"], row["cycle"]): row for row in _rows_of(path)}
    pacer = Pacer()
    started: dict[tuple[str, str], bytes] = {}
    for row in rows:
        key = (row["scenario"], row["cycle"])
        if key not in started:
            if key not in cycles:
                raise DumpFormatError(
                    f"{result.path}: {key[0]} cycle {key[1]} is not in its pacer file {path}"
                )
            _set_up(pacer, cycles[key])
            _start(pacer, cycles[key])
            started[key] = pacer.save()
        pacer.restore(started[key])
        _set(pacer, row, {"heap_live": "heap_live", "heap_scan": "heap_scan"} | _WORK)
        pacer.revise()
        where = f"row {result.total + 2}, {key[0]} cycle {key[1]} k {row['k']},"
        result.check_row(where, _differences(_ratios(pacer), row))


def _pacer_file(path: Path) -> Path:
    """The file whose cycles a revise file continues: the same name without ``-revise``."""
    plain = path.name.removesuffix(".gz")
    name = plain.replace("-revise", "", 1)
    if name == plain:
        raise DumpFormatError(
            f"{path}: a file of revisions is named pacer-revise-NAME.csv and lies beside"
            " pacer-NAME.csv, whose cycles it continues"
        )
    for candidate in (path.with_name(name), path.with_name(name + ".gz")):
        if candidate.exists():
            return candidate
    raise DumpFormatError(f"{path}: its pacer file {path.with_name(name)} is not there")


def _rows_of(path: Path) -> Iterator[_Row]:
    from gcsim._conform import read_text

    return csv.DictReader(read_text(path).splitlines())


def replay_vectors(rows: Iterator[_Row], result: Conformance) -> None:
    """Independent states through every formula, those that only amd64's conversions give too."""
    from gcsim.lowlevel import Pacer

    pacer = Pacer()
    for row in rows:
        result.check_row(
            f"row {result.total + 2}, id {row['id']},", _differences(_vector(pacer, row), row)
        )


def _vector(pacer: Pacer, row: _Row) -> _Values:
    pacer.init(100, 0)
    _set(pacer, row, _SETTINGS | _LEFT | {"globals_scan": "globals_scan"})
    pacer["heap_live"] = pacer["heap_marked"]
    ours: _Values = {}
    ours["trigger"], ours["idle_goal"] = pacer.trigger()
    names = [
        "triggered",
        "heap_live",
        "heap_scan",
        "max_stack_scan",
        "assist_time",
        "idle_mark_time",
    ]
    _set(pacer, row, _WORK | {name: name for name in names})
    pacer.revise()
    ours |= _ratios(pacer)
    commits = _commits(row["sweep_done"])
    _end(pacer, int(row["procs"]), int(row["duration"]), int(row["bytes_marked"]), commits)
    ours |= _next(pacer) | {f"next_cm{i}": pacer[f"last_cons_mark_{i}"] for i in range(4)}
    ours["next_heap_scan"] = pacer["heap_scan"]
    return ours


def replay_workers(rows: Iterator[_Row], result: Conformance) -> None:
    """How many workers mark on so many processors."""
    from gcsim.lowlevel import Pacer

    for row in rows:
        ours: _Values = {}
        for timed, name in ((False, "idle_max_heap_trigger"), (True, "idle_max_timed_trigger")):
            pacer = Pacer()
            pacer.init(100, (1 << 63) - 1)
            pacer.start_cycle(0, int(row["procs"]), timed=timed)
            ours[name] = pacer["max_idle_mark_workers"]
        ours["dedicated"] = pacer["dedicated_mark_workers_needed"]
        ours["fractional_goal"] = pacer["fractional_utilization_goal"]
        where = f"row {result.total + 2}, {row['procs']} processors,"
        result.check_row(where, _differences(ours, row))


# --- the limiter


def replay_limiter(rows: Iterator[_Row], result: Conformance) -> None:
    """Scripts of operations, each sequence from a fresh limiter."""
    from gcsim.lowlevel import Limiter

    limiter = Limiter()
    sequence: str | None = None
    for row in rows:
        if row["op"] != "new" and row["seq"] != sequence:
            raise ValueError(f"sequence {row['seq']} does not begin with a new limiter")
        sequence = row["seq"]
        now = int(row["now"])
        _limiter_step(limiter, row, now)
        ours = {name: limiter[name] for name in ("nprocs", "fill", "capacity", "overflow")}
        ours["limiting"] = limiter["limiting"]
        ours["need_update"] = int(limiter.need_update(now))
        where = f"row {result.total + 2}, {sequence} {row['i']} {row['op']},"
        result.check_row(where, _differences(ours, row))


def _limiter_step(limiter: Limiter, row: _Row, now: int) -> None:
    op = row["op"]
    if op == "new":
        limiter.init(now, int(row["nprocs"]))
    elif op == "update":
        limiter.update(now)
    elif op in ("start_on", "start_off"):
        limiter.start_transition(op == "start_on", now)
    elif op == "finish":
        limiter.finish_transition(now)
    elif op == "reset":
        limiter.reset_capacity(now, int(row["nprocs"]))
    elif op == "assist":
        limiter.add_assist(int(row["arg"]))
    elif op == "idle":
        limiter.add_idle(int(row["arg"]))
    elif op != "tick":
        raise ValueError(f"unknown operation {op!r}")
