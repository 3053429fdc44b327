"""Runs the searches of table.py and compares what they find with what it says.

python tests/explore/run.py [--all] [--only WORDS] [--jobs N] [--list]

One line for each search: what was explored, the verdict, states, transitions, time, rate. What is found sound in
seconds is searched once more with all memory compared after each step (--all: what takes half a minute too): the
states must be the same. At every state of what is sound the tri-colour invariant that its barrier keeps is
checked too. Exit status 1 if anything is not as the table says.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from table import LARGE, SMALL, TABLE, Row

from gcsim._explore import Exploration, search

MEMORY = "4GiB"  # for each search; the largest needs less than one


def run(row: Row, also_careful: bool) -> tuple[Exploration, str]:
    """What was found, and what is wrong with that; "" if nothing is."""
    found = search(row.setup, max_bytes=MEMORY, invariants=row.keeps)
    if found.verdict != ("lost" if row.lost else "sound"):
        return found, f"expected {'a lost object' if row.lost else 'that nothing is lost'}"
    if row.steps is not None and found.steps != row.steps:
        return found, f"expected a shortest counterexample of {row.steps} steps, not {found.steps}"
    if also_careful and not row.lost:
        again = search(row.setup, max_bytes=MEMORY, careful=True)
        if (again.states, again.transitions) != (found.states, found.transitions):
            return found, f"otherwise when all memory is looked at: {again}"
    return found, ""


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    add = parser.add_argument
    add(
        "--all",
        action="store_true",
        help="the large ones too: a quarter of an hour of two processors",
    )
    add("--only", default="", metavar="WORDS", help="those whose description has these words")
    add("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="searches at once")
    add("--list", action="store_true", help="name them, and stop")
    return parser


def chosen(args: argparse.Namespace) -> list[Row]:
    return [
        row
        for row in sorted(TABLE, key=lambda r: -r.size)  # the longest begin first
        if (args.all or args.only or row.size < LARGE) and args.only in str(row.setup)
    ]


def main() -> int:
    args = arguments().parse_args()
    rows = chosen(args)
    if not rows:
        arguments().error(f"no search has '{args.only}' in its description; --list names them")
    if args.list:
        print(*(r.setup for r in rows), sep="\n")
        return 0
    began = time.monotonic()
    wrong = 0
    with ThreadPoolExecutor(args.jobs) as pool:  # each search runs in a process of its own
        futures = [
            pool.submit(run, r, r.size == SMALL or (args.all and r.size < LARGE)) for r in rows
        ]
        for future in futures:
            found, why = future.result()
            print(f"{'WRONG' if why else 'ok   '} {found}", *[f"      {why}"] * bool(why), sep="\n")
            sys.stdout.flush()
            wrong += bool(why)
    lost = sum(r.lost for r in rows)
    print(
        f"{len(rows)} searches: {len(rows) - lost} sound, {lost} refuted; {wrong} not as expected;"
        f" {time.monotonic() - began:.0f} s, {args.jobs} at once"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
