"""The heap profile: what `heap.profile` says of a program, and what Go's own tool makes of it."""

from __future__ import annotations

import io
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from needs import go_pprof

import gcsim
from gcsim import array, i64, ptr, u8
from gcsim._pprof import Profile, StackFrame
from gcsim._profiler import records


@gcsim.struct
class Node:
    next: ptr[Node]
    n: i64


@gcsim.struct
class Wide:
    next: ptr[Node]
    pad: array[u8, 1000]


def exact(mode: str = "threads", **options: Any) -> gcsim.Heap:
    return gcsim.Heap(mode=mode, mem_profile_rate=1, **options)


def rows(text: str) -> list[str]:
    lines = text.splitlines()
    return lines[next(i for i, line in enumerate(lines) if line.startswith("Showing")) :]


def flat(profile: Profile, by: str = "alloc_objects") -> dict[str, int]:
    return {row.name.rpartition(".")[2]: row.flat for row in profile.top(by=by).rows if row.flat}


def build_list(heap: gcsim.Heap, n: int) -> Node | None:
    head = None
    for i in range(n):
        head = heap.new(Node, n=i, next=head)
    return head


def fill(heap: gcsim.Heap, n: int) -> list[Any]:
    made: list[Any] = []
    for _ in range(n):
        made += heap.new_slice(u8, 100_000), heap.new(Wide)
    return made


def busy(heap: gcsim.Heap) -> list[Any]:
    kept = [build_list(heap, 100), *fill(heap, 5)]
    fill(heap, 7)
    for _ in range(3):
        build_list(heap, 50)
    kept.append(heap.build(Node, 200))
    return kept


# --- what is counted ---


def test_at_rate_1_the_profile_is_a_plain_count(mode: str) -> None:
    with exact(mode) as heap:
        kept = busy(heap)
        profile = heap.profile("allocs")
        assert flat(profile) == {"build_list": 250, "fill": 24, "busy": 200}
        lines = Counter[int]()
        for sample in profile.samples:
            lines[sample.stack[0].frames[0].line] += sample.values[0]
        first = build_list.__code__.co_firstlineno
        assert lines[first + 3] == 250 and lines[fill.__code__.co_firstlineno + 3] == 24
        callers = {
            row.name.rpartition(".")[2]: row.cum for row in profile.top(by="alloc_objects").rows
        }
        assert callers["busy"] == 474  # and they know who called them
        found = records(heap)
        assert found.rate == heap.mem_profile_rate == 1 and found.lost == 0
        tiers = {(r.type, r.tier, r.size_class, r.slot_bytes) for r in found.records}
        assert tiers == {
            ("Node", "small", 2, 16),
            ("Wide", "small", 32, 1024),
            ("uint8", "large", 0, 106496),
        }
        assert heap.verify() and len(kept) == 12


def test_labels(mode: str) -> None:
    with exact(mode) as heap:
        kept = [heap.new(u8) for _ in range(32)]
        (sample,) = heap.profile().samples
        assert {label.key: label.value for label in sample.labels} == {
            "bytes": 16,
            "type": "uint8",
            "tier": "tiny",
            "size_class": "2",
        }
        assert sample.values == (2, 32, 2, 32)  # blocks of 16
        assert len(kept) == 32


def test_figures_change_at_collections_only(mode: str) -> None:
    with exact(mode, gogc=None) as heap:
        kept = build_list(heap, 10)
        assert heap.profile().total("inuse_objects") == 10  # nothing has been collected yet
        heap.collect()
        build_list(heap, 5)
        assert heap.profile().total("alloc_objects") == 10
        assert heap.profile(gc=True).total("alloc_objects") == 15
        assert heap.profile().total("inuse_objects") == 10
        del kept
        assert heap.profile().total("inuse_space") == 160
        assert heap.profile(gc=True).total("inuse_space") == 0
        assert heap.profile().total("alloc_space") == 240


