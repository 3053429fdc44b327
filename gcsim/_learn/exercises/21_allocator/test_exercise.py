"""What exercise.c has to pass. gcsim/data/arena.c calls it, in a process of its own."""

import random
import re
import struct
from pathlib import Path

import pytest

import gcsim
from gcsim._learn.native import Died, compiled
from gcsim.learn import smallest

DRIVER = (Path(gcsim.__file__).parent / "data" / "arena.c").read_text(encoding="utf-8")
DECLARATIONS = """
#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "gcsim/workload.h"
void arena_init(void *, size_t);
void *arena_alloc(size_t);
size_t arena_usable(const void *);
void *arena_share(void *, size_t);
void arena_release(void *);
#pragma GCC poison malloc calloc realloc reallocarray aligned_alloc posix_memalign memalign valloc
#pragma GCC poison mmap sbrk brk syscall
"""
REPLAY, FILL, MEASURE = range(3)
ALLOC, SHARE, RELEASE, NO_ROOM, NEXT_TRACE = range(5)
KIB = 1 << 10
TRACE_ARENA = 128 * KIB
# Per mille of the allocations of a page cache (hashicorp/golang-lru, Go 1.26.8) by size class.
SIZES = {8: 28, 16: 521, 32: 4, 48: 32, 80: 256, 128: 22}
SIZES |= {256: 21, 288: 32, 512: 21, 1024: 21, 2048: 21, 4096: 21}


