"""``python -m gcsim quiz``: each answer beside one that was come by in another way, and the command line.

The other ways know nothing of the quiz and ask no core: tables that Go printed (tests/data), plain Python that reads
the question's own text, and Go's compiler where it is installed. `make exercises` asks a thousand of each topic.
"""

from __future__ import annotations

import bisect
import hashlib
import itertools
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import needs
import pytest

import gcsim
from gcsim import learn
from gcsim.__main__ import main
from gcsim._quiz import TOPICS
from gcsim._quiz.dice import Dice
from gcsim._quiz.question import Question, choice, number, some
from gcsim.lab import read_rows

GOLDEN = Path(__file__).parent / "data" / "golden"
FEW = 60  # questions of a topic in the ordinary tests
MANY = 1000


def first(topic: str, n: int, seed: int = 1) -> list[Question]:
    return list(itertools.islice(learn.questions(topic, seed), n))


# ---- the other ways ----

# Go's sizes and alignments on amd64, and whether the type holds pointers (go/types: gc, amd64).
WORDS = {
    "bool": (1, 1, False),
    "byte": (1, 1, False),
    "int8": (1, 1, False),
    "int16": (2, 2, False),
    "uint16": (2, 2, False),
    "int32": (4, 4, False),
    "float32": (4, 4, False),
    "int64": (8, 8, False),
    "float64": (8, 8, False),
    "complex128": (16, 8, False),
    "string": (16, 8, True),
    "*int64": (8, 8, True),
    "[]byte": (24, 8, True),
    "any": (16, 8, True),
    "map[string]int": (8, 8, True),
}


def type_of(text: str) -> tuple[int, int, bool]:
    if array := re.fullmatch(r"\[(\d+)\](\w+)", text):
        size, align, pointers = WORDS[array[2]]
        return int(array[1]) * size, align, pointers
    return WORDS[text]


def struct_of(text: str) -> tuple[int, int, bool]:
    """Bytes, alignment and pointers of the struct type that a text declares."""
    declared = re.search(r"type T struct \{ (.*?) \}", text)
    assert declared, text
    at, most, pointers = 0, 1, False
    for row in declared[1].split("; "):
        size, align, held = type_of(row.split(" ", 1)[1])
        at += -at % align + size
        most, pointers = max(most, align), pointers or held
    return at + -at % most, most, pointers


def asked_bytes(text: str) -> tuple[int, bool]:
    """Bytes of what is allocated, and whether it holds pointers."""
    if made := re.search(r"make\(\[\]byte, (\d+)\)", text):
        return int(made[1]), False
    size, _, pointers = struct_of(text)
    made = re.search(r"make\(\[\]T, (\d+)\)", text)
    return size * (int(made[1]) if made else 1), pointers


rows_of = cache(read_rows)


@cache
def row_of(size: int, pointers: bool) -> dict[str, int]:
    """What Go's allocator did with that size (recorded)."""
    kind = "scan" if pointers else "noscan"
    [row] = [
        r
        for r in rows_of(GOLDEN / "malloc-sizes-go1.26.csv.gz")
        if r["kind"] == kind and int(r["size_lo"]) <= size <= int(r["size_hi"])
    ]
    return {k: int(v) for k, v in row.items() if k != "kind"}


