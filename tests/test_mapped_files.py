"""Files as memory outside the heap: never scanned, pointers into them allowed, gone only when nothing
points there; and whatever becomes of the file, nobody is ended by it."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import gcsim
from gcsim import array, i32, i64, ptr, slice_, u8

PAGE = 4096


@gcsim.struct
class Point:  # a record of a file: 16 bytes, no pointers
    x: i64
    y: i64


@gcsim.struct
class Holder:
    data: slice_[u8]
    point: ptr[Point]
    next: ptr["Holder"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "numbers"
    path.write_bytes(struct.pack("<4000q", *range(4000)))
    return path


MODES = pytest.mark.parametrize("mode", ["threads", "steps"])


@MODES
def test_a_file_is_read_as_a_slice(file: Path, mode: Any) -> None:
    with gcsim.Heap(mode=mode) as heap, heap.map_file(file, i64) as numbers:
        assert len(numbers) == 4000
        assert (numbers[0], numbers[-1], list(numbers[10:13])) == (0, 3999, [10, 11, 12])
        assert sum(numbers) == sum(range(4000))
        assert numbers.kind == "copy"
        assert numbers.bytes == 32_000
        with pytest.raises(gcsim.BoundsError):
            _ = numbers[4000]
        with memoryview(numbers.slice) as view:
            assert (view.format, view.readonly, view[7]) == ("q", True, 7)
            assert bytes(view) == file.read_bytes()
        assert repr(numbers).startswith("<MappedFile ")


@MODES
def test_pointers_into_it_are_left_alone_by_the_collector(file: Path, mode: Any) -> None:
    with gcsim.Heap(mode=mode, debug="gccheckmark=1,verifyphases=1") as heap:
        with heap.map_file(file) as data, heap.map_file(file, Point) as points:
            before = heap.memstats().heap_alloc
            head = None
            for i in range(100):
                head = heap.new(Holder, data=data[i : i + 8], point=points[i], next=head)
            heap.globals["head"] = head
            g = heap.goroutine("main")
            frame = g.push("f", data=slice_[u8], point=ptr[Point])
            frame.data, frame.point = data[8:], points[7]
            head = None
            for _ in range(3):
                heap.collect()
            assert heap.verify()
            at: Any = heap.globals["head"]
            for i in reversed(range(100)):
                assert at.point.x == 2 * i
                assert bytes(at.data) == file.read_bytes()[i : i + 8]
                at = at.next
            assert heap.memstats().heap_alloc - before < 100 * 64 + 4096  # the file is not in it
            assert heap.snapshot().bytes < 100 * 64 + 8192
            del at
            heap.globals["head"] = None
            g.end()
            heap.collect()
        assert data.closed
        assert points.closed


@pytest.mark.parametrize("mark", ["field", "object", "span", "mixed"])
def test_every_engine_leaves_them_alone(file: Path, mark: Any) -> None:
    with gcsim.Heap(mark=mark, gogc=None) as heap, heap.map_file(file, Point) as points:
        kept = [heap.new(Holder, point=points[i % 2000]) for i in range(3000)]
        cycle = heap.collect()
        assert cycle.objects_marked == 3000
        assert [h.point.y for h in kept[:3]] == [1, 3, 5]
        assert heap.verify()
        kept.clear()
        heap.collect()


def test_marking_under_way_stores_pointers_into_it(file: Path) -> None:
    """The barrier shades old and new: both may lie in the file."""
    with gcsim.Heap(mode="steps", barrier_buffer=0) as heap:
        points = heap.map_file(file, Point)
        heap.globals["a"] = heap.new(Holder, point=points[1])
        cycle = heap.begin_cycle()
        cycle.run_until("mark")
        for i in range(20):
            holder: Any = heap.globals["a"]
            holder.point = points[i]
            holder.data = heap.map_file(file)[i : i + 4]
            cycle.step(3)
        assert heap.verify()
        with pytest.raises(gcsim.StateError, match="a cycle is being stepped"):
            points.close()
        cycle.finish()
        assert holder.point.x == 38
        assert heap.verify()


# ---- how long it lives


def refuses(mapped: gcsim.MappedFile, pointers: int) -> None:
    with pytest.raises(BufferError, match=f"{pointers} pointers lead into it"):
        mapped.close()
    assert not mapped.closed
    assert mapped[0] is not None


@MODES
def test_it_stays_while_anything_points_into_it(file: Path, mode: Any) -> None:
    with gcsim.Heap(mode=mode, gogc=None) as heap:
        mapped = heap.map_file(file, Point)
        point = mapped[5]
        refuses(mapped, 1)
        part = mapped[2:4]
        refuses(mapped, 2)
        del point, part
        holder = heap.new(Holder, point=mapped[0])
        heap.globals["h"] = holder
        refuses(mapped, 1)
        del holder
        refuses(mapped, 1)
        heap.globals["h"] = None
        refuses(mapped, 1)  # of an object that no collection has found dead yet
        heap.collect()
        g = heap.goroutine("main")
        frame = g.push("f", point=ptr[Point])
        frame.point = mapped[1]
        refuses(mapped, 1)
        frame.point = None
        g.end()
        mapped.close()
        mapped.close()
        assert mapped.closed
        with pytest.raises(gcsim.StateError, match="closed"):
            _ = mapped[0]
        assert "closed" in repr(mapped)
        assert heap.verify()


def test_a_buffer_keeps_it_and_the_heap(file: Path) -> None:
    heap = gcsim.Heap()
    mapped = heap.map_file(file)
    view = memoryview(mapped.slice)
    with pytest.raises(BufferError, match="1 pointers"):
        mapped.close()
    with pytest.raises(BufferError, match="views of its memory"):
        heap.close()
    assert view[8] == 1
    view.release()
    mapped.close()
    heap.close()


def test_it_goes_with_its_heap(file: Path) -> None:
    heap = gcsim.Heap()
    mapped = heap.map_file(file)
    dropped = heap.map_file(file)
    assert dropped[16] == 2
    del dropped
    heap.close()
    assert mapped.closed
    mapped.close()
    with pytest.raises(gcsim.ClosedHeapError):
        _ = mapped[0]
    with pytest.raises(gcsim.ClosedHeapError):
        heap.map_file(file)


def test_a_thousand_mappings_leave_nothing_behind(file: Path) -> None:
    def mapped_bytes() -> int:
        return sum(1 for _ in open("/proc/self/maps"))

    with gcsim.Heap() as heap:
        heap.map_file(file).close()
        before = mapped_bytes(), len(os.listdir("/proc/self/fd"))
        for _ in range(1000):
            heap.map_file(file, i32).close()
        assert mapped_bytes() <= before[0] + 2
        assert len(os.listdir("/proc/self/fd")) == before[1]


def test_two_threads_close_and_read(file: Path) -> None:
    with gcsim.Heap(procs=2) as heap:
        for _ in range(50):
            mapped = heap.map_file(file, i64)
            seen: list[Any] = []

            def read(mapped: gcsim.MappedFile = mapped, seen: list[Any] = seen) -> None:
                try:
                    for _ in range(100):
                        seen.append(mapped[17])
                except gcsim.Error:
                    pass

            thread = threading.Thread(target=read)
            thread.start()
            with contextlib.suppress(BufferError):
                mapped.close()
            thread.join()
            assert set(seen) <= {17}
            mapped.close()


# ---- reading only


@MODES
def test_what_is_mapped_for_reading_cannot_be_written(file: Path, mode: Any) -> None:
    with gcsim.Heap(mode=mode) as heap:
        data = heap.map_file(file)
        points = heap.map_file(file, Point)
        rows = heap.map_file(file, array[u8, 16])
        own = heap.new_slice(u8, 8)
        for store in (
            lambda: data.__setitem__(0, 1),
            lambda: data.slice.__setitem__(slice(0, 2), [1, 2]),
            lambda: data.slice.copy_from(own),
            lambda: data[0:2].append(9),
            lambda: data[0:2].append(8, 9),
            lambda: data[0:2].insert(0, 9),
            lambda: data.slice.clear(),
            lambda: rows[0].clear(),
            lambda: setattr(points[0], "x", 7),
            lambda: points.__setitem__(0, heap.new(Point, x=1)),
            lambda: rows[0].__setitem__(0, 7),
            lambda: rows.__setitem__(0, rows[1]),
        ):
            with pytest.raises(gcsim.StateError, match="mapped for reading"):
                store()
        with pytest.raises((BufferError, TypeError), match=r"mapped for reading|not writable"):
            (ctypes.c_char * 4).from_buffer(data.slice)
        assert bytes(data[:8]) == b"\0" * 8
        own[0] = 3  # the heap's own memory as ever
        own.copy_from(data[8:16])
        assert own[0] == 1
        assert data[0:3].reslice(0, 3, 3).append(7)[3] == 7  # a new array
        point = heap.new(Point, x=1)
        point.x = 5
        heap.globals["p"] = point
        assert point.x == 5


def test_what_is_mapped_for_writing_changes_in_memory_alone(file: Path) -> None:
    before = file.read_bytes()
    with gcsim.Heap() as heap, heap.map_file(file, Point, writable=True) as points:
        points[3].x = -1
        points[4] = points[3]
        with memoryview(heap.map_file(file, writable=True).slice) as view:
            view[0] = 255
            assert view[0] == 255
        assert points[4].x == -1
        assert file.read_bytes() == before


# ---- what becomes of the file


def test_a_file_that_is_cut_off_hurts_nobody(file: Path) -> None:
    with gcsim.Heap() as heap, heap.map_file(file, i64) as numbers:
        os.truncate(file, 0)
        assert sum(numbers) == sum(range(4000))
        file.unlink()
        assert numbers[3999] == 3999


SIGBUS_PROGRAM = """
import ctypes, mmap, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
p = libc.mmap(None, 32000, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | 0x8000, fd, 0)
page = ctypes.cast(p + 16384, ctypes.POINTER(ctypes.c_char))
page[0] = b"x"  # the page is private from here on
os.truncate(sys.argv[1], 0)
print("cut off", flush=True)
page[0]
print("survived")
"""


def test_why_it_is_copied_a_private_mapping_is_no_protection(file: Path) -> None:
    """MAP_PRIVATE, populated, and the page even written to: it goes with the file all the same."""
    run = subprocess.run(
        [sys.executable, "-c", SIGBUS_PROGRAM, str(file)], capture_output=True, text=True
    )
    assert run.stdout == "cut off\n"
    assert run.returncode == -signal.SIGBUS


def memory_file(content: bytes, seals: int) -> int:
    fd = os.memfd_create("numbers", os.MFD_ALLOW_SEALING)
    os.write(fd, content)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


def test_a_sealed_memory_file_is_mapped_itself() -> None:
    fd = memory_file(bytes(range(256)) * 64, fcntl.F_SEAL_SHRINK)
    try:
        with gcsim.Heap() as heap, heap.map_file(fd) as data:
            assert data.kind == "file"
            assert data[255] == 255
            with pytest.raises(PermissionError):
                os.ftruncate(fd, 0)
            assert data[16383] == 255
            with heap.map_file(fd, offset=1) as part:
                assert (part.kind, part[0]) == ("copy", 1)  # not at a page's beginning
    finally:
        os.close(fd)
    fd = memory_file(b"1234", fcntl.F_SEAL_GROW)
    try:
        with gcsim.Heap() as heap, heap.map_file(fd) as data:
            assert data.kind == "copy"
            os.ftruncate(fd, 0)
            assert bytes(data[:]) == b"1234"
    finally:
        os.close(fd)


# ---- parts, and what is no file


@pytest.mark.parametrize(
    ("offset", "length"), [(0, 0), (1, 7), (8, None), (4096, 4096), (31_999, 1), (32_000, None)]
)
def test_parts_of_a_file(file: Path, offset: int, length: int | None) -> None:
    content = file.read_bytes()
    end = len(content) if length is None else offset + length
    with gcsim.Heap() as heap, heap.map_file(file, offset=offset, length=length) as data:
        assert bytes(data[:] if len(data) else b"") == content[offset:end]
        assert data.bytes == end - offset
        heap.collect()


def test_a_rest_that_fills_no_element_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "odd"
    path.write_bytes(b"\1\0\0\0\0\0\0\0" * 2 + b"xyz")
    with gcsim.Heap() as heap, heap.map_file(path, i64) as data:
        assert list(data) == [1, 1]
        assert data.bytes == 19
    path.write_bytes(b"")
    with gcsim.Heap() as heap, heap.map_file(path) as data:
        assert (len(data), list(data), data.bytes) == (0, [], 0)
        data.close()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"offset": -1}, gcsim.RangeError),
        ({"offset": 32_001}, gcsim.RangeError),
        ({"offset": 1 << 70}, gcsim.RangeError),
        ({"length": 32_001}, gcsim.RangeError),
        ({"length": -1}, gcsim.RangeError),
        ({"offset": 1, "length": 32_000}, gcsim.RangeError),
        ({"offset": "1 KiX"}, gcsim.ConversionError),
        ({"length": 1.5}, gcsim.ConversionError),
    ],
)
def test_bad_parts(file: Path, options: dict[str, Any], error: type[Exception]) -> None:
    with gcsim.Heap() as heap, pytest.raises(error):
        heap.map_file(file, **options)


@pytest.mark.parametrize("type", [ptr[Point], Holder, slice_[u8], array[u8, 0], str])
def test_types_that_cannot_lie_in_a_file(file: Path, type: Any) -> None:
    with gcsim.Heap() as heap, pytest.raises(gcsim.ConversionError, match="cannot lie in one"):
        heap.map_file(file, type)


def test_what_is_no_file(file: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with gcsim.Heap() as heap:
        for path, number in ((tmp_path / "none", errno.ENOENT), (tmp_path, 0), (pipe, 0)):
            with pytest.raises(gcsim.MappingError) as caught:
                heap.map_file(path)
            assert isinstance(caught.value, OSError)
            assert (caught.value.errno or 0) == number
        for path in ("/dev/zero", 12_345, "a\0b"):
            with pytest.raises(gcsim.MappingError):
                heap.map_file(path)
        for path in (None, 1.5, [], True):
            with pytest.raises((gcsim.ConversionError, gcsim.MappingError)):
                heap.map_file(path)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            heap.map_file()  # type: ignore[call-arg]
        with open(file, "rb") as opened, heap.map_file(opened.fileno(), i64) as data:
            assert data[1] == 1
        write_only = os.open(file, os.O_WRONLY)
        with pytest.raises(gcsim.MappingError) as caught:
            heap.map_file(write_only)
        assert caught.value.errno == errno.EBADF
        os.close(write_only)
        assert heap.verify()


def test_a_file_larger_than_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    path.touch()
    os.truncate(path, 1 << 42)
    with gcsim.Heap() as heap:
        with pytest.raises(gcsim.HeapMemoryError, match="map a part"):
            heap.map_file(path)
        with heap.map_file(path, offset=1 << 41, length=PAGE) as data:
            assert bytes(data[:]) == bytes(PAGE)


def test_requests_to_the_system_that_fail(file: Path) -> None:
    lowlevel = pytest.importorskip("gcsim.lowlevel", exc_type=ImportError)
    table = lowlevel.whitebox_fast
    with gcsim.Heap() as heap:
        for n in range(1, 50):
            table.fail_after(n)
            try:
                with heap.map_file(file) as data:
                    assert len(data) == 32_000
            except (gcsim.HeapMemoryError, gcsim.MappingError):
                pass
            if table.fail_after(0):
                break
        assert n > 2
        assert heap.verify()


def test_a_mapping_cannot_be_pickled_and_tools_do_not_stumble(file: Path) -> None:
    with gcsim.Heap() as heap, heap.map_file(file, Point) as points:
        with pytest.raises(gcsim.ConversionError):
            pickle.dumps(points)
        point = points[3]
        assert gcsim.address(point) == points.address + 48
        assert point == points[3]
        assert heap.handles()
        with pytest.raises(gcsim.Error):
            heap.page_nodes(point)
        assert heap.snapshot().bytes == heap.breakdown().live == heap.fragmentation().live_bytes
        try:
            weak = heap.weak(point)
            assert weak() in (None, point)
            del weak
        except gcsim.Error:
            pass
        del point
        heap.collect()


def test_without_a_mapping_nothing_is_asked(file: Path) -> None:
    """The mapping of one heap does not slow or forbid anything in another."""
    with gcsim.Heap() as one, gcsim.Heap() as other, one.map_file(file, Point) as points:
        mine = other.new(Point, x=1)
        mine.x = 2
        with pytest.raises(gcsim.WrongHeapError):
            other.new(Holder, point=points[0])
        assert mine.x == 2
