"""A student's folder: the stubs, and how far the student is.

``.gcsim-learn.json`` in it holds of each exercise the last verdict, which file it was about, and
how many hints were given. Nothing else is kept, and nothing leaves the folder. Plain ``pytest`` in
it needs the plugin that gcsim brings; ``conftest.py`` says so where that is missing.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gcsim._errors import OptionError
from gcsim._learn import TESTS, Exercise, catalogue
from gcsim._learn.judge import Verdict

STATE = ".gcsim-learn.json"
_COPIED = ("README.md", TESTS)  # beside the student's own file
_CONFTEST = '''\
"""Exercises run under the plugin that gcsim brings; without it nothing here may pass."""

import pytest


def pytest_collection_modifyitems(config: pytest.Config) -> None:
    if not config.pluginmanager.has_plugin("gcsim") and not config.pluginmanager.has_plugin(
        "gcsim._pytest_plugin"
    ):
        raise pytest.UsageError("the pytest plugin of gcsim is not loaded: pip install gcsim")
'''


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass
class Course:
    """A folder made by ``learn start``."""

    path: Path
    told: dict[str, Any]

    @property
    def every(self) -> list[Exercise]:
        """Its exercises, in the order of the chapter."""
        chosen = self.told.get("chosen")
        return [e for e in catalogue().values() if chosen is None or e.name in chosen]

    def folder(self, exercise: Exercise) -> Path:
        """Where the student works on it."""
        return self.path / exercise.name

    def file(self, exercise: Exercise) -> Path:
        """The student's file."""
        return self.folder(exercise) / exercise.file

    def edited(self, exercise: Exercise) -> list[str]:
        """Files other than the student's own that are not as they were handed out."""
        folder = self.folder(exercise)
        return [
            name
            for name in _COPIED
            if not (folder / name).is_file() or _hash(folder / name) != _hash(exercise.path / name)
        ]

    def passed(self, exercise: Exercise) -> bool:
        """Whether the file as it is now was seen to pass."""
        known = self.told["exercises"].get(exercise.name, {})
        if known.get("outcome") != "passed" or not self.file(exercise).is_file():
            return False
        return bool(known.get("hash") == _hash(self.file(exercise)))

    def outcome(self, exercise: Exercise) -> str:
        """The last verdict, "changed" if the file was edited since, "not started" at first."""
        known = self.told["exercises"].get(exercise.name, {})
        if not self.file(exercise).is_file():
            return "missing"
        if "outcome" not in known:
            return "not started"
        return (
            str(known["outcome"]) if known.get("hash") == _hash(self.file(exercise)) else "changed"
        )

    def next(self) -> Exercise | None:
        """The first exercise that has not passed; None: all have."""
        return next((e for e in self.every if not self.passed(e)), None)

    def hint(self, exercise: Exercise) -> tuple[int, str]:
        """The next hint, counted from 1; the last again once all were given."""
        with self._changing() as told:
            known = told["exercises"].setdefault(exercise.name, {})
            known["hints"] = min(known.get("hints", 0) + 1, len(exercise.hints))
            return known["hints"], exercise.hints[known["hints"] - 1]

    def record(self, exercise: Exercise, verdict: Verdict) -> None:
        """Keeps a verdict. A folder that cannot be written to loses nothing but that."""
        with self._changing() as told:
            known = told["exercises"].setdefault(exercise.name, {})
            known |= {"outcome": verdict.outcome, "hash": _hash(self.file(exercise))}
            known["runs"] = known.get("runs", 0) + 1
            if verdict.passed:
                known.setdefault("passed", datetime.now(UTC).isoformat(timespec="seconds"))

    def reset(self, exercise: Exercise) -> Path | None:
        """Hands the exercise out anew. The student's file, if changed, is kept beside it; its new
        name is returned."""
        file, kept = self.file(exercise), None
        if file.is_file() and _hash(file) != _hash(exercise.path / exercise.file):
            kept = next(
                path
                for n in range(1, 10_000)
                if not (path := file.with_name(f"{file.stem}.{n}{file.suffix}.old")).exists()
            )
            file.rename(kept)
        _copy(exercise, self.path)
        with self._changing() as told:
            told["exercises"].pop(exercise.name, None)
        return kept

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        """The state, read anew under a lock and written back whole: two may run at once."""
        try:
            lock = os.open(self.path, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self.told = _read(self.path)
                yield self.told
                fresh = self.path / f"{STATE}.{os.getpid()}"
                fresh.write_text(json.dumps(self.told, indent=1) + "\n", encoding="utf-8")
                fresh.replace(self.path / STATE)
            finally:
                os.close(lock)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            # a read-only folder: the verdict is shown, and not kept


def _copy(exercise: Exercise, course: Path) -> None:
    folder = course / exercise.name
    folder.mkdir(exist_ok=True)
    for name in (exercise.file, *_COPIED):
        shutil.copyfile(exercise.path / name, folder / name)


def _read(path: Path) -> dict[str, Any]:
    try:
        told = json.loads((path / STATE).read_text(encoding="utf-8"))
        if not isinstance(told["exercises"], dict):
            raise TypeError
    except FileNotFoundError:
        raise OptionError(
            f"{path} is no folder of exercises: `python -m gcsim learn start DIR` makes one, and"
            " --dir DIR says where it is"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise OptionError(
            f"{path / STATE} is damaged: delete it and run `python -m gcsim learn start {path}`;"
            " your files stay as they are"
        ) from None
    return dict(told)


def start(
    path: str | os.PathLike[str], chosen: Sequence[Exercise] | None = None
) -> tuple[Course, int]:
    """Makes a folder of exercises, or adds those that one lacks: nothing that is there is changed.

    chosen: those of a new folder (default: all, also those that a later gcsim brings). Returns it
    and how many exercises were copied. Raises OptionError, OSError.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise OptionError(f"{path} is a file: name a folder")
    path.mkdir(parents=True, exist_ok=True)
    if not (path / "conftest.py").exists():
        (path / "conftest.py").write_text(_CONFTEST, encoding="utf-8")
    if not (path / STATE).exists():
        fresh: dict[str, Any] = {"version": 1, "exercises": {}}
        if chosen is not None:
            fresh["chosen"] = [exercise.name for exercise in chosen]
        (path / STATE).write_text(json.dumps(fresh, indent=1) + "\n", encoding="utf-8")
    course = open_course(path)
    lacking = [exercise for exercise in course.every if not course.file(exercise).exists()]
    for exercise in lacking:
        _copy(exercise, path)
    return course, len(lacking)


def open_course(path: str | os.PathLike[str]) -> Course:
    """A folder that ``start`` made, or one inside it. Raises OptionError."""
    path = Path(path).resolve()
    for folder in (path, *path.parents):
        if (folder / STATE).is_file():
            return Course(folder, _read(folder))
    return Course(path, _read(path))
