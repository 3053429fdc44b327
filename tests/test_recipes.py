"""Recipes: pieces of Go code carried out on a heap, with the allocations that a real program made."""

from __future__ import annotations

import shutil
from pathlib import Path

import go_recipes
import pytest

import gcsim
from gcsim._conform import conform
from gcsim._conform_allocs import read_allocations
from gcsim._conform_recipes import _replayed
from gcsim._go_code import Node, parse_expression, parse_statements, parse_type

DATA = Path(__file__).parent / "data" / "boxes" / "recipes.csv"


def made(code: str, setup: str = "") -> list[str]:
    return [str(a) for a in _replayed(setup, code)]


def test_recordings_of_go_are_matched_wholly() -> None:
    result = conform(DATA)
    assert result.complete, result.differences
    assert (result.matched, result.total, result.notes) == (65, 65, [])


def test_the_code_alone_says_what_is_done(tmp_path: Path) -> None:
    """Names are shuffled and one allocation of each fifth row is another."""
    head, *rows = DATA.read_text().splitlines()
    total = conform(DATA).total
    copy = tmp_path / "recipes.csv"
    copy.write_text("\n".join([head, *(f"x{i}" + r[r.index(",") :] for i, r in enumerate(rows))]))
    assert conform(copy).matched == total
    spoiled = [r.replace(":16s", ":32s", 1) for r in rows]
    copy.write_text("\n".join([head, *spoiled]))
    changed = sum(a != b for a, b in zip(rows, spoiled, strict=True))
    assert changed > 8 and conform(copy).matched == total - changed


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("sink = new(string)", "16:16s"),
        ("p := new(int); n2 = *p", ""),
        ("p := new(int); sink = p", "8:tinyn"),
        ("sink = &node{v: 3}", "16:16s"),
        ("x := n; sink = &x", "8:tinyn"),
        ("x := n; p := &x; n2 = *p", ""),
        ("sink = n + 300", "8:tinyn"),
        ("sink = str", "16:16s"),
        ('sink = "constant"', ""),
        ("sink = 1000", ""),
        ("sinkS = str + str", "22:24n"),
        ('n2 = len(str + "abc")', ""),
        ("sinkB = []byte(str)", "16:16n"),
        ("b := make([]byte, 40); sinkS = string(b)", "40:48n"),
        ("sinkS = strconv.Itoa(n + 12344)", "5:tinyn"),
        ("sinkS = strings.Repeat(str, 3)", "48:48n"),
        ('sinkSS = strings.Fields("a b  c")', "48:48s"),
        ("ch := make(chan int, 4); sink = ch", "144:144n"),
        ("ch := make(chan *int, 4); sink = ch", "112:112s 32:32s"),
        ("sinkM = make(map[int]int, 9)", "48:48s 8:8s 32:32s 272:288n"),
        ("m := make(map[int]int); m[1] = 2; n2 = m[1]", ""),
        ("m := make(map[int]int); m[1] = 2; sinkM = m", "48:48s 136:144n"),
        ("x := n; x++; f := func() int { return x }; n2 = f()", ""),
        ("x := n; sinkF = func() int { x = 5; return x }", "8:tinyn 16:16s"),
        ("t := &TwoPtr{}; sink = t; sinkF = t.Get", "16:16s 16:16s"),
        ("sinkP = ptrs(5)", "64:64s"),
        ("for i := range 3 { defer nop(i) }", "16:16n 16:16n 16:16n"),
        ("defer nop(n)", ""),
        ("var sb strings.Builder; for i := 0; i < 9; i++ { sb.WriteByte('x') }", "8:tinyn 16:16n"),
        ('sinkErr = fmt.Errorf("n is %d", n)', "6:tinyn 16:16s"),
        ("sinkA = []any{str, n, &n}", "48:48s 16:16s"),
        ("s := []int{1, 2, 3}; sink10 = s[1:]", "24:24n"),
        ("s := []int{1, 2, 3}; n2 = s[1]", ""),
        ("var a [4]int; sink10 = a[:]", "32:32n"),
        ("sink10 = append(make([]int, 3), 1)", "24:24n 48:48n"),
    ],
)
def test_other_pieces_of_code(code: str, wanted: str) -> None:
    assert made(code) == wanted.split()


