"""Virtual time beside what it stands for: the threaded heap, other numbers of processors, Go.

    make virtual                            all sections
    make virtual ARGS="threads --runs 9"

    threads      workloads at 2 processors, with threads and in virtual time: cycles, goals, times
    recordings   programs that Go ran, with their rates of allocation and marking: cycles and goals
    processors   one workload on 1, 2, 4, 8 and 64 virtual processors
    calibrate    what step points and workloads cost on this machine, as csrc/base/costs.def has it

Threaded figures are medians over the runs; those of virtual time are the same in every run. Exit
status: 0, 1 for a program that fails (or, with --strict, a deviation beyond 5 %).
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

import programs

SEED, PROCS, GOAL = 7, 2, 0.05
SAMPLES = 5

# Parameters that make a few dozen cycles; "-" is the standard one.
WORK: dict[str, list[str]] = {
    "binary-trees": ["15"],
    "graph": [str(16 << 20), "-", "1000000"],
    "list": ["8", "60000", "512"],
    "lru": ["20000", str(1 << 18), "512", "1000000"],
    "ring": ["50000", "64", "2000000"],
    "spikes": [str(24 << 20), str(2 << 20), "4"],
}
LRU_OF_64 = ["2000", str(1 << 14), "512", "50000"]


@dataclass(frozen=True)
class Run:
    """One run, as tests/bench/virtual.c prints it."""

    told: dict[str, Any]

    @property
    def cycles(self) -> int:
        return len(self.told["cycles"])

    @property
    def goal(self) -> float:
        """Mean over the cycles."""
        return mean(c["goal"] for c in self.told["cycles"]) if self.cycles else 0.0

    def __getattr__(self, name: str) -> Any:
        return self.told[name]


def run(
    how: str,
    workload: str,
    params: list[str],
    *,
    procs: int = PROCS,
    threads: int = 1,
    gc_percent: int = 100,
    stopped: bool = False,
) -> Run:
    wraps = "-Wl,--wrap=clock_gettime -Wl,--wrap=pthread_cond_timedwait"
    program = programs.c_program("virtual", runs=True, wraps=wraps)
    words = [how, workload, procs, threads, SEED, gc_percent, int(stopped), *params]
    done = subprocess.run(
        [str(program), *map(str, words)], capture_output=True, text=True, timeout=600
    )
    if done.returncode != 0:
        raise programs.BuildError(f"virtual {' '.join(map(str, words))}: {done.stderr.strip()}")
    return Run(json.loads(done.stdout))


def off(a: float, b: float) -> float:
    return a / b - 1 if b else 0.0


def compare_threads(runs: int) -> bool:
    print(
        f"{'workload':13} {'mutators':>8} {'cycles: threads':>15} {'virtual':>7} {'off':>7}"
        f" {'mean goal':>10} {'virtual':>9} {'off':>7}  {'wall ms':>8} {'virtual':>8}"
        f" {'mark ms':>8} {'virtual':>8} {'assist':>7} {'virtual':>8} {'stops us':>8} {'virtual':>8} {'real s':>6}"
    )
    beyond = False
    for name, params in WORK.items():
        for threads in (1, 2):
            real = [run("threads", name, params, threads=threads) for _ in range(runs)]
            ours = run("virtual", name, params, threads=threads)

            def middle(get: Callable[[Run], float], real: list[Run] = real) -> float:
                return median(map(get, real))

            cycles, goal = middle(lambda r: r.cycles), middle(lambda r: r.goal)
            far = max(abs(off(ours.cycles, cycles)), abs(off(ours.goal, goal)))
            spread = f"{min(r.cycles for r in real)}-{max(r.cycles for r in real)}"
            beyond |= far > GOAL
            print(
                f"{name:13} {threads:8} {cycles:6.0f} {spread:>8} {ours.cycles:7}"
                f" {off(ours.cycles, cycles):+7.1%} {goal / 1e6:7.2f} MB {ours.goal / 1e6:6.2f} MB"
                f" {off(ours.goal, goal):+7.1%}  {middle(lambda r: r.wall_s) * 1e3:8.1f}"
                f" {ours.wall_s * 1e3:8.1f} {middle(lambda r: r.mark_cpu_s) * 1e3:8.1f}"
                f" {ours.mark_cpu_s * 1e3:8.1f} {middle(lambda r: r.assist_cpu_s) * 1e3:7.2f}"
                f" {ours.assist_cpu_s * 1e3:8.2f}"
                f" {middle(lambda r: r.total_stop_s / max(r.cycles, 1)) * 1e6:8.1f}"
                f" {ours.total_stop_s / max(ours.cycles, 1) * 1e6:8.1f} {ours.real_s:6.2f}"
                f"{'  beyond 5 %' if far > GOAL else ''}",
                flush=True,
            )
    return beyond


def compare_processors(_: int) -> bool:
    """64 mutators on more and more processors, of the workload that agrees best with threads."""
    print(
        f"{'processors':>10} {'cycles':>7} {'mean goal':>10} {'wall ms':>9} {'in use':>7}"
        f" {'collecting':>10} {'longest stop us':>15} {'real s':>7}"
    )
    for procs in (1, 2, 4, 8, 64):
        r = run("virtual", "lru", LRU_OF_64, procs=procs, threads=64)
        collecting = (r.mark_cpu_s + r.assist_cpu_s) / r.cpu_s
        print(
            f"{procs:10} {r.cycles:7} {r.goal / 1e6:7.2f} MB {r.wall_s * 1e3:9.2f}"
            f" {r.cpu_s / r.wall_s / procs:7.1%} {collecting:10.1%}"
            f" {r.worst_stop_s * 1e6:15.1f} {r.real_s:7.2f}",
            flush=True,
        )
    return False


# --- recordings of Go

RECORDINGS = programs.ROOT.parent / "shared" / "data" / "gctrace"
MARKED = re.compile(r"% CPU \(\d+ exp\.\) for (\d+)\+\d+\+\d+ B work .* in (\d+) B -> (\d+) B ")


@dataclass(frozen=True)
class Recorded:
    """One cycle of a Go program: its row of runtime/metrics, its line of gcpacertrace."""

    row: dict[str, float]
    scanned: int
    trigger: int
    end: int

    def __getitem__(self, name: str) -> float:
        return self.row[name]

    @property
    def live(self) -> float:
        """What outlives the cycle: what was allocated meanwhile was marked because it was new."""
        return max(self["/gc/heap/live:bytes"] - (self.end - self.trigger), 0.0)

    @property
    def mark_s(self) -> float:
        kinds = ("assist", "dedicated", "idle")
        return sum(self[f"/cpu/classes/gc/mark/{kind}:cpu-seconds"] for kind in kinds)

    @property
    def spare_s(self) -> float:
        """Processor time that the program left: to nobody, or to marking."""
        idle = self["/cpu/classes/idle:cpu-seconds"]
        return idle + self["/cpu/classes/gc/mark/idle:cpu-seconds"]


def recording(path: Path) -> list[Recorded]:
    """The cycles that have a row (very short ones may have none)."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        log = file.read()
    lines = [tuple(map(int, found)) for found in MARKED.findall(log)]
    metrics = path.with_name(path.name.replace(".log.", ".metrics.csv."))
    with gzip.open(metrics, "rt", encoding="utf-8") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    numbers = [int(row["/gc/cycles/total:gc-cycles"]) for row in rows]
    return [
        Recorded(row, *lines[n - 1])
        for row, n in zip(rows, numbers, strict=True)
        if n <= len(lines)
    ]


