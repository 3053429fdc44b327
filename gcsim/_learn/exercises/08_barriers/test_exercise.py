"""What exercise.py has to pass. The explorer runs each list on the real collector."""

from functools import cache

import pytest

import gcsim
from gcsim._programs import Program, Stage
from gcsim.learn import exact

ACTIONS = ["shade old", "shade new", "store", "shade source"]
SOUND = ["hybrid", "dijkstra", "yuasa", "steele"]
# What is done before the store and behind it, and how gcsim calls a barrier of these.
KNOWN = {
    ("old new", ""): "hybrid",
    ("old", "new"): "hybrid-store-first",
    ("new", "old"): "hybrid-old-last",
    ("old", ""): "yuasa",
    ("", "old"): "yuasa-store-first",
    ("new", ""): "dijkstra",
    ("", "new"): "dijkstra-store-first",
    ("", "source"): "steele",
    ("", ""): "none",
}
# A mutator that does anything, and one that moves the only pointer to an object out of its stack.
MOVES = Program(
    "moves",
    "an object that only a stack holds is put behind another",
    ("y = global 0\ny.0 = x\nx = nil\ny = nil",),
    Stage(((None,), (None,)), (0,), ((1, None),)),
)
PROGRAMS = {"free": "free", "moves": MOVES}


def collector(actions):
    """The name of the barrier that gcsim builds from these actions."""
    for action in actions:
        assert type(action) is str and action in ACTIONS, f"{action!r} is no action: {ACTIONS}"
    assert actions.count("store") == 1, f"{actions} stores {actions.count('store')} times"
    at = actions.index("store")
    parts = tuple(
        " ".join(word for word in ("old", "new", "source") if f"shade {word}" in part)
        for part in (actions[:at], actions[at + 1 :])
    )
    assert parts in KNOWN, f"{actions}: what is shaded there helps nobody"
    return KNOWN[parts]


@cache
def search(program, barrier, stacks, rescan_stacks):
    return gcsim.explore(
        PROGRAMS[program],
        barrier=barrier,
        stacks=stacks,
        rescan_stacks=rescan_stacks,
        mutators=1,
    )


def lost(actions, stacks, rescan_stacks):
    """How these actions lose an object, as text; None: no schedule of any program does."""
    for program in PROGRAMS:
        found = search(program, collector(actions), stacks, rescan_stacks)
        if not found.sound:
            return f"{actions} loses an object:\n{found}\n{found.film()[-1]}"
    return None


def test_five_lists(exercise):
    """Each was the barrier of a real collector; Go had none, then Dijkstra's, then the hybrid."""
    lists = exercise.barriers()
    exact(sorted(lists), sorted([*SOUND, "none"]), "the names")
    for name, actions in lists.items():
        assert type(actions) is list, f"{name}: expected a list, found {type(actions).__name__}"
        assert collector(actions) == name, f"{name} is not {actions}: that is {collector(actions)}"


@pytest.mark.parametrize("name", SOUND)
def test_every_schedule(exercise, name):
    """A lost object is a crash months later: Go's authors proved by hand that there is none."""
    rescan, orders = name in exercise.rescan(), ["stopped", "last"]
    for stacks in orders[:1] if name in exercise.stacks_first() else orders:
        problem = lost(exercise.barriers()[name], stacks, rescan)
        assert problem is None, problem


@pytest.mark.parametrize("name", SOUND)
def test_nothing_more_than_needed(exercise, name):
    """The second scan made Go 1.5's last stop grow with the goroutines: 1.8 got rid of it."""
    actions = exercise.barriers()[name]
    rescan = name in exercise.rescan()
    if rescan:
        without = lost(actions, "stopped", False)
        assert without, f"{name} loses nothing without a second scan of the stacks"
    if name in exercise.stacks_first():
        one_by_one = lost(actions, "last", rescan)
        assert one_by_one, f"{name} loses nothing if stacks are scanned one by one"


def test_no_barrier_loses_objects(exercise):
    """Without a barrier only a stopped world is safe: Go 1.4 and before."""
    assert lost(exercise.barriers()["none"], "stopped", True), "none lost nothing?"
    given = exercise.rescan() | exercise.stacks_first()
    assert given <= set(SOUND), f"{sorted(given - set(SOUND))} is not asked about"
