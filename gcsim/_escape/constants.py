"""Constant values: exact arithmetic as in go/constant, and how they are printed.

A value is a Python `bool`, `str` (bytes that are no UTF-8 as surrogates), `int`, `Fraction` (of a
float) or `Complex`. An int may stand for a float or complex constant, whose type is kept apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from .types import Basic, Type, quote


@dataclass(frozen=True)
class Complex:
    re: Fraction
    im: Fraction


Value = Any  # bool | str | int | Fraction | Complex

MOST_BITS = 4096  # a constant that needs more is refused; Go stops at 512


def fits(value: Value, type: Type) -> bool:
    """Whether the constant may have this basic type."""
    under = type.under
    if not isinstance(under, Basic):
        return False
    if isinstance(value, bool | str):
        return under.group == ("bool" if isinstance(value, bool) else "string")
    if under.group in ("int", "uint"):
        value = to_int(value)
        if value is None:
            return False
        if under.untyped:
            return True
        bits = under.bytes * 8
        low, high = (-(1 << bits - 1), 1 << bits - 1) if under.group == "int" else (0, 1 << bits)
        return bool(low <= value < high)
    if under.group == "float":
        return not isinstance(value, Complex) or value.im == 0
    return under.group == "complex"


def to_int(value: Value) -> int | None:
    """The value as an int if it is whole, else None."""
    if isinstance(value, Complex):
        if value.im != 0:
            return None
        value = value.re
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def convert(value: Value, type: Type) -> Value:
    """The value in the representation of this type; rounded if it is a float."""
    under = type.under
    if not isinstance(under, Basic) or isinstance(value, bool | str):
        return value
    if under.group in ("int", "uint"):
        return to_int(value)
    if under.group == "float":
        if isinstance(value, Complex):
            value = value.re
        value = Fraction(value)
        return value if under.untyped else _rounded(value, under.bytes)
    if under.group == "complex":
        if not isinstance(value, Complex):
            value = Complex(Fraction(value), Fraction(0))
        if under.untyped:
            return value
        return Complex(_rounded(value.re, under.bytes // 2), _rounded(value.im, under.bytes // 2))
    return value


def _rounded(value: Fraction, bytes: int) -> Fraction:
    try:
        number = float(value)
        if bytes == 4:
            import struct

            number = struct.unpack("f", struct.pack("f", number))[0]
        return Fraction(number)
    except OverflowError:
        return value


def _rank(value: Value) -> int:
    return 2 if isinstance(value, Complex) else 1 if isinstance(value, Fraction) else 0


def _match(x: Value, y: Value) -> tuple[Value, Value]:
    rank = max(_rank(x), _rank(y))

    def lift(v: Value) -> Value:
        if rank >= 1 and isinstance(v, int):
            v = Fraction(v)
        if rank == 2 and isinstance(v, Fraction):
            v = Complex(v, Fraction(0))
        return v

    return lift(x), lift(y)


def binary(op: str, x: Value, y: Value, integer: bool) -> Value:
    """x op y; None if it has no value (a division by zero, a number too long)."""
    if isinstance(x, bool):
        return {"&&": x and y, "||": x or y, "==": x == y, "!=": x != y}.get(op)
    if isinstance(x, str) and isinstance(y, str):
        return x + y if op == "+" else compare(op, _bytes(x), _bytes(y))
    if op in ("==", "!=", "<", "<=", ">", ">="):
        return compare(op, *_match(x, y))
    if op in ("<<", ">>"):
        x, y = to_int(x), to_int(y)
        if x is None or y is None or y < 0 or (op == "<<" and y > MOST_BITS):
            return None
        return x << y if op == "<<" else x >> y
    if op in ("&", "|", "^", "&^", "%") or (op == "/" and integer):
        x, y = to_int(x), to_int(y)
        if x is None or y is None:
            return None
        if op in ("%", "/"):
            if y == 0:
                return None
            quotient = abs(x) // abs(y)
            quotient = quotient if (x < 0) == (y < 0) else -quotient
            return quotient if op == "/" else x - quotient * y
        return {"&": x & y, "|": x | y, "^": x ^ y, "&^": x & ~y}[op]
    x, y = _match(x, y)
    if isinstance(x, Complex):
        return _complex(op, x, y)
    if op == "/":
        if y == 0:
            return None
        result: Value = Fraction(x) / Fraction(y)
    else:
        result = {"+": x + y, "-": x - y, "*": x * y}[op]
    if isinstance(result, int) and result.bit_length() > MOST_BITS:
        return None
    return result


def _complex(op: str, x: Complex, y: Complex) -> Complex | None:
    if op == "+":
        return Complex(x.re + y.re, x.im + y.im)
    if op == "-":
        return Complex(x.re - y.re, x.im - y.im)
    if op == "*":
        return Complex(x.re * y.re - x.im * y.im, x.re * y.im + x.im * y.re)
    size = y.re * y.re + y.im * y.im
    if size == 0:
        return None
    return Complex((x.re * y.re + x.im * y.im) / size, (x.im * y.re - x.re * y.im) / size)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def compare(op: str, x: Any, y: Any) -> bool | None:
    if op in ("==", "!="):
        return bool((x == y) == (op == "=="))
    if isinstance(x, Complex):
        return None
    return {"<": x < y, "<=": x <= y, ">": x > y, ">=": x >= y}.get(op)


def unary(op: str, x: Value, type: Type) -> Value:
    if op == "!":
        return not x
    if op == "+":
        return x
    if op == "-":
        return Complex(-x.re, -x.im) if isinstance(x, Complex) else -x
    x = to_int(x)  # ^
    under = type.under
    if x is not None and isinstance(under, Basic) and under.group == "uint" and not under.untyped:
        return x ^ ((1 << under.bytes * 8) - 1)
    return None if x is None else ~x


def number(text: str) -> Value:
    """The value of an integer, float or imaginary literal."""
    text = text.replace("_", "")
    if text.endswith("i"):
        inner = text[:-1]
        if inner.isdigit():
            return Complex(Fraction(0), Fraction(int(inner)))  # 0123i is decimal
        return Complex(Fraction(0), Fraction(number(inner)))
    lower = text.lower()
    if lower.startswith("0x"):
        if "p" in lower or "." in lower:
            return _hex_float(lower)
        return int(lower, 16)
    if lower.startswith("0b"):
        return int(lower, 2)
    if lower.startswith("0o"):
        return int(lower, 8)
    if lower.isdigit():
        return int(lower, 8) if len(lower) > 1 and lower[0] == "0" else int(lower)
    mantissa, _, exponent = lower.partition("e")
    if exponent and abs(int(exponent)) > 100_000:
        raise OverflowError(text)
    return Fraction(mantissa.rstrip(".") or "0") * Fraction(10) ** int(exponent or 0)


def _hex_float(lower: str) -> Fraction:
    mantissa, _, exponent = lower[2:].partition("p")
    whole, _, part = mantissa.partition(".")
    if abs(int(exponent or 0)) > 100_000:
        raise OverflowError(lower)
    value = Fraction(int(whole + part or "0", 16), 16 ** len(part))
    return value * Fraction(2) ** int(exponent or 0)


def text(value: Value, group: str = "") -> str:
    """As go/constant's String prints it: strings quoted and cut, floats with six digits."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        quoted = quote(value)
        if len(quoted) > 72:
            return quoted[:69] + "..."
        return quoted
    if isinstance(value, Complex):
        return f"({text(value.re)} + {text(value.im)}i)"
    if isinstance(value, Fraction) and value.denominator == 1 and group in ("int", "uint"):
        return str(int(value))
    if isinstance(value, int):
        return str(value)
    return _general(value)


def _general(value: Fraction) -> str:
    """C's %.6g, for exact numbers of any size."""
    if value == 0:
        return "0"
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if number != 0 and not math.isinf(number):
        return f"{number:.6g}"
    sign = "-" if value < 0 else ""
    magnitude = abs(value)
    exponent = len(str(magnitude.numerator)) - len(str(magnitude.denominator))
    while magnitude >= Fraction(10) ** (exponent + 1):
        exponent += 1
    while magnitude < Fraction(10) ** exponent:
        exponent -= 1
    mantissa = float(magnitude / Fraction(10) ** exponent)
    return f"{sign}{mantissa:.6g}e{exponent:+d}"
