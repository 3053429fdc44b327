"""Exact instruction counts of the hot paths, under valgrind --tool=callgrind.

Only what the function `measured` of instructions.c does is counted, for a loop and for one twice
as long; the difference, divided by the objects, leaves out everything but the loop's body, and an
empty loop is subtracted from that. Counts depend on the compiler, so instructions.json keeps them
by compiler; `python tests/bench/instructions.py --update` writes those of the one at hand.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import programs

KEPT = programs.HERE / "instructions.json"
LIMIT = 30  # of an allocation of 16 bytes with pointers, all slow paths included


@dataclass(frozen=True)
class Work:
    """One line of the report: `mode` of instructions.c, less what `empty` counts."""

    what: str
    mode: str
    empty: str
    count: int


# Slow paths need many objects to be there in proportion; a hit must stay inside one window.
MANY, FEW = 50_000, 16
WORKS = {
    "new_16_fresh": Work("new 16 B, fresh memory", "new_16_fresh", "loop", MANY),
    "new_16_reused": Work("new 16 B, spans emptied by a collection", "new_16_reused", "loop", MANY),
    "new_16_eighth_lives": Work(
        "new 16 B, between survivors (1 of 8)", "new_16_eighth_lives", "loop", MANY
    ),
    "new_16_half_lives": Work(
        "new 16 B, between survivors (1 of 2)", "new_16_half_lives", "loop", MANY
    ),
    "new_16_two_types": Work("new 16 B, two types in turn", "new_16_two_types", "loop", MANY),
    "new_64_fresh": Work("new 64 B, fresh memory", "new_64_fresh", "loop", MANY),
    "new_64_reused": Work("new 64 B, spans emptied by a collection", "new_64_reused", "loop", MANY),
    "hit_16": Work("new 16 B, fast path alone", "hit_16", "no_hit", FEW),
    "hit_64": Work("new 64 B, fast path alone", "hit_64", "no_hit", FEW),
    "store": Work("store, barrier off", "store", "no_store", FEW),
    "store_marking": Work("store, barrier on", "store_marking", "no_store", FEW),
    "barrier_inline": Work(
        "store, hybrid inline, buffer flushed", "barrier_inline", "no_barrier", MANY
    ),
    **{
        f"barrier_{name}": Work(
            f"store, {name}, called, buffer flushed", f"barrier_{name}", "no_barrier", MANY
        )
        for name in ("hybrid", "conditional", "dijkstra", "yuasa", "steele", "none")
    },
    "mark_16": Work("collect 16 B with 2 pointers, world stopped", "mark_16", "nothing", MANY),
}
LIMITED = ("new_16_fresh", "new_16_reused")


class NoValgrind(Exception):
    """Valgrind is not installed."""


def count(program: Path, mode: str, n: int) -> int:
    """Instructions of `measured` in one mode, for n objects."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise NoValgrind("valgrind not found")
    command = [valgrind, "--tool=callgrind", "--toggle-collect=measured"]
    command += [f"--callgrind-out-file={os.devnull}", str(program), mode, str(n)]
    # A `rep stosb`, with which the C library clears 2 KiB and more, would be counted byte by byte.
    tunables = "glibc.cpu.x86_rep_stosb_threshold=1073741824"
    env = programs.clean_environment(GLIBC_TUNABLES=tunables)
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    collected = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or collected is None:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr.strip()}")
    return int(collected[1])


def measure(names: list[str] | None = None) -> dict[str, float]:
    """Instructions per object (or store) of the works named, all of them by default.

    Raises NoValgrind, programs.BuildError or RuntimeError (the program failed).
    """
    program = programs.c_program("instructions")
    works = {name: WORKS[name] for name in (names or WORKS)}
    wanted = {
        (mode, k * w.count) for w in works.values() for mode in (w.mode, w.empty) for k in (1, 2)
    }
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        counts = dict(zip(wanted, pool.map(lambda key: count(program, *key), wanted), strict=True))

    def body(mode: str, n: int) -> float:
        return (counts[mode, 2 * n] - counts[mode, n]) / n

    return {
        name: round(body(w.mode, w.count) - body(w.empty, w.count), 2) for name, w in works.items()
    }


def kept() -> dict[str, float] | None:
    """The counts in instructions.json for the compiler at hand; None if it has none."""
    if not KEPT.exists():
        return None
    by_compiler: dict[str, dict[str, float]] = json.loads(KEPT.read_text(encoding="utf-8"))
    return by_compiler.get(programs.compiler_name())


def keep(measured: dict[str, float]) -> None:
    by_compiler = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    by_compiler[programs.compiler_name()] = measured
    text = json.dumps(dict(sorted(by_compiler.items())), indent=2)
    KEPT.write_text(text + "\n", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "works", nargs="*", metavar="WORK", help=f"only these of: {', '.join(WORKS)}"
    )
    parser.add_argument(
        "--update",
        action="store_true",
        help=f"write all counts to {KEPT.name}, to be compared with",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    args = parser.parse_args()
    if unknown := sorted(set(args.works) - set(WORKS)):
        parser.error(f"no such work: {', '.join(unknown)}")
    if args.update and args.works:
        parser.error("--update keeps all counts: name no works")
    try:
        measured = measure(args.works)
    except (NoValgrind, programs.BuildError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    if args.update:
        keep(measured)
    if args.json:
        print(json.dumps(measured, indent=2))
        return 0
    before = kept() or {}
    print(f"instructions per object, {programs.compiler_name()}")
    for name, value in measured.items():
        was = f"kept: {before[name]:.2f}" if name in before else ""
        limit = f"at most {LIMIT}" if name in LIMITED else ""
        print(f"{name:20} {WORKS[name].what:42} {value:7.2f}  {limit:10}  {was}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
