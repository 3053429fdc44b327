"""``python -m gcsim conform``: golden files of Go's runtime, replayed through the core."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from gcsim.__main__ import main

GOLDEN = sorted((Path(__file__).parent / "data" / "golden").iterdir())
SHARED = Path(__file__).parents[2] / "shared" / "golden"

# Rows (or structs) of each file: what is compared, nothing skipped.
ROWS = {
    "layout-go1.26.csv.gz": 20_000,
    "layout-reuse-go1.26.csv.gz": 15_802,
    "malloc-sizes-go1.26.csv.gz": 356,
    "map-allocs.csv.gz": 369,
    "map-hashed.csv.gz": 2026,
    "map-totals.csv.gz": 546,
    "memprofile-scale-go1.26.csv.gz": 1796,
    "pagealloc-go1.26.csv.gz": 20_928,
    "pool.csv.gz": 13_567,
    "size-classes.csv.gz": 67,
    "spans-go1.26.csv.gz": 134,
    "struct-layout.json.gz": 300,
    "slice-append1.csv.gz": 343,
    "slice-appendk.csv.gz": 3004,
    "slice-nextcap.csv.gz": 900,
    "builder.csv.gz": 2735,
    "buffer.csv.gz": 3322,
    "strings.csv.gz": 2240,
}


def text(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode()


def test_every_kind_of_golden_file_is_here() -> None:
    assert [path.name for path in GOLDEN] == sorted(ROWS)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_golden_file_conforms_wholly(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conform", str(path)]) == 0
    out, err = capsys.readouterr()
    assert out == f"{path.name}: {ROWS[path.name]}/{ROWS[path.name]}\n"
    assert err == ""
    content = text(path)
    entries = json.loads(content) if path.name.endswith(".json.gz") else content.splitlines()[1:]
    assert len(entries) == ROWS[path.name]


def spoiled(path: Path, seed: int) -> str:
    """The file with one number of one row changed."""
    chance = random.Random(seed)
    if path.name.endswith(".json.gz"):
        structs = json.loads(text(path))
        struct = chance.choice([s for s in structs if s["fields"]])
        if chance.random() < 0.5:
            struct["size"] += 8
        else:
            chance.choice(struct["fields"])["offset"] += 1
        return json.dumps(structs)
    header, *rows = text(path).splitlines()
    columns = header.split(",")
    wanted = {
        "layout-go1.26.csv.gz": ["slot", "span_class", "offset"],
        "layout-reuse-go1.26.csv.gz": ["slot", "span_class"],
        "malloc-sizes-go1.26.csv.gz": ["slot_bytes", "usable_bytes", "round_bytes"],
        "map-allocs.csv.gz": ["insert", "alloc_bytes", "slot_bytes"],
        "map-hashed.csv.gz": ["used", "tables", "dir_len"],
        "map-totals.csv.gz": ["objects_min", "alloc_bytes_max", "slot_bytes_min"],
        "memprofile-scale-go1.26.csv.gz": ["est_count", "est_bytes"],
        "pagealloc-go1.26.csv.gz": [name for name in columns if "hash" in name] or columns[-1:],
        "pool.csv.gz": ["result"],
        "size-classes.csv.gz": ["nelems_scan", "div_magic", "limit_noscan"],
        "spans-go1.26.csv.gz": ["nelems", "div_magic", "tail_bytes"],
        "slice-append1.csv.gz": ["new_cap", "alloc_bytes", "old_cap"],
        "slice-appendk.csv.gz": ["new_cap", "alloc_bytes", "slot_bytes"],
        "slice-nextcap.csv.gz": ["next_cap", "round_scan"],
        "builder.csv.gz": ["cap", "len", "alloc_bytes"],
        "buffer.csv.gz": ["cap", "available", "result", "allocs"],
        "strings.csv.gz": ["allocs"],
    }[path.name]
    at = chance.choice(
        [i for i, row in enumerate(rows) if row.split(",")[columns.index(wanted[0])]]
    )
    cells = rows[at].split(",")
    column = columns.index(chance.choice(wanted))
    other = "8:8" if columns[column] == "allocs" else "1"  # 8 bytes without pointers get 16
    cells[column] = str(int(cells[column], 0) + 1) if cells[column].isdigit() else other
    return "\n".join([header, *rows[:at], ",".join(cells), *rows[at + 1 :]]) + "\n"


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name)
def test_spoiled_copy_shows_the_difference(
    path: Path, seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / path.name.removesuffix(".gz")
    copy.write_text(spoiled(path, seed))
    assert main(["conform", str(copy)]) == 1
    first, *differences = capsys.readouterr().out.splitlines()
    matched, total = first.removeprefix(f"{copy.name}: ").split("/")
    assert int(total) == ROWS[path.name]
    assert int(matched) < int(total)
    assert differences
    assert all("gcsim " in line and "Go " in line for line in differences)


def test_file_of_another_kind_ends_with_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    short = tmp_path / "short.csv.gz"
    short.write_bytes(GOLDEN[0].read_bytes()[:1000])
    binary = tmp_path / "binary"
    binary.write_bytes(bytes(range(256)))
    for path in (other, short, binary, tmp_path / "nothing", tmp_path):
        assert main(["conform", str(path)]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("python -m gcsim conform: ")
        assert str(path) in err


def test_several_files_are_all_replayed_and_the_worst_decides(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = next(path for path in GOLDEN if path.name.startswith("spans"))
    bad = tmp_path / "bad.csv"
    bad.write_text(spoiled(good, 1))
    assert main(["conform", str(bad), str(good)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "bad.csv: 133/134"
    assert lines[-1] == f"{good.name}: 134/134"
    assert main(["conform", str(tmp_path / "nothing"), str(bad), str(good)]) == 2
    assert len(capsys.readouterr().out.splitlines()) == len(lines)
    assert main(["conform", "--json", str(bad), str(good)]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [(row["matched"], row["total"]) for row in told] == [(133, 134), (134, 134)]
    assert len(told[0]["differences"]) == 1


def test_conform_is_a_command() -> None:
    path = next(path for path in GOLDEN if path.name.startswith("size-classes"))
    done = subprocess.run(
        [sys.executable, "-m", "gcsim", "conform", path], text=True, capture_output=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "size-classes.csv.gz: 67/67\n")


@pytest.mark.parametrize("name", sorted(ROWS))
def test_shipped_golden_files_are_those_that_go_wrote(name: str) -> None:
    places = [SHARED / name.removesuffix(".gz"), SHARED / name]
    places.append(SHARED / "data" / name.removesuffix(".gz"))
    original = next((path for path in places if path.exists()), None)
    if original is None:
        pytest.skip("the originals are not beside this checkout")
    data = original.read_bytes()
    whole = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    shipped = text(Path(__file__).parent / "data" / "golden" / name)
    if shipped != whole.decode():  # a part of it: rows in the same order
        rows = iter(whole.decode().splitlines())
        assert all(row in rows for row in shipped.splitlines())
