"""Where a heap's pages are: huge pages (``heap.huge_pages``), memory nodes (``heap.placement``).

What the heap asks the kernel for is in ``csrc/alloc/placement.c``; here is what the machine has,
read from /sys and /proc, and the values that users see. Go's allocator does none of it: it asks for
huge pages nowhere by default, and knows of no nodes (grep NUMA in its runtime finds nothing).
"""

from __future__ import annotations

import errno as _errno
import re
import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from gcsim import _core
from gcsim._errors import (
    ClosedHeapError,
    ConversionError,
    OptionError,
    PlacementError,
    StaleReferenceError,
    WrongHeapError,
)
from gcsim._results import bytes_text

_NODES = Path("/sys/devices/system/node")
_HUGE = Path("/sys/kernel/mm/transparent_hugepage")
_MAPS = Path("/proc/self/smaps")

_WHERE = struct.Struct("5QIi2I2QiI")  # gcsim.h:gcsim_placement
_CACHED = struct.Struct("4I")  # gcsim.h:gcsim_cached_span
_HUGE_OPTIONS = ("default", "always", "never")
_PLACES = ("default", "local", "interleaved", "bound")
_MOST_NODES = 64
_MOST_PAGES = 1 << 18  # of the system's, whose nodes are asked for: 1 GiB


class _Where(NamedTuple):
    arena: int
    bytes: int
    reserved: int
    page_bytes: int
    huge_page_bytes: int
    huge_pages: int
    huge_refused: int
    place: int
    noted_place: int
    place_nodes: int
    noted_nodes: int
    not_noted: int
    node_here: int


def _read(heap: _core.Heap) -> tuple[_Where, list[tuple[int, int, int, int]]]:
    where, spans = heap._read_placement()
    return _Where(*_WHERE.unpack(where)), list(_CACHED.iter_unpack(spans))


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None


# ---- memory nodes ----


def _node_list(text: str) -> tuple[int, ...]:
    """The kernel's way to write sets: "0-2,5". ValueError for anything else."""
    nodes: set[int] = set()
    for part in text.split(","):
        found = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", part.strip(), re.ASCII)
        if not found:
            raise ValueError(text)
        first, last = int(found[1]), int(found[2] or found[1])
        if not first <= last < 1 << 16:
            raise ValueError(text)
        nodes.update(range(first, last + 1))
    return tuple(sorted(nodes))


def machine_nodes() -> tuple[int, ...]:
    """The nodes that have memory; (0,) where the kernel does not tell."""
    for name in ("has_memory", "online"):
        text = _text(_NODES / name)
        if text:
            try:
                return _node_list(text)
            except ValueError:
                continue
    return (0,)


def _nodes_text(nodes: tuple[int, ...]) -> str:
    many = "node" if len(nodes) == 1 else "nodes"
    return f"{len(nodes)} memory {many} ({', '.join(map(str, nodes))})"


def _bit_mask(nodes: tuple[int, ...]) -> int:
    return sum(1 << node for node in nodes if node < _MOST_NODES)


def _bits(mask: int) -> tuple[int, ...]:
    return tuple(i for i in range(_MOST_NODES) if mask >> i & 1)


def numa_option(value: object) -> tuple[int, int]:
    """gcsim_place and the set of nodes for ``Heap(numa=value)``."""
    if not isinstance(value, str):
        raise ConversionError(f"numa= takes a str or None, not {type(value).__name__}")
    here = machine_nodes()
    if value == "local":
        return _PLACES.index("local"), 0
    if value == "interleaved":
        if len(here) < 2:
            raise PlacementError(
                f"numa='interleaved': this machine has {_nodes_text(here)}, so there is nothing to "
                "interleave; leave numa=None"
            )
        return _PLACES.index("interleaved"), _bit_mask(here)
    kind, _, rest = value.partition(":")
    if kind != "bound":
        raise OptionError(
            f"numa={value!r} is not known; known are 'local', 'interleaved', and 'bound:' with "
            "nodes, such as 'bound:0' or 'bound:0,2-3'"
        )
    try:
        wanted = _node_list(rest)
    except ValueError:
        raise OptionError(
            f"numa={value!r}: behind 'bound:' come nodes, such as '0' or '0,2-3'"
        ) from None
    missing = [node for node in wanted if node not in here]
    if missing:
        raise PlacementError(
            f"numa={value!r}: this machine has {_nodes_text(here)}, not "
            f"{', '.join(map(str, missing))}"
        )
    if max(wanted) >= _MOST_NODES:
        raise PlacementError(f"numa={value!r}: nodes from {_MOST_NODES} on cannot be named here")
    return _PLACES.index("bound"), _bit_mask(wanted)