def stretches(cycles: list[Recorded]) -> str:
    """From each cycle to the next, as tests/bench/replay.c reads it."""
    text = []
    for before, c in zip([None, *cycles[:-1]], cycles, strict=True):

        def grown(
            get: Callable[[Recorded], float], now: Recorded = c, then: Recorded | None = before
        ) -> float:
            return get(now) - (get(then) if then else 0.0)

        allocated = grown(lambda r: r["/gc/heap/allocs:bytes"])
        if allocated <= 0:
            continue
        compute = grown(lambda r: r["/cpu/classes/user:cpu-seconds"]) * 1e12 / allocated
        spare = max(grown(lambda r: r.spare_s), 0.0) * 1e12 / allocated
        mark = grown(lambda r: r.mark_s) * 1e12 / c.scanned
        pointers = min(c.scanned / max(c["/gc/heap/live:bytes"], 1), 1.0)
        text.append(
            f"{allocated:.0f} {c.live:.0f} {pointers:.4f} {compute:.1f} {spare:.1f} {mark:.1f}"
        )
    return "\n".join(text) + "\n"


def compare_recordings(runs: int) -> bool:
    """Programs of Go with a GOGC, replayed with their rates."""
    print(
        f"{'recording':26} {'cycles: Go':>10} {'virtual':>7} {'off':>7} {'mean goal':>10} {'virtual':>9} {'off':>7} {'in marking: Go':>14} {'virtual':>8} {'real s':>7}"
    )
    program = programs.c_program("replay", runs=True)
    beyond = False
    for path in sorted(RECORDINGS.glob("*.log.gz")):
        procs, percent = (
            re.findall(r"\.p(\d+)\.gogc(\d+)\.log", path.name)[0:1][0]
            if re.search(r"\.gogc\d+\.log", path.name)
            else (0, 0)
        )
        if not procs:
            continue
        go = recording(path)
        globals_, stacks = (
            round(mean(c[f"/gc/scan/{k}:bytes"] for c in go)) for k in ("globals", "stack")
        )
        words = [procs, percent, globals_, stacks, SEED]
        began = time.monotonic()
        done = subprocess.run(
            [str(program), *map(str, words)],
            input=stretches(go),
            capture_output=True,
            text=True,
            timeout=600,
        )
        if done.returncode != 0:
            raise programs.BuildError(f"replay of {path.name}: {done.stderr.strip()}")
        ours = json.loads(done.stdout)["cycles"]
        count = int(go[-1]["/gc/cycles/total:gc-cycles"])
        theirs = mean(c["/gc/heap/goal:bytes"] for c in go)
        goal = mean(c["goal"] for c in ours)
        runway = (
            mean((c.end - c.trigger) for c in go),
            mean(c["heap_end"] - c["trigger"] for c in ours),
        )
        far = max(abs(off(len(ours), count)), abs(off(goal, theirs)))
        beyond |= far > GOAL
        print(
            f"{path.name.removesuffix('.log.gz'):26} {count:10} {len(ours):7} {off(len(ours), count):+7.1%}"
            f" {theirs / 1e6:7.2f} MB {goal / 1e6:6.2f} MB {off(goal, theirs):+7.1%} {runway[0] / 1e6:11.2f} MB {runway[1] / 1e6:5.2f} MB"
            f" {time.monotonic() - began:7.2f}{'  beyond 5 %' if far > GOAL else ''}",
            flush=True,
        )
    return beyond


