"""Speed and memory of gcsim beside their goals, and the same work in Go.

The programs of a case run in turn (A B A B ...), after one round that is thrown away, each in a
process of its own. What is printed is the median of all samples with their range;
build/bench/NAME.json keeps every sample, with what is known of the machine. Figures are compared
within one run only: a machine that does other work at the same time spoils the absolute ones, so
the load is printed too.

The exit status is 1 if a program failed or the programs of a case disagree about their work, and,
with CI=true in the environment, if there is no Go. A goal that is missed is shown, and is no
failure.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import instructions
import programs

Samples = dict[str, list[float]]
Command = tuple[list[str], dict[str, str]]  # words, environment


@dataclass(frozen=True)
class Program:
    """One side of a comparison. `prepare` builds it, and returns None if its tool is missing."""

    prepare: Callable[[], Command | None]
    tool: str = ""  # named when it is missing


@dataclass(frozen=True)
class Row:
    """One line of the table: a metric of a program, its goal, the peer's figure for the same."""

    what: str
    metric: str
    unit: str
    scale: float = 1.0
    goal: float | None = None  # at most
    ratio_goal: float | None = None  # of measured / peer, at most
    program: str = "gcsim"
    peer: str | None = None
    less: str | None = None  # subtract this program's median


@dataclass(frozen=True)
class Case:
    name: str
    about: str
    programs: dict[str, Program]
    rows: list[Row]
    repeats: int = 5  # at least; --repeats can ask for more


@dataclass
class Result:
    samples: dict[str, Samples] = field(default_factory=dict)
    commands: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)  # program: tool
    failures: list[str] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)


# ---- programs ----


def c(name: str, *arguments: object) -> Program:
    def prepare() -> Command:
        return [str(programs.c_program(name)), *map(str, arguments)], programs.clean_environment()

    return Program(prepare)


def go(name: str, *arguments: object, experiment: str = "", procs: int = 0) -> Program:
    def prepare() -> Command | None:
        program = programs.go_program(name, experiment=experiment)
        env = programs.clean_environment(**({"GOMAXPROCS": str(procs)} if procs else {}))
        return ([str(program), *map(str, arguments)], env) if program else None

    return Program(prepare, tool="go")


def python(*arguments: str) -> Program:
    return Program(lambda: ([sys.executable, *arguments], dict(os.environ)))


def python_installed(*arguments: str) -> Program:
    """With bytecode, as an installed package has it: the round that is thrown away writes it."""
    words = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    words["PYTHONPYCACHEPREFIX"] = str(programs.OUT / "bytecode")
    return Program(lambda: ([sys.executable, *arguments], words))


def mark(program: Callable[..., Program], *more: object, **options: Any) -> Program:
    return program("mark", 1 << 21, 1, 5, *more, **options)


# The last word of the C programs says whether collections stop the world while they mark. The goals
# are for one thread with the world stopped; beside them stands what the concurrent collector takes.


DEPTH, MIB = 18, 1 << 20

