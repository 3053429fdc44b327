"""Profiles in pprof's format, as values: read, shown, compared, written.

The reader that people use is ``go tool pprof``, whose tables (`Profile.top`) are made here by the
same rules: functions are nodes, in the order and the units of internal/graph and internal/report
of github.com/google/pprof. :mod:`gcsim._pprof_wire` has the file's format.
"""

from __future__ import annotations

import gzip
import html
import io
import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from gcsim._errors import OptionError, ProfileFormatError
from gcsim._files import write_whole

if TYPE_CHECKING:
    from gcsim._flame import FlameGraph

_MAX_BYTES = 16 << 20
_INDENT = 100  # levels of a tree; what is deeper stands below one another
_U64 = 1 << 64


# --- the values ----------------------------------------------------------------------------------


class SampleType(NamedTuple):
    """What a number of a sample counts: ``("inuse_space", "bytes")``."""

    type: str
    unit: str


NO_TYPE = SampleType("", "")


@dataclass(frozen=True, slots=True)
class Binary:
    """A mapping of the process: the part of a binary that addresses lie in."""

    start: int = 0
    limit: int = 0
    offset: int = 0
    file: str = ""
    build_id: str = ""
    has_functions: bool = False
    has_filenames: bool = False
    has_line_numbers: bool = False
    has_inline_frames: bool = False


@dataclass(frozen=True, slots=True)
class StackFrame:
    """A function and a line in it."""

    function: str
    file: str = ""
    line: int = 0
    start_line: int = 0  #: of the function; 0 if not known
    system_name: str = ""  #: as the linker has it
    column: int = 0


@dataclass(frozen=True, slots=True)
class Location:
    """An address of code: the frames that were inlined there, the innermost first."""

    frames: tuple[StackFrame, ...]
    address: int = 0
    binary: Binary | None = None
    folded: bool = False


class Label(NamedTuple):
    """A label of a sample: a string, or a number and its unit."""

    key: str
    value: str | int
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """Numbers, one for each sample type, of one stack: the place of the event first."""

    values: tuple[int, ...]
    stack: tuple[Location, ...]
    labels: tuple[Label, ...] = ()

    def frames(self) -> Iterator[tuple[StackFrame, bool]]:
        """The frames, innermost first; of each whether it was inlined into the next."""
        for location in self.stack:
            frames = location.frames or (_unknown(location),)
            for i, frame in enumerate(frames):
                yield frame, i < len(frames) - 1


def _unknown(location: Location) -> StackFrame:
    """What stands for a location without symbols."""
    binary = f" [{os.path.basename(location.binary.file)}]" if location.binary else ""
    return StackFrame(f"{location.address:016x}{binary}" if location.address else "<unknown>")


# --- tables --------------------------------------------------------------------------------------


class TopRow(NamedTuple):
    """A function: what was counted in it, and in it and what it called."""

    name: str
    flat: int
    cum: int
    inline: str  #: "", "(inline)", or "(partial-inline)": inlined into some callers


@dataclass(frozen=True, slots=True, repr=False)
class Top:
    """Functions by what was counted in them; ``str`` is the table of ``go tool pprof -top``."""

    rows: tuple[TopRow, ...]
    total: int
    sample_type: SampleType
    functions: int  #: how many there are, shown or not

    def __repr__(self) -> str:
        return f"<top: {len(self.rows)} of {self.functions} functions by {self.sample_type.type}>"

    def __str__(self) -> str:
        unit = _output_unit(self)
        source = self.sample_type.unit

        def value(n: int) -> str:
            return value_text(n, source, unit)

        shown = sum(row.flat for row in self.rows)
        share = percent_text(shown, self.total).strip()
        lines = [
            f"Type: {self.sample_type.type}",
            f"Showing nodes accounting for {value(shown)}, {share} of {value(self.total)} total",
        ]
        if len(self.rows) < self.functions:
            lines.append(f"Showing top {len(self.rows)} nodes out of {self.functions}")
        lines.append(f"{'flat':>10} {'flat':>5}% {'sum':>5}% {'cum':>10} {'cum':>5}%")
        so_far = 0
        for row in self.rows:
            so_far += row.flat
            lines.append(
                f"{value(row.flat):>10} {percent_text(row.flat, self.total)}"
                f" {percent_text(so_far, self.total)} {value(row.cum):>10}"
                f" {percent_text(row.cum, self.total)}  {row.name}"
                + (f" {row.inline}" if row.inline else "")
            )
        return "\n".join(lines)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


