"""What exercise.py has to pass. The random programs are other ones each time."""

import random

import pytest

import gcsim
from gcsim import i64, ptr
from gcsim.learn import exact, smallest

SLOTS = 4


@gcsim.struct
class Page:
    link: ptr["Page"]
    number: i64


class Program:
    """What users of a cache do, one word each: "get a 1" puts the page of key a in variable 1,
    "link a 1" puts it in the page there, "drop 1" forgets that variable, "collect" collects."""

    def __init__(self, lines):
        self.lines = tuple(lines)

    def smaller(self):
        for i in reversed(range(len(self.lines))):
            yield Program(self.lines[:i] + self.lines[i + 1 :])

    def __str__(self):
        return "\n".join(f"  {line}" for line in self.lines)


class World:
    """A heap, a cache over it, and beside it the numbers of the pages that ought to be there."""

    def __init__(self, exercise):
        self.heap = gcsim.Heap(gogc=None, procs=1)
        self.heap.globals["variables"] = self.heap.new_slice(ptr[Page], SLOTS)
        self.heap.collect()
        self.base, self.collections = self.heap.memstats().heap_objects, 1
        self.loaded = []  # keys, by number
        self.cache = exercise.Cache(self.heap, self.load)
        self.pages, self.known = 0, {}  # how many there were; key: number of the page that lives
        self.held, self.links = [None] * SLOTS, {}

    def load(self, key):
        self.loaded.append(key)
        return self.heap.new(Page, number=len(self.loaded) - 1)

    def get(self, key):
        page = self.cache.get(key)
        assert isinstance(page, Page), f"get({key!r}) gave {page!r}, which is no page"
        if key not in self.known:
            self.known[key] = self.pages
            self.pages += 1
        exact(page.number, self.known[key], f"the number of the page that get({key!r}) gave")
        exact(len(self.loaded), self.pages, f"calls of load after get({key!r})")
        return page, page.number

    def do(self, line):
        word, *rest = line.split()
        variables = self.heap.globals["variables"]
        if word == "get":
            page, number = self.get(rest[0])
            variables[int(rest[1])] = page
            self.held[int(rest[1])] = number
        elif word == "link" and self.held[int(rest[1])] is not None:
            page, number = self.get(rest[0])
            variables[int(rest[1])].link = page
            self.links[self.held[int(rest[1])]] = number
        elif word == "drop":
            variables[int(rest[0])] = None
            self.held[int(rest[0])] = None
        elif word == "collect":
            self.collect()

    def collect(self):
        """What must live and what must die: by a search of our own."""
        exact(len(self.heap.cycles), self.collections, "collections that ran so far")
        self.heap.collect()
        self.collections += 1
        alive, waiting = set(), [n for n in self.held if n is not None]
        while waiting:
            number = waiting.pop()
            if number not in alive:
                alive.add(number)
                waiting += [self.links[number]] if number in self.links else []
        self.known = {key: n for key, n in self.known.items() if n in alive}
        exact(
            self.heap.memstats().heap_objects - self.base,
            len(alive),
            f"pages in the heap after a collection: in use are {sorted(alive)}",
        )
        exact(entries(self.cache), sorted(self.known), "keys of entries after a collection")
        exact(
            self.heap.pending_finalizers,
            len(self.known),
            "cleanups (or finalizers) that wait, where each page that lives needs one",
        )


def entries(cache):
    """The keys; what they lead to is looked at, too."""
    found = cache.entries
    assert type(found) is dict, f"entries is a {type(found).__name__}, not a dict"
    for key, weak in found.items():
        assert type(weak) is gcsim.Weak, f"entries[{key!r}] is {weak!r}, no weak reference"
    return sorted(found)


def wrong(exercise, program):
    world = World(exercise)
    try:
        with world.heap:
            for line in program.lines:
                world.do(line)
    except AssertionError as error:
        return str(error)
    return None


def check(exercise, program):
    if wrong(exercise, program):
        program = smallest(program, lambda p: wrong(exercise, p))
        pytest.fail(f"{wrong(exercise, program)}\nthe program:\n{program}")


@pytest.mark.parametrize(
    "lines",
    [
        ("get a 0", "get a 1", "get b 2"),
        ("get a 0", "drop 0", "get a 1"),  # nobody collected: it is still there
        ("get a 0", "drop 0", "collect", "get a 0", "collect"),
        ("get a 0", "get b 1", "drop 0", "collect", "get b 0", "get a 1", "collect"),
        ("get a 0", "link b 0", "collect", "get b 1", "drop 0", "collect"),
        ("get a 0", "link b 0", "get b 1", "link a 1", "drop 0", "drop 1", "collect"),
    ],
    ids=["shared", "dropped", "collected", "one of two", "held by a page", "a cycle"],
)
def test_small_programs(exercise, lines):
    """One object for all who ask, and none for nobody: that is what unique.Make promises."""
    check(exercise, Program(lines))


