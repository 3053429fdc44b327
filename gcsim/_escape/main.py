"""``python -m gcsim escape``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from gcsim._errors import Error

ABOUT = (
    "Prints what `go build -gcflags='-m -l'` of Go 1.26 would say of a Go file, of the files of a"
    " package, or of its directory: what moves to the heap, what stays, what parameters leak."
    " Needs no Go. Exit status 2 if the source is wrong or uses what gcsim does not analyse."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE.go", help="a file, several, or a directory"
    )
    parser.add_argument(
        "-m",
        type=int,
        choices=(1, 2),
        default=1,
        dest="level",
        help="2: with the flows that led to each line, as -m=2 prints them",
    )
    parser.add_argument(
        "--explain",
        action="store_true",
        help="say in words why each thing moves to the heap, and how parameters leak",
    )
    parser.add_argument(
        "--name", metavar="NAME", help="with --explain: only this variable or expression"
    )
    parser.add_argument(
        "--graph",
        type=Path,
        metavar="SVG",
        help="draw what flows where (with .dot or .gv: the source of the picture)",
    )
    parser.add_argument("--function", metavar="F", help="with --graph or --explain: only of F")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")


def main(args: argparse.Namespace) -> int:
    from gcsim._escape.result import escape

    try:
        found = escape(args.files[0] if len(args.files) == 1 else args.files)
        if args.graph is not None:
            graph = found.graph if args.function is None else found.graph.of(args.function)
            graph.write(args.graph)
        if args.explain:
            told = found.explain(args.name, function=args.function)
    except (OSError, Error) as error:
        print(f"python -m gcsim escape: {error}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps(found.to_dict(), indent=2))
    elif args.explain:
        print(told)
    else:
        lines = found.explained if args.level == 2 else found.diagnostics
        for line in lines:
            print(line)
    return 0
