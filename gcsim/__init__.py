"""gcsim: Go's memory manager as a C library with a Python face.

A `Heap` has Go 1.26's allocator and collector; `struct` gives Go's layout to a Python class; what
`heap.new` returns is a reference into the C heap::

    @gcsim.struct
    class Node:
        next: ptr["Node"]
        n: i64

    with gcsim.Heap() as heap:
        head = heap.new(Node, n=1)
        head.next = heap.new(Node, n=2)
        heap.collect()

Everything that fails raises a subclass of `Error` and of the fitting built-in.
"""

from __future__ import annotations

# ruff: noqa: F401  (what is imported here is the public interface)
import os as _os
import sys as _sys
from _thread import get_ident as _get_ident
from collections.abc import Sequence as _Sequence
from importlib import import_module as _import_module

from gcsim._core import (
    Array,
    Batch,
    Box,
    Cleanup,
    Frame,
    Func,
    Goroutine,
    Heap,
    Ref,
    Slice,
    Weak,
    address,
    build_info,
    heapof,
    typeof,
)
from gcsim._errors import (
    AddressError,
    BenchFormatError,
    BoundsError,
    ClosedHeapError,
    CompileError,
    CompilerNotFoundError,
    ConversionError,
    DeadlockError,
    DumpFormatError,
    Error,
    FieldError,
    ForkedHeapError,
    GoSourceError,
    HeapMemoryError,
    LostObjectError,
    MappingError,
    MissingKeyError,
    NotThereYetError,
    OptionError,
    PanicError,
    PlacementError,
    ProfileFormatError,
    ProgramError,
    RangeError,
    StaleReferenceError,
    StateError,
    ThreadError,
    TraceFormatError,
    TypeDefinitionError,
    UnknownNameError,
    UnsupportedDumpError,
    UseAfterResetError,
    WorkloadError,
    WrongHeapError,
)
from gcsim._layout import (
    FieldLayout,
    Layout,
    SizeClass,
    alignof,
    layout,
    offsetof,
    size_class,
    sizeof,
)
from gcsim._struct import struct
from gcsim._types import (
    TypeInfo,
    array,
    bool_,
    c64,
    c128,
    chan,
    f32,
    f64,
    func_,
    i8,
    i16,
    i32,
    i64,
    iface,
    map_,
    ptr,
    slice_,
    string,
    u8,
    u16,
    u32,
    u64,
    uintptr,
)

__version__ = build_info()["version"]

_Sequence.register(Slice)
_Sequence.register(Array)

# Names that are looked up when they are first used: what they need is slow to import.
_LAZY = {
    "Channel": "_goroutines",
    "Cond": "_goroutines",
    "Breakdown": "_breakdown",
    "boxing": "_boxes",
    "captured_by_value": "_boxes",
    "Buffer": "_builders",
    "Builder": "_builders",
    "Cycle": "_results",
    "Era": "_eras",
    "Escape": "_escape.result",
    "EscapeCost": "_escape.cost",
    "EscapeDiagnostic": "_escape.result",
    "EscapeGraph": "_escape.picture",
    "EscapeLeak": "_escape.result",
    "EscapeSide": "_escape.cost",
    "EscapeStep": "_escape.result",
    "EscapeValue": "_escape.cost",
    "EscapeVerdict": "_escape.result",
    "Exploration": "_explore",
    "Event": "_results",
    "Events": "_events",
    "Film": "_film",
    "Fragmentation": "_fragmentation",
    "GCTrace": "_gctrace",
    "GoroutineStack": "_goroutines",
    "GCStats": "_results",
    "Handle": "_handles",
    "HeapGraph": "_graph",
    "Histogram": "_metrics",
    "LeakedGoroutine": "_goroutines",
    "Map": "_maps",
    "MappedFile": "_mapped",
    "MemStats": "_results",
    "Metrics": "_metrics",
    "Mutex": "_goroutines",
    "ObjectInfo": "_results",
    "HugePages": "_placement",
    "Placement": "_placement",
    "Profile": "_pprof",
    "Server": "_serve",
    "Snapshot": "_snapshot",
    "SpanInfo": "_results",
    "SteppedCycle": "_steps",
    "Timeline": "_timeline",
    "RWMutex": "_goroutines",
    "Receive": "_goroutines",
    "Received": "_goroutines",
    "Selected": "_goroutines",
    "Send": "_goroutines",
    "Timer": "_goroutines",
    "TraceCycle": "_gctrace",
    "View": "_view",
    "WaitGroup": "_goroutines",
    "Workload": "_workload",
    "WorkloadResult": "_workload",
    "PROGRAMS": "_programs",
    "Program": "_programs",
    "Stage": "_programs",
    "eras": "_eras",
    "escape": "_escape.result",
    "explore": "_explore",
    "follow_gctrace": "_gctrace",
    "lab": "",
    "learn": "",
    "litmus": "",
    "lowlevel": "",
    "open_go_dump": "_dump",
    "open_graph": "_graph",
    "read_gctrace": "_gctrace",
    "read_pprof": "_pprof",
    "read_snapshot": "_heap_files",
    "serve": "_serve",
    "workload": "_workload",
    "workloads": "_workload",
    "GoroutineDetector": "_detectors",
    "LeakDetector": "_detectors",
    "LeakReport": "_detectors",
    "LeakSuspect": "_detectors",
    "SnapshotDetector": "_detectors",
    "compare_snapshots": "_detectors",
    "ArenaBytes": "_allocators",
    "BatchAllocator": "_allocators",
    "MemoryPool": "_allocators",
    "ObjectPool": "_allocators",
    "next_power_of_2": "_allocators",
    "Pool": "_pools",
    "PoolCounts": "_pools",
    "LEAKS": "_leaks",
    "Leak": "_leaks",
    "MemoryGrowth": "_trackers",
    "MemoryMonitor": "_trackers",
    "MemoryNotice": "_trackers",
    "MemorySample": "_trackers",
    "MemoryTracker": "_trackers",
    "ProfileEvery": "_trackers",
}

# Names of the design that this version does not have.
_LATER = frozenset({"open_snapshot"})


def get_include() -> str:
    """The directory of gcsim's C headers: compile with ``-I``, ``#include <gcsim/gcsim.h>``."""
    package = _os.path.dirname(__file__)
    inside = _os.path.join(package, "include")
    beside = _os.path.join(_os.path.dirname(package), "csrc", "include")
    return inside if _os.path.isdir(inside) else beside


def _forget_imports() -> None:
    """In a forked child: what other threads were importing is locked for ever by threads that are
    not there, and much here is imported when it is first needed. It is imported anew."""
    locks = getattr(getattr(_sys.modules["importlib"], "_bootstrap", None), "_module_locks", {})
    for name, reference in list(locks.items()):
        lock = reference()
        if lock is not None and getattr(lock, "owner", None) not in (None, _get_ident()):
            locks.pop(name, None)
            _sys.modules.pop(name, None)


_os.register_at_fork(after_in_child=_forget_imports)


def __getattr__(name: str) -> object:
    if name in _LAZY:
        home = _LAZY[name]
        module = _import_module(f"gcsim.{home or name}")
        value = getattr(module, name) if home else module
        globals()[name] = value
        return value
    if name in _LATER:
        raise NotThereYetError(f"gcsim.{name} is not there yet")
    raise AttributeError(f"module 'gcsim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(
        {*globals(), *_LAZY} - {"_import_module", "_get_ident", "_os", "_sys", "annotations"}
    )
