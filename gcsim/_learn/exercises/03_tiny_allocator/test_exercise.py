"""What exercise.py has to pass. The random sizes are other ones each time."""

import random

import pytest

import gcsim
from gcsim.learn import exact, smallest


class Sizes:
    """Objects that are made one after the other."""

    def __init__(self, sizes):
        self.sizes = sizes

    def smaller(self):
        for i in range(len(self.sizes)):
            yield Sizes(self.sizes[:i] + self.sizes[i + 1 :])

    def really(self):
        """Where a fresh heap puts them."""
        with gcsim.Heap(gogc=None) as heap:
            kept = [heap.new(gcsim.array[gcsim.u8, size]) for size in self.sizes]
            addresses = [gcsim.address(ref) for ref in kept]
            blocks = {}
            found = [
                (blocks.setdefault(address // 16, len(blocks)), address % 16)
                for address in addresses
            ]
            del kept
            return found


def wrong(exercise, case):
    tiny, want = exercise.Tiny(), case.really()
    for i, size in enumerate(case.sizes):
        try:
            exact(tiny.place(size), want[i], f"the place of object {i} ({size} bytes)")
        except AssertionError as error:
            return f"{error}\nsizes:  {case.sizes}\nplaces: {want}"
    return None


def check(exercise, sizes):
    case = Sizes(list(sizes))
    if wrong(exercise, case):
        case = smallest(case, lambda c: wrong(exercise, c))
        pytest.fail(wrong(exercise, case))


@pytest.mark.parametrize(
    "sizes",
    [[1], [1, 1, 1], [1, 8], [3, 2, 4], [8, 8, 8], [15, 1, 1], [12, 8, 4], [5, 12, 4], [1] * 17],
    ids=str,
)
def test_known_sequences(exercise, sizes):
    """These are the addresses that such objects get in Go, too."""
    check(exercise, sizes)


def test_each_allocator_has_its_own_blocks(exercise):
    """Each processor has a tiny block of its own, so that no lock is needed."""
    one, other = exercise.Tiny(), exercise.Tiny()
    exact(one.place(3), (0, 0), "the first object of one")
    exact(other.place(5), (0, 0), "the first object of another")
    exact(one.place(4), (0, 4), "the second object of the first")


@pytest.mark.gc_seeds(25)
def test_any_sequence(exercise, seed):
    """Which objects share a block decides which of them are kept alive together."""
    dice = random.Random(seed)
    largest = dice.choice([4, 8, 15])
    check(exercise, [dice.randrange(1, largest + 1) for _ in range(dice.randrange(2, 40))])
