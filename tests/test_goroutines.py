"""Goroutines, frames and globals: roots that have names."""

from __future__ import annotations

import gc
import threading
from collections.abc import MutableMapping
from typing import Any

import pytest

import gcsim
from gcsim import array, bool_, c128, f64, i8, i64, iface, ptr, slice_, u8


@gcsim.struct
class Node:
    next: ptr["Node"]
    n: i64


@gcsim.struct
class Other:
    n: i64


# Too long for the tiny allocator, where objects share blocks.
TEXT = "tä\udcff" * 6
BYTES = b"\0xyz" * 6


def live_objects(heap: gcsim.Heap) -> int:
    gc.collect()
    heap.collect()
    return heap.memstats().heap_objects


def in_thread(work: Any) -> Any:
    result: list[Any] = []

    def run() -> None:
        try:
            result.append(work())
        except BaseException as error:
            result.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return result[0]


# ---- frames ----


def test_a_slot_keeps_its_object_until_it_is_overwritten_or_popped(heap: gcsim.Heap) -> None:
    g = heap.goroutine("main")
    with g.frame("build", head=ptr[Node]) as fr:
        fr.head = heap.new(Node, n=1, next=heap.new(Node, n=2))
        assert live_objects(heap) == 2 and fr.head.next.n == 2
        fr.head = fr.head.next
        assert live_objects(heap) == 1 and fr.head.n == 2
        fr.head = None
        assert live_objects(heap) == 0 and fr.head is None
        fr.head = heap.new(Node)
        assert live_objects(heap) == 1
    assert live_objects(heap) == 0


def test_slots_of_every_kind(heap: gcsim.Heap) -> None:
    g = heap.goroutine("main")
    fr = g.push(
        "f",
        a=i8,
        b=f64,
        c=bool_,
        d=c128,
        s=str,
        t=bytes,
        v=slice_[ptr[Node]],
        i=iface,
        p=ptr[i64],
        z=int,
    )
    assert (fr.a, fr.b, fr.c, fr.d, fr.s, fr.t, fr.v, fr.i, fr.p, fr.z) == (
        0, 0.0, False, 0j, "", b"", None, None, None, 0,
    )  # fmt: skip
    number = heap.new(i64)
    number.value = 7
    row = heap.new_slice(ptr[Node], 2, 3)
    row[1] = heap.new(Node, n=5)
    fr.a, fr.b, fr.c, fr.d, fr.s, fr.t = -128, 0.5, True, 1 + 2j, TEXT, BYTES
    fr.v, fr.i, fr.p, fr.z = row, heap.new(Node, n=9), number, 1 << 62
    del row, number
    assert live_objects(heap) == 6
    assert (fr.a, fr.b, fr.c, fr.d, fr.s, fr.t) == (-128, 0.5, True, 1 + 2j, TEXT, BYTES)
    assert (fr.v[1].n, fr.v.cap, fr.i.n, fr.p.value, fr.z) == (5, 3, 9, 7, 1 << 62)
    g.pop()
    assert live_objects(heap) == 0


def test_values_that_do_not_fit_a_slot_are_refused(heap: gcsim.Heap, mode: str) -> None:
    fr = heap.goroutine("main").push("f", a=i8, p=ptr[Node], s=str, v=slice_[i64])
    with gcsim.Heap(mode=mode) as other:
        for name, bad, error in [
            ("a", 128, gcsim.RangeError),
            ("a", "1", gcsim.ConversionError),
            ("p", 5, gcsim.ConversionError),
            ("p", heap.new(Other), gcsim.ConversionError),
            ("p", other.new(Node), gcsim.WrongHeapError),
            ("s", 5, gcsim.ConversionError),
            ("v", heap.new_slice(i8), gcsim.ConversionError),
            ("v", other.new_slice(i64, 1), gcsim.WrongHeapError),
            ("nope", 1, gcsim.FieldError),
        ]:
            with pytest.raises(error):
                setattr(fr, name, bad)
    with pytest.raises(gcsim.FieldError, match="a, p, s, v"):
        fr.nope  # noqa: B018
    with pytest.raises(gcsim.FieldError):
        del fr.a
    assert (fr.a, fr.p, fr.s, fr.v) == (0, None, "", None)


