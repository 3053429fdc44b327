"""A search in a process of its own, started with this module as its program.

The parent sends a pickled job on standard input; the child answers with pickled messages on
standard output: (states, transitions) now and then, at last an Exploration or an exception. The
steps that the search has taken lie in a file that both have mapped, for the case that it dies.
"""

from __future__ import annotations

import mmap
import pickle
import select
import signal
import subprocess
import sys
import tempfile
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gcsim._explore import Exploration, Progress, Setup


def run_search(setup: Setup, bounds: dict[str, Any], progress: Progress | None) -> Exploration:
    """Search in a child; "broken" if it died."""
    from gcsim._explore import TRAIL

    with tempfile.TemporaryFile() as file:
        file.truncate(TRAIL)
        child = subprocess.Popen(
            [sys.executable, "-c", "from gcsim._explore_process import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[file.fileno()],
        )
        try:
            return _converse(child, setup, bounds, file, progress)
        except KeyboardInterrupt:
            if bounds.get("file") is not None:  # what was covered is put aside first
                child.send_signal(signal.SIGUSR1)
                _last_message(child)
            raise
        finally:
            child.kill()
            child.communicate()


def _converse(
    child: subprocess.Popen[bytes],
    setup: Setup,
    bounds: dict[str, Any],
    file: IO[bytes],
    progress: Progress | None,
) -> Exploration:
    assert child.stdin is not None and child.stdout is not None
    child.stdin.write(pickle.dumps((setup, bounds, file.fileno())))
    child.stdin.close()
    child.stdin = None
    stopping = False
    while True:
        select.select([child.stdout], [], [])
        try:
            message = pickle.load(child.stdout)
        except EOFError:
            return _died(child, file, setup)
        if isinstance(message, BaseException):
            raise message
        if not isinstance(message, tuple):
            return message  # type: ignore[no-any-return]
        if progress is not None and not stopping and progress(*message):
            stopping = True
            child.send_signal(signal.SIGUSR1)


def _last_message(child: subprocess.Popen[bytes]) -> None:
    assert child.stdout is not None
    try:
        while isinstance(pickle.load(child.stdout), tuple):
            pass
    except EOFError:
        pass


def _died(child: subprocess.Popen[bytes], file: IO[bytes], setup: Setup) -> Exploration:
    from gcsim._explore import TRAIL, Exploration, schedule_text

    assert child.stderr is not None
    said = child.stderr.read().decode(errors="replace").strip().splitlines()
    with mmap.mmap(file.fileno(), TRAIL) as trail:
        steps = bytes(trail)
    end = next((i for i in range(0, len(steps), 2) if steps[i] == 255), 0)
    code = child.wait()
    what = next((line for line in said if line.startswith("gcsim:")), "")
    what = what or (f"killed by {signal.Signals(-code).name}" if code < 0 else f"status {code}")
    return Exploration(setup, "broken", 0, 0, 0, end // 2, 0.0, schedule_text(steps[:end]), what)


def main() -> None:
    """The child."""
    from gcsim._explore import TRAIL, search_here

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's to decide
    stop: list[int] = []
    signal.signal(signal.SIGUSR1, lambda number, _: stop.append(number))
    out = sys.stdout.buffer

    def send(message: object) -> None:
        pickle.dump(message, out)
        out.flush()

    def progress(states: int, transitions: int) -> bool:
        send((states, transitions))
        return bool(stop)

    setup, bounds, fd = pickle.load(sys.stdin.buffer)
    try:
        with mmap.mmap(fd, TRAIL) as trail:
            send(search_here(setup, trail=trail, progress=progress, **bounds))  # type: ignore[arg-type]
    except Exception as error:
        send(error)
