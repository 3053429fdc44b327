"""What exercise.py has to pass. The random graphs are other ones each time."""

from array import array as buffer

import pytest

import gcsim
from gcsim import ptr
from gcsim.learn import Graph, random_graph, smallest


@gcsim.struct
class Node:
    a: ptr["Node"]
    b: ptr["Node"]


class Marking:
    """A graph built in a heap, with marks beside it: plain numbers, and what was asked counted."""

    def __init__(self, graph):
        self.graph = graph
        self.heap = gcsim.Heap(gogc=None)
        links = {
            name: buffer("q", [-1 if p[i] is None else p[i] for p in graph.pointers])
            for i, name in enumerate("ab")
        }
        n = len(graph.pointers)
        self.batch = self.heap.build(Node, n, links=links, roots=list(graph.roots))
        self.addresses = [gcsim.address(self.batch[i]) for i in range(n)]
        self.numbers = {address: i for i, address in enumerate(self.addresses)}
        self.marked, self.reads = set(), dict.fromkeys(range(n), 0)

    def pointers(self, address):
        i = self.number(address)
        assert i in self.marked or i in self.graph.roots, (
            f"object {i} was looked into before it had a mark"
        )
        self.reads[i] += 1
        return [None if to is None else self.addresses[to] for to in self.graph.pointers[i]]

    def number(self, address):
        assert type(address) is int and address in self.numbers, (
            f"{address!r} is no object's address"
        )
        return self.numbers[address]

    def is_marked(self, address):
        return self.number(address) in self.marked

    def set_mark(self, address):
        i = self.number(address)
        assert i not in self.marked, f"object {i} was marked twice"
        self.marked.add(i)

    def run(self, exercise):
        exercise.mark(
            [self.addresses[i] for i in self.graph.roots],
            self.pointers,
            self.is_marked,
            self.set_mark,
        )
        self.heap.collect()
        alive = {i for i, lives in enumerate(self.batch.alive()) if lives}
        self.heap.close()
        assert alive == self.graph.reachable, "gcsim itself is wrong"
        lost, kept = sorted(alive - self.marked), sorted(self.marked - alive)
        assert not lost, f"no mark on {lost}, which the program can reach: they would be freed"
        assert not kept, f"a mark on {kept}, which nothing leads to: they would stay for ever"
        often = {i: n for i, n in self.reads.items() if n > 1}
        assert not often, f"looked into more than once: {often}"


def wrong(exercise, graph):
    try:
        Marking(graph).run(exercise)
    except AssertionError as error:
        return str(error)
    return None


def check(exercise, graph):
    if wrong(exercise, graph):
        graph = smallest(graph, lambda g: wrong(exercise, g))
        pytest.fail(f"{wrong(exercise, graph)}\n{graph}\nalive: {sorted(graph.reachable)}")


@pytest.mark.parametrize(
    "graph",
    [
        Graph(((1, None), (2, None), (None, None)), (0,)),
        Graph(((1, 1), (0, None), (0, None)), (0,)),  # a cycle, and one that only leads into it
        Graph(((None, None), (None, None)), ()),
        Graph(((2, 3), (3, 2), (None, None), (None, None)), (0, 1)),
        Graph(((0, None),), (0,)),
    ],
    ids=["list", "cycle", "no roots", "shared", "itself"],
)
def test_small_graphs(exercise, graph):
    """What is marked lives, what is not is freed at once: one mistake is a dangling pointer."""
    check(exercise, graph)


@pytest.mark.gc_seeds(20)
def test_any_graph(exercise, seed):
    """Programs make every shape: shared, cyclic, unreachable."""
    check(exercise, random_graph(seed, objects=2 + seed % 30, roots=1 + seed % 4))


def test_a_long_list(exercise):
    """Go's marker keeps its own queue: a list as long as the heap must not overflow a stack."""
    n = 20_000
    graph = Graph(tuple((i + 1 if i + 1 < n else None, None) for i in range(n)), (0,))
    assert wrong(exercise, graph) is None, f"a list of {n:,} nodes: {wrong(exercise, graph)}"
