"""``python -m gcsim run``: one workload on one heap, and what it cost."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gcsim
from gcsim._errors import CompileError, Error, WorkloadError
from gcsim._results import bytes_text
from gcsim._workload import Workload, WorkloadResult, workload, workloads

STATUS = (
    "Exit status 1 if the workload fails (its data are damaged, memory runs out), 2 for wrong"
    " arguments and a source that does not compile."
)


def find(name: str) -> Workload:
    """A built-in workload, or the one of a C file. Raises OptionError, CompileError, OSError."""
    if name in workloads:
        return workloads[name]
    if name.endswith(".c"):
        return workload(Path(name))
    raise gcsim.OptionError(
        f"there is no workload {name!r}: `python -m gcsim run --list` shows the built-in ones; the"
        " file of another ends in .c"
    )


def _percent(text: str) -> int | None:
    return None if text == "off" else int(text)


def add_arguments(parser: argparse.ArgumentParser, chosen: Workload | None) -> None:
    """The options of `run`; those of the chosen workload's parameters too."""
    parser.set_defaults(chosen=chosen)
    add = parser.add_argument
    add("workload", nargs="?", help="the name of a built-in workload, or FILE.c")
    add("--list", action="store_true", help="show the built-in workloads and their parameters")
    add("--mutators", type=int, default=1, metavar="K", help="threads of the workload (default: 1)")
    add("--procs", type=int, metavar="N", help="GOMAXPROCS (default: the machine's)")
    add("--gogc", type=_percent, default=100, metavar="PERCENT", help="GOGC, or off (default: 100)")
    add("--memory-limit", metavar="SIZE", help="GOMEMLIMIT, such as 256MiB (default: none)")
    add("--seed", type=int, default=1, metavar="N", help="of the workload (default: 1)")
    add(
        "--stop-the-world",
        type=int,
        choices=(0, 1, 2),
        default=0,
        help="1: mark with the world stopped, 2: sweep too (GODEBUG=gcstoptheworld)",
    )
    add("--virtual", action="store_true", help="virtual time on --procs (to 256) processors")
    add(
        "--mark",
        choices=("mixed", "span", "object", "field"),
        default="mixed",
        help="the mark engine",
    )
    add("--json", action="store_true", help="print one JSON object instead of text")
    if chosen and chosen.parameters:
        group = parser.add_argument_group(f"parameters of {chosen.name}")
        for p in chosen.parameters.values():
            group.add_argument(
                f"--{p.name.replace('_', '-')}",
                dest=f"parameter_{p.name}",
                type=str if p.unit == "bytes" else int,
                metavar=p.unit.upper() or "N",
                help=f"{p.about.replace('%', '%%')} (default: {p.default})",
            )


def parameters(args: argparse.Namespace, chosen: Workload) -> dict[str, int | str]:
    given = {name: getattr(args, f"parameter_{name}") for name in chosen.parameters}
    return {
        name: int(value) if isinstance(value, str) and value.isdecimal() else value
        for name, value in given.items()
        if value is not None
    }


