"""What the maps of csrc/lib/map.c need to know of a key type: how it is compared and hashed.

The rules are those of Go's compiler (cmd/compile/internal/types, alg.go and size.go, and walk.go's
mapfast): which keys are plain memory, which have a fast routine, which cannot be keys.
"""

from __future__ import annotations

from gcsim._errors import NotThereYetError, TypeDefinitionError
from gcsim._types import TypeInfo

#: enum map_key of lib/map.h.
KEY_64, KEY_32, KEY_STRING, KEY_BYTES, KEY_OTHER = range(5)
#: enum map_part_kind.
PART_BYTES, PART_FLOAT32, PART_FLOAT64, PART_STRING = range(4)
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
    if alone.kind == "interface":  # two words, compared by no fast routine
        return KEY_BYTES, []
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
