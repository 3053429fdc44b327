"""What exercise.py has to pass. The random types are other ones each time."""

import random
from itertools import count

import pytest

import gcsim
from gcsim import array, bool_, c128, f64, i8, i16, i32, i64, iface, ptr, slice_, string, u8
from gcsim.learn import exact, smallest

WORDS = {
    "bool": bool_,
    "int8": i8,
    "int16": i16,
    "int32": i32,
    "int64": i64,
    "float64": f64,
    "complex128": c128,
    "*int64": ptr[i64],
    "string": string,
    "[]byte": slice_[u8],
    "any": iface,
}
_numbers = count()

BAD = {"a": "bool", "b": "int64", "c": "bool", "d": "int32"}  # the chapter's BadStruct
RECORD = {"seen": "bool", "id": "int64", "ok": "bool", "name": "string"}
NESTED = {"kind": "int8", "rows": (3, BAD), "last": RECORD, "done": "bool"}


# ---- types ----


def made(t):
    """gcsim's own type for a description."""
    if isinstance(t, str):
        return WORDS[t]
    if isinstance(t, tuple):
        return array[made(t[1]), t[0]]
    fields = {name: made(part) for name, part in t.items()}
    return gcsim.struct(type(f"T{next(_numbers)}", (), {"__annotations__": fields}))


def gaps(t, path="", times=1):
    """Padding behind each field, in the order of memory, as the core's own layouts have it."""
    while isinstance(t, tuple):
        path, times, t = path + "[]", times * t[0], t[1]
    if isinstance(t, dict) and times:
        for (name, part), row in zip(t.items(), gcsim.layout(made(t)).fields, strict=True):
            here = f"{path}.{name}" if path else name
            yield from gaps(part, here, times)
            if row.padding:
                yield here, row.padding * times


def least(t):
    """Size and scanned bytes of the best order of everything in a type."""
    while isinstance(t, tuple):
        t = t[1]
    return t if isinstance(t, str) else rearranged(t)


def rearranged(t):
    inner = {name: deep(part) for name, part in t.items()}
    return {name: inner[name] for name in gcsim.layout(made(inner)).best_order}


def deep(t):
    return (t[0], deep(t[1])) if isinstance(t, tuple) else least(t)


def same_fields(got, t, where="the type"):
    """Is it the same type but for the order of fields? Raises AssertionError if not."""
    if not isinstance(t, (dict, tuple)):
        return exact(got, t, where)
    assert type(got) is type(t), f"{where}: expected {t!r}, found {got!r}"
    if isinstance(t, tuple):
        assert len(got) == 2, f"{where}: expected {t!r}, found {got!r}"
        exact(got[0], t[0], f"the length of {where}")
        return same_fields(got[1], t[1], f"an element of {where}")
    exact(sorted(map(str, got)), sorted(t), f"the fields of {where}")
    for name, part in t.items():
        same_fields(got[name], part, name)


