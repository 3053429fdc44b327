"""The recorded packages of Go's library are what the installed Go exports, and their tags what its compiler says."""

from __future__ import annotations

import gzip
import json
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

import escape_oracle
import pytest
from needs import cannot, program

import gcsim

HERE = Path(__file__).parent
DATA = Path(gcsim.__file__).parent / "data" / "go_packages.json.gz"

sys.path.insert(0, str(HERE / "escape_data"))

import record  # noqa: E402


@cache
def recorded() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(gzip.decompress(DATA.read_bytes()))
    return data


def same_go() -> None:
    program("go")
    if escape_oracle.go_version() != recorded()["go"]:
        cannot(f"the packages were recorded with {recorded()['go']}, another Go is installed")


def test_the_file_is_small_and_has_the_packages_that_programs_use() -> None:
    assert DATA.stat().st_size < 400_000
    packages = recorded()["packages"]
    assert set(record.PACKAGES) <= set(packages)
    assert packages["fmt"]["funcs"]["Println"]["sig"] == "func(a ...any) (n int, err error)"
    assert packages["time"]["types"]["Duration"]["underlying"] == "int64"
    assert packages["math"]["consts"]["MaxInt64"] == ["untyped int", "9223372036854775807"]


def test_every_name_that_is_mentioned_is_recorded_too() -> None:
    packages, qualifiers = recorded()["packages"], recorded()["qualifiers"]
    for path, package in packages.items():
        texts = [f["sig"] for f in package["funcs"].values()]
        for t in package["types"].values():
            texts += [t.get("alias", ""), t.get("underlying", ""), t.get("type_params", "")]
            texts += [f["sig"] for f in t.get("methods", []) + t.get("ptr_methods", [])]
        for text in texts:
            for qualifier, name in re.findall(r"\b([a-z]\w*)\.([A-Za-z]\w*)", text):
                known = (
                    packages[qualifiers[qualifier]]["types"]
                    if qualifier != "unsafe"
                    else {"Pointer"}
                )
                assert name in known, f"{path}: {text}"


def test_recording_two_packages_anew_gives_what_is_kept() -> None:
    same_go()
    anew = json.loads(record.record(["strings", "slices"]))
    for path in ("strings", "slices"):
        kept = recorded()["packages"][path]
        assert anew["packages"][path]["funcs"] == kept["funcs"]
        assert {t: kept["types"][t] for t in anew["packages"][path]["types"]} == anew["packages"][
            path
        ]["types"]
    assert anew["packages"]["slices"]["funcs"]["Grow"]["tags"] == [
        {"heap": 1, "mutator": 0, "results": [0]},
        None,
    ]


@pytest.mark.parametrize(
    "path", ["strings", "bytes", "sync/atomic", "io", "os", "container/list", "time"]
)
def test_a_tag_is_what_the_compiler_says_of_a_caller(path: str) -> None:
    """A function that does nothing but call another leaks what that leaks: its lines are told by the tags alone."""
    same_go()
    package = recorded()["packages"][path]
    callers: list[tuple[str, list[str]]] = []
    for f in package["funcs"].values():
        if not f["sig"].startswith("func["):
            callers.append(caller(f"{package['name']}.{f['name']}", "", f))
    for name, t in package["types"].items():
        if name[0].isupper() and "type_params" not in t:
            for kind, star in (("methods", ""), ("ptr_methods", "*")):
                for f in t.get(kind, ()):
                    callers.append(caller(f"a0.{f['name']}", f"{star}{package['name']}.{name}", f))
    source = ["package callers", ""]
    paths = recorded()["qualifiers"]
    text = "\n".join(code for code, _ in callers)
    source += [f'import {q} "{p}"' for q, p in paths.items() if re.search(rf"\b{q}\.", text)]
    expected = []
    for i, (code, lines) in enumerate(callers):
        source.append(code.replace("func F(", f"func F{i}("))
        expected += [(len(source), line) for line in lines]
    said = []
    for line in escape_oracle.diagnostics("\n".join(source)):
        _, number, _, words = line.split(":", 3)
        said.append((int(number), words.strip()))
    assert len(expected) > 20
    assert sorted(said) == sorted(expected)


def caller(callee: str, receiver: str, f: dict[str, Any]) -> tuple[str, list[str]]:
    """A function that calls `callee`, and what the compiler should say of its parameters."""
    parameters, results = split_signature(f["sig"])
    types = ([receiver] if receiver else []) + parameters
    names = [f"a{i}" for i in range(len(types))]
    passed = [n + ("..." if t.startswith("...") else "") for n, t in zip(names, types, strict=True)]
    declared = ", ".join(f"{n} {t}" for n, t in zip(names, types, strict=True))
    call = f"{callee}({', '.join(passed[1:] if receiver else passed)})"
    code = f"func F({declared}) {results} {{ {'return ' if results else ''}{call} }}"
    lines = []
    for name, t, tag in zip(names, types, f["tags"], strict=True):
        if tag is None and not known_to_have_pointers(t):
            continue
        tag = tag or {}
        told = []
        if "heap" in tag:
            told.append(f"leaking param{'' if tag['heap'] == 0 else ' content'}: {name}")
        for i, level in enumerate(tag.get("results", ())):
            if level is not None:
                told.append(
                    f"leaking param: {name} to result {result_name(results, i)} level={level}"
                )
        lines += told or [f"{name} does not escape"]
    return code, lines


def known_to_have_pointers(t: str) -> bool:
    """Where nothing leaks the compiler speaks of a parameter only if its type has pointers."""
    if re.match(r"\*|\[\]|\.\.\.|map\[|chan |func\(|string$|any$|error$|<-chan", t):
        return True
    name = re.fullmatch(r"(\w+)\.(\w+)", t)
    if not name:
        return t.startswith(("interface", "struct{")) and "(" in t
    package = recorded()["packages"][recorded()["qualifiers"][name[1]]]["types"].get(name[2], {})
    inner = package.get("alias") or package.get("underlying", "")
    if inner.startswith("struct{"):
        return any(
            known_to_have_pointers(field.split(" ")[-1]) for field in inner[7:-1].split("; ")
        )
    return inner.startswith("interface") or known_to_have_pointers(inner)


def split_signature(sig: str) -> tuple[list[str], str]:
    """`func(a []int, b ...string) (n int)` -> ["[]int", "...string"], "(n int)"."""
    depth, start, parts = 0, 5, []
    for at in range(4, len(sig)):
        if sig[at] in "([{":
            depth += 1
        elif sig[at] in ")]}":
            depth -= 1
        if depth == 0 or (depth == 1 and sig[at] == ","):
            parts.append(sig[start:at].strip())
            start = at + 1
        if depth == 0:
            break
    types = [part.split(" ", 1)[1] for part in parts if part]
    return types, sig[at + 1 :].strip()


def result_name(results: str, i: int) -> str:
    named = re.match(r"\((\w+ .*)\)$", results)
    return named[1].split(", ")[i].split(" ")[0] if named else f"~r{i}"
