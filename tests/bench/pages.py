"""Builds and marks one graph behind huge pages and behind small ones, and prints the ratios.

python tests/bench/pages.py [objects]      default 2**21: 64 MiB of nodes of 32 bytes

Each node leads to two others at random, so that marking jumps about: with the engine that asks for memory ahead (mixed, the default)
and with the one that waits for each field (field). The heaps take turns, and what is compared is the least CPU time of each: what is left
when nothing disturbed it.
"""

from __future__ import annotations

import random
import sys
import time
from array import array

import gcsim
from gcsim import i64, ptr

BUILDS, TURNS = 3, 9


@gcsim.struct
class Node:
    left: ptr["Node"]
    right: ptr["Node"]
    n: i64
    m: i64


def a_heap(huge: bool, mark: str, links: dict[str, array[int]], objects: int) -> gcsim.Heap:
    heap = gcsim.Heap(gogc=None, procs=1, huge_pages=huge, mark=mark)
    heap.globals["root"] = heap.build(Node, objects, links=links, roots=[0])[0]
    return heap


def a_graph(objects: int) -> dict[str, array[int]]:
    """One way round through all nodes in an order of chance, and a node of chance for each."""
    rng = random.Random(1)
    order = list(range(1, objects))
    rng.shuffle(order)
    left = array("i", [0]) * objects
    at = 0
    for node in order:
        left[at] = at = node
    return {"left": left, "right": array("i", (rng.randrange(objects) for _ in range(objects)))}


def compare(mark: str, links: dict[str, array[int]], objects: int) -> None:
    heaps: dict[str, gcsim.Heap] = {}
    built = {"huge": float("inf"), "small": float("inf")}
    for _ in range(BUILDS):
        for name in built:
            if name in heaps:
                heaps[name].close()
            began = time.process_time_ns()
            heaps[name] = a_heap(name == "huge", mark, links, objects)
            built[name] = min(built[name], (time.process_time_ns() - began) / objects)
    least = dict.fromkeys(heaps, float("inf"))
    for _ in range(TURNS):
        for name, heap in heaps.items():
            began = time.process_time_ns()
            cycle = heap.collect()
            least[name] = min(least[name], (time.process_time_ns() - began) / cycle.objects_marked)
    for name, heap in heaps.items():
        print(
            f"{mark:>6} {name:>6}: built {built[name]:6.2f}, collected {least[name]:6.2f} ns an object; "
            f"{heap.huge_pages.note}"
        )
        heap.close()
    print(
        f"{mark:>6} small / huge: built {built['small'] / built['huge']:.2f}, "
        f"collected {least['small'] / least['huge']:.2f}"
    )


def main() -> None:
    objects = int(sys.argv[1]) if len(sys.argv) > 1 else 1 << 21
    links = a_graph(objects)
    for mark in ("mixed", "field"):
        compare(mark, links, objects)


if __name__ == "__main__":
    main()
