"""Trees of Python: built and collected by gcsim, or CPython's own objects and gc.collect().

    python tree.py one|bulk|own|own-gc DEPTH tree|random ROUNDS

one: a heap.new for each node; bulk: one heap.build; own: objects of CPython with its collector off
while they are built; own-gc: with it on. Prints JSON: ns a node to build and to collect it live.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from array import array
from collections.abc import Callable
from random import Random
from typing import Any

import gcsim
from gcsim import ptr


@gcsim.struct
class Node:
    left: ptr["Node"]
    right: ptr["Node"]


class Own:
    __slots__ = ("left", "right")

    def __init__(self, left: Own | None, right: Own | None) -> None:
        self.left = left
        self.right = right


def links(depth: int, shape: str) -> tuple[array[int], array[int]]:
    """Of each node, the numbers of its two targets; -1: none."""
    n = (2 << depth) - 1
    if shape == "tree":
        inner = n // 2
        none = [-1] * (n - inner)
        return (
            array("i", [*range(1, n, 2), *none]),
            array("i", [*range(2, n, 2), *none]),
        )
    seed = Random(1)
    return tuple(array("i", [int(seed.random() * n) for _ in range(n)]) for _ in range(2))  # type: ignore[return-value]


def one_by_one(depth: int, make: Callable[[Any, Any], Any]) -> Any:
    if depth == 0:
        return make(None, None)
    left = one_by_one(depth - 1, make)
    return make(left, one_by_one(depth - 1, make))


def linked(columns: tuple[array[int], array[int]], make: Callable[[Any, Any], Any]) -> Any:
    """All nodes first, then their links; what the first node does not reach is garbage."""
    nodes = [make(None, None) for _ in columns[0]]
    for node, left, right in zip(nodes, *columns, strict=True):
        node.left = nodes[left] if left >= 0 else None
        node.right = nodes[right] if right >= 0 else None
    return nodes[0]


def count(node: Any) -> int:
    nodes, waiting = 0, [node]
    while waiting:
        at = waiting.pop()
        nodes += 1
        if at.left is not None:
            waiting += (at.left, at.right)
    return nodes


def reachable(columns: tuple[array[int], array[int]]) -> int:
    seen, waiting = {0}, [0]
    while waiting:
        at = waiting.pop()
        for to in (columns[0][at], columns[1][at]):
            if to not in seen:
                seen.add(to)
                waiting.append(to)
    return len(seen)


def main() -> None:
    way, depth, shape, rounds = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    n = (2 << depth) - 1
    live = n if shape == "tree" else reachable(links(depth, shape))
    built: list[float] = []
    collected: list[float] = []
    columns = links(depth, shape) if way == "bulk" or shape != "tree" else None
    heap = gcsim.Heap() if way in ("one", "bulk") else None
    if way != "own-gc":
        gc.disable()

    def make_tree() -> Any:
        if way == "bulk":
            assert heap and columns
            return heap.build(Node, n, links={"left": columns[0], "right": columns[1]})
        new = heap.new if heap else None
        make = (lambda left, right: new(Node, left=left, right=right)) if new else Own
        return one_by_one(depth, make) if columns is None else linked(columns, make)

    collect = heap.collect if heap else gc.collect
    for i in range(rounds + 1):
        start = time.perf_counter_ns()
        tree = make_tree()
        ns = (time.perf_counter_ns() - start) / n
        if way == "bulk":
            tree = tree[0]  # without the batch, of all the others
        collect()  # what is only built lies in the cache otherwise than what has been marked once
        start = time.perf_counter_ns()
        collect()
        if i:  # the first is the warm-up
            built.append(ns)
            collected.append((time.perf_counter_ns() - start) / live)
    if shape == "tree" and count(tree) != n:
        sys.exit(f"the tree has {count(tree)} nodes, and should have {n}")
    print(json.dumps({"check": live, "build_ns": built, "collect_ns": collected}))


if __name__ == "__main__":
    main()
