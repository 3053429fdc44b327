"""Analyse layouts. README.md says how; replace each todo(...)."""

from __future__ import annotations

from gcsim.learn import todo

Type = str | tuple[int, "Type"] | dict[str, "Type"]

#: Size, alignment and pointer bitmap of the basic types. Of an interface, the second word is the
#: pointer that a collector follows (the first leads to a type, which no heap owns).
BASIC = {
    "bool": (1, 1, ""),
    "int8": (1, 1, ""),
    "int16": (2, 2, ""),
    "int32": (4, 4, ""),
    "int64": (8, 8, ""),
    "float64": (8, 8, ""),
    "complex128": (16, 8, ""),
    "*int64": (8, 8, "1"),
    "string": (16, 8, "1"),
    "[]byte": (24, 8, "1"),
    "any": (16, 8, "01"),
}

#: The slot sizes of Go's 67 size classes, smallest first, each with the pages of its spans.
# fmt: off
CLASSES = {
    8: 1, 16: 1, 24: 1, 32: 1, 48: 1, 64: 1, 80: 1, 96: 1, 112: 1, 128: 1, 144: 1, 160: 1, 176: 1,
    192: 1, 208: 1, 224: 1, 240: 1, 256: 1, 288: 1, 320: 1, 352: 1, 384: 1, 416: 1, 448: 1, 480: 1,
    512: 1, 576: 1, 640: 1, 704: 1, 768: 1, 896: 1, 1024: 1, 1152: 1, 1280: 1, 1408: 2, 1536: 1,
    1792: 2, 2048: 1, 2304: 2, 2688: 1, 3072: 3, 3200: 2, 3456: 3, 4096: 1, 4864: 3, 5376: 2,
    6144: 3, 6528: 4, 6784: 5, 6912: 6, 8192: 1, 9472: 7, 9728: 6, 10240: 5, 10880: 4, 12288: 3,
    13568: 5, 14336: 7, 16384: 2, 18432: 9, 19072: 7, 20480: 5, 21760: 8, 24576: 3, 27264: 10,
    28672: 7, 32768: 4,
}
# fmt: on


def describe(t: Type) -> tuple[int, int, str]:
    """Size and alignment of a type in bytes, and its pointer bitmap up to the last pointer.

    A type without pointers has the bitmap "".
    """
    todo("describe a type")


def padding(t: Type) -> list[tuple[str, int]]:
    """The fields with padding behind them and how many bytes of it there are, the most first."""
    todo("find the padding")


def improve(t: Type) -> Type:
    """The same type with the fields of all its structs in a better order."""
    todo("order the fields of all structs")


def bill(t: Type, n: int) -> dict[str, int]:
    """Where the bytes of the spans go that n objects of the type (1 or more) take: "fields",
    "padding", "slots", "free" and "ends"."""
    todo("add up the spans of n objects")
