"""The process in which a student's code runs: pytest over an exercise's own tests, nothing else.

The judge tells on standard input which tests and which file, and a secret. Verdicts go back as JSON
lines, each with the secret, which the student's code is kept from finding: what could show it
frames or objects that are not its own is refused. That code may be wrong, slow or hostile by
accident; this is no prison, but nothing that a student would try passes for a solution.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

# Before the seal, and so before the student's code.
import gcsim._pytest_plugin
import gcsim.lowlevel  # noqa: F401
from gcsim._learn.native import Died
from gcsim._learn.seal import Seal
from gcsim.learn import NotStarted

_FORBIDDEN = frozenset(  # audit events
    {"sys._getframe", "sys._getframemodulename", "sys._current_frames", "code.__new__"}
    | {"sys.settrace", "sys.setprofile", "ctypes.dlopen", "ctypes.dlsym", "subprocess.Popen"}
    | {"gc.get_objects", "gc.get_referrers", "gc.get_referents"}
    | {"os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.system", "os.kill"}
)
_HIDDEN = frozenset(  # attributes
    {"tb_frame", "f_back", "gi_frame", "cr_frame", "ag_frame"}
    | {"__code__", "__defaults__", "__kwdefaults__"}
)
_GO_BETWEENS = ("/inspect.py", "/ctypes/__init__.py", "/subprocess.py")
_SECRET_FILES = ("/proc/self/mem", "/proc/self/fd", f"/proc/{os.getpid()}")


class Forbidden(BaseException):
    """The student's code did what no exercise needs."""


def _guard(student: str) -> None:
    """From now on, code of that file may not look at other code's frames and objects."""
    looking = False

    def refused(event: str, args: tuple[Any, ...]) -> bool:
        if event == "object.__getattr__" or event == "object.__setattr__":
            return args[1] in _HIDDEN
        if event == "open":
            return str(args[0]).startswith(_SECRET_FILES)
        return event in _FORBIDDEN

    def hook(event: str, args: tuple[Any, ...]) -> None:
        nonlocal looking
        if looking or not refused(event, args):
            return
        looking = True
        try:
            frame = sys._getframe(1)
            while frame.f_code.co_filename.endswith(_GO_BETWEENS) and frame.f_back:
                frame = frame.f_back
            caller = frame.f_code.co_filename
        finally:
            looking = False
        if caller == student:
            what = args[1] if event.startswith("object.") else event
            raise Forbidden(f"{what} is not for exercises")

    sys.addaudithook(hook)


def _refuse_imports(path: Path, uses_gcsim: bool) -> None:
    """What would give the answer, or judge in our place, is not imported."""
    for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name for name in names if name != "gcsim.learn.todo"]
        elif isinstance(node, ast.Attribute) and node.attr == "modules":
            names = ["sys.modules"]  # where the core is, whose answers are asked for
        elif isinstance(node, ast.Name) and node.id == "__import__":
            names = ["importlib"]
        for name in names:
            top, line = name.split(".")[0], f"line {getattr(node, 'lineno', 0)}"
            if top in ("pytest", "_pytest", "importlib", "ctypes", "gc"):
                raise Forbidden(f"{line}: {name} is not for exercises")
            if (top == "gcsim" or name == "sys.modules") and not uses_gcsim:
                raise Forbidden(f"{line}: this exercise is done without {name}")


