"""Where the bytes of a type go: ``layout``, ``sizeof``, ``offsetof``, ``alignof``, ``size_class``.

Results are plain immutable values: numbers and names, no types, so they pickle and outlive all.
"""

from __future__ import annotations

from gcsim import _core
from gcsim._errors import ConversionError, RangeError, TypeDefinitionError
from gcsim._types import TypeInfo, _Immutable, describe, part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What _core.size_class returns, in its order.
_RULE = (
    "size_class",
    "tiny",
    "large",
    "header_bytes",
    "slot_bytes",
    "span_pages",
    "usable_bytes",
    "round_bytes",
    "objects",
)
_MASK_SHOWN = 64  # words of a pointer mask in a table


class _Value(_Immutable):
    """Equal by value, hashable, picklable; `__slots__` are the constructor's keywords."""

    __slots__: tuple[str, ...] = ()

    def __init__(self, **values: Any) -> None:
        if values.keys() != set(self.__slots__):
            raise TypeError(f"{type(self).__name__} takes {', '.join(self.__slots__)}")
        self._set(**values)

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Value) or type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __reduce__(self) -> tuple[Any, ...]:
        return (_remake, (type(self), self._values()))


def _remake(cls: type[_Value], values: tuple[Any, ...]) -> _Value:
    return cls(**dict(zip(cls.__slots__, values, strict=True)))


class SizeClass(_Value):
    """What the allocator does with a request of `bytes`; sizes in bytes.

    size_class   1..67; 0: a large object with a span of its own, or nothing at all (bytes == 0)
    slot_bytes   what one object takes; usable_bytes: without the header, round_bytes: to which
                 ``append`` rounds a capacity up
    header_bytes 8 if a type word precedes the object (scan, above 512 bytes)
    span_pages   8 KiB pages of a span, objects: how many it holds
    tiny         shares a 16-byte block with others (noscan, below 16 bytes): no slot of its own
    waste_bytes  slot_bytes - header_bytes - bytes; of a tiny object that of a block used alone
    """

    __slots__ = (
        "bytes",
        "header_bytes",
        "large",
        "noscan",
        "objects",
        "round_bytes",
        "size_class",
        "slot_bytes",
        "span_pages",
        "tiny",
        "usable_bytes",
    )
    bytes: int
    noscan: bool
    size_class: int
    tiny: bool
    large: bool
    header_bytes: int
    slot_bytes: int
    span_pages: int
    usable_bytes: int
    round_bytes: int
    objects: int

    @property
    def waste_bytes(self) -> int:
        return self.usable_bytes - self.bytes

    def __repr__(self) -> str:
        return f"SizeClass({self.bytes} B{', noscan' if self.noscan else ''}: {self._words()})"

    def _words(self) -> str:
        if self.bytes == 0:
            return "no memory, the shared zero address"
        if self.tiny:
            return "shares a 16 B block of the tiny allocator, class 2 noscan"
        header = f", {self.header_bytes} B of it header" if self.header_bytes else ""
        waste = f", {self.waste_bytes} B wasted"
        if self.large:
            return f"a span of its own, {self.span_pages} pages{waste}"
        slot = f"slot {self.slot_bytes} B{header}"
        return f"class {self.size_class}, {slot}, {self.objects} in a span{waste}"


class FieldLayout(_Value):
    """One row of a `Layout`: name, type (as Go writes it), offset, bytes, align, padding behind it,
    ptr_bytes and whether it is embedded."""

    __slots__ = ("align", "bytes", "embedded", "name", "offset", "padding", "ptr_bytes", "type")
    name: str
    type: str
    offset: int
    bytes: int
    align: int
    padding: int
    ptr_bytes: int
    embedded: bool

    def __repr__(self) -> str:
        behind = f", {self.padding} B padding" if self.padding else ""
        return f"FieldLayout({self.name} {self.type} at {self.offset}, {self.bytes} B{behind})"


