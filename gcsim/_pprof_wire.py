"""profile.proto on the wire: a `Profile` as bytes, and back.

Profiles need two kinds of protobuf's fields, numbers and bytes
(protobuf.dev/programming-guides/encoding); the numbers of the fields are those of
github.com/google/pprof/proto/profile.proto and src/runtime/pprof/proto.go.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from gcsim._errors import RangeError
from gcsim._pprof import (
    NO_TYPE,
    Binary,
    Label,
    Location,
    Profile,
    Sample,
    SampleType,
    StackFrame,
)

_U64 = 1 << 64


# --- writing -------------------------------------------------------------------------------------


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(tag: int, value: int) -> bytes:
    """A field that is a number; one that is 0 is not written."""
    if not -(_U64 // 2) <= value < _U64:
        raise RangeError(f"{value} does not fit the 64 bits that a profile has for it")
    return _varint(tag << 3) + _varint(value % _U64) if value else b""


def _bytes(tag: int, data: bytes) -> bytes:
    return _varint(tag << 3 | 2) + _varint(len(data)) + data


def _packed(tag: int, values: Iterable[int]) -> bytes:
    data = bytearray()
    for value in values:
        if not -(_U64 // 2) <= value < _U64:
            raise RangeError(f"{value} does not fit the 64 bits that a profile has for it")
        data += _varint(value % _U64)
    return _bytes(tag, bytes(data)) if data else b""


class Writer:
    """Numbers strings, binaries, functions and locations in the order of their first use."""

    def __init__(self, p: Profile) -> None:
        self.strings: dict[str, int] = {"": 0}
        self.binaries: dict[Binary, int] = {}
        self.functions: dict[tuple[str, str, str, int], int] = {}
        self.locations: dict[Location, int] = {}
        self.tables = bytearray()
        for binary in p.binaries:
            self.binary(binary)
        out = bytearray()
        for sample_type in p.sample_types:
            out += _bytes(1, self.value_type(sample_type))
        for sample in p.samples:
            out += _bytes(2, self.sample(sample))
        tail = _number(7, self.string(p.drop_frames)) + _number(8, self.string(p.keep_frames))
        tail += _number(9, p.time_ns) + _number(10, p.duration_ns)
        if p.period_type != NO_TYPE:
            tail += _bytes(11, self.value_type(p.period_type))
        tail += _number(12, p.period) + _packed(13, map(self.string, p.comments))
        tail += _number(14, self.string(p.default_type)) + _number(15, self.string(p.doc_url))
        out += self.tables
        for text in self.strings:
            out += _bytes(6, text.encode("utf-8", "backslashreplace"))
        self.data = bytes(out) + tail

    def string(self, text: str) -> int:
        return self.strings.setdefault(text, len(self.strings))

    def value_type(self, t: SampleType) -> bytes:
        return _number(1, self.string(t.type)) + _number(2, self.string(t.unit))

    def sample(self, sample: Sample) -> bytes:
        out = _packed(1, map(self.location, sample.stack)) + _packed(2, sample.values)
        for key, value, unit in sample.labels:
            label = _number(1, self.string(key))
            if isinstance(value, str):
                label += _number(2, self.string(value))
            else:
                label += _number(3, value) + _number(4, self.string(unit))
            out += _bytes(3, label)
        return out

    def binary(self, b: Binary) -> int:
        if b not in self.binaries:
            self.binaries[b] = number = len(self.binaries) + 1
            flags = (b.has_functions, b.has_filenames, b.has_line_numbers, b.has_inline_frames)
            out = _number(1, number) + _number(2, b.start) + _number(3, b.limit)
            out += _number(4, b.offset) + _number(5, self.string(b.file))
            out += _number(6, self.string(b.build_id))
            out += b"".join(_number(tag, int(flag)) for tag, flag in enumerate(flags, 7))
            self.tables += _bytes(3, out)
        return self.binaries[b]

    def function(self, frame: StackFrame) -> int:
        key = (frame.function, frame.system_name, frame.file, frame.start_line)
        if key not in self.functions:
            self.functions[key] = number = len(self.functions) + 1
            out = _number(1, number)
            for tag, text in enumerate(key[:3], 2):
                out += _number(tag, self.string(text))
            self.tables += _bytes(5, out + _number(5, frame.start_line))
        return self.functions[key]

    def location(self, location: Location) -> int:
        found = self.locations.get(location)
        if found is None:
            self.locations[location] = found = len(self.locations) + 1
            out = _number(1, found)
            if location.binary:
                out += _number(2, self.binary(location.binary))
            out += _number(3, location.address)
            for frame in location.frames:
                line = _number(1, self.function(frame)) + _number(2, frame.line)
                out += _bytes(4, line + _number(3, frame.column))
            self.tables += _bytes(4, out + _number(5, int(location.folded)))
        return found


# --- reading -------------------------------------------------------------------------------------


class Damaged(Exception):
    """What is wrong, and at which byte."""

    def __init__(self, offset: int, what: str) -> None:
        super().__init__(what)
        self.offset = offset


class _Field(NamedTuple):
    number: int
    value: int  # of a varint; else where the bytes begin
    end: int  # of the bytes; -1 for a number
    offset: int  # where the field begins


def _read_varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    if at < end and data[at] < 0x80:  # most are one byte long
        return data[at], at + 1
    value = shift = 0
    start = at
    while at < end:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >= _U64:
                break
            return value, at
        shift += 7
        if shift > 63:
            break
    else:
        raise Damaged(start, "a number is cut off")
    raise Damaged(start, "a number of more than 64 bits")


def _fields(data: bytes, at: int, end: int) -> Iterator[_Field]:
    while at < end:
        offset = at
        key, at = _read_varint(data, at, end)
        wire = key & 7
        if key >> 3 == 0:
            raise Damaged(offset, "a field without a number")
        if wire == 0:
            value, at = _read_varint(data, at, end)
            yield _Field(key >> 3, value, -1, offset)
            continue
        if wire == 2:
            size, at = _read_varint(data, at, end)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise Damaged(offset, f"a field of kind {wire}, which protobuf does not have")
        if size > end - at:
            raise Damaged(offset, f"a field of {size} bytes where {end - at} are left")
        yield _Field(key >> 3, at, at + size, offset)
        at += size


def _signed(value: int) -> int:
    return value - _U64 if value >= _U64 // 2 else value


class Reader:
    """Messages are found first, and read in the order in which they need one another."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        # Offsets alone: a file may have very many messages that say nothing.
        self.offsets = {number: array("Q") for number in range(1, 16)}
        for found in _fields(data, 0, len(data)):
            if found.number in self.offsets:
                self.offsets[found.number].append(found.offset)
        self.strings = [self.text(found) for found in self.each(6)]
        if self.strings[:1] not in ([], [""]):
            raise Damaged(self.offsets[6][0], "the first string is not empty")
        self.binaries: dict[int, Binary] = {}
        self.functions: dict[int, tuple[str, str, str, int]] = {}
        self.locations: dict[int, Location] = {}

    def each(self, number: int) -> Iterator[_Field]:
        """The fields of the profile with that number."""
        for offset in self.offsets[number]:
            yield next(_fields(self.data, offset, len(self.data)))

    def text(self, found: _Field) -> str:
        if found.end < 0:
            raise Damaged(found.offset, "a number where a text belongs")
        return self.data[found.value : found.end].decode("utf-8", "backslashreplace")

    def message(self, found: _Field) -> tuple[dict[int, int], dict[int, list[_Field]]]:
        """A message's numbers, the last of each, and all of its fields."""
        if found.end < 0:
            raise Damaged(found.offset, "a number where a message belongs")
        numbers: dict[int, int] = {}
        fields: dict[int, list[_Field]] = {}
        for inner in _fields(self.data, found.value, found.end):
            fields.setdefault(inner.number, []).append(inner)
            if inner.end < 0:
                numbers[inner.number] = inner.value
        return numbers, fields

    def numbers(self, found: Iterable[_Field]) -> Iterator[tuple[int, int]]:
        """A repeated number, packed or not, each with its byte."""
        for item in found:
            if item.end < 0:
                yield item.value, item.offset
                continue
            at = item.value
            while at < item.end:
                offset = at
                value, at = _read_varint(self.data, at, item.end)
                yield value, offset

    def string(self, index: int, offset: int) -> str:
        if index >= len(self.strings):
            if index == 0:
                return ""
            raise Damaged(offset, f"string {index} of {len(self.strings)}")
        return self.strings[index]

    def value_type(self, found: _Field) -> SampleType:
        n, _ = self.message(found)
        return SampleType(*(self.string(n.get(tag, 0), found.offset) for tag in (1, 2)))

    def new_id(self, table: dict[int, Any], numbers: dict[int, int], found: _Field) -> int:
        key = numbers.get(1, 0)
        if key == 0 or key in table:
            raise Damaged(found.offset, f"the number {key} is {'taken' if key else 'not allowed'}")
        return key

    def read_binaries(self) -> None:
        for found in self.each(3):
            n, _ = self.message(found)
            file, build_id = (self.string(n.get(tag, 0), found.offset) for tag in (5, 6))
            start, limit, offset = (n.get(tag, 0) for tag in (2, 3, 4))
            flags = (bool(n.get(tag, 0)) for tag in (7, 8, 9, 10))
            key = self.new_id(self.binaries, n, found)
            self.binaries[key] = Binary(start, limit, offset, file, build_id, *flags)

    def read_functions(self) -> None:
        for found in self.each(5):
            n, _ = self.message(found)
            name, system, file = (self.string(n.get(tag, 0), found.offset) for tag in (2, 3, 4))
            key = self.new_id(self.functions, n, found)
            self.functions[key] = (name, system, file, _signed(n.get(5, 0)))

    def frame(self, found: _Field) -> StackFrame:
        n, _ = self.message(found)
        function = self.functions.get(n.get(1, 0))
        if function is None:
            raise Damaged(found.offset, f"there is no function {n.get(1, 0)}")
        name, system, file, start = function
        return StackFrame(name, file, _signed(n.get(2, 0)), start, system, _signed(n.get(3, 0)))

    def read_locations(self) -> None:
        for found in self.each(4):
            n, fields = self.message(found)
            binary = n.get(2, 0)
            if binary and binary not in self.binaries:
                raise Damaged(found.offset, f"there is no mapping {binary}")
            frames = tuple(self.frame(line) for line in fields.get(4, ()))
            self.locations[self.new_id(self.locations, n, found)] = Location(
                frames, n.get(3, 0), self.binaries.get(binary), bool(n.get(5, 0))
            )

    def label(self, found: _Field) -> Label:
        n, _ = self.message(found)
        key = self.string(n.get(1, 0), found.offset)
        if n.get(2, 0):
            return Label(key, self.string(n[2], found.offset))
        return Label(key, _signed(n.get(3, 0)), self.string(n.get(4, 0), found.offset))

    def sample(self, found: _Field, types: int) -> Sample:
        _, fields = self.message(found)
        stack = []
        for key, offset in self.numbers(fields.get(1, ())):
            if key not in self.locations:
                raise Damaged(offset, f"there is no location {key}")
            stack.append(self.locations[key])
        values = tuple(_signed(value) for value, _ in self.numbers(fields.get(2, ())))
        if len(values) != types:
            raise Damaged(found.offset, f"a sample has {len(values)} values for {types} types")
        return Sample(values, tuple(stack), tuple(self.label(item) for item in fields.get(3, ())))

    def number(self, tag: int) -> tuple[int, int]:
        """A number of the profile itself: the last one, and its byte."""
        if not self.offsets[tag]:
            return 0, 0
        *_, last = self.each(tag)
        if last.end >= 0:
            raise Damaged(last.offset, "bytes where a number belongs")
        return last.value, last.offset

    def profile(self) -> Profile:
        self.read_binaries()
        self.read_functions()
        self.read_locations()
        types = tuple(self.value_type(found) for found in self.each(1))
        periods = [self.value_type(found) for found in self.each(11)]
        return Profile(
            types,
            tuple(self.sample(found, len(types)) for found in self.each(2)),
            tuple(self.binaries.values()),
            periods[-1] if periods else NO_TYPE,
            _signed(self.number(12)[0]),
            _signed(self.number(9)[0]),
            _signed(self.number(10)[0]),
            tuple(self.string(*item) for item in self.numbers(self.each(13))),
            *(self.string(*self.number(tag)) for tag in (14, 7, 8, 15)),
        )
