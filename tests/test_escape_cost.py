"""What `Escape.cost` counts is what the heap counted, and what a Go program counts of itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import gcsim

pytest.importorskip("tree_sitter_go")

GO = Path(__file__).parents[1] / "notebooks" / "go"

SOURCE = """package p

type node struct {
	next *node
	n    int
}

var keep *node

func leaves(n int) *node { return &node{n: n} }

func stays(n int) int {
	a := &node{n: n}
	b := node{next: a}
	return b.next.n
}

func several(n int) (any, func() int) {
	a := [3]int{n}
	return a, func() int { n++; return n }
}

func boxed(b byte, e struct{}) []any { return []any{b, e, "text", 7, nil} }

func unknown(n int) []int { return make([]int, n) }

func buffered(n int) int { s := make([]int, n); return len(s) }

func static() func() int { return func() int { return 1 } }

func nothing(n int) int { return n + 1 }

func huge() [20000]int { var a [20000]int; p := &a; return *p }
"""


@pytest.fixture(scope="module")
def found() -> Any:
    return gcsim.escape(SOURCE)


def test_a_value_that_escapes_is_one_object_a_call(found: Any) -> None:
    price = found.cost("leaves", calls=100)
    assert [v.objects for v in price.values] == [(16,)]
    assert price.per_call("heap") == price.per_call("go") == (1, 16)
    assert price.heap.allocations == 100 and price.heap.bytes == 1600
    assert price.per_call("stack") == (0, 0)


def test_what_stays_costs_nothing_as_go_decides_and_an_object_on_the_heap(found: Any) -> None:
    price = found.cost("stays", calls=50)
    assert price.per_call("heap") == (1, 16)
    assert price.per_call("go") == price.per_call("stack") == (0, 0)


def test_moved_variables_closures_and_boxed_values_are_objects_of_their_own(found: Any) -> None:
    price = found.cost("several", calls=50)
    assert sorted(v.objects for v in price.values) == [(8,), (16,), (24,)]  # n, the closure, a
    assert price.per_call() == (3, 48)


def test_static_data_single_bytes_and_empty_values_need_no_object(found: Any) -> None:
    price = found.cost("boxed", calls=50)
    assert price.per_call() == (1, 80)  # the slice alone
    assert found.cost("static").per_call("heap") == (0, 0)
    assert found.cost("nothing").values == ()


def test_the_heap_given_is_the_one_that_is_used_and_pays_with_cycles(found: Any) -> None:
    with gcsim.Heap(gogc=100, procs=1) as heap:
        kept = heap.new(gcsim.i64)
        before = heap.memstats()
        price = found.cost("leaves", heap, calls=300_000)
        after = heap.memstats()
        assert after.mallocs - before.mallocs == 600_000  # all, and as Go decides
        assert price.heap.cycles + price.go.cycles == after.num_gc - before.num_gc >= 2
        assert price.stack is not None and price.stack.cycles == 0
        assert [g for g in heap.goroutines() if not g.ended] == [] and kept is not None
        heap.verify()


def test_what_only_the_run_knows_must_be_said(found: Any) -> None:
    with pytest.raises(gcsim.RangeError, match=r"sizes=\{'make\(\[\]int, n\)': bytes\}"):
        found.cost("unknown")
    sized = {"make([]int, n)": 800}
    assert found.cost("unknown", calls=10, sizes=sized).per_call() == (1, 896)
    assert found.cost("unknown", calls=10, sizes={"make([]int, n)": (48, 800)}).per_call() == (
        2,
        944,
    )


def test_a_slice_on_the_stack_has_a_buffer_of_32_bytes(found: Any) -> None:
    for length, objects in ((4, 0), (5, 1)):
        price = found.cost("buffered", calls=10, sizes={"make([]int, n)": 8 * length})
        assert price.values[0].verdict == "stack"
        assert price.per_call()[0] == objects


def test_values_too_large_for_a_frame_are_not_kept_off_the_heap(found: Any) -> None:
    price = found.cost("huge", calls=3)
    assert price.stack is None and price.per_call() == (1, 163_840)
    with pytest.raises(gcsim.RangeError, match="too large for a stack"):
        price.per_call("stack")


def test_bad_arguments_say_what_is_wrong(found: Any) -> None:
    with pytest.raises(gcsim.UnknownNameError, match="nothing is allocated in 'absent'"):
        found.cost("absent")
    with pytest.raises(gcsim.UnknownNameError, match=r"makes no other; it makes &node\{\.\.\.\}"):
        found.cost("leaves", sizes={"other": 3})
    for calls in (0, -1, 1 << 70):
        with pytest.raises(gcsim.RangeError):
            found.cost("leaves", calls=calls)
    for calls in ("3", 2.5, True):
        with pytest.raises(gcsim.ConversionError):
            found.cost("leaves", calls=calls)
    for size in (-1, 1 << 62):
        with pytest.raises(gcsim.RangeError):
            found.cost("leaves", sizes={"&node{...}": size})
    for size in ("8", (8, "8"), 1.5, None):
        with pytest.raises(gcsim.ConversionError):
            found.cost("leaves", sizes={"&node{...}": size})
    with pytest.raises(gcsim.RangeError, match="heap, go or stack"):
        found.cost("leaves", calls=1).per_call("both")
    closed = gcsim.Heap()
    closed.close()
    with pytest.raises(gcsim.ClosedHeapError):
        found.cost("leaves", closed)
    with pytest.raises(gcsim.ConversionError, match="a heap is needed"):
        found.cost("leaves", "heap")


def test_the_figures_are_a_table_in_words_and_in_html(found: Any) -> None:
    price = found.cost("leaves", calls=10)
    assert repr(price) == "<EscapeCost of leaves: 1 objects, 16 B a call>"
    assert "line 10: &node{...}: 16 B, heap" in str(price)
    assert price._repr_html_().count("<tr>") == 4


def test_every_function_of_the_notebook_costs_what_go_counts() -> None:
    """Objects and bytes a call, as its program measured them (test_notebooks runs it again)."""
    measured = json.loads((GO / "stack_and_heap.json").read_text())
    found = gcsim.escape(GO / "stack_and_heap.go")
    sizes: dict[str, dict[str, Any]] = {
        "mapStays": {"make(map[int]int)": (48, 8 + 8 * 16)},
        "mapLeaves": {"make(map[int]int)": (48, 8 + 8 * 16)},
        "sliceOf, n=4": {"make([]int, n)": 32},
        "sliceOf, n=5": {"make([]int, n)": 40},
        "interfaceLeaves, n=200": {"n": ()},
    }
    compared = 0
    for name, counted in measured.items():
        if name not in ("go", "usesInlined") and "KiB" not in name:
            price = found.cost(name.split(",")[0], calls=20, sizes=sizes.get(name))
            assert list(price.per_call()) == counted, name
            compared += 1
    assert compared >= 20
