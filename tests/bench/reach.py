"""What concurrent collection must reach and only a clock can tell, each figure beside its goal.

    make reach                              all sections
    make reach ARGS="stops spike --runs 3 --json reach.json"

    stops        longest stop of the world with two busy mutators, and whether it grows with the heap
    share        share of the processors that background marking, idle marking and assists take
    limit        how far memory goes beyond its limit; the CPU limiter where the live heap lies above
    spike        how soon resident memory follows a live heap that fell
    concurrency  wall time of the built-in workloads, concurrent over stop-the-world

Figures are medians over the runs, with their range. They are measurements, not tests: a missed goal is
shown, and changes the exit status only with --strict. Exit status: 0, 1 for a program that fails (or, with
--strict, a goal that is missed), 2 for wrong arguments.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import programs
from run import machine, run_once, say
from twins import TWINS, Twin, c_source, go_source

MB, MIB, GB = 10**6, 1 << 20, 10**9
PROCS = 2
SEED = 7
PAYLOAD = 512  # of the graph's nodes, which have 56 bytes themselves
STEP_BYTES = 290  # that a step of the graph allocates, about
GARBAGE = 16  # made with more live than the memory limit, as many times as live
GARBAGE_BYTES = 512


@dataclass
class Row:
    """One figure: a value from each run. A goal lies between `least` and `most`, where given."""

    what: str
    values: list[float]
    unit: str = ""
    digits: int = 2
    least: float | None = None
    most: float | None = None
    goal: str = ""  # as printed; made from least and most if empty

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def met(self) -> bool | None:
        """None: there is no goal."""
        if self.least is None and self.most is None:
            return None
        above = self.least is None or self.median >= self.least
        return above and (self.most is None or self.median <= self.most)

    @property
    def goal_text(self) -> str:
        if self.goal or self.met is None:
            return self.goal
        if self.least is None:
            return f"<= {self.most:g} {self.unit}".rstrip()
        return f"{self.least:g} to {self.most:g} {self.unit}".rstrip()

    def cells(self) -> list[str]:
        one = f"{self.median:.{self.digits}f} {self.unit}".rstrip()
        low, high = (f"{v:.{self.digits}f}" for v in (min(self.values), max(self.values)))
        met = {None: "", True: "yes", False: "NO"}[self.met]
        return [self.what, one, f"{low} .. {high}", self.goal_text, met]

    def record(self) -> dict[str, Any]:
        keys = ("what", "unit", "values", "median", "least", "most", "met")
        return {key: getattr(self, key) for key in keys} | {"goal": self.goal_text}


@dataclass
class Asked:
    runs: int
    small: bool  # the smallest form: for tests of this script


@dataclass
class Section:
    name: str
    about: str
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    load: tuple[float, float] = (0.0, 0.0)

    def print(self) -> None:
        lines = [["", "median", "range", "goal", "met"], *(row.cells() for row in self.rows)]
        widths = [max(len(cells[i]) for cells in lines) for i in range(len(lines[0]))]
        print(f"\n{self.name}: {self.about} (load {self.load[0]:.1f} .. {self.load[1]:.1f})")
        for cells in lines:
            aligned = [
                cell.ljust(width) if i in (0, 3) else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
            ]
            print("  " + "  ".join(aligned).rstrip())
        for note in self.notes:
            print(f"  {note}")
        sys.stdout.flush()

    def record(self) -> dict[str, Any]:
        rows = [row.record() for row in self.rows]
        return {
            "section": self.name,
            "about": self.about,
            "load": self.load,
            "rows": rows,
            "notes": self.notes,
        }


# ---- running ----


def workload(name: str | Path, heap: dict[str, Any], **run: Any) -> dict[str, Any]:
    """One run in a process of its own; see reach_run.py."""
    spec = {"workload": str(name), "heap": {"procs": PROCS} | heap, "run": {"seed": SEED} | run}
    script = str(programs.HERE / "reach_run.py")
    told: dict[str, Any] = run_once([sys.executable, script, json.dumps(spec)], dict(os.environ))
    return told


def graph(live: int, cycles: float, heap: dict[str, Any] | None = None) -> dict[str, Any]:
    """The mutating graph on two mutators, long enough for about so many cycles at GOGC=100."""
    steps = int(live * cycles / STEP_BYTES / PROCS)
    return workload(
        "graph", heap or {}, threads=PROCS, live=live, payload=PAYLOAD, steps=steps, watchdog=60
    )


def repeated(what: str, runs: int, run: Callable[[], dict[str, Any]]) -> list[dict[str, Any]]:
    done = []
    for i in range(1, runs + 1):
        say(f"{what}: run {i} of {runs}")
        done.append(run())
    return done


def size_text(n: int) -> str:
    return f"{n / GB:g} GB" if n >= GB else f"{n / MB:g} MB"


def total(cycles: list[dict[str, Any]], key: str) -> float:
    return sum(float(cycle[key]) for cycle in cycles)


# ---- stops ----


def stops(asked: Asked) -> Section:
    section = Section(
        "stops", f"the world stopped, {PROCS} busy mutators on {PROCS} processors; a changing graph"
    )
    # live bytes, cycles, goal in ms
    sizes = [(20 * MB, 40, 0.3), (200 * MB, 12, 0.5), (GB, 5, None)]
    if asked.small:
        sizes = [(MB * 2, 6, 0.3), (MB * 4, 4, 0.5), (MB * 8, 3, None)]
    worsts = []
    for live, count, goal in sizes:
        name = f"{size_text(live)} live"
        told = repeated(f"stops, {name}", asked.runs, partial(graph, live, count))
        each = [[s / 1e6 for c in run["cycles"] for s in c["stops"]] for run in told]
        arriving = [
            [c[key] / 1e6 for c in run["cycles"] for key in ("stopping1_ns", "stopping2_ns")]
            for run in told
        ]
        worst = Row(f"{name}: worst stop", [max(e) for e in each], "ms", 3, most=goal)
        worsts.append(worst)
        section.rows += [
            worst,
            Row("  median stop", [statistics.median(e) for e in each], "ms", 3),
            Row("  all stops", [sum(e) for e in each], "ms"),
            Row("  worst time to stop (part of it)", [max(a) for a in arriving], "ms", 3),
            Row("  median time to stop", [statistics.median(a) for a in arriving], "ms", 3),
            Row("  cycles", [float(len(run["cycles"])) for run in told], "", 0),
        ]
    first, last = worsts[0].median, worsts[-1].median
    section.notes.append(
        f"worst stop from {size_text(sizes[0][0])} to {size_text(sizes[-1][0])} live:"
        f" {last / first:.2f} times as long; goal: none grows with the heap"
    )
    return section


# ---- share ----

_CLOCK = re.compile(
    r": [\d.e+-]+?\+([\d.e-]+)\+[\d.e-]+ ms clock, [\d.e-]+\+([\d.e-]+)/([\d.e-]+)/([\d.e-]+)\+"
)


def go_shares(log: str) -> dict[str, float]:
    """Shares of the processors while marking, from the lines of GODEBUG=gctrace=1."""
    found = [tuple(map(float, m.groups())) for m in _CLOCK.finditer(log)]
    if not found:
        raise RuntimeError("gctrace printed no line that can be read")
    clock, assist, background, idle = (sum(column) for column in zip(*found, strict=True))
    whole = clock * PROCS
    return {"background": background / whole, "idle": idle / whole, "assist": assist / whole}


def our_shares(run: dict[str, Any]) -> dict[str, float]:
    whole = sum(c["mark_ns"] * c["procs"] for c in run["cycles"])
    kinds = ("background", "idle", "assist")
    return {kind: total(run["cycles"], f"{kind}_ns") / whole for kind in kinds}


def share_rows(
    name: str,
    told: list[dict[str, float]],
    least: float | None = None,
    most: float | None = None,
) -> list[Row]:
    rows = [Row(f"{name}: background", [100 * t["background"] for t in told], "%", 1, least, most)]
    return rows + [
        Row(f"  {kind}", [100 * t[kind] for t in told], "%", 1) for kind in ("idle", "assist")
    ]


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def go_trace(program: Path) -> dict[str, float]:
    env = programs.clean_environment(GODEBUG="gctrace=1", GOMAXPROCS=str(PROCS))
    done = subprocess.run(
        [program, str(SEED)], env=env, capture_output=True, text=True, timeout=900
    )
    if done.returncode != 0:
        raise RuntimeError(f"{program.name} failed: {done.stderr[-500:]}")
    return go_shares(done.stderr)


def shared_program(twin: Twin, asked: Asked, section: Section) -> None:
    """The same program here and in Go."""
    place = programs.OUT / "reach"
    source = write(place / f"{twin.name}.c", c_source(twin))
    go = programs.go_program(
        f"reach-{twin.name}", source=write(place / f"{twin.name}.go", go_source(twin))
    )
    ours, theirs = [], []
    for i in range(1, asked.runs + 1):
        say(f"share, the program `{twin.name}`: run {i} of {asked.runs}")
        ours.append(our_shares(workload(source, {"gogc": None}, threads=1)))
        if go:
            theirs.append(go_trace(go))
    section.rows += share_rows(f"`{twin.name}`, one mutator", ours)
    if theirs:
        section.rows += share_rows(f"`{twin.name}` in Go", theirs)
        most = 100 * statistics.median(t["assist"] for t in theirs)
        assists = section.rows[-4]
        section.rows[-4] = replace(assists, most=most, goal=f"<= Go's {most:.1f} %")
    else:
        section.notes.append("there is no Go: assists are beside nothing")


def share(asked: Asked) -> Section:
    section = Section("share", f"of {PROCS} processors' time while marking")
    live = 2 * MB if asked.small else 200 * MB
    told = repeated("share, graph", asked.runs, partial(graph, live, 8))
    name = f"graph, {PROCS} mutators"
    section.rows += share_rows(name, [our_shares(t) for t in told], least=22, most=28)
    twin = next(t for t in TWINS if t.name == "mixed")
    part = 20 if asked.small else 1
    twin = replace(twin, slots=twin.slots // part, steps=twin.steps // part // 5)
    shared_program(twin, asked, section)
    return section


# ---- limit ----


def limit(asked: Asked) -> Section:
    mib = 32 if asked.small else 256
    section = Section(
        "limit",
        f"{mib} MiB; live grows by tenths to 80 % of it, then (on {PROCS} mutators) beyond it",
    )
    program = str(programs.c_program("limit"))
    for words in ("100", "off"):
        told = repeated(
            f"limit, GOGC={words}",
            asked.runs,
            partial(run_once, [program, str(mib), words], programs.clean_environment()),
        )
        worst = [max(*t["steps"], t["at_cycle"], t["seen"]) / MIB for t in told]
        section.rows += [
            Row(f"GOGC={words}: beyond the limit at most", worst, "MiB", most=4),
            Row("  after a step at most", [max(t["steps"]) / MIB for t in told], "MiB"),
            Row("  after a cycle at most", [t["at_cycle"] / MIB for t in told], "MiB"),
        ]
    live = mib * MIB * 75 // 64  # 300 of 256
    for gogc in (100, None):
        name = f"GOGC={gogc or 'off'}, {live // MIB} MiB live"
        told = repeated(f"limit, {name}", asked.runs, partial(beyond, live, gogc, mib * MIB))
        section.rows += beyond_rows(name, told, mib * MIB)
    section.notes.append(
        "after a step: Sys - HeapReleased; CPU: of the cycles that marked more than the limit, from the"
        " one in which the limiter first came on (if it did) to the last"
    )
    return section


def beyond(live: int, gogc: int | None, memory_limit: int) -> dict[str, Any]:
    """`live` bytes of small objects, which take long to mark, then garbage that is cheap to make."""
    heap = {"gogc": gogc, "memory_limit": memory_limit}
    sizes = {
        "entries": live // PROCS // 16,
        "garbage": GARBAGE * live // PROCS // GARBAGE_BYTES,
        "object_bytes": GARBAGE_BYTES,
    }
    return workload(programs.HERE / "beyond.c", heap, threads=PROCS, watchdog=60, **sizes)


def collecting(cycles: list[dict[str, Any]]) -> float:
    """Share of all CPU time that collecting took between the ends of the first and the last cycle.

    A cycle's gc_cpu_fraction is the share since the heap was made.
    """
    first, last = cycles[0], cycles[-1]
    ends = [c["since_ns"] + c["mark_ns"] + sum(c["stops"]) for c in (first, last)]
    took: float = last["gc_cpu_fraction"] * ends[1] - first["gc_cpu_fraction"] * ends[0]
    return took / float(ends[1] - ends[0])


def beyond_rows(name: str, told: list[dict[str, Any]], memory_limit: int) -> list[Row]:
    """The limiter lets a second of each processor pass before it comes on; from then on it must hold."""
    whole, held = [], []
    for run in told:
        above = [c for c in run["cycles"] if c["heap_marked"] > memory_limit]
        if len(above) < 2:
            raise RuntimeError(f"{name}: fewer than two cycles found more live than the limit")
        limited = [c for c in above if c["limited"]]
        whole.append(100 * collecting(above))
        held.append(100 * collecting(limited if len(limited) > 1 else above))
    counts = [float(run["cycles"][-1]["limited"]) for run in told]
    return [
        Row(f"{name}: share of CPU collecting", held, "%", 1, most=50),
        Row("  in all, with what the limiter lets pass first", whole, "%", 1),
        Row("  times the limiter came on", counts, "", 0),
        Row("  finished after", [run["wall_s"] for run in told], "s"),
    ]


# ---- spike ----


def spike(asked: Asked) -> Section:
    high, low = (64 * MB, 2 * MB) if asked.small else (GB, 10 * MB)
    patience = 2 if asked.small else 120
    section = Section(
        "spike", f"live falls from {size_text(high)} to {size_text(low)}; resident memory follows"
    )
    words = [str(high), str(low), str(patience)]
    go = programs.go_program("spike")
    peers = [("gcsim", programs.c_program("spike")), *([("Go", go)] if go else [])]
    told: dict[str, list[dict[str, Any]]] = {name: [] for name, _ in peers}
    for i in range(1, asked.runs + 1):
        for name, program in peers:
            say(f"spike, {name}: run {i} of {asked.runs}")
            told[name].append(run_once([str(program), *words], programs.clean_environment()))
    for name, runs in told.items():
        late = sum(not t["reached"] for t in runs)
        if late:
            section.notes.append(f"{name} was not there after {patience} s in {late} runs")
        section.rows += [
            Row(f"{name}: within 10 % of the goal after", [t["seconds"] for t in runs], "s"),
            Row("  the collection", [t["collect_seconds"] for t in runs], "s"),
            Row("  resident at the top", [t["peak"] / MIB for t in runs], "MiB", 1),
            Row("  resident then", [t["rss"] / MIB for t in runs], "MiB", 1),
            Row("  heap goal", [t["goal"] / MIB for t in runs], "MiB", 1),
            Row("  beside the heap", [t["beside"] / MIB for t in runs], "MiB", 1),
        ]
    if go:
        most = statistics.median(t["seconds"] for t in told["Go"])
        section.rows[0] = replace(section.rows[0], most=most, goal=f"<= Go's {most:.2f} s")
    else:
        section.notes.append("there is no Go to be as fast as")
    return section


# ---- concurrency ----

# Each takes about a second or two on two mutators.
SIZES: dict[str, dict[str, int]] = {
    "binary-trees": {"depth": 16},
    "graph": {"live": 32 << 20, "steps": 1_000_000},
    "idle": {"rounds": 5},
    "list": {"nodes": 1_500_000},
    "lru": {"lookups": 1_500_000},
    "ring": {"allocations": 4_000_000},
    "spikes": {"spikes": 10},
}
SMALL_SIZES: dict[str, dict[str, int]] = {
    "binary-trees": {"depth": 10},
    "graph": {"live": 2 << 20, "steps": 20_000},
    "idle": {"rounds": 1, "burst": 4 << 20, "idle": 5},
    "list": {"nodes": 20_000},
    "lru": {"entries": 2000, "lookups": 20_000},
    "ring": {"entries": 1000, "allocations": 60_000},
    "spikes": {"high": 8 << 20, "low": 1 << 20, "spikes": 2},
}


def concurrency(asked: Asked) -> Section:
    section = Section(
        "concurrency",
        f"wall time on {PROCS} processors, concurrent over stop-the-world (gcstoptheworld=1)",
    )
    sizes = SMALL_SIZES if asked.small else SIZES
    for threads, most in ((PROCS, 1.15), (1, 1.0)):
        for name, parameters in sizes.items():
            section.rows.append(ratio(name, parameters, threads, most, asked))
    section.notes.append("with one mutator a processor is idle: there, less than stop-the-world")
    section.notes.append("the ratio is of the medians; the range, of runs that followed each other")
    return section


@dataclass
class Ratio(Row):
    of_medians: float = 0.0

    @property
    def median(self) -> float:
        return self.of_medians


def ratio(name: str, parameters: dict[str, int], threads: int, most: float, asked: Asked) -> Row:
    walls: tuple[list[float], list[float]] = ([], [])
    checksums = set()
    for i in range(1, asked.runs + 1):
        say(f"concurrency, {name}, {threads} threads: run {i} of {asked.runs}")
        for stopped in (0, 1):
            told = workload(name, {"gcstoptheworld": stopped}, threads=threads, **parameters)
            walls[stopped].append(told["wall_s"])
            checksums.add(told["checksum"])
    if len(checksums) != 1:
        raise RuntimeError(f"{name} did different work: checksums {checksums}")
    pairs = [a / b for a, b in zip(*walls, strict=True)]
    medians = statistics.median(walls[0]) / statistics.median(walls[1])
    what = f"{name}, {threads} mutator{'s' if threads > 1 else ''}"
    return Ratio(what, pairs, most=most, of_medians=medians)


# ---- telling ----

SECTIONS: dict[str, Callable[[Asked], Section]] = {
    f.__name__: f for f in (stops, share, limit, spike, concurrency)
}


def run_section(name: str, asked: Asked) -> Section:
    before = os.getloadavg()[0]
    section = SECTIONS[name](asked)
    after = os.getloadavg()[0]
    section.load = (min(before, after), max(before, after))
    return section


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("section", nargs="*", help=f"only these: {', '.join(SECTIONS)}")
    parser.add_argument("--runs", type=int, default=5, help="of each program (default: 5)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="keep every value in this file")
    parser.add_argument("--strict", action="store_true", help="a missed goal is a failure")
    parser.add_argument("--small", action="store_true", help="tiny sizes, to try the script out")
    args = parser.parse_args()
    if unknown := sorted(set(args.section) - set(SECTIONS)):
        parser.error(f"no such section: {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    if args.runs < 1:
        parser.error("--runs: at least one")
    about = machine()
    print("\n".join(f"{key:9} {value}" for key, value in about.items()), flush=True)
    sections, failed = [], False
    for name in args.section or SECTIONS:
        try:
            section = run_section(name, Asked(args.runs, args.small))
        except (programs.BuildError, RuntimeError, OSError, ValueError) as error:
            failed = True
            print(f"\n{name}: FAILED  {error}", flush=True)
        except subprocess.TimeoutExpired as error:
            failed = True
            print(f"\n{name}: FAILED  {error.cmd[0]} did not end", flush=True)
        else:
            section.print()
            sections.append(section)
    if args.json:
        record = {"machine": about, "runs": args.runs, "sections": [s.record() for s in sections]}
        args.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    missed = any(row.met is False for section in sections for row in section.rows)
    return int(failed or (args.strict and missed))


if __name__ == "__main__":
    sys.exit(main())
