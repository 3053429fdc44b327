"""What exercise.py has to pass. The services are other ones each time, and so are their leaks."""

import random
import tempfile
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

import gcsim
from gcsim import ptr, slice_, u8
from gcsim._heap_files_go import go_dump, graph_of
from gcsim.learn import exact, smallest

GO = Path(gcsim.__file__).parent / "data" / "leaks.graph.npz"  # of a Go program with ten leaks


class Dump(NamedTuple):
    sizes: dict[int, int]
    pointers: dict[int, list[int]]
    roots: list[tuple[str, int]]


def plain(snapshot):
    """What a student gets of a snapshot: numbers and names."""
    n = range(len(snapshot))
    addresses = [snapshot.address(i) for i in n]
    targets = memoryview(snapshot._columns[3]).cast("I").tolist()
    return Dump(
        {addresses[i]: snapshot.size(i) for i in n},
        {addresses[i]: [addresses[to] for _, to in snapshot.edges(i)] for i in n},
        [(name, addresses[to]) for name, to in zip(snapshot._root_names, targets, strict=True)],
    )


def written(heap):
    """A heap's dump, as Go would have written it, read again."""
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "heap.dump"
        file.write_bytes(b"".join(go_dump(graph_of(heap.snapshot(owners=False)))))
        return gcsim.read_snapshot(file)


def must(condition, words):
    if not condition:
        raise AssertionError(words)


def check_path(dump, snapshot, address, got):
    """That `got` is a way to the object, and as short as a way can be."""
    why = snapshot.why_alive(address).paths
    what = f"path(..., {address:#x})"
    if not why:
        exact(got, None, f"{what}, which no root reaches")
        return
    must(type(got) is tuple and len(got) == 2, f"{what}: a name and a list, not {got!r}")
    name, way = got
    must(
        type(name) is str and type(way) is list and all(type(a) is int for a in way),
        f"{what}: a name and a list of addresses, not {got!r}",
    )
    shown = f"{what}: {name}, {', '.join(map(hex, way))}"
    must(way and way[-1] == address, f"{shown}: does not end there")
    must((name, way[0]) in dump.roots, f"{shown}: no such root holds the first of them")
    for a, b in pairwise(way):
        must(b in dump.pointers.get(a, ()), f"{shown}: {a:#x} has no pointer to {b:#x}")
    exact(len(way), len(why[0].steps), f"objects on a shortest path; {shown}")


# ---- the dump of a real Go program ----


@cache
def go():
    snapshot = gcsim.read_snapshot(GO)
    return snapshot, plain(snapshot)


def looked_at(seed):
    """Objects to ask for: one that retains much, and some at random."""
    snapshot, _ = go()
    dice = random.Random(seed)
    suspects = [h for s in snapshot.suspects(0.001) for h in s.holders[:1]]
    chosen = dice.sample(suspects, 4) + dice.sample(range(len(snapshot)), 4)
    return [(i, snapshot.address(i)) for i in chosen]


@pytest.mark.gc_seeds(2)
def test_what_objects_of_a_go_program_retain(exercise, seed):
    """pprof says who allocated it; only a dump says who keeps it."""
    snapshot, dump = go()
    for i, address in looked_at(seed):
        exact(
            exercise.retained(dump, address), snapshot.retained(i), f"retained(..., {address:#x})"
        )


@pytest.mark.gc_seeds(2)
def test_paths_in_a_go_program(exercise, seed):
    """A global or a goroutine at the other end of the path is where the mistake is."""
    snapshot, dump = go()
    for _, address in looked_at(seed):
        check_path(dump, snapshot, address, exercise.path(dump, address))


# ---- services ----


@gcsim.struct
class Item:
    next: ptr["Item"]
    owner: ptr["Table"]
    body: slice_[u8]


@gcsim.struct
class Table:
    head: ptr[Item]
    items: slice_[ptr[Item]]
    below: slice_[ptr["Table"]]


class Part(NamedTuple):
    """A table of a service: what it does with requests, and the tables or roots that hold it."""

    kind: str  # "cache", "ring"; those that leak: "list", "slice", "both" (with the table before)
    holders: tuple[int | str, ...]  # numbers of earlier tables; "global"; "goroutine"
    size: int  # bytes of a body
    owned: bool  # items point back to the table