# --- calibrating

COSTS = programs.ROOT / "csrc/base/costs.def"
WORK_COSTS = programs.ROOT / "csrc/workloads/costs.def"
C_NAMES = {"binary-trees": "TREES"}  # of others the name in capitals
FREE = {"idle": ["3", str(8 << 20), "1"]}

# Programs that do next to nothing but allocate, for what the allocator costs.
ALLOCATORS = [
    ["20000", "16", "1500000"],
    ["1000", "64", "1500000"],
    ["1000", "256", "600000"],
    ["1000", "1024", "300000"],
    ["1000", "4096", "100000"],
    ["1000", "16384", "40000"],
]
SCAN_PS = 3000
ALLOC_PS = (
    3000  # the inline path: about 20 instructions. What else an allocation takes is the workload's
)


@dataclass(frozen=True)
class Sample:
    """A run by the clock of the processor and the same in virtual time, the world stopped."""

    real: Run
    ours: Run

    def n(self, point: str) -> int:
        return int(self.ours.points[point][0])

    def units(self, point: str) -> int:
        return int(self.ours.points[point][1])

    @property
    def mutator_s(self) -> float:
        return float(self.real.cpu_s - self.real.total_stop_s)


def sample(name: str, params: list[str], runs: int) -> Sample:
    """The run that took least: what disturbs only adds."""
    real = [run("cpu", name, params, procs=1, stopped=True) for _ in range(runs)]
    ours = run("virtual", name, params, procs=1, stopped=True)
    return Sample(min(real, key=lambda r: r.cpu_s), ours)


def fit(rows: list[list[float]], seconds: list[float]) -> list[float]:
    """Costs in ps, none negative, with the least squares of relative errors."""
    import numpy as np

    y = np.array(seconds) * 1e12
    matrix = np.array(rows, float) / y[:, None]
    keep = list(range(matrix.shape[1]))
    while keep:
        x = np.linalg.lstsq(matrix[:, keep], np.ones(len(y)), rcond=None)[0]
        if (x >= 0).all():
            break
        keep.pop(int(np.argmin(x * matrix[:, keep].mean(0))))
    costs = [0.0] * matrix.shape[1]
    for i, cost in zip(keep, x, strict=True):
        costs[i] = float(cost)
    return costs


def marking(samples: list[Sample]) -> dict[str, tuple[float, float]]:
    """Scanning, as if reaching an object cost the same everywhere; what it costs is each workload's."""
    rows = [[s.n("shade"), s.units("scan")] for s in samples]
    _, per_byte = fit(rows, [s.real.mark_cpu_s for s in samples])
    return {"SCAN": (SCAN_PS, per_byte)}


