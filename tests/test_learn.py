"""The exercises: stubs do not pass, solutions do, mistakes and tricks are seen, and the way through."""

from __future__ import annotations

import errno
import itertools
import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gcsim import _errors
from gcsim.__main__ import main
from gcsim._learn import HINTS, TESTS, Exercise, catalogue, find, read
from gcsim._learn.course import STATE, open_course, start
from gcsim._learn.export import export, write_key
from gcsim._learn.judge import Verdict, judge
from gcsim.learn import Graph, NotStarted, exact, random_graph, smallest, todo

KEY = Path(__file__).parent / "exercises"  # solutions and mistakes: no part of the package
EVERY = list(catalogue().values())
names = pytest.mark.parametrize("exercise", EVERY, ids=lambda e: e.name)


def solution(exercise: Exercise) -> Path:
    return (KEY / exercise.name / exercise.file).with_stem("solution")


def mutants(exercise: Exercise) -> dict[str, str]:
    """Mistakes by name, each the text of a student's file."""
    told = runpy.run_path(str(KEY / exercise.name / "mutants.py"))["MUTANTS"]
    right = solution(exercise).read_text()
    return {
        name: made if isinstance(made, str) else edited(right, made) for name, made in told.items()
    }


def edited(text: str, edits: list[tuple[str, str]]) -> str:
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    return text


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


# ---- each exercise ----


@names
def test_it_is_whole(exercise: Exercise) -> None:
    assert len(exercise.hints) == HINTS and all(len(hint) > 30 for hint in exercise.hints)
    assert exercise.title and exercise.section
    notebook = exercise.notebook.split("#")[0]
    assert (Path(__file__).parents[1] / notebook).is_file(), f"{notebook} is not there"
    assert notebook in (exercise.path / "README.md").read_text()
    assert all(exercise.cases.values()), "each test says in its docstring why it matters"
    assert sorted(p.name for p in exercise.path.iterdir() if p.name != "__pycache__") == sorted(
        ["README.md", "exercise.toml", exercise.file, TESTS]
    )
    assert len(mutants(exercise)) >= 8


@pytest.mark.proof
@names
def test_the_stub_is_not_started(exercise: Exercise) -> None:
    verdict = judge(exercise, exercise.path / exercise.file)
    assert verdict.outcome == "not started", verdict


@pytest.mark.proof
@pytest.mark.parametrize("seed", [1, 20, 300, 4000, 50000])
@names
def test_the_solution_passes(exercise: Exercise, seed: int) -> None:
    verdict = judge(exercise, solution(exercise), seed=seed)
    assert verdict.passed, verdict


@pytest.mark.proof
@names
def test_mistakes_are_seen(exercise: Exercise, tmp_path: Path) -> None:
    for name, text in mutants(exercise).items():
        file = written(tmp_path / exercise.file, text)
        verdict = judge(exercise, file, first=True, seconds=min(exercise.seconds, 5))
        assert verdict.outcome in ("failed", "timeout", "memory", "crashed"), (
            f"{name}: {verdict.outcome}: {verdict.message}"
        )


def test_hints_are_true_and_give_no_solution_away() -> None:
    for exercise in EVERY:
        text = solution(exercise).read_text()
        handed_out = "".join(
            (exercise.path / n).read_text() for n in ("README.md", exercise.file, TESTS)
        )
        body = [line.strip() for line in text.splitlines() if len(line.strip()) > 45]
        own = [line for line in body if not line.startswith("def ") and not line[0].isdigit()]
        given = [line for line in own if line in handed_out]
        assert not given, f"{exercise.name}: {given}"


# ---- tricks ----

