"""The pytest plugin's other half: heaps to test with, seeds, schedules, and folders of exercises.

    @pytest.mark.gc_seeds(20)
    def test_any_graph(heap, reference, seed):       # 20 seeds of --gcsim-seed
        ...
        assert reference.live(heap) == ...           # what a plain search finds alive

    @pytest.mark.schedules("all")                    # or 100: so many at random
    @pytest.mark.gc_invariant("weak")                # checked at every state
    def test_barrier(schedules):
        schedules("race", barrier="hybrid")          # fails with a shortest schedule that loses one

    def test_steps(steps, walk):
        walk(steps.begin_cycle())                    # one step at a time to the end

In a folder that ``python -m gcsim learn start`` made, the tests of each exercise run in a process
of their own, as ``learn verify`` runs them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from gcsim._core import Heap
    from gcsim._learn import Exercise
    from gcsim._learn.judge import Verdict
    from gcsim._steps import SteppedCycle
    from gcsim._view import View

_INVARIANTS = ("weak", "strong")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("gcsim", "heaps of gcsim")
    group.addoption(
        "--gcsim-seed",
        type=int,
        default=1,
        metavar="N",
        help="what the seeds of @pytest.mark.gc_seeds are made from (default: 1)",
    )
    group.addoption(
        "--hint", action="store_true", help="show the first hint of each exercise that fails"
    )


def pytest_configure(config: pytest.Config) -> None:
    for line in (
        "gc_seeds(n): run the test with n values of the fixture `seed`, made from --gcsim-seed",
        'schedules(which): what the fixture `schedules` tries: "all", or so many at random',
        'gc_invariant(kind): "weak" or "strong", checked at every state by `schedules` and `walk`',
    ):
        config.addinivalue_line("markers", line)


# ---- heaps ----


@pytest.fixture
def heap() -> Iterator[Heap]:
    """A fresh heap, closed after the test."""
    import gcsim

    with gcsim.Heap() as made:
        yield made


@pytest.fixture
def steps() -> Iterator[Heap]:
    """A fresh heap with mode="steps", closed after the test."""
    import gcsim

    with gcsim.Heap(mode="steps") as made:
        yield made


class Reference:
    """A second opinion: a plain search in Python over what the heap's snapshot says."""

    def live(self, heap: Heap) -> set[int]:
        """Addresses of all objects that roots lead to. Needs NumPy."""
        snapshot = heap.snapshot()
        waiting = list(memoryview(snapshot._columns[3]).cast("I"))
        seen = set(waiting)
        while waiting:
            for _, to in snapshot.edges(waiting.pop()):
                if to not in seen:
                    seen.add(to)
                    waiting.append(to)
        return {snapshot.address(i) for i in seen}


@pytest.fixture
def reference() -> Reference:
    """``reference.live(heap)``: what a plain search finds alive."""
    return Reference()


# ---- seeds ----


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marker = metafunc.definition.get_closest_marker("gc_seeds")
    if marker is None or "seed" not in metafunc.fixturenames:
        return
    n = marker.args[0] if len(marker.args) == 1 else None
    if type(n) is not int or n < 1 or marker.kwargs:
        raise pytest.UsageError(
            f"{metafunc.definition.nodeid}: gc_seeds takes a number: gc_seeds(20)"
        )
    dice = random.Random(metafunc.config.getoption("--gcsim-seed"))
    metafunc.parametrize("seed", [dice.randrange(1, 1 << 31) for _ in range(n)])


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """A seed: --gcsim-seed itself without ``gc_seeds``."""
    return int(request.config.getoption("--gcsim-seed"))


# ---- every interleaving ----


def _invariant(request: pytest.FixtureRequest) -> str:
    marker = request.node.get_closest_marker("gc_invariant")
    if marker is None:
        return "none"
    if marker.args not in [(kind,) for kind in _INVARIANTS]:
        raise pytest.UsageError(f'{request.node.nodeid}: gc_invariant takes "weak" or "strong"')
    return str(marker.args[0])


def broken_invariant(view: View, kind: str) -> str | None:
    """What contradicts the tri-colour invariant in a state; None: nothing does.

    strong: no black object points to a white one. weak: each white object that a black one points
    to is in reach of a grey one through white ones, or noted in a barrier's buffer. none: anything.
    """
    if kind == "none" or view.phase != "mark":
        return None
    colour = {o.name: o.colour for o in view.objects}
    targets: dict[str, list[str]] = {}
    for p in view.pointers:
        if p.target is not None and p.target in colour:
            targets.setdefault(p.source, []).append(p.target)
    noted = {name for buffer in view.buffers for name in buffer.entries}
    waiting = [name for name, c in colour.items() if c == "grey"]
    waiting += [name for name in noted if name in colour]
    safe = set(waiting)
    while waiting:
        for to in targets.get(waiting.pop(), ()):
            if colour[to] == "white" and to not in safe:
                safe.add(to)
                waiting.append(to)
    for source, found in targets.items():
        for to in found:
            if colour[source] == "black" and colour[to] == "white":
                if kind == "strong":
                    return f"black {source} points to white {to}"
                if to not in safe:
                    return f"black {source} points to white {to}, which no grey object leads to"
    return None


