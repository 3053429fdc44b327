"""Objects that an unsound barrier loses are seen, not suffered: who follows a pointer to one gets a
LostObjectError that says how it came about."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import pytest

import gcsim
from gcsim import ptr


@gcsim.struct
class Node:
    next: ptr["Node"]
    n: int


ARENA = 64 << 20  # what a heap is aligned to


class World:
    """Globals a and k; a's next is b. A cycle has come to step `k`."""

    def __init__(self, steps: int, events: int = 4096, **options: Any) -> None:
        self.heap = gcsim.Heap(
            mode="steps", gogc=None, reserve="64MiB", mark="field", events=events, **options
        )
        self.frame = self.heap.goroutine("main").push("f", x=ptr[Node])
        a, b, k = (self.heap.new(Node, n=n) for n in range(3))
        a.next = b
        self.heap.globals["a"], self.heap.globals["k"] = a, k
        self.b = gcsim.address(b)
        del a, b, k
        self.cycle = self.heap.begin_cycle()
        self.cycle.step(steps)

    def to_frame(self) -> None:
        """From an object into a frame that was scanned: only the deletion could have been seen."""
        self.frame.x = self.heap.globals["a"].next
        self.heap.globals["a"].next = None

    def to_object(self) -> None:
        self.heap.globals["k"].next = self.heap.globals["a"].next
        self.heap.globals["a"].next = None

    def new(self) -> None:
        self.frame.x = self.heap.new(Node, n=9)


def losses(
    do: Callable[[World], object], touch: Callable[[World], object], **options: Any
) -> list[tuple[World, gcsim.LostObjectError]]:
    """What is lost if it is done after 1, 2, ... steps of the cycle."""
    found = []
    for steps in range(1, 26):
        world = World(steps, **options)
        do(world)
        world.cycle.finish()
        try:
            touch(world)
        except gcsim.LostObjectError as error:
            found.append((world, error))
    return found


LOSE = {
    "frame": (World.to_frame, lambda w: w.frame.x),
    "object": (World.to_object, lambda w: w.heap.globals["k"].next),
}


@pytest.mark.parametrize("way", LOSE)
def test_a_lost_object_is_an_error_that_names_the_store(way: str) -> None:
    do, touch = LOSE[way]
    found = losses(do, touch, barrier="none")
    assert found
    for world, error in found:
        assert isinstance(error, gcsim.Error) and isinstance(error, ReferenceError)
        assert (error.cycle, error.address, error.slot) == (1, world.b, 1)
        assert error.span == world.b % ARENA // 8192
        slot = gcsim.address(world.heap.globals["a"]) % ARENA
        assert error.store and f"overwrote the pointer to it at +{slot:#x}" in error.store
        assert error.schedule == world.cycle.schedule and error.schedule in str(error)
        with pytest.raises(gcsim.LostObjectError):  # each time, and with the heap as it was
            touch(world)
        assert world.heap.globals["k"].n == 2
        at = world.cycle.step_number
        world.cycle.goto(0)  # where it is still there
        assert world.heap.globals["a"].next.n == 1
        assert at > 20


@pytest.mark.parametrize("way", LOSE)
@pytest.mark.parametrize("barrier", ["hybrid", "dijkstra", "yuasa", "steele"])
def test_what_is_sound_loses_nothing(way: str, barrier: str) -> None:
    assert not losses(*LOSE[way], barrier=barrier)


def test_a_reference_to_what_was_lost_is_refused_for_reading_and_writing() -> None:
    kept: list[Any] = []

    def new(world: World) -> None:
        kept.append(world.heap.new(Node, n=9))

    found = losses(new, lambda _: kept[-1].n, barrier="none", allocate="white")
    assert found
    error = found[0][1]
    assert error.store is None and "not known" in str(error)
    lost = [node for node in kept if is_lost(node)]
    assert len(lost) == len(found)
    for node in lost:
        with pytest.raises(gcsim.LostObjectError):
            node.n = 1
        with pytest.raises(gcsim.LostObjectError):
            node.next = None
        with pytest.raises(gcsim.LostObjectError):
            _ = node.next
        assert "Node" in repr(node)  # never raises


def is_lost(node: Any) -> bool:
    try:
        return node.n != 9
    except gcsim.LostObjectError:
        return True


def test_a_frame_that_leads_to_a_white_new_object_is_an_error() -> None:
    found = losses(World.new, lambda w: w.frame.x, barrier="none", allocate="white")
    assert found and found[0][1].slot == 3


def test_without_events_the_store_is_not_known() -> None:
    found = losses(*LOSE["object"], barrier="none", events=0)
    assert found and found[0][1].store is None


def test_what_is_freed_in_an_unsound_heap_is_poisoned() -> None:
    with gcsim.Heap(mode="steps", barrier="none", gogc=None, reserve="64MiB") as heap:
        node = heap.new(Node, n=7)
        keep = heap.new(Node, n=8)  # the span lives on
        at = gcsim.address(node)
        del node
        heap.collect()
        assert ctypes.c_uint64.from_address(at).value == 0xDEADBEEFDEADBEEF
        assert keep.n == 8
