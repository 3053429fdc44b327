"""How the tiny allocator packs small objects without pointers into blocks of 16 bytes."""

from __future__ import annotations

from typing import Any

import gcsim
from gcsim._quiz import types_of_go
from gcsim._quiz.dice import Dice
from gcsim._quiz.question import Question, choice, number

_BLOCK = 16
_SOURCE = "runtime/malloc.go: mallocgcTiny"
_WORDS: tuple[tuple[str, Any], ...] = (
    ("int8", gcsim.i8), ("int16", gcsim.i16), ("int32", gcsim.i32), ("int64", gcsim.i64),
    ("float32", gcsim.f32), ("float64", gcsim.f64), ("bool", gcsim.bool_),
)  # fmt: skip


def make(dice: Dice) -> Question | None:
    """Some allocations in a row; their addresses say which share a block, and where in it."""
    rows = [_type(dice) for _ in range(dice.between(3, 7))]
    with gcsim.Heap(gogc=None, procs=1) as heap:
        made = [heap.new(t) for _, t in rows]
        at = [gcsim.address(m) for m in made]
    del made
    blocks = [a // _BLOCK for a in at]
    order = {block: i for i, block in enumerate(dict.fromkeys(blocks))}
    places = [
        f"{text} at {a % _BLOCK} of block {order[a // _BLOCK]}"
        for (text, _), a in zip(rows, at, strict=True)
    ]
    why = "; ".join(places)
    calls = ", ".join(f"new({text})" for text, _ in rows)
    intro = f"The first allocations of a program, all of them kept and on the heap: {calls}."
    which = dice.below(3)
    if which == 0:
        asked = "How many 16-byte blocks of the tiny allocator do they take?"
        return number(f"{intro} {asked}", len(order), "blocks", why=why, source=_SOURCE)
    i = dice.between(1, len(rows) - 1)
    nth = f"number {i + 1}, the new({rows[i][0]})"
    if which == 1:
        asked = f"At which offset within its 16-byte block does {nth}, lie?"
        return number(f"{intro} {asked}", at[i] % _BLOCK, "bytes", why=why, source=_SOURCE)
    asked = f"Does {nth}, share its 16-byte block with the allocation before it?"
    answer = "yes" if blocks[i] == blocks[i - 1] else "no"
    return choice(f"{intro} {asked}", answer, ("yes", "no"), why=why, source=_SOURCE)


def _type(dice: Dice) -> tuple[str, Any]:
    if dice.chance(0.5):
        text, made = dice.pick(_WORDS)
        return text, made
    n = dice.between(2, 15)
    return f"[{n}]byte", types_of_go.array(gcsim.u8, n)