class Trace:
    """Operations, each of (kind, view, ...) as struct op in arena.c has them."""

    def __init__(self, ops):
        self.ops = tuple(ops)

    def __bytes__(self):
        return b"".join(struct.pack("=IIII", *(*op, 0, 0)[:4]) for op in self.ops)

    def told(self, error):
        """The operations up to the one that failed: the last, and all of the buffers named."""
        step = re.search(r"step (\d+)", error)
        end = int(step[1]) if step else len(self.ops)
        named = {self.first.get(int(view)) for view in re.findall(r"\bv(\d+)", error)}
        lines, last = [], 0
        for i, op in enumerate(self.ops[:end], 1):
            if i + 3 > end or self.first.get(op[1]) in named:
                lines += [*["  ..."] * (i > last + 1), f"  {i:3}  {self._line(*op)}"]
                last = i
        if len(lines) > 20:
            lines[10:-9] = ["  ..."]
        return "\n".join([error, "of:", *lines])

    @property
    def first(self):
        """The first view of each view's buffer."""
        of = {}
        for kind, view, *more in self.ops:
            if kind in (ALLOC, SHARE):
                of[view] = of.get(more[0]) if kind == SHARE else view
        return of

    def _line(self, kind, view, *more):
        if kind == RELEASE:
            return f"release(v{view})"
        if kind == SHARE:
            return f"v{view} = share(v{more[0]}, {more[1]})"
        if kind == ALLOC:
            return f"v{view} = alloc({more[0]})"
        return f"alloc({f'SIZE_MAX - {more[0]}' if more[1] else more[0]}): no room"

    def smaller(self):
        """Without some of the buffers, and without the steps at the end."""
        for n in (1, 2, 4, 8, 16, 32):
            if len(self.ops) > n:
                yield Trace(self.ops[: len(self.ops) * (n - 1) // n])
        of = self.first
        first = sorted(set(of.values()))
        size = len(first)
        while size := size // 2:
            for i in range(0, len(first), size):
                gone = set(first[i : i + size])
                yield Trace(op for op in self.ops if of.get(op[1]) not in gone)


def random_trace(dice, buffers, live, sizes):
    """So many buffers, about `live` views at a time, some of the same one; all are released."""
    ops, views, left, n = [], [], buffers, 0
    while left or views:
        if left and dice.random() < (1.0 if not views else 0.6 if len(views) < live else 0.2):
            left -= 1
            bytes_ = sizes(dice)
            ops.append((ALLOC, n, bytes_))
            views.append((n, bytes_))
            n += 1
            if bytes_ >= 32 and dice.random() < 0.6:
                for _ in range(dice.randrange(1, 4)):
                    source, rest = views[-1]
                    offset = dice.randrange(rest)
                    ops.append((SHARE, n, source, offset))
                    views.append((n, rest - offset))
                    n += 1
        else:
            view, _ = views.pop(dice.randrange(len(views)))
            ops.append((RELEASE, view))
    return Trace(ops)


def any_size(dice):
    return dice.randrange(1, 1 << dice.randrange(1, 13))


def cache_size(dice):
    (size,) = dice.choices(list(SIZES), list(SIZES.values()))
    return size - dice.randrange(size // 5 + 1)


def program(exercise):
    return compiled(exercise, DRIVER, declarations=DECLARATIONS)


def outcome(exercise, trace, arena):
    """What goes wrong with a trace (None: nothing), and what the driver wrote."""
    try:
        done = program(exercise).run(data=bytes(trace), mode=REPLAY, arena=arena)
    except Died as died:
        return died, died.data
    return done.error, done.data


def replay(exercise, trace, arena=256 * KIB):
    """One trace; shown where it fails."""
    wrong, data = outcome(exercise, trace, arena)
    if isinstance(wrong, Died):
        raise Died(wrong.outcome, trace.told(str(wrong)), data)
    if wrong is not None:
        pytest.fail(trace.told(wrong))


def test_a_short_trace(exercise):
    """An allocator that gives one byte to two owners corrupts both, and neither knows by whom."""
    ops = [
        (ALLOC, 0, 24),
        (ALLOC, 1, 1),
        (ALLOC, 2, 4000),
        (SHARE, 3, 2, 100),  # the consumer's view of a message
        (RELEASE, 2),  # the producer is done; v3 still reads
        (ALLOC, 4, 4000),
        (SHARE, 5, 3, 200),  # a part of the part
        (RELEASE, 3),
        (ALLOC, 6, 3000),
        (RELEASE, 5),
        (ALLOC, 7, 4000),
        (RELEASE, 0),
        (ALLOC, 8, 24),
        *((RELEASE, v) for v in (1, 4, 6, 7, 8)),
    ]
    replay(exercise, Trace(ops))


def test_all_sizes(exercise):
    """Go rounds each size up to one of 68 classes: a size at an edge is where that goes wrong."""
    edges = [n for power in range(13) for n in ((1 << power) - 1, 1 << power, (1 << power) + 1)]
    sizes = [n for n in [*edges, *range(8, 3000, 72), 20_000, 50_000] if n]
    ops = [(ALLOC, i, n) for i, n in enumerate(sizes)]
    ops += [(SHARE, len(sizes) + i, i, n - 1) for i, n in enumerate(sizes)]
    ops += [(RELEASE, i) for i in range(2 * len(sizes))]
    replay(exercise, Trace(ops), arena=512 * KIB)


def test_a_hand_over_keeps_the_whole_buffer(exercise):
    """A slice of one byte keeps its whole array: findObject finds it from a pointer inside."""
    ops = []
    for v in range(0, 100, 4):  # two fifths of the arena each: the third needs the first's place
        ops += [(ALLOC, v, 104_000), (SHARE, v + 1, v, 103_999), (RELEASE, v)]
        ops += [(ALLOC, v + 2, 100), (SHARE, v + 3, v + 2, 50), (RELEASE, v + 1)]
        ops += [(RELEASE, v + 3), (RELEASE, v + 2)]
    replay(exercise, Trace(ops))


def test_many_owners(exercise):
    """A broadcast: one message, a reader for each connection, and the last turns out the light."""
    ops = [(ALLOC, 0, 40), (ALLOC, 1, 40), (ALLOC, 2, 9000)]
    for source, n in ((0, 40), (2, 9000)):
        views = range(100 * source + 3, 100 * source + 102)
        ops += [(SHARE, v, source, i * n // 100) for i, v in enumerate(views)]
        ops += [(RELEASE, v) for v in (source, *views)]
        ops += [(ALLOC, views[-1] + 1, n), (RELEASE, views[-1] + 1)]
    replay(exercise, Trace([*ops, (RELEASE, 1)]))


def test_no_room(exercise):
    """make([]byte, n) panics for such an n; that a sum of sizes overflowed was many a CVE."""
    sizes = [(256 * KIB + 1, 0), (1 << 30, 0), (0xFFFFFFFF, 0)]
    sizes += [(n, 1) for n in (0, 1, 7, 15, 16, 31, 63, 4095, 4096, 8191)]
    ops = [(ALLOC, 0, 100), *((NO_ROOM, 0, *size) for size in sizes), (ALLOC, 1, 100)]
    replay(exercise, Trace([*ops, (RELEASE, 0), (RELEASE, 1)]))


@pytest.mark.gc_seeds(2)
def test_memory_comes_back(exercise, seed):
    """A span without objects goes back to the heap, for any class: else each peak would stay."""
    dice = random.Random(seed)
    small, big = dice.randrange(64, 2000), dice.randrange(17_000, 30_000)
    size, then = (small, big) if dice.random() < 0.5 else (big, small)
    done = program(exercise).run(mode=FILL, arena=256 * KIB, size=size, then=then, seed=seed)
    if done.error is not None:
        pytest.fail(done.error)


def test_any_trace(exercise, seed):
    """What a server does all day: sizes and lifetimes that nobody has foreseen."""
    dice = random.Random(seed)
    traces = [random_trace(dice, 16, 8, any_size) for _ in range(80)]
    ops = [op for trace in traces for op in ((NEXT_TRACE, 0), *trace.ops)]
    wrong, data = outcome(exercise, Trace(ops), TRACE_ARENA)
    if wrong is None:
        return
    if isinstance(wrong, Died) and wrong.outcome == "timeout":
        raise wrong  # each further try would take as long
    _, _, begun, _ = struct.unpack_from("=IIII", data)
    tries = iter(range(30))

    def fails(trace):
        return next(tries, None) is not None and outcome(exercise, trace, TRACE_ARENA)[0]

    replay(exercise, smallest(traces[begun - 1], fails), TRACE_ARENA)
    pytest.fail(f"{wrong}\nbut not alone, only in an arena that had another trace before")


def test_the_long_trace(exercise, seed, score):
    """Bounded memory: a hundred times what lives at once goes through the same arena."""
    trace = random_trace(random.Random(seed), 10_000, 300, cache_size)
    done = program(exercise).run(data=bytes(trace), mode=MEASURE, arena=1 << 20, seconds=8)
    if done.error is not None:
        pytest.fail(trace.told(done.error))
    seen = done.figures
    parts = ("alloc", "hand-over", "release")
    score(
        "time",
        seen["time"],
        seen["malloc time"],
        "ns for each call (malloc copies where you share)",
        {part: seen[part] for part in parts},
    )
    score(
        "time, beside a collected heap's",
        seen["time"],
        seen["collected time"],
        "ns for each call (gcsim's: nothing is released, and collected once)",
    )
    score(
        "memory",
        seen["memory"],
        seen["malloc memory"],
        "bytes at the peak (malloc: the pages that it gave out)",
        {
            "live": seen["live"],
            "lost to rounding": seen["usable"] - seen["live"],
            "lost to bookkeeping and fragmentation": seen["memory"] - seen["usable"],
        },
    )
