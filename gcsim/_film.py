"""A run of a stepped heap as a film: as text, as PNG, and as an HTML page to step through.

It is made of views alone (`gcsim._view`), so it outlives the heap, pickles, and compares by value.
The PNG forms need Matplotlib (``pip install 'gcsim[viz]'``); nothing is opened or shown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import IO, TYPE_CHECKING, Any, SupportsIndex, overload

from gcsim._errors import BoundsError, ConversionError, OptionError
from gcsim._files import write_whole
from gcsim._scene import STYLES, Scene, Shape, Style, changes, plain, roots_of
from gcsim._view import View

if TYPE_CHECKING:
    import os

    from matplotlib.axes import Axes

__all__ = ["Film"]

STRIP_FRAMES = 12  #: of a filmstrip that names no steps, at most
MOST_WORDS = 256  #: objects, pointers, roots told of one view


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Film(Sequence[View]):
    """The views of a run, first to last, at least one.

    title     what is shown, on one line
    schedule  the text that replays it
    note      what is wrong at the end; the last view's note if none is given
    """

    views: tuple[View, ...]
    title: str = ""
    schedule: str = ""
    note: str = ""

    def __init__(
        self, views: Iterable[View], *, title: str = "", schedule: str = "", note: str = ""
    ) -> None:
        taken = tuple(views)
        if not taken:
            raise OptionError("a film has at least one view")
        for view in taken:
            if not isinstance(view, View):
                raise ConversionError(f"a film is made of views, not of {type(view).__name__}")
        for name, value in (("title", title), ("schedule", schedule), ("note", note)):
            if not isinstance(value, str):
                raise ConversionError(f"{name}= is a string, not {type(value).__name__}")
        object.__setattr__(self, "views", taken)
        object.__setattr__(self, "title", title)
        object.__setattr__(self, "schedule", schedule)
        object.__setattr__(self, "note", note or taken[-1].note)

    def __len__(self) -> int:
        return len(self.views)

    def __iter__(self) -> Iterator[View]:
        return iter(self.views)

    @overload
    def __getitem__(self, index: SupportsIndex) -> View: ...
    @overload
    def __getitem__(self, index: slice) -> Film: ...
    def __getitem__(self, index: SupportsIndex | slice) -> View | Film:
        """A view by its place in the film; a slice is a shorter film."""
        if isinstance(index, slice):
            return Film(self.views[index], title=self.title, schedule=self.schedule)
        return self.views[self._place(index)]

    def _place(self, index: SupportsIndex) -> int:
        try:
            return range(len(self.views))[index]
        except IndexError:
            count = len(self.views)
            raise BoundsError(
                f"view {index} of a film that has {count}: 0 to {count - 1}, or from the end"
            ) from None

    def __repr__(self) -> str:
        first, last = self.views[0].step, self.views[-1].step
        title = f" {plain(self.title)}" if self.title else ""
        note = f": {plain(self.note)}" if self.note else ""
        return f"<Film{title}, {len(self.views)} views, steps {first} to {last}{note}>"

    # ---- text ----

    def text(self) -> str:
        """The film in words: the first state whole, then what each step did and changed."""
        lines = [plain(self.title)] if self.title else []
        lines += [f"schedule: {plain(self.schedule)}"] if self.schedule else []
        before: View | None = None
        for view in self.views:
            lines += [*([""] if lines else []), *_view_lines(view, before)]
            before = view
        if self.note and self.note != self.views[-1].note:
            lines += ["", f"WRONG: {plain(self.note)}"]
        return "\n".join(lines) + "\n"

    __str__ = text

    # ---- PNG ----

    def png(self, file: str | os.PathLike[str] | IO[bytes] | None = None, step: int = -1) -> bytes:
        """One view as a PNG, 1,920 pixels wide; also written to the file, if one is given.

        step: place of the view in the film, as in ``film[step]``.
        """
        place = self._place(step)
        scene = Scene(self.views, self.title)
        return _write(file, _png([scene.shapes(place)], scene.width, scene.height, 1, 1.5))

    def strip(
        self,
        file: str | os.PathLike[str] | IO[bytes] | None = None,
        steps: Iterable[int] | None = None,
        *,
        frames: int = STRIP_FRAMES,
    ) -> bytes:
        """Several views side by side as a PNG, read row by row; also written to the file.

        steps: places in the film. Without them all, or as many as `frames` that say most: the
        first, the last, and between them those where most changed.
        """
        if frames < 2:
            raise OptionError(
                f"frames={frames}: a filmstrip has at least 2, the first and the last"
            )
        places = self._telling(frames) if steps is None else [self._place(step) for step in steps]
        if not places:
            raise OptionError("steps= names no view")
        scene = Scene(self.views, self.title, narrow=True)
        drawn = [scene.shapes(place, panels=False) for place in places]
        columns = min(len(drawn), 2 if len(drawn) <= 4 else 3)
        return _write(file, _png(drawn, scene.width, scene.strip_height, columns, 0.75))

    def _telling(self, frames: int) -> list[int]:
        """The places of a filmstrip."""
        count = len(self.views)
        if count <= frames:
            return list(range(count))

        def weight(place: int) -> tuple[int, int]:
            before, now = self.views[place - 1], self.views[place]
            change = changes(before, now)
            moved = len(change.objects) + len(change.pointers) + len(change.roots)
            return moved + 2 * (before.phase != now.phase) + 9 * (before.note != now.note), -place

        middle = sorted(range(1, count - 1), key=weight, reverse=True)[: frames - 2]
        return [0, *sorted(middle), count - 1]

    # ---- HTML ----

    def html(self, file: str | os.PathLike[str] | IO[str] | None = None) -> str:
        """A page to step through the film, by keys, buttons or a slider; also written to the file.

        It is one file that loads nothing. A picture is a list of numbers into one table of shapes,
        which a small script draws as SVG.
        """
        scene = Scene(self.views, self.title)
        numbers: dict[Shape, int] = {}
        frames = [
            [numbers.setdefault(shape, len(numbers)) for shape in scene.shapes(place)]
            for place in range(len(self.views))
        ]
        before = [None, *self.views]
        data = {
            "size": [scene.width, scene.height],
            "shapes": [
                [s.kind, s.style, [round(v, 1) for v in s.at], *([s.text] if s.text else [])]
                for s in numbers
            ],
            "frames": frames,
            "said": [_said(view) for view in self.views],
            "text": [
                "\n".join(_view_lines(now, then))
                for now, then in zip(self.views, before, strict=False)
            ],
        }
        values = {
            "TITLE": escape(plain(self.title) or "A heap, step by step"),
            "SCHEDULE": escape(plain(self.schedule)),
            "NOTE": escape(plain(self.note)),
            "LAST": str(len(self.views) - 1),
            "LIGHT": _css(0),
            "DARK": _css(1),
            "DATA": _json(data),
        }
        page = re.sub(r"@([A-Z]+)@", lambda mark: values[mark[1]], _template())
        if file is not None:
            if hasattr(file, "write"):
                file.write(page)
            else:
                write_whole(file, page)
        return page

    def _repr_html_(self) -> str:
        """The page in a frame of its own, as notebooks show it."""
        scene = Scene(self.views, self.title)
        ratio = f"{scene.width:.0f} / {scene.height + 150:.0f}"
        return (
            f'<iframe title="{escape(plain(self.title) or "A heap, step by step")}" '
            f'sandbox="allow-scripts" style="width: 100%; aspect-ratio: {ratio}; border: 0" '
            f'srcdoc="{escape(self.html())}"></iframe>'
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}


# ---- words ----


def view_text(view: View) -> str:
    """One view in words."""
    return "\n".join(_view_lines(view, None)) + "\n"


def view_bundle(view: View) -> dict[str, Any]:
    """What notebooks show of one view: its text, and a PNG where Matplotlib is installed."""
    from importlib.util import find_spec

    bundle: dict[str, Any] = {"text/plain": view_text(view)}
    if find_spec("matplotlib") is not None:
        bundle["image/png"] = Film([view]).png()
    return bundle


def _who(view: View) -> str:
    """The name of the actor that took the step, with its letter."""
    name = next((a.name for a in view.actors if a.letter == view.actor), "")
    return f"{plain(name)} ({plain(view.actor)})" if name else plain(view.actor)


def _said(view: View) -> str:
    """The step as one sentence, for a screen reader."""
    what = f"{_who(view)}: {plain(view.action)}" if view.action else "the beginning"
    by = f", by {plain(view.function)}" if view.function else ""
    wrong = f" Wrong: {plain(view.note)}" if view.note else ""
    return f"Step {view.step}, phase {view.phase}. {what}{by}.{wrong}"


def _listed(words: list[str]) -> str:
    more = len(words) - MOST_WORDS
    return ", ".join(words[:MOST_WORDS]) + (f", and {more:,} more" if more > 0 else "")


def _target(name: str | None) -> str:
    return "nil" if name is None else plain(name)


def _view_lines(view: View, before: View | None) -> list[str]:
    """A view in words: whole if there is none before it, else what is different."""
    what = f"{_who(view)}: {plain(view.action)}" if view.action else "the beginning"
    lines = [f"step {view.step}, {view.phase}: {what}"]
    if view.function:
        lines.append(f"  by {plain(view.function)}")
    parts = [
        ("objects" if before is None else "colours", _object_words(view, before)),
        ("pointers", _pointer_words(view, before)),
        ("roots", _root_words(view, before)),
    ]
    if before is None or before.queue != view.queue:
        parts.append(("queue", [plain(name) for name in view.queue] or ["empty"]))
    if before is None or before.buffers != view.buffers:
        parts.append(("buffers", _buffer_words(view)))
    lines += [f"  {name}: {_listed(words)}" for name, words in parts if words]
    lines += [f"  next {_actor_words(view, number)}" for number in range(len(view.actors))]
    if view.note:
        lines.append(f"  WRONG: {plain(view.note)}")
    return lines


def _object_words(view: View, before: View | None) -> list[str]:
    past = {o.name: o for o in before.objects} if before is not None else {}
    words = []
    for o in view.objects:
        was = past.pop(o.name, None)
        if was == o:
            continue
        extra = (" being scanned" if o.scanning else "") + (" LOST" if o.lost else "")
        if before is None:
            words.append(f"{plain(o.name)} {o.colour}{extra}")
        elif was is None:
            words.append(f"{plain(o.name)} new, {o.colour}{extra}")
        else:
            turn = o.colour if was.colour == o.colour else f"{was.colour} to {o.colour}"
            words.append(f"{plain(o.name)} {turn}{extra}")
    return words + [f"{plain(name)} freed" for name in past]


def _pointer_words(view: View, before: View | None) -> list[str]:
    past = {(p.source, p.field): p.target for p in before.pointers} if before is not None else None
    words = []
    for p in view.pointers:
        key = (p.source, p.field)
        if past is not None and key in past and past[key] == p.target:
            continue
        was = f" (was {_target(past[key])})" if past is not None and key in past else ""
        words.append(f"{plain(p.source)}.{plain(p.field)} = {_target(p.target)}{was}")
    return words


def _root_words(view: View, before: View | None) -> list[str]:
    past = roots_of(before) if before is not None else {}
    words = []
    for key, r in roots_of(view).items():
        was = past.pop(key, None)
        if was == r:
            continue
        place = f"{r.owner}: {r.name}" if r.owner else f"{r.kind} {r.name}"
        state = ("scanned" if r.scanned else "not scanned") + (", an orphan" if r.orphan else "")
        old = f", was {_target(was.target)}" if was and was.target != r.target else ""
        words.append(f"{plain(place)} = {_target(r.target)} ({state}{old})")
    return words + [f"{plain(' '.join(part for part in key[:3] if part))} gone" for key in past]


def _buffer_words(view: View) -> list[str]:
    return [
        f"{plain(b.mutator)} {len(b.entries)} of {b.capacity}"
        + (f" [{' '.join(plain(name) for name in b.entries)}]" if b.entries else "")
        for b in view.buffers
    ]


def _actor_words(view: View, number: int) -> str:
    actor = view.actors[number]
    head = f"{plain(actor.name)} ({plain(actor.letter)})"
    if actor.state == "ended":
        return f"{head}: has ended"
    if actor.state == "waiting":
        return f"{head}: waits for {plain(actor.waits_for) or 'others'}"
    by = f", by {plain(actor.function)}" if actor.function else ""
    return f"{head}: {plain(actor.next)}{by}"


# ---- HTML ----


def _template() -> str:
    from importlib.resources import files

    return (files("gcsim") / "data" / "film.html").read_text(encoding="utf-8")


def _json(data: object) -> str:
    """JSON that no HTML parser can mistake for markup."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=True)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _css(scheme: int) -> str:
    """The table of styles as rules; scheme 0 is light, 1 is dark."""
    rules = []
    for name, style in STYLES.items():
        fill, stroke = style.fill[scheme], style.stroke[scheme]
        rule = f"fill: {fill or 'none'};"
        if style.halo:
            ground = STYLES["ground"].fill[scheme]
            rule += f" stroke: {ground}; stroke-width: 4px; paint-order: stroke;"
        elif stroke:
            rule += f" stroke: {stroke}; stroke-width: {style.width}px;"
        if style.dash:
            rule += f" stroke-dasharray: {style.dash};"
        if style.size:
            family = "var(--mono)" if style.mono else "var(--sans)"
            rule += f" font: {700 if style.bold else 400} {style.size:g}px {family};"
        rules.append(f".{name} {{ {rule} }}")
    return "\n".join(rules)


# ---- PNG ----


def _write(file: str | os.PathLike[str] | IO[bytes] | None, content: bytes) -> bytes:
    if file is not None:
        if hasattr(file, "write"):
            file.write(content)
        else:
            write_whole(file, content)
    return content


def _png(
    frames: list[list[Shape]], width: float, height: float, columns: int, scale: float
) -> bytes:
    """Pictures of one size side by side; scale: pixels of the file for one of a picture."""
    from io import BytesIO

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    gap = 0.0 if len(frames) == 1 else 20.0
    rows = -(-len(frames) // columns)
    whole = columns * (width + gap) + gap, rows * (height + gap) + gap
    figure = Figure(figsize=(whole[0] / 100, whole[1] / 100), dpi=100 * scale, facecolor="#8a929c")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, whole[0])
    axes.set_ylim(whole[1], 0)
    axes.set_axis_off()
    order = 0
    for number, shapes in enumerate(frames):
        row, column = divmod(number, columns)
        dx, dy = gap + column * (width + gap), gap + row * (height + gap)
        for shape in shapes:
            order += 1
            _draw(axes, shape, dx, dy, order)
    drawn, out = BytesIO(), BytesIO()
    figure.savefig(drawn, format="png")
    # Few colours: with a palette it is a third as large. Pillow comes with Matplotlib.
    Image.open(drawn).convert("RGB").quantize(64).save(out, format="png", optimize=True)
    return out.getvalue()


def _draw(axes: Axes, shape: Shape, dx: float, dy: float, order: int) -> None:
    """One shape; 1 pixel of a picture is 0.72 points, whatever the resolution."""
    from matplotlib.patches import Circle, FancyBboxPatch, PathPatch, Polygon, Rectangle
    from matplotlib.path import Path

    style = STYLES[shape.style]
    x, y, *rest = shape.at
    x, y = x + dx, y + dy
    if shape.kind == "text":
        _draw_text(axes, shape, style, (x, y), order)
        return
    look: dict[str, Any] = {
        "facecolor": style.fill[0] or "none",
        "edgecolor": style.stroke[0] or "none",
        "linewidth": style.width * 0.72,
        "zorder": order,
    }
    if style.dash:
        ratio = style.dash / style.width
        look["linestyle"] = (0, (ratio, ratio))
    if shape.kind == "rect":
        w, h, radius = rest
        if radius:
            box = f"round,pad=0,rounding_size={min(radius, w / 2, h / 2)}"
            axes.add_patch(FancyBboxPatch((x, y), w, h, boxstyle=box, **look))
        else:
            axes.add_patch(Rectangle((x, y), w, h, **look))
    elif shape.kind == "circle":
        axes.add_patch(Circle((x, y), rest[0], **look))
    else:
        points = [(px + dx, py + dy) for px, py in zip(shape.at[::2], shape.at[1::2], strict=True)]
        if shape.kind == "poly":
            axes.add_patch(Polygon(points, **look))
        else:
            codes = [Path.MOVETO] + [Path.CURVE4] * 3
            codes = codes if shape.kind == "curve" else [Path.MOVETO, Path.LINETO]
            axes.add_patch(PathPatch(Path(points, codes), **look))


def _draw_text(axes: Axes, shape: Shape, style: Style, at: tuple[float, float], order: int) -> None:
    from matplotlib.patheffects import Stroke, withStroke

    effects: list[Stroke] = []
    if style.halo:
        effects.append(withStroke(linewidth=4 * 0.72, foreground=STYLES["ground"].fill[0]))
    axes.text(
        *at,
        shape.text,
        fontsize=style.size * 0.72,
        fontweight="bold" if style.bold else "normal",
        family="DejaVu Sans Mono" if style.mono else "DejaVu Sans",
        color=style.fill[0],
        ha={0: "left", 0.5: "center", 1: "right"}[shape.at[2]],
        va="baseline",
        parse_math=False,  # a "$" is a "$"
        path_effects=effects,
        zorder=order,
    )
