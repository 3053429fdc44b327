"""Which level of the allocator serves an allocation: mcache, mcentral or mheap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gcsim
from gcsim._quiz import types_of_go
from gcsim._quiz.dice import Dice
from gcsim._quiz.question import Question, choice

_TINY, _CACHE, _CENTRAL, _HEAP, _NONE = _LEVELS = (
    "the tiny block of the mcache",
    "a free slot of the mcache's span",
    "the mcentral, which hands out a span with free slots",
    "the mheap, which hands out pages for a new span",
    "none of them: it gets the shared zero address",
)
_WHY = {
    _TINY: "what is left of the block of 16 bytes is enough",
    _CACHE: "the span that the mcache holds for this class still has a free slot",
    _CENTRAL: (
        "the collection took the mcache's spans away (flushmcache); the swept span with free slots"
        " waits in the mcentral"
    ),
    _HEAP: "no span of this class and kind has a free slot, or the object gets one of its own",
    _NONE: "zero bytes need no memory: &zerobase",
}
_SOURCE = "runtime/malloc.go: mallocgc, nextFree; mcache.go: refill; mcentral.go: cacheSpan"
_SIZES = (128, 144, 160, 192, 240, 256, 320, 384, 480, 512)
_LARGE = 32768  # the largest slot

Allocate = Callable[[], Any]


def make(dice: Dice) -> Question | None:
    """A program up to one allocation; the heap's events say who served that one."""
    scene = dice.pick((_plain, _plain, _swept, _swept, _swept, _tiny, _other))
    with gcsim.Heap(gogc=None, procs=1) as heap:
        told, asked, allocate, kept = scene(dice, heap)
        kinds = ("span alloc", "span cache", "alloc tiny", "alloc", "alloc large")
        with heap.record(kinds=kinds) as events:
            last = allocate()
    del last, kept
    seen = {event.kind for event in events}
    answer = (
        _HEAP if "span alloc" in seen
        else _CENTRAL if "span cache" in seen
        else _TINY if "alloc tiny" in seen
        else _CACHE if seen
        else _NONE
    )  # fmt: skip
    text = (
        "A program has just begun, with one P and GOGC=off, and nothing else allocates."
        f" {told} Which level serves {asked}?"
    )
    return choice(text, answer, _LEVELS, why=_WHY[answer], source=_SOURCE)


def _objects(size: int, pointers: bool) -> tuple[Any, str]:
    """A type of that many bytes, and what its objects are called."""
    if pointers:
        rest = types_of_go.array(gcsim.u8, size - 8)
        kind = types_of_go.declare({"p": gcsim.ptr[gcsim.i64], "rest": rest})
        return kind, f"of {size} bytes with pointers"
    return types_of_go.array(gcsim.u8, size), f"of {size} bytes without pointers"


def _first(dice: Dice, heap: gcsim.Heap) -> tuple[Any, str, list[Any], int]:
    """A type, how its objects are called, the first of them, and the slots of its span."""
    made, called = _objects(dice.pick(_SIZES), dice.chance(0.6))
    kept = [heap.new(made)]
    [slots] = [span.nelems for span in heap.spans() if span.state == "in use"]
    return made, called, kept, slots


def _plain(dice: Dice, heap: gcsim.Heap) -> tuple[str, str, Allocate, Any]:
    """So many objects; and the next one."""
    made, called, kept, slots = _first(dice, heap)
    n = slots * dice.between(1, 4) + (0 if dice.chance(0.5) else dice.between(1, slots - 1))
    kept += [heap.new(made) for _ in range(n - 1)]
    told = f"It allocates {n} objects {called} (a span has {slots} slots for them) and keeps them."
    return told, "the next such object", lambda: heap.new(made), kept


def _swept(dice: Dice, heap: gcsim.Heap) -> tuple[str, str, Allocate, Any]:
    """Full spans, of which one loses some or all of its objects to a collection."""
    made, called, kept, slots = _first(dice, heap)
    spans = dice.between(2, 4)
    kept += [heap.new(made) for _ in range(slots * spans - 1)]
    gone = slots if dice.chance(0.2) else dice.between(1, min(slots - 1, 9))
    begin = dice.below(spans) * slots + dice.below(slots - gone + 1)
    del kept[begin : begin + gone]
    heap.collect()
    nth = dice.pick((1, 1, dice.between(1, gone), gone + 1))
    kept += [heap.new(made) for _ in range(nth - 1)]
    those = f"those from number {begin + 1} to number {begin + gone}"
    told = (
        f"It allocates {slots * spans} objects {called} (a span has {slots} slots for them), drops"
        f" {those if gone > 1 else f'number {begin + 1}'} and calls runtime.GC()."
    )
    asked = f"the {_nth(nth)} such object that it allocates after that"
    return told, asked, lambda: heap.new(made), kept


def _nth(n: int) -> str:
    if n % 100 in (11, 12, 13):
        return f"{n}th"
    return f"{n}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th') }"


def _tiny(dice: Dice, heap: gcsim.Heap) -> tuple[str, str, Allocate, Any]:
    """Objects that share blocks; and one more."""
    sizes = [dice.between(1, 12) for _ in range(dice.between(2, 5))]
    types = [types_of_go.array(gcsim.u8, size) for size in sizes]
    kept = [heap.new(t) for t in types[:-1]]
    calls = ", ".join(f"new([{size}]byte)" for size in sizes)
    told = f"It allocates on the heap, in this order, and keeps: {calls}."
    return told, "the last of these", lambda: heap.new(types[-1]), kept


def _other(dice: Dice, heap: gcsim.Heap) -> tuple[str, str, Allocate, Any]:
    """So many objects, and then one of another kind."""
    size, pointers = dice.pick(_SIZES), dice.chance(0.5)
    made, called = _objects(size, pointers)
    n = dice.between(1, 12)
    kept = [heap.new(made) for _ in range(n)]
    told = f"It allocates {n} objects {called} and keeps them."
    other, words = dice.pick(
        (
            (size, not pointers),
            (size - dice.between(1, 4) * 8 if pointers else size - dice.between(1, 15), pointers),
            (dice.pick(_SIZES), pointers),
            (dice.between(_LARGE + 1, 2 * _LARGE), pointers),
            (0, False),
        )
    )
    then, what = _objects(other, words)
    return told, f"one object {what} after that", lambda: heap.new(then), kept