def expect_class(text: str) -> int:
    size, pointers = asked_bytes(text)
    if size + 8 * (pointers and size > 512) > 32768:
        return 0 if "Which size class" in text else -(-size // 8192) * 8192
    row = row_of(size, pointers)
    return row["size_class" if "Which size class" in text else "slot_bytes"]


def packed(sizes: list[int]) -> list[tuple[int, int]]:
    """(block, offset) of each: blocks of 16 bytes, the one with more room left is kept."""
    out: list[tuple[int, int]] = []
    block, at, made = -1, 0, 0  # the block at hand, its first free byte; blocks so far
    for size in sizes:
        align = 8 if size % 8 == 0 else 4 if size % 4 == 0 else 2 if size % 2 == 0 else 1
        begin = at + -at % align
        if made and begin + size <= 16:
            out.append((block, begin))
            at = begin + size
            continue
        out.append((made, 0))
        if not made or size < at:
            block, at = made, size
        made += 1
    return out


def expect_tiny(text: str) -> int | str:
    sizes = [
        type_of(t)[0] for t in re.findall(r"new\((\S+?)\)", text.split(": ")[1].split(". ")[0])
    ]
    places = packed(sizes)
    if "How many" in text:
        return len({block for block, _ in places})
    nth = re.search(r"number (\d+)", text)
    assert nth
    i = int(nth[1]) - 1
    if "offset" in text:
        return places[i][1]
    return "yes" if places[i][0] == places[i - 1][0] else "no"


@cache
def span_of(size: int, pointers: bool) -> dict[str, int]:
    """Go's spans of the class that serves that size (recorded)."""
    want = {
        "size_class": str(row_of(size, pointers)["size_class"]),
        "noscan": str(int(not pointers)),
    }
    [row] = [r for r in rows_of(GOLDEN / "spans-go1.26.csv.gz") if want.items() <= r.items()]
    return {k: int(v) for k, v in row.items()}


TINY, CACHE = "the tiny block of the mcache", "a free slot of the mcache's span"
CENTRAL = "the mcentral, which hands out a span with free slots"
HEAP = "the mheap, which hands out pages for a new span"
NONE = "none of them: it gets the shared zero address"


def expect_level(text: str) -> str:
    if sizes := [int(n) for n in re.findall(r"new\(\[(\d+)\]byte\)", text)]:
        blocks = [block for block, _ in packed(sizes)]
        return TINY if blocks[-1] in blocks[:-1] else CACHE
    objects = r"of (\d+) bytes (with|without) pointers"
    found = re.search(rf"allocates (\d+) objects {objects}", text)
    assert found
    n, size, pointers = int(found[1]), int(found[2]), found[3] == "with"
    slots = span_of(size, pointers)["nelems"]
    if told := re.search(r"has (\d+) slots", text):
        assert int(told[1]) == slots
    if dropped := re.search(
        r"drops (?:those from )?number (\d+)(?: to number (\d+))? .* the (\d+)(?:st|nd|rd|th) such",
        text,
    ):
        begin, end, nth = int(dropped[1]), int(dropped[2] or dropped[1]), int(dropped[3])
        gone = end - begin + 1
        assert n % slots == 0 and (begin - 1) // slots == (end - 1) // slots
        if gone == slots:  # the span went back to the heap
            return HEAP if nth % slots == 1 else CACHE
        return CENTRAL if nth == 1 else HEAP if (nth - gone) % slots == 1 else CACHE
    if not (other := re.search(rf"one object {objects} after", text)):
        return CACHE if n % slots else HEAP
    then, held = int(other[1]), other[2] == "with"
    if then == 0:
        return NONE
    if then > 32768 or held != pointers:
        return HEAP
    same = row_of(then, held)["size_class"] == row_of(size, pointers)["size_class"]
    return CACHE if same and n % slots else HEAP


def graph_of(text: str) -> tuple[dict[tuple[str, int], str | None], list[str | None]]:
    """The targets of fields and globals, by the words of a question."""
    before = (
        text.split("ocals")[0] if "The locals" in text else text.split(" The collector looks")[0]
    )
    fields = {
        (o, int(i)): None if t == "nil" else t
        for o, i, t in re.findall(r"([A-Z])\.(\d) = (\w+)", before)
    }
    return fields, re.findall(r"global \d to ([A-Z])", before)


def expect_colours(text: str) -> object:
    fields, globals = graph_of(text)
    colour = {o: "white" for o, _ in fields}
    stack: list[str] = []

    def mark(o: str | None) -> None:
        if o and colour[o] == "white":
            colour[o] = "grey"
            stack.append(o)

    for g in globals:
        mark(g)
    looked = re.search(r"looked at (\d+) fields", text)
    assert looked
    left = int(looked[1])
    while left:
        o = stack.pop()
        for i in (0, 1)[:left]:
            mark(fields[o, i])
        colour[o] = "black" if left > 1 else "grey"
        left -= min(left, 2)
    if which := re.search(r"What colour is ([A-Z])", text):
        return colour[which[1]]
    asked = re.search(r"objects are (\w+)\?", text)
    assert asked
    those = tuple(o for o in sorted(colour) if colour[o] == asked[1])
    return len(those) if "How many" in text else those


def reached(roots: list[str | None], fields: dict[tuple[str, int], str | None]) -> set[str]:
    seen: set[str] = set()
    waiting = list(roots)
    while waiting:
        o = waiting.pop()
        if o and o not in seen:
            seen.add(o)
            waiting += [fields[o, 0], fields[o, 1]]
    return seen


def expect_lost(text: str) -> tuple[str, ...]:
    fields, globals = graph_of(text)
    places = re.search(r"has looked at (.*?), in this order", text)
    program = re.search(r"program does: (.*?)\. Then", text)
    assert places and program
    looked = places[1].split(", ")
    marked: set[str | None] = {
        globals[int(p[-1])] if p.startswith("g") else fields[p[0], int(p[2])] for p in looked
    }
    new = "new target" in text
    old = "the old" in text
    held: dict[str, str | None] = {"x": None, "y": None}
    for line in program[1].split("; "):
        to, value = line.split(" = ")
        if value.startswith("global"):
            found = globals[int(value[-1])]
        elif "." in value:
            found = fields[held[value[0]] or "", int(value[-1])]
        else:
            found = None if value == "nil" else held[value]
        if to in held:
            held[to] = found
            continue
        if to.startswith("global"):
            before, globals[int(to[-1])] = globals[int(to[-1])], found
        else:
            at = held[to[0]] or "", int(to[-1])
            before, fields[at] = fields[at], found
        marked |= ({found} if new else set()) | ({before} if old else set())
    marked |= {g for i, g in enumerate(globals) if f"global {i}" not in looked}
    marked.discard(None)
    waiting = list(marked)
    while waiting:
        o = waiting.pop()
        for i in (0, 1):
            t = fields[o or "", i]
            if t and t not in marked and f"{o}.{i}" not in looked:
                marked.add(t)
                waiting.append(t)
    return tuple(sorted(reached([*globals, *held.values()], fields) - marked))


MIB = 1 << 20


def goal_of(marked: int, stacks: int, globals: int, percent: int) -> int:
    return max(marked + (marked + stacks + globals) * percent // 100, 4 * MIB * percent // 100)


def trigger_of(marked: int, goal: int, runway: int, sweep: int) -> int:
    """sweep: where sweeping would like it at the earliest."""
    part = (goal - marked) // 64
    least, most = max(marked + 45 * part, sweep), max(marked + 61 * part, goal - 4 * MIB)
    return min(max(goal - runway, least), max(least, most))


def expect_trigger(text: str) -> int:
    marked, stacks, globals, percent = map(int, re.findall(r"\d+", text)[:4])
    goal = max(goal_of(marked, stacks, globals, percent), marked + MIB)
    runway = re.search(r"expects (\d+) bytes", text)
    return trigger_of(marked, goal, int(runway[1]), marked + MIB) if runway else goal


def expect_waste(text: str) -> int:
    if span := re.search(r"objects of (\d+) bytes (with|without) pointers", text):
        row = span_of(int(span[1]), span[2] == "with")
        return row["span_bytes"] - row["nelems"] * row["slot_bytes"]
    if grown := re.search(r"var s \[\](\S+)`.* (\d+) times", text):
        size, _, pointers = type_of(grown[1])
        want = {"elem_size": str(size), "noscan": str(int(not pointers))}
        rows = [r for r in rows_of(GOLDEN / "slice-append1.csv.gz") if want.items() <= r.items()]
        n = int(grown[2])
        return (max(int(r["new_cap"]) for r in rows if int(r["len_after"]) <= n) - n) * size
    size, pointers = asked_bytes(text)
    if size + 8 * (pointers and size > 512) > 32768:
        return -size % 8192
    count = re.search(r"(\d+) objects of it", text)
    return (row_of(size, pointers)["slot_bytes"] - size) * (int(count[1]) if count else 1)


# What Go 1.26.8 said of the first questions of seed 1 ("yes" or "no" of each, by the start of its text's SHA-256):
# go_says wrote it, and `make exercises` asks the compiler anew.
ESCAPES: dict[str, str] = json.loads(
    (Path(__file__).parent / "data" / "quiz-escape.json").read_text()
)
TOP_LEVEL = "T pair counter global value number table list boxed hook queue look keep back second link known total call f"


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def go_says(texts: list[str], folder: Path) -> dict[str, str]:
    """Whether the compiler moves x to the heap, of many programs in one package."""
    lines, ends = ["package oracle"], []
    for i, text in enumerate(texts):
        source = text.split("package main\n")[1].split("\nDoes the variable")[0]
        for name in TOP_LEVEL.split():
            source = re.sub(rf"\b{name}\b", f"{name}_{i}", source)
        lines += source.split("\n")
        ends.append(len(lines))
    (folder / "go.mod").write_text("module oracle\n\ngo 1.26\n")
    (folder / "oracle.go").write_text("\n".join(lines) + "\n")
    command = [needs.program("go"), "build", "-gcflags=-m -l", "."]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    places = re.findall(r"oracle\.go:(\d+):\d+: moved to heap: x$", done.stderr, re.MULTILINE)
    moved = {bisect.bisect_left(ends, int(line)) for line in places}
    return {sha(text): "yes" if i in moved else "no" for i, text in enumerate(texts)}


def expect_escape(text: str) -> str:
    return ESCAPES[sha(text)]


OTHER_WAYS: dict[str, Callable[[str], object]] = {
    "class": expect_class,
    "tiny": expect_tiny,
    "level": expect_level,
    "colours": expect_colours,
    "trigger": expect_trigger,
    "waste": expect_waste,
    "escape": expect_escape,
    "lost": expect_lost,
}

# Of the first 20 questions of seed 1: what changes them changes what graders have.
HASHES = {
    "class": "7bd6c710c2d93320",
    "tiny": "71231863d845d710",
    "level": "a5db41e07d619047",
    "colours": "292bb685cbbad05c",
    "trigger": "5a2fa1c7dcc29fa3",
    "waste": "af2a776b49fa3227",
    "escape": "884edd02540a5b74",
    "lost": "2996c29181a602a0",
}


def check(questions: list[Question], n: int) -> None:
    """No text twice, one right answer, and the one of the other way."""
    assert len({q.text for q in questions}) == len(questions) == n
    for q in questions:
        assert q.answer == OTHER_WAYS[q.topic](q.text), f"{q.id}: {q}\n{q.why}"
        assert q.right(q.said())
        for other in q.choices if q.kind == "choice" else ():
            assert q.right(other) == (other == q.answer)


@pytest.mark.parametrize("topic", TOPICS)
def test_answers_are_those_of_another_way(topic: str) -> None:
    check(first(topic, FEW), FEW)


@pytest.mark.proof
@pytest.mark.parametrize("topic", TOPICS)
def test_a_thousand_questions(topic: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None twice, none ambiguous, each answered as in another way, in less than 20 s of CPU."""
    for seed in (1, 2026):
        begin = time.process_time()
        questions = first(topic, MANY, seed)
        assert time.process_time() - begin < 20
        if topic == "escape":
            monkeypatch.setattr(
                sys.modules[__name__], "ESCAPES", go_says([q.text for q in questions], tmp_path)
            )
        check(questions, MANY)


@pytest.mark.parametrize("topic", TOPICS)
def test_no_answer_is_right_most_of_the_time(topic: str) -> None:
    """Whoever always says the same is wrong in most cases."""
    answers = [(q.choices, q.answer) for q in first(topic, 150)]
    for choices in {c for c, _ in answers}:
        those = [a for c, a in answers if c == choices]
        most = max(those.count(a) for a in those)
        assert most < 0.67 * len(those) or len(those) < 10, (choices, most, len(those))


@pytest.mark.parametrize("topic", TOPICS)
def test_the_same_seed_has_the_same_questions_everywhere(topic: str) -> None:
    text = "\n".join(f"{q.id} {q} {q.said()}" for q in first(topic, 20))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == HASHES[topic]


def test_what_the_trigger_is_checked_with_is_go_s() -> None:
    """The plain arithmetic of expect_trigger, beside what Go's pacer decided (recorded)."""
    goals = triggers = 0
    for row in read_rows(Path(__file__).parent / "data" / "pacer" / "pacer-sample.csv.gz"):
        n = {k: int(v) for k, v in row.items() if re.fullmatch(r"-?\d+", v)}
        if n["memory_limit"] != 2**63 - 1 or n["gc_percent"] < 0:
            continue
        marked, sweep = n["heap_marked"], n["sweep_dist_min_trigger"]
        if n["trigger_goal"] > marked:
            triggers += 1
            assert trigger_of(marked, n["trigger_goal"], n["runway"], sweep) == n["trigger"], row
        if row["commit_sweep_done"] == "0":  # what the cycle itself left, not a new setting
            goals += 1
            end = n["bytes_marked"], n["stack_work"], n["globals_bytes"], n["gc_percent"]
            assert max(goal_of(*end), n["next_sweep_dist"]) == n["next_goal"], row
    assert goals > 100 and triggers > 100, (goals, triggers)


@pytest.mark.parametrize("percent", [25, 100, 300])
def test_a_heap_has_the_goal_and_the_trigger_that_are_right(percent: int) -> None:
    for size in (1 << 20, 7_000_000, 80_000_000):
        with gcsim.Heap(gogc=percent, gcstoptheworld=1) as heap:
            kept = heap.new_slice(gcsim.u8, size)
            cycle = heap.collect()
            assert len(kept) == size and cycle.next_goal and cycle.next_trigger
            metrics = heap.metrics.read()
            stacks, globals = metrics["/gc/scan/stack:bytes"], metrics["/gc/scan/globals:bytes"]
            live = cycle.heap_marked
            goal = max(goal_of(live, int(stacks), int(globals), percent), live + MIB)
            assert cycle.next_goal == goal == int(metrics["/gc/heap/goal:bytes"])
            assert cycle.next_trigger == trigger_of(live, goal, 0, live + MIB)


def test_dice_fall_alike_everywhere() -> None:
    dice = Dice("class:1:0:0")
    assert [dice.below(1000) for _ in range(6)] == [275, 302, 199, 964, 665, 774]
    assert dice.some("abcdef", 3) == ["c", "a", "f"]
    assert Dice("x").between(4, 4) == 4


def test_other_seeds_have_other_questions() -> None:
    assert not {q.text for q in first("tiny", 20, 1)} & {q.text for q in first("tiny", 20, 2)}


# ---- what is taken as an answer ----


def made(kind: str) -> Question:
    about: dict[str, str] = {"why": "because", "source": "runtime/x.go: f"}
    if kind == "bytes":
        return number("How many?", 2048, "bytes", **about)
    if kind == "blocks":
        return number("How many?", 1, "blocks", **about)
    if kind == "number":
        return number("Which?", 5, **about)
    if kind == "yes":
        return choice("Is it?", "yes", ("yes", "no"), **about)
    if kind == "colour":
        return choice("Which?", "grey", ("white", "grey", "black"), **about)
    if kind == "none":
        return some("Which?", frozenset(), ("A", "B"), **about)
    return some("Which?", frozenset("AC"), ("A", "B", "C"), **about)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        *[("bytes", g) for g in ("2048", "2048 B", "2048 bytes", "2,048", "2_048b", " 2 KiB ", 2048)],
        *[("blocks", g) for g in ("1", "1 block", "1 blocks", 1)],
        *[("number", g) for g in ("5", "5.", 5)],
        *[("yes", g) for g in ("yes", "y", "Y", "YES")],
        *[("colour", g) for g in ("grey", "b", "b)", "(b)", "gray", "Grey")],
        *[("list", g) for g in ("A, C", "c a", "A and C", "a,c", ["C", "A"], ("A", "C"))],
        *[("none", g) for g in ("none", "nothing", "-", [], "None")],
    ],
)  # fmt: skip
def test_right_in_many_forms(kind: str, given: object) -> None:
    assert made(kind).right(given)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        *[("bytes", g) for g in ("2047", "2048 KiB", "-2048", 0)],
        *[("yes", g) for g in ("no", "n")],
        *[("colour", g) for g in ("a", "white", "black", "c")],
        *[("list", g) for g in ("A", "A, B, C", "none", ["A"])],
        *[("none", g) for g in ("A", ["B"])],
    ],
)  # fmt: skip
def test_wrong_in_many_forms(kind: str, given: object) -> None:
    assert not made(kind).right(given)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        *[("bytes", g) for g in ("", "many", "2048 blocks", "2.5", "0x800", "9" * 40, True, None, 2048.0)],
        *[("blocks", g) for g in ("1 KiB", "1 B")],
        *[("yes", g) for g in ("a", "maybe", "", True)],
        *[("colour", g) for g in ("d", "blue", "", 1, ["grey"], {"grey": 1})],
        *[("list", g) for g in ("D", "A, D", "", ",", 3, [["A"]])],
    ],
)  # fmt: skip
def test_what_is_no_answer_is_said_to_be_none(kind: str, given: object) -> None:
    with pytest.raises(gcsim.ConversionError, match="is no answer"):
        made(kind).right(given)


