"""What tests share: heaps in both instantiations, Python programs in their own process."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator

import pytest
from chromium import browser as browser

import gcsim

MODES = ("threads", "steps")


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    """The instantiation: real threads, or coroutines that stop at every step point."""
    return str(request.param)


@pytest.fixture
def heap(mode: str) -> Iterator[gcsim.Heap]:
    """An open heap, whose invariants must hold when the test is done."""
    with gcsim.Heap(mode=mode) as heap:
        yield heap
        if not heap.closed:
            assert heap.verify()


@pytest.fixture
def run_python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a program text in a new interpreter; it must end by itself, with the status expected."""

    def run(
        program: str, *args: str, status: int = 0, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        # Whoever runs the tests in the background has interrupts ignored, and children inherit that.
        listen = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        text = listen + textwrap.dedent(program)
        command = [sys.executable, "-X", "faulthandler", "-c", text, *args]
        paths = [os.path.dirname(os.path.dirname(gcsim.__file__)), os.environ.get("PYTHONPATH", "")]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in paths if p)}
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=env)
        assert done.returncode == status, (
            f"exit status {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return done

    return run
