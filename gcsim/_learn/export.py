"""A course as a repository that a teacher hands out, its answer key, and how points are counted.

``learn export --course DIR`` makes a folder of exercises (``learn start``) with what GitHub
Classroom looks for beside it: a workflow with one step for each exercise, and ``grade.py``, which
prints points as JSON and needs nothing of GitHub. It judges with the tests of the installed
package, so tests that a student edits change nothing; a student who edits ``grade.py`` or the
workflow changes what they print, so what counts is a teacher's own ``grade.py`` run on the
student's folder.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gcsim._core import build_info
from gcsim._errors import OptionError
from gcsim._learn import Exercise, catalogue, fresh_seed, named
from gcsim._learn.course import Course, open_course, start
from gcsim._learn.judge import Case, judge

POINTS = 10  # for an exercise that passes; none for one that does not
VERSION = build_info()["version"]
KEY = Path(__file__).parents[2] / "tests" / "exercises"  # in a checkout or an unpacked sdist

_GRADE = '''\
"""Prints what this folder's exercises are worth, as JSON: python -P grade.py [EXERCISE ...]

Options: --dir DIR (default: the folder of this file), --seed N (default: a new one, printed).
Exit status: 0 all named exercises pass, 1 one does not, 2 something else is wrong.
"""

import sys

here = __file__.rpartition("/")[0] or "."
sys.path[:] = [p for p in sys.path if p not in ("", ".", here)]  # nothing here stands in for gcsim

from gcsim._learn.export import main  # noqa: E402

POINTS = {points}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], here, POINTS))
'''

_README = """\
# Go's memory, by exercises

    python -m pip install -r requirements.txt
    python -m gcsim learn next

says what to read and which file to edit. `python -m gcsim learn verify` runs its tests, `hint`
helps, `progress` shows how far you are. Commit the files that you edit; nothing else counts.

| exercise | | points |
|---|---|---|
{rows}
"""

_WORKFLOW = """\
name: Autograding Tests
on: [push, workflow_dispatch]
permissions:
  checks: write
  actions: read
  contents: read
jobs:
  run-autograding-tests:
    runs-on: ubuntu-latest
    if: github.actor != 'github-classroom[bot]'
    steps:
    - uses: actions/checkout@v4
    - uses: actions/setup-python@v5
      with:
        python-version: '3.12'
    - run: python -m pip install -r requirements.txt
{steps}
    - name: Points as JSON
      if: always()
      run: python -P grade.py
    - name: Autograding Reporter
      if: always()
      uses: classroom-resources/autograding-grading-reporter@v1
      env:
{results}
      with:
        runners: {runners}
