"""What a program can do with a heap, one function each: for tests that repeat things (leaks, faults).

Each takes an open heap, leaves nothing in it that is rooted, and may be called any number of times.
"""

from __future__ import annotations

import contextlib
import copy
import io
import pickle
import threading
from array import array as buffer
from collections.abc import Callable
from typing import Any

import gcsim
from gcsim import array, i64, iface, map_, ptr, slice_, string, u8


@gcsim.struct
class Node:
    next: ptr["Node"]
    n: i64


@gcsim.struct
class Holder:
    name: string
    rows: slice_[Node]
    data: slice_[u8]
    arms: array[ptr[Node], 3]
    any: iface
    inner: Node


@gcsim.struct
class WithMap:
    texts: map_[string, ptr[Node]]


def objects(heap: gcsim.Heap) -> Any:
    head = None
    for n in range(500):
        head = heap.new(Node, n=n, next=head)
    assert head is not None and head.next.next.n == 497
    head.next = None
    return head


def large_objects(heap: gcsim.Heap) -> Any:
    return [heap.new(array[u8, 3 << 20]) for _ in range(3)]


def tiny_objects(heap: gcsim.Heap) -> Any:
    return [heap.new(u8, value=n % 256) for n in range(2000)]


def strings(heap: gcsim.Heap) -> Any:
    holder = heap.new(Holder)
    for n in range(200):
        holder.name = "x" * (n * 30)
        assert len(holder.name) == n * 30
    holder.data = b"bytes" * 1000
    return holder


def slices(heap: gcsim.Heap) -> Any:
    node, holder = heap.new(Node, n=3), heap.new(Holder)
    rows = heap.new_slice(Node, 0)
    for _ in range(100):
        rows = rows.append(node, node)
    holder.rows = rows[10:20]
    holder.rows[3] = node
    holder.rows[4:6] = rows[:2]
    assert [row.n for row in holder.rows] == [3] * 10
    assert rows.reslice(1, 2, 3).cap == 2 and rows.copy_from(rows[1:]) == len(rows) - 1
    numbers = heap.new_slice(i64, 10)
    numbers[:] = range(10)
    with memoryview(numbers) as view:
        assert sum(view) == 45
    repr((rows, numbers, holder))
    return rows


def texts(heap: gcsim.Heap) -> Any:
    builder, buf, holder = heap.builder(), heap.buffer("begins"), heap.new(Holder)
    for n in range(60):
        builder.write("x" * n)
        builder.write_rune("é")
        buf.write(b"y" * n)
        buf.write_byte(n)
        if n % 10 == 0:
            assert buf.read(50) and len(buf.next(3)) <= 3
    builder.grow(3000)
    assert buf.read_from(io.BytesIO(b"z" * 3000)) == 3000
    assert builder.string().count("é") == 60 and bytes(buf.unread()).endswith(b"zz")
    holder.name = heap.to_runes("é" * 50)
    holder.data = heap.to_bytes("b" * 100)
    rows = heap.new_slice(ptr[Node], 2).insert(1, heap.new(Node, n=4), None).grow(10)
    assert rows.index(rows[1]) == 1 and rows.count(None) == 3
    rows.clear()
    builder.reset()
    return builder, buf, holder, rows


def fields(heap: gcsim.Heap) -> Any:
    holder, node = heap.new(Holder, name="n"), heap.new(Node, n=1)
    holder.any, holder.inner, holder.arms = node, node, [node, None, node]
    holder.inner.next = node
    holder.arms[1] = holder.any
    assert holder.any == holder.arms[0] == node and hash(holder.any) == hash(node)
    boxed = heap.new(Holder, any=3000)
    assert boxed.any.value == 3000 and heap.box(Node, node).value.n == node.n
    closure = heap.closure("f", n=1, p=node)
    assert closure.captures == {"n": 1, "p": node}
    assert list(holder.arms) == [node] * 3 and holder.inner.n == 1
    link = heap.new(ptr[Node], value=node)
    assert link.value == node and copy.copy(node) is node and gcsim.typeof(link)
    return holder


def frames(heap: gcsim.Heap) -> Any:
    goroutine, node = heap.goroutine("g"), heap.new(Node)
    try:
        for n in range(300):
            frame = goroutine.push(f"f{n % 7}", a=ptr[Node], b=string, c=slice_[Node])
            frame.a, frame.b = node, "text"
        assert frame.a == node and frame.b == "text" and len(goroutine.frames) == 300
        with goroutine.frame("inner", n=i64) as inner:
            inner.n = 5
            repr((inner, goroutine, heap.goroutines()))
        goroutine.pop()
    finally:
        goroutine.end()
    return node


def globals_(heap: gcsim.Heap) -> Any:
    node = heap.new(Node)
    names = heap.globals
    try:
        for n in range(300):
            names[f"name {n}"] = (node, "text", heap.new_slice(Node, 2), None)[n % 4]
        assert names["name 0"] == node and names["name 1"] == "text" and len(names) == 300
    finally:
        names.clear()
    return node


