"""Go's maps: ``gcsim.Map``, and what csrc/lib/map.c needs to know of a type ``map[K]V``.

How keys are compared and hashed follows Go's compiler (cmd/compile/internal/types, alg.go and
size.go, and walk.go's mapfast): which are plain memory, which have a fast routine, which cannot
be keys.
"""

from __future__ import annotations

import functools
from collections.abc import ItemsView, Iterator, Mapping, MutableMapping, ValuesView
from itertools import islice
from typing import Any, TypeVar

from gcsim import _core
from gcsim._errors import Error, MissingKeyError, NotThereYetError, PanicError, TypeDefinitionError
from gcsim._types import TypeExpr, TypeInfo, anonymous_struct, describe, struct_info, to_expr

_SHOWN = 12  # entries in a repr
_K = TypeVar("_K")
_V = TypeVar("_V")

#: enum map_key of lib/map.h.
KEY_64, KEY_32, KEY_STRING, KEY_BYTES, KEY_OTHER = range(5)
#: enum map_part_kind.
PART_BYTES, PART_FLOAT32, PART_FLOAT64, PART_STRING, PART_INTERFACE = range(5)
MAX_PARTS = 64

_FLOATS = {
    "float32": (PART_FLOAT32, 4, 1),
    "float64": (PART_FLOAT64, 8, 1),
    "complex64": (PART_FLOAT32, 4, 2),
    "complex128": (PART_FLOAT64, 8, 2),
}
_Part = tuple[int, int, int]  # offset, bytes, kind


def key_plan(key: TypeInfo) -> tuple[int, list[_Part]]:
    """How a key of this type is compared: a number of ``KEY_*``, and its parts if it is KEY_OTHER.

    Raises TypeDefinitionError for a type that Go does not compare, NotThereYetError for one of too
    many parts.
    """
    alone = _alone(key)
    if alone.kind == "string":
        return KEY_STRING, []
    parts: list[_Part] = []
    whole = _add_parts(key, 0, parts, key)
    if len(parts) > MAX_PARTS:
        raise NotThereYetError(
            f"map keys of type {key.name} are compared in {len(parts)} parts, more than"
            f" {MAX_PARTS}: that is not there yet"
        )
    if not whole:
        return KEY_OTHER, parts
    if key.bytes == 8:
        return KEY_64, []
    return (KEY_32 if key.bytes == 4 else KEY_BYTES), []


def _alone(info: TypeInfo) -> TypeInfo:
    """A struct of one field, or an array of one element, is compared as what is in it."""
    while True:
        if info.kind == "struct" and len(info.fields) == 1 and info.fields[0].name != "_":
            info = info.fields[0].type
        elif info.kind == "array" and info.count == 1 and info.elem is not None:
            info = info.elem
        else:
            return info


def _add_parts(info: TypeInfo, at: int, parts: list[_Part], key: TypeInfo) -> bool:
    """Append the parts of a value at an offset; whether all of its bytes are plain memory."""
    if info.kind in ("slice", "map", "func"):
        inside = "" if info is key else f" (in {key.name})"
        raise TypeDefinitionError(
            f"invalid map key type {info.name}{inside}: Go does not compare such values; use a"
            " string, an array or a pointer"
        )
    if info.kind in _FLOATS:
        kind, size, count = _FLOATS[info.kind]
        parts += [(at + i * size, size, kind) for i in range(count)]
        return False
    if info.kind == "string":
        parts.append((at, 16, PART_STRING))
        return False
    if info.kind == "interface":
        parts.append((at, 16, PART_INTERFACE))
        return False
    if info.kind == "array":
        return _add_elements(info, at, parts, key)
    if info.kind == "struct":
        return _add_fields(info, at, parts, key)
    _add_memory(at, info.bytes, parts)
    return True


def _add_elements(info: TypeInfo, at: int, parts: list[_Part], key: TypeInfo) -> bool:
    elem = info.elem
    assert elem is not None and info.count is not None
    first: list[_Part] = []
    whole = _add_parts(elem, at, first, key)
    if whole:
        _add_memory(at, info.bytes, parts)
        return True
    for i in range(min(info.count, MAX_PARTS + 1)):
        for offset, size, kind in first:
            parts.append((offset + i * elem.bytes, size, kind))
    return info.count == 0


def _add_fields(info: TypeInfo, at: int, parts: list[_Part], key: TypeInfo) -> bool:
    whole, end = True, 0
    for field in info.fields:
        if field.name == "_":  # not compared, but of a type that can be
            _add_parts(field.type, 0, [], key)
            whole = False
            continue
        whole &= field.offset == end
        end = field.offset + field.type.bytes
        whole &= _add_parts(field.type, at + field.offset, parts, key)
    return whole and end == info.bytes


def _add_memory(at: int, size: int, parts: list[_Part]) -> None:
    if size == 0:
        return
    if parts and parts[-1][2] == PART_BYTES and sum(parts[-1][:2]) == at:
        at, before, _ = parts.pop()
        size += before
    parts.append((at, size, PART_BYTES))


# --- types ---------------------------------------------------------------------------------------

_INDIRECT_ABOVE = 128  # bytes (internal/abi, map.go: MapMaxKeyBytes, MapMaxElemBytes)


def map_info(key: Any, elem: Any) -> TypeInfo:
    """The type ``map[K]V`` of two types as the vocabulary writes them."""
    for given in (key, elem):
        describe(given)  # what is no type says so itself
    return describe(TypeExpr("map", (to_expr(key), to_expr(elem))))


