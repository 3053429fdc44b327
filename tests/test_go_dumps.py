"""Go heaps from files: the readers agree, and what is rebuilt is what was recorded."""

from __future__ import annotations

import gc
import gzip
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import made_graph
import numpy as np
import pytest

import gcsim
from gcsim import _core, _graph
from gcsim._demo import STAGES, Comparisons, HeapRun, make_plan
from gcsim._dump import FINALIZERS, RECORDS, GoDump, GoObject
from gcsim._graph import _COLUMNS, HeapGraph, open_graph

sys.path.insert(0, str(Path(__file__).resolve().parent / "bench"))
import programs

HERE = Path(__file__).parent
SHIPPED = Path(gcsim.__file__).parent / "data" / "leaks.graph.npz"
RAW = HERE / "data" / "heap" / "leaks.dump.gz"
NOGREENTEA = HERE / "data" / "heap" / "nogreentea.dump.gz"
SHARED = HERE.parents[1] / "shared" / "data" / "heap"

# objects, edges, roots, bytes, phantoms: what is stated of each recording where it was made
STATED = {
    "leaks": (15_283, 19_274, 321, 3_309_264, 448),
    "typecheck": (136_485, 287_304, 121, 12_019_672, 10_568),
    "jsondoc": (86_163, 99_160, 101, 8_093_440, 2_869),
    "jsondoc-big": (517_157, 585_344, 128, 50_082_352, 14_680),
    "btreesvc": (107_976, 161_788, 82, 5_739_264, 4_091),
    "lrusvc": (16_520, 34_159, 97, 4_160_248, 1_313),
}


def recordings() -> Iterator[Path]:
    yield SHIPPED
    yield RAW
    yield from sorted(SHARED.glob("*.graph.npz"))
    yield from sorted(SHARED.glob("*.dump.gz"))


def names(paths: Any) -> list[Any]:
    return [pytest.param(path, id=f"{path.parent.name}-{path.name}") for path in paths]


@pytest.fixture(scope="module")
def shipped() -> GoDump:
    return gcsim.open_go_dump(SHIPPED)


def same_heap(dump: GoDump, **options: Any) -> None:
    """Load it, collect, drop a root, drop a goroutine: all that can be compared is equal."""
    out = Comparisons()
    with HeapRun(out, dump, make_plan(dump), **options) as run:
        for _ in STAGES:
            run.next()
    assert not out.different, out.different[:5]
    assert len(out.all) > 60


def slots_of(heap: gcsim.Heap) -> Counter[tuple[int, bool]]:
    """(slot bytes, noscan) -> objects, as the spans have them."""
    counts: Counter[tuple[int, bool]] = Counter()
    for span in heap.spans():
        if span.state == "in use" and span.allocated:
            counts[span.slot_bytes, span.noscan] += span.allocated
    return counts


# ---- files ----


@pytest.mark.parametrize("path", names(recordings()))
def test_recording_has_the_counts_that_are_stated_of_it(path: Path) -> None:
    dump = gcsim.open_go_dump(path)
    graph = dump.graph
    stated = STATED[path.name.split(".")[0]]
    dropped = dump.meta["phantom_slots_dropped"]
    assert (dump.objects, len(graph.edge_dst), dump.roots, dump.bytes, dropped) == stated
    assert dump.memstats["HeapObjects"] == dump.objects
    assert dump.memstats["HeapAlloc"] == dump.bytes


@pytest.mark.parametrize("raw", names([RAW, *sorted(SHARED.glob("*.dump.gz"))]))
def test_raw_dump_equals_its_recording(raw: Path) -> None:
    recording = raw.with_name(raw.name.replace(".dump.gz", ".graph.npz"))
    ours = open_graph(raw)
    theirs = open_graph(recording if recording.exists() else SHIPPED)
    for name in _COLUMNS:
        if name != "slot_off":
            assert np.array_equal(getattr(ours, name), getattr(theirs, name)), name
    for key, value in theirs.meta.items():
        if key in ours.meta and key != "program":
            assert ours.meta[key] == value, key


def test_dump_without_green_tea_is_laid_out_without_it() -> None:
    dump = gcsim.open_go_dump(NOGREENTEA)
    stats = json.loads((NOGREENTEA.parent / "nogreentea.memstats.json").read_text())
    assert not dump.green_tea
    assert "nogreenteagc" in dump.meta["go"]
    assert dump.memstats["HeapObjects"] == dump.objects
    assert dump.objects == pytest.approx(stats["HeapObjects"], abs=200)  # read just before
    with dump.load() as heap:
        nelems = {s.nelems for s in heap.spans() if s.state == "in use" and s.slot_bytes == 64}
    with dump.load(green_tea=True) as heap:
        fewer = {s.nelems for s in heap.spans() if s.state == "in use" and s.slot_bytes == 64}
    assert nelems <= {128, 126}  # noscan; with the pointer bitmap
    assert fewer <= {126, 124}  # 128 bytes of mark bits less
    same_heap(dump)


