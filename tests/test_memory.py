"""What heaps cost in resident memory, as the kernel counts it, in processes of their own.

The C programs are those of tests/bench, built with the release flags whatever mode is tested.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent / "bench"))
import programs

pytestmark = pytest.mark.slow

KIB = 1024
EMPTY_HEAP_LIMIT = 256 * KIB
PAYLOAD_RATIO_LIMIT = 1.10
FLAT = 256 * KIB  # growth that is none: what 1,000 heaps would leave if each forgot 256 bytes


def output(*words: str) -> dict[str, Any]:
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def resident(*arguments: str) -> dict[str, Any]:
    return output(str(programs.c_program("resident")), *arguments)


def test_an_empty_heap_takes_at_most_256_kib() -> None:
    sizes = resident("empty")
    assert 0 < sizes["empty_bytes"] <= EMPTY_HEAP_LIMIT
    assert 0 < sizes["used_bytes"] <= EMPTY_HEAP_LIMIT


def test_ten_million_16_byte_objects_take_at_most_a_tenth_over_their_bytes() -> None:
    ratios = resident("objects", "10000000")
    assert 1 <= ratios["payload_ratio"] <= PAYLOAD_RATIO_LIMIT
    assert 1 <= ratios["collected_ratio"] <= PAYLOAD_RATIO_LIMIT


def test_two_thousand_heaps_in_turn_leave_nothing_behind() -> None:
    growth = resident("heaps", "2000")
    assert growth["growth_bytes"] <= FLAT
    assert growth["reserved_growth_bytes"] <= FLAT


PYTHON_PROGRAM = """
import json
import gcsim
from gcsim import i64, ptr

@gcsim.struct
class Node:
    next: ptr["Node"]
    n: i64

def status(key):
    path, name = key
    for line in open(path):
        if line.startswith(name):
            return int(line.split()[1]) * 1024

RESIDENT, RESERVED = ("/proc/self/smaps_rollup", "Rss:"), ("/proc/self/status", "VmSize:")

def one_heap():
    with gcsim.Heap() as heap:
        first = heap.new(Node, n=1)
        first.next = heap.new(Node, n=2)

one_heap()
status(RESIDENT), status(RESERVED)
before = status(RESIDENT)
heap = gcsim.Heap()
empty = status(RESIDENT) - before
heap.close()
for i in range(200):
    one_heap()
resident, reserved = status(RESIDENT), status(RESERVED)
for i in range(1000):
    one_heap()
print(json.dumps({
    "empty_bytes": empty,
    "growth_bytes": status(RESIDENT) - resident,
    "reserved_growth_bytes": status(RESERVED) - reserved,
}))
"""


@pytest.fixture(scope="module")
def python_sizes() -> dict[str, Any]:
    return output(sys.executable, "-c", PYTHON_PROGRAM)


def test_an_empty_heap_from_python_takes_at_most_256_kib(python_sizes: dict[str, Any]) -> None:
    assert 0 < python_sizes["empty_bytes"] <= EMPTY_HEAP_LIMIT


def test_a_thousand_heaps_from_python_leave_nothing_behind(python_sizes: dict[str, Any]) -> None:
    assert python_sizes["growth_bytes"] <= FLAT
    assert python_sizes["reserved_growth_bytes"] <= FLAT