def resident_bytes() -> int:
    """RSS of this process, exact (/proc/self/smaps_rollup, proc(5))."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/self/smaps_rollup has no line Rss")


def figures(result: WorkloadResult, rss_bytes: int) -> dict[str, Any]:
    """What --json prints."""
    return {
        "wall_s": result.wall_s,
        "cpu_s": result.cpu_s,
        "cycles": result.cycles,
        "alloc_bytes": result.alloc_bytes,
        "peak_bytes": result.peak_bytes,
        "rss_bytes": rss_bytes,
        "worst_stop_ms": result.worst_stop_s * 1e3,
        "total_stop_ms": result.total_stop_s * 1e3,
        "mark_cpu_s": result.mark_cpu_s,
        "assist_cpu_s": result.assist_cpu_s,
        "checksum": result.checksum,
    }


def _count(mutators: int) -> str:
    return f"{mutators} mutator{'s' if mutators != 1 else ''}"


def _text(result: WorkloadResult, f: dict[str, Any]) -> str:
    chosen = " ".join(f"{name}={value}" for name, value in result.parameters.items())
    lines = [
        f"{result.workload} {chosen}, {_count(len(result.threads))}, seed {result.seed}",
        f"  wall, CPU     {f['wall_s']:.3f} s, {f['cpu_s']:.3f} s",
        f"  cycles        {f['cycles']}",
        f"  allocated     {bytes_text(f['alloc_bytes'])}",
        f"  peak          {bytes_text(f['peak_bytes'])}: heap_live as markings and the run ended",
        f"  RSS           {bytes_text(f['rss_bytes'])} of the whole process at the end",
        f"  stops         worst {f['worst_stop_ms']:.3f} ms, total {f['total_stop_ms']:.3f} ms",
        f"  marking       {f['mark_cpu_s']:.3f} s of CPU",
        f"  assists       {f['assist_cpu_s']:.3f} s of CPU",
        f"  checksum      {f['checksum']}",
    ]
    if result.unseen_cycles:
        lines.append(f"  {result.unseen_cycles} cycles were too many to be seen: not in the sums")
    return "\n".join(lines)


def list_workloads(as_json: bool) -> int:
    if as_json:
        shown = [
            {
                "name": w.name,
                "about": w.about,
                "parameters": [
                    {"name": p.name, "unit": p.unit, "about": p.about, "default": p.default}
                    for p in w.parameters.values()
                ],
            }
            for w in workloads.values()
        ]
        print(json.dumps(shown, indent=2))
        return 0
    for w in workloads.values():
        print(f"{w.name:14} {w.about}")
        for p in w.parameters.values():
            unit = f" {p.unit}" if p.unit else ""
            print(f"    --{p.name.replace('_', '-'):14} {p.about} (default: {p.default}{unit})")
    from gcsim._chapter import ABOUT, NAME

    print(f"{NAME:14} {ABOUT}")
    return 0


def heap_of(args: argparse.Namespace) -> gcsim.Heap:
    """The heap that the options ask for. Raises Error."""
    return gcsim.Heap(
        gogc=args.gogc,
        memory_limit=args.memory_limit,
        procs=args.procs,
        gcstoptheworld=args.stop_the_world,
        mark=args.mark,
        mode="virtual" if args.virtual else "threads",
        seed=args.seed,
    )


def attempt(
    command: str, run: Callable[[argparse.Namespace], None], args: argparse.Namespace
) -> int:
    """Does what a command is there for, and says why it could not; its exit status (`STATUS`)."""
    try:
        run(args)
    except (Error, OSError, MemoryError) as error:
        print(f"python -m gcsim {command}: {error}", file=sys.stderr)
        return 1 if isinstance(error, WorkloadError | MemoryError) else 2
    return 0


def main(args: argparse.Namespace) -> int:
    if args.workload == "chapter" and not args.list:
        from gcsim import _chapter

        return _chapter.main(args)
    return list_workloads(args.json) if args.list else attempt("run", _run, args)


def _run(args: argparse.Namespace) -> None:
    chosen: Workload = args.chosen or find(args.workload or "")
    with heap_of(args) as heap:
        values: dict[str, Any] = parameters(args, chosen)
        result = chosen.run(heap, threads=args.mutators, seed=args.seed, **values)
        f = figures(result, resident_bytes())
    print(json.dumps(f, indent=2) if args.json else _text(result, f))


def choose(arguments: list[str]) -> Workload | None:
    """The workload whose parameters become options: of ``run NAME ...`` and ``serve NAME ...``.

    None if there is none.

    Raises CompileError for a source that does not compile.
    """
    if len(arguments) < 2 or arguments[0] not in ("run", "serve") or arguments[1].startswith("-"):
        return None
    try:
        return find(arguments[1])
    except CompileError:
        raise
    except (Error, OSError):
        return None  # main says it
