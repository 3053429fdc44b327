"""``python -m gcsim demo``: a real Go heap rebuilt, taken apart, collected, every number compared.

Three independent sources are set against each other: the recording (and the MemStats that Go wrote
into it), the C heap (its statistics, spans, objects and pointers, read back), and a breadth-first
search in Python over the recording (`HeapGraph.bfs`), which knows nothing of the collector.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gcsim._dump import GoDump, RootSlot, open_go_dump
from gcsim._errors import DumpFormatError, Error, HeapMemoryError
from gcsim._graph import ROOT_KINDS, HeapGraph

if TYPE_CHECKING:
    from gcsim import _core
    from gcsim._graph import I64, U64, Bools
    from gcsim._results import Cycle, MemStats, SpanInfo

SHIPPED = Path(__file__).parent / "data" / "leaks.graph.npz"
STEPS_LIMIT = 20_000  # objects: larger heaps are not run in the step instantiation too
_MANY = -2
_SHOWN_HOPS = 8


# ---- comparisons ----


class Comparison(NamedTuple):
    """One number, or one array entry by entry, from two sources."""

    where: str  #: which heap, at which stage
    what: str
    expected: Any
    got: Any
    equal: bool


class Comparisons:
    """All that was compared so far."""

    def __init__(self) -> None:
        self.all: list[Comparison] = []
        self.where = ""

    def number(self, what: str, expected: object, got: object) -> None:
        self.all.append(Comparison(self.where, what, expected, got, expected == got))

    def rows(self, what: str, expected: Any, got: Any) -> None:
        """Two arrays, entry by entry."""
        import numpy as np

        if len(expected) != len(got):
            self.number(what, f"{len(expected)} entries", f"{len(got)} entries")
            return
        same = int(np.count_nonzero(np.asarray(expected) == np.asarray(got)))
        self.number(what, f"{len(expected):,} equal", f"{same:,} equal")

    @property
    def different(self) -> list[Comparison]:
        return [c for c in self.all if not c.equal]


# ---- what to drop, and what that must do: from the recording alone ----


def exclusive(graph: HeapGraph, groups: Iterable[int]) -> dict[int, tuple[int, int]]:
    """What only one group of roots reaches: group -> (objects, bytes).

    groups: the group of each root, or -1 for a root that is not there. An object that one group
    reaches carries its number, one that several reach is nobody's.
    """
    start = graph.edge_start().tolist()
    targets, sizes = graph.edge_dst.tolist(), graph.obj_size.tolist()
    label = [-1] * len(sizes)
    work: deque[int] = deque()

    def reach(objects: list[int], group: int) -> None:
        for obj in objects:
            now = label[obj]
            if now != group and now != _MANY:
                label[obj] = group if now == -1 else _MANY
                work.append(obj)

    kinds, dsts = graph.root_kind.tolist(), graph.root_dst.tolist()
    for root, group in enumerate(groups):
        if group >= 0:
            dst = dsts[root]
            finalized = ROOT_KINDS[kinds[root]] == "finalizer_obj"
            reach(targets[start[dst] : start[dst + 1]] if finalized else [dst], group)
    while work:
        obj = work.popleft()
        reach(targets[start[obj] : start[obj + 1]], label[obj])
    total: dict[int, tuple[int, int]] = {}
    for obj, group in enumerate(label):
        if group != -1:
            objects, bytes_ = total.get(group, (0, 0))
            total[group] = (objects + 1, bytes_ + sizes[obj])
    return total


class Paths:
    """A shortest path from some root to every object that one reaches."""

    def __init__(self, dump: GoDump, roots: Iterable[int]) -> None:
        graph = dump.graph
        self.dump = dump
        self.start = graph.edge_start().tolist()
        self.targets = graph.edge_dst.tolist()
        self.offsets = graph.edge_off.tolist()
        self.came: dict[int, tuple[int, int]] = {}  # object -> (root or source, edge or -1)
        kinds, dsts = graph.root_kind.tolist(), graph.root_dst.tolist()
        work: deque[int] = deque()
        for root in roots:
            edges = [-1]
            if ROOT_KINDS[kinds[root]] == "finalizer_obj":
                edges = list(range(self.start[dsts[root]], self.start[dsts[root] + 1]))
            for edge in edges:
                dst = dsts[root] if edge < 0 else self.targets[edge]
                if dst not in self.came:
                    self.came[dst] = (~root, edge)
                    work.append(dst)
        while work:
            source = work.popleft()
            for edge in range(self.start[source], self.start[source + 1]):
                dst = self.targets[edge]
                if dst not in self.came:
                    self.came[dst] = (source, edge)
                    work.append(dst)

    def to(self, obj: int) -> str | None:
        """The path in words; None if no root reaches the object."""
        sizes, hops, at = self.dump.graph.obj_size, [], obj
        if at not in self.came:
            return None
        while True:
            source, edge = self.came[at]
            hops.append(f"object {at} ({int(sizes[at]):,} B)")
            if source < 0:
                break
            hops[-1] = f"+{self.offsets[edge]:#x} -> " + hops[-1]
            at = source
        hops.reverse()
        if len(hops) > _SHOWN_HOPS:
            left_out = len(hops) - _SHOWN_HOPS + 1
            hops[_SHOWN_HOPS // 2 : -_SHOWN_HOPS // 2 + 1] = [f"-> ({left_out:,} more) ->"]
        return f"{self.dump.graph.root_name(~source)} -> " + " ".join(hops)


@dataclass
class Plan:
    """What the demo drops, and what must be alive at each stage."""

    root: int | None = None  # None: there are no roots
    goroutine: int | None = None  # None: none has roots left
    roots: list[list[int]] = field(default_factory=list)  # after loading, first drop, second drop
    alive: list[Bools] = field(default_factory=list)
    gain: dict[str, tuple[int, int]] = field(default_factory=dict)  # objects and bytes by name


def make_plan(dump: GoDump) -> Plan:
    """Choose the root that alone keeps most bytes alive, then the goroutine that does."""
    graph, plan = dump.graph, Plan()
    every = list(range(dump.roots))
    plan.roots.append(every)
    if every:
        alone = exclusive(graph, every)
        plan.root = max(every, key=lambda root: (alone.get(root, (0, 0))[1], -root))
        plan.gain["root"] = alone.get(plan.root, (0, 0))
    rest = [root for root in every if root != plan.root]
    plan.roots.append(rest)
    owner = [_goroutine_of(graph, root) for root in every]
    owners = sorted({owner[root] for root in rest} - {-1})
    if owners:
        shared = len(dump.goroutines)  # one group for the roots that no goroutine owns
        groups = [shared if g < 0 else g for g in owner]
        if plan.root is not None:
            groups[plan.root] = -1
        alone = exclusive(graph, groups)
        plan.goroutine = max(owners, key=lambda g: (alone.get(g, (0, 0))[1], -g))
        plan.gain["goroutine"] = alone.get(plan.goroutine, (0, 0))
    plan.roots.append(
        [root for root in rest if plan.goroutine is None or owner[root] != plan.goroutine]
    )
    plan.alive = [graph.bfs(roots) for roots in plan.roots]
    return plan


def _goroutine_of(graph: HeapGraph, root: int) -> int:
    owned = ROOT_KINDS[int(graph.root_kind[root])] in ("stack", "goroutine")
    return int(graph.root_g[root]) if owned else -1


# ---- the heap against the recording ----


def compare_totals(out: Comparisons, dump: GoDump, heap: _core.Heap) -> None:
    """Objects and bytes: all, and per slot size and scan-ness as the spans count them."""
    import numpy as np

    stats = heap.memstats()
    out.number("objects: recording, heap", dump.objects, stats.heap_objects)
    out.number("bytes: recording, heap", dump.bytes, stats.heap_alloc)
    if dump.memstats:
        out.number("Go's HeapObjects, ours", dump.memstats.get("HeapObjects"), stats.heap_objects)
        out.number("Go's HeapAlloc, ours", dump.memstats.get("HeapAlloc"), stats.heap_alloc)
    graph = dump.graph
    keys = graph.obj_size.astype("i8") * 2 + graph.obj_noscan
    recorded = dict(zip(*(a.tolist() for a in np.unique(keys, return_counts=True)), strict=True))
    ours: dict[int, int] = {}
    for span in heap.spans():
        if span.state == "in use" and span.allocated:
            key = span.slot_bytes * 2 + span.noscan
            ours[key] = ours.get(key, 0) + span.allocated
    for key in sorted(recorded.keys() | ours.keys()):
        kind = "without pointers" if key % 2 else "with pointers"
        out.number(f"objects of {key // 2:,} B {kind}", recorded.get(key, 0), ours.get(key, 0))


def entries(start: U64, objects: I64) -> I64:
    """The numbers of the entries that these objects have in a column, object by object."""
    import numpy as np

    first = start.astype("i8")[objects]
    counts = start.astype("i8")[objects + 1] - first
    ends = np.cumsum(counts)
    found: I64 = np.arange(counts.sum()) + np.repeat(first - (ends - counts), counts)
    return found


def compare_graph(
    out: Comparisons, dump: GoDump, heap: _core.Heap, have: HeapGraph, alive: Bools
) -> None:
    """Every object that should live, each of its slots and pointers, read back from the C heap."""
    import numpy as np

    want, addresses = dump.graph, heap.dump.addresses()
    out.rows("objects that live, one by one", alive, addresses >= 0)
    numbers = np.flatnonzero(alive & (addresses >= 0))
    numbers = numbers[addresses[numbers].argsort(kind="stable")]  # as heap.graph() counts
    out.rows("allocated slots, one by one", addresses[numbers], have.obj_addr.astype("i8"))
    if len(numbers) != len(have.obj_addr):
        return
    for name, what in (
        ("obj_size", "slot sizes"),
        ("obj_noscan", "objects without pointers"),
        ("obj_nslots", "numbers of pointer slots"),
        ("obj_ptrend", "ends of the last pointer slot"),
        ("edge_count", "numbers of pointers"),
    ):
        out.rows(f"{what}, one by one", getattr(want, name)[numbers], getattr(have, name))
    if want.slot_off is not None:
        slots = entries(want.slot_start(), numbers)
        out.rows("pointer slots: their offsets", want.slot_off[slots], have.slot_off)
    edges = entries(want.edge_start(), numbers)
    back = np.full(len(alive), -1)
    back[numbers] = np.arange(len(numbers))
    out.rows("pointers: offset in their object", want.edge_off[edges], have.edge_off)
    out.rows("pointers: the object they refer to", back[want.edge_dst[edges]], have.edge_dst)
    out.rows("pointers: offset in that object", want.edge_dst_off[edges], have.edge_dst_off)


def compare_roots(
    out: Comparisons, dump: GoDump, heap: _core.Heap, graph: HeapGraph, roots: Iterable[int]
) -> None:
    """Every root slot of the C heap: its name and where it points."""
    import numpy as np

    kept, plan = set(roots), heap.dump.plan
    addresses = heap.dump.addresses()

    def place(slot: RootSlot) -> str:
        if slot.goroutine < 0:
            return f"global {slot.name}"
        owner = plan.goroutines[slot.goroutine]
        name, slots = owner.frames[slot.depth]
        return f"{owner.name} {name}+{8 * [s.name for s in slots].index(slot.name):#x}"

    expected = sorted(
        (place(slot), int(addresses[slot.dst]), slot.dst_off) for slot in plan if slot.root in kept
    )
    got = []
    for root in range(len(graph.root_dst)):
        dst, dst_off = int(graph.root_dst[root]), int(graph.root_dst_off[root])
        name = graph.meta["frame_names"][int(graph.root_frame[root])]
        if ROOT_KINDS[int(graph.root_kind[root])] == "stack":
            owner = graph.meta["goroutines"][int(graph.root_g[root])]["name"]
            name = f"{owner} {name}+{int(graph.root_off[root]):#x}"
        got.append((name, int(graph.obj_addr[dst]), dst_off))
    got.sort()
    out.number("roots, each with its name and target", expected, got)
    # The plan is ours; what the recording says of each root is not.
    finalized = ROOT_KINDS.index("finalizer_obj")
    chosen = np.array(sorted(kept), "i8")
    chosen = chosen[dump.graph.root_kind[chosen] != finalized]
    dsts, offs = dump.graph.root_dst[chosen], dump.graph.root_dst_off[chosen]
    want = sorted(zip(addresses[dsts].tolist(), offs.tolist(), strict=True))
    of_heap = sorted((at, off) for name, at, off in got if not name.startswith("finalizers "))
    out.number("targets of recorded roots", want, of_heap)


def compare_collection(
    out: Comparisons, dump: GoDump, heap: _core.Heap, cycle: Cycle, stage: int, plan: Plan
) -> None:
    """A collection against the search over the recording."""
    alive, before = plan.alive[stage], plan.alive[stage - 1] if stage else None
    sizes = dump.graph.obj_size.astype("i8")
    objects, size = int(alive.sum()), int(sizes[alive].sum())
    had = (dump.objects, dump.bytes)
    if before is not None:
        had = (int(before.sum()), int(sizes[before].sum()))
    stats = heap.memstats()
    out.number("objects marked", objects, cycle.objects_marked)
    out.number("bytes marked", size, cycle.heap_marked)
    out.number("objects freed", had[0] - objects, cycle.freed_objects)
    out.number("bytes freed", had[1] - size, cycle.freed_bytes)
    out.number("objects left", objects, stats.heap_objects)
    out.number("bytes left", size, stats.heap_alloc)
    have = heap.graph()
    compare_graph(out, dump, heap, have, alive)
    compare_roots(out, dump, heap, have, plan.roots[stage])


def verify(out: Comparisons, heap: _core.Heap) -> None:
    """All invariants of the heap."""
    try:
        broken = "" if heap.verify() else "broken"
    except Error as error:
        broken = str(error)
    out.number("invariants that are broken", "", broken)


class Stage(NamedTuple):
    """What the heap looked like after one step."""

    name: str
    cycle: Cycle | None
    memstats: MemStats
    spans: tuple[SpanInfo, ...]


STAGES = ("loaded", "collected", "root dropped", "goroutine dropped")


class HeapRun:
    """One heap's way through the stages: load, collect, drop the root, drop the goroutine. All is
    compared on the way. A context manager: it closes the heap."""

    def __init__(self, out: Comparisons, dump: GoDump, plan: Plan, **options: Any) -> None:
        self.out = out
        self.dump = dump
        self.plan = plan
        self.options = options
        self.stages: list[Stage] = []
        self.heap: _core.Heap | None = None

    def __enter__(self) -> HeapRun:
        return self

    def __exit__(self, *_: object) -> None:
        if self.heap is not None:
            self.heap.close()

    def __str__(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.options.items())

    def next(self, progress: Callable[[int, int], object] | None = None) -> Stage:
        """The next stage."""
        number = len(self.stages)
        self.out.where = f"{self}: {STAGES[number]}"
        cycle = None
        if self.heap is None:
            self.heap = self.dump.load(progress=progress, **self.options)
            compare_totals(self.out, self.dump, self.heap)
            have = self.heap.graph()
            every = self.dump.graph.obj_reach <= 1
            compare_graph(self.out, self.dump, self.heap, have, every)
            compare_roots(self.out, self.dump, self.heap, have, self.plan.roots[0])
        else:
            if number == 2 and self.plan.root is not None:
                self.heap.dump.drop_root(self.plan.root)
            if number == 3 and self.plan.goroutine is not None:
                self.heap.dump.drop_goroutine(self.plan.goroutine)
            cycle = self.heap.collect()
            compare_collection(self.out, self.dump, self.heap, cycle, number - 1, self.plan)
        verify(self.out, self.heap)
        self.stages.append(Stage(STAGES[number], cycle, self.heap.memstats(), self.heap.spans()))
        return self.stages[-1]


# ---- telling ----


def _count(objects: int, size: int) -> str:
    return f"{objects:,} object{'s' if objects != 1 else ''}, {size:,} bytes"


def class_table(spans: Iterable[SpanInfo], graph: HeapGraph) -> list[str]:
    """Objects by size class, and what their spans waste: free slots, and what no slot can use."""
    rows: dict[int, list[int]] = {}
    large = [0, 0, 0, 0, 0, 0]
    for s in spans:
        if s.state != "in use":
            continue
        row = large if s.size_class == 0 else rows.setdefault(s.slot_bytes, [0] * 6)
        row[0] += 1
        row[1] += s.allocated
        row[2] += s.nelems - s.allocated
        row[3] += s.allocated * s.slot_bytes
        row[4] += (s.nelems - s.allocated) * s.slot_bytes
        row[5] += s.bytes - s.nelems * s.slot_bytes
    lines = [
        f"  {'slot':>8} {'spans':>7} {'objects':>9} {'bytes':>13}"
        f" {'free slots':>11} {'free bytes':>11} {'tail bytes':>11} {'in use':>7}"
    ]

    def line(name: str, row: list[int]) -> str:
        held = row[3] + row[4] + row[5]
        return (
            f"  {name:>8} {row[0]:>7,} {row[1]:>9,} {row[3]:>13,} {row[2]:>11,} {row[4]:>11,}"
            f" {row[5]:>11,} {row[3] / held if held else 1:>7.1%}"
        )

    lines += [line(f"{size:,} B", rows[size]) for size in sorted(rows)]
    if large[0]:
        lines.append(line("large", large))
    lines.append(line("all", [sum(column) for column in zip(large, *rows.values(), strict=True)]))
    return lines


def memstats_lines(dump: GoDump, ours: MemStats) -> list[str]:
    pairs = (
        ("HeapObjects", ours.heap_objects),
        ("HeapAlloc", ours.heap_alloc),
        ("HeapInuse", ours.heap_inuse),
        ("HeapIdle", ours.heap_idle),
        ("HeapReleased", ours.heap_released),
        ("HeapSys", ours.heap_sys),
        ("StackInuse", ours.stack_inuse),
        ("MSpanInuse", ours.mspan_inuse),
        ("GCSys", ours.gc_sys),
        ("OtherSys", ours.other_sys),
        ("Sys", ours.sys),
        ("NextGC", ours.next_gc),
    )
    lines = [f"  {'':14} {'this heap':>26} {'the Go program':>26}"]
    for name, value in pairs:
        gos = dump.memstats.get(name)
        lines.append(f"  {name:14} {value:>26,} {'' if gos is None else f'{gos:,}':>26}".rstrip())
    return lines


def died_lines(dump: GoDump, before: Bools, after: Bools) -> list[str]:
    """What died between two stages, the size classes with most bytes first."""
    import numpy as np

    died = before & ~after
    sizes = dump.graph.obj_size[died].astype("i8")
    lines = [f"  died: {_count(int(died.sum()), int(sizes.sum()))}"]
    slots, counts = np.unique(sizes, return_counts=True)
    order = np.argsort(-slots * counts, kind="stable")[:4]
    if len(order):
        most = ", ".join(f"{int(counts[k]):,} of {int(slots[k]):,} B" for k in order)
        more = f" and {len(slots) - 4} more sizes" if len(slots) > 4 else ""
        lines[0] += f" ({most}{more})"
    kept = dump.graph.obj_size[after].astype("i8")
    lines.append(f"  lives: {_count(len(kept), int(kept.sum()))}")
    return lines


def why_lines(
    dump: GoDump, plan: Plan, stage: int, dropped: list[int], chance: random.Random
) -> list[str]:
    """Why the rest lives: who keeps how much, and shortest paths to some of it."""
    import numpy as np

    graph, alive, kept = dump.graph, plan.alive[stage], set(plan.roots[stage])
    if not alive.any():
        return ["  nothing lives: no root is left"]
    alone = exclusive(graph, [root if root in kept else -1 for root in range(dump.roots)])
    shared = alone.pop(_MANY, (0, 0))
    lines = []
    order = sorted(alone, key=lambda root: -alone[root][1])
    for root in order[:4]:
        lines.append(f"    {dump.root_names[root]} alone keeps {_count(*alone[root])}")
    if len(order) > 4:
        rest = [sum(alone[root][k] for root in order[4:]) for k in (0, 1)]
        lines.append(f"    {len(order) - 4} other roots keep {_count(*rest)}, each its own")
    if shared[0]:
        lines.append(f"    several roots at once keep {_count(*shared)}")
    lines = ["  why the rest lives:", *lines]
    paths = Paths(dump, plan.roots[stage])
    still = np.flatnonzero(graph.bfs(dropped) & alive)
    if len(still):
        obj = int(still[np.argmax(graph.obj_size[still])])
        lines.append(
            f"  of what it reached, {_count(len(still), int(graph.obj_size[still].sum()))} live on;"
            " the largest through"
        )
        lines.append(f"    {paths.to(obj)}")
    lines.append("  shortest paths to two that live:")
    for obj in chance.sample(np.flatnonzero(alive).tolist(), min(2, int(alive.sum()))):
        lines.append(f"    {paths.to(obj)}")
    return lines


class Progress:
    """One line on a terminal, rewritten; nothing elsewhere."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream if stream.isatty() else None
        self.told = 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self.stream and (done == total or now - self.told > 0.1):
            self.told = now
            self.say(f"objects and pointers: {done:,} of {total:,}")

    def say(self, text: str) -> None:
        if self.stream:
            self.stream.write(f"\r\033[K{text}")
            self.stream.flush()


