"""Bytes that nobody uses: in slots, at the end of spans, behind the elements of a slice."""

from __future__ import annotations

from typing import Any

import gcsim
from gcsim._quiz import types_of_go
from gcsim._quiz.dice import Dice
from gcsim._quiz.question import Question, number

_SLOTS = "runtime/malloc.go: mallocgc; internal/runtime/gc/sizeclasses.go"
_SPANS = "runtime/mheap.go: initSpan; mbitmap.go: heapBitsInSpan; mgcmark_greenteagc.go"
_SLICES = "runtime/slice.go: growslice, nextslicecap"
_LARGE = 32768  # the largest slot
_ELEMENTS: tuple[tuple[str, Any], ...] = (
    ("byte", gcsim.u8), ("int16", gcsim.i16), ("int32", gcsim.i32), ("int64", gcsim.i64),
    ("complex128", gcsim.c128), ("*int64", gcsim.ptr[gcsim.i64]),
)  # fmt: skip


def make(dice: Dice) -> Question | None:
    """One of the three."""
    return dice.pick((_slots, _slots, _bytes, _slice, _slice, _span))(dice)


def _slots(dice: Dice) -> Question | None:
    written, cls = types_of_go.struct(dice, dice.between(2, 6))
    size, n = gcsim.sizeof(cls), dice.pick((1, dice.between(2, 100)))
    if size < 16:
        return None  # may share a block: a question of another topic
    with gcsim.Heap(gogc=None, procs=1) as heap:
        kept = [heap.new(cls) for _ in range(n)]
        taken = heap.memstats().heap_alloc
        header = next(heap.objects()).header_bytes
    del kept
    with_header = f" (of it {header} B the header with the type)" if header else ""
    why = f"T has {size} B and a slot of {taken // n} B{with_header}: {taken // n} - {size}"
    why += f", times {n}" if n > 1 else ""
    objects = f"{n} objects of it are" if n > 1 else "One object of it is"
    slots = "their slots do they" if n > 1 else "its slot does it"
    text = f"`{written}`. {objects} allocated on the heap. How many bytes of {slots} not use?"
    return number(text, taken - n * size, "bytes", why=why, source=_SLOTS)


def _bytes(dice: Dice) -> Question:
    n = dice.pick((dice.between(17, 600), dice.between(600, 8000), dice.between(8000, 60000)))
    with gcsim.Heap(gogc=None, procs=1) as heap:
        made = heap.new_slice(gcsim.u8, n)
        taken = heap.memstats().heap_alloc
    del made
    where = "a slot" if taken <= _LARGE else "pages"
    text = (
        f"`b := make([]byte, {n})` is allocated on the heap. How many bytes of the memory that it"
        " gets does it not use?"
    )
    return number(
        text, taken - n, "bytes", why=f"it gets {where} of {taken} B: {taken} - {n}", source=_SLOTS
    )


def _slice(dice: Dice) -> Question:
    written, elem = dice.pick(_ELEMENTS)
    n = dice.between(3, dice.pick((20, 80, 900)))
    with gcsim.Heap(gogc=None, procs=1) as heap:
        s = heap.new_slice(elem, 0)
        zero = heap.new_slice(elem, 1)[0]
        for _ in range(n):
            s = s.append(zero)
        room = s.cap
    del s, zero
    size = gcsim.sizeof(elem)
    text = (
        f"`var s []{written}` is a variable of the package. {n} times it says `s = append(s, v)`"
        " with one value v. How many bytes of the array behind s are then not in use (its capacity"
        " less its length, in bytes)?"
    )
    why = f"len {n}, cap {room}, elements of {size} B: ({room} - {n}) * {size}"
    return number(text, (room - n) * size, "bytes", why=why, source=_SLICES)


def _span(dice: Dice) -> Question:
    n, pointers = dice.between(17, dice.pick((500, 2000, 30000))), dice.chance(0.5)
    if pointers:
        n = -(-n // 8) * 8
        rest = types_of_go.array(gcsim.u8, n - 8)
        made = types_of_go.declare({"p": gcsim.ptr[gcsim.i64], "rest": rest})
    else:
        made = types_of_go.array(gcsim.u8, n)
    with gcsim.Heap(gogc=None, procs=1) as heap:
        kept = heap.new(made)
        [span] = [span for span in heap.spans() if span.state == "in use"]
    del kept
    kind = "with" if pointers else "without"
    text = (
        f"A span for objects of {n} bytes {kind} pointers: how many of its bytes belong to no slot"
        " (its bitmaps count among them)?"
    )
    why = f"{span.bytes} B, {span.nelems} slots of {span.slot_bytes} B"
    tail = span.bytes - span.nelems * span.slot_bytes
    return number(text, tail, "bytes", why=why, source=_SPANS)
