"""Notebooks run from top to bottom, tell their story when only read, and stand on gcsim.lab."""

from __future__ import annotations

import base64
import builtins
import copy
import json
import math
import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import gcsim
from gcsim import array, f64, i8, i64, lab, ptr, u8

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SECONDS = 60
LINES = 12

# The sections of the chapter that a notebook is about.
SECTIONS = {
    "00_index": ("第11章",),
    "01_memory_layout": (
        "11.1.1 GO程序内存布局详解",
        "11.1.3 内存对齐优化",
        "11.7.1 内存分配器原理",
    ),
    "02_gc_cycle_and_tuning": ("11.2.1 GO GC算法演进历史", "11.2.2 GC调优"),
    "03_evolution_and_tricolour": ("11.2.1 GO GC算法演进历史",),
    "04_write_barriers": ("11.2.3 写屏障机制深度解析",),
    "05_leaks": ("11.4.1 常见内存泄漏场景", "11.4.2 内存泄漏检测工具"),
    "06_debugging_tools": ("11.6.1 内存使用分析", "11.6.2 内存泄漏检测"),
    "07_performance": ("11.3.3 减少指针使用", "11.5.1 缓存友好的数据结构"),
    "09_pools_and_preallocation": ("11.3.1 对象池化", "11.3.2 内存预分配", "11.5.2 内存分配优化"),
    "08_stack_and_heap": ("11.1.2 栈与堆的分配策略",),
    "10_fragmentation_numa_and_pages": ("11.7.2 NUMA感知优化", "11.7.3 内存压缩和整理"),
    "11_interview": ("核心概念理解", "性能优化技巧", "常见问题诊断", "高级话题"),
}

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def load(path: Path) -> Any:
    import nbformat

    return nbformat.read(path, as_version=4)


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shape(cell: Any) -> list[tuple[str, ...]]:
    """What sorts of output a cell has; what is written to one stream counts once."""
    kinds = [
        (output.output_type, output.get("name", ""), *sorted(output.get("data", ())))
        for output in cell.outputs
    ]
    return sorted(set(kinds))


def machine_paths(text: str) -> list[str]:
    """Paths that name a place on the machine that ran the notebook."""
    usual = r"/(?:home|root|tmp|var|usr|opt|mnt|srv|Users|private)/[\w./-]*|[A-Z]:\\\\"
    here = [re.escape(str(path)) for path in {FOLDER.parent, Path.cwd(), Path(sys.prefix)}]
    return re.findall("|".join([*here, usual]), text)


def text_of(notebook: Any) -> str:
    """All outputs as text, pictures left out, and the metadata."""
    notebook = copy.deepcopy(notebook)
    for cell in code_cells(notebook):
        for output in cell.outputs:
            output.get("data", {}).pop("image/png", None)
    outputs = [[cell.outputs, cell.metadata] for cell in code_cells(notebook)]
    return json.dumps([notebook.metadata, outputs])


def test_there_are_notebooks_and_each_has_its_sections() -> None:
    assert {path.stem for path in NOTEBOOKS} == set(SECTIONS)


