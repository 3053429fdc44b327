"""What the explorer is to find: setups, and for each whether an object can be lost and by how short a way.

The verdicts of `sound` setups are proofs for their programs: every interleaving of step points was run. A loss
comes with a shortest schedule; `steps` is its length, as found; another length means that something changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gcsim._explore import Setup
from gcsim._programs import PROGRAMS, Program, free_choice

# Seconds; half a minute, carefully in `make explore-all` only; minutes, there only.
SMALL, MEDIUM, LARGE = range(3)


@dataclass(frozen=True)
class Row:
    setup: Setup
    lost: bool = False
    steps: int | None = None  # of a shortest counterexample; None: any is enough
    size: int = SMALL

    def __str__(self) -> str:
        return str(self.setup)

    @property
    def keeps(self) -> str:
        """The tri-colour invariant that holds at every state, if nothing can be lost."""
        return "none" if self.lost else KEEPS.get(self.setup.barrier, "strong")


# Where it is not the strong one. Yuasa's barrier does not shade what it stores, nor does the conditional form while stacks are black; Steele's
# shades after the store. A copy that stores first has stored all its words before it shades the first.
KEEPS = {
    "yuasa": "weak",
    "hybrid-conditional": "weak",
    "steele": "weak",
    "hybrid-store-first": "weak",
    "dijkstra-store-first": "none",
}

ONE = free_choice(1, 2, 1)
TWO = free_choice(2, 2, 1)

# What the collector promises something for, and how it scans stacks then.
SOUND: list[dict[str, Any]] = [
    {"barrier": "hybrid"},
    {"barrier": "hybrid", "stacks": "first"},
    {"barrier": "hybrid", "stacks": "last"},
    {"barrier": "hybrid-conditional"},
    {"barrier": "hybrid-conditional", "stacks": "last"},
    {"barrier": "dijkstra"},
    {"barrier": "steele"},
    {"barrier": "yuasa"},
]

# Closed with two mutators too, buffers of no entry and of one.
TWO_SOUND: list[dict[str, Any]] = [
    {"barrier": "steele"},  # the longest begins first
    {"barrier": "hybrid"},
    {"barrier": "hybrid-conditional"},
    {"barrier": "dijkstra"},
    {"barrier": "yuasa"},
]


def refuted(program: str | Program, steps: int | None, **options: Any) -> Row:
    found = PROGRAMS[program] if isinstance(program, str) else program
    return Row(Setup(program=found, **options), lost=True, steps=steps)


REFUTED = [
    refuted(ONE, 10, barrier="none"),
    refuted(ONE, 11, barrier="dijkstra", rescan_stacks=False),
    refuted(ONE, 11, barrier="steele", rescan_stacks=False),
    refuted(ONE, None, barrier="yuasa-store-first"),
    refuted("publish", None, barrier="yuasa", stacks="last"),
    refuted("race", 19, barrier="yuasa", stacks="last"),
    refuted("race", 23, barrier="yuasa", stacks="first"),
    refuted("race", 19, barrier="hybrid-old-last"),
    refuted("copy-race", 25, barrier="dijkstra-store-first", preempt_barrier=True),
    refuted("list-insert", None, allocate="white"),
    refuted("copy", None, late_barrier=True),
    refuted("handle", None, late_barrier=True),
    refuted("stack", None, final_flush=False, buffer=1),
    refuted("last-worker", None, final_flush=False, buffer=2),
]

# Wrong orders that turn out to lose nothing here: a mutator is never stopped within its barrier, and what it stores is on its stack meanwhile.
HARMLESS: list[dict[str, Any]] = [
    {"barrier": "hybrid-store-first"},
    {"barrier": "dijkstra-store-first"},
    {"barrier": "hybrid", "preempt_barrier": True},
    {"barrier": "hybrid-store-first", "preempt_barrier": True},
]

TABLE: list[Row] = [
    *(Row(Setup(program=ONE, buffer=b, **o)) for b in (0, 1) for o in SOUND),
    *(Row(Setup(program=ONE, **o)) for o in HARMLESS),
    *(Row(Setup(program=p)) for name, p in PROGRAMS.items() if name != "free"),
    *(Row(Setup(program=PROGRAMS["copy-race"], **o)) for o in HARMLESS),
    *REFUTED,
    Row(Setup(program=TWO), size=MEDIUM),
    *(
        Row(Setup(program=TWO, buffer=b, **o), size=LARGE)
        for b in (1, 0)
        for o in TWO_SOUND
        if b or o != {"barrier": "hybrid"}
    ),
]
