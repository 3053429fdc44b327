"""The graph of an analysis: locations and flows, as DOT, drawn by Graphviz or by gcsim itself."""

from __future__ import annotations

import html
import os
import shutil
import subprocess
from dataclasses import dataclass

from gcsim._files import write_whole

MOST_NODES = 2000  # of a picture


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A location: its name, the function it is in, whether it is on the heap, where it is."""

    id: int
    name: str
    function: str
    heap: bool
    line: int
    col: int


@dataclass(frozen=True, slots=True)
class GraphEdge:
    """``source`` flows to ``target`` after ``derefs`` dereferences; -1 is its address."""

    source: int
    target: int
    derefs: int
    why: str


@dataclass(frozen=True)
class EscapeGraph:
    """What flows where. ``nodes`` are locations; an edge of -1 stores an address."""

    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]

    def __repr__(self) -> str:
        return f"<EscapeGraph: {len(self.nodes)} locations, {len(self.edges)} flows>"

    def of(self, function: str) -> EscapeGraph:
        """The part of one function, with what it flows to and from."""
        own = {n.id for n in self.nodes if n.function == function}
        near = {e.source for e in self.edges if e.target in own} | {
            e.target for e in self.edges if e.source in own
        }
        kept = own | near
        return EscapeGraph(
            tuple(n for n in self.nodes if n.id in kept),
            tuple(
                e
                for e in self.edges
                if e.source in kept and e.target in kept and (e.source in own or e.target in own)
            ),
        )

    def dot(self) -> str:
        """Graphviz source: a box is on the heap, an ellipse on the stack; edges say * and &."""
        out = ["digraph escape {", "  rankdir=LR;", '  node [fontname="sans-serif"];']
        groups: dict[str, list[GraphNode]] = {}
        for node in self.nodes:
            groups.setdefault(node.function, []).append(node)
        for i, (function, nodes) in enumerate(groups.items()):
            inside = []
            for node in nodes:
                shape = "box" if node.heap else "ellipse"
                colour = ', style=filled, fillcolor="#f4c7a1"' if node.heap else ""
                where = f"\\n{node.line}:{node.col}" if node.line else ""
                name = _escaped(node.name)
                inside.append(f'n{node.id} [label="{name}{where}", shape={shape}{colour}];')
            if function:
                out.append(f'  subgraph cluster{i} {{ label="{_escaped(function)}";')
                out += ["    " + line for line in inside] + ["  }"]
            else:
                out += ["  " + line for line in inside]
        for edge in self.edges:
            label = "&" if edge.derefs < 0 else "*" * edge.derefs
            why = f" {edge.why}" if edge.why else ""
            out.append(f'  n{edge.source} -> n{edge.target} [label="{label}{_escaped(why)}"];')
        return "\n".join([*out, "}"]) + "\n"

    def svg(self) -> str:
        """The picture: by Graphviz's `dot` if there is one, else in plain layers."""
        if len(self.nodes) > MOST_NODES:
            return EscapeGraph(self.nodes[:MOST_NODES], self._among(MOST_NODES)).svg()
        program = shutil.which("dot")
        if program is not None:
            try:
                done = subprocess.run(
                    [program, "-Tsvg"],
                    input=self.dot(),
                    capture_output=True,
                    text=True,
                    timeout=60,
                    check=False,
                )
                if done.returncode == 0:
                    return done.stdout
            except (OSError, subprocess.TimeoutExpired):
                pass
        return self.plain_svg()

    def _among(self, count: int) -> tuple[GraphEdge, ...]:
        kept = {n.id for n in self.nodes[:count]}
        return tuple(e for e in self.edges if e.source in kept and e.target in kept)

    def plain_svg(self) -> str:
        """Layers from left (sources) to right (the heap), without Graphviz."""
        layer = {n.id: 0 for n in self.nodes}
        for _ in range(min(len(layer), 12)):
            for edge in self.edges:
                if edge.source in layer and edge.target in layer and edge.source != edge.target:
                    layer[edge.target] = max(layer[edge.target], min(layer[edge.source] + 1, 12))
        rows: dict[int, int] = {}
        place: dict[int, tuple[int, int]] = {}
        for node in self.nodes:
            column = layer[node.id]
            row = rows.get(column, 0)
            rows[column] = row + 1
            place[node.id] = (20 + column * 230, 20 + row * 56)
        width = 240 + max((x for x, _ in place.values()), default=0)
        height = 60 + max((y for _, y in place.values()), default=0)
        out = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
            ' font-family="sans-serif" font-size="11">',
            '<defs><marker id="a" markerWidth="8" markerHeight="8" refX="7" refY="3"'
            ' orient="auto"><path d="M0,0 L7,3 L0,6 z"/></marker></defs>',
        ]
        for edge in self.edges:
            if edge.source not in place or edge.target not in place:
                continue
            (x1, y1), (x2, y2) = place[edge.source], place[edge.target]
            label = "&" if edge.derefs < 0 else "*" * edge.derefs
            out.append(
                f'<line x1="{x1 + 180}" y1="{y1 + 16}" x2="{x2}" y2="{y2 + 16}"'
                ' stroke="#555" marker-end="url(#a)"/>'
                f'<text x="{(x1 + 180 + x2) // 2}" y="{(y1 + y2) // 2 + 12}">'
                f"{html.escape(label)}</text>"
            )
        for node in self.nodes:
            x, y = place[node.id]
            fill, round_ = ("#f4c7a1", 0) if node.heap else ("#e8eef4", 14)
            name = html.escape(node.name if len(node.name) < 28 else node.name[:27] + "…")
            tip = html.escape(f"{node.function} {node.name} {node.line}:{node.col}")
            out.append(
                f'<g><title>{tip}</title><rect x="{x}" y="{y}" width="180" height="32"'
                f' rx="{round_}" fill="{fill}" stroke="#333"/>'
                f'<text x="{x + 8}" y="{y + 20}">{name}</text></g>'
            )
        return "\n".join([*out, "</svg>"]) + "\n"

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the picture, or the DOT source if the name ends in `.dot` or `.gv`."""
        name = os.fspath(path)
        text = self.dot() if name.endswith((".dot", ".gv")) else self.svg()
        write_whole(name, text)

    def _repr_svg_(self) -> str:
        return self.svg()


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