@dataclass(frozen=True, slots=True, repr=False)
class Tree:
    """A function as called from one stack, with what it called; ``str`` draws it."""

    name: str
    flat: int
    cum: int
    children: tuple[Tree, ...]  #: the largest first
    sample_type: SampleType

    def walk(self) -> Iterator[tuple[int, Tree]]:
        """Every node with its depth, callers first."""
        stack = [(0, self)]
        while stack:
            depth, node = stack.pop()
            yield depth, node
            stack += [(depth + 1, child) for child in reversed(node.children)]

    def __repr__(self) -> str:
        return f"<tree: {sum(1 for _ in self.walk())} nodes by {self.sample_type.type}>"

    def __str__(self) -> str:
        return self.text()

    def text(self, minimum: float = 0.005) -> str:
        """The tree without what has a smaller share of the whole than `minimum`."""
        lines = []
        unit = self.sample_type.unit
        for depth, node in self.walk():
            if abs(node.cum) >= minimum * abs(self.cum):
                value = value_text(node.cum, unit, "minimum")
                share = percent_text(node.cum, self.cum)
                lines.append(f"{value:>10} {share} {'  ' * min(depth, _INDENT)}{node.name}")
        return "\n".join(lines)

    def flame_graph(self) -> FlameGraph:
        """The tree as a picture: `FlameGraph.write` makes .svg, .html or .png of it."""
        from gcsim._flame import flame_graph

        return flame_graph(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))


# Units that pprof knows (internal/measurement/measurement.go:UnitTypes), with their aliases; the
# default is the one that is printed for 0.
_UNITS: tuple[tuple[str, dict[str, tuple[float, tuple[str, ...]]]], ...] = (
    (
        "B",
        {
            "B": (1, ("b", "byte")),
            "kB": (1 << 10, ("kb", "kbyte", "kilobyte")),
            "MB": (1 << 20, ("mb", "mbyte", "megabyte")),
            "GB": (1 << 30, ("gb", "gbyte", "gigabyte")),
            "TB": (1 << 40, ("tb", "tbyte", "terabyte")),
            "PB": (1 << 50, ("pb", "pbyte", "petabyte")),
        },
    ),
    (
        "s",
        {
            "ns": (1, ("ns", "nanosecond")),
            "us": (1e3, ("μs", "us", "microsecond")),
            "ms": (1e6, ("ms", "millisecond")),
            "s": (1e9, ("s", "sec", "second")),
            "hrs": (3600e9, ("hour", "hr")),
        },
    ),
)


def _find(units: dict[str, tuple[float, tuple[str, ...]]], name: str) -> str | None:
    name = name.lower()
    if len(name) > 2:
        name = name.removesuffix("s")
    return next((unit for unit, (_, aliases) in units.items() if name in aliases), None)


def _scale(value: int, source: str, target: str) -> tuple[float, str]:
    """A value in another unit, or for "minimum" in the largest in which it is at least 1."""
    if value < 0:
        scaled, unit = _scale(-value, source, target)
        return -scaled, unit
    for default, units in _UNITS:
        if (found := _find(units, source)) is None:
            continue
        base = value * units[found][0]
        if target == "minimum":
            fit = [unit for unit, (factor, _) in units.items() if base / factor >= 1]
            unit = fit[-1] if fit else default
        else:
            unit = _find(units, target) or default
        return base / units[unit][0], unit
    return float(value), "" if target in ("count", "sample", "unit", "minimum") else target


def value_text(value: int, source: str, target: str) -> str:
    """measurement.go:ScaledLabel."""
    scaled, unit = _scale(value, source, target)
    text = f"{scaled:.2f}".removesuffix(".00")
    return "0" if text in ("0", "-0") else text + unit


def percent_text(value: int, total: int) -> str:
    """measurement.go:Percentage."""
    ratio = abs(value / total) * 100 if total else 0.0
    if 99.95 <= ratio <= 100.05:
        return "  100%"
    return f"{ratio:5.2f}%" if ratio >= 1 else f"{ratio:5.2g}%"


def _output_unit(top: Top) -> str:
    """One unit for a whole table (internal/report/report.go:selectOutputUnit)."""
    least = min((abs(row.flat) or abs(row.cum) for row in top.rows), default=0) or top.total
    unit = top.sample_type.unit
    smallest, largest = (_scale(n, unit, "minimum")[1] for n in (least, top.total))
    if smallest != largest and least * 100 < top.total:
        smallest = _scale(100 * least, unit, "minimum")[1]
    return smallest or unit


