"""Runs a student's file against an exercise's own tests, in a process of its own."""

from __future__ import annotations

import ast
import json
import os
import re
import secrets
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gcsim._learn import TESTS, Exercise

Outcome = Literal["passed", "failed", "not started", "timeout", "memory", "crashed", "tampered"]
MEMORY = 1 << 30
_WORST: tuple[Outcome, ...] = ("tampered", "crashed", "timeout", "memory", "failed", "not started")


@dataclass(frozen=True)
class Case:
    """How one test went."""

    name: str  #: with its seed, if it has one: "test_mark[7]"
    outcome: Outcome
    message: str = ""
    why: str = ""  #: why it matters in Go

    def __str__(self) -> str:
        sign = {"passed": "ok", "not started": "--"}.get(self.outcome, "NO")
        head = f"  {sign} {self.name}" + (
            "" if self.outcome in ("passed", "failed") else f": {self.outcome}"
        )
        lines = [f"      {line}" for line in self.message.splitlines()]
        if self.outcome == "failed" and self.why:
            lines.append(f"      In Go: {self.why}")
        return "\n".join([head, *lines])


@dataclass(frozen=True)
class Score:
    """A figure of an exercise that has no one right answer; less is better."""

    what: str  #: "time", "memory"
    value: float
    reference: float  #: the same of what the exercise names as its reference
    unit: str
    parts: dict[str, float]  #: where it went: of `value`, in the same unit

    @property
    def ratio(self) -> float:
        """Of the value to the reference's: 0.5 is half as much."""
        return self.value / self.reference if self.reference else float("inf")

    def __str__(self) -> str:
        head = (
            f"  score: {self.what} {self.value:,.6g} {self.unit},"
            f" {self.ratio:.2f} of the reference's {self.reference:,.6g}"
        )
        width = max(map(len, self.parts), default=0)
        lines = [f"      {name:<{width}}  {part:>12,.6g}" for name, part in self.parts.items()]
        return "\n".join([head, *lines])


@dataclass(frozen=True)
class Verdict:
    """How an exercise went: its worst case decides."""

    exercise: str
    outcome: Outcome
    cases: tuple[Case, ...]
    message: str = ""
    seed: int = 1
    seconds: float = 0.0
    scores: tuple[Score, ...] = ()  #: of what passes; else empty

    @property
    def passed(self) -> bool:
        """Whether every test ran and passed."""
        return self.outcome == "passed"

    def __str__(self) -> str:
        lines = [f"{self.exercise}: {self.outcome}" + (f": {self.message}" if self.message else "")]
        shown = self.cases
        if self.outcome == "not started":  # nothing to be learnt from the list
            shown = tuple(c for c in self.cases if c.outcome not in ("not started",))
        return "\n".join([*lines, *map(str, shown), *map(str, self.scores)])


def same_code(a: str, b: str, suffix: str) -> bool:
    """Whether two files differ in nothing but comments and blanks."""
    if suffix == ".c":
        comments = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
        return comments.sub(" ", a).split() == comments.sub(" ", b).split()
    try:
        return ast.dump(ast.parse(a)) == ast.dump(ast.parse(b))
    except (SyntaxError, ValueError, RecursionError):
        return a == b


def judge(
    exercise: Exercise,
    file: str | os.PathLike[str],
    *,
    seed: int = 1,
    only: Sequence[str] = (),
    seconds: float | None = None,
    memory: int = MEMORY,
    first: bool = False,
) -> Verdict:
    """Runs the tests of an exercise on a file.

    seed: of the random cases. only: names of test functions (default: all). seconds: the time
    limit (default: the exercise's); a process that takes longer is ended. memory: bytes. first: no
    more tests once one has failed.
    Raises OSError if the file cannot be read.
    """
    path = Path(file).resolve()
    source = path.read_text(encoding="utf-8", errors="surrogateescape")
    untouched = same_code(
        source, (exercise.path / exercise.file).read_text(encoding="utf-8"), path.suffix
    )
    began = time.monotonic()
    limit = exercise.seconds if seconds is None else seconds
    run = _Run(exercise, path, seed, tuple(only), limit, memory, first)
    cases, message, worst = run.result()
    if untouched and worst not in (None, "tampered"):
        worst, message = "not started", f"{exercise.file} is as it was handed out"
    elif left := [c.message for c in cases if c.outcome == "not started"]:
        worst, message = ("failed" if worst == "not started" else worst), f"unfinished: {left[0]}"
    scores = () if worst else tuple(run.scores)
    taken = time.monotonic() - began
    return Verdict(exercise.name, worst or "passed", cases, message, seed, taken, scores)


