"""``python -m gcsim explore``: search the schedules of a program, print what was found."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from gcsim._errors import Error
from gcsim._explore import BARRIERS, INVARIANTS, Exploration, Setup, explore_all, search
from gcsim._programs import PROGRAMS, of

STATUS = (
    "Exit status: 0 every space is closed and sound; 1 an object was lost, an invariant broken or"
    " nobody could run: the schedule is printed; 2 wrong arguments; 3 a bound or Ctrl-C stopped a"
    " search."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add = parser.add_argument
    add("--barrier", choices=BARRIERS, default="hybrid", help="(default: %(default)s)")
    add(
        "--program",
        choices=[*PROGRAMS, "all"],
        default="free",
        metavar="NAME",
        help=f"what the mutators do: {', '.join(PROGRAMS)}, or all of them (default: %(default)s)",
    )
    stacks = parser.add_mutually_exclusive_group()
    stacks.add_argument(
        "--stacks-first",
        dest="stacks",
        action="store_const",
        const="first",
        help="scan stacks one by one before anything else is marked, not all in the first stop",
    )
    stacks.add_argument(
        "--stacks-last",
        dest="stacks",
        action="store_const",
        const="last",
        help="scan stacks one by one when nothing else is grey",
    )
    rescan = parser.add_mutually_exclusive_group()
    rescan.add_argument(
        "--rescan",
        dest="rescan_stacks",
        action="store_true",
        default=None,
        help="scan stacks again at mark termination (dijkstra and steele do unless --no-rescan)",
    )
    rescan.add_argument("--no-rescan", dest="rescan_stacks", action="store_false", help="do not")
    add("--allocate-white", action="store_true", help="objects made while marking get no mark")
    add("--no-final-flush", action="store_true", help="mark termination leaves barrier buffers")
    add("--late-barrier", action="store_true", help="the barrier comes on while mutators run")
    add("--preempt-barrier", action="store_true", help="the world may stop within a barrier")
    add("--buffer", type=int, default=0, metavar="N", help="entries of each barrier buffer (0)")
    for name, default, what in (
        ("mutators", 2, "1 to 4"),
        ("objects", 2, "1 to 16"),
        ("locals", 1, "of each mutator, 1 to 4"),
        ("fields", 1, "pointers in each object, 1 to 4"),
    ):
        add(f"--{name}", type=int, default=default, metavar="N", help=f"{what} ({default}; free)")
    add("--max-states", type=int, default=0, metavar="N", help="stop after so many states")
    add("--max-depth", type=int, default=0, metavar="N", help="look no deeper than so many steps")
    add("--memory", default="1GiB", metavar="SIZE", help="for the search (default: %(default)s)")
    add("--whole-stacks", action="store_true", help="tell states apart by every byte of a stack")
    add(
        "--careful",
        action="store_true",
        help="look at all memory after each step, and take it twice: slow, and sure",
    )
    add(
        "--invariants",
        choices=INVARIANTS,
        default="none",
        help="tri-colour: checked at every state; where one is broken the search ends there, before"
        " an object is lost (default: %(default)s)",
    )
    add("--first", action="store_true", help="the first counterexample, not a shortest one")
    add(
        "--file",
        metavar="FILE",
        help="where a search that a bound or Ctrl-C stops is put aside, and goes on from",
    )
    add("--jobs", type=int, default=1, metavar="N", help="searches at once, with --program all")
    add("--film", type=Path, metavar="HTML", help="write the counterexample as a page to step in")
    add("--json", action="store_true", help="print a JSON array instead of text")


def _setups(args: argparse.Namespace) -> list[Setup]:
    numbers = {k: getattr(args, k) for k in ("mutators", "objects", "locals", "fields")}
    names = list(PROGRAMS) if args.program == "all" else [args.program]
    return [
        Setup(
            program=of(name, **numbers),
            barrier=args.barrier,
            stacks=args.stacks or "stopped",
            rescan_stacks=args.rescan_stacks,
            allocate="white" if args.allocate_white else "black",
            final_flush=not args.no_final_flush,
            late_barrier=args.late_barrier,
            preempt_barrier=args.preempt_barrier,
            buffer=args.buffer,
        )
        for name in names
    ]


class _Progress:
    """Twice a second a line on standard error, where that is a terminal. The first Ctrl-C stops the
    search, which tells what it has covered; the next one ends the command."""

    def __init__(self) -> None:
        self.told = self.began = time.monotonic()
        self.stop = False

    def __enter__(self) -> _Progress:
        self._before = signal.signal(signal.SIGINT, self._interrupted)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _interrupted(self, *_: object) -> None:
        self.stop = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def __call__(self, states: int, transitions: int) -> bool:
        now = time.monotonic()
        if sys.stderr.isatty() and now - self.told > 0.5:
            self.told = now
            rate = transitions / (now - self.began)
            print(
                f"\r{states:,} states, {transitions:,} transitions, {rate:,.0f} a second ",
                end="",
                file=sys.stderr,
                flush=True,
            )
        return self.stop


def as_json(found: Exploration) -> dict[str, Any]:
    """An exploration as plain values."""
    setup = found.setup
    return {
        "program": setup.program.name,
        "setup": str(setup),
        "verdict": found.verdict,
        "states": found.states,
        "transitions": found.transitions,
        "paths": found.paths,
        "depth": found.depth,
        "seconds": round(found.seconds, 3),
        "schedule": found.schedule,
        "what": found.what,
    }


def _one_by_one(setups: list[Setup], bounds: dict[str, Any]) -> list[Exploration]:
    results: list[Exploration] = []
    with _Progress() as progress:
        for setup in setups:
            results.append(search(setup, progress=progress, **bounds))
            if progress.stop:
                break
    return results


def main(args: argparse.Namespace) -> int:
    """Run the command; its exit status."""
    try:
        setups = _setups(args)
        if args.file and len(setups) > 1:
            raise ValueError("--file is for one search: name a program")
        bounds: dict[str, Any] = {
            "max_states": args.max_states,
            "max_depth": args.max_depth,
            "max_bytes": args.memory,
            "whole_stacks": args.whole_stacks,
            "careful": args.careful,
            "file": args.file,
            "invariants": args.invariants,
            "shortest": not args.first,
        }
        if args.jobs > 1 and len(setups) > 1:
            with ProcessPoolExecutor(args.jobs) as pool:
                results = explore_all(setups, pool, **bounds)
        else:
            results = _one_by_one(setups, bounds)
    except (Error, ValueError, OSError) as error:
        print(f"python -m gcsim explore: {error}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps([as_json(r) for r in results], indent=2))
    else:
        for result in results:
            print(result)
    if args.file and Path(args.file).exists():
        print(f"put aside in {args.file}: the same command goes on from there", file=sys.stderr)
    failed = [r for r in results if r.verdict in ("lost", "broken", "deadlock")]
    if failed and args.film:
        failed[0].film().html(args.film)
        print(f"the counterexample as a page: {args.film}", file=sys.stderr)
    return 1 if failed else 0 if all(results) else 3
