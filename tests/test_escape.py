"""gcsim.escape says what Go's compiler says: recorded, of Go's own library, and live where Go is installed."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import escape_oracle
import escape_programs
import pytest
from needs import cannot, program

import gcsim

DATA = Path(__file__).parent / "data" / "escape"
RECORDED = DATA / "recorded"


def share(said: list[str], wanted: list[str]) -> str:
    """`60 of 61 lines (98.4 %)`, counted as bags of lines."""
    same = sum((Counter(said) & Counter(wanted)).values())
    return f"{same} of {len(wanted)} lines ({100 * same / max(len(wanted), 1):.1f} %)"


def lines(source: object) -> list[str]:
    return str(gcsim.escape(source)).splitlines()  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["basic", "escape-a", "escape-c"])
def test_the_recorded_files_have_exactly_the_recorded_lines(name: str) -> None:
    wanted = (RECORDED / f"{name}.m_l.txt").read_text().splitlines()
    said = lines(RECORDED / f"{name}.go")
    print(f"{name}: {share(said, wanted)}")
    assert said == wanted


@pytest.mark.parametrize(("package", "name"), [("container/list", "list"), ("sort", "sort")])
def test_packages_of_go_s_library_have_exactly_the_recorded_lines(package: str, name: str) -> None:
    program("go")
    if escape_oracle.go_version() != "go1.26.8":
        cannot("the recordings are of go1.26.8, another Go is installed")
    root = subprocess.run(["go", "env", "GOROOT"], capture_output=True, text=True, check=True)
    said = lines(Path(root.stdout.strip()) / "src" / package)
    wanted = (RECORDED / f"{name}.m_l.txt").read_text().splitlines()
    print(f"{package}: {share(said, wanted)}")
    assert said == wanted


@pytest.mark.parametrize("path", escape_oracle.programs(), ids=lambda p: p.stem)
def test_programs_that_nobody_fitted_to_have_the_compiler_s_lines(path: Path) -> None:
    # Without the lines on instances of the library's generics, which the oracle leaves out too.
    said = [line for line in lines(path) if line.startswith((path.name, "moved to heap: #"))]
    wanted = escape_oracle.recorded(path)
    print(f"{path.stem}: {share(said, wanted)}")
    assert said == wanted


def random_programs(seeds: range) -> None:
    """Programs of these seeds have the same lines from gcsim as from the installed compiler."""
    program("go")
    sources = {f"seed{seed}.go": str(escape_programs.Program(seed)) for seed in seeds}
    said = escape_oracle.diagnostics_of(sources)
    for name, source in sources.items():
        found = [line.replace("source.go", name, 1) for line in lines(source)]
        assert found == said[name], f"escape_programs.Program({name[4:-3]})"
    print(f"{len(sources)} programs, {sum(map(len, said.values()))} lines")


def test_random_programs_have_the_installed_compiler_s_lines() -> None:
    random_programs(range(12))


@pytest.mark.soak
def test_many_random_programs_have_the_installed_compiler_s_lines() -> None:
    for start in range(1000, 2000, 100):
        random_programs(range(start, start + 100))


EXTRA = sorted(DATA.glob("*.go"))


@pytest.mark.parametrize("path", EXTRA, ids=lambda p: p.stem)
def test_programs_of_corners_have_the_installed_compiler_s_lines(path: Path) -> None:
    program("go")
    wanted = escape_oracle.diagnostics(path.read_text(), path.name)
    said = [line for line in lines(path) if line.startswith((path.name, "moved to heap: #"))]
    print(f"{path.stem}: {share(said, wanted)}")
    assert said == wanted


def test_damaged_source_is_analysed_or_refused_and_nothing_else() -> None:
    sources = [p.read_text() for p in escape_oracle.programs()[:12]]
    chance = random.Random(7)
    for _ in range(60):
        words = re.findall(r"\s+|\w+|.", chance.choice(sources))
        for _ in range(chance.randint(1, 3)):
            words[chance.randrange(len(words))] = chance.choice(["", chance.choice(words)])
        try:
            gcsim.escape("".join(words)).explain()
        except gcsim.GoSourceError as error:
            assert error.__cause__ is None, error  # not something it tripped over


def test_the_command_prints_the_lines_and_nothing_else() -> None:
    path = RECORDED / "escape-c.go"
    done = subprocess.run(
        [sys.executable, "-m", "gcsim", "escape", path], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (RECORDED / "escape-c.m_l.txt").read_text()


def test_the_command_s_json_has_lines_and_verdicts() -> None:
    path = RECORDED / "basic.go"
    done = subprocess.run(
        [sys.executable, "-m", "gcsim", "escape", "--json", path],
        capture_output=True,
        text=True,
        timeout=60,
    )
    found = json.loads(done.stdout)
    texts = [f"{d['file']}:{d['line']}:{d['col']}: {d['text']}" for d in found["diagnostics"]]
    assert texts == (RECORDED / "basic.m_l.txt").read_text().splitlines()
    moved = [v for v in found["verdicts"] if v["verdict"] == "heap" and v["function"] == "B01"]
    assert [(v["name"], v["type"], v["size"]) for v in moved] == [("p", "point", 16)]


EXPLAINED = """package p

