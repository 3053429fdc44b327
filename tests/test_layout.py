"""Struct layout against Go's own numbers, and the rules by which annotations become types."""

from __future__ import annotations

import copy
import gc
import gzip
import json
import pickle
import sys
import threading
import time
import types
import weakref
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Optional

import pytest

import gcsim
from gcsim import _types
from gcsim._layout import alignof, layout, mask_text, offsetof, size_class, sizeof
from gcsim._struct import struct
from gcsim._types import (
    TypeInfo,
    anonymous_struct,
    array,
    bool_,
    c64,
    c128,
    chan,
    describe,
    f32,
    f64,
    func_,
    i8,
    i16,
    i32,
    i64,
    iface,
    map_,
    ptr,
    slice_,
    string,
    u8,
    u16,
    u32,
    u64,
    uintptr,
)

GOLDEN = Path(__file__).parent / "data" / "golden" / "struct-layout.json.gz"

GO_KINDS: dict[str, Any] = {
    "bool": bool_,
    "int": int,
    "int8": i8,
    "int16": i16,
    "int32": i32,
    "int64": i64,
    "uint": _types.go_uint,
    "uint8": u8,
    "uint16": u16,
    "uint32": u32,
    "uint64": u64,
    "uintptr": uintptr,
    "float32": f32,
    "float64": f64,
    "complex64": c64,
    "complex128": c128,
    "string": string,
    "slice": slice_[i64],
    "pointer": ptr[i64],
    "interface": iface,
    "map": map_[string, i64],
    "func": func_,
    "chan": chan[i64],
    "unsafe.Pointer": ptr,
}


def go_type(spec: dict[str, Any]) -> Any:
    if spec["k"] == "array":
        return array[go_type(spec["e"]), spec["n"]]
    if spec["k"] == "struct":
        return anonymous_struct({f"f{i}": go_type(f) for i, f in enumerate(spec["f"])})
    return GO_KINDS[spec["k"]]


# --- Go's numbers


def test_every_recorded_go_struct_is_laid_out_as_go_does() -> None:
    structs = json.loads(gzip.decompress(GOLDEN.read_bytes()))
    assert len(structs) == 300
    for spec in structs:
        fields = {f"f{i}": go_type(f["type"]) for i, f in enumerate(spec["fields"])}
        info = anonymous_struct(fields, spec["name"])
        got = (info.bytes, info.align, info.ptr_bytes, mask_text(info))
        assert got == (spec["size"], spec["align"], spec["ptr_bytes"], spec["ptr_mask"]), spec[
            "name"
        ]
        assert len(info.fields) == len(spec["fields"])
        for field, told in zip(info.fields, spec["fields"], strict=True):
            part = field.type
            got_field = (field.offset, part.bytes, part.align, part.ptr_bytes, mask_text(part))
            keys = ("offset", "size", "align", "ptr_bytes", "ptr_mask")
            assert got_field == tuple(told[k] for k in keys), (spec["name"], field.name)
        best = layout(info)
        order = [int(name[1:]) for name in best.best_order]
        optimal = spec["optimal"]
        assert order == optimal["order"], spec["name"]
        assert (best.best_bytes, best.best_ptr_bytes) == (optimal["size"], optimal["ptr_bytes"])


# --- the vocabulary


def test_python_types_mean_go_types() -> None:
    meant = {int: "int", bool: "bool", float: "float64", str: "string", bytes: "[]byte"}
    for python, go in meant.items():
        info = describe(python)
        assert info.name == go
        assert info.python is python
    assert describe(bytes).elem == describe(u8)
    assert describe(bytes) != describe(slice_[u8]) == describe(slice_[u8])
    assert describe(array[u8, 3]) == describe(array[u8, 3]) != describe(array[u8, 4])
    assert describe(ptr["Nowhere"]) != describe(ptr["Nowhere"])


