"""``python -m gcsim bench-report FILE...``: benchmark results as tables and pictures.

Writes PNG pictures and one HTML page that needs nothing else. Several files must be of one machine;
the last one is drawn, and each earlier one is set beside it, row by row.
"""

from __future__ import annotations

import argparse
import base64
import io
import sys
from collections.abc import Iterator, Sequence
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from gcsim._bench import (
    HEAD,
    Case,
    Results,
    bends,
    cells,
    comparison,
    figure,
    line,
    other_machine,
    peers,
    read,
    series,
    table,
)
from gcsim._errors import BenchFormatError
from gcsim._files import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem;
  color: #1b1b1b; background: #fff }
table { border-collapse: collapse; margin: .5rem 0 1rem }
th, td { padding: .15rem .6rem; text-align: right; border-bottom: 1px solid #ddd;
  white-space: nowrap }
th:first-child, td:first-child { text-align: left; white-space: pre }
.note { background: #fff3cd; padding: .4rem .8rem; border-left: 4px solid #e69f00 }
.reached { color: #005a3c } .missed { color: #a33c00; font-weight: 600 }
img { max-width: 100%; height: auto } figure { margin: 1rem 0 } small { color: #555 }
.scroll { overflow-x: auto }
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="what `make bench` wrote, oldest first"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("bench-report"),
        metavar="FOLDER",
        help="for report.html and the pictures (default: %(default)s)",
    )
    parser.add_argument(
        "--no-pictures", action="store_true", help="print the tables, and write nothing"
    )


# ---- pictures ----


def pictures(results: Results) -> Iterator[tuple[str, str, Axes]]:
    """Name of the file, words under the picture, the picture."""
    from gcsim import _bench_pictures as draw

    if draw.ratio_rows(results):
        yield "ratios", "What gcsim takes over what its peer takes.", draw.ratios(results)[0]
    for case in results.cases.values():
        name = case.name.replace(" ", "-").replace("^", "")
        if any(len(points) > 1 for points in draw.curves(case).values()) and not series(case):
            words = "At equal memory: " + "; ".join(draw.equal_memory(case)) + "."
            yield f"memory-{name}", words, draw.time_against_memory(case)[0]
        if series(case):
            yield name, "; ".join(bends(case)) + ".", draw.growth(case)[0]
        elif draw.runs_of(case):
            yield f"pauses-{name}", "As each collector tells its stops.", draw.pauses(case)[0]
            yield (
                f"utilisation-{name}",
                "Assists and the barrier's cost are not in it: only the stops are.",
                draw.minimum_utilisation(case)[0],
            )


def caption(results: Results) -> str:
    return f"{results.started[:10]}, {results.machine.get('cpu')}, {results.versions.get('go')}"


def png(axes: Axes, results: Results) -> bytes:
    drawn, out = axes.get_figure(root=True), io.BytesIO()
    assert drawn is not None
    drawn.supxlabel(caption(results), x=0.995, ha="right", fontsize=5, color="#777777")
    drawn.savefig(out, format="png", dpi=150)
    return out.getvalue()


# ---- the page ----


def _cell(word: str) -> str:
    style = {"reached": ' class="reached"', "NOT": ' class="missed"'}.get(word, "")
    return f"<td{style}>{escape(word)}</td>"


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th>{escape(word)}</th>" for word in head)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{top}</tr>{body}</table></div>'


def _case_html(case: Case, judged: bool) -> str:
    rows = [cells(case, line(case, row), judged) for row in case.rows]
    parts = [f"<h3>{escape(case.name)}</h3><p>{escape(case.about)}</p>"]
    if rows:
        parts.append(html_table(HEAD, rows))
        first = case.rows[0]
        everyone = peers(case, first)
        if len(everyone) > 2:
            said = ", ".join(f"{name} {figure(value)}" for name, value in everyone.items())
            parts.append(
                f"<p><small>{escape(first.metric)} {escape(first.unit)}: {escape(said)}</small></p>"
            )
    for name, program in case.programs.items():
        for word, text in (("missing", program.missing), ("failed", program.failure)):
            if text:
                parts.append(f'<p class="note">{escape(name)} {word}: {escape(text)}</p>')
    return "".join(parts)


def page(results: Results, earlier: Sequence[Results], images: dict[str, tuple[str, bytes]]) -> str:
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width"><title>gcsim: the benchmark</title>',
        f"<style>{_STYLE}</style><h1>gcsim: the benchmark</h1>",
    ]
    about = {"time": results.started} | results.machine | results.versions
    parts += [f'<p class="note">{escape(text)}</p>' for text in results.warnings]
    parts.append(html_table(("", ""), [(key, str(value)) for key, value in about.items()]))
    for name, (words, data) in images.items():
        text = base64.b64encode(data).decode("ascii")
        source = f"data:image/png;base64,{text}"
        alt = escape(name, quote=True)
        parts.append(
            f'<figure><img alt="{alt}" src="{source}">'
            f"<figcaption>{escape(words)}</figcaption></figure>"
        )
    for before in earlier:
        commit = before.versions.get("commit", "?")
        parts.append(f"<h2>Compared with {escape(before.started)} ({escape(commit)})</h2>")
        head, *rows = comparison(results, before)
        parts.append(html_table(head, rows))
    parts.append("<h2>Every row</h2>")
    parts += [_case_html(case, results.judged) for case in results.cases.values()]
    return "\n".join(parts) + "\n</html>\n"


def _say(text: str) -> None:
    print(f"python -m gcsim bench-report: {text}", file=sys.stderr)


def main(args: argparse.Namespace) -> int:
    """0; 2 if a file cannot be read or written, is of another machine, or a package is missing."""
    try:
        read_files = [read(path) for path in args.files]
    except (OSError, BenchFormatError) as error:
        _say(str(error))
        return 2
    *earlier, results = read_files
    for path, before in zip(args.files, earlier, strict=False):
        if difference := other_machine(results.machine, before.machine):
            _say(f"{path} is of another machine than {args.files[-1]}: {difference}")
            return 2
    for case in results.cases.values():
        print("\n".join(table(case, results.judged)) + "\n")
    for text in results.warnings:
        print(f"NOTE: {text}")
    if args.no_pictures:
        return 0
    if find_spec("matplotlib") is None:
        _say("matplotlib is missing: pip install 'gcsim[viz]' (or --no-pictures)")
        return 2
    images = {name: (words, png(axes, results)) for name, words, axes in pictures(results)}
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        for name, (_, data) in images.items():
            write_whole(args.out / f"{name}.png", data)
        target = args.out / "report.html"
        write_whole(target, page(results, earlier, images))
    except OSError as error:
        _say(str(error))
        return 2
    print(f"page: {target}; pictures: {len(images)} in {args.out}")
    return 0
