"""``python -m gcsim run chapter``: the chapter's closing program (综合示例), on gcsim's heaps.

Section by section what its `main` does, under its own headings; every number comes from the heap,
and what is claimed is checked: exit status 1 if something does not hold. With ``--serve`` the heap
is served meanwhile and afterwards, as the chapter's program does with net/http/pprof.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from array import array as column
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

from gcsim import _core, _run, lab
from gcsim._builders import Builder
from gcsim._detectors import LeakDetector, SnapshotDetector
from gcsim._eras import eras
from gcsim._errors import NotThereYetError, OptionError, WorkloadError
from gcsim._escape.result import escape
from gcsim._layout import alignof, layout, size_class
from gcsim._pools import Pool
from gcsim._results import MemStats, _ns_text, bytes_text
from gcsim._struct import struct
from gcsim._types import array, bool_, f32, f64, i8, i16, i32, i64, map_, ptr, slice_, string, u8
from gcsim._workload import workloads

NAME = "chapter"
ABOUT = "the chapter's closing program: every section on one heap, with a profile server (--serve)"
KIB = 1 << 10

_SOURCE = Path(__file__).parent / "data" / "chapter.go"

# ---- what a section says


@dataclass
class Section:
    """One section's text and figures, and whether its claims hold."""

    name: str
    english: str
    chinese: str
    live: bool = False  #: print each line as it is said
    lines: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    @property
    def heading(self) -> str:
        return f"=== {self.english} · {self.chinese} ==="

    def say(self, text: str = "") -> None:
        self.lines.append(text)
        if self.live:
            print(text, flush=True)

    def tell(self, label: str, **figures: Any) -> None:
        """Figures under their names, and one line with all of them."""
        self.figures |= figures
        said = (
            f"{value:,}" if isinstance(value, int) else str(value) for value in figures.values()
        )
        self.say(f"  {label}: {', '.join(said)}")

    def size(self, label: str, name: str, size: int) -> None:
        """A figure in bytes, shown in KB as the chapter does."""
        self.figures[name] = size
        self.say(f"  {label}: {_kib(size)}")

    def check(self, claim: object, words: str) -> None:
        """What must hold."""
        if not claim:
            self.failed.append(words)
            self.say(f"  DOES NOT HOLD: {words}")


class Demo(NamedTuple):
    """What the sections share."""

    heap: _core.Heap
    seed: int


def _kib(size: int) -> str:
    return f"{size / KIB:,.0f} KB"


# ---- the chapter's types


@struct
class BadStruct:
    a: bool_
    b: i64
    c: bool_
    d: i32


@struct
class GoodStruct:
    b: i64
    d: i32
    a: bool_
    c: bool_


@struct
class OptimalStruct:
    ptr1: ptr[i64]
    ptr2: ptr[string]
    int64Val: i64
    float64Val: f64
    int32Val: i32
    float32Val: f32
    int16Val: i16
    int16Val2: i16
    byteVal1: u8
    byteVal2: u8
    boolVal1: bool_
    boolVal2: bool_


@struct
class HeapStruct:
    x: i64


@struct
class Node:
    value: i64
    next: ptr[Node]
    data: slice_[u8]


@struct
class Small:
    data: array[u8, Literal[64]]


@struct
class Buffer:
    data: array[u8, Literal[1024]]


@struct
class ListNode:
    value: i64
    next: ptr[ListNode]


# ---- 1. memoryLayoutAnalysis, memoryAllocatorDemo, memoryAllocation


