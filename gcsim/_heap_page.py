"""The report on a heap as one HTML page: no script, nothing loaded, light and dark."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from gcsim._heap_report import SURE_WORDS, HeapReport, shortened
from gcsim._results import bytes_text
from gcsim._scene import plain

if TYPE_CHECKING:
    from gcsim._snapshot import Snapshot

_STYLE = """
:root { color-scheme: light dark; --ground: #fff; --text: #1b1f24; --quiet: #57606a;
  --line: #d0d7de; --soft: #f6f8fa; --link: #0b57d0; --edge: #fff }
@media (prefers-color-scheme: dark) { :root { --ground: #16191d; --text: #e6e9ed; --quiet: #a3adb8;
  --line: #3a424c; --soft: #1f242a; --link: #8ab4f8; --edge: #16191d } }
* { box-sizing: border-box }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; background: var(--ground);
  color: var(--text) }
header, main, footer { max-width: 72rem; margin: 0 auto; padding: 0 1rem }
h1 { font-size: 1.6rem; margin: 1.2rem 0 .2rem; overflow-wrap: anywhere }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .5rem; border-bottom: 1px solid var(--line) }
h3 { font-size: 1rem; margin: 1.4rem 0 .3rem; overflow-wrap: anywhere }
p { margin: .4rem 0; max-width: 48rem }
a { color: var(--link) }
nav ul { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .3rem 1.2rem }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); gap: .8rem;
  margin: 1rem 0 }
dl div { background: var(--soft); padding: .5rem .8rem; border-radius: .3rem }
dt, small, .quiet { color: var(--quiet); font-size: .875rem }
dd { margin: 0; font-size: 1.15rem; font-variant-numeric: tabular-nums; overflow-wrap: anywhere }
.scroll { overflow-x: auto }
.scroll:focus-visible, a:focus-visible { outline: 3px solid var(--link); outline-offset: 2px }
table { border-collapse: collapse; font-size: .9rem; min-width: 60% }
caption { text-align: left; color: var(--quiet); padding: .2rem 0 }
th, td { text-align: right; padding: .25rem .7rem; border-bottom: 1px solid var(--line);
  white-space: nowrap; font-variant-numeric: tabular-nums }
th { vertical-align: bottom }
.words { text-align: left }
pre { font: .875rem/1.45 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere;
  background: var(--soft); padding: .5rem .8rem; border-radius: .3rem; margin: .4rem 0 }
