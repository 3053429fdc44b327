"""How states of a stepped heap are drawn: views in, lists of shapes out.

One list of shapes serves both the PNG (Matplotlib) and the HTML (SVG), so they cannot differ. A
`Scene` lays out all views of a film together: what is in several of them keeps its place. Lengths
are CSS pixels, y downwards.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from gcsim._view import Colour, View, ViewActor, ViewObject, ViewPointer, ViewRoot

MOST_OBJECTS = 64  #: drawn in one picture
MOST_ROOTS = 40
MOST_FIELDS = 6  #: of one object
MOST_ACTORS = 12
MOST_BUFFERS = 6
MOST_CELLS = 8  #: of a barrier buffer, drawn one by one

_WIDTH = 1280.0
_NARROW = 880.0  #: of a picture in a filmstrip that has few objects
_MARGIN = 24.0
_ROOTS = 262.0  #: width of the column of roots
_HEAP = _MARGIN + _ROOTS + 70  #: where the spans begin; between them is room for arrows
_ROW = 24.0  #: height of a root
_ACTOR = 46.0
_PANEL = 800.0  #: where queue and buffers begin, below the heap

Kind = Literal["rect", "line", "curve", "poly", "circle", "text"]


class Shape(NamedTuple):
    """One thing to draw. What `at` holds depends on the kind.

    rect    x, y, width, height, radius of the corners
    line    x, y, x, y
    curve   the four points of a cubic Bezier curve
    poly    the corners, closed
    circle  x, y, radius
    text    x and y of the base line, and what stands at x: 0 start, 0.5 middle, 1 end
    """

    kind: Kind
    style: str  #: a key of STYLES
    at: tuple[float, ...]
    text: str = ""


class Style(NamedTuple):
    """Colours for light and for dark surroundings; "" is none. Text has `size` > 0."""

    fill: tuple[str, str] = ("", "")
    stroke: tuple[str, str] = ("", "")
    width: float = 0
    dash: float = 0  #: length of the dashes and of the gaps; 0: no gaps
    size: float = 0
    bold: bool = False
    mono: bool = False
    halo: bool = False  #: a rim in the colour of the ground keeps lines off the text


_GROUND = ("#ffffff", "#16191d")
_INK = ("#1b1f24", "#e8eaed")
_MUTED = ("#5b6470", "#a3adb8")
_FAINT = ("#c9d0d8", "#454d57")
_PANE = ("#f5f7f9", "#1e2227")
_ACCENT = ("#b45309", "#f5a524")  # what the last step did
_BAD = ("#c0192b", "#ff6b78")
_POINTER = ("#3b6ea8", "#7fb2ec")
# The three colours are themselves in any surroundings.
_WHITE, _GREY, _BLACK = ("#ffffff",) * 2, ("#b4bac2",) * 2, ("#22262b",) * 2
_EDGE = ("#3a424c", "#c3cad2")
_ON_LIGHT, _ON_DARK = ("#1b1f24",) * 2, ("#ffffff",) * 2

STYLES: dict[str, Style] = {
    "ground": Style(_GROUND),
    "title": Style(_MUTED, size=15),
    "action": Style(_INK, size=24, bold=True),
    "function": Style(_MUTED, size=15, mono=True),
    "step": Style(_INK, size=15, bold=True),
    "phase": Style(_PANE, _FAINT, 1),
    "phase-now": Style(_ACCENT, _ACCENT, 1),
    "phase-text": Style(_MUTED, size=13),
    "phase-now-text": Style(_GROUND, size=13, bold=True),
    "note": Style(("#fdecee", "#3a1518"), _BAD, 2),
    "note-icon": Style(_BAD),
    "note-mark": Style(_GROUND, size=17, bold=True),
    "note-text": Style(_BAD, size=16, bold=True),
    "head": Style(_MUTED, size=13, bold=True, halo=True),
    "small": Style(_MUTED, size=12, halo=True),
    "span": Style(_PANE, _FAINT, 1),
    "slot-free": Style(("", ""), _FAINT, 1.2, dash=4),
    "slot-text": Style(_MUTED, size=12),
    "object-white": Style(_WHITE, _EDGE, 1.6),
    "object-grey": Style(_GREY, _EDGE, 1.6),
    "object-black": Style(_BLACK, _EDGE, 1.6),
    "object-white-name": Style(_ON_LIGHT, size=15, bold=True),
    "object-grey-name": Style(_ON_LIGHT, size=15, bold=True),
    "object-black-name": Style(_ON_DARK, size=15, bold=True),
    "object-white-name-small": Style(_ON_LIGHT, size=12, bold=True),
    "object-grey-name-small": Style(_ON_LIGHT, size=12, bold=True),
    "object-black-name-small": Style(_ON_DARK, size=12, bold=True),
    "object-white-text": Style(_ON_LIGHT, size=12),
    "object-grey-text": Style(_ON_LIGHT, size=12),
    "object-black-text": Style(_ON_DARK, size=12),
    "object-white-field": Style(_ON_LIGHT, size=12, mono=True),
    "object-grey-field": Style(_ON_LIGHT, size=12, mono=True),
    "object-black-field": Style(_ON_DARK, size=12, mono=True),
    "object-white-line": Style(("", ""), _ON_LIGHT, 0.6),
    "object-grey-line": Style(("", ""), _ON_LIGHT, 0.6),
    "object-black-line": Style(("", ""), _ON_DARK, 0.6),
    # Marks of the three colours: on their own objects, and on the ground.
    "mark-edge-dark": Style(("", ""), _ON_LIGHT, 1.8),
    "mark-edge-light": Style(("", ""), _ON_DARK, 1.8),
    "mark-dark": Style(_ON_LIGHT),
    "mark-light": Style(_ON_DARK),
    "mark-edge": Style(("", ""), _INK, 1.8),
    "mark": Style(_INK),
    "changed": Style(("", ""), _ACCENT, 3),
    "scanning": Style(("", ""), _ACCENT, 2, dash=5),
    "lost": Style(("", ""), _BAD, 4),
    "lost-tag": Style(_BAD),
    "lost-text": Style(_GROUND, size=12, bold=True),
    "pointer": Style(("", ""), _POINTER, 1.8),
    "pointer-head": Style(_POINTER),
    "pointer-new": Style(("", ""), _ACCENT, 3),
    "pointer-new-head": Style(_ACCENT),
    "pointer-gone": Style(("", ""), _ACCENT, 1.6, dash=4),
    "pointer-gone-head": Style(("", ""), _ACCENT, 1.4),
    "pointer-risk": Style(("", ""), _BAD, 2, dash=9),
    "pointer-risk-head": Style(_BAD),
    "root": Style(_INK, size=14, mono=True),
    "root-changed": Style(_ACCENT, size=14, mono=True, bold=True),
    "nil": Style(_MUTED, size=13, mono=True),
    "orphan": Style(_BAD, size=12, bold=True),
    "cell": Style(_GROUND, _EDGE, 1.2),
    "cell-text": Style(_INK, size=14, bold=True),
    "bar": Style(_POINTER),
    "actor": Style(("", ""), _MUTED, 1.6),
    "actor-moved": Style(_ACCENT, _ACCENT, 1.6),
    "actor-letter": Style(_INK, size=15, bold=True),
    "actor-moved-letter": Style(_GROUND, size=15, bold=True),
    "actor-name": Style(_INK, size=14, bold=True),
    "actor-text": Style(_INK, size=14),
}

_LETTER = {"white": "W", "grey": "G", "black": "B"}
_ROOT_KINDS = ("global", "handle", "tiny", "frame")
_PHASES = ("off", "mark", "mark termination", "sweep")


# ---- words ----


def plain(text: str) -> str:
    """The text on one line, without characters that control a terminal or a page."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def text_width(text: str, style: str) -> float:
    """About the widest that the text is in the fonts that we ask for."""
    of = STYLES[style]
    wide = 0 if text.isascii() else sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return (len(text) + wide) * of.size * (0.61 if of.mono else 0.7 if of.bold else 0.62)


