"""Planted bugs: each compiled into the core, which the explorer must find.

python tests/planted/run.py [--sample N] [--seed S] [--only NAME] [--jobs J] [--list] [--compare]

csrc/base/bugs.def lists the bugs. For each csrc/tests/test_planted.c is compiled with it and run: the explorer has to
find a violation on the stage of that bug, and its schedule has to lead a fresh heap there again. Without a bug the
same stages have to be closed and sound. Exit status 1 if anything is otherwise. --compare compiles the core as it is
shipped with and without the list's conditions in the text, and compares the object code.
"""

import argparse
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))
import programs
import sampling

ROOT = Path(__file__).resolve().parents[2]
CSRC = ROOT / "csrc"
WORK = ROOT / "build" / "planted"
TIMEOUT_S = 600


@dataclass(frozen=True)
class Bug:
    identifier: str
    name: str
    what: str


def read_list() -> list[Bug]:
    text = (CSRC / "base" / "bugs.def").read_text()
    return [Bug(*found) for found in re.findall(r'^BUG\((\w+), "([^"]+)", "([^"]+)"\)', text, re.M)]


def compile_command(*more: str) -> list[str]:
    common = [*programs.compiler(), *programs.flags()["FLAGS_COMMON"], "-w"]
    return [*common, f"-I{CSRC}", f"-I{CSRC}/include", *more]


SHIPPED = Bug("NONE", "no bug", "")  # every stage is closed and sound


def hunt(bug: Bug) -> tuple[Bug, int, str, float]:
    """The exit status and words of the test program with this bug."""
    began = time.monotonic()
    program = WORK / bug.name
    unit = ['-DCORE_UNIT="core_step.c"', "-DGCSIM_STEPS=1", f"-DGCSIM_PLANTED={bug.identifier}"]
    built = subprocess.run(
        compile_command(
            "-O0", *unit, str(CSRC / "tests" / "test_planted.c"), "-o", str(program), "-lm"
        ),
        capture_output=True,
        text=True,
    )
    if built.returncode:
        return bug, built.returncode, built.stderr, time.monotonic() - began
    try:
        ran = subprocess.run([program], capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return bug, 1, f"no end within {TIMEOUT_S} s", time.monotonic() - began
    return bug, ran.returncode, ran.stdout + ran.stderr, time.monotonic() - began


def object_code(unit: str, *more: str) -> str:
    """The disassembly of a unit; line numbers, which invariants tell, are the same everywhere."""
    target = WORK / f"{unit}.o"
    same_lines = ["-Wno-builtin-macro-redefined", "-D__LINE__=0", "-g0", "-O3"]
    command = compile_command(*same_lines, *more, "-c", str(CSRC / f"{unit}.c"), "-o", str(target))
    subprocess.run(command, check=True)
    shown = subprocess.run(
        ["objdump", "-d", "-r", "--no-show-raw-insn", target],
        check=True,
        capture_output=True,
        text=True,
    )
    return shown.stdout


def compare() -> int:
    """Is what is shipped the code that it would be if no bug were in the text? PLANTED is 0 there, literally."""
    bad = 0
    for unit in ("core_fast", "core_step"):
        shipped = object_code(unit)
        bare = object_code(unit, "-include", str(ROOT / "tests" / "planted" / "bare.h"))
        planted = object_code(unit, "-DGCSIM_PLANTED=CLEAR")
        same = shipped == bare and shipped != planted
        bad += not same
        lines = len(shipped.splitlines())
        print(
            f"{'ok  ' if same else 'FAIL'}  {unit}: {lines} lines of code, the same without PLANTED"
        )
    return 1 if bad else 0


def row(bug: Bug, said: str) -> str:
    found = re.search(r"(\d+) steps, (\d+) states, .*?([\d.]+) ms", said)
    steps, states, ms = found.groups() if found else ("?", "?", "?")
    return f"{bug.name:15} {steps:>5} {states:>6} {ms:>7}  {bug.what}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Planted bugs, which the explorer must find.")
    sampling.add_options(parser, "planted bug")
    parser.add_argument("--jobs", type=int, default=2, help="compilers at the same time")
    parser.add_argument("--compare", action="store_true", help="compare the shipped code")
    options = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    if options.compare:
        return compare()
    bugs = sampling.choose(parser, options, read_list(), "planted bug")
    if options.list:
        for b in bugs:
            print(f"{b.name}: {b.what}")
        return 0
    missed, rows = [], []
    with ThreadPoolExecutor(max(1, options.jobs)) as pool:
        for bug, status, said, took in pool.map(hunt, [SHIPPED, *bugs]):
            word = "MISSED" if status else "sound " if bug is SHIPPED else "found "
            print(f"{word}  {bug.name} ({took:.0f} s)\n{said}", flush=True)
            if status:
                missed.append(bug.name)
            elif bug is not SHIPPED:
                rows.append(row(bug, said))
    print(f"{'bug':15} {'steps':>5} {'states':>6} {'ms':>7}  what is wrong; what it is modelled on")
    print(*rows, sep="\n")
    print(f"planted bugs: {len(rows)}/{len(bugs)} found and replayed")
    if missed:
        print("not as expected:", ", ".join(missed))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