def test_go_dump_is_an_immutable_value_with_a_one_line_repr(shipped: GoDump) -> None:
    assert repr(shipped) == (
        "<GoDump leaks (go1.26.8): 15283 objects, 3309264 bytes, 321 roots, 56 goroutines>"
    )
    with pytest.raises(AttributeError):
        shipped.name = "x"
    with pytest.raises(AttributeError):
        del shipped.graph
    with pytest.raises(TypeError):
        shipped.memstats["HeapObjects"] = 1  # type: ignore[index]
    with pytest.raises(ValueError, match="read-only"):
        shipped.graph.obj_size[0] = 1
    assert len(shipped.root_names) == shipped.roots
    assert shipped.goroutines[0].frames[-1] == "runtime.goexit"
    assert "15,283 objects" in shipped.summary()


# ---- rebuilding ----


@pytest.mark.parametrize("path", names([SHIPPED, RAW, NOGREENTEA]))
@pytest.mark.parametrize("mark", ["object", "field", "span", "mixed"])
@pytest.mark.parametrize("mode", ["threads", "steps"])
def test_rebuilt_heap_equals_its_recording(path: Path, mode: str, mark: str) -> None:
    same_heap(gcsim.open_go_dump(path), mode=mode, mark=mark)


@pytest.mark.slow
@pytest.mark.parametrize("path", names(path for path in recordings() if path not in (SHIPPED, RAW)))
def test_large_rebuilt_heap_equals_its_recording(path: Path) -> None:
    same_heap(gcsim.open_go_dump(path))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("mode", ["threads", "steps"])
def test_made_graph_with_roots_of_every_kind_is_rebuilt(mode: str, seed: int) -> None:
    same_heap(GoDump(made_graph.random_graph(seed)), mode=mode)


def test_nil_slots_of_a_recording_without_them_are_placed_below_the_last() -> None:
    whole = made_graph.random_graph(5)
    fields = {name: getattr(whole, name) for name in HeapGraph.__dataclass_fields__}
    dump = GoDump(HeapGraph(**{**fields, "slot_off": None}))
    assert (whole.obj_nslots > whole.edge_count).any()
    same_heap(dump)
    with dump.load() as heap:
        for number in np.flatnonzero(whole.obj_nslots).tolist():
            offsets = list(heap.dump.pointers(number))
            assert len(offsets) == whole.obj_nslots[number]
            assert offsets[-1] + 8 == whole.obj_ptrend[number]
            header = 512 < whole.obj_size[number] <= 32768
            assert offsets[0] >= 8 * header


def test_recorded_nil_slots_are_where_they_were() -> None:
    dump = GoDump(made_graph.random_graph(6))
    start = dump.graph.slot_start().tolist()
    with dump.load() as heap:
        for number in range(dump.objects):
            recorded = dump.graph.slot_off[start[number] : start[number + 1]]  # type: ignore[index]
            assert list(heap.dump.pointers(number)) == recorded.tolist()


def test_objects_with_the_same_size_and_pointers_share_a_type() -> None:
    pointers: list[dict[int, Any]] = [{0: None}, {0: (0, 0)}, {8: None}, {}, {0: None, 8: None}]
    dump = GoDump(made_graph.graph([(48, p) for p in pointers] + [(64, {0: None})]))
    with dump.load() as heap:
        assert heap.dump.types == 5  # the first two share one


def test_slot_of_32768_bytes_is_large_or_of_the_last_class_by_its_pointers() -> None:
    last = 32768
    objects: list[tuple[int, Any]] = [(last, {}), (last, {0: None}), (last, {8: None})]
    with GoDump(made_graph.graph(objects)).load() as heap:
        got = Counter(
            (s.size_class, s.noscan) for s in heap.spans() if s.slot_bytes == last and s.allocated
        )
    assert got == {(0, True): 1, (0, False): 1, (67, False): 1}


def test_16_byte_object_without_pointers_has_a_block_of_its_own() -> None:
    dump = GoDump(made_graph.graph([(16, {})] * 100))
    with dump.load() as heap:
        assert slots_of(heap) == {(16, True): 100}
        assert heap.memstats().heap_objects == 100


