"""The file of a search that was put aside: one line that says whose it is, and what the core wrote.

A search that a bound or Ctrl-C stops goes there; one that finds its file goes on from it. When the
search comes to its end, the file is gone.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

from gcsim import _core
from gcsim._errors import StateError

if TYPE_CHECKING:
    from types import TracebackType

    from gcsim._explore import Setup

NONE = -1  # no file descriptor


def _build() -> str:
    """Of the very core that is loaded: hashes of states mean something to it alone."""
    with open(_core.__file__, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _line(setup: Setup, settings: dict[str, Any]) -> bytes:
    words = {"gcsim search": 1, "of": str(setup), "core": _build()}
    whole = hashlib.sha256(repr((setup, setup.program.code, sorted(settings.items()))).encode())
    return json.dumps({**words, "setup": whole.hexdigest()[:16]}).encode() + b"\n"


class SearchFile:
    """``load`` and ``save`` are file descriptors for the core, or -1.

    StateError: the file that is there was put aside by another search, another build of gcsim, or
    by nobody. OSError: it cannot be read or written.
    """

    def __init__(self, path: str | os.PathLike[str] | None, setup: Setup, **settings: Any) -> None:
        self._path = os.fspath(path) if path is not None else None
        self._part = f"{self._path}.part"
        self._files: list[Any] = []
        self.load = self.save = NONE
        if self._path is None:
            return
        line = _line(setup, settings)
        if os.path.exists(self._path):
            self.load = self._open(self._path, "rb")
            self._check(self._files[0].readline(4096), line)
        self.save = self._open(self._part, "wb")
        self._files[-1].write(line)

    def _open(self, path: str, mode: str) -> int:
        self._files.append(open(path, mode, buffering=0))  # noqa: SIM115
        return int(self._files[-1].fileno())

    def _check(self, found: bytes, line: bytes) -> None:
        try:
            there, here = json.loads(found), json.loads(line)
            of, core = there["of"], there["core"]
        except (ValueError, KeyError, TypeError):
            raise StateError(f"{self._path} is no search that was put aside") from None
        if core != here["core"]:
            raise StateError(f"{self._path} is of another build of gcsim: begin anew without it")
        if there != here:
            raise StateError(f"{self._path} is of another search ({of}), or of other settings")

    def __enter__(self) -> SearchFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        for file in self._files:
            file.close()
        if self.save != NONE and os.path.exists(self._part):
            os.unlink(self._part)

    def end(self, *, saved: bool, stopped: bool) -> None:
        """The search has stopped, and was saved; or it has ended, and the file goes."""
        if self._path is None:
            return
        if saved:
            os.replace(self._part, self._path)
        elif stopped:
            raise OSError(f"{self._path}: the search stopped and could not be put aside there")
        elif self.load != NONE:
            os.unlink(self._path)
