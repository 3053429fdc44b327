"""The part of the build that must be computed: modes, the one extension module, its cffi unit.

Everything else is in pyproject.toml. The flags are in csrc/flags.mk, shared with csrc/Makefile; the
flags that CPython itself was built with (-DNDEBUG among them) are not used. Environment:

GCSIM_BUILD      release (default), debug, asan, tsan, ubsan or cov, each built in its own directory
CC               the compiler (default: the first of cc, gcc, clang)
CFLAGS, LDFLAGS  added to the flags of the mode

gcsim/_core.*.so holds both instantiations of the core, the built-in workloads, the binding
(PyInit__core) and the unit that cffi generates (PyInit__ffi). csrc/bind/module.c finds what
`gcsim.build_info()` returns in the string macros GCSIM_BUILD_MODE, _COMPILER, _FLAGS, _PYTHON and
_VERSION.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build import build
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

UNITS = [
    "csrc/core_fast.c",
    "csrc/core_step.c",
    "csrc/ffi/lib.c",
    "csrc/workloads/workloads.c",
    "csrc/bind/module.c",
]
INCLUDES = ["csrc", "csrc/include"]
HEADERS = Path("csrc/include/gcsim")
CDEF = "csrc/ffi/cdef.h"
# In C, cdef.h declares the white-box tables; run through the preprocessor, it is what cffi is told.
FFI_SOURCE = '#include "gcsim/gcsim.h"\n#include "ffi/cdef.h"\n'


def flags() -> dict[str, list[str]]:
    lines = Path("csrc/flags.mk").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): words.split() for name, words in pairs}


def build_mode() -> str:
    mode = os.environ.get("GCSIM_BUILD") or "release"
    if mode not in flags()["MODES"]:
        choices = ", ".join(flags()["MODES"])
        sys.exit(f"gcsim: GCSIM_BUILD={mode} is not a build mode; choose one of: {choices}")
    return mode


def build_directory() -> str:
    return f"build/{build_mode()}/{sysconfig.get_config_var('SOABI')}"


def compiler() -> list[str]:
    if "CC" in os.environ:
        return shlex.split(os.environ["CC"])
    for name in ("cc", "gcc", "clang"):
        if shutil.which(name):
            return [name]
    sys.exit("gcsim: no C compiler found (cc, gcc or clang); install one or set CC")


def extra(name: str) -> list[str]:
    return shlex.split(os.environ.get(name, ""))


def up_to_date(target: Path, command: list[str]) -> bool:
    """Was `target` made by this very command, and did nothing it was made from change since?"""
    try:
        if target.with_suffix(".cmd").read_text(encoding="utf-8") != shlex.join(command):
            return False
        sources = target.with_suffix(".d").read_text(encoding="utf-8").replace("\\\n", " ")
        built = target.stat().st_mtime
        return all(os.stat(name).st_mtime <= built for name in sources.split(":", 1)[1].split())
    except OSError:
        return False


class Build(build):
    def finalize_options(self) -> None:
        if self.build_base == "build":
            self.build_base = build_directory()
        super().finalize_options()


class BuildExt(build_ext):
    def finalize_options(self) -> None:
        super().finalize_options()
        self.build_temp = f"{build_directory()}/temp"

    def build_extension(self, ext: Extension) -> None:
        if not sys.platform.startswith("linux"):
            sys.exit(f"gcsim: {sys.platform} is not supported; gcsim runs on Linux")
        temp = Path(self.build_temp)
        temp.mkdir(parents=True, exist_ok=True)
        mode, table, cc = build_mode(), flags(), compiler()
        options = table[f"FLAGS_{mode}"] + extra("CFLAGS") + table["FLAGS_COMMON"]
        includes = [f"-I{path}" for path in (*INCLUDES, *self.include_dirs)]
        compile_with = [*cc, *options, *includes]
        units = [*ext.sources, self.emit_cffi_unit(temp, compile_with)]
        macros = {"csrc/bind/module.c": self.build_info(mode, cc, options)}

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            jobs = [
                pool.submit(self.compile_unit, unit, temp, compile_with + macros.get(unit, []))
                for unit in units
            ]
            objects = [job.result() for job in jobs]
        library = Path(self.get_ext_fullpath(ext.name))
        library.parent.mkdir(parents=True, exist_ok=True)
        link = table[f"LINK_{mode}"] + extra("LDFLAGS") + table["LINK_COMMON"]
        self.execute_command([*cc, "-shared", *objects, *link, "-o", str(library)])

    def compile_unit(self, unit: str, temp: Path, command: list[str]) -> str:
        target = temp / Path(unit).with_suffix(".o").name
        command = [*command, "-MD", "-c", unit, "-o", str(target)]
        if not up_to_date(target, command):
            target.unlink(missing_ok=True)
            self.execute_command(command)
            target.with_suffix(".cmd").write_text(shlex.join(command), encoding="utf-8")
        return str(target)

    def emit_cffi_unit(self, temp: Path, compile_with: list[str]) -> str:
        """Write the C unit that cffi generates from ffi/cdef.h into the build directory."""
        from cffi import FFI

        preprocess = [*compile_with, "-w", "-E", "-P", "-DGCSIM_CDEF=1", CDEF]
        result = subprocess.run(preprocess, stdout=subprocess.PIPE, text=True)
        if result.returncode != 0:
            sys.exit(f"gcsim: the preprocessor refused {CDEF}")
        lines = result.stdout.splitlines()
        ffi = FFI()
        ffi.cdef("\n".join(line for line in lines if not line.lstrip().startswith("#")))
        ffi.set_source("gcsim._ffi", FFI_SOURCE)
        unit = temp / "_ffi.c"
        with contextlib.redirect_stdout(None):  # it would say that it does so
            ffi.emit_c_code(str(unit))
        return str(unit)

    def build_info(self, mode: str, cc: list[str], options: list[str]) -> list[str]:
        version = subprocess.run([*cc, "--version"], stdout=subprocess.PIPE, text=True, check=True)
        info = {
            "MODE": mode,
            "COMPILER": version.stdout.splitlines()[0],
            "FLAGS": shlex.join(options),
            "PYTHON": platform.python_version(),
            "VERSION": self.distribution.get_version(),
        }
        # A JSON string of printable ASCII is a C string literal.
        return [f"-DGCSIM_BUILD_{name}={json.dumps(text)}" for name, text in info.items()]

    def execute_command(self, command: list[str]) -> None:
        if self.verbose > 0:
            print(shlex.join(command), flush=True)
        if subprocess.run(command).returncode != 0:
            sys.exit(f"gcsim: this command failed: {shlex.join(command)}")


class BuildPy(build_py):
    """Puts the public headers inside the package, where `gcsim.get_include()` finds them.

    In an editable install there is no copy: get_include() then names csrc/include.
    """

    def headers(self) -> list[tuple[Path, Path]]:
        if self.editable_mode:
            return []
        inside = Path(self.build_lib, "gcsim", "include", "gcsim")
        return [(path, inside / path.name) for path in sorted(HEADERS.iterdir())]

    def run(self) -> None:
        super().run()
        for source, target in self.headers():
            self.mkpath(str(target.parent))
            self.copy_file(str(source), str(target))

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        outputs = super().get_outputs(include_bytecode)
        return [*outputs, *(str(target) for _, target in self.headers())]


setup(
    ext_modules=[Extension("gcsim._core", sources=UNITS)],
    cmdclass={"build": Build, "build_ext": BuildExt, "build_py": BuildPy},
)