def test_interior_and_self_pointers_keep_the_whole_object() -> None:
    objects: list[tuple[int, Any]] = [
        (1024, {8: (1, 40), 16: (0, 24)}),  # to the inside, and to itself
        (48, {0: (2, 15)}),  # a byte inside a tiny block
        (16, {}),
        (48, {0: (3, 0)}),  # garbage that refers to itself
    ]
    roots = [("data", -1, -1, 0x10, 0, 512)]
    with GoDump(made_graph.graph(objects, roots)).load() as heap:
        assert heap.collect().objects_marked == 3
        assert heap.dump.alive().tolist() == [True, True, True, False]
        assert heap.verify()
        root = heap.globals["data+0x10"]
        assert heap.dump.number_of(root) == 0
        first = heap.dump.ref(0)
        assert first is not None
        assert gcsim.address(root) == gcsim.address(first) + 512


# ---- roots ----


def test_roots_have_the_names_of_the_dump(shipped: GoDump) -> None:
    with shipped.load() as heap:
        segments = [n for n in shipped.root_names if n.startswith(("data+", "bss+"))]
        assert sorted(heap.globals) == sorted(segments)
        assert "bss+0x440" in heap.globals
        goroutines = {g.name: g for g in heap.goroutines()}
        assert len(goroutines) == len(shipped.goroutines) + 1  # and the finalizers
        of_stacks = set()
        for name, g in goroutines.items():
            for frame in g.frames:
                for slot in repr(frame).partition(": ")[2].rstrip(">").split(", "):
                    if slot.startswith("at_") and name != FINALIZERS:
                        of_stacks.add(f"{name} {repr(frame).split(chr(39))[1]}+{slot[3:]}")
        assert of_stacks == {n for n in shipped.root_names if "+" in n} - set(segments)
        for g in shipped.goroutines:
            frames = [repr(frame).split("'")[1] for frame in goroutines[f"goroutine {g.id}"].frames]
            assert tuple(frames) == g.frames


def test_recursion_gives_a_frame_for_each_activation() -> None:
    names = ["main.f", "main.main"]
    roots = [("stack", 0, 0, off, 0, 0) for off in (8, 16, 8, 8, 24)]
    dump = GoDump(
        made_graph.graph([(8, {0: None})], roots, [(1, ["main.f"] * 3 + ["main.main"])], names)
    )
    with dump.load() as heap:
        frames = heap.goroutines()[0].frames
        slots = [repr(frame).partition(": ")[2] for frame in frames]
    assert slots == ["at_0x8, at_0x10>", "at_0x8>", "at_0x8, at_0x18>", ">"]


def test_root_slots_that_share_a_name_all_count() -> None:
    roots = [("bss", -1, -1, 0x8, i, 0) for i in range(3)]
    roots += [("queued_finalizer", -1, -1, 8, 3, 0), ("queued_finalizer", -1, -1, 8, 4, 0)]
    with GoDump(made_graph.graph([(16, {})] * 6, roots)).load() as heap:
        assert list(heap.globals) == [
            "bss+0x8",
            "bss+0x8 #2",
            "bss+0x8 #3",
            "queued finalizer+0x8",
            "queued finalizer+0x8 #2",
        ]
        assert heap.collect().freed_objects == 1


@pytest.mark.parametrize(
    ("kind", "g", "frame"),
    [
        ("data", -1, -1),
        ("bss", -1, -1),
        ("stack", 0, 0),
        ("goroutine", 0, -1),
        ("goroutine", -1, -1),
        ("finalizer_fn", -1, -1),
        ("queued_finalizer", -1, -1),
        ("other", -1, 1),
    ],
)
def test_root_of_each_kind_keeps_its_object_until_it_is_dropped(
    kind: str, g: int, frame: int
) -> None:
    objects: list[tuple[int, Any]] = [(48, {8: (1, 0)}), (96, {}), (64, {0: None})]
    roots = [(kind, g, frame, 0x18, 0, 16), ("data", -1, -1, 0, 2, 0)]
    dump = GoDump(made_graph.graph(objects, roots, [(7, ["main.f"])], ["main.f", "runtime.q"]))
    with dump.load() as heap:
        heap.collect()
        assert heap.dump.alive().tolist() == [True, True, True]
        heap.dump.drop_root(0)
        heap.collect()
        assert heap.dump.alive().tolist() == [False, False, True]
        assert heap.verify()