MARK = "06_mark"
TRICKS = {
    "ends the process": "import os\nos._exit(0)\n",
    "ends it in the function": "import os\ndef mark(*args): os._exit(0)\n",
    "raises SystemExit": "def mark(*args): raise SystemExit(0)\n",
    "skips its test": "import unittest\ndef mark(*args): raise unittest.SkipTest('no')\n",
    "never ends": "def mark(*args):\n    while True: pass\n",
    "patches gcsim": "import sys\nlearn = vars(sys)['modules']['gcsim.learn']\nlearn.smallest = lambda *args: None\ndef mark(*args): pass\n",
    "patches pytest": "import sys\nvars(sys)['modules']['_pytest.python'].Function.runtest = lambda self: None\ndef mark(*args): pass\n",
    "patches a builtin": "import builtins\nbuiltins.sorted = lambda *args, **more: []\ndef mark(*args): pass\n",
    "replaces a module": "import sys, types\nvars(sys)['modules']['gcsim.learn'] = types.ModuleType('x')\ndef mark(*args): pass\n",
    "imports pytest": "import pytest\ndef mark(*args): pytest.skip()\n",
    "looks at frames": "import sys\ndef mark(*args):\n    sys._getframe(1).f_locals['exercise'] = None\n",
    "looks through a traceback": "def mark(*args):\n    try:\n        1 / 0\n    except ZeroDivisionError as e:\n        e.__traceback__.tb_frame.f_back.f_locals.clear()\n",
    "swaps a function's code": "import sys\ndef none(*args): return None\ndef mark(*args):\n    vars(sys)['modules']['gcsim.learn'].exact.__code__ = none.__code__\n",
    "searches all objects": "import sys\ndef mark(*args):\n    vars(sys)['modules']['gc'].get_objects()\n",
    "reads the answers": "import gcsim\ndef mark(*args): pass\n",
    "writes verdicts": 'import os\ndef mark(*args):\n    for fd in range(3, 20):\n        try: os.write(fd, b\'{"case": "test_a_long_list", "outcome": "passed", "message": ""}\\n{"done": 0, "broken": null}\\n\')\n        except OSError: pass\n',
    "starts a process": "import subprocess, sys\ndef mark(*args): subprocess.run([sys.executable, '-c', ''])\n",
    "kills itself": "import os, signal\ndef mark(*args): os.kill(os.getpid(), signal.SIGKILL)\n",
    "takes all memory": "def mark(*args):\n    kept = []\n    while True: kept.append(bytearray(1 << 26))\n",
    "asks the core": "import sys\ndef mark(*args):\n    sys.modules['gcsim'].Heap()\n",
    "asks the core, through learn": "import gcsim.learn\ndef mark(*args): gcsim.Heap()\n",
    "asks the quiz": "from gcsim.learn import questions\ndef mark(*args): questions('lost', 1)\n",
    "asks the core, by name": "from sys import modules\ndef mark(*args): modules['gcsim'].Heap()\n",
}


@pytest.mark.proof
@pytest.mark.parametrize("name", TRICKS)
def test_tricks_do_not_pass(name: str, tmp_path: Path) -> None:
    file = written(tmp_path / "exercise.py", TRICKS[name])
    verdict = judge(catalogue()[MARK], file, seconds=5)
    assert not verdict.passed and verdict.outcome != "not started", verdict


def test_an_object_equal_to_everything(tmp_path: Path) -> None:
    text = "class E(int):\n    __eq__ = lambda *a: True\n    __le__ = __lt__ = __ge__ = __eq__\n    __hash__ = int.__hash__\n"
    text += "def layout(fields): return E(), E(), [E() for f in fields]\n"
    text += "def best_order(fields): return [E(i) for i in range(len(fields))]\n"
    verdict = judge(catalogue()["01_struct_layout"], written(tmp_path / "exercise.py", text))
    assert verdict.outcome == "failed"
    assert all(c.outcome == "failed" for c in verdict.cases), verdict


# ---- exercises in C ----

