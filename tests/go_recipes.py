"""A Go program that carries out recipes and prints what its own MemStats say of each: the numbers
of tests/data/boxes/recipes-more.csv. ``python tests/go_recipes.py`` prints the file anew."""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
from pathlib import Path

FILE = Path(__file__).parent / "data" / "boxes" / "recipes-more.csv"

PREAMBLE = """package main

import (
	"bufio"; "bytes"; "context"; "errors"; "fmt"; "maps"; "runtime"; "runtime/debug"; "slices"
	"sort"; "strconv"; "strings"; "sync"; "sync/atomic"; "time"; "weak"
)

var _, _, _, _ = bufio.NewReader, bytes.NewReader, context.Background, errors.New
var _, _, _, _ = maps.Clone[map[int]int], slices.Sort[[]int], sort.Ints, strconv.Itoa
var _, _, _, _ = strings.Join, sync.OnceFunc, atomic.AddInt32, weak.Make[int]
var _ = time.Now

type TwoPtr struct{ p, q *int }
func (t *TwoPtr) Get() *int { return t.p }
func (t TwoPtr) GetV() *int { return t.q }
type node struct { next *node; v int }
type tr struct { l, r *tr }
type big520 struct { p *int; a [64]int }
type key int
type S8 struct{ a int64 }
type SS struct{ s string }
type MyStr string
var n, k4, str = 1, 4, "hello world"
var sink, sink2 any
var sink10 []int
var sinkP []*int
var sinkB []byte
var sinkM map[int]int
var sinkF func() int
var sinkErr error
var sinkS string
var sinkSS []string
var sinkA []any
var n2 int
var sinkR []rune
var sinkI8 []int8
//go:noinline
func ptrs(c int) []*int { var s []*int; for i := 0; i < c; i++ { s = append(s, &n) }; return s }
//go:noinline
func ints(c int) []int { var s []int; for i := 0; i < c; i++ { s = append(s, i) }; return s }
//go:noinline
func nop(i int) {}
func tree(d int) *tr { if d == 0 { return &tr{} }; return &tr{tree(d-1), tree(d-1)} }
func mk(c int) map[int]int { m := map[int]int{}; for i := 0; i < c; i++ { m[i] = i }; return m }
var before, after runtime.MemStats
"""


def rows() -> list[dict[str, str]]:
    with FILE.open(newline="") as file:
        return list(csv.DictReader(file))


def measured(recipes: list[tuple[str, str]]) -> list[tuple[int, int]]:
    """(mallocs, bytes) of each (setup, code) when it runs for the second time."""
    parts, calls = [PREAMBLE], []
    for i, (setup, code) in enumerate(recipes):
        read = "if report {{ runtime.ReadMemStats(&{}) }}"
        parts.append(
            f"//go:noinline\nfunc f{i}(report bool) {{\n{setup}\n{read.format('before')}\n{code}\n"
            f"{read.format('after')}\nif report {{ fmt.Println(after.Mallocs-before.Mallocs,"
            " after.TotalAlloc-before.TotalAlloc) }\n}\n"
        )
        calls.append(f"f{i}(false); f{i}(true)")
    body = "\n".join(calls)
    parts.append(f"func main() {{\ndebug.SetGCPercent(-1); runtime.GOMAXPROCS(1)\n{body}\n}}\n")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "main.go").write_text("".join(parts))
        Path(folder, "go.mod").write_text("module recipes\ngo 1.26\n")
        done = subprocess.run(
            ["go", "run", "."], cwd=folder, text=True, capture_output=True, check=False
        )
    if done.returncode:
        raise RuntimeError(done.stderr)
    lines = [line.split() for line in done.stdout.splitlines()]
    return [(int(mallocs), int(size)) for mallocs, size in lines]


def main() -> None:
    kept = rows()
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["setup", "code", "mallocs", "bytes"])
    numbers = measured([(row["setup"], row["code"]) for row in kept])
    for row, (mallocs, size) in zip(kept, numbers, strict=True):
        out.writerow([row["setup"], row["code"], mallocs, size])


if __name__ == "__main__":
    main()
