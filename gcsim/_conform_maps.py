"""Replaying Go's recordings of maps: which objects they make, their totals, and their tables.

``map-allocs.csv``, ``map-totals.csv`` and ``map-hashed.csv``: one real map of Go each, whose keys
are numbers; the last kind with hash functions that are known, so that all is exact.
"""

from __future__ import annotations

import itertools
import re
import statistics
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gcsim._errors import DumpFormatError
from gcsim._types import TypeInfo

if TYPE_CHECKING:
    from gcsim._conform import Conformance
    from gcsim.lowlevel import MapReplay

_Row = dict[str, str]
_SEEDS = 40  # maps that a row of random totals is compared with
_TOTALS = ("objects", "alloc_bytes", "slot_bytes")


# --- types as Go writes them ---------------------------------------------------------------------

_WORD = re.compile(r"[\w.]+")
_SPACE = re.compile(r"\s*;?\s*")
_NAMES = {"int": "int", "uint": "uint", "byte": "uint8", "rune": "int32", "any": "interface"}


class _Reader:
    """One type after the other from a text such as ``map[[16]byte]struct { a int; b string }``."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def take(self, word: str) -> bool:
        found = self.text.startswith(word, self.at)
        self.at += len(word) * found
        return found

    def want(self, word: str) -> None:
        if not self.take(word):
            raise DumpFormatError(f"{self.text!r} is no type: {word!r} is missing at {self.at}")

    def of(self, kind: str, *inside: Any) -> Any:
        from gcsim import _types as t

        return t.TypeExpr(kind, tuple(t.to_expr(part) for part in inside))

    def type(self) -> Any:
        from gcsim import _types as t

        if self.take("*"):
            return self.of("pointer", self.type())
        if self.take("[]"):
            return self.of("slice", self.type())
        if self.take("map["):
            key = self.type()
            self.want("]")
            return self.of("map", key, self.type())
        if self.take("["):
            length = self.word()
            self.want("]")
            return t.TypeExpr("array", (t.to_expr(self.type()),), int(length))
        if self.take("chan "):
            return self.of("chan", self.type())
        if self.take("func()"):
            return t.func_
        if self.take("interface {}") or self.take("interface{}"):
            return t.iface
        if self.take("unsafe.Pointer"):
            return t.to_expr(t.ptr)
        if self.take("struct"):
            return self.struct()
        word = self.word()
        kind = _NAMES.get(word, word)
        if kind not in t.KINDS or kind in ("struct", "array", "slice", "map", "pointer"):
            raise DumpFormatError(f"{self.text!r}: {word} is no type that this version knows")
        return t.TypeExpr(kind)

    def word(self) -> str:
        found = _WORD.match(self.text, self.at)
        if not found:
            raise DumpFormatError(f"{self.text!r} is no type: a word is missing at {self.at}")
        self.at = found.end()
        return found.group()

    def space(self) -> None:
        found = _SPACE.match(self.text, self.at)
        self.at = found.end() if found else self.at

    def struct(self) -> Any:
        from gcsim import _types as t

        fields = []
        self.space()
        self.want("{")
        self.space()
        while not self.take("}"):
            name = self.word()
            self.space()
            fields.append((name, t.describe(self.type()), False))
            self.space()
        return t.struct_info("struct", fields)


def _map_types(text: str) -> tuple[TypeInfo, TypeInfo]:
    from gcsim._types import describe

    reader = _Reader(text)
    info = describe(reader.type())
    if reader.at != len(text) or info.kind != "map" or info.key is None or info.elem is None:
        raise DumpFormatError(f"{text!r} is no type of a map")
    return info.key, info.elem


def _replay(text: str, **options: Any) -> MapReplay:
    from gcsim.lowlevel import MapReplay

    key, elem = _map_types(text)
    return MapReplay(key, elem, **options)


# --- objects, one by one -------------------------------------------------------------------------


def replay_allocs(rows: Iterator[_Row], result: Conformance) -> None:
    """``map-allocs.csv``: what making a map and each insert allocates, indirect values left out."""
    for (text, hint), group in itertools.groupby(rows, key=lambda r: (r["map"], r["hint"])):
        gos = [_allocation(row) for row in group]
        replay = _replay(text)
        made = [(0, o) for o in replay.do("make", int(hint))]
        last = max(insert for insert, *_ in gos)
        made += [(o.at + 1, o) for o in replay.do("insert", 0, last)]
        ours = [
            (insert, o.kind, o.request, o.slot, int(o.noscan))
            for insert, o in made
            if o.kind not in ("key", "elem")
        ]
        for our, go in itertools.zip_longest(ours, gos):
            result.check(f"{text} hint {hint}", our, go)


def _allocation(row: _Row) -> tuple[int, str, int, int, int]:
    request, slot, noscan = (int(row[name]) for name in ("alloc_bytes", "slot_bytes", "noscan"))
    return int(row["insert"]), row["kind"], request, slot, noscan


# --- totals --------------------------------------------------------------------------------------


def replay_totals(rows: Iterator[_Row], result: Conformance) -> None:
    """``map-totals.csv``: objects and bytes after so many keys. Where they depend on the hash seed
    the median over as many maps as Go's lies within Go's least and most."""
    for (text, hint), group in itertools.groupby(rows, key=lambda r: (r["map"], r["hint"])):
        go_rows = list(group)
        counts = [int(row["keys"]) for row in go_rows]
        replay = _replay(text)
        maps = [_totals(replay, int(hint), counts, seed) for seed in range(1, _SEEDS + 1)]
        for row, n in zip(go_rows, counts, strict=True):
            ours = [[totals[n][i] for totals in maps] for i in range(len(_TOTALS))]
            result.check_row(f"{text} hint {hint}, {n} keys", _totals_differ(row, ours))


def _totals_differ(row: _Row, ours: list[list[int]]) -> list[str]:
    differences = []
    for name, values in zip(_TOTALS, ours, strict=True):
        least, most = int(row[f"{name}_min"]), int(row[f"{name}_max"])
        if row["deterministic"] == "1":
            equal = {min(values), max(values)} == {least, most}
            shown = f"{min(values)}..{max(values)}"
        else:
            median = statistics.median_low(values)
            equal, shown = least <= median <= most, f"median {median}"
        if not equal:
            differences.append(f"{name}: gcsim {shown}, Go {least}..{most}")
    return differences


def _totals(
    replay: MapReplay, hint: int, counts: list[int], seed: int
) -> dict[int, tuple[int, ...]]:
    """Objects, bytes asked for and bytes of slots after each of the counts of keys."""
    replay.start(seed)
    total = [0, 0, 0]
    at, known = 0, {}
    made = replay.do("make", hint)
    for n in sorted(set(counts)):
        made += replay.do("insert", at, n - at)
        for o in made:
            total = [total[0] + 1, total[1] + o.request, total[2] + o.slot]
        at, made, known[n] = n, [], tuple(total)
    return known


# --- known hashes --------------------------------------------------------------------------------


def replay_hashed(rows: Iterator[_Row], result: Conformance) -> None:
    """``map-hashed.csv``: the whole state after each operation, and what it allocated."""
    sequence, replay = None, None
    for row in rows:
        if row["seq"] != sequence or replay is None:
            sequence = row["seq"]
            replay = _replay(row["map"], hash=row["hash"])
        first = int(row["hint"]) if row["op"] == "make" else int(row["key_first"])
        made = replay.do(row["op"], first, int(row["key_count"]), int(row["key_stride"]))
        state = replay.state
        ours = {
            "used": str(state.used),
            "dir_len": str(state.dir_len),
            "global_depth": str(state.depth),
            "tombstone_possible": str(int(state.tombstone_possible)),
            "tables": " ".join("/".join(map(str, table)) for table in state.tables),
            "tombstones": str(state.tombstones),
            "allocs": " ".join(
                f"{o.at}:{o.kind}:{o.request}:{o.slot}{'n' if o.noscan else 's'}"
                for o in made
                if o.kind not in ("key", "elem")
            ),
        }
        differences = [
            f"{name}: gcsim {our!r}, Go {row[name]!r}"
            for name, our in ours.items()
            if our != row[name]
        ]
        wrong = replay.check()
        if wrong:
            differences.append(f"invariant: {wrong}")
        result.check_row(f"{sequence} step {row['step']} {row['op']}", differences)