"""

_STEP = """\
    - name: {name}
      id: {id}
      uses: classroom-resources/autograding-command-grader@v1
      with:
        test-name: {name}
        setup-command: ''
        command: python -P grade.py {name}
        timeout: 5
        max-score: {points}"""


def chosen(names: Sequence[str]) -> list[Exercise]:
    """The exercises of these names or numbers; all for none. Raises OptionError."""
    wanted = {named(name).name for name in names}
    return [e for e in catalogue().values() if e.name in wanted or not names]


def export(
    path: Path, names: Sequence[str] = (), points: Mapping[str, int] | None = None
) -> Course:
    """Makes the repository. Files that are there already are not changed.

    names: of exercises (default: all). points: by name or number, where not 10. Raises OptionError,
    OSError.
    """
    exercises = chosen(names)
    worth = {e.name: POINTS for e in exercises}
    for name, value in (points or {}).items():
        exercise = named(name)
        if exercise.name not in worth:
            raise OptionError(f"{exercise.name} has points and is not exported")
        worth[exercise.name] = value
    course, _ = start(path, exercises)
    rows = "\n".join(
        f"| [{e.name}]({e.name}/README.md) | {e.title} | {worth[e.name]} |" for e in exercises
    )
    for name, text in (
        ("README.md", _README.format(rows=rows)),
        ("requirements.txt", f"gcsim[learn]=={VERSION}\n"),
        ("grade.py", _GRADE.replace("{points}", json.dumps(worth, indent=4))),
        (".gitignore", "__pycache__/\n.pytest_cache/\n*.old\n"),
        (".github/workflows/classroom.yml", _workflow(worth)),
    ):
        file = path / name
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    return course


def _workflow(worth: Mapping[str, int]) -> str:
    ids = {name: f"exercise_{name}" for name in worth}
    return _WORKFLOW.format(
        steps="\n".join(
            _STEP.format(name=name, id=ids[name], points=points) for name, points in worth.items()
        ),
        results="\n".join(
            f'        {i.upper()}_RESULTS: "${{{{steps.{i}.outputs.result}}}}"'
            for i in ids.values()
        ),
        runners=",".join(ids.values()),
    )


def write_key(path: Path, course: Course) -> int:
    """Writes the solutions of a course, and the mistakes that its tests notice, to a folder apart.

    They are no part of the installed package: only a checkout or the unpacked source distribution
    has them. Returns how many exercises. Raises OptionError, OSError.
    """
    if path.resolve() == course.path or course.path in path.resolve().parents:
        raise OptionError(
            f"{path} is inside {course.path}, which students get: name another folder"
        )
    if not KEY.is_dir():
        raise OptionError(
            "the answer key is no part of the installed package: it is in tests/exercises of the"
            " source (python -m pip download --no-deps --no-binary :all: gcsim); run this there"
        )
    for exercise in course.every:
        shutil.copytree(
            KEY / exercise.name,
            path / exercise.name,
            ignore=shutil.ignore_patterns("__pycache__"),
            dirs_exist_ok=True,
        )
    return len(course.every)


def _tests(cases: Sequence[Case]) -> dict[str, str]:
    """Of each test function how many of its cases pass: "20 of 20"."""
    outcomes: dict[str, list[str]] = {}
    for case in cases:
        outcomes.setdefault(case.name.split("[")[0], []).append(case.outcome)
    return {name: f"{seen.count('passed')} of {len(seen)}" for name, seen in outcomes.items()}


def grade(course: Course, points: Mapping[str, int], seed: int) -> dict[str, Any]:
    """Judges the exercises that `points` names; nothing is written to the folder."""
    told = {}
    for name, worth in points.items():
        exercise = catalogue()[name]
        file = course.file(exercise)
        verdict = judge(exercise, file, seed=seed) if file.is_file() else None
        told[name] = {
            "points": worth if verdict and verdict.passed else 0,
            "of": worth,
            "outcome": verdict.outcome if verdict else "missing",
            "tests": _tests(verdict.cases) if verdict else {},
            "scores": {s.what: round(s.ratio, 3) for s in verdict.scores} if verdict else {},
            "edited": course.edited(exercise),
        }
    return {
        "points": sum(t["points"] for t in told.values()),
        "of": sum(points.values()),
        "seed": seed,
        "gcsim": VERSION,
        "exercises": told,
    }


def main(arguments: Sequence[str], here: str, points: Mapping[str, int]) -> int:
    """What ``grade.py`` of a course does."""
    import argparse

    parser = argparse.ArgumentParser(prog="grade.py", description="Prints points as JSON.")
    parser.add_argument("exercise", nargs="*", help="its name or number (default: all)")
    parser.add_argument("--dir", type=Path, default=Path(here), help="a student's folder")
    parser.add_argument("--seed", type=int, help="of the random cases (default: a new one)")
    args = parser.parse_args(arguments)
    try:
        course = open_course(args.dir)
        names = [e.name for e in chosen(args.exercise)] if args.exercise else list(points)
        if foreign := [name for name in names if name not in points]:
            raise OptionError(f"{foreign[0]} is not in this course")
        seed = fresh_seed() if args.seed is None else args.seed
        told = grade(course, {name: points[name] for name in names}, seed)
    except (OptionError, OSError) as error:
        print(f"grade.py: {error}", file=sys.stderr)
        return 2
    print(json.dumps(told, indent=2))
    return 0 if told["points"] == told["of"] else 1
