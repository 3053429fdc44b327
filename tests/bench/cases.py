"""What `make bench` runs: cases, each with programs that do the same work and rows that compare them.

The groups named in TABLE make up the table of what gcsim must reach. A bar is what must be reached, a
stretch what would be better still; both are ratios to a peer of the same run wherever there is one.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import instructions
import peers
import programs
import recordings

from gcsim._bench import Limit, Row

Command = peers.Command
MIB = 1 << 20


@dataclass(frozen=True)
class Runnable:
    """One program of a case. `prepare` builds it, and gives None if something is missing."""

    prepare: Callable[[], Command | None]
    install: str = ""  # how to get what is missing
    stops: Callable[[str], peers.Stops] | None = None
    derive: Callable[[dict[str, Any]], dict[str, float]] | None = None  # more metrics from its own


@dataclass(frozen=True)
class Case:
    name: str
    group: str
    about: str
    programs: dict[str, Runnable]
    rows: list[Row] = field(default_factory=list)
    repeats: int = 5  # at least; 1: one run, and no warm-up


@dataclass(frozen=True)
class Sizes:
    depth: int = 18
    big_depth: int = 21
    log2_objects: int = 21
    log2_list: int = 20
    empty_rounds: int = 200
    log2_slots: int = 21
    store_time: int = 50  # 1/100 s
    live: tuple[int, ...] = (20_000_000, 200_000_000)
    stop_steps: tuple[int, ...] = (6_000_000, 12_000_000)
    python_depth: int = 19
    resident: int = 10_000_000
    alloc_rounds: int = 2
    map_entries: int = 1_000_000
    data_rounds: int = 20  # millions of elements


FULL = Sizes()
SHORT = Sizes(
    depth=13,
    big_depth=15,
    log2_objects=16,
    log2_list=15,
    empty_rounds=20,
    log2_slots=16,
    store_time=5,
    live=(2_000_000, 8_000_000),
    stop_steps=(500_000, 1_000_000),
    python_depth=12,
    resident=1_000_000,
    alloc_rounds=1,
    map_entries=50_000,
    data_rounds=1,
)

TABLE = (
    "trees",
    "alloc",
    "mark",
    "empty",
    "store",
    "stops",
    "python",
    "resident",
    "maps",
    "data",
    "instructions",
)

GOS = ("go", "go nogreenteagc", "go GOGC=400")
BDWGC = ("bdwgc 1", "bdwgc 2")
MALLOCS = ("mimalloc", "jemalloc", "glibc")
JAVAS = ("java serial", "java parallel", "java g1", "java z")
ALL = ("gcsim", *GOS, *BDWGC, *MALLOCS, *JAVAS)


def works(names: tuple[str, ...], *words: object, procs: int = 0) -> dict[str, Runnable]:
    """The same work on each of these peers (peers.py)."""

    def one(name: str) -> Runnable:
        peer = peers.variant(name)
        text = [str(word) for word in words]
        stops = peer.stops if text[0] == "stops" else None
        return Runnable(lambda: peers.command(peer, text, procs), peer.install, stops)

    return {name: one(name) for name in names}


def c(name: str, *arguments: object) -> Runnable:
    def prepare() -> Command:
        return [str(programs.c_program(name)), *map(str, arguments)], programs.clean_environment()

    return Runnable(prepare)


def go(name: str, *arguments: object) -> Runnable:
    def prepare() -> Command | None:
        program = programs.go_program(name)
        return program and ([str(program), *map(str, arguments)], programs.clean_environment())

    return Runnable(prepare, "Go (https://go.dev/dl)")


def python(*arguments: object) -> Runnable:
    return Runnable(lambda: ([sys.executable, *map(str, arguments)], dict(os.environ)))


def python_installed(*arguments: str) -> Runnable:
    """With bytecode, as an installed package has it: the round that is thrown away writes it."""
    words = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    words["PYTHONPYCACHEPREFIX"] = str(programs.OUT / "bytecode")
    return Runnable(lambda: ([sys.executable, *arguments], words))


def report_on_a_dump() -> Runnable:
    def prepare() -> Command | None:
        program = programs.go_program("dump")
        if program is None:
            return None
        target = programs.OUT / "go.dump"
        if not target.exists() or target.stat().st_mtime < program.stat().st_mtime:
            subprocess.run([str(program), str(target)], check=True)
        return [
            sys.executable,
            *map(str, (programs.HERE / "snapshots.py", "dump", target)),
        ], dict(os.environ)

    return Runnable(prepare, "Go (https://go.dev/dl)")


def by(ratio: float, peer: str = "go") -> Limit:
    return Limit(ratio, peer)


# ---- the table ----


def trees(s: Sizes) -> list[Case]:
    def case(name: str, depth: int, mutators: int, names: tuple[str, ...], rows: list[Row]) -> Case:
        words = "one mutator" if mutators == 1 else f"{mutators} mutators"
        about = f"binary trees, depth {depth}, {words}, all processors"
        return Case(name, "trees", about, works(names, "trees", depth, mutators), rows)

    memory = Row("  peak memory", "peak_bytes", "MiB", 1 / MIB, peer="go", bar=by(1.0))

    def seconds(bar: Limit, stretch: Limit) -> Row:
        return Row("binary-trees", "seconds", "s", peer="go", bar=bar, stretch=stretch)

    with_stops = (*ALL[:1], "gcsim stopped", *ALL[1:])
    gc_cpu = Row("  CPU seconds of collecting", "gc_cpu_seconds", "s", peer="go", bar=by(0.4))
    cpu = Row("  CPU seconds in all", "cpu", "s", peer="go")
    some = ("gcsim", "go", "mimalloc", "java parallel", "java g1")
    return [
        case(
            "trees 1",
            s.depth,
            1,
            with_stops,
            [seconds(by(0.40), by(1.0, "mimalloc")), memory, gc_cpu, cpu],
        ),
        case(
            "trees 2",
            s.depth,
            2,
            ALL,
            [
                seconds(by(0.40), by(1.0, "java g1")),
                Row(
                    "  peak memory",
                    "peak_bytes",
                    "MiB",
                    1 / MIB,
                    peer="go",
                    stretch=by(0.5, "java g1"),
                ),
                gc_cpu,
                cpu,
            ],
        ),
        case("trees big", s.big_depth, 2, some, [seconds(by(0.40), by(0.30)), memory, gc_cpu, cpu]),
    ]


def alloc_case(
    way: str,
    threads: int,
    sizes: tuple[int, ...],
    s: Sizes,
    what: str = "pointers",
    rows: list[Row] | None = None,
) -> Case:
    words = [",".join(map(str, sizes)), what, way, threads, s.alloc_rounds]
    many = "1 thread" if threads == 1 else f"{threads} threads"
    kept = "dropped at once" if way == "dropped" else "kept in a ring until overwritten"
    return Case(
        f"alloc {what} {way} {threads}",
        "alloc",
        f"objects {'with' if what == 'pointers' else 'without'} pointers, {kept}, {many}, their share of collections included",
        works(ALL, "alloc", *words),
        rows if rows is not None else [Row(f"{n} B", f"ns_{n}", "ns", peer="go") for n in sizes],
    )


def alloc(s: Sizes) -> list[Case]:
    def row(n: int, bar: float) -> Row:
        stretch = by(1.0, "mimalloc")
        return Row(f"{n} B", f"ns_{n}", "ns", peer="go", bar=by(bar), stretch=stretch)

    ring = (16, 64, 1024)
    return [
        alloc_case("dropped", 1, (16,), s, rows=[row(16, 0.33)]),
        alloc_case("ring", 1, ring, s, rows=[row(16, 0.33), row(64, 0.38), row(1024, 0.6)]),
        alloc_case("ring", 2, ring, s, rows=[row(64, 0.38), row(1024, 0.6)]),
    ]


def mark_case(
    graph: str,
    log2: int,
    workers: int,
    names: tuple[str, ...],
    rows: list[Row],
    group: str = "mark",
) -> Case:
    return Case(
        f"{group} {graph} {workers}",
        group,
        f"full collection of a live graph ({graph}) of 2^{log2} objects of 16 bytes, {workers} worker{'s' if workers > 1 else ''}",
        works(names, "mark", graph, 1 << log2, 3, procs=workers),
        rows,
    )


def mark(s: Sizes) -> list[Case]:
    def names(workers: int) -> tuple[str, ...]:
        ours = ("gcsim", *(f"gcsim {engine}" for engine in peers.engines()), "gcsim stopped")
        return (*ours, *GOS[:2], f"bdwgc {workers}", "java parallel", "java g1")

    def rows(bar: Limit, stretch: Limit | None = None) -> list[Row]:
        def row(what: str, program: str) -> Row:
            peer = bar.peer or "go"
            return Row(
                what, "ns_per_object", "ns", program=program, peer=peer, bar=bar, stretch=stretch
            )

        return [row("per live object", "gcsim"), row("  with the world stopped", "gcsim stopped")]

    def tree_bar(workers: int) -> Limit:
        return by(0.8, f"bdwgc {workers}")

    n = s.log2_objects
    return [
        mark_case("random", n, 1, names(1), rows(by(0.2), Limit(16))),
        mark_case("random", n, 2, names(2), rows(by(0.2), Limit(10))),
        mark_case("tree", n, 1, names(1), rows(tree_bar(1), Limit(5))),
        mark_case("tree", n, 2, names(2), rows(tree_bar(2), Limit(3))),
        mark_case("list", s.log2_list, 1, names(1), rows(tree_bar(1))),
    ]


def empty(s: Sizes) -> list[Case]:
    names = ("gcsim", "go", "go nogreenteagc", *BDWGC)
    stretch = Limit(5)
    return [
        Case(
            name,
            "empty",
            about,
            works(names, "empty", parked, rounds),
            [
                Row(
                    "collect()",
                    "us",
                    "us",
                    peer="go",
                    bar=by(0.5),
                    stretch=stretch if not parked else None,
                )
            ],
        )
        for name, about, parked, rounds in (
            ("empty", "a collection of an empty heap, workers warm", 0, s.empty_rounds),
            ("empty parked", "the same with 1,000 parked goroutines", 1000, s.empty_rounds // 4),
        )
    ]


def store(s: Sizes) -> list[Case]:
    def case(slots: int, way: str, on: float, stretch: Limit | None) -> Case:
        off = Row("marking off", "ns_off", "ns", peer="go", bar=by(1.0))
        return Case(
            f"store {way}",
            "store",
            f"pointer stores into {slots:,} {way} slots while another thread collects",
            works(("gcsim", "go", "go nogreenteagc"), "store", slots, way, s.store_time),
            [off, Row("marking on", "ns_on", "ns", peer="go", bar=by(on), stretch=stretch)],
        )

    return [
        case(1024, "hot", 0.5, Limit(3)),
        case(1 << s.log2_slots, "random", 0.7, None),
    ]


def stops(s: Sizes) -> list[Case]:
    # A thread that touches a huge page for the first time does not answer until the system has
    # cleared 2 MiB: without them (2 is GCSIM_HUGE_NEVER) that is gone, and so are their savings.
    small = "gcsim HUGE_PAGES=2"
    names = ("gcsim", small, "go", "bdwgc 2", "java parallel", "java g1", "java z")

    def case(live: int, steps: int, bar: float) -> Case:
        worst = Row(
            "worst stop", "worst_stop", "ms", 1e3, peer="go", bar=Limit(bar), stretch=Limit(0.04)
        )
        without = replace(worst, what="  without huge pages", program=small)
        middle = Row("  median stop", "median_stop", "ms", 1e3, peer="go")
        return Case(
            f"stops {live // 1_000_000} MB",
            "stops",
            f"two busy mutators over {live / 1e6:.0f} MB live",
            works(names, "stops", live, 2, steps),
            [
                worst,
                without,
                middle,
                Row("  the work itself", "seconds", "s", peer="go"),
                Row("    without huge pages", "seconds", "s", program=small, peer="go"),
            ],
        )

    return [
        case(live, n, bar) for live, n, bar in zip(s.live, s.stop_steps, (0.2, 0.3), strict=True)
    ]


def pythons(s: Sizes) -> list[Case]:
    script = programs.WORK / "python" / "tree.py"

    def own(shape: str, ways: dict[str, str]) -> dict[str, Runnable]:
        return {name: python(script, way, s.python_depth, shape, 1) for name, way in ways.items()}

    def build(what: str, program: str, bar: float, stretch: Limit | None) -> Row:
        return Row(
            what,
            "build_ns",
            "ns",
            program=program,
            peer="cpython, gc off",
            bar=by(bar, "cpython, gc off"),
            stretch=stretch,
        )

    def collect(bar: bool = True) -> Row:
        limit = by(0.05, "cpython") if bar else None
        return Row("full collection", "collect_ns", "ns", peer="cpython", bar=limit)

    ways = {"gcsim": "one", "gcsim bulk": "bulk", "cpython": "own-gc", "cpython, gc off": "own"}
    return [
        Case(
            "python tree",
            "python",
            f"a tree of 2^{s.python_depth + 1} nodes from Python {platform.python_version()}, per node",
            own("tree", ways),
            [
                build("built one by one", "gcsim", 0.8, by(0.6, "cpython, gc off")),
                build("built in bulk", "gcsim bulk", 0.05, None),
                collect(),
            ],
        ),
        Case(
            "python random",
            "python",
            f"2^{s.python_depth + 1} nodes linked at random, per live node",
            own("random", {"gcsim": "bulk", "cpython": "own"}),
            [collect()],
        ),
    ]


def resident(s: Sizes) -> list[Case]:
    names = ("gcsim", "go", "go nogreenteagc", "bdwgc 1", *MALLOCS)
    limits = {"bar": Limit(1.10), "stretch": Limit(1.04)}
    return [
        Case(
            "resident",
            "resident",
            f"memory of {s.resident:,} objects of 16 bytes as the kernel counts it, over their own bytes",
            works(names, "resident", s.resident),
            [
                Row("built", "payload_ratio", "", peer="go", **limits),
                Row("  after a collection", "collected_ratio", "", peer="go", **limits),
            ],
        ),
    ]


def maps(s: Sizes) -> list[Case]:
    """Go's maps in C (csrc/lib/map.c): small enough for the caches, and far larger."""
    rows = [
        Row("insert, growing", "ns_insert", "ns", peer="go", bar=by(1.3)),
        Row("  look up, there", "ns_hit", "ns", peer="go", bar=by(1.3)),
        Row("  look up, not there", "ns_miss", "ns", peer="go", bar=by(1.3)),
        Row("  delete and insert", "ns_churn", "ns", peer="go"),
    ]
    sorts = {
        "int": "uint64 -> uint64",
        "string": "string -> uint64",
        "pointer": "string -> pointer",
    }
    return [
        Case(
            f"maps {sort} {count}",
            "maps",
            f"a map of {count:,} entries, {about}",
            works(("gcsim", "go"), "maps", sort, count, max(1, s.map_entries // count)),
            rows,
        )
        for sort, about in sorts.items()
        for count in (1000, s.map_entries)
    ]


def counted(s: Sizes) -> list[Case]:
    def row(name: str, what: str) -> Row:
        limited = name in instructions.LIMITED
        limits = {"bar": Limit(instructions.LIMIT), "stretch": Limit(24)} if limited else {}
        return Row(what, name, "", **limits)

    about = f"instructions per object, counted under valgrind, {programs.compiler_name()}"
    rows = [
        row(name, work.what)
        for name, work in (instructions.WORKS | instructions.PYTHON_WORKS).items()
    ]
    script = programs.HERE / "instructions.py"
    return [
        Case("instructions", "instructions", about, {"gcsim": python(script, "--json")}, rows, 1)
    ]


# ---- beyond the table ----


def allocs(s: Sizes) -> list[Case]:
    sizes = (16, 32, 64, 256, 1024, 65536)
    return [
        replace(
            alloc_case(way, threads, sizes, s, what),
            name=f"allocs {what} {way} {threads}",
            group="allocs",
        )
        for what in ("pointers", "plain")
        for way in ("dropped", "ring")
        for threads in (1, 2)
    ]


def graphs(s: Sizes) -> list[Case]:
    names = ("gcsim", *GOS[:2], *BDWGC, "java serial", "java parallel", "java g1", "java z")
    row = Row("per live object", "ns_per_object", "ns", peer="go")
    return [
        replace(
            mark_case(graph, log2, workers, names, [row], group="graphs"),
            name=f"graphs {graph} 2^{log2} {workers}",
        )
        for graph in ("tree", "random", "list")
        for log2 in (20, 21, 22, 23)
        for workers in (1, 2)
    ]


def whole_programs(s: Sizes) -> list[Case]:
    def case(
        name: str, about: str, *words: object, row: Row | None = None, names: tuple[str, ...] = ALL
    ) -> Case:
        first = row or Row(name, "seconds", "s", peer="go")
        memory = Row("  peak memory", "peak_bytes", "MiB", 1 / MIB, peer="go")
        return Case(name, "programs", about, works(names, *words), [first, memory])

    insert = Row("insert", "ns_per_insert", "ns", peer="go")
    step = Row("a step", "ns_per_step", "ns", peer="go")
    return [
        case(
            "gcbench", "Ellis, Kovac and Boehm's plan, long-lived tree of depth 16", "gcbench", 16
        ),
        case("lru", "a cache of 100,000 entries", "lru", 100_000, 2_000_000, row=step),
        case(
            "list",
            "nodes inserted while collections run",
            "list",
            100_000,
            row=insert,
            names=("gcsim", *GOS, *BDWGC, *JAVAS),
        ),
        case("spikes", "lists of 64 MB come and go", "spikes", 64_000_000, 12),
    ]


def recorded(s: Sizes) -> list[Case]:
    def replayed(path: Path, name: str) -> Runnable:
        peer = peers.variant(name)

        def prepare() -> Command | None:
            return peers.command(peer, ["recording", str(recordings.flat(path)), "10"], 0)

        return Runnable(prepare, peer.install)

    rows = [
        Row("replay", "seconds", "s", peer="go"),
        Row("  peak memory", "peak_bytes", "MiB", 1 / MIB, peer="go"),
    ]
    return [
        Case(
            f"recording {path.stem}",
            "recordings",
            f"the allocations and frees of {path.stem}, ten times",
            {name: replayed(path, name) for name in ALL},
            rows,
        )
        for path in recordings.recordings()
    ]


def data(s: Sizes) -> list[Case]:
    """Go-shaped data: the same operations in the same order, growth and collections included."""
    works = [
        ("append an int", "int"),
        ("append a pointer", "ptr"),
        ("Builder.WriteByte", "byte"),
        ("Builder.WriteString, 10 bytes, a byte", "string"),
    ]
    return [
        Case(
            "data",
            "data",
            "slices grown by append and strings built, to lengths of 10, 1,000, 1,000,000",
            {"gcsim": c("data", s.data_rounds), "go": go("data", s.data_rounds)},
            [
                Row(f"{what}, to {n:,}", f"{name}_{n}", "ns", peer="go", bar=by(1.0))
                for what, name in works
                for n in (10, 1000, 1_000_000)
            ],
        )
    ]


GOGCS = (25, 50, 100, 200, 400, 800)


def curves(s: Sizes) -> list[Case]:
    names = tuple(f"{base} GOGC={gogc}" for base in ("gcsim", "go") for gogc in GOGCS)
    return [
        Case(
            f"curve {mutators}",
            "curves",
            f"time against memory: binary trees, depth {s.depth}, GOGC {GOGCS[0]} to {GOGCS[-1]}, mutators: {mutators}",
            works((*names, *MALLOCS, *JAVAS), "trees", s.depth, mutators),
            [
                Row(f"GOGC={n}", "seconds", "s", program=f"gcsim GOGC={n}", peer=f"go GOGC={n}")
                for n in GOGCS
            ],
        )
        for mutators in (1, 2)
    ]


def faces(s: Sizes) -> list[Case]:
    """What else has a goal: Python's operations, steps, start-up, heaps in turn."""
    op = [
        ("heap.new(T), one int field", "new", 60),
        ("  heap.new(T, n=7)", "new_with_value", 60),
        ("int field get", "int_get", 45),
        ("int field set", "int_set", 45),
        ("ref get", "ref_get", 50),
        ("ref set", "ref_set", 55),
        ("bulk build, a node with one link column", "build", 15),
    ]
    return [
        Case(
            "operations",
            "operations",
            f"operations from Python {platform.python_version()}",
            {"gcsim": python(programs.HERE / "python_ops.py")},
            [Row(what, metric, "ns", bar=Limit(most)) for what, metric, most in op],
        ),
        Case(
            "steps",
            "steps",
            "a cycle step by step from Python, and a search of every interleaving over the real code",
            {"gcsim": python(programs.HERE / "steps.py")},
            [
                Row("c.step()", "step_ns", "ns", bar=Limit(10_000)),
                Row("c.back(n), n up to 100", "back_us", "us", bar=Limit(1000)),
                Row("a transition of a search", "transition_ns", "ns", bar=Limit(2000)),
            ],
            1,
        ),
        Case(
            "snapshots",
            "snapshots",
            "snapshots of 10^6 objects from Python: a tree, and a random graph",
            {"gcsim": python(programs.HERE / "snapshots.py")},
            [
                row
                for shape in ("tree", "random")
                for row in (
                    Row(f"{shape}: the stop", f"{shape}_stop_ms", "ms", bar=Limit(50)),
                    Row("  dominators, retained sizes", f"{shape}_dominators_s", "s", bar=Limit(1)),
                    Row("  the first why_alive()", f"{shape}_first_ms", "ms", bar=Limit(50)),
                    Row("  another", f"{shape}_later_ms", "ms", bar=Limit(50)),
                )
            ],
        ),
        Case(
            "dump",
            "dump",
            "`python -m gcsim heap` on a dump of 200 MB of a Go program",
            {"gcsim": report_on_a_dump()},
            [
                Row("the whole report", "dump_s", "s", bar=Limit(10)),
                Row("  its most memory, per byte of the file", "dump_memory", "", bar=Limit(3)),
                Row("  the file", "dump_bytes", "MB", 1e-6),
            ],
        ),
        Case(
            "import",
            "import",
            "a fresh process",
            {
                "gcsim": python_installed("-c", "import gcsim"),
                "pass": python_installed("-c", "pass"),
            },
            [
                Row(
                    "import gcsim (less `python -c pass`)",
                    "wall",
                    "ms",
                    1e3,
                    less="pass",
                    bar=Limit(30),
                ),
                Row("  python -c pass", "wall", "ms", 1e3, program="pass"),
            ],
            21,
        ),
        Case(
            "heaps",
            "heaps",
            "an empty heap; 10^5 heaps created, used and destroyed in turn",
            {"gcsim": c("resident", "empty"), "in turn": c("resident", "heaps", 100_000)},
            [
                Row("empty heap", "empty_bytes", "KiB", 1 / 1024, bar=Limit(256)),
                Row("  with a mutator and one object", "used_bytes", "KiB", 1 / 1024),
                Row(
                    "growth over the last 90 %",
                    "growth_bytes",
                    "KiB",
                    1 / 1024,
                    "in turn",
                    bar=Limit(256),
                ),
                Row("one heap", "ns_per_heap", "us", 1e-3, "in turn"),
            ],
            1,
        ),
    ]


# ---- growth ----


def per_node(words: list[Any], metrics: dict[str, Any]) -> dict[str, float]:
    depth = int(words[1])
    made = (4 << depth) - 1 + (2 << depth) - 1
    made += sum((1 << (depth - d + 4)) * ((2 << d) - 1) for d in range(4, depth + 1, 2))
    return {"ns_per_node": metrics["seconds"] / made * 1e9}


def of_processor(words: list[Any], metrics: dict[str, Any]) -> dict[str, float]:
    threads = int(words[4])
    busy = min(threads, os.cpu_count() or 1)
    return {"ns_of_processor": metrics["ns_64"][0] * busy / threads}


def virtual(mutators: tuple[int, ...]) -> list[Case]:
    """Beyond the machine's processors: as many virtual ones as mutators, in virtual time. Each mutator
    does the same, so neither the time nor a stop should grow."""

    def case(name: str, about: str, row: Row, words: Callable[[int], list[object]]) -> Case:
        runs = {
            f"gcsim mutators={n}": python(
                *("-m", "gcsim", "run", *words(n), "--virtual", "--json"),
                *("--procs", n, "--mutators", n),
            )
            for n in mutators
        }
        rows = [replace(row, what=f"mutators={n}", program=f"gcsim mutators={n}") for n in mutators]
        return Case(f"growth virtual {name}", "growth", about, runs, rows, 1)

    return [
        case(
            "ring",
            "virtual time: each mutator on a processor of its own fills a ring, 100,000 objects of 64 bytes",
            Row("", "wall_s", "ms", 1e3),
            lambda n: ["ring", "--entries", 4000, "--allocations", 100_000],
        ),
        case(
            "stops",
            "virtual time: worst stop, each mutator on a processor of its own changes 1 MB of a graph",
            Row("", "worst_stop_ms", "ms"),
            lambda n: ["graph", "--live", n * 1_000_000, "--steps", 5000],
        ),
    ]


def growth(s: Sizes) -> list[Case]:
    """The same per object, while the objects or the mutators become more."""
    logs, mutators = range(16, 25, 2), (1, 2, 4, 8, 16, 32, 64)

    def case(
        name: str,
        about: str,
        metric: str,
        unit: str,
        scale: float,
        key: str,
        points: dict[str, list[object]],
        names: tuple[str, ...] = ("gcsim", "go"),
        procs: int = 0,
        derive: Callable[[list[Any], dict[str, Any]], dict[str, float]] | None = None,
    ) -> Case:
        return Case(
            f"growth {name}",
            "growth",
            about,
            {
                f"{base} {key}={point}": replace(
                    runnable, derive=partial(derive, words) if derive else None
                )
                for point, words in points.items()
                for base, runnable in works(names, *words, procs=procs).items()
            },
            [
                Row(f"{key}={p}", metric, unit, scale, f"gcsim {key}={p}", f"go {key}={p}")
                for p in points
            ],
        )

    def objects(words: Callable[[int], list[object]]) -> dict[str, list[object]]:
        return {f"2^{k}": words(k) for k in logs}

    def of_mutators(words: Callable[[int], list[object]]) -> dict[str, list[object]]:
        return {str(n): words(n) for n in mutators}

    cases = [
        case(
            f"mark {graph} {workers}",
            f"full collection of a live graph ({graph}), per object; workers: {workers}",
            "ns_per_object",
            "ns",
            1.0,
            "n",
            objects(lambda k, graph=graph: ["mark", graph, 1 << k, 2]),
            ("gcsim", "gcsim stopped", "go"),
            workers,
        )
        for graph, workers in (("random", 1), ("random", 2), ("tree", 1), ("tree", 2), ("list", 1))
    ]
    live = objects(lambda k: ["stops", 64 << k, 2, max(3_000_000, 3 << k)])
    return [
        *cases,
        case(
            "stops",
            "worst stop over n live objects of 64 bytes",
            "worst_stop",
            "ms",
            1e3,
            "n",
            live,
        ),
        case(
            "store",
            "pointer stores, marking on, into n random slots",
            "ns_on",
            "ns",
            1.0,
            "n",
            objects(lambda k: ["store", 1 << k, "random", 20]),
        ),
        case(
            "memory",
            "memory of n objects of 16 bytes over their own bytes",
            "payload_ratio",
            "",
            1.0,
            "n",
            objects(lambda k: ["resident", 1 << k]),
        ),
        case(
            "trees",
            "binary trees with a long-lived tree of n nodes, one mutator; time per node made",
            "ns_per_node",
            "ns",
            1.0,
            "n",
            {f"2^{k}": ["trees", k - 1, 1] for k in (16, 18, 20, 22)},  # 2^24 takes minutes
            derive=per_node,
        ),
        case(
            "mutators alloc",
            "objects of 64 bytes, a ring for each mutator; processor time per object",
            "ns_of_processor",
            "ns",
            1.0,
            "mutators",
            of_mutators(lambda n: ["alloc", "64", "pointers", "ring", n, 1]),
            derive=of_processor,
        ),
        case(
            "mutators trees",
            "binary trees, depth 16, shared by the mutators",
            "seconds",
            "s",
            1.0,
            "mutators",
            of_mutators(lambda n: ["trees", 16, n]),
        ),
        case(
            "mutators stops",
            "worst stop over 20 MB live, so many busy mutators",
            "worst_stop",
            "ms",
            1e3,
            "mutators",
            of_mutators(lambda n: ["stops", 20_000_000, n, 4_000_000]),
        ),
        *virtual(mutators),
    ]


# ---- choosing ----

EVERY = (trees, alloc, mark, empty, store, stops, pythons, resident, maps, data, counted)
BEYOND = (allocs, graphs, whole_programs, recorded, curves, faces)


def all_cases(s: Sizes = FULL) -> list[Case]:
    return [case for make in (*EVERY, *BEYOND, growth) for case in make(s)]


def beside_go(case: Case) -> Case:
    """The case with gcsim and Go alone, and with CPython where that is the peer."""

    def stays(name: str) -> bool:
        return name in ("gcsim", "gcsim bulk", "gcsim stopped", "go") or name.startswith("cpython")

    programs_left = {name: p for name, p in case.programs.items() if stays(name)}

    def limit(there: Limit | None) -> Limit | None:
        return there if there and (there.peer is None or there.peer in programs_left) else None

    rows = [
        replace(
            row,
            peer=row.peer if row.peer in programs_left else "go" if "go" in programs_left else None,
            bar=limit(row.bar),
            stretch=limit(row.stretch),
        )
        for row in case.rows
        if row.program in programs_left
    ]
    return replace(case, programs=programs_left, rows=rows)


def short_cases() -> list[Case]:
    """The table, small, beside Go. Instructions are compared by tests/test_instructions.py."""
    chosen = [case for make in EVERY if make is not counted for case in make(SHORT)]
    return [beside_go(case) for case in chosen]
