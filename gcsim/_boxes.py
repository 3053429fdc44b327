"""What ``heap.box`` and ``heap.closure`` need of types: what a Python value is by default in Go,
and the struct that a closure is."""

from __future__ import annotations

from collections.abc import Mapping
from sys import byteorder
from typing import Any

from gcsim import _core
from gcsim._errors import ConversionError, RangeError
from gcsim._types import TypeExpr, TypeInfo, anonymous_struct, c128, describe, ptr, uintptr

__all__ = ["boxing", "captured_by_value"]

# csrc/lib/iface.h:enum iface_way
_WAYS = (
    "the value is one pointer",
    "zerobase",
    "table of bytes",
    "read-only data",
    "stack temporary",
    "convT16",
    "convT32",
    "convT64",
    "convTstring",
    "convTslice",
    "convT",
)


def boxing(t: Any, /, *, escapes: bool = True, constant: bool = False) -> str:
    """How Go's compiler makes the data word when a value of type `t` becomes an interface.

    escapes   the interface may outlive the frame: where not, up to 1,024 bytes stay on the stack
    constant  the value is one

    It is one of "the value is one pointer", "zerobase", "table of bytes", "read-only data" and
    "stack temporary", none of which allocates; or the function of the run-time library that is
    called: "convT16", "convT32", "convT64" allocate from 256 on, "convTstring" and "convTslice"
    unless empty, "convT" and "convTnoptr" always (cmd/compile/internal/walk/convert.go:dataWord).
    """
    info = describe(t)
    way = _WAYS[_core.iface_way(info, constant, escapes)]
    return "convTnoptr" if way == "convT" and info.noscan else way


def type_of(value: object) -> TypeInfo:
    """The type that an untyped constant, or a value of the heap, has in Go by default."""
    if isinstance(value, _core.Slice):
        return describe(TypeExpr("slice", (value.elem,)))
    if isinstance(value, _core.Array):
        return describe(TypeExpr("array", (value.elem,), len(value)))
    if isinstance(value, _core.Func):
        return describe(TypeExpr("func"))
    if isinstance(value, _core.Ref):
        pointer: Any = ptr
        return describe(pointer[_core.typeof(value)])
    for python in (bool, int, float, str, bytes):
        if isinstance(value, python):
            return describe(python)
    if isinstance(value, complex):
        return describe(c128)
    raise ConversionError(
        f"an interface does not take {type(value).__name__}: references, slices, func values,"
        " numbers, bool, str and bytes; for any other type use heap.box(T, value)"
    )


def captured_by_value(t: Any, /, *, reassigned: bool = False, address_taken: bool = False) -> bool:
    """Whether Go's compiler captures a variable of type `t` by value, not by reference.

    reassigned     it is written after the closure was made
    address_taken  its address is taken

    So it does up to 128 bytes (cmd/compile/internal/escape/escape.go:flowClosure).
    """
    return _core.closure_by_value(describe(t).bytes, reassigned, address_taken)


def closure(
    heap: _core.Heap, name: str, types: Mapping[str, Any] | None, values: dict[str, Any]
) -> _core.Func:
    given = {} if types is None else dict(types)
    if unknown := given.keys() - values.keys():
        raise ConversionError(f"closure {name}: no value for {sorted(unknown)[0]!r}")
    if not values:
        return heap._func(_function(heap, name, (), ())[0], None)
    infos = {}
    for word, value in values.items():
        if isinstance(value, _core.Box) and word not in given:
            raise ConversionError(
                f"closure {name}: {word} is a Box: give its type, iface for an interface"
            )
        infos[word] = describe(given[word]) if word in given else type_of(value)
        if word != "R" and not _core.closure_by_value(infos[word].bytes, False, False):
            raise RangeError(
                f"closure {name}: {word} has {infos[word].bytes} bytes, and above 128 Go captures"
                " by reference: make the variable with heap.new and pass the reference"
            )
    code, shape = _function(heap, name, tuple(infos), tuple(infos.values()))
    assert shape is not None
    fields = {f"X{i}": value for i, value in enumerate(values.values())}
    return heap._func(code, heap.new(shape, F=code, **fields))


def _function(
    heap: _core.Heap, name: str, words: tuple[str, ...], infos: tuple[TypeInfo, ...]
) -> tuple[int, TypeInfo | None]:
    """The function's code, and the struct of its closures: one for all that are made alike.

    A row of the heap's table is (name, names and types of captures, struct, the code as a word);
    fields are X0, X1 ... as the compiler has them, for what is captured may have any name.
    """
    table = heap._functions
    for number, row in enumerate(table):
        if row[:3] == (name, words, infos):
            return number + 1, row[3]
    shape = None
    if words:
        fields: dict[str, Any] = {f"X{i}": info for i, info in enumerate(infos)}
        shape = anonymous_struct({"F": uintptr, **fields})
    code = len(table) + 1
    table.append((name, words, infos, shape, code.to_bytes(8, byteorder)))
    return code, shape


def captures(ref: Any, words: tuple[str, ...]) -> dict[str, Any]:
    return {word: getattr(ref, f"X{i}") for i, word in enumerate(words)}
