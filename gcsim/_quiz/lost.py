"""Which objects an unsound collector loses: the program moves pointers while it marks."""

from __future__ import annotations

from gcsim._explore import with_losses
from gcsim._quiz.dice import Dice
from gcsim._quiz.marking import FIELDS, Scene, marking, scene
from gcsim._quiz.question import Question, some

_BARRIERS = {
    "none": "There is no write barrier.",
    "dijkstra": (
        "Dijkstra's write barrier marks the new target of each store to a field or global; locals"
        " have none, and are not looked at again."
    ),
    "yuasa": "Yuasa's write barrier marks the old target of each store to a field or global.",
    "hybrid": (
        "Go's hybrid write barrier marks the old and the new target of each store to a field or"
        " global."
    ),
}
_SOURCE = "runtime/mbarrier.go (the comment on the hybrid barrier); mwbbuf.go: wbBufFlush1"


def make(dice: Dice) -> Question | None:
    """A stepped heap marks, is stopped in the middle for the program, and marks to its end."""
    drawn = scene(dice, dice.between(3, 6))
    barrier = dice.pick(("none",) * 5 + ("dijkstra",) * 4 + ("yuasa", "hybrid"))
    wanted = dice.between(1, FIELDS * len(drawn.fields) - 1)
    with marking(drawn) as m:
        if not m.look_at(wanted):
            return None
        looked, steps, before = m.looked, m.steps, m.cycle.view()
    white = {o.name for o in before.objects if o.colour == "white"}
    waiting = [
        (p.source, int(p.field), p.target)
        for p in before.pointers
        if p.target in white and f"{p.source}.{p.field}" not in looked
    ]
    if not waiting:
        return None
    program = _Program(drawn)
    program.hide(dice, *dice.pick(waiting)[:2])
    for _ in range(dice.below(3)):
        program.anything(dice)
    with marking(drawn, tuple(program.lines), barrier) as m:
        m.go_on(steps)
        m.run()
        view = with_losses(m.end())
    lost = frozenset(o.name for o in view.objects if o.lost)
    if not lost and dice.chance(0.75):
        return None  # else too many answers would be "none"
    marked = ", ".join(o.name for o in view.objects if o.colour != "white")
    unmarked = ", ".join(o.name for o in view.objects if o.colour == "white")
    why = (
        f"marked in the end: {marked}; not marked: {unmarked or 'none'}, of which are still"
        f" reachable: {', '.join(sorted(lost)) or 'none'}"
    )
    text = (
        f"{drawn} The locals x and y of the one goroutine are nil, and were scanned when marking"
        f" began. {_BARRIERS[barrier]} The collector has looked at {', '.join(looked)}, in this"
        f" order. Now the program does: {'; '.join(program.lines)}. Then the collector goes on to"
        " the end of marking. Which objects are lost: still reachable from globals or locals, and"
        " not marked?"
    )
    return some(text, lost, drawn.names, why=why, source=_SOURCE)


class _Program:
    """Loads and stores that never go through nil: what they leave is kept beside them."""

    def __init__(self, drawn: Scene) -> None:
        self.held: dict[str, int | None] = {"x": None, "y": None}
        self.fields = [list(row) for row in drawn.fields]
        self.globals: list[int | None] = list(drawn.globals)
        self.lines: list[str] = []

    def hide(self, dice: Dice, parent: str, i: int) -> None:
        """Takes the pointer out of a field, and puts it somewhere else or keeps it."""
        g, path = dice.pick(self._ways(ord(parent) - 65))
        self.load_global("x", g)
        for step in path:
            self.load("x", "x", step)
        self.load("y", "x", i)
        kept = dice.below(4)
        if kept == 0:
            self.store_global(dice.below(len(self.globals)), "y")
        self.store("x", i, None)
        if kept == 1 and self.globals[0] is not None:
            self.load_global("x", 0)
            self.store("x", dice.below(FIELDS), "y")
        elif kept == 2:
            self.store("x", 1 - i, "y")

    def _ways(self, to: int) -> list[tuple[int, tuple[int, ...]]]:
        """From each global that leads to the object, a shortest path of fields."""
        found = []
        for g, first in enumerate(self.globals):
            paths: dict[int, tuple[int, ...]] = {} if first is None else {first: ()}
            waiting = list(paths)
            for o in waiting:  # grows meanwhile
                for i, target in enumerate(self.fields[o]):
                    if target is not None and target not in paths:
                        paths[target] = (*paths[o], i)
                        waiting.append(target)
            if to in paths:
                found.append((g, paths[to]))
        return found

    def anything(self, dice: Dice) -> None:
        """One operation more, if the throw gives one."""
        v, at, i = dice.pick("xy"), dice.pick("xy"), dice.below(FIELDS)
        g, way, to = dice.below(len(self.globals)), dice.below(4), self.held[at]
        if way == 0 and self.globals[g] is not None:
            self.load_global(v, g)
        elif way == 1 and to is not None and self.fields[to][i] is not None:
            self.load(v, at, i)
        elif way == 2 and to is not None:
            self.store(at, i, dice.pick((v, None)))
        elif way == 3:
            self.store_global(g, dice.pick((v, None)))

    def load_global(self, v: str, g: int) -> None:
        self.held[v] = self.globals[g]
        self.lines.append(f"{v} = global {g}")

    def load(self, v: str, at: str, i: int) -> None:
        o = self.held[at]
        assert o is not None
        self.held[v] = self.fields[o][i]
        self.lines.append(f"{v} = {at}.{i}")

    def store(self, at: str, i: int, v: str | None) -> None:
        o = self.held[at]
        assert o is not None
        self.fields[o][i] = self.held[v] if v else None
        self.lines.append(f"{at}.{i} = {v or 'nil'}")

    def store_global(self, g: int, v: str | None) -> None:
        self.globals[g] = self.held[v] if v else None
        self.lines.append(f"global {g} = {v or 'nil'}")