# --- the profile ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, repr=False)
class Profile:
    """A profile as pprof has it: stacks, and numbers counted there. Immutable.

    Two profiles with the same sample types can be subtracted: what was counted in the first and not
    in the second.
    """

    sample_types: tuple[SampleType, ...]
    samples: tuple[Sample, ...]
    binaries: tuple[Binary, ...] = ()  #: the program itself first
    period_type: SampleType = NO_TYPE
    period: int = 0  #: between two events that were sampled
    time_ns: int = 0  #: when it was taken, since 1970
    duration_ns: int = 0
    comments: tuple[str, ...] = ()
    default_type: str = ""  #: what tables show; "" is the last
    drop_frames: str = ""  #: a regular expression; `top` does not apply it
    keep_frames: str = ""
    doc_url: str = ""

    def __post_init__(self) -> None:
        for sample in self.samples:
            if len(sample.values) != len(self.sample_types):
                raise OptionError(
                    f"a sample has {len(sample.values)} values for {len(self.sample_types)} types"
                )

    def _index(self, by: str | None) -> int:
        names = [t.type for t in self.sample_types]
        if by is None:
            by = self.default_type
            return names.index(by) if by in names else len(names) - 1
        if by not in names:
            raise OptionError(f"the profile has no {by!r}; it has {', '.join(names) or 'nothing'}")
        return names.index(by)

    def _type(self, index: int) -> SampleType:
        return self.sample_types[index] if self.sample_types else NO_TYPE

    def total(self, by: str | None = None) -> int:
        """The sum of one number of all samples; of negative ones, as differences have, the size."""
        i = self._index(by)
        return sum(abs(sample.values[i]) for sample in self.samples)

    def top(
        self,
        n: int | None = None,
        by: str | None = None,
        *,
        cum: bool = False,
        edge_fraction: float = 0.001,
    ) -> Top:
        """Functions by what was counted in them, or with `cum` in them and what they called.

        The first `n` of them, or all; `by` is a type of samples, like ``"alloc_space"``. As in
        pprof, a function is called inlined after the callers that are shown, without those of less
        than `edge_fraction` of the whole. Raises OptionError.
        """
        i = self._index(by)
        nodes = _nodes(self.samples, i, None)
        order = sorted(
            (name for name, node in nodes.items() if node.flat or node.cum),
            key=lambda name: _order(name, nodes[name], cum),
        )
        kept = order if n is None else order[: max(n, 0)]
        edges = abs(int(sum(node.flat for node in nodes.values()) * edge_fraction))
        if len(kept) < len(order):
            nodes = _nodes(self.samples, i, frozenset(kept))
        rows = tuple(
            TopRow(name, nodes[name].flat, nodes[name].cum, nodes[name].inline(edges))
            for name in kept
        )
        return Top(rows, self.total(by), self._type(i), len(order))

    def tree(self, by: str | None = None) -> Tree:
        """Who called whom: one tree, from a node that stands for the whole. Raises OptionError."""
        i = self._index(by)
        root = _Call("all")
        for sample in self.samples:
            if value := sample.values[i]:
                node = root
                node.cum += value
                for frame, _ in reversed(list(sample.frames())):
                    node = node.children.setdefault(frame.function, _Call(frame.function))
                    node.cum += value
                node.flat += value
        return _frozen(root, self._type(i))

    def __sub__(self, other: object) -> Profile:
        if not isinstance(other, Profile):
            return NotImplemented
        if self.sample_types != other.sample_types:
            raise OptionError(
                f"profiles of {_names(self)} and of {_names(other)} have no difference"
            )
        sums: dict[tuple[tuple[Location, ...], tuple[Label, ...]], list[int]] = {}
        for sign, profile in ((1, self), (-1, other)):
            for sample in profile.samples:
                key = (sample.stack, sample.labels)
                values = sums.setdefault(key, [0] * len(self.sample_types))
                for i, value in enumerate(sample.values):
                    values[i] += sign * value
        return _replace_samples(
            self,
            (Sample(tuple(v), stack, labels) for (stack, labels), v in sums.items() if any(v)),
        )

    def to_bytes(self, *, compress: bool = True) -> bytes:
        """The file. Raises RangeError for a number that has no place in it."""
        from gcsim._pprof_wire import Writer

        data = Writer(self).data
        return gzip.compress(data, mtime=0) if compress else data

    def write(self, file: str | os.PathLike[str] | IO[bytes], *, compress: bool = True) -> None:
        """Writes a file that ``go tool pprof`` opens; to a path all of it or nothing.

        Raises OSError, RangeError.
        """
        write_whole(file, self.to_bytes(compress=compress))

    def __repr__(self) -> str:
        return f"<Profile of {_names(self)}: {len(self.samples)} samples>"

    def __str__(self) -> str:
        return f"{self!r}\n{self.top(20)}"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def _names(profile: Profile) -> str:
    return ", ".join(t.type for t in profile.sample_types) or "nothing"