def seconds_of_children() -> float:
    """Of processor time: what else the machine does is not the notebook's."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.slow
@each_notebook
def test_a_notebook_runs_without_an_error_in_less_than_a_minute(path: Path) -> None:
    from nbclient import NotebookClient

    committed, fresh = load(path), load(path)
    for cell in code_cells(fresh):
        cell.outputs, cell.execution_count = [], None
    begin = seconds_of_children()
    NotebookClient(
        fresh, timeout=10 * SECONDS, kernel_name="python3", resources={"metadata": {"path": FOLDER}}
    ).execute()
    seconds = seconds_of_children() - begin
    assert seconds < SECONDS, f"{path.name} took {seconds:.0f} s"
    assert machine_paths(text_of(fresh)) == []
    shapes = [shape(cell) for cell in code_cells(fresh)]
    assert [shape(cell) for cell in code_cells(committed)] == shapes, "run it again and save it"


@each_notebook
def test_a_notebook_is_kept_executed_from_top_to_bottom(path: Path) -> None:
    import nbformat

    notebook = load(path)
    nbformat.validate(notebook)
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {
        "stream",
        "display_data",
        "execute_result",
    }
    assert not any(output.get("name") == "stderr" for output in outputs)
    assert machine_paths(text_of(notebook)) == []


@each_notebook
def test_a_notebook_is_told_in_small_cells_that_assert(path: Path) -> None:
    cells = [cell.source.splitlines() for cell in code_cells(load(path))]
    assert [lines for lines in cells if len(lines) > LINES] == []
    asserting = sum(any("assert " in line for line in lines) for lines in cells)
    assert asserting >= len(cells) / 2, f"{asserting} of {len(cells)} cells assert"


@each_notebook
def test_a_notebook_is_headed_by_its_sections_and_says_what_go_does(path: Path) -> None:
    notebook = load(path)
    words = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    for section in SECTIONS[path.stem]:
        assert section in words[0]
        assert any(text.lstrip("-\n").startswith(f"# {section}") for text in words[1:])
    assert any("What Go really does" in text for text in words)
    assert any("Predict" in text for text in words)


@each_notebook
def test_the_pictures_of_a_notebook_are_small_pngs(path: Path) -> None:
    pictures = [
        base64.b64decode(output.data["image/png"])
        for cell in code_cells(load(path))
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    assert pictures
    for picture in pictures:
        assert picture.startswith(b"\x89PNG\r\n") and len(picture) < 100_000


def headings(notebook: Any) -> list[str]:
    """As their anchors read: what is shown, with hyphens for spaces (JupyterLab, nbconvert)."""
    words = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return [
        re.sub("`", "", line.lstrip("#").strip()).replace(" ", "-")
        for line in words.splitlines()
        if re.match(r"#+ ", line)
    ]


def links(notebook: Any) -> list[tuple[str, str]]:
    """The links to notebooks: the file's name, and the heading, "" where there is none."""
    words = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return re.findall(r"\]\(([\w.]+\.ipynb)(?:#([^)\s]*))?\)", words)


@each_notebook
def test_links_to_notebooks_lead_to_headings(path: Path) -> None:
    for name, heading in links(load(path)):
        target = FOLDER / name
        assert target.exists(), f"{path.name}: there is no {name}"
        there = headings(load(target))
        assert not heading or there.count(heading) == 1, f"{path.name}: {name}#{heading}"


# What the index has to lead to: the sections of the chapter, as the chapter calls them.
CHAPTER = (
    "11.1.1 GO程序内存布局详解",
    "11.1.2 栈与堆的分配策略",
    "11.1.3 内存对齐优化",
    "11.2.1 GO GC算法演进历史",
    "11.2.2 GC调优",
    "11.2.3 写屏障机制深度解析",
    "11.3.1 对象池化",
    "11.3.2 内存预分配",
    "11.3.3 减少指针使用",
    "11.4.1 常见内存泄漏场景",
    "11.4.2 内存泄漏检测工具",
    "11.5.1 缓存友好的数据结构",
    "11.5.2 内存分配优化",
    "11.6.1 内存使用分析",
    "11.6.2 内存泄漏检测",
    "11.7.1 内存分配器原理",
    "11.7.2 NUMA感知优化",
    "11.7.3 内存压缩和整理",
)


def rows_of_index(header: str) -> dict[str, list[tuple[str, str]]]:
    """The rows of the table with this header in the index: what the first column says, the links."""
    words = "\n".join(c.source for c in load(FOLDER / "00_index.ipynb").cells)
    table = words[words.index(header) :].split("\n\n")[0].splitlines()[2:]
    rows = (line.strip("| ").rsplit(" | ", 1) for line in table)
    return {first: re.findall(r"\]\(([\w.]+\.ipynb)#([^)\s]+)\)", rest) for first, rest in rows}