def test_names_of_slots_are_the_program_s(heap: gcsim.Heap) -> None:
    fr = heap.goroutine("main").push("f", name=i64, pop=i64, frames=i64, self=i64)
    fr.name, fr.pop, fr.frames, fr.self = 1, 2, 3, 4
    assert (fr.name, fr.pop, fr.frames, fr.self) == (1, 2, 3, 4)


def test_only_the_innermost_frame_can_be_popped(heap: gcsim.Heap) -> None:
    g = heap.goroutine("main")
    outer = g.push("outer", x=i64)
    inner = g.push("inner")
    with pytest.raises(gcsim.StateError):
        g.pop(outer)
    assert g.frames == (inner, outer)
    g.pop(inner)
    with pytest.raises(gcsim.StaleReferenceError):
        g.pop(inner)
    g.pop()
    assert g.frames == ()
    with pytest.raises(gcsim.StateError):
        g.pop()
    with pytest.raises(gcsim.ConversionError):
        g.pop(3)


def test_a_popped_frame_is_stale_whatever_takes_its_place(heap: gcsim.Heap) -> None:
    g = heap.goroutine("main")
    old = g.push("f", p=ptr[Node])
    g.pop()
    new = g.push("f", p=ptr[Node])
    for use in (lambda: old.p, lambda: setattr(old, "p", None), lambda: old.__enter__()):
        with pytest.raises(gcsim.StaleReferenceError):
            use()
    assert new.p is None and old != new and "popped" in repr(old)
    g.end()
    again = heap.goroutine("main").push("f", p=ptr[Node])
    for stale in (old, new):
        with pytest.raises(gcsim.StaleReferenceError):
            stale.p  # noqa: B018
    assert again.p is None


def test_with_pops_and_an_exception_unwinds_what_is_above(heap: gcsim.Heap) -> None:
    g = heap.goroutine("main")
    with pytest.raises(KeyError), g.frame("outer", p=ptr[Node]) as outer:
        outer.p = heap.new(Node)
        g.push("lost", q=ptr[Node]).q = heap.new(Node)
        raise KeyError
    assert g.frames == () and live_objects(heap) == 0
    with pytest.raises(gcsim.StateError), g.frame("outer"):
        g.push("forgotten")
    assert len(g.frames) == 2
    g.pop()
    g.pop()
    with g.frame("f"):
        g.pop()
    with g.push("g") as pushed:
        assert g.frames == (pushed,)
    assert g.frames == ()


def test_a_frame_is_not_there_before_with(heap: gcsim.Heap) -> None:
    g = heap.goroutine("main")
    waiting = g.frame("f", p=ptr[Node])
    assert g.frames == () and "not pushed" in repr(waiting)
    with pytest.raises(gcsim.StaleReferenceError):
        waiting.p  # noqa: B018
    with waiting as fr:
        assert fr is waiting and g.frames == (fr,)
    with pytest.raises(gcsim.StaleReferenceError):
        waiting.__enter__()


def test_deep_stacks_move_and_keep_their_slots(heap: gcsim.Heap) -> None:
    g = heap.goroutine("deep")
    frames = [g.push("f", p=ptr[Node], n=i64) for _ in range(3000)]
    for i, fr in enumerate(frames):
        if i % 100 == 0:
            fr.p, fr.n = heap.new(Node, n=i), i
    assert live_objects(heap) == 30
    assert [fr.p.n for fr in frames[::100]] == list(range(0, 3000, 100))
    assert heap.memstats().stack_inuse >= 3000 * 40
    for _ in frames[1:]:
        g.pop()
    assert frames[0].p.n == 0 and live_objects(heap) == 1
    g.end()
    assert live_objects(heap) == 0 == heap.memstats().stack_inuse


