"""Checks a file of Chrome's trace format by the rules of its specification.

"Trace Event Format" (Google, 2016): an object with ``traceEvents``; each event has a phase, a
process and a thread; times are microseconds; B and E pair up like brackets within each thread;
counters have numbers for arguments. It shares no code with what writes such files.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from typing import Any, NamedTuple


class Checked(NamedTuple):
    """What a sound file has: slices as (thread name, name, begin, end, depth), counters as
    name -> [(time, value)], instants as (thread name, name, time)."""

    slices: list[tuple[str, str, float, float, int]]
    counters: dict[str, list[tuple[float, float]]]
    instants: list[tuple[str, str, float]]
    args: dict[str, list[dict[str, Any]]]


NEEDED = {
    "B": {"ph", "ts", "pid", "tid", "name"},
    "E": {"ph", "ts", "pid", "tid"},
    "i": {"ph", "ts", "pid", "tid", "name", "s"},
    "C": {"ph", "ts", "pid", "name", "args"},
    "M": {"ph", "pid", "name", "args"},
}


def check(text: str) -> Checked:
    """AssertionError says what is wrong."""
    whole = json.loads(text)
    assert isinstance(whole, dict), "the object form"
    assert whole["displayTimeUnit"] in ("ms", "ns")
    names: dict[tuple[int, int], str] = {}
    open_: dict[tuple[int, int], list[tuple[str, float]]] = defaultdict(list)
    found = Checked([], defaultdict(list), [], defaultdict(list))
    last = -math.inf
    for place, event in enumerate(whole["traceEvents"]):
        phase = event["ph"]
        assert phase in NEEDED, f"event {place}: phase {phase!r}"
        assert NEEDED[phase] <= event.keys(), f"event {place}: {event}"
        if phase == "M":
            assert event["name"] in ("process_name", "thread_name", "thread_sort_index")
            if event["name"] == "thread_name":
                names[event["pid"], event["tid"]] = event["args"]["name"]
            continue
        time = event["ts"]
        assert isinstance(time, (int, float)) and math.isfinite(time) and time >= 0
        assert time >= last, f"event {place}: time goes back from {last} to {time}"
        last = time
        if phase == "C":
            (value,) = event["args"].values()
            assert isinstance(value, (int, float)) and value >= 0
            found.counters[event["name"]].append((time, value))
            continue
        thread = event["pid"], event["tid"]
        assert isinstance(thread[0], int) and isinstance(thread[1], int) and thread[1] > 0
        assert thread in names, f"event {place}: a thread without a name"
        if phase == "i":
            assert event["s"] in ("g", "p", "t")
            found.instants.append((names[thread], event["name"], time))
        elif phase == "B":
            open_[thread].append((event["name"], time))
            found.args[event["name"]].append(event.get("args", {}))
        else:
            assert open_[thread], f"event {place}: an end without a beginning"
            name, began = open_[thread].pop()
            assert event.get("name", name) == name, f"event {place}: ends {name!r} as another"
            found.slices.append((names[thread], name, began, time, len(open_[thread])))
    assert not any(open_.values()), "slices without an end"
    return found