@pytest.mark.parametrize("section", CHAPTER)
def test_the_index_leads_to_every_section_of_the_chapter(section: str) -> None:
    begins = section.replace(" ", "-")
    targets = rows_of_index("| section | runs in |")[section]
    assert any(heading.startswith(begins) for _, heading in targets)


def test_the_index_leads_to_all_that_the_interview_and_the_closing_program_are_about() -> None:
    rows = rows_of_index("| section | runs in |")
    assert set(rows) >= {*CHAPTER, "深度面试要点", "综合示例"}
    headings = {heading for _, heading in rows["深度面试要点"]}
    for point in SECTIONS["11_interview"]:
        assert any(heading.startswith(point) for heading in headings)
    assert ("00_index.ipynb", "The-closing-program") in rows["综合示例"]


def test_every_erratum_has_the_run_that_shows_it() -> None:
    errata = rows_of_index("| the chapter says | what runs |")
    assert len(errata) >= 28 and all(errata.values())


def test_machine_paths_are_recognised() -> None:
    assert machine_paths("see /home/someone/x.py") and machine_paths(f"in {Path.cwd()}")
    assert machine_paths("../tests/data and go/memory_layout.go, 1/2, n/a") == []


@pytest.mark.slow
@pytest.mark.parametrize("source", sorted(FOLDER.glob("go/*.go")), ids=lambda path: path.stem)
def test_gos_figures_beside_a_notebook_are_what_its_program_prints(source: Path) -> None:
    recorded = json.loads(source.with_suffix(".json").read_text(encoding="utf-8"))
    go = shutil.which("go")
    if go is None:
        pytest.skip("no Go")
    version = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=True)
    if version.stdout.strip() != recorded["go"]:
        pytest.skip(f"recorded with {recorded['go']}, here is {version.stdout.strip()}")
    env = {**os.environ, "GOMAXPROCS": "1", "GOGC": "100", "GODEBUG": ""}
    env.pop("LD_PRELOAD", None)
    run = subprocess.run([go, "run", str(source)], capture_output=True, text=True, env=env)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == recorded


# --- gcsim.lab


@gcsim.struct
class Node:
    next: ptr["Node"]
    n: i64


def test_places_agree_with_the_list_of_objects(heap: gcsim.Heap) -> None:
    kinds = [
        (u8, lab.TINY), (Node, lab.SMALL), (array[f64, 4], lab.SMALL),
        (array[ptr[Node], 100], lab.SMALL), (array[ptr[Node], 9000], lab.LARGE),
        (array[u8, 32_760], lab.SMALL), (array[u8, 32_761], lab.LARGE),
    ]  # fmt: skip
    refs = [heap.new(kind) for _ in range(70) for kind, _ in kinds]
    by_slot = {(o.span_page, o.index): o for o in heap.objects()}
    for ref, (_, where) in zip(refs, kinds * 70, strict=True):
        place = lab.place(heap, ref)
        assert place.page is not None and place.slot is not None
        found = by_slot[place.page, place.slot]
        assert found.address + place.inside == gcsim.address(ref)
        assert (found.slot_bytes, found.span_class) == (place.slot_bytes, place.span_class)
        assert place.where == where
        assert place.inside == found.header_bytes or where == lab.TINY


def test_places_of_slices_of_nothing_and_of_the_rest(heap: gcsim.Heap) -> None:
    cells = heap.new_slice(Node, 40)
    assert lab.place(heap, cells[10]).inside == lab.place(heap, cells).inside + 160
    assert lab.place(heap, heap.new_slice(u8, 3)).where == lab.TINY
    nothing = lab.place(heap, heap.new(array[u8, 0]))
    assert nothing.where == lab.ZERO_SIZE and "no span" in str(nothing)
    for thing in (None, 7, Node, heap):
        with pytest.raises(gcsim.ConversionError):
            lab.place(heap, thing)


