"""What exercise.py has to pass. The random sequences are other ones each time."""

import random
from functools import cache

import pytest

import gcsim
from gcsim import u8
from gcsim.learn import exact, smallest

LARGEST = 65_536
MOST = 40  # different capacities
NAMES = ("hits", "misses", "refused", "bytes")


@cache
def capacities(exercise):
    """The capacity for each size from 0 on (where it is 0), with the rules checked."""
    found = [0]
    for size in range(1, LARGEST + 1):
        got = exercise.capacity(size)
        assert type(got) is int, f"capacity({size}) is {got!r} and no int"
        most = min(max(64, 2 * size), LARGEST)
        assert size <= got <= most, f"capacity({size}) is {got:,}: not from {size:,} to {most:,}"
        found.append(got)
    for cap in sorted(set(found[1:])):
        assert found[cap] == cap, f"capacity({cap}) is {found[cap]}, but {cap} is a capacity"
    much = len(set(found)) - 1
    assert much <= MOST, f"{much:,} different capacities: {MOST} are allowed"
    return found


@cache
def slot(size):
    """Bytes of heap that an array of so many takes."""
    return gcsim.size_class(size, noscan=True).slot_bytes


class Sequence:
    """What users of a pool do: a list of steps. Numbers choose among what there is, modulo."""

    def __init__(self, steps, limit):
        self.steps, self.limit = steps, limit

    def smaller(self):
        for i in reversed(range(len(self.steps))):
            yield Sequence(self.steps[:i] + self.steps[i + 1 :], self.limit)

    def __str__(self):
        lines = [f"  {' '.join(map(str, step))}" for step in self.steps]
        return "\n".join([f"MemoryPool(heap, {self.limit:,})", *lines])


class Users:
    """Runs steps on a student's pool, beside a plain record of what must come of them."""

    def __init__(self, exercise, limit):
        self.heap = gcsim.Heap(gogc=None)
        self.capacities, self.limit = capacities(exercise), limit
        self.known = sorted(set(self.capacities[1:]))
        self.pool = exercise.MemoryPool(self.heap, limit)
        self.out = []  # buffers that users have
        self.waiting = []  # and those in the pool, as (address, capacity)
        self.want = dict.fromkeys(NAMES, 0)

    def counted(self, call, *args):
        before = self.heap.memstats().mallocs
        return call(*args), self.heap.memstats().mallocs - before

    def get(self, size):
        cap = self.capacities[size]
        there = [address for address, c in self.waiting if c == cap]
        got, made = self.counted(self.pool.get, size)
        assert type(got) is gcsim.Slice, f"get({size}) gave {type(got).__name__} and no Slice"
        assert got.elem.name == "uint8", f"get({size}) gave a slice of {got.elem.name}"
        exact((len(got), got.cap), (size, cap), f"length and capacity of get({size})")
        exact(made, 0 if there else 1, f"allocations of get({size}), {len(there)} of {cap} waiting")
        if there:
            assert got.address in there, f"get({size}) gave a buffer that was not put"
            self.waiting.remove((got.address, cap))
        else:
            mine = [b.address for b in self.out] + [address for address, _ in self.waiting]
            assert got.address not in mine, f"get({size}) gave a buffer that somebody has"
        self.want["hits" if there else "misses"] += 1
        self.want["bytes"] -= cap if there else 0
        self.out.append(got)

    def put_back(self, buffer, why=None):
        """`why` it has to be refused, if it has to."""
        address, cap = buffer.address, buffer.cap
        if why is None and self.want["bytes"] + cap > self.limit:
            why = f"{self.want['bytes']:,} bytes of {self.limit:,} are kept"
        got, made = self.counted(self.pool.put, buffer)
        exact(got, why is None, f"put of capacity {cap}" + (f": {why}" if why else ""))
        exact(made, 0, "allocations of put")
        self.want["refused"] += why is not None
        if why is None:
            self.waiting.append((address, cap))
            self.want["bytes"] += cap

    def put(self, k, length):
        if self.out:
            buffer = self.out.pop(k % len(self.out))
            self.put_back(buffer.reslice(0, length % (buffer.cap + 1)))

    def lose(self, k):
        if self.out:
            del self.out[k % len(self.out)]

    def foreign(self, k):
        unknown = [c for c in (100 + k % 4000, 48, 0, LARGEST + 1 + k) if c not in self.known]
        cap = unknown[k % len(unknown)]
        self.put_back(self.heap.new_slice(u8, 0, cap), "get gives none of that capacity out")

    def twice(self, k, length):
        """Put, and put again whole or its tail."""
        if not self.out:
            return
        buffer = self.out.pop(k % len(self.out))
        if self.want["bytes"] + buffer.cap > self.limit:
            return
        self.put_back(buffer)
        tails = [c for c in self.known if c <= buffer.cap]
        tail = buffer.reslice(buffer.cap - tails[length % len(tails)], buffer.cap)
        self.put_back(tail, "it shares memory with one that is in the pool")

    def collect(self):
        alive = [b.cap for b in self.out] + [cap for _, cap in self.waiting]
        exact(
            self.heap.collect().heap_marked,
            sum(map(slot, alive)),
            f"bytes alive with {len(self.out)} buffers out and {len(self.waiting)} in the pool",
        )

    def run(self, steps):
        for number, (name, *numbers) in enumerate(steps, 1):
            try:
                getattr(self, name)(*numbers)
                exact(self.pool.stats(), self.want, "stats()")
            except AssertionError as error:
                raise AssertionError(f"step {number}, {name}: {error}") from None
        self.out.clear()
        self.collect()
        self.heap.close()


def wrong(exercise, sequence):
    try:
        Users(exercise, sequence.limit).run(sequence.steps)
    except AssertionError as error:
        return str(error)
    return None