RING = 6


class Service:
    """Tables, one of which leaks. Dumps are taken before and after so many requests."""

    def __init__(self, parts, requests):
        self.parts, self.requests = tuple(parts), requests

    def smaller(self):
        for gone in reversed(range(len(self.parts))):
            if self.parts[gone].kind not in ("list", "slice", "both"):
                yield Service(
                    (
                        part._replace(holders=self.without(part.holders, gone))
                        for i, part in enumerate(self.parts)
                        if i != gone
                    ),
                    self.requests,
                )
        for i, part in enumerate(self.parts):
            for j in range(len(part.holders) if len(part.holders) > 1 else 0):
                fewer = part.holders[:j] + part.holders[j + 1 :]
                rest = (*self.parts[:i], part._replace(holders=fewer), *self.parts[i + 1 :])
                yield Service(rest, self.requests)
            if part.owned:
                rest = (*self.parts[:i], part._replace(owned=False), *self.parts[i + 1 :])
                yield Service(rest, self.requests)
        if self.requests > 3:
            yield Service(self.parts, self.requests - 1)

    @staticmethod
    def without(holders, gone):
        moved = tuple(
            h if type(h) is str else h - (h > gone) for h in holders if type(h) is str or h != gone
        )
        return moved or ("global",)

    def dumps(self):
        """Snapshots of both dumps: the garbage of the last request is in them, too."""
        with gcsim.Heap(gogc=None, procs=1) as heap:
            tables = self.build(heap)
            found, turns = [], 0
            for requests in (RING + 2, self.requests):
                for turn in range(turns, turns + requests):
                    self.serve(heap, tables, turn)
                turns += requests
                heap.collect()
                self.litter(heap, tables[-1](), 0 if found else 8000)
                found.append(written(heap))
            return found

    def build(self, heap):
        """Weak references to the tables: what Python holds would be roots."""
        tables, worker = [], heap.goroutine("server")
        for i, part in enumerate(self.parts):
            table = heap.new(
                Table, items=heap.new_slice(ptr[Item], RING), below=heap.new_slice(ptr[Table], 0, 2)
            )
            tables.append(heap.weak(table))
            for holder in part.holders:
                if holder == "global":
                    heap.globals[f"table{i}"] = table
                elif holder == "goroutine":
                    worker.push(f"main.serve{i}", table=ptr[Table]).table = table
                else:
                    above = tables[holder]()
                    above.below = above.below.append(table)
            if part.kind == "cache":
                for k in range(RING):
                    table.items[k] = self.item(heap, part, table, 20 * part.size)
        return tables

    def item(self, heap, part, table, size):
        item = heap.new(Item, body=heap.new_slice(u8, size))
        if part.owned:
            item.owner = table
        return item

    def serve(self, heap, tables, turn):
        for i, part in enumerate(self.parts):
            table = tables[i]()
            if part.kind == "cache":
                continue
            item = self.item(heap, part, table, part.size)
            if part.kind == "ring":
                table.items[turn % RING] = item
            if part.kind in ("list", "both"):
                item.next = table.head
                table.head = item
            if part.kind in ("slice", "both"):
                other = tables[i - 1]() if part.kind == "both" else table
                other.items = other.items.append(item)

    def litter(self, heap, table, size):
        """What nobody holds, but leads to much itself."""
        heap.new_slice(u8, size)
        heap.new(Table, head=table.head, items=table.items, below=table.below)

    @cache  # noqa: B019
    def case(self):
        """The dumps, and the holder; None if there is not one alone."""
        before, after = self.dumps()
        grown = after.reachable_bytes - before.reachable_bytes
        old = {before.address(i): before.retained(i) for i in range(len(before))}
        found = sorted(
            (after.retained(i), after.address(i))
            for i in range(len(after))
            if after.address(i) in old and 2 * (after.retained(i) - old[after.address(i)]) > grown
        )
        if grown < 1000 or not found or [size for size, _ in found[:2]] == 2 * [found[0][0]]:
            return None
        return before, after, found[0][1]

    def __str__(self):
        lines = [f"a service with these tables, dumps before and after {self.requests} requests:"]
        for i, part in enumerate(self.parts):
            by = ", ".join(h if type(h) is str else f"table {h}" for h in part.holders)
            lines.append(f"  {i}: {part.kind}, held by: {by}")
        return "\n".join(lines)


