"""Speed and memory of gcsim beside their bars, and the same work on what people use instead.

    make bench                     everything but growth: some hours
    make bench ARGS=table          the table of what must be reached: 30 minutes on 2 processors
    make bench ARGS=short          the same, small, beside Go alone, times not judged: 2 minutes
    make bench ARGS=growth         for 2^16 to 2^24 objects and 1 to 64 mutators: 20 minutes
    make bench ARGS="mark trees"   some groups, or single cases by their names

The programs of a case run in turn (A B A B ...), after one round that is thrown away, each in a
process of its own. What is printed is the median of all samples with their range. Every sample is
kept in build/bench/results.json (or --out FILE), with what is known of the machine and of the other
work that it did; Ctrl-C keeps what was measured, and --resume FILE goes on from there. Figures are
compared within one run only; --compare FILE sets an earlier run of the same machine beside this one.

The exit status is 1 if a program failed or the programs of a case disagree about their work, and,
with CI=true in the environment, if a program is missing; 2 for wrong arguments and files that
cannot be used; 130 for Ctrl-C. A bar that is missed is shown, and is no failure.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
import resource
import shutil
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cases
import programs

import gcsim
from gcsim import _bench
from gcsim._bench import Program, Results, Round

RESULTS = programs.OUT / "results.json"
DURATIONS = programs.OUT / "durations.json"  # of each program, for the time left
TIMEOUT = 900


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# ---- the machine ----


def version(*words: str) -> str:
    if shutil.which(words[0]) is None:
        return "not found"
    done = subprocess.run(words, capture_output=True, text=True)
    return (done.stdout + done.stderr).strip().splitlines()[0]


def from_file(path: str, key: str) -> str:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
    found = re.search(rf"^{key}\s*:?\s*(.*)$", text, re.M)
    return found[1].strip() if found else ""


def package(name: str) -> str:
    """The version of a Debian package, where there is dpkg."""
    if shutil.which("dpkg-query") is None:
        return "unknown"
    words = ["dpkg-query", "-W", "-f", "${Version}", name]
    done = subprocess.run(words, capture_output=True, text=True)
    return done.stdout.strip() or "not found"


def machine() -> dict[str, Any]:
    return {
        "cpu": from_file("/proc/cpuinfo", "model name") or platform.machine(),
        "cpus": os.cpu_count(),
        "memory_bytes": int(from_file("/proc/meminfo", "MemTotal").split()[0]) * 1024,
        "kernel": platform.release(),
        "id": hashlib.sha256(from_file("/etc/machine-id", "").encode()).hexdigest()[:16],
    }


def versions() -> dict[str, str]:
    built = gcsim.build_info()
    return {
        "gcsim": f"{built['version']} {built['mode']}, {built['compiler']}",
        "commit": version("git", "-C", str(programs.ROOT), "describe", "--always", "--dirty"),
        "compiler": version(*programs.compiler(), "--version"),
        "go": version("go", "version"),
        "java": version("java", "--version"),
        "python": platform.python_version(),
        "glibc": " ".join(platform.libc_ver()),
        "bdwgc": package("libgc-dev"),
        "mimalloc": package("libmimalloc-dev"),
        "jemalloc": package("libjemalloc-dev"),
    }


def processor_ticks() -> tuple[int, int, int]:
    """Of all processors since boot: idle, stolen, all."""
    with open("/proc/stat", encoding="utf-8") as lines:
        ticks = [int(word) for word in next(lines).split()[1:9]]
    return ticks[3] + ticks[4], ticks[7], sum(ticks)


def cpu_seconds() -> float:
    """Of this process and of the children that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


class Watch:
    """What the machine did while a round ran."""

    def __init__(self) -> None:
        self.load, self.ticks, self.own = os.getloadavg()[0], processor_ticks(), cpu_seconds()

    def round(self) -> Round:
        idle, stolen, total = (b - a for a, b in zip(self.ticks, processor_ticks(), strict=True))
        own = (cpu_seconds() - self.own) * os.sysconf("SC_CLK_TCK")
        total = max(total, 1)
        others = max(0.0, (total - idle - stolen - own) / total)
        return Round((self.load, os.getloadavg()[0]), others, stolen / total)


