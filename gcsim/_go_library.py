"""What recipes call: Go's built-in functions, and functions of its library by what they allocate.

Each function does what Go 1.26's source does with memory (named beside it), by operations of the
heap; what it computes besides is Python's. A function that is not here is not replayed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from gcsim import _core
from gcsim import _types as t
from gcsim._builders import Buffer, Builder
from gcsim._conform_recipes import (
    _BUFFER,
    _BYTE,
    _BYTES,
    _ERROR,
    _FUNCTIONS,
    _IMPLICIT,
    _INT,
    _STRING,
    _STRINGS,
    Function,
    Machine,
    NotReplayedError,
    Scope,
    Value,
)
from gcsim._go_code import Node, parse_type
from gcsim._goroutines import Timer

__all__ = ["call_builtin", "call_library", "call_method", "library_variable"]

_POINTER = parse_type("*byte")  # of an object of the library: it is never looked into


class _SyncMap:
    """A sync.Map with one key (internal/sync/hashtriemap.go): more depend on the hash seed."""

    def __init__(self) -> None:
        self.root: Any = None
        self.entries: dict[Any, Any] = {}


class _Sequence:
    """An iter.Seq of values."""

    def __init__(self, values: list[Value]) -> None:
        self.values = values


class _Opaque:
    """An object of the library that is stored and passed on."""

    def __init__(self, **parts: Any) -> None:
        self.parts = parts


_LOCKS = {
    "sync.Mutex": "state int32; sema uint32",
    "sync.RWMutex": "w [2]uint32; writers, readers uint32; count, wait int32",
    "sync.WaitGroup": "state uint64; sema uint32",
    "sync.Once": "done uint32; m [2]uint32",
}


# --- built-in functions ---------------------------------------------------------------------------


def _type_of(x: Node) -> Node:
    if x.op == "type":
        found: Node = x.a
        return found
    if x.op == "name":
        return Node("named", x.a)
    if x.op == "dot" and x.a.op == "name":
        return Node("named", f"{x.a.a}.{x.b}")
    if x.op == "index" and x.a.op == "dot":
        return Node("named", f"{x.a.a.a}.{x.a.b}")
    raise NotReplayedError("such a type")


def library_variable(m: Machine, type_: Node, escapes: bool) -> Any:
    """The zero value of a struct of the library; None: it is none of those that are known."""
    if type_.op != "named":
        return None
    if type_.a == "strings.Builder":
        return m.make(escapes, m.heap.builder)
    if type_.a == "bytes.Buffer":
        return m.make(escapes, m.heap.buffer)
    if type_.a == "sync.Map":
        return _SyncMap()
    if type_.a in _LOCKS:  # their address leaks into the scheduler, so they are in the heap
        m.runtime(_LOCKS[type_.a])
        return _Opaque()
    if type_.a in ("atomic.Pointer", "atomic.Value"):
        return _Opaque()
    return None


def call_builtin(m: Machine, scope: Scope, name: str, x: Node, escapes: bool) -> Value:
    made = _BUILTIN.get(name)
    if made is not None:
        return made(m, scope, x, escapes)
    arguments = [m.value(scope, part, True) for part in x.b]
    if name in _FUNCTIONS:
        return m.program_function(name, arguments, escapes)
    if name == "seq":
        return Value(_POINTER, _Sequence([Value(_INT, i) for i in range(arguments[0].x)]))
    if name == "mk":
        map_ = m.new_map(parse_type("map[int]int"), 0, escapes)
        for i in range(arguments[0].x):
            m.count(partial(map_.__setitem__, i, i))
        return Value(parse_type("map[int]int"), map_)
    raise NotReplayedError(f"the function {name}")


def _new(m: Machine, scope: Scope, x: Node, escapes: bool) -> Value:
    type_ = _type_of(x.b[0])
    made = library_variable(m, type_, escapes)
    if made is not None:
        if m.counting and isinstance(made, (_SyncMap, _Opaque)):
            raise NotReplayedError(f"new({type_.a})")
        return Value(Node("pointer", type_), made)
    return Value(Node("pointer", type_), m.object(type_, escapes))


def _make(m: Machine, scope: Scope, x: Node, escapes: bool) -> Value:
    type_ = _type_of(x.b[0])
    form = m.structure(type_)
    sizes = [m.value(scope, part, False) for part in x.b[1:]]
    if form.op == "map":
        return Value(type_, m.new_map(form, sizes[0].x if sizes else 0, escapes))
    if form.op == "chan":
        elem = m.info(form.a)
        size = sizes[0].x if sizes else 0
        channel = m.count(lambda: m.heap.make_chan(elem, size))
        m.rooms[_core.address(channel)] = size
        m.queues[_core.address(channel)] = []
        return Value(type_, channel)
    if form.op != "slice":
        raise NotReplayedError(f"make of a {form.op}")
    n, cap = sizes[0].x, sizes[-1].x
    bytes_ = cap * m.info(form.a).bytes
    if not escapes:  # constant: up to 64 KiB; else what a buffer of 32 bytes holds
        known = all(s.constant for s in sizes)
        escapes = bytes_ > (_IMPLICIT if known else _BUFFER)
    return Value(type_, m.row(form.a, n, cap, escapes))


def _append(m: Machine, scope: Scope, x: Node, escapes: bool) -> Value:
    first = m.value(scope, x.b[0], escapes)
    type_ = first.type
    if type_ is None:
        raise NotReplayedError("append to nil")
    elem = m.structure(type_).a
    info = m.info(elem)
    if x.c:
        added = m.value(scope, x.b[1], False)
        values = _spread(added, info)
    else:
        boxed = [m.converted(m.value(scope, part, True), elem, True) for part in x.b[1:]]
        pairs = [m.payload(value, elem) for value in boxed]
        values, skip = [pair[0] for pair in pairs], sum(pair[1] for pair in pairs)
    skip = 0 if x.c else skip
    row = m.heap.new_slice(info, 0) if first.x is None else first.x
    room = _BUFFER // info.bytes if 1 <= info.bytes <= _BUFFER else 0
    n = len(row) + len(values)
    if not escapes and not x.c and len(row) == row.cap == 0 and 0 < n <= room:
        start = m.heap.new_slice(info, 0, room)  # the hidden array on the stack
        return Value(type_, start.append(*values), False, True)
    fits = n <= row.cap
    grown = m.count(lambda: row.append(*values), skip) if values else row
    return Value(
        type_,
        grown if values or first.x is not None else None,
        False,
        first.stack and fits,
    )


def _spread(added: Value, info: t.TypeInfo) -> list[Any]:
    if isinstance(added.x, bytes):
        return list(added.x)
    if added.x is None:
        return []
    if info.kind == "string" or info.kind == "interface":
        raise NotReplayedError("append of a slice of strings or interfaces")
    return list(added.x)


def _length(m: Machine, scope: Scope, x: Node, escapes: bool) -> Value:
    inner = x.b[0]
    if (
        inner.op == "call"
        and len(inner.b) == 1
        and inner.a
        in (
            Node("name", "string"),
            Node("type", _BYTES),
        )
    ):
        inner = inner.b[0]  # no copy is made
    value = m.value(scope, inner, False)
    if value.x is None:
        return Value(_INT, 0)
    if isinstance(value.x, _core.Ref):
        return Value(_INT, len(value.x.value), True)  # type: ignore[attr-defined]
    return Value(_INT, len(value.x))


def _capacity(m: Machine, scope: Scope, x: Node, escapes: bool) -> Value:
    value = m.value(scope, x.b[0], False)
    return Value(_INT, 0 if value.x is None else value.x.cap)


def _copy(m: Machine, scope: Scope, x: Node, escapes: bool) -> Value:
    to, source = (m.value(scope, part, False) for part in x.b)
    if isinstance(source.x, bytes):
        n = min(len(to.x), len(source.x))
        for i in range(n):
            to.x[i] = source.x[i]
        return Value(_INT, n)
    return Value(_INT, 0 if None in (to.x, source.x) else to.x.copy_from(source.x))


def _delete(m: Machine, scope: Scope, x: Node, escapes: bool) -> Value:
    map_, key = (m.value(scope, part, False) for part in x.b)
    if map_.x is not None:
        assert map_.type is not None
        k, skip = m.payload(key, m.structure(map_.type).a)
        m.count(lambda: map_.x.pop(k, None), 2 * skip)
    return Value(None, None)


def _clear(m: Machine, scope: Scope, x: Node, escapes: bool) -> Value:
    value = m.value(scope, x.b[0], False)
    assert value.type is not None
    if value.x is not None and m.structure(value.type).op == "map":
        m.count(value.x.clear)
    return Value(None, None)


def _least(m: Machine, scope: Scope, x: Node, escapes: bool) -> Value:
    values = [m.value(scope, part, False) for part in x.b]
    best = (min if x.a.a == "min" else max)(values, key=lambda value: value.x)
    return Value(best.type, best.x)


_BUILTIN: dict[str, Callable[[Machine, Scope, Node, bool], Value]] = {
    "new": _new,
    "make": _make,
    "append": _append,
    "len": _length,
    "cap": _capacity,
    "copy": _copy,
    "delete": _delete,
    "clear": _clear,
    "min": _least,
    "max": _least,
}


# --- strings, strconv, fmt ------------------------------------------------------------------------


def _grown(m: Machine, data: bytes, room: int) -> Value:
    """A strings.Builder that was grown once and written to."""
    builder = m.heap.builder()
    if room:
        m.count(lambda: builder.grow(room))
    if data:
        m.count(lambda: builder.write(data))
    return Value(_STRING, data)


def _join(m: Machine, parts: Any, separator: bytes) -> Value:
    words = [_text(part) for part in parts or ()]
    if len(words) < 2:
        return Value(_STRING, b"".join(words))
    whole = separator.join(words)
    return _grown(m, whole, len(whole))


def _text(x: Any) -> bytes:
    return x.encode("utf-8", "surrogateescape") if isinstance(x, str) else x


def _texts(m: Machine, words: list[bytes]) -> Value:
    """A []string of parts of a string: they share its bytes."""
    row = m.count(lambda: m.heap.new_slice(t.string, len(words)))
    for i, word in enumerate(words):
        row[i] = word
    return Value(_STRINGS, row)


def _split(m: Machine, s: bytes, separator: bytes) -> Value:
    if not separator:
        return _texts(m, [c.encode() for c in s.decode("utf-8", "replace")])
    return _texts(m, s.split(separator))


def _replace(m: Machine, s: bytes, old: bytes, new: bytes, n: int = -1) -> Value:
    count = s.count(old) if n < 0 else min(s.count(old), n)
    if old == new or count == 0:
        return Value(_STRING, s)
    whole = s.replace(old, new, n)
    return _grown(m, whole, len(s) + count * (len(new) - len(old)))


def _changed(m: Machine, s: bytes, whole: bytes) -> Value:
    """strings.ToUpper, ToLower of ASCII."""
    if not s.isascii():
        raise NotReplayedError("letters that are not ASCII")
    return Value(_STRING, s) if s == whole else _grown(m, whole, len(s))


def _repeated(m: Machine, s: bytes, n: int) -> Value:
    if n * len(s) == 0:
        return Value(_STRING, b"")
    return Value(_STRING, s) if n == 1 else _grown(m, s * n, n * len(s))


def _number(m: Machine, n: int, base: int = 10) -> Value:
    """strconv.FormatInt: 0 to 99 are parts of a table."""
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    left, text = abs(n), ""
    while left or not text:
        left, digit = divmod(left, base)
        text = digits[digit] + text
    whole = (("-" if n < 0 else "") + text).encode()
    return Value(_STRING, whole) if 0 <= n < 100 and base == 10 else m.string(whole, True)


def _quoted(m: Machine, s: bytes) -> Value:
    room = 3 * len(s) // 2
    if not all(32 <= c < 127 and c not in b'"\\' for c in s) or len(s) + 2 > room:
        raise NotReplayedError("a quoted string that does not fit at once")
    m.row(_BYTE, 0, room, room > _BUFFER)
    return m.string(b'"' + s + b'"', True)


def _no() -> Value:
    raise NotReplayedError("strings.SplitN of such values")


def _plain(f: Callable[..., Any], type_: Node) -> Callable[..., Value]:
    return lambda m, *args: Value(type_, f(*args))


_BOOL = parse_type("bool")
_STRING_FUNCTIONS: dict[str, Callable[..., Value]] = {
    "strings.Join": _join,
    "strings.Split": _split,
    "strings.SplitN": lambda m, s, by, n: _texts(m, s.split(by, n - 1)) if by and n > 0 else _no(),
    "strings.Fields": lambda m, s: _texts(m, s.split()),
    "strings.Repeat": _repeated,
    "strings.Replace": _replace,
    "strings.ReplaceAll": _replace,
    "strings.ToUpper": lambda m, s: _changed(m, s, s.upper()),
    "strings.ToLower": lambda m, s: _changed(m, s, s.lower()),
    "strings.Clone": lambda m, s: m.string(s, True),
    "strings.TrimSpace": _plain(bytes.strip, _STRING),
    "strings.Trim": _plain(bytes.strip, _STRING),
    "strings.TrimLeft": _plain(bytes.lstrip, _STRING),
    "strings.TrimRight": _plain(bytes.rstrip, _STRING),
    "strings.TrimPrefix": _plain(bytes.removeprefix, _STRING),
    "strings.TrimSuffix": _plain(bytes.removesuffix, _STRING),
    "strings.Contains": _plain(lambda s, part: part in s, _BOOL),
    "strings.HasPrefix": _plain(bytes.startswith, _BOOL),
    "strings.HasSuffix": _plain(bytes.endswith, _BOOL),
    "strings.Index": _plain(bytes.find, _INT),
    "strings.Count": _plain(bytes.count, _INT),
    "strings.EqualFold": _plain(lambda a, b: a.lower() == b.lower(), _BOOL),
    "strconv.Itoa": _number,
    "strconv.FormatInt": _number,
    "strconv.FormatBool": _plain(lambda b: b"true" if b else b"false", _STRING),
    "strconv.Atoi": _plain(int, _INT),
    "strconv.Quote": _quoted,
    "unique.Make": _plain(lambda x: x, _STRING),
}


def _format(m: Machine, arguments: list[Value]) -> bytes:
    """fmt's verbs for numbers and strings; the printer itself is one of a pool's."""
    pattern, rest = arguments[0].x.decode(), arguments[1:]
    for value in rest:
        m.interface(value)

    def verb(found: re.Match[str]) -> str:
        if found.group() == "%%":
            return "%"
        value = rest[taken.pop()].x
        if isinstance(value, bytes):
            return value.decode()
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int) and found.group()[-1] in "dvxX":
            return format(value, {"x": "x", "X": "X"}.get(found.group()[-1], "d"))
        raise NotReplayedError("such a value in a format")

    taken = list(range(len(rest)))[::-1]
    return re.sub(r"%%|%[dsvxX]", verb, pattern).encode()


def _printed(m: Machine, arguments: list[Value]) -> bytes:
    """fmt.Sprint: a space between two operands if neither is a string."""
    out = b""
    for i, value in enumerate(arguments):
        m.interface(value)
        both = isinstance(value.x, bytes) or isinstance(arguments[i - 1].x, bytes)
        if isinstance(value.x, bool) or not isinstance(value.x, (int, bytes)):
            raise NotReplayedError("such a value printed")
        word = value.x if isinstance(value.x, bytes) else str(value.x).encode()
        out += (b"" if both or not i else b" ") + word
    return out


def _sprint(m: Machine, arguments: list[Value], escapes: bool) -> Value:
    return m.string(_printed(m, arguments), True)


def _fprintf(m: Machine, arguments: list[Value], escapes: bool) -> Value:
    made: Any = arguments[0].x
    if not isinstance(made, (Builder, Buffer)):
        raise NotReplayedError("such a writer")
    data = _format(m, arguments[1:])
    m.count(lambda: made.write(data))
    return Value(_INT, len(data))


def _sprintf(m: Machine, arguments: list[Value], escapes: bool) -> Value:
    return m.string(_format(m, arguments), True)


def _errorf(m: Machine, arguments: list[Value], escapes: bool) -> Value:
    if b"%w" in arguments[0].x:
        raise NotReplayedError("%w")
    text = m.string(_format(m, arguments), True)
    return _error(m, [text], escapes)


def _error(m: Machine, arguments: list[Value], escapes: bool) -> Value:
    object_ = m.runtime("s string", escapes)
    object_.s = arguments[0].x
    return Value(_ERROR, object_)


# --- slices, maps, sort ---------------------------------------------------------------------------


def _rows(m: Machine, value: Value) -> tuple[Any, t.TypeInfo]:
    assert value.type is not None
    info = m.info(m.structure(value.type).a)
    return (m.heap.new_slice(info, 0) if value.x is None else value.x), info


def _slices_grow(m: Machine, arguments: list[Value], escapes: bool) -> Value:
    row, _ = _rows(m, arguments[0])
    return Value(arguments[0].type, m.count(lambda: row.grow(arguments[1].x)))


def _slices_concat(m: Machine, arguments: list[Value], escapes: bool) -> Value:
    """slices.Grow of nil to the sum, then appends that fit."""
    _, info = _rows(m, arguments[0])
    n = sum(0 if value.x is None else len(value.x) for value in arguments)
    start = m.heap.new_slice(info, 0)
    row = m.count(lambda: start.grow(n)) if n else start
    for value in arguments:
        row = row if value.x is None else row.append(*_spread(value, info))
    return Value(arguments[0].type, row)


def _slices_clone(m: Machine, arguments: list[Value], escapes: bool) -> Value:
    row, info = _rows(m, arguments[0])
    if not len(row):
        return arguments[0]
    start = m.heap.new_slice(info, 0)
    values = _spread(arguments[0], info)
    return Value(arguments[0].type, m.count(lambda: start.append(*values)))


def _slices_insert(m: Machine, arguments: list[Value], escapes: bool) -> Value:
    row, _ = _rows(m, arguments[0])
    values = [value.x for value in arguments[2:]]
    return Value(arguments[0].type, m.count(lambda: row.insert(arguments[1].x, *values)))


def _slices_delete(m: Machine, arguments: list[Value], escapes: bool) -> Value:
    row, low, high = (value.x for value in arguments)
    if high < len(row):
        row[low : low + len(row) - high] = list(row[high:])
    return Value(arguments[0].type, row[: len(row) - (high - low)])


def _slices_repeat(m: Machine, arguments: list[Value], escapes: bool) -> Value:
    row, info = _rows(m, arguments[0])
    n = len(row) * arguments[1].x
    return Value(arguments[0].type, m.count(lambda: m.heap.new_slice(info, n)))


def _slices_collect(m: Machine, arguments: list[Value], escapes: bool) -> Value:
    values = arguments[0].x.values if isinstance(arguments[0].x, _Sequence) else None
    if values is None:
        raise NotReplayedError("such an iterator")
    info = m.info(values[0].type) if values else m.info(_INT)
    row = m.heap.new_slice(info, 0)
    for value in values:
        x, skip = m.payload(value, value.type or _INT)
        row = m.count(partial(row.append, x), skip)
    return Value(Node("slice", values[0].type if values else _INT), row)


def _slices_in_place(m: Machine, arguments: list[Value], escapes: bool) -> Value:
    return arguments[0]


def _map_keys(m: Machine, arguments: list[Value], escapes: bool) -> Value:
    """maps.Keys: an iterator on the stack."""
    type_, map_ = arguments[0].type, arguments[0].x
    assert type_ is not None
    key = m.structure(type_).a
    return Value(_POINTER, _Sequence([m.loaded(key, k) for k in map_ or ()]))


def _map_values(m: Machine, arguments: list[Value], escapes: bool) -> Value:
    type_, map_ = arguments[0].type, arguments[0].x
    assert type_ is not None
    elem = m.structure(type_).b
    return Value(_POINTER, _Sequence([m.loaded(elem, v) for v in (map_ or {}).values()]))


def _slice_values(m: Machine, arguments: list[Value], escapes: bool) -> Value:
    type_, row = arguments[0].type, arguments[0].x
    assert type_ is not None
    elem = m.structure(type_).a
    return Value(_POINTER, _Sequence([m.loaded(elem, x) for x in row or ()]))


def _maps_clone(m: Machine, arguments: list[Value], escapes: bool) -> Value:
    map_ = arguments[0].x
    return Value(arguments[0].type, None if map_ is None else m.count(map_.copy))


def _sort_slice(m: Machine, arguments: list[Value], escapes: bool) -> Value:
    m.interface(arguments[0])  # reflection: both arguments escape
    return Value(None, None)


def _sort_values(m: Machine, arguments: list[Value], escapes: bool) -> Value:
    return Value(None, None)


# --- readers, writers, contexts, synchronisation ----------------------------------------------


def _bytes_reader(m: Machine, arguments: list[Value], escapes: bool) -> Value:
    return Value(_POINTER, m.runtime("s []byte; i int64; prev int", escapes, s=arguments[0].x))


def _strings_reader(m: Machine, arguments: list[Value], escapes: bool) -> Value:
    return Value(_POINTER, m.runtime("s string; i int64; prev int", escapes))


def _bytes_buffer(m: Machine, arguments: list[Value], escapes: bool) -> Value:
    made = m.make(escapes, lambda: m.heap.buffer(arguments[0].x))
    return Value(Node("pointer", Node("named", "bytes.Buffer")), made)


def _bytes_buffer_string(m: Machine, arguments: list[Value], escapes: bool) -> Value:
    data = arguments[0].x
    if escapes or len(data) > _BUFFER:
        content = m.count(lambda: m.heap.to_bytes(data))
    else:  # on the stack
        content = m.heap.new_slice(t.u8, len(data), _BUFFER)
        for i, c in enumerate(data):
            content[i] = c
    return _bytes_buffer(m, [Value(_BYTES, content)], escapes)


def _bytes_clone(m: Machine, arguments: list[Value], escapes: bool) -> Value:
    return _slices_clone(m, arguments, escapes)


_WRITER = "err error; buf []byte; n int; wr any"
_READER = "buf []byte; rd any; r, w int; err error; last, size int"


def _bufio_writer(m: Machine, arguments: list[Value], escapes: bool) -> Value:
    size = arguments[1].x if len(arguments) > 1 and arguments[1].x > 0 else 4096
    buf = m.row(_BYTE, size, size, True)
    return Value(_POINTER, m.runtime(_WRITER, escapes, buf=buf))


def _bufio_reader(m: Machine, arguments: list[Value], escapes: bool) -> Value:
    size = max(arguments[1].x, 16) if len(arguments) > 1 else 4096
    object_ = m.runtime(_READER, escapes)
    object_.buf = m.row(_BYTE, size, size, True)
    return Value(_POINTER, object_)


def _with_value(m: Machine, arguments: list[Value], escapes: bool) -> Value:
    parts = [m.interface(value) for value in arguments[1:]]
    object_ = m.runtime("c, k, v any", escapes)
    object_.k, object_.v = parts
    return Value(_POINTER, object_)


def _once(fields: str) -> Callable[[Machine, list[Value], bool], Value]:
    def once(m: Machine, arguments: list[Value], escapes: bool) -> Value:
        """sync/oncefunc.go: a struct, which the closure that is returned captures."""
        object_ = m.runtime(fields)
        f = m.count(lambda: m.heap.closure("once", d=object_))
        return Value(parse_type("func()"), Function(None, None, f))

    return once


_ONCE = "f func(); done uint32; mu [8]byte; valid bool; p any"


def _weak(m: Machine, arguments: list[Value], escapes: bool) -> Value:
    """One handle for each object, in a box of its own (mheap.go:getOrAddWeakHandle)."""
    ref = arguments[0].x
    if not isinstance(ref, _core.Ref):
        raise NotReplayedError("a weak pointer to nil")
    handles = m.globals.setdefault("weak handles", Value(None, {})).x
    address = _core.address(ref)
    if address not in handles:
        handles[address] = m.runtime("h uintptr; pad uintptr")
    return Value(Node("pointer", _INT), handles[address])


def _set_finalizer(m: Machine, arguments: list[Value], escapes: bool) -> Value:
    ref, function = arguments[0].x, arguments[1]
    if not isinstance(ref, _core.Ref):
        raise NotReplayedError("a finalizer of such an object")
    clear = function.type is None
    m.count(lambda: m.heap.set_finalizer(ref, None if clear else _ignore))
    return Value(None, None)


def _ignore(ref: Any) -> None:
    """A finalizer."""


def _timer(repeats: bool) -> Callable[[Machine, list[Value], bool], Value]:
    def timer(m: Machine, arguments: list[Value], escapes: bool) -> Value:
        seconds = arguments[0].x / 1e9
        _ = m.heap.clock  # the runtime's own, which is there before
        return Value(
            _POINTER, m.count(lambda: (m.heap.ticker if repeats else m.heap.timer)(seconds))
        )

    return timer


def _after_func(m: Machine, arguments: list[Value], escapes: bool) -> Value:
    """A timer without a channel, and what the function captures."""
    return Value(_POINTER, m.count(lambda: m.heap.new(Timer)))


def _add_cleanup(m: Machine, arguments: list[Value], escapes: bool) -> Value:
    """mcleanup.go:AddCleanup: a box for the argument, and a generic function as a func value."""
    ref, _, argument = arguments
    if not isinstance(ref.x, _core.Ref) or argument.type is None:
        raise NotReplayedError("a cleanup of such an object")
    info = m.info(argument.type)
    if info.noscan and info.bytes < 16:
        m.runtime("box [2]uintptr")
    else:
        m.object(argument.type, True)
    call = m.heap.new(t.u64)  # its dictionary
    m.count(lambda: m.heap.closure("callCleanup", dictionary=call))
    m.count(lambda: m.heap.add_cleanup(ref.x, _ignore, None))
    return Value(_POINTER, _Opaque())


def _nothing(m: Machine, arguments: list[Value], escapes: bool) -> Value:
    return Value(_POINTER, _Opaque())


_FUNCTIONS_OF_LIBRARY: dict[str, Callable[[Machine, list[Value], bool], Value]] = {
    "errors.New": _error,
    "fmt.Sprintf": _sprintf,
    "fmt.Errorf": _errorf,
    "fmt.Sprint": _sprint,
    "fmt.Fprintf": _fprintf,
    "slices.Grow": _slices_grow,
    "slices.Concat": _slices_concat,
    "slices.Clone": _slices_clone,
    "slices.Insert": _slices_insert,
    "slices.Delete": _slices_delete,
    "slices.Repeat": _slices_repeat,
    "slices.Collect": _slices_collect,
    "slices.Sort": _sort_values,
    "slices.SortFunc": _sort_values,
    "slices.SortStableFunc": _sort_values,
    "slices.Reverse": _sort_values,
    "slices.Compact": _slices_in_place,
    "slices.Clip": _slices_in_place,
    "maps.Clone": _maps_clone,
    "maps.Keys": _map_keys,
    "maps.Values": _map_values,
    "slices.Values": _slice_values,
    "sort.Slice": _sort_slice,
    "sort.SliceStable": _sort_slice,
    "sort.Ints": _sort_values,
    "sort.Strings": _sort_values,
    "bytes.NewReader": _bytes_reader,
    "bytes.NewBuffer": _bytes_buffer,
    "bytes.NewBufferString": _bytes_buffer_string,
    "bytes.Clone": _bytes_clone,
    "strings.NewReader": _strings_reader,
    "bufio.NewWriter": _bufio_writer,
    "bufio.NewWriterSize": _bufio_writer,
    "bufio.NewReader": _bufio_reader,
    "bufio.NewReaderSize": _bufio_reader,
    "context.Background": _nothing,
    "context.TODO": _nothing,
    "context.WithValue": _with_value,
    "sync.OnceFunc": _once(_ONCE),
    "weak.Make": _weak,
    "runtime.SetFinalizer": _set_finalizer,
    "runtime.AddCleanup": _add_cleanup,
    "time.NewTimer": _timer(False),
    "time.NewTicker": _timer(True),
    "time.After": _timer(False),
    "time.Tick": _timer(True),
    "time.AfterFunc": _after_func,
    "runtime.KeepAlive": _sort_values,
}


_KEEP_FUNCTIONS = ("sync.OnceFunc", "time.AfterFunc", "runtime.AddCleanup", "runtime.SetFinalizer")


def call_library(m: Machine, scope: Scope, name: str, x: Node, escapes: bool) -> Value:
    plain = _STRING_FUNCTIONS.get(name)
    if plain is not None:
        return plain(m, *(_plain_of(m.value(scope, part, False)) for part in x.b))
    made = _FUNCTIONS_OF_LIBRARY.get(name)
    if made is None:
        raise NotReplayedError(name)
    reflects = name in ("sort.Slice", "sort.SliceStable")
    late: list[Value] = []
    for i, part in enumerate(x.b):
        leaves = part.op != "closure" or (reflects and i > 0) or name in _KEEP_FUNCTIONS
        if reflects and i > 0:
            m.interface(late[0])
        late.append(m.value(scope, part, leaves and part.op not in ("name",)))
    return Value(None, None) if reflects else made(m, late, escapes)


def _plain_of(value: Value) -> Any:
    return value.x


# --- methods --------------------------------------------------------------------------------------


def call_method(m: Machine, scope: Scope, f: Node, x: Node, escapes: bool) -> Value:
    if f.a.op == "type":
        raise NotReplayedError("a call of a method expression")
    target = m.value(scope, f.a, False)
    object_ = target.x
    if isinstance(object_, Builder):
        return _builder_method(m, object_, f.b, [m.value(scope, part, False) for part in x.b])
    if isinstance(object_, Buffer):
        return _buffer_method(
            m, object_, f.b, [m.value(scope, part, False) for part in x.b], escapes
        )
    if isinstance(object_, _SyncMap):
        return _map_method(m, object_, f.b, [m.value(scope, part, True) for part in x.b])
    if isinstance(object_, _Opaque):
        return _opaque_method(m, object_, f.b, [m.value(scope, part, True) for part in x.b])
    if isinstance(object_, Timer) and f.b in ("Stop", "Reset"):
        return Value(_BOOL, True)
    raise NotReplayedError(f"the method {f.b}")


def _write_method(m: Machine, made: Any, name: str, arguments: list[Value]) -> bool:
    """What strings.Builder and bytes.Buffer both have; False: it is none of these."""
    if name in ("WriteString", "Write"):
        data = arguments[0].x
        data = data if isinstance(data, bytes) else bytes(memoryview(data))
        m.count(lambda: made.write(data))
    elif name == "WriteByte":
        m.count(lambda: made.write_byte(arguments[0].x))
    elif name == "WriteRune":
        m.count(lambda: made.write_rune(arguments[0].x))
    elif name == "Grow":
        m.count(lambda: made.grow(arguments[0].x))
    elif name == "Reset":
        made.reset()
    else:
        return False
    return True


def _builder_method(m: Machine, b: Builder, name: str, arguments: list[Value]) -> Value:
    made: Any = b
    if _write_method(m, made, name, arguments):
        return Value(None, None)
    if name == "String":
        return Value(_STRING, bytes(made))
    if name in ("Len", "Cap"):
        return Value(_INT, len(made) if name == "Len" else made.cap)
    raise NotReplayedError(f"strings.Builder.{name}")


def _buffer_method(
    m: Machine, b: Buffer, name: str, arguments: list[Value], escapes: bool
) -> Value:
    made: Any = b
    if _write_method(m, made, name, arguments):
        return Value(None, None)
    if name == "Truncate":
        made.truncate(arguments[0].x)
        return Value(None, None)
    if name == "String":
        data = bytes(made)
        return Value(_STRING, data) if len(data) < 2 else m.string(data, escapes)
    if name == "Len":
        return Value(_INT, len(made))
    raise NotReplayedError(f"bytes.Buffer.{name}")


def _map_method(m: Machine, map_: _SyncMap, name: str, arguments: list[Value]) -> Value:
    """internal/sync/hashtriemap.go: an entry for each value that is stored."""
    key = arguments[0].x
    if name == "Load":
        return Value(None, map_.entries.get(key))
    if name == "Delete":
        map_.entries.pop(key, None)
        return Value(None, None)
    if name not in ("Store", "Swap", "LoadOrStore"):
        raise NotReplayedError(f"sync.Map.{name}")
    boxes = [m.interface(value) for value in arguments]
    if map_.root is None:
        map_.root = m.runtime("dead uint32; mu [8]byte; parent *byte; children [16]*byte")
    if map_.entries.keys() - {key}:
        raise NotReplayedError("a sync.Map of several keys: its nodes depend on the seed")
    if name == "LoadOrStore" and key in map_.entries:
        return Value(None, map_.entries[key])
    entry = m.runtime("leaf bool; next *byte; k, v any")
    entry.k, entry.v = boxes
    map_.entries[key] = entry
    return Value(None, None)


def _opaque_method(m: Machine, object_: _Opaque, name: str, arguments: list[Value]) -> Value:
    if name in ("Lock", "Unlock", "RLock", "RUnlock", "Add", "Done", "Wait"):
        return Value(None, None)
    if name == "Store":
        object_.parts["value"] = arguments[0].x
        return Value(None, None)
    if name == "Load":
        return Value(_POINTER, object_.parts.get("value"))
    raise NotReplayedError(f"the method {name}")