def test_expressions_are_values_shown_in_go_words() -> None:
    shown = {
        "*Node": ptr["Node"],
        "**int64": ptr[ptr[i64]],
        "[3]uint8": array[u8, 3],
        "[]string": slice_[str],
        "map[string]*Node": map_[str, ptr["Node"]],
        "chan int": chan[int],
        "any": iface,
        "func()": func_,
    }
    for words, expr in shown.items():
        assert repr(expr) == words
        assert pickle.loads(pickle.dumps(expr)) == expr
        with pytest.raises(AttributeError):
            expr.kind = "other"
    assert repr(ptr) == "<gcsim.ptr: write ptr[T]>"
    assert array[u8, Literal[3]] == array[u8, 3] != array[u8, 4]
    assert len({ptr[i64], ptr[i64], slice_[i64]}) == 2
    assert describe(ptr).kind == "unsafe.Pointer"


def test_what_is_no_type_is_told_what_to_write() -> None:
    hints = [
        (list[int], r"slice_\[T\]"),
        (list, r"slice_\[T\]"),
        (dict[str, int], r"map_\[K, V\]"),
        (complex, "c128"),
        (object, "iface"),
        (Any, "iface"),
        (None, r"ptr\[T\]"),
        (Optional["int"], r"reads as T \| None"),
        (int | None, r"reads as T \| None"),
        (slice_, r"slice_ alone is no type: write slice_\[T\]"),
        (3, "3 is not a gcsim type"),
        (gcsim.Ref, "decorate the class"),
        (Path, "decorate it with @gcsim.struct"),
        ("Node", "pass the type"),
    ]
    for wrong, hint in hints:
        with pytest.raises(gcsim.TypeDefinitionError, match=hint):
            describe(wrong)
    with pytest.raises(gcsim.TypeDefinitionError, match=r"write map_\[K, V\]"):
        map_[int]
    with pytest.raises(gcsim.TypeDefinitionError, match=r"T \| None already"):
        ptr[i64] | None


def test_array_lengths_are_checked() -> None:
    assert sizeof(array[u8, 0]) == 0
    assert alignof(array[i64, 0]) == 8
    for wrong in (True, 1.0, Literal[1, 2], None):
        with pytest.raises(gcsim.TypeDefinitionError):
            array[u8, wrong]
    for number in (-1, 1 << 63, 10**40):
        with pytest.raises(gcsim.RangeError):
            array[u8, number]
    assert sizeof(array[u8, 1 << 40]) == 1 << 40
    for count in ((1 << 40) + 1, (1 << 63) - 1):
        with pytest.raises(gcsim.RangeError, match="1099511627776"):
            sizeof(array[u8, count])
    with pytest.raises(gcsim.RangeError):
        sizeof(array[array[i64, 1 << 20], 1 << 20])


def test_a_huge_type_costs_nothing_until_its_mask_is_asked_for() -> None:
    huge = describe(array[ptr[i64], 1 << 30])
    assert (huge.bytes, huge.ptr_bytes) == (1 << 33, 1 << 33)
    assert layout(huge).mask is None
    with pytest.raises(gcsim.RangeError, match="pointer mask"):
        huge.mask  # noqa: B018
    assert len(describe(array[ptr[i64], 1 << 20]).mask) == (1 << 20) // 8


def test_expressions_nested_too_deep_are_refused() -> None:
    expr: Any = i64
    with pytest.raises(gcsim.TypeDefinitionError, match="deeper than 64"):
        for _ in range(100):
            expr = ptr[expr]


def test_types_are_immutable() -> None:
    info = describe(array[u8, 3])
    with pytest.raises(AttributeError):
        info.bytes = 4
    with pytest.raises(AttributeError):
        del info.bytes


# --- fields and their names


@struct
class Node:
    next: ptr[Node]
    n: i64
    tag: array[u8, Literal[3]]


def test_a_struct_class_is_a_ref_with_the_class_statements_identity() -> None:
    assert issubclass(Node, gcsim.Ref)
    assert (Node.__name__, Node.__module__, Node.__qualname__) == ("Node", __name__, "Node")
    info = describe(Node)
    assert [(f.name, f.offset, f.type.name) for f in info.fields] == [
        ("next", 0, "*Node"),
        ("n", 8, "int64"),
        ("tag", 16, "[3]uint8"),
    ]
    assert (sizeof(Node), alignof(Node), offsetof(Node, "tag")) == (24, 8, 16)
    assert info.fields[0].type.elem is info
    assert info.cls is Node
    assert describe(Node) is info