class _Run:
    """One process and what it tells."""

    def __init__(
        self,
        exercise: Exercise,
        path: Path,
        seed: int,
        only: tuple[str, ...],
        seconds: float,
        memory: int,
        first: bool,
    ) -> None:
        self.exercise, self.limit, self.secret = exercise, seconds, secrets.token_hex(16)
        self.why = exercise.cases
        self.expected = set(only or self.why)
        self.first = first
        self.running = ""
        self.cases: dict[str, Case] = {}
        self.scores: list[Score] = []
        self.done: dict[str, Any] | None = None
        self.timed_out = False
        told = {
            "tests": str(exercise.path / TESTS),
            "student": str(path),
            "only": list(only),
            "seed": seed,
            "first": first,
        }
        told["uses_gcsim"] = exercise.uses_gcsim
        self.told = {**told, "secret": self.secret, "memory": memory, "seconds": seconds}
        self.output = b""
        self.status = self._run()

    def _run(self) -> int:
        read, write = os.pipe()
        with (
            tempfile.TemporaryDirectory(prefix="gcsim-exercise-") as place,
            os.fdopen(read, "rb") as verdicts,
        ):
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "gcsim._learn.child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=place,
                env=_environment(),
                pass_fds=(write,),
                start_new_session=True,
            )
            os.close(write)
            assert process.stdin and process.stdout
            with suppress(BrokenPipeError):
                process.stdin.write(json.dumps({**self.told, "fd": write}).encode())
                process.stdin.close()
            try:
                self._listen(process, verdicts.fileno(), process.stdout.fileno())
            finally:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)  # what it started too
                status = process.wait()
                process.stdout.close()
            return status

    def _listen(self, process: subprocess.Popen[bytes], verdicts: int, output: int) -> None:
        deadline, pending, open_ = time.monotonic() + self.limit, b"", {verdicts, output}
        while open_ and not self.done:
            ready, _, _ = select.select(list(open_), [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                self.timed_out = True
                return
            for fd in ready:
                piece = os.read(fd, 1 << 16)
                if not piece:
                    open_.discard(fd)
                elif fd == output:
                    self.output = (self.output + piece)[-4000:]
                else:
                    *lines, pending = (pending + piece).split(b"\n")
                    for line in lines:
                        self._take(line)
        if self.done:
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=max(0.1, deadline - time.monotonic()))
        elif verdicts not in open_:
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=5)

    def _take(self, line: bytes) -> None:
        try:
            told = json.loads(line)
            if told.pop("secret") != self.secret:
                return
        except (ValueError, KeyError, AttributeError, TypeError):
            return
        if "begins" in told:
            self.running = told["begins"]
        elif "score" in told:
            self.scores.append(Score(*told["score"]))
        elif "case" in told:
            name = told["case"]
            if name not in self.cases or self.cases[name].outcome == "passed":
                why = self.why.get(name.split("[")[0], "")
                self.cases[name] = Case(name, told["outcome"], told["message"], why)
        else:
            self.done = told

    def result(self) -> tuple[tuple[Case, ...], str, Outcome | None]:
        """The cases, a message if it was not a case that decided, and the worst outcome."""
        cases = tuple(self.cases.values())
        at = f" in {self.running}" if self.running else ""
        if self.timed_out:
            return (
                cases,
                f"no end after {self.limit:g} s{at}: is there a loop that never ends?",
                "timeout",
            )
        if not self.done:
            return cases, *self._died(at)
        if self.done["broken"]:
            return cases, f"{self.done['broken']} was replaced: tests judge with it", "tampered"
        missing = self.expected - {name.split("[")[0] for name in self.cases}
        worst = next((o for o in _WORST if any(c.outcome == o for c in cases)), None)
        if missing and not (self.first and worst):
            return cases, f"did not run: {', '.join(sorted(missing))}{self._printed()}", "tampered"
        if worst is None and self.done["done"] != 0:
            return (
                cases,
                f"pytest ended with status {self.done['done']}{self._printed()}",
                "tampered",
            )
        return cases, "", worst

    def _died(self, at: str) -> tuple[str, Outcome]:
        if self.status < 0 and -self.status == signal.SIGXCPU:
            return f"no end after {self.limit:g} s{at}: is there a loop that never ends?", "timeout"
        if self.status < 0 and self.status != -signal.SIGKILL:
            return f"{signal.Signals(-self.status).name}{at}{self._printed()}", "crashed"
        if self.status > 0:
            return f"ended with exit status {self.status}{at}{self._printed()}", "crashed"
        return f"the process was left{at} before its tests had ended", "tampered"

    def _printed(self) -> str:
        text = self.output.decode(errors="replace").strip()
        return f"\n{text[-1000:]}" if text else ""


def _environment() -> dict[str, str]:
    """Ours, with the package that runs here in front, and nothing that changes how pytest runs."""
    root = str(Path(__file__).parents[2])
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "COV_"))}
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    kept |= {"PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)), "PYTHONHASHSEED": "0"}
    return kept | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"}
