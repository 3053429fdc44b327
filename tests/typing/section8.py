"""The whole API in one block: what a program may write. Type checkers accept all of it; test_typing.py runs it.

Statements of parts that this version does not have raise NotThereYetError when they run.
"""

from array import array as buffer
from collections.abc import Iterator
from typing import Literal

import gcsim
from gcsim import array, i64, ptr, u8

count = 4
index_buffer = buffer("i", [1, 2, 3, -1])
with gcsim.Heap() as before:
    older = before.snapshot()


def program() -> Iterator[str]:
    yield "x = global 0"
    yield "x.0 = nil"


# --- the block


@gcsim.struct
class Node:
    next: ptr["Node"]
    n: i64
    tag: array[u8, Literal[3]]


gcsim.layout(Node)
gcsim.sizeof(Node), gcsim.offsetof(Node, "n"), gcsim.alignof(Node), gcsim.size_class(100)

with gcsim.Heap(
    gogc=100,
    memory_limit="64MiB",
    procs=2,
    era="1.26",
    barrier="hybrid",
    mark="object",
    seed=7,
) as heap:
    g = heap.goroutine("main")
    with g.frame("build", head=ptr[Node]) as fr:
        fr.head = heap.new(Node, n=0)
    heap.globals["cache"] = heap.new(Node, n=1)
    nodes = heap.new_slice(Node, 1000)
    batch = heap.build(Node, count, links={"next": index_buffer}, roots=[0])
    node = heap.globals["cache"]
    node.next = None
    cycle = heap.collect()
    print(cycle.why)
    heap.gc_percent = 50
    heap.memory_limit = 1 << 30
    heap.memstats()
    heap.gc_stats()
    heap.metrics["/gc/heap/goal:bytes"]
    heap.verify()
    heap.events()
    heap.spans()
    heap.handles()
    snap = heap.snapshot()
    snap.why_alive(node)
    snap.dominators()
    snap.retained(node)
    snap.diff(older)
    snap.write("x.heapsnapshot")

heap = gcsim.open_go_dump("service.dump").load()

with gcsim.Heap(mode="steps") as h:
    c = h.begin_cycle()
    c.step()
    c.run_until("mark termination")
    c.back()
    c.view()
gcsim.explore(program, barrier="yuasa").schedule  # noqa: B018