def check(exercise, sequence):
    if wrong(exercise, sequence):
        sequence = smallest(sequence, lambda s: wrong(exercise, s))
        pytest.fail(f"{wrong(exercise, sequence)}\n{sequence}")


def test_capacities(exercise):
    """A few capacities are used again often; Go's own heap has 67 size classes for that reason."""
    capacities(exercise)


@pytest.mark.parametrize(
    "steps",
    [
        [("get", 700), ("put", 0, 700), ("get", 700), ("get", 700)],
        [("get", 700), ("put", 0, 3), ("get", 690)],
        [("get", 100), ("get", 3000), ("put", 0, 0), ("get", 3000)],
        [("get", 64), ("get", 1), ("get", LARGEST), ("put", 2, 1), ("get", LARGEST)],
        [("get", 2000), ("put", 0, 0), ("get", 900)],
        [("get", 500), ("lose", 0), ("collect",), ("get", 500)],
    ],
    ids=["hit and miss", "length", "sizes", "ends", "larger", "lost"],
)
def test_known_sequences(exercise, steps):
    """The chapter's Put takes 24 bytes each time: the slice's header becomes an interface."""
    check(exercise, Sequence(steps, 1 << 20))


@pytest.mark.parametrize("k", [0, 1, 2, 3, 904])
def test_foreign_capacities(exercise, k):
    """The chapter files a capacity of 1,000 under 1,024, and the next Get panics: [:1024]."""
    check(exercise, Sequence([("foreign", k), ("get", 128), ("get", LARGEST)], 1 << 20))


def test_two_users_never_share_memory(exercise):
    """A buffer that was put twice belongs to two requests: one answers with the other's bytes."""
    for which in range(6):  # the whole or a tail
        steps = [("get", 2000), ("twice", 0, which), ("get", 2000), ("get", 2000), ("get", 64)]
        check(exercise, Sequence(steps, 1 << 20))
    users = Users(exercise, 1 << 20)  # the tail first
    users.get(2000)
    cap, least = users.out[0].cap, users.known[0]
    users.put_back(users.out[0].reslice(cap - least, cap))
    users.put_back(users.out[0], "its tail is in the pool")
    exact(users.pool.stats(), users.want, "stats()")


def test_the_limit(exercise):
    """A pool that only grows is a leak: sync.Pool lets go of all in two collections."""
    cap = capacities(exercise)[1000]
    full = [("get", 1000)] * 4 + [("put", 0, 1000)] * 4 + [("get", 1000), ("put", 0, 5)]
    check(exercise, Sequence(full, 3 * cap))
    check(exercise, Sequence(full, 3 * cap - 1))
    check(exercise, Sequence(full, 0))


@pytest.mark.gc_seeds(8)
def test_any_sequence(exercise, seed):
    """What a pool says of itself goes to a dashboard: the heap's own counters must agree."""
    dice = random.Random(seed)
    sizes = [dice.choice((50, 300, 5000, 40_000)) for _ in range(3)]
    steps = []
    for _ in range(60):
        number, size = dice.randrange(LARGEST), max(1, dice.choice(sizes) - dice.randrange(3))
        step = dice.choices(
            ("get", "put", "twice", "foreign", "lose", "collect"), (8, 6, 1, 1, 1, 1)
        )
        numbers = {"get": (size,), "put": (number, dice.randrange(LARGEST)), "collect": ()}
        numbers["twice"] = (number, dice.randrange(MOST))
        steps.append((step[0], *numbers.get(step[0], (number,))))
    check(exercise, Sequence(steps, dice.choice((0, 9000, 100_000, 1 << 20))))


# ---- what it is worth ----


USUAL = (40, 150, 530, 1100, 4200, 9000)  # of messages: a header, and a body of a round size


def requests(seed=14, count=1000):
    """Sizes, and which of the buffers under way are done before each: small ones are frequent."""
    dice = random.Random(seed)
    under_way = 0
    for i in range(count):
        most = 8 + 24 * (i // 250 % 2)  # calm and busy times
        done = []
        while under_way >= most:
            done.append(dice.randrange(under_way))
            under_way -= 1
        usual = dice.choices(USUAL, (6, 5, 4, 3, 2, 1))[0] + dice.randrange(24)
        yield usual if dice.random() < 0.95 else dice.randrange(1, 16_384), done
        under_way += 1


def test_what_it_is_worth(exercise, score):
    """Fewer allocations mean fewer collections, and what waits in a pool is memory nobody uses."""
    limit = 1 << 20
    users = Users(exercise, limit)
    asked, sizes = [], []
    exactly = peak = 0
    parts = {}
    for size, done in requests():
        for k in done:
            users.put_back(users.out.pop(k))
            del asked[k]
        users.get(size)
        asked.append(size)
        sizes.append((size, users.want["misses"]))
        exactly = max(exactly, sum(map(slot, asked)))
        out = sum(slot(b.cap) for b in users.out)
        waiting = sum(slot(cap) for _, cap in users.waiting)
        if out + waiting > peak:
            peak = out + waiting
            parts = {"asked for": sum(asked), "rounded up": out - sum(asked), "waiting": waiting}
    exact(users.pool.stats(), users.want, "stats()")
    users.collect()
    made = {"up to 512 B": 0, "up to 4 KiB": 0, "larger": 0}
    before = 0
    for size, misses in sizes:
        name = "up to 512 B" if size <= 512 else "up to 4 KiB" if size <= 4096 else "larger"
        made[name] += misses - before
        before = misses
    score("allocations", users.want["misses"], len(sizes), "objects", made)
    score("heap at its peak", peak, exactly, "bytes", parts)
