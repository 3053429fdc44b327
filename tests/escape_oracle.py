"""What the installed Go compiler says of escapes, and the corpus that it said so of.

The oracle shares no code with ``gcsim.escape``: it runs ``go build -gcflags=...`` on the sources, each a package of
its own in a throwaway module, and hands back the compiler's lines in its own order, without the line that names the
package and without the folder. A package's path is its name. Lines on other files (instances of a library's generics)
are left out. ``-m -l`` are the diagnostics, ``-m=2 -l`` the same with the flows that explain them.

What it said of tests/data/escape/corpus is kept beside each program (`NAME.m_l.txt` and `NAME.m2_l.txt.gz`), so that
tests need no Go. After a change there, or with another Go::

    python tests/escape_oracle.py            # compares what is kept with what the installed Go says
    python tests/escape_oracle.py --record   # keeps what it says
"""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

CORPUS = Path(__file__).parent / "data" / "escape" / "corpus"
FLAGS = {"m_l": "-m -l", "m2_l": "-m=2 -l"}
PACKAGE = re.compile(r"# oracle/(\d+)")
PLACE = re.compile(r"((?:/|\./|\d+/)?)(\S+\.go:\d+:\d+: .*)")
CLAUSE = re.compile(r"^package (\w+)", re.MULTILINE)


def diagnostics(source: str, name: str = "file.go", flags: str = "-m -l") -> list[str]:
    """The compiler's lines for one file, in its order: ``name:line:col: text``."""
    return diagnostics_of({name: source}, flags)[name]


def diagnostics_of(sources: Mapping[str, str], flags: str = "-m -l") -> dict[str, list[str]]:
    """The same for several files, each a package of its own, in one run of ``go build``.

    Raises ValueError with the compiler's words where a file does not compile.
    """
    names = list(sources)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "go.mod").write_text("module oracle\n\ngo 1.26\n")
        for i, name in enumerate(names):
            (root / str(i)).mkdir()
            (root / str(i) / Path(name).name).write_text(sources[name])
        command = ["go", "build", f"-gcflags={flags}", "-o", os.devnull, "./..."]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise ValueError(f"go build {flags} fails:\n{done.stderr or done.stdout}")
    lines: dict[str, list[str]] = {name: [] for name in names}
    mine: list[str] = []
    current, renamed = mine, ("", "", "")

    def named(text: str) -> str:
        folder, path, package = renamed
        return text.replace(path, package).replace(f" at {folder}/", " at ")

    for line in (done.stdout + done.stderr).splitlines():
        if header := PACKAGE.fullmatch(line):
            mine = lines[names[int(header[1])]]
            package = _package(sources[names[int(header[1])]])
            renamed = (header[1], f"oracle/{header[1]}.", package)
        elif place := PLACE.fullmatch(line):
            # Instances of a library's generics are compiled, and told of, in the package that needs them.
            current = [] if place[1] == "/" else mine
            current.append(named(place[2]))
        else:  # the rest of a statement that an explanation prints over several lines
            current.append(named(line))
    return lines


def _package(source: str) -> str:
    """How the compiler writes a package's own types in names of instances: `sort.` as if the path were the name."""
    clause = CLAUSE.search(source)
    return f"{clause[1]}." if clause else ""


def go_version() -> str:
    """`go1.26.8`, or the empty string without Go."""
    try:
        done = subprocess.run(
            ["go", "env", "GOVERSION"], capture_output=True, text=True, timeout=60
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip()


def programs() -> list[Path]:
    return sorted(CORPUS.glob("*.go"))


def recorded(program: Path, kind: str = "m_l") -> list[str]:
    """What Go 1.26.8 said of a program of the corpus; kind is a key of FLAGS."""
    kept = program.with_suffix(f".{kind}.txt" + (".gz" if kind == "m2_l" else ""))
    data = kept.read_bytes()
    return (gzip.decompress(data) if kind == "m2_l" else data).decode().splitlines()


def record(program: Path, kind: str, lines: list[str]) -> None:
    text = "".join(line + "\n" for line in lines).encode()
    kept = program.with_suffix(f".{kind}.txt" + (".gz" if kind == "m2_l" else ""))
    kept.write_bytes(gzip.compress(text, 9, mtime=0) if kind == "m2_l" else text)


def main(arguments: list[str]) -> int:
    sources = {program.name: program.read_text() for program in programs()}
    different = 0
    for kind, flags in FLAGS.items():
        said = diagnostics_of(sources, flags)
        for program in programs():
            if "--record" in arguments:
                record(program, kind, said[program.name])
            elif recorded(program, kind) != said[program.name]:
                print(f"{program.name}: {flags}: not what is kept")
                different += 1
        print(
            f"{flags}: {len(said)} programs, {sum(map(len, said.values()))} lines, {go_version()}"
        )
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
