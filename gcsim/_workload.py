"""Workloads: programs in C that run on a heap's own threads, without the GIL."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from gcsim import _core
from gcsim._errors import CompileError, CompilerNotFoundError, OptionError, WorkloadError

if TYPE_CHECKING:
    from gcsim._core import Heap

_FLAGS = ("-std=c11", "-D_GNU_SOURCE", "-O2", "-g", "-fno-strict-aliasing", "-Wall", "-Wextra")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a workload: an int, or for sizes also a text such as ``"64MiB"``."""

    name: str
    unit: str  #: "bytes", "ms" or "" (a count)
    about: str
    default: int
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class ThreadResult:
    """What one thread of a run did."""

    checksum: int
    cpu_s: float  #: processor time of the thread
    error: str | None  #: None: it returned without an error


@dataclass(frozen=True, slots=True)
class WorkloadResult:
    """What a run of a workload did and cost. Seconds and bytes.

    Times of the collector and stops are summed over the records of the cycles that ended during
    the run; ``unseen_cycles`` is how many were overwritten before they were read (256 are kept).
    """

    workload: str
    threads: tuple[ThreadResult, ...]
    seed: int
    parameters: Mapping[str, int | str]
    wall_s: float  #: from `prepare` to `finish`
    cpu_s: float  #: processor time of the whole process meanwhile, the collector's included
    checksum: int  #: sum over the threads, `prepare` and `finish`, modulo 2**64
    error: str | None  #: of `prepare` or `finish`
    cycles: int
    unseen_cycles: int
    alloc_bytes: int  #: allocated, as TotalAlloc counts
    peak_bytes: int  #: highest heap_live seen: when markings ended, and at the end of the run
    worst_stop_s: float  #: longest single stop of the world
    total_stop_s: float
    mark_cpu_s: float  #: marking by workers, or with the world stopped; assists not included
    assist_cpu_s: float

    @property
    def errors(self) -> tuple[str, ...]:
        """Each error with who made it; empty if there was none."""
        named = [(f"thread {i}", t.error) for i, t in enumerate(self.threads)]
        return tuple(
            f"{who}: {text}" for who, text in [*named, ("prepare or finish", self.error)] if text
        )


class Workload:
    """A compiled workload. `run` runs it on a heap, as often as one likes."""

    __slots__ = ("_loaded", "about", "name", "parameters")

    name: Final[str]
    about: Final[str]
    parameters: Final[Mapping[str, Parameter]]

    def __init__(self, loaded: Any, /) -> None:
        self._loaded = loaded
        self.name, self.about, rows = _core.describe_workload(loaded)
        self.parameters = MappingProxyType({row[0]: Parameter(*row) for row in rows})
        for name in self.parameters:
            if not name.isidentifier() or name in ("threads", "seed", "watchdog"):
                raise WorkloadError(f"workload {self.name}: a parameter cannot be called {name!r}")
        if len(self.parameters) != len(rows):
            raise WorkloadError(f"workload {self.name}: two parameters have one name")

    def __repr__(self) -> str:
        shown = "".join(f", {p.name}={p.default}" for p in self.parameters.values())
        return f"<gcsim.Workload {self.name}: run(heap, threads=1, seed=1{shown})>"

    def run(
        self,
        heap: Heap,
        /,
        *,
        threads: int = 1,
        seed: int = 1,
        watchdog: float = 10.0,
        **parameters: int | str,
    ) -> WorkloadResult:
        """Runs it on `threads` threads of its own (1 to 1024); the GIL is free meanwhile.

        In mode="steps" the threads run one after another. Ctrl-C asks the workload to stop at its
        next poll, then raises KeyboardInterrupt. `watchdog` is in seconds: a thread that holds up
        a stop of the world for longer is named on standard error, with what it was doing last;
        one that does not end so long after a Ctrl-C is left behind: WorkloadError, and the heap
        can be used and closed again when it has ended.

        Raises OptionError for a parameter that the workload has not, RangeError and
        ConversionError for a value that does not fit, WorkloadError (with ``result``) when a
        thread returns an error, HeapMemoryError when no thread or mutator can be had, StateError,
        ClosedHeapError, ForkedHeapError.
        """
        for name in parameters:
            if name not in self.parameters:
                known = ", ".join(self.parameters) or "none"
                raise OptionError(f"workload {self.name} has no parameter {name!r}; it has {known}")
        values = {p.name: parameters.get(p.name, p.default) for p in self.parameters.values()}
        told = _core.run_workload(
            heap, self._loaded, threads, seed, tuple(values.values()), watchdog
        )
        *rows, leader = told.pop("threads")
        result = WorkloadResult(
            workload=self.name,
            threads=tuple(ThreadResult(*row) for row in rows),
            seed=seed,
            parameters=MappingProxyType(values),
            error=leader[2],
            **told,
        )
        if result.errors:
            error = WorkloadError(f"workload {self.name} failed: {'; '.join(result.errors)}")
            error.result = result
            raise error
        return result


def _compiler() -> list[str]:
    return shlex.split(os.environ.get("CC") or "cc")


def _compile(source: Path, target: Path, flags: Sequence[str]) -> None:
    from gcsim import get_include

    command = [*_compiler(), *_FLAGS, f"-I{get_include()}", *flags]
    command += ["-fPIC", "-shared", "-pthread", "-o", str(target), str(source)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise CompilerNotFoundError(
            f"no C compiler: {command[0]!r} cannot be run ({error.strerror}); install one (Debian:"
            " apt-get install gcc libc6-dev) or set the environment variable CC"
        ) from error
    if done.returncode != 0:
        refused = CompileError(f"the C compiler refused the workload:\n{done.stdout.rstrip()}")
        refused.output = done.stdout
        raise refused


def workload(source: str | os.PathLike[str], /, *, flags: Sequence[str] = ()) -> Workload:
    """Compiles a workload in C: its text, or the path of its file (an os.PathLike).

    The source includes ``<gcsim/workload.h>``, which tells how to write one, and has one line
    ``GCSIM_WORKLOAD(.name = ..., .about = ..., .run = ...)``. The compiler is $CC, else ``cc``;
    `flags` are added to its command line. Nothing is left on disk.

    It is C: a workload with a bug can crash the process. Raises CompileError with what the
    compiler said, CompilerNotFoundError, WorkloadError if the source defines no workload, OSError
    if the file cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="gcsim-workload-") as place:
        path = Path(place, "workload.c")
        if isinstance(source, str):
            path.write_text(source, encoding="utf-8")
        else:
            path = Path(source).absolute()
            path.open("rb").close()  # a better error than the compiler's
        library = Path(place, "workload.so")
        _compile(path, library, flags)
        return Workload(_core.open_workload(library))


class Workloads(Mapping[str, Workload]):
    """The built-in workloads by name."""

    def __init__(self) -> None:
        made = [Workload(loaded) for loaded in _core.builtin_workloads()]
        self._all = {w.name: w for w in made}

    def __getitem__(self, name: str) -> Workload:
        return self._all[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def __repr__(self) -> str:
        return f"<gcsim.workloads: {', '.join(self._all)}>"


workloads: Final = Workloads()