def test_names_are_found_in_the_class_the_locals_the_module_and_builtins() -> None:
    inner_count = 5

    @struct
    class Local:
        a: u16

    @struct
    class Outer:
        @struct
        class Part:
            x: u32

        part: Part
        local: Local
        node: ptr[Node]
        many: array[u8, inner_count]
        text: str

    names = [f.type.name for f in describe(Outer).fields]
    assert names == ["Part", "Local", "*Node", "[5]uint8", "string"]


def test_structs_of_one_function_refer_to_each_other_in_any_order() -> None:
    @struct
    class First:
        second: ptr[Second]

    assert sizeof(First) == 8

    @struct
    class Second:
        first: ptr[First]

    assert describe(First).fields[0].type.elem is describe(Second)
    assert describe(Second).fields[0].type.elem is describe(First)


def test_two_calls_of_one_function_do_not_mix_their_structs() -> None:
    def make(wide: bool) -> tuple[type, type]:
        @struct
        class A:
            b: ptr[B]

        @struct
        class B:
            x: array[u8, 2 if wide else 1]
            a: ptr[A]

        return A, B

    a1, b1 = make(False)
    a2, b2 = make(True)
    for a, b, count in ((a1, b1, 1), (a2, b2, 2)):
        target = describe(a).fields[0].type.elem
        assert target is describe(b)
        assert target.fields[0].type.count == count


def test_a_later_call_does_not_complete_the_structs_of_an_earlier_one() -> None:
    def make(complete: bool) -> type:
        @struct
        class A:
            b: ptr[B]

        if complete:

            @struct
            class B:
                x: i64

        return A

    early, late = make(False), make(True)
    assert describe(late).fields[0].type.elem.bytes == 8
    with pytest.raises(gcsim.TypeDefinitionError, match=r"A\.b: name 'B' is not defined"):
        describe(early).fields[0].type.elem  # noqa: B018


def run(source: str, name: str, *, strings: bool = False) -> types.ModuleType:
    """Execute source as a module of that name: annotations are objects, or strings if asked."""
    module = sys.modules.setdefault(name, types.ModuleType(name))
    prefix = "from __future__ import annotations\n" if strings else ""
    module.__dict__.setdefault("__name__", name)
    header = "import gcsim\nfrom gcsim._types import ptr, i64, u8, i32, array, slice_\n"
    code = compile(prefix + header + source, f"<{name}>", "exec", dont_inherit=True)
    exec(code, module.__dict__)
    return module


@pytest.fixture
def fresh(request: pytest.FixtureRequest) -> Any:
    name = f"layout_case_{request.node.name}"
    yield name
    sys.modules.pop(name, None)


@pytest.mark.parametrize("strings", [False, True])
def test_annotations_may_be_objects_or_strings(fresh: str, strings: bool) -> None:
    source = """
Link = ptr["Node"]
@gcsim.struct
class Node:
    next: ptr["Node"]
    prev: "ptr['Node']"
    alias: Link
    later: slice_["Later"]
    n: "i64"
    tag: array[u8, 3]
    words: 'array[u8, N]'
N = 4
@gcsim.struct
class Later:
    x: i32
"""
    module = run(source, fresh + str(strings), strings=strings)
    info = describe(module.Node)
    assert [f.type.name for f in info.fields] == [
        "*Node",
        "*Node",
        "*Node",
        "[]Later",
        "int64",
        "[3]uint8",
        "[4]uint8",
    ]
    for i in range(3):
        assert info.fields[i].type.elem is info
    assert info.fields[3].type.elem is describe(module.Later)


def test_resolution_is_lazy_and_can_be_tried_again(fresh: str) -> None:
    source = """
@gcsim.struct
class Node:
    inner: "Inner"
    link: ptr["Other"]
"""
    module = run(source, fresh)
    for _ in range(2):
        with pytest.raises(
            gcsim.TypeDefinitionError, match=r"Node\.inner: name 'Inner' is not defined"
        ):
            sizeof(module.Node)
    module.Inner = i32
    info = describe(module.Node)
    assert info.bytes == 16
    with pytest.raises(gcsim.TypeDefinitionError, match=r"Node\.link: name 'Other' is not defined"):
        info.fields[1].type.elem  # noqa: B018
    assert info.fields[1].type.name == "*Other"
    module.Other = Node
    assert info.fields[1].type.elem is describe(Node)