def test_a_conversion_that_moves_the_stack_or_pops_the_frame(heap: gcsim.Heap) -> None:
    g = heap.goroutine("main")
    fr = g.push("f", n=i64)

    class Growing:
        def __index__(self) -> int:
            for _ in range(2000):
                g.push("deep", a=i64)
            return 5

    fr.n = Growing()
    assert fr.n == 5 and len(g.frames) == 2001

    class Popping:
        def __index__(self) -> int:
            while g.frames:
                g.pop()
            return 6

    with pytest.raises(gcsim.StaleReferenceError):
        fr.n = Popping()
    assert heap.verify()


def test_slots_that_cannot_lie_in_a_frame(heap: gcsim.Heap) -> None:
    g = heap.goroutine("main")
    for bad in (Node, array[u8, 3], list, 3, ptr["Nowhere"]):
        with pytest.raises(gcsim.TypeDefinitionError):
            g.push("f", x=bad).x = 5
        while g.frames:
            g.pop()
    for name in (3, None, "a\0b", "\udc80"):
        with pytest.raises(gcsim.ConversionError):
            g.push(name)
        with pytest.raises(gcsim.ConversionError):
            heap.goroutine(name)
    with pytest.raises(TypeError):
        g.push()


# ---- goroutines ----


def test_goroutines_have_numbers_and_end(heap: gcsim.Heap) -> None:
    a, b = heap.goroutine("a"), heap.goroutine("bé")
    assert heap.goroutines() == (a, b) and (a.id, b.id, b.name) == (1, 2, "bé")
    a.push("f", p=ptr[Node]).p = heap.new(Node)
    b.push("f", p=ptr[Node]).p = heap.new(Node)
    assert live_objects(heap) == 2
    a.end()
    assert a.ended and not b.ended and heap.goroutines() == (b,)
    assert live_objects(heap) == 1
    c = heap.goroutine("c")
    assert c.id == 3
    for use in (lambda: a.push("g"), a.pop, a.end, lambda: a.frames, lambda: heap.end(a)):
        with pytest.raises(gcsim.StaleReferenceError):
            use()
    heap.end(b)
    assert heap.goroutines() == (c,) and live_objects(heap) == 0
    with pytest.raises(gcsim.ConversionError):
        heap.end("c")
    with gcsim.Heap(mode=heap.mode) as other, pytest.raises(gcsim.WrongHeapError):
        other.end(c)


def test_a_goroutine_lives_on_when_python_forgets_it(heap: gcsim.Heap) -> None:
    heap.goroutine("main").push("f", p=ptr[Node]).p = heap.new(Node, n=3)
    assert live_objects(heap) == 1
    (g,) = heap.goroutines()
    (frame,) = g.frames
    assert frame.p.n == 3
    g.pop()
    assert live_objects(heap) == 0


def test_a_goroutine_belongs_to_its_thread(heap: gcsim.Heap) -> None:
    g = heap.goroutine("main")
    fr = g.push("f", n=i64)
    for use in (
        lambda: g.push("g"), g.pop, g.end, lambda: g.frames, lambda: fr.n, lambda: setattr(fr, "n", 1),
        lambda: heap.goroutines()[0].pop(), lambda: g.frame("h").__enter__(), lambda: heap.end(g),
    ):  # fmt: skip
        assert isinstance(in_thread(use), gcsim.ThreadError)
    assert fr.n == 0 and g.frames == (fr,)
    theirs = in_thread(lambda: heap.goroutine("theirs"))
    theirs.push("f")  # its thread has ended: now it is ours
    assert isinstance(in_thread(theirs.pop), gcsim.ThreadError)


def test_after_close(mode: str) -> None:
    with gcsim.Heap(mode=mode) as heap:
        g = heap.goroutine("main")
        with g.frame("f", n=i64) as fr:
            heap.close()
    for use in (
        lambda: g.push("f"), g.pop, g.end, lambda: g.frames, lambda: fr.n, lambda: setattr(fr, "n", 1),
        lambda: heap.goroutine("x"), heap.goroutines, lambda: heap.end(g),
    ):  # fmt: skip
        with pytest.raises(gcsim.ClosedHeapError):
            use()
    assert g.ended and "ended" in repr(g) and "popped" in repr(fr)


