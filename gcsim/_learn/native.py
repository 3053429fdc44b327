"""Runs a student's C: compiled with a driver of ours, in a process that knows no verdict.

    program = compiled(exercise, DRIVER)             # exercise: the fixture, the path of exercise.c
    done = program.run(seed=7, data=trace, count=3)  # one process, one run of the workload
    assert done.error is None, done.error

A driver is a workload (``gcsim/workload.h``) that calls what the student wrote. It begins with
what PREAMBLE has: ``learn_step(i, "release(%d)", b)`` before each thing that may go wrong, so that
a crash or a loop without an end is told with the step at which it happened; ``learn_figure("time",
31.0)`` for what is to be shown; and ``learn->data``, `bytes` that the test gave and gets back.
In a stub, ``todo("...")`` stands where the student's code goes.

The process has neither the judge's secret nor its pipe, and a run counts only with a word that was
told before the student's library was loaded: what its constructors do, or ``_exit(0)``, is no pass.
"""

from __future__ import annotations

import json
import mmap
import os
import resource
import secrets
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from gcsim.learn import NotStarted

_FIGURES, _NAME, _TEXT = 32, 24, 240
_HEAD = struct.Struct(f"=QQQ{_TEXT}s{_TEXT}s")  # as struct learn begins
_FIGURE = struct.Struct(f"={_NAME}sd")
_DATA = 4096
PREAMBLE = f"""\
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
#include "gcsim/workload.h"

// Shared with the test, which reads it even after a crash.
struct learn {{
    uint64_t number, nfigures, bytes;
    char step[{_TEXT}], todo[{_TEXT}];
    struct {{
        char name[{_NAME}];
        double value;
    }} figures[{_FIGURES}];
    _Alignas({_DATA}) unsigned char data[];
}};
__attribute__((visibility("default"))) struct learn *learn;
_Noreturn void todo(const char *what);

// The step that comes now: its number, from 1, and what it is.
__attribute__((format(printf, 2, 3), unused)) static void learn_step(uint64_t number,
                                                                     const char *format, ...)
{{
    va_list args;
    va_start(args, format);
    vsnprintf(learn->step, sizeof learn->step, format, args);
    va_end(args);
    learn->number = number;
}}

__attribute__((unused)) static void learn_figure(const char *name, double value)
{{
    snprintf(learn->figures[learn->nfigures].name, {_NAME}, "%s", name);
    learn->figures[learn->nfigures++].value = value;
}}

_Noreturn void todo(const char *what)
{{
    snprintf(learn->todo, sizeof learn->todo, "%s", what);
    _exit(0);
}}

__attribute__((constructor)) static void learn_print(void) {{ setvbuf(stdout, NULL, _IOLBF, 0); }}
# 1 "the driver" 3
"""  # 3: as a system's header, whose warnings are nobody's


class Died(Exception):
    """The process of a student's C code did not come to its end."""

    def __init__(self, outcome: str, message: str, data: bytes) -> None:
        super().__init__(message)
        self.outcome = outcome  #: as in a verdict: "crashed", "timeout", "tampered"
        self.data = data  #: what learn->data had then


@dataclass(frozen=True)
class Done:
    """What one run came to."""

    error: str | None  #: what the driver found wrong
    checksum: int
    figures: dict[str, float]
    data: bytes  #: what learn->data had at the end