def test_the_rate(mode: str) -> None:
    with gcsim.Heap(mode=mode) as heap:
        assert heap.mem_profile_rate == (512 << 10 if mode == "threads" else 0)
        heap.mem_profile_rate = "1KiB"
        assert heap.mem_profile_rate == 1024 == heap.profile().period
        heap.mem_profile_rate = 0
        build_list(heap, 1000)
        assert heap.profile().samples == ()
        heap.mem_profile_rate = None
        assert heap.mem_profile_rate == (512 << 10 if mode == "threads" else 0)
        for bad, error in ((-1, gcsim.RangeError), ("much", gcsim.ConversionError)):
            with pytest.raises(error, match="mem_profile_rate"):
                heap.mem_profile_rate = bad
        with pytest.raises(gcsim.FieldError, match="cannot be deleted"):
            del heap.mem_profile_rate
        with pytest.raises(gcsim.RangeError, match="mem_profile_rate"):
            gcsim.Heap(mode=mode, mem_profile_rate=-5)


def test_samples_are_unbiased_and_the_seed_decides() -> None:
    """The mean over 200 seeds; each heap has 1.6 MB in objects of 16 bytes, about 400 samples."""
    truth, seen = 100_000 * 16, []
    for seed in range(200):
        with gcsim.Heap(seed=seed, mem_profile_rate=4096, reserve="64MiB") as heap:
            heap.build(Node, 100_000)
            seen.append(heap.profile().total("alloc_space"))
    mean = sum(seen) / len(seen) / truth
    print(f"mean of {len(seen)} seeds: {mean:.4f} of the truth")
    assert abs(mean - 1) < 0.02 and len(set(seen)) > 50
    with gcsim.Heap(seed=7, mem_profile_rate=4096) as heap:
        heap.build(Node, 100_000)
        assert heap.profile().total("alloc_space") == seen[7]


def test_a_c_workload_is_one_function() -> None:
    with exact() as heap:
        gcsim.workloads["ring"].run(heap, threads=2, entries=10, allocations=500)
        profile = heap.profile()
        assert {row.name for row in profile.top(by="alloc_objects").rows} == {"ring"}
        assert profile.total("alloc_objects") >= 500
        build_list(heap, 3)  # by Python's own threads again
        heap.collect()
        assert flat(heap.profile("allocs"))["build_list"] == 3


def test_frames_of_gcsim_itself_are_left_out() -> None:
    from gcsim._profiler import _OURS, site_frames

    def functions(site: str) -> list[str]:
        return [frame.function for frame in site_frames(site.encode())]

    ours, user = f"gcsim._x.f\t{_OURS}_x.py\t3\t1", "app.g\t/app.py\t7\t5"
    assert functions(f"{ours}\n{user}\n{ours}\n") == ["app.g", "gcsim._x.f"]
    assert functions(f"{ours}\n") == ["gcsim._x.f"]
    assert functions("") == ["(unknown)"]
    assert site_frames(b"just a name") == (StackFrame("just a name"),)


def test_names_that_would_end_a_line() -> None:
    names: dict[str, Any] = {"__name__": "a\tb\nc"}
    code = compile("def f(heap): return heap.new(int)", "file\n\t\udc80.py", "exec")
    exec(code, names)
    with exact() as heap:
        kept = names["f"](heap)
        (sample,) = heap.profile().samples
        inner = sample.stack[0].frames[0]
        assert (inner.function, inner.file) == ("a b c.f", "file  \\udc80.py") and inner.line == 1
        assert gcsim.read_pprof(heap.profile().to_bytes()).samples[0].stack == sample.stack
        assert kept.value == 0


def test_recursion_is_cut(mode: str) -> None:
    def down(heap: gcsim.Heap, n: int) -> Any:
        return down(heap, n - 1) if n else heap.new(Node)

    with exact(mode) as heap:
        kept = down(heap, 300)
        (sample,) = heap.profile().samples
        assert len(sample.stack) == 128 and kept.n == 0