def _import(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("exercise", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["exercise"] = module
    spec.loader.exec_module(module)
    return module


class Verdicts:
    """The plugin that gives tests the student's module and tells the judge how each went."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.path = Path(told["student"])
        self.uses_gcsim: bool = told["uses_gcsim"]
        self.broken: str | None = None
        self._seal: Seal | None = None
        self._module: ModuleType | None = None
        self._send = _sender(told["fd"], told["secret"])

    @pytest.fixture(scope="session")
    def exercise(self) -> Any:
        """The student's module; the path of the file if it is C."""
        if self.path.suffix == ".c":
            return self.path
        if self._module is None:
            _refuse_imports(self.path, self.uses_gcsim)
            self._seal = Seal()
            _guard(str(self.path))
            self._module = _import(self.path)
        return self._module

    @pytest.fixture
    def score(self) -> Any:
        """``score("time", 31.0, 95.0, "ns a call", {"malloc": 20.0, "free": 11.0})``: a figure
        where less is better, the reference's, the unit, and where it went. Shown if all passes."""

        def score(
            what: str,
            value: float,
            reference: float,
            unit: str,
            parts: dict[str, float] | None = None,
        ) -> None:
            self._send({"score": [what, value, reference, unit, parts or {}]})

        return score

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._send({"begins": nodeid.split("::")[-1]})

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if call.when == "call":
            self._look()
        if call.when == "call" or call.excinfo is not None:
            outcome, message = self._told(call)
            self._send({"case": item.name, "outcome": outcome, "message": message})
        return report

    def _told(self, call: pytest.CallInfo[None]) -> tuple[str, str]:
        if call.excinfo is None:
            return "passed", ""
        error = call.excinfo.value
        if isinstance(error, NotStarted):
            return "not started", str(error)
        if isinstance(error, Forbidden):
            return "tampered", str(error)
        if isinstance(error, Died):
            return error.outcome, str(error)
        if isinstance(error, MemoryError):
            return "memory", f"out of memory: {error}"
        if isinstance(error, (AssertionError, pytest.fail.Exception)) and not self._theirs(error):
            return "failed", str(error)
        if isinstance(error, pytest.skip.Exception):
            return "tampered", "an exercise's test was skipped"
        return "failed", self._traceback(error)

    def _theirs(self, error: BaseException) -> bool:
        """Was it raised by the student's file itself?"""
        frames = traceback.extract_tb(error.__traceback__)
        return bool(frames) and frames[-1].filename == str(self.path)

    def _traceback(self, error: BaseException) -> str:
        """As Python prints it, less the frames that are not the student's."""
        told = traceback.TracebackException.from_exception(error)
        mine = [i for i, f in enumerate(told.stack) if f.filename == str(self.path)]
        told.stack = traceback.StackSummary.from_list([told.stack[i] for i in mine])
        told.__cause__ = told.__context__ = None
        return "".join(told.format()).rstrip()

    def _look(self) -> None:
        if self._seal and not self.broken:
            self.broken = self._seal.broken()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        self._look()  # before pytest takes back what it has changed in itself

    def done(self, status: int) -> None:
        self._send({"done": status, "broken": self.broken})


def _sender(fd: int, secret: str) -> Any:
    write, dump = os.write, json.dumps

    def send(what: dict[str, Any]) -> None:
        write(fd, (dump({**what, "secret": secret, "time": time.monotonic()}) + "\n").encode())

    return send


def _limit(memory: int, seconds: float) -> None:
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 2, int(seconds) + 4))
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Runs the tests that standard input names."""
    told = json.loads(sys.stdin.read())
    sys.dont_write_bytecode = True
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    verdicts = Verdicts(told)
    only = [f"{told['tests']}::{name}" for name in told["only"]] or [told["tests"]]
    options = ["-q", "--no-header", "--no-summary", "--tb=no", "-c", os.devnull]
    options += ["--rootdir", str(Path(told["tests"]).parent), "--import-mode=importlib"]
    options += ["-p", "no:cacheprovider", "-p", "gcsim._pytest_plugin"]
    options += ["--gcsim-seed", str(told["seed"]), "--strict-markers"]
    options += ["-W", "ignore", "-o", "addopts=", "--capture=fd"]
    options += ["-x"] if told["first"] else []
    _limit(told["memory"], told["seconds"])
    status = pytest.main([*options, *only], plugins=[verdicts])
    verdicts.done(int(status))
    os._exit(0)  # nothing of the student's runs any more


if __name__ == "__main__":
    main()
