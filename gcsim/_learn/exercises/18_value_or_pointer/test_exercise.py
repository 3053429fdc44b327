"""What exercise.py has to pass. The random records and programs are other ones each time."""

import random
from dataclasses import dataclass, replace
from functools import cache

import pytest

import gcsim
from gcsim import array, i64, string, u8
from gcsim.learn import exact, smallest

FORMS = ("values", "pointers", "block")
ELEMENTS = {"values": "struct", "pointers": "pointer", "block": "pointer"}


@cache
def record(size, name):
    """A record of so many bytes, with a string in it or not."""
    fields = {"id": i64, "hits": i64, "name": string} if name else {"id": i64, "hits": i64}
    if rest := size - (32 if name else 16):
        fields["rest"] = array[u8, rest]
    made = gcsim.struct(type(f"Record{size}{name or ''}", (), {"__annotations__": fields}))
    assert gcsim.sizeof(made) == size
    return made


def random_rows(seed, most=60):
    dice = random.Random(seed)
    return [(dice.randrange(1 << 40), dice.randrange(100)) for _ in range(dice.randrange(2, most))]


def built(exercise, heap, form, kind, rows):
    """One of the three, of the right type, with the right contents and no allocation too many."""
    n, before = len(rows), heap.memstats().mallocs
    made = getattr(exercise, form)(heap, kind, list(rows))
    allocations = heap.memstats().mallocs - before
    row(made, ELEMENTS[form], kind, rows, f"{form}(heap, Record, {n} rows)")
    want = {"values": 1, "pointers": n + 1, "block": 2}[form]
    exact(allocations, want, f"allocations of {form}, {n} records")
    exact(made.cap, n, f"the capacity of {form}")
    return made


def row(made, element, kind, rows, what):
    """Fails unless it is a slice of such elements with these ids and hits."""
    assert type(made) is gcsim.Slice, f"{what}: expected a slice, found {type(made).__name__}"
    want = gcsim.sizeof(kind) if element == "struct" else 8
    exact((made.elem.kind, made.elem.bytes), (element, want), f"{what}: kind and bytes of elements")
    assert all(made[i] is not None for i in range(len(made))), f"{what}: there is a nil in it"
    exact([(r.id, r.hits) for r in made], list(rows), f"{what}: ids and hits")
    return made


# ---- the three forms ----


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.gc_seeds(4)
def test_what_is_allocated(exercise, heap, form, seed):
    """Each allocation takes time and, once dead, is an object to be swept."""
    kind = record(random.Random(seed).choice([16, 40, 64]), False)
    built(exercise, heap, form, kind, random_rows(seed))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.gc_seeds(4)