C_STUB = """\
_Noreturn void todo(const char *what);

int twice(int x) { todo("double x"); }
"""
C_TESTS = '''\
from gcsim._learn.native import compiled

DRIVER = """
static int run(const gcsim_api *api, gcsim_mutator *m, void *arg)
{
    gcsim_work *w = arg;
    for (int i = 1; i <= w->params[0]; i++) {
        learn_step((uint64_t)i, "twice(%d)", i);
        if (twice(i) != 2 * i)
            return gcsim_work_fail(w, "twice(%d) is not %d", i, 2 * i);
        learn->data[i - 1]++;
    }
    learn_figure("calls", (double)w->params[0]);
    w->checksum = (uint64_t)w->params[0];
    return 0;
}
static const gcsim_work_param params[] = {{"count", "", "calls", 3, 0, 9}};
GCSIM_WORKLOAD(.name = "twice", .about = "calls it", .run = run, GCSIM_PARAMS(params));
"""

def test_twice(exercise, score):
    """Why."""
    program = compiled(exercise, DRIVER, declarations="int twice(int x);")
    done = program.run(count=9, data=b"a" * 9)
    assert done.error is None, done.error
    assert (done.checksum, done.figures, done.data) == (9, {"calls": 9.0}, b"b" * 9)
'''
C_RIGHT = "int twice(int x) { return 2 * x; }\n"
C_FILES = {  # the text, the outcome, and what is said
    "the stub, with a comment": (C_STUB + "/* later */ // perhaps\n", "not started", ""),
    "half done": (C_STUB.replace("{", "{ if (x < 3) return 2 * x;"), "failed", "unfinished: double x"),
    "right": (C_RIGHT, "passed", ""),
    "wrong": ("int twice(int x) { return x + 2; }", "failed", "twice(1) is not 2"),
    "no such function": ("int thrice;", "failed", "undefined reference"),
    "another type": ("long twice(long x) { return x; }", "failed", "exercise.c:1:6: error: conflicting"),
    "no C": ("int twice(int x) { return 2 x; }", "failed", "exercise.c:1:"),
    "null": ("int twice(int x) { return x > 4 ? *(volatile int *)0 : 2 * x; }", "crashed", "SIGSEGV (Segmentation fault) in step 5: twice(5)"),
    "no end": ("int twice(int x) { for (volatile int i = 0; i >= 0;) ; return x; }", "timeout", "no end after 3 s in step 1: twice(1)"),
    "an abort, with its words": ("#include <stdio.h>\n#include <stdlib.h>\nint twice(int x) { printf(\"I give up\\n\"); abort(); }", "crashed", "SIGABRT (Aborted) in step 1: twice(1)\n      I give up"),
    "ends the process": ("#include <stdlib.h>\nint twice(int x) { exit(0); }", "tampered", "exit status 0 in step 1"),
    "ends it before": ("#include <unistd.h>\n__attribute__((constructor)) static void f(void) { _exit(0); }" + C_RIGHT, "tampered", "before the first step"),
    "writes a verdict": ("#include <unistd.h>\n__attribute__((constructor)) static void f(void) { for (int i = 3; i < 30; i++) { (void)!write(i, \"{\\\"case\\\":\\\"test_twice\\\",\\\"outcome\\\":\\\"passed\\\",\\\"message\\\":\\\"\\\"}\\n\", 53); (void)!write(i, \"{\\\"error\\\":null,\\\"checksum\\\":9}\", 27); } _exit(0); }" + C_RIGHT, "tampered", ""),
    "a workload of its own": ("int gcsim_workload_main;" + C_RIGHT, "failed", "multiple definition"),
    "an easier comparison": ("#include <stdio.h>\nint vsnprintf(char *s, size_t n, const char *f, __builtin_va_list a) { return 0; }\nint twice(int x) { return 3; }", "failed", "twice(1) is not 2"),
}  # fmt: skip


@pytest.mark.parametrize("name", C_FILES)
def test_c(name: str, tmp_path: Path) -> None:
    place = tmp_path / "50_native"
    place.mkdir()
    (place / "exercise.toml").write_text(
        'title = "t"\nsection = "1"\nnotebook = "n"\nhints = ["a", "b", "c"]\n'
    )
    (place / "exercise.c").write_text(C_STUB)
    (place / TESTS).write_text(C_TESTS)
    text, outcome, said = C_FILES[name]
    verdict = judge(read(place), written(tmp_path / "exercise.c", text))
    assert verdict.outcome == outcome and said in str(verdict), verdict
    assert "driver.c" not in str(verdict) and str(tmp_path) not in str(verdict)


# ---- what the judge says ----


def judged(tmp_path: Path, text: str, **options: float) -> Verdict:
    return judge(catalogue()[MARK], written(tmp_path / "exercise.py", text), **options)  # type: ignore[arg-type]


