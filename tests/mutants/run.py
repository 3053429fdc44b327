"""Mutants of the core: one-place mistakes that the tests must notice.

python tests/mutants/run.py [--sample N] [--seed S] [--only NAME] [--jobs J] [--list]

Each mutant of table.py is made in a copy of csrc, the C tests that should notice it are built (debug) and run.
It is killed by a broken invariant or by a test's assertion, both of which say what is wrong. A mutant that no
test notices, that is noticed by a crash or a hang alone, or whose text is no longer there, is a failure: exit
status 1. Before that the tests have to pass without any mutant.
"""

import argparse
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from table import MUTANTS, Mutant

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import sampling

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "mutants"
TIMEOUT_S = 120
KILLED = ("invariant", "assertion")


@dataclass(frozen=True)
class Outcome:
    how: str  # invariant, assertion, crash, hang, survived, no build
    by: str = ""  # the test program
    words: str = ""  # what it said


def first(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text, re.MULTILINE)
    return found.group(1).strip() if found else None


def judge(program: str, status: int | None, output: str) -> Outcome | None:
    """What a run of a test program says about the mutant; None if it noticed nothing."""
    if status == 0:
        return None
    rule = first(r"(rule \d+: .*)", output)
    broken = first(r"broken invariant: (.*)", output)
    if broken:
        return Outcome("invariant", program, rule or first(r"^(gcsim: .*)", output) or broken)
    failed = first(r"^FAIL  (.*)", output)
    if failed:
        return Outcome("assertion", program, f"{failed} ({rule})" if rule else failed)
    if status is None:
        return Outcome("hang", program)
    return Outcome("crash", program, signal.Signals(-status).name if status < 0 else str(status))


class Tree:
    """A copy of the sources, in which one mutant at a time is built."""

    def __init__(self, place: Path) -> None:
        self.place = place
        shutil.rmtree(place, ignore_errors=True)  # with what was built of the last mutant
        shutil.copytree(ROOT / "csrc", place / "csrc")

    def build(self, program: str) -> str | None:
        """None, or what the compiler said."""
        command = ["make", "-s", "-C", "csrc", "programs", f"ONLY={program}", "GCSIM_BUILD=debug"]
        # More is compiled than run.
        environment = os.environ | {"CFLAGS": "-w -O0 -g0", "MAKEFLAGS": ""}
        made = subprocess.run(
            command, cwd=self.place, env=environment, capture_output=True, text=True
        )
        return made.stderr if made.returncode else None

    def run(self, program: str) -> Outcome | None:
        path = next((self.place / "build" / "debug").glob(f"ctests-*/{program}"))
        try:
            ran = subprocess.run(
                [path],
                cwd=self.place / "csrc",
                capture_output=True,
                errors="replace",
                timeout=TIMEOUT_S,
            )
        except subprocess.TimeoutExpired as late:
            said = (late.stdout or b"") + (late.stderr or b"")
            return judge(program, None, said.decode(errors="replace"))
        return judge(program, ran.returncode, ran.stdout + ran.stderr)

    def test(self, programs: tuple[str, ...]) -> Outcome:
        """The first of the programs that notices something, or the last one's silence."""
        for program in programs:
            problem = self.build(program)
            if problem:
                return Outcome("no build", program, problem)
            outcome = self.run(program)
            if outcome:
                return outcome
        return Outcome("survived")

    def mutate(self, mutant: Mutant) -> Outcome:
        path = self.place / "csrc" / mutant.file
        text = path.read_text()
        path.write_text(text.replace(mutant.find, mutant.replace))
        try:
            return self.test(mutant.tests)
        finally:
            path.write_text(text)


def misplaced(mutants: list[Mutant]) -> list[str]:
    """Mutants whose text is not there exactly once, and invariants that two of them claim to break."""
    problems = []
    for m in mutants:
        n = (ROOT / "csrc" / m.file).read_text().count(m.find)
        if n != 1:
            problems.append(f"{m.name}: its text is {n} times in csrc/{m.file}, not once")
        if m.find == m.replace:
            problems.append(f"{m.name}: changes nothing")
    for what in ("name", "invariant"):
        values = [getattr(m, what) for m in MUTANTS]
        problems += [
            f"two mutants with the {what} {v!r}" for v in {v for v in values if values.count(v) > 1}
        ]
    return problems


def run_all(mutants: list[Mutant], jobs: int) -> dict[str, Outcome]:
    waiting: queue.SimpleQueue[Mutant] = queue.SimpleQueue()
    for m in mutants:
        waiting.put(m)
    outcomes: dict[str, Outcome] = {}
    trees = [Tree(WORK / str(j)) for j in range(jobs)]

    def work(tree: Tree) -> None:
        while True:
            try:
                m = waiting.get_nowait()
            except queue.Empty:
                return
            began = time.monotonic()
            outcome = outcomes[m.name] = tree.mutate(m)
            verdict = "killed " if outcome.how in KILLED else "NOT KILLED"
            took = f"{time.monotonic() - began:.0f} s"
            print(
                f"{verdict} {m.name} [{m.part}] by {outcome.how} in {outcome.by or 'none'} ({took})",
                flush=True,
            )
            print(
                f"        breaks: {m.invariant}\n        said:   {outcome.words[:200]}", flush=True
            )

    threads = [threading.Thread(target=work, args=(tree,)) for tree in trees]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return outcomes


def main() -> int:
    parser = argparse.ArgumentParser(description="Mistakes in the core that the tests must notice.")
    sampling.add_options(parser, "mutant")
    parser.add_argument("--jobs", type=int, default=min(4, len(os.sched_getaffinity(0))))
    options = parser.parse_args()
    mutants = sampling.choose(parser, options, MUTANTS, "mutant")
    if options.list:
        for m in mutants:
            print(f"{m.name} [{m.part}] csrc/{m.file}: {m.invariant}")
        return 0
    problems = misplaced(mutants)
    if problems:
        print(*problems, sep="\n")
        return 1
    began = time.monotonic()
    programs = tuple(dict.fromkeys(p for m in mutants for p in m.tests))
    clean = Tree(WORK / "0").test(programs)
    if clean.how != "survived":
        print(f"without a mutant {clean.by} fails: {clean.words}")
        return 1
    outcomes = run_all(mutants, max(1, options.jobs))
    bad = sorted(name for name, o in outcomes.items() if o.how not in KILLED)
    counts = {
        how: sum(o.how == how for o in outcomes.values())
        for how in {o.how for o in outcomes.values()}
    }
    parts = {p: sum(m.part == p for m in mutants) for p in dict.fromkeys(m.part for m in mutants)}
    print(
        f"mutants: {len(mutants) - len(bad)}/{len(mutants)} killed in {time.monotonic() - began:.0f} s; {counts}; {parts}"
    )
    if bad:
        print("not killed:", ", ".join(bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
