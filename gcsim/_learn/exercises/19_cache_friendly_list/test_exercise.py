"""What exercise.py has to pass. The random operations are other ones each time."""

import random
from array import array as buffer
from bisect import bisect_right
from itertools import pairwise

import pytest

import gcsim
from gcsim import i64, lowlevel, ptr
from gcsim.learn import exact, smallest


@gcsim.struct
class Link:
    """A node of the plain list that the score compares with."""

    value: i64
    next: ptr["Link"]


def number(address):
    """The 64-bit number in memory there."""
    return lowlevel.ffi.cast("int64_t *", address)


class Session:
    """Operations, each a place (taken modulo what is possible) and a value to insert or None."""

    def __init__(self, operations):
        self.operations = operations

    def smaller(self):
        part = len(self.operations) // 2
        while part:
            for i in range(0, len(self.operations), part):
                yield Session(self.operations[:i] + self.operations[i + part :])
            part //= 2

    def run(self, exercise, heap, each=None):
        """Does it all beside a Python list: the student's list, and (value, number) of the values
        in it in the order of their creation. each(list, place, inserted, before): after each."""
        mine, plain, steps = exercise.List(heap), [], []
        for at, (place, value) in enumerate(self.operations):
            before = mine.addresses() if each else None
            if value is None and not plain:
                continue
            if value is None:
                place %= len(plain)
                steps.append(f"delete({place})")
                exact(mine.delete(place), plain.pop(place)[0], tail(steps))
            else:
                place %= len(plain) + 1
                steps.append(f"insert({place}, {value})")
                mine.insert(place, value)
                plain.insert(place, (value, at))
            if each:
                exact(list(mine), [v for v, _ in plain], f"the values after {tail(steps)}")
                each(mine, place, value is not None, before, tail(steps))
        exact(len(mine), len(plain), f"the length after {tail(steps)}")
        exact(list(mine), [value for value, _ in plain], f"the values after {tail(steps)}")
        return mine, plain


def tail(steps):
    """The last operations, and how many there were."""
    return f"{len(steps)} operations, at last {', '.join(steps[-6:])}"


def random_session(seed, n, deletes=0.3):
    """Inserts and deletes, in stretches: at any place, in front, at the end, or about one place."""
    dice, operations, where = random.Random(seed), [], "any"
    for _ in range(n):
        if dice.random() < 0.05:
            where = dice.choice(["any", "any", "front", "end", "here"])
        place = {"any": dice.randrange(1 << 30), "front": 0, "end": -1, "here": 17}[where]
        gone = dice.random() < deletes
        operations.append((place, None if gone else dice.randrange(-(1 << 63), 1 << 63)))
    return Session(operations)


def check(wrong, exercise, session):
    """Fails with a short session that does, if this one does."""
    if wrong(exercise, session):
        session = smallest(session, lambda s: wrong(exercise, s))
        pytest.fail(wrong(exercise, session))


# ---- it is a list ----


def wrong_values(exercise, session):
    with gcsim.Heap(gogc=None) as heap:
        try:
            session.run(exercise, heap, each=lambda *step: None)
        except AssertionError as error:
            return str(error)
    return None


@pytest.mark.parametrize(
    "operations",
    [
        [(0, 5)],
        [(0, 5), (1, 6), (2, 7)],
        [(0, 5), (0, 6), (1, 7), (0, None), (0, 8)],
        [(0, i) for i in range(100)],
        [(i, i) for i in range(100)],
        [(i, i) for i in range(100)] + [(0, None)] * 100 + [(0, 1), (1, 2)],
        [(i, i) for i in range(100)] + [(-1, None)] * 100 + [(0, 1), (0, 2)],
        [(i, i) for i in range(80)] + [(40, i) for i in range(80)] + [(40, None)] * 70,
        [(0, -(1 << 63)), (1, (1 << 63) - 1)],
    ],
    ids=["one", "three", "front", "stack", "queue", "emptied", "popped", "middle", "limits"],
)
def test_known_operations(exercise, operations):
    """A faster container is worth nothing if it forgets a value at the edge of a node."""
    check(wrong_values, exercise, Session(operations))