def _slot(info: TypeInfo) -> TypeInfo:
    return describe(TypeExpr("pointer", (info,))) if info.bytes > _INDIRECT_ABOVE else info


@functools.cache
def _own_types() -> tuple[TypeInfo, TypeInfo, TypeInfo]:
    """Map, table, and a pointer of a directory, as lib/map.h lays them out."""
    u64, pointer = describe(TypeExpr("uint64")), describe(TypeExpr("unsafe.Pointer"))
    u16, u8 = describe(TypeExpr("uint16")), describe(TypeExpr("uint8"))
    table = anonymous_struct(
        {
            "used": u16,
            "capacity": u16,
            "growthLeft": u16,
            "localDepth": u8,
            "index": u64,
            "groups": pointer,
            "lengthMask": u64,
        },
        name="maps.table",
    )
    words = {"used": u64, "seed": u64, "dirPtr": pointer, "dirLen": u64}
    small = dict.fromkeys(("globalDepth", "globalShift", "writing", "tombstonePossible"), u8)
    mark = {"mark": describe(TypeExpr("uint32")), "clearSeq": u64}
    return anonymous_struct({**words, **small, **mark}, name="maps.Map"), table, pointer


def inside_info(info: TypeInfo) -> TypeInfo:
    """A map whose keys are compared as values of this type are in an interface.

    Raises PanicError, in Go's words, for a type that Go does not compare."""
    try:
        key_plan(info)
    except TypeDefinitionError:
        name = info.name.replace("[]byte", "[]uint8")  # Go's word for it at run time
        raise PanicError(f"runtime error: hash of unhashable type {name}") from None
    return map_info(info, TypeExpr("uint8"))


def plan(info: TypeInfo) -> tuple[tuple[TypeInfo, ...], int, tuple[_Part, ...]]:
    """For csrc/bind/map_bind.c: types of key, element, group, map, table and pointer; how keys are
    compared, and their parts."""
    key, elem = info.key, info.elem
    assert key is not None and elem is not None
    how, parts = key_plan(key)
    slot = struct_info("slot", [("key", _slot(key), False), ("elem", _slot(elem), False)])
    group = struct_info(
        f"map.group[{key.name}]{elem.name}",
        [
            ("ctrls", describe(TypeExpr("uint64")), False),
            ("slots", describe(TypeExpr("array", (slot,), 8)), False),
        ],
    )
    return (key, elem, group, *_own_types()), how, tuple(parts)


# --- gcsim.Map -----------------------------------------------------------------------------------


class MapValues(ValuesView[_V]):
    """The elements of a map, in an order of their own each time."""

    __slots__ = ()

    def __contains__(self, value: object) -> bool:
        return any(value is v or value == v for v in self)

    def __iter__(self) -> Iterator[_V]:
        return self._mapping._iter_values()  # type: ignore[attr-defined,no-any-return]


class MapItems(ItemsView[_K, _V]):
    """The entries of a map, in an order of their own each time."""

    __slots__ = ()

    def __iter__(self) -> Iterator[tuple[_K, _V]]:
        return self._mapping._iter_items()  # type: ignore[attr-defined,no-any-return]


class Map(_core.Map[_K, _V], MutableMapping[_K, _V]):
    """A Go map: what ``heap.new_map(K, V)`` makes, and what a field ``map_[K, V]`` reads as.

    It is a reference: all that refer to one map see the same entries, and they live as long as
    any does. As in Go it may be changed while it is iterated over; entries come in an order that
    begins somewhere else each time, each NaN is a key of its own, and a nil map reads as empty
    and raises PanicError when it is written to. Structs and arrays are read as copies. Keys of
    another sort than the map's raise ConversionError or RangeError, keys that are not there
    MissingKeyError (a KeyError).
    """

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def values(self) -> MapValues[_V]:
        """The elements."""
        return MapValues(self)

    def items(self) -> MapItems[_K, _V]:
        """The entries, as pairs."""
        return MapItems(self)

    def popitem(self) -> tuple[_K, _V]:
        """Take an entry away, any one; MissingKeyError if there is none."""
        for key, value in self.items():
            if key == key:  # a NaN can only be cleared
                del self[key]
                return key, value
        raise MissingKeyError("popitem(): there is no entry that can be deleted")

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Mapping):
            return NotImplemented
        if len(self) != len(other):
            return False
        try:
            return all(key in other and other[key] == value for key, value in self.items())
        except (Error, TypeError):  # keys of another sort are not there
            return False

    def __repr__(self) -> str:
        name = self.type.name
        if self._closed:
            return f"<{name} of a closed heap>"
        if not self.address:
            return f"<nil {name}>"
        try:
            return f"<{name} at {self.address:#x}, len {len(self)}: {{{self._shown()}}}>"
        except Error as error:
            return f"<{name} at {self.address:#x}: {error}>"

    def _shown(self) -> str:
        """Some entries, as fmt prints them: by rising key, where keys have an order."""
        entries: list[tuple[Any, Any]] = list(islice(self.items(), 10_000))
        try:
            entries.sort(key=lambda entry: entry[0])
        except TypeError:
            entries.sort(key=lambda entry: repr(entry[0]))
        shown = [f"{key!r}: {value!r}" for key, value in entries[:_SHOWN]]
        return ", ".join(shown + ["..."] * (len(self) > _SHOWN))
