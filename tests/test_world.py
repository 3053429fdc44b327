"""A heap in step mode is a value: its world can be marked, rewound and hashed between calls.

A random program runs on a raw heap. At marks the test copies every committed byte of the world by
itself; after a rewind all of them must be as they were, and the same program from there must lead to
the same bytes again.
"""

from __future__ import annotations

import ctypes
import os
import random
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

lowlevel = pytest.importorskip("gcsim.lowlevel", exc_type=ImportError)
ffi, whitebox = lowlevel.ffi, lowlevel.whitebox_steps

SOAK = os.environ.get("GCSIM_SOAK") == "1"
WORLD_H = (Path(__file__).parents[1] / "csrc/base/world.h").read_text()
NAMES = re.findall(r"^    REGION_(\w+),", WORLD_H, re.MULTILINE)
REGIONS = len(NAMES)
HISTORY, ARENA, COROUTINES = map(NAMES.index, ("HISTORY", "ARENA", "COROUTINES"))
SIZES = (
    (16, True),
    (24, True),
    (1, False),
    (7, False),
    (64, False),
    (600, True),
    (9000, True),
    (40_000, False),
)


def memory(address: int, size: int) -> bytes:
    return ctypes.string_at(address, size)


@dataclass
class Held:
    """What the program holds. Copied at a mark: a rewound heap knows nothing of what came later."""

    handles: list[Any] = field(default_factory=list)
    weak: list[Any] = field(default_factory=list)
    globals: list[Any] = field(default_factory=list)
    goroutines: list[Any] = field(default_factory=list)
    batches: list[Any] = field(default_factory=list)

    def copy(self) -> Held:
        return Held(*(list(value) for value in vars(self).values()))


class Program:
    """Random calls of the C API on one heap; what they do depends on the seed and the heap alone."""

    def __init__(self, **options: int) -> None:
        self.raw = lowlevel.RawHeap(steps=True, **options)
        self.api, self.heap, self.m = self.raw.api, self.raw.heap, self.raw.mutator
        self.types = [self.raw.type_of(*size) for size in SIZES]
        self.name = self.intern(b"name")
        self.held = Held()
        self.world = self.find_world()

    def intern(self, text: bytes) -> int:
        name = ffi.new("uint32_t *")
        assert self.api.name_intern(self.heap, text, name) == 0
        return int(name[0])

    def find_world(self) -> int:
        """Its header opens with its own address, shortly before the heap."""
        at = int(ffi.cast("uintptr_t", self.heap)) & -8
        for back in range(0, 4096, 8):
            if ctypes.c_uint64.from_address(at - back).value == at - back:
                return at - back
        raise AssertionError("the world's header is not where it was")

    def regions(self) -> Iterator[tuple[int, int]]:
        """Address and committed bytes of each region."""
        words = struct.unpack(f"={REGIONS * 3}Q", memory(self.world + 16, REGIONS * 24))
        for r in range(REGIONS):
            offset, _, committed = words[3 * r : 3 * r + 3]
            yield self.world + offset, committed

    def image(self) -> list[bytes]:
        return [memory(address, size) for address, size in self.regions()]

    def hash(self) -> int:
        return int(whitebox.world_hash(self.heap))

    def target(self, rng: random.Random) -> Any:
        handles = self.held.handles
        return rng.choice(handles).ptr if handles and rng.random() < 0.8 else ffi.NULL

    def call(self, rng: random.Random) -> None:
        held, api, m = self.held, self.api, self.m
        kind = rng.randrange(16)
        if kind < 6:
            p = api.new_slow(m, rng.choice(self.types))
            assert p
            handle = api.handle_new(m, p)
            if rng.random() < 0.7:
                held.handles.append(handle)
            else:
                api.handle_drop(self.heap, handle)
        elif kind < 9 and held.handles:
            source = rng.choice(held.handles).ptr
            found = ffi.new("gcsim_object *")
            assert api.find_object(self.heap, source, found) == 0
            if not found.noscan:
                api.store_slow(m, ffi.cast("void **", source), self.target(rng))
        elif kind == 9 and held.handles:
            api.handle_drop(self.heap, held.handles.pop(rng.randrange(len(held.handles))))
        elif kind == 10 and held.handles:
            held.weak.append(api.weak_new(m, rng.choice(held.handles).ptr))
        elif kind == 11:
            if held.globals and rng.random() < 0.4:
                api.global_drop(m, held.globals.pop())
            else:
                held.globals.append(api.global_new(m, self.name))
                api.store_slow(m, held.globals[-1].words, self.target(rng))
        elif kind == 12:
            if held.goroutines and rng.random() < 0.3:
                api.goroutine_end(m, held.goroutines.pop(0))
            else:
                held.goroutines.append(api.goroutine_new(m, self.name))
        elif kind == 13 and held.goroutines:
            goroutine = rng.choice(held.goroutines)
            for _ in range(rng.randrange(40)):
                assert api.frame_push(m, goroutine, self.types[1], self.name) != (1 << 64) - 1
            if rng.random() < 0.5:
                while goroutine.depth:
                    assert api.frame_pop(m, goroutine) == 0
        elif kind == 14:
            types = ffi.new("gcsim_type *[1]", [rng.choice(self.types[:4])])
            what = ffi.new(
                "gcsim_build *", {"count": rng.randrange(300), "types": types, "ntypes": 1}
            )
            batch = api.build(m, what)
            assert batch
            batch.strong = rng.random() < 0.3
            held.batches.append(batch)
            if len(held.batches) > 3:
                api.batch_drop(m, held.batches.pop(0))
        elif rng.random() < 0.4:
            assert api.collect(m) == 0
        else:
            api.set_gc_percent(m, rng.choice([100, 10, -1]))

    def run(self, seed: int, calls: int) -> None:
        rng = random.Random(seed)
        for _ in range(calls):
            self.call(rng)


