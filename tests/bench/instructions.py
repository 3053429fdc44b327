"""Exact instruction counts of the hot paths, under valgrind --tool=callgrind.

Only what a function `measured` does is counted, of instructions.c and, for operations from Python,
of measured.c. It does each work once with a loop and once with one twice as long; the difference,
divided by the objects, leaves out everything but the loop's body. From that another count may be
subtracted: an empty loop, or the same work without the part that is asked for.

instructions.json keeps the counts: those of C by compiler, those of Python also by interpreter, on
both of which they depend. tests/test_instructions.py compares them. Who has changed a count and
means to: `python tests/bench/instructions.py --update` keeps those of the machine at hand.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import programs

import gcsim

KEPT = programs.HERE / "instructions.json"
UPDATE = "python tests/bench/instructions.py --update"
LIMIT = 30  # of an allocation of 16 bytes with pointers, all slow paths included
TOLERANCE = 0.02


@dataclass(frozen=True)
class Work:
    """A line of the report: what `mode` counts less what `less` does, both for n objects."""

    what: str
    mode: str
    less: str | None
    n: int
    per: float = 1  # of what the line is about, in one object


# Slow paths need many objects to be there in proportion; a hit must stay inside one window.
MANY, FEW, SPANS, COLLECTIONS = 50_000, 16, 200, 50
BARRIERS = ("hybrid", "conditional", "dijkstra", "yuasa", "steele", "none")
ENGINES = ("field", "object", "span")
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
    "zero_64": Work("  zero 64 B in a window", "new_64_noscan_reused", "new_64_noscan", MANY),
    "bitmap_window": Work(
        "  write the bitmap for a window, an object", "new_16_fresh", "new_16_noscan", MANY
    ),
    "bitmap_slot": Work(
        "  write the bitmap for one object", "new_16_two_types", "new_16_reused", MANY, per=0.5
    ),
    "new_large": Work("new 40 KiB without pointers, fresh memory", "new_large", "loop", SPANS),
    "page_searched": Work("find one page in the tree", "page_searched", None, MANY),
    "page_cached": Work(
        "take one page from the cache, refills included", "page_cached", None, MANY
    ),
    "store": Work("store, barrier off", "store", "no_store", FEW),
    "store_marking": Work("store, barrier on", "store_marking", "no_store", FEW),
    "barrier_inline": Work(
        "store, hybrid inline, buffer flushed", "barrier_inline", "no_barrier", MANY
    ),
    **{
        f"barrier_{name}": Work(
            f"store, {name}, called, buffer flushed", f"barrier_{name}", "no_barrier", MANY
        )
        for name in BARRIERS
    },
    "flush": Work("flush, an entry that is marked", "barrier_inline", "barrier_roomy", MANY, per=2),
    "flush_white": Work("  an entry that gets its mark", "barrier_white", "barrier_inline", MANY),
    **{
        f"{name}_{engine}": Work(f"{what}, {engine}", f"{mode}_{engine}", less, MANY)
        for engine in ENGINES
        for name, what, mode, less in (
            ("visit", "visit a pointer to a marked object", "mark_same", None),
            ("claim", "  claim a mark", "mark_leaves", f"mark_same_{engine}"),
            ("scan_16", "  scan 16 B, two nil pointers", "mark_objects", f"mark_leaves_{engine}"),
            ("mark_16", "collect 16 B, two random pointers", "mark_linked", None),
        )
    },
    "sweep_empty": Work("sweep a span, all dead", "sweep_empty", None, SPANS),
    "sweep_half": Work("sweep a span, half dead", "sweep_half", None, SPANS),
    "collect_empty": Work("collect an empty heap, world stopped", "collect", None, COLLECTIONS),
}

# The loop's statements (python_ops.UNROLL of them) are the objects.
LOOPS, UNROLL, NODES = 400, 50, 20_000
PYTHON_WORKS = {
    **{
        f"python_{mode}": Work(f"Python: {what}", mode, "pass", LOOPS, per=UNROLL)
        for mode, what in (
            ("new", "heap.new(T), its Ref dropped"),
            ("new_with_value", "heap.new(T, n=7), its Ref dropped"),
            ("int_get", "node.n"),
            ("int_set", "node.n = 7"),
            ("ref_get", "node.next, its Ref dropped"),
            ("ref_set", "node.next = other"),
        )
    },
    "python_tree": Work("Python: tree one by one, a node", "tree", None, NODES),
    "python_build": Work("Python: heap.build, a node with a link", "build", None, NODES),
}
LIMITED = ("new_16_fresh", "new_16_reused")


class NoValgrind(Exception):
    """Valgrind is not installed."""


class OtherBuild(Exception):
    """The package is not the release build of the compiler at hand, whose counts are kept."""


def count(command: list[str], runs: list[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """Instructions of `measured` in each (mode, n), all run in one process of `command`."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise NoValgrind("valgrind not found (Debian: apt-get install valgrind)")
    words = [word for mode, n in runs for word in (mode, str(n))]
    # A `rep stosb`, with which the C library clears 2 KiB and more, would be counted byte by byte.
    tunables = "glibc.cpu.x86_rep_stosb_threshold=1073741824"
    env = programs.clean_environment(GLIBC_TUNABLES=tunables, PYTHONHASHSEED="0")
    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/counts"
        tool = ["--tool=callgrind", "--toggle-collect=measured", "--dump-after=measured"]
        whole = [valgrind, *tool, f"--callgrind-out-file={out}", *command, *words]
        done = subprocess.run(whole, env=env, capture_output=True, text=True)
        if done.returncode != 0:
            said = [line for line in done.stderr.splitlines() if not line.startswith("==")]
            raise RuntimeError("\n".join([*said, f"failed: {' '.join(whole)}"]))
        return {run: total(Path(f"{out}.{i}")) for i, run in enumerate(runs, 1)}