def test_scores_are_shown_with_the_reference_and_where_they_went(tmp_path: Path) -> None:
    place = tmp_path / "50_open"
    place.mkdir()
    (place / "exercise.toml").write_text(
        'title = "t"\nsection = "1"\nnotebook = "n"\nhints = ["a", "b", "c"]\n'
    )
    (place / "exercise.py").write_text("def add(a, b):\n    raise NotImplementedError\n")
    (place / TESTS).write_text(
        "def test_right(exercise):\n    assert exercise.add(1, 2) == 3\n"
        "def test_fast(exercise, score):\n"
        "    score('time', 30, 60, 'ns', {'adding': 20, 'the rest': 10})\n"
    )
    exercise = read(place)
    right = judge(exercise, written(tmp_path / "exercise.py", "def add(a, b): return a + b\n"))
    assert right.passed and right.scores[0].ratio == 0.5
    assert "time 30 ns, 0.50 of the reference's 60" in str(right) and "adding" in str(right)
    wrong = judge(exercise, written(tmp_path / "exercise.py", "def add(a, b): return 4\n"))
    assert wrong.outcome == "failed" and not wrong.scores and "score:" not in str(wrong)
    soon = judge(exercise, tmp_path / "exercise.py", first=True)
    assert soon.outcome == "failed" and [c.name for c in soon.cases] == ["test_right"]


def test_a_syntax_error_is_shown_as_python_shows_it(tmp_path: Path) -> None:
    verdict = judged(tmp_path, "def mark(roots\n")
    assert verdict.outcome == "failed"
    assert "SyntaxError" in str(verdict) and "line 1" in str(verdict)
    assert "child.py" not in str(verdict)


def test_an_exception_is_the_students_own_traceback(tmp_path: Path) -> None:
    verdict = judged(
        tmp_path, "def mark(*args):\n    return helper()\n\ndef helper():\n    return 1 / 0\n"
    )
    assert "ZeroDivisionError" in str(verdict) and "line 5, in helper" in str(verdict)
    assert "_pytest" not in str(verdict) and "test_exercise" not in verdict.cases[0].message


def test_a_failing_graph_is_shrunk_and_drawn(tmp_path: Path) -> None:
    text = edited(
        solution(catalogue()[MARK]).read_text(),
        [("in pointers(grey.pop()):", "in pointers(grey.pop())[1:]:")],
    )
    verdict = judged(tmp_path, text)
    drawn = [
        c.message
        for c in verdict.cases
        if c.name.startswith("test_any_graph") and c.outcome == "failed"
    ]
    forms = ("0\n  0 -> 1, nil\n  1 -> nil, nil\n", "1\n  0 -> nil, nil\n  1 -> 0, nil\n")
    least = [f"roots: {form}alive: [0, 1]" for form in forms]
    assert drawn and all(any(text in d for text in least) for d in drawn), drawn
    assert "In Go:" in str(verdict)


def test_half_of_an_exercise_is_unfinished(tmp_path: Path) -> None:
    exercise = catalogue()["02_size_classes"]
    stub = (exercise.path / exercise.file).read_text()
    half = edited(stub, [('todo("find the slot")', "return 16")])
    verdict = judge(exercise, written(tmp_path / "exercise.py", half))
    assert verdict.outcome == "failed" and "unfinished" in verdict.message


def test_the_last_case_is_named_where_there_is_no_end(tmp_path: Path) -> None:
    verdict = judged(tmp_path, TRICKS["never ends"], seconds=3)
    assert verdict.outcome == "timeout" and "test_small_graphs" in verdict.message


def test_what_a_child_started_is_ended_too(tmp_path: Path) -> None:
    left = tmp_path / "left"
    text = f"import os, threading, time\ndef late():\n    time.sleep(6)\n    open({str(left)!r}, 'w')\nthreading.Thread(target=late).start()\ndef mark(*args): pass\n"
    assert judged(tmp_path, text, seconds=10).outcome == "failed"
    assert not left.exists()


# ---- the course ----


