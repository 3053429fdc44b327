"""The layer law: what may include what, who may call the system, what the built module exports.

The core knows nothing of Python; nothing lower includes anything higher; memory comes from the
system in one file. All of it is read from the sources and from the built object.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import pytest

CSRC = Path(__file__).resolve().parent.parent / "csrc"

# From the bottom up. A file may include its own layer and those before it.
LAYERS = [
    "include",
    "base",
    "types",
    "alloc",
    "gc",
    "watch",
    "lib",
    "steps",
    "top",
    "workloads",
    "bind",
]

# The files directly in csrc, and the cffi declarations, are the top of the core: they assemble it.
TOP = {"", "ffi"}

SYSTEM_MEMORY = {"mmap", "munmap", "mprotect", "madvise", "mremap", "sbrk"}


def sources() -> list[Path]:
    """Every source of the core and the binding; the tests are not part of the house."""
    found = [p for p in CSRC.rglob("*") if p.suffix in {".c", ".h", ".def"}]
    return sorted(p for p in found if "tests" not in p.relative_to(CSRC).parts)


def code_of(path: Path) -> str:
    """The text without comments and without the contents of strings."""
    text = path.read_text(encoding="utf-8")
    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"'
    keep_includes = re.compile(r'^\s*#\s*include\s*"[^"\n]+"', re.MULTILINE)
    names = keep_includes.findall(text)
    stripped = re.sub(
        pattern, lambda m: '""' if m.group().startswith('"') else " ", text, flags=re.S
    )
    return "\n".join(names) + "\n" + stripped


def includes_of(path: Path) -> list[str]:
    text = re.sub(r"//[^\n]*|/\*.*?\*/", " ", path.read_text(encoding="utf-8"), flags=re.S)
    return re.findall(r'^\s*#\s*include\s*[<"]([^>"\n]+)[>"]', text, flags=re.MULTILINE)


def layer_of(name: str) -> str | None:
    """The layer of a path relative to csrc (or to csrc/include); None for a system header."""
    if name.startswith("gcsim/"):
        name = f"include/{name}"
    if not (CSRC / name).exists():
        return None
    folder = name.split("/")[0] if "/" in name else ""
    return "top" if folder in TOP else folder


def test_every_folder_has_a_layer() -> None:
    folders = {p.relative_to(CSRC).parts[0] for p in sources() if p.parent != CSRC}
    assert folders <= set(LAYERS) | TOP, folders - set(LAYERS)


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(CSRC)))
def test_nothing_lower_includes_anything_higher(path: Path) -> None:
    own = layer_of(str(path.relative_to(CSRC)))
    assert own is not None
    for name in includes_of(path):
        layer = layer_of(name)
        if layer is not None:
            assert LAYERS.index(layer) <= LAYERS.index(own), f"{own} includes {name}"
        if own == "include":
            public = layer == "include" or layer is None
            assert public, f"the public header includes {name}"


def test_own_headers_are_found_where_they_are_named() -> None:
    """A quoted include is written relative to csrc, so that its layer can be read off."""
    for path in sources():
        text = re.sub(r"//[^\n]*|/\*.*?\*/", " ", path.read_text(encoding="utf-8"), flags=re.S)
        for name in re.findall(r'^\s*#\s*include\s*"([^"\n]+)"', text, flags=re.MULTILINE):
            assert layer_of(name) is not None, f"{path.relative_to(CSRC)} includes {name}"


def test_workloads_know_the_public_api_alone() -> None:
    for path in sources():
        if path.relative_to(CSRC).parts[0] == "workloads":
            layers = {layer_of(name) for name in includes_of(path)}
            assert layers <= {None, "include", "workloads"}, path


def test_only_the_binding_includes_python() -> None:
    guilty = [p for p in sources() if p.relative_to(CSRC).parts[0] != "bind"]
    for path in guilty:
        assert not any(
            re.match(r"(Python|structmember|frameobject)\.h", i) for i in includes_of(path)
        ), path


def test_only_one_file_asks_the_system_for_memory() -> None:
    call = re.compile(r"\b(" + "|".join(SYSTEM_MEMORY) + r")\s*\(")
    callers = {str(p.relative_to(CSRC)) for p in sources() if call.search(code_of(p))}
    assert callers == {"base/os.c"}


def test_the_core_has_no_mutable_globals_but_the_registry(tmp_path: Path) -> None:
    """Writable data of the compiled core: the list of heaps, and thread-locals for tests."""
    if not shutil.which("nm") or not shutil.which("cc"):
        pytest.skip("needs cc and nm")
    target = tmp_path / "core.o"
    # Position-dependent code keeps constant tables of addresses with the constants.
    flags = ["-std=c11", "-D_GNU_SOURCE", "-O1", "-fno-pie", f"-I{CSRC}", f"-I{CSRC}/include"]
    command = ["cc", *flags, "-c", str(CSRC / "core_fast.c"), "-o", str(target)]
    subprocess.run(command, check=True)
    lines = subprocess.run(["nm", str(target)], capture_output=True, text=True, check=True)
    rows = [line.split() for line in lines.stdout.splitlines()]
    writable = {row[-1] for row in rows if row[-2] in "bBdDC"}
    assert writable == {"registry", "os_fault_countdown", "os_numa_calls_here"}


def test_the_module_exports_its_two_init_functions() -> None:
    spec = importlib.util.find_spec("gcsim._core")
    if spec is None or spec.origin is None:
        pytest.skip("gcsim._core is not built")
    if not shutil.which("nm"):
        pytest.skip("needs nm")
    command = ["nm", "--dynamic", "--defined-only", spec.origin]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    exported = {line.split()[-1].split("@")[0] for line in lines}
    linker = {"_init", "_fini", "_edata", "_end", "__bss_start"}
    instrumentation = {
        name
        for name in exported
        if name.startswith(("__asan", "__odr", "__gcov", "__llvm", "__tsan", "__ubsan"))
    }
    assert exported - linker - instrumentation == {"PyInit__core", "PyInit__ffi"}
