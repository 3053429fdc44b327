"""Replaying what Go's slices, strings, Builder and Buffer asked of its allocator, row by row.

What gcsim's are (csrc/lib) does the same operations on a heap; what that was asked for is read
from a recording of the heap's own (event "alloc request"), and the slots from the heap.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from gcsim._errors import DumpFormatError, Error

if TYPE_CHECKING:
    from gcsim._conform import Conformance
    from gcsim.lowlevel import Asked

_Row = dict[str, str]

_TINY_BYTES = 16
_COLLECT_BYTES = 64 << 20  # of dead objects
_OK = 0


def _wanted(text: str) -> list[tuple[int, int | str, bool | None]]:
    """``1024:1024 13:tinyn``: request, slot or "tiny", noscan if it is told."""
    out: list[tuple[int, int | str, bool | None]] = []
    for item in text.split():
        noscan = {"n": True, "s": False}.get(item[-1])
        request, slot = (item if noscan is None else item[:-1]).split(":")
        out.append((int(request), slot if slot == "tiny" else int(slot), noscan))
    return out


def _same(asked: list[Asked], wanted: list[tuple[int, int | str, bool | None]]) -> bool:
    """Whether the requests are the same. Whether tiny ones share a block is up to those before."""
    return len(asked) == len(wanted) and all(
        a.request == request
        and (a.slot == slot or (slot == "tiny" and a.noscan and a.request < _TINY_BYTES))
        and noscan in (None, a.noscan)
        for a, (request, slot, noscan) in zip(asked, wanted, strict=True)
    )


def _differences(ours: dict[str, Any], row: _Row) -> list[str]:
    return [
        f"{name}: gcsim {value}, Go {row[name]}"
        for name, value in ours.items()
        if str(value) != row[name]
    ]


def _alloc_difference(asked: list[Asked], wanted: list[Any]) -> list[str]:
    if _same(asked, wanted):
        return []
    told = [(a.request, a.slot, a.noscan) for a in asked]
    return [f"allocations: gcsim {told}, Go {wanted}"]


def _one_alloc(row: _Row) -> list[Any]:
    """The columns alloc_bytes and slot_bytes."""
    if row["alloc_bytes"] == "0":
        return []
    noscan = row["noscan"] == "1" if "noscan" in row else True
    slot = row["slot_bytes"]
    return [(int(row["alloc_bytes"]), slot if slot == "tiny" else int(slot), noscan)]


class _Replay:
    """A heap for operations of csrc/lib. Nothing is collected before `rest`."""

    def __init__(self) -> None:
        from gcsim import lowlevel

        self.calls = lowlevel.calls
        self.ffi = lowlevel.ffi
        self.heap = lowlevel.RawHeap(gc_percent=-1, reserve_bytes=1 << 33)
        self.m = self.heap.mutator
        self.byte = self.heap.type_of(1, False)
        self.rune = self.heap.type_of(4, False)
        self._dead = 0

    def words(self, n: int) -> Any:
        return self.ffi.new("uint64_t[]", n)

    @staticmethod
    def text(count: int) -> bytes:
        return bytes(itertools.islice(itertools.cycle(b"the quick brown fox "), count))

    def do(self, status: int) -> None:
        if status != _OK:
            raise Error(self.heap._status(status))

    def in_heap(self, words: int) -> Any:
        """Zeroed words in the heap, a root."""
        address = self.heap.allocate(8 * words, True)
        self.heap.keep(address)
        return self.ffi.cast("uint64_t *", address)

    def string(self, data: bytes) -> Any:
        out = self.words(2)
        self.do(self.calls.string_make(self.m, self.byte, data, len(data), out))
        return out

    def rest(self, asked: list[Asked], more_bytes: int = 0) -> None:
        """Now and then, between rows whose objects nobody needs any more."""
        self._dead += sum(a.slot for a in asked) + more_bytes
        if self._dead > _COLLECT_BYTES:
            self.heap.collect()
            self._dead = 0


# --- slices --------------------------------------------------------------------------------------


def _slice_type(replay: _Replay, row: _Row) -> Any:
    size, scan = int(row["elem_size"]), row["noscan"] == "0"
    if scan and size % 8:
        raise DumpFormatError(f"elements of {size} bytes cannot have pointers")
    return replay.heap.type_of(size, scan)


def replay_append1(rows: Iterator[_Row], result: Conformance) -> None:
    """slice-append1.csv: one element at a time, from nil; each change of the capacity."""
    replay, kind, s = _Replay(), ("", ""), None
    _, length, cap = range(3)
    one = replay.words(3)
    for row in rows:
        after = int(row["len_after"])
        if (row["elem_size"], row["noscan"]) != kind or s is None or s[length] >= after:
            kind = (row["elem_size"], row["noscan"])
            elem, s = _slice_type(replay, row), replay.words(3)
            replay.do(replay.calls.slice_make(replay.m, elem, 1, 1, one))
        replay.heap.watch()
        while s[length] < after - 1:
            replay.do(replay.calls.slice_append(replay.m, elem, s, one))
        ours = {"len_after": after, "old_cap": s[cap]}
        replay.do(replay.calls.slice_append(replay.m, elem, s, one))
        ours["new_cap"] = s[cap]
        asked = replay.heap.asked()
        differences = _differences(ours, row) + _alloc_difference(asked, _one_alloc(row))
        result.check_row(f"{kind[0]} bytes, noscan {kind[1]}, length {after}:", differences)


def replay_appendk(rows: Iterator[_Row], result: Conformance) -> None:
    """slice-appendk.csv: k elements at once to a slice of given length and capacity."""
    replay = _Replay()
    for row in rows:
        length, cap, k = (int(row[name]) for name in ("len", "cap", "k"))
        elem = _slice_type(replay, row)
        s, values = replay.words(3), replay.words(3)
        replay.do(replay.calls.slice_make(replay.m, elem, length, cap, s))
        replay.do(replay.calls.slice_make(replay.m, elem, k, k, values))
        before = s[0]
        replay.heap.watch(64)
        replay.do(replay.calls.slice_append(replay.m, elem, s, values))
        asked = replay.heap.asked()
        differences = _differences({"new_len": s[1], "new_cap": s[2]}, row)
        differences += _alloc_difference(asked, _one_alloc(row))
        if length + k <= cap and s[0] != before:
            differences.append("another array than before")
        where = " ".join(
            f"{name} {row[name]}" for name in ("elem_size", "noscan", "len", "cap", "k")
        )
        result.check_row(f"{where}:", differences)
        replay.rest(asked, int(row["elem_size"]) * (cap + k))


def replay_nextcap(rows: Iterator[_Row], result: Conformance) -> None:
    """slice-nextcap.csv: growth before rounding and, apart from it, rounding."""
    from gcsim.lowlevel import calls, whitebox

    for row in rows:
        size = int(row["size"])
        ours = {
            "next_cap": calls.slice_next_cap(int(row["new_len"]), int(row["old_cap"])),
            "round_noscan": whitebox.roundupsize(size, True),
            "round_scan": whitebox.roundupsize(size, False),
        }
        where = f"length {row['new_len']}, capacity {row['old_cap']}, size {size}:"
        result.check_row(where, _differences(ours, row))


# --- Builder and Buffer --------------------------------------------------------------------------

# A rune that takes so many bytes.
_RUNES = {1: ord("a"), 2: 0xE9, 3: 0x4E2D, 4: 0x1F600}


class _Text(_Replay):
    """A Builder or a Buffer (`kind`), with their operations as the files name them."""

    def __init__(self, kind: str, words: int) -> None:
        super().__init__()
        self.kind = kind
        self.size = words
        self.many = self.text(1 << 16)
        self.at: Any = None
        self.row = 0

    def new(self) -> None:
        self.heap.collect()
        self.at = self.in_heap(self.size)

    def write(self, op: str, n: int) -> int:
        """One of the operations that both have; the bytes written, as far as they tell."""
        call, args = getattr(self.calls, f"{self.kind}_{_CALLS[op]}"), (self.m, self.byte, self.at)
        if op in ("write", "writestring"):
            if n > len(self.many):
                self.many = self.text(n)
            self.do(call(*args, self.many, n))
            return n
        self.do(call(*args, {"writebyte": 97, "writerune": _RUNES.get(n, 0), "grow": n}[op]))
        return n if op == "writerune" else 0


_CALLS = {
    "write": "write",
    "writestring": "write",
    "writebyte": "write_byte",
    "writerune": "write_rune",
    "grow": "grow",
}


def _steps(rows: Iterator[_Row], seq: str = "seq") -> Iterator[tuple[_Row, int, bool]]:
    """Rows with how many steps of the same kind are left out before each; whether it is a first."""
    before: tuple[str, int] | None = None
    for row in rows:
        step = int(row["step"])
        first = before is None or row[seq] != before[0]
        last = -1 if first or before is None else before[1]
        left_out = step - last - 1
        if left_out < 0 and not (first and step == -1):
            raise DumpFormatError(f"sequence {row[seq]}: step {step} follows step {last}")
        yield row, max(left_out, 0), first
        before = (row[seq], step)


def replay_builder(rows: Iterator[_Row], result: Conformance) -> None:
    """builder.csv: strings.Builder, step by step."""
    text = _Text("builder", 4)
    _, _, length, cap = range(4)

    def do(op: str, n: int) -> None:
        if op == "reset":
            text.calls.builder_reset(text.m, text.at)
        else:
            text.write(op, n)

    for row, left_out, first in _steps(rows):
        op, n = row["op"], int(row["n"])
        if first:
            text.new()
        text.heap.watch()
        for _ in range(left_out):
            do(op, n)
        do(op, n)
        asked = text.heap.asked()
        differences = _differences({"len": text.at[length], "cap": text.at[cap]}, row)
        differences += _alloc_difference(asked, _one_alloc(row))
        result.check_row(f"sequence {row['seq']} step {row['step']} {op} {n}:", differences)


def replay_buffer(rows: Iterator[_Row], result: Conformance) -> None:
    """buffer.csv: bytes.Buffer, step by step; step -1 says how it is made."""
    text = _Text("buffer", 5)
    calls = text.calls
    _, end, cap, off, _ = range(5)

    def make(op: str, n: int) -> int:
        s = text.words(3)
        if op == "newbuffer":
            text.do(calls.slice_make(text.m, text.byte, 0, n, s))
        elif op == "newbufferstring":
            made = text.string(bytes(n))
            text.do(calls.bytes_from_string(text.m, text.byte, text.ffi.NULL, made, s))
        elif op != "zero":
            raise DumpFormatError(f"a buffer made by {op!r}")
        calls.buffer_put(text.m, text.at, s)
        return 0

    def read_from(_op: str, n: int) -> int:
        got = text.ffi.new("int64_t *")
        text.do(calls.buffer_read_from(text.m, text.byte, text.at, n, got))
        return int(got[0])

    def truncate(_op: str, n: int) -> int:
        text.do(calls.buffer_truncate(text.at, n))
        return 0

    def reset(_op: str, _n: int) -> int:
        calls.buffer_reset(text.at)
        return 0

    does: dict[str, Callable[[str, int], int]] = dict.fromkeys(_CALLS, text.write)
    does |= {"readfrom": read_from, "truncate": truncate, "reset": reset}
    does["next"] = lambda _op, n: int(calls.buffer_next(text.at, n))
    for row, left_out, first in _steps(rows):
        op, n, asked = row["op"], int(row["n"]), []
        if first:
            text.new()
        if row["step"] == "-1":
            returned = make(op, n)
        else:
            text.heap.watch()
            for _ in range(left_out):
                does[op](op, n)
            returned = does[op](op, n)
            asked = text.heap.asked()
        ours = {
            "result": returned,
            "len": text.at[end] - text.at[off],
            "cap": text.at[cap],
            "available": text.at[cap] - text.at[end],
        }
        differences = _differences(ours, row) + _alloc_difference(asked, _wanted(row["allocs"]))
        result.check_row(f"sequence {row['seq']} step {row['step']} {op} {n}:", differences)


def replay_text(rows: Iterator[_Row], result: Conformance) -> None:
    """builder.csv or buffer.csv, which begin alike."""
    first = next(rows, None)
    if first is not None:
        replay = replay_buffer if "available" in first else replay_builder
        replay(itertools.chain([first], rows), result)


# --- strings -------------------------------------------------------------------------------------


class _Strings(_Replay):
    """The operations of strings.csv by their names. `escapes`: the result does."""

    def run(self, op: str, escapes: bool, lengths: list[int]) -> list[Asked]:
        """Do it to operands of these lengths; what the heap was asked for."""
        name, number = (op, 0)
        if op.startswith("append_string_to_bytes_cap"):
            name, number = "append", int(op.removeprefix("append_string_to_bytes_cap"))
        make = getattr(self, f"_{name}", None)
        if make is None:
            raise DumpFormatError(f"unknown operation {op!r}")
        do = make(lengths, number)
        self.local = self.ffi.NULL if escapes else self.ffi.new("char[32]")
        self.heap.watch(64)
        self.do(do(self.words(3)))
        return self.heap.asked()

    def _args(self) -> tuple[Any, ...]:
        return self.m, self.byte, self.local

    def _operands(self, lengths: list[int]) -> Any:
        """Strings one behind the other."""
        out = self.words(2 * len(lengths) or 1)
        for i, n in enumerate(lengths):
            out[2 * i], out[2 * i + 1] = self.string(self.text(n))
        return out

    def _bytes(self, n: int, cap: int | None = None) -> Any:
        out = self.words(3)
        cap = n if cap is None else cap
        self.do(self.calls.slice_make(self.m, self.byte, n, cap, out))
        return out

    def _concat(self, lengths: list[int], _: int) -> Callable[[Any], int]:
        operands, n = self._operands(lengths), len(lengths)
        return lambda out: int(self.calls.string_concat(*self._args(), operands, n, out))

    def _concat_bytes(self, lengths: list[int], _: int) -> Callable[[Any], int]:
        operands, n = self._operands(lengths), len(lengths)
        return lambda out: int(self.calls.bytes_concat(*self._args(), operands, n, out))

    def _concat_x_bytes_y(self, lengths: list[int], _: int) -> Callable[[Any], int]:
        """ "x" + string(b) + "y": b is looked at, not converted."""
        operands = self._operands([1, 0, 1])
        operands[2], operands[3] = self._bytes(lengths[0])[0:2]
        return lambda out: int(self.calls.string_concat(*self._args(), operands, 3, out))

    def _bytes_to_string(self, lengths: list[int], _: int) -> Callable[[Any], int]:
        b = self._bytes(lengths[0])
        return lambda out: int(self.calls.string_from_bytes(*self._args(), b, out))

    _range_over_string_of_bytes = _bytes_to_string

    def _string_to_bytes(self, lengths: list[int], _: int) -> Callable[[Any], int]:
        s = self._operands(lengths[:1])
        return lambda out: int(self.calls.bytes_from_string(*self._args(), s, out))

    def _looked_at(self, lengths: list[int], _: int) -> Callable[[Any], int]:
        """Where the compiler leaves out the conversion: the same bytes under the other type."""
        s, b = self._operands(lengths[:1]), self._bytes(lengths[0])
        self.ffi.memmove(self.ffi.cast("void *", b[0]), self.text(lengths[0]), lengths[0])
        return lambda _out: int(not self.calls.string_equal(s, b))

    _string_to_bytes_never_written = _looked_at
    _map_lookup_by_string_of_bytes = _looked_at
    _compare_strings_of_bytes = _looked_at
    _switch_on_string_of_bytes = _looked_at
    _range_over_bytes_of_string = _looked_at

    def _append(self, lengths: list[int], cap: int) -> Callable[[Any], int]:
        """append(b, s...): b has the length of the first operand, s that of the last."""
        b, s = self._bytes(lengths[0], cap), self.words(3)
        s[0], s[1] = self._operands(lengths[-1:])
        s[2] = s[1]
        return lambda _out: int(self.calls.slice_append(self.m, self.byte, b, s))

    def _string_to_runes(self, lengths: list[int], _: int) -> Callable[[Any], int]:
        s = self.string("".join(map(chr, _runes(*lengths))).encode())
        local = self.ffi.new("int32_t[32]")
        return lambda out: int(
            self.calls.runes_from_string(
                self.m, self.rune, local if self.local else self.ffi.NULL, s, out
            )
        )

    def _runes_to_string(self, lengths: list[int], _: int) -> Callable[[Any], int]:
        values, runes = _runes(*lengths), self.words(3)
        self.do(self.calls.slice_make(self.m, self.rune, len(values), len(values), runes))
        if values:
            at = self.ffi.cast("int32_t *", runes[0])
            at[0 : len(values)] = values
        return lambda out: int(self.calls.string_from_runes(*self._args(), runes, out))

    def _rune_to_string(self, lengths: list[int], _: int) -> Callable[[Any], int]:
        return lambda out: int(self.calls.string_from_rune(*self._args(), lengths[0], out))


def _runes(count: int, utf8_bytes: int) -> list[int]:
    """So many runes that take so many bytes."""
    if not count <= utf8_bytes <= 4 * count:
        raise DumpFormatError(f"{count} runes cannot have {utf8_bytes} bytes")
    out, more = [], utf8_bytes - count
    for _ in range(count):
        out.append(_RUNES[1 + min(more, 3)])
        more -= min(more, 3)
    return out


def replay_strings(rows: Iterator[_Row], result: Conformance) -> None:
    """strings.csv: concatenations and conversions."""
    replay = _Strings()
    for row in rows:
        lengths = [int(n) for n in row["lengths"].split()]
        asked = replay.run(row["op"], row["result_escapes"] == "1", lengths)
        where = f"{row['op']} {row['lengths']}, escapes {row['result_escapes']}:"
        result.check_row(where, _alloc_difference(asked, _wanted(row["allocs"])))
        replay.rest(asked, sum(lengths))
