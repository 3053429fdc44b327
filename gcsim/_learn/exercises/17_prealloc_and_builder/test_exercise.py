"""What exercise.py has to pass. Sizes, numbers and words are random, new each time."""

import random
import tracemalloc

import pytest

import gcsim
from gcsim import i64, slice_
from gcsim.learn import exact, smallest

BESIDE = 12_000  # bytes of Python's memory that a call may take, for a text or array of 40,000


class Case:
    """A call: its function, what it is given first (a number, numbers, words), and then."""

    def __init__(self, name, given, then=None):
        self.name, self.given, self.then = name, given, then

    def __str__(self):
        then = "" if self.then is None else f", {self.then!r}"
        given = f"{self.given!r}"
        return f"{self.name}(heap, {given if len(given) < 200 else given[:200] + ' ...'}{then})"

    def smaller(self):
        if isinstance(self.given, int):
            if self.given:
                yield Case(self.name, self.given // 2)
                yield Case(self.name, self.given - 1)
            return
        half = len(self.given) // 2
        for left in (self.given[:half], self.given[half:]):
            if len(left) < len(self.given):
                yield Case(self.name, left, self.then)
        for i in range(len(self.given)):
            yield Case(self.name, self.given[:i] + self.given[i + 1 :], self.then)

    def arguments(self, heap):
        """As the function gets them: numbers lie on the heap."""
        given = self.given
        if self.name in ("below", "groups"):
            given = heap.new_slice(i64, len(self.given))
            given[:] = self.given
        return (heap, given) if self.then is None else (heap, given, self.then)

    def want(self):
        """What is to be read, and the bytes of the objects that this takes."""
        given, then = self.given, self.then
        if self.name == "squares":
            return [i * i for i in range(given)], [slot(8 * given)]
        if self.name == "below":
            kept = [x for x in given if x < then]
            return kept, [slot(8 * len(kept))]
        if self.name == "joined":
            text = then.join(given).encode()
            return text, [gcsim.size_class(32).slot_bytes, slot(len(text))]
        rows = [[x for x in given if x % then == i] for i in range(then)]
        return rows, [slot(24 * then, noscan=False), slot(8 * len(given))]


def slot(size, noscan=True):
    """The bytes that an object takes."""
    return gcsim.size_class(size, noscan=noscan).slot_bytes if size else 0


def content(heap, case, made):
    """What is in the result, if it is of the right kind and lies on the heap."""
    kind = gcsim.Builder if case.name == "joined" else gcsim.Slice
    if type(made) is not kind:
        pytest.fail(f"expected a {kind.__name__}, found {type(made).__name__}")
    if kind is gcsim.Builder:
        if gcsim.heapof(made) is not heap:
            pytest.fail("the Builder is one of another heap")
        return bytes(made)
    elem = slice_[i64] if case.name == "groups" else i64
    heap.new_slice(elem, 1).copy_from(made)  # refuses other types
    heap.globals["made"] = made  # and this another heap
    if case.name == "groups":
        return [[] if row is None else list(row) for row in made]
    return list(made)


def wrong(exercise, case):
    """What is wrong with one call; None: nothing."""
    with gcsim.Heap(gogc=None) as heap:
        arguments = case.arguments(heap)
        before = heap.memstats()
        with heap.record(kinds=("alloc",)) as events:
            made = getattr(exercise, case.name)(*arguments)
        after = heap.memstats()
        want, objects = case.want()
        try:
            exact(content(heap, case, made), want)
        except (AssertionError, pytest.fail.Exception, gcsim.Error) as error:
            return f"{case}: {error}"
        taken = (after.mallocs - before.mallocs, after.total_alloc - before.total_alloc)
        enough = (sum(size > 0 for size in objects), sum(objects))
        if taken[0] > enough[0] or taken[1] > enough[1]:
            sizes = " + ".join(f"{event.arg:,}" for event in list(events)[:30])
            return (
                f"{case}: objects: {taken[0]}, bytes: {taken[1]:,} ({sizes});"
                f" needed: {enough[0]}, {enough[1]:,}"
            )
    return None


def check(exercise, case):
    if first := wrong(exercise, case):
        least = wrong(exercise, smallest(case, lambda c: wrong(exercise, c)))
        pytest.fail(least if least == first else f"{least}\nas in {first}")


def random_case(name, seed):
    dice = random.Random(seed)
    if name == "squares":
        return Case(name, dice.choice([dice.randrange(40), dice.randrange(5000)]))
    numbers = [dice.randrange(1000) for _ in range(dice.choice([dice.randrange(9), 300]))]
    if name == "below":
        return Case(name, numbers, dice.randrange(-1, 1001))
    if name == "groups":
        return Case(name, numbers, dice.randrange(1, 9))
    letters = dice.choice(["abc", "aé€😀", "語"])
    words = ["".join(dice.choices(letters, k=dice.randrange(9))) for _ in numbers]
    return Case(name, words, dice.choice([", ", "", " · ", "\n"]))


@pytest.mark.parametrize("n", [0, 1, 4, 100, 10_000])
def test_squares(exercise, n):
    """make([]int, n): Go's append would make 19 arrays for ten thousand."""
    check(exercise, Case("squares", n))


@pytest.mark.parametrize(
    ("numbers", "limit"),
    [([5, 1, 7, 2], 5), ([5, 1, 7, 2], 100), ([5, 1], 0), ([], 5), ([3] * 9 + [8] * 90, 8)],
    ids=["some", "all", "none", "nothing there", "a tenth"],
)
def test_below(exercise, numbers, limit):
    """A capacity of len(numbers) is one array as well, but holds memory that nobody uses."""
    check(exercise, Case("below", numbers, limit))


@pytest.mark.parametrize(
    ("words", "separator"),
    [
        (["go"], ", "),
        (["one", "two", "three"] * 20, ", "),
        ([], ", "),
        (["", "", ""], ""),
        (["größe", "€", "語", "😀"] * 9, " · "),
    ],
    ids=["one word", "sixty", "no word", "empty words", "letters of several bytes"],
)
def test_joined(exercise, words, separator):
    """strings.Join does this: it adds up the lengths, grows a Builder once, and writes."""
    check(exercise, Case("joined", words, separator))


@pytest.mark.parametrize(
    ("numbers", "n"),
    [([5, 2, 8, 1, 2], 3), ([4, 8, 6], 2), ([], 4), ([7], 1), (list(range(100)), 7)],
    ids=["three rows", "an empty row", "nothing there", "one row", "a hundred"],
)
def test_groups(exercise, numbers, n):
    """One array for all rows: the collector has one object to mark, whatever n is."""
    check(exercise, Case("groups", numbers, n))


@pytest.mark.parametrize("name", ["squares", "below", "joined", "groups"])
@pytest.mark.gc_seeds(8)
def test_any_size(exercise, name, seed):
    """Each array that append leaves behind is garbage, and brings the next collection nearer."""
    check(exercise, random_case(name, seed))


@pytest.mark.parametrize("name", ["below", "joined", "groups"])
def test_no_memory_beside(exercise, name):
    """A list or a string of everything, made first, is an allocation of the same size in Go."""
    words, numbers = ["word"] * 8000, list(range(1000, 6000))
    case = Case(name, *{"joined": (words, ", "), "below": (numbers, 5900)}.get(name, (numbers, 3)))
    with gcsim.Heap(gogc=None) as heap:
        arguments = case.arguments(heap)
        tracemalloc.start()
        try:
            getattr(exercise, name)(*arguments)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    if not 0 < peak < BESIDE:
        pytest.fail(f"{name} took {peak:,} bytes of Python's memory, beside those of the heap")


@pytest.mark.gc_seeds(4)
def test_rows_do_not_reach_into_each_other(exercise, seed):
    """array[i:j] has room up to the end of the array: append then writes over the next row."""
    dice = random.Random(seed)
    case = Case("groups", [dice.randrange(100) for _ in range(30)], dice.randrange(2, 6))
    with gcsim.Heap(gogc=None) as heap:
        rows, (want, _) = exercise.groups(*case.arguments(heap)), case.want()
        exact(content(heap, case, rows), want, str(case))
        ends = [row.address + 8 * len(row) for row in rows if row is not None and len(row)]
        starts = [row.address for row in rows if row is not None and len(row)]
        exact(starts[1:], ends[:-1], "where rows begin, and where those before them end")
        for i in range(len(rows)):
            if rows[i] is not None:
                rows[i].append(-1)
            exact(content(heap, case, rows), want, f"the rows after append to row {i}")