type T struct{ next *T }

var sink *T

func f() *int {
	x := 1
	y := &x
	return y
}

func g() {
	t := T{}
	sink = &t
}

func h(t *T) *T { return t.next }

func loop() int {
	var last *int
	for i := range 3 {
		v := i
		last = &v
	}
	return *last
}
"""


def test_an_explanation_tells_the_path_in_words() -> None:
    found = gcsim.escape(EXPLAINED)
    assert found.explain("x") == (
        "source.go:8:2: `x` moved to heap: its address flows to `y`, assigned in `y := &x` at line 9;"
        " that flows to result ~r0, returned at line 10"
    )
    assert "flows to the heap, assigned in `sink = &t` at line 15" in found.explain(
        "t", function="g"
    )
    assert "the content of parameter `t` leaks to ~r0" in found.explain("t", function="h")
    assert found.explain("v").endswith("which lives outside the loop that makes `v`")
    with pytest.raises(gcsim.UnknownNameError, match="nothing"):
        found.explain("nobody")


def test_verdicts_say_what_would_be_allocated() -> None:
    found = gcsim.escape(RECORDED / "basic.go")
    by = {(v.function, v.name): v for v in found.verdicts if v.operation != "CONVIFACE"}
    assert by["B13", "make([]byte, 65536)"].verdict == "stack"
    assert by["B14", "make([]byte, 65537)"].verdict == "heap"
    assert by["B14", "make([]byte, 65537)"].size == 65537
    assert by["B04", "n"].verdict == "stack"  # the parameter; its boxing is an expression
    assert [v.size for v in found.verdicts if v.function == "B04" and v.operation] == [8]
    assert by["B11", "func literal"].size == 16
    assert "too large for stack" in by["B18", "a"].why


@pytest.mark.parametrize(
    ("source", "line", "col", "what"),
    [
        ("package p\nfunc f() { x = 1 }\n", 2, 12, "undefined: x"),
        ("package p\nfunc f( { }\n", 2, 0, "syntax error"),
        ('package p\nimport "nowhere/to/be"\n', 2, 8, "not known"),
        ('package p\nfunc f() int { return "x" }\n', 2, 23, "cannot use"),
        ("package p\nfunc f(a int) { f(1, 2) }\n", 2, 17, "too many arguments"),
        ('package p\nimport "C"\n', 2, 8, "cgo"),
        ("package p\nconst x = y\nconst y = x\n", 3, 11, "depends on itself"),
        ("package p\nvar x [1 << 62]int\n", 2, 8, "array length"),
        ("package p\nfunc f() { " + "(" * 400 + "1" + ")" * 400 + " }\n", 2, 0, "deep"),
    ],
)
def test_wrong_source_is_refused_with_its_place(
    source: str, line: int, col: int, what: str
) -> None:
    with pytest.raises(gcsim.GoSourceError, match=what) as caught:
        gcsim.escape(source)
    assert caught.value.line == line
    if col:
        assert caught.value.column == col


def test_packages_of_the_same_module_are_read_for_what_their_functions_leak(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module example.com/m\n\ngo 1.26\n")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "in.go").write_text(
        "package in\nvar kept *int\nfunc Keep(p *int) { kept = p }\nfunc Look(p *int) int { return *p }\n"
    )
    main = tmp_path / "main.go"
    main.write_text(
        'package main\nimport "example.com/m/in"\n'
        "func main() { x, y := 1, 2; in.Keep(&x); in.Look(&y) }\n"
    )
    assert lines(main) == ["main.go:3:15: moved to heap: x"]


def test_a_type_that_contains_itself_does_not_hang() -> None:
    gcsim.escape(
        "package p\ntype T struct{ p *T; m map[string]T; s []T }\nfunc f() *T { return &T{} }\n"
    )


def test_the_graph_is_drawn(tmp_path: Path) -> None:
    found = gcsim.escape(EXPLAINED)
    dot = found.graph.dot()
    assert dot.startswith("digraph") and '"x\\n8:2"' in dot
    found.graph.of("f").write(tmp_path / "f.svg")
    assert "<svg" in (tmp_path / "f.svg").read_text()
    plain = found.graph.plain_svg()
    assert plain.startswith("<svg") and plain.count("<rect") == len(found.graph.nodes)


def test_results_are_values_with_a_one_line_repr() -> None:
    found = gcsim.escape(EXPLAINED)
    assert "\n" not in repr(found)
    assert found.heap and all(v.verdict == "heap" for v in found.heap)
    with pytest.raises(AttributeError):
        found.package = "q"  # type: ignore[misc]
    assert list(found) == list(found.diagnostics)