figure { margin: .5rem 0 }
svg text { font: 12px system-ui, sans-serif }
svg rect { stroke: var(--edge); stroke-width: 1 }
"""
# Fill and text of a box in light, then in dark; contrast is 4.5 or more in each.
_COLOURS = (
    ("#cfe3fb", "#173a5e"),
    ("#fbe0c3", "#5a3510"),
    ("#d3efd2", "#1c4a22"),
    ("#f6d3dc", "#5f1f33"),
    ("#e2d9f5", "#40306b"),
    ("#f3ecb5", "#4c4408"),
    ("#cdeeed", "#114847"),
    ("#e4e4e4", "#3b3f44"),
)
_LEVELS, _HEIGHT = 8, 24  # of the picture, and of one of them in pixels
_LEAST = 0.004  # of the width: narrower boxes are put together
_REST = len(_COLOURS) - 1


def _colours() -> str:
    light = "".join(f".c{i} {{ fill: {a} }}" for i, (a, _) in enumerate(_COLOURS))
    dark = "".join(f".c{i} {{ fill: {b} }}" for i, (_, b) in enumerate(_COLOURS))
    dark += "svg text { fill: #f2f4f6 }"
    return f"svg text {{ fill: #1b1f24 }}{light}@media (prefers-color-scheme: dark) {{ {dark} }}"


# ---- the picture ----


@dataclass(frozen=True)
class Box:
    """One box of the picture, its place in shares of the width; level 0 is the whole."""

    level: int
    x: float
    width: float
    words: str
    kind: str  # those of one kind have one colour; "" is what was put together


def boxes(snapshot: Snapshot, name: str) -> list[Box]:
    """What retains what: below each box, what would be free if it were. Objects too small for a box
    of their own are put together by kind, and those kinds that are still too small in one."""
    retained, total = snapshot._dominators()[1], snapshot.reachable_bytes
    found = [Box(0, 0.0, 1.0, f"{name}: {bytes_text(total)} reachable", "")]
    work: list[tuple[int, int, float]] = [(len(snapshot), 1, 0.0)] if total else []
    while work:
        above, level, x = work.pop()
        rest, rest_objects = 0, 0
        for numbers, kind in _together(snapshot, above, total):
            size = sum(retained[i] for i in numbers)
            width = size / total
            if width < _LEAST:
                rest, rest_objects = rest + size, rest_objects + len(numbers)
                continue
            who = (
                f"object {numbers[0]} ({kind})"
                if len(numbers) == 1
                else f"{len(numbers):,} of {kind}"
            )
            found.append(Box(level, x, width, f"{who}: {bytes_text(size)}, {width:.1%}", kind))
            if len(numbers) == 1 and level + 1 < _LEVELS:
                work.append((numbers[0], level + 1, x))
            x += width
        if rest / total >= _LEAST:
            words = f"{rest_objects:,} smaller ones: {bytes_text(rest)}, {rest / total:.1%}"
            found.append(Box(level, x, rest / total, words, ""))
    return found


def _together(snapshot: Snapshot, above: int, total: int) -> Iterator[tuple[list[int], str]]:
    """The children in the dominator tree, the largest first; the small ones by kind."""
    retained = snapshot._dominators()[1]
    small: defaultdict[str, list[int]] = defaultdict(list)
    groups: list[tuple[list[int], str]] = []
    for i in snapshot._children().get(above, ()):
        kind = snapshot._kind(i)
        if retained[i] >= 2 * _LEAST * total:
            groups.append(([i], kind))
        else:
            small[kind].append(i)
    groups += [(numbers, kind) for kind, numbers in small.items()]
    return iter(sorted(groups, key=lambda g: (-sum(retained[i] for i in g[0]), g[0])))


def _picture(report: HeapReport) -> str:
    drawn = boxes(report.snapshot, report.snapshot.name)
    kinds: dict[str, int] = {}
    for box in drawn:
        if box.kind:
            kinds.setdefault(box.kind, len(kinds) % _REST)
    levels = max(box.level for box in drawn) + 1
    parts = [
        f'<svg role="img" aria-labelledby="picture-title" width="100%"'
        f' height="{levels * _HEIGHT}" xmlns="http://www.w3.org/2000/svg">'
        '<title id="picture-title">Retained sizes, level by level of the dominator tree; the table'
        " of what retains the most has the numbers</title>"
    ]
    for box in drawn:
        colour = kinds[box.kind] if box.kind else _REST
        words = escape(plain(box.words))
        parts.append(
            f'<svg x="{100 * box.x:.3f}%" y="{box.level * _HEIGHT}" width="{100 * box.width:.3f}%"'
            f' height="{_HEIGHT}"><title>{words}</title>'
            f'<rect class="c{colour}" width="100%" height="100%"/>'
            + (f'<text x="5" y="16">{words}</text>' if box.width > 0.02 else "")
            + "</svg>"
        )
    return "".join(parts) + "</svg>"


# ---- tables and words ----


def _table(name: str, caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Heads and cells that begin with "<" are words: to the left. The first cell names its row."""

    def cell(text: str, tag: str) -> str:
        words = text.startswith("<")
        inner = escape(plain(text[1:] if words else text))
        return f"<{tag}{' class=words' if words else ''}>{inner}</{tag.split()[0]}>"

    top = "".join(cell(text, 'th scope="col"') for text in head)
    body = "".join(
        "<tr>" + cell(row[0], 'th scope="row"') + "".join(cell(c, "td") for c in row[1:]) + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(name)}"><table>'
        f"<caption>{escape(caption)}</caption><thead><tr>{top}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def _facts(report: HeapReport) -> str:
    dead = report.objects - report.reachable_objects
    facts = [
        ("objects", f"{report.objects:,}"),
        ("in slots of", bytes_text(report.bytes)),
        ("reachable", f"{report.reachable_objects:,}, {bytes_text(report.reachable_bytes)}"),
        ("garbage", f"{dead:,}, {bytes_text(report.bytes - report.reachable_bytes)}"),
        ("pointers", f"{report.pointers:,}"),
        ("roots", f"{report.roots:,}"),
    ]
    if report.known is not None:
        objects, size = report.shares["unknown"]
        typed = f"{report.objects - objects:,}, {1 - size / max(report.bytes, 1):.1%} of the bytes"
        facts.append(("with a type", typed))
    facts += [
        (key, f"{value:,}" if isinstance(value, int) else str(value))
        for key, value in report.source.items()
        if key != "name"
    ]
    rows = (f"<div><dt>{escape(k)}</dt><dd>{escape(plain(v))}</dd></div>" for k, v in facts)
    return f"<dl>{''.join(rows)}</dl>"


def _words(text: str) -> str:
    return escape("\n".join(map(plain, text.split("\n"))))


