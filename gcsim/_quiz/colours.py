"""Which objects are white, grey or black after some steps of marking."""

from __future__ import annotations

from gcsim._quiz.dice import Dice
from gcsim._quiz.marking import FIELDS, ORDER, marking, scene
from gcsim._quiz.question import Question, choice, number, some

_SOURCE = "runtime/mgcmark.go: gcDrain, greyobject; mgcwork.go: tryGetObj (last in, first out)"
_COLOURS = ("white", "grey", "black")


def make(dice: Dice) -> Question | None:
    """A stepped heap marks until it has looked at so many fields; its colours are read."""
    drawn = scene(dice, dice.between(4, 7))
    steps = dice.between(2, FIELDS * len(drawn.fields) - 1)
    with marking(drawn) as m:
        if not m.look_at(steps):
            return None
        view = m.cycle.view()
    of = {o.name: o.colour for o in view.objects}
    why = f"It looked at {', '.join(m.looked)}; " + "; ".join(
        f"{colour}: {', '.join(o for o, c in of.items() if c == colour) or 'none'}"
        for colour in _COLOURS
    )
    intro = (
        f"{drawn} {ORDER} An object is grey from its mark until its last field was looked at, then"
        f" black. The program stands still. The collector has looked at {steps} fields of objects."
    )
    which = dice.below(3)
    if which == 0:
        o = dice.pick(drawn.names)
        return choice(f"{intro} What colour is {o}?", of[o], _COLOURS, why=why, source=_SOURCE)
    colour = dice.pick(_COLOURS)
    those = frozenset(o for o, c in of.items() if c == colour)
    if which == 1:
        asked = f"How many objects are {colour}?"
        return number(f"{intro} {asked}", len(those), "objects", why=why, source=_SOURCE)
    asked = f"Which objects are {colour}?"
    return some(f"{intro} {asked}", those, drawn.names, why=why, source=_SOURCE)