def test_record_of_a_goroutine_lives_as_long_as_the_goroutine() -> None:
    roots = [("goroutine", 0, -1, 0, i, 0) for i in range(3)]
    dump = GoDump(made_graph.graph([(64, {0: None})] * 3, roots, [(7, ["main.f"])], ["main.f"]))
    with dump.load() as heap:
        (g,) = heap.goroutines()
        assert (
            repr(g.frames[-1])
            == f"<frame '{RECORDS}' of goroutine 1: record_0, record_1, record_2>"
        )
        heap.dump.drop_root(1)
        heap.collect()
        assert heap.dump.alive().tolist() == [True, False, True]
        heap.dump.drop_goroutine(0)
        assert heap.collect().objects_marked == 0
        with pytest.raises(gcsim.StateError):
            heap.dump.goroutine(0)
        with pytest.raises(gcsim.StateError):
            heap.dump.drop_root(0)


def test_object_with_a_finalizer_is_no_root_but_what_it_points_to_is() -> None:
    objects: list[tuple[int, Any]] = [
        (48, {0: (1, 0), 16: (2, 8)}),
        (64, {0: None}),
        (1024, {8: None}),
        (16, {}),
    ]
    roots = [("finalizer_obj", -1, -1, 0, 0, 0), ("finalizer_fn", -1, -1, 0, 3, 0)]
    dump = GoDump(made_graph.graph(objects, roots))
    with dump.load() as heap:
        heap.collect()
        assert heap.dump.alive().tolist() == [False, True, True, True]
        (g,) = heap.goroutines()
        assert g.name == FINALIZERS
        assert (
            repr(g.frames[0]) == "<frame 'finalizer of object 0' of goroutine 1: at_0x0, at_0x10>"
        )
        heap.dump.drop_root(0)
        heap.collect()
        assert heap.dump.alive().tolist() == [False, False, False, True]


def test_names_that_c_cannot_keep_are_replaced() -> None:
    roots = [("other", -1, 0, 0, 0, 0), ("stack", 0, 1, 0, 0, 0)]
    dump = GoDump(made_graph.graph([(16, {})], roots, [(1, ["x\ud800y"])], ["a\0b", "x\ud800y"]))
    with dump.load() as heap:
        assert list(heap.globals) == ["a?b"]
        assert "x?y" in repr(heap.goroutines()[0].frames)


# ---- heap.dump ----


def test_numbers_lead_to_objects_and_back(shipped: GoDump) -> None:
    chance = random.Random(3)
    graph, start = shipped.graph, shipped.graph.edge_start().tolist()
    with shipped.load() as heap:
        loaded = heap.dump
        assert loaded.dump is shipped
        for number in chance.sample(range(shipped.objects), 200):
            ref = loaded.ref(number)
            assert type(ref) is GoObject
            assert loaded.number_of(ref) == number
            inside = loaded.ref(number, int(graph.obj_size[number]) - 1)
            assert inside is not None
            assert loaded.number_of(inside) == number
            found = {
                offset: (loaded.number_of(to), gcsim.address(to))
                for offset, to in loaded.pointers(number).items()
                if to is not None
            }
            edges = range(start[number], start[number + 1])
            assert found.keys() == {int(graph.edge_off[e]) for e in edges}
            for e in edges:
                dst, address = found[int(graph.edge_off[e])]
                base = loaded.ref(int(graph.edge_dst[e]))
                assert dst == graph.edge_dst[e]
                assert base is not None
                assert address == gcsim.address(base) + int(graph.edge_dst_off[e])


def test_numbers_keep_nothing_alive_and_a_slot_used_again_is_another_object() -> None:
    dump = GoDump(made_graph.graph([(48, {0: None})] * 50))
    with dump.load() as heap:
        assert heap.dump.alive().all()
        kept = heap.dump.ref(7)
        assert heap.dump.number_of(kept) == 7
        heap.collect()
        assert heap.dump.alive().nonzero()[0].tolist() == [7]
        assert heap.dump.ref(8) is None
        with pytest.raises(gcsim.StaleReferenceError):
            heap.dump.pointers(8)

        @gcsim.struct
        class Six:
            a: gcsim.ptr["Six"]
            rest: gcsim.array[gcsim.i64, 5]

        fresh = [heap.new(Six) for _ in range(200)]
        assert len({gcsim.address(ref) for ref in fresh}) == 200
        assert [heap.dump.number_of(ref) for ref in fresh] == [None] * 200
        assert heap.verify()