CASES = [
    Case(
        "trees",
        f"binary trees, depth {DEPTH}, one thread; collections stop the world unless it says `concurrent`",
        {
            "gcsim": c("trees", DEPTH, "flat", "stopped"),
            "go": go("trees", DEPTH),
            "concurrent": c("trees", DEPTH, "flat", "concurrent"),
            "frames": c("trees", DEPTH, "frames", "stopped"),
            "go, 1 proc": go("trees", DEPTH, procs=1),
        },
        [
            Row("wall time", "seconds", "s", ratio_goal=0.5, peer="go"),
            Row("  of which the world is stopped", "stopped_seconds", "s"),
            Row("  peer with GOMAXPROCS=1", "seconds", "s", peer="go, 1 proc"),
            Row("  a frame pushed per call", "seconds", "s", program="frames", peer="go"),
            Row("  concurrent", "seconds", "s", program="concurrent", peer="go"),
            Row("  concurrent, world stopped", "stopped_seconds", "s", program="concurrent"),
            Row("processor time", "cpu", "s", peer="go"),
            Row("  concurrent", "cpu", "s", program="concurrent", peer="go"),
            Row("peak memory", "peak_bytes", "MiB", scale=1 / MIB, ratio_goal=1.0, peer="go"),
        ],
    ),
    Case(
        "mark",
        "full collection of 2^21 randomly linked 16-byte objects, per marked object; it stops the"
        " world unless it says `concurrent`",
        {
            "gcsim": mark(c, "object", "stopped"),
            "go": mark(go),
            "go, 1 proc": mark(go, procs=1),
            "concurrent": mark(c, "object", "concurrent"),
            "field": mark(c, "field", "stopped"),
            "go, no green tea": mark(go, experiment="nogreenteagc", procs=1),
        },
        [
            Row("object engine", "ns_per_object", "ns", goal=40, peer="go, 1 proc"),
            Row("  peer with all processors", "ns_per_object", "ns", peer="go"),
            Row("  peer with one, nogreenteagc", "ns_per_object", "ns", peer="go, no green tea"),
            Row("  concurrent", "ns_per_object", "ns", program="concurrent", peer="go"),
            Row("field engine", "ns_per_object", "ns", program="field", peer="go, 1 proc"),
        ],
    ),
    Case(
        "alloc",
        "objects with pointers, dropped at once, their share of (stopped) collections included",
        {
            "gcsim": c("alloc", 16, 10_000_000, 3, "stopped"),
            "go": go("alloc", 16, 10_000_000, 3),
            "gcsim 64": c("alloc", 64, 5_000_000, 3, "stopped"),
            "go 64": go("alloc", 64, 5_000_000, 3),
        },
        [
            Row("16 B", "ns_per_object", "ns", ratio_goal=1 / 3, peer="go"),
            Row("64 B", "ns_per_object", "ns", program="gcsim 64", peer="go 64"),
        ],
    ),
    Case(
        "resident",
        "memory as the kernel counts it",
        {
            "gcsim": c("resident", "objects", 10_000_000),
            "go": go("resident", 10_000_000),
            "empty": c("resident", "empty"),
        },
        [
            Row("10^7 objects of 16 B / payload", "payload_ratio", "", goal=1.10, peer="go"),
            Row("  after a collection", "collected_ratio", "", goal=1.10, peer="go"),
            Row("empty heap", "empty_bytes", "KiB", 1 / 1024, goal=256, program="empty"),
            Row("  with a mutator and one object", "used_bytes", "KiB", 1 / 1024, program="empty"),
        ],
    ),
    Case(
        "heaps",
        "10^5 heaps created, used and destroyed in turn",
        {"gcsim": c("resident", "heaps", 100_000)},
        [
            Row("growth over the last 90 %", "growth_bytes", "KiB", 1 / 1024, goal=256),
            Row("one heap", "ns_per_heap", "us", 1e-3),
        ],
        repeats=1,
    ),
    Case(
        "instructions",
        f"instructions per object, counted under valgrind, {programs.compiler_name()}",
        {"gcsim": python(str(programs.HERE / "instructions.py"), "--json")},
        [
            Row(
                work.what,
                name,
                "",
                goal=instructions.LIMIT if name in instructions.LIMITED else None,
            )
            for name, work in (instructions.WORKS | instructions.PYTHON_WORKS).items()
        ],
        repeats=1,
    ),
    Case(
        "python",
        f"operations from Python {platform.python_version()}",
        {"gcsim": python(str(programs.HERE / "python_ops.py"))},
        [
            Row("heap.new(T), one int field", "new", "ns", goal=60),
            Row("  heap.new(T, n=7)", "new_with_value", "ns", goal=60),
            Row("int field get", "int_get", "ns", goal=45),
            Row("int field set", "int_set", "ns", goal=45),
            Row("ref get", "ref_get", "ns", goal=50),
            Row("ref set", "ref_set", "ns", goal=55),
            Row("bulk build, a node with one link column", "build", "ns", goal=15),
        ],
    ),
    Case(
        "steps",
        "a cycle step by step from Python, and a search of every interleaving over the real code",
        {"gcsim": python(str(programs.HERE / "steps.py"))},
        [
            Row("c.step()", "step_ns", "ns", goal=10_000),
            Row("c.back(n), n up to 100", "back_us", "us", goal=1000),
            Row("a transition of a search", "transition_ns", "ns", goal=2000),
        ],
        repeats=1,
    ),
    Case(
        "import",
        "a fresh process",
        {
            "gcsim": python_installed("-c", "import gcsim"),
            "pass": python_installed("-c", "pass"),
        },
        [
            Row("import gcsim (less `python -c pass`)", "wall", "ms", 1e3, goal=30, less="pass"),
            Row("  python -c pass", "wall", "ms", 1e3, program="pass"),
        ],
        repeats=21,
    ),
]

