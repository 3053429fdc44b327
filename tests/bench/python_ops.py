"""Times operations of the Python face: a JSON object of {operation: [ns, ...]} on standard output.

Run by run.py, which pools the samples of several processes. A sample is the time of a long loop
with the statement written out many times in its body, divided by the number of statements.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from array import array
from timeit import Timer
from typing import Any

import gcsim
from gcsim import i64, ptr

UNROLL = 50
NODES = 1 << 20


@gcsim.struct
class Number:
    n: i64


@gcsim.struct
class Node:
    next: ptr["Node"]
    n: i64


STATEMENTS = {
    "new": "heap.new(Number)",
    "new_with_value": "heap.new(Number, n=7)",
    "int_get": "node.n",
    "int_set": "node.n = 7",
    "ref_get": "node.next",
    "ref_set": "node.next = other",
}


def operations(heap: Any, loops: int, rounds: int) -> dict[str, list[float]]:
    node, other = heap.new(Node, n=1), heap.new(Node, n=2)
    node.next = other
    names = {"heap": heap, "node": node, "other": other, "Number": Number}
    samples: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    timers = {
        name: Timer("\n".join([statement] * UNROLL), globals=names)
        for name, statement in STATEMENTS.items()
    }
    for timer in timers.values():
        timer.timeit(loops)  # warm-up
    for _ in range(rounds):
        for name, timer in timers.items():
            samples[name].append(timer.timeit(loops) / loops / UNROLL * 1e9)
    if (node.n, node.next) != (7, other):
        sys.exit("the fields hold something else than was written")
    return samples


def bulk_build(heap: Any, rounds: int) -> list[float]:
    """Whole linked lists from one index column."""
    links = array("i", [*range(1, NODES), -1])
    samples = []
    for i in range(rounds + 1):
        start = time.perf_counter_ns()
        batch = heap.build(Node, NODES, links={"next": links})
        ns = (time.perf_counter_ns() - start) / NODES
        if i:  # the first is the warm-up
            samples.append(ns)
        if batch[0].next != batch[1] or batch[NODES - 1].next is not None:
            sys.exit("the batch is linked in another way than the column says")
        del batch
        heap.collect()
    return samples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--loops", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with gcsim.Heap() as heap:
        samples = operations(heap, args.loops, args.rounds)
    with gcsim.Heap() as heap:
        samples["build"] = bulk_build(heap, args.rounds)
    print(json.dumps(samples))


if __name__ == "__main__":
    main()
