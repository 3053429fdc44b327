"""Which size class serves an allocation, and how large its slot is."""

from __future__ import annotations

import gcsim
from gcsim._quiz import types_of_go
from gcsim._quiz.dice import Dice
from gcsim._quiz.question import Question, number

_SOURCE = "runtime/malloc.go: mallocgc; internal/runtime/gc/sizeclasses.go"


def make(dice: Dice) -> Question | None:
    """A struct, an array of structs or bytes; allocated, and the heap is asked where it lies."""
    with gcsim.Heap(gogc=None, procs=1) as heap:
        if dice.chance(0.25):
            n = dice.pick(
                (dice.between(16, 300), dice.between(300, 4000), dice.between(4000, 33000))
            )
            what, made = f"b := make([]byte, {n})", heap.new_slice(gcsim.u8, n)
            held = f"{n} B without pointers"
        else:
            written, cls = types_of_go.struct(dice, dice.between(2, 6))
            n = dice.between(2, 60) if dice.chance(0.3) else 0
            made = heap.new_slice(cls, n) if n else heap.new(cls)
            what = f"{written}; {f's := make([]T, {n})' if n else 'p := new(T)'}"
            size = gcsim.sizeof(cls) * (n or 1)
            noscan = gcsim.layout(cls).ptr_bytes == 0
            held = f"{size} B {'without' if noscan else 'with'} pointers"
            if noscan and size < 16:
                return None  # shares a block: a question of another topic
        [found] = heap.objects()
    del made
    header = f" and its {found.header_bytes} B header" if found.header_bytes else ""
    kind, slot = found.span_class >> 1, found.slot_bytes
    where = (
        f"class {kind}, slots of {slot} B" if kind else f"too large for a class: {slot} B of pages"
    )
    why = f"{held}{header}: {where}"
    intro = f"`{what}` is allocated on the heap."
    if dice.chance(0.5):
        asked = "Which size class serves it (1 to 67; 0 if it gets a span of its own)?"
        return number(f"{intro} {asked}", kind, why=why, source=_SOURCE)
    asked = "How many bytes does its slot have (or its span, if it gets one of its own)?"
    return number(f"{intro} {asked}", slot, "bytes", why=why, source=_SOURCE)
