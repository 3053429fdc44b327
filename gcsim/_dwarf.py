"""Types of a Go program's package variables, from the DWARF of its binary.

pyelftools reads the entries (``pip install 'gcsim[go]'``); this module finds those that are wanted,
without the bodies of functions, and says what they mean in memory. What Go's linker adds to the
standard: cmd/internal/dwarf dwarf.go:DW_AT_go_kind and on; structs that it makes of the runtime's
own for each kind of map and channel: cmd/link dwarf.go:synthesizemaptypes, synthesizechantypes.
"""

from __future__ import annotations

import inspect
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from gcsim._errors import DumpFormatError, Error, HeapMemoryError, NotThereYetError

if TYPE_CHECKING:
    from elftools.dwarf.abbrevtable import AbbrevDecl
    from elftools.dwarf.compileunit import CompileUnit
    from elftools.dwarf.die import DIE
    from elftools.dwarf.dwarfinfo import DebugSectionDescriptor
    from elftools.elf.elffile import ELFFile

    from gcsim._elf import Globals

# A section may unpack to this, and to so many times its size more: a small file must not take all
# memory. Go's pack 2 to 5 times.
_ROOM, _TIMES = 1 << 26, 40
_DEEPEST = 64  # of types inside types by value
_LARGEST = 1 << 32  # of what lies in a heap: larger types are casts, never allocated
_GO, _ADDR = 0x16, 3  # DW_LANG_Go, DW_OP_addr
_KIND, _ELEM, _RUNTIME = 0x2900, 0x2902, 0x2904  # DW_AT_go_kind, go_elem, go_runtime_type
_NODE = "internal/sync.node["
_KINDS = {18: "chan", 20: "interface", 21: "map", 23: "slice", 24: "string"}  # abi.Kind


class GoField(NamedTuple):
    """One field of a struct."""

    name: str
    offset: int
    type: GoType


class GoType:
    """A type as `gcsim._snapshot_types` takes them: what it asks of a `TypeInfo`.

    A map is a pointer to the runtime's struct, and so is a channel. "trailed" is a struct without
    pointers behind which more may lie in the same object. instead: what an object of the type is
    if it does not fit. outside: it never lies in the heap, the collector sees no pointers to it
    (internal/runtime/sys nih.go:NotInHeap).
    """

    __slots__ = (
        "_elem",
        "_instead",
        "bytes",
        "count",
        "fields",
        "kind",
        "name",
        "noscan",
        "outside",
    )
    noscan: bool
    outside: bool

    def __init__(
        self,
        kind: str,
        name: str,
        size: int,
        *,
        fields: tuple[GoField, ...] = (),
        elem: GoType | Callable[[], GoType | None] | None = None,
        count: int | None = None,
        instead: GoType | Callable[[], GoType | None] | None = None,
    ) -> None:
        self.kind, self.name, self.count, self.fields = kind, name, count, fields
        self.bytes = size if 0 <= size < _LARGEST else 0
        self._instead, self._elem = instead, elem
        self.outside = name.endswith("sys.NotInHeap") or any(f.type.outside for f in fields)
        if kind == "array":
            self.noscan = not count or not isinstance(elem, GoType) or elem.noscan
        else:
            self.noscan = kind in ("scalar", "trailed") or (
                kind == "struct" and all(f.type.noscan for f in fields)
            )

    @property
    def elem(self) -> GoType | None:
        """What it leads to, or has side by side; read when it is first asked for, because types
        refer to themselves."""
        if callable(self._elem):
            self._elem = self._elem()
        return self._elem

    @property
    def instead(self) -> GoType | None:
        if callable(self._instead):
            self._instead = self._instead()
        return self._instead

    def field(self, name: str) -> GoType | None:
        return next((f.type for f in self.fields if f.name == name), None)

    def __repr__(self) -> str:
        return f"<GoType {self.name}: {self.kind}, {self.bytes} B>"