# ---- running ----


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def children_cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def processor_ticks() -> tuple[int, int]:
    """Of all processors since boot: idle, all."""
    with open("/proc/stat", encoding="utf-8") as lines:
        ticks = [int(word) for word in next(lines).split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)


def wait_for_quiet(deadline: float) -> None:
    """Until the processors have been idle for half a second, or until the deadline."""
    while time.monotonic() < deadline:
        idle, total = processor_ticks()
        time.sleep(0.5)
        idle_now, total_now = processor_ticks()
        if idle_now - idle >= 0.85 * (total_now - total):
            return


def run_once(words: list[str], env: dict[str, str]) -> dict[str, Any]:
    """What the program printed, as JSON, with its times in s; RuntimeError if it failed."""
    start, used = time.perf_counter(), children_cpu_seconds()
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=900)
    times = {"wall": time.perf_counter() - start, "cpu": children_cpu_seconds() - used}
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise RuntimeError(said[-1])
    return times | json.loads(done.stdout or "{}")


def prepare(case: Case, result: Result) -> dict[str, Command]:
    ready: dict[str, Command] = {}
    for name, program in case.programs.items():
        try:
            command = program.prepare()
        except programs.BuildError as error:
            result.failures.append(str(error))
            continue
        if command is None:
            result.missing[name] = program.tool
        else:
            ready[name] = command
            result.commands[name] = " ".join(command[0])
    return ready


def add_samples(into: Samples, metrics: dict[str, Any]) -> None:
    for metric, value in metrics.items():
        into.setdefault(metric, []).extend(value if isinstance(value, list) else [value])


def disagreement(samples: dict[str, Samples]) -> str | None:
    """The programs of a case that report a `check` must report the same one."""
    checks = {name: set(s["check"]) for name, s in samples.items() if "check" in s}
    return (
        f"the programs did different work: {checks}"
        if len(set().union(*checks.values())) > 1
        else None
    )


def run_case(case: Case, repeats: int, quiet_seconds: float) -> Result:
    result = Result()
    say(f"{case.name}: building")
    ready = prepare(case, result)
    deadline = time.monotonic() + quiet_seconds
    rounds = max(repeats, case.repeats) if case.repeats > 1 else 1
    for i in range(0 if rounds > 1 else 1, rounds + 1):
        say(f"{case.name}: round {i} of {rounds}" if i else f"{case.name}: warm-up")
        result.loads.append(os.getloadavg()[0])
        for name in list(ready):
            try:
                wait_for_quiet(deadline)
                metrics = run_once(*ready[name])
            except (RuntimeError, ValueError, OSError, subprocess.TimeoutExpired) as error:
                result.failures.append(f"{name}: {error}")
                del ready[name]
                result.samples.pop(name, None)
                continue
            if i:
                add_samples(result.samples.setdefault(name, {}), metrics)
    if problem := disagreement(result.samples):
        result.failures.append(problem)
    return result


# ---- telling ----


def version(*words: str) -> str:
    if shutil.which(words[0]) is None:
        return f"{words[0]} not found"
    return subprocess.run(words, capture_output=True, text=True).stdout.strip().splitlines()[0]


def gcsim_version() -> str:
    code = "import gcsim; i = gcsim.build_info(); print(i['version'], i['mode'], i['compiler'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else "cannot be imported"


def cpu_model() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def machine() -> dict[str, Any]:
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": cpu_model(),
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "load": os.getloadavg(),
        "compiler": version(*programs.compiler(), "--version"),
        "go": version("go", "version"),
        "python": platform.python_version(),
        "gcsim": gcsim_version(),
    }


def figure(value: float, unit: str) -> str:
    digits = 0 if value == int(value) or abs(value) >= 1000 else 1 if abs(value) >= 100 else 2
    return f"{value:,.{digits}f} {unit}".rstrip()