@pytest.mark.gc_seeds(6)
def test_any_operations(exercise, seed):
    """Splits and merges happen where nobody planned them: a plain list says what must come out."""
    check(wrong_values, exercise, random_session(seed, 250))


@pytest.mark.gc_seeds(3)
def test_two_lists_in_a_heap(exercise, heap, seed):
    """Nothing of a list may be global: a program has many of them."""
    one, first = random_session(seed, 60).run(exercise, heap)
    two, second = random_session(seed + 1, 60).run(exercise, heap)
    exact(list(one), [value for value, _ in first], "the values of the first list")
    exact(list(two), [value for value, _ in second], "the values of the second list")


# ---- where its values are ----


def located(heap, mine, values):
    """The addresses, once it is sure that they are those of the values in living objects."""
    heap.collect()
    objects = sorted((o.address + o.header_bytes, o.address + o.slot_bytes) for o in heap.objects())
    at, starts = mine.addresses(), [start for start, _ in objects]
    assert type(at) is list, f"addresses(): expected a list, found {type(at).__name__}"
    exact(len(at), len(values), "how many addresses there are")
    for i, address in enumerate(at):
        assert type(address) is int, f"addresses()[{i}]: {address!r} is no address"
        which = bisect_right(starts, address) - 1
        inside = which >= 0 and address + 8 <= objects[which][1] and address % 8 == 0
        assert inside, f"addresses()[{i}]: {address:#x} is in no object of the heap that lives"
        exact(number(address)[0], values[i], f"the number in memory at addresses()[{i}]")
    assert len(set(at)) == len(at), "addresses(): two values have the same"
    return at


@pytest.mark.gc_seeds(4)
def test_the_values_are_in_the_heap(exercise, heap, seed):
    """What is written to memory is what the list has: it keeps no second copy anywhere."""
    mine, plain = random_session(seed, 200).run(exercise, heap)
    values = [value for value, _ in plain]
    at, i = located(heap, mine, values), random.Random(seed).randrange(len(values))
    values[i] = seed
    number(at[i])[0] = seed
    exact(list(mine), values, f"the values after {seed} was written to addresses()[{i}]")
    exact(mine.delete(i), seed, f"what delete({i}) returns then")


@pytest.mark.gc_seeds(4)
def test_what_moves(exercise, heap, seed):
    """An array moves half of itself with each insert: a list moves neighbours at most."""
    mallocs = 0

    def each(mine, place, inserted, before, what):
        nonlocal mallocs
        now, so_far = mine.addresses(), heap.memstats().mallocs
        n = len(list(mine))  # which is right: `run` has looked
        for at, size in ((before, n - 1 if inserted else n + 1), (now, n)):
            assert type(at) is list, f"addresses(): expected a list, found {type(at).__name__}"
            exact([type(address).__name__ for address in at], ["int"] * size, "addresses(), types")
        shorter, longer = (before, list(now)) if inserted else (now, list(before))
        del longer[place]
        moved = sum(a != b for a, b in zip(shorter, longer, strict=True))
        made = so_far - mallocs if mallocs else 0
        assert moved <= 64, f"the last of {what} moved {moved} of {len(shorter)} values"
        assert made <= 2, f"the last of {what} allocated {made} objects"
        mallocs = so_far

    grow = [(i, i) for i in range(130)]
    Session(grow + random_session(seed, 60, deletes=0.25).operations).run(exercise, heap, each)


# ---- what it costs ----