@pytest.mark.parametrize(
    "change",
    [
        {"choices": ("white", "White", "grey")},
        {"answer": "blue"},
        {"why": ""},
        {"source": ""},
        {"kind": "number"},
        {"kind": "list"},
    ],
)
def test_an_ambiguous_question_cannot_be_made(change: dict[str, Any]) -> None:
    told = {
        name: getattr(made("colour"), name)
        for name in ("text", "kind", "answer", "why", "source", "choices")
    }
    with pytest.raises(AssertionError):
        Question(**(told | change))


def test_topics_and_seeds_that_are_none() -> None:
    with pytest.raises(
        gcsim.OptionError, match="there is no topic 'colors'; there are class, tiny"
    ):
        learn.questions("colors", 1)
    for seed in (-1, 1 << 63, "1", True, None):
        with pytest.raises(gcsim.RangeError, match="seed="):
            learn.questions("tiny", seed)  # type: ignore[arg-type]


# ---- the command ----


def quiz(*arguments: object, answers: str = "", **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gcsim", "quiz", *map(str, arguments)],
        input=answers,
        text=True,
        capture_output=True,
        timeout=120,
        **more,
    )


def test_without_a_topic_it_says_how_to_begin(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quiz"]) == 0
    out = capsys.readouterr().out
    assert all(f"\n  {name} " in out for name in TOPICS)
    assert "python -m gcsim quiz class -c" in out


def test_questions_do_not_depend_on_hash_seeds() -> None:
    told = [
        quiz(
            "class", "--seed", 3, "--count", 5, "--json", env={**os.environ, "PYTHONHASHSEED": h}
        ).stdout
        for h in ("0", "77")
    ]
    assert told[0] == told[1]
    assert [q["id"] for q in json.loads(told[0])] == [f"class:3:{i}" for i in range(5)]


def test_answers_from_a_pipe() -> None:
    q = first("tiny", 3, 5)
    done = quiz("tiny", "--seed", 5, "-c", answers=f"{q[0].said()}\n{q[1].said()}\nwell\n")
    assert done.returncode == 1 and not done.stderr
    assert done.stdout.startswith("quiz tiny --seed 5\n\n0. The first allocations")
    assert done.stdout.count("\nRight. ") == 2
    assert "'well' is no answer: " in done.stdout
    assert f"\nWrong: {q[2].said()}. {q[2].why}\n   ({q[2].source})\n   2 of 3\n" in done.stdout
    assert done.stdout.endswith("\n2 of 3 right, 67%\n")
    assert quiz("tiny", "--seed", 5, answers=q[0].said()).returncode == 0
    assert (
        quiz("tiny", "--seed", 5, "--count", 2, answers=q[0].said()).returncode == 1
    )  # one is missing
    nothing = quiz("tiny", "--seed", 5, "-c")
    assert nothing.returncode == 1 and nothing.stdout.endswith("\n0 of 0 right\n")


def test_without_c_one_question_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "answers"
    q = first("class", 5, 5)
    file.write_text("\n".join(x.said() for x in q))
    for arguments, right in ((), "1 of 1"), (("--count", "4"), "4 of 4"), (("-c",), "5 of 5"):
        command = ["quiz", "class", "--seed", "5", "--answers", str(file), *arguments]
        assert main(command) == (0 if right != "x" else 1)
        assert f"\n{right} right, 100%\n" in capsys.readouterr().out
    file.write_text(q[3].said())
    assert main(["quiz", "class", "--seed", "5", "--from", "3", "--answers", str(file)]) == 0


def test_json_for_graders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quiz", "tiny", "--seed", "5", "--count", "2", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert list(rows[0]) == ["id", "topic", "seed", "number", "text", "kind", "unit", "choices"]
    assert main(["quiz", "tiny", "--seed", "5", "--count", "2", "--json", "--with-answers"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told[1])[-3:] == ["answer", "why", "source"]
    file = tmp_path / "answers.json"
    given = {row["id"]: row["answer"] for row in told}
    file.write_text(json.dumps(given))
    assert main(["quiz", "--grade", str(file)]) == 0
    graded = json.loads(capsys.readouterr().out)
    assert (graded["points"], graded["of"]) == (2, 2) and "answer" not in graded["answers"][0]
    file.write_text(json.dumps(given | {"tiny:5:1": "what?", "class:9:2": None}))
    assert main(["quiz", "--grade", str(file), "--with-answers"]) == 1
    graded = json.loads(capsys.readouterr().out)
    assert (graded["points"], graded["of"]) == (1, 3)
    assert [row["right"] for row in graded["answers"]] == [True, False, False]
    assert "is no answer" in graded["answers"][1]["problem"] and graded["answers"][2]["why"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "has no answers"),
        ("{}", "has no answers"),
        ("7", "has no answers"),
        ('{"class:1": 1}', "is no id of a question"),
        ('{"nonsense:1:1": 1}', "is no id of a question"),
        ('{"class:-1:1": 1}', "is no id of a question"),
        ('{"class:01:1": 1}', "is no id of a question"),
        ('{"class:1:999999999999999999999": 1}', "is no id of a question"),
        ('{"class:1:100001": 1}', "is no id of a question"),
        ('{"class:99999999999999999999:1": 1}', "is no id of a question"),
    ],
)
def test_damaged_answers_are_told(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "answers.json"
    file.write_text(text)
    assert main(["quiz", "--grade", str(file)]) == 2
    out, err = capsys.readouterr()
    assert not out and said in err and err.startswith("python -m gcsim quiz: ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "there is no topic 'nonsense'; there are class, "),
        (["tiny", "--seed", "-1"], "seed=-1 is not between 0 and 2**63 - 1"),
        (["tiny", "--seed", str(1 << 63)], "is not between 0 and 2**63 - 1"),
        (["tiny", "--count", "0"], "--count 0 is not between 1 and"),
        (["tiny", "--from", "-1"], "--from -1 is not between 0 and"),
        (["tiny", "--json", "-c"], "--json asks nothing"),
        (["tiny", "--with-answers"], "--with-answers goes with"),
        (["--json"], "which topic? There are class, "),
        (["-c"], "which topic? There are class, "),
        (["tiny", "--grade", "x.json"], "--grade stands alone"),
        (["tiny", "--answers", "not-there"], "not-there"),
        (["--grade", "not-there"], "not-there"),
    ],
)
def test_wrong_arguments(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["quiz", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_seed_that_is_no_number() -> None:
    done = quiz("tiny", "--seed", "x")
    assert done.returncode == 2 and "invalid int value: 'x'" in done.stderr
    assert "Traceback" not in done.stderr


def test_answers_that_are_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "answers"
    file.write_bytes(b"\xff\xfe\x00")
    assert main(["quiz", "tiny", "--answers", str(file)]) == 2
    assert "python -m gcsim quiz: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("topic", "package", "install"),
    [("escape", "tree_sitter", "gcsim[escape]"), ("trigger", "_cffi_backend", "cffi")],
)
def test_a_missing_package_is_named(topic: str, package: str, install: str) -> None:
    run = f"import sys; sys.modules[{package!r}] = None\nimport gcsim.__main__ as m\nsys.exit(m.main(['quiz', {topic!r}]))"
    done = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert (
        done.stderr.startswith("python -m gcsim quiz: ")
        and "pip install" in done.stderr
        and install in done.stderr
    )


# ---- on a terminal ----


class Terminal:
    """The command on a pseudo-terminal of its own."""

    def __init__(self, *arguments: str) -> None:
        self.fd, theirs = os.openpty()
        # A process of a shell's background may have been started to ignore it.
        listen = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        run = f"import sys, gcsim.__main__ as m\nsys.exit(m.main({['quiz', *arguments]!r}))"
        self.process = subprocess.Popen(
            [sys.executable, "-c", listen + run],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.text = ""

    def until(self, words: str) -> None:
        """Reads on until the words have come."""
        while words not in self.text and self.read():
            pass
        assert words in self.text, self.text
        self.text = self.text.split(words, 1)[1]

    def read(self) -> bool:
        """What it wrote meanwhile; false: it has ended, or says nothing for a minute."""
        if not select.select([self.fd], [], [], 60)[0]:
            return False
        try:
            self.text += os.read(self.fd, 65536).decode().replace("\r\n", "\n")
        except OSError:  # the other end is closed
            return False
        return True

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def end(self) -> int:
        while self.read():
            pass
        return self.process.wait(60)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(*arguments: str) -> Terminal:
        opened.append(Terminal(*arguments))
        return opened[-1]

    yield start
    for t in opened:
        if t.process.poll() is None:
            t.process.kill()
            t.process.wait()
        os.close(t.fd)


def test_on_a_terminal_it_asks_again_and_ends_with_the_input(
    terminal: Callable[..., Terminal],
) -> None:
    q = first("tiny", 2, 5)
    t = terminal("tiny", "--seed", "5", "-c")
    t.until("> ")
    t.type("what?\n")
    t.until("'what?' is no answer: ")
    t.until("> ")
    t.type(f"{q[0].said()}\n")
    t.until("Right. ")
    t.until("> ")
    t.type("\x04")
    t.until("1 of 1 right, 100%")
    assert t.end() == 0


def test_ctrl_c_ends_with_a_summary_and_130(terminal: Callable[..., Terminal]) -> None:
    t = terminal("tiny", "--seed", "5", "-c")
    t.until("> ")
    [q] = first("tiny", 1, 5)
    t.type("no\n" if q.answer == "yes" else "yes\n" if q.answer == "no" else "99\n")
    t.until("Wrong: ")
    t.until("> ")
    t.process.send_signal(signal.SIGINT)
    t.until("0 of 1 right, 0%")
    t.until("interrupted")
    assert t.end() == 130