def test_pages_are_those_of_the_spans(heap: gcsim.Heap) -> None:
    assert lab.pages(heap) == []
    kept = [heap.new(Node), heap.new(array[i8, 20_000]), heap.new(array[ptr[Node], 9000])]
    main = heap.goroutine("main")
    main.push("f", head=ptr[Node])
    pages = lab.pages(heap)
    spans = heap.spans()
    assert [p.page for p in pages] == list(range(len(pages)))
    assert sum(p.kind != "." for p in pages) == sum(span.npages for span in spans)
    assert {p.kind for p in pages} - {"."} == {"s", "n", "L", "S"}
    node_page = lab.place(heap, kept[0]).page
    assert pages[node_page or 0] == lab.PageInfo(node_page or 0, "s", 1 / 496)
    main.end()


def test_pictures_return_what_they_draw_on_the_axes_given(heap: gcsim.Heap) -> None:
    from matplotlib.figure import Figure

    kept = [heap.new(Node, n=n) for n in range(600)]
    ax = Figure().subplots()
    assert lab.draw_heap(heap, ax=ax, title="nodes") == lab.pages(heap)
    assert ax.get_title() == "nodes" and "KiB" in ax.get_xlabel()
    assert [text.get_text() for text in ax.texts] == [p.kind for p in lab.pages(heap)]
    assert lab.draw_layouts([gcsim.layout(Node)], ax=Figure().subplots()) == ["0" * 8 + "1" * 8]
    ax = Figure().subplots()
    waste = lab.draw_waste(1, 600, ax=ax)
    assert waste[True][0] == (1, 93.75) and waste[False][512] == (513, 100 * (576 - 513) / 576)
    assert "percent" in ax.get_ylabel() and "bytes" in ax.get_xlabel()
    assert len(kept) == 600


def test_the_monitor_draws_every_cycle_of_the_heap(heap: gcsim.Heap) -> None:
    from matplotlib.figure import Figure

    axes = Figure().subplots(2, 1)
    assert lab.monitor(heap, axes=axes) == []
    kept = [heap.new(Node, n=n) for n in range(1000)]
    for _ in range(3):
        heap.collect()
    heap.gc_percent = None
    heap.collect()
    heap.collect()
    rows = lab.monitor(heap, axes=axes, title="cycles")
    assert rows == lab.cycle_rows(heap.cycles) and len(rows) == 5 and len(kept) == 1000
    for row, cycle in zip(rows, heap.cycles, strict=True):
        assert (row.number, row.live, row.marked) == (
            cycle.number,
            cycle.heap_live,
            cycle.heap_marked,
        )
        assert row.stop_s == cycle.pause_ns / 1e9 and row.begin_s == cycle.since_ns / 1e9
        assert (row.end_s - row.begin_s) * 1e9 == pytest.approx(
            sum(cycle.stops) + cycle.mark_ns, abs=1000
        )
    assert (rows[0].goal, rows[-1].goal, rows[-1].trigger_bytes) == (4 << 20, None, None)
    ax, stops = axes
    live, goals, triggers = (line.get_ydata() for line in ax.get_lines())
    assert list(live[::3]) == [row.live / 2**20 for row in rows]
    assert list(live[2::3]) == [row.marked / 2**20 for row in rows]
    assert list(goals[:3]) == [row.goal / 2**20 for row in rows[:3] if row.goal]
    assert list(triggers[:3]) == [c.trigger_bytes / 2**20 for c in heap.cycles[:3] if c.goal]
    assert list(triggers[:3]) != list(goals[:3])
    assert all(map(math.isnan, [*goals[3:], *triggers[3:]]))
    assert list(stops.get_lines()[0].get_ydata()) == [row.stop_s * 1e6 for row in rows]
    assert ax.get_title() == "cycles"
    assert "MiB" in ax.get_ylabel() and "seconds" in stops.get_xlabel()


def test_the_monitor_draws_again_while_it_is_told_to(heap: gcsim.Heap) -> None:
    from matplotlib.figure import Figure

    axes, asked = Figure().subplots(2, 1), []

    def collecting() -> bool:
        asked.append(heap.collect().number)
        return len(asked) < 4

    rows = lab.monitor(heap, axes=axes, while_=collecting, every=0)
    assert asked == [1, 2, 3, 4] == [row.number for row in rows]
    assert len(axes[0].get_lines()) == 3  # each time anew