@pytest.mark.gc_seeds(12)
def test_any_program(exercise, seed):
    """Users come and go in any order; the collector decides when the cache may forget."""
    dice = random.Random(seed)
    lines = []
    for _ in range(60):
        word = dice.choice(["get", "get", "get", "link", "drop", "drop", "collect"])
        key, slot = dice.choice("abcdefghijkl"), dice.randrange(SLOTS)
        rest = {"drop": f" {slot}", "collect": ""}.get(word, f" {key} {slot}")
        lines.append(word + rest)
    check(exercise, Program([*lines, "collect"]))


def test_the_map_is_not_the_leak(exercise):
    """A map of dead weak pointers grows for ever: it is why Go has cleanups beside them."""
    n = 2_000
    with gcsim.Heap(gogc=None, procs=1) as heap:
        cache = exercise.Cache(heap, lambda key: heap.new(Page, number=int(key)))
        kept = [cache.get(str(i)) for i in range(10)]
        for i in range(n):
            cache.get(str(i))
        exact(len(entries(cache)), n, "entries while nothing was collected")
        heap.collect()
        exact(entries(cache), sorted(str(i) for i in range(10)), "keys after a collection")
        exact([page.number for page in kept], list(range(10)), "the pages in use")
        held = [len(v) for v in vars(cache).values() if isinstance(v, (dict, list, set, tuple))]
        assert sum(held) == 10, f"the cache holds {sum(held)} things for 10 pages"
        kept.clear()
        heap.collect()
        exact((entries(cache), heap.memstats().heap_objects), ([], 0), "what is left of it all")


@pytest.mark.gc_seeds(3)
def test_an_object_with_a_finalizer(exercise, seed):
    """Go clears weak pointers before a finalizer runs, and cleanups run after it: cycles later."""
    key, made = str(seed), []
    with gcsim.Heap(gogc=None, procs=1) as heap:

        def load(key):
            made.append(key)
            page = heap.new(Page, number=len(made))
            heap.set_finalizer(page, lambda page: None)
            return page

        cache = exercise.Cache(heap, load)
        for _ in range(1 + seed % 3):
            cache.get(key)
        heap.collect()
        exact(made, [key], "what was loaded")
        page = cache.get(key)
        assert isinstance(page, Page), f"get gave {page!r} for a key whose object is gone"
        exact(page.number, 2, "the page, after the first one's finalizer ran: load made number")
        heap.collect()
        assert entries(cache) == [key], "the first page is freed now: the second one's entry went"
        exact(cache.get(key).number, 2, "the page in use")
        del page
        for _ in range(2):
            heap.collect()
        exact((entries(cache), heap.memstats().heap_objects), ([], 0), "what is left in the end")


@pytest.mark.gc_seeds(3)
def test_a_key_is_asked_for_before_its_cleanup_ran(exercise, seed):
    """Cleanups run in no particular order and beside the program: the key may be in use again."""
    keys = [str(seed + i) for i in range(5)]
    with gcsim.Heap(gogc=None, procs=1) as heap:
        numbers, kept = [], []

        def load(key):
            page = heap.new(Page, number=len(numbers))
            if len(numbers) < len(keys):
                heap.add_cleanup(page, again, key)  # comes before the cache's own
            numbers.append(key)
            return page

        def again(key):
            kept.append(cache.get(key))

        cache = exercise.Cache(heap, load)
        for key in keys:
            cache.get(key)
        heap.collect()
        exact(
            numbers[len(keys) :], [page and numbers[page.number] for page in kept], "loaded again"
        )
        exact(entries(cache), sorted(keys), "keys of entries, each with a page in use")
        for page in kept:
            key = numbers[page.number]
            exact(cache.get(key).number, page.number, f"the page of {key!r}, which is in use")


def test_what_cannot_be_loaded(exercise):
    """An error is no value: the next one who asks shall try again."""
    with gcsim.Heap(gogc=None, procs=1) as heap:
        tries = []

        def load(key):
            tries.append(key)
            if len(tries) < 3:
                raise LookupError(key)
            return heap.new(Page, number=7)

        cache = exercise.Cache(heap, load)
        for _ in range(2):
            with pytest.raises(LookupError):
                cache.get("a")
            exact(entries(cache), [], "keys of entries after a load that failed")
        exact(cache.get("a").number, 7, "the page")
        exact(len(tries), 3, "calls of load")