class MutatorPlace(NamedTuple):
    """A mutator (what a P holds in Go), and the spans that it allocates from."""

    mutator: int
    spans: tuple[tuple[int, int, int], ...]  #: (address, pages of 8 KiB, span class)
    nodes: tuple[tuple[int | None, int], ...]  #: (node, the system's pages); None: no memory yet

    def __str__(self) -> str:
        first = min(address for address, _, _ in self.spans)
        last = max(address + pages * 8192 for address, pages, _ in self.spans)
        return (
            f"mutator {self.mutator}: {len(self.spans)} spans from {first:#x} to {last:#x}, "
            f"{_counts_text(self.nodes)}"
        )


def _counts_text(counts: tuple[tuple[int | None, int], ...]) -> str:
    words = [
        f"{n} pages {'not touched yet' if node is None else f'on node {node}'}"
        for node, n in counts
    ]
    return ", ".join(words) or "no pages"


@dataclass(frozen=True, repr=False)
class Placement:
    """Where a heap's pages were at one moment. Pages here are the system's, as a rule of 4 KiB.

    Without a policy, and with "local", the kernel takes a page from the node of the thread that
    touches it first; afterwards it stays there, whoever uses it. The heap's mutators have spans
    of their own, so what a thread allocates it has touched first, but for memory that another
    one had used before: free spans go to whoever asks next. Go knows of nodes as little.
    """

    policy: str  #: asked for: "default", "local", "interleaved", "bound"
    nodes: tuple[int, ...]  #: of "interleaved" and "bound"
    kernel_policy: str | None  #: what the kernel has noted for the heap's range; None: not told
    kernel_nodes: tuple[int, ...]
    machine: tuple[int, ...]  #: nodes that have memory
    page_bytes: int
    counts: tuple[tuple[int | None, int], ...]  #: (node, pages); None: no memory, not touched yet
    asked_pages: int  #: of these many, the first of the heap (at most 2**18)
    mutators: tuple[MutatorPlace, ...]
    node_here: int  #: of the processor that the asking thread was on

    @property
    def note(self) -> str:
        """What the numbers mean on this machine, in a sentence."""
        if self.kernel_policy is None:
            return "This kernel does not tell where pages are (no NUMA, or its calls are forbidden)"
        if len(self.machine) == 1:
            return f"This machine has {_nodes_text(self.machine)}: every policy puts pages there"
        return f"This machine has {_nodes_text(self.machine)}"

    def __repr__(self) -> str:
        nodes = f" {', '.join(map(str, self.nodes))}" if self.nodes else ""
        return f"<Placement {self.policy}{nodes}: {_counts_text(self.counts)}; {self.note}>"

    def __str__(self) -> str:
        return "\n".join([repr(self)[1:-1], *map(str, self.mutators)])


def _count(nodes: tuple[int | None, ...]) -> tuple[tuple[int | None, int], ...]:
    return tuple(sorted(Counter(nodes).items(), key=lambda kv: -1 if kv[0] is None else kv[0]))


def _nodes_of(heap: _core.Heap, address: int, pages: int) -> tuple[int | None, ...]:
    found = memoryview(heap._page_nodes(address, pages)).cast("i")
    return tuple(None if node < 0 else node for node in found)


