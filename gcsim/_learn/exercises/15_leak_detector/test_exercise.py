"""What exercise.py has to pass. The random services are other ones each time."""

import random
from dataclasses import dataclass, replace

import pytest

import gcsim
from gcsim import LEAKS, slice_, u8
from gcsim._leaks import BODY, good_cache
from gcsim.learn import exact, smallest

# ---- readings ----


@dataclass(frozen=True)
class Readings:
    """What a service's heap looks like: parts that are added up. Growth in units of `least`."""

    leak: float = 0  # growth a round
    every: int = 1  # in steps of so many rounds
    begins: float = 0  # share of the readings that are over by then
    noise: float = 0
    tooth: float = 0
    period: int = 3
    cache: float = 0
    full: float = 0.5
    steps: tuple[tuple[float, float], ...] = ()  # when, how high
    spikes: tuple[tuple[float, float], ...] = ()
    n: int = 80
    least: int = 4096
    dice: int = 1

    @property
    def leaks(self):
        return self.leak >= 1

    def live(self):
        dice, n = random.Random(self.dice), self.n
        found = []
        for i in range(n):
            since = max(0, i - int(self.begins * n))
            value = 1000 + self.leak * (since // self.every * self.every)
            value += self.noise * dice.random()
            value += self.tooth * ((i + self.dice) % self.period) / max(1, self.period - 1)
            value += self.cache * min(1, i / max(1, int(self.full * n) - 1))
            value += sum(height for at, height in self.steps if i >= int(at * n))
            value += sum(height for at, height in self.spikes if i == int(at * n))
            found.append(int(value * self.least))
        return found

    def smaller(self):
        for part in ("noise", "tooth", "cache"):
            if getattr(self, part):
                yield replace(self, **{part: 0})
        for part in ("steps", "spikes"):
            every = getattr(self, part)
            for i in range(len(every)):
                yield replace(self, **{part: every[:i] + every[i + 1 :]})
        if self.leaks and self.every > 1:
            yield replace(self, every=1)

    def __str__(self):
        live, bars = self.live(), " ▁▂▃▄▅▆▇█"
        low, high = min(live), max(live)
        drawn = "".join(bars[(x - low) * 8 // max(1, high - low)] for x in live)
        kib = " ".join(f"{x / 1024:.0f}" for x in live)
        return f"[{drawn}] {low:,} to {high:,} bytes, least={self.least:,}\nKiB: {kib}"


def random_readings(seed, leaks):
    dice = random.Random(seed)
    n = dice.randrange(64, 121)

    def some(value, otherwise=0):
        return value if dice.random() < 0.6 else otherwise

    return Readings(
        leak=dice.uniform(1.5, 4) if leaks else some(dice.uniform(0, 0.1)),
        every=dice.randrange(1, n // 20 + 1) if leaks else 1,
        begins=dice.choice((0, 0, dice.uniform(0, 0.4))),
        noise=some(dice.uniform(0.5, 2)),
        tooth=some(dice.uniform(2, 20)),
        period=dice.randrange(2, n // 20 + 1),
        cache=some(dice.uniform(5, 200)),
        full=dice.uniform(0.1, 0.5),
        steps=tuple((dice.random(), dice.uniform(5, 100)) for _ in range(dice.randrange(2))),
        spikes=tuple((dice.random(), dice.uniform(50, 500)) for _ in range(dice.randrange(3))),
        n=n,
        least=dice.choice((512, 4096, 100_000)),
        dice=seed,
    )


def wrong(exercise, readings):
    live = readings.live()
    try:
        exact(exercise.is_leak(list(live), readings.least), readings.leaks, "is_leak(...)")
    except AssertionError as error:
        return str(error)
    return None


def check(exercise, readings):
    if wrong(exercise, readings):
        readings = smallest(readings, lambda r: wrong(exercise, r))
        pytest.fail(f"{wrong(exercise, readings)}\n{readings}")


QUIET = {
    "flat": Readings(),
    "noise": Readings(noise=2),
    "sawtooth": Readings(tooth=20, period=4),
    "warm-up": Readings(cache=200, noise=1),
    "quick warm-up": Readings(cache=200, full=0.1),
    "a step": Readings(steps=((0.75, 100),)),
    "an early step": Readings(steps=((0.1, 100),)),
    "a late step": Readings(steps=((0.99, 100),)),
    "a step, with teeth": Readings(steps=((0.76, 60),), tooth=20, period=4),
    "a spike": Readings(spikes=((0.8, 500),)),
    "a spike at the end": Readings(spikes=((0.99, 500),), noise=2),
    "less than counts": Readings(leak=0.09),
    "it shrinks": Readings(cache=-300, full=1),
    "it shrinks, with teeth": Readings(cache=-100, full=1, tooth=20, period=3, noise=2),
}
LEAKY = {
    "leak": Readings(leak=1.5),
    "slow leak under noise and teeth": Readings(leak=1.5, noise=2, tooth=20, period=4),
    "leak in steps": Readings(leak=1.5, every=4, noise=1),
    "leak behind a warm-up": Readings(leak=1.5, cache=200),
    "leak that begins later": Readings(leak=2, begins=0.4, noise=2),
    "leak with a spike": Readings(leak=1.5, spikes=((0.6, 500),)),
    "leak with an early spike": Readings(leak=1.5, spikes=((0, 500),)),
    "leak with steps": Readings(leak=1.5, steps=((0.3, 100), (0.8, 100))),
    "fast leak": Readings(leak=400),
}


@pytest.mark.parametrize("name", QUIET)
def test_no_false_alarm(exercise, name):
    """An alarm that is false twice is switched off: then the third leak goes into production."""
    check(exercise, QUIET[name])


@pytest.mark.parametrize("name", LEAKY)
def test_leaks(exercise, name):
    """A leak of a kilobyte a request is 8 GB a day at a hundred requests a second."""
    check(exercise, LEAKY[name])


@pytest.mark.gc_seeds(40)
def test_any_readings(exercise, seed):
    """Services warm up, queue and reload all at once; the live heap is the sum of it."""
    check(exercise, random_readings(seed, leaks=seed % 2 == 1))


# ---- real heaps ----

ROUNDS, LEAST = 80, 2048
HOLDERS = {
    "closure": "handlers",
    "sub-slice": "titles",
    "map": "sessions",
    "timer": "timers",
    "goroutine": "main.send",
}
OTHERS = ("cache", "config", "queue", "table")


class Service:
    """A service on a real heap: one that leaks, or none, among some that do not."""

    def __init__(self, heap, leak, every, seed, reload):
        self.heap, self.rounds = heap, 0
        dice = random.Random(seed)
        self.every = every
        self.leaky = LEAKS[leak].leaky(heap) if leak else None
        sound = [name for name in LEAKS if name != leak]
        self.fixed = [LEAKS[name].fixed(heap) for name in dice.sample(sound, 2)]
        self.cache = good_cache(heap, dice.randrange(10, 40))
        self.reload = reload or dice.randrange(45, ROUNDS)  # in this round: a new config
        self.period = dice.randrange(2, 5)
        heap.globals["table"] = heap.new_slice(u8, 4 << 20)  # large, and there from the beginning
        heap.globals["config"] = heap.new_slice(u8, 100)
        heap.globals["queue"] = None

    def __call__(self):
        assert self.rounds < ROUNDS, f"serve() was called more than {ROUNDS} times"
        self.rounds += 1
        for serve in (*self.fixed, self.cache):
            serve()
        if self.leaky and self.rounds % self.every == 0:
            self.leaky()
        if self.rounds == self.reload:
            self.heap.globals["config"] = self.heap.new_slice(u8, 1 << 20)
        if self.rounds % self.period == 0:
            self.heap.globals["queue"] = self.heap.new_slice(slice_[u8], 0, 8)
        elif (queue := self.heap.globals["queue"]) is not None:
            self.heap.globals["queue"] = queue.append(self.heap.new_slice(u8, BODY // 2))


def watched(exercise, leak, every, seed, reload=None):
    with gcsim.Heap(gogc=None, procs=1) as heap:
        service = Service(heap, leak, every, seed, reload)
        got = exercise.watch(heap, lambda: service(), ROUNDS, LEAST)
    about = f"{BODY // every:,} bytes a round of {leak}" if leak else "a service without a leak"
    if leak is None:
        exact(got, None, about)
        return
    assert type(got) is str, f"{about}: expected the holder's name, found {got!r}"
    named = [name for name in (*HOLDERS.values(), *OTHERS) if name in got]
    exact(named, [HOLDERS[leak]], f"{about}: who is named in {got!r}")


@pytest.mark.parametrize("leak", HOLDERS)
def test_who_holds_it(exercise, leak):
    """A goroutine that waits, a map that grows, ten bytes of a page: a path from a root tells."""
    watched(exercise, leak, 4, 1, reload=65)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_service_without_a_leak(exercise, seed):
    """HeapAlloc grows nearly always and falls now and then: look behind a collection."""
    watched(exercise, None, 1, seed)


@pytest.mark.gc_seeds(3)
def test_any_service(exercise, seed):
    """A real service leaks in one place, while ten others grow and shrink."""
    dice = random.Random(seed)
    watched(exercise, dice.choice([None, *HOLDERS]), dice.randrange(1, 5), seed)
