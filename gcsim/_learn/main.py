"""``python -m gcsim learn``: the exercises, from a student's command line."""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gcsim._errors import OptionError
from gcsim._learn import Exercise, catalogue, fresh_seed, named
from gcsim._learn.course import Course, open_course, start
from gcsim._learn.judge import Verdict, judge

ABOUT = "Exercises on Go's memory, on a real heap: write code, run its tests, read what they say."
STATUS = (
    "Exit status: 0 done, or all named exercises pass; 1 one does not; 2 wrong arguments or a"
    " folder that is none of exercises; 130 Ctrl-C."
)
_NEEDED = ("cffi", "numpy", "pytest", "tree_sitter", "tree_sitter_go")  # the extra [learn]
_SIGNS = {"passed": "ok", "not started": "--", "changed": "??", "missing": "??"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The commands of `learn` and their options."""
    commands = parser.add_subparsers(dest="learn", metavar="COMMAND")

    def command(
        name: str, run: Callable[[argparse.Namespace], int], help: str
    ) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help, description=help)
        sub.set_defaults(learn_run=run)
        if name not in ("list", "start", "export"):
            sub.add_argument(
                "--dir",
                type=Path,
                default=Path(),
                metavar="DIR",
                help="the folder of exercises (default: this one)",
            )
        return sub

    sub = command("list", _list, "all exercises, and with a folder of them how far you are")
    sub.add_argument(
        "--dir",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="the folder of exercises (default: this one)",
    )
    sub.add_argument("--json", action="store_true", help="print a JSON array")
    sub = command("start", _start, "make a folder with the exercises to work in")
    sub.add_argument("folder", type=Path, metavar="DIR")
    command("next", _next, "what to do next")
    for name, run, help, many in (
        ("verify", _verify, "run the tests of these exercises (default: of the next one)", True),
        ("watch", _watch, "run an exercise's tests each time its file is saved", False),
        ("hint", _hint, "a hint, each time a plainer one", False),
        ("reset", _reset, "hand an exercise out anew; your file is kept beside it", False),
    ):
        sub = command(name, run, help)
        if name == "reset":
            sub.add_argument("exercise", metavar="EXERCISE", help="its name or number")
        else:
            sub.add_argument(
                "exercise",
                nargs="*" if many else "?",
                metavar="EXERCISE",
                help="its name or number",
            )
        if name == "verify":
            sub.add_argument("--all", action="store_true", help="all exercises")
            sub.add_argument("--json", action="store_true", help="print a JSON array")
        if name in ("verify", "watch"):
            sub.add_argument(
                "--seed",
                type=int,
                metavar="N",
                help="of the random cases (default: a new one each time, printed)",
            )
    sub = command("progress", _progress, "how far you are")
    sub.add_argument("--json", action="store_true", help="print one JSON object")
    sub = command("export", _export, "for teachers: a course to hand out, with a grading script")
    sub.add_argument(
        "exercise", nargs="*", metavar="EXERCISE", help="its name or number (default: all)"
    )
    sub.add_argument("--course", type=Path, required=True, metavar="DIR", help="the folder to make")
    sub.add_argument("--key", type=Path, metavar="DIR", help="another folder, for the solutions")
    sub.add_argument(
        "--points",
        action="append",
        default=[],
        type=_points,
        metavar="EXERCISE=N",
        help="what it is worth (default: 10)",
    )


def main(args: argparse.Namespace) -> int:
    """Runs one command; without one says how to begin."""
    run = getattr(args, "learn_run", None)
    if run is None:
        print(
            f"{ABOUT}\n\nTo begin:\n    python -m gcsim learn start my-course\n    cd my-course\n"
            "    python -m gcsim learn next"
        )
        return 0
    try:
        _ready()
        return int(run(args))
    except (OptionError, OSError) as error:
        print(f"python -m gcsim learn: {error}", file=sys.stderr)
        return 2


def _ready() -> None:
    if lacking := [name for name in _NEEDED if importlib.util.find_spec(name) is None]:
        raise OptionError(
            f"exercises need {', '.join(lacking)}: python -m pip install 'gcsim[learn]'"
        )


# ---- which ----


def _wanted(course: Course, name: str | None) -> Exercise | None:
    return named(name) if name else course.next()


def _finished() -> int:
    print(
        "All exercises pass. `python -m gcsim learn list` shows them; `reset` hands one out anew."
    )
    return 0


# ---- commands ----


def _list(args: argparse.Namespace) -> int:
    try:
        course: Course | None = open_course(args.dir)
    except OptionError:
        course = None
    rows = [
        {
            "name": e.name,
            "title": e.title,
            "section": e.section,
            "chapter_exercise": e.chapter_exercise,
            "notebook": e.notebook,
            "outcome": course.outcome(e) if course else None,
        }
        for e in (course.every if course else catalogue().values())
    ]
    if args.json:
        print(json.dumps(rows, indent=2))
        return 0
    wide = max(len(str(row["name"])) for row in rows)
    for row in rows:
        own = (
            f"  (the chapter's exercise {row['chapter_exercise']})"
            if row["chapter_exercise"]
            else ""
        )
        sign = f"{_SIGNS.get(str(row['outcome']), 'NO')} " if course else ""
        print(f"{sign}{row['name']:{wide}}  {row['section']:7} {row['title']}{own}")
    if not course:
        print("\n`python -m gcsim learn start DIR` makes a folder to work in.")
    return 0


def _start(args: argparse.Namespace) -> int:
    course, copied = start(args.folder)
    first = course.next()
    print(
        f"{copied} exercises copied to {args.folder}."
        if copied
        else f"{args.folder} has all exercises already."
    )
    if first:
        print(f"\nGo there:      cd {args.folder}\n" + _how(course, first))
    return 0


def _how(course: Course, exercise: Exercise) -> str:
    return (
        f"Read:          {exercise.name}/README.md\n"
        f"Edit:          {exercise.name}/{exercise.file}\n"
        "Run its tests: python -m gcsim learn verify\n"
        "Stuck?         python -m gcsim learn hint"
    )


def _next(args: argparse.Namespace) -> int:
    course = open_course(args.dir)
    exercise = course.next()
    if not exercise:
        return _finished()
    print(
        f"{exercise.name}: {exercise.title}"
        f" (section {exercise.section}; {course.outcome(exercise)})"
    )
    print(f"The idea:      {exercise.notebook}\n" + _how(course, exercise))
    return 0


def _check(course: Course, exercise: Exercise, seed: int) -> Verdict:
    verdict = judge(exercise, course.file(exercise), seed=seed)
    course.record(exercise, verdict)
    return verdict


def _seed(args: argparse.Namespace) -> int:
    return int(args.seed) if args.seed is not None else fresh_seed()


def _verify(args: argparse.Namespace) -> int:
    course, seed = open_course(args.dir), _seed(args)
    if args.all:
        chosen = course.every
    elif args.exercise:
        chosen = [named(name) for name in args.exercise]
    else:
        following = course.next()
        if not following:
            return _finished()
        chosen = [following]
    verdicts: list[Verdict] = []
    for exercise in chosen:
        verdicts.append(_check(course, exercise, seed))
        if not args.json:
            _show(course, exercise, verdicts[-1])
    if args.json:
        print(json.dumps([_told(v) for v in verdicts], indent=2))
    elif len(chosen) > 1:
        print(f"{sum(v.passed for v in verdicts)} of {len(verdicts)} pass")
    return 0 if all(v.passed for v in verdicts) else 1


def _told(v: Verdict) -> dict[str, Any]:
    cases = [{"name": c.name, "outcome": c.outcome, "message": c.message} for c in v.cases]
    return {
        "exercise": v.exercise,
        "outcome": v.outcome,
        "message": v.message,
        "seed": v.seed,
        "cases": cases,
        "scores": [{**asdict(score), "ratio": score.ratio} for score in v.scores],
    }


def _show(course: Course, exercise: Exercise, verdict: Verdict) -> None:
    print(verdict)
    for name in course.edited(exercise):
        print(f"  note: {exercise.name}/{name} was edited; the tests that count are gcsim's own")
    if verdict.passed:
        following = course.next()
        print(f"  next: {following.name}" if following else "  That was the last one.")
    elif verdict.outcome == "not started":
        print(f"  edit {course.file(exercise)}")
    else:
        print(
            f"  again with the same cases: --seed {verdict.seed}; a hint:"
            f" python -m gcsim learn hint {exercise.name}"
        )
    sys.stdout.flush()


def _watch(args: argparse.Namespace) -> int:
    course = open_course(args.dir)
    exercise = _wanted(course, args.exercise)
    seen = None
    while exercise:
        file = course.file(exercise)
        try:
            now = file.stat().st_mtime_ns
        except FileNotFoundError:
            now = 0  # an editor replaces it
        if now and now != seen:
            seen = now
            verdict = _check(course, exercise, _seed(args))
            _show(course, exercise, verdict)
            if verdict.passed:
                exercise, seen = (None if args.exercise else course.next()), None
                continue
            print(f"  waiting for {file} to be saved; Ctrl-C ends", flush=True)
        time.sleep(0.2)
    return 0


def _hint(args: argparse.Namespace) -> int:
    course = open_course(args.dir)
    exercise = _wanted(course, args.exercise)
    if not exercise:
        return _finished()
    number, text = course.hint(exercise)
    print(f"{exercise.name}, hint {number} of {len(exercise.hints)}: {text}")
    return 0


def _reset(args: argparse.Namespace) -> int:
    course, exercise = open_course(args.dir), named(args.exercise)
    kept = course.reset(exercise)
    print(f"{exercise.name} is as it was handed out." + (f" Your file is {kept}." if kept else ""))
    return 0


def _points(text: str) -> tuple[str, int]:
    name, _, number = text.partition("=")
    if not name or not number.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not EXERCISE=N")
    return name, int(number)


def _export(args: argparse.Namespace) -> int:
    from gcsim._learn.export import export, write_key

    course = export(args.course, args.exercise, dict(args.points))
    print(
        f"{args.course}: {len(course.every)} exercises, requirements.txt, a workflow for GitHub"
        " Classroom.\nA student's points:  "
        f"python -P {args.course}/grade.py --dir STUDENTS_FOLDER\n"
        f"More:               {Path(__file__).with_name('TEACHING.md')}"
    )
    if args.key:
        print(f"{args.key}: solutions of {write_key(args.key, course)} exercises. Keep it apart.")
    return 0


def _progress(args: argparse.Namespace) -> int:
    course = open_course(args.dir)
    every = course.every
    done = [e for e in every if course.passed(e)]
    if args.json:
        outcomes = {e.name: course.outcome(e) for e in every}
        print(json.dumps({"passed": len(done), "of": len(every), "exercises": outcomes}, indent=2))
        return 0
    bar = "#" * len(done) + "." * (len(every) - len(done))
    print(f"[{bar}] {len(done)} of {len(every)}")
    if following := course.next():
        print(f"next: {following.name}: {following.title}")
    return 0
