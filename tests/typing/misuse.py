"""What type checkers must refuse: each line that ends in `# no` and no other. It is never run."""

from typing import Literal

import gcsim
from gcsim import array, bool_, f64, i64, ptr, slice_, string, u8


@gcsim.struct
class Node:
    next: ptr["Node"]
    n: i64
    tag: array[u8, Literal[3]]
    name: string
    weight: f64
    done: bool_
    rows: slice_[i64]


@gcsim.struct
class Other:
    x: i64


def misuse(heap: gcsim.Heap) -> None:
    node = heap.new(Node, n=1)
    other = heap.new(Other)
    node.n = 1
    node.n = "1"  # no
    node.n = None  # no
    node.n = 1.5  # no
    node.next = node
    node.next = other  # no
    node.next = 0  # no
    node.name = "x"
    node.name = 1  # no
    node.weight = 2
    node.weight = "2"  # no
    node.done = True
    node.done = "yes"  # no
    node.tag = [1, 2, 3]
    node.tag[0] = 1
    node.tag[0] = "1"  # no
    node.tag = 5  # no
    node.rows = heap.new_slice(i64, 3)
    node.rows = heap.new_slice(Node, 3)  # no
    node.rows.append(1, 2)
    node.rows.append(node)  # no
    node.rows[0] = 7
    node.rows[0] = node  # no
    text: str = node.n  # no
    follow: Node = node.next  # no
    missing = node.nothing  # no
    nodes = heap.new_slice(Node, 3)
    nodes[0] = node
    nodes[0] = other  # no
    wrong: Other = nodes[0]  # no
    batch = heap.build(Node, 3)
    wrong = batch[0]  # no
    heap.new(5)  # no
    heap.gc_percent = "100"  # no
    gcsim.Heap(gogc="100")  # no
    gcsim.Heap(100)  # no
    gcsim.Heap(gogcc=100)  # no
    gcsim.struct(5)  # no
    heap.closed = True  # no
    heap.collect(1)  # no
    heap.nothing()  # no
    gcsim.nothing()  # no
    print(text, follow, missing, wrong)