def median(result: Result, program: str, row: Row) -> float | None:
    values = result.samples.get(program, {}).get(row.metric)
    return statistics.median(values) * row.scale if values else None


def goal_text(row: Row) -> str:
    if row.goal is not None:
        return figure(row.goal, row.unit)
    return "" if row.ratio_goal is None else f"{row.ratio_goal:.2f} x {row.peer}"


def peer_text(row: Row, result: Result, peer: float | None) -> str:
    if row.peer is None:
        return ""
    if row.peer in result.missing:
        return f"{result.missing[row.peer]} not found"
    if peer is None:
        return f"{row.peer} failed"
    return f"{figure(peer, row.unit)} ({row.peer})"


def line(row: Row, result: Result) -> list[str]:
    """what, median, range, goal, peer, ratio, met"""
    measured = median(result, row.program, row)
    peer = median(result, row.peer, row) if row.peer else None
    less = median(result, row.less, row) if row.less else 0.0
    goal, beside = goal_text(row), peer_text(row, result, peer)
    if measured is None or less is None:
        return [row.what, "failed", "", goal, beside, "", "NO" if goal else ""]
    values = [value * row.scale - less for value in result.samples[row.program][row.metric]]
    spread = f"{figure(min(values), '')} .. {figure(max(values), '')}" if len(values) > 1 else ""
    measured -= less
    ratio = measured / peer if peer else None
    reached, limit = (measured, row.goal) if row.goal is not None else (ratio, row.ratio_goal)
    met = "" if limit is None or reached is None else "yes" if reached <= limit else "NO"
    ratio_text = f"{ratio:.2f}" if ratio is not None else ""
    return [row.what, figure(measured, row.unit), spread, goal, beside, ratio_text, met]


def print_table(case: Case, result: Result) -> None:
    lines = [["", "median", "range", "goal", "peer", "ratio", "met"]]
    lines += [line(row, result) for row in case.rows]
    widths = [max(len(cells[i]) for cells in lines) for i in range(len(lines[0]))]
    load = f"{min(result.loads):.1f} .. {max(result.loads):.1f}"
    print(f"\n{case.name}: {case.about} (load {load})")
    for cells in lines:
        aligned = [
            cell.ljust(width) if i in (0, 4) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        print("  " + "  ".join(aligned).rstrip())
    for failure in result.failures:
        print(f"  FAILED  {failure}")
    sys.stdout.flush()


def keep(case: Case, result: Result, about: dict[str, Any]) -> None:
    programs.OUT.mkdir(parents=True, exist_ok=True)
    record = {
        "case": case.name,
        "about": case.about,
        "machine": about,
        "loads": result.loads,
        "commands": result.commands,
        "missing": result.missing,
        "failures": result.failures,
        "samples": result.samples,
    }
    path = programs.OUT / f"{case.name}.json"
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [case.name for case in CASES]
    parser.add_argument("case", nargs="*", help=f"only these: {', '.join(names)}")
    parser.add_argument(
        "--repeats", type=int, default=5, help="rounds after the warm-up (default 5)"
    )
    parser.add_argument(
        "--quiet",
        type=float,
        default=0,
        metavar="SECONDS",
        help="per case, wait so long at most for other work on the machine to pause",
    )
    parser.add_argument("--list", action="store_true", help="list the cases")
    args = parser.parse_args()
    if unknown := sorted(set(args.case) - set(names)):
        parser.error(f"no such case: {', '.join(unknown)}; there are {', '.join(names)}")
    if args.repeats < 5:
        parser.error("fewer than 5 rounds say nothing")
    chosen = [case for case in CASES if not args.case or case.name in args.case]
    if args.list:
        for case in chosen:
            print(f"{case.name:13} {case.about}")
        return 0
    about = machine()
    print("\n".join(f"{key:9} {value}" for key, value in about.items()))
    failed = False
    for case in chosen:
        result = run_case(case, args.repeats, args.quiet)
        keep(case, result, about)
        print_table(case, result)
        failed |= bool(result.failures)
        failed |= bool(result.missing) and os.environ.get("CI") == "true"
    print(f"\nEvery sample: {programs.OUT.relative_to(programs.ROOT)}/*.json")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
