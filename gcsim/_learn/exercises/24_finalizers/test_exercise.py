"""What exercise.py has to pass. The random graphs and programs are other ones each time."""

import random

import pytest

import gcsim
from gcsim import i32, i64, ptr
from gcsim.learn import Graph, exact, random_graph, smallest

COLLECTIONS = 5
HOOKS = ["finalizer", "finalizer", "saves", "again", "cleanup", None, None]


@gcsim.struct
class Node:
    a: ptr["Node"]
    b: ptr["Node"]
    number: i64


# ---- predict ----


class Case:
    """A graph and what was set on its objects: a kind of hook each, or None."""

    def __init__(self, graph, hooks):
        self.graph, self.hooks = graph, tuple(hooks)

    def smaller(self):
        for i in reversed(range(len(self.hooks))):
            yield Case(self.graph.without(i), self.hooks[:i] + self.hooks[i + 1 :])
        for graph in self.graph.smaller():
            if len(graph.pointers) == len(self.hooks):
                yield Case(graph, self.hooks)
        for i, hook in enumerate(self.hooks):
            if hook:
                yield Case(self.graph, (*self.hooks[:i], None, *self.hooks[i + 1 :]))

    def __str__(self):
        hooks = [f"{hook} on {i}" for i, hook in enumerate(self.hooks) if hook]
        return f"{self.graph}\nset: {', '.join(hooks) or 'nothing'}"


def what_happens(case, collections=COLLECTIONS):
    """The same graph in a real heap: (whose hook ran, who was freed) of each collection."""
    with gcsim.Heap(gogc=None, procs=1) as heap:
        n = len(case.hooks)
        kept = heap.new_slice(ptr[Node], n)
        heap.globals["kept"] = kept
        nodes = [heap.new(Node, number=i) for i in range(n)]
        for node, targets in zip(nodes, case.graph.pointers, strict=True):
            node.a, node.b = (None if to is None else nodes[to] for to in targets)
        for root in case.graph.roots:
            kept[root] = nodes[root]
        ran = []

        def again(node):
            ran.append(node.number)
            heap.set_finalizer(node, again)

        def saves(node):
            ran.append(node.number)
            kept[node.number] = node

        finalizers = {"finalizer": lambda node: ran.append(node.number)}
        finalizers |= {"saves": saves, "again": again}
        for i, hook in enumerate(case.hooks):
            if hook == "cleanup":
                heap.add_cleanup(nodes[i], ran.append, i)
            elif hook:
                heap.set_finalizer(nodes[i], finalizers[hook])
        numbers = {gcsim.address(node): i for i, node in enumerate(nodes)}
        there = set(range(n))
        nodes = node = None
        found = []
        for _ in range(collections):
            ran.clear()
            heap.collect()
            now = {numbers[o.address] for o in heap.objects() if o.address in numbers}
            found.append((sorted(ran), sorted(there - now)))
            there = now
        return found


def wrong(exercise, case, collections=COLLECTIONS):
    hooks = {i: hook for i, hook in enumerate(case.hooks) if hook}
    pointers = [list(targets) for targets in case.graph.pointers]
    got = exercise.predict(pointers, list(case.graph.roots), hooks, collections)
    want = what_happens(case, collections)
    try:
        exact(got, want, "predict(...)")
    except AssertionError as error:
        if type(got) is not list or len(got) != len(want):
            return f"{error}\n{case}"
        lines = [
            f"  collection {i + 1}: expected {_told(w)}, found {_told(g)}"
            for i, (g, w) in enumerate(zip(got, want, strict=True))
        ]
        return "\n".join(["(whose hook ran), (who was freed)", *lines, str(case)])
    return None


def _told(pair):
    return f"{pair[0]} {pair[1]}" if type(pair) is tuple and len(pair) == 2 else repr(pair)


def check(exercise, case):
    if wrong(exercise, case):
        case = smallest(case, lambda c: wrong(exercise, c))
        pytest.fail(wrong(exercise, case))