def learn(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(_errors.__file__).parents[1])}
    return subprocess.run(
        [sys.executable, "-P", "-m", "gcsim", "learn", *words],
        cwd=cwd, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def test_the_first_five_exercises_as_a_new_user(tmp_path: Path) -> None:
    """Does what the commands say, and nothing else."""
    assert "learn start my-course" in learn(cwd=tmp_path).stdout
    begun = learn("start", "my-course", cwd=tmp_path)
    assert begun.returncode == 0 and "cd my-course" in begun.stdout and "Edit:" in begun.stdout
    course = tmp_path / "my-course"
    for done, (exercise, following) in enumerate(itertools.pairwise(EVERY[:6]), 1):
        told = learn("next", cwd=course).stdout
        assert exercise.title in told and "learn verify" in told
        edit = next(line.split()[1] for line in told.splitlines() if line.startswith("Edit:"))
        read = next(line.split()[1] for line in told.splitlines() if line.startswith("Read:"))
        assert (course / read).is_file()
        before = learn("verify", cwd=course)
        assert before.returncode == 1 and f"{exercise.name}: not started" in before.stdout
        assert "hint 1 of 3" in learn("hint", cwd=course).stdout
        (course / edit).write_text(next(iter(mutants(exercise).values())))
        wrong = learn("verify", cwd=course)
        assert wrong.returncode == 1 and "--seed" in wrong.stdout and "In Go:" in wrong.stdout
        shutil.copy(solution(exercise), course / edit)
        after = learn("verify", cwd=course)
        assert after.returncode == 0 and f"{exercise.name}: passed" in after.stdout
        assert f"next: {following.name}" in after.stdout
        progress = json.loads(learn("progress", "--json", cwd=course).stdout)
        assert progress["passed"] == done and progress["exercises"][exercise.name] == "passed"
    assert learn("list", cwd=course).stdout.startswith(f"ok {EVERY[0].name}")


@pytest.mark.proof
def test_from_installation_to_the_first_green_exercise(tmp_path: Path) -> None:
    """Five commands at most, on a machine that has Python: the wheel is the one of `make dist`."""
    (wheel,) = (Path(__file__).parents[1] / "dist").glob("gcsim-*.whl")
    first = EVERY[0]
    commands = [
        [sys.executable, "-m", "venv", "venv"],
        ["venv/bin/python", "-m", "pip", "install", "--quiet", f"{wheel}[learn]"],
        ["venv/bin/python", "-m", "gcsim", "learn", "start", "my-course"],
        ["venv/bin/python", "-m", "gcsim", "learn", "verify", "--dir", "my-course"],
    ]
    assert len(commands) <= 5
    bare = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    for command in commands:
        if "verify" in command:  # the student writes it
            shutil.copy(solution(first), tmp_path / "my-course" / first.name / first.file)
        done = subprocess.run(
            command, cwd=tmp_path, env=bare, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    assert f"{first.name}: passed" in done.stdout


def test_no_solution_reaches_a_students_folder(tmp_path: Path) -> None:
    start(tmp_path / "c")
    handed_out = [p for p in (tmp_path / "c").rglob("*") if p.is_file()]
    assert not [p for p in handed_out if "solution" in p.name or "mutants" in p.name]
    assert not list(Path(_errors.__file__).parent.rglob("solution.*"))


def test_start_changes_nothing_that_is_there(tmp_path: Path) -> None:
    _, copied = start(tmp_path)
    assert copied == len(EVERY)
    mine = tmp_path / MARK / "exercise.py"
    mine.write_text("# mine\n")
    _, again = start(tmp_path)
    assert again == 0 and mine.read_text() == "# mine\n"


def test_plain_pytest_shows_the_same(tmp_path: Path) -> None:
    course, _ = start(tmp_path / "c")
    shutil.copy(solution(catalogue()[MARK]), course.file(catalogue()[MARK]))
    environment = {**os.environ, "PYTHONPATH": str(Path(_errors.__file__).parents[1])}
    environment |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider"]

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *more, MARK, "02_size_classes"],
            cwd=course.path, env=environment, capture_output=True, text=True, timeout=300,
        )  # fmt: skip

    done = run("-p", "gcsim._pytest_plugin", "--hint")
    assert ("3 passed" in done.stdout and "5 failed" in done.stdout) or "failed" in done.stdout, (
        done.stdout
    )
    assert "not started" in done.stdout and "hint:" in done.stdout
    assert open_course(course.path).passed(catalogue()[MARK])
    without = run()
    assert without.returncode != 0 and "passed" not in without.stdout
    assert "plugin of gcsim is not loaded" in without.stdout + without.stderr


def test_edited_tests_do_not_count_and_are_noticed(tmp_path: Path) -> None:
    course, _ = start(tmp_path)
    exercise = catalogue()[MARK]
    (course.folder(exercise) / TESTS).write_text("def test_nothing(): pass\n")
    (course.folder(exercise) / "conftest.py").write_text("raise SystemExit(0)\n")
    assert course.edited(exercise) == [TESTS]
    done = learn("verify", MARK, cwd=tmp_path)
    assert done.returncode == 1 and "was edited" in done.stdout