def test_only_needed_locals_are_kept_alive() -> None:
    class Big:
        pass

    def make() -> tuple[type, weakref.ref[Big]]:
        unrelated = Big()
        width = 3

        @struct
        class Small:
            x: array[u8, width]

        return Small, weakref.ref(unrelated)

    small, ref = make()
    assert ref() is None
    assert sizeof(small) == 3


def test_local_struct_types_are_freed() -> None:
    def make() -> tuple[weakref.ref[type], weakref.ref[TypeInfo]]:
        @struct
        class A:
            b: ptr[B]

        @struct
        class B:
            a: ptr[A]

        assert describe(A).fields[0].type.elem.fields[0].type.elem is describe(A)
        return weakref.ref(A), weakref.ref(describe(A))

    cls, info = make()
    gc.collect()
    assert cls() is None
    assert info() is None


def test_recursion_by_value_is_refused_with_its_path() -> None:
    @struct
    class Inner:
        n: i64
        back: array[Outer, 2]

    @struct
    class Outer:
        inner: Inner

    with pytest.raises(
        gcsim.TypeDefinitionError,
        match=r"Outer contains itself by value: Outer\.inner -> Inner\.back -> Outer; a pointer",
    ):
        sizeof(Outer)
    with pytest.raises(gcsim.TypeDefinitionError, match=r"Inner\.back -> Outer\.inner -> Inner"):
        sizeof(Inner)


def test_recursion_through_references_is_fine() -> None:
    @struct
    class Tree:
        children: slice_[Tree]
        index: map_[str, Tree]
        queue: chan[Tree]
        parent: ptr[array[Tree, 4]]

    info = describe(Tree)
    assert info.bytes == 48
    assert info.fields[0].type.elem is info
    assert info.fields[1].type.key == describe(string)
    assert info.fields[1].type.elem is info
    assert info.fields[3].type.elem.elem is info
    assert info.fields[3].type.elem.bytes == 4 * 48


def test_bases_are_embedded_and_their_fields_promoted() -> None:
    @struct
    class Head:
        mark: u8
        n: i32

    @struct
    class Tail:
        t: u8
        n: i32

    @struct
    class Both(Head, Tail):
        own: i64

    info = describe(Both)
    assert [(f.name, f.offset, f.embedded) for f in info.fields] == [
        ("Head", 0, True),
        ("Tail", 8, True),
        ("own", 16, False),
    ]
    assert {f.name: f.offset for f in info.promoted} == {"mark": 0, "t": 8}  # n is ambiguous
    assert offsetof(Both, "t") == 8
    with pytest.raises(gcsim.TypeDefinitionError, match="no field 'n'"):
        offsetof(Both, "n")
    assert issubclass(Both, Head)

    @struct
    class Deeper(Both):
        mark: u16

    assert offsetof(Deeper, "mark") == 24
    assert [f.name for f in describe(Deeper).promoted] == ["Head", "Tail", "own", "t"]
    assert offsetof(Deeper, "own") == 16
    assert layout(Deeper).fields[0].embedded


def test_bases_must_be_structs() -> None:
    class Plain:
        pass

    class Undecorated(Node):
        pass

    with pytest.raises(gcsim.TypeDefinitionError, match="base Plain is no struct"):

        @struct
        class A(Plain):
            x: i64

    with pytest.raises(gcsim.TypeDefinitionError, match="base Undecorated is no struct"):

        @struct
        class B(Undecorated):
            x: i64

    with pytest.raises(gcsim.TypeDefinitionError, match="decorate"):
        sizeof(Undecorated)

    @struct
    class C(Node):
        Node: i64

    with pytest.raises(gcsim.TypeDefinitionError, match="embedded under this name already"):
        sizeof(C)

    @struct
    class D(gcsim.Ref):
        x: i64

    assert [f.name for f in describe(D).fields] == ["x"]


