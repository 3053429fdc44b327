"""What a verdict costs: a function's values allocated on a heap, kept off it, and as Go decides.

The values are those that the verdicts of one function name: variables that move, and what its
expressions allocate. Each call makes all of them once, and drops them at its end, as a function
does whose values die with it. Kept off the heap they are words of the function's frame, which is
there anyway: a call then costs nothing. What is counted is the heap's own: objects, bytes, cycles.
The time is that of a Python loop; `stack` has the loop alone, so the difference is the heap's.
"""

from __future__ import annotations

import html
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from gcsim import _core
from gcsim._errors import ConversionError, RangeError, UnknownNameError

if TYPE_CHECKING:
    from .result import Escape, EscapeVerdict

MOST_CALLS = 100_000_000
MOST_FRAME = 128 << 10  # bytes of a variable that Go leaves on a stack (ir/cfg.go)
STACK_BUFFER = 32  # bytes of make([]T, n) that need no heap (walk/builtin.go:walkMakeSlice)
MOST_VALUE = 1 << 30


class EscapeValue(NamedTuple):
    """One thing that a call makes: its verdict, and the bytes of the objects that it takes."""

    name: str
    line: int
    verdict: str  #: "heap" or "stack", as Go decides
    objects: tuple[int, ...]  #: bytes of each if it is on the heap; empty: it needs no memory
    pointers: bool
    on_heap: bool  #: what Go does when it runs: also a slice on the stack that outgrows its buffer


class EscapeSide(NamedTuple):
    """What the calls took one way."""

    allocations: int
    bytes: int  #: of their slots, which are size classes
    cycles: int
    ns: int  #: of all calls, with the loop around them


