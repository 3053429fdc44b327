"""What exercise.py has to pass. The states are those of the real collector."""

import random

import pytest

import gcsim
from gcsim._explore import Setup, marking_has_ended, with_losses
from gcsim._programs import Program, Stage
from gcsim._steps import SteppedCycle

# One mutator's operations; object 0 is in global 0, object 1 in its local x or in object 0.
TEXTS = {
    "moves": ("y = global 0\ny.0 = x\nx = nil\ny = nil", False),
    "takes": ("y = global 0\nx = y.0\ny.0 = nil\ny = nil", True),
    "drops": ("x = nil\ny = global 0", False),
}


class Machine:
    """The collection of one program, taken to any of its states."""

    def __init__(self, text, **options):
        operations, behind = TEXTS[text]
        stage = Stage(
            ((1,) if behind else (None,), (None,)), (0,), ((None if behind else 1, None),)
        )
        self.setup = Setup(program=Program(text, text, (operations,), stage), **options)
        self.heap = self.setup.heap()
        self.cycle = SteppedCycle._of_stage(self.heap, "a")
        self.at, self.steps = [], 0

    def go(self, path):
        """To the state after these steps."""
        same = 0
        while same < min(len(path), len(self.at)) and path[same] == self.at[same]:
            same += 1
        self.heap._steps_goto(same)
        self.at = self.at[:same]
        for letter, way in path[same:]:
            self.cycle.step(actor=letter, choice=way)
            self.at.append((letter, way))

    def begin(self):
        return State(self, [])

    def explore(self):
        s = self.setup
        return gcsim.explore(
            s.program, barrier=s.barrier, stacks=s.stacks, rescan_stacks=s.rescan_stacks
        )


class State:
    """A state of the collector. It changes nothing to look at it."""

    def __init__(self, machine, path):
        self._machine, self._path = machine, path
        machine.go(path)
        actors = machine.heap._steps_actors()
        self._ways = {chr(ord("a") + a[0]): max(1, a[5]) for a in actors if a[3] == 1}
        marked = marking_has_ended(machine.heap)
        self.lost = marked and any(o.lost for o in with_losses(machine.cycle.view()).objects)
        self.ready = [] if marked else sorted(self._ways)
        self.key = machine.cycle.hash

    def ways(self, letter):
        return self._ways[letter]

    def after(self, letter, way=0):
        assert letter in self.ready, f"{letter!r} cannot go on here: {self.ready} can"
        assert type(way) is int and 0 <= way < self.ways(letter), f"{letter!r} has no way {way!r}"
        self._machine.steps += 1
        assert self._machine.steps < 20_000, (
            "20,000 steps taken: are states looked at again and again?"
        )
        return State(self._machine, [*self._path, (letter, way)])


def check(exercise, text, **options):
    machine = Machine(text, **options)
    known = machine.explore()
    found = exercise.find(machine.begin)
    where = f"{text}: {TEXTS[text][0]!r}, {options}"
    if known.sound:
        assert found is None, f"{where}: no schedule loses anything, yet {found} was returned"
        return
    assert found is not None, f"{where}: there is such a schedule, {known.steps} steps long"
    assert type(found) is list, f"expected a list of steps, found {type(found).__name__}"
    state = machine.begin()
    for step in found:
        assert type(step) is tuple and len(step) == 2, f"{step!r} is no (letter, way)"
        state = state.after(*step)
    assert state.lost, f"{where}: nothing is lost after {found}\n{machine.cycle.view()}"
    assert len(found) == known.steps, f"{where}: {len(found)} steps; {known.steps} are enough"


def test_yuasa_with_stacks_one_by_one(exercise):
    """Go's hybrid barrier shades the new pointer too: stacks need not be scanned together."""
    check(exercise, "moves", barrier="yuasa", stacks="last")


def test_a_barrier_that_is_sound(exercise):
    """That no schedule loses anything is a proof for this program: the search saw them all."""
    check(exercise, "moves", barrier="hybrid", stacks="last")


def test_no_barrier(exercise):
    """What a stack takes from an object that was not looked into yet is lost without a barrier."""
    check(exercise, "takes", barrier="none")


@pytest.mark.gc_seeds(3)
def test_any_barrier(exercise, seed):
    """Each barrier and each order of scanning is its own collector."""
    dice = random.Random(seed)
    barrier = dice.choice(["none", "yuasa", "dijkstra", "hybrid", "steele"])
    check(
        exercise,
        dice.choice(sorted(TEXTS)),
        barrier=barrier,
        stacks=dice.choice(["stopped", "first", "last"]),
        rescan_stacks=dice.choice([True, False]),
    )
