"""``python -m gcsim serve``: a workload, and its heap over HTTP until Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import sys
import threading
from typing import Any

from gcsim import _run
from gcsim._workload import Workload

STATUS = (
    "Exit status 0 after Ctrl-C, which is how it ends; 1 if the workload fails; 2 for wrong"
    " arguments, a source that does not compile, an address that is in use."
)


def add_arguments(parser: argparse.ArgumentParser, chosen: Workload | None) -> None:
    """The options of `run`, and where to listen."""
    _run.add_arguments(parser, chosen)
    add = parser.add_argument
    add("--port", type=int, default=0, metavar="N", help="default: one that is free")
    add("--host", default="127.0.0.1", metavar="ADDRESS", help="default: %(default)s")
    add(
        "--allow-remote",
        action="store_true",
        help="a host may be an address that other machines reach: nothing asks who they are",
    )
    add(
        "--runs",
        type=int,
        metavar="N",
        help="run the workload so many times, then serve the heap as it is (default: no end)",
    )


def main(args: argparse.Namespace) -> int:
    if args.list:
        return _run.list_workloads(args.json)
    if args.virtual:
        print(
            "python -m gcsim serve: a heap in virtual time answers nobody while it runs;"
            " leave --virtual out",
            file=sys.stderr,
        )
        return 2
    with contextlib.suppress(KeyboardInterrupt):  # how it is meant to end
        return _run.attempt("serve", _serve, args)
    return 0


def _serve(args: argparse.Namespace) -> None:
    from gcsim._serve import serve

    chosen: Workload = args.chosen or _run.find(args.workload or "")
    values: dict[str, Any] = _run.parameters(args, chosen)
    runs = itertools.count() if args.runs is None else range(args.runs)
    with (
        _run.heap_of(args) as heap,
        serve(
            {chosen.name: heap}, port=args.port, host=args.host, allow_remote=args.allow_remote
        ) as server,
    ):
        if args.json:
            print(json.dumps({"url": server.url, "workload": chosen.name}), flush=True)
        else:
            print(f"{chosen.name} at {server.url} until Ctrl-C")
            print(f"go tool pprof {server.url}debug/pprof/heap", flush=True)
        for _ in runs:
            chosen.run(heap, threads=args.mutators, seed=args.seed, **values)
        threading.Event().wait()
