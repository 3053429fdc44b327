"""The API as its users write it: type checkers take what is right and refuse what is wrong, and the
block of code that shows all of it runs, as far as this version goes."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from needs import cannot, missing

import gcsim

HERE = Path(__file__).parent / "typing"
PROGRAMS = ["section8.py", "values.py"]
DESIGN = Path(__file__).parents[2] / "shared" / "design.md"


# --- type checkers


def tool(name: str) -> None:
    """Skips where the checker is not installed; in CI it must be."""
    if importlib.util.find_spec(name) is None:
        missing(name)


def mypy(paths: list[Path], work: Path) -> dict[str, dict[int, str]]:
    """Errors by file and line."""
    command = ["-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", str(work / "mypy")]
    environment = {**os.environ, "MYPYPATH": str(Path(gcsim.__file__).parents[1])}
    environment.pop("PYTHONSAFEPATH", None)
    done = subprocess.run(
        [sys.executable, *command, *map(str, paths)],
        cwd=work, env=environment, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: dict[str, dict[int, str]] = {path.name: {} for path in paths}
    for match in re.finditer(r"^(.+?):(\d+): error: (.*)$", done.stdout, re.MULTILINE):
        if Path(match[1]).name in found:
            found[Path(match[1]).name][int(match[2])] = match[3]
    return found


def pyright(paths: list[Path], work: Path) -> dict[str, dict[int, str]]:
    folder = work / "pyright"
    folder.mkdir()
    for path in paths:
        shutil.copy(path, folder)
    config = {"include": ["."], "extraPaths": [str(Path(gcsim.__file__).parents[1])]}
    (folder / "pyrightconfig.json").write_text(json.dumps(config))
    command = [
        "-m",
        "pyright",
        "--project",
        str(folder),
        "--pythonpath",
        sys.executable,
        "--outputjson",
    ]
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, capture_output=True, text=True, timeout=600
    )
    if done.returncode not in (0, 1):
        cannot(f"pyright does not start: {done.stdout[-200:]}{done.stderr[-200:]}")
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] == len(paths)
    found: dict[str, dict[int, str]] = {path.name: {} for path in paths}
    for item in report["generalDiagnostics"]:
        if item["severity"] == "error":
            line = item["range"]["start"]["line"] + 1
            found[Path(item["file"]).name][line] = item["message"]
    return found


CHECKERS: dict[str, Callable[[list[Path], Path], dict[str, dict[int, str]]]] = {
    "mypy": mypy,
    "pyright": pyright,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CHECKERS)
def test_type_checkers_accept_what_is_right_and_refuse_what_is_wrong(
    name: str, tmp_path: Path
) -> None:
    tool(name)
    misuse = HERE / "misuse.py"
    found = CHECKERS[name]([HERE / program for program in PROGRAMS] + [misuse], tmp_path)
    for program in PROGRAMS:
        assert found[program] == {}
    lines = misuse.read_text().splitlines()
    wrong = {i + 1: line.strip() for i, line in enumerate(lines) if line.endswith("# no")}
    assert len(wrong) > 25
    refused = found["misuse.py"]
    assert {i: wrong[i] for i in wrong.keys() - refused.keys()} == {}, "accepted"
    assert {i: refused[i] for i in refused.keys() - wrong.keys()} == {}, "refused"


def test_the_stubs_are_shipped_and_name_what_the_package_has() -> None:
    folder = Path(gcsim.__file__).parent
    assert (folder / "py.typed").exists()
    tree = ast.parse((folder / "__init__.pyi").read_text())
    imported = {a.asname for s in tree.body if isinstance(s, ast.ImportFrom) for a in s.names}
    # pytest, which rewrites what has a plugin, adds two names that are no identifiers
    names = {name for name in dir(gcsim) if name.isidentifier() and not name.startswith("_")}
    missing = names - imported
    assert missing <= {"get_include"}


# --- running it


class Runner:
    """Executes a program statement by statement. What raises NotThereYetError is noted, and what
    depends on it is left out; a keyword that is not there yet is noted and left out of its call."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"__name__": "section8"}
        self.later: dict[str, str] = {}  # source -> message
        self.left_out: list[str] = []
        self.missing: set[str] = set()

    def run(self, body: list[ast.stmt]) -> None:
        for statement in body:
            if self.needs_what_is_missing(statement):
                self.left_out.append(ast.unparse(statement))
                self.missing |= self.bound(statement)
            elif isinstance(statement, ast.With):
                self.run_with(statement)
            else:
                try:
                    exec(compile(ast.Module([statement], []), "section8", "exec"), self.names)
                except gcsim.NotThereYetError as error:
                    self.later[ast.unparse(statement)] = str(error)
                    self.missing |= self.bound(statement)

    def run_with(self, statement: ast.With) -> None:
        with ExitStack() as stack:
            for item in statement.items:
                value = stack.enter_context(self.evaluate(item.context_expr))
                if isinstance(item.optional_vars, ast.Name):
                    self.names[item.optional_vars.id] = value
            self.run(statement.body)

    def evaluate(self, expression: ast.expr) -> Any:
        while True:
            try:
                return eval(compile(ast.Expression(expression), "section8", "eval"), self.names)
            except gcsim.NotThereYetError as error:
                assert isinstance(expression, ast.Call)
                named = [k for k in expression.keywords if k.arg and k.arg in str(error)]
                assert named, f"{error}: names no keyword of {ast.unparse(expression)}"
                self.later[ast.unparse(named[0])] = str(error)
                expression.keywords.remove(named[0])

    def needs_what_is_missing(self, statement: ast.stmt) -> bool:
        read = (n for n in ast.walk(statement) if isinstance(n, ast.Name))
        return any(n.id in self.missing and isinstance(n.ctx, ast.Load) for n in read)

    @staticmethod
    def bound(statement: ast.stmt) -> set[str]:
        names = (n for n in ast.walk(statement) if isinstance(n, ast.Name))
        return {n.id for n in names if isinstance(n.ctx, ast.Store)}