def random_service(seed):
    """One of its tables leaks, or two do that share what they leak."""
    dice = random.Random(seed)
    while True:
        n = dice.randint(3, 6)
        kinds = [dice.choice(["cache", "ring"]) for _ in range(n)]
        at = dice.randrange(1, n)
        kinds[at] = dice.choice(["list", "slice", "both", "both"])
        parts = []
        for i, kind in enumerate(kinds):
            above = [dice.randrange(i)] if i else []
            holders = dice.choice(
                [["global"], ["goroutine"], above, above, above] if i else [["global"]]
            )
            if dice.random() < 0.3 and i != at:
                holders = [*holders, dice.choice(["global", "goroutine", *above])]
            parts.append(
                Part(
                    kind,
                    tuple(dict.fromkeys(holders)),
                    dice.randrange(40, 200),
                    dice.random() < 0.5,
                )
            )
        service = Service(parts, dice.randint(8, 14))
        if service.case():
            return service


def wrong(exercise, service):
    case = service.case()
    if case is None:
        return None
    *snapshots, holder = case
    before, after = map(plain, snapshots)
    got = exercise.leak(before, after)
    try:
        must(type(got) is int, f"leak(...): an address, not {got!r}")
        must(got in after.sizes, f"leak(...): no object lies at {got:#x}")
        if got != holder:
            told = [f"leak(...): expected {holder:#x}, found {got:#x}"]
            told += [words(address, *snapshots, before) for address in (holder, got)]
            raise AssertionError("\n".join(told))
    except AssertionError as error:
        return f"{error}\n{service}"
    return None


def words(address, before, after, then):
    """What both dumps say of an object."""
    was = f"{before.retained(address):,} B" if address in then.sizes else "not there"
    ways = after.why_alive(address).paths
    way = ways[0].words.replace("\n", "\n    ") if ways else "no root reaches it"
    return f"  {address:#x} retains {after.retained(address):,} B, before: {was}\n    {way}"


def check(exercise, service):
    if wrong(exercise, service):
        service = smallest(service, lambda s: wrong(exercise, s))
        pytest.fail(wrong(exercise, service))


@pytest.mark.parametrize(
    "parts",
    [
        [Part("list", ("global",), 100, False)],
        [Part("cache", ("global",), 100, False), Part("slice", ("global",), 100, True)],
        [Part("ring", ("global",), 150, False), Part("list", (0,), 50, True)],
        [
            Part("cache", ("global",), 100, True),
            Part("ring", (0,), 100, False),
            Part("both", (0,), 60, False),
        ],
        [Part("cache", ("global",), 90, False), Part("list", (0, "goroutine"), 60, False)],
    ],
    ids=["a list", "beside a cache", "below a ring", "in two tables", "held twice"],
)
def test_known_services(exercise, parts):
    """Who holds the most is mostly a cache; who grew, and is not just above it, is the leak."""
    service = Service(parts, 10)
    assert service.case(), "gcsim itself is wrong"
    check(exercise, service)


@pytest.mark.gc_seeds(8)
def test_any_service(exercise, seed):
    """No two heaps lie alike: what counts is who retains, not who comes first or points to most."""
    service = random_service(seed)
    check(exercise, service)


@pytest.mark.gc_seeds(3)
def test_what_is_dead_and_what_is_new(exercise, seed):
    """A dump comes in the middle of a cycle: dead objects in it hold nothing alive."""
    _, after, _ = random_service(seed).case()
    dump = plain(after)
    for i, address in enumerate(dump.sizes):
        exact(exercise.retained(dump, address), after.retained(i), f"retained(..., {address:#x})")
        check_path(dump, after, address, exercise.path(dump, address))