def test_what_the_collector_does(exercise, heap, form, seed):
    """Records without pointers in a slice of values are not even read: that is "fewer pointers"."""
    rows, kind = random_rows(seed), record(48, False)
    made = built(exercise, heap, form, kind, rows)
    cycle, n = heap.collect(), len(rows)
    want = {"values": (1, 0), "pointers": (n + 1, 8 * n), "block": (2, 8 * n)}[form]
    exact((cycle.objects_marked, cycle.scan_work), want, f"{form}: objects marked, bytes read")
    at = [gcsim.address(r) for r in made]
    assert len(set(at)) == n, f"{form}: some records are the same object"
    if form != "pointers":
        exact(at, [at[0] + 48 * i for i in range(n)], f"{form}: addresses of the records")
    kept = made[n // 2]
    del made
    alive = heap.collect().heap_marked
    slot = gcsim.size_class(48 if form == "pointers" else 48 * n, True).slot_bytes
    exact(alive, slot, f"{form}: bytes that one record of {n} keeps alive")
    del kept


# ---- who sees what ----


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.gc_seeds(4)
def test_a_watched_record_is_the_record(exercise, heap, form, seed):
    """for _, r := range records { r.hits++ } changes copies: it has to be &records[i]."""
    rows, kind, dice = random_rows(seed), record(40, False), random.Random(seed)
    made = built(exercise, heap, form, kind, rows)
    wanted = [dice.randrange(len(rows)) for _ in range(dice.randrange(1, 9))]
    before = heap.memstats().mallocs
    what = f"watch({form}, {wanted})"
    seen = exercise.watch(heap, kind, made, list(wanted))
    row(seen, "pointer", kind, [rows[i] for i in wanted], what)
    exact(heap.memstats().mallocs - before, 1, f"allocations of {what}")
    where = [gcsim.address(made[i]) for i in wanted]
    exact([gcsim.address(r) for r in seen], where, f"addresses in {what}")
    seen[0].hits = 1000 + seed
    exact(made[wanted[0]].hits, 1000 + seed, f"hits in {form}, written through {what}")
    made[wanted[-1]].hits = 5 + seed
    exact(seen[len(wanted) - 1].hits, 5 + seed, f"hits in {what}, written to {form}")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.gc_seeds(4)
def test_a_copy_is_a_copy(exercise, heap, form, seed):
    """copy() and s[:] of a slice of pointers copy pointers: both then change the same records."""
    rows, kind, dice = random_rows(seed), record(64, True), random.Random(seed)
    made = built(exercise, heap, form, kind, rows)
    for i in range(len(rows)):
        made[i].name = f"record {i}"
    before = heap.memstats().mallocs
    own = row(exercise.copies(heap, kind, made), "struct", kind, rows, f"copies({form})")
    exact(heap.memstats().mallocs - before, 1, f"allocations of copies({form})")
    exact([r.name for r in own], [f"record {i}" for i in range(len(rows))], "names in the copy")
    i = dice.randrange(len(rows))
    own[i].hits = -1
    exact(made[i].hits, rows[i][1], f"hits in {form} after a write to its copy")
    made[i].hits = -2
    exact(own[i].hits, -1, f"hits in the copy after a write to {form}")


# ---- which one ----


@dataclass(frozen=True)
class Program:
    """What `choose` is asked about."""

    size: int
    name: bool
    count: int
    inserts: int
    watched: int
    alone: bool
    cycles: int

    def smaller(self):
        for what in ("count", "inserts", "watched", "cycles"):
            n, least = getattr(self, what), {"count": 30}.get(what, 0)
            if what == "watched" and self.alone:
                least = 1
            for fewer in sorted({least, n // 2, n - 1}):
                if least <= fewer < n:
                    yield replace(self, **{what: fewer})
        if self.alone:
            yield replace(self, alone=False)
        if self.name:
            yield replace(self, name=False)

    @property
    def told(self):
        return self.count, self.inserts, self.watched, self.alone, self.cycles

    def run(self, exercise, form):
        """What a form costs, by parts, on a real heap; None if a write was lost."""
        kind, rows = record(self.size, self.name), [(i, 0) for i in range(self.count)]
        with gcsim.Heap(gogc=None) as heap:
            new = heap.new(kind, id=-1)
            before = heap.memstats().total_alloc
            made, moved = built(exercise, heap, form, kind, rows), 0
            allocated = heap.memstats().total_alloc - before
            wanted = [i * self.count // self.watched for i in range(self.watched)]
            seen = exercise.watch(heap, kind, made, wanted) if wanted else None
            before = heap.memstats().total_alloc
            for _ in range(self.inserts):
                moved += len(made) * made.elem.bytes
                made = made.insert(0, new if form == "values" else heap.new(kind, id=-1))
            allocated += heap.memstats().total_alloc - before
            for j, i in enumerate(wanted):
                seen[j].hits = i + 1
            lost = any(made[self.inserts + i].hits != i + 1 for i in wanted)
            if self.alone:
                del made
            del new
            cycle = heap.collect()
            made = seen = None
        reads = self.cycles * cycle.scan_work
        marks = self.cycles * 64 * cycle.objects_marked
        parts = (allocated, moved, reads, marks, cycle.heap_marked)
        return None if lost else (sum(parts), *parts)

    def __str__(self):
        kind = f"{self.size} byte records {'with' if self.name else 'without'} a pointer in them"
        end = ", the watched ones alone are kept" if self.alone else ""
        return (
            f"{self.count} {kind}, {self.watched} watched, {self.inserts} inserted{end},"
            f" {self.cycles} cycles"
        )


def wrong(exercise, program):
    """What is wrong with the choice for a program; None: nothing."""
    costs = {form: program.run(exercise, form) for form in FORMS}
    choice = exercise.choose(record(program.size, program.name), *program.told)
    least = min(cost[0] for cost in costs.values() if cost)
    named = type(choice) is str and choice in FORMS
    cost = costs[choice] if named else None
    if cost and cost[0] <= 1.1 * least:
        return None
    said = f"choose(Record, {', '.join(map(str, program.told))}) is {choice!r}"
    why = f"is none of {FORMS}" if not named else "loses a write" if not cost else "costs more"
    heads = ("sum", "allocated", "moved", "read", "marked", "alive")
    lines = ["".join(f"{head:>11}" for head in ("", *heads))]
    for form, found in costs.items():
        cells = [f"{cell:11,}" for cell in found] if found else ["  a write through watch is lost"]
        lines.append(f"{form:>11}{''.join(cells)}")
    return "\n".join([f"{said}, which {why}:", *lines, str(program)])


def check(exercise, program):
    if wrong(exercise, program):
        program = smallest(program, lambda p: wrong(exercise, p))
        pytest.fail(wrong(exercise, program))


@pytest.mark.parametrize(
    "program",
    [
        Program(64, False, 100, 0, 0, False, 1),
        Program(64, False, 100, 0, 5, False, 5),  # pointers to values that stay where they are
        Program(128, False, 100, 6, 0, False, 1),
        Program(128, True, 100, 6, 3, False, 4),
        Program(128, False, 100, 6, 1, True, 1),
        Program(256, True, 60, 0, 1, True, 3),
        Program(24, False, 100, 8, 0, False, 3),
        Program(64, False, 64, 0, 1, True, 2),
        Program(16, False, 150, 1, 0, False, 9),
        Program(16, False, 150, 1, 1, False, 9),
    ],
    ids=lambda program: "-".join(map(str, (program.size, program.name, *program.told))),
)
def test_known_programs(exercise, program):
    """No rule of thumb: what is shared decides first, then what is moved, read and kept."""
    check(exercise, program)


@pytest.mark.gc_seeds(20)
def test_any_program(exercise, seed):
    """Measured on the heap: allocations, bytes moved, and the collector's work, cycle for cycle."""
    dice = random.Random(seed)
    watched = dice.choice([0, 0, 1, 4])
    check(
        exercise,
        Program(
            dice.choice([16, 24, 40, 64, 128, 256]) + (16 if (name := dice.random() < 0.4) else 0),
            name,
            dice.randrange(30, 200),
            dice.choice([0, 0, 1, 3, 8]),
            watched,
            watched > 0 and dice.random() < 0.5,
            dice.randrange(10),
        ),
    )
