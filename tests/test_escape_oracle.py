"""What the corpus of Go programs says is what the compiler says, and the oracle hears all of it."""

from __future__ import annotations

import escape_oracle
import pytest
from needs import cannot, program


def same_go() -> None:
    program("go")
    if not escape_oracle.go_version().startswith("go1.26"):
        cannot("the corpus is of Go 1.26, another Go is installed")


@pytest.mark.parametrize("kind", escape_oracle.FLAGS)
def test_what_is_kept_of_the_corpus_is_what_the_installed_compiler_says(kind: str) -> None:
    same_go()
    sources = {path.name: path.read_text() for path in escape_oracle.programs()}
    said = escape_oracle.diagnostics_of(sources, escape_oracle.FLAGS[kind])
    kept = {path.name: escape_oracle.recorded(path, kind) for path in escape_oracle.programs()}
    assert said == kept


def test_the_corpus_has_forty_programs_and_every_kind_of_line() -> None:
    programs = escape_oracle.programs()
    assert len(programs) >= 40
    lines = [line for path in programs for line in escape_oracle.recorded(path)]
    for words in (
        "leaking param: ",
        "leaking param content: ",
        " to result ~r0 level=0",
        " to result ~r0 level=1",
        "moved to heap: ",
        "func literal does not escape",
        "func literal escapes to heap",
        "append escapes to heap",
        "append does not escape",
        "... argument does not escape",
        "ignoring self-assignment in ",
        "devirtualizing ",
        "zero-copy string->[]byte conversion",
    ):
        assert any(words in line for line in lines), words


def test_the_oracle_names_the_package_as_if_its_path_were_its_name() -> None:
    same_go()
    source = "package keep\n\ntype T struct{ n int }\n\nfunc P() any { return S[T]{} }\n\ntype S[X any] []X\n"
    assert escape_oracle.diagnostics(source) == ["file.go:5:27: S[keep.T]{} escapes to heap"] * 2


def test_the_oracle_says_what_does_not_compile() -> None:
    program("go")
    with pytest.raises(ValueError, match=r"file\.go:2:16: .*undefined: x"):
        escape_oracle.diagnostics("package p\nvar y, _ = 1 + x, 2\n")


def test_the_oracle_takes_commands_and_names_files_without_their_folder() -> None:
    same_go()
    source = "package main\n\nvar p *int\n\nfunc main() {\n\tx := 1\n\tp = &x\n}\n"
    assert escape_oracle.diagnostics(source, "a.go") == ["a.go:6:2: moved to heap: x"]
    assert escape_oracle.diagnostics(source, "a.go", "-m=2 -l") == [
        "a.go:6:2: x escapes to heap in main:",
        "a.go:6:2:   flow: {heap} ← &x:",
        "a.go:6:2:     from &x (address-of) at a.go:7:6",
        "a.go:6:2:     from p = &x (assign) at a.go:7:4",
        "a.go:6:2: moved to heap: x",
    ]