def test_more_pieces_of_code_allocate_what_a_real_program_did() -> None:
    """Numbers and bytes, by Go's MemStats; tiny objects take a block of 16 bytes, or none."""
    rows = go_recipes.rows()
    assert len(rows) > 190
    for row in rows:
        ours = _replayed(row["setup"], row["code"])
        slots, tiny = sum(a.slot for a in ours), sum(not a.slot for a in ours)
        told = f"{row['setup']};; {row['code']}: {[str(a) for a in ours]}"
        assert len(ours) == int(row["mallocs"]), told
        assert slots <= int(row["bytes"]) <= slots + 16 * tiny, told


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("go"), reason="needs go")
def test_go_still_says_so() -> None:
    rows = go_recipes.rows()
    numbers = go_recipes.measured([(row["setup"], row["code"]) for row in rows])
    assert [mallocs for mallocs, _ in numbers] == [int(row["mallocs"]) for row in rows]


def test_go_code_is_read() -> None:
    assert parse_type("map[string][]*T") == Node(
        "map",
        Node("named", "string"),
        Node("slice", Node("pointer", Node("named", "T"))),
    )
    assert parse_expression("a + b*c == d") == parse_expression("(a + (b * c)) == d")
    assert parse_expression("f(x)[1].y") == parse_expression("((f(x))[1]).y")
    (loop,) = parse_statements("for i := 0; i < 3; i++ { if a[i] == (T{}) { break } }")
    assert loop.op == "for" and loop.d[0].op == "if"
    two = parse_statements("x := 1 // one\ny, z = f(x,\n\t2)\n")
    assert [s.op for s in two] == ["assign", "assign"]
    deep = "x = " + "(" * 100_000
    for bad in (deep, "x :=", "f(", "for {", "]", "x = 1 2", "'", "func"):
        with pytest.raises(gcsim.DumpFormatError):
            parse_statements(bad)


def test_damaged_rows_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "recipes.csv"
    for bad in (
        "x,,sink = new(int),8:tiny|int",
        "x,,sink = new(int),8",
    ):
        path.write_text(f"name,setup,code,allocs\n{bad}\n")
        with pytest.raises(gcsim.DumpFormatError):
            conform(path)
    path.write_text(
        "name,setup,code,allocs\nx,,os.Exit(1),\ny,,select {},\nz,,sink = q.r,\nw,,new(,\n"
    )
    result = conform(path)
    assert (result.total, result.not_replayed) == (0, 4)
    assert all(f" {name}" in "".join(result.notes) for name in "xyzw")


@pytest.mark.parametrize(
    "code",
    [
        "n2 = 1 << (1 << 62)",
        "sink = make([]int, 1<<60)",
        "sink10 = make([]int, n-2)",
        "f := func(x int) int { return f(x) }; n2 = f(1)",
        "for { n2++ }",
        "sink = tree(100000)",
        "n2 = n / 0",
        "var s []int; n2 = s[0]",
        "m := map[int]int{}; m = nil; m[1] = 2",
    ],
)
def test_what_go_would_not_survive_is_not_replayed(code: str, tmp_path: Path) -> None:
    path = tmp_path / "recipes.csv"
    path.write_text(f'name,setup,code,allocs\nx,,"{code}",\n')
    result = conform(path)
    assert (result.total, result.not_replayed) == (0, 1)


def test_allocations_are_read() -> None:
    assert [
        str(a) for a in read_allocations("16:16n|struct { F uintptr; X0 int }; 8:tinyn|int")
    ] == [
        "16:16n",
        "8:tinyn",
    ]
    assert [str(a) for a in read_allocations("112:112s 32:32s")] == ["112:112s", "32:32s"]
    assert read_allocations("") == []