@dataclass(frozen=True)
class Program:
    """A student's C file with its driver."""

    name: str  #: of the student's file
    binary: Path  #: the shared object
    place: tempfile.TemporaryDirectory[str]  #: in which it lies; gone with the last that holds it

    def run(
        self,
        *,
        seed: int = 1,
        threads: int = 1,
        seconds: float = 3.0,
        data: bytes = b"",
        heap: Mapping[str, Any] | None = None,
        **parameters: int,
    ) -> Done:
        """Runs the driver on a heap made with the options of `heap`, in a process of its own.

        Raises Died if that crashes, ends early or takes longer than `seconds`, with the last step
        and what was printed; NotStarted where a ``todo`` was reached.
        """
        word = secrets.token_hex(16)
        told: dict[str, Any] = {
            "binary": str(self.binary),
            "word": word,
            "heap": dict(heap or {}),
        }
        told |= {"seed": seed, "threads": threads, "parameters": parameters}
        with tempfile.TemporaryFile() as board, tempfile.TemporaryFile() as printed:
            board.write(_HEAD.pack(0, 0, len(data), b"", b"").ljust(_DATA, b"\0") + data)
            board.flush()
            status, reply = self._run({**told, "board": board.fileno()}, printed.fileno(), seconds)
            board.seek(0)
            seen = board.read()
            printed.seek(0)
            output = printed.read()[-1000:].decode(errors="replace").strip()
        number, nfigures, _, step, todo = _HEAD.unpack_from(seen)
        if text := _text(todo):
            raise NotStarted(text)
        try:
            answer = json.loads(reply)
            if answer.pop("word") != word:
                raise ValueError
        except (ValueError, KeyError, AttributeError):
            at = f" in step {number}: {_text(step)}" if step[0] else " before the first step"
            output = f"\n{output}" if output else ""
            outcome, what = self._died(status, seconds)
            raise Died(outcome, f"{what}{at}{output}", seen[_DATA:]) from None
        figures = (
            _FIGURE.unpack_from(seen, _HEAD.size + i * _FIGURE.size)
            for i in range(min(nfigures, _FIGURES))
        )
        named = {_text(name): value for name, value in figures}
        return Done(answer["error"], answer["checksum"], named, seen[_DATA:])

    def _run(self, told: dict[str, Any], output: int, seconds: float) -> tuple[int | None, bytes]:
        read, write = os.pipe()
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "gcsim._learn.native"],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(write, told["board"]),
            )
            try:
                process.communicate(json.dumps({**told, "fd": write}).encode(), timeout=seconds)
                status: int | None = process.returncode
            except subprocess.TimeoutExpired:
                status = None
            finally:
                process.kill()
                process.wait()
            os.set_blocking(read, False)
            with suppress(BlockingIOError):
                return status, os.read(read, 1 << 16)
            return status, b""
        finally:
            os.close(read)
            os.close(write)

    def _died(self, status: int | None, seconds: float) -> tuple[str, str]:
        if status is None:
            return "timeout", f"no end after {seconds:g} s"
        if status < 0:
            return "crashed", f"{signal.Signals(-status).name} ({signal.strsignal(-status)})"
        ended = f"{self.name} ended the process with exit status {status}"
        return ("crashed" if status else "tampered"), ended


def _text(field: bytes) -> str:
    return field.split(b"\0")[0].decode(errors="replace")


def compiled(
    file: Path, driver: str, *, declarations: str = "", flags: tuple[str, ...] = ()
) -> Program:
    """Compiles a student's C file with a driver (C text), once for the same two.

    declarations: C text that both begin with, so that the compiler says where the student's
    functions are other ones than the driver calls. flags: for the compiler.
    Raises AssertionError with what the compiler said, the first time in full.
    """
    built = _built(file, driver, declarations, flags)
    if isinstance(built, Program):
        return built
    raise AssertionError(built.pop() if len(built) > 1 else built[0])


@cache
def _built(
    file: Path, driver: str, declarations: str, flags: tuple[str, ...]
) -> Program | list[str]:
    from gcsim._errors import CompileError, CompilerNotFoundError
    from gcsim._workload import _compile

    place = tempfile.TemporaryDirectory(prefix="gcsim-exercise-")
    source, binary = Path(place.name, "driver.c"), Path(place.name, "exercise.so")
    header = source.with_name("declarations.h")
    source.write_text(PREAMBLE + driver, encoding="utf-8")
    header.write_text(declarations, encoding="utf-8")
    more = ["-include", str(header), "-Wl,--no-undefined", *flags, str(file)]
    try:
        _compile(source, binary, more)
    except CompilerNotFoundError:
        raise
    except CompileError as error:
        said = error.output
        for folder in (file.parent, place.name):
            said = said.replace(f"{folder}{os.sep}", "")
        short = "the C compiler refuses it"
        return [f"{short}, as above", f"{short}:\n{said.rstrip()}"]
    return Program(file.name, binary, place)


def _main() -> None:
    """The process: one run of what standard input names."""
    told = json.loads(sys.stdin.buffer.read())
    word, fd = told["word"], told["fd"]
    import ctypes

    from gcsim import Heap, _core
    from gcsim._errors import WorkloadError
    from gcsim._workload import Workload

    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 24, 1 << 24))  # what it prints
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    board = ctypes.c_char.from_buffer(mmap.mmap(told["board"], 0))
    library = ctypes.CDLL(told["binary"])
    ctypes.c_void_p.in_dll(library, "learn").value = ctypes.addressof(board)
    workload = Workload(_core.open_workload(Path(told["binary"])))
    with Heap(**told["heap"]) as heap:
        try:
            result = workload.run(
                heap, threads=told["threads"], seed=told["seed"], **told["parameters"]
            )
        except WorkloadError as failed:
            result = failed.result
    error = (
        "\n".join(result.errors)
        if result.threads[1:]
        else (result.threads[0].error or result.error)
    )
    answer = {"word": word, "error": error, "checksum": result.checksum}
    os.write(fd, json.dumps(answer).encode())
    os._exit(0)


if __name__ == "__main__":
    _main()