def weak_references(heap: gcsim.Heap) -> Any:
    nodes = [heap.new(Node) for _ in range(500)]
    weak = [heap.weak(node) for node in nodes]
    assert [w() for w in weak] == nodes and heap.weak(nodes[0]) == weak[0]
    repr(weak[0])
    return weak


def finalizers(heap: gcsim.Heap) -> Any:
    ran: list[Any] = []
    nodes = [heap.new(Node, n=n) for n in range(300)]
    for node in nodes:
        heap.set_finalizer(node, lambda node: ran.append(node.n))
        heap.add_cleanup(node, ran.append, "gone")
        stopped = heap.add_cleanup(node, ran.append, node.n)
        assert stopped.stop() and not stopped.stop()
    for node in nodes[:100]:
        heap.set_finalizer(node, None)
    repr(stopped)
    del node, nodes
    for _ in range(2):
        heap.collect()
        heap.run_finalizers()
    assert sorted(n for n in ran if n != "gone") == list(range(100, 300))
    assert ran.count("gone") == 300 and heap.pending_finalizers == 0
    return stopped


def batches(heap: gcsim.Heap) -> Any:
    n = 3000
    batch = heap.build(Node, n, links={"next": buffer("i", [*range(1, n), -1])}, roots=[0, 7])
    batch.fill("n", buffer("q", range(n)))
    assert batch[5].n == 5 and batch.links("next")[:3] == buffer("q", [1, 2, 3])
    assert batch.values("n")[9] == 9 and sum(batch.alive()) == n
    rows = heap.build(Node, 3, counts=buffer("q", [1, 2, 3]), roots=[2])
    assert len(rows[2]) == 3
    mixed = heap.build(None, 4, types=[Node, Holder], type_of=bytes([0, 1, 0, 1]))
    repr((batch, mixed))
    return batch


def results(heap: gcsim.Heap) -> Any:
    node = heap.new(Node)
    cycle = heap.collect()
    found = [
        heap.memstats(),
        heap.gc_stats(),
        heap.spans(),
        list(heap.objects()),
        heap.cycles,
        cycle,
    ]
    repr((found, cycle.why, heap.events(), heap))
    heap.gc_percent, percent = 50, heap.gc_percent
    heap.gc_percent = percent
    return node


def handles(heap: gcsim.Heap) -> Any:
    node = heap.new(Node)
    assert gcsim.address(node) in [handle.address for handle in heap.handles()]
    return node


def collections(heap: gcsim.Heap) -> Any:
    head = objects(heap)
    for _ in range(3):
        heap.collect()
        heap.verify()
    return head


def heaps(heap: gcsim.Heap) -> Any:
    with gcsim.Heap(mode=heap.mode, reserve="8MiB", events=16, trace_refs=True) as other:
        objects(other)
        batches(other)
        kept = (
            other.new(Node),
            other.new_slice(Node, 3),
            other.weak(other.new(Node)),
            other.goroutine("g"),
        )
    repr(kept)
    return kept


def types(heap: gcsim.Heap) -> Any:
    """In a heap of their own: a heap keeps the types that it has met."""

    @gcsim.struct
    class Local:
        next: ptr["Local"]
        n: i64

        def twice(self) -> int:
            return 2 * self.n

    with gcsim.Heap(mode=heap.mode, reserve="8MiB") as other:
        local = other.new(Local, n=3)
        local.next = local
        assert local.next.twice() == 6 and len(other.new(array[Local, 3]).value) == 3
    return Local