def test_store_moves_a_pointer_of_a_rebuilt_object() -> None:
    objects: list[tuple[int, Any]] = [(1024, {8: (1, 0), 24: None}), (48, {0: None}), (48, {})]
    dump = GoDump(made_graph.graph(objects, [("bss", -1, -1, 0, 0, 0)]))
    with dump.load() as heap:
        heap.dump.store(0, 24, heap.dump.ref(2, 40))
        heap.dump.store(0, 8, None)
        heap.collect()
        assert heap.dump.alive().tolist() == [True, False, True]
        for offset in (0, 4, 16, 32, 1016, 1 << 40, -8):
            with pytest.raises(gcsim.RangeError):
                heap.dump.store(0, offset, None)
        with pytest.raises(gcsim.StaleReferenceError):
            heap.dump.store(1, 0, None)


def test_heap_dump_refuses_what_it_cannot_know(shipped: GoDump) -> None:
    with shipped.load() as heap, shipped.load() as other:
        loaded = heap.dump
        for number in (-1, shipped.objects, 1 << 62):
            with pytest.raises(IndexError):
                loaded.ref(number)
        with pytest.raises(gcsim.RangeError):
            loaded.ref(0, 1 << 30)
        with pytest.raises(gcsim.RangeError):
            loaded.ref(0, -1)
        with pytest.raises(gcsim.WrongHeapError):
            loaded.number_of(other.dump.ref(0))
        with pytest.raises(gcsim.ConversionError):
            loaded.number_of("0")  # type: ignore[arg-type]
        with pytest.raises(IndexError):
            loaded.drop_root(shipped.roots)
        loaded.drop_root(0)
        with pytest.raises(gcsim.StateError):
            loaded.drop_root(0)
    with pytest.raises(gcsim.ClosedHeapError):
        loaded.ref(0)
    with pytest.raises(gcsim.ClosedHeapError):
        loaded.alive()
    with gcsim.Heap() as plain, pytest.raises(AttributeError, match="not loaded from a dump"):
        _ = plain.dump


def test_loaded_heap_is_freed_without_pythons_collector(shipped: GoDump) -> None:
    gc.collect()
    gc.disable()
    try:
        before = count_mappings()
        for _ in range(20):
            assert shipped.load().dump.ref(1) is not None
        assert count_mappings() < before + 20
    finally:
        gc.enable()


def count_mappings() -> int:
    return len(Path("/proc/self/maps").read_text().splitlines())


def test_progress_goes_up_to_the_sum_and_may_stop_the_loading(shipped: GoDump) -> None:
    told: list[tuple[int, int]] = []
    shipped.load(progress=lambda *step: told.append(step)).close()
    total = shipped.objects + len(shipped.graph.edge_dst)
    assert told == sorted(told)
    assert told[-1] == (total, total)

    def stop(done: int, total: int) -> None:
        raise RuntimeError("enough")

    before = count_mappings()
    for _ in range(20):
        with pytest.raises(RuntimeError, match="enough"):
            shipped.load(progress=stop)
    assert count_mappings() < before + 20


def test_ctrl_c_stops_the_loading() -> None:
    n = 6_000_000
    columns = made_graph.columns([(16, {})])
    for name in [name for name in columns if name.startswith("obj_")]:
        columns[name] = np.repeat(columns[name], n)
    columns["obj_addr"] = np.arange(n, dtype="<u8") * 16
    columns["edge_count"] = np.zeros(n, "<u4")
    columns["meta"]["heap_end"] += 16 * n
    dump = GoDump(HeapGraph(**columns))

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, interrupt)
    before = count_mappings()
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.03)
        with pytest.raises(KeyboardInterrupt):
            dump.load()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    gc.collect()
    assert count_mappings() <= before + 2


# ---- what cannot be ----


@pytest.mark.parametrize(
    ("objects", "error", "words"),
    [
        ([(40, {})], gcsim.DumpFormatError, "object 0: 40 bytes without pointers is no slot"),
        ([(16, {}), (8, {})], gcsim.DumpFormatError, "object 1: 8 bytes without pointers"),
        ([(33000, {0: None})], gcsim.DumpFormatError, "33000 bytes with pointers is no slot"),
        ([(40960 + 8, {})], gcsim.DumpFormatError, "40968 bytes"),
        ([(1024, {0: None})], gcsim.UnsupportedDumpError, "object 0 of 1024 bytes"),
    ],
)
def test_object_that_go_cannot_have_is_refused(
    objects: Any, error: type[Exception], words: str
) -> None:
    dump = GoDump(made_graph.graph(objects))
    before = count_mappings()
    for _ in range(20):
        with pytest.raises(error, match=words):
            dump.load()
    assert count_mappings() < before + 20


