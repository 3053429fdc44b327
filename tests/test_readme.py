"""What README.md says is so: examples run, links lead somewhere, figures name their command."""

from __future__ import annotations

import builtins
import doctest
import importlib.util
import os
import re
import shlex
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest

import gcsim

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
TEXT = README.read_text(encoding="utf-8")
LINES = TEXT.splitlines()
MOST_LINES = 425

# What makes a Python module of README's C function `count`.
MODULE = """
static PyObject *call(PyObject *self, PyObject *n)
{
    const gcsim_capi *capi = PyCapsule_Import("gcsim._core._api", 0);
    (void)self;
    return capi ? PyLong_FromUnsignedLongLong(count(capi, (int)PyLong_AsLong(n))) : NULL;
}
static PyMethodDef methods[] = {{"count", call, METH_O, NULL}, {NULL, NULL, 0, NULL}};
static PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "embedded", .m_methods = methods};
PyMODINIT_FUNC PyInit_embedded(void) { return PyModule_Create(&module); }
"""


def blocks(language: str) -> list[tuple[int, str]]:
    """(line number, text) of each fenced block of a language."""
    fences = re.finditer(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    return [(TEXT.count("\n", 0, match.start(1)), match[1]) for match in fences]


def tables() -> list[list[str]]:
    """The tables of the page, each as its lines."""
    return [
        match[0].splitlines() for match in re.finditer(r"(?:^\|.*\n)+", TEXT, flags=re.MULTILINE)
    ]


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_the_first_line_says_what_this_gcsim_is() -> None:
    assert LINES[0].startswith("# gcsim: Go's memory manager")
    assert "game simulator" in LINES[0]
    assert len(LINES) <= MOST_LINES


def test_the_examples_give_what_they_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtins, "_", None, raising=False)  # doctest leaves the last value there
    names: dict[str, Any] = {"__name__": "readme"}
    parser = doctest.DocTestParser()
    runner = doctest.DocTestRunner(verbose=False)
    report: list[str] = []
    examples = 0
    for line, block in blocks("pycon"):
        test = parser.get_doctest(block, {}, "README.md", str(README), line)
        test.globs = names  # one program from the first block to the last
        runner.run(test, out=report.append, clear_globs=False)
        examples += len(test.examples)
    assert examples >= 30
    assert not report, "".join(report)


def test_no_example_is_left_out_of_the_test() -> None:
    marked = sum(block.count(">>> ") for _, block in blocks("pycon"))
    assert TEXT.count(">>> ") == marked
    languages = set(re.findall(r"^```(\w+)$", TEXT, re.MULTILINE))
    assert languages == {"pycon", "c"}


def test_the_c_function_counts_what_lives(tmp_path: Path) -> None:
    ((_, function),) = blocks("c")
    source = tmp_path / "embedded.c"
    source.write_text(f"#include <Python.h>\n{function}{MODULE}", encoding="utf-8")
    target = tmp_path / f"embedded{sysconfig.get_config_var('EXT_SUFFIX')}"
    command = [
        *shlex.split(os.environ.get("CC", "cc")),
        *("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared"),
        *(f"-I{gcsim.get_include()}", f"-isystem{sysconfig.get_path('include')}"),
        *(str(source), "-o", str(target)),
    ]
    env = {name: text for name, text in os.environ.items() if name != "LD_PRELOAD"}
    run = subprocess.run(command, capture_output=True, text=True, env=env)
    assert run.returncode == 0, run.stderr
    spec = importlib.util.spec_from_file_location("embedded", target)
    assert spec is not None and spec.loader is not None
    embedded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(embedded)
    assert [embedded.count(n) for n in (0, 1, 1000, 100_000)] == [0, 1, 1000, 100_000]


def test_links_and_pictures_are_files_of_the_tree() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert any(target.endswith(".png") for target in targets)
    for target in targets:
        assert not target.startswith(("/", "http:")), target
        if not target.startswith("https://"):
            # An installed package is tested beside the rest of a checkout, without gcsim/.
            place = Path(gcsim.__file__).parents[1] if target.startswith("gcsim/") else ROOT
            assert (place / target).exists(), target


def test_the_picture_is_near_the_top_and_is_a_picture() -> None:
    line, picture = next(
        (number, match[1])
        for number, text in enumerate(LINES)
        if (match := re.match(r"!\[.+\]\((.+\.png)\)", text))
    )
    assert line < 20
    assert (ROOT / picture).read_bytes().startswith(b"\x89PNG\r\n")


def test_every_row_with_a_figure_names_the_command_that_prints_it() -> None:
    measured = [rows for rows in tables() if "figure" in cells(rows[0])]
    assert len(measured) == 1
    head, _, *rows = measured[0]
    assert rows
    for row in rows:
        named = dict(zip(cells(head), cells(row), strict=True))
        assert re.search(r"\d", named["figure"]), row
        assert re.fullmatch(r"`make bench( ARGS=\w+)?`", named["command"]), row


def test_no_table_has_figures_without_a_command() -> None:
    unit = re.compile(r"\d ?(?:ns|us|ms|s|KiB|MiB|GiB|instructions)\b")
    for rows in tables():
        if "command" not in cells(rows[0]):
            assert [row for row in rows if unit.search(row)] == []


def test_the_commands_and_cases_that_it_names_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    shown = [line for line in LINES if line.startswith("    ")] + re.findall(r"`([^`\n]+)`", TEXT)
    named = [
        target
        for words in shown
        for target in re.findall(r"(?:^|  |=\w+ )make ([a-z][a-z-]*)", words)
    ]
    assert {"demo", "test", "bench"} <= set(named) <= targets
    sources = [ROOT / "tests" / "bench" / name for name in ("cases.py", "run.py")]
    bench = "".join(path.read_text(encoding="utf-8") for path in sources)
    for case in re.findall(r"ARGS=\"?([a-z]+)", TEXT):
        assert f'"{case}"' in bench, case


@pytest.mark.parametrize("command", ["demo", "conform"])
def test_the_command_lines_that_it_shows_are_understood(command: str) -> None:
    from gcsim.__main__ import _parser

    assert re.search(rf"python -m gcsim {command}\b", TEXT)
    options = re.findall(rf"python -m gcsim {command} ([^`\n]*)`", TEXT)
    assert options
    for words in options:
        _parser().parse_args([command, *words.replace("FILE...", "FILE").split()])