def test_class_bodies_that_are_no_struct_are_refused_at_once() -> None:
    bad = {
        "x: i64 = 5": "no default",
        "__slots__ = ('x',)": "not __slots__",
        "__x__: i64": "belong to Python",
        "def __init__(self): pass": "fixed",
        "def __eq__(self, other): return True": "fixed",
    }
    for line, hint in bad.items():
        source = f"@gcsim.struct\nclass Bad:\n    {line}\n"
        with pytest.raises(gcsim.TypeDefinitionError, match=hint):
            run(source, "layout_bad_body")
    sys.modules.pop("layout_bad_body", None)
    for name, hint in (("class", "write class_"), ("a-b", "not a name"), ("", "not a name")):
        with pytest.raises(gcsim.TypeDefinitionError, match=hint):
            struct(type("Bad", (), {"__annotations__": {name: i64}}))
    for wrong in (3, None, lambda: None):
        with pytest.raises(gcsim.TypeDefinitionError, match="decorates a class"):
            struct(wrong)  # type: ignore[arg-type]
    with pytest.raises(gcsim.TypeDefinitionError, match="already"):
        struct(Node)


def test_annotations_that_raise_tell_the_field(fresh: str) -> None:
    bad = {
        "1 +": "not a type",
        "1 / 0": "division by zero",
        "nowhere.Node": "'nowhere' is not defined",
        "ptr[i64] | None": r"T \| None already",
        "array[u8, M]": "'M' is not defined",
        "array[u8, -1]": "-1 is no length",
        "loop": "only leads to more names",
        "Optional[i64]": "Optional",
        "[" * 5000: "nested too deep|not a type",
    }
    for i, (text, hint) in enumerate(bad.items()):
        source = f"loop = 'loop'\n@gcsim.struct\nclass Bad{i}:\n    x: {text!r}\n"
        module = run(source, fresh)
        with pytest.raises(gcsim.Error, match=rf"(?s)Bad{i}\.x: .*({hint})"):
            sizeof(getattr(module, f"Bad{i}"))


def test_leading_underscores_and_the_blank_field() -> None:
    @struct
    class Padded:
        a: u8
        _: array[u8, 7]
        _b: i64

    assert [(f.name, f.offset) for f in describe(Padded).fields] == [("a", 0), ("_", 1), ("_b", 8)]
    assert describe(Padded).field("_") is None
    with pytest.raises(gcsim.TypeDefinitionError):
        offsetof(Padded, "_")


def test_annotated_is_unwrapped_and_class_variables_are_no_fields() -> None:
    @struct
    class Thing:
        n: Annotated[i64, "doc"]
        limit: ClassVar[int] = 3

    assert [f.name for f in describe(Thing).fields] == ["n"]
    assert Thing.limit == 3


def test_methods_are_kept_and_see_the_struct_class() -> None:
    @struct
    class Thing:
        """What it is."""

        n: i64

        @property
        def me(self) -> type:
            return __class__  # type: ignore[name-defined]

        @staticmethod
        def twice(x: int) -> int:
            return 2 * x

    assert Thing.me.fget(None) is Thing  # type: ignore[attr-defined]
    assert Thing.twice(4) == 8
    assert Thing.__doc__ == "What it is."


def test_structs_nested_too_deep_are_refused() -> None:
    inner: type = struct(type("S0", (), {"__annotations__": {"x": i64}}))
    for i in range(1, 100):
        inner = struct(type(f"S{i}", (), {"__annotations__": {"x": inner}}))
    with pytest.raises(gcsim.TypeDefinitionError, match="deeper than 64"):
        sizeof(inner)


def test_a_long_chain_of_pointers_is_no_recursion(fresh: str) -> None:
    source = "".join(
        f"@gcsim.struct\nclass C{i}:\n    next: ptr['C{(i + 1) % 1500}']\n" for i in range(1500)
    )
    module = run(source, fresh)
    first = describe(module.C0)
    again = run(source, fresh)
    assert describe(again.C0) is first


# --- one cell, run again