@dataclass(frozen=True)
class EscapeCost:
    """`calls` calls of one function: `heap` all values allocated, `stack` none, `go` as Go decides.

    `stack` is None where the values are too large for a frame.
    """

    function: str
    calls: int
    values: tuple[EscapeValue, ...]
    heap: EscapeSide
    go: EscapeSide
    stack: EscapeSide | None

    def per_call(self, side: str = "go") -> tuple[int, int]:
        """Objects and bytes of one call: what a Go benchmark prints as allocs/op and B/op."""
        sides = {"heap": self.heap, "go": self.go, "stack": self.stack}
        if side not in sides:
            raise RangeError(f"side is heap, go or stack, not {side!r}")
        found = sides[side]
        if found is None:
            raise RangeError(f"the values of {self.function} are too large for a stack")
        return found.allocations // self.calls, found.bytes // self.calls

    def _rows(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = []
        for name in ("heap", "go", "stack"):
            side: EscapeSide | None = getattr(self, name)
            if side is not None:
                ns = f"{side.ns / self.calls:,.0f}"
                rows.append(
                    (name, f"{side.allocations:,}", f"{side.bytes:,}", str(side.cycles), ns)
                )
        return rows

    def __repr__(self) -> str:
        objects, size = self.per_call()
        return f"<EscapeCost of {self.function}: {objects} objects, {size} B a call>"

    def __str__(self) -> str:
        lines = [f"{self.function}, {self.calls:,} calls"]
        for value in self.values:
            size = " + ".join(f"{n:,} B" for n in value.objects) or "no memory"
            lines.append(f"  line {value.line}: {value.name}: {size}, {value.verdict}")
        lines.append(f"  {'':5} {'objects':>12} {'bytes':>15} {'cycles':>6} {'ns/call':>9}")
        lines += [f"  {a:5} {b:>12} {c:>15} {d:>6} {e:>9}" for a, b, c, d, e in self._rows()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = "".join(
            f"<th>{h}</th>" for h in ("all values", "objects", "bytes", "cycles", "ns/call")
        )
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in self._rows()
        )
        return f"<table><tr>{head}</tr>{rows}</table>"


def cost(
    found: Escape,
    function: str,
    heap: _core.Heap | None = None,
    *,
    calls: int = 1000,
    sizes: Mapping[str, int | Sequence[int]] | None = None,
) -> EscapeCost:
    """Allocate what one call of `function` makes, `calls` times each way; see `Escape.cost`."""
    if type(calls) is not int:
        raise ConversionError(f"calls is a number, not {calls!r}")
    if not 0 < calls <= MOST_CALLS:
        raise RangeError(f"calls must be from 1 to {MOST_CALLS:,}, not {calls:,}")
    values = _values(found, function, dict(sizes or {}))
    if heap is not None and not isinstance(heap, _core.Heap):
        raise ConversionError(f"a heap is needed, not {heap!r}")
    if heap is None:
        from gcsim import Heap

        with Heap() as made:
            return _measure(made, function, calls, values)
    return _measure(heap, function, calls, values)


def _values(found: Escape, function: str, sizes: dict[str, Any]) -> tuple[EscapeValue, ...]:
    own = [v for v in found.verdicts if v.function == function]
    if not own:
        known = ", ".join(sorted({v.function for v in found.verdicts if v.function})[:12])
        raise UnknownNameError(f"nothing is allocated in {function!r}; there is {known}")
    made = [v for v in own if v.what == "expression" or v.verdict == "heap"]
    values = tuple(_value(v, sizes) for v in made)
    if unused := set(sizes) - {v.name for v in made}:
        raise UnknownNameError(
            f"{function} makes no {', '.join(sorted(unused))}; it makes "
            + ", ".join(sorted(v.name for v in made))
        )
    return values


def _value(v: EscapeVerdict, sizes: dict[str, Any]) -> EscapeValue:
    if v.name in sizes:
        given = sizes[v.name]
        objects = tuple(given) if isinstance(given, tuple | list) else (given,)
        for size in objects:
            if type(size) is not int:
                raise ConversionError(f"sizes[{v.name!r}] is a number of bytes, not {size!r}")
            if not 0 <= size <= MOST_VALUE:
                raise RangeError(f"sizes[{v.name!r}]: 0 to {MOST_VALUE:,} bytes, not {size:,}")
    elif v.size is None:
        raise RangeError(
            f"line {v.line}: only the run knows how many bytes {v.name} takes: "
            f"pass sizes={{{v.name!r}: bytes}}, of each object where there are several"
        )
    else:
        objects = () if _needs_none(v) else (v.size,)
    on_heap = v.verdict == "heap"
    if v.operation == "MAKESLICE" and v.size is None and sum(objects) > STACK_BUFFER:
        on_heap = True
    return EscapeValue(v.name, v.line, v.verdict, objects, v.pointers, on_heap)


def _needs_none(v: EscapeVerdict) -> bool:
    """Constants in interfaces are static data, so are functions; so are values of one byte
    (walk/convert.go:dataWord); what has no bytes has one address for all."""
    if v.operation == "CONVIFACE":
        return v.static or (v.size or 0) <= 1
    if v.operation == "CLOSURE":
        return v.size == 8  # its code alone: it captures nothing
    return v.size == 0


def _measure(
    heap: _core.Heap, function: str, calls: int, values: tuple[EscapeValue, ...]
) -> EscapeCost:
    everything = [(v, True) for v in values]
    go = [(v, v.on_heap) for v in values]
    nothing = [(v, False) for v in values]
    framed = sum(sum(v.objects) for v in values)
    return EscapeCost(
        function,
        calls,
        values,
        _side(heap, function, calls, everything),
        _side(heap, function, calls, go),
        _side(heap, function, calls, nothing) if framed <= MOST_FRAME else None,
    )


def _side(
    heap: _core.Heap, function: str, calls: int, values: list[tuple[EscapeValue, bool]]
) -> EscapeSide:
    """Calls with some values on the heap and the others in the frame, as words of it."""
    from gcsim import array, i64, ptr, struct, u8

    words_of: Any = array  # its lengths are values here

    def typed(words: Any) -> type:  # a struct's layout is found once, an expression's at each use
        return struct(type("value", (), {"__annotations__": {"words": words}}))

    types: list[Any] = []
    slots: dict[str, Any] = {}
    for value, on_heap in values:
        word: Any = ptr[u8] if value.pointers else i64
        for size in value.objects:
            if not on_heap:
                slots |= {f"w{len(slots) + n}": word for n in range((size + 7) // 8)}
            elif value.pointers:
                types.append(typed(words_of[ptr[u8], size // 8]))
            else:
                types.append(typed(words_of[u8, size]))
    if len(slots) * 8 > MOST_FRAME:  # Go's slice literals may: its stack is as large as they are
        slots = {}
    new: Callable[[Any], object] = heap.new
    goroutine = heap.goroutine(function)
    try:
        goroutine.push(function, **slots)
        before = heap.memstats()
        begin = time.perf_counter_ns()
        for _ in range(calls):
            for t in types:
                new(t)
        ns = time.perf_counter_ns() - begin
        after = heap.memstats()
    finally:
        goroutine.end()
    return EscapeSide(
        after.mallocs - before.mallocs,
        after.total_alloc - before.total_alloc,
        after.num_gc - before.num_gc,
        ns,
    )
