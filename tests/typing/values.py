"""What the values of the API are for a type checker: a wrong annotation is an error here. It is run too."""

from array import array as buffer
from typing import Literal

import gcsim
from gcsim import array, f64, i64, iface, ptr, slice_, string, u8


@gcsim.struct
class Inner:
    x: f64


@gcsim.struct
class Node:
    next: ptr["Node"]
    n: i64
    tag: array[u8, Literal[3]]
    name: string
    inner: Inner
    data: slice_[u8]
    nodes: slice_[ptr["Node"]]
    any: iface
    count: int
    text: str
    raw: bytes


def values(heap: gcsim.Heap) -> None:
    node: Node = heap.new(Node, n=1)
    after: Node | None = node.next
    number: int = node.n
    byte: int = node.tag[0]
    text: str = node.name + node.text
    x: float = node.inner.x
    node.n = 5
    node.next = node
    node.next = None
    node.tag = [1, 2, 3]
    node.tag[1] = 255
    node.name, node.text, node.count, node.raw = "x", "y", 3, b"z"
    node.inner = heap.new(Inner, x=1.5)
    node.inner.x += 1
    node.data = b"bytes"
    node.data = heap.new_slice(u8, 3)
    node.data = node.data.append(1, 2)
    node.nodes = heap.new_slice(ptr[Node], 2)
    node.nodes[0] = node
    node.nodes[1] = None
    each: list[Node | None] = list(node.nodes)
    node.any = node
    whole: list[Node] = list(heap.new_slice(Node, 3)[1:])
    raw: memoryview = memoryview(node.data)
    alone: i64 = heap.new(i64, value=3)
    plain: int = alone.value
    late: ptr[Node] = heap.new(ptr[Node], value=node)
    back: Node | None = late.value
    weak: Node | None = heap.weak(node)()
    batch = heap.build(Node, 2, links={"next": buffer("i", [1, -1])}, roots=[0])
    first: Node = batch[0]
    links: buffer[int] = batch.links("next")
    rows = heap.build(i64, 2, counts=buffer("q", [1, 2]))
    row: int = rows[1][1]
    with heap.goroutine("g").frame("f", n=i64, node=ptr[Node]) as frame:
        frame.node = node
    cycle = heap.collect()
    why: str = cycle.why
    freed: int = cycle.freed
    percent: int | None = heap.gc_percent
    sizes: tuple[int, ...] = tuple(span.slot_bytes for span in heap.spans())
    live: int = heap.memstats().heap_objects
    offset: int = gcsim.offsetof(Node, "n")
    slot: int = gcsim.size_class(100).slot_bytes
    where: int = gcsim.address(node)
    print(after, number, byte, text, x, each, whole, raw, plain, back, weak, first, links, row)
    print(why, freed, percent, sizes, live, offset, slot, where)
