"""What tests need that others make: Go, browsers, packages. Missing is a skip; in CI a failure."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest


def cannot(why: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(f"{why}, and CI must not skip this")
    pytest.skip(why)


def missing(what: str) -> NoReturn:
    cannot(f"{what} is not installed")


def program(name: str, package: str = "") -> str:
    """The path of a command, which `package` brings."""
    return shutil.which(name) or missing(package or name)


def go_pprof(*args: str | Path) -> str:
    """What ``go tool pprof`` prints."""
    command = [program("go"), "tool", "pprof", *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout
