"""A flame graph of a profile's tree: one box for each function as called from one stack.

As Brendan Gregg has them (www.brendangregg.com/flamegraphs.html): a box is as wide as what was
counted in it and in what it called; what it called stands below it, as in ``go tool pprof -http``.
SVG and HTML need no package and no network; PNG needs Matplotlib.
"""

from __future__ import annotations

import html
import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gcsim._errors import OptionError
from gcsim._files import whole, write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from gcsim._pprof import Tree

_ROW = 18  # pixels
_LETTER = 7.0  # of the 12 pixel monospace font, at most
_DEEPEST = 256
_LEAST = 0.5  # pixels: what is narrower is not drawn


class FlameBox(NamedTuple):
    """A box: `x` and `width` are shares of the whole, `depth` counts from the root, 0."""

    x: float
    width: float
    depth: int
    name: str
    cum: int
    flat: int


@dataclass(frozen=True, slots=True, repr=False)
class FlameGraph:
    """What `Tree.flame_graph` drew. Immutable; notebooks show it."""

    boxes: tuple[FlameBox, ...]  #: callers first, each level from left to right
    total: int
    kind: str  #: the type of samples
    unit: str
    is_difference: bool  #: some values are negative: boxes are coloured by their sign
    hidden: int  #: boxes too narrow or too deep to be drawn

    def svg(self, width: int = 1200) -> str:
        """A picture that needs nothing else; for light and dark screens."""
        depth = 1 + max((box.depth for box in self.boxes), default=0)
        height = depth * _ROW + 2 * _ROW
        title = html.escape(_clean(self.title()))
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{title}"'
            f' viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
            ' style="max-width:100%;min-width:800px;height:auto">',
            f"<style>{_STYLE}</style>",
            f'<text class="t" x="4" y="14">{title}</text>',
        ]
        parts += (self._box(box, width) for box in self.boxes)
        return "\n".join([*parts, "</svg>\n"])

    def _box(self, box: FlameBox, width: int) -> str:
        x, w = box.x * width, box.width * width
        y = (box.depth + 1) * _ROW + 4
        label = _fitting(_clean(box.name), w)
        text = f'<text x="{x + 3:.2f}" y="{y + 13}">{html.escape(label)}</text>' if label else ""
        return (
            f'<g class="{self._colour(box)}"><title>{html.escape(_clean(self.told(box)))}</title>'
            f'<rect x="{x:.2f}" y="{y}" width="{max(w - 0.5, 0.3):.2f}" height="{_ROW - 1}"/>'
            f"{text}</g>"
        )

    def _colour(self, box: FlameBox) -> str:
        if self.is_difference:
            return "up" if box.cum > 0 else "down" if box.cum < 0 else "c0"
        return f"c{_shade(box.name)}"

    def told(self, box: FlameBox) -> str:
        """What a box says when it is pointed at."""
        from gcsim._pprof import percent_text, value_text

        def amount(value: int) -> str:
            share = percent_text(value, self.total).strip()
            return f"{value_text(value, self.unit, 'minimum')} ({share})"

        return f"{box.name}: {amount(box.cum)}, in itself {amount(box.flat)}"

    def title(self) -> str:
        """What is drawn, and what is not."""
        from gcsim._pprof import value_text

        said = f"{self.kind}: {value_text(self.total, self.unit, 'minimum')}"
        if self.is_difference:
            said += " changed; orange has grown, blue shrunk"
        return said + (f"; {self.hidden} boxes are too small to be drawn" if self.hidden else "")

    def html(self) -> str:
        """A page with the picture."""
        return (
            '<!doctype html><html lang="en"><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width"><meta name="color-scheme"'
            f' content="light dark"><title>{html.escape(_clean(self.title()))}</title>'
            f'<body style="margin:8px"><main tabindex="0"'
            f' style="overflow-x:auto">{self.svg()}</main></body></html>\n'
        )

    def write(self, file: str | os.PathLike[str]) -> None:
        """Writes .svg, .html, or with Matplotlib .png. Raises OptionError, OSError."""
        path = Path(file)
        if path.suffix == ".svg":
            write_whole(path, self.svg())
        elif path.suffix == ".html":
            write_whole(path, self.html())
        elif path.suffix == ".png":
            figure: Any = self.draw().figure
            with whole(path) as out:
                figure.savefig(out, dpi=150, format="png")
        else:
            raise OptionError(f"{path.name}: a flame graph is .svg, .html or .png")

    def draw(self, ax: Axes | None = None) -> Axes:
        """The boxes on Matplotlib axes, or on those of a new figure. Needs Matplotlib."""
        from matplotlib.patches import Rectangle

        from gcsim._pictures import new_axes

        depth = 1 + max((box.depth for box in self.boxes), default=0)
        axes = new_axes(12, 1 + 0.22 * min(depth, 100)) if ax is None else ax
        for box in self.boxes:
            colour = _LIGHT[self._colour(box)]
            axes.add_patch(
                Rectangle((box.x, box.depth), box.width, 0.95, facecolor=colour, edgecolor="white")
            )
            if label := _fitting(_clean(box.name), box.width * 1100):
                axes.text(
                    box.x + 0.002,
                    box.depth + 0.5,
                    label,
                    fontsize=7,
                    family="monospace",
                    verticalalignment="center",
                    parse_math=False,
                    clip_on=True,
                )
        axes.set(xlim=(0, 1), ylim=(depth, 0), title=_clean(self.title()))
        axes.set_axis_off()
        return axes

    def __repr__(self) -> str:
        return f"<flame graph of {self.kind}: {len(self.boxes)} boxes>"

    def _repr_html_(self) -> str:
        return self.svg()


