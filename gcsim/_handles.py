"""``heap.handles()``: which objects Python roots, and who holds the references."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable, Iterator, Mapping
from types import FrameType, ModuleType
from typing import Any, NamedTuple

from gcsim import _core

_CO_OPTIMIZED = 1  # set in functions, whose locals are no namespace of their own
_MAX_DEPTH = 3  # containers inside containers that are looked through from a variable


class Handle(NamedTuple):
    """An object that Python roots.

    address    of the object, or of the part of it that is referred to
    type       name of the class of its references; None if no reference was found (it is held by a
               slice, a batch, or a Python object that cannot be looked into)
    refs       how many handles there are for this address
    held_by    where references were found: "cache in module app", "node in build()", "Out[3]"
    made_at    file:line of each, with Heap(trace_refs=True); else empty
    orphan     a handle came back when a stepped heap was rewound, and its reference is gone
    """

    address: int
    type: str | None
    refs: int
    held_by: tuple[str, ...]
    made_at: tuple[str, ...]
    orphan: bool = False

    def __repr__(self) -> str:
        parts = [f"{self.type or 'object'} at {self.address:#x}"]
        if self.refs > 1:
            parts.append(f"{self.refs} handles")
        if self.orphan:
            parts.append("orphan")
        parts.append("held by " + (", ".join(self.held_by) or "?"))
        if self.made_at:
            parts.append("made at " + ", ".join(self.made_at))
        return f"<handle: {'; '.join(parts)}>"


class _Finder:
    """Collects (address -> a reference, places) of one heap's references."""

    def __init__(self, heap: _core.Heap) -> None:
        self.heap = heap
        self.refs: dict[int, _core.Ref] = {}
        self.places: dict[int, dict[str, None]] = {}
        self.named: set[int] = set()  # ids of references and containers that a variable leads to

    def found(self, ref: _core.Ref, place: str) -> None:
        if _core.heapof(ref) is self.heap:
            address = _core.address(ref)
            self.refs[address] = ref
            self.places.setdefault(address, {})[place] = None

    def see(self, value: Any, place: str) -> None:
        if issubclass(type(value), _core.Ref):
            self.found(value, place)
            self.named.add(id(value))

    def variable(self, value: Any, name: str, where: str, depth: int = 0) -> None:
        """Whatever a variable leads to through plain containers."""
        self.see(value, name + where)
        if type(value) not in (dict, list, tuple) or depth == _MAX_DEPTH:
            return
        if id(value) in self.named:
            return
        self.named.add(id(value))
        pairs = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
        for key, item in pairs:
            self.variable(item, f"{name}[{_key(key)}]", where, depth + 1)

    def rest(self, skip: set[int]) -> None:
        """Everything else that Python's collector knows: says what sort of object holds it."""
        for holder in gc.get_objects():
            if id(holder) in skip or id(holder) in self.named:
                continue
            for value in gc.get_referents(holder):
                if issubclass(type(value), _core.Ref) and id(value) not in self.named:
                    article = "an" if type(holder).__name__[:1] in "aeiou" else "a"
                    self.found(value, f"{article} {type(holder).__name__}")


def _key(key: Any) -> str:
    return repr(key) if isinstance(key, (str, int)) else f"<{type(key).__name__}>"


def _frames() -> Iterator[FrameType]:
    """The frames of all threads, without those of this module."""
    for top in sys._current_frames().values():
        frame: FrameType | None = top
        while frame is not None:
            if frame.f_globals is not globals():
                yield frame
            frame = frame.f_back


def _forget_locals(frame: FrameType) -> None:
    """Before Python 3.13 looking at a function's locals leaves a copy in its frame, which would go
    on holding references. A debugger writes that copy back: then it has to stay."""
    if sys.version_info >= (3, 13) or not frame.f_code.co_flags & _CO_OPTIMIZED:
        return
    if sys.gettrace() is None and frame.f_trace is None:
        frame.f_locals.clear()


def _modules() -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, module in list(sys.modules.items()):
        if isinstance(module, ModuleType) and not name.startswith("gcsim"):
            yield name, vars(module)


def find(heap: _core.Heap, skip: Iterable[object] = ()) -> _Finder:
    """Looks for all references of a heap, but not in what is skipped."""
    found = _Finder(heap)
    passed = {id(found.refs), id(found.places), *map(id, skip)}
    for frame in _frames():
        if frame.f_locals is not frame.f_globals:
            for name, value in list(frame.f_locals.items()):
                found.variable(value, name, f" in {frame.f_code.co_qualname}()")
            _forget_locals(frame)
    for module, names in _modules():
        found.named.add(id(names))
        for name, value in list(names.items()):
            found.variable(value, name, "" if module == "__main__" else f" in module {module}")
    found.rest(passed)
    return found


def handles(heap: _core.Heap) -> list[Handle]:
    addresses = heap._handle_addresses()
    traces = heap._handle_traces() or []
    orphans = set(heap._orphan_addresses())
    found = find(heap, (addresses,))
    made: dict[int, list[str]] = {}
    for address, _, file, line in traces:
        made.setdefault(address, []).append(f"{file}:{line}")
    counts: dict[int, int] = {}
    for address in addresses:
        counts[address] = counts.get(address, 0) + 1
    return [
        Handle(
            address,
            type(found.refs[address]).__name__ if address in found.refs else None,
            count,
            tuple(found.places.get(address, ())),
            tuple(sorted(made.get(address, ()))),
            address in orphans,
        )
        for address, count in sorted(counts.items())
    ]
