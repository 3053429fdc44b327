"""Go files as tree-sitter syntax trees, with positions, build constraints and errors."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from gcsim._errors import GoSourceError, NotThereYetError

from .nodes import Pos

Tree = Any  # tree_sitter.Node

MOST_BYTES = 16 << 20  # of one file
MOST_DEPTH = 250  # of nested syntax: deeper is refused before Python's own limit


class File:
    """A source file: its number, the name that diagnostics print, its bytes and tree."""

    def __init__(self, number: int, name: str, source: bytes):
        self.number, self.name, self.source = number, name, source
        self.package_path = ""
        self.module: tuple[str, Path] | None = None
        if len(source) > MOST_BYTES:
            raise GoSourceError.at(name, 0, 0, f"{len(source)} bytes are too many for one file")
        self.root = _parser().parse(source).root_node
        self.check()

    def pos(self, tree: Tree) -> Pos:
        point = tree.start_point
        return (self.number, point[0] + 1, point[1] + 1)

    def fail(self, tree: Tree, what: str) -> NoReturn:
        row, column = tree.start_point
        raise GoSourceError.at(self.name, row + 1, column + 1, what)

    def check(self) -> None:
        """Refuse syntax errors, and nesting that recursion could not follow."""
        cursor = self.root.walk()
        depth = 0
        broken = self.root.has_error
        while True:
            node = cursor.node
            if broken and (node.is_error or node.is_missing):
                near = node.text.decode("utf-8", "replace").split("\n")[0][:40]
                what = f"missing {node.type}" if node.is_missing else f"near {near!r}"
                self.fail(node, f"syntax error: {what}")
            if depth > MOST_DEPTH:
                self.fail(node, f"nested more than {MOST_DEPTH} deep: too deep to analyse")
            # a + b + c is as deep as it is long: only the first of a chain counts.
            if cursor.goto_first_child():
                depth += node.type != "binary_expression"
                continue
            while not cursor.goto_next_sibling():
                if not cursor.goto_parent():
                    return
                depth -= cursor.node.type != "binary_expression"

    def text(self, tree: Tree) -> str:
        return self.source[tree.start_byte : tree.end_byte].decode("utf-8", "surrogateescape")


_made: Any = None


def _parser() -> Any:
    global _made
    if _made is None:
        try:
            import tree_sitter
            import tree_sitter_go
        except ImportError:
            raise NotThereYetError(
                "escape analysis needs tree-sitter: pip install 'gcsim[escape]'"
            ) from None
        _made = tree_sitter.Parser(tree_sitter.Language(tree_sitter_go.language()))
    return _made


SYSTEMS = {
    "aix", "android", "darwin", "dragonfly", "freebsd", "illumos", "ios", "js", "linux", "netbsd",
    "openbsd", "plan9", "solaris", "wasip1", "windows", "zos",
}  # fmt: skip
MACHINES = {
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64",
    "ppc64le", "riscv64", "s390x", "wasm",
}  # fmt: skip
_TRUE = {"linux", "amd64", "unix", "gc"} | {f"go1.{n}" for n in range(1, 27)}


def is_chosen(name: str, source: bytes) -> bool:
    """Whether `go build` on linux/amd64 would compile the file: its name and //go:build line."""
    parts = name.removesuffix(".go").split("_")[1:]
    for part in parts[-2:]:
        if (part in SYSTEMS and part != "linux") or (part in MACHINES and part != "amd64"):
            return False
    for line in source.decode("utf-8", "replace").splitlines():
        stripped = line.strip()
        if stripped.startswith("//go:build "):
            return _constraint(stripped[len("//go:build ") :])
        if stripped.startswith("package "):
            break
    return True


def _constraint(text: str) -> bool:
    words = re.findall(r"&&|\|\||!|\(|\)|[\w.]+", text)
    told = {"&&": " and ", "||": " or ", "!": " not ", "(": "(", ")": ")"}
    expression = "".join(told.get(w) or str(w in _TRUE) for w in words)
    try:
        return bool(eval(expression, {"__builtins__": {}}))  # of True, False, and, or, not only
    except SyntaxError:
        return True


def read(
    source: str | bytes | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    first: int = 0,
) -> list[File]:
    """Files from Go source text, a path, a directory, or several paths of one package.

    A string is source if it has a line break or begins with `package `, else a path. Of a
    directory, the files that `go build` would take on linux/amd64, without tests.
    """
    if isinstance(source, bytes | bytearray):
        return [File(first, "source.go", bytes(source))]
    if isinstance(source, str) and ("\n" in source or source.lstrip().startswith("package ")):
        return [File(first, "source.go", source.encode("utf-8", "surrogateescape"))]
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if path.is_dir():
            found = sorted(path.glob("*.go"))
            files = [(p, p.read_bytes()) for p in found if not p.name.endswith("_test.go")]
            files = [(p, data) for p, data in files if is_chosen(p.name, data)]
            if not files:
                raise GoSourceError.at(str(path), 0, 0, "no Go files for linux/amd64 in it")
        else:
            files = [(path, path.read_bytes())]
    else:
        files = [(Path(p), Path(p).read_bytes()) for p in source]
        if not files:
            raise GoSourceError.at("", 0, 0, "no Go files given")
    made = [File(i, path.name, data) for i, (path, data) in enumerate(files, first)]
    made[0].package_path = package_path(files[0][0])
    made[0].module = find_module(files[0][0])
    return made


def find_module(path: Path) -> tuple[str, Path] | None:
    """The module that a file belongs to: its path and its folder, from the nearest go.mod."""
    folder = path.resolve().parent
    for above in (folder, *folder.parents):
        module = above / "go.mod"
        if module.is_file():
            text = module.read_text("utf-8", "replace")
            found = re.search(r"^module\s+(\S+)", text, re.MULTILINE)
            return None if found is None else (found[1].strip('"'), above)
    return None


def package_path(path: Path) -> str:
    """The import path of a file's package: from go.mod, or its place in Go's own sources."""
    module = find_module(path)
    if module is None:
        return ""
    name, root = module
    below = path.resolve().parent.relative_to(root).as_posix()
    if name == "std":
        return below
    return name if below == "." else f"{name}/{below}"
