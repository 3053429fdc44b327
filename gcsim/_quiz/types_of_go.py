"""Struct types as Go writes them, and as gcsim takes them."""

from __future__ import annotations

from typing import Any

import gcsim
from gcsim._quiz.dice import Dice

# As Go writes it, the type, and how often it is drawn.
_FIELDS: tuple[tuple[str, Any, int], ...] = (
    ("bool", gcsim.bool_, 3),
    ("int8", gcsim.i8, 1),
    ("int16", gcsim.i16, 2),
    ("uint16", gcsim.u16, 1),
    ("int32", gcsim.i32, 3),
    ("float32", gcsim.f32, 1),
    ("int64", gcsim.i64, 4),
    ("float64", gcsim.f64, 2),
    ("complex128", gcsim.c128, 1),
    ("string", gcsim.string, 2),
    ("*int64", gcsim.ptr[gcsim.i64], 3),
    ("[]byte", gcsim.slice_[gcsim.u8], 2),
    ("any", gcsim.iface, 1),
    ("map[string]int", gcsim.map_[gcsim.string, gcsim.i64], 1),
)
_POT = [(text, made) for text, made, often in _FIELDS for _ in range(often)]


def field(dice: Dice, largest: int) -> tuple[str, Any]:
    """One field's type: as Go writes it, and as gcsim takes it."""
    if largest and dice.chance(0.3):
        n = dice.between(2, largest)
        text, made = dice.pick((("byte", gcsim.u8), ("int32", gcsim.i32), ("int64", gcsim.i64)))
        return f"[{n}]{text}", array(made, n)
    return dice.pick(_POT)


def struct(dice: Dice, fields: int, largest: int = 40) -> tuple[str, Any]:
    """A struct type T of that many fields: its declaration in Go, and the class.

    largest: the most elements of an array field; 0: no arrays.
    """
    rows = [(f"f{i}", *field(dice, largest)) for i in range(1, fields + 1)]
    text = "; ".join(f"{name} {written}" for name, written, _ in rows)
    return f"type T struct {{ {text} }}", declare({name: made for name, _, made in rows})


def array(elem: Any, n: int) -> Any:
    """[n]elem."""
    made: Any = gcsim.array  # checkers take what is in its brackets for types
    return made[elem, n]


def declare(fields: dict[str, Any]) -> Any:
    """The class T with these fields."""
    return gcsim.struct(type("T", (), {"__annotations__": fields, "__module__": __name__}))