def test_graph_that_fits_no_heap_is_refused(shipped: GoDump) -> None:
    giant = GoDump(made_graph.graph([(1 << 31, {})] * 80, heap_end=1 << 62))
    with pytest.raises(gcsim.HeapMemoryError):
        giant.load(reserve="1GiB")
    with pytest.raises(gcsim.OptionError):
        shipped.load(mode="nonsense")
    with pytest.raises(TypeError):
        shipped.load(nonsense=1)


COLUMNS = (
    "obj_size",
    "obj_nslots",
    "obj_ptrend",
    "edge_count",
    "edge_off",
    "edge_dst",
    "edge_dst_off",
    "slot_off",
)


def load_columns(columns: dict[str, Any], heap: gcsim.Heap) -> Any:
    given = [columns[n].tobytes() if columns[n] is not None else None for n in COLUMNS]
    return _core.load_graph(heap, *given, None)


@pytest.mark.parametrize("seed", range(4))
def test_c_loader_checks_for_itself_whatever_the_columns_say(seed: int) -> None:
    """Numbers anywhere are replaced; the loader loads a sound heap or raises, and leaks nothing."""
    chance = random.Random(seed)
    made = made_graph.random_graph(seed, n=60)
    good = {name: getattr(made, name) for name in COLUMNS}
    interesting = (0, 1, 7, 8, 16, 24, 40, 4096, 32768, 1 << 20, (1 << 31) - 1, (1 << 32) - 1)
    loaded = refused = 0
    with gcsim.Heap() as heap:
        for _ in range(400):
            columns = {name: array.copy() for name, array in good.items()}
            if chance.random() < 0.5:
                columns["slot_off"] = None  # type: ignore[assignment]
            for _ in range(chance.randint(1, 3)):
                name = chance.choice(COLUMNS)
                array = columns[name]
                if array is None or not len(array):
                    continue
                if chance.random() < 0.1:
                    columns[name] = array[: chance.randrange(len(array))]
                    continue
                at = chance.randrange(len(array))
                near = int(array[at]) + chance.choice((-8, 8, 16))
                value = chance.choice((*interesting, near)) & 0xFFFFFFFF
                if name in ("obj_size", "obj_ptrend"):
                    value &= 0xFFFFF  # what fits the machine
                array.view("u4")[at] = value
            try:
                objects = load_columns(columns, heap)
            except gcsim.Error:
                refused += 1
            else:
                loaded += 1
                assert len(objects) == 60
                del objects
            if chance.random() < 0.05:
                assert heap.verify()
        assert heap.verify()
    assert refused > 50
    assert loaded > 5


def spoil(name: str, at: int, value: int) -> dict[str, Any]:
    """Columns of three objects that would load, with one number changed."""
    objects: list[tuple[int, Any]] = [(48, {8: (1, 16), 24: None}), (64, {0: (2, 8)}), (16, {})]
    made = made_graph.graph(objects)
    columns = {name: getattr(made, name).copy() for name in COLUMNS}
    if at == len(columns[name]):
        columns[name] = np.append(columns[name], columns[name].dtype.type(value))
    else:
        columns[name][at] = value
    return columns


@pytest.mark.parametrize("with_slots", [True, False])
@pytest.mark.parametrize(
    ("name", "at", "value"),
    [
        ("obj_size", 0, 0),
        ("obj_size", 0, 44),
        ("obj_size", 0, 24),  # its pointers reach further
        ("obj_size", 2, 8),  # without pointers it would be tiny
        ("obj_nslots", 0, 0),
        ("obj_nslots", 0, 1),
        ("obj_nslots", 0, 9),
        ("obj_ptrend", 0, 28),
        ("obj_ptrend", 0, 56),
        ("obj_ptrend", 0, 0),
        ("obj_ptrend", 2, 8),
        ("edge_count", 0, 0),
        ("edge_count", 0, 2),
        ("edge_count", 2, 1),
        ("edge_count", 1, 0),
        ("edge_off", 0, 12),
        ("edge_off", 0, 32),
        ("edge_off", 1, 48),
        ("edge_dst", 0, -1),
        ("edge_dst", 0, 3),
        ("edge_dst_off", 0, 64),
    ],
)
def test_c_loader_refuses_each_contradiction(
    name: str, at: int, value: int, with_slots: bool
) -> None:
    columns = spoil(name, at, value)
    if not with_slots:
        columns["slot_off"] = None
        if (name, value) in {("obj_nslots", 9), ("obj_nslots", 1)}:
            columns["obj_nslots"][0] = 5 if value == 9 else 1
    with gcsim.Heap() as heap:
        with pytest.raises(gcsim.DumpFormatError):
            load_columns(columns, heap)
        assert heap.memstats().heap_objects == 0
        load_columns(spoil("obj_size", 0, 48), heap)  # the same without the change
        assert heap.memstats().heap_objects == 3