class Dwarf:
    """The package variables of a binary, and the types that they lead to."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._types: dict[int, GoType | None] = {}  # by place; None: being read
        self._all: list[tuple[int, str, int]] | None = None  # what _described found
        self._plans: dict[int, dict[int, _Plan]] = {}
        try:
            from elftools.elf.elffile import ELFFile
        except ImportError:
            raise NotThereYetError(
                "types are read with the package pyelftools: pip install 'gcsim[go]'"
            ) from None
        with open(path, "rb") as file, _understood(self.path):
            elf = ELFFile(file)
            self._open(elf)
            found = {address: (name, at) for address, name, at in self._variables()}
        self.variables: dict[int, tuple[str, int]] = found  # address -> name, place of the type

    def _open(self, elf: ELFFile) -> None:
        from elftools.dwarf.dwarfinfo import DwarfConfig, DWARFInfo

        names = "info", "abbrev", "str", "line_str", "addr", "str_offsets"
        found = {f"debug_{name}_sec": _section(elf, f".debug_{name}") for name in names}
        if found["debug_info_sec"] is None or found["debug_abbrev_sec"] is None:
            raise NotThereYetError(
                f"{self.path} has no DWARF (built with -ldflags=-w or -s, or stripped)"
            )
        self._stream = found["debug_info_sec"].stream
        self._data = self._stream.read()
        config = DwarfConfig(elf.little_endian, elf.get_machine_arch(), 8)
        every = list(inspect.signature(DWARFInfo).parameters)[1:]
        sections: dict[str, Any] = {name: found.get(name) for name in every}
        self._info = DWARFInfo(config, **sections)

    # ---- entries ----

    def _units(self) -> Iterator[CompileUnit]:
        for unit in self._info.iter_CUs():
            if _value(unit.get_top_DIE(), "DW_AT_language") == _GO:
                yield unit

    def _variables(self) -> Iterator[tuple[int, str, int]]:
        """(address, name, place of the type) of each package variable."""
        for unit in self._units():
            for at in self._entries(unit, lambda plan: plan.tag == "DW_TAG_variable"):
                die = self._die(unit, at)
                where = _value(die, "DW_AT_location")
                if not isinstance(where, list) or len(where) != 9 or where[0] != _ADDR:
                    continue
                address = int.from_bytes(bytes(where[1:]), "little")
                yield address, _text(die), _refers(die, "DW_AT_type")

    def _entries(self, unit: CompileUnit, wanted: Callable[[_Plan], bool]) -> Iterator[int]:
        """Places of the entries that are wanted right below a unit. What is deeper, functions' own
        variables and what was inlined into them, is most of all: it is jumped over unread."""
        data, at, depth = self._data, unit.cu_die_offset, 0
        end = min(unit.cu_offset + unit.size, len(data))
        plans = self._plans_of(unit)
        while at < end:
            start = at
            code, at = _uleb(data, at)
            if code == 0:  # the end of what is below an entry
                depth -= 1
                if depth <= 0:
                    return
                continue
            plan = plans[code]
            at = plan.behind(data, at)
            if depth == 1 and wanted(plan):
                yield start
            depth += plan.children
        if at > end:
            raise IndexError(f"an entry at {at:#x} goes on behind its unit")

    def _plans_of(self, unit: CompileUnit) -> dict[int, _Plan]:
        table = unit["debug_abbrev_offset"]
        if table not in self._plans:
            width = 4 if unit.dwarf_format() == 32 else 8
            abbrevs = unit.get_abbrev_table()._abbrev_map
            self._plans[table] = {code: _Plan(decl, width) for code, decl in abbrevs.items()}
        return self._plans[table]

    def _die(self, unit: CompileUnit, at: int) -> DIE:
        from elftools.dwarf.die import DIE

        return DIE(unit, self._stream, at)

    def _entry(self, at: int) -> tuple[CompileUnit, DIE]:
        if not 0 < at < len(self._data):
            raise ValueError(f"no entry lies at {at:#x}")
        unit = self._info.get_CU_containing(at)
        return unit, self._die(unit, at)

    def _described(self) -> list[tuple[int, str, int]]:
        """(place, name, offset of the runtime's description or 0) of each type that has its own
        entry for that."""
        if self._all is None:
            with _understood(self.path):
                self._all = [
                    (at, _text(die), int(_value(die, _RUNTIME)))
                    for unit in self._units()
                    for at in self._entries(unit, lambda plan: plan.described)
                    for die in (self._die(unit, at),)
                ]
        return self._all

    def dynamic(self, symbols: Globals) -> dict[int, int]:
        """What the first word of an interface says: the address of the runtime's description of
        a type, or of a type's table of methods -> the place of the type."""
        described = [row for row in self._described() if row[2]]
        found = {symbols.types + offset: at for at, _, offset in described}
        names = {name: at for at, name, _ in described}
        for address, name in symbols.itabs.items():  # "*main.square,main.shape"
            parts = name.split(",")
            heads = (",".join(parts[:i]) for i in range(1, len(parts)))
            place = next((names[head] for head in heads if head in names), None)
            if place is not None:
                found[address] = place
        return found

    # ---- types ----

    def type_at(self, at: int) -> GoType:
        """The type whose entry lies there."""
        known = self._types.get(at)
        if known is not None:
            return known
        with _understood(self.path):
            return self._read(at, 0)

    def _later(self, at: int) -> Callable[[], GoType | None] | None:
        return (lambda: self.type_at(at)) if at else None

    def _read(self, at: int, depth: int) -> GoType:
        """The type there, and by value what lies in it."""
        if at in self._types or depth > _DEEPEST:
            known = self._types.get(at)
            if known is None:
                raise ValueError(f"the type at {at:#x} lies in itself, or too deep")
            return known
        self._types[at] = None
        unit, die = self._entry(at)
        name, kind, elem = _text(die).removeprefix("noalg."), "", 0  # a group of a map is so named
        for _ in range(_DEEPEST):
            kind = kind or _KINDS.get(_value(die, _KIND), "")
            elem = elem or _refers(die, _ELEM)
            if die.tag != "DW_TAG_typedef" or kind == "interface":
                break
            unit, die = self._entry(_refers(die, "DW_AT_type"))
        known = self._types.get(die.offset)
        if known is not None and known.name == name:  # the one, with and without its typedef
            self._types[at] = known
            return known
        made = self._types[at] = self._types[die.offset] = self._made(
            unit, die, (name, kind, elem), depth
        )
        return made

    def _made(self, unit: CompileUnit, die: DIE, said: tuple[str, str, int], depth: int) -> GoType:
        """A type, typedefs looked through; said: what they said of its name, kind and element."""
        name, kind, elem = said
        size, inner = int(_value(die, "DW_AT_byte_size", 0)), _refers(die, "DW_AT_type")
        if kind == "interface":
            return GoType(kind, name, 16)
        if kind in ("slice", "string"):
            return GoType(kind, name, size, elem=self._later(elem) or _BYTE)
        if kind == "chan":
            return GoType("pointer", name, 8, elem=lambda: self._channel(inner, elem))
        if die.tag == "DW_TAG_pointer_type":
            kind = "pointer" if inner else "unsafe.Pointer"
            return GoType(kind, name, 8, elem=self._later(inner))
        if die.tag == "DW_TAG_subroutine_type":
            return GoType("func", name, 8)
        if die.tag == "DW_TAG_array_type":
            of = self._read(inner, depth + 1)
            counts = [int(_value(c, "DW_AT_count", 0)) for c in self._children(unit, die)]
            count = counts[0] if counts and 0 <= counts[0] * of.bytes < _LARGEST else 0
            return GoType("array", name, count * of.bytes, elem=of, count=count)
        if die.tag == "DW_TAG_structure_type":
            fields = self._fields(unit, die, size, depth)
            instead = (lambda: self._of_node(name)) if name.startswith(_NODE) else None
            return GoType("struct", name, size, fields=fields, instead=instead)
        return GoType("scalar", name, size)

    def _fields(self, unit: CompileUnit, die: DIE, size: int, depth: int) -> tuple[GoField, ...]:
        struct, fields = _text(die), []
        for child in self._children(unit, die):
            if child.tag != "DW_TAG_member":
                continue
            name, at = _text(child), int(_value(child, "DW_AT_data_member_location", 0))
            kind = self._read(_refers(child, "DW_AT_type"), depth + 1)
            if not 0 <= at <= at + kind.bytes <= size < _LARGEST:
                raise ValueError(f"{struct}.{name} goes beyond its struct")
            fields.append(GoField(name, at, _as_used(struct, name, kind)))
        return _marked(sorted(fields, key=lambda f: f.offset))

    def _of_node(self, name: str) -> GoType | None:
        """A sync.Map leads to nodes, which are first fields, of branches or of entries:
        internal/sync hashtriemap.go:node."""
        found = {said: at for at, said, _ in self._described()}
        both = [name.replace(_NODE, f"internal/sync.{what}[", 1) for what in ("indirect", "entry")]
        if not all(said in found for said in both):
            return None
        branch, entry = (self.type_at(found[said]) for said in both)
        return GoType("struct", branch.name, branch.bytes, fields=branch.fields, instead=entry)

    def _channel(self, struct: int, elem: int) -> GoType | None:
        """hchan<T>. Without a buffer, or if there are no pointers in T, it has no pointers for the
        collector and the buffer lies behind it: chan.go:makechan."""
        if not struct or not elem:
            return None
        whole, item = self.type_at(struct), self.type_at(elem)
        plain = GoType("trailed", whole.name, whole.bytes)
        if item.noscan:
            return plain
        fields = tuple(
            f._replace(type=GoType("slice", "", 8, elem=item)) if f.name == "buf" else f
            for f in whole.fields
        )
        return GoType("struct", whole.name, whole.bytes, fields=fields, instead=plain)

    def _children(self, unit: CompileUnit, die: DIE) -> Iterator[DIE]:
        """The entries right below one; those of types have none below them."""
        at = die.offset + die.size
        while die.has_children:
            child = self._die(unit, at)
            if child.is_null():
                return
            yield child
            at += child.size


_BYTE = GoType("scalar", "uint8", 1)


def value_in_word(kind: GoType) -> bool:
    """Whether an interface has such a value itself in its second word, not a pointer to it:
    cmd/compile types/type.go:IsDirectIface."""
    return kind.bytes == 8 and not kind.noscan


def _as_used(struct: str, field: str, kind: GoType) -> GoType:
    """Fields of maps are used otherwise than their types say: the groups of a table lie side by
    side, and so do the tables that a directory points to (internal/runtime/maps table.go:
    groupsReference, map.go:Map)."""
    if struct.startswith("groupReference<") and field == "data":
        return GoType("slice", kind.name, 8, elem=lambda: kind.elem)
    if struct.startswith("map<") and field == "dirPtr":
        return GoType("pointer", kind.name, 8, elem=lambda: _directory(kind.elem))
    return kind


def _marked(fields: list[GoField]) -> tuple[GoField, ...]:
    """sync/atomic.Pointer[T] is an unsafe pointer behind an empty array of *T, which is there to
    say what it leads to."""
    empty = [f.type for f in fields if f.type.kind == "array" and f.type.bytes == 0]
    kinds = [t.elem for t in empty if t.elem is not None and t.elem.kind == "pointer"]
    bare = [f for f in fields if f.type.kind == "unsafe.Pointer"]
    if len(kinds) != 1 or len(bare) != 1:
        return tuple(fields)
    return tuple(f._replace(type=kinds[0]) if f is bare[0] else f for f in fields)


def _directory(table: GoType | None) -> GoType | None:
    """A small map has no tables: its directory is the one group."""
    of = table.elem if table is not None else None
    groups = of.field("groups") if of is not None else None
    data = groups.field("data") if groups is not None else None
    group = data.elem if data is not None else None
    if group is None or group.kind != "struct":
        return table
    return GoType("struct", group.name, group.bytes, fields=group.fields, instead=table)


# ---- bytes ----

_FIXED = {
    **{f"DW_FORM_{name}": 0 for name in ("flag_present", "implicit_const")},
    **{f"DW_FORM_{name}": 1 for name in ("data1", "flag", "ref1", "strx1", "addrx1")},
    **{f"DW_FORM_{name}": 2 for name in ("data2", "ref2", "strx2", "addrx2")},
    **{f"DW_FORM_{name}": 3 for name in ("strx3", "addrx3")},
    **{f"DW_FORM_{name}": 4 for name in ("data4", "ref4", "strx4", "addrx4")},
    **{f"DW_FORM_{name}": 8 for name in ("addr", "data8", "ref8", "ref_sig8")},
    "DW_FORM_data16": 16,
}
_OFFSETS = {f"DW_FORM_{name}" for name in ("ref_addr", "sec_offset", "strp", "line_strp")}
_NUMBERS = {
    f"DW_FORM_{name}"
    for name in ("udata", "sdata", "ref_udata", "strx", "addrx", "loclistx", "rnglistx")
}
_BLOCKS = {"DW_FORM_block1": 1, "DW_FORM_block2": 2, "DW_FORM_block4": 4}
_VARYING = {"DW_FORM_exprloc", "DW_FORM_block"}


class _Plan:
    """How to get behind an entry of one abbreviation: bytes to jump, and forms of other lengths."""

    __slots__ = ("children", "described", "steps", "tag")

    def __init__(self, declared: AbbrevDecl, width: int) -> None:
        self.tag: str = declared["tag"]
        self.children = declared.has_children()
        specs: list[tuple[Any, str]] = list(declared.iter_attr_specs())
        self.described = any(name == _RUNTIME for name, _ in specs)
        self.steps: list[tuple[int, str]] = []  # so many bytes, then one of that form
        jump = 0
        for _, form in specs:
            if form in _FIXED or form in _OFFSETS:
                jump += _FIXED.get(form, width)
                continue
            self.steps.append((jump, form))
            jump = 0
        self.steps.append((jump, ""))

    def behind(self, data: bytes, at: int) -> int:
        for jump, form in self.steps:
            at += jump
            if form == "DW_FORM_string":
                at = data.index(0, at) + 1
            elif form in _NUMBERS:
                while data[at] >= 0x80:
                    at += 1
                at += 1
            elif form in _VARYING:
                size, at = _uleb(data, at)
                at += size
            elif form in _BLOCKS:
                width = _BLOCKS[form]
                at += width + int.from_bytes(data[at : at + width], "little")
            elif form:
                raise ValueError(f"{form} in the entry at {at:#x}")
        return at


def _uleb(data: bytes, at: int) -> tuple[int, int]:
    """The number there, and where what follows begins."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError(f"a number of more than 64 bits at {at:#x}")


def _value(die: DIE, name: str | int, default: Any = None) -> Any:
    attributes: dict[Any, Any] = die.attributes
    found = attributes.get(name)
    return default if found is None else found.value


def _text(die: DIE) -> str:
    name = _value(die, "DW_AT_name", b"")
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


def _refers(die: DIE, name: str | int) -> int:
    """The place of another entry; 0: none."""
    attributes: dict[Any, Any] = die.attributes
    found = attributes.get(name)
    if found is None:
        return 0
    return int(found.value) + (0 if found.form == "DW_FORM_ref_addr" else die.cu.cu_offset)


def _section(elf: ELFFile, name: str) -> DebugSectionDescriptor | None:
    from elftools.dwarf.dwarfinfo import DebugSectionDescriptor

    section = elf.get_section_by_name(name)
    if section is None or section["sh_type"] == "SHT_NOBITS":
        return None
    if section.data_size > _ROOM + _TIMES * section["sh_size"]:
        raise ValueError(f"{name} would unpack to {section.data_size:,} bytes")
    data = section.data()
    return DebugSectionDescriptor(io.BytesIO(data), name, None, len(data), 0)


@contextmanager
def _understood(path: str) -> Iterator[None]:
    """Whatever the package stumbles on in a damaged file is one error."""
    try:
        yield
    except Error:
        raise
    except MemoryError as error:
        raise HeapMemoryError(f"{path}: not enough memory to read its DWARF") from error
    except Exception as error:
        words = str(error) or type(error).__name__
        raise DumpFormatError(f"{path}: its DWARF cannot be understood: {words}") from error
