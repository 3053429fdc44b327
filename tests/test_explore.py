"""Exploring: every schedule of small programs. What is sound is closed; what is not is refuted by a
schedule that leads to the loss again."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

import gcsim
from gcsim._explore import Setup, explore_all, schedule_text, search
from gcsim._explore import _steps as steps_of
from gcsim._explore_process import run_search
from gcsim._programs import (
    PROGRAMS,
    Program,
    Stage,
    assemble,
    estimated_states,
    free_choice,
    of,
    operation_text,
)

sys.path.insert(0, str(Path(__file__).resolve().parent / "explore"))
import table
from table import REFUTED, SOUND

pytestmark = pytest.mark.slow  # once in CI is enough

ONE = {"mutators": 1}

ALONE = [row for row in REFUTED if row.setup.program == table.ONE]


def words(options: dict[str, object]) -> str:
    return " ".join(f"{k}={v}" for k, v in options.items())


@pytest.mark.parametrize("buffer", [0, 1])
@pytest.mark.parametrize("options", SOUND, ids=words)
def test_what_is_sound_is_closed(options: dict[str, object], buffer: int) -> None:
    found = gcsim.explore("free", **ONE, **options, buffer=buffer)  # type: ignore[arg-type]
    assert found.verdict == "sound" and found and found.sound
    assert found.schedule == "" and found.states > 5000 and found.paths > 100


@pytest.mark.parametrize("row", ALONE, ids=str)
def test_what_is_not_is_refuted_by_a_shortest_schedule(row: table.Row) -> None:
    found = search(row.setup)
    assert found.verdict == "lost" and not found
    assert "no mark" in found.what and found.schedule in str(found)
    length = len(steps_of(found.schedule))
    assert length == found.steps and row.steps in (None, length)
    assert search(row.setup, shortest=False).steps >= length
    below = search(row.setup, max_depth=length - 1)
    assert below.verdict == "bound", "no shorter one exists"


@pytest.mark.parametrize("name", [n for n in PROGRAMS if n != "free"])
def test_standard_programs_lose_nothing_under_the_hybrid_barrier(name: str) -> None:
    assert gcsim.explore(name).verdict == "sound"


@pytest.mark.parametrize("name", ["race", "stack", "last-worker", "copy"])
def test_standard_programs_lose_an_object_without_a_barrier(name: str) -> None:
    assert gcsim.explore(name, barrier="none").verdict == "lost"


def test_a_store_before_the_shade_is_harmless_where_no_stack_is_scanned_in_between() -> None:
    assert gcsim.explore("copy-race", barrier="dijkstra-store-first").sound
    assert gcsim.explore("copy-race", barrier="dijkstra", preempt_barrier=True).sound


def test_a_careful_search_finds_the_same() -> None:
    for options in (
        {"program": "race"},
        {"program": "copy"},
    ):  # `make explore` does so with every small one
        fast, slow = (gcsim.explore(**options, careful=c) for c in (False, True))  # type: ignore[arg-type]
        assert (fast.states, fast.transitions) == (slow.states, slow.transitions)


@pytest.mark.parametrize("row", [r for r in REFUTED if r not in ALONE], ids=str)
def test_mistakes_lose_an_object(row: table.Row) -> None:
    found = search(row.setup)
    assert found.verdict == "lost"
    film = found.film()
    assert film[-1].note == found.what and any(o.lost for o in film[-1].objects)


def test_an_invariant_is_broken_before_an_object_is_lost() -> None:
    lost, weak = (gcsim.explore(**ONE, barrier="none", invariants=i) for i in ("none", "weak"))  # type: ignore[arg-type]
    assert lost.verdict == "lost" and weak.verdict == "broken" and not weak
    assert "weak tri-colour invariant" in weak.what
    assert 0 < len(steps_of(weak.schedule)) < len(steps_of(lost.schedule))
    film = weak.film()
    assert len(film) == len(steps_of(weak.schedule)) + 1 and film[-1].note == weak.what
    assert not any(o.lost for o in film[-1].objects)  # not yet


# What global 0's A points at is stored into global 1's B, and A forgets it.
BETWEEN = ("x = global 1\nz = global 0\ny = z.0\nx.0 = y\nz.0 = nil",)
BETWEEN_STAGE = Stage(((2,), (None,), (None,)), (0, 1), ((None, None, None),))


@pytest.mark.parametrize(
    ("barrier", "strong"), [("dijkstra", "sound"), ("hybrid", "sound"), ("yuasa", "broken")]
)
def test_who_shades_what_it_stores_keeps_the_strong_invariant(barrier: str, strong: str) -> None:
    program = Program("between", "", BETWEEN, BETWEEN_STAGE)
    assert gcsim.explore(program, barrier=barrier, invariants="weak").sound
    found = gcsim.explore(program, barrier=barrier, invariants="strong")
    assert found.verdict == strong and ("strong tri-colour" in found.what) != found.sound


def test_a_step_that_the_core_gives_up_in_is_left_out_of_the_film() -> None:
    lost = gcsim.explore(**ONE, barrier="none")  # type: ignore[arg-type]
    died = replace(lost, verdict="broken", what="broken invariant at mark.c:1: an example")
    assert len(died.film()) == len(lost.film()) - 1


def test_a_film_names_what_is_lost_and_every_slot_as_its_program_does() -> None:
    """The stage's first object lies at the arena's first byte: it is no nil and no other object."""
    film = gcsim.explore("list-insert", late_barrier=True).film()
    assert [o.name for o in film[-1].objects if o.lost] == ["A"]
    said = [view.action for view in film]
    assert {"store A into B.0", "store B into global 0", "look at x of mutator a"} <= set(said)
    cut = next(view for view in film if view.action == "store B into global 0")
    assert [r.target for r in cut.roots if r.kind == "global"] == ["B"]
    nil = gcsim.explore("handle", late_barrier=True).film()
    assert "store nil into global 0" in [view.action for view in nil]


class Dies:
    """Unpickling it ends the process, as a broken invariant of the core does."""

    def __reduce__(self) -> tuple[object, tuple[()]]:
        return os.abort, ()


def test_a_search_that_dies_is_a_finding() -> None:
    setup = Setup(program=Dies())  # type: ignore[arg-type]
    found = run_search(setup, {}, None)
    assert found.verdict == "broken" and not found and "SIGABRT" in found.what


def test_a_search_is_the_same_twice_and_in_another_process() -> None:
    setups = [Setup(program=free_choice(1, 2, 1), barrier=b) for b in ("hybrid", "none")]
    here = explore_all(setups)
    with ProcessPoolExecutor(2) as pool:
        there = explore_all(setups, pool)
    for a, b in zip(here, there, strict=True):
        assert (a.states, a.transitions, a.schedule) == (b.states, b.transitions, b.schedule)
    assert pickle.loads(pickle.dumps(here[1])) == here[1]


def test_bounds_say_that_they_stopped_the_search() -> None:
    for bound in ({"max_states": 100}, {"max_depth": 8}, {"max_bytes": 1 << 20}):
        found = gcsim.explore("free", **ONE, **bound)  # type: ignore[arg-type]
        assert found.verdict == "bound" and not found.sound


def test_a_space_that_is_too_large_asks_for_a_bound() -> None:
    with pytest.raises(gcsim.OptionError, match=r"about \de\+\d+ states.*give max_states="):
        gcsim.explore("free", mutators=4, objects=8, locals=4)
    assert gcsim.explore("free", mutators=3, objects=3, max_states=1000).verdict == "bound"
    assert gcsim.explore("free", mutators=3, objects=3, max_depth=9).verdict == "bound"


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 3, 1), (1, 2, 2), (2, 1, 1)])
def test_the_estimate_of_states_is_right_within_a_factor_of_five(
    shape: tuple[int, int, int],
) -> None:
    mutators, objects, locals = shape
    found = gcsim.explore("free", mutators=mutators, objects=objects, locals=locals)
    estimate = estimated_states(free_choice(mutators, objects, locals))
    assert estimate / 5 < found.states < estimate * 5


def test_progress_is_told_and_can_stop_the_search_or_raise() -> None:
    seen: list[tuple[int, int]] = []

    def stop(states: int, transitions: int) -> bool:
        seen.append((states, transitions))
        return True

    assert gcsim.explore("free", progress=stop).verdict == "stopped"
    assert seen and seen[0][0] > 0

    def fail(states: int, transitions: int) -> bool:
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        gcsim.explore("free", progress=fail)


# --- put aside


@pytest.mark.parametrize(
    "options", [{}, {"barrier": "steele", "buffer": 1}, {"max_depth": 30}], ids=words
)
def test_a_search_that_is_put_aside_time_and_again_finds_the_same(
    options: dict[str, object], tmp_path: Path
) -> None:
    file = tmp_path / "search"
    whole = gcsim.explore("free", **ONE, **options)  # type: ignore[arg-type]
    stops = 0
    while True:
        found = gcsim.explore(
            "free",
            **ONE,
            **options,
            file=file,
            max_states=1 + 4000 * (stops + 1),  # type: ignore[arg-type]
        )
        if not file.exists():
            break
        assert found.verdict == "bound"
        assert found.states <= 4000 * (stops + 1) + 1
        stops += 1
    assert stops > 1 and list(tmp_path.iterdir()) == []
    counts = [(f.verdict, f.states, f.transitions, f.paths, f.depth) for f in (whole, found)]
    assert counts[0] == counts[1]


def test_a_counterexample_is_found_behind_a_stop_too(tmp_path: Path) -> None:
    file = tmp_path / "search"
    options = {"program": "race", "barrier": "yuasa", "stacks": "first"}
    assert gcsim.explore(**options, max_states=500, file=file).verdict == "bound"  # type: ignore[arg-type]
    found, whole = (gcsim.explore(**options, file=f) for f in (file, None))  # type: ignore[arg-type]
    assert found.verdict == "lost" and found.schedule == whole.schedule and not file.exists()


def test_two_processes_put_the_same_search_aside_as_the_same_bytes(tmp_path: Path) -> None:
    options = {"program": "race", "barrier": "yuasa", "stacks": "first"}

    def put_aside(name: str) -> bytes:
        gcsim.explore(**options, max_states=500, file=tmp_path / name)  # type: ignore[arg-type]
        saved = (tmp_path / name).read_bytes()  # at a state in which a mutator has ended
        header = saved.index(b"\n") + 1
        return saved[: header + 24] + saved[header + 32 :]  # all but the nanoseconds

    assert put_aside("here") == put_aside("there")
    with pytest.raises(gcsim.OptionError, match="whole stacks cannot be put aside"):
        gcsim.explore(**options, whole_stacks=True, file=tmp_path / "whole")  # type: ignore[arg-type]


def test_a_file_of_another_search_or_a_damaged_one_is_refused_and_stays(tmp_path: Path) -> None:
    file = tmp_path / "search"
    gcsim.explore("free", **ONE, max_states=2000, file=file)  # type: ignore[arg-type]
    good = file.read_bytes()
    for options in ({"barrier": "yuasa"}, {"objects": 1}, {"invariants": "weak"}, {"max_depth": 9}):
        with pytest.raises(gcsim.StateError, match="of another search"):
            gcsim.explore("free", **ONE | options, file=file)  # type: ignore[arg-type]
    for damaged in (b"", b"x" * 999, good[:-1], good[:300], good.replace(b"core", b"CORE")):
        file.write_bytes(damaged)
        with pytest.raises(gcsim.StateError):
            gcsim.explore("free", **ONE, file=file)  # type: ignore[arg-type]
        assert file.read_bytes() == damaged
    rng = random.Random(1)
    for _ in range(12):  # no path, line or hash leads outside what is there
        at = rng.randrange(good.index(b"\n") + 1, good.index(b"\n") + 4000)
        file.write_bytes(good[:at] + bytes([rng.randrange(256)]) + good[at + 1 :])
        with contextlib.suppress(gcsim.StateError):
            assert gcsim.explore("free", **ONE, file=file, max_states=3000).verdict != "lost"  # type: ignore[arg-type]
    with pytest.raises(OSError, match="No such file"):
        gcsim.explore("free", **ONE, file=tmp_path / "nowhere" / "search")  # type: ignore[arg-type]


def test_ctrl_c_puts_a_search_aside(tmp_path: Path) -> None:
    file = tmp_path / "search"
    command = [sys.executable, "-m", "gcsim", "explore", "--file", str(file)]
    listen = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    listen += f"import runpy, sys; sys.argv = {command[2:]!r}; runpy.run_module('gcsim', run_name='__main__')"
    child = subprocess.Popen(
        [sys.executable, "-c", listen], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "search.part").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 3 and "not closed, stopped" in out
    assert "the same command goes on from there" in err and file.stat().st_size > 10_000
    found = gcsim.explore("free", file=file, max_states=1)
    assert found.verdict == "bound" and found.states > 1000


def test_programs_read_back_as_they_were_written() -> None:
    for program in PROGRAMS.values():
        for text, code in zip(program.mutators, program.code, strict=True):
            lines = [operation_text(code[i : i + 4]) for i in range(0, len(code) - 4, 4)]
            assert "\n".join(lines) == text


def test_schedules_read_back() -> None:
    steps = bytes([0, 0, 0, 0, 1, 3, 2, 0, 2, 0, 2, 0])
    assert schedule_text(steps) == "a2 b.3 c3"
    assert steps_of("a2 b.3 c3") == [(0, 0), (0, 0), (1, 3), (2, 0), (2, 0), (2, 0)]
    with pytest.raises(gcsim.Error, match="neither"):
        steps_of("a2 7")


def test_own_programs_run_and_wrong_ones_are_refused() -> None:
    hide = "x = global 0\ny = x.0\nx.0 = nil\nx = nil"
    assert gcsim.explore([hide], barrier="none", locals=2).verdict == "lost"
    assert gcsim.explore([hide], locals=2).sound
    with pytest.raises(gcsim.Error, match=r"'x = 7' is no operation; there are 'x = x.0'"):
        assemble(["x = 7"])
    with pytest.raises(gcsim.Error, match="not there"):
        gcsim.explore([hide], locals=1)  # y is no local then
    with pytest.raises(gcsim.Error, match="there are free"):
        gcsim.explore("nothing")
    with pytest.raises(gcsim.Error, match="there are hybrid"):
        gcsim.explore(barrier="fence")
    with pytest.raises(gcsim.Error, match="1 to 16 objects"):
        gcsim.explore(objects=17)
    with pytest.raises(gcsim.Error, match="there are none, weak, strong"):
        gcsim.explore(invariants="grey")


def test_an_operation_on_nil_ends_its_mutator() -> None:
    assert gcsim.explore(["x.0 = x\nglobal 0 = nil"]).sound


def test_a_stage_needs_a_fresh_step_heap() -> None:
    from gcsim import _core

    program = of("free", mutators=1, objects=2, locals=1, fields=1)
    objects, fields, globals, locals, *targets = program.stage.packed()
    stage = (objects, fields, globals, locals, program.code, *targets)
    with gcsim.Heap() as heap, pytest.raises(gcsim.Error, match="mode"):
        _core.stage(heap, *stage)
    with gcsim.Heap(mode="steps") as heap:
        with pytest.raises(gcsim.Error, match="a stage"):
            _core.explore(heap, 0, 0, 0, True, False, False, 0, False, bytearray(4), None, -1, -1)
        heap.collect()
        with pytest.raises(gcsim.Error, match="fresh heap"):
            _core.stage(heap, *stage)


# --- the command


def run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gcsim", "explore", *args],
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_command_says_by_its_status_what_was_found() -> None:
    sound = run("--mutators", "1")
    assert sound.returncode == 0 and "closed and sound" in sound.stdout
    lost = run("--barrier", "dijkstra", "--no-rescan", "--mutators", "1", "--json")
    assert lost.returncode == 1
    (row,) = json.loads(lost.stdout)
    assert row["verdict"] == "lost" and row["schedule"]
    broken = run("--barrier", "none", "--mutators", "1", "--invariants", "weak")
    assert broken.returncode == 1 and "weak tri-colour" in broken.stdout
    assert run("--max-states", "50").returncode == 3
    refused = run("--objects", "40")
    assert refused.returncode == 2 and "1 to 16 objects" in refused.stderr
    assert run("--barrier", "fence").returncode == 2


def test_the_command_lists_programs_and_statuses() -> None:
    text = run("--help").stdout
    assert "list-insert" in text and "Exit status" in text and "--no-rescan" in text