@pytest.mark.parametrize(
    ("name", "at", "value"),
    [
        ("edge_off", 0, 16),  # a word, but none of the slots
        ("slot_off", 0, 4),
        ("slot_off", 0, 24),  # twice the same
        ("slot_off", 1, 16),  # the last ends earlier
        ("slot_off", 2, 8),
        ("slot_off", 3, 8),  # one more than the objects have
    ],
)
def test_c_loader_refuses_pointers_outside_the_recorded_slots(
    name: str, at: int, value: int
) -> None:
    with gcsim.Heap() as heap, pytest.raises(gcsim.DumpFormatError):
        load_columns(spoil(name, at, value), heap)


def test_c_loader_places_no_slot_in_the_type_word_of_an_object() -> None:
    made = made_graph.graph([(1024, {8: None, 16: None})])
    columns = {name: getattr(made, name).copy() for name in COLUMNS}
    columns["slot_off"] = None  # type: ignore[assignment]
    columns["obj_nslots"][0] = 3
    with gcsim.Heap() as heap, pytest.raises(gcsim.DumpFormatError, match="no room for its 3"):
        load_columns(columns, heap)


def test_c_loader_that_is_stopped_roots_nothing() -> None:
    columns = [getattr(made_graph.random_graph(3), name).tobytes() for name in COLUMNS]

    def stop(done: int, total: int) -> None:
        raise RuntimeError("enough")

    with gcsim.Heap() as heap:
        with pytest.raises(RuntimeError, match="enough"):
            _core.load_graph(heap, *columns, stop)
        assert heap.memstats().heap_objects == 300
        cycle = heap.collect()
        assert (cycle.objects_marked, cycle.freed_objects) == (0, 300)
        assert heap.verify()


def test_c_loader_refuses_arguments_of_other_kinds() -> None:
    made = made_graph.random_graph(1, n=20)
    good = [getattr(made, name).tobytes() for name in COLUMNS]
    with gcsim.Heap() as heap:
        for k in range(len(COLUMNS)):
            for bad in (5, "x", bytearray(good[k]), good[k] + b"x"):
                with pytest.raises(gcsim.ConversionError):
                    _core.load_graph(heap, *good[:k], bad, *good[k + 1 :], None)
        with pytest.raises(gcsim.ConversionError):
            _core.load_graph(heap, *good)
        with pytest.raises(gcsim.ConversionError):
            _core.load_graph(None, *good, None)
        objects = _core.load_graph(heap, *good, None)
        with pytest.raises(gcsim.ConversionError):
            objects.ref(heap, 0, 0, int)
        with pytest.raises(gcsim.ConversionError):
            objects.ref(heap)
        with gcsim.Heap() as other, pytest.raises(gcsim.WrongHeapError):
            objects.weaken(other)
    with pytest.raises(gcsim.ClosedHeapError):
        objects.addresses(heap)
    with pytest.raises(gcsim.ClosedHeapError):
        _core.load_graph(heap, *good, None)


def try_to_load(path: Path) -> str:
    """What became of a damaged file: the only ways out are typed errors and a sound heap."""
    try:
        dump = gcsim.open_go_dump(path)
        heap = dump.load(reserve="256MiB")
    except gcsim.DumpFormatError as error:
        assert str(error)
        return "refused"
    except gcsim.HeapMemoryError:
        return "too large"
    with heap:
        assert heap.verify()
        assert heap.memstats().heap_objects == dump.objects
        heap.collect()
        assert np.array_equal(heap.dump.alive(), dump.graph.bfs())
        assert heap.verify()
    return "loaded"


@pytest.mark.parametrize("seed", range(3))
def test_damaged_raw_dump_is_refused_or_read_as_what_it_is(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    whole = gzip.decompress(NOGREENTEA.read_bytes())
    path = tmp_path / "damaged.dump"
    ends: Counter[str] = Counter()
    for _ in range(120):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(data))
            match chance.randrange(5):
                case 0:
                    data[at] = chance.randrange(256)
                case 1:
                    data[at] ^= 1 << chance.randrange(8)
                case 2:
                    del data[at : at + chance.randint(1, 40)]
                case 3:
                    data[at:at] = chance.randbytes(chance.randint(1, 12))
                case 4:
                    if chance.random() < 0.3:
                        del data[at:]
        path.write_bytes(data)
        ends[try_to_load(path)] += 1
    assert ends["refused"] > 20
    assert ends["loaded"] > 5, ends


