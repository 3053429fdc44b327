"""Builds the measuring programs: C with the release flags, Go and Java where they are installed.

Those of tests/bench go into build/bench, the works of tests/bench/work, which run on many memories,
into build/peers.

A program is built again when its command line or any source that it could depend on has changed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shlex
import shutil
import subprocess
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OUT = ROOT / "build" / "bench"
PEERS = ROOT / "build" / "peers"
WORK = HERE / "work"


class BuildError(Exception):
    """A compiler refused; the message is what it said."""


def flags() -> dict[str, list[str]]:
    """The variables of csrc/flags.mk."""
    lines = (ROOT / "csrc" / "flags.mk").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): words.split() for name, words in pairs}


def compiler() -> list[str]:
    return shlex.split(os.environ.get("CC", "")) or ["cc"]


def compiler_name() -> str:
    """Family and major version, such as `gcc 12`: what instruction counts depend on."""
    macros = subprocess.run(
        [*compiler(), "-dM", "-E", "-x", "c", os.devnull],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    defined = dict(line.split(" ", 2)[1:] for line in macros.splitlines() if line.count(" ") > 1)
    if "__clang_major__" in defined:
        return f"clang {defined['__clang_major__']}"
    return f"gcc {defined['__GNUC__']}"


def go() -> str | None:
    return shutil.which("go")


def clean_environment(**more: str) -> dict[str, str]:
    """The environment without what would change the programs: preloaded sanitizers, Go's knobs."""
    dropped = ("LD_PRELOAD", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GODEBUG", "GOEXPERIMENT")
    dropped += ("MARK_ENGINE", "STOP_THE_WORLD", "GC_MARKERS", "JAVA_TOOL_OPTIONS")
    return {k: v for k, v in os.environ.items() if k not in dropped} | more


def _digest(sources: list[Path], command: list[str]) -> str:
    digest = hashlib.sha256(shlex.join(command).encode())
    for path in sorted(sources):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _make(
    name: str, sources: list[Path], command: list[str], env: dict[str, str], out: Path = OUT
) -> Path:
    """Run `command`, in which "TARGET" stands for the file (or, for javac, the folder) to write,
    unless it has been done."""
    target, stamp = out / name, out / f"{name}.stamp"
    tool = [command[0], "version" if command[0].endswith("go") else "--version"]
    version = subprocess.run(tool, capture_output=True, text=True).stdout
    digest = _digest(sources, [*command, version, env.get("GOEXPERIMENT", "")])
    out.mkdir(parents=True, exist_ok=True)
    with open(out / f"{name}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs may want to build at once
        if target.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == digest:
            return target
        fresh = out / f"{name}.new"
        words = [str(fresh) if word == "TARGET" else word for word in command]
        done = subprocess.run(words, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise BuildError(f"{name} could not be built:\n{done.stderr.strip()}")
        if target.is_dir():
            shutil.rmtree(target)
        os.replace(fresh, target)
        stamp.write_text(digest, encoding="utf-8")
    return target


def _compile() -> list[str]:
    table = flags()
    # Without debugging information: older valgrinds stop at what newer compilers write.
    common = [*compiler(), *table["FLAGS_release"], *table["FLAGS_COMMON"], "-g0"]
    return [*common, "-Icsrc", "-Icsrc/include"]


def _core(unit: str) -> Path:
    """core_fast or core_step."""
    core_parts = ("base", "types", "alloc", "gc", "watch", "lib", "steps", "include")
    sources = [p for part in core_parts for p in (ROOT / "csrc" / part).rglob("*.*")]
    sources += (ROOT / "csrc").glob("*.[ch]")
    command = [*_compile(), "-c", f"csrc/{unit}.c", "-o", "TARGET"]
    return _make(f"{unit}.o", sources, command, clean_environment())


def c_program(
    name: str, *, workload: Path | None = None, runs: bool = False, wraps: str = ""
) -> Path:
    """Build tests/bench/<name>.c with the fast instantiation of the core; returns the program.

    With a workload's source, that is linked into it, and what runs workloads; that alone with runs.
    wraps: words for the linker.
    """
    table, env, common = flags(), clean_environment(), _compile()
    # What runs workloads does so in virtual time too.
    units = ["core_fast", "core_step"] if workload or runs else ["core_fast"]
    core = [_core(unit) for unit in units]
    parts = [f"tests/bench/{name}.c", *_words(core)]
    sources = [HERE / f"{name}.c", HERE / "bench.h", *core, *(ROOT / "csrc/include").rglob("*.*")]
    sources += (ROOT / "csrc/lib").glob("*.[ch]")  # may be compiled into it
    target = name
    if workload or runs:
        parts.append("csrc/workloads/workloads.c")
        sources += (ROOT / "csrc/workloads").glob("*.[ch]")
    if workload:
        parts.append(str(workload.relative_to(ROOT)))
        sources.append(workload)
        target = f"{name}-{workload.stem}"
    link = [*table["LINK_release"], *table["LINK_COMMON"], *wraps.split()]
    return _make(target, sources, [*common, *parts, "-o", "TARGET", *link], env)


def c_library(name: str) -> Path:
    """Build tests/bench/<name>.c, which needs nothing of the core, as a shared library."""
    table, env = flags(), clean_environment()
    words = [*compiler(), *table["FLAGS_release"], *table["FLAGS_COMMON"], "-g0", "-shared"]
    source = HERE / f"{name}.c"
    words += [str(source.relative_to(ROOT)), "-o", "TARGET"]
    return _make(f"{name}.so", [source], words, env)


def go_program(name: str, *, experiment: str = "", source: Path | None = None) -> Path | None:
    """Build tests/bench/go/<name>.go (or `source`), with GOEXPERIMENT if given; None without Go."""
    source = source or HERE / "go" / f"{name}.go"
    return _go_build(f"go-{name}", source, [source], experiment)


def _go_build(
    name: str, what: Path, sources: list[Path], experiment: str, *options: str, out: Path = OUT
) -> Path | None:
    tool = go()
    if tool is None:
        return None
    env = clean_environment(GO111MODULE="off", GOFLAGS="")
    if experiment:
        env["GOEXPERIMENT"] = experiment
    command = [tool, "build", *options, "-o", "TARGET", f"./{what.relative_to(ROOT)}"]
    return _make("-".join(filter(None, [name, experiment])), sources, command, env, out)


# ---- the works: the same programs in C, Go, Java and Python, on many memories ----


def _files(folder: str) -> list[Path]:
    return sorted(p for p in (WORK / folder).iterdir() if p.is_file())


def _words(paths: list[Path]) -> list[str]:
    return [str(p.relative_to(ROOT)) for p in paths]


@cache
def has_library(header: str, library: str) -> bool:
    command = [*compiler(), "-xc", "-", "-include", header, f"-l{library}", "-o", os.devnull]
    source = "int main(void) { return 0; }"
    return subprocess.run(command, input=source, text=True, capture_output=True).returncode == 0


def work_of_c(memory: str, library: str = "") -> Path:
    """The works on gcsim, bdwgc or malloc, as memory.h beside them chooses."""
    files, table = _files("c"), flags()
    heads = [p for part in ("include", "lib") for p in (ROOT / "csrc" / part).rglob("*.*")]
    sources = [*files, HERE / "bench.h", *heads]
    parts = _words([f for f in files if f.suffix == ".c"])
    if memory == "gcsim":
        core = _core("core_fast")
        parts += _words([core])
        sources.append(core)
    link = [*table["LINK_release"], *table["LINK_COMMON"]]
    if library:  # needed or not: it defines malloc in the C library's stead
        link = ["-Wl,--no-as-needed", f"-l{library}", *link]
    command = [*_compile(), f"-DMEMORY_{memory.upper()}", *parts, "-o", "TARGET", *link]
    return _make(f"work-{library or memory}", sources, command, clean_environment(), PEERS)


def work_of_go(experiment: str = "") -> Path | None:
    link = "-ldflags=-checklinkname=0"  # store.go reads a variable of the runtime
    return _go_build("work-go", WORK / "go", _files("go"), experiment, link, out=PEERS)


def work_of_java() -> Path | None:
    """A folder of classes; None without a JDK."""
    if not (shutil.which("java") and shutil.which("javac")):
        return None
    files = _files("java")
    command = ["javac", "-d", "TARGET", *_words(files)]
    return _make("work-java", files, command, clean_environment(), PEERS)