def lines(addresses):
    """How often a traversal gets to another line of 64 bytes."""
    return 1 + sum(a // 64 != b // 64 for a, b in pairwise(addresses))


def plain_list(plain):
    """Addresses of the values in a list with a node for each, made in the order of the inserts."""
    n, born = len(plain), sorted(range(len(plain)), key=lambda i: plain[i][1])
    number_of = {place: k for k, place in enumerate(born)}
    order = [number_of[place] for place in range(n)]
    following = buffer("i", [-1] * n)
    for a, b in pairwise(order):
        following[a] = b
    with gcsim.Heap(gogc=None) as heap:
        nodes = heap.build(Link, n, links={"next": following}, roots=[order[0]])
        at = [gcsim.address(nodes[k]) for k in order]
        cycle = heap.collect()
        del nodes
    return at, cycle


def frugal(heap, mine, values):
    """Fails if the list takes, or makes the collector do, too much. Its addresses and the cycle."""
    at, n, cycle = located(heap, mine, values), len(values), heap.collect()
    pages = len({address // 8192 for address in at})
    told = (
        f"{n} values on {lines(at)} lines and {pages} pages, {cycle.heap_marked} bytes in"
        f" {cycle.objects_marked} objects, {cycle.scan_work} bytes read by the collector,"
        f" {cycle.roots} references from Python"
    )
    assert cycle.roots <= 4, f"more than 4 references from Python: {told}"
    assert lines(at) <= n / 4 + 8, f"more than a line for four values: {told}"
    assert cycle.heap_marked <= 24 * n + 1024, f"more than 24 bytes a value: {told}"
    assert cycle.objects_marked <= n / 8 + 4, f"more than an object for eight values: {told}"
    assert cycle.scan_work <= 2 * n + 256, f"more than 2 bytes read for each value: {told}"
    return at, cycle


def shuffled(seed, n, deletes):
    """Inserts all over the place, then as many deletes."""
    dice = random.Random(seed)
    places = [(dice.randrange(1 << 30), dice.randrange(1 << 40)) for _ in range(n)]
    return Session(places + [(dice.randrange(1 << 30), None) for _ in range(deletes)])


@pytest.mark.parametrize(
    ("inserts", "deletes"), [(800, 0), (1200, 600), (1200, 1000)], ids=["full", "half", "sparse"]
)
@pytest.mark.gc_seeds(2)
def test_what_it_costs(exercise, heap, inserts, deletes, seed):
    """Lines and pages are what a traversal waits for, pointers what each collection does."""
    mine, plain = shuffled(seed, inserts, deletes).run(exercise, heap)
    frugal(heap, mine, [value for value, _ in plain])


def test_other_ways_to_grow(exercise, heap):
    """A log grows at its end, a stack in front: half of each node may stay empty, no more."""
    for operations in ([(-1, i) for i in range(500)], [(0, i) for i in range(500)]):
        mine, plain = Session(operations).run(exercise, heap)
        frugal(heap, mine, [value for value, _ in plain])
        del mine


@pytest.mark.gc_seeds(2)
def test_what_was_deleted_is_given_back(exercise, heap, seed):
    """A container that never shrinks is a leak with a good name."""
    session = shuffled(seed, 600, 600)
    mine, _ = session.run(exercise, heap)
    alive = heap.collect().heap_marked
    assert alive <= 1024, f"{alive} bytes are alive after all 600 values were deleted again"
    exact(list(mine), [], "the values")


def test_score(exercise, heap, seed, score):
    """The chapter's array against its list: how much of the difference this list makes up for."""
    mine, plain = shuffled(seed, 1500, 300).run(exercise, heap)
    at, cycle = frugal(heap, mine, [value for value, _ in plain])
    theirs, marked = plain_list(plain)
    once = len({address // 64 for address in at})
    score(
        "cache lines", lines(at), lines(theirs), "lines", {"new": once, "again": lines(at) - once}
    )
    score("memory", cycle.heap_marked, marked.heap_marked, "bytes")
    work, reference = cycle.objects_marked, marked.objects_marked
    score("marking", work, reference, "objects")
    assert lines(at) < lines(theirs), "no better than a plain list"