def _shade(name: str) -> int:
    """One of 6, the same for all functions of a package."""
    package = name[: name.find(".", name.rfind("/") + 1)]
    return zlib.crc32(package.encode("utf-8", "replace")) % 6


# Colours of the boxes; black on the light ones and white on the dark ones have a contrast above 7.
_LIGHT = {
    "c0": "#f6c65b",
    "c1": "#f4a582",
    "c2": "#f0b6c8",
    "c3": "#c9d67e",
    "c4": "#a9d3c6",
    "c5": "#b9c7ee",
    "up": "#f4a261",
    "down": "#8fc1ec",
}
_DARK = {
    "c0": "#5e4708",
    "c1": "#6e3218",
    "c2": "#6b2a40",
    "c3": "#454f0d",
    "c4": "#1b5244",
    "c5": "#2b3f7c",
    "up": "#7a3c06",
    "down": "#124a78",
}


def _rules(colours: dict[str, str]) -> str:
    return "".join(f".{name} rect{{fill:{colour}}}" for name, colour in colours.items())


_STYLE = (
    "text{font:12px ui-monospace,monospace;fill:#000}rect:hover{stroke:currentColor}"
    + _rules(_LIGHT)
    + "@media(prefers-color-scheme:dark){text{fill:#fff}"
    + _rules(_DARK)
    + "}"
)


_NOT_XML = re.compile("[\0-\x1f\ud800-\udfff\ufffe\uffff]")


def _clean(text: str) -> str:
    """Without the characters that XML does not have."""
    return _NOT_XML.sub("\ufffd", text)


def _fitting(name: str, width: float) -> str:
    """As much of a name as a box has room for; nothing if that says nothing."""
    room = int((width - 6) / _LETTER)
    if len(name) > room:
        name = name[name.find(".", name.rfind("/") + 1) + 1 :]  # without its package
    if len(name) <= room:
        return name
    return f"{name[: room - 1]}…" if room >= 4 else ""


def flame_graph(tree: Tree, least: float = _LEAST / 1200) -> FlameGraph:
    """Boxes as wide as the sum of what was counted in them and above, whatever its sign."""
    nodes = list(tree.walk())
    weights: dict[int, int] = {}
    for _, node in reversed(nodes):
        weights[id(node)] = abs(node.flat) + sum(weights[id(c)] for c in node.children)
    total = weights[id(tree)]
    boxes: list[FlameBox] = []
    todo: list[tuple[int, float, Tree]] = [(0, 0.0, tree)] if total else []
    while todo:
        depth, x, node = todo.pop()
        width = weights[id(node)] / total
        if width < least or depth >= _DEEPEST:
            continue
        boxes.append(FlameBox(x, width, depth, node.name, node.cum, node.flat))
        for child in node.children:
            todo.append((depth + 1, x, child))
            x += weights[id(child)] / total
    return FlameGraph(
        tuple(sorted(boxes, key=lambda box: (box.depth, box.x))),
        total,
        tree.sample_type.type,
        tree.sample_type.unit,
        any(node.flat < 0 for _, node in nodes),
        sum(weights[id(node)] > 0 for _, node in nodes) - len(boxes),
    )
