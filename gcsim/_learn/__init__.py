"""Exercises: what there are, and where.

An exercise is a folder of ``exercises/``: README.md (the idea), exercise.toml (title, section,
hints), exercise.py or exercise.c (the stub that a student fills in) and test_exercise.py (what it
has to pass). Solutions and the mistakes that the tests must notice are no part of the package.

``course`` is a student's folder, ``judge`` runs an exercise in a process of its own (``child`` is
that process, ``seal`` what it keeps an eye on, ``native`` runs C in one more), ``main`` the command
line.
"""

from __future__ import annotations

import ast
import random
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gcsim._errors import OptionError

EXERCISES = Path(__file__).with_name("exercises")
TESTS = "test_exercise.py"
HINTS = 3


@dataclass(frozen=True)
class Exercise:
    """One exercise of the catalogue."""

    name: str  #: "01_struct_layout": its folder
    path: Path
    title: str
    section: str  #: of the chapter: "11.1.3"
    notebook: str  #: the cell that shows the idea: "01_memory_layout.ipynb#..."
    seconds: float  #: that one run may take
    hints: tuple[str, ...]  #: from a nudge to nearly all of it
    chapter_exercise: int | None = None  #: its number among the chapter's own six
    uses_gcsim: bool = False  #: may the student's file import it? Else it would know the answers

    @property
    def file(self) -> str:
        """The name of the student's file."""
        return "exercise.c" if (self.path / "exercise.c").exists() else "exercise.py"

    @property
    def cases(self) -> dict[str, str]:
        """The test functions by name, each with the line that says why it matters."""
        tree = ast.parse((self.path / TESTS).read_text(encoding="utf-8"))
        return {
            node.name: " ".join((ast.get_docstring(node) or "").split())
            for node in tree.body
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        }


@cache
def catalogue() -> dict[str, Exercise]:
    """All exercises by name, in the order of the chapter."""
    return {path.name: read(path) for path in sorted(EXERCISES.iterdir()) if path.is_dir()}


def read(path: Path) -> Exercise:
    """The exercise of a folder."""
    told = tomllib.loads((path / "exercise.toml").read_text(encoding="utf-8"))
    return Exercise(
        path.name,
        path,
        told["title"],
        told["section"],
        told["notebook"],
        told.get("seconds", 10),
        tuple(told["hints"]),
        told.get("chapter_exercise"),
        told.get("uses_gcsim", False),
    )


def find(name: str) -> Exercise | None:
    """By name, number ("3", "03"), what follows the number, or a part that only one name has."""
    every = catalogue()
    for fits in (
        lambda known: known == name,
        lambda known: name.isdecimal() and known.startswith(f"{name.rjust(2, '0')}_"),
        lambda known: known.partition("_")[2] == name,
        lambda known: name in known and not name.isdecimal(),
    ):
        found = [exercise for known, exercise in every.items() if fits(known)]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def named(name: str) -> Exercise:
    """As `find`. OptionError: there is none."""
    if exercise := find(name):
        return exercise
    raise OptionError(f"there is no exercise {name!r}: `python -m gcsim learn list` shows them")


def fresh_seed() -> int:
    """For random cases that nobody can know beforehand."""
    return random.SystemRandom().randrange(1, 1 << 31)
