"""What exercise.py has to pass. The random spans are other ones each time."""

import random

import pytest

import gcsim
from gcsim.learn import exact, smallest


class Span:
    """Slots that were handed out, and those that got a mark."""

    def __init__(self, allocated, marked):
        self.allocated, self.marked = allocated, marked

    def smaller(self):
        for i in range(len(self.allocated)):
            yield Span(
                self.allocated[:i] + self.allocated[i + 1 :], self.marked[:i] + self.marked[i + 1 :]
            )

    def __str__(self):
        return f"allocated {bits(self.allocated)}\nmarked    {bits(self.marked)}"


def bits(flags):
    return "".join("1" if flag else "." for flag in flags)


def wrong(exercise, span):
    want = list(span.allocated), list(span.marked)
    allocated, marked = list(span.allocated), list(span.marked)
    freed = sum(a and not m for a, m in zip(*want, strict=True))
    try:
        got = exercise.sweep(allocated, marked)
        exact(got, (want[1], freed), "sweep(...)")
        assert got[0] is not marked, "sweep(...): the list of marks itself was returned"
        exact((allocated, marked), want, "what sweep(...) was given, afterwards")
    except AssertionError as error:
        return f"{error}\n{span}"
    return None


@pytest.mark.parametrize(
    ("allocated", "marked"),
    [("111", "101"), ("110", "000"), ("111", "111"), ("100", "100"), ("000", "000"), ("", "")],
)
def test_known_spans(exercise, allocated, marked):
    """Go swaps the two bitmaps: a span with a thousand dead objects costs no more than with one."""
    span = Span([c == "1" for c in allocated], [c == "1" for c in marked])
    assert wrong(exercise, span) is None, wrong(exercise, span)


@pytest.mark.parametrize(
    ("allocated", "state"),
    [
        ("000", "free"),
        ("010", "partial"),
        ("001", "partial"),
        ("100", "partial"),
        ("111", "full"),
        ("0", "free"),
        ("1", "full"),
    ],
)
def test_what_becomes_of_a_span(exercise, allocated, state):
    """One survivor keeps a span of 8 KiB from going back: that is fragmentation."""
    exact(exercise.state([c == "1" for c in allocated]), state, f"state of {allocated}")


@pytest.mark.parametrize(
    ("allocated", "index", "free"),
    [
        ("1101", 0, 2),
        ("1101", 2, 2),
        ("1101", 3, None),
        ("1111", 0, None),
        ("0000", 3, 3),
        ("01", 0, 0),
        ("01", 2, None),
    ],
)
def test_the_next_free_slot(exercise, allocated, index, free):
    """nextFreeFast looks at 64 bits at a time for this: it is Go's fast path of allocation."""
    got = exercise.next_free([c == "1" for c in allocated], index)
    exact(got, free, f"next_free({allocated}, {index})")


@pytest.mark.gc_seeds(20)
def test_any_span(exercise, seed):
    """All spans of all size classes are swept by the same few lines."""
    dice = random.Random(seed)
    allocated = [dice.random() < 0.7 for _ in range(dice.randrange(1, 80))]
    span = Span(allocated, [a and dice.random() < 0.5 for a in allocated])
    if wrong(exercise, span):
        span = smallest(span, lambda s: wrong(exercise, s))
        pytest.fail(wrong(exercise, span))


@pytest.mark.gc_seeds(4)
def test_what_a_heap_hands_out_next(exercise, seed):
    """This is how a program sees it: the addresses of dead objects come back, in rising order."""
    dice = random.Random(seed)
    with gcsim.Heap(gogc=None) as heap:
        made = [heap.new(gcsim.array[gcsim.i64, 256]) for _ in range(4)]  # 2,048 bytes: 4 to a span
        first = min(map(gcsim.address, made))
        slots = [(gcsim.address(ref) - first) // 2048 for ref in made]
        exact(sorted(slots), [0, 1, 2, 3], "slots of four objects in one span")
        keep = dice.sample(range(4), dice.randrange(1, 4))
        marked = [slot in keep for slot in range(4)]
        made = [ref for ref, slot in zip(made, slots, strict=True) if slot in keep]
        cycle = heap.collect()
        allocated, freed = exercise.sweep([True] * 4, marked)
        exact(freed, cycle.freed_objects, f"objects freed where {keep} survive")
        index, predicted = 0, []
        while (index := exercise.next_free(allocated, index)) is not None and len(predicted) < 4:
            predicted.append(index)
            index += 1
        made += [heap.new(gcsim.array[gcsim.i64, 256]) for _ in range(freed)]
        found = [(gcsim.address(ref) - first) // 2048 for ref in made[len(keep) :]]
        exact(predicted, found, f"slots handed out where {keep} survive")
        del made
