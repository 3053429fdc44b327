"""Times snapshots of 10^6 objects, and the report on a large dump of a Go program.

python tests/bench/snapshots.py            a JSON object of {figure: [value, ...]}
python tests/bench/snapshots.py dump FILE  where FILE is a heap dump: the report in a process of its own

Objects are of a tree, each leading to two, and of a random graph under one root. The first question
after a snapshot waits for all shortest paths, later ones do not.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import time
from array import array
from collections.abc import Callable
from functools import partial
from pathlib import Path

import gcsim
from gcsim import ptr

OBJECTS, ASKED, PASSES = 1_000_000, 100, 3


@gcsim.struct
class Node:
    left: ptr["Node"]
    right: ptr["Node"]


def links(shape: str, rng: random.Random) -> dict[str, array[int]]:
    """Each object but the first is the target of one link or more of an earlier one."""
    n = OBJECTS
    if shape == "tree":
        left = array("q", (2 * i + 1 if 2 * i + 1 < n else -1 for i in range(n)))
        right = array("q", (2 * i + 2 if 2 * i + 2 < n else -1 for i in range(n)))
    else:
        left = array("q", (i + 1 if i + 1 < n else 0 for i in range(n)))
        right = array("q", (rng.randrange(n) for _ in range(n)))
    return {"left": left, "right": right}


def seconds(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


def a_heap(shape: str, rng: random.Random, samples: dict[str, list[float]]) -> None:
    def keep(figure: str, value: float) -> None:
        samples.setdefault(f"{shape}_{figure}", []).append(value)

    with gcsim.Heap(gogc=None) as heap:
        heap.globals["root"] = heap.build(Node, OBJECTS, links=links(shape, rng), roots=[0])[0]
        heap.collect()
        for _ in range(PASSES):
            snap, other = heap.snapshot(), heap.snapshot()
            assert len(snap) >= OBJECTS
            keep("stop_ms", snap.stop_ms)
            keep("dominators_s", seconds(partial(snap.retained, 0)))
            keep("first_ms", 1e3 * seconds(partial(other.why_alive, len(other) - 1)))
            asked = [rng.randrange(len(other)) for _ in range(ASKED)]
            keep("later_ms", 1e3 / ASKED * seconds(partial(list, map(other.why_alive, asked))))


def a_dump(path: Path) -> dict[str, list[float]]:
    """What the report takes: seconds, and its most memory beside the file's bytes."""
    command = [sys.executable, "-m", "gcsim", "heap", str(path)]
    took = seconds(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))
    most = 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    size = path.stat().st_size
    return {"dump_s": [took], "dump_memory": [most / size], "dump_bytes": [float(size)]}


def main(words: list[str]) -> None:
    if words[:1] == ["dump"]:
        print(json.dumps(a_dump(Path(words[1]))))
        return
    samples: dict[str, list[float]] = {"check": [float(OBJECTS)]}
    rng = random.Random(5)
    for shape in ("tree", "random"):
        a_heap(shape, rng, samples)
    print(json.dumps(samples))


if __name__ == "__main__":
    main(sys.argv[1:])