GRAPHS = {
    "one": (((None, None),), (), "finalizer"),
    "in use": (((None, None),), (0,), "finalizer"),
    "what it points to": (((1, None), (None, None)), (), "finalizer", None),
    "both pointers": (((1, 2), (None, None), (None, None)), (), "finalizer", None, None),
    "a chain": (((1, None), (2, None), (None, None)), (), *3 * ["finalizer"]),
    "a cycle": (((1, None), (0, None)), (), "finalizer", None),
    "a cycle with a cleanup": (((1, None), (0, None)), (), "cleanup", None),
    "beside a cycle": (((1, None), (2, None), (1, None)), (), "finalizer", None, None),
    "saved": (((1, None), (None, None)), (), "saves", "finalizer"),
    "set again": (((1, None), (None, None)), (), "again", "cleanup"),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_known_graphs(exercise, name):
    """The rules that SetFinalizer's documentation takes a page for, one graph each."""
    pointers, roots, *hooks = GRAPHS[name]
    check(exercise, Case(Graph(pointers, roots), hooks))


@pytest.mark.gc_seeds(25)
def test_any_graph(exercise, seed):
    """The order among objects is that of their pointers, and there may be none."""
    dice = random.Random(seed)
    n = dice.randint(3, 9)
    graph = random_graph(seed, objects=n, roots=dice.choice([0, 0, 1]))
    check(exercise, Case(graph, [dice.choice(HOOKS) for _ in range(n)]))


@pytest.mark.gc_seeds(4)
def test_a_long_chain(exercise, seed):
    """A list of n objects with finalizers takes n collections: at Go's pace that is hours."""
    n = 6 + seed % 7
    pointers = [(i + 1 if i + 1 < n else None, None) for i in range(n)]
    case = Case(Graph(tuple(pointers), ()), ["finalizer"] * n)
    assert wrong(exercise, case, n + 2) is None, wrong(exercise, case, n + 2)


# ---- Files ----


@gcsim.struct
class Handle:
    fd: i32


@gcsim.struct
class File:
    handle: ptr[Handle]
    next: ptr["File"]


VARIABLES = 4


class Program:
    """What users do: "open 1" puts a new file in variable 1, "link 1 2" has its next point to the
    file in variable 2, "close 1", "drop 1" (without closing it), "collect"."""

    def __init__(self, lines):
        self.lines = tuple(lines)

    def smaller(self):
        for i in reversed(range(len(self.lines))):
            yield Program(self.lines[:i] + self.lines[i + 1 :])


class World:
    """The files in a heap, and beside it which descriptors ought to be open."""

    def __init__(self, exercise, heap):
        self.heap, self.released = heap, []
        heap.globals["variables"] = heap.new_slice(ptr[File], VARIABLES)
        self.files = exercise.Files(heap, self.make, self.released.append)
        self.held, self.next, self.fds = [None] * VARIABLES, {}, {}  # by number of the file
        self.made = 0

    def make(self, fd):
        return self.heap.new(File, handle=self.heap.new(Handle, fd=fd))

    def do(self, line):
        """Does it, and gives what has to be released by it."""
        word, *rest = line.split()
        variables, v = self.heap.globals["variables"], int(rest[0]) if rest else 0
        if word == "collect":
            self.heap.collect()
            return self.unreachable()
        if word == "open":
            fd = min(set(range(20)) - set(self.fds.values()))  # as the system does
            file = self.files.open(fd)
            assert type(file) is File and file.handle.fd == fd, f"open({fd}) gave {file!r}"
            variables[v], self.held[v] = file, self.made
            self.fds[self.made] = fd
            self.made += 1
        elif word == "drop":
            variables[v] = self.held[v] = None
        elif self.held[v] is None:
            pass
        elif word == "close":
            self.files.close(variables[v])
            if self.held[v] in self.fds:
                return [self.fds.pop(self.held[v])]
        elif word == "link":
            to = int(rest[1])
            variables[v].next, self.next[self.held[v]] = variables[to], self.held[to]
        return []

    def unreachable(self):
        """By a search of our own: files that nobody can use, and their descriptors."""
        alive, waiting = set(), list(self.held)
        while waiting:
            file = waiting.pop()
            if file is not None and file not in alive:
                alive.add(file)
                waiting.append(self.next.get(file))
        return [self.fds.pop(file) for file in sorted(set(self.fds) - alive)]


def mistake(exercise, program):
    """What a program shows to be wrong, with the lines that led there; None: nothing."""
    with gcsim.Heap(gogc=None, procs=1) as heap:
        world, lines = World(exercise, heap), []
        for line in program.lines:
            world.released.clear()
            want = sorted(world.do(line))
            lines.append(f"  {line}")
            try:
                assert all(type(fd) is int for fd in world.released), f"{world.released}: numbers?"
                exact(sorted(world.released), want, f"descriptors that {line!r} released")
                exact(
                    heap.pending_finalizers,
                    len(world.fds),
                    f"finalizers and cleanups that wait after {line!r}, one for each open file",
                )
            except AssertionError as error:
                return "\n".join([str(error), "the program:", *lines])
    return None


def check_files(exercise, lines):
    program = Program(lines)
    if mistake(exercise, program):
        pytest.fail(mistake(exercise, smallest(program, lambda p: mistake(exercise, p))))


@pytest.mark.parametrize(
    "lines",
    [
        ("open 0", "open 1", "collect", "drop 0", "collect", "collect"),
        ("open 0", "close 0", "close 0", "drop 0", "collect", "collect"),
        ("open 0", "open 1", "link 0 1", "drop 0", "drop 1", "collect"),
        ("open 0", "open 1", "link 0 1", "link 1 0", "drop 0", "drop 1", "collect"),
        ("open 0", "close 0", "open 1", "close 0", "drop 0", "collect", "close 1"),
        ("open 0", "open 1", "link 1 0", "drop 0", "collect", "close 1"),
    ],
    ids=["dropped", "closed twice", "a chain", "a cycle", "number used again", "still linked"],
)
def test_known_programs(exercise, lines):
    """os.Process does it so (os/exec.go): a cleanup on what users hold, stopped by Release."""
    check_files(exercise, lines)


@pytest.mark.gc_seeds(10)
def test_any_program(exercise, seed):
    """A descriptor that is released twice is by then another goroutine's connection."""
    dice = random.Random(seed)
    words = ["open", "open", "link", "link", "close", "drop", "drop", "collect"]
    lines = []
    for _ in range(50):
        word, v, to = dice.choice(words), dice.randrange(VARIABLES), dice.randrange(VARIABLES)
        lines.append({"collect": word, "link": f"link {v} {to}"}.get(word, f"{word} {v}"))
    check_files(exercise, lines)