def test_reset_keeps_what_was_written(tmp_path: Path) -> None:
    course, _ = start(tmp_path)
    exercise = catalogue()[MARK]
    course.file(exercise).write_text("# mine\n")
    done = learn("reset", "6", cwd=tmp_path)
    assert done.returncode == 0 and "exercise.1.py.old" in done.stdout
    assert (course.folder(exercise) / "exercise.1.py.old").read_text() == "# mine\n"
    assert course.file(exercise).read_text() == (exercise.path / "exercise.py").read_text()


def test_hints_get_plainer_and_the_last_stays(tmp_path: Path) -> None:
    course, _ = start(tmp_path)
    exercise = catalogue()[MARK]
    assert [course.hint(exercise)[0] for _ in range(5)] == [1, 2, 3, 3, 3]
    assert open_course(tmp_path).hint(exercise) == (3, exercise.hints[2])


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_a_read_only_folder(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Root may write everywhere, so the system's answer is played."""
    start(tmp_path)
    shutil.copy(solution(catalogue()[MARK]), tmp_path / MARK / "exercise.py")
    before = (tmp_path / STATE).read_text()

    def write_text(path: Path, *args: object, **more: object) -> int:
        raise OSError(code, os.strerror(code), str(path))

    monkeypatch.setattr(Path, "write_text", write_text)
    assert main(["learn", "verify", MARK, "--dir", str(tmp_path)]) == 0
    assert f"{MARK}: passed" in capsys.readouterr().out
    assert (tmp_path / STATE).read_text() == before


def test_a_full_disk_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    start(tmp_path)

    def write_text(path: Path, *args: object, **more: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Path, "write_text", write_text)
    assert main(["learn", "hint", MARK, "--dir", str(tmp_path)]) == 2
    assert "No space left" in capsys.readouterr().err


def test_two_at_once_lose_no_verdict(tmp_path: Path) -> None:
    course, _ = start(tmp_path)
    for exercise in EVERY[:2]:
        shutil.copy(solution(exercise), course.file(exercise))
    running = [
        subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "gcsim",
                "learn",
                "verify",
                exercise.name,
                "--dir",
                str(tmp_path),
            ],
            env={**os.environ, "PYTHONPATH": str(Path(_errors.__file__).parents[1])},
            stdout=subprocess.DEVNULL,
        )
        for exercise in EVERY[:2]
    ]
    assert [process.wait(timeout=300) for process in running] == [0, 0]
    assert all(open_course(tmp_path).passed(exercise) for exercise in EVERY[:2])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["verify"], "learn start"),
        (["hint", "nothing"], "learn start"),
        (["start", "file"], "is a file"),
    ],
)
def test_wrong_commands_say_what_to_do(words: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = learn(*words, cwd=tmp_path)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr


def test_what_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("gcsim._learn.main._NEEDED", ("numpy", "no_such_module"))
    assert main(["learn", "list"]) == 2
    assert "need no_such_module: python -m pip install 'gcsim[learn]'" in capsys.readouterr().err


def test_an_exercise_that_there_is_not(tmp_path: Path) -> None:
    start(tmp_path)
    done = learn("verify", "99", cwd=tmp_path)
    assert done.returncode == 2 and "learn list" in done.stderr


def test_a_damaged_state(tmp_path: Path) -> None:
    start(tmp_path)
    (tmp_path / STATE).write_text("{")
    with pytest.raises(_errors.OptionError, match="damaged"):
        open_course(tmp_path)


def test_find() -> None:
    assert find("6") is find("06") is find("mark") is catalogue()[MARK]
    assert find("in_c") is None  # more than one
    assert find("none") is None and find("_") is None and find("") is None
    assert find("1") is EVERY[0] and find("2") is EVERY[1]  # not 12 and 21


# ---- a course for a class ----


def graded(*words: str, cwd: Path, script: str = "grade.py") -> tuple[int, dict[str, Any]]:
    environment = {**os.environ, "PYTHONPATH": str(Path(_errors.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, script, *words],
        cwd=cwd, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout) if done.stdout else {"error": done.stderr}


def test_a_course_is_exported_and_graded(tmp_path: Path) -> None:
    words = ["export", "--course", "course", "1", "mark", "--points", "6=30"]
    assert learn(*words, cwd=tmp_path).returncode == 0
    course = tmp_path / "course"
    assert [e.name for e in open_course(course).every] == ["01_struct_layout", MARK]
    student = tmp_path / "ada"
    shutil.copytree(course, student)
    shutil.copy(solution(catalogue()[MARK]), student / MARK / "exercise.py")
    (student / MARK / TESTS).write_text("# nothing to pass\n")
    (student / "gcsim.py").write_text("raise SystemExit(0)\n")  # no stand-in for the package

    status, told = graded("--dir", str(student), "--seed", "5", cwd=course)
    assert status == 1 and (told["points"], told["of"], told["seed"]) == (30, 40, 5)
    mark = told["exercises"][MARK]
    assert mark["outcome"] == "passed" and mark["edited"] == [TESTS]
    assert mark["tests"]["test_any_graph"] == "20 of 20"
    assert told["exercises"]["01_struct_layout"]["outcome"] == "not started"
    assert graded("6", cwd=student)[0] == 0

    shutil.rmtree(student / MARK)
    status, told = graded("6", "--dir", str(student), cwd=course)
    assert status == 1 and told["exercises"][MARK]["outcome"] == "missing"
    status, told = graded("2", "--dir", str(student), cwd=course)
    assert status == 2 and "not in this course" in told["error"]


def test_the_workflow_of_a_course_has_a_step_for_each_exercise(tmp_path: Path) -> None:
    assert (
        learn("export", "--course", "c", "1", "2", "--points", "2=5", cwd=tmp_path).returncode == 0
    )
    text = (tmp_path / "c" / ".github" / "workflows" / "classroom.yml").read_text()
    for name, points in (("01_struct_layout", 10), ("02_size_classes", 5)):
        assert f"command: python -P grade.py {name}\n" in text and f"max-score: {points}\n" in text
        result = f'EXERCISE_{name.upper()}_RESULTS: "${{{{steps.exercise_{name}.outputs.result}}}}"'
        assert result in text
    assert "runners: exercise_01_struct_layout,exercise_02_size_classes\n" in text
    assert "{" not in text.replace("${{", "")


def test_the_key_is_kept_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    course = export(tmp_path / "c", ["6"])
    monkeypatch.setattr("gcsim._learn.export.KEY", KEY)  # where tests run without the checkout
    assert write_key(tmp_path / "key", course) == 1
    assert (tmp_path / "key" / MARK / "solution.py").is_file()
    assert not list((tmp_path / "c").rglob("solution.*"))
    for inside in (tmp_path / "c", tmp_path / "c" / "key"):
        with pytest.raises(_errors.OptionError, match="which students get"):
            write_key(inside, course)
    monkeypatch.setattr("gcsim._learn.export.KEY", tmp_path / "none")
    with pytest.raises(_errors.OptionError, match="no part of the installed package"):
        write_key(tmp_path / "key2", course)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["99"], "learn list"),
        (["1", "--points", "1"], "is not EXERCISE=N"),
        (["1", "--points", "6=5"], "is not exported"),
    ],
)
def test_an_export_that_cannot_be(words: list[str], said: str, tmp_path: Path) -> None:
    done = learn("export", "--course", "c", *words, cwd=tmp_path)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr


# ---- what tests are written with ----


def test_exact_asks_types() -> None:
    class Any:
        def __eq__(self, other: object) -> bool:
            return True

    exact([1, (2, "a"), {"b": None}], [1, (2, "a"), {"b": None}])
    for got in (1.0, True, Any(), [1], None):
        with pytest.raises(AssertionError):
            exact(got, 1)
    for wrong in ([1, 2], [1, (2, "a"), 3], [1, (2, "b"), {}], [1, [2, "a"], {"b": None}]):
        with pytest.raises(AssertionError):
            exact(wrong, [1, (2, "a"), {"b": None}])


def test_todo_and_graphs() -> None:
    with pytest.raises(NotStarted, match="the sum"):
        todo("the sum")
    graph = random_graph(7)
    assert graph == random_graph(7) != random_graph(8)
    assert graph.without(0).pointers != graph.pointers
    small = smallest(random_graph(3, objects=20), lambda g: len(g.reachable) >= 3)
    assert len(small.pointers) == len(small.reachable) == 3
    assert str(Graph(((1, None), ()), (0,))) == "roots: 0\n  0 -> 1, nil\n  1 -> (no pointers)"
