"""One workload on one heap, in a process of its own: prints its figures and every cycle as JSON.

    reach_run.py '{"workload": "graph", "heap": {"procs": 2}, "run": {"threads": 2}}'

`workload` is a built-in one or the path of a C file; `heap` are options of gcsim.Heap, `run` those
of Workload.run. tests/bench/reach.py starts it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import gcsim

# Of each cycle; `stops` is a list.
FIELDS = (
    "number",
    "procs",
    "since_ns",
    "stops",
    "stopping1_ns",
    "stopping2_ns",
    "mark_ns",
    "background_ns",
    "idle_ns",
    "assist_ns",
    "heap_marked",
    "heap_end",
    "gc_cpu_fraction",
)


def measure(spec: dict[str, Any]) -> dict[str, Any]:
    name = spec["workload"]
    workload = gcsim.workloads[name] if name in gcsim.workloads else gcsim.workload(Path(name))
    with gcsim.Heap(**spec["heap"]) as heap:
        result = workload.run(heap, **spec["run"])
        cycles = heap.cycles
        return {
            "wall_s": result.wall_s,
            "cpu_s": result.cpu_s,
            "checksum": result.checksum,
            "unseen_cycles": result.unseen_cycles,
            "cycles": [
                {f: getattr(c, f) for f in FIELDS} | {"limited": c.limiter.limited} for c in cycles
            ],
        }


if __name__ == "__main__":
    json.dump(measure(json.loads(sys.argv[1])), sys.stdout)
