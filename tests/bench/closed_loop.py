"""The closed loop: the same programs in Go and on gcsim, their collections side by side.

    make closed-loop                        all programs, the world stopped and concurrent
    make closed-loop ARGS="ring mixed --why"

tests/bench/twins.py writes each program twice. Go runs under GODEBUG=gctrace=1 (with
gcstoptheworld=1 in the first mode) and tells after each cycle, from runtime/metrics, its goal and
what it marked, in bytes. Its own bytes of globals and stacks, and of live objects before the
program makes any, are given to gcsim. With the world stopped
the number of cycles must be equal within 1 and every goal within 1 %; concurrent, both within 10 %.

Exit status: 0 all programs pass, 1 some do not, 2 there is no Go or something cannot be built or run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import programs
from twins import TWINS, Twin, c_source, go_source

import gcsim

MIB = 1 << 20
LIVE, CYCLES = 64_000_000, 100  # at least
TIMEOUT_S = 1200


@dataclass(frozen=True)
class Go:
    """What the Go program told. Rows: goal, marked, stack bytes scanned, bytes of globals."""

    rows: list[list[int]]
    trace: gcsim.GCTrace
    checksum: int
    alloc_bytes: int


@dataclass(frozen=True)
class Comparison:
    """One program in one mode."""

    twin: Twin
    stopped: bool
    go: Go
    ours: dict[str, Any]

    @property
    def goals(self) -> list[tuple[int, int]]:
        """(Go's, ours) after each cycle that both had; the first comes before the data, with no goal."""
        theirs = [row[0] for row in self.go.rows[1:]]
        ours = [cycle["next_goal"] for cycle in self.ours["cycles"][1:]]
        return list(zip(theirs, ours, strict=False))

    @property
    def counts(self) -> tuple[int, int]:
        return len(self.go.rows), len(self.ours["cycles"])

    @property
    def worst_goal(self) -> float:
        return max(abs(ours - theirs) / theirs for theirs, ours in self.goals)

    @property
    def mean_goal(self) -> float:
        """Ours over Go's, less 1."""
        return mean(ours for _, ours in self.goals) / mean(theirs for theirs, _ in self.goals) - 1

    @property
    def faults(self) -> list[str]:
        theirs, ours = self.counts
        found = []
        if self.go.checksum != self.ours["checksum"]:
            found.append("the two programs did not do the same: their checksums differ")
        if len(self.go.trace) != theirs:
            found.append(f"gctrace printed {len(self.go.trace)} cycles, runtime/metrics {theirs}")
        if min(theirs, ours) < CYCLES:
            found.append(f"fewer than {CYCLES} cycles")
        if min(row[1] for row in self.go.rows[1:]) < LIVE:
            found.append("less than 64 MB lived in some cycle")
        if self.stopped:
            if abs(ours - theirs) > 1:
                found.append("the number of cycles is not equal within 1")
            if self.worst_goal > 0.01:
                found.append("a goal is more than 1 % off")
        else:
            if abs(ours - theirs) > 0.1 * theirs:
                found.append("the number of cycles is more than 10 % off")
            if abs(self.mean_goal) > 0.1:
                found.append("the mean goal is more than 10 % off")
        return found

    @property
    def spent(self) -> tuple[float, float]:
        """Share of its goal that heap_live has reached when marking ends: (Go's, ours), means."""
        before = [row[0] for row in self.go.rows]
        theirs = [
            cycle.heap_mb[1] * MIB / goal
            for cycle, goal in zip(self.go.trace[2:], before[1:], strict=False)
            if cycle.heap_mb
        ]
        ours = [cycle["heap_end"] / cycle["goal"] for cycle in self.ours["cycles"][2:]]
        return mean(theirs), mean(ours)

    @property
    def reason(self) -> str:
        """Why the number of cycles differs: what floats raises the goal, and a cycle that ends early
        leaves a part of it unused. A cycle's share of all allocation is its end less what was marked.
        """
        theirs, ours = self.spent
        row = self.row()
        return (
            f"Go marks {row['go_marked'] / MIB:.1f} MiB a cycle and is at {theirs:.1%} of its goal"
            f" when marking ends; gcsim marks {row['marked'] / MIB:.1f} MiB and is at {ours:.1%}:"
            f" {self.go.alloc_bytes / self.counts[0] / MIB:.1f} and"
            f" {self.ours['alloc_bytes'] / self.counts[1] / MIB:.1f} MiB are allocated per cycle"
        )

    def row(self) -> dict[str, Any]:
        theirs, ours = self.counts
        return {
            "program": self.twin.name,
            "mode": "stopped" if self.stopped else "concurrent",
            "go_cycles": theirs,
            "cycles": ours,
            "worst_goal": self.worst_goal,
            "mean_goal": self.mean_goal,
            "go_marked": mean(r[1] for r in self.go.rows[1:]),
            "marked": mean(c["heap_marked"] for c in self.ours["cycles"][1:]),
            "faults": self.faults,
        }

    def why(self) -> list[str]:
        """Each cycle's difference, from what was marked: goal = marked + (marked + stacks + globals)."""
        lines = []
        both = list(zip(self.go.rows, self.ours["cycles"], strict=False))
        for n, (go, cycle) in enumerate(both[1:], 2):
            goal, marked, stacks, globals_ = go
            float_go, float_ours = "", ""
            if n <= len(self.go.trace) and (mb := self.go.trace[n - 1].heap_mb):
                float_go = f", {mb[1] - mb[0]} MB of it allocated while marking"
            grown = cycle["heap_end"] - cycle["heap_live"]
            float_ours = f", {grown / 1e6:.1f} MB of it allocated while marking"
            lines.append(
                f"{n:4}  Go: marked {marked:_}{float_go}; goal {marked:_} * 2 + {stacks + globals_:_}"
                f" = {goal:_}\n"
                f"      gcsim: started at {cycle['heap_live']:_} (trigger {cycle['trigger_bytes']:_},"
                f" goal {cycle['goal']:_}); marked {cycle['heap_marked']:_}{float_ours};"
                f" next goal {cycle['next_goal']:_}: {cycle['next_goal'] - goal:+_} of which"
                f" {2 * (cycle['heap_marked'] - marked):+_} from what was marked"
            )
        return lines


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
    return path


def build(twin: Twin) -> tuple[Path, Path]:
    """The program in Go and in C. Raises programs.BuildError."""
    place = programs.OUT / "closed_loop"
    go = programs.go_program(
        f"closed_loop-{twin.name}", source=write(place / f"{twin.name}.go", go_source(twin))
    )
    if go is None:
        raise programs.BuildError("there is no Go (`go` is not in the PATH)")
    source = write(place / f"{twin.name}.c", c_source(twin))
    return go, programs.c_program("closed_loop", workload=source)


def run(command: list[str], **environment: str) -> tuple[Any, str]:
    """What it printed as JSON, and on standard error."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=programs.clean_environment(**environment),
        timeout=TIMEOUT_S,
    )
    if done.returncode != 0:
        raise programs.BuildError(f"{command[0]} failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout), done.stderr


def run_go(program: Path, stopped: bool, procs: int, seed: int) -> Go:
    debug = "gctrace=1,gcstoptheworld=1" if stopped else "gctrace=1"
    told, log = run([str(program), str(seed)], GODEBUG=debug, GOMAXPROCS=str(procs))
    return Go(told["cycles"], gcsim.read_gctrace(log), told["checksum"], told["alloc_bytes"])


def compare(twin: Twin, stopped: bool, procs: int, seed: int) -> Comparison:
    go_program, c_program = build(twin)
    go = run_go(go_program, stopped, procs, seed)
    stacks, globals_ = round(mean(row[2] for row in go.rows)), go.rows[-1][3]
    own = go.rows[0][1]  # live after a collection before the program has made anything
    arguments = [procs, int(stopped), seed, globals_, stacks, own]
    ours, _ = run([str(c_program), *map(str, arguments)])
    return Comparison(twin, stopped, go, ours)


HEAD = f"{'program':8} {'mode':10} {'cycles Go':>9} {'gcsim':>6} {'marked Go':>10} {'gcsim':>8} {'worst goal':>10} {'mean goal':>9}"


def text(c: Comparison) -> str:
    row = c.row()
    verdict = "; ".join(c.faults) or "ok"
    return (
        f"{row['program']:8} {row['mode']:10} {row['go_cycles']:9} {row['cycles']:6}"
        f" {row['go_marked'] / MIB:6.1f} MiB {row['marked'] / MIB:4.1f} MiB"
        f" {row['worst_goal']:10.3%} {row['mean_goal']:+9.3%}  {verdict}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    names = [twin.name for twin in TWINS]
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help=f"of {', '.join(names)}")
    parser.add_argument("--mode", choices=("stopped", "concurrent", "both"), default="both")
    parser.add_argument("--procs", type=int, default=2, help="GOMAXPROCS of both (default: 2)")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--why", action="store_true", help="explain each cycle's difference")
    parser.add_argument(
        "--json", action="store_true", help="print a JSON array, each cycle with its why"
    )
    args = parser.parse_args()
    if unknown := set(args.programs) - set(names):
        parser.error(f"no such program: {', '.join(sorted(unknown))}")
    modes = {"stopped": [True], "concurrent": [False], "both": [True, False]}[args.mode]
    rows, failed = [], False
    if not args.json:
        print(HEAD)
    for twin in TWINS:
        for stopped in modes if not args.programs or twin.name in args.programs else []:
            try:
                c = compare(twin, stopped, args.procs, args.seed)
            except (programs.BuildError, OSError, ValueError, subprocess.TimeoutExpired) as error:
                print(f"closed_loop: {error}", file=sys.stderr)
                return 2
            failed |= bool(c.faults)
            if args.json:
                rows.append({**c.row(), "reason": c.reason, "why": c.why()})
                continue
            print(text(c), flush=True)
            if not stopped:
                print(f"         {c.reason}", flush=True)
            if args.why:
                print("\n".join(c.why()), flush=True)
    if args.json:
        print(json.dumps(rows, indent=2))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