class Case:
    """A struct type, and how many objects of it there are."""

    def __init__(self, t, n=1):
        self.t, self.n = t, n

    def smaller(self):
        for n in sorted({1, self.n // 2, self.n - 1} - {0, self.n}):
            yield Case(self.t, n)
        for t in less(self.t):
            if isinstance(t, dict) and t and fair(t):
                yield Case(t, self.n)

    def __str__(self):
        n = f"{self.n} objects of " if self.n > 1 else ""
        return f"{n}{self.t}\nGo's layout of it:\n{gcsim.layout(made(self.t))}"


def less(t):
    """Types with one thing less."""
    if isinstance(t, tuple):
        yield t[1]
        if t[0] > 1:
            yield t[0] // 2, t[1]
        yield from ((t[0], inner) for inner in less(t[1]))
    elif isinstance(t, dict):
        yield from (part for part in t.values() if isinstance(part, dict))
        yield from ({k: v for k, v in t.items() if k != name} for name in t)
        for name, part in t.items():
            yield from ({**t, name: inner} for inner in less(part))


def fair(t):
    """Nothing for the tiny allocator."""
    known = gcsim.layout(made(t))
    return known.ptr_bytes > 0 or known.bytes >= 16


def random_type(dice, depth=2):
    """A struct of one to seven fields: basic types, arrays, structs."""
    fields = {}
    for name in "abcdefg"[: dice.randrange(1, 8)]:
        part = dice.choice(list(WORDS))
        if depth and dice.random() < 0.25:
            part = random_type(dice, depth - 1)
        if dice.random() < 0.2:
            part = (dice.choice([0, 1, 2, 3, 5, 9]), part)
        fields[name] = part
    return fields


def random_case(seed):
    dice = random.Random(seed)
    t = random_type(dice)
    while not fair(t):
        t = random_type(dice)
    if dice.random() < 0.4:  # a class further up, or a large one
        t = {**t, "z": (dice.choice([30, 120, 700, 3000, 9000]), dice.choice(["int64", "bool"]))}
    slots = 400_000 // gcsim.layout(made(t)).size_class.slot_bytes
    return Case(t, dice.randrange(1, max(2, min(900, slots))))


def check(wrong, exercise, case):
    """Fails with the smallest case of that kind that still does."""
    if wrong(exercise, case):
        case = smallest(case, lambda c: wrong(exercise, c))
        pytest.fail(f"{wrong(exercise, case)}\n{case}")


# ---- one type ----


def wrong_description(exercise, case):
    known = gcsim.layout(made(case.t))
    try:
        exact(
            exercise.describe(case.t),
            (known.bytes, known.align, known.mask),
            f"describe({case.t})",
        )
    except AssertionError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("t", "want"),
    [
        ("int16", (2, 2, "")),
        ("any", (16, 8, "01")),
        ("[]byte", (24, 8, "1")),
        ((3, "string"), (48, 8, "10101")),
        (BAD, (24, 8, "")),
        (RECORD, (40, 8, "0001")),
        (NESTED, (128, 8, "0" * 13 + "1")),
        ({"p": "*int64", "x": "int8", "q": (2, "any")}, (48, 8, "100101")),
        ({"n": "int64", "end": (0, "*int64")}, (16, 8, "")),
        ({}, (0, 1, "")),
    ],
    ids=[
        "int16",
        "any",
        "bytes",
        "array",
        "bad",
        "record",
        "nested",
        "pointers",
        "empty end",
        "nothing",
    ],
)
def test_descriptions(exercise, t, want):
    """The compiler writes such a bitmap for each type: it is all that a collector knows of it."""
    exact(exercise.describe(t), want, f"describe({t})")


@pytest.mark.gc_seeds(10)
def test_any_description(exercise, seed):
    """One wrong bit is a pointer that nobody follows, or a number that is taken for one."""
    check(wrong_description, exercise, random_case(seed))


def filled(heap, ref, t):
    """Every pointer of an object set."""
    rows = t.items() if isinstance(t, dict) else [(i, t[1]) for i in range(t[0])]
    for key, part in rows:
        if isinstance(part, str):
            if part not in ("*int64", "string", "[]byte", "any"):
                continue
            value = {
                "*int64": lambda: heap.new(i64, value=1),
                "string": lambda: "some text made at run time",
                "[]byte": lambda: heap.new_slice(u8, 20),
                "any": lambda: heap.new(array[u8, 20]),
            }[part]()
            if isinstance(t, dict):
                setattr(ref, key, value)
            else:
                ref[key] = value
        else:
            filled(heap, getattr(ref, key) if isinstance(t, dict) else ref[key], part)


@pytest.mark.gc_seeds(5)
def test_what_the_collector_reads(exercise, seed):
    """Scan work, which pays for each cycle, is objects times bytes up to the last pointer."""
    dice = random.Random(seed)
    t = random_type(dice)
    while not 0 < gcsim.layout(made(t)).bytes <= 512 or not gcsim.layout(made(t)).ptr_bytes:
        t = random_type(dice)
    n, kind = dice.randrange(2, 20), made(t)
    with gcsim.Heap(gogc=None) as heap:
        kept = [heap.new(kind) for _ in range(n)]
        for ref in kept:
            filled(heap, ref, t)
        cycle = heap.collect()
        del kept, ref
    bitmap = exercise.describe(t)[2]
    assert type(bitmap) is str, f"describe({t}): the bitmap is {bitmap!r}"
    pointers = cycle.pointers - cycle.roots
    exact(8 * len(bitmap) * n, cycle.scan_work, f"bytes read of {n} objects of {t}")
    exact(bitmap.count("1") * n, pointers, f"pointers followed from {n} objects of {t}")


# ---- what to change ----


def wrong_padding(exercise, case):
    want = sorted(gaps(case.t), key=lambda row: row[1], reverse=True)
    try:
        exact(exercise.padding(case.t), want, f"padding({case.t})")
    except AssertionError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("t", "want"),
    [
        (BAD, [("a", 7), ("c", 3)]),
        ({"b": "int64", "d": "int32", "a": "bool", "c": "bool"}, [("c", 2)]),
        (RECORD, [("seen", 7), ("ok", 7)]),
        (
            NESTED,
            [
                ("rows[].a", 21),
                ("rows[].c", 9),
                ("kind", 7),
                ("last.seen", 7),
                ("last.ok", 7),
                ("done", 7),
            ],
        ),
        ({"m": (2, (3, BAD)), "e": (0, BAD)}, [("m[][].a", 42), ("m[][].c", 18), ("e", 8)]),
        ({"x": "int64", "y": "int64"}, []),
    ],
    ids=["bad", "good", "record", "nested", "arrays", "none"],
)
def test_known_padding(exercise, t, want):
    """Padding in a nested struct is multiplied by every array around it: that is where to look."""
    exact(exercise.padding(t), want, f"padding({t})")