@dataclass
class Demo:
    """One run of the demo: what it says, what it compared."""

    path: Path
    seed: int
    progress: Progress
    say: Callable[[str], object]
    out: Comparisons = field(default_factory=Comparisons)
    told: int = 0  # comparisons already spoken of
    facts: dict[str, Any] = field(default_factory=dict)
    stages: list[Stage] = field(default_factory=list)

    def tell(self, lines: Iterable[str]) -> None:
        self.progress.say("")
        for line in lines:
            self.say(line)

    def tell_comparisons(self, title: str) -> None:
        """A line for the comparisons since the last time, and one for each that differs."""
        new = self.out.all[self.told :]
        self.told = len(self.out.all)
        bad = [c for c in new if not c.equal]
        words = "all equal" if not bad else f"{len(bad)} DIFFER"
        self.tell([f"  {title}: {len(new)} comparisons, {words}"])
        for c in bad[:100]:
            self.say(f"    DIFFERS: {c.where}: {c.what}: {_short(c.expected)} | {_short(c.got)}")

    def run(self, dump: GoDump) -> None:
        self.tell([dump.summary(), ""])
        self.progress.say("searching the recording...")
        plan, chance = make_plan(dump), random.Random(self.seed)
        self.compare_recording(dump)

        started = time.perf_counter()
        with HeapRun(self.out, dump, plan, mode="threads", mark="object") as run:
            stage = run.next(self.progress)
            self.tell(["", "rebuilt in a heap of our own"])
            self.tell_comparisons("objects, slots, pointers, roots; recording, Go, this heap")
            self.tell(["", "MemStats", *memstats_lines(dump, stage.memstats)])
            self.tell(["", "size classes and their waste", *class_table(stage.spans, dump.graph)])
            for number in range(3):
                self.tell_stage(dump, plan, number, run.next(), chance)
            self.stages = run.stages
        self.facts["seconds"] = round(time.perf_counter() - started, 3)
        self.tell(["", "the same with every mark engine and instantiation"])
        others = [{"mode": "threads", "mark": mark} for mark in ("field", "span")]
        if dump.objects <= STEPS_LIMIT:
            others += [{"mode": "steps", "mark": mark} for mark in ("object", "field")]
        for options in others:
            with HeapRun(self.out, dump, plan, **options) as run:
                for _ in STAGES:
                    self.progress.say(f"{run}: {STAGES[len(run.stages)]}")
                    run.next()
                self.tell_comparisons(str(run))
        if dump.objects > STEPS_LIMIT:
            self.tell([f"  mode=steps: left out, more than {STEPS_LIMIT:,} objects"])

    def tell_stage(
        self, dump: GoDump, plan: Plan, number: int, stage: Stage, chance: random.Random
    ) -> None:
        """What was dropped, what died of it, and why the rest lives."""
        title, dropped = self.dropped(dump, plan, number)
        before = plan.alive[number - 1] if number else plan.alive[0] | True
        self.tell(["", title, f"  {stage.cycle!r}"])
        self.tell(died_lines(dump, before, plan.alive[number]))
        self.tell_comparisons("this heap against the search over the recording, object by object")
        if dropped:
            self.tell(why_lines(dump, plan, number, dropped, chance))
        self.facts.setdefault("alive", []).append(int(plan.alive[number].sum()))

    def dropped(self, dump: GoDump, plan: Plan, number: int) -> tuple[str, list[int]]:
        """In words, and as roots."""
        gone = sorted(set(plan.roots[number - 1]) - set(plan.roots[number])) if number else []
        if number == 0:
            return "first collection: nothing was dropped", gone
        if number == 1:
            if plan.root is None:
                return "no root to drop: the recording has none", gone
            self.facts["dropped_root"] = name = dump.root_names[plan.root]
            keeps = _count(*plan.gain["root"])
            return f"dropped the root {name}: of all roots it alone keeps most, {keeps}", gone
        if plan.goroutine is None:
            return "no goroutine to drop: none has roots", gone
        g = dump.goroutines[plan.goroutine]
        self.facts["dropped_goroutine"] = g.id
        doing = ", ".join(filter(None, [g.wait or g.status, *g.frames[-2:-1]]))
        return (
            f"dropped goroutine {g.id} ({doing}) with its {len(gone)} roots: of all goroutines it"
            f" alone keeps most, {_count(*plan.gain['goroutine'])}",
            gone,
        )

    def compare_recording(self, dump: GoDump) -> None:
        """The recording against itself: what Go counted, what is there, what we reach."""
        out = self.out
        out.where = "recording"
        if dump.memstats:
            out.number("Go's HeapObjects, objects", dump.memstats.get("HeapObjects"), dump.objects)
            out.number("Go's HeapAlloc, bytes", dump.memstats.get("HeapAlloc"), dump.bytes)
        out.rows(
            "reachable, as recorded and by search", dump.graph.obj_reach != 0, dump.graph.bfs()
        )
        self.tell_comparisons("the recording against Go's MemStats and a search")

    def draw(self, dump: GoDump, path: Path) -> None:
        from gcsim._pictures import heap_picture

        first, last = self.stages[0], self.stages[-1]
        rows = [
            (
                f"{stage.name}: {_count(stage.memstats.heap_objects, stage.memstats.heap_alloc)}",
                stage.spans,
            )
            for stage in (first, last)
        ]
        caption = (
            f"{dump.name}, {dump.graph.meta['go']}, {dump.objects:,} objects; dropped: "
            f"{self.facts.get('dropped_root')}, goroutine {self.facts.get('dropped_goroutine')}; "
            f"heap: era 1.26, mode=threads, mark=object; seed {self.seed}"
        )
        figure = heap_picture(rows, caption)
        figure.savefig(path, dpi=100, bbox_inches="tight", metadata={"Software": "gcsim"})

    def as_json(self, dump: GoDump, picture: Path) -> str:
        comparisons = [c._asdict() for c in self.out.all]
        for c in comparisons:
            c.update(expected=_short(c["expected"]), got=_short(c["got"]))
        answer = {
            "file": str(self.path),
            "program": dump.name,
            "go": dump.graph.meta["go"],
            "objects": dump.objects,
            "bytes": dump.bytes,
            "roots": dump.roots,
            **self.facts,
            "picture": str(picture),
            "equal": not self.out.different,
            "comparisons": comparisons,
        }
        return json.dumps(answer, indent=2)