def memory_layout(demo: Demo, s: Section) -> None:
    heap = demo.heap
    main = heap.goroutine("main")
    with main.frame(
        "memoryLayoutAnalysis", stackVar=i64, heapSlice=slice_[i64], heapStruct=ptr[HeapStruct]
    ) as frame:
        frame.heapSlice = heap.new_slice(i64, 1000)
        frame.heapStruct = heap.new(HeapStruct, x=100)
        heap.globals["globalSlice"] = heap.new_slice(i64, 10)
        heap_map = heap.new_map(string, i64)
        places = {
            "堆切片 heapSlice": lab.place(heap, frame.heapSlice),
            "堆结构体 heapStruct": lab.place(heap, frame.heapStruct),
            "全局切片数据 globalSlice[0]": lab.place(heap, heap.globals["globalSlice"]),
        }
        stacks = [span for span in heap.spans() if span.purpose == "stack"]
        map_slot = next(o for o in heap.objects() if o.address == heap_map.address)
    first = stacks[0].first_page * lab.PAGE_BYTES
    s.say(f"  栈变量 stackVar: a slot of main's frame, in the stack's span at byte {first:,}")
    for name, where in places.items():
        s.say(f"  {name}: byte {where.offset:,}; {where}")
    s.tell("堆Map heapMap: a header of bytes", map_bytes=map_slot.slot_bytes)
    s.say(
        "  全局变量 globalVar, 全局切片头: root slots beside the pages; code and constants are none"
    )
    s.check(stacks, "a goroutine's stack is a span of the heap's pages")
    kinds = [place.where for place in places.values()]
    s.check(kinds == [lab.SMALL, lab.TINY, lab.SMALL], "8 bytes without pointers: a tiny block")
    heap_slice = places["堆切片 heapSlice"].offset or 0
    s.tell("栈与堆地址差 stack to heap slice, bytes", stack_to_heap_bytes=heap_slice - first)
    main.end()
    del heap.globals["globalSlice"]
    _allocation_sizes(demo, s)
    _allocation_and_release(demo, s)