CELL = """
@gcsim.struct
class Node:
    next: ptr["Node"]
    other: slice_["Pair"]
    n: {n}
@gcsim.struct
class Pair:
    left: Node
    right: ptr[Node]
"""


def test_the_same_cell_again_gives_the_same_types(fresh: str) -> None:
    module = run(CELL.format(n="i64"), fresh)
    cls, pair = module.Node, module.Pair
    first, first_pair = describe(cls), describe(pair)
    assert first.fields[1].type.elem is first_pair
    for _ in range(3):
        run(CELL.format(n="i64"), fresh)
        assert module.Node is not cls
        assert describe(module.Pair) is first_pair
        assert describe(module.Node) is first
        assert first.cls is module.Node
        assert first.name == "Node"


def test_another_layout_is_a_new_type_with_a_number(fresh: str) -> None:
    module = run(CELL.format(n="i64"), fresh)
    first, first_pair = describe(module.Node), describe(module.Pair)
    run(CELL.format(n="i32"), fresh)
    second, second_pair = describe(module.Node), describe(module.Pair)
    assert (first.name, second.name) == ("Node", "Node#2")
    assert second.fields[0].type.name == "*Node#2"
    assert second.fields[0].type.elem is second
    # Pair's own text is as it was, but it is made of another Node.
    assert (first_pair.name, second_pair.name) == ("Pair", "Pair#2")
    assert repr(layout(module.Node)).startswith("Layout(Node#2: 40 B")
    run(CELL.format(n="i64"), fresh)
    assert describe(module.Node) is first
    run(CELL.format(n="u8"), fresh)
    assert describe(module.Node).name == "Node#3"


def test_numbers_do_not_depend_on_what_python_has_collected(fresh: str) -> None:
    module = run(CELL.format(n="i64"), fresh)
    describe(module.Node)
    del module.Node, module.Pair
    gc.collect()
    run(CELL.format(n="i32"), fresh)
    gc.collect()
    assert describe(module.Node).name == "Node#2"


def test_a_field_that_points_to_a_new_type_makes_a_new_type(fresh: str) -> None:
    module = run("@gcsim.struct\nclass T:\n    x: i64\n", fresh)
    holder = "@gcsim.struct\nclass H:\n    t: ptr[T]\n"
    run(holder, fresh)
    first = describe(module.H)
    run("@gcsim.struct\nclass T:\n    x: i32\n", fresh)
    run(holder, fresh)
    assert describe(module.H).name == "H#2"
    assert describe(module.H).fields[0].type.elem is describe(module.T)
    assert first.fields[0].type.elem is not describe(module.T)


def test_bytes_and_a_slice_of_bytes_are_told_apart(fresh: str) -> None:
    module = run("@gcsim.struct\nclass T:\n    x: bytes\n", fresh)
    first = describe(module.T)
    run("@gcsim.struct\nclass T:\n    x: slice_[u8]\n", fresh)
    assert describe(module.T) is not first


