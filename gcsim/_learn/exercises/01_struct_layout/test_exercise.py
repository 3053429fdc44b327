"""What exercise.py has to pass. The random cases are other ones each time."""

import random
from itertools import count
from typing import Literal

import pytest

import gcsim
from gcsim import array, bool_, f64, i16, i32, i64, ptr, slice_, string, u8
from gcsim.learn import exact, smallest

# (size, alignment) by name, to read the cases below
BOOL, INT16, INT32, INT64, STRING, SLICE, EMPTY = (
    (1, 1),
    (2, 2),
    (4, 4),
    (8, 8),
    (16, 8),
    (24, 8),
    (0, 1),
)
TYPES = [
    bool_,
    u8,
    i16,
    i32,
    i64,
    f64,
    string,
    ptr[i64],
    slice_[u8],
    array[u8, Literal[3]],
    array[i16, Literal[5]],
]
TYPES += [array[i32, Literal[0]], array[i64, Literal[0]]]
_numbers = count()


class Struct:
    """A struct of gcsim with these types as fields: what the core itself makes of them."""

    def __init__(self, types):
        self.types = types
        names = {f"f{i}": t for i, t in enumerate(types)}
        made = type(f"S{next(_numbers)}", (), {"__annotations__": names})
        self.made = gcsim.struct(made)
        self.layout = gcsim.layout(self.made)
        self.fields = [(f.bytes, f.align) for f in self.layout.fields]

    def smaller(self):
        for i in range(len(self.types)):
            yield Struct(self.types[:i] + self.types[i + 1 :])

    def __str__(self):
        return f"{self.fields}\n{self.layout}"


def random_struct(seed):
    dice = random.Random(seed)
    return Struct([dice.choice(TYPES) for _ in range(dice.randrange(1, 9))])


def wrong(exercise, struct):
    """What is wrong with the layout of one struct; None: nothing."""
    want = (struct.layout.bytes, struct.layout.align, [f.offset for f in struct.layout.fields])
    try:
        exact(exercise.layout(list(struct.fields)), want, f"layout({struct.fields})")
    except AssertionError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("fields", "size", "align", "offsets"),
    [
        ([BOOL, INT64, BOOL], 24, 8, [0, 8, 16]),  # the chapter's BadStruct
        ([INT64, BOOL, BOOL], 16, 8, [0, 8, 9]),  # and its GoodStruct
        ([INT32, STRING, INT16], 32, 8, [0, 8, 24]),
        ([SLICE], 24, 8, [0]),
        ([BOOL, INT16, INT32], 8, 4, [0, 2, 4]),
    ],
)
def test_layout_of_known_structs(exercise, fields, size, align, offsets):
    """unsafe.Sizeof and unsafe.Offsetof print these numbers for the same structs."""
    exact(exercise.layout(fields), (size, align, offsets), f"layout({fields})")


def test_nothing_and_fields_of_size_zero(exercise):
    """A last field of size 0 takes a byte: its address must not be that of the object behind."""
    exact(exercise.layout([]), (0, 1, []), "layout([])")
    exact(exercise.layout([EMPTY]), (0, 1, [0]), "layout of one empty field")
    exact(exercise.layout([INT64, EMPTY]), (16, 8, [0, 8]), "layout([INT64, EMPTY])")
    exact(exercise.layout([EMPTY, INT64]), (8, 8, [0, 0]), "layout([EMPTY, INT64])")


@pytest.mark.gc_seeds(30)
def test_layout_of_any_struct(exercise, seed):
    """The compiler lays out each struct so, and the collector finds pointers by the offsets."""
    struct = random_struct(seed)
    if wrong(exercise, struct):
        struct = smallest(struct, lambda s: wrong(exercise, s))
        pytest.fail(f"{wrong(exercise, struct)}\nGo's layout of it:\n{struct}")


@pytest.mark.gc_seeds(30)
def test_the_best_order(exercise, seed):
    """Go never reorders fields: an order with less padding has to be written by hand."""
    struct = random_struct(seed)
    order = exercise.best_order(list(struct.fields))
    exact(sorted(order), list(range(len(struct.fields))), "the numbers in best_order, sorted")
    exact(order, [int(i) for i in order], "best_order")
    mine, best = Struct([struct.types[i] for i in order]).layout, struct.layout.best_bytes
    assert mine.bytes <= best, (
        f"best_order({struct.fields}) is {order}: {mine.bytes} bytes; {best} are enough\n{mine}"
    )