# --- files, and what Go says of them ---


def test_go_tool_pprof_shows_what_the_profile_shows(tmp_path: Path) -> None:
    with exact() as heap:
        kept = busy(heap)
        heap.collect()
        profile = heap.profile()
        file = tmp_path / "heap.pb.gz"
        heap.write_pprof(file)
        assert gcsim.read_pprof(file).samples == profile.samples
        for by in ("alloc_objects", "alloc_space", "inuse_objects", "inuse_space"):
            table = go_pprof("-top", "-nodefraction=0", f"-sample_index={by}", file)
            assert rows(table) == rows(str(profile.top(by=by)))
        assert "inuse_space" in go_pprof("-top", file)
        heap.write_pprof(file, kind="allocs")
        assert "alloc_space" in go_pprof("-top", file)
        assert len(kept) == 12


def test_go_tool_pprof_shows_labels_and_stacks(tmp_path: Path) -> None:
    with exact() as heap:
        kept = busy(heap)
        file = tmp_path / "heap.pb.gz"
        heap.write_pprof(str(file))
        tags = go_pprof("-tags", "-sample_index=alloc_objects", file)
        for key, value, count in (
            ("type", "Node", 450),
            ("tier", "small", 462),
            ("size_class", "0", 12),
        ):
            section = tags[re.search(rf"^\s*{key}: ", tags, re.MULTILINE).start() :]  # type: ignore[union-attr]
            assert re.search(rf"^\s*{count} .*\b{value}$", section, re.MULTILINE), tags
        traces = go_pprof("-traces", "-sample_index=alloc_objects", file)
        assert re.search(r"\.build_list\n\s+\S*\.busy\n\s+\S*\.test_go_tool", traces)
        listed = go_pprof("-list=build_list", "-sample_index=alloc_objects", file)
        assert "heap.new(Node, n=i, next=head)" in listed  # with the source
        assert len(kept) == 12


def test_go_tool_pprof_shows_the_difference(tmp_path: Path) -> None:
    with exact() as heap:
        old, new = tmp_path / "old", tmp_path / "new"
        kept = [build_list(heap, 100)]
        before = heap.profile(gc=True)
        heap.write_pprof(old)
        kept += fill(heap, 3)
        after = heap.profile(gc=True)
        heap.write_pprof(new)
        table = go_pprof("-top", "-nodefraction=0", f"-diff_base={old}", new)
        shown = {line.split()[-1]: line.split()[0] for line in rows(table)[2:]}
        ours = {row.name: row for row in (after - before).top().rows}
        fills = next(name for name in ours if name.endswith(".fill"))
        assert ours[fills].flat == 3 * (106496 + 1024)
        assert shown[fills] == "315kB"
        assert len(kept) == 7


def test_the_text_form_says_the_same(tmp_path: Path) -> None:
    for rate in (1, 2048):
        with gcsim.Heap(mem_profile_rate=rate, seed=1) as heap:
            kept = busy(heap)
            heap.collect()
            file = tmp_path / f"{rate}.txt"
            heap.write_pprof(file, debug=1)
            text = file.read_text("utf-8")
            first = f"heap profile: [0-9: ]+ \\[[0-9: ]+\\] @ heap/{2 * rate}\n"
            assert re.match(first, text) and "\n# runtime.MemStats\n# Alloc = " in text
            assert f"# NumGC = {heap.memstats().num_gc}\n" in text
            read, profile = gcsim.read_pprof(file), heap.profile()
            assert read.period == rate and read.sample_types == profile.sample_types
            for by in ("alloc_objects", "inuse_space"):
                assert read.top(by=by).rows == profile.top(by=by).rows
            raw = go_pprof("-raw", "-symbolize=none", file)
            assert f"Period: {rate}" in raw
            assert len(kept) == 12