def fit(text: str, width: float, style: str) -> str:
    """As much of the text as has room, "…" in the middle: names differ at their ends."""
    text = plain(text)
    if text_width(text, style) <= width:
        return text
    keep = len(text)
    while keep and text_width(_cut(text, keep), style) > width:
        keep -= 1
    return _cut(text, keep)


def _cut(text: str, keep: int) -> str:
    number = len(text) - len(text.rstrip("0123456789"))
    tail = max(keep // 3, min(number, keep - 1))
    return text[: keep - tail] + "…" + text[len(text) - tail :]


def wrap(text: str, width: float, style: str, lines: int) -> list[str]:
    """Words on as many lines as they need, `lines` at most; the last one is cut."""
    rows = [""]
    for word in plain(text).split():
        longer = f"{rows[-1]} {word}".strip()
        if rows[-1] and text_width(longer, style) > width:
            rows.append(word)
        else:
            rows[-1] = longer
    if len(rows) > lines:
        rows[lines - 1 :] = [" ".join(rows[lines - 1 :])]
    return [fit(row, width, style) for row in rows]


def headline(view: View) -> str:
    """Who did what."""
    if not view.action:
        return "The beginning: nobody has taken a step"
    who = next((a.name for a in view.actors if a.letter == view.actor), "")
    return f"{who}: {view.action}" if who else view.action


# ---- what differs between two views ----


class RootKey(NamedTuple):
    kind: str
    owner: str
    name: str
    depth: int  #: how many of that name come before it


class Changes(NamedTuple):
    """What a step did: names of objects, (source, field) of pointers, keys of roots."""

    objects: frozenset[str] = frozenset()
    pointers: frozenset[tuple[str, str]] = frozenset()
    roots: frozenset[RootKey] = frozenset()


def roots_of(view: View) -> dict[RootKey, ViewRoot]:
    """The roots by what stays the same over a film; frames of a recursion by their depth."""
    found: dict[RootKey, ViewRoot] = {}
    for root in view.roots:
        depth = 0
        while (key := RootKey(root.kind, root.owner, root.name, depth)) in found:
            depth += 1
        found[key] = root
    return found


def changes(before: View | None, now: View) -> Changes:
    """What is new or different in the second view; nothing if there is no first."""
    if before is None:
        return Changes()
    objects = {o.name: o for o in before.objects}
    pointers = {(p.source, p.field): p.target for p in before.pointers}
    roots = {key: (r.target, r.scanned) for key, r in roots_of(before).items()}
    return Changes(
        frozenset(o.name for o in now.objects if objects.get(o.name) != o)
        | (objects.keys() - {o.name for o in now.objects}),
        frozenset(
            (p.source, p.field)
            for p in now.pointers
            if pointers.get((p.source, p.field)) != p.target
        ),
        frozenset(
            key for key, r in roots_of(now).items() if roots.get(key) != (r.target, r.scanned)
        ),
    )


def _shown_objects(views: Sequence[View]) -> frozenset[str]:
    """All objects, or the lost ones, those that change, and what is reachable from these."""
    names = dict.fromkeys(o.name for v in views for o in v.objects)
    if len(names) <= MOST_OBJECTS:
        return frozenset(names)
    leads = dict.fromkeys(o.name for v in views for o in v.objects if o.lost)
    for before, now in pairwise(views):
        change = changes(before, now)
        leads.update(dict.fromkeys(o.name for o in now.objects if o.name in change.objects))
        leads.update(dict.fromkeys(source for source, _ in sorted(change.pointers)))
        leads.update(
            (r.target, None) for key, r in roots_of(now).items() if r.target and key in change.roots
        )
    if not leads:  # nothing changed: what the roots hold
        leads.update((r.target, None) for v in views for r in v.roots if r.target)
    targets: dict[str, dict[str, None]] = {}
    for pointer in (p for v in views for p in v.pointers):
        if pointer.target is not None:
            targets.setdefault(pointer.source, {})[pointer.target] = None
    found = [name for name in leads if name in names][:MOST_OBJECTS]
    seen = set(found)
    for name in found:  # grows while we walk: breadth first
        for target in targets.get(name, ()):
            if target not in seen and target in names and len(found) < MOST_OBJECTS:
                seen.add(target)
                found.append(target)
    return frozenset(found)


# ---- the layout ----


class _Box(NamedTuple):
    x: float
    y: float
    w: float
    h: float
    row: int  #: boxes of one row stand side by side
    first: bool  #: nothing stands between it and the roots


class _Group(NamedTuple):
    """A span: its frame, and the slots that hold something at some time."""

    frame: tuple[float, float, float, float]
    label: str
    slots: tuple[tuple[int, _Box], ...]


class _RootRow(NamedTuple):
    number: int
    y: float
    owner: int  #: number of its heading


class Scene:
    """The places of everything in the views of a film, and the shapes of each view.

    width, height   of one picture
    strip_height    of one without actors, queue and buffers
    left_out        objects that are not drawn
    """

    def __init__(self, views: Sequence[View], title: str = "", *, narrow: bool = False) -> None:
        self._views = views
        self._title = title
        self._shown = _shown_objects(views)
        self._small = len(self._shown) > 16
        self.width = _NARROW if narrow and not self._small else _WIDTH
        self.left_out = len({o.name for v in views for o in v.objects}) - len(self._shown)
        self._changes = [
            changes(before, now) for before, now in zip([None, *views], views, strict=False)
        ]
        self._fields = self._collect_fields()
        top = self._place_header()
        bottom = max(self._place_roots(top), self._place_spans(top), top + 160)
        self.strip_height = bottom + 30
        self.height = self._place_panels(bottom + 24)

    # -- places --

    def _collect_fields(self) -> dict[str, list[str]]:
        """The pointer fields of each object; if they are too many, those that ever hold one."""
        fields: dict[str, dict[str, bool]] = {name: {} for name in self._shown}
        for pointer in (p for v in self._views for p in v.pointers):
            if pointer.source in fields:
                of = fields[pointer.source]
                of[pointer.field] = of.get(pointer.field, False) or pointer.target is not None
        return {
            name: (
                list(of)
                if len(of) <= MOST_FIELDS
                else [field for field, held in of.items() if held]
            )[:MOST_FIELDS]
            for name, of in fields.items()
        }

    def _place_header(self) -> float:
        """Where the heap begins: below the action, its function, and room for a note."""
        room = self.width - 2 * _MARGIN - 46
        lines = max(len(wrap(headline(v), room, "action", 2)) for v in self._views)
        self._function_y = 82 + 30 * (lines - 1) + 24.0
        self._note_y = self._function_y + 16
        notes = max(
            (len(wrap(v.note, room - 16, "note-text", 3)) for v in self._views if v.note), default=0
        )
        self._note_height = 22.0 * notes + 18 if notes else 0.0
        return self._note_y + self._note_height + 26

    def _place_roots(self, top: float) -> float:
        """The column of roots, one heading for each owner."""
        roots = [item for v in self._views for item in roots_of(v).items()]
        keys = dict.fromkeys(key for key, _ in roots)
        self._roots_left_out = max(0, len(keys) - MOST_ROOTS)
        if self._roots_left_out:  # those that hold something come first
            held = {key for key, r in roots if r.target is not None}
            chosen = sorted(keys, key=lambda key: key not in held)[:MOST_ROOTS]
            keys = {key: None for key in keys if key in set(chosen)}
        keys = dict.fromkeys(sorted(keys, key=lambda key: _ROOT_KINDS.index(key.kind)))
        headings = dict.fromkeys((key.kind, key.owner) for key in keys)
        self._headings: list[tuple[str, str, float]] = []
        self._roots: dict[RootKey, _RootRow] = {}
        y = top
        for kind, owner in headings:
            self._headings.append((kind, owner, y))
            y += 10
            for key in keys:
                if key[:2] == (kind, owner):
                    y += _ROW
                    self._roots[key] = _RootRow(len(self._roots), y, len(self._headings) - 1)
            y += 34
        self._roots_end = y - 14
        return self._roots_end + (20 if self._roots_left_out else 0)

    def _place_spans(self, top: float) -> float:
        """Spans flow from left to right and wrap, each with the slots that are ever in use."""
        cells: dict[int, dict[int, list[str]]] = {}
        about: dict[int, ViewObject] = {}
        kinds: dict[int, dict[str, None]] = {}
        for o in (o for v in self._views for o in v.objects if o.name in self._shown):
            names = cells.setdefault(o.span, {}).setdefault(o.slot, [])
            if o.name not in names:
                names.append(o.name)
            about.setdefault(o.span, o)
            kinds.setdefault(o.span, {})[o.type] = None
        fields = max((len(f) for f in self._fields.values()), default=0)
        w, h, gap = max(180.0, 56.0 * fields), 74.0, 48.0
        if self._small:
            w, h, gap = 110.0, 50.0, 16.0
        below, between = (44.0, 16.0) if self._small else (58.0, 22.0)
        right = self.width - _MARGIN

        self._boxes: dict[str, _Box] = {}
        self._groups: list[_Group] = []
        x, y, row, first = _HEAP, top + 8, 0, True
        for span in sorted(cells):
            slots = sorted(cells[span])
            needed = len(slots) * (w + gap) - gap + 24
            if not first and x + needed > right:
                x, y, row, first = _HEAP, y + h + below + between, row + 1, True
            start, began, frames = x, y, []
            x += 12
            placed: list[tuple[int, _Box]] = []
            for slot in slots:
                if x + w + 12 > right:  # a long span goes on below
                    frames.append((start, y, right - start, h + 34))
                    x, y, row, first = start + 12, y + h + below + between - 4, row + 1, True
                box = _Box(x, y + 12, w, h, row, first)
                first = False
                placed.append((slot, box))
                for name in cells[span][slot]:
                    self._boxes[name] = box
                x += w + gap
            width = (right if frames else x - gap + 12) - start
            frame = (start, began, width, y - began + h + 34)
            kind = ", ".join(kinds[span])
            label = f"span at page {span}: {kind}, slots of {about[span].size:,} B"
            self._groups.append(_Group(frame, fit(label, width - 8, "small"), tuple(placed)))
            x = start + width + 24
        return y + h + 34 if cells else top

    def _place_panels(self, top: float) -> float:
        """Actors, queue and buffers, below the heap; and the legend."""
        self._panel_y = top
        views = self._views
        actors = min(MOST_ACTORS, max(len(v.actors) for v in views))
        more = any(len(v.actors) > MOST_ACTORS for v in views)
        buffers = min(MOST_BUFFERS, max(len(v.buffers) for v in views))
        left = 22 + _ACTOR * actors + (20 if more else 0)
        self._buffers_y = top + 84
        right = 84 + 22 + 52.0 * buffers
        self._legend_y = top + max(left, right) + 22
        return self._legend_y + 18

    # -- shapes --

    def shapes(self, i: int, *, panels: bool = True) -> list[Shape]:
        """Everything in the picture of view i; without panels: what a filmstrip shows."""
        view, change = self._views[i], self._changes[i]
        before = self._views[i - 1] if i else None
        height = self.height if panels else self.strip_height
        shapes = [Shape("rect", "ground", (0, 0, self.width, height, 0))]
        shapes += self._header(view)
        shapes += self._spans(view)
        shapes += self._arrows(view, before, change)
        shapes += self._objects(view, change)
        shapes += self._root_column(view, change)
        if panels:
            shapes += self._actors(view)
            shapes += self._queue(view)
            shapes += self._buffers(view)
            shapes += self._legend()
        else:
            shapes.append(self._pending(view))
        return shapes

    def _pending(self, view: View) -> Shape:
        """Queue and buffers on one line, for a filmstrip; and how many objects it leaves out."""
        words = [f"queue: {' '.join(view.queue) or 'empty'}"]
        words += [
            f"{b.mutator}: {' '.join(b.entries)} ({len(b.entries)} of {b.capacity})"
            for b in view.buffers
            if b.entries
        ]
        if self.left_out:
            words.insert(0, f"{self.left_out:,} more objects are not shown.")
        text = fit("   ".join(words), self.width - 2 * _MARGIN, "actor-text")
        return Shape("text", "actor-text", (_MARGIN, self.strip_height - 12, 0), text)

    def _header(self, view: View) -> Iterator[Shape]:
        x = self.width - _MARGIN
        step = f"step {view.step}"
        yield Shape("text", "step", (x, 32, 1), step)
        x -= text_width("step 99999", "step") + 8
        for phase in reversed(_PHASES):
            width = text_width(phase, "phase-now-text") + 16
            now = "-now" if phase == view.phase else ""
            yield Shape("rect", f"phase{now}", (x - width, 15, width, 24, 12))
            yield Shape("text", f"phase{now}-text", (x - width / 2, 32, 0.5), phase)
            x -= width + 8
        yield Shape("text", "title", (_MARGIN, 32, 0), fit(self._title, x - _MARGIN - 12, "title"))

        x = _MARGIN
        if view.actor:
            yield Shape("circle", "actor-moved", (x + 15, 74, 15))
            yield Shape(
                "text", "actor-moved-letter", (x + 15, 79, 0.5), fit(view.actor, 30, "actor-letter")
            )
            x += 46
        room = self.width - 2 * _MARGIN - 46
        for line, row in enumerate(wrap(headline(view), room, "action", 2)):
            yield Shape("text", "action", (x, 82 + 30 * line, 0), row)
        if view.function:
            function = fit(view.function, room, "function")
            yield Shape("text", "function", (x, self._function_y, 0), function)
        if view.note:
            yield from self._note(view.note)

    def _note(self, note: str) -> Iterator[Shape]:
        x, y = _MARGIN, self._note_y
        width = self.width - 2 * _MARGIN
        yield Shape("rect", "note", (x, y, width, self._note_height, 6))
        middle = y + self._note_height / 2
        yield _poly(
            "note-icon", (x + 28, middle - 14), (x + 44, middle + 13), (x + 12, middle + 13)
        )
        yield Shape("text", "note-mark", (x + 28, middle + 11, 0.5), "!")
        rows = wrap(note, width - 62, "note-text", 3)
        for line, row in enumerate(rows):
            at = middle + 6 - 11 * (len(rows) - 1) + 22 * line
            yield Shape("text", "note-text", (x + 58, at, 0), row)

    def _spans(self, view: View) -> Iterator[Shape]:
        used = {self._boxes[o.name] for o in view.objects if o.name in self._boxes}
        for group in self._groups:
            x, y, w, h = group.frame
            yield Shape("rect", "span", (x, y, w, h, 8))
            for slot, box in group.slots:
                if box not in used:
                    yield Shape("rect", "slot-free", (box.x, box.y, box.w, box.h, 6))
                    middle = box.x + box.w / 2, box.y + box.h / 2 + 4
                    yield Shape("text", "slot-text", (*middle, 0.5), f"slot {slot}: free")

    def _objects(self, view: View, change: Changes) -> Iterator[Shape]:
        values = {(p.source, p.field): p.target for p in view.pointers}
        for group in self._groups:
            x, y, _, _ = group.frame
            yield Shape("text", "small", (x + 2, y - 5, 0), group.label)
        for o in view.objects:
            if o.name not in self._boxes:
                continue
            box = self._boxes[o.name]
            if o.name in change.objects:
                yield Shape("rect", "changed", (box.x - 4, box.y - 4, box.w + 8, box.h + 8, 9))
            yield from self._object(o, box, values)

    def _object(
        self, o: ViewObject, box: _Box, values: dict[tuple[str, str], str | None]
    ) -> Iterator[Shape]:
        x, y, w, h = box[:4]
        style = f"object-{o.colour}"
        tone = "-light" if o.colour == "black" else "-dark"
        yield Shape("rect", style, (x, y, w, h, 6))
        if o.lost:  # below the words
            yield Shape("line", "lost", (x - 5, y - 5, x + w + 5, y + h + 5))
            yield Shape("line", "lost", (x - 5, y + h + 5, x + w + 5, y - 5))
        line = y + (20 if self._small else 24)
        yield from colour_mark(o.colour, x + 14, line - 5, tone)
        word = _LETTER[o.colour] if self._small else o.colour
        room = w - 35 - text_width(word, f"{style}-text")
        name = f"{style}-name-small" if self._small else f"{style}-name"
        yield Shape("text", name, (x + 25, line, 0), fit(o.name, room, name))
        yield Shape("text", f"{style}-text", (x + w - 7, line, 1), word)
        if not self._small:
            slot = fit(
                f"slot {o.slot}" + (", being scanned" if o.scanning else ""),
                w - 16,
                f"{style}-text",
            )
            yield Shape("text", f"{style}-text", (x + 10, line + 18, 0), slot)
        fields = self._fields[o.name]
        if fields:
            held = [values.get((o.name, field)) is not None for field in fields]
            wide, top = (w - 8) / len(fields), y + h - (20 if self._small else 22)
            yield Shape("line", f"{style}-line", (x, top, x + w, top))
            for number, field in enumerate(fields):
                left = x + 4 + wide * number
                if number:
                    yield Shape("line", f"{style}-line", (left, top, left, y + h))
                label = fit(field, wide - 18, f"{style}-field") if wide >= 34 else ""
                yield Shape("text", f"{style}-field", (left + 3, y + h - 7, 0), label)
                dot, radius = ("mark", 4) if held[number] else ("mark-edge", 3)
                yield Shape("circle", dot + tone, (*self._port(box, number, len(fields)), radius))
        if o.scanning:
            yield Shape("rect", "scanning", (x - 4, y - 4, w + 8, h + 8, 9))
        if o.lost:
            yield Shape("rect", "lost-tag", (x + w / 2 - 26, y - 12, 52, 20, 4))
            yield Shape("text", "lost-text", (x + w / 2, y + 3, 0.5), "LOST")

    @staticmethod
    def _port(box: _Box, number: int, fields: int) -> tuple[float, float]:
        """Where the pointer of a field begins: the right end of its cell."""
        wide = (box.w - 8) / fields
        return box.x + 4 + wide * (number + 1) - 9, box.y + box.h - 11

    def _arrows(self, view: View, before: View | None, change: Changes) -> Iterator[Shape]:
        """Pointers and roots; what the last step overwrote stays as a ghost."""
        colours = {o.name: o.colour for o in view.objects}
        marking = view.phase in ("mark", "mark termination")
        gone: list[ViewPointer] = []
        if before is not None:
            gone = [p for p in before.pointers if (p.source, p.field) in change.pointers]
        for p in gone:
            if p.source in colours and p.target is not None:
                yield from self._pointer(p, "pointer-gone")
        for p in view.pointers:
            if p.target is None:
                continue
            style = "pointer"
            if (p.source, p.field) in change.pointers:
                style = "pointer-new"
            elif p.target not in colours or (
                marking and colours.get(p.source) == "black" and colours[p.target] == "white"
            ):
                style = "pointer-risk"
            yield from self._pointer(p, style)
        roots, past = roots_of(view), roots_of(before) if before is not None else {}
        for key in (key for key in past if key in change.roots):
            if past[key].target not in (None, roots[key].target):
                yield from self._root_arrow(key, past[key].target, "pointer-gone")
        for key, r in roots.items():
            if r.target is None:
                continue
            style = "pointer"
            if before is not None and (key not in past or past[key].target != r.target):
                style = "pointer-new"
            elif r.target not in colours or (
                marking and r.scanned and colours[r.target] == "white"
            ):
                style = "pointer-risk"
            yield from self._root_arrow(key, r.target, style)

    def _pointer(self, p: ViewPointer, style: str) -> Iterator[Shape]:
        fields = self._fields.get(p.source, [])
        if p.field not in fields:
            return
        source = self._boxes[p.source]
        x, y = self._port(source, fields.index(p.field), len(fields))
        target = self._boxes.get(p.target or "")
        if target is None:  # to an object that is left out: a stub
            yield from _arrow(style, (x, y), (x, y + 8), (x, y + 12), (x + 3, y + 30))
            return
        end = min(max(x, target.x + 16), target.x + target.w - 16)
        if target.row > source.row:
            down = max(30.0, (target.y - y) * 0.5)
            yield from _arrow(style, (x, y), (x, y + down), (end, target.y - 30), (end, target.y))
            return
        if target is source:
            end = x - 30 if x - 30 > target.x + 10 else x + 30
            down = y + 42
            foot = target.y + target.h
            yield from _arrow(style, (x, y), (x + 6, down), (end - 6, down), (end, foot))
            return
        foot = target.y + target.h
        if target.row == source.row:  # a shallow arc below the boxes; longer ones hang lower
            down = foot + min(46.0, 20 + abs(end - x) * 0.06)
            yield from _arrow(style, (x, y), (x, down), (end, down), (end, foot))
            return
        side = 80 if end >= x else -80
        yield from _arrow(style, (x, y), (x + side, y + 60), (end, foot + 60), (end, foot))

    def _root_arrow(self, key: RootKey, held: str | None, style: str) -> Iterator[Shape]:
        row = self._roots.get(key)
        target = self._boxes.get(held or "")
        if row is None:
            return
        x, y = _MARGIN + _ROOTS - 12, row.y - 5
        if target is None:
            yield from _arrow(style, (x, y), (x + 12, y), (x + 18, y), (x + 30, y))
        elif target.first:
            end = min(max(y, target.y + 10), target.y + target.h - 10)
            yield from _arrow(style, (x, y), (x + 50, y), (target.x - 44, end), (target.x, end))
        else:  # through the lane above or below the boxes of that row
            lane = 4.0 * (row.number % 4)
            at = target.x + 0.3 * target.w + 8 * (row.number % 5)  # between the pointers
            edge, run = target.y, target.y - 12 - lane
            if y > target.y + target.h / 2:
                edge, run = target.y + target.h, target.y + target.h + 14 + lane
            gate = _HEAP - 2
            half = (x + gate) / 2
            yield Shape("curve", style, (x, y, half, y, half, run, gate, run))
            yield from _arrow(style, (gate, run), (at - 30, run), (at, run), (at, edge))

    def _root_column(self, view: View, change: Changes) -> Iterator[Shape]:
        present = roots_of(view)
        for number, (kind, owner, y) in enumerate(self._headings):
            rows = [k for k, row in self._roots.items() if row.owner == number]
            here = [present[k] for k in rows if k in present]
            if not here:
                continue
            bottom = self._roots[rows[-1]].y + 9
            yield Shape("rect", "span", (_MARGIN, y + 6, _ROOTS, bottom - y - 6, 8))
            name = owner or {"global": "globals", "handle": "handles", "tiny": "tiny blocks"}.get(
                kind, kind
            )
            done = "scanned" if all(r.scanned for r in here) else "not scanned"
            room = _ROOTS - text_width(done, "small") - 12
            yield Shape("text", "head", (_MARGIN + 2, y, 0), fit(name, room, "head"))
            yield Shape("text", "small", (_MARGIN + _ROOTS - 2, y, 1), done)
        for key, row in self._roots.items():
            if key in present:
                yield from self._root(present[key], row.y, key in change.roots)
        if self._roots_left_out:
            text = f"{self._roots_left_out} more roots are not shown"
            yield Shape("text", "small", (_MARGIN, self._roots_end + 12, 0), text)

    def _root(self, root: ViewRoot, y: float, changed: bool) -> Iterator[Shape]:
        x = _MARGIN + 18
        yield from colour_mark("black" if root.scanned else "white", x, y - 5, "")
        right = _MARGIN + _ROOTS - 12
        room = _ROOTS - 64
        if root.target is None:
            yield Shape("text", "nil", (right, y, 1), "nil")
            room -= 22
        else:
            yield Shape("circle", "mark", (right, y - 5, 4))
        if root.orphan:
            yield Shape("text", "orphan", (right - 10, y, 1), "orphan")
            room -= 56
        style = "root-changed" if changed else "root"
        yield Shape("text", style, (x + 16, y, 0), fit(root.name, room, style))

    def _actors(self, view: View) -> Iterator[Shape]:
        y = self._panel_y + 12
        yield Shape("text", "head", (_MARGIN, y, 0), "who may run, and what each would do next")
        for actor in view.actors[:MOST_ACTORS]:
            y += _ACTOR
            yield from self._actor(actor, y - 14, actor.letter == view.actor)
        if len(view.actors) > MOST_ACTORS:
            text = f"{len(view.actors) - MOST_ACTORS} more actors are not shown"
            yield Shape("text", "small", (_MARGIN, y + 24, 0), text)

    def _actor(self, actor: ViewActor, y: float, moved: bool) -> Iterator[Shape]:
        style = "actor-moved" if moved and actor.letter else "actor"
        yield Shape("circle", style, (_MARGIN + 15, y, 13))
        yield Shape(
            "text",
            f"{style}-letter",
            (_MARGIN + 15, y + 5, 0.5),
            fit(actor.letter, 26, "actor-letter"),
        )
        name = fit(actor.name, 150, "actor-name")
        yield Shape("text", "actor-name", (_MARGIN + 40, y - 2, 0), name)
        state = "moved last, " + actor.state if moved else actor.state
        yield Shape("text", "small", (_MARGIN + 40, y + 15, 0), state)
        x, room = _MARGIN + 196, _PANEL - _MARGIN - 196 - 24
        what = {"ready": actor.next, "waiting": f"waits for {actor.waits_for or 'others'}"}.get(
            actor.state, "has ended"
        )
        yield Shape("text", "actor-text", (x, y - 2, 0), fit(what, room, "actor-text"))
        if actor.state != "ended":
            function = fit(actor.function, room, "nil")
            yield Shape("text", "nil", (x, y + 15, 0), function)

    def _queue(self, view: View) -> Iterator[Shape]:
        x, y = _PANEL, self._panel_y + 12
        count = len(view.queue)
        text = f"grey queue: {count} to scan, next one first" if count else "grey queue: empty"
        yield Shape("text", "head", (x, y, 0), text)
        yield from self._cells(view.queue, x, y + 14, 0)

    def _buffers(self, view: View) -> Iterator[Shape]:
        x, y = _PANEL, self._buffers_y + 12
        if view.buffers:
            yield Shape("text", "head", (x, y, 0), "write barrier buffers")
        for buffer in view.buffers[:MOST_BUFFERS]:
            fill = f"{len(buffer.entries)} of {buffer.capacity}" if buffer.capacity else "no buffer"
            yield Shape(
                "text", "actor-text", (x, y + 30, 0), fit(buffer.mutator, 130, "actor-text")
            )
            yield Shape("text", "small", (x, y + 47, 0), fill)
            if buffer.capacity > MOST_CELLS:
                wide = 60 * min(1.0, len(buffer.entries) / buffer.capacity)
                yield Shape("rect", "cell", (x + 66, y + 38, 60, 10, 2))
                yield Shape("rect", "bar", (x + 66, y + 38, wide, 10, 2))
            cells = buffer.capacity if buffer.capacity <= MOST_CELLS else 0
            yield from self._cells(buffer.entries, x + 140, y + 14, cells)
            y += 52
        if len(view.buffers) > MOST_BUFFERS:
            text = f"{len(view.buffers) - MOST_BUFFERS} more buffers are not shown"
            yield Shape("text", "small", (x + 190, self._buffers_y + 12, 0), text)

    def _cells(self, names: Sequence[str], x: float, y: float, cells: int) -> Iterator[Shape]:
        """Names in boxes, `cells` of them at least; what has no room is counted."""
        right = self.width - _MARGIN
        for number in range(max(len(names), cells)):
            name = fit(names[number], 90, "cell-text") if number < len(names) else ""
            wide = max(34.0, text_width(name, "cell-text") + 10)
            last = number + 1 >= len(names)
            if x + wide + (0 if last else 48) > right:
                if number < len(names):
                    text = f"+{len(names) - number}"
                    yield Shape("text", "actor-text", (x + 4, y + 20, 0), text)
                return
            yield Shape("rect", "cell", (x, y, wide, 30, 4))
            if name:
                yield Shape("text", "cell-text", (x + wide / 2, y + 20, 0.5), name)
            x += wide + 5

    def _legend(self) -> Iterator[Shape]:
        x, y = _MARGIN, self._legend_y
        meanings: tuple[tuple[Colour, str], ...] = (
            ("white", "white: not reached yet"),
            ("grey", "grey: marked, to be scanned"),
            ("black", "black: marked and scanned"),
        )
        for colour, text in meanings:
            yield from colour_mark(colour, x + 6, y - 4, "")
            yield Shape("text", "small", (x + 18, y, 0), text)
            x += text_width(text, "small") + 30
        for style, text in (
            ("pointer-new", "the last step"),
            ("pointer-gone", "what it overwrote"),
            ("pointer-risk", "black to white"),
        ):
            yield from _arrow(style, (x, y - 4), (x + 10, y - 4), (x + 20, y - 4), (x + 34, y - 4))
            yield Shape("text", "small", (x + 42, y, 0), text)
            x += text_width(text, "small") + 54
        if self.left_out:
            text = f"{self.left_out:,} more objects are not shown"
            yield Shape("text", "head", (self.width - _MARGIN, y, 1), text)


def colour_mark(colour: Colour, x: float, y: float, tone: str) -> Iterator[Shape]:
    """A colour as a shape: white a hollow circle, grey a half-filled diamond, black a square."""
    if colour == "white":
        yield Shape("circle", f"mark-edge{tone}", (x, y, 5))
    elif colour == "grey":
        yield _poly(f"mark-edge{tone}", (x, y - 7), (x + 7, y), (x, y + 7), (x - 7, y))
        yield _poly(f"mark{tone}", (x, y - 7), (x, y + 7), (x - 7, y))
    else:
        yield Shape("rect", f"mark{tone}", (x - 5.5, y - 5.5, 11, 11, 0))


def _poly(style: str, *corners: tuple[float, float]) -> Shape:
    return Shape("poly", style, tuple(c for corner in corners for c in corner))


_Point = tuple[float, float]


def _arrow(style: str, start: _Point, out: _Point, into: _Point, end: _Point) -> Iterator[Shape]:
    """A Bezier curve with its head, which points along the end of the curve."""
    dx, dy = end[0] - into[0], end[1] - into[1]
    long = (dx * dx + dy * dy) ** 0.5 or 1.0
    dx, dy = dx / long, dy / long
    back = end[0] - 9 * dx, end[1] - 9 * dy
    yield Shape("curve", style, (*start, *out, *into, *back))
    left = back[0] - 5 * dy, back[1] + 5 * dx
    right = back[0] + 5 * dy, back[1] - 5 * dx
    yield _poly(f"{style}-head", end, left, right)