def wait_for_quiet(deadline: float) -> None:
    """Until the processors have been idle for half a second, or until the deadline."""
    while time.monotonic() < deadline:
        idle, _, total = processor_ticks()
        time.sleep(0.5)
        idle_now, _, total_now = processor_ticks()
        if idle_now - idle >= 0.85 * (total_now - total):
            return


# ---- running ----


def run_once(words: list[str], env: dict[str, str], log: list[str] | None = None) -> dict[str, Any]:
    """What the program printed, as JSON, with its times in s; RuntimeError if it failed. What it
    wrote to standard error is appended to `log`."""
    start, used = time.perf_counter(), cpu_seconds()
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=TIMEOUT)
    times = {"wall": time.perf_counter() - start, "cpu": cpu_seconds() - used}
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise RuntimeError(said[-1])
    if log is not None:
        log.append(done.stderr)
    return times | json.loads(done.stdout or "{}")


def add_stops(into: Program, stops: list[tuple[float, float]]) -> dict[str, float]:
    into.stops.append(stops)
    lengths = [length for _, length in stops]
    if not lengths:
        return {}
    return {"worst_stop": max(lengths), "median_stop": statistics.median(lengths)}


def add_samples(into: Program, metrics: dict[str, Any]) -> None:
    for metric, value in metrics.items():
        into.samples.setdefault(metric, []).extend(value if isinstance(value, list) else [value])


def disagreement(case: _bench.Case) -> str | None:
    """The programs of a case that report a `check` must report the same one."""
    checks = {name: set(p.samples.get("check", [])) for name, p in case.programs.items()}
    for key in ("n", "mutators"):  # each point of a growing case has work of its own
        for point in {name.partition(f" {key}=")[2] for name in checks} - {""}:
            here = {n: c for n, c in checks.items() if n.endswith(f" {key}={point}")}
            if len(set().union(*here.values())) > 1:
                return f"the programs did different work: {here}"
            checks = {n: c for n, c in checks.items() if n not in here}
    if len(set().union(*checks.values())) > 1:
        return f"the programs did different work: {checks}"
    return None


