"""The C API as another extension module sees it: header, capsule, function tables, Ref and Heap."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sysconfig
from pathlib import Path
from types import ModuleType

import pytest

import gcsim
from gcsim import i64, ptr

SOURCE = Path(__file__).parent / "foreign" / "foreign.c"


@gcsim.struct
class Node:
    next: ptr[Node]
    n: i64


def compiler_environment() -> dict[str, str]:
    """Without what a sanitizer run preloads into Python: the compiler needs none of it."""
    return {name: text for name, text in os.environ.items() if name != "LD_PRELOAD"}


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The foreign module, compiled with no headers of gcsim but those of get_include()."""
    target = tmp_path_factory.mktemp("foreign") / f"foreign{sysconfig.get_config_var('EXT_SUFFIX')}"
    command = [
        *shlex.split(os.environ.get("CC", "cc")),
        *("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared"),
        f"-I{gcsim.get_include()}",
        f"-isystem{sysconfig.get_path('include')}",
        *(str(SOURCE), "-o", str(target)),
    ]
    run = subprocess.run(command, capture_output=True, text=True, env=compiler_environment())
    assert run.returncode == 0, run.stderr
    spec = importlib.util.spec_from_file_location("foreign", target)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_get_include_holds_the_whole_public_api() -> None:
    folder = Path(gcsim.get_include()) / "gcsim"
    assert {"gcsim.h", "inline.h", "api.def"} <= {path.name for path in folder.iterdir()}


def test_capsule_and_tables_state_their_sizes_and_versions(foreign: ModuleType) -> None:
    told = foreign.versions()
    assert told["version"] == told["compiled_version"]
    assert told["table_versions"] == [told["compiled_version"]] * 2
    assert told["bytes"] == told["compiled_bytes"]
    assert told["table_bytes"] == [told["compiled_table_bytes"]] * 2
    assert told["steps"] == [0, 1]


@pytest.mark.parametrize("steps", [False, True])
def test_a_foreign_heap_keeps_what_is_reachable_and_frees_the_rest(
    foreign: ModuleType, steps: bool
) -> None:
    length, keep = 20_000, 77
    built, kept, total, violations, mallocs = foreign.list_of(steps, length, keep)
    assert (built, kept) == (length, keep)
    assert mallocs == length
    assert total == sum(range(length - keep, length))
    assert violations == 0


def test_a_ref_gives_its_address_and_the_bytes_there(foreign: ModuleType) -> None:
    with gcsim.Heap() as heap:
        node = heap.new(Node, n=-5)
        assert foreign.address(node) == gcsim.address(node)
        assert foreign.read_i64(node, gcsim.offsetof(Node, "n")) == -5
        begin, size = foreign.arena(heap)
        assert begin <= gcsim.address(node) < begin + size


def test_foreign_calls_with_other_objects_raise(foreign: ModuleType) -> None:
    for thing in (None, 7, Node):
        with pytest.raises(TypeError):
            foreign.address(thing)
        with pytest.raises(TypeError):
            foreign.arena(thing)


def test_foreign_calls_after_close_raise(foreign: ModuleType) -> None:
    heap = gcsim.Heap()
    node = heap.new(Node, n=1)
    heap.close()
    with pytest.raises(gcsim.Error):
        foreign.address(node)
    with pytest.raises(gcsim.Error):
        foreign.arena(heap)


@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
def test_the_header_compiles_as_cpp() -> None:
    command = ["c++", "-std=c++17", "-Wall", "-Werror", "-fsyntax-only", "-x", "c++", "-"]
    run = subprocess.run(
        [*command, f"-I{gcsim.get_include()}"],
        input="#include <gcsim/gcsim.h>\nint main() { return 0; }\n",
        capture_output=True,
        text=True,
        env=compiler_environment(),
    )
    assert run.returncode == 0, run.stderr