@pytest.mark.gc_seeds(10)
def test_any_padding(exercise, seed):
    """A report is worth what its first line is: the field to move first."""
    check(wrong_padding, exercise, random_case(seed))


def wrong_order(exercise, case):
    best = rearranged(case.t)
    got = exercise.improve(case.t)
    try:
        same_fields(got, case.t)
        mine, want = gcsim.layout(made(got)), gcsim.layout(made(best))
        size, read = mine.bytes, mine.ptr_bytes
        enough, needed = want.bytes, want.ptr_bytes
        assert size <= enough, f"improve: {size} bytes in {got}; {enough} are enough"
        assert read <= needed, f"improve: {read} bytes of {got} are read; {needed} are enough"
    except AssertionError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    "t",
    [BAD, RECORD, NESTED, {"s": RECORD, "x": (0, "int64")}, {"b": "[]byte", "p": "*int64"}],
    ids=["bad", "record", "nested", "empty end", "pointers"],
)
def test_known_orders(exercise, t):
    """Go keeps fields as they are written; fieldalignment -fix writes them anew, as you do here."""
    check(wrong_order, exercise, Case(t))


@pytest.mark.gc_seeds(12)
def test_any_order(exercise, seed):
    """By size alone orders tie; the one with its pointers in front is cheaper in every cycle."""
    check(wrong_order, exercise, random_case(seed))


# ---- many objects ----


def on_a_heap(case):
    """The bill as a real heap writes it: objects are made, spans looked at."""
    kind = made(case.t)
    size, lost = gcsim.sizeof(kind), sum(bytes for _, bytes in gaps(case.t))
    with gcsim.Heap(gogc=None) as heap:
        before = heap.memstats()
        kept = heap.build(kind, case.n, roots=range(case.n))
        after, spans = heap.memstats(), [s for s in heap.spans() if s.state == "in use"]
        del kept
    bill = {
        "fields": case.n * (size - lost),
        "padding": case.n * lost,
        "slots": after.heap_alloc - before.heap_alloc - case.n * size,
        "free": sum((s.nelems - s.allocated) * s.slot_bytes for s in spans),
        "ends": sum(s.bytes - s.nelems * s.slot_bytes for s in spans),
    }
    exact(sum(bill.values()), after.heap_inuse - before.heap_inuse, "gcsim's own sum")
    return bill


def wrong_bill(exercise, case):
    try:
        exact(exercise.bill(case.t, case.n), on_a_heap(case), f"bill({case.t}, {case.n})")
    except AssertionError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("t", "n"),
    [
        (BAD, 1),
        (BAD, 336),  # a span of 24 byte slots without pointers
        (BAD, 337),
        (RECORD, 165),  # with pointers there is room for five less
        (RECORD, 166),
        ({"p": "*int64"}, 1008),
        ({"a": (64, "*int64")}, 16),  # 512 bytes
        ({"a": (65, "*int64")}, 15),  # and more: a header in front of each,
        ({"a": (72, "*int64")}, 12),  # which may take the next class
        ({"a": (32760, "bool")}, 2),
        ({"a": (32761, "bool")}, 2),
        ({"a": (4096, "*int64")}, 3),
    ],
    ids=lambda value: value if isinstance(value, int) else "".join(value),
)
def test_known_bills(exercise, t, n):
    """HeapInuse less HeapAlloc is what spans hold and nobody asked for."""
    check(wrong_bill, exercise, Case(t, n))


@pytest.mark.gc_seeds(10)
def test_any_bill(exercise, seed):
    """Less padding saves nothing if the slot stays the same: count spans before you rearrange."""
    check(wrong_bill, exercise, random_case(seed))
