"""Recordings of Go's maps: random totals, types as Go writes them, and what makes a replay differ."""

from __future__ import annotations

import csv
import gzip
import random
from pathlib import Path

import pytest

import gcsim
from gcsim import _conform_maps
from gcsim._conform import conform
from gcsim._maps import KEY_32, KEY_64, KEY_BYTES, KEY_OTHER, KEY_STRING, key_plan
from gcsim.lowlevel import MapReplay

DATA = Path(__file__).parent / "data"


def test_totals_that_depend_on_the_seed_lie_within_go_s(tmp_path: Path) -> None:
    path = DATA / "map-totals-random.csv.gz"
    result = conform(path)
    assert result.complete, str(result)
    rows = list(csv.reader(gzip.decompress(path.read_bytes()).decode().splitlines()))
    wide = max(rows[1:], key=lambda row: int(row[5]) - int(row[4]))
    wide[4:6] = [str(int(wide[5]) + 1), str(int(wide[5]) + 2)]  # more than Go ever saw
    spoiled = tmp_path / "spoiled.csv"
    spoiled.write_text("\n".join(",".join(row) for row in rows) + "\n")
    assert conform(spoiled).matched == result.total - 1


@pytest.mark.parametrize(
    ("key", "how", "parts"),
    [
        ("int64", KEY_64, 0),
        ("*int", KEY_64, 0),
        ("[8]bool", KEY_64, 0),
        ("struct{a uint32; b uint32}", KEY_64, 0),
        ("struct{a uint32; _ uint32}", KEY_OTHER, 1),
        ("rune", KEY_32, 0),
        ("string", KEY_STRING, 0),
        ("struct{s [1]string}", KEY_STRING, 0),
        ("bool", KEY_BYTES, 0),
        ("[16]byte", KEY_BYTES, 0),
        ("any", KEY_OTHER, 1),
        ("struct{}", KEY_BYTES, 0),
        ("float64", KEY_OTHER, 1),
        ("complex64", KEY_OTHER, 2),
        ("[3]string", KEY_OTHER, 3),
        ("struct { a byte; b int64; c int64 }", KEY_OTHER, 2),
        ("struct{x float32; y int32; z int32; s string}", KEY_OTHER, 3),
    ],
)
def test_how_keys_are_compared_is_the_compiler_s(key: str, how: int, parts: int) -> None:
    info, _ = _conform_maps._map_types(f"map[{key}]int64")
    plan, found = key_plan(info)
    assert plan == how
    assert len(found) == (parts if how == KEY_OTHER else 0)


@pytest.mark.parametrize("key", ["[]byte", "map[int]int", "func()", "struct{a int; b []int}"])
def test_keys_that_go_does_not_compare(key: str) -> None:
    info, _ = _conform_maps._map_types(f"map[{key}]int64")
    with pytest.raises(gcsim.TypeDefinitionError, match="invalid map key type"):
        key_plan(info)


@pytest.mark.parametrize("text", ["map[int]", "map[int]wrong", "[]int", "map[int]int x", ""])
def test_text_that_is_no_map(text: str) -> None:
    with pytest.raises(gcsim.DumpFormatError):
        _conform_maps._map_types(text)


@pytest.mark.parametrize("hash_name", MapReplay.HASHES)
def test_random_operations_keep_the_invariants(hash_name: str) -> None:
    key, elem = _conform_maps._map_types("map[int64]string")
    replay = MapReplay(key, elem, hash=hash_name, seed=5)
    chance = random.Random(hash_name)
    replay.do("make", chance.randrange(0, 2000))
    there: set[int] = set()
    for _ in range(150):
        op = chance.choice(["insert", "insert", "delete", "churn", "clone", "clear"])
        first, count = chance.randrange(3000), chance.randrange(600)
        if op == "clear" and chance.random() < 0.7:
            continue
        replay.do(op, first, count, 1 if op != "churn" else 40)
        for k in range(first, first + count):
            if op in ("insert", "churn"):
                there.add(k)
            if op in ("delete", "churn"):
                there.discard(k if op == "delete" else (k - 40) % 2**64)
        if op == "clear":
            there = set()
        assert replay.check() is None
        assert replay.state.used == len(there)


def test_a_clone_has_the_objects_that_go_makes() -> None:
    key, elem = _conform_maps._map_types("map[int64][200]byte")
    replay = MapReplay(key, elem)
    replay.do("make")
    replay.do("insert", 0, 20)
    kinds = [o.kind for o in replay.do("clone")]
    assert kinds == ["map", "directory", "table", "groups", *["elem"] * 20]
    assert replay.state.used == 20
