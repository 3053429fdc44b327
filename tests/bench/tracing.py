"""What events cost: `python tests/bench/tracing.py`.

On: the processor's time for one record, as threads write them (the middle of several runs). Off: binary trees with
the core as shipped and with one that has no events at all: instructions under callgrind, one thread
and no help from the collector's own, and times in turn. Bars: 20 ns an event, 1 % of instructions.
"""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import programs

BAR_NS, BAR_OFF = 20.0, 0.01
RUNS = 7


def build(folder: Path, name: str, *defines: str) -> Path:
    table = programs.flags()
    program = folder / name
    command = [*programs.compiler(), *table["FLAGS_release"], *table["FLAGS_COMMON"], "-g0"]
    command += [*defines, "-Icsrc", "-Icsrc/include", str(programs.HERE / "tracing.c")]
    link = [*table["LINK_release"], *table["LINK_COMMON"], "-pthread"]
    subprocess.run([*command, "-o", str(program), *link], check=True, cwd=programs.ROOT)
    return program


def said(*command: object) -> str:
    return subprocess.run(
        [str(word) for word in command], check=True, capture_output=True, text=True
    ).stdout


def event_ns(program: Path, threads: int) -> float:
    return statistics.median(float(said(program, "events", threads)) for _ in range(RUNS))


def instructions(program: Path, folder: Path, depth: int) -> int:
    """Of the whole run. The collector's own threads wait under valgrind: one runs at a time."""
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder / 'out'}"]
    done = subprocess.run(
        [*command, str(program), "trees", str(depth)], check=True, capture_output=True, text=True
    )
    found = re.search(r"Collected : (\d+)", done.stderr)
    assert found, done.stderr
    return int(found[1])


def seconds(program: Path, depth: int) -> float:
    began = time.perf_counter()
    said(program, "trees", depth)
    return time.perf_counter() - began


def main() -> int:
    missed = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with_events = build(folder, "with")
        without = build(folder, "without", "-DGCSIM_NO_EVENTS")
        for threads in (1, 2):
            ns = event_ns(with_events, threads)
            missed |= ns > BAR_NS
            print(f"on: {ns:.1f} ns an event, {threads} threads (at most {BAR_NS:.0f})")
        if shutil.which("valgrind"):
            counts = [instructions(p, folder, 14) for p in (with_events, without)]
            more = counts[0] / counts[1] - 1
            missed |= more > BAR_OFF
            print(f"off: {more:+.2%} instructions in binary trees (at most {BAR_OFF:.0%})")
        else:
            print("off: no valgrind here to count instructions (Debian: apt-get install valgrind)")
        ratios = []
        for _ in range(RUNS):
            on, off = seconds(with_events, 18), seconds(without, 18)
            ratios.append(on / off)
        print(f"off: times {statistics.median(ratios) - 1:+.2%}, the middle of {RUNS} pairs")
    return missed


if __name__ == "__main__":
    sys.exit(main())