def test_goroutines_by_their_frames(mode: str, tmp_path: Path) -> None:
    with gcsim.Heap(mode=mode) as heap:
        for i in range(3):
            g = heap.goroutine(f"worker {i}")
            g.push("main.serve", head=ptr[Node])
            g.push("main.wait")
        heap.goroutine("idle")
        profile = heap.profile("goroutine")
        assert [(s.values, [x.frames[0].function for x in s.stack]) for s in profile.samples] == [
            ((3,), ["main.wait", "main.serve"]),
            ((1,), ["idle"]),
        ]
        heap.write_pprof(tmp_path / "g", "goroutine")
        assert rows(go_pprof("-top", tmp_path / "g")) == rows(str(profile.top()))
        heap.write_pprof(tmp_path / "text", "goroutine", debug=1)
        assert gcsim.read_pprof(tmp_path / "text").samples[0].values == (3,)
        assert heap.profile("goroutineleak").samples == ()


def test_leaked_goroutines(tmp_path: Path) -> None:
    with gcsim.Heap() as heap:
        waiting = []
        for n in range(5):
            g = heap.goroutine("worker")
            g.push("main.send", ch=ptr[gcsim.Channel])
            g.send(heap.make_chan(gcsim.i64), n)
            waiting.append(g)
        kept = heap.make_chan(gcsim.i64)
        other = heap.goroutine("other")
        other.push("main.receive", ch=ptr[gcsim.Channel])
        other.receive(kept)
        profile = heap.profile("goroutineleak")
        assert [t.type for t in profile.sample_types] == ["goroutineleak"]
        assert [(s.values, str(s.stack[0].frames[0].function)) for s in profile.samples] == [
            ((5,), "main.send")
        ]
        heap.write_pprof(tmp_path / "leaks", "goroutineleak")
        assert rows(go_pprof("-top", tmp_path / "leaks")) == rows(str(profile.top()))
        heap.write_pprof(tmp_path / "text", "goroutineleak", debug=1)
        assert (tmp_path / "text").read_text().startswith("goroutineleak profile: total 5\n")


def test_bad_input(tmp_path: Path) -> None:
    heap = exact()
    with pytest.raises(gcsim.OptionError, match="'heap', 'allocs'"):
        heap.profile("cpu")
    with pytest.raises(gcsim.OptionError, match="debug=3"):
        heap.write_pprof(tmp_path / "x", debug=3)
    with pytest.raises(OSError):
        heap.write_pprof(tmp_path / "no" / "x")
    with pytest.raises(OSError):
        heap.write_pprof(Path("/dev/full/x"), debug=1)
    with pytest.raises(TypeError):
        heap.write_pprof()  # type: ignore[call-arg]
    assert os.listdir(tmp_path) == []
    buffer = io.BytesIO()
    heap.write_pprof(buffer)
    assert buffer.getvalue()[:2] == b"\x1f\x8b"
    heap.close()
    for kind in ("heap", "goroutine"):
        with pytest.raises(gcsim.ClosedHeapError):
            heap.profile(kind)
    with pytest.raises(gcsim.ClosedHeapError):
        heap.mem_profile_rate = 1


def test_a_rewound_heap_has_the_profile_of_then() -> None:
    with exact("steps", gogc=None) as heap:
        kept = build_list(heap, 4)
        cycle = heap.begin_cycle()
        cycle.step(3)
        at = cycle.step_number
        assert build_list(heap, 3) is not None
        cycle.step()
        cycle.goto(at - 1)
        assert build_list(heap, 1) is not None  # instead of the three
        cycle.finish()
        assert heap.profile(gc=True).total("alloc_objects") == 5
        assert kept is not None and heap.verify()


def test_buckets_count_as_memory() -> None:
    with exact() as heap:
        before = heap.memstats()
        assert before.buck_hash_sys == 0
        kept = busy(heap)
        after = heap.memstats()
        assert (
            4 * 64 < after.buck_hash_sys == heap.metrics["/memory/classes/profiling/buckets:bytes"]
        )
        assert len(kept) == 12
