"""Times stepping and exploring from Python: a JSON object of {figure: [value, ...]} on standard output.

Steps and ways back are of one cycle of a heap with a list of nodes; transitions of the free choice of two
mutators with two objects, a barrier buffer of no entry, until the space is closed.
"""

from __future__ import annotations

import json
import random
import sys
import time

import gcsim
from gcsim import ptr

NODES, WAYS, PASSES = 5000, 300, 3


@gcsim.struct
class Node:
    next: ptr["Node"]
    other: ptr["Node"]


def a_cycle(samples: dict[str, list[float]], rng: random.Random) -> None:
    with gcsim.Heap(mode="steps", gogc=None) as heap:
        head = None
        for _ in range(NODES):
            head = heap.new(Node, next=head, other=head)
        c = heap.begin_cycle()
        steps, began = 0, time.perf_counter()
        while not c.ended:
            c.step()
            steps += 1
        samples["step_ns"].append((time.perf_counter() - began) / steps * 1e9)
        end = c.step_number
        for _ in range(WAYS):
            c.goto(rng.randrange(end // 2, end + 1))
            at, n = c.step_number, rng.randrange(1, 100)
            began = time.perf_counter()
            c.back(n)
            samples["back_us"].append((time.perf_counter() - began) * 1e6)
            if c.step_number != at - n:
                sys.exit(f"back({n}) from {at} led to {c.step_number}")


def main() -> None:
    samples: dict[str, list[float]] = {"step_ns": [], "back_us": [], "transition_ns": []}
    rng = random.Random(5)
    for _ in range(PASSES):
        a_cycle(samples, rng)
    found = gcsim.explore("free", mutators=2, objects=2)
    if not found:
        sys.exit(f"the hybrid barrier is not sound? {found}")
    samples["transition_ns"].append(found.seconds / found.transitions * 1e9)
    samples["check"] = [float(found.states)]
    print(json.dumps(samples))


if __name__ == "__main__":
    main()
