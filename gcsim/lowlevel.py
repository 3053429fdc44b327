"""The C API and the core's internals through cffi, for white-box tests and low-level users.

This is C: a wrong pointer crashes the process. Nothing else in gcsim may.

``ffi``, ``lib``
    cffi's objects for the unit that is linked into ``gcsim._core``. Needs the package cffi.
``fast``, ``steps``
    The function tables of the two instantiations (``const gcsim_api *``, see gcsim.h).
``whitebox_fast``, ``whitebox_steps``
    The tables of internals (``csrc/whitebox.def``).
``whitebox``
    The pure functions among them with Python results.
``calls``
    The functions of csrc/lib over slices, strings, builders, buffers (``csrc/ffi/lib.def``).
``RawHeap``
    One heap with one mutator, addresses as ints.
``PageAllocReplay``
    A page allocator of its own, as conformance replays it.
``MapReplay``
    A map in a heap of its own, as conformance replays it.
``Pacer``, ``Limiter``
    The pacer and the CPU limiter as values with the functions over them.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import sys
from dataclasses import dataclass
from itertools import count
from typing import Any

from gcsim import _core
from gcsim._errors import Error, HeapMemoryError

__all__ = [
    "Asked",
    "Limiter",
    "MapReplay",
    "Pacer",
    "PageAllocReplay",
    "RawHeap",
    "calls",
    "fast",
    "ffi",
    "lib",
    "steps",
    "whitebox",
    "whitebox_fast",
    "whitebox_steps",
]


def _load() -> Any:
    """The second module that gcsim._core's file holds (PyInit__ffi)."""
    name = "gcsim._ffi"
    if name in sys.modules:
        return sys.modules[name]
    try:
        importlib.import_module("_cffi_backend")
    except ImportError as error:
        raise ImportError('gcsim.lowlevel needs cffi: pip install "gcsim[test]"') from error
    loader = importlib.machinery.ExtensionFileLoader(name, str(_core.__file__))
    spec = importlib.util.spec_from_file_location(name, _core.__file__, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    sys.modules[name] = module
    return module


_ffi = _load()
ffi: Any = _ffi.ffi
lib: Any = _ffi.lib
fast: Any = lib.gcsim_fast()
steps: Any = lib.gcsim_steps()
whitebox_fast: Any = lib.gcsim_whitebox_fast()
whitebox_steps: Any = lib.gcsim_whitebox_steps()
calls: Any = lib.gcsim_lib()

_ALLOC_REQUEST = next(k for k in count() if ffi.string(fast.event_name(k)) == b"alloc request")
_NO_OFFSET = (0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)


@dataclass(frozen=True)
class SizeRule:
    """What malloc does with a request (alloc/sizeclass.h:sizeclass_resolve). Bytes."""

    size_class: int
    tiny: bool
    large: bool
    header_bytes: int
    slot_bytes: int
    span_pages: int
    usable_bytes: int


@dataclass(frozen=True)
class SpanGeometry:
    """How a span of a class is laid out (sizeclass.h:span_geometry); offset -1: there is none."""

    slot_bytes: int
    span_pages: int
    div_magic: int
    nelems: int
    heap_bits_offset: int
    inline_marks_offset: int
    limit_bytes: int


class whitebox:
    """Pure functions of the core."""

    @staticmethod
    def sizeclass(size: int, noscan: bool) -> SizeRule:
        """Which slot a request of `size` bytes gets."""
        out = ffi.new("uint64_t[7]")
        whitebox_fast.sizeclass_resolve(size, noscan, out)
        size_class, tiny, large, *rest = list(out)
        return SizeRule(size_class, bool(tiny), bool(large), *rest)

    @staticmethod
    def roundupsize(size: int, noscan: bool) -> int:
        """The bytes that append rounds a capacity of `size` bytes up to (msize.go:roundupsize)."""
        return int(whitebox_fast.roundupsize(size, noscan))

    @staticmethod
    def profile_scale(count: int, size: int, rate: int) -> tuple[int, int]:
        """Objects and bytes that samples stand for (runtime/pprof, protomem.go:scaleHeapSample)."""
        out = ffi.new("int64_t[2]")
        whitebox_fast.profile_scale(count, size, rate, out)
        return int(out[0]), int(out[1])

    @staticmethod
    def span_geometry(size_class: int, noscan: bool, green_tea: bool) -> SpanGeometry:
        """The layout of a span of a class, with or without Green Tea's inline mark bits."""
        sizes, places = ffi.new("uint64_t[3]"), ffi.new("uint64_t[4]")
        whitebox_fast.size_class(size_class, sizes)
        whitebox_fast.span_geometry(size_class, noscan, green_tea, places)
        slot_bytes, span_pages, div_magic = list(sizes)
        nelems, heap_bits, marks, limit = list(places)
        return SpanGeometry(
            slot_bytes,
            span_pages,
            div_magic,
            nelems,
            -1 if heap_bits in _NO_OFFSET else heap_bits,
            -1 if marks in _NO_OFFSET else marks,
            limit,
        )


@dataclass(frozen=True)
class Asked:
    """One request to a heap, and the slot that it got (tiny objects share one). Bytes."""

    request: int
    slot: int
    noscan: bool


class RawHeap:
    """A heap with one mutator that is always inside. Objects are ints; `keep` makes one a root."""

    def __init__(self, *, steps: bool = False, **options: int) -> None:
        """Options are the fields of ``gcsim_options`` by name (gcsim.h)."""
        self.api: Any = lib.gcsim_steps() if steps else lib.gcsim_fast()
        given = ffi.new("gcsim_options *", options | {"bytes": ffi.sizeof("gcsim_options")})
        status = ffi.new("gcsim_status *")
        self.heap = self.api.heap_create(given, status)
        if not self.heap:
            raise HeapMemoryError(self._status(status[0]))
        self.mutator = self.api.mutator_attach(self.heap, status)
        self.mutator.inside = 1  # one thread, so nobody is waiting to stop the world
        self._types: dict[tuple[int, bool], Any] = {}

    def __del__(self) -> None:
        heap, self.heap = getattr(self, "heap", None), None
        if heap:
            self.api.heap_destroy(heap)

    def _status(self, status: int) -> str:
        return str(ffi.string(self.api.status_text(status)).decode())

    def type_of(self, size: int, scan: bool) -> Any:
        """A type of `size` bytes; with `scan` rounded up to words, the first of them a pointer."""
        if (size, scan) not in self._types:
            name = ffi.new("char[]", b"bytes")
            bytes_ = (size + 7) // 8 * 8 if scan else size
            mask = ffi.new("uint64_t[1]", [1])
            desc = ffi.new(
                "gcsim_type_desc *",
                {
                    "name": name,
                    "bytes": bytes_,
                    "ptr_bytes": 8 * scan,
                    "mask": mask,
                    "align": 8 if scan else 1,
                },
            )
            status = ffi.new("gcsim_status *")
            made = self.api.type_new(self.heap, desc, status)
            if not made:
                raise Error(self._status(status[0]))
            self._types[size, scan] = made
        return self._types[size, scan]

    def allocate(self, size: int, scan: bool) -> int:
        """The address of a new object."""
        p = self.api.new_slow(self.mutator, self.type_of(size, scan))
        if not p:
            raise HeapMemoryError(self._status(self.mutator.status))
        return int(ffi.cast("uintptr_t", p))

    def find(self, address: int) -> Any:
        """The object at an address as ``gcsim_object``, `base` as an int."""
        out = ffi.new("gcsim_object *")
        status = self.api.find_object(self.heap, ffi.cast("void *", address), out)
        if status:
            raise Error(f"{address:#x}: {self._status(status)}")
        return _Found(int(ffi.cast("uintptr_t", out.base)), out)

    def keep(self, address: int) -> Any:
        """Make an object a root; returns its handle."""
        return self.api.handle_new(self.mutator, ffi.cast("void *", address))

    def watch(self, room: int = 1 << 16) -> None:
        """Record what is asked of the heap from now on, until `asked`; `room` requests at most."""
        self._check(self.api.record_begin(self.mutator, 1 << _ALLOC_REQUEST, room))

    def asked(self) -> list[Asked]:
        """What was asked of the heap since `watch`, in order: as long as its objects are there.

        Raises Error if there were more requests than there is room for.
        """
        about = ffi.new("gcsim_recorded *")
        self._check(self.api.record_end(self.mutator, about))
        if about.dropped:
            raise Error(f"{about.dropped} requests too many to record")
        if not about.kept:
            return []
        events = ffi.new("gcsim_event[]", about.kept)
        self.api.record_read(self.heap, events)
        arena = int(ffi.cast("uintptr_t", self.api.arena(self.heap, ffi.new("uint64_t *"))))
        found = [(event.arg, self.find(arena + event.where)) for event in events]
        return [Asked(int(n), f.slot_bytes, bool(f.noscan)) for n, f in found]

    def _check(self, status: int) -> None:
        if status:
            raise Error(self._status(status))

    def collect(self) -> None:
        """A full collection with its sweep."""
        self._check(self.api.collect(self.mutator))

    def pages_in_use(self) -> set[int]:
        """First pages of all spans that hold objects."""
        cursor, out = ffi.new("uint64_t *"), ffi.new("gcsim_span_info[64]")
        pages: set[int] = set()
        while n := self.api.spans(self.mutator, cursor, out, 64):
            pages.update(out[i].first_page for i in range(n) if out[i].state == 1)
        return pages

    def verify(self) -> list[tuple[int, str]]:
        """Violations as (number, message); empty when all is well."""
        out = ffi.new("gcsim_violation[16]")
        n = self.api.verify(self.mutator, out, 16)
        return [
            (out[i].invariant, ffi.string(out[i].message).decode()) for i in range(min(int(n), 16))
        ]


class _Found:
    def __init__(self, base: int, out: Any) -> None:
        self.base = base
        for name in ("slot_bytes", "header_bytes", "span_page", "index", "noscan", "span_class"):
            setattr(self, name, getattr(out, name))

    span_page: int
    span_class: int
    index: int
    slot_bytes: int
    header_bytes: int
    noscan: int


@dataclass(frozen=True)
class MapObject:
    """An object that an operation on a map made: bytes asked for, and the slot it got."""

    at: int  # which key of the range it was made for
    kind: str  # map, directory, table, groups, key, elem
    request: int
    slot: int
    noscan: bool


@dataclass(frozen=True)
class MapState:
    """A map as it is; of each table, in the directory's order, its slots, how many are used, how
    many may be filled before it grows, and its local depth."""

    used: int
    dir_len: int
    depth: int
    tombstone_possible: bool
    tombstones: int
    tables: tuple[tuple[int, int, int, int], ...]


class MapReplay:
    """A map whose keys are numbers, in a heap whose collector runs only when it is made anew."""

    HASHES = ("seeded", "mix", "clustered", "skewed", "collide16")
    _OPS = ("make", "insert", "delete", "churn", "clear", "clone")
    _KINDS = ("map", "directory", "table", "groups", "key", "elem")

    def __init__(self, key: Any, elem: Any, *, hash: str = "seeded", seed: int = 0) -> None:
        """key, elem: TypeInfo (gcsim._types.describe).

        Raises TypeDefinitionError for a key that is none, Error for one that cannot be replayed."""
        from gcsim._maps import key_plan

        how, parts = key_plan(key)
        # The words of an interface are numbers here, no types: compared as plain memory.
        parts = [(at, size, 0 if kind == 4 else kind) for at, size, kind in parts]
        self._heap = RawHeap(gc_percent=-1, stop_the_world=1)
        self._types = [self._type(info) for info in (key, elem)]
        self._how, self._hash, self._parts = how, self.HASHES.index(hash), parts
        self._r: Any = None
        self.start(seed)

    def _type(self, info: Any) -> Any:
        mask = ffi.from_buffer(info.mask or bytes(8))
        name = ffi.new("char[]", info.name.encode())
        desc = ffi.new(
            "gcsim_type_desc *",
            {
                "name": name,
                "bytes": info.bytes,
                "ptr_bytes": info.ptr_bytes,
                "mask": ffi.cast("uint64_t *", mask),
                "align": info.align,
            },
        )
        status = ffi.new("gcsim_status *")
        made = self._heap.api.type_new(self._heap.heap, desc, status)
        if not made:
            raise Error(f"{info.name}: {self._heap._status(status[0])}")
        return made

    def start(self, seed: int) -> None:
        """Forget the map and all that it was, and begin with other chances."""
        if self._r is not None:
            self._heap.collect()
        r = whitebox_fast.map_new(
            self._heap.mutator, *self._types, self._how, self._hash, seed & _NO_OFFSET[1]
        )
        if not r:
            raise Error("keys of this type cannot be replayed with this hash")
        self._r = ffi.gc(r, whitebox_fast.map_delete)
        for part in self._parts if self._how == 4 else ():
            if not whitebox_fast.map_part(self._r, *part):
                raise Error("the key has too many parts")

    def do(self, op: str, first: int = 0, count: int = 0, stride: int = 1) -> list[MapObject]:
        """One operation (make: `first` is the hint), and the objects that it made, in order."""
        words = ffi.new("uint64_t[3]", [n & _NO_OFFSET[1] for n in (first, count, stride)])
        status = whitebox_fast.map_do(self._r, self._OPS.index(op), words)
        if status:
            raise Error(f"{op}: {self._heap._status(status)}")
        n = ffi.new("uint64_t *")
        objects = whitebox_fast.map_objects(self._r, n)
        rows = ffi.unpack(objects, 5 * int(n[0])) if n[0] else []
        return [
            MapObject(at, self._KINDS[kind], request, slot, bool(noscan))
            for at, kind, request, slot, noscan in zip(*[iter(rows)] * 5, strict=True)
        ]

    @property
    def state(self) -> MapState:
        """What the map is now."""
        n = int(whitebox_fast.map_state(self._r, ffi.NULL, 0))
        out = ffi.new("uint64_t[]", n)
        whitebox_fast.map_state(self._r, out, n)
        used, dir_len, depth, possible, tombstones, _, *tables = list(out)
        each = tuple(zip(*[iter(tables)] * 4, strict=True))
        return MapState(used, dir_len, depth, bool(possible), tombstones, each)

    def check(self) -> str | None:
        """Which invariant of lib/map.c does not hold, or None."""
        wrong = whitebox_fast.map_check(self._r)
        return ffi.string(wrong).decode() if wrong else None


# alloc/pagealloc_replay.h:pagealloc_replay_value
_SCAVENGED, _, _, _CACHE_BITS, _CACHE_SCAV, _FREE_PAGES = range(6)
_ALLOC_HASH, _SCAV_HASH, _SUMMARY_HASH = range(10, 13)


class PageAllocReplay:
    """A page allocator over its own memory. Pages and chunks are absolute; -1 means none."""

    def __init__(self, base_chunk: int, capacity_chunks: int, levels: int) -> None:
        handle = whitebox_fast.replay_new(base_chunk, capacity_chunks, levels)
        if not handle:
            raise HeapMemoryError("no address space for a page allocator of this capacity")
        self._r = ffi.gc(handle, whitebox_fast.replay_delete)

    def _state(self, which: int) -> int:
        return int(whitebox_fast.replay_state(self._r, which))

    def init_chunk(self, chunk: int) -> None:
        """Add a chunk whose pages are all free and resident."""
        if not whitebox_fast.replay_init_chunk(self._r, chunk):
            raise HeapMemoryError("growth failed")

    def init_range(self, page: int, npages: int, scavenged: bool) -> None:
        """Make free pages allocated, or scavenged."""
        whitebox_fast.replay_init_range(self._r, page, npages, scavenged)

    def grow(self, chunk: int, nchunks: int) -> None:
        """Add chunks, free and scavenged."""
        if not whitebox_fast.replay_grow(self._r, chunk, nchunks):
            raise HeapMemoryError("growth failed")

    def alloc(self, npages: int) -> tuple[int, int]:
        """First page and how many of the pages were scavenged."""
        page = int(whitebox_fast.replay_alloc(self._r, npages))
        return page, self._state(_SCAVENGED) if page >= 0 else 0

    def cache_alloc(self, npages: int) -> tuple[int, int]:
        """The same from the page cache."""
        page = int(whitebox_fast.replay_cachealloc(self._r, npages))
        return page, self._state(_SCAVENGED) if page >= 0 else 0

    def free(self, page: int, npages: int) -> None:
        """Give pages back."""
        whitebox_fast.replay_free(self._r, page, npages)

    def to_cache(self) -> int:
        """Take a page cache; its first page."""
        return int(whitebox_fast.replay_tocache(self._r))

    def flush(self) -> None:
        """Give the page cache back."""
        whitebox_fast.replay_flush(self._r)

    def scavenge_range(self, page: int, npages: int) -> int:
        """Mark free pages as scavenged; how many changed."""
        whitebox_fast.replay_scavenge_range(self._r, page, npages)
        return self._state(_SCAVENGED)

    @property
    def cache_bits(self) -> int:
        """Free pages of the page cache."""
        return self._state(_CACHE_BITS)

    @property
    def cache_scav(self) -> int:
        """Scavenged pages of the page cache."""
        return self._state(_CACHE_SCAV)

    @property
    def free_pages(self) -> int:
        """Pages that are free and in no cache."""
        return self._state(_FREE_PAGES)

    @property
    def alloc_hash(self) -> int:
        """FNV-1a of the allocation bitmaps."""
        return self._state(_ALLOC_HASH)

    @property
    def scav_hash(self) -> int:
        """FNV-1a of the scavenged bitmaps."""
        return self._state(_SCAV_HASH)

    @property
    def summary_hash(self) -> int:
        """FNV-1a of all summaries, root to leaf."""
        return self._state(_SUMMARY_HASH)


def _fields_of(struct: str) -> dict[str, tuple[int, str]]:
    """The words of a struct by name: index and a pointer type to read them through."""
    fields: dict[str, tuple[int, str]] = {}
    names = getattr(whitebox_fast, f"{struct}_field")
    while (text := names(len(fields))) != ffi.NULL:
        type_, name = ffi.string(text).decode().split()
        fields[name] = (len(fields), f"{type_} *")
    return fields


_FIELDS = {struct: _fields_of(struct) for struct in ("pacer", "limiter")}


class _Words:
    """A C struct of 8-byte words by name; doubles are floats, the rest ints."""

    _struct: str

    def __init__(self) -> None:
        self._slots = _FIELDS[self._struct]
        self._words = ffi.new("uint64_t[]", len(self._slots))
        self.c = ffi.cast(f"struct {self._struct} *", self._words)

    def __getitem__(self, name: str) -> Any:
        index, type_ = self._slots[name]
        return ffi.cast(type_, self._words + index)[0]

    def __setitem__(self, name: str, value: float) -> None:
        index, type_ = self._slots[name]
        ffi.cast(type_, self._words + index)[0] = value

    def save(self) -> bytes:
        """The whole state."""
        return bytes(ffi.buffer(self._words))

    def restore(self, saved: bytes) -> None:
        """Back to what `save` gave."""
        ffi.buffer(self._words)[:] = saved


class Pacer(_Words):
    """One ``struct pacer`` (csrc/gc/pacer.h): fields as items, the functions as methods."""

    _struct = "pacer"

    def init(self, gc_percent: int, memory_limit: int) -> None:
        """As for a new heap."""
        whitebox_fast.pacer_init(self.c, gc_percent, memory_limit)

    def set_gc_percent(self, percent: int) -> int:
        """Negative: off. Returns the percentage before."""
        return int(whitebox_fast.pacer_set_gc_percent(self.c, percent))

    def set_memory_limit(self, limit: int) -> int:
        """Negative: unchanged. Returns the limit before, bytes."""
        return int(whitebox_fast.pacer_set_memory_limit(self.c, limit))

    def commit(self, sweep_done: bool) -> None:
        """Goal by percent, sweep distance and runway from the state."""
        whitebox_fast.pacer_commit(self.c, sweep_done)

    def trigger(self) -> tuple[int, int]:
        """Trigger and the goal that it follows from, bytes."""
        out = ffi.new("uint64_t[2]")
        whitebox_fast.pacer_trigger(self.c, out)
        return out[0], out[1]

    def heap_goal(self) -> int:
        """The goal in force, bytes."""
        return int(whitebox_fast.pacer_heap_goal(self.c))

    def memory_limit_goal(self) -> int:
        """What the memory limit leaves to the heap, bytes."""
        return int(whitebox_fast.pacer_memory_limit_goal(self.c))

    def start_cycle(self, now: int, procs: int, *, timed: bool = False) -> None:
        """A cycle begins at `now` ns, by heap size or by time."""
        whitebox_fast.pacer_start_cycle(self.c, now, procs, int(timed))

    def revise(self) -> None:
        """New assist ratios."""
        whitebox_fast.pacer_revise(self.c)

    def end_cycle(self, now: int, procs: int) -> None:
        """Marking is over."""
        whitebox_fast.pacer_end_cycle(self.c, now, procs)

    def reset_live(self, bytes_marked: int) -> None:
        """The heap is what was marked."""
        whitebox_fast.pacer_reset_live(self.c, bytes_marked)


class Limiter(_Words):
    """One ``struct limiter`` (csrc/gc/limiter.h); times in ns."""

    _struct = "limiter"

    def init(self, now: int, nprocs: int) -> None:
        """As for a new heap."""
        whitebox_fast.limiter_init(self.c, now, nprocs)

    def update(self, now: int) -> None:
        """Account for the time since the last update."""
        whitebox_fast.limiter_update(self.c, now)

    def need_update(self, now: int) -> bool:
        """Whether the last update is more than 10 ms old."""
        return bool(whitebox_fast.limiter_need_update(self.c, now))

    def start_transition(self, enable: bool, now: int) -> None:
        """The stop that starts or ends marking begins."""
        if self["transitioning"] or self["gc_enabled"] == enable:
            raise ValueError("a transition that cannot start here")
        whitebox_fast.limiter_start_transition(self.c, enable, now)

    def finish_transition(self, now: int) -> None:
        """It ends."""
        if not self["transitioning"]:
            raise ValueError("no transition to finish")
        whitebox_fast.limiter_finish_transition(self.c, now)

    def reset_capacity(self, now: int, nprocs: int) -> None:
        """Another number of processors."""
        if self["transitioning"]:
            raise ValueError("a new capacity during a transition")
        whitebox_fast.limiter_reset_capacity(self.c, now, nprocs)

    def add_assist(self, ns: int) -> None:
        """CPU time of assists."""
        whitebox_fast.limiter_add_assist(self.c, ns)

    def add_idle(self, ns: int) -> None:
        """Idle CPU time."""
        whitebox_fast.limiter_add_idle(self.c, ns)