def test_the_block_runs_as_far_as_this_version_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("numpy")
    recording = Path(gcsim.__file__).parent / "data" / "leaks.graph.npz"
    shutil.copy(recording, tmp_path / "service.dump")
    monkeypatch.chdir(tmp_path)
    runner = Runner()
    runner.run(ast.parse((HERE / "section8.py").read_text()).body)
    runner.names["heap"].close()

    assert not runner.later and not runner.left_out
    snap, read = runner.names["snap"], gcsim.read_snapshot("x.heapsnapshot")
    assert read.histogram() == snap.histogram()
    assert read.waste() == snap.waste()
    assert "collect() was called" in capsys.readouterr().out
    assert runner.names["node"].__class__ is runner.names["Node"]


def test_the_values_are_what_their_annotations_say(mode: str) -> None:
    names: dict[str, Any] = {"__name__": "values"}
    exec(compile((HERE / "values.py").read_text(), "values", "exec"), names)
    with gcsim.Heap(mode=mode) as heap:
        names["values"](heap)
        assert heap.verify()


def simple_statements(source: str) -> list[str]:
    """All that is not an import or a definition, one by one; `with` by its first line."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.With):
            found += [ast.unparse(item) for item in node.items]
        elif isinstance(node, (ast.Expr, ast.Assign, ast.AnnAssign)):
            found.append(ast.unparse(node))
    return found


@pytest.mark.skipif(not DESIGN.exists(), reason="the design page is not beside this checkout")
def test_the_block_is_that_of_the_design() -> None:
    section = DESIGN.read_text().partition("\n## 8.")[2]
    block = section.partition("```python\n")[2].partition("```")[0]
    ours = simple_statements((HERE / "section8.py").read_text())
    assert set(simple_statements(block)) <= set(ours)