def errors(heap: gcsim.Heap) -> Any:
    """Every sort of refusal."""
    node, holder = heap.new(Node), heap.new(Holder)
    rows, goroutine = heap.new_slice(Node, 3), heap.goroutine("g")
    with gcsim.Heap(mode=heap.mode, reserve="8MiB") as other:
        foreign, foreign_rows = other.new(Node), other.new_slice(Node, 1)
        for use in (
            lambda: setattr(node, "next", foreign),
            lambda: heap.new(Node, next=foreign),
            lambda: setattr(holder, "rows", foreign_rows),
            lambda: setattr(holder, "arms", [node, foreign, None]),
            lambda: heap.globals.update(a=foreign),
            lambda: rows.append(node, foreign),
            lambda: heap.weak(foreign),
            lambda: heap.end(other.goroutine("o")),
        ):
            refused(use)
    stale = goroutine.push("f", a=ptr[Node])
    goroutine.pop()
    for use in (
        lambda: foreign.n,
        lambda: heap.new(Node, n="1"),
        lambda: heap.new(Node, n=1 << 70),
        lambda: heap.new(Node, zz=1),
        lambda: heap.new(5),
        lambda: heap.new(array[u8, 1 << 39]),
        lambda: heap.new_slice(Node, -1),
        lambda: heap.new_slice(Node, 1 << 60),
        lambda: rows[3],
        lambda: rows["a"],
        lambda: rows.reslice(1, 9),
        lambda: rows.append(3),
        lambda: rows.insert(9, node),
        lambda: rows.insert(0, node, 3),
        lambda: rows.grow(-1),
        lambda: heap.builder().grow(1 << 60),
        lambda: heap.builder().write(3),
        lambda: heap.buffer(rows),
        lambda: heap.buffer("abc").truncate(4),
        lambda: heap.buffer().read_from(io.StringIO("text")),
        lambda: setattr(holder, "name", rows),
        lambda: setattr(holder, "name", 5),
        lambda: setattr(holder, "name", "\ud800"),
        lambda: setattr(holder, "inner", None),
        lambda: setattr(holder, "any", object()),
        lambda: node.zz,
        lambda: delattr(node, "n"),
        lambda: stale.a,
        lambda: goroutine.pop(),
        lambda: goroutine.push("f", a=5),
        lambda: heap.globals["nothing"],
        lambda: heap.build(Node, 3, links={"next": buffer("i", [0, 1, 9])}),
        lambda: heap.build(Node, 3, links={"zz": buffer("i", [0, 1, 1])}),
        lambda: heap.build(Node, 3, links={"next": "abc"}),
        lambda: heap.build(Node, -1),
        lambda: heap.build(Node, 3, roots=[3]),
        lambda: gcsim.Heap(gogc="x"),
        lambda: pickle.dumps(node),
        lambda: copy.deepcopy(rows),
    ):
        refused(use)
    goroutine.end()
    refused(lambda: goroutine.push("f"))
    return node


def refused(use: Callable[[], Any]) -> None:
    try:
        use()
    except gcsim.Error:
        return
    raise AssertionError("no error")


def channels(heap: gcsim.Heap) -> Any:
    """Goroutines that meet on a channel, a select, a ticker and a mutex; two are left blocked and ended."""
    a, b = heap.goroutine("a"), heap.goroutine("b")
    try:
        ch, other = heap.make_chan(ptr[Node], 2), heap.make_chan(string)
        mutex, ticker = heap.new(gcsim.Mutex), heap.ticker(1)
        assert a.receive(ch) is None and b.send(ch, heap.new(Node, n=3))
        got: Any = a.result
        assert got.value.n == 3
        assert a.select(gcsim.Receive(ch), gcsim.Receive(other)) is None
        assert b.send(other, "x" * 40)
        got = a.result
        assert got == (1, "x" * 40, True)
        assert a.lock(mutex) and not b.lock(mutex)
        if a.receive(heap.timer_channel(ticker)) is None:
            heap.advance(1)  # other threads may do so too: the heap has one clock
        assert not a.blocked and not a.sleep(1)
        heap.collect(goroutine_leaks=True)
        assert len(heap.leaked_goroutines()) == 0  # this function holds the mutex
    finally:
        a.end()
        b.end()


def pools(heap: gcsim.Heap) -> Any:
    pool = gcsim.Pool(heap, lambda: heap.new(Node, n=9))
    for n in range(20):
        pool.put(heap.new(Node, n=n))
    pool.put(heap.new_slice(i64, 5))
    heap.collect()
    assert pool.get() is not None
    heap.collect()
    heap.collect()
    assert pool.get().n == 9
    heap.collect()  # the list of pools lets go of it
    heap.collect()
    return pool


def maps(heap: gcsim.Heap) -> Any:
    texts, numbers = heap.new_map(str, ptr[Node]), heap.new_map(i64, array[u8, 200], hint=20)
    for n in range(60):
        texts[f"key {n}"] = heap.new(Node, n=n)
        numbers[n] = bytes([n]) * 200
    for n in range(0, 60, 2):
        del texts[f"key {n}"], numbers[n]
    assert texts["key 7"].n == 7 and numbers[7][0] == 7 and "key 8" not in texts
    assert sorted(texts.copy()) == sorted(texts) and len(numbers.copy()) == 30
    assert sum(node.n for node in texts.values()) == sum(range(1, 60, 2))
    entries = iter(numbers.items())
    next(entries)
    with_maps = heap.new(WithMap, texts=texts)
    name = f"texts {threading.get_ident()}"  # several threads may do this in one heap
    heap.globals[name] = with_maps.texts
    assert heap.globals[name] == texts and repr(texts)
    del heap.globals[name]
    for wrong in (lambda: texts[5], lambda: texts["no"], lambda: numbers.__setitem__(1, 5)):
        with contextlib.suppress(gcsim.Error):
            wrong()
    texts.clear()
    return with_maps, entries


ALL: dict[str, Callable[[gcsim.Heap], Any]] = {
    f.__name__.strip("_"): f
    for f in (
        objects, large_objects, tiny_objects, strings, slices, texts, fields, frames, globals_, weak_references,
        finalizers, batches, results, handles, channels, pools, maps, collections, heaps, types, errors,
    )
}  # fmt: skip