class Runner:
    """Runs cases into `results`, which are kept in a file from round to round."""

    def __init__(self, results: Results, out: Path, chosen: list[cases.Case], quiet: float) -> None:
        self.results, self.out, self.chosen, self.quiet = results, out, chosen, quiet
        self.failures: list[str] = []
        try:
            self.durations: dict[str, float] = json.loads(DURATIONS.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self.durations = {}

    def keep(self) -> None:
        self.out.parent.mkdir(parents=True, exist_ok=True)
        self.results.write(self.out)
        DURATIONS.parent.mkdir(parents=True, exist_ok=True)
        DURATIONS.write_text(json.dumps(self.durations), encoding="utf-8")

    def rounds(self, case: cases.Case) -> int:
        return max(self.results.repeats, case.repeats) if case.repeats > 1 else 1

    def done(self, case: cases.Case, name: str) -> int:
        there = self.results.cases.get(case.name)
        program = there.programs.get(name) if there else None
        return len(program.seconds) if program else 0

    def key(self, case: cases.Case, name: str) -> str:
        return f"{self.results.form} {case.name}: {name}"

    def seconds_left(self) -> float | None:
        """By how long each program took the last time; what never ran is taken to be as the others."""
        runs: list[tuple[float | None, int]] = []
        for case in self.chosen:
            recorded = self.results.cases.get(case.name)
            for name in case.programs:
                there = recorded.programs.get(name) if recorded else None
                if there and (there.missing or there.failure):
                    continue
                left = self.rounds(case) - self.done(case, name)
                started = bool(there and there.command)
                left += case.repeats > 1 and left > 0 and not started
                runs.append((self.durations.get(self.key(case, name)), left))
        known = [seconds for seconds, _ in runs if seconds is not None]
        if not known:
            return None
        usual = statistics.mean(known)
        return sum((usual if seconds is None else seconds) * left for seconds, left in runs)

    def progress(self, text: str) -> None:
        left = self.seconds_left()
        soon = (
            ""
            if left is None
            else f", about {left / 60:.0f} min left"
            if left > 90
            else f", about {left:.0f} s left"
        )
        say(f"{text}{soon}")

    def prepare(self, case: cases.Case, into: _bench.Case) -> dict[str, cases.Command]:
        ready: dict[str, cases.Command] = {}
        for name, runnable in case.programs.items():
            program = into.programs.setdefault(name, Program())
            program.missing = program.failure = None
            if len(program.seconds) >= self.rounds(case):
                continue
            try:
                command = runnable.prepare()
            except programs.BuildError as error:
                program.failure = str(error)
                continue
            if command is None:
                program.missing = runnable.install
            else:
                ready[name] = command
                program.command = " ".join(command[0])
        return ready

    def run_program(
        self, case: cases.Case, into: Program, name: str, command: cases.Command, warm_up: bool
    ) -> None:
        runnable, log = case.programs[name], list[str]()
        metrics = run_once(*command, log)
        stops = metrics.pop("stops", None)
        self.durations[self.key(case, name)] = metrics["wall"]
        if warm_up:
            return
        if stops is not None:
            metrics |= add_stops(into, [(at / 1e9, took / 1e9) for at, took in stops])
        elif runnable.stops:
            metrics |= add_stops(into, runnable.stops(log[0]))
        if runnable.derive:
            metrics |= runnable.derive(metrics)
        add_samples(into, metrics)
        into.seconds.append(metrics["wall"])

    def run_case(self, case: cases.Case) -> None:
        into = self.results.cases.setdefault(
            case.name, _bench.Case(case.name, case.about, case.rows)
        )
        into.about, into.rows = case.about, case.rows
        self.progress(f"{case.name}: building")
        ready = self.prepare(case, into)
        deadline = time.monotonic() + self.quiet
        rounds = self.rounds(case)
        first = min((self.done(case, name) for name in ready), default=rounds)
        for i in range(first if rounds > 1 else 1, rounds + 1):
            warm_up = i == first and rounds > 1
            if not ready:
                break
            self.progress(f"{case.name}: {'warm-up' if warm_up else f'round {i} of {rounds}'}")
            watch = Watch()
            for name in list(ready):
                if self.done(case, name) >= i and not warm_up:
                    continue
                program = into.programs[name]
                try:
                    wait_for_quiet(deadline)
                    self.run_program(case, program, name, ready[name], warm_up)
                except (RuntimeError, ValueError, OSError, subprocess.TimeoutExpired) as error:
                    program.failure = str(error)
                    program.samples.clear()
                    program.seconds.clear()
                    program.stops.clear()
                    del ready[name]
            into.rounds.append(watch.round())
            self.keep()
        self.after(into)

    def after(self, case: _bench.Case) -> None:
        for name, program in case.programs.items():
            if program.failure:
                self.failures.append(f"{case.name}: {name}: {program.failure}")
            if program.missing and os.environ.get("CI") == "true":
                self.failures.append(f"{case.name}: {name} is missing: {program.missing}")
        if problem := disagreement(case):
            self.failures.append(f"{case.name}: {problem}")

    def run(self) -> None:
        for case in self.chosen:
            self.run_case(case)
            print(
                "\n" + "\n".join(_bench.table(self.results.cases[case.name], self.results.judged))
            )
            sys.stdout.flush()
        self.results.complete = True
        self.keep()


# ---- telling ----


def choose(words: list[str], parser: argparse.ArgumentParser) -> tuple[str, list[cases.Case]]:
    """The form of the run, and its cases in order."""
    if words == ["short"]:
        return "short", cases.short_cases()
    every = cases.all_cases()
    if not words:
        return "full", [case for case in every if case.group != "growth"]
    wanted = {w for word in words for w in (cases.TABLE if word == "table" else [word])}
    names = {case.group for case in every} | {case.name for case in every}
    if unknown := sorted(wanted - names):
        groups = ", ".join(dict.fromkeys(["table", "short", *(case.group for case in every)]))
        parser.error(f"no such case: {', '.join(unknown)}; there are {groups} (--list: all names)")
    return "full", [case for case in every if case.group in wanted or case.name in wanted]


def arguments() -> tuple[argparse.Namespace, argparse.ArgumentParser]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("case", nargs="*", help="groups or cases; table, short, growth")
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
    parser.add_argument(
        "--out", type=Path, default=RESULTS, metavar="FILE", help="keeps every sample"
    )
    parser.add_argument(
        "--resume", type=Path, metavar="FILE", help="go on with a run that was cut short"
    )
    parser.add_argument(
        "--compare", type=Path, metavar="FILE", help="an earlier run on this machine"
    )
    parser.add_argument("--list", action="store_true", help="list the cases")
    return parser.parse_args(), parser


def opened(path: Path, here: dict[str, Any], what: str) -> Results:
    """The results in a file of this machine; SystemExit(2) if they are none."""
    try:
        there = _bench.read(path)
    except (OSError, gcsim.BenchFormatError) as error:
        say(f"make bench: {error}")
        raise SystemExit(2) from None
    if difference := _bench.other_machine(here, there.machine):
        say(f"make bench: {path} is of another machine, {what}: {difference}")
        raise SystemExit(2)
    return there


def resumed(path: Path, fresh: Results) -> Results:
    there = opened(path, fresh.machine, "so it cannot be gone on with")
    for key in ("commit", "gcsim", "go", "compiler"):
        if there.versions.get(key) != fresh.versions.get(key):
            say(
                f"make bench: {path} was measured with {key} {there.versions.get(key)!r}, here is"
                f" {fresh.versions.get(key)!r}: start anew"
            )
            raise SystemExit(2)
    if there.form != fresh.form:
        say(f"make bench: {path} is of the {there.form} form, this run is {fresh.form}: start anew")
        raise SystemExit(2)
    there.repeats, there.complete = fresh.repeats, False
    return there


def main() -> int:
    args, parser = arguments()
    form, chosen = choose(args.case, parser)
    if args.list:
        for case in chosen:
            print(f"{case.name:28} {case.about}")
        return 0
    if args.repeats < 5:
        parser.error("fewer than 5 rounds say nothing")
    started = datetime.now(UTC).isoformat(timespec="seconds")
    results = Results(form, form == "full", machine(), versions(), started, args.repeats)
    baseline = (
        opened(args.compare, results.machine, "its times say nothing here")
        if args.compare
        else None
    )
    if args.resume:
        results = resumed(args.resume, results)
    about = {"time": results.started} | results.machine | results.versions
    print("\n".join(f"{key:13} {value}" for key, value in about.items()))
    out = args.resume or args.out
    runner = Runner(results, out, chosen, args.quiet)
    try:
        runner.run()
    except KeyboardInterrupt:
        runner.keep()
        say(f"\ncut short; what was measured is in {out}: go on with --resume {out}")
        return 130
    if baseline:
        print(f"\ncompared with {baseline.started} ({baseline.versions.get('commit', '?')}):")
        print("\n".join(_bench.aligned(_bench.comparison(results, baseline))))
    for text in results.warnings:
        print(f"\nNOTE: {text}")
    for failure in runner.failures:
        print(f"\nFAILED  {failure}")
    print(f"\nEvery sample: {out}; pictures: python -m gcsim bench-report {out}")
    return 1 if runner.failures else 0


if __name__ == "__main__":
    sys.exit(main())