def _suspects(report: HeapReport) -> str:
    if not report.suspects:
        return "<p>Nothing retains enough to be one.</p>"
    parts = ["<p>Who keeps much alive, the most first. A suspect need not be a leak.</p>"]
    for i, suspect in enumerate(report.suspects, 1):
        paragraph, _, path = suspect.words.partition("\n")
        parts.append(
            f"<h3>{i}. {escape(plain(suspect.path.root))}: {bytes_text(suspect.bytes)}</h3>"
            f"<p>{_words(paragraph)}</p><pre>{_words(shortened(path.strip()))}</pre>"
        )
    return "".join(parts)


def _grown(report: HeapReport) -> str:
    assert report.grown is not None
    rows = [(f"{r.bytes:+,}", f"{r.objects:+,}", f"<{r.name}") for r in report.grown]
    if not rows:
        return f"<p>Nothing has grown or shrunk since {escape(plain(report.older))}.</p>"
    return _table(
        "Grown",
        f"What there is more of than in {plain(report.older)}; what is less is negative",
        ("bytes", "objects", "<root and sizes on the path"),
        rows,
    )


def _types(report: HeapReport) -> str:
    rows = [
        (f"<{word}", f"{objects:,}", f"{size:,}", f"{size / max(report.bytes, 1):.1%}")
        for word, (objects, size) in report.shares.items()
    ]
    head = ("<type is", "objects", "bytes", "share")
    caption = "All objects, by how their types are known"
    return f"<p>{escape(SURE_WORDS)}.</p>" + _table("Sureness of types", caption, head, rows)


def _sections(report: HeapReport) -> Iterator[tuple[str, str, str]]:
    """(anchor, heading, content)"""
    sure = ["<type is"] * (report.known is not None)  # a column, where a binary told types
    if report.why:
        whys = "".join(f"<pre>{_words(shortened(why.words))}</pre>" for why in report.why)
        yield "why", "Why they are alive", whys
    if report.grown is not None:
        yield "grown", f"Grown since {plain(report.older)}", _grown(report)
    yield (
        "picture",
        "What retains what",
        "<p>Below each box stands what would be free if it were. Equal colours are equal kinds.</p>"
        f"<figure>{_picture(report)}</figure>",
    )
    yield "suspects", "Suspects", _suspects(report)
    yield (
        "top",
        "What retains the most",
        _table(
            "What retains the most",
            "Objects by what they retain: themselves and all that only they keep",
            (
                "object",
                "retains",
                "own bytes",
                "<kind",
                *sure,
                "<a root that leads there",
                "<address",
            ),
            (
                (
                    str(h.number),
                    f"{h.retained:,}",
                    f"{h.bytes:,}",
                    f"<{h.kind}",
                    *(f"<{h.sure}" for _ in sure),
                    f"<{h.root}",
                    f"<{h.address:#x}",
                )
                for h in report.top
            ),
        ),
    )
    yield (
        "kinds",
        "Objects by kind",
        _table(
            "Objects by kind",
            "All objects, reachable or not; the kinds with the most bytes",
            ("<kind", *sure, "objects", "bytes", "share"),
            (
                (
                    f"<{r.name}",
                    *(f"<{report.sure(r.name)}" for _ in sure),
                    f"{r.objects:,}",
                    f"{r.bytes:,}",
                    f"{r.bytes / max(report.bytes, 1):.1%}",
                )
                for r in report.histogram
            ),
        ),
    )
    if report.known is not None:
        yield "types", "How sure types are", _types(report)
    if report.goroutines:
        yield (
            "goroutines",
            "Goroutines",
            _table(
                "Goroutines",
                "Where they are and why they wait; the runtime's own are left out",
                ("<function: reason", "goroutines"),
                ((f"<{r.name}", f"{r.objects:,}") for r in report.goroutines),
            ),
        )
    said = "".join(f"<li>{escape(text)}</li>" for text in report.unknown)
    yield "unknown", "What this dump cannot tell", f"<ul>{said}</ul>"


def page(report: HeapReport) -> str:
    """The page, whole."""
    title = f"The heap of {plain(report.snapshot.name)}"
    sections = list(_sections(report))
    links = "".join(f'<li><a href="#{at}">{escape(name)}</a></li>' for at, name, _ in sections)
    body = "".join(
        f'<section><h2 id="{at}">{escape(name)}</h2>{content}</section>'
        for at, name, content in sections
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}{_colours()}</style></head><body>"
        f"<header><h1>{escape(title)}</h1>"
        f'<nav aria-label="Sections"><ul>{links}</ul></nav></header>'
        f"<main>{_facts(report)}{body}</main>"
        '<footer><p class="quiet">Contents of objects are not in this page.</p></footer>'
        "</body></html>\n"
    )