@pytest.fixture
def walk(request: pytest.FixtureRequest) -> Callable[[SteppedCycle], int]:
    """``walk(cycle)``: steps to the end one at a time, with the marker's invariant checked."""
    kind = _invariant(request)

    def walk(cycle: SteppedCycle) -> int:
        taken = 0
        while cycle.step():
            taken += 1
            if wrong := broken_invariant(cycle.view(), kind):
                pytest.fail(
                    f"gc_invariant: after step {cycle.step_number}, {wrong}"
                    f" (schedule: {cycle.schedule})\n{cycle.view()}",
                    pytrace=False,
                )
        return taken

    return walk


@pytest.fixture
def schedules(request: pytest.FixtureRequest) -> Callable[..., None]:
    """``schedules(program, barrier=...)``: fails with a schedule that loses an object.

    Takes the arguments of ``gcsim.explore``; the marker says how many are tried (default: all).
    """
    from gcsim import explore
    from gcsim._explore import random_schedules

    marker = request.node.get_closest_marker("schedules")
    which: Any = marker.args[0] if marker and len(marker.args) == 1 else "all"
    if which != "all" and (type(which) is not int or which < 1):
        raise pytest.UsageError(f'{request.node.nodeid}: schedules takes "all" or a number')
    kind, base = _invariant(request), request.config.getoption("--gcsim-seed")

    def run(program: Any = "free", **options: Any) -> None:
        if which == "all":
            found = explore(program, invariants=kind, **options)
            if found.sound:
                return
            text = str(found)
            if found.schedule:
                text += "\n" + "\n".join(str(frame) for frame in found.film()[-1:])
        elif lost := random_schedules(
            program, which, base, lambda view: broken_invariant(view, kind), **options
        ):
            text = lost
        else:
            return
        pytest.fail(text, pytrace=False)

    return run


# ---- folders of exercises ----


def pytest_pycollect_makemodule(module_path: Path, parent: Any) -> Any:
    from gcsim._learn import TESTS

    if module_path.name != TESTS or not (module_path.parent.parent / _state()).is_file():
        return None
    from gcsim._learn import catalogue

    exercise = catalogue().get(module_path.parent.name)
    if exercise is None:
        return None
    file: ExerciseFile = ExerciseFile.from_parent(parent, path=module_path)
    file.exercise = exercise
    return file


def _state() -> str:
    from gcsim._learn.course import STATE

    return STATE


class ExerciseFile(pytest.File):
    """An exercise's tests: those that gcsim has, not the copy, in a process of their own."""

    exercise: Exercise
    verdict: Verdict | None = None

    def collect(self) -> Iterator[ExerciseItem]:
        for name in self.exercise.cases:
            yield ExerciseItem.from_parent(self, name=name)

    def judged(self) -> Verdict:
        """The verdict on the whole file, found once."""
        if self.verdict is None:
            from gcsim._learn.course import open_course
            from gcsim._learn.judge import judge

            course = open_course(self.path.parent.parent)
            seed = self.config.getoption("--gcsim-seed")
            self.verdict = judge(self.exercise, self.path.parent / self.exercise.file, seed=seed)
            course.record(self.exercise, self.verdict)
        return self.verdict


class ExerciseFailure(Exception):
    """What the judge said of a case."""


class ExerciseItem(pytest.Item):
    """One test function of an exercise."""

    parent: ExerciseFile

    def runtest(self) -> None:
        verdict = self.parent.judged()
        mine = [c for c in verdict.cases if c.name.split("[")[0] == self.name]
        wrong = [c for c in mine if c.outcome != "passed"]
        if wrong:
            raise ExerciseFailure("\n".join(map(str, wrong)))
        if not mine or verdict.outcome in ("tampered", "crashed", "timeout", "memory"):
            raise ExerciseFailure(f"{verdict.outcome}: {verdict.message}")

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        if not isinstance(excinfo.value, ExerciseFailure):
            return super().repr_failure(excinfo, style)
        text = str(excinfo.value)
        if self.config.getoption("--hint"):
            text += f"\n  hint: {self.parent.exercise.hints[0]}"
        return text

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, f"{self.parent.exercise.name}: {self.name}"
