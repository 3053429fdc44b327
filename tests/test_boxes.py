"""Interfaces and func values: what they hold, what keeps it alive, and what each conversion allocates."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

import gcsim
from gcsim import (
    array,
    c64,
    f32,
    f64,
    func_,
    i8,
    i16,
    i32,
    i64,
    iface,
    ptr,
    slice_,
    string,
    u8,
    u64,
)
from gcsim._conform import conform
from gcsim._conform_allocs import allocations

DATA = Path(__file__).parent / "data" / "boxes"


@gcsim.struct
class Node:
    next: ptr["Node"]
    n: i64


@gcsim.struct
class Nothing:
    pass


@gcsim.struct
class Small:
    n: u8


@gcsim.struct
class Named:
    s: string


@gcsim.struct
class Only:
    p: ptr[Node]


@gcsim.struct
class Holder:
    v: iface
    f: func_
    w: iface


@pytest.fixture(params=["threads", "steps"])
def heap(request: pytest.FixtureRequest) -> Iterator[gcsim.Heap]:
    with gcsim.Heap(mode=request.param, gogc=None, debug="gccheckmark=1,clobberfree=1") as heap:
        yield heap
        heap.collect()
        assert heap.verify()


def made(heap: gcsim.Heap, run: Any) -> list[str]:
    return [str(a) for a in allocations(heap, run)]


# ---- what an interface holds ----


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (5, "int"),
        (-300, "int"),
        (True, "bool"),
        (1.5, "float64"),
        ("", "string"),
        ("héllo", "string"),
        (b"", "[]byte"),
        (b"xyz", "[]byte"),
        (2 + 1j, "complex128"),
    ],
)
def test_an_assigned_value_has_the_type_that_go_gives_a_constant(
    heap: gcsim.Heap, value: Any, name: str
) -> None:
    holder = heap.new(Holder, v=value)
    frame = heap.goroutine("g").push("f", v=iface)
    frame.v = value
    heap.globals["v"] = holder.v
    for box in (holder.v, frame.v, heap.globals["v"]):
        assert isinstance(box, gcsim.Box)
        assert (box.type.name, box.value) == (name, value)


def test_an_interface_takes_a_value_of_any_type(heap: gcsim.Heap) -> None:
    node = heap.new(Node, n=7)
    holder = heap.new(Holder)
    rows = heap.new_slice(ptr[Node], 2)
    rows[0] = node
    for t, value in [
        (i8, -1),
        (i16, -32768),
        (u64, 2**64 - 1),
        (f32, 0.5),
        (c64, 1j),
        (bytes, b"abc"),
        (slice_[ptr[Node]], rows),
        (slice_[i64], None),
    ]:
        holder.v = heap.box(t, value)
        box = holder.v
        assert box.type == gcsim.typeof(heap.new(t))
        if isinstance(value, gcsim.Slice):
            assert list(box.value) == list(value) and box.value.address == value.address
        elif value is None:
            assert box.value is None
        else:
            assert box.value == value
    holder.v = heap.box(array[u8, Literal[3]], (1, 2, 3))
    assert list(holder.v.value) == [1, 2, 3]
    holder.v = None
    assert holder.v is None


def test_references_are_pointers_and_a_typed_nil_is_not_nil(heap: gcsim.Heap) -> None:
    node = heap.new(Node, n=7)
    holder = heap.new(Holder, v=node)
    assert holder.v == node
    holder.v = heap.box(ptr[Node], node)
    assert holder.v == node
    holder.v = heap.box(ptr[Node], None)
    assert holder.v is not None
    assert holder.v.type.name == "*Node" and holder.v.value is None
    holder.v = heap.box(iface, node)
    assert holder.v == node


def test_what_is_boxed_never_changes(heap: gcsim.Heap) -> None:
    node = heap.new(Node, n=7)
    box = heap.box(Node, node)
    node.n = 8
    copy = box.value
    assert copy.n == 7
    copy.n = 9
    assert box.value.n == 7 and box.value != copy
    small = heap.box(Small, heap.new(Small, n=3))
    small.value.n = 4  # not in the table that all share
    assert small.value.n == 3 and heap.box(u8, 3).value == 3
    rows = heap.box(array[i64, Literal[2]], (1, 2)).value
    rows[0] = 5
    assert list(rows) == [5, 2]


def test_a_box_keeps_what_it_holds_and_no_more(heap: gcsim.Heap) -> None:
    inner = heap.new(Node, n=1)
    weak = heap.weak(inner)
    holder = heap.new(Holder, v=heap.box(Node, heap.new(Node, next=inner, n=2)))
    holder.w = heap.box(Only, heap.new(Only, p=inner))
    del inner
    heap.collect()
    kept = weak()
    assert kept is not None and holder.v.value.next == kept and holder.w.value.p == kept
    holder.v = None
    del kept
    heap.collect()
    assert weak() is not None  # a struct of one pointer is the data word itself
    box = holder.w
    holder.w = None
    heap.collect()
    assert weak() is not None  # Python holds the box
    del box
    heap.collect()
    assert weak() is None


def test_interfaces_inside_of_arrays_slices_channels(heap: gcsim.Heap) -> None:
    rows = heap.new_slice(iface, 3)
    rows[0], rows[1], rows[2] = 1, "two", heap.new(Node, n=3)
    assert [rows[0].value, rows[1].value, rows[2].n] == [1, "two", 3]
    rows = rows.append(4000)
    assert rows[3].value == 4000
    g = heap.goroutine("g")
    ch = heap.make_chan(iface, 2)
    assert g.send(ch, 70000) and g.send(ch, heap.box(i16, 5))
    heap.collect()
    received = [g.receive(ch), g.receive(ch)]
    assert [r.value.value for r in received if r is not None] == [70000, 5]


def test_values_without_bytes(heap: gcsim.Heap) -> None:
    empty = heap.new(array[i64, Literal[0]]).value
    nothing = heap.new(Nothing)
    for t, value in (
        (array[i64, Literal[0]], empty),
        (array[i64, Literal[0]], ()),
        (Nothing, nothing),
    ):
        box = heap.box(t, value)
        assert not box.is_object
        holder = heap.new(Holder, v=box)
        assert holder.v.type == box.type
    assert len(heap.box(array[i64, Literal[0]], empty).value) == 0
    nested = heap.new_slice(array[Nothing, Literal[3]], 2)
    assert len(heap.box(array[Nothing, Literal[3]], nested[1]).value) == 3


# ---- what it allocates ----


def test_conversions_allocate_as_go_recorded(heap: gcsim.Heap) -> None:
    for t, value, wanted in [
        (bool, True, []),
        (u8, 255, []),
        (i16, 255, []),
        (i16, -1, ["2:tinyn"]),
        (i32, 256, ["4:tinyn"]),
        (f64, 0.0, []),
        (f64, 1.0, ["8:tinyn"]),
        (c64, 0j, ["8:tinyn"]),
        (array[u8, Literal[2]], (0, 0), ["2:tinyn"]),
        (array[i64, Literal[1]], (300,), ["8:tinyn"]),
        (ptr[Node], None, []),
        (slice_[i64], None, []),
        (func_, None, []),
    ]:
        assert made(heap, lambda t=t, value=value: heap.box(t, value)) == wanted, t
    variable = heap.new(string)
    variable.value = "abc"
    assert made(heap, lambda: heap.box(string, variable)) == ["16:16s"]
    named = heap.new(Named, s="abc")
    assert made(heap, lambda: heap.box(Named, named)) == ["16:16s"]
    named.s = ""
    assert made(heap, lambda: heap.box(Named, named)) == []
    node = heap.new(Node)
    assert made(heap, lambda: heap.box(Node, node)) == ["16:16s"]
    assert made(heap, lambda: heap.box(Only, heap.new(Only, p=node))) == ["8:8s"]  # the variable


def test_ways_of_boxing() -> None:
    assert gcsim.boxing(ptr[Node]) == gcsim.boxing(Only) == "the value is one pointer"
    assert gcsim.boxing(gcsim.TypeInfo("struct", (0, 1, 0))) == "zerobase"
    assert gcsim.boxing(Small) == gcsim.boxing(bool) == "table of bytes"
    assert gcsim.boxing(i64) == gcsim.boxing(f64) == "convT64"
    assert gcsim.boxing(i16) == "convT16" and gcsim.boxing(f32) == "convT32"
    assert gcsim.boxing(Named) == gcsim.boxing(str) == "convTstring"
    assert gcsim.boxing(slice_[i64]) == "convTslice"
    assert gcsim.boxing(Node) == "convT" and gcsim.boxing(c64) == "convTnoptr"
    assert gcsim.boxing(i64, constant=True) == "read-only data"
    large = array[u8, Literal[1025]]
    assert gcsim.boxing(array[u8, Literal[1024]], escapes=False) == "stack temporary"
    assert gcsim.boxing(large, escapes=False) == "convTnoptr"


@pytest.mark.parametrize(("name", "rows"), [("iface", 146), ("chan", 306)])
def test_recordings_of_go_are_matched_wholly(name: str, rows: int, tmp_path: Path) -> None:
    path = DATA / f"{name}.csv"
    result = conform(path)
    assert (result.matched, result.total, result.differences) == (rows, rows, [])
    lines = path.read_text().splitlines()
    chance = random.Random(4)
    for _ in range(5):
        at = chance.choice([i for i, line in enumerate(lines) if line.endswith(("n", "s")) and i])
        spoiled = lines[at][:-1] + ("s" if lines[at][-1] == "n" else "n")
        copy = tmp_path / f"{name}.csv"
        copy.write_text("\n".join([*lines[:at], spoiled, *lines[at + 1 :]]) + "\n")
        assert conform(copy).matched == rows - 1


OTHERS = """\
type,value,size,escapes,allocs
map[string]int,nil,8,1,
func(),nil,8,1,
[2]bool,"[2]bool{true,false}",2,1,2:tinyn
struct{a [1]struct{b bool}},struct{a [1]struct{b bool}}{},1,1,
float32,float32(math.Inf(1)),4,1,4:tinyn
float64,"math.Copysign(0, -1)",8,1,8:tinyn
struct{p *int},struct{p *int}{p: new(int)},8,1,
[1025]byte,[1025]byte{},1025,0,1025:1152n
[]int,"make([]int, 3)",24,1,24:24s
"""


def test_other_types_and_values_than_the_recorded(tmp_path: Path) -> None:
    path = tmp_path / "others.csv"
    path.write_text(OTHERS)
    result = conform(path)
    assert result.complete, result.differences
    for bad in ("Nobody,nil,8,1,", "int,f(1),8,1,", "int,1,8,1,8:n", 'int,"1 +",8,1,'):
        path.write_text(f"type,value,size,escapes,allocs\n{bad}\n")
        with pytest.raises(gcsim.DumpFormatError):
            conform(path)


@pytest.mark.skipif(not shutil.which("go"), reason="needs go")
def test_go_says_the_same_of_the_others(tmp_path: Path) -> None:
    rows = [line.rsplit(",", 3) for line in OTHERS.splitlines()[1:]]
    code = []
    for i, (head, _, escapes, _) in enumerate(rows):
        t, value = (part.strip('"') for part in head.split(",", 1))
        if escapes == "1":
            code.append(
                f"var v{i} {t} = {value}; print(testing.AllocsPerRun(9, func() {{"
                f" sink = v{i} }}) > 0, ' ')".replace("' '", '" "')
            )
    (tmp_path / "x_test.go").write_text(
        'package x\nimport ("testing"; "math")\nvar sink any\nvar _ = math.Inf\n'
        "func TestX(t *testing.T) {\n" + "\n".join(code) + "\n}\n"
    )
    (tmp_path / "go.mod").write_text("module x\ngo 1.26\n")
    done = subprocess.run(
        ["go", "test", "-v", "-count=1", "."],
        cwd=tmp_path,
        text=True,
        capture_output=True,
        timeout=300,
    )
    words = [word for word in (done.stdout + done.stderr).split() if word in ("true", "false")]
    ours = ["true" if allocs else "false" for *_, escapes, allocs in rows if escapes == "1"]
    assert len(words) == len(ours), done.stdout + done.stderr
    assert words == ours


# ---- func values ----


def test_a_closure_holds_what_it_captured(heap: gcsim.Heap) -> None:
    node = heap.new(Node, n=7)
    counter = heap.new(i64)
    f = heap.closure("add", n=5, p=node, c=counter)
    assert f.name == "add" and f.is_object
    holder = heap.new(Holder, f=f)
    frame = heap.goroutine("g").push("f", f=func_)
    frame.f = f
    heap.globals["f"] = f
    weak = heap.weak(node)
    del node, f
    heap.collect()
    for again in (holder.f, frame.f, heap.globals["f"]):
        captures = again.captures
        assert (captures["n"], captures["p"].n, captures["c"]) == (5, 7, counter)
        captures["c"].value += 1
    assert counter.value == 3
    holder.f = frame.f = heap.globals["f"] = None
    del again, captures
    heap.collect()
    assert weak() is None and holder.f is None


def test_closures_allocate_as_go_s(heap: gcsim.Heap) -> None:
    n, node = heap.new(int), heap.new(Node)
    pair = heap.new(Node)
    heap.closure("warm", v=1)
    assert made(heap, lambda: heap.closure("none")) == []
    assert made(heap, lambda: heap.closure("value", v=1)) == ["16:16n"]
    assert made(heap, lambda: heap.closure("reference", v=n)) == ["16:16s"]
    two_bools = {"b1": True, "b2": False, "p": n}
    assert made(heap, lambda: heap.closure("bools", **two_bools)) == ["24:24s"]
    assert made(heap, lambda: heap.closure("Node.M", {"R": Node}, R=pair)) == ["24:24s"]
    assert made(heap, lambda: heap.closure("(*Node).M", R=node)) == ["16:16s"]
    assert made(heap, lambda: heap.closure("small", {"x": i32, "y": i8}, x=1, y=2)) == ["16:16n"]
    assert made(heap, lambda: heap.closure("any", {"x": iface}, x=node)) == ["24:24s"]
    first, again = heap.closure("value", v=2), heap.closure("value", v=3)
    assert first.captures == {"v": 2} and again.captures == {"v": 3}
    assert not heap.closure("none").is_object and heap.closure("none").captures == {}


def test_capture_by_value_or_by_reference() -> None:
    assert gcsim.captured_by_value(array[i64, Literal[16]])
    assert not gcsim.captured_by_value(array[i64, Literal[17]])
    assert not gcsim.captured_by_value(i64, reassigned=True)
    assert not gcsim.captured_by_value(i64, address_taken=True)


# ---- bad input ----


def test_bad_input_is_refused(heap: gcsim.Heap) -> None:
    box: Any = heap.box
    holder: Any = heap.new(Holder)
    for bad in (object(), [1], {}, (1, 2)):
        with pytest.raises(gcsim.ConversionError, match=r"heap\.box"):
            holder.v = bad
    with pytest.raises(gcsim.RangeError):
        holder.v = 2**63
    for args in ((i64, "x"), (i64,), (i64, 1, 2), (Node, None), (ptr[Node], heap.new(i64))):
        with pytest.raises(gcsim.ConversionError):
            box(*args)
    with pytest.raises(gcsim.RangeError):
        box(i8, 128)
    with pytest.raises(gcsim.TypeDefinitionError):
        box(object(), 1)
    closure: Any = heap.closure
    for args, kwargs in (
        ((), {}),
        ((1,), {}),
        (("f", {"x": i64}), {}),
        (("f",), {"x": object()}),
        (("f",), {"x": heap.box(i64, 1)}),
    ):
        with pytest.raises(gcsim.ConversionError):
            closure(*args, **kwargs)
    with pytest.raises(gcsim.RangeError, match="by reference"):
        heap.closure("f", {"x": array[i64, Literal[17]]}, x=(0,) * 17)
    for bad in (1, "f", heap.new(Node)):
        with pytest.raises(gcsim.ConversionError):
            holder.f = bad
    with pytest.raises(TypeError):
        type(heap.box(i64, 1))()  # type: ignore[call-arg]
    with gcsim.Heap() as other:
        theirs = other.new(Holder)
        for value in (heap.box(i64, 300), heap.box(i64, 3)):
            with pytest.raises(gcsim.WrongHeapError):
                theirs.v = value
        with pytest.raises(gcsim.WrongHeapError):
            theirs.f = heap.closure("f")
        with pytest.raises(gcsim.WrongHeapError):
            other.globals["x"] = heap.box(i64, 3)
    assert holder.v is None and holder.f is None


def test_boxes_of_a_closed_heap() -> None:
    heap = gcsim.Heap()
    large, small, f = heap.box(i64, 300), heap.box(i64, 3), heap.closure("f", x=1)
    heap.close()
    assert large.type.name == "int64" and "closed" in repr(large) and "closed" in repr(f)
    for read in (
        lambda: large.value,
        lambda: small.value,
        lambda: f.name,
        lambda: f.captures,
        lambda: heap.box(i64, 1),
        lambda: heap.closure("f"),
    ):
        with pytest.raises(gcsim.ClosedHeapError):
            read()


def test_a_rewound_heap_has_the_boxes_of_its_time() -> None:
    with gcsim.Heap(mode="steps") as heap:
        holder = heap.new(Holder, v=300)
        cycle = heap.begin_cycle()
        cycle.step()
        holder.v = 400
        later = holder.v
        f = heap.closure("f", x=1)
        cycle.back(2)
        assert holder.v.value == 300
        for read in (lambda: later.value, lambda: f.captures):
            with pytest.raises(gcsim.StaleReferenceError):
                read()
        heap.collect()
        assert heap.verify()