# ---- globals ----


def test_globals_are_a_mapping_of_roots(heap: gcsim.Heap) -> None:
    names = heap.globals
    assert isinstance(names, MutableMapping) and len(names) == 0 and list(names) == []
    names["node"] = heap.new(Node, n=1, next=heap.new(Node, n=2))
    names["row"] = heap.new_slice(ptr[Node], 1, 2).append(heap.new(Node, n=3))
    names["text"] = TEXT
    names["empty"] = ""
    names["nil"] = None
    names["number"] = heap.new(i64)
    assert live_objects(heap) == 6
    assert names["node"].next.n == 2 and names["row"][1].n == 3 and names["row"].cap == 2
    assert (names["text"], names["empty"], names["nil"]) == (TEXT, "", None)
    assert list(heap.globals) == ["node", "row", "text", "empty", "nil", "number"]
    assert "row" in names and "raw" not in names and 3 not in names
    assert names.get("raw", 5) == 5 and dict(names.items())["nil"] is None


def test_overwriting_and_deleting_a_global_lets_go(heap: gcsim.Heap) -> None:
    heap.globals["x"] = heap.new(Node)
    heap.globals["y"] = heap.globals["x"]
    del heap.globals["x"]
    assert live_objects(heap) == 1
    heap.globals["y"] = "text"
    assert live_objects(heap) == 1 and heap.globals["y"] == "text"
    heap.globals["y"] = heap.new_slice(Node, 2)
    assert live_objects(heap) == 1
    assert len(heap.globals.pop("y")) == 2 and list(heap.globals) == []
    assert live_objects(heap) == 0
    heap.globals.update(a=heap.new(Node), b=None)
    heap.globals.clear()
    assert live_objects(heap) == 0
    with pytest.raises(gcsim.UnknownNameError, match="has no global 'x'") as caught:
        heap.globals["x"]
    assert isinstance(caught.value, KeyError)
    with pytest.raises(gcsim.UnknownNameError):
        del heap.globals["x"]
    with pytest.raises(KeyError):
        heap.globals[3]


def test_many_globals(heap: gcsim.Heap) -> None:
    for i in range(500):
        heap.globals[f"data+{i:#x}"] = heap.new(Node, n=i)
    for i in range(0, 500, 2):
        del heap.globals[f"data+{i:#x}"]
    assert live_objects(heap) == 250 == len(heap.globals)
    assert [node.n for node in heap.globals.values()] == list(range(1, 500, 2))


def test_what_no_global_can_hold(heap: gcsim.Heap, mode: str) -> None:
    with gcsim.Heap(mode=mode) as other:
        for bad, error in [
            (3, gcsim.ConversionError),
            (b"x", gcsim.ConversionError),
            (heap, gcsim.ConversionError),
            ("\ud800", gcsim.ConversionError),
            (heap.new(array[u8, 3]).value, gcsim.ConversionError),
            (other.new(Node), gcsim.WrongHeapError),
            (other.new_slice(i64, 1), gcsim.WrongHeapError),
        ]:
            with pytest.raises(error):
                heap.globals["x"] = bad
    for name in (3, None, "a\0b", "\ud800"):
        with pytest.raises(gcsim.ConversionError):
            heap.globals[name] = None
    assert len(heap.globals) == 0


def test_globals_of_a_closed_heap(mode: str) -> None:
    with gcsim.Heap(mode=mode) as heap:
        names = heap.globals
        names["x"] = None
    for use in (
        lambda: names["x"], lambda: len(names), lambda: list(names), lambda: "x" in names,
        lambda: names.__setitem__("x", None), lambda: names.__delitem__("x"),
    ):  # fmt: skip
        with pytest.raises(gcsim.ClosedHeapError):
            use()
    assert "globals" in repr(names)
    with pytest.raises(TypeError):
        type(names)(3)
