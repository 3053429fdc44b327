"""One event hash for one schedule, whatever compiled the core: `python tests/event_hash.py`.

Builds ``csrc/tests/event_hash.c`` with the step instantiation by gcc and clang, -O0 to -O3, and with
the address and undefined-behaviour sanitizers, runs it on the standard programs and two
workloads, and compares every line. Exit status 1 if two builds differ.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from gcsim import PROGRAMS

sys.path.insert(0, str(Path(__file__).resolve().parent / "bench"))
import programs

CSRC = Path(__file__).resolve().parent.parent / "csrc"
#: Compiler and flags; those whose compiler is not there are left out.
BUILDS = [(c, f) for c in ("gcc", "clang") for f in ("-O0", "-O1", "-O2", "-O3")] + [
    ("gcc", "-O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all"),
    # Traps need no runtime library, which not every installation of clang has.
    ("clang", "-O1 -fsanitize=undefined -fsanitize-trap=all"),
]


def common_flags() -> list[str]:
    """And that it is no debug build, whose checks take steps of their own."""
    return [*programs.flags()["FLAGS_COMMON"], "-DGCSIM_DEBUG=0"]


def stages() -> str:
    """The standard programs as event_hash.c reads them."""
    lines = []
    for p in PROGRAMS.values():
        objects, fields, globals, locals, *targets = p.stage.packed()
        numbers = (p.name, objects, fields, globals, locals, len(p.code))
        words = [*map(str, numbers), *(t.hex() or "-" for t in targets), *(c.hex() for c in p.code)]
        lines.append(" ".join(words))
    return "\n".join(lines) + "\n"


def histories(compiler: str, flags: str, folder: Path) -> list[str]:
    """The lines that this build prints."""
    program = folder / "event_hash"
    sources = [str(CSRC / "tests/event_hash.c"), str(CSRC / "core_step.c")]
    command = [compiler, *shlex.split(flags), *common_flags(), f"-I{CSRC}", f"-I{CSRC}/include"]
    subprocess.run([*command, *sources, "-o", str(program), "-pthread", "-lm"], check=True)
    env = {"ASAN_OPTIONS": "detect_stack_use_after_return=0:detect_leaks=0"}
    run = subprocess.run([str(program)], input=stages(), capture_output=True, text=True, env=env)
    if run.returncode:
        raise RuntimeError(f"{compiler} {flags}: status {run.returncode}\n{run.stderr[-2000:]}")
    return run.stdout.splitlines()


def differences(builds: list[tuple[str, str]], say: bool = False) -> tuple[list[str], list[str]]:
    """The first build's lines, and a line for each one that another build prints otherwise."""
    first: list[str] = []
    found: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for compiler, flags in builds:
            lines = histories(compiler, flags, Path(folder))
            first = first or lines
            other = [
                f"{compiler} {flags}: {b}, not {a}"
                for a, b in zip(first, lines, strict=False)
                if a != b
            ]
            other += [f"{compiler} {flags}: {n}" for n in lines if "DIFFERENTLY" in n]
            if len(lines) != len(first):
                other.append(f"{compiler} {flags}: {len(lines)} lines, not {len(first)}")
            found += other
            if say:
                print(f"{compiler} {flags}: {len(lines)} histories, {len(other)} differ")
    return first, found


def main() -> int:
    builds = [b for b in BUILDS if shutil.which(b[0])]
    first, found = differences(builds, say=True)
    print(
        "\n".join(found[:40])
        or f"one hash for each of {len(first)} histories, in {len(builds)} builds"
    )
    return 1 if found or not first else 0


if __name__ == "__main__":
    sys.exit(main())