def test_a_live_monitor_is_one_picture_that_changes(
    shell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import matplotlib.pyplot as plt
    from IPython.core.displaypub import CapturingDisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell

    monkeypatch.setattr(InteractiveShell, "_instance", shell)
    monkeypatch.setattr(shell, "display_pub", CapturingDisplayPublisher())
    open_before = plt.get_fignums()  # other tests' in this process
    run(
        shell,
        "from gcsim import lab; again = [True, True, False]",
        "rows = lab.monitor(heap, while_=lambda: heap.collect() and again.pop(0), every=0)",
    )
    shown = shell.display_pub.outputs
    assert [output["update"] for output in shown] == [False, True, True]
    assert len({output["transient"]["display_id"] for output in shown}) == 1
    assert len(shell.user_ns["rows"]) == 3
    assert plt.get_fignums() == open_before  # or the end of the cell shows it once more


@pytest.fixture
def shell(heap: gcsim.Heap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """IPython with names for the tests and without a history of its own."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    monkeypatch.delattr(builtins, "_", raising=False)  # or IPython leaves `_` alone
    config = Config(HistoryManager={"enabled": False})
    names = {"heap": heap, "Node": Node}
    return InteractiveShell(config=config, ipython_dir=str(tmp_path), user_ns=names)


def run(shell: Any, *lines: str) -> None:
    for line in lines:
        assert shell.run_cell(line, store_history=True).success


MAKE = ("node = heap.new(Node, n=1)", "weak = heap.weak(node)", "node")


@pytest.mark.parametrize("after", [[], ["40 + 2"], ["_", "1", "2", "3"]])
def test_a_ref_that_a_cell_shows_dies_when_its_variable_does(
    heap: gcsim.Heap, shell: Any, after: list[str]
) -> None:
    lab.keep_refs_out_of_out(shell)
    lab.keep_refs_out_of_out(shell)
    run(shell, *MAKE, *after)
    names = shell.user_ns
    assert names["weak"]() == names["node"]
    del names["node"]
    heap.collect()
    assert names["weak"]() is None


def test_what_is_no_ref_stays_in_out(shell: Any) -> None:
    lab.keep_refs_out_of_out(shell)
    run(shell, *MAKE, "40 + 2", "_ + 1")
    assert shell.user_ns["Out"] == {4: 42, 5: 43}
    assert (shell.user_ns["_"], shell.user_ns["_4"]) == (43, 42)


def test_without_it_out_keeps_the_object(heap: gcsim.Heap, shell: Any) -> None:
    run(shell, *MAKE)
    del shell.user_ns["node"]
    heap.collect()
    assert shell.user_ns["weak"]() is not None
    shell.reset(new_session=False)


def test_rows_are_read_gzipped_or_not(tmp_path: Path) -> None:
    import gzip

    (tmp_path / "a.csv").write_text("x,y\n1,2\n", encoding="utf-8")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"x,y\n1,2\n"))
    assert (
        lab.read_rows(tmp_path / "a.csv")
        == lab.read_rows(tmp_path / "a.csv.gz")
        == [{"x": "1", "y": "2"}]
    )


def test_flows_are_drawn_from_left_to_right() -> None:
    pytest.importorskip("tree_sitter_go")
    from matplotlib.figure import Figure

    found = gcsim.escape(
        "package p\n\nfunc f(q **int) *int { x := 1; *q = &x; y := *q; return y }\n"
    )
    ax = Figure().subplots()
    arrows = lab.draw_flows(found.graph, ax=ax, title="f")
    assert {("q", "*", "y"), ("y", "", "~r0")} <= set(arrows)
    at = {text.get_text(): text.get_position() for text in ax.texts if text.get_bbox_patch()}
    assert at["q"][0] < at["y"][0] < at["~r0"][0]
    assert lab.draw_flows(found.graph.of("f")) == arrows