def total(dump: Path) -> int:
    """Of one dump of callgrind, which begins anew after each."""
    found = re.search(r"^totals: (\d+)$", dump.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise RuntimeError(f"{dump.name} tells no total")
    return int(found[1])


def bodies(command: list[str], works: Iterable[Work]) -> dict[tuple[str, int], float]:
    """Instructions of the body of each mode's loop, by (mode, n)."""
    wanted = {(mode, w.n): None for w in works for mode in (w.mode, w.less) if mode}
    counts = count(command, [(mode, k * n) for mode, n in wanted for k in (1, 2)])
    return {(mode, n): (counts[mode, 2 * n] - counts[mode, n]) / n for mode, n in wanted}


def measure_with(command: list[str], works: dict[str, Work]) -> dict[str, float]:
    body = bodies(command, works.values())
    return {
        name: round((body[w.mode, w.n] - (body[w.less, w.n] if w.less else 0)) / w.per, 2)
        for name, w in works.items()
    }


def chosen(works: dict[str, Work], names: Sequence[str]) -> dict[str, Work]:
    return {name: work for name, work in works.items() if not names or name in names}


def measure(names: Sequence[str] = ()) -> dict[str, float]:
    """Instructions per object of the works of C named, all of them by default.

    Raises NoValgrind, programs.BuildError or RuntimeError (the program failed).
    """
    works = chosen(WORKS, names)
    return measure_with([str(programs.c_program("instructions"))], works) if works else {}


def measure_python(names: Sequence[str] = ()) -> dict[str, float]:
    """The same for the works of Python, with the package that this interpreter imports.

    Raises OtherBuild too."""
    works = chosen(PYTHON_WORKS, names)
    if not works:
        return {}
    built, here = gcsim.build_info(), compiler_version()
    if (built["mode"], built["compiler"]) != ("release", here):
        raise OtherBuild(
            f"this gcsim is a {built['mode']} build by {built['compiler']}; instructions are those"
            f" of release builds by {here}: make release"
        )
    script = str(programs.HERE / "instructions_python.py")
    command = [sys.executable, script, str(programs.c_library("measured"))]
    return measure_with(command, works)


def compiler_version() -> str:
    command = [*programs.compiler(), "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0]


def python_name() -> str:
    """What the counts of Python depend on, such as `gcc 12, CPython 3.11.2 (GCC 12.2.0)`."""
    by = platform.python_compiler()
    python = f"{platform.python_implementation()} {platform.python_version()} ({by})"
    return f"{programs.compiler_name()}, {python}"


def kept(key: str | None = None) -> dict[str, float] | None:
    """The counts in instructions.json for a compiler (the one at hand) or a python_name, if any."""
    by_key: dict[str, dict[str, float]] = json.loads(KEPT.read_text(encoding="utf-8"))
    return by_key.get(key or programs.compiler_name())


def keep(key: str, measured: dict[str, float]) -> None:
    by_key = json.loads(KEPT.read_text(encoding="utf-8"))
    by_key[key] = measured
    text = json.dumps(dict(sorted(by_key.items())), indent=2)
    KEPT.write_text(text + "\n", encoding="utf-8")


def changes(key: str, measured: dict[str, float]) -> list[str]:
    """A line for each count that is not within TOLERANCE of the one kept, or not kept."""
    before = kept(key) or {}
    lines = []
    for name, now in measured.items():
        was = before.get(name)
        if was is None:
            lines.append(f"{name}: {now:.2f}, and none is kept")
        elif abs(now - was) > TOLERANCE * abs(was):
            lines.append(f"{name}: {now:.2f}, kept is {was:.2f} ({now / was - 1:+.1%})")
    lines += [f"{name}: kept, and not measured" for name in before if name not in measured]
    return lines


def print_table(key: str, works: dict[str, Work], measured: dict[str, float]) -> None:
    before = kept(key) or {}
    print(f"instructions per object, {key}")
    for name, value in measured.items():
        was = f"kept: {before[name]:.2f}" if name in before else ""
        limit = f"at most {LIMIT}" if name in LIMITED else ""
        print(f"{name:20} {works[name].what:46} {value:9.2f}  {limit:10}  {was}".rstrip())


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    every = [*WORKS, *PYTHON_WORKS]
    parser.add_argument(
        "works", nargs="*", metavar="WORK", help=f"only these of: {', '.join(every)}"
    )
    parser.add_argument(
        "--update", action="store_true", help=f"keep all counts in {KEPT.name}, to compare with"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    args = parser.parse_args()
    if unknown := sorted(set(args.works) - set(every)):
        parser.error(f"no such work: {', '.join(unknown)}")
    if args.update and args.works:
        parser.error("--update keeps all counts: name no works")
    try:
        by_c, by_python = measure(args.works), measure_python(args.works)
    except (NoValgrind, OtherBuild, programs.BuildError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    if args.update:
        keep(programs.compiler_name(), by_c)
        keep(python_name(), by_python)
    if args.json:
        print(json.dumps(by_c | by_python, indent=2))
        return 0
    if by_c:
        print_table(programs.compiler_name(), WORKS, by_c)
    if by_python:
        print_table(python_name(), PYTHON_WORKS, by_python)
    return 0


if __name__ == "__main__":
    sys.exit(main())
