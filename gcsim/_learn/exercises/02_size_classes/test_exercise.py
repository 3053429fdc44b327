"""What exercise.py has to pass. The random cases are other ones each time."""

import random

import pytest

import gcsim
from gcsim.learn import exact


def wanted(size, pointers):
    """What the allocator says, and what it does: the size class and the slot of a real object."""
    if size == 0:
        return 0
    known = gcsim.size_class(size, noscan=not pointers)
    return 16 if known.tiny else known.slot_bytes


def real_slot(heap, size, pointers):
    """Bytes by which a heap grows when it makes such an object."""
    words = gcsim.array[gcsim.ptr[gcsim.u8], size // 8] if pointers else gcsim.array[gcsim.u8, size]
    before = heap.memstats().total_alloc
    kept = heap.new(words)
    grown = heap.memstats().total_alloc - before
    del kept
    return grown


@pytest.mark.parametrize(
    ("size", "pointers", "slot"),
    [
        (1, False, 16),
        (15, False, 16),
        (16, False, 16),
        (8, True, 8),
        (17, False, 24),
        (100, False, 112),
        (512, True, 512),
        (520, True, 576),
        (1024, False, 1024),
        (1024, True, 1152),
        (32760, True, 32768),
        (32760, False, 32768),
        (32768, False, 32768),
        (32769, False, 40960),
    ],
)
def test_known_requests(exercise, size, pointers, slot):
    """MemStats.TotalAlloc grows by these numbers when Go makes such objects."""
    exact(exercise.slot(size, pointers), slot, f"slot({size}, pointers={pointers})")


def test_a_request_for_nothing(exercise):
    """All objects of size 0 have one address in Go, runtime.zerobase, and no memory."""
    exact(exercise.slot(0, False), 0, "slot(0, False)")
    exact(exercise.slot(0, True), 0, "slot(0, True)")
    exact(exercise.waste(0, False), 0.0, "waste(0, False)")


@pytest.mark.gc_seeds(10)
def test_what_the_allocator_does(exercise, heap, seed):
    """A real heap is asked: the object is made, and the bytes counted."""
    dice = random.Random(seed)
    for _ in range(20):
        pointers = dice.random() < 0.5
        size = dice.choice([dice.randrange(16, 700), dice.randrange(16, 70_000)]) // 8 * 8
        exact(
            exercise.slot(size, pointers),
            real_slot(heap, size, pointers),
            f"slot({size}, pointers={pointers})",
        )


def test_every_small_size(exercise):
    """Each of the sizes has its class: an allocator with a gap would write over its neighbours."""
    for pointers in (False, True):
        for size in range(8 if pointers else 1, 33_000, 8 if pointers else 1):
            got, want = exercise.slot(size, pointers), wanted(size, pointers)
            if type(got) is not int or got != want:
                exact(got, want, f"slot({size}, pointers={pointers})")


@pytest.mark.parametrize(
    ("size", "pointers", "waste"),
    [
        (8, False, 0.0),
        (15, False, 0.0),
        (16, False, 0.0),
        (24, True, 0.0),
        (33, False, 0.3125),
        (768, True, 1 - 768 / 896),
    ],
)
def test_known_waste(exercise, size, pointers, waste):
    """The chapter's numbers: what a slot has and the object does not use."""
    got = exercise.waste(size, pointers)
    assert type(got) is float, (
        f"waste({size}, pointers={pointers}): expected a float, found {got!r}"
    )
    assert abs(got - waste) < 1e-9, (
        f"waste({size}, pointers={pointers}): expected {waste}, found {got}"
    )


@pytest.mark.gc_seeds(10)
def test_waste(exercise, seed):
    """33 bytes take 48: where millions of objects are alike, this is what to look at."""
    dice = random.Random(seed)
    for _ in range(50):
        pointers = dice.random() < 0.5
        size = dice.randrange(8, 40_000) // 8 * 8
        tiny = not pointers and size < 16
        want = 0.0 if tiny else 1 - size / wanted(size, pointers)
        got = exercise.waste(size, pointers)
        assert type(got) is float, (
            f"waste({size}, pointers={pointers}): expected a float, found {got!r}"
        )
        assert abs(got - want) < 1e-9, (
            f"waste({size}, pointers={pointers}): expected {want}, found {got}"
        )