def page_nodes(heap: _core.Heap, where: Any) -> tuple[int | None, ...]:
    """What ``heap.page_nodes(where)`` returns."""
    if isinstance(where, (_core.Slice, _core.Array)):
        address, size = where.address, len(where) * where.elem.bytes
    elif isinstance(where, _core.Ref):
        address, size = _core.address(where), _core.typeof(where).bytes
    else:
        raise ConversionError(
            f"a Ref, Slice or Array of the heap is needed, not {type(where).__name__}"
        )
    page = _read(heap)[0].page_bytes
    first = address // page * page
    try:
        return _nodes_of(heap, first, -(-(address + size - first) // page)) if size else ()
    except StaleReferenceError:
        raise WrongHeapError(
            f"the {type(where).__name__} does not lie in this heap's pages"
        ) from None


def placement(heap: _core.Heap) -> Placement:
    """What ``heap.placement`` is."""
    where, cached = _read(heap)
    told = where.not_noted == 0
    by_mutator: dict[int, list[tuple[int, int, int]]] = {}
    for mutator, page, npages, span_class in cached:
        span = (where.arena + page * 8192, npages, span_class)
        by_mutator.setdefault(mutator, []).append(span)
    ratio = 8192 // where.page_bytes if where.page_bytes < 8192 else 0

    def nodes(address: int, pages: int) -> tuple[int | None, ...]:
        try:
            return _nodes_of(heap, address, pages) if told and pages else ()
        except PlacementError:
            return ()

    pages = min(where.bytes // where.page_bytes, _MOST_PAGES)
    return Placement(
        policy=_PLACES[where.place],
        nodes=_bits(where.place_nodes),
        kernel_policy=_PLACES[where.noted_place] if told else None,
        kernel_nodes=_bits(where.noted_nodes),
        machine=machine_nodes(),
        page_bytes=where.page_bytes,
        counts=_count(nodes(where.arena, pages)),
        asked_pages=pages,
        mutators=tuple(
            MutatorPlace(
                mutator,
                tuple(spans),
                _count(tuple(n for at, npages, _ in spans for n in nodes(at, npages * ratio))),
            )
            for mutator, spans in sorted(by_mutator.items())
        ),
        node_here=where.node_here,
    )


# ---- huge pages ----


@dataclass(frozen=True, repr=False)
class HugePages:
    """Transparent huge pages behind a heap at one moment. Bytes.

    The kernel gives one where 2 MiB of address space are touched for the first time, or makes one
    later of small pages (khugepaged, ``heap.collapse_huge_pages()``). Giving memory back splits
    them again.
    """

    asked: str  #: "default" (above the first 16 MiB), "always", "never"
    kernel: str | None  #: /sys/kernel/mm/transparent_hugepage/enabled; None: it has none
    defrag: str | None  #: .../defrag: what a page fault does when no huge page is at hand
    page_bytes: int  #: of a huge page; 0: there are none
    heap_bytes: int  #: in use or once used
    resident_bytes: int  #: of these, with memory (Rss)
    huge_bytes: int  #: of these, in huge pages (AnonHugePages)
    refused: str | None  #: the kernel's reason not to take the advice

    @property
    def share(self) -> float:
        """Of the resident bytes those in huge pages: 0 to 1."""
        return self.huge_bytes / self.resident_bytes if self.resident_bytes else 0.0

    @property
    def note(self) -> str:
        """What came of asking, in a sentence."""
        if self.kernel is None or not self.page_bytes:
            return "this kernel has no transparent huge pages: huge_pages= changes nothing"
        if self.refused:
            return f"the kernel did not take the advice: {self.refused}"
        if self.asked == "never":
            return "small pages were asked for"
        if self.kernel == "never":
            return (
                f"the kernel has them off ({_HUGE / 'enabled'} is never): asking changes nothing; "
                "who administers the machine can write madvise there"
            )
        if self.huge_bytes:
            return f"{self.share:.0%} of the resident bytes are in huge pages"
        if self.asked == "default" and self.kernel == "madvise":
            return "the first 16 MiB of a heap do not ask for them"
        return (
            f"none yet: one comes when {bytes_text(self.page_bytes)} of address space are touched "
            "first, if the kernel has one at hand"
        )

    def __repr__(self) -> str:
        return (
            f"<HugePages {self.asked}: {bytes_text(self.huge_bytes)} of "
            f"{bytes_text(self.resident_bytes)} resident; kernel {self.kernel}; {self.note}>"
        )


def _choice(name: str) -> str | None:
    """The word in brackets: "always [madvise] never"."""
    found = re.search(r"\[([\w+]+)\]", _text(_HUGE / name) or "")
    return found[1] if found else None


def _mapped(first: int, end: int) -> tuple[int, int]:
    """Bytes that are resident, and that are in huge pages, of mappings inside [first, end)."""
    resident = huge = 0
    inside = False
    try:
        with _MAPS.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                bounds = re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line)
                if bounds:
                    inside = first <= int(bounds[1], 16) < end
                elif inside and line.startswith("Rss:"):
                    resident += int(line.split()[1]) * 1024
                elif inside and line.startswith("AnonHugePages:"):
                    huge += int(line.split()[1]) * 1024
    except OSError:
        return 0, 0
    return resident, huge


def huge_pages(heap: _core.Heap) -> HugePages:
    """What ``heap.huge_pages`` is."""
    if heap.closed:
        raise ClosedHeapError("the heap is closed")
    where, _ = _read(heap)
    resident, huge = _mapped(where.arena, where.arena + where.bytes)
    return HugePages(
        asked=_HUGE_OPTIONS[where.huge_pages],
        kernel=_choice("enabled"),
        defrag=_choice("defrag"),
        page_bytes=where.huge_page_bytes,
        heap_bytes=where.bytes,
        resident_bytes=resident,
        huge_bytes=huge,
        refused=_errno.errorcode.get(where.huge_refused) if where.huge_refused else None,
    )