def _replace_samples(profile: Profile, samples: Iterable[Sample]) -> Profile:
    return replace(profile, samples=tuple(samples))


@dataclass(slots=True)
class _Edge:
    """What was counted in calls of one function by another."""

    value: int = 0
    inline: bool = True  # in all of them


class _Node:
    """A function in the graph of calls."""

    __slots__ = ("callers", "cum", "flat")

    def __init__(self) -> None:
        self.flat = self.cum = 0
        self.callers: dict[str, _Edge] = {}

    def inline(self, cutoff: int) -> str:
        how = {edge.inline for edge in self.callers.values() if abs(edge.value) >= cutoff}
        return "(partial-inline)" if len(how) == 2 else "(inline)" if how == {True} else ""


def _nodes(samples: Iterable[Sample], i: int, kept: frozenset[str] | None) -> dict[str, _Node]:
    """internal/graph/graph.go:newGraph with functions as nodes; others than `kept` are skipped."""
    nodes: dict[str, _Node] = {}
    for sample in samples:
        value = sample.values[i]
        if value == 0:
            continue
        seen: set[str] = set()
        edges: set[tuple[str, str]] = set()
        caller: str | None = None
        skipped = False
        for frame, inlined in reversed(list(sample.frames())):
            name = frame.function
            if kept is not None and name not in kept:
                skipped = True
                continue
            node = nodes.setdefault(name, _Node())
            if name not in seen:
                seen.add(name)
                node.cum += value
            if caller is not None and caller != name and (caller, name) not in edges:
                edges.add((caller, name))
                edge = node.callers.setdefault(caller, _Edge())
                edge.value += value
                edge.inline &= inlined
            caller, skipped = name, False
        if caller is not None and not skipped:
            nodes[caller].flat += value
    return nodes


def _order(name: str, node: _Node, cum: bool) -> tuple[int, str, int]:
    first, last = (node.cum, node.flat) if cum else (node.flat, node.cum)
    return (-abs(first), name, -abs(last))


class _Call:
    """A node of a tree that is being built."""

    __slots__ = ("children", "cum", "flat", "name")

    def __init__(self, name: str) -> None:
        self.name, self.flat, self.cum = name, 0, 0
        self.children: dict[str, _Call] = {}


def _frozen(root: _Call, sample_type: SampleType) -> Tree:
    """Without recursion: a stack may be deeper than Python's."""
    order, todo = [], [root]
    while todo:
        node = todo.pop()
        order.append(node)
        todo += node.children.values()
    made: dict[int, Tree] = {}
    for node in reversed(order):
        children = sorted(
            (made.pop(id(child)) for child in node.children.values()),
            key=lambda tree: (-abs(tree.cum), tree.name),
        )
        made[id(node)] = Tree(node.name, node.flat, node.cum, tuple(children), sample_type)
    return made[id(root)]


# --- reading --------------------------------------------------------------------------------------


def _unpacked(data: bytes, name: str, max_bytes: int) -> bytes:
    if data[:2] == b"\x1f\x8b" and len(data) <= max_bytes:
        try:
            with gzip.open(io.BytesIO(data)) as zipped:
                data = zipped.read(max_bytes + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise ProfileFormatError.at(name, 0, f"damaged gzip file: {error}") from error
    if len(data) > max_bytes:
        raise ProfileFormatError.at(
            name, max_bytes, f"more than max_bytes={max_bytes}, unpacked if it was compressed"
        )
    return data


def read_pprof(
    source: str | os.PathLike[str] | bytes | IO[bytes], *, max_bytes: int = _MAX_BYTES
) -> Profile:
    """A profile that Go, or anything else that pprof reads, has written; compressed or not.

    The text that Go writes with ``debug=1`` is read too. `source` is a path, the bytes of a file,
    or an open binary file. Raises ProfileFormatError with the byte where the profile is truncated
    or contradicts itself, or if it has more than `max_bytes` (16 MiB); OSError.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        data, name = bytes(source), "the profile"
    elif isinstance(source, str | os.PathLike):
        name = os.fspath(source)
        with open(source, "rb") as file:
            data = file.read(max_bytes + 1)
    else:
        name = str(getattr(source, "name", "the profile"))
        data = source.read(max_bytes + 1)
    data = _unpacked(data, name, max_bytes)
    from gcsim._pprof_text import DamagedText, is_text, read_text
    from gcsim._pprof_wire import Damaged, Reader

    try:
        profile = read_text(data) if is_text(data) else Reader(data).profile()
    except (Damaged, DamagedText) as error:
        raise ProfileFormatError.at(name, error.offset, str(error)) from None
    if not profile.sample_types:
        raise ProfileFormatError.at(name, len(data), "no profile: it has no type of samples")
    return profile