class Log:
    """Marks of a world, with the test's own copies."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.log = whitebox.world_log_create(program.heap)
        assert self.log
        self.kept: list[tuple[list[bytes], int, Held]] = []

    def mark(self) -> int:
        number = int(whitebox.world_log_mark(self.log))
        assert number == len(self.kept)
        program = self.program
        self.kept.append((program.image(), program.hash(), program.held.copy()))
        return number

    def rewind(self, number: int) -> None:
        assert whitebox.world_log_rewind(self.log, number)
        image, value, held = self.kept[number]
        del self.kept[number + 1 :]
        self.program.held = held.copy()
        assert_same(self.program.image(), image)
        assert self.program.hash() == value

    def lines(self) -> int:
        return int(whitebox.world_log_lines(self.log))

    def close(self) -> None:
        whitebox.world_log_destroy(self.log)


def assert_same(ours: list[bytes], kept: list[bytes], but: tuple[int, ...] = ()) -> None:
    for r in range(REGIONS):
        if r not in but and ours[r] != kept[r]:
            assert len(ours[r]) == len(kept[r]), f"region {r} is committed otherwise"
            at = next(i for i in range(len(kept[r])) if ours[r][i] != kept[r][i])
            raise AssertionError(f"region {r} differs at byte {at:#x}")


@pytest.fixture(params=["object", "field", "span"])
def program(request: pytest.FixtureRequest) -> Iterator[Program]:
    engine = {"object": 2, "field": 1, "span": 3}[request.param]
    program = Program(mark_engine=engine, reserve_bytes=64 << 20, gc_percent=50)
    yield program
    assert program.raw.verify() == []


@pytest.mark.parametrize("seed", range(40 if SOAK else 4))
def test_rewinding_restores_every_byte_and_time_runs_the_same_again(
    program: Program, seed: int
) -> None:
    rng = random.Random(seed)
    log = Log(program)
    after: dict[int, tuple[list[bytes], int]] = {}  # where mark n, and step n from there, leads
    log.mark()
    for _ in range(40):
        if rng.random() < 0.6:
            number = len(log.kept) - 1
            program.run(seed * 1000 + number, 25)
            log.mark()
            image, value, _ = log.kept[-1]
            if number in after:
                assert_same(image, after[number][0], but=(COROUTINES,))  # dead bytes of stacks
                assert value == after[number][1], "the same program led elsewhere"
            after[number] = (image, value)
        else:
            program.run(rng.randrange(1 << 30), rng.randrange(60))  # off the road, and back
            number = rng.randrange(len(log.kept))
            log.rewind(number)
        if rng.random() < 0.2:
            assert program.raw.verify() == []
            log.rewind(len(log.kept) - 1)  # looking takes time too
    log.rewind(0)
    assert program.held == Held()
    log.close()


def test_a_rewound_heap_lives_on(program: Program) -> None:
    log = Log(program)
    program.run(1, 200)
    log.mark()
    for seed in range(10):
        program.run(seed, 300)
        assert program.api.collect(program.m) == 0
        log.rewind(0)
        assert program.raw.verify() == []
    program.run(99, 500)
    assert program.api.collect(program.m) == 0
    log.close()


def test_growth_is_undone_and_done_again(program: Program) -> None:
    """Also regions that were committed after the mark: they read as zero when they are committed again."""
    log = Log(program)
    log.mark()
    for _ in range(3):
        kept = [program.raw.keep(program.raw.allocate(40_000, False)) for _ in range(400)]
        for handle in kept:
            assert memory(int(ffi.cast("uintptr_t", handle.ptr)), 40_000) == bytes(40_000)
            ffi.memmove(handle.ptr, b"\xff" * 40_000, 40_000)
        assert program.raw.verify() == []
        log.rewind(0)
        assert program.raw.verify() == []
    log.close()


def test_a_mark_keeps_what_changed_and_no_more(program: Program) -> None:
    program.run(5, 300)
    log = Log(program)
    log.mark()
    begin = log.lines()
    log.mark()
    assert log.lines() == begin, "nothing changed"
    program.raw.allocate(16, True)
    log.mark()
    assert 0 < log.lines() - begin < 64
    lines = log.lines()
    program.run(6, 200)
    log.mark()
    assert log.lines() > lines
    log.rewind(2)
    log.mark()
    assert log.lines() == lines, "a new mark forgets what lay ahead"
    log.close()


def test_there_is_no_way_to_a_mark_that_is_not_kept(program: Program) -> None:
    log = Log(program)
    assert not whitebox.world_log_rewind(log.log, 0) and not whitebox.world_log_rewind(log.log, -1)
    log.mark()
    log.mark()
    log.rewind(0)
    before = program.image()
    assert whitebox.world_log_rewind(log.log, 1), "forward again to one that is kept"
    log.rewind(0)
    log.mark()
    assert not whitebox.world_log_rewind(log.log, 2)
    assert_same(program.image(), before)
    log.close()


def test_hashes_tell_states_apart_and_history_does_not_count(program: Program) -> None:
    program.run(7, 50)
    log = Log(program)
    log.mark()
    seen = {program.hash()}
    for _ in range(300):
        program.raw.allocate(16, True)
        seen.add(program.hash())
    assert len(seen) == 301, "each allocation is another state"
    log.rewind(0)
    for seed in range(30):
        program.run(seed, 10)
        seen.add(program.hash())
        log.rewind(0)
    assert len(seen) > 320
    events, size = list(program.regions())[HISTORY]
    value = program.hash()
    assert size > 64
    last = ctypes.c_uint8.from_address(events + size - 1)
    last.value ^= 0xFF
    assert program.hash() == value
    last.value ^= 0xFF
    address, size = list(program.regions())[ARENA]
    first = ctypes.c_uint8.from_address(address + size - 1)
    first.value ^= 0xFF
    assert program.hash() != value
    first.value ^= 0xFF
    assert program.hash() == value
    log.close()


def test_two_worlds_do_not_know_of_each_other() -> None:
    one, two = Program(reserve_bytes=32 << 20), Program(reserve_bytes=32 << 20)
    first, second = Log(one), Log(two)
    first.mark()
    second.mark()
    one.run(1, 200)
    before = two.image()
    first.rewind(0)
    assert_same(two.image(), before)
    two.run(1, 200)
    middle = one.image()
    second.rewind(0)
    assert_same(one.image(), middle)
    first.close()
    second.close()