def _short(value: object) -> Any:
    if isinstance(value, int):
        return value
    text = str(value)
    return text if len(text) <= 100 else text[:97] + "..."


def main(path: Path | None, picture: Path, seed: int, as_json: bool) -> int:
    """Run the demo; its exit status: 0, 1 if a comparison differs, 2 if a file cannot be read or
    written or a package is missing."""

    def fail(message: object) -> int:
        print(f"python -m gcsim demo: {message}", file=sys.stderr)
        return 2

    missing = [name for name in ("numpy", "matplotlib") if find_spec(name) is None]
    if missing:
        return fail(f"{' and '.join(missing)} needed: pip install 'gcsim[viz]'")
    path = path or SHIPPED
    try:
        dump = open_go_dump(path)
    except (OSError, DumpFormatError, HeapMemoryError) as error:
        return fail(error)

    def say(line: str) -> None:
        if not as_json:
            print(line, flush=True)

    demo = Demo(path, seed, Progress(sys.stderr), say)
    try:
        demo.run(dump)
    except (DumpFormatError, HeapMemoryError) as error:
        demo.progress.say("")
        return fail(f"{path}: {error}")
    try:
        demo.draw(dump, picture)
    except OSError as error:
        return fail(error)
    demo.tell(["", f"picture: {picture}"])
    if as_json:
        print(demo.as_json(dump, picture))
    different = len(demo.out.different)
    verdict = "all comparisons equal"
    if different:
        verdict = f"{different} of {len(demo.out.all)} comparisons differ"
    say(f"demo: {dump.objects} objects, {dump.bytes} bytes: {verdict}")
    return 1 if different else 0
