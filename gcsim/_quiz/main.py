"""``python -m gcsim quiz``: questions asked, read and graded."""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from gcsim._errors import Error, OptionError
from gcsim._quiz import MOST_SEED, TOPICS, questions
from gcsim._quiz.question import Question

ABOUT = (
    "Questions about Go's memory without end; a real heap, the pacer or the escape analysis gives"
    " each answer. The same seed has the same questions on every machine."
)
STATUS = (
    "Exit status: 0 done (with --answers, --grade or answers from a pipe: all right); 1 an answer"
    " is wrong or missing; 2 wrong arguments, a file that cannot be read or a missing package; 130"
    " Ctrl-C."
)
_MOST_NUMBER = 100_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `quiz`."""
    parser.add_argument(
        "topic", nargs="?", metavar="TOPIC", help="what about; without it the topics are listed"
    )
    parser.add_argument(
        "--seed", type=int, metavar="N", help="of the questions (default: a new one, printed)"
    )
    parser.add_argument(
        "--from",
        type=int,
        default=0,
        dest="first",
        metavar="I",
        help="begin with question I, not 0",
    )
    how_many = parser.add_mutually_exclusive_group()
    how_many.add_argument(
        "-c",
        "--continue",
        action="store_true",
        dest="go_on",
        help="ask one question after the other, until the end of input; without it, one",
    )
    how_many.add_argument("--count", type=int, metavar="N", help="ask N questions")
    parser.add_argument(
        "--answers", type=Path, metavar="FILE", help="read answers from there, one a line"
    )
    parser.add_argument(
        "--json", action="store_true", help="print the questions as a JSON array and ask nothing"
    )
    parser.add_argument(
        "--with-answers",
        action="store_true",
        help="with --json or --grade: the answers and their reasons too",
    )
    parser.add_argument(
        "--grade",
        type=Path,
        metavar="FILE",
        help='grade a JSON object of answers by question id, {"class:7:0": 48}; points as JSON',
    )


def main(args: argparse.Namespace) -> int:
    """Asks, prints or grades; without a topic says what there is."""
    try:
        _check(args)
        if args.grade:
            return _grade(args.grade, args.with_answers)
        if args.topic is None:
            return _topics()
        seed = random.SystemRandom().randrange(1 << 31) if args.seed is None else args.seed
        asked = itertools.islice(questions(args.topic, seed), args.first, None)
        if not args.go_on:
            asked = itertools.islice(asked, 1 if args.count is None else args.count)
        if args.json:
            print(json.dumps([_told(q, args.with_answers) for q in asked], indent=2))
            return 0
        print(f"quiz {args.topic} --seed {seed}")
        if args.answers:
            with args.answers.open(encoding="utf-8") as file:
                return _ask(asked, file, args.go_on)
        return _ask(asked, sys.stdin, args.go_on)
    except (Error, OSError, UnicodeDecodeError, ImportError) as error:
        print(f"python -m gcsim quiz: {error}", file=sys.stderr)
        return 2


def _check(args: argparse.Namespace) -> None:
    if args.grade and (args.topic or args.json or args.answers or args.go_on):
        raise OptionError("--grade stands alone, or with --with-answers: ids name the questions")
    if args.json and (args.answers or args.go_on):
        raise OptionError("--json asks nothing: give --count N, not --answers or -c")
    if args.with_answers and not (args.json or args.grade):
        raise OptionError("--with-answers goes with --json or --grade")
    if args.topic is None and not args.grade and (args.json or args.answers or args.go_on):
        raise OptionError(f"which topic? There are {', '.join(TOPICS)}")
    if not 0 <= args.first <= _MOST_NUMBER:
        raise OptionError(f"--from {args.first} is not between 0 and {_MOST_NUMBER}")
    if args.count is not None and not 1 <= args.count <= _MOST_NUMBER:
        raise OptionError(f"--count {args.count} is not between 1 and {_MOST_NUMBER}")


def _topics() -> int:
    print(f"{ABOUT}\n\nTopics:")
    for topic in TOPICS.values():
        print(f"  {topic.name:8} {topic.about}")
    print(f"\nTo begin:\n    python -m gcsim quiz {next(iter(TOPICS))} -c")
    return 0


# ---- asking ----


def _ask(asked: Iterator[Question], answers: IO[str], go_on: bool) -> int:
    """Asks each; on a terminal what is no answer is asked again, else it is wrong."""
    terminal = answers.isatty()
    right = total = missing = 0
    try:
        for question in asked:
            print(f"\n{question.number}. {question}", flush=True)
            outcome = _answered(question, answers, terminal)
            if outcome is None:
                missing = int(not go_on)
                break
            right, total = right + outcome, total + 1
            print(f"{'Right' if outcome else 'Wrong: ' + question.said()}. {_because(question)}")
            print(f"   {right} of {total}", flush=True)
    except KeyboardInterrupt:
        _sum_up(right, total)
        raise
    _sum_up(right, total)
    return int(not terminal and (right < total + missing or not total))


def _answered(question: Question, answers: IO[str], terminal: bool) -> bool | None:
    """Whether the next line is right; None at the end of input."""
    while True:
        if terminal:
            print("> ", end="", flush=True)
        line = answers.readline()
        if not line:
            return None
        if terminal and not line.strip():
            continue
        try:
            return question.right(line.strip())
        except Error as error:
            print(error)
            if not terminal:
                return False


def _because(question: Question) -> str:
    return f"{question.why}\n   ({question.source})"


def _sum_up(right: int, total: int) -> None:
    print(f"\n{right} of {total} right" + (f", {right / total:.0%}" if total else ""), flush=True)


# ---- for graders ----


def _told(q: Question, with_answers: bool) -> dict[str, Any]:
    told = {
        "id": q.id,
        "topic": q.topic,
        "seed": q.seed,
        "number": q.number,
        "text": q.text,
        "kind": q.kind,
        "unit": q.unit,
        "choices": list(q.choices),
    }
    return told | (_solution(q) if with_answers else {})


def _solution(q: Question) -> dict[str, Any]:
    answer = list(q.answer) if isinstance(q.answer, tuple) else q.answer
    return {"answer": answer, "why": q.why, "source": q.source}


def _grade(path: Path, with_answers: bool) -> int:
    asked = find(given := _given(path))
    rows = []
    for key, answer in given.items():
        question, problem = asked[key], ""
        try:
            right = question.right(answer)
        except Error as error:
            right, problem = False, str(error)
        row = {"id": key, "given": answer, "right": right, "problem": problem}
        rows.append(row | (_solution(question) if with_answers else {}))
    points = sum(bool(row["right"]) for row in rows)
    print(json.dumps({"points": points, "of": len(rows), "answers": rows}, indent=2))
    return int(points < len(rows))


def _given(path: Path) -> dict[str, Any]:
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, RecursionError) as error:
        raise OptionError(f"{path} is no JSON: {error}") from None
    if not isinstance(given, dict) or not given:
        raise OptionError(f'{path} has no answers: a JSON object is needed, {{"class:7:0": 48}}')
    return given


def find(ids: Any) -> dict[str, Question]:
    """The questions of ids. OptionError: one is none, or its topic has not so many questions."""
    wanted: dict[tuple[str, int], set[int]] = {}
    for key in ids:
        topic, *numbers = key.split(":")
        if not (
            topic in TOPICS
            and len(numbers) == 2
            and _is_number(numbers[0], MOST_SEED)
            and _is_number(numbers[1], _MOST_NUMBER)
        ):
            raise OptionError(f"{key!r:.80} is no id of a question; those are like class:7:0")
        wanted.setdefault((topic, int(numbers[0])), set()).add(int(numbers[1]))
    found = {}
    for (topic, seed), numbers in wanted.items():
        for question in itertools.islice(questions(topic, seed), max(numbers) + 1):
            if question.number in numbers:
                found[question.id] = question
    for key in ids:
        if key not in found:
            raise OptionError(f"there is no question {key}")
    return found


def _is_number(text: str, most: int) -> bool:
    """As an id writes it: no sign, no zero in front."""
    short = text.isascii() and text.isdecimal() and len(text) < 20
    return short and text == str(int(text)) and int(text) <= most