@pytest.mark.slow
def test_mutated_dumps_neither_harm_the_reader_nor_leak(tmp_path: Path) -> None:
    """The fuzzer of the reader alone, under sanitizers: far more dumps than Python could read."""
    program, dump = tmp_path / "fuzz_godump", tmp_path / "whole.dump"
    table = programs.flags()
    flags = [*table["FLAGS_asan"], *table["FLAGS_COMMON"], "-Icsrc", "-Icsrc/include"]
    words = [*programs.compiler(), *flags, "csrc/tests/fuzz_godump.c", "-o", str(program)]
    env = programs.clean_environment(ASAN_OPTIONS="detect_leaks=1")
    subprocess.run([*words, *table["LINK_asan"]], cwd=programs.ROOT, env=env, check=True)
    dump.write_bytes(gzip.decompress(NOGREENTEA.read_bytes()))
    count = 1_000_000 if os.environ.get("GCSIM_SOAK") else 50_000
    fuzz = [str(program), str(dump), str(count), "1"]
    done = subprocess.run(fuzz, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    read, malformed = (int(n) for n in re.findall(r"(\d+) (?:read|malformed)", done.stdout))
    assert min(read, malformed) > count / 100, done.stdout


@pytest.mark.parametrize("seed", range(2))
def test_damaged_recording_is_refused_or_read_as_what_it_is(tmp_path: Path, seed: int) -> None:
    """Numbers in the members, not bytes of the archive: those LZMA would catch."""
    chance = random.Random(seed)
    made = made_graph.random_graph(seed)
    path = tmp_path / "damaged.npz"
    ends: Counter[str] = Counter()
    for _ in range(120):
        members = {
            name: getattr(made, name).copy()
            for name in _COLUMNS
            if name != "slot_off" or chance.random() < 0.5
        }
        for _ in range(chance.randint(1, 2)):
            array = members[chance.choice(list(members))]
            if len(array):
                values = (0, 1, 8, 16, 24, 48, 64, 4096, 100_000)
                array[chance.randrange(len(array))] = chance.choice(values) % (
                    256 if array.itemsize == 1 else 1 << 31
                )
        meta = np.frombuffer(json.dumps(made.meta).encode(), "u1")
        np.savez(path, **members, meta_json=meta)
        ends[try_to_load(path)] += 1
    assert ends["refused"] > 20
    assert ends["loaded"] > 5, ends


@pytest.mark.parametrize("path", names([SHIPPED, RAW, NOGREENTEA]))
def test_truncated_file_is_refused(path: Path, tmp_path: Path) -> None:
    data = path.read_bytes()
    short = tmp_path / path.name
    for length in {0, 1, 3, 15, 100, len(data) // 3, len(data) // 2, len(data) - 1}:
        short.write_bytes(data[:length])
        with pytest.raises(gcsim.DumpFormatError, match="short|empty|damaged|" + path.name):
            gcsim.open_go_dump(short)


def test_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("hello.txt", "hello")
    for data in (b"hello", b"go1.4 heap dump\n", gzip.compress(b"hello"), other.getvalue()):
        path.write_bytes(data)
        with pytest.raises(gcsim.DumpFormatError):
            gcsim.open_go_dump(path)
    with pytest.raises(IsADirectoryError):
        gcsim.open_go_dump(tmp_path)
    with pytest.raises(FileNotFoundError):
        gcsim.open_go_dump(tmp_path / "nothing")


def test_a_small_file_does_not_unpack_to_all_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_graph, "_ROOM", 1 << 20)
    path = tmp_path / "bomb"
    whole = gzip.decompress(NOGREENTEA.read_bytes())
    path.write_bytes(gzip.compress(whole + bytes(1 << 25)))
    with pytest.raises(gcsim.DumpFormatError, match="gunzip it"):
        gcsim.open_go_dump(path)
    made = made_graph.random_graph(1)
    columns = {name: getattr(made, name) for name in _COLUMNS}
    np.savez_compressed(path, **columns, more=np.zeros(1 << 25, "u1"))
    with pytest.raises(gcsim.DumpFormatError, match="100 times"):
        gcsim.open_go_dump(path.with_suffix(".npz"))
