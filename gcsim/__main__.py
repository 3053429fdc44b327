"""The command line: ``python -m gcsim demo``, ``conform FILE...``, ``run WORKLOAD``,
``serve WORKLOAD``, ``explore``, ``gctrace FILE``, ``bench-report FILE...``, ``heap FILE``,
``convert FROM TO``, ``escape FILE.go``, ``learn``, ``quiz TOPIC``.

Exit status: 0 all is as it should be; 1 a comparison differs, or a workload fails; 2 wrong
arguments, a file that cannot be read or written or does not compile, or a missing package; 130
Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path


def _demo(args: argparse.Namespace) -> int:
    from gcsim._demo import main

    return main(args.file, args.out, args.seed, args.json)


def _conform(args: argparse.Namespace) -> int:
    from gcsim._conform import Conformance, conform
    from gcsim._errors import DumpFormatError
    from gcsim._open_loop import OpenLoop, totals

    results: list[Conformance] = []
    unreadable = 0
    for path in args.files:
        try:
            result = conform(path)
        except (OSError, DumpFormatError) as error:
            print(f"python -m gcsim conform: {error}", file=sys.stderr)
            unreadable += 1
            continue
        results.append(result)
        if not args.json:
            print(result, flush=True)
    if args.json:
        rows = [
            {
                "name": r.name,
                "matched": r.matched,
                "total": r.total,
                "differences": list(r.differences),
            }
            | ({"figures": r.figures} if r.figures else {})
            for r in results
        ]
        print(json.dumps(rows, indent=2))
    elif logs := [r for r in results if isinstance(r, OpenLoop)]:
        print(totals(logs))
    return 2 if unreadable else 0 if all(r.complete for r in results) else 1


def _run(args: argparse.Namespace) -> int:
    from gcsim._run import main

    return main(args)


def _serve(args: argparse.Namespace) -> int:
    from gcsim._serve_main import main

    return main(args)


def _explore(args: argparse.Namespace) -> int:
    from gcsim._explore_main import main

    return main(args)


def _gctrace(args: argparse.Namespace) -> int:
    from gcsim._gctrace import main

    return main(args)


def _bench_report(args: argparse.Namespace) -> int:
    from gcsim._bench_report import main

    return main(args)


def _heap(args: argparse.Namespace) -> int:
    from gcsim._heap_report import main

    return main(args)


def _convert(args: argparse.Namespace) -> int:
    from gcsim._heap_files import main

    return main(args)


def _learn(args: argparse.Namespace) -> int:
    from gcsim._learn.main import main

    return main(args)


def _escape(args: argparse.Namespace) -> int:
    from gcsim._escape.main import main

    return main(args)


def _quiz(args: argparse.Namespace) -> int:
    from gcsim._quiz.main import main

    return main(args)


def _parser(arguments: Sequence[str] = ()) -> argparse.ArgumentParser:
    from gcsim import __version__
    from gcsim._bench_report import add_arguments as add_report_arguments
    from gcsim._escape.main import ABOUT as about_escape
    from gcsim._escape.main import add_arguments as add_escape_arguments
    from gcsim._explore_main import STATUS as explore_status
    from gcsim._explore_main import add_arguments as add_explore_arguments
    from gcsim._gctrace import add_arguments as add_gctrace_arguments
    from gcsim._heap_files import ABOUT as about_convert
    from gcsim._heap_files import add_arguments as add_convert_arguments
    from gcsim._heap_report import ABOUT as about_heap
    from gcsim._heap_report import add_arguments as add_heap_arguments
    from gcsim._learn.main import ABOUT as about_learn
    from gcsim._learn.main import STATUS as learn_status
    from gcsim._learn.main import add_arguments as add_learn_arguments
    from gcsim._quiz.main import ABOUT as about_quiz
    from gcsim._quiz.main import STATUS as quiz_status
    from gcsim._quiz.main import add_arguments as add_quiz_arguments
    from gcsim._run import STATUS, add_arguments, choose
    from gcsim._serve_main import STATUS as serve_status
    from gcsim._serve_main import add_arguments as add_serve_arguments

    parser = argparse.ArgumentParser(prog="python -m gcsim", description="Go's memory manager.")
    parser.add_argument("--version", action="version", version=f"gcsim {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(
        name: str, run: Callable[[argparse.Namespace], int], help: str, about: str
    ) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help, description=about)
        sub.set_defaults(run=run)
        return sub

    demo = command(
        "demo",
        _demo,
        "rebuild a real Go heap, collect it, compare every number",
        "Opens a Go heap, rebuilds it object by object, drops a root and a goroutine, collects, and"
        " compares what is left with a breadth-first search. Exit status 1 if a comparison differs,"
        " 2 if the file cannot be read.",
    )
    demo.add_argument(
        "file",
        nargs="?",
        type=Path,
        metavar="FILE",
        help="a dump of runtime/debug.WriteHeapDump (gzip too) or a recorded graph (.npz);"
        " without one, the recording that comes with gcsim",
    )
    demo.add_argument(
        "--out",
        type=Path,
        default=Path("gcsim-demo.png"),
        metavar="PNG",
        help="where to draw the heap (default: %(default)s)",
    )
    demo.add_argument(
        "--seed", type=int, default=1, metavar="N", help="chooses the objects whose paths are shown"
    )
    demo.add_argument("--json", action="store_true", help="print one JSON object instead of text")

    conform = command(
        "conform",
        _conform,
        "replay golden files of Go's runtime through the core",
        "Recognises each file by its header, replays it and prints NAME: MATCHED/TOTAL and the"
        " first differences. Of a gctrace log (with gcpacertrace=1 and its NAME.metrics.csv beside"
        " it) it predicts each cycle's goal and trigger, and adds up all logs given. Exit status 1"
        " if any row differs or a log misses its goals, 2 if a file cannot be read.",
    )
    conform.add_argument("files", nargs="+", type=Path, metavar="FILE")
    conform.add_argument("--json", action="store_true", help="print a JSON array instead of text")

    run = command(
        "run",
        _run,
        "run a workload in C under the collector",
        "Runs a built-in workload, or one that it compiles from FILE.c, and prints wall and CPU"
        " seconds, cycles, bytes, stops, CPU of marking and assists, and the workload's checksum."
        " The workload's name comes first; its parameters are options. `chapter` is the chapter's"
        " closing program, with --serve beside a profile server. " + STATUS,
    )
    chosen = choose(list(arguments))
    add_arguments(run, chosen)
    if list(arguments[:2]) == ["run", "chapter"]:
        from gcsim._chapter import add_arguments as add_chapter_arguments

        add_chapter_arguments(run)

    serve = command(
        "serve",
        _serve,
        "show a live heap in the browser, to go tool pprof and to Prometheus",
        "Runs a workload again and again and serves its heap over HTTP until Ctrl-C: a live page,"
        " /debug/pprof/ with Go's paths, /metrics. The workload's name comes first; its parameters"
        " are options. " + serve_status,
    )
    add_serve_arguments(serve, chosen)

    explore = command(
        "explore",
        _explore,
        "try every interleaving of a small program with the collector",
        "Runs one collection of a small program under every schedule, over the real code, and says"
        " whether an object can be lost; if one can, prints a shortest schedule that loses it. "
        + explore_status,
    )
    add_explore_arguments(explore)

    gctrace = command(
        "gctrace",
        _gctrace,
        "a table of what GODEBUG=gctrace=1 printed, or a live monitor of it",
        "Finds the gctrace lines of any Go version in a program's output and prints a row per cycle"
        " and the totals: cycles, worst and total stop, CPU share, goal. `prog 2>&1 | python -m"
        " gcsim gctrace --follow -` shows each cycle as it ends. Exit status 2 if there is none, or"
        " the file cannot be read.",
    )
    add_gctrace_arguments(gctrace)

    report = command(
        "bench-report",
        _bench_report,
        "draw what `make bench` measured",
        "Prints the tables of benchmark results and draws them: ratios, time against memory, stops,"
        " minimum mutator utilisation, growth; as PNG and as one HTML page. Of several files the"
        " last one is drawn and the others are set beside it. Exit status 2 if a file is none, or"
        " of another machine.",
    )
    add_report_arguments(report)

    heap = command("heap", _heap, "ask a heap dump why memory is still there", about_heap)
    add_heap_arguments(heap)

    convert = command("convert", _convert, "write a heap in another form", about_convert)
    add_convert_arguments(convert)

    about = f"{about_learn} {learn_status}"
    add_learn_arguments(command("learn", _learn, "work through the exercises", about))

    escape = command("escape", _escape, "predict what Go moves to the heap", about_escape)
    add_escape_arguments(escape)

    about = f"{about_quiz} {quiz_status}"
    add_quiz_arguments(command("quiz", _quiz, "answer questions about Go's memory", about))
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit status."""
    from gcsim._errors import CompileError

    given = sys.argv[1:] if arguments is None else arguments
    try:
        args = _parser(given).parse_args(given)
        run: Callable[[argparse.Namespace], int] = args.run
        return run(args)
    except CompileError as error:  # of the workload whose parameters are options
        print(f"python -m gcsim run: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `| head` has seen enough
        sys.stderr.close()
        return 141


if __name__ == "__main__":
    sys.exit(main())