class Layout(_Value):
    """Where the bytes of a type go, on amd64; sizes in bytes.

    fields      FieldLayout per field in order; padding: bytes between and behind fields, in all
    ptr_bytes   prefix that the collector scans; mask: "10.." one character per 8-byte word of it,
                None above 2^30 bytes
    size_class  a `SizeClass`: class, slot, waste
    best_order  field names in the order that Go's fieldalignment would use, best_bytes and
                best_ptr_bytes: what the struct has then; saving: bytes - best_bytes
    """

    __slots__ = (
        "align",
        "best_bytes",
        "best_order",
        "best_ptr_bytes",
        "bytes",
        "fields",
        "mask",
        "name",
        "ptr_bytes",
        "size_class",
    )
    name: str
    bytes: int
    align: int
    ptr_bytes: int
    mask: str | None
    fields: tuple[FieldLayout, ...]
    size_class: SizeClass
    best_order: tuple[str, ...]
    best_bytes: int
    best_ptr_bytes: int

    @property
    def padding(self) -> int:
        return sum(f.padding for f in self.fields)

    @property
    def saving(self) -> int:
        return self.bytes - self.best_bytes

    def __repr__(self) -> str:
        rule = self.size_class
        place = "tiny" if rule.tiny else "large" if rule.large else f"class {rule.size_class}"
        return (
            f"Layout({self.name}: {self.bytes} B, align {self.align}, {self.ptr_bytes} B to scan, "
            f"{self.padding} B padding, {place}, slot {rule.slot_bytes} B)"
        )

    def _summary(self) -> list[tuple[str, str]]:
        scan = "nothing" if self.ptr_bytes == 0 else f"the first {self.ptr_bytes} B"
        rows = [("size", f"{self.bytes} B, align {self.align}, {self.padding} B padding")]
        rows.append(("scanned", scan))
        if self.mask:
            more = "..." if len(self.mask) > _MASK_SHOWN else ""
            rows.append(("pointer mask", self.mask[:_MASK_SHOWN] + more))
        rows.append(("memory", self.size_class._words()))
        if self.fields and (self.saving or self.best_ptr_bytes < self.ptr_bytes):
            rows.append(("best order", ", ".join(self.best_order)))
            rows.append(
                (
                    "then",
                    f"{self.best_bytes} B, saves {self.saving} B; {self.best_ptr_bytes} B to scan",
                )
            )
        elif self.fields:
            rows.append(("best order", "as it is"))
        return rows

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (str(f.offset), str(f.bytes), str(f.align), str(f.padding or ""), f.name, f.type)
            for f in self.fields
        ]

    def __str__(self) -> str:
        lines = [self.name]
        if self.fields:
            head = ("offset", "size", "align", "padding", "field", "type")
            table = [head, *self._rows()]
            widths = [max(map(len, column)) for column in zip(*table, strict=True)]
            for row in table:
                cells = [
                    c.rjust(w) if i < 4 else c.ljust(w)
                    for i, (c, w) in enumerate(zip(row, widths, strict=True))
                ]
                lines.append("  " + "  ".join(cells).rstrip())
        lines += [f"  {what}: {how}" for what, how in self._summary()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        import html

        head = "".join(
            f"<th>{h}</th>" for h in ("offset", "size", "align", "padding", "field", "type")
        )
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>"
            for row in self._rows()
        )
        table = (
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
            if self.fields
            else ""
        )
        facts = "".join(f"<li>{what}: {html.escape(how)}</li>" for what, how in self._summary())
        return f"<div><b>{html.escape(self.name)}</b>{table}<ul>{facts}</ul></div>"


def sizeof(type_or_expr: Any) -> int:
    """Bytes of a value of this type, as ``unsafe.Sizeof`` (without the allocator's rounding)."""
    return describe(type_or_expr).bytes


def alignof(type_or_expr: Any) -> int:
    """Alignment in bytes, as ``unsafe.Alignof``."""
    return describe(type_or_expr).align


def offsetof(type_or_expr: Any, field: str) -> int:
    """Bytes from the start of the struct to a field, as ``unsafe.Offsetof``; fields of embedded
    structs count from the outer struct. Raises TypeDefinitionError if there is no such field."""
    info = describe(type_or_expr)
    if info.kind != "struct":
        raise TypeDefinitionError(f"{info.name} is no struct, so it has no fields")
    found = info.field(field)
    if found is None:
        names = ", ".join(f.name for f in info.fields if f.name != "_") or "none"
        raise TypeDefinitionError(f"{info.name} has no field {field!r}; its fields: {names}")
    return found.offset


def size_class(bytes: int, noscan: bool = False) -> SizeClass:
    """What Go's allocator does with a request of `bytes`; noscan: it holds no pointers.

    Raises RangeError for a negative size or one above 2^40, ConversionError for what is no int.
    """
    if not isinstance(bytes, int) or isinstance(bytes, bool):
        raise ConversionError(f"a size is an int, not {type(bytes).__name__}")
    if bytes < 0:
        raise RangeError(f"{bytes} is no size")
    try:
        rule = _core.size_class(bytes, bool(noscan))
    except OverflowError:
        raise RangeError(f"{bytes} bytes are more than an object may have (2^40)") from None
    return SizeClass(bytes=bytes, noscan=bool(noscan), **dict(zip(_RULE, rule, strict=True)))


def layout(type_or_expr: Any, *, noscan: bool | None = None) -> Layout:
    """Everything about where the bytes of a type go: offsets, padding, pointers, size class, waste
    and the best order of fields.

    noscan: None takes it from the type; True or False asks for the size class as if the type had
    no pointers, or had some.
    """
    info = describe(type_or_expr)
    parts = [part(f.type) for f in info.fields]
    order = _core.layout_best_order(parts)
    best = _core.layout_struct([parts[i] for i in order])[1:4] if parts else None
    best_bytes, _, best_ptr_bytes = best or (info.bytes, info.align, info.ptr_bytes)
    ends = [f.offset for f in info.fields[1:]] + [info.bytes]
    fields = tuple(
        FieldLayout(
            name=f.name,
            type=f.type.name,
            offset=f.offset,
            bytes=f.type.bytes,
            align=f.type.align,
            padding=end - f.offset - f.type.bytes,
            ptr_bytes=f.type.ptr_bytes,
            embedded=f.embedded,
        )
        for f, end in zip(info.fields, ends, strict=bool(info.fields))
    )
    return Layout(
        name=info.name,
        bytes=info.bytes,
        align=info.align,
        ptr_bytes=info.ptr_bytes,
        mask=mask_text(info),
        fields=fields,
        size_class=size_class(info.bytes, info.noscan if noscan is None else noscan),
        best_order=tuple(info.fields[i].name for i in order),
        best_bytes=best_bytes,
        best_ptr_bytes=best_ptr_bytes,
    )


def mask_text(info: TypeInfo) -> str | None:
    """The pointer mask with one character per 8-byte word, None where it would be too long."""
    try:
        mask = info.mask
    except RangeError:
        return None
    words = info.ptr_bytes // 8
    return "".join(f"{byte:08b}"[::-1] for byte in mask)[:words]