def _allocation_sizes(demo: Demo, s: Section) -> None:
    heap = demo.heap
    before = heap.memstats()
    kept = heap.globals["objects"] = heap.new_slice(ptr[i8], 1000)
    for i in range(1000):
        kept[i] = heap.new(i8, value=i % 128)
    small = [heap.new_slice(u8, KIB) for _ in range(100)]
    large = [heap.new_slice(u8, 64 * KIB) for _ in range(10)]
    after = heap.memstats()
    s.say()
    s.say("--- 微对象 1000, 小对象 100 (1 KB), 大对象 10 (64 KB) ---")
    s.size("分配前 HeapAlloc", "heap_alloc_before", before.heap_alloc)
    s.size("分配后 HeapAlloc", "heap_alloc_after", after.heap_alloc)
    s.tell("mallocs", mallocs=after.mallocs - before.mallocs)
    s.check(
        after.mallocs - before.mallocs == 1111, "1,111 allocations: the slice and 1,110 objects"
    )
    blocks = {_core.address(kept[i]) // 16 for i in range(1000)}
    s.tell("微对象的块 tiny blocks of 16 B", tiny_blocks=len(blocks))
    s.check(len(small) == 100 and lab.place(heap, large[0]).where == lab.LARGE, "64 KB are large")
    del heap.globals["objects"]


def _allocation_and_release(demo: Demo, s: Section) -> None:
    heap = demo.heap
    kept = heap.globals["data"] = heap.new_slice(slice_[u8], 1000)
    for i in range(1000):
        kept[i] = heap.new_slice(u8, KIB)
    allocated = heap.memstats().heap_alloc
    del kept, heap.globals["data"]
    cycle = heap.collect()
    after = heap.memstats().heap_alloc
    s.say("--- 分配 1000 x 1 KB, 释放, GC ---")
    s.size("分配后", "heap_alloc_full", allocated)
    s.size("GC后", "heap_alloc_collected", after)
    s.tell("freed by this cycle, objects", freed_objects=cycle.freed_objects)
    s.check(allocated - after >= 1000 * KIB, "the collection gives the 1,000 KB back")


# ---- 2. escapeAnalysisDetailed


def escape_analysis(demo: Demo, s: Section) -> None:
    _one_escape(demo, s)
    try:
        said = escape(_SOURCE)
    except NotThereYetError as error:
        s.say(f"  what the compiler says is left out: {error}")
        return
    s.say("--- go build -gcflags='-m -l', foretold without Go ---")
    for line in str(said).splitlines():
        s.say(f"  {line}")
    s.figures |= {"lines": len(said), "on_heap": len(said.heap), "on_stack": len(said.stack)}
    version, of_go = _compiler_says()
    s.figures["compared_with"] = version
    s.say(f"  the compiler of this machine: {version or 'there is none to compare with'}")
    if version and version.startswith("go1.26"):
        s.check(of_go == str(said).splitlines(), "Go's compiler says the same, line for line")


def _one_escape(demo: Demo, s: Section) -> None:
    heap = demo.heap
    main = heap.goroutine("escape")
    before = heap.memstats().mallocs
    with main.frame("stackAllocation", x=i64, sum=i64) as frame:
        frame.x = 42
        frame.sum = frame.x
        on_stack = heap.memstats().mallocs - before
    heap.new(i64, value=42)
    on_heap = heap.memstats().mallocs - before - on_stack
    main.end()
    s.tell("stackAllocation: 不逃逸, objects", stack_objects=on_stack)
    s.tell("heapAllocation: 逃逸 (&x is returned), objects", heap_objects=on_heap)
    s.check((on_stack, on_heap) == (0, 1), "a frame's variable is no object, an escaped one is")


def _compiler_says() -> tuple[str | None, list[str]]:
    """The version of Go, None where there is none that can, and what it says of the same file."""
    go = shutil.which("go")
    if go is None:
        return None, []
    with tempfile.TemporaryDirectory() as folder:
        source = shutil.copy(_SOURCE, folder)
        command = [go, "build", "-gcflags=-m -l", "-o", os.devnull, source]
        built, version = (
            subprocess.run(words, cwd=folder, capture_output=True, text=True)
            for words in (command, [go, "env", "GOVERSION"])
        )
    lines = [line.removeprefix("./") for line in built.stderr.splitlines()]
    said = [line for line in lines if line.startswith(f"{_SOURCE.name}:")]
    return (version.stdout.strip() if not built.returncode else None), said


# ---- 3. memoryAlignmentAnalysis


def memory_alignment(demo: Demo, s: Section) -> None:
    for of, size in ((BadStruct, 24), (GoodStruct, 16), (OptimalStruct, 48)):
        found = layout(of)
        s.figures[found.name] = found.bytes
        s.say(f"  {found.name} size: {found.bytes} bytes, {found.padding} of them padding")
        s.check(found.bytes == size, f"{found.name} has {size} bytes")
        if of is not OptimalStruct:
            for f in found.fields:
                s.say(f"    {f.name} offset: {f.offset}, size: {f.bytes}")
    s.check(layout(BadStruct).best_bytes == 16, "the best order of BadStruct has 16 bytes")
    kinds = {"bool": bool_, "int8": i8, "int16": i16, "int32": i32, "int64": i64, "float32": f32,
             "float64": f64, "string": string, "slice": slice_[i64], "map": map_[i64, i64],
             "pointer": ptr[i64]}  # fmt: skip
    s.figures["alignments"] = {name: alignof(kind) for name, kind in kinds.items()}
    s.say("  对齐 " + ", ".join(f"{name} {n}" for name, n in s.figures["alignments"].items()))


# ---- 4. gcEvolutionDemo, triColorMarkingDemo


def collector(demo: Demo, s: Section) -> None:
    s.say("  one program, the eras of Go's collector: worst stop, cycles")
    worst = {}
    for era in eras():
        with _core.Heap(era=era.name, procs=1, mode="virtual", seed=demo.seed) as heap:
            result = workloads["list"].run(heap, threads=1, seed=demo.seed)
        worst[era.name] = result.worst_stop_s
        stop = _ns_text(int(result.worst_stop_s * 1e9))
        s.say(f"    Go {era.name:5} {stop:>9}  {result.cycles:3} cycles  {era.collector}")
    s.figures["worst_stop_s"] = worst
    s.check(
        max(worst.values()) == worst["1.0"] > 10 * min(worst.values()),
        "stop-the-world stops longer than concurrent marking",
    )
    _tri_colour(demo, s)


def _tri_colour(demo: Demo, s: Section) -> None:
    s.say("--- 三色标记算法 ---")
    with _core.Heap(mode="steps", gogc=None, seed=demo.seed) as heap:
        head: ListNode | None = None
        for i in range(4):
            head = heap.new(ListNode, value=i, next=head)
        heap.globals["head"] = head
        del head
        for _ in range(3):
            heap.new(ListNode)
        cycle = heap.begin_cycle()
        seen = [Counter(o.colour for o in cycle.view().objects)]
        for point in ("mark root", "scan", "scan", "mark termination"):
            cycle.run_until(point)
            seen.append(Counter(o.colour for o in cycle.view().objects))
            said = ", ".join(f"{seen[-1][c]} {c}" for c in ("white", "grey", "black"))
            s.say(f"    {point:17} {said}")
        cycle.finish()
        left = heap.memstats().heap_objects
    s.figures["colours"] = [dict(colours) for colours in seen]
    s.tell("清扫后剩余对象 left by the sweep", objects_left=left)
    s.check(seen[-1] == {"black": 4, "white": 3}, "at the end of marking nothing is grey")
    s.check(left == 4, "the sweep frees what is white")


# ---- 5. realTimeGCMonitoring


def live_monitor(demo: Demo, s: Section) -> None:
    heap, done = demo.heap, threading.Event()
    first = last = heap.memstats().num_gc
    lock = threading.Lock()

    def look() -> None:
        nonlocal last
        with lock:
            for cycle in heap.cycles:
                if cycle.number > last and cycle.mark_ns:
                    last = cycle.number
                    stop = _ns_text(cycle.pause_ns)
                    s.say(
                        f"  GC #{cycle.number}: 暂停时间={stop}, 堆大小={_kib(cycle.heap_live)},"
                        f" 标记={_kib(cycle.heap_marked)}, {cycle.why.splitlines()[0]}"
                    )

    def monitor() -> None:
        while not done.wait(0.01):
            look()

    watcher = threading.Thread(target=monitor, name="gcsim monitor", daemon=True)
    watcher.start()
    try:
        for _ in range(5):
            data = [heap.new_slice(u8, KIB) for _ in range(1000)]
            time.sleep(0.02)
            del data
    finally:
        done.set()
        watcher.join()
    heap.collect()
    look()
    s.tell("GC次数 collections seen", collections=last - first)
    s.check(last == heap.memstats().num_gc > first, "the monitor has seen every collection")


# ---- 6. hybridWriteBarrierDemo


def write_barrier(demo: Demo, s: Section) -> None:
    heap = demo.heap
    root = heap.globals["root"] = _list(heap, 100)
    stop = threading.Event()
    mutator = threading.Thread(target=_insert, args=(heap, root, 1000, stop), daemon=True)
    with heap.record(kinds=("barrier on", "barrier flush")) as seen:
        mutator.start()
        try:
            for i in range(5):
                heap.collect()
                s.say(f"  GC #{i + 1} 完成")
            mutator.join()
        finally:
            stop.set()
            mutator.join()
    count = _count(root)
    del root, heap.globals["root"]
    s.figures |= {"barrier": heap.barrier, "flushes": seen.counts().get("barrier flush", 0)}
    s.tell("最终节点数 nodes at the end", nodes=count)
    s.check(count == 1100, "100 nodes and 1,000 that were put in while the collector ran")
    s.check(heap.verify(), "the heap verifies")


def _list(heap: _core.Heap, size: int) -> Node:
    head = current = heap.new(Node, data=heap.new_slice(u8, 64))
    for i in range(1, size):
        node = heap.new(Node, value=i, data=heap.new_slice(u8, 64))
        current.next = current = node
    return head


def _insert(heap: _core.Heap, root: Node, times: int, stop: threading.Event) -> None:
    for iteration in range(times):
        if stop.is_set():
            return
        target = root
        for _ in range(iteration % 50):
            target = target.next or target
        target.next = heap.new(
            Node, value=1000 + iteration, data=heap.new_slice(u8, 64), next=target.next
        )
        if iteration % 10 == 0:
            time.sleep(0)


def _count(node: Node | None) -> int:
    count = 0
    while node is not None and count < 10_000:
        count, node = count + 1, node.next
    return count


# ---- 7. demonstrateOptimizations


def optimisation(demo: Demo, s: Section) -> None:
    _object_pool(demo, s)
    _preallocation(demo, s)
    _string_building(demo, s)
    _cache(demo, s)


def _cost(heap: _core.Heap, work: Callable[[], object]) -> tuple[int, int, float]:
    """Objects and bytes that it allocates, and the seconds that it takes."""
    before, begin = heap.memstats(), time.perf_counter()
    work()
    seconds, after = time.perf_counter() - begin, heap.memstats()
    return after.mallocs - before.mallocs, after.total_alloc - before.total_alloc, seconds


def _compared(s: Section, title: str, costs: dict[str, tuple[int, int, float]]) -> None:
    s.say(f"--- {title} ---")
    for name, (objects, size, seconds) in costs.items():
        took = _ns_text(int(seconds * 1e9))
        s.say(f"  {name:34} {objects:>7,} objects {bytes_text(size):>11} {took:>9}")
    s.figures[title] = {
        name: {"objects": objects, "bytes": size, "seconds": seconds}
        for name, (objects, size, seconds) in costs.items()
    }


def _object_pool(demo: Demo, s: Section) -> None:
    heap, n = demo.heap, 10_000
    pool = Pool(heap, lambda: heap.new(Buffer))

    def from_pool() -> None:
        for i in range(n):
            buffer = pool.get()
            buffer.data[0] = i % 256
            pool.put(buffer)

    def from_heap() -> None:
        for i in range(n):
            heap.new(Buffer).data[0] = i % 256

    costs = {
        f"使用对象池 sync.Pool ({n:,}次)": _cost(heap, from_pool),
        f"不使用对象池 new ({n:,}次)": _cost(heap, from_heap),
    }
    _compared(s, "对象池优化 object pool", costs)
    s.tell("池调用New的次数 calls of New", pool_made=pool.made)
    pooled, made = costs.values()
    s.check(made[0] == n and pool.made <= 1 + heap.memstats().num_gc, "the pool gives back")
    s.check(pooled[0] < n / 10, "a pool of pointers allocates next to nothing")


def _preallocation(demo: Demo, s: Section) -> None:
    heap = demo.heap

    def append(capacity: int) -> None:
        row = heap.new_slice(i64, 0, capacity)
        for i in range(10_000):
            row = row.append(i)

    def fill(hint: int) -> None:
        table = heap.new_map(i64, i64, hint)
        for i in range(10_000):
            table[i] = i

    costs = {
        "不预分配 grown": _cost(heap, lambda: append(0)),
        "预分配 make([]int, 0, 10000)": _cost(heap, lambda: append(10_000)),
        "map, 不预分配 grown": _cost(heap, lambda: fill(0)),
        "map, make(map[int]int, 10000)": _cost(heap, lambda: fill(10_000)),
    }
    _compared(s, "预分配优化 preallocation", costs)
    grown, made, map_grown, map_made = costs.values()
    s.check(made[0] == 1 < grown[0] and made[1] < grown[1], "one array instead of many")
    s.check(map_made[0] < map_grown[0] and map_made[1] < map_grown[1], "tables instead of growing")


def _string_building(demo: Demo, s: Section) -> None:
    heap, parts = demo.heap, [f"item{i}," for i in range(1000)]
    main, lengths = heap.goroutine("main"), []

    def concatenate() -> None:
        with main.frame("stringBuilding", result=string) as frame:
            for part in parts:
                frame.result += part
            lengths.append(len(frame.result))

    def build() -> None:
        builder = heap.new(Builder)
        builder.grow(10_000)
        for part in parts:
            builder.write(part)
        lengths.append(len(builder))

    costs = {
        "字符串拼接 +=": _cost(heap, concatenate),
        "strings.Builder": _cost(heap, build),
    }
    main.end()
    _compared(s, "字符串构建优化 string building", costs)
    s.tell("结果长度 lengths", lengths=" vs ".join(map(str, lengths)))
    added, built = costs.values()
    s.check(lengths[0] == lengths[1] == sum(map(len, parts)), "both have built the same text")
    s.check(added[0] == 1000 > 10 > built[0], "one buffer instead of a thousand strings")
    s.check(added[1] > 100 * built[1], "a string that grows is copied each time")


def _lines(addresses: Iterable[int]) -> int:
    """Changes of a line of 64 bytes on the way."""
    numbers = [address // 64 for address in addresses]
    return 1 + sum(a != b for a, b in pairwise(numbers))


def _cache(demo: Demo, s: Section) -> None:
    heap, n = demo.heap, 20_000
    numbers = heap.new_slice(i64, n)
    nodes = heap.build(ListNode, n, links={"next": column("i", [*range(1, n), -1])}, roots=[0])
    base = numbers.address
    of_array = _lines(base + 8 * i for i in range(n))
    of_list = _lines(_core.address(node) for node in nodes)
    s.say("--- 缓存友好的数据结构 array and list ---")
    s.tell("数组遍历, cache lines", array_lines=of_array)
    s.tell("链表遍历, cache lines", list_lines=of_list)
    s.check(of_array < of_list, "a node carries a pointer: its list takes more lines")


# ---- 8. demonstrateLeakDetection


def leak_detection(demo: Demo, s: Section) -> None:
    heap = demo.heap
    detector, paths = LeakDetector(heap, "1MiB"), SnapshotDetector(heap)
    paths.check()
    for _ in range(5):
        for i in range(100):
            heap.new_slice(u8, KIB)[0] = i
        report = detector.check()
    s.say("  内存使用正常" if not report else "  检测到内存泄漏!")
    s.check(not report, "normal use is no leak")
    s.say("  模拟内存泄漏...")
    leaked = heap.globals["leakedData"] = heap.new_slice(slice_[u8])
    checks = 0
    while not report and checks < 8:
        for _ in range(1000):
            leaked = heap.globals["leakedData"] = leaked.append(heap.new_slice(u8, KIB))
        report, checks = detector.check(), checks + 1
    found = paths.check()
    s.say(f"  {'确认内存泄漏!' if report else '没有发现'} {report.words}")
    s.tell("检查次数 checks until it was sure", checks=checks)
    suspect = found.suspects[0].what if found.suspects else ""
    s.tell("谁持有 who holds it", suspect=suspect)
    s.check(report and suspect == "global leakedData", "the leak is found, and its root named")


# ---- 9. memoryAllocatorArchitecture, sizeClassDemo


def allocator(demo: Demo, s: Section) -> None:
    with _core.Heap(gogc=None, procs=1) as heap:
        with heap.record(kinds=("alloc", "span cache", "span alloc", "grow")) as first:
            heap.new(HeapStruct)
            heap.new(ListNode)
        with heap.record(kinds=("alloc", "span cache", "span alloc", "grow")) as later:
            kept = [heap.new(ListNode) for _ in range(1000)]
        del kept
    s.say("  mcache -> mcentral -> mheap -> system: who was asked, for")
    for label, events in (("the first objects", first), ("1,000 more", later)):
        counts = events.counts()
        asked = [counts.get(kind, 0) for kind in ("alloc", "span cache", "span alloc", "grow")]
        s.figures[label] = dict(zip(("mcache", "mcentral", "mheap", "system"), asked, strict=True))
        s.say(f"    {label:18} {' -> '.join(map(str, asked))}")
    s.check(s.figures["1,000 more"]["mcentral"] <= 3, "mcentral is asked once per span")
    _size_classes(s)


def _size_classes(s: Section) -> None:
    sizes = {}
    size = 1
    while not (found := size_class(size, noscan=True)).large:
        sizes[found.size_class] = found.slot_bytes
        size = found.usable_bytes + 1
    sizes[1] = size_class(
        8, noscan=False
    ).slot_bytes  # without pointers the tiny allocator takes it
    s.say("--- 大小类 size classes (class 0 is for large objects) ---")
    for number in sorted(sizes)[:20]:
        s.say(f"    类{number}: {sizes[number]}字节")
    s.tell("大小类 in all", size_classes=len(sizes))
    slot = size_class(100, noscan=True).slot_bytes
    s.tell("申请100字节 -> bytes", bytes_for_100=slot)
    s.check(len(sizes) == 67 and slot == 112, "67 classes; 100 bytes take 112")


# ---- 10. runBenchmarks


def _repeated(work: Callable[[], object], times: int) -> Callable[[], None]:
    def run() -> None:
        for _ in range(times):
            work()

    return run


def benchmarks(demo: Demo, s: Section) -> None:
    n = 20_000
    with _core.Heap(procs=1, seed=demo.seed) as heap:
        main, slices, pointers = heap.goroutine("main"), Pool(heap), Pool(heap)
        words: dict[str, Any] = {f"arr{i}": i64 for i in range(8)}  # 64 bytes
        heap.new_slice(u8, 64)  # what a loop needs once is there already

        def on_stack() -> None:
            main.push("benchmarkStackAllocation", **words)
            main.pop()

        stack = _cost(heap, _repeated(on_stack, n))
        on_heap = _cost(heap, _repeated(lambda: heap.new_slice(u8, 64), n))
        slices.put(heap.new_slice(u8, 64))  # two collections would have dropped it
        written = _cost(heap, _repeated(lambda: slices.put(slices.get().value), n))
        pointers.put(heap.new(Small))
        right = _cost(heap, _repeated(lambda: pointers.put(pointers.get()), n))
        main.end()
    s.say(f"  {n:,} rounds; times are those of calls from Python, what is claimed are the objects")
    _compared(
        s,
        "性能基准测试 64 bytes",
        {
            "栈分配 stack": stack,
            "堆分配 heap": on_heap,
            "池分配 pool of []byte, as written": written,
            "池分配 pool of pointers": right,
        },
    )
    s.check(stack[0] == 0, "a frame allocates nothing")
    s.check(on_heap[:2] == (n, 64 * n), "the heap allocates 64 bytes each time")
    s.check(n <= written[0] < 1.01 * n, "Put of a slice allocates its header, 24 bytes, each time")
    s.check(right[0] < n / 100, "a pool of pointers allocates nothing")


# ---- 11. printMemoryStats


def statistics(demo: Demo, s: Section) -> None:
    m: MemStats = demo.heap.memstats()
    for label, name in (
        ("当前分配的堆内存", "heap_alloc"),
        ("累计分配的堆内存", "total_alloc"),
        ("系统内存", "sys"),
        ("堆内存大小", "heap_sys"),
        ("栈内存", "stack_sys"),
        ("下次GC目标", "next_gc"),
    ):
        value = getattr(m, name)
        s.figures[name] = value
        s.say(f"  {label} {name}: {'none' if value >= 1 << 63 else _kib(value)}")
    s.tell("堆中对象数量", heap_objects=m.heap_objects)
    s.tell("GC次数", num_gc=m.num_gc)
    s.say(f"  GC CPU占用: {m.gc_cpu_fraction:.2%}")
    s.figures["gc_cpu_fraction"] = m.gc_cpu_fraction
    if m.num_gc:
        s.figures["last_pause_ns"] = m.pause_ns[(m.num_gc + 255) % 256]
        s.say(f"  最近GC暂停时间: {_ns_text(s.figures['last_pause_ns'])}")
    s.say(f"  内存利用率: {m.heap_alloc / m.heap_sys:.2%} of heap_sys: the rest is idle, not lost")
    s.check(m.heap_sys == m.heap_inuse + m.heap_idle, "HeapSys is HeapInuse and HeapIdle")
    s.check(m.heap_objects == m.mallocs - m.frees, "objects are mallocs less frees")


_SECTIONS: tuple[tuple[str, str, str, Callable[[Demo, Section], None]], ...] = (
    ("layout", "Memory layout", "内存布局分析", memory_layout),
    ("escape", "Escape analysis", "逃逸分析详解", escape_analysis),
    ("alignment", "Alignment", "内存对齐分析", memory_alignment),
    ("collector", "Evolution of the collector", "GO GC算法演进", collector),
    ("monitor", "Live monitor", "实时GC监控", live_monitor),
    ("barrier", "The hybrid write barrier", "混合写屏障演示", write_barrier),
    ("optimisation", "Optimisation", "内存优化技巧演示", optimisation),
    ("leaks", "Leak detection", "内存泄漏检测演示", leak_detection),
    ("allocator", "The allocator", "GO内存分配器架构", allocator),
    ("benchmarks", "Benchmarks", "性能基准测试", benchmarks),
    ("statistics", "Memory statistics", "内存统计报告", statistics),
)

# ---- the command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that this workload has beside those of `run`."""
    group = parser.add_argument_group(f"of {NAME}")
    group.add_argument(
        "--serve", action="store_true", help="serve the heap meanwhile, and then until Ctrl-C"
    )
    group.add_argument("--port", type=int, default=0, metavar="N", help="default: one that is free")


def main(args: argparse.Namespace) -> int:
    """Exit status 0, also after Ctrl-C of a server; 1 if a claim does not hold; 2; 130."""
    return _run.attempt(f"run {NAME}", _run_chapter, args)


def _run_chapter(args: argparse.Namespace) -> None:
    if args.virtual or args.mutators != 1:
        raise OptionError("the chapter has threads of its own: leave --virtual and --mutators out")
    with contextlib.ExitStack() as stack:
        heap = stack.enter_context(_run.heap_of(args))
        server = stack.enter_context(heap.serve(args.port)) if args.serve else None
        if server:
            heap.mem_profile_rate = 4 * KIB  # so small a heap shows little at one sample in 512 KiB
        if not args.json:
            print("=== GO语言内存管理综合演示 · the chapter's closing program ===")
            print(f"pprof server at {server.url}\n" if server else "", flush=True)
        told = _sections(Demo(heap, args.seed), live=not args.json)
        failed = [f"{s.name}: {words}" for s in told for words in s.failed]
        if args.json:
            shown: dict[str, Any] = {s.name: s.figures for s in told}
            shown |= {"failed": failed, "url": server.url if server else None}
            print(json.dumps(shown, indent=2, ensure_ascii=False), flush=True)
        elif server:
            print(f"访问 {server.url}debug/pprof/ 查看内存profile")
            print(
                f"使用 go tool pprof {server.url}debug/pprof/heap 分析堆内存, Ctrl-C ends it",
                flush=True,
            )
        if failed:
            raise WorkloadError(f"{len(failed)} claims do not hold: {'; '.join(failed)}")
        if server:
            with contextlib.suppress(KeyboardInterrupt):  # how it is meant to end
                threading.Event().wait()


def _sections(demo: Demo, live: bool) -> list[Section]:
    told = []
    for name, english, chinese, run in _SECTIONS:
        section = Section(name, english, chinese, live)
        if live:
            print(section.heading, flush=True)
        run(demo, section)
        if live:
            print(flush=True)
        told.append(section)
    if live:
        print("=== 演示完成 · done ===", flush=True)
    return told