def allocating(samples: list[Sample]) -> dict[str, tuple[float, float]]:
    rows = [
        [s.n("alloc"), s.units("alloc"), s.n("window"), s.n("span cache"), s.n("sweep span")]
        for s in samples
    ]
    _, per_byte, window, cache, sweep = fit(rows, [s.mutator_s for s in samples])
    return {
        "ALLOC": (ALLOC_PS, per_byte),
        "WINDOW": (window, 0),
        "SPAN_CACHE": (cache, 0),
        "SWEEP_SPAN": (sweep, 0),
    }


def of_workload(s: Sample, costs: dict[str, tuple[float, float]]) -> tuple[float, float]:
    """(ps of its own between two allocations or polls, ps to reach an object)."""

    def known(*points: str) -> float:
        return sum(
            s.n(p) * costs[key][0] + s.units(p) * costs[key][1]
            for p in points
            for key in [p.replace(" ", "_").upper()]
        )

    own = s.mutator_s * 1e12 - known(
        "alloc", "alloc large", "window", "span cache", "sweep span", "lock"
    )
    reach = s.real.mark_cpu_s * 1e12 - known("scan", "mark root")
    polls = s.n("alloc") + s.n("alloc large") + s.n("operation")
    return max(own / polls, 0), max(reach / max(s.n("shade"), 1), 0)


def table(text: str, macro: str) -> dict[str, list[int]]:
    found = re.findall(rf"^{macro}\((\w+), (\d+), (\d+)\)$", text, re.M)
    return {name: [int(a), int(b)] for name, a, b in found}


def with_costs(text: str, macro: str, costs: dict[str, tuple[float, float]]) -> str:
    for name, (a, b) in costs.items():
        line = f"{macro}({name}, {round(a)}, {round(b)})"
        text = re.sub(rf"^{macro}\({name}, .*\)$", line, text, flags=re.M)
    return text


def calibrate(runs: int, write: bool) -> None:
    """Measures; prints the tables, beside what is in force."""
    costs: dict[str, tuple[float, float]] = {
        name: (a, b) for name, (a, b) in table(COSTS.read_text("utf-8"), "COST").items()
    }
    work = {name: sample(name, params, runs) for name, params in (WORK | FREE).items()}
    new = marking([s for s in work.values() if s.n("shade")])
    new |= allocating([sample("ring", params, runs) for params in ALLOCATORS])
    stops = median(
        (s.real.total_stop_s - s.real.mark_cpu_s) * 1e12 / s.real.cycles
        for s in work.values()
        if s.real.cycles
    )
    # A cycle has two stops; what is not theirs is put on the two that switch marking on and off.
    rest = max(stops - 2 * costs["WORLD_STOP"][0] - costs["CYCLE_START"][0], 0) / 2
    new |= {"MARK_START": (rest, 0), "MARK_DONE": (rest, 0)}
    own = {}
    for name, s in work.items():
        own[C_NAMES.get(name, name.upper())] = of_workload(s, costs | new)
    new["SHADE"] = (median(reach for _, reach in own.values()), 0)
    for path, macro, given in ((COSTS, "COST", new), (WORK_COSTS, "WORK_COST", own)):
        before = table(path.read_text("utf-8"), macro)
        print(f"{path.relative_to(programs.ROOT)}: ps, ps per unit (before)")
        for name, (a, b) in given.items():
            print(f"  {name:12} {a:10.0f} {b:8.0f}   ({before[name][0]}, {before[name][1]})")
        if write:
            path.write_text(with_costs(path.read_text("utf-8"), macro, given), "utf-8")
    print(
        "what is left out: time of the virtual run beside the clock's, before these costs are in force"
    )
    for name, s in work.items():
        print(
            f"  {name:12} {s.ours.cpu_s * 1e3:8.1f} ms, {s.real.cpu_s * 1e3:8.1f} ms by the clock ({off(s.ours.cpu_s, s.real.cpu_s):+.1%})"
        )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    sections = {
        "threads": compare_threads,
        "processors": compare_processors,
        "recordings": compare_recordings,
    }
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(sections))
    parser.add_argument("--runs", type=int, default=SAMPLES, help="threaded runs (default: 5)")
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--write", action="store_true", help="calibrate: into the sources")
    args = parser.parse_args()
    beyond = False
    if "calibrate" in args.sections:
        calibrate(args.runs, args.write)
        return 0
    for name, section in sections.items():
        if not args.sections or name in args.sections:
            try:
                beyond |= section(args.runs)
            except (programs.BuildError, subprocess.TimeoutExpired) as error:
                print(f"virtual: {error}", file=sys.stderr)
                return 1
    return int(args.strict and beyond)


if __name__ == "__main__":
    sys.exit(main())
