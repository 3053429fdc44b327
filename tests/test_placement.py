"""Where a heap's pages are: memory nodes and huge pages, on this machine and on one that is played."""

from __future__ import annotations

import errno
import pickle
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import gcsim
from gcsim import _placement, i64, ptr, u8

lowlevel = pytest.importorskip("gcsim.lowlevel", exc_type=ImportError)

PAGE = 4096
HEAP_PAGE = 8192


@gcsim.struct
class Node:
    next: ptr["Node"]
    n: i64


# ---- a machine with nodes ----


class Machine:
    """A kernel with nodes 0 to 3, of which the pages of a range are on node page % 4."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int, int]] = []  # bytes, mode, set of nodes
        self.fails = 0

    def install(self) -> Iterator[Machine]:
        ffi = lowlevel.ffi

        def mbind(base: Any, size: int, mode: int, nodes: int) -> int:
            self.calls.append((size, mode, nodes))
            return self.fails

        def policy_at(at: Any, mode: Any, nodes: Any) -> int:
            mode[0], nodes[0] = self.calls[-1][1:] if self.calls else (0, 0)
            return self.fails

        def nodes_of_pages(pages: Any, n: int, nodes: Any) -> int:
            for i in range(n):
                page = int(ffi.cast("uintptr_t", pages[i])) // PAGE
                nodes[i] = -errno.ENOENT if page % 8 == 7 else page % 4
            return self.fails

        keep = [
            ffi.callback("gcsim_mbind", mbind),
            ffi.callback("gcsim_policy_at", policy_at),
            ffi.callback("gcsim_nodes_of_pages", nodes_of_pages),
            ffi.callback("gcsim_node_here", lambda: 2),
        ]
        tables = (lowlevel.whitebox_fast, lowlevel.whitebox_steps)
        for table in tables:
            table.set_numa_calls(*keep)
        try:
            yield self
        finally:
            for table in tables:
                table.set_numa_calls(*(ffi.NULL,) * 4)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    (tmp_path / "has_memory").write_text("0-1,3\n")
    (tmp_path / "online").write_text("0-3\n")
    monkeypatch.setattr(_placement, "_NODES", tmp_path)
    yield from Machine().install()


@pytest.mark.parametrize("mode", ["threads", "steps"])
@pytest.mark.parametrize(
    ("numa", "kernel_mode", "nodes"),
    [
        ("local", 4, ()),
        ("interleaved", 3, (0, 1, 3)),
        ("bound:1", 2, (1,)),
        ("bound:0-1,3", 2, (0, 1, 3)),
    ],
)
def test_the_kernel_is_asked_for_what_was_asked(
    machine: Machine, mode: Any, numa: str, kernel_mode: int, nodes: tuple[int, ...]
) -> None:
    with gcsim.Heap(numa=numa, mode=mode, reserve="64MiB") as heap:
        assert machine.calls == [(64 << 20, kernel_mode, sum(1 << node for node in nodes))]
        where = heap.placement
        assert where.policy == where.kernel_policy == numa.partition(":")[0]
        assert where.nodes == where.kernel_nodes == nodes
        assert where.machine == (0, 1, 3)
        assert where.node_here == 2
        assert where.note == "This machine has 3 memory nodes (0, 1, 3)"


def test_pages_are_counted_by_their_nodes(machine: Machine) -> None:
    with gcsim.Heap() as heap:
        large = heap.new_slice(u8, 40 * PAGE)
        first = large.address // PAGE
        nodes = tuple(None if p % 8 == 7 else p % 4 for p in range(first, first + 40))
        assert heap.page_nodes(large) == nodes
        assert heap.page_nodes(large[PAGE + 1 : 2 * PAGE + 1]) == nodes[1:3]
        node = heap.new(Node)
        assert len(heap.page_nodes(node)) == 1
        where = heap.placement
        pages = where.asked_pages
        assert pages * PAGE == 4 << 20
        assert where.counts == (
            (None, pages // 8),
            (0, pages // 4),
            (1, pages // 4),
            (2, pages // 4),
            (3, pages // 8),
        )
        assert sum(n for m in where.mutators for _, n in m.nodes) == sum(
            2 * npages for m in where.mutators for _, npages, _ in m.spans
        )
        assert "on node 3" in repr(where)
        assert str(where).count("mutator ") == len(where.mutators)


def test_a_kernel_that_tells_nothing_or_refuses(machine: Machine) -> None:
    machine.fails = errno.ENOSYS
    with pytest.raises(gcsim.PlacementError, match="does not place memory so"):
        gcsim.Heap(numa="local")
    with gcsim.Heap() as heap:
        heap.new(Node)
        where = heap.placement
        assert where.kernel_policy is None
        assert where.counts == ()
        assert "does not tell" in where.note
        with pytest.raises(gcsim.PlacementError):
            heap.page_nodes(heap.new(Node))


@pytest.mark.parametrize(
    ("numa", "error", "words"),
    [
        ("bound:2", gcsim.PlacementError, r"3 memory nodes \(0, 1, 3\), not 2"),
        ("bound:0-9", gcsim.PlacementError, "not 2, 4, 5"),
        ("bound:", gcsim.OptionError, "such as '0'"),
        ("bound:1-0", gcsim.OptionError, "such as '0'"),
        ("bound:-1", gcsim.OptionError, "such as '0'"),
        ("bound:0x1", gcsim.OptionError, "such as '0'"),
        ("bound:99999999999", gcsim.OptionError, "such as '0'"),
        ("remote", gcsim.OptionError, "known are 'local'"),
        ("", gcsim.OptionError, "known are 'local'"),
        (0, gcsim.ConversionError, "takes a str"),
        (True, gcsim.ConversionError, "takes a str"),
    ],
)
def test_what_is_no_placement_of_this_machine(
    machine: Machine, numa: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        gcsim.Heap(numa=numa)
    assert machine.calls == []
    assert issubclass(error, gcsim.Error)


def test_one_node_is_said_honestly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "has_memory").write_text("0\n")
    monkeypatch.setattr(_placement, "_NODES", tmp_path)
    with pytest.raises(gcsim.PlacementError, match=r"1 memory node \(0\).*nothing to interleave"):
        gcsim.Heap(numa="interleaved")
    with gcsim.Heap() as heap:
        assert heap.placement.machine == (0,)
        if heap.placement.kernel_policy is not None:
            assert "every policy puts pages there" in heap.placement.note


@pytest.mark.parametrize("text", ["", "x", "1-", "3-1"])
def test_a_kernel_without_a_list_of_nodes_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(_placement, "_NODES", tmp_path)
    assert _placement.machine_nodes() == (0,)
    (tmp_path / "has_memory").write_text(text)
    assert _placement.machine_nodes() == (0,)
    (tmp_path / "online").write_text("0,2")
    assert _placement.machine_nodes() == (0, 2)


# ---- this machine ----


def told(heap: gcsim.Heap) -> None:
    if heap.placement.kernel_policy is None:
        pytest.skip("this kernel does not tell where pages are")


def test_the_first_touch_brings_a_page() -> None:
    with gcsim.Heap(gogc=None, huge_pages=False) as heap:
        told(heap)
        large = heap.new_slice(u8, 64 * PAGE)
        assert heap.page_nodes(large) == (None,) * 64  # fresh memory reads as zero: not cleared
        large[5 * PAGE] = 1
        nodes = heap.page_nodes(large)
        assert [i for i, node in enumerate(nodes) if node is not None] == [5]
        assert nodes[5] in heap.placement.machine


def test_a_real_placement_is_noted_by_the_kernel() -> None:
    with gcsim.Heap() as heap:
        told(heap)
        node = heap.placement.machine[0]
    with gcsim.Heap(numa=f"bound:{node}") as heap:
        where = heap.placement
        assert (where.kernel_policy, where.kernel_nodes) == ("bound", (node,))
        nodes = [heap.new(Node, n=1) for _ in range(1000)]
        assert {n for x in nodes for n in heap.page_nodes(x)} == {node}
        assert heap.verify()
        heap.collect()


def test_threads_allocate_in_spans_of_their_own() -> None:
    """What the chapter prints as addresses of workers: each mutator has its own spans."""
    with gcsim.Heap(gogc=None, procs=4) as heap:
        barrier = threading.Barrier(4)
        kept: dict[int, list[Any]] = {}

        def work(i: int) -> None:
            barrier.wait()
            kept[i] = [heap.new(Node) for _ in range(2000)]

        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        places = heap.placement.mutators
        pages = [
            page
            for place in places
            for address, npages, _ in place.spans
            for page in range(address // HEAP_PAGE, address // HEAP_PAGE + npages)
        ]
        assert len(pages) == len(set(pages))
        cached = [s for s in heap.spans() if s.cached]
        assert len(cached) == sum(len(place.spans) for place in places)


def test_page_nodes_refuses_what_is_not_in_the_heap() -> None:
    with gcsim.Heap() as heap, gcsim.Heap() as other:
        told(heap)
        heap.new(Node)
        for wrong in (7, None, "x", b"bytes"):
            with pytest.raises(gcsim.ConversionError):
                heap.page_nodes(wrong)
        with pytest.raises(gcsim.WrongHeapError):
            heap.page_nodes(other.new(Node))
        assert heap.page_nodes(heap.new_slice(u8, 0)) == ()
        kept = heap.new(Node)
    with pytest.raises(gcsim.ClosedHeapError):
        heap.page_nodes(kept)
    with pytest.raises(gcsim.ClosedHeapError):
        _ = heap.placement
    with pytest.raises(gcsim.ClosedHeapError):
        _ = heap.huge_pages
    with pytest.raises(gcsim.ClosedHeapError):
        heap.collapse_huge_pages()


# ---- huge pages ----


def filled(heap: gcsim.Heap, mib: int) -> list[Any]:
    blocks = [heap.new_slice(u8, 1 << 20) for _ in range(mib)]
    for block in blocks:
        memoryview(block)[:] = b"x" * (1 << 20)
    return blocks


@pytest.mark.parametrize(
    ("option", "asked"),
    [
        (None, "default"),
        ("default", "default"),
        (True, "always"),
        ("always", "always"),
        (False, "never"),
        ("never", "never"),
    ],
)
def test_huge_pages_as_the_kernel_gives_them(option: Any, asked: str) -> None:
    with gcsim.Heap(gogc=None, huge_pages=option) as heap:
        blocks = filled(heap, 8)
        pages = heap.huge_pages
        assert pages.asked == asked
        assert 8 << 20 <= pages.resident_bytes <= pages.heap_bytes + (2 << 20)
        assert pages.huge_bytes <= pages.resident_bytes
        if asked == "never":
            assert pages.huge_bytes == 0
        elif asked == "always" and pages.kernel == "madvise" and not pages.refused:
            assert pages.huge_bytes > 0 or "none yet" in pages.note
        assert repr(pages).count("\n") == 0
        assert pickle.loads(pickle.dumps(pages)) == pages
        assert heap.verify()
        del blocks


def test_small_pages_are_made_huge_on_demand() -> None:
    with gcsim.Heap(gogc=None) as heap:
        blocks = filled(heap, 8)
        if heap.huge_pages.kernel is None:
            with pytest.raises(gcsim.PlacementError):
                heap.collapse_huge_pages()
            pytest.skip("this kernel has no huge pages")
        try:
            made = heap.collapse_huge_pages()
        except gcsim.PlacementError:
            pytest.skip("this kernel does not make huge pages on demand (before 6.1, or full)")
        assert made >= 8 << 20
        assert heap.huge_pages.huge_bytes >= 8 << 20
        assert bytes(memoryview(blocks[7])[-3:]) == b"xxx"
        blocks.clear()
        heap.free_os_memory()
        assert heap.huge_pages.huge_bytes == 0
        assert heap.collapse_huge_pages() == 0  # nothing is taken back from the system
        assert heap.memstats().heap_released == heap.memstats().heap_idle
        assert heap.verify()
    with gcsim.Heap(huge_pages=False) as heap:
        blocks = filled(heap, 5)
        with pytest.raises(gcsim.PlacementError):
            heap.collapse_huge_pages()


@pytest.mark.parametrize(
    ("enabled", "words"),
    [
        ("always madvise [never]", "the kernel has them off"),
        (None, "no transparent huge pages"),
        ("[always] madvise never", "resident bytes are in huge pages|none yet"),
    ],
)
def test_what_the_kernel_allows_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, enabled: str | None, words: str
) -> None:
    if enabled:
        (tmp_path / "enabled").write_text(enabled + "\n")
    monkeypatch.setattr(_placement, "_HUGE", tmp_path)
    with gcsim.Heap(huge_pages=True) as heap:
        blocks = filled(heap, 4)
        pages = heap.huge_pages
        assert pages.kernel == (
            enabled[enabled.index("[") + 1 : enabled.index("]")] if enabled else None
        )
        if pages.page_bytes:
            assert re.search(words, pages.note)
        del blocks


@pytest.mark.parametrize("value", ["sometimes", "", 1, 0, 2.5, b"always"])
def test_what_is_no_option_for_huge_pages(value: Any) -> None:
    with pytest.raises((gcsim.OptionError, gcsim.ConversionError)):
        gcsim.Heap(huge_pages=value)


@pytest.mark.parametrize(
    "options", [{"huge_pages": True}, {"numa": "local"}, {"huge_pages": False}]
)
@pytest.mark.parametrize("mode", ["threads", "steps"])
def test_each_request_to_the_system_may_fail(options: dict[str, Any], mode: Any) -> None:
    table = lowlevel.whitebox_steps if mode == "steps" else lowlevel.whitebox_fast
    made = 0
    for n in range(1, 200):
        table.fail_after(n)
        try:
            heap = gcsim.Heap(mode=mode, reserve="64MiB", **options)
        except gcsim.HeapMemoryError:
            heap = None
        finally:
            left = table.fail_after(0)
        if heap is not None:
            made += 1
            heap.new(Node)
            assert heap.verify()
            refused = heap.huge_pages.refused
            assert refused in (None, "ENOMEM", "EINVAL")
            heap.close()
        if left:
            break
    assert left
    assert made >= 1


def test_the_benchmark_of_pages_prints_its_ratios() -> None:
    script = Path(__file__).parent / "bench" / "pages.py"
    run = subprocess.run([sys.executable, str(script), "5000"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    ratios = re.findall(r"small / huge: built (\d+\.\d+), collected (\d+\.\d+)", run.stdout)
    assert len(ratios) == 2
    assert all(float(ratio) > 0 for pair in ratios for ratio in pair)