def test_threads_that_resolve_at_once_agree(fresh: str) -> None:
    source = "@gcsim.struct\nclass T:\n    n: array[u8, {n}]\n    x: ptr['pick()']\n"
    module = run("def pick():\n    return i64\n" + source.format(n=1), fresh)
    describe(module.T)
    run(source.format(n=2), fresh)
    inside, most = 0, 0

    def pick() -> Any:  # called while T is compared with its first version
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        time.sleep(0.05)
        inside -= 1
        return i64

    vars(module)["pick"] = pick
    seen: list[TypeInfo] = []
    threads = [threading.Thread(target=lambda: seen.append(describe(module.T))) for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [info.name for info in seen] == ["T#2", "T#2"]
    assert seen[0] is seen[1] is describe(module.T)
    assert most == 1


# --- layout() and size_class()


def test_layout_shows_padding_best_order_and_memory() -> None:
    @struct
    class Loose:
        a: bool
        b: i64
        c: bool
        d: ptr[i64]

    it = layout(Loose)
    assert [(f.offset, f.padding) for f in it.fields] == [(0, 7), (8, 0), (16, 7), (24, 0)]
    assert (it.bytes, it.padding, it.best_order, it.best_bytes) == (
        32,
        14,
        ("d", "b", "a", "c"),
        24,
    )
    assert (it.saving, it.ptr_bytes, it.best_ptr_bytes, it.mask) == (8, 32, 8, "0001")
    assert (it.size_class.size_class, it.size_class.slot_bytes, it.size_class.noscan) == (
        4,
        32,
        False,
    )
    text = str(it)
    assert "best order: d, b, a, c" in text and "saves 8 B" in text
    assert "\n" not in repr(it)
    assert "<table>" in it._repr_html_() and "*int64" in it._repr_html_()
    assert pickle.loads(pickle.dumps(it)) == it == copy.deepcopy(it)
    assert hash(it) == hash(layout(Loose))
    with pytest.raises(AttributeError):
        it.bytes = 3  # type: ignore[misc]


def test_layout_html_escapes_names() -> None:
    assert "<script>" not in layout(anonymous_struct({"x": i64}, "<script>"))._repr_html_()


def test_layout_of_types_that_are_no_struct() -> None:
    it = layout(array[ptr[i64], 3])
    assert (it.bytes, it.mask, it.fields, it.saving) == (24, "111", (), 0)
    assert str(layout(i64)).startswith("int64")
    nothing = layout(anonymous_struct({}))
    assert (nothing.name, nothing.bytes) == ("struct {}", 0)


def test_size_classes_follow_scan_and_noscan() -> None:
    rule = size_class(100)
    assert (rule.size_class, rule.slot_bytes, rule.waste_bytes, rule.header_bytes) == (
        9,
        112,
        12,
        0,
    )
    assert (size_class(600).header_bytes, size_class(600, noscan=True).header_bytes) == (8, 0)
    assert size_class(5, noscan=True).tiny and not size_class(5).tiny
    assert size_class(0).slot_bytes == 0
    large = size_class(32761)
    assert large.large and large.span_pages == 4
    assert layout(array[u8, 600]).size_class.header_bytes == 0
    assert layout(array[u8, 600], noscan=False).size_class.header_bytes == 8
    for wrong, error in (
        (-1, gcsim.RangeError),
        (1 << 50, gcsim.RangeError),
        (10**30, gcsim.RangeError),
    ):
        with pytest.raises(error):
            size_class(wrong)
    with pytest.raises(gcsim.RangeError, match="-1 is no size"):
        size_class(-1)
    for value in (1.5, "8", None, True):
        with pytest.raises(gcsim.ConversionError):
            size_class(value)  # type: ignore[arg-type]


def test_offsetof_asks_for_a_field_of_a_struct() -> None:
    with pytest.raises(gcsim.TypeDefinitionError, match="its fields: next, n, tag"):
        offsetof(Node, "nxt")
    with pytest.raises(gcsim.TypeDefinitionError, match="no struct"):
        offsetof(i64, "x")


def test_the_binding_refuses_parts_that_are_no_types() -> None:
    from gcsim import _core

    good = (8, 8, 8, b"\1" + bytes(7))
    assert _core.layout_struct([good, good]) == ((0, 8), 16, 8, 16, b"\3" + bytes(7))
    for bad in (
        (8, 3, 0, None),
        (8, 8, 16, None),
        (12, 8, 0, None),
        (8, 8, 8, b""),
        (8, 8, 8, bytes(16)),
        (8, 1 << 40, 0, None),
    ):
        with pytest.raises(ValueError):
            _core.layout_struct([good, bad])
        with pytest.raises(ValueError):
            _core.layout_array(bad, 2)
        with pytest.raises(ValueError):
            _core.layout_best_order([bad])
    for wrong in (3, [3], [(1, 2)], [[8, 8, 8, None]], [("8", 8, 8, None)], [(8, 8, 8, 3)]):
        with pytest.raises(TypeError):
            _core.layout_struct(wrong)
    with pytest.raises(OverflowError):
        _core.layout_struct([(-8, 8, 0, None)])
    with pytest.raises(OverflowError):
        _core.layout_array(good, 1 << 64)
    with pytest.raises(OverflowError):
        _core.size_class(1 << 63, False)
    with pytest.raises(TypeError):
        _core.layout_array(good)
